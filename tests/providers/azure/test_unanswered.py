"""Azure's door does not open: Resource Manager fails, somebody else stands in its place, a right is missing, or nobody can be meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.azure.bed.server import AzureBed, Trouble
from cnamm_scan.errors import CnammError, CredentialsError, ProviderError
from cnamm_scan.providers.catalog import refuse_foreign
from tests.azures import ONE, environment, reached, tenant


@pytest.mark.parametrize("name", ["", "mg/top"])
@pytest.mark.parametrize(
    ("trouble", "kind", "what", "do"),
    [
        (Trouble(429, "TooManyRequests"), ProviderError, "asks to wait: throttled (TooManyRequests)", "try again in a minute"),
        (
            Trouble(500, "InternalServerError"),
            ProviderError,
            "fails when asked for ASKED (InternalServerError)",
            "try again in a few minutes",
        ),
        (Trouble(body=b""), ProviderError, "the answer to ASKED is not of Resource Manager (EmptyBody)", "--arm-endpoint"),
        (Trouble(body=b"<html>"), ProviderError, "the answer to ASKED is not of Resource Manager (MalformedBody)", "such as a proxy"),
        (Trouble(body=b"{}"), ProviderError, "the answer to ASKED is not of Resource Manager (NoList)", "--arm-endpoint"),
        (Trouble(302, headers={"Location": "https://127.0.0.1:9"}), ProviderError, "it sends elsewhere (Redirected)", "--arm-endpoint"),
        (Trouble(400, "InvalidApiVersionParameter"), ProviderError, "no such thing (InvalidApiVersionParameter)", "--cloud"),
        (Trouble(hang_up=True), ProviderError, "cannot be reached: unreachable", "check the network and proxy"),
        (Trouble(delay=2.0), ProviderError, "does not answer in time", "--call-timeout"),
        (Trouble(401, "InvalidAuthenticationToken"), CredentialsError, "does not accept the credentials", "check --audience"),
    ],
)
def test_who_does_not_answer_at_the_door_is_told_by_what_was_asked(
    name: str, trouble: Trouble, kind: type[CnammError], what: str, do: str
) -> None:
    made = tenant()
    made.groups = {"top": (ONE,)}
    asked = "what is beneath the management group" if name else "the list of subscriptions"
    path = "/descendants" if name else r"^/subscriptions\?"
    with AzureBed(made, troubles=[replace(trouble, path=path)]) as bed, pytest.raises(kind) as caught, reached(bed, name, call_timeout=0.7):
        pass
    assert what.replace("ASKED", asked) in caught.value.what
    assert do in caught.value.do
    assert caught.value.where == (bed.url if kind is ProviderError else f"azure:{name}" if name else "azure")


def test_a_right_that_is_missing_at_the_door_is_not_called_a_login_that_failed() -> None:
    troubles = [Trouble(403, "AuthorizationFailed", path=r"^/subscriptions\?")]
    with AzureBed(tenant(), troubles=troubles) as bed, pytest.raises(CredentialsError) as caught, reached(bed):
        pass
    assert caught.value.what == "these credentials may not read the list of subscriptions (AuthorizationFailed)"
    assert "assign Reader" in caught.value.do
    assert "sign in" not in caught.value.do


def test_a_path_of_the_endpoint_where_nothing_answers_is_pointed_at() -> None:
    with AzureBed(tenant()) as bed, pytest.raises(ProviderError) as caught, reached(bed, arm_endpoint=f"{bed.url}/path/"):
        pass
    assert "answers that there is no such thing" in caught.value.what
    assert caught.value.do == "check --cloud and --arm-endpoint: the path /path is a part of it"
    assert caught.value.where == f"{bed.url}/path"


def test_a_resource_manager_that_cannot_be_trusted_is_told_apart_from_who_signs_in() -> None:
    with (
        AzureBed(tenant()) as bed,
        AzureBed(tenant()) as other,
        pytest.raises(ProviderError) as caught,
        reached(bed, arm_endpoint=other.url),
    ):
        pass
    assert "its certificate cannot be trusted" in caught.value.what
    assert "--ca-bundle" in caught.value.do
    assert caught.value.where == other.url


@pytest.mark.parametrize("command", [["scan"], ["plan"], ["plan", "--permissions"], ["plan", "--preflight"]])
@pytest.mark.parametrize(
    ("name", "what"), [("mg/", "names no management group"), ("mg/a/b", "'a/b' is no id"), ("mg/Tenant Root", "no id")]
)
def test_a_group_that_is_wrong_on_its_face_is_refused_before_anybody_is_asked(
    command: list[str], name: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with AzureBed(tenant()) as bed, environment(bed):
        flags = (
            [f"--arm-endpoint={bed.url}", f"--authority={bed.url}", f"--ca-bundle={bed.ca}"]
            if command[-1] in ("scan", "--preflight")
            else []
        )
        assert run([*command, f"azure:{name}", *flags]) == 2
        assert bed.requests == []
    told = capsys.readouterr()
    assert what in told.err
    assert f"at: azure:{name}" in told.err
    assert "do: write azure:mg/NAME" in told.err
    assert told.out == ""


def test_a_cloud_that_is_replaced_as_a_whole_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    both = ["--arm-endpoint=https://127.0.0.1:9", "--authority=https://127.0.0.1:9"]
    assert run(["scan", "azure", "--cloud=usgov", *both]) == 2
    told = capsys.readouterr().err
    assert "--cloud does nothing beside --arm-endpoint and --authority or AZURE_AUTHORITY_HOST" in told
    assert "at: --cloud" in told
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://127.0.0.1:9")
    assert run(["scan", "azure", "--cloud=usgov", both[0]]) == 2
    for said in (
        {"cloud": "usgov", "arm_endpoint": "https://x"},
        {"cloud": "usgov", "authority": "https://x"},
        {"arm_endpoint": "https://x"},
    ):
        named: dict[str, Any] = said
        refuse_foreign(["azure"], api.TargetOptions(**named))
