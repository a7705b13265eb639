"""From how much of the internet the control plane of a GKE cluster is reached, and what was not read of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cnamm_scan.providers.gcp.made.columns import MAKERS
from cnamm_scan.providers.interface import SeenRow
from tests.providers.seen import Given

CLUSTER = "gcp.container.cluster"
ID = "projects/shop/locations/europe-west1/clusters/web"


@dataclass
class Seen(Given):
    """One cluster."""

    cluster: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.over = (CLUSTER,)
        self.reads = {CLUSTER: ["id", "project", "name", "place", "is_public", "is_filtered", "networks", "networks_before"]}

    def rows(self, _: str) -> Sequence[SeenRow]:
        """That cluster."""
        said = {"is_public": True, "is_filtered": True, "networks": [], "networks_before": []}
        return [SeenRow("gcp:shop", "global", ID, "f0", {"id": ID, "project": "shop", "name": "web", "place": "europe-west1", **said, **self.cluster})]


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        ({"is_public": False, "is_filtered": None}, "none"),
        ({"is_filtered": False}, "world"),
        ({}, "none"),
        ({"networks": ["10.0.0.0/8"]}, "private"),
        ({"networks": ["81.2.69.142/32"], "networks_before": ["10.0.0.0/8"]}, "bounded"),
        ({"networks_before": ["0.0.0.0/0"]}, "world"),
        ({"networks": ["0.0.0.0/1"], "networks_before": ["128.0.0.0/1"]}, "world"),
        ({"networks": ["52.0.0.0/7"]}, "wide"),
        ({"networks": ["a name"]}, None),
        ({"networks": None}, None),
        ({"networks": None, "networks_before": ["0.0.0.0/0"]}, "world"),
        ({"is_public": None, "is_filtered": False}, None),
        ({"is_filtered": None}, None),
    ],
)
def test_all_its_networks_are_taken_together(cluster: Mapping[str, Any], expected: str | None) -> None:
    (made,) = MAKERS["control_planes"].make(Seen(cluster))
    assert set(made.values) == set(MAKERS["control_planes"].columns)
    assert made.values["openness"] == expected
