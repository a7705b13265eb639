"""Resource Manager and Resource Graph as they answer: who may read what, pages, and what is left out without a word."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from cnamm_scan.demo.azure.bed import kql
from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant, subscription_of, type_of

Json = Any

GRAPH = "/providers/microsoft.resourcegraph/resources"
_PERMISSIONS = "/providers/microsoft.authorization/permissions"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-[a-z]+)?")


class Answer:
    """One answer: its status, its body as JSON, and headers."""

    def __init__(self, status: int, said: Json, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.body = json.dumps(said).encode()
        self.headers = dict(headers or {})


def refusal(status: int, code: str, message: str) -> Answer:
    """An error as Resource Manager writes it."""
    return Answer(status, {"error": {"code": code, "message": message}})


@dataclass
class Window:
    """A quota of queries that is whole again after so many seconds."""

    most: int
    seconds: float
    left: int = 0
    ends: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> tuple[bool, dict[str, str]]:
        """Whether one was left, and what the headers say."""
        with self.lock:
            now = time.monotonic()
            if now >= self.ends:
                self.left, self.ends = self.most, now + self.seconds
            had = self.left > 0
            self.left = max(0, self.left - 1)
            after = max(1, round(self.ends - now))
            return had, {"x-ms-user-quota-remaining": str(self.left), "x-ms-user-quota-resets-after": f"00:00:{after:02}"}


class Manager:
    """Answers for one tenant."""

    def __init__(self, tenant: Tenant, page: int, quota: tuple[int, float] | None) -> None:
        self.tenant = tenant
        self.page = page
        self.url = ""
        self._pages: dict[str, list[dict[str, Json]]] = {}
        """The rows of a query as they were at its first page."""
        self._window = Window(*quota) if quota is not None else None

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: str) -> Answer:
        """The true answer to who is signed in."""
        version = query.get("api-version", [""])[0]
        if not _VERSION.fullmatch(version):
            return refusal(400, "InvalidApiVersionParameter", f"The api-version '{version}' is invalid.")
        if path.lower() == GRAPH and method == "POST":
            return self._graph(json.loads(body))
        if method != "GET":
            return refusal(405, "MethodNotAllowed", "The HTTP method is not allowed here.")
        return self._get(path, query, version)

    def _get(self, path: str, query: Mapping[str, list[str]], version: str) -> Answer:
        lower = path.lower().rstrip("/")
        if lower == "/subscriptions":
            listed = [_listed(each, self.tenant.id) for each in self.tenant.subscriptions.values() if each.is_listed]
            return self._paged(path, listed, query, version)
        group = re.fullmatch(r"/providers/microsoft\.management/managementgroups/([^/]+)/descendants", lower)
        if group is not None:
            return self._descendants(path, group[1], query, version)
        own = self.tenant.subscriptions.get(subscription_of(lower))
        if lower.startswith("/subscriptions/") and (own is None or not own.is_listed):
            name = subscription_of(lower)
            return refusal(
                404 if own is None else 403,
                "SubscriptionNotFound" if own is None else "AuthorizationFailed",
                f"'{name}' could not be read.",
            )
        if own is not None and lower == f"{own.path}{_PERMISSIONS}".lower():
            return Answer(200, {"value": [{"actions": list(own.actions), "notActions": list(own.not_actions), "dataActions": []}]})
        right = f"{type_of(path)}/read"
        if lower not in self.tenant.things and not _is_object(path):
            right = f"{type_of(f'{path}/x')}/read"
        if own is not None and not _may(own, right):
            message = f"The client '{'x' * 8}' does not have authorization to perform action '{right}' over scope '{path}'."
            return refusal(403, "AuthorizationFailed", message)
        namespace = type_of(path).partition("/")[0].lower()
        if own is not None and own.registered is not None and "/providers/" in lower and namespace not in own.registered:
            return refusal(409, "MissingSubscriptionRegistration", f"The subscription is not registered to use namespace '{namespace}'.")
        if own is not None and lower == own.path.lower():
            return Answer(200, {**_listed(own, self.tenant.id), **self.tenant.things.get(lower, {})})
        if lower in self.tenant.things:
            return Answer(200, self.tenant.things[lower])
        if lower in self.tenant.lists or not _is_object(path):
            return self._paged(path, self.tenant.lists.get(lower, []), query, version)
        return refusal(404, "ResourceNotFound", f"The Resource '{path}' was not found.")

    def _descendants(self, path: str, group: str, query: Mapping[str, list[str]], version: str) -> Answer:
        if group not in self.tenant.groups:
            return refusal(403, "AuthorizationFailed", "The client does not have authorization over this scope.")
        kind = "Microsoft.Management/managementGroups/subscriptions"
        found = [{"id": f"/subscriptions/{each}", "type": kind, "name": each, "properties": {}} for each in self.tenant.groups[group]]
        return self._paged(path, found, query, version)

    def _paged(self, path: str, found: list[Json], query: Mapping[str, list[str]], version: str) -> Answer:
        found = [each for each in found if _is_wanted(each, query.get("$filter", [""])[0])]
        start = int(query.get("$skiptoken", ["0"])[0])
        said: dict[str, Json] = {"value": found[start : start + self.page]}
        if start + self.page < len(found):
            same = {name: values[0] for name, values in query.items() if name != "$skiptoken"}
            following = urlencode({**same, "api-version": version, "$skiptoken": start + self.page})
            said["nextLink"] = f"{self.url}{quote(path)}?{following}"
        return Answer(200, said)

    def _graph(self, asked: Mapping[str, Json]) -> Answer:
        headers: dict[str, str] = {}
        if self._window is not None:
            had, headers = self._window.take()
            if not had:
                made = refusal(429, "RateLimiting", "Client application has been throttled and should not attempt to repeat the request.")
                made.headers.update(headers)
                return made
        options = asked.get("options", {})
        token = options.get("$skipToken")
        try:
            rows = self._pages.get(str(asked["query"])) if token else None
            if rows is None:
                rows = self._pages[str(asked["query"])] = kql.run(str(asked["query"]), self._readable(asked.get("subscriptions", ())))
        except kql.QueryError as error:
            inner = [{"code": "InvalidQuery", "message": str(error)}]
            return Answer(
                400, {"error": {"code": "BadRequest", "message": "Please provide below info when asking for support", "details": inner}}
            )
        size = int(options.get("$top", 1000))
        start = int(base64.b64decode(token)) if token else 0
        page = rows[start : start + size]
        said: dict[str, Json] = {"totalRecords": len(rows), "count": len(page), "data": page, "facets": [], "resultTruncated": "false"}
        if start + size < len(rows) and all("id" in row for row in page):
            said["$skipToken"] = base64.b64encode(str(start + size).encode()).decode()
            said["resultTruncated"] = "true"
        return Answer(200, said, headers)

    def _readable(self, subscriptions: Any) -> dict[str, list[Mapping[str, Json]]]:
        """The rows of these subscriptions that who asks may read; of the others nobody says anything."""
        own = {
            each.id: each for each in self.tenant.subscriptions.values() if each.is_listed and each.is_in_graph and each.id in subscriptions
        }
        return {
            table: [row for row in rows if (mine := own.get(row["subscriptionId"])) is not None and _may(mine, f"{row['type']}/read")]
            for table, rows in self.tenant.tables.items()
        }


_CLAUSE = re.compile(r"(?:properties/)?(\w+) eq '([^']*)'")


def _is_wanted(thing: Json, text: str) -> bool:
    """Whether an object meets a filter of equalities; one of another form keeps all."""
    clauses = [_CLAUSE.fullmatch(each) for each in text.split(" and ")]
    return not all(clauses) or all(_said(thing, each[1]) == each[2].lower() for each in clauses if each)


def _said(thing: Json, name: str) -> str:
    return str(thing.get("properties", {}).get(name)).lower()


def _is_object(path: str) -> bool:
    """Whether a path ends with a name, and not with a kind."""
    last = path.rpartition("/providers/")[2] if "/providers/" in path else "x" + path
    return len(last.strip("/").split("/")) % 2 == 1


def _may(subscription: Subscription, right: str) -> bool:
    def held(patterns: tuple[str, ...]) -> bool:
        return any(re.fullmatch(".*".join(map(re.escape, each.split("*"))), right, re.IGNORECASE) for each in patterns)

    return held(subscription.actions) and not held(subscription.not_actions)


def _listed(subscription: Subscription, tenant: str) -> dict[str, Json]:
    return {
        "id": subscription.path,
        "subscriptionId": subscription.id,
        "tenantId": tenant,
        "displayName": subscription.name,
        "state": subscription.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "EnterpriseAgreement_2014-09-01",
            "spendingLimit": "Off",
        },
        "authorizationSource": "RoleBased",
    }
