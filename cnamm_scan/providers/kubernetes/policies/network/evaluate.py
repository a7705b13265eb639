"""Who is let in and let out: the layers of policies asked in order, for every port and everybody who may stand at the other end.

The other end is all addresses and a few pods that stand for the rest: a pod of a namespace that nobody knows, one of the own namespace,
and one of each namespace that is there, none with a label. What is certain and what is possible are carried side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from cnamm_scan.providers.kubernetes.policies.labels import UNREAD, Labels
from cnamm_scan.providers.kubernetes.policies.network.model import (
    NAME_LABEL,
    Action,
    Direction,
    Layer,
    Level,
    Pod,
    PodPeer,
    Policy,
    Rule,
    Side,
)
from cnamm_scan.providers.kubernetes.policies.network.selectors import Matcher
from cnamm_scan.providers.openness import EVERYWHERE, NO_ADDRESSES, Addresses, Openness, addresses, judge
from cnamm_scan.providers.ports import ALL_PORTS, DNS, MANY, NO_PORTS, PROTOCOLS, Ports, atoms, ports
from cnamm_scan.providers.truths import Truth

STRANGER = "\ue000"
"""The name of a namespace that nobody knows; no namespace can be called so."""
DNS_NAMES = frozenset({"dns", "dns-tcp"})
FEW = 3
"""To reach as many namespaces as this, and all that there are, is to reach the cluster."""
MOST_TRIED = 2048
_OF = {
    Openness.NONE: Level.NOBODY,
    Openness.PRIVATE: Level.PRIVATE,
    Openness.BOUNDED: Level.BOUNDED,
    Openness.WIDE: Level.WIDE,
    Openness.WORLD: Level.WORLD,
}


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom a pod is reached by, or reaches. Of each answer the least and the most; they differ where something is not known."""

    isolated: Truth
    """Whether what no policy allows is refused."""
    least: Level
    most: Level
    least_on_many: Level
    """The widest on more than 1,024 ports of a protocol."""
    most_on_many: Level

    @property
    def restricts(self) -> Truth:
        """Whether policies keep anybody out: it is not open to all pods of the cluster, or to the world, on nearly every port."""
        return False if self.least_on_many >= Level.CLUSTER else True if self.most_on_many < Level.CLUSTER else None

    @property
    def is_shut(self) -> Truth:
        """Whether what no policy names is refused: it is isolated, or nothing is left open."""
        if self.isolated or self.most < Level.CLUSTER:
            return True
        return False if self.isolated is False and self.least >= Level.CLUSTER else None

    @property
    def level(self) -> Level | None:
        """The widest of all ports, where that is certain."""
        return self.least if self.least is self.most else None

    def reaches(self, level: Level) -> Truth:
        """Whether it is at least that wide."""
        return True if self.least >= level else None if self.most >= level else False


@dataclass(frozen=True, slots=True)
class _Where:
    """Addresses, and a bit for each pod that stands for others."""

    addresses: Addresses
    pods: int

    def joined(self, other: _Where) -> _Where:
        return _Where(self.addresses.joined(other.addresses), self.pods | other.pods)

    def within(self, other: _Where) -> _Where:
        return _Where(self.addresses.within(other.addresses), self.pods & other.pods)

    def without(self, other: _Where) -> _Where:
        return _Where(self.addresses.without(other.addresses), self.pods & ~other.pods)


_NOWHERE = _Where(NO_ADDRESSES, 0)


@dataclass(frozen=True, slots=True)
class _Let:
    """Who is let through, and whether a rule names anybody, there or not."""

    where: _Where
    named: bool


@dataclass
class Network:
    """The policies of a cluster, ready to be asked. `hidden`: there may be policies of a namespace that were not seen."""

    policies: Sequence[Policy]
    namespaces: Mapping[str, Labels | None] = field(default_factory=dict)
    """Name -> labels of the namespaces that are known."""
    knows_namespaces: bool = True
    """Whether these are all."""
    others: Sequence[Pod] = ()
    """Pods that `admits` may be asked about."""
    _by_namespace: dict[str, list[Policy]] = field(init=False)
    _known: dict[tuple[object, ...], Reach] = field(default_factory=dict, init=False)
    _regions: dict[tuple[int, str], tuple[_Where, _Where]] = field(default_factory=dict, init=False)
    _picked: dict[Matcher, tuple[int, int]] = field(default_factory=dict, init=False)
    _places: dict[str, int] = field(init=False)
    _applied: dict[str, list[Policy]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._by_namespace = {}
        self._places = {name: n for n, name in enumerate(self.namespaces, 2)}
        for policy in self.policies:
            self._by_namespace.setdefault(policy.namespace, []).append(policy)

    def labels_of(self, namespace: str) -> Labels | None:
        """The labels of a namespace; of one that was not seen its name alone, and then they are not known."""
        return self.namespaces.get(namespace)

    def applied(self, namespace: str) -> list[Policy]:
        """Policies that hold, or may hold, for pods of a namespace."""
        if namespace not in self._applied:
            labels = self.labels_of(namespace)
            whole = [each for each in self._by_namespace.get("", ()) if each.holds_in(namespace, labels) is not False]
            self._applied[namespace] = [*whole, *self._by_namespace.get(namespace, ())]
        return self._applied[namespace]

    def _sided(self, namespace: str, direction: Direction) -> list[Policy]:
        return [each for each in self.applied(namespace) if direction in each.sides]

    def pod(self, namespace: str, labels: Labels | None) -> Pod:
        """A pod of a namespace, with what is known of that."""
        return Pod(namespace, labels, self.labels_of(namespace))

    def reach(self, pod: Pod, direction: Direction, *, hidden: Truth = False) -> Reach:
        """Whom the pod is reached by, or reaches.

        `hidden`: whether policies may be there that nobody saw; None where they may isolate, but are taken not to open what is shut.
        """
        chosen = self._chosen(pod, direction)
        key = (pod.namespace, direction, hidden, tuple((id(policy), sure) for policy, sure in chosen))
        if key not in self._known:
            self._known[key] = self._reach(chosen, pod.namespace, direction, hidden)
        return self._known[key]

    def admits(self, pod: Pod, direction: Direction, other: Pod | str, protocol: str, port: int) -> Truth:
        """Whether a connection is let through at this pod's end. `other` is one of `others`, or an address."""
        rules, isolated = self._asked(self._chosen(pod, direction), pod.namespace, direction, False)
        held = ports(protocol, port, port)
        low, high = self._piece([each for each in rules if each[1].ports.meets(held)], pod.namespace, isolated, only_pods=False)
        if isinstance(other, Pod):
            bit = 1 << 2 + len(self.namespaces) + list(self.others).index(other)
            return True if low.where.pods & bit else None if high.where.pods & bit else False
        one = addresses([other])
        return True if one.without(low.where.addresses).is_empty else None if one.without(high.where.addresses).is_empty else False

    def of_policy(self, policy: Policy, direction: Direction) -> tuple[Level, Level]:
        """The widest that a policy's own rules let in, or out, as if it stood alone: at least, and at most."""
        rules = tuple(rule for rule in policy.sides.get(direction, Side(False)).rules if rule.action is not Action.PASS)
        asked = replace(policy, sides={direction: Side(True, rules)}, layer=Layer.MAIN)
        found = self._reach([(asked, True)], policy.namespace or STRANGER, direction, False)
        return found.least, found.most

    def shuts(self, policy: Policy, direction: Direction) -> Truth:
        """Whether an administrator's policy leaves nothing open that it does not allow by name: alone, with no other beside it."""
        found = self._reach([(policy, policy.is_sure)], policy.namespace or STRANGER, direction, False)
        return False if found.least >= Level.CLUSTER else True if found.most < Level.CLUSTER else None

    def always_isolated(self, namespace: str, direction: Direction, *, hidden: Truth = False) -> Truth:
        """Whether every pod that there may be in a namespace is isolated: by one policy for all, or by several that leave none out."""
        labels = self.labels_of(namespace)
        found: list[Truth] = []
        for each in self._sided(namespace, direction):
            isolates = each.sides[direction].isolates
            if each.is_for_all and isolates is not False and each.layer is Layer.MAIN:
                found.append(True if isolates and each.is_sure and each.holds_in(namespace, labels) else None)
        if True in found:
            return True
        return self._of_all_pods(namespace, direction, lambda reach: reach.is_shut, hidden)

    def confines(self, namespace: str, direction: Direction, level: Level, *, hidden: Truth = False) -> Truth:
        """Whether no pod that there may be in a namespace reaches, or is reached, as wide as a level."""

        def kept(reach: Reach) -> Truth:
            found = reach.reaches(level)
            return None if found is None else not found

        return self._of_all_pods(namespace, direction, kept, hidden)

    def _of_all_pods(self, namespace: str, direction: Direction, asked: Callable[[Reach], Truth], hidden: Truth) -> Truth:
        """Whether something is true of every pod that there may be in a namespace: of each set of labels that policies tell apart."""
        held = self._sided(namespace, direction)
        tried: dict[str, set[str]] = {}
        for each in held:
            for name, value in each.pods.named():
                tried.setdefault(name, set()).add(value)
        kinds = [[None, STRANGER, *sorted(values)] for values in tried.values()]
        count = 1
        for kind in kinds:
            count *= len(kind)
        worst: Truth = True
        if count > MOST_TRIED:
            return None if held else False
        for values in product(*kinds):
            made = {name: value for name, value in zip(tried, values, strict=True) if value is not None}
            one = asked(self.reach(self.pod(namespace, made), direction, hidden=hidden))
            if one is False:
                return False
            worst = None if one is None else worst
        return worst

    def denies(self, namespace: str, direction: Direction, *, hidden: Truth = False) -> Truth:
        """Whether what no policy names is refused to every pod of a namespace: all are isolated, and what holds for all is not open."""
        isolated = self.always_isolated(namespace, direction, hidden=hidden)
        found = self.reach(self.pod(namespace, {}), direction, hidden=hidden)
        opened = found.reaches(Level.CLUSTER)
        if isolated is False or opened is True:
            return False
        return True if isolated and opened is False else None

    # ---- how it is asked ---------------------------------------------------------------------------------------------

    def _chosen(self, pod: Pod, direction: Direction) -> list[tuple[Policy, bool]]:
        """Policies that select the pod, or may, each with whether that is certain."""
        held = [(policy, policy.selects(pod)) for policy in self.applied(pod.namespace) if direction in policy.sides]
        return [(policy, bool(picked and policy.is_sure)) for policy, picked in held if picked is not False]

    def _asked(
        self, chosen: Sequence[tuple[Policy, bool]], own: str, direction: Direction, hidden: Truth
    ) -> tuple[list[tuple[Layer, Rule, bool, str]], Truth]:
        """The rules in the order in which they are asked, and whether what none of them takes is refused."""
        main = [(policy.sides[direction].isolates, sure) for policy, sure in chosen if policy.layer is Layer.MAIN]
        isolated: Truth = (True, True) in main
        if not isolated and (hidden is not False or any(isolates is not False for isolates, _ in main)):
            isolated = None
        rules = self._ordered(chosen, direction)
        if hidden:
            rules.append((Layer.MAIN, _UNSEEN, False, own))
        return rules, isolated

    def _reach(self, chosen: Sequence[tuple[Policy, bool]], own: str, direction: Direction, hidden: Truth) -> Reach:
        rules, isolated = self._asked(chosen, own, direction, hidden)
        pieces: dict[tuple[object, ...], tuple[Level, Level]] = {}
        least, most = Level.NOBODY, Level.NOBODY
        many: list[tuple[int, str, Level, Level]] = []
        for held, name, protocol, size in self._pieces(rules):
            met = tuple(n for n, (_, rule, _, _) in enumerate(rules) if _meets(rule, held, name))
            key = (met, name is not None and direction is Direction.EGRESS)
            if key not in pieces:
                low, high = self._piece([rules[n] for n in met], own, isolated, only_pods=bool(key[1]))
                pieces[key] = self._level(low, certainly=True), self._level(high, certainly=False)
            narrow, wide = pieces[key]
            many.append((size, protocol, narrow, wide))
            if direction is Direction.EGRESS and (name in DNS_NAMES if name else held.without(DNS).is_empty):
                continue  # asking for names is no way out
            least, most = max(least, narrow), max(most, wide)
        return Reach(isolated, least, most, _on_many(many, 2), _on_many(many, 3))

    def _ordered(self, chosen: Sequence[tuple[Policy, bool]], direction: Direction) -> list[tuple[Layer, Rule, bool, str]]:
        made = []
        for policy, sure in chosen:
            for n, rule in enumerate(policy.sides[direction].rules):
                made.append(((policy.layer, not rule.comes_first, policy.order, n), policy, rule, sure))
        made.sort(key=lambda each: each[0])
        return [(policy.layer, rule, sure, policy.namespace) for _, policy, rule, sure in made]

    @staticmethod
    def _pieces(rules: Sequence[tuple[Layer, Rule, bool, str]]) -> Iterable[tuple[Ports, str | None, str, int]]:
        for protocol in PROTOCOLS:
            spans = [rule.ports.of(protocol) for _, rule, _, _ in rules]
            if protocol in ("tcp", "udp"):
                spans.append(((53, 53),))
            for first, last in atoms(spans):
                yield ports(protocol, first, last), None, protocol, last - first + 1
        for name in sorted(frozenset().union(*(rule.port_names for _, rule, _, _ in rules))):
            yield NO_PORTS, name, "", 1

    def _piece(self, rules: Sequence[tuple[Layer, Rule, bool, str]], own: str, isolated: Truth, *, only_pods: bool) -> tuple[_Let, _Let]:
        """Who is let through on a piece of ports, where these rules match: at least and at most."""
        everybody = _Where(NO_ADDRESSES if only_pods else EVERYWHERE, (1 << self._size()) - 1)
        sure, possible = _NOWHERE, _NOWHERE
        certain, maybe = everybody, everybody  # who arrives
        named = [False, False]
        for layer in Layer:
            passed, passed_maybe = _NOWHERE, _NOWHERE
            if layer is Layer.BASELINE:
                certain = certain if isolated is False else _NOWHERE
                maybe = maybe if not isolated else _NOWHERE
            for at, rule, is_sure, home in rules:
                if at is not layer:
                    continue
                low, high = self._region(rule, home or own)
                if not is_sure or rule.may_match_less:
                    low = _NOWHERE
                if rule.action is Action.ALLOW:
                    sure, possible = sure.joined(certain.within(low)), possible.joined(maybe.within(high))
                    if rule.pods or rule.others:
                        named = [named[0] or (is_sure and not rule.may_match_less), True]
                elif rule.action is Action.PASS:
                    passed, passed_maybe = passed.joined(certain.within(low)), passed_maybe.joined(maybe.within(high))
                certain, maybe = certain.without(high), maybe.without(low)
            certain, maybe = certain.joined(passed), maybe.joined(passed_maybe)
        sure, possible = sure.joined(certain), possible.joined(maybe)
        if isolated is False and not possible.pods & 1:
            # administrators' policies shut the cluster out; of callers from outside they cannot speak, and other policies say nothing
            sure = _Where(NO_ADDRESSES, sure.pods)
        return _Let(sure, named[0]), _Let(possible, named[1])

    def _level(self, let: _Let, *, certainly: bool) -> Level:
        where = let.where
        level = max(_OF[judge(where.addresses)], Level.NAMED if let.named or where.pods else Level.NOBODY)
        if where.pods & 2:
            level = max(level, Level.NAMESPACE)
        there = len(self.namespaces)
        every = (1 << there) - 1
        all_of_them = there >= FEW and where.pods >> 2 & every == every and (self.knows_namespaces or not certainly)
        if where.pods & 1 or all_of_them:
            level = max(level, Level.CLUSTER)
        return level

    def _size(self) -> int:
        return 2 + len(self.namespaces) + len(self.others)

    def _spaces(self, matcher: Matcher) -> tuple[int, int]:
        """The bits of the stranger and of the namespaces that a matcher picks: certainly, and at most."""
        if matcher not in self._picked:
            every = ((0, {NAME_LABEL: STRANGER}), *((n, labels) for n, labels in enumerate(self.namespaces.values(), 2)))
            answers = [(n, matcher.matches(labels)) for n, labels in every]
            self._picked[matcher] = (
                sum(1 << n for n, answer in answers if answer),
                sum(1 << n for n, answer in answers if answer is not False),
            )
        return self._picked[matcher]

    def _region(self, rule: Rule, own: str) -> tuple[_Where, _Where]:
        """Whom a rule matches: at least, and at most."""
        key = (id(rule), own)
        if key not in self._regions:
            everybody = _Where(EVERYWHERE, (1 << self._size()) - 1)
            low = high = 0
            for peer in rule.pods:
                sure, possible = self._peers(peer, own)
                low, high = low | sure, high | possible
            found = (_Where(rule.addresses, low), everybody if rule.may_match_more else _Where(rule.addresses, high))
            self._regions[key] = (everybody, everybody) if rule.everybody else found
        return self._regions[key]

    def _peers(self, peer: PodPeer, own: str) -> tuple[int, int]:
        """The bits of the pods that a peer is about: certainly, and at most."""
        place = self._places.get(own)
        if peer.namespaces is None:
            low = high = 2 | (0 if place is None else 1 << place)
        else:
            low, high = self._spaces(peer.namespaces)
            if place is None:
                mine = peer.namespaces.matches(self.labels_of(own))
                low, high = low | (2 if mine else 0), high | (0 if mine is False else 2)
            else:
                low, high = low | (low >> place & 1) << 1, high | (high >> place & 1) << 1
        unlabelled = peer.pods.matches({})
        low, high = (low if unlabelled else 0), (0 if unlabelled is False else high)
        for n, pod in enumerate(self.others, 2 + len(self.namespaces)):
            answer = peer.matches(pod, own)
            low, high = low | (answer is True) << n, high | (answer is not False) << n
        return low, high


_UNSEEN = Rule(may_match_more=True)


def _meets(rule: Rule, held: Ports, name: str | None) -> bool:
    """Whether a rule is about a piece of ports; a port that only its name is known of is among all ports."""
    if name is None:
        return rule.ports.meets(held)
    return name in rule.port_names or rule.ports == ALL_PORTS


def _on_many(pieces: Sequence[tuple[int, str, Level, Level]], at: int) -> Level:
    """The widest level that more than 1,024 ports of one protocol have."""
    best = Level.NOBODY
    for protocol in PROTOCOLS:
        held = sorted(((each[2] if at == 2 else each[3]), each[0]) for each in pieces if each[1] == protocol)
        count = 0
        for level, size in reversed(held):
            count += size
            if count > MANY:
                best = max(best, level)
                break
    return best


def unread(key: str, kind: str, namespace: str = "") -> Policy:
    """A policy of which nothing could be read: it may hold, isolate, and let anybody through."""
    anything = Side(None, (Rule(may_match_more=True, comes_first=True),))
    return Policy(key, kind, namespace, UNREAD, UNREAD, dict.fromkeys(Direction, anything), is_sure=False)
