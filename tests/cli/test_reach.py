"""How the options about reaching a target get to the providers, and what must be asked for by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from cnamm_scan import api
from cnamm_scan.cli.common import Reach
from cnamm_scan.cli.main import cli, run
from cnamm_scan.errors import UsageError
from cnamm_scan.providers.catalog import KINDS, TargetOptions, options
from tests.packs import files, mapping, rule, write

Capsys = pytest.CaptureFixture[str]
NOTHING = Reach((), 20.0, {option.name: option.unsaid for option in options()})


def _asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """What `scan` with these arguments asks the library for."""
    asked: dict[str, Any] = {}

    def scan(targets: Any, **more: Any) -> None:
        asked.update(more, targets=targets)
        raise UsageError("enough", do="nothing")

    monkeypatch.setattr(api, "scan", scan)
    assert run(["scan", *arguments]) == 2
    return asked


def test_nothing_said_is_what_the_library_takes_it_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _asked(monkeypatch, "aws")
    assert asked["options"] == NOTHING.options(asked["limits"].concurrency)
    assert dict(asked["options"].said) == {} == dict(TargetOptions().said)
    assert (asked["targets"], asked["regions"], asked["options"].opted) == (("aws",), (), frozenset())


def test_every_option_reaches_the_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = {
        "--role-arn": ["arn:aws:iam::1:role/audit"],
        "--external-id": ["42"],
        "--endpoint-url": ["http://localhost:1"],
        "--call-timeout": ["7.5"],
        "--concurrency": ["3"],
        "--kubeconfig": [str(tmp_path / "config")],
        "--namespace": ["shop", "till"],
        "--exclude-namespace": ["old"],
        "--system-namespace": ["platform", "mesh"],
        "--region": ["eu-west-1", "us-east-1"],
    }
    arguments = [part for option, values in said.items() for value in values for part in (option, value)]
    asked = _asked(monkeypatch, "aws", "kubernetes:prod", *arguments, "--with-secret-metadata", "--with-kubelet-config")
    assert asked["options"] == TargetOptions(
        role_arn="arn:aws:iam::1:role/audit",
        external_id="42",
        endpoint_url="http://localhost:1",
        call_timeout=7.5,
        connections=3,
        kubeconfig=str(tmp_path / "config"),
        namespaces=("shop", "till"),
        excluded_namespaces=("old",),
        system_namespaces=("platform", "mesh"),
        with_secret_metadata=True,
        with_kubelet_config=True,
    )
    assert set(asked["options"].said) == {option.name for option in options()}, "an option that nobody can say"
    assert asked["targets"] == ("aws", "kubernetes:prod")
    assert asked["regions"] == ("eu-west-1", "us-east-1")
    assert asked["options"].opted == {"secret_metadata", "kubelet_config"}
    assert (asked["limits"].concurrency, asked["limits"].deadline) == (3, 60.0)


@pytest.mark.parametrize("command", ["scan", "plan"])
def test_every_opt_in_of_a_provider_has_its_option(command: str) -> None:
    said = {option for parameter in cli.get_command(click.Context(cli), command).params for option in parameter.opts}  # type: ignore[union-attr]
    known = {name: option for kind in KINDS.values() for name, option in kind.opt_ins.items()}
    assert set(known.values()) <= said
    for name in known:
        assert TargetOptions(**{f"with_{name}": True}).opted == {name}
    assert NOTHING.options().opted == frozenset()


@pytest.mark.parametrize("command", ["scan", "plan"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kubernetes:prod", "--role-arn", "arn:aws:iam::1:role/audit"], "--role-arn says nothing about kubernetes"),
        (["aws", "--namespace", "shop"], "--namespace says nothing about aws"),
        (["aws", "--with-secret-metadata"], "--with-secret-metadata says nothing about aws"),
        (["kubernetes", "--region", "eu-west-1"], "kubernetes has no regions"),
    ],
)
def test_an_option_that_no_target_knows_is_refused(
    command: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_an_option_that_one_of_the_targets_knows_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dict(_asked(monkeypatch, "aws", "kubernetes", "--namespace", "shop")["options"].said) == {"namespaces": ("shop",)}


def test_the_library_names_the_nearest_option() -> None:
    with pytest.raises(UsageError) as error:
        TargetOptions(role_arm="x")
    assert "role_arn" in error.value.do


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack of a cluster, with a rule about something that is read only when it is asked for."""
    columns = {"name": {"type": "text", "from": "metadata.name"}}
    each = {"about": "Each.", "once_per": "target", "key": "{metadata.name}", "columns": columns}
    facts = {
        "kubernetes.lab.pod": {**each, "list": {"call": "pods", "items": "items"}},
        "kubernetes.lab.secret": {**each, "list": {"call": "secrets", "items": "items"}, "opt_in": "secret_metadata"},
    }
    rules = [
        rule(
            id=f"kubernetes.lab.{name}",
            for_each=f"kubernetes.lab.{name}",
            message="{name}",
            fix="mend it",
            tests=TESTS,
            **{"pass": "name = 'a'"},
        )
        for name in ("pod", "secret")
    ]
    made = {**files(*rules), "collectors/kubernetes/lab.yaml": {"service": "lab", "client": "v1", "facts": facts}, **mapping()}
    del made["collectors/aws/lab.yaml"]
    root = write(tmp_path / "pack", made)
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: root)


TESTS = {"pass": [{"name": "a"}], "fail": [{"name": "b"}], "unknown": [{"name": None}]}


@pytest.mark.usefixtures("pack")
@pytest.mark.parametrize(("arguments", "expected"), [([], ["pods"]), (["--with-secret-metadata"], ["pods", "secrets"])])
def test_no_right_is_asked_for_what_nobody_asked_for(arguments: list[str], expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "kubernetes", "--permissions", *arguments]) == 0
    role = json.loads(capsys.readouterr().out)
    assert role["kind"] == "ClusterRole"
    listed = [name for each in role["rules"] if each["verbs"] == ["list"] for name in each["resources"]]
    assert listed == expected
    assert not [each for each in role["rules"] if "*" in each["verbs"] or set(each["verbs"]) - {"get", "list", "create"}]
