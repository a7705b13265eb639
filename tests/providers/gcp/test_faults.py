"""Every kind of call to Google Cloud x every fault: what rests on the call is `unknown` with that reason, and nothing else changes.

One scan holds a different fault on each kind of call at once; over the scans every pair comes up once. Then what strikes everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cnamm_scan.demo.gcp.bed.contents import Cloud, Listed
from cnamm_scan.demo.gcp.bed.server import GcpBed, Seen, Trouble
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Coverage, Reason
from cnamm_scan.providers.bounds import Bounds
from cnamm_scan.providers.gcp import inventory, quota
from cnamm_scan.providers.interface import CallFailedError
from tests.clusters import QUICK, rule, shipping, verdicts
from tests.gcps import ONE, asked, bucket, cloud, reached, read, scan

Key = tuple[str, str]
Said = tuple[str, str]

COLLECTOR = """
service: probe
client: asset
facts:
  gcp.probe.bucket:
    about: Assets of a type.
    once_per: connection
    list: {call: storage.googleapis.com/Bucket, items: assets, target: project, in_region: resource.location}
    key: '{id}'
    columns: {name: {type: text, from: resource.data.name}, public: {type: boolean, from: resource.data.public, absent: false}}
  gcp.probe.secret:
    about: Assets of a type, of which there are several pages.
    once_per: connection
    list: {call: secretmanager.googleapis.com/Secret, items: assets, target: project}
    key: '{resource.data.name}'
    columns: {name: {type: text, from: resource.data.name}}
  gcp.probe.policy:
    about: Policies of a type.
    once_per: connection
    list: {call: 'iam_policy:storage.googleapis.com/Bucket', items: assets, target: project}
    key: '{id}'
    columns: {name: {type: text, from: id}, roles: {type: json, from: iamPolicy.bindings}}
  gcp.probe.contact:
    about: A list of the project.
    once_per: target
    list: {call: 'essentialcontacts/v1:contacts', items: contacts, needs: essentialcontacts.contacts.list, fixed: {at: [projects]}}
    key: '{name}'
    columns: {name: {type: text, from: name}}
  gcp.probe.sink:
    about: A list of the project, of which there are several pages.
    once_per: target
    list: {call: 'logging/v2:sinks', items: sinks, needs: logging.sinks.list}
    key: '{name}'
    columns: {name: {type: text, from: name}}
  gcp.probe.service:
    about: One thing beneath each row of another table.
    once_per: target
    list:
      {for: gcp.probe.bucket, call: 'storage/v1:b', with: {scope: parent.id}, items: '@', needs: storage.buckets.get, gone_on: [NOT_FOUND]}
    key: '{parent.id}'
    columns: {name: {type: text, from: parent.resource.data.name}, keeps: {type: boolean, from: keeps, absent: false}}
  gcp.probe.tagged:
    about: One more call for each row.
    once_per: connection
    list: {call: storage.googleapis.com/Bucket, items: assets, target: project, in_region: resource.location}
    key: '{id}'
    then:
      more: {call: 'storage/v1:more', with: {scope: id}, needs: storage.buckets.get, absent_on: ['NOT_FOUND: no more']}
    columns: {name: {type: text, from: resource.data.name}, state: {type: text, from: more.state, absent: none}}
  gcp.probe.project:
    about: The thing itself, never touched.
    once_per: connection
    list: {call: cloudresourcemanager.googleapis.com/Project, items: assets, target: project}
    key: '{resource.data.projectId}'
    columns: {name: {type: text, from: resource.data.projectId}}
"""
PROBED = {
    "bucket": "NOT public",
    "secret": "name LIKE 'good%'",
    "policy": "name LIKE '%good-1'",
    "contact": "name LIKE 'good%'",
    "sink": "name LIKE 'good%'",
    "service": "keeps",
    "tagged": "state <> 'none'",
}
LOOKING = {
    "some_good_bucket": "'good-1' = ANY (SELECT p.name FROM gcp.probe.bucket p WHERE p.target = this.target)",
    "no_worse_contact": "NOT ('worse' = ANY (SELECT w.name FROM gcp.probe.contact w WHERE w.target = this.target))",
    "a_first_sink": "'good-1' = ANY (SELECT s.name FROM gcp.probe.sink s WHERE s.target = this.target)",
}
"""Rules that ask the project about others. All pass."""
NAMES = ("bad-1", "good-1", "later-bad", "later-worse")
IAM = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}


def held(name: str, **data: Any) -> dict[str, Any]:
    """A bucket whose name says whose it is, as most names do."""
    return {**bucket(name, **data), "name": f"//storage.googleapis.com/projects/{ONE}/buckets/{name}"}


def secret(name: str) -> dict[str, Any]:
    made = bucket(name)
    kind = "secretmanager.googleapis.com/Secret"
    return {**made, "assetType": kind, "name": f"//secretmanager.googleapis.com/projects/111/secrets/{name}"}


def contents(**said: Any) -> Cloud:
    """A small project whose every verdict is known."""
    policies = [{**{k: v for k, v in held(name).items() if k != "resource"}, "iamPolicy": IAM} for name in ("good-1", "bad-1")]
    made = cloud(held("good-1"), held("bad-1", public=True), *policies, *map(secret, NAMES), **said)
    for name, keeps in (("good-1", True), ("bad-1", False)):
        made.answer(f"storage/v1/projects/{ONE}/buckets/{name}/b", {"keeps": keeps})
        made.answer(f"storage/v1/projects/{ONE}/buckets/{name}/more", {"state": "on"} if keeps else {"kind": "storage#more"})
    made.answer(f"essentialcontacts/v1/projects/{ONE}/contacts", Listed("contacts", [{"name": "good-1"}, {"name": "bad-1"}]))
    made.answer(f"logging/v2/projects/{ONE}/sinks", Listed("sinks", [{"name": name} for name in NAMES]))
    return made


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what then is the reason of a call by gRPC and of one by REST."""

    trouble: Trouble
    reason: str
    by_rest: str = ""
    later: str = ""
    """The reason on a page after the first, where it is another."""


FAULTS: dict[str, Fault] = {
    "denied": Fault(Trouble("PERMISSION_DENIED", "IAM_PERMISSION_DENIED"), "denied"),
    "denied without a reason": Fault(Trouble("PERMISSION_DENIED"), "denied"),
    "off where who pays lives": Fault(Trouble("PERMISSION_DENIED", "SERVICE_DISABLED"), "api_disabled"),
    "off, in words": Fault(
        Trouble("PERMISSION_DENIED", message="X API has not been used in project 1 before or it is disabled."), "api_disabled"
    ),
    "not to be paid": Fault(Trouble("PERMISSION_DENIED", "USER_PROJECT_DENIED"), "denied"),
    "not there": Fault(Trouble("NOT_FOUND"), "not_found", later="truncated"),
    "no such type": Fault(Trouble("INVALID_ARGUMENT"), "unsupported", by_rest="collector_bug", later="truncated"),
    "not enrolled": Fault(Trouble("FAILED_PRECONDITION"), "unsupported", later="truncated"),
    "no such operation": Fault(Trouble("UNIMPLEMENTED"), "unsupported", later="truncated"),
    "throttled": Fault(Trouble("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), "throttled"),
    "throttled, and says for how long": Fault(Trouble("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", retry_after=0.02), "throttled"),
    "server error": Fault(Trouble("INTERNAL"), "server_error"),
    "unavailable": Fault(Trouble("UNAVAILABLE"), "server_error"),
    "unknown": Fault(Trouble("UNKNOWN"), "server_error"),
    "gateway": Fault(Trouble("DEADLINE_EXCEEDED"), "timed_out"),
    "aborted": Fault(Trouble("ABORTED"), "server_error"),
    "too slow": Fault(Trouble(delay=2.0), "timed_out"),
}
REST_FAULTS: dict[str, tuple[Trouble, str]] = {
    "elsewhere": (Trouble(status=302, headers={"Location": "https://127.0.0.1:1/steal"}), "unreachable"),
    "half a body": (Trouble(body=b'{"contacts":[{'), "malformed"),
    "no body": (Trouble(body=b""), "malformed"),
    "a page of something": (Trouble(body=b"<html>sign in</html>"), "malformed"),
    "a proxy's own 404": (Trouble(status=404, body=b"<html>not found</html>"), "not_found"),
    "a proxy's own 502": (Trouble(status=502, body=b"<html>bad gateway</html>"), "server_error"),
    "off, as older services say it": (
        Trouble(status=403, body=b'{"error":{"code":403,"message":"x","errors":[{"reason":"accessNotConfigured"}]}}'),
        "api_disabled",
    ),
    "too many, as older services say it": (
        Trouble(status=403, body=b'{"error":{"code":403,"message":"x","errors":[{"reason":"rateLimitExceeded"}]}}'),
        "throttled",
    ),
    "no content": (Trouble(status=204, body=b""), "unsupported"),
}


@dataclass(frozen=True)
class KindOfCall:
    """Where a fault strikes, and what it may change."""

    where: str
    rules: tuple[str, ...]
    hits: Callable[[str], bool] = lambda resource: True
    """Of the results of these rules, those that rest on the call."""
    is_part: bool = False
    """Whether the rows stay, and only what was asked of them is not known."""
    is_rest: bool = False
    is_later: bool = False


def _later(resource: str) -> bool:
    return "later" in resource


def _good(resource: str) -> bool:
    return resource.endswith("good-1")


KINDS: dict[str, KindOfCall] = {
    "listing": KindOfCall("ListAssets .*RESOURCE storage", ("bucket",)),
    "later page of a listing": KindOfCall("ListAssets .*Secret page", ("secret",), _later, is_later=True),
    "policies": KindOfCall("ListAssets .*IAM_POLICY", ("policy",)),
    "list": KindOfCall("/contacts", ("contact",), is_rest=True),
    "later page": KindOfCall("/sinks.*pageToken", ("sink",), _later, is_rest=True, is_later=True),
    "beneath": KindOfCall("/good-1/b", ("service",), _good, is_rest=True),
    "part": KindOfCall("/good-1/more", ("tagged",), _good, is_part=True, is_rest=True),
}


@dataclass(frozen=True)
class Look:
    """A scan as it ended."""

    said: Mapping[Key, Said]
    coverage: list[Coverage]
    asked: list[Seen]

    def of(self, *rules: str) -> dict[Key, Said]:
        return {key: said for key, said in self.said.items() if key[0] in rules}

    def codes(self, table: str) -> set[str]:
        return {line.code for line in self.coverage if line.table == f"gcp.probe.{table}" and not line.complete}


@pytest.fixture(scope="module", autouse=True)
def _quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This file's content alone, and little time between attempts."""
    rules = [rule(name, f"gcp.probe.{name}", passes, service="gcp.probe") for name, passes in PROBED.items()]
    rules += [rule("project", "gcp.probe.project", f"name = '{ONE}'", service="gcp.probe")]
    rules += [rule(name, "gcp.probe.project", passes, service="gcp.probe") for name, passes in LOOKING.items()]
    with shipping(tmp_path_factory.mktemp("pack"), {"gcp/probe": COLLECTOR}, rules), pytest.MonkeyPatch.context() as patch:
        patch.setattr(inventory, "PAGE", 2)
        patch.setattr(inventory, "TOGETHER", 1)  # each fault has a call of its own
        patch.setattr(quota, "SECONDS", 0.1)
        yield


def look(*troubles: Trouble, made: Cloud | None = None, timeout: float = 0.6, name: str = ONE, **more: Any) -> Look:
    with (
        GcpBed(made or contents(), troubles=troubles, rest_page=2) as bed,
        scan(bed, name, options={"call_timeout": timeout}, **more) as done,
    ):
        return Look(verdicts(done), list(done.coverage), list(bed.requests))


@pytest.fixture(scope="module")
def whole() -> Look:
    """The scan without faults."""
    return look()


@pytest.fixture(scope="module")
def scans() -> Callable[[int], Look]:
    """The scan in which kind number k has fault number k + shift, made when it is first asked for."""
    made: dict[int, Look] = {}

    def one(shift: int) -> Look:
        if shift not in made:
            faults = list(FAULTS.values())
            made[shift] = look(
                *(replace(faults[(k + shift) % len(faults)].trouble, where=kind.where) for k, kind in enumerate(KINDS.values()))
            )
        return made[shift]

    return one


def reason_of(kind: str, shift: int) -> str:
    fault = list(FAULTS.values())[(list(KINDS).index(kind) + shift) % len(FAULTS)]
    call = KINDS[kind]
    return (call.is_later and fault.later) or (call.is_rest and fault.by_rest) or fault.reason


# ---- the matrix ----------------------------------------------------------------------------------------------------------


def test_without_faults_every_rule_passes_and_fails(whole: Look) -> None:
    for name in PROBED:
        assert set(whole.of(name).values()) == {("pass", ""), ("fail", "")}, name
    assert set(whole.of("project", *LOOKING).values()) == {("pass", "")}
    assert [line for line in whole.coverage if not line.complete] == []
    assert max(Counter(seen for seen in whole.asked if "Project" not in seen.query).values()) == 1  # what two tables share is asked once
    assert {seen.method for seen in whole.asked if seen.path != "token"} == {"ListAssets", "GET"}


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_a_fault_makes_what_rests_on_the_call_unknown(whole: Look, scans: Callable[[int], Look], shift: int) -> None:
    seen = scans(shift)
    for kind, call in KINDS.items():
        reason = reason_of(kind, shift)
        for name in call.rules:
            if name in ("service", "tagged"):
                continue  # the listing above them is dark too
            _held(whole, seen, name, call, reason)
    assert seen.of("project") == whole.of("project")
    assert "error" not in {said[0] for said in seen.said.values()}
    said = {name: told for (name, _), told in seen.of(*LOOKING).items()}
    assert said["some_good_bucket"] == ("unknown", reason_of("listing", shift))
    assert said["no_worse_contact"] == ("unknown", reason_of("list", shift))
    assert said["a_first_sink"] == ("pass", "")
    assert max(Counter(each[:4] for each in seen.asked).values()) <= 4 * QUICK.attempts


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_what_is_beneath_an_item(whole: Look, fault: str) -> None:
    told, calls = FAULTS[fault], [KINDS["beneath"], KINDS["part"]]
    seen = look(*(replace(told.trouble, where=call.where) for call in calls))
    for call in calls:
        reason = told.by_rest or told.reason
        if fault == "not there" and not call.is_part:  # asked again for what it is beneath: that is still there
            assert ("service", "") in seen.said
            continue
        _held(whole, seen, call.rules[0], call, reason)


@pytest.mark.parametrize("fault", REST_FAULTS)
def test_a_fault_of_a_service_alone(whole: Look, fault: str) -> None:
    trouble, reason = REST_FAULTS[fault]
    seen = look(*(replace(trouble, where=KINDS[kind].where) for kind in ("list", "part")))
    _held(whole, seen, "contact", KINDS["list"], reason)
    _held(whole, seen, "tagged", KINDS["part"], reason)


def _held(whole: Look, seen: Look, name: str, call: KindOfCall, reason: str) -> None:
    before, after = whole.of(name), dict(seen.of(name))
    gone = {key for key in before if call.hits(key[1])}
    assert gone, "the kind of call must matter to something"
    if call.is_part:
        assert {after[key] for key in gone} == {("unknown", reason)}, name
    else:  # one unknown stands for what vanished
        assert after.pop((name, ""), None) == ("unknown", reason), name
    assert {key: said for key, said in after.items() if key not in gone} == {key: said for key, said in before.items() if key not in gone}


# ---- what strikes everything ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("beneath", "part")])
@pytest.mark.parametrize("trouble", [Trouble(hang_up=True), Trouble(cut=True)], ids=["reset", "cut off"])
def test_a_connection_that_breaks(whole: Look, kind: str, trouble: Trouble) -> None:
    """One at a time: who shares a connection is cut off with it, and asks again."""
    call = KINDS[kind]
    seen = look(replace(trouble, where=call.where), limits=replace(QUICK, attempts=4))
    _held(whole, seen, call.rules[0], call, "unreachable")
    others = {name for name in PROBED if name not in (*call.rules, "service", "tagged")}
    assert seen.of("project", *others) == whole.of("project", *others)


def test_what_a_code_says_is_absent_only_with_its_words() -> None:
    said = look(Trouble("NOT_FOUND", message="There is no more.", where="/good-1/more")).of("tagged")
    assert {verdict for _, verdict in said.items()} == {("fail", "")}
    said = look(Trouble("NOT_FOUND", message="What?", where="/good-1/more")).of("tagged")
    assert set(said.values()) == {("fail", ""), ("unknown", "not_found")}


def test_an_empty_page_with_a_token_is_no_end(whole: Look) -> None:
    seen = look(Trouble(change={"assets": []}, where="Secret$", times=1))
    assert set(seen.of("secret")) == {("secret", resource) for _, resource in whole.of("secret") if _later(resource)}
    assert [line for line in seen.coverage if not line.complete] == []


def test_a_token_that_comes_again_ends_the_listing_as_a_gap() -> None:
    seen = look(Trouble(repeats=True, where="Secret page|sinks.*pageToken"))
    assert seen.of("secret")["secret", ""] == ("unknown", "truncated")
    assert seen.of("sink")["sink", ""] == ("unknown", "truncated")


def test_one_type_that_is_refused_costs_itself(whole: Look) -> None:
    seen = look(made=contents(unsupported=frozenset({"secretmanager.googleapis.com/Secret"})))
    assert seen.of("secret") == {("secret", ""): ("unknown", "unsupported")}
    rest = {key: said for key, said in whole.said.items() if key[0] != "secret"}
    assert {key: said for key, said in seen.said.items() if key[0] != "secret"} == rest


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "PAGE", 1000)
    made = contents()
    made.add(*(secret(f"good-{'x' * 1000}-{number}") for number in range(150)))
    with GcpBed(made) as bed, reached(bed, bounds=Bounds(body=60_000)) as provider:
        assert len(read(provider, asked("secretmanager.googleapis.com/Secret"))) == 154
        assert len([each for each in bed.requests if "Secret" in each.query]) == 2 + 16
        made.add(secret(f"bad-{'x' * 70_000}"))
        with pytest.raises(CallFailedError) as raised:
            read(provider, asked("secretmanager.googleapis.com/Secret"))
        assert (raised.value.reason, raised.value.code) == (Reason.TRUNCATED, "TooLarge")


def test_credentials_that_end_in_mid_scan_end_the_scan() -> None:
    """What was read before stands; nothing is asked with credentials known to be dead."""
    trouble = Trouble("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED", where="/sinks")
    seen = look(trouble, limits=Limits(concurrency=1, attempts=2, rate=1000, burst=1000))
    assert ("unknown", "credentials") in {*seen.of("sink").values()}
    assert sum(each.code == "UNAUTHENTICATED" for each in seen.asked) == 2, "one more token was tried, once"


@pytest.mark.parametrize("where", ["/sinks", "Secret page"])
def test_one_refusal_of_a_token_that_was_taken_before_ends_nothing(whole: Look, where: str) -> None:
    trouble = Trouble("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED", where=where, times=1)
    seen = look(trouble, limits=Limits(concurrency=1, rate=1000, burst=1000))
    assert seen.said == whole.said
    assert sum(each.path == "token" for each in seen.asked) == 2


def test_a_quota_of_one_call_at_a_time_is_waited_for(whole: Look) -> None:
    with GcpBed(contents(), rest_page=2, quota=(1, 0.1)) as bed:
        limits = Limits(attempts=6, deadline=20, rate=1000, burst=1000)
        with scan(bed, limits=limits) as done:
            said = verdicts(done)
        for name in ("bucket", "secret", "policy", "project"):
            assert {key: each for key, each in said.items() if key[0] == name} == whole.of(name)


def test_a_quota_that_never_opens_ends(whole: Look) -> None:
    seen = look(Trouble("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", where="ListAssets .*(Bucket|Secret)"))
    assert seen.of("bucket") == {("bucket", ""): ("unknown", "throttled")}
    assert sum(each.code == "RESOURCE_EXHAUSTED" for each in seen.asked) < 40


def test_a_token_endpoint_that_fails_in_mid_scan_is_not_asked_by_every_call(whole: Look) -> None:
    """google-auth tries three times and waits in between: hundreds of calls would do so one after the other."""
    troubles = Trouble(status=500, body=b"oops", where="POST token", skip=1), Trouble("UNAUTHENTICATED", where="Secret$|/sinks", times=1)
    seen = look(*troubles, limits=Limits(concurrency=4, attempts=2, deadline=5, rate=1000, burst=1000))
    assert {said for key, said in seen.said.items() if said != whole.said.get(key)} <= {
        ("unknown", "server_error"),
        ("unknown", "credentials"),
    }
    assert {said for said, _ in seen.said.values()} >= {"unknown"}
    assert sum(each.path == "token" for each in seen.asked) <= 1 + 3 * 3
