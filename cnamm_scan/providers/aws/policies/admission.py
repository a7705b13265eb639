"""The answer to "whom does it admit?": how wide, who by name, what of it is certain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from operator import attrgetter

from cnamm_scan.providers import openness
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.openness import NO_ADDRESSES, Addresses, Openness


class Reach(Enum):
    """Whom something admits, from narrow to wide."""

    NOBODY = "nobody"
    ACCOUNT = "account"
    """Principals of the own account, and services that act for it."""
    ORGANISATION = "organisation"
    SOURCE = "source"
    """One named resource, skill, token or identity provider, whose account is not proven."""
    NAMED = "named"
    """Accounts or organisations that are not the own ones, by their ids."""
    NETWORK = "network"
    """Anybody, but from networks that are named or small."""
    SERVICE = "service"
    """An AWS service on behalf of any of its customers."""
    ANYBODY = "anybody"

    rank: int
    """Its place from narrow to wide."""

    def __init__(self, _: str) -> None:
        self.rank = len(type(self).__members__)


_rank = attrgetter("rank")


def widest(reaches: Iterable[Reach]) -> Reach:
    """The widest of them; nobody if there is none."""
    return max(reaches, key=_rank, default=Reach.NOBODY)


@dataclass(frozen=True)
class Admission:
    """Whom a statement or a document admits.

    `reach` is certain. `may_reach` is what it comes to if everything that was not seen opens: where the two differ, whether it is
    wider than
    `reach` is unknown.
    """

    reach: Reach = Reach.NOBODY
    may_reach: Reach = Reach.NOBODY
    accounts: frozenset[str] = frozenset()
    """Accounts other than the own one (or S3's canonical ids of such)."""
    organisations: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    """VPCs, endpoints and the like, by which strangers are bounded."""
    providers: frozenset[str] = frozenset()
    anonymous: Truth = Truth.NO
    """Whether a request that is not signed is admitted."""
    tokens: str = ""
    """Of web identity: open, unknown, cluster, bound, nobody, from wide to narrow; empty where none is named."""
    held: Addresses = NO_ADDRESSES
    """The addresses by which strangers are bounded."""

    def beyond(self, least: Reach) -> Truth:
        """Whether it admits anybody at `least` or wider."""
        if self.reach.rank >= least.rank:
            return Truth.YES
        return Truth.UNKNOWN if self.may_reach.rank >= least.rank else Truth.NO

    @property
    def is_public(self) -> Truth:
        """Whether anybody is let in from anywhere."""
        return self.beyond(Reach.ANYBODY)

    @property
    def leaves_account(self) -> Truth:
        """Whether anybody beyond the own account is let in."""
        return self.beyond(Reach.ORGANISATION)


TOKEN_ORDER = ("", "nobody", "bound", "cluster", "unknown", "open")
"""Of web identity, from narrow to wide: whose tokens are taken."""


def join(parts: Iterable[Admission]) -> Admission:
    """All of them together. Bounded networks of several add up, and may come to the world."""
    first, *others = [*parts] or [Admission()]
    made = first
    for each in others:
        made = Admission(
            reach=widest((made.reach, each.reach)),
            may_reach=widest((made.may_reach, each.may_reach)),
            accounts=made.accounts | each.accounts,
            organisations=made.organisations | each.organisations,
            services=made.services | each.services,
            networks=made.networks | each.networks,
            providers=made.providers | each.providers,
            anonymous=made.anonymous | each.anonymous,
            tokens=max(made.tokens, each.tokens, key=TOKEN_ORDER.index),
            held=made.held.joined(each.held) if not each.held.is_empty else made.held,
        )
    if not made.held.is_empty and openness.judge(made.held).rank >= Openness.WIDE.rank:
        made = replace(made, reach=Reach.ANYBODY, may_reach=Reach.ANYBODY)
    return made
