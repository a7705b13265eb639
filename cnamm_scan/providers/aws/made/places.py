"""Where a policy stands, out of collected tables: whose account, which organisation, which accounts are members of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cnamm_scan.providers.aws.policies.setting import Place, Setting
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read

ACCOUNT = "aws.account.account"
"""Read for `organization_id` and `canonical_id`, as far as a view names them under `reads:`."""
MEMBERS = "aws.organizations.account"
"""Read for `account_id`; only the organisation's own accounts can list it."""


@dataclass(frozen=True, slots=True)
class Places:
    """The settings of every scanned account."""

    by_target: Mapping[str, Setting]
    _made: dict[tuple[str, str, Place], Setting] = field(default_factory=dict)
    """Few places are different: a policy that hangs on many things is evaluated once."""

    @classmethod
    def of(cls, seen: SeenTables) -> Places:
        """What the tables that the view reads tell; what they do not is not known."""
        known = {row.target: row.values for row in rows_if_read(seen, ACCOUNT)}
        members: dict[str, set[str]] = {}
        for row in rows_if_read(seen, MEMBERS):
            members.setdefault(row.target, set()).add(str(row.values.get("account_id")))
        made = {}
        for target in seen.targets:
            own = known.get(target.id, {})
            made[target.id] = Setting(
                account=target.name,
                organisation="" if own.get("organization_id") in (None, "none") else str(own["organization_id"]),
                canonical_id=str(own.get("canonical_id") or ""),
                members=frozenset(members.get(target.id, ())),
                now=seen.now,
            )
        return cls(made)

    def at(self, row: SeenRow, resource: str = "", place: Place = Place.RESOURCE) -> Setting:
        """The setting of a policy that hangs on a resource of a row's account. `resource` is its ARN, of which the partition counts."""
        partition = resource.split(":", 2)[1] if resource.startswith("arn:") and resource.count(":") >= 2 else "aws"
        key = (row.target, partition, place)
        if key not in self._made:
            self._made[key] = replace(self.by_target[row.target], partition=partition, place=place)
        return self._made[key]
