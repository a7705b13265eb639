"""Linting that is not done twice: what ships and was found sound is known to be for as long as neither it nor this product's code changes.

Only that nothing was found is kept. Whoever has problems wants to see them, and whoever mends them wants to be believed only then.
"""

from __future__ import annotations

from cnamm_scan import cache
from cnamm_scan.engine import parser, readings
from cnamm_scan.engine.lint import lint
from cnamm_scan.errors import ContentError
from cnamm_scan.model import Content

_KIND = "sound"


def problems(content: Content) -> list[ContentError]:
    """As `lint`, for content as it was read of files. A pack that only adds to what ships is looked at alone, where that is sound."""
    if content.base is not None:
        return lint(content, frozenset() if problems(content.base) else content.base.shipped)
    if not content.is_shipped:
        return lint(content)
    key = f"{parser.VERSION} {content.sha256}"
    if cache.read(_KIND, key, bool):
        return []
    found = lint(content)
    readings.keep(content)
    if not found:
        cache.write(_KIND, key, True)
    return found
