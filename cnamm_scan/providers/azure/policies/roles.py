"""What roles come to: the union of assignments, less what each leaves out of itself, less denials, within conditions. Three truths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cnamm_scan.providers.azure.granted import READER, Permission
from cnamm_scan.providers.azure.policies.conditions import Ask, parsed
from cnamm_scan.providers.azure.policies.ways import ASSIGN, DEFINE, KEYS, WAYS
from cnamm_scan.providers.truths import Truth, both, either

Json = Any

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
USER_ACCESS_ADMINISTRATOR = "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"
RBAC_ADMINISTRATOR = "f58310d9-a9f6-439a-9e8d-f62e7b41a168"
STRONG = (OWNER, USER_ACCESS_ADMINISTRATOR, RBAC_ADMINISTRATOR)
"""Built-in roles whose holder gives himself whatever he likes."""
WEAK = frozenset({READER, "b24988ac-6180-42a0-ab88-20f7382dd24c"})
"""Reader and Contributor: no way to more rights by themselves."""
_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SOME_CUSTOM_ROLE = "00000000-0000-0000-0000-00000000c057"
_TYPES = ("User", "Group", "ServicePrincipal")
EVERYBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that somebody was given on a scope. `permissions` None: what the role holds was not read."""

    scope: str | None
    """None: not read."""
    permissions: tuple[Permission, ...] | None
    condition: str | None = ""
    """As it is written; empty: none; None: not read."""

    def reaches(self, scope: str) -> Truth:
        """Whether it holds on a scope: on its own, and on all beneath."""
        return None if self.scope is None else is_within(scope, self.scope)


@dataclass(frozen=True, slots=True)
class Denial:
    """A deny assignment. `applies`: whether it is for the one who is asked about; None: a group of which nothing is known."""

    scope: str | None
    """None: not read."""
    permissions: tuple[Permission, ...]
    applies: Truth = True
    beneath: Truth = True
    """Whether it holds on what is beneath its scope too."""

    def refuses(self, operation: str, scope: str, *, data: bool = False) -> Truth:
        """Whether it refuses an operation on a scope."""
        if not any(each.gives(operation, data=data) for each in self.permissions):
            return False
        if self.scope is None:
            return both(self.applies, None)
        if scope.lower() == self.scope.lower():
            return self.applies
        return both(self.applies, self.beneath if is_within(scope, self.scope) else False)


EVERYTHING = Permission(actions=("*",), data=("*",))
HIDDEN = Denial("/", (EVERYTHING,), None)
"""What stands for denials that were not read: it may take away whatever was given."""


def is_within(scope: str, above: str) -> bool:
    """Whether a scope is another, or beneath it. Of management groups only those are ever listed that are above the subscription."""
    scope, above = scope.lower().rstrip("/"), above.lower().rstrip("/")
    is_above_all = not above or above.startswith("/providers/microsoft.management/managementgroups/")
    return is_above_all or scope == above or scope.startswith(f"{above}/")


@dataclass(frozen=True)
class Rights:
    """All that one principal holds in a subscription."""

    assignments: tuple[Assignment, ...]
    denials: tuple[Denial, ...] = ()
    is_whole: bool = True
    """Whether all that he was given was read."""
    strong: tuple[str, ...] = ()
    """Ids of custom roles that are known to give rights."""
    knows_roles: bool = False
    """Whether all custom roles were read: one that is named and is none of `strong` then gives none."""

    def holds(self, operation: str, scope: str, *, data: bool = False) -> Truth:
        """Whether the principal may do it on a scope."""
        given: Truth = False if self.is_whole else None
        for each in self.assignments:
            if given is True:
                break
            given = either(given, both(each.reaches(scope), self._given(each, operation, data)))
        if given is False:
            return False
        refused: Truth = False
        for denial in self.denials:
            refused = either(refused, denial.refuses(operation, scope, data=data))
        return both(given, None if refused is None else not refused)

    def _given(self, assignment: Assignment, operation: str, data: bool) -> Truth:
        if assignment.permissions is None:
            return None
        given: Truth = False
        for each in assignment.permissions:
            if each.gives(operation, data=data):
                given = either(given, self._allowed(each.condition, operation) if each.condition else True)
        if given is False or assignment.condition == "":
            return given
        return both(given, None if assignment.condition is None else self._allowed(assignment.condition, operation))

    def _allowed(self, condition: str, operation: str) -> Truth:
        """Whether a condition leaves an operation what makes it dangerous: of giving roles, that a strong one may be given to somebody."""
        test = parsed(condition)
        if operation.lower() != ASSIGN.lower():
            return test(Ask(operation, {}))
        named = {each.lower() for each in _ID.findall(condition)} - {*STRONG, *self.strong, *WEAK}
        unsure = {_SOME_CUSTOM_ROLE} if self.knows_roles else {_SOME_CUSTOM_ROLE, *named}
        found: Truth = False
        for kind in _TYPES:
            for role in (*STRONG, *self.strong):
                found = either(found, test(Ask(operation, {"roledefinitionid": role, "principaltype": kind})))
            for role in unsure:
                may = test(Ask(operation, {"roledefinitionid": role, "principaltype": kind}))
                found = either(found, False if may is False else None)
        return found

    # ---- what it comes to --------------------------------------------------------------------------------------------

    def administers(self, scope: str) -> Truth:
        """Whether the principal is an administrator of a scope: he gives roles and writes them, and nothing bounds him."""
        return both(self.holds(ASSIGN, scope), self.holds(DEFINE, scope))

    def ways(self, scope: str) -> tuple[list[str], list[str]]:
        """(ways to more rights that are certain, ways that may be) on a scope."""
        certain, possible = [], []
        for way in WAYS:
            held: Truth = True
            for operation in way.operations:
                held = both(held, self.holds(operation, scope))
                if held is False:
                    break
            if held is True and way.is_certain:
                certain.append(way.name)
            elif held is not False:
                possible.append(way.name)
        return sorted(set(certain)), sorted(set(possible) - set(certain))

    def keys(self, scope: str) -> list[str]:
        """The operations that hand out all data of a service, which are certainly held."""
        return [each for each in KEYS if self.holds(each, scope) is True]

    @cached_property
    def scopes(self) -> Sequence[str]:
        """Where something was given, each once."""
        return list(dict.fromkeys(each.scope for each in self.assignments if each.scope is not None))


def permissions_of(said: Json) -> tuple[Permission, ...] | None:
    """The permissions of a role definition; None for what is none."""
    if not isinstance(said, list) or not all(isinstance(each, Mapping) for each in said):
        return None
    return tuple(map(Permission.read, said))


def applies(principals: Iterable[Mapping[str, Json]], excluded: Iterable[Mapping[str, Json]], principal: str) -> Truth:
    """Whether a denial is for a principal: named, or everybody, and not excepted. Who is in a group is not known."""
    return both(_among(principals, principal), None if (out := _among(excluded, principal)) is None else not out)


def _among(named: Iterable[Mapping[str, Json]], principal: str) -> Truth:
    found: Truth = False
    for each in named:
        id_ = str(each.get("id", "")).lower()
        if id_ in (EVERYBODY, principal.lower()):
            return True
        if str(each.get("type", "")).lower() == "group":
            found = None
    return found
