"""Ways from some rights to more: operations that give rights, and those that lend somebody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ASSIGN = "Microsoft.Authorization/roleAssignments/write"
DEFINE = "Microsoft.Authorization/roleDefinitions/write"


@dataclass(frozen=True, slots=True)
class Way:
    """Operations that together lead to more rights."""

    operations: tuple[str, ...]
    is_certain: bool = False
    """Whether the way leads there by itself; else it is as good as the identities that it borrows."""

    @property
    def name(self) -> str:
        """What it is called: its first operation."""
        return self.operations[0]


CERTAIN = (
    ASSIGN,
    DEFINE,
    "Microsoft.Authorization/roleEligibilityScheduleRequests/write",
    "Microsoft.Authorization/roleAssignmentScheduleRequests/write",
)
"""Operations that give rights by themselves."""
_BORROWED = (
    "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write",
    "Microsoft.Compute/virtualMachines/runCommand/action",
    "Microsoft.Compute/virtualMachines/runCommands/write",
    "Microsoft.Compute/virtualMachines/extensions/write",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommand/action",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommands/write",
    "Microsoft.Compute/virtualMachineScaleSets/extensions/write",
    "Microsoft.ContainerService/managedClusters/runCommand/action",
    "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action",
    "Microsoft.Automation/automationAccounts/runbooks/write",
    "Microsoft.Automation/automationAccounts/jobs/write",
    "Microsoft.Automation/automationAccounts/webhooks/write",
    "Microsoft.Logic/workflows/write",
    "Microsoft.Web/sites/config/list/action",
    "Microsoft.Web/sites/publishxml/action",
    "Microsoft.Web/sites/write",
    "Microsoft.Web/sites/functions/write",
    "Microsoft.Authorization/policyAssignments/write",
    "Microsoft.ManagedServices/registrationAssignments/write",
)
_LENT = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
_HOSTS = (
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachineScaleSets/write",
    "Microsoft.ContainerInstance/containerGroups/write",
    "Microsoft.Resources/deploymentScripts/write",
    "Microsoft.App/containerApps/write",
    "Microsoft.App/jobs/write",
)
WAYS: Sequence[Way] = (
    *(Way((each,), is_certain=True) for each in CERTAIN),
    *(Way((each,)) for each in _BORROWED),
    *(Way((_LENT, host)) for host in _HOSTS),
)
"""`elevateAccess` is none: it works for a Global Administrator of the tenant alone."""

KEYS = (
    "Microsoft.Storage/storageAccounts/listKeys/action",
    "Microsoft.Storage/storageAccounts/listAccountSas/action",
    "Microsoft.Storage/storageAccounts/listServiceSas/action",
    "Microsoft.DocumentDB/databaseAccounts/listKeys/action",
    "Microsoft.DocumentDB/databaseAccounts/listConnectionStrings/action",
    "Microsoft.ServiceBus/namespaces/authorizationRules/listKeys/action",
    "Microsoft.EventHub/namespaces/authorizationRules/listKeys/action",
    "Microsoft.ContainerRegistry/registries/listCredentials/action",
    "Microsoft.Cache/redis/listKeys/action",
    "Microsoft.CognitiveServices/accounts/listKeys/action",
    "Microsoft.Search/searchServices/listAdminKeys/action",
    "Microsoft.KeyVault/vaults/accessPolicies/write",
)
"""Operations that hand out all the data of a service: its keys, or a place among those who may read."""
