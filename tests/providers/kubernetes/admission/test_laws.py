"""What holds of every door: more guards refuse no less, exceptions refuse no more, and what is open is never taken for settled."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.kubernetes.policies.admission import jmespath
from cnamm_scan.providers.kubernetes.policies.admission.cel import ANY, ERROR, FALSE, TRUE, Scope, outcomes
from cnamm_scan.providers.kubernetes.policies.admission.decide import Answer, Door, refused, words_of
from cnamm_scan.providers.kubernetes.policies.admission.gatekeeper import Constraint, Settings
from cnamm_scan.providers.kubernetes.policies.admission.kyverno import Policy, Rule, ValidatingPolicy
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_match import Excepted
from cnamm_scan.providers.kubernetes.policies.admission.kyverno_patterns import FAILS, PASSES, SKIPS, pattern_of
from cnamm_scan.providers.kubernetes.policies.admission.questions import QUESTIONS, Variant
from cnamm_scan.providers.kubernetes.policies.admission.requests import EITHER, REFUSES, Guard, Place, judge
from cnamm_scan.providers.kubernetes.policies.admission.values import Some, Unknown, is_open
from cnamm_scan.providers.kubernetes.policies.admission.webhooks import Engine, Opaque, Unseen, Webhook
from tests.examples import drawn
from tests.providers.kubernetes.admission import naive
from tests.providers.kubernetes.admission.strategies import EVERYTHING, KYVERNO, guard, places, pods, policies

Json = Any
ASKED = ("privileged", "host_namespaces", "host_path", "privilege_escalation")
several = st.lists(policies, max_size=3)


def asked(guards: list[Guard], place: Place) -> dict[str, Answer]:
    return {question: refused(question, place, guards) for question in ASKED}


@settings(max_examples=drawn(40), deadline=None)
@given(several, policies, places)
def test_one_more_policy_takes_no_refusal_back(cases: list[Json], more: Json, place: Place) -> None:
    before, after = (asked([guard(case) for case in some], place) for some in (cases, [*cases, more]))
    for question in ASKED:
        assert before[question] is not Answer.YES or after[question] is Answer.YES


@settings(max_examples=drawn(30), deadline=None)
@given(several, places)
def test_the_order_of_policies_does_not_matter(cases: list[Json], place: Place) -> None:
    assert asked([guard(case) for case in cases], place) == asked([guard(case) for case in reversed(cases)], place)


@settings(max_examples=drawn(30), deadline=None)
@given(several, places)
def test_what_only_reports_refuses_nothing(cases: list[Json], place: Place) -> None:
    quiet = copy.deepcopy(cases)
    for case in quiet:
        if case["engine"] == "bound":
            case["binding"]["validationActions"] = ["Audit", "Warn"]
        elif case["engine"] == "kyverno":
            case.update(action="Audit", overrides=[])
        else:
            case["spec"]["enforcementAction"] = "dryrun"
    assert set(asked([guard(case) for case in quiet], place).values()) == {Answer.NO}


@settings(max_examples=drawn(40), deadline=None)
@given(policies, policies, places)
def test_what_is_left_out_makes_no_refusal(case: Json, other: Json, place: Place) -> None:
    wider = copy.deepcopy(case)
    if case["engine"] == "bound":
        assume(other["engine"] == "bound")
        spared = wider["policy"]["matchConstraints"].setdefault("excludeResourceRules", [])
        spared.extend(other["policy"]["matchConstraints"].get("resourceRules", []))
    elif case["engine"] == "kyverno":
        assume(other["engine"] == "kyverno" and not case["exclude"])
        wider["exclude"] = other["match"]
    else:
        wider["spec"].setdefault("match", {})["excludedNamespaces"] = ["shop*", *wider["spec"]["match"].get("excludedNamespaces", [])]
    before, after = asked([guard(case)], place), asked([guard(wider)], place)
    for question in ASKED:
        assert after[question] is not Answer.YES or before[question] is Answer.YES


@settings(max_examples=drawn(30), deadline=None)
@given(several, places)
def test_what_was_not_seen_leaves_open_what_is_not_refused(cases: list[Json], place: Place) -> None:
    guards = [guard(case) for case in cases]
    before = asked(guards, place)
    webhook = Opaque(Webhook("vendor", "judge.vendor.example", EVERYTHING))
    for more in (Unseen(), webhook):
        after = asked([*guards, more], place)
        for question in ASKED:
            assert after[question] is (Answer.YES if before[question] is Answer.YES else Answer.UNKNOWN)


@settings(max_examples=drawn(30), deadline=None)
@given(policies, places)
def test_a_policy_without_its_engine_refuses_nothing(case: Json, place: Place) -> None:
    assume(case["engine"] != "bound")

    def of(engine: Engine) -> Guard:
        if case["engine"] == "gatekeeper":
            return Constraint(case["kind"], case["spec"], Settings(engine))
        rule = {"name": "r", "match": case["match"], "exclude": case["exclude"], "validate": naive.PATTERNS[case["body"]][0]}
        return Rule(Policy("p", action=case["action"]), rule, engine)

    assert set(asked([of(Engine())], place).values()) == {Answer.NO}
    assert Answer.YES not in asked([of(Engine(more=True))], place).values()
    ignored = Webhook("e", "validate.kyverno.svc-ignore", EVERYTHING, failure_policy="Ignore")
    assert set(asked([of(Engine((ignored,)))], place).values()) == {Answer.NO}


@settings(max_examples=drawn(30), deadline=None)
@given(policies, places)
def test_an_exception_makes_no_refusal(case: Json, place: Place) -> None:
    assume(case["engine"] == "kyverno")
    rule = {"name": "r", "match": case["match"], "exclude": case["exclude"], "validate": naive.PATTERNS[case["body"]][0]}

    def of(*exceptions: Excepted) -> dict[str, Answer]:
        return asked([Rule(Policy("p", action=case["action"]), rule, KYVERNO, exceptions)], place)

    assert set(of(Excepted([("p", ["*"])])).values()) == {Answer.NO}
    assert Answer.YES not in of(Excepted(None)).values()
    assert of(Excepted([("another", ["*"])])) == of()
    before, after = of(), of(Excepted([("p", ["r"])], {"any": [{"resources": {"kinds": ["Pod"], "names": ["web-*"]}}]}))
    for question in ASKED:
        assert after[question] is not Answer.YES
        # what is refused of every pod alike is not refused for the offence: whether a name gets around it is then not asked
        assert after[question] is not Answer.NO or before[question] is Answer.NO or case["body"] in ("everything", "team")


@settings(max_examples=drawn(12), deadline=None)
@given(several, st.lists(places, min_size=2, max_size=4, unique_by=lambda place: place.name))
def test_namespaces_that_look_alike_are_answered_alike(cases: list[Json], spaces: list[Place]) -> None:
    words: set[str] = set()
    words_of(cases, words)
    door = Door([guard(case) for case in cases], words)
    for place in spaces:
        for question in ASKED:
            assert door.refused(question, place) is refused(question, place, [guard(case) for case in cases])


_OF_PLACES = st.sampled_from(
    [
        "request.namespace != 'shop'",
        "request.namespace.startsWith('shop')",
        "namespaceObject.metadata.name.endsWith('-dev')",
        "object.metadata.namespace.contains('op-')",
        "request.namespace.size() > 4",
        "request.namespace.matches('^kube-')",
        "'env' in namespaceObject.metadata.labels && namespaceObject.metadata.labels['env'] == 'prod'",
        "has(namespaceObject.metadata.labels.team)",
        "namespaceObject.metadata.?labels[?'check'].orValue('no') == 'yes'",
    ]
)


@settings(max_examples=drawn(60), deadline=None)
@given(st.lists(_OF_PLACES, min_size=1, max_size=2), st.booleans(), st.lists(places, min_size=3, max_size=6))
def test_namespaces_that_an_expression_tells_apart_are_told_apart(texts: list[str], at_webhook: bool, spaces: list[Place]) -> None:
    asked_for = [{"name": "c", "expression": each} for each in texts]
    match = {"resourceRules": [{**EVERYTHING[0], "resources": ["pods"]}]}
    spec = {"matchConstraints": match, "validations": [{"expression": "false"}], **({} if at_webhook else {"matchConditions": asked_for})}
    hook = Webhook("k", "vpol.validate.kyverno.svc-fail", EVERYTHING, conditions=texts if at_webhook else ())
    guards: list[Guard] = [ValidatingPolicy("p", "", spec, Engine((hook,)))]
    words: set[str] = set()
    words_of([spec, texts], words)
    door = Door(guards, words)
    for place in spaces:
        alone = refused("privileged", place, guards)
        assert door.refused("privileged", place) is alone
        assert alone is not Answer.UNKNOWN


# ---- expressions ---------------------------------------------------------------------------------------------------------

_LISTS = st.sampled_from(
    [
        "object.spec.containers",
        "(object.spec.containers + object.spec.?initContainers.orValue([]))",
        "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))",
        "object.spec.?volumes.orValue([])",
        "object.spec.containers.filter(c, has(c.securityContext))",
    ]
)
_OF_ONE = st.sampled_from(
    [
        "has(c.securityContext)",
        "has(c.securityContext.privileged)",
        "c.securityContext.privileged",
        "c.?securityContext.?privileged.orValue(false)",
        "c.?securityContext.?allowPrivilegeEscalation.orValue(true) == false",
        "c.name == 'a'",
        "c.image.startsWith('r.example')",
        "has(c.hostPath)",
        "'securityContext' in c",
        "c.securityContext.runAsNonRoot == true",
    ]
)
_ATOMS = st.sampled_from(
    [
        "has(object.spec.hostNetwork)",
        "object.spec.hostNetwork",
        "object.spec.?hostPID.orValue(false)",
        "has(object.metadata.labels) && 'team' in object.metadata.labels",
        "object.metadata.labels['team'] == 'prod'",
        "object.metadata.name in ['web', 'job']",
        "request.userInfo.username == 'ci'",
        "object.spec.containers.size() > 1",
        "object.spec.containers[0].name == 'a'",
        "size(object.spec.?volumes.orValue([])) == 0",
        "true",
        "false",
        "nobody.knows(object)",
    ]
)


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(lambda one: f"!({one})", inner),
        st.builds(lambda one, sign, other: f"({one}) {sign} ({other})", inner, st.sampled_from(["&&", "||", "==", "!="]), inner),
        st.builds(lambda one, yes, no: f"({one}) ? ({yes}) : ({no})", inner, inner, inner),
    )


_one = st.recursive(_OF_ONE, _joined, max_leaves=4)
_over = st.builds(lambda items, how, one: f"{items}.{how}(c, {one})", _LISTS, st.sampled_from(["all", "exists", "exists_one"]), _one)
_counted = st.builds(
    lambda items, one, end: f"{items}.filter(c, {one}).size() {end}", _LISTS, _one, st.sampled_from(["== 0", "> 0", "< 2"])
)
_mapped = st.builds(lambda items, one: f"true in {items}.map(c, {one})", _LISTS, _one)
expressions = st.recursive(st.one_of(_ATOMS, _over, _counted, _mapped), _joined, max_leaves=5)
PRIVILEGED = QUESTIONS["privileged"].variants


def commits(variant: Variant, pod: Json) -> bool:
    """Whether a pod is one of those that the open object of a variant stands for."""
    spec = variant.open.object.fields["spec"].fields
    where = "initContainers" if "initContainers" in spec else "containers"
    wanted = spec[where].items[0].fields["securityContext"].fields["allowPrivilegeEscalation"]
    for each in pod["spec"].get(where, []):
        context = each.get("securityContext", {})
        if context.get("privileged") and (
            context.get("allowPrivilegeEscalation") is True if wanted is True else "allowPrivilegeEscalation" not in context
        ):
            return True
    return False


@settings(max_examples=drawn(300), deadline=None)
@given(expressions, st.lists(pods, min_size=4, max_size=8), st.sampled_from(["jane", "ci"]))
def test_an_expression_comes_out_of_a_whole_object_as_it_may_of_the_open_one(text: str, objects: list[Json], username: str) -> None:
    user = {"username": username}
    every = [
        outcomes(text, Scope({"object": variant.open.object, "request": {"userInfo": {"username": Unknown("u")}}}))
        for variant in PRIVILEGED
    ]
    for pod in objects:
        found = outcomes(text, Scope({"object": pod, "request": {"userInfo": user}}))
        assert found in (TRUE, FALSE, ERROR) or "nobody" in text or "map(" in text, (text, pod)
        for variant, open_ways in zip(PRIVILEGED, every, strict=True):
            if commits(variant, pod):
                assert not found & ~open_ways, (text, pod)


@settings(max_examples=drawn(300), deadline=None)
@given(st.text(alphabet="object.spec()[]{}!&|?:'\"+-*/<>= 0a,\\\n", max_size=40))
def test_whatever_is_written_there_nothing_breaks(text: str) -> None:
    assert outcomes(text, Scope({"object": {}})) in range(1, ANY + 1)
    jmespath.search(text, {"request": {}})


_PATTERN = st.recursive(
    st.sampled_from(["false", "true", "?*", "*", "!web", "web | job", ">1", "1-3", True, False, 1, None]),
    lambda inner: st.one_of(
        st.dictionaries(
            st.builds(
                lambda anchor, name: anchor.format(name),
                st.sampled_from(["{}", "=({})", "X({})", "({})", "^({})"]),
                st.sampled_from(
                    ["spec", "containers", "initContainers", "securityContext", "privileged", "metadata", "name", "hostNetwork"]
                ),
            ),
            inner,
            min_size=1,
            max_size=2,
        ),
        st.builds(lambda one: [one], inner),
    ),
    max_leaves=6,
)


@settings(max_examples=drawn(300), deadline=None)
@given(_PATTERN, st.lists(pods, min_size=4, max_size=8))
def test_a_pattern_meets_a_whole_object_as_it_may_the_open_one(pattern: Json, objects: list[Json]) -> None:
    every = [pattern_of({"spec": pattern} if isinstance(pattern, dict) else pattern, variant.open.object) for variant in PRIVILEGED]
    for pod in objects:
        found = pattern_of({"spec": pattern} if isinstance(pattern, dict) else pattern, pod)
        assert found in range(1, (PASSES | FAILS | SKIPS) + 1)
        for variant, open_ways in zip(PRIVILEGED, every, strict=True):
            if commits(variant, pod) and found in (PASSES, FAILS, SKIPS):
                assert found & open_ways, (pattern, pod)


_PATHS = st.sampled_from(
    [
        "request.object.spec.containers[].securityContext.privileged",
        "request.object.spec.[initContainers, containers][].securityContext.privileged",
        "request.object.spec.containers[*].name",
        "request.object.spec.containers[?securityContext.privileged].name",
        "request.object.spec.volumes[].keys(@)[]",
        "request.object.spec.hostNetwork || `false`",
        "length(request.object.spec.containers)",
        "request.object.metadata.labels.team || ''",
    ]
)


@settings(max_examples=drawn(300), deadline=None)
@given(_PATHS, st.lists(pods, min_size=4, max_size=8))
def test_what_a_path_finds_for_certain_it_finds_in_every_whole_object(path: str, objects: list[Json]) -> None:
    for variant in PRIVILEGED:
        every = jmespath.search(path, {"request": {"object": variant.open.object}})
        for pod in objects:
            if not commits(variant, pod):
                continue
            found = jmespath.search(path, {"request": {"object": pod}})
            if isinstance(every, Some):
                assert all(each in found for each in every.items if not is_open(each))
            elif not is_open(every):
                assert every == found


def test_every_open_object_commits_its_offence_and_no_innocent_one_does() -> None:
    """The three objects of a variant are of one request, and the offence makes the difference to the standard that forbids it."""
    for question in QUESTIONS.values():
        assert question.variants
        for variant in question.variants:
            assert variant.open.kind == variant.closed.kind == variant.innocent.kind
            assert variant.closed.object != variant.innocent.object, question.name


@settings(max_examples=drawn(40), deadline=None)
@given(policies, places)
def test_a_guard_that_refuses_every_object_refuses_each(case: Json, place: Place) -> None:
    made = guard(case)
    for question in ASKED:
        for variant in QUESTIONS[question].variants:
            if judge(made, variant.open.at(place)) == REFUSES:
                assert judge(made, variant.closed.at(place)) in (REFUSES, EITHER)
