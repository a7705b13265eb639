"""Resource Graph, and what it leaves out without a word: subscriptions that it does not know, kinds that we may not read, its quota."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from cnamm_scan.model import Content, Reason
from cnamm_scan.providers.azure.answers import TOO_LARGE, UNREGISTERED, decode, resets_after, rows_of, tidy
from cnamm_scan.providers.azure.granted import PERMISSIONS, PERMISSIONS_DENIED, Permission, allows
from cnamm_scan.providers.azure.link import Link, Reply
from cnamm_scan.providers.azure.needs import WHERE, Rows
from cnamm_scan.providers.azure.pages import listed
from cnamm_scan.providers.azure.query import WHOLE, Shown, shown_by, text_of
from cnamm_scan.providers.interface import Answer, CallFailedError, NotYetError, Request
from cnamm_scan.providers.reading import Within

Json = Any

PAGE = 1000
"""Rows asked at once: as many as there may be."""
SMALLEST_PAGE = 10
"""So many are asked at once before a page that is too large is given up."""
AT_ONCE = 1000
"""Subscriptions that one query may name."""
ASKING = 8
"""Threads that ask what may be read in each subscription."""
TRIES = 3
"""So often it is asked of one subscription what may be read there, before that is unread."""
_KNOWN = Rows("resourcecontainers", "Microsoft.Resources/subscriptions")
_IDS_ALONE = Shown(("id", "subscriptionId"), {})


@dataclass(frozen=True, slots=True)
class _Page:
    """Where a query goes on: at which of the subscriptions, and Resource Graph's token there."""

    start: int = 0
    token: str = ""
    seen: int = 0
    """Rows read before, of these subscriptions."""
    size: int = field(default_factory=lambda: PAGE)

    @property
    def asked(self) -> tuple[int, str, int]:
        """What tells the page apart."""
        return self.start, self.token, self.size


class _Quota:
    """The queries that are left until Resource Graph's quota is whole again, as it says itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: int | None = None
        self._until = 0.0
        self._under_way = 0

    def take(self) -> None:
        """Take one. Raises NotYetError while there is none: it would be refused, and others with it."""
        with self._lock:
            now = time.monotonic()
            if self._left is not None and now < self._until:
                if self._left <= 0:
                    raise NotYetError("QuotaSpent", self._until - now)
                self._left -= 1
            self._under_way += 1

    def heard(self, headers: Mapping[str, str] | None) -> None:
        """What an answer says; None: there was none."""
        with self._lock:
            self._under_way -= 1
            after = resets_after(headers) if headers is not None else None
            try:
                left = int((headers or {}).get("x-ms-user-quota-remaining", ""))
            except ValueError:
                return
            if after is not None:
                self._left, self._until = left - self._under_way, time.monotonic() + after


@dataclass(slots=True)
class _Seen:
    """What may be read in one subscription."""

    permissions: Sequence[Permission] | None = None
    failure: CallFailedError | None = None
    tries: int = 0

    @property
    def is_open(self) -> bool:
        """Whether asking may still tell."""
        return self.permissions is None and (self.failure is None or (self.failure.retry and self.tries < TRIES))


class Graph:
    """One query for all subscriptions of a scan, and for each of them why its share may be missing."""

    def __init__(self, link: Link, subscriptions: Sequence[str]) -> None:
        self._link = link
        self._subscriptions = list(subscriptions)
        self._shown: Mapping[tuple[str, str], Shown] = {}
        self._quota = _Quota()
        self._lock = threading.Lock()
        self._known: frozenset[str] | None = None
        self._seen = {name: _Seen() for name in subscriptions}

    def hear(self, content: Content) -> None:
        """What there is to read: no more is asked of a row."""
        self._shown = shown_by(content)

    def call(self, rows: Rows, request: Request) -> Answer:
        """One page. Raises CallFailedError."""
        page = request.page if isinstance(request.page, _Page) else _Page()
        self.look(request.ends)
        asked = self._subscriptions[page.start : page.start + AT_ONCE]
        shown = self._shown.get((f"{rows.table}/{rows.type}", str(request.parameters.get(WHERE, ""))), WHOLE)
        try:
            reply = self._query(text_of(rows, shown, request.parameters), asked, page)
        except CallFailedError as failure:
            if failure.code in TOO_LARGE and page.size > SMALLEST_PAGE:
                return Answer({"data": []}, next_page=replace(page, size=page.size // 10), note="SmallerPages")
            if failure.code in UNREGISTERED:  # said of Resource Graph itself, not of what it was asked for
                raise CallFailedError(Reason.API_DISABLED, "ResourceGraphNotRegistered", failure.message) from failure
            raise
        found = rows_of(reply.body)
        seen = page.seen + len(found.data)
        following = replace(page, token=found.skip_token, seen=seen) if found.skip_token else None
        dark = {name: why for name in asked if (why := self.why_not(name, rows)) is not None}
        cut = _cut(found, reply, seen, following is None)
        if cut:  # whose the rows are that did not come nobody knows
            dark = {name: CallFailedError(Reason.TRUNCATED, cut) for name in asked} | dark
        if following is None and page.start + AT_ONCE < len(self._subscriptions):
            following = _Page(page.start + AT_ONCE)
        return Answer(
            {"data": found.data},
            reply.request_id,
            following,
            token=following.asked if following is not None else None,
            decode=lambda raw: _row(raw, shown),
            dark=dark,
        )

    def look(self, ends: float | None) -> None:
        """Find out, once, which subscriptions it knows and what may be read in each. Raises CallFailedError."""
        with self._lock:  # whoever comes meanwhile waits: what is half asked looks as if nothing were granted
            if self._known is None:
                self._known = self._all_known(ends)
            waiting = [name for name, seen in self._seen.items() if seen.is_open]
            if not waiting:
                return
            with ThreadPoolExecutor(min(ASKING, len(waiting)), thread_name_prefix="rights") as pool:
                list(pool.map(lambda name: self._ask_permissions(name, ends), waiting))
            again = next((self._seen[name].failure for name in waiting if self._seen[name].is_open), None)
        if again is not None:
            raise again

    def why_not(self, subscription: str, rows: Rows) -> CallFailedError | None:
        """Why rows of a subscription may be missing from an answer that does not say so; None where none are."""
        seen = self._seen[subscription]
        if seen.failure is not None:
            denied = seen.failure.reason is Reason.DENIED
            return CallFailedError(Reason.DENIED, PERMISSIONS_DENIED, PERMISSIONS) if denied else seen.failure
        if seen.permissions is None or not allows(seen.permissions, rows.right):
            return CallFailedError(Reason.DENIED, "NotGranted", rows.right)
        if self._known is not None and subscription not in self._known:
            return CallFailedError(Reason.TRUNCATED, "NotInResourceGraph")
        return None

    def _query(self, text: str, subscriptions: Sequence[str], page: _Page) -> Reply:
        options: dict[str, Any] = {"resultFormat": "objectArray", "$top": page.size}
        if page.token:
            options["$skipToken"] = page.token
        self._quota.take()
        headers: Mapping[str, str] | None = None
        try:
            reply = self._link.query({"subscriptions": list(subscriptions), "query": text, "options": options})
            headers = reply.headers
        finally:
            self._quota.heard(headers)
        return reply

    def _all_known(self, ends: float | None) -> frozenset[str]:
        found: set[str] = set()
        for start in range(0, len(self._subscriptions), AT_ONCE):
            page: _Page | None = _Page(start)
            while page is not None:
                with Within(self._link.bounds, ends):
                    reply = self._query(text_of(_KNOWN, _IDS_ALONE, {}), self._subscriptions[start : start + AT_ONCE], page)
                said = rows_of(reply.body)
                found |= {str(_row(raw, _IDS_ALONE).get("subscriptionId")) for raw in said.data}
                page = replace(page, token=said.skip_token) if said.skip_token and said.skip_token != page.token else None
        return frozenset(found)

    def _ask_permissions(self, subscription: str, ends: float | None) -> None:
        """What who asks may do in a subscription, as Resource Manager says it: groups and what is inherited counted in."""
        seen = self._seen[subscription]
        seen.tries += 1
        path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
        try:
            said = listed(self._link, path, f"azure:{subscription}", ends=ends)
            seen.permissions, seen.failure = list(map(Permission.read, said)), None
        except CallFailedError as failure:
            seen.failure = failure


def _row(raw: Json, shown: Shown) -> dict[str, Json]:
    row = decode(raw)
    if not isinstance(row, dict):
        raise TypeError("no row")
    whose = row.get("subscriptionId")
    if isinstance(whose, str):
        row["subscriptionId"] = whose.lower()
    made: dict[str, Json] = tidy(shown.whole(row))
    return made


def _cut(found: Any, reply: Reply, seen: int, is_last: bool) -> str:
    """Why there may be more rows than came; empty where all came."""
    if reply.headers.get("x-ms-tenant-subscription-limit-hit", "").lower() == "true":
        return "SubscriptionLimitHit"
    if not is_last:
        return ""
    if str(found.resultTruncated).lower() in ("true", "1"):
        return "ResultTruncated"
    return "FewerThanTotal" if seen < found.totalRecords else ""
