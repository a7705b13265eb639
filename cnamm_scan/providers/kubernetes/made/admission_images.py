"""Where rules that verify images are asked: the same matching as for whatever else is refused at the door."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.kubernetes.made.admission_guards import CEL_EXCEPTION, CONSTRAINT, WEBHOOK, Judged, judged, policy_of, webhook_of
from cnamm_scan.providers.kubernetes.policies.admission.kyverno import Rule, ValidatingPolicy
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_match import CelExcepted
from cnamm_scan.providers.kubernetes.policies.admission.questions import QUESTIONS
from cnamm_scan.providers.kubernetes.policies.admission.requests import Request
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import Engine
from cnamm_scan.providers.truths import all_of

CHECKS = ("kubernetes.kyverno.cluster_image_check", "kubernetes.kyverno.namespaced_image_check")
NEWER = {
    "kubernetes.kyverno.image_validating_policy": "ImageValidatingPolicy",
    "kubernetes.kyverno.namespaced_image_validating_policy": "NamespacedImageValidatingPolicy",
}
SIGSTORE = "kubernetes.sigstore.cluster_image_policy"
MUTATING = "kubernetes.admission.mutating_webhook"
VERIFIERS = re.compile(r"ratif|signature|notation|cosign|vulnerabilityreport")
"""Kinds of constraints that hand images to a verifier, by words of their names."""
_POD = QUESTIONS["privileged"].variants[0].innocent
Covers = Callable[[Request], bool | None]


def image_reach(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each rule that verifies images and each namespace, system ones apart, in which it is, or may be, asked about pods."""
    for cluster in judged(seen):
        for row, key, covers in _rules(seen, cluster):
            for name in cluster.ours:
                answer = covers(_POD.at(cluster.places[name]))
                if answer is not False:
                    values = {"rule": key, "namespace": name, "covers": answer}
                    yield MadeRow(row.target, row.region, f"{key} in {name}", values, (row.fact,))


def _rules(seen: SeenTables, cluster: Judged) -> Iterator[tuple[SeenRow, str, Covers]]:
    def of(table: str) -> Sequence[SeenRow]:
        return rows_if_read(seen, table, cluster.target)

    for table in CHECKS:
        for row in of(table):
            yield row, f"Kyverno rule {row.key}", _check(row, cluster.kyverno, cluster)
    for table, kind in NEWER.items():
        for row in of(table):
            yield row, f"{kind} {row.key}", _newer(row, cluster.kyverno, cluster.cel_exceptions, seen.dark(CEL_EXCEPTION, cluster.target))
    hooks = [webhook_of(row) for row in of(WEBHOOK)]
    sigstore = Engine(tuple(hook for hook in hooks if hook.name == "policy.sigstore.dev"), seen.dark(WEBHOOK, cluster.target))
    for row in of(SIGSTORE):
        yield row, f"ClusterImagePolicy {row.key}", _policy(row, sigstore)
    by_key = {unit.key: unit for unit in cluster.units}
    for row in of(CONSTRAINT):
        unit = by_key.get(f"Gatekeeper {row.key}")
        if unit is not None and VERIFIERS.search(str(row.values["kind"]).lower()):
            yield row, unit.key, unit.looks
    for row in of(MUTATING):
        if "connaisseur" in str(row.values["configuration"]).lower():
            yield row, f"Webhook {row.key}", webhook_of(row).sees


def _policy(row: SeenRow, engine: Engine) -> Covers:
    """One that names kinds or labels may leave a pod out."""
    narrow = row.values["has_selector"] is not False

    def covers(request: Request) -> bool | None:
        asked = engine.hears(request)
        return None if asked and narrow else asked

    return covers


def _check(row: SeenRow, engine: Engine, cluster: Judged) -> Covers:
    values = row.values
    if values["match"] is None or values["exclude"] is None:
        return lambda request: None
    parts = {"preconditions": values["preconditions"], "celPreconditions": values["cel_preconditions"]}
    rule = {"name": values["rule"], "match": values["match"], "exclude": values["exclude"], **parts}
    guard = Rule(policy_of(row), rule, engine, cluster.exceptions)
    # what refuses in some namespaces alone covers no others; its own action stands above the policy's
    by_place = values["own_action"] == "" and bool(values["policy_overrides"])
    unread = None in (
        *parts.values(),
        values["webhook_conditions"],
        values["own_action"],
        values["policy_overrides"],
        values["policy_action"],
    )

    def covers(request: Request) -> bool | None:
        found = all_of((guard.looks(request, kind=""), guard.enforces(request) if by_place else True))
        return None if found and unread else found

    return covers


def _newer(row: SeenRow, engine: Engine, exceptions: Sequence[CelExcepted], more: bool) -> Covers:
    """`more`: other exceptions may be there than were seen."""
    values = row.values
    if values["match"] is None or values["conditions"] is None:
        return lambda request: None
    spec = {"matchConstraints": values["match"], "matchConditions": values["conditions"]}
    name = str(values["name"])
    others = [CelExcepted([name], (), narrowed=True)] if more else []
    guard = ValidatingPolicy(name, str(values["namespace"] or ""), spec, engine, [*exceptions, *others])
    return lambda request: guard.looks(request, kind="")
