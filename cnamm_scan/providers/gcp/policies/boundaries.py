"""Principal access boundary policies: which principals are bound, which resources these may reach, and which permissions that can block.

A principal who is bound by none may reach everything; one who is bound by several may reach what any of them lists, and what lies beneath:
https://docs.cloud.google.com/iam/docs/principal-access-boundary-policies. They only ever take away.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cnamm_scan.providers.gcp.policies.conditions import holds, quoted_in
from cnamm_scan.providers.gcp.policies.public import ANYBODY
from cnamm_scan.providers.truths import Truth, any_of, both, either, negated

Json = Any

LATEST = "latest"
_MANAGER = "//cloudresourcemanager.googleapis.com/"
_BLOCKED = {3: ("iam.serviceAccountKeys.", "iam.roles.")}
"""Enforcement version -> beginnings of the permissions that matter here and that it is the first to block, without exception:
https://docs.cloud.google.com/iam/docs/pab-blocked-permissions. Of all others that matter it is not known here."""
NEWEST = 4
"""What `latest` stands for at the least."""
_TYPES = {
    "user": "iam.googleapis.com/WorkspaceIdentity",
    "serviceAccount": "iam.googleapis.com/ServiceAccount",
}
_POOL = re.compile(
    r"principal(?:Set)?://(iam\.googleapis\.com/(?:projects/\d+/)?locations/[^/]+/(?:workload|workforce)(?:IdentityPools|Pools)/[^/]+)"
)
_COMPARED = re.compile(r"principal\.(type|subject)\s*(==|!=)\s*(['\"])([^'\"]*)\3")
_LISTED = re.compile(r"principal\.(type|subject)\s+in\s+\[([^\]]*)\]")
_PART = re.compile(r"principal\.subject\.(startsWith|endsWith)\(\s*(['\"])([^'\"]*)\2\s*\)")
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Bound:
    """A principal access boundary policy, bound to a set of principals."""

    resources: tuple[str, ...]
    """Full names of what they may reach: //cloudresourcemanager.googleapis.com/organizations/9."""
    version: str
    """Its enforcement version: 1, 2, 3 … or latest."""
    principals: str
    """The full name of the set: an organization, a folder, a project, a pool or a Workspace."""
    condition: str = ""

    @classmethod
    def read(cls, rules: Json, version: str, principals: str, condition: str) -> Bound:
        """A policy as the API writes it. Raises ValueError for what it never writes."""
        if not isinstance(rules, list) or not all(isinstance(each, dict) and each.get("effect") == "ALLOW" for each in rules):
            raise ValueError("a rule does not allow")
        named = [each.get("resources") or [] for each in rules]
        if not all(isinstance(each, list) for each in named):
            raise ValueError("resources are no list")
        return cls(tuple(str(one) for each in named for one in each), version, principals, condition)

    def covers(self, names: Collection[str]) -> bool:
        """Whether it lists one of these: a resource, as it may be called, and what is above it."""
        return any(each in names for each in self.resources)


@dataclass(frozen=True, slots=True)
class Limits:
    """What boundaries come to for one member on one resource."""

    bound: tuple[tuple[str, Truth], ...] = ()
    """(enforcement version, whether he is bound) for each that may bind him."""
    is_eligible: Truth = False
    """Whether one that binds him lists the resource."""
    is_whole: bool = True
    """Whether every boundary that was asked for was read."""

    def refuses(self, permission: str) -> Truth:
        """Whether they keep a permission on the resource from him."""
        found = any_of(both(is_bound, blocks(version, permission)) for version, is_bound in self.bound)
        more: Truth = False if self.is_whole else None
        return both(either(found, more), negated(either(self.is_eligible, more)))


UNLIMITED = Limits()


def blocks(version: str, permission: str) -> Truth:
    """Whether a policy of an enforcement version can block a permission; of most it is not known."""
    number = NEWEST if version == LATEST else int(version) if version.isdecimal() else None
    first = next((since for since, beginnings in _BLOCKED.items() if permission.startswith(beginnings)), None)
    return None if number is None or first is None else number >= first


def limits(bounds: Sequence[Bound], member: str, home: Home, line: Collection[str], *, is_whole: bool) -> Limits:
    """What boundaries come to for a member on a resource that has these names, and beneath these."""
    if not bounds:
        return Limits(is_whole=is_whole)
    whether = [(each, binds(each, member, home)) for each in bounds]
    eligible = any_of(both(is_bound, each.covers(line)) for each, is_bound in whether)
    some = {(each.version, is_bound) for each, is_bound in whether if is_bound is not False}
    return Limits(tuple(sorted(some, key=repr)), eligible, is_whole)


# ---- whom one binds --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Home:
    """Where principals are at home, as far as a scan knows: what is above each project, and whose the organization is."""

    projects: Mapping[str, Collection[str]]
    """Project's id or number -> names of it and of what is above it."""
    domains: Mapping[str, str]
    """organizations/N -> its primary domain."""


def binds(bound: Bound, member: str, home: Home) -> Truth:
    """Whether a member of an allow policy is bound: is of the set, and passes the condition. Who is in a group is not known."""
    return both(_is_of(bound.principals, member, home), _passes(bound.condition, member))


def _is_of(principals: str, member: str, home: Home) -> Truth:
    if member in ANYBODY:
        return False  # strangers are of no set, and whoever is anybody may be one
    kind, _, name = member.partition(":")
    pool = _POOL.match(member)
    if pool is not None:
        own = f"//{pool[1]}"
        if principals == own:
            return True
        number = re.search(r"projects/(\d+)/", own)
        return _is_beneath(principals, number[1], home) if number is not None else None
    if kind == "serviceAccount":
        project = name.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
        return _is_beneath(principals, project, home) if principals.startswith(_MANAGER) else False
    domain = home.domains.get(principals.removeprefix(_MANAGER))
    if kind == "user" and domain and name.lower().endswith(f"@{domain.lower()}"):
        return True
    return False if kind == "user" and name.lower().endswith(("@gmail.com", "@googlemail.com")) else None


def _is_beneath(principals: str, project: str, home: Home) -> Truth:
    above = home.projects.get(project)
    return None if above is None else principals in above


def _passes(condition: str, member: str) -> Truth:
    return holds(condition, partial(_asked, member=member), _DEPTH)


def _asked(text: str, member: str) -> Truth:
    kind, _, name = member.partition(":")
    own = {"type": _TYPES.get(kind), "subject": name if kind in _TYPES else None}
    if compared := _COMPARED.fullmatch(text):
        said = own[compared[1]]
        return None if said is None else (said == compared[4]) == (compared[2] == "==")
    if listed := _LISTED.fullmatch(text):
        said = own[listed[1]]
        return None if said is None else said in quoted_in(listed[2])
    if part := _PART.fullmatch(text):
        said = own["subject"]
        # of a person what stands before the @ is not known here
        whole = said is not None and (kind == "serviceAccount" or (part[1] == "endsWith" and part[3].startswith("@")))
        return None if not whole or said is None else said.startswith(part[3]) if part[1] == "startsWith" else said.endswith(part[3])
    return None
