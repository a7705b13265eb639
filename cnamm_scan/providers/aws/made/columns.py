"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them.

Content is read whenever anything runs, policies only where something was collected: a function is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnamm_scan.model import Column
from cnamm_scan.providers.aws.made import identity_columns as identity
from cnamm_scan.providers.aws.made import network_columns as networks
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

REACH = "nobody, account, organisation, source, named, network, service, anybody; unknown where what was not seen decides."
ADMISSION: Mapping[str, Column] = {
    "reach": Column("text", about=f"The widest that it admits: {REACH}"),
    "reach_at_least": Column("text", about="The widest that is certain."),
    "reach_at_most": Column("text", about="The widest that cannot be ruled out."),
    "is_public": Column("boolean", about="Admits anybody: any account, or callers without one, from anywhere."),
    "leaves_account": Column("boolean", about="Admits somebody outside the account."),
    "leaves_organisation": Column("boolean", about="Admits somebody outside the organisation, other than one named source of a service."),
    "admits_unsigned": Column("boolean", about="Admits requests that nobody signed."),
    "accounts": Column("list", about="Other accounts that are named."),
    "organisations": Column("list", about="Organisations that are named, the own one left out."),
    "services": Column("list", about="AWS services that are admitted."),
    "networks": Column("list", about="VPCs and endpoints that it is bound to."),
    "providers": Column("list", about="Identity providers whose tokens are admitted."),
    "tokens": Column("text", about="Of tokens: nobody, bound, cluster, open or unknown; empty where none are asked."),
}
"""Columns of whom something admits."""
NAMED: Mapping[str, Column] = {
    "arn": Column("text", about="What the policy hangs on."),
    "name": Column("text", about="Its name, where its table gives one."),
}
STATEMENT: Mapping[str, Column] = {
    **NAMED,
    "sid": Column("text"),
    "actions": Column("list", about="As written."),
    "actions_are_excepted": Column("boolean", about="NotAction: everything but these."),
    "resources": Column("list"),
    "resources_are_excepted": Column("boolean", about="NotResource: everything but these."),
    "all_actions": Column("boolean", about="Every action of a service, or more."),
    **ADMISSION,
    "narrowed_by": Column("list", about="What its conditions bind: account, organisation, network, source, mfa, external_id …"),
    "names_everybody": Column("boolean", about="Principal *, or NotPrincipal."),
    "is_refused_by_aws": Column("boolean", about="Holds a principal that AWS does not accept."),
    "service_is_unbounded": Column("boolean", about="An AWS service may act on behalf of any of its customers."),
}
POLICY: Mapping[str, Column] = {
    **NAMED,
    "has_policy": Column("boolean"),
    **ADMISSION,
    "is_readable": Column("boolean"),
    "partners_with_all_actions": Column("list", about="Other accounts that get every action of a service."),
}

MEMBER: Mapping[str, Column] = {
    "account_id": Column("text"),
    "name": Column("text"),
    "in_unit": Column("boolean", about="Its parent is an organisational unit, not the root."),
    "has_guardrail": Column(
        "boolean", about="Its units or the root hand down a service control policy that AWS did not write and that limits something."
    ),
    "is_bound": Column("boolean", about="Such a policy, or a resource control policy, is in force on it, handed down or its own."),
    "denies_leaving": Column("boolean", about="Ordinary principals are refused organizations:LeaveOrganization; so for the columns below."),
    "denies_access_keys": Column("boolean", about="iam:CreateAccessKey, for every user."),
    "denies_passwords": Column("boolean", about="iam:CreateLoginProfile, for every user."),
    "denies_root": Column("boolean", about="The root user is refused everything."),
    "denies_stopping_trails": Column(
        "boolean", about="Stopping, deleting or changing a trail, or what it records; unknown where named trails alone are guarded."
    ),
    "denies_stopping_detectors": Column("boolean", about="guardduty:DeleteDetector and UpdateDetector, which suspends."),
    "denies_stopping_recorders": Column(
        "boolean", about="config:StopConfigurationRecorder and DeleteConfigurationRecorder, or securityhub:DisableSecurityHub."
    ),
    "denies_lowering_defaults": Column("boolean", about="One of the calls that take a safe default of EC2, EBS or S3 back."),
    "denies_marketplace": Column("boolean", about="aws-marketplace:Subscribe."),
    "denies_sharing_outside": Column("boolean", about="ram:CreateResourceShare and UpdateResourceShare where outsiders are allowed."),
    "protects_roles": Column("boolean", about="Some roles, or all, cannot be changed: neither rights, nor trust, nor taken away."),
    "limits_regions": Column("boolean", about="Nothing can be placed in a region that no policy names."),
    "allowed_regions": Column("list", about="Regions in which instances may still be started."),
    "limits_services": Column(
        "boolean", about="Services that nobody names are refused, or whole services other than those of control and watch."
    ),
    "limits_networks": Column("boolean", about="Calls from the internet at large are refused, and so are reads of data."),
    "guards_data": Column("boolean", about="Resource control policies refuse strangers to the organisation at S3."),
    "guards_roles": Column("boolean", about="Resource control policies refuse strangers to the organisation at sts:AssumeRole."),
}

KEPT: Mapping[str, Column] = {
    "name": Column("text", about="Of the region, or of the store."),
    "sources": Column("list", about="What is on and delivers."),
    "keeps_changes": Column("boolean", about="Changes are recorded, sources that a selector singles out apart."),
    "keeps_reads": Column("boolean", about="Every read of the control plane is recorded."),
    "keeps_writes": Column("boolean", about="Every change of the control plane is recorded."),
    "left_out": Column("list", about="What is not recorded: reads, writes, or the sources and names that selectors leave out."),
}
STORED: Mapping[str, Column] = {
    **KEPT,
    "is_multi_region": Column("boolean"),
    "is_organization": Column("boolean"),
    "organization_id": Column("text", about="The organisation of the account that owns it; none where it has none."),
    "retention_days": Column("integer"),
}

LISTENER: Mapping[str, Column] = {
    "rule": Column("text"),
    "arn": Column("text", about="Of the target."),
    "is_on": Column("boolean", about="Enabled, and made by the organisation."),
    "reaches_people": Column("boolean", about="A topic with a subscriber; unknown of queues, streams, programs and buses."),
    "acts": Column("boolean", about="Runs a runbook, a command or a build; unknown of functions and workflows."),
    "hears_threats": Column(
        "boolean", about="Serious findings of GuardDuty, there or in Security Hub; unknown where the pattern narrows them down. So below."
    ),
    "hears_hub": Column("boolean", about="Serious threats in Security Hub."),
    "hears_posture": Column("boolean", about="Failed controls of Security Hub, or rules of Config."),
    "hears_notices": Column("boolean", about="AWS Health about this account."),
    "hears_access": Column("boolean", about="Findings of Access Analyzer of unused access."),
    "hears_access_hub": Column("boolean", about="Findings of Access Analyzer in Security Hub."),
    "hears_backups": Column("boolean", about="Backup jobs that failed."),
    "hears_alarms": Column("boolean", about="CloudWatch alarms that go off, whatever their own actions are."),
    "hears_costs": Column("boolean", about="Anomalies that Cost Anomaly Detection found, of which it tells in one region alone."),
    "picks_calls": Column("boolean", about="Some API calls or sign-ins, and nothing else."),
}


KEY: Mapping[str, Column] = {
    **NAMED,
    "manager": Column("text"),
    "state": Column("text"),
    **ADMISSION,
    "is_readable": Column("boolean"),
    "partners_with_all_actions": Column("list", about="Other accounts that get every action of a service."),
    "mixes_rights": Column("boolean", about="The policy lets somebody, whom it names, manage the key and use it too."),
    "holders_of_all": Column("list", about="Who that is: ARNs, accounts, services, or anybody."),
    "attestation": Column("text", about="What is asked of whoever decrypts: none, some (any attested enclave), pinned (a measured image)."),
    "is_for_enclaves": Column("boolean", about="Its policy looks at an enclave's attestation, or a tag calls it one for enclaves."),
}
FILE_SYSTEM: Mapping[str, Column] = {
    **POLICY,
    "refuses_plaintext": Column("boolean", about="No client without TLS can mount it."),
    "asks_who_mounts": Column("boolean", about="Only who signs, and is not just anybody, can mount it."),
}
VAULT: Mapping[str, Column] = {
    **POLICY,
    "kind": Column("text"),
    "recovery_points": Column("integer"),
    "is_locked": Column("boolean"),
    "refuses_deletion": Column(
        "boolean",
        about="The policy refuses whom it does not exempt by name to delete a backup, to change when it expires, and to change the policy.",
    ),
}
SEARCH_DOMAIN: Mapping[str, Column] = {
    **NAMED,
    **ADMISSION,
    "is_readable": Column("boolean"),
    "partners_with_all_actions": Column("list", about="Other accounts that get every action of a service."),
    "is_in_vpc": Column("boolean"),
    "knows_its_users": Column("boolean", about="Fine-grained access control is on."),
}
SWITCHES: Mapping[str, Column] = {
    "ignores_public_acls": Column("boolean", about="One of the settings that count here ignores grants to everybody."),
    "restricts_public_policy": Column("boolean", about="One of the settings that count here shuts strangers out of what is public."),
}
BUCKET: Mapping[str, Column] = {
    **NAMED,
    **SWITCHES,
    **ADMISSION,
    "is_open": Column("boolean", about="Anybody gets in, all settings taken together."),
    "is_open_by_policy": Column("boolean"),
    "is_open_by_acl": Column("boolean"),
    "is_called_public": Column("boolean", about="S3 would call its policy public."),
    "refuses_plaintext": Column("boolean", about="Everybody is refused everything on bucket and objects over plain HTTP."),
    "partners": Column("list", about="Accounts and organisations other than the own account that are let in."),
    "partners_with_all_actions": Column("list", about="Those of them that may do everything."),
    "service_is_unbounded": Column("boolean", about="An AWS service may act on behalf of any of its customers."),
    "unbounded_services": Column("list", about="The services of which that is certain."),
}
ACCESS_POINT: Mapping[str, Column] = {
    **NAMED,
    **SWITCHES,
    "bucket": Column("text"),
    "network_origin": Column("text", about="Internet or VPC."),
    "reach": Column("text", about=f"The widest that its policy admits: {REACH}"),
    "is_open": Column("boolean", about="Its policy lets anybody in, and no setting is in the way."),
    "accounts": Column("list", about="Other accounts that are named."),
    "services": Column("list", about="AWS services that are admitted."),
    "service_is_unbounded": Column("boolean", about="An AWS service may act on behalf of any of its customers."),
}
ENDPOINT: Mapping[str, Column] = {
    "endpoint_id": Column("text"),
    "service": Column("text"),
    "state": Column("text"),
    "takes_policy": Column("boolean", about="Its service knows endpoint policies; partners' services and some of AWS do not."),
    "is_narrow": Column("boolean", about="It keeps strangers' identities or strangers' resources out, or part of the service."),
    "narrowness": Column("text", about="yes, partly (some strangers' identities), no or unknown."),
    "narrows_identities": Column("text", about="yes, partly, no or unknown."),
    "narrows_resources": Column("boolean"),
    "narrows_actions": Column("boolean"),
}


_later = partial(later, "aws", "whichever", "in_whichever_organisation")

MAKERS: Mapping[str, Maker] = {
    **networks.MAKERS,
    "resource_policies": Maker(_later("access", "documents"), POLICY),
    "resource_policy_statements": Maker(_later("access", "statements"), STATEMENT),
    "auth_policy_statements": Maker(
        _later("access", "statements", ("policy_state",)),
        {**STATEMENT, "policy_state": Column("text", about="Active where it is in force.")},
    ),
    "keys": Maker(_later("stores", "keys"), KEY),
    "file_systems": Maker(_later("stores", "file_systems"), FILE_SYSTEM),
    "vaults": Maker(_later("stores", "vaults"), VAULT),
    "search_domains": Maker(_later("stores", "search_domains"), SEARCH_DOMAIN),
    "buckets": Maker(_later("buckets", "buckets"), BUCKET),
    "access_points": Maker(_later("buckets", "access_points"), ACCESS_POINT),
    "vpc_endpoints": Maker(_later("endpoints", "vpc_endpoints"), ENDPOINT),
    "event_listeners": Maker(_later("events", "listeners"), LISTENER),
    "recorded_regions": Maker(_later("trails", "regions"), KEPT),
    "recorded_stores": Maker(_later("trails", "stores"), STORED),
    "member_accounts": Maker(_later("controls", "member_accounts"), MEMBER),
    "iam_users": Maker(_later("trust", "users"), identity.IAM_USER),
    "iam_roles": Maker(_later("trust", "roles"), identity.IAM_ROLE),
    "iam_role_trust": Maker(_later("trust", "role_trust"), {**STATEMENT, **identity.TRUST}),
    "iam_trusted_accounts": Maker(_later("trust", "trusted_accounts"), identity.TRUSTED_ACCOUNT),
    "iam_user_rights": Maker(_later("rights", "user_rights"), identity.USER_RIGHTS),
    "iam_group_rights": Maker(_later("rights", "group_rights"), identity.GROUP_RIGHTS),
    "iam_role_rights": Maker(_later("rights", "role_rights"), identity.ROLE_RIGHTS),
    "iam_policy_rights": Maker(_later("rights", "policy_rights"), identity.POLICY_RIGHTS),
    "iam_inline_rights": Maker(_later("rights", "inline_rights"), identity.INLINE_RIGHTS),
    "iam_boundaries": Maker(_later("rights", "boundaries"), identity.BOUNDARY),
    "iam_administrators": Maker(_later("rights", "administrators"), identity.ADMINISTRATORS),
    "sso_permission_sets": Maker(_later("rights", "permission_sets"), identity.PERMISSION_SET),
}
