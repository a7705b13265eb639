"""The steps up that RBAC itself makes: escalate, bind and impersonate, in all their forms, each with what it needs besides."""

from __future__ import annotations

from collections.abc import Iterator

from cnamm_scan.providers.kubernetes.policies.rbac import ways
from cnamm_scan.providers.kubernetes.policies.rbac.asking import FRESH, Ask
from cnamm_scan.providers.kubernetes.policies.rbac.builtin import CONTROL_PLANE
from cnamm_scan.providers.kubernetes.policies.rbac.leads import ALL, Account, Accounts, Acts, Lead, More, Step, Through
from cnamm_scan.providers.kubernetes.policies.rbac.rights import MASTER, Acting, Grant, Held, RoleName
from cnamm_scan.providers.kubernetes.policies.rbac.steps import Looks, accounts_named, at
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import AUTHENTICATED, MASTERS, USER, Subject, Who, who
from cnamm_scan.providers.truths import Truth, any_of, both


def givers(held: Held, looks: Looks) -> Iterator[Step]:
    """Every such way that is open, or may be. Acting in somebody's name for some requests does not nest."""
    yield from _escalate(looks)
    yield from _bind(looks)
    yield from _impersonate(looks)
    if not isinstance(held, Acting):
        yield from _constrained(looks)


# ---- escalate ------------------------------------------------------------------------------------------------------------


def _resource(kind: str) -> str:
    return "roles" if kind == "Role" else "clusterroles"


def _may(looks: Looks, verb: str, resource: str, name: str, place: str) -> Truth:
    """Whether the server's own check finds a right on a role: for one that is made now it has no name to look for."""
    return looks.held.may(Ask(verb, ways.RBAC, resource, "", name, place))


def _escalate(looks: Looks) -> Iterator[Step]:
    """Writes any rule into a role that one holds, or makes one that is aggregated into it, or whose binding waits for it."""
    for grant in sorted(looks.held.grants):
        for role in (grant.role, *looks.cluster.sources(grant.role)):
            yield from _rewrite(looks, role, grant.namespace)
        if (exists := looks.cluster.exists(grant.role)) is False or looks.cluster.is_aggregated(grant.role):
            yield from _fill(looks, grant, exists)
    if looks.held.can(Ask(FRESH, FRESH, FRESH, "", FRESH, FRESH)) is None:
        # roles that were not seen may be held: any of them would do
        sure = both(_may(looks, "escalate", "clusterroles", FRESH, ""), looks.any(ways.CHANGES, ways.RBAC, "clusterroles"))
        if sure is not False:
            yield Step("escalate clusterroles + update clusterroles", ALL, False, ways.ROLES)


def _everything_in(scope: str) -> Lead:
    return ALL if scope in ("", FRESH) else Accounts(scope, is_whole=True)


def _rewrite(looks: Looks, role: RoleName, scope: str) -> Iterator[Step]:
    resource = _resource(role.kind)
    changed = both(
        _may(looks, "escalate", resource, role.name, role.namespace),
        looks.any(ways.CHANGES, ways.RBAC, resource, place=role.namespace, name=role.name),
    )
    if changed is not False:
        verb = looks.verb(ways.CHANGES, ways.RBAC, resource, place=role.namespace, name=role.name)
        way = f"escalate {resource} + {verb} {resource} {role.name}{at(role.namespace)}"
        yield Step(way, _everything_in(scope), changed is True, ways.ROLES)


def _fill(looks: Looks, grant: Grant, exists: Truth) -> Iterator[Step]:
    role, resource = grant.role, _resource(grant.role.kind)
    made = both(_may(looks, "escalate", resource, "", role.namespace), looks.any(ways.CREATES, ways.RBAC, resource, place=role.namespace))
    if made is not False:
        way = f"escalate {resource} + create {resource} for {role.name}{at(role.namespace)}"
        yield Step(way, _everything_in(grant.namespace), bool(made) and exists is not None, ways.ROLES)


# ---- bind ----------------------------------------------------------------------------------------------------------------


def _bind(looks: Looks) -> Iterator[Step]:
    """Binds a role whose rights one lacks, to oneself: `bind` on the role, and a write on a binding of it."""
    more: dict[str, set[Grant]] = {}
    for place in looks.places:
        for scope, bindings in (("", "clusterrolebindings"), (place, "rolebindings")):
            if not scope and place != FRESH:
                continue
            for kind in ("ClusterRole", "Role") if scope else ("ClusterRole",):
                for step in _bound(looks, kind, bindings, scope):
                    if isinstance(step, Step):
                        yield step
                    else:
                        more.setdefault(f"bind {_resource(kind)} {step.role.name} + create {bindings}{at(scope)}", set()).add(step)
    for way, grants in more.items():
        if not grants <= set(looks.held.grants):
            yield Step(way, More(frozenset(grants)), True, ways.BINDINGS)


def _bound(looks: Looks, kind: str, bindings: str, scope: str) -> Iterator[Step | Grant]:
    """What may be bound by one kind of binding: everything there is, or the roles that are named."""
    resource = _resource(kind)
    if looks.held.is_blank(bindings, "", scope):
        return
    makes = looks.any(ways.CREATES, ways.RBAC, bindings, place=scope)
    any_role = both(any_of([makes, looks.any(ways.CHANGES, ways.RBAC, bindings, place=scope)]), _may(looks, "bind", resource, FRESH, scope))
    if any_role is not False and kind == "ClusterRole":
        verb = looks.verb((*ways.CREATES, *ways.CHANGES), ways.RBAC, bindings, place=scope)
        # to change a binding there has to be one of a role that is worth it: of ClusterRoleBindings there always is
        sure = bool(any_role) and (bool(makes) or not scope)
        yield Step(f"bind clusterroles + {verb} {bindings}{at(scope)}", _everything_in(scope), sure, ways.BINDINGS)
        if sure:
            return
    for role in _roles(looks, kind, resource, scope):
        for place in [role.namespace or scope] if makes else _joined(looks, bindings, scope, role):
            if _may(looks, "bind", resource, role.name, place):
                yield Grant(role, place)


def _roles(looks: Looks, kind: str, resource: str, scope: str) -> Iterator[RoleName]:
    """The roles that may be worth binding: those that rules write out, and for a right on any Role those of the place."""
    names = looks.held.names(ways.RBAC, resource)
    if kind == "ClusterRole":
        yield from (RoleName(kind, name) for name in sorted(names - {""}))
        return
    is_any = _may(looks, "bind", resource, FRESH, scope)
    for role in sorted(looks.cluster.roles) if is_any or names else ():
        if role.kind == "Role" and scope in (FRESH, role.namespace) and (is_any or role.name in names):
            yield role


def _joined(looks: Looks, bindings: str, scope: str, role: RoleName) -> Iterator[str]:
    """Where one may write oneself into a binding of this role that is there."""
    for binding in looks.cluster.bindings_to(role):
        if bool(binding.namespace) != bool(scope) or scope not in ("", FRESH, binding.namespace):
            continue
        if looks.any(ways.CHANGES, ways.RBAC, bindings, place=binding.namespace, name=binding.name):
            yield binding.namespace


# ---- impersonate ---------------------------------------------------------------------------------------------------------


def _impersonate(looks: Looks) -> Iterator[Step]:
    """Acts as somebody else by headers: groups only beside a user or an account, and all of them in the core group."""
    yield from _acting_as(looks, "", ("impersonate",))


def _acting_as(looks: Looks, group: str, verbs: tuple[str, ...]) -> Iterator[Step]:
    users, named = looks.any(verbs, group, "users"), _users(looks, group, verbs)
    if users is not False:
        yield Step(f"{verbs[0]} users", ALL, users is True, ways.IMPERSONATION)
    is_somebody = any_of([users, bool(named)])
    for place in looks.places:
        accounts = looks.any(verbs, group, "serviceaccounts", place=place)
        of_name = looks.named(verbs, group, "serviceaccounts", place=place)
        is_somebody = any_of([is_somebody, accounts, bool(of_name)])
        if accounts is not False:
            lead = ALL if place == FRESH else Accounts(place)
            yield Step(f"{verbs[0]} serviceaccounts{at(place)}", lead, accounts is True, ways.IMPERSONATION)
            if accounts:
                continue
        for name in of_name:
            for account in accounts_named(looks, place, name):
                way = f"{verbs[0]} serviceaccounts {account.namespace}/{name}"
                yield Step(way, Account(account), True, ways.IMPERSONATION)
    yield from _acting_with(looks, group, verbs, is_somebody, named)


def _users(looks: Looks, group: str, verbs: tuple[str, ...]) -> list[str]:
    """The users that may be acted as by name. An account's long name is no user's: it is asked for as an account."""
    return [name for name in looks.named(verbs, group, "users") if Subject.of(USER, name).kind == USER]


def _acting_with(looks: Looks, group: str, verbs: tuple[str, ...], is_somebody: Truth, named: list[str]) -> Iterator[Step]:
    """Groups, which need somebody to be acted as; and users that are named, with whichever groups may be had."""
    groups = looks.any(verbs, group, "groups")
    chosen = frozenset(looks.named(verbs, group, "groups"))
    masters = both(is_somebody, any_of([groups, MASTERS in chosen]))
    if masters is not False:
        way = f"{verbs[0]} groups" if groups else f"{verbs[0]} groups {MASTERS}"
        yield Step(f"{way} + {verbs[0]} users", ALL, masters is True, ways.IMPERSONATION)
    for name in named:
        yield Step(f"{verbs[0]} users {name}", Acts(Who(name, who(Subject(USER, name)).groups | chosen)), True, ways.IMPERSONATION)
    if chosen and not named and is_somebody is not False:
        way = f"{verbs[0]} groups {', '.join(sorted(chosen))} + {verbs[0]} serviceaccounts"
        yield Step(way, Acts(Who("", chosen | {AUTHENTICATED})), is_somebody is True, ways.IMPERSONATION)


# ---- impersonate for some requests ---------------------------------------------------------------------------------------


def _constrained(looks: Looks) -> Iterator[Step]:
    """Acts as somebody else for the requests that `impersonate-on:` names: what both hold, with the other's own standing."""
    is_on = looks.cluster.features.constrained_impersonation
    if is_on is False:
        return
    group, mode = ways.AUTHENTICATION, ways.USER_MODE
    for step in _acting_as_users(looks, (f"impersonate:{mode}",)):
        yield _acted(looks, mode, step, is_on)
    mode = ways.ACCOUNT_MODE
    verbs = (f"impersonate:{mode}",)
    for place in looks.places:
        accounts = looks.any(verbs, group, "serviceaccounts", place=place)
        known = looks.cluster.accounts
        if accounts is not False:
            spaces = known if place == FRESH else [place]
            if place in (FRESH, CONTROL_PLANE):  # accounts of the control plane that no binding shows
                yield _acted(looks, mode, Step(f"{verbs[0]} serviceaccounts{at(place)}", ALL, False, ways.CONSTRAINED), is_on)
            for account in (each for space in spaces for each in known.get(space, ())):
                way = f"{verbs[0]} serviceaccounts {account.namespace}/{account.name}"
                yield _acted(looks, mode, Step(way, Account(account), accounts is True, ways.CONSTRAINED), is_on)
            continue
        for name in looks.named(verbs, group, "serviceaccounts", place=place):
            for account in accounts_named(looks, place, name):
                way = f"{verbs[0]} serviceaccounts {account.namespace}/{name}"
                yield _acted(looks, mode, Step(way, Account(account), True, ways.CONSTRAINED), is_on)
    for mode in ways.NODE_MODES:
        if looks.one((f"impersonate:{mode}",), group, "nodes") is not False:
            # what a node holds is not RBAC's to say
            yield _acted(looks, mode, Step(f"impersonate:{mode} nodes", ALL, False, ways.CONSTRAINED), is_on)


def _acting_as_users(looks: Looks, verbs: tuple[str, ...]) -> Iterator[Step]:
    """Users and groups: accounts have a mode of their own, so the user has to be none."""
    group = ways.AUTHENTICATION
    users = looks.any(verbs, group, "users")
    named = [name for name in _users(looks, group, verbs) if not name.startswith("system:node:")]
    if users is not False:
        for subject in sorted(looks.cluster.subjects()):
            if subject.kind == USER:
                yield Step(f"{verbs[0]} users {subject.name}", Acts(who(subject)), users is True, ways.CONSTRAINED)
        yield Step(f"{verbs[0]} users", ALL, False, ways.CONSTRAINED)  # users of the control plane that no binding shows
    yield from _acting_with(looks, group, verbs, any_of([users, bool(named)]), named)


def _acted(looks: Looks, mode: str, step: Step, is_on: Truth) -> Step:
    """The same step for those requests alone that the mode lets one make."""
    lead, other = step.lead, MASTER
    if isinstance(lead, Acts):
        other = looks.cluster.rights(lead.caller)
    elif isinstance(lead, Account):
        other = looks.cluster.rights(who(lead.subject))
    return Step(
        f"{step.way} + impersonate-on:{mode}", Through(Acting(looks.held, mode, other)), step.is_sure and is_on is True, step.source
    )
