"""Buckets: policy, ACL, ownership and the block settings of bucket and account together, and what S3 itself calls public.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cnamm_scan.providers import openness
from cnamm_scan.providers.aws.policies import keys as k
from cnamm_scan.providers.aws.policies.admission import Admission, Reach, join
from cnamm_scan.providers.aws.policies.conditions import Test, networks
from cnamm_scan.providers.aws.policies.documents import Document, Statement
from cnamm_scan.providers.aws.policies.evaluate import Admitted, admit
from cnamm_scan.providers.aws.policies.patterns import arn_parts, is_wild
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from cnamm_scan.providers.openness import Openness

_EVERYBODY = ("/groups/global/AllUsers", "/groups/global/AuthenticatedUsers")
_FIXED_KEYS = frozenset(
    {
        k.CALLER_ORG,
        k.SOURCE_IP,
        k.SOURCE_ARN,
        k.VPC,
        k.ENDPOINT,
        k.OWNER_ACCOUNT,
        *k.SOURCE_ACCOUNT,
        k.USER_ID,
        k.POINT_ARN,
        k.POINT_ACCOUNT,
        k.CALLER_ARN,
        "aws:principalaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        k.SOURCE_ORG,
        k.CALLER_PATHS,
    }
)


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant of an access control list: to a group by its URI or to an account by its canonical id."""

    permission: str
    group: str = ""
    canonical_id: str = ""

    @property
    def is_public(self) -> bool:
        """Whether everybody, or every customer of AWS, is meant. The group for log delivery is neither."""
        return self.group.endswith(_EVERYBODY)


@dataclass(frozen=True, slots=True)
class Switches:
    """The two block settings that change what holds now; the other two refuse new grants only. None: unread."""

    ignores_public_acls: bool | None = False
    restricts_public_policy: bool | None = False


def strictest(*of: Switches) -> Switches:
    """Bucket, access point, account and organisation together: one of them suffices."""
    acls, policy = Truth.NO, Truth.NO
    for each in of:
        acls |= Truth.of(each.ignores_public_acls)
        policy |= Truth.of(each.restricts_public_policy)
    return Switches(acls.as_bool, policy.as_bool)


def is_called_public(document: Document) -> Truth:
    """Whether S3 calls the policy public: by the letter of its guide, in which Denies and variables do not count."""
    if not document.readable:
        return Truth.UNKNOWN
    made = Truth.NO
    for statement in document.allows:
        if not statement.readable:
            made |= Truth.UNKNOWN
        elif _names_everybody(statement) and not any(_is_fixed(test) for test in statement.tests):
            made = Truth.YES
    return made


def _names_everybody(statement: Statement) -> bool:
    who = statement.principals
    return who.anybody or bool(statement.excepted) or any(map(is_wild, who.aws)) or "graph.facebook.com" in who.federated


def _is_fixed(test: Test) -> bool:
    if (
        test.key not in _FIXED_KEYS
        or test.negated
        or test.if_exists
        or test.qualifier == "forallvalues"
        or test.kind == "null"
        or not test.values
    ):
        return False
    if test.kind == "ipaddress":
        return openness.judge(networks(test.values)).rank < Openness.WIDE.rank
    return all(_is_fixed_value(test, value) for value in test.values)


def _is_fixed_value(test: Test, value: str) -> bool:
    if "${" in value:
        return False
    if test.how != "like" and test.kind == "string":
        return True
    if test.key == k.POINT_ARN:  # any access point of a fixed account
        parts = arn_parts(value)
        return parts is not None and not is_wild(parts[4]) and parts[4] != ""
    if test.key == k.CALLER_PATHS:
        return not is_wild(value.partition("/")[0])
    return not is_wild(value)


@dataclass(frozen=True)
class Bucket:
    """Everything that decides who gets at a bucket. `owner_enforced` voids the list of grants; None: unread.

    A policy that was not read is `documents.UNREADABLE`. `status` is what S3 says itself of the policy (GetBucketPolicyStatus): its word
    counts for what its switches do, and for a policy that was not seen; None where S3 was not asked.
    """

    policy: Document
    grants: tuple[Grant, ...] | None = ()
    owner_enforced: bool | None = False
    switches: Switches = Switches()
    status: bool | None = None


@dataclass(frozen=True, slots=True)
class BucketReach:
    """Whom a bucket admits, and by what."""

    admission: Admission
    by_policy: Truth
    """Whether its policy lets anybody in."""
    by_acl: Truth
    """Whether its access control list does."""
    called_public: Truth
    """What S3's own status of the policy would say."""

    @property
    def is_open(self) -> Truth:
        """Whether anybody gets in."""
        return self.by_policy | self.by_acl


def bucket_reach(bucket: Bucket, setting: Setting, admitted: Admitted | None = None) -> BucketReach:
    """Whom the bucket admits when all settings are taken together. `admitted` is what the policy says, where that was asked already."""
    public = is_called_public(bucket.policy)
    if bucket.status is not None:
        public = Truth.YES if bucket.status else public & Truth.of(bucket.policy.readable)
    shut = public & Truth.of(bucket.switches.restricts_public_policy)
    policy = join(_restricted(found, shut) for found in _by_policy(bucket, admit(bucket.policy, setting) if admitted is None else admitted))
    lists = _lists(bucket, setting)
    return BucketReach(join([policy, lists]), policy.is_public, lists.is_public, public)


def _by_policy(bucket: Bucket, admitted: Admitted) -> Iterator[Admission]:
    yield from (found for _, found in admitted)
    unseen = not bucket.policy.readable or not bucket.policy.statements
    if unseen and bucket.status:
        yield Admission(Reach.ANYBODY, Reach.ANYBODY, anonymous=Truth.UNKNOWN)
    elif not bucket.policy.readable and bucket.status is None and not bucket.switches.restricts_public_policy:
        yield Admission(may_reach=Reach.ANYBODY, anonymous=Truth.UNKNOWN)
    elif not bucket.policy.readable:  # S3 calls nothing that is open "not public", and the switch shuts what it calls public
        yield Admission(may_reach=Reach.SERVICE)


def _restricted(found: Admission, shut: Truth) -> Admission:
    """RestrictPublicBuckets on a public policy leaves services and principals of the own account, no other account even by name."""
    if shut is Truth.NO or found.reach is Reach.SERVICE:
        return found
    inside = Reach.ACCOUNT if found.may_reach is not Reach.NOBODY else Reach.NOBODY
    if shut is Truth.UNKNOWN:
        return replace(found, reach=min(found.reach, inside, key=lambda each: each.rank), anonymous=found.anonymous & Truth.UNKNOWN)
    sure = min(found.reach, inside, key=lambda each: each.rank)
    return Admission(reach=sure, may_reach=inside, services=found.services)


def _lists(bucket: Bucket, setting: Setting) -> Admission:
    void = Truth.of(bucket.owner_enforced)
    if void is Truth.YES:
        return Admission()
    made = []
    ignored = Truth.of(bucket.switches.ignores_public_acls) | void
    if bucket.grants is None:
        return Admission(may_reach=Reach.NAMED if ignored is Truth.YES else Reach.ANYBODY, anonymous=Truth.UNKNOWN)
    for grant in bucket.grants:
        if grant.is_public and ignored is not Truth.YES:
            anonymous = Truth.YES if grant.group.endswith("AllUsers") else Truth.NO
            sure = Reach.ANYBODY if ignored is Truth.NO else Reach.NOBODY
            made.append(Admission(sure, Reach.ANYBODY, anonymous=anonymous & (Truth.YES if ignored is Truth.NO else Truth.UNKNOWN)))
        elif grant.canonical_id and grant.canonical_id != setting.canonical_id:
            sure = Reach.NAMED if setting.canonical_id and void is Truth.NO else Reach.NOBODY
            made.append(Admission(sure, Reach.NAMED, accounts=frozenset({grant.canonical_id})))
    return join(made)


def arns_of(name: str, partition: str = "aws") -> tuple[str, str]:
    """The bucket's ARN and the pattern for its objects."""
    return f"arn:{partition}:s3:::{name}", f"arn:{partition}:s3:::{name}/*"
