"""What is said without asking DuckDB is what DuckDB says: of every shipped table, view and rule, whatever was read and whatever was not."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.engine import judge
from cnamm_scan.engine.bounds import Runner
from cnamm_scan.engine.evaluate import blocks, tally
from cnamm_scan.engine.facts import Shards
from cnamm_scan.engine.load import Facts, open_store
from cnamm_scan.engine.made import Makers
from cnamm_scan.engine.plan import Plan, Selection, make_plan
from cnamm_scan.engine.sql import read_expression
from cnamm_scan.engine.store import Store
from cnamm_scan.engine.unread import FEW_BYTES
from cnamm_scan.model import GHOST_PART, REST_PART, SILENCE_PART, UNREAD, Reason, Region, Target, fact_id
from cnamm_scan.providers.catalog import makers
from tests.clusters import pod
from tests.packs import BOX, asked, content

CONTENT = reader.load()
REGIONS = (Region("r1", "enabled", "listed"), Region("r2", "enabled", "excluded"))


class Stored:
    """Facts at random: some tables have rows, most have gaps alone, some were never asked."""

    size = 1

    def __init__(self, plan: Plan, targets: list[Target], random: Random, found: float) -> None:
        self.lines: dict[str, list[dict[str, Any]]] = {}
        for name, planned in plan.tables.items():
            if random.random() < 0.1:
                continue
            places = ["global"] if planned.table.once_per == "account" else ["global", "r1"]
            for target in targets:
                for place in places:
                    self.lines.setdefault(name, []).extend(self._lines(name, planned.parts, target.id, place, random, found))

    def _lines(self, table: str, parts: tuple[str, ...], target: str, place: str, random: Random, found: float) -> Iterator[dict[str, Any]]:
        for number in range(random.choice([0, 1, 1, 2])):
            key, data, gaps = f"k{number}", {}, {}
            if random.random() >= found:
                key = f"unread#{number}"
                gaps = {random.choice([GHOST_PART, REST_PART]): random.choice(["denied", "timed_out", "not_in_manifests"])}
                data = {UNREAD: random.randint(2, 9)} if random.random() < 0.3 else {}
            elif random.random() < 0.5:
                gaps = dict.fromkeys(random.sample([*parts, SILENCE_PART], 1), "throttled")
            said = {"kind": "fact", "id": fact_id(table, target, place, key), "table": table, "target": target, "region": place}
            yield {**said, "key": key, "data": data, "gaps": gaps}

    def files(self, table: str, folder: Path) -> Generator[list[Path]]:
        if table in self.lines:
            file = folder / "0.jsonl"
            file.write_text("".join(json.dumps(line) + "\n" for line in self.lines[table]))
            yield [file]
            file.unlink()


def _tables(store: Store) -> dict[str, list[str]]:
    """Every row of every table, without order."""
    return {table: sorted(map(repr, store.rows(f"SELECT * FROM {table}"))) for table in sorted(store.tables)}


# every rule is judged six times over, in two stores: a sixth of them take four seconds, all of them twenty, so seeds share them
@pytest.mark.parametrize(("seed", "share"), [(1, 6), *(pytest.param(seed, 2, marks=pytest.mark.slow) for seed in (2, 3))])
@pytest.mark.parametrize("provider", ["kubernetes", "aws", "azure"])
def test_what_is_known_without_asking_is_what_would_be_answered(provider: str, seed: int, share: int) -> None:
    random = Random(f"{provider} {seed}")
    scope: dict[str, Any] = {"manifests": ["x"], "assume_whole": True} if provider == "kubernetes" and seed % 2 else {}
    targets = [Target(f"{provider}:a", provider, "a", scope=scope), Target(f"{provider}:b", provider, "b")][: 1 + seed % 2]
    names = [name for name in sorted(CONTENT.rules) if name.startswith(f"{provider}.")][seed % share :: share]  # of every service some
    plan = make_plan(CONTENT, Selection(rules=tuple(names)), [provider])
    stored = Stored(plan, targets, random, random.choice([0.05, 0.2]))
    facts = Facts(datetime(2026, 1, 1, tzinfo=UTC), stored, plan.describe(), {each.id: REGIONS for each in targets}, targets)
    several = Makers(makers(), targets)
    with ExitStack() as stack:
        near, far = (
            stack.enter_context(open_store(CONTENT, plan.read_tables, facts, several, sparing=sparing)) for sparing in (True, False)
        )
        skipped = 0
        for rule in plan.rules:
            skipped += near.unread(rule.rule.for_each) is not None
            assert list(blocks(near, rule, targets)) == list(blocks(far, rule, targets)), rule.rule.id
            assert list(blocks(near, rule, targets, compact=True)) == list(blocks(far, rule, targets, compact=True)), rule.rule.id
            assert tally(near, rule, targets) == tally(far, rule, targets), rule.rule.id
        assert skipped  # it is this that is tried
        assert (near.broken, near.stopped) == (far.broken, far.stopped)
        assert _tables(near) == _tables(far)


# ---- statements are counted ------------------------------------------------------------------------------------------------


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many pieces of work DuckDB is given."""
    counted: Counter[str] = Counter()
    run = Runner.unbounded

    def noted(self: Runner, *given: Any, **more: Any) -> Any:
        counted["all"] += 1
        return run(self, *given, **more)

    monkeypatch.setattr(Runner, "unbounded", noted)
    return counted


def test_one_pod_takes_few_statements(statements: Counter[str], tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(json.dumps(pod("web")))
    with api.scan([f"kubernetes:{tmp_path / 'pod.yaml'}"], output=tmp_path / "o") as done:
        rules = len(done.compiled)
        assert len(list(done.results())) > rules / 2
    assert statements["all"] < 1.5 * rules  # before it was seven for each


def test_a_rule_over_what_was_not_read_asks_nothing(statements: Counter[str], tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(json.dumps(pod("web")))
    with api.scan([f"kubernetes:{tmp_path / 'pod.yaml'}"], rules=["kubernetes.rbac"], output=tmp_path / "few") as done:
        assert done.compiled
    few = statements["all"]
    statements.clear()
    with api.scan([f"kubernetes:{tmp_path / 'pod.yaml'}"], output=tmp_path / "all"):
        pass
    assert few < statements["all"] / 2


def test_what_is_judged_again_is_asked_once(statements: Counter[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where little is said; where that is too much to be kept, it is asked as often as it is wanted, and says the same."""
    (tmp_path / "pod.yaml").write_text(json.dumps(pod("web")))
    with api.scan([f"kubernetes:{tmp_path / 'pod.yaml'}"], rules=["kubernetes.core"], output=tmp_path / "o") as done:
        assert done.path is not None
    with api.evaluate(done.path) as again:
        statements.clear()
        kept, tallies = list(again.results()), again.tallies
        assert again.report()["findings"]
        assert statements["all"] == 0
    monkeypatch.setattr(judge, "KEPT", 0)
    with api.evaluate(done.path) as again:
        assert again.tallies == tallies
        statements.clear()
        assert list(again.results()) == list(again.results()) == kept
        assert statements["all"] > 0


# ---- what is not known to run is asked ---------------------------------------------------------------------------------------


def test_a_rule_of_a_pack_that_cannot_run_is_an_error_even_over_nothing() -> None:
    made = content(asked("starts_with(tags, 1)"))
    (rule,) = make_plan(made, Selection(), ["aws"]).rules
    targets = [Target("aws:111111111111", "aws", "111111111111")]
    with Store(made, {BOX}, scan_time="2026-01-01T00:00:00") as store:
        assert [block.verdict.value for block in blocks(store, rule, targets)] == ["error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("state = 'On'", {None}),
        ("NOT (state = 'On')", {None}),
        ("region = 'r1'", {True, False, None}),
        ("state = 'On' AND false", {False}),
        ("state = 'On' OR true", {True}),
        ("state = 'On' AND size > 1", {None}),
        ("state = 'On' AND region = 'r1'", {False, None}),
        ("size BETWEEN 1 AND 2", {None}),
        ("1 BETWEEN 2 AND size", {True, False, None}),
        ("state IN ('On', 'Off')", {None}),
        ("'On' IN ('Off', state)", {True, False, None}),
        ("true = ANY (SELECT t.strong FROM aws.lab.lock t WHERE t.target = this.target AND t.lock_id = this.lock_id)", {None}),
        ("true = ANY (SELECT t.strong FROM aws.lab.lock t WHERE t.target = this.target)", {True, False, None}),
        ("len(list_filter(tags, lambda tag: tag = 'x')) > 0", {None}),
    ],
)
def test_what_an_expression_may_say_of_a_row_of_which_only_the_place_is_known(text: str, expected: set[bool | None]) -> None:
    made = content(asked(text))
    found = read_expression(made, BOX, text, where="x")
    assert found.is_blind == (expected == {None})


# ---- nothing is lost on the way ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [FEW_BYTES, FEW_BYTES + 1, FEW_BYTES + 2])
def test_unread_rows_that_are_packed_are_all_there(cut: int, tmp_path: Path) -> None:
    """Also where what is looked at of a packed file ends with a line, as a whole file does."""
    table = "aws.s3.bucket"
    plan = make_plan(CONTENT, Selection(rules=("aws.s3",)), ["aws"]).tables[table]

    def line(number: int, pad: int = 0) -> bytes:
        said = {"id": f"f{number}" + "x" * pad, "target": "aws:a", "region": f"r{number}", "table": table, "key": "", "data": {}}
        return json.dumps({**said, "gaps": {GHOST_PART: "denied"}}).encode() + b"\n"

    lines = [line(number) for number in range(100)]
    while sum(map(len, lines)) > cut - 400:
        lines.pop()
    lines.append(line(100, cut - sum(map(len, lines)) - len(line(100))))
    assert len(b"".join(lines)) == cut
    lines.append(line(101))
    file = tmp_path / "0.jsonl.gz"
    file.write_bytes(gzip.compress(b"".join(lines)))
    assert file.stat().st_size < FEW_BYTES
    with Store(CONTENT, {table}, scan_time="2026-01-01T00:00:00") as store:
        store.load(table, Shards([[file]], frozenset(plan.parts)))
        store.lock()
        assert next(store.rows(f"SELECT count(*) FROM {table}"))[0] == len(lines)


@pytest.mark.parametrize(
    "name", ["aws.s3.bucket", 'AWS . "S3" . bucket', "aws /* a; b */ . s3 . bucket", "aws.--x\ns3.bucket", "aws./* /* x */ */s3.bucket"]
)
def test_a_person_may_write_a_tables_name_in_any_way(name: str) -> None:
    with Store(CONTENT, {"aws.s3.bucket"}, scan_time="2026-01-01T00:00:00") as store:
        store.add_ghosts("aws.s3.bucket", [("aws:a", "global", Reason.DENIED, False)])
        store.lock()
        assert store.is_unmade("aws.s3.bucket")
        assert list(store.table(f"SELECT target FROM {name}")[1]) == [("aws:a",)]
