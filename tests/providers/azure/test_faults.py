"""Every kind of call to Azure x every fault: what rests on the call is `unknown` with that reason, and nothing else changes.

One scan holds a different fault on each kind of call at once; over the scans every pair comes up once. Then what strikes everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant
from cnamm_scan.demo.azure.bed.server import AzureBed, Seen, Trouble
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Coverage
from cnamm_scan.providers.azure import graph
from tests.azures import ONE, account, beneath, scan, tenant
from tests.clusters import QUICK, rule, shipping, verdicts

Key = tuple[str, str]
Said = tuple[str, str]

COLLECTOR = """
service: probe
client: graph
facts:
  azure.probe.account:
    about: Rows of Resource Graph.
    once_per: connection
    list: {call: resources/Microsoft.Storage/storageAccounts, items: data, target: subscriptionId, in_region: location}
    key: '{name}'
    columns: {name: {type: text, from: name}, public: {type: boolean, from: properties.allowBlobPublicAccess, absent: true}}
  azure.probe.vault:
    about: Rows of Resource Graph, of which there are several pages.
    once_per: connection
    list: {call: resources/Microsoft.KeyVault/vaults, items: data, target: subscriptionId}
    key: '{name}'
    columns: {name: {type: text, from: name}}
  azure.probe.contact:
    about: A list of the subscription.
    once_per: target
    list: {call: '2023-12-01-preview:Microsoft.Security/securityContacts', items: value}
    key: '{name}'
    columns: {name: {type: text, from: name}}
  azure.probe.lock:
    about: A list of the subscription, of which there are several pages.
    once_per: target
    list: {call: '2020-05-01:Microsoft.Authorization/locks', items: value}
    key: '{name}'
    columns: {name: {type: text, from: name}}
  azure.probe.service:
    about: One thing beneath each row of another table.
    once_per: target
    list:
      {for: azure.probe.account, call: '2023-05-01:blobServices/default', with: {scope: parent.id}, items: '@',
       needs: Microsoft.Storage/storageAccounts/blobServices/read, gone_on: [ResourceNotFound]}
    key: '{parent.name}'
    columns: {name: {type: text, from: parent.name}, keeps: {type: boolean, from: properties.keeps, absent: false}}
  azure.probe.tagged:
    about: One more call for each row.
    once_per: connection
    list: {call: resources/Microsoft.Storage/storageAccounts, items: data, target: subscriptionId, in_region: location}
    key: '{name}'
    then:
      policy:
        {call: '2023-05-01:managementPolicies/default', with: {scope: id}, needs: Microsoft.Storage/storageAccounts/managementPolicies/read,
         absent_on: [ManagementPolicyNotFound]}
    columns: {name: {type: text, from: name}, state: {type: text, from: policy.properties.state, absent: none}}
  azure.probe.subscription:
    about: The thing itself, never touched.
    once_per: target
    list: {call: '2022-12-01:.', items: '@'}
    key: '{id}'
    columns: {name: {type: text, from: displayName}}
"""
PROBED = {
    "account": "NOT public",
    "vault": "name LIKE 'good%'",
    "contact": "name LIKE 'good%'",
    "lock": "name LIKE 'good%'",
    "service": "keeps",
    "tagged": "state <> 'none'",
}
LOOKING = {
    "some_good_account": "'good-1' = ANY (SELECT p.name FROM azure.probe.account p WHERE p.target = this.target)",
    "no_worse_contact": "NOT ('worse' = ANY (SELECT w.name FROM azure.probe.contact w WHERE w.target = this.target))",
    "a_first_lock": "'good-1' = ANY (SELECT s.name FROM azure.probe.lock s WHERE s.target = this.target)",
}
"""Rules that ask the subscription about others. All pass."""


def contents() -> Tenant:
    """A small subscription whose every verdict is known."""
    good, bad = account("good-1", allowBlobPublicAccess=False), account("bad-1")
    group = f"/subscriptions/{ONE}/resourceGroups/rg/providers"
    own = f"/subscriptions/{ONE}/providers"
    return tenant(
        good,
        bad,
        beneath(good, "blobServices/default", properties={"keeps": True}),
        beneath(bad, "blobServices/default", properties={}),
        beneath(good, "managementPolicies/default", properties={"state": "on"}),
        beneath(bad, "managementPolicies/default", properties={}),
        *({"id": f"{group}/Microsoft.KeyVault/vaults/{name}"} for name in ("bad-1", "good-1", "later-bad", "later-worse")),
        *({"id": f"{own}/Microsoft.Security/securityContacts/{name}"} for name in ("good-1", "bad-1")),
        *({"id": f"{own}/Microsoft.Authorization/locks/{name}"} for name in ("bad-1", "good-1", "later-bad", "later-worse")),
        subscriptions=(Subscription(ONE, "one"),),
    )


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what then is the reason; "" where it is a fact: nothing is there."""

    trouble: Trouble
    reason: str


FAULTS: dict[str, Fault] = {
    "denied": Fault(Trouble(403, "AuthorizationFailed"), "denied"),
    "not registered": Fault(Trouble(409, "MissingSubscriptionRegistration"), ""),
    "busy": Fault(Trouble(409, "AnotherOperationInProgress"), "server_error"),
    "not there": Fault(Trouble(404, "ResourceNotFound"), "not_found"),
    "no such version": Fault(Trouble(400, "NoRegisteredProviderFound"), "unsupported"),
    "no such operation": Fault(Trouble(501, "NotImplemented"), "unsupported"),
    "throttled": Fault(Trouble(429, "TooManyRequests"), "throttled"),
    "throttled, and says for how long": Fault(Trouble(429, "TooManyRequests", headers={"Retry-After": "0.02"}), "throttled"),
    "server error": Fault(Trouble(500, "InternalServerError"), "server_error"),
    "unavailable": Fault(Trouble(503, "ServiceUnavailable"), "server_error"),
    "gateway": Fault(Trouble(504, "GatewayTimeout"), "timed_out"),
    "elsewhere": Fault(Trouble(302, "Found", headers={"Location": "https://127.0.0.1:1/steal"}), "unreachable"),
    "later": Fault(Trouble(202, "Accepted"), "unsupported"),
    "too slow": Fault(Trouble(delay=2.0), "timed_out"),
    "reset": Fault(Trouble(hang_up=True), "unreachable"),
    "cut off": Fault(Trouble(cut=True), "unreachable"),
    "half a body": Fault(Trouble(body=b'{"value":[{'), "malformed"),
    "no body": Fault(Trouble(body=b""), "malformed"),
    "a page of something": Fault(Trouble(body=b"<html>sign in</html>"), "malformed"),
}


@dataclass(frozen=True)
class KindOfCall:
    """Where a fault strikes, and what it may change."""

    where: Mapping[str, Any]
    rules: tuple[str, ...]
    hits: Callable[[str], bool] = lambda resource: True
    """Of the results of these rules, those that rest on the call."""
    is_part: bool = False
    """Whether the rows stay, and only what was asked of them is not known."""
    registered: str = ""
    """The reason of a service that was never registered for, where something of it was listed before."""


KINDS: dict[str, KindOfCall] = {
    "query": KindOfCall({"body_has": "microsoft.storage/storageaccounts"}, ("account",), registered="api_disabled"),
    "later page of a query": KindOfCall(
        {"body_has": "skipToken"}, ("vault",), lambda resource: "later" in resource, registered="api_disabled"
    ),
    "list": KindOfCall({"path": "/securityContacts"}, ("contact",)),
    "later page": KindOfCall({"path": "/locks.*skiptoken"}, ("lock",), lambda resource: "later" in resource, registered="truncated"),
    "beneath": KindOfCall({"path": "/good-1/blobServices/default"}, ("service",), lambda resource: resource == "good-1"),
    "part": KindOfCall({"path": "/good-1/managementPolicies"}, ("tagged",), lambda resource: resource == "good-1", is_part=True),
}


@dataclass(frozen=True)
class Look:
    """A scan as it ended."""

    said: Mapping[Key, Said]
    coverage: list[Coverage]
    asked: list[Seen]

    def of(self, *rules: str) -> dict[Key, Said]:
        return {key: said for key, said in self.said.items() if key[0] in rules}


@pytest.fixture(scope="module", autouse=True)
def _quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This file's content alone, and little time between attempts."""
    rules = [rule(name, f"azure.probe.{name}", passes, service="azure.probe") for name, passes in PROBED.items()]
    rules += [rule("subscription", "azure.probe.subscription", "name = 'one'", service="azure.probe")]
    rules += [rule(name, "azure.probe.subscription", passes, service="azure.probe") for name, passes in LOOKING.items()]
    with shipping(tmp_path_factory.mktemp("pack"), {"azure/probe": COLLECTOR}, rules), pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "PAGE", 2)
        yield


def look(*troubles: Trouble, made: Tenant | None = None, timeout: float = 0.6, page: int = 2, **more: Any) -> Look:
    with AzureBed(made or contents(), troubles=troubles, page=page) as bed, scan(bed, options={"call_timeout": timeout}, **more) as done:
        said = verdicts(done)
        assert len(said) == len(list(done.results())) or made is not None
        return Look(said, list(done.coverage), list(bed.requests))


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
            made[shift] = look(*(replace(faults[(k + shift) % len(faults)].trouble, **kind.where) for k, kind in enumerate(KINDS.values())))
        return made[shift]

    return one


def fault_of(kind: str, shift: int) -> Fault:
    return list(FAULTS.values())[(list(KINDS).index(kind) + shift) % len(FAULTS)]


def reason_of(kind: str, shift: int) -> str:
    return fault_of(kind, shift).reason or KINDS[kind].registered


# ---- the matrix ----------------------------------------------------------------------------------------------------------


def test_without_faults_every_rule_passes_and_fails(whole: Look) -> None:
    for name in PROBED:
        assert set(whole.of(name).values()) == {("pass", ""), ("fail", "")}, name
    assert set(whole.of("subscription", *LOOKING).values()) == {("pass", "")}
    assert [line for line in whole.coverage if not line.complete] == []
    assert max(Counter(whole.asked).values()) == 1  # what two tables share is asked once
    assert {seen.method for seen in whole.asked if "/oauth2/" not in seen.path and "resourcegraph" not in seen.path.lower()} == {"GET"}


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_a_fault_makes_what_rests_on_the_call_unknown(whole: Look, scans: Callable[[int], Look], shift: int) -> None:
    seen = scans(shift)
    dark = {name for kind, call in KINDS.items() if kind == "query" and reason_of(kind, shift) for name in ("service", "tagged")}
    for kind, call in KINDS.items():
        reason = reason_of(kind, shift)
        for name in call.rules:
            if name in dark:
                continue
            before, after = whole.of(name), dict(seen.of(name))
            gone = {key for key in before if call.hits(key[1])}
            assert gone, "the kind of call must matter to something"
            told = ("unknown", reason)
            if call.is_part:
                assert {after[key] for key in gone} == {told if reason else ("fail", "")}, (kind, shift)
            else:
                # one unknown stands for what vanished, unless there is nothing to be seen
                assert after.pop((name, ""), None) == (told if reason else None), (kind, shift)
            assert {key: said for key, said in after.items() if key not in gone} == {
                key: said for key, said in before.items() if key not in gone
            }


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_nothing_else_changes_and_lookups_know(whole: Look, scans: Callable[[int], Look], shift: int) -> None:
    seen = scans(shift)
    assert seen.of("subscription") == whole.of("subscription")
    assert "error" not in {said[0] for said in seen.said.values()}
    said = {name: told for (name, _), told in seen.of(*LOOKING).items()}
    accounts, contacts = reason_of("query", shift), reason_of("list", shift)
    assert said["some_good_account"] == (("unknown", accounts) if accounts else ("fail", ""))
    assert said["no_worse_contact"] == (("unknown", contacts) if contacts else ("pass", ""))
    assert said["a_first_lock"] == ("pass", "")
    asked = Counter(each[:5] for each in seen.asked if each.status != 200 or "permissions" not in each.path)
    assert max(asked.values()) <= 2 * QUICK.attempts


# ---- what strikes everything ---------------------------------------------------------------------------------------------


def test_a_next_link_to_another_host_is_refused_before_anything_is_sent_there(whole: Look) -> None:
    with AzureBed(tenant(subscriptions=())) as other:
        for link in (f"{other.url}/subscriptions/x", "http://127.0.0.1:1/locks", "//127.0.0.1:1/x", "https://a@127.0.0.1/x"):
            seen = look(Trouble(path="/locks", change={"nextLink": link}))
            assert seen.of("lock")["lock", ""] == ("unknown", "malformed")
            assert other.requests == []
    lines = [line for line in seen.coverage if not line.complete]
    assert [(line.table, line.code) for line in lines] == [("azure.probe.lock", "ForeignNextLink")]


def test_a_link_that_leads_in_a_circle_ends() -> None:
    first = f"/subscriptions/{ONE}/providers/Microsoft.Authorization/locks?api-version=2020-05-01&$skiptoken=0"
    seen = look(Trouble(path="/locks", change={"nextLink": first}), made=contents())
    assert seen.of("lock")["lock", ""] == ("unknown", "truncated")


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("FewerThanTotal", {"totalRecords": 9, "$skipToken": None}),
        ("ResultTruncated", {"resultTruncated": "true", "$skipToken": None}),
    ],
)
def test_an_answer_that_is_cut_without_a_word_is_a_gap(whole: Look, code: str, change: Mapping[str, Any]) -> None:
    seen = look(Trouble(body_has="microsoft.storage/storageaccounts", change=change))
    said = seen.of("account")
    assert said.pop(("account", "")) == ("unknown", "truncated")
    assert said == whole.of("account"), "the rows that came stand"
    assert [line.code for line in seen.coverage if line.table == "azure.probe.account"] == [code]
    assert seen.of("some_good_account") == whole.of("some_good_account")


def test_the_limit_of_subscriptions_is_a_gap() -> None:
    seen = look(Trouble(body_has="microsoft.storage/storageaccounts", headers={"x-ms-tenant-subscription-limit-hit": "true"}))
    assert seen.of("account")["account", ""] == ("unknown", "truncated")


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "PAGE", 1000)
    too_large = Trouble(413, "ResponsePayloadTooLarge", body_has='"$top": 1000', times=None)
    seen = look(replace(too_large, body_has="vaults'\\n| project"), timeout=5.0)
    assert seen.of("vault")["vault", ""] == ("unknown", "truncated")  # also the smallest page was too large
    sizes = [int(each.body.rpartition('"$top": ')[2].rstrip("}")) for each in seen.asked if "keyvault/vaults" in each.body]
    assert sizes == [1000, 100, 10]


def test_credentials_that_end_in_mid_scan_end_the_scan() -> None:
    """What was read before stands; nothing is asked with credentials known to be dead."""
    seen = look(Trouble(401, "ExpiredAuthenticationToken", path="/locks"), limits=Limits(concurrency=1, attempts=2, rate=1000, burst=1000))
    assert ("unknown", "credentials") in {*seen.of("lock").values()}
    assert sum(each.status == 401 for each in seen.asked) == 2, "one more token was tried, once"


def test_one_refusal_of_a_token_that_was_taken_before_ends_nothing(whole: Look) -> None:
    seen = look(Trouble(401, "ExpiredAuthenticationToken", path="/locks", times=1), limits=Limits(concurrency=1, rate=1000, burst=1000))
    assert seen.said == whole.said
    assert sum(each.status == 401 for each in seen.asked) == 1


def test_a_claims_challenge_is_answered_with_a_token_that_has_them(whole: Look) -> None:
    with AzureBed(contents(), page=2) as bed:
        bed.wanted_claims = '{"access_token":{"nbf":{"essential":true,"value":"1"}}}'
        with scan(bed) as done:
            assert verdicts(done) == whole.said
        assert sum(each.status == 401 for each in bed.requests) == 1


def test_a_quota_is_waited_for_and_no_query_is_refused(whole: Look) -> None:
    with AzureBed(contents(), page=2, quota=(2, 1.0)) as bed:
        with scan(bed, limits=Limits(concurrency=1, attempts=2, rate=1000, burst=1000)) as done:
            assert verdicts(done) == whole.said
        assert [each.status for each in bed.requests if "resourcegraph" in each.path.lower()].count(429) == 0


def test_what_a_subscription_never_registered_for_has_nothing_in_it() -> None:
    made = contents()
    made.subscriptions[ONE] = replace(made.subscriptions[ONE], registered=frozenset({"microsoft.authorization", "microsoft.storage"}))
    seen = look(made=made)
    assert {name: said for (name, _), said in seen.of("contact", "no_worse_contact").items()} == {"no_worse_contact": ("pass", "")}
    (line,) = [line for line in seen.coverage if line.table == "azure.probe.contact"]
    assert (line.complete, line.items, line.code) == (True, 0, "MissingSubscriptionRegistration")


def test_a_subscription_that_is_disabled_is_read_and_said_so() -> None:
    made = contents()
    made.subscriptions[ONE] = replace(made.subscriptions[ONE], state="Disabled")
    with AzureBed(made, page=2) as bed, scan(bed) as done:
        assert ("pass", "") in verdicts(done).values()
        assert "the subscription is Disabled" in str(done.report())
