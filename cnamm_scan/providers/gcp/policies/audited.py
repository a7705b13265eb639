"""What the audit log says of changes that somebody has to hear of: the operations of each kind, as entries of the log.

Methods and services as Google's audit log references name them. Of Compute Engine's API the beta is called as well as v1.
https://docs.cloud.google.com/vpc/docs/audit-logging, https://docs.cloud.google.com/iam/docs/audit-logging/examples-service-accounts,
https://docs.cloud.google.com/storage/docs/audit-logging, https://docs.cloud.google.com/sql/docs/mysql/audit-logging
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cnamm_scan.providers.gcp.policies.logfilter import Entry, Field, Says

_SET = "SetIamPolicy"
_DELTA = "protopayload.servicedata.policydelta"


@dataclass(frozen=True, slots=True)
class Change:
    """One operation of a kind of change, as it is called in messages, and what its entries say."""

    name: str
    service: str
    method: str
    resource: str
    """The monitored resource that it is logged for."""
    more: tuple[tuple[str, Field], ...] = ()
    """Further fields, by their path in small letters."""

    def entries(self, project: str) -> Sequence[Entry]:
        """Its entries in a project: a person did it, or a service account."""
        return _entries(self, project)


@lru_cache(maxsize=256)  # all kinds of one project
def _entries(change: Change, project: str) -> Sequence[Entry]:
    return tuple(_entry(change, project, who) for who in ("somebody@else.example", f"some-pipeline@{project}.iam.gserviceaccount.com"))


def _entry(change: Change, project: str, who: str) -> Entry:
    told: Mapping[str, Field] = {
        "logname": _is(f"projects/{project}/logs/cloudaudit.googleapis.com%2Factivity"),
        "textpayload": Field(()),
        "jsonpayload": Field(()),
        "severity": Field(("NOTICE",), Says.EXAMPLE),
        "resource.type": _is(change.resource),
        "resource.labels.project_id": _is(project),
        "protopayload.@type": _is("type.googleapis.com/google.cloud.audit.AuditLog"),
        "protopayload.servicename": _is(change.service),
        "protopayload.methodname": _is(change.method),
        "protopayload.authenticationinfo.principalemail": Field((who,), Says.EXAMPLE),
        "protopayload.requestmetadata.callerip": Field(("203.0.113.7",), Says.EXAMPLE),
        **(dict(change.more) or {"protopayload.servicedata": _NONE}),
    }
    return Entry({tuple(path.split(".")): each for path, each in told.items()})


def _is(value: str) -> Field:
    return Field((value,))


_NONE = Field((), Says.EXAMPLE)


def _network(kind: str, resource: str, *verbs: str) -> Sequence[Change]:
    methods = [f"{version}.compute.{kind}.{verb}" for version in ("v1", "beta") for verb in verbs]
    return [Change(each, "compute.googleapis.com", each, resource) for each in methods]


def _policy(name: str, **said: Field) -> Change:
    more = {f"{_DELTA}.{path.replace('__', '.')}": each for path, each in said.items()}
    more["protopayload.authorizationinfo.permission"] = Field(("resourcemanager.projects.setIamPolicy",), Says.SOME)
    return Change(name, "cloudresourcemanager.googleapis.com", _SET, "project", tuple(more.items()))


def _some(value: str) -> Field:
    return Field((value,), Says.SOME)


def _audit(action: str) -> Change:
    name = f"{_SET} ({action.lower()} an audit configuration)"
    example = {"service": "storage.googleapis.com", "logtype": "DATA_READ"}
    said = {f"auditconfigdeltas__{path}": Field((value,), Says.EXAMPLE) for path, value in example.items()}
    return _policy(name, auditconfigdeltas__action=_some(action), bindingdeltas=_NONE, **said)


def _owner(action: str) -> Change:
    return _policy(
        f"{_SET} ({action.lower()} an owner)",
        auditconfigdeltas=_NONE,
        bindingdeltas__action=_some(action),
        bindingdeltas__role=_some("roles/owner"),
        bindingdeltas__member=Field(("user:somebody@else.example",), Says.EXAMPLE),
    )


_INVITED = "InsertProjectOwnershipInvite"
KINDS: Mapping[str, Sequence[Change]] = {
    # whoever stands outside of the organization is invited, by no policy
    "project ownership": [_owner("ADD"), _owner("REMOVE"), Change(_INVITED, "cloudresourcemanager.googleapis.com", _INVITED, "project")],
    "audit configuration": [_audit("ADD"), _audit("REMOVE")],
    "custom roles": [
        Change(f"google.iam.admin.v1.{verb}Role", "iam.googleapis.com", f"google.iam.admin.v1.{verb}Role", "iam_role")
        for verb in ("Create", "Update", "Delete")
    ],
    "firewall rules": _network("firewalls", "gce_firewall_rule", "insert", "patch", "delete"),
    "routes": _network("routes", "gce_route", "insert", "delete"),
    "networks": _network("networks", "gce_network", "insert", "patch", "delete", "addPeering", "removePeering"),
    "bucket permissions": [Change("storage.setIamPermissions", "storage.googleapis.com", "storage.setIamPermissions", "gcs_bucket")],
    "Cloud SQL instances": [
        Change("cloudsql.instances.update", "cloudsql.googleapis.com", "cloudsql.instances.update", "cloudsql_database")
    ],
}
"""Kinds of changes as the CIS benchmark tells them apart (2.4 to 2.11), with the operations that it asks for."""
ON_THEIR_OWN = frozenset({"gcs_bucket", "cloudsql_database"})
"""Resources that Cloud Monitoring has too: what is counted of them stands by them. Of all others it stands by `global`, in use."""
