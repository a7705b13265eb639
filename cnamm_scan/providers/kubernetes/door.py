"""At a cluster's door: whether what answers is an API server, who it takes us for, and whether it has the namespaces that were named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from cnamm_scan.errors import CredentialsError, ProviderError
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Absent, CallFailedError
from cnamm_scan.providers.kubernetes.answers import METADATA_ONLY, ServerSaidError, items_of, name_of, object_of
from cnamm_scan.providers.kubernetes.link import Link

Json = Any

ANONYMOUS = "system:anonymous"
KNOWN = 500
"""So many namespaces are looked through for one whose name is near."""


@dataclass(frozen=True, slots=True)
class Entered:
    """What the server said when we came in."""

    version: Mapping[str, Json]
    """Empty where it may not be asked."""
    user: str
    """Who it takes us for; empty where it does not say."""


def enter(link: Link, where: str) -> Entered:
    """Come in. Raises CredentialsError, or ProviderError where no API server answers: nothing else of a scan would work either."""
    version: Mapping[str, Json] = {}
    unlike: CallFailedError | None = None
    try:
        version = _version(link.get("/version")[0])
    except CallFailedError as failure:
        _raise_for(link, where, failure)
        unlike = failure
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        body, _ = link.get("/apis/authentication.k8s.io/v1/selfsubjectreviews", body=review)
    except CallFailedError as failure:
        _raise_for(link, where, failure)
        if unlike is not None and not any(map(_is_of_kubernetes, (unlike, failure))):
            raise _no_kubernetes(where, unlike) from failure
        # servers before 1.28 do not say, and some may not be asked; a refusal names who asked
        user = ANONYMOUS if f'"{ANONYMOUS}"' in failure.message else ""
    else:
        user = _username(body)
        if unlike is not None and not user and not _is_of_kubernetes(unlike):
            raise _no_kubernetes(where, unlike)
    if user == ANONYMOUS:
        raise CredentialsError("the API server does not know who asks", where=where, do=_sign_in(link))
    if not user and link.access.impersonation is not None:
        user = link.access.impersonation.user
    return Entered(version, user)


def notes_of(link: Link) -> list[str]:
    """What a person should know of how the server was reached."""
    made = []
    if link.access.impersonation is not None:
        as_whom = link.access.impersonation
        groups = f", of {', '.join(as_whom.groups)}" if as_whom.groups else ""
        made.append(f"asked as {as_whom.user}{groups}: the kubeconfig says so (as)")
    if link.access.withheld:
        made.append("the server does not speak TLS: the credentials of the kubeconfig were not sent")
    if link.is_private and not link.access.client.configuration.verify_ssl:
        made.append("the server's certificate was not checked (insecure-skip-tls-verify): anybody on the way could have answered")
    return made


def look_for(link: Link, named: Mapping[str, Sequence[str]]) -> tuple[list[Absent], list[str]]:
    """(namespaces that are not there, notes about those of which nobody says) of those named, by the flag that named them.

    The right to list namespaces tells; without it, the right to get the one does, which a role in it may give.
    """
    absent: list[Absent] = []
    notes = []
    for flag, names in named.items():
        for name in names:
            there = _is_there(link, name)
            if there is None:
                notes.append(f"whether there is a namespace {name} is not known ({flag}): these credentials may neither list nor get it")
            elif not there:
                absent.append(Absent(name, flag, "namespace", tuple(_namespaces(link))))
                notes.append(absent[-1].note)
    return absent, notes


def _is_there(link: Link, name: str) -> bool | None:
    """Whether there is a namespace; None where nobody says."""
    try:
        return bool(_listed(link, {"fieldSelector": f"metadata.name={name}", "limit": 1}))
    except CallFailedError as failure:
        if failure.reason is not Reason.DENIED:
            return None
    try:
        link.get(f"/api/v1/namespaces/{quote(name, safe='')}")
    except CallFailedError as failure:
        return False if failure.code == "NotFound" else None
    return True


def _namespaces(link: Link) -> Iterable[str]:
    try:
        found = [name_of(object_of(raw)) for raw in _listed(link, {"limit": KNOWN})]
    except CallFailedError:
        return ()
    return [name for name in found if name is not None]


def _listed(link: Link, query: Mapping[str, Any]) -> Sequence[Any]:
    raw, _ = link.ask(f"/api/v1/namespaces?{urlencode(query)}", accept=METADATA_ONLY)
    return items_of(raw, True, "v1", "Namespace", "namespaces")[0]


def _version(body: Json) -> Mapping[str, Json]:
    """What `/version` says. Raises CallFailedError for what no API server says there."""
    if not isinstance(body, Mapping) or not ("gitVersion" in body or {"major", "minor"} <= body.keys()):
        raise CallFailedError(Reason.MALFORMED, "OtherVersion")
    return body


def _is_of_kubernetes(failure: CallFailedError) -> bool:
    """Whether a failure is an API server's: it says so in a Status, or in passing that it has too much to do."""
    return (isinstance(failure, ServerSaidError) and failure.is_status) or failure.reason is Reason.THROTTLED


def _raise_for(link: Link, where: str, failure: CallFailedError) -> None:
    """End here where a failure is of everything else too."""
    if failure.reason is Reason.CREDENTIALS:
        raise CredentialsError(
            f"the API server does not accept the credentials ({failure.code})", where=where, do=_sign_in(link)
        ) from failure
    if failure.reason in (Reason.UNREACHABLE, Reason.TIMED_OUT):
        raise ProviderError(
            f"the API server does not answer: {failure.message or failure.code}", where=where, do=_advice(failure)
        ) from failure
    if failure.reason is Reason.DENIED and "cannot impersonate" in failure.message and link.access.impersonation is not None:
        raise CredentialsError(
            f"these credentials may not ask as {link.access.impersonation.user}",
            where=where,
            do="take as, as-groups, as-uid and as-user-extra out of the kubeconfig's user, or grant impersonate on them",
        ) from failure


def _no_kubernetes(where: str, failure: CallFailedError) -> ProviderError:
    return ProviderError(
        f"what answers there is no Kubernetes API server ({failure.reason.value}: {failure.code})",
        where=where,
        do="check the address of the cluster in the kubeconfig, and what it is, with: kubectl version",
    )


def _sign_in(link: Link) -> str:
    if link.access.withheld:
        return "let the kubeconfig's server begin with https://: over plain HTTP no credentials are sent"
    return "sign in again, and check with: kubectl auth whoami"


def _advice(failure: CallFailedError) -> str:
    if failure.code == "TLS" and "not valid for" in failure.message:
        return "let server, or tls-server-name, of the cluster in the kubeconfig be a name that is in its certificate"
    if failure.code == "TLS":
        return "set certificate-authority-data of the cluster in the kubeconfig to the authority that signed it"
    return "check the address of the cluster in the kubeconfig, VPN and proxy, with: kubectl version"


def _username(review: Json) -> str:
    """Who a SelfSubjectReview says that we are; empty where it does not."""
    for step in ("status", "userInfo", "username"):
        review = review.get(step) if isinstance(review, Mapping) else None
    return str(review or "")
