"""Questions that a resource policy is asked beside "whom does it admit": what it refuses always, and for one action whom it admits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from cnamm_scan.providers.aws.policies import keys as k
from cnamm_scan.providers.aws.policies.admission import Admission, Reach
from cnamm_scan.providers.aws.policies.callers import Kind, account_of
from cnamm_scan.providers.aws.policies.documents import NO_PRINCIPALS, Document, Principals, Statement
from cnamm_scan.providers.aws.policies.evaluate import reach, tried
from cnamm_scan.providers.aws.policies.patterns import Names, arn_parts, is_account, is_wild, tidy
from cnamm_scan.providers.aws.policies.rights import FRESH
from cnamm_scan.providers.aws.policies.setting import Setting, Truth

Given = Mapping[str, tuple[str, ...]]
PLAIN_TEXT: Given = {"aws:securetransport": ("false",)}
"""A request without TLS. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport"""
_ATTESTATION = "kms:recipientattestation:"
_SOMEBODY_ELSES: Given = {k.RESOURCE_ACCOUNT: ("\ue0f3",), k.RESOURCE_ORG: ("o-\ue0f3",), k.RESOURCE_PATHS: ("o-\ue0f3/r-\ue0f3/",)}


def refuses(document: Document, setting: Setting, actions: Iterable[str], resources: Iterable[str], given: Given) -> Truth:
    """Whether every request with these keys is refused, whoever makes it from wherever: each action on each resource, in one statement
    or several.

    Actions and resources may be patterns, which then have to be covered whole. A document whose statements name no principals (a service
    control policy) speaks of everybody.
    """
    if not document.readable:
        return Truth.UNKNOWN
    asked = Statement(
        True, Names(tuple(each.lower() for each in actions)), Names(tuple(resources)), Principals(anybody=True), NO_PRINCIPALS, ()
    )
    denies = tuple(
        each if each.principals or each.excepted else replace(each, principals=Principals(anybody=True)) for each in document.denies
    )
    made = reach(Document((asked, *denies)), replace(setting, given={**setting.given, **given}))
    if made.reach is not Reach.NOBODY:
        return Truth.NO
    return Truth.UNKNOWN if made.may_reach is not Reach.NOBODY else Truth.YES


def refuses_unnamed(document: Document, setting: Setting, action: str, resource: str = "*") -> Truth:
    """Whether principals of the own account whom the document does not exempt by name, ARN or unique id are refused an action."""
    if not document.readable:
        return Truth.UNKNOWN
    asked = Statement(True, Names((action.lower(),)), Names((resource,)), Principals(anybody=True), NO_PRINCIPALS, ())
    ordinary = {k.CALLER_ARN: (f"arn:{setting.partition}:iam::{setting.account}:role/{FRESH}",), k.USER_ID: (f"{FRESH}:{FRESH}",)}
    made = Truth.NO
    for caller, found in tried(Document((asked, *document.denies)), replace(setting, given={**setting.given, **ordinary})):
        if caller.kind is Kind.PRINCIPAL and caller.account == setting.account and not caller.arn:
            made |= found
    return ~made


def about(document: Document, action: str) -> Document:
    """The same document as far as it speaks of one action, written out."""
    name = action.lower()
    return Document(
        tuple(replace(each, actions=Names((name,))) for each in document.statements if each.actions.has(name)), document.readable
    )


def reach_of(document: Document, setting: Setting, action: str, given: Given | None = None) -> Admission:
    """Whom the document lets do this one action, in requests with the given keys."""
    return reach(about(document, action), replace(setting, given={**setting.given, **(given or {})}))


class Attestation(Enum):
    """What a key asks of an enclave before it decrypts."""

    NONE = "none"
    SOME = "some"
    """Some enclave has to be attested, any image."""
    PINNED = "pinned"
    UNKNOWN = "unknown"


DECRYPTS = ("kms:Decrypt", "kms:ReEncryptFrom")
"""To encrypt anew under a key of one's own what another key holds is to decrypt it."""
_WEAKEST = (Attestation.NONE, Attestation.SOME, Attestation.UNKNOWN, Attestation.PINNED)


def attestation(document: Document, setting: Setting) -> Attestation:
    """What the key's policy asks of whoever decrypts. The account's own IAM counts too where the policy hands over to it.

    https://docs.aws.amazon.com/kms/latest/developerguide/policy-conditions.html#conditions-nitro-enclaves
    """
    asked = {test.key for test in document.tests if test.key.startswith(_ATTESTATION)}
    if not asked:
        return Attestation.NONE
    return min((_asked_for(document, setting, action, asked) for action in DECRYPTS), key=_WEAKEST.index)


def _asked_for(document: Document, setting: Setting, action: str, asked: Iterable[str]) -> Attestation:
    without = reach_of(document, setting, action, dict.fromkeys(asked, ()))
    if without.may_reach is not Reach.NOBODY:
        return Attestation.NONE if without.reach is not Reach.NOBODY else Attestation.UNKNOWN
    another = reach_of(document, setting, action, dict.fromkeys(asked, ("\ue0f3",)))
    if another.may_reach is Reach.NOBODY:
        return Attestation.PINNED
    return Attestation.SOME if another.reach is not Reach.NOBODY else Attestation.UNKNOWN


def mentions_attestation(document: Document) -> bool:
    """Whether any test of the policy looks at what an enclave measures of itself."""
    return any(test.key.startswith(_ATTESTATION) for test in document.tests)


MANAGES_KEY = ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")
"""Who may do one of these decides about the key: who may use it, and whether there will be one."""
USES_KEY = (*DECRYPTS, "kms:Sign", "kms:GenerateMac", "kms:DeriveSharedSecret")
"""What a key is for, by its kind. https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"""


def named_for_both(document: Document, setting: Setting, some: Iterable[str], others: Iterable[str]) -> Mapping[str, Truth]:
    """Whom the document itself lets do one of some actions and one of others: name -> how sure. Who holds neither is left out.

    The own account as a whole is not asked about: naming it hands the decision to its IAM. A name is an ARN, an account, a service, or
    `anybody`.
    """
    named = Document(tuple(_without_own(each, setting) for each in document.statements), document.readable)
    return _meet(_holders(named, setting, some), _holders(named, setting, others))


def _without_own(statement: Statement, setting: Setting) -> Statement:
    who = statement.principals
    if not statement.allows or statement.excepted or not who.aws:
        return statement
    left = tuple(each for each in who.aws if not (account_of(each) == setting.account and (is_account(each) or each.endswith(":root"))))
    made = replace(who, aws=left)
    return replace(statement, principals=made, actions=statement.actions if made else Names(()))


def _holders(document: Document, setting: Setting, actions: Iterable[str]) -> Mapping[str, Truth]:
    made: dict[str, Truth] = {}
    for action in actions:
        name = action.lower()
        asked = tuple(replace(each, actions=Names((name,) if each.actions.has(name) else ())) for each in document.statements)
        for caller, found in tried(Document(asked, document.readable), setting):
            who = caller.arn or caller.account or caller.name or "anybody"
            made[who] = made.get(who, Truth.NO) | found
    return made


def _meet(one: Mapping[str, Truth], other: Mapping[str, Truth]) -> Mapping[str, Truth]:
    made = {name: found & other.get(name, Truth.NO) for name, found in one.items()}
    return {name: found for name, found in made.items() if found is not Truth.NO}


_CLIENT_MOUNT = "elasticfilesystem:ClientMount"
_MOUNT: Given = {**PLAIN_TEXT, k.MOUNT_TARGET: ("true",)}


def refuses_plain_mounts(document: Document, setting: Setting) -> Truth:
    """Whether a file system's policy keeps clients without TLS from mounting it: by a Deny, or by allowing them nothing.

    A client signs nothing unless it speaks TLS, so that only the policy itself could let in one without; it mounts through a mount target.
    Without a policy everybody may. https://docs.aws.amazon.com/efs/latest/ug/iam-access-control-nfs-efs.html
    """
    if not document.readable:
        return Truth.UNKNOWN
    if not document.statements:
        return Truth.NO
    return ~reach_of(document, setting, _CLIENT_MOUNT, _MOUNT).anonymous


def asks_who_mounts(document: Document, setting: Setting) -> Truth:
    """Whether a file system is mounted by those alone who sign and are not just anybody. Without a policy anybody mounts it.

    Only mounting counts: what the console writes to keep the unsigned out still lists what they might do once they had mounted.
    https://docs.aws.amazon.com/efs/latest/ug/create-file-system-policy.html
    """
    if not document.readable:
        return Truth.UNKNOWN
    if not document.statements:
        return Truth.NO
    found = reach_of(document, setting, _CLIENT_MOUNT, {k.MOUNT_TARGET: ("true",)})
    return ~(found.anonymous | found.is_public)


@dataclass(frozen=True, slots=True)
class Narrowing:
    """By what an endpoint's policy narrows what goes through it."""

    identities: str
    """yes: strangers' identities stay out; partly: some of them (those without an organisation, say) do not; no; unknown."""
    resources: Truth
    """Whether strangers' resources stay out of reach."""
    actions: Truth
    """Whether less than all of the service can be done."""

    @property
    def is_narrow(self) -> str:
        """yes, partly, no or unknown."""
        if self.identities == "yes" or Truth.YES in (self.resources, self.actions):
            return "yes"
        return self.identities


def endpoint_narrowing(document: Document, setting: Setting) -> Narrowing:
    """How far a VPC endpoint's policy narrows. The default policy, and one for everything in the service, do not at all.

    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    """
    if not document.readable:
        return Narrowing("unknown", Truth.UNKNOWN, Truth.UNKNOWN)
    outside = replace(setting, given={**setting.given, **_SOMEBODY_ELSES})
    whole = Document(tuple(each for each in document.statements if not each.allows or _is_whole(each)))
    far = Document(tuple(each for each in document.statements if not each.allows or _is_everywhere(each)))
    strangers: dict[tuple[Kind, str | None], Truth] = {}
    for place in (setting, outside):
        for caller, found in tried(document, place):
            if not caller.account and caller.kind in (Kind.ANONYMOUS, Kind.PRINCIPAL) and caller.organisation != setting.own_organisation:
                who = (caller.kind, caller.organisation)
                strangers[who] = strangers.get(who, Truth.NO) | found
    afar = Truth.NO
    for caller, found in tried(far, outside):
        if caller.kind is Kind.PRINCIPAL and (caller.account == setting.account or caller.organisation == setting.own_organisation):
            afar |= found
    away = ~afar
    return Narrowing(_identities(list(strangers.values())), away, _nobody(reach(whole, setting)) & _nobody(reach(whole, outside)))


def _identities(strangers: list[Truth]) -> str:
    if all(each is Truth.NO for each in strangers):
        return "yes"
    if any(each is Truth.NO for each in strangers):
        return "partly"
    return "no" if Truth.YES in strangers else "unknown"


def _nobody(found: Admission) -> Truth:
    if found.may_reach is Reach.NOBODY:
        return Truth.YES
    return Truth.NO if found.reach is not Reach.NOBODY else Truth.UNKNOWN


def _is_whole(statement: Statement) -> bool:
    if statement.actions.but:
        return True
    return any(tidy(each) == "*" or tidy(each).endswith(":*") for each in statement.actions.listed)


def _is_everywhere(statement: Statement) -> bool:
    return statement.resources.but or any(map(_is_anyones, statement.resources.listed))


def _is_anyones(resource: str) -> bool:
    """Whether the pattern takes in resources of other accounts that nobody named."""
    parts = arn_parts(resource)
    if parts is None:
        return is_wild(resource)
    return is_wild(parts[4]) or (parts[4] == "" and is_wild(parts[5].partition("/")[0]))


def shuts_out_strangers(document: Document, setting: Setting, action: str, resource: str) -> Truth:
    """Whether a resource control policy keeps signed callers of other organisations, and of none, from an action on resources like
    this one.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
    """
    if not document.readable:
        return Truth.UNKNOWN
    asked = Statement(True, Names((action.lower(),)), Names((resource,)), Principals(anybody=True), NO_PRINCIPALS, ())
    found = tried(Document((asked, *document.denies)), setting)
    strangers = [each for caller, each in found if caller.kind is Kind.PRINCIPAL and not caller.account and not caller.organisation]
    if Truth.YES in strangers:
        return Truth.NO
    return Truth.UNKNOWN if Truth.UNKNOWN in strangers else Truth.YES
