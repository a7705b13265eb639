"""Who can raise his rights, and who has no need to: the list of ways held against what a principal holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache

from cnamm_scan.providers.aws.policies.conditions import Domain
from cnamm_scan.providers.aws.policies.rights import FRESH, Need, Rights
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.aws.policies.ways import CORE, GROUP, POLICY, ROLE, USER, WAYS, Step, Strength, Way


@lru_cache(maxsize=64)
def _keys(account: str, partition: str, passed_to: str) -> Mapping[str, Domain]:
    """What such a request may hold: the one who makes it picks the policy, the boundary and the service that serve him best."""
    chosen = (f"arn:{partition}:iam::aws:policy/AdministratorAccess", f"arn:{partition}:iam::{account}:policy/{FRESH}")
    made = {"iam:policyarn": Domain(chosen), "iam:permissionsboundary": Domain(chosen, may_lack=True)}
    if passed_to:
        made["iam:passedtoservice"] = Domain((passed_to,))
        made["iam:associatedresourcearn"] = Domain(
            (f"arn:{partition}:{passed_to.split('.', maxsplit=1)[0]}:*:{account}:{FRESH}",), may_lack=True
        )
    return made


def holds_step(rights: Rights, step: Step) -> Truth:
    """Whether one step of a way is held."""
    given = _keys(rights.setting.account, rights.setting.partition, step.passed_to)
    made = Truth.NO
    for action in step.actions:
        made |= rights.holds(Need(action, step.resource, given, own=step.own))
        if made is Truth.YES:
            break
    return made


def is_open(way: Way, rights: Rights) -> Truth:
    """Whether the holder of these rights can go this way."""
    if way.needs_boundary and rights.boundary is None and rights.arn:
        return Truth.NO  # who is asked about by name and has no boundary has none to lose
    made = Truth.YES
    for step in way.steps:
        made &= holds_step(rights, step)
        if made is Truth.NO:
            return made
    return made & Truth.UNKNOWN if way.strength is Strength.DEPENDS else made


def ways(rights: Rights) -> Iterator[tuple[Way, Truth]]:
    """Each way that is open, or that may be."""
    for way in WAYS:
        found = is_open(way, rights)
        if found is not Truth.NO:
            yield way, found


def can_raise(rights: Rights) -> Truth:
    """Whether any way is open."""
    made = Truth.NO
    for _, found in ways(rights):
        made |= found
        if made is Truth.YES:
            break
    return made


def gives_rights(rights: Rights) -> Truth:
    """Whether the holder can make, by nothing but his rights, identities or services that hold more than he does: others' bounds, which
    he could take off, count too."""
    made = Truth.NO
    for way in WAYS:
        if way.strength is Strength.DIRECT:
            made |= is_open(way, replace(rights, arn="") if way.needs_boundary else rights)
            if made is Truth.YES:
                break
    return made


def is_administrator(rights: Rights) -> Truth:
    """Whether the holder has everything, or all of the identity service without a bound, apart from a few actions or resources.

    Measured by an action of IAM that nobody spelt out (only a wildcard gives it) together with one of the ways that all of IAM
    opens: a Deny of a single action does not clear it, a Deny of every way does.
    """
    wild = rights.holds(Need(f"iam:{FRESH}", "arn:aws:iam::*:*", whole=True))
    if wild is not Truth.YES:
        wild |= holds_every_change(rights)
    if wild is Truth.NO:
        return wild
    core = Truth.NO
    for way in CORE:
        core |= is_open(way, rights)
        if core is Truth.YES:
            break
    return wild & core


_CHANGES = (
    ("iam:createuser", USER),
    ("iam:createrole", ROLE),
    ("iam:creategroup", GROUP),
    ("iam:createpolicy", POLICY),
    ("iam:createpolicyversion", POLICY),
    ("iam:createaccesskey", USER),
    ("iam:createloginprofile", USER),
    ("iam:attachuserpolicy", USER),
    ("iam:attachrolepolicy", ROLE),
    ("iam:attachgrouppolicy", GROUP),
    ("iam:putuserpolicy", USER),
    ("iam:putrolepolicy", ROLE),
    ("iam:putgrouppolicy", GROUP),
    ("iam:updateassumerolepolicy", ROLE),
    ("iam:addusertogroup", GROUP),
    ("iam:passrole", ROLE),
    ("iam:deleteuser", USER),
    ("iam:deleterole", ROLE),
)


def holds_every_change(rights: Rights) -> Truth:
    """Whether each action of IAM that changes or gives something is held on all users, roles, groups or policies, whichever it is about."""
    given = _keys(rights.setting.account, rights.setting.partition, "")
    return rights.holds_all(Need(action, resource, given, whole=True) for action, resource in _CHANGES)


def holds_all_services(rights: Rights) -> Truth:
    """Whether every action of services that no policy names is held on every resource: of power users too, who lack IAM."""
    return rights.holds(Need(f"{FRESH}:{FRESH}", whole=True))
