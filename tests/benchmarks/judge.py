"""Judging: 100 rules over 5,000 facts, and a million facts loaded, judged and scored on two cores."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from cnamm_scan import content as reader
from tests.benchmarks.measure import PYTHON, run
from tests.benchmarks.synthetic import bundle

STARTED = datetime(2026, 1, 1, tzinfo=UTC)
MILLION = 1_000_000


def busiest(rules: int) -> tuple[list[str], list[str]]:
    """(tables, rules): the tables that most rules judge by themselves, until there are `rules` of them."""
    content = reader.load()
    alone = [rule for rule in content.rules.values() if rule.for_each in content.tables and "SELECT" not in f"{rule.where}{rule.pass_}"]
    counts = Counter(rule.for_each for rule in alone)
    tables: list[str] = []
    chosen: list[str] = []
    for table, _ in counts.most_common():
        tables.append(table)
        chosen += [rule.id for rule in alone if rule.for_each == table]
        if len(chosen) >= rules:
            break
    return tables, chosen[:rules]


def main() -> None:
    tables, rules = busiest(100)
    with tempfile.TemporaryDirectory() as folder:
        made = bundle(Path(folder), 5000, tables, STARTED)
        said = _inside(made, rules)
        print(f"{len(rules)} rules, 5,000 facts of {len(tables)} tables: {said}")


def million() -> None:
    tables, rules = busiest(100)
    with tempfile.TemporaryDirectory() as folder:
        for facts in (MILLION // 4, MILLION):
            started = time.monotonic()
            made = bundle(Path(folder), facts, tables, STARTED)
            size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file())
            print(f"{facts:,} facts of {len(tables)} tables, {size / 1e6:.0f} MB, written in {time.monotonic() - started:.0f} s")
            command = [PYTHON, "-m", "tests.benchmarks.judge", str(made), *rules]
            print(f"load, judge ({len(rules)} rules), score: {run(command)}")


def _inside(made: Path, rules: list[str]) -> str:
    from cnamm_scan.engine.judge import Judging
    from cnamm_scan.engine.load import open_store
    from cnamm_scan.engine.made import Makers
    from cnamm_scan.engine.plan import Selection, make_plan
    from cnamm_scan.evidence.bundle import open_bundle
    from cnamm_scan.judged.scan import facts_of
    from cnamm_scan.judged.scoring import scored
    from cnamm_scan.providers.catalog import makers

    content = reader.load()
    plan = make_plan(content, Selection(tuple(rules)), ["aws"])
    opened = open_bundle(made)
    started = time.monotonic()
    with open_store(content, plan.read_tables, facts_of(opened, opened.targets()), Makers(makers(), opened.targets())) as store:
        loaded = time.monotonic()
        tallies = list(Judging(store, plan.rules, opened.targets()).tallies())
        judged = time.monotonic()
    scored(content, tallies, opened.targets())
    ended = time.monotonic()
    return f"load {loaded - started:.2f} s, judge {judged - loaded:.2f} s, score {ended - judged:.2f} s"


if __name__ == "__main__":
    from cnamm_scan import api

    with api.evaluate(sys.argv[1], rules=sys.argv[2:]) as done:
        print(json.dumps({"score": done.score(), "judged": sum(tally.judged for tally in done.tallies)}))
