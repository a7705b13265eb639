"""Ways from some rights to all: permissions that give roles, and those that lend a service account's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

GIVES = {
    "projects": "resourcemanager.projects.setIamPolicy",
    "folders": "resourcemanager.folders.setIamPolicy",
    "organizations": "resourcemanager.organizations.setIamPolicy",
}
"""Level -> the permission that gives roles on it."""
ACT_AS = "iam.serviceAccounts.actAs"
WIDENS = "iam.roles.update"
"""Widens a role that somebody wrote: as good as the custom roles that the holder has."""


@dataclass(frozen=True, slots=True)
class Way:
    """Permissions that together lead to more."""

    permissions: tuple[str, ...]
    is_certain: bool = False
    """Whether it leads there by itself, in every project; else it is as good as what is there to be borrowed."""

    @property
    def name(self) -> str:
        """What it is called: its first permission."""
        return self.permissions[0]


IMPERSONATING = (
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.signBlob",
    "iam.serviceAccounts.signJwt",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.setIamPolicy",
    "iam.serviceAccountKeys.create",
    "iam.serviceAccountApiKeyBindings.create",
)
"""Each makes its holder any service account that it is held on. https://docs.cloud.google.com/iam/docs/service-account-impersonation"""
_MANAGED = ("deploymentmanager.deployments.create", "deploymentmanager.deployments.update")
"""Deployments run as the project's Google APIs service agent, an Editor."""
_RUNNING = (
    ("compute.instances.create", "compute.disks.create"),
    ("compute.instances.setServiceAccount",),
    ("compute.instances.setMetadata",),
    ("cloudfunctions.functions.create", "cloudfunctions.functions.sourceCodeSet"),
    ("cloudfunctions.functions.update", "cloudfunctions.functions.sourceCodeSet"),
    ("run.services.create",),
    ("run.services.update",),
    ("run.jobs.create",),
    ("cloudscheduler.jobs.create",),
    ("dataflow.jobs.create",),
    ("dataproc.clusters.create",),
    ("composer.environments.create",),
    ("notebooks.instances.create",),
    ("aiplatform.customJobs.create",),
    ("workflows.workflows.create",),
    ("workflows.workflows.update",),
)
"""What runs somebody's program, as a service account that he may act as."""
_BORROWED = (
    "iam.serviceAccounts.getOpenIdToken",
    "cloudbuild.builds.create",
    "compute.projects.setCommonInstanceMetadata",
    "compute.instances.osAdminLogin",
    "storage.hmacKeys.create",
    "orgpolicy.policy.set",
    "iam.workloadIdentityPoolProviders.create",
    "iam.workloadIdentityPoolProviders.update",
    "container.pods.create",
    "container.pods.exec",
    "container.clusterRoleBindings.create",
    "apikeys.keys.create",
    "cloudfunctions.functions.setIamPolicy",
    "run.services.setIamPolicy",
    "resourcemanager.tagValueBindings.create",
    "privilegedaccessmanager.entitlements.create",
)
"""As strong as what is there: the account of a build or a machine, a pool that is trusted, a condition on tags."""
WAYS: Sequence[Way] = (
    *(Way((each,), is_certain=True) for each in (*GIVES.values(), *IMPERSONATING, *_MANAGED)),
    *(Way((*each, ACT_AS), is_certain=True) for each in _RUNNING),
    *(Way((each, ACT_AS)) for each in ("compute.instances.create", "cloudfunctions.functions.create", "cloudfunctions.functions.update")),
    *(Way((each,)) for each in (WIDENS, *_BORROWED)),
)
"""`resourcemanager.folders.setIamPolicy` and its like count where they are held on a folder."""
KNOWN = frozenset(each for way in WAYS for each in way.permissions)
"""Every permission that a way asks for: what predefined roles are told apart by."""
