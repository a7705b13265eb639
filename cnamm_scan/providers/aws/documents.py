"""IAM policies inside answers, brought into one form: every list a list, every key in small letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.aws import settings
from cnamm_scan.providers.embedded import parse_json

Json = Any


def iam_policy(value: Json) -> Json:
    """An IAM policy: keys lower-case, statements, actions, resources and principals always lists.

    The words of the policy (action names, ARNs, values) stay as they were written.
    """
    if isinstance(value, str) and not value.strip():
        value = {}  # how some services say that there is none
    document = _parsed(value)
    if not isinstance(document, Mapping):
        return None
    low = {str(key).lower(): part for key, part in document.items()}
    statements = low.get("statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list):
        return None
    return {
        "version": low.get("version", "2008-10-17"),
        "statement": [_statement(each) for each in statements if isinstance(each, Mapping)],
    }


def _parsed(value: Json) -> Json:
    document = parse_json(value)
    if document is None and isinstance(value, str):
        # API Gateway answers with the inside of a JSON text: a backslash stands before each quote
        document = parse_json(parse_json(f'"{value}"'))
    return document


VARIABLES_SINCE = "2012-10-17"
"""The Version of policies from which on `${…}` is a variable; before, it is text."""


def iam_policies(value: Json) -> Json:
    """All policies of one resource, by their names, as the one policy that they come to: they are judged together.

    None when one of them is none: what it says could change what the others mean.
    """
    if not isinstance(value, Mapping):
        return None
    documents = [iam_policy(each) for each in value.values()]
    if any(document is None for document in documents):
        return None
    statements = [_since(document["version"], each) for document in documents for each in document["statement"]]
    return {"version": VARIABLES_SINCE, "statement": statements}


def _since(version: Json, statement: Json) -> Json:
    """A statement of an older policy as one that knows variables: what looks like one there is made text by `${$}`."""
    if str(version) >= VARIABLES_SINCE:
        return statement
    texts = {name: [_plain(each) for each in statement[name]] for name in ("resource", "notresource")}
    condition = {
        operator: {key: [_plain(each) for each in values] for key, values in keys.items()}
        for operator, keys in statement["condition"].items()
    }
    return {**statement, **texts, "condition": condition}


def _plain(text: str) -> str:
    return text.replace("${", "${$}{")


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


_FILTER = re.compile(
    r"(?P<kept>\$[\w.\[\]*@:-]*|&&|\|\||[!<>=]=|[=<>{}()\[\],\s]+|\b(?:IS|NOT|EXISTS|NULL|TRUE|FALSE)\b)"
    r'|"[^"]*"?|%[^%]*%?|[^\s"%{}()\[\],=<>!&|]+|.'
)


def filter_pattern(value: Json) -> Json:
    """A log filter's pattern with its fields and how they are compared; what they are compared with is `*`, for it may be anything."""
    return _FILTER.sub(lambda match: match["kept"] or "*", value) if isinstance(value, str) else value


def iam_default_version(value: Json) -> Json:
    """Of a managed policy's versions the document that counts. The others are left out: some of AWS's own have a hundred."""
    versions = value if isinstance(value, list) else []
    found = (each.get("Document") for each in versions if isinstance(each, Mapping) and each.get("IsDefaultVersion") is True)
    return iam_policy(next(found, None))


def experiment_actions(value: Json) -> Json:
    """Of a fault experiment's actions what each is and how it ended, as texts; what they were given may hold secrets and is left out.

    Where one of them does not say both, None: "not seen".
    """
    if not isinstance(value, Mapping):
        return None
    made = []
    for action in value.values():
        name, state = (action.get("actionId"), action.get("state")) if isinstance(action, Mapping) else (None, None)
        status = state.get("status") if isinstance(state, Mapping) else None
        if not isinstance(name, str) or not isinstance(status, str):
            return None
        made.append(f"{name} {status}")
    return made


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    "json": parse_json,
    "iam_policy": iam_policy,
    "iam_policies": iam_policies,
    "filter_pattern": filter_pattern,
    "iam_default_version": iam_default_version,
    "experiment_actions": experiment_actions,
    **settings.NORMALISERS,
}
"""What collectors may name under `normalise:`."""
