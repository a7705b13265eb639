from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from cnamm_scan import content as reader
from cnamm_scan.cli.main import run
from cnamm_scan.content.starter import ABOUT, FIX, OBJECTIVE, REFERENCE, TITLE, WHY, new_rule
from cnamm_scan.engine import sound
from cnamm_scan.engine.lint import run_tests
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Content
from cnamm_scan.providers.catalog import KINDS
from tests.packs import lab, rule, table, write

RULE = "rules/aws/lab/r.yaml"


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A pack of its own service, over an objective that ships."""
    return write(tmp_path / "pack", {"collectors/aws/lab.yaml": lab(), RULE: rule(objective=_objective())})


@cache
def _shipped() -> Content:
    return reader.load()


def _objective() -> str:
    return min(_shipped().objectives)


def _run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(["content", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_what_ships_lints(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "lint")
    assert (code, out) == (0, "")
    assert err.splitlines()[-1].startswith("sound: ")


def test_lint_names_what_it_found_first_where_that_is_in_the_way_of_more(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A path that is none was told without its file, by the first who stumbled over it later."""
    own = table(
        {"name": {"type": "text", "from": "a.b["}}, list={"call": "ListBuckets", "items": "Buckets", "needs": "s3:ListAllMyBuckets"}
    )
    write(tmp_path, {"collectors/aws/s3.yaml": {"service": "s3", "facts": {"aws.s3.ours": own}}})
    code, _, err = _run(capsys, "lint", "--content", tmp_path)
    assert code == 2
    assert f"aws.s3.ours: path 'a.b[' is not well formed\n  at: {tmp_path}/collectors/aws/s3.yaml:" in err


def test_a_refusal_names_rule_file_and_advice(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    name = "rules/aws/s3/mine.yaml"
    own = rule(id="aws.s3.mine", objective=_objective(), for_each="aws.s3.bucket", message="{name}", fix="mend {name}")
    tests = {"pass": [{"versioning": "Enabled"}], "fail": [{"versioning": "Never"}], "unknown": [{}]}
    write(tmp_path, {name: {**own, "pass": "EXISTS (SELECT 1 FROM aws.s3.bucket)", "tests": tests}})
    code, out, err = _run(capsys, "lint", "--content", tmp_path)
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: content does not lint: 1 problem(s)",
        "EXISTS turns 'not seen' into an answer",
        f"  at: {tmp_path / name}:7 (aws.s3.mine) pass:",
        "  do: write true = ANY (SELECT condition FROM …), which keeps NULL",
    ]
    write(tmp_path, {name: {**own, "pass": "versioning = 'Enabled'", "tests": tests}})
    assert _run(capsys, "lint", "--content", tmp_path)[0] == 0


def test_what_does_not_validate_names_file_and_line(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    write(pack, {RULE: "id: aws.lab.r\ncolour: red\n"})
    for command in (["lint"], ["test"], ["list"], ["show", "aws.lab.r"], ["docs", str(pack / "docs")], ["new", "rule", "aws.lab.n"]):
        code, out, err = _run(capsys, *command, "--content", pack)
        assert (code, out) == (2, "")
        assert "'colour': extra inputs are not permitted, got 'red'" in err
        assert f"  at: {pack / RULE}:2\n" in err
    assert not (pack / "docs").exists()


def test_a_folder_that_is_no_pack(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = _run(capsys, "lint", "--content", tmp_path)
    assert code == 2
    assert "is no content pack" in err


def test_tests_that_hold(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    assert _run(capsys, "test", "aws.lab", "--content", pack) == (0, "", "1 rules, 3 cases, 0 failed\n")


def test_a_wrong_expectation_fails(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    tests = {"pass": [{"state": "On"}, {"state": "Off"}], "fail": [{"state": "Off"}], "unknown": [{"state": None}]}
    write(pack, {RULE: rule(objective=_objective(), tests=tests)})
    code, out, err = _run(capsys, "test", "aws.lab.r", "--content", pack)
    assert code == 2
    assert out == f"{pack / RULE} (aws.lab.r) tests: pass[1]: got 'fail', expected 'pass'\n"
    assert err.splitlines() == ["1 rules, 4 cases, 1 failed", "error: 1 case(s) failed", "  do: mend the rule or its tests"]


def test_a_rule_that_breaks_fails_its_tests(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    tests = {"pass": [{"name": "1"}], "fail": [{"name": "word"}], "unknown": [{}]}
    write(pack, {RULE: rule(objective=_objective(), tests=tests, **{"pass": "CAST(name AS INTEGER) = 1"})})
    code, out, _ = _run(capsys, "test", "aws.lab.r", "--content", pack)
    assert code == 2
    assert out.count("the rule broke") == 3


@pytest.mark.parametrize("command", ["test", "list"])
def test_an_unknown_rule(capsys: pytest.CaptureFixture[str], pack: Path, command: str) -> None:
    code, _, err = _run(capsys, command, "aws.lab.q", "--content", pack)
    assert code == 2
    assert "no rule 'aws.lab.q'" in err
    assert "  do: " in err


def test_a_beginning_of_an_id_is_a_service_first(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    write(pack, {"rules/aws/lab/r2.yaml": rule("r2", objective=_objective())})
    assert "1 rules" in _run(capsys, "test", "aws.lab.r", "--content", pack)[2]
    assert "2 rules" in _run(capsys, "test", "aws.lab.", "--content", pack)[2]
    assert int(_run(capsys, "test", "aws.la", "--content", pack)[2].split()[0]) > 2


def test_list_rules(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, out, _ = _run(capsys, "list", "aws.lab", "--format", "jsonl", "--content", pack)
    assert code == 0
    assert [json.loads(line) for line in out.splitlines()] == [
        {"id": "aws.lab.r", "severity": "medium", "objective": _objective(), "title": "Boxes are on"}
    ]
    assert "aws.lab.r" in _run(capsys, "list", "aws.lab", "--content", pack)[1]


def test_list_by_function(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    function = _objective().split(".")[0]
    found = [
        json.loads(line) for line in _run(capsys, "list", "--function", function, "--format", "jsonl", "--content", pack)[1].splitlines()
    ]
    assert "aws.lab.r" in {each["id"] for each in found}
    assert len(found) < len(_run(capsys, "list", "--format", "jsonl", "--content", pack)[1].splitlines())
    code, _, err = _run(capsys, "list", "--function", function[:-1])
    assert code == 2
    assert f"'{function}'" in err


@pytest.mark.parametrize(
    ("kind", "name", "keys"), [("tables", "aws.lab.box", {"id", "rows"}), ("objectives", "", {"id", "level", "stream", "rules", "title"})]
)
def test_list_other_kinds(capsys: pytest.CaptureFixture[str], pack: Path, kind: str, name: str, keys: set[str]) -> None:
    code, out, _ = _run(capsys, "list", "--kind", kind, "--format", "jsonl", "--content", pack)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert all(set(row) == keys for row in rows)
    assert (name or _objective()) in {row["id"] for row in rows}


def test_show(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, out, _ = _run(capsys, "show", "aws.lab.r", "--content", pack)
    assert code == 0
    assert "**Boxes are on.**" in out
    assert "state = 'On'" in out
    code, out, _ = _run(capsys, "show", "aws.lab.box", "--content", pack)
    assert "| sealed | boolean | `seal.Sealed` | `false` |" in out
    assert "aws.lab.r" in out


def test_show_a_typo(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, out, err = _run(capsys, "show", "aws.lab.bx", "--content", pack)
    assert (code, out) == (2, "")
    assert "did you mean 'aws.lab.box'" in err


def test_a_new_rule(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, out, err = _run(capsys, "new", "rule", "aws.lab.lock_is_strong", "--into", pack, "--content", pack)
    file = pack / "rules/aws/lab/lock_is_strong.yaml"
    assert (code, out) == (0, f"{file}\n")
    assert f"--content {pack}" in err
    assert "for_each: aws.lab.lock " in file.read_text()
    assert _run(capsys, "test", "aws.lab.lock_is_strong", "--content", pack)[0] == 0


def test_a_new_rule_of_every_service_lints_and_passes(tmp_path: Path) -> None:
    made = reader.load()
    names = sorted({".".join(name.split(".")[:2]) + ".new_one" for name in made.tables})
    write(tmp_path, {f"rules/{name.replace('.', '/')}.yaml": new_rule(made, name) for name in names})
    left = sound.problems(reader.load([tmp_path]))
    assert [each.what for each in left] == ["still as it was made: title, why, fix, references"] * len(names)
    write(tmp_path, {f"rules/{name.replace('.', '/')}.yaml": _in_own_words(new_rule(made, name)) for name in names})
    grown = reader.load([tmp_path])
    assert sound.problems(grown) == []
    assert all(case.passed for case in run_tests(grown, [grown.rules[name] for name in names]))


def _in_own_words(text: str) -> str:
    """A file to start from, as somebody leaves it who has something to say."""
    for placeholder, said in ((TITLE, "It is so"), (WHY, "It matters."), (FIX, "mend {key}"), (REFERENCE, "https://example.org/")):
        text = text.replace(placeholder, said)
    return text.replace(ABOUT, "One row for each of them.").replace(OBJECTIVE, "It is so")


def test_a_new_rule_overwrites_nothing(capsys: pytest.CaptureFixture[str], pack: Path, tmp_path: Path) -> None:
    code, _, err = _run(capsys, "new", "rule", "aws.lab.r", "--into", pack, "--content", pack)
    assert code == 2
    assert "exists already" in err
    file = write(tmp_path / "other", {"rules/aws/lab/mine.yaml": "mine\n"}) / "rules/aws/lab/mine.yaml"
    code, _, err = _run(capsys, "new", "rule", "aws.lab.mine", "--into", tmp_path / "other", "--content", pack)
    assert code == 2
    assert "the file exists already" in err
    assert file.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("name", "what"),
    [("aws.nothing.x", "no fact table of 'aws.nothing'"), ("x", "'x' is no rule id"), ("aws..x", "'aws..x' is no rule id")],
)
def test_a_new_rule_of_nothing(capsys: pytest.CaptureFixture[str], pack: Path, name: str, what: str) -> None:
    code, _, err = _run(capsys, "new", "rule", name, "--into", pack)
    assert code == 2
    assert what in err
    assert "  do: " in err


ODD = ["a/b", "../../x", "a b", "a{b}", "{}", "a\nb", "a\n", "A", "a:b", "a#b", "a'b", 'a"b', "a\\b", "ä", "a" * 200, "-a", "a\u2028b", ""]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_a_new_rule_has_an_id_and_nothing_else(odd: str) -> None:
    for name in ("aws.s3.{}", "aws.{}.x", "{}.s3.x", "aws.s3.x.{}", "aws.s3.x{}"):
        if name == "aws.s3.x{}" and odd in ("-a", ""):
            continue
        with pytest.raises(UsageError) as caught:
            new_rule(_shipped(), name.replace("{}", odd, 1))
        assert caught.value.do
        assert caught.value.what.isprintable()


def test_an_odd_id_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = _run(capsys, "new", "rule", "aws.s3.../../../../x", "--into", tmp_path / "pack")
    assert (code, out) == (2, "")
    assert not (tmp_path / "pack").exists()


def test_a_new_rule_does_not_go_through_a_link(capsys: pytest.CaptureFixture[str], pack: Path, tmp_path: Path) -> None:
    (pack / "rules/aws/lab/mine.yaml").symlink_to(tmp_path / "elsewhere")
    code, _, err = _run(capsys, "new", "rule", "aws.lab.mine", "--into", pack)
    assert code == 2
    assert not (tmp_path / "elsewhere").exists(), err


def test_a_new_rule_where_nothing_can_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("a file\n")
    code, _, err = _run(capsys, "new", "rule", "aws.s3.mine", "--into", tmp_path)
    assert code == 2
    assert "cannot be written" in err


# ---- docs ----------------------------------------------------------------------------------------------------------------


def test_docs(capsys: pytest.CaptureFixture[str], pack: Path, tmp_path: Path) -> None:
    """With what others wrote beside it: see test_generated.py for all that may stand there."""
    others = {"notes/plan.md": "# The plan\n", "package.json": "{}\n", "aws/mine.md": "# Mine\n"}
    folder = write(tmp_path / "docs", others)
    assert _run(capsys, "docs", folder, "--check", "--content", pack)[0] == 2
    assert _run(capsys, "docs", folder, "--content", pack)[0] == 0
    page = (folder / "aws/lab.md").read_text()
    assert "### aws.lab.r\n" in page
    assert "### aws.lab.box\n" in page
    assert _run(capsys, "docs", folder, "--check", "--content", pack)[0] == 0
    code, _, err = _run(capsys, "docs", folder, "--check")  # without the pack
    assert code == 2
    assert "page(s) are not up to date: README.md, aws/lab.md" in err
    assert "1 removed" in _run(capsys, "docs", folder)[2]
    assert not (folder / "aws/lab.md").exists()
    assert {name: (folder / name).read_text() for name in others} == others


def test_docs_overwrite_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = write(tmp_path / "docs", {"README.md": "theirs\n"})
    code, out, err = _run(capsys, "docs", folder)
    assert (code, out) == (2, "")
    assert f"  at: {folder / 'README.md'}\n  do: move it away" in err
    assert [file.name for file in folder.iterdir()] == ["README.md"]
    assert (folder / "README.md").read_text() == "theirs\n"


# ---- what content can do to a score ----------------------------------------------------------------------------------------


def test_weights_say_what_each_rule_costs(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "weights", "--provider", "aws", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert {row["rule"] for row in rows} == {rule.id for rule in _shipped().rules.values() if rule.provider == "aws"}
    costs = [float(row["cost"]) for row in rows]
    assert costs == sorted(costs, reverse=True)
    assert all((float(row["least"]) > 0) == (row["severity"] == "critical") for row in rows)
    assert "of 5 when every critical rule fails and all else passes" in err


def test_weights_of_all_providers_are_each_its_own_or_together(capsys: pytest.CaptureFixture[str]) -> None:
    for more, estates in (((), {*KINDS}), (("--together",), {"+".join(sorted(KINDS))})):
        _, out, _ = _run(capsys, "weights", "--format", "jsonl", *more)
        rows = [json.loads(line) for line in out.splitlines()]
        assert {row["estate"] for row in rows} == estates
        assert len(rows) == len(_shipped().rules)


def test_coverage_names_the_levels_without_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, "coverage", "--provider", "kubernetes", "--format", "jsonl")
    judged = {rule.objective for rule in _shipped().rules.values() if rule.provider == "kubernetes"}
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert rows
    assert not judged & {name for row in rows for name in row["objectives"].split(", ")}
    assert f"{len(rows)} without a rule" in err
    _, out, _ = _run(capsys, "coverage", "--together", "--format", "jsonl")
    assert len(out.splitlines()) < len(rows)


def test_measures_refuse_a_provider_that_has_no_rule(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("weights", "coverage"):
        code, out, err = _run(capsys, name, "--provider", "awz")
        assert (code, out) == (2, "")
        assert "no rule is for 'awz'" in err
        assert "aws" in err


# ---- in words --------------------------------------------------------------------------------------------------------------


def test_list_takes_words_too(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, out, _ = _run(capsys, "list", "boxes", "--format", "jsonl", "--content", pack)
    assert code == 0
    assert "aws.lab.r" in {json.loads(line)["id"] for line in out.splitlines()}


@pytest.mark.parametrize("kind", ["tables", "objectives", "parameters", "functions"])
def test_every_kind_can_be_narrowed_by_id(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    _, out, _ = _run(capsys, "list", "--kind", kind, "--format", "jsonl")
    every = [json.loads(line)["id"] for line in out.splitlines()]
    code, out, _ = _run(capsys, "list", "--kind", kind, every[-1], "--format", "jsonl")
    assert code == 0
    found = [json.loads(line)["id"] for line in out.splitlines()]
    assert every[-1] in found
    assert len(found) < len(every)
    code, _, err = _run(capsys, "list", "--kind", kind, "no.such.thing")
    assert code == 2
    assert f"no {kind.rstrip('s')} 'no.such.thing'" in err


def test_parameters_are_listed_with_type_default_and_source(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    threshold = {"least": {"default": 3, "source": "habit"}}
    write(pack, {"rules/aws/lab/sized.yaml": rule("sized", objective=_objective(), parameters=threshold, message="{name} {least}")})
    for asked in ("aws.lab.sized.least", "aws.lab.sized", "aws.lab"):
        _, out, _ = _run(capsys, "list", "--kind", "parameters", asked, "--format", "jsonl", "--content", pack)
        assert [json.loads(line) for line in out.splitlines()] == [
            {"id": "aws.lab.sized.least", "default": "3", "type": "a whole number", "source": "habit"}
        ]
    _, out, _ = _run(capsys, "list", "--kind", "parameters", "least", "--format", "jsonl", "--content", pack)
    assert "aws.lab.sized.least" in out


def test_search_finds_or_says_what_is_near(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    code, out, err = _run(capsys, "search", "boxes", "on", "--kind", "rules", "--content", pack)
    assert code == 0
    assert out.splitlines()[1].startswith("aws.lab.r ")
    assert " found" in err
    code, out, err = _run(capsys, "search", "rotatoin")
    assert (code, out) == (2, "")
    assert "nothing has the word 'rotatoin'" in err
    assert "did you mean 'rotation'" in err
