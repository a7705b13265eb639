"""Rows out of documents: flat mappings of texts, booleans, None for unknown and lists, as declared tables hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnamm_scan.providers.aws.policies import escalation, questions, services
from cnamm_scan.providers.aws.policies.admission import Admission, Reach
from cnamm_scan.providers.aws.policies.assuming import Role, steps
from cnamm_scan.providers.aws.policies.bounds import narrowed_by
from cnamm_scan.providers.aws.policies.buckets import Bucket, arns_of, bucket_reach
from cnamm_scan.providers.aws.policies.documents import Document, Statement
from cnamm_scan.providers.aws.policies.evaluate import admit, reach
from cnamm_scan.providers.aws.policies.keys import Bound
from cnamm_scan.providers.aws.policies.naming import is_partial
from cnamm_scan.providers.aws.policies.patterns import tidy
from cnamm_scan.providers.aws.policies.rights import FRESH, Rights
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from cnamm_scan.providers.aws.policies.tokens import is_pipeline, is_saml

Row = dict[str, Any]
UNKNOWN = "unknown"


def admission_row(found: Admission) -> Row:
    """Whom something admits: `reach` is one of `Reach`, or unknown where what was not seen decides."""
    sure = found.reach is found.may_reach
    return {
        "reach": found.reach.value if sure else UNKNOWN,
        "reach_at_least": found.reach.value,
        "reach_at_most": found.may_reach.value,
        "is_public": found.is_public.as_bool,
        "leaves_account": found.leaves_account.as_bool,
        "leaves_organisation": found.beyond(Reach.SOURCE).as_bool,
        "admits_unsigned": found.anonymous.as_bool,
        "accounts": sorted(found.accounts),
        "organisations": sorted(found.organisations),
        "services": sorted(found.services),
        "networks": sorted(found.networks),
        "providers": sorted(found.providers),
        "tokens": found.tokens,
    }


def _what(statement: Statement) -> Row:
    actions = statement.actions
    return {
        "sid": statement.sid,
        "actions": list(actions.listed),
        "actions_are_excepted": actions.but,
        "resources": list(statement.resources.listed),
        "resources_are_excepted": statement.resources.but,
        "all_actions": actions.but or any(tidy(each) == "*" or tidy(each).endswith((":*", ":?*")) for each in actions.listed),
    }


def statement_rows(document: Document, setting: Setting) -> list[Row]:
    """One row for each statement that allows, of a resource policy or a trust policy: whom it admits after all Denies, and narrowed by
    what."""
    made = []
    for statement, found in admit(document, setting):
        narrowed = narrowed_by(statement, document, setting)
        made.append(
            {
                **_what(statement),
                **admission_row(found),
                "narrowed_by": sorted(each.value for each in narrowed),
                "names_everybody": statement.principals.anybody or bool(statement.excepted),
                "is_refused_by_aws": any(map(is_partial, statement.principals.aws)),
                "service_is_unbounded": found.beyond(Reach.SERVICE).as_bool if statement.principals.services else False,
            }
        )
    return made


def document_row(document: Document, setting: Setting) -> Row:
    """One row for a resource policy or a trust policy as a whole. `partners` are the accounts that get all actions of a service."""
    found = admit(document, setting)
    partners = sorted({each for statement, one in found if _what(statement)["all_actions"] for each in one.accounts})
    return {**admission_row(reach(document, setting)), "is_readable": document.readable, "partners_with_all_actions": partners}


def trust_rows(trust: Document, setting: Setting) -> list[Row]:
    """One row for each statement of a role's trust policy that allows: `document_row` and what is asked of whoever takes the role."""
    made = []
    for (statement, _), row in zip(admit(trust, setting), statement_rows(trust, setting), strict=True):
        narrowed = set(row["narrowed_by"])
        federated = statement.principals.federated
        made.append(
            {
                **row,
                "asks_external_id": Bound.EXTERNAL_ID.value in narrowed,
                "asks_mfa": Bound.MFA.value in narrowed,
                "asks_organisation": Bound.ORGANISATION.value in narrowed,
                "ends_by_itself": any(test.key == "aws:currenttime" and test.how.startswith("less") for test in statement.tests),
                "is_saml": any(map(is_saml, federated)),
                "is_web_identity": any(not is_saml(each) for each in federated),
                "is_pipeline": any(map(is_pipeline, federated)),
                "tokens_are_bound": {"bound": True, "nobody": True, UNKNOWN: None}.get(row["tokens"], False) if row["tokens"] else None,
            }
        )
    return made


def bucket_row(name: str, bucket: Bucket, setting: Setting) -> Row:
    """One row for a bucket: everything that lets somebody in, taken together."""
    found, arns = bucket_reach(bucket, setting), arns_of(name, setting.partition)
    return {
        **admission_row(found.admission),
        "is_open": found.is_open.as_bool,
        "is_open_by_policy": found.by_policy.as_bool,
        "is_open_by_acl": found.by_acl.as_bool,
        "is_called_public": found.called_public.as_bool,
        "refuses_plaintext": questions.refuses(bucket.policy, setting, ["s3:*"], arns, questions.PLAIN_TEXT).as_bool,
        "partners_with_all_actions": document_row(bucket.policy, setting)["partners_with_all_actions"],
    }


def key_row(policy: Document, setting: Setting) -> Row:
    """One row for a key's policy: whom it admits at all, and whom to decrypt and to change it."""
    decrypt, change = questions.reach_of(policy, setting, "kms:Decrypt"), questions.reach_of(policy, setting, "kms:PutKeyPolicy")
    return {
        **document_row(policy, setting),
        "decrypt_reach": admission_row(decrypt)["reach"],
        "change_reach": admission_row(change)["reach"],
        "attestation": questions.attestation(policy, setting).value,
    }


def endpoint_row(policy: Document, setting: Setting) -> Row:
    """One row for a VPC endpoint of a service that knows endpoint policies."""
    found = questions.endpoint_narrowing(policy, setting)
    return {
        "is_narrow": found.is_narrow,
        "narrows_identities": found.identities,
        "narrows_resources": found.resources.as_bool,
        "narrows_actions": found.actions.as_bool,
    }


def rights_row(rights: Rights) -> Row:
    """One row for a principal, or for one identity policy taken alone: what it holds and by which ways it could hold more."""
    found = list(escalation.ways(rights))
    whole = services.whole_services(rights)
    passed = services.passing(rights)
    raises = Truth.NO
    for _, each in found:
        raises |= each
    held = [name for name, much in whole.items() if much in (services.Share.ALL, services.Share.NEARLY)]
    possible = [name for name, much in whole.items() if much is services.Share.UNKNOWN]
    return {
        "arn": rights.arn,
        "is_administrator": escalation.is_administrator(rights).as_bool,
        "holds_everything": escalation.holds_everything(rights).as_bool,
        "holds_all_services": escalation.holds_all_services(rights).as_bool,
        "can_raise": raises.as_bool,
        "ways": [way.name for way, each in found if each is Truth.YES],
        "possible_ways": [way.name for way, each in found if each is Truth.UNKNOWN],
        "whole_services": held,
        "holds_sensitive_service": _some_of(held, possible, rights, sensitive=True),
        "holds_other_service": _some_of(held, possible, rights, sensitive=False),
        "passes_roles": _certain(passed.roles, rights),
        "passes_roles_to_any_service": passed.any_service.as_bool,
        "takes_roles": _certain(services.taking(rights), rights),
        "decrypts_everywhere": services.decrypts_everywhere(rights).as_bool,
        "reads_secrets_everywhere": services.reads_secrets_everywhere(rights).as_bool,
        "reads_objects_everywhere": services.reads_objects_everywhere(rights).as_bool,
    }


def _certain(much: str, rights: Rights) -> str | None:
    """How much is held; None where a document that was not read may give more."""
    return much if much == "all" or rights.is_readable else None


def _some_of(held: Iterable[str], possible: Iterable[str], rights: Rights, *, sensitive: bool) -> bool | None:
    """Whether one of these services is held whole; None where one may be."""
    if any((name in services.SENSITIVE) is sensitive for name in held):
        return True
    return None if not rights.is_readable or any((name in services.SENSITIVE) is sensitive for name in possible) else False


def assume_rows(holders: Iterable[Rights], roles: Iterable[Role]) -> list[Row]:
    """One row for each principal of the account that can take a role of it."""
    return [{"holder": each.holder, "role": each.role, "can": each.can.as_bool, "by": each.by} for each in steps(holders, roles)]


PROBES: Mapping[str, Sequence[tuple[str, str]]] = {
    "refuses_leaving": (("organizations:LeaveOrganization", "*"),),
    "refuses_access_keys": (("iam:CreateAccessKey", "arn:aws:iam::*:user/*"),),
    "refuses_passwords": (("iam:CreateLoginProfile", "arn:aws:iam::*:user/*"),),
    "refuses_stopping_trails": tuple((f"cloudtrail:{each}", "arn:aws:cloudtrail:*:*:trail/*") for each in ("StopLogging", "DeleteTrail")),
    "refuses_stopping_detectors": (("guardduty:DeleteDetector", "arn:aws:guardduty:*:*:detector/*"),),
    "refuses_stopping_recorders": (("config:StopConfigurationRecorder", "*"),),
    "refuses_stopping_hub": (("securityhub:DisableSecurityHub", "*"),),
    "refuses_plain_disks": (("ec2:DisableEbsEncryptionByDefault", "*"),),
    "refuses_public_buckets": (("s3:PutAccountPublicAccessBlock", "*"),),
    "refuses_marketplace": (("aws-marketplace:Subscribe", "*"),),
    "refuses_everything": (("*", "*"),),
}
"""What a service control policy may be asked to refuse: column -> actions on resources, all of which it has to refuse."""
_ELSEWHERE = {"aws:requestedregion": (FRESH,)}


def control_row(document: Document, setting: Setting) -> Row:
    """One row for a service control policy: what it keeps ordinary principals of member accounts from. Who is exempted by name is not
    asked."""
    made: Row = {}
    for column, probes in PROBES.items():
        found = Truth.YES
        for action, resource in probes:
            found &= questions.refuses_ordinary(document, setting, action, resource)
        made[column] = found.as_bool
    anything = f"{FRESH}:{FRESH}"
    made["refuses_root"] = questions.refuses_ordinary(document, setting, anything, name="root").as_bool
    made["refuses_other_regions"] = questions.refuses_ordinary(document, setting, anything, given=_ELSEWHERE).as_bool
    regions = {value for test in document.tests if test.key == "aws:requestedregion" for value in test.values}
    made["regions_named"] = sorted(regions)
    return made


def resource_control_row(document: Document, setting: Setting) -> Row:
    """One row for a resource control policy: what it keeps strangers to the organisation from."""
    return {
        "guards_data": questions.shuts_out_strangers(document, setting, "s3:GetObject", "arn:aws:s3:::*").as_bool,
        "guards_roles": questions.shuts_out_strangers(document, setting, "sts:AssumeRole", "arn:aws:iam::*:role/*").as_bool,
        "guards_secrets": questions.shuts_out_strangers(
            document, setting, "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:*"
        ).as_bool,
        "guards_keys": questions.shuts_out_strangers(document, setting, "kms:Decrypt", "arn:aws:kms:*:*:key/*").as_bool,
    }
