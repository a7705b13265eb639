"""Where the ways to more rights lead in the end: from step to step, over accounts that hold rights of their own, to the whole cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH
from cnamm_scan.providers.kubernetes.policies.rbac.builtin import CONTROL_PLANE
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Cluster
from cnamm_scan.providers.kubernetes.policies.rbac.givers import givers
from cnamm_scan.providers.kubernetes.policies.rbac.leads import ALL, Account, Accounts, Acts, Lead, More, Step, Through
from cnamm_scan.providers.kubernetes.policies.rbac.rights import Held, Rights
from cnamm_scan.providers.kubernetes.policies.rbac.steps import TELLING, Looks, holds_everything, steps
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import ACCOUNT, Subject, who
from cnamm_scan.providers.truths import Truth, any_of

EVERYTHING = "any verb on any resource"


@dataclass(eq=False)
class _Node:
    """Somebody on the way: his rights, or all accounts of a namespace."""

    held: Held | None = None
    namespace: str = ""
    edges: list[tuple[Step | None, _Node]] = field(default_factory=list)
    is_top: Truth = False
    """Whether the whole cluster is reached from here."""


@dataclass(frozen=True)
class Outcome:
    """What somebody can come to."""

    holds_everything: Truth
    is_administrator: Truth
    """Holds everything, or comes to it in one step by escalate, bind or impersonate alone."""
    becomes_administrator: Truth
    """Holds everything, or comes to it by any of the known ways."""
    ways: tuple[str, ...] = ()
    """The ways that lead to the whole cluster, and over whom."""
    possible_ways: tuple[str, ...] = ()
    """Those that may."""
    namespaces: tuple[str, ...] = ()
    """The namespaces of which every account is certainly reached."""
    accounts: tuple[Subject, ...] = ()
    """The accounts that are certainly reached one by one."""
    owns_namespace: Truth = False
    """Whether RBAC's own bound is lifted in a namespace, by escalate or bind there, or by everything that is held everywhere."""

    @property
    def reach(self) -> str:
        """The widest that is reached: administrator, unknown, namespace, account or none."""
        if self.becomes_administrator is not False:
            return "administrator" if self.becomes_administrator else "unknown"
        return "namespace" if self.namespaces else "account" if self.accounts else "none"


class Climb:
    """Everybody's ways up in one cluster, worked out together: who has the same rights is one."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._top = _Node(is_top=True)
        self._by_rights: dict[int, _Node] = {}
        self._by_namespace: dict[str, _Node] = {}
        self._every: list[_Node] = [self._top]
        self._outcomes: dict[int, Outcome] = {}
        self._given: dict[int, tuple[Step, ...]] = {}

    def outcome(self, rights: Rights) -> Outcome:
        """What the holder of these rights can come to."""
        return self.outcomes([rights])[0]

    def of(self, subject: Subject) -> Outcome:
        """What a subject can come to, with all its roles together."""
        return self.outcome(self._cluster.rights(who(subject)))

    def outcomes(self, several: Sequence[Rights]) -> list[Outcome]:
        """The same for many at once."""
        new = list({id(rights): rights for rights in several if id(rights) not in self._outcomes}.values())
        if new:
            nodes = [self._node(rights) for rights in new]
            self._expand(nodes)
            self._rise()
            for rights, node in zip(new, nodes, strict=True):
                self._outcomes[id(rights)] = self._told(rights, node)
        return [self._outcomes[id(rights)] for rights in several]

    # ---- the graph -------------------------------------------------------------------------------------------------------

    def _node(self, held: Held) -> _Node:
        """The same node for the same rights: `Cluster` keeps these objects."""
        found = self._by_rights.get(id(held))
        if found is None:
            found = self._by_rights[id(held)] = _Node(held)
            self._every.append(found)
        return found

    def _expand(self, nodes: Iterable[_Node]) -> None:
        todo = [node for node in nodes if not node.edges]
        seen = {id(node) for node in todo}
        while todo:
            node = todo.pop()
            node.edges.extend(self._edges(node))
            for _, other in node.edges:
                if id(other) not in seen and not other.edges and other is not self._top:
                    seen.add(id(other))
                    todo.append(other)

    def _edges(self, node: _Node) -> Iterator[tuple[Step | None, _Node]]:
        if node.held is None:
            for account in (Subject(ACCOUNT, FRESH, node.namespace), *self._cluster.accounts.get(node.namespace, ())):
                yield None, self._node(self._cluster.rights(who(account)))
            return
        if isinstance(node.held, Rights) and self._is_plain(node.held):
            return
        everything = holds_everything(node.held)
        if everything is not False:
            yield Step(EVERYTHING, ALL, everything is True, ""), self._top
            if everything:
                return
        if isinstance(node.held, Rights):
            for place in self._cluster.hidden:
                lead: Lead = ALL if place == FRESH else Accounts(place, is_whole=True)
                yield (
                    Step(f"rights in {'namespaces' if place == FRESH else place} that were not read", lead, False, ""),
                    self._to(node.held, lead),
                )
        looks = Looks(node.held, self._cluster)
        for step in chain(givers(node.held, looks), steps(node.held, self._cluster)):
            yield step, self._to(node.held, step.lead)

    def _is_plain(self, rights: Rights) -> bool:
        """Whether nothing is held that any way takes: so with most, and quickly said."""
        places = ("", FRESH, *rights.places)
        return not self._cluster.hidden and not rights.speaks_of(TELLING) and all(map(rights.sees, places))

    def _to(self, held: Held, lead: Lead) -> _Node:
        if isinstance(lead, Accounts):
            if lead.namespace == CONTROL_PLANE:
                return self._top
            if lead.namespace not in self._by_namespace:
                self._by_namespace[lead.namespace] = _Node(namespace=lead.namespace)
                self._every.append(self._by_namespace[lead.namespace])
            return self._by_namespace[lead.namespace]
        if isinstance(lead, Account):
            return self._node(self._cluster.rights(who(lead.subject)))
        if isinstance(lead, Acts):
            return self._node(self._cluster.rights(lead.caller))
        if isinstance(lead, More):
            return self._node(self._cluster.rights_of(frozenset(held.grants) | lead.grants))
        return self._node(lead.held) if isinstance(lead, Through) else self._top

    def _rise(self) -> None:
        """Carries the top down to whoever reaches it, first over what is certain, then over what may be."""
        back: dict[int, list[tuple[_Node, bool]]] = {}
        for node in self._every:
            for step, other in node.edges:
                back.setdefault(id(other), []).append((node, step is None or step.is_sure))
        for node in self._every:
            node.is_top = node is self._top
        for sure, value in ((True, True), (False, None)):
            todo = [node for node in self._every if node.is_top is not False]
            while todo:
                for below, is_sure in back.get(id(todo.pop()), ()):
                    if below.is_top is False and (is_sure or not sure):
                        below.is_top = value
                        todo.append(below)

    # ---- telling ---------------------------------------------------------------------------------------------------------

    def _told(self, rights: Rights, node: _Node) -> Outcome:
        everything = holds_everything(rights)
        sure: dict[str, None] = {}
        maybe: dict[str, None] = {}
        for step, other in node.edges:
            assert step is not None
            if other.is_top is not False:
                text = step.way if other is self._top else f"{step.way} → {self._on(other)}"
                (sure if step.is_sure and other.is_top else maybe)[text] = None
        namespaces, accounts = self._reached(node)
        return Outcome(
            everything,
            self._administers(node, everything),
            node.is_top,
            tuple(sure),
            tuple(each for each in maybe if each not in sure),
            namespaces,
            accounts,
            any_of([everything, self._owns(node)]),
        )

    def _on(self, node: _Node) -> str:
        """The next way of somebody who was reached."""
        for wanted in (True, None):
            for step, other in node.edges:
                if other.is_top is wanted and (step is None or step.is_sure or wanted is None):
                    if step is None:
                        return f"an account of {node.namespace}: {self._on(other)}"
                    return step.way if other is self._top else f"{step.way} → …"
        return ""

    @staticmethod
    def _administers(node: _Node, everything: Truth) -> Truth:
        """Over what RBAC itself gives: escalate, bind, impersonate."""
        if everything:
            return True
        found: Truth = everything
        for step, other in node.edges:
            if step is not None and other.is_top is not False and step.way.startswith(("escalate ", "bind ", "impersonate")):
                if step.is_sure and other.is_top:
                    return True
                found = None
        return found

    def _owns(self, node: _Node) -> Truth:
        found: Truth = None if FRESH in self._cluster.hidden else False
        for step, _ in node.edges:
            if step is not None and isinstance(step.lead, Accounts) and step.lead.is_whole:
                if step.is_sure:
                    return True
                found = None
        return found

    def _reached(self, start: _Node) -> tuple[tuple[str, ...], tuple[Subject, ...]]:
        """Namespaces and accounts that are certainly reached."""
        namespaces: set[str] = set()
        accounts: set[Subject] = set()
        todo, seen = [start], {id(start)}
        while todo:
            for step, other in todo.pop().edges:
                if step is not None and not step.is_sure:
                    continue
                if step is not None and isinstance(step.lead, Accounts):
                    namespaces.add(step.lead.namespace)
                elif step is not None and isinstance(step.lead, Account):
                    accounts.add(step.lead.subject)
                if id(other) not in seen:
                    seen.add(id(other))
                    todo.append(other)
        return tuple(sorted(namespaces)), tuple(sorted(accounts))
