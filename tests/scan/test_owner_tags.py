"""Who answers for what fails, from end to end: tags and labels that a person named, in findings, steps, and every form of report."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from pathlib import Path

import boto3
import pytest
from jsonschema import Draft202012Validator

from cnamm_scan import api
from cnamm_scan.cli import main
from cnamm_scan.model import Verdict
from cnamm_scan.report import markdown

MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: retail}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, annotations: {owner: payments}}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: nginx, securityContext: {privileged: true}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  template:
    spec: {containers: [{name: main, image: nginx, securityContext: {privileged: true}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: elsewhere, labels: {owner: "", app: secret-app}}
spec: {containers: [{name: main, image: nginx, securityContext: {privileged: true}}]}
"""
RULE = "kubernetes.core.container_not_privileged"


@pytest.fixture
def deploy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "all.yaml").write_text(MANIFESTS)
    return tmp_path


def test_owners_come_from_the_object_its_workload_or_its_namespace(deploy: Path) -> None:
    with api.scan(["kubernetes:deploy"], rules=[RULE, "kubernetes.core.namespace_owner_label"], owner_tags=["Owner", "team"]) as done:
        found = {result.resource.rpartition("#")[0]: result.owner for result in done.results(Verdict.FAIL, rule=RULE)}
        report = json.loads(json.dumps(done.report()))
    assert found == {"shop/web/main": "payments", "shop/db/main": "retail", "elsewhere/alone/main": ""}
    schema = json.loads((files("cnamm_scan.report") / "report-1.schema.json").read_text())
    Draft202012Validator(schema).validate(report)
    owners = {row["owner"]: row["findings"]["critical"] for row in report["owners"]}
    assert owners == {"payments": 1, "retail": 1, "": 1}
    assert {finding["owner"] for step in report["roadmap"][0]["best"] for finding in step["findings"]} >= {"payments", "retail"}
    made = markdown.render(report)
    assert "| payments | 1 |" in made
    assert "| *nobody named* | 1 |" in made
    assert "(owner: payments)" in made


def test_nothing_says_who_where_no_tag_was_named(deploy: Path) -> None:
    with api.scan(["kubernetes:deploy"], rules=[RULE]) as done:
        assert {result.owner for result in done.results(Verdict.FAIL)} == {""}
        report = done.report()
        assert report["owners"] == []
        assert "owner_tags" not in report["scan"]
        assert done.bundle is not None
        assert "payments" not in json.dumps(list(done.bundle.entries("fact")))


def test_the_command_line_takes_keys_and_every_tool_gets_the_owner(deploy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["scan", "kubernetes:deploy", "--rule", RULE, "--owner-tag", "owner", "--output", "out.cnamm.zip"]
    assert main.run(arguments) == 0
    assert "Who answers for it" in capsys.readouterr().out
    assert main.run(["results", "out.cnamm.zip", "--verdict", "fail", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {row["owner"] for row in rows} == {"payments", ""}
    assert main.run(["evaluate", "out.cnamm.zip", "--format", "markdown"]) == 0
    assert "| payments | 1 |" in capsys.readouterr().out
    assert main.run(["scan", "kubernetes:deploy", "--owner-tag", " "]) == 2
    assert "an empty key names no tag" in capsys.readouterr().err


def test_tags_of_an_account(fresh_moto: str, tmp_path: Path) -> None:
    s3 = boto3.client("s3", endpoint_url=fresh_moto, region_name="us-east-1")
    for name, tags in (("invoices", [{"Key": "Owner", "Value": "payments"}, {"Key": "Diary", "Value": "dear diary"}]), ("letters", [])):
        s3.create_bucket(Bucket=name)
        if tags:
            s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tags})
    options = api.TargetOptions(endpoint_url=fresh_moto)
    rules = ["aws.s3.bucket_versioning", "aws.s3.bucket_labelled"]
    with api.scan(["aws"], rules=rules, regions=["us-east-1"], output=tmp_path, options=options, owner_tags=["Owner"]) as done:
        owners = {result.resource.rpartition(":")[2]: result.owner for result in done.results(rule="aws.s3.bucket_labelled")}
        assert done.bundle is not None
        stored = json.dumps(list(done.bundle.entries("fact")))
    assert owners == {"invoices": "payments", "letters": ""}
    assert "dear diary" not in stored
