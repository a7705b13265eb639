"""What a principal may do on a project, a folder or an organization: the union of what was given there and above, less what is denied.

Allow policies: https://docs.cloud.google.com/iam/docs/allow-policies; deny policies go first: https://docs.cloud.google.com/iam/docs/deny-overview.
Principal access boundary policies take away too.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from cnamm_scan.providers.gcp.policies import conditions
from cnamm_scan.providers.gcp.policies.boundaries import UNLIMITED, Limits
from cnamm_scan.providers.gcp.policies.conditions import Ask
from cnamm_scan.providers.gcp.policies.roles import OWNERS, WEAK, held_by, holds
from cnamm_scan.providers.gcp.policies.ways import GIVES, WAYS, WIDENS, Way
from cnamm_scan.providers.truths import Truth, any_of, both, either, negated
from cnamm_scan.providers.wildcards import matches

Json = Any
EVERYBODY = "principalSet://goog/public:all"
DENIABLE = frozenset({*GIVES.values(), "iam.serviceAccountKeys.create"})
"""Permissions of which it is certain that deny policies take them: https://docs.cloud.google.com/iam/docs/deny-access-change-permissions"""
_ORGANIZATION = re.compile(r"principalSet://(?:goog/cloudIdentityCustomerId|cloudresourcemanager\.googleapis\.com/organizations)/[^/]+")
_ONE = ("user:", "serviceAccount:", "principal:")
"""Members that are one, and not many."""
FAR = datetime.max.year - 1
_NAMED_ROLE = re.compile(r"['\"]((?:roles|(?:projects|organizations)/[^'\"/]+/roles)/[^'\"/]+)['\"]")
_HOSTS = {"resourcemanager": "cloudresourcemanager"}
"""Services whose permissions begin with another word than their host."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role that was given on a level of the hierarchy: projects, folders or organizations. Of None it was not read."""

    level: str
    role: str | None
    condition: str | None = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """A rule of a deny policy that holds here. Names are as it writes them."""

    principals: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    condition: str = ""
    """On tags alone, which are not read."""

    @classmethod
    def read(cls, rule: Mapping[str, Json]) -> Denial:
        """A `denyRule` as the API writes it. Raises ValueError for what it never writes."""
        names = ("deniedPrincipals", "exceptionPrincipals", "deniedPermissions", "exceptionPermissions")
        lists = [rule.get(each) or [] for each in names]
        condition = rule.get("denialCondition") or {}
        if not isinstance(condition, dict) or not all(isinstance(each, list) for each in lists):
            raise ValueError("not as the API writes it")
        principals, excepted, permissions, spared = (tuple(map(str, each)) for each in lists)
        return cls(principals, excepted, permissions, spared, str(condition.get("expression") or ""))

    def refuses(self, member: str, permission: str) -> Truth:
        """Whether it refuses a permission to a member; to one of many, where each of them is refused."""
        is_excepted = among(self.excepted, member)
        if is_excepted is False and self.excepted and not member.startswith(_ONE):
            is_excepted = None  # whoever is in a group may be excepted himself
        return both(self._is_of(permission), both(among(self.principals, member), negated(is_excepted)))

    def refuses_all_but_some(self, permission: str) -> Truth:
        """Whether it refuses a permission to everybody, or to the whole organization, whomever it excepts."""
        everybody = any(each == EVERYBODY or _ORGANIZATION.fullmatch(each) for each in self.principals) and EVERYBODY not in self.excepted
        return both(everybody, self._is_of(permission))

    def _is_of(self, permission: str) -> Truth:
        """Whether a permission is among those that are denied. By a pattern only those are that can be denied."""
        text = _written(permission)
        if any(matches(each, text) for each in self.spared):
            return False
        by_name = text in self.permissions or (permission in DENIABLE and any(matches(each, text) for each in self.permissions))
        named: Truth = True if by_name else None if any(matches(each, text) for each in self.permissions) else False
        return both(named, True if not self.condition else None)


def _written(permission: str) -> str:
    """A permission as deny policies write it: iam.googleapis.com/serviceAccountKeys.create."""
    service, _, rest = permission.partition(".")
    return f"{_HOSTS.get(service, service)}.googleapis.com/{rest}"


def among(named: Sequence[str], member: str) -> Truth:
    """Whether a member of an allow policy is among principals of a deny policy. Who is in a group or a directory is not known."""
    kind, _, name = member.partition(":")
    own = {
        "user": f"principal://goog/subject/{name}",
        "serviceAccount": f"principal://iam.googleapis.com/projects/-/serviceAccounts/{name}",
        "group": f"principalSet://goog/group/{name}",
    }.get(kind, member)
    found: Truth = False
    for each in named:
        if each == EVERYBODY or each.lower() == own.lower():
            return True
        if each.startswith("principalSet://") and not (kind == "serviceAccount" and each.startswith("principalSet://goog/cloudIdentity")):
            found = None
    return found


@dataclass(frozen=True)
class Rights:
    """All that one member was given on a target and above it."""

    member: str
    grants: tuple[Grant, ...]
    now: datetime
    level: str = "projects"
    """What the target is: projects, folders or organizations."""
    custom: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    denials: tuple[Denial, ...] = ()
    is_whole: bool = True
    """Whether all that he was given was read."""
    denials_are_whole: bool = True
    """Whether all that is denied was read. What was never asked for is no gap."""
    limits: Limits = UNLIMITED
    """What principal access boundary policies keep from him here."""

    def holds(self, permission: str) -> Truth:
        """Whether he has it here."""
        given: Truth = False if self.is_whole else None
        for each in self.grants:
            given = either(given, self._given(each, permission))
            if given is True:
                break
        refused: Truth = False if self.denials_are_whole else None
        refused = either(refused, any_of(each.refuses(self.member, permission) for each in self.denials))
        refused = either(refused, self.limits.refuses(permission))
        return both(given, negated(refused))

    def _given(self, grant: Grant, permission: str) -> Truth:
        if _is_of_above(permission, grant.level):
            return False
        has = None if grant.role is None else holds(grant.role, permission, self.custom)
        if has is False or grant.condition == "":
            return has
        return both(has, None if grant.condition is None else self._lets(grant.condition, permission))

    def _lets(self, condition: str, permission: str) -> Truth:
        """Whether a condition leaves a permission what makes it dangerous: of giving roles, that a strong one may be given."""
        if permission not in GIVES.values():
            return conditions.allows(condition, Ask(self.now))
        found = conditions.allows(condition, Ask(self.now, "roles/owner"))
        for role in _NAMED_ROLE.findall(condition):
            if role in WEAK or found is True:
                continue
            may = conditions.allows(condition, Ask(self.now, role))
            strong = _is_strong(held_by(role, self.custom))
            found = either(found, both(may, strong))
        return found

    # ---- what it comes to --------------------------------------------------------------------------------------------

    @cached_property
    def is_administrator(self) -> Truth:
        """Whether he is Owner, or gives roles without a bound."""
        owner: Truth = any_of(self._given(each, GIVES["projects"]) if each.role in OWNERS else False for each in self.grants)
        owner = both(owner, self.holds(GIVES["projects"])) if owner is not False else False
        return either(owner, any_of(self.holds(each) for each in self._giving()))

    def _giving(self) -> Sequence[str]:
        """The permissions that give roles on the target, or on what is above it."""
        order = list(GIVES)
        return [GIVES[each] for each in order[order.index(self.level) :]]

    @cached_property
    def ways(self) -> tuple[Sequence[str], Sequence[str]]:
        """(ways to all rights that are certain, ways that may be), by their first permissions."""
        certain, possible = set(), set()
        for way in WAYS:
            held = self._takes(way)
            if held is True and way.is_certain:
                certain.add(way.name)
            elif held is not False:
                possible.add(way.name)
        return sorted(certain), sorted(possible - certain)

    def _takes(self, way: Way) -> Truth:
        held: Truth = True
        for permission in way.permissions:
            held = both(held, self.holds(permission))
            if held is False:
                return False
        return held

    @cached_property
    def widens_own_role(self) -> Truth:
        """Whether he may widen a custom role that he holds himself."""
        own = any_of(None if each.role is None else "/roles/" in each.role for each in self.grants)
        return both(self.holds(WIDENS), either(own, False if self.is_whole else None))

    @cached_property
    def can_raise(self) -> Truth:
        """Whether he comes to all rights by a way of his own; unknown where it hangs on what there is to be borrowed."""
        certain, possible = self.ways
        if certain or self.widens_own_role is True:
            return True
        return None if possible or not self.is_whole else False

    def later(self) -> Rights:
        """The same long after every end that a condition sets."""
        return Rights(
            self.member,
            self.grants,
            self.now.replace(year=FAR, month=1, day=1),
            self.level,
            self.custom,
            self.denials,
            self.is_whole,
            self.denials_are_whole,
            self.limits,
        )


def _is_of_above(permission: str, level: str) -> bool:
    """Whether a permission means nothing on a level: folders are given roles on folders, and above."""
    wanted = next((each for each, gives in GIVES.items() if gives == permission), "projects")
    order = list(GIVES)
    return order.index(level) < order.index(wanted)


def _is_strong(held: Collection[str] | None) -> Truth:
    """Whether a role leads to all rights by itself, as far as is known of it."""
    if held is None:
        return None
    certain = any(way.is_certain and all(each in held for each in way.permissions) for way in WAYS)
    return True if certain else None if any(each in held for way in WAYS for each in way.permissions) else False
