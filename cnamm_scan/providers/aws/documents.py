"""IAM policies inside answers, brought into one form: every list a list, every key in small letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.embedded import parse_json

Json = Any


def iam_policy(value: Json) -> Json:
    """An IAM policy: keys lower-case, statements, actions, resources and principals always lists.

    The words of the policy (action names, ARNs, values) stay as they were written. What is there and is no policy, or holds what is no
    statement, is marked `unreadable`: it is not the silence that says "no policy". None and an empty text are that silence.
    """
    document = parse_json(value)
    if value is None or (isinstance(value, str) and value.strip() in ("", "null")):
        return None
    low: dict[str, Json] = {"statement": None}
    if isinstance(document, Mapping):
        low = {str(key).lower(): part for key, part in document.items()}
    statements = low.get("statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    listed = statements if isinstance(statements, list) else [None]
    made: dict[str, Json] = {
        "version": low.get("version", "2008-10-17"),
        "statement": [_statement(each) for each in listed if isinstance(each, Mapping)],
    }
    return made if len(made["statement"]) == len(listed) else {**made, "unreadable": True}


def _statement(statement: Mapping[str, Json]) -> dict[str, Json]:
    low = {str(key).lower(): part for key, part in statement.items()}
    made: dict[str, Json] = {"sid": low.get("sid", ""), "effect": low.get("effect", "")}
    for name in ("action", "notaction", "resource", "notresource"):
        made[name] = _texts(low.get(name))
    for name in ("principal", "notprincipal"):
        made[name] = _principal(low.get(name))
    made["condition"] = _condition(low.get("condition"))
    return made


def _texts(value: Json) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _principal(value: Json) -> dict[str, Json]:
    """`any` is true for `"*"` and for `{"AWS": "*"}`: both mean everybody."""
    if value is None:
        return {"aws": [], "service": [], "federated": [], "canonicaluser": [], "any": False}
    low = {"aws": value} if not isinstance(value, Mapping) else {str(key).lower(): part for key, part in value.items()}
    made: dict[str, Json] = {name: _texts(low.get(name)) for name in ("aws", "service", "federated", "canonicaluser")}
    made["any"] = "*" in made["aws"]
    return made


def _condition(value: Json) -> dict[str, dict[str, list[str]]]:
    if not isinstance(value, Mapping):
        return {}
    made: dict[str, dict[str, list[str]]] = {}
    for operator, keys in value.items():
        if isinstance(keys, Mapping):
            into = made.setdefault(str(operator).lower(), {})
            for key, values in keys.items():
                into[str(key).lower()] = _texts(values)
    return made


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {"json": parse_json, "iam_policy": iam_policy}
"""What collectors may name under `normalise:`."""
