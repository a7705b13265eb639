"""What an account's own roles decide of the ways to raise one's rights: one that may be open leads nowhere if no strong role is there.

A right on some roles or machines leaves a way unknown, since which those are is not the policy's to say. The account says it: only a role
that holds all rights makes such a way one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from cnamm_scan.providers.aws.policies.assuming import Role, step
from cnamm_scan.providers.aws.policies.escalation import holds_step
from cnamm_scan.providers.aws.policies.rights import Rights
from cnamm_scan.providers.aws.policies.services import taking
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.aws.policies.ways import Step, Strength, Way


@dataclass(frozen=True)
class Strong:
    """A role that holds all rights, or may hold them."""

    role: Role
    is_sure: Truth

    @cached_property
    def takes_principals(self) -> bool:
        """Whether its trust policy lets in any user or role, or was not read."""
        trust = self.role.trust
        return not trust.readable or any(each.principals.aws or each.principals.anybody or each.excepted for each in trust.allows)

    def is_taken_by(self, service: str) -> Truth:
        """Whether a service may take it; with an empty name any service, or the bearer of a token."""
        if not self.role.trust.readable:
            return Truth.UNKNOWN
        for statement in self.role.trust.allows:
            who = statement.principals
            services = {each.partition(".")[0] for each in who.services}  # ec2.amazonaws.com, in China ec2.amazonaws.com.cn
            if who.anybody or statement.excepted or (service.partition(".")[0] in services if service else who.services or who.federated):
                return Truth.YES
        return Truth.NO


@dataclass(frozen=True)
class Stairs:
    """The strong roles of an account. `all_seen` is False where there may be more of them."""

    roles: Sequence[Role]
    strong: Sequence[Strong]
    all_seen: bool

    @classmethod
    def of(cls, roles: Iterable[Role], judge: Callable[[Rights], bool | None], all_seen: bool) -> Stairs:
        """Those of these roles that are administrators, or may be."""
        listed = tuple(roles)
        found = ((role, Truth.of(judge(role.rights))) for role in listed)
        return cls(listed, [Strong(role, sure) for role, sure in found if sure is not Truth.NO], all_seen)

    def becoming(self, others: Iterable[Rights] = ()) -> Mapping[str, Truth]:
        """ARN -> whether its holder comes to all rights by taking roles, one after the other. Who is not in it does not.

        Goes backwards from the strong roles, and asks only those who take any role, or are named by one.
        """
        made = {each.role.arn: each.is_sure for each in self.strong}
        by_arn = {role.arn: role for role in self.roles}
        takers = [each for each in (*(role.rights for role in self.roles), *others) if taking(each) != "none"]
        everybody = {each.arn: each for each in (*(role.rights for role in self.roles), *others)}
        todo = [each.role for each in self.strong]
        while todo:
            role = todo.pop()
            named = (everybody[arn] for statement in role.trust.allows for arn in statement.principals.aws if arn in everybody)
            for rights in {each.arn: each for each in (*takers, *named)}.values():
                before = made.get(rights.arn, Truth.NO)
                if before is Truth.YES or rights.arn == role.arn or not Strong(role, Truth.YES).takes_principals:
                    continue
                made[rights.arn] = before | (step(rights, role).can & made[role.arn])
                if made[rights.arn] is not before and rights.arn in by_arn:
                    todo.append(by_arn[rights.arn])
        return made

    def leads(self, way: Way, rights: Rights) -> Truth:
        """Whether a way that is not certain by the rights alone leads to all rights. Never a yes: what it runs through was not asked."""
        if not self.all_seen or self._is_of_itself(way):
            return Truth.UNKNOWN
        return Truth.UNKNOWN if any(self._ends_at(way, rights, each) for each in self.strong) else Truth.NO

    @staticmethod
    def _is_of_itself(way: Way) -> bool:
        """Whether it needs no role that is there already."""
        return way.strength is Strength.DIRECT and _passes(way) is None

    def _ends_at(self, way: Way, rights: Rights, strong: Strong) -> bool:
        if strong.role.arn == rights.arn:
            return False
        passed = _passes(way)
        if passed is not None:
            held = holds_step(rights, Step(passed.actions, strong.role.arn, passed.passed_to))
            return Truth.NO not in (held, strong.is_taken_by(passed.passed_to))
        if way.name == "sts:AssumeRole":
            return strong.takes_principals and step(rights, strong.role).can is not Truth.NO
        return strong.is_taken_by("") is not Truth.NO


def _passes(way: Way) -> Step | None:
    """The step of a way that hands a role on."""
    return next((each for each in way.steps if each.passed_to), None)
