"""A scanner with the least rights: what a ClusterRole grants, and whether a scan asked for exactly that."""

from __future__ import annotations

import contextlib
import gzip
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cnamm_scan.cli.main import run
from cnamm_scan.demo.cluster.bed.requests import Request
from cnamm_scan.demo.cluster.bed.rights import Ask
from cnamm_scan.demo.cluster.bed.server import ClusterBed, Rights, Seen

TOKEN = "token-of-the-scanner"


def told(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(["--color", "never", *arguments])
    return code, out.getvalue(), err.getvalue()


def rights_of(role: Mapping[str, Any]) -> Rights:
    """Exactly what a ClusterRole grants, without what clusters give to everybody."""
    grants = [
        (verb, group, resource, None)
        for each in role["rules"]
        for group in each.get("apiGroups", ())
        for resource in each.get("resources", ())
        for verb in each["verbs"]
    ]
    paths = tuple(path for each in role["rules"] for path in each.get("nonResourceURLs", ()))
    return Rights(tuple(grants), paths=paths, basic=False)


def asks(seen: Sequence[Seen]) -> list[Ask]:
    return [Request.of(each.method, f"{each.path}?{each.query}", {}, b"").ask for each in seen]


def compare(bed: ClusterBed, role: Mapping[str, Any]) -> None:
    """What was asked is what the role grants, no less and no more."""
    wanted = {(ask.verb, ask.group, ask.resource.partition("/proxy/")[0]) for ask in asks(bed.requests) if ask.resource}
    granted = {(verb, group, resource) for verb, group, resource, _ in rights_of(role).grants or ()}
    whatever = {(verb, group) for verb, group, resource in granted if resource == "*"}
    assert {each for each in wanted if each[:2] not in whatever} == {each for each in granted if each[:2] not in whatever}
    assert whatever <= {each[:2] for each in wanted}
    assert {(ask.verb, ask.path) for ask in asks(bed.requests) if not ask.resource} <= {
        ("get", "/version"), ("get", "/api"), ("get", "/apis"),
    }  # fmt: skip
    assert bed.writes == []
    assert {(each.method, each.path) for each in bed.requests if each.method != "GET"} == {
        ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")
    }


def files_of(bundle: Path) -> Iterator[bytes]:
    """Every byte of a bundle, unpacked."""
    for file in sorted(bundle.rglob("*")):
        if file.is_file():
            yield file.read_bytes()
            if file.suffix == ".gz":
                yield gzip.decompress(file.read_bytes())
