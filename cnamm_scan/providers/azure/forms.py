"""Forms into which collectors bring what no path can say: a room of its own, since each drops what should not be kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.parsers import expat

from cnamm_scan.providers.azure import containers
from cnamm_scan.providers.secrets.names import Says, says
from cnamm_scan.providers.secrets.verdict import judge

Json = Any

_CONTACTS = ("contactEmails", "contactGroups", "contactRoles")
_SECTIONS = ("inbound", "backend", "outbound", "on-error")


def notifications(value: Json) -> Json:
    """Of a budget's notifications, by name, those that are on and tell somebody: `{says: ["Actual 90"], is_early, looks_ahead}`.

    Who is told is left out. Early is what tells before all is spent: below 100 per cent of what was spent, or whenever the forecast says
    so. Of another shape: None.
    """
    if not isinstance(value, Mapping):
        return None
    told, early, ahead = [], False, False
    for each in value.values():
        if not isinstance(each, Mapping) or not isinstance(each.get("threshold"), int | float) or not isinstance(each.get("enabled"), bool):
            return None
        if not each["enabled"] or not any(each.get(key) for key in _CONTACTS):
            continue
        kind = each.get("thresholdType") or "Actual"
        told.append(f"{kind} {each['threshold']:g}")
        ahead = ahead or kind == "Forecasted"
        early = early or kind == "Forecasted" or each["threshold"] < 100
    return {"says": sorted(told), "is_early": early, "looks_ahead": ahead}


def setting_name(value: Json) -> Json:
    """The name of a setting as `{name, saysSecret}`."""
    return {"name": value, "saysSecret": says(value) is Says.SECRET} if isinstance(value, str) else None


def automation_value(value: Json) -> Json:
    """What the value of a variable of Automation is by itself (secret, plain and others), and nothing of it. It is JSON in a text."""
    if not isinstance(value, str):
        return None
    try:
        inner = json.loads(value)
    except ValueError:
        inner = value
    return judge("", inner if isinstance(inner, str) else value).is_.value


def count(value: Json) -> Json:
    """How many there are, without who they are."""
    return len(value) if isinstance(value, list) else None


def addresses(value: Json) -> Json:
    """How many addresses a text lists, set apart by semicolons or commas, without who they are."""
    return sum(1 for each in re.split("[;,]", value) if each.strip()) if isinstance(value, str) else None


def log_queries(value: Json) -> Json:
    """Of a log alert's conditions whether one asks Resource Graph for quotas, as `{asksQuotas}`; queries may name people."""
    listed = value.get("allOf") if isinstance(value, Mapping) else None
    if not isinstance(listed, list):
        return None
    queries = [each.get("query") for each in listed if isinstance(each, Mapping)]
    return {"asksQuotas": any("quotaresources" in query.lower() for query in queries if isinstance(query, str))}


_HOURS = re.compile(r"P(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,4})M)?)?")


def activation(value: Json) -> Json:
    """What a role's only policy asks of who activates it, as `{hours, asksFactor, asksApproval}`; what it leaves open is not there.

    Where an authentication context is asked for, Conditional Access says which factors that takes. Any other number of policies: None.
    """
    if not isinstance(value, list) or len(value) != 1:
        return None
    properties = value[0].get("properties") if isinstance(value[0], Mapping) else None
    listed = (properties.get("effectiveRules") or properties.get("rules")) if isinstance(properties, Mapping) else None
    if not isinstance(listed, list):
        return None
    rules = {str(each.get("id")).lower(): each for each in listed if isinstance(each, Mapping)}
    made: dict[str, Json] = {}
    length = _HOURS.fullmatch(str(rules.get("expiration_enduser_assignment", {}).get("maximumDuration")))
    if length is not None and any(length.groups()):
        days, hours, minutes = (int(each or 0) for each in length.groups())
        made["hours"] = days * 24 + hours + minutes / 60
    enabled = rules.get("enablement_enduser_assignment", {}).get("enabledRules")
    context = rules.get("authenticationcontext_enduser_assignment", {}).get("isEnabled")
    if isinstance(enabled, list) and "MultiFactorAuthentication" in enabled:
        made["asksFactor"] = True
    elif isinstance(enabled, list) and context is False:
        made["asksFactor"] = False
    setting = rules.get("approval_enduser_assignment", {}).get("setting")
    if isinstance(setting, Mapping) and isinstance(setting.get("isApprovalRequired"), bool):
        made["asksApproval"] = setting["isApprovalRequired"]
    return made


class _Outline:
    """Listens to a policy of API Management: the names of its elements, and where they stand."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {section: [] for section in _SECTIONS}
        self.within: list[str] = []
        self._open: list[str] = []

    def start(self, name: str, _: Mapping[str, str]) -> None:
        """One element begins."""
        if len(self._open) == 2 and self._open[1] in self.found:
            self.found[self._open[1]].append(name)
        elif len(self._open) > 2:
            self.within.append(name)
        self._open.append(name)

    def end(self, _: str) -> None:
        """It ends."""
        self._open.pop()


def _refused(*_: object) -> None:
    raise ValueError("a policy declares no types and no entities")


def policy_outline(value: Json) -> Json:
    """A policy of API Management as `{inbound: [names], backend, outbound, on-error, within: [names]}`.

    A section's names are what always happens, `within` what stands within that. Its attributes and texts may hold secrets and are left
    out. What is not XML, and what declares entities: None.
    """
    if not isinstance(value, str):
        return None
    outline = _Outline()
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = outline.start, outline.end
    parser.StartDoctypeDeclHandler = _refused
    try:
        parser.Parse(value, True)
    except (expat.ExpatError, ValueError):
        return None
    return {**outline.found, "within": sorted(set(outline.within))}


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    **containers.NORMALISERS,
    "notifications": notifications,
    "activation": activation,
    "count": count,
    "addresses": addresses,
    "setting_name": setting_name,
    "automation_value": automation_value,
    "log_queries": log_queries,
    "policy_outline": policy_outline,
}
"""What collectors may name under `normalise:`."""
