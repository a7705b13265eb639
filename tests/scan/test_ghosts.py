"""One call that fails for one item darkens that item: through children, nested lists and joins by id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.demo.aws.bed.proxy import Fault, FaultProxy
from cnamm_scan.model import Verdict

USERS = {"list": {"call": "ListUsers", "items": "Users", "needs": "iam:ListUsers"}, "once_per": "account"}
COLLECTOR: dict[str, Any] = {
    "service": "ghosts",
    "client": "iam",
    "facts": {
        "aws.ghosts.user": {**USERS, "about": "A user.", "key": "{Arn}", "columns": {"name": {"type": "text", "from": "UserName"}}},
        "aws.ghosts.key": {
            "about": "A user's access key.",
            "once_per": "account",
            "list": {
                "for": "aws.ghosts.user",
                "call": "ListAccessKeys",
                "with": {"UserName": "parent.UserName"},
                "items": "AccessKeyMetadata",
                "needs": "iam:ListAccessKeys",
            },
            "key": "{AccessKeyId}",
            "columns": {"owner": {"type": "text", "from": "parent.UserName"}, "status": {"type": "text", "from": "Status"}},
        },
        "aws.ghosts.group": {
            **USERS,
            "about": "A group that a user is in.",
            "then": {"groups": {"call": "ListGroupsForUser", "with": {"UserName": "UserName"}, "needs": "iam:ListGroupsForUser"}},
            "each": "groups.Groups[]",
            "key": "{parent.Arn}",
            "columns": {"member": {"type": "text", "from": "parent.UserName"}, "group_name": {"type": "text", "from": "GroupName"}},
        },
    },
}


def _rule(name: str, inner: str) -> dict[str, Any]:
    return {
        "id": f"aws.ghosts.{name}",
        "title": "Nothing is found",
        "objective": "identity.root-secured",
        "severity": "low",
        "status": "stable",
        "for_each": "aws.ghosts.user",
        "pass": f"NOT (true = ANY (SELECT {inner}))",
        "message": "{name}",
        "why": "It is a test.",
        "fix": "Nothing to fix.",
        "references": ["https://docs.aws.amazon.com/"],
        "tests": {"pass": [{"name": "a"}], "fail": [{"name": "a"}], "unknown": [{"name": "a"}]},
    }


RULES = [
    _rule("no_key", "k.status = 'Active' FROM aws.ghosts.key k WHERE k.target = this.target AND k.owner = this.name"),
    _rule("no_group", "g.group_name = 'admins' FROM aws.ghosts.group g WHERE g.target = this.target AND g.member = this.name"),
    _rule("no_key_without_a_join", "k.owner = this.name AND k.status = 'Active' FROM aws.ghosts.key k WHERE k.target = this.target"),
]


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "pack"
    files = {"collectors/aws/ghosts.yaml": COLLECTOR, **{f"rules/{rule['id'].replace('.', '/')}.yaml": rule for rule in RULES}}
    for name, body in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(yaml.safe_dump(body))
    (root / "mappings").symlink_to(reader.bundled_pack() / "mappings")
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: root)
    return root


def _verdicts(proxy: FaultProxy, tmp_path: Path) -> dict[tuple[str, str], tuple[Verdict, str]]:
    options = api.TargetOptions(endpoint_url=proxy.url)
    with api.scan(["aws"], regions=["us-east-1"], output=tmp_path / "out", options=options) as done:
        return {(r.rule.rpartition(".")[2], r.resource.rpartition("/")[2]): (r.verdict, r.reason) for r in done.results()}


@pytest.mark.usefixtures("pack")
def test_a_refused_child_listing_darkens_its_own_parent_alone(fresh_moto: str, client: Any, tmp_path: Path) -> None:
    iam = client("iam", fresh_moto)
    iam.create_group(GroupName="admins")
    for name in ("ann", "bob", "cas"):
        iam.create_user(UserName=name)
    iam.create_access_key(UserName="bob")
    iam.add_user_to_group(GroupName="admins", UserName="bob")
    faults = [Fault("denied", operation=operation, param="UserName=cas") for operation in ("ListAccessKeys", "ListGroupsForUser")]
    with FaultProxy(fresh_moto, faults=faults) as proxy:
        got = _verdicts(proxy, tmp_path)
    expected = {"ann": (Verdict.PASS, ""), "bob": (Verdict.FAIL, ""), "cas": (Verdict.UNKNOWN, "denied")}
    assert got == {(rule["id"].rpartition(".")[2], name): verdict for rule in RULES for name, verdict in expected.items()}


@pytest.mark.usefixtures("pack")
def test_a_refused_parent_listing_leaves_one_unknown_for_each_rule(fresh_moto: str, client: Any, tmp_path: Path) -> None:
    client("iam", fresh_moto).create_user(UserName="ann")
    with FaultProxy(fresh_moto, faults=[Fault("denied", operation="ListUsers")]) as proxy:
        options = api.TargetOptions(endpoint_url=proxy.url)
        with api.scan(["aws"], regions=["us-east-1"], output=tmp_path / "out", options=options) as done:
            assert [(r.verdict, r.reason) for r in done.results()] == [(Verdict.UNKNOWN, "denied")] * len(RULES)
            kept = json.dumps([done.query(f"SELECT * FROM aws.ghosts.{name}") for name in ("user", "key", "group")], default=str)
    assert "ann" not in kept
