"""All that ships against the demo's organization, with faults: a verdict of less is the verdict of everything, or unknown."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.cli.main import run
from cnamm_scan.demo.gcp.bed.contents import Cloud
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.demo.gcp.shop import ORGANIZATION, shop
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.providers.gcp import quota
from tests.gcps import environment, scan

Key = tuple[str, str, str]
"""(rule, target, resource)"""
LIMITS = Limits(attempts=2, rate=2000, burst=2000, deadline=20)
SAID = frozenset({"pass", "fail"})
OFF = b'{"error":{"code":403,"message":"x","errors":[{"reason":"accessNotConfigured"}]}}'
DENIED = ("PERMISSION_DENIED", "IAM_PERMISSION_DENIED")
BUCKET = "storage.googleapis.com/Bucket"


@dataclass(frozen=True)
class Look:
    """A scan as it ended."""

    said: Mapping[Key, str]
    broken: list[str]
    """Rules that could not be asked."""
    gaps: set[tuple[str, str]]
    """(table, code)"""


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quota, "CALLS", 1000)
        patch.setattr(quota, "SECONDS", 0.2)
        yield


def look(*troubles: Trouble, made: Cloud | None = None, **bed: Any) -> Look:
    with (
        GcpBed(made or shop(), troubles=troubles, **bed) as bed_,
        scan(bed_, ORGANIZATION, limits=LIMITS, options={"call_timeout": 2.0, **bed_.directory_options()}) as done,
    ):
        said = {(each.rule, each.target, each.resource): each.verdict.value for each in done.results()}
        gaps = {(line.table, line.code) for line in done.coverage if not line.complete}
        return Look(said, [tally.rule for tally in done.tallies if tally.error], gaps)


@pytest.fixture(scope="module")
def whole() -> Look:
    return look()


FAULTS: dict[str, list[Trouble]] = {
    "allow policies are refused": [Trouble(*DENIED, where="ListAssets .*IAM_POLICY")],
    "services are off where who pays lives": [Trouble(status=403, body=OFF, where="^GET ")],
}
SLOW: dict[str, list[Trouble]] = {
    "deny policies are refused": [Trouble(*DENIED, where=r"GET iam/v2/.*denypolicies\?")],
    "boundaries and the directory are refused": [Trouble(*DENIED, where=r"GET (iam/v3/.*Policies\?|cloudidentity|admin/)")],
    "bindings of boundaries are refused": [Trouble(*DENIED, where="GET iam/v3/.*:searchPolicyBindings")],
    "resources are refused": [Trouble(*DENIED, where="ListAssets .*RESOURCE (?!cloudresourcemanager.googleapis.com/Project$)")],
    "a deny policy is refused": [Trouble(*DENIED, where="GET iam/v2/.*denypolicies/")],
    "services say there is no such thing to ask": [Trouble("FAILED_PRECONDITION", where="^GET ")],
    "services send elsewhere": [Trouble(status=302, headers={"Location": "https://127.0.0.1:1/x"}, where="^GET ")],
    "services answer nothing": [Trouble(body=b"null", where="^GET ")],
    "a token to nowhere": [Trouble(change={"nextPageToken": "zzz"}, where="^GET ")],
    "half an answer": [Trouble(cut=True, where="GET (iam|logging|recommender)")],
}


@pytest.mark.parametrize("fault", [*FAULTS, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW)])
def test_a_verdict_of_less_is_the_verdict_of_everything_or_unknown(whole: Look, fault: str) -> None:
    held(whole, look(*{**FAULTS, **SLOW}[fault]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "trouble", [Trouble("INVALID_ARGUMENT", where="ListAssets .* page"), Trouble(repeats=True, where="page")], ids=["refused", "again"]
)
def test_pages_that_break_off(whole: Look, trouble: Trouble) -> None:
    held(whole, look(trouble, page=7, rest_page=1))


@pytest.mark.slow
def test_one_type_of_those_that_are_asked_for_together_costs_itself(whole: Look) -> None:
    made = shop()
    made.unsupported = frozenset({BUCKET})
    seen = look(made=made)
    held(whole, seen)
    own = {name for name, code in seen.gaps - whole.gaps if code == "INVALID_ARGUMENT"}
    assert own
    assert all(name.startswith("gcp.storage") or "bucket" in name for name in own), own


def held(whole: Look, seen: Look) -> None:
    """Nothing is said that was not said of everything, and what vanished is unknown."""
    assert seen.broken == []
    changed = {key: said for key, said in seen.said.items() if said in SAID and whole.said.get(key) != said}
    assert changed == {}
    lost = {key[:2] for key, said in whole.said.items() if said in SAID and key not in seen.said}
    unknown = {key[:2] for key, said in seen.said.items() if said == "unknown"}
    assert lost <= unknown
    assert {key for key, said in whole.said.items() if said in SAID and seen.said.get(key) == "not_applicable"} == set()


@pytest.mark.slow
def test_names_that_mean_harm_are_names(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Ways up, encoded slashes, what a terminal obeys, what a shell takes for a flag, and more than anybody reads."""
    made = shop()
    for kind in (BUCKET, "sqladmin.googleapis.com/Instance", "iam.googleapis.com/ServiceAccount", "compute.googleapis.com/Network"):
        one = next(each for each in made.assets[kind] if "resource" in each)
        for name in ("--help", "..", "a/../../b", "%2F%2e%2e", "x\x00y", "\x1b]0;pwn\x07", "\u202eevil", "z" * 10_000):
            made.assets[kind].append({**copy.deepcopy(one), "name": f"//{kind.partition('/')[0]}/projects/shop-prod/{name}"})
    made.assets[BUCKET].append(
        {**copy.deepcopy(made.assets[BUCKET][0]), "name": "//x/foreign", "ancestors": ["projects/99999", ORGANIZATION]}
    )
    with GcpBed(made) as bed, environment(bed):
        flags = ["--api-endpoint", bed.url, "--ca-bundle", str(bed.ca), "--output", str(tmp_path)]
        assert run(["scan", f"gcp:{ORGANIZATION}", *flags]) == 0
    bundle = str(next(tmp_path.iterdir()))
    for command in (["results", bundle], *(["report", bundle, "--format", each] for each in ("text", "json", "csv", "markdown"))):
        assert run(command) == 0, command
    out, err = capfd.readouterr()
    assert "%2F%2e%2e" in out
    assert not {*out, *err} & {"\x1b", "\x00", "\x07", "\u202e"}
    assert "Traceback" not in err
