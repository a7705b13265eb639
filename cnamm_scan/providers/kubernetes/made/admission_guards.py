"""What judges at the door of each cluster, read from collected objects: policies, labels and webhooks as guards that can be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.kubernetes.made.openshift import is_openshift
from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import BoundPolicy, Found
from cnamm_scan.providers.kubernetes.policies.admission.decide import Door, words_of
from cnamm_scan.providers.kubernetes.policies.admission.gatekeeper import Constraint, Settings, enforces, text_of
from cnamm_scan.providers.kubernetes.policies.admission.kyverno import Policy, Rule, ValidatingPolicy
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_match import CelExcepted, Excepted
from cnamm_scan.providers.kubernetes.policies.admission.matching import listed, mapped
from cnamm_scan.providers.kubernetes.policies.admission.pod_security import PodSecurity
from cnamm_scan.providers.kubernetes.policies.admission.requests import Guard, Place, Request
from cnamm_scan.providers.kubernetes.policies.admission.values import Unknown, Value
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import (
    Engine,
    Opaque,
    Unseen,
    Webhook,
    gatekeeper_hook,
    known_hook,
    kyverno_hook,
)

NAMESPACE = "kubernetes.core.namespace"
CLUSTER = "kubernetes.cluster.cluster"
DEFAULT = "kubernetes.admission.plugin_default"
CONFIG_MAP = "kubernetes.core.config_map"
WEBHOOK = "kubernetes.admission.validating_webhook"
POLICY = "kubernetes.admission.validating_admission_policy"
BINDING = "kubernetes.admission.validating_admission_policy_binding"
RULES = ("kubernetes.kyverno.cluster_rule", "kubernetes.kyverno.namespaced_rule")
NEWER = {
    "kubernetes.kyverno.validating_policy": "ValidatingPolicy",
    "kubernetes.kyverno.namespaced_validating_policy": "NamespacedValidatingPolicy",
}
_PARTS = {
    "name": "name",
    "match": "match",
    "exclude": "exclude",
    "preconditions": "preconditions",
    "celPreconditions": "cel_preconditions",
    "validate": "validate",
}
"""Fields of a rule of Kyverno -> the columns that hold them."""
EXCEPTION = "kubernetes.kyverno.policy_exception"
CEL_EXCEPTION = "kubernetes.kyverno.cel_exception"
CONSTRAINT = "kubernetes.gatekeeper.constraint"
TEMPLATE = "kubernetes.gatekeeper.constraint_template"
EXEMPTION = "kubernetes.gatekeeper.exclusion"
STANDARDS = ("baseline", "restricted")


class Looks(Protocol):
    """Says whether a guard judges a request, if only to report."""

    def __call__(self, request: Request) -> bool | None:
        """Yes, no, or None where that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that judges, and what is told of it."""

    key: str
    engine: str
    policy: str
    name: str
    row: SeenRow
    looks: Looks
    guard: Guard | None
    """None for the labels of a namespace: one guard stands for all of them."""
    is_enforcing: bool | None
    fails_closed: bool | None
    namespace: str = ""

    def holds(self, request: Request) -> bool | None:
        """Whether it judges a request, and refuses there what it objects to, if it refuses at all."""
        if self.guard is not None and self.is_enforcing and self.fails_closed:
            return self.guard.applies(request)
        return self.looks(request)


@dataclass(frozen=True, slots=True)
class Judged:
    """The door of one cluster."""

    target: str
    door: Door
    units: Sequence[Unit]
    places: Mapping[str, Place]
    """The namespaces that were seen, by name; system ones too."""
    ours: Sequence[str]
    """Those that do not hold the platform itself."""
    kyverno: Engine
    gatekeeper: Engine
    facts: tuple[str, ...]
    """What all of it rests on: everything but namespaces."""
    gaps: bool
    """Whether more policies may be there than were seen."""
    exceptions: Sequence[Excepted]
    """Kyverno's, from its rules."""
    cel_exceptions: Sequence[CelExcepted]
    """Kyverno's, from its newer policies; of any of them, where some were not seen."""
    label_default: bool | None = field(default=False)
    """Whether the plug-in may have a default for namespaces without labels."""
    more_places: bool = False
    """Whether more namespaces may be there than were seen."""
    unread: Sequence[tuple[str, SeenRow]] = ()
    """Key -> what judges, and nobody could read how."""
    opaque: Sequence[Webhook] = ()
    """Webhooks that nobody can see into."""

    @property
    def labelled(self) -> frozenset[str]:
        """Namespaces whose labels ask for a standard, if only to warn."""
        return frozenset(unit.namespace for unit in self.units if unit.guard is None)


def judged(seen: SeenTables) -> Iterator[Judged]:
    """One for each cluster."""
    for target in seen.targets:
        yield _Reader(seen, target.id).read()


class _Reader:
    """Reads what was collected of one target. A table that the view does not read is as if it were empty."""

    def __init__(self, seen: SeenTables, target: str) -> None:
        self._seen = seen
        self._target = target
        self._used: list[str] = []
        self._gaps = False
        self._unread: list[tuple[str, SeenRow]] = []
        self._words: set[str] = set()
        self._maps: dict[tuple[str, str], SeenRow] | None = None

    def _heard(self, row: SeenRow) -> None:
        """Keep the texts of a row: a namespace can only matter by what is said somewhere."""
        words_of(list(row.values.values()), self._words)

    def rows(self, table: str) -> Sequence[SeenRow]:
        """The rows of a table, noted as what the answer rests on."""
        found = rows_if_read(self._seen, table, self._target)
        if table != NAMESPACE:
            self._used.extend(row.fact for row in found if row.fact)
            for row in found:
                self._heard(row)
        return found

    def dark(self, table: str) -> bool:
        """Whether more of a table may be there."""
        return table in self._seen.reads and self._seen.dark(table, self._target)

    def read(self) -> Judged:
        """The whole door."""
        spaces = self.rows(NAMESPACE)
        places = {str(row.values["name"]): Place(str(row.values["name"]), row.values["labels"]) for row in spaces}
        hooks = [(row, webhook_of(row)) for row in self.rows(WEBHOOK)]
        more = self.dark(WEBHOOK)
        kyverno = Engine(tuple(hook for _, hook in hooks if kyverno_hook(hook.name)), more, *self._left_alone([row for row, _ in hooks]))
        gatekeeper = Engine(tuple(hook for _, hook in hooks if gatekeeper_hook(hook.name)), more)
        units = [*self._labels(spaces), *self._bound(), *self._rules(kyverno), *self._newer(kyverno), *self._constraints(gatekeeper)]
        hidden = next((row.values["is_hidden"] for row in self.rows(DEFAULT)), None)
        server = next((row.values["minor"] for row in self.rows(CLUSTER)), None)
        guards: list[Guard] = [PodSecurity(default_is_hidden=hidden, server=server)]
        guards.extend(unit.guard for unit in units if unit.guard is not None)
        opaque = [hook for _, hook in hooks if not known_hook(hook.name)]
        guards.extend(Opaque(hook) for hook in opaque)
        gaps = self._gaps or any(self.dark(table) for table in (POLICY, BINDING, *RULES, *NEWER, CONSTRAINT))
        gaps = gaps or more or is_openshift(self._seen, self._target)  # whose own constraints refuse by requester and are not read
        if gaps:
            guards.append(Unseen())
        ours = [str(row.values["name"]) for row in spaces if row.values["is_system"] is False]
        spared, newer = tuple(self._exceptions()), tuple(self._cel_exceptions())
        return Judged(
            self._target,
            Door(guards, self._words),
            units,
            places,
            ours,
            kyverno,
            gatekeeper,
            tuple(dict.fromkeys(self._used)),
            gaps,
            spared,
            newer,
            hidden,
            self.dark(NAMESPACE),
            tuple(self._unread),
            tuple(opaque),
        )

    def _left_alone(self, hooks: Sequence[SeenRow]) -> tuple[tuple[tuple[str, str], ...] | None, Value]:
        """What Kyverno's configuration leaves alone, and whom: see Engine. What it names one by one is left out of account."""
        homes = {str(row.values["service_namespace"]) for row in hooks if kyverno_hook(str(row.values["name"]))} - {""}
        if not homes or CONFIG_MAP not in self._seen.reads:
            return (), None
        near = [row for row in self._seen.rows(CONFIG_MAP) if row.target == self._target and row.values["namespace"] in homes]
        told = [row for row in near if row.values["kyverno_filters"] or row.values["kyverno_spares"]]
        if not told and self.dark(CONFIG_MAP) and not self._looked_into(homes):
            return None, None
        self._used.extend(row.fact for row in told if row.fact)
        written = [str(each) for row in told for each in row.values["kyverno_filters"] or ()]
        words_of(written, self._words)
        parts = [each.split(",") for each in written]
        filters = tuple(dict.fromkeys((kind, space) for kind, space, name in parts if name in ("", "*")))
        spares = [str(each).split(" ", 1) for row in told for each in row.values["kyverno_spares"] or ()]
        blocks = [
            {what: [name]} if what in ("roles", "clusterRoles") else {"subjects": [{"kind": what, "name": name}]}
            for what, name in spares
            if not name.startswith("!")
        ]
        return filters, {"any": blocks} if blocks else None

    def _looked_into(self, namespaces: Collection[str]) -> bool:
        """Whether a scope alone left something out, and none of these."""
        if set(self._seen.why(CONFIG_MAP, self._target)) != {Reason.EXCLUDED.value}:
            return False
        scope = next(each.scope for each in self._seen.targets if each.id == self._target)
        named, left = scope.get("namespaces") or (), scope.get("excluded_namespaces") or ()
        return all(each not in left and (not named or each in named) for each in namespaces)

    def _labels(self, spaces: Sequence[SeenRow]) -> Iterator[Unit]:
        for row in spaces:
            levels = [row.values[each] for each in ("enforce", "audit", "warn")]
            if not set(levels) & set(STANDARDS):
                continue
            name = str(row.values["name"])

            def looks(request: Request, name: str = name) -> bool:
                return (request.group, request.resource) == ("", "pods") and request.place is not None and request.place.name == name

            yield Unit(f"Namespace {row.key}", "pod_security", "pod-security", name, row, looks, None, levels[0] in STANDARDS, True, name)

    def _lose(self, key: str, row: SeenRow) -> None:
        """Take note of what judges in a way that was not seen."""
        self._gaps = True
        self._unread.append((key, row))

    def _bound(self) -> Iterator[Unit]:
        policies = {row.values["name"]: row for row in self.rows(POLICY)}
        for row in self.rows(BINDING):
            policy = policies.get(row.values["policy"])
            if policy is None or row.values["spec"] is None or policy.values["spec"] is None:
                if policy is not None or row.values["policy"] is None or self.dark(POLICY):  # else it binds nothing
                    self._lose(f"ValidatingAdmissionPolicyBinding {row.key}", row)
                continue
            spec, own = policy.values["spec"], row.values["spec"]
            guard = BoundPolicy(spec, own, self._parameter)
            closes = spec.get("failurePolicy") != "Ignore" and not self._does_without(spec.get("paramKind"), own.get("paramRef"))
            key, name = f"ValidatingAdmissionPolicyBinding {row.key}", str(policy.values["name"])
            yield Unit(key, "validating_admission_policy", name, str(row.values["name"]), row, guard.looks, guard, guard.denies, closes)

    def _does_without(self, kind: Value, ref: Value) -> bool:
        """Whether a binding lets everything in since its parameter is not there, as it is told to."""
        if not mapped(kind) or mapped(ref).get("parameterNotFoundAction") != "Allow":
            return False
        return self._parameter(mapped(kind), mapped(ref), None)[0] is False

    def _parameter(self, kind: Mapping[str, Any], ref: Mapping[str, Any], namespace: str | None) -> Found:
        """Whether a parameter is there. Config maps are seen by name, without what they hold; other kinds are not."""
        unknown = (None, Unknown("params"))
        if (kind.get("apiVersion"), kind.get("kind")) != ("v1", "ConfigMap") or CONFIG_MAP not in self._seen.reads:
            return unknown
        space = ref.get("namespace") or namespace
        if space is None:
            return unknown
        if self._maps is None:
            self._maps = {
                (row.values["namespace"], row.values["name"]): row for row in self._seen.rows(CONFIG_MAP) if row.target == self._target
            }
        named = self._maps.get((str(space), str(ref.get("name"))))
        if named is not None:
            return True, Unknown("params")
        if self.dark(CONFIG_MAP) or (not ref.get("name") and any(each == space for each, _ in self._maps)):
            return unknown
        return False, None

    def _rules(self, engine: Engine) -> Iterator[Unit]:
        exceptions = list(self._exceptions())
        first: set[tuple[str, str]] = set()
        for table in RULES:
            for row in self.rows(table):
                values = row.values
                if values["has_validate"] is False:
                    continue
                parts = {said: values[column] for said, column in _PARTS.items()}
                if None in parts.values() or None in (values["has_validate"], values["policy_action"]):
                    self._lose(f"Kyverno rule {row.key}", row)
                    continue
                closes = values["failure_policy"] or values["old_failure_policy"]
                policy = replace(
                    policy_of(row),
                    failure_policy=str(closes),
                    first_only=values["apply_rules"] == "One",
                    repeated_for=str(values["autogen"] or ""),
                )
                guard = Rule(policy, parts, engine, exceptions, is_first=(table, policy.id) not in first)
                first.add((table, policy.id))
                closed = False if closes == "Ignore" else engine.fails_closed(policy.name, kind="rule")
                name = f"{policy.name}/{values['name']}"
                key = f"Kyverno rule {row.key}"
                yield Unit(key, "kyverno", policy.name, name, row, guard.looks, guard, values["is_enforcing"], closed, policy.namespace)

    def _exceptions(self) -> Iterator[Excepted]:
        for row in self.rows(EXCEPTION):
            spared = row.values["exceptions"]
            if spared is None:
                continue
            names = [
                (str(mapped(each).get("policyName")), [str(one) for one in listed(mapped(each).get("ruleNames"))])
                for each in listed(spared)
            ]
            unsure = any(row.values[each] is not False for each in ("has_conditions", "narrows_controls")) or row.values["match"] is None
            yield Excepted(names, row.values["match"], conditional=unsure)
        if self.dark(EXCEPTION) or any(row.values["exceptions"] is None for row in self.rows(EXCEPTION)):
            yield Excepted(None)

    def _is_over(self, row: SeenRow) -> bool:
        """Whether an exception's own end has come."""
        ends = row.values["expires_at"]
        return bool(row.values["expires"] and ends is not None and ends.replace(tzinfo=None) < self._seen.now.replace(tzinfo=None))

    def _cel_exceptions(self) -> Iterator[CelExcepted]:
        for row in self.rows(CEL_EXCEPTION):
            if not self._is_over(row):
                narrowed = bool(row.values["images"] or row.values["allowed_values"]) or row.values["conditions"] is None
                yield CelExcepted([str(each) for each in row.values["policies"] or ()], row.values["conditions"] or (), narrowed)

    def _newer(self, engine: Engine) -> Iterator[Unit]:
        spared = list(self._cel_exceptions())
        for table, kind in NEWER.items():
            for row in self.rows(table):
                spec = row.values["spec"]
                if spec is None:
                    self._lose(f"{kind} {row.key}", row)
                    continue
                if mapped(spec.get("evaluation")).get("mode") not in (None, "Kubernetes"):
                    continue  # it judges calls of a proxy, or other documents: no objects of the cluster
                name, namespace = str(row.values["name"]), str(row.values["namespace"] or "")
                own = [*spared, CelExcepted([name], (), narrowed=True)] if self.dark(CEL_EXCEPTION) else spared
                guard = ValidatingPolicy(name, namespace, spec, engine, own)
                closes = False if spec.get("failurePolicy") == "Ignore" else engine.fails_closed(name, kind="vpol")
                yield Unit(
                    f"{kind} {row.key}", "kyverno", name, name, row, guard.looks, guard, row.values["is_enforcing"], closes, namespace
                )

    def _constraints(self, engine: Engine) -> Iterator[Unit]:
        exempt = [
            str(each)
            for row in self.rows(EXEMPTION)
            if row.values["name"] == "config" and {"*", "webhook"} & set(row.values["processes"] or ())
            for each in row.values["namespaces"] or ()
        ]
        known = TEMPLATE in self._seen.reads and not self.dark(TEMPLATE)
        templates = {str(row.values["kind"]): text_of({"spec": {"targets": row.values["targets"]}}) for row in self.rows(TEMPLATE)}
        settings = Settings(engine, exempt, self.dark(EXEMPTION), templates if known else None)
        for row in self.rows(CONSTRAINT):
            spec = row.values["spec"]
            if spec is None or row.values["kind"] is None:
                self._lose(f"Gatekeeper {row.key}", row)
                continue
            guard = Constraint(str(row.values["kind"]), spec, settings)
            name = f"{row.values['kind']}/{row.values['name']}"
            denies = enforces(spec) or (None if row.values["is_enforcing"] else False)  # at a policy made of it, which is not judged
            yield Unit(f"Gatekeeper {row.key}", "gatekeeper", name, name, row, guard.looks, guard, denies, engine.fails_closed())


def webhook_of(row: SeenRow) -> Webhook:
    """A webhook as the evaluator asks it."""
    values = row.values
    asked = values["conditions"]
    return Webhook(
        str(values["configuration"]),
        str(values["name"] or ""),
        values["rules"],
        selector_of(row, "namespace_selector"),
        selector_of(row, "object_selector"),
        None if asked is None else [str(mapped(each).get("expression")) for each in listed(asked)],
        values["failure_policy"],
        values["match_policy"] == "Exact",
    )


def policy_of(row: SeenRow) -> Policy:
    """A policy of Kyverno as the row of each of its rules and checks of images tells of it."""
    values = row.values
    return Policy(
        str(values["policy"]),
        str(values["namespace"] or ""),
        str(values["policy_action"]),
        values["policy_overrides"],
        values["at_admission"],
        conditions=values["webhook_conditions"],
    )


def selector_of(row: SeenRow, column: str) -> Value:
    """A selector as the evaluator asks it: one that was not seen is open, whereas one that is not there selects everything."""
    value: Value = row.values[column]
    return Unknown(column) if value is None else value
