"""Kyverno's rules: whom they match, what they say, and what its exceptions let through.

Match and exclude: https://kyverno.io/docs/policy-types/cluster-policy/match-exclude/; exceptions: https://kyverno.io/docs/guides/exceptions/;
ValidatingPolicy: https://kyverno.io/docs/policy-types/validating-policy/.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.providers.kubernetes.policies.admission import jmespath
from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import (
    Expressions,
    exceptions_of,
    rule_twists,
    speaks_of_place,
    twists_of,
)
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_match import CelExcepted, Excepted, kind_parts, match_twists, matches
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_patterns import FAILS, PASSES, SKIPS, conditions, pattern_of
from cnamm_scan.providers.kubernetes.policies.admission.matching import in_resources, listed, mapped, selects, wild_value
from cnamm_scan.providers.kubernetes.policies.admission.pod_security import Levels
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, EITHER, REFUSES, Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import Partial, Value, is_list, items_of, texts_in
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import Engine
from cnamm_scan.providers.truths import all_of, any_of, negated

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a ClusterPolicy or Policy says for all its rules."""

    name: str
    namespace: str = ""
    action: str = "Audit"
    overrides: Value = field(default=None, hash=False)
    at_admission: bool | None = True
    failure_policy: str = "Fail"
    first_only: bool = False
    """`applyRules: One`: once a rule has been applied the others are left out."""
    conditions: Value = field(default=None, hash=False)
    """`webhookConfiguration.matchConditions`."""
    repeated_for: str = ""
    """The annotation `pod-policies.kyverno.io/autogen-controllers`; empty: for all controllers."""

    @property
    def id(self) -> str:
        """As exceptions name it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Rule:
    """One validating rule of a Kyverno policy."""

    def __init__(
        self, policy: Policy, rule: Document, engine: Engine, exceptions: Sequence[Excepted] = (), *, is_first: bool = True
    ) -> None:
        self._policy = policy
        self._rule = rule
        self._engine = engine
        self._exceptions = [each for each in exceptions if each.concerns(policy.id)]
        self._is_first = is_first
        self._validate = mapped(rule.get("validate"))
        self._body = _body(self._validate, rule)
        self._asks = [Expressions.of({"matchConditions": each}) for each in (rule.get("celPreconditions"), policy.conditions)]
        self._repeats = _may_repeat(rule)
        self.by_metadata = engine.by_metadata
        asked = [rule.get(each) for each in ("preconditions", "celPreconditions", "context")]
        self.place_matters = speaks_of_place([*asked, self._validate, policy.conditions])

    def enforces(self, request: Request) -> bool | None:
        """Whether it refuses in the request's namespace, rather than report."""
        own = self._validate.get("failureAction")
        overrides = self._validate.get("failureActionOverrides") or self._policy.overrides
        otherwise = str(own or self._policy.action).lower() == "enforce"
        return _overridden(listed(overrides), request, otherwise)

    def matches(self, request: Request) -> bool | None:
        """Whether it concerns a request, whatever it then does."""
        if self._policy.namespace and request.place is not None and request.place.name != self._policy.namespace:
            return False
        return matches(self._rule.get("match"), self._rule.get("exclude"), self._seen(request))

    def _seen(self, request: Request) -> Request:
        """The request, or the pod that comes of it where the rule is repeated for what makes pods."""
        if not self._repeats or request.kind == "Pod":
            return request
        wanted = self._policy.repeated_for
        if wanted and request.kind not in [each.strip() for each in wanted.split(",")]:
            return request
        return request.as_pod or request

    def applies(self, request: Request) -> bool | None:
        """Whether it concerns a request, refuses there, is asked, fails closed, and no exception lets it through."""
        if self._policy.failure_policy == "Ignore":
            return False
        found = all_of((self.enforces(request), self.concerns(request)))
        return False if found is False else all_of((found, self._engine.asks(request, self._policy.name, kind="rule")))

    def concerns(self, request: Request, *, kind: str = "rule") -> bool | None:
        """Whether it concerns a request, is asked about it, and no exception lets it through."""
        found = all_of((self._policy.at_admission, self.matches(request)))
        if found is False:
            return False
        excepted = any_of(each.lets(self._policy.id, str(self._rule.get("name")), request) for each in self._exceptions)
        return all_of((found, negated(excepted), self._engine.hears(request, self._policy.name, kind=kind)))

    def looks(self, request: Request, *, kind: str = "rule") -> bool | None:
        """Whether it judges a request, if only to report: where its preconditions are surely false, or it is let off, it does not."""
        found = self.concerns(request, kind=kind)
        return False if found is False else all_of((found, self._is_asked(self._seen(request))))

    def _is_asked(self, request: Request) -> bool | None:
        return all_of(
            (
                conditions(self._rule["preconditions"], _root(request)) if self._rule.get("preconditions") else True,
                *(each.is_asked(request, None) for each in self._asks),
            )
        )

    def says(self, request: Request) -> int:
        """What preconditions and body say."""
        request = self._seen(request)
        asked = self._is_asked(request)
        if asked is False:
            return ADMITS
        found = self._body(request, _root(request))
        unsure = asked is None or (self._policy.first_only and not self._is_first)
        return found | ADMITS if unsure else found

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        yield from self._engine.twists()
        yield from match_twists(self._rule.get("match"))
        yield from match_twists(self._rule.get("exclude"))
        for each in self._exceptions:
            yield from match_twists(each.match)
        words: list[str] = []
        texts_in([self._rule.get("preconditions"), self._validate], words.append)
        yield from exceptions_of(each for each in words if len(each) < 64 and "{{" not in each)
        for asked in self._asks:
            yield from twists_of(asked.conditions)


def _may_repeat(rule: Document) -> bool:
    """Whether Kyverno repeats a rule for what makes pods: it is about pods alone, and picks them by nothing but their namespaces."""
    for block in (rule.get("match"), rule.get("exclude")):
        for part in (*listed(mapped(block).get("any")), *listed(mapped(block).get("all")), block):
            what = mapped(mapped(part).get("resources"))
            if any(kind_parts(str(each))[2:] != ("Pod", "") for each in listed(what.get("kinds"))):
                return False
            if any(what.get(each) for each in ("name", "names", "selector", "annotations")):
                return False
    return True


def _overridden(overrides: Sequence[Value], request: Request, otherwise: bool) -> bool | None:
    """The first override that names the namespace counts."""
    if not overrides:
        return otherwise
    first, *rest = overrides
    labels = None if request.place is None else request.place.all_labels
    where = listed(mapped(first).get("namespaces"))
    named = any_of(wild_value(each, request.namespace) for each in where) if where else True
    selected = selects(mapped(first).get("namespaceSelector"), labels, wildcards=True)
    if not where and mapped(first).get("namespaceSelector") is None:
        named = None
    here, enforce = all_of((named, selected)), str(mapped(first).get("action")).lower() == "enforce"
    if here:
        return enforce
    others = _overridden(rest, request, otherwise)
    return others if here is False or others is enforce else None


def _root(request: Request) -> Value:
    """What `{{ … }}` sees. Names that are not here (images, of the context) are open."""
    asked = {
        "object": request.located,
        "operation": request.operation,
        "namespace": request.namespace,
        "name": request.name,
        "userInfo": request.user_info,
        "roles": request.user["roles"],
        "clusterRoles": request.user["clusterRoles"],
        "kind": {"group": request.group, "version": request.version, "kind": request.kind},
        "resource": {"group": request.group, "version": request.version, "resource": request.resource},
        "subResource": request.subresource,
    }
    return Partial({"request": Partial(asked, "request")}, "root")


Body = Callable[[Request, Value], int]


def _body(validate: Document, rule: Document) -> Body:
    """What stands under `validate:` as a function; what is of no known form may say either."""
    spoken = [name for name in _BODIES if name in validate]
    if len(spoken) != 1:
        return lambda request, root: EITHER
    return _BODIES[spoken[0]](validate[spoken[0]], validate)


def _of_pattern(found: int) -> int:
    return (REFUSES if found & FAILS else 0) | (ADMITS if found & (PASSES | SKIPS) else 0)


def _pattern(pattern: Value, _: Document) -> Body:
    if "<(" in str(pattern):
        return lambda request, root: EITHER  # a global anchor ends the rule from wherever it stands
    return lambda request, root: _of_pattern(pattern_of(pattern, request.located))


def _any_pattern(patterns: Value, _: Document) -> Body:
    def body(request: Request, root: Value) -> int:
        if "<(" in str(patterns):
            return EITHER
        found = [_of_pattern(pattern_of(each, request.located)) for each in listed(patterns)]
        if not found or ADMITS in found:
            return ADMITS if found else EITHER
        return REFUSES if all(each == REFUSES for each in found) else EITHER

    return body


def _deny(deny: Value, _: Document) -> Body:
    def body(request: Request, root: Value) -> int:
        return _denied(deny, root)

    return body


def _denied(deny: Value, root: Value) -> int:
    if not isinstance(deny, Mapping):
        return EITHER if deny is not None else REFUSES
    asked = deny.get("conditions")
    found = conditions(asked, root) if asked else True
    return EITHER if found is None else REFUSES if found else ADMITS


def _for_each(loops: Value, _: Document) -> Body:
    def body(request: Request, root: Value) -> int:
        return _worst(_loop(each, root) for each in listed(loops))

    return body


def _worst(found: Iterable[int]) -> int:
    made = ADMITS
    for each in found:
        if each == REFUSES:
            return REFUSES
        made |= each
    return made


def _loop(loop: Value, root: Value) -> int:
    if not isinstance(loop, Mapping) or loop.get("context") or "foreach" in loop:
        return EITHER
    items = jmespath.search(str(loop.get("list")), root)
    if items is None:
        return ADMITS
    if not is_list(items):
        return EITHER
    known, more = items_of(items)
    found = _worst(_element(loop, each, root) for each in known)
    return found | REFUSES if more else found


def _element(loop: Document, element: Value, root: Value) -> int:
    fields = root.fields if isinstance(root, Partial) else root
    seen = Partial({**fields, "element": element}, "root")
    asked = conditions(loop["preconditions"], seen) if loop.get("preconditions") else True
    if asked is False:
        return ADMITS
    if "deny" in loop:
        found = _denied(loop["deny"], seen)
    elif "pattern" in loop:
        found = _of_pattern(pattern_of(loop["pattern"], element))
    else:
        return EITHER
    return found if asked else found | ADMITS


def _cel(cel: Value, _: Document) -> Body:
    if not isinstance(cel, Mapping) or cel.get("paramKind"):
        return lambda request, root: EITHER
    spec = {"validations": cel.get("expressions"), "variables": cel.get("variables")}
    body = Expressions.of(spec)
    return lambda request, root: body.says(request, None)


def _pod_security(asked: Value, _: Document) -> Body:
    levels = Levels.of_kyverno(mapped(asked))
    return lambda request, root: levels.says(request)


_BODIES: Mapping[str, Callable[[Value, Document], Body]] = {
    "pattern": _pattern,
    "anyPattern": _any_pattern,
    "deny": _deny,
    "foreach": _for_each,
    "cel": _cel,
    "podSecurity": _pod_security,
}


class ValidatingPolicy:
    """A ValidatingPolicy or NamespacedValidatingPolicy of policies.kyverno.io."""

    def __init__(self, name: str, namespace: str, spec: Document, engine: Engine, exceptions: Sequence[CelExcepted] = ()) -> None:
        self._name, self._namespace = name, namespace
        self._match = spec.get("matchConstraints")
        self._body = Expressions.of(spec, failure=spec.get("failurePolicy"))
        evaluation = mapped(spec.get("evaluation"))
        self._is_on = mapped(evaluation.get("admission")).get("enabled") is not False and evaluation.get("mode") in (None, "Kubernetes")
        denies = "Deny" in listed(spec.get("validationActions") or ["Deny"]) and spec.get("failurePolicy") != "Ignore"
        self._denies = denies and self._is_on
        self._engine = engine
        rules = listed(mapped(self._match).get("resourceRules"))
        self._repeats = bool(rules) and all(listed(mapped(each).get("resources")) == ["pods"] for each in rules)
        controllers = mapped(mapped(spec.get("autogen")).get("podControllers")).get("controllers")
        self._controllers = None if controllers is None else {str(each).lower() for each in listed(controllers)}
        self._exceptions = [each for each in exceptions if name in each.policies]
        self.by_metadata = engine.by_metadata and not any(each.conditions for each in self._exceptions)
        spared = [each.conditions for each in self._exceptions]
        self.place_matters = speaks_of_place([spec.get("matchConditions"), spec.get("validations"), spec.get("variables"), spared])

    def matches(self, request: Request) -> bool | None:
        """Whether it concerns a request, whatever it then does."""
        if self._namespace and request.place is not None and request.place.name != self._namespace:
            return False
        return in_resources(self._match, self._seen(request))

    def _seen(self, request: Request) -> Request:
        """The request, or the pod that comes of it where the policy is repeated for what makes pods."""
        if not self._repeats or request.kind == "Pod":
            return request
        if self._controllers is not None and request.resource not in self._controllers:
            return request
        return request.as_pod or request

    def applies(self, request: Request) -> bool | None:
        """As Guard says."""
        if not self._denies:
            return False
        found = self.matches(request)
        if found is False:
            return False
        excepted = any_of(each.lets(self._name, request) for each in self._exceptions)
        return all_of((found, negated(excepted), self._engine.asks(request, self._name, kind="vpol")))

    def _is_let_off(self, request: Request) -> bool | None:
        """Whether conditions or an exception take a request from under it."""
        asked = self._body.is_asked(self._seen(request), None)
        return any_of((negated(asked), *(each.lets(self._name, request) for each in self._exceptions)))

    def looks(self, request: Request, *, kind: str = "vpol") -> bool | None:
        """Whether it judges a request, if only to report: not where it is off, or conditions or an exception let it off."""
        found = self._is_on and self.matches(request)
        if found is False:
            return False
        return all_of((found, negated(self._is_let_off(request)), self._engine.hears(request, self._name, kind=kind)))

    def says(self, request: Request) -> int:
        """As Guard says."""
        return self._body.says(self._seen(request), None)

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        yield from self._engine.twists()
        yield from rule_twists(self._match)
        yield from exceptions_of(self._body.texts)
        for each in self._exceptions:
            yield from twists_of(each.conditions)
