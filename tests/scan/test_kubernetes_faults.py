"""Every kind of call to a cluster x every fault: what rests on the call is `unknown` with that reason, and nothing else changes.

One scan holds a different fault on each kind of call at once; over the scans every pair comes up once. Then the other bad days:
odd objects, names that a terminal would obey, secrets where they do not belong.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.cli.main import run
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed, Seen, Trouble, stale_read
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Coverage
from cnamm_scan.providers.kubernetes.discovery import ATTEMPTS
from tests.clusters import QUICK, cluster, crd, pod, rule, scan, shipping, thing, verdicts
from tests.least import files_of

Key = tuple[str, str]
"""Rule, resource."""
Said = tuple[str, str]
"""Verdict, reason."""
GATEKEEPER = "constraints.gatekeeper.sh"

COLLECTOR = """
service: probe
client: v1
facts:
  kubernetes.probe.pod:
    about: A listing of a core kind.
    once_per: target
    list: {call: pods, items: items}
    key: '{metadata.namespace}/{metadata.name}'
    normalise: {'@': pod}
    columns: {name: {type: text, from: metadata.name}, labels: {type: json, from: metadata.labels, absent: {}}}
  kubernetes.probe.container:
    about: What shares that listing.
    once_per: target
    list: {call: pods, items: items}
    normalise: {'@': pod}
    each: effectiveContainers[]
    key: '{parent.metadata.name}/{name}'
    columns:
      name: {type: text, from: parent.metadata.name}
      image: {type: text, from: image}
      names: {type: list, from: commandNames, absent: []}
      env: {type: list, from: plainEnv, absent: []}
  kubernetes.probe.deployment:
    about: A listing of a kind of a group.
    once_per: target
    list: {call: 'apps/v1:deployments', items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.widget:
    about: A listing of a custom kind.
    once_per: target
    list: {call: 'example.com/v1,v1beta1:widgets', items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.meta:
    about: A listing of metadata alone.
    once_per: target
    list: {call: configmaps, items: items, fixed: {metadata_only: true}}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}, annotations: {type: list, from: metadata.annotations, absent: []}}
  kubernetes.probe.constraint:
    about: A listing of whatever a group holds.
    once_per: target
    list: {call: 'constraints.gatekeeper.sh/v1beta1:*', items: items}
    key: '{kind}/{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.service:
    about: A listing with pages.
    once_per: target
    list: {call: services, items: items, fixed: {limit: 2}}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.node:
    about: What is asked about one by one.
    once_per: target
    list: {call: nodes, items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.config:
    about: What stands beneath one object.
    once_per: target
    list: {for: kubernetes.probe.node, call: nodes/proxy/configz, with: {name: parent.metadata.name}, items: '@'}
    key: '{parent.metadata.name}'
    columns: {name: {type: text, from: kubeletconfig.owner, absent: nobody}}
  kubernetes.probe.cluster:
    about: A reader.
    once_per: target
    list: {read: cluster, needs: get /version}
    key: '{name}'
    columns: {name: {type: text, from: version.gitVersion}}
  kubernetes.probe.resource:
    about: A reader of what is served.
    once_per: target
    list: {read: api_resources, needs: get /apis}
    key: '{group}/{version}/{resource}'
    columns: {name: {type: text, from: resource}}
  kubernetes.probe.account:
    about: Never touched.
    once_per: target
    list: {call: serviceaccounts, items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
"""
PROBED = ("pod", "container", "deployment", "widget", "meta", "constraint", "service", "node", "config", "account")
LOOKING = {
    "some_good_pod": "'good-1' = ANY (SELECT p.name FROM kubernetes.probe.pod p WHERE p.target = this.target)",
    "no_bad_widget": "NOT ('bad-9' = ANY (SELECT w.name FROM kubernetes.probe.widget w WHERE w.target = this.target))",
    "a_first_service": "'good-a' = ANY (SELECT s.name FROM kubernetes.probe.service s WHERE s.target = this.target)",
    "serves_pods": "'pods' = ANY (SELECT r.name FROM kubernetes.probe.resource r WHERE r.target = this.target)",
}
"""Rules that ask the cluster about others. All pass."""


def contents() -> Cluster:
    """A small cluster whose every verdict is known."""
    made = cluster(
        pod("good-1"),
        pod("good-2"),
        pod("bad-1", containers=[{"name": "one", "image": "a"}, {"name": "two", "image": "b"}]),
        *(thing("Deployment", name, "shop", api="apps/v1") for name in ("good-1", "bad-1")),
        crd("widgets", "Widget", "v1"),
        *(thing("Widget", name, "shop", api="example.com/v1") for name in ("good-1", "bad-1")),
        *(thing("ConfigMap", name, "shop", data={"a": "b"}) for name in ("good-1", "bad-1")),
        *(crd(f"k8s{name}", f"K8s{name.title()}", "v1beta1", group=GATEKEEPER, scope="Cluster") for name in ("allowed", "required")),
        *(thing(kind, name, api=f"{GATEKEEPER}/v1beta1") for kind in ("K8sAllowed", "K8sRequired") for name in ("good-1", "bad-1")),
        *(thing("Service", name, "shop") for name in ("bad-b", "good-a", "good-later", "later-bad", "later-worse")),
        *(thing("Node", name) for name in ("good-1", "bad-1")),
        *(thing("ServiceAccount", name, "shop") for name in ("good-1", "bad-1")),
    )
    for name in ("good-1", "bad-1"):
        made.raw(f"/api/v1/nodes/{name}/proxy/configz", {"kubeletconfig": {"owner": name}})
    return made


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what then is the reason; "" where it is a fact: nothing is there."""

    trouble: Trouble
    reason: str


FAULTS: dict[str, Fault] = {
    "denied": Fault(Trouble(403), "denied"),
    "not served": Fault(Trouble(404, body=b"404 page not found\n", content_type="text/plain"), ""),
    "throttled": Fault(Trouble(429, reason="TooManyRequests"), "throttled"),
    "server error": Fault(Trouble(500), "server_error"),
    "unavailable": Fault(Trouble(503), "server_error"),
    "too slow": Fault(Trouble(delay=2.0), "timed_out"),
    "reset": Fault(Trouble(hang_up=True), "unreachable"),
    "cut off": Fault(Trouble(cut=True), "unreachable"),
    "half a body": Fault(Trouble(body=b'{"kind":"PodList","items":[{'), "malformed"),
    "a success": Fault(Trouble(body=b'{"kind":"Status","status":"Success"}'), "malformed"),
    "expired": Fault(Trouble(410), "truncated"),
    "behind": Fault(stale_read(), "server_error"),
}


@dataclass(frozen=True)
class KindOfCall:
    """Where a fault strikes, and what it may change."""

    where: Mapping[str, Any]
    rules: tuple[str, ...]
    hits: Callable[[str], bool] = lambda resource: True
    """Of the results of these rules, those that rest on the call."""
    not_served: str = ""
    """The reason of a 404, where it is none of a kind that is not installed."""


KINDS: dict[str, KindOfCall] = {
    "core": KindOfCall({"path": "^/api/v1/pods$"}, ("pod", "container")),
    "group": KindOfCall({"resource": "deployments.apps"}, ("deployment",)),
    "custom": KindOfCall({"resource": "widgets.example.com"}, ("widget",)),
    "metadata": KindOfCall({"resource": "configmaps"}, ("meta",)),
    "whatever": KindOfCall(
        {"resource": f"k8srequired.{GATEKEEPER}"}, ("constraint",), lambda resource: resource.startswith("K8sRequired/")
    ),
    "later page": KindOfCall({"resource": "services", "page": 2}, ("service",), lambda resource: "later" in resource, "truncated"),
    "beneath": KindOfCall({"path": "/nodes/good-1/proxy"}, ("config",), lambda resource: resource == "good-1", "unsupported"),
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
    rules = [rule(name, f"kubernetes.probe.{name}", "name LIKE 'good%'") for name in PROBED]
    rules += [rule("cluster", "kubernetes.probe.cluster", "name LIKE 'v1.%'"), rule("resource", "kubernetes.probe.resource", "name <> ''")]
    rules += [rule(name, "kubernetes.probe.cluster", passes) for name, passes in LOOKING.items()]
    with shipping(tmp_path_factory.mktemp("pack"), {"kubernetes/probe": COLLECTOR}, rules):
        yield


@pytest.fixture(scope="module")
def seeded() -> Cluster:
    return contents()


@pytest.fixture(scope="module")
def look(seeded: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Look]:
    folder = tmp_path_factory.mktemp("config")

    def looking(*troubles: Trouble, **more: Any) -> Look:
        # a bed for each scan: what a slow one has not yet answered is not counted among the requests of the next
        with ClusterBed(seeded, troubles=troubles) as bed, scan(bed, folder, options={"call_timeout": 0.6}, **more) as done:
            said = verdicts(done)
            assert len(said) == len(list(done.results()))
            assert bed.writes == []
            return Look(said, list(done.coverage), list(bed.requests))

    return looking


@pytest.fixture(scope="module")
def whole(look: Callable[..., Look]) -> Look:
    """The scan without faults."""
    return look()


@pytest.fixture(scope="module")
def scans(look: Callable[..., Look]) -> Callable[[int], Look]:
    """The scan in which kind number k has fault number k + shift, made when it is first asked for."""
    made: dict[int, Look] = {}

    def one(shift: int) -> Look:
        if shift not in made:
            faults = list(FAULTS.values())
            made[shift] = look(*(replace(faults[(k + shift) % len(faults)].trouble, **kind.where) for k, kind in enumerate(KINDS.values())))
        return made[shift]

    return one


def shift_of(kind: str, fault: str) -> int:
    return (list(FAULTS).index(fault) - list(KINDS).index(kind)) % len(FAULTS)


def reason_of(kind: str, fault: str) -> str:
    return FAULTS[fault].reason or KINDS[kind].not_served


def fault_of(kind: str, shift: int) -> str:
    return list(FAULTS)[(list(KINDS).index(kind) + shift) % len(FAULTS)]


# ---- the matrix ----------------------------------------------------------------------------------------------------------


def test_without_faults_every_rule_passes_and_fails(whole: Look) -> None:
    for name in PROBED:
        assert set(whole.of(name).values()) == {("pass", ""), ("fail", "")}, name
    assert set(whole.of("cluster", *LOOKING).values()) == {("pass", "")}
    assert [line for line in whole.coverage if not line.complete] == []
    asked = Counter((seen.path, seen.query) for seen in whole.asked)
    assert max(asked.values()) == 1  # what two tables share is asked once


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_makes_what_rests_on_the_call_unknown(whole: Look, scans: Callable[[int], Look], kind: str, fault: str) -> None:
    seen, call, reason = scans(shift_of(kind, fault)), KINDS[kind], reason_of(kind, fault)
    for name in call.rules:
        before, after = whole.of(name), dict(seen.of(name))
        gone = {key for key in before if call.hits(key[1])}
        assert gone, "the kind of call must matter to something"
        assert not gone & set(after)
        # one unknown stands for what vanished, unless there is nothing to be seen
        assert after.pop((name, ""), None) == (("unknown", reason) if reason else None)
        assert after == {key: said for key, said in before.items() if key not in gone}


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_nothing_else_changes(whole: Look, scans: Callable[[int], Look], shift: int) -> None:
    seen = scans(shift)
    touched = {name for kind in KINDS.values() for name in kind.rules}
    for key, said in whole.said.items():
        if key[0] not in touched and key[0] not in LOOKING:
            assert seen.said[key] == said, key
    assert not [key for key, said in seen.said.items() if said[0] != "unknown" and whole.said.get(key) != said and key[0] not in LOOKING]
    assert "error" not in {said[0] for said in seen.said.values()}


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_lookups_know_what_could_not_be_seen(scans: Callable[[int], Look], shift: int) -> None:
    """What is not installed is not there, which is a fact; all else is unknown; and a first page that was read has been read."""
    said = {name: said for (name, _), said in scans(shift).said.items()}
    pods, widgets = (reason_of(kind, fault_of(kind, shift)) for kind in ("core", "custom"))
    assert said["some_good_pod"] == (("unknown", pods) if pods else ("fail", ""))
    assert said["no_bad_widget"] == (("unknown", widgets) if widgets else ("pass", ""))
    assert said["a_first_service"] == ("pass", "")
    assert said["serves_pods"] == ("pass", "")


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_the_ledger_says_what_was_not_read_and_retries_are_bounded(scans: Callable[[int], Look], shift: int) -> None:
    seen = scans(shift)
    expected = {f"kubernetes.probe.{name}": reason_of(kind, fault_of(kind, shift)) for kind, call in KINDS.items() for name in call.rules}
    broken = {line.table: line for line in seen.coverage if not line.complete}
    assert {table: line.gaps for table, line in broken.items()} == {table: {reason: 1} for table, reason in expected.items() if reason}
    assert {line.status for line in broken.values()} == {reason for reason in expected.values() if reason}
    codes = {line.table: line.code for line in seen.coverage if line.complete}
    assert [codes[table] for table, reason in expected.items() if not reason] == ["NotServed" for reason in expected.values() if not reason]
    assert max(Counter((each.method, each.path, each.query) for each in seen.asked).values()) <= 2


# ---- what strikes everything ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["core", "later page", "beneath"])
def test_credentials_that_end_in_mid_scan(whole: Look, look: Callable[..., Look], kind: str) -> None:
    """What was read before stands; nothing is asked with credentials known to be dead."""
    seen = look(Trouble(401, **KINDS[kind].where), limits=Limits(concurrency=1, attempts=2, rate=1000, burst=1000))
    unknown = {key: said for key, said in seen.said.items() if said[0] == "unknown"}
    assert unknown
    assert {reason for _, reason in unknown.values()} == {"credentials"}
    for name in KINDS[kind].rules:
        assert seen.said[name, ""] == ("unknown", "credentials")
    assert {key: said for key, said in seen.said.items() if key not in unknown} == {
        key: said for key, said in whole.said.items() if key in seen.said and key not in unknown
    }
    assert [each.status for each in seen.asked].index(401) == len(seen.asked) - 1


@pytest.mark.parametrize("fault", ["denied", "not served", "throttled", "too slow", "reset", "half a body"])
def test_discovery_that_fails_costs_little(whole: Look, look: Callable[..., Look], fault: str) -> None:
    """What is served is listed all the same. What a group holds cannot be known."""
    # one listing may be the one that hears of it each time: it has an attempt for each of discovery's, as by default
    seen = look(replace(FAULTS[fault].trouble, path="^/apis$"), limits=replace(QUICK, attempts=ATTEMPTS))
    reason = FAULTS[fault].reason or "unsupported"
    lost = {"resource", "constraint", "serves_pods"}
    assert {key: said for key, said in seen.said.items() if key[0] not in lost} == {
        key: said for key, said in whole.said.items() if key[0] not in lost
    }
    assert set(seen.of(*lost).values()) == {("unknown", reason)}
    assert [each.path for each in seen.asked].count("/apis") <= 3


def test_discovery_that_was_refused_leaves_what_is_not_installed_unknown(look: Callable[..., Look]) -> None:
    seen = look(Trouble(403, path="^/apis?$"), Trouble(404, body=b"404 page not found\n", resource="widgets.example.com"))
    assert seen.of("widget", "no_bad_widget") == {
        ("widget", ""): ("unknown", "unsupported"),
        ("no_bad_widget", "demo"): ("unknown", "unsupported"),
    }


@pytest.mark.parametrize("fault", ["denied", "server error", "half a body"])
def test_a_version_that_is_not_told_costs_itself(whole: Look, look: Callable[..., Look], fault: str) -> None:
    seen = look(replace(FAULTS[fault].trouble, path="^/version$"))
    reason = FAULTS[fault].reason
    lost = {"cluster", *LOOKING}
    assert {key: said for key, said in seen.said.items() if key[0] not in lost} == {
        key: said for key, said in whole.said.items() if key[0] not in lost
    }
    assert set(seen.of(*lost).values()) == {("unknown", reason)}


def test_what_mends_in_time_is_read(whole: Look, look: Callable[..., Look]) -> None:
    troubles = [
        Trouble(429, resource="pods", times=1, retry_after=1),
        stale_read(resource="deployments.apps", times=1),
        Trouble(503, resource="widgets.example.com", times=1),
        Trouble(hang_up=True, resource="configmaps", times=1),
        Trouble(cut=True, resource="services", page=2, times=1),
        Trouble(body=b"{", path="/proxy/", times=1),
    ]
    seen = look(*troubles)
    assert seen.said == whole.said
    assert {line.table.rpartition(".")[2] for line in seen.coverage if line.retries} == {
        "pod", "container", "deployment", "widget", "meta", "service", "config",
    }  # fmt: skip


def test_a_snapshot_that_expires_loses_and_doubles_nothing(whole: Look, look: Callable[..., Look]) -> None:
    seen = look(Trouble(410, resource="services", page=2, times=1))
    assert seen.said == whole.said
    (line,) = [line for line in seen.coverage if line.table == "kubernetes.probe.service"]
    assert (line.complete, line.code, line.items) == (True, "ExpiredContinueToken", 5)


def test_an_aggregated_api_that_is_down_costs_its_table_and_no_time(tmp_path: Path, whole: Look) -> None:
    made = contents()
    made.serve("example.com/v1", down=True)
    with ClusterBed(made) as bed, scan(bed, tmp_path, limits=Limits(attempts=5, deadline=30)) as done:
        said = verdicts(done)
        assert said["widget", ""] == ("unknown", "server_error")
        assert {key: each for key, each in said.items() if key[0] not in ("widget", "no_bad_widget", "resource")} == {
            key: each for key, each in whole.said.items() if key[0] not in ("widget", "no_bad_widget", "resource")
        }
        assert [seen.path for seen in bed.requests].count("/apis/example.com/v1/widgets") == 1
        (line,) = [line for line in done.coverage if line.table == "kubernetes.probe.widget"]
        assert line.retries == 0


def test_what_is_not_installed_is_a_fact(tmp_path: Path) -> None:
    with ClusterBed(cluster(pod("good-1"))) as bed, scan(bed, tmp_path) as done:
        said = verdicts(done)
        assert not [key for key in said if key[0] in ("widget", "constraint")]
        assert said["no_bad_widget", "demo"] == ("pass", "")
        lines = {line.table.rpartition(".")[2]: line for line in done.coverage}
        for name in ("widget", "constraint"):
            assert (lines[name].complete, lines[name].items, lines[name].code, lines[name].gaps) == (True, 0, "NotServed", {})


def test_what_is_installed_in_another_version_is_unknown(tmp_path: Path) -> None:
    made = cluster(crd("widgets", "Widget", "v7"), thing("Widget", "bad-9", "shop", api="example.com/v7"))
    with ClusterBed(made) as bed, scan(bed, tmp_path) as done:
        said = verdicts(done)
        assert said["widget", ""] == said["no_bad_widget", "demo"] == ("unknown", "unsupported")
        (line,) = [line for line in done.coverage if line.table == "kubernetes.probe.widget"]
        assert (line.complete, line.code) == (False, "UnservedVersion")


def test_faults_end_in_exit_0_or_3(seeded: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ClusterBed(seeded, troubles=[Trouble(403, **kind.where) for kind in KINDS.values()]) as bed:
        common = [
            "scan",
            "kubernetes",
            "--kubeconfig",
            str(bed.kubeconfig(tmp_path)),
            "--output",
            str(tmp_path / "out"),
            "--format",
            "json",
        ]
        assert run(common) == 0
        assert run([*common, "--min-coverage", "99"]) == 3
    told = capsys.readouterr()
    assert "coverage is" in told.err
    assert "Traceback" not in told.err
    assert len(list((tmp_path / "out").glob("*.cnamm"))) == 2


# ---- odd objects ---------------------------------------------------------------------------------------------------------


def listing(*items: Any) -> bytes:
    return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}).encode()


def plain(name: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in {**pod(name), **more}.items() if key not in ("apiVersion", "kind")}


ODD: dict[str, Any] = {
    "containers null": plain("odd", spec={"containers": None}),
    "no containers": plain("odd", spec={"containers": []}),
    "no spec": {"metadata": {"name": "odd", "namespace": "shop"}},
    "no object": 5,
    "null": None,
    "a list": ["odd"],
    "a text": "odd",
    "a container that is none": plain("odd", spec={"containers": ["main"]}),
    "metadata a text": plain("odd", metadata="odd"),
    "a variable that is none": plain("odd", spec={"containers": [{"name": "main", "env": ["A"]}]}),
}


def test_odd_objects_cost_themselves(seeded: Cluster, whole: Look, tmp_path: Path) -> None:
    body = listing(plain("good-1"), *ODD.values(), plain("bad-1"))
    with ClusterBed(seeded, troubles=[Trouble(body=body, path="^/api/v1/pods$")]) as bed, scan(bed, tmp_path) as done:
        results = list(done.results())
        for name in ("pod", "container"):
            odd = [result for result in results if result.rule == f"kubernetes.probe.{name}" and not result.resource]
            assert [result.verdict.value for result in odd] == ["unknown"] * len(ODD)  # one for each: none vanishes
            assert {result.reason for result in odd} <= {"malformed", "collector_bug"}
            (line,) = [line for line in done.coverage if line.table == f"kubernetes.probe.{name}" and line.part == "list"]
            assert (sum(line.gaps.values()), line.items) == (len(ODD), len(ODD) + 2)
        said = {key: each for key, each in verdicts(done).items() if key[1]}
        assert {key: each for key, each in said.items() if key[0] in ("pod", "container")} == {
            ("pod", "shop/good-1"): ("pass", ""),
            ("pod", "shop/bad-1"): ("fail", ""),
            ("container", "good-1/main#0"): ("pass", ""),
            ("container", "bad-1/main#0"): ("fail", ""),
        }
        others = ("pod", "container", *LOOKING)
        assert {key: each for key, each in said.items() if key[0] not in others} == {
            key: each for key, each in whole.said.items() if key[0] not in others
        }


def test_a_label_that_is_a_number_costs_nothing(look: Callable[..., Look]) -> None:
    """Typed clients refuse the whole list for it."""
    odd = plain("good-1", metadata={"name": "good-1", "namespace": "shop", "labels": {"tier": 5, "on": True, "none": None}})
    seen = look(Trouble(body=listing(odd, plain("bad-1")), path="^/api/v1/pods$"))
    assert seen.of("pod") == {("pod", "shop/good-1"): ("pass", ""), ("pod", "shop/bad-1"): ("fail", "")}


def test_an_object_nested_without_end_costs_itself(look: Callable[..., Look]) -> None:
    """The API server takes custom objects that are nested ten thousand levels deep."""
    deep: Any = "end"
    for _ in range(700):
        deep = [deep]
    odd = plain("odd", metadata={"name": "odd", "namespace": "shop", "labels": {"deep": deep}})
    seen = look(Trouble(body=listing(odd, plain("good-1")), path="^/api/v1/pods$"))
    assert seen.of("pod")["pod", "shop/good-1"] == ("pass", "")


def outputs(bundle: Path) -> dict[str, str]:
    """What each command prints of a bundle."""
    found = {}
    for arguments in (
        *(["report", str(bundle), "--format", kind] for kind in ("text", "json", "csv", "markdown")),
        *(["results", str(bundle), "--format", kind] for kind in ("jsonl", "csv", "table")),
        *(["query", str(bundle), "SELECT * FROM kubernetes.probe.container", "--format", kind] for kind in ("jsonl", "csv", "table")),
        ["evaluate", str(bundle), "--format", "text"],
        ["verify", str(bundle)],
    ):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert run(["--color", "never", *arguments]) == 0, err.getvalue()
        found[" ".join(arguments).replace(str(bundle), "")] = out.getvalue() + err.getvalue()
    return found


def test_a_large_config_map_is_read_and_not_kept(tmp_path: Path) -> None:
    text = "lorem ipsum dolor " * 120_000
    made = cluster(thing("ConfigMap", "good-1", "shop", data={"large": text}), thing("ConfigMap", "bad-1", "shop"))
    with ClusterBed(made) as bed, scan(bed, tmp_path, output=tmp_path / "out") as done:
        assert done.path is not None
        assert {said for key, said in verdicts(done).items() if key[0] == "meta"} == {("pass", ""), ("fail", "")}
        assert sum(map(len, files_of(done.path))) < 1_000_000
        assert not any(b"lorem ipsum" in each for each in files_of(done.path))


ESCAPES = "evil\x1b[31m\x1b]0;owned\x07\u202e\r\nname\x9b2J"


def test_a_name_does_not_reach_the_terminal_as_it_is(tmp_path: Path) -> None:
    """Names come from whoever may make an object; a server that checks them is not ours to rely on."""
    odd = pod(ESCAPES, containers=[{"name": "main", "image": ESCAPES}])
    with ClusterBed(cluster(odd, pod("=cmd()", "shop"))) as bed, scan(bed, tmp_path, output=tmp_path / "out") as done:
        assert done.path is not None
        assert ("pod", f"shop/{ESCAPES}") in verdicts(done)
        told = outputs(done.path)
        assert any("evil" in text for text in told.values())
        for command, text in told.items():
            # JSON escapes what it must; the forms for people hold nothing that a terminal obeys
            assert not set("\x1b\x07" if "json" in command else "\x1b\x07\x9b\u202e\r") & set(text), command
        assert "\n'=cmd()" not in told["results  --format csv"]
        assert ",=cmd()" not in told["results  --format csv"]


def test_a_context_does_not_reach_the_terminal_as_it_is(seeded: Cluster, tmp_path: Path) -> None:
    with (
        ClusterBed(seeded) as bed,
        scan(bed, tmp_path, how={"context": ESCAPES}, output=tmp_path / "out", rules=["kubernetes.probe.pod"]) as done,
    ):
        assert done.path is not None
        for kind in ("text", "markdown", "csv"):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                assert run(["--color", "never", "report", str(done.path), "--format", kind]) == 0
            assert not set("\x1b\x07\x9b\u202e\r") & set(out.getvalue())


# ---- secrets -------------------------------------------------------------------------------------------------------------

CANARY = "canary-7f3a"


def secretive() -> Cluster:
    """Secrets where they belong and where they do not, each marked."""
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps({"data": {"password": f"{CANARY}-applied"}})}
    env = [{"name": "DB_PASSWORD", "value": f"{CANARY}-env"}, {"name": "PLAIN", "value": f"{CANARY}-plain"}]
    container = {
        "name": "main",
        "image": "registry.example.com/main:1",
        "env": env,
        "args": [f"--password={CANARY}-args", f"--user=admin:{CANARY}-user"],
        "command": ["sh", f"--token={CANARY}-command"],
        "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "Authorization", "value": f"Basic {CANARY}-header"}]}},
    }
    made = cluster(
        pod("good-1", metadata={"annotations": applied}, containers=[container], initContainers=[container | {"name": "init"}]),
        thing(
            "Secret",
            "good-1",
            "shop",
            metadata={"annotations": applied},
            data={"password": f"{CANARY}-secret"},
            stringData={"p": f"{CANARY}-s"},
        ),
        thing(
            "ConfigMap",
            "good-1",
            "shop",
            metadata={"annotations": applied},
            data={"password": f"{CANARY}-map"},
            binaryData={"b": f"{CANARY}-b"},
        ),
        thing("Service", "good-a", "shop", metadata={"annotations": applied}),
        thing(
            "Deployment",
            "good-1",
            "shop",
            api="apps/v1",
            metadata={"annotations": applied},
            spec={"template": {"spec": {"containers": [container]}}},
        ),
        thing("Node", "good-1"),
    )
    made.raw(
        "/api/v1/nodes/good-1/proxy/configz", {"kubeletconfig": {"owner": "good-1", "staticPodURLHeader": {"X": [f"{CANARY}-kubelet"]}}}
    )
    return made


def test_no_secret_is_in_the_bundle_or_printed(tmp_path: Path) -> None:
    with ClusterBed(secretive()) as bed, scan(bed, tmp_path, output=tmp_path / "out") as done:
        assert done.path is not None
        assert ("pass", "") in verdicts(done).values()
        found = list(files_of(done.path))
        assert any(b"registry.example.com/main:1" in raw for raw in found)  # what is kept can be seen
        assert [raw[:80] for raw in found if CANARY.encode() in raw] == []
        for command, text in outputs(done.path).items():
            assert CANARY not in text, command
