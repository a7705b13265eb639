"""Policies whose bodies are CEL: the API server's own, Kyverno's newer ones, and rules of either engine that hold CEL.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.providers.kubernetes.policies.admission.cel import ERROR, FALSE, TRUE, Scope, outcomes, readable
from cnamm_scan.providers.kubernetes.policies.admission.cel_syntax import Node, literals
from cnamm_scan.providers.kubernetes.policies.admission.matching import in_resources, listed, mapped
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, EITHER, REFUSES, Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import Partial, Unknown, Value
from cnamm_scan.providers.truths import all_of

Spec = Mapping[str, Any]
Found = tuple[bool | None, Value]
"""(whether a parameter is there, the parameter)."""
NO_PARAMETER: Found = (False, None)


def names_of(request: Request, params: Value) -> Mapping[str, Value]:
    """What an expression sees."""
    place = request.place
    around: Value = Unknown("namespaceObject")
    if place is not None:
        labels = Unknown("namespaceObject.metadata.labels") if place.labels is None else dict(place.all_labels or {})
        metadata = Partial({"name": place.name, "labels": labels}, "namespaceObject.metadata")
        around = Partial({"metadata": metadata}, "namespaceObject") if place.name else None
    what = {"group": request.group, "version": request.version, "kind": request.kind}
    where = {"group": request.group, "version": request.version, "resource": request.resource}
    asked = {
        "kind": what,
        "requestKind": what,
        "resource": where,
        "requestResource": where,
        "subResource": request.subresource,
        "requestSubResource": request.subresource,
        "operation": request.operation,
        "name": "" if request.name is None else request.name,
        "namespace": request.namespace,
        "userInfo": request.user_info,
        "uid": Unknown("request.uid"),
        "dryRun": Unknown("request.dryRun"),
        "options": Unknown("request.options"),
    }
    old = None if request.operation == "CREATE" else Unknown("oldObject")
    return {
        "object": request.located,
        "oldObject": old,
        "request": asked,
        "params": params,
        "namespaceObject": around,
        "authorizer": Unknown("authorizer"),
    }


@dataclass(frozen=True, slots=True)
class Expressions:
    """Conditions, variables and validations of one policy."""

    conditions: Sequence[str] = ()
    validations: Sequence[str] = ()
    variables: Mapping[str, Node | None] = field(default_factory=dict)
    fails_closed: bool = True

    @classmethod
    def of(cls, spec: Spec, *, failure: Value = "Fail") -> Expressions:
        """Those of a policy's spec. What is no text counts as an expression that cannot be read."""
        return cls(
            tuple(_texts(spec.get("matchConditions"))),
            tuple(_texts(spec.get("validations"))),
            {str(mapped(each).get("name")): readable(str(mapped(each).get("expression"))) for each in listed(spec.get("variables"))},
            failure != "Ignore",
        )

    def is_asked(self, request: Request, params: Value) -> bool | None:
        """Whether the conditions let it judge a request: an error is no judgement, but may refuse."""
        asked = self._asked(self._scope(request, params)) if self.conditions else TRUE
        return True if asked == TRUE else False if asked == FALSE else None

    def says(self, request: Request, params: Value) -> int:
        """ADMITS, REFUSES or EITHER, where the policy matches."""
        scope = self._scope(request, params)
        asked = self._asked(scope)
        failed = REFUSES if self.fails_closed else ADMITS
        found = (ADMITS if asked & FALSE else 0) | (failed if asked & ERROR else 0)
        return found | self.refuses(scope) if asked & TRUE else found

    def _scope(self, request: Request, params: Value) -> Scope:
        return Scope(names_of(request, params), self.variables)

    def _asked(self, scope: Scope) -> int:
        return conjunction(outcomes(each, scope) for each in self.conditions)

    def refuses(self, scope: Scope) -> int:
        """What the validations say: one that is false refuses, an error as the failure policy has it."""
        refuses = False
        for each in self.validations:
            found = outcomes(each, scope)
            denying = FALSE | (ERROR if self.fails_closed else 0)
            if not found & ~denying:
                return REFUSES
            refuses = refuses or bool(found & denying)
        return ADMITS | (REFUSES if refuses else 0)

    @property
    def texts(self) -> Iterable[str]:
        """Every expression that could be read, as literals."""
        for each in (*self.conditions, *self.validations):
            tree = readable(each)
            if tree is not None:
                yield from literals(tree)
        for variable in self.variables.values():
            if variable is not None:
                yield from literals(variable)


def _texts(value: Value) -> Iterable[str]:
    for each in listed(value):
        yield str(mapped(each).get("expression"))


def conjunction(found: Iterable[int]) -> int:
    """In which ways "all of them are true" comes out: false where one is, else an error where one is."""
    so_far = TRUE
    for each in found:
        made = 0
        for one in (TRUE, FALSE, ERROR):
            for other in (TRUE, FALSE, ERROR):
                if so_far & one and each & other:
                    made |= FALSE if FALSE in (one, other) else ERROR if ERROR in (one, other) else TRUE
        so_far = made
    return so_far


def speaks_of_place(value: Value) -> bool:
    """Whether a document may look at the namespace."""
    return "namespace" in str(value).lower()


def exceptions_of(texts: Iterable[str]) -> Iterable[Twist]:
    """Requesters, names, images and labels that the texts of expressions may stand for."""
    words = list(dict.fromkeys(each for each in texts if each))[:24]
    for each in words:
        yield from (("user", each), ("group", each), ("name", each), ("image", each))
        yield ("label", (each, "true"))
        yield ("annotation", (each, "true"))
    for name in words[:6]:
        for value in words[:6]:
            if name != value:
                yield ("label", (name, value))


def twists_of(expressions: Iterable[str]) -> Iterable[Twist]:
    """The same of each expression by itself."""
    for each in expressions:
        tree = readable(each)
        if tree is not None:
            yield from exceptions_of(literals(tree))


def selector_twists(selector: Value) -> Iterable[Twist]:
    """Labels with which an object is, or is not, selected."""
    for name, value in mapped(mapped(selector).get("matchLabels")).items():
        yield ("label", (str(name), str(value)))
    for each in listed(mapped(selector).get("matchExpressions")):
        values = listed(mapped(each).get("values")) or ["true"]
        yield ("label", (str(mapped(each).get("key")), str(values[0])))


def rule_twists(match: Value) -> Iterable[Twist]:
    """Names and labels with which a request is, or is not, matched by rules of resources."""
    yield from selector_twists(mapped(match).get("objectSelector"))
    for which in ("resourceRules", "excludeResourceRules"):
        for rule in listed(mapped(match).get(which)):
            yield from (("name", str(name)) for name in listed(mapped(rule).get("resourceNames")))


class BoundPolicy:
    """A ValidatingAdmissionPolicy with one of the bindings that make it count."""

    def __init__(self, policy: Spec, binding: Spec, find: Callable[[Spec, Spec, str | None], Found] | None = None) -> None:
        """`find(paramKind, paramRef, namespace)` looks for the parameter; without it none was looked for."""
        self.by_metadata = True
        self._match = policy.get("matchConstraints")
        self._narrow = binding.get("matchResources")
        self._denies = "Deny" in listed(binding.get("validationActions"))
        self._body = Expressions.of(policy, failure=policy.get("failurePolicy"))
        self._kind = policy.get("paramKind")
        self._ref = binding.get("paramRef")
        self._find = find
        own = self._kind is not None and not mapped(self._ref).get("namespace")
        self.place_matters = own or speaks_of_place([policy.get("matchConditions"), policy.get("validations"), policy.get("variables")])

    @property
    def denies(self) -> bool:
        """Whether it refuses at all, rather than warn or note."""
        return self._denies

    def applies(self, request: Request) -> bool | None:
        """Whether policy and binding match, and the binding denies."""
        if not self._denies:
            return False
        return self.matches(request)

    def matches(self, request: Request) -> bool | None:
        """The same, whatever it then does."""
        if self._match is None:
            return None  # the API knows no policy without
        return all_of((in_resources(self._match, request), in_resources(self._narrow, request)))

    def looks(self, request: Request) -> bool | None:
        """Whether it judges a request, if only to report: where its conditions are surely false it does not."""
        params = None if self._kind is None else Unknown("params")
        found = self.matches(request)
        return False if found is False else all_of((found, self._body.is_asked(request, params)))

    def says(self, request: Request) -> int:
        """What the expressions say, with the parameter or without."""
        if self._kind is None:
            return self._body.says(request, None)
        if not isinstance(self._ref, Mapping):
            return self._body.says(request, Unknown("params"))
        place = None if request.place is None else request.place.name
        found, value = self._find(mapped(self._kind), self._ref, place) if self._find is not None else (None, Unknown("params"))
        made = 0
        if found is not False:
            made |= self._body.says(request, value)
        if found is not True:
            denies = self._ref.get("parameterNotFoundAction") == "Deny"
            unsure = self._ref.get("parameterNotFoundAction") not in ("Allow", "Deny")
            made |= EITHER if unsure else REFUSES if denies and self._body.fails_closed else ADMITS
        return made

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        yield from rule_twists(self._match)
        yield from rule_twists(self._narrow)
        yield from exceptions_of(self._body.texts)
