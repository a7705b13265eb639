"""What a principal may do, from all documents that speak of it: its own, its groups', its boundary, the organisation's.

An identity policy gives, a boundary and service control policies cap, a Deny anywhere takes away.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html,
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cnamm_scan.providers.aws.policies import keys as k
from cnamm_scan.providers.aws.policies.callers import Caller, Kind
from cnamm_scan.providers.aws.policies.conditions import MISSING, TRUE, UNSEEN, VARIABLE, Domain, Free, Look
from cnamm_scan.providers.aws.policies.documents import Document, Statement
from cnamm_scan.providers.aws.policies.evaluate import forced, possible
from cnamm_scan.providers.aws.policies.naming import named_by
from cnamm_scan.providers.aws.policies.patterns import Names, arn_account, arn_parts, covers, meets
from cnamm_scan.providers.aws.policies.setting import Setting, Truth

FRESH = "\ue0f1"
"""A name that no document spells out: what holds for it holds by a wildcard."""
_SELF = "\ue0f2"
"""Stands in a resource where the caller's own name is meant, and that name is not known here."""
_TAGS = ("tag/",)


@dataclass(frozen=True)
class Need:
    """One action on all resources of a kind, and what its request would hold."""

    action: str
    """In lower case."""
    resource: str = "*"
    """A pattern for the resources that are meant: `arn:aws:iam::*:role/*`."""
    given: Mapping[str, Domain] = field(default_factory=dict)
    own: bool = False
    """Whether to hold it on oneself alone is all that is asked: who may hang any policy on himself needs no other user."""
    whole: bool = False
    """Whether to hold it on some of them is to hold nothing of what is asked, rather than something that depends on which."""
    every_region: bool = False
    """Whether those of one region are only some of them."""


@dataclass(frozen=True)
class Rights:
    """A principal and every document that speaks of it.

    `boundary` is None where there is none; one that could not be read is `documents.UNREADABLE`. `controls` are the service control
    policies
    level by level (root, units, account), each level a set of which one has to allow; empty where none was read, which can only have taken
    away. `arn` may be empty: some principal of the account.
    """

    setting: Setting
    identity: tuple[Document, ...]
    boundary: Document | None = None
    controls: tuple[tuple[Document, ...], ...] = ()
    arn: str = ""

    @cached_property
    def _caps(self) -> tuple[tuple[Document, ...], ...]:
        return (*([(self.boundary,)] if self.boundary is not None else []), *self.controls)

    @cached_property
    def _services(self) -> frozenset[str] | None:
        """The services that its own documents give anything of; None where a wildcard or what cannot be read may give any."""
        made: set[str] = set()
        for document in self.identity:
            if not document.readable:
                return None
            for statement in document.statements:
                heads = statement.actions.heads if statement.allows else frozenset()
                if not statement.readable or heads is None:
                    return None
                made |= heads
        return frozenset(made)

    @cached_property
    def is_readable(self) -> bool:
        """Whether every document was read and understood."""
        documents = (*self.identity, *(each for level in self._caps for each in level))
        return all(each.readable and all(statement.readable for statement in each.statements) for each in documents)

    @property
    def user(self) -> str:
        """The user's name; empty for roles and where it is not known."""
        return self.arn.rpartition("/")[2] if ":user/" in self.arn else ""

    @cached_property
    def _known(self) -> dict[str, Domain]:
        own = Domain((self.setting.account,))
        arn = self.arn or f"arn:{self.setting.partition}:iam::{self.setting.account}:role/{FRESH}"
        name = (
            Domain((self.user,)) if self.user else Domain(rest=Free(signs=False), may_lack=True, unseen=True) if not self.arn else MISSING
        )
        return {
            **dict.fromkeys((*k.CALLER_ACCOUNT, k.OWNER_ACCOUNT), own),
            k.CALLER_ARN: Domain((arn,)),
            k.CALLER_ORG: Domain((self.setting.own_organisation,)),
            k.CALLER_PATHS: Domain(rest=k.Paths(self.setting.own_organisation), unseen=True),
            k.USER_ID: Domain(rest=k.UserId(self.setting.unique_ids, is_own=True)),
            "aws:username": name,
            "aws:principalisawsservice": Domain(("false",)),
            "aws:principaltype": Domain(("User",) if self.user else ("AssumedRole",) if self.arn else ("User", "AssumedRole")),
            k.RESOURCE_ACCOUNT: own,
            k.RESOURCE_ORG: Domain((self.setting.own_organisation,)),
            **{key: Domain(values) if values else MISSING for key, values in self.setting.given.items()},
        }

    def look(self, given: Mapping[str, Domain]) -> Look:
        """The keys of a request that this principal makes. Tags of what it is, and of what it asks for, are facts that were not read."""

        def found(key: str) -> Domain:
            known = given.get(key) or self._known.get(key)
            if known is not None:
                return known
            if any(word in key for word in _TAGS) and not key.startswith("aws:requesttag/"):
                return Domain(rest=Free(), may_lack=True, unseen=True)
            return k.circumstance(key, self.setting.seconds)

        return found

    def holds(self, need: Need) -> Truth:
        """Whether the action is held on all such resources (a few that are named apart do not count), on some (unknown: which), or on
        none."""
        if self._services is not None and need.action.partition(":")[0] not in self._services:
            return Truth.NO
        look = self.look(need.given)
        made = self._given(self.identity, need, look)
        for level in self._caps:
            made &= self._given(level, need, look)
        if made is Truth.NO:
            return made
        taken = self._taken(need, look)
        return Truth.NO if taken is Truth.YES else Truth.UNKNOWN if taken is Truth.UNKNOWN else made

    def denied(self, need: Need) -> Truth:
        """Whether a Deny of its own documents, its boundary or the organisation takes the action away."""
        return self._taken(need, self.look(need.given))

    def capped(self, need: Need) -> Truth:
        """Whether the boundary and the service control policies leave the action."""
        made = Truth.YES
        for level in self._caps:
            made &= self._given(level, need, self.look(need.given))
        return made

    def holds_all(self, needs: Iterable[Need]) -> Truth:
        """Whether all of them are held."""
        made = Truth.YES
        for need in needs:
            made &= self.holds(need)
            if made is Truth.NO:
                break
        return made

    def _given(self, documents: Iterable[Document], need: Need, look: Look) -> Truth:
        made, service = Truth.NO, need.action.partition(":")[0]
        for document in documents:
            if not document.readable:
                made |= Truth.UNKNOWN
            for statement in document.about_service(service):
                if not statement.readable:
                    made |= Truth.UNKNOWN
                if not statement.allows or not statement.actions.has(need.action):
                    continue
                wide = self._breadth(statement.resources, need)
                if wide is Truth.YES or (wide is Truth.UNKNOWN and not need.whole):
                    made |= wide & possible(statement.tests, look)
                if made is Truth.YES:
                    return made
        return made

    def _taken(self, need: Need, look: Look) -> Truth:
        made = Truth.NO
        for document in (*self.identity, *(each for level in self._caps for each in level)):
            if not document.readable:
                made |= Truth.UNKNOWN  # what it says may be a Deny
            for statement in document.denies:
                if not statement.readable:
                    made |= Truth.UNKNOWN
                if not statement.readable or not statement.actions.has(need.action):
                    continue
                whole = self._covers(statement, need.resource)
                if whole is Truth.UNKNOWN and need.whole:
                    whole = Truth.YES
                if whole is not Truth.NO:
                    made |= whole & forced(statement.tests, look)
        return made

    def _covers(self, statement: Statement, asked: str) -> Truth:
        """Whether a Deny is about all such resources; unknown where it leaves some, and only some."""
        names = statement.resources
        listed = [self._written(each) for each in names.listed]
        if not names.but:
            return Truth.YES if any(covers(self._anywhere(each), asked) for each in listed) else Truth.NO
        left = [each for each in listed if meets(each, self._here(asked))]
        if any(covers(self._anywhere(each), asked) for each in left):
            return Truth.NO
        return Truth.UNKNOWN if any(_SELF not in each for each in left) else Truth.YES

    def _breadth(self, names: Names, need: Need) -> Truth:
        asked, listed = need.resource, [self._written(each) for each in names.listed]
        if need.own and not names.but and any(_SELF in each or (self.arn and covers(each, self.arn)) for each in listed):
            return Truth.YES if meets(asked, self.arn or asked) else Truth.NO
        if names.but:
            return Truth.NO if any(covers(self._anywhere(each), asked) for each in listed) else Truth.YES
        if any(covers(self._anywhere(each, regions=not need.every_region), asked) for each in listed):
            return Truth.YES
        return Truth.UNKNOWN if any(meets(each, self._here(asked)) and not self._is_self(each) for each in listed) else Truth.NO

    def _here(self, asked: str) -> str:
        """Resources that are asked about are the own account's."""
        parts = arn_parts(asked)
        return asked if parts is None or parts[4] != "*" else ":".join((*parts[:4], self.setting.account, parts[5]))

    def _is_self(self, resource: str) -> bool:
        return _SELF in resource or (self.arn != "" and resource == self.arn)

    def _anywhere(self, resource: str, *, regions: bool = False) -> str:
        """The same resource without what does not narrow it here: the own account and partition, and where `regions`, one region."""
        parts = arn_parts(resource)
        if parts is None:
            return resource
        account = "*" if parts[4] in ("*", self.setting.account) else parts[4]
        region = "*" if regions and parts[3] else parts[3]
        partition = "aws" if parts[1] in ("*", self.setting.partition) else parts[1]
        return ":".join((parts[0], partition, parts[2], region, account, parts[5]))

    def _written(self, resource: str) -> str:
        """A resource with its variables replaced; one's own name stays one's own, what is not known becomes a star."""
        if "${" not in resource:
            return resource
        return VARIABLE.sub(lambda found: self._value(found.group(1)), resource)

    def _value(self, variable: str) -> str:
        key = variable.partition(",")[0].strip().lower()
        domain = self._known.get(key)
        if domain is not None and len(domain.known) == 1 and domain.rest is None:
            return domain.known[0]
        return _SELF if key in ("aws:username", "aws:userid") else FRESH


def decide(rights: Rights, action: str, resource: str, policy: Document | None = None) -> Truth:
    """Whether one request of a principal on one resource of its own account gets through.

    `action` is a name and `resource` an ARN; `policy` is the resource's own. A resource policy that names a user or a session by its ARN is
    enough by itself; one that names a role, or the account, is capped by the boundary.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-eval-logic
    """
    need = Need(action.lower(), resource)
    look = rights.look({})
    made = rights.holds(need)
    if policy is None:
        return made
    caller = Caller(Kind.PRINCIPAL, {}, arn_account(rights.arn) or rights.setting.account, rights.setting.own_organisation, rights.arn)
    given = direct = taken = Truth.NO
    for statement in policy.statements:
        about = named_by(statement, caller, rights.setting)
        if not about & TRUE or not statement.actions.has(need.action) or not statement.resources.has(resource):
            continue
        sure = Truth.UNKNOWN if about & UNSEEN else Truth.YES
        if not statement.allows:
            taken |= sure & forced(statement.tests, look)
            continue
        found = sure & possible(statement.tests, look)
        given |= found
        if statement.principals.anybody or any(each == rights.arn and ":role/" not in each for each in statement.principals.aws):
            direct |= found
    taken |= rights.denied(need)
    without = made | direct | (given & rights.capped(need))
    return Truth.NO if taken is Truth.YES else without & Truth.UNKNOWN if taken is Truth.UNKNOWN else without
