"""Rows of bindings, of whom they name, and of the rules of roles: each for itself, nothing joined over bindings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenTables
from cnamm_scan.providers.kubernetes.made.rbac_room import CLUSTER_ROLE, Bound, Room, moment, rooms
from cnamm_scan.providers.kubernetes.policies.rbac import builtin
from cnamm_scan.providers.kubernetes.policies.rbac.asking import Rule
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Binding
from cnamm_scan.providers.kubernetes.policies.rbac.raising import Climb
from cnamm_scan.providers.kubernetes.policies.rbac.rights import Grant, RoleName
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import (
    ACCOUNT,
    ACCOUNTS,
    ANONYMOUS,
    AUTHENTICATED,
    GROUP,
    MASTERS,
    UNAUTHENTICATED,
    USER,
    Subject,
)
from cnamm_scan.providers.one_place import EVERYWHERE
from cnamm_scan.providers.truths import Truth, all_of, any_of

Row = dict[str, Any]
_RANCHERS = r"(k3s|rke2)-cloud-controller-manager"
"""Whom K3s and RKE2 bind for their own controller, which runs in no pod."""
_MAKERS_OWN = re.compile(
    rf"(system|eks|aks|gke|gce|kubeadm):|aks-cluster-admin-binding$|{_RANCHERS}(-auth-delegator|-authentication-reader)?$"
)
_MAKERS_NAMES = {
    USER: re.compile(r"(eks|aks|gke|gce|kubeadm):.+|system:(?!(anonymous$|node:|bootstrap:)).+|clusterAdmin|" + _RANCHERS),
    GROUP: re.compile(r"(eks|aks|gke|gce|kubeadm):.+"),
}
"""Whom the maker of a cluster names in bindings of its own. Groups of the API server (system:nodes) may be given more by anybody."""
_SERVERS_OWN = re.compile(r"(system:)?kube-apiserver(-kubelet-client)?|kubelet-api|kubernetes")
"""What distributions call the API server where it asks kubelets."""
_KUBELET_ROLE = "system:kubelet-api-admin"
_SUPPORT = ("aks-service-rolebinding", "aks-service")
"""By which Azure's support comes in while a ticket is open, whatever it is called."""
_BY_MAKERS = frozenset(
    (binding, role, Subject(kind, name))
    for binding, role, kind, name in (
        # OpenShift: https://docs.redhat.com/en/documentation/openshift_container_platform/4.2/html/authentication/using-rbac
        ("cluster-admins", "cluster-admin", GROUP, "system:cluster-admins"),
        ("cluster-admins", "cluster-admin", USER, "system:admin"),
        ("cluster-readers", "cluster-reader", GROUP, "system:cluster-readers"),
        ("system:node-admins", "system:node-admin", GROUP, "system:node-admins"),
        # AKS, whose nodes are no more restricted than their role
        ("system:aks-client-nodes", "system:node", GROUP, "system:nodes"),
        ("system:aks-client-node-proxier", "system:node-proxier", GROUP, "system:nodes"),
        # GKE: https://github.com/kubernetes/kubernetes/tree/master/cluster/gce/addons/rbac
        ("kubelet-cluster-admin", "system:node", USER, "kubelet"),
        ("kubelet-bootstrap", "system:node-bootstrapper", USER, "kubelet"),
        ("kubelet-user-npd-binding", "system:node-problem-detector", USER, "kubelet"),
        ("npd-binding", "system:node-problem-detector", USER, "node-problem-detector"),
        ("kube-apiserver-kubelet-api-admin", "kubelet-api-admin", USER, "kube-apiserver"),
    )
)
"""What a cluster comes with that bears no maker's prefix: name of the binding, of its role, and whom it binds."""
_COMPONENT = re.compile(r"(system|eks|aks|gke):")
_OUTSIDER = re.compile(
    r"@(gmail|googlemail|outlook|hotmail|msn|yahoo|ymail|icloud|gmx|protonmail|tutanota|aol|yandex|fastmail|zohomail)[.]"
    r"|@(live([.]com?)?[.][a-z]{2,3}|proton[.](me|ch)|zoho[.](com|eu|in)|(naver|comcast|rediffmail|duck)[.](com|net)|(free|laposte)[.](fr|net)|seznam[.]cz)$"
    r"|@((me|mac|mail|qq|163|126|hey)[.]com|mail[.]ru|pm[.]me|web[.]de|t-online[.]de|orange[.]fr|libero[.]it|tuta[.]io)$|#ext#"
)
_OAUTH = "system:authenticated:oauth"
"""Everybody who signed in at OpenShift's own server for that."""
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""How AKS knows who comes from Entra: whether that is a guest stands in the directory alone."""
_EVERYONE = frozenset({Subject(USER, ANONYMOUS), *(Subject(GROUP, name) for name in (UNAUTHENTICATED, AUTHENTICATED, ACCOUNTS, _OAUTH))})
_UNNAMED = frozenset({Subject(USER, ANONYMOUS), Subject(GROUP, UNAUTHENTICATED)})


_SPANS = re.compile(r"([0-9]+(?:[.][0-9]+)?)(weeks?|wks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)")
_HOURS = {"w": 168.0, "d": 24.0, "h": 1.0, "m": 1 / 60, "s": 1 / 3600}
_FOR_EVER, _DAY, _LATEST = 1e8, timedelta(days=1), datetime(9999, 12, 31, tzinfo=UTC)
"""More hours than the calendar has, and its last day."""


def _end(text: str) -> datetime | timedelta | None:
    """A span such as 1d12h, or the end of a day; None of what no product heeds."""
    if not _SPANS.sub("", text):
        return timedelta(hours=min(_FOR_EVER, sum(float(number) * _HOURS[unit[0]] for number, unit in _SPANS.findall(text))))
    try:
        day = datetime.strptime(text[:10], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None
    return min(day, _LATEST - _DAY) + _DAY


def _ends(ttl: Any) -> list[datetime | timedelta | None]:
    """When each of the products that are told to delete a binding is to do so. `forever` tells none."""
    return [_end(text) for text in str(ttl or "").split("; ") if text not in ("", "forever")]


def _start(made: Any) -> datetime | None:
    return made.replace(tzinfo=UTC) if isinstance(made, datetime) else None


def ends_at(ttl: Any, made: Any) -> datetime | None:
    """When the first that heeds what it is told deletes a binding. None where none does, or where it hangs on an unknown beginning."""
    start, found = _start(made), list[datetime]()
    for end in _ends(ttl):
        if isinstance(end, datetime):
            found.append(end)
        elif end is not None:
            if start is None:
                return None
            found.append(start + min(end, _LATEST - start))
    return min(found, default=None)


def lasts_hours(ttl: Any, made: Any) -> float | None:
    """How many hours a binding is to live from when it was made.

    None where nothing says so, or in no form that is heeded, or where products are told different times: which of them runs decides.
    """
    start, spans = _start(made), set[timedelta | None]()
    for end in _ends(ttl):
        spans.add(end if not isinstance(end, datetime) else None if start is None else end - start)
    span = spans.pop() if len(spans) == 1 else None
    return None if span is None else span / timedelta(hours=1)


class Powers:
    """What roles mean by themselves, each worked out once."""

    def __init__(self, room: Room) -> None:
        cluster = room.roles_alone
        roles = sorted({bound.binding.role for bound in room.bindings})
        several = [cluster.rights_of(frozenset({Grant(role)})) for role in roles]
        outcomes = Climb(cluster).outcomes(several)
        self._found = {role: outcome.is_administrator for role, outcome in zip(roles, outcomes, strict=True)}

    def is_privileged(self, binding: Binding) -> Truth:
        """Whether a binding's role, held in the whole cluster, is everything or leads there by RBAC's own means."""
        return None if not binding.role_kind or not binding.role_name else self._found[binding.role]


def _held(bound: Bound, powers: Powers) -> Row:
    values, binding = bound.row.values, bound.binding
    built_in = values["is_builtin"]
    return {
        "role_kind": values["role_kind"],
        "role_name": values["role_name"],
        "created_at": moment(values["created_at"]),
        "managers": values["managers"],
        "is_builtin": built_in,
        "is_platforms": True if _MAKERS_OWN.match(binding.name) else built_in,
        "is_break_glass": values["is_break_glass"],
        "is_privileged": powers.is_privileged(binding),
        "has_expiry": values["has_expiry"],
        "removers": values["removers"],
        "lasts_hours": lasts_hours(values["ttl"], values["created_at"]),
    }


def _facts(room: Room, bound: Bound) -> tuple[str, ...]:
    role = room.roles.get(bound.binding.role)
    return (bound.row.fact,) if role is None else (bound.row.fact, role[1].fact)


def is_named_by_maker(bound: Bound) -> bool:
    """Whether a binding is called as the makers of clusters call theirs."""
    return bool(_MAKERS_OWN.match(bound.binding.name))


def is_makers(bound: Bound, subject: Subject) -> Truth:
    """Whether a binding was made with the cluster, by whoever sells or installs it, for a user or group of its own.

    What the API server ships is not the maker's: it counts as soon as somebody has changed it.
    """
    if not bound.binding.namespace and (bound.binding.name, bound.binding.role_name, subject) in _BY_MAKERS:
        return True
    names = _MAKERS_NAMES.get(subject.kind)
    found = names is not None and bool(_MAKERS_OWN.match(bound.binding.name) and names.fullmatch(subject.name))
    found = found or (subject.kind == USER and bound.binding.role_name == _KUBELET_ROLE and bool(_SERVERS_OWN.fullmatch(subject.name)))
    found = found or (bound.binding.name, bound.binding.role_name) == _SUPPORT
    built_in: bool | None = bound.row.values["is_builtin"]
    return found and (None if built_in is None else not built_in)


def bindings(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each binding."""
    for room in rooms(seen):
        powers = Powers(room)
        for bound in room.bindings:
            subjects = bound.binding.subjects
            row = {
                "binding_kind": bound.kind,
                "scope": bound.binding.namespace,
                "name": bound.row.values["name"],
                **_held(bound, powers),
                "is_shipped": None if subjects is None else all_of([room.ships(bound, each) for each in subjects]) if subjects else False,
                "is_makers": None if subjects is None else bool(subjects) and all_of(is_makers(bound, each) for each in subjects),
                "ttl": bound.row.values["ttl"],
                "ends_at": moment(ends_at(bound.row.values["ttl"], bound.row.values["created_at"])),
                "reviewed_on": bound.row.values["reviewed_on"],
            }
            yield MadeRow(room.target.id, EVERYWHERE, bound.key, row, _facts(room, bound))


def who_is(room: Room, subject: Subject) -> Row:
    """The columns of a subject that its name alone decides."""
    is_everyone = subject in _EVERYONE
    if subject.kind == ACCOUNT:
        is_component = room.is_platforms(subject.namespace)
    else:
        groups_of_accounts = subject.kind == GROUP and subject.name.startswith(f"{ACCOUNTS}:")
        is_component = not is_everyone and not groups_of_accounts and subject.name != MASTERS and bool(_COMPONENT.match(subject.name))
    return {
        "subject_kind": subject.kind,
        "subject_namespace": subject.namespace,
        "subject_name": subject.name,
        "account": f"{subject.namespace}/{subject.name}" if subject.kind == ACCOUNT else "",
        "is_component": is_component,
        "is_unnamed": subject in _UNNAMED,
        "is_everyone": is_everyone,
    }


def is_outsider(subject: Subject) -> Truth:
    """Whether a user's name is a guest's or an address at a mail provider; None of the object id of somebody in a directory."""
    if subject.kind != USER:
        return False
    return None if _OBJECT_ID.fullmatch(subject.name.lower()) else bool(_OUTSIDER.search(subject.name.lower()))


def binding_subjects(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each subject of each binding, numbered as it stands there."""
    for room in rooms(seen):
        powers = Powers(room)
        for bound in room.bindings:
            place = bound.binding.namespace
            if bound.binding.subjects is None:
                yield MadeRow(room.target.id, EVERYWHERE, f"{bound.key}#0", {"binding": bound.row.values["name"]}, _facts(room, bound))
                continue
            held = _held(bound, powers)
            for number, subject in enumerate(bound.binding.subjects):
                row = {
                    "binding_kind": bound.kind,
                    "scope": place,
                    "is_wide": not place or room.is_platforms(place),
                    "binding": bound.row.values["name"],
                    **held,
                    "is_shipped": room.ships(bound, subject),
                    "is_makers": is_makers(bound, subject),
                    **who_is(room, subject),
                    "is_outsider": is_outsider(subject),
                }
                yield MadeRow(room.target.id, EVERYWHERE, f"{bound.key}#{number}", row, _facts(room, bound))


# ---- rules of roles ------------------------------------------------------------------------------------------------------


def _has(listed: tuple[str, ...], *wanted: str) -> bool:
    return "*" in listed or any(each in listed for each in wanted)


def _flags(rule: Rule, get_enters: Truth) -> Row:
    """What one rule lets its holder do, be it on named objects alone."""
    core, changes = _has(rule.groups, ""), _has(rule.verbs, "update", "patch", "delete", "deletecollection")
    reads = core and _has(rule.verbs, "get", "list", "watch")
    is_cluster_info = rule.names == ("cluster-info",) and rule.resources == ("configmaps",)
    inside = [each for sub in ("exec", "attach", "portforward") for each in (f"pods/{sub}", f"*/{sub}")]
    debug = ("pods/ephemeralcontainers", "*/ephemeralcontainers")
    enters = (_has(rule.verbs, "create") and _has(rule.resources, *inside)) or (
        _has(rule.verbs, "update", "patch") and _has(rule.resources, *debug)
    )
    by_get = get_enters if core and _has(rule.verbs, "get") and _has(rule.resources, *inside) else False
    return {
        "writes": bool(rule.resources) and (changes or _has(rule.verbs, "create")),
        "reads_config": reads and not is_cluster_info and _has(rule.resources, "secrets", "configmaps"),
        "enters_pods": any_of([core and enters, by_get]),
        "proxies_nodes": core and _has(rule.verbs, "get", "create") and _has(rule.resources, "nodes/proxy", "*/proxy"),
        "stops_sensors": (_has(rule.groups, "apps") and changes and _has(rule.resources, "daemonsets"))
        or (core and _has(rule.verbs, "delete", "deletecollection") and _has(rule.resources, "namespaces")),
    }


def role_rules(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each rule that each role has in effect, and one that says nothing where there may be more."""
    for room in rooms(seen):
        names = list(room.roles)
        if not room.sees(CLUSTER_ROLE):
            names += [name for each in builtin.ROLES if (name := RoleName("ClusterRole", each)) not in room.roles]
        for name in names:
            yield from _rules_of(room, name)


def _rules_of(room: Room, name: RoleName) -> Iterator[MadeRow]:
    rules, whole = room.roles_alone.rules(name)
    get_enters = room.roles_alone.features.get_enters_pods
    found = room.roles.get(name)
    key = f"{name.kind} {name.namespace}/{name.name}" if name.namespace else f"{name.kind} {name.name}"
    facts = () if found is None else (found[1].fact,)
    of = {
        "role_kind": name.kind,
        "role_namespace": name.namespace,
        "role_name": name.name,
        "is_builtin_role": True if found is None else found[1].values["is_builtin"],
    }
    for number, rule in enumerate(rules):
        written = {
            "verbs": list(rule.verbs),
            "api_groups": list(rule.groups),
            "resources": list(rule.resources),
            "resource_names": list(rule.names),
            "urls": list(rule.urls),
        }
        yield MadeRow(
            room.target.id,
            EVERYWHERE,
            f"{key}#{number}",
            {**of, **written, **_flags(rule, get_enters)},
            facts,
        )
    if not whole and rules[:1] != builtin.EVERYTHING[:1]:
        yield MadeRow(room.target.id, EVERYWHERE, f"{key}#{len(rules)}", of, facts)
