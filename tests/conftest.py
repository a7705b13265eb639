"""Shared fixtures: a moto server for the session, a fault proxy in front of it, a seeded estate."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

from cnamm_scan import cache
from cnamm_scan.demo.aws.bed.proxy import FaultProxy
from cnamm_scan.demo.aws.bed.server import MotoServer
from cnamm_scan.demo.aws.estate.shop import seed

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


# set before any test file reads content: the cache of whoever runs the tests is neither read nor filled
os.environ[cache.SWITCH] = tempfile.mkdtemp(prefix="cnamm-scan-tests-")
atexit.register(shutil.rmtree, os.environ[cache.SWITCH], ignore_errors=True)


# what the tests start is this product many times over: each would compile all of it again
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


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


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The URL of a moto server whose state all tests share; see `fresh_moto`."""
    with MotoServer() as server:
        yield server.url


@pytest.fixture
def fresh_moto(moto_url: str) -> str:
    """The same server, emptied."""
    reset = urllib.request.Request(f"{moto_url}/moto-api/reset", method="POST")
    with urllib.request.urlopen(reset, timeout=30) as answer:
        assert answer.status == 200
    return moto_url


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
