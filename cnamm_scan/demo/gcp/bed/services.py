"""The services' own APIs by REST: lists in pages, objects, and what they refuse."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from cnamm_scan.demo.gcp.bed import directory
from cnamm_scan.demo.gcp.bed.contents import MANAGER, Cloud, Listed, Place
from cnamm_scan.demo.gcp.bed.filters import passing
from cnamm_scan.demo.gcp.bed.refusals import Refusal, denied

Json = Any

_LEVELS = frozenset({"projects", "folders", "organizations"})
_ATTACHED = "policies"
"""Of IAM: beneath it stands, as one segment, the full name of what policies are attached to."""
_PREFIXES = {"sqladmin": "cloudsql", "cloudresourcemanager": "resourcemanager"}
"""Service -> the first word of its permissions where that is another."""
_SIZES = ("pageSize", "maxResults")
ENTRIES = "logging/v2/entries:list"


class Services:
    """Answers for one cloud."""

    def __init__(self, cloud: Cloud, page: int = 100) -> None:
        self.cloud = cloud
        self.page = page
        """How many items a page has unless it is told."""

    def answer(self, path: str, query: Mapping[str, str], body: Json = None) -> Json:
        """The answer to a path such as logging/v2/projects/shop-prod/sinks. Raises Refusal."""
        own = self.cloud.canonical(path.strip("/"))
        service, _, rest = own.partition("/")
        segments = rest.split("/")[1:]
        if segments[:1] and segments[0] in _LEVELS and len(segments) > 1:
            self._check(_permission(service, segments), "/".join(segments[:2]).partition(":")[0])
        elif segments[:1] == [_ATTACHED] and len(segments) > 2:
            kind = f"{service}.{segments[2]}.{'list' if len(segments) == 3 else 'get'}"
            self._check(kind, unquote(segments[1]).removeprefix(f"{MANAGER}/"))
        said = self.cloud.answers.get(own)
        if own == ENTRIES:
            return self._paged(_entries(said, body), {name: str(value) for name, value in (body or {}).items()})
        if isinstance(said, Listed):
            if service in directory.WANTED:
                said, query = Listed(said.items, directory.meant(said.each, query, self.cloud.customer)), {**query, "filter": ""}
            return self._paged(said, query)
        if said is not None:
            return said
        if ":" in segments[-1]:
            return {"etag": "ACAB"} if segments[-1].endswith(":getIamPolicy") else {}
        if len([each for at, each in enumerate(segments) if not _is_word(at, each)]) % 2 == 0:
            raise Refusal("NOT_FOUND", f"Resource '{'/'.join(segments)}' was not found.")
        return {}  # a list of nothing

    def _check(self, permission: str, name: str) -> None:
        place: Place | None = self.cloud.place(name)
        if place is None or not self.cloud.may(permission, place.name):
            raise denied(permission, name)

    def _paged(self, said: Listed, query: Mapping[str, str]) -> Json:
        try:
            start = int(base64.b64decode(query["pageToken"], validate=True)) if query.get("pageToken") else 0
        except ValueError as error:
            raise Refusal("INVALID_ARGUMENT", "The page token is invalid.") from error
        size = min((int(query[name]) for name in _SIZES if query.get(name)), default=self.page)
        found = list(filter(passing(query.get("filter", "")), said.each))
        page = found[start : start + size]
        answer: dict[str, Json] = {said.items: page} if page else {}
        if start + size < len(found):
            answer["nextPageToken"] = base64.b64encode(str(start + size).encode()).decode()
        return json.loads(json.dumps(answer))


def _is_word(at: int, segment: str) -> bool:
    """Whether a segment stands for no kind and no name: those of Compute."""
    return at == 2 and segment in ("global", "aggregated")


def _permission(service: str, segments: list[str]) -> str:
    """The permission as most services name it: logging.sinks.list."""
    prefix = _PREFIXES.get(service, service)
    last, colon, verb = segments[-1].partition(":")
    kinds = [each for at, each in enumerate(segments) if not _is_word(at, each)]
    if colon:
        return f"{prefix}.{kinds[-2] if len(kinds) % 2 == 0 else last}.{verb}"
    return f"{prefix}.{kinds[-2]}.get" if len(kinds) % 2 == 0 else f"{prefix}.{kinds[-1]}.list"


def _entries(said: Listed | Json, body: Json) -> Listed:
    """The entries of the logs beneath what is asked about."""
    names = tuple(f"{each}/" for each in (body or {}).get("resourceNames", ()))
    return Listed("entries", [each for each in (said.each if isinstance(said, Listed) else ()) if each["logName"].startswith(names)])
