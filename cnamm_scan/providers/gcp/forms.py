"""Forms into which collectors bring what no path can say: a room of its own, since each drops what should not be kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.gcp import settings

Json = Any

NORMALISERS: Mapping[str, Callable[[Json], Json]] = {**settings.NORMALISERS}
"""What `normalise:` of a collector may name."""
