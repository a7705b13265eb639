"""Whether a Principal or a NotPrincipal names a kind of caller.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
"""

from __future__ import annotations

from collections.abc import Iterable

from cnamm_scan.providers.aws.policies.callers import Caller, Kind, account_of
from cnamm_scan.providers.aws.policies.conditions import FALSE, TRUE, UNKNOWN, UNSEEN
from cnamm_scan.providers.aws.policies.documents import NO_PRINCIPALS, Principals, Statement
from cnamm_scan.providers.aws.policies.patterns import is_wild
from cnamm_scan.providers.aws.policies.setting import Setting


def is_partial(entry: str) -> bool:
    """Whether an entry of a Principal holds a wildcard beside other signs, which AWS refuses."""
    return entry != "*" and is_wild(entry)


def names(principals: Principals, caller: Caller, setting: Setting) -> int:
    """Whether a Principal element names this kind of caller: bits."""
    if principals.anybody:
        return TRUE
    match caller.kind:
        case Kind.PRINCIPAL:
            return _any(_is_principal(each, caller, setting) for each in principals.aws)
        case Kind.CANONICAL:
            return TRUE if caller.name in (*principals.canonical, *principals.aws) else FALSE
        case Kind.SERVICE:
            return TRUE if caller.name in principals.services or "*" in principals.services else FALSE
        case Kind.TOKEN:
            return TRUE if caller.name in principals.federated or "*" in principals.federated else FALSE
        case _:
            return UNKNOWN if any(map(is_partial, principals.aws)) else FALSE


def _any(outcomes: Iterable[int]) -> int:
    made = FALSE
    for each in outcomes:
        if each == TRUE:
            return TRUE
        if each & TRUE:
            made = each if made == FALSE or not each & UNSEEN else made
    return made


def _is_principal(entry: str, caller: Caller, setting: Setting) -> int:
    if is_partial(entry):
        return UNKNOWN
    account = account_of(entry)
    if account:
        if account != caller.account:
            return FALSE
        return TRUE if entry == account or entry.endswith(":root") or entry == caller.arn else FALSE
    if entry.startswith(("AIDA", "AROA")) and ":" not in entry:  # shown where the principal was deleted: no new one gets that id
        return FALSE if setting.applied or caller.account else UNKNOWN
    if ":iam::cloudfront:" in entry:
        return FALSE
    return FALSE if caller.account else UNKNOWN  # some principal, and we cannot say whose


def named_by(statement: Statement, caller: Caller, setting: Setting) -> int:
    """Whether the statement is about this kind of caller: Principal, or everybody that NotPrincipal does not name."""
    if statement.excepted is not NO_PRINCIPALS and statement.excepted:
        found = names(statement.excepted, caller, setting)
        return {TRUE: FALSE, FALSE: TRUE}.get(found, found)
    return names(statement.principals, caller, setting)
