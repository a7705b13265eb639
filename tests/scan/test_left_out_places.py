"""What is left out, or was not read, darkens its own place: a namespace of a cluster, a region of an account."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed, Trouble
from cnamm_scan.engine.evaluate import blocks, compile_rule
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from cnamm_scan.model import Reason, Target
from tests.clusters import asked, cluster, pod, probes, rule, scan, shipping, thing, verdicts

SHIPPED = reader.load()
TABLES = probes({"pod": "pods", "service": "services", "quota": "resourcequotas"}, ", is_system: {type: boolean, from: inSystemNamespace}")
TABLES += """
views:
  kubernetes.probe.served:
    about: A row for each pod, and how many services are called as it is.
    columns: {namespace: {type: text}, services: {type: integer}}
    select: >-
      SELECT p.target, p.region, p.key, p.namespace, count(s.key) AS services FROM kubernetes.probe.pod p
      LEFT JOIN kubernetes.probe.service s ON s.target = p.target AND s.namespace = p.namespace AND s.name = p.name GROUP BY ALL
  kubernetes.probe.called:
    about: The same, whatever namespace the service is in.
    columns: {namespace: {type: text}, services: {type: integer}}
    select: >-
      SELECT p.target, p.region, p.key, p.namespace, count(s.key) AS services FROM kubernetes.probe.pod p
      LEFT JOIN kubernetes.probe.service s ON s.target = p.target AND s.name = p.name GROUP BY ALL
"""
LOOK = "true = ANY (SELECT q.name = 'quota' FROM kubernetes.probe.quota q WHERE q.target = this.target{})"
RULES = [
    rule("own", "kubernetes.probe.pod", LOOK.format(" AND q.namespace = this.namespace")),
    rule("any", "kubernetes.probe.pod", LOOK.format("")),
    rule(
        "theirs",
        "kubernetes.probe.pod",
        "true = ANY (SELECT q.name = 'quota' FROM kubernetes.probe.quota q WHERE q.target = this.target AND q.namespace = this.name)",
    ),
    rule("served", "kubernetes.probe.served", "services > 0"),
    rule("called", "kubernetes.probe.called", "services > 0"),
    rule(
        "of_views",
        "kubernetes.probe.pod",
        "true = ANY (SELECT v.services > 0 FROM kubernetes.probe.served v WHERE v.target = this.target AND v.namespace = this.namespace)",
    ),
    rule(
        "ours",
        "kubernetes.probe.pod",
        "name = 'web'",
        where="NOT is_system",
        tests={"pass": [{}], "fail": [{}], "unknown": [{}], "not_applicable": [{}]},
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A little content instead of what is shipped."""
    with shipping(tmp_path_factory.mktemp("pack"), {"kubernetes/probe": TABLES}, RULES):
        yield


def made(*, quota: str = "old", old: str = "old") -> Cluster:
    return cluster(
        pod("web", "shop"),
        pod("gone", old),
        pod("gone-too", old),
        thing("Service", "web", old),
        thing("ResourceQuota", "quota", quota),
        thing("Namespace", "old", status={"phase": "Active"}),
        thing("Namespace", "kept", status={"phase": "Active"}),
    )


def said(folder: Path, seen: Cluster, *troubles: Trouble, **options: Any) -> tuple[dict[tuple[str, str], tuple[str, str]], list[str]]:
    with ClusterBed(seen, troubles=troubles) as bed, scan(bed, folder, options=options) as done:
        return verdicts(done), asked(bed)


def test_a_namespace_that_is_left_out_hides_only_what_could_be_in_it(tmp_path: Path) -> None:
    found, _ = said(tmp_path, made(), excluded_namespaces=("old",))
    for name in ("own", "served", "of_views"):  # they look in their own namespace alone
        assert found[name, "shop/web"] == ("fail", "")
    for name in ("any", "called"):  # a quota, or a service, of the other namespace would do
        assert found[name, "shop/web"] == ("unknown", "excluded")
    assert found["own", ""] == ("unknown", "excluded"), "the pods that were left out"


def test_what_is_found_elsewhere_decides_all_the_same(tmp_path: Path) -> None:
    found, _ = said(tmp_path, made(quota="kept"), excluded_namespaces=("old",))
    assert found["any", "shop/web"] == ("pass", "")


def test_of_what_has_nothing_in_the_namespace_nothing_is_hidden(tmp_path: Path) -> None:
    """The server counts: no quota was left out, so there is none that could be it."""
    found, _ = said(tmp_path, made(quota="kept"), excluded_namespaces=("old", "shop"))
    assert {key: each for key, each in found.items() if key[1]} == {}
    found, _ = said(tmp_path, cluster(pod("web", "shop"), pod("gone", "old")), excluded_namespaces=("old",))
    assert found["any", "shop/web"] == ("fail", "")


def test_a_namespace_of_the_platform_is_no_concern_of_what_is_about_applications(tmp_path: Path) -> None:
    found, _ = said(tmp_path, made(old="kube-system"), excluded_namespaces=("kube-system",))
    assert found["ours", ""] == ("not_applicable", "")
    assert found["own", ""] == ("unknown", "excluded")


def test_each_namespace_counts_for_itself(tmp_path: Path) -> None:
    seen = cluster(pod("web", "shop"), *(pod(f"p{number}", "a") for number in range(3)), *(pod(f"q{number}", "b") for number in range(4)))
    with ClusterBed(seen) as bed, scan(bed, tmp_path, options={"excluded_namespaces": ("a", "b")}) as done:
        (tally,) = (each for each in done.tallies if each.rule.endswith(".own"))
        assert (tally.judged, tally.unknown) == (8, 7)
        assert [path for path in asked(bed) if "pods" in path and "limit=1" in path.split("?")[1].split("&")] == [
            "/api/v1/pods?limit=1",
            "/api/v1/namespaces/a/pods?limit=1",
            "/api/v1/namespaces/b/pods?limit=1",
        ]


def test_a_server_that_does_not_count_may_hide_something_there_and_nowhere_else(tmp_path: Path) -> None:
    trouble = Trouble(403, path="^/api/v1/namespaces/old/resourcequotas$")
    found, _ = said(tmp_path, made(quota="kept"), trouble, excluded_namespaces=("old", "shop"))
    assert found["own", ""] == ("unknown", "excluded")
    found, _ = said(tmp_path, made(), trouble, excluded_namespaces=("old",))
    for name in ("own", "served"):
        assert found[name, "shop/web"] == ("fail", "")
    assert found["any", "shop/web"] == ("unknown", "excluded")


# ---- one namespace of a cluster -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [True, False])
def test_of_the_namespace_that_is_looked_at_nothing_is_hidden(tmp_path: Path, counts: bool) -> None:
    """Whoever may only see it cannot even ask how much there is elsewhere."""
    troubles = [] if counts else [Trouble(403, path="^/api/v1/(pods|services|resourcequotas|namespaces)$")]
    found, _ = said(tmp_path, made(), *troubles, namespaces=("shop",))
    for name in ("own", "served", "of_views"):  # they look in their own namespace alone
        assert found[name, "shop/web"] == ("fail", ""), name
    for name in ("any", "called"):
        assert found[name, "shop/web"] == ("unknown", "excluded"), name
    assert found["own", ""] == ("unknown", "excluded"), "the pods that were left out"


def test_what_names_another_namespace_does_not_know_what_is_there(tmp_path: Path) -> None:
    """A pod that is called as a namespace looks there, where nobody looked: that it is not among those that were named decides nothing."""
    seen = cluster(pod("old", "shop"), pod("shop", "shop"), thing("ResourceQuota", "quota", "old"))
    found, _ = said(tmp_path, seen, namespaces=("shop",))
    assert found["theirs", "shop/old"] == ("unknown", "excluded")
    assert found["theirs", "shop/shop"] == ("fail", "")


def test_a_namespace_that_may_not_be_read_hides_what_is_in_it_and_nothing_in_the_others(tmp_path: Path) -> None:
    trouble = Trouble(403, path="^/api/v1/namespaces/old/resourcequotas$")
    found, _ = said(tmp_path, made(), trouble, namespaces=("old", "shop"))
    assert found["own", "old/gone"] == ("unknown", "denied")
    assert found["own", "shop/web"] == ("fail", "")


def test_one_denied_kind_darkens_what_looks_at_it_alone(tmp_path: Path) -> None:
    found, _ = said(tmp_path, made(), Trouble(403, resource="services"))
    assert found["served", "shop/web"] == found["called", "shop/web"] == ("unknown", "denied")
    assert found["own", "shop/web"] == ("fail", "")
    assert found["any", "shop/web"] == ("pass", "")


# ---- regions -------------------------------------------------------------------------------------------------------------

BACKED_UP: dict[str, dict[str, Any]] = {
    "aws.dynamodb.table_backed_up": {"point_in_time_recovery": "DISABLED"},
    "aws.efs.file_system_backed_up": {"backup_status": "DISABLED"},
    "aws.rds.instance_backed_up": {"stands_alone": True, "backup_days": 0},
}
"""Rules that look whether a backup service holds a thing, and what the thing itself then says."""


@pytest.mark.parametrize("name", BACKED_UP)
def test_a_region_out_of_sight_darkens_nothing_elsewhere(name: str) -> None:
    compiled = compile_rule(SHIPPED, SHIPPED.rules[name])
    table, target = compiled.rule.for_each, Target("aws:1", "aws", "1")
    with Store(SHIPPED, set(compiled.reads), scan_time="2026-01-02T03:04:05") as store:
        store.places = {target.id: ("global", "here", "there")}
        rows = [
            {"target": target.id, "region": place, "key": f"{place}-thing", "name": "thing", **BACKED_UP[name]}
            for place in ("here", "there")
        ]
        store.add_rows(table, rows)
        store.add_ghosts("aws.backup.protected_resource", [(target.id, "there", Reason.DENIED, False)])
        make_views(store)
        found = {key: block.verdict.value for block in blocks(store, compiled, [target]) for key in block.resources}
    assert found == {"here-thing": "fail", "there-thing": "unknown"}
