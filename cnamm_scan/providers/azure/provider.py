"""Azure through azure-core's pipeline: raw REST to Resource Manager and Resource Graph, one attempt a call, answers within bounds."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from cnamm_scan.model import Content, Reason, Target
from cnamm_scan.providers.azure.answers import UNREGISTERED, document_of, tidy
from cnamm_scan.providers.azure.clouds import CLOUDS, cloud_of
from cnamm_scan.providers.azure.door import Subscription, subscriptions_of
from cnamm_scan.providers.azure.forms import NORMALISERS
from cnamm_scan.providers.azure.graph import Graph
from cnamm_scan.providers.azure.link import Link, Reply
from cnamm_scan.providers.azure.needs import FILTER, SCOPE, Path, Rows, asked
from cnamm_scan.providers.azure.signin import credential_of
from cnamm_scan.providers.bounds import BOUNDS, Bounds
from cnamm_scan.providers.interface import Answer, CallFailedError, Request, Trial, code_matches
from cnamm_scan.providers.one_place import OnePlace
from cnamm_scan.providers.reading import Within
from cnamm_scan.providers.sdk import need
from cnamm_scan.providers.sent import Sent
from cnamm_scan.providers.trust import trusted
from cnamm_scan.text import safe

Json = Any

_SCOPE = re.compile(r"(?:/[^/?#\\\s]+)+", re.ASCII)
_ROLE = re.compile(r"/providers/microsoft\.authorization/roledefinitions/[0-9a-f-]{36}\?api-version=[^&]*$")
_POLICIES = re.compile(r"^.*/providers/Microsoft\.Authorization/roleManagementPolicies\?.*$")
_NEXT = ("nextLink", "@odata.nextLink")


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach Azure."""

    tenant: str | None = None
    cloud: str | None = None
    """One of `clouds.CLOUDS`; None: the public one."""
    arm_endpoint: str | None = None
    authority: str | None = None
    audience: str | None = None
    disable_instance_discovery: bool = False
    ca_bundle: str | None = None
    call_timeout: float = 20.0
    """Seconds to wait for one answer."""
    connections: int = 16
    bounds: Bounds = BOUNDS


def connect(name: str, options: Options) -> AzureProvider:
    """Open `azure:NAME`: a subscription by id or name; nothing: every one that may be read; `mg/GROUP`: every one beneath it.

    Raises UsageError, CredentialsError or ProviderError.
    """
    need("azure.identity", "azure")
    from cnamm_scan.providers.azure.wire import Direct, Wire

    cloud = cloud_of(options.cloud, options.arm_endpoint, options.authority, options.audience)
    sent = Sent()
    how: dict[str, Any] = {
        "verify": trusted(options.ca_bundle) or True,
        "call_timeout": options.call_timeout,
        "connections": options.connections,
    }
    signing_in, direct = Wire(count=sent.one_signing_in, **how), Direct(cloud.endpoint, count=sent.one, **how)
    asks_nobody = options.disable_instance_discovery or cloud.authority not in {each.authority for each in CLOUDS.values()}
    credential = credential_of(cloud, tenant=options.tenant, asks_nobody=asks_nobody, transport=signing_in)
    link = Link(cloud, credential, direct, sent, options.bounds)
    where = f"azure:{name}" if name else "azure"
    try:
        subscriptions = subscriptions_of(link, name, where)
    except BaseException:
        link.close()
        raise
    return AzureProvider(link, subscriptions, sent, options)


class AzureProvider(OnePlace):
    """Subscriptions of one cloud, reached with one credential."""

    name = "azure"
    normalisers: Mapping[str, Any] = NORMALISERS

    def __init__(self, link: Link, subscriptions: Sequence[Subscription], sent: Sent, options: Options) -> None:
        self.options = options
        self._link = link
        self._sent = sent
        identity = link.credential.identity
        self._targets = tuple(
            Target(f"azure:{each.id}", "azure", each.id, identity, _scope(each), safe(each.name)) for each in subscriptions
        )
        self._names = {target.id: target.name for target in self._targets}
        self._lock = threading.Lock()
        self._asking: dict[str, threading.Lock] = {}
        self._roles: dict[str, Reply] = {}
        self._graph = Graph(link, [target.name for target in self._targets])

    @property
    def targets(self) -> Sequence[Target]:
        """The subscriptions, in order of their ids."""
        return self._targets

    def hear(self, content: Content) -> None:
        """Told which tables there are: of a row no more is asked than they read."""
        self._graph.hear(content)

    def sent(self) -> Mapping[str, int]:
        """Requests that were sent."""
        return self._sent.all()

    # ---- calling -----------------------------------------------------------------------------------------------------

    def call(self, request: Request) -> Answer:
        """Ask once. Raises CallFailedError."""
        meant = self._meant(request)
        with Within(self.options.bounds, request.ends):
            if isinstance(meant, Rows):
                if request.target:
                    return self._tried(meant, request)
                return self._graph.call(meant, request)
            return self._get(meant, request)

    def read(self, name: str, request: Request) -> Answer:
        """There is no named reader. Raises CallFailedError."""
        raise CallFailedError(Reason.COLLECTOR_BUG, f"no reader {name}")

    def trials(self, request: Request) -> Sequence[Trial]:
        """The first page of a listing; of Resource Graph whether its kind may be read in the subscription."""
        meant = self._meant(request)
        right = meant.right if isinstance(meant, Rows) else meant.of_subscription()
        return [Trial(right, request)]

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """What a subscription never registered for has nothing in it, whatever the collector says; else as `absent_on:` says."""
        return failure.code in UNREGISTERED or code_matches(failure, codes)

    def close(self) -> None:
        """Give connections back, and forget the token."""
        self._link.close()

    def _meant(self, request: Request) -> Rows | Path:
        try:
            return asked(request.client, request.operation)
        except ValueError as error:
            raise CallFailedError(Reason.COLLECTOR_BUG, "NoSuchCall", str(error)) from error

    def _tried(self, rows: Rows, request: Request) -> Answer:
        self._graph.look(request.ends)
        failure = self._graph.why_not(self._names[request.target], rows)
        if failure is not None:
            raise failure
        return Answer({"data": []})

    def _get(self, path: Path, request: Request) -> Answer:
        try:
            reply = self._reply(self._path(path, request), request.target)
        except CallFailedError as failure:
            if failure.code in UNREGISTERED and request.page is not None:  # what came before has been read: it is not whole, and not empty
                raise CallFailedError(Reason.TRUNCATED, "Vanished", failure.message) from failure
            raise
        body = document_of(reply.body)
        if not path.is_list:
            return Answer(tidy(body), reply.request_id)
        items = body.get("value")
        if not isinstance(items, list):
            raise CallFailedError(Reason.MALFORMED, "NoList", retry=True)
        following = next((body[name] for name in _NEXT if body.get(name)), None)
        return Answer(body, reply.request_id, self._link.path_of(str(following)) if following else None, decode=tidy)

    def _reply(self, path: str, target: str) -> Reply:
        """What stands at a path. A role has one definition in the whole tenant, by whichever scope it is named: it is asked for once.

        So are the policies of a role at a scope, which all who may ask for it there share.
        """
        found = _ROLE.search(path) or _POLICIES.search(path)
        if found is None:
            return self._link.get(path, target)
        with self._lock:
            lock = self._asking.setdefault(found[0], threading.Lock())
        with lock:
            known = self._roles.get(found[0])
            if known is None:
                known = self._roles[found[0]] = self._link.get(path, target)
            return known

    def _path(self, path: Path, request: Request) -> str:
        if request.page is not None:
            return str(request.page)
        said = dict(request.parameters)
        scope = said.pop(SCOPE, None)
        if scope is None:
            scope = "" if path.is_absolute else f"/subscriptions/{self._names[request.target]}"
        elif not isinstance(scope, str) or not _SCOPE.fullmatch(scope) or {".", ".."} & {*scope.split("/")}:
            raise CallFailedError(Reason.MALFORMED, "NoScope")
        wanted = said.get(FILTER)
        if isinstance(wanted, Mapping):
            said[FILTER] = " and ".join(f"{name} eq '{str(value).replace(chr(39), 2 * chr(39))}'" for name, value in wanted.items())
        return f"{quote(path.beneath(scope), safe='/')}?{urlencode({'api-version': path.version, **said})}"


def _scope(subscription: Subscription) -> Mapping[str, Any]:
    state = subscription.state
    if not subscription.name and not state:
        return {"notes": ["these credentials may not read the subscription"]}
    return {"notes": [f"the subscription is {state}"]} if state not in ("Enabled", "") else {}
