"""One step up: what somebody's rights let him become. Where that leads in the end is told in `raising.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnamm_scan.providers.kubernetes.policies.rbac import ways
from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH, LISTING, NAMELESS, Ask
from cnamm_scan.providers.kubernetes.policies.rbac.builtin import CONTROL_PLANE
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Cluster
from cnamm_scan.providers.kubernetes.policies.rbac.leads import ALL, Account, Accounts, Step
from cnamm_scan.providers.kubernetes.policies.rbac.rights import Held, Rights
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import ACCOUNT, Subject
from cnamm_scan.providers.truths import Truth, any_of, both

_INTO = (*ways.MAKES_PODS, *ways.CHANGES_PODS, *ways.ENTERS_PODS)


def _spelled(resource: str, sub: str) -> set[str]:
    return {f"{resource}/{sub}", f"*/{sub}"} if sub else {resource}


TELLING = frozenset(
    {
        *("*", "configmaps", "groups", "namespaces", "nodes", "persistentvolumes", "pods", "secrets", "serviceaccounts", "users"),
        *("certificatesigningrequests", "clusterrolebindings", "clusterroles", "rolebindings", "roles", "signers"),
        *_spelled("serviceaccounts", "token"),
        *_spelled("certificatesigningrequests", "approval"),
        *(each for way in _INTO for each in _spelled(way.resource, way.subresource)),
        *(each for way in ways.OVER_THE_CLUSTER for _, _, resource, sub in way.rights for each in _spelled(resource, sub)),
    }
)
"""Every resource that a way asks of, as a rule may spell it: whose rules spell none of them has no way."""


_SPELLED = {
    spelled: frozenset(way for way in _INTO if spelled in _spelled(way.resource, way.subresource))
    for spelled in {each for way in _INTO for each in _spelled(way.resource, way.subresource)}
}
"""A resource as a rule may spell it -> the ways that ask of it."""


class Looks:
    """Questions about rights as ways ask them: of any object at all, or of those that are named."""

    def __init__(self, held: Held, cluster: Cluster) -> None:
        self.held, self.cluster = held, cluster
        self.places: Sequence[str] = (FRESH, *held.places)
        """FRESH stands for every namespace at once."""

    def any(self, verbs: Sequence[str], group: str, resource: str, sub: str = "", place: str = "", name: str | None = None) -> Truth:
        """Whether one of the verbs is held: on an object of this name, or with None on whichever."""
        if self.held.is_blank(resource, sub, place):
            return False
        return any_of(self.held.can(self._ask(verb, group, resource, sub, place, name)) for verb in verbs)

    def one(self, verbs: Sequence[str], group: str, resource: str, sub: str = "", place: str = "") -> Truth:
        """Whether one of the verbs is held on any object, be it on a named one alone."""
        if self.held.is_blank(resource, sub, place):
            return False
        names = (None, *sorted(self.held.names(group, resource, sub)))
        return any_of(self.any(verbs, group, resource, sub, place, name) for name in names)

    def spoken(self, several: Sequence[ways.Into]) -> Sequence[ways.Into]:
        """Those that may be held at all, somewhere."""
        if not isinstance(self.held, Rights) or self.held.is_master or not all(map(self.held.sees, self.places)):
            return several
        if "*" in self.held.spelled:
            return several
        found = [_SPELLED.get(each, frozenset()) for each in self.held.spelled]
        wanted = frozenset[ways.Into]().union(*found)
        return [each for each in several if each in wanted] if wanted else ()

    def named(self, verbs: Sequence[str], group: str, resource: str, sub: str = "", place: str = "") -> list[str]:
        """The names of the objects on which one of the verbs certainly is held."""
        names = sorted(self.held.names(group, resource, sub) - {""})
        return [name for name in names if self.any(verbs, group, resource, sub, place, name)]

    def verb(self, verbs: Sequence[str], group: str, resource: str, sub: str = "", place: str = "", name: str | None = None) -> str:
        """The first verb that is held, to be told."""
        return next((verb for verb in verbs if self.held.can(self._ask(verb, group, resource, sub, place, name))), verbs[0])

    @staticmethod
    def _ask(verb: str, group: str, resource: str, sub: str, place: str, name: str | None) -> Ask:
        if name is None:
            name = "" if verb in LISTING or (verb in NAMELESS and not sub) else FRESH
        return Ask(verb, group, resource, sub, name, place)


def holds_everything(held: Held) -> Truth:
    """Whether any verb on any resource is held in the whole cluster."""
    return held.can(Ask(FRESH, FRESH, FRESH, "", FRESH, FRESH))


def at(place: str) -> str:
    """Where a right is held, as an ending of a way's name."""
    return "" if place in ("", FRESH) else f" in {place}"


def steps(held: Held, cluster: Cluster) -> Iterator[Step]:
    """Every way that is open, or may be: those that RBAC itself makes are in `givers.py`."""
    looks = Looks(held, cluster)
    yield from _over_the_cluster(looks)
    yield from _certificates(looks)
    yield from _volumes(looks)
    yield from _aws_auth(looks)
    for each in looks.spoken(_INTO):
        yield from _into(looks, each)
    yield from _tokens(looks)
    yield from _secrets(looks)


def makes_pods(looks: Looks, place: str) -> Truth:
    """Whether pods may be made in a place, by themselves or through a kind whose controller makes them."""
    makers = looks.spoken(ways.MAKES_PODS)
    return any_of(both(looks.any(each.verbs, each.group, each.resource, place=place), _is_there(looks, each)) for each in makers)


def _is_there(looks: Looks, each: ways.Into) -> Truth:
    return True if each.is_builtin else looks.cluster.features.serves(each.group, each.resource)


def _into(looks: Looks, each: ways.Into) -> Iterator[Step]:
    is_there = _is_there(looks, each)
    if is_there is False:
        return
    for place in looks.places:
        older = both(_holds(looks, each, each.older_verbs, place), looks.cluster.features.get_enters_pods) if each.older_verbs else False
        held = any_of([_holds(looks, each, each.verbs, place), older])
        sure = both(held, is_there)
        if sure is not False:
            verb = looks.verb((*each.verbs, *each.older_verbs), each.group, each.resource, each.subresource, place)
            lead = ALL if place == FRESH else Accounts(place)
            yield Step(f"{verb} {each.of}{at(place)}", lead, sure is True, each.source)
        if sure and place == FRESH:
            return


def _holds(looks: Looks, each: ways.Into, verbs: tuple[str, ...], place: str) -> Truth:
    held = looks.any(verbs, each.group, each.resource, each.subresource, place)
    if held is False and each.is_named_too:
        # which account runs behind a name is not for rights to say
        return None if looks.named(verbs, each.group, each.resource, each.subresource, place) else False
    return held


def _over_the_cluster(looks: Looks) -> Iterator[Step]:
    for each in ways.OVER_THE_CLUSTER:
        held = both(*(looks.any(*right) for right in each.rights))
        if held is False and each.is_named_too:
            held = both(*(looks.one(*right) for right in each.rights))
            if held and each.rights[0][2] != "nodes":
                held = None  # whether an object of that name is there was not asked
        if held is not False:
            yield Step(each.name, ALL, bool(held) and each.is_sure, each.source)


def _certificates(looks: Looks) -> Iterator[Step]:
    group = ways.CERTIFICATES
    asked = both(
        looks.any(("create",), group, "certificatesigningrequests"),
        looks.one(ways.CHANGES, group, "certificatesigningrequests", "approval"),  # who makes a request names it
    )
    if asked is False:
        return
    for signers, is_sure in ((ways.CLIENT_SIGNERS, True), (ways.NODE_SIGNERS, False)):
        held = both(asked, any_of(looks.any(("approve",), group, "signers", name=name) for name in signers))
        if held is not False:
            yield Step(ways.SIGNS, ALL, bool(held) and is_sure, ways.SIGNERS)
            if held:
                return


def _volumes(looks: Looks) -> Iterator[Step]:
    made = looks.any(("create",), "", "persistentvolumes")
    if made is False:
        return
    for place in looks.places:
        held = both(made, makes_pods(looks, place))
        if held is not False:
            claims = looks.any(("create",), "", "persistentvolumeclaims", place=place)
            name = f"create persistentvolumes + create pods{at(place)}"
            # without a claim of one's own there has to be one that still waits for its volume
            yield Step(name, ALL, bool(held) and bool(claims), ways.GOOD_PRACTICES)
            if held and claims:
                return


def _aws_auth(looks: Looks) -> Iterator[Step]:
    held = both(looks.cluster.features.has_aws_auth, looks.any(ways.CHANGES, "", "configmaps", place="kube-system", name="aws-auth"))
    if held is not False:
        yield Step("update configmaps aws-auth in kube-system", ALL, held is True, ways.AWS_AUTH)


def _tokens(looks: Looks) -> Iterator[Step]:
    for place in looks.places:
        held = looks.any(("create",), "", "serviceaccounts", "token", place)
        if held is not False:
            lead = ALL if place == FRESH else Accounts(place)
            yield Step(f"create serviceaccounts/token{at(place)}", lead, held is True, ways.TOKENS)
            if held:
                if place == FRESH:
                    return
                continue
        for name in looks.named(("create",), "", "serviceaccounts", "token", place):
            for account in accounts_named(looks, place, name):
                yield Step(f"create serviceaccounts/token of {account.namespace}/{name}", Account(account), True, ways.TOKENS)


def accounts_named(looks: Looks, place: str, name: str) -> Iterator[Subject]:
    """The account of a name in a namespace; in every namespace, those of that name that a binding names."""
    if place != FRESH:
        yield Subject(ACCOUNT, name, place)
        return
    for namespace, accounts in looks.cluster.accounts.items():
        if any(account.name == name for account in accounts):
            yield Subject(ACCOUNT, name, namespace)


def _secrets(looks: Looks) -> Iterator[Step]:
    known = looks.cluster.features.token_secrets
    for place in looks.places:
        makes = looks.any(("create",), "", "secrets", place=place)
        made = both(makes, looks.one(ways.READS, "", "secrets", place=place))  # who makes a secret names it
        if made is not False:
            lead = ALL if place == FRESH else Accounts(place)
            yield Step(f"create secrets + get secrets{at(place)}", lead, made is True, ways.TOKENS)
        read = looks.any(ways.READS, "", "secrets", place=place)
        verb = looks.verb(ways.READS, "", "secrets", place=place)
        if place == FRESH and read is not False:
            # tokens that are made later are read as well
            yield Step(f"{verb} secrets", ALL, read is True, ways.GOOD_PRACTICES)
            if read:
                return
        elif read is not False and (known is None or read is None):
            # whether an account's token is among them was not seen; the control plane's namespace has other keys besides
            yield Step(f"{verb} secrets{at(place)}", Accounts(place), bool(read) and place == CONTROL_PLANE, ways.GOOD_PRACTICES)
            continue
        names = {secret for space, secret, _ in known or () if read} | set(looks.named(ways.READS, "", "secrets", place=place))
        if known is None:
            if names:
                lead = ALL if place == FRESH else Accounts(place)
                yield Step(f"get secrets by name{at(place)}", lead, False, ways.GOOD_PRACTICES)
            continue
        for space, secret, account in sorted(known):
            if secret in names and place in (FRESH, space):
                yield Step(f"get secrets {secret} in {space}", Account(Subject(ACCOUNT, account, space)), True, ways.GOOD_PRACTICES)
