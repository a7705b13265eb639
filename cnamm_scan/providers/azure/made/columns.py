"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.model import Column
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

DOOR: Mapping[str, Column] = {
    "id": Column("text", about="Its id."),
    "name": Column("text"),
    "group": Column("text", about="The resource group that it is in."),
    "openness": Column("text", about="How much of the internet may reach it: none, private, bounded, wide or world."),
    "admits_azure": Column("boolean", about="Admits every machine in Azure, those of other customers too."),
}
MAKERS: Mapping[str, Maker] = {
    "doors": Maker(later("azure", "doors", "doors"), DOOR),
    "doors_open_by_default": Maker(later("azure", "doors", "doors", True), DOOR),  # without a rule of its firewall it admits everybody
}
