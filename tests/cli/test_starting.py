"""Files to start from: what `content new` writes can be read, lint names what is to be replaced, editors are told the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from cnamm_scan import content as reader
from cnamm_scan.cli.main import run
from cnamm_scan.content import schemas
from cnamm_scan.content.starter import new_table
from cnamm_scan.engine import sound
from cnamm_scan.engine.lint import lint
from cnamm_scan.errors import ContentError, UsageError
from cnamm_scan.model import Content
from tests.cli.test_content import _in_own_words
from tests.packs import lab, mapping, rule, write

Capsys = pytest.CaptureFixture[str]


def _new(capsys: Capsys, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(["content", "new", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def shipped() -> Content:
    return reader.load()


@pytest.mark.slow
def test_from_nothing_to_a_pack_that_lints(capsys: Capsys, tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    assert _new(capsys, "pack", pack)[0] == 0
    assert _new(capsys, "table", "aws.sqs.dead_letter", "--into", pack)[0] == 0
    assert _new(capsys, "objective", "identity.badges-expire", "--into", pack)[0] == 0
    assert _new(capsys, "rule", "aws.sqs.dead_letter_is_read", "--into", pack, "--content", pack)[0] == 0
    left = lint(reader.load([pack]), reader.load().shipped)  # what ships is looked at with the words that are the pack's own
    assert {each.what.partition(":")[0] for each in left} == {"still as it was made"}
    assert len(left) == 4
    for file in pack.rglob("*.yaml"):
        file.write_text(_in_own_words(file.read_text()))
    grown = reader.load([pack])
    assert sound.problems(grown) == []
    assert "aws.sqs.dead_letter" in grown.tables
    assert "identity.badges-expire" in grown.objectives
    assert run(["content", "test", "aws.sqs.dead_letter_is_read", "aws.s3.our_first_rule", "--content", str(pack)]) == 0


def test_each_new_file_names_a_schema_that_is_there_and_fits(capsys: Capsys, tmp_path: Path) -> None:
    for arguments in (("rule", "aws.s3.mine"), ("table", "aws.sqs.mine"), ("objective", "data.mine")):
        code, out, _ = _new(capsys, *arguments, "--into", tmp_path)
        assert code == 0
        (file,) = map(Path, out.splitlines())
        first, rest = file.read_text().split("\n", 1)
        named = re.fullmatch(r"# yaml-language-server: \$schema=(.*)", first)
        assert named
        schema = json.loads((file.parent / named.group(1)).read_text())
        assert list(Draft202012Validator(schema).iter_errors(yaml.safe_load(rest))) == []


def test_a_table_of_every_service_can_be_started(shipped: Any, tmp_path: Path) -> None:
    made = 0
    for service in sorted({".".join(name.split(".")[:2]) for name in shipped.tables})[::6]:
        try:
            text = new_table(shipped, f"{service}.new_one")
        except UsageError as error:
            assert "to start from" in error.what
            continue
        provider, name = service.split(".")
        write(tmp_path, {f"collectors/{provider}/{name}.yaml": _in_own_words(text)})
        made += 1
    assert made > 10
    assert sound.problems(reader.load([tmp_path])) == []


def test_a_right_that_follows_from_the_call_is_left_out(shipped: Content) -> None:
    assert '"needs": ["sqs:ListQueues"]' in new_table(shipped, "aws.sqs.mine")
    assert "needs" not in new_table(shipped, "gcp.storage.mine"), "Asset Inventory's follows from the content"
    assert "needs" in new_table(shipped, "gcp.iam.mine"), "a service's own API says nowhere which it wants"
    assert "needs" not in new_table(shipped, "kubernetes.core.mine")
    assert "# target or connection\n" in new_table(shipped, "gcp.storage.mine"), "where there are no regions none is offered"


def test_what_is_started_for_google_cloud_lints_but_for_its_placeholders(capsys: Capsys, tmp_path: Path) -> None:
    assert _new(capsys, "table", "gcp.storage.mine", "--into", tmp_path)[0] == 0
    assert _new(capsys, "rule", "gcp.storage.mine_is_good", "--into", tmp_path, "--content", tmp_path)[0] == 0
    left = lint(reader.load([tmp_path]), reader.load().shipped)
    assert {each.what.partition(":")[0] for each in left} == {"still as it was made"}


@pytest.mark.parametrize(
    ("arguments", "what", "do"),
    [
        (("table", "aws.s3.bucket"), "table 'aws.s3.bucket' exists already", "choose another id"),
        (("rule", "aws.ec2.group_instance_image_fresh"), "rule 'aws.ec2.asg_instance_image_fresh' was called 'aws", "choose another id"),
        (("objective", "data.front-doors-encrypted"), "objective 'data.tls-at-the-edge' was called", "choose another id"),
        (("pack", ""), "the pack's folder is ''", "name one"),
        (("table", "aws.nothing.x"), "no table of 'aws.nothing'", ""),
        (("table", "gcp.essentialcontacts.x"), "no table of 'gcp.essentialcontacts' to start", "start from another service's"),
        (("table", "../x"), "'../x' is no table id", "write PROVIDER.SERVICE.KIND"),
        (("objective", "identiy.x"), "no function 'identiy'", "did you mean 'identity'"),
        (("objective", "identity"), "'identity' is no objective id", "write FUNCTION.NAME"),
        (("objective", "identity.../x"), "'identity.../x' is no objective id", "write FUNCTION.NAME"),
    ],
)
def test_what_cannot_be_started_writes_nothing(capsys: Capsys, tmp_path: Path, arguments: tuple[str, str], what: str, do: str) -> None:
    code, out, err = _new(capsys, *arguments, "--into", tmp_path / "pack")
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {what}")
    assert do in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "again", "do"),
    [
        (("table", "aws.sqs.mine"), ("table", "aws.sqs.other"), "add the table to it, or choose another --into"),
        (("objective", "data.mine"), ("objective", "data.other"), "add the objective to it, or choose another --into"),
        (("rule", "aws.s3.mine"), ("rule", "aws.s3.mine"), "choose another id, or another --into"),
        (("rule", "aws.s3.our_first_rule"), ("pack", "."), "choose another folder"),
    ],
)
def test_a_file_in_the_way_is_told_with_what_helps(
    capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str], again: tuple[str, str], do: str
) -> None:
    """The id of another objective of the same function names the same file; and of a pack's files none is written."""
    monkeypatch.chdir(tmp_path)
    assert _new(capsys, *arguments)[0] == 0
    before = sorted(tmp_path.rglob("*"))
    code, out, err = _new(capsys, *again)
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == "error: the file exists already"
    assert err.splitlines()[2] == f"  do: {do}"
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_to_be_done_next_can_be_pasted(capsys: Capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, _, err = _new(capsys, "pack", "our pack; ls")
    assert "cnamm-scan content lint --content 'our pack; ls' && " in err


# ---- a pack that adds to a function ----------------------------------------------------------------------------------------


def _adding(**more: Any) -> dict[str, Any]:
    objective = {"id": "safety.more", "level": 2, "stream": "B", "title": "More is so"}
    own = {"id": "ours", "title": "Ours", "objectives": [{**objective, "id": "safety.ours"}]}
    there = mapping()["mappings/m/safety.yaml"]["practices"][0]
    return {"function": "safety", "adds": True, "title": "Safety", "practices": [{**there, "objectives": [objective]}, own], **more}


def _files(**more: dict[str, Any]) -> dict[str, bytes]:
    documents = {"collectors/aws/lab.yaml": lab(), "rules/aws/lab/r.yaml": rule(), **mapping(), **more}
    return {name: yaml.safe_dump(document, sort_keys=False).encode() for name, document in documents.items()}


@pytest.mark.parametrize("name", ["mappings/m/safety_.yaml", "mappings/m/a.yaml"])
def test_a_pack_adds_objectives_to_a_function_that_is_there(name: str) -> None:
    before, after = reader.load_files(_files()), reader.load_files(_files(**{name: _adding()}))
    (function,) = after.models[0].functions
    there, ours = function.practices[0], function.practices[-1]
    assert [practice.id for practice in function.practices] == [*(p.id for p in before.models[0].functions[0].practices), "ours"]
    assert {placed.objective for placed in there.placements} == {
        *(placed.objective for placed in before.models[0].functions[0].practices[0].placements), "safety.more"
    }  # fmt: skip
    assert [placed.objective for placed in ours.placements] == ["safety.ours"]
    assert {"safety.more", "safety.ours"} <= after.objectives.keys()
    again = reader.load_files(after.files)
    assert [each.practices for each in again.models[0].functions] == [each.practices for each in after.models[0].functions]


@pytest.mark.slow
def test_two_packs_may_add_by_files_of_one_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for pack, name in ((first, "identity.first"), (second, "identity.second")):
        assert run(["content", "new", "objective", name, "--into", str(pack)]) == 0
    made = reader.load([first, second])
    assert {"identity.first", "identity.second"} <= made.objectives.keys()
    again = reader.load_files(made.files)
    assert [function.practices for function in again.models[0].functions] == [function.practices for function in made.models[0].functions]


@pytest.mark.parametrize(
    ("adds", "what"),
    [({"adds": False}, "function 'safety' is already defined"), ({"function": "safty"}, "there is no function 'safty' to add to")],
)
def test_what_cannot_be_added_is_refused(adds: dict[str, Any], what: str) -> None:
    with pytest.raises(ContentError) as error:
        reader.load_files(_files(**{"mappings/m/safety_.yaml": _adding(**adds)}))
    assert any(each.what.startswith(what) for each in error.value.problems)


# ---- schemas ---------------------------------------------------------------------------------------------------------------


def test_every_shipped_file_is_as_its_schema_says(shipped: Any) -> None:
    made = {kind: Draft202012Validator(schemas.schema(kind)) for kind in schemas.KINDS}
    for validator in made.values():
        Draft202012Validator.check_schema(validator.schema)
    for name, raw in sorted(shipped.files.items())[::10]:
        document = json.loads(json.dumps(yaml.load(raw, Loader=yaml.CSafeLoader), default=str))
        assert list(made[schemas.kind_of(name)].iter_errors(document)) == [], name


def test_a_schema_refuses_what_the_reader_refuses() -> None:
    validator = Draft202012Validator(schemas.schema("rule"))
    assert list(validator.iter_errors(rule())) == []
    wrong: list[dict[str, Any]] = [{"severity": "bad"}, {"id": "X"}, {"nope": 1}, {"tests": {}}]
    for broken in wrong:
        assert list(validator.iter_errors({**rule(), **broken})), broken


def test_a_schema_with_content_completes_tables_objectives_and_columns(shipped: Any) -> None:
    made = schemas.schema("rule", shipped)
    assert "aws.s3.bucket" in made["properties"]["for_each"]["anyOf"][0]["enum"]
    assert set(made["properties"]["objective"]["anyOf"][0]["enum"]) == set(shipped.objectives)
    (rows,) = [each["then"] for each in made["allOf"] if each["if"]["properties"]["for_each"] == {"const": "aws.s3.bucket"}]
    columns = rows["properties"]["tests"]["properties"]["fail"]["items"]["properties"]
    assert set(columns) == set(shipped.tables["aws.s3.bucket"].columns)
    for name in list(shipped.rules)[::60]:
        document = json.loads(json.dumps(yaml.safe_load(shipped.files[f"rules/{name.replace('.', '/')}.yaml"]), default=str))
        found = [each for each in made["allOf"] if each["if"]["properties"]["for_each"] == {"const": document["for_each"]}]
        assert list(Draft202012Validator({**made, "allOf": found}).iter_errors(document)) == []


def test_schema_prints_one_or_writes_all(capsys: Capsys, tmp_path: Path) -> None:
    assert run(["content", "schema", "function"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "cnamm-scan function"
    assert run(["content", "schema", "--into", str(tmp_path / "s")]) == 0
    assert sorted(file.name for file in (tmp_path / "s").iterdir()) == sorted(f"{kind}.schema.json" for kind in schemas.KINDS)
    for arguments in ([], ["rule", "--into", str(tmp_path)]):
        capsys.readouterr()
        assert run(["content", "schema", *arguments]) == 2
        assert "name a kind to print, or a folder" in capsys.readouterr().err


# ---- rights and keys that are none -----------------------------------------------------------------------------------------


def _collector(call: dict[str, Any], **more: Any) -> dict[str, Any]:
    columns = {"name": {"type": "text", "from": "jobQueueName"}}
    table = {"about": "Each.", "once_per": "region", "list": call, "key": "{jobQueueArn}", "columns": columns, **more}
    return {"service": "batch", "facts": {"aws.batch.mine": table}}


LISTING = {"call": "DescribeJobQueues", "items": "jobQueues", "needs": "batch:DescribeJobQueues"}


def _linted(capsys: Capsys, pack: Path) -> str:
    run(["content", "lint", "--content", str(pack)])
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("collector", "said"),
    [
        (_collector(LISTING), ""),
        (_collector({**LISTING, "needs": "batchs:DescribeJobQueues"}), "no service has the right 'batchs:DescribeJobQueues'"),
        (_collector({**LISTING, "needs": "batch:DescribeJobQueuess"}), "no right 'batch:DescribeJobQueuess'"),
        (_collector({**LISTING, "needs": "DescribeJobQueues"}), "'DescribeJobQueues' is no right"),
        (_collector({**LISTING, "needs": "batch:*"}), "'batch:*' is no right"),
        (_collector(LISTING, key="{nope}"), "key: the answer has no 'nope'"),
        (_collector(LISTING, key="{jobQueueArn}/{jobQueueNam}"), "key: the answer has no 'jobQueueNam'"),
    ],
)
def test_a_right_or_a_key_that_is_none_does_not_lint(capsys: Capsys, tmp_path: Path, collector: dict[str, Any], said: str) -> None:
    write(tmp_path, {"collectors/aws/batch.yaml": collector})
    err = _linted(capsys, tmp_path)
    assert (said in err) if said else err.splitlines()[-1].startswith("sound: ")
    assert "error" not in err or said


@pytest.mark.parametrize(("key", "said"), [("{metadata.name}", ""), ("{nope}", "key: nothing says that there is a 'nope'")])
def test_a_key_of_a_cluster_leads_somewhere(capsys: Capsys, tmp_path: Path, key: str, said: str) -> None:
    columns = {"name": {"type": "text", "from": "metadata.name"}}
    table = {"about": "Each.", "once_per": "target", "list": {"call": "pods", "items": "items"}, "key": key, "columns": columns}
    write(tmp_path, {"collectors/kubernetes/mine.yaml": {"service": "mine", "client": "v1", "facts": {"kubernetes.mine.pod": table}}})
    err = _linted(capsys, tmp_path)
    assert (said in err) if said else err.splitlines()[-1].startswith("sound: ")
