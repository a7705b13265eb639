"""The demo's organization: the same for the same moment, and in the form in which Asset Inventory gives it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cnamm_scan.demo.gcp.bed.contents import CONTENTS, Cloud, load
from cnamm_scan.demo.gcp.bed.inventory import Inventory
from cnamm_scan.demo.gcp.shop import ESTATE, ORGANIZATION, shop
from cnamm_scan.demo.planted import planted
from cnamm_scan.errors import UsageError

NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)
HEAD = "organization: 9\nprojects: {shop-prod: {number: 111}}\n"


def _names(cloud: Cloud) -> list[str]:
    return [asset["name"] for assets in cloud.assets.values() for asset in assets]


def test_the_estate_is_the_same_for_the_same_moment_and_has_no_fixed_date() -> None:
    assert (shop(NOW).assets, shop(NOW).answers) == (shop(NOW).assets, shop(NOW).answers)
    assert 120 <= shop(NOW).size <= 220
    assert _names(shop(NOW)) == _names(shop())


def test_every_asset_is_one_that_asset_inventory_could_send() -> None:
    cloud = shop(NOW)
    inventory = Inventory(cloud)
    for kind, assets in cloud.assets.items():
        assert re.fullmatch(r"[a-z]+\.googleapis\.com/[A-Z]\w+", kind)
        for asset in assets:
            assert asset["ancestors"][-1] == ORGANIZATION
            assert sum(any(member in asset for member in members) for members in CONTENTS.values()) > 0, asset["name"]
            for content in CONTENTS:
                inventory.told(asset, content)
    with_data = [asset["name"] for assets in cloud.assets.values() for asset in assets if "resource" in asset]
    assert len(set(with_data)) == len(with_data), "no resource twice"


def test_every_answer_has_a_path_of_a_service() -> None:
    for path in shop(NOW).answers:
        assert re.match(r"[a-z]+/v\d+\w*/", path), path


def test_secrets_are_planted_where_people_leave_them() -> None:
    assert planted(ESTATE).keys() >= {"startup-script", "instance-ssh", "project-ssh", "function-variable", "run-variable", "label"}


@pytest.mark.parametrize(
    "text",
    [
        "name: x\nin: shop-prod",
        "type: a.googleapis.com/B\nname: x\nin: nowhere",
        "type: a.googleapis.com/B\nname: x\nin: shop-prod\nwhat: 1",
        "get: a/v1/projects/shop-prod/x\nis: {}\n---\nget: a/v1/projects/111/x\nis: {}",
        "type: a.googleapis.com/B\nname: x\nin: shop-prod\ndata: {at: '2026-03-09'}",
    ],
)
def test_what_is_neither_an_asset_nor_an_answer_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "organization.yaml").write_text(HEAD)
    (tmp_path / "things.yaml").write_text(text)
    with pytest.raises(UsageError) as caught:
        load(tmp_path)
    assert "things.yaml" in caught.value.where


def test_an_estate_needs_its_places(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs one document"):
        load(tmp_path)
    (tmp_path / "organization.yaml").write_text("organization: 9\nprojects: {shop-prod: {number: 111, in: nowhere}}\n")
    with pytest.raises(UsageError, match="no place"):
        load(tmp_path)
