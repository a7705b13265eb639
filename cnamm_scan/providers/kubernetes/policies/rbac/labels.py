"""Label selectors as aggregation rules use them: matchLabels and matchExpressions, all of which must hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector. `tests` are (key, operator, values); `is_readable` is False where it has another form."""

    tests: tuple[tuple[str, str, frozenset[str]], ...] = ()
    is_readable: bool = True

    @classmethod
    def of(cls, written: Any) -> Selector:
        """A selector as the API writes it. One without a test selects everything."""
        if not isinstance(written, Mapping):
            return cls(is_readable=False)
        equal, others = written.get("matchLabels") or {}, written.get("matchExpressions") or []
        if not isinstance(equal, Mapping) or not isinstance(others, list):
            return cls(is_readable=False)
        tests = [(str(key), "In", frozenset({str(value)})) for key, value in equal.items()]
        for each in others:
            if not isinstance(each, Mapping) or each.get("operator") not in _OPERATORS or not isinstance(each.get("key"), str):
                return cls(is_readable=False)
            values = each.get("values") or []
            if not isinstance(values, list) or (each["operator"] in ("In", "NotIn")) != bool(values):
                return cls(is_readable=False)  # the server refuses lists that are missing, and lists that mean nothing
            tests.append((each["key"], each["operator"], frozenset(map(str, values))))
        return cls(tuple(tests))

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether all its tests hold of these labels."""
        return self.is_readable and all(_OPERATORS[operator](labels.get(key), values) for key, operator, values in self.tests)


_OPERATORS = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
}
