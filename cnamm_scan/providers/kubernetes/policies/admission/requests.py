"""What is asked of the door: one request, of which the offence is settled and the rest may be open, and what a guard says to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from cnamm_scan.providers.kubernetes.policies.admission.values import Partial, Some, Text, Unknown, Value, look

ADMITS, REFUSES = 1, 2
EITHER = ADMITS | REFUSES
"""What a guard may say: one of the two, or either where that depends on what is open."""

NODES = "system:nodes"
ANYBODY: Mapping[str, Value] = {
    "username": Text(never=("system:node:",)),
    "groups": Some(["system:authenticated"], "request.userInfo.groups", frozenset({NODES})),
    "uid": Unknown("request.userInfo.uid"),
    "extra": Unknown("request.userInfo.extra"),
    "roles": Unknown("roles"),
    "clusterRoles": Unknown("clusterRoles"),
}
"""Any requester but a kubelet: it makes mirror pods alone, and conditions that let kubelets through are harmless (NodeRestriction)."""
SOMEBODY: Mapping[str, Value] = {
    "username": "jane@example.invalid",
    "groups": ["system:authenticated"],
    "uid": "7",
    "extra": {},
    "roles": [],
    "clusterRoles": [],
}
"""One who is named by no policy."""


CONTROLLERS = ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet")
"""Kinds with a pod template at `spec.template`, for which Kyverno repeats a rule on pods."""


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace that a request is about; `name` is empty for what belongs to no namespace. Labels of None were not seen."""

    name: str
    labels: Mapping[str, str] | None = field(default_factory=dict, hash=False)

    @property
    def all_labels(self) -> Mapping[str, str] | None:
        """With the label that the API server sets on each."""
        return None if self.labels is None else {**self.labels, "kubernetes.io/metadata.name": self.name}


CLUSTER = Place("")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the API, as admission sees it."""

    kind: str
    resource: str
    object: Value
    group: str = ""
    version: str = "v1"
    subresource: str = ""
    operation: str = "CREATE"
    place: Place | None = CLUSTER
    """None: in whichever namespace."""
    user: Mapping[str, Value] = field(default_factory=lambda: ANYBODY)
    offence: str = ""
    """The Pod Security control that the object breaks; empty where it keeps to all of them."""

    def at(self, place: Place | None) -> Request:
        """The same in a namespace."""
        return replace(self, place=place)

    @property
    def labels(self) -> Value:
        """The object's own labels: whoever makes it chooses them."""
        found, there = look(look(self.object, "metadata")[0], "labels")
        return {} if there is False else found

    @property
    def name(self) -> Value:
        """The object's name; null where the server is to make one up."""
        found, there = look(look(self.object, "metadata")[0], "name")
        return None if there is False else found

    @property
    def is_namespace(self) -> bool:
        """Whether it makes or changes a namespace."""
        return (self.group, self.resource) == ("", "namespaces")

    @property
    def namespace(self) -> Value:
        """The name of the namespace: a text, empty for what has none."""
        return Unknown("request.namespace") if self.place is None else self.place.name

    @property
    def located(self) -> Value:
        """The object with the namespace that the request puts it into."""
        if self.place is not None and not self.place.name:
            return self.object
        metadata, _ = look(self.object, "metadata")
        fields = metadata.fields if isinstance(metadata, Partial) else metadata or {}
        inside = {**fields, "namespace": self.namespace}
        made = Partial(inside, metadata.path) if isinstance(metadata, Partial) else inside
        if isinstance(self.object, Partial):
            return Partial({**self.object.fields, "metadata": made}, self.object.path)
        return {**self.object, "metadata": made}

    @property
    def as_pod(self) -> Request | None:
        """The pod that an object of apps or batch will make, as if it were made itself; None where there is none."""
        template, there = look(look(self.object, "spec")[0], "template")
        spec, spoken = look(template, "spec")
        if not there or not spoken or self.kind not in CONTROLLERS:
            return None
        metadata, known = look(template, "metadata")
        head = {"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": metadata if known else {}}
        made = head if known else Partial({**head, "metadata": Partial({}, "template.metadata")}, "template")
        return replace(self, kind="Pod", resource="pods", group="", version="v1", object=made)

    @property
    def user_info(self) -> Mapping[str, Value]:
        """As expressions see the requester."""
        return {name: value for name, value in self.user.items() if name not in ("roles", "clusterRoles")}


class Guard(Protocol):
    """Something that judges requests at the door."""

    place_matters: bool
    """Whether what it says of an object, once it applies, may hang on the namespace."""

    by_metadata: bool
    """Whether it applies by what an object is called and labelled, and who asks, alone: not by anything else in it."""

    def applies(self, request: Request) -> bool | None:
        """Whether it judges the request and can refuse it at all."""
        ...

    def says(self, request: Request) -> int:
        """ADMITS, REFUSES or EITHER, where it applies. Asked without a place it answers for every place."""
        ...

    def twists(self) -> Iterable[Twist]:
        """Names, labels and requesters that it may make an exception of."""
        ...


Twist = tuple[str, Value]
"""(what, value): user, group, name, image, label, annotation, role."""


def judge(guard: Guard, request: Request) -> int:
    """What a guard says to a request at its place."""
    applies = guard.applies(request)
    if applies is False:
        return ADMITS
    said = guard.says(request)
    return said if applies else said | ADMITS
