"""Forms into which collectors bring what no path can say: a room of its own, since each drops what should not be kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.gcp import metadata, settings
from cnamm_scan.providers.gcp.policies.public import ANYBODY
from cnamm_scan.providers.openness import Openness, addresses, judge

Json = Any


def open_bindings(value: Json) -> Json:
    """Of the bindings of an IAM policy those that let in whoever asks, as `[{role, who, isConditional}]`. Other members may be people."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    return [
        {"role": each.get("role"), "who": who, "isConditional": bool(each.get("condition"))}
        for each in value
        for who in sorted(ANYBODY, reverse=True)
        if who in (each.get("members") or ())
    ]


def open_entities(value: Json) -> Json:
    """Of a list of access controls whom it lets in who is anybody; no person is named."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    found = {str(each.get("entity")) for each in value}
    return [who for who in sorted(ANYBODY, reverse=True) if who in found]


_PERSON = re.compile(
    r"(?P<kind>(?:deleted:)?(?:user:|group:|principal://goog/subject/|principalSet://goog/group/))(?P<who>[^@]+)(?P<domain>@[^?]*)?"
)
_SUBJECT = re.compile(
    r"(?P<kind>(?:deleted:)?principal://iam\.googleapis\.com/locations/global/workforcePools/[^/]+/subject/)(?P<who>[^?]+)"
)
_OF_A_SERVICE = ".gserviceaccount.com"


def stands_for(who: str) -> str:
    """What stands for somebody: the same for the same address, however it is written."""
    return hashlib.sha256(who.lower().encode()).hexdigest()[:12]


def _address(value: str) -> str:
    """An address without whose it is. Those of service accounts are no person's."""
    name, at, domain = value.partition("@")
    return value if value.endswith(_OF_A_SERVICE) else f"{stands_for(value)}{at}{domain}" if name else value


def _member(value: str) -> str:
    """A member of a policy: of people and groups the domain is kept, and what stands for the rest."""
    person = _PERSON.match(value)
    if person is not None:
        return f"{person['kind']}{stands_for(person['who'] + (person['domain'] or ''))}{person['domain'] or ''}"
    subject = _SUBJECT.match(value)
    return f"{subject['kind']}{stands_for(subject['who'])}" if subject is not None else value


def user(value: Json) -> Json:
    """The number of a user's account as what stands for him."""
    return stands_for(value) if isinstance(value, str) and value else None


def members(value: Json) -> Json:
    """The members of a policy, without the addresses of people and groups."""
    return [_member(each) for each in value] if isinstance(value, list) and all(isinstance(each, str) for each in value) else None


def dataset_access(value: Json) -> Json:
    """The list of a BigQuery dataset, without the addresses of people and groups."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    told = {"userByEmail": _address, "groupByEmail": _address, "iamMember": _member}
    return [{name: told[name](said) if name in told and isinstance(said, str) else said for name, said in each.items()} for each in value]


_PRECONFIGURED = re.compile(r"evaluatePreconfigured(?:Waf|Expr)\((?!['\"]sourceiplist-)")
"""Named lists of addresses are asked for as if they were WAF rules. https://docs.cloud.google.com/armor/docs/armor-named-ip"""


def waf_expression(value: Json) -> Json:
    """What a rule of Cloud Armor asks, as `{isPreconfigured, isEverything}`: preconfigured rules, or nothing. It may name secrets."""
    if not isinstance(value, str):
        return None
    asked = "".join(value.split())
    return {"isPreconfigured": _PRECONFIGURED.search(asked) is not None, "isEverything": asked == "true"}


def address_ranges(value: Json) -> Json:
    """Ranges of addresses, `*` among them, and whether they come to everybody, as `{ranges, isEverybody}`. None for what holds none."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    try:
        is_everybody = "*" in value or judge(addresses(value)) is Openness.WORLD
    except ValueError:
        return None
    return {"ranges": value, "isEverybody": is_everybody}


_LITERAL = re.compile(r"(['\"])([^'\"]*@[^'\"]*)\1")


def subjects(value: Json) -> Json:
    """A condition on principals, without the addresses of people: what stands for each is what stands for it among members."""
    return _LITERAL.sub(lambda found: f"{found[1]}{_address(found[2])}{found[1]}", value) if isinstance(value, str) else None


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    **metadata.NORMALISERS,
    **settings.NORMALISERS,
    "address_ranges": address_ranges,
    "dataset_access": dataset_access,
    "members": members,
    "open_bindings": open_bindings,
    "open_entities": open_entities,
    "subjects": subjects,
    "user": user,
    "waf_expression": waf_expression,
}
"""What `normalise:` of a collector may name."""
