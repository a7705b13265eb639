"""Whom a resource policy or a role's trust policy admits: from nobody to anybody, by statement and together.

For each statement that allows, every kind of caller is tried from every kind of network (`callers`): is there a request of his that the
statement's conditions let through and that no Deny has to catch. What is found can be wider than the truth where conditions hang
together in
ways that are not followed, and never narrower. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

from cnamm_scan.providers.aws.policies import keys as k
from cnamm_scan.providers.aws.policies.admission import TOKEN_ORDER, Admission, Reach, join, widest
from cnamm_scan.providers.aws.policies.callers import NO_NETWORK, Caller, Cast, Kind, Network
from cnamm_scan.providers.aws.policies.conditions import EITHER, FALSE, MISSING, TRUE, UNSEEN, Domain, Free, Look, Test, judge
from cnamm_scan.providers.aws.policies.documents import NO_PRINCIPALS, Document, Statement
from cnamm_scan.providers.aws.policies.naming import named_by
from cnamm_scan.providers.aws.policies.patterns import is_wild
from cnamm_scan.providers.aws.policies.setting import Place, Setting, Truth
from cnamm_scan.providers.aws.policies.tokens import CLUSTER, GUEST, STRANGER, is_saml, token_callers
from cnamm_scan.providers.openness import NO_ADDRESSES
from cnamm_scan.providers.wildcards import matches

# ---- conditions ---------------------------------------------------------------------------------------------------------------


def possible(tests: Iterable[Test], look: Look) -> Truth:
    """Whether a caller can make all tests true: what a statement that allows asks."""
    made = Truth.YES
    for test in tests:
        found = judge(test, look)
        if found == FALSE:
            return Truth.NO
        if found & UNSEEN:
            made = Truth.UNKNOWN
    return made


def forced(tests: Iterable[Test], look: Look) -> Truth:
    """Whether all tests are true whatever the caller does: what a statement that refuses has to reach."""
    made = Truth.YES
    for test in tests:
        found = judge(test, look)
        if found in (FALSE, EITHER):
            return Truth.NO
        if found & UNSEEN:
            made = Truth.UNKNOWN
    return made


@dataclass(frozen=True, slots=True)
class _Unlisted:
    """Any value but those listed."""

    listed: frozenset[str]

    def judge(self, test: Test, value: str) -> int:
        if value in self.listed and test.kind == "string" and test.how == "equals":
            return FALSE
        return Free().judge(test, value)


def _parts(domain: Domain, tests: list[Test]) -> list[Domain]:
    """The same domain cut into parts in each of which a test has fewer ways out."""
    parts = [Domain((each,)) for each in domain.known]
    if isinstance(domain.rest, Free):
        listed = sorted(
            {value for test in tests if test.kind == "string" and test.how == "equals" for value in test.values if "${" not in value}
        )
        parts += [Domain((each,)) for each in listed if domain.rest.signs or not is_wild(each)]
        parts.append(Domain(rest=_Unlisted(frozenset(listed))))
    elif domain.rest is not None:
        parts.append(Domain(rest=domain.rest))
    if domain.may_lack:
        parts.append(MISSING)
    return [replace(each, unseen=domain.unseen) for each in parts]


_MOST_WAYS = 256
"""How many ways to send keys are tried; beyond it the tests are looked at one by one, which finds too much rather than too little."""


def _picked(chosen: Mapping[str, Domain], look: Look, key: str) -> Domain:
    found = chosen.get(key)
    return look(key) if found is None else found


_Live = tuple[Statement, int, Truth]
"""A Deny, the pieces that it would take, and whether it is about the caller at all."""


@dataclass(frozen=True)
class Case:
    """One statement that allows, with the statements that might take it away again."""

    statement: Statement
    denies: tuple[tuple[Statement, int], ...]
    """With the pieces of the statement that each would take."""

    @staticmethod
    def of(document: Document) -> tuple[Case, ...]:
        """Each statement of a document that allows: what one admits does not hang on the others."""
        denies = document.denies
        return tuple(
            Case(statement, tuple((deny, mask) for deny in denies if (mask := deny.covers(statement)))) for statement in document.allows
        )

    def cast(self, setting: Setting) -> Cast:
        """Everybody who might ask."""
        return Cast(Document((self.statement, *(deny for deny, _ in self.denies))), setting)

    def live(self, caller: Caller, setting: Setting, left: int) -> list[_Live]:
        """The statements that may refuse this kind of caller one of the pieces in `left`."""
        made: list[_Live] = []
        for deny, mask in self.denies:
            if mask & left:
                about = named_by(deny, caller, setting)
                if about not in (FALSE, EITHER):
                    made.append((deny, mask, Truth.YES if about == TRUE else Truth.UNKNOWN))
        return made

    def admits(self, look: Look, live: list[_Live], left: int) -> Truth:
        """Whether a caller gets through to one of the pieces in `left`."""
        if not live and len(self.statement.tests) < 2:
            return possible(self.statement.tests, look)
        tests = [*self.statement.tests, *(test for deny, _, _ in live for test in deny.tests)]
        found = self._once(live, look, left)
        if found is Truth.NO or len(tests) < 2:
            return found
        keys = [test.key for test in tests]
        twice = {key for key in keys if keys.count(key) > 1}
        ways = [(key, _parts(look(key), [test for test in tests if test.key == key])) for key in sorted(twice)]
        ways = [(key, parts) for key, parts in ways if len(parts) > 1]
        count = 1
        for _, parts in ways:
            count *= len(parts)
        if not ways or count > _MOST_WAYS:
            return found
        best = Truth.NO
        for chosen in product(*(parts for _, parts in ways)):
            picked = dict(zip((key for key, _ in ways), chosen, strict=True))
            best |= self._once(live, partial(_picked, picked, look), left)
            if best is Truth.YES:
                break
        return best

    def _once(self, live: list[_Live], look: Look, left: int) -> Truth:
        made = possible(self.statement.tests, look)
        if made is Truth.NO or not live:
            return made
        gone = doubtful = 0
        for deny, mask, about in live:
            # a test that the statement has too says the same of the same request: where that one holds, so does this
            found = forced((test for test in deny.tests if test not in self.statement.tests), look) & about
            if found is Truth.YES:
                gone |= mask
            elif found is Truth.UNKNOWN:
                doubtful |= mask
        if left & ~gone == 0:
            return Truth.NO
        return Truth.UNKNOWN if left & ~(gone | doubtful) == 0 else made


# ---- documents ----------------------------------------------------------------------------------------------------------------

_ASSUME = {Kind.TOKEN: "sts:assumerolewithwebidentity"}


def _left(statement: Statement, caller: Caller) -> int:
    """The pieces of a trust policy's statement that this kind of caller has a use for: a role is taken by its own action for each kind."""
    every = (1 << len(statement.pieces)) - 1
    action = _ASSUME.get(caller.kind, "sts:assumerole")
    if is_saml(caller.name):
        action = "sts:assumerolewithsaml"
    if not statement.actions.meets(action):
        return 0
    if statement.actions.but:
        return every
    return sum(1 << at for at, (piece, _) in enumerate(statement.pieces) if piece is not None and matches(piece, action))


@dataclass(slots=True, eq=False)
class _Found:
    caller: Caller
    network: Network
    certain: bool


Admitted = tuple[tuple[Statement, Admission], ...]


def admit(document: Document, setting: Setting) -> Admitted:
    """Whom each statement that allows admits, after all that refuse; in the document's order."""
    return tuple((case.statement, admit_one(case, case.cast(setting))) for case in Case.of(document))


def admit_one(case: Case, cast: Cast) -> Admission:
    """Whom one statement admits."""
    statement = case.statement
    callers = [*cast.callers, *_tokens(statement, cast.tests)] if statement.principals.federated else cast.callers
    return _sum_up(statement, list(_try(case, callers, cast)), cast.setting)


def _tokens(statement: Statement, tests: tuple[Test, ...]) -> Iterator[Caller]:
    for provider in sorted(set(statement.principals.federated)):
        yield from token_callers(provider, tests)


@dataclass(slots=True, eq=False)  # made for each caller and network: freezing it costs more than asking it
class _Request:
    """What the keys of one kind of caller's requests from one kind of network can hold."""

    caller: Caller
    network: Network
    base: Mapping[str, Domain]
    now: float
    untagged: bool

    def __call__(self, key: str) -> Domain:
        found = self.base.get(key) or self.caller.keys.get(key) or self.network.keys.get(key)
        if found is not None:
            return found
        return MISSING if self.untagged and key.startswith("aws:principaltag/") else k.circumstance(key, self.now)


_KINDS = frozenset(Kind)


def _kinds(statement: Statement) -> frozenset[Kind]:
    """The kinds of caller that a statement can name at all."""
    who = statement.principals
    if who.anybody or statement.excepted is not NO_PRINCIPALS:
        return _KINDS
    made = {Kind.PRINCIPAL, Kind.CANONICAL, Kind.ANONYMOUS} if who.aws else {Kind.CANONICAL} if who.canonical else set()
    return frozenset(made | ({Kind.SERVICE} if who.services else set()) | ({Kind.TOKEN} if who.federated else set()))


def _try(case: Case, callers: Sequence[Caller], cast: Cast) -> Iterator[_Found]:
    setting, base, networks = cast.setting, cast.base, cast.networks
    now, kinds = setting.seconds, _kinds(case.statement)
    is_trust, left = setting.place is Place.TRUST, (1 << len(case.statement.pieces)) - 1
    for caller in callers:
        if caller.kind not in kinds:
            continue
        about = named_by(case.statement, caller, setting)
        if about == FALSE:
            continue
        if is_trust:
            left = _left(case.statement, caller)
        if not left:
            continue
        live = case.live(caller, setting, left)
        untagged = _is_untagged(caller, setting)
        for network in (NO_NETWORK,) if caller.kind is Kind.SERVICE else networks:
            got = case.admits(_Request(caller, network, base, now, untagged), live, left)
            if about & UNSEEN or caller.doubtful:
                got &= Truth.UNKNOWN
            if got is not Truth.NO:
                yield _Found(caller, network, got is Truth.YES)


def requests(callers: Iterable[Caller], networks: Sequence[Network], cast: Cast) -> list[Look]:
    """What the keys of these callers' requests from each of these networks can hold."""
    setting, now = cast.setting, cast.setting.seconds
    return [
        _Request(caller, network, cast.base, now, _is_untagged(caller, setting))
        for caller in callers
        for network in ((NO_NETWORK,) if caller.kind is Kind.SERVICE else networks)
    ]


def _is_untagged(caller: Caller, setting: Setting) -> bool:
    return caller.kind in (Kind.ANONYMOUS, Kind.TOKEN) or (caller.kind is Kind.SERVICE and setting.place is not Place.TRUST)


def _stranger(network: Network) -> Reach:
    if network.is_open:
        return Reach.ANYBODY
    return Reach.SOURCE if network.by_access_point else Reach.NETWORK


def _reach(one: _Found, statement: Statement, setting: Setting) -> Reach:
    caller = one.caller
    match caller.kind:
        case Kind.ANONYMOUS:
            return _stranger(one.network)
        case Kind.TOKEN:
            return _stranger(one.network) if caller.guest in (STRANGER, GUEST) else Reach.SOURCE
        case Kind.CANONICAL:
            if ":iam::cloudfront:" in caller.name:
                return Reach.SOURCE
            return Reach.ACCOUNT if setting.canonical_id == caller.name else Reach.NAMED
        case _:
            pass
    if caller.kind is Kind.SERVICE and setting.place is Place.TRUST:
        return Reach.SOURCE if caller.name == "rolesanywhere.amazonaws.com" and caller.arn else Reach.ACCOUNT
    if caller.account == setting.account:
        return Reach.ACCOUNT
    if caller.organisation == setting.own_organisation:
        return Reach.ORGANISATION
    if caller.source:
        return Reach.SOURCE
    if caller.account or caller.organisation:
        return Reach.NAMED
    if caller.kind is Kind.SERVICE:
        return Reach.SERVICE if caller.name and not statement.principals.anybody and not statement.excepted else Reach.ANYBODY
    return _stranger(one.network)


def _is_general(caller: Caller) -> bool:
    return caller.kind in (Kind.PRINCIPAL, Kind.SERVICE) and not caller.account


def _kept(found: list[_Found], setting: Setting) -> Iterator[_Found]:
    """Without the named accounts that are let in only as everybody else is: it is not the statement that names them."""
    general = {
        (each.caller.kind, each.caller.name, each.caller.source, each.caller.organisation, id(each.network))
        for each in found
        if each.certain and _is_general(each.caller)
    }
    for each in found:
        caller = each.caller
        if caller.account and caller.account != setting.account:
            alike = (caller.kind, caller.name, caller.source)
            if any((*alike, place, id(each.network)) in general for place in (caller.organisation, None)):
                continue
        if caller.organisation and not caller.account and (caller.kind, caller.name, caller.source, None, id(each.network)) in general:
            continue
        yield each


def _sum_up(statement: Statement, found: list[_Found], setting: Setting) -> Admission:
    if not statement.readable:
        return Admission(may_reach=Reach.ANYBODY, anonymous=Truth.UNKNOWN)
    kept = [(each, _reach(each, statement, setting)) for each in _kept(found, setting)]
    canonical = not setting.canonical_id
    sure = [
        (each, reach)
        for each, reach in kept
        if each.certain and not (canonical and each.caller.kind is Kind.CANONICAL and reach is Reach.NAMED)
    ]
    accounts: set[str] = set()
    organisations: set[str] = set()
    services: set[str] = set()
    bounds: set[str] = set()
    providers: set[str] = set()
    anonymous, held = Truth.NO, NO_ADDRESSES
    for each, reach in kept:
        caller, network = each.caller, each.network
        if reach is Reach.NAMED:
            if caller.account or caller.kind is Kind.CANONICAL:
                accounts.add(caller.account or caller.name)
            elif caller.organisation:
                organisations.add(caller.organisation)
        elif reach is Reach.NETWORK:
            bounds |= network.ids
            held = held.joined(network.held) if not network.held.is_empty else held
        if caller.kind is Kind.SERVICE and caller.name:
            services.add(caller.name)
        elif caller.kind is Kind.TOKEN:
            providers.add(caller.name)
        elif caller.kind is Kind.ANONYMOUS:
            anonymous |= Truth.YES if each.certain else Truth.UNKNOWN
    made = Admission(
        reach=widest(reach for _, reach in sure),
        may_reach=widest(reach for _, reach in kept),
        accounts=frozenset(accounts),
        organisations=frozenset(organisations),
        services=frozenset(services),
        networks=frozenset(bounds),
        providers=frozenset(providers),
        anonymous=anonymous,
        tokens=_tokens_of(statement, kept),
        held=held,
    )
    return made if held is NO_ADDRESSES else join([made])


def _tokens_of(statement: Statement, kept: list[tuple[_Found, Reach]]) -> str:
    if not any(not is_saml(each) for each in statement.principals.federated):
        return ""
    state = "nobody"
    for each, _ in kept:
        if each.caller.kind is not Kind.TOKEN:
            continue
        if each.caller.guest in (STRANGER, GUEST):
            here = "open" if each.certain else "unknown"
        elif each.caller.guest == CLUSTER:
            here = "cluster" if each.certain else "unknown"
        else:
            here = "bound" if each.certain else "unknown"
        state = max(state, here, key=TOKEN_ORDER.index)
    return state


def tried(document: Document, setting: Setting) -> Iterator[tuple[Caller, Truth]]:
    """Each kind of caller with whether some statement admits him from somewhere."""
    cast = Cast(document, setting)
    cases = Case.of(document)
    for caller in cast.callers:
        made = Truth.NO
        for case in cases:
            for found in _try(case, [caller], cast):
                made |= Truth.YES if found.certain else Truth.UNKNOWN
        yield caller, made


def whole(document: Document, admitted: Admitted) -> Admission:
    """Whom the whole document admits, out of what its statements do. Of one that cannot be read nothing is certain."""
    made = join(found for _, found in admitted)
    unread = not document.readable or any(not each.readable for each in document.statements)
    return replace(made, may_reach=Reach.ANYBODY) if unread else made


def reach(document: Document, setting: Setting) -> Admission:
    """Whom the whole document admits."""
    return whole(document, admit(document, setting))
