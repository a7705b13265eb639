"""How collectors name Google's APIs: assets of one type, or a path of a service's REST API, and the permission that each needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cnamm_scan.model import Call

CONTENTS: Mapping[str, tuple[str, str]] = {
    "asset": ("RESOURCE", "cloudasset.assets.listResource"),
    "iam_policy": ("IAM_POLICY", "cloudasset.assets.listIamPolicy"),
    "org_policy": ("ORG_POLICY", "cloudasset.assets.listOrgPolicy"),
    "access_policy": ("ACCESS_POLICY", "cloudasset.assets.listAccessPolicy"),
    "os_inventory": ("OS_INVENTORY", "cloudasset.assets.listOSInventories"),
}
"""Clients of collectors that ask Asset Inventory -> the content asked, and its permission. Any other is a service and its version."""
A_MINUTE = 100
"""Calls of ListAssets in a minute for the project that pays, where nobody asked Google for more. An organization's 800 are above that."""
TOGETHER = 16
"""Types that are asked for in one call first, in case there is little of each."""
ANY = "*"
"""The operation that asks for assets of every type."""
SCOPE = "scope"
"""The parameter that says beneath which resource a path begins; without it: the target."""
AT = "at"
"""The parameter that says which targets have such a thing: projects, folders, organizations. In others there is none of it."""
LEVELS = ("projects", "folders", "organizations")
ATTACHED = "attached"
"""The parameter that names a collection of what is attached to things: policies. There the scope is a full name, encoded as one segment."""
ENCODED = "encoded_scope"
"""The scope where the API gave its name with such a segment: policies/cloudresourcemanager.googleapis.com%2Fprojects%2F1/denypolicies/a."""
BODY = "body"
"""The parameter that holds what is sent with one of `POSTS`."""
POSTS = frozenset({("logging/v2", "/entries:list")})
"""Questions that are asked by POST, and change nothing. No other POST is ever sent."""
OF_CUSTOMER = "of_customer"
"""The parameter that says whose directory is meant, by the data of an organization: it stands in the filter where there is one."""
FILTER = "filter"
OAUTH: Mapping[str, str] = {
    "cloudidentity": "https://www.googleapis.com/auth/cloud-identity.policies.readonly",
    "admin": "https://www.googleapis.com/auth/admin.directory.user.readonly",
}
"""Services of the directory -> the one scope of the token that each takes. No role of IAM opens them."""
ITSELF = "."
"""The path of the scope itself."""

_HANDS_OUT = re.compile(
    r"secretmanager/.*:access|parametermanager/.*(/versions|:render)|apikeys/.*(/keyString|:lookupKey)|redis/.*/authString"
    r"|iap/.*/identityAwareProxyClients|compute/.*/(serialPort|screenshot|getGuestAttributes|guestAttributes)"
    r"|storage/.*/o|bigquery/.*/(data|queries)|firestore/.*/documents|datastore/.*|.*:(download|read|export|generate\w+|sign\w+)"
)
"""Paths whose answer is a secret, or what is stored and not how; a pack may name any path, and a scan may run with every right."""
_TYPE = re.compile(r"[a-z][a-z0-9.-]*\.googleapis\.com/[A-Z]\w*|[a-z][a-z0-9.]*\.[a-z0-9]+\.io/[A-Z]\w*")
_SERVICE = re.compile(r"[a-z][a-z0-9-]*/v\d+(?:(?:alpha|beta|p)\d+)*")
_WORD = re.compile(r"[a-z][A-Za-z]*")
_VERB = re.compile(r"\.:[A-Za-z]+")
"""A verb of the scope itself: .:searchPolicyBindings."""
_SEGMENT = re.compile(r"-|[A-Za-z][A-Za-z0-9_.-]*(?::[A-Za-z]+)?")


@dataclass(frozen=True, slots=True)
class Assets:
    """Assets of one type, or of every, with one content."""

    content: str
    type: str
    """As Asset Inventory spells it: storage.googleapis.com/Bucket; `*` for every."""
    right: str


@dataclass(frozen=True, slots=True)
class Path:
    """A path of a service's REST API, beneath the target, beneath a resource, or at the top."""

    service: str
    """The first word of its host: logging of logging.googleapis.com."""
    version: str
    text: str
    is_post: bool = False

    @property
    def is_absolute(self) -> bool:
        """Whether it begins at the top, and not beneath the target or a resource."""
        return self.text.startswith("/")

    @property
    def oauth(self) -> str:
        """The scope of the token that it wants; empty: the one for Google Cloud."""
        return OAUTH.get(self.service, "")

    def beneath(self, scope: str) -> str:
        """The path beneath a scope, which is encoded: `projects/ID`, or the name of a resource."""
        if self.is_absolute:
            return f"{self.version}{self.text}"
        if self.text == ITSELF:
            return f"{self.version}/{scope}"
        return f"{self.version}/{scope}{self.text[1:] if _VERB.fullmatch(self.text) else f'/{self.text}'}"


@lru_cache(maxsize=1024)
def asked(client: str, operation: str) -> Assets | Path:
    """What a call means. Raises ValueError for what is not written so, with (what is wrong, what to do)."""
    if client in CONTENTS:
        content, right = CONTENTS[client]
        if operation == ANY and client == "asset":
            raise ValueError("the resources of every type are far more than anybody reads", "name the type: storage.googleapis.com/Bucket")
        if operation != ANY and not _TYPE.fullmatch(operation):
            raise ValueError(f"'{operation}' is no type of asset", "write one such as storage.googleapis.com/Bucket")
        return Assets(content, operation, right)
    if not _SERVICE.fullmatch(client):
        known = ", ".join(CONTENTS)
        raise ValueError(f"client '{client}' is neither {known} nor a service and its version", "write asset, or one such as logging/v2")
    if operation != ITSELF and not _VERB.fullmatch(operation) and not all(map(_SEGMENT.fullmatch, operation.removeprefix("/").split("/"))):
        raise ValueError(f"'{operation}' is no path", "write sinks, locations/-/services, or . for the thing itself")
    service, _, version = client.partition("/")
    return Path(service, version, operation, (client, operation) in POSTS)


def needs(call: Call, client: str) -> tuple[str, ...]:
    """The permission that a call to Asset Inventory needs; a service's own stands in the collector."""
    try:
        meant = asked(*call.of(client))
    except ValueError:
        return ()
    return (meant.right,) if isinstance(meant, Assets) else ()


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
    if isinstance(meant, Assets):
        return _problem_of_assets(call, said)
    if _hands_out(meant, said):
        return f"'{meant.text}' of {meant.service} hands out secrets, or what is stored", "read how it is kept instead"
    if call.items is None and AT in said:
        return "a part is asked of its own item", f"leave {AT}: out"
    if call.fixed.get(AT) is not None and not set(_texts(call.fixed[AT])) <= set(LEVELS):
        return f"'{call.fixed[AT]}' names no level of the hierarchy", f"write {AT}: some of {', '.join(LEVELS)}"
    if meant.is_absolute and (named := {SCOPE, ENCODED, ATTACHED} & said):
        return f"'{meant.text}' begins at the top, beneath nothing", f"leave {min(named)}: out"
    if call.fixed.keys() & {SCOPE, ENCODED}:
        return "the scope of a path is an item's name", "write with: {scope: name}"
    if OF_CUSTOMER in call.fixed:
        return "whose directory is meant an organization says", f"write with: {{{OF_CUSTOMER}: parent.resource.data}}"
    if (problem := _problem_of_scope(call, said)) is not None:
        return problem
    if meant.is_post != (BODY in call.fixed):
        known = ", ".join(map(":".join, sorted(POSTS)))
        return "what is sent is a question's, and a question has one", f"write fixed: {{{BODY}: …}} for {known}"
    if not call.needs:
        return "a service's own API says nowhere which permission it wants", "name it under needs:, such as logging.sinks.list"
    if meant.oauth and set(call.needs) != {meant.oauth}:
        return f"'{meant.service}' is of the directory, which no permission of IAM opens", f"write needs: {meant.oauth}"
    return None


def _hands_out(path: Path, said: set[str]) -> bool:
    """Whether an answer holds what no bundle may: the last words of a path tell, whatever stands before them."""
    words = [each for each in path.text.split("/") if each not in ("", ITSELF)]
    ends = [f"{path.service}//{'/'.join(words[:length])}" for length in range(1, len(words) + 1)]
    return "alt" in said or any(map(_HANDS_OUT.fullmatch, ends))


def _problem_of_scope(call: Call, said: set[str]) -> tuple[str, str] | None:
    if ENCODED in said and said & {SCOPE, ATTACHED}:
        return f"a name that stands encoded is the whole scope, got {ENCODED} beside {min(said & {SCOPE, ATTACHED})}", "write one of them"
    if ATTACHED in call.with_ or not _WORD.fullmatch(str(call.fixed.get(ATTACHED, "policies"))):
        return f"{ATTACHED} names a collection", f"write fixed: {{{ATTACHED}: policies}}"
    return None


def _problem_of_assets(call: Call, said: set[str]) -> tuple[str, str] | None:
    if call.items is None:
        return "Asset Inventory is asked for many at once", "ask it under list:"
    if call.target != "project" or call.items != "assets":
        return "assets stand under assets, each with its project", "write items: assets, target: project"
    if said:
        return f"Asset Inventory takes no '{min(said)}'", "leave it out"
    return None


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]
