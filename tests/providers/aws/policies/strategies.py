"""Documents at random, from words that the second evaluator's small world knows."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.providers.aws.policies.naive import ACTIONS, BUCKET, ME, OFFICE, OURS, OWN_ENDPOINT, OWN_VPC, PARTNER, RESOURCES, THEIRS

Json = Any

ROLE = f"arn:aws:iam::{ME}:role/app"
THEIR_ROLE = f"arn:aws:iam::{PARTNER}:role/deploy"
TOPIC = f"arn:aws:sns:eu-central-1:{ME}:news"
VALUES: dict[str, tuple[str, ...]] = {
    "aws:PrincipalAccount": (ME, PARTNER, "*", "11111111111?"),
    "aws:SourceAccount": (ME, PARTNER, "*", "????????????"),
    "aws:PrincipalOrgID": (OURS, THEIRS, "o-*"),
    "aws:SourceOrgID": (OURS, "o-*"),
    "aws:SourceVpce": (OWN_ENDPOINT, "vpce-*"),
    "aws:SourceVpc": (OWN_VPC, "vpc-*"),
    "aws:PrincipalTag/team": ("shop", "*", "s*"),
}
ARNS: dict[str, tuple[str, ...]] = {
    "aws:PrincipalArn": (ROLE, THEIR_ROLE, f"arn:aws:iam::{ME}:role/*", "arn:aws:iam::*:role/app", "*"),
    "aws:SourceArn": (TOPIC, BUCKET, f"arn:aws:sns:*:{ME}:*", "arn:aws:sns:*:*:news", "arn:aws:s3:::*", "arn:aws:s3:*:*:uploads"),
}
_NOT = {"StringEquals": "StringNotEquals", "StringLike": "StringNotLike", "ArnLike": "ArnNotLike", "ArnEquals": "ArnNotEquals"}


@st.composite
def blocks(draw: st.DrawFn, *, positive: bool = False) -> tuple[str, str, list[str]]:
    """(operator, key, values); `positive` ones fail where the key is missing, and say something of the key."""
    kind = draw(st.sampled_from(("string", "string", "string", "arn", "arn", "ip", "bool", "null", "date")))
    qualifier = "" if positive else draw(st.sampled_from(("", "", "", "", "ForAnyValue:", "ForAllValues:")))
    suffix = "" if positive else draw(st.sampled_from(("", "", "", "", "IfExists")))
    negate = not positive and draw(st.booleans())
    if kind in ("string", "arn"):
        pool = VALUES if kind == "string" else ARNS
        operator = draw(st.sampled_from(("StringEquals", "StringLike") if kind == "string" else ("ArnLike", "ArnEquals")))
        key = draw(st.sampled_from(sorted(pool)))
        operator = _NOT[operator] if negate else operator
        return qualifier + operator + suffix, key, draw(st.lists(st.sampled_from(pool[key]), min_size=1, max_size=2, unique=True))
    if kind == "ip":
        operator = "NotIpAddress" if negate else "IpAddress"
        pools = st.sampled_from((OFFICE, "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "2000::/3"))
        return operator + suffix, "aws:SourceIp", draw(st.lists(pools, min_size=1, max_size=2, unique=True))
    if kind == "bool":
        return (
            "Bool" + suffix,
            draw(st.sampled_from(("aws:SecureTransport", "aws:PrincipalIsAWSService"))),
            [draw(st.sampled_from(("true", "false")))],
        )
    if kind == "date" and not positive:
        return draw(st.sampled_from(("DateLessThan", "DateGreaterThan"))), "aws:CurrentTime", ["2020-01-01T00:00:00+00:00"]
    return "Null", draw(st.sampled_from(sorted(VALUES))), [draw(st.sampled_from(("false",) if positive else ("true", "false")))]


def condition(parts: list[tuple[str, str, list[str]]]) -> Json:
    """The blocks as one Condition."""
    made: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in parts:
        made.setdefault(operator, {})[key] = values
    return made


principals: st.SearchStrategy[Json] = st.sampled_from(
    (
        "*",
        "*",
        {"AWS": "*"},
        {"AWS": ME},
        {"AWS": f"arn:aws:iam::{PARTNER}:root"},
        {"AWS": [ROLE, THEIR_ROLE]},
        {"Service": "sns.amazonaws.com"},
        {"Service": ["s3.amazonaws.com", "sns.amazonaws.com"]},
        {"AWS": [PARTNER], "Service": "s3.amazonaws.com"},
    )
)
actions = st.lists(st.sampled_from((*ACTIONS, "SQS:*", "sqs:send*", "sqs:?eceiveMessage", "*")), min_size=1, max_size=2, unique=True)
resources = st.lists(st.sampled_from((*RESOURCES, "*", RESOURCES[0] + "*")), min_size=1, max_size=2, unique=True)


@st.composite
def statements(draw: st.DrawFn, effect: str | None = None, *, most: int = 2) -> Json:
    """One statement of a resource policy."""
    what: Json = {"Effect": effect or draw(st.sampled_from(("Allow", "Allow", "Deny")))}
    what["NotPrincipal" if draw(st.integers(0, 9)) == 0 else "Principal"] = draw(principals)
    if what.get("NotPrincipal") == "*" or what.get("NotPrincipal") == {"AWS": "*"}:
        what["NotPrincipal"] = {"AWS": PARTNER}
    what["NotAction" if draw(st.integers(0, 9)) == 0 else "Action"] = draw(actions)
    what["NotResource" if draw(st.integers(0, 9)) == 0 else "Resource"] = draw(resources)
    tests = draw(st.lists(blocks(), max_size=most))
    if tests:
        what["Condition"] = condition(tests)
    return what


@st.composite
def documents(draw: st.DrawFn, *, most: int = 3) -> Json:
    """A resource policy."""
    return {"Version": "2012-10-17", "Statement": draw(st.lists(statements(), min_size=1, max_size=most))}
