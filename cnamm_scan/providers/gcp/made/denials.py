"""What deny policies refuse on a project, folder or organization: those on it, and those on what is above it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import unquote

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp.made.hierarchy import Hierarchy, Level, kind_of
from cnamm_scan.providers.gcp.policies.rights import Denial
from cnamm_scan.providers.gcp.policies.ways import GIVES
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth, any_of

Json = Any

POLICY = "gcp.iam.deny_policy"
ON_FOLDER = "gcp.folder.deny_policy"
KEYS = "iam.serviceAccountKeys.create"
_SEGMENTS = 6
"""Of policies/cloudresourcemanager.googleapis.com%2Fprojects%2F111/denypolicies/NAME, once it is decoded."""


class Refused(NamedTuple):
    """What deny policies refuse on a target."""

    rules: tuple[Denial, ...]
    is_whole: bool
    """Whether every policy that was asked for was read. What is above the scan is not asked for."""
    is_all: bool
    """Whether there is no other, above the scan either."""
    facts: tuple[str, ...]


class Denials:
    """The deny policies of a scan."""

    def __init__(self, seen: SeenTables, hierarchy: Hierarchy) -> None:
        self._seen = seen
        self._hierarchy = hierarchy
        self._found: dict[str, Refused] = {}

    @cached_property
    def _by_level(self) -> Mapping[str, Sequence[SeenRow]]:
        """Level -> policies on it. A folder that is scanned for itself tells its own twice, and refuses no more for that."""
        found: dict[str, list[SeenRow]] = {}
        for table in (POLICY, ON_FOLDER):
            for row in self._seen.rows(table):
                found.setdefault(self._hierarchy.place(_attached_to(row.values["name"]), row.target), []).append(row)
        return found

    def on(self, target: Target) -> Refused:
        """What is refused on a target."""
        if target.id not in self._found:
            self._found[target.id] = self._on(target)
        return self._found[target.id]

    def _on(self, target: Target) -> Refused:
        line = self._hierarchy.above(target)
        if line is None:  # its own at least
            rows = [row for those in self._by_level.values() for row in those if row.target == target.id]
            is_whole = is_all = False
        else:
            rows = [row for level in line for row in self._by_level.get(level.name, ())]
            hidden = [self._hides(line[at:]) for at in range(len(line))]
            is_lost = any(row.target in {level.target for level in line} for row in self._by_level.get("", ()))
            is_whole, is_all = True not in hidden and not is_lost, not is_lost and not any(each is not False for each in hidden)
        rules: list[Denial] = []
        for row in rows:
            try:
                rules += _read(row.values["rules"])
            except (TypeError, ValueError):
                is_whole = is_all = False
        return Refused(tuple(rules), is_whole, is_all, tuple(dict.fromkeys(row.fact for row in rows)))

    def _hides(self, line: Sequence[Level]) -> Truth:
        """Whether the first of a line may have policies that were not seen; None where it was not asked for any."""
        level = line[0]
        if level.kind == "projects" or any(each.name == level.name for each in self._seen.targets):
            return None if level.target is None else self._seen.dark(POLICY, level.target)
        asked = next((each.target for each in line if each.target is not None), None)  # with what is above it, whether or not it was seen
        return None if asked is None else self._seen.dark(ON_FOLDER, asked)


def _attached_to(name: str | None) -> str:
    """What a deny policy is attached to: projects/111, folders/5, organizations/9; empty where its name does not say."""
    parts = unquote(name or "").split("/")
    return "/".join(parts[2:4]) if len(parts) == _SEGMENTS else ""


def _read(rules: Json) -> Iterator[Denial]:
    """The rules of a policy. Raises TypeError or ValueError for what is none that is known."""
    if not isinstance(rules, list):
        raise TypeError("rules were not read")
    for each in rules:
        if not isinstance(each, dict) or not isinstance(each.get("denyRule"), dict):
            raise TypeError("a rule does not deny")
        yield Denial.read(each["denyRule"])


def escalation_denied(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each project, folder and organization that is scanned: from what deny policies keep all but whom they name."""
    denials = Denials(seen, Hierarchy(seen))
    for target in seen.targets:
        refused = denials.on(target)
        values = {
            "place": target.name,
            "denies_granting": _denies(refused, GIVES[kind_of(target)]),
            "denies_keys": _denies(refused, KEYS),
        }
        yield MadeRow(target.id, "global", target.name, values, refused.facts)


def _denies(refused: Refused, permission: str) -> Truth:
    found = any_of(each.refuses_all_but_some(permission) for each in refused.rules)
    return None if found is False and not refused.is_all else found
