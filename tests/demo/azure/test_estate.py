"""The demo's tenant: the same for the same moment, and a scan of it that asks for nothing secret and gives nothing away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cnamm_scan import api
from cnamm_scan.demo.azure.bed.server import AzureBed, Seen
from cnamm_scan.demo.azure.shop import ESTATE, shop
from cnamm_scan.demo.planted import planted
from cnamm_scan.errors import UsageError
from cnamm_scan.report.markdown import render
from tests.azures import scan
from tests.unpacked import written

NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)


@dataclass
class Whole:
    """A scan of the estate, all that it asked, and all that it wrote."""

    scan: api.Scan
    asked: list[Seen]
    folder: Path
    tokens: list[str]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("bundles")
    with AzureBed(shop()) as bed, scan(bed, output=folder) as done:
        (folder / "report.md").write_text(render(done.report()))
        (folder / "report.json").write_text(json.dumps(done.report(), default=str))
        yield Whole(done, list(bed.requests), folder, [*bed.tokens, bed.secret])


def test_the_estate_is_the_same_for_the_same_moment_and_has_no_fixed_date() -> None:
    assert shop(NOW).things == shop(NOW).things
    assert shop(NOW).size > 10
    assert {thing["id"] for thing in shop(NOW).things.values()} == {thing["id"] for thing in shop().things.values()}


def test_every_rule_has_a_verdict_and_none_an_error(whole: Whole) -> None:
    own = [tally for tally in whole.scan.tallies if tally.rule.startswith("azure.")]
    assert [tally.rule for tally in own if tally.error] == []
    silent = [tally.rule for tally in own if not (tally.pass_ or tally.fail or tally.unknown or tally.not_applicable)]
    assert silent == [], "a rule of which the estate shows nothing"
    assert {tally.rule for tally in own if tally.pass_}
    assert {tally.rule for tally in own if tally.fail}


def test_it_is_only_read_and_nothing_that_is_secret_is_asked_for(whole: Whole) -> None:
    """Every request that was made: GETs of configuration, questions to Resource Graph, and signing in."""
    posts = {seen.path for seen in whole.asked if seen.method != "GET"}
    assert {path for path in posts if not path.endswith("/oauth2/v2.0/token")} == {"/providers/Microsoft.ResourceGraph/resources"}
    for seen in whole.asked:
        low = f"{seen.path} {seen.query}".lower()
        assert not any(
            word in low for word in ("listkeys", "listsecrets", "/list?", "connectionstrings", "publishxml", "vault.azure.net")
        ), low
        assert "allowPartialScopes" not in seen.body
        assert seen.status < 500
    assert len({(seen.method, seen.path, seen.query, seen.body) for seen in whole.asked}) == len(whole.asked), "no request twice"


@pytest.mark.parametrize("name", sorted(planted(ESTATE)))
def test_what_was_planted_is_nowhere_in_what_is_written(whole: Whole, name: str) -> None:
    canary = planted(ESTATE)[name].encode()
    assert [file for file, data in written(whole.folder) if canary in data] == []


def test_neither_token_nor_password_is_written(whole: Whole) -> None:
    files = list(written(whole.folder))
    assert len(files) > 3
    for secret in whole.tokens:
        assert [file for file, data in files if secret.encode() in data] == []


def test_what_is_no_object_is_refused_with_its_place(tmp_path: Path) -> None:
    from cnamm_scan.demo.azure.bed.contents import load

    (tmp_path / "tenant.yaml").write_text("tenant: t\nsubscriptions: {shop: {id: s}}\n")
    for text in ("name: x", "id: nowhere", "id: /subscriptions/$shop/x/y\n---\nid: /subscriptions/S/X/Y"):
        (tmp_path / "things.yaml").write_text(text)
        with pytest.raises(UsageError) as caught:
            load(tmp_path)
        assert "things.yaml" in caught.value.where
