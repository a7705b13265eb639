"""At Azure's door: which subscriptions a target means, who is let in, and what a person is told when nobody is."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant
from cnamm_scan.demo.azure.bed.server import AzureBed, Trouble
from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError
from cnamm_scan.providers.azure.clouds import CLOUDS, Cloud, cloud_of, url_problem
from cnamm_scan.providers.azure.door import SUBSCRIPTIONS
from cnamm_scan.providers.azure.graph import Graph
from cnamm_scan.providers.azure.link import Link, Reply
from cnamm_scan.providers.azure.needs import Rows
from cnamm_scan.providers.azure.signin import identity_of
from cnamm_scan.providers.catalog import KINDS, refuse_foreign
from cnamm_scan.providers.interface import CallFailedError, Request
from cnamm_scan.providers.sdk import need
from tests.azures import ONE, TWO, account, environment, flags, reached, tenant
from tests.clusters import QUICK

ACCOUNTS = Request("graph", "resources/Microsoft.Storage/storageAccounts", "global")


def named(made: Tenant, name: str, **how: Any) -> list[str]:
    with AzureBed(made, page=1) as bed, reached(bed, name, **how) as provider:
        return [target.name for target in provider.targets]


def test_what_a_target_names() -> None:
    made = tenant()
    made.groups = {"top": (TWO, "33333333-0000-4000-8000-000000000003"), "empty": ()}
    assert named(made, "") == [ONE, TWO]
    assert named(made, TWO.upper()) == [TWO]
    assert named(made, "one") == [ONE]
    assert named(made, "mg/top") == [TWO, "33333333-0000-4000-8000-000000000003"]
    made.subscriptions[TWO] = replace(made.subscriptions[TWO], state="Deleted")
    assert named(made, "") == [ONE]


@pytest.mark.parametrize("name", ["three", "mg/none", "mg/empty", "mg/gone", "mg/", "same"])
def test_what_is_not_there_is_said(name: str) -> None:
    made = tenant(subscriptions=(Subscription(ONE, "same"), Subscription(TWO, "same")))
    made.subscriptions["gone"] = Subscription("gone", "gone", state="Deleted")
    made.groups = {"empty": (), "gone": ("gone",)}
    with pytest.raises(UsageError) as caught:
        named(made, name)
    assert caught.value.do
    assert caught.value.where == f"azure:{name}"


def test_what_may_not_be_read_beneath_a_group_is_a_target_of_which_nothing_is_known() -> None:
    made = tenant(account("a"), subscriptions=(Subscription(ONE, "one"), Subscription(TWO, "two", is_listed=False)))
    made.groups = {"top": (ONE, TWO)}
    with AzureBed(made) as bed, reached(bed, "mg/top") as provider:
        told = provider.targets[1]
        assert told.scope == {"notes": ["these credentials may not read the subscription"]}
        answer = provider.call(ACCOUNTS)
        assert set(answer.dark) == {TWO}
        assert answer.dark[TWO].reason == "denied"


def test_what_resource_graph_leaves_out_is_dark_and_the_rest_stands() -> None:
    kept = Subscription(ONE, "one", actions=("Microsoft.Storage/*/read", "Microsoft.Resources/subscriptions/read"))
    lost = Subscription(TWO, "two", is_in_graph=False)
    with AzureBed(tenant(account("a"), account("b", TWO), subscriptions=(kept, lost))) as bed, reached(bed) as provider:
        answer = provider.call(ACCOUNTS)
        assert len(answer.data["data"]) == 1
        assert {name: (failure.reason, failure.code) for name, failure in answer.dark.items()} == {TWO: ("truncated", "NotInResourceGraph")}
        answer = provider.call(Request("graph", "resources/Microsoft.KeyVault/vaults", "global"))
        assert {name: (failure.code, failure.message) for name, failure in answer.dark.items()} == {
            ONE: ("NotGranted", "Microsoft.KeyVault/vaults/read"),
            TWO: ("NotInResourceGraph", ""),
        }
        # what may be read where is asked for once
        assert sorted(each.path for each in bed.requests if "permissions" in each.path) == [
            f"/subscriptions/{each}/providers/Microsoft.Authorization/permissions" for each in (ONE, TWO)
        ]


def test_a_refusal_to_say_what_may_be_read_is_a_gap_of_that_subscription_alone() -> None:
    with AzureBed(tenant(), troubles=[Trouble(403, "AuthorizationFailed", path=f"{TWO}.*/permissions")]) as bed, reached(bed) as provider:
        assert {name: failure.reason for name, failure in provider.call(ACCOUNTS).dark.items()} == {TWO: "denied"}
        assert provider.call(ACCOUNTS).dark[TWO].code == "PermissionsNotReadable"
    troubles = [Trouble(503, "Busy", path=f"{TWO}.*/permissions")]
    with AzureBed(tenant(), troubles=troubles) as bed, reached(bed) as provider:
        for _ in range(2):
            with pytest.raises(CallFailedError):
                provider.call(ACCOUNTS)
        assert {name: failure.reason for name, failure in provider.call(ACCOUNTS).dark.items()} == {TWO: "server_error"}


def test_one_bad_moment_while_several_tables_are_asked_is_no_denial() -> None:
    def told(graph: Graph) -> str:
        try:
            return "".join(
                failure.code for failure in graph.call(Rows("resources", "Microsoft.Storage/storageAccounts"), ACCOUNTS).dark.values()
            )
        except CallFailedError as failure:
            return failure.code

    with AzureBed(tenant()) as bed, reached(bed, ONE) as provider, ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            bed.troubles.append(Trouble(503, "Busy", path="/permissions", times=1, delay=0.02))
            graph = Graph(provider._link, [ONE])
            assert sorted(pool.map(told, [graph] * 8)) == [*[""] * 7, "Busy"]


# ---- signing in ----------------------------------------------------------------------------------------------------------


Spoil = Callable[[AzureBed, pytest.MonkeyPatch], dict[str, Any]]


def _wrong_secret(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.setenv("AZURE_CLIENT_SECRET", "wrong-secret-value")
    return {}


def _nobody(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.delenv("AZURE_CLIENT_SECRET")
    return {}


def _no_subscription(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    bed.tenant.subscriptions.clear()
    return {}


def _refused(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    bed.troubles.append(Trouble(401, "InvalidAuthenticationTokenTenant", path="/subscriptions"))
    return {}


def _untrusted(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"ca_bundle": None}


def _elsewhere(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"arm_endpoint": "https://127.0.0.1:9", "call_timeout": 1.0}


def _no_proxy_there(bed: AzureBed, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("NO_PROXY", "no_proxy"):
        patch.setenv(name, "")
    for name in ("HTTPS_PROXY", "https_proxy"):
        patch.setenv(name, "http://127.0.0.1:9")
    return {"call_timeout": 1.0}


@pytest.mark.parametrize(
    ("spoil", "kind", "words"),
    [
        (_wrong_secret, CredentialsError, "AADSTS7000215: Invalid client secret provided"),
        (_nobody, CredentialsError, "no usable Azure credentials"),
        (_no_subscription, CredentialsError, "may read no subscription"),
        (_refused, CredentialsError, "does not accept the credentials (InvalidAuthenticationTokenTenant)"),
        (_elsewhere, ProviderError, "cannot be reached"),
        (_untrusted, CnammError, ""),
        (_no_proxy_there, CnammError, ""),
    ],
)
def test_who_is_not_let_in_is_told_why(spoil: Spoil, kind: type[CnammError], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with AzureBed(tenant()) as bed, environment(bed):
        how = spoil(bed, monkeypatch)
        with pytest.raises(kind) as caught:
            api.scan(["azure"], options=api.TargetOptions(**{**bed.options(), "call_timeout": 5.0, **how}), limits=QUICK)
        told = str(caught.value)
        assert words in told
        assert "wrong-secret-value" not in told
        assert bed.secret not in told
        assert caught.value.do
        if kind is CredentialsError and spoil in (_wrong_secret, _nobody):
            assert "tried EnvironmentCredential" in told


def test_a_login_that_fails_is_exit_1_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with AzureBed(tenant()) as bed, environment(bed):
        monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
        assert run(["scan", "azure", "--output", str(tmp_path / "out"), *flags(bed)]) == 1
    told = capsys.readouterr()
    assert "no usable Azure credentials" in told.err
    assert "tried EnvironmentCredential" in told.err
    assert "Traceback" not in told.err
    assert not list((tmp_path / "out").glob("*"))


def test_what_is_not_installed_is_named_with_the_extra_that_brings_it() -> None:
    for module in ("nowhere_at_all", "nowhere_at_all.identity", "azure.nowhere_at_all"):
        with pytest.raises(ProviderError) as caught:
            need(module, "azure")
        assert caught.value.do == "pip install '.[azure]' in the clone of cnamm-scan"


def test_the_tenant_that_is_named_is_signed_in_to() -> None:
    with AzureBed(tenant()) as bed, reached(bed, tenant="contoso.example") as provider:
        assert provider.targets[0].identity.startswith("contoso.example/")
        assert any(seen.path == "/contoso.example/oauth2/v2.0/token" for seen in bed.requests)


def test_a_token_that_many_hold_when_it_ends_is_renewed_for_all_of_them() -> None:
    def ask(link: Link) -> Reply:
        return link.get(SUBSCRIPTIONS)

    with AzureBed(tenant()) as bed, reached(bed) as provider, ThreadPoolExecutor(16) as pool:
        for _ in range(6):
            asked = [pool.submit(ask, provider._link) for _ in range(64)]
            asked[8].result()
            bed.revoked |= {*bed.tokens}
            for each in asked:
                each.result()
            signed_in = [seen for seen in bed.requests if "/oauth2/" in seen.path]
        assert len(signed_in) <= 1 + 6


def test_a_token_that_was_given_up_is_kept_nowhere() -> None:
    with AzureBed(tenant()) as bed, reached(bed) as provider:
        provider._link.get(SUBSCRIPTIONS)
        provider._link.credential.forget()
        provider._link.get(SUBSCRIPTIONS)
        assert len({seen.token for seen in bed.requests if seen.token}) == 2


def test_whose_a_token_is_is_read_from_it_and_nothing_rests_on_it() -> None:
    assert identity_of("a.b") == identity_of("") == identity_of("a.e30.c") == ""


# ---- where it is ---------------------------------------------------------------------------------------------------------


def test_three_clouds_and_five_settings() -> None:
    assert set(CLOUDS) == {"public", "usgov", "china"}
    assert cloud_of(None, None, None, None) == CLOUDS["public"]
    assert cloud_of("usgov", None, None, None).scope == "https://management.core.usgovcloudapi.net/.default"
    own = cloud_of("china", "https://arm.local/", "login.local", None)
    assert (own.endpoint, own.authority, own.scope) == ("https://arm.local", "https://login.local", "https://arm.local/.default")
    assert cloud_of(None, "https://arm.local", None, "https://aud.local").scope == "https://aud.local/.default"
    bare = cloud_of(None, "arm.local:8443", "login.local", "aud.local")
    assert bare == Cloud("https://arm.local:8443", "https://login.local", "https://aud.local")
    assert cloud_of(None, "localhost:1", None, None).scope == "https://localhost:1/.default"


@pytest.mark.parametrize(
    "url", ["http://arm.local", "ftp://x", "https://", "https://u:p@x", "https://x y", "https://x?y=1", "https://[x", "https://x:0"]
)
def test_nothing_is_sent_where_it_could_be_read(url: str) -> None:
    problem = url_problem(url)
    assert problem is not None
    assert "u:p" not in problem[0]
    for option in ("arm_endpoint", "authority", "audience"):
        named: dict[str, Any] = {option: url}
        with pytest.raises(UsageError):
            refuse_foreign(["azure"], api.TargetOptions(**named))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_host_without_a_scheme_is_never_sent_a_token_in_the_clear(host: str) -> None:
    """A listener that speaks no TLS hears a handshake and nothing else: a token, once asked for, stays here."""
    heard: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        while True:
            try:
                came, _ = listener.accept()
            except OSError:
                return
            with came:
                came.settimeout(2.0)
                heard.append(came.recv(65536))
                came.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'{"value":[]}')

    with AzureBed(tenant()) as bed, socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener,), daemon=True)
        thread.start()
        endpoint = f"{host}:{listener.getsockname()[1]}"
        try:
            with pytest.raises(ProviderError), reached(bed, arm_endpoint=endpoint):
                pass
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        assert any(seen.path.endswith("/token") for seen in bed.requests), "a token was there to be lost"
    assert heard
    assert all(each.startswith(b"\x16\x03") and b"Bearer" not in each for each in heard)


def test_a_host_without_a_scheme_is_asked_over_tls() -> None:
    with AzureBed(tenant()) as bed, reached(bed, arm_endpoint=bed.url.removeprefix("https://")) as provider:
        assert [target.name for target in provider.targets] == [ONE, TWO]


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "127.0.0.1:9", "localhost:9", "//127.0.0.1:9", "ftp://127.0.0.1:9"])
def test_the_wire_speaks_https_or_not_at_all(endpoint: str) -> None:
    from cnamm_scan.providers.azure.wire import Direct

    with pytest.raises(UsageError) as caught:
        Direct(endpoint, verify=True, call_timeout=1.0, connections=1, count=lambda: None)
    assert caught.value.where == "--arm-endpoint"


@pytest.mark.parametrize(("option", "value"), [("cloud", "germany"), ("tenant", "-x"), ("tenant", "a b"), ("tenant", "")])
def test_a_setting_that_cannot_be_meant_is_refused_before_anything_is_asked(option: str, value: str) -> None:
    named: dict[str, Any] = {option: value}
    with pytest.raises(UsageError):
        refuse_foreign(["azure"], api.TargetOptions(**named))


def test_a_file_of_certificates_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate")
    for file in (tmp_path / "gone.pem", tmp_path / "no.pem"):
        with AzureBed(tenant()) as bed, pytest.raises(CnammError) as caught, reached(bed, ca_bundle=str(file)):
            pass
        assert caught.value.do


# ---- rights --------------------------------------------------------------------------------------------------------------


def test_the_roles_that_a_plan_needs() -> None:
    rights = KINDS["azure"].rights
    plain = rights.policy(["Microsoft.Storage/storageAccounts/read"])
    assert plain["builtIn"]["roleName"] == "Reader"
    assert plain["custom"] is None
    assert plain["insteadOfReader"]["Actions"] == [
        "Microsoft.Authorization/permissions/read",
        "Microsoft.Resources/subscriptions/read",
        "Microsoft.Storage/storageAccounts/read",
    ]
    more = rights.policy(["Microsoft.X/y/read", "Microsoft.X/y/tell/action"])
    assert more["custom"]["Actions"] == ["Microsoft.X/y/tell/action"]


def test_permissions_are_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "azure", "--permissions"]) == 0
    said = json.loads(capsys.readouterr().out)
    actions = said["insteadOfReader"]["Actions"]
    assert {"Microsoft.Storage/storageAccounts/read", "Microsoft.Authorization/roleAssignments/read"} <= {*actions}
    assert all(action.endswith("/read") for action in actions), "nothing but reading"


def test_preflight_says_what_would_be_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    made = tenant(
        subscriptions=(Subscription(ONE, "one", not_actions=("Microsoft.KeyVault/*", "Microsoft.Authorization/denyAssignments/*")),)
    )
    with AzureBed(made) as bed, environment(bed):
        run(["plan", "azure", "--preflight", "--format", "json", *flags(bed)])
        said = json.loads(capsys.readouterr().out)
    found = {row["operation"]: row["status"] for row in (said if isinstance(said, list) else said["tried"])}
    assert found["graph:resources/Microsoft.KeyVault/vaults"] == "denied (NotGranted)"
    assert found["graph:resources/Microsoft.Storage/storageAccounts"] == "ok"
    assert found["2022-04-01:Microsoft.Authorization/denyAssignments"] == "denied (AuthorizationFailed)"
    assert found["2022-04-01:Microsoft.Authorization/roleAssignments"] == "ok"
