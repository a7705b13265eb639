"""What an expression is worth in the SELECT where it stands: which names mean what there, and what an aggregate of a group rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cnamm_scan.engine.doubt import CERTAIN, FALSE, NOTHING, TRUE, Tables, Worth, combined, together, within
from cnamm_scan.engine.functions import ALLOWED_AGGREGATES, BY_ORDER
from cnamm_scan.engine.parser import Node, children, nodes

_AGGREGATES = (ALLOWED_AGGREGATES | BY_ORDER) - {"coalesce", "nullif", "ifnull", "if", "greatest", "least", "concat", "unnest"}


class CannotTellError(Exception):
    """A SELECT of a form that is not read here: where a table beneath is dark none of its rows is certain."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows that a FROM, a WITH or a whole SELECT makes."""

    columns: Mapping[str, Worth]
    tables: Tables
    """All that are read."""
    adds: Tables
    """Those whose unread rows could add rows."""
    loses: Tables = NOTHING
    """Those whose unread rows could take away rows that were found."""
    repeats: Tables = NOTHING
    """Those whose unread rows could change how often a row comes."""
    tied: Mapping[str, Tables] = field(default_factory=dict)
    """`target`, `region`, `namespace` -> the tables whose darkness in one touches only rows of the same."""
    held: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Table -> namespaces that are named: its darkness in these touches every row, and else that in a row's own alone, where it is tied."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Column -> the table whose key it is, at most one row of this relation for each row of that table but for what `repeats`."""
    unique: frozenset[str] | None = None
    """Columns of which no two rows say the same, whatever was not read; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean in one SELECT."""

    aliases: Mapping[str, Relation]
    """In the order of FROM, small letters."""
    everything: Tables
    """All that the whole view reads: a query within an expression may hang on any of it."""
    said: Mapping[str, Worth] = field(default_factory=dict)
    """Names that the SELECT gives."""
    grouped: Grouped | None = None
    lambdas: frozenset[str] = frozenset()

    def named(self, names: Sequence[str]) -> Worth:
        """The worth of a column; of what is not found, that of everything."""
        low = [name.lower() for name in names]
        found = self.place(low)
        if found is not None:
            alias, column = found
            return self.aliases[alias].columns[column]
        if low[0] in self.lambdas:
            return CERTAIN
        if low[0] in self.said:
            return self.said[low[0]]
        return Worth(NOTHING.union(*(each.tables for each in self.aliases.values())), None)

    def place(self, low: Sequence[str]) -> tuple[str, str] | None:
        """(alias, column) of a name."""
        if len(low) > 1 and low[0] in self.aliases and low[1] in self.aliases[low[0]].columns:
            return low[0], low[1]
        # a parameter of a lambda that is called as a column is taken for the column: the doubt of more
        holders = [alias for alias, each in self.aliases.items() if low[0] in each.columns]
        return (holders[0], low[0]) if holders else None


@dataclass(frozen=True, slots=True)
class Grouped:
    """A grouping: what an aggregate of it rests on."""

    tables: Tables
    """Those whose darkness could bring more rows into a group, or more of the same."""
    loses: Tables
    fixed: frozenset[str]
    """Aliases of which a group has one row."""


def worth(node: Node, scope: Scope) -> Worth:
    """What an expression of a SELECT is worth. Raises CannotTellError."""
    kind, operator = str(node["class"]), str(node["type"])
    if kind in ("CONSTANT", "TYPE"):
        return CERTAIN
    if kind == "COLUMN_REF":
        return scope.named(node["column_names"])
    if kind == "LAMBDA":
        left = node["lhs"]
        named = {str(each["column_names"][0]).lower() for each in nodes(left) if each.get("class") == "COLUMN_REF"}
        if node.get("syntax_type") == "SINGLE_ARROW":
            return together([worth(left, scope), worth(node["expr"], scope)])
        return worth(node["expr"], replace(scope, lambdas=scope.lambdas | named))
    if kind in ("SUBQUERY", "WINDOW"):
        return Worth(scope.everything, None)
    if kind == "FUNCTION" and str(node["function_name"]).lower() in _AGGREGATES:
        return _aggregate(node, scope)
    parts = [worth(each, scope) for each in children(node)]
    if all(part.is_certain for part in parts):
        return CERTAIN
    return combined(node, kind, operator, parts)


def _aggregate(node: Node, scope: Scope) -> Worth:
    """Of a group: what more rows could make of it."""
    if scope.grouped is None:
        raise CannotTellError("an aggregate where nothing is grouped")
    own = replace(scope, grouped=None)
    name = str(node["function_name"]).lower()
    arguments = [each["expression"] for each in node["arguments"]]
    kept = worth(node["filter"], own) if node.get("filter") is not None else CERTAIN
    parts = [worth(each, own) for each in arguments]
    refs = [each for each in nodes([*arguments, node.get("filter")]) if each.get("class") == "COLUMN_REF"]
    places = [own.place(names_of(ref)) for ref in refs]
    if (
        name in ("min", "max", "any_value", "bool_or", "bool_and", "first")
        and refs
        and all(p and p[0] in scope.grouped.fixed for p in places)
    ):
        return together([*parts, kept])  # the same in each row of the group
    tables = scope.grouped.tables | scope.grouped.loses | kept.tables | NOTHING.union(*(part.tables for part in parts))
    if not tables:
        return CERTAIN
    whole = Worth(tables, None)
    if scope.grouped.loses or not within(kept, FALSE):
        return whole
    part = parts[0] if parts else CERTAIN
    if name in ("count", "count_star", "count_if"):
        if name == "count_if":
            return Worth(tables, None, rises=within(part, FALSE))
        return Worth(tables, None, rises=not parts or part.unsure == frozenset())
    if name == "bool_or" and within(part, FALSE):
        return whole.of(frozenset({FALSE}))
    if name == "bool_and" and within(part, TRUE):
        return whole.of(frozenset({TRUE}))
    return whole


def aggregates(node: Node) -> bool:
    """Whether it asks for something of a group."""
    return any(each.get("class") == "FUNCTION" and str(each["function_name"]).lower() in _AGGREGATES for each in nodes(node))


def names_of(node: Node) -> list[str]:
    """The parts of a column's name, in small letters."""
    return [str(name).lower() for name in node["column_names"]]
