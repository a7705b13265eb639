"""How the options about reaching a target get to the providers, and what must be asked for by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from cnamm_scan import api
from cnamm_scan.cli.common import Reach, parsed_parameters
from cnamm_scan.cli.main import cli, run
from cnamm_scan.errors import UsageError
from cnamm_scan.providers.catalog import KINDS, TargetOptions, options, refuse_foreign
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


FLAGS = (
    "--assume-whole",
    "--skip-unreadable",
    "--with-secret-metadata",
    "--with-kubelet-config",
    "--disable-instance-discovery",
    "--with-directory-users",
)


def test_every_option_reaches_the_provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = {
        "--role-arn": ["arn:aws:iam::111122223333:role/audit"],
        "--external-id": ["42"],
        "--endpoint-url": ["http://localhost:1"],
        "--call-timeout": ["7.5"],
        "--concurrency": ["3"],
        "--kubeconfig": [str(tmp_path / "config")],
        "--namespace": ["shop", "till"],
        "--exclude-namespace": ["old"],
        "--system-namespace": ["platform", "mesh"],
        "--region": ["eu-west-1", "us-east-1"],
        "--tenant": ["contoso.onmicrosoft.com"],
        "--arm-endpoint": ["https://arm.example"],
        "--authority": ["https://login.example"],
        "--audience": ["https://aud.example"],
        "--ca-bundle": [str(tmp_path / "ca.pem")],
        "--quota-project": ["shop-pays"],
        "--impersonate-service-account": ["scanner@shop-pays.iam.gserviceaccount.com"],
        "--api-endpoint": ["https://apis.example"],
        "--directory-admin": ["admin@shop.example"],
    }
    arguments = [part for option, values in said.items() for value in values for part in (option, value)]
    asked = _asked(monkeypatch, "aws", "azure", "gcp:organizations/9", "kubernetes:prod", *arguments, *FLAGS)
    assert asked["options"] == TargetOptions(
        role_arn="arn:aws:iam::111122223333:role/audit",
        external_id="42",
        endpoint_url="http://localhost:1",
        call_timeout=7.5,
        connections=3,
        kubeconfig=str(tmp_path / "config"),
        namespaces=("shop", "till"),
        excluded_namespaces=("old",),
        system_namespaces=("platform", "mesh"),
        assume_whole=True,
        skip_unreadable=True,
        with_secret_metadata=True,
        with_kubelet_config=True,
        tenant="contoso.onmicrosoft.com",
        cloud=None,
        arm_endpoint="https://arm.example",
        authority="https://login.example",
        audience="https://aud.example",
        ca_bundle=str(tmp_path / "ca.pem"),
        quota_project="shop-pays",
        impersonate_service_account="scanner@shop-pays.iam.gserviceaccount.com",
        api_endpoint="https://apis.example",
        disable_instance_discovery=True,
        directory_admin="admin@shop.example",
        with_directory_users=True,
    )
    replaced = {option.name for option in options() if option.replaced_by}  # which would do nothing beside all others
    assert set(asked["options"].said) == {option.name for option in options()} - replaced, "an option that nobody can say"
    assert _asked(monkeypatch, "azure", "--cloud", "usgov")["options"].said == {"cloud": "usgov"}
    assert replaced == {"cloud"}
    assert asked["targets"] == ("aws", "azure", "gcp:organizations/9", "kubernetes:prod")
    assert asked["regions"] == ("eu-west-1", "us-east-1")
    assert asked["options"].opted == {"secret_metadata", "kubelet_config", "directory_users"}
    assert (asked["limits"].concurrency, asked["limits"].deadline) == (3, 60.0)


@pytest.mark.parametrize("command", ["scan", "plan"])
def test_every_opt_in_of_a_provider_has_its_option(command: str) -> None:
    said = {option for parameter in cli.get_command(click.Context(cli), command).params for option in parameter.opts}  # type: ignore[union-attr]
    known = {name: option for kind in KINDS.values() for name, option in kind.opt_ins.items()}
    assert set(known.values()) <= said
    for name in known:
        said_so: dict[str, Any] = {f"with_{name}": True}
        assert TargetOptions(**said_so).opted == {name}
    assert NOTHING.options().opted == frozenset()


@pytest.mark.parametrize("command", ["scan", "plan"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["kubernetes:prod", "--role-arn", "arn:aws:iam::111122223333:role/audit"], "--role-arn says nothing about kubernetes"),
        (["aws", "--namespace", "shop"], "--namespace says nothing about aws"),
        (["aws", "--with-secret-metadata"], "--with-secret-metadata says nothing about aws"),
        (["kubernetes", "--region", "eu-west-1"], "--region says nothing about kubernetes"),
        (["gcp", "--region", "europe-west1"], "--region says nothing about gcp\n  at: --region\n  do: leave it out, and every location"),
        (["aws", "--quota-project", "shop-pays"], "--quota-project says nothing about aws"),
        (["gcp", "--endpoint-url", "http://localhost:1"], "--endpoint-url says nothing about gcp"),
        (["kubernetes", "--authority", "https://x"], "--authority says nothing about kubernetes\n  at: --authority\n  do: leave"),
    ],
)
def test_an_option_that_no_target_knows_is_refused(
    command: str, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, *arguments]) == 2
    assert said in capsys.readouterr().err


MALFORMED = [
    *(("aws", "--role-arn", role) for role in ("foo", "", "arn:aws:iam::1:role/audit", "arn:aws:iam::111122223333:user/ann",
      "arn:aws:iam::111122223333:role/", "arn:aws:iam::111122223333:role/a b", "arn:aws:iam::111122223333:role/a\n", "x" * 5000)),
    *(("aws", "--endpoint-url", url) for url in ("notaurl", "", "localhost:4566", "ftp://host", "http://", "http://:80", "http://host:port",
      "http://host:99999", "http://[::1", "//host", "http://ho st", "http://host\n", "file:///etc/passwd")),
    *(("kubernetes", option, name) for option in ("--namespace", "--exclude-namespace", "--system-namespace")
      for name in ("", "a/b", "../x", "A", "a,b", "a=b", "-a", "a\n", "a" * 64)),
]  # fmt: skip


@pytest.mark.parametrize("command", [["scan"], ["plan"], ["plan", "--preflight"]], ids=" ".join)
@pytest.mark.parametrize(("target", "option", "value"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], target: str, option: str, value: str
) -> None:
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: Path("/nowhere"))
    for kind in KINDS.values():
        monkeypatch.setitem(KINDS, kind.name, replace(kind, connect=_unasked))  # type: ignore[arg-type]
    assert run([*command, target, f"{option}={value}"]) == 2
    said = capsys.readouterr().err
    assert f"  at: {option}" in said
    assert "  do: write " in said
    assert len(said) < 400


def _unasked(*_: object) -> None:
    raise AssertionError("the provider was asked")


@pytest.mark.parametrize("place", ["a/file/in/the/way", "/proc/cnamm-scan", "/dev/null/x", "a/file"])
def test_a_place_that_cannot_be_written_is_found_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str
) -> None:
    for kind in KINDS.values():
        monkeypatch.setitem(KINDS, kind.name, replace(kind, connect=_unasked))  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("x")
    for targets in (["aws"], ["kubernetes"], ["aws", "kubernetes"]):
        assert run(["scan", *targets, "--output", place]) in (1, 2)
        said = capsys.readouterr().err
        assert "AssertionError" not in said
        assert place in said
    assert [file.name for file in tmp_path.rglob("*")] == ["a", "file"]


@pytest.mark.parametrize(
    ("target", "option", "value"),
    [
        ("aws", "--role-arn", "arn:aws:iam::111122223333:role/audit"),
        ("aws", "--role-arn", "arn:aws-us-gov:iam::111122223333:role/path/to/a+b=c,d.e@f-g_h"),
        ("aws", "--endpoint-url", "http://127.0.0.1:4566"),
        ("aws", "--endpoint-url", "https://user:pw@proxy.example:8443/aws"),
        ("aws", "--endpoint-url", "http://[::1]:80"),
        ("kubernetes", "--namespace", "a"),
        ("kubernetes", "--exclude-namespace", "kube-system"),
    ],
)
def test_a_value_that_can_be_meant_is_taken(target: str, option: str, value: str) -> None:
    name = next(each.name for each in options() if each.flag == option)
    said: dict[str, Any] = {name: (value,) if "namespace" in option else value}
    refuse_foreign([target], TargetOptions(**said))


def test_what_is_wrong_in_the_environment_of_another_provider_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_foreign(["kubernetes"], TargetOptions(endpoint_url="notaurl", by_environment={"endpoint_url"}))
    with pytest.raises(UsageError, match="--endpoint-url says nothing about kubernetes"):
        refuse_foreign(["kubernetes"], TargetOptions(endpoint_url="http://localhost:1"))
    with pytest.raises(UsageError, match="no URL") as error:
        refuse_foreign(["kubernetes", "aws"], TargetOptions(endpoint_url="user:hunter2@notaurl"))
    assert error.value.where == "--endpoint-url or AWS_ENDPOINT_URL"
    assert "hunter2" not in str(error.value)


def test_what_the_environment_says_is_for_other_commands_too(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    variables = {option.environment: option for option in options() if option.environment}
    assert set(variables) == {"AWS_ENDPOINT_URL", "AZURE_AUTHORITY_HOST", "GOOGLE_CLOUD_QUOTA_PROJECT"}
    for variable in variables:
        monkeypatch.setenv(variable, "https://said.example" if variable != "GOOGLE_CLOUD_QUOTA_PROJECT" else "shop-pays")
    said = _asked(monkeypatch, "kubernetes:prod")["options"]
    assert said.by_environment == {option.name for option in variables.values()}
    refuse_foreign(["kubernetes"], said)
    capsys.readouterr()
    assert run(["scan", "kubernetes", "--endpoint-url", "http://localhost:1"]) == 2, "what is said on the line is said of these targets"
    assert "--endpoint-url says nothing about kubernetes" in capsys.readouterr().err


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
        "kubernetes.lab.secret": {
            **each,
            "list": {"call": "secrets", "fixed": {"metadata_only": True}, "items": "items"},
            "opt_in": "secret_metadata",
        },
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


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["scan", "aws", "--call-timeout"],
        ["scan", "aws", "--api-budget"],
        ["scan", "aws", "--fail-under"],
        ["scan", "aws", "--min-coverage"],
        ["plan", "aws", "--call-timeout"],
        ["report", "x", "--fail-under"],
        ["evaluate", "x", "--min-coverage"],
        ["query", "x", "SELECT 1", "--timeout"],
    ],
    ids=" ".join,
)
def test_a_number_is_one(arguments: list[str], value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A gate on `nan` would never be missed."""
    assert run([*arguments, value]) == 2
    assert f"Invalid value for '{arguments[-1]}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "name", "value"), [("n=5", "n", "5"), ("n=", "n", ""), ("a.b.c=a=b", "a.b.c", "a=b"), ("n= 5", "n", " 5")]
)
def test_what_type_a_value_has_is_not_for_the_command_line_to_say(text: str, name: str, value: str) -> None:
    assert parsed_parameters([text]) == {name: value}


@pytest.mark.parametrize("texts", [["n"], ["=1"], ["n=\udcff"], ["n=1", "n=2"]])
def test_a_parameter_that_cannot_be_meant(texts: list[str]) -> None:
    with pytest.raises(UsageError) as error:
        parsed_parameters(texts)
    assert error.value.do
