"""Bundles: written whole or not at all, read back as written, and refused after any change."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnamm_scan import paths
from cnamm_scan.api import scan_id
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import merkle
from cnamm_scan.evidence.bundle import Bundle, BundleWriter, open_bundle, verify
from cnamm_scan.evidence.canonical import canonical
from cnamm_scan.model import Coverage, Reason, Region, ResultBlock, Severity, Target, Verdict, fact_id
from tests.bundles import BUCKETS, FILES, FIRST, HOME, ONE, RULES, SCAN_ID, TWO, account, pocket, write_bundle
from tests.examples import drawn


def _writer(folder: Path, scan: str = SCAN_ID) -> BundleWriter:
    return BundleWriter(folder, scan, redaction_key=b"tests")


def _finish(writer: BundleWriter) -> Path:
    return writer.finish(pocket(), {"scan": account(writer.scan_id), "plan": {"rules": [], "tables": {}}})


def _fact(writer: BundleWriter, key: str, table: str = "aws.s3.bucket", data: Any = None) -> None:
    writer.fact(table=table, target=ONE, region=HOME, key=key, data=data or {"name": key}, gaps={}, calls=(), redact=())


def _check(path: Path) -> list[str]:
    return list(verify(open_bundle(path)))


# ---- written and read back -----------------------------------------------------------------------------------------------


def test_what_was_written_is_read_back(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.targets() == [
        Target(ONE, "aws", "111111111111", "arn:aws:iam::1:role/audit"),
        Target(TWO, "aws", "222222222222", "arn:aws:iam::1:role/audit"),
    ]
    assert opened.regions() == {target: [Region(HOME, "enabled", "listed", "")] for target in (ONE, TWO)}
    assert opened.method() == dict(FILES)
    assert opened.scan["id"] == SCAN_ID
    facts = [fact for fact in opened.entries("fact") if fact["table"] == "aws.s3.bucket" and fact["target"] == ONE]
    assert [fact["key"] for fact in facts] == [row["key"] for row in BUCKETS]
    assert facts[0] == {
        "kind": "fact",
        "id": fact_id("aws.s3.bucket", ONE, "global", "arn:aws:s3:::invoices"),
        "table": "aws.s3.bucket",
        "target": ONE,
        "region": "global",
        "key": "arn:aws:s3:::invoices",
        "data": {"name": "invoices", "versioning": {"Status": "Enabled"}, "encrypted": True, "logged": True},
        "gaps": {},
        "calls": [],
    }
    assert facts[2]["gaps"] == {"versioning": "throttled"}
    assert {tally["rule"] for tally in opened.entries("tally")} == {rule.id for rule in RULES}
    assert [line["id"] for line in opened.entries("score")] == ["cnamm"]
    assert list(opened.entries("no such kind")) == []


def test_verify_recomputes_counts_and_root(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    key = (bundle / "salts.bin").read_bytes()
    leaves, counts = [], dict.fromkeys(manifest["counts"], 0)
    for entry in manifest["files"]:
        if entry["path"].startswith("entries/"):
            for line in gzip.decompress((bundle / entry["path"]).read_bytes()).splitlines():
                parsed = json.loads(line)
                assert canonical(parsed) == line
                counts[parsed["kind"]] += 1
                leaves.append(merkle.leaf(merkle.salt(key, parsed["kind"], parsed["id"]), line))
    assert counts == manifest["counts"]
    assert manifest["tree"] == {"alg": "rfc6962-sha256-salted", "size": len(leaves), "root": merkle.root(leaves).hex()}
    said = _check(bundle)
    assert said[0] == f"{len(manifest['files'])} files match their hashes in the manifest"
    assert said[1].startswith(f"{len(leaves)} entries tie out: ")
    assert said[2] == f"the tree's root is {manifest['tree']['root']}"


def test_the_hash_beside_the_manifest_is_what_sha256sum_reads(bundle: Path) -> None:
    digest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert (bundle / "manifest.sha256").read_text() == f"{digest}  manifest.json\n"


def test_salts_differ_from_scan_to_scan_and_shards_do_not(tmp_path: Path) -> None:
    one, other = write_bundle(tmp_path / "1", FIRST), write_bundle(tmp_path / "2", FIRST)
    assert (one / "salts.bin").read_bytes() != (other / "salts.bin").read_bytes()
    for shard in (one / "entries").iterdir():
        assert shard.read_bytes() == (other / "entries" / shard.name).read_bytes()


def test_secrets_are_gone_before_the_disk(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    calls = [{"operation": "Get", "request": {"Uri": "https://user:canary-canary@host/"}}]
    writer.fact(table="t", target=ONE, region=HOME, key="k", data={"pin": "canary", "n": 1}, gaps={}, calls=calls, redact=["pin"])
    path = _finish(writer)
    assert all(b"canary" not in gzip.decompress(shard.read_bytes()) for shard in (path / "entries").iterdir())
    (fact,) = open_bundle(path).entries("fact")
    assert fact["data"]["n"] == 1


# ---- results -------------------------------------------------------------------------------------------------------------

BUCKET = ResultBlock(
    "aws.s3.r",
    "aws.s3.bucket",
    ONE,
    HOME,
    Verdict.FAIL,
    "",
    Severity.HIGH,
    "data.kept",
    {"most": 3},
    0,
    2,
    ("a", "b"),
    (),
    ("n", "x"),
    (["1", 2], ["3", None]),
)


def _stored(folder: Path, *told: ResultBlock, facts: Sequence[str] = (), population: Sequence[str] = ()) -> Bundle:
    writer = _writer(folder)
    for key in facts:
        _fact(writer, key)
    writer.fact(table="aws.s3.bucket", target=ONE, region=HOME, key="unread#1", data={}, gaps={"list": Reason.DENIED}, calls=(), redact=())
    writer.fact(table="aws.s3.bucket", target=ONE, region=HOME, key="unread#2", data={}, gaps={"rest": Reason.DENIED}, calls=(), redact=())
    writer.fact(table="aws.s3.bucket", target=TWO, region=HOME, key="of another", data={}, gaps={}, calls=(), redact=())
    writer.fact(table="aws.iam.user", target=ONE, region=HOME, key="of another table", data={}, gaps={}, calls=(), redact=())
    writer.population("aws.s3.view", ONE, HOME, population)
    for block in told:
        writer.result(block, "0" * 64)
    path = _finish(writer)
    assert _check(path)
    return open_bundle(path)


def test_a_block_is_one_line_and_is_read_back_as_it_was(tmp_path: Path) -> None:
    unknown = replace(BUCKET, verdict=Verdict.UNKNOWN, reason="denied", facts=("1" * 32, ""), resources=("", "x"), number=1)
    passed = replace(BUCKET, verdict=Verdict.PASS, columns=(), values=(), parameters={})
    opened = _stored(tmp_path, BUCKET, unknown, passed)
    assert list(opened.results()) == [BUCKET, unknown, passed]
    lines = list(opened.entries("result"))
    assert [line["id"] for line in lines] == [
        f"aws.s3.r|{ONE}|{HOME}|fail||0",
        f"aws.s3.r|{ONE}|{HOME}|unknown|denied|1",
        f"aws.s3.r|{ONE}|{HOME}|pass||0",
    ]
    assert {line["rule_sha256"] for line in lines} == {"0" * 64}
    assert opened.manifest["counts"]["result"] == 3


def test_values_of_a_result_are_stored_as_plain_text_where_json_has_none(tmp_path: Path) -> None:
    odd = replace(BUCKET, values=([1.5, float("nan")], [2**60, {"deep": [0.1, {"b": True}]}]), parameters={"share": 0.9})
    [read] = _stored(tmp_path, odd).results()
    assert read.values == (["1.5", "nan"], [str(2**60), {"deep": ["0.1", {"b": True}]}])
    assert read.parameters == {"share": "0.9"}


def test_results_may_be_narrowed_to_verdicts_and_to_a_rule(tmp_path: Path) -> None:
    others = [replace(BUCKET, verdict=verdict, columns=(), values=()) for verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE)]
    of_another = replace(BUCKET, rule="aws.s3.s")
    opened = _stored(tmp_path, BUCKET, *others, of_another)
    assert list(opened.results({Verdict.PASS})) == [others[0]]
    assert list(opened.results({Verdict.FAIL, Verdict.NOT_APPLICABLE}, "aws.s3.r")) == [BUCKET, others[1]]
    assert list(opened.results((), "aws.s3.s")) == [of_another]
    assert list(opened.results((), "aws.s3.q")) == []


@pytest.mark.parametrize("table", ["aws.s3.bucket", "aws.s3.view"])
def test_the_rest_is_whoever_is_there_and_not_named(tmp_path: Path, table: str) -> None:
    """Rows that were not read are nobody; those of another place, table or rule are others."""
    named = replace(BUCKET, table=table)
    rest = replace(named, verdict=Verdict.PASS, number=-1, count=3, resources=(), columns=(), values=())
    unread = replace(named, verdict=Verdict.UNKNOWN, reason="denied", count=1, resources=("",), facts=("1" * 32,), values=([None, None],))
    of_another = replace(named, rule="aws.s3.s", resources=("c", "d"))
    keys = ["e", "b", "d", "a", "c"]
    opened = _stored(tmp_path, rest, named, unread, of_another, facts=keys, population=sorted(keys))
    assert list(opened.results()) == [replace(rest, resources=("c", "d", "e")), named, unread, of_another]
    assert list(opened.results({Verdict.PASS})) == [replace(rest, resources=("c", "d", "e"))]
    assert list(opened.results(named=False)) == [rest, named, unread, of_another]


def test_a_population_is_stored_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnamm_scan.evidence.writer.KEYS_A_LINE", 2)
    rest = replace(BUCKET, table="aws.s3.view", verdict=Verdict.PASS, number=-1, count=5, resources=(), columns=(), values=())
    opened = _stored(tmp_path, rest, population=["a", "b", "c", "d", "e"])
    assert [line["resources"] for line in opened.entries("population")] == [["a", "b"], ["c", "d"], ["e"]]
    assert len({line["id"] for line in opened.entries("population")}) == 3
    assert [block.resources for block in opened.results()] == [("a", "b", "c", "d", "e")]


# ---- facts ---------------------------------------------------------------------------------------------------------------


def test_a_fact_keeps_what_is_named_and_what_comes_beside_it(tmp_path: Path) -> None:
    writer, keep = _writer(tmp_path), paths.tree([paths.parse("a.b"), paths.parse("Tags")], [paths.parse("labels")])
    data = {"a": {"b": 1, "c": "canary"}, "Tags": {"Owner": "canary"}, "labels": {"z": "canary", "y": 2}, "d": "canary"}
    writer.fact(table="t", target=ONE, region=HOME, key="k", data=data, gaps={}, calls=(), redact=(), keep=keep, also={"$account": "1"})
    writer.fact(table="t", target=ONE, region=HOME, key="l", data={"a": {"b": 1}}, gaps={}, calls=(), redact=["a.b"], keep=keep)
    path = _finish(writer)
    assert all(b"canary" not in gzip.decompress(shard.read_bytes()) for shard in (path / "entries").iterdir())
    one, other = (fact["data"] for fact in open_bundle(path).entries("fact"))
    assert {name: value for name, value in one.items() if name != "Tags"} == {"a": {"b": 1}, "labels": ["y", "z"], "$account": "1"}
    assert list(one["Tags"]) == ["Owner"]
    assert other["a"]["b"].startswith("redacted:")


def test_a_malformed_fact_is_refused_and_nothing_of_it_is_stored(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    with pytest.raises(paths.MalformedError):
        writer.fact(
            table="t",
            target=ONE,
            region=HOME,
            key="k",
            data={"a": "x"},
            gaps={},
            calls=(),
            redact=(),
            keep=paths.tree([paths.parse("a.b")]),
        )
    assert writer.counts == {}


def test_facts_of_a_page_share_their_calls_and_no_secret(tmp_path: Path) -> None:
    """Where there is nothing to redact they are looked at once; where there is, each resource has its own token."""
    writer = _writer(tmp_path)
    clean = [{"operation": "List", "request": {"Limit": 2}, "at": datetime(2026, 1, 2)}]
    secret = [{"operation": "Get", "request": {"Uri": "https://user:canary-canary@host/"}}]
    for key, calls in (("a", clean), ("b", clean), ("c", secret), ("d", secret), ("e", clean)):
        writer.fact(table="t", target=ONE, region=HOME, key=key, data={}, gaps={}, calls=calls, redact=())
    clean.append({"operation": "More"})
    writer.fact(table="t", target=ONE, region=HOME, key="f", data={}, gaps={}, calls=clean, redact=())
    path = _finish(writer)
    calls_of = {fact["key"]: fact["calls"] for fact in open_bundle(path).entries("fact")}
    assert calls_of["a"] == calls_of["b"] == calls_of["e"] == [{"operation": "List", "request": {"Limit": 2}, "at": "2026-01-02T00:00:00Z"}]
    assert calls_of["f"] == [*calls_of["a"], {"operation": "More"}]
    assert "canary" not in str(calls_of)
    assert calls_of["c"] != calls_of["d"]


def test_coverage_is_kept_line_by_line(bundle: Path) -> None:
    lines = {(line["target"], line["table"], line["part"]): line for line in open_bundle(bundle).entries("coverage")}
    refused = lines[ONE, "aws.logs.group", "list"]
    read = Coverage(**{name: refused[name] for name in Coverage.__slots__})
    assert read == Coverage(
        ONE, HOME, "aws.logs.group", "list", "DescribeLogGroups", "denied", False, 1, 1, 0, 0, {Reason.DENIED.value: 1}, "AccessDenied"
    )


# ---- the writer ----------------------------------------------------------------------------------------------------------


def test_many_threads_write_at_once(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for n in range(300):
            _fact(writer, f"{number}-{n}", f"aws.t.t{number % 3}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = _finish(writer)
    assert "2400 entries tie out: 2400 fact" in _check(path)
    opened = open_bundle(path)
    assert {fact["key"] for fact in opened.entries("fact")} == {f"{number}-{n}" for number in range(8) for n in range(300)}
    for n in range(3):
        assert {json.loads(line)["table"] for line in opened.facts().lines(f"aws.t.t{n}")} == {f"aws.t.t{n}"}


def test_a_file_that_is_large_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnamm_scan.evidence.shards.FILE_SIZE", 1000)
    monkeypatch.setattr("cnamm_scan.evidence.shards.BUFFER", 1000)
    writer = _writer(tmp_path)
    for n in range(500):
        writer.entry("objective", f"{n}|{hashlib.sha256(bytes(n)).hexdigest()}", {})
        _fact(writer, str(n), f"aws.t.t{n % 3}")
    opened = open_bundle(_finish(writer))
    files = [entry["path"] for entry in opened.manifest["files"] if entry.get("kind") == "objective"]
    assert files[:2] == ["entries/objective-00000.jsonl.gz", "entries/objective-00001.jsonl.gz"]
    assert len(files) > 5
    assert [int(line["id"].partition("|")[0]) for line in opened.entries("objective")] == list(range(500))
    for n in range(3):
        assert [json.loads(line)["key"] for line in opened.facts().lines(f"aws.t.t{n}")] == [str(k) for k in range(n, 500, 3)]


def test_many_small_tables_share_a_piece_and_each_is_found(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    names = [f"aws.t.t{n:03}" for n in range(300)]
    for name in reversed(names):
        for key in "ab":
            _fact(writer, f"{name}/{key}", name)
    opened = open_bundle(_finish(writer))
    (file,) = (entry for entry in opened.manifest["files"] if entry.get("kind") == "fact")
    assert len(file["parts"]) < 5
    facts = opened.facts()
    room = tmp_path / "room"
    room.mkdir()
    for name in names:
        assert [json.loads(line)["key"] for line in facts.lines(name)] == [f"{name}/a", f"{name}/b"]
        for turn in facts.files(name, room):
            assert [json.loads(line)["key"] for one in turn for line in one.read_bytes().splitlines()] == [f"{name}/a", f"{name}/b"]
    assert list(facts.files("no.such.table", room)) == []
    assert list(room.iterdir()) == []


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 400)), max_size=60), st.integers(1, 3000))
@settings(max_examples=drawn(30), deadline=None)
def test_whatever_order_facts_come_in_each_table_has_its_own(tmp_path_factory: pytest.TempPathFactory, came: Any, buffer: int) -> None:
    folder = tmp_path_factory.mktemp("facts")
    expected: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cnamm_scan.evidence.shards.BUFFER", buffer)
        patch.setattr("cnamm_scan.evidence.parts.LINES_A_FILE", 7)
        patch.setattr("cnamm_scan.evidence.shards.LINES_A_FILE", 7)
        writer = _writer(folder)
        for number, (table, length) in enumerate(came):
            key = f"{number}".ljust(length, ".")
            expected.setdefault(table, []).append(key)
            _fact(writer, key, table, {"n": number})
        bundle = open_bundle(_finish(writer))
        facts = bundle.facts()
        for table in "abcde":
            laid = []
            for turn in facts.files(table, folder):
                assert 0 < len(turn) <= 4
                for file in turn:
                    raw = file.read_bytes()
                    laid += (gzip.decompress(raw) if file.suffix == ".gz" else raw).splitlines()
            assert [json.loads(line)["key"] for line in laid] == expected.get(table, [])
            assert list(facts.lines(table)) == laid


def test_settle_hands_over_readable_facts_and_writing_may_go_on(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    _fact(writer, "one")
    facts = writer.settle()
    assert [json.loads(line)["key"] for line in facts.lines("aws.s3.bucket")] == ["one"]
    _fact(writer, "two")
    assert [fact["key"] for fact in open_bundle(_finish(writer)).entries("fact")] == ["one", "two"]


def test_a_bundle_without_entries_is_whole_too(tmp_path: Path) -> None:
    path = _finish(_writer(tmp_path))
    assert open_bundle(path).manifest["tree"] == {"alg": merkle.ALGORITHM, "size": 0, "root": hashlib.sha256(b"").hexdigest()}
    assert len(_check(path)) == 3


def test_two_bundles_never_share_a_name(tmp_path: Path) -> None:
    first = _writer(tmp_path)
    with pytest.raises(BundleError):
        _writer(tmp_path)
    _fact(first, "one")
    path = _finish(first)
    with pytest.raises(BundleError, match="exists already"):
        _writer(tmp_path)
    assert [fact["key"] for fact in open_bundle(path).entries("fact")] == ["one"]


def test_scans_of_one_second_have_ids_of_their_own() -> None:
    from datetime import UTC, datetime

    started = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    made = {scan_id(started) for _ in range(200)}
    assert len(made) == 200
    assert all(name.startswith("20260102T030405Z-") for name in made)


def test_abandon_leaves_nothing(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    for n in range(10):
        _fact(writer, str(n), f"aws.t.t{n}")
    writer.abandon()
    assert list(tmp_path.iterdir()) == []
    writer.abandon()
    assert _finish(_writer(tmp_path)).is_dir()


def test_until_the_end_nothing_bears_the_name(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    _fact(writer, "one")
    writer.settle()
    assert [file.name for file in tmp_path.iterdir()] == [f"{SCAN_ID}.cnamm.partial"]
    _finish(writer)
    assert [file.name for file in tmp_path.iterdir()] == [f"{SCAN_ID}.cnamm"]


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for output in ("file", "file/below", "file/below/that", "file/x.cnamm.zip"):
        with pytest.raises(BundleError, match="cannot be written: a file stands where its folder should be") as refused:
            _writer(tmp_path / output)
        assert refused.value.where.startswith(str(tmp_path / "file"))
        assert "NAME.cnamm.zip" in refused.value.do
    assert (tmp_path / "file").read_text() == "in the way"
