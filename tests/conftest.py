"""Shared fixtures: a moto server for the session, a fault proxy in front of it, a seeded estate."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from hypothesis import settings

from cnamm_scan import cache
from cnamm_scan.demo.aws.bed.proxy import FaultProxy
from cnamm_scan.demo.aws.bed.server import MotoServer
from cnamm_scan.demo.aws.estate.shop import seed
from tests import examples

AWS_ENV = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    # no file of whoever runs the tests may be read
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


# set before any test file reads content: the cache of whoever runs the tests is neither read nor filled; workers share one
_CACHE = "CNAMM_SCAN_TESTS_CACHE"
if "PYTEST_XDIST_WORKER" not in os.environ or _CACHE not in os.environ:
    os.environ[_CACHE] = tempfile.mkdtemp(prefix="cnamm-scan-tests-")
    atexit.register(shutil.rmtree, os.environ[_CACHE], ignore_errors=True)
os.environ[cache.SWITCH] = os.environ[_CACHE]


# what the tests start is this product many times over: each would compile all of it again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# what is started in the background ignores Ctrl-C, or the end of its terminal, and so does all that it starts: each test of it would
# wait a minute, and fail
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


HEAVIEST = (
    "scan/test_killed.py",
    "engine/test_sparing.py",
    "engine/test_views_cells.py",
    "engine/test_views_law.py",
    "scan/test_scan.py",
    "evidence/test_fuzz.py",
    "content/test_fuzz.py",
    "engine/test_select.py",
    "engine/test_hostile_rules.py",
    "cli/test_fuzz.py",
    "cli/test_content.py",
    "scan/test_bad_days.py",
    "scan/test_one_meaning.py",
    "scan/test_open_networks.py",
    "scan/test_who_can_reach.py",
    "scan/test_faults.py",
    "aggregator/test_laws.py",
    "aggregator/test_shipped.py",
    "cli/test_cli.py",
    "demo/aws/test_fill.py",
    "scan/test_kubernetes_admission.py",
    "engine/test_evaluate.py",
)
"""The modules that take longest, with their slow tests and without, which begin first: a worker that takes one last is waited for."""


def pytest_configure(config: pytest.Config) -> None:
    """Modules in our order, not those of the most tests first. As many examples as the run has time for."""
    examples.is_whole = config.option.markexpr != "not slow"
    settings.register_profile("house", max_examples=examples.drawn(100))
    settings.load_profile("house")
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The heaviest modules first; all else in the order that was drawn."""
    ranks = {name: rank for rank, name in enumerate(HEAVIEST)}
    root = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.relative_to(root).as_posix() if item.path.is_relative_to(root) else "", len(ranks)))


class MakeClient(Protocol):
    """What `client` is, for annotations."""

    def __call__(self, service: str, url: str, region: str = "us-east-1", **config: Any) -> Any: ...


@pytest.fixture(scope="session", autouse=True)
def aws_environment() -> Iterator[None]:
    """Fake credentials, and nothing of the machine's own AWS set-up."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in AWS_ENV.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(autouse=True)
def _environment_of_a_test() -> Iterator[None]:
    """What a test says in the environment ends with it, in whatever order its patches end: patches within patches set it again."""
    before = _said()
    yield
    if _said() != before:
        os.environ.update(before)
        for name in _said().keys() - before:
            del os.environ[name]


def _said() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The URL of a moto server whose state all tests share; see `fresh_moto`."""
    with MotoServer() as server:
        yield server.url


def _emptied(moto_url: str) -> str:
    reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=30) as answer:
        assert answer.status == 200
    return moto_url


@pytest.fixture
def fresh_moto(moto_url: str) -> str:
    """The same server, emptied."""
    return _emptied(moto_url)


@pytest.fixture(scope="module")
def moto_once_fresh(moto_url: str) -> str:
    """The same server, emptied once for what a module puts there itself."""
    return _emptied(moto_url)


@pytest.fixture
def proxy(moto_url: str) -> Iterator[FaultProxy]:
    """A proxy without faults in front of the shared server."""
    with FaultProxy(moto_url) as running:
        yield running


@pytest.fixture(scope="session")
def estate_url() -> Iterator[str]:
    """A server of its own that holds the demo's estate: look, do not touch."""
    with MotoServer() as server:
        seed(server.url)
        yield server.url


@pytest.fixture(scope="session")
def client(aws_environment: None) -> MakeClient:
    """Makes real boto3 clients without retries, from one session so that each model loads once."""
    session = boto3.Session()

    def make(service: str, url: str, region: str = "us-east-1", **config: Any) -> Any:
        settings: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "inject_host_prefix": False} | config
        return session.client(service, region_name=region, endpoint_url=url, config=Config(**settings))

    return make
