"""What Azure is to the rest of the house: subscriptions of a tenant, one or many at once, reached over REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnamm_scan.providers.azure import needs
from cnamm_scan.providers.azure.clouds import cloud_problem, group_problem, tenant_problem, url_problem
from cnamm_scan.providers.azure.forms import NORMALISERS
from cnamm_scan.providers.azure.granted import PERMISSIONS, PERMISSIONS_DENIED, READER, missing_from_reader
from cnamm_scan.providers.azure.made.columns import MAKERS
from cnamm_scan.providers.kind import Kind, Option, Reached
from cnamm_scan.providers.rights import Document, Rights

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Provider


def _connect(name: str, reached: Reached) -> Provider:
    from cnamm_scan.providers.azure.provider import Options, connect

    return connect(name, Options(call_timeout=reached.call_timeout, connections=reached.connections, **reached.said))


def _roles(rights: Sequence[str]) -> Document:
    """The built-in role, and one with exactly what it lacks, as `az role definition create` takes it; and the least in its place."""
    lacks = missing_from_reader(rights)
    return {
        "builtIn": {"roleName": "Reader", "id": f"/providers/Microsoft.Authorization/roleDefinitions/{READER}"},
        "custom": _role("cnamm-scan beside Reader", "What cnamm-scan reads and Reader may not", lacks) if lacks else None,
        "insteadOfReader": _role("cnamm-scan", "Reads configuration, and nothing else", rights),
    }


def _role(name: str, about: str, actions: Sequence[str]) -> Document:
    return {
        "Name": name,
        "IsCustom": True,
        "Description": about,
        "Actions": list(actions),
        "NotActions": [],
        "DataActions": [],
        "NotDataActions": [],
        "AssignableScopes": ["/subscriptions/SUBSCRIPTION"],
    }


KIND = Kind(
    name="azure",
    label="Azure",
    noun="subscription",
    targets="azure (every subscription that may be read), azure:SUBSCRIPTION by name or id, azure:mg/NAME (all beneath a management group)",
    connect=_connect,
    name_problem=group_problem,
    # which subscriptions there are, and what may be read in them
    rights=Rights((PERMISSIONS, "Microsoft.Resources/subscriptions/read"), _roles, by_code={PERMISSIONS_DENIED: (PERMISSIONS,)}),
    options=(
        Option("tenant", "--tenant", "sign in to this tenant, by its id or domain.", "TENANT", problem=tenant_problem),
        Option("cloud", "--cloud", "public, usgov or china.", "CLOUD", problem=cloud_problem, replaced_by=("arm_endpoint", "authority")),
        Option("arm_endpoint", "--arm-endpoint", "Resource Manager's address in another cloud.", "URL", problem=url_problem),
        Option(
            "authority",
            "--authority",
            "who signs in there (also AZURE_AUTHORITY_HOST).",
            "URL",
            environment="AZURE_AUTHORITY_HOST",
            problem=url_problem,
        ),
        Option("audience", "--audience", "what a token is asked for there.", "URL", problem=url_problem),
        Option(
            "disable_instance_discovery",
            "--disable-instance-discovery",
            "do not ask Microsoft whether the authority is one of its own: for a private cloud.",
        ),
        Option("ca_bundle", "--ca-bundle", "trust the authorities in this file, as PEM, and no others.", "FILE"),
    ),
    normalisers=NORMALISERS,
    makers=MAKERS,
    # what resources are given when they are made, and hold ever after where nobody took care
    secret_keys=frozenset(
        "adminPassword administratorLoginPassword customData userData connectionString primaryConnectionString secondaryConnectionString"
        " primaryKey secondaryKey accountKey sasToken clientSecret protectedSettings commandToExecute sharedKey authorizationKey"
        " primaryMasterKey secondaryMasterKey primaryReadonlyMasterKey secondaryReadonlyMasterKey".split()
    ),
    needs=needs.needs,
    call_problem=needs.problem,
    standing=frozenset({"azure.authorization.administrators"}),
    command_line="az",
)
