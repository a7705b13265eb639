"""Bad days: bodies cut off, dark regions, credentials that end, Ctrl-C, a full disk, a folder that is none."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.aws.bed.proxy import Call, Fault, FaultProxy
from cnamm_scan.demo.aws.bed.refusals import Kind
from cnamm_scan.demo.aws.estate.shop import demo_rewrite
from cnamm_scan.engine.schedule import DARK_AFTER, Limits
from tests.small_files import small_files

HOME, AWAY = "us-east-1", "eu-west-1"
COMMAND = [sys.executable, "-c", "from cnamm_scan.cli.main import main; main()"]
REGIONAL = ["aws.kms.key_rotates", "aws.sqs", "aws.dynamodb.table_labelled", "aws.sns", "aws.ecr"]
"""Rules that read regional tables of half a dozen services."""


@pytest.fixture(scope="module")
def seeded(moto_once_fresh: str, aws_environment: None) -> str:
    for region in (HOME, AWAY):

        def made(service: str, region: str = region) -> Any:
            return boto3.client(service, region_name=region, endpoint_url=moto_once_fresh)

        key = made("kms").create_key(Description="ours")["KeyMetadata"]["KeyId"]
        made("kms").enable_key_rotation(KeyId=key)
        made("kms").create_key(Description="never turned")
        made("sqs").create_queue(QueueName="queue")
        made("sns").create_topic(Name="topic")
        made("ecr").create_repository(repositoryName="shop")
        made("dynamodb").create_table(
            TableName="table",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    s3 = boto3.client("s3", region_name=HOME, endpoint_url=moto_once_fresh)
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    s3.create_bucket(Bucket="never")
    return moto_once_fresh


@pytest.fixture
def bed(seeded: str) -> Iterator[FaultProxy]:
    with FaultProxy(seeded, rewrite=demo_rewrite) as proxy:
        yield proxy


def scan(proxy: FaultProxy, *rules: str, regions: tuple[str, ...] = (), timeout: float = 30.0, **limits: Any) -> api.Scan:
    # who waits for nothing has time: on a busy machine an answer that comes late is another reason than the one that is tried
    settings: dict[str, Any] = {"attempts": 2, "deadline": 60, "rate": 1000, "burst": 1000} | limits
    options = api.TargetOptions(endpoint_url=proxy.url, call_timeout=timeout)
    return api.scan(["aws"], rules=rules, regions=regions, options=options, limits=Limits(**settings))


def command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120, check=False, **more)


def three_parts(error: str) -> tuple[str, str, str]:
    """The parts of the one message on stderr: what, where, what to do."""
    lines = [line for line in error.splitlines() if line.strip()]
    assert len(lines) == 3, error
    assert lines[0].startswith("error: ")
    assert lines[1].startswith("  at: ")
    assert lines[2].startswith("  do: ")
    return lines[0], lines[1], lines[2]


# ---- bodies --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'{"oops": [', b""], ids=["cut", "empty"])
def test_keys_that_were_not_told_are_not_no_keys(bed: FaultProxy, body: bytes) -> None:
    """botocore makes {} of it, and {} would say that there is no key: not applicable."""

    def rewrite(call: Call, status: int, told: bytes) -> bytes:
        return body if (call.operation, call.region) == ("ListKeys", AWAY) else demo_rewrite(call, status, told)

    bed.rewrite = rewrite
    with scan(bed, "aws.kms.key_rotates", regions=(HOME, AWAY)) as done:
        assert [(r.verdict.value, r.reason) for r in done.results() if r.region == AWAY] == [("unknown", "malformed")]
        assert {result.verdict.value for result in done.results() if result.region == HOME} == {"pass", "fail"}
        assert {line.status for line in done.coverage if line.region == AWAY and line.part == "list"} == {"malformed"}


@pytest.mark.parametrize("kind", ["empty", "malformed"])
def test_versioning_that_was_not_told_is_not_never(bed: FaultProxy, kind: Kind) -> None:
    bed.faults[:] = [Fault(kind, operation="GetBucketVersioning")]
    with scan(bed, "aws.s3.bucket_versioning", regions=(HOME,)) as done:
        facts = done.query("SELECT name, versioning FROM aws.s3.bucket ORDER BY name")
        assert [(fact["name"], fact["versioning"]) for fact in facts] == [("kept", None), ("never", None)]
        assert {line.gaps.get("malformed") for line in done.coverage if line.part == "versioning"} == {2}
        assert {result.verdict.value for result in done.results()} == {"unknown"}


def test_versioning_that_was_told_is_as_it_is(bed: FaultProxy) -> None:
    with scan(bed, "aws.s3.bucket_versioning", regions=(HOME,)) as done:
        facts = done.query("SELECT name, versioning FROM aws.s3.bucket ORDER BY name")
        assert [(fact["name"], fact["versioning"]) for fact in facts] == [("kept", "Enabled"), ("never", "Never")]


# ---- regions -------------------------------------------------------------------------------------------------------------


def seen_regions(done: api.Scan) -> dict[str, tuple[str, str]]:
    return {region["name"]: (region["state"], region["seen"]) for region in done.scan["targets"][0]["regions"]}


def test_a_closed_region_is_one_unknown_for_each_rule_and_evidence_of_itself(bed: FaultProxy) -> None:
    bed.faults[:] = [Fault("denied_scp", region=AWAY)]
    with scan(bed, *REGIONAL) as done:
        assert seen_regions(done)[AWAY] == ("enabled", "denied")
        away = [result for result in done.results() if result.region == AWAY]
        assert away
        assert {(result.verdict.value, result.reason) for result in away} == {("unknown", "denied")}
        assert set(Counter(result.rule for result in away).values()) == {1}
        assert done.query("SELECT name FROM aws.account.region WHERE seen = 'denied'") == [{"name": AWAY}]


@pytest.mark.parametrize("kind", ["reset", "timeout"])
def test_a_region_in_the_dark_is_given_up_soon(bed: FaultProxy, kind: Kind) -> None:
    bed.faults[:] = [Fault(kind, region=AWAY, hold=4)]
    with scan(bed, *REGIONAL, "aws.lambda", "aws.logs", "aws.rds", "aws.elbv2", "aws.ecs", timeout=2.0, concurrency=4, attempts=1) as done:
        assert seen_regions(done)[AWAY] == ("enabled", "unreachable")
        assert seen_regions(done)[HOME] == ("enabled", "listed")
        asked = [call for call in bed.calls if call.region == AWAY]
        listings = {(line.table, line.operation) for line in done.coverage if line.region == AWAY and line.part == "list"}
        services = list(dict.fromkeys(call.service for call in asked))
        assert len(services) >= DARK_AFTER
        third = next(number for number, call in enumerate(asked) if call.service == services[DARK_AFTER - 1])
        # with the third service to fail the region is dark: what is asked after that was under way, on four threads
        assert len(asked) - third <= 8
        assert len(asked) + 5 < len(listings)
        reasons = {result.reason for result in done.results() if result.region == AWAY}
        assert reasons <= {"unreachable", "timed_out"}
        assert {result.verdict.value for result in done.results() if result.region == AWAY} == {"unknown"}


def test_a_region_that_is_not_opted_into_is_no_gap(bed: FaultProxy) -> None:
    with scan(bed, "aws.kms.key_rotates") as done:
        assert seen_regions(done)["ap-northeast-1"] == ("opt_in_off", "off")
        assert not [result for result in done.results() if result.region == "ap-northeast-1"]
        assert not [call for call in bed.calls if call.region == "ap-northeast-1"]


def test_a_region_left_out_is_unknown_not_gone(bed: FaultProxy) -> None:
    with scan(bed, "aws.kms.key_rotates", regions=(HOME,)) as done:
        assert seen_regions(done)[AWAY] == ("enabled", "excluded")
        outside = [(result.verdict.value, result.reason) for result in done.results() if result.region != HOME]
        assert outside == [("unknown", "excluded")]  # one for all that a person left out


def test_regions_that_may_not_be_listed_can_be_named(bed: FaultProxy) -> None:
    bed.faults[:] = [Fault("denied", operation="DescribeRegions")]
    with scan(bed, "aws.kms.key_rotates", regions=(HOME, AWAY)) as done:
        for region in (HOME, AWAY):
            assert {result.verdict.value for result in done.results() if result.region == region} == {"pass", "fail"}
        line = next(line for line in done.coverage if line.table == "aws.account.region")
        assert (line.status, line.complete) == ("denied", False)


def test_a_region_that_does_not_exist_is_bad_usage(bed: FaultProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["scan", "aws", "--region", "eu-wset-1", "--endpoint-url", bed.url, "--output", str(tmp_path)])
    assert code == 2
    assert "did you mean" in three_parts(capsys.readouterr().err)[2]
    assert list(tmp_path.iterdir()) == []


# ---- credentials ---------------------------------------------------------------------------------------------------------


def test_credentials_that_end_in_mid_scan_leave_a_bundle(bed: FaultProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bed.faults[:] = [Fault("expired", operation="GetKeyRotationStatus")]
    arguments = ["scan", "aws", "--region", HOME, "--region", AWAY, "--concurrency", "1", "--endpoint-url", bed.url, "--format", "json"]
    for rule in REGIONAL:
        arguments += ["--rule", rule]
    assert run([*arguments, "--output", str(tmp_path)]) == 1  # nobody takes it for a whole scan
    told = capsys.readouterr()
    about = [line for line in told.err.splitlines() if "credentials ended" in line]
    assert len(about) == 1
    assert "ExpiredToken" in about[0]
    assert "sign in again" in told.err
    ends = [number for number, call in enumerate(bed.calls) if call.operation == "GetKeyRotationStatus"]
    assert ends == [len(bed.calls) - 1]  # nothing was asked with credentials known to be dead
    (bundle,) = tmp_path.glob("*.cnamm")
    with api.load_bundle(bundle) as done:
        assert "credentials" in {result.reason for result in done.results("unknown")}
        assert {verdict for verdict, reason in ((r.verdict.value, r.reason) for r in done.results()) if reason == "credentials"} == {
            "unknown"
        }
    assert run(["verify", str(bundle)]) == 0


def test_no_credentials_is_three_lines(
    monkeypatch: pytest.MonkeyPatch, seeded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    assert run(["scan", "aws", "--endpoint-url", seeded, "--output", str(tmp_path)]) == 1
    told = capsys.readouterr()
    what, where, do = three_parts(told.err)
    assert "no usable AWS credentials" in what
    assert "environment variables" in where
    assert "SSO" in where
    assert "instance roles" in where
    assert "aws sts get-caller-identity" in do
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_profile_says_which_there_are(
    monkeypatch: pytest.MonkeyPatch, seeded: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").write_text("[profile production]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert run(["scan", "aws:prodution", "--endpoint-url", seeded, "--output", str(tmp_path / "out")]) == 2
    assert "did you mean 'production'?" in three_parts(capsys.readouterr().err)[2]
    assert not (tmp_path / "out").exists()


# ---- a connection that is closed under our hands -----------------------------------------------------------------------------


def test_a_server_that_hangs_up_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    """Whoever writes to a closed connection gets SIGPIPE; it must not kill the scan."""
    listening = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            connection.close()

    threading.Thread(target=hang_up, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        done = command("scan", "aws", "--endpoint-url", url, "--output", str(tmp_path), "--rule", "aws.kms.key_rotates")
        assert done.returncode == 1, done
        assert "AWS cannot be reached: unreachable" in three_parts(done.stderr)[0]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_a_reader_that_goes_away_is_no_error(seeded: str, bed: FaultProxy, tmp_path: Path) -> None:
    """`cnamm-scan results BUNDLE | head -1` ends quietly."""
    with scan(bed, *REGIONAL, "aws.account", regions=(HOME,)) as done:
        bundle = shutil.copytree(done.path or "", tmp_path / "copy.cnamm")
    sql = "SELECT r.name, s.name AS other, repeat('x', 200) AS x FROM aws.account.region r, aws.account.region s"
    with subprocess.Popen(
        [*COMMAND, "query", str(bundle), sql, "--format", "jsonl"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert process.stderr.read() == b""


# ---- Ctrl-C --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(bed: FaultProxy, tmp_path: Path) -> tuple[subprocess.CompletedProcess[str], Path]:
    """A scan that is stopped when it has made some of its calls."""
    bed.latency = 0.15
    arguments = ["scan", "aws", "--endpoint-url", bed.url, "--output", str(tmp_path), "--concurrency", "2", "--format", "json"]
    for rule in (*REGIONAL, "aws.ec2", "aws.s3", "aws.iam"):
        arguments += ["--rule", rule]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while len(bed.calls) < 25 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err), tmp_path


def test_ctrl_c_leaves_a_bundle_that_everything_can_read(
    interrupted: tuple[subprocess.CompletedProcess[str], Path], bed: FaultProxy, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, folder = interrupted
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "stopped before its end" in ended.stderr
    report = json.loads(ended.stdout)
    assert [entry.name for entry in folder.iterdir() if entry.name.endswith(".partial")] == []
    (bundle,) = folder.glob("*.cnamm")
    assert str(bundle) in ended.stderr
    for arguments in (
        ["verify", str(bundle)],
        ["report", str(bundle), "--format", "json"],
        ["evaluate", str(bundle), "--format", "json"],
        ["query", str(bundle), "SELECT count(*) AS n FROM aws.account.region"],
    ):
        assert run(arguments) == 0, arguments
    capsys.readouterr()
    with api.load_bundle(bundle) as done:
        assert done.interrupted
        assert done.scan["interrupted"] is True
        assert "interrupted" in {result.reason for result in done.results("unknown")}
        assert {r.verdict.value for r in done.results() if r.reason == "interrupted"} == {"unknown"}
        assert [line for line in done.coverage if line.status == "ok"], "something had been collected"
        assert report["scan"]["id"] == done.scan["id"]
    asked_at_the_end = len(bed.calls)
    assert asked_at_the_end < 25 + 20  # no more than was under way


# ---- disks ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, 20_000])
def test_a_disk_that_fills_up_leaves_nothing_that_looks_whole(bed: FaultProxy, tmp_path: Path, limit: int) -> None:
    """At the first fact, and while the content is laid beside them."""
    arguments = ["scan", "aws", "--endpoint-url", bed.url, "--output", str(tmp_path), "--region", HOME, "--rule", "aws.kms.key_rotates"]
    command = small_files(limit, "import sys; from cnamm_scan.cli.main import main; main(sys.argv[1:])")
    ended = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 1, ended
    what, where, do = three_parts(ended.stderr)
    assert "the bundle cannot be written: File too large" in what
    assert str(tmp_path) in where
    assert "--output" in do
    assert list(tmp_path.iterdir()) == []
    assert ended.stdout == ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("only root can mount")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(folder)], capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_file_system_leaves_nothing_that_looks_whole(bed: FaultProxy, small_disk: Path) -> None:
    ended = command(
        "scan", "aws", "--endpoint-url", bed.url, "--output", str(small_disk), "--region", HOME, "--rule", "aws.kms.key_rotates"
    )
    assert ended.returncode == 1
    what, where, _ = three_parts(ended.stderr)
    assert "No space left on device" in what
    assert str(small_disk) in where
    assert list(small_disk.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said_so(bed: FaultProxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    for output in (tmp_path / "file" / "below", Path("/proc/1/no-such-folder")):
        assert run(["scan", "aws", "--endpoint-url", bed.url, "--output", str(output), "--rule", "aws.kms.key_rotates"]) == 1
        told = capsys.readouterr()
        what, where, do = three_parts(told.err)
        assert "the bundle cannot be written" in what
        assert str(output) in where
        assert "--output" in do
        assert told.out == ""
    assert not [call for call in bed.calls if call.operation != "GetCallerIdentity"]  # found out before anything is asked
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_an_unfinished_bundle_is_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    partial = tmp_path / "20260101T000000Z-00000000.cnamm.partial"
    (partial / "entries").mkdir(parents=True)
    for name in ("verify", "report", "evaluate"):
        assert run([name, str(partial)]) == 1
        assert "never finished" in three_parts(capsys.readouterr().err)[0]
