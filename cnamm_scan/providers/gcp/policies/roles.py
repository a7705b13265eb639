"""What roles hold of the permissions that matter: of custom roles as they were read, of Google's own by a small table.

Google's roles are no assets. The table says what each holds of `ways.KNOWN`, by Google's reference of roles
(https://docs.cloud.google.com/iam/docs/roles-permissions); of one that is not in it nothing is known, unless its name says that it reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from cnamm_scan.providers.gcp.policies.ways import ACT_AS, GIVES, IMPERSONATING, KNOWN, WIDENS
from cnamm_scan.providers.truths import Truth

OWNERS = frozenset({"roles/owner", "roles/admin"})
EDITORS = frozenset({"roles/editor", "roles/writer"})
VIEWERS = frozenset({"roles/viewer", "roles/reader"})
BASIC = OWNERS | EDITORS | VIEWERS
"""Roles over every service at once; the second of each is how Google calls it since 2025."""
_PROJECT, _FOLDER, _ORGANIZATION = GIVES["projects"], GIVES["folders"], GIVES["organizations"]
_EDITS = frozenset(
    {
        ACT_AS,
        "iam.serviceAccountKeys.create",
        *(
            each
            for each in KNOWN
            if each.startswith(("deploymentmanager.", "dataflow.", "dataproc.", "composer.", "notebooks.", "workflows."))
        ),
        "aiplatform.customJobs.create",
        "cloudbuild.builds.create",
        "cloudfunctions.functions.create",
        "cloudfunctions.functions.sourceCodeSet",
        "cloudfunctions.functions.update",
        "cloudscheduler.jobs.create",
        "compute.disks.create",
        "compute.instances.create",
        "compute.instances.setMetadata",
        "compute.instances.setServiceAccount",
        "compute.projects.setCommonInstanceMetadata",
        "container.pods.create",
        "container.pods.exec",
        "run.jobs.create",
        "run.services.create",
        "run.services.update",
        "apikeys.keys.create",
        "storage.hmacKeys.create",
    }
)
"""An Editor changes what there is, and gives no roles."""
_MACHINES = frozenset(
    {
        "compute.disks.create",
        "compute.instances.create",
        "compute.instances.setMetadata",
        "compute.instances.setServiceAccount",
        "compute.instances.osAdminLogin",
        "compute.projects.setCommonInstanceMetadata",
    }
)
_RUN = frozenset(each for each in KNOWN if each.startswith("run."))
_FUNCTIONS = frozenset(each for each in KNOWN if each.startswith(("cloudfunctions.", "run.services.")))
_OPENS_CALLS = frozenset({"cloudfunctions.functions.setIamPolicy", "run.services.setIamPolicy"})
_PODS = frozenset(each for each in KNOWN if each.startswith("container."))
STRONG: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(OWNERS, KNOWN),
    **dict.fromkeys(EDITORS, _EDITS),
    "roles/iam.securityAdmin": frozenset(each for each in KNOWN if each.endswith(".setIamPolicy")),
    "roles/resourcemanager.organizationAdmin": frozenset({_PROJECT, _FOLDER, _ORGANIZATION}),
    "roles/resourcemanager.folderAdmin": frozenset({_PROJECT, _FOLDER}),
    "roles/resourcemanager.folderIamAdmin": frozenset({_FOLDER}),
    "roles/resourcemanager.projectIamAdmin": frozenset({_PROJECT}),
    "roles/resourcemanager.tagUser": frozenset({"resourcemanager.tagValueBindings.create"}),
    "roles/resourcemanager.tagAdmin": frozenset({"resourcemanager.tagValueBindings.create"}),
    "roles/iam.serviceAccountAdmin": frozenset({"iam.serviceAccounts.setIamPolicy", "iam.serviceAccountApiKeyBindings.create"}),
    "roles/iam.serviceAccountKeyAdmin": frozenset({"iam.serviceAccountKeys.create"}),
    "roles/iam.serviceAccountTokenCreator": frozenset(
        {*IMPERSONATING[:4], "iam.serviceAccounts.getOpenIdToken"},
    ),
    "roles/iam.serviceAccountOpenIdTokenCreator": frozenset({"iam.serviceAccounts.getOpenIdToken"}),
    "roles/iam.workloadIdentityUser": frozenset({"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"}),
    "roles/iam.serviceAccountUser": frozenset({ACT_AS}),
    "roles/iam.roleAdmin": frozenset({WIDENS}),
    "roles/iam.organizationRoleAdmin": frozenset({WIDENS}),
    "roles/iam.workloadIdentityPoolAdmin": frozenset(each for each in KNOWN if each.startswith("iam.workloadIdentityPoolProviders.")),
    "roles/orgpolicy.policyAdmin": frozenset({"orgpolicy.policy.set"}),
    "roles/privilegedaccessmanager.admin": frozenset({"privilegedaccessmanager.entitlements.create"}),
    "roles/compute.admin": _MACHINES,
    "roles/compute.instanceAdmin.v1": _MACHINES,
    "roles/compute.osAdminLogin": frozenset({"compute.instances.osAdminLogin"}),
    "roles/cloudfunctions.admin": _FUNCTIONS,
    "roles/cloudfunctions.developer": _FUNCTIONS - _OPENS_CALLS,
    "roles/run.admin": _RUN,
    "roles/run.developer": _RUN - _OPENS_CALLS,
    "roles/cloudscheduler.admin": frozenset({"cloudscheduler.jobs.create"}),
    "roles/workflows.admin": frozenset({"workflows.workflows.create", "workflows.workflows.update"}),
    "roles/workflows.editor": frozenset({"workflows.workflows.create", "workflows.workflows.update"}),
    "roles/cloudbuild.builds.editor": frozenset({"cloudbuild.builds.create"}),
    "roles/cloudbuild.builds.builder": frozenset({"cloudbuild.builds.create"}),
    "roles/deploymentmanager.editor": frozenset(each for each in KNOWN if each.startswith("deploymentmanager.")),
    "roles/container.admin": _PODS,
    "roles/container.developer": _PODS - {"container.clusterRoleBindings.create"},
    "roles/storage.hmacKeyAdmin": frozenset({"storage.hmacKeys.create"}),
    "roles/serviceusage.apiKeysAdmin": frozenset({"apikeys.keys.create"}),
}
"""Google's role -> what it holds of `ways.KNOWN`."""
_WEAK = """
    artifactregistry.reader artifactregistry.writer bigquery.connectionUser bigquery.dataEditor bigquery.dataOwner bigquery.dataViewer
    bigquery.jobUser bigquery.metadataViewer bigquery.readSessionUser bigquery.user billing.viewer browser cloudasset.viewer
    cloudfunctions.invoker cloudkms.cryptoKeyDecrypter cloudkms.cryptoKeyEncrypter cloudkms.cryptoKeyEncrypterDecrypter
    cloudkms.publicKeyViewer cloudkms.signerVerifier cloudprofiler.agent cloudsql.client cloudsql.instanceUser cloudtrace.agent
    cloudtrace.user compute.networkUser compute.networkViewer compute.osLogin compute.viewer datastore.user datastore.viewer
    errorreporting.writer eventarc.eventReceiver iam.roleViewer iam.securityReviewer iam.serviceAccountViewer
    iap.httpsResourceAccessor iap.tunnelResourceAccessor logging.bucketWriter logging.logWriter logging.privateLogViewer
    logging.viewer monitoring.metricWriter monitoring.viewer pubsub.publisher pubsub.subscriber pubsub.viewer run.invoker
    secretmanager.secretAccessor secretmanager.secretVersionAdder secretmanager.viewer serviceusage.serviceUsageConsumer
    spanner.databaseReader spanner.databaseUser spanner.viewer stackdriver.resourceMetadata.writer storage.admin storage.objectAdmin
    storage.objectCreator storage.objectUser storage.objectViewer vpcaccess.user
"""
WEAK = VIEWERS | {f"roles/{each}" for each in _WEAK.split()}
"""Google's roles that hold nothing of it."""


def spelled(permission: str) -> str:
    """A permission as most services write it: those of pools are written with their service's host."""
    return permission.replace(".googleapis.com/", ".", 1)


def held_by(role: str, custom: Mapping[str, Collection[str] | None]) -> Collection[str] | None:
    """What a role holds: of a custom role all that it includes, of Google's what matters. None: not known."""
    if role in custom:
        return custom[role]
    if role in STRONG:
        return STRONG[role]
    return frozenset() if role in WEAK or _reads(role) else None


def _reads(role: str) -> bool:
    """Whether the name of a role of Google's says that it only looks."""
    return role.startswith("roles/") and role.rpartition(".")[2].lower().endswith("viewer")


def holds(role: str, permission: str, custom: Mapping[str, Collection[str] | None]) -> Truth:
    """Whether a role holds a permission that matters."""
    found = held_by(role, custom)
    return None if found is None else permission in found
