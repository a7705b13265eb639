"""At Azure's door: whether who asks is known there, and which subscriptions a TARGET means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError, did_you_mean
from cnamm_scan.model import Reason
from cnamm_scan.providers.azure.link import Link
from cnamm_scan.providers.azure.pages import listed
from cnamm_scan.providers.azure.signin import no_credentials
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.text import address, safe

Json = Any

GROUP = "mg/"
"""How what follows the colon of a TARGET begins where it names a management group."""
SUBSCRIPTIONS = "/subscriptions?api-version=2022-12-01"
ATTEMPTS = 3
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
    try:
        known = {each.id: each for each in map(_subscription, listed(link, SUBSCRIPTIONS, attempts=ATTEMPTS)) if each.id}
        if asked.startswith(GROUP):
            return _beneath(link, asked.removeprefix(GROUP), known, where)
    except CallFailedError as failure:
        raise _at_the_door(link, failure, where) from failure
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
    if not group:
        raise UsageError("mg/ names no management group", where=where, do="write azure:mg/NAME, by the group's id")
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


def _at_the_door(link: Link, failure: CallFailedError, where: str) -> CnammError:
    if failure.code == "ClientAuthenticationError":
        return no_credentials(where, failure.message)
    if failure.reason in (Reason.CREDENTIALS, Reason.DENIED):
        return CredentialsError(
            f"Azure does not accept the credentials ({failure.code})",
            where=where,
            do="sign in again (az login), name the tenant with --tenant, and check with: az account list",
        )
    detail = safe(failure.message) if failure.code == "TLS" else failure.code
    return ProviderError(
        f"Azure cannot be reached: {failure.reason.value} ({detail})",
        where=address(link.cloud.endpoint),
        do="check the network and proxy, --cloud, --arm-endpoint and --authority; --ca-bundle for authorities of your own",
    )
