"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.providers.interface import Maker

MAKERS: Mapping[str, Maker] = {}
