"""What one test of a Condition says of a request: true, false, as the caller likes, or not to be seen from here.

A test is one key under one operator with all its values. The operators, their negations, `IfExists`, the set operators and `Null`:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html and
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Protocol

from cnamm_scan.providers.aws.policies.patterns import arn_matches, is_wild, tidy
from cnamm_scan.providers.openness import Addresses, addresses, is_network
from cnamm_scan.providers.wildcards import matches

TRUE, FALSE, UNSEEN = 1, 2, 4
"""Bits of an outcome: it can be true, it can be false, and which of them is not the caller's choice but a fact that nobody has shown us."""
EITHER = TRUE | FALSE
UNKNOWN = TRUE | FALSE | UNSEEN

_OPERATOR = re.compile(
    r"(?:(forallvalues|foranyvalue):)?(string|arn|numeric|date|bool|binary|ipaddress|notipaddress|null)([a-z]*?)(ifexists)?"
)
_COMPARISONS = ("equals", "lessthan", "lessthanequals", "greaterthan", "greaterthanequals")
_KINDS: Mapping[str, tuple[str, ...]] = {
    "string": ("equals", "equalsignorecase", "like"),
    "arn": ("equals", "like"),
    "numeric": _COMPARISONS,
    "date": _COMPARISONS,
    "bool": ("",),
    "binary": ("equals",),
    "ipaddress": ("",),
    "notipaddress": ("",),
    "null": ("",),
}
VARIABLE = re.compile(r"\$\{([^{}]*)\}")
"""`${key}`, or `${key, 'default'}`."""
_SIGNS: Mapping[str, str] = {"*": "\ue02a", "?": "\ue03f", "$": "$"}
"""`${*}` is the sign itself: kept apart from wildcards by a character of the private area, which is in no name."""


@dataclass(frozen=True, slots=True)
class Test:
    """One key under one operator: how it is compared, and with which values, any one of which suffices."""

    key: str
    """In lower case: names of keys are compared so."""
    kind: str
    """string, arn, numeric, date, bool, binary, ipaddress, null."""
    how: str
    """equals, like, lessthan, …; empty where the kind knows one way only."""
    values: tuple[str, ...]
    negated: bool = False
    qualifier: str = ""
    """forallvalues, foranyvalue or empty."""
    if_exists: bool = False
    known: bool = True
    """False for an operator that AWS does not describe: it proves nothing."""
    plain: bool = True
    """Whether no value holds a variable."""

    @property
    def when_missing(self) -> bool:
        """What it says of a request that lacks the key."""
        if self.qualifier:
            return self.qualifier == "forallvalues" or self.if_exists
        return self.negated or self.if_exists

    @property
    def variables(self) -> tuple[str, ...]:
        """Keys that its values refer to, in lower case."""
        return tuple(_key_of(each) for value in self.values if "${" in value for each in VARIABLE.findall(value))


@lru_cache(maxsize=1024)
def _operator(word: str) -> tuple[str, str, bool, str, bool] | None:
    found = _OPERATOR.fullmatch(word)
    if found is None:
        return None
    qualifier, kind, how, if_exists = found.groups()
    negated = kind == "notipaddress" or how.startswith("not")
    how = how.removeprefix("not")
    if how not in _KINDS[kind] or (kind == "null" and if_exists):
        return None
    return kind.removeprefix("not"), how, negated, qualifier or "", bool(if_exists)


def read_tests(condition: Mapping[str, Mapping[str, list[str]]], variables: bool) -> tuple[Test, ...]:
    """The tests of a Condition block in its stored form. All of them have to hold."""
    made = []
    for operator, keys in condition.items():
        read = _operator(operator.lower())
        for key, values in keys.items():
            texts = tuple(written(each, variables) for each in values)
            if read is None:
                made.append(Test(key.lower(), "", "", texts, known=False))
            else:
                kind, how, negated, qualifier, if_exists = read
                made.append(
                    Test(key.lower(), kind, how, texts, negated, qualifier, if_exists, plain=not any("${" in each for each in texts))
                )
    return tuple(made)


def written(text: str, variables: bool) -> str:
    """A value or a resource with what only looks like a wildcard or a variable made unlike one."""
    if "${" not in text:
        return text
    # `${$}{` is how a policy writes a `${` that begins no variable
    return VARIABLE.sub(_literal_sign, text.replace("${$}{", "$\ue07b")) if variables else text.replace("${", "$\ue07b")


def _literal_sign(found: re.Match[str]) -> str:
    return _SIGNS.get(found.group(1), found.group())


def _key_of(variable: str) -> str:
    return variable.split(",", 1)[0].strip().lower()


class Rest(Protocol):
    """All values that a key may take beside those that are listed one by one."""

    def judge(self, test: Test, value: str) -> int:
        """Whether such a value fits this one value of the test, before negation: bits."""
        ...


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that a key may have for one kind of caller."""

    known: tuple[str, ...] = ()
    rest: Rest | None = None
    may_lack: bool = False
    """The request may come without the key."""
    unseen: bool = False
    """Which of the values it is, is a fact and not the caller's choice, and we do not see it."""

    @property
    def may_be_there(self) -> bool:
        """Whether the request may have the key at all."""
        return bool(self.known) or self.rest is not None


@dataclass(frozen=True, slots=True)
class Free:
    """Whatever the caller likes; `*` and `?` themselves can only be part of it where `signs` says so."""

    signs: bool = True

    def judge(self, test: Test, value: str) -> int:
        """Anything fits `*`; one's own choice may fit or not."""
        if test.how == "like" and tidy(value) == "*":
            return TRUE
        if not self.signs and test.kind == "string" and test.how != "like" and is_wild(value):
            return FALSE
        return EITHER


@dataclass(frozen=True, slots=True)
class Region:
    """Addresses that no set of networks in the document tells apart."""

    held: Addresses

    def judge(self, test: Test, value: str) -> int:
        """One network alone."""
        return self.judge_all((value,))

    def judge_all(self, values: tuple[str, ...]) -> int:
        """All networks of a test together; what is no network admits nobody."""
        asked = networks(values)
        if self.held.within(asked).is_empty:
            return FALSE
        return TRUE if self.held.without(asked).is_empty else EITHER


@lru_cache(maxsize=4096)
def networks(values: tuple[str, ...]) -> Addresses:
    """The addresses of the values that are networks."""
    return addresses(each for each in values if is_network(each))


ANYTHING = Domain(rest=Free(), may_lack=True)
"""A key of which nothing is known: the caller may send what he likes, or nothing."""
MISSING = Domain(may_lack=True)
Look = Callable[[str], Domain]
"""Key in lower case -> its domain in the request that is looked at."""


def flip(bits: int) -> int:
    """The outcome of the opposite test."""
    return (bits & UNSEEN) | (TRUE if bits & FALSE else 0) | (FALSE if bits & TRUE else 0)


def either_of(outcomes: list[int]) -> int:
    """The outcome of "one of them suffices"."""
    if TRUE in outcomes:
        return TRUE
    if all(each == FALSE for each in outcomes):
        return FALSE
    return EITHER if EITHER in outcomes else UNKNOWN


def judge(test: Test, look: Look) -> int:
    """What the test says of the requests that `look` describes."""
    if not test.known:
        return UNKNOWN
    domain = look(test.key)
    if test.kind == "null":
        return _null(test, domain)
    bits = 0
    if domain.may_lack:
        bits |= TRUE if test.when_missing else FALSE
    for each in domain.known:
        if test.plain:
            found = _among(test, each)
        else:
            found = either_of([_fits(test, value, look, partial(_same, test, each)) for value in test.values])
        bits |= flip(found) if test.negated else found
    rest = domain.rest
    if rest is not None:
        if isinstance(rest, Region) and test.kind == "ipaddress":
            found = rest.judge_all(test.values)
        elif test.plain:
            found = either_of([rest.judge(test, value) for value in test.values])
        else:
            found = either_of([_fits(test, value, look, partial(rest.judge, test)) for value in test.values])
        bits |= flip(found) if test.negated else found
    return UNKNOWN if domain.unseen and bits & EITHER == EITHER else bits


def _null(test: Test, domain: Domain) -> int:
    asked = {each.lower() for each in test.values}
    bits = 0
    if domain.may_lack:
        bits |= TRUE if "true" in asked else FALSE
    if domain.may_be_there:
        bits |= TRUE if "false" in asked else FALSE
    return UNKNOWN if domain.unseen and bits == EITHER else bits


def _fits(test: Test, value: str, look: Look, answer: Callable[[str], int]) -> int:
    """The answer for one value, its variables replaced by what they are in this request.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
    """
    if "${" not in value:
        return answer(value)
    doubt = 0
    made, at = [], 0
    for found in VARIABLE.finditer(value):
        name, _, default = found.group(1).partition(",")
        key = name.strip().lower()
        domain = look(key)
        made.append(value[at : found.start()])
        at = found.end()
        if domain.rest is None and len(domain.known) == 1 and not domain.may_lack:
            made.append(domain.known[0])
        elif not domain.may_be_there:
            if not default:
                return FALSE
            made.append(default.strip().strip("'"))
        elif key == test.key and found.span() == (0, len(value)):
            return TRUE
        else:
            made.append("*")
            doubt |= UNKNOWN if domain.unseen else EITHER
    if not doubt:
        return answer("".join([*made, value[at:]]))
    return doubt


def _among(test: Test, text: str) -> int:
    """Whether the text that the request holds fits one of the test's values."""
    if test.kind == "string" and test.how == "equals":
        return TRUE if text in test.values else FALSE
    for value in test.values:
        if compare(test, value, text):
            return TRUE
    return FALSE


def _same(test: Test, text: str, value: str) -> int:
    return TRUE if compare(test, value, text) else FALSE


def compare(test: Test, value: str, text: str) -> bool:
    """Whether one value of the test fits the text that the request holds, before negation."""
    match test.kind:
        case "string":
            if test.how == "like":
                return matches(value, text)
            return value.casefold() == text.casefold() if test.how == "equalsignorecase" else value == text
        case "arn":
            return arn_matches(value, text)
        case "bool":
            return value.lower() == text.lower()
        case "ipaddress":
            return _within(value, text)
        case "binary":
            return value == text
        case "numeric":
            return _compare(test.how, number(text), number(value))
        case _:
            return _compare(test.how, moment(text), moment(value))


def _compare(how: str, given: float | None, asked: float | None) -> bool:
    if given is None or asked is None:
        return False
    return {
        "equals": given == asked,
        "lessthan": given < asked,
        "lessthanequals": given <= asked,
        "greaterthan": given > asked,
        "greaterthanequals": given >= asked,
    }[how]


def _within(cidr: str, address: str) -> bool:
    return is_network(cidr) and is_network(address) and networks((address,)).without(networks((cidr,))).is_empty


def number(text: str) -> float | None:
    """A number as conditions write it; None for what is none."""
    try:
        return float(text)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 date or of epoch seconds; None for what is neither."""
    if (seconds := number(text)) is not None and len(text) > 4:
        return seconds
    for made in (text.replace("Z", "+00:00"), text):
        try:
            read = datetime.fromisoformat(made)
        except ValueError:
            continue
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    return None
