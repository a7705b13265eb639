"""How stored facts come into a store: a table that cannot be loaded costs itself."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.engine.bounds import StoreError
from cnamm_scan.engine.facts import insertion
from cnamm_scan.engine.load import Facts, open_store
from cnamm_scan.engine.made import Makers
from cnamm_scan.model import Target
from tests.packs import BOX, LOCK, A, collector, content, fact, table

COLUMNS = {"name": {"type": "text", "from": "name"}}


class Stored:
    """Facts of two tables, each of which is laid out in a file of the same name, as bundles do."""

    size = 1

    def __init__(self) -> None:
        self.laid_out = 0

    def files(self, table: str, folder: Path) -> Generator[list[Path]]:
        assert not list(folder.iterdir()), "what another table was loaded from is still there"
        file = folder / "0.jsonl"
        file.write_text(json.dumps(fact(table, {"name": table})) + "\n")
        self.laid_out += 1
        try:
            yield [file]
        finally:
            file.unlink()


def test_a_table_that_cannot_be_loaded_leaves_the_next_one_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    made = content(collector=collector({BOX: table(COLUMNS), LOCK: table(COLUMNS)}))
    stored, target = Stored(), Target(A, "aws", A)
    remembered = list[StoreError]()

    def failing(name: str, *more: Any) -> tuple[str, str]:
        if name == min(BOX, LOCK):
            remembered.append(StoreError("it cannot"))  # with where it was raised, as whoever logs it would
            raise remembered[-1]
        return insertion(name, *more)

    monkeypatch.setattr("cnamm_scan.engine.store.insertion", failing)
    collected = {name: {"parts": [], "paths": ["name"]} for name in (BOX, LOCK)}
    facts = Facts(datetime(2026, 1, 1, tzinfo=UTC), stored, collected, {A: []}, [target])
    with open_store(made, (BOX, LOCK), facts, Makers({}, (target,))) as opened:
        assert {*opened.broken} == {min(BOX, LOCK)}
        assert list(opened.rows(f"SELECT name FROM {max(BOX, LOCK)}")) == [(max(BOX, LOCK),)]
    assert stored.laid_out == 3  # what the engine knows of targets is loaded too
