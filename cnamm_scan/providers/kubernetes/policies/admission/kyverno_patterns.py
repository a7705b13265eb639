"""Kyverno's patterns and conditions over values that are known in part.

Patterns and anchors: https://kyverno.io/docs/policy-types/cluster-policy/validate/; conditions:
https://kyverno.io/docs/policy-types/cluster-policy/preconditions/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from cnamm_scan.providers.kubernetes.policies.admission import jmespath
from cnamm_scan.providers.kubernetes.policies.admission.matching import listed, wild_value
from cnamm_scan.providers.kubernetes.policies.admission.values import (
    ABSENT,
    Partial,
    Unknown,
    Value,
    is_list,
    is_object,
    is_open,
    items_of,
    look,
    same,
)
from cnamm_scan.providers.truths import all_of, any_of, negated

PASSES, FAILS, SKIPS = 1, 2, 4
UNSURE = PASSES | FAILS | SKIPS
_ANCHOR = re.compile(r"(?P<sign>[=X^+<]?)\((?P<name>.*)\)", re.DOTALL)
_RANGE = re.compile(r"!?-?\d+(?:\.\d+)?-\d+(?:\.\d+)?")
_VARIABLE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def of_answer(answer: bool | None) -> int:
    """PASSES, FAILS, or one of the two."""
    return PASSES | FAILS if answer is None else PASSES if answer else FAILS


def pattern_of(pattern: Value, value: Value) -> int:
    """In which ways an object and a pattern may meet: PASSES, FAILS, SKIPS together. Missing is null.

    Where a condition is not met, the object it stands in is skipped, whatever the rest of the pattern says.
    """
    if isinstance(pattern, Mapping):
        return _object(pattern, value)
    if is_list(pattern):
        return _list(pattern, value)
    return of_answer(_scalar(pattern, value))


def _object(pattern: Mapping[str, Value], value: Value) -> int:
    aside = 0
    if isinstance(value, Unknown):
        value, aside = Partial({}, value.path), FAILS  # it may be no object
    elif not is_object(value):
        return FAILS
    others: list[tuple[str, str, Value]] = []
    for key, inner in pattern.items():
        match = _ANCHOR.fullmatch(str(key))
        sign, name = (match["sign"] or "?", match["name"]) if match else ("", str(key))
        if sign == "<":
            return UNSURE  # it decides about more than its own object
        if sign != "?":
            others.append((sign, name, inner))
            continue
        met = _condition(name, inner, value)
        aside |= met & ~PASSES
        if not met & PASSES:
            return aside
    found = PASSES
    for sign, name, inner in others:
        found = _both(found, _key(sign, name, inner, value))
        if found == FAILS:
            break
    return found | aside


def _condition(name: str, inner: Value, value: Value) -> int:
    """Of a conditional anchor: PASSES where it is met, SKIPS where it is not."""
    if any(sign in name for sign in "*?"):
        return UNSURE
    field, there = look(value, name)
    if there is False:
        return SKIPS
    met = pattern_of(inner, field)
    made = (PASSES if met & PASSES else 0) | (SKIPS if met & (FAILS | SKIPS) else 0)
    return made if there else made | SKIPS


def _key(sign: str, name: str, inner: Value, value: Value) -> int:
    if any(each in name for each in "*?"):
        return _wild_key(sign, name, value)
    field, there = look(value, name)
    match sign:
        case "X":
            return of_answer(negated(there))
        case "=":
            found = pattern_of(inner, field) if there is not False else PASSES
            return found if there is not None else found | PASSES
        case "^":
            return _existence(inner, field, there)
        case "+":
            return UNSURE
        case _:
            if there is False:
                return _missing(inner)
            found = pattern_of(inner, field)
            return found if there else found | _missing(inner)


def _wild_key(sign: str, name: str, value: Value) -> int:
    """Of a name with wildcards: where no field has such a name all is as if it were missing; else the first of them counts."""
    names = [each for each in (value.fields if isinstance(value, Partial) else value) if wild_value(name, each)]
    if isinstance(value, Partial) or names or sign not in ("=", "X"):
        return UNSURE
    return PASSES


def _existence(inner: Value, field: Value, there: bool | None) -> int:
    if there is not True or not is_list(inner) or len(inner) != 1:
        return UNSURE
    known, more = items_of(field)
    found = [pattern_of(inner[0], each) for each in known]
    if any(each == PASSES for each in found):
        return PASSES
    return UNSURE if more or any(each & PASSES for each in found) else FAILS


def _missing(pattern: Value) -> int:
    """What a pattern says to a field that is not there."""
    if isinstance(pattern, str):
        sure = pattern and not pattern.startswith(("!", "<", "*")) and "|" not in pattern and "{{" not in pattern
        return FAILS if sure else PASSES | FAILS
    return PASSES if pattern is None else FAILS


def _both(first: int, second: int) -> int:
    if FAILS in (first, second):
        return FAILS
    made = 0
    for one in (PASSES, FAILS, SKIPS):
        for other in (PASSES, FAILS, SKIPS):
            if first & one and second & other:
                made |= FAILS if FAILS in (one, other) else SKIPS if SKIPS in (one, other) else PASSES
    return made


def _list(pattern: Sequence[Value], value: Value) -> int:
    if len(pattern) != 1 or not (is_list(value) or isinstance(value, Unknown)):
        return UNSURE if len(pattern) != 1 or value is not None else FAILS
    known, more = items_of(value)
    found = PASSES
    for each in known:
        met = pattern_of(pattern[0], each)
        made = met & FAILS | (PASSES if met & (PASSES | SKIPS) else 0)  # what is skipped is as if it were not there
        found = _both(found, made)
    if found == FAILS:
        return found
    return found | FAILS | SKIPS if more else found


def _scalar(pattern: Value, value: Value) -> bool | None:
    if pattern is None:
        return value is None if not is_open(value) else None
    if isinstance(pattern, str):
        return _text(pattern, value)
    if isinstance(value, str) and not isinstance(pattern, bool):
        return None  # a quantity
    if isinstance(pattern, bool) and value in ("true", "false"):
        return bool(value == str(pattern).lower())
    return same(pattern, value)


def _text(pattern: str, value: Value) -> bool | None:
    if "{{" in pattern or "$(" in pattern:
        return None
    return any_of(all_of(_term(each.strip(), value) for each in part.split("&")) for part in pattern.split("|"))


def _term(term: str, value: Value) -> bool | None:
    if isinstance(value, Unknown) or value is None or is_object(value) or is_list(value):
        return None
    if term.startswith(("<", ">", "=")) or _RANGE.fullmatch(term):
        return _measured(term, value)
    if term.startswith("!"):
        return negated(_term(term[1:].strip(), value))
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, int | float):
        value = str(value)
    return wild_value(term, value)


def _measured(term: str, value: Value) -> bool | None:
    """Numbers alone; quantities and durations are open."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if _RANGE.fullmatch(term):
        low, _, high = term.lstrip("!").rpartition("-")
        inside = float(low) <= value <= float(high)
        return not inside if term.startswith("!") else inside
    match = re.fullmatch(r"(<=|>=|<|>|=)\s*(-?\d+(?:\.\d+)?)", term)
    if match is None:
        return None
    limit = float(match[2])
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit, "=": value == limit}[match[1]]


# ---- conditions ----------------------------------------------------------------------------------------------------------


def substituted(text: Value, root: Value) -> Value:
    """A value with its `{{ variables }}` in place. One that finds nothing is an error of the rule: open."""
    if isinstance(text, Mapping):
        return {name: substituted(each, root) for name, each in text.items()}
    if is_list(text) and not is_open(text):
        return [substituted(each, root) for each in text]
    if not isinstance(text, str) or "{{" not in text:
        return text
    whole = _VARIABLE.fullmatch(text.strip())
    if whole and "{{" not in whole[1]:
        found = jmespath.search(whole[1].strip(), root)
        return Unknown() if found is None or found is ABSENT else found
    made = text
    for match in _VARIABLE.finditer(text):
        found = jmespath.search(match[1].strip(), root)
        if is_open(found) or not isinstance(found, str | int) or isinstance(found, bool):
            return Unknown()
        made = made.replace(match[0], str(found))
    return Unknown() if "{{" in made else made


def conditions(asked: Value, root: Value) -> bool | None:
    """Whether conditions hold: `any` and `all`, or a list of either form, of which all must hold."""
    if is_list(asked) and not is_open(asked):
        return all_of(conditions(each, root) for each in asked)
    if not isinstance(asked, Mapping):
        return None
    if "key" in asked or "operator" in asked:
        return _holds(asked, root)
    if not asked.keys() <= {"any", "all"}:
        return None
    any_part = any_of(_holds(each, root) for each in listed(asked["any"])) if listed(asked.get("any")) else True
    return all_of((any_part, *(_holds(each, root) for each in listed(asked.get("all")))))


def _holds(asked: Value, root: Value) -> bool | None:
    if not isinstance(asked, Mapping):
        return None
    key, value = substituted(asked.get("key"), root), substituted(asked.get("value"), root)
    operator = _OPERATORS.get(str(asked.get("operator")).lower())
    return operator(key, value) if operator is not None else None


def _equal(key: Value, value: Value) -> bool | None:
    if isinstance(key, str) and isinstance(value, str):
        return wild_value(value, key) or wild_value(key, value)
    if isinstance(value, str) and not isinstance(key, str) and not is_open(key):
        return None if not isinstance(key, bool) else False
    return same(key, value)


def _within(each: Value, values: Value) -> bool | None:
    if isinstance(values, str):
        return _range_or_text(each, values)
    known, more = items_of(values)
    found = any_of(_equal_loose(each, one) for one in known)
    return None if more and found is False else found


def _range_or_text(each: Value, text: str) -> bool | None:
    if _RANGE.fullmatch(text):
        return _measured(text, each)
    if text.startswith("["):
        return None
    return _equal_loose(each, text)


def _equal_loose(key: Value, value: Value) -> bool | None:
    if isinstance(key, str) and isinstance(value, str):
        return wild_value(value, key) or wild_value(key, value)
    if isinstance(key, int | float) and isinstance(value, int | float):
        return same(key, value)
    if isinstance(key, str) != isinstance(value, str) and not is_open(key) and not is_open(value):
        return str(key).lower() == str(value).lower()  # they are compared as they are printed
    return same(key, value) if not isinstance(key, Unknown) else None


def _each(key: Value) -> tuple[Sequence[Value], bool] | None:
    if isinstance(key, Unknown) or key is None:
        return None
    return items_of(key) if is_list(key) else ([key], False)


def _some(wanted: bool, every: bool) -> Callable[[Value, Value], bool | None]:
    """An operator: any, or every, element of the key is (`wanted`) or is not within the value."""

    def operator(key: Value, value: Value) -> bool | None:
        found = _each(key)
        if found is None or isinstance(value, Unknown):
            return None
        known, more = found
        answers = [_within(each, value) if wanted else negated(_within(each, value)) for each in known]
        if every:
            answer = all_of(answers)
            return None if answer is not False and (more or not known) else answer
        answer = any_of(answers)
        return None if answer is not True and more else answer

    return operator


def _compared(sign: str) -> Callable[[Value, Value], bool | None]:
    def operator(key: Value, value: Value) -> bool | None:
        numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (key, value))
        if not numbers:
            return None
        return bool({"<": key < value, "<=": key <= value, ">": key > value, ">=": key >= value}[sign])

    return operator


def _not_equal(key: Value, value: Value) -> bool | None:
    return negated(_equal(key, value))


_OPERATORS: Mapping[str, Callable[[Value, Value], bool | None]] = {
    "equal": _equal,
    "equals": _equal,
    "notequal": _not_equal,
    "notequals": _not_equal,
    "anyin": _some(True, False),
    "allin": _some(True, True),
    "anynotin": _some(False, False),
    "allnotin": _some(False, True),
    "in": _some(True, True),
    "greaterthan": _compared(">"),
    "greaterthanorequals": _compared(">="),
    "lessthan": _compared("<"),
    "lessthanorequals": _compared("<="),
}
