"""Unread rows of which something is known, and SELECTs that leave such rows out: held to every completion of small tables."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from tests.packs import NOW, A, collector, content, dark_room, rule, table

POD, SERVICE, VIEW = "aws.lab.pod", "aws.lab.service", "aws.lab.v"
TEXTS = {name: {"type": "text", "from": name.capitalize()} for name in ("namespace", "name")}
FACTS = {
    each: {**table({**TEXTS, "is_system": {"type": "boolean", "from": "System"}}), "key": "{Namespace}/{Name}", "once_per": "account"}
    for each in (POD, SERVICE)
}
OUTER = f"LEFT JOIN {SERVICE} s ON s.target = p.target"
P = f"SELECT p.target, p.region, p.key, p.namespace, {{}} AS n FROM {POD} p"
SELECTS = {
    P.format("1") + " WHERE NOT p.is_system": True,
    P.format("1") + " WHERE p.is_system": False,
    P.format("1") + " WHERE NOT p.is_system OR p.name = 'web'": False,
    P.format("1") + " WHERE (NOT p.is_system) IS NOT FALSE": False,
    f"SELECT target, region, key, namespace, 1 AS n FROM {POD} WHERE NOT is_system AND name <> ''": True,
    P.format("count(s.key)") + f" {OUTER} AND NOT s.is_system WHERE NOT p.is_system GROUP BY ALL": True,
    P.format("count(s.key)") + f" {OUTER} AND NOT p.is_system WHERE NOT p.is_system GROUP BY ALL": False,
    P.format("count(s.key)") + f" JOIN {SERVICE} s ON s.target = p.target WHERE NOT p.is_system AND NOT s.is_system GROUP BY ALL": True,
    P.format("coalesce(s.n, 0)")
    + f" LEFT JOIN (SELECT target, count(*) AS n FROM {SERVICE} s WHERE NOT s.is_system GROUP BY ALL) s ON s.target = p.target"
    + " WHERE NOT p.is_system": True,
    P.format("coalesce(s.n, 0)")
    + f" LEFT JOIN (SELECT target, count(*) AS n FROM {SERVICE} p GROUP BY ALL) s ON s.target = p.target WHERE NOT p.is_system": False,
}  # fmt: skip
"""A view's SELECT, and whether nothing of it is in doubt where all that was not read is the platform's."""
Row = tuple[str, str, bool]
Json = dict[str, Any]


def _content(select: str) -> Any:
    columns = {"namespace": {"type": "text"}, "n": {"type": "integer"}}
    view = {"about": "One row for each.", "columns": columns, "select": select}
    return content(rule(for_each=VIEW, message="{key}", fix="mend {key}", **{"pass": "n > 0"}), collector=collector(FACTS, {VIEW: view}))


def _rows(store: Store, rows: dict[str, list[Row]], unread: Json | None) -> list[tuple[Any, ...]]:
    for name in (POD, SERVICE):
        store.clear(name)
        here = {"target": A, "region": "global", "scan_time": NOW}
        said = [{**here, "key": f"{room}/{own}", "namespace": room, "name": own, "is_system": system} for room, own, system in rows[name]]
        if said:
            store.add_rows(name, said)
        if unread is not None:
            dark_room(store, name, "system", **unread)
    store.clear(VIEW)
    make_views(store)
    return list(store.rows(f"SELECT key, n, _ghost FROM {VIEW}"))


@pytest.mark.parametrize("select", SELECTS)
def test_what_is_left_out_hides_nothing_of_who_leaves_it_out_too(select: str) -> None:
    whole = [("system", "web", True), ("system", "dns", True)]
    completions = [list(each) for many in range(3) for each in itertools.combinations(whole, many)]
    certain = True
    with Store(_content(select), {VIEW, POD, SERVICE}, scan_time=NOW) as store:
        store.places = {A: ("global",)}
        for pods, services in itertools.product(([], [("shop", "web", False)]), repeat=2):
            found = _rows(store, {POD: pods, SERVICE: services}, {"is_system": True})
            certain &= all(ghost is None and n is not None for _, n, ghost in found)
            for more, others in itertools.product(completions, repeat=2):
                there = {key: n for key, n, _ in _rows(store, {POD: [*pods, *more], SERVICE: [*services, *others]}, None)}
                for key, n, ghost in found:
                    assert key is None or ghost is not None or (key in there and n in (None, there[key])), (select, pods, services, key, n)
                assert there.keys() <= {key for key, *_ in found} or any(ghost for *_, ghost in found), (select, there, found)
    assert certain is SELECTS[select]


@pytest.mark.parametrize("unread", [{"is_system": False}, {}])
def test_of_what_is_not_known_to_be_the_platforms_anything_may_be_an_application(unread: Json) -> None:
    with Store(_content(next(iter(SELECTS))), {VIEW, POD, SERVICE}, scan_time=NOW) as store:
        store.places = {A: ("global",)}
        assert [ghost for *_, ghost in _rows(store, {POD: [], SERVICE: []}, unread)] == ["excluded"]
