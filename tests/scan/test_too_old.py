"""What its own source calls too old is a gap, in every provider: through the real clients, into a bundle and out, and at the command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from jsonschema import Draft202012Validator

from cnamm_scan import api
from cnamm_scan.cli import main
from cnamm_scan.demo.aws.bed.proxy import Call, FaultProxy
from cnamm_scan.demo.azure.bed.contents import TABLE
from cnamm_scan.demo.azure.bed.server import AzureBed
from cnamm_scan.demo.cluster.bed.server import ClusterBed
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Coverage
from cnamm_scan.report import markdown
from tests.azures import ONE, environment, tenant
from tests.clusters import QUICK, cluster, crd, rule, shipping, thing, verdicts
from tests.clusters import scan as scan_cluster

SCHEMA = json.loads((files("cnamm_scan.report") / "report-1.schema.json").read_text())
NINE_DAYS, HOURS = timedelta(days=9, hours=-1), timedelta(hours=2)
COLLECTOR = """
service: probe
client: example.com/v1
facts:
  kubernetes.probe.scan:
    about: One row for each report of a scanner.
    once_per: target
    list: {call: scans, items: items}
    key: '{metadata.namespace}/{metadata.name}'
    as_of: report.at
    columns: {name: {type: text, from: metadata.name}, flaws: {type: integer, from: report.flaws}}
  kubernetes.probe.namespace:
    about: One row for each namespace.
    once_per: target
    list: {call: 'v1:namespaces', items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
"""
RULES = [
    rule("clean", "kubernetes.probe.scan", "flaws = 0"),
    rule(
        "some",
        "kubernetes.probe.namespace",
        "true = ANY (SELECT s.flaws = 0 FROM kubernetes.probe.scan s WHERE s.target = this.target)",
        where="name = 'shop'",
        tests={"pass": [{}], "fail": [{}], "unknown": [{}], "not_applicable": [{}]},
    ),
]


def at(age: timedelta) -> str:
    return (datetime.now(UTC) - age).isoformat().replace("+00:00", "Z")


def lines(done: api.Scan, table: str) -> dict[str, Coverage]:
    return {line.part: line for line in done.coverage if line.table == table and line.part in ("age", "stale")}


# ---- each provider -------------------------------------------------------------------------------------------------------

_MADE = re.compile(rb"<GeneratedTime>[^<]*</GeneratedTime>")


@pytest.mark.parametrize(("age", "verdict"), [(HOURS, ("pass", "")), (NINE_DAYS, ("unknown", "stale"))])
@pytest.mark.usefixtures("aws_environment")
def test_a_credential_report_of_aws(fresh_moto: str, age: timedelta, verdict: tuple[str, str]) -> None:
    iam = boto3.client("iam", region_name="us-east-1", endpoint_url=fresh_moto)
    iam.create_user(UserName="ann")
    iam.create_access_key(UserName="ann")

    def rewrite(call: Call, status: int, body: bytes) -> bytes:
        made = f"<GeneratedTime>{at(age)}</GeneratedTime>".encode()
        return _MADE.sub(made, body) if call.operation == "GetCredentialReport" else body

    with FaultProxy(fresh_moto, rewrite=rewrite) as proxy:
        options = api.TargetOptions(endpoint_url=proxy.url)
        with api.scan(["aws"], rules="aws.iam.access_key_age", options=options, limits=Limits(attempts=1, rate=1000, burst=1000)) as done:
            assert {(each.verdict.value, each.reason) for each in done.results()} == {verdict}
            told = lines(done, "aws.iam.credential_report")
            assert (told["age"].items, told["age"].undated) == (1, 0)
            assert ("stale" in told) is (verdict[1] == "stale")


@pytest.mark.parametrize(("age", "verdict"), [(HOURS, ("fail", "")), (NINE_DAYS, ("unknown", "stale"))])
def test_a_patch_assessment_of_azure(age: timedelta, verdict: tuple[str, str]) -> None:
    machine = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web"
    missing = {"critical": 1, "security": 0}
    assessment = {
        "id": f"{machine}/patchAssessmentResults/latest",
        "type": "microsoft.compute/virtualmachines/patchassessmentresults",
        TABLE: "patchassessmentresources",
        "location": "westeurope",
        "properties": {"status": "Succeeded", "lastModifiedDateTime": at(age), "availablePatchCountByClassification": missing},
    }
    group = {"id": f"/subscriptions/{ONE}/resourceGroups/rg", "location": "westeurope"}
    with AzureBed(tenant(group, assessment)) as bed, environment(bed):
        options = api.TargetOptions(**bed.options())
        with api.scan([f"azure:{ONE}"], rules="azure.compute.machine_patched", options=options, limits=QUICK) as done:
            (found,) = done.results()
            assert ((found.verdict.value, found.reason), found.resource) == (verdict, f"{machine}/patchAssessmentResults/latest".lower())
            assert lines(done, "azure.compute.patch_assessment")["age"].items == 1


@pytest.mark.parametrize(("age", "verdict"), [(HOURS, ("pass", "")), (NINE_DAYS, ("unknown", "stale"))])
def test_a_configuration_of_a_machine_of_azure(age: timedelta, verdict: tuple[str, str]) -> None:
    """What a machine that reports no more said last is no news of how it is now."""
    machine = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/web"
    assignment = {
        "id": f"{machine}/providers/Microsoft.GuestConfiguration/guestConfigurationAssignments/AzureLinuxBaseline",
        TABLE: "guestconfigurationresources",
        "properties": {
            "guestConfiguration": {"name": "AzureLinuxBaseline"},
            "complianceStatus": "Compliant",
            "lastComplianceStatusChecked": at(age),
        },
    }
    group = {"id": f"/subscriptions/{ONE}/resourceGroups/rg", "location": "westeurope"}
    with AzureBed(tenant(group, assignment)) as bed, environment(bed):
        options = api.TargetOptions(**bed.options())
        with api.scan([f"azure:{ONE}"], rules="azure.guestconfiguration.baseline_is_met", options=options, limits=QUICK) as done:
            assert [(found.verdict.value, found.reason) for found in done.results()] == [verdict]


class Shown(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Shown]:
    def run(*arguments: str) -> Shown:
        code = main.run(list(arguments))
        return Shown(code, *capsys.readouterr())

    return run


def report(name: str, age: timedelta | None, **said: Any) -> dict[str, Any]:
    dated = {} if age is None else {"at": at(age)}
    return thing("Scan", name, "shop", api="example.com/v1", report={"flaws": 0, **dated, **said})


@contextmanager
def scanned(folder: Path, *reports: dict[str, Any], **how: Any) -> Iterator[api.Scan]:
    """A scan of a cluster that holds these reports, by a little content."""
    with (
        shipping(folder / "pack", {"kubernetes/probe": COLLECTOR}, RULES),
        ClusterBed(cluster(crd("scans", "Scan", "v1"), *reports)) as bed,
        scan_cluster(bed, folder, output=folder, **how) as done,
    ):
        yield done


OLD = ("unknown", "stale")


def test_reports_in_a_cluster(tmp_path: Path) -> None:
    with scanned(tmp_path, report("old", NINE_DAYS), report("young", HOURS), report("silent", None)) as done:
        found = {which: said for which, said in verdicts(done).items() if said != ("not_applicable", "")}
        assert found == {
            ("clean", "shop/old"): OLD,
            ("clean", "shop/young"): ("pass", ""),
            ("clean", "shop/silent"): ("pass", ""),
            ("some", "shop"): ("pass", ""),
        }
        told = lines(done, "kubernetes.probe.scan")
        assert (told["age"].items, told["age"].undated, told["age"].complete) == (2, 1, True)
        assert (told["stale"].items, told["stale"].gaps, told["stale"].status) == (1, {"stale": 1}, "stale")
        assert told["stale"].oldest_at == told["age"].oldest_at != ""


def test_what_is_too_old_passes_nothing_and_is_said_with_the_way_out(tmp_path: Path) -> None:
    with scanned(tmp_path, report("old", NINE_DAYS), report("older", timedelta(days=20, hours=-1))) as done:
        assert set(verdicts(done).values()) - {("not_applicable", "")} == {OLD}
        told = done.report()
        Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(told)))
        (gap,) = [each for each in told["gaps"] if each["reason"] == "stale"]
        (cause,) = [each for each in told["unseen"] if each["reason"] == "stale"]
        (age,) = told["ages"]
        assert (gap["tables"], gap["calls"], gap["rights"]) == (["kubernetes.probe.scan"], 2, [])
        assert {"kubernetes.probe.clean", "kubernetes.probe.some"} == set(gap["rules"]) == set(cause["rules"])
        assert cause["age"] == "20 days"
        assert cause["would_show"].endswith("cnamm-scan evaluate BUNDLE --max-age 20d")
        assert (age["table"], age["rows"], age["stale"], age["age"]) == ("kubernetes.probe.scan", 2, 2, "20 days")
        assert told["scan"]["max_age"] == 8 * 86_400
        said = markdown.render(told)
        assert "last evaluated up to 20 days ago, longer than --max-age" in said
        assert "oldest vendor evaluation: 20 days before the scan (kubernetes.probe.scan)." in said
        rows = {
            each["status"]: each for each in done.query("SELECT status, oldest_at, undated FROM coverage WHERE part IN ('age', 'stale')")
        }
        assert rows["ok"]["oldest_at"] == rows["stale"]["oldest_at"] is not None
        assert done.query("SELECT name FROM kubernetes.probe.scan WHERE flaws = 0") == []


# ---- a bundle says the same, years later ---------------------------------------------------------------------------------


def test_a_bundle_is_judged_as_on_the_day_or_by_another_bound(tmp_path: Path) -> None:
    with scanned(tmp_path, report("old", NINE_DAYS), report("young", HOURS)) as done:
        before, path, score = verdicts(done), done.path, done.score()
        assert done.bundle is not None
        (young, old) = sorted(
            (each for each in done.bundle.entries("fact") if "as_of" in each), key=lambda each: each["as_of"], reverse=True
        )
        assert (old["key"], young["key"]) == ("shop/old", "shop/young")
        assert "at" not in old["data"].get("report", {})  # beside what it says: what is only looked at again is the same
    assert path is not None
    with api.load_bundle(path) as loaded:
        assert (verdicts(loaded), loaded.score()) == (before, score)
        assert lines(loaded, "kubernetes.probe.scan").keys() == {"age", "stale"}
    with api.evaluate(path) as again:
        assert (verdicts(again), again.score()) == (before, score)
        assert len([line for line in again.coverage if line.part == "stale"]) == 1
        assert again.scan["max_age"] == 8 * 86_400
    with api.evaluate(path, max_age="30d") as wider:
        assert verdicts(wider)["clean", "shop/old"] == ("pass", "")
        assert "stale" not in lines(wider, "kubernetes.probe.scan")
        assert wider.report()["scan"]["max_age"] == 30 * 86_400
        assert len(wider.query("SELECT name FROM kubernetes.probe.scan WHERE flaws = 0")) == 2
    with api.evaluate(path, max_age=timedelta(hours=1)) as narrower:
        assert {verdicts(narrower)["clean", name] for name in ("shop/old", "shop/young")} == {OLD}
        assert verdicts(narrower)["some", "shop"] == OLD


def test_the_bound_of_a_scan_is_its_own(tmp_path: Path) -> None:
    with scanned(tmp_path, report("old", NINE_DAYS), max_age="10d") as done:
        assert verdicts(done)["clean", "shop/old"] == ("pass", "")
        path = done.path
    assert path is not None
    with api.evaluate(path) as again:
        assert verdicts(again)["clean", "shop/old"] == ("pass", "")


def test_what_a_killed_scan_has_left_is_judged_by_its_own_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had found too old is found again, and told once."""

    def killed(*_: Any) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("cnamm_scan.judged.sealing.write_scores", killed)
        with pytest.raises(MemoryError), scanned(tmp_path, report("old", NINE_DAYS), report("young", HOURS), max_age="3h"):
            pass
    (left,) = tmp_path.glob("*.partial")
    with api.evaluate(left) as done:
        assert verdicts(done)["clean", "shop/old"] == OLD
        assert verdicts(done)["clean", "shop/young"] == ("pass", "")
        assert [line.items for line in done.coverage if line.part == "stale"] == [1]
        assert done.path is not None
        with api.load_bundle(done.path) as sealed:
            assert [line.items for line in sealed.coverage if line.part == "stale"] == [1]
            assert sealed.scan["max_age"] == 3 * 3600


@pytest.mark.parametrize("said", ["8", "soon", timedelta(0), timedelta(days=-1), timedelta(days=99_999)])
def test_what_is_no_age_is_refused_before_anything_is_asked(said: str | timedelta, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no age"):
        api.scan(["kubernetes"], max_age=said, output=tmp_path)
    assert not list(tmp_path.iterdir())


# ---- at the command line -------------------------------------------------------------------------------------------------


def test_the_command_line_says_it(tmp_path: Path, run: Callable[..., Shown]) -> None:
    with scanned(tmp_path, report("old", NINE_DAYS), report("young", HOURS)) as done:
        path = str(done.path)
    shown = run("report", path)
    assert "oldest vendor evaluation: 9 days before the scan (kubernetes.probe.scan)" in shown.out
    assert "--max-age" in shown.out
    one = json.loads(run("results", path, "--verdict", "unknown").out)
    assert (one["resource"], one["reason"], one["values"]["age"], one["values"]["max_age"]) == ("shop/old", "stale", "9 days", "8d")
    assert one["message"].endswith("(last evaluated 9 days ago, older than --max-age 8d)")
    assert "oldest vendor evaluation: 9 days before the scan" in run("results", path, "--format", "table").err
    wider = run("evaluate", path, "--max-age", "30d", "--format", "json")
    assert json.loads(wider.out)["ages"][0]["stale"] == 0
    narrower = run("evaluate", path, "--max-age", "1h", "--format", "json")
    assert json.loads(narrower.out)["ages"][0]["stale"] == 2


@pytest.mark.parametrize("command", ["scan", "evaluate"])
def test_an_odd_age_is_bad_usage(command: str, run: Callable[..., Shown]) -> None:
    shown = run(command, "x", "--max-age", "9 days")
    assert shown.code == 2
    assert "'9 days' is no age" in shown.err
    assert "8d" in shown.err
