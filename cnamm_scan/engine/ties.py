"""Which places of a table a row of a SELECT looks at: its own, those that the SELECT names, or all. Read from what is joined and asked.

A table that was not read in one namespace says nothing less of another one, as long as the rows of both never meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.engine.doubt import NOTHING, Tables
from cnamm_scan.engine.parser import Node, conjuncts, nodes
from cnamm_scan.engine.terms import Relation, Scope, names_of
from cnamm_scan.model import ROOM

TIES = ("target", "region", ROOM)
Named = tuple[str, str]
"""(alias, column)."""


@dataclass(slots=True)
class Asked:
    """What one SELECT holds all its rows to."""

    pairs: list[tuple[Node, frozenset[str]]] = field(default_factory=list)
    """`a = b` of columns, each with the aliases that a LEFT JOIN by it leaves empty where it finds nobody; none of an inner join."""
    within: list[tuple[Node, frozenset[str] | None]] = field(default_factory=list)
    """`a = 'x'` and `a IN (…)`, each with the aliases of which it holds; None where it holds of every row, whatever it is joined to."""

    def hear(self, condition: Node | None, new: frozenset[str] | None = None, *, left: bool = False) -> None:
        """Note a condition: that of a WHERE, or that by which `new` aliases are joined."""
        for each in conjuncts(condition):
            if each["type"] == "COMPARE_EQUAL" and each["left"]["class"] == each["right"]["class"] == "COLUMN_REF":
                self.pairs.append((each, new if left and new is not None else frozenset()))
            elif each["type"] in ("COMPARE_EQUAL", "COMPARE_IN"):
                self.within.append((each, new))


@dataclass(frozen=True, slots=True)
class Ties:
    """Of each place the tables whose rows meet only rows of the same one; and the namespaces of others that are looked into by name."""

    tied: Mapping[str, Tables]
    held: Mapping[str, frozenset[str]]


def ties(places: Mapping[str, Named | None], scope: Scope, asked: Asked, select: Node) -> Ties:
    """Those of a SELECT whose columns `places` are these columns of its aliases."""
    aliases = scope.aliases
    tied: dict[str, Tables] = {}
    for place in TIES[:-1]:
        joined = _joined(places.get(place), place, scope, asked)
        untied = NOTHING.union(*(each.tables - each.tied.get(place, NOTHING) for alias, each in aliases.items() if alias in joined))
        untied |= NOTHING.union(*(each.tables for alias, each in aliases.items() if alias not in joined))
        tied[place] = NOTHING.union(*(aliases[alias].tied.get(place, NOTHING) for alias in joined)) - untied
    rooms = _Rooms(scope, asked, _joined(places.get(ROOM), ROOM, scope, asked))
    if any(each.get("class") in ("SUBQUERY", "WINDOW") for each in nodes(select)):
        return Ties({**tied, ROOM: NOTHING}, {})  # it looks at rows that are joined to none
    found = rooms.of_tables()
    return Ties({**tied, ROOM: frozenset(found.own)}, found.held)


def united(several: Sequence[Relation], tables: Tables) -> Ties:
    """Those of SELECTs that are united: a table is bound to what it is bound to in each of those that read it."""
    tied = {
        place: frozenset(
            table for table in tables if all(table in each.tied.get(place, NOTHING) for each in several if table in each.tables)
        )
        for place in TIES[:-1]
    }
    found = _Found()
    for each in several:
        for table in each.tables:
            found.add(table, own=table in each.tied.get(ROOM, NOTHING), held=each.held.get(table))
    return Ties({**tied, ROOM: frozenset(found.own)}, found.held)


def _joined(start: Named | None, place: str, scope: Scope, asked: Asked) -> frozenset[str]:
    """The aliases whose rows stand in the same place as those of the column that a SELECT gives as its own."""
    if start is None or start[1] != place:
        return frozenset()
    return _same({start[0]: True}, place, scope, asked)


def _same(start: Mapping[str, bool], place: str, scope: Scope, asked: Asked) -> frozenset[str]:
    """The aliases that are joined to these by a place; of each of these whether it has a row wherever it matters."""
    pairs = []
    for each, empty in asked.pairs:
        sides = [scope.place(names_of(side)) for side in (each["left"], each["right"])]
        if sides[0] is not None and sides[1] is not None and sides[0][1] == sides[1][1] == place:
            pairs += [(sides[0][0], sides[1][0], empty), (sides[1][0], sides[0][0], empty)]
    found, grown = dict(start), True
    while grown:
        grown = False
        for one, other, empty in pairs:
            if one not in found or (one in empty and not found[one]):
                continue  # where nobody was found the join says nothing of those that looked
            is_there = found[one] and other not in empty
            if found.get(other) is None or (is_there and not found[other]):
                found[other] = is_there
                grown = True
    return frozenset(found)


@dataclass(slots=True)
class _Found:
    """Tables that are bound to namespaces, as far as each reading of them goes."""

    own: set[str] = field(default_factory=set)
    held: dict[str, frozenset[str]] = field(default_factory=dict)
    free: set[str] = field(default_factory=set)

    def add(self, table: str, *, own: bool, held: frozenset[str] | None) -> None:
        if table in self.free or not (own or held is not None):
            self.free.add(table)
            self.own.discard(table)
            self.held.pop(table, None)
            return
        if own:
            self.own.add(table)
        if held is not None:
            self.held[table] = self.held.get(table, frozenset()) | held


@dataclass(slots=True)
class _Rooms:
    """The namespaces in which the rows of each alias can stand."""

    scope: Scope
    asked: Asked
    joined: frozenset[str]
    """Those that stand in the row's own."""
    also: set[str] = field(default_factory=set)
    """Those that may stand in it, or in one that is named."""
    named: dict[str, frozenset[str]] = field(default_factory=dict)

    def of_tables(self) -> _Found:
        """What each table is bound to, over all aliases."""
        for each, of in self.asked.within:
            self._bind(each, of)
        found = _Found()
        for alias, relation in self.scope.aliases.items():
            own = alias in self.joined or alias in self.also
            named = self.named.get(alias)
            for table in relation.tables:
                held = relation.held.get(table)
                if table in relation.tied.get(ROOM, NOTHING):
                    if not own and named is None:
                        found.add(table, own=False, held=None)
                        continue
                    held = named if held is None else held | (named or frozenset())
                    found.add(table, own=own, held=held)
                else:
                    found.add(table, own=False, held=held)
        return found

    def _bind(self, condition: Node, of: frozenset[str] | None) -> None:
        first, *others = condition["children"] if condition["type"] == "COMPARE_IN" else (condition["left"], condition["right"])
        if first["class"] == "CONSTANT" and len(others) == 1:
            first, others = others[0], [first]
        place = self._room(first)
        if place is None or place in self.joined or (of is not None and place not in of):
            return
        named, is_own = set(), False
        for each in others:
            if each["class"] == "CONSTANT" and each["literal"].get("kind") == "STRING":
                named.add(str(each["literal"]["text"]))
            elif self._room(each) in self.joined:
                is_own = True
            else:
                return
        alike = {place}
        if of is None and not is_own:
            alike = set(_same({place: True}, ROOM, self.scope, self.asked)) - self.joined
        for alias in alike:
            if alias not in self.named:
                self.named[alias] = frozenset(named)
                self.also |= {alias} if is_own else set()

    def _room(self, node: Any) -> str | None:
        """The alias whose namespace an expression is."""
        place = self.scope.place(names_of(node)) if node["class"] == "COLUMN_REF" else None
        return place[0] if place is not None and place[1] == ROOM else None
