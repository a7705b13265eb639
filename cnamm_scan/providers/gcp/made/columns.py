"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Column
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

DOOR: Mapping[str, Column] = {
    "id": Column("text", about="Its relative resource name."),
    "name": Column("text"),
    "openness": Column("text", about="How much of the internet its authorized networks admit: none, private, bounded, wide or world."),
}
MAKERS: Mapping[str, Maker] = {"doors": Maker(later("gcp", "doors", "doors"), DOOR)}
