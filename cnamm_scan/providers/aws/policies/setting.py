"""What is known of the place where a policy stands: whose account it is, which organisation, which of its names were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cnamm_scan.providers.aws.policies.keys import NOT_BEFORE

OWN_ORGANISATION = "\ue010"
"""Stands for the own organisation where its id was not read; no document can name it, `${aws:ResourceOrgID}` does."""


class Place(Enum):
    """What a policy hangs on, where that changes what it means."""

    RESOURCE = "resource"
    TRUST = "trust"
    """A role's trust policy: services act inside the account only, tokens come through identity providers."""


class Truth(Enum):
    """An answer that may have to wait for what nobody has shown us."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"

    @property
    def as_bool(self) -> bool | None:
        """True, False, or None for unknown, as a column holds it."""
        return None if self is Truth.UNKNOWN else self is Truth.YES

    @staticmethod
    def of(value: bool | None) -> Truth:
        """The same of a boolean that may be None."""
        return Truth.UNKNOWN if value is None else Truth.YES if value else Truth.NO

    def __or__(self, other: Truth) -> Truth:
        """One of them suffices."""
        if self is Truth.YES or other is Truth.YES:
            return Truth.YES
        return Truth.UNKNOWN if self is Truth.UNKNOWN or other is Truth.UNKNOWN else Truth.NO

    def __and__(self, other: Truth) -> Truth:
        """Both are needed."""
        if self is Truth.NO or other is Truth.NO:
            return Truth.NO
        return Truth.UNKNOWN if self is Truth.UNKNOWN or other is Truth.UNKNOWN else Truth.YES

    def __invert__(self) -> Truth:
        """That it is not so."""
        return Truth.UNKNOWN if self is Truth.UNKNOWN else Truth.NO if self is Truth.YES else Truth.YES


@dataclass(frozen=True)
class Setting:
    """Where a document stands. Empty text and None mean: not known.

    `networks` are ids of the account's own VPCs and endpoints, `members` the accounts of the own organisation, `unique_ids` the unique
    ids of
    the account's own principals, `url_auth` the kinds of sign-in that URLs of the function have. `in_network` says that the resource can be
    reached from inside a VPC only (a domain of OpenSearch there, a private API). `applied` is False for a file that AWS never took:
    what AWS
    would refuse, or would have rewritten, then proves nothing.
    """

    account: str
    partition: str = "aws"
    organisation: str = ""
    place: Place = Place.RESOURCE
    resource: str = ""
    now: datetime | None = None
    members: frozenset[str] = frozenset()
    networks: frozenset[str] | None = None
    canonical_id: str = ""
    unique_ids: frozenset[str] = frozenset()
    url_auth: frozenset[str] | None = None
    in_network: bool = False
    applied: bool = True
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    """Condition keys (lower case) whose values are settled by the question, such as `aws:securetransport` in "is plain text refused?"."""

    @property
    def own_organisation(self) -> str:
        """The organisation's id, or the sign that stands for it."""
        return self.organisation or OWN_ORGANISATION

    @property
    def seconds(self) -> float:
        """The time of the question in seconds since 1970."""
        return NOT_BEFORE if self.now is None else self.now.timestamp()
