"""Bundles are refused after any change, whoever made it and however well it was hashed again; by every command alike."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import os
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.errors import BundleError
from cnamm_scan.evidence import method, parts
from cnamm_scan.evidence.bundle import BundleWriter, open_bundle, verify
from cnamm_scan.evidence.canonical import canonical
from cnamm_scan.evidence.form import BOUNDS, ENTRIES, Bounds, RegionForm, TargetForm, is_too_deep
from cnamm_scan.model import Coverage, MadeRow, Region, ResultBlock, Tally, Target, fact_id
from tests.bundles import FILES, FIRST, write_bundle
from tests.evidence import forge

CHANGE = Callable[[dict[str, Any]], Any]


def _check(path: Path, bounds: Bounds = BOUNDS) -> list[str]:
    return list(verify(open_bundle(path, bounds=bounds)))


def _refused(path: Path, match: str, bounds: Bounds = BOUNDS) -> BundleError:
    """The error, which has its three parts; and every way to a bundle gives the same."""
    with pytest.raises(BundleError, match=match) as first:
        open_bundle(path, bounds=bounds)
    assert first.value.where
    assert first.value.do
    if bounds is BOUNDS:
        for way in (api.load_bundle, api.evaluate):
            with pytest.raises(BundleError) as other:
                way(path)
            assert str(other.value) == str(first.value)
    return first.value


# ---- changed, and not hashed again -----------------------------------------------------------------------------------------


def test_one_changed_byte_anywhere_is_refused(bundle: Path) -> None:
    files = sorted(file for file in bundle.rglob("*") if file.is_file())
    expected = {"manifest.json", "manifest.sha256", "salts.bin", "method.tar.bz2", "fact-00000.jsonl.gz", "tally-00000.jsonl.gz"}
    assert expected <= {file.name for file in files}
    for file in files:
        raw = file.read_bytes()
        for at in (0, len(raw) // 2, len(raw) - 1):
            file.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
            with pytest.raises(BundleError) as refused:
                open_bundle(bundle)
            assert file.name in str(refused.value), (file, at)
            assert refused.value.do
        file.write_bytes(raw)
    assert _check(bundle)


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_truncated_file_is_refused(bundle: Path, cut: int) -> None:
    shard = forge.shard(bundle, "fact")
    shard.write_bytes(shard.read_bytes()[:cut])
    _refused(bundle, r"fact-00000\.jsonl\.gz has \d+ bytes, expected \d+")


def test_a_longer_file_is_refused(bundle: Path) -> None:
    with forge.shard(bundle, "result").open("ab") as shard:
        shard.write(b"\0")
    _refused(bundle, r"result-00000\.jsonl\.gz has")


def test_a_missing_file_is_refused(bundle: Path) -> None:
    for file in sorted(file for file in bundle.rglob("*") if file.is_file()):
        raw = file.read_bytes()
        file.unlink()
        with pytest.raises(BundleError) as refused:
            open_bundle(bundle)
        wanted = "there is no bundle" if file.name == "manifest.json" else f"{file.name} is missing"
        assert wanted in str(refused.value)
        file.write_bytes(raw)


# ---- what is there besides -------------------------------------------------------------------------------------------------


def _link(to: Path) -> None:
    to.symlink_to("manifest.json")


def _link_to_a_folder(to: Path) -> None:
    to.symlink_to("entries")


def _socket(to: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = Path.cwd()
        os.chdir(to.parent)  # names of sockets are short
        try:
            made.bind(to.name)
        finally:
            os.chdir(here)


def _folder(to: Path) -> None:
    to.mkdir()
    (to / "x").write_bytes(b"")


EXTRAS: dict[str, Callable[[Path], Any]] = {
    "a file": lambda to: to.write_bytes(b"x"),
    "an empty folder": Path.mkdir,
    "a folder": _folder,
    "a link": _link,
    "a link to a folder": _link_to_a_folder,
    "a link to nothing": lambda to: to.symlink_to("nothing"),
    "a pipe": os.mkfifo,
    "a socket": _socket,
}


@pytest.mark.parametrize("below", ["", "entries"])
@pytest.mark.parametrize("what", EXTRAS)
def test_whatever_is_there_unlisted_is_refused(bundle: Path, what: str, below: str) -> None:
    EXTRAS[what](bundle / below / "extra")
    assert "extra" in str(_refused(bundle, "is not as it was written"))


@pytest.mark.parametrize("what", ["a link", "a pipe", "a folder"])
@pytest.mark.parametrize("name", ["salts.bin", "method.tar.bz2", "entries/fact-00000.jsonl.gz", "manifest.sha256"])
def test_a_file_that_is_something_else_is_refused_and_not_waited_for(bundle: Path, tmp_path: Path, name: str, what: str) -> None:
    file = bundle / name
    kept = file.rename(tmp_path / "kept")
    if what == "a link":
        file.symlink_to(kept)
    elif what == "a pipe":
        os.mkfifo(file)
    else:
        file.mkdir()
    _refused(bundle, file.name.replace(".", r"\."))


def test_a_folder_of_entries_that_is_a_link_is_refused(bundle: Path, tmp_path: Path) -> None:
    (bundle / "entries").rename(tmp_path / "elsewhere")
    (bundle / "entries").symlink_to(tmp_path / "elsewhere")
    _refused(bundle, "entries is a link")


def test_a_file_that_becomes_a_link_or_a_pipe_after_the_look_is_not_read(bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(bundle)
    salts = bundle / "salts.bin"
    salts.rename(tmp_path / "kept")
    salts.symlink_to(tmp_path / "kept")
    with pytest.raises(BundleError, match="is a link"):
        list(opened.room.read("salts.bin"))
    salts.unlink()
    os.mkfifo(salts)
    with pytest.raises(BundleError, match="no plain file"):
        list(opened.room.read("salts.bin"))
    (bundle / "entries").rename(tmp_path / "entries")
    (bundle / "entries").symlink_to(tmp_path / "entries")
    with pytest.raises(BundleError, match="is a link"):
        list(opened.entries("fact"))


def test_the_bundles_own_folder_may_be_reached_by_a_link(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to(bundle)
    assert _check(tmp_path / "latest")


def test_an_unfinished_bundle_is_refused(bundle: Path) -> None:
    partial = bundle.rename(bundle.with_name(bundle.name + ".partial"))
    with pytest.raises(BundleError, match="never finished") as refused:
        open_bundle(partial)
    assert f"cnamm-scan evaluate {partial}" in refused.value.do


@pytest.mark.parametrize("name", ["no-such.cnamm", "file", "empty", "folder"])
def test_what_is_no_bundle_is_called_so(tmp_path: Path, name: str) -> None:
    """Not "do not trust it": nobody has tampered with a folder of photographs."""
    (tmp_path / "file").write_text("no bundle")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "photograph.jpg").write_bytes(b"")
    assert "….cnamm" in _refused(tmp_path / name, "there is no bundle").do


# ---- forged: the manifest says what the forger wants, and its hash is right -----------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["../../etc/passwd", "/etc/passwd", "entries/../../outside", "a/./b", "a//b", "", "a\\b", "C:x", "a\nb", "x" * 2000, "manifest.json"],
)
def test_a_manifest_that_names_a_file_outside_is_refused(bundle: Path, path: str) -> None:
    forge.forge(bundle, lambda manifest: manifest["files"].append({"path": path, "sha256": "0" * 64, "size": 0}))
    assert "manifest.json" in str(_refused(bundle, "is not as it was written"))


@pytest.mark.parametrize("schema", ["cnamm-scan/report/1", "", None, 2, ["cnamm-scan/bundle/3"]])
def test_another_schema_is_refused(bundle: Path, schema: Any) -> None:
    forge.forge(bundle, lambda manifest: manifest.update(schema=schema))
    _refused(bundle, "expected 'cnamm-scan/bundle/3'")


@pytest.mark.parametrize(
    "schema", ["cnamm-scan/bundle/", "cnamm-scan/bundle/0", "cnamm-scan/bundle/1", "cnamm-scan/bundle/-2", "cnamm-scan/bundle/²"]
)
def test_an_odd_format_is_refused(bundle: Path, schema: str) -> None:
    forge.forge(bundle, lambda manifest: manifest.update(schema=schema))
    _refused(bundle, "manifest.json is of format")


@pytest.mark.parametrize(
    ("since", "do"),
    [
        ("9.1.0", "install cnamm-scan >= 9.1.0"),
        (None, "install a newer cnamm-scan"),
        ("; rm -rf /", "install a newer cnamm-scan"),
        (9, "install a"),
    ],
)
def test_a_newer_bundle_names_the_version_that_reads_it(bundle: Path, since: Any, do: str) -> None:
    """Whatever else stands in it: nobody knows yet what a newer manifest looks like."""
    forge.forge(bundle, lambda _: {"schema": "cnamm-scan/bundle/7", "format": 7, "since": since})
    refused = _refused(bundle, "written by format 7; this version reads up to 3")
    assert do in refused.do


@pytest.mark.parametrize("manifest", [[], "text", 1])
def test_a_manifest_that_is_no_object_is_refused(bundle: Path, manifest: Any) -> None:
    forge.forge(bundle, lambda _: manifest or [0])
    _refused(bundle, "schema is 'None'")


RAW: dict[str, bytes] = {
    "no JSON": b"{",
    "no text": b"\xff",
    "a name twice": b'{"schema":"cnamm-scan/bundle/3","schema":"cnamm-scan/bundle/2"}\n',
    "not canonical": b'{"schema": "cnamm-scan/bundle/3"}\n',
    "a float": b'{"format":2.0,"schema":"cnamm-scan/bundle/3"}\n',
    "no number": b'{"format":NaN,"schema":"cnamm-scan/bundle/3"}\n',
    "a lone surrogate": b'{"format":"\\ud800","schema":"cnamm-scan/bundle/3"}\n',
    "deep lists": b"[" * 200_000 + b"]" * 200_000 + b"\n",
    "deep objects": b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"\n",
    "nothing": b"",
}


@pytest.mark.parametrize("what", RAW)
def test_a_manifest_that_holds_odd_json_is_refused(bundle: Path, what: str) -> None:
    forge.write_manifest(bundle, RAW[what])
    _refused(bundle, r"manifest\.json")


ODD: tuple[Any, ...] = (None, [], {}, "", -1, True, 2**60)


def _each_lack(manifest: dict[str, Any]) -> Iterator[tuple[str, CHANGE]]:
    """For every name in the manifest: without it, and with something else there."""

    def walk(value: Any, way: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
        pairs = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
        for name, part in pairs:
            yield (*way, name)
            yield from walk(part, (*way, name))

    for way in walk(manifest, ()):
        for odd in ODD:

            def change(made: dict[str, Any], way: tuple[Any, ...] = way, odd: Any = odd) -> None:
                for step in way[:-1]:
                    made = made[step]
                made[way[-1]] = odd

            yield f"{'.'.join(map(str, way))}={odd!r}", change


def test_nothing_in_a_manifest_leads_to_a_traceback(bundle: Path) -> None:
    """Wherever something else stands: it is refused, or does not matter to anyone who reads."""
    raw = (bundle / "manifest.json").read_bytes()
    tried = 0
    for said, change in _each_lack(json.loads(raw)):
        tried += 1

        def quietly(manifest: dict[str, Any], change: CHANGE = change) -> None:
            change(manifest)

        try:
            forge.forge(bundle, quietly)
        except (TypeError, ValueError):  # not even we could write that
            forge.write_manifest(bundle, raw)
            continue
        try:
            with api.load_bundle(bundle) as done:
                done.report()
        except BundleError as refused:
            assert refused.do, said
        forge.write_manifest(bundle, raw)
    assert tried > 350


@pytest.mark.parametrize("name", ["schema", "scan", "plan", "tree", "counts", "files"])
def test_a_manifest_that_lacks_something_is_refused(bundle: Path, name: str) -> None:
    def without(manifest: dict[str, Any]) -> None:
        del manifest[name]

    forge.forge(bundle, without)
    _refused(bundle, r"schema is|manifest\.json lacks something that every manifest has")


@pytest.mark.parametrize("started", ["2026-01-02", "2026-13-02T00:00:00Z", "'; DROP TABLE x; --", "2026-01-02T03:04:05+00:00"])
def test_a_scan_without_a_proper_beginning_is_refused(bundle: Path, started: str) -> None:
    forge.forge(bundle, lambda manifest: manifest["scan"].update(started_at=started))
    _refused(bundle, r"manifest\.json lacks")


def test_forged_counts_show(bundle: Path) -> None:
    forge.forge(bundle, lambda manifest: manifest["counts"].update(fact=manifest["counts"]["fact"] + 1))
    _refused(bundle, r"manifest\.json counts \d+ entries")


def test_another_salt_shows_in_the_root(bundle: Path) -> None:
    forge.put(bundle, "salts.bin", bytes(32))
    _refused(bundle, "the tree's root is")


# ---- forged: lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fact", "tally", "result", "coverage"])
def test_a_dropped_line_shows_in_the_counts(bundle: Path, kind: str) -> None:
    forge.put_lines(bundle, kind, forge.lines(bundle, kind)[1:], counted=False)
    _refused(bundle, rf"{kind}-00000\.jsonl\.gz has \d+ lines, expected \d+")


@pytest.mark.parametrize("kind", ["fact", "tally", "result", "coverage"])
@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0].replace(b"aws", b"axs", 1), *lines[1:]],
    ],
    ids=["dropped", "doubled", "swapped", "edited"],
)
def test_a_forged_shard_shows_in_the_root(bundle: Path, kind: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    forge.put_lines(bundle, kind, change(forge.lines(bundle, kind)))
    _refused(bundle, "the tree's root is|is of table|is of target")


LINES: dict[str, bytes] = {
    "blanks": b'{"id": "x", "kind": "tally"}',
    "no json": b"no json",
    "a list": b"[1]",
    "no id": b'{"kind":"tally"}',
    "a number as id": b'{"id":7,"kind":"tally"}',
    "no text": b"\xff",
    "nothing": b"",
    "a lone surrogate": b'{"id":"\\ud800","kind":"tally"}',
    "a raw surrogate": b'{"id":"\xed\xa0\x80","kind":"tally"}',
    "a name twice": b'{"id":"a","id":"b","kind":"tally"}',
    "a float": b'{"id":"a","kind":"tally","n":0.5}',
    "no number": b'{"id":"a","kind":"tally","n":NaN}',
    "not sorted": b'{"kind":"tally","id":"a"}',
    "a mark of order": b'\xef\xbb\xbf{"id":"a","kind":"tally"}',
    "deep lists": b'{"id":"a","kind":"tally","n":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"id":"a","kind":"tally","n":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    "a big number": b'{"id":"a","kind":"tally","n":9007199254740993}',
    "a huge number": b'{"id":"a","kind":"tally","n":' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("what", LINES)
def test_a_line_that_is_no_canonical_entry_is_refused(bundle: Path, what: str) -> None:
    lines = forge.lines(bundle, "tally")
    forge.replace_lines(bundle, "tally", [lines[0], LINES[what], *lines[1:]])
    refused = _refused(bundle, r"tally-00000\.jsonl\.gz line 2 ")
    assert refused.where.endswith("tally-00000.jsonl.gz:2")


def _every_kind(writer: BundleWriter) -> None:
    """What a bundle of larger content holds besides."""
    writer.made(
        "aws.s3.reach", MadeRow(FIRST.target, "global", "arn:aws:s3:::invoices", {"is_open": False}, (fact_id("t", "a", "b", "c"),))
    )
    writer.population("aws.s3.reach", FIRST.target, "global", ["arn:aws:s3:::invoices"])
    writer.entry("objective", "data.logged", {"id": "data.logged"})


def _defaults(form: type[msgspec.Struct]) -> list[Any]:
    """The defaults of its fields, the last one first."""
    said = list(reversed(form.__struct_defaults__))
    return [*said, *[msgspec.NODEFAULT] * (len(form.__struct_fields__) - len(said))]


@pytest.mark.parametrize("kind", sorted(ENTRIES))
def test_an_entry_without_a_field_is_refused_with_its_line(tmp_path: Path, kind: str) -> None:
    """Each field, left out and of another type: whoever reads entries has what he needs."""
    bundle = write_bundle(tmp_path, FIRST, also=_every_kind)
    assert _check(bundle)
    lines = forge.lines(bundle, kind)
    whole = json.loads(lines[-1])
    form = ENTRIES[kind]
    needed = {
        name for name, default in zip(reversed(form.__struct_encode_fields__), _defaults(form), strict=True) if default is msgspec.NODEFAULT
    }
    assert needed <= set(whole)
    for name in sorted(needed):
        odds: tuple[Any, ...] = (..., None, 7, [], "text", {"a": 1})
        for odd in odds:
            if isinstance(odd, type(whole[name])) or (name, odd) == ("data", None) or (kind, name) == ("fact", "table"):
                continue  # that may stand there, or is told as a fact in another's place
            made = {key: value for key, value in whole.items() if key != name or odd is not ...}
            if odd is not ...:
                made[name] = odd
            forge.replace_lines(bundle, kind, [*lines[:-1], canonical(made)])
            refused = _refused(bundle, rf"{kind}-00000\.jsonl\.gz line {len(lines)} ")
            assert refused.where.endswith(f":{len(lines)}"), (name, odd)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 9},
        {"resources": ["a", "b", "c"]},
        {"values": []},
        {"values": [[1, 2, 3, 4, 5, 6, 7]]},
        {"columns": []},
        {"facts": ["a", "b", "c", "d"]},
        {"verdict": "perhaps"},
        {"severity": "awful"},
        {"target": "aws:999999999999"},
    ],
    ids=str,
)
def test_a_result_that_does_not_fit_itself_is_refused(bundle: Path, change: dict[str, Any]) -> None:
    lines = forge.lines(bundle, "result")
    at = next(n for n, line in enumerate(lines) if json.loads(line)["columns"])
    lines[at] = canonical({**json.loads(lines[at]), **change})
    forge.replace_lines(bundle, "result", lines)
    _refused(bundle, rf"result-00000\.jsonl\.gz line {at + 1} is")


def test_an_entry_of_another_kind_or_table_than_its_place_is_refused(bundle: Path) -> None:
    tallies, facts = forge.lines(bundle, "tally"), forge.lines(bundle, "fact")
    forge.replace_lines(bundle, "tally", [tallies[0].replace(b'"kind":"tally"', b'"kind":"score"'), *tallies[1:]])
    _refused(bundle, "line 1 is of kind 'score', expected 'tally'")
    forge.replace_lines(bundle, "tally", tallies)
    forge.put_lines(bundle, "fact", facts, tables=["aws.zz.zz"] * len(facts))
    _refused(bundle, "is of table '.*', expected 'aws.zz.zz'")


@pytest.mark.parametrize("parts", [[], [{"size": 1, "tables": {"aws.s3.bucket": 1}}], None, [{"size": 1}], [{"size": 0, "tables": {}}]])
def test_an_index_that_does_not_cover_its_file_is_refused(bundle: Path, parts: Any) -> None:
    def change(manifest: dict[str, Any]) -> None:
        for entry in manifest["files"]:
            if entry.get("kind") == "fact":
                entry["parts"] = parts

    forge.forge(bundle, change)
    _refused(bundle, r"manifest\.json lacks")


def test_parts_that_cut_a_member_are_refused(bundle: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        for entry in manifest["files"]:
            if entry.get("kind") == "fact":
                (part, *rest) = entry["parts"]
                entry["parts"] = [{**part, "size": part["size"] - 1}, {"size": 1, "tables": {"aws.s3.bucket": 1}}, *rest]

    forge.forge(bundle, change)
    _refused(bundle, r"fact-00000\.jsonl\.gz is cut or damaged")


# ---- forged: files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [b"plain text", b"", gzip.compress(b"{}\n")[:-4], gzip.compress(b"no end"), gzip.compress(b"{}\n") + b"tail"],
    ids=["text", "nothing", "cut", "no end", "tail"],  # a packed text has the time in it
)
def test_a_shard_that_is_no_gzip_of_lines_is_refused(bundle: Path, raw: bytes) -> None:
    forge.put(bundle, "entries/tally-00000.jsonl.gz", raw)
    _refused(bundle, r"tally-00000\.jsonl\.gz ")


def _tar(*members: tuple[str, bytes]) -> bytes:
    """An archive as a library writes it."""
    import io
    import tarfile

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as made:
        for name, body in members:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            made.addfile(info, io.BytesIO(body))
    return bz2.compress(stream.getvalue())


METHODS: dict[str, bytes] = {
    "no bzip2": b"plain",
    "cut": method.packed(FILES)[:-9],
    "with a tail": method.packed(FILES) + b"tail",
    "two": method.packed(FILES) + method.packed(FILES),
    "of a library": _tar(("rules/x.yaml", b"")),
    "a name outside": _tar(("../x.yaml", b"")),
    "with an odd end": bz2.compress(bz2.decompress(method.packed(FILES)) + b"\0" * 512),
    "with odd sizes": bz2.compress(bz2.decompress(method.packed(FILES)).replace(b"000000", b"99999x")),
}


@pytest.mark.parametrize("what", METHODS)
def test_a_method_that_we_did_not_pack_is_refused(bundle: Path, what: str) -> None:
    forge.put(bundle, "method.tar.bz2", METHODS[what])
    for way in (api.load_bundle, api.evaluate):
        with pytest.raises(BundleError, match=r"method\.tar\.bz2"):
            way(bundle)


@pytest.mark.parametrize("change", [{"rules/aws/s3/bucket_logged.yaml": b"no: rule"}, {"mappings/cnamm.yaml": b"\xff"}])
def test_a_method_that_does_not_validate_is_the_bundles_fault(bundle: Path, change: dict[str, bytes]) -> None:
    forge.put(bundle, "method.tar.bz2", method.packed({**FILES, **change}))
    for way in (api.load_bundle, api.evaluate):
        with pytest.raises(BundleError, match="method does not validate"):
            way(bundle)


@pytest.mark.parametrize("name", ["x", "x.yaml", "rules/../../x.yaml", "rules//x.yaml", "/rules/x.yaml", "rules/x.py"])
def test_a_method_that_holds_no_content_is_refused(bundle: Path, name: str) -> None:
    forge.put(bundle, "method.tar.bz2", method.packed({**FILES, name: b""}))
    for way in (api.load_bundle, api.evaluate):
        with pytest.raises(BundleError, match="which is no content"):
            way(bundle)


def test_every_field_of_what_is_read_is_looked_at() -> None:
    """What is built from an entry by its fields' names has each of them checked before."""
    for kind, made, own in (("coverage", Coverage, {"id"}), ("result", ResultBlock, {"id", "rule_sha256"}), ("tally", Tally, {"id"})):
        assert set(ENTRIES[kind].__struct_fields__) == {*made.__slots__, *own}
    assert set(RegionForm.__struct_fields__) == set(Region.__slots__)
    assert set(TargetForm.__struct_fields__) - {"regions", "calls", "retries"} == set(Target.__slots__)


# ---- bounds ----------------------------------------------------------------------------------------------------------------


def test_each_bound_is_held(bundle: Path) -> None:
    """What is there is within the bounds; with each of them drawn in, it is not."""
    small = {"unpacked": 5000, "line": 300, "depth": 2, "files": 5, "manifest": 1000, "folders": 0}
    for name, value in small.items():
        with pytest.raises(BundleError, match=str(value)):
            open_bundle(bundle, bounds=Bounds(**{name: value}))
    opened = open_bundle(bundle, bounds=Bounds(method=1000))
    with pytest.raises(BundleError, match="1000"):
        opened.method()


def test_a_gzip_bomb_is_not_unpacked(bundle: Path) -> None:
    """128 MB in one line: it is refused when its first 16 MB are seen, and memory holds no more than those a few times."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    raw = b"".join(packer.compress(block) for _ in range(128)) + packer.flush()
    forge.put(bundle, "entries/tally-00000.jsonl.gz", raw)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError, match="holds a line of more than"):
            open_bundle(bundle)
        assert tracemalloc.get_traced_memory()[1] < 6 * BOUNDS.line
    finally:
        tracemalloc.stop()


def test_a_bomb_of_the_method_is_not_unpacked() -> None:
    raw = bz2.compress(bytes(100 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="unpacks to more than"):
            method.unpacked(raw, 2**20)
        assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("depth", [1, 127, 128, 129, 5000])
@pytest.mark.parametrize("kind", ["[]", "{}", "mixed"])
def test_depth_is_counted_right(depth: int, kind: str) -> None:
    opening = {"[]": [b"["], "{}": [b'{"a\\"[{":'], "mixed": [b"[", b'{"]":']}[kind]
    closing = {b"[": b"]"}
    steps = [opening[n % len(opening)] for n in range(depth)]
    raw = b"".join(steps) + b'"[[[{{"' + b"".join(closing.get(step, b"}") for step in reversed(steps))
    assert is_too_deep(raw, 128) is (depth > 128)
    assert is_too_deep(b"[" + b",".join([raw] * 9) + b"]", 128) is (depth + 1 > 128)


def test_lines_are_found_whatever_the_steps() -> None:
    text = b"one\n\ntwo\n" + b"x" * 1000 + b"\n"
    expected = text.split(b"\n")[:-1]
    for step in (1, 2, 3, 7, 500, 5000):
        blocks = [text[at : at + step] for at in range(0, len(text), step)]
        assert list(parts.lines(blocks, "file")) == expected
    packed = gzip.compress(text[:5]) + gzip.compress(b"") + gzip.compress(text[5:])
    for step in (1, 3, 10, 5000):
        blocks = [packed[at : at + step] for at in range(0, len(packed), step)]
        assert b"".join(parts.unpacked(blocks, "file")) == text


# ---- all commands ----------------------------------------------------------------------------------------------------------

COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "verify": lambda path: ["verify", str(path)],
    "report": lambda path: ["report", str(path)],
    "results": lambda path: ["results", str(path)],
    "query": lambda path: ["query", str(path), "SELECT name FROM aws.s3.bucket"],
    "evaluate": lambda path: ["evaluate", str(path)],
}
BROKEN: dict[str, Callable[[Path], Any]] = {
    "a byte": lambda path: (path / "salts.bin").write_bytes(b"x" * 32),
    "an extra file": lambda path: (path / "extra").write_bytes(b""),
    "a link": lambda path: (path / "extra").symlink_to("salts.bin"),
    "a pipe": lambda path: os.mkfifo(path / "extra"),
    "a dropped line": lambda path: forge.put_lines(path, "tally", forge.lines(path, "tally")[1:], counted=False),
    "a dropped line, counted": lambda path: forge.put_lines(path, "fact", forge.lines(path, "fact")[1:]),
    "a field": lambda path: forge.replace_lines(path, "result", [canonical({"id": "x", "kind": "result"})]),
    "deep JSON": lambda path: forge.replace_lines(path, "coverage", [LINES["deep lists"]]),
    "a newer format": lambda path: forge.forge(path, lambda _: {"schema": "cnamm-scan/bundle/3", "format": 3}),
    "no bundle": lambda path: (path / "manifest.json").unlink(),
    "half a bundle": lambda path: (path / "begun.jsonl").write_bytes(b""),
}


@pytest.mark.parametrize("what", BROKEN)
def test_every_command_refuses_the_same_with_the_same_words(bundle: Path, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in COMMANDS.values():
        assert run(command(bundle)) == 0
    capsys.readouterr()
    BROKEN[what](bundle)
    heard = set()
    for command in COMMANDS.values():
        assert run(command(bundle)) == 1
        said = capsys.readouterr()
        assert said.out == ""
        heard.add("".join(line for line in said.err.splitlines(keepends=True) if not line.endswith("…\n")))  # said of what takes long
    assert len(heard) == 1, heard
    assert hashlib.sha256(heard.pop().encode()).digest()
