"""Who there is in an account and which documents speak of each: users, groups and roles, out of the bulk call or of the longer way.

The bulk call (`aws.iam.*_detail`) tells everything of its rows. Where it could not be read whole, the tables whose names end in `_single`
and `_attachment` tell the same in many calls; rows of both are one, by ARN.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from cnamm_scan.providers.aws.policies.documents import UNREADABLE, Document, read
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read

USER, GROUP, ROLE = "user", "group", "role"
NO_BOUNDARY = "none"
_POLICIES = ("aws.iam.boundary_single", "aws.iam.policy_single", "aws.iam.policy_detail")
_MEMBERS = "aws.iam.group_member_single"
_KEPT = ("AWSControlTower", "aws-controltower-", "stacksets-exec-")
_EMERGENCY = frozenset({"break-glass", "breakglass", "emergency-access", "emergencyaccess"})


@dataclass(frozen=True)
class Written:
    """A policy that was listed; its document as it is stored, None where that was not read."""

    name: str
    """An inline policy's name, a managed one's ARN."""
    stored: Any
    fact: str = ""

    @cached_property
    def document(self) -> Document:
        """What it says; `UNREADABLE` where that was not read."""
        return UNREADABLE if self.stored is None else read(self.stored)


@dataclass(frozen=True)
class Holder:
    """A user, a group or a role with what hangs on it. None was not seen."""

    kind: str
    row: SeenRow
    attached: Sequence[str] | None
    inline: Sequence[Written]
    all_inline: bool
    """Whether these are all of its inline policies."""
    groups: Sequence[str] | None = ()
    more_facts: tuple[str, ...] = ()

    def value(self, name: str) -> Any:
        """A column of its row, a time as text; None where it is not known, or its kind has none."""
        value = self.row.values.get(name)
        return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value

    @property
    def facts(self) -> tuple[str, ...]:
        """Ids of the facts that tell of it."""
        return (self.row.fact, *self.more_facts)

    @property
    def arn(self) -> str:
        """Its ARN, which is the key of its row too."""
        return self.row.key

    @property
    def name(self) -> str:
        """Its name."""
        return self.arn.rpartition("/")[2]

    @property
    def path(self) -> str:
        """Where it stands among the account's names: `/aws-service-role/…/`."""
        return "/" + self.arn.partition("/")[2].removesuffix(self.name)

    @property
    def is_service_linked(self) -> bool:
        """Whether it is a service's own role, which nobody in the account can change."""
        return self.path.startswith("/aws-service-role/")

    @property
    def is_identity_center(self) -> bool:
        """Whether Identity Center made it for a permission set."""
        return self.path.startswith("/aws-reserved/sso.amazonaws.com/")

    @property
    def is_kept_by_aws(self) -> bool:
        """Whether AWS Control Tower or CloudFormation StackSets act here by it: they make it, and need all that it holds."""
        return self.kind == ROLE and self.name.startswith(_KEPT)

    @property
    def is_break_glass(self) -> bool | None:
        """Whether a tag marks it as an emergency identity."""
        tags = self.value("tag_keys")
        return None if tags is None else any(each.lower() in _EMERGENCY for each in tags)


def is_dark(seen: SeenTables, kind: str, target: str) -> bool:
    """Whether there may be more of a kind (or of managed policies, `policy`) than either way told."""
    return all(seen.dark(f"aws.iam.{kind}_{way}", target) for way in ("detail", "single"))


def holders(seen: SeenTables, kind: str) -> list[Holder]:
    """Everybody of a kind in all accounts, in order of account and ARN."""
    longer = _Longer(seen, kind)
    made = {(row.target, row.key): longer.holder(row) for row in rows_if_read(seen, f"aws.iam.{kind}_single")}
    made.update(((row.target, row.key), _told(kind, row)) for row in rows_if_read(seen, f"aws.iam.{kind}_detail"))
    return [made[key] for key in sorted(made)]


def _told(kind: str, row: SeenRow) -> Holder:
    """One of whom the bulk call told."""
    listed = row.values.get("inline")
    inline = [Written(str(each.get("PolicyName")), each.get("PolicyDocument"), row.fact) for each in listed or ()]
    groups = row.values.get("groups") if kind == USER else ()
    return Holder(kind, row, row.values.get("attached"), inline, listed is not None, groups)


class _Longer:
    """What the longer way tells beside its rows of holders: what is attached to each, what is written for each, who is where."""

    def __init__(self, seen: SeenTables, kind: str) -> None:
        self._seen = seen
        self._kind = kind
        self._unnamed: set[tuple[str, str]] = set()
        """(table, target) where a row does not say whose it is: it may be anybody's."""
        self._attachments, self._inline_table = f"aws.iam.{kind}_attachment", f"aws.iam.{kind}_inline_single"
        self._attached = self._by(self._attachments, "holder_name")
        self._inline = self._by(self._inline_table, "holder")
        self._groups = self._by(_MEMBERS, "user_arn") if kind == USER else {}

    def _by(self, table: str, column: str) -> dict[tuple[str, str], list[SeenRow]]:
        made: dict[tuple[str, str], list[SeenRow]] = defaultdict(list)
        for row in rows_if_read(self._seen, table):
            made[row.target, str(row.values[column])].append(row)
            if row.values[column] is None:
                self._unnamed.add((table, row.target))
        return made

    def _whole(self, table: str, target: str) -> bool:
        return table in self._seen.reads and not self._seen.dark(table, target) and (table, target) not in self._unnamed

    def holder(self, row: SeenRow) -> Holder:
        """One of whom only the longer way tells."""
        target = row.target
        name = row.key.rpartition("/")[2]
        attached, inline = self._attached.get((target, name), []), self._inline.get((target, row.key), [])
        groups = self._groups.get((target, row.key), [])
        written = [Written(str(each.values["name"]), each.values.get("document"), each.fact) for each in inline]
        return Holder(
            self._kind,
            row,
            _told_of(attached, "policy_arn") if self._whole(self._attachments, target) else None,
            written,
            self._whole(self._inline_table, target),
            (_told_of(groups, "group_name") if self._whole(_MEMBERS, target) else None) if self._kind == USER else (),
            tuple(each.fact for each in (*attached, *inline, *groups)),
        )


def _told_of(rows: Sequence[SeenRow], column: str) -> list[str] | None:
    """What a column says in all of these rows; None where it was not read in one of them."""
    said = [each.values[column] for each in rows]
    return None if None in said else list(map(str, said))


@dataclass(frozen=True)
class Managed(Written):
    """A managed policy; `name` is its ARN."""

    target: str = ""
    region: str = ""
    attachments: int | None = None
    bounds: int | None = None

    @property
    def is_ours(self) -> bool:
        """Whether somebody of the account wrote it."""
        return ":iam::aws:" not in self.name


def managed(seen: SeenTables) -> dict[tuple[str, str], Managed]:
    """Managed policies that were read, by (target, ARN)."""
    made: dict[tuple[str, str], Managed] = {}
    for table in _POLICIES:  # the bulk call's last, so that they win
        for row in rows_if_read(seen, table):
            said = row.values
            made[row.target, row.key] = Managed(
                row.key, said.get("document"), row.fact, row.target, row.region, said.get("attachments"), said.get("bounds")
            )
    return made


@dataclass(frozen=True)
class Documents:
    """What is known of managed policies and groups: the documents that speak of somebody."""

    policies: dict[tuple[str, str], Managed]
    groups: dict[tuple[str, str], Holder]
    """(target, name) -> group."""

    @classmethod
    def of(cls, seen: SeenTables, groups: Iterable[Holder]) -> Documents:
        """Of the accounts of a scan."""
        return cls(managed(seen), {(each.row.target, each.name): each for each in groups})

    def own(self, holder: Holder) -> tuple[Document, ...]:
        """The documents that hang on it directly; what was not read is `UNREADABLE`."""
        made = [each.document for each in holder.inline]
        made += [self.at(holder.row.target, arn) for arn in holder.attached or ()]
        return (*made, UNREADABLE) if holder.attached is None or not holder.all_inline else tuple(made)

    def all_of(self, holder: Holder) -> tuple[Document, ...]:
        """Those, and the ones of its groups."""
        made = list(self.own(holder))
        for name in holder.groups or ():
            group = self.groups.get((holder.row.target, name))
            made += [UNREADABLE] if group is None else self.own(group)
        return (*made, UNREADABLE) if holder.groups is None else tuple(made)

    def boundary(self, holder: Holder) -> Document | None:
        """Its boundary; None where it has none."""
        arn = holder.value("boundary_arn")
        if arn == NO_BOUNDARY or holder.kind == GROUP:
            return None
        return UNREADABLE if arn is None else self.at(holder.row.target, arn)

    def at(self, target: str, arn: str) -> Document:
        """A managed policy's document."""
        found = self.policies.get((target, arn))
        return UNREADABLE if found is None else found.document

    def facts(self, holder: Holder) -> tuple[str, ...]:
        """Ids of the facts that what it holds rests on."""
        target, arns = holder.row.target, [*(holder.attached or ()), str(holder.value("boundary_arn"))]
        groups = [self.groups[target, name] for name in holder.groups or () if (target, name) in self.groups]
        arns += [arn for group in groups for arn in group.attached or ()]
        policies = [self.policies[target, arn].fact for arn in arns if (target, arn) in self.policies]
        return tuple(dict.fromkeys((*holder.facts, *(fact for group in groups for fact in group.facts), *policies)))
