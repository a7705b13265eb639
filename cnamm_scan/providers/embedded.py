"""Documents that stand as text inside answers."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

Json = Any


def parse_json(value: Json) -> Json:
    """JSON that stands in a string; what is no JSON becomes None, which is "not seen", never a guess."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith("%7B"):
        text = unquote(text)
    try:
        return json.loads(text)
    except ValueError:
        return None
