"""Thresholds that a person replaces: of one rule, or wherever a name stands. A value has the type of the default that it replaces."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Content, Rule

WHERE = "--parameter"
_INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", re.ASCII)


def replaced(content: Content, rules: Iterable[Rule], said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Rule -> parameter -> its value, of those rules for which something was said: `max_days`, or `RULE.max_days`.

    What is said of one rule outranks what is said of a name. Text is read as the default's type. Raises UsageError for a name that no rule
    has, for one that no selected rule has, and for a value of another type.
    """
    selected = list(rules)
    found: dict[str, dict[str, Any]] = {}
    for text, value in sorted(said.items(), key=lambda item: "." in item[0]):
        own, name = _parts(content, text)
        concerned = [rule for rule in selected if name in rule.parameters and own in ("", rule.id)]
        if not concerned:
            raise _nowhere(content, text)
        for rule in concerned:
            found.setdefault(rule.id, {})[name] = typed(f"{rule.id}.{name}", value, rule.parameters[name].default)
    return found


def _parts(content: Content, text: str) -> tuple[str, str]:
    """(the rule, by what it is called now; empty for every rule, the parameter) of what somebody named."""
    own, _, name = text.rpartition(".")
    return content.now_called(own) if own else "", name


def _nowhere(content: Content, text: str) -> UsageError:
    """What to say of a name that no selected rule has."""
    own, name = _parts(content, text)
    having = [rule.id for rule in content.rules.values() if name in rule.parameters and own in ("", rule.id)]
    if having:
        few = ", ".join(sorted(having)[:3]) + (" …" if len(having) > 3 else "")
        return UsageError(
            f"--parameter {text} does nothing: no selected rule has it", where=WHERE, do=f"leave it out, or select what has it: {few}"
        )
    if own in content.rules:
        known = sorted(content.rules[own].parameters)
        do = did_you_mean(name, known) if known else "leave it out: its threshold is part of what it says"
        return UsageError(f"rule '{own}' has no parameter '{name}'", where=WHERE, do=do)
    known = sorted({name for rule in content.rules.values() for name in rule.parameters})
    if own:
        known = sorted(f"{rule.id}.{name}" for rule in content.rules.values() for name in rule.parameters)
    return UsageError(f"no parameter '{text}'", where=WHERE, do=f"{did_you_mean(text, known)} (cnamm-scan content list --kind parameters)")


def typed(name: str, value: Any, default: Any) -> Any:
    """A value as its default's type. Raises UsageError for one that is of another."""
    made = _from_text(value, default) if isinstance(value, str) and not isinstance(default, str) else value
    if isinstance(default, float) and type(made) is int:
        made = float(made)
    if type(made) is not type(default) or (isinstance(made, list) and not all(isinstance(each, str) for each in made)):
        shown = value if isinstance(value, str) else json.dumps(value, default=str)
        raise UsageError(
            f"'{shown[:100]}' is not {_KINDS[type(default)]}", where=f"{WHERE} {name}", do=f"{_HOW[type(default)]}: {_shown(default)}"
        )
    if isinstance(made, int | float) and (not math.isfinite(made) or (isinstance(made, int) and made.bit_length() > 63)):
        raise UsageError(f"the value of '{name}' is too large a number", where=WHERE, do="write one that fits into 64 bits")
    return made


_KINDS: Mapping[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list of texts"}
_HOW: Mapping[type, str] = {
    bool: "write true or false; the default is",
    int: "write digits; the default is",
    float: "write a number; the default is",
    str: "write text; the default is",
    list: "write texts with commas between them, or as JSON; the default is",
}


def kind_of(default: Any) -> str:
    """What a default's values are, in words."""
    return _KINDS[type(default)]


def _shown(default: Any) -> str:
    return str(default) if isinstance(default, str) else json.dumps(default, ensure_ascii=False)


def _from_text(text: str, default: Any) -> Any:
    """What a text says as the type of a default; the text itself where it says no such thing."""
    if isinstance(default, bool):
        return {"true": True, "false": False}.get(text.lower(), text)
    if isinstance(default, int):
        if not _INTEGER.fullmatch(text):
            return text
        return int(text) if len(text) <= 20 else 1 << 64
    if isinstance(default, float):
        return float(text) if _NUMBER.fullmatch(text) else text
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return [each for each in text.split(",") if each]
