"""What a rule says: a sentence for each verdict, words that lint holds, and ids that keep their meaning when a rule is renamed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.content import columns_of
from cnamm_scan.content.tags import BENCHMARKS, TOPICS
from cnamm_scan.content.wording import LONGEST_TITLE
from cnamm_scan.engine.lint import lint, run_tests
from cnamm_scan.engine.narrow import narrowed
from cnamm_scan.engine.plan import Selection, select
from cnamm_scan.engine.regions import stands_in_region
from cnamm_scan.errors import ContentError, UsageError
from cnamm_scan.model import Content, Rule
from cnamm_scan.report.reference import page
from cnamm_scan.text import fill, placeholders
from tests.packs import BOX, content, fact, files, filled, ghost, judged, rule, write

SAID = {
    "fail": "Box {name} is {state}",
    "pass": "Box {key} is on",
    "unknown": "Whether box {name} is on could not be read",
}
FIX = {"cli": "aws lab turn-on --name {name}"}
CASES = {"given": {"name": "b"}, "pass": [{"state": "On"}], "fail": [{"state": "Off"}], "unknown": [{"state": None}]}


def said(**more: Any) -> dict[str, Any]:
    return rule(**{"message": SAID, "fix": FIX, "tags": ["encryption-at-rest"], "tests": CASES, **more})


def test_each_verdict_has_its_sentence(tmp_path: Path) -> None:
    made = content(said())
    rows = [
        fact(BOX, {"Name": name, **({"detail": {"State": state}} if state else {})}, key=name)
        for name, state in [("a", "On"), ("b", "Off")]
    ]
    rows.append(fact(BOX, {"Name": "c"}, key="c", gaps={"detail": "denied"}))
    rows.append(fact(BOX, {"detail": {"State": "On"}}, key="d"))
    rows.append(fact(BOX, {"Name": "e"}, key="e", gaps={"detail": "denied"}))
    rows.append(fact(BOX, {}, key="f", gaps={"detail": "denied"}))
    rows.append(ghost(BOX))
    results = judged(filled(made, tmp_path, rows), made.rules["aws.lab.r"])
    assert [result.message for result in sorted(results, key=lambda result: result.resource)] == [
        "Boxes are on: could not be judged in r1 (denied)",
        "Box a is on",
        "Box b is Off",
        "Whether box c is on could not be read (denied)",
        "Box d is on",
        "Whether box e is on could not be read (denied)",
        "Boxes are on: could not be judged for f (denied)",  # its name is not known: no sentence has a hole
    ]


def test_a_sound_one_has_no_problem_and_its_cases_are_whole() -> None:
    made = content(said())
    assert lint(made) == []
    assert all(case.passed for case in run_tests(made, made.rules.values()))


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"title": "Boxes " + "x" * 65}, "a title of 71 characters"),
        ({"message": {**SAID, "fail": "Is box {name} on?"}}, "the message of a fail asks"),
        ({"message": {**SAID, "unknown": "Looked for {name}"}}, "the message of a unknown asks"),
        ({"message": {**SAID, "fail": "Box {name} is off."}}, "the message of a fail ends with a full stop"),
        ({"message": {**SAID, "fail": "Box {name} on: {is_on}"}}, "the message of a fail shows {is_on}, which is true or false"),
        ({"message": {**SAID, "pass": "Box {name} is on"}}, "the message of a pass shows {name}, and of what passed no value is kept"),
        ({"message": {**SAID, "pass": "It is on"}}, "the message of a pass does not name its resource"),
        ({"fix": {}}, "'fix' says nothing"),
        ({"fix": {"cli": "kubectl get x"}}, "'kubectl get x' does not begin with aws"),
        ({"fix": {"kubernetes": "aws lab x"}}, "'aws lab x' does not begin with kubectl"),
        ({"fix": {"cli": "aws lab 'x"}}, "'aws lab 'x' is no command line: No closing quotation"),
        ({"fix": {"cli": ["aws lab x", "aws lab y | grep z"]}}, "'aws lab y | grep z' needs a shell for '|'"),
        ({"fix": {"terraform": "turn it on"}}, "'turn it on' is no Terraform attribute"),
        ({"tags": ["encryption-at-rests"]}, "no tag 'encryption-at-rests'"),
        ({"tags": []}, "no tag: whoever searches by topic does not find it"),
    ],
)
def test_lint_holds_words(more: dict[str, Any], what: str) -> None:
    problems = lint(content(said(**more)))
    assert what in [problem.what for problem in problems]
    assert all(problem.do and "aws.lab.r" in problem.where for problem in problems)


def test_a_message_of_one_text_is_still_read_and_held_to_nothing() -> None:
    made = content(rule(message="Is {name}?", title="x" * 80))
    assert lint(made) == []
    assert made.rules["aws.lab.r"].fix.advice == "turn {name} on"


@pytest.mark.parametrize("row", [{"state": "Off", "name": None}, {"state": "Off", "name": ""}])
def test_a_case_fails_whose_message_has_a_hole(row: dict[str, Any]) -> None:
    made = content(said(tests={**CASES, "fail": [row]}))
    assert [case.got for case in run_tests(made, made.rules.values()) if not case.passed] == ["fail, of which the message has no {name}"]


def test_what_was_read_and_leaves_it_open_says_where_that_is_so(tmp_path: Path) -> None:
    made = content(
        said(**{"pass": "state = 'On' OR (state = 'Half' AND NULL)"}, note="Boxes count. Unknown where it is half on, v1.2 or so. More.")
    )
    rows = [fact(BOX, {"Name": "a", "detail": {"State": "Half"}}, key="a"), fact(BOX, {"Name": "b"}, key="b", gaps={"detail": "denied"})]
    assert [each.message for each in judged(filled(made, tmp_path, rows), made.rules["aws.lab.r"])] == [
        "Whether box b is on could not be read (denied)",
        "Whether box a is on could not be read (unknown where it is half on, v1.2 or so)",
    ]


def test_a_list_is_told_in_a_few_words() -> None:
    assert fill("{x}", {"x": list("abc")}) == "a, b, c"
    assert fill("{x}", {"x": list("abcdef")}) == "a, b, c, d, e, f"
    assert fill("{x}", {"x": list("abcdefghi")}) == "a, b, c, d, e and 4 more"
    assert fill("{x}", {"x": "2026-01-02T03:04:05Z"}) == "2026-01-02"
    assert fill("{x}", {"x": 3.0}) == "3"
    assert [fill("{x}", {"x": share}) for share in (0.9333333333333335, 0.5, 12.345, 0.00123)] == ["0.93", "0.5", "12.35", "0.001"]


def test_topics_and_benchmarks_are_told_apart() -> None:
    assert not TOPICS & BENCHMARKS


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("CIS AWS Foundations", "cis-aws"),
        ("CIS Azure Foundations", "cis-azure"),
        ("CIS Google Cloud Platform Foundation", "cis-gcp"),
        ("CIS Kubernetes Benchmark", "cis-kubernetes"),
    ],
)
def test_a_benchmark_that_is_cited_is_a_tag(name: str, tag: str) -> None:
    """Who selects by the tag gets every rule that its benchmark asks for."""
    citing = [rule for rule in reader.load().rules.values() if any(each.startswith(f"{name} ") for each in rule.references)]
    assert len(citing) > 20
    assert [rule.id for rule in citing if tag not in rule.tags] == []


# ---- ids -------------------------------------------------------------------------------------------------------------------------


def _named(made: Content, *names: str) -> list[str]:
    return [rule.id for rule in select(made, Selection(rules=names))]


def test_an_old_id_means_the_rule_as_it_is_called_now() -> None:
    made = content(said(aliases=["aws.lab.old", "aws.box.older"]), rule("other"))
    assert _named(made, "aws.lab.old") == _named(made, "aws.box.older") == ["aws.lab.r"]
    assert _named(made, "aws.lab") == ["aws.lab.other", "aws.lab.r"]
    with pytest.raises(UsageError, match=r"no rule 'aws\.lab\.ol'"):
        _named(made, "aws.lab.ol")


@pytest.mark.parametrize(
    "rules",
    [
        [said(aliases=["aws.lab.other"]), rule("other")],
        [rule("other"), said(aliases=["aws.lab.other"])],
    ],
)
def test_an_old_id_is_never_in_use(rules: list[dict[str, Any]]) -> None:
    with pytest.raises(ContentError) as caught:
        content(*rules)
    assert any("aws.lab.other" in problem.what for problem in caught.value.problems)


def test_an_old_id_means_one_rule() -> None:
    with pytest.raises(ContentError) as caught:
        content(said(aliases=["aws.lab.old"]), rule("s", aliases=["aws.lab.old"]))
    assert [problem.what for problem in caught.value.problems] == ["'aws.lab.old' is an alias of 'aws.lab.r' already"]


def test_a_pack_overrides_a_rule_by_the_id_that_it_had(tmp_path: Path) -> None:
    first = write(tmp_path / "first", files(said(aliases=["aws.lab.old"])))
    second = {"rules/aws/lab/old.yaml": rule("old", title="Mine", overrides="aws.lab.old")}
    made = reader.load([first, write(tmp_path / "second", second)], bundled=False)
    assert list(made.rules) == ["aws.lab.r"]
    assert made.rules["aws.lab.r"].title == "Mine"
    assert _named(made, "aws.lab.old") == ["aws.lab.r"]
    assert narrowed(made, {"aws"}).files == made.files
    again = reader.load_files(dict(narrowed(reader.load([first, tmp_path / "second"]), {"aws"}).files))
    assert again.rules["aws.lab.r"].title == "Mine"  # as its bundle says it
    with pytest.raises(ContentError) as caught:
        reader.load([first, write(tmp_path / "third", {"rules/aws/lab/old.yaml": rule("old")})], bundled=False)
    assert [problem.what for problem in caught.value.problems] == ["rule 'aws.lab.r' was called 'aws.lab.old'"]


def test_a_rule_may_name_its_objective_by_the_id_that_it_had(tmp_path: Path) -> None:
    documents = files(said(objective="safety.old-name"))
    objectives = documents["mappings/m/safety.yaml"]["practices"][0]["objectives"]
    objectives[0] |= {"aliases": ["safety.old-name"], "short": "Boxes on"}
    also = {"id": "safety.old-name", "level": 3, "stream": "A"}
    documents["mappings/m/safety.yaml"]["practices"].append({"id": "more", "title": "More", "also": [also]})
    made = reader.load([write(tmp_path, documents)], bundled=False)
    assert made.rules["aws.lab.r"].objective == "safety.boxes-are-on"
    assert made.objectives["safety.boxes-are-on"].short == "Boxes on"
    assert {placed.objective for practice in made.models[0].functions[0].practices for placed in practice.placements} == {
        "safety.boxes-are-on",
        "safety.locks-are-strong",
    }


def test_an_old_id_shows_what_it_means_now() -> None:
    made = content(said(aliases=["aws.lab.old"]))
    assert made.now_called("aws.lab.old") == made.now_called("aws.lab.r") == "aws.lab.r"
    assert made.now_called("aws.lab.none") == "aws.lab.none"
    assert page(made, "aws.lab.old") == page(made, "aws.lab.r")


def test_every_objective_has_a_title_and_a_short_name_that_fit() -> None:
    objectives = reader.load().objectives.values()
    assert [each.id for each in objectives if not 0 < len(each.short) <= 30 or len(each.title) > LONGEST_TITLE] == []
    assert len({each.short for each in objectives}) == len({each.title for each in objectives}) == len(objectives)


def test_every_shipped_rule_speaks_by_verdict_and_names_its_topics() -> None:
    rules = reader.load().rules.values()
    assert [rule.id for rule in rules if not rule.message.pass_ or not rule.tags] == []
    assert all(rule.provider == rule.id.split(".")[0] or rule.provider == "estate" for rule in rules)


def test_a_finding_about_a_pod_names_what_made_it() -> None:
    """Whoever mends it edits a Deployment or a CronJob: neither the pod nor the replica set that stands between them."""
    made = reader.load()
    owned = {"with_owner", "pod_with_owner"}
    said: dict[tuple[str, str], str] = {}
    for one in made.rules.values():
        if owned & columns_of(made, one.for_each).keys():
            said |= {(one.id, "fail"): one.message.fail, (one.id, "unknown"): one.message.unknown or ""}
        for name, saying in one.says.items():
            if saying.named and owned & columns_of(made, saying.named.of).keys():
                said[one.id, name] = saying.named.say
    assert len(said) > 80
    named = {which: text for which, text in said.items() if {"name", "pod"} & set(placeholders(text))}
    assert {which: text for which, text in named.items() if not owned & set(placeholders(text)) and "API server" not in text} == {}


def test_a_fix_of_a_pod_names_what_makes_it() -> None:
    made = reader.load()
    fixes = {one.id: one.fix.advice for one in made.rules.values() if "workload" in columns_of(made, one.for_each)}
    assert len(fixes) > 30
    by_pod = re.compile(r"\{namespace\}/\{(pod|name)\}|pod template of (?!\{workload\})")
    assert {name: advice for name, advice in fixes.items() if by_pod.search(advice or "")} == {}


UNCHOSEN = {"event_name", "type_name", "kind_name", "runtime_name", "region_name", "long_name"}
"""Names that a vendor gives."""


CHOSEN = {
    "aws": {
        "bucket",
        "canary",
        "cluster",
        "document",
        "environment",
        "group",
        "parameter_group",
        "project",
        "rule",
        "service",
        "stack_set",
        "task_group",
    },
    "azure": {
        "account",
        "app",
        "cluster",
        "filter",
        "gateway",
        "group",
        "identity",
        "machine",
        "network",
        "perimeter",
        "profile",
        "registry",
    }
    | {"server", "service", "slot", "vault", "workspace"},
    "gcp": {"cluster", "machine", "router"},
    "kubernetes": {"binding", "gateway", "node", "node_claim", "policy", "pool", "project", "scope", "service", "service_account"},
}
"""Columns besides those called name that hold a name which somebody gave."""


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp", "kubernetes"])
def test_a_name_that_somebody_chose_stands_in_quotes(provider: str) -> None:
    """A function called thumbnails, a statement called open: without quotes a sentence reads on over it."""
    shipped, bare = reader.load(), []
    for one in _of(shipped, provider):
        columns = columns_of(shipped, one.for_each)
        named = {name for name in columns if name in ("name", "namespace", "sid") or name.endswith("_name")}
        named |= CHOSEN[provider] & columns.keys() - one.says.keys()
        for text in (one.message.fail, one.message.unknown, *_sayings(one)):
            bare += [(one.id, name) for name in re.findall(r"(?:^|(?<= )(?<!egion ))\{(\w+)\}", text or "") if name in named - UNCHOSEN]
    assert bare == []


# ---- the kinds of blemish that a stranger found who read forty findings ----------------------------------------------------------------


def _of(made: Content, *providers: str) -> list[Rule]:
    return [one for one in made.rules.values() if one.id.split(".")[0] in providers]


def _sayings(one: Rule) -> list[str]:
    return [each.say for saying in one.says.values() for each in ([saying.named] if saying.named else saying.causes)]


def _failing(one: Rule) -> set[str]:
    """The columns that a finding can show, whether its sentence has them or what it says besides."""
    return {name for text in (one.message.fail, *_sayings(one)) for name in placeholders(text)}


BESIDE_THE_FIELD = {
    r"\bown key\b|\bkey of one's own\b": "customer-managed key",
    r"\bkey that (Microsoft|AWS|Google) manages\b": "Microsoft-managed key, AWS managed key",
    r"\bkeys? (can|may|must) be turned\b|\bturn (the|a|its) key\b": "rotate",
    r"\bfor ever\b": "forever, or the retention",
    r"\(channel \{": "the auto-upgrade channel, the node OS upgrade channel",
    r"\bstands? in (one|several|\{zones\}|availability zone)\b": "runs in, uses",
    r"\bin all\)": "the names, or the number before what it counts",
    r"\bdial in\b": "connect, point-to-site",
    r"\bby itself \(": "automatically, or the setting",
    r"\blooks? into TLS\b": "TLS inspection",
    r"\bis called like\b": "is named like",
}
"""Words that only we use, and what a console or a benchmark says instead."""


@pytest.mark.parametrize("word", BESIDE_THE_FIELD)
def test_words_are_those_of_the_field(word: str) -> None:
    found = []
    for one in reader.load().rules.values():
        texts = [one.title, one.why, one.message.fail, one.message.pass_, one.message.unknown, one.fix.advice, *_sayings(one)]
        found += [(one.id, text) for text in filter(None, texts) if re.search(word, text)]
    assert found == [], f"say: {BESIDE_THE_FIELD[word]}"


def test_a_finding_of_azure_names_the_resource_group() -> None:
    shipped = reader.load()
    grouped = [one for one in _of(shipped, "azure") if "group" in columns_of(shipped, one.for_each)]
    assert len(grouped) > 150
    assert [one.id for one in grouped if "group" not in _failing(one)] == []


GLOBAL = {"aws.cloudtrail.guardrails_are_changed_by_code"}  # organization policies are in no region, though their events are


def test_a_finding_of_aws_says_its_region() -> None:
    """By the region itself, or by an ARN of a resource that is in one: whoever mends it has to know which console to open."""
    shipped = reader.load()
    regional = [one for one in _of(shipped, "aws") if stands_in_region(shipped, one.for_each) and one.id not in GLOBAL]
    assert len(regional) > 300
    told = {one.id: _failing(one) for one in regional}
    assert [name for name, shown in told.items() if not any(each.endswith("region") or each == "arn" for each in shown)] == []


def test_an_account_is_said_to_be_one() -> None:
    """A message gives the bare number of it: its noun stands before."""
    bare = re.compile(r"(?<!ccount )\{target\}")
    rules = _of(reader.load(), "aws")
    assert [
        (one.id, text) for one in rules for text in (one.message.fail, one.message.unknown, *_sayings(one)) if bare.search(text or "")
    ] == []


def test_a_resource_with_a_name_is_told_by_it_and_not_by_its_arn() -> None:
    shipped, by_arn = reader.load(), []
    for one in _of(shipped, "aws"):
        view = shipped.views.get(one.for_each)
        has_name = "name" in columns_of(shipped, one.for_each)
        if view is not None and view.made is not None:  # a made view always has the column; its table may give none
            has_name = any("name" in columns for columns in view.made.reads.values())
        shown = set(placeholders(one.message.fail))
        by_arn += [one.id] if "url" in shown or (has_name and "arn" in shown and "name" not in shown) else []
    assert by_arn == []


def test_rights_are_held_through_a_binding() -> None:
    by = r"\bby (\{(by|through|roles|role_kind|binding_kind|grants?)\}|(Cluster)?Role(Binding)?\b)"
    rules = _of(reader.load(), "kubernetes")
    assert [(one.id, text) for one in rules for text in (one.message.fail, *_sayings(one)) if re.search(by, text)] == []


def test_a_rule_that_spares_emergency_access_says_how_it_is_marked() -> None:
    """A user called break-glass that is told to be none reads like a mistake, until the tag is named that makes it one."""
    untold = []
    for one in _of(reader.load(), "aws", "kubernetes"):
        asked = [one.where, one.pass_, *(each.if_ for saying in one.says.values() for each in (saying.causes or [saying.named]) if each)]
        if any("is_break_glass" in text for text in filter(None, asked)):
            untold += [one.id] if "break-glass" not in f"{one.message.fail} {one.fix.advice}" else []
    assert untold == []


LIMITS = (
    r"\b(is|are|was|were) not (read|asked|judged|counted|known|told)\b|\b(not|cannot be) seen here\b|\bcannot be seen( from|[.,;]|$)",
    r"\bno report says\b|\b(is|are|so) unknown\b|: unknown\b|\bnothing (is|can be) known\b|\bdoes not tell\b",
    r"\b(judged|asked|told) (apart|elsewhere)\b|\b(may|might) (do it|watch|be another) instead\b|\bare told as\b",
)


def test_why_says_why_and_not_what_is_not_read() -> None:
    """What a rule cannot see stands in its `note`: whoever mends a finding needs the reason."""
    rules = reader.load().rules.values()
    assert [(one.id, one.why) for one in rules if re.search("|".join(LIMITS), one.why)] == []


def test_a_note_is_a_sentence_of_its_own() -> None:
    notes = {one.id: one.note for one in reader.load().rules.values() if one.note}
    assert len(notes) > 300
    assert [name for name, note in notes.items() if not re.fullmatch(r"[A-Z'\"/{].*[.)]", note)] == []


def test_what_leaves_a_rule_open_is_found_in_its_note() -> None:
    """It stands in the message of an unknown that no refusal explains, behind a sentence that is already there."""
    open_where = {one.id: one.left_open for one in reader.load().rules.values() if "Unknown where" in one.note}
    assert len(open_where) > 100
    assert [name for name, where in open_where.items() if not re.fullmatch(r"where [^.]*(?:[.]\w[^.]*)*", where)] == []


SLOGANS = (
    r"\bposter\b|\brubber stamp\b|\bis a (hope|guess|wish|pin|rehearsal)([.,;]|$)",
    r"\b(of|the) stars\b|\bnote to oneself\b|\bloss of everything\b",
)


def test_why_gives_a_reason_and_no_slogan() -> None:
    assert [(one.id, one.why) for one in reader.load().rules.values() if re.search("|".join(SLOGANS), one.why)] == []
