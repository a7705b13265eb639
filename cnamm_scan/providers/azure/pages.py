"""Listings that the wing itself needs: whole, page by page, before any collector asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from cnamm_scan.model import Reason
from cnamm_scan.providers.azure.answers import document_of
from cnamm_scan.providers.azure.link import Link
from cnamm_scan.providers.bounds import PAGES
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.reading import Within
from cnamm_scan.providers.transport import asked_again

Json = Any


def listed(link: Link, path: str, target: str = "", *, attempts: int = 1, ends: float | None = None) -> Iterator[Mapping[str, Json]]:
    """Every object of a listing. Raises CallFailedError, after so many attempts at one page where asking again may help."""
    following, seen = path, set[str]()
    while following:
        if following in seen or len(seen) >= PAGES:
            raise CallFailedError(Reason.TRUNCATED, "SameTokenAgain")
        seen.add(following)
        body = asked_again(partial(_page, link, following, target, ends), attempts)
        values = body.get("value")
        if not isinstance(values, list):
            raise CallFailedError(Reason.MALFORMED, "NoList", retry=True)
        yield from (each for each in values if isinstance(each, dict))
        following = link.path_of(str(body["nextLink"])) if body.get("nextLink") else ""


def _page(link: Link, path: str, target: str, ends: float | None) -> Mapping[str, Json]:
    with Within(link.bounds, ends):
        return document_of(link.get(path, target).body)
