"""Policies of every product in one form: whom each selects, which rules it has, in which order they are asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from cnamm_scan.providers.kubernetes.policies.labels import ALL, Labels
from cnamm_scan.providers.kubernetes.policies.network.selectors import Matcher
from cnamm_scan.providers.openness import NO_ADDRESSES, Addresses
from cnamm_scan.providers.ports import ALL_PORTS, Ports
from cnamm_scan.providers.truths import Truth

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace has, with its name."""


class Direction(Enum):
    """Seen from the pod."""

    INGRESS = "ingress"
    EGRESS = "egress"


class Action(Enum):
    """What a rule does with what it matches."""

    ALLOW = "allow"
    DENY = "deny"
    PASS = "pass"
    """Hands it on to the next layer."""


class Layer(IntEnum):
    """Asked one after the other."""

    ADMIN = 0
    MAIN = 1
    BASELINE = 2


class Level(IntEnum):
    """Whom that is at the other end, from narrow to wide. A port of its own each: the widest of all is told."""

    NOBODY = 0
    NAMED = 1
    """Pods, hosts or services that somebody wrote down."""
    NAMESPACE = 2
    """Every pod of the own namespace."""
    PRIVATE = 3
    BOUNDED = 4
    CLUSTER = 5
    """Every pod of the cluster, those of strangers in new namespaces too."""
    WIDE = 6
    WORLD = 7


@dataclass(frozen=True, slots=True)
class PodPeer:
    """Pods at the other end. `namespaces` is None for those of the policy's own namespace."""

    namespaces: Matcher | None = None
    pods: Matcher = ALL

    def matches(self, pod: Pod, own: str) -> Truth:
        """Whether it is about this pod. `own` is the policy's namespace."""
        where: Truth = pod.namespace == own if self.namespaces is None else self.namespaces.matches(pod.namespace_labels)
        what = self.pods.matches(pod.labels)
        return False if False in (where, what) else None if None in (where, what) else True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: whom it matches on which ports. What is not read of it may match anybody (`may_match_more`) or less than it says."""

    action: Action = Action.ALLOW
    everybody: bool = False
    """Pods and addresses alike."""
    addresses: Addresses = NO_ADDRESSES
    pods: tuple[PodPeer, ...] = ()
    others: bool = False
    """Names something that is neither: hosts, services, nodes."""
    ports: Ports = ALL_PORTS
    port_names: frozenset[str] = frozenset()
    may_match_more: bool = False
    may_match_less: bool = False
    comes_first: bool = False
    """Asked before the rules of its layer that do not: denials of Cilium."""


@dataclass(frozen=True, slots=True)
class Side:
    """A policy's one direction. `isolates`: what no rule allows is refused to whom it selects."""

    isolates: Truth
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, or one that there may be. Labels that are not known are None."""

    namespace: str
    labels: Labels | None
    namespace_labels: Labels | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy. `namespace` is empty for one of the whole cluster, whose `namespaces` then says where it holds."""

    key: str
    kind: str
    namespace: str = ""
    namespaces: Matcher = ALL
    pods: Matcher = ALL
    sides: Mapping[Direction, Side] = field(default_factory=dict)
    layer: Layer = Layer.MAIN
    order: tuple[float, str] = (0.0, "")
    is_sure: bool = True
    """Whether it is known to hold: its product runs, and it was read whole."""

    def holds_in(self, namespace: str, labels: Labels | None) -> Truth:
        """Whether it holds for pods of a namespace."""
        return self.namespace == namespace if self.namespace else self.namespaces.matches(labels)

    def selects(self, pod: Pod) -> Truth:
        """Whether it holds for this pod."""
        where, what = self.holds_in(pod.namespace, pod.namespace_labels), self.pods.matches(pod.labels)
        return False if False in (where, what) else None if None in (where, what) else True

    @property
    def is_for_all(self) -> bool:
        """Whether it selects every pod of the namespaces that it holds in."""
        return self.pods.is_all
