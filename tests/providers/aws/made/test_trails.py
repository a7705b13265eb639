"""Rows of regions and stores out of rows of trails: together, region by region, and open where something was not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.aws.made.trails import ACCOUNT, REGION, STORE, TRAIL, regions, stores
from cnamm_scan.providers.interface import SeenRow
from tests.providers.seen import Given

Json = Any
TARGET = "aws:111111111111"
ALL = [{"ReadWriteType": "All", "IncludeManagementEvents": True}]
DATA = [{"ReadWriteType": "All", "IncludeManagementEvents": False}]


@dataclass
class Seen(Given):
    tables: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]]

    def rows(self, table: str) -> Sequence[SeenRow]:
        return [
            SeenRow(TARGET, region, f"k{at}", f"{table}#{at}", values) for at, (region, values) in enumerate(self.tables.get(table, ()))
        ]

    def dark(self, table: str, target: str, region: str | None = None) -> bool:
        return f"{table}/{region}" in self.unseen


def trail(name: str, selectors: Json = None, **more: Json) -> dict[str, Json]:
    made = {
        "arn": f"arn:{name}",
        "name": name,
        "is_multi_region": False,
        "is_logging": True,
        "delivery_error": "",
        "advanced_selectors": None,
    }
    return {**made, "selectors": ALL if selectors is None else selectors, **more}


def made(*trails: tuple[str, Json], unseen: Sequence[str] = ()) -> dict[str, tuple[Json, ...]]:
    on = [(name, {"name": name, "state": "enabled"}) for name in ("r1", "r2")]
    off = [("r3", {"name": "r3", "state": "opt_in_off"})]
    found = regions(Seen({REGION: [*on, *off], TRAIL: trails}, unseen=frozenset(unseen)))
    return {row.region: tuple(row.values[name] for name in ("keeps_changes", "keeps_reads", "keeps_writes", "left_out")) for row in found}


WHOLE: tuple[Json, ...] = (True, True, True, [])
NONE: tuple[Json, ...] = (False, False, False, ["reads", "writes"])
OPEN: tuple[Json, ...] = (None, None, None, None)


def test_a_trail_keeps_what_is_done_in_its_region_and_one_of_all_regions_in_each() -> None:
    assert made(("r1", trail("a"))) == {"r1": WHOLE, "r2": NONE}
    assert made(("r1", trail("a", is_multi_region=True))) == {"r1": WHOLE, "r2": WHOLE}
    assert made(("r1", trail("a", DATA, is_multi_region=True)), ("r2", trail("b"))) == {"r1": NONE, "r2": WHOLE}


def test_of_a_region_that_may_be_off_nothing_is_missing_for_certain() -> None:
    def told(*trails: tuple[str, Json]) -> tuple[Json, ...]:
        (row,) = regions(Seen({REGION: [("r1", {"name": "r1", "state": None})], TRAIL: trails}, unseen=frozenset()))
        return tuple(row.values[name] for name in ("keeps_changes", "keeps_reads", "keeps_writes", "left_out"))

    assert told() == OPEN
    assert told(("r1", trail("a", is_multi_region=True))) == WHOLE


def test_trails_count_together() -> None:
    reads, writes = trail("a", [{"ReadWriteType": "ReadOnly"}], is_multi_region=True), trail("b", [{"ReadWriteType": "WriteOnly"}])
    assert made(("r2", reads), ("r1", writes)) == {"r1": WHOLE, "r2": (False, True, False, ["writes"])}


def test_what_is_off_or_cannot_deliver_keeps_nothing() -> None:
    assert made(("r1", trail("a", is_logging=False)), ("r2", trail("b", delivery_error="NoSuchBucket"))) == {"r1": NONE, "r2": NONE}


def test_what_was_not_seen_leaves_it_open_unless_another_trail_decides() -> None:
    for more in ({"is_logging": None}, {"selectors": None}, {"delivery_error": None}):
        unseen = {**trail("a"), **more}
        assert made(("r1", unseen)) == {"r1": OPEN, "r2": NONE}
        assert made(("r1", unseen), ("r1", trail("b"))) == {"r1": WHOLE, "r2": NONE}
        assert made(("r1", {**unseen, "is_multi_region": True}), ("r2", trail("a", is_multi_region=True))) == {"r1": WHOLE, "r2": WHOLE}
    assert made(("r1", trail("a", DATA, is_logging=None))) == {"r1": NONE, "r2": NONE}
    assert made(unseen=[f"{TRAIL}/r2"]) == {"r1": NONE, "r2": OPEN}


def test_a_store_keeps_what_it_chooses_while_it_is_on() -> None:
    management = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]
    items = [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["ConfigurationItem"]}]}]
    given = [("ENABLED", management), ("ENABLED", items), ("STOPPED_INGESTION", management), (None, management), ("ENABLED", None)]
    rows = [("r1", {"name": "s", "status": status, "advanced_selectors": chosen, "retention_days": 90}) for status, chosen in given]
    assert [row.values["keeps_changes"] for row in stores(Seen({STORE: rows}))] == [True, False, False, None, None]


def test_a_store_is_of_the_organisation_of_its_account() -> None:
    rows = [("r1", {"name": "s", "status": "ENABLED", "advanced_selectors": [], "is_organization": True})]
    (row,) = stores(Seen({STORE: rows, ACCOUNT: [("r1", {"organization_id": "o-1"})]}))
    assert (row.values["is_organization"], row.values["organization_id"]) == (True, "o-1")
