"""Organization policies: what a constraint comes to on a project, out of the policies on it and above it.

https://docs.cloud.google.com/resource-manager/docs/organization-policy/understanding-hierarchy
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.truths import Truth

Json = Any

BOOLEAN = frozenset(
    """
    compute.disableGuestAttributesAccess compute.disableNestedVirtualization compute.disableSerialPortAccess
    compute.disableSerialPortLogging compute.disableVpcExternalIpv6 compute.managed.disableSerialPortAccess
    compute.managed.requireOsLogin compute.requireOsLogin compute.requireShieldedVm compute.requireVpcFlowLogs
    compute.restrictXpnProjectLienRemoval compute.skipDefaultNetworkCreation container.managed.enablePrivateNodes
    gcp.disableCloudLogging iam.automaticIamGrantsForDefaultServiceAccounts iam.disableCrossProjectServiceAccountUsage
    iam.disableServiceAccountCreation iam.disableServiceAccountKeyCreation iam.disableServiceAccountKeyUpload
    iam.disableWorkloadIdentityClusterCreation iam.managed.allowedPolicyMembers iam.managed.disableServiceAccountCreation
    iam.managed.disableServiceAccountKeyCreation iam.managed.disableServiceAccountKeyUpload
    iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts sql.disableDefaultEncryptionCreation
    sql.restrictAuthorizedNetworks sql.restrictPublicIp storage.publicAccessPrevention storage.secureHttpTransport
    storage.uniformBucketLevelAccess
    """.split()
)
"""Constraints that are on or off, and off where nobody set them."""
LISTS = frozenset(
    """
    cloudbuild.allowedIntegrations cloudfunctions.allowedIngressSettings compute.restrictLoadBalancerCreationForTypes
    compute.restrictProtocolForwardingCreationForTypes compute.restrictSharedVpcSubnetworks compute.restrictVpcPeering
    compute.trustedImageProjects compute.vmCanIpForward compute.vmExternalIpAccess essentialcontacts.allowedContactDomains
    gcp.resourceLocations gcp.restrictCmekCryptoKeyProjects gcp.restrictNonCmekServices gcp.restrictServiceUsage
    gcp.restrictTLSVersion iam.allowedPolicyMemberDomains iam.workloadIdentityPoolAwsAccounts iam.workloadIdentityPoolProviders
    run.allowedIngress run.allowedVPCEgress storage.restrictAuthTypes
    """.split()
)
"""Constraints that bound values, and bound none where nobody set them."""

TWINS: Mapping[str, str] = {
    "compute.disableSerialPortAccess": "compute.managed.disableSerialPortAccess",
    "compute.requireOsLogin": "compute.managed.requireOsLogin",
    "iam.allowedPolicyMemberDomains": "iam.managed.allowedPolicyMembers",
    "iam.automaticIamGrantsForDefaultServiceAccounts": "iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts",
    "iam.disableServiceAccountKeyCreation": "iam.managed.disableServiceAccountKeyCreation",
    "iam.disableServiceAccountKeyUpload": "iam.managed.disableServiceAccountKeyUpload",
}
"""Constraints of old -> the managed ones that refuse the same."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy for one constraint on one level. Of None it was not read."""

    level: str
    rules: Sequence[Mapping[str, Json]] | None = ()
    inherits: Truth = False
    resets: Truth = False
    is_live: Truth = True
    """Whether it has a specification; else it is a dry run alone."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a constraint comes to."""

    is_enforced: Truth = False
    is_partly: Truth = False
    denies_all: Truth = False
    allowed: tuple[str, ...] | None = ()
    denied: tuple[str, ...] | None = ()
    set_on: str | None = ""


UNKNOWN = Effect(None, None, None, None, None, None)
NOTHING = Effect()
"""Google's default of the constraints that are listed here."""
Step = Policy | None
"""A level of the line from a project up: its policy. None: whether there is one was not seen."""


def is_rule(value: Json) -> bool:
    """Whether something is a rule as the API writes it."""
    if not isinstance(value, Mapping):
        return False
    values, condition = value.get("values", {}), value.get("condition", {})
    switches = all(isinstance(value.get(each, False), bool) for each in ("enforce", "allowAll", "denyAll"))
    if not switches or not isinstance(values, Mapping) or not isinstance(condition, Mapping):
        return False
    named = [values.get(each, []) for each in ("allowedValues", "deniedValues")]
    return all(isinstance(each, list) and all(isinstance(one, str) for one in each) for each in named)


def effect(constraint: str, line: Sequence[Step | str]) -> Effect:
    """What holds at the first of these levels. A text stands for a level that certainly has no policy."""
    if not line:
        return NOTHING if constraint in BOOLEAN or constraint in LISTS or constraint.startswith("custom.") else UNKNOWN
    own, above = line[0], line[1:]
    if own is None:
        return UNKNOWN
    if isinstance(own, str) or own.is_live is False:
        return effect(constraint, above)
    if own.is_live is None or own.resets is None or own.rules is None:
        return UNKNOWN
    if own.resets:
        default = effect(constraint, ())
        return Effect(default.is_enforced, False, default.denies_all, default.allowed, default.denied, own.level)
    if not own.rules and own.inherits is not False:  # it sets nothing of its own, whatever kind of constraint it is for
        return effect(constraint, above) if own.inherits else UNKNOWN
    plain = [each for each in own.rules if not _condition(each)]
    bound = [each for each in own.rules if _condition(each)]
    if constraint in LISTS or any("values" in each or "allowAll" in each or "denyAll" in each for each in own.rules):
        return _list(constraint, own, plain, bool(bound), above)
    base = any(each.get("enforce") is True for each in plain)
    return Effect(
        None if bound and any((each.get("enforce") is True) != base for each in bound) else base, bool(bound), False, (), (), own.level
    )


def _list(constraint: str, own: Policy, plain: Sequence[Mapping[str, Json]], is_partly: bool, above: Sequence[Step | str]) -> Effect:
    """What a policy for a list comes to, with what it inherits."""
    if own.inherits is None:
        return UNKNOWN
    inherited = effect(constraint, above) if own.inherits else NOTHING
    if inherited.is_enforced is None:
        return Effect(None, None, None, None, None, None)
    allowed = {*(inherited.allowed or ()), *_values(plain, "allowedValues")}
    denied = {*(inherited.denied or ()), *_values(plain, "deniedValues")}
    denies = bool(inherited.denies_all) or any(each.get("denyAll") is True for each in plain)
    opens = any(each.get("allowAll") is True for each in plain)
    holds = denies or (not opens and bool(allowed)) or bool(denied)
    partly = is_partly or bool(inherited.is_partly)
    return Effect(
        None if partly else holds,
        partly,
        None if partly else denies,
        None if partly else tuple(sorted(allowed)),
        None if partly else tuple(sorted(denied)),
        own.level,
    )


def _values(rules: Sequence[Mapping[str, Json]], key: str) -> list[str]:
    return [str(one) for each in rules for one in (each.get("values") or {}).get(key) or ()]


def _condition(rule: Mapping[str, Json]) -> bool:
    return bool((rule.get("condition") or {}).get("expression"))
