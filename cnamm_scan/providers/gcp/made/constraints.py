"""What organization policies come to on each project, folder and organization: one row for each constraint that is known, or set above."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp.made.hierarchy import Hierarchy, Level
from cnamm_scan.providers.gcp.policies.constraints import BOOLEAN, LISTS, TWINS, UNKNOWN, Effect, Policy, Step, effect, is_rule
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth, any_of, either

POLICY = "gcp.orgpolicy.policy"
EVERYWHERE = "global"


class Policies:
    """The organization policies of a scan, by where they are set."""

    def __init__(self, seen: SeenTables) -> None:
        self._seen = seen
        self.hierarchy = Hierarchy(seen)
        self._set: dict[tuple[str, str], SeenRow] = {}
        self._nameless: set[str] = set()
        for row in seen.rows(POLICY):
            if row.values["resource_id"] and row.values["name"]:
                self._set[self.hierarchy.place(row.values["resource_id"], row.target), row.values["name"]] = row
            else:
                self._nameless.add(row.target)

    def named(self, line: Sequence[Level] | None) -> set[str]:
        """The constraints that have a policy on one of these levels."""
        names = {each.name for each in line or ()}
        return {constraint for level, constraint in self._set if level in names}

    def rows(self, constraint: str, line: Sequence[Level] | None) -> Sequence[SeenRow]:
        """The policies for a constraint on these levels, nearest first."""
        return [row for each in line or () if (row := self._set.get((each.name, constraint))) is not None]

    def effect(self, constraint: str, line: Sequence[Level] | None) -> Effect:
        """What a constraint comes to on the first of these levels."""
        return UNKNOWN if line is None else effect(constraint, [self._step(constraint, each) for each in line])

    def is_tried(self, constraint: str, line: Sequence[Level] | None) -> Truth:
        """Whether a dry run of it is set on one of these levels."""
        if line is None:
            return None
        found = any_of(row.values["has_dry_run"] for row in self.rows(constraint, line))
        return found if found is True or all(self._step(constraint, each) is not None for each in line) else None

    def sees_all(self, line: Sequence[Level] | None) -> bool:
        """Whether every policy on these levels was seen."""
        return self.hierarchy.shows_all(POLICY, line) and not any(each.target in self._nameless for each in line or ())

    def _step(self, constraint: str, level: Level) -> Step | str:
        row = self._set.get((level.name, constraint))
        if row is not None:
            values: Mapping[str, Any] = row.values
            rules = values["rules"]
            is_read = isinstance(rules, list) and all(map(is_rule, rules))
            return Policy(level.name, rules if is_read else None, values["inherits"], values["resets"], values["has_spec"])
        is_seen = self.hierarchy.shows(POLICY, level) and level.target not in self._nameless
        return "none" if is_seen else None


def constraints(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each constraint on each project, folder and organization."""
    policies = Policies(seen)
    for target in seen.targets:
        yield from _rows(policies, target)


def _rows(policies: Policies, target: Target) -> Iterator[MadeRow]:
    line = policies.hierarchy.above(target)
    for constraint in sorted(BOOLEAN | LISTS | policies.named(line)):
        found, twin = policies.effect(constraint, line), TWINS.get(constraint)
        values = {
            "name": constraint,
            "is_enforced": found.is_enforced,
            "is_covered": either(found.is_enforced, policies.effect(twin, line).is_enforced) if twin else found.is_enforced,
            "is_partly": found.is_partly,
            "denies_all": found.denies_all,
            "allowed": None if found.allowed is None else list(found.allowed),
            "denied": None if found.denied is None else list(found.denied),
            "set_on": found.set_on,
            "is_tried": policies.is_tried(constraint, line),
            "is_seen": policies.sees_all(line) or None,
        }
        yield MadeRow(target.id, EVERYWHERE, constraint, values, tuple(row.fact for row in policies.rows(constraint, line)))
