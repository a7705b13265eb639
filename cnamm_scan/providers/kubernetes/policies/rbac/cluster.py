"""Roles and bindings of one cluster, joined: which rules a caller holds where, and whether a request is admitted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from cnamm_scan.providers.kubernetes.policies.labels import Selector, selector
from cnamm_scan.providers.kubernetes.policies.rbac import builtin
from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH, Ask, Rule
from cnamm_scan.providers.kubernetes.policies.rbac.rights import Grant, Rights, RoleName
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import MASTERS, Subject, Who, who
from cnamm_scan.providers.truths import Truth


@dataclass(frozen=True)
class Role:
    """A Role or a ClusterRole. `rules` is None where they were not read; `selectors` is None where nothing is aggregated into it."""

    name: RoleName
    rules: tuple[Rule, ...] | None
    labels: Mapping[str, str] = field(default_factory=dict)
    selectors: tuple[Selector, ...] | None = None
    is_served: bool = True
    """Read from a server, whose controller fills in what is aggregated; in a file the rules of an aggregated role mean nothing."""


@dataclass(frozen=True)
class Binding:
    """A RoleBinding, or with an empty `namespace` a ClusterRoleBinding. `subjects` is None where they were not read."""

    namespace: str
    name: str
    role_kind: str
    role_name: str
    subjects: tuple[Subject, ...] | None = ()

    @property
    def role(self) -> RoleName:
        """What it gives: a Role stands in the binding's own namespace."""
        return RoleName(self.role_kind, self.role_name, self.namespace if self.role_kind == "Role" else "")

    @property
    def grant(self) -> Grant:
        """That role, where the binding gives it."""
        return Grant(self.role, self.namespace)


@dataclass(frozen=True)
class Sight:
    """What was read whole. Where a listing was not, more roles or bindings may be there than were seen."""

    roles: bool = True
    cluster_roles: bool = True
    bindings: bool = True
    cluster_bindings: bool = True
    left_out: frozenset[str] = frozenset()
    """The only namespaces of which roles and bindings are missing, where that is known."""
    shown: frozenset[str] = frozenset()
    """The namespaces that were seen whole, where only some were looked at."""

    def shows(self, listing: bool, namespace: str) -> bool:
        """Whether all of a namespace was seen in a listing of namespaces' objects that was read whole, or was not."""
        return listing or namespace in self.shown or (bool(self.left_out) and namespace not in (*self.left_out, FRESH))


@dataclass(frozen=True)
class Features:
    """What of the cluster decides beside roles and bindings. None: not known."""

    constrained_impersonation: Truth = True
    """Whether the verbs `impersonate:…` and `impersonate-on:…` mean anything: from 1.36 on."""
    get_enters_pods: Truth = True
    """Whether `get` alone opens pods/exec, attach and portforward, over WebSockets: from 1.35 on `create` is asked too, unless the gate
    AuthorizePodWebsocketUpgradeCreatePermission is off. https://github.com/kubernetes/kubernetes/pull/134577"""
    has_aws_auth: Truth = False
    """Whether the config map kube-system/aws-auth says which of AWS's identities is in which group."""
    kinds: frozenset[tuple[str, str]] | None = None
    """(group, plural) of every kind that is served."""
    token_secrets: frozenset[tuple[str, str, str]] | None = None
    """(namespace, secret, account) of every secret that is a token of an account."""

    def serves(self, group: str, resource: str) -> Truth:
        """Whether a kind that does not come with Kubernetes is there."""
        return None if self.kinds is None else (group, resource) in self.kinds


class Cluster:
    """Everything that was seen of one cluster's RBAC. Answers are kept: nothing given may change."""

    def __init__(self, roles: Iterable[Role], bindings: Iterable[Binding], sight: Sight = Sight(), features: Features = Features()) -> None:
        self.roles: Mapping[RoleName, Role] = {role.name: role for role in roles}
        self.bindings: tuple[Binding, ...] = tuple(bindings)
        self.sight = sight
        self.features = features
        self._rules: dict[RoleName, tuple[tuple[Rule, ...], bool]] = {}
        self._sources: dict[RoleName, tuple[RoleName, ...]] = {}
        self._rights: dict[tuple[frozenset[Grant], bool], Rights] = {}

    def allows(self, subject: Subject, ask: Ask) -> Truth:
        """Whether a subject, with the groups that are known of it, may do something. None where what was not seen may admit it."""
        return self.rights(who(subject)).can(ask)

    def rights(self, caller: Who, without: frozenset[int] = frozenset()) -> Rights:
        """What a caller holds by all its roles together; bindings of these numbers are left out."""
        return self.rights_of(self.grants(caller, without), MASTERS in caller.groups)

    def grants(self, caller: Who, without: frozenset[int] = frozenset()) -> frozenset[Grant]:
        """The roles that bindings give a caller, and where."""
        found = (number for subject in caller.subjects for number in self._bound.get(subject, ()))
        return frozenset(self.bindings[number].grant for number in found if number not in without)

    def rights_of(self, grants: frozenset[Grant], masters: bool = False) -> Rights:
        """What a set of roles gives; the same object for the same set."""
        key = (grants, masters)
        if key not in self._rights:
            held = {grant: self.rules(grant.role) for grant in grants}
            doubtful = frozenset(grant.namespace for grant, (_, whole) in held.items() if not whole)
            self._rights[key] = Rights({grant: rules for grant, (rules, _) in held.items()}, partial(self._sees, doubtful), masters)
        return self._rights[key]

    def rules(self, name: RoleName) -> tuple[tuple[Rule, ...], bool]:
        """A role's rules with what is aggregated into it, and whether these are all. A role that is not there has none."""
        if name not in self._rules:
            self._rules[name] = self._rules_of(name, frozenset())
        return self._rules[name]

    def exists(self, name: RoleName) -> Truth:
        """Whether a role is there."""
        if name in self.roles or (name.kind == "ClusterRole" and name.name in builtin.ROLES):
            return True
        sees = self.sight.shows(self.sight.roles, name.namespace) if name.kind == "Role" else self.sight.cluster_roles
        return False if sees else None

    def is_aggregated(self, name: RoleName) -> bool:
        """Whether rules of other roles come into this one by their labels."""
        return self._selectors(name) is not None

    def sources(self, name: RoleName) -> tuple[RoleName, ...]:
        """The roles whose rules come into this one, directly or through others."""
        if name not in self._sources:
            self._sources[name] = tuple(self._found_sources(name))
        return self._sources[name]

    def _found_sources(self, name: RoleName) -> Iterable[RoleName]:
        found: dict[RoleName, None] = {}
        todo = [name]
        while todo:
            selectors = self._selectors(todo.pop())
            for each in self._labelled if selectors else ():
                if each.name == name or each.name in found:
                    continue
                if any(one.matches(each.labels) for one in selectors or ()):
                    found[each.name] = None
                    todo.append(each.name)
        return found

    @cached_property
    def _labelled(self) -> tuple[Role, ...]:
        """The roles that may be aggregated into others: ClusterRoles, labelled or not."""
        return tuple(role for role in self.roles.values() if role.name.kind == "ClusterRole")

    def subjects(self) -> frozenset[Subject]:
        """Everybody whom a binding names."""
        return frozenset(self._bound)

    def bindings_of(self, caller: Who) -> tuple[int, ...]:
        """The numbers of the bindings that name a caller, or one of his groups."""
        return tuple(sorted({number for each in caller.subjects for number in self._bound.get(each, ())}))

    def bindings_to(self, role: RoleName) -> Sequence[Binding]:
        """The bindings that give a role."""
        return self._by_role.get(role, ())

    @cached_property
    def _by_role(self) -> Mapping[RoleName, list[Binding]]:
        found: dict[RoleName, list[Binding]] = {}
        for binding in self.bindings:
            found.setdefault(binding.role, []).append(binding)
        return found

    @cached_property
    def accounts(self) -> Mapping[str, tuple[Subject, ...]]:
        """Namespace -> the service accounts there that a binding names. Others hold what their groups hold."""
        found: dict[str, list[Subject]] = {}
        for subject in sorted(self._bound):
            if subject.namespace:
                found.setdefault(subject.namespace, []).append(subject)
        return {namespace: tuple(accounts) for namespace, accounts in found.items()}

    @cached_property
    def _bound(self) -> Mapping[Subject, list[int]]:
        found: dict[Subject, list[int]] = {}
        for number, binding in enumerate(self.bindings):
            for subject in binding.subjects or ():
                found.setdefault(subject, []).append(number)
        return found

    def _sees(self, doubtful: frozenset[str], place: str) -> bool:
        """Whether everything is seen that somebody holds in a namespace, and with an empty one in the whole cluster.

        `doubtful` is where roles that he holds may have more rules. In FRESH, which stands for any namespace, holds what holds in the
        whole cluster.
        """
        if not self.sight.cluster_bindings or "" in doubtful or FRESH in doubtful or "" in self._unread:
            return False
        if place in ("", FRESH):
            return True
        return self.sight.shows(self.sight.bindings, place) and place not in doubtful and place not in self._unread

    @cached_property
    def _unread(self) -> frozenset[str]:
        """Where bindings stand of which it is not known whom they name."""
        return frozenset(binding.namespace for binding in self.bindings if binding.subjects is None)

    @cached_property
    def hidden(self) -> tuple[str, ...]:
        """The namespaces in which there may be bindings that were not seen; FRESH where these may be any."""
        left = () if self.sight.bindings else tuple(sorted(self.sight.left_out)) or (FRESH,)
        return (*left, *sorted(self._unread - {""}))

    def _selectors(self, name: RoleName) -> tuple[Selector, ...] | None:
        if name in self.roles:
            return self.roles[name].selectors
        labels = builtin.AGGREGATES.get(name.name) if name.kind == "ClusterRole" else None
        return None if labels is None else (selector({"matchLabels": labels}),)

    def _rules_of(self, name: RoleName, under: frozenset[RoleName]) -> tuple[tuple[Rule, ...], bool]:
        role, selectors = self.roles.get(name), self._selectors(name)
        if role is None:
            if name.kind != "ClusterRole" or name.name not in builtin.ROLES:
                return (), self.exists(name) is not None
            return self._joined(name, builtin.ROLES[name.name], selectors or (), under)
        if selectors is None:
            return role.rules or (), role.rules is not None
        if role.is_served and role.rules is not None:
            # what the authoriser goes by now, and what the controller is about to add
            return self._joined(name, role.rules, selectors, under)[0], True
        return self._joined(name, (), selectors, under)

    def _joined(
        self, name: RoleName, own: tuple[Rule, ...], selectors: tuple[Selector, ...], under: frozenset[RoleName]
    ) -> tuple[tuple[Rule, ...], bool]:
        """Rules with those of every ClusterRole that one of the selectors selects. `under` are the roles that this one is wanted for."""
        found, whole = list(own), self.sight.cluster_roles and all(each.is_whole for each in selectors)
        for each in self._labelled if selectors else ():
            if each.name == name or each.name in under:
                continue
            if any(one.matches(each.labels) for one in selectors):
                rules, is_whole = self._rules_of(each.name, under | {name})
                found.extend(rules)
                whole = whole and is_whole
        return tuple(dict.fromkeys(found)), whole
