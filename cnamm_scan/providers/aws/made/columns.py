"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them.

Content is read whenever anything runs, policies only where something was collected: a function is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

from cnamm_scan.model import Column, MadeRow
from cnamm_scan.providers.interface import Maker, SeenTables

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
    "actions": Column("list", about="As written, in small letters."),
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
        "boolean", about="cloudtrail:StopLogging and DeleteTrail; unknown where named trails alone are guarded: there may be others."
    ),
    "denies_stopping_detectors": Column("boolean", about="guardduty:DeleteDetector."),
    "denies_stopping_recorders": Column("boolean", about="config:StopConfigurationRecorder or securityhub:DisableSecurityHub."),
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
    "retention_days": Column("integer"),
}

LISTENER: Mapping[str, Column] = {
    "rule": Column("text"),
    "arn": Column("text", about="Of the target."),
    "is_on": Column("boolean", about="Enabled, and made by the organisation."),
    "reaches_people": Column("boolean"),
    "acts": Column("boolean", about="Runs something."),
    "hears_threats": Column(
        "boolean", about="Serious findings of GuardDuty, there or in Security Hub; unknown where the pattern narrows them down. So below."
    ),
    "hears_hub": Column("boolean", about="Serious threats in Security Hub."),
    "hears_posture": Column("boolean", about="Failed controls of Security Hub, or rules of Config."),
    "hears_notices": Column("boolean", about="AWS Health about this account."),
    "hears_access": Column("boolean", about="Findings of Access Analyzer, of one of its kinds."),
    "hears_backups": Column("boolean", about="Backup jobs that failed."),
    "picks_calls": Column("boolean", about="Some API calls or sign-ins, and nothing else."),
}


def _later(module: str, function: str) -> Callable[[SeenTables], Iterable[MadeRow]]:
    def make(seen: SeenTables) -> Iterable[MadeRow]:
        made: Iterable[MadeRow] = getattr(import_module(f"cnamm_scan.providers.aws.made.{module}"), function)(seen)
        return made

    return make


MAKERS: Mapping[str, Maker] = {
    "resource_policies": Maker(_later("access", "documents"), POLICY),
    "resource_policy_statements": Maker(_later("access", "statements"), STATEMENT),
    "event_listeners": Maker(_later("events", "listeners"), LISTENER),
    "recorded_regions": Maker(_later("trails", "regions"), KEPT),
    "recorded_stores": Maker(_later("trails", "stores"), STORED),
    "member_accounts": Maker(_later("controls", "member_accounts"), MEMBER),
}
