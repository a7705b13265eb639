"""The demo's cluster: the same for the same moment, objects as a real server would hold them, and a scan of it that gives nothing away."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kubernetes.client import ApiClient

from cnamm_scan import api
from cnamm_scan.cli import demo
from cnamm_scan.cli.main import run
from cnamm_scan.demo.aws.bed import proxy, server
from cnamm_scan.demo.aws.estate import shop as account
from cnamm_scan.demo.aws.estate.shop import Seeded
from cnamm_scan.demo.cluster import shop as cluster_shop
from cnamm_scan.demo.cluster.bed.contents import Cluster, dumps
from cnamm_scan.demo.cluster.bed.groups import built_in
from cnamm_scan.demo.cluster.bed.server import ClusterBed
from cnamm_scan.demo.cluster.shop import CONTEXT, ESTATE, served, shop
from cnamm_scan.demo.planted import planted
from cnamm_scan.providers.gcp import quota
from tests.unpacked import written

Thing = dict[str, Any]
Key = tuple[str, str, str]
"""Kind with its version, namespace, name."""
There = Mapping[Key, Thing]
NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FUNCTIONS = 8
PLANTED = planted(ESTATE)


def things(cluster: Cluster) -> dict[Key, Thing]:
    """Each object once, in the newest version that is served, as the server gives it out."""
    found: dict[Key, Thing] = {}
    seen: set[tuple[str, str]] = set()
    versions = [("", "v1"), *((group, version) for group, all_of_it in cluster.groups().items() for version in all_of_it)]
    for group, version in versions:
        group_version = f"{group}/{version}".lstrip("/")
        for row in (cluster.resources(group_version) or {}).values():
            if row.is_sub or "list" not in row.verbs or (group, row.name) in seen:
                continue
            seen.add((group, row.name))
            for entry in cluster.snapshot(group, row.name).entries:
                thing = json.loads(entry.body)
                meta = thing["metadata"]
                found[f"{group_version} {row.kind}", meta.get("namespace", ""), meta["name"]] = thing
    return found


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    return shop(NOW)


@pytest.fixture(scope="module")
def there(cluster: Cluster) -> dict[Key, Thing]:
    return things(cluster)


def of(there: There, kind: str) -> list[Thing]:
    return [thing for (what, _, _), thing in there.items() if what == kind]


# ---- the cluster by itself -------------------------------------------------------------------------------------------------


def test_it_is_the_same_for_the_same_moment(there: There) -> None:
    assert dumps(list(things(shop(NOW)).values())) == dumps(list(there.values()))


def test_it_never_ages(there: There) -> None:
    """A year later each of its times is a year later too, those of the server itself apart."""
    later = things(shop(NOW + timedelta(days=365)))
    moved: Counter[int] = Counter()
    for key, thing in there.items():
        if key not in later:
            continue  # named after a day
        for old, new in zip(TIME.findall(json.dumps(thing)), TIME.findall(json.dumps(later[key])), strict=True):
            moved[(datetime.fromisoformat(new) - datetime.fromisoformat(old)).days] += 1
    assert set(moved) == {365}
    assert len(there.keys() - later.keys()) < 10
    assert len(there) == len(later)


def test_it_has_a_few_hundred_objects_of_many_kinds(cluster: Cluster, there: There) -> None:
    assert len(there) == cluster.size
    assert 250 <= cluster.size <= 450
    assert len({kind for kind, _, _ in there}) > 70
    zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in of(there, "v1 Node")}
    assert (len(of(there, "v1 Node")), len(zones)) == (3, 2)


def test_names_and_uids_are_such_as_a_server_takes(there: There) -> None:
    namespaces = {name for kind, _, name in there if kind == "v1 Namespace"}
    uids = Counter(thing["metadata"]["uid"] for thing in there.values())
    assert [uid for uid, count in uids.items() if count > 1] == []
    for (kind, namespace, name), thing in there.items():
        pattern = r"[a-z0-9:.-]+" if kind.startswith("rbac") else r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
        assert re.fullmatch(pattern, name), (kind, name)
        assert len(name) <= 253
        assert namespace in {*namespaces, ""}, (kind, namespace, name)
        for value in (thing["metadata"].get("labels") or {}).values():
            assert re.fullmatch(r"|[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", value), (kind, name, value)
        assert thing["metadata"]["managedFields"], (kind, name)


def _lost(given: Any, taken: Any, where: str = "") -> Iterator[str]:
    """Paths of what the typed client did not know."""
    if isinstance(given, dict) and isinstance(taken, dict):
        for key, value in given.items():
            if key not in taken and value not in ({}, [], None):
                yield f"{where}.{key}"
            elif key in taken:
                yield from _lost(value, taken[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(taken, list):
        for one, other in zip(given, taken, strict=True):
            yield from _lost(one, other, f"{where}[]")


def test_built_in_objects_have_the_fields_of_their_kind_and_no_others(there: There) -> None:
    """Read into the models of the kubernetes client, which refuse what lacks a required field, and written out again."""
    client = ApiClient()
    seen = 0
    for (what, _, name), thing in there.items():
        group_version, kind = what.split(" ")
        if group_version in built_in():
            model = group_version.rpartition("/")[2].capitalize() + kind
            taken = client._ApiClient__deserialize(thing, model)  # what it does with every answer; its signature outside changes
            assert list(_lost(thing, client.sanitize_for_serialization(taken))) == [], (what, name)
            seen += 1
    assert seen > 250


def test_what_refers_to_something_finds_it(there: There) -> None:
    keys = set(there)
    for (kind, namespace, name), thing in there.items():
        where = (kind, namespace, name)
        for owner in thing["metadata"].get("ownerReferences", ()):
            if owner["kind"] == "ReplicaSet":  # of a deployment or a rollout, by name alone
                stem = owner["name"].rpartition("-")[0]
                makers = {("apps/v1 Deployment", namespace, stem), ("argoproj.io/v1alpha1 Rollout", namespace, stem)}
                assert makers & keys, where
                assert owner["name"].endswith(tuple(value for key, value in thing["metadata"]["labels"].items() if key.endswith("-hash")))
            else:
                made_by = there[f"{owner['apiVersion']} {owner['kind']}", namespace, owner["name"]]
                assert made_by["metadata"]["uid"] == owner["uid"], where
        if kind == "v1 Pod":
            spec = thing["spec"]
            assert ("v1 Node", "", spec["nodeName"]) in keys, where
            assert ("v1 ServiceAccount", namespace, spec["serviceAccountName"]) in keys, where
            volumes = {volume["name"] for volume in spec.get("volumes", ())}
            mounts = {each["name"] for one in spec["containers"] for each in one.get("volumeMounts", ())}
            assert mounts <= volumes, where
        if kind.startswith("rbac") and "roleRef" in thing:
            role = thing["roleRef"]
            place = namespace if role["kind"] == "Role" else ""
            assert (f"rbac.authorization.k8s.io/v1 {role['kind']}", place, role["name"]) in keys, where
        if kind == "v1 PersistentVolumeClaim":
            assert ("v1 PersistentVolume", "", thing["spec"]["volumeName"]) in keys, where
            assert ("storage.k8s.io/v1 StorageClass", "", thing["spec"]["storageClassName"]) in keys, where
        if kind == "argoproj.io/v1alpha1 Application":
            known = {(what.split(" ")[1], place, called) for what, place, called in keys}
            told = {(each["kind"], each.get("namespace", ""), each["name"]) for each in thing["status"]["resources"]}
            assert told <= known, where


def test_workloads_have_their_pods(there: There) -> None:
    """As many as their status says, each with the labels that they select."""
    pods = of(there, "v1 Pod")
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for workload in of(there, f"apps/v1 {kind}"):
            meta, wanted = workload["metadata"], workload["spec"]["selector"]["matchLabels"]
            own = [
                pod
                for pod in pods
                if pod["metadata"]["namespace"] == meta["namespace"] and wanted.items() <= pod["metadata"]["labels"].items()
            ]
            said = workload["status"]["numberReady" if kind == "DaemonSet" else "readyReplicas"]
            assert len(own) == said > 0, meta["name"]
            assert wanted.items() <= workload["spec"]["template"]["metadata"]["labels"].items()


def test_there_is_good_and_bad_of_each(there: There) -> None:
    containers = [one for pod in of(there, "v1 Pod") for one in pod["spec"]["containers"] + pod["spec"].get("initContainers", [])]
    assert {one.get("securityContext", {}).get("privileged", False) for one in containers} == {True, False}
    assert {bool(one.get("resources")) for one in containers} == {True, False}
    labels = [namespace["metadata"]["labels"] for namespace in of(there, "v1 Namespace")]
    levels = {each.get("pod-security.kubernetes.io/enforce", "") for each in labels}
    assert levels == {"", "baseline", "restricted"}
    hands = {writer["manager"] for thing in of(there, "apps/v1 Deployment") for writer in thing["metadata"]["managedFields"]}
    assert hands >= {"argocd-controller", "helm", "kubectl-edit", "kubectl-client-side-apply"}
    assert {policy["spec"]["validationFailureAction"] for policy in of(there, "kyverno.io/v1 ClusterPolicy")} == {"Enforce", "Audit"}
    assert {one["status"]["sync"]["status"] for one in of(there, "argoproj.io/v1alpha1 Application")} == {"Synced", "OutOfSync"}
    assert {one["status"]["phase"] for one in of(there, "velero.io/v1 Backup")} == {"Completed", "PartiallyFailed", "Failed"}
    assert {bool(one["spec"].get("tls")) for one in of(there, "networking.k8s.io/v1 Ingress")} == {True, False}
    balancers = [one for one in of(there, "v1 Service") if one["spec"]["type"] == "LoadBalancer"]
    assert [bool(one["spec"].get("loadBalancerSourceRanges")) for one in balancers].count(False) == 1
    roles = [one["metadata"].get("annotations", {}).get("eks.amazonaws.com/role-arn") for one in of(there, "v1 ServiceAccount")]
    assert len({*roles}) > 4


def test_each_canary_stands_in_one_place(there: There) -> None:
    texts = {key: json.dumps(thing) for key, thing in there.items()}
    assert len({*PLANTED.values()}) == len(PLANTED) == 15
    for name, canary in PLANTED.items():
        holders = [key for key, text in texts.items() for form in forms(canary) if form in text]
        # a workload, what made it and its pods hold the same words
        assert len({(namespace, called.split("-")[0]) for _, namespace, called in holders}) == 1, (name, holders)
    held = {kind for (kind, _, _), text in texts.items() if any(form in text for canary in PLANTED.values() for form in forms(canary))}
    assert held >= {"v1 Pod", "v1 ConfigMap", "v1 Secret", "apps/v1 Deployment", "batch/v1 CronJob", "networking.k8s.io/v1 Ingress"}


def forms(canary: str) -> tuple[str, str]:
    """How it may be written: as it is, and as a Secret writes it."""
    return canary, base64.b64encode(canary.encode()).decode()


# ---- the demo scans it -----------------------------------------------------------------------------------------------------


@dataclass
class Whole:
    """What `cnamm-scan demo` did with the cluster, and all that it said."""

    bed: ClusterBed
    asked: list[str]
    code: int
    out: str
    err: str
    folder: Path
    scan: api.Scan


class Still:
    """In place of moto's server and the proxy before it: nothing starts."""

    url = "http://127.0.0.1:9"

    def __init__(self, *arguments: object, **more: object) -> None: ...

    def __enter__(self) -> Still:
        return self

    def __exit__(self, *what: object) -> None: ...


class Kept(ClusterBed):
    """A bed that can be asked afterwards."""

    made: ClassVar[list[ClusterBed]] = []

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.made.append(self)


UNREADABLE = "{: not a kubeconfig, and whoever reads it fails"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """The command as it is, but without the account, which has tests of its own; other people's settings are in its way."""
    folder, home, temporary = (tmp_path_factory.mktemp(name) for name in ("bundles", "home", "temporary"))
    (home / ".kube").mkdir()
    theirs = [home / ".kube" / "config", home / "theirs"]
    for file in theirs:
        file.write_text(UNREADABLE)
    scan = api.scan
    asked: list[str] = []

    def without_account(targets: list[str], **more: Any) -> api.Scan:
        asked.extend(targets)
        # the account's, the tenant's and the organization's
        others = {"endpoint_url", "arm_endpoint", "authority", "disable_instance_discovery", "api_endpoint", "ca_bundle"}
        others |= {"directory_admin", "with_directory_users"}
        named = {name: value for name, value in more["options"].named.items() if name not in others}
        kubeconfig = Path(named["kubeconfig"])
        assert kubeconfig.is_relative_to(temporary)
        assert kubeconfig.stat().st_mode & 0o777 == 0o600
        return scan(targets[3:], **more | {"options": api.TargetOptions(**named)})

    Kept.made.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("KUBECONFIG", str(theirs[1]))
        patch.setenv("http_proxy", "http://127.0.0.1:9")
        patch.setenv("AWS_PROFILE", "nobody")
        patch.setenv("AWS_SESSION_TOKEN", "testing")  # the command takes it away, and other tests want it back
        for name in ("TOKEN_CREDENTIALS", "TENANT_ID", "CLIENT_ID", "CLIENT_SECRET"):
            patch.setenv(f"AZURE_{name}", "nobody's")  # and these it sets
        for name in ("APPLICATION_CREDENTIALS", "CLOUD_PROJECT"):
            patch.setenv(f"GOOGLE_{name}", "nobody's")
        patch.setattr(quota, "CALLS", quota.CALLS)
        patch.setenv("NO_PROXY", "")
        patch.setattr(server, "MotoServer", Still)
        patch.setattr(proxy, "FaultProxy", Still)
        patch.setattr(account, "seed", lambda _: Seeded("123456789012", ("us-east-1", "eu-west-1"), 269))
        patch.setattr(cluster_shop, "ClusterBed", Kept)
        patch.setattr(tempfile, "tempdir", str(temporary))
        patch.setattr(api, "scan", without_account)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["--color", "never", "demo", "--output", str(folder)])
    assert [file.read_text() for file in theirs] == [UNREADABLE, UNREADABLE]
    assert list(temporary.iterdir()) == []  # no kubeconfig is left behind
    (running,) = Kept.made
    (bundle,) = folder.glob("*.cnamm")
    with api.load_bundle(bundle) as loaded:
        yield Whole(running, asked, code, out.getvalue(), err.getvalue(), folder, loaded)


def test_it_says_what_is_up_and_what_to_ask(whole: Whole) -> None:
    assert whole.code == 0, whole.err
    assert whole.asked == ["aws", "azure", "gcp:organizations/4711", "kubernetes:shop"]
    said = " ".join(whole.err.split())
    assert "an embedded AWS account of 269 resources in us-east-1 and eu-west-1, a subscription of Azure of" in said
    assert "an organization of Google Cloud of" in said
    assert f"and a Kubernetes cluster of {shop().size} objects are up" in said
    assert "Do first" in whole.out
    assert f"open the report: {whole.folder / 'report.md'}" in whole.err
    for query in demo.QUERIES:
        assert f'cnamm-scan query {whole.scan.path} "{query}"' in whole.err
    assert {row["namespace"] for row in whole.scan.query(demo.QUERIES[1])} >= {"fulfilment", "kube-system"}


def test_most_rules_have_a_verdict_and_none_an_error(whole: Whole) -> None:
    assert "Traceback" not in whole.err
    own = [tally for tally in whole.scan.tallies if tally.rule.startswith("kubernetes.")]
    assert len(own) > 330
    assert [tally.rule for tally in own if tally.error] == []
    judged = [tally for tally in own if tally.pass_ or tally.fail]
    assert len(judged) > 280
    assert len([tally for tally in judged if tally.pass_]) > 200
    assert len([tally for tally in judged if tally.fail]) > 150


def test_it_is_a_shop_of_middling_maturity(whole: Whole) -> None:
    low, high, coverage = whole.scan.score() or (0.0, 0.0, 0.0)
    assert 1.5 <= low <= high <= 3.0
    assert 0.7 < coverage < 1
    functions = whole.scan.models[0].functions
    assert len(functions) == FUNCTIONS
    for function in functions:
        assert function.interval is not None, function.id
        assert function.interval.low > 0.5, function.id
        assert function.interval.coverage > 0.5, function.id


def test_what_was_refused_is_a_gap_with_its_reason(whole: Whole) -> None:
    lines = {line.table: line for line in whole.scan.coverage if line.part == "list" and not line.complete}
    assert {table: dict(line.gaps) for table, line in lines.items()} == {
        "kubernetes.admission.mutating_webhook": {"denied": 1},
        "kubernetes.core.token_secret": {"denied": 1},
    }
    unknown = {tally.rule for tally in whole.scan.tallies if tally.unknown}
    assert unknown >= {"kubernetes.core.secret_token_young", "kubernetes.admission.running_images_signed"}
    assert "mutatingwebhookconfigurations" in whole.out
    assert "secrets" in whole.out
    refused = {seen.path for seen in whole.bed.requests if seen.status == 403}
    assert refused == {"/api/v1/secrets", "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"}


def test_it_was_only_read(whole: Whole) -> None:
    assert [path for _, path in whole.bed.writes] == []
    assert {seen.method for seen in whole.bed.requests if not seen.path.endswith("selfsubjectreviews")} == {"GET"}
    assert {seen.status for seen in whole.bed.requests} == {200, 201, 403}


@pytest.mark.parametrize("place", PLANTED)
def test_a_canary_is_nowhere_in_what_was_written_or_printed(whole: Whole, place: str) -> None:
    for form in forms(PLANTED[place]):
        assert form not in whole.out
        assert form not in whole.err
        assert [file for file, data in written(whole.folder) if form.encode() in data] == []


def test_the_worst_is_found_where_it_is(whole: Whole) -> None:
    bad = {result.resource for result in whole.scan.results("fail", rule="kubernetes.core.container_not_privileged")}
    assert {resource.rpartition("#")[0].split("/")[0] for resource in bad} == {"fulfilment", "catalog"}
    assert {result.resource for result in whole.scan.results("fail", rule="kubernetes.core.service_admin_port_not_public")} == {
        "recommend/jupyter"
    }
    assert {result.resource for result in whole.scan.results("fail", rule="kubernetes.core.config_map_holds_no_secret")} == {
        "fulfilment/worker-settings"
    }
    drifted = {result.resource for result in whole.scan.results("fail", rule="kubernetes.argocd.applications_in_sync")}
    assert drifted == {"argocd/checkout"}


def test_the_kubeconfig_goes_with_the_bed(tmp_path: Path) -> None:
    cluster = shop(NOW)
    with served(cluster, tmp_path) as kubeconfig:
        said = json.loads(kubeconfig.read_text())
        assert said["current-context"] == CONTEXT
        assert said["users"][0]["user"] == {}  # none would be sent to a server that does not speak TLS
