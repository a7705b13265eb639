"""Rows out of documents: flat mappings of texts, booleans, None for unknown and lists, as declared tables hold them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cnamm_scan.providers.aws.policies import escalation, questions, services
from cnamm_scan.providers.aws.policies.admission import Admission, Reach
from cnamm_scan.providers.aws.policies.assuming import Role, steps
from cnamm_scan.providers.aws.policies.bounds import narrowed_by
from cnamm_scan.providers.aws.policies.buckets import Bucket, arns_of, bucket_reach
from cnamm_scan.providers.aws.policies.conditions import Test, moment
from cnamm_scan.providers.aws.policies.documents import Document, Statement
from cnamm_scan.providers.aws.policies.evaluate import Admitted, Case, admit_one, whole
from cnamm_scan.providers.aws.policies.keys import Bound
from cnamm_scan.providers.aws.policies.naming import is_partial
from cnamm_scan.providers.aws.policies.once import once
from cnamm_scan.providers.aws.policies.patterns import tidy
from cnamm_scan.providers.aws.policies.rights import Rights
from cnamm_scan.providers.aws.policies.setting import Place, Setting, Truth
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
        "actions": list(statement.spelled),
        "actions_are_excepted": actions.but,
        "resources": list(statement.resources.listed),
        "resources_are_excepted": statement.resources.but,
        "all_actions": actions.but or any(tidy(each) == "*" or tidy(each).endswith((":*", ":?*")) for each in actions.listed),
    }


Told = tuple[Admission, Mapping[str, Any]]
"""Whom one statement admits, and the part of its row that this makes."""


class Memo:
    """What statements of one scan were found to say: those that differ in nothing that decides are evaluated once."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Told] = {}

    def of(self, document: Document, setting: Setting) -> Judged:
        """The document in its place."""
        return Judged(document, setting, self)

    def told(self, case: Case, setting: Setting) -> Told:
        """What one statement says."""
        if setting.given:  # no two questions are the same
            return _tell(case, setting)
        key = (_deciding(case, setting), setting)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _tell(case, setting)
        return found


def _deciding(case: Case, setting: Setting) -> Hashable:
    """What of a statement decides whom it admits: not what is allowed on what, but how much of that is taken away again."""
    one = case.statement
    refused = tuple((deny.principals, deny.excepted, deny.tests, mask) for deny, mask in case.denies)
    actions = one.actions if setting.place is Place.TRUST else None
    return one.principals, one.excepted, one.tests, one.readable, len(one.pieces), refused, actions


def _tell(case: Case, setting: Setting) -> Told:
    cast = case.cast(setting)
    statement, found = case.statement, admit_one(case, cast)
    return found, {
        **admission_row(found),
        "narrowed_by": sorted(each.value for each in narrowed_by(case, cast)),
        "names_everybody": statement.principals.anybody or bool(statement.excepted),
        "is_refused_by_aws": any(map(is_partial, statement.principals.aws)),
        "service_is_unbounded": _unbounded(statement, found).as_bool,
    }


@dataclass(frozen=True)
class Judged:
    """A document in its place, evaluated once for all that is asked of it."""

    document: Document
    setting: Setting
    memo: Memo = field(default_factory=Memo, repr=False, compare=False)

    @once
    def _told(self) -> tuple[Told, ...]:
        return tuple(self.memo.told(case, self.setting) for case in Case.of(self.document))

    @once
    def admitted(self) -> Admitted:
        """Whom each statement that allows admits."""
        return tuple((statement, found) for statement, (found, _) in zip(self.document.allows, self._told, strict=True))

    @once
    def whole(self) -> Admission:
        """Whom all of it admits."""
        return whole(self.document, self.admitted)

    def statement_rows(self) -> list[Row]:
        """One row for each statement that allows: see `statement_rows`."""
        opens, made = self._opens_together, []
        for statement, (found, told) in zip(self.document.allows, self._told, strict=True):
            row = {**_what(statement), **told}
            if opens and found.reach is Reach.NETWORK:
                row |= admission_row(replace(found, reach=Reach.ANYBODY, may_reach=Reach.ANYBODY))
            made.append(row)
        return made

    @property
    def _opens_together(self) -> bool:
        """Small networks in several statements may come to the world: then each of these is open, since none alone would be."""
        return self.whole.reach is Reach.ANYBODY and all(found.reach is not Reach.ANYBODY for _, found in self.admitted)

    @property
    def service_is_unbounded(self) -> Truth:
        """Whether an AWS service may act here on behalf of any of its customers."""
        made = Truth.NO if self.document.readable else Truth.UNKNOWN
        for statement, found in self.admitted:
            made |= _unbounded(statement, found)
        return made

    @property
    def unbounded_services(self) -> list[str]:
        """The AWS services that surely may."""
        found = ({*statement.principals.services} for statement, one in self.admitted if _unbounded(statement, one) is Truth.YES)
        return sorted(set().union(*found))

    def document_row(self) -> Row:
        """One row for the document: see `document_row`."""
        partners = sorted({each for statement, one in self.admitted if _what(statement)["all_actions"] for each in one.accounts})
        return {**admission_row(self.whole), "is_readable": self.document.readable, "partners_with_all_actions": partners}


def _unbounded(statement: Statement, found: Admission) -> Truth:
    return found.beyond(Reach.SERVICE) if statement.principals.services else Truth.NO


def statement_rows(document: Document, setting: Setting) -> list[Row]:
    """One row for each statement that allows, of a resource policy or a trust policy: whom it admits after all Denies, and narrowed by
    what."""
    return Judged(document, setting).statement_rows()


def document_row(document: Document, setting: Setting) -> Row:
    """One row for a resource policy or a trust policy as a whole. `partners` are the accounts that get all actions of a service."""
    return Judged(document, setting).document_row()


def trust_rows(trust: Document, setting: Setting) -> list[Row]:
    """One row for each statement of a role's trust policy that allows: `statement_rows` and what is asked of whoever takes the role."""
    made = []
    for statement, row in zip(trust.allows, statement_rows(trust, setting), strict=True):
        narrowed = set(row["narrowed_by"])
        federated = statement.principals.federated
        ends = [_end(test) for test in statement.tests if test.key == "aws:currenttime" and test.how.startswith("less")]
        made.append(
            {
                **row,
                "asks_external_id": Bound.EXTERNAL_ID.value in narrowed,
                "asks_mfa": Bound.MFA.value in narrowed,
                "asks_organisation": Bound.ORGANISATION.value in narrowed,
                "ends_by_itself": bool(ends),
                "ends_at": min(filter(None, ends), default=None),
                "is_saml": any(map(is_saml, federated)),
                "is_web_identity": any(not is_saml(each) for each in federated),
                "is_pipeline": any(map(is_pipeline, federated)),
                "tokens_are_bound": {"bound": True, "nobody": True, UNKNOWN: None}.get(row["tokens"], False) if row["tokens"] else None,
            }
        )
    return made


def _end(test: Test) -> str | None:
    """When a test of the time holds no more: its latest value, any of which suffices. None where one is no date."""
    found = [moment(value) for value in test.values]
    if not found or None in found:
        return None
    try:
        return f"{datetime.fromtimestamp(max(each for each in found if each is not None), UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # beyond the year 9999
        return None


def bucket_row(name: str, bucket: Bucket, setting: Setting) -> Row:
    """One row for a bucket: everything that lets somebody in, taken together.

    `partners` are the accounts and organisations beside the own account; who of them may do everything, by policy or by list.
    """
    judged = Judged(bucket.policy, setting)
    found = bucket_reach(bucket, setting, judged.admitted)
    everything = {each for statement, one in judged.admitted if _what(statement)["all_actions"] for each in _partners(one, setting)}
    full = {each.canonical_id for each in bucket.grants or () if each.permission == "FULL_CONTROL"}
    partners = {each for part in (found.admission, *(one for _, one in judged.admitted)) for each in _partners(part, setting)}
    if found.admission.may_reach.rank < Reach.ORGANISATION.rank:  # a switch shuts them all out
        partners = set()
    return {
        **admission_row(found.admission),
        "is_open": found.is_open.as_bool,
        "is_open_by_policy": found.by_policy.as_bool,
        "is_open_by_acl": found.by_acl.as_bool,
        "is_called_public": found.called_public.as_bool,
        "refuses_plaintext": questions.refuses(
            bucket.policy, setting, ["s3:*"], arns_of(name, setting.partition), questions.PLAIN_TEXT
        ).as_bool,
        "partners": sorted(partners),
        "partners_with_all_actions": sorted((everything | full) & partners),
        "service_is_unbounded": judged.service_is_unbounded.as_bool,
        "unbounded_services": judged.unbounded_services,
    }


def _partners(found: Admission, setting: Setting) -> Iterable[str]:
    yield from found.accounts
    yield from found.organisations
    if found.reach is Reach.ORGANISATION:
        yield setting.organisation or "the organisation"


def key_row(policy: Document, setting: Setting, judged: Judged | None = None) -> Row:
    """One row for a key's policy: whom it admits, who manages the key and uses it too, and what it asks of an enclave."""
    both = questions.named_for_both(policy, setting, questions.MANAGES_KEY, questions.USES_KEY)
    mixes = Truth.NO
    for each in both.values():
        mixes |= each
    asked = questions.attestation(policy, setting)
    return {
        **(judged or Judged(policy, setting)).document_row(),
        "holders_of_all": sorted(name for name, each in both.items() if each is Truth.YES),
        "mixes_rights": mixes.as_bool if policy.readable else None,
        "attestation": None if asked is questions.Attestation.UNKNOWN else asked.value,
        "mentions_attestation": questions.mentions_attestation(policy) if policy.readable else None,
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
    administrator, all_services = escalation.is_administrator(rights), escalation.holds_all_services(rights)
    held = [name for name, much in whole.items() if much in (services.Share.ALL, services.Share.NEARLY)]
    possible = [name for name, much in whole.items() if much is services.Share.UNKNOWN]
    return {
        "arn": rights.arn,
        "is_administrator": administrator.as_bool,
        "holds_everything": (all_services & administrator).as_bool,  # apart from what a policy takes out by name
        "holds_all_services": all_services.as_bool,
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
