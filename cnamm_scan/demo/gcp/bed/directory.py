"""The directory's APIs, Cloud Identity and the Admin SDK: which token they take, whose directory is meant, and which fields are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from cnamm_scan.demo.gcp.bed.refusals import Refusal

Json = Any

CLOUD = "https://www.googleapis.com/auth/cloud-platform"
WANTED = {
    "cloudidentity": "https://www.googleapis.com/auth/cloud-identity.policies.readonly",
    "admin": "https://www.googleapis.com/auth/admin.directory.user.readonly",
}
"""Service -> the scope that a token of it has; of any other it is that of Google Cloud."""
_IAM = frozenset({CLOUD, "https://www.googleapis.com/auth/iam"})
"""Either of which lends a service account: google-auth asks for the second."""
_CUSTOMER = re.compile(r'customer == "customers/(\w+)"')
_TYPES = re.compile(r"setting\.type\.matches\('([^']*)'\)")
_FIELDS = re.compile(r"(\w+)\(([^()]*)\)")


def admit(service: str, scopes: Iterable[str], subject: str) -> None:
    """Let in who has a token for a service, and who asks the directory as an administrator of it. Raises Refusal."""
    if not {*scopes} & (_IAM if service == "iamcredentials" else {WANTED.get(service, CLOUD)}):
        message = "Request had insufficient authentication scopes."
        raise Refusal("PERMISSION_DENIED", message, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", {"service": f"{service}.googleapis.com"})
    if service in WANTED and not subject:
        raise Refusal("PERMISSION_DENIED", "Not Authorized to access this resource/api")


def meant(items: Iterable[Json], query: Mapping[str, str], customer: str) -> list[Json]:
    """What is of the customer that was asked about, and of the types. Raises Refusal for another's."""
    said = query.get("filter", "")
    named = _CUSTOMER.search(said)
    whose = named[1] if named else query.get("customer", customer)
    if whose != customer:
        raise Refusal("PERMISSION_DENIED", "The caller does not have permission")
    types = _TYPES.search(said)
    return [_cut(each, query) for each in items if types is None or re.search(types[1], each["setting"]["type"])]


def _cut(item: Json, query: Mapping[str, str]) -> Json:
    asked = _FIELDS.search(query.get("fields", ""))
    return {name: item[name] for name in asked[2].split(",") if name in item} if asked else item
