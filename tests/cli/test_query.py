"""`query`: it cannot write, read on, run for ever or end in a traceback; and what every command does when its output takes no more."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.errors import UsageError
from tests.bundles import FIRST, SECOND, write_bundle

ENDLESS = "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r"
MANY = "SELECT b.name, t.x FROM aws.s3.bucket b, range(10000) t(x), range(1000) u(y)"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("query"), FIRST, SECOND)


def _state(folder: Path) -> Mapping[str, str]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file()) if folder.is_dir() else [folder]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize(
    "sql",
    [
        "WITH g AS (COPY (SELECT 'x' AS x) TO '{bundle}/manifest.json') SELECT * FROM g",
        "WITH g AS (COPY aws.s3.bucket TO '{bundle}/more.parquet') SELECT * FROM g",
        "COPY aws.s3.bucket TO '{bundle}/more.csv'",
        "EXPORT DATABASE '{bundle}/all'",
        "ATTACH '{bundle}/x.db' AS x",
        "INSTALL httpfs",
        "SELECT * FROM '{bundle}/manifest.json'",
        "SELECT * FROM read_text('{bundle}/manifest.json')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM 'https://example.org/x.csv'",
        'WITH "/etc/passwd" AS (SELECT 1) SELECT * FROM "/etc/passwd"',
        "SELECT getenv('HOME')",
    ],
)
def test_a_query_neither_writes_nor_reads_on(bundle: Path, sql: str, capfd: pytest.CaptureFixture[str]) -> None:
    before = _state(bundle)
    assert run(["query", str(bundle), sql.format(bundle=bundle)]) == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "  do: " in said.err
    assert "root:" not in said.err
    assert _state(bundle) == before


def test_a_query_does_not_change_what_the_next_one_sees(bundle: Path) -> None:
    with api.load_bundle(bundle) as done:
        before = done.query("SELECT name, versioning FROM aws.s3.bucket ORDER BY ALL")
        with pytest.raises(UsageError, match="UPDATE is not allowed"):
            done.query("WITH x AS (UPDATE aws.s3.bucket SET versioning = 'Enabled' RETURNING name) SELECT * FROM x")
        assert done.query("SELECT name, versioning FROM aws.s3.bucket ORDER BY ALL") == before


def test_the_store_itself_reaches_nothing_once_it_is_asked(bundle: Path) -> None:
    """The gate stands in front; behind it the doors are shut all the same."""
    from cnamm_scan.engine.bounds import StoreError

    with api.load_bundle(bundle) as done:
        store = done.store(["aws.s3.bucket"])
        for sql in (
            f"SELECT * FROM read_text('{bundle}/manifest.json')",
            f"COPY aws.s3.bucket TO '{bundle}/more.csv'",
            f"ATTACH '{bundle}/x.db' AS x",
            "SET enable_external_access = true",
            "SET memory_limit = '90GB'",
            "INSTALL httpfs",
        ):
            with pytest.raises(StoreError):
                list(store.table(sql)[1])
        table = [{"name": "a variable of whoever calls"}]
        with pytest.raises(StoreError):
            list(store.table("SELECT * FROM table")[1])
        assert table


def test_only_what_is_named_is_loaded_and_the_second_question_loads_all(bundle: Path) -> None:
    with api.load_bundle(bundle) as done:
        rows = done.query_table("SELECT name FROM aws.s3.bucket")[1]
        assert done.store(["aws.s3.bucket"]).tables == {"aws.s3.bucket", "estate.target"}
        assert done.query("SELECT count(*) AS n FROM aws.iam.user")[0]["n"] > 0
        assert done.store().tables > {"aws.s3.bucket", "aws.iam.user", "aws.logs.group"}
        assert list(rows)  # of the first store
        assert done.store(["aws.s3.bucket"]) is done.store()


def test_a_query_that_does_not_end_is_stopped(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", str(bundle), ENDLESS, "--timeout", "0.3"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "error: stopped: it took more than 0.3 seconds\n  do: make it ask less, or less of each row\n"


@pytest.mark.parametrize("timeout", ["0", "-1", "nan", "1e99", "soon"])
def test_a_timeout_is_a_number_of_seconds(bundle: Path, timeout: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", str(bundle), "SELECT 1", "--timeout", timeout]) == 2
    assert "--timeout" in capsys.readouterr().err


@pytest.mark.parametrize("sql", ["NOT " * 900 + "true", "(" * 9_000 + "1" + ")" * 9_000, "1" + " + 1" * 4_000, "[" * 500 + "]" * 500])
def test_a_deep_query_is_bad_usage(bundle: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", str(bundle), f"SELECT {sql}"]) == 2
    said = capsys.readouterr()
    assert "SQL nested more than 100 deep" in said.err
    assert len(said.err) < 300


# ---- what is told beside the facts -------------------------------------------------------------------------------------------


def _said(bundle: Path, sql: str) -> list[dict[str, object]]:
    with api.load_bundle(bundle) as done:
        return done.query(sql)


def test_results_can_be_asked_and_are_those_that_are_listed(bundle: Path) -> None:
    with api.load_bundle(bundle) as done:
        listed = sorted((each.rule, each.target, each.region, each.resource, each.verdict.value, each.message) for each in done.results())
        rows = done.query("SELECT rule, target, region, resource, verdict, message FROM results ORDER BY ALL")
        assert sorted(tuple(row.values()) for row in rows) == listed
        (one,) = done.query("SELECT DISTINCT title, severity, objective, function FROM results WHERE rule = 'aws.iam.user_mfa'")
    assert one == {"title": "Rule aws.iam.user_mfa", "severity": "critical", "objective": "identity.mfa", "function": "identity"}


def test_scores_can_be_asked_of_the_whole_and_of_each_target(bundle: Path) -> None:
    with api.load_bundle(bundle) as done:
        rows = done.query(
            "SELECT function, low, high, coverage FROM scores WHERE target = '' AND practice IS NULL AND function IS NOT NULL"
        )
        assert {row["function"]: (row["low"], row["high"], row["coverage"]) for row in rows} == {
            name: done.score(str(name)) or (None, None, None) for name in (row["function"] for row in rows)
        }
        assert len(rows) == 4
        (whole,) = done.query("SELECT low, high, coverage FROM scores WHERE target = '' AND function IS NULL")
        assert tuple(whole.values()) == done.score()
        targets = done.query("SELECT DISTINCT target FROM scores WHERE target <> '' ORDER BY target")
        assert [row["target"] for row in targets] == [target.id for target in done.targets]


def test_coverage_can_be_asked(bundle: Path) -> None:
    with api.load_bundle(bundle) as done:
        rows = done.query("SELECT fact_table, status, calls FROM coverage ORDER BY ALL")
        assert [tuple(row.values()) for row in rows] == sorted((line.table, line.status, line.calls) for line in done.coverage)


def test_what_is_told_joins_with_facts_and_is_asked_twice(bundle: Path) -> None:
    sql = "SELECT b.name FROM results r JOIN aws.s3.bucket b ON b.key = r.resource WHERE r.verdict = 'fail' ORDER BY ALL"
    with api.load_bundle(bundle) as done:
        once = done.query(sql)
        assert once
        assert done.query("SELECT count(*) AS n FROM results")[0]["n"] == sum(1 for _ in done.results())
        assert done.query(sql) == once


def test_a_with_of_the_same_name_is_what_was_written(bundle: Path) -> None:
    assert _said(bundle, "WITH results AS (SELECT 7 AS n) SELECT n FROM results") == [{"n": 7}]


def test_no_rule_and_no_view_reads_what_rules_have_said() -> None:
    from cnamm_scan.engine.sound import problems
    from tests.packs import asked, content

    made = content(asked("true = ANY (SELECT verdict = 'pass' FROM results r WHERE r.target = this.target)"))
    assert any("no table 'results'" in each.what for each in problems(made))


def test_only_what_the_sql_names_is_loaded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cnamm_scan.judged import queries

    asked: list[str] = []

    def teller(name: str) -> Callable[[api.Scan], Iterator[tuple[object, ...]]]:
        def tell(scan: api.Scan) -> Iterator[tuple[object, ...]]:
            asked.append(name)
            return iter(())

        return tell

    monkeypatch.setattr(queries, "_TELLERS", {name: teller(name) for name in queries._TELLERS})
    with api.load_bundle(bundle) as done:
        done.query("SELECT count(*) FROM aws.s3.bucket")
        assert asked == []
        assert done.store(["aws.s3.bucket"]).tables == {"aws.s3.bucket", "estate.target"}
        done.query("SELECT count(*) FROM scores")
    assert asked == ["scores"]


INTERNAL = ["_fact", "_ghost", "_gaps", "_shadow", "_weight", "_outside"]


@pytest.mark.parametrize("sql", ["SELECT * FROM aws.s3.bucket", "FROM aws.iam.user", "SELECT b.*, 1 AS one FROM aws.s3.bucket b"])
def test_the_engines_own_columns_are_for_who_names_them(bundle: Path, sql: str) -> None:
    for row in _said(bundle, sql):
        assert not row.keys() & set(INTERNAL)
    assert {"column_name": "name"}.items() <= _said(bundle, "DESCRIBE aws.s3.bucket")[4].items()
    assert not {row["column_name"] for row in _said(bundle, "DESCRIBE aws.s3.bucket")} & set(INTERNAL)
    (row,) = _said(bundle, "SELECT _ghost, _gaps FROM aws.logs.group WHERE _ghost IS NOT NULL")
    assert list(row) == ["_ghost", "_gaps"]


@pytest.mark.parametrize("sql", ["SHOW TABLES", "show all tables;"])
def test_show_tables_is_true(bundle: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    with api.load_bundle(bundle) as done:
        rows = {str(row["table"]): row for row in done.query(sql)}
        assert {"aws.s3.bucket", "aws.iam.user", "aws.logs.group", "results", "scores", "coverage"} <= rows.keys()
        for name, row in rows.items():
            seen = "" if "." not in name else " WHERE _ghost IS NULL"
            assert done.query(f"SELECT count(*) AS n FROM {name}{seen}")[0]["n"] == row["rows"], name
    assert rows["aws.logs.group"]["unread"] == 1
    assert run(["query", str(bundle), sql, "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("table,rows,unread,about\n")


@pytest.mark.parametrize(
    ("sql", "what", "near"),
    [
        ("SELECT * FROM bucket", "no table 'bucket'", "'aws.s3.bucket'"),
        ("SELECT * FROM aws.s3.bukket", "no table 'aws.s3.bukket'", "'aws.s3.bucket'"),
        ("SELECT * FROM resluts", "no table 'resluts'", "'results'"),
        ("SELECT nam FROM aws.s3.bucket", "no column 'nam'", "'name'"),
        ("SELECT b.versoning FROM aws.s3.bucket b", "no column 'versoning'", "'versioning'"),
        ("SELECT verdcit FROM results", "no column 'verdcit'", "'verdict'"),
        ("SELECT lenn(name) FROM aws.s3.bucket", "function 'lenn' is not allowed", "'len'"),
        ("SELECT * FROM (SHOW TABLES)", "SHOW is not allowed in a query", "SHOW TABLES by itself"),
        ("SHOW DATABASES", "SHOW is not allowed in a query", "SHOW TABLES by itself"),
    ],
)
def test_a_misspelt_name_has_one_advice(bundle: Path, sql: str, what: str, near: str) -> None:
    with pytest.raises(UsageError) as error:
        _said(bundle, sql)
    assert error.value.what.startswith(what)
    assert near in error.value.do
    assert "Did you mean" not in error.value.what


def test_lines_of_json_are_json_whatever_was_asked(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A division by nought is no number there, and an object keeps one value of a name."""
    sql = "SELECT 1 / 0 AS a, ['nan'::DOUBLE, 1.5] AS b, {'c': -1 / 0} AS d"
    assert run(["query", str(bundle), sql, "--format", "jsonl"]) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(capsys.readouterr().out, parse_constant=refuse) == {"a": "inf", "b": ["nan", 1.5], "d": {"c": "-inf"}}
    assert run(["query", str(bundle), "SELECT 1 AS a, 2 AS a", "--format", "jsonl"]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.splitlines()[-3]) == ("", "error: two columns are called 'a'")
    assert run(["query", str(bundle), "SELECT 1 AS a, 2 AS a", "--format", "csv"]) == 0
    assert capsys.readouterr().out.split() == ["a,a", "1,2"]


def test_a_row_can_be_shown_as_a_record(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", str(bundle), "SELECT name, versioning FROM aws.s3.bucket WHERE name = 'letters'", "--record"]) == 0
    said = capsys.readouterr()
    assert [line.split() for line in said.out.splitlines()] == [["name", "letters"], ["versioning", "Never"]]
    assert said.err == "1 row\n"


# ---- as a process ----------------------------------------------------------------------------------------------------------


def _started(*arguments: object, **more: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cnamm_scan", *map(str, arguments)]
    made: subprocess.Popen[bytes] = subprocess.Popen(command, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload]
    return made


TOLD = """
import sys
from cnamm_scan.cli import main
from cnamm_scan.engine.store import Store
asked = Store.table
def told(*arguments):
    print("asked", file=sys.stderr, flush=True)
    return asked(*arguments)
Store.table = told
main.main(sys.argv[1:])
"""


def test_ctrl_c_ends_a_query_as_it_ends_all_else(bundle: Path) -> None:
    command = [sys.executable, "-c", TOLD, "query", str(bundle), ENDLESS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        assert b"asked\n" in iter(process.stderr.readline, b"")  # before it a slow machine may say what it is at
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (out, err.strip(), process.returncode) == (b"", b"interrupted", 1)


COMMANDS = [
    ["results", "{}"],
    ["results", "{}", "--format", "csv"],
    ["results", "{}", "--format", "table"],
    ["query", "{}", MANY, "--format", "jsonl"],
    ["query", "{}", MANY, "--format", "csv"],
    ["query", "{}", "SELECT * FROM aws.s3.bucket"],
    ["report", "{}"],
    ["report", "{}", "--format", "json"],
    ["content", "list"],
    ["--help"],
]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_output_is_an_error_in_three_parts(bundle: Path, command: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        process = _started(*[each.format(bundle) for each in command], stdout=full)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.decode().splitlines()[-3:] == [
        "error: the output cannot be written: No space left on device",
        "  at: standard output",
        "  do: free space, or send it elsewhere",
    ]
    assert b"Traceback" not in err


@pytest.mark.parametrize("command", COMMANDS[3:5])
def test_a_reader_that_leaves_early_is_told_nothing(bundle: Path, command: list[str]) -> None:
    process = _started(*[each.format(bundle) for each in command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(timeout=120)
    finally:
        process.kill()
    assert err == b""
    assert process.returncode == 1


LEFT = """
import sys, threading
from cnamm_scan.cli import main
from cnamm_scan.engine import bounds
never = threading.Event()
def stuck(arguments):
    runner = bounds.Runner(bounds.Bounds(grace=0.05))
    try:
        runner.run(lambda: never.wait(600), lambda: None, 0.05)
    except bounds.BoundError as error:
        print(error.what)
    return 7
main.run = stuck
main.main([])
"""


def test_the_process_ends_although_a_statement_does_not() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, timeout=60, check=False)
    assert done.returncode == 7
    assert b"could not be stopped" in done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize(
    "sql", ["SELECT list_transform([1], x -> x + 1)", "SELECT list_filter([name], (x, i) -> i = 1) FROM aws.s3.bucket"]
)
def test_a_lambda_with_an_arrow_is_told_how_it_is_written(bundle: Path, sql: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["query", str(bundle), sql]) == 2
    said = capsys.readouterr().err
    assert "'x -> …' is no lambda, but reads JSON" in said
    assert "write lambda x: …" in said
    assert "SET" not in said


def test_what_no_terminal_shows_is_cut_in_a_table_alone(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ten million characters took a terminal's table eighteen seconds."""
    long = "string_agg(repeat('ab', 10000), '')"
    sql = f"SELECT {long} AS long, 'short' AS short, [{long}] AS listed FROM range(500)"
    began = time.process_time()
    assert run(["query", str(bundle), sql]) == 0
    assert time.process_time() - began < 5
    said = capsys.readouterr()
    assert said.out.count("…") == 2
    assert len(said.out) < 60_000
    assert "2 values are cut after 10,000 characters: --format jsonl gives them whole" in said.err
    assert run(["query", str(bundle), sql, "--format", "jsonl"]) == 0
    whole = capsys.readouterr()
    assert len(json.loads(whole.out)["long"]) == 10_000_000
    assert whole.err == ""
