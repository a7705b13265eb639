"""What the organisation's policies keep one account from: every level that reaches it taken together, asked for an ordinary principal.

Allowed has to be at every level, a Deny counts from any. The management account is bound by none of them.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from cnamm_scan.providers.aws.policies import keys as k
from cnamm_scan.providers.aws.policies.documents import NO_PRINCIPALS, Document, Statement
from cnamm_scan.providers.aws.policies.patterns import EVERYTHING, WILD, Names, arn_parts, is_wild, meets, tidy
from cnamm_scan.providers.aws.policies.questions import shuts_out_strangers
from cnamm_scan.providers.aws.policies.rights import FRESH, Need, Rights
from cnamm_scan.providers.aws.policies.setting import Setting, Truth

Row = dict[str, bool | list[str] | None]
Ask = tuple[str, str]
"""An action and the resources that it is asked for."""
Given = Mapping[str, tuple[str, ...]]

_USER, _ROLE, _TRAIL = "arn:aws:iam::*:user/*", "arn:aws:iam::*:role/*", "arn:aws:cloudtrail:*:*:trail/*"
_DETECTOR = "arn:aws:guardduty:*:*:detector/*"

ALL_OF: Mapping[str, tuple[Ask, ...]] = {
    "denies_leaving": (("organizations:LeaveOrganization", "*"),),
    "denies_access_keys": (("iam:CreateAccessKey", _USER),),
    "denies_passwords": (("iam:CreateLoginProfile", _USER),),
    "denies_stopping_trails": tuple(
        (f"cloudtrail:{action}", _TRAIL) for action in ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors")
    ),
    "denies_stopping_detectors": (("guardduty:DeleteDetector", _DETECTOR), ("guardduty:UpdateDetector", _DETECTOR)),
    "denies_marketplace": (("aws-marketplace:Subscribe", "*"),),
}
"""Column -> what has to be refused, all of it. What is changed until it sees nothing is stopped as well as what is deleted."""
ONE_OF: Mapping[str, tuple[tuple[Ask, ...], ...]] = {
    "denies_stopping_recorders": (
        (("config:StopConfigurationRecorder", "*"), ("config:DeleteConfigurationRecorder", "*")),
        (("securityhub:DisableSecurityHub", "*"),),
    ),
    "denies_lowering_defaults": tuple(
        ((action, "*"),)
        for action in (
            "ec2:DisableEbsEncryptionByDefault",
            "s3:PutAccountPublicAccessBlock",
            "ec2:ModifyInstanceMetadataDefaults",
            "ec2:DisableSnapshotBlockPublicAccess",
            "ec2:DisableImageBlockPublicAccess",
        )
    ),
}
"""Column -> what may be refused together, one group of which suffices."""
_SHARES: tuple[Ask, ...] = (("ram:CreateResourceShare", "*"), ("ram:UpdateResourceShare", "*"))
_OUTSIDE: Given = {"ram:requestedallowsexternalprincipals": ("true",), "ram:allowsexternalprincipals": ("true",)}
"""https://docs.aws.amazon.com/ram/latest/userguide/scp.html"""
_ROLE_CHANGES = (
    "iam:AttachRolePolicy",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
)
"""What makes a role mean something else, or nothing."""
_WORK: tuple[Ask, ...] = tuple(
    (action, "*")
    for action in (
        f"{FRESH}:{FRESH}",
        "ec2:RunInstances",
        "rds:CreateDBInstance",
        "lambda:CreateFunction",
        "dynamodb:CreateTable",
        "s3:CreateBucket",
    )
)
"""What is placed in a region: something that no policy spells out, and what most would."""
_DATA: tuple[Ask, ...] = tuple(
    (action, "*") for action in (f"{FRESH}:{FRESH}", "s3:GetObject", "dynamodb:GetItem", "secretsmanager:GetSecretValue")
)
_CONTROL = frozenset(
    {"guardduty", "config", "cloudtrail", "securityhub", "macie2", "access-analyzer", "organizations", "account", "iam", "sts"}
)
"""Services that control and watch: who refuses them limits no choice of services."""
REGIONS: Mapping[str, tuple[str, ...]] = {
    "aws": (
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "ca-west-1", "mx-central-1", "sa-east-1", "af-south-1"),
        *("eu-central-1", "eu-central-2", "eu-west-1", "eu-west-2", "eu-west-3", "eu-north-1", "eu-south-1", "eu-south-2"),
        *("il-central-1", "me-central-1", "me-south-1", "ap-south-1", "ap-south-2", "ap-east-1", "ap-east-2"),
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
        *(f"ap-southeast-{number}" for number in range(1, 8)),
    ),
    "aws-cn": ("cn-north-1", "cn-northwest-1"),
    "aws-us-gov": ("us-gov-east-1", "us-gov-west-1"),
}
"""Partition -> its regions. https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html"""
_AFAR = (*(f"{first}.77.13.201" for first in (3, 20, 37, 52, 68, 87, 104, 121, 137, 151, 163, 179, 195, 211)), "2a0f:7c3:91::d1")
"""Addresses all over the internet: who shuts strangers out shuts out each of them."""
_DIRECT: Given = {
    "aws:viaawsservice": ("false",),
    "aws:calledvia": (),
    "aws:calledviafirst": (),
    "aws:calledvialast": (),
    "aws:assumedroot": (),
}
"""A principal that calls by itself: what services do for it, and central root sessions, are exempted in many policies."""
_FROM_AFAR: Given = {
    k.VPC: (),
    k.VPC_ARN: (),
    k.ENDPOINT: (),
    k.VPC_IP: (),
    k.ENDPOINT_ACCOUNT: (),
    k.ENDPOINT_ORG: (),
    k.ENDPOINT_PATHS: (),
}
_OWN_ACCOUNT = re.compile(r"\$\{aws:(?:principal|resource)account\}", re.IGNORECASE)
_EVERYTHING = Document((Statement(True, Names(("*",)), EVERYTHING, NO_PRINCIPALS, NO_PRINCIPALS, ()),))


@dataclass(frozen=True)
class Controls:
    """The service control policies that reach one account. `setting` is the account's, `path` its place in the organisation."""

    setting: Setting
    levels: Sequence[Sequence[Document]]
    """Those of the root, of each unit on the way, and of the account; a level without any caps nothing."""
    whole: bool = True
    """False where more may be attached than was seen: what is refused stays so, what is not may be."""
    path: str = ""
    """`o-…/r-…/ou-…/`; empty where it is not known."""

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """Every policy of every level."""
        return tuple(document for level in self.levels for document in level)

    @cached_property
    def _is_read(self) -> bool:
        return self.whole and all(each.readable and all(one.readable for one in each.statements) for each in self.documents)

    @cached_property
    def _caps(self) -> tuple[tuple[Document, ...], ...]:
        """The levels, where they are known; the Denies alone where they are not: an Allow that nobody showed us may be there."""
        if self._is_read:
            return tuple(tuple(level) for level in self.levels if level)
        return ((_EVERYTHING, *self.documents),)

    @cached_property
    def _base(self) -> Given:
        tags = {test.key: () for each in self.documents for test in each.tests if test.key.startswith("aws:principaltag/")}
        return {**self.setting.given, **tags, **_DIRECT, **({k.CALLER_PATHS: (self.path,)} if self.path else {})}

    def _rights(self, name: str, given: Given) -> Rights:
        place = replace(self.setting, given={**self._base, **given})
        arn = f"arn:{self.setting.partition}:iam::{self.setting.account}:{name}"
        return Rights(place, (_EVERYTHING,), controls=self._caps, arn=arn)

    def refuses(self, asks: Iterable[Ask], given: Given | None = None, *, root: bool = False) -> Truth:
        """Whether an ordinary role and an ordinary user (or the root user) are refused all of it, whatever they do.

        Ordinary is one whom no policy exempts by name or tag. Resources that a Deny leaves out by name do not count.
        """
        found = [self._rights(name, given or {}) for name in (("root",) if root else (f"role/{FRESH}", f"user/{FRESH}"))]
        made = Truth.YES
        for action, resource in asks:
            for rights in found:
                made &= _refused(rights, action.lower(), resource)
            if made is Truth.NO:
                break
        return made if made is Truth.YES or self._is_read else Truth.UNKNOWN

    def refuses_one(self, groups: Iterable[Iterable[Ask]]) -> Truth:
        """Whether all of one group is refused."""
        made = Truth.NO
        for asks in groups:
            made |= self.refuses(asks)
        return made

    @cached_property
    def denies(self) -> tuple[Statement, ...]:
        """Every statement that refuses."""
        return tuple(one for each in self.documents for one in each.denies)

    def named(self, within: str) -> list[str]:
        """The resources of this account that Denies spell out and that are of this kind, as they are asked about."""
        kind = arn_parts(within)
        made = set()
        for one in self.denies:
            for each in () if one.resources.but else one.resources.listed:
                parts = arn_parts(_OWN_ACCOUNT.sub(self.setting.account, each))
                if parts is None or kind is None or not meets(parts[4], self.setting.account):
                    continue
                parts = ("arn", "aws" if parts[1] == self.setting.partition else parts[1], *parts[2:])
                if all(map(meets, parts, kind)):
                    made.add(":".join(parts))
        return sorted(made)

    def regions(self) -> list[str]:
        """Where instances may still be started."""
        every = REGIONS.get(self.setting.partition, ())
        return [each for each in every if self.refuses([("ec2:RunInstances", "*")], {"aws:requestedregion": (each,)}) is not Truth.YES]


def _refused(rights: Rights, action: str, resource: str) -> Truth:
    taken = rights.denied(Need(action, resource, whole=True))
    if taken is Truth.YES:
        return taken
    capped = rights.capped(Need(action, resource))
    return taken | ~capped


def _stops_trails(controls: Controls) -> Truth:
    """All of them; a Deny about named trails guards them, and whether there are others cannot be seen from above."""
    made = controls.refuses(ALL_OF["denies_stopping_trails"])
    if made is Truth.NO:
        for trail in controls.named(_TRAIL):
            if controls.refuses((action, trail) for action, _ in ALL_OF["denies_stopping_trails"]) is Truth.YES:
                return Truth.UNKNOWN
    return made


def _protects_roles(controls: Controls) -> Truth:
    """Whether some roles are kept from every change: those that a Deny names, or all."""
    made = Truth.NO
    for role in (_ROLE, *controls.named(_ROLE)):
        made |= controls.refuses((action, role) for action in _ROLE_CHANGES)
    return made


def _limits_services(controls: Controls) -> Truth:
    """Whether a service that nobody names is refused, or some service as a whole other than those of control and watch."""
    made = controls.refuses([(f"{FRESH}:{FRESH}", "*")])
    names = {tidy(each).partition(":") for one in controls.denies if not one.actions.but for each in one.actions.listed}
    for name in sorted({WILD.sub(FRESH, head) for head, _, rest in names if tidy(rest) == "*"} - _CONTROL):
        if made is Truth.YES:
            break
        made |= controls.refuses([(f"{name}:{FRESH}", "*")])
    return made


def _limits_regions(controls: Controls) -> tuple[Truth, list[str] | None]:
    found = controls.refuses(_WORK, {"aws:requestedregion": (FRESH,)})
    every = REGIONS.get(controls.setting.partition, ())
    if found is not Truth.YES:
        return found, None if found is Truth.UNKNOWN else list(every)
    left = controls.regions()
    return (Truth.YES if len(left) < len(every) else Truth.NO), left


def _limits_networks(controls: Controls) -> Truth:
    made = Truth.YES
    for address in _AFAR:
        made &= controls.refuses(_DATA, {**_FROM_AFAR, k.SOURCE_IP: (address,)})
        if made is Truth.NO:
            break
    return made


def control_row(controls: Controls) -> Row:
    """One row for an account: what the service control policies that reach it keep ordinary principals from."""
    made: dict[str, Truth] = {column: controls.refuses(asks) for column, asks in ALL_OF.items()}
    made |= {column: controls.refuses_one(groups) for column, groups in ONE_OF.items()}
    regions, left = _limits_regions(controls)
    made |= {
        "denies_root": controls.refuses([(f"{FRESH}:{FRESH}", "*")], root=True),
        "denies_stopping_trails": _stops_trails(controls),
        "denies_sharing_outside": controls.refuses(_SHARES, _OUTSIDE),
        "protects_roles": _protects_roles(controls),
        "limits_regions": regions,
        "limits_services": _limits_services(controls),
        "limits_networks": _limits_networks(controls),
    }
    return {**{column: found.as_bool for column, found in made.items()}, "allowed_regions": left}


def _all_of(found: Iterable[Truth]) -> Truth:
    """Whether all of it holds."""
    made = Truth.YES
    for each in found:
        made &= each
    return made


def resource_control_row(documents: Iterable[Document], setting: Setting, *, whole: bool = True) -> Row:
    """One row for an account: what the resource control policies that reach it keep strangers to the organisation from."""
    every = list(documents)
    whole = whole and all(each.readable and all(one.readable for one in each.statements) for each in every)
    joined = Document(tuple(one for each in every for one in each.statements if one.readable))
    # an ordinary resource: one that no policy exempts by name or tag
    tags = {test.key: () for test in joined.tests if "resourcetag/" in test.key or "objecttag/" in test.key}
    place = replace(setting, given={**setting.given, **tags})
    bucket, role = f"arn:{setting.partition}:s3:::{FRESH}", f"arn:{setting.partition}:iam::{setting.account}:role/{FRESH}"
    made = {
        column: _all_of(shuts_out_strangers(joined, place, action, resource) for action, resource in asks)
        for column, asks in {
            "guards_data": (("s3:GetObject", f"{bucket}/{FRESH}"), ("s3:PutObject", f"{bucket}/{FRESH}"), ("s3:ListBucket", bucket)),
            "guards_roles": (("sts:AssumeRole", role),),
        }.items()
    }
    return {column: True if found is Truth.YES else found.as_bool if whole else None for column, found in made.items()}


def limits(document: Document) -> Truth:
    """Whether a policy takes anything away at all: a copy of "allow everything" does not, and what cannot be read may."""
    if any(one.readable and not one.actions.is_empty for one in document.denies):
        return Truth.YES
    return Truth.NO if document.readable and all(one.readable for one in document.statements) else Truth.UNKNOWN


def allows_all(level: Iterable[Document]) -> bool:
    """Whether one policy of a level allows everything: without one, the level is a list of what is allowed."""
    return any(
        one.allows and not one.tests and one.actions.covers("*") and one.resources.covers("*") for each in level for one in each.statements
    )


@dataclass(frozen=True, slots=True)
class Marks:
    """By what a policy may tell accounts apart."""

    digits: frozenset[str]
    """Runs of digits that it names: the id of an account, or a part of one."""
    always: bool
    """Whether it speaks of places in the organisation, or of accounts by a wildcard alone."""

    def tell_apart(self, account: str) -> bool:
        """Whether it may mean something else for this account than for those that it does not speak of."""
        return self.always or any(run in account for run in self.digits)


def marks(document: Document) -> Marks:
    """What to look at before two accounts are taken to be bound alike."""
    digits: set[str] = set()
    always = False
    for one in document.statements:
        for text in (*one.resources.listed, *(value for test in one.tests for value in test.values)):
            digits.update(_DIGITS.findall(text))
        for test in one.tests:
            always |= test.key in k.PATH_KEYS or (test.key in _ACCOUNTS and any(map(is_wild, test.values)))
    return Marks(frozenset(digits), always)


_DIGITS = re.compile(r"[0-9]{2,}")
_ACCOUNTS = k.CALLER_ACCOUNT | {k.RESOURCE_ACCOUNT}
