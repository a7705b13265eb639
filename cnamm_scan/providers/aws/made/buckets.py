"""Who gets at buckets, directly or through access points: policy, list of grants, ownership and every switch that is above them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.places import ACCOUNT, Places
from cnamm_scan.providers.aws.policies import facts
from cnamm_scan.providers.aws.policies.buckets import Bucket, Grant, Switches, strictest
from cnamm_scan.providers.aws.policies.documents import UNREADABLE, Document, read
from cnamm_scan.providers.interface import SeenRow, SeenTables

BUCKET = "aws.s3.bucket"
POINT = "aws.s3control.access_point"
_UNREAD = Switches(None, None)
_LISTS = ("accounts", "organisations", "services", "networks", "providers", "partners", "partners_with_all_actions", "unbounded_services")


def buckets(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each bucket, everything that lets somebody in taken together."""
    places, above = Places.of(seen), _accounts(seen)
    for row in seen.rows(BUCKET):
        values, setting = row.values, replace(places.at(row, row.key), canonical_id=str(row.values["owner_id"] or ""))
        switches = strictest(_switches(values), above.get(row.target, _UNREAD))
        ownership = values["object_ownership"]
        bucket = Bucket(
            _policy(row),
            _grants(values["grants"]),
            None if ownership is None else ownership == "BucketOwnerEnforced",
            switches,
            values["policy_is_public"],
        )
        made = facts.bucket_row(str(values["name"]), bucket, setting)
        if values["policy"] is None or values["grants"] is None:  # there may be more
            made = {name: value for name, value in made.items() if name not in _LISTS}
        yield MadeRow(
            row.target,
            row.region,
            row.key,
            {"arn": row.key, "name": values["name"], **_told(switches), **made},
            (row.fact,),
        )


def access_points(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each access point: whom its own policy admits, as far as its bucket, its account and its network let it."""
    places, above = Places.of(seen), _accounts(seen)
    below: dict[tuple[str, str], Switches] = {(row.target, str(row.values["name"])): _switches(row.values) for row in seen.rows(BUCKET)}
    for row in seen.rows(POINT):
        values, origin = row.values, row.values["network_origin"]
        setting = replace(places.at(row, row.key), in_network=origin == "VPC")
        # those of the bucket and of the account that owns it hold, which may be another one's
        is_own = values["bucket_is_own"] is True
        bucket = below.get((row.target, str(values["bucket"])), _UNREAD) if is_own else _UNREAD
        switches = strictest(_switches(values), above.get(row.target, _UNREAD) if is_own else _UNREAD, bucket)
        made = facts.bucket_row(str(values["bucket"]), Bucket(_policy(row), switches=switches), setting)
        admitted: dict[str, Any] = {name: made[name] for name in ("reach", "is_open", "accounts", "services", "service_is_unbounded")}
        if values["policy"] is None or (origin is None and made["is_open"] is not False):
            admitted = {"is_open": made["is_open"] if origin is not None else None}
        yield MadeRow(
            row.target,
            row.region,
            row.key,
            {"arn": row.key, "name": values["name"], "bucket": values["bucket"], "network_origin": origin, **_told(switches), **admitted},
            (row.fact,),
        )


def _told(switches: Switches) -> Mapping[str, Any]:
    return {"ignores_public_acls": switches.ignores_public_acls, "restricts_public_policy": switches.restricts_public_policy}


def _switches(values: Mapping[str, Any]) -> Switches:
    return Switches(values["ignores_public_acls"], values["restricts_public_policy"])


def _accounts(seen: SeenTables) -> Mapping[str, Switches]:
    rows = seen.rows(ACCOUNT)
    return {row.target: Switches(row.values["ignores_public_acls"], row.values["restricts_public_buckets"]) for row in rows}


def _policy(row: SeenRow) -> Document:
    policy = row.values["policy"]
    return UNREADABLE if policy is None else read(policy)


def _grants(found: Sequence[Any] | None) -> tuple[Grant, ...] | None:
    if found is None:
        return None
    made = []
    for each in found:
        grantee: Mapping[str, Any] = each.get("Grantee") or {}
        made.append(Grant(str(each.get("Permission") or ""), str(grantee.get("URI") or ""), str(grantee.get("ID") or "")))
    return tuple(made)
