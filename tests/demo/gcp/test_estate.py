"""The demo's organization: the same for the same moment, in the form in which Google gives it, and a scan of it that gives nothing away."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cnamm_scan import api
from cnamm_scan.demo.gcp.bed.contents import CONTENTS, Cloud, load
from cnamm_scan.demo.gcp.bed.inventory import Inventory
from cnamm_scan.demo.gcp.bed.server import LIST_ASSETS, GcpBed, Seen
from cnamm_scan.demo.gcp.shop import ESTATE, ORGANIZATION, shop
from cnamm_scan.demo.planted import planted
from cnamm_scan.errors import UsageError
from cnamm_scan.report.markdown import render
from tests.gcps import scan
from tests.unpacked import written

NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)
HEAD = "organization: 9\nprojects: {shop-prod: {number: 111}}\n"


@dataclass
class Whole:
    """A scan of the estate, all that it asked, and all that it wrote."""

    scan: api.Scan
    asked: list[Seen]
    folder: Path
    secrets: list[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("bundles")
    with GcpBed(shop()) as bed, scan(bed, ORGANIZATION, output=folder, options=bed.directory_options()) as done:
        (folder / "report.md").write_text(render(done.report()))
        (folder / "report.json").write_text(json.dumps(done.report(), default=str))
        key = json.loads(bed.key_file.read_text())["private_key"]
        yield Whole(done, list(bed.requests), folder, [*bed.signing.tokens, key.splitlines()[1]])


def _names(cloud: Cloud) -> list[str]:
    return [asset["name"] for assets in cloud.assets.values() for asset in assets]


def test_the_estate_is_the_same_for_the_same_moment_and_has_no_fixed_date() -> None:
    assert (shop(NOW).assets, shop(NOW).answers) == (shop(NOW).assets, shop(NOW).answers)
    assert 120 <= shop(NOW).size <= 260
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


def test_there_is_a_target_for_each_project_and_one_for_the_organization(whole: Whole) -> None:
    assert [target.name for target in whole.scan.targets] == ["shop-dev", "shop-prod", "shop-sandbox", ORGANIZATION]


def test_every_rule_has_a_verdict_and_none_an_error(whole: Whole) -> None:
    own = [tally for tally in whole.scan.tallies if tally.rule.startswith("gcp.")]
    assert [tally.rule for tally in own if tally.error] == []
    told = {tally.rule for tally in own if tally.pass_ or tally.fail or tally.unknown or tally.not_applicable}
    assert {tally.rule for tally in own} - told == set(), "a rule of which the estate shows nothing"


def test_everything_that_is_asked_is_understood(whole: Whole) -> None:
    assert [(each.table, each.code) for each in whole.scan.coverage if each.gaps.keys() & {"collector_bug", "malformed"}] == []


def test_it_is_only_read_and_nothing_that_is_secret_is_asked_for(whole: Whole) -> None:
    """Every request that was made: GETs of configuration, listings of assets, questions to the logs, and signing in."""
    posts = {seen.path for seen in whole.asked if seen.method == "POST"}
    assert posts <= {"token", "logging/v2/entries:list"}
    assert {seen.method for seen in whole.asked} <= {"GET", "POST", LIST_ASSETS}
    for seen in whole.asked:
        assert not any(word in f"{seen.path} {seen.query}".lower() for word in (":access", "getkeystring", ":sign", "alt=media")), seen
    assert sum(seen.path == "token" for seen in whole.asked) == 3, "one for Google Cloud, and one for each API of the directory"
    # which projects there are is asked at the door too, and a billing account for each project that it pays for
    twice = [seen for seen in whole.asked if "/Project" in seen.query or "/billingAccounts/" in seen.path or seen.path == "token"]
    rest = [(*seen[:3], seen.body) for seen in whole.asked if seen not in twice]
    assert len(set(rest)) == len(rest), "no request twice"


@pytest.mark.parametrize("name", sorted(planted(ESTATE)))
def test_what_was_planted_is_nowhere_in_what_is_written(whole: Whole, name: str) -> None:
    canary = planted(ESTATE)[name].encode()
    assert [file for file, data in written(whole.folder) if canary in data] == []


def test_no_address_of_a_person_is_written(whole: Whole) -> None:
    people = {each for file in ESTATE.glob("*.yaml") for each in re.findall(r"user:([\w.]+@[\w.]+)", file.read_text())}
    assert len(people) > 3
    assert [(file, each) for file, data in written(whole.folder) for each in people if each.encode() in data] == []


def test_neither_token_nor_key_is_written(whole: Whole) -> None:
    files = list(written(whole.folder))
    assert len(files) > 3
    for secret in whole.secrets:
        assert [file for file, data in files if secret.encode() in data] == []


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
