"""Scans of manifests from end to end: findings with file and line, what is taken for all there is, and gates over nothing."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cnamm_scan import api
from cnamm_scan.cli import main
from cnamm_scan.demo.cluster.bed.server import ClusterBed
from cnamm_scan.errors import UsageError
from cnamm_scan.judged.scan import VerdictName
from cnamm_scan.report import markdown
from tests.clusters import QUICK, cluster, rule, thing, write_pack

COLLECTOR = """
service: probe
client: v1
facts:
  kubernetes.probe.cluster:
    about: The cluster.
    once_per: target
    list: {read: cluster, needs: get /version}
    key: '{name}'
    columns: {name: {type: text, from: name}, version: {type: text, from: version.gitVersion}}
  kubernetes.probe.container:
    about: A container.
    once_per: target
    list: {call: pods, items: items}
    each: effectiveContainers[]
    key: '{parent.metadata.namespace}/{parent.metadata.name}/{name}'
    normalise: {'@': pod}
    columns:
      namespace: {type: text, from: parent.metadata.namespace}
      name: {type: text, from: name}
      privileged: {type: boolean, from: securityContext.privileged, absent: false}
      image_id: {type: text, from: imageID}
  kubernetes.probe.policy:
    about: A network policy.
    once_per: target
    list: {call: 'networking.k8s.io/v1:networkpolicies', items: items}
    key: '{metadata.namespace}/{metadata.name}'
    columns: {namespace: {type: text, from: metadata.namespace}, denies: {type: boolean, exists: spec.policyTypes}}
  kubernetes.probe.class:
    about: Something that no manifest here holds.
    once_per: target
    list: {call: 'storage.k8s.io/v1:storageclasses', items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
views:
  kubernetes.probe.worst:
    about: Containers that own the node.
    columns: {name: {type: text}}
    select: SELECT target, region, 'Container ' || key AS key, name FROM kubernetes.probe.container WHERE privileged
  kubernetes.probe.space:
    about: How many containers there are.
    columns: {containers: {type: integer}}
    select: SELECT target, region, namespace AS key, count(*) AS containers FROM kubernetes.probe.container GROUP BY ALL
"""
RULES = [
    rule("privileged", "kubernetes.probe.container", "NOT privileged", severity="critical"),
    rule("worst", "kubernetes.probe.worst", "name = 'none'", severity="high"),
    rule("few", "kubernetes.probe.space", "containers < 3"),
    rule("pulled", "kubernetes.probe.container", "image_id <> ''"),
    rule(
        "policed",
        "kubernetes.probe.container",
        "true = ANY (SELECT p.denies FROM kubernetes.probe.policy p WHERE p.target = this.target AND p.namespace = this.namespace)",
    ),
    rule(
        "some_class", "kubernetes.probe.cluster", "'fast' = ANY (SELECT c.name FROM kubernetes.probe.class c WHERE c.target = this.target)"
    ),
    rule("named", "kubernetes.probe.class", "name <> ''"),
]


@pytest.fixture(autouse=True)
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_pack(tmp_path / "pack", {"kubernetes/probe": COLLECTOR}, RULES)
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: made)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()


def pod(name: str, kind: str = "Pod", *, privileged: bool = True, namespace: str = "shop") -> str:
    spec = f"spec: {{containers: [{{name: main, image: 'x:1', securityContext: {{privileged: {str(privileged).lower()}}}}}]}}"
    head = f"metadata: {{name: {name}, namespace: {namespace}}}\n"
    if kind == "Pod":
        return f"apiVersion: v1\nkind: Pod\n{head}{spec}\n"
    return f"apiVersion: apps/v1\nkind: {kind}\n{head}spec:\n  template:\n    {spec}\n"


def put(**texts: str) -> None:
    for name, text in texts.items():
        Path("deploy", f"{name}.yaml").write_text(text)


def said(done: api.Scan, *verdicts: VerdictName) -> dict[tuple[str, str], tuple[str, str]]:
    return {(each.rule.rpartition(".")[2], each.resource): (each.verdict.value, each.reason) for each in done.results(*verdicts)}


@dataclass(frozen=True)
class Shown:
    exit_code: int
    stdout: str
    stderr: str


Run = Callable[..., Shown]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> Shown:
        code = main.run(list(arguments))
        return Shown(code, *capsys.readouterr())

    return run


# ---- where it stands -------------------------------------------------------------------------------------------------------


def test_every_finding_says_where_its_resource_stands() -> None:
    put(a=f"# head\n{pod('web')}---\n{pod('db', 'Deployment')}", b=pod("web"))
    with api.scan(["kubernetes:deploy"]) as done:
        found = [result.row() for result in done.results("fail")]
        rows = {(row["rule"].rpartition(".")[2], row["resource"]): (row["file"], row["line"]) for row in found}
        places = {
            "shop/web/main#0": ("deploy/a.yaml", 2),
            "shop/db/main#0": ("deploy/a.yaml", 7),
            "shop/web/main@b.yaml#0": ("deploy/b.yaml", 1),
        }
        assert rows == {
            **{("privileged", key): place for key, place in places.items()},
            **{("worst", f"Container {key}"): place for key, place in places.items()},
            ("few", "shop"): ("", None),  # three of them were seen, and a namespace that nobody wrote stands nowhere
        }
        report = done.report()
        schema = json.loads((files("cnamm_scan.report") / "report-1.schema.json").read_text())
        Draft202012Validator(schema).validate(json.loads(json.dumps(report)))
        assert {(each["file"], each["line"]) for each in report["findings"]} - {("", None)} == set(places.values())
        text = markdown.render(report)
        assert "| where |" in text
        assert "deploy/a.yaml:7" in text


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_people_see_it(form: str, run: Run) -> None:
    put(a=f"# head\n{pod('web')}")
    shown = run("scan", "kubernetes:deploy", "--format", form)
    assert shown.exit_code == 0
    assert "deploy/a.yaml:2" in shown.stdout


def test_other_tools_get_it(run: Run) -> None:
    put(a=f"# head\n{pod('web')}")
    run("scan", "kubernetes:deploy", "--output", "bundle.cnamm.zip")
    lines = run("results", "bundle.cnamm.zip", "--verdict", "fail").stdout.splitlines()
    assert {(json.loads(line)["file"], json.loads(line)["line"]) for line in lines} == {("deploy/a.yaml", 2)}
    table = list(csv.DictReader(run("results", "bundle.cnamm.zip", "--verdict", "fail", "--format", "csv").stdout.splitlines()))
    assert {(row["file"], row["line"]) for row in table} == {("deploy/a.yaml", "2")}
    assert "deploy/a.yaml:2" in run("results", "bundle.cnamm.zip", "--verdict", "fail", "--format", "table").stdout


def test_what_moved_in_its_file_is_the_same() -> None:
    """Places stand beside what a fact says, as times do."""

    def facts() -> dict[str, Any]:
        with api.scan(["kubernetes:deploy"], rules=["kubernetes.probe.privileged"]) as done:
            assert done.bundle is not None
            return {fact["id"]: fact for fact in done.bundle.entries("fact") if fact["table"] == "kubernetes.probe.container"}

    put(a=pod("web"))
    before = facts()
    put(a=f"\n\n# moved\n{pod('web')}")
    after = facts()
    assert {name: fact["data"] for name, fact in before.items()} == {name: fact["data"] for name, fact in after.items()}
    assert [fact["place"]["line"] for fact in before.values() if "place" in fact] == [1]
    assert [fact["place"]["line"] for fact in after.values() if "place" in fact] == [4]


def test_no_two_things_share_a_key() -> None:
    """Of one name in several files, in one file, and of several kinds."""
    put(a=f"{pod('web')}---\n{pod('web')}---\n{pod('web', 'Deployment')}", b=f"{pod('web')}---\n{pod('web', 'StatefulSet')}")
    put(c=f"{pod('web', 'Deployment')}---\n{pod('web', 'DaemonSet')}---\n{pod('web', 'Deployment', namespace='bank')}")
    with api.scan(["kubernetes:deploy"], rules=["kubernetes.probe.privileged", "kubernetes.probe.worst"]) as done:
        found = Counter((each.rule, each.resource) for each in done.results("fail"))
        assert set(found.values()) == {1}
        assert len(found) == 16
        assert done.bundle is not None
        ids = [fact["id"] for fact in done.bundle.entries("fact")]
        assert len(ids) == len(set(ids))


# ---- all there is ----------------------------------------------------------------------------------------------------------

UNSEEN, UNSAID = ("unknown", "not_in_manifests"), ("unknown", "only_in_cluster")


def test_what_is_not_there_is_unknown_until_somebody_says_that_it_is_all_there_is() -> None:
    put(a=pod("web"))
    Path("out").mkdir()
    with api.scan(["kubernetes:deploy"], output="out") as done:
        told = said(done)
        path = done.path
        assert told["policed", "shop/web/main#0"] == UNSEEN
        assert told["some_class", "deploy"] == UNSEEN
        assert told["worst", "Container shop/web/main#0"] == ("fail", "")  # whatever more there is
        assert told["few", "shop"] == UNSEEN  # more could be counted
        assert told["named", ""] == UNSEEN
    assert path is not None
    options = api.TargetOptions(assume_whole=True)
    with api.scan(["kubernetes:deploy"], options=options) as done, api.evaluate(path, assume_whole=True) as again:
        for each in (done, again):
            told = said(each)
            assert told["policed", "shop/web/main#0"] == ("fail", "")
            assert told["some_class", "deploy"] == ("fail", "")
            assert told["few", "shop"] == ("pass", "")
            assert told["pulled", "shop/web/main#0"] == UNSAID  # only a cluster says it
            assert not any(rule == "named" for rule, _ in told)  # there is none
            report = each.report()
            assert report["scan"]["targets"][0]["scope"]["assume_whole"] is True
            assert not [gap for gap in report["gaps"] if gap["reason"] == "not_in_manifests"]
            assert "what is given is taken to be all there is" in markdown.render(report)
        assert said(done) == said(again)
        assert again.query("SELECT count(*) AS n FROM kubernetes.probe.class") == [{"n": 0}]
    with api.evaluate(path) as before:
        assert said(before)["some_class", "deploy"] == UNSEEN


def test_a_bundle_that_was_scanned_so_stays_so() -> None:
    put(a=pod("web"))
    Path("out").mkdir()
    with api.scan(["kubernetes:deploy"], options=api.TargetOptions(assume_whole=True), output="out") as done:
        first, path = said(done), done.path
    assert path is not None
    with api.evaluate(path) as again:
        assert said(again) == first


@pytest.mark.parametrize("beside", ["kustomization", "broken"])
def test_what_was_not_read_may_hold_anything(beside: str) -> None:
    put(a=pod("web"), **({"kustomization": "resources: [a.yaml]\nnamePrefix: x-"} if beside == "kustomization" else {"broken": "a: ["}))
    with api.scan(["kubernetes:deploy"], options=api.TargetOptions(assume_whole=True, skip_unreadable=True)) as done:
        assert said(done)["some_class", "deploy"] == ("unknown", "not_collected")
        assert "in spite of --assume-whole nothing is taken to be absent" in markdown.render(done.report())


def test_containers_of_unknown_kinds_are_unread() -> None:
    unknown = "apiVersion: example.com/v1\nkind: Runner\nmetadata: {name: r}\nspec: {pod: {containers: [{image: x}]}}\n"
    put(a=f"{pod('web', privileged=False)}---\n{unknown}")
    with api.scan(["kubernetes:deploy"], rules=["kubernetes.probe.privileged"], options=api.TargetOptions(assume_whole=True)) as done:
        assert said(done) == {("privileged", "shop/web/main#0"): ("pass", ""), ("privileged", ""): ("unknown", "unsupported")}
        assert "1 of 2 objects are of kinds that no table reads: 1 Runner.v1.example.com" in markdown.render(done.report())


def test_only_of_manifests(run: Run) -> None:
    put(a=pod("web"))
    for flag in ("--assume-whole", "--skip-unreadable"):
        shown = run("scan", "kubernetes:in-cluster", flag)
        assert (shown.exit_code, f"{flag} says nothing about a cluster" in shown.stderr) == (2, True)
        assert run("scan", "kubernetes:deploy", flag).exit_code == 0


def test_a_bundle_of_a_cluster_is_never_whole_by_word() -> None:
    made = cluster(thing("Pod", "web", "shop", spec={"containers": [{"name": "main", "image": "x"}]}))
    Path("out").mkdir()
    with ClusterBed(made) as bed:
        options = api.TargetOptions(kubeconfig=str(bed.kubeconfig(Path("."))))
        with api.scan(["kubernetes"], options=options, limits=QUICK, output="out") as done:
            path = done.path
    assert path is not None
    with pytest.raises(UsageError, match="--assume-whole says nothing about what was scanned"):
        api.evaluate(path, assume_whole=True)


# ---- gates -----------------------------------------------------------------------------------------------------------------


def test_a_gate_over_nothing_says_so(run: Run) -> None:
    put(a=pod("web", privileged=False))
    shown = run("scan", "kubernetes:deploy", "--rule", "kubernetes.probe.some_class", "--fail-on", "high")
    assert shown.exit_code == 0
    assert "nothing was judged under the gate --fail-on high" in shown.stderr
    shown = run("scan", "kubernetes:deploy", "--rule", "kubernetes.probe.some_class", "--fail-under", "0")
    assert "nothing was judged under the gate --fail-under 0" in shown.stderr
    shown = run("scan", "kubernetes:deploy", "--rule", "kubernetes.probe.some_class", "--fail-on", "high", "--min-coverage", "0")
    assert shown.exit_code == 3
    shown = run("scan", "kubernetes:deploy", "--fail-on", "critical", "--min-coverage", "0")
    assert (shown.exit_code, "nothing was judged" in shown.stderr) == (0, False)
