"""Whole services, passed roles, keys: what else is asked of a principal's rights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from cnamm_scan.providers.aws.policies.conditions import Domain
from cnamm_scan.providers.aws.policies.escalation import holds_every_change
from cnamm_scan.providers.aws.policies.patterns import literal_prefix, meets
from cnamm_scan.providers.aws.policies.questions import DECRYPTS
from cnamm_scan.providers.aws.policies.rights import FRESH, Need, Rights
from cnamm_scan.providers.aws.policies.setting import Truth


class Share(Enum):
    """How much of a service is held."""

    NONE = "none"
    UNKNOWN = "unknown"
    NEARLY = "nearly"
    """All but actions that a policy takes out or does not list."""
    ALL = "all"


_WHERE: Mapping[str, str] = {"s3": "arn:aws:s3:::*", "iam": "arn:aws:iam::*:*"}
_CHANGES: Mapping[str, tuple[str, ...]] = {
    "s3": (
        "createbucket",
        "deletebucket",
        "deleteobject",
        "deletebucketpolicy",
        "getobject",
        "listbucket",
        "putbucketacl",
        "putbucketpolicy",
        "putbucketpublicaccessblock",
        "putencryptionconfiguration",
        "putlifecycleconfiguration",
        "putobject",
        "putobjectacl",
        "putbucketversioning",
    ),
    "kms": ("creategrant", "createkey", "decrypt", "disablekey", "encrypt", "putkeypolicy", "schedulekeydeletion"),
    "secretsmanager": ("createsecret", "deletesecret", "getsecretvalue", "putresourcepolicy", "putsecretvalue", "updatesecret"),
    "lambda": ("addpermission", "createfunction", "deletefunction", "invokefunction", "updatefunctioncode", "updatefunctionconfiguration"),
    "ec2": (
        "authorizesecuritygroupingress",
        "createsecuritygroup",
        "createsnapshot",
        "deletesnapshot",
        "modifyinstanceattribute",
        "runinstances",
        "terminateinstances",
        "createvpc",
        "deletevpc",
    ),
    "sts": ("assumerole",),
    "organizations": ("attachpolicy", "createaccount", "createpolicy", "deletepolicy", "detachpolicy", "leaveorganization", "updatepolicy"),
    "dynamodb": ("createtable", "deleteitem", "deletetable", "getitem", "putitem", "query", "scan", "updateitem", "updatetable"),
    "sqs": (
        "addpermission",
        "createqueue",
        "deletemessage",
        "deletequeue",
        "purgequeue",
        "receivemessage",
        "sendmessage",
        "setqueueattributes",
    ),
    "cloudtrail": ("createtrail", "deletetrail", "puteventselectors", "stoplogging", "updatetrail"),
}
"""Actions that change, read data or give rights: what several statements have to cover together to come to the whole service.

Those of IAM stand with what makes an administrator: who is one holds the service, or no rule would name his policy.

https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""
SENSITIVE = ("cloudtrail", "dynamodb", "ec2", "iam", "kms", "lambda", "organizations", "s3", "secretsmanager", "sqs", "sts")


def share(rights: Rights, service: str) -> Share:
    """How much of a service is held on all of its resources."""
    where = _WHERE.get(service, f"arn:aws:{service}:*:*:*")
    wild = rights.holds(Need(f"{service}:{FRESH}", where, whole=True))
    if wild is not Truth.YES:
        listed = Truth.NO
        if service == "iam":
            listed = holds_every_change(rights)
        elif service in _CHANGES:
            listed = rights.holds_all(Need(f"{service}:{each}", where, whole=True) for each in _CHANGES[service])
        return {Truth.YES: Share.NEARLY, Truth.UNKNOWN: Share.UNKNOWN}.get(wild | listed, Share.NONE)
    return Share.NEARLY if _takes_some(rights, service) else Share.ALL


def _takes_some(rights: Rights, service: str) -> bool:
    whole = f"{service}:*"
    documents = [*rights.identity, *([rights.boundary] if rights.boundary is not None else [])]
    takes = any(deny.actions.meets(whole) for each in documents for deny in each.denies)
    leaves = any(one.actions.but and any(meets(each, whole) for each in one.actions.listed) for each in documents for one in each.allows)
    return takes or leaves


def mentioned(rights: Rights) -> frozenset[str]:
    """Services that the holder's policies name, and those that matter most."""
    made = set(SENSITIVE)
    for document in rights.identity:
        for statement in document.allows:
            heads = (literal_prefix(each).partition(":") for each in statement.actions.listed)
            made |= {service for service, colon, _ in heads if colon}
    return frozenset(made)


def whole_services(rights: Rights) -> dict[str, Share]:
    """Each service of which all, or nearly all, is held; those that may be are left out unless nothing is certain."""
    found = {service: share(rights, service) for service in sorted(mentioned(rights))}
    return {service: much for service, much in found.items() if much is not Share.NONE}


@dataclass(frozen=True, slots=True)
class Passing:
    """Which roles may be handed to services."""

    roles: str
    """all, some or none."""
    any_service: Truth
    """Whether to a service that no policy names."""


def passing(rights: Rights) -> Passing:
    """How freely roles are handed on (iam:PassRole)."""
    need = Need("iam:passrole", "arn:aws:iam::*:role/*")
    held = rights.holds(need)
    named = Need(need.action, need.resource, {"iam:passedtoservice": Domain((f"{FRESH}.amazonaws.com",))})
    return Passing({Truth.YES: "all", Truth.UNKNOWN: "some"}.get(held, "none"), rights.holds(named))


def taking(rights: Rights) -> str:
    """Which roles of the account may be taken as far as these rights go (sts:AssumeRole): all, some or none."""
    held = rights.holds(Need("sts:assumerole", "arn:aws:iam::*:role/*"))
    return {Truth.YES: "all", Truth.UNKNOWN: "some"}.get(held, "none")


_MARKS = ("resourcetag/", "objecttag/")
_ALIASES = ("kms:resourcealiases", "kms:requestalias")


def _of_any(rights: Rights, action: str, resource: str, *, every_region: bool = False) -> Truth:
    """Whether an action is held on every such resource: on one whose tags and alias no policy spells out too.

    A statement that picks resources by a tag or an alias is about some of them, whether the value stands there or is the caller's own tag.
    """
    documents = (*rights.identity, *([rights.boundary] if rights.boundary is not None else []))
    tests = [test for document in documents for test in document.tests]
    picking = [test for test in tests if any(mark in test.key for mark in _MARKS) or test.key in _ALIASES]
    given = {test.key: Domain((f"alias/{FRESH}" if test.key in _ALIASES else FRESH,), may_lack=test.key == _ALIASES[1]) for test in picking}
    asked = {test.key for test in tests}
    own = {key for test in picking for key in test.variables if key.startswith("aws:principaltag/") and key not in asked}
    given |= {key: Domain((f"{FRESH}{FRESH}",)) for key in own}
    return rights.holds(Need(action, resource, given, whole=True, every_region=every_region))


def reads_objects_everywhere(rights: Rights) -> Truth:
    """Whether every object in every bucket is read; the one that is there now is a version too."""
    return _of_any(rights, "s3:getobject", "arn:aws:s3:::*/*") | _of_any(rights, "s3:getobjectversion", "arn:aws:s3:::*/*")


def decrypts_everywhere(rights: Rights) -> Truth:
    """Whether data is decrypted under every key, in every region, that lets the account's IAM decide.

    Those of one region are some of them: https://docs.aws.amazon.com/securityhub/latest/userguide/kms-controls.html#kms-1
    """
    made = Truth.NO
    for action in DECRYPTS:
        made |= _of_any(rights, action.lower(), "arn:aws:kms:*:*:key/*", every_region=True)
    return made


def reads_secrets_everywhere(rights: Rights) -> Truth:
    """Whether every secret is read."""
    return _of_any(rights, "secretsmanager:getsecretvalue", "arn:aws:secretsmanager:*:*:secret:*")
