"""Whom a rule of Kyverno matches, whom it excludes, and what a PolicyException takes from under it.

Match and exclude: https://kyverno.io/docs/policy-types/cluster-policy/match-exclude/; exceptions: https://kyverno.io/docs/guides/exceptions/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cnamm_scan.providers.kubernetes.policies.admission.cel import TRUE, Scope, outcomes
from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import conjunction, names_of, selector_twists
from cnamm_scan.providers.kubernetes.policies.admission.matching import listed, mapped, selects, wild_value
from cnamm_scan.providers.kubernetes.policies.admission.requests import Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import Value, holds, items_of, look
from cnamm_scan.providers.truths import all_of, any_of, negated
from cnamm_scan.providers.wildcards import matches as wild

_RESOURCE_KEYS = {"kinds", "name", "names", "namespaces", "annotations", "selector", "namespaceSelector", "operations"}


def kind_parts(selector: str) -> tuple[str, str, str, str]:
    """(group, version, kind, subresource) of a kind as a rule names it: Pod, v1/Pod, */Pod, apps/v1/Deployment, Pod/exec, */*."""
    parts = selector.split("/")
    parts = [*parts[:-1], *parts[-1].split(".", 1)] if "." in parts[-1] and len(parts) in (1, 2, 3) and parts[-1][:1].isupper() else parts
    match parts:
        case [kind]:
            return "*", "*", kind, ""
        case ["*", "*"]:
            return "*", "*", "*", "*"
        case [first, second]:
            if first == "*" and second == second.lower():
                return "*", "*", "*", second
            if first == "*" or first[:1].islower():
                return "*", first, second, ""
            return "*", "*", first, second
        case [first, second, third]:
            if third[:1].isupper() or third == "*":
                return first, second, third, ""
            return "*", first, second, third
        case [first, second, third, fourth]:
            return first, second, third, fourth
    return selector, "", "", ""


def _is_kind(selector: Value, request: Request) -> bool | None:
    group, version, kind, sub = kind_parts(str(selector))
    if not (wild(group, request.group) and wild(version, request.version) and wild(kind, request.kind)):
        return False
    if not sub:
        # a kind alone means ephemeral containers too, and, by version, other subresources
        return True if request.subresource in ("", "ephemeralcontainers") else None
    if not request.subresource:
        return sub == "*"
    return wild(sub, request.subresource) or None


def _filter(block: Value, request: Request) -> bool | None:
    """One element of `any` or `all`: every attribute must fit, of the values of one attribute one."""
    if not isinstance(block, Mapping):
        return None
    if not block.keys() <= {"resources", "subjects", "roles", "clusterRoles"}:
        return None
    what = mapped(block.get("resources"))
    if not what and not any(block.get(each) for each in ("subjects", "roles", "clusterRoles")):
        return False
    if not what.keys() <= _RESOURCE_KEYS:
        return None
    name = request.name
    space = name if request.is_namespace else request.namespace
    answers = []
    if listed(what.get("kinds")):
        answers.append(any_of(_is_kind(each, request) for each in what["kinds"]))
    if what.get("name"):
        answers.append(wild_value(what["name"], name))
    if listed(what.get("names")):
        answers.append(any_of(wild_value(each, name) for each in what["names"]))
    if listed(what.get("namespaces")):
        answers.append(any_of(wild_value(each, space) for each in what["namespaces"]))
    if listed(what.get("operations")):
        answers.append(request.operation in what["operations"])
    if what.get("annotations"):
        held, there = look(look(request.object, "metadata")[0], "annotations")
        answers.append(selects({"matchLabels": what["annotations"]}, {} if there is False else held, wildcards=True))
    if what.get("selector") is not None:
        answers.append(selects(what["selector"], request.labels, wildcards=True))
    if what.get("namespaceSelector") is not None and not request.is_namespace:
        labels = None if request.place is None else request.place.all_labels
        answers.append(selects(what["namespaceSelector"], labels, wildcards=True))
    answers.extend(
        any_of(holds(request.user[each], one) for one in listed(block[each])) for each in ("roles", "clusterRoles") if block.get(each)
    )
    if block.get("subjects"):
        answers.append(any_of(_is_subject(each, request) for each in listed(block["subjects"])))
    return all_of(answers)


def _is_subject(subject: Value, request: Request) -> bool | None:
    if not isinstance(subject, Mapping):
        return None
    name, username = subject.get("name"), request.user["username"]
    match subject.get("kind"):
        case "User":
            return wild_value(name, username)
        case "Group":
            known, more = items_of(request.user["groups"])
            found = any_of(wild_value(name, each) for each in known)
            return None if more and not found and holds(request.user["groups"], name) is not False else found
        case "ServiceAccount":
            return wild_value(f"system:serviceaccount:{subject.get('namespace')}:{name}", username)
    return None


def matches_block(block: Value, request: Request, empty: bool) -> bool | None:
    """A match or exclude: `any`, `all`, or the older form that is a filter itself."""
    if not block:
        return empty
    if not isinstance(block, Mapping):
        return None
    if listed(block.get("any")):
        return any_of(_filter(each, request) for each in block["any"])
    if listed(block.get("all")):
        return all_of(_filter(each, request) for each in block["all"])
    rest = {name: value for name, value in block.items() if name not in ("any", "all")}
    return _filter(rest, request) if rest else empty


def matches(match: Value, exclude: Value, request: Request) -> bool | None:
    """Whether a rule concerns a request: what is excluded is not, whatever matches."""
    return all_of((matches_block(match, request, False), negated(matches_block(exclude, request, False))))


def match_twists(block: Value) -> Iterable[Twist]:
    """What a match or exclude may make an exception of."""
    for part in (*listed(mapped(block).get("any")), *listed(mapped(block).get("all")), block):
        what = mapped(mapped(part).get("resources"))
        for name in (*listed(what.get("names")), *([what["name"]] if what.get("name") else [])):
            yield ("name", str(name).replace("*", "x").replace("?", "x"))
        yield from selector_twists(what.get("selector"))
        for name, value in mapped(what.get("annotations")).items():
            yield ("annotation", (str(name).replace("*", "x"), str(value).replace("*", "x")))
        for subject in listed(mapped(part).get("subjects")):
            name = str(mapped(subject).get("name")).replace("*", "x").replace("?", "x")
            if mapped(subject).get("kind") == "ServiceAccount":
                name = f"system:serviceaccount:{mapped(subject).get('namespace')}:{name}"
            yield ("group" if mapped(subject).get("kind") == "Group" else "user", name)
        for which in ("roles", "clusterRoles"):
            yield from ((which, str(each)) for each in listed(mapped(part).get(which)))


@dataclass(frozen=True, slots=True)
class Excepted:
    """A PolicyException of kyverno.io. One that is there is taken to count: whether Kyverno was told to heed it no object shows."""

    policies: Sequence[tuple[str, Sequence[str]]] | None
    """(policy, its rules): a namespaced policy is `namespace/name`; rules with wildcards. None: exceptions that were not seen."""
    match: Value = field(default=None, hash=False)
    conditional: bool = False
    """Whether conditions, or single controls, narrow it: then it may or may not let something through."""

    def concerns(self, policy: str) -> bool:
        """Whether it may take something from under a policy."""
        return self.policies is None or any(policy == name for name, _ in self.policies)

    def lets(self, policy: str, rule: str, request: Request) -> bool | None:
        """Whether it takes a request from under a rule."""
        if self.policies is None:
            return None
        if not any(policy == name and any(wild(each, rule) for each in rules) for name, rules in self.policies):
            return False
        found = matches_block(self.match, request, True)
        return None if found and self.conditional else found


@dataclass(frozen=True, slots=True)
class CelExcepted:
    """A PolicyException of policies.kyverno.io."""

    policies: Sequence[str]
    conditions: Sequence[str] = ()
    narrowed: bool = False

    def lets(self, policy: str, request: Request) -> bool | None:
        """Whether it takes a request from under a policy."""
        if policy not in self.policies:
            return False
        scope = Scope(names_of(request, None))
        found = conjunction(outcomes(each, scope) for each in self.conditions)
        answer = True if found == TRUE else False if not found & TRUE else None
        return None if answer and self.narrowed else answer
