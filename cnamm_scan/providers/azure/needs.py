"""How collectors name Azure's API: rows of Resource Graph or a path of Resource Manager, and the right that each needs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from cnamm_scan.model import Call

GRAPH = "graph"
"""The client of collectors that ask Resource Graph; any other is a version of Resource Manager's API."""
TABLES = frozenset(
    """
    advisorresources appserviceresources authorizationresources chaosresources deploymentresources guestconfigurationresources
    kubernetesconfigurationresources maintenanceresources managedserviceresources networkresources patchassessmentresources
    patchinstallationresources policyresources recoveryservicesresources resourcechanges resourcecontainers resources securityresources
    """.split()
)
"""The tables of Resource Graph that may be asked."""
SCOPE = "scope"
"""The parameter that says beneath which resource a path begins; without it: the subscription."""
FILTER = "$filter"
"""The parameter that narrows a list; `$filter.NAME` under `with:` asks for what equals an item's value."""
WHERE = "where"
"""The parameter of a query that narrows it, as KQL."""
ITSELF = "."
"""The path of the scope itself."""

_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-[a-z]+)?")
_TYPE = re.compile(r"[A-Za-z][\w.]*(?:/[A-Za-z]\w*)+")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_HANDS_OUT = re.compile(
    r"(?:^|/)(?:list[a-z]*(?:keys?|secrets?|credentials?|tokens?|connectionstrings?)|readonlykeys|sharedkeys?|keyvalues|agentregistrationinformation"
    r"|accessprofiles|hostruntime|token|extensions/api|microsoft\.web/sourcecontrols|configurations/(?:gateway|core-site)|tenant/(?:git)?access)"
    r"(?:/|$)",
    re.IGNORECASE,
)
"""Paths whose GET answers with keys, tokens or values: of Cosmos DB (readonlykeys), a VPN's connection (sharedkey), App Configuration
(keyValues), an account of Automation, a cluster's kubeconfig in old versions of its API, a Function App's host and its token, Kudu,
HDInsight, API Management in old versions. Most keys are handed out to a POST alone, which a scan never sends."""
_ONLY_SCOPES = ("Microsoft.Resources/subscriptions/resourceGroups", "Microsoft.Resources/subscriptions")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of Resource Graph: those of one type in one of its tables."""

    table: str
    type: str
    """As the provider spells it: Microsoft.Storage/storageAccounts."""

    @property
    def right(self) -> str:
        """The right without which Resource Graph leaves them out, and says nothing."""
        return f"{self.type}/read"


@dataclass(frozen=True, slots=True)
class Path:
    """A path of Resource Manager, in a version of its API."""

    version: str
    text: str

    @property
    def is_absolute(self) -> bool:
        """Whether it begins at the top, and not beneath a subscription or a resource."""
        return self.text.startswith("/")

    @property
    def is_beneath(self) -> bool:
        """Whether it belongs to the very kind of what it is beneath: `blobServices/default`, not `Microsoft.Insights/…`."""
        return not self.is_absolute and (self.text == ITSELF or "." not in self.text.partition("/")[0])

    @property
    def is_list(self) -> bool:
        """Whether what is there is many: kinds and names take turns, and it ends with a kind."""
        if self.text == ITSELF:
            return False
        segments = self.text.removeprefix("/providers").strip("/").split("/")
        return len(segments) % 2 == (1 if "." not in segments[0] else 0)

    @property
    def right(self) -> str:
        """The right that it needs; empty where that hangs on what it is beneath."""
        segments = self.text.removeprefix("/providers").strip("/").split("/")
        if "." not in segments[0] or self.text == ITSELF:
            return ""
        return "/".join([segments[0], *segments[1::2], "read"])

    def of_subscription(self) -> str:
        """The right that it needs right beneath a subscription."""
        if self.text == ITSELF:
            return "Microsoft.Resources/subscriptions/read"
        return self.right or f"Microsoft.Resources/subscriptions/{'/'.join(self.text.split('/')[::2])}/read"

    def beneath(self, scope: str) -> str:
        """The path beneath a scope, which is an id or empty for the top."""
        if self.is_absolute:
            return self.text
        if self.text == ITSELF:
            return scope
        return f"{scope}/{self.text}" if self.is_beneath else f"{scope}/providers/{self.text}"


@lru_cache(maxsize=1024)
def asked(client: str, operation: str) -> Rows | Path:
    """What a call means. Raises ValueError for what is not written so, with (what is wrong, what to do)."""
    if client == GRAPH:
        table, _, kind = operation.partition("/")
        if table not in TABLES:
            raise ValueError(f"Resource Graph has no table '{table}'", f"write one of {', '.join(sorted(TABLES))}")
        if not _TYPE.fullmatch(kind) or "." not in kind.partition("/")[0]:
            raise ValueError(f"'{operation}' names no type of resource", f"write {table}/Microsoft.Storage/storageAccounts")
        return Rows(table, kind)
    if not _VERSION.fullmatch(client):
        raise ValueError(f"client '{client}' is no version of an API", "write graph, or a version such as 2023-01-01 before the colon")
    if operation != ITSELF and not all(map(_SEGMENT.fullmatch, operation.removeprefix("/").split("/"))):
        raise ValueError(f"'{operation}' is no path", "write Microsoft.Security/pricings, blobServices/default, or . for the thing itself")
    return Path(client, operation)


def needs(call: Call, client: str) -> tuple[str, ...]:
    """The right that a call needs, where its name tells: what is asked beneath a resource needs a right on that resource's own kind."""
    try:
        meant = asked(*call.of(client))
    except ValueError:
        return ()
    if isinstance(meant, Rows):
        return (meant.right,)
    right = meant.right if SCOPE in call.with_ else meant.of_subscription()
    return (right,) if right else ()


def problem(call: Call, client: str) -> tuple[str, str] | None:
    """What is wrong with how a call is written; None when nothing is."""
    if call.call is None:
        return None
    try:
        meant = asked(*call.of(client))
    except ValueError as error:
        what, do = error.args
        return what, do
    said = {*call.with_, *call.fixed}
    if isinstance(meant, Rows):
        if call.items is None:
            return "Resource Graph is asked for many at once", "ask it under list:"
        if call.target != "subscriptionId" or call.items != "data":
            return "rows of Resource Graph are under data, each with its subscriptionId", "write items: data, target: subscriptionId"
        if said - {WHERE}:
            return f"a query has no '{min(said - {WHERE})}'", "write fixed: {where: KQL}, or leave it out"
        return None
    if _HANDS_OUT.search(meant.text):
        return f"what stands at '{meant.text}' may hand out secrets", "name what says how they are kept, not what they are"
    if call.items is not None and meant.is_list != (call.items == "value"):
        what = "are many, under value" if meant.is_list else "is one thing, and no list"
        return f"what stands at '{meant.text}' {what}", f"write items: {'value' if meant.is_list else chr(39) + '@' + chr(39)}"
    if meant.is_absolute and SCOPE in said:
        return f"'{meant.text}' begins at the top, beneath nothing", "leave out with: {scope: …}"
    if SCOPE in call.fixed:
        return "the scope of a path is an item's id", "write with: {scope: id}"
    return None
