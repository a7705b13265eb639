"""Which error of AWS says that there is none: a closed list, each entry with how we know, for `absent_on:` may say nothing else.

An error is unread unless somebody can say why it is not. "Not found" of what the caller named may mean that it may not be seen, that the
place is another, or that the name is nobody's: so each entry belongs to one operation, and a code that is also given for a refusal wants
words of the message beside it (`Code: words`). Codes that say that the thing itself is not there belong under `gone_on:`.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Call

_SAYS = "its API reference, Errors: there is none"
_NAMES_NOTHING = "the call names nothing that could be missing but what is asked for"
_LISTED = "what it is asked of was listed before, so that what is not found is what it should have"
_RECORDED = "recorded answers; the reference leaves the operation's errors out"
_MESSAGE = "the message says which of the code's meanings it is"
_OFF = "the service or the feature is not switched on, and keeps nothing then"

_ORGANIZATION = {"AWSOrganizationsNotInUseException": "API reference: the account is no member of an organization"}
_NO_HUB = {"InvalidAccessException: not subscribed": f"{_MESSAGE}; {_OFF}"}
_NO_MACIE = {"AccessDeniedException: Macie is not enabled": f"{_MESSAGE}; {_OFF}"}
_EFFECTIVE = {
    **_ORGANIZATION,
    "EffectivePolicyNotFoundException": "API reference: the type is not switched on, or the account has no effective policy of it",
}

KNOWN: Mapping[str, Mapping[str, str]] = {
    "account:GetAlternateContact": {"ResourceNotFoundException": _NAMES_NOTHING},
    "acm-pca:GetPolicy": {"ResourceNotFoundException": _LISTED},
    "auditmanager:ListAssessments": {"AccessDeniedException: Please complete AWS Audit Manager setup": f"{_MESSAGE}; {_OFF}"},
    "backup:GetBackupVaultAccessPolicy": {"ResourceNotFoundException": _LISTED},
    "backup:GetBackupVaultNotifications": {"ResourceNotFoundException": _LISTED},
    "cloudformation:ListHookResults": {"HookResultNotFound": _SAYS},
    "codeartifact:GetDomainPermissionsPolicy": {"ResourceNotFoundException": _LISTED},
    "codeartifact:GetRepositoryPermissionsPolicy": {"ResourceNotFoundException": _LISTED},
    "config:DescribeRemediationExecutionStatus": {"NoSuchRemediationConfigurationException": _SAYS},
    "dynamodb:GetResourcePolicy": {"PolicyNotFoundException": _SAYS},
    "ecr:GetLifecyclePolicy": {"LifecyclePolicyNotFoundException": _SAYS},
    "ecr:GetRegistryPolicy": {"RegistryPolicyNotFoundException": _SAYS},
    "ecr:GetRepositoryPolicy": {"RepositoryPolicyNotFoundException": _SAYS},
    "ecr:GetSigningConfiguration": {"SigningConfigurationNotFoundException": _SAYS},
    "efs:DescribeBackupPolicy": {"PolicyNotFound": _SAYS},
    "efs:DescribeFileSystemPolicy": {"PolicyNotFound": _SAYS},
    "eks:ListAccessEntries": {"InvalidRequestException: authentication mode": f"{_MESSAGE}: a cluster of this mode has no entries"},
    "glacier:GetVaultAccessPolicy": {"ResourceNotFoundException": _LISTED},
    "glacier:ListVaults": {"NoLongerSupportedException": "API reference: a customer without anything in Glacier"},
    "glue:GetResourcePolicy": {"EntityNotFoundException": _NAMES_NOTHING},
    "guardduty:DescribeOrganizationConfiguration": {
        "BadRequestException: organization master": f"{_MESSAGE}: the account does not administer",
        "BadRequestException: delegated administrator": f"{_MESSAGE}: the account does not administer",
    },
    "iam:GetAccountPasswordPolicy": {"NoSuchEntity": _NAMES_NOTHING},
    "iam:ListOrganizationsFeatures": {
        "OrganizationNotFoundException": _SAYS,
        "OrganizationNotInAllFeaturesModeException": _OFF,
        "ServiceAccessNotEnabledException": _OFF,
    },
    "kafka:GetClusterPolicy": {"NotFoundException": _LISTED},
    "kms:GetKeyRotationStatus": {"UnsupportedOperationException": "API reference: a key of a kind that KMS does not rotate"},
    "lambda:GetFunctionCodeSigningConfig": {"InvalidParameterValueException: container image": f"{_MESSAGE}: an image is signed elsewhere"},
    "lambda:GetLayerVersionPolicy": {"ResourceNotFoundException": _LISTED},
    "lambda:GetPolicy": {"ResourceNotFoundException": _LISTED},
    "lambda:GetRuntimeManagementConfig": {"InvalidParameterValueException: image": f"{_MESSAGE}: an image brings its own runtime"},
    "logs:DescribeAccountPolicies": {"ResourceNotFoundException": _NAMES_NOTHING},
    "macie2:DescribeBuckets": _NO_MACIE,
    "macie2:GetAdministratorAccount": {"ResourceNotFoundException": _NAMES_NOTHING},
    "macie2:GetMacieSession": _NO_MACIE,
    "macie2:ListFindings": _NO_MACIE,
    "organizations:DescribeEffectivePolicy": _EFFECTIVE,
    "organizations:DescribeOrganization": _ORGANIZATION,
    "organizations:ListAWSServiceAccessForOrganization": _ORGANIZATION,
    "organizations:ListAccounts": _ORGANIZATION,
    "organizations:ListDelegatedAdministrators": _ORGANIZATION,
    "organizations:ListPolicies": _ORGANIZATION,
    "organizations:ListRoots": _ORGANIZATION,
    "s3:GetBucketEncryption": {"ServerSideEncryptionConfigurationNotFoundError": _RECORDED},
    "s3:GetBucketLifecycleConfiguration": {"NoSuchLifecycleConfiguration": _RECORDED},
    "s3:GetBucketOwnershipControls": {"OwnershipControlsNotFoundError": _RECORDED},
    "s3:GetBucketPolicy": {"NoSuchBucketPolicy": _RECORDED},
    "s3:GetBucketPolicyStatus": {"NoSuchBucketPolicy": _RECORDED},
    "s3:GetBucketReplication": {"ReplicationConfigurationNotFoundError": _RECORDED},
    "s3:GetBucketTagging": {"NoSuchTagSet": _RECORDED},
    "s3:GetObjectLockConfiguration": {"ObjectLockConfigurationNotFoundError": _RECORDED},
    "s3:GetPublicAccessBlock": {"NoSuchPublicAccessBlockConfiguration": _RECORDED},
    "s3control:GetAccessPointPolicy": {"NoSuchAccessPointPolicy": _RECORDED},
    "s3control:GetPublicAccessBlock": {"NoSuchPublicAccessBlockConfiguration": _SAYS},
    "schemas:GetResourcePolicy": {"NotFoundException": _LISTED},
    "security-ir:ListCases": {"SecurityIncidentResponseNotActiveException": _OFF},
    "securityhub:DescribeHub": _NO_HUB,
    "securityhub:DescribeOrganizationConfiguration": {
        **_NO_HUB,
        "InvalidAccessException: not an administrator": f"{_MESSAGE}: the account does not administer",
    },
    "securityhub:DescribeSecurityHubV2": {"ResourceNotFoundException": f"{_NAMES_NOTHING}; {_OFF}"},
    "securityhub:GetAdministratorAccount": {"ResourceNotFoundException": _NAMES_NOTHING},
    "securityhub:GetEnabledStandards": _NO_HUB,
    "securityhub:GetFindings": _NO_HUB,
    "securityhub:GetInsights": _NO_HUB,
    "securityhub:ListAutomationRules": _NO_HUB,
    "securityhub:ListFindingAggregators": _NO_HUB,
    "securitylake:ListLogSources": {"ResourceNotFoundException": f"{_NAMES_NOTHING}; {_OFF}"},
    "sso-admin:GetPermissionsBoundaryForPermissionSet": {"ResourceNotFoundException": _LISTED},
    "vpc-lattice:GetAuthPolicy": {"ResourceNotFoundException": _LISTED},
    "wafv2:GetLoggingConfiguration": {"WAFNonexistentItemException": _LISTED},
    "wafv2:GetWebACLForResource": {"WAFNonexistentItemException": _LISTED},
    "wafv2:ListWebACLs": {"WAFInvalidParameterException: SCOPE_VALUE": f"{_MESSAGE}: what is global is kept in one region alone"},
}
"""Client and operation -> an entry of `absent_on:` -> how we know that it means "none"."""

SPOKEN_OF_BY_NONE = frozenset(
    "NoSuchBucket NoSuchAccessPoint NoSuchConfiguration InvalidInstanceID.NotFound InvalidVpcEndpointServiceId.NotFound"
    " InvalidPrefixListID.NotFound NotFoundException AWS.SimpleQueueService.NonExistentQueue".split()
)
"""Codes of `gone_on:` that answers hold though the operation's description does not name them."""


def unknown(asked: str, call: Call) -> list[str]:
    """The entries of `absent_on:` that nobody has said to mean "none" for this client and operation."""
    return [entry for entry in call.absent_on if entry not in KNOWN.get(asked, {})]


def undeclared(call: Call, declared: frozenset[str]) -> list[str]:
    """The codes of `gone_on:` that the operation does not give, as far as its description says."""
    return [code for code in call.gone_on if code not in declared | SPOKEN_OF_BY_NONE]
