"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them.

Content is read whenever anything runs, policies only where something was collected: a function is imported when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

from cnamm_scan.model import Column, MadeRow
from cnamm_scan.providers.aws.made import identity_columns as identity
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


def _later(module: str, function: str) -> Callable[[SeenTables], Iterable[MadeRow]]:
    def make(seen: SeenTables) -> Iterable[MadeRow]:
        made: Iterable[MadeRow] = getattr(import_module(f"cnamm_scan.providers.aws.made.{module}"), function)(seen)
        return made

    return make


MAKERS: Mapping[str, Maker] = {
    "resource_policies": Maker(_later("access", "documents"), POLICY),
    "resource_policy_statements": Maker(_later("access", "statements"), STATEMENT),
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
