"""Whole scans of clusters: what is asked and what right that takes, what a scope leaves out, and a cluster beside an account."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import boto3
import pytest
from jsonschema import Draft202012Validator

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed
from cnamm_scan.errors import UsageError
from cnamm_scan.evidence.bundle import open_bundle
from cnamm_scan.providers.kubernetes.kind import KIND
from tests.clusters import KUBELET, asked, cluster, guarded_bed, pod, rule, scan, shipping, thing, verdicts
from tests.least import TOKEN, compare, files_of, rights_of, told

SCHEMA = Draft202012Validator(json.loads((files("cnamm_scan.report") / "report-1.schema.json").read_text()))

KUBERNETES_TABLES = """
service: probe
client: v1
facts:
  kubernetes.probe.cluster:
    about: The cluster.
    once_per: target
    list: {read: cluster, needs: get /version}
    key: '{name}'
    columns: {name: {type: text, from: name}, server: {type: text, from: server}}
  kubernetes.probe.namespace:
    about: A namespace.
    once_per: target
    list: {call: namespaces, items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.pod:
    about: A pod.
    once_per: target
    list: {call: pods, items: items}
    key: '{metadata.namespace}/{metadata.name}'
    columns: {name: {type: text, from: metadata.name}, is_system: {type: boolean, from: inSystemNamespace}}
  kubernetes.probe.node:
    about: A node.
    once_per: target
    list: {call: nodes, items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
  kubernetes.probe.secret:
    about: What is read only when it is asked for.
    once_per: target
    opt_in: secret_metadata
    list: {call: secrets, items: items, fixed: {metadata_only: true}}
    key: '{metadata.namespace}/{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
"""
KUBERNETES_TABLES += KUBELET
AWS_TABLES = """
service: probe
facts:
  aws.probe.user:
    about: A user.
    once_per: account
    list: {call: iam:ListUsers, items: Users, needs: iam:ListUsers}
    key: '{UserName}'
    columns: {name: {type: text, from: UserName}}
"""
RULES = [
    rule("pod", "kubernetes.probe.pod", "name LIKE 'good%'"),
    rule("namespace", "kubernetes.probe.namespace", "name <> 'bad'"),
    rule("node", "kubernetes.probe.node", "name LIKE 'good%'"),
    rule("kubelet", "kubernetes.probe.kubelet", "port = 0"),
    rule("secret", "kubernetes.probe.secret", "name LIKE 'good%'"),
    rule("user", "aws.probe.user", "name LIKE 'good%'", service="aws.probe"),
    rule("watched", "kubernetes.probe.cluster", "true = ANY (SELECT u.name = 'good-watcher' FROM aws.probe.user u)", scope="estate"),
    rule(
        "each", "estate.target", "true = ANY (SELECT p.name = 'good-1' FROM kubernetes.probe.pod p)", scope="estate", service="estate.probe"
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A little content instead of what is shipped."""
    with shipping(tmp_path_factory.mktemp("pack"), {"kubernetes/probe": KUBERNETES_TABLES, "aws/probe": AWS_TABLES}, RULES):
        yield


def small(*, bad: int = 1) -> Cluster:
    made = cluster(
        pod("good-1"),
        pod("good-2"),
        *(pod(f"bad-{number}", "bank") for number in range(bad)),
        pod("good-3", "kube-system"),
        *(thing("Node", name) for name in ("good-1", "bad-1")),
        thing("Namespace", "empty", status={"phase": "Active"}),
        *(thing("Secret", name, "shop", data={"password": "aHVudGVyMg=="}) for name in ("good-1", "bad-1")),
    )
    for name in ("good-1", "bad-1"):
        made.raw(f"/api/v1/nodes/{name}/proxy/configz", {"kubeletconfig": {"readOnlyPort": 0 if name == "good-1" else 10255}})
    return made


# ---- rights --------------------------------------------------------------------------------------------------------------


OPTIONS = {
    (): (),
    ("secret_metadata",): ("--with-secret-metadata",),
    ("kubelet_config",): ("--with-kubelet-config",),
    ("secret_metadata", "kubelet_config"): ("--with-secret-metadata", "--with-kubelet-config"),
}


@pytest.mark.parametrize("opted", OPTIONS)
def test_the_least_rights_are_what_the_scan_asks(tmp_path: Path, opted: tuple[str, ...]) -> None:
    code, out, _ = told("plan", "kubernetes", "--permissions", *OPTIONS[opted])
    assert code == 0
    role = json.loads(out)
    assert (role["apiVersion"], role["kind"]) == ("rbac.authorization.k8s.io/v1", "ClusterRole")
    with (
        guarded_bed(small(), {TOKEN: rights_of(role)}) as bed,
        scan(bed, tmp_path, how={"token": TOKEN}, options={f"with_{name}": True for name in opted}, rules=["kubernetes.probe"]) as done,
    ):
        compare(bed, role)
        assert [line for line in done.coverage if line.gaps] == []
        assert 403 not in {seen.status for seen in bed.requests}
        said = {name: {each for (rule, _), each in verdicts(done).items() if rule == name} for name in ("secret", "kubelet")}
        for name, option in (("secret", "secret_metadata"), ("kubelet", "kubelet_config")):
            assert said[name] == ({("pass", ""), ("fail", "")} if option in opted else {("unknown", "excluded")})


def test_the_least_rights_of_a_plan_suffice_for_the_older_discovery(tmp_path: Path) -> None:
    role = json.loads(told("plan", "kubernetes", "--permissions")[1])
    with (
        guarded_bed(small(), {TOKEN: rights_of(role)}, aggregated_discovery=False) as bed,
        scan(bed, tmp_path, how={"token": TOKEN}) as done,
    ):
        assert 403 not in {seen.status for seen in bed.requests}
        assert "pass" in {verdict for verdict, _ in verdicts(done).values()}


def test_what_is_not_asked_for_is_not_read(tmp_path: Path) -> None:
    """No option, no request, no right."""
    with ClusterBed(small()) as bed, scan(bed, tmp_path) as done:
        assert sorted(asked(bed)) == [f"/api/v1/{name}?limit=500" for name in ("namespaces", "nodes", "pods")]
        said = verdicts(done)
        assert said["secret", ""] == said["kubelet", ""] == ("unknown", "excluded")
    role = told("plan", "kubernetes", "--permissions")[1]
    assert "secrets" not in role
    assert "nodes/proxy" not in role
    assert set(KIND.rights.base) & {"list secrets", "get nodes/proxy"} == set()


def test_secrets_that_are_asked_for_come_without_what_they_hold(tmp_path: Path) -> None:
    with ClusterBed(small()) as bed, scan(bed, tmp_path, options={"with_secret_metadata": True}, output=tmp_path / "out") as done:
        assert [row["name"] for row in done.query("SELECT name FROM kubernetes.probe.secret ORDER BY name")] == ["bad-1", "good-1"]
        assert done.path is not None
        assert not any(b"aHVudGVyMg" in raw for raw in files_of(done.path))


def test_a_context_beside_an_option_is_said_on_the_command_line(tmp_path: Path) -> None:
    with ClusterBed(small()) as bed:
        config = str(bed.kubeconfig(tmp_path, context="home"))
        common = ["--kubeconfig", config, "--output", str(tmp_path / "out"), "--format", "json"]
        code, out, err = told("scan", "kubernetes:home", *common, "--with-secret-metadata", "--namespace", "shop")
        assert code == 0, err
        assert "/api/v1/namespaces/shop/secrets?limit=500" in asked(bed)
        assert json.loads(out)["scan"]["targets"][0]["scope"] == {"namespaces": ["shop"]}
        code, _, err = told("scan", "kubernetes:hme", *common)
        assert code == 2
        assert "did you mean 'home'?" in err


# ---- scope ---------------------------------------------------------------------------------------------------------------

SCOPES: dict[str, dict[str, tuple[str, ...]]] = {
    "only one": {"namespaces": ("shop",)},
    "only the bad one": {"namespaces": ("bank",)},
    "two": {"namespaces": ("shop", "bank")},
    "one that is empty": {"namespaces": ("empty",)},
    "all but one": {"excluded_namespaces": ("shop",)},
    "all but the bad one": {"excluded_namespaces": ("bank",)},
    "all but one that is empty": {"excluded_namespaces": ("empty",)},
}


@pytest.fixture(scope="module")
def unscoped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ClusterBed, api.Scan]]:
    folder = tmp_path_factory.mktemp("unscoped")
    with ClusterBed(small()) as bed, scan(bed, folder) as done:
        yield bed, done


@pytest.mark.parametrize("kind", SCOPES)
def test_a_scope_narrows_what_is_known_and_lifts_no_score(tmp_path: Path, unscoped: tuple[ClusterBed, api.Scan], kind: str) -> None:
    bed, before = unscoped
    scope = SCOPES[kind]
    with scan(bed, tmp_path, options=scope, output=tmp_path / "out") as done:
        said, all_said = verdicts(done), verdicts(before)
        # who is in scope is judged as ever, what has no namespace too; whoever is out is behind one unknown
        inside = scope.get("namespaces")
        outside = scope.get("excluded_namespaces", ())
        for (name, resource), each in all_said.items():
            place = resource.partition("/")[0] if name == "pod" else resource if name == "namespace" else ""
            if place and (place not in inside if inside is not None else place in outside):
                assert (name, resource) not in said
            elif name == "each":  # a lookup finds what it is after, or does not know
                assert said[name, resource] in (each, ("unknown", "excluded"))
            else:
                assert said[name, resource] == each
        if kind == "all but one that is empty":  # the server's own count says that nothing but itself was left out
            assert said == {key: each for key, each in all_said.items() if key != ("namespace", "empty")} | {
                ("namespace", ""): ("unknown", "excluded")
            }
            return
        for name in ("pod", "namespace"):
            assert said[name, ""] == ("unknown", "excluded")
        assert set(said) - set(all_said) == {("pod", ""), ("namespace", "")}
        assert {t.rule: (t.judged, t.unknown >= 1) for t in done.tallies if t.rule.endswith(".pod")} == {
            t.rule: (t.judged, True) for t in before.tallies if t.rule.endswith(".pod")
        }, "an unread row stands for each pod that was left out"
        # no bound of what can be claimed rises, and coverage falls
        for function in (None, "safety"):
            after, was = done.score(function), before.score(function)
            assert after is not None
            assert was is not None
            assert after[0] <= was[0]
            assert after[2] < was[2]
        # everybody can see what was left out
        expected = {name: sorted(values) for name, values in scope.items()}
        assert done.path is not None
        assert open_bundle(done.path).scan["targets"][0]["scope"] == expected
        report = done.report()
        assert report["scan"]["targets"][0]["scope"] == expected
        assert {gap["reason"] for gap in report["gaps"] if gap["tables"] == ["kubernetes.probe.pod"]} == {"excluded"}
    with api.load_bundle(next((tmp_path / "out").glob("*.cnamm"))) as loaded:
        assert loaded.targets[0].scope == expected


def test_without_a_scope_nothing_is_said_of_one(unscoped: tuple[ClusterBed, api.Scan]) -> None:
    _, before = unscoped
    assert "scope" not in before.report()["scan"]["targets"][0]
    assert "excluded" not in {each.reason for each in before.results() if each.rule.endswith((".pod", ".namespace"))}


def test_a_scope_is_in_the_schema(tmp_path: Path, unscoped: tuple[ClusterBed, api.Scan]) -> None:
    bed, before = unscoped
    SCHEMA.validate(before.report())
    with scan(bed, tmp_path, rules=["kubernetes.probe.pod"], options={"namespaces": ("shop",)}) as done:
        SCHEMA.validate(done.report())


def test_a_scope_that_leaves_many_out_lifts_no_score(tmp_path: Path) -> None:
    only = ["kubernetes.probe.pod"]
    with (
        ClusterBed(small(bad=9)) as bed,
        scan(bed, tmp_path, rules=only) as before,
        scan(bed, tmp_path, rules=only, options={"namespaces": ("shop",)}) as after,
    ):
        low, was = after.score(), before.score()
        assert low is not None
        assert was is not None
        assert low[0] <= was[0]


def test_a_persons_system_namespaces_are_said_too(tmp_path: Path) -> None:
    with ClusterBed(small()) as bed, scan(bed, tmp_path, options={"system_namespaces": ("bank",)}) as done:
        assert done.report()["scan"]["targets"][0]["scope"] == {"system_namespaces": ["bank"]}
        rows = done.query("SELECT name FROM kubernetes.probe.pod WHERE is_system ORDER BY name")
        assert [row["name"] for row in rows] == ["bad-0", "good-3"]


# ---- a cluster beside an account -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Both:
    """One scan of an account and a cluster."""

    bundle: Path
    done: api.Scan


@pytest.fixture(scope="module")
def both(moto_url: str, aws_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    iam = boto3.client("iam", endpoint_url=moto_url)
    for user in iam.list_users()["Users"]:
        for group in iam.list_groups_for_user(UserName=user["UserName"])["Groups"]:
            iam.remove_user_from_group(UserName=user["UserName"], GroupName=group["GroupName"])
    for name in ("good-watcher", "bad-user"):
        with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_user(UserName=name)
    folder = tmp_path_factory.mktemp("both")
    with ClusterBed(small()) as bed:
        options = api.TargetOptions(endpoint_url=moto_url, kubeconfig=str(bed.kubeconfig(folder, context="home")))
        with api.scan(["aws", "kubernetes"], options=options, output=folder / "out") as done:
            assert done.path is not None
            yield Both(done.path, done)


AWS, HOME = "aws:123456789012", "kubernetes:home"


def test_an_account_and_a_cluster_are_one_bundle(both: Both) -> None:
    assert [target.id for target in both.done.targets] == [AWS, HOME]
    by_target: dict[str, Counter[str]] = {}
    for result in both.done.results():
        by_target.setdefault(result.target, Counter())[result.rule] += 1
    assert set(by_target) == {AWS, HOME}
    assert "aws.probe.user" in by_target[AWS]
    assert "kubernetes.probe.pod" in by_target[HOME]
    assert not [rule for rule in by_target[AWS] if rule.startswith("kubernetes.")]
    assert not [rule for rule in by_target[HOME] if rule.startswith("aws.")]
    assert by_target[AWS]["estate.probe.each"] == by_target[HOME]["estate.probe.each"] == 1


def test_one_targets_facts_are_seen_from_the_other(both: Both) -> None:
    said = {(result.rule, result.target): (result.verdict.value, result.reason) for result in both.done.results()}
    assert said["kubernetes.probe.watched", HOME] == ("pass", "")
    assert said["estate.probe.each", AWS] == said["estate.probe.each", HOME] == ("pass", "")


def test_an_account_that_was_not_scanned_is_not_an_empty_one(tmp_path: Path, unscoped: tuple[ClusterBed, api.Scan]) -> None:
    _, cluster_alone = unscoped
    assert verdicts(cluster_alone)["watched", "demo"][0] == "unknown"
    assert verdicts(cluster_alone)["each", "kubernetes:demo"] == ("pass", "")


def test_a_cluster_that_was_not_scanned_is_not_an_empty_one(moto_url: str, aws_environment: None) -> None:
    with api.scan(["aws"], options=api.TargetOptions(endpoint_url=moto_url)) as done:
        assert verdicts(done)["each", AWS][0] == "unknown"


def test_each_form_breaks_it_down_by_target(both: Both) -> None:
    bundle = str(both.bundle)
    code, out, _ = told("report", bundle)
    assert code == 0
    assert "By target" in out
    assert "AWS 123456789012 " in out
    assert "Kubernetes home " in out
    markdown = told("report", bundle, "--format", "markdown")[1]
    assert "## By target" in markdown
    assert "| AWS 123456789012 |" in markdown
    assert "| Kubernetes home |" in markdown
    report = json.loads(told("report", bundle, "--format", "json")[1])
    SCHEMA.validate(report)
    assert [target["id"] for target in report["targets"]] == [AWS, HOME]
    for target in report["targets"]:
        alone = [tally for tally in both.done.tallies if tally.target == target["id"]]
        assert alone
        assert target["models"][0]["overall"]["low"] is not None
    scores = {target["id"]: target["models"][0]["overall"]["low"] for target in report["targets"]}
    assert len(set(scores.values())) == 2  # each its own
    rows = list(csv.DictReader(io.StringIO(told("results", bundle, "--format", "csv")[1])))
    assert {row["target"] for row in rows} == {AWS, HOME}
    assert len(rows) == len(list(both.done.results()))


def test_everything_works_on_such_a_bundle(both: Both) -> None:
    bundle = str(both.bundle)
    assert told("verify", bundle)[0] == 0
    code, out, err = told("evaluate", bundle, "--format", "json")
    assert code == 0, err
    evaluated, reported = json.loads(out), json.loads(told("report", bundle, "--format", "json")[1])
    assert evaluated["models"] == reported["models"]
    assert evaluated["targets"] == reported["targets"]
    assert evaluated["findings"] == reported["findings"]
    code, out, _ = told(
        "query",
        bundle,
        "SELECT target, name FROM kubernetes.probe.pod UNION ALL SELECT target, name FROM aws.probe.user",
        "--format",
        "jsonl",
    )
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert {"target": AWS, "name": "good-watcher"} in rows
    assert {"target": HOME, "name": "good-1"} in rows
    code, out, _ = told("results", bundle, "--rule", "kubernetes.probe.pod", "--verdict", "fail")
    assert code == 0
    assert [json.loads(line)["resource"] for line in out.splitlines()] == ["bank/bad-0"]
    _, out, _ = told("query", bundle, "SELECT provider FROM estate.target ORDER BY 1", "--format", "jsonl")
    assert [json.loads(line)["provider"] for line in out.splitlines()] == ["aws", "kubernetes"]


def test_one_cluster_named_twice_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ClusterBed(small()) as bed:
        config = str(bed.kubeconfig(tmp_path, context="home"))
        assert run(["scan", "kubernetes", "kubernetes:home", "--kubeconfig", config, "--output", str(tmp_path / "out")]) == 2
        assert "named twice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second"),
    [("./web.yaml", "web.yaml"), (".", "deep/web.yaml"), ("deep/../web.yaml", "./web.yaml"), ("link.yaml", "web.yaml"), ("linked", "deep")],
)
def test_one_file_in_two_targets_is_a_mistake(first: str, second: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    for file in ("web.yaml", "deep/web.yaml"):
        Path(file).write_text(json.dumps(pod(f"web-{len(file)}")))
    Path("link.yaml").symlink_to("web.yaml")
    Path("linked").symlink_to("deep")
    with pytest.raises(UsageError) as caught:
        api.scan([f"kubernetes:{first}", f"kubernetes:{second}"], output=tmp_path / "out")
    assert caught.value.what == f"it would be counted twice: 'kubernetes:{first}' and 'kubernetes:{second}' both hold it"
    assert Path(caught.value.where).resolve().name == "web.yaml"
    assert caught.value.do == "name the folder or the file, and not both"
    assert not list(tmp_path.glob("out/*"))


def test_two_clusters_are_two_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ClusterBed(small()) as one, ClusterBed(small(bad=3)) as other:
        files = [str(bed.kubeconfig(tmp_path, context=name, name=name)) for name, bed in (("one", one), ("other", other))]
        monkeypatch.setenv("KUBECONFIG", ":".join(files))
        with api.scan(["kubernetes:one", "kubernetes:other"], rules=["kubernetes.probe.pod"]) as done:
            fails = Counter(result.target for result in done.results("fail"))
            assert fails == {"kubernetes:one": 1, "kubernetes:other": 3}
            assert len(asked(one)) == len(asked(other)) == 1
