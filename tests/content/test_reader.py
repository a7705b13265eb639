from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnamm_scan import content as reader
from cnamm_scan.errors import ContentError
from cnamm_scan.model import UNSET, Call, Content, Severity
from cnamm_scan.providers.aws import calls
from cnamm_scan.providers.azure import needs as azure_needs
from tests.packs import ACCOUNT, BOX, LOCK, asked, collector, files, lab, mapping, part, rule, table, write

RULE = "rules/aws/lab/r.yaml"
LAB = "collectors/aws/lab.yaml"
SAFETY = "mappings/m/safety.yaml"


def _load(folder: Path, documents: dict[str, Any]) -> Content:
    return reader.load([write(folder, documents)], bundled=False)


def _problems(folder: Path, documents: dict[str, Any]) -> list[ContentError]:
    with pytest.raises(ContentError) as caught:
        _load(folder, documents)
    assert f"{len(caught.value.problems)} problem(s)" in caught.value.what
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)
        assert problem.do, problem.what
    return list(caught.value.problems)


def _line(file: Path, starts: str) -> int:
    return next(number for number, line in enumerate(file.read_text().splitlines(), 1) if line.strip().startswith(starts))


def test_a_sound_pack(tmp_path: Path) -> None:
    made = _load(tmp_path, files(rule(parameters={"n": {"default": 3, "source": "ours"}}, message="{name} {n}")))
    assert set(made.tables) == {BOX, LOCK, ACCOUNT}
    assert set(made.objectives) == {"safety.boxes-are-on", "safety.locks-are-strong"}
    read = made.rules["aws.lab.r"]
    assert (read.severity, read.status, read.for_each, read.provider) == (Severity.MEDIUM, "stable", BOX, "aws")
    assert read.parameters["n"].default == 3
    assert read.source.endswith(RULE)
    assert [case for _, case in read.tests.cases()] == [{"state": "On"}, {"state": "Off"}, {"state": None}]
    box = made.tables[BOX]
    assert (box.service, box.client, box.provider, box.list.needs) == ("lab", "lab", "aws", ("lab:ListThings",))
    assert box.columns["name"].absent is UNSET
    assert box.columns["sealed"].absent is False
    assert [practice.id for practice in made.models[0].functions[0].practices] == ["boxes"]


def test_given_is_laid_under_each_case(tmp_path: Path) -> None:
    tests = {"given": {"name": "n", "state": "x"}, "pass": [{"state": "On"}], "fail": [{}], "unknown": [{"state": None}]}
    made = _load(tmp_path, files(rule(tests=tests)))
    assert [dict(case) for _, case in made.rules["aws.lab.r"].tests.cases()] == [
        {"name": "n", "state": "On"},
        {"name": "n", "state": "x"},
        {"name": "n", "state": None},
    ]


def test_the_client_may_differ_from_the_service(tmp_path: Path) -> None:
    made = _load(tmp_path, files(collector={**lab(), "client": "lab-v2"}))
    assert made.tables[BOX].client == "lab-v2"


def test_dates_stay_texts(tmp_path: Path) -> None:
    text = yaml.safe_dump(rule()).replace("state: 'On'", "made_at: 2026-01-01")
    made = _load(tmp_path, {**files(), RULE: text})
    assert made.rules["aws.lab.r"].tests.pass_[0] == {"made_at": "2026-01-01"}


def test_the_digest_follows_every_byte(tmp_path: Path) -> None:
    one = _load(tmp_path / "a", files(rule()))
    two = _load(tmp_path / "b", files(rule()))
    other = _load(tmp_path / "c", files(rule(why="Another reason.")))
    assert one.sha256 == two.sha256 != other.sha256
    assert one.rules["aws.lab.r"].sha256 != other.rules["aws.lab.r"].sha256


# ---- refusals --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("id: a\ntitle: b\nid: c\n", "'id' stands twice", 3),
        ("tests:\n  pass: []\n  pass: []\n", "'pass' stands twice", 3),
        ("a: [1\n", "not well-formed YAML", 2),
        ("id: x\n\ttitle: y\n", "not well-formed YAML", 2),
        ("a: *nobody\n", "undefined alias", 1),
        ("a: !!python/object/apply:os.system ['true']\n", "the tag '!!python/object/apply:os.system' is not read", 1),
        ("--- {}\n--- {}\n", "another document", 2),
        ("id: x\n[a, b]: 1\n", "a key is no text", 2),
        ("? {a: 1}\n: 1\n", "a key is no text", 1),
        ("- a\n- b\n", "holds no mapping", 1),
        ("text\n", "holds no mapping", 1),
        ("", "holds no mapping", 1),
    ],
)
@pytest.mark.parametrize("name", [RULE, LAB, SAFETY, "mappings/m.yaml"])
def test_a_file_that_is_no_content(tmp_path: Path, name: str, text: str, what: str, line: int) -> None:
    found = [problem for problem in _problems(tmp_path, {**files(), name: text}) if name in problem.where]
    assert what in found[0].what
    assert found[0].where.endswith(f"{name}:{line}")


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    write(tmp_path, files())
    (tmp_path / "rules/aws/lab").mkdir(parents=True)
    (tmp_path / RULE).write_bytes(b"title: fine\nid: \xff\n")
    with pytest.raises(ContentError) as caught:
        reader.load([tmp_path], bundled=False)
    assert caught.value.problems[0].where.endswith(f"{RULE}:2")


Change = Callable[[dict[str, Any]], Any]


def _set(*path: Any) -> Change:
    """A change of a document: the last of `path` is the value, or a missing key when it is `...`."""

    def change(document: dict[str, Any]) -> None:
        *inner, key, value = path
        node: Any = document
        for step in inner:
            node = node[step]
        if value is ...:
            del node[key]
        else:
            node[key] = value

    return change


BAD_RULES: list[tuple[Change, str, str]] = [
    (_set("colour", "red"), "'colour': extra inputs are not permitted", "colour:"),
    (_set("title", ...), "'title': field required", "id:"),
    (_set("severity", "hgh"), "got 'hgh'", "severity:"),
    (_set("status", "beta"), "got 'beta'", "status:"),
    (_set("scope", "world"), "got 'world'", "scope:"),
    (_set("title", 5), "'title': input should be a valid string", "title:"),
    (_set("id", "aws.lab.other"), "id 'aws.lab.other' does not match its path", "id:"),
    (_set("id", "AWS.Lab"), "'id': string should match pattern", "id:"),
    (_set("references", []), "'references'", "references:"),
    (_set("parameters", {"n": {"default": 3}}), "'parameters.n.source': field required", "n:"),
    (_set("tests", "pass", ...), "'tests.pass': field required", "tests:"),
    (_set("tests", "fail", ...), "'tests.fail': field required", "tests:"),
    (_set("tests", "unknown", []), "'tests.unknown'", "unknown:"),
    (_set("tests", "passes", []), "'tests.passes': extra inputs", "passes:"),
    (_set("where", "true"), "needs tests for not_applicable", "tests:"),
    (_set("message", 5), "'message': input should be a valid string", "message:"),
    (_set("message", {"pass": "on", "unknown": "?"}), "'message.fail': field required", "message:"),
    (_set("fix", {"cil": "aws lab turn-on"}), "'fix.cil': extra inputs", "cil:"),
    (_set("says", {"state": 5}), "'says.state': input should be a valid dictionary", "state:"),
    (_set("says", {"state": [{"if": True, "say": "shut"}, {"say": "away"}]}), "'says.state.0.if': input should be a valid string", "- if:"),
    (_set("says", {"state": [{"if": True, "say": "shut"}]}), "'says.state.0.if': input should be a valid str", "- if:"),
    (_set("says", {"state": {"every": [{"if": True, "say": "shut"}]}}), "'says.state.every.0.if': input should be a valid str", "- if:"),
    (_set("references", [5]), "'references.0': input should be a valid string", "- 5"),
    (_set("says", {"state": {"every": []}}), "'says.state.every': tuple should have at least 1 item", "every:"),
    (_set("says", {"boxes": {"of": BOX, "if": "size = 1"}}), "'says.boxes.say': field required", "boxes:"),
    (_set("objective", "safety.boxes-are-of"), "no objective 'safety.boxes-are-of'", "objective:"),
    (_set("for_each", "aws.lab.bocks"), "no table 'aws.lab.bocks'", "for_each:"),
]


@pytest.mark.parametrize(("change", "what", "starts"), BAD_RULES, ids=[what for _, what, _ in BAD_RULES])
def test_a_bad_rule(tmp_path: Path, change: Change, what: str, starts: str) -> None:
    document = rule()
    change(document)
    [problem] = _problems(tmp_path, {**files(), RULE: document})
    assert what in problem.what
    assert problem.where.endswith(f"{RULE}:{_line(tmp_path / RULE, starts)}")


T = ("facts", BOX)
BAD_COLLECTORS: list[tuple[Change, str, str]] = [
    (_set("fact", {}), "'fact': extra inputs", "fact:"),
    (_set("service", ...), "'service': field required", "facts:"),
    (_set(*T, "abuot", "x"), "extra inputs", "abuot:"),
    (_set(*T, "about", " "), "'about' is empty", "about:"),
    (_set(*T, "once_per", "cell"), "got 'cell'", "once_per:"),
    (_set(*T, "key", "{a..b}"), "path 'a..b' is not well formed", "key:"),
    (_set(*T, "key", "{$nobody}"), "no variable '$nobody'", "key:"),
    (_set(*T, "list", "call", ...), "needs either 'call' or 'read'", "list:"),
    (_set(*T, "list", "call", "DeleteBoxes"), "operation 'DeleteBoxes' may do more than read", "list:"),
    (_set(*T, "list", "call", "s3:DeleteBucket"), "operation 'DeleteBucket' may do more than read", "list:"),
    (_set(*T, "list", "call", "Getaway"), "operation 'Getaway' may do more than read", "list:"),
    (_set(*T, "list", "call", "BatchDeleteImage"), "operation 'BatchDeleteImage' may do more than read", "list:"),
    (_set(*T, "then", "seal", "call", "GetSecretValue"), "operation 'GetSecretValue' hands out secrets", "seal:"),
    (_set(*T, "list", "call", "sts:GetSessionToken"), "operation 'GetSessionToken' hands out secrets", "list:"),
    (_set(*T, "then", "seal", "call", "redshift:GetClusterCredentialsWithIAM"), "hands out secrets", "seal:"),
    (_set(*T, "list", "call", "ecr:GetAuthorizationToken"), "'GetAuthorizationToken' hands out secrets", "list:"),
    (_set(*T, "list", "call", "ec2:GetPasswordData"), "'GetPasswordData' hands out secrets", "list:"),
    (_set(*T, "list", "call", "apigateway:GetUsagePlanKeys"), "'GetUsagePlanKeys' hands out secrets", "list:"),
    (_set(*T, "list", "call", "ssm:GetParametersByPath"), "'GetParametersByPath' hands out the values of parameters", "list:"),
    (_set(*T, "then", "seal", "call", "lambda:GetFunction"), "'GetFunction' hands out a link to code", "seal:"),
    (_set(*T, "then", "seal", "call", "s3:GetObject"), "'GetObject' hands out what is stored, not how", "seal:"),
    (_set(*T, "list", "call", "glue:GetConnections"), "'GetConnections' hands out passwords", "list:"),
    (_set(*T, "then", "detail", "call", "sts:AssumeRole"), "operation 'AssumeRole' may do more than read", "detail:"),
    (_set(*T, "list", "read", "iam_credential_report"), "needs either 'call' or 'read'", "list:"),
    (_set(*T, "list", {"read": "tea_leaves", "needs": "lab:Read", "items": "@"}), "no reader 'tea_leaves'", "list:"),
    (_set(*T, "list", "items", ...), "a list needs 'items'", "list:"),
    (_set(*T, "list", "needs", ...), "'needs' is missing", "list:"),
    (_set(*T, "list", "at_most", 0), "greater than 0", "at_most:"),
    (_set(*T, "list", "by", "x"), "'by' belongs to a part", "list:"),
    (_set(*T, "list", "with", {"A": "$acount"}), "no variable '$acount'", "list:"),
    (_set(*T, "list", "for", "aws.lab.nothing"), "'for: aws.lab.nothing' is no table of this file", "list:"),
    (_set(*T, "then", "detail", "many", {"Ids": "Name"}), "'many' needs one parameter", "detail:"),
    (_set(*T, "then", "detail", "for", LOCK), "belong to a list", "detail:"),
    (_set(*T, "then", "detail", "with", {"Id": "seal.Id"}), "which comes after it", "detail:"),
    (_set(*T, "then", "Detail", part()), "string should match pattern", "Detail:"),
    (_set(*T, "columns", "Name", {"type": "text", "from": "x"}), "string should match pattern", "Name:"),
    (_set(*T, "columns", "region", {"type": "text", "from": "x"}), "'region' is on every row already", "region:"),
    (_set(*T, "columns", "x", {"type": "words", "from": "x"}), "got 'words'", "type: words"),
    (_set(*T, "columns", "x", {"type": "text"}), "needs one of 'from', 'exists' and 'is'", "x:"),
    (_set(*T, "columns", "x", {"type": "text", "from": "a", "is": "name"}), "needs one of", "x:"),
    (_set(*T, "columns", "x", {"type": "text", "from": "a[b]"}), "path 'a[b]' is not well formed", "x:"),
    (_set(*T, "columns", "x", {"type": "text", "exists": "a"}), "'exists' is boolean", "x:"),
    (_set(*T, "columns", "x", {"type": "boolean", "exists": "a", "absent": True}), "'absent' goes with 'from'", "x:"),
    (_set(*T, "columns", "x", {"type": "timestamp", "from": "a", "absent": None}), "would make silence look unseen", "x:"),
    (_set(*T, "columns", "x", {"type": "text", "from": "a", "absent": 3}), "absent 3 is no text", "x:"),
    (_set(*T, "columns", "x", {"type": "integer", "from": "a", "absent": True}), "absent True is no integer", "x:"),
    (_set(*T, "columns", "x", {"type": "boolean", "from": "a", "absent": "no"}), "absent 'no' is no boolean", "x:"),
    (_set(*T, "columns", "x", {"type": "list", "from": "a", "absent": ""}), "absent '' is no list", "x:"),
    (_set(*T, "normalise", {"Doc": "xml"}), "no form 'xml'", "Doc: xml"),
    (_set(*T, "opt_in", "everything"), "no opt-in 'everything'", "opt_in:"),
    (_set("facts", "gcp.lab.box", table({})), "is not of provider 'aws'", "gcp.lab.box:"),
    (_set("facts", "aws.account.region", table({})), "is made by the engine", "aws.account.region:"),
    (_set("facts", "aws.box", table({})), "string should match pattern", "aws.box:"),
    (_set("views", {BOX: {"about": "x", "columns": {"name": {"type": "text"}}, "select": "SELECT 1"}}), "is a table", f"{BOX}:"),
]


@pytest.mark.parametrize(("change", "what", "starts"), BAD_COLLECTORS, ids=[what for _, what, _ in BAD_COLLECTORS])
def test_a_bad_collector(tmp_path: Path, change: Change, what: str, starts: str) -> None:
    document = lab()
    change(document)
    [problem] = _problems(tmp_path, {**files(), LAB: document})
    assert what in problem.what
    where, _, line = problem.where.rpartition(":")
    assert where.endswith(LAB)
    lines = (tmp_path / LAB).read_text().splitlines()
    assert lines[int(line) - 1].strip().startswith(starts)


@pytest.mark.parametrize(
    ("call", "fixed", "problem"),
    [
        ("glue:GetConnections", {"HidePassword": True}, None),
        ("glue:GetConnections", {"HidePassword": False}, "operation 'GetConnections' hands out passwords"),
        ("apigateway:GetApiKeys", {}, None),
        ("apigateway:GetApiKeys", {"includeValues": True}, "operation 'GetApiKeys' with 'includeValues' hands out keys"),
        ("cloudfront:GetFunction", {}, None),
        ("waf:GetChangeToken", {}, None),
        ("iam:GetAccountPasswordPolicy", {}, None),
        ("s3:GetObjectLockConfiguration", {}, None),
        ("workmail:GetPersonalAccessTokenMetadata", {}, None),
    ],
)
def test_what_an_operation_hands_out_hangs_on_its_service_and_parameters(call: str, fixed: dict[str, Any], problem: str | None) -> None:
    found = calls.problem(Call(call, fixed=fixed), "lab")
    assert (found and found[0]) == problem


@pytest.mark.parametrize(
    ("path", "hands_out"),
    [
        ("readonlykeys", True),
        ("sharedkey", True),
        ("functions/admin/token", True),
        ("hostruntime/admin/host/systemkeys", True),
        ("Microsoft.Search/searchServices/listQueryKeys", True),
        ("agentRegistrationInformation", True),
        ("keyValues", True),
        ("keys", False),
        ("tokens", False),
        ("secrets", False),
        ("extensions", False),
        ("configurations/require_secure_transport", False),
    ],
)
def test_paths_of_azure_that_answer_with_keys(path: str, hands_out: bool) -> None:
    found = azure_needs.problem(Call(f"2023-01-01:{path}", with_={"scope": "id"}), "")
    assert (found is not None and "may hand out secrets" in found[0]) is hands_out


def test_a_provider_that_nobody_knows(tmp_path: Path) -> None:
    document = {"service": "lab", "facts": {"awz.lab.box": table({"name": {"type": "text", "from": "Name"}})}}
    [problem] = _problems(tmp_path, {**files(), "collectors/awz/lab.yaml": document})
    assert problem.what == "awz.lab.box: no provider 'awz'"
    assert problem.do == "did you mean 'aws' or 'azure'?"
    assert problem.where.endswith(f"collectors/awz/lab.yaml:{_line(tmp_path / 'collectors/awz/lab.yaml', 'awz.lab.box:')}")


CLUSTER = "collectors/kubernetes/lab.yaml"
BAD_CALLS = [
    ({"call": "Pods"}, "'Pods' is no resource"),
    ({"call": "apps:deployments"}, "client 'apps' is no API group and version"),
    ({"call": "pods", "read": "cluster"}, "needs either 'call' or 'read'"),
    ({"read": "tea_leaves", "needs": "get /tea"}, "no reader 'tea_leaves'"),
    ({"call": "secrets"}, "'secrets' lists secrets with their values"),
    ({"call": "v1:secrets"}, "'secrets' lists secrets with their values"),
    ({"call": "v2,v1:secrets", "fixed": {"metadata_only": False}}, "'secrets' lists secrets with their values"),
    ({"call": "secrets", "fixed": {"metadata_only": "yes"}}, "'secrets' lists secrets with their values"),
    ({"call": "secrets", "fixed": {"metadata_only": True}, "with": {"metadata_only": "$target"}}, "'metadata_only' comes from an answer"),
    ({"call": "v1:*"}, "'*' of the core group lists secrets with their values"),
    ({"call": "namespaces/secrets", "with": {"name": "$target"}}, "'namespaces/secrets' may hand out secrets, or do more than read"),
    ({"call": "nodes/secrets", "fixed": {"name": ".."}}, "'nodes/secrets' may hand out secrets, or do more than read"),
    ({"call": "nodes/proxy/pods", "fixed": {"name": "n"}}, "'nodes/proxy/pods' may hand out secrets, or do more than read"),
    ({"call": "serviceaccounts/token", "fixed": {"name": "n"}}, "'serviceaccounts/token' may hand out secrets, or do more than read"),
    ({"call": "../v1:secrets"}, "client '../v1' is no API group and version"),
]


@pytest.mark.parametrize(("call", "what"), BAD_CALLS, ids=[what for _, what in BAD_CALLS])
def test_how_a_call_is_written_is_the_provider_s_to_say(tmp_path: Path, call: dict[str, Any], what: str) -> None:
    own = table(
        {"name": {"type": "text", "from": "metadata.name"}}, once_per="target", key="{metadata.name}", list={"items": "items", **call}
    )
    documents = {**files(), CLUSTER: {"service": "lab", "client": "v1", "facts": {"kubernetes.lab.thing": own}}}
    problems = _problems(tmp_path, documents)
    assert [problem.what for problem in problems if what in problem.what] != []
    # a call that cannot be read names no right either
    assert {problem.what.partition(": ")[2] for problem in problems if what not in problem.what} <= {"'needs' is missing"}
    assert {problem.where.partition(CLUSTER)[2] for problem in problems} == {f":{_line(tmp_path / CLUSTER, 'list:')}"}


@pytest.mark.parametrize("call", [{"call": "secrets"}, {"call": "namespaces/secrets", "with": {"name": "metadata.name"}}])
def test_a_part_hands_out_no_secrets_either(tmp_path: Path, call: dict[str, Any]) -> None:
    columns = {"name": {"type": "text", "from": "metadata.name"}}
    listed = {"call": "namespaces", "items": "items"}
    own = table(columns, once_per="target", key="{metadata.name}", list=listed, then={"theirs": call})
    [problem] = _problems(tmp_path, {**files(), CLUSTER: {"service": "lab", "client": "v1", "facts": {"kubernetes.lab.thing": own}}})
    assert "secrets" in problem.what
    assert problem.where.endswith(f":{_line(tmp_path / CLUSTER, 'theirs:')}")


def test_secrets_by_name_and_those_of_other_groups_are_listed(tmp_path: Path) -> None:
    columns = {"name": {"type": "text", "from": "metadata.name"}}
    calls: list[dict[str, Any]] = [
        {"call": "secrets", "fixed": {"metadata_only": True}},
        {"call": "example.com/v1:secrets"},
        {"call": "example.com/v1:*"},
    ]
    facts = {
        f"kubernetes.lab.thing{number}": table(columns, once_per="target", key="{metadata.name}", list={"items": "items", **call})
        for number, call in enumerate(calls)
    }
    made = _load(tmp_path, {**files(), CLUSTER: {"service": "lab", "client": "v1", "facts": facts}})
    assert {name for name in made.tables if name.startswith("kubernetes.lab.")} == set(facts)


def test_rights_follow_from_a_call_where_the_provider_says_so(tmp_path: Path) -> None:
    columns = {"name": {"type": "text", "from": "metadata.name"}}
    calls = {"pod": "pods", "deployment": "apps/v1:deployments", "node": "nodes/proxy/configz"}
    facts = {
        f"kubernetes.lab.{name}": table(columns, once_per="target", key="{metadata.name}", list={"call": call, "items": "items"})
        for name, call in calls.items()
    }
    made = _load(tmp_path, {**files(), CLUSTER: {"service": "lab", "client": "v1", "facts": facts}})
    assert {name: made.tables[f"kubernetes.lab.{name}"].list.needs for name in calls} == {
        "pod": ("list pods",),
        "deployment": ("list deployments.apps",),
        "node": ("get nodes/proxy",),
    }


P = ("practices", 0)
BAD_MAPPINGS: list[tuple[Change, str, str]] = [
    (_set(*P, "objectives", 0, "level", 9), "got 9", "level:"),
    (_set(*P, "objectives", 0, "stream", "C"), "got 'C'", "stream:"),
    (_set(*P, "objectives", 0, "id", "other.thing"), "'other.thing' is not of function 'safety'", "- id:"),
    (_set(*P, "objectives", 1, "id", "safety.boxes-are-on"), "'safety.boxes-are-on' is defined twice", "- id:"),
    (_set(*P, "also", [{"id": "safety.boxes-are-on-too", "level": 1, "stream": "A"}]), "no objective 'safety.boxes-are-on-too'", "- id:"),
    (_set("practice", []), "'practice': extra inputs", "practice:"),
]


@pytest.mark.parametrize(("change", "what", "starts"), BAD_MAPPINGS, ids=[what for _, what, _ in BAD_MAPPINGS])
def test_a_bad_mapping(tmp_path: Path, change: Change, what: str, starts: str) -> None:
    document = copy.deepcopy(mapping()[SAFETY])
    change(document)
    [problem] = _problems(tmp_path, {**files(), SAFETY: document})
    assert what in problem.what
    where, _, line = problem.where.rpartition(":")
    assert where.endswith(SAFETY)
    assert (tmp_path / SAFETY).read_text().splitlines()[int(line) - 1].strip().startswith(starts)


def test_names_that_are_nearly_right(tmp_path: Path) -> None:
    [problem] = _problems(tmp_path / "a", files(rule(objective="safety.boxes-are-of")))
    assert problem.do.startswith("did you mean 'safety.boxes-are-on'")
    [problem] = _problems(tmp_path / "b", files(rule(for_each="aws.lab.bix")))
    assert f"'{BOX}'" in problem.do
    document = lab()
    document["facts"][LOCK]["list"]["for"] = "aws.lab.bo"
    [problem] = _problems(tmp_path / "c", files(collector=document))
    assert f"'{BOX}'" in problem.do


def test_a_merged_objective_names_the_one_that_stands_for_it(tmp_path: Path) -> None:
    document = copy.deepcopy(mapping()[SAFETY])
    document["practices"][0]["also"] = [{"id": "safety.boxes-are-on", "level": 3, "stream": "B", "instead_of": "safety.power"}]
    made = _load(tmp_path / "a", {**files(rule()), SAFETY: document})
    assert made.merged == {"safety.power": "safety.boxes-are-on"}
    [problem] = _problems(tmp_path / "b", {**files(rule(objective="safety.power")), SAFETY: document})
    assert (problem.what, problem.do) == ("objective 'safety.power' was merged away", "name 'safety.boxes-are-on'")


def test_a_model_needs_its_file_and_functions(tmp_path: Path) -> None:
    without = files()
    del without["mappings/m.yaml"]
    [problem] = _problems(tmp_path / "a", without)
    assert problem.what == "model 'm' has no file"
    wrong = files() | {"mappings/m.yaml": {**mapping()["mappings/m.yaml"], "functions": ["safty"]}}
    [problem] = _problems(tmp_path / "b", wrong)
    assert (problem.what, problem.do) == ("no function 'safty'", "did you mean 'safety'?")


def test_one_run_names_every_problem(tmp_path: Path) -> None:
    document = lab()
    document["facts"][BOX]["once_per"] = "cell"
    mapped = copy.deepcopy(mapping()[SAFETY])
    mapped["practices"][0]["objectives"][0]["level"] = 9
    bad = {**files(rule(severity="hgh", status="beta", colour="red")), LAB: document, SAFETY: mapped, "rules/aws/lab/s.yaml": "id: [\n"}
    found = _problems(tmp_path, bad)
    assert [problem.where.rpartition(":")[0].rpartition("/")[2] for problem in found][:6] == [
        "lab.yaml",
        "r.yaml",
        "r.yaml",
        "r.yaml",
        "s.yaml",
        "safety.yaml",
    ]


def test_the_ending_is_yaml(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match=r"end in \.yaml") as caught:
        _load(tmp_path, {**files(), "rules/aws/lab/r.yml": rule()})
    assert "r.yaml" in caught.value.do


def test_a_folder_that_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="is no content pack") as caught:
        reader.load([tmp_path / "nothing"], bundled=False)
    assert "collectors/" in caught.value.do
    (tmp_path / "rules").mkdir()
    assert reader.load([tmp_path], bundled=False).rules == {}


def test_what_of_a_pack_cannot_be_looked_at_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is left out in silence is missing from the score."""
    pack = write(tmp_path / "pack", files(rule()))
    (tmp_path / "others").mkdir()
    for link, target, what in (
        ("rules/aws/lab/gone.yaml", "nowhere", "is no file"),
        ("rules/aws/other", str(tmp_path / "others"), "is a link to a folder"),
    ):
        (pack / link).symlink_to(target)
        with pytest.raises(ContentError, match=what) as caught:
            reader.load([pack], bundled=False)
        assert (caught.value.where, bool(caught.value.do)) == (str(pack / link), True)
        (pack / link).unlink()
    os.mkfifo(pack / "rules/aws/lab/pipe.yaml")
    with pytest.raises(ContentError, match="is no file"):
        reader.load([pack], bundled=False)
    (pack / "rules/aws/lab/pipe.yaml").unlink()

    def scandir(at: str, real: Any = os.scandir) -> Any:  # permissions do not keep an administrator out
        if str(at).endswith("lab"):
            raise PermissionError(13, "Permission denied", str(at))
        return real(at)

    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(ContentError, match="cannot be read: Permission denied") as caught:
        reader.load([pack], bundled=False)
    assert caught.value.where == str(pack / "rules/aws/lab")


# ---- several packs -----------------------------------------------------------------------------------------------------------


def _two(folder: Path, second: dict[str, Any], first: dict[str, Any] | None = None) -> Content:
    packs = [write(folder / "one", first or files(rule())), write(folder / "two", second)]
    return reader.load(packs, bundled=False)


def test_redefining_is_an_error(tmp_path: Path) -> None:
    second = {RULE: rule(title="Mine"), LAB: collector({BOX: table({"a": {"type": "text", "from": "a"}})})}
    with pytest.raises(ContentError) as caught:
        _two(tmp_path, second)
    assert [(problem.what.split(" in ")[0], problem.do) for problem in caught.value.problems] == [
        (f"table '{BOX}' is already defined", f"write overrides: {BOX}"),
        ("rule 'aws.lab.r' is already defined", "write overrides: aws.lab.r"),
    ]
    assert "one" in caught.value.problems[0].what


def test_overrides_replace(tmp_path: Path) -> None:
    own = {**collector({BOX: table({"state": {"type": "text", "from": "a"}, "name": {"type": "text", "from": "b"}})}), "overrides": BOX}
    made = _two(tmp_path, {RULE: rule(title="Mine", overrides="aws.lab.r"), "collectors/aws/aaa.yaml": own})
    assert made.rules["aws.lab.r"].title == "Mine"
    assert set(made.tables[BOX].columns) == {"state", "name"}
    assert LOCK in made.tables


def test_overriding_one_thing_is_not_overriding_another(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="1 problem"):
        _two(tmp_path, {RULE: rule(overrides="aws.lab.other")})


@pytest.mark.parametrize("name", [SAFETY, "mappings/m.yaml"])
def test_a_function_and_a_model_are_not_replaced_in_silence(tmp_path: Path, name: str) -> None:
    document = copy.deepcopy(mapping()[name])
    if "practices" in document:
        document["practices"] = []
    with pytest.raises(ContentError, match="already defined"):
        _two(tmp_path, {name: document})


@pytest.mark.parametrize("name", [LAB, "collectors/aws/aaa.yaml", "collectors/aws/zzz.yaml"])
def test_a_bundle_s_method_is_the_same_content(tmp_path: Path, name: str) -> None:
    """Whatever packs a scan had: its files alone give the same tables and rules, years later."""
    own = {**collector({BOX: table({"state": {"type": "text", "from": "a"}, "name": {"type": "text", "from": "b"}})}), "overrides": BOX}
    own["facts"]["aws.lab.own"] = table({"a": {"type": "text", "from": "a"}})
    made = _two(tmp_path, {RULE: rule(title="Mine", overrides="aws.lab.r"), name: own})
    again = reader.load_files(dict(sorted(made.files.items())))
    assert set(again.tables) == set(made.tables) == {BOX, LOCK, ACCOUNT, "aws.lab.own"}
    assert {name: dict(each.columns) for name, each in again.tables.items()} == {
        name: dict(each.columns) for name, each in made.tables.items()
    }
    assert again.rules["aws.lab.r"].title == "Mine"
    assert again.sha256 == made.sha256
    assert again.models[0].functions[0].practices == made.models[0].functions[0].practices


def test_frameworks_are_kept(tmp_path: Path) -> None:
    name = "mappings/frameworks/f.yaml"
    made = _load(tmp_path, {**files(), name: {"framework": "f", "version": "1", "controls": {}}})
    assert name in made.files


# ---- size ----------------------------------------------------------------------------------------------------------------------


def test_a_thousand_rules_load(tmp_path: Path) -> None:
    made = _load(tmp_path, files(*(asked("state = 'On'", id=f"aws.lab.r{number}") for number in range(1000))))
    assert len(made.rules) == 1000


def test_the_packs_that_ship_are_sound() -> None:
    made = reader.load()
    assert made.rules
    assert all(each.where is None or each.tests.not_applicable for each in made.rules.values())
    assert all(each.objective in made.objectives for each in made.rules.values())
    again = reader.load_files(made.files)
    assert again.sha256 == made.sha256


@pytest.mark.parametrize(
    ("template", "found"),
    [("arn:{$partition}:x:{Name}", ("$partition", "Name")), ("plain", ()), ("{a.b[0]}#{c}", ("a.b[0]", "c")), ("{open", ())],
)
def test_key_paths(template: str, found: tuple[str, ...]) -> None:
    assert reader.key_paths(template) == found
