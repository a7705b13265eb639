"""VPC endpoints: whether their service knows endpoint policies at all, and how far theirs narrows what goes through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.places import Places
from cnamm_scan.providers.aws.policies import facts
from cnamm_scan.providers.aws.policies.documents import Document, read
from cnamm_scan.providers.interface import SeenRow, SeenTables

ENDPOINT = "aws.ec2.vpc_endpoint"
SERVICE = "aws.ec2.vpc_endpoint_service"
WITHOUT_POLICIES = frozenset({"awsconnector", "email-smtp", "transfer.server"})
"""Services of AWS that are known to take no endpoint policy, by the end of their name; of the others AWS's own list says it.

https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html: a policy can then neither be given nor changed. Once more:
`aws ec2 describe-vpc-endpoint-services --query 'ServiceDetails[?VpcEndpointPolicySupported==`false`].ServiceName'`
"""
FULL_ACCESS = read([{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}])
"""What an endpoint without a policy of its own lets through."""
_NEVER = ("gatewayloadbalancer", "resource", "servicenetwork")
"""Types of endpoint that lead to no API."""


def vpc_endpoints(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each endpoint."""
    places = Places.of(seen)
    known: dict[tuple[str, str, str], bool | None] = {}
    for row in seen.rows(SERVICE):  # one name may have a gateway and an interface
        place = (row.target, row.region, str(row.values["name"]))
        known[place] = known.get(place) or row.values["takes_policy"]
    for row in seen.rows(ENDPOINT):
        values = row.values
        policy = None if values["policy"] is None else read(values["policy"])
        takes = _takes(row, policy, known)
        if takes is None and values["service"] is not None and not seen.dark(SERVICE, row.target, row.region):
            takes = True  # AWS says of each of its services whether it takes none
        made: dict[str, Any] = {}
        if policy is not None:
            found = facts.endpoint_row(policy if policy.statements or not policy.readable else FULL_ACCESS, places.at(row, row.key))
            made = {**found, "narrowness": found["is_narrow"], "is_narrow": {"yes": True, "unknown": None}.get(found["is_narrow"], False)}
        carried = {name: values[name] for name in ("endpoint_id", "service", "state")}
        yield MadeRow(row.target, row.region, row.key, {**carried, "takes_policy": takes, **made}, (row.fact,))


def _takes(row: SeenRow, policy: Document | None, known: Mapping[tuple[str, str, str], bool | None]) -> bool | None:
    """Whether the endpoint takes a policy; None where that hangs on what AWS says of its service."""
    kind, service = row.values["kind"], row.values["service"]
    if kind is not None and kind.lower() in _NEVER:
        return False
    if kind == "Gateway":  # S3 and DynamoDB
        return True
    if service is None:
        return None
    if (
        service == "none"
        or ".vpce." in service
        or not service.startswith(("com.amazonaws.", "cn.com.amazonaws.", "aws.", "com.amazonaws-"))
    ):
        return False  # a partner's or one's own service
    if any(service.endswith(f".{each}") for each in WITHOUT_POLICIES):
        return False
    told = known.get((row.target, row.region, service))
    if told is not None:
        return told
    return True if policy is not None and not _is_default(policy) else None


def _is_default(policy: Document) -> bool:
    """Whether it may be the policy that AWS puts there by itself: everybody, everything, everywhere."""
    return all(
        each.allows and each.principals.anybody and not each.tests and each.actions.is_all and each.resources.is_all
        for each in policy.statements
    )
