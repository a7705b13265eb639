"""The condition keys that say who asks, from where, and under which narrowing; and what the others hold when nobody is known.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache

from cnamm_scan.providers.aws.policies.conditions import (
    EITHER,
    FALSE,
    TRUE,
    UNKNOWN,
    Domain,
    Free,
    Test,
    moment,
)
from cnamm_scan.providers.aws.policies.patterns import arn_parts, covers, is_account, is_wild, literal_prefix, meets, tidy

CALLER_ACCOUNT = frozenset({"aws:principalaccount", "kms:calleraccount"})
SOURCE_ACCOUNT = frozenset({"aws:sourceaccount"})
OWNER_ACCOUNT = "aws:sourceowner"
"""SNS's old key for whom a call belongs to: principals and services alike.

https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
"""
CALLER_ARN, SOURCE_ARN = "aws:principalarn", "aws:sourcearn"
CALLER_ORG, CALLER_PATHS = "aws:principalorgid", "aws:principalorgpaths"
SOURCE_ORG, SOURCE_PATHS = "aws:sourceorgid", "aws:sourceorgpaths"
ENDPOINT_ACCOUNT, ENDPOINT_ORG, ENDPOINT_PATHS = "aws:vpceaccount", "aws:vpceorgid", "aws:vpceorgpaths"
SOURCE_IP, VPC_IP, VPC, ENDPOINT, VPC_ARN = "aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn"
POINT_ACCOUNT, POINT_ARN = "s3:dataaccesspointaccount", "s3:dataaccesspointarn"
MOUNT_TARGET = "elasticfilesystem:accessedviamounttarget"
EVENT_TOKEN = "lambda:eventsourcetoken"
USER_ID = "aws:userid"
RESOURCE_ACCOUNT, RESOURCE_ORG, RESOURCE_PATHS = "aws:resourceaccount", "aws:resourceorgid", "aws:resourceorgpaths"

ACCOUNT_KEYS = CALLER_ACCOUNT | SOURCE_ACCOUNT | {OWNER_ACCOUNT, ENDPOINT_ACCOUNT, POINT_ACCOUNT}
ORG_KEYS = frozenset({CALLER_ORG, SOURCE_ORG, ENDPOINT_ORG})
PATH_KEYS = frozenset({CALLER_PATHS, SOURCE_PATHS, ENDPOINT_PATHS})
ARN_KEYS = frozenset({CALLER_ARN, SOURCE_ARN, POINT_ARN, VPC_ARN})
NETWORK_KEYS = frozenset({SOURCE_IP, VPC_IP, VPC, ENDPOINT, VPC_ARN, ENDPOINT_ACCOUNT, ENDPOINT_ORG, ENDPOINT_PATHS})
POINT_KEYS = frozenset({POINT_ACCOUNT, POINT_ARN})


class Bound(Enum):
    """By what a statement is narrowed."""

    ACCOUNT = "account"
    ORGANISATION = "organisation"
    PRINCIPAL = "principal"
    NETWORK = "network"
    ENDPOINT = "endpoint"
    SOURCE = "source"
    MFA = "mfa"
    EXTERNAL_ID = "external_id"
    SUBJECT = "subject"
    AUDIENCE = "audience"
    TIME = "time"
    TRANSPORT = "transport"
    TAG = "tag"
    REGION = "region"
    SERVICE = "service"
    RESOURCE = "resource"
    OTHER = "other"


_BOUNDS: Mapping[str, Bound] = {
    **dict.fromkeys(CALLER_ACCOUNT | SOURCE_ACCOUNT | {OWNER_ACCOUNT}, Bound.ACCOUNT),
    **dict.fromkeys((CALLER_ORG, CALLER_PATHS, SOURCE_ORG, SOURCE_PATHS), Bound.ORGANISATION),
    **dict.fromkeys((CALLER_ARN, USER_ID, "aws:username", "aws:principaltype"), Bound.PRINCIPAL),
    **dict.fromkeys((SOURCE_IP, VPC_IP, MOUNT_TARGET), Bound.NETWORK),
    **dict.fromkeys((VPC, ENDPOINT, VPC_ARN, ENDPOINT_ACCOUNT, ENDPOINT_ORG, ENDPOINT_PATHS), Bound.ENDPOINT),
    **dict.fromkeys((SOURCE_ARN, POINT_ACCOUNT, POINT_ARN, EVENT_TOKEN), Bound.SOURCE),
    **dict.fromkeys(("aws:multifactorauthpresent", "aws:multifactorauthage"), Bound.MFA),
    "sts:externalid": Bound.EXTERNAL_ID,
    **dict.fromkeys(("aws:currenttime", "aws:epochtime", "aws:tokenissuetime"), Bound.TIME),
    **dict.fromkeys(("aws:securetransport", "s3:tlsversion"), Bound.TRANSPORT),
    "aws:requestedregion": Bound.REGION,
    **dict.fromkeys(("aws:viaawsservice", "aws:calledvia", "aws:calledviafirst", "aws:calledvialast", "kms:viaservice"), Bound.SERVICE),
    **dict.fromkeys(("aws:principalisawsservice", "aws:principalservicename", "aws:principalservicenameslist"), Bound.SERVICE),
    **dict.fromkeys((RESOURCE_ACCOUNT, RESOURCE_ORG, RESOURCE_PATHS), Bound.RESOURCE),
}


def bound_of(key: str) -> Bound:
    """What a condition on this key speaks of."""
    if key in _BOUNDS:
        return _BOUNDS[key]
    claim = key.rpartition(":")[2]
    if "tag/" in key or claim == "tagkeys":
        return Bound.TAG
    if "." in key or key.startswith("saml:"):  # a claim in a token: its issuer's host stands before the colon
        return Bound.SUBJECT if claim not in ("aud", "oaud", "amr", "azp", "app_id") else Bound.AUDIENCE
    return Bound.OTHER


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """An account that the document does not name."""

    def judge(self, test: Test, value: str) -> int:
        """Only a wildcard can meet it."""
        if test.how != "like" or not is_wild(value) or not meets(value, "?" * 12):
            return FALSE
        return TRUE if covers(value, "?" * 12) else EITHER


@dataclass(frozen=True, slots=True)
class OtherId:
    """An id with this prefix (`o-`, `vpc-`, `vpce-`) that the document does not name."""

    prefix: str

    def judge(self, test: Test, value: str) -> int:
        """Only a wildcard can meet it."""
        shape = f"{self.prefix}?*"
        if test.how != "like" or not is_wild(value) or not meets(value, shape):
            return FALSE
        return TRUE if covers(value, shape) else EITHER


@dataclass(frozen=True, slots=True)
class Paths:
    """Places (`o-…/r-…/ou-…/`) in one organisation, or with no organisation in one that the document does not name."""

    organisation: str = ""

    def judge(self, test: Test, value: str) -> int:
        """What stands before the first `/` has to be the organisation's fixed id."""
        shape = f"{self.organisation or 'o-?*'}/*"
        if not self.organisation and not is_wild(value.partition("/")[0]):
            return FALSE
        if test.how != "like":
            return EITHER if self.organisation and value.startswith(f"{self.organisation}/") else FALSE
        if covers(value, shape):
            return TRUE
        return EITHER if meets(value, shape) else FALSE


@lru_cache(maxsize=4096)
def bucket_of(value: str) -> str:
    """The ARN of the one bucket that a pattern with stars for partition, region or account can fit; empty where it means no single bucket.

    A bucket's ARN has neither region nor account, so that `arn:aws:s3:*:*:name` is that one bucket: nobody else has one of this name.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
    """
    parts = arn_parts(value)
    if parts is None or parts[2] != "s3" or is_wild(parts[5]) or not parts[5] or {"/", ":"} & set(parts[5]) or "${" in value:
        return ""
    is_bare = all(covers(each, "") for each in parts[3:5])
    return f"arn:{'aws' if is_wild(parts[1]) else parts[1]}:s3:::{parts[5]}" if is_bare else ""


@dataclass(frozen=True, slots=True)
class OtherArn:
    """An ARN of one account, or with no account of one that the document does not name; none that the document spells out.

    ARN operators compare part by part. String operators let a star run over colons, so there a pattern binds by its literal prefix only.
    """

    account: str = ""
    principal: bool = False
    """A user, a role or the root of the account; otherwise any resource, some of which (buckets) have no account in their ARN."""

    @property
    def _shape(self) -> tuple[str, ...]:
        service, region = ("iam", "") if self.principal else ("?*", "*")
        return ("arn", "aws*", service, region, self.account or "?" * 12, "?*")

    def judge(self, test: Test, value: str) -> int:
        """Whether such an ARN can, or must, fit the pattern."""
        if not self.principal and bucket_of(value):
            return FALSE  # one bucket, whoever owns it: its name is nobody else's
        if tidy(value) == "*" and test.how in ("like", "equals") and (test.kind == "arn" or test.how == "like"):
            return TRUE
        return self._by_parts(value) if test.kind == "arn" else self._by_text(test, value)

    def _by_parts(self, value: str) -> int:
        parts = arn_parts(value)
        if parts is None:
            return EITHER if is_wild(value) else FALSE
        if not any(map(is_wild, parts)):
            return FALSE
        account = parts[4]
        if account == "" and not self.principal:
            return EITHER if is_wild(parts[5]) or is_wild(parts[2]) else FALSE
        if (not is_wild(account) and not self.account) or not all(map(meets, parts, self._shape)):
            return FALSE
        bare = not self.principal and not covers(account, "")  # a bucket's ARN would not fit
        return TRUE if all(map(covers, parts, self._shape)) and not bare else EITHER

    def _by_text(self, test: Test, value: str) -> int:
        if test.how != "like" or not is_wild(value):
            return FALSE
        prefix = literal_prefix(value)
        if is_account(prefix.partition(":")[2].split(":")[-1]) and prefix.count(":") == 4:
            prefix += ":"  # an account's id is at its end there, whatever the wildcard stands for
        if prefix.count(":") < 5:
            return TRUE if covers(value, "arn:*") else EITHER if meets(value, "arn:*") else FALSE
        account = prefix.split(":")[4]
        if account == "" and not self.principal:
            return EITHER
        shape = ":".join(self._shape)
        if account != self.account or not meets(value, shape):
            return FALSE
        return TRUE if self.principal and covers(value, shape) else EITHER


@dataclass(frozen=True, slots=True)
class UserId:
    """`aws:userid`: whose unique id it is, only the account itself knows."""

    own: frozenset[str] = frozenset()
    """Unique ids that were read in the own account."""
    is_own: bool = False

    def judge(self, test: Test, value: str) -> int:
        """A fixed id is somebody's: unknown, unless it was read. A wildcard before the id's end is anybody's."""
        if tidy(value) == "*" and test.how == "like":
            return TRUE
        if test.how != "like" and is_wild(value):
            return FALSE
        unique, colon, _ = literal_prefix(value).partition(":")
        if is_wild(value) and not colon and len(unique) < 21:
            return EITHER
        if unique in self.own:
            return EITHER if self.is_own else FALSE
        return UNKNOWN


NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""No question is asked before this day: dates before it are past even where nobody says what time it is."""


@dataclass(frozen=True, slots=True)
class FromNow:
    """The time of a request that is still to come."""

    now: float = NOT_BEFORE

    def judge(self, test: Test, value: str) -> int:
        """A window that is over is over; one that is open now, or will open, can be met."""
        asked = moment(value)
        if asked is None:
            return FALSE
        if test.how.startswith("less"):
            return FALSE if asked <= self.now else EITHER
        if test.how.startswith("greater"):
            return TRUE if asked < self.now else EITHER
        return EITHER if asked >= self.now else FALSE


_TRUTHS = Domain(("true", "false"))
_MAYBE_TRUTHS = Domain(("true", "false"), may_lack=True)
_ALWAYS: Mapping[str, Domain] = {
    "aws:securetransport": _TRUTHS,
    "aws:viaawsservice": _TRUTHS,
    "aws:requestedregion": Domain(rest=Free(signs=False)),
    "aws:multifactorauthpresent": _MAYBE_TRUTHS,
    "sts:externalid": Domain(rest=Free(signs=False), may_lack=True),
}
_FREE = Domain(rest=Free(), may_lack=True)
_SIGNLESS = Domain(rest=Free(signs=False), may_lack=True)


@lru_cache(maxsize=4096)
def _time(now: float) -> Domain:
    return Domain(rest=FromNow(now))


def circumstance(key: str, now: float) -> Domain:
    """A key that says nothing of who asks: what its values can be for anybody who tries."""
    if key in ("aws:currenttime", "aws:epochtime"):
        return _time(now)
    if key.startswith("aws:principaltag/"):
        return _SIGNLESS  # a tag's value has no wildcard among its signs
    return _ALWAYS.get(key, _FREE)


def accounts_in(tests: tuple[Test, ...]) -> set[str]:
    """Accounts that tests name, alone or in the fifth part of an ARN."""
    made = set()
    for test in tests:
        for value in test.values:
            if is_account(value):
                made.add(value)
            elif value.startswith("arn:") and "${" not in value:
                parts = value.split(":", 5)
                if len(parts) > 4 and is_account(parts[4]):
                    made.add(parts[4])
    return made


def organisations_in(tests: tuple[Test, ...]) -> set[str]:
    """Organisations that tests name, alone or at the head of a path."""
    made = set()
    for test in tests:
        if test.key in ORG_KEYS or test.key in PATH_KEYS:
            heads = (value.partition("/")[0].lower() for value in test.values)
            made |= {head for head in heads if head.startswith("o-") and not is_wild(head)}
    return made


def values_of(tests: tuple[Test, ...], key: str) -> set[str]:
    """Values without wildcards and variables that tests hold against the key, those with some that can fit one bucket alone among them."""
    values = {value for test in tests if test.key == key and test.kind != "null" for value in test.values if "${" not in value}
    return {found for value in values if (found := bucket_of(value) if is_wild(value) else value)}
