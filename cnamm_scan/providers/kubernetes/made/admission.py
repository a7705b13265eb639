"""What is refused in each namespace, in one made tomorrow and by each guard: rows of what the evaluator answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.kubernetes.made.admission_columns import OTHERS, STANDARD, THINGS
from cnamm_scan.providers.kubernetes.made.admission_guards import CLUSTER, NAMESPACE, WEBHOOK, Judged, Unit, judged, selector_of
from cnamm_scan.providers.kubernetes.policies.admission.decide import NEW
from cnamm_scan.providers.kubernetes.policies.admission.matching import in_namespaces, listed, mapped
from cnamm_scan.providers.kubernetes.policies.admission.pod_security import BASELINE, RESTRICTED
from cnamm_scan.providers.kubernetes.policies.admission.questions import QUESTIONS, twisted
from cnamm_scan.providers.kubernetes.policies.admission.requests import Place, Request
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import gatekeeper_hook, kyverno_hook
from cnamm_scan.providers.truths import all_of, any_of

_PROVIDERS = re.compile(
    r"(aks-managed|gke-|eks-|openshift-).*|.*[.-](k8s|x-k8s|istio)[.]io"
    r"|machine-configuration-guards|custom-machine-config-pool-selector|(osimagestream|networkpolicy)-deletion-guard|kubevirt-.*policy"
)
"""Policies of a managed cluster, and those that a product brings for its own kinds, such as Gateway API's, OpenShift's and KubeVirt's."""
_MAKERS = re.compile(r"cluster-version-operator|machine-config-.*|virt-operator")
"""Under which names such products write their policies."""
_TWISTS = 30
"""How many exceptions of a guard are tried to see whether it judges some pods at all."""
_NEWER = ("host_probes",)
"""Controls that older servers do not know: told, but no part of "the baseline"."""
_ADDED = "privileged_debug"
"""The standards bind containers that are added to a running pod too: what lets these have everything keeps up none of it."""
_HOST = ("host_namespaces", "host_path", "host_ports", "host_process")


def namespace_doors(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each namespace, system ones apart: what is refused in it."""
    for cluster in judged(seen):
        known: dict[object, dict[str, Any]] = {}
        labelled = cluster.labelled
        for row in _of(seen, NAMESPACE, cluster):
            if row.values["is_system"]:
                continue
            place = cluster.places[str(row.values["name"])]
            alike = (cluster.door.looks_like(place), place.name in labelled)
            if alike not in known:
                known[alike] = {**_refused(cluster, place, (*STANDARD, *OTHERS)), "is_judged": _is_judged(cluster, place)}
            values = {"namespace": place.name, "name": place.name, **known[alike]}
            yield MadeRow(row.target, row.region, row.key, values, (row.fact, *cluster.facts))


def cluster_doors(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each cluster: what is refused in a namespace that is made tomorrow, and of what belongs to none."""
    for cluster in judged(seen):
        for row in _of(seen, CLUSTER, cluster):
            values = {"name": row.values["name"], **_refused(cluster, NEW, (*STANDARD, *OTHERS, *THINGS))}
            yield MadeRow(row.target, row.region, row.key, values, tuple(dict.fromkeys((row.fact, *cluster.facts))))


def _of(seen: SeenTables, table: str, cluster: Judged) -> list[SeenRow]:
    return [row for row in seen.rows(table) if row.target == cluster.target]


def _refused(cluster: Judged, place: Place, questions: Sequence[str]) -> dict[str, Any]:
    found = {name: cluster.door.refused(name, place).as_bool for name in questions}
    made: dict[str, Any] = {f"refuses_{name}": answer for name, answer in found.items()}
    baseline = [*(found[name] for name in BASELINE if name not in _NEWER), found[_ADDED]]
    made["refuses_baseline"] = all_of(baseline)
    made["refuses_restricted"] = all_of([*baseline, *(found[name] for name in RESTRICTED)])
    made["refuses_host_access"] = all_of(found[name] for name in _HOST)
    made["admits"] = [name for name, answer in found.items() if answer is False]
    made["privileged_way_in"] = cluster.door.way_in("privileged", place)
    made["unclear"] = [name for name, answer in found.items() if answer is None]
    return made


_PLAIN_POD = QUESTIONS["privileged"].variants[0].innocent
_PLAIN_THINGS = (QUESTIONS["privileged_template"].variants[0].innocent, QUESTIONS["privileged_template"].variants[-1].innocent)
_PLAIN_WORKLOADS = (_PLAIN_POD, *_PLAIN_THINGS)
"""A pod, and what makes pods."""
_PLAIN = (*_PLAIN_WORKLOADS, *(variant.innocent for name in THINGS for variant in QUESTIONS[name].variants))


def _is_judged(cluster: Judged, place: Place) -> bool | None:
    """Whether any pod is judged there. None where some are, of one name or label, and where something cannot be seen into."""
    plain = [request.at(place) for request in _PLAIN_WORKLOADS]
    if any(unit.looks(request) for unit in cluster.units for request in plain):
        return True
    hidden = cluster.gaps or cluster.label_default is not False or any(hook.sees(plain[0]) is not False for hook in cluster.opaque)
    return None if hidden or any(_judges(unit, _PLAIN_WORKLOADS, place) is not False for unit in cluster.units) else False


def _judges(unit: Unit, requests: Iterable[Request], place: Place) -> bool | None:
    """Whether a guard judges such objects there: a plain one, or one of a name, label or requester that it singles out."""
    found: bool | None = False
    for request in requests:
        plain = unit.looks(request.at(place))
        if plain:
            return True
        found = None if plain is None else found
        if plain is False and unit.guard is not None:
            others = (twisted(request, twist) for twist in islice(unit.guard.twists(), _TWISTS))
            if any(unit.looks(other.at(place)) for other in others if other is not None):
                return True
    return found


def door_guards(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each thing that judges, whichever engine does it."""
    for cluster in judged(seen):
        places = _alike(cluster)
        for unit in cluster.units:
            values = unit.row.values
            created = _time(values["created_at"])
            missed = None if cluster.more_places else _missed(unit, places, cluster)
            judges = [_somewhere(unit, asked, [place for place, _ in places]) for asked in ((_PLAIN_POD,), _PLAIN_THINGS)]
            if cluster.more_places and unit.guard is not None:  # it may judge in one that was not seen
                judges = [each or None for each in judges]
            row = {
                "engine": unit.engine,
                "policy": unit.policy,
                "name": unit.name,
                "namespace": unit.namespace,
                "is_enforcing": unit.is_enforcing,
                "fails_closed": unit.fails_closed,
                "judges_pods": judges[0],
                "judges_templates": judges[1],
                "created_at": created,
                "changed_at": None if values.get("managed_fields", ()) is None else _changed(values.get("managed_fields")) or created,
                "managers": values["managers"],
                "missed": missed,
                "covered": None if missed is None else len(cluster.ours) - missed,
                "is_providers": _is_providers(unit),
                "is_for_all": _is_for_all(unit),
            }
            yield MadeRow(unit.row.target, unit.row.region, unit.key, row, (unit.row.fact,))
        for key, lost in cluster.unread:
            yield MadeRow(lost.target, lost.region, key, {}, (lost.fact,))


def _somewhere(unit: Unit, requests: Sequence[Request], places: Sequence[Place]) -> bool | None:
    if unit.guard is None:  # the labels of a namespace
        return _PLAIN_POD in requests
    return any_of(_judges(unit, requests, place) for place in (NEW, *places))


def _alike(cluster: Judged) -> list[tuple[Place, int]]:
    """One namespace, system ones apart, of each sort that looks alike to every guard, with how many there are."""
    found: dict[object, tuple[Place, int]] = {}
    for name in cluster.ours:
        place = cluster.places[name]
        key = cluster.door.looks_like(place)
        found[key] = (found.get(key, (place, 0))[0], found.get(key, (place, 0))[1] + 1)
    return list(found.values())


def _missed(unit: Unit, places: Sequence[tuple[Place, int]], cluster: Judged) -> int | None:
    """In how many places a plain pod, or whatever else it is about, is not judged, or not refused although it would be elsewhere."""
    if unit.guard is None:  # the labels of one namespace
        return len(cluster.ours) - (unit.row.values["is_system"] is False)
    # what it may be about counts too: nobody knows yet that it is not judged
    asked = [request for request in _PLAIN if any(unit.looks(request.at(place)) is not False for place, _ in places)] or _PLAIN[:1]
    missed = 0
    for place, count in places:
        reached = any_of(unit.holds(request.at(place)) for request in asked)
        if reached is None:
            return None
        missed += 0 if reached else count
    return missed


def _is_for_all(unit: Unit) -> bool | None:
    """Whether it judges, and refuses where it does at all, in a namespace under any name: else it names those that it is for."""
    if unit.guard is None:  # the labels of one namespace
        return False
    return any_of(unit.holds(request.at(NEW)) for request in _PLAIN_WORKLOADS)


def _is_providers(unit: Unit) -> bool:
    if _PROVIDERS.fullmatch(unit.policy) or (unit.engine == "pod_security" and unit.row.values["is_system"]):
        return True
    wrote = unit.row.values["managers"] or ()
    if unit.engine == "validating_admission_policy" and any(_MAKERS.fullmatch(each) for each in wrote):
        return True
    return unit.engine == "pod_security" and unit.is_enforcing is False and any("label-synchronization" in each for each in wrote)


def _time(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _changed(entries: Any) -> str | None:
    times = sorted(str(mapped(each)["time"]) for each in listed(entries) if mapped(each).get("time"))
    return times[-1] if times else None


def engine_webhooks(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each webhook through which an engine judges, with how many namespaces it never sees."""
    for cluster in judged(seen):
        places = [cluster.places[name] for name in cluster.ours]
        for row in _of(seen, WEBHOOK, cluster):
            values = row.values
            name = str(values["name"] or "")
            if not (kyverno_hook(name) or gatekeeper_hook(name) or name == "policy.sigstore.dev"):
                continue
            others = [place for place in places if place.name != values["service_namespace"]]
            found = [in_namespaces(selector_of(row, "namespace_selector"), _PLAIN_POD.at(place)) for place in others]
            told = {each: values[each] for each in ("name", "configuration", "failure_policy", "timeout_seconds")}
            missed = None if None in found else found.count(False)
            asks_where = any("namespace" in str(mapped(each).get("expression")).lower() for each in listed(values["conditions"]))
            if (cluster.more_places or asks_where or values["conditions"] is None) and not missed:
                missed = None
            exempted = None if missed is None else [place.name for place, asked in zip(others, found, strict=True) if asked is False]
            yield MadeRow(row.target, row.region, row.key, {**told, "missed": missed, "exempted": exempted}, (row.fact,))
