"""Views over loaded tables, NULL-honest: where a table beneath was not read, a view's row may be missing, and is unread itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from cnamm_scan.engine.bounds import BoundError, StoreError
from cnamm_scan.engine.branches import BRANCH
from cnamm_scan.engine.counts import LEAST, is_count
from cnamm_scan.engine.doubt import Tables, Worth
from cnamm_scan.engine.extract import SQL_TYPES, literal
from cnamm_scan.engine.facts import NO_GAPS
from cnamm_scan.engine.nothing import gives_nothing, read_recipe
from cnamm_scan.engine.select import read_view
from cnamm_scan.engine.sql import quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.terms import CannotTellError, Relation
from cnamm_scan.engine.unread import Unread, is_shipped, merged
from cnamm_scan.engine.worth import Part, Reading, is_by_region, part_sql, read_worth
from cnamm_scan.model import GHOST_PART, REST_PART, ROOM, SILENCE_PART, Content, MadeRow, Reason, View, fact_id

ROWS_AT_ONCE = 2000
"""Rows of a function that are put in together."""


def make_views(store: Store, fill: Callable[[Store, View], None] | None = None) -> None:
    """Compute every view over the loaded tables, NULL-honest about listings that failed. Shuts the doors first.

    `fill` makes the rows of a view that is made by a function; without it such a view stays as it is.
    """
    store.lock()
    for view in store.views:
        spec = store.content.views[view]
        try:
            for table in sorted(read_view(store.content, view).tables & store.stopped.keys()):
                raise BoundError(f"it reads '{table}', which was stopped", do="mend that one")
            if spec.made is None:
                make_view(store, view)
            elif fill is not None:
                fill(store, spec)
                _add_unread_of_made(store, view, _decisive(store, spec.made.over))
        except StoreError as error:
            store.give_up(view, error)
    if store.large and store.views:
        for catalog in sorted({view.split(".")[0] for view in store.views if view.count(".") == 2}):
            store.run(f"CHECKPOINT {quoted(catalog)}")


def make_view(store: Store, view: str) -> None:
    """Compute one view over tables that are there. Raises StoreError."""
    content = store.content
    bases = sorted(read_view(content, view).tables)
    dark = {base: places for base in bases if (places := dark_places(store, base))}
    reading = None
    if dark:
        with suppress(CannotTellError):
            reading = read_worth(content, view, dark, {base: store.unread_are(base) for base in dark})
    is_empty = _gives_nothing(store, view, bases, is_whole=reading is None)
    lost = [] if is_empty else _select(store, view, reading, dark)
    _add_missing(store, view, reading.made if reading else Relation({}, frozenset(bases), frozenset(bases)), dark)
    _tell_lost(store, view, lost, min((why for places in dark.values() for why in places.values()), default=""))


def _gives_nothing(store: Store, view: str, bases: Sequence[str], *, is_whole: bool) -> bool:
    """Whether the SELECT of a view that came with this product can find no row; `is_whole` when it sees unread rows too."""
    is_empty = {base: not (is_whole and rows) for base in bases if (rows := store.unread(base)) is not None}
    return is_shipped(store.content, view) and any(is_empty.values()) and gives_nothing(read_recipe(store.content, view), is_empty)


def _select(store: Store, view: str, reading: Reading | None, dark: Mapping[str, Mapping[tuple[str, str], str]]) -> list[tuple[str, str]]:
    """Put in the rows that a view's SELECT finds. Gives the places of those that could not be told to be what they are."""
    spec = store.content.views[view]
    if reading is None:
        key = "NULL" if dark else "v.key"  # where nothing can be told of a view, none of its rows is certain
        _insert(store, view, f"(\n{spec.select}\n) AS v", key, "NULL", {name: f"v.{quoted(name)}" for name in spec.columns})
    for part in reading.parts if reading is not None else ():
        seen = _Seen(store, view, part, dark)
        values = {name: seen.value(name) for name in spec.columns}
        _insert(
            store,
            view,
            f"(\n{part_sql(store.content, view, part, frozenset(dark))}\n) AS v{part.names}",
            seen.key(),
            seen.ghost(),
            values,
            seen.least(),
        )
    found = list(
        store.rows(
            "SELECT target, region, bool_or(key IS NULL), bool_or(key IS NULL AND _ghost IS NULL), bool_and(key IS NULL)"
            f" FROM {quoted(view)} GROUP BY ALL"
        )
    )
    if any(some for _, _, some, _, _ in found):
        store.run(f"DELETE FROM {quoted(view)} WHERE key IS NULL")
    if all(every for *_, every in found):
        store.holds_none(view)
    return [(target, region) for target, region, _, is_lost, _ in found if is_lost] if dark else []


def _insert(store: Store, view: str, source: str, key: str, ghost: str, values: Mapping[str, str], least: str = "NULL") -> None:
    types = store.content.views[view].columns
    said = ", ".join(f"CAST({value} AS {SQL_TYPES[types[name].type]}) AS {quoted(name)}" for name, value in values.items())
    store.run(
        f"INSERT INTO {quoted(view)} BY NAME SELECT v.target, v.region, {key} AS key, TIMESTAMP '{store.scan_time}' AS scan_time,"
        f" '' AS _fact, {ghost} AS _ghost, {NO_GAPS} AS _gaps, false AS _shadow, {least} AS {LEAST}, {said} FROM {source}"
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """SQL of what a row `v` of a view's part still says where tables beneath it are dark."""

    store: Store
    view: str
    part: Part
    dark: Mapping[str, Mapping[tuple[str, str], str]]

    @property
    def made(self) -> Relation:
        """What the part's rows are worth."""
        return self.part.made

    def value(self, name: str) -> str:
        """A column: NULL where what was not seen could make it another value."""
        column = f"v.{quoted(name)}"
        worth = self.made.columns.get(name)
        if worth is None:
            return "NULL"  # another of the SELECTs that are united by name has it
        doubt = self._doubt(worth, column)
        if doubt is not None and name in self.part.branches:
            branch = self._doubt_of_branch(name, column)
            doubt = branch and f"({doubt}) AND {branch}"
        return column if doubt is None else f"CASE WHEN {doubt} THEN NULL ELSE {column} END"

    def _doubt(self, worth: Worth, column: str) -> str | None:
        """Whether a value of this worth could be another one; None where none could."""
        touched = self._touched(worth.tables)
        if touched is None or worth.unsure == frozenset():
            return None
        if worth.unsure is None:
            return touched
        return f"({touched}) AND CAST({column} AS VARCHAR) IN ({', '.join(map(literal, sorted(worth.unsure)))})"

    def _doubt_of_branch(self, name: str, column: str) -> str | None:
        """The same of a column that a CASE gives, by the branch that the row takes."""
        place, branches = self.part.branches[name]
        cases = []
        for number, branch in enumerate(branches):
            either = [each for each in (self._touched(branch.elsewhere), self._doubt(branch.own, column)) if each is not None]
            if either:
                cases.append(f"WHEN {number} THEN {' OR '.join(f'({each})' for each in either)}")
        return f"CASE v.{BRANCH}{place} {' '.join(cases)} ELSE false END" if cases else None

    def least(self) -> str:
        """What of each count was seen, of those that `value` may leave open: more can only raise it."""
        open_ones = [name for name, worth in self.made.columns.items() if worth.rises and self._touched(worth.tables) is not None]
        open_ones = [name for name in open_ones if is_count(self.store.content, self.view, name)]
        if not open_ones:
            return "NULL"
        said = ", ".join(f"CAST(v.{quoted(name)} AS BIGINT)" for name in open_ones)
        return f"MAP([{', '.join(map(literal, open_ones))}], [{said}])"

    def key(self) -> str:
        """The key: NULL where the row itself could be another one."""
        tables = [worth.tables for name in ("target", "region", "key") if (worth := self.made.columns[name]).unsure != frozenset()]
        touched = self._touched(frozenset().union(*tables))
        return "v.key" if touched is None else f"CASE WHEN {touched} THEN NULL ELSE v.key END"

    def ghost(self) -> str:
        """Why a row that was found may not be there; NULL where it is."""
        whys = sorted({why for table in self.made.loses & self.dark.keys() for why in self.dark[table].values()})
        cases = []
        for why in whys:
            touched = self._touched(self.made.loses, why)
            if touched is not None:
                cases.append(f"WHEN {touched} THEN {literal(why)}")
        return f"CASE {' '.join(cases)} END" if cases else "NULL"

    def _touched(self, tables: Tables, why: str | None = None) -> str | None:
        """Whether one of the tables is dark for the row; None where none is dark anywhere."""
        either = [self._is_dark(table, why) for table in sorted(tables & self.dark.keys())]
        return " OR ".join(each for each in either if each != "false") or None

    def _is_dark(self, table: str, why: str | None) -> str:
        place = self._is_dark_place(table, why)
        own, named = table in self.made.tied.get(ROOM, ()), self.made.held.get(table, ())
        rooms = self.store.dark_rooms(table) if place != "false" and (own or named) else None
        if rooms is None or (own and ROOM not in self.made.columns) or any(map(rooms.is_dark, named)):
            return place
        # of a row whose own room is not known any may be the one
        inside = rooms.are_dark(f"v.{ROOM}") if own else "false"
        return inside if inside == "false" or place == "true" else f"({place} AND {inside})"

    def _is_dark_place(self, table: str, why: str | None) -> str:
        places = sorted(place for place, reason in self.dark[table].items() if why in (None, reason))
        if not places:
            return "false"
        by_target = table in self.made.tied.get("target", ()) and all(target for target, _ in places)
        if is_met_by_region(self.store.content, table, self.made):
            if by_target:
                return f"(v.target, v.region) IN ({', '.join(f'({literal(target)}, {literal(region)})' for target, region in places)})"
            return f"v.region IN ({', '.join(sorted({literal(region) for _, region in places}))})"
        return f"v.target IN ({', '.join(sorted({literal(target) for target, _ in places}))})" if by_target else "true"


def is_met_by_region(content: Content, table: str, made: Relation) -> bool:
    """Whether rows of a table meet only rows of their own region."""
    return table in made.tied.get("region", ()) and is_by_region(content, table)


def dark_places(store: Store, table: str) -> dict[tuple[str, str], str]:
    """(target, region) -> why not all rows of a table were read there."""
    return {(target, region): why for (target, region), why in store.dark(table, ()).items() if region is not None}


def _add_missing(store: Store, view: str, made: Relation, dark: Mapping[str, Mapping[tuple[str, str], str]]) -> None:
    """Leave unread rows where one of the tables could have added rows: in its own place, or wherever a row of it may end up."""
    adding = sorted(table for table in made.adds & dark.keys() if not _is_elsewhere(store, made, table))
    if not adding:
        return
    everywhere = [(target, region) for target, regions in store.places.items() for region in regions]
    spread: dict[tuple[str, str], str] = {}
    for table in adding:
        for (target, region), why in dark[table].items():
            is_tied = table in made.tied.get("target", ()) and bool(target)
            for place in everywhere:
                is_here = place[1] == region or not is_met_by_region(store.content, table, made)
                if place != (target, region) and is_here and (place[0] == target or not is_tied):
                    spread.setdefault(place, why)
    has_rooms = ROOM in store.content.views[view].columns and not spread
    keeps = has_rooms and all(table in made.tied.get(ROOM, ()) and not _is_named(store, made, table) for table in adding)
    (_add_unread_in_rooms if keeps else _add_unread)(store, view, adding)
    store.add_ghosts(view, [(target, region, Reason(why), True) for (target, region), why in sorted(spread.items())])


def _is_elsewhere(store: Store, made: Relation, table: str) -> bool:
    """Whether all that was not read of a table stands in namespaces that nobody looks into."""
    return table in made.held and table not in made.tied.get(ROOM, ()) and not _is_named(store, made, table)


def _is_named(store: Store, made: Relation, table: str) -> bool:
    """Whether what was not read of a table may stand in a namespace that every row looks into; true where nobody knows where it is."""
    rooms = store.dark_rooms(table)
    return rooms is None or any(map(rooms.is_dark, made.held.get(table, ())))


def _tell_lost(store: Store, view: str, lost: Sequence[tuple[str, str]], why: str) -> None:
    """Where rows could not be told to be what they are, something unread stands for them: a shadow alone would make them vanish."""
    if not lost:
        return
    places = ", ".join(f"({literal(target)}, {literal(region)})" for target, region in lost)
    store.run(f"UPDATE {quoted(view)} SET _shadow = false WHERE key IS NULL AND (target, region) IN ({places})")
    there = set(store.rows(f"SELECT DISTINCT target, region FROM {quoted(view)} WHERE key IS NULL"))
    store.add_ghosts(view, [(target, region, Reason(why), False) for target, region in lost if (target, region) not in there])


def _decisive(store: Store, over: Sequence[str]) -> list[str]:
    """The tables whose gaps a made view has: where another is asked in place of one that was not read whole, its gaps alone."""
    listed = {base: store.content.tables[base].list.unless for base in over if base in store.content.tables}
    return [base for base in over if base not in listed.values()]


def _add_unread_of_made(store: Store, view: str, bases: Sequence[str]) -> None:
    """Leave an unread row for each namespace, or else each place, in which one of the tables that a function's rows are over has some.

    What comes of a row stands in that row's namespace: a view that says in which its rows are is trusted in that.
    """
    dark = [base for base in bases if dark_places(store, base)]
    keeps = bool(dark) and ROOM in store.content.views[view].columns and all(store.dark_rooms(base) is not None for base in dark)
    if keeps:
        _add_unread_in_rooms(store, view, dark)
    else:
        _add_unread(store, view, bases)


def _add_unread(store: Store, view: str, bases: Sequence[str]) -> None:
    """Leave an unread row in each place where one of these tables has some: a shadow where all are."""
    places = merged(place for base in bases for place in store.unread_places(base))
    store.add_unread(
        view,
        [
            Unread(
                each.target, each.region, each.why, ((REST_PART if each.rest else GHOST_PART, each.why),), each.shadow, weight=each.weight
            )
            for each in places
        ],
    )


def _add_unread_in_rooms(store: Store, view: str, bases: Sequence[str]) -> None:
    """The same for each namespace by itself, where all of these tables tell in which something was not read."""
    columns = f"target, region, {ROOM}, _outside"
    each = " UNION ALL ".join(
        f"SELECT {columns}, _ghost, _shadow, _weight, _gaps['{REST_PART}'] IS NOT NULL AS _rest"
        f" FROM {quoted(base)} WHERE _ghost IS NOT NULL"
        for base in bases
    )
    store.run(
        f"INSERT INTO {quoted(view)} BY NAME SELECT {columns}, TIMESTAMP '{store.scan_time}' AS scan_time, '' AS _fact, _ghost,"
        f" MAP([CASE WHEN _rest THEN '{REST_PART}' ELSE '{GHOST_PART}' END], [_ghost]) AS _gaps, _shadow, _weight"
        f" FROM (SELECT {columns}, min(_ghost) AS _ghost, bool_and(_shadow) AS _shadow, bool_or(_rest) AS _rest,"
        f" max(_weight) AS _weight FROM ({each}) GROUP BY ALL) AS d"
    )


def fill(store: Store, view: str, rows: Sequence[tuple[MadeRow, str]]) -> None:
    """Put in the rows that a function made, each with why something of it is not known."""
    columns = store.content.views[view].columns
    fixed = dict.fromkeys(("target", "region", "key", "_fact", "_why"), "VARCHAR")
    plain = {name: "VARCHAR" if column.type == "timestamp" else SQL_TYPES[column.type] for name, column in columns.items()}
    shape = json.dumps([{**fixed, **{name: ["VARCHAR"] if kind == "VARCHAR[]" else kind for name, kind in plain.items()}}])
    chosen = [
        f"TRY_CAST(t.{quoted(name)} AS TIMESTAMPTZ) AT TIME ZONE 'UTC' AS {quoted(name)}"
        if column.type == "timestamp"
        else f"t.{quoted(name)} AS {quoted(name)}"
        for name, column in columns.items()
    ]
    gaps = f"CASE WHEN t._why IS NULL THEN {NO_GAPS} ELSE MAP(['{SILENCE_PART}'], [t._why]) END"
    for start in range(0, len(rows), ROWS_AT_ONCE):
        given = [
            {
                **row.values,
                "target": row.target,
                "region": row.region,
                "key": row.key,
                "_fact": fact_id(view, row.target, row.region, row.key),
                "_why": why or None,
            }
            for row, why in rows[start : start + ROWS_AT_ONCE]
        ]
        store.run(
            f"INSERT INTO {quoted(view)} BY NAME SELECT t.target, t.region, t.key, TIMESTAMP '{store.scan_time}' AS scan_time,"
            f" t._fact AS _fact, NULL AS _ghost, {gaps} AS _gaps,"
            f" false AS _shadow, {', '.join(chosen)} FROM (SELECT unnest(from_json(?, {literal(shape)})) AS t)",
            [msgspec.json.encode(given).decode()],
        )
