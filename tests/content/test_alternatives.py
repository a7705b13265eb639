from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from cnamm_scan import content as reader
from cnamm_scan.engine.alternatives import one_product
from cnamm_scan.model import Content, Rule
from cnamm_scan.providers.catalog import KINDS

CLUSTER = "kubernetes.cluster.cluster"
SWEPT = "true = ANY (SELECT s.has_run FROM kubernetes.kyverno.sweeper s WHERE s.target = this.target)"
WATCHED = "true = ANY (SELECT s.is_ready FROM kubernetes.apps.sensor s WHERE s.target = this.target)"


@cache
def shipped() -> Content:
    return reader.load()


def _rule(judged: str, where: str | None = None, for_each: str = CLUSTER) -> Rule:
    return replace(shipped().rules["kubernetes.kyverno.leftover_bindings_cleaned_up"], pass_=judged, where=where, for_each=for_each)


def _whats(rule: Rule) -> list[str]:
    return [problem.what for problem in one_product(shipped(), rule)]


def test_the_shipped_rules_leave_open_what_other_products_do() -> None:
    assert [problem.where for rule in shipped().rules.values() for problem in one_product(shipped(), rule)] == []


@pytest.mark.parametrize(
    ("judged", "product"),
    [
        (SWEPT, "kyverno.io, policies.kyverno.io"),
        (WATCHED, "kubernetes.apps.sensor"),
        (f"{SWEPT} OR {WATCHED}", "kubernetes.apps.sensor, kyverno.io, policies.kyverno.io"),
        (SWEPT.replace("s.has_run", "s.has_run AND s.name <> 'NULL'"), "kyverno.io, policies.kyverno.io"),
        (SWEPT.replace("s.has_run", "s.has_run OR s.name = 'b' AND NULL"), "kyverno.io, policies.kyverno.io"),
        (f"{SWEPT} -- OR (NULL)", "kyverno.io, policies.kyverno.io"),
        (f"{SWEPT} OR ({SWEPT} AND NULL)", "kyverno.io, policies.kyverno.io"),
        (f"{SWEPT} OR (false AND NULL)", "kyverno.io, policies.kyverno.io"),
        (f"name <> '' AND {SWEPT}", "kyverno.io, policies.kyverno.io"),
        (f"{SWEPT} AND (name <> '' OR NULL)", "kyverno.io, policies.kyverno.io"),
        (SWEPT.replace("kubernetes.kyverno.sweeper", '"kubernetes" . "kyverno"."sweeper"'), "kyverno.io, policies.kyverno.io"),
        ("true = ANY (SELECT g.name <> '' FROM kubernetes.gateway.gateway g WHERE g.target = this.target)", "gateway.networking.k8s.io"),
    ],
)
def test_a_rule_that_asks_for_a_product_and_knows_no_doubt(judged: str, product: str) -> None:
    assert _whats(_rule(judged)) == [f"looks for {product} alone: what another product does would count as not done"]


@pytest.mark.parametrize(
    "rule",
    [
        _rule(f"{SWEPT} OR (NOT ({SWEPT}) AND NULL)"),
        _rule(f"name <> '' AND ({SWEPT} OR NULL)"),
        _rule(f"{SWEPT} OR null::BOOLEAN"),
        _rule(f"NOT ({SWEPT})"),
        _rule("true = ALL (SELECT s.has_run FROM kubernetes.kyverno.sweeper s WHERE s.target = this.target)"),
        _rule(SWEPT, where=SWEPT),
        _rule(SWEPT, for_each="kubernetes.core.namespace"),
        _rule("true = ANY (SELECT n.zone <> '' FROM kubernetes.core.node n WHERE n.target = this.target)"),
        _rule("true = ANY (SELECT b.has_expiry FROM kubernetes.rbac.binding b WHERE b.target = this.target)"),
        _rule("true = ANY (SELECT g.is_enforcing FROM kubernetes.admission.guard g WHERE g.target = this.target)"),
        _rule("name = 'kubernetes.kyverno.sweeper'"),
        _rule("server = ANY (SELECT c.endpoint FROM aws.eks.cluster c WHERE c.target = this.target)"),
    ],
    ids=[
        "left open",
        "left open beside the platform's",
        "left open in other letters",
        "none of it is wanted",
        "all that are there",
        "asked for first",
        "of something else",
        "of the platform",
        "made of the platform's",
        "made of both",
        "in a text",
        "of another provider",
    ],
)
def test_a_rule_that_is_right(rule: Rule) -> None:
    assert _whats(rule) == []


def test_what_is_asked_for_first_has_to_be_the_product() -> None:
    """That nothing of a product is there excuses nobody who calls it missing."""
    assert _whats(_rule(SWEPT, where=f"NOT ({SWEPT})")) != []
    assert _whats(_rule(SWEPT, where=f"name <> '' OR {SWEPT}")) != []


def test_only_what_comes_with_the_server_is_the_platforms_own() -> None:
    product = KINDS["kubernetes"].product
    assert product is not None
    found = {table.id: product(table) for table in shipped().tables.values() if table.provider == "kubernetes"}
    assert {found[name] for name in ("kubernetes.core.pod", "kubernetes.apps.deployment", "kubernetes.rbac.role", CLUSTER)} == {""}
    assert found["kubernetes.velero.schedule"] == "velero.io"
    assert found["kubernetes.snapshots.volume_snapshot"] == "snapshot.storage.k8s.io"
    assert found["kubernetes.gateway.gateway"] == "gateway.networking.k8s.io"
