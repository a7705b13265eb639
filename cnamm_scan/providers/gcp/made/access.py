"""What members of allow policies hold on a project, folder or organization, out of every binding there and above."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp.forms import stands_for
from cnamm_scan.providers.gcp.made.boundaries import Boundaries
from cnamm_scan.providers.gcp.made.denials import Denials
from cnamm_scan.providers.gcp.made.hierarchy import Hierarchy, Level, kind_of
from cnamm_scan.providers.gcp.policies.conditions import Ask, allows
from cnamm_scan.providers.gcp.policies.public import ANYBODY
from cnamm_scan.providers.gcp.policies.rights import Grant, Rights
from cnamm_scan.providers.gcp.policies.roles import BASIC, EDITORS, OWNERS, spelled
from cnamm_scan.providers.gcp.policies.ways import ACT_AS, IMPERSONATING
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth, any_of, both, either

Row = dict[str, Any]
Held = tuple[Level, SeenRow]
"""A binding, and the level that it is set on."""

BINDING = "gcp.iam.binding"
ROLE = "gcp.iam.role"
ACCOUNT = "gcp.iam.service_account"
ORGANIZATION = "gcp.organization.organization"
EVERYWHERE = "global"
_BASICS = ("projectOwner", "projectEditor", "projectViewer")
"""Whoever holds a basic role on the project: no member by himself."""
_WORKFORCE = "principal://iam.googleapis.com/locations/global/workforcePools"
_STANDS_FOR = re.compile("[0-9a-f]{12}")
_FREE_MAIL = ("@gmail.com", "@googlemail.com")
_AGENT = re.compile(
    r"serviceAccount:(?:\d+@cloudservices\.gserviceaccount\.com"
    r"|service-(?:\d+|org-\d+|folder-\d+)@(?:gcp-sa-[a-z0-9-]+|gcp-gae-service|gcf-admin-robot|serverless-robot-prod|compute-system|container-engine-robot"
    r"|containerregistry|dataproc-accounts|dataflow-service-producer-prod|cloud-redis|cloudcomposer-accounts|firebase-rules|service-networking"
    r"|gs-project-accounts|cloud-filer|cloud-tpu|endpoints-portal|sourcerepo-service-accounts|bigquery-encryption|cloud-ml\.google\.com"
    r"|gae-api-prod\.google\.com)\.iam\.gserviceaccount\.com)"
)
"""Service agents. https://docs.cloud.google.com/iam/docs/service-agents"""
_LEVEL_TYPES = {
    "cloudresourcemanager.googleapis.com/Project": "projects",
    "cloudresourcemanager.googleapis.com/Folder": "folders",
    "cloudresourcemanager.googleapis.com/Organization": "organizations",
}


class _Estate:
    """All bindings of a scan, each table gone through once."""

    def __init__(self, seen: SeenTables) -> None:
        self.seen = seen
        self.hierarchy = Hierarchy(seen)
        self.custom = _custom(seen)
        self._judged: dict[tuple[Any, ...], Row] = {}
        self.denials = Denials(seen, self.hierarchy)
        self.boundaries = Boundaries(seen, self.hierarchy)
        self.by_level: dict[str, list[SeenRow]] = {}
        for row in seen.rows(BINDING):
            if row.values["resource_type"] in _LEVEL_TYPES:
                self.by_level.setdefault(self.hierarchy.place(str(row.values["resource_id"]), row.target), []).append(row)

    def line(self, target: Target) -> Sequence[Level] | None:
        """The levels whose bindings hold on a target; None where they were not read."""
        return self.hierarchy.above(target)

    def bindings(self, target: Target) -> Iterator[Held]:
        """Every binding that holds on a target and was seen."""
        line = self.line(target)
        if line is None:  # its own at least
            kind = kind_of(target)
            for name, rows in self.by_level.items():
                yield from ((Level(name, target.id), row) for row in rows if row.target == target.id and name.startswith(kind))
            return
        for level in line:
            yield from ((level, row) for row in self.by_level.get(level.name, ()))

    def is_whole(self, target: Target) -> bool:
        """Whether every binding that holds on a target was seen."""
        line = self.line(target)
        return self.hierarchy.shows_all(BINDING, line) and all(row.values["members"] is not None for _, row in self.bindings(target))

    def is_of(self, target: Target, level: Level) -> bool:
        """Whether what is set on a level is told of a target, and not of another."""
        line = self.line(target)
        return line is None or level.name == line[0].name or all(each.name != level.name for each in self.seen.targets)

    def judged(self, target: Target, member: str, held: Sequence[Held], *, is_whole: bool) -> Row:
        """What these bindings come to, once for all who hold the same and are refused the same."""
        grants = tuple(sorted({Grant(level.kind, row.values["role"], row.values["condition"]) for level, row in held}, key=repr))
        refused = self.denials.on(target)
        whom = member if refused.rules else ""
        limits = self.boundaries.on(target, member)
        which = (grants, kind_of(target), is_whole, refused, whom, limits)
        if which not in self._judged:
            bounds = {"is_whole": is_whole, "denials_are_whole": refused.is_whole}
            rights = Rights(whom, grants, self.seen.now, kind_of(target), self.custom, refused.rules, **bounds, limits=limits)
            self._judged[which] = _judged(rights)
        return self._judged[which]


def _custom(seen: SeenTables) -> Mapping[str, Collection[str] | None]:
    """What custom roles hold. One that is switched off, or deleted, holds nothing."""
    found: dict[str, Collection[str] | None] = {}
    for row in seen.rows(ROLE):
        name, off, stage = row.values["name"], row.values["is_deleted"], row.values["stage"]
        if name is None:
            continue
        if off is True or stage == "DISABLED":
            found[name] = frozenset()
        else:
            held = row.values["permissions"]
            found[name] = None if held is None or ((off is None or stage is None) and held) else frozenset(map(spelled, held))
    return found


def _members(estate: _Estate, target: Target) -> dict[str, list[Held]]:
    """Every member that was given something on a target or above it, with what."""
    found: dict[str, list[Held]] = {}
    for level, row in estate.bindings(target):
        for member in row.values["members"] or ():
            if not member.startswith("deleted:") and member.partition(":")[0] not in _BASICS:
                found.setdefault(member, []).append((level, row))
    return dict(sorted(found.items()))


def kind(member: str) -> str:
    """user, serviceAccount, group, domain, allUsers, principal, principalSet …"""
    return member.partition(":")[0]


def key_of(member: str) -> str:
    """What a row is called by: service accounts and what is no person by itself, people and groups by what stands for their address, and
    their domain: `group d5e8bf450113 of shop.example`.
    """
    if kind(member) in ("user", "group"):
        address = member.partition(":")[2]
        who, _, domain = address.partition("@")
        told = who if _STANDS_FOR.fullmatch(who) else stands_for(address)  # in bundles of before, policies name them whole
        return f"{kind(member)} {told} of {domain}" if domain else f"{kind(member)} {told}"
    return f"{kind(member)}:{stands_for(member)}" if member.startswith(_WORKFORCE) else member


def is_googles(member: str) -> bool:
    """Whether a service account is one that Google runs for a service of its own: nobody else can use it, or take its role."""
    return bool(_AGENT.fullmatch(member))


def is_default(member: str) -> bool:
    """Whether it is the account of whatever names none: of Compute Engine, or of App Engine."""
    return kind(member) == "serviceAccount" and member.endswith(("-compute@developer.gserviceaccount.com", "@appspot.gserviceaccount.com"))


def principal_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each member that was given something on a project, folder or organization.

    What was given above counts, and has its row there; of a folder that is no target by itself, on each project beneath.
    """
    estate = _Estate(seen)
    domains = _domains(seen)
    for target in seen.targets:
        whole = estate.is_whole(target)
        for member, held in _members(estate, target).items():
            if not any(estate.is_of(target, level) for level, _ in held):
                continue
            values = {
                **estate.judged(target, member, held, is_whole=whole),
                "place": target.name,
                "scope": _scope(target),
                **_named(member, [row for _, row in held if not _is_over(row, seen)], whole),
                "is_inherited": _is_inherited(estate.line(target), held, whole),
                "is_outside": _is_outside(member, domains.get(_organization(estate, target) or "")),
            }
            yield MadeRow(target.id, EVERYWHERE, key_of(member), values, tuple(dict.fromkeys(row.fact for _, row in held)))


def _scope(target: Target) -> str:
    """As gcloud names where to search: projects carry their id alone."""
    return target.name if "/" in target.name else f"projects/{target.name}"


def _is_over(row: SeenRow, seen: SeenTables) -> bool:
    """Whether a binding certainly gives nothing now: one that ended last year still stands in its policy."""
    condition = row.values["condition"]
    return bool(condition) and allows(condition, Ask(seen.now)) is False


def _named(member: str, held: Sequence[SeenRow], whole: bool) -> Row:
    """What a member is, and which roles he holds; one whose condition was not read may be over."""
    roles = [row.values["role"] for row in held if row.values["condition"] is not None]
    knows = whole and None not in roles and len(roles) == len(held)
    return {
        "member": member,
        "kind": kind(member),
        "account": member.partition(":")[2] if kind(member) == "serviceAccount" else "",
        "roles": sorted({*roles}) if knows else None,
        "holds_owner": _has(roles, OWNERS, knows),
        "holds_editor": _has(roles, EDITORS, knows),
        "holds_basic_role": _has(roles, BASIC, knows),
        "is_googles": is_googles(member),
        "is_default_account": is_default(member),
    }


def _has(roles: Sequence[str | None], wanted: Collection[str], knows: bool) -> Truth:
    return True if any(each in wanted for each in roles) else False if knows else None


def _is_inherited(line: Sequence[Level] | None, held: Sequence[Held], whole: bool) -> Truth:
    if line is not None and any(level.name != line[0].name for level, _ in held):
        return True
    return False if whole else None


def _organization(estate: _Estate, target: Target) -> str | None:
    line = estate.line(target)
    return next((each.name for each in line or () if each.kind == "organizations"), None)


def _judged(rights: Rights) -> Row:
    administrator = rights.is_administrator
    certain, possible = rights.ways
    return {
        "is_administrator": administrator,
        "can_raise": rights.can_raise,
        "ways": list(certain),
        "possible_ways": list(possible) if rights.is_whole else None,
        "is_standing_administrator": both(administrator, rights.later().is_administrator),
        "impersonates_all": any_of(rights.holds(each) for each in (ACT_AS, *IMPERSONATING)),
    }


def _domains(seen: SeenTables) -> Mapping[str, str]:
    return {row.values["id"]: row.values["name"] for row in seen.rows(ORGANIZATION) if row.values["id"] and row.values["name"]}


def _is_outside(member: str, domain: str | None) -> Truth:
    """Whether somebody is of another organization. Which domains are one's own the directory alone knows, beside the primary one."""
    if member in ANYBODY or member.endswith(_FREE_MAIL):
        return True
    if kind(member) in ("user", "group") and domain and member.lower().endswith(f"@{domain.lower()}"):
        return False
    return False if kind(member) == "domain" and domain and member.lower() == f"domain:{domain.lower()}" else None


def administrators(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each project, folder and organization: how many administrators it has, Google's own service agents not counted."""
    estate = _Estate(seen)
    for target in seen.targets:
        whole = estate.is_whole(target)
        sure: list[str] = []
        possible: list[str] = []
        standing: list[Truth] = []
        facts: list[str] = []
        for member, held in _members(estate, target).items():
            if is_googles(member):
                continue
            judged = estate.judged(target, member, held, is_whole=whole)
            if judged["is_administrator"] is True:
                sure.append(member)
                facts += [row.fact for _, row in held]
            if judged["is_administrator"] is not False:
                possible.append(member)
                if kind(member) in ("user", "group"):
                    standing.append(judged["is_standing_administrator"])
        values: Row = {
            "at_least": len(sure),
            "at_most": len(possible) if whole else None,
            "standing": standing.count(True) if whole and None not in standing else None,
            "names": sorted(map(key_of, sure)),
            "scope": _scope(target),
        }
        yield MadeRow(target.id, EVERYWHERE, target.name, values, tuple(dict.fromkeys(facts)))


def custom_role_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each custom role: what it comes to for whoever holds it where it can be granted."""
    custom, granted = _custom(seen), _Granted(seen)
    for row in seen.rows(ROLE):
        name = row.values["name"]
        level = "organizations" if str(name).startswith("organizations/") else "projects"
        judged = _judged(Rights("", (Grant(level, name),), seen.now, level, custom))
        values = {
            "name": name,
            "title": row.values["title"],
            **{each: judged[each] for each in ("is_administrator", "can_raise", "ways", "possible_ways")},
            "is_granted": granted.has(name),
        }
        yield MadeRow(row.target, row.region, row.key, values, (row.fact,))


class _Granted:
    """Which roles somebody was given, in whatever was scanned."""

    def __init__(self, seen: SeenTables) -> None:
        rows = [row.values for row in seen.rows(BINDING)]
        self._roles = {row["role"] for row in rows if row["members"]}
        self._perhaps = {row["role"] for row in rows if row["members"] is None}
        self._is_whole = not any(seen.dark(BINDING, each.id) for each in seen.targets) and None not in self._roles | self._perhaps

    def has(self, role: str | None) -> Truth:
        """Whether it is one of them."""
        if role is not None and role in self._roles:
            return True
        return False if self._is_whole and role is not None and role not in self._perhaps else None


def service_account_access(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each service account: what it comes to itself, and who may act as it by a binding on it."""
    estate = _Estate(seen)
    on_accounts: dict[str, list[SeenRow]] = {}
    for row in seen.rows(BINDING):
        if row.values["resource_type"] == "iam.googleapis.com/ServiceAccount":
            on_accounts.setdefault(_last(str(row.values["resource_id"])), []).append(row)
    targets = {each.id: each for each in seen.targets}
    members = {each: _members(estate, target) for each, target in targets.items()}
    wholes = {each: estate.is_whole(target) for each, target in targets.items()}
    for account in seen.rows(ACCOUNT):
        email = account.values["email"]
        held = members[account.target].get(f"serviceAccount:{email}", [])
        names = {email, account.values["unique_id"], _last(account.key)} - {None}
        on = [row for each in sorted(names) for row in on_accounts.get(each, ())]
        is_named = email is not None and account.values["unique_id"] is not None
        is_read = is_named and not seen.dark(BINDING, account.target) and all(row.values["members"] is not None for row in on)
        values = {
            "email": email,
            "project": targets[account.target].name,
            "is_disabled": account.values["is_disabled"],
            "is_default": None if email is None else is_default(f"serviceAccount:{email}"),
            **_own(estate, targets[account.target], email, held, wholes[account.target] and email is not None),
            **_users(estate, on, targets[account.target], is_read),
        }
        facts = (account.fact, *(row.fact for _, row in held), *(row.fact for row in on))
        yield MadeRow(account.target, account.region, account.key, values, tuple(dict.fromkeys(facts)))


def _own(estate: _Estate, target: Target, email: str | None, held: Sequence[Held], whole: bool) -> Row:
    """What an account holds itself."""
    judged = estate.judged(target, f"serviceAccount:{email}", held, is_whole=whole)
    roles = [row.values["role"] for _, row in held]
    return {
        "is_administrator": judged["is_administrator"],
        "can_raise": judged["can_raise"],
        "holds_editor": _has(roles, EDITORS | OWNERS, whole and None not in roles),
    }


def _users(estate: _Estate, rows: Sequence[SeenRow], target: Target, is_read: bool) -> Row:
    """Who may act as an account by bindings on it, or make its tokens or keys."""
    found: dict[str, Truth] = {}
    refused = estate.denials.on(target)
    for row in rows:
        grant = Grant("projects", row.values["role"], row.values["condition"])
        for member in row.values["members"] or ():
            if not member.startswith("deleted:"):
                rights = Rights(
                    member,
                    (grant,),
                    estate.seen.now,
                    custom=estate.custom,
                    denials=refused.rules,
                    denials_are_whole=refused.is_whole,
                    limits=estate.boundaries.on(target, member),
                )
                may = any_of(rights.holds(each) for each in (ACT_AS, *IMPERSONATING))
                found[member] = either(found.get(member, False), may)
    public = any_of(may for member, may in found.items() if member in ANYBODY)
    foreign = any_of(both(may, _is_of_another(member, target.name)) for member, may in found.items())
    return {
        "is_public": public if public is True or is_read else None,
        "names": sorted({key_of(each) for each, may in found.items() if may is True}),
        "is_used_from_another_project": foreign if foreign is True or is_read else None,
    }


def _is_of_another(member: str, project: str) -> Truth:
    """Whether a member is a service account of another project; of those that are called by a number alone it is not known."""
    if kind(member) != "serviceAccount" or is_googles(member):
        return False
    name, _, domain = member.removeprefix("serviceAccount:").partition("@")
    organization, _, own = project.rpartition(":")
    if domain.endswith(".iam.gserviceaccount.com"):
        return domain != f"{own}{'.' if organization else ''}{organization}.iam.gserviceaccount.com"
    if ".svc.id.goog[" in name:
        return name.partition(".svc.id.goog[")[0] != project
    return name != project if domain == "appspot.gserviceaccount.com" else None


def _last(name: str) -> str:
    return name.rpartition("/")[2]
