"""At Google's door: whether who asks is let in, and which projects a TARGET means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from cnamm_scan.errors import ProviderError, UsageError
from cnamm_scan.model import Reason
from cnamm_scan.providers.bounds import PAGES
from cnamm_scan.providers.gcp.inventory import Page
from cnamm_scan.providers.gcp.link import Link
from cnamm_scan.providers.gcp.needs import Assets, asked
from cnamm_scan.providers.interface import Answer, CallFailedError, NotYetError
from cnamm_scan.providers.transport import asked_again

Json = Any

ATTEMPTS = 3
PROJECT = "cloudresourcemanager.googleapis.com/Project"
_ACTIVE = "ACTIVE"
_NAMES, _STATES = ("displayName", "name"), ("state", "lifecycleState")
"""Members of its object in either version of its API: v3 first, whose `name` is another thing."""


@dataclass(frozen=True, slots=True)
class Project:
    """One project as Asset Inventory shows it."""

    id: str
    number: str
    name: str = ""
    state: str = ""
    above: tuple[str, ...] = ()
    """The folders above it and the organization, nearest first."""


def projects_in(link: Link) -> list[Project]:
    """Every project of the scope, also those that are about to be gone, in order of their ids. Raises CallFailedError."""
    found = {}
    for document in _listed(link):
        project = _project(document)
        if project is None:  # what is in it would be nobody's
            raise CallFailedError(Reason.MALFORMED, "NoProject")
        found[project.id] = project
    return [found[id_] for id_ in sorted(found)]


def _listed(link: Link) -> Iterator[Mapping[str, Json]]:
    meant = asked("asset", PROJECT)
    assert isinstance(meant, Assets)
    page: Page | None = Page()
    seen = set[Page]()
    while page is not None:
        if page in seen or len(seen) >= PAGES:
            raise CallFailedError(Reason.TRUNCATED, "SameTokenAgain")
        seen.add(page)
        answer = asked_again(partial(_page, link, meant, page), ATTEMPTS)
        if answer.dark or answer.left_out:
            raise CallFailedError(Reason.TRUNCATED, "AssetTruncated")
        assert answer.decode is not None
        try:
            yield from map(answer.decode, answer.data["assets"])
        except ValueError as error:
            raise CallFailedError(Reason.MALFORMED, "NoProject") from error
        page = answer.next_page


def _page(link: Link, assets: Assets, page: Page) -> Answer:
    try:
        return link.assets(assets, page, None)
    except NotYetError as failure:  # nobody waits a minute before anything was said
        raise CallFailedError(Reason.THROTTLED, failure.code, failure.message) from failure


def _project(document: Mapping[str, Json]) -> Project | None:
    """A project, in either version of its API; None for what is none."""
    data = (document.get("resource") or {}).get("data") or {}
    number = next((each.removeprefix("projects/") for each in document["ancestors"] if each.startswith("projects/")), "")
    number = number or str(data.get("projectNumber") or "")
    id_ = data.get("projectId")
    if not isinstance(id_, str) or not id_ or not number:
        return None
    name, state = data.get("displayName") or data.get("name") or "", data.get("lifecycleState") or data.get("state") or ""
    above = tuple(each for each in document["ancestors"] if not each.startswith("projects/"))
    return Project(id_, number, str(name), str(state), above)


def chosen(projects: list[Project], name: str, where: str) -> tuple[list[Project], list[Project]]:
    """(those that are read, those of the scope that are about to be gone). Raises UsageError or ProviderError where none is left."""
    is_above = "/" in name
    if not is_above:
        projects = [each for each in projects if name in (each.id, each.number)]
        if not projects:
            raise ProviderError(
                f"Asset Inventory does not know the project {name}",
                where=where,
                do="check its id; of a new one it knows after some minutes",
            )
    gone = [each for each in projects if each.state not in (_ACTIVE, "")]
    if not is_above and gone:
        raise UsageError(f"the project {name} is about to be deleted ({gone[0].state})", where=where, do="name another, or restore it")
    return [each for each in projects if each.state in (_ACTIVE, "")], gone
