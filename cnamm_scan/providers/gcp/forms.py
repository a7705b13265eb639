"""Forms into which collectors bring what no path can say: a room of its own, since each drops what should not be kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.gcp import metadata, settings

Json = Any

_ANYBODY = ("allUsers", "allAuthenticatedUsers")


def open_bindings(value: Json) -> Json:
    """Of the bindings of an IAM policy those that let in whoever asks, as `[{role, who, isConditional}]`. Other members may be people."""
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return None
    return [
        {"role": each.get("role"), "who": who, "isConditional": bool(each.get("condition"))}
        for each in value
        for who in _ANYBODY
        if who in (each.get("members") or ())
    ]


_PRECONFIGURED = re.compile(r"evaluatePreconfigured(?:Waf|Expr)\((?!['\"]sourceiplist-)")
"""Named lists of addresses are asked for as if they were WAF rules. https://docs.cloud.google.com/armor/docs/armor-named-ip"""


def waf_expression(value: Json) -> Json:
    """Of what a rule of Cloud Armor asks whether it asks preconfigured rules, as `{isPreconfigured}`; it may name headers with secrets."""
    if not isinstance(value, str):
        return None
    return {"isPreconfigured": _PRECONFIGURED.search("".join(value.split())) is not None}


NORMALISERS: Mapping[str, Callable[[Json], Json]] = {
    **metadata.NORMALISERS,
    **settings.NORMALISERS,
    "open_bindings": open_bindings,
    "waf_expression": waf_expression,
}
"""What `normalise:` of a collector may name."""
