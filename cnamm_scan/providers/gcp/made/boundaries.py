"""Principal access boundary policies of a scan: what binds whom, what they keep from a member, and what an organization's come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp.made.hierarchy import PROJECT, Hierarchy, is_above
from cnamm_scan.providers.gcp.policies.boundaries import Bound, Home, Limits, limits
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth

POLICY = "gcp.iam.boundary_policy"
BINDING = "gcp.iam.boundary_binding"
ORGANIZATION = "gcp.organization.organization"
_MANAGER = "//cloudresourcemanager.googleapis.com/"


class Boundaries:
    """The boundaries of a scan. They are kept by organizations: of one that is no target nothing was asked."""

    def __init__(self, seen: SeenTables, hierarchy: Hierarchy) -> None:
        self._seen = seen
        self._hierarchy = hierarchy
        self._known: dict[tuple[str, str], Limits] = {}

    @cached_property
    def _asked(self) -> Sequence[Target]:
        return [each for each in self._seen.targets if each.name.startswith("organizations/")]

    @cached_property
    def of(self) -> tuple[tuple[Bound, ...], bool]:
        """(what is bound, whether all of it was read)."""
        policies = {(row.target, row.values["name"]): row for row in self._seen.rows(POLICY)}
        is_whole = not any(self._seen.dark(table, each.id) for table in (POLICY, BINDING) for each in self._asked)
        found: list[Bound] = []
        for row in self._seen.rows(BINDING):
            policy = policies.get((row.target, row.values["policy"]))
            try:
                found.append(_bound(policy, row))
            except ValueError:
                is_whole = False
        return tuple(found), is_whole

    @cached_property
    def _home(self) -> Home:
        projects: dict[str, frozenset[str]] = {}
        named = {each.id: each.name for each in self._seen.targets}
        for row in self._seen.rows(PROJECT):
            above = row.values.get("ancestors")
            if above:
                names = frozenset(f"{_MANAGER}{each}" for each in (*above, f"projects/{named[row.target]}"))
                projects[named[row.target]] = projects[above[0].rpartition("/")[2]] = names
        domains = {row.values["id"]: row.values["name"] for row in self._seen.rows(ORGANIZATION) if row.values["id"] and row.values["name"]}
        return Home(projects, domains)

    def on(self, target: Target, member: str) -> Limits:
        """What they come to for a member on a target."""
        bounds, is_whole = self.of
        if not bounds:
            return Limits(is_whole=is_whole)
        if (target.id, member) not in self._known:
            line = self._hierarchy.above(target)
            names = {f"{_MANAGER}{each.name}" for each in line or ()} | {f"{_MANAGER}{_own(target)}"}
            found = limits(bounds, member, self._home, names, is_whole=is_whole)
            # what is above it may be what they list
            made = Limits(found.bound, None if line is None and found.is_eligible is False else found.is_eligible, is_whole)
            self._known[target.id, member] = made
        return self._known[target.id, member]


def _own(target: Target) -> str:
    return target.name if is_above(target.name) else f"projects/{target.name}"


def _bound(policy: SeenRow | None, binding: SeenRow) -> Bound:
    """Raises ValueError for what was not read."""
    said = binding.values
    if policy is None or any(each is None for each in (policy.values["version"], said["principals"], said["condition"])):
        raise ValueError("not read")
    return Bound.read(policy.values["rules"], policy.values["version"], said["principals"], said["condition"])


def organization_boundary(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each organization that is scanned: whether its principals are kept to its own resources."""
    hierarchy = Hierarchy(seen)
    inside: Mapping[str, set[str]] = {each.name: {each.name} for each in seen.targets if each.name.startswith("organizations/")}
    for target in seen.targets:
        line = hierarchy.above(target)
        if line and line[-1].name in inside:
            inside[line[-1].name].update({*(each.name for each in line), _own(target)})
    for row in seen.rows(ORGANIZATION):
        name = row.values["id"]
        policies = {each.values["name"]: each for each in seen.rows(POLICY) if each.target == row.target}
        bindings = [each for each in seen.rows(BINDING) if each.target == row.target]
        is_whole = not any(seen.dark(table, row.target) for table in (POLICY, BINDING))
        bounds: list[Bound] = []
        for each in bindings:
            try:
                bounds.append(_bound(policies.get(each.values["policy"]), each))
            except ValueError:
                is_whole = False
        everybody = [each for each in bounds if each.principals == f"{_MANAGER}{name}"]
        is_bound: Truth = True if any(not each.condition.strip() for each in everybody) else False if is_whole else None
        known = {f"{_MANAGER}{each}" for each in inside.get(name, ())}
        unknown = {one for each in bounds for one in each.resources if one not in known}
        outside = sorted(each for each in unknown if each.startswith(f"{_MANAGER}organizations/"))
        values = {
            "organization": name,
            "is_bound": is_bound,
            "is_bound_in_part": True if any(each.condition.strip() for each in everybody) else False if is_whole else None,
            # a folder or project that is not of the scan may be of the organization all the same
            "stays_inside": False if outside else None if unknown or not is_whole else True,
            "outside": outside if is_whole else None,
        }
        yield MadeRow(row.target, row.region, row.key, values, (row.fact, *(each.fact for each in (*policies.values(), *bindings))))
