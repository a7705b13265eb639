"""What is above a target: its folders and its organization, and whether what is set on them was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cnamm_scan.model import Target
from cnamm_scan.providers.interface import SeenTables

PROJECT = "gcp.project.project"
FOLDER = "gcp.folder.folder"
LEVELS = ("projects", "folders", "organizations")


@dataclass(frozen=True, slots=True)
class Level:
    """A project, folder or organization in the line above a target, the target itself first."""

    name: str
    """projects/111, folders/5, organizations/9."""
    target: str | None
    """The id of the target that things set on it belong to; None where nothing of it is scanned."""

    @property
    def kind(self) -> str:
        """projects, folders or organizations."""
        return self.name.partition("/")[0]


class Hierarchy:
    """The line above each target of a scan."""

    def __init__(self, seen: SeenTables) -> None:
        self._seen = seen

    @cached_property
    def _targets(self) -> Mapping[str, str]:
        """What is above projects -> the target that its things belong to: its own, or that of the whole for a folder in between."""
        found = {row.values["id"]: row.target for row in self._seen.rows(FOLDER) if row.values.get("id")}
        return {**found, **{each.name: each.id for each in self._seen.targets if is_above(each.name)}}

    @cached_property
    def _lines(self) -> Mapping[str, Sequence[str]]:
        """Target -> names, nearest first."""
        found: dict[str, Sequence[str]] = {}
        for row in self._seen.rows(PROJECT):
            if row.values.get("ancestors"):
                found[row.target] = row.values["ancestors"]
        for row in self._seen.rows(FOLDER):
            own = row.values.get("id")
            if own and row.values.get("ancestors") and self._targets.get(own) == row.target and not self._is_between(own):
                found[row.target] = row.values["ancestors"]
        for each in self._seen.targets:
            if each.name.startswith("organizations/"):
                found[each.id] = (each.name,)
        return found

    def _is_between(self, folder: str) -> bool:
        return not any(each.name == folder for each in self._seen.targets)

    def place(self, resource: str, target: str) -> str:
        """A level as it is called in lines: by the project's number, however it was written."""
        line = self._lines.get(target)
        return line[0] if line and resource.startswith("projects/") and line[0].startswith("projects/") else resource

    def above(self, target: Target) -> Sequence[Level] | None:
        """The line above a target, itself first; None where it was not read."""
        names = self._lines.get(target.id)
        if names is None:
            return None
        return [Level(name, target.id if at == 0 else self._targets.get(name)) for at, name in enumerate(names)]

    def shows(self, table: str, level: Level) -> bool:
        """Whether all that a table has of a level was seen."""
        return level.target is not None and not self._seen.dark(table, level.target)

    def shows_all(self, table: str, line: Sequence[Level] | None) -> bool:
        """Whether all that a table has of each level was seen."""
        return line is not None and all(self.shows(table, each) for each in line)


def is_above(name: str) -> bool:
    """Whether a target is a folder or an organization."""
    return name.startswith(("folders/", "organizations/"))


def kind_of(target: Target) -> str:
    """projects, folders or organizations."""
    return target.name.partition("/")[0] if is_above(target.name) else "projects"
