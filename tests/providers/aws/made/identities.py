"""Users, groups, roles and policies as rows, told by the bulk call or by the longer way: the same account in two tellings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.aws.made.columns import MAKERS
from cnamm_scan.providers.interface import SeenRow
from tests.providers.seen import Given

Json = Any
ACCOUNT, TARGET = "111111111111", "aws:111111111111"
IAM = f"arn:aws:iam::{ACCOUNT}:"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::one/*"}
EC2 = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
BULK = ("user_detail", "group_detail", "role_detail", "policy_detail")
EVERY = (
    *(f"{kind}_{what}" for kind in ("user", "group", "role") for what in ("detail", "single", "attachment", "inline_single")),
    *("policy_detail", "policy_single", "boundary_single", "group_member_single", "role_session"),
)


@dataclass
class Seen(Given):
    """Tables as a maker sees them."""

    tables: Mapping[str, Sequence[SeenRow]]
    targets: Sequence[Target] = field(default=(Target(TARGET, "aws", ACCOUNT),), kw_only=True)
    reads: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {f"aws.iam.{name}": () for name in EVERY} | {"aws.account.account": ("organization_id",)}, kw_only=True
    )

    def rows(self, table: str) -> Sequence[SeenRow]:
        return self.tables.get(table, ())


@dataclass
class Identities:
    """An account. Names of what hangs on somebody are a managed policy's name, or of an inline one `own:name`."""

    policies: dict[str, Json] = field(default_factory=dict)
    users: dict[str, dict[str, Json]] = field(default_factory=dict)
    groups: dict[str, dict[str, Json]] = field(default_factory=dict)
    roles: dict[str, dict[str, Json]] = field(default_factory=dict)

    def told(self, *unseen: str, longer: bool = False, only: Sequence[str] = EVERY) -> Seen:
        """The tables, with those that were not read whole; `longer`: the bulk call was refused."""
        made: dict[str, list[SeenRow]] = {"aws.account.account": [_row("account", f"{IAM}root", {"organization_id": "none"})]}
        for kind, all_of in (("user", self.users), ("group", self.groups), ("role", self.roles)):
            for name, said in all_of.items():
                for table, row in (self._longer if longer else self._bulk)(kind, name, said):
                    made.setdefault(table, []).append(row)
        for name, stored in self.policies.items():
            arn = name if name.startswith("arn:") else f"{IAM}policy/{name}"
            bounds = sum(said.get("boundary") == arn for said in (*self.users.values(), *self.roles.values()))
            held = [one for all_of in (self.users, self.groups, self.roles) for said in all_of.values() for one in said.get("attached", ())]
            said = {"arn": arn, "attachments": held.count(arn), "bounds": bounds, "document": stored}
            table = "policy_detail" if not longer else "boundary_single" if bounds else "policy_single"
            made.setdefault(f"aws.iam.{table}", []).append(_row(table, arn, said))
        dark = {f"aws.iam.{name}" for name in (*unseen, *(BULK if longer else ()))}
        kept = {name: rows for name, rows in made.items() if name == "aws.account.account" or name[8:] in only}
        return Seen(kept, unseen=frozenset(dark))

    def _bulk(self, kind: str, name: str, said: Mapping[str, Json]) -> list[tuple[str, SeenRow]]:
        inline = [{"PolicyName": each, "PolicyDocument": stored} for each, stored in said.get("inline", {}).items()]
        more = {"attached": list(said.get("attached", ())), "inline": inline, "groups": list(said.get("groups", ()))}
        return [(f"aws.iam.{kind}_detail", _row(f"{kind}_detail", _arn(kind, name, said), {**_own(kind, name, said), **more}))]

    def _longer(self, kind: str, name: str, said: Mapping[str, Json]) -> list[tuple[str, SeenRow]]:
        arn = _arn(kind, name, said)
        made = [(f"aws.iam.{kind}_single", _row(f"{kind}_single", arn, _own(kind, name, said)))]
        for each in said.get("attached", ()):
            row = {"policy_arn": each, "holder_name": name}
            made.append((f"aws.iam.{kind}_attachment", _row(f"{kind}_attachment", f"{each}/{name}", row)))
        for each, stored in said.get("inline", {}).items():
            row = {"holder": arn, "name": each, "document": stored}
            made.append((f"aws.iam.{kind}_inline_single", _row(f"{kind}_inline_single", f"{arn}/{each}", row)))
        for each in said.get("groups", ()):
            row = {"group_name": each, "user_arn": arn}
            made.append(("aws.iam.group_member_single", _row("group_member_single", f"{each}/{name}", row)))
        return made


def _arn(kind: str, name: str, said: Mapping[str, Json]) -> str:
    return f"{IAM}{kind}{said.get('path', '/')}{name}"


def _own(kind: str, name: str, said: Mapping[str, Json]) -> dict[str, Json]:
    return {
        "name": name,
        "arn": _arn(kind, name, said),
        "created_at": datetime(2025, 1, 1),
        "tag_keys": said.get("tags", []),
        "boundary_arn": said.get("boundary", "none"),
        "is_used": said.get("is_used", False),
        "last_used_at": None,
        "trust": said.get("trust"),
    }


def _row(table: str, key: str, said: Mapping[str, Json]) -> SeenRow:
    return SeenRow(TARGET, "global", key, f"f-{table}-{key}", said)


def rows(maker: str, seen: Seen) -> dict[str, dict[str, Json]]:
    """What a maker makes, by the end of the key."""
    made: list[MadeRow] = list(MAKERS[maker].make(seen))
    assert len({row.key for row in made}) == len(made)
    assert all(set(row.values) <= set(MAKERS[maker].columns) for row in made)
    return {row.key.removeprefix(IAM): dict(row.values) for row in made}
