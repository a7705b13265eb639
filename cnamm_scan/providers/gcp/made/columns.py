"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Column
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

CONTROL_PLANE: Mapping[str, Column] = {
    "id": Column("text", about="The id of the cluster."),
    "project": Column("text"),
    "name": Column("text"),
    "place": Column("text", about="Its region or zone."),
    "openness": Column("text", about="How much of the internet may reach it: none, private, bounded, wide or world."),
}

MAKERS: Mapping[str, Maker] = {
    "control_planes": Maker(later("gcp", "control_planes", "control_planes"), CONTROL_PLANE),
}
