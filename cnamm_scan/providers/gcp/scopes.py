"""What a person may say of Google Cloud, and how it must be written: projects, folders, organisations, addresses."""

from __future__ import annotations

import re

_PROJECT = re.compile(r"(?:[a-z0-9][a-z0-9.-]{0,99}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]|\d{1,20}", re.ASCII)
"""A project's id, with the domain of old ones before it, or its number."""
_ABOVE = re.compile(r"(?:folders|organizations)/\d{1,20}", re.ASCII)
_NUMBERS = {
    "organizations": "; its number is in gcloud organizations list",
    "folders": "; its number is in gcloud resource-manager folders list --organization NUMBER",
}
"""Where a number is found, by what stands before it; ids of projects people know."""

_ADMIN = re.compile(r"[^@\s]{1,128}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)
_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9.-]{0,127}@[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)


def scope_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with what follows the colon of a TARGET."""
    if not name or _PROJECT.fullmatch(name.removeprefix("projects/")) or _ABOVE.fullmatch(name):
        return None
    found = _NUMBERS.get(name.partition("/")[0], "")
    return "neither a project nor what is above one", f"write gcp:PROJECT, gcp:folders/NUMBER or gcp:organizations/NUMBER{found}"


def project_problem(said: str) -> tuple[str, str] | None:
    """What is wrong with the project that is to pay."""
    return None if _PROJECT.fullmatch(said) else ("it is no project", "write a project's id or number")


def account_problem(said: str) -> tuple[str, str] | None:
    """What is wrong with the address of a service account."""
    return None if _ACCOUNT.fullmatch(said) else ("it is no address of a service account", "write NAME@PROJECT.iam.gserviceaccount.com")


def scope_has_directory(name: str) -> bool:
    """Whether a directory belongs to what follows the colon of a TARGET: to an organization alone."""
    return name.startswith("organizations/")


def admin_problem(said: str) -> tuple[str, str] | None:
    """What is wrong with the address of an administrator."""
    return None if _ADMIN.fullmatch(said) else ("it is no address", "write that of an administrator of the directory: NAME@DOMAIN")


def parent_of(name: str) -> str:
    """The scope as Google writes it: `projects/ID`, `folders/N`, `organizations/N`."""
    return name if "/" in name else f"projects/{name}"
