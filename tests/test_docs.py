"""What the documents say is true: examples are the shipped files, links lead somewhere, generated pages are up to date."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnamm_scan import content as reader
from cnamm_scan.cli.main import COMMANDS, run
from cnamm_scan.engine.lint import lint
from cnamm_scan.errors import CnammError
from cnamm_scan.model import Reason

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/adr").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_rule_in_the_readme_is_a_shipped_file() -> None:
    (rule,) = blocks((ROOT / "README.md").read_text(), "yaml")
    name = rule.splitlines()[0].removeprefix("id: ")
    assert rule == (ROOT / "rules" / (name.replace(".", "/") + ".yaml")).read_text()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_links_lead_somewhere(guide: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", guide.read_text()):
        if "://" not in target:
            assert (guide.parent / target).exists(), target


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.name)
def test_commands_in_guides_exist(guide: Path) -> None:
    for name in re.findall(r"^cnamm-scan ([a-z]+)", guide.read_text(), re.MULTILINE):
        assert name in COMMANDS


def test_options_in_guides_exist(capsys: pytest.CaptureFixture[str]) -> None:
    for guide in GUIDES:
        for line in re.findall(r"^cnamm-scan ([a-z]+(?: [a-z]+)? .*--.*)$", guide.read_text(), re.MULTILINE):
            command, second = line.split()[:2]
            assert run([command, *([second] if command == "content" else []), "--help"]) == 0
            offered = capsys.readouterr().out
            for option in re.findall(r"--[a-z-]+", line.split("#")[0]):
                assert option in offered, f"{guide.name}: {line}"


def test_the_shipped_content_is_sound() -> None:
    assert lint(reader.load()) == []


def test_generated_pages_are_up_to_date() -> None:
    assert run(["content", "docs", str(ROOT / "docs/reference"), "--check"]) == 0


def test_each_function_and_practice_is_judged_as_promised() -> None:
    content = reader.load()
    judged = {rule.objective for rule in content.rules.values() if rule.provider == "aws"}
    for function in content.models[0].functions:
        levels = {placed.level for practice in function.practices for placed in practice.placements if placed.objective in judged}
        assert levels == {1, 2, 3, 4, 5}, function.id
        for practice in function.practices:
            assert len({placed.level for placed in practice.placements if placed.objective in judged}) >= 3, practice.id


def test_every_reason_has_words_in_the_report() -> None:
    from cnamm_scan.report.text import REASON_WORDS

    assert set(REASON_WORDS) == {reason.value for reason in Reason}


def test_every_error_knows_its_exit_code() -> None:
    def tree(kind: type[CnammError]) -> list[type[CnammError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]

    assert {kind.exit_code for kind in tree(CnammError)} == {1, 2, 3, 10}
