"""Assets as they come: spelled as Google's reference spells them, each with whose it is, and what is odd, cut or too deep."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.cloud.asset_v1.types import Asset, ListAssetsRequest
from google.protobuf.json_format import ParseDict

from cnamm_scan.demo.certificate import certificate
from cnamm_scan.demo.gcp.bed.contents import Listed
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.model import Call, Reason
from cnamm_scan.providers.bounds import BOUNDS
from cnamm_scan.providers.gcp import needs, quota
from cnamm_scan.providers.gcp.answers import RefusedError, Said, of_rest, refusal
from cnamm_scan.providers.gcp.assets import Documents, Whose
from cnamm_scan.providers.gcp.inventory import METHOD, Inventory, Page
from cnamm_scan.providers.gcp.needs import Assets
from cnamm_scan.providers.gcp.provider import NOT_HERE
from cnamm_scan.providers.gcp.quota import Quota
from cnamm_scan.providers.interface import Answer, CallFailedError, NotYetError, Request
from tests.gcps import FOLDER, NUMBERS, ONE, ORGANIZATION, TWO, asked, bucket, cloud, reached, read, rest

Wire = Callable[[Any], bytes]
BUCKETS = Assets("RESOURCE", "storage.googleapis.com/Bucket", "cloudasset.assets.listResource")
TRUNCATED = b"\xfa\x01\x02\x08\x01"
"""Field 31, two bytes: a message whose first field is 1."""


def message(said: dict[str, Any]) -> Any:
    return ParseDict(said, Asset.pb()())


def document(said: dict[str, Any], content: str = "RESOURCE", scope: str = ORGANIZATION) -> dict[str, Any]:
    return Documents(Whose(scope, {number: id_ for id_, number in NUMBERS.items()}), content, "2026-11-30T00:00:00Z").of(message(said))


# ---- spelling --------------------------------------------------------------------------------------------------------------


def test_an_asset_is_spelled_as_the_reference_spells_it() -> None:
    said = bucket("a", deep={"list": [1, 2.5, "s", None, True, {"x": []}]}, count=9007199254740992, none=None, empty={})
    made = document(said)
    own = dict.fromkeys(("project", "id", "place", "seenAt"), "")
    assert {**made, **own} == {**said, **own}
    assert (made["project"], made["id"], made["seenAt"]) == (ONE, "projects/_/buckets/a", "2026-11-30T00:00:00Z")
    assert made["place"] == "projects/shop-prod/locations/EU"
    assert [type(each) for each in made["resource"]["data"]["deep"]["list"][:2]] == [int, float]


def test_policies_are_spelled_so_too() -> None:
    bindings = [{"role": "roles/viewer", "members": ["allUsers"], "condition": {"title": "t", "expression": "true"}}]
    audit = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ", "exemptedMembers": ["user:x@y.z"]}]}]
    said = {**bucket("a"), "iamPolicy": {"bindings": bindings, "auditConfigs": audit, "etag": "BwYYYYYYYYY="}}
    del said["resource"]
    made = document(said, "IAM_POLICY")
    assert made["iamPolicy"] == said["iamPolicy"]
    org = [{"constraint": "constraints/iam.disableServiceAccountKeyCreation", "booleanPolicy": {"enforced": True}}]
    assert document({"name": "//x/y", "ancestors": [ORGANIZATION], "orgPolicy": org}, "ORG_POLICY")["orgPolicy"] == org


@pytest.mark.parametrize(
    ("ancestors", "name", "scope", "whose"),
    [
        (["projects/111", FOLDER, ORGANIZATION], "//x/y", ORGANIZATION, ONE),
        (["projects/333", ORGANIZATION], "//x/y", ORGANIZATION, "333"),
        ([FOLDER, ORGANIZATION], "//x/y", ORGANIZATION, ORGANIZATION),
        (["organizations/8"], "//x/y", ORGANIZATION, "organizations/8"),
        ([], "//x/projects/111/z", ORGANIZATION, ONE),
        ([], "//x/projects/shop-lone/z", ORGANIZATION, TWO),
        ([], "//x/y", ORGANIZATION, None),
        ([], "//x/y", f"projects/{ONE}", ONE),
        (["projects/333"], "//x/y", f"projects/{ONE}", "333"),
    ],
)
def test_whose_an_asset_is(ancestors: list[str], name: str, scope: str, whose: str | None) -> None:
    assert document({"name": name, "ancestors": ancestors}, scope=scope)["project"] == whose


def test_an_asset_without_a_name_is_none() -> None:
    with pytest.raises(ValueError, match="without a name"):
        document({"ancestors": ["projects/111"]})


# ---- what no library would send --------------------------------------------------------------------------------------------


@contextmanager
def serving(answer: Callable[[Any], bytes], tmp_path: Any, **how: Any) -> Iterator[Callable[[Page], Answer]]:
    """Asset Inventory whose bytes are any."""

    class Handler(grpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: Any) -> Any:
            assert call.method == METHOD
            return grpc.unary_unary_rpc_method_handler(lambda request, _: answer(ListAssetsRequest.pb().FromString(request)))

    pair = certificate(tmp_path, "inventory")
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Handler(),))
    keys = [(pair.key.read_bytes(), pair.certificate.read_bytes())]
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials(keys))
    server.start()
    said = {"trusted": str(pair.certificate), "agent": "tests", "call_timeout": 5.0, "bounds": BOUNDS, "quota": Quota(), **how}
    one = Inventory(f"127.0.0.1:{port}", ORGANIZATION, **said)
    one.whose = Whose(ORGANIZATION, {number: id_ for id_, number in NUMBERS.items()})
    try:
        yield lambda page: one.page(BUCKETS, page, list, lambda: None, time.monotonic() + 5)
    finally:
        one.close()
        server.stop(None).wait()


def response(*assets: bytes) -> bytes:
    """A ListAssetsResponse of assets as they go over the wire."""
    return b"".join(b"\x12" + _varint(len(each)) + each for each in assets)


def _varint(number: int) -> bytes:
    made = b""
    while number > 127:
        made, number = made + bytes([number & 127 | 128]), number >> 7
    return made + bytes([number])


def test_an_asset_that_was_truncated_is_a_gap_of_its_project_alone(tmp_path: Any) -> None:
    whole, cut = (message(bucket(name)).SerializeToString() for name in ("whole", "cut"))
    with serving(lambda _: response(whole, cut + TRUNCATED), tmp_path) as page:
        answer = page(Page())
        assert [each.name.rpartition("/")[2] for each in answer.data["assets"]] == ["whole"]
        assert {name: (failure.reason, failure.code) for name, failure in answer.dark.items()} == {
            ONE: (Reason.TRUNCATED, "AssetTruncated")
        }
        assert answer.left_out is None
    nobodys = message({"name": "//x/y"}).SerializeToString() + TRUNCATED
    with serving(lambda _: response(nobodys), tmp_path) as page:
        assert page(Page()).left_out is Reason.TRUNCATED


def test_a_field_that_the_library_does_not_know_is_no_truncation(tmp_path: Any) -> None:
    newer = message(bucket("newer")).SerializeToString() + b"\xfa\x01\x03abc" + b"\xf0\x01\x07"
    with serving(lambda _: response(newer), tmp_path) as page:
        answer = page(Page())
        assert (len(answer.data["assets"]), answer.dark) == (1, {})


def _deep(levels: int) -> bytes:
    made = b"\x1a\x01x"  # a Value: the string x
    for _ in range(levels):
        entry = b"\x0a\x01k\x12" + _varint(len(made)) + made
        fields = b"\x0a" + _varint(len(entry)) + entry
        made = b"\x2a" + _varint(len(fields)) + fields
    entry = b"\x0a\x01k\x12" + _varint(len(made)) + made
    data = b"\x0a" + _varint(len(entry)) + entry
    resource = b"\x32" + _varint(len(data)) + data
    return b"\x0a\x05//x/y" + b"\x1a" + _varint(len(resource)) + resource


@pytest.mark.parametrize("body", [b"\xff\xff", b"<html>", response(_deep(5000))], ids=["no message", "a page", "too deep"])
def test_an_answer_that_is_none_is_malformed(body: bytes, tmp_path: Any) -> None:
    with serving(lambda _: body, tmp_path) as page, pytest.raises(CallFailedError) as caught:
        page(Page())
    assert (caught.value.reason, caught.value.code, caught.value.retry) == (Reason.MALFORMED, "MalformedBody", True)


def test_who_speaks_no_grpc_is_not_asset_inventory() -> None:
    """A port of REST alone."""
    with GcpBed(cloud()) as bed:
        one = Inventory(
            bed.url.removeprefix("https://"), ORGANIZATION, trusted=str(bed.ca), agent="t", call_timeout=2.0, bounds=BOUNDS, quota=Quota()
        )
        bed.relay.port = bed._server.server_address[1]  # what speaks HTTP/2 is passed on to who does not
        with pytest.raises(CallFailedError) as caught:
            one.page(BUCKETS, Page(), list, lambda: None, None)
        one.close()
    assert caught.value.reason in (Reason.UNREACHABLE, Reason.MALFORMED, Reason.TIMED_OUT)


# ---- names, numbers and secrets ------------------------------------------------------------------------------------------


def test_names_with_escapes_come_as_they_are_and_titles_are_safe() -> None:
    made = cloud(bucket("\x1b[31mred\u202e"))
    for asset in made.assets["cloudresourcemanager.googleapis.com/Project"]:
        asset["resource"]["data"]["name"] = "\x1b]0;owned\x07"
    with GcpBed(made) as bed, reached(bed) as provider:
        assert "\x1b" not in provider.targets[0].label
        assert read(provider, asked())[0]["resource"]["data"]["name"].startswith("\x1b")


def test_requests_are_counted_for_whom_they_are() -> None:
    made = cloud(bucket("a"))
    made.answer(f"logging/v2/projects/{ONE}/sinks", Listed("sinks", [{"name": "s"}]))
    with GcpBed(made) as bed, reached(bed, ORGANIZATION) as provider:
        read(provider, asked())
        provider.call(rest("logging/v2:sinks"))
        assert provider.sent() == {"": 3, f"gcp:{ONE}": 1}
        assert len(bed.requests) == 4


# ---- services of their own -------------------------------------------------------------------------------------------------


def test_a_listing_of_a_service_goes_on_by_its_token() -> None:
    made = cloud()
    made.answer(f"logging/v2/projects/{ONE}/sinks", Listed("sinks", [{"name": f"s{number}"} for number in range(5)]))
    with GcpBed(made, rest_page=2) as bed, reached(bed) as provider:
        answer = provider.call(rest("logging/v2:sinks", filter="a=b", tags=["x", "y"], all=True))
        assert [each["name"] for each in answer.data["sinks"]] == ["s0", "s1"]
        assert bed.requests[-1].query == "filter=a%3Db&tags=x&tags=y&all=true"
        answer = provider.call(rest("logging/v2:sinks", page=answer.next_page))
        assert [each["name"] for each in answer.data["sinks"]] == ["s2", "s3"]


def test_what_a_level_cannot_have_is_nothing_and_not_asked() -> None:
    with GcpBed(cloud()) as bed, reached(bed, ORGANIZATION) as provider:
        before = len(bed.requests)
        for at, target in (("projects", ORGANIZATION), (["folders", "organizations"], ONE)):
            with pytest.raises(CallFailedError) as caught:
                provider.call(rest("logging/v2:sinks", target, at=at))
            assert caught.value.code == NOT_HERE
            assert provider.matches(caught.value, [])
        assert len(bed.requests) == before


def test_questions_by_post_say_whose_entries_they_want() -> None:
    made = cloud()
    made.answer(
        "logging/v2/entries:list", Listed("entries", [{"logName": f"projects/{ONE}/logs/x"}, {"logName": f"projects/{TWO}/logs/x"}])
    )
    with GcpBed(made, rest_page=1) as bed, reached(bed) as provider:
        answer = provider.call(rest("logging/v2:/entries:list", body={"filter": "severity>=ERROR"}))
        assert [each["logName"] for each in answer.data["entries"]] == [f"projects/{ONE}/logs/x"]
        assert json.loads(bed.requests[-1].body) == {"resourceNames": [f"projects/{ONE}"], "filter": "severity>=ERROR"}


@pytest.mark.parametrize("scope", ["../x", "a//b", "a?b", "a#b", "/a", "a b", 7, "a/./b"])
def test_a_scope_that_is_no_name_is_not_asked(scope: Any) -> None:
    with GcpBed(cloud()) as bed, reached(bed) as provider:
        before = len(bed.requests)
        with pytest.raises(CallFailedError) as caught:
            provider.call(rest("logging/v2:sinks", scope=scope))
        assert (caught.value.reason, caught.value.code, len(bed.requests)) == (Reason.MALFORMED, "NoScope", before)


ATTACHED = "policies/cloudresourcemanager.googleapis.com%2Fprojects%2Fshop-prod/denypolicies"


def test_what_is_attached_is_asked_for_by_a_full_name_that_is_encoded_once() -> None:
    made = cloud()
    made.answer(f"iam/v2/{ATTACHED}", Listed("policies", [{"name": f"{ATTACHED}/d"}]))
    made.answer(f"iam/v2/{ATTACHED}/d", {"rules": [7]})
    with GcpBed(made) as bed, reached(bed) as provider:
        assert provider.call(rest("iam/v2:denypolicies", attached="policies")).data == {"policies": [{"name": f"{ATTACHED}/d"}]}
        assert provider.call(rest("iam/v2:denypolicies", attached="policies", scope="folders/5")).data == {}
        assert provider.call(rest("iam/v2:.", encoded_scope=f"{ATTACHED}/d")).data == {"rules": [7]}
        assert provider.call(rest("iam/v2:.", encoded_scope=f"{ATTACHED.replace('shop-prod', '111')}/d")).data == {"rules": [7]}
        with pytest.raises(CallFailedError):  # the bed tells a name that is encoded twice from one that is encoded once
            provider.call(rest("iam/v2:.", scope=f"{ATTACHED}/d"))


@pytest.mark.parametrize("scope", ["../x", "a/%2e%2e/b", "a%2F..%2Fb", "a%2F%2E%2E", "a%3Fb", "a?b", "a%252Fb", "a%00", "", 7, "a%2F/b/.."])
def test_an_encoded_scope_that_is_no_name_is_not_asked(scope: Any) -> None:
    with GcpBed(cloud()) as bed, reached(bed) as provider:
        before = len(bed.requests)
        with pytest.raises(CallFailedError) as caught:
            provider.call(rest("iam/v2:.", encoded_scope=scope))
        assert (caught.value.reason, caught.value.code, len(bed.requests)) == (Reason.MALFORMED, "NoScope", before)


@pytest.mark.parametrize("call", [("nothing", "x"), ("asset", "*"), ("logging/v2", "a b")])
def test_a_call_that_means_nothing_is_our_own_fault(call: tuple[str, str]) -> None:
    with GcpBed(cloud()) as bed, reached(bed) as provider, pytest.raises(CallFailedError) as caught:
        provider.call(Request(*call, "global", target=f"gcp:{ONE}"))
    assert caught.value.reason is Reason.COLLECTOR_BUG


def test_trials_ask_for_one_asset_and_once_for_each_content() -> None:
    with GcpBed(cloud(bucket("a")), troubles=[Trouble("PERMISSION_DENIED", where="IAM_POLICY")]) as bed, reached(bed) as provider:
        before = len(bed.requests)
        for kind in ("storage.googleapis.com/Bucket", "compute.googleapis.com/Disk"):
            (trial,) = provider.trials(asked(kind))
            assert trial.needs == "cloudasset.assets.listResource"
            assert len(provider.call(trial.request).data["assets"]) == 1
            (trial,) = provider.trials(asked(kind, "iam_policy"))
            assert trial.needs == "cloudasset.assets.listIamPolicy"
            with pytest.raises(CallFailedError):
                provider.call(trial.request)
        assert len(bed.requests) - before == 2
        (trial,) = provider.trials(rest("logging/v2:sinks"))
        assert trial.needs == ""


# ---- refusals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "reason", "code", "retry"),
    [
        (Said("PERMISSION_DENIED", "SERVICE_DISABLED"), "api_disabled", "SERVICE_DISABLED", False),
        (Said("PERMISSION_DENIED", "IAM_PERMISSION_DENIED"), "denied", "IAM_PERMISSION_DENIED", False),
        (Said("PERMISSION_DENIED", "\x1b[0m; DROP"), "denied", "PERMISSION_DENIED", False),
        (Said("NOT_FOUND", "RESOURCE_NOT_FOUND"), "not_found", "NOT_FOUND", False),
        (Said("NOT_FOUND", message="Method not found."), "collector_bug", "NoSuchMethod", False),
        (Said("RESOURCE_EXHAUSTED"), "throttled", "RESOURCE_EXHAUSTED", True),
        (Said("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"), "credentials", "ACCESS_TOKEN_EXPIRED", False),
        (Said("FAILED_PRECONDITION"), "unsupported", "FAILED_PRECONDITION", False),
        (Said("INVALID_ARGUMENT"), "collector_bug", "INVALID_ARGUMENT", False),
        (Said("DATA_LOSS"), "server_error", "DATA_LOSS", True),
    ],
)
def test_refusals(said: Said, reason: str, code: str, retry: bool) -> None:
    made = refusal(said)
    assert (made.reason.value, made.code, made.retry) == (reason, code, retry)


def test_when_to_ask_again_is_heard() -> None:
    wait = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}]
    body = json.dumps([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": wait}}]).encode()
    assert of_rest(429, {}, body).after == 7.5
    assert of_rest(503, {"Retry-After": "3"}, b"busy").after == 3.0
    assert of_rest(503, {}, b"busy").code == "503"
    odd = {"error": {"code": 403, "status": ["x"], "details": {"a": 1}, "errors": "x", "message": None}}
    assert of_rest(403, {}, json.dumps(odd).encode()).code == "PERMISSION_DENIED"


# ---- quota -------------------------------------------------------------------------------------------------------------------


def test_a_call_that_would_be_refused_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "SECONDS", 0.2)
    one = Quota(2)
    one.take()
    one.take()
    with pytest.raises(NotYetError) as caught:
        one.take()
    assert 0 < (caught.value.after or 0) <= 0.2
    time.sleep(0.21)
    one.take()


def test_a_quota_that_is_smaller_than_thought_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "SECONDS", 0.2)
    one = Quota()
    full = RefusedError(Said("RESOURCE_EXHAUSTED", facts={"quota_limit_value": "1"}), Reason.THROTTLED, "RATE_LIMIT_EXCEEDED", retry=True)
    first, beside = one.take(), one.take()
    assert isinstance(one.refused(full, first), NotYetError)
    assert isinstance(one.refused(full, beside), NotYetError), "it went out beside the first: no new round"
    with pytest.raises(NotYetError):
        one.take()
    time.sleep(0.21)
    one.take()
    with pytest.raises(NotYetError):
        one.take()


def test_a_quota_that_lets_nobody_in_ends_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "SECONDS", 0.01)
    one, full = Quota(), RefusedError(Said("RESOURCE_EXHAUSTED"), Reason.THROTTLED, "RATE_LIMIT_EXCEEDED", retry=True)
    said = []
    for _ in range(quota.ROUNDS + 1):
        said.append(one.refused(full, one.take()))
        time.sleep(0.02)
    assert [isinstance(each, NotYetError) for each in said] == [True] * quota.ROUNDS + [False]
    assert not said[-1].retry
    one.take()
    one.answered()
    assert isinstance(one.refused(full, one.take()), NotYetError)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"call": "iam/v2:/denypolicies", "fixed": {"attached": "policies"}}, "begins at the top"),
        ({"with_": {"encoded_scope": "name", "scope": "name"}}, "the whole scope"),
        ({"with_": {"encoded_scope": "name"}, "fixed": {"attached": "policies"}}, "the whole scope"),
        ({"with_": {"attached": "name"}}, "names a collection"),
        ({"fixed": {"attached": "a/b"}}, "names a collection"),
        ({"fixed": {"encoded_scope": "x"}}, "an item's name"),
    ],
)
def test_a_scope_that_is_written_otherwise_does_not_lint(how: dict[str, Any], words: str) -> None:
    right = Call(call="iam/v2:denypolicies", items="policies", with_={"scope": "parent.id"}, needs=("iam.denypolicies.list",))
    assert needs.problem(replace(right, fixed={"attached": "policies"}), "asset") is None
    problem = needs.problem(replace(right, **{"with_": {}, **how}), "asset")
    assert problem is not None
    assert words in problem[0]


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        ("secretmanager/v1:secrets/x/versions/latest:access", True),
        ("parametermanager/v1:locations/global/parameters/x/versions", True),
        ("apikeys/v2:locations/global/keys/x/keyString", True),
        ("redis/v1:authString", True),
        ("iap/v1:brands/-/identityAwareProxyClients", True),
        ("compute/v1:serialPort", True),
        ("storage/v1:o/x", True),
        ("bigquery/v2:data", True),
        ("firestore/v1:documents", True),
        ("secretmanager/v1:secrets", False),
        ("storage/v1:b", False),
        ("orgpolicy/v2:policies/compute.requireOsLogin:getEffectivePolicy", False),
    ],
)
def test_no_collector_may_name_what_hands_out_secrets_or_what_is_stored(call: str, refused: bool) -> None:
    problem = needs.problem(Call(call=call, needs=("x.y.get",), items="items"), "asset")
    assert (problem is not None and "hands out" in problem[0]) is refused
