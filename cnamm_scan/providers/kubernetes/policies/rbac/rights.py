"""What somebody holds by all roles together: asked request by request, so that whatever narrows it may be put in between."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple, Protocol

from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH, Ask, Rule
from cnamm_scan.providers.truths import Truth, both


class RoleName(NamedTuple):
    """A Role by its namespace and name, or a ClusterRole, which has no namespace."""

    kind: str
    name: str
    namespace: str = ""


class Grant(NamedTuple):
    """A role that is held, and where: in one namespace, in each of them (FRESH), or with an empty one in the whole cluster."""

    role: RoleName
    namespace: str = ""


class Held(Protocol):
    """Rights as the ways to raise them see them."""

    def can(self, ask: Ask) -> Truth:
        """Whether a request is admitted."""
        ...

    def may(self, ask: Ask) -> Truth:
        """Whether the server's own check within a request (`bind`, `escalate`) finds this right."""
        ...

    @property
    def grants(self) -> Iterable[Grant]:
        """The roles that are held."""
        ...

    @property
    def places(self) -> Iterable[str]:
        """The namespaces in which more is held than in the whole cluster."""
        ...

    def is_blank(self, resource: str, subresource: str, place: str) -> bool:
        """Whether certainly nothing is held on such objects, which is quickly said: no rule speaks of them."""
        ...

    def sees(self, place: str) -> bool:
        """Whether everything is seen that holds there."""
        ...

    def names(self, group: str, resource: str, subresource: str = "") -> frozenset[str]:
        """The names that rules over such objects write out."""
        ...


class Rights:
    """The rules of these roles, each where it holds.

    `sees` says of a namespace whether everything is seen that holds there; of an empty one, and of FRESH, what holds in the whole cluster.
    """

    def __init__(self, rules: Mapping[Grant, tuple[Rule, ...]], sees: Callable[[str], bool], masters: bool = False) -> None:
        self._rules = rules
        self._sees = sees
        self._seen: dict[str, bool] = {}
        self._speaks: dict[tuple[str, str], bool] = {}
        self.is_master = masters
        self._answers: dict[Ask, Truth] = {}

    @property
    def grants(self) -> Iterable[Grant]:
        """The roles that are held."""
        return self._rules.keys()

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The namespaces in which more is held than in the whole cluster, or may be: by a role whose rules were not read."""
        places = {grant.namespace: False for grant in self._rules if grant.namespace not in ("", FRESH)}
        for grant, rules in self._rules.items():
            if rules and grant.namespace in places:
                places[grant.namespace] = True
        return tuple(sorted(place for place, is_held in places.items() if is_held or not self.sees(place)))

    def sees(self, place: str) -> bool:
        """Whether everything is seen that holds there."""
        if place not in self._seen:
            self._seen[place] = self._sees(place)
        return self._seen[place]

    @cached_property
    def _by_resource(self) -> Mapping[tuple[str, str], tuple[Rule, ...]]:
        """(place, resource as a rule spells it) -> the rules that do; an empty resource for URLs."""
        found: dict[tuple[str, str], dict[Rule, None]] = {}
        for place, rules in self._by_place.items():
            for rule in rules:
                for spelled in (*rule.resources, *([""] if rule.urls else [])):
                    found.setdefault((place, spelled), {})[rule] = None
        return {key: tuple(rules) for key, rules in found.items()}

    @cached_property
    def spelled(self) -> frozenset[str]:
        """Every resource that a rule spells, as it does."""
        return frozenset(resource for _, resource in self._by_resource)

    def is_blank(self, resource: str, subresource: str, place: str) -> bool:
        """Whether certainly nothing is held on such objects, which is quickly said: no rule speaks of them."""
        key = (resource, subresource)
        speaks = self._speaks.get(key)
        if speaks is None:
            speaks = self._speaks[key] = self.is_master or not self.spelled.isdisjoint(_spellings(resource, subresource))
        return not speaks and self.sees(place)

    def speaks_of(self, spelled: frozenset[str]) -> bool:
        """Whether a rule spells one of these resources."""
        return self.is_master or not self.spelled.isdisjoint(spelled)

    @cached_property
    def _by_place(self) -> Mapping[str, tuple[Rule, ...]]:
        found: dict[str, dict[Rule, None]] = {"": {}}
        for grant, rules in self._rules.items():
            found.setdefault(grant.namespace, {}).update(dict.fromkeys(rules))
        return {place: tuple(rules) for place, rules in found.items()}

    def can(self, ask: Ask) -> Truth:
        """Whether a request is admitted: by a rule that holds in the whole cluster, or in the namespace of what is asked for."""
        if self.is_master:
            return True
        if ask not in self._answers:
            self._answers[ask] = self._can(ask)
        return self._answers[ask]

    may = can

    def _can(self, ask: Ask) -> Truth:
        place = "" if ask.path else ask.namespace
        spellings = ("",) if ask.path else _spellings(ask.resource, ask.subresource)
        for each in ("", place, FRESH) if place else ("",):
            for spelled in spellings:
                if any(rule.admits(ask) for rule in self._by_resource.get((each, spelled), ())):
                    return True
        return False if self.sees(place) else None

    def names(self, group: str, resource: str, subresource: str = "") -> frozenset[str]:
        """The names that rules over such objects write out."""
        found: set[str] = set()
        if self.spelled.isdisjoint(_spellings(resource, subresource)):
            return frozenset()
        for rules in self._by_place.values():
            for rule in rules:
                if rule.names and replace(rule, verbs=("*",), names=()).admits(Ask("", group, resource, subresource)):
                    found.update(rule.names)
        return frozenset(found)

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Every rule with the namespace in which it holds; an empty one for the whole cluster."""
        for place, rules in self._by_place.items():
            for rule in rules:
                yield place, rule


def _spellings(resource: str, subresource: str) -> tuple[str, ...]:
    """How a rule may spell a resource that it covers."""
    return ("*", f"{resource}/{subresource}", f"*/{subresource}") if subresource else ("*", resource)


class Acting:
    """Rights of somebody who acts as somebody else in one mode of constrained impersonation: both have to hold them.

    A request is admitted where the one who acts holds `impersonate-on:<mode>:<verb>` and the one who is acted as holds the verb. What the
    server checks within it, it checks of the latter alone.
    """

    def __init__(self, actor: Held, mode: str, other: Held) -> None:
        self._actor, self._mode, self._other = actor, mode, other

    def can(self, ask: Ask) -> Truth:
        """Whether a request is admitted."""
        return both(self._actor.can(replace(ask, verb=f"impersonate-on:{self._mode}:{ask.verb}")), self._other.can(ask))

    def may(self, ask: Ask) -> Truth:
        """Whether the server's own check within a request finds a right."""
        return self._other.can(ask)

    @property
    def grants(self) -> Iterable[Grant]:
        """The roles of the one who acts: a binding or a role that is written in another's name may be of use to him."""
        return self._actor.grants

    @property
    def places(self) -> Iterable[str]:
        """The namespaces in which either holds more than in the whole cluster."""
        return sorted({*self._actor.places, *self._other.places})

    def sees(self, place: str) -> bool:
        """Whether everything is seen that either holds there."""
        return self._actor.sees(place) and self._other.sees(place)

    def is_blank(self, resource: str, subresource: str, place: str) -> bool:
        """Whether certainly nothing is held on such objects."""
        return self._actor.is_blank(resource, subresource, place) or self._other.is_blank(resource, subresource, place)

    def names(self, group: str, resource: str, subresource: str = "") -> frozenset[str]:
        """The names that rules of either write out."""
        return self._actor.names(group, resource, subresource) | self._other.names(group, resource, subresource)


MASTER = Rights({}, bool, masters=True)
"""What a member of system:masters holds: everything, past RBAC."""
