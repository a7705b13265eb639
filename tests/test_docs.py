"""What the documents say is true: examples are the shipped files, links lead somewhere, generated pages are up to date."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from moto import mock_aws

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.aggregator.score import Scorer
from cnamm_scan.cli.main import COMMANDS, run
from cnamm_scan.engine.plan import Source
from cnamm_scan.errors import CnammError
from cnamm_scan.model import Call, Function, Model, Placement, Practice, Reason, Severity, Tally
from cnamm_scan.yamls import CONTENT
from tests import bundles, scores
from tests.packs import content, lab, rule, table

ROOT = Path(__file__).parent.parent
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/adr").glob("*.md"))]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_rule_in_the_readme_is_a_shipped_file() -> None:
    (rule,) = blocks((ROOT / "README.md").read_text(), "yaml")
    name = rule.splitlines()[0].removeprefix("id: ")
    assert rule == (ROOT / "rules" / (name.replace(".", "/") + ".yaml")).read_text()


def _prose(text: str) -> str:
    """Markdown without its code: what looks like a heading or a link in there is none."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


@cache
def _anchors(page: Path) -> frozenset[str]:
    """What a link may name on a page: its headings, as they are named where Markdown is shown."""
    found: set[str] = set()
    bare = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.*?)\s*$", bare, re.MULTILINE):
        base = made = re.sub(r"[^\w -]", "", heading.replace("`", "").lower()).replace(" ", "-")
        number = 0
        while made in found:
            number += 1
            made = f"{base}-{number}"
        found.add(made)
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page.read_text())):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = page.parent / name if name else page
        if not there.exists() or (anchor and anchor not in _anchors(there.resolve())):
            wrong.append(target)
    assert wrong == []


def test_every_rule_and_table_has_a_place_in_the_reference() -> None:
    content = reader.load()
    for name in (*content.rules, *content.tables, *content.views, *reader.ENGINE_TABLES):
        parts = name.split(".")
        page = ROOT / "docs/reference" / ("/".join(parts[:2] if len(parts) > 2 else parts[:1]) + ".md")
        assert f"### {name}\n" in page.read_text(), name


def test_a_rule_says_its_reason_and_its_note_in_the_reference() -> None:
    from cnamm_scan.report.reference import rule_lines

    made = content(rule(why="It gets lost.", note="What is archived does not count."), collector=lab())
    lines = rule_lines(made, next(iter(made.rules.values())))
    assert lines.index("*What is archived does not count.*") == lines.index("It gets lost.") + 2


def test_two_things_of_one_name_have_two_anchors() -> None:
    """A table and a rule may have the same id, and ids may differ in their dots alone."""
    from cnamm_scan.report.pages import pages

    document = lab()
    document["facts"]["aws.lab.r"] = table({"name": {"type": "text", "from": "Name"}})
    made = pages(content(rule(), rule("rx"), rule("r.x"), rule("r-1"), collector=document))
    links = re.findall(r"^\| \[(aws[^]]*)\]\(#([^)]*)\)", made["aws/lab.md"], re.MULTILINE)
    assert dict(links).keys() >= {"aws.lab.r", "aws.lab.rx", "aws.lab.r.x", "aws.lab.r-1"}
    assert len({anchor for _, anchor in links}) == len(links)
    assert ("aws.lab.r", "awslabr") in links
    assert ("aws.lab.r", "awslabr-1") in links


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


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of an account and of manifests, judged by some of what ships."""
    folder = tmp_path_factory.mktemp("deployed")
    (folder / "web.yaml").write_text(MANIFEST)
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        targets = ["aws", f"kubernetes:{folder / 'web.yaml'}"]
        few = [
            "aws.s3",
            "kubernetes.core.namespace_made_by_automation",
            *sorted(name for name in reader.load().rules if name.startswith("kubernetes.core."))[:3],
        ]
        with api.scan(targets, rules=few, regions="us-east-1", output=folder) as done:
            assert done.path is not None
            return done.path


MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  containers: [{name: web, image: web, securityContext: {privileged: true}}]
"""


def _lines(commands: str) -> list[list[str]]:
    """The guides' command lines of some commands over a bundle, or over none."""
    found = re.findall(rf"^cnamm-scan (?:{commands}) .*$", "\n".join(guide.read_text() for guide in GUIDES), re.MULTILINE)
    parted = [shlex.split(line, comments=True)[1:] for line in found]
    return [line for line in parted if not {"|", ">", "&&", "..."} & set(line)]


@pytest.mark.slow
def test_examples_over_a_bundle_run(
    deployed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in _lines("report|results|query|evaluate|verify") if any(each.endswith("SCAN.cnamm") for each in line)]
    assert len(lines) >= 5
    for line in lines:
        is_gate = {"--fail-on", "--fail-under", "--min-coverage"} & set(line)
        code = run([str(deployed) if each.endswith("SCAN.cnamm") else each for each in line])
        said = capsys.readouterr()
        assert code in ((0, 3, 10) if is_gate else (0,)), (line, said.err)
        assert said.out or said.err


def test_the_gate_in_the_readme_can_pass_and_can_be_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gates = [line for line in _lines("report") if "--fail-on" in line]
    assert gates
    for line in gates:
        codes = []
        for name, found in (("good", bundles.ALL_GOOD), ("first", bundles.FIRST), ("dark", bundles.DARK)):
            bundle = bundles.write_bundle(tmp_path / name, found)
            codes.append(run([str(bundle) if each.endswith("SCAN.cnamm") else each for each in line]))
            capsys.readouterr()
        assert codes == [0, 10, 3], line


def test_what_a_first_scan_costs_is_what_is_planned() -> None:
    from cnamm_scan.engine.plan import Selection, make_plan

    plan = make_plan(reader.load(), Selection(), ["aws"])
    listings = [source for root in plan.sources["aws"] for source in root.walk() if not source.call.for_]
    once, regional = (sum((source.once_per == "region") is is_regional for source in listings) for is_regional in (False, True))
    billed = sum(source.client == "ce" for source in listings)
    text = (ROOT / "README.md").read_text()
    said = re.search(r"some (\d+) calls once and (\d+) in each enabled region, so ([\d,]+) in an account with 17 regions", text)
    assert said
    for told, planned in zip(said.groups(), (once, regional, once + 17 * regional), strict=True):
        assert int(told.replace(",", "")) == pytest.approx(planned, rel=0.1)
    assert 0 < billed <= 5, "a handful"
    assert "AWS bills a handful, those of Cost Explorer" in text


def test_what_a_scan_of_google_cloud_asks_is_what_its_page_enables_and_counts() -> None:
    from cnamm_scan.engine.plan import Selection, make_plan
    from cnamm_scan.providers.gcp.needs import CONTENTS, TOGETHER

    listings = [source for root in make_plan(reader.load(), Selection(), ["gcp"]).sources["gcp"] for source in root.walk()]
    asked = {call.of(source.client) for source in listings for call in (source.call, *_parts(source)) if call.call}
    text = (ROOT / "docs/gcp.md").read_text()
    enabled = re.findall(r"^gcloud services enable --project PAYS \\\n((?:  .*\n)+)", text, re.MULTILINE)
    assert all(len(each.replace("\\", "").split()) <= 20 for each in enabled), "it takes twenty at once"
    services = {client.partition("/")[0] for client, _ in asked if client not in CONTENTS}
    assert "".join(enabled).replace("\\", "").split() == [f"{service}.googleapis.com" for service in ["cloudasset", *sorted(services)]]

    said = re.search(r"at least (\d+) of Asset Inventory for all targets together, and some (\d+) of services for each", text)
    assert said
    types = Counter(client for client, _ in asked if client in CONTENTS)
    each = [source for source in listings if not source.call.for_ and source.once_per == "target"]
    assert int(said[1]) == sum(-(-count // TOGETHER) for count in types.values())
    assert int(said[2]) == pytest.approx(len(each), rel=0.1)


def test_what_google_cloud_is_said_to_say_at_the_door_it_says() -> None:
    rooms = ("gcp/unsigned.py", "gcp/door.py", "gcp/answers.py")
    said = "".join((ROOT / "cnamm_scan/providers" / room).read_text() for room in rooms)
    table = (ROOT / "docs/gcp.md").read_text().split("| it says | do |\n", 1)[1].split("\n\n", 1)[0]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE)
    assert len(rows) >= 10
    # of what is put together at the door each part is written somewhere
    parts = [words.strip() for row in rows for words in re.split(r"[…():]", row) if words.strip()]
    assert [words for words in parts if words not in said] == []


def _parts(source: Source) -> Iterator[Call]:
    for planned in source.tables:
        yield from (planned.table.then[part] for part in planned.parts)


def test_the_house_is_as_its_page_says() -> None:
    """Every file and folder that it names is there, and every room has its line."""
    text = (ROOT / "docs/architecture.md").read_text()
    package = ROOT / "cnamm_scan"
    rooms = text.split("## The rooms", 1)[1].split("## The way", 1)[0]
    named: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \| (.*) \|$", rooms, re.MULTILINE):
        places = re.findall(r"`([^`]+)`", row[0])
        named.update(places)
        for place in places:
            assert (package / place).exists(), place
            if place.endswith("/"):
                for name in re.findall(r"`([a-z_]+/?)`", row[1]):
                    assert (package / place / name).is_dir() or (package / place / f"{name}.py").exists(), f"{place}{name}"
    there = {f"{file.parent.name}/" for file in package.glob("*/__init__.py")} - {"demo/"}
    assert there <= named
    modules = {file.name for file in package.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert modules <= named
    for place in re.findall(r"`((?:providers|engine|content|report|cli|tests)/[a-z_/]+\.py)`", text):
        assert (package / place).exists() or (ROOT / place).exists(), place


def test_the_bounds_in_the_guide_are_those_of_the_reader() -> None:
    limits = CONTENT.limits
    said = f"at most {limits.size >> 20} MiB, {limits.depth} levels and {limits.weight >> 20} MiB of values"
    assert said in (ROOT / "docs/content.md").read_text()


def test_the_framework_in_the_guide_is_one() -> None:
    (text,) = (block for block in blocks((ROOT / "docs/content.md").read_text(), "yaml") if block.startswith("framework:"))
    shipped = {name: raw for name, raw in reader.load().files.items() if name.startswith("mappings/")}
    assert reader.load_files({**shipped, "mappings/frameworks/nist-csf-2.0.yaml": text.encode()}).models


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
    from cnamm_scan.model import REASON_WORDS

    assert set(REASON_WORDS) == {reason.value for reason in Reason}


def test_every_error_knows_its_exit_code() -> None:
    def tree(kind: type[CnammError]) -> list[type[CnammError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]

    assert {kind.exit_code for kind in tree(CnammError)} == {1, 2, 3, 10}


def _worked() -> tuple[Scorer, Model]:
    """The example for auditors, from its table: a function and a practice for each practice that it names."""
    page = (ROOT / "docs/auditors.md").read_text()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if re.match(r"\| [a-z_]+ \|.*[0-9]/[0-9]", line)
    ]
    rules, tallies = [], []
    practices: dict[str, list[Placement]] = {}
    for name, judges, severity, objective, practice, level, prod, empty in rows:
        table = "aws.account.account" if judges == "every account" else f"aws.lab.{judges}"
        rules.append(replace(scores.rule(name, objective, Severity(severity)), for_each=table))
        tallies += [Tally(name, target, *map(int, cell.split("/"))) for target, cell in (("prod", prod), ("empty", empty))]
        practices.setdefault(practice, []).append(scores.placed(objective, int(level[0]), "A" if level[1] == "A" else "B"))
    functions = tuple(Function(name, name, (Practice(name, name, tuple(placed)),)) for name, placed in practices.items())
    return Scorer(rules, tallies, {"aws.account.account"}), Model("m", "M", "1", functions)


def test_the_worked_example_for_auditors_is_what_the_package_computes() -> None:
    scorer, model = _worked()
    made = scorer.model(model)
    assert made.interval
    assert made.mean
    assert made.drag
    (text,) = blocks((ROOT / "docs/auditors.md").read_text(), "text")
    lines = {line[:12].strip(): line[12:] for line in text.splitlines()}

    def shown(value: Fraction) -> str:
        return f"{float(value):g}" if float(f"{float(value):g}") == float(value) else f"{float(value):.6f}"

    def tells(name: str, *values: Fraction) -> None:
        for value in values:
            assert shown(value) in lines[name], (name, shown(value), lines[name])

    assert scorer.weights == {"prod": 15, "empty": 1}
    assert len(lines) == 12
    tells("weights", Fraction(15), Fraction(1))
    for practice in (p for function in made.functions for p in function.practices):
        assert practice.interval
        tells(practice.id, practice.interval.low, practice.interval.high)
        assert practice.attained == 0
        for level in practice.levels[:2]:
            assert level.interval
            tells(f"{practice.id} {level.level}", level.interval.low, level.interval.high)
        for objective in practice.levels[0].objectives:
            if objective.drag and objective.interval:
                tells(objective.objective, objective.interval.low, objective.interval.high, objective.drag.least, objective.drag.most)
    tells("mean", made.mean.low, made.mean.high)
    tells("critical", made.drag.least, made.drag.most)
    tells("overall", made.interval.low, made.interval.high)
