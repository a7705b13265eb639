"""A plan run through real boto3 against moto: pages, parts, children, shared calls, and a gap for whatever does not answer."""

from __future__ import annotations

import itertools
import re
import textwrap
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from cnamm_scan import content as reader
from cnamm_scan import paths
from cnamm_scan.demo.aws.bed.proxy import Call, Fault, FaultProxy
from cnamm_scan.demo.aws.estate.shop import demo_rewrite
from cnamm_scan.engine.collect import Collected, collect
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Content, Coverage, Place, Reason
from cnamm_scan.providers.aws.provider import AwsProvider
from cnamm_scan.providers.aws.session import Options
from cnamm_scan.providers.bounds import PAGES
from cnamm_scan.providers.interface import Answer, Origin, Request
from tests.answers import Teller, Told, listed, refused

HOME, AWAY = "us-east-1", "eu-west-1"
THERE = b"<Name>bucket-there</Name>"
ROLE_TRUST = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}}'
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}'


@dataclass
class Kept:
    """A fact writer that keeps what it is given."""

    facts: list[dict[str, Any]] = field(default_factory=list)
    lines: list[Coverage] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fact(
        self,
        *,
        table: str,
        target: str,
        region: str,
        key: str,
        data: Any,
        gaps: Mapping[str, Reason],
        calls: Sequence[Mapping[str, Any]],
        redact: Sequence[str],
        keep: paths.Tree | None = None,
        also: Mapping[str, Any] | None = None,
        place: Place | None = None,
        as_of: str = "",
    ) -> None:
        data = {**paths.project(data, keep), **(also or {})}
        with self.lock:
            where = {"table": table, "target": target, "region": region, "key": key}
            written: dict[str, Any] = {} if place is None else {"place": (place.file, place.line)}
            written |= {"as_of": as_of} if as_of else {}
            self.facts.append({**where, "data": data, "gaps": dict(gaps), "calls": list(calls), **written})

    def coverage(self, line: Coverage) -> None:
        self.lines.append(line)


@dataclass
class Done:
    kept: Kept
    collected: Collected

    def of(self, table: str, region: str | None = None) -> list[dict[str, Any]]:
        """The facts of a table, by key."""
        found = [fact for fact in self.kept.facts if fact["table"] == f"aws.lab.{table}" and region in (None, fact["region"])]
        return sorted(found, key=lambda fact: (fact["region"], fact["key"]))

    def whole(self, table: str, region: str | None = None) -> list[dict[str, Any]]:
        return [fact for fact in self.of(table, region) if not {"list", "rest"} & set(fact["gaps"])]

    def ghosts(self, table: str) -> list[tuple[str, Reason]]:
        return [(fact["region"], fact["gaps"]["list"]) for fact in self.of(table) if "list" in fact["gaps"]]

    def shadows(self, table: str) -> list[tuple[str, Reason]]:
        return [(fact["region"], fact["gaps"]["rest"]) for fact in self.of(table) if "rest" in fact["gaps"]]

    def line(self, table: str, part: str = "list", region: str = HOME) -> Coverage:
        (found,) = [line for line in self.kept.lines if (line.table, line.part, line.region) == (f"aws.lab.{table}", part, region)]
        return found


def tell(folder: Path, facts: str, answers: Mapping[str, Told | Sequence[Told]], *tables: str, **forms: Callable[[Any], Any]) -> Done:
    """What a source that answers so leaves of these tables; `forms` are its normalisers."""
    return left_by(folder, facts, Teller(answers, normalisers=forms), *tables)


def left_by(folder: Path, facts: str, teller: Teller, *tables: str, **limits: Any) -> Done:
    """What this source leaves of these tables."""
    kept, plan = Kept(), make_plan(packed(folder, facts, *tables), Selection(), ["aws"])
    settings: dict[str, Any] = {"attempts": 1, "rate": 10_000, "burst": 10_000, **limits}
    return Done(kept, collect(plan, teller, kept, started=datetime.now(UTC), limits=Limits(**settings)))


def packed(folder: Path, facts: str, *tables: str, reads: Mapping[str, str] | None = None) -> Content:
    """A pack with these fact tables, and a rule over each of those that are named."""
    (folder / "collectors/aws").mkdir(parents=True)
    (folder / "rules/aws/lab").mkdir(parents=True)
    (folder / "mappings/cnamm").mkdir(parents=True)
    (folder / "collectors/aws/lab.yaml").write_text("service: lab\nfacts:\n" + textwrap.indent(textwrap.dedent(facts), "  "))
    (folder / "mappings/cnamm.yaml").write_text('model: cnamm\ntitle: Model\nversion: "1"\nfunctions: [lab]\n')
    (folder / "mappings/cnamm/lab.yaml").write_text(MAPPING)
    for table in tables:
        column = (reads or {}).get(table, "name")
        (folder / f"rules/aws/lab/{table}.yaml").write_text(RULE.format(table=table, column=column))
    return reader.load([folder], bundled=False)


def as_aws(call: Call, status: int, body: bytes) -> bytes:
    """As the demo does, and ListBuckets names the region of a bucket that is not at home, which moto leaves out."""
    if call.operation == "ListBuckets":
        return body.replace(THERE, THERE + f"<BucketRegion>{AWAY}</BucketRegion>".encode())
    return demo_rewrite(call, status, body)


class Lab:
    """One provider behind a proxy; `run` collects the tables of a collector file."""

    def __init__(self, proxy: FaultProxy, folder: Path) -> None:
        self.proxy, self.folder = proxy, folder
        self.provider = AwsProvider(Options(endpoint_url=proxy.url, call_timeout=3))
        self.number = 0

    def content(self, facts: str, *tables: str, reads: Mapping[str, str] | None = None) -> Content:
        self.number += 1
        return packed(self.folder / str(self.number), facts, *tables, reads=reads)

    def run(
        self, facts: str, *tables: str, reads: Mapping[str, str] | None = None, regions: Sequence[str] = (HOME,), **limits: Any
    ) -> Done:
        plan = make_plan(self.content(facts, *tables, reads=reads), Selection(), ["aws"])
        kept = Kept()
        self.proxy.calls.clear()
        settings: dict[str, Any] = {"rate": 10_000, "burst": 10_000, "attempts": 1, "concurrency": 8} | limits
        done = collect(plan, self.provider, kept, started=datetime.now(UTC), regions=regions, limits=Limits(**settings))
        return Done(kept, done)

    def asked(self, operation: str | None = None) -> list[Call]:
        return [c for c in self.proxy.calls if c.operation != "DescribeRegions" and operation in (None, c.operation)]


MAPPING = """
function: lab
title: Lab
practices:
  - id: work
    title: Work
    objectives: [{id: lab.things-are-well, level: 1, stream: A, title: Things are well}]
"""
RULE = """
id: aws.lab.{table}
title: It is well
objective: lab.things-are-well
severity: low
status: stable
for_each: aws.lab.{table}
pass: {column} = 'x'
message: "{{key}}"
why: It is.
fix: Do it.
references: [https://example.com]
tests: {{pass: [{{{column}: x}}], fail: [{{{column}: y}}], unknown: [{{{column}: null}}]}}
"""


@pytest.fixture(scope="module")
def one_lab(moto_once_fresh: str, aws_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:

    def made(service: str, region: str = HOME) -> Any:
        return boto3.client(service, region_name=region, endpoint_url=moto_once_fresh)

    for region, count in ((HOME, 5), (AWAY, 2)):
        for number in range(count):
            made("dynamodb", region).create_table(
                TableName=f"table-{number}",
                KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
    for number in range(5):
        made("iam").create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument=ROLE_TRUST)
        policy = made("iam").create_policy(PolicyName=f"policy-{number}", PolicyDocument=POLICY)["Policy"]["Arn"]
        made("iam").attach_role_policy(RoleName="role-0", PolicyArn=policy)
        made("codebuild").create_project(
            name=f"project-{number}",
            source={"type": "GITHUB", "location": "https://example.com/x"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "standard:7.0", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole="arn:aws:iam::123456789012:role/service-role/role-0",
        )
        made("wafv2").create_ip_set(Name=f"set-{number}", Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=["10.0.0.0/24"])
    made("iam").attach_role_policy(RoleName="role-1", PolicyArn=policy)
    made("s3").create_bucket(Bucket="bucket-here")
    made("s3").create_bucket(Bucket="bucket-there", CreateBucketConfiguration={"LocationConstraint": AWAY})
    made("s3").put_public_access_block(
        Bucket="bucket-there", PublicAccessBlockConfiguration={"BlockPublicAcls": True, "BlockPublicPolicy": True}
    )
    with FaultProxy(moto_once_fresh, rewrite=as_aws) as proxy:
        lab = Lab(proxy, tmp_path_factory.mktemp("packs"))
        yield lab
        lab.provider.close()


@pytest.fixture
def lab(one_lab: Lab) -> Iterator[Lab]:
    yield one_lab
    one_lab.proxy.faults[:] = []
    one_lab.proxy.rewrite = as_aws


# ---- pages ---------------------------------------------------------------------------------------------------------------

TABLES = """
    aws.lab.table:
      about: Tables.
      once_per: region
      list: {call: dynamodb:ListTables, fixed: {Limit: 2}, items: TableNames, needs: dynamodb:ListTables}
      key: '{@}'
      columns: {name: {type: text, from: '@'}}
"""
SETS = """
    aws.lab.set:
      about: Sets.
      once_per: region
      list: {call: wafv2:ListIPSets, fixed: {Scope: REGIONAL, Limit: 2}, items: IPSets, needs: wafv2:ListIPSets}
      key: '{ARN}'
      columns: {name: {type: text, from: Name}}
"""
ROLES = """
    aws.lab.role:
      about: Roles.
      once_per: account
      list: {call: iam:ListRoles, items: Roles, needs: iam:ListRoles}
      key: '{Arn}'
      then:
        held: {call: iam:ListAttachedRolePolicies, with: {RoleName: RoleName}, fixed: {MaxItems: 2}, needs: iam:ListAttachedRolePolicies}
      columns:
        name: {type: text, from: RoleName}
        held: {type: list, from: 'held.AttachedPolicies[].PolicyName', absent: []}
        first: {type: text, from: 'held.AttachedPolicies[0].PolicyName', absent: ''}
"""


def test_every_page_of_a_listing_is_followed(lab: Lab) -> None:
    done = lab.run(TABLES, "table")
    assert [fact["data"]["@"] for fact in done.of("table")] == [f"table-{n}" for n in range(5)]
    line = done.line("table")
    assert (line.status, line.complete, line.calls, line.pages, line.items) == ("ok", True, 3, 3, 5)


def test_an_operation_without_a_paginator_of_botocore_is_followed_too(lab: Lab) -> None:
    assert not boto3.client("wafv2", region_name=HOME).can_paginate("list_ip_sets")
    done = lab.run(SETS, "set")
    assert [fact["data"]["Name"] for fact in done.of("set")] == [f"set-{n}" for n in range(5)]
    assert done.line("set").pages >= 3


def test_a_second_page_that_fails_keeps_the_first_and_says_so(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="ListTables", page=2)]
    done = lab.run(TABLES, "table")
    assert [fact["data"]["@"] for fact in done.whole("table")] == ["table-0", "table-1"]
    assert done.ghosts("table") == [(HOME, Reason.DENIED)]
    line = done.line("table")
    assert (line.status, line.complete, line.items, line.gaps) == ("denied", False, 2, {"denied": 1})


def test_a_token_that_leads_nowhere_is_not_followed_for_ever(lab: Lab) -> None:
    """A service that hands out the same token again and again has not answered."""
    asked: list[int] = []

    def endless(call: Call, status: int, body: bytes) -> bytes:
        if call.operation != "ListTables":
            return demo_rewrite(call, status, body)
        asked.append(1)
        token = "" if len(asked) > 50 else '"LastEvaluatedTableName": "table-1", '
        return f'{{{token}"TableNames": ["table-0", "table-1"]}}'.encode()

    lab.proxy.rewrite = endless
    done = lab.run(TABLES, "table")
    assert len(asked) <= 3
    assert done.ghosts("table") == [(HOME, Reason.TRUNCATED)]
    assert not done.line("table").complete


def test_a_sample_stops_and_is_no_gap(lab: Lab) -> None:
    done = lab.run(TABLES.replace("items: TableNames", "items: TableNames, at_most: 3"), "table")
    assert [fact["data"]["@"] for fact in done.of("table")] == ["table-0", "table-1", "table-2"]
    assert len(lab.asked()) == 2
    assert done.line("table").complete


def test_the_pages_of_a_part_become_one_answer(lab: Lab) -> None:
    done = lab.run(ROLES, "role", reads={"role": "first"})
    by_name = {fact["data"]["RoleName"]: fact["data"] for fact in done.of("role")}
    assert sorted(p["PolicyName"] for p in by_name["role-0"]["held"]["AttachedPolicies"]) == [f"policy-{n}" for n in range(5)]
    assert len(by_name["role-1"]["held"]["AttachedPolicies"]) == 1
    assert done.line("role", "held", "global").calls == 3 + 4


def test_a_later_page_of_a_part_that_fails_is_a_gap_of_that_item(lab: Lab) -> None:
    """Half the policies of a role are not the policies of a role."""
    lab.proxy.faults[:] = [Fault("denied", operation="ListAttachedRolePolicies", page=2)]
    done = lab.run(ROLES, "role", reads={"role": "first"})
    gaps = {fact["data"]["RoleName"]: fact["gaps"] for fact in done.of("role")}
    assert gaps == {"role-0": {"held": Reason.DENIED}, **{f"role-{n}": {} for n in range(1, 5)}}
    assert all("held" not in fact["data"] for fact in done.of("role") if fact["data"]["RoleName"] == "role-0")


# ---- parts ---------------------------------------------------------------------------------------------------------------

BUCKETS = """
    aws.lab.bucket:
      about: Buckets.
      once_per: account
      list: {call: s3:ListBuckets, fixed: {MaxBuckets: 100}, items: Buckets, needs: s3:ListAllMyBuckets, in_region: BucketRegion}
      key: '{Name}'
      then:
        versioning: {call: s3:GetBucketVersioning, with: {Bucket: Name}, needs: s3:GetBucketVersioning, gone_on: [NoSuchBucket]}
        block:
          {call: s3:GetPublicAccessBlock, with: {Bucket: Name}, needs: s3:GetBucketPublicAccessBlock,
           absent_on: [NoSuchPublicAccessBlockConfiguration], gone_on: [NoSuchBucket]}
      columns:
        name: {type: text, from: Name}
        versioning: {type: text, from: versioning.Status, absent: Never}
        blocks: {type: text, from: block.PublicAccessBlockConfiguration.BlockPublicAcls, absent: 'false'}
        all_told: {type: text, is: versioning || blocks}
"""


def test_only_what_a_rule_reads_is_asked(lab: Lab) -> None:
    lab.run(BUCKETS, "bucket")
    assert [call.operation for call in lab.asked()] == ["ListBuckets"]
    lab.run(BUCKETS, "bucket", reads={"bucket": "blocks"})
    assert Counter(call.operation for call in lab.asked()) == {"ListBuckets": 1, "GetPublicAccessBlock": 2}


def test_parts_are_asked_where_the_item_lives(lab: Lab) -> None:
    done = lab.run(BUCKETS, "bucket", reads={"bucket": "versioning"})
    assert [(fact["key"], fact["region"]) for fact in done.of("bucket")] == [("bucket-there", AWAY), ("bucket-here", "global")]
    assert sorted(call.region for call in lab.asked("GetBucketVersioning")) == [AWAY, HOME]
    assert done.line("bucket", region="global").items == 2


def test_a_code_that_means_not_configured_is_no_gap(lab: Lab) -> None:
    done = lab.run(BUCKETS, "bucket", reads={"bucket": "blocks"})
    data = {fact["key"]: fact["data"] for fact in done.of("bucket")}
    assert data["bucket-there"]["block"]["PublicAccessBlockConfiguration"]["BlockPublicAcls"] is True
    assert "PublicAccessBlockConfiguration" not in data["bucket-here"].get("block", {})
    assert [fact["gaps"] for fact in done.of("bucket")] == [{}, {}]
    assert done.line("bucket", "block", AWAY).status == "ok"


def test_any_other_code_is_a_gap(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="GetPublicAccessBlock")]
    done = lab.run(BUCKETS, "bucket", reads={"bucket": "blocks"})
    assert [fact["gaps"] for fact in done.of("bucket")] == [{"block": Reason.DENIED}] * 2
    assert done.line("bucket", "block", AWAY).code == "AccessDenied"


def test_what_is_said_to_be_gone_and_is_listed_still_was_not_read(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("gone", operation="GetBucketVersioning", param="bucket-here")]
    done = lab.run(BUCKETS, "bucket", reads={"bucket": "versioning"})
    gaps = {fact["key"]: fact["gaps"] for fact in done.of("bucket")}
    assert gaps == {"bucket-there": {}, "bucket-here": {"versioning": Reason.NOT_FOUND}}
    assert len(lab.asked("ListBuckets")) == 2
    line = done.line("bucket", "versioning", "global")
    assert (line.complete, line.code, line.gone) == (False, "NoSuchBucket", 0)


def test_what_went_away_since_it_was_listed_is_dropped_and_counted(lab: Lab) -> None:
    lists = itertools.count()

    def without(call: Call, status: int, body: bytes) -> bytes:
        if call.operation == "ListBuckets" and next(lists):
            return re.sub(rb"<Bucket>(?:(?!</Bucket>).)*bucket-here.*?</Bucket>", b"", body, flags=re.S)
        return as_aws(call, status, body)

    lab.proxy.rewrite = without
    lab.proxy.faults[:] = [Fault("gone", operation="GetBucketVersioning", param="bucket-here")]
    done = lab.run(BUCKETS, "bucket", reads={"bucket": "versioning"})
    assert [fact["key"] for fact in done.of("bucket")] == ["bucket-there"]
    assert all(line.complete for line in done.kept.lines)
    assert done.line("bucket", "versioning", "global").gone == 1


def test_items_with_several_parts_are_written_once(lab: Lab) -> None:
    """Parts come in on many threads, in any order."""
    facts = BUCKETS + TABLES.replace("columns: {name: {type: text, from: '@'}}", "") + TABLE_PARTS
    for _ in range(3):
        done = lab.run(facts, "bucket", "table", reads={"bucket": "all_told", "table": "all_told"}, concurrency=16)
        assert len(done.of("bucket")) == 2
        assert [fact["data"]["detail"]["Table"]["TableName"] for fact in done.of("table")] == [f"table-{n}" for n in range(5)]
        assert all(set(fact["data"]) >= {"detail", "backups"} and not fact["gaps"] for fact in done.of("table"))


TABLE_PARTS = """
      then:
        detail: {call: dynamodb:DescribeTable, with: {TableName: '@'}, needs: dynamodb:DescribeTable}
        backups:
          {call: dynamodb:DescribeContinuousBackups, with: {TableName: detail.Table.TableName},
           needs: dynamodb:DescribeContinuousBackups}
      columns:
        name: {type: text, from: detail.Table.TableName}
        backup: {type: text, from: backups.ContinuousBackupsDescription.ContinuousBackupsStatus}
        all_told: {type: text, is: name || backup}
"""


def test_a_part_that_needs_an_unread_part_is_unread_for_the_same_reason(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("server_error", operation="DescribeTable", param="table-3")]
    done = lab.run(TABLES.replace("columns: {name: {type: text, from: '@'}}", "") + TABLE_PARTS, "table", reads={"table": "all_told"})
    gaps = {fact["key"]: fact["gaps"] for fact in done.of("table") if fact["gaps"]}
    assert gaps == {"table-3": {"detail": Reason.SERVER_ERROR, "backups": Reason.SERVER_ERROR}}
    assert len(lab.asked("DescribeContinuousBackups")) == 4


PROJECTS = """
    aws.lab.project:
      about: Projects.
      once_per: region
      list: {call: codebuild:ListProjects, items: projects, needs: codebuild:ListProjects}
      key: '{@}'
      then:
        detail:
          {call: codebuild:BatchGetProjects, needs: codebuild:BatchGetProjects, many: {names: '@'}, size: 2, items: projects, by: name}
      columns:
        name: {type: text, from: '@'}
        source: {type: text, from: detail.source.type}
"""


def test_many_are_described_in_batches(lab: Lab) -> None:
    done = lab.run(PROJECTS, "project", reads={"project": "source"})
    assert len(lab.asked("BatchGetProjects")) == 3
    assert [(f["key"], f["data"]["detail"]["source"]["type"]) for f in done.of("project")] == [(f"project-{n}", "GITHUB") for n in range(5)]


def test_a_batch_that_fails_leaves_its_own_items_unread(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="BatchGetProjects", param="project-4")]
    done = lab.run(PROJECTS, "project", reads={"project": "source"})
    assert {f["key"]: f["gaps"] for f in done.of("project") if f["gaps"]} == {"project-4": {"detail": Reason.DENIED}}


def test_an_item_that_a_batch_does_not_name_was_not_read(lab: Lab) -> None:
    def without(call: Call, status: int, body: bytes) -> bytes:
        return (
            body.replace(b'"name": "project-4"', b'"name": "other"')
            if call.operation == "BatchGetProjects"
            else demo_rewrite(call, status, body)
        )

    lab.proxy.rewrite = without
    done = lab.run(PROJECTS, "project", reads={"project": "source"})
    assert {fact["key"]: fact["gaps"] for fact in done.of("project") if fact["gaps"]} == {"project-4": {"detail": Reason.NOT_FOUND}}
    assert done.line("project", "detail").code == "NotNamed"


# ---- children, elements, shared calls --------------------------------------------------------------------------------------

HELD = """
    aws.lab.holding:
      about: What roles hold.
      once_per: account
      list: {for: aws.lab.role, call: iam:ListAttachedRolePolicies, with: {RoleName: parent.RoleName}, items: AttachedPolicies,
             needs: iam:ListAttachedRolePolicies}
      key: '{parent.RoleName}/{PolicyName}'
      columns: {name: {type: text, from: PolicyName}, role: {type: text, from: parent.RoleName}}
"""


def test_a_listing_is_made_for_each_item_of_another(lab: Lab) -> None:
    done = lab.run(ROLES + HELD, "holding")
    assert [fact["key"] for fact in done.of("holding")] == [*(f"role-0/policy-{n}" for n in range(5)), "role-1/policy-4"]
    assert len(lab.asked("ListAttachedRolePolicies")) == 5


def test_a_child_listing_that_fails_costs_that_child_only(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="ListAttachedRolePolicies", param="RoleName=role-1")]
    done = lab.run(ROLES + HELD, "holding")
    assert [fact["key"] for fact in done.whole("holding")] == [f"role-0/policy-{n}" for n in range(5)]
    assert done.ghosts("holding") == [("global", Reason.DENIED)]


def test_a_parent_that_fails_leaves_its_children_unread_too(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="ListRoles")]
    done = lab.run(ROLES + HELD, "holding", "role")
    assert done.ghosts("role") == done.ghosts("holding") == [("global", Reason.DENIED)]
    assert lab.asked("ListAttachedRolePolicies") == []


EACH = """
    aws.lab.attached:
      about: One row for each policy of a role.
      once_per: account
      list: {call: iam:ListRoles, items: Roles, needs: iam:ListRoles}
      key: '{parent.RoleName}'
      then:
        held: {call: iam:ListAttachedRolePolicies, with: {RoleName: RoleName}, needs: iam:ListAttachedRolePolicies}
      each: held.AttachedPolicies[]
      columns: {name: {type: text, from: PolicyName}, role: {type: text, from: parent.RoleName}}
"""


def test_elements_become_rows_with_numbered_keys(lab: Lab) -> None:
    done = lab.run(EACH, "attached")
    assert [fact["key"] for fact in done.of("attached")] == [*(f"role-0#{n}" for n in range(5)), "role-1#0"]


def test_elements_that_could_not_be_read_are_not_none(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="ListAttachedRolePolicies", param="RoleName=role-1")]
    done = lab.run(EACH, "attached")
    assert [fact["key"] for fact in done.whole("attached")] == [f"role-0#{n}" for n in range(5)]
    assert done.ghosts("attached") == [("global", Reason.DENIED)]


def test_what_two_tables_ask_is_asked_once(lab: Lab) -> None:
    """As one listing, as a listing read in two ways, and as a part of one and children of another."""
    arns = """
    aws.lab.arn:
      about: The same call with other items.
      once_per: account
      list: {call: iam:ListRoles, items: 'Roles[].Arn', needs: iam:ListRoles}
      key: '{@}'
      columns: {name: {type: text, from: '@'}}
"""
    done = lab.run(
        ROLES + HELD.replace("items: Att", "fixed: {MaxItems: 2}, items: Att") + EACH + arns, "role", "holding", "attached", "arn"
    )
    assert len(lab.asked("ListRoles")) == 1
    hashes = Counter(call.params_sha256 for call in lab.asked())
    assert set(hashes.values()) == {1}
    assert {table: len(done.of(table)) for table in ("role", "holding", "attached", "arn")} == {
        "role": 5,
        "holding": 6,
        "attached": 6,
        "arn": 5,
    }


def test_a_shared_call_that_fails_fails_for_all(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("throttled", operation="ListRoles")]
    done = lab.run(ROLES + EACH, "role", "attached", attempts=2, deadline=5)
    assert done.ghosts("role") == done.ghosts("attached") == [("global", Reason.THROTTLED)]
    assert len(lab.asked("ListRoles")) == 2


def test_a_key_that_the_answer_does_not_give_is_a_bug_and_costs_one_row(lab: Lab) -> None:
    done = lab.run(ROLES.replace("key: '{Arn}'", "key: '{PermissionsBoundary.PermissionsBoundaryArn}'"), "role")
    assert done.ghosts("role") == [("global", Reason.COLLECTOR_BUG)] * 5
    assert not done.line("role", region="global").complete


def test_an_operation_that_does_not_exist_is_a_gap_and_not_the_end(lab: Lab) -> None:
    done = lab.run(ROLES.replace("iam:ListRoles,", "iam:ListRolls,", 1) + TABLES, "role", "table")
    assert done.ghosts("role") == [("global", Reason.UNSUPPORTED)]
    assert done.line("role", region="global").code.endswith("has no operation ListRolls")
    assert len(done.whole("table")) == 5


# ---- pages that never end ------------------------------------------------------------------------------------------------


class Circling(Teller):
    """Gives an item a page, and whatever token it is told to give next."""

    def __init__(self, tokens: Callable[[int], Any], operation: str = "ListThings", *, wrap: bool = False) -> None:
        super().__init__({"ListThings": listed("Things", ONE), "ListPieces": PIECES, "GetStatus": Answer({"State": "On"})})
        self.tokens, self.operation, self.wrap = tokens, operation, wrap
        self.turned = 0

    def call(self, request: Request) -> Answer:
        if request.operation != self.operation:
            return super().call(request)
        self.turned += 1
        token = self.tokens(self.turned)
        data = {"Things": [{"Name": f"thing-{self.turned}"}], "Pieces": [{"Name": f"piece-{self.turned}"}]}
        return Answer(data, next_page=(token, self.turned) if self.wrap else token, token=token if self.wrap else None)


def circled(folder: Path, teller: Teller, *tables: str, **limits: Any) -> Done:
    return left_by(folder, THINGS, teller, *tables, **limits)


CIRCLES: dict[str, tuple[Callable[[int], Any], int]] = {
    "the same for ever": (lambda turn: "A", 2),
    "two in turns": (lambda turn: "AB"[turn % 2], 3),
    "three in turns": (lambda turn: "ABC"[turn % 3], 4),
    "back to an early one": (lambda turn: "ABCDEC"[min(turn, 6) - 1], 6),
    "parameters, not a text": (lambda turn: {"NextToken": "A", "Marker": None}, 2),
}


@pytest.mark.parametrize("wrap", [False, True], ids=["token", "page"])
@pytest.mark.parametrize("name", CIRCLES)
def test_a_token_that_was_seen_before_ends_the_listing_as_a_gap(tmp_path: Path, name: str, wrap: bool) -> None:
    """Also where the page holds more than the token, and so is a new one each time."""
    tokens, turns = CIRCLES[name]
    teller = Circling(tokens, wrap=wrap)
    done = circled(tmp_path, teller, "thing", "piece")
    assert teller.turned == turns
    assert len(done.whole("thing")) == turns  # what was read stands
    assert done.ghosts("thing") == done.ghosts("piece") == [("global", Reason.TRUNCATED)]
    line = done.line("thing", region="global")
    assert (line.complete, line.gaps, line.code, line.pages) == (False, {"truncated": 1}, "SameTokenAgain", turns)


def test_tokens_that_are_always_new_end_at_a_bound(tmp_path: Path) -> None:
    teller = Circling(lambda turn: turn)
    done = circled(tmp_path, teller, "thing", pages=7)
    assert teller.turned == 7
    assert done.ghosts("thing") == [("global", Reason.TRUNCATED)]
    assert done.line("thing", region="global").code == "TooManyPages"
    assert Limits().pages == PAGES


def test_as_many_pages_as_the_bound_are_whole(tmp_path: Path) -> None:
    teller = Circling(lambda turn: turn if turn < 7 else None)
    done = circled(tmp_path, teller, "thing", pages=7)
    assert (teller.turned, done.ghosts("thing")) == (7, [])


def test_a_listing_whose_pages_take_too_long_together_ends(tmp_path: Path) -> None:
    teller = Circling(lambda turn: turn)
    done = circled(tmp_path, teller, "thing", listing=0.0)
    assert teller.turned == 1
    assert done.ghosts("thing") == [("global", Reason.TIMED_OUT)]
    assert done.line("thing", region="global").code == "ListingTooLong"


@pytest.mark.parametrize(("name", "turns"), [("the same for ever", 2), ("two in turns", 3)])
def test_a_part_that_goes_in_circles_is_a_gap_of_its_item(tmp_path: Path, name: str, turns: int) -> None:
    teller = Circling(CIRCLES[name][0], "GetStatus")
    done = tell_parts(tmp_path, teller)
    assert teller.turned == turns
    assert [(fact["key"], fact["gaps"]) for fact in done.of("thing")] == [("a", {"status": Reason.TRUNCATED})]
    assert done.line("thing", "status", "global").code == "SameTokenAgain"


def test_a_part_of_endless_pages_ends_at_the_bound(tmp_path: Path) -> None:
    teller = Circling(lambda turn: turn, "GetStatus")
    done = tell_parts(tmp_path, teller, pages=5)
    assert teller.turned == 5
    assert done.line("thing", "status", "global").code == "TooManyPages"


PARTED = """
    aws.lab.thing:
      about: Things.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings}
      key: '{Name}'
      then: {status: {call: GetStatus, with: {Name: Name}, needs: lab:GetStatus}}
      columns: {name: {type: text, from: status.State, absent: 'no'}}
"""


def tell_parts(folder: Path, teller: Teller, **limits: Any) -> Done:
    return left_by(folder, PARTED, teller, "thing", **limits)


# ---- whatever a call raises ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["ListThings", "GetStatus"])
@pytest.mark.parametrize("error", [RecursionError(), NotImplementedError(), MemoryError(), ZeroDivisionError(), GeneratorExit()])
def test_whatever_a_call_raises_is_a_gap_of_that_call(tmp_path: Path, operation: str, error: BaseException) -> None:
    class Raising(Circling):
        def call(self, request: Request) -> Answer:
            if request.operation == operation:
                raise error
            return super().call(request)

    done = tell_parts(tmp_path, Raising(lambda _: None))
    line = done.line("thing", "list" if operation == "ListThings" else "status", "global")
    assert not line.complete
    assert len(done.of("thing")) == 1
    assert line.code in (type(error).__name__, "NestedTooDeep", "OutOfMemory")


def test_an_item_that_cannot_be_made_costs_itself(tmp_path: Path) -> None:
    def decode(raw: Any) -> Any:
        if raw == "bad":
            raise RecursionError
        return {"Name": raw}

    done = tell(tmp_path, THINGS, {"ListThings": Answer({"Things": ["a", "bad", "c"]}, decode=decode), "ListPieces": PIECES}, "thing")
    assert [fact["key"] for fact in done.whole("thing")] == ["a", "c"]
    assert len(done.ghosts("thing")) == 1


MANY = """
    aws.lab.thing:
      about: Things.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings}
      key: '{Name}'
      then: {status: {call: GetAll, needs: lab:GetAll, many: {names: Name}, size: 10, items: All, by: Name}}
      columns: {name: {type: text, from: status.State, absent: 'no'}}
"""


@pytest.mark.parametrize("odd", [5, None, {"Name": ["a"]}, {"Name": {"a": 1}}, [["a"]], {}])
def test_what_stands_among_many_answers_and_is_none_is_nobodys(tmp_path: Path, odd: Any) -> None:
    answers = {"ListThings": listed("Things", {"Name": "a"}, {"Name": "b"}), "GetAll": listed("All", odd, {"Name": "a", "State": "On"})}
    done = tell(tmp_path, MANY, answers, "thing")
    assert [(fact["key"], fact["data"]) for fact in done.of("thing")] == [("a", {"status": {"State": "On"}}), ("b", {})]
    assert [fact["gaps"] for fact in done.of("thing")] == [{}, {"status": Reason.NOT_FOUND}]


TWICE = """
    aws.lab.thing:
      about: Things.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings}
      key: '{Name}'
      then:
        status: {call: GetAll, needs: lab:GetAll, many: {names: Name}, size: 10, items: All, by: Name}
        mark: {call: GetMarks, needs: lab:GetMarks, many: {names: Name}, size: 10, items: All, by: Name}
      columns:
        name: {type: text, is: state || mark}
        state: {type: text, from: status.State, absent: 'no'}
        mark: {type: text, from: mark.Mark, absent: none}
"""


@pytest.mark.parametrize(("first", "second"), [("GetAll", "GetMarks"), ("GetMarks", "GetAll")])
def test_what_one_part_of_many_leaves_out_is_unread_in_that_part(tmp_path: Path, first: str, second: str) -> None:
    both = listed("All", {"Name": "a", "State": "On"}, {"Name": "b"})
    answers = {"ListThings": listed("Things", {"Name": "a"}, {"Name": "b"}), first: listed("All", {"Name": "a"}), second: both}
    part = "status" if first == "GetAll" else "mark"
    assert [fact["gaps"] for fact in tell(tmp_path, TWICE, answers, "thing").of("thing")] == [{}, {part: Reason.NOT_FOUND}]


# ---- what a source says of what it does not show ---------------------------------------------------------------------------

THINGS = """
    aws.lab.thing:
      about: Things.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings, absent_on: [NoSuchThing]}
      key: '{Name}'
      columns:
        name: {type: text, from: Name}
        state: {type: text, from: status.State, absent: Never}
        marks: {type: list, from: Marks}
        is_marked: {type: boolean, exists: 'Parts[0]'}
        is_new: {type: boolean, exists: status.New}
    aws.lab.part:
      about: One row for each part of a thing.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings, absent_on: [NoSuchThing]}
      each: Parts[]
      key: '{parent.Name}'
      columns: {name: {type: text, from: Name}, of: {type: text, from: parent.Name}, state: {type: text, from: parent.status.State}}
    aws.lab.piece:
      about: What is listed beneath each thing.
      once_per: account
      list: {for: aws.lab.thing, call: ListPieces, with: {Thing: parent.Name}, items: Pieces, needs: lab:ListPieces}
      key: '{parent.Name}/{Name}'
      columns: {name: {type: text, from: Name}, of: {type: text, from: parent.Name}, state: {type: text, from: parent.status.State}}
"""
ALL = ("thing", "part", "piece")
ONE = {"Name": "a", "status": {"State": "On"}, "Parts": [{"Name": "p"}]}
PIECES = listed("Pieces", {"Name": "x"})


def test_what_was_left_out_is_an_unread_row_beside_those_that_were_read(tmp_path: Path) -> None:
    answers = {"ListThings": listed("Things", ONE, left_out=Reason.EXCLUDED), "ListPieces": PIECES}
    done = tell(tmp_path, THINGS, answers, *ALL)
    assert [fact["key"] for fact in done.whole("thing")] == ["a"]
    for table in ALL:
        assert done.ghosts(table) == [("global", Reason.EXCLUDED)], table
        assert done.shadows(table) == []
        line = done.line(table, region="global")
        assert (line.status, line.complete, line.gaps, line.code) == ("excluded", False, {"excluded": 1}, "Partial")
    line = done.line("thing", region="global")
    assert (line.calls, line.pages, line.items) == (1, 1, 1)
    (ghost,) = [fact for fact in done.of("thing") if "list" in fact["gaps"]]
    assert (ghost["key"], ghost["data"], ghost["calls"]) == ("unread#1", {}, [])


@pytest.mark.parametrize(("count", "data"), [(1, {}), (3, {"unread": 3})])
def test_one_unread_row_stands_for_as_many_as_are_known_to_be_left_out(tmp_path: Path, count: int, data: dict[str, int]) -> None:
    answer = listed("Things", ONE, left_out=Reason.EXCLUDED, left_out_count=count)
    done = tell(tmp_path, THINGS, {"ListThings": answer, "ListPieces": PIECES}, "thing")
    assert done.ghosts("thing") == [("global", Reason.EXCLUDED)]
    assert [fact["data"] for fact in done.of("thing") if "list" in fact["gaps"]] == [data]
    assert done.line("thing", region="global").gaps == {"excluded": 1}


def test_of_what_may_be_besides_a_shadow_stands(tmp_path: Path) -> None:
    answers = {"ListThings": listed("Things", ONE, rest=Reason.NOT_IN_MANIFESTS), "ListPieces": PIECES}
    done = tell(tmp_path, THINGS, answers, *ALL)
    assert [fact["key"] for fact in done.whole("thing")] == ["a"]
    for table in ALL:
        assert done.shadows(table) == [("global", Reason.NOT_IN_MANIFESTS)], table
        assert done.ghosts(table) == []
        line = done.line(table, "rest", "global")
        assert (line.status, line.complete, line.gaps) == ("not_in_manifests", False, {"not_in_manifests": 1})
    listing = done.line("thing", region="global")
    assert (listing.status, listing.complete, listing.gaps, listing.items) == ("ok", True, {}, 1)


def test_where_an_item_was_written_stands_beside_its_facts(tmp_path: Path) -> None:
    """And what tells it from others of its name ends its key, before the number of an element."""
    things = [{"Name": "a", "Parts": [{"Name": "p"}]}, {"Name": "a", "Parts": [{"Name": "q"}]}]
    origins = [Origin("one.yaml", 3), Origin("two.yaml", 7, "@two.yaml")]
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", *things, origins=origins)}, "thing", "part")
    assert {fact["key"]: fact["place"] for fact in done.whole("thing")} == {"a": ("one.yaml", 3), "a@two.yaml": ("two.yaml", 7)}
    assert [fact["place"] for fact in done.whole("part")] == [("one.yaml", 3), ("two.yaml", 7)]
    assert all(fact["key"].endswith(f"{origin.mark}#0") for fact, origin in zip(done.whole("part"), origins, strict=True))
    assert all("yaml" not in str(fact["data"]) for fact in done.kept.facts)


def test_what_was_written_nowhere_has_no_place(tmp_path: Path) -> None:
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", ONE)}, "thing")
    assert not any("place" in fact for fact in done.kept.facts)


def test_both_may_be_said_of_one_listing(tmp_path: Path) -> None:
    both = listed("Things", rest=Reason.NOT_IN_MANIFESTS, left_out=Reason.UNSUPPORTED)
    done = tell(tmp_path, THINGS, {"ListThings": both}, "thing")
    assert done.whole("thing") == []
    assert (done.shadows("thing"), done.ghosts("thing")) == ([("global", Reason.NOT_IN_MANIFESTS)], [("global", Reason.UNSUPPORTED)])
    assert len({fact["key"] for fact in done.of("thing")}) == 2


def test_each_page_says_what_it_leaves_out(tmp_path: Path) -> None:
    pages = [listed("Things", ONE), listed("Things", {"Name": "b"}, left_out=Reason.TRUNCATED)]
    done = tell(tmp_path, THINGS, {"ListThings": pages}, "thing")
    assert [fact["key"] for fact in done.whole("thing")] == ["a", "b"]
    assert done.ghosts("thing") == [("global", Reason.TRUNCATED)]


BLIND = {"status": Reason.NOT_IN_MANIFESTS, "silence": Reason.NOT_COLLECTED, "nobody.asks": Reason.DENIED}


def test_what_a_source_never_shows_is_a_gap_of_each_fact(tmp_path: Path) -> None:
    """By the name that a column's path has: through `parent.` where the row is an element, or was listed for the item."""
    answers = {"ListThings": listed("Things", {**ONE, "Parts": [{"Name": "p"}]}, blind=BLIND), "ListPieces": PIECES}
    done = tell(tmp_path, THINGS, answers, *ALL)
    silence = {"silence": Reason.NOT_COLLECTED}
    assert [fact["gaps"] for fact in done.of("thing")] == [{"status": Reason.NOT_IN_MANIFESTS, **silence}]
    assert [fact["gaps"] for fact in done.of("part")] == [{"parent.status": Reason.NOT_IN_MANIFESTS, **silence}]
    assert [fact["gaps"] for fact in done.of("piece")] == [{"parent.status": Reason.NOT_IN_MANIFESTS, **silence}]
    assert all(line.complete and line.status == "ok" for line in done.kept.lines)


def test_elements_that_a_source_never_shows_are_not_none(tmp_path: Path) -> None:
    things = [{"Name": "a"}, {"Name": "b", "Parts": [{"Name": "p"}]}]
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", *things, blind={"Parts": Reason.NOT_IN_MANIFESTS})}, "part")
    assert done.ghosts("part") == [("global", Reason.NOT_IN_MANIFESTS)]
    assert [fact["data"]["Name"] for fact in done.whole("part")] == ["p"]
    assert [fact["data"] for fact in done.of("part") if "list" in fact["gaps"]] == [{"parent": {"Name": "a"}}]


def test_a_note_is_in_the_ledger_and_no_gap(tmp_path: Path) -> None:
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", ONE, note="Expired")}, "thing")
    line = done.line("thing", region="global")
    assert (line.status, line.complete, line.gaps, line.code) == ("ok", True, {}, "Expired")


def test_the_code_of_the_first_gap_comes_before_a_note(tmp_path: Path) -> None:
    pages: list[Told] = [listed("Things", ONE, note="Expired"), refused(Reason.DENIED, "Forbidden")]
    line = tell(tmp_path, THINGS, {"ListThings": pages}, "thing").line("thing", region="global")
    assert (line.status, line.complete, line.code) == ("denied", False, "Forbidden")


def test_an_error_that_means_none_keeps_its_code(tmp_path: Path) -> None:
    done = tell(tmp_path, THINGS, {"ListThings": refused(Reason.SERVER_ERROR, "NoSuchThing")}, "thing")
    line = done.line("thing", region="global")
    assert (line.status, line.complete, line.gaps, line.items, line.code) == ("ok", True, {}, 0, "NoSuchThing")
    assert done.of("thing") == []


READ = """
    aws.lab.row:
      about: What a reader reads.
      once_per: account
      list: {read: iam_credential_report, items: '@', needs: lab:Read}
      key: '{user}'
      columns: {name: {type: text, from: user}, age: {type: text, from: status.age, absent: none}}
"""


def test_a_reader_answers_as_a_call_does(tmp_path: Path) -> None:
    said = Answer([{"user": "ann"}, {"user": "bob"}], blind=BLIND, rest=Reason.TRUNCATED, note="Old")
    done = tell(tmp_path, READ, {"iam_credential_report": said}, "row")
    assert [(fact["key"], fact["gaps"]["status"]) for fact in done.whole("row")] == [
        ("ann", Reason.NOT_IN_MANIFESTS),
        ("bob", Reason.NOT_IN_MANIFESTS),
    ]
    assert done.shadows("row") == [("global", Reason.TRUNCATED)]
    line = done.line("row", region="global")
    assert (line.operation, line.items, line.code) == ("<iam_credential_report>", 2, "Old")


# ---- how old rows are --------------------------------------------------------------------------------------------------------

AGED = """
    aws.lab.thing:
      about: Things that somebody else looks at now and then.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings}
      key: '{Name}'
      as_of: info.Seen
      then: {info: {call: GetInfo, with: {Name: Name}, needs: lab:GetInfo}}
      columns: {name: {type: text, from: Name}, state: {type: text, from: info.State, absent: none}}
    aws.lab.part:
      about: One row for each part of a thing.
      once_per: account
      list: {call: ListThings, items: Things, needs: lab:ListThings}
      each: Parts[]
      key: '{parent.Name}'
      as_of: Seen
      columns: {name: {type: text, from: Id}}
"""


def test_a_row_keeps_when_it_was_true_beside_what_it_says(tmp_path: Path) -> None:
    """The part that tells it is asked, though no column reads it."""
    things = [{"Name": "a", "Parts": [{"Id": "p", "Seen": "2026-01-02T03:04:05.6789012Z"}, {"Id": "q"}]}, {"Name": "b", "Parts": []}]
    info = Answer({"Seen": datetime(2026, 1, 1, tzinfo=UTC)})
    done = tell(tmp_path, AGED, {"ListThings": listed("Things", *things), "GetInfo": info}, "thing", "part")
    assert {fact["key"]: fact.get("as_of", "") for fact in done.whole("thing")} == dict.fromkeys("ab", "2026-01-01T00:00:00Z")
    assert {fact["key"]: fact.get("as_of", "") for fact in done.whole("part")} == {"a#0": "2026-01-02T03:04:05Z", "a#1": ""}
    assert not [fact for fact in done.kept.facts if "Seen" in str(fact["data"])]
    line, part = done.line("thing", "age", "global"), done.line("part", "age", "global")
    assert (line.items, line.undated, line.oldest_at, line.operation) == (2, 0, "2026-01-01T00:00:00Z", "ListThings")
    assert (line.status, line.complete, line.calls, line.gaps) == ("ok", True, 0, {})
    assert (part.items, part.undated, part.oldest_at) == (1, 1, "2026-01-02T03:04:05Z")


def test_what_is_no_moment_costs_its_row(tmp_path: Path) -> None:
    """It may be of any age."""
    things = [{"Name": "a", "Parts": [{"Id": "p", "Seen": "soon"}]}, {"Name": "b", "Parts": [{"Id": "q", "Seen": "2026-01-02"}]}]
    done = tell(tmp_path, AGED, {"ListThings": listed("Things", *things)}, "part")
    assert done.ghosts("part") == [("global", Reason.MALFORMED)]
    assert [fact["key"] for fact in done.whole("part")] == ["b#0"]
    assert done.line("part", "age", "global").items == 1


# ---- what a fact keeps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "odd", [{"Name": "b", "status": "text with a secret"}, {"Name": "b", "status": [{"State": "On"}, "secret"]}, {"Name": "b", "status": 5}]
)
def test_an_odd_item_costs_its_own_row(tmp_path: Path, odd: dict[str, Any]) -> None:
    """A text where an object must stand is not silence: it would read as "not configured"."""
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", ONE, odd, {"Name": "c"}), "ListPieces": PIECES}, "thing", "part")
    assert [fact["key"] for fact in done.whole("thing")] == ["a", "c"]
    assert done.ghosts("thing") == [("global", Reason.MALFORMED)]
    line = done.line("thing", region="global")
    assert (line.status, line.complete, line.gaps, line.code, line.items) == ("malformed", False, {"malformed": 1}, "Malformed", 3)
    assert [fact["key"] for fact in done.of("part")] == ["a#0"]
    assert done.line("part", region="global").complete
    assert "secret" not in str([done.kept.facts, done.kept.lines])


def test_of_a_map_that_a_list_names_the_names_are_kept(tmp_path: Path) -> None:
    things = [{"Name": "a", "Marks": {"z": "secret", "b": {"c": "secret"}}}, {"Name": "b", "Marks": ["z", "b"]}, {"Name": "c"}]
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", *things)}, "thing")
    assert [fact["data"].get("Marks") for fact in done.of("thing")] == [["b", "z"], ["z", "b"], None]


def test_of_what_is_only_asked_whether_it_is_there_nothing_more_is_kept(tmp_path: Path) -> None:
    things = [{"Name": "a", "status": {"State": "On", "New": {"by": "secret"}}}, {"Name": "b", "status": {"New": None}}]
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", *things)}, "thing")
    assert [fact["data"]["status"] for fact in done.of("thing")] == [{"State": "On", "New": True}, {}]


def test_an_element_that_is_asked_for_by_its_place_stays_in_its_list(tmp_path: Path) -> None:
    things = [{"Name": "a", "Parts": [{"Name": "p"}]}, {"Name": "b", "Parts": []}]
    done = tell(tmp_path, THINGS, {"ListThings": listed("Things", *things)}, "thing")
    assert [len(fact["data"]["Parts"]) for fact in done.of("thing")] == [1, 0]


FORMED = """
    aws.lab.doc:
      about: Documents.
      once_per: account
      list: {call: ListDocs, items: Docs, needs: lab:ListDocs}
      key: '{Name}'
      normalise: {Doc: json, 'Others[]': json}
      columns: {name: {type: text, from: Doc.name}, others: {type: list, from: 'Others[].name'}}
    aws.lab.again:
      about: The same, once more.
      once_per: account
      list: {call: ListDocs, items: Docs, needs: lab:ListDocs}
      key: '{Name}'
      normalise: {Doc: json}
      columns: {name: {type: text, from: Doc.name}, raw: {type: json, from: Others}}
"""


def test_what_stands_in_one_form_is_brought_there_for_each_table_that_says_so(tmp_path: Path) -> None:
    seen: list[str] = []

    def form(text: Any) -> Any:
        seen.append(text)
        return {"name": text.upper()}

    docs = listed("Docs", {"Name": "a", "Doc": "x", "Others": ["y", "z"]}, {"Name": "b"})
    done = tell(tmp_path, FORMED, {"ListDocs": docs}, "doc", "again", json=form)
    assert [fact["data"] for fact in done.of("doc")] == [{"Doc": {"name": "X"}, "Others": [{"name": "Y"}, {"name": "Z"}]}, {}]
    # one table's forms are not another's, and what both want is worked out once
    assert [fact["data"] for fact in done.of("again")] == [{"Doc": {"name": "X"}, "Others": ["y", "z"]}, {}]
    assert seen.count("x") == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [(paths.MalformedError("x"), Reason.MALFORMED), (TypeError("secret"), Reason.COLLECTOR_BUG), (KeyError("n"), Reason.COLLECTOR_BUG)],
)
def test_a_form_that_cannot_be_made_costs_its_own_row(tmp_path: Path, error: Exception, reason: Reason) -> None:
    def form(text: Any) -> Any:
        if text == "odd":
            raise error
        return {"name": text}

    docs = listed("Docs", {"Name": "a", "Doc": "odd"}, {"Name": "b", "Doc": "x"})
    done = tell(tmp_path, FORMED, {"ListDocs": docs}, "doc", json=form)
    assert [fact["key"] for fact in done.whole("doc")] == ["b"]
    assert done.ghosts("doc") == [("global", reason)]
    assert "secret" not in str(done.kept.lines)


STATED = """
    aws.lab.doc:
      about: Documents, their own and those of a part.
      once_per: account
      list: {call: ListDocs, items: Docs, needs: lab:ListDocs}
      key: '{Name}'
      then: {part: {call: GetDoc, with: {Name: Name}, needs: lab:GetDoc}}
      normalise: {Doc: json, 'Others[]': json, part.Doc: json}
      columns:
        doc: {type: json, from: Doc, absent: {}}
        others: {type: list, from: 'Others[].name', absent: []}
        of_part: {type: json, from: part.Doc, absent: {}}
        name: {type: text, is: CAST(doc AS VARCHAR) || CAST(others AS VARCHAR) || CAST(of_part AS VARCHAR)}
    aws.lab.said:
      about: What documents say, one by one.
      once_per: account
      list: {call: ListDocs, items: Docs, needs: lab:ListDocs}
      key: '{parent.Name}'
      normalise: {Doc: json}
      each: Doc.said[]
      columns: {name: {type: text, from: name, absent: ''}}
"""


def test_what_has_no_form_is_a_gap_and_no_silence(tmp_path: Path) -> None:
    def form(text: Any) -> Any:
        return None if text == "half" else {"name": text, "said": [{"name": text}]}

    docs = listed("Docs", {"Name": "a", "Doc": "half", "Others": ["x"]}, {"Name": "b", "Doc": "x", "Others": ["x", "half"]}, {"Name": "c"})
    told = {"ListDocs": docs, "GetDoc": Answer({}), "GetDoc c": Answer({"Doc": "half"})}
    done = tell(tmp_path, STATED, told, "doc", "said", json=form)
    gaps = {fact["key"]: fact["gaps"] for fact in done.of("doc")}
    malformed = Reason.MALFORMED
    assert gaps == {"a": {"Doc": malformed}, "b": {"Others": malformed}, "c": {"part": malformed}}
    assert [fact["key"] for fact in done.whole("said")] == ["b#0"]
    assert done.ghosts("said") == [("global", malformed)]
    lines = {(line.table, line.part): line for line in done.kept.lines if line.gaps}
    assert {place: (line.status, line.complete) for place, line in lines.items()} == {
        ("aws.lab.doc", "Doc"): ("malformed", False),
        ("aws.lab.doc", "Others"): ("malformed", False),
        ("aws.lab.doc", "part"): ("malformed", False),
        ("aws.lab.said", "Doc"): ("malformed", False),
    }


# ---- regions -------------------------------------------------------------------------------------------------------------


def states(done: Done) -> dict[str, tuple[str | None, str]]:
    return {region.name: (region.state, region.seen) for region in done.collected.targets[0].regions}


def test_closed_regions_are_not_asked_and_excluded_ones_stay_visible(lab: Lab) -> None:
    done = lab.run(TABLES, "table", regions=[AWAY])
    said = states(done)
    assert said[AWAY] == ("enabled", "listed")
    assert said[HOME] == ("enabled", "excluded")
    assert said["ap-northeast-1"] == ("opt_in_off", "off")
    assert {call.region for call in lab.asked()} == {AWAY}
    own = [fact for fact in done.kept.facts if fact["table"] == "aws.account.region"]
    assert {fact["key"]: fact["data"]["seen"] for fact in own} == {name: seen for name, (_, seen) in said.items()}


def test_a_region_where_everything_is_denied_is_denied(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied_scp", region=AWAY)]
    done = lab.run(TABLES + SETS, "table", "set", regions=())
    assert states(done)[AWAY] == ("enabled", "denied")
    assert states(done)[HOME] == ("enabled", "listed")
    assert done.ghosts("table") == done.ghosts("set") == [(AWAY, Reason.DENIED)]


def test_a_region_that_is_off_after_all_is_off(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("region_disabled", region=AWAY)]
    done = lab.run(TABLES + SETS, "table", "set", regions=())
    assert states(done)[AWAY][1] == "off"


def test_regions_that_may_not_be_listed_are_the_usual_ones(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("denied", operation="DescribeRegions")]
    done = lab.run(TABLES, "table", regions=())
    said = states(done)
    assert set(said) == set(lab.provider.default_regions())
    assert set(said.values()) == {(None, "listed")}
    (line,) = [line for line in done.kept.lines if line.table == "aws.account.region"]
    assert (line.status, line.complete) == ("denied", False)


def test_regions_are_asked_for_again_when_the_first_try_fails(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("throttled", operation="DescribeRegions", times=2)]
    done = lab.run(TABLES, "table", regions=(), attempts=3, deadline=10)
    assert states(done)[AWAY] == ("enabled", "listed")
    assert states(done)["ap-northeast-1"] == ("opt_in_off", "off")
    assert all(line.complete for line in done.kept.lines)


def test_naming_regions_that_may_not_be_listed_leaves_the_others_visible(lab: Lab) -> None:
    """What was left out is excluded, whether regions can be listed or not: less seen must not look like less there."""
    lab.proxy.faults[:] = [Fault("denied", operation="DescribeRegions")]
    done = lab.run(TABLES, "table", regions=[HOME])
    said = states(done)
    assert said[HOME] == (None, "listed")
    assert said[AWAY] == (None, "excluded")
    assert {call.region for call in lab.asked()} == {HOME}


# ---- the ledger ----------------------------------------------------------------------------------------------------------


def test_calls_and_retries_are_counted(lab: Lab) -> None:
    lab.proxy.faults[:] = [Fault("throttled", operation="ListTables", times=2)]
    before = sum(lab.provider.sent().values())  # others use the same connection
    done = lab.run(TABLES, "table", attempts=5, deadline=30)
    assert len(lab.asked("ListTables")) == 5
    (own,) = done.collected.targets
    assert (own.calls - before, own.retries) == (1 + 5, 2)  # the regions, too, are a call
    assert own.calls - before == len(lab.proxy.calls)
    assert (done.collected.calls, done.collected.retries) == (0, 0)  # nothing is asked for several targets at once
    line = done.line("table")
    assert (line.status, line.calls, line.retries, line.items) == ("ok", 3, 2, 5)


def test_a_fact_names_the_calls_that_it_came_from(lab: Lab) -> None:
    done = lab.run(BUCKETS, "bucket", reads={"bucket": "versioning"})
    calls = {fact["key"]: fact["calls"] for fact in done.of("bucket")}["bucket-there"]
    assert [call["operation"] for call in calls] == ["s3:ListBuckets", "s3:GetBucketVersioning"]
    assert calls[1]["request"] == {"Bucket": "bucket-there"}
    assert calls[1]["region"] == AWAY
    assert all(datetime.fromisoformat(call["at"]) for call in calls)


def test_progress_ends_where_it_began(lab: Lab) -> None:
    """Every listing that is said to be under way is also said to be done, failed ones included."""
    lab.proxy.faults[:] = [Fault("denied", operation="ListAttachedRolePolicies", param="RoleName=role-1")]
    seen: Counter[str] = Counter()

    class Told:
        def queued(self, service: str, region: str) -> None:
            seen["queued"] += 1

        def done(self, service: str, region: str) -> None:
            seen["done"] += 1

    plan = make_plan(lab.content(ROLES + HELD + TABLES, "holding", "table"), Selection(), ["aws"])
    collect(plan, lab.provider, Kept(), started=datetime.now(UTC), regions=[HOME], limits=Limits(attempts=1), progress=Told())
    assert seen["queued"] == seen["done"] == 1 + 5 + 1
