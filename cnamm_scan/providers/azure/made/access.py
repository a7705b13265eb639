"""What principals and custom roles hold in a subscription, out of every assignment, condition and denial that was read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.azure.policies.roles import (
    EVERYTHING,
    HIDDEN,
    USER_ACCESS_ADMINISTRATOR,
    Assignment,
    Denial,
    Rights,
    applies,
    permissions_of,
)
from cnamm_scan.providers.azure.policies.ways import ASSIGN, CERTAIN, DEFINE
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.truths import Truth, both, either

Row = dict[str, Any]

ASSIGNMENT = "azure.authorization.role_assignment"
DEFINITION = "azure.authorization.role_definition"
DENIAL = "azure.authorization.deny_assignment"
ELIGIBLE = "azure.authorization.role_eligibility"
SCHEDULE = "azure.authorization.role_schedule"
TABLES = (ASSIGNMENT, DEFINITION, DENIAL, ELIGIBLE, SCHEDULE)
EVERYWHERE = "global"
_ANYTHING = "Microsoft.Anything/things/change/action"
_ANY_DATA = "Microsoft.Anything/things/data/read"


@dataclass(frozen=True, slots=True)
class _Given:
    """One principal's assignments in a subscription: those that hold, and those that he may ask for."""

    principal: str
    kind: str | None
    rows: tuple[SeenRow, ...]
    eligible: tuple[SeenRow, ...]


class _Subscription:
    """What was read of the roles of one subscription."""

    def __init__(self, seen: SeenTables, target: Target, rows: Mapping[str, Sequence[SeenRow]]) -> None:
        def knows(table: str, *columns: str) -> bool:
            """Whether all rows of a table were read, with these columns."""
            whole = table in seen.reads and not seen.dark(table, target.id)
            return whole and all(row.values.get(name) is not None for row in rows[table] for name in columns)

        self.target = target
        self.scope = f"/subscriptions/{target.name}"
        self._judged: dict[Rights, Row] = {}
        self._denials = rows[DENIAL]
        self._hides_denials = DENIAL in seen.reads and seen.dark(DENIAL, target.id)
        self.customs = rows[DEFINITION]
        self.knows_roles = knows(DEFINITION, "role", "permissions")
        self.strong = tuple(sorted(str(each.values["role"]) for each in self.customs if each.values.get("role") and _gives_rights(each)))
        self.is_whole = not seen.dark(ASSIGNMENT, target.id)
        self.knows_schedule = knows(SCHEDULE, "assignment_id", "kind")
        self.activated = {str(each.values.get("assignment_id")) for each in rows[SCHEDULE] if each.values.get("kind") == "Activated"}
        self.rows = rows[ASSIGNMENT]
        self.eligible = rows[ELIGIBLE]
        self.knows_eligible = knows(ELIGIBLE, "principal_id")

    def principals(self) -> Iterator[_Given]:
        """Everybody who was given something, or may ask for it, by id."""
        held: dict[str, list[SeenRow]] = {}
        asked: dict[str, list[SeenRow]] = {}
        for where, rows in ((held, self.rows), (asked, self.eligible)):
            for row in rows:
                if row.values.get("principal_id"):
                    where.setdefault(str(row.values["principal_id"]), []).append(row)
        for principal in sorted({*held, *asked}):
            own, may = held.get(principal, []), asked.get(principal, [])
            yield _Given(principal, (own or may)[0].values.get("principal_type"), tuple(own), tuple(may))

    @property
    def has_nameless(self) -> bool:
        """Whether there are assignments of which it was not read whose they are."""
        return any(row.values.get("principal_id") is None for row in self.rows)

    def rights(self, principal: str, rows: Sequence[SeenRow]) -> Rights:
        """What assignments come to for a principal. More may be there than was seen only where the listing was not whole."""
        return Rights(
            tuple(map(_assignment, rows)),
            (*([HIDDEN] if self._hides_denials else []), *(each for row in self._denials if (each := _denial(row, principal)) is not None)),
            self.is_whole and not self.has_nameless,
            self.strong,
            self.knows_roles,
        )

    def judged(self, rights: Rights) -> Row:
        """What rights come to on the subscription, once for all who hold the same."""
        if rights not in self._judged:
            self._judged[rights] = self._judge(rights)
        return self._judged[rights]

    def _judge(self, rights: Rights) -> Row:
        administrator = rights.administers(self.scope)
        beneath = [scope for scope in rights.scopes if scope.lower() != self.scope and scope.lower().startswith(f"{self.scope}/")]
        administered: list[str] = []
        undecided = False
        certain: set[str] = set()
        possible: set[str] = set()
        for scope in dict.fromkeys((self.scope, *beneath)) if administrator is not True else ():
            own = rights.administers(scope)
            if own is True:
                administered.append(scope)
                continue  # who has all there is can gain nothing
            undecided = undecided or (own is None and scope != self.scope)
            sure, unsure = rights.ways(scope)
            if administrator is None or own is None:  # nor can who may have it all
                sure, unsure = [], [*sure, *unsure]
            certain.update(sure)
            possible.update(unsure)
        is_known = rights.is_whole and all(each.scope is not None for each in rights.assignments)
        return {
            "is_administrator": administrator,
            "can_raise": True if certain else None if possible or not is_known else False,
            "gives_rights": True if certain else None if not is_known or not possible.isdisjoint(CERTAIN) else False,
            "ways": sorted(certain),
            "possible_ways": sorted(possible - certain) if is_known else None,
            "keys": rights.keys(self.scope),
            "holds_everything": rights.holds(_ANYTHING, self.scope),
            "holds_all_data": rights.holds(_ANY_DATA, self.scope, data=True),
            # nothing is listed of who administers the whole of it, and so nothing is known of who may
            "administers_beneath": None if undecided or (administrator is None and administered) else sorted(administered),
        }


def principal_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each principal that was given a role on a subscription, above or beneath it, or may ask for one."""
    for subscription in _subscriptions(seen):
        target = subscription.target
        for given in subscription.principals():
            values = _principal(subscription, given)
            yield MadeRow(target.id, EVERYWHERE, given.principal, values, tuple(row.fact for row in (*given.rows, *given.eligible)))
        for row in (*subscription.rows, *subscription.eligible):
            if row.values.get("principal_id") is None:  # somebody's
                yield MadeRow(target.id, EVERYWHERE, f"of {row.key}", {}, (row.fact,))


def _principal(subscription: _Subscription, given: _Given) -> Row:
    rights = subscription.rights(given.principal, given.rows)
    row = dict(subscription.judged(rights))
    standing: Truth = row["is_administrator"]
    if standing is not False and given.rows:
        lasting = [each for each in given.rows if each.values.get("id") not in subscription.activated]
        if len(lasting) < len(given.rows):
            standing = subscription.judged(subscription.rights(given.principal, lasting))["is_administrator"]
        standing = standing if subscription.knows_schedule else both(standing, None)
    becomes: Truth = False if subscription.knows_eligible else None
    if given.eligible and row["is_administrator"] is not True:
        may = subscription.judged(replace(rights, assignments=(*rights.assignments, *map(_assignment, given.eligible))))
        becomes = either(becomes, may["is_administrator"])
    becomes = both(None if row["is_administrator"] is None else not row["is_administrator"], becomes)
    scopes = [each.values.get("scope") for each in given.rows]
    names = [each.values.get("role_name") for each in given.rows]
    is_above: Truth = any(scope is not None and not str(scope).startswith("/subscriptions/") for scope in scopes)
    if not is_above and (None in scopes or not rights.is_whole):
        is_above = None
    return {
        **row,
        "principal_id": given.principal,
        "principal_type": given.kind,
        "roles": sorted({*names}) if None not in names and rights.is_whole else None,
        "scopes": sorted({*scopes}) if None not in scopes and rights.is_whole else None,
        "is_above": is_above,
        "is_standing_administrator": standing,
        "can_become_administrator": becomes,
        "may_be_pim": _may_be_pim(given, rights.is_whole),
    }


def _may_be_pim(given: _Given, is_whole: bool) -> Truth:
    """Whether it may be the application of Privileged Identity Management, which gives the roles that people ask for."""
    roles = [each.values.get("role_id") for each in given.rows]
    is_another = any(role is not None and not str(role).lower().endswith(f"/{USER_ACCESS_ADMINISTRATOR}") for role in roles)
    if is_another or given.kind not in (None, "ServicePrincipal") or (is_whole and not roles):
        return False
    return True if given.kind is not None and is_whole and None not in roles else None


def administrators(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each subscription: how many administrators it has."""
    for subscription in _subscriptions(seen):
        target = subscription.target
        rows = [(given, _principal(subscription, given)) for given in subscription.principals()]
        sure = [given for given, row in rows if row["is_administrator"] is True and row["may_be_pim"] is False]
        possible = [given for given, row in rows if row["is_administrator"] is not False]
        whole = subscription.is_whole and not subscription.has_nameless
        standing = [both(row["is_standing_administrator"], None if (pim := row["may_be_pim"]) is None else not pim) for _, row in rows]
        eligible = [row["can_become_administrator"] for _, row in rows]
        values: Row = {
            "at_least": len(sure),
            "at_most": len(possible) if whole else None,
            "standing": standing.count(True) if whole and None not in standing else None,
            "eligible": eligible.count(True) if whole and subscription.knows_eligible and None not in eligible else None,
            "names": [f"{given.kind} {given.principal}" for given in sure if given.kind],
        }
        yield MadeRow(target.id, EVERYWHERE, target.name, values, tuple(row.fact for given in sure for row in given.rows))


def custom_role_rights(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each role that somebody wrote: what it comes to for whoever holds it on the whole subscription."""
    for subscription in _subscriptions(seen):
        target = subscription.target
        given = [row.values.get("role_id") for row in subscription.rows]
        is_counted = subscription.is_whole and None not in given
        for row in subscription.customs:
            permissions = permissions_of(row.values.get("permissions"))
            rights = Rights((Assignment(subscription.scope, permissions),), (), True, subscription.strong, subscription.knows_roles)
            made = dict(subscription.judged(rights))
            del made["administers_beneath"]
            own = row.values.get("role")
            assigned = sum(str(each).endswith(f"/{own}") for each in given) if is_counted and own else None
            values = {**made, "name": row.values.get("name"), "assigned": assigned}
            yield MadeRow(target.id, EVERYWHERE, row.key, values, (row.fact,))


def _subscriptions(seen: SeenTables) -> Iterator[_Subscription]:
    """Every subscription with its own rows: each table is gone through once, however many there are."""
    held: dict[tuple[str, str], list[SeenRow]] = {}
    for table in TABLES:
        for row in rows_if_read(seen, table):
            held.setdefault((table, row.target), []).append(row)
    for target in seen.targets:
        yield _Subscription(seen, target, {table: held.get((table, target.id), []) for table in TABLES})


def _assignment(row: SeenRow) -> Assignment:
    return Assignment(row.values.get("scope"), permissions_of(row.values.get("permissions")), row.values.get("condition"))


def _denial(row: SeenRow, principal: str) -> Denial | None:
    """The denial as it is for a principal; None where it is certainly not for him."""
    permissions = permissions_of(row.values.get("permissions")) or (EVERYTHING,)
    named, excluded = row.values.get("principals"), row.values.get("excluded")
    truth: Truth = None
    if isinstance(named, list) and isinstance(excluded, list) and row.values.get("permissions") is not None:
        truth = applies(named, excluded, principal)
    if truth is False:
        return None
    return Denial(
        row.values.get("scope"), permissions, truth, None if (spares := row.values.get("spares_children")) is None else not spares
    )


def _gives_rights(row: SeenRow) -> bool:
    permissions = permissions_of(row.values.get("permissions")) or ()
    return any(each.gives(operation) for each in permissions for operation in (ASSIGN, DEFINE))
