"""Who can become whom: roles, what their trust policies say, and what those who would take them hold.

A trust policy that names a principal of the own account is enough by itself; one that names the account hands over to the caller's own
rights. Across accounts both are needed. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cnamm_scan.providers.aws.policies.callers import Caller, Kind
from cnamm_scan.providers.aws.policies.conditions import TRUE, UNSEEN
from cnamm_scan.providers.aws.policies.documents import Document
from cnamm_scan.providers.aws.policies.escalation import is_administrator
from cnamm_scan.providers.aws.policies.evaluate import forced, possible
from cnamm_scan.providers.aws.policies.naming import named_by
from cnamm_scan.providers.aws.policies.rights import Need, Rights
from cnamm_scan.providers.aws.policies.setting import Place, Truth

_ASSUME = "sts:assumerole"


@dataclass(frozen=True)
class Role:
    """A role with its trust policy and what it may do."""

    arn: str
    trust: Document
    rights: Rights


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody of the own account who can take a role."""

    holder: str
    role: str
    can: Truth
    by: str
    """trust: the role's trust policy names him; rights: it names the account, and he holds sts:AssumeRole."""


def step(holder: Rights, role: Role) -> Step:
    """Whether a user or role of the own account can take this role."""
    setting = replace(holder.setting, place=Place.TRUST)
    caller = Caller(Kind.PRINCIPAL, {}, setting.account, setting.own_organisation, holder.arn)
    look = holder.look({})
    direct = handed = refused = Truth.NO
    for statement in role.trust.statements:
        about = named_by(statement, caller, setting)
        if not about & TRUE or not statement.actions.has(_ASSUME):
            continue
        sure = Truth.UNKNOWN if about & UNSEEN else Truth.YES
        if not statement.allows:
            refused |= sure & forced(statement.tests, look)
        elif holder.arn in statement.principals.aws:
            direct |= sure & possible(statement.tests, look)
        else:
            handed |= sure & possible(statement.tests, look)
    need = Need(_ASSUME, role.arn)
    if holder.denied(need) is Truth.YES or refused is Truth.YES:
        return Step(holder.arn, role.arn, Truth.NO, "")
    by_trust = direct & holder.capped(need) if ":role/" in holder.arn else direct
    by_rights = handed & holder.holds(need)
    found = by_trust | by_rights
    if Truth.UNKNOWN in (refused, holder.denied(need)) or not role.trust.readable:
        found = found & Truth.UNKNOWN if role.trust.readable else found | Truth.UNKNOWN
    return Step(holder.arn, role.arn, found, "" if found is Truth.NO else "trust" if by_trust is not Truth.NO else "rights")


def steps(holders: Iterable[Rights], roles: Iterable[Role]) -> Iterator[Step]:
    """Every way in which a holder can, or may, take a role; nobody takes himself."""
    listed = tuple(roles)
    for holder in holders:
        for role in listed:
            if role.arn != holder.arn and (made := step(holder, role)).can is not Truth.NO:
                yield made


def becomes_administrator(holders: Iterable[Rights], roles: Iterable[Role]) -> dict[str, Truth]:
    """Who is an administrator, or becomes one by taking roles one after the other: ARN -> whether."""
    everyone, listed = tuple(holders), tuple(roles)
    made = {each.arn: is_administrator(each) for each in (*everyone, *(role.rights for role in listed))}
    taken: dict[str, list[Step]] = {}
    for each in steps((*everyone, *(role.rights for role in listed if role.arn not in {one.arn for one in everyone})), listed):
        taken.setdefault(each.holder, []).append(each)
    changed = True
    while changed:
        changed = False
        for holder, ways in taken.items():
            for way in ways:
                found = made[holder] | (way.can & made[way.role])
                changed, made[holder] = changed or found is not made[holder], found
    return made
