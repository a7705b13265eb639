"""Every kind of call x every fault: the verdicts that rest on the call are `unknown` with that reason, and nothing else changes.

One scan holds a different fault on each kind of call at once; over the scans every pair comes up once.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.aws.bed.proxy import Call, Fault, FaultProxy
from cnamm_scan.demo.aws.bed.refusals import Kind
from cnamm_scan.demo.aws.estate.shop import demo_rewrite
from cnamm_scan.engine.schedule import Limits

HOME, AWAY = "us-east-1", "eu-west-1"
PORT = re.compile(r"(?<=127\.0\.0\.1):\d+")
"""Moto names queues by the port that they were asked at."""
Key = tuple[str, str, str]
"""Rule, region, resource."""

REASON: dict[Kind, str] = {
    "denied": "denied",
    "throttled": "throttled",
    "server_error": "server_error",
    "timeout": "timed_out",
    "reset": "unreachable",
    "malformed": "malformed",
    "empty": "malformed",
    "unsupported": "unsupported",
    "region_disabled": "region_disabled",
}
FAULTS: tuple[Kind, ...] = tuple(REASON)

COLLECTOR = """
service: probe
facts:
  aws.probe.user:
    about: A listing once for the account.
    once_per: account
    list: {call: iam:ListUsers, items: Users, needs: iam:ListUsers}
    key: '{UserName}'
    columns: {name: {type: text, from: UserName}}
  aws.probe.queue:
    about: A listing in every region.
    once_per: region
    list: {call: sqs:ListQueues, items: QueueUrls, needs: sqs:ListQueues}
    key: '{@}'
    columns:
      name: {type: text, from: '@'}
      is_work: {type: boolean, is: name LIKE '%work%'}
      is_queue: {type: boolean, is: name LIKE '%queue%'}
  aws.probe.bucket:
    about: A call for each item.
    once_per: account
    list: {call: s3:ListBuckets, items: Buckets, needs: s3:ListAllMyBuckets}
    key: '{Name}'
    then:
      versioning: {call: s3:GetBucketVersioning, with: {Bucket: Name}, needs: s3:GetBucketVersioning}
    columns: {name: {type: text, from: versioning.Status, absent: Never}}
  aws.probe.project:
    about: Many items described in one call.
    once_per: region
    list: {call: codebuild:ListProjects, items: projects, needs: codebuild:ListProjects}
    key: '{@}'
    then:
      detail: {call: codebuild:BatchGetProjects, needs: codebuild:BatchGetProjects, many: {names: '@'}, size: 2, items: projects, by: name}
    columns: {name: {type: text, from: detail.description, absent: ''}}
  aws.probe.group:
    about: Whose children are listed.
    once_per: account
    list: {call: iam:ListGroups, items: Groups, needs: iam:ListGroups}
    key: '{GroupName}'
    columns: {name: {type: text, from: GroupName}}
  aws.probe.member:
    about: A listing for each item of another.
    once_per: account
    list: {for: aws.probe.group, call: iam:GetGroup, with: {GroupName: parent.GroupName}, items: Users, needs: iam:GetGroup}
    key: '{parent.GroupName}/{UserName}'
    columns: {name: {type: text, from: UserName}}
  aws.probe.role:
    about: A call that two tables share.
    once_per: account
    list: {call: iam:ListRoles, items: Roles, needs: iam:ListRoles}
    key: '{RoleName}'
    columns: {name: {type: text, from: RoleName}}
  aws.probe.role_arn:
    about: A call that two tables share, read in another way.
    once_per: account
    list: {call: iam:ListRoles, items: 'Roles[].Arn', needs: iam:ListRoles}
    key: '{@}'
    columns: {name: {type: text, from: '@'}}
  aws.probe.login:
    about: The credential report.
    once_per: account
    list: {read: iam_credential_report, needs: [iam:GenerateCredentialReport, iam:GetCredentialReport]}
    key: '{user}'
    columns: {name: {type: text, from: user}}
  aws.probe.table:
    about: A listing with pages.
    once_per: region
    list: {call: dynamodb:ListTables, fixed: {Limit: 2}, items: TableNames, needs: dynamodb:ListTables}
    key: '{@}'
    columns: {name: {type: text, from: '@'}}
  aws.probe.holder:
    about: A part with pages.
    once_per: account
    list: {call: iam:ListGroups, items: Groups, needs: iam:ListGroups}
    key: '{GroupName}'
    then:
      held:
        {call: iam:ListAttachedGroupPolicies, with: {GroupName: GroupName}, fixed: {MaxItems: 1}, needs: iam:ListAttachedGroupPolicies}
    columns: {name: {type: text, from: 'held.AttachedPolicies[0].PolicyName', absent: ''}}
  aws.probe.topic:
    about: Never touched.
    once_per: region
    list: {call: sns:ListTopics, items: Topics, needs: sns:ListTopics}
    key: '{TopicArn}'
    columns: {name: {type: text, from: TopicArn}}
"""
GOOD = {
    "user": "name LIKE 'good%'",
    "queue": "name LIKE '%work%'",
    "bucket": "name = 'Enabled'",
    "project": "name = 'good'",
    "member": "name LIKE 'good%'",
    "role": "name LIKE 'good%'",
    "role_arn": "name LIKE '%good%'",
    "login": "name LIKE 'good%'",
    "table": "name LIKE 'good%'",
    "holder": "name LIKE 'good%'",
    "topic": "name LIKE '%good%'",
    "group": "name LIKE 'good%'",
}
"""Table -> what its rule asks. In every table some rows pass and some fail."""
LOOKING = {
    "some_work_queue": "true = ANY (SELECT q.is_work FROM aws.probe.queue q WHERE q.target = this.target)",
    "all_are_queues": "true = ALL (SELECT q.is_queue FROM aws.probe.queue q WHERE q.target = this.target)",
}
"""Rules that ask the account about all its queues. Both pass; the first for a queue at home."""


def result_rule(name: str, table: str, passes: str) -> str:
    looking = table == "aws.account.account"
    cases = {
        "pass": [{"aws.probe.queue": [{"name": "queue-work"}]}] if looking else None,
        "fail": [{"aws.probe.queue": [{"name": "nothing"}]}] if looking else None,
        "unknown": [{"aws.probe.queue": "unreadable"}] if looking else [{"name": None}],
    }
    good = {"bucket": "Enabled", "project": "good"}.get(name, "good work")
    cases["pass"] = cases["pass"] or [{"name": good}]
    cases["fail"] = cases["fail"] or [{"name": "bad"}]
    return textwrap.dedent(f"""
        id: aws.probe.{name}
        title: It is well
        objective: resilience.data-is-backed-up
        severity: low
        status: stable
        for_each: {table}
        pass: {json.dumps(passes)}
        message: "{{key}}"
        why: It is.
        fix: Do it.
        references: [https://example.com]
        tests: {json.dumps(cases)}
        """)


@dataclass(frozen=True)
class KindOfCall:
    """Where a fault strikes, and what it may change."""

    fault: Mapping[str, Any]
    hits: Callable[[Key], bool]
    """The results that rest on the call and become unknown themselves, or vanish into one unknown of their listing."""
    collapses: bool
    """Whether a listing fails (its rows become one unknown) or a part of each item."""
    rules: tuple[str, ...]


def of(*rules: str, region: str | None = None, resource: str = "") -> Callable[[Key], bool]:
    names = {f"aws.probe.{rule}" for rule in rules}
    return lambda key: key[0] in names and region in (None, key[1]) and resource in key[2]


KINDS: dict[str, KindOfCall] = {
    "account list": KindOfCall({"operation": "ListUsers"}, of("user"), True, ("user",)),
    "region list": KindOfCall({"operation": "ListQueues", "region": AWAY}, of("queue", region=AWAY), True, ("queue",)),
    "then": KindOfCall({"operation": "GetBucketVersioning", "param": "good-bucket"}, of("bucket", resource="good-b"), False, ("bucket",)),
    "many": KindOfCall(
        {"operation": "BatchGetProjects", "param": "good-project"}, of("project", resource="d-project"), False, ("project",)
    ),
    "for": KindOfCall({"operation": "GetGroup", "param": "GroupName=good-group"}, of("member", resource="good-group/"), True, ("member",)),
    "shared": KindOfCall({"operation": "ListRoles"}, of("role", "role_arn"), True, ("role", "role_arn")),
    "reader": KindOfCall({"operation": "GetCredentialReport"}, of("login"), True, ("login",)),
    "later page": KindOfCall(
        {"operation": "ListTables", "region": HOME, "page": 2}, of("table", region=HOME, resource="later"), True, ("table",)
    ),
    "later page of a part": KindOfCall(
        {"operation": "ListAttachedGroupPolicies", "page": 2, "param": "GroupName=good-group"},
        of("holder", resource="good-group"),
        False,
        ("holder",),
    ),
}


@pytest.fixture(scope="module")
def seeded(moto_once_fresh: str, aws_environment: None) -> str:
    """A small account whose every verdict is known."""

    def made(service: str, region: str = HOME) -> Any:
        return boto3.client(service, region_name=region, endpoint_url=moto_once_fresh)

    iam, trust = (
        made("iam"),
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]}',
    )
    allow = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}'
    made("ec2").describe_regions()  # moto imports a service when it is first asked, which takes a while
    for name in ("good", "bad", "good-2"):
        iam.create_user(UserName=f"{name}-user")
        iam.create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=trust)
    for group in ("good-group", "bad-group"):
        iam.create_group(GroupName=group)
        for user in ("good-user", "bad-user"):
            iam.add_user_to_group(GroupName=group, UserName=user)
    for policy, group in (("good-1", "good-group"), ("good-2", "good-group"), ("good-3", "good-group"), ("bad-1", "bad-group")):
        arn = iam.create_policy(PolicyName=policy, PolicyDocument=allow)["Policy"]["Arn"]
        iam.attach_group_policy(GroupName=group, PolicyArn=arn)
    for region, names in ((HOME, ("queue-work", "queue-rest")), (AWAY, ("queue-work-2", "queue-rest-2", "queue-rest-3"))):
        for name in names:
            made("sqs", region).create_queue(QueueName=name)
        for name in ("good-topic", "bad-topic"):
            made("sns", region).create_topic(Name=name)
        for name in ("bad-1", "good-1", "later-bad", "later-good"):
            made("dynamodb", region).create_table(
                TableName=name,
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
    for name in ("good-bucket", "bad-bucket", "good-other"):
        made("s3").create_bucket(Bucket=name)
        if name != "bad-bucket":
            made("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for name in ("bad-project", "good-project", "z-good", "z-bad"):
        made("codebuild").create_project(
            name=name,
            description="good" if "good" in name else "bad",
            source={"type": "GITHUB", "location": "https://example.com/x"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "standard:7.0", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole="arn:aws:iam::123456789012:role/service-role/good-role",
        )
    return moto_once_fresh


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    (folder / "collectors/aws").mkdir(parents=True)
    (folder / "rules/aws/probe").mkdir(parents=True)
    (folder / "collectors/aws/probe.yaml").write_text(COLLECTOR)
    for table, passes in GOOD.items():
        (folder / f"rules/aws/probe/{table}.yaml").write_text(result_rule(table, f"aws.probe.{table}", passes))
    for name, passes in LOOKING.items():
        (folder / f"rules/aws/probe/{name}.yaml").write_text(result_rule(name, "aws.account.account", passes))
    return folder


@dataclass(frozen=True)
class Seen:
    verdicts: Mapping[Key, str]
    reasons: Mapping[Key, str]
    calls: list[Call]
    coverage: list[Any]
    counts: Mapping[str, int]


def look(url: str, pack: Path, faults: list[Fault], regions: tuple[str, ...] = ()) -> Seen:
    with (
        FaultProxy(url, faults=faults, rewrite=demo_rewrite) as proxy,
        api.scan(
            ["aws"],
            rules=["aws.probe"],
            content=[pack],
            regions=regions,
            options=api.TargetOptions(endpoint_url=proxy.url, call_timeout=1.5),
            limits=Limits(attempts=2, deadline=8, rate=1000, burst=1000),
        ) as done,
    ):
        results = list(done.results())
        keys = [(result.rule, result.region, PORT.sub("", result.resource)) for result in results]
        assert len(set(keys)) == len(keys)
        counts = {tally.rule: tally.pass_ + tally.fail + tally.unknown + tally.not_applicable for tally in done.tallies}
        return Seen(
            dict(zip(keys, [result.verdict.value for result in results], strict=True)),
            dict(zip(keys, [result.reason for result in results], strict=True)),
            list(proxy.calls),
            list(done.coverage),
            {rule: count for rule, count in counts.items() if rule.startswith("aws.probe.")},
        )


@pytest.fixture(scope="module")
def whole(seeded: str, pack: Path) -> Seen:
    """The scan without faults."""
    return look(seeded, pack, [])


@pytest.fixture(scope="module")
def scans(seeded: str, pack: Path) -> Callable[[int], Seen]:
    """The scan in which kind number k has fault number k + shift, made when it is first asked for."""
    made: dict[int, Seen] = {}

    def scan(shift: int) -> Seen:
        if shift not in made:
            faults = [Fault(FAULTS[(k + shift) % len(FAULTS)], hold=4, **kind.fault) for k, kind in enumerate(KINDS.values())]
            made[shift] = look(seeded, pack, faults)
        return made[shift]

    return scan


def expected(whole: Seen, kind: KindOfCall, reason: str) -> tuple[dict[Key, str], set[Key], set[tuple[str, str]]]:
    """(what becomes unknown where it stands, what vanishes, the places where one unknown stands for what vanished)."""
    hit = {key for key in whole.verdicts if kind.hits(key)}
    assert hit, "the kind of call must matter to something"
    if not kind.collapses:
        return dict.fromkeys(hit, reason), set(), set()
    return {}, hit, {(rule, region) for rule, region, _ in hit}


def test_without_faults_every_rule_passes_and_fails(whole: Seen) -> None:
    for table in GOOD:
        said = {verdict for (rule, _, _), verdict in whole.verdicts.items() if rule == f"aws.probe.{table}"}
        assert said >= {"pass", "fail"}, table
        assert said <= {"pass", "fail", "not_applicable"}, table
    assert {verdict for key, verdict in whole.verdicts.items() if key[0].removeprefix("aws.probe.") in LOOKING} == {"pass"}


def test_what_two_tables_share_is_asked_once(whole: Seen) -> None:
    assert len([call for call in whole.calls if call.operation == "ListRoles"]) == 1


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_makes_what_rests_on_the_call_unknown(whole: Seen, scans: Callable[[int], Seen], kind: str, fault: Kind) -> None:
    shift = (FAULTS.index(fault) - list(KINDS).index(kind)) % len(FAULTS)
    seen = scans(shift)
    staying, gone, places = expected(whole, KINDS[kind], REASON[fault])
    rules = {f"aws.probe.{rule}" for rule in KINDS[kind].rules}
    for key in staying:
        assert (seen.verdicts[key], seen.reasons[key]) == ("unknown", REASON[fault])
    assert not gone & set(seen.verdicts)
    fresh = {key: seen.reasons[key] for key in set(seen.verdicts) - set(whole.verdicts) if key[0] in rules}
    assert {(rule, region) for rule, region, _ in fresh} == places
    assert len(fresh) == len(places)
    assert set(fresh.values()) <= {REASON[fault]}
    assert {seen.verdicts[key] for key in fresh} <= {"unknown"}
    # the rest of the same rules stands as it was
    for key in set(whole.verdicts) - gone - set(staying):
        if key[0] in rules:
            assert seen.verdicts[key] == whole.verdicts[key]


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_nothing_else_changes(whole: Seen, scans: Callable[[int], Seen], shift: int) -> None:
    seen = scans(shift)
    touched = {key for key in whole.verdicts for kind in KINDS.values() if kind.hits(key)}
    for key, verdict in whole.verdicts.items():
        if key not in touched and key[0] != "aws.probe.all_are_queues":
            assert seen.verdicts[key] == verdict, key
    assert not [key for key, verdict in seen.verdicts.items() if verdict != "unknown" and whole.verdicts.get(key) != verdict]
    assert "error" not in seen.verdicts.values()
    # never fewer: a rule that said something about a region still does
    assert {(rule, region) for rule, region, _ in whole.verdicts} <= {(rule, region) for rule, region, _ in seen.verdicts}
    assert set(seen.counts) == set(whole.counts)
    assert all(count > 0 for count in seen.counts.values())


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_a_dark_region_hides_neither_what_was_seen_nor_itself(whole: Seen, scans: Callable[[int], Seen], shift: int) -> None:
    """Queues away cannot be listed. "There is one" holds for the one at home; "all are" can no longer be said."""
    seen = scans(shift)
    said = {key[0].removeprefix("aws.probe."): (verdict, seen.reasons[key]) for key, verdict in seen.verdicts.items()}
    fault = FAULTS[(list(KINDS).index("region list") + shift) % len(FAULTS)]
    assert said["some_work_queue"] == ("pass", "")
    assert said["all_are_queues"] == ("unknown", REASON[fault])


@pytest.mark.parametrize("shift", range(len(FAULTS)))
def test_the_ledger_says_what_was_not_read_and_retries_are_bounded(scans: Callable[[int], Seen], shift: int) -> None:
    seen = scans(shift)
    broken = {line.table.removeprefix("aws.probe.") for line in seen.coverage if not line.complete}
    assert broken == {rule for kind in KINDS.values() for rule in kind.rules}
    for number, kind in enumerate(KINDS.values()):
        fault = FAULTS[(number + shift) % len(FAULTS)]
        lines = [line for line in seen.coverage if line.table == f"aws.probe.{kind.rules[0]}" and not line.complete]
        assert [line.gaps for line in lines] == [{REASON[fault]: 1}]
    asked: dict[tuple[str, str, str, str], int] = {}
    for call in seen.calls:
        key = (call.service, call.region, call.operation, call.params_sha256)
        asked[key] = asked.get(key, 0) + 1
    making = {key for key in asked if key[2] == "GenerateCredentialReport"}  # asked once more until the report is made
    assert max(asked[key] - (key in making) for key in asked) <= 2


# ---- regions that may not be listed ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_regions(seeded: str, pack: Path) -> Seen:
    return look(seeded, pack, [], regions=(HOME, AWAY))


@pytest.mark.parametrize("fault", ["denied", "timeout", "empty"])
def test_regions_that_cannot_be_listed_cost_nothing_else(seeded: str, pack: Path, two_regions: Seen, fault: Kind) -> None:
    """With two regions named, all verdicts on what lives in them stand; what the others hold is as excluded as before."""
    before = two_regions
    after = look(seeded, pack, [Fault(fault, operation="DescribeRegions", hold=2)], regions=(HOME, AWAY))
    assert {key: verdict for key, verdict in after.verdicts.items() if key[1] in (HOME, AWAY, "global")} == {
        key: verdict for key, verdict in before.verdicts.items() if key[1] in (HOME, AWAY, "global")
    }
    assert not [key for key, verdict in after.verdicts.items() if verdict in ("pass", "fail") and before.verdicts.get(key) != verdict]
    assert {line.table for line in after.coverage if not line.complete} == {"aws.account.region"}


# ---- the command ---------------------------------------------------------------------------------------------------------


def test_faults_end_in_exit_0_or_3(seeded: str, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = [Fault("denied", **kind.fault) for kind in KINDS.values()]
    common = ["scan", "aws", "--rule", "aws.probe", "--content", str(pack), "--output", str(tmp_path), "--format", "json"]
    with FaultProxy(seeded, faults=faults, rewrite=demo_rewrite) as proxy:
        assert run([*common, "--endpoint-url", proxy.url]) == 0
        assert run([*common, "--endpoint-url", proxy.url, "--min-coverage", "99"]) == 3
    told = capsys.readouterr()
    assert "coverage is" in told.err
    assert "Traceback" not in told.err
    assert len(list(tmp_path.glob("*.cnamm"))) == 2
