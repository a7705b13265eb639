"""Webhooks that judge: which requests the API server sends them, and whether an engine that we can read stands behind one.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cnamm_scan.providers.kubernetes.policies.admission.cel import ERROR, FALSE, TRUE, Scope, outcomes
from cnamm_scan.providers.kubernetes.policies.admission.cel_policies import conjunction, names_of, selector_twists, twists_of
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_match import kind_parts, match_twists, matches_block
from cnamm_scan.providers.kubernetes.policies.admission.matching import in_namespaces, in_rules, selects, wild_value
from cnamm_scan.providers.kubernetes.policies.admission.requests import ADMITS, EITHER, Request, Twist
from cnamm_scan.providers.kubernetes.policies.admission.values import Unknown, Value
from cnamm_scan.providers.truths import all_of, any_of, negated
from cnamm_scan.providers.wildcards import matches


@dataclass(frozen=True, slots=True)
class Webhook:
    """One webhook of a configuration."""

    configuration: str
    name: str
    rules: Value = field(default=None, hash=False)
    namespace_selector: Value = field(default=None, hash=False)
    object_selector: Value = field(default=None, hash=False)
    conditions: Sequence[str] | None = ()
    """The expressions of its matchConditions; None where they were not seen."""
    failure_policy: str | None = "Fail"
    exact: bool = False

    def sees(self, request: Request) -> bool | None:
        """Whether the API server asks it about a request. A condition that is an error refuses or skips: it is open here."""
        place = all_of(
            (
                in_rules(self.rules, request, equivalent=not self.exact) if self.rules is not None else None,
                in_namespaces(self.namespace_selector, request),
                selects(self.object_selector, request.labels),
            )
        )
        if place is False or not self.conditions:
            return None if self.conditions is None and place else place
        scope = Scope({**names_of(request, Unknown()), "params": Unknown()})
        found = conjunction(outcomes(each, scope) for each in self.conditions)
        asked = True if found == TRUE else False if found == FALSE else None
        return all_of((place, asked)) if not found & ERROR else None

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        yield from selector_twists(self.object_selector)
        yield from twists_of(self.conditions or ())


@dataclass(frozen=True, slots=True)
class Engine:
    """What is seen of an engine that judges by webhook: its webhooks, and whether more of them may be there."""

    webhooks: tuple[Webhook, ...] = ()
    more: bool = False
    spared: tuple[tuple[str, str], ...] | None = ()
    """What its own configuration leaves alone whatever policies say: (kind, namespace), with wildcards. None where that was not seen."""
    asks_not: Value = field(default=None, hash=False)
    """Of whom it asks nothing: a block of Kyverno's, as a policy excludes requesters by."""

    @property
    def by_metadata(self) -> bool:
        """Whether no condition of a webhook looks at more of an object than its name and labels."""
        return not any(each.conditions for each in self.webhooks)

    def asks(self, request: Request, policy: str = "", *, kind: str = "") -> bool | None:
        """Whether the API server asks the engine about a request, and refuses when it does not answer."""
        return self._unspared(any_of(_closed(each, request) for each in self.webhooks if _is_for(each, policy, kind)), request)

    def hears(self, request: Request, policy: str = "", *, kind: str = "") -> bool | None:
        """Whether the API server asks the engine about a request, whatever happens when it does not answer."""
        return self._unspared(any_of(each.sees(request) for each in self.webhooks if _is_for(each, policy, kind)), request)

    def _unspared(self, found: bool | None, request: Request) -> bool | None:
        """Whether it judges what it is asked about."""
        found = None if found is False and self.more else found
        if found is False or (self.spared == () and not self.asks_not):
            return found
        if self.spared is None:
            return None
        alone = any_of((*(_is_left_alone(*each, request) for each in self.spared), matches_block(self.asks_not, request, False)))
        return all_of((found, negated(alone)))

    def fails_closed(self, policy: str = "", *, kind: str = "") -> bool | None:
        """Whether one of its webhooks refuses what it cannot judge."""
        found = any_of(
            None if each.failure_policy is None else each.failure_policy == "Fail" for each in self.webhooks if _is_for(each, policy, kind)
        )
        return None if found is False and self.more else found

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        for each in self.webhooks:
            yield from each.twists()
        yield from match_twists(self.asks_not)


def _is_left_alone(kind: str, namespace: str, request: Request) -> bool | None:
    wanted = zip(kind_parts(kind), (request.group, request.version, request.kind, request.subresource), strict=True)
    return all(matches(pattern, value) for pattern, value in wanted) and wild_value(namespace, request.namespace)


def _closed(webhook: Webhook, request: Request) -> bool | None:
    closes = None if webhook.failure_policy is None else webhook.failure_policy == "Fail"
    return all_of((closes, webhook.sees(request))) if closes is not False else False


def _is_for(webhook: Webhook, policy: str, kind: str) -> bool:
    """Whether a webhook of Kyverno is one for all policies of this kind, or this one's own."""
    if not kind:
        return True
    head = webhook.name.partition(".")[0]
    if kind == "vpol" and head not in ("vpol", "nvpol"):
        return False
    if kind == "rule" and head in ("vpol", "nvpol", "ivpol", "nivpol", "mpol", "gpol"):
        return False
    _, own, name = webhook.name.partition("-finegrained-")
    return not own or not policy or name == policy


def kyverno_hook(name: str) -> bool:
    """Whether a webhook's name is one that Kyverno gives."""
    return "kyverno.svc-" in name


def gatekeeper_hook(name: str) -> bool:
    """Whether a webhook's name is Gatekeeper's, of the one that judges."""
    return name == "validation.gatekeeper.sh"


def known_hook(name: str) -> bool:
    """Whether what it judges by can be read, or concerns images alone."""
    return kyverno_hook(name) or gatekeeper_hook(name) or name in ("check-ignore-label.gatekeeper.sh", "policy.sigstore.dev")


class Opaque:
    """A webhook that nobody can see into: whatever it is asked about it may refuse."""

    place_matters = False

    def __init__(self, webhook: Webhook) -> None:
        self._webhook = webhook
        self.by_metadata = not webhook.conditions

    def applies(self, request: Request) -> bool | None:
        """Whether it is asked."""
        return self._webhook.sees(request)

    def says(self, request: Request) -> int:
        """Either."""
        return EITHER

    def twists(self) -> Iterable[Twist]:
        """As Guard says."""
        return self._webhook.twists()


class Unseen:
    """What may be there besides: a table that was not read whole may hold something that refuses."""

    place_matters = False
    by_metadata = True

    def applies(self, request: Request) -> bool | None:
        """Perhaps."""
        return None

    def says(self, request: Request) -> int:
        """Either."""
        return EITHER | ADMITS

    def twists(self) -> Iterable[Twist]:
        """None."""
        return ()
