"""At Azure's door: whether who asks is known there, and which subscriptions a TARGET means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError, did_you_mean
from cnamm_scan.model import Reason
from cnamm_scan.providers.azure.answers import MOVED
from cnamm_scan.providers.azure.clouds import CLOUDS, GROUP, group_problem
from cnamm_scan.providers.azure.link import Link
from cnamm_scan.providers.azure.pages import listed
from cnamm_scan.providers.azure.unsigned import no_credentials
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.text import address

Json = Any

SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
ATTEMPTS = 3
_CHECK = "check --cloud and --arm-endpoint"
_GONE = "Deleted"
"""The state of a subscription of which nothing is left to read."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One subscription as Resource Manager lists it; of one that may not be read only the id is known."""

    id: str
    name: str = ""
    state: str = ""


def subscriptions_of(link: Link, asked: str, where: str) -> list[Subscription]:
    """Those that a TARGET means, by what follows its colon, in order. Raises CredentialsError, ProviderError or UsageError."""
    is_beneath = False
    try:
        known = {each.id: each for each in map(_subscription, listed(link, SUBSCRIPTIONS, attempts=ATTEMPTS)) if each.id}
        is_beneath = asked.startswith(GROUP)
        if is_beneath:
            return _beneath(link, asked.removeprefix(GROUP), known, where)
    except CallFailedError as failure:
        raise _at_the_door(
            link, failure, where, "what is beneath the management group" if is_beneath else "the list of subscriptions"
        ) from failure
    readable = {id_: each for id_, each in known.items() if each.state != _GONE}
    if not asked:
        if not readable:
            raise CredentialsError(
                "these credentials may read no subscription",
                where=where,
                do="assign Reader on one to them, and check with: az account list",
            )
        return [readable[id_] for id_ in sorted(readable)]
    return [_named(asked, known, where)]


def _named(asked: str, known: Mapping[str, Subscription], where: str) -> Subscription:
    if asked.lower() in known:
        return known[asked.lower()]
    same = [each for each in known.values() if each.name == asked]
    if len(same) > 1:
        raise UsageError(
            f"{len(same)} subscriptions are called '{asked}'", where=where, do=f"name one by its id: {', '.join(each.id for each in same)}"
        )
    if same:
        return same[0]
    near = did_you_mean(asked, [each.name or each.id for each in known.values()])
    raise UsageError(f"no subscription '{asked}' that these credentials may read", where=where, do=near)


def _beneath(link: Link, group: str, known: Mapping[str, Subscription], where: str) -> list[Subscription]:
    """Every subscription beneath a management group, also those that may not be read: they are there, and unread."""
    problem = group_problem(f"{GROUP}{group}")
    if problem is not None:
        raise UsageError(problem[0], where=where, do=problem[1])
    path = f"/providers/Microsoft.Management/managementGroups/{quote(group, safe='')}/descendants?api-version=2020-05-01"
    try:
        found = [
            str(each.get("name") or "").lower() for each in listed(link, path) if str(each.get("type")).lower().endswith("/subscriptions")
        ]
    except CallFailedError as failure:
        if failure.reason not in (Reason.DENIED, Reason.NOT_FOUND):
            raise
        raise UsageError(
            f"no management group '{group}' that these credentials may read ({failure.code})",
            where=where,
            do="name it by its id, and assign Reader on it: az account management-group list",
        ) from failure
    beneath = [each for id_ in sorted({*found} - {""}) if (each := known.get(id_, Subscription(id_))).state != _GONE]
    if not beneath:
        raise UsageError(f"there is no subscription beneath the management group '{group}'", where=where, do="name another")
    return beneath


def _subscription(said: Mapping[str, Json]) -> Subscription:
    return Subscription(str(said.get("subscriptionId") or "").lower(), str(said.get("displayName") or ""), str(said.get("state") or ""))


def _at_the_door(link: Link, failure: CallFailedError, where: str, asked: str) -> CnammError:
    """Why nothing was learned of the subscriptions: who asks is not let in, or whoever answers is not who was meant."""
    if failure.code == "ClientAuthenticationError":
        return no_credentials(where, failure.message, link.cloud.authority, link.credential.status)
    if failure.reason is Reason.DENIED:
        return CredentialsError(
            f"these credentials may not read {asked} ({failure.code})",
            where=where,
            do="assign Reader to them on a subscription or a management group: az role assignment create --role Reader",
        )
    if failure.reason is Reason.CREDENTIALS:
        own = "" if link.cloud in CLOUDS.values() else ", check --audience"
        return CredentialsError(
            f"Azure does not accept the credentials ({failure.code})",
            where=where,
            do=f"sign in again (az login), name the tenant with --tenant{own}, and check with: az account list",
        )
    what, do = _not_answered(failure, asked, urlsplit(link.cloud.endpoint).path)
    return ProviderError(what, where=address(link.cloud.endpoint), do=do)


def _not_answered(failure: CallFailedError, asked: str, path: str) -> tuple[str, str]:
    """(what, what to do) where Resource Manager, or who stands in its place, gave no answer that could be read."""
    reason, code = failure.reason, failure.code
    if reason is Reason.THROTTLED:
        return f"Resource Manager asks to wait: throttled ({code})", "try again in a minute"
    if reason is Reason.SERVER_ERROR:
        return f"Resource Manager fails when asked for {asked} ({code})", "try again in a few minutes"
    if reason is Reason.MALFORMED:
        return f"the answer to {asked} is not of Resource Manager ({code})", f"{_CHECK}, and what answers in its place, such as a proxy"
    if code == MOVED:
        return f"asked for {asked}, it sends elsewhere ({code}), and nobody is followed", f"{_CHECK}, and what answers in its place"
    if reason in (Reason.NOT_FOUND, Reason.UNSUPPORTED, Reason.COLLECTOR_BUG):
        is_astray = f": the path {path} is a part of it" if path else ""
        return f"asked for {asked}, it answers that there is no such thing ({code})", f"{_CHECK}{is_astray}"
    if code == "TLS":
        return f"Azure cannot be reached: {failure.message}", "name the authority that signed it, as PEM, with --ca-bundle FILE"
    if code == "Proxy":
        return "Azure cannot be reached: the proxy does not answer", "check the proxy: HTTPS_PROXY, and NO_PROXY beside it"
    if reason is Reason.TIMED_OUT:
        return (
            f"Azure does not answer in time ({code})",
            f"check the network, and {_CHECK.removeprefix('check ')}; --call-timeout waits longer",
        )
    return f"Azure cannot be reached: {reason.value} ({code})", f"check the network and proxy, {_CHECK.removeprefix('check ')}"
