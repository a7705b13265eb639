"""Whom a guard looks at: label selectors, rules of resources, wildcards. Yes, no, or None where that hangs on what is open.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from cnamm_scan.providers.kubernetes.policies.admission.requests import Request
from cnamm_scan.providers.kubernetes.policies.admission.values import Text, Unknown, Value, is_list, is_object, look, same
from cnamm_scan.providers.truths import all_of, any_of, negated
from cnamm_scan.providers.wildcards import matches

ONE_VERSION = frozenset(
    {
        ("", "pods"),
        ("", "services"),
        ("", "secrets"),
        ("", "namespaces"),
        ("", "persistentvolumeclaims"),
        ("apps", "deployments"),
        ("batch", "jobs"),
        ("networking.k8s.io", "ingresses"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
        ("storage.k8s.io", "storageclasses"),
    }
)
"""Resources that today's servers serve in one version alone: a rule on another one has nothing that is equivalent."""


def listed(value: Value) -> Sequence[Value]:
    """A list of a document; of what is none, no elements."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def mapped(value: Value) -> Mapping[str, Value]:
    """An object of a document; of what is none, an empty one."""
    return value if isinstance(value, Mapping) else {}


def selects(selector: Value, labels: Value, *, wildcards: bool = False) -> bool | None:
    """Whether a label selector matches. None of it, or an empty one, matches everything; labels of None were not seen.

    `wildcards`: Kyverno takes `*` and `?` in names and values of matchLabels.
    """
    if selector is None or selector == {}:
        return True
    if not isinstance(selector, Mapping) or not selector.keys() <= {"matchLabels", "matchExpressions"}:
        return None
    if labels is None:
        labels = Unknown()
    wanted = selector.get("matchLabels")
    asked = selector.get("matchExpressions")
    if (wanted is not None and not isinstance(wanted, Mapping)) or (asked is not None and not is_list(asked)):
        return None
    return all_of(
        (
            *(_has_label(labels, str(name), value, wildcards) for name, value in mapped(wanted).items()),
            *(_fits(labels, each) for each in listed(asked)),
        )
    )


def _has_label(labels: Value, name: str, wanted: Value, wildcards: bool) -> bool | None:
    if wildcards and any(sign in f"{name}{wanted}" for sign in "*?"):
        if not isinstance(labels, Mapping) or not name.strip("*?"):
            return None
        return any(matches(name, each) and matches(str(wanted), str(value)) for each, value in labels.items())
    value, there = look(labels, name)
    if there is False:
        return False
    found = same(value, wanted)
    return False if found is False else found if there else None


def _fits(labels: Value, expression: Value) -> bool | None:
    if not isinstance(expression, Mapping):
        return None
    value, there = look(labels, str(expression.get("key")))
    match expression.get("operator"):
        case "Exists":
            return there
        case "DoesNotExist":
            return negated(there)
        case "In" | "NotIn" as operator:
            found = any_of(same(value, each) for each in listed(expression.get("values"))) if there is not False else False
            among = False if found is False else found if there else None
            return among if operator == "In" else negated(among)
        case _:
            return None


def wild_value(pattern: Value, value: Value) -> bool | None:
    """The same of a text that may be open."""
    if not isinstance(pattern, str):
        return None
    if isinstance(value, str):
        return matches(pattern, value)
    if pattern and not pattern.strip("*"):
        return True if isinstance(value, Text) else None
    if isinstance(value, Text):
        last = re.split(r"[*?]", pattern)[-1]
        if not (value.suffix.endswith(last) or last.endswith(value.suffix)):
            return False
        if any(each in pattern for each in value.lacks):
            return False
        if value.suffix.endswith(last) and pattern == f"*{last}":
            return True
        # `*:*` and its kin: what stands between the stars is in what is known
        between = pattern.strip("*")
        if pattern == f"*{between}*" and between and not set(between) & set("*?") and between in value.suffix:
            return True
        return None
    return None if isinstance(value, Unknown) else False


def in_rules(rules: Value, request: Request, *, equivalent: bool = True, named: bool = True) -> bool | None:
    """Whether one of several rules of resources matches."""
    if not is_list(rules):
        return False if rules is None else None
    return any_of(_in_rule(each, request, equivalent, named) for each in rules)


def _in_rule(rule: Value, request: Request, equivalent: bool, named: bool) -> bool | None:
    if not isinstance(rule, Mapping):
        return None
    return all_of(
        (
            _among(rule.get("operations"), request.operation),
            _among(rule.get("apiGroups"), request.group),
            _version(rule.get("apiVersions"), request, equivalent),
            any_of(_resource(str(each), request) for each in listed(rule.get("resources"))),
            _scope(rule.get("scope"), request),
            _named(rule.get("resourceNames"), request) if named else True,
        )
    )


def _among(wanted: Value, value: str) -> bool:
    return any(each in ("*", value) for each in listed(wanted))


def _version(wanted: Value, request: Request, equivalent: bool) -> bool | None:
    if _among(wanted, request.version):
        return True
    if not equivalent or (request.group, request.resource) in ONE_VERSION or not listed(wanted):
        return False
    return None  # another version of it may be served, and then it is the same object


def _resource(pattern: str, request: Request) -> bool | None:
    resource, slash, sub = pattern.partition("/")
    if resource not in ("*", request.resource):
        return False
    if slash and sub == "*" and not request.subresource and resource != "*":
        return None  # the reference says subresources alone, the API server's own matcher takes the resource too
    return sub in ("*", request.subresource)


def _scope(scope: Value, request: Request) -> bool | None:
    if scope in (None, "*"):
        return True
    inside = (request.place is None or bool(request.place.name)) and not request.is_namespace
    return {"Namespaced": inside, "Cluster": not inside}.get(str(scope))


def _named(names: Value, request: Request) -> bool | None:
    if not listed(names):
        return True
    name = request.name
    if name is None:
        return False  # the server makes one up later on
    return any_of(same(name, each) for each in listed(names))


def in_resources(match: Value, request: Request) -> bool | None:
    """Whether `matchConstraints` or `matchResources` match: what is excluded is, whatever else is said.

    Without resource rules all resources match: a binding narrows what its policy has narrowed already.
    """
    if match is None:
        return True
    if not isinstance(match, Mapping):
        return None
    equivalent = match.get("matchPolicy") != "Exact"
    rules = match.get("resourceRules")
    return all_of(
        (
            True if not rules and is_list(rules or []) else in_rules(rules, request, equivalent=equivalent),
            negated(in_rules(match.get("excludeResourceRules"), request, equivalent=equivalent)),
            in_namespaces(match.get("namespaceSelector"), request),
            selects(match.get("objectSelector"), request.labels),
        )
    )


def in_namespaces(selector: Value, request: Request) -> bool | None:
    """Whether a namespaceSelector matches: a namespace by its own labels, and whatever else belongs to none always."""
    if request.is_namespace:
        labels = request.labels
        if is_object(labels) and isinstance(labels, Mapping):
            labels = {**labels, "kubernetes.io/metadata.name": request.name}
        return selects(selector, labels)
    if request.place is None:
        return selects(selector, None)
    return selects(selector, request.place.all_labels) if request.place.name else True
