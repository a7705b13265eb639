"""CASEs in views: what one branch looks at is no matter of rows that take another. Held to every completion of small tables."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from random import Random

import pytest

from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from tests.engine.test_dark_rooms import POD, SERVICE, VIEW, Row, _content, _fill, _said
from tests.packs import NOW, A

FROM = f"FROM {POD} p LEFT JOIN {SERVICE} s ON s.target = p.target AND s.name = p.name"
CONDITIONS = (
    "p.port = 1", "p.port = 2", "p.name = 'web'", "s.key IS NOT NULL", "s.key IS NULL", "s.port = 1", "s.port > 0 AND p.port = 1",
    "(s.port = 1) IS NOT FALSE", "coalesce(s.port = 2, false)",
    "s.key IS NOT NULL AND s.port IS NOT NULL", "s.key IS NULL OR s.port IS NULL",
)  # fmt: skip
VALUES = ("true", "false", "NULL", "s.port = 1", "s.port IS NULL", "coalesce(s.port > 1, false)", "p.port = 1")
PODS: Sequence[Row] = [("shop", "web", 1), ("shop", "api", 2), ("till", "web", 2)]
UNSEEN: Sequence[Row] = [("old", "web", 1), ("old", "api", 2)]
COMPLETIONS = [each for many in range(3) for each in itertools.combinations(UNSEEN, many)]


def _case(random: Random, depth: int) -> str:
    checks = []
    for _ in range(random.choice([1, 2, 2, 3])):
        value = _case(random, depth - 1) if depth and random.random() < 0.4 else random.choice(VALUES)
        checks.append(f"WHEN {random.choice(CONDITIONS)} THEN {value}")
    last = _case(random, depth - 1) if depth and random.random() < 0.3 else random.choice(VALUES)
    return f"CASE {' '.join(checks)} ELSE {last} END"


def _rows(store: Store, services: Sequence[Row], dark: Sequence[str]) -> set[tuple[str, bool | None]]:
    for name in (POD, SERVICE, VIEW):
        store.clear(name)
    _fill(store, PODS, services, {SERVICE: dark})
    make_views(store)
    return set(store.rows(f"SELECT key, shut FROM {VIEW} WHERE key IS NOT NULL AND _ghost IS NULL"))


@pytest.mark.parametrize("united", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_a_value_that_a_case_gives_is_known_only_where_every_completion_gives_it(seed: int, united: bool) -> None:
    random = Random(f"{seed} {united}")
    select = f"SELECT p.target, p.region, p.key, p.namespace, {_case(random, 2)} AS shut {FROM}"
    if united:
        select = f"{select} UNION ALL SELECT p.target, p.region, 'x/' || p.key, 'x', {_case(random, 1)} {FROM}"
    made = _content(select, "shut", namespace="text", shut="boolean")
    with Store(made, {VIEW}, scan_time=NOW) as store:
        store.places = {A: ("global",)}
        for seen in ([], [("shop", "web", 2)], [("shop", "web", 1), ("till", "api", 1)]):
            found = _rows(store, seen, ["old"])
            for completion in COMPLETIONS:
                there = _rows(store, [*seen, *completion], [])
                for key, value in found:
                    assert (key, value) in there or (value is None and key in dict(there)), (select, seen, completion, key, value)


BY_FAMILY = f"""SELECT p.target, p.region, p.key, p.namespace, CASE p.name WHEN 'web' THEN CASE WHEN p.port = 1 THEN false ELSE true END
WHEN 'api' THEN CASE WHEN s.port = 2 THEN true ELSE false END ELSE s.key IS NULL END AS shut {FROM}"""


def test_a_row_is_in_doubt_by_the_branch_that_it_takes() -> None:
    made = _content(BY_FAMILY, "shut", namespace="text", shut="boolean")
    pods = [("shop", "web", 1), ("till", "web", 2), ("shop", "api", 1), ("till", "api", 1), ("shop", "db", 1)]
    found = _said(made, pods, [], {SERVICE: ["old"]})
    assert {key: verdict for key, (verdict, *_) in found.items()} == {
        "shop/web": "fail",
        "till/web": "pass",
        "shop/api": "unknown",
        "till/api": "unknown",
        "shop/db": "unknown",
    }


def test_a_branch_that_was_found_stays() -> None:
    made = _content(BY_FAMILY, "shut", namespace="text", shut="boolean")
    assert _said(made, [("shop", "api", 1)], [("shop", "api", 2)], {SERVICE: ["old"]})["shop/api"][0] == "pass"
    shut = "CASE WHEN s.port = 2 THEN false WHEN p.port = 1 THEN false ELSE true END AS shut"
    twice = f"SELECT p.target, p.region, p.key, p.namespace, {shut} {FROM}"
    made = _content(twice, "shut", namespace="text", shut="boolean")
    assert _said(made, [("shop", "api", 2)], [], {SERVICE: ["old"]})["shop/api"][0] == "unknown"
