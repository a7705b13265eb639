"""What the directory asks of people who sign in: for everybody, and for each unit or group for which it was set otherwise."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from math import ceil
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.gcp.policies.conditions import moment
from cnamm_scan.providers.gcp.policies.settings import Setting, for_everybody, top
from cnamm_scan.providers.interface import SeenRow, SeenTables
from cnamm_scan.providers.truths import Truth

Json = Any
Values = dict[str, Any]
Read = Callable[[Mapping[str, Json], datetime], Values]
"""What the value of a setting comes to at a moment."""

ORGANIZATION = "gcp.cloudidentity.organization"
POLICY = "gcp.cloudidentity.policy"
OWNER = "gcp.directory.organization"
USER = "gcp.directory.user"
_OF_A_USER = ("is_active", "is_super_admin", "is_enrolled", "has_signed_in", "last_login_at", "created_at")
WITHOUT_PHONES = frozenset({"NO_TELEPHONY", "PASSKEY_ONLY", "PASSKEY_PLUS_SECURITY_CODE", "PASSKEY_PLUS_IP_BOUND_SECURITY_CODE"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)s", re.ASCII)


def _made(seen: SeenTables, setting: str, read: Read) -> Iterator[MadeRow]:
    """One row for each unit or group for which administrators wrote a setting, and one for everybody else in the organization."""
    for organization in seen.rows(ORGANIZATION):
        rows = [each for each in seen.rows(POLICY) if each.target == organization.target]
        kept = {row.key: _setting(row) for row in rows}
        own = [row for row in rows if row.values["setting"] in (setting, None)]
        is_read = not seen.dark(POLICY, organization.target) and None not in kept.values()
        found = [each for each in map(kept.get, (row.key for row in own)) if each is not None]
        best = for_everybody(found, top(filter(None, kept.values()))) if is_read else None
        said = {"organization": organization.values["id"]}
        facts = (organization.fact, *(row.fact for row in own))
        values = {**said, **_values(best, "everybody", read, seen.now), "is_everybody": True}
        yield MadeRow(organization.target, organization.region, organization.key, values, facts)
        for row in own:
            one = kept[row.key]
            if row.values["type"] != "SYSTEM" and (one is None or one is not best):
                # one of a whole unit may be the one of everybody, where that is not told: read in part it has no row that stays
                is_part = one is not None and (best is not None or not one.is_of_a_unit)
                told = one if is_part or is_read else None
                values = {**said, **_values(told, one.whom if one else None, read, seen.now), "is_everybody": False if is_part else None}
                yield MadeRow(row.target, row.region, row.key, values, (row.fact,))


def _values(setting: Setting | None, whom: str | None, read: Read, now: datetime) -> Values:
    value = setting.value if setting is not None and isinstance(setting.value, dict) else {}
    return {"whom": whom, "is_set": None if setting is None else not setting.is_system, **read(value, now)}


def _setting(row: SeenRow) -> Setting | None:
    """What a policy says; None where that was not read."""
    said = row.values
    if any(said[each] is None for each in ("setting", "type", "unit", "group", "query", "value")):
        return None
    return Setting(said["unit"], said["group"], said["query"], said["sort_order"], said["type"] == "SYSTEM", said["value"])


def _told(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _seconds(said: Json) -> float | None:
    found = _SECONDS.fullmatch(said) if isinstance(said, str) else None
    return float(found[1]) if found is not None else None


def _switch(said: Json) -> Truth:
    return said if isinstance(said, bool) else None


def _enforcement(value: Mapping[str, Json], now: datetime) -> Values:
    said = value.get("enforcedFrom")
    since = moment(said) if isinstance(said, str) else None
    # a moment that nobody set is the first that there is
    return {"enforced_from": None if since is None else since.isoformat(), "is_enforced": None if since is None else _EPOCH < since <= now}


def _methods(value: Mapping[str, Json], now: datetime) -> Values:
    said = value.get("allowedSignInFactorSet")
    methods = said if isinstance(said, str) else None
    known = methods == "ALL" or methods in WITHOUT_PHONES
    return {
        "methods": methods,
        "allows_phones": methods == "ALL" if known else None,
        "wants_security_keys": str(methods).startswith("PASSKEY_") if known else None,
    }


def _grace(value: Mapping[str, Json], now: datetime) -> Values:
    seconds = _seconds(value.get("enrollmentGracePeriod"))
    return {"grace_days": None if seconds is None else ceil(seconds / 86_400)}


def _trust(value: Mapping[str, Json], now: datetime) -> Values:
    return {"trusts_devices": _switch(value.get("allowTrustingDevice"))}


def _recovery(value: Mapping[str, Json], now: datetime) -> Values:
    return {"may_recover": _switch(value.get("enableAccountRecovery"))}


def _session(value: Mapping[str, Json], now: datetime) -> Values:
    seconds = _seconds(value.get("webSessionDuration"))
    return {"session_hours": ceil(seconds / 3600) if seconds else None}


def directory_accounts(seen: SeenTables) -> Iterator[MadeRow]:
    """One row for each user who may sign in, and one for the organization where not all of them were read."""
    for organization in seen.rows(OWNER):
        said = {"organization": organization.values["id"]}
        if seen.dark(USER, organization.target):
            unread = dict.fromkeys(("id", *_OF_A_USER))
            yield MadeRow(organization.target, organization.region, organization.key, {**said, **unread}, (organization.fact,))
        for row in seen.rows(USER):
            if row.target == organization.target and row.values["is_active"] is not False:
                own = {name: _told(row.values[name]) for name in ("id", *_OF_A_USER)}
                yield MadeRow(row.target, row.region, row.key, {**said, **own}, (row.fact,))


def two_step_enforcement(seen: SeenTables) -> Iterator[MadeRow]:
    """From when on people have to sign in with a second factor."""
    return _made(seen, "security.two_step_verification_enforcement", _enforcement)


def two_step_methods(seen: SeenTables) -> Iterator[MadeRow]:
    """What counts as a second factor."""
    return _made(seen, "security.two_step_verification_enforcement_factor", _methods)


def two_step_grace(seen: SeenTables) -> Iterator[MadeRow]:
    """How long new people may go without one."""
    return _made(seen, "security.two_step_verification_grace_period", _grace)


def two_step_trust(seen: SeenTables) -> Iterator[MadeRow]:
    """Whether a device may be trusted, which is then not asked again."""
    return _made(seen, "security.two_step_verification_device_trust", _trust)


def super_admin_recovery(seen: SeenTables) -> Iterator[MadeRow]:
    """Whether super administrators may get a lost account back by themselves."""
    return _made(seen, "security.super_admin_account_recovery", _recovery)


def web_session(seen: SeenTables) -> Iterator[MadeRow]:
    """How long somebody stays signed in."""
    return _made(seen, "security.session_controls", _session)
