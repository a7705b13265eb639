"""Which management events the selectors of trails and event data stores keep, taken together.

Each kind of event that a selector tells apart is tried: reads and writes, each source and name that is spelled out, and one that is not.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_EventSelector.html,
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

Json = Any
Test = tuple[str, str, tuple[str, ...]]
"""A field in lower case, an operator in lower case, and values any one of which suffices."""
Selector = tuple[Test, ...]
"""Every test of one selector; all of them have to hold."""

CATEGORY, READ_ONLY, SOURCE = "eventcategory", "readonly", "eventsource"
_OTHER = "\ue0f1"
"""A value that no selector spells out."""
_MOST = 4096
"""How many kinds of event are tried; with more the answer is that not all are kept."""


def _starts(value: str, text: str) -> bool:
    return value.startswith(text)


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {"equals": str.__eq__, "startswith": _starts, "endswith": str.endswith}


def basic(selectors: Iterable[Json]) -> tuple[Selector, ...]:
    """Basic event selectors, written as the advanced ones are. What is not said is all."""
    made = []
    for each in selectors:
        if not isinstance(each, Mapping) or each.get("IncludeManagementEvents", True) is False:
            continue
        tests: list[Test] = [(CATEGORY, "equals", ("Management",))]
        kind = each.get("ReadWriteType", "All")
        if kind != "All":
            tests.append((READ_ONLY, "equals", ("true" if kind == "ReadOnly" else "false",)))
        left_out = tuple(map(str, each.get("ExcludeManagementEventSources") or ()))
        if left_out:
            tests.append((SOURCE, "notequals", left_out))
        made.append(tuple(tests))
    return tuple(made)


def advanced(selectors: Iterable[Json]) -> tuple[Selector, ...]:
    """Advanced event selectors. A field under several operators has to meet each."""
    made = []
    for each in selectors:
        fields = each.get("FieldSelectors") if isinstance(each, Mapping) else None
        tests = [
            (str(field.get("Field", "")).lower(), name.lower(), tuple(map(str, values)))
            for field in (fields or ())
            if isinstance(field, Mapping)
            for name, values in field.items()
            if name != "Field" and isinstance(values, list) and values
        ]
        made.append(tuple(tests))
    return tuple(made)


def _holds(test: Test, event: Mapping[str, str]) -> bool:
    field, how, values = test
    said = event[field]
    if field == READ_ONLY:
        values = tuple(each.lower() for each in values)
    compare = _OPERATORS.get(how.removeprefix("not"))
    if compare is None:
        return False  # an operator that is not described proves nothing
    found = any(compare(said, each) for each in values)
    return not found if how.startswith("not") else found


def _values(field: str, tests: Iterable[Test]) -> Sequence[str]:
    """One value for each way in which a field can be told apart."""
    if field == CATEGORY:
        return ("Management",)
    if field == READ_ONLY:
        return ("true", "false")
    said: dict[str, set[str]] = {"equals": set(), "startswith": set(), "endswith": set()}
    for name, how, values in tests:
        if name == field and how.removeprefix("not") in said:
            said[how.removeprefix("not")].update(values)
    # a text that equals none of them is told apart by the longest beginning and the longest end that it has, and by nothing else
    between = {f"{first}{_OTHER}{last}" for first in ("", *said["startswith"]) for last in ("", *said["endswith"])}
    return (_OTHER, *sorted({*set().union(*said.values()), *between} - {_OTHER}))


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the management events is kept."""

    changes: bool
    """Writes of sources that nobody singles out."""
    reads: bool
    """Reads, all of them."""
    writes: bool
    """Writes, all of them."""
    left_out: tuple[str, ...]
    """What is not kept although the rest is, as a selector names it or as `first*last`; `reads` and `writes` where it is not a few."""


def kept(selectors: Iterable[Selector]) -> Kept:
    """What these selectors keep together: an event that one of them chooses is kept."""
    every = tuple(dict.fromkeys(selectors))
    every = tuple(each for each in every if any(test[0] == CATEGORY and _holds(test, {CATEGORY: "Management"}) for test in each))
    tests = [test for each in every for test in each]
    fields = sorted({CATEGORY, READ_ONLY, *(test[0] for test in tests)})
    ways = [_values(field, tests) for field in fields]
    count = 1
    for way in ways:
        count *= len(way)
    if count > _MOST:
        return Kept(changes=False, reads=False, writes=False, left_out=("too many to tell",))
    missed = list(_missed(every, fields, ways))
    plain = {READ_ONLY, CATEGORY}
    general = {event[READ_ONLY] for event in missed if all(value == _OTHER for name, value in event.items() if name not in plain)}
    said = {value for event in missed for name, value in event.items() if name not in plain and value != _OTHER}
    named = {value for value in said if _OTHER not in value} or {value.replace(_OTHER, "*") for value in said}
    whole = {word for said, word in (("true", "reads"), ("false", "writes")) if said in general}
    return Kept(
        changes="false" not in general,
        reads=all(event[READ_ONLY] != "true" for event in missed),
        writes=all(event[READ_ONLY] != "false" for event in missed),
        left_out=tuple(sorted(whole) if whole else sorted(named)),
    )


def _missed(every: Sequence[Selector], fields: Sequence[str], ways: Sequence[Sequence[str]]) -> Iterator[dict[str, str]]:
    for chosen in product(*ways):
        event = dict(zip(fields, chosen, strict=True))
        if not any(all(_holds(test, event) for test in each) for each in every):
            yield event
