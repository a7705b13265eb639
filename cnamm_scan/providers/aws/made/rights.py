"""What users, groups, roles, permission sets and single policies hold, out of every document that speaks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.holders import (
    GROUP,
    NO_BOUNDARY,
    ROLE,
    USER,
    Documents,
    Holder,
    Managed,
    Written,
    holders,
    is_dark,
    managed,
)
from cnamm_scan.providers.aws.made.places import Places
from cnamm_scan.providers.aws.made.raising import Stairs
from cnamm_scan.providers.aws.policies import escalation, facts
from cnamm_scan.providers.aws.policies.assuming import Role
from cnamm_scan.providers.aws.policies.documents import UNREADABLE, Document, read
from cnamm_scan.providers.aws.policies.patterns import arn_parts, is_wild
from cnamm_scan.providers.aws.policies.rights import Rights
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from cnamm_scan.providers.aws.policies.ways import WAYS
from cnamm_scan.providers.interface import SeenRow, SeenTables

Row = dict[str, Any]
_WAYS = {way.name: way for way in WAYS}
_OWN_NAME = frozenset({"aws:principalarn", "aws:username", "aws:userid", "aws:principaltype"})


def _speaks_of_names(document: Document) -> bool:
    """Whether what it gives may depend on who holds it: only then has each holder to be asked on his own."""
    for statement in document.statements:
        if any(test.key in _OWN_NAME for test in statement.tests):
            return True
        for each in statement.resources.listed:
            parts = arn_parts(each)
            if each != "*" and (parts is None or "${" in each or is_wild(parts[2]) or parts[2] == "iam"):
                return True
    return False


class Judge:
    """Answers what is held, once for all who hold the same."""

    def __init__(self, seen: SeenTables) -> None:
        self._places = Places.of(seen)
        self._rows: dict[tuple[Any, ...], Row] = {}
        self._administrators: dict[tuple[Any, ...], bool | None] = {}
        self._named: dict[Document, bool] = {}

    def setting(self, row: SeenRow, arn: str) -> Setting:
        """Where somebody stands."""
        return replace(self._places.at(row, arn), resource="")

    def rights(self, row: SeenRow, arn: str, documents: Iterable[Document], boundary: Document | None = None) -> Rights:
        """A principal's rights, or with an empty `arn` those of whoever holds the documents."""
        return Rights(self.setting(row, arn or row.key), tuple(documents), boundary, arn=arn)

    def of(self, holder: Holder, documents: Documents) -> Rights:
        """Everything that speaks of somebody."""
        return self.rights(holder.row, holder.arn, documents.all_of(holder), documents.boundary(holder))

    def row(self, rights: Rights) -> Row:
        """What `facts.rights_row` says, and how much of it a boundary leaves."""
        key = self._alike(rights)
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = _row(rights)
        return found

    def administrator(self, rights: Rights) -> bool | None:
        """Whether all rights are held, which is quickly said."""
        key = self._alike(rights)
        if key not in self._administrators:
            self._administrators[key] = escalation.is_administrator(rights).as_bool
        return self._administrators[key]

    def _alike(self, rights: Rights) -> tuple[Any, ...]:
        """The same for all whose rights are the same."""
        spoken = (*rights.identity, *([rights.boundary] if rights.boundary is not None else []))
        who = rights.arn if any(map(self._is_named, spoken)) else rights.arn.partition("/")[0]
        place = rights.setting
        return place.account, place.partition, place.organisation, frozenset(rights.identity), rights.boundary, who

    def _is_named(self, document: Document) -> bool:
        found = self._named.get(document)
        if found is None:
            found = self._named[document] = _speaks_of_names(document)
        return found


def _row(rights: Rights) -> Row:
    made = facts.rights_row(rights)
    made.pop("arn")
    is_bounded: bool | None = False
    if rights.boundary is None:
        gives = escalation.gives_rights(rights)
    else:
        gives = escalation.gives_rights(replace(rights, boundary=None))
        is_bounded = {Truth.NO: True, Truth.YES: False}.get(escalation.gives_rights(rights))
        if is_bounded and not rights.boundary.readable:
            is_bounded = None  # that there is a boundary at all may not have been read
    return {**made, "gives_rights": gives.as_bool, "is_bounded": is_bounded}


def _everybody(seen: SeenTables) -> tuple[list[Holder], list[Holder], list[Holder], Documents]:
    groups = holders(seen, GROUP)
    return holders(seen, USER), groups, holders(seen, ROLE), Documents.of(seen, groups)


def _who(holder: Holder) -> Row:
    return {
        "name": holder.name,
        "arn": holder.arn,
        "created_at": holder.value("created_at"),
        "boundary_arn": NO_BOUNDARY if holder.kind == GROUP else holder.value("boundary_arn"),
        "is_break_glass": False if holder.kind == GROUP else holder.is_break_glass,
    }


class _Climb:
    """What the strong roles of each account leave of ways that may be open."""

    def __init__(self, seen: SeenTables, judge: Judge, documents: Documents, roles: Iterable[Holder]) -> None:
        every: dict[str, list[Role]] = {target.id: [] for target in seen.targets}
        for each in roles:
            trust = each.value("trust")
            rights = judge.of(each, documents)
            every[each.row.target].append(Role(each.arn, UNREADABLE if trust is None else read(trust), rights))
        self._stairs = {target: Stairs.of(roles, judge.administrator, not is_dark(seen, ROLE, target)) for target, roles in every.items()}

    def becoming(self, others: Iterable[tuple[str, Rights]] = ()) -> None:
        """Work out who comes to all rights by taking roles: the roles, and others of an account."""
        of: dict[str, list[Rights]] = {}
        for target, rights in others:
            of.setdefault(target, []).append(rights)
        self._becoming = {target: stairs.becoming(of.get(target, ())) for target, stairs in self._stairs.items()}

    def becomes(self, target: str, rights: Rights, administrator: bool | None) -> bool | None:
        """Whether somebody is an administrator or becomes one; roles that were not seen may make him one."""
        found = Truth.of(administrator) | self._becoming[target].get(rights.arn, Truth.NO)
        return (found if self._stairs[target].all_seen else found | Truth.UNKNOWN).as_bool

    def row(self, target: str, rights: Rights, row: Row) -> Row:
        """The row without the ways that lead nowhere; where a policy was not read, one of them may be open for certain, and wherever to."""
        if not row["possible_ways"] or not rights.is_readable:
            return row
        stairs = self._stairs[target]
        left = [name for name in row["possible_ways"] if stairs.leads(_WAYS[name], rights) is not Truth.NO]
        return {**row, "possible_ways": left, "can_raise": row["can_raise"] if left or row["can_raise"] else False}


def user_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each user, with what hangs on it, what of that hangs on it directly, and what its groups add."""
    users, _, roles, documents = _everybody(seen)
    judge = Judge(seen)
    climb = _Climb(seen, judge, documents, roles)
    climb.becoming((user.row.target, judge.of(user, documents)) for user in users)
    for user in users:
        row, rights = user.row, judge.of(user, documents)
        held = judge.row(rights)
        direct = judge.rights(row, user.arn, documents.own(user), documents.boundary(user))
        made = {
            **_who(user),
            **climb.row(row.target, rights, held),
            "becomes_administrator": climb.becomes(row.target, rights, held["is_administrator"]),
            "is_administrator_directly": judge.administrator(direct),
        }
        yield MadeRow(row.target, row.region, row.key, made, documents.facts(user))


def group_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each group, with what it gives its members."""
    _, groups, roles, documents = _everybody(seen)
    judge = Judge(seen)
    climb = _Climb(seen, judge, documents, roles)
    for group in groups:
        # asked for nobody by name: what a member may do to himself, each may
        row, rights = group.row, judge.rights(group.row, "", documents.own(group))
        made = {**_who(group), **climb.row(row.target, rights, judge.row(rights))}
        yield MadeRow(row.target, row.region, row.key, made, documents.facts(group))


def role_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each role that is not a service's own."""
    judge, documents, roles = Judge(seen), Documents.of(seen, ()), holders(seen, ROLE)
    climb = _Climb(seen, judge, documents, roles)
    climb.becoming()
    for role in roles:
        if role.is_service_linked:
            continue
        row, rights = role.row, judge.of(role, documents)
        held = climb.row(row.target, rights, judge.row(rights))
        made = {
            **_who(role),
            **held,
            "role_name": role.name,
            "is_identity_center": role.is_identity_center,
            "is_kept_by_aws": role.is_kept_by_aws,
            "becomes_administrator": climb.becomes(row.target, rights, held["is_administrator"]),
        }
        yield MadeRow(row.target, row.region, row.key, made, documents.facts(role))


def policy_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each policy of ours that is attached to somebody, taken alone."""
    judge = Judge(seen)
    policies = managed(seen).values()
    attached = _attached(seen, {policy.target for policy in policies})
    for policy in policies:
        if policy.is_ours and policy.attachments != 0:
            row = SeenRow(policy.target, policy.region, policy.name, policy.fact, {})
            known = attached.get(policy.target)
            held_by = None if known is None else known.get(policy.name, [])
            names = None if held_by is None else [f"{holder.kind} {holder.name}" for holder in held_by]
            made = {"name": policy.name.rpartition("/")[2], "arn": policy.name, "holders": names}
            if policy.attachments is not None:
                made |= _alone(judge, row, policy)
            facts_ = [policy.fact, *(fact for holder in held_by or () for fact in holder.facts)]
            yield MadeRow(policy.target, policy.region, policy.name, made, tuple(dict.fromkeys(facts_)))


def _attached(seen: SeenTables, targets: Iterable[str]) -> dict[str, dict[str, list[Holder]]]:
    """By account and policy who holds it; without the accounts in which somebody more may."""
    made: dict[str, dict[str, list[Holder]]] = {target: {} for target in targets}
    everybody = [holder for kind in (USER, GROUP, ROLE) for holder in holders(seen, kind)]
    unsure = {holder.row.target for holder in everybody if holder.attached is None}
    unsure |= {target for target in made for kind in (USER, GROUP, ROLE) if is_dark(seen, kind, target)}
    for holder in everybody:
        for arn in holder.attached or ():
            made.setdefault(holder.row.target, {}).setdefault(arn, []).append(holder)
    return {target: by_policy for target, by_policy in made.items() if target not in unsure}


def _alone(judge: Judge, row: SeenRow, policy: Written) -> Row:
    return judge.row(judge.rights(row, "", (policy.document,)))


def inline_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each inline policy of a user, group or role, taken alone. Those of a service's own roles are the service's."""
    judge = Judge(seen)
    for kind in (USER, GROUP, ROLE):
        for holder in holders(seen, kind):
            row = holder.row
            for policy in () if holder.is_service_linked else holder.inline:
                said = {"name": policy.name, "holder": holder.name, "holder_arn": holder.arn, "holder_kind": kind}
                facts_ = tuple(dict.fromkeys((row.fact, policy.fact)))
                yield MadeRow(row.target, row.region, f"{holder.arn}/{policy.name}", {**said, **_alone(judge, row, policy)}, facts_)
            if holder.value("inline") is None and "inline" in row.values:  # one row for what may be written there
                yield MadeRow(
                    row.target,
                    row.region,
                    f"{holder.arn}/",
                    {"holder": holder.name, "holder_arn": holder.arn, "holder_kind": kind},
                    (row.fact,),
                )


def boundaries(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each policy in use as a boundary."""
    judge = Judge(seen)
    for policy in managed(seen).values():
        if policy.bounds == 0:
            continue
        row = SeenRow(policy.target, policy.region, policy.name, policy.fact, {})
        made = {} if policy.bounds is None else _ceiling(judge, row, policy)  # whether it bounds anybody was not read
        yield MadeRow(policy.target, policy.region, policy.name, {"policy_arn": policy.name, **made}, (policy.fact,))


def _ceiling(judge: Judge, row: SeenRow, policy: Managed) -> Row:
    document = policy.document
    if not document.readable:
        return {}
    allows = Document(document.allows, document.readable)
    return {
        "allows_everything": escalation.holds_all_services(judge.rights(row, "", (allows,))).as_bool,
        "leaves_administrator": judge.administrator(judge.rights(row, "", (document,))),
        "denies_something": any(not each.actions.is_empty and not each.resources.is_empty for each in document.denies)
        or not any(each.actions.covers_all_but(()) and each.resources.covers("*") and not each.tests for each in document.allows),
    }


def administrators(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each account with how many hold all rights, for certain and at most."""
    users, _, roles, documents = _everybody(seen)
    judge = Judge(seen)
    sure: dict[str, list[str]] = {}
    maybe: dict[str, int] = {}
    for holder in (*users, *(role for role in roles if not role.is_service_linked and not role.is_kept_by_aws)):
        found = judge.administrator(judge.of(holder, documents))
        if found:
            sure.setdefault(holder.row.target, []).append(f"{holder.kind} {holder.name}")
        elif found is None:
            maybe[holder.row.target] = maybe.get(holder.row.target, 0) + 1
    for account in seen.rows("aws.account.account"):
        known, more = sure.get(account.target, []), maybe.get(account.target, 0)
        dark = is_dark(seen, USER, account.target) or is_dark(seen, ROLE, account.target)
        made = {"at_least": len(known), "at_most": None if dark else len(known) + more, "names": known}
        yield MadeRow(account.target, account.region, account.key, made, (account.fact,))


def permission_sets(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each permission set, with what whoever it is assigned to holds."""
    judge = Judge(seen)
    attached: dict[tuple[str, str, str], list[SeenRow]] = {}
    for policy in seen.rows("aws.sso_admin.managed_policy"):
        attached.setdefault((policy.target, policy.region, str(policy.values["permission_set_arn"])), []).append(policy)
    for row in seen.rows("aws.sso_admin.permission_set"):
        said = row.values
        own = attached.get((row.target, row.region, row.key), [])
        documents = [Written(row.key, each.values.get("document")).document for each in own]
        documents.append(Written(row.key, said.get("inline")).document)
        if seen.dark("aws.sso_admin.managed_policy", row.target, row.region) or said.get("customer_policies") != []:
            documents.append(UNREADABLE)  # what those say, the accounts know to which it is assigned
        boundary = None if said.get("has_boundary") is False else UNREADABLE
        made = {name: said.get(name) for name in ("arn", "name", "session_minutes", "instance_arn")}
        rights = judge.rights(row, "", documents, boundary)
        yield MadeRow(row.target, row.region, row.key, {**made, **judge.row(rights)}, (row.fact, *(each.fact for each in own)))
