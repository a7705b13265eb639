from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.darkness import Rooms
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import make_views
from cnamm_scan.model import Content, Reason
from tests.packs import BOX, LOCK, NOW, A, B, collector, content, fact, filled, ghost, lab, part, rest, shard, table

OWN: dict[str, dict[str, Any]] = {
    "t": {"type": "text", "from": "t", "absent": "none"},
    "i": {"type": "integer", "from": "i", "absent": -1},
    "n": {"type": "number", "from": "n", "absent": -1.5},
    "b": {"type": "boolean", "from": "b", "absent": False},
    "ts": {"type": "timestamp", "from": "ts", "absent": "2020-01-01T00:00:00Z"},
    "l": {"type": "list", "from": "l", "absent": ["none"]},
    "j": {"type": "json", "from": "j", "absent": {"none": True}},
}
ABSENT: dict[str, Any] = {"t": "none", "i": -1, "n": -1.5, "b": False, "ts": datetime(2020, 1, 1), "l": ["none"], "j": {"none": True}}


def _row(folder: Path, columns: dict[str, Any], data: Any, gaps: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """The columns that one fact gives."""
    made = content(collector=collector({BOX: table(columns, **more)}))
    with filled(made, folder, [fact(BOX, data, gaps=gaps)]) as store:
        return _only(store, columns)


def _only(store: Store, columns: dict[str, Any], name: str = BOX) -> dict[str, Any]:
    rows = list(store.rows(f"SELECT {', '.join(columns)} FROM {name}"))
    assert len(rows) == 1
    return {
        column: json.loads(value) if columns[column]["type"] == "json" and value is not None else value
        for column, value in zip(columns, rows[0], strict=True)
    }


def _in_part(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: {**spec, "from": f"p.{spec['from']}"} for name, spec in columns.items()}


def test_every_type(tmp_path: Path) -> None:
    data = {"t": "x", "i": 1, "n": 1.5, "b": True, "ts": "2025-12-01T00:00:00Z", "l": ["a", "b"], "j": {"k": [1]}}
    assert _row(tmp_path, OWN, data) == {**data, "ts": datetime(2025, 12, 1)}


def test_values_that_look_like_silence_are_not(tmp_path: Path) -> None:
    data = {"t": "", "i": 0, "n": 0.0, "b": False, "l": [], "j": {}}
    assert {**_row(tmp_path, OWN, data), "ts": None} == {**data, "ts": None}


@pytest.mark.parametrize("data", [{}, dict.fromkeys(OWN)])
def test_silence_is_absent(tmp_path: Path, data: dict[str, Any]) -> None:
    assert _row(tmp_path, OWN, data) == ABSENT


def test_silence_of_a_part_is_absent(tmp_path: Path) -> None:
    assert _row(tmp_path, _in_part(OWN), {"p": {}}, then={"p": part()}) == ABSENT


def test_silence_without_absent_is_unseen(tmp_path: Path) -> None:
    bare = {name: {key: value for key, value in spec.items() if key != "absent"} for name, spec in OWN.items()}
    assert _row(tmp_path, bare, {}) == dict.fromkeys(OWN)


def test_a_gap_is_null_whatever_absent_says(tmp_path: Path) -> None:
    assert _row(tmp_path, _in_part(OWN), {}, {"p": "denied"}, then={"p": part()}) == dict.fromkeys(OWN)


def test_a_gap_of_one_part_leaves_the_others(tmp_path: Path) -> None:
    columns = {"x": {"type": "text", "from": "p.x", "absent": "no"}, "y": {"type": "text", "from": "q.y", "absent": "no"}}
    assert _row(tmp_path, columns, {}, {"p": "denied"}, then={"p": part(), "q": part("GetQ")}) == {"x": None, "y": "no"}


WRONG = [
    ("i", "abc"),
    ("i", {"a": 1}),
    ("i", [1]),
    ("n", "abc"),
    ("n", [1.5]),
    ("n", "NaN"),
    ("n", "Infinity"),
    ("n", "-inf"),
    ("b", "maybe"),
    ("b", {"a": True}),
    ("ts", "yesterday"),
    ("ts", 5),
    ("ts", {"a": 1}),
    ("l", "scalar"),
    ("l", 5),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_value_of_the_wrong_type_is_unseen_not_absent(tmp_path: Path, name: str, value: Any) -> None:
    assert _row(tmp_path, {name: OWN[name]}, {name: value}) == {name: None}


@pytest.mark.parametrize(("name", "value"), [*WRONG, ("l", {"a": 1}), ("t", {"a": 1}), ("t", 5), ("j", "text")])
def test_a_value_of_the_wrong_type_breaks_no_other_row(tmp_path: Path, name: str, value: Any) -> None:
    made = content(collector=collector({BOX: table(OWN)}))
    with filled(made, tmp_path, [fact(BOX, {name: value}), fact(BOX, {}, key="k2")]) as store:
        assert list(store.rows(f"SELECT {name} FROM {BOX} WHERE key = 'k2'")) != [(None,)]
        assert list(store.rows(f"SELECT {name} FROM {BOX} WHERE key = 'k'")) != list(
            store.rows(f"SELECT {name} FROM {BOX} WHERE key = 'k2'")
        )


def test_a_fraction_is_no_integer(tmp_path: Path) -> None:
    assert _row(tmp_path, {"i": OWN["i"]}, {"i": 1.5}) == {"i": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-12-01T00:00:00Z", datetime(2025, 12, 1)),
        ("2025-12-01T00:00:00.250Z", datetime(2025, 12, 1, 0, 0, 0, 250000)),
        ("2025-12-01T02:00:00+02:00", datetime(2025, 12, 1)),
        ("2025-11-30T17:00:00-07:00", datetime(2025, 12, 1)),
        ("2025-12-01T00:00:00", datetime(2025, 12, 1)),
        ("2025-12-01", datetime(2025, 12, 1)),
    ],
)
def test_times_are_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: datetime) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert _row(tmp_path, {"ts": OWN["ts"]}, {"ts": text}) == {"ts": expected}


@pytest.mark.parametrize(("value", "column"), [("12", "i"), ("1.5", "n"), ("true", "b")])
def test_numbers_and_booleans_may_come_as_text(tmp_path: Path, value: str, column: str) -> None:
    assert _row(tmp_path, {column: OWN[column]}, {column: value})[column] == {"i": 12, "n": 1.5, "b": True}[column]


def test_a_list_over_a_map_is_its_names(tmp_path: Path) -> None:
    """What stands beneath them may be read all the same."""
    columns = {
        "names": {"type": "list", "from": "m", "absent": []},
        "owner": {"type": "text", "from": "m.owner", "absent": "nobody"},
        "has_team": {"type": "boolean", "exists": "m.team"},
        "has_cost": {"type": "boolean", "exists": "m.cost"},
    }
    data = {"m": {"zone": True, "owner": "ann", "team": True, "cost": None}}
    expected = {"names": ["cost", "owner", "team", "zone"], "owner": "ann", "has_team": True, "has_cost": False}
    assert _row(tmp_path, columns, data) == expected
    assert _row(tmp_path, columns, {}) == {"names": [], "owner": "nobody", "has_team": False, "has_cost": False}


ROWS = {"a": [{"b": "1", "c": [{"d": "p"}, {"d": "q"}]}, {"b": "2", "c": []}, {"b": "3"}]}


@pytest.mark.parametrize(
    ("type_", "path", "expected"),
    [
        ("list", "a[].b", ["1", "2", "3"]),
        ("text", "a[0].b", "1"),
        ("text", "a[2].b", "3"),
        ("text", "a[3].b", None),
        ("list", "a[].c[].d", ["p", "q"]),
        ("list", "a[0].c[].d", ["p", "q"]),
        ("text", "a[0].c[1].d", "q"),
        ("json", "a[].b", ["1", "2", "3"]),
        ("json", "a[0]", {"b": "1", "c": [{"d": "p"}, {"d": "q"}]}),
        ("json", "a", ROWS["a"]),
    ],
)
def test_list_paths(tmp_path: Path, type_: str, path: str, expected: Any) -> None:
    assert _row(tmp_path, {"x": {"type": type_, "from": path}}, ROWS) == {"x": expected}


def test_several_paths_into_one_list(tmp_path: Path) -> None:
    paths = {"every": "a[].b", "first": "a[0].b", "deep": "a[].c[].d"}
    columns = {name: {"type": "text" if name == "first" else "list", "from": path} for name, path in paths.items()}
    assert _row(tmp_path, columns, ROWS) == {"every": ["1", "2", "3"], "first": "1", "deep": ["p", "q"]}


@pytest.mark.parametrize("type_", ["list", "json"])
@pytest.mark.parametrize(("data", "gaps"), [({}, {}), ({}, {"p": "denied"}), ({"p": {"a": None}}, {}), ({"p": {"a": "text"}}, {})])
def test_a_list_that_was_not_seen_is_not_empty(tmp_path: Path, type_: str, data: dict[str, Any], gaps: dict[str, str]) -> None:
    columns = {"x": {"type": type_, "from": "p.a[].b"}}
    assert _row(tmp_path, columns, data, gaps, then={"p": part()}) == {"x": None}


@pytest.mark.parametrize("type_", ["list", "json"])
def test_a_list_that_was_seen_empty_is_empty(tmp_path: Path, type_: str) -> None:
    columns = {"x": {"type": type_, "from": "p.a[].b"}}
    assert _row(tmp_path, columns, {"p": {"a": []}}, then={"p": part()}) == {"x": []}


def test_an_element_without_the_field_gives_no_value(tmp_path: Path) -> None:
    """A list that counted it would say "one host path" of a pod with one volume of any kind."""
    columns = {
        "x": {"type": "list", "from": "a[].b.c", "absent": []},
        "y": {"type": "json", "from": "a[].b.c", "absent": []},
        "deep": {"type": "list", "from": "a[].d[].e", "absent": []},
    }
    data = {"a": [{"b": {"c": "1"}}, {"b": {}}, {}, {"d": [{"e": "2"}, {}]}]}
    assert _row(tmp_path, columns, data) == {"x": ["1"], "y": ["1"], "deep": ["2"]}


def test_quoted_keys(tmp_path: Path) -> None:
    columns = {
        "x": {"type": "text", "from": 'a."x-y".b'},
        "y": {"type": "text", "from": '"p.q"'},
        "z": {"type": "boolean", "exists": 'a."it\'s"'},
        "w": {"type": "json", "from": 'a."it\'s"'},
    }
    data = {"a": {"x-y": {"b": "1"}, "it's": 2}, "p.q": "3"}
    assert _row(tmp_path, columns, data) == {"x": "1", "y": "3", "z": True, "w": 2}


def test_variables_and_whole_items(tmp_path: Path) -> None:
    columns = {
        "acc": {"type": "text", "from": "$account"},
        "url": {"type": "text", "from": "@"},
        "up": {"type": "text", "from": "parent.x"},
    }
    data = {"$account": "1", "@": "https://queue", "parent": {"x": "y"}}
    assert _row(tmp_path, columns, data) == {"acc": "1", "url": "https://queue", "up": "y"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"Last": {"Date": "2025-12-01T00:00:00Z"}}, (True, datetime(2025, 12, 1))),
        ({"Last": {}}, (False, None)),
        ({"Last": {"Date": None}}, (False, None)),
        ({}, (False, None)),
        ({"Last": {"Date": ""}}, (True, None)),
    ],
)
def test_exists_beside_a_date_that_may_never_have_happened(tmp_path: Path, data: Any, expected: tuple[Any, Any]) -> None:
    columns = {
        "is_used": {"type": "boolean", "exists": "Last.Date"},
        "last_used_at": {"type": "timestamp", "from": "Last.Date", "absent": None},
    }
    assert tuple(_row(tmp_path, columns, data).values()) == expected


@pytest.mark.parametrize(("data", "expected"), [({"a": [{"b": 1}]}, True), ({"a": [{}]}, False), ({"a": []}, False), ({}, False)])
def test_exists_through_a_list(tmp_path: Path, data: Any, expected: bool) -> None:
    assert _row(tmp_path, {"x": {"type": "boolean", "exists": "a[].b"}}, data) == {"x": expected}


def test_exists_of_a_part_that_was_not_read_is_unseen(tmp_path: Path) -> None:
    columns = {"x": {"type": "boolean", "exists": "p.a"}, "y": {"type": "boolean", "exists": "q.a"}}
    assert _row(tmp_path, columns, {}, {"p": "throttled"}, then={"p": part(), "q": part("GetQ")}) == {"x": None, "y": False}


@pytest.mark.parametrize("gap", ["parent.p", "parent.parent.p"])
def test_a_gap_of_the_parent(tmp_path: Path, gap: str) -> None:
    columns = {"x": {"type": "text", "from": f"{gap}.a", "absent": "no"}, "y": {"type": "text", "from": "b", "absent": "no"}}
    assert _row(tmp_path, columns, {}, {gap: "denied"}) == {"x": None, "y": "no"}
    assert _row(tmp_path, columns, {}) == {"x": "no", "y": "no"}


@pytest.mark.parametrize(("data", "absent"), [({}, None), ({"status": {}}, None), ({"status": {"a": "seen"}}, "seen")])
def test_a_gap_of_a_head_is_silence_explained_and_hides_nothing(tmp_path: Path, data: dict[str, Any], absent: str | None) -> None:
    """A source that never shows what stands under a name: what it does not say there is unseen, whatever `absent:` says."""
    columns = {
        "bare": {"type": "text", "from": "status.a"},
        "absent": {"type": "text", "from": "status.a", "absent": "no"},
        "listed": {"type": "list", "from": "status.l", "absent": []},
        "deep": {"type": "list", "from": "status.b[].c", "absent": []},
        "there": {"type": "boolean", "exists": "status.x.y"},
        "spec": {"type": "text", "from": "spec.a", "absent": "no"},
        "statuses": {"type": "text", "from": "statuses.a", "absent": "no"},
        "above": {"type": "text", "from": "parent.status.a", "absent": "no"},
    }
    seen = {"bare": absent, "absent": absent, "listed": None, "deep": None, "there": None}
    assert _row(tmp_path, columns, data, {"status": "not_in_manifests"}) == {**seen, "spec": "no", "statuses": "no", "above": "no"}


def test_a_reason_for_silence_leaves_what_absent_says(tmp_path: Path) -> None:
    columns = {
        "x": {"type": "text", "from": "a", "absent": "no"},
        "y": {"type": "text", "from": "a"},
        "z": {"type": "boolean", "exists": "a"},
    }
    assert _row(tmp_path, columns, {}, {"silence": "not_in_manifests"}) == {"x": "no", "y": None, "z": False}


# ---- derived columns ----------------------------------------------------------------------------------------------------

DERIVED = {
    "state": {"type": "text", "from": "State"},
    "is_on": {"type": "boolean", "is": "state = 'On'"},
    "is_off": {"type": "boolean", "is": "NOT is_on"},
    "is_old": {"type": "boolean", "is": "made_at < scan_time - INTERVAL 1 DAY"},
    "made_at": {"type": "timestamp", "from": "p.Made"},
}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"State": "On", "p": {"Made": "2025-12-01T00:00:00Z"}}, (True, False, True)),
        ({"State": "Off", "p": {"Made": "2025-12-31T12:00:00Z"}}, (False, True, False)),
        ({}, (None, None, None)),
    ],
)
def test_derived_columns(tmp_path: Path, data: Any, expected: tuple[Any, ...]) -> None:
    row = _row(tmp_path, DERIVED, data, then={"p": part()})
    assert (row["is_on"], row["is_off"], row["is_old"]) == expected


def test_derived_columns_of_what_was_not_collected(tmp_path: Path) -> None:
    columns = {**DERIVED, "older": {"type": "boolean", "is": "is_old AND is_on"}}
    made = content(collector=collector({BOX: table(columns, then={"p": part()})}))
    with Store(made, [BOX], scan_time=NOW) as store:
        store.load(BOX, shard(tmp_path, [fact(BOX, {"State": "On"})], parts=[], paths=["State", "p.Made"]))
        assert store.uncollected[BOX] == {"made_at", "is_old", "older"}
        row = _only(store, columns)
    assert (row["is_on"], row["is_old"], row["older"]) == (True, None, None)


def test_add_rows_computes_derived_columns(tmp_path: Path) -> None:
    made = content(collector=collector({BOX: table(DERIVED, then={"p": part()})}))
    with Store(made, [BOX], scan_time=NOW) as store:
        store.add_rows(BOX, [{"target": A, "state": "On"}, {"target": B, "is_on": True}])
        found = {row[0]: row[1:] for row in store.rows(f"SELECT target, state, is_on, is_off FROM {BOX}")}
    assert found == {A: ("On", True, False), B: (None, True, False)}


# ---- what was not collected, and nothing at all ----------------------------------------------------------------------------


def test_columns_whose_part_was_not_asked_are_null(tmp_path: Path) -> None:
    made = content()
    with Store(made, [BOX], scan_time=NOW) as store:
        store.load(BOX, shard(tmp_path, [fact(BOX, {"Name": "n"})], parts=["seal"]))
        assert store.uncollected[BOX] == {"lock_id", "state", "is_on"}
        assert list(store.rows(f"SELECT name, lock_id, state, is_on, sealed FROM {BOX}")) == [("n", None, None, None, False)]


def test_columns_whose_path_was_not_kept_are_null(tmp_path: Path) -> None:
    """A column that a newer collector adds cannot be told from an older bundle."""
    made = content()
    with Store(made, [BOX], scan_time=NOW) as store:
        store.load(BOX, shard(tmp_path, [fact(BOX, {"Name": "n"})], parts=["seal", "detail"], paths=["Name", "detail.State"]))
        assert list(store.rows(f"SELECT name, tags, state, sealed FROM {BOX}")) == [("n", None, "Never", None)]


def test_no_files_no_rows(tmp_path: Path) -> None:
    from cnamm_scan.engine.facts import Shards

    with Store(content(), [BOX], scan_time=NOW) as store:
        store.load(BOX, Shards(()))
        store.load(BOX, shard(tmp_path, []))
        assert list(store.rows(f"SELECT * FROM {BOX}")) == []


def test_several_shards_are_one_table(tmp_path: Path) -> None:
    from cnamm_scan.engine.facts import Shards

    one, two = shard(tmp_path, [fact(BOX, {"Name": "a"})]), shard(tmp_path, [fact(BOX, {"Name": "b"})])
    with Store(content(), [BOX], scan_time=NOW) as store:
        store.load(BOX, Shards((*one.files, *two.files)))
        assert sorted(store.rows(f"SELECT name FROM {BOX}")) == [("a",), ("b",)]


# ---- ghosts and shadows ----------------------------------------------------------------------------------------------------


def test_a_ghost_is_a_row_of_nulls(tmp_path: Path) -> None:
    made = content()
    with filled(made, tmp_path, [ghost(BOX, "throttled")]) as store:
        own = ", ".join(made.tables[BOX].columns)
        [row] = store.rows(f"SELECT target, region, _ghost, key, {own} FROM {BOX}")
    assert row == (A, "r1", "throttled", None, *[None] * len(made.tables[BOX].columns))


def test_added_ghosts_and_shadows_are_rows_of_nulls() -> None:
    made = content()
    with Store(made, [BOX], scan_time=NOW) as store:
        store.add_ghosts(BOX, [(A, "r1", Reason.DENIED, False), (A, "r2", Reason.EXCLUDED, True)])
        store.add_ghosts(BOX, [])
        assert sorted(store.rows(f"SELECT region, _ghost, _shadow, key, state, sealed, tags, doc FROM {BOX}")) == [
            ("r1", "denied", False, None, None, None, None, None),
            ("r2", "excluded", True, None, None, None, None, None),
        ]


@pytest.mark.parametrize(
    ("line", "weight"),
    [
        (ghost(BOX), 1),
        ({**ghost(BOX), "data": {"unread": 7}}, 7),
        ({**ghost(BOX), "data": {"unread": "odd"}}, 1),
        (fact(BOX, {"unread": 7}), 1),
        ({**rest(BOX), "data": {"unread": 7}}, 1),
    ],
)
def test_an_unread_row_weighs_as_much_as_it_stands_for(tmp_path: Path, line: dict[str, Any], weight: int) -> None:
    with filled(content(), tmp_path, [line]) as store:
        assert list(store.rows(f"SELECT _weight FROM {BOX}")) == [(weight,)]


def test_added_rows_and_ghosts_weigh_one() -> None:
    with Store(content(), [BOX], scan_time=NOW) as store:
        store.add_rows(BOX, [{"target": A}])
        store.add_ghosts(BOX, [(A, "r1", Reason.DENIED, False)])
        assert list(store.rows(f"SELECT _weight FROM {BOX}")) == [(1,), (1,)]


def test_the_rest_is_a_shadow_of_nulls_beside_rows_that_stand(tmp_path: Path) -> None:
    made = content()
    own = ", ".join(made.tables[BOX].columns)
    with filled(made, tmp_path, [fact(BOX, {"Name": "n", "detail": {}}), rest(BOX)]) as store:
        [(whole, state, sealed)] = store.rows(f"SELECT key, state, sealed FROM {BOX} WHERE NOT _shadow")
        [row] = store.rows(f"SELECT target, region, _ghost, _shadow, key, {own} FROM {BOX} WHERE _shadow")
        assert store.dark(BOX, ()) == {(A, "r1"): "not_in_manifests", (A, None): "not_in_manifests"}
    assert (whole, state, sealed) == ("k", "Never", False)
    assert row == (A, "r1", "not_in_manifests", True, None, *[None] * len(made.tables[BOX].columns))


# ---- views -----------------------------------------------------------------------------------------------------------------

PILE = "aws.lab.pile"
HEAP = "aws.lab.heap"


def _view(select: str, **columns: str) -> dict[str, Any]:
    return {"about": "One row for each.", "columns": {name: {"type": type_} for name, type_ in columns.items()}, "select": select}


def _views() -> Content:
    facts = lab()["facts"]
    head = "SELECT b.target, b.region, b.key,"
    count = f"{head} count(l.key) AS n FROM {BOX} b LEFT JOIN {LOCK} l ON l.target = b.target AND l.region = b.region GROUP BY ALL"
    wide = f"{head} count(a.key) AS n FROM {BOX} b LEFT JOIN aws.lab.account a ON a.target = b.target GROUP BY ALL"
    over = f"SELECT target, region, key, n > 1 AS is_high FROM {PILE}"
    views = {PILE: _view(count, n="integer"), HEAP: _view(over, is_high="boolean"), "aws.lab.wide": _view(wide, n="integer")}
    return content(collector=collector(facts, views))


def _boxes() -> list[dict[str, Any]]:
    return [fact(BOX, {"Name": f"{target[-1]}{region}"}, target=target, region=region) for target in (A, B) for region in ("r1", "r2")]


def _locks() -> list[dict[str, Any]]:
    return [
        fact(LOCK, {"LockId": key}, target=target, region=region, key=key) for target in (A, B) for region in ("r1", "r2") for key in "xy"
    ]


def test_a_view_over_whole_tables(tmp_path: Path) -> None:
    with filled(_views(), tmp_path, [*_boxes(), *_locks()]) as store:
        assert {row[0] for row in store.rows(f"SELECT n FROM {PILE}")} == {2}
        assert {row[0] for row in store.rows(f"SELECT is_high FROM {HEAP}")} == {True}
        assert len(list(store.rows(f"SELECT key FROM {HEAP}"))) == 4


def test_a_view_does_not_count_where_it_did_not_see(tmp_path: Path) -> None:
    locks = [line for line in _locks() if (line["target"], line["region"]) != (A, "r1")]
    with filled(_views(), tmp_path, [*_boxes(), *locks, ghost(LOCK)]) as store:
        assert sorted(store.rows(f"SELECT target, region, n, _ghost FROM {PILE}")) == [
            (A, "r1", None, None),
            (A, "r2", 2, None),
            (B, "r1", 2, None),
            (B, "r2", 2, None),
        ]
        assert sorted(store.rows(f"SELECT target, region, is_high, _ghost FROM {HEAP}")) == [
            (A, "r1", None, None),
            (A, "r2", True, None),
            (B, "r1", True, None),
            (B, "r2", True, None),
        ]


def test_what_a_view_looks_up_in_the_account_is_unknown_in_each_of_its_regions(tmp_path: Path) -> None:
    dark = ghost("aws.lab.account", "denied", region="global")
    with filled(_views(), tmp_path, [*_boxes(), dark]) as store:
        assert sorted(store.rows("SELECT target, region, n, _ghost FROM aws.lab.wide")) == [
            (A, "r1", None, None),
            (A, "r2", None, None),
            (B, "r1", 0, None),
            (B, "r2", 0, None),
        ]


def _piled(folder: Path, facts: list[dict[str, Any]], view: str = PILE) -> list[tuple[Any, ...]]:
    with filled(_views(), folder, facts) as store:
        return sorted(store.rows(f"SELECT target, region, key, _ghost, _shadow FROM {view}"), key=str)


@pytest.mark.parametrize("view", [PILE, HEAP])
@pytest.mark.parametrize("of", [BOX, LOCK])
def test_rows_of_a_view_stay_though_there_may_be_more(tmp_path: Path, view: str, of: str) -> None:
    """What was found is there; that more of it may be is a shadow, which is looked into and not judged."""
    found = _piled(tmp_path, [*_boxes(), *_locks(), rest(of)], view)
    assert [row for row in found if row[2] is not None] == [
        (target, region, "k", None, False) for target in (A, B) for region in ("r1", "r2")
    ]
    assert [row for row in found if row[2] is None] == ([(A, "r1", None, "not_in_manifests", True)] if of == BOX else [])


@pytest.mark.parametrize("view", [PILE, HEAP])
def test_a_view_that_would_have_no_row_has_none_that_is_judged(tmp_path: Path, view: str) -> None:
    assert _piled(tmp_path, [rest(BOX), rest(LOCK)], view) == [(A, "r1", None, "not_in_manifests", True)]


def test_regions_left_out_are_one_unread_row_of_a_view(tmp_path: Path) -> None:
    """The first of them: the others are its shadows, and stay so whatever rows a view has."""
    with Store(_views(), [PILE], scan_time=NOW) as store:
        store.load(LOCK, shard(tmp_path, _locks()))
        store.add_ghosts(BOX, [(A, "r1", Reason.EXCLUDED, False), (A, "r2", Reason.EXCLUDED, True)])
        make_views(store)
        found = sorted(store.rows(f"SELECT region, key, _ghost, _shadow FROM {PILE} WHERE target = '{A}'"))
    assert found == [("r1", None, "excluded", False), ("r2", None, "excluded", True)]


def test_an_unread_row_is_no_row_of_a_view(tmp_path: Path) -> None:
    with filled(_views(), tmp_path, [*_boxes(), *_locks(), ghost(BOX, region="r3")]) as store:
        found = sorted(store.rows(f"SELECT target, region, n, _ghost FROM {PILE} WHERE region = 'r3'"))
    assert found == [(A, "r3", None, "denied")]


def test_a_view_that_reads_itself_is_refused() -> None:
    one = _view(f"SELECT target, region, key, n FROM {HEAP}", n="integer")
    two = _view(f"SELECT target, region, key, n FROM {PILE}", n="integer")
    made = content(collector=collector(lab()["facts"], {PILE: one, HEAP: two}))
    with pytest.raises(StoreError, match="reads itself"):
        Store(made, [PILE], scan_time=NOW)


# ---- locked ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Store]:
    with filled(content(), tmp_path, [fact(BOX, {"Name": "n"})]) as store:
        yield store


def _escapes(secret: Path) -> list[str]:
    return [
        f"SELECT * FROM read_csv('{secret}')",
        f"SELECT * FROM read_csv_auto('{secret}')",
        f"SELECT * FROM read_text('{secret}')",
        f"SELECT * FROM read_blob('{secret}')",
        f"SELECT * FROM read_json('{secret}')",
        f"SELECT * FROM read_parquet('{secret}')",
        f"SELECT * FROM '{secret}'",
        f"SELECT * FROM glob('{secret.parent}/*')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_text('https://example.org/')",
        "SELECT getenv('HOME')",
        f"COPY {BOX} TO '{secret.parent}/written.csv'",
        f"COPY (SELECT 1) TO '{secret.parent}/written.parquet' (FORMAT parquet)",
        f"COPY {LOCK} FROM '{secret}'",
        f"EXPORT DATABASE '{secret.parent}/written'",
        f"IMPORT DATABASE '{secret.parent}'",
        f"ATTACH '{secret.parent}/written.db' AS written",
        f"ATTACH '{secret}' AS db (READ_ONLY)",
        "INSTALL httpfs",
        "LOAD httpfs",
        "INSTALL sqlite FROM community",
        "SET enable_external_access = true",
        "SET GLOBAL enable_external_access = true",
        "PRAGMA enable_external_access = true",
        "RESET enable_external_access",
        "SET lock_configuration = false",
        "SET allowed_directories = ['/']",
        "SET temp_directory = '/tmp/elsewhere'",
        "SET memory_limit = '100GB'",
        f"SET log_query_path = '{secret.parent}/written.log'",
        f"PRAGMA profiling_output = '{secret.parent}/written.json'",
        "CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
        f"SELECT 1; COPY {BOX} TO '{secret.parent}/written.csv'",
        f"SELECT * FROM sniff_csv('{secret}')",
        f"SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    ]


NUMBER = len(_escapes(Path("/x")))


@pytest.mark.parametrize("number", range(NUMBER))
@pytest.mark.parametrize("way", ["rows", "table"])
def test_a_locked_store_does_no_harm(tmp_path: Path, number: int, way: str) -> None:
    """The linter refuses these; this is what stands behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    secret = outside / "secret.csv"
    secret.write_text("word\nxyzzy\n")
    (inside := tmp_path / "inside").mkdir()
    with filled(content(), inside, [fact(BOX, {"Name": "n"})]) as store:
        before = _settings(store)
        sql = _escapes(secret)[number]
        with pytest.raises(StoreError) as caught:
            list(store.rows(sql) if way == "rows" else store.table(sql)[1])
        assert "xyzzy" not in str(caught.value)
        assert caught.value.do
        assert _settings(store) == before
        assert list(store.rows(f"SELECT name FROM {BOX}")) == [("n",)]
    assert [file.name for file in outside.iterdir()] == ["secret.csv"]
    assert secret.read_text() == "word\nxyzzy\n"


def _settings(store: Store) -> list[tuple[Any, ...]]:
    return sorted(store.rows("SELECT name, value FROM duckdb_settings()"))


def test_the_doors_are_shut(locked: Store) -> None:
    settings = {row[0]: row[1] for row in locked.rows("SELECT name, value FROM duckdb_settings()")}
    assert (settings["enable_external_access"], settings["lock_configuration"]) == ("false", "true")


def test_loading_comes_before_locking(tmp_path: Path, locked: Store) -> None:
    locked.load(LOCK, shard(tmp_path, [fact(LOCK, {"LockId": "x"})]))
    assert "disabled" in locked.broken[LOCK]
    assert list(locked.rows(f"SELECT * FROM {LOCK} WHERE _ghost IS NULL")) == []


# ---- asking ------------------------------------------------------------------------------------------------------------------


def test_rows_and_table(locked: Store) -> None:
    assert list(locked.rows(f"SELECT name, $x FROM {BOX}", {"x": 3})) == [("n", 3)]
    names, rows = locked.table(f"SELECT name, 1 AS one FROM {BOX}")
    assert (names, list(rows)) == (["name", "one"], [("n", 1)])


def test_many_rows_stream(locked: Store) -> None:
    assert sum(value for (value,) in locked.rows("SELECT range FROM range(10000)")) == sum(range(10000))


def test_an_unknown_table_is_told_with_the_nearest(locked: Store) -> None:
    with pytest.raises(StoreError, match="bx") as caught:
        locked.table("SELECT * FROM aws.lab.bx")
    assert BOX in caught.value.do


@pytest.mark.parametrize(
    "sql", [f"SELECT colour FROM {BOX}", f"SELECT name + 1 FROM {BOX}", "SELECT nope(1)", "SELEC", "SELECT error('x')"]
)
def test_what_does_not_work_is_a_store_error(locked: Store, sql: str) -> None:
    with pytest.raises(StoreError) as caught:
        list(locked.rows(sql))
    assert caught.value.what
    assert "LINE 1" not in caught.value.what
    assert caught.value.do


def test_check_binds_without_running(locked: Store) -> None:
    locked.types("SELECT error('ran')")
    locked.types(f"SELECT name FROM {BOX} WHERE size > $x", {"x": 1})
    with pytest.raises(StoreError):
        locked.types(f"SELECT colour FROM {BOX}")


def test_every_row_has_the_scan_time(locked: Store) -> None:
    assert list(locked.rows(f"SELECT target, region, key, scan_time FROM {BOX}")) == [(A, "r1", "k", datetime(2026, 1, 1))]


def test_clear() -> None:
    with Store(content(), [BOX], scan_time=NOW) as store:
        store.add_rows(BOX, [{"target": A}])
        store.clear(BOX)
        assert list(store.rows(f"SELECT * FROM {BOX}")) == []


def test_what_is_known_of_rows_that_were_not_read_says_where_they_are_and_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = "kubernetes.core.pod"
    with Store(reader.load(), [pod], scan_time=NOW) as store:
        store.add_rows(pod, [{"target": A, "namespace": "here"}, {"target": A, "namespace": "old", "_ghost": "denied"}])
        assert store.dark_rooms(pod) == Rooms(frozenset({"old"}))
        with monkeypatch.context() as patch:
            patch.setattr(Store, "rows", lambda *_: pytest.fail("asked again"))
            assert store.dark_rooms(pod) == Rooms(frozenset({"old"}))
        store.clear(pod)
        store.add_rows(pod, [{"target": A, "namespace": "old", "_ghost": "denied"}, {"target": A, "_ghost": "denied"}])
        assert store.dark_rooms(pod) is None, "one that is anywhere"


def test_what_is_somewhere_else_is_in_every_room_but_those_where_none_of_it_is() -> None:
    told = [(None, ["a", "b"]), ("c", None), (None, ["b", "d"])]
    assert Rooms.of(told) == Rooms(frozenset({"c"}), frozenset({"b"}))
    assert Rooms.of([*told, (None, None)]) is None
    assert Rooms.of([]) == Rooms()
    with Store(content(), [BOX], scan_time=NOW) as store:
        for rooms, dark in (
            (Rooms(), ""),
            (Rooms(frozenset({"c"})), "c?"),
            (Rooms(frozenset({"c"}), frozenset({"a", "c"})), "bc?"),
            (Rooms(frozenset(), frozenset()), "abc?"),
        ):
            sql = f"SELECT x FROM (VALUES ('a'), ('b'), ('c'), (NULL)) AS t(x) WHERE {rooms.are_dark('x')}"
            assert "".join(sorted((x or "?" for (x,) in store.rows(sql)), key="abc?".index)) == dark
