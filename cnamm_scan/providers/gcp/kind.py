"""What Google Cloud is to the rest of the house: projects, one or all beneath a folder or an organisation, reached over gRPC and REST."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnamm_scan.providers.gcp import needs
from cnamm_scan.providers.gcp.forms import NORMALISERS
from cnamm_scan.providers.gcp.hosts import endpoint_problem
from cnamm_scan.providers.gcp.made.columns import MAKERS
from cnamm_scan.providers.gcp.scopes import account_problem, admin_problem, project_problem, scope_has_directory, scope_problem
from cnamm_scan.providers.kind import Kind, Option, Pace, Reached
from cnamm_scan.providers.rights import Document, Rights

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Provider


def _connect(name: str, reached: Reached) -> Provider:
    from cnamm_scan.providers.gcp.provider import Options, connect

    how: dict[str, Any] = {"call_timeout": reached.call_timeout, "connections": reached.connections, "operations": reached.operations}
    return connect(name, Options(**how, **reached.said))


def _role(rights: Sequence[str]) -> Document:
    """A custom role with exactly these, as `gcloud iam roles create --file` takes it."""
    return {
        "title": "cnamm-scan",
        "description": "Reads configuration, and nothing else",
        "stage": "GA",
        "includedPermissions": list(rights),
    }


_DELEGATION = "Google Admin console > Security > Access and data control > API controls > Domain-wide delegation"
_DIRECTORY = {
    needs.OAUTH["cloudidentity"]: (
        f"the directory is opened in {_DELEGATION}, not by IAM: add the service account's client id with the scope"
        f" {needs.OAUTH['cloudidentity']}, and scan with --directory-admin EMAIL, a super administrator"
    ),
    needs.OAUTH["admin"]: (
        f"the directory is opened in {_DELEGATION}, not by IAM: add the service account's client id with the scope"
        f" {needs.OAUTH['admin']}, and scan with --directory-admin EMAIL, an administrator who may read users"
    ),
}
"""Rights of the directory -> how they are granted."""

KIND = Kind(
    name="gcp",
    label="Google Cloud",
    noun="project",
    targets="gcp (the project of the credentials), gcp:PROJECT, gcp:folders/NUMBER, gcp:organizations/NUMBER (all projects beneath it)",
    connect=_connect,
    name_problem=scope_problem,
    # which projects there are is asked of Asset Inventory
    rights=Rights(("cloudasset.assets.listResource",), _role, elsewhere=_DIRECTORY),
    options=(
        Option(
            "quota_project",
            "--quota-project",
            "whose quota and enabled APIs are used (also GOOGLE_CLOUD_QUOTA_PROJECT).",
            "PROJECT",
            problem=project_problem,
            environment="GOOGLE_CLOUD_QUOTA_PROJECT",
        ),
        Option(
            "impersonate_service_account",
            "--impersonate-service-account",
            "act as this service account, by its address.",
            "EMAIL",
            problem=account_problem,
        ),
        Option("api_endpoint", "--api-endpoint", "what answers in place of googleapis.com.", "URL", problem=endpoint_problem),
        Option(
            "directory_admin",
            "--directory-admin",
            "ask the directory (Cloud Identity) as this administrator, by domain-wide delegation.",
            "EMAIL",
            problem=admin_problem,
            means=scope_has_directory,
        ),
        Option(
            "with_directory_users",
            "--with-directory-users",
            "count the directory's users by their second factor and last sign-in. Needs the right to read users.",
            opts_in="directory_users",
            means=scope_has_directory,
        ),
        Option("ca_bundle", "--ca-bundle", "trust the authorities in this file, as PEM, and no others.", "FILE"),
    ),
    normalisers=NORMALISERS,
    makers=MAKERS,
    # what resources are given when they are made, and hold ever after where nobody took care
    secret_keys=frozenset(
        "rootPassword password secretKey privateKey privateKeyData serverCa clientKey sharedSecret secretAccessKey authString keyString"
        " startup-script windows-startup-script-ps1 ssh-keys sshKeys user-data kube-env".split()
    ),
    needs=needs.needs,
    call_problem=needs.problem,
    pace=Pace("listings of Asset Inventory", needs.A_MINUTE, needs.CONTENTS.__contains__, "each 1,000 assets of a type", needs.TOGETHER),
    command_line="gcloud",
    lacking="of another level of the hierarchy, or not in use",
    enabling="enable them in the project that pays for the calls: gcloud services enable SERVICE.googleapis.com --project PROJECT",
)
