"""A second evaluator, as plain as can be: whole requests are made up one by one and each is let in or not by IAM's rules.

It shares nothing with the first but the documents. Where the first reasons about kinds of caller, this one has a small world of callers,
networks and headers, and tries them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

ME, PARTNER, NEAR, FAR = "111111111111", "222222222222", "111111111119", "333333333333"
OURS, THEIRS, OTHERS = "o-ours000000", "o-theirs0000", "o-others0000"
NOW = datetime.fromisoformat("2026-11-29T00:00:00+00:00")
OFFICE = "93.184.216.0/24"
OWN_ENDPOINT, FAR_ENDPOINT = "vpce-0a1b2c3d4e5f60718", "vpce-0ffffffffffffffff"
OWN_VPC, FAR_VPC = "vpc-0a1b2c3d4e5f60718", "vpc-0ffffffffffffffff"
BUCKET = "arn:aws:s3:::uploads"
RESOURCES = ("arn:aws:sqs:eu-central-1:111111111111:orders", "arn:aws:sqs:eu-central-1:111111111111:orders-dlq")
ACTIONS = ("sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage")
ASKED = tuple(
    product(
        (*ACTIONS, "sqs:sendMore", "sqs:deceiveMessage", "sqs:Other", "s3:GetObject"), (*RESOURCES, RESOURCES[0] + "-more", "arn:other")
    )
)
"""Actions with resources: those that documents name, and one for each pattern that nothing else stands for."""
RANKS = ("nobody", "account", "organisation", "source", "named", "network", "service", "anybody")

Json = Any


@dataclass(frozen=True)
class Request:
    """One request: who, with which keys, and what it amounts to if it is let in."""

    who: str
    """anonymous, the caller's ARN, or the service."""
    account: str
    keys: Mapping[str, str]
    reach: str


def glob(pattern: str, text: str) -> bool:
    """`*` and `?`, by recursion."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return glob(pattern[1:], text) or bool(text and glob(pattern, text[1:]))
    return bool(text) and (pattern[0] in ("?", text[0])) and glob(pattern[1:], text[1:])


def _many(value: Json) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _one(operator: str, value: str, text: str) -> bool:
    """A positive comparison of one value with what the request holds."""
    if operator == "StringEquals":
        return value == text
    if operator == "StringEqualsIgnoreCase":
        return value.lower() == text.lower()
    if operator == "StringLike":
        return glob(value, text)
    if operator in ("ArnLike", "ArnEquals"):
        if value == "*":
            return True
        asked, given = value.split(":", 5), text.split(":", 5)
        return len(asked) == len(given) == 6 and all(glob(a, b) for a, b in zip(asked, given, strict=True))
    if operator == "IpAddress":
        network, address = ip_network(value), ip_address(text)
        return network.version == address.version and address in network
    if operator == "Bool":
        return value.lower() == text.lower()
    when, moment = datetime.fromisoformat(value), datetime.fromisoformat(text)
    return moment < when if operator == "DateLessThan" else moment > when


def _holds(operator: str, key: str, values: list[str], keys: Mapping[str, str]) -> bool:
    text = next((held for name, held in keys.items() if name.lower() == key.lower()), None)
    qualifier, _, bare = operator.rpartition(":")
    if_exists = bare.endswith("IfExists")
    bare = bare.removesuffix("IfExists")
    if bare == "Null":
        return any((text is None) == (value == "true") for value in values)
    if text is None:
        if qualifier:
            return qualifier == "ForAllValues" or if_exists
        return if_exists or "Not" in bare
    if "Not" in bare:
        return not any(_one(bare.replace("Not", ""), value, text) for value in values)
    return any(_one(bare, value, text) for value in values)


def _named(who: Json, request: Request) -> bool:
    if who == "*":
        return True
    for kind, names in who.items():
        for name in _many(names):
            if kind == "AWS" and name == "*":
                return True
            if kind == "AWS" and request.account and name in (request.account, f"arn:aws:iam::{request.account}:root", request.who):
                return True
            if kind == "Service" and name == request.who:
                return True
    return False


def _is_for(statement: Json, request: Request) -> bool:
    if "Principal" in statement and not _named(statement["Principal"], request):
        return False
    if "NotPrincipal" in statement and _named(statement["NotPrincipal"], request):
        return False
    return all(
        _holds(operator, key, _many(values), request.keys)
        for operator, block in statement.get("Condition", {}).items()
        for key, values in block.items()
    )


def _is_about(statement: Json, action: str, resource: str) -> bool:
    for name, text, fold in (("Action", action.lower(), str.lower), ("Resource", resource, str)):
        if name in statement and not any(glob(fold(each), text) for each in _many(statement[name])):
            return False
        if f"Not{name}" in statement and any(glob(fold(each), text) for each in _many(statement[f"Not{name}"])):
            return False
    return True


def abouts(document: Json) -> list[frozenset[int]]:
    """For each action with its resource, which statements speak of it; alike ones once."""
    found = (frozenset(at for at, each in enumerate(document["Statement"]) if _is_about(each, *asked)) for asked in ASKED)
    return sorted(set(found), key=sorted)


def lets_in(document: Json, request: Request, about: list[frozenset[int]]) -> bool:
    """Whether some action on some resource has one Allow and no Deny."""
    live = {at: each["Effect"] for at, each in enumerate(document["Statement"]) if _is_for(each, request)}
    effects = ({live[at] for at in one if at in live} for one in about)
    return any("Allow" in each and "Deny" not in each for each in effects)


def _networks() -> Iterator[tuple[dict[str, str], bool]]:
    yield {"aws:SourceIp": "93.184.216.34"}, False
    for address in ("8.8.8.8", "200.1.1.1", "2600:1f00::1"):
        yield {"aws:SourceIp": address}, True
    for vpc, endpoint in ((OWN_VPC, OWN_ENDPOINT), (FAR_VPC, FAR_ENDPOINT), (OWN_VPC, FAR_ENDPOINT), (FAR_VPC, OWN_ENDPOINT)):
        named = vpc == OWN_VPC or endpoint == OWN_ENDPOINT
        yield {"aws:SourceVpc": vpc, "aws:SourceVpce": endpoint, "aws:VpcSourceIp": "10.0.0.7"}, not named


def _principal(account: str, organisation: str, role: str) -> dict[str, str]:
    made = {"aws:PrincipalAccount": account, "aws:PrincipalArn": f"arn:aws:iam::{account}:{role}"}
    return {**made, "aws:PrincipalOrgID": organisation} if organisation else made


def world() -> Iterator[Request]:
    """Every request that is tried."""
    for (network, is_open), tls in product(_networks(), ("true", "false")):
        keys = {**network, "aws:SecureTransport": tls, "aws:CurrentTime": NOW.isoformat()}
        stranger = "anybody" if is_open else "network"
        yield Request("anonymous", "", {**keys, "aws:PrincipalIsAWSService": "false"}, stranger)
        for account, organisation, role, tag in product(
            (ME, PARTNER, NEAR, FAR), (OURS, THEIRS, OTHERS, ""), ("role/app", "role/deploy", "user/kim"), (None, "shop", "x")
        ):
            if account == ME and organisation != OURS:
                continue
            reach = "account" if account == ME else "organisation" if organisation == OURS else "named" if account == PARTNER else stranger
            if reach == stranger and organisation == THEIRS:
                reach = "named"
            held = {**keys, **_principal(account, organisation, role), "aws:PrincipalIsAWSService": "false"}
            if tag is not None:
                held["aws:PrincipalTag/team"] = tag
            yield Request(held["aws:PrincipalArn"], account, held, reach)
    yield from _services()


def _services() -> Iterator[Request]:
    names, organisations = ("sns.amazonaws.com", "s3.amazonaws.com", "ses.amazonaws.com"), (OURS, THEIRS, OTHERS, "")
    told = ("all", "arn", "account", "organisation", "nothing")
    for service, account, organisation, tells, tls in product(names, (ME, PARTNER, NEAR, FAR), organisations, told, ("true", "false")):
        if account == ME and organisation != OURS:
            continue
        for arn in (f"arn:aws:sns:eu-central-1:{account}:news", BUCKET, "arn:aws:s3:::logs-of-others"):
            held = {"aws:SecureTransport": tls, "aws:CurrentTime": NOW.isoformat(), "aws:PrincipalIsAWSService": "true"}
            if tells in ("all", "arn"):
                held["aws:SourceArn"] = arn
            if tells in ("all", "account"):
                held["aws:SourceAccount"] = account
            if organisation and tells in ("all", "organisation"):
                held["aws:SourceOrgID"] = organisation
            yield Request(service, "", held, _on_behalf(account, organisation, arn))


def _on_behalf(account: str, organisation: str, arn: str) -> str:
    if account == ME:
        return "account"
    if organisation == OURS:
        return "organisation"
    if arn == BUCKET:
        return "source"
    return "named" if account == PARTNER or organisation == THEIRS else "service"


WORLD = tuple(sorted(world(), key=lambda request: -RANKS.index(request.reach)))
"""From wide to narrow."""


def reach(document: Json) -> str:
    """The widest of all requests that are let in, in the first evaluator's words."""
    about = abouts(document)
    kept = (each["Effect"] == "Deny" or _is_general(each) for each in document["Statement"])
    general = {"Statement": [each if keep else {**each, "Effect": "None"} for each, keep in zip(document["Statement"], kept, strict=True)]}
    made = "nobody"
    for request in _told_apart(document):
        if made != "nobody" and request.reach not in ("service", "anybody"):
            return made
        if RANKS.index(request.reach) > RANKS.index(made) and lets_in(document, request, about):
            made = request.reach
        if request.reach == "service" and made == "service" and lets_in(general, request, about):
            return "anybody"  # a service for whoever likes, let in by a statement for everybody
        if made == "anybody":
            return made
    return made


def _told_apart(document: Json) -> list[Request]:
    """The requests, alike ones once: a key that no statement asks for makes no difference."""
    asked = sorted({key for each in document["Statement"] for block in each.get("Condition", {}).values() for key in block})
    found = {(each.who, each.account, each.reach, *(each.keys.get(key) for key in asked)): each for each in WORLD}
    return list(found.values())


def _is_general(statement: Json) -> bool:
    return "NotPrincipal" in statement or _named(statement["Principal"], Request("nobody", "", {}, ""))
