"""Whole scans of a cloud: what is odd costs itself, what is secret is in no output, and what a plan says of the quota."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.gcp.bed.contents import Cloud, Listed
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.report.words import what_of
from tests.clusters import rule, shipping, verdicts
from tests.gcps import ONE, ORGANIZATION, TWO, bucket, cloud, environment, scan

SECRET = "hunter2-planted-secret"
COLLECTOR = """
service: probe
client: asset
facts:
  gcp.probe.instance:
    about: Machines.
    once_per: connection
    list: {call: compute.googleapis.com/Instance, items: assets, target: project, in_region: resource.location}
    key: '{id}'
    columns:
      name: {type: text, from: resource.data.name}
      forwards: {type: boolean, from: resource.data.canIpForward, absent: false}
      metadata: {type: json, from: resource.data.metadata}
      environment: {type: json, from: resource.data.environmentVariables}
      changed_at: {type: timestamp, from: updateTime}
      seen_at: {type: timestamp, from: seenAt}
  gcp.probe.sink:
    about: Sinks of a place.
    once_per: target
    list: {call: 'logging/v2:sinks', items: sinks, needs: logging.sinks.list}
    key: '{name}'
    columns: {name: {type: text, from: name}}
"""
RULES = {"instance": "NOT forwards", "sink": "name LIKE 'good%'"}


@pytest.fixture(scope="module", autouse=True)
def _own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    rules = [rule(name, f"gcp.probe.{name}", passes, service="gcp.probe") for name, passes in RULES.items()]
    with shipping(tmp_path_factory.mktemp("pack"), {"gcp/probe": COLLECTOR}, rules):
        yield


def instance(name: str, project: str = ONE, **data: Any) -> dict[str, Any]:
    made = bucket(name, project, **data)
    full = f"//compute.googleapis.com/projects/{project}/zones/europe-west1-b/instances/{name}"
    return {**made, "assetType": "compute.googleapis.com/Instance", "name": full}


def planted() -> Cloud:
    items = [
        {"key": key, "value": f"#!/bin/sh\nexport PASSWORD={SECRET}"} for key in ("startup-script", "ssh-keys", "user-data", "windows-x")
    ]
    said: dict[str, Any] = {"metadata": {"items": items}, "environmentVariables": {"DB_PASSWORD": SECRET}, "canIpForward": True}
    return cloud(instance("\x1b[31mred\u202e", **said), instance("odd", canIpForward="maybe"), instance("fine"), instance("other", TWO))


def test_an_organization_is_one_listing_and_a_target_for_each_project() -> None:
    with GcpBed(planted()) as bed:
        with scan(bed, ORGANIZATION) as done:
            found = {(each.target, each.rule, each.verdict) for each in done.results()}
        assert {target for target, name, _ in found if "instance" in name} == {f"gcp:{ONE}", f"gcp:{TWO}"}
        assert len([each for each in bed.requests if "Instance" in each.query]) == 1
        assert sorted(each.path for each in bed.requests if each.path.endswith("sinks")) == [
            f"logging/v2/{place}/sinks" for place in (ORGANIZATION, f"projects/{TWO}", f"projects/{ONE}")
        ]


def test_what_is_refused_for_one_project_is_a_gap_of_that_project_alone() -> None:
    made = planted()
    made.denied = {f"projects/{TWO}": ("logging.*",)}
    for place in (f"projects/{ONE}", ORGANIZATION):
        made.answer(f"logging/v2/{place}/sinks", Listed("sinks", [{"name": "good"}]))
    with GcpBed(made) as bed, scan(bed, ORGANIZATION) as done:
        assert {line.target for line in done.coverage if not line.complete} == {f"gcp:{TWO}"}


def test_a_field_of_another_type_costs_itself() -> None:
    with GcpBed(planted()) as bed, scan(bed) as done:
        said = {resource.rpartition("/")[2]: verdict for (name, resource), verdict in verdicts(done).items() if name == "instance"}
        assert said["odd"][0] == "unknown"
        assert said["fine"] == ("pass", "")


def test_what_was_planted_is_in_no_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = f"the script says {SECRET}"
    troubles = [Trouble("PERMISSION_DENIED", message=message, metadata={"x": SECRET}, where="sinks")]
    with GcpBed(planted(), troubles=troubles) as bed, scan(bed, output=tmp_path / "bundle") as done:
        texts = [json.dumps(done.report(), default=str)]
    out, err = capfd.readouterr()
    texts += [out, err, *(file.read_bytes().decode("utf-8", "replace") for file in (tmp_path / "bundle").rglob("*") if file.is_file())]
    assert len(texts) > 4
    assert not [text[:200] for text in texts if SECRET in text]


def test_a_scan_that_saw_what_is_of_no_target_is_a_bundle_that_can_be_read(tmp_path: Path) -> None:
    strange = {**instance("strange"), "name": "//compute.googleapis.com/x", "ancestors": ["projects/99999", ORGANIZATION]}
    with GcpBed(cloud(instance("fine"), strange)) as bed:
        with scan(bed, ORGANIZATION, output=tmp_path) as done:
            assert [(line.target, line.items) for line in done.coverage if line.part == "outside"] == [("", 1)]
            said = verdicts(done)
        assert run(["verify", str(next(tmp_path.iterdir()))]) == 0
        with api.evaluate(next(tmp_path.iterdir())) as again:
            assert verdicts(again) == said


def test_a_quota_is_kept_without_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnamm_scan.providers.gcp.quota.CALLS", 1)
    monkeypatch.setattr("cnamm_scan.providers.gcp.quota.SECONDS", 0.3)
    with GcpBed(planted(), quota=(1, 0.25)) as bed:
        with scan(bed, limits=Limits(attempts=2, deadline=20)) as done:
            assert ("pass", "") in verdicts(done).values()
        assert [each.code for each in bed.requests if each.method == "ListAssets"] == ["OK", "OK"]


def test_the_quota_of_a_service_is_waited_for_once_it_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three places are asked for their sinks, one project pays for all, and it has two calls in a moment."""
    monkeypatch.setattr("cnamm_scan.providers.gcp.quota.SECONDS", 0.6)
    with GcpBed(planted(), quota=(2, 0.5)) as bed:
        with scan(bed, ORGANIZATION, limits=Limits(attempts=2, deadline=20)) as done:
            assert [line for line in done.coverage if not line.complete] == []
        said = [each.code for each in bed.requests if each.path.endswith("sinks")]
        assert sorted(said) == ["OK", "OK", "OK", "RESOURCE_EXHAUSTED"]


def test_a_plan_says_what_the_quota_makes_of_it(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(["plan", "gcp"]) == 0
    said = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "1 of them are listings of Asset Inventory, and each 1,000 assets of a type takes one more" in said
    assert "a minute takes 100 calls, so none of them waits" in said
    assert run(["plan", "gcp", "--format=json"]) == 0
    described = json.loads(capsys.readouterr().out)[0]
    assert described["paced"]["calls"] == 1
    from cnamm_scan.cli import plan

    many = {"listings": 900, "calls": 250, "a_minute": 100, "what": "listings", "pages": "each 1,000"}
    told = "250 of them are 900 listings where there is little of each, and each 1,000 takes one more"
    assert plan._told_pace(many) == f"{told}: a minute takes 100 calls, so they take 2 minutes at least"
    of_many = {**described, "paced": many, "services": [{**described["services"][0], "account": 930}]}
    plan._print(click.Context(plan.command), of_many)
    assert "at least 280 calls, and those for items" in re.sub(r"\s+", " ", capsys.readouterr().out), "900 listings are 250 of them"


def test_what_is_not_enabled_or_not_of_this_level_is_said_with_what_helps(capsys: pytest.CaptureFixture[str]) -> None:
    made = planted()
    made.disabled = {f"projects/{ONE}": frozenset({"logging.googleapis.com"})}
    helps = "gcloud services enable SERVICE.googleapis.com --project PROJECT"
    with GcpBed(made) as bed, environment(bed):
        assert run(["plan", f"gcp:{ONE}", "--preflight", "--api-endpoint", bed.url, "--ca-bundle", str(bed.ca)]) == 0
        err = capsys.readouterr().err
        assert "1 of 2 kinds answer\n" in err
        assert f"API or service not enabled: enable them in the project that pays for the calls: {helps}\n" in err
        with scan(bed) as done:
            (row,) = [each for each in done.report()["unseen"] if each["reason"] == "api_disabled"]
            assert row["would_show"].endswith(helps)
            assert what_of(row) == "probe:sinks refused: API or service not enabled"


@pytest.mark.parametrize(("lacks", "said"), [(0, ""), (1, " (1 kind is {})"), (2, " (2 kinds are {})")])
def test_what_a_project_does_not_have_is_not_called_uninstalled(lacks: int, said: str) -> None:
    from cnamm_scan.cli.plan import _told_of
    from cnamm_scan.engine.preflight import NOT_THERE, OK, Preflight, Tried
    from cnamm_scan.providers.catalog import KINDS

    tried = [Tried((), f"gcp:{ONE}", "", status, (), (), (), ()) for status in (OK, *[NOT_THERE] * lacks)]
    (line,) = _told_of("gcp", Preflight(tuple(tried), (), by_kind=True))
    lacking = KINDS["gcp"].lacking
    assert line == "1 of 1 kinds answer" + said.format(lacking)
    assert [each.row(lacking)["status"] for each in tried] == ["ok", *[lacking] * lacks]


def test_rights_are_tried_with_one_asset(capsys: pytest.CaptureFixture[str]) -> None:
    made = planted()
    made.denied = {f"projects/{ONE}": ("logging.*",)}
    with GcpBed(made) as bed, environment(bed):
        flags = ["--api-endpoint", bed.url, "--ca-bundle", str(bed.ca), "--format=json"]
        assert run(["plan", f"gcp:{ONE}", "--preflight", *flags]) == 0
    out, err = capsys.readouterr()
    assert [(each["needs"], each["status"]) for each in json.loads(out)] == [
        (["cloudasset.assets.listResource"], "ok"),
        (["logging.sinks.list"], "denied (IAM_PERMISSION_DENIED)"),
    ]
    assert "grant: logging.sinks.list" in err
