"""Who may take roles: a row a statement of a trust policy, a row an outside account; and who there is, without what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.made.holders import ROLE, USER, Holder, holders
from cnamm_scan.providers.aws.made.places import Places
from cnamm_scan.providers.aws.policies import facts
from cnamm_scan.providers.aws.policies.callers import account_of
from cnamm_scan.providers.aws.policies.conditions import Test
from cnamm_scan.providers.aws.policies.documents import Document, Statement, read
from cnamm_scan.providers.aws.policies.patterns import is_account, is_wild
from cnamm_scan.providers.aws.policies.setting import Place, Setting
from cnamm_scan.providers.interface import SeenTables

Row = dict[str, Any]
SENDS_ITS_SOURCE = frozenset(
    f"{name}.amazonaws.com"
    for name in (
        "appflow appstream bedrock bedrock-agentcore cloudtrail codebuild codepipeline comprehend config datasync dms ecs-tasks"
        " events firehose fis forecast glue iot monitoring.rds personalize pipes sagemaker scheduler ses ssm states"
        " transcribe transfer vpc-flow-logs"
    ).split()
)
"""Services that say for whose resource they take a role, so that its trust can ask: pages on the cross-service confused deputy.

https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html#cross-service-confused-deputy-prevention
"""
_OF_A_REGION = re.compile(r"[.][a-z]{2}(?:-[a-z]+)+-[0-9]+(?=[.]amazonaws[.]com(?:[.]cn)?$)|[.]cn$")
"""What stands in `states.eu-west-1.amazonaws.com`, as some tools still write it, beside the service's name."""


def users(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each user: who it is, and the names of what hangs on it."""
    for user in holders(seen, USER):
        attached = user.attached
        inline = [each.name for each in user.inline] if user.all_inline else None
        made = {
            "name": user.name,
            "arn": user.arn,
            "created_at": user.value("created_at"),
            "tag_keys": user.value("tag_keys"),
            "is_break_glass": user.is_break_glass,
            "boundary_arn": user.value("boundary_arn"),
            "groups": None if user.groups is None else list(user.groups),
            "attached_policies": None if attached is None else list(attached),
            "inline_policies": inline,
            "policies_direct": None if attached is None or inline is None else len(attached) + len(inline),
        }
        yield MadeRow(user.row.target, user.row.region, user.row.key, made, user.facts)


def roles(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each role: who it is."""
    for role in holders(seen, ROLE):
        made = {
            "name": role.name,
            "arn": role.arn,
            "path": role.path,
            "created_at": role.value("created_at"),
            "is_service_linked": role.is_service_linked,
            "is_identity_center": role.is_identity_center,
            "is_kept_by_aws": role.is_kept_by_aws,
            "is_used": role.value("is_used"),
            "last_used_at": role.value("last_used_at"),
            "boundary_arn": role.value("boundary_arn"),
            "tag_keys": role.value("tag_keys"),
            "is_break_glass": role.is_break_glass,
        }
        yield MadeRow(role.row.target, role.row.region, role.row.key, made, role.facts)


def _of_roles(seen: SeenTables) -> Iterator[tuple[Holder, Document | None, Setting, Row, tuple[str, ...]]]:
    """Each role with its trust policy (None: not read, or not understood), where it stands, and what a row says of it anyway."""
    places = Places.of(seen)
    sessions = {(row.target, row.key): row for row in seen.rows("aws.iam.role_session")}
    for role in holders(seen, ROLE):
        stored = role.value("trust")
        document = None if stored is None else read(stored)
        session = sessions.get((role.row.target, role.arn))
        setting = places.at(role.row, role.arn, Place.TRUST)
        said = {
            "role_name": role.name,
            "role_arn": role.arn,
            "account_id": setting.account,
            "role_created_at": role.value("created_at"),
            "max_session_seconds": None if session is None else session.values["max_session_seconds"],
            "role_is_used": role.value("is_used"),
            "role_last_used_at": role.value("last_used_at"),
            "is_aws_owned": role.path.startswith(("/aws-service-role/", "/aws-reserved/")),
        }
        facts_ = (*role.facts, *([session.fact] if session is not None else []))
        yield role, document if document is not None and document.readable else None, setting, said, facts_


def role_trust(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each statement that allows, and one without an answer where a trust policy was not seen."""
    for role, document, setting, said, facts_ in _of_roles(seen):
        place = (role.row.target, role.row.region)
        if document is None:
            yield MadeRow(*place, role.arn, said, facts_)
            continue
        for number, statement, found in _statements(document, setting):
            yield MadeRow(*place, f"{role.arn}#{number}", {**said, **found, **_asked(statement, document, setting, found)}, facts_)


def _statements(document: Document, setting: Setting) -> Iterator[tuple[int, Statement, Row]]:
    """Each statement that allows, with its place among all."""
    allowing = [(number, each) for number, each in enumerate(document.statements) if each.allows]
    for (number, statement), found in zip(allowing, facts.trust_rows(document, setting), strict=True):
        yield number, statement, found


def _asked(statement: Statement, document: Document, setting: Setting, found: Row) -> Row:
    federated = list(statement.principals.federated)
    subjects = [test for test in statement.tests if test.key.endswith(":sub")]
    exact = [test for test in subjects if _is_exact(test)]
    bound = found["tokens_are_bound"]
    return {
        "federated": federated,
        "is_service": bool(statement.principals.services),
        "is_oidc": any(":oidc-provider/" in each for each in federated),
        "token_subjects": sorted({value for test in subjects for value in test.values}),
        "tokens_are_exact": (bound and bool(exact)) if federated else None,
        "asks_audience": any(test.key.endswith(":aud") and _is_exact(test) for test in statement.tests),
        "is_telling_service": bool(_telling(statement.principals.services)),
        "unbounded_services": _unbounded(statement, document, setting, found),
    }


def _is_exact(test: Test) -> bool:
    """Whether it takes values that are written out, and no request without the key."""
    is_plain = test.known and not test.negated and not test.when_missing and test.kind in ("string", "arn")
    return is_plain and not any(map(is_wild, test.values))


def _telling(services: Iterable[str]) -> list[str]:
    """Those that say for whose resource they act, as the statement names them."""
    return sorted(each for each in services if _OF_A_REGION.sub("", each.lower()) in SENDS_ITS_SOURCE)


def _unbounded(statement: Statement, document: Document, setting: Setting, found: Row) -> list[str] | None:
    """Services that could say for whom they act, and are not asked."""
    telling = _telling(statement.principals.services)
    if not telling or found["asks_external_id"]:
        return []
    as_resource = zip(document.allows, facts.statement_rows(document, replace(setting, place=Place.RESOURCE)), strict=True)
    (open_to_all,) = (row["service_is_unbounded"] for each, row in as_resource if each is statement)
    return None if open_to_all is None else telling if open_to_all else []


def trusted_accounts(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each account that a statement names beside its own, and for each organisation other than the own one."""
    for role, document, setting, said, facts_ in _of_roles(seen):
        place = (role.row.target, role.row.region)
        kept = {name: value for name, value in said.items() if name in _OF_OUTSIDERS}
        if document is None:
            yield MadeRow(*place, role.arn, kept, facts_)
            continue
        for number, statement, found in _statements(document, setting):
            for account in (*found["accounts"], *found["organisations"]):
                made = {
                    **kept,
                    "trusted_account": account,
                    "asks_external_id": found["asks_external_id"],
                    "asks_our_organisation": found["asks_organisation"] and account not in found["organisations"],
                    "asks_named_principal": _names_principals(statement, account),
                    "ends_by_itself": found["ends_by_itself"],
                    "ends_at": found["ends_at"],
                }
                yield MadeRow(*place, f"{role.arn}#{number}/{account}", made, facts_)


_OF_OUTSIDERS = frozenset({"role_name", "role_arn", "role_created_at", "max_session_seconds", "role_is_used", "role_last_used_at"})


def _names_principals(statement: Statement, account: str) -> bool:
    """Whether the account's users and roles that are let in are named one by one."""
    named = [each for each in statement.principals.aws if account_of(each) == account]
    by_name = bool(named) and not any(is_account(each) or each.endswith(":root") for each in named)
    return by_name or any(test.key == "aws:principalarn" and _is_exact(test) for test in statement.tests)
