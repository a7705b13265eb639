"""Rows of users, groups and accounts: what all bindings together let each do, and come to, past what the API server ships.

Whoever bound it counts, be it to a part of the platform. What the API server itself binds to its own parts is taken off: a power counts
where it comes from other bindings, or where they and the shipped ones together make it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenTables
from cnamm_scan.providers.kubernetes.made.rbac import Powers, is_makers, is_named_by_maker, who_is
from cnamm_scan.providers.kubernetes.made.rbac_room import CLUSTER, CLUSTER_ROLE_BINDING, ROLE_BINDING, Room, rooms
from cnamm_scan.providers.kubernetes.policies.rbac import ways
from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH
from cnamm_scan.providers.kubernetes.policies.rbac.builtin import CONTROL_PLANE
from cnamm_scan.providers.kubernetes.policies.rbac.mapped import IAM
from cnamm_scan.providers.kubernetes.policies.rbac.raising import Climb, Outcome
from cnamm_scan.providers.kubernetes.policies.rbac.rights import Rights
from cnamm_scan.providers.kubernetes.policies.rbac.steps import TELLING, Looks, makes_pods
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import ACCOUNT, MASTERS, Subject, Who, who
from cnamm_scan.providers.one_place import EVERYWHERE
from cnamm_scan.providers.truths import Truth, all_of, any_of, both

Row = dict[str, Any]
_WRITES = ("create", "update", "patch", "delete", "deletecollection")
_ADMISSION_KINDS = tuple(
    f"{what}{kind}"
    for what, kinds in (
        ("validating", ("webhookconfigurations", "admissionpolicies", "admissionpolicybindings")),
        ("mutating", ("webhookconfigurations", "admissionpolicies", "admissionpolicybindings")),
    )
    for kind in kinds
)
_POWERFUL = TELLING | {*_ADMISSION_KINDS, "customresourcedefinitions", "pods/portforward", "*/portforward"}
"""Every resource that a power is over, as a rule may spell it."""
CLOUD = "Cloud"
"""Stands for whoever the cloud's own access entries let in, which the cluster does not show."""
_NODES = "system:nodes"
_EMERGENCIES = 2
"""So many may stand by for emergencies and be no administrators otherwise; where there are more, all of them count."""
_SIGNERS = (*ways.CLIENT_SIGNERS, *ways.NODE_SIGNERS)
"""Signers whose certificates let somebody in at the API server; those of kubelets' own servers do not."""


@dataclass(frozen=True)
class _Powers:
    """What somebody may do in the whole cluster, or in a namespace of the platform that is not his own."""

    uses_wildcards: Truth
    reads_secrets: Truth
    makes_pods: Truth
    enters_pods: Truth
    proxies_nodes: Truth
    approves_certificates: Truth
    changes_webhooks: Truth
    makes_tokens: Truth
    makes_volumes: Truth
    installs_kinds: Truth


_NAMES = tuple(each.name for each in fields(_Powers))
_OUTCOMES = ("holds_everything", "is_administrator", "becomes_administrator", "owns_namespace")


class _Judge:
    """What rights mean, worked out once for all who have the same."""

    def __init__(self, room: Room) -> None:
        self.room, self.cluster, self.climb = room, room.cluster, Climb(room.cluster)
        self._powers: dict[tuple[int, str], _Powers] = {}

    def powers(self, rights: Rights, home: str) -> _Powers:
        """The powers of rights whose holder lives in this namespace; empty for users and groups."""
        key = (id(rights), home if home in rights.places else "")
        if key not in self._powers:
            self._powers[key] = self._found(rights, home)
        return self._powers[key]

    def _found(self, rights: Rights, home: str) -> _Powers:
        wildcards = self._wildcards(rights)
        if not rights.speaks_of(_POWERFUL) and not self.cluster.hidden and all(map(rights.sees, ("", *rights.places, CONTROL_PLANE))):
            return _Powers(wildcards, *[False] * (len(_NAMES) - 1))
        looks = Looks(rights, self.cluster)
        others = (*rights.places, *(place for place in self.cluster.hidden if place != FRESH))
        wide = {place for place in others if place != home and self.room.is_platforms(place)}
        places = (FRESH, *sorted(wide | {CONTROL_PLANE}))

        def anywhere(verbs: tuple[str, ...], group: str, resource: str, sub: str = "") -> Truth:
            return any_of(looks.any(verbs, group, resource, sub, place) for place in places)

        def one_of(verbs: tuple[str, ...], resource: str, sub: str) -> Truth:
            """On a named object too: to be one account, or in one pod, of the platform is enough."""
            return any_of(looks.one(verbs, "", resource, sub, place) for place in places)

        inside = ("exec", "attach", "portforward")
        return _Powers(
            uses_wildcards=wildcards,
            reads_secrets=anywhere(ways.READS, "", "secrets"),
            makes_pods=any_of(makes_pods(looks, place) for place in places),
            enters_pods=any_of(
                [
                    *(one_of(ways.CREATES, "pods", sub) for sub in inside),
                    both(any_of(one_of(("get",), "pods", sub) for sub in inside), self.cluster.features.get_enters_pods),
                    one_of(ways.CHANGES, "pods", "ephemeralcontainers"),
                ]
            ),
            proxies_nodes=looks.one(("get", "create"), "", "nodes", "proxy"),
            approves_certificates=both(
                looks.any(ways.CHANGES, ways.CERTIFICATES, "certificatesigningrequests", "approval"),
                any_of(looks.any(("approve",), ways.CERTIFICATES, "signers", name=each) for each in _SIGNERS),
            ),
            changes_webhooks=any_of(looks.one(_WRITES, ways.ADMISSION, kind) for kind in _ADMISSION_KINDS),
            makes_tokens=one_of(ways.CREATES, "serviceaccounts", "token"),
            makes_volumes=looks.any(ways.CREATES, "", "persistentvolumes"),
            installs_kinds=looks.one(_WRITES, "apiextensions.k8s.io", "customresourcedefinitions"),
        )

    def _wildcards(self, rights: Rights) -> Truth:
        if any("*" in (*rule.verbs, *rule.resources) and not rule.urls for _, rule in rights.rules()):
            return True
        return False if not self.cluster.hidden and all(map(rights.sees, ("", *rights.places))) else None


@dataclass(frozen=True)
class _Holder:
    """A subject with the rights that it has by all bindings, by those that are not shipped, and by the shipped alone."""

    judge: _Judge
    subject: Subject
    caller: Who
    is_shipped: Truth
    is_makers: Truth
    every: Rights
    others: Rights
    shipped: Rights

    @classmethod
    def of(cls, judge: _Judge, subject: Subject, caller: Who) -> _Holder:
        cluster, standing = judge.cluster, judge.room.standing
        mine, is_master = cluster.bindings_of(caller), subject.kind == IAM and MASTERS in caller.groups
        shipped = frozenset(each for each in mine if standing[each].shipped & caller.subjects and not _names_more(judge.room, each, caller))
        own = [each for each in mine if subject in (standing[each].binding.subjects or ())]
        return cls(
            judge,
            subject,
            caller,
            is_shipped=subject.kind != IAM and _is_shipped(judge.room, subject, own, shipped),
            is_makers=subject.kind != IAM and _is_makers(judge.room, subject, [each for each in own if each not in shipped]),
            every=cluster.rights_of(cluster.grants(caller), is_master),
            others=cluster.rights_of(cluster.grants(caller, shipped), is_master),
            shipped=cluster.rights_of(cluster.grants(caller, frozenset(mine) - shipped)),
        )

    @property
    def all_rights(self) -> tuple[Rights, Rights, Rights]:
        """Everything that has to be judged."""
        return self.every, self.others, self.shipped

    @cached_property
    def home(self) -> str:
        """The namespace of an account."""
        return self.subject.namespace if self.subject.kind == ACCOUNT else ""

    def row(self) -> Row:
        """The columns of what it holds."""
        climb, made = self.judge.climb, {}
        every, others, shipped = (climb.outcome(rights) for rights in self.all_rights)
        for name in _OUTCOMES:
            made[name] = _past(getattr(every, name), getattr(others, name), getattr(shipped, name))
        powers = [self.judge.powers(rights, self.home) for rights in self.all_rights]
        for name in _NAMES:
            made[name] = _past(*(getattr(each, name) for each in powers))
        told = others if others.becomes_administrator else every
        return {
            **made,
            "ways": _ways(told, made["becomes_administrator"]),
            "reach": _reach(every, made),
            "namespaces": list(every.namespaces),
        }


def _is_shipped(room: Room, subject: Subject, own: Sequence[int], shipped: frozenset[int]) -> Truth:
    """Whether its own bindings are all shipped; None where that, or whom another binding names, was not seen."""
    found = all_of(each in shipped or _unsure(room, each, subject) for each in own)
    return found if _sees_all(room) else found and None


def _sees_all(room: Room) -> bool:
    """Whether every binding was seen, with whom it names: another may be one of a subject's."""
    return room.sees(ROLE_BINDING) and room.sees(CLUSTER_ROLE_BINDING) and all(each.binding.subjects is not None for each in room.standing)


def _unsure(room: Room, number: int, subject: Subject) -> Truth:
    """Of a binding that is not shipped as far as was seen: None where what was not seen may say that it is."""
    return None if room.ships(room.standing[number], subject) is None else False


def _is_makers(room: Room, subject: Subject, own: Sequence[int]) -> Truth:
    """Whether bindings that are not shipped are all the maker's; None where more of them may be there than were seen."""
    if not own:
        return False
    found = all_of(any_of([is_makers(room.standing[each], subject), _unsure(room, each, subject)]) for each in own)
    return found if _sees_all(room) else found and None


def _names_more(room: Room, number: int, caller: Who) -> bool:
    """Whether a shipped binding means this caller by another name than the one that is shipped."""
    bound = room.standing[number]
    return not (caller.subjects & set(bound.binding.subjects or ())) <= bound.shipped


def _past(every: Truth, others: Truth, shipped: Truth) -> Truth:
    """Whether a power comes from more than what is shipped."""
    return any_of([others, both(every, None if shipped is None else not shipped)])


def _ways(outcome: Outcome, becomes: Truth) -> str:
    listed = outcome.ways if becomes else outcome.possible_ways if becomes is None else ()
    if not listed:
        return "none" if becomes is False else "unknown"
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return "; ".join(listed[:3]) + more


def _reach(every: Outcome, made: Mapping[str, Any]) -> str | None:
    if made["becomes_administrator"] is not False:
        return "administrator" if made["becomes_administrator"] else None
    return "namespace" if every.namespaces else "account" if every.accounts else "none"


def _holders(room: Room) -> tuple[_Judge, list[_Holder]]:
    judge = _Judge(room)
    bound = room.cluster.subjects()
    found = [_Holder.of(judge, subject, who(subject)) for subject in sorted(bound)]
    found += [_Holder.of(judge, each.subject, each.caller(bound)) for each, _ in room.mapped if each is not None]
    judge.climb.outcomes([rights for holder in found for rights in holder.all_rights])
    return judge, found


def subjects(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each user, group and account that a binding names, and for whom a cloud lets in: one by one where the cluster maps them."""
    for room in rooms(seen):
        judge, found = _holders(room)
        mapping = {each.subject: row.fact for each, row in room.mapped if each is not None}
        for holder in found:
            numbers = judge.cluster.bindings_of(holder.caller)
            facts = dict.fromkeys(
                [*filter(None, [mapping.get(holder.subject)]), *(fact for each in numbers for fact in _facts(room, each))]
            )
            held = _held(room, holder)
            whose = {"is_shipped": holder.is_shipped, "is_makers": holder.is_makers, "is_platforms": _is_platforms(room, holder, held)}
            row = {"subject": holder.subject.text, **_who(room, holder), **whose, **held}
            yield MadeRow(room.target.id, EVERYWHERE, holder.subject.text, row, tuple(facts))
        for bound in room.standing:
            if bound.binding.subjects is None:  # one row for whom it names
                yield MadeRow(room.target.id, EVERYWHERE, bound.key, {}, (bound.row.fact,))
        for each, entry in room.mapped:
            if each is None:
                yield _unread(IAM, str(entry.values["part"] or entry.key), [entry.fact], room)
        if room.managed_by or room.may_be_managed:
            yield _unread(CLOUD, room.managed_by or "unknown", [each.fact for each in room.rows(CLUSTER)], room)


def _who(room: Room, holder: _Holder) -> Row:
    made = who_is(room, holder.subject)
    # a node is a part of the cluster by the name that it comes as, not by that of its role
    return made | {"is_component": _NODES in holder.caller.groups} if holder.subject.kind == IAM else made


def _is_platforms(room: Room, holder: _Holder, held: Row) -> Truth:
    """Whether it is part of what the cluster is made of. An account that holds everything is judged whoever runs as it."""
    subject, everything = holder.subject, held["holds_everything"]
    if subject.kind != ACCOUNT:
        return holder.is_makers
    if room.is_built_in(subject):
        return True
    if subject.name == "default" or not room.is_platforms(subject.namespace) or everything:
        return False
    runs = any_of([room.runs(subject), _is_of_managed(room, holder)])
    return runs if everything is False else runs and None


def _is_of_managed(room: Room, holder: _Holder) -> Truth:
    """Whether a cloud runs it with the control plane, where no pod shows, and nobody but the cloud and the API server has bound it."""
    if not room.managed_by or holder.subject.namespace != "kube-system":
        return False
    own = [room.standing[each] for each in holder.judge.cluster.bindings_of(holder.caller)]
    own = [each for each in own if holder.subject in (each.binding.subjects or ())]
    found = all(holder.subject in each.shipped or is_named_by_maker(each) for each in own)
    return found if _sees_all(room) else found and None


def _held(room: Room, holder: _Holder) -> Row:
    """What a holder holds; of one whom the cluster may not let in at all, nothing is certain but what he would not hold either."""
    row = holder.row()
    if holder.subject.kind != IAM or room.reads_mapping:
        return row
    open_now = {name: row[name] and None for name in (*_OUTCOMES, *_NAMES)}
    return row | open_now | ({} if row["reach"] == "none" else {"reach": None, "namespaces": row["namespaces"] and None})


def _facts(room: Room, number: int) -> Iterator[str]:
    bound = room.standing[number]
    yield bound.row.fact
    if bound.binding.role in room.roles:
        yield room.roles[bound.binding.role][1].fact


def _unread(kind: str, name: str, facts: Sequence[str], room: Room) -> MadeRow:
    """Somebody of whom nothing is known: what a cloud's own entries, and certificates that it signs, give stands in no cluster."""
    row = {
        "subject": f"{kind} {name}",
        "subject_kind": kind,
        "subject_namespace": "",
        "subject_name": name,
        "account": "",
        "is_component": False,
        "is_unnamed": False,
        "is_everyone": False,
        "is_shipped": False,
        "is_makers": False,
        "is_platforms": False,
        "ways": "unknown",
    }
    return MadeRow(room.target.id, EVERYWHERE, f"{kind} {name}", row, tuple(facts))


def _emergencies(room: Room) -> tuple[dict[Subject, None], bool]:
    """Whom emergency bindings give everything in the whole cluster where these are too many, and whether more of them may be."""
    bindings = [each.binding for each in room.bindings if each.row.values["is_break_glass"] and not each.binding.namespace]
    if not bindings:
        return {}, False
    powers = Powers(room)
    sure, maybe, is_open = dict[Subject, None](), dict[Subject, None](), False
    for each in bindings:
        privileged = powers.is_privileged(each)
        is_open = is_open or (each.subjects is None and privileged is not False)
        (sure if privileged else maybe if privileged is None else {}).update(dict.fromkeys(each.subjects or ()))
    is_open = is_open or (not maybe.keys() <= sure.keys() and len(sure | maybe) > _EMERGENCIES)
    return (sure if len(sure) > _EMERGENCIES else {}), is_open


def administrators(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each cluster with how many own it: a group counts as one; shipped bindings, the maker's and the first two for emergencies
    do not, nor do the operators that OpenShift is made of and what installs the charts that K3s and RKE2 come with.

    An identity of AWS counts where none of the users and groups that it comes as does.
    """
    for room in rooms(seen):
        for cluster in room.rows(CLUSTER):
            counted, possible = dict[Subject, None](), bool(room.managed_by) or room.managed_by is None
            possible = possible or not (room.sees(ROLE_BINDING) and room.sees(CLUSTER_ROLE_BINDING))
            possible = possible or any(each is None for each, _ in room.mapped)
            for holder in _holders(room)[1]:
                if room.is_built_in(holder.subject):
                    continue
                if holder.is_makers is not False:
                    possible = possible or holder.is_makers is None
                    continue
                is_administrator = _held(room, holder)["is_administrator"]
                if is_administrator and not (holder.subject.kind == IAM and counted.keys() & holder.caller.subjects):
                    counted[holder.subject] = None
                possible = possible or is_administrator is None
            emergency, more = _emergencies(room)
            counted, possible = counted | emergency, possible or more
            names = [each.text for each in counted]
            row = {"at_least": len(names), "at_most": None if possible else len(names), "names": names}
            yield MadeRow(room.target.id, EVERYWHERE, cluster.key, row, (cluster.fact,))
