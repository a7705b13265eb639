"""Google Cloud: Asset Inventory over gRPC for everything beneath one scope at once, and REST APIs of services, one attempt a call."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from cnamm_scan.model import Content, Reason, Target
from cnamm_scan.providers.bounds import BOUNDS, Bounds
from cnamm_scan.providers.gcp import quota, unsigned
from cnamm_scan.providers.gcp.answers import NOT_THERE, page_refused
from cnamm_scan.providers.gcp.assets import Whose, members_by
from cnamm_scan.providers.gcp.door import Project, chosen, projects_in
from cnamm_scan.providers.gcp.forms import NORMALISERS
from cnamm_scan.providers.gcp.hosts import Hosts
from cnamm_scan.providers.gcp.inventory import Inventory, Page, together
from cnamm_scan.providers.gcp.link import AGENT, Link
from cnamm_scan.providers.gcp.needs import AT, ATTACHED, BODY, ENCODED, FILTER, OF_CUSTOMER, SCOPE, Assets, Path, asked
from cnamm_scan.providers.gcp.scopes import parent_of
from cnamm_scan.providers.gcp.signin import Signed, find, of_google_auth
from cnamm_scan.providers.interface import Answer, CallFailedError, Request, Trial, code_matches
from cnamm_scan.providers.kind import Operations
from cnamm_scan.providers.one_place import OnePlace
from cnamm_scan.providers.reading import Within
from cnamm_scan.providers.sdk import need
from cnamm_scan.providers.sent import Sent
from cnamm_scan.providers.transport import Translated
from cnamm_scan.providers.trust import trusted
from cnamm_scan.text import safe

Json = Any
Result = TypeVar("Result")

NOT_HERE = "NotAtThisLevel"
"""The code of what a target of this level has none of: an answer, not a gap."""
TRIAL = Page(size=1)
"""What is asked to see whether assets may be read at all."""
_SCOPE = re.compile(r"[^/?#\\\s]+(?:/[^/?#\\\s]+)*", re.ASCII)
_SAFE = "/:@-._~!$&'()*+,;="
"""What stands in a path as it is."""
_ENCODED = re.compile(r"(?:[\w.~:@-]|%2F)+(?:/(?:[\w.~:@-]|%2F)+)*", re.ASCII)
_CUSTOMER = re.compile(r"C[0-9A-Za-z]{1,40}", re.ASCII)
_ATTACHABLE = "cloudresourcemanager.googleapis.com"
_TOKEN = "nextPageToken"


@dataclass(frozen=True, slots=True)
class Options:
    """How to reach Google Cloud."""

    quota_project: str | None = None
    impersonate_service_account: str | None = None
    api_endpoint: str | None = None
    ca_bundle: str | None = None
    directory_admin: str | None = None
    with_directory_users: bool = False
    call_timeout: float = 20.0
    """Seconds to wait for one answer."""
    connections: int = 16
    bounds: Bounds = BOUNDS
    operations: Operations | None = None
    """Client -> what will be asked of it: of Asset Inventory, types that may be asked for together. None: each by itself."""


def connect(name: str, options: Options) -> GcpProvider:
    """Open `gcp:NAME`: a project, or a folder or organization with every project beneath it; nothing: the credentials' own project.

    Raises UsageError, CredentialsError or ProviderError.
    """
    for module in ("google.cloud.asset_v1", "google.auth", "urllib3"):
        need(module, "gcp")
    from cnamm_scan.providers.gcp.wire import SigningIn, Wire

    where = f"gcp:{name}" if name else "gcp"
    authorities = trusted(options.ca_bundle)
    sent = Sent()
    with ExitStack() as opened:
        wire = Wire(trusted=authorities, call_timeout=options.call_timeout, connections=options.connections, bounds=options.bounds)
        opened.callback(wire.close)
        signing_in = SigningIn(wire, sent.one_signing_in)
        found = _signed_in(lambda: find(signing_in), where, options)
        name = name.removeprefix("projects/") or found.project
        if not name:
            raise unsigned.no_project(where)
        try:
            hosts = Hosts(options.api_endpoint, found.universe)
        except ValueError as error:
            raise unsigned.broken_universe(where) from error
        signed = Signed(
            found,
            signing_in,
            hosts,
            as_account=options.impersonate_service_account,
            quota_project=options.quota_project,
            directory_admin=options.directory_admin,
        )
        _signed_in(signed.token, where, options)
        scope = parent_of(name)
        inventory = Inventory(
            hosts.inventory,
            scope,
            trusted=authorities,
            agent=AGENT,
            call_timeout=options.call_timeout,
            bounds=options.bounds,
            quota=quota.Quota(quota.CALLS),
        )
        link = Link(hosts, signed, wire, inventory, sent)
        opened.pop_all()
        opened.callback(link.close)
        try:
            projects = projects_in(link)
        except CallFailedError as failure:
            account = options.impersonate_service_account
            raise unsigned.refused(failure, scope, where, hosts, account, signed.quota_project) from failure
        read, gone = chosen(projects, name, where)
        inventory.whose = Whose(scope if "/" in name else parent_of(read[0].id), {each.number: each.id for each in read})
        inventory.together = together(options.operations or {})
        opened.pop_all()
    return GcpProvider(link, name, read, gone, sent, options)


def _signed_in(step: Callable[[], Result], where: str, options: Options) -> Result:
    """What a step of signing in gives. Raises CredentialsError or ProviderError."""
    try:
        with Translated(of_google_auth), Within(options.bounds, None):
            return step()
    except CallFailedError as failure:
        raise unsigned.no_credentials(where, failure, options.impersonate_service_account) from failure


class GcpProvider(OnePlace):
    """Everything beneath one scope, reached with one set of credentials."""

    name = "gcp"
    normalisers: Mapping[str, Any] = NORMALISERS

    def __init__(self, link: Link, scope: str, projects: Sequence[Project], gone: Sequence[Project], sent: Sent, options: Options) -> None:
        self.options = options
        self._link = link
        self._sent = sent
        who = link.signed.identity
        targets = [
            Target(f"gcp:{each.id}", "gcp", each.id, who, {} if "/" in scope else _notes((), each.above), safe(each.name))
            for each in projects
        ]
        if "/" in scope:
            unseen = next((each.above[each.above.index(scope) + 1 :] for each in (*projects, *gone) if scope in each.above), ())
            targets.append(Target(f"gcp:{scope}", "gcp", scope, who, _notes(gone, unseen)))
        self._targets = tuple(targets)
        self._names = {target.id: target.name for target in targets}
        self._trials: dict[str, Answer | CallFailedError] = {}
        self._trying = threading.Lock()

    @property
    def targets(self) -> Sequence[Target]:
        """The projects in order of their ids, then the folder or organization above them."""
        return self._targets

    def hear(self, content: Content) -> None:
        """Told which tables there are: of an object no more is unpacked than they read."""
        self._link.inventory.members = members_by(content)

    def sent(self) -> Mapping[str, int]:
        """Requests that were sent."""
        return self._sent.all()

    def call(self, request: Request) -> Answer:
        """Ask once. Raises CallFailedError."""
        meant = self._meant(request)
        with Within(self.options.bounds, request.ends):
            if not isinstance(meant, Assets):
                return self._get(meant, request)
            page = request.page if isinstance(request.page, Page) else Page()
            if page != TRIAL:
                return self._link.assets(meant, page, request.ends, request.target)
            with self._trying:
                return self._tried(meant, request)

    def _tried(self, assets: Assets, request: Request) -> Answer:
        """How asking for one asset went. The right is the same for every type: each content is asked for once."""
        known = self._trials.get(assets.content)
        if known is None:
            try:
                known = self._link.assets(assets, TRIAL, request.ends)
            except CallFailedError as failure:
                known = failure
            self._trials[assets.content] = known
        if isinstance(known, CallFailedError):
            raise known
        return known

    def read(self, name: str, request: Request) -> Answer:
        """There is no named reader. Raises CallFailedError."""
        raise CallFailedError(Reason.COLLECTOR_BUG, f"no reader {name}")

    def trials(self, request: Request) -> Sequence[Trial]:
        """One asset of a type, or the first page of a listing."""
        meant = self._meant(request)
        if isinstance(meant, Assets):
            return [Trial(meant.right, Request(request.client, request.operation, request.region, page=TRIAL))]
        return [Trial("", request)]

    def matches(self, failure: CallFailedError, codes: Sequence[str]) -> bool:
        """What a target of this level cannot have is absent, whatever the collector says; else as `absent_on:` says."""
        return failure.code == NOT_HERE or code_matches(failure, codes)

    def close(self) -> None:
        """Give connections back, and forget the token."""
        self._link.close()

    def _meant(self, request: Request) -> Assets | Path:
        try:
            return asked(request.client, request.operation)
        except ValueError as error:
            raise CallFailedError(Reason.COLLECTOR_BUG, "NoSuchCall", str(error)) from error

    def _get(self, path: Path, request: Request) -> Answer:
        said = dict(request.parameters)
        mine = parent_of(self._names[request.target])
        levels = said.pop(AT, None)
        if levels is not None and mine.partition("/")[0] not in ([levels] if isinstance(levels, str) else levels):
            raise CallFailedError(Reason.NOT_FOUND, NOT_HERE)
        scope = _scope(said, mine)
        if OF_CUSTOMER in said:
            customer = _customer(said.pop(OF_CUSTOMER))
            said |= {FILTER: f'customer == "customers/{customer}" && {said[FILTER]}'} if FILTER in said else {"customer": customer}
        page = {"pageToken": request.page} if request.page is not None else {}
        try:
            if path.is_post:
                body = {"resourceNames": [mine], **said.pop(BODY, {}), **page}
                answer = self._link.post(path, body, request.target)
            else:
                answer = self._link.get(path, scope, {**said, **page}, request.target)
        except CallFailedError as failure:
            if page and failure.reason in NOT_THERE:
                raise page_refused(failure) from failure
            raise
        following = answer.get(_TOKEN)
        return Answer(answer, next_page=str(following) if following else None)


def _scope(said: dict[str, Json], mine: str) -> str:
    """Beneath what a path begins, taken out of a call's parameters and encoded once. Raises CallFailedError for what is no name."""
    encoded, attached = said.pop(ENCODED, None), said.pop(ATTACHED, None)
    scope = said.pop(SCOPE, mine) if encoded is None else encoded
    wanted = _SCOPE if encoded is None else _ENCODED
    if not isinstance(scope, str) or not wanted.fullmatch(scope) or {".", ".."} & {*unquote(scope).split("/"), *scope.split("/")}:
        raise CallFailedError(Reason.MALFORMED, "NoScope")
    if encoded is not None:
        return scope
    return quote(scope, safe=_SAFE) if attached is None else f"{attached}/{quote(f'{_ATTACHABLE}/{scope}', safe='')}"


def _customer(organization: Json) -> str:
    """Whose directory an organization's is, in either version of its API. Raises CallFailedError where it does not say."""
    said = organization if isinstance(organization, dict) else {}
    owner = said.get("owner")
    found = said.get("directoryCustomerId") or (owner.get("directoryCustomerId") if isinstance(owner, dict) else None)
    if not isinstance(found, str) or not _CUSTOMER.fullmatch(found):
        raise CallFailedError(Reason.MALFORMED, "NoCustomer")
    return found


def _notes(gone: Sequence[Project], unseen: Sequence[str]) -> Mapping[str, Any]:
    """What a person should know of a target: what of it is not read, and what stands above it and is not scanned."""
    notes = []
    if gone:
        known = ", ".join(safe(each.id) for each in gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        what = "1 project is" if len(gone) == 1 else f"{len(gone)} projects are"
        notes.append(f"{what} about to be deleted, and not read: {known}")
    if unseen:
        notes.append(f"what is inherited from {', '.join(map(safe, unseen))} is not seen, and unknown where only that could tell")
    return {"notes": notes} if notes else {}
