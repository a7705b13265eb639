"""Gatekeeper's constraints: whom they match, and what the templates of its library say. Templates of other names say nothing that is known.

Matching: https://open-policy-agent.github.io/gatekeeper/website/docs/howto/#the-match-field; templates:
https://open-policy-agent.github.io/gatekeeper-library/website/. A template of the library is known by its name. Its text is not evaluated,
but one that does not even speak of what it is about is taken for another one of that name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cnamm_scan.providers.kubernetes.policies.admission.cel import FALSE, TRUE, Scope, outcomes
from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import names_of, selector_twists
from cnamm_scan.providers.kubernetes.policies.admission.gatekeeper_library import LIBRARY, settings_of
from cnamm_scan.providers.kubernetes.policies.admission.matching import in_namespaces, listed, mapped, selects
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, EITHER, REFUSES, Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import Text, Unknown, Value
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import Engine
from cnamm_scan.providers.truths import all_of, any_of, negated

WEBHOOK = "validation.gatekeeper.sh"
_MATCH_KEYS = {
    "kinds",
    "namespaces",
    "excludedNamespaces",
    "namespaceSelector",
    "labelSelector",
    "scope",
    "name",
    "source",
}


def fits(pattern: Value, text: Value) -> bool | None:
    """Gatekeeper's wildcards: a star in front, behind, or both."""
    if not isinstance(pattern, str):
        return None
    word = pattern.strip("*")
    if isinstance(text, str):
        if pattern.startswith("*") and pattern.endswith("*"):
            return word in text
        return text.endswith(word) if pattern.startswith("*") else text.startswith(word) if pattern.endswith("*") else text == pattern
    return None if isinstance(text, Unknown | Text) else False


@dataclass(frozen=True, slots=True)
class Settings:
    """What is seen of Gatekeeper as a whole."""

    engine: Engine = field(default_factory=Engine)
    exempt: Sequence[str] = ()
    """Namespaces that its Config takes from the webhook, with wildcards."""
    exempt_more: bool = False
    """Whether there may be more of them."""
    templates: Mapping[str, str] | None = None
    """Kind -> the words of its template. A kind that is not here has no template; None: nothing is known of them."""


class Constraint:
    """One constraint, of whichever template."""

    def __init__(self, kind: str, spec: Mapping[str, Any], settings: Settings) -> None:
        self._kind = kind
        self._match = mapped(spec.get("match"))
        self._settings = settings
        self._parameters = settings_of(mapped(spec.get("parameters")))
        self._denies = enforces(spec)
        known = LIBRARY.get(kind)
        words = settings.templates.get(kind) if settings.templates is not None else None
        if known is not None and words is not None and not known.speaks(words):
            known = None
        self._known = known
        self._sees_debugging = None if words is None else "ephemeralContainers" in words
        self._has_template = None if settings.templates is None else kind in settings.templates
        self.place_matters = False
        self.by_metadata = settings.engine.by_metadata

    def matches(self, request: Request) -> bool | None:
        """Whether it concerns a request, whatever it then does."""
        match = self._match
        if not match.keys() <= _MATCH_KEYS:
            return None
        if request.subresource not in ("", "ephemeralcontainers"):
            return None
        space: Value = request.name if request.is_namespace else request.namespace
        if not request.is_namespace and request.place is not None and not request.place.name:
            space = None  # of what belongs to no namespace nothing is asked of namespaces
        wanted, spared = listed(match.get("namespaces")), listed(match.get("excludedNamespaces"))
        return all_of(
            (
                any_of(self._is_kind(each, request) for each in listed(match["kinds"])) if listed(match.get("kinds")) else True,
                _in_scope(match.get("scope"), request),
                any_of(fits(each, space) for each in wanted) if wanted and space is not None else True,
                negated(any_of(fits(each, space) for each in spared)) if spared and space is not None else True,
                selects(match.get("labelSelector"), request.labels),
                in_namespaces(match.get("namespaceSelector"), request),
                fits(match["name"], request.name) if match.get("name") else True,
            )
        )

    @staticmethod
    def _is_kind(block: Value, request: Request) -> bool | None:
        kinds, groups = listed(mapped(block).get("kinds")), listed(mapped(block).get("apiGroups"))
        return (not kinds or "*" in kinds or request.kind in kinds) and (not groups or "*" in groups or request.group in groups)

    def applies(self, request: Request) -> bool | None:
        """Whether it concerns a request, denies, is asked, and fails closed."""
        if not self._denies or self._has_template is False:
            return False if not self._denies else None
        found = self.matches(request)
        if found is False:
            return False
        space = request.name if request.is_namespace else request.namespace
        spared = any_of(fits(each, space) for each in self._settings.exempt)
        if spared is False and self._settings.exempt_more:
            spared = None
        return all_of((found, negated(spared), self._settings.engine.asks(request)))

    def looks(self, request: Request) -> bool | None:
        """Whether it judges a request, if only to report."""
        return all_of((self.matches(request), self._settings.engine.hears(request)))

    def says(self, request: Request) -> int:
        """What its template says with its parameters; of what cannot be read either."""
        if self._known is None or self._parameters is None:
            return EITHER
        if request.kind not in self._known.kinds:
            return ADMITS
        if request.subresource and not self._sees_debugging:
            return EITHER if self._sees_debugging is None else ADMITS  # older templates do not visit ephemeral containers
        scope = Scope(names_of(request, self._parameters))
        found = outcomes(self._known.allows, scope)
        made = (ADMITS if found & TRUE else 0) | (REFUSES if found & FALSE else 0)
        return made or EITHER  # Rego knows no errors: what is not there is of no element, and an image is there in every container

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        yield from selector_twists(self._match.get("labelSelector"))
        if self._match.get("name"):
            yield ("name", str(self._match["name"]).replace("*", "x"))
        for each in (self._parameters or {}).get("exemptNames", ()):
            yield ("image", each)
        for each in (self._parameters or {}).get("exemptPrefixes", ()):
            yield ("image", f"{each}x")
        yield from self._settings.engine.twists()


def enforces(spec: Mapping[str, Any]) -> bool:
    """Whether a constraint denies at the webhook: deny is what it does when it says nothing."""
    action = spec.get("enforcementAction") or "deny"
    if action != "scoped":
        return bool(action == "deny")
    return any(
        mapped(each).get("action") == "deny"
        and any(mapped(point).get("name") in ("*", WEBHOOK) for point in listed(mapped(each).get("enforcementPoints")))
        for each in listed(spec.get("scopedEnforcementActions"))
    )


def _in_scope(scope: Value, request: Request) -> bool | None:
    inside = not request.is_namespace and (request.place is None or bool(request.place.name))
    return {"Namespaced": inside, "Cluster": not inside}.get(str(scope), True)


def text_of(template: Any) -> str:
    """The words of a template's Rego and CEL, without comments, in one line."""
    found: list[str] = []
    for target in listed(mapped(mapped(template).get("spec")).get("targets")):
        found.append(str(mapped(target).get("rego") or ""))
        found.extend(str(each) for each in listed(mapped(target).get("libs")))
        found.extend(str(mapped(each).get("source")) for each in listed(mapped(target).get("code")))
    return re.sub(r"(?m)#.*$", " ", "\n".join(found))
