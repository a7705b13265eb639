"""What content reads of the items of a listing: a wing that is asked for parts of an item, or unpacks it itself, takes no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cnamm_scan import paths
from cnamm_scan.model import Content, Table

_ABOVE = "parent."


def read_of(content: Content, table: Table) -> Iterator[str]:
    """The paths into an item that a table reads, and the tables that are listed for each of its items, however far beneath."""
    own = [*_own(table, _hops(table)), *([table.each] if table.each else [])]
    for call in table.then.values():
        own += [*call.with_.values(), *call.many.values()]
    own += [*table.normalise, *(text for text in (table.list.in_region, table.list.target) if text)]
    own += _beneath(content, table, 1)
    yield from (text for text in own if not text.startswith("$") and paths.parse(text).head not in table.then)


def _beneath(content: Content, table: Table, steps: int) -> Iterator[str]:
    for child in content.tables.values():
        if child.list.for_ != table.id:
            continue
        yield from _up(child.list.with_.values(), steps)
        yield from _own(child, steps + _hops(child))
        for call in child.then.values():
            yield from _up([*call.with_.values(), *call.many.values()], steps)
        yield from _beneath(content, child, steps + 1)


def _own(table: Table, above: int) -> Iterator[str]:
    """What columns and keys say of an item that is so many steps above them."""
    keys = [piece.partition("}")[0] for piece in table.key.split("{")[1:]]
    dated = [table.as_of] if table.as_of else []
    yield from _up([*(column.path for column in table.columns.values() if column.path), *keys, *dated], above)


def _up(texts: Iterable[str], steps: int) -> Iterator[str]:
    """Those that lead so many steps up and no further, as the item there sees them."""
    for text in texts:
        if text.startswith(_ABOVE * steps) and not text.removeprefix(_ABOVE * steps).startswith(_ABOVE):
            yield text.removeprefix(_ABOVE * steps)


def _hops(table: Table) -> int:
    return table.each.count("[]") if table.each else 0
