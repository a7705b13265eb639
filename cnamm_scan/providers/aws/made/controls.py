"""What the organisation's policies in force on each of its accounts promise, made by evaluating all that reach it from root to account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.places import Places
from cnamm_scan.providers.aws.policies import controls
from cnamm_scan.providers.aws.policies.documents import UNREADABLE, Document, read
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from cnamm_scan.providers.interface import SeenRow, SeenTables

ACCOUNTS, UNITS = "aws.organizations.account", "aws.organizations.ou"
SERVICE, RESOURCE = "aws.organizations.scp", "aws.organizations.rcp"
DEPTH = 6
"""Units may be nested five deep, and the root stands above."""


def _document(stored: object) -> tuple[Document, controls.Marks]:
    document = UNREADABLE if stored is None else read(stored)
    return document, controls.marks(document)


_UNSEEN = _document(None)


@dataclass(frozen=True)
class _Policy:
    id: str
    document: Document
    marks: controls.Marks
    is_ours: bool | None
    facts: tuple[str, ...]


@dataclass(frozen=True)
class _Kind:
    """The policies of one kind in one organisation: what is attached where."""

    at: Mapping[str, Sequence[_Policy]]
    is_dark: bool
    """Whether more may be attached than was seen."""

    @classmethod
    def of(cls, seen: SeenTables, table: str, target: str) -> _Kind:
        known = {row.values.get("id"): row for row in seen.rows(table) if row.target == target}
        read_once = {name: _document(row.values.get("policy")) for name, row in known.items()}
        at: dict[str, list[_Policy]] = {}
        for row in seen.rows(f"{table}_target"):
            if row.target != target:
                continue
            policy = known.get(row.values.get("policy_id"))
            document, marks = read_once.get(row.values.get("policy_id"), _UNSEEN)
            managed = row.values.get("is_aws_managed")
            at.setdefault(str(row.values.get("target_id")), []).append(
                _Policy(
                    str(row.values.get("policy_id")),
                    document,
                    marks,
                    None if managed is None else not managed,
                    (row.fact, *([] if policy is None else [policy.fact])),
                )
            )
        return cls(at, seen.dark(table, target) or seen.dark(f"{table}_target", target))

    def on(self, way: Sequence[str]) -> tuple[tuple[_Policy, ...], ...]:
        """What stands at each step of the way from the root to the account."""
        return tuple(tuple(self.at.get(each, ())) for each in way)


@dataclass
class _Organisation:
    """One organisation as one target of the scan shows it."""

    setting: Setting
    services: _Kind
    resources: _Kind
    parents: Mapping[str, str]
    made: dict[tuple[object, ...], Mapping[str, bool | list[str] | None]] = field(default_factory=dict)
    """Most accounts are bound alike: what was found once is kept."""

    def way(self, account: str, parent: str | None) -> tuple[tuple[str, ...], bool]:
        """(root, units, account), and whether the way up is whole."""
        steps = [account]
        at = parent
        while at is not None and len(steps) <= DEPTH:
            steps.append(at)
            if at.startswith("r-"):
                return tuple(reversed(steps)), True
            at = self.parents.get(at)
        return tuple(reversed(steps)), False

    def row(self, account: str, parent: str | None) -> tuple[dict[str, bool | list[str] | None], tuple[str, ...]]:
        """What is in force on an account, and the facts that say so."""
        way, is_whole = self.way(account, parent)
        services, resources = self.services.on(way), self.resources.on(way)
        in_force = [each for level in (*services, *resources) for each in level]
        apart = any(each.marks.tell_apart(account) for each in in_force)
        alike = (
            tuple(tuple(each.id for each in level) for level in services),
            frozenset(each.id for level in resources for each in level),
            is_whole,
            way if apart else "",
        )
        if alike not in self.made:
            self.made[alike] = self._made(way, is_whole, services, resources)
        facts = tuple(dict.fromkeys(fact for each in in_force for fact in each.facts))
        return dict(self.made[alike]), facts

    def _made(
        self, way: tuple[str, ...], is_whole: bool, services: Sequence[Sequence[_Policy]], resources: Sequence[Sequence[_Policy]]
    ) -> Mapping[str, bool | list[str] | None]:
        setting = replace(self.setting, account=way[-1])
        path = f"{setting.organisation}/{'/'.join(way[:-1])}/" if is_whole and setting.organisation else ""
        levels = [[each.document for each in level] for level in services]
        seen = is_whole and not self.services.is_dark
        rcps = [each.document for level in resources for each in level]
        return {
            **controls.control_row(controls.Controls(setting, levels, whole=seen, path=path)),
            **controls.resource_control_row(rcps, setting, whole=is_whole and not self.resources.is_dark),
            "has_guardrail": _limited(services[:-1], seen).as_bool,
            "is_bound": (_limited(services, seen) | _limited(resources, is_whole and not self.resources.is_dark, allows=True)).as_bool,
        }


def _limited(levels: Sequence[Sequence[_Policy]], is_whole: bool, *, allows: bool = False) -> Truth:
    """Whether a policy that AWS did not write takes something away: by a Deny, or where its level is a list of what is allowed.

    `allows`: of a kind whose levels allow everything, whatever its policies say.
    """
    made = Truth.NO if is_whole else Truth.UNKNOWN
    for level in levels:
        documents = [each.document for each in level]
        is_list = not allows and is_whole and all(each.readable for each in documents) and not controls.allows_all(documents)
        for each in level:
            made |= Truth.of(each.is_ours) & (Truth.YES if is_list else controls.limits(each.document))
    return made


def member_accounts(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each active account below the management account, which none of these policies binds."""
    places = Places.of(seen)
    organisations: dict[str, _Organisation] = {}
    for row in _members(seen):
        if row.target not in organisations:
            units = [each.values for each in seen.rows(UNITS) if each.target == row.target]
            organisations[row.target] = _Organisation(
                places.at(row, str(row.values.get("arn") or "")),
                _Kind.of(seen, SERVICE, row.target),
                _Kind.of(seen, RESOURCE, row.target),
                {str(each["id"]): str(each["parent_id"]) for each in units if each.get("parent_id") is not None},
            )
        account, parent = row.values.get("account_id"), row.values.get("parent_id")
        if account is None or row.values.get("state") is None:
            yield MadeRow(row.target, row.region, row.key, {"account_id": account}, (row.fact,))
            continue
        found, facts = organisations[row.target].row(str(account), None if parent is None else str(parent))
        kind = row.values.get("parent_type")
        found |= {"in_unit": None if kind is None else kind == "ORGANIZATIONAL_UNIT"}
        yield MadeRow(row.target, row.region, row.key, {"account_id": account, "name": row.values.get("name"), **found}, (row.fact, *facts))


def _members(seen: SeenTables) -> Iterator[SeenRow]:
    for row in seen.rows(ACCOUNTS):
        if row.values.get("state") in (None, "ACTIVE") and row.values.get("is_management") is not True:
            yield row
