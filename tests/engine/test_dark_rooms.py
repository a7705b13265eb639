"""What a view still says where a table was not read in one namespace: small views of each form, held to what is in the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from cnamm_scan.engine.evaluate import compile_rule, results
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from cnamm_scan.engine.worth import read_worth
from cnamm_scan.model import Target
from tests.packs import NOW, A, collector, content, dark_room, rule, table

POD, SERVICE, VIEW = "aws.lab.pod", "aws.lab.service", "aws.lab.v"
COLUMNS = {name: {"type": "text", "from": name.capitalize()} for name in ("namespace", "name")}
FACTS = {
    each: {**table({**COLUMNS, "port": {"type": "integer", "from": "Port"}}), "key": "{Namespace}/{Name}", "once_per": "account"}
    for each in (POD, SERVICE)
}
Row = tuple[str, str, int]
"""Namespace, name, port."""


def _content(select: str, passes: str, **columns: str) -> Any:
    view = {"about": "One row for each.", "columns": {name: {"type": kind} for name, kind in columns.items()}, "select": select}
    return content(rule(for_each=VIEW, message="{key}", fix="mend {key}", **{"pass": passes}), collector=collector(FACTS, {VIEW: view}))


def _fill(store: Store, pods: Sequence[Row], services: Sequence[Row], dark: Mapping[str, Sequence[str]]) -> None:
    """Put both tables in, with their namespaces that are dark."""
    here = {"target": A, "region": "global", "scan_time": NOW}
    for name, rows in ((POD, pods), (SERVICE, services)):
        if rows:
            store.add_rows(
                name, [{**here, "key": f"{space}/{own}", "namespace": space, "name": own, "port": port} for space, own, port in rows]
            )
        for space in dark.get(name, ()):
            dark_room(store, name, space)


@contextmanager
def _opened(made: Any) -> Iterator[Store]:
    """A store of both tables and the view, empty."""
    with Store(made, {VIEW}, scan_time=NOW) as store:
        store.places = {A: ("global",)}
        yield store


def _said_by(store: Store, pods: Sequence[Row], services: Sequence[Row], dark: Mapping[str, Sequence[str]]) -> dict[str, tuple[Any, ...]]:
    """Key -> (verdict, and the values of the row), with the tables' namespaces that are dark; of what was there before nothing is left."""
    made = store.content
    for name in store.tables & {POD, SERVICE, VIEW}:
        store.clear(name)
    _fill(store, pods, services, dark)
    make_views(store)
    compiled = compile_rule(made, made.rules["aws.lab.r"])
    judged = {each.resource: each.verdict.value for each in results(store, compiled, [Target(A, "aws", A.split(":")[1])])}
    names = [*made.views[VIEW].columns]
    found = store.rows(f"SELECT key, {', '.join(map(quoted, names))} FROM {quoted(VIEW)} WHERE key IS NOT NULL")
    return {key: (judged.get(key), *values) for key, *values in found}


def _said(made: Any, pods: Sequence[Row], services: Sequence[Row], dark: Mapping[str, Sequence[str]]) -> dict[str, tuple[Any, ...]]:
    """As `_said_by`, in a store of its own."""
    with _opened(made) as store:
        return _said_by(store, pods, services, dark)


IN_ROOT = f"""SELECT p.target, p.region, p.key, p.namespace, bool_or(s.port = 80) IS TRUE AS served FROM {POD} p
LEFT JOIN {SERVICE} s ON s.target = p.target AND s.namespace IN (p.namespace, 'root') GROUP BY ALL"""
OF_ROOT = f"""WITH root AS (SELECT target, max(port) AS port FROM {SERVICE} WHERE namespace = 'root' GROUP BY target)
SELECT p.target, p.region, p.key, p.namespace, coalesce(root.port, 0) = 80 AS served FROM {POD} p
LEFT JOIN root ON root.target = p.target"""


@pytest.mark.parametrize("select", [IN_ROOT, OF_ROOT])
def test_who_looks_into_a_namespace_by_its_name_is_touched_by_that_one_alone(select: str) -> None:
    made = _content(select, "served", namespace="text", served="boolean")
    pods, services = [("shop", "web", 1)], [("shop", "other", 1)]
    assert _said(made, pods, services, {SERVICE: ["old"]}) == {"shop/web": ("fail", "shop", False)}
    assert _said(made, pods, services, {SERVICE: ["root"]})["shop/web"][0] == "unknown"


def test_a_name_that_an_outer_join_asks_of_its_left_side_binds_nobody() -> None:
    select = f"""SELECT p.target, p.region, p.key, p.namespace, s.key IS NOT NULL AS served FROM {POD} p
    LEFT JOIN {SERVICE} s ON s.target = p.target AND s.name = p.name AND p.namespace = 'root'"""
    made = _content(select, "served", namespace="text", served="boolean")
    assert _said(made, [("root", "web", 1)], [], {SERVICE: ["old"]})["root/web"][0] == "unknown"


def test_what_is_asked_of_a_whole_table_is_bound_to_no_namespace() -> None:
    select = f"""SELECT p.target, p.region, p.key, p.namespace,
    (SELECT count(*) FROM {POD} o WHERE o.target = p.target) > 1 AS served FROM {POD} p"""
    made = _content(select, "served", namespace="text", served="boolean")
    assert _said(made, [("shop", "web", 1)], [], {POD: ["old"]})["shop/web"][0] == "unknown"


COUNTED = f"""SELECT p.target, p.region, p.key, p.namespace, count(s.key) AS services FROM {POD} p
LEFT JOIN {SERVICE} s ON s.target = p.target AND s.name = p.name GROUP BY ALL"""


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        ("services > 1", "pass"),
        ("2 <= services", "pass"),
        ("services <> 1", "pass"),
        ("services < 2", "fail"),
        ("services <= 1", "fail"),
        ("services = 1", "fail"),
        ("true = ANY (SELECT v.services >= 2 FROM aws.lab.v v WHERE v.target = this.target)", "pass"),
        ("services > 2", "unknown"),
        ("services = 2", "unknown"),
        ("services <= 2", "unknown"),
        ("services + 0 > 1", "unknown"),
    ],
)
def test_the_least_of_a_count_decides_what_is_asked_of_it(asked: str, verdict: str) -> None:
    """Two were seen, and there may be more: how many there are is not known, that there are two is."""
    made = _content(COUNTED, asked, namespace="text", services="integer")
    found = _said(made, [("shop", "web", 1)], [("shop", "web", 1), ("till", "web", 1)], {SERVICE: ["old"]})
    assert found == {"shop/web": (verdict, "shop", None)}


def test_a_count_from_which_something_could_be_taken_has_no_least() -> None:
    """Of a service that is found once more in the dark no group of one is left."""
    select = f"""SELECT p.target, p.region, p.key, p.namespace, coalesce(s.n, 0) AS services FROM {POD} p LEFT JOIN
    (SELECT target, name, count(*) AS n FROM {SERVICE} GROUP BY ALL HAVING count(*) = 1) s ON s.target = p.target AND s.name = p.name"""
    made = _content(select, "services > 0", namespace="text", services="integer")
    found = _said(made, [("shop", "web", 1)], [("shop", "web", 1)], {SERVICE: ["old"]})
    assert found["shop/web"][0] == "unknown"


def test_by_its_key_a_row_is_met_once_and_multiplies_nothing() -> None:
    """The services of the dark namespace are others than the one that each pod names: they make no second row of it to be counted."""
    select = f"""WITH u AS (SELECT p.target, p.name, count(*) AS n FROM {POD} p
    LEFT JOIN {SERVICE} s ON s.target = p.target AND s.key = p.namespace
    GROUP BY ALL) SELECT p.target, p.region, p.key, p.namespace, u.n AS pods FROM {POD} p
    JOIN u ON u.target = p.target AND u.name = p.name"""
    made = _content(select, "pods = 1", namespace="text", pods="integer")
    assert _said(made, [("shop", "web", 1)], [], {SERVICE: ["old"]}) == {"shop/web": ("pass", "shop", 1)}
    by_name = _content(select.replace("s.key = p.namespace", "s.name = p.name"), "pods = 1", namespace="text", pods="integer")
    assert _said(by_name, [("shop", "web", 1)], [], {SERVICE: ["old"]})["shop/web"][0] == "unknown"


@pytest.mark.parametrize(
    ("grouped", "joined", "verdict"),
    [
        ("SELECT target, name, count(*) AS n", "s.target = p.target AND s.name = p.name", "pass"),
        ("SELECT target, upper(name) AS loud, count(*) AS n", "s.target = p.target AND s.loud = upper(p.name)", "unknown"),
        ("SELECT target, name AS called, bool_or(port = 80) AS n", "s.target = p.target AND s.called = p.name", "pass"),
        ("SELECT target, namespace, name, count(*) AS n", "s.target = p.target AND s.name = p.name", "unknown"),
        ("SELECT target, name, port AS n", "s.target = p.target AND s.name = p.name", "unknown"),
        ("SELECT count(*) AS n", "s.n > 0", "pass"),
    ],
)
def test_what_is_grouped_by_all_that_it_is_met_by_multiplies_nothing(grouped: str, joined: str, verdict: str) -> None:
    """A group more is one of another name: no pod finds two."""
    ending = " GROUP BY ALL" if "target" in grouped else ""
    select = f"""WITH s AS ({grouped} FROM {SERVICE}{ending}), u AS (SELECT p.target, p.name, count(*) AS n FROM {POD} p
    LEFT JOIN s ON {joined} GROUP BY ALL) SELECT p.target, p.region, p.key, p.namespace, u.n AS pods FROM {POD} p
    JOIN u ON u.target = p.target AND u.name = p.name"""
    made = _content(select, "pods = 1", namespace="text", pods="integer")
    assert _said(made, [("shop", "web", 1)], [("shop", "web", 1)], {SERVICE: ["old"]})["shop/web"][0] == verdict


CASES = {
    "CASE WHEN s.name IS NOT NULL THEN true ELSE false END": {True},
    "CASE WHEN p.port = 1 THEN true WHEN s.name IS NOT NULL THEN false ELSE true END": {False, True},
    "CASE WHEN s.is_80 THEN true WHEN p.port = 1 THEN false END": {True},
    "CASE WHEN s.name IS NULL THEN true ELSE false END": {False},
    "CASE WHEN p.port = 2 THEN s.name IS NOT NULL WHEN s.name IS NOT NULL THEN true ELSE false END": {True},
    "CASE WHEN p.port = 1 THEN CASE WHEN s.name IS NOT NULL THEN false END ELSE p.port = 3 END": {False, True},
    "s.is_80 AND s.name IS NOT NULL": {True},
    "s.name IS NULL OR NOT s.is_80": {False},
    "s.is_80 AND NOT s.is_80": set(),
}
"""An expression, and which of its values can be known though a namespace is dark."""


@pytest.mark.parametrize("said", CASES)
def test_of_a_case_only_what_a_row_more_could_turn_is_left_open(said: str) -> None:
    """Every small pod, service and completion: what is known is so in each of them, and something is known."""
    select = f"""SELECT p.target, p.region, p.key, p.namespace, {said} AS served FROM {POD} p
    LEFT JOIN (SELECT target, name, bool_or(port = 80) AS is_80 FROM {SERVICE} GROUP BY ALL) s
    ON s.target = p.target AND s.name = p.name"""
    made = _content(select, "served", namespace="text", served="boolean")
    known = set()
    with _opened(made) as store:
        for port, seen in itertools.product((1, 2, 3), ([], [("shop", "web", 1)], [("shop", "web", 80)], [("shop", "other", 80)])):
            pods = [("shop", "web", port)]
            value = _said_by(store, pods, seen, {SERVICE: ["old"]})["shop/web"][2]
            more: list[list[Row]] = [[], [("old", "web", 1)], [("old", "web", 80)], [("old", "other", 1)]]
            there = {_said_by(store, pods, [*seen, *each], {})["shop/web"][2] for each in more}
            assert value is None or there == {value}, (said, port, seen)
            known |= {value} - {None}
    assert known == CASES[said]


READS_ON = f"""WITH base AS (SELECT p.target, p.region, p.key, p.namespace, p.name, p.port FROM {POD} p),
every AS (SELECT b.*, b.port = 1 AS served FROM base b WHERE b.port < 10
UNION ALL SELECT b.*, s.key IS NOT NULL AS served FROM base b
LEFT JOIN {SERVICE} s ON s.target = b.target AND s.name = b.name WHERE b.port >= 10),
said AS (SELECT *, served AS again FROM every)
SELECT target, region, key, namespace, again AS served FROM said"""


def test_each_part_of_a_union_that_is_read_on_from_is_judged_by_itself() -> None:
    made = _content(READS_ON, "served", namespace="text", served="boolean")
    found = _said(made, [("shop", "web", 1), ("shop", "api", 10)], [], {SERVICE: ["old"]})
    assert {key: each[0] for key, each in found.items()} == {"shop/web": "pass", "shop/api": "unknown"}
    assert len(read_worth(made, VIEW).parts) == 2


@pytest.mark.parametrize(
    "told",
    [
        READS_ON.replace("again AS served FROM said", "bool_or(again) AS served FROM said GROUP BY ALL"),
        READS_ON.replace("FROM said\nSELECT", "FROM said").replace("FROM every)", "FROM every e WHERE e.key IN (SELECT key FROM every))"),
        READS_ON.replace("s.key IS NOT NULL AS served", "s.key IS NOT NULL"),
        READS_ON.replace("UNION ALL", "UNION"),
    ],
    ids=["gathered", "read twice", "called otherwise", "not all"],
)
def test_a_union_of_which_more_than_single_rows_is_asked_is_judged_whole(told: str) -> None:
    assert len(read_worth(_content(told, "served", namespace="text", served="boolean"), VIEW).parts) == 1


def test_a_table_that_was_read_raises_no_doubt() -> None:
    """Two tables are joined in; only the one that is dark counts."""
    select = f"""SELECT p.target, p.region, p.key, p.namespace,
    CASE WHEN o.port > 5 THEN true WHEN s.name IS NOT NULL THEN true ELSE false END AS served
    FROM {POD} p LEFT JOIN (SELECT target, max(port) AS port FROM {POD} GROUP BY target) o ON o.target = p.target
    LEFT JOIN (SELECT DISTINCT target, name FROM {SERVICE}) s ON s.target = p.target AND s.name = p.name"""
    made = _content(select, "served", namespace="text", served="boolean")
    pods = [("shop", "web", 9)]
    assert _said(made, pods, [], {SERVICE: ["old"]})["shop/web"][0] == "pass"
    assert _said(made, pods, [], {POD: ["old"]})["shop/web"][0] == "unknown"
