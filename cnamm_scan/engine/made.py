"""Tables that a wing's function makes: what SQL cannot say of collected facts, such as what a policy means.

Made when facts are loaded, in a scan and again whenever a bundle is judged, so that a better function judges old bundles too. A row says
which facts it rests on, and a value is None where they leave it open.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec

from cnamm_scan.content import columns_of
from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.extract import gap_key, literal
from cnamm_scan.engine.sql import expand, quoted
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.views import ROWS_AT_ONCE, fill
from cnamm_scan.model import SILENCE_PART, Content, MadeRow, Target, View
from cnamm_scan.providers.interface import Maker, SeenGroup, SeenRow

Heard = Callable[[str, MadeRow], None]
"""Told of each row as it is made: (view, row). The evidence writer keeps it."""


@dataclass(frozen=True, slots=True)
class Makers:
    """The functions of the wings, and who hears what they make."""

    functions: Mapping[str, Maker]
    """(provider, name) as `provider:name` -> the function."""
    targets: Sequence[Target]
    heard: Heard | None = None

    def fill(self, store: Store, view: View) -> None:
        """Make a view's rows and put them in. Raises StoreError when its function breaks: the view is then unknown everywhere."""
        assert view.made is not None
        seen = _Seen(store, view, self.targets)
        columns = {name: column.type for name, column in view.columns.items()}
        rows = self._made(store.content, view, seen, columns)
        try:
            while part := list(islice(rows, ROWS_AT_ONCE)):  # memory holds no more; who breaks later is given up with all that went in
                fill(store, view.id, part)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise StoreError(
                f"{view.made.by} broke: {type(error).__name__}: {error}", where=view.id, do="report it with the facts that it read"
            ) from error

    def _made(self, content: Content, view: View, seen: _Seen, columns: Mapping[str, str]) -> Iterator[tuple[MadeRow, str]]:
        assert view.made is not None
        maker = self.functions[f"{view.provider}:{view.made.by}"]
        keys: set[tuple[str, str, str]] = set()
        for row in maker.make(seen):
            place = (row.target, row.region, row.key)
            for name, value in row.values.items():
                if name not in columns:
                    raise ValueError(f"no column {name}")
                if value is not None and not _is(value, columns[name]):
                    raise ValueError(f"{name} of {row.key} is no {columns[name]}")
            if place in keys:
                raise ValueError(f"two rows of {row.key}")
            keys.add(place)
            if self.heard is not None:
                self.heard(view.id, row)
            yield row, seen.reason(row.rests_on) if any(row.values.get(name) is None for name in columns) else ""


class _Documents(dict[str, Any]):
    """Text -> the document that it is: thousands of rows say the same, and it is read and kept once."""

    def __missing__(self, text: str) -> Any:
        found = self[text] = msgspec.json.decode(text)
        return found


class _Seen:
    """The collected tables as a maker reads them."""

    def __init__(self, store: Store, view: View, targets: Sequence[Target]) -> None:
        assert view.made is not None
        self.targets: Sequence[Target] = tuple(target for target in targets if target.provider == view.provider)
        self.over: Sequence[str] = view.made.over
        self.now = datetime.fromisoformat(store.scan_time).replace(tzinfo=UTC)
        self._store = store
        self.reads: Mapping[str, Sequence[str]] = view.made.reads
        self._rows: dict[str, tuple[SeenRow, ...]] = {}
        self._reasons: dict[str, str] = {}
        self._dark: dict[str, Mapping[tuple[str, str | None], frozenset[str]]] = {}

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table, in order of target, region and key."""
        if table not in self._rows:
            self._rows[table] = tuple(self._read(table))
        return self._rows[table]

    def _read(self, table: str) -> Iterator[SeenRow]:
        if self._store.unread(table) is not None:
            return
        row = self._row(table)
        sql = (
            f"SELECT target, COALESCE(region, ''), key, _fact, {self._gaps(table)}{self._columns(table)}"
            f" FROM {quoted(table)} WHERE _ghost IS NULL AND key IS NOT NULL ORDER BY 1, 2, 3, 4"
        )
        for target, region, key, fact, reason, *values in self._store.rows(sql):
            yield row(target, (region, key, fact, reason), values)

    def groups(self, table: str) -> Sequence[SeenGroup]:
        """Rows that are alike as one, in the order of the first of each. Only the first of a group becomes an object here."""
        if self._store.unread(table) is not None:
            return ()
        row, columns = self._row(table), self._columns(table)
        sql = (
            f"SELECT target, min({{'region': COALESCE(region, ''), 'key': key, 'fact': _fact, 'reason': {self._gaps(table)}}}), count(*)"
            f"{columns} FROM {quoted(table)} WHERE _ghost IS NULL AND key IS NOT NULL GROUP BY target{columns} ORDER BY 1, 2"
        )
        return [SeenGroup(row(target, tuple(first.values()), values), count) for target, first, count, *values in self._store.rows(sql)]

    def _columns(self, table: str) -> str:
        return "".join(f", {quoted(name)}" for name in self.reads[table])

    def _gaps(self, table: str) -> str:
        """Why something of a row was not read; empty when nothing was in the way."""
        parts = [f"_gaps[{literal(part)}]" for part in _heads(self._store.content, table, self.reads[table])]
        return f"COALESCE({', '.join(parts)}, '')"

    def _row(self, table: str) -> Callable[[str, tuple[str, str, str, str], Sequence[Any]], SeenRow]:
        """Makes a row of (target, (region, key, fact, reason), values), and remembers the reason."""
        names, kinds = self.reads[table], columns_of(self._store.content, table)
        whole = {name for name in names if kinds[name].type == "json"}
        documents = _Documents()

        def made(target: str, place: tuple[str, str, str, str], values: Sequence[Any]) -> SeenRow:
            region, key, fact, reason = place
            if reason:
                self._reasons[fact] = reason
            pairs = zip(names, values, strict=True)
            given = {name: documents[value] if name in whole and value is not None else value for name, value in pairs}
            return SeenRow(target, region, key, fact, given)

        return made

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        """Whether more of a table may be there than was seen: in a target, or in a region of it."""
        places = self._missing(table)
        return (target, region) in places or ("", None) in places

    def why(self, table: str, target: str) -> frozenset[str]:
        """Why more of a table may be there in a target: every reason, by its word; empty where it was read whole."""
        places = self._missing(table)
        return places.get((target, None), frozenset()) | places.get(("", None), frozenset())

    def _missing(self, table: str) -> Mapping[tuple[str, str | None], frozenset[str]]:
        """(target, region), and (target, None) for any of its regions -> why more may be there."""
        if table not in self._dark:
            found: dict[tuple[str, str | None], set[str]] = {}
            for target, region, reason in self._unread(table):
                found.setdefault((target, region), set()).add(reason)
                found.setdefault((target, None), set()).add(reason)
            self._dark[table] = {place: frozenset(reasons) for place, reasons in found.items()}
        return self._dark[table]

    def _unread(self, table: str) -> Iterator[tuple[Any, ...]]:
        rows = self._store.unread(table)
        if rows is None:
            return self._store.rows(f"SELECT target, region, _ghost FROM {quoted(table)} WHERE _ghost IS NOT NULL")
        return ((row.target, row.region, row.why) for row in rows)

    def reason(self, facts: Sequence[str]) -> str:
        """Why one of these facts was not read whole; empty when nothing was in the way."""
        return next((self._reasons[fact] for fact in facts if fact in self._reasons), "")


def _is(value: Any, kind: str) -> bool:
    """Whether a value is of a column's type: a database would round or cut what is not."""
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "list":
            return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        case "json":
            return True
        case _:
            return isinstance(value, str)


def _heads(content: Content, table: str, columns: Sequence[str]) -> list[str]:
    """The names under which a fact's gaps would tell that one of the columns was not read."""
    spec = content.tables.get(table)
    paths = [spec.columns[name].path for name in expand(content, table, columns) if name in spec.columns] if spec else []
    return [*sorted({gap_key(path) for path in paths if path}), SILENCE_PART]
