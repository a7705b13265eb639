"""Settings of Cloud Identity: which of several policies counts for everybody, and which for some people alone.

Of the policies that are of somebody the one with the greatest sort order counts, for each field of the settings that are read here (the
reducer MAX): https://docs.cloud.google.com/identity/docs/concepts/policy-api-concepts
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Json = Any

_OF_A_UNIT = re.compile(r"entity\.org_units\.exists\(\s*(\w+)\s*,\s*\1\.org_unit_id\s*==\s*orgUnitId\(\s*['\"]([^'\"]+)['\"]\s*\)\s*\)")


@dataclass(frozen=True, slots=True)
class Setting:
    """What one policy says of one setting, and of whom."""

    unit: str
    """orgUnits/ID: whoever is in it, or in a unit beneath."""
    group: str
    """groups/ID, or empty."""
    query: str
    order: float | None
    is_system: bool
    """Whether Google gives it, and no administrator wrote it."""
    value: Json

    @property
    def is_of_a_unit(self) -> bool:
        """Whether it is of everybody in its unit, whatever groups he is in and licenses he has."""
        if self.group or not self.unit:
            return False
        found = _OF_A_UNIT.fullmatch(self.query.strip())
        return not self.query.strip() or (found is not None and found[2] == self.unit.rpartition("/")[2])

    @property
    def whom(self) -> str:
        """Of whom it is, in words."""
        kind, of = ("group", self.group) if self.group else ("organizational unit", self.unit)
        return f"{kind} {of.rpartition('/')[2]}" if of else "people whom a query names"


def top(settings: Iterable[Setting]) -> str | None:
    """The unit in which everybody is: what Google gives is set there. None where that is not told, or told in two ways."""
    found = {each.unit for each in settings if each.is_system and each.unit and not each.group}
    return found.pop() if len(found) == 1 else None


def for_everybody(settings: Sequence[Setting], unit: str | None) -> Setting | None:
    """The policy that counts for everybody of whom no other is; None where it cannot be told."""
    if unit is None or any(each.order is None for each in settings):
        return None
    own = [each for each in settings if each.unit == unit and not each.group]
    written = [each for each in own if not each.is_system and each.is_of_a_unit]
    given = [each for each in own if each.is_system]
    if written:
        best = max(written, key=_order)
        return best if all(_order(each) < _order(best) for each in given) else None
    # of what Google gives by license each has another
    same = given and all(each.value == given[0].value for each in given) and any(each.is_of_a_unit for each in given)
    return given[0] if same else None


def _order(setting: Setting) -> float:
    return setting.order if setting.order is not None else float("inf")
