"""`query`: it cannot write, read on, run for ever or end in a traceback; and what every command does when its output takes no more."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
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
        assert process.stderr.readline() == b"asked\n"
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
