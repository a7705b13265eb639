"""Where a way to more rights leads: words that the steps write and the climb reads."""

from __future__ import annotations

from dataclasses import dataclass

from cnamm_scan.providers.kubernetes.policies.rbac.rights import Grant, Held
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject, Who


@dataclass(frozen=True, slots=True)
class Everything:
    """The whole cluster."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Every account of a namespace; `is_whole`: everything else in it too, past what RBAC lets one give oneself."""

    namespace: str
    is_whole: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One account."""

    subject: Subject


@dataclass(frozen=True, slots=True)
class Acts:
    """Somebody else, acted as: a user with the groups that were chosen."""

    caller: Who


@dataclass(frozen=True, slots=True)
class More:
    """Oneself, with these roles besides."""

    grants: frozenset[Grant]


@dataclass(frozen=True, slots=True, eq=False)
class Through:
    """Rights that are held in the name of somebody else for some requests alone."""

    held: Held


Lead = Everything | Accounts | Account | Acts | More | Through
ALL = Everything()


@dataclass(frozen=True, slots=True)
class Step:
    """A way that is open. `is_sure` is False where what was not seen, or more than rights, decides."""

    way: str
    lead: Lead
    is_sure: bool
    source: str
