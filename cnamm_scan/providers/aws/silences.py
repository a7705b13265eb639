"""What AWS's answers leave out though it is there: a closed list, each entry with how we know. `absent:` and `exists:` may not rest on it.

A listing that does not carry a field, a field that is shown only when it is asked for, and one that a newer form of a service no longer
fills look like a field that is not set. Whoever takes such silence for an answer says "never" of what happens daily.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cnamm_scan import paths
from cnamm_scan.model import UNSET, Call, Content, Table

_LISTS = "its API reference: the listing returns a subset of the attributes, and not this one"
_ASKED = "its API reference: it is shown only when it is asked for"


@dataclass(frozen=True, slots=True)
class Silence:
    """Why a path says nothing, and what breaks the silence."""

    why: str
    asked_by: tuple[str, Any] | None = None
    """(parameter, value): with it among the call's `fixed:` the path is answered."""

    def is_broken(self, call: Call) -> bool:
        """Whether the call asks for the path."""
        if self.asked_by is None:
            return False
        name, value = self.asked_by
        given = call.fixed.get(name)
        return value in given if isinstance(given, list | tuple) else given == value


def _not_listed(*names: str) -> dict[str, Silence]:
    return dict.fromkeys(names, Silence(_LISTS))


def _if_included(**names: str) -> dict[str, Silence]:
    return {name: Silence(_ASKED, ("include", value)) for name, value in names.items()}


KNOWN: Mapping[str, Mapping[str, Silence]] = {
    "apigateway:GetResources": {
        f"resourceMethods.{verb}": Silence(_ASKED, ("embed", "methods"))
        for verb in ("ANY", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    },
    "budgets:DescribeBudgets": {"FilterExpression": Silence(_ASKED, ("ShowFilterExpression", True))},
    "ec2:DescribeVolumes": {"Attachments.InstanceId": Silence("its API reference: null where it is attached to what AWS manages")},
    "ecr:DescribeImages": dict.fromkeys(
        ("imageScanStatus", "imageScanFindingsSummary"), Silence("its API reference: the new version of basic scanning does not fill it")
    ),
    "ecs:DescribeClusters": _if_included(
        attachments="ATTACHMENTS", configuration="CONFIGURATIONS", settings="SETTINGS", statistics="STATISTICS", tags="TAGS"
    ),
    "ecs:DescribeServices": _if_included(tags="TAGS"),
    "ecs:DescribeTaskDefinition": _if_included(tags="TAGS"),
    "ecs:DescribeTasks": _if_included(tags="TAGS"),
    "iam:ListPolicies": _not_listed("Tags"),
    "iam:ListRoles": _not_listed("PermissionsBoundary", "RoleLastUsed", "Tags"),
    "iam:ListUsers": _not_listed("PermissionsBoundary", "Tags"),
    "iam:ListVirtualMFADevices": _not_listed("Tags"),
    "lambda:ListFunctions": _not_listed(
        "LastUpdateStatus",
        "LastUpdateStatusReason",
        "LastUpdateStatusReasonCode",
        "RuntimeVersionConfig",
        "State",
        "StateReason",
        "StateReasonCode",
    ),
    "s3:ListBuckets": {"BucketRegion": Silence("its API reference: shown when the request has a parameter", ("MaxBuckets", 1000))},
    "securityhub:GetFindingHistory": {"Updates.NewValue": Silence("its API reference: left out of records that are too large")},
    "sqs:GetQueueAttributes": {"Attributes": Silence(_ASKED, ("AttributeNames", "All"))},
}
"""Operation -> path within one answer's item -> why its silence says nothing."""


def taken_for_an_answer(content: Content, table: Table) -> Iterator[tuple[str, str, str]]:
    """(column, `operation path`, why) of each column that calls such silence an answer."""
    for name, column in table.columns.items():
        if column.path is None or column.path.startswith("$") or (column.exists is None and column.absent is UNSET):
            continue
        call, client, keys = _source(content, table, list(paths.parse(column.path).keys))
        operation = call.call or "" if ":" in (call.call or "") else f"{client}:{call.call}"
        for silent, silence in KNOWN.get(operation, {}).items():
            said = silent.split(".")
            if keys[: len(said)] == said and not silence.is_broken(call):
                yield name, f"{operation} {silent}", silence.why


def _source(content: Content, table: Table, keys: list[str]) -> tuple[Call, str, list[str]]:
    """The call that answers a path of a row, its client, and the path within one item of that call's answer."""
    hops = _hops(table.each) if table.each else []
    above = 0
    while keys and keys[0] == "parent":
        keys, above = keys[1:], above + 1
    if above > len(hops) and table.list.for_:
        return _source(content, content.tables[table.list.for_], ["parent"] * (above - len(hops) - 1) + keys)
    keys = [*(key for hop in hops[: max(0, len(hops) - above)] for key in hop), *keys]
    part = table.then.get(keys[0]) if keys else None
    return (table.list, table.client, keys) if part is None else (part, table.client, keys[1:])


def _hops(each: str) -> list[list[str]]:
    """The keys from the item to the outer list of `each:`, from its elements to the next one, and so on."""
    found: list[list[str]] = [[]]
    for step in paths.parse(each).steps:
        if step == paths.EACH:
            found.append([])
        else:
            found[-1].append(str(step))
    return found[:-1]
