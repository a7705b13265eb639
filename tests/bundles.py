"""A pocket content pack, and bundles of it written by hand: verdicts come from Python here, never from the package's SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnamm_scan.aggregator.score import Scorer
from cnamm_scan.content import load_files
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.evidence.bundle import BundleWriter, tool
from cnamm_scan.model import JUDGING_MODEL, SCORING_MODEL, Content, Coverage, Reason, ResultBlock, Tally, Verdict, fact_id
from cnamm_scan.model.old import DEFAULT_MAX_AGE, seconds

ONE, TWO = "aws:111111111111", "aws:222222222222"
HOME = "eu-west-1"
SCAN_ID = "20260102T030405Z-0a1b2c3d"

Row = Mapping[str, Any]

MODEL = """\
model: cnamm
title: Pocket Model
version: "1"
functions: [data, identity, runtime, detection]
"""

DATA = """\
function: data
title: Data [all of it]
practices:
  - id: storage
    title: Storage
    objectives:
      - {id: data.versioned, level: 1, stream: A, title: Data can be brought back}
      - {id: data.logged, level: 1, stream: B, title: Access to data leaves a trace}
      - {id: data.encrypted, level: 2, stream: A, title: Data is encrypted}
      - {id: data.rehearsed, level: 3, stream: B, basis: cnamm, title: Restores are rehearsed}
  - id: retention
    title: Retention
    objectives:
      - {id: data.kept, level: 1, stream: A, title: Data is kept as long as it must}
"""

IDENTITY = """\
function: identity
title: Identity
practices:
  - id: people
    title: People
    objectives:
      - {id: identity.mfa, level: 1, stream: A, title: Everyone signs in with a second factor}
      - {id: identity.keys-are-young, level: 2, stream: B, title: Keys are young}
    also: [{id: data.logged, level: 3, stream: A}]
"""

RUNTIME = """\
function: runtime
title: Runtime
practices:
  - id: clusters
    title: Clusters
    objectives:
      - {id: runtime.private, level: 1, stream: A, title: Clusters are private}
"""

DETECTION = """\
function: detection
title: Detection
practices:
  - id: logs
    title: Logs
    objectives:
      - {id: detection.kept, level: 1, stream: A, title: Logs are kept}
"""

COLLECTOR = """\
service: %(service)s
facts:
  %(table)s:
    about: One row for each of these.
    once_per: %(once_per)s
    list: {call: %(call)s, items: Items, needs: "%(service)s:%(call)s"}
    key: "{Key}"
%(then)s    columns:
%(columns)s
"""

RULE = """\
id: %(id)s
title: %(title)s
objective: %(objective)s
severity: %(severity)s
status: stable
for_each: %(table)s
%(where)spass: %(pass_)s
message: "%(message)s"
why: It matters.
fix: %(fix)s
references: [https://example.com/]
%(parameters)stests:
%(tests)s
"""


@dataclass(frozen=True)
class PocketRule:
    """A rule, and the same statement once more in Python."""

    id: str
    table: str
    objective: str
    severity: str
    pass_: str
    message: str
    fix: str
    judge: Callable[[Row], bool | None]
    tests: str
    where: str = ""
    applies: Callable[[Row], bool | None] = lambda row: True
    parameters: str = ""

    def file(self) -> bytes:
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        shown["where"] = f"where: {self.where}\n" if self.where else ""
        shown["title"] = f"Rule {self.id}"
        return (RULE % shown).encode()

    def verdict(self, row: Row) -> Verdict:
        applies = self.applies(row)
        if applies is False:
            return Verdict.NOT_APPLICABLE
        passes = self.judge(row)
        if applies is None or passes is None:
            return Verdict.UNKNOWN
        return Verdict.PASS if passes else Verdict.FAIL


TABLES: Mapping[str, Mapping[str, str]] = {
    "aws.s3.bucket": {"name": "text", "versioning": "text", "encrypted": "boolean", "logged": "boolean"},
    "aws.iam.user": {"name": "text", "has_mfa": "boolean", "key_age": "integer"},
    "aws.eks.cluster": {"private": "boolean"},
    "aws.logs.group": {"days": "integer"},
}
PARTS = {
    "aws.s3.bucket": '    then: {versioning: {call: GetBucketVersioning, with: {Bucket: name}, needs: "s3:GetBucketVersioning"}}\n',
}
"""What is asked once more for each item."""
FROM = {"versioning": "versioning.Status"}
"""Where a column stands, when it is not where its name says."""
ONCE_PER = {"aws.eks.cluster": "region", "aws.logs.group": "region"}
CALLS = {
    "aws.s3.bucket": "ListBuckets",
    "aws.iam.user": "ListUsers",
    "aws.eks.cluster": "ListClusters",
    "aws.logs.group": "DescribeLogGroups",
}


def _boolean_tests(column: str) -> str:
    return f"  pass: [{{{column}: true}}]\n  fail: [{{{column}: false}}]\n  unknown: [{{{column}: null}}]"


RULES: tuple[PocketRule, ...] = (
    PocketRule(
        "aws.eks.cluster_private",
        "aws.eks.cluster",
        "runtime.private",
        "high",
        "private",
        "{key}: is it private? {private}",
        "make {key} private",
        lambda row: row.get("private"),
        _boolean_tests("private"),
    ),
    PocketRule(
        "aws.iam.user_key_age",
        "aws.iam.user",
        "identity.keys-are-young",
        "medium",
        "key_age <= $max_age_days",
        "{name}: the key is {key_age} days old, at most {max_age_days}",
        "rotate the key of {name}",
        lambda row: None if row.get("key_age") is None else row["key_age"] <= 90,
        "  pass: [{key_age: 1}]\n  fail: [{key_age: 91}]\n  unknown: [{key_age: null}]",
        parameters="parameters: {max_age_days: {default: 90, source: habit}}\n",
    ),
    PocketRule(
        "aws.iam.user_mfa",
        "aws.iam.user",
        "identity.mfa",
        "critical",
        "has_mfa",
        "{name}: second factor {has_mfa}",
        "give {name} a second factor",
        lambda row: row.get("has_mfa"),
        _boolean_tests("has_mfa"),
    ),
    PocketRule(
        "aws.logs.group_kept",
        "aws.logs.group",
        "detection.kept",
        "high",
        "days >= 30",
        "{key}: kept {days} days",
        "keep {key}",
        lambda row: None if row.get("days") is None else row["days"] >= 30,
        "  pass: [{days: 30}]\n  fail: [{days: 1}]\n  unknown: [{days: null}]",
    ),
    PocketRule(
        "aws.s3.bucket_encrypted",
        "aws.s3.bucket",
        "data.encrypted",
        "high",
        "encrypted",
        "{name}: encrypted {encrypted}",
        "encrypt {name}",
        lambda row: row.get("encrypted"),
        _boolean_tests("encrypted"),
    ),
    PocketRule(
        "aws.s3.bucket_logged",
        "aws.s3.bucket",
        "data.logged",
        "low",
        "logged",
        "{name}: logged {logged}",
        "log {name}",
        lambda row: row.get("logged"),
        _boolean_tests("logged"),
    ),
    PocketRule(
        "aws.s3.bucket_versioned",
        "aws.s3.bucket",
        "data.versioned",
        "medium",
        "versioning = 'Enabled'",
        "{name}: versioning is {versioning}",
        "version {name}",
        lambda row: None if row.get("versioning") is None else row["versioning"] == "Enabled",
        "  pass: [{versioning: Enabled, name: a}]\n  fail: [{versioning: Never, name: a}]\n  unknown: [{versioning: null, name: a}]\n"
        "  not_applicable: [{name: a-scratch}]",
        where="name NOT LIKE '%-scratch'",
        applies=lambda row: None if row.get("name") is None else not row["name"].endswith("-scratch"),
    ),
)


def _collector(table: str) -> bytes:
    columns = "\n".join(f"      {name}: {{type: {kind}, from: {FROM.get(name, name)}}}" for name, kind in TABLES[table].items())
    service = table.split(".")[1]
    shown = {"service": service, "table": table, "once_per": ONCE_PER.get(table, "account"), "call": CALLS[table], "columns": columns}
    return (COLLECTOR % {**shown, "then": PARTS.get(table, "")}).encode()


FILES: Mapping[str, bytes] = {
    "mappings/cnamm.yaml": MODEL.encode(),
    "mappings/cnamm/data.yaml": DATA.encode(),
    "mappings/cnamm/identity.yaml": IDENTITY.encode(),
    "mappings/cnamm/runtime.yaml": RUNTIME.encode(),
    "mappings/cnamm/detection.yaml": DETECTION.encode(),
    **{f"collectors/aws/{table.split('.')[1]}.yaml": _collector(table) for table in TABLES},
    **{f"rules/{rule.id.replace('.', '/')}.yaml": rule.file() for rule in RULES},
}


def pocket() -> Content:
    """The pocket pack as the package reads it."""
    return load_files(FILES)


@dataclass(frozen=True)
class Found:
    """What was found in one target: rows by table, and listings that were refused."""

    target: str = ONE
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    refused: Mapping[str, Reason] = field(default_factory=dict)
    gaps: Mapping[str, Mapping[str, Reason]] = field(default_factory=dict)
    """Key of a resource -> its gaps."""
    excluded: Sequence[str] = ()
    """Regions that a person left out."""

    def region(self, table: str) -> str:
        return HOME if ONCE_PER.get(table) == "region" else "global"


BUCKETS: tuple[Row, ...] = (
    {"key": "arn:aws:s3:::invoices", "name": "invoices", "versioning": "Enabled", "encrypted": True, "logged": True},
    {"key": "arn:aws:s3:::letters", "name": "letters", "versioning": "Never", "encrypted": True, "logged": False},
    {"key": "arn:aws:s3:::dim", "name": "dim", "encrypted": None, "logged": True},
    {"key": "arn:aws:s3:::build-scratch", "name": "build-scratch", "versioning": "Never", "encrypted": True, "logged": True},
)
USERS: tuple[Row, ...] = (
    {"key": "ann", "name": "ann", "has_mfa": True, "key_age": 10},
    {"key": "bob", "name": "bob", "has_mfa": False, "key_age": 400},
)
FIRST = Found(
    ONE,
    {"aws.s3.bucket": BUCKETS, "aws.iam.user": USERS, "aws.eks.cluster": ()},
    {"aws.logs.group": Reason.DENIED},
    {"arn:aws:s3:::dim": {"versioning": Reason.THROTTLED}},
)
SECOND = Found(
    TWO,
    {
        "aws.s3.bucket": ({"key": "arn:aws:s3:::archive", "name": "archive", "versioning": "Enabled", "encrypted": True, "logged": True},),
        "aws.iam.user": ({"key": "cleo", "name": "cleo", "has_mfa": True, "key_age": 3},),
        "aws.eks.cluster": (),
        "aws.logs.group": ({"key": "app", "days": 90},),
    },
)
ALL_GOOD = Found(
    ONE,
    {
        "aws.s3.bucket": BUCKETS[:1],
        "aws.iam.user": USERS[:1],
        "aws.eks.cluster": ({"key": "c", "private": True},),
        "aws.logs.group": ({"key": "app", "days": 30},),
    },
)
NOTHING = Found(ONE, dict.fromkeys(TABLES, ()))
DARK = Found(ONE, {}, dict.fromkeys(TABLES, Reason.DENIED))


def write_bundle(
    folder: Path,
    *estate: Found,
    scan_id: str = SCAN_ID,
    interrupted: bool = False,
    method: str = SCORING_MODEL,
    also: Callable[[BundleWriter], Any] = lambda _: None,
) -> Path:
    """A whole bundle of the pocket pack, as a scan of these targets would have left it. `also` writes what the pocket pack has not."""
    content = pocket()
    writer = BundleWriter(folder, scan_id, redaction_key=b"tests")
    tallies: list[Tally] = []
    for found in estate:
        _facts(writer, found)
    for rule in RULES:
        for found in estate:
            counts: Counter[Verdict] = Counter()
            for block in _blocks(content, rule, found):
                writer.result(block, content.rules[rule.id].sha256)
                counts[block.verdict] += block.count
            tallies.append(
                Tally(
                    rule.id,
                    found.target,
                    counts[Verdict.PASS],
                    counts[Verdict.FAIL],
                    counts[Verdict.UNKNOWN],
                    counts[Verdict.NOT_APPLICABLE],
                )
            )
    for tally in tallies:
        body = {name.rstrip("_"): getattr(tally, name) for name in Tally.__slots__}
        writer.entry("tally", f"{tally.rule}|{tally.target}", body)
    score = Scorer(content.rules.values(), tallies).model(content.models[0])
    low = score.interval.low if score.interval else None
    also(writer)
    writer.entry("score", "cnamm", {"of": "cnamm", "low": low, "method": method})
    for table, told in make_plan(content, Selection(), ["aws"]).describe().items():
        writer.entry("asked", table, told)
    return writer.finish(
        content,
        {
            "scan": {**account(scan_id, *estate, interrupted=interrupted), "method": method},
            "plan": {"rules": [rule.id for rule in RULES]},
        },
    )


def account(scan_id: str, *estate: Found, interrupted: bool = False) -> dict[str, Any]:
    """What the manifest says of such a scan."""
    content = pocket()
    return {
        "id": scan_id,
        "started_at": "2026-01-02T03:04:05Z",
        "finished_at": "2026-01-02T03:05:06Z",
        "interrupted": interrupted,
        "targets": [
            {
                "id": found.target,
                "provider": "aws",
                "name": found.target.partition(":")[2],
                "identity": "arn:aws:iam::1:role/audit",
                "regions": [
                    {"name": name, "state": "enabled", "seen": "listed" if name == HOME else "excluded", "opt_in": ""}
                    for name in (HOME, *found.excluded)
                ],
                "calls": len(TABLES),
                "retries": 0,
            }
            for found in estate or (Found(ONE), Found(TWO))
        ],
        "content": {"version": content.version, "sha256": content.sha256},
        "judging": JUDGING_MODEL,
        "method": SCORING_MODEL,
        "max_age": seconds(DEFAULT_MAX_AGE),
        "tool": tool(),
    }


def _facts(writer: BundleWriter, found: Found) -> None:
    for table, columns in TABLES.items():
        region = found.region(table)
        reason = found.refused.get(table)
        if reason is not None:
            gaps: Mapping[str, Reason] = {"list": reason}
            writer.fact(table=table, target=found.target, region=region, key="list", data=None, gaps=gaps, calls=(), redact=())
        rows = found.rows.get(table, ())
        for row in rows:
            data = {name: row[name] for name in columns if row.get(name) is not None}
            if "versioning" in data:
                data["versioning"] = {"Status": data["versioning"]}
            own = found.gaps.get(row["key"], {})
            writer.fact(table=table, target=found.target, region=region, key=row["key"], data=data, gaps=own, calls=(), redact=())
        seen = {reason.value: 1} if reason else {}
        status, code = (reason.value, "AccessDenied") if reason else ("ok", "")
        writer.coverage(Coverage(found.target, region, table, "list", CALLS[table], status, reason is None, 1, 1, len(rows), 0, seen, code))
        for name in sorted({name for row in rows for name in found.gaps.get(row["key"], {})}):
            why = Counter(gap.value for row in rows for part, gap in found.gaps.get(row["key"], {}).items() if part == name)
            operation = f"GetBucket{name.title()}"
            writer.coverage(
                Coverage(found.target, region, table, name, operation, next(iter(why)), False, len(rows), 0, len(rows), 3, why, "Slow")
            )


def _blocks(content: Content, rule: PocketRule, found: Found) -> Iterable[ResultBlock]:
    """What the rule says, alike things together: by region, verdict and reason, in this order."""
    table, home = rule.table, found.region(rule.table)
    spec = content.rules[rule.id]
    read = tuple(sorted(name for name in TABLES[table] if name in rule.message + rule.pass_ + rule.where + rule.fix))
    said: dict[tuple[str, Verdict, str], list[tuple[str, str, Row]]] = {}
    if table in found.refused:
        said[home, Verdict.UNKNOWN, found.refused[table].value] = [("", fact_id(table, found.target, home, "list"), {})]
    for row in found.rows.get(table, ()):
        verdict, key, gap = rule.verdict(row), str(row["key"]), ""
        if verdict is Verdict.UNKNOWN:
            gap = next((why.value for part, why in found.gaps.get(key, {}).items() if part in read), "not_in_answer")
        said.setdefault((home, verdict, gap), []).append((key, fact_id(table, found.target, home, key), row))
    if found.excluded and table in ONCE_PER:  # all of them together are one thing that was not seen
        said[found.excluded[0], Verdict.UNKNOWN, "excluded"] = [("", "", {})]
    for (region, verdict, reason), things in sorted(said.items(), key=lambda item: item[0]):
        things.sort(key=lambda thing: thing[:2])
        shown = verdict in (Verdict.FAIL, Verdict.UNKNOWN)
        yield ResultBlock(
            rule=rule.id,
            table=table,
            target=found.target,
            region=region,
            verdict=verdict,
            reason=reason,
            severity=spec.severity,
            objective=rule.objective,
            parameters={name: parameter.default for name, parameter in spec.parameters.items()},
            count=len(things),
            resources=tuple(key for key, _, _ in things),
            facts=tuple(fact for _, fact, _ in things) if verdict is Verdict.UNKNOWN else (),
            columns=read if shown else (),
            values=tuple([row.get(name) for name in read] for _, _, row in things) if shown else (),
        )
