"""What a person may say of Google Cloud, and how it must be written: projects, folders, organisations, addresses."""

from __future__ import annotations

import re

_PROJECT = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,99}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d{1,20}", re.ASCII)
"""A project's id, with the domain of old ones before it, or its number."""
_ABOVE = re.compile(r"(?:folders|organizations)/\d{1,20}", re.ASCII)


def scope_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with what follows the colon of a TARGET."""
    if not name or _PROJECT.fullmatch(name.removeprefix("projects/")) or _ABOVE.fullmatch(name):
        return None
    return "neither a project nor what is above one", "write gcp:PROJECT, gcp:folders/NUMBER or gcp:organizations/NUMBER"


def parent_of(name: str) -> str:
    """The scope as Google writes it: `projects/ID`, `folders/N`, `organizations/N`."""
    return name if "/" in name else f"projects/{name}"
