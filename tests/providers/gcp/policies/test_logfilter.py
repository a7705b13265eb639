"""Filters of Cloud Logging: what matches a kind of entry, in the spellings that people use, and what nobody can tell."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.gcp.policies.logfilter import Entry, Field, Says, has_alternatives, is_known, matches
from cnamm_scan.providers.gcp.policies.regular import Pattern, pattern
from cnamm_scan.providers.truths import Truth

ENTRY = Entry(
    {
        ("logname",): Field(("projects/shop-prod/logs/cloudaudit.googleapis.com%2Factivity",)),
        ("resource", "type"): Field(("gce_firewall_rule",)),
        ("protopayload", "@type"): Field(("type.googleapis.com/google.cloud.audit.AuditLog",)),
        ("protopayload", "methodname"): Field(("v1.compute.firewalls.insert",)),
        ("protopayload", "authenticationinfo", "principalemail"): Field(("kim@shop.example",), Says.EXAMPLE),
        ("protopayload", "servicedata"): Field((), Says.EXAMPLE),
        ("protopayload", "authorizationinfo", "permission"): Field(("compute.firewalls.create",), Says.SOME),
        ("severity",): Field(("NOTICE",), Says.EXAMPLE),
        ("textpayload",): Field(()),
    }
)
TYPE = 'resource.type="gce_firewall_rule"'
METHOD = "protoPayload.methodName"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # as it is written down most often, and in other words
        (f'{TYPE} AND ({METHOD}:"compute.firewalls.patch" OR {METHOD}:"compute.firewalls.insert")', True),
        (f'{TYPE} {METHOD}:("compute.firewalls.patch" OR "compute.firewalls.insert")', True),
        (f'{TYPE}\n{METHOD}=("beta.compute.firewalls.insert" OR\n "v1.compute.firewalls.insert")', True),
        (f"resource.type = gce_firewall_rule AND {METHOD} = v1.compute.firewalls.insert", True),
        (f'resource.type="GCE_Firewall_Rule" {METHOD}="V1.COMPUTE.FIREWALLS.INSERT"', True),
        ("protopayload.METHODNAME='v1.compute.firewalls.insert'", True),
        (f'{METHOD}=~"^(v1|beta)\\.compute\\.firewalls\\.(insert|patch|delete)$"', True),
        (f'{METHOD}=~"firewalls"', True),
        (f'{METHOD}=~"Firewalls"', False),
        (f'{METHOD}=~"(?i)Firewalls"', True),
        (f'{METHOD}!~"delete$"', True),
        (f'{METHOD}!="v1.compute.firewalls.delete"', True),
        (f'NOT {METHOD}="v1.compute.firewalls.delete"', True),
        (f'-{METHOD}="v1.compute.firewalls.insert"', False),
        (f"NOT(NOT {METHOD}:insert)", True),
        (f"{METHOD}:*", True),
        ('protoPayload."@type"="type.googleapis.com/google.cloud.audit.AuditLog"', True),
        ("protoPayload.@type:AuditLog", True),
        ('log_id("cloudaudit.googleapis.com/activity")', True),
        ('LOG_ID("cloudaudit.googleapis.com/data_access")', False),
        ('logName:"cloudaudit.googleapis.com"', True),
        ('logName=("projects/shop-prod/logs/cloudaudit.googleapis.com%2Factivity" OR "projects/a/logs/b")', True),
        ("", True),
        ("   -- everything", True),
        (f"-- of the network team\n{TYPE} -- and nothing else", True),
        (f'{METHOD}:("compute" AND "firewalls" AND NOT "delete")', True),
        (f'{METHOD}:("compute" "firewalls" "delete")', False),
        # OR binds closer than AND
        (f'resource.type="gce_network" OR {TYPE} AND {METHOD}:"delete"', False),
        (f'{TYPE} AND {METHOD}:"delete" OR {METHOD}:"insert"', True),
        (f'(resource.type="gce_network" AND {METHOD}:"delete") OR {METHOD}:"insert"', True),
        # a word that stands in some field
        ('"compute.firewalls"', True),
        ("firewalls.insert", True),
        ("somebody", None),
        (f"somebody OR {TYPE}", True),
        ("NOT somebody", None),
        ('NOT "firewalls"', False),
        # what an entry of the kind does not have
        ("textPayload:firewalls", False),
        ("NOT textPayload:firewalls", True),
        ("textPayload.deep:x", False),
        ('textPayload!="x"', None),
        # what another entry of the kind may have
        ('protoPayload.authenticationInfo.principalEmail="kim@shop.example"', None),
        ('protoPayload.authenticationInfo.principalEmail="lee@shop.example"', False),
        ('NOT protoPayload.authenticationInfo.principalEmail="terraform@shop.example"', None),
        ("severity>=ERROR", False),
        ("severity>=NOTICE", None),
        ('protoPayload.authorizationInfo.permission="compute.firewalls.create"', True),
        ('protoPayload.authorizationInfo.permission="compute.firewalls.delete"', False),
        ('NOT protoPayload.authorizationInfo.permission="compute.firewalls.delete"', None),
        ("protoPayload.serviceData.policyDelta.bindingDeltas:*", False),
        ("NOT protoPayload.serviceData:*", None),
        ('protoPayload.request.sourceRanges="0.0.0.0/0"', None),
        ("operation.first=true", None),
        # what is not known here, or said nowhere
        ("sample(insertId, 0.25)", None),
        (f"{TYPE} AND sample(insertId, 0.25)", None),
        ("resource.type=gce_network AND sample(insertId, 0.25)", False),
        ('ip_in_net(protoPayload.requestMetadata.callerIp, "10.0.0.0/8")', None),
        ('SEARCH("firewalls")', None),
        (f'{METHOD}!=("a" OR "b")', None),
        (f'{METHOD}:"compute.firewalls.*"', None),
        (f'{METHOD}="v1.compute.firewalls.*"', False),
        (f'{METHOD}=~"(insert){{1,2}}"', None),
        (f'{METHOD}=~"fire\\\\.walls"', False),
        (f'{METHOD}=~"compute\\\\.firewalls"', None),
        (f"{TYPE} and {METHOD}:insert", None),
        (f"{METHOD}>5", None),
        (f'{METHOD}="\\x41"', None),
        # what Google would not take
        (f"{TYPE} AND", None),
        (f"AND {TYPE}", None),
        (f"({TYPE}", None),
        (f"{TYPE})", None),
        (f'{METHOD}="v1', None),
        (f"{METHOD}=", None),
        ("=x", None),
        ("a..b=c", None),
        ("a,b", None),
        ("(" * 80 + TYPE + ")" * 80, None),
        (" ".join([TYPE] * 1000), None),
    ],
)
def test_what_a_filter_says_of_an_entry(text: str, answer: Truth) -> None:
    assert matches(text, ENTRY) is answer


PIECES = [
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    "=",
    "!=",
    ":",
    "=~",
    "-",
    "*",
    '"a',
    "'",
    "a.b",
    "x",
    "--",
    "\n",
    " ",
    "severity",
    ">=",
    "\\",
    ",",
    "log_id(",
    '"x"',
]


@given(
    st.one_of(
        st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join), st.lists(st.sampled_from(PIECES), max_size=60).map(" ".join)
    )
)
def test_no_text_breaks_it(text: str) -> None:
    assert matches(text, ENTRY) in (True, False, None)
    assert has_alternatives(text) in (True, False)


TERMS = [
    TYPE,
    "resource.type=x",
    "textPayload:x",
    "severity>=ERROR",
    "severity=NOTICE",
    "somebody",
    "sample(insertId, 0.5)",
    f"{METHOD}:insert",
]


@given(
    st.recursive(
        st.sampled_from(TERMS),
        lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR", ""]), inner).map(lambda e: f"({e[0]}) {e[1]} ({e[2]})"),
        max_leaves=8,
    )
)
def test_the_opposite_of_a_filter_is_its_opposite(text: str) -> None:
    """What matches all entries of a kind matches none by its opposite; what leaves it open may be refuted both ways."""
    told, turned = matches(text, ENTRY), matches(f"NOT ({text})", ENTRY)
    assert is_known(text)
    assert not (told is True and turned is not False)
    assert not (turned is True and told is not False)


@given(st.lists(st.sampled_from(TERMS), min_size=1, max_size=6))
def test_and_is_what_stands_side_by_side_in_any_order(terms: list[str]) -> None:
    told = matches(" AND ".join(terms), ENTRY)
    assert matches(" ".join(terms), ENTRY) is told
    assert matches("\n".join(reversed(terms)), ENTRY) is told


@pytest.mark.parametrize("piece", ["(", "NOT ", "-", '"', "a.", "a:", "a OR ", "f(", "-- ", "\\", '"\\', "a=("])
def test_a_long_filter_takes_no_longer_than_its_length(piece: str) -> None:
    """Ten times as long takes some ten times as many steps."""
    few, many = (_steps((piece * size)[:size] + str(size)) for size in (1_500, 15_000))
    assert many < 12 * few + 200


def _steps(text: str) -> int:
    """How many functions are called to judge a filter."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        matches(text, ENTRY)
    finally:
        sys.setprofile(None)
    return steps


# ---- regular expressions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "there", "not_there"),
    [
        ("abc", "xabcx", "abx"),
        ("^abc$", "abc", "abcd"),
        ("a|bc", "xbc", "cb"),
        ("a(b|c)*d", "abcbd", "abce"),
        ("a(?:bc)?d", "abcd", "abd"),
        ("[a-c]+x", "abcx", "dx"),
        ("[^a-c]x", "dx", "ax"),
        ("[]a]x", "]x", "bx"),
        ("[a-]x", "-x", "bx"),
        ("a.c", "abc", "a\nc"),
        (r"a\.c", "a.c", "abc"),
        (r"\d\w\s", "1_ ", "a_ "),
        (r"\D\S", "a-", "1-"),
        ("(?i)ABC", "xabcx", "ab"),
        ("(?i)[A-C]x", "bX", "dx"),
        ("a+?b", "aab", "b"),
        ("", "", None),
        ("()", "x", None),
        ("a|", "b", None),
        ("(a*)*b", "aab", "aac"),
    ],
)
def test_what_an_expression_finds(text: str, there: str, not_there: str | None) -> None:
    assert Pattern(text).found_in(there)
    assert not_there is None or not Pattern(text).found_in(not_there)


@pytest.mark.parametrize(
    "text",
    ["(", ")", "a)", "*a", "a**", "a{2}", "[a", "\\", r"\b", r"\pN", "(?P<n>a)", "(?=a)", "[[:alpha:]]", "x" * 2000, "(" * 60 + ")" * 60],
)
def test_what_an_expression_does_not_say_here(text: str) -> None:
    assert pattern(text) is None


@given(st.text(alphabet="ab|()*+?.^$[]-\\d", max_size=30), st.text(alphabet="ab1\n", max_size=30))
def test_no_expression_breaks_it(text: str, where: str) -> None:
    found = pattern(text)
    assert found is None or found.found_in(where) in (True, False)


@settings(max_examples=200)
@given(
    st.recursive(
        st.sampled_from(["a", "b", ".", "[ab]", "[^a]"]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda e: f"({e[0]}|{e[1]})"),
            inner.map(lambda e: f"({e})*"),
            inner.map(lambda e: f"({e})?"),
            inner.map(lambda e: f"^{e}"),
            inner.map(lambda e: f"{e}$"),
        ),
        max_leaves=6,
    ),
    st.text(alphabet="abc", max_size=8),
)
def test_it_finds_what_python_finds(text: str, where: str) -> None:
    """Of short expressions, which Python is quick enough for."""
    assert Pattern(text).found_in(where) == bool(re.search(text.replace("$", r"\Z"), where))


def test_an_expression_that_others_choke_on() -> None:
    assert not Pattern("(a+)+$b").found_in("a" * 300)
    assert not Pattern("(a|a)*(a|a)*(a|a)*c").found_in("a" * 300)
