"""A cluster's tables as a maker sees them, made of roles and bindings as one would write them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.kubernetes.made import rbac_room as room
from cnamm_scan.providers.kubernetes.made.columns import MAKERS
from tests.providers.seen import Given

Json = Any
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = {
    "Role": room.ROLE,
    "ClusterRole": room.CLUSTER_ROLE,
    "RoleBinding": room.ROLE_BINDING,
    "ClusterRoleBinding": room.CLUSTER_ROLE_BINDING,
}


class Seen(Given):
    """`tables` holds rows by their keys; `missing` says why more of a table may be there."""

    def __init__(
        self, tables: Mapping[str, Mapping[str, Mapping[str, Any]]], missing: Mapping[str, frozenset[str]], scope: Mapping[str, Any]
    ) -> None:
        target = Target("kubernetes:shop", "kubernetes", "shop", "", scope)
        super().__init__(unseen=frozenset(missing), targets=(target,), reads=dict.fromkeys(tables, ()), now=NOW)
        self.tables, self.missing = tables, missing

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""
        return [SeenRow("kubernetes:shop", "global", key, f"{table}/{key}", values) for key, values in self.tables[table].items()]

    def why(self, table: str, target: str) -> frozenset[str]:
        """Why."""
        return self.missing.get(table, frozenset())


def _row(each: Json) -> dict[str, Any]:
    metadata = each["metadata"]
    labels = metadata.get("labels", {})
    row = {
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "created_at": NOW,
        "managers": [metadata.get("writer", "kubectl-create")],
        "is_builtin": "kubernetes.io/bootstrapping" in labels,
    }
    if "roleRef" not in each:
        return row | {"rules": each["rules"], "labels": labels, "aggregation": each.get("aggregationRule", {})}
    return row | {
        "role_kind": each["roleRef"]["kind"],
        "role_name": each["roleRef"]["name"],
        "subjects": each["subjects"],
        "ttl": "",
        "reviewed_on": "",
        "has_expiry": False,
        "removers": [],
        "is_break_glass": "break-glass" in labels,
    }


def tables(objects: Iterable[Json], *, managed_by: str = "", minor: int | None = 36, **more: Any) -> dict[str, dict[str, Any]]:
    """The tables of a cluster that holds these objects, listed whole."""
    made: dict[str, dict[str, Any]] = {
        table: {} for table in (*TABLES.values(), room.NAMESPACE, room.KIND, room.TOKEN, room.NODE, room.POD)
    }
    for each in objects:
        place = each["metadata"].get("namespace")
        made[TABLES[each["kind"]]][f"{place}/{each['metadata']['name']}" if place else each["metadata"]["name"]] = _row(each)
    made[room.CLUSTER] = {"shop": {"minor": minor, "managed_by": managed_by, "git_version": "v1.36.1"}}
    return made | more


def made_by(
    name: str,
    given: Mapping[str, Mapping[str, Mapping[str, Any]]],
    missing: Mapping[str, str] | None = None,
    scope: Mapping[str, Any] | None = None,
) -> dict[str, dict[str, Any]]:
    """Key -> values of what a maker makes; every column that it fills is declared."""
    make: Callable[[SeenTables], Iterable[MadeRow]] = MAKERS[name].make
    why = {table: frozenset({reason}) for table, reason in (missing or {}).items()}
    made = {}
    for row in make(Seen(given, why, scope or {})):
        assert set(row.values) <= set(MAKERS[name].columns)
        assert row.key not in made
        made[row.key] = dict(row.values)
    return made
