"""What a SELECT asks of its rows outright: unread rows of which it is known that they do not have it are no matter of it.

Who leaves the platform's own namespaces out of a scan hides nothing of a view that is about applications.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.engine.parser import Node, conjuncts

Need = tuple[str, str, bool]
"""(alias, column, what it has to be); an empty alias where a SELECT reads one table alone."""
NO_NEEDS: frozenset[Need] = frozenset()


def needs(condition: Node | None, *, is_alone: bool = False) -> frozenset[Need]:
    """The columns that have to be true, or false, for a condition to hold. `is_alone`: a plain name is a column of the only table."""
    found = set()
    for each in conjuncts(condition):
        is_not = each["type"] == "OPERATOR_NOT"
        column = each["children"][0] if is_not else each
        if column["class"] == "COLUMN_REF":
            names = [str(name).lower() for name in column["column_names"]]
            if len(names) == 2 or (is_alone and len(names) == 1):
                found.add(("" if len(names) == 1 else names[0], names[-1], not is_not))
    return frozenset(found)


def leaves_out(asked: frozenset[Need], alias: str, known: Mapping[str, bool]) -> bool:
    """Whether rows of an alias of which this is known meet no condition that asks so."""
    return any(whose in ("", alias) and column in known and known[column] is not wanted for whose, column, wanted in asked)
