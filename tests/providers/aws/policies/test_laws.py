"""What has to hold of every policy document, whoever wrote it."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnamm_scan.providers.aws.policies.admission import Admission, join
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.evaluate import reach
from cnamm_scan.providers.aws.policies.facts import rights_row
from cnamm_scan.providers.aws.policies.rights import Need, Rights
from cnamm_scan.providers.aws.policies.setting import Setting, Truth
from tests.examples import drawn
from tests.providers.aws.policies import naive
from tests.providers.aws.policies.strategies import actions, blocks, documents, principals, statements

Json = Any
SETTING = Setting(naive.ME, organisation=naive.OURS, now=naive.NOW)
law = settings(derandomize=True, deadline=None, max_examples=drawn(80), suppress_health_check=list(HealthCheck))


def _reach(*written: Json) -> Admission:
    return reach(read({"Version": "2012-10-17", "Statement": list(written)}), SETTING)


def _is_within(one: Admission, other: Admission) -> bool:
    return one.reach.rank <= other.reach.rank and one.may_reach.rank <= other.may_reach.rank


@law
@given(documents(), statements("Deny"))
def test_a_denial_never_widens(document: Json, deny: Json) -> None:
    assert _is_within(_reach(*document["Statement"], deny), _reach(*document["Statement"]))


@law
@given(documents(), statements("Allow"))
def test_a_grant_never_narrows(document: Json, allow: Json) -> None:
    assert _is_within(_reach(*document["Statement"]), _reach(*document["Statement"], allow))


@law
@given(documents(most=2), statements("Allow"), blocks())
def test_one_more_condition_never_widens_a_grant(document: Json, allow: Json, block: tuple[str, str, list[str]]) -> None:
    operator, key, values = block
    narrowed = copy.deepcopy(allow)
    held = narrowed.setdefault("Condition", {}).setdefault(operator, {})
    assume(key not in held)
    held[key] = values
    assert _is_within(_reach(*document["Statement"], narrowed), _reach(*document["Statement"], allow))


@law
@given(documents(most=2), statements("Deny"), blocks())
def test_one_more_condition_never_strengthens_a_denial(document: Json, deny: Json, block: tuple[str, str, list[str]]) -> None:
    operator, key, values = block
    weakened = copy.deepcopy(deny)
    held = weakened.setdefault("Condition", {}).setdefault(operator, {})
    assume(key not in held)
    held[key] = values
    assert _is_within(_reach(*document["Statement"], deny), _reach(*document["Statement"], weakened))


@law
@given(documents(), st.randoms(use_true_random=False))
def test_order_never_matters(document: Json, random: Any) -> None:
    written = copy.deepcopy(document["Statement"])
    random.shuffle(written)
    for each in written:
        for name in ("Action", "NotAction", "Resource", "NotResource"):
            if isinstance(each.get(name), list):
                random.shuffle(each[name])
    assert _reach(*written) == _reach(*document["Statement"])


@law
@given(documents())
def test_the_case_of_actions_keys_and_operators_never_matters(document: Json) -> None:
    written = copy.deepcopy(document["Statement"])
    for each in written:
        for name in ("Action", "NotAction"):
            if name in each:
                each[name] = [one.swapcase() for one in each[name]]
        if "Condition" in each:
            each["Condition"] = {
                operator.swapcase(): {key.upper(): values for key, values in block.items()} for operator, block in each["Condition"].items()
            }
    assert _reach(*written) == _reach(*document["Statement"])


@law
@given(documents())
def test_lists_split_into_statements_mean_the_same(document: Json) -> None:
    split = [
        {**each, **({"Action": action} if action else {}), **({"Resource": resource} if resource else {})}
        for each in document["Statement"]
        for action in each.get("Action", [None])
        for resource in each.get("Resource", [None])
    ]
    one, other = _reach(*split), _reach(*document["Statement"])
    assert (one.reach, one.may_reach, one.anonymous) == (other.reach, other.may_reach, other.anonymous)


@law
@given(documents(most=2), statements("Allow"), principals)
def test_one_more_principal_never_narrows(document: Json, allow: Json, more: Json) -> None:
    assume("Principal" in allow and isinstance(allow["Principal"], dict))
    added = more if isinstance(more, dict) else {"AWS": "*"}
    joined = {kind: [*_many(allow["Principal"].get(kind)), *_many(added.get(kind))] for kind in ("AWS", "Service")}
    assert _is_within(_reach(*document["Statement"], allow), _reach(*document["Statement"], {**allow, "Principal": joined}))


def _many(value: Json) -> list[str]:
    return [] if value is None else value if isinstance(value, list) else [value]


@law
@given(st.lists(statements("Allow"), min_size=1, max_size=3), st.lists(statements("Deny"), max_size=2))
def test_a_document_admits_whom_its_statements_admit(allows: list[Json], denies: list[Json]) -> None:
    together = _reach(*allows, *denies)
    apart = join(_reach(each, *denies) for each in allows)
    assert (together.reach, together.may_reach) == (apart.reach, apart.may_reach)


def _holds(statement: Json, action: str) -> Truth:
    document = read({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **statement}]})
    return Rights(SETTING, (document,)).holds(Need(action))


@law
@given(actions, st.sampled_from(("sqs:sendmessage", "sqs:receivemessage", "sqs:purgequeue", "iam:passrole")))
def test_what_is_excepted_is_the_complement(named: list[str], action: str) -> None:
    held, excepted = _holds({"Action": named}, action), _holds({"NotAction": named}, action)
    assert {held, excepted} == {Truth.YES, Truth.NO}


@law
@given(actions, actions, st.sampled_from(("sqs:sendmessage", "sqs:receivemessage", "sqs:purgequeue", "iam:passrole")))
def test_rights_are_what_is_given_less_what_is_taken(given_: list[str], taken: list[str], action: str) -> None:
    document = read(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Deny", "Action": taken, "Resource": "*"}, {"Effect": "Allow", "Action": given_, "Resource": "*"}],
        }
    )
    expected = _holds({"Action": given_}, action) is Truth.YES and _holds({"Action": taken}, action) is Truth.NO
    assert Rights(SETTING, (document,)).holds(Need(action)) is Truth.of(expected)


PARTS = ("iam:*", "*", "iam:*User*", "iam:*Role*", "iam:*Group*", "iam:*Polic*", "iam:*Key*", "iam:*Profile*", "iam:[*", "kms:*")
KINDS = ("user", "role", "group", "policy")
held = st.builds(
    lambda how, named, place, condition: {
        "Effect": "Allow",
        how: named,
        "Resource": place,
        **({"Condition": condition} if condition else {}),
    },
    st.sampled_from(("Action", "Action", "Action", "NotAction")),
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=4, unique=True),
    st.sampled_from(("*", "arn:aws:iam::*:*", *(f"arn:aws:iam::{naive.ME}:{kind}/*" for kind in KINDS)))
    | st.just([f"arn:aws:iam::*:{kind}/*" for kind in KINDS]),
    st.sampled_from((None, None, {"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {"StringEquals": {"aws:PrincipalTag/team": "shop"}})),
)
BY_KIND = [
    {"Effect": "Allow", "Action": f"iam:*{named}*", "Resource": f"arn:aws:iam::*:{kind}/*"}
    for kind in KINDS
    for named in ("User", "Role", "Group", "Polic", "Key", "Profile")
]


@law
@given(st.lists(held, max_size=3), st.booleans(), st.lists(st.sampled_from(("iam:PassRole", "iam:DeleteUser", "kms:*")), max_size=1))
def test_who_is_an_administrator_by_a_policy_holds_a_whole_service_by_it(given_: list[Json], by_kind: bool, taken: list[str]) -> None:
    """Rules about roles and keys leave such a policy out: those about whole services name it."""
    written = [*given_, *(BY_KIND if by_kind else ()), *({"Effect": "Deny", "Action": each, "Resource": "*"} for each in taken)]
    row = rights_row(Rights(SETTING, (read({"Version": "2012-10-17", "Statement": written}),)))
    assert not row["is_administrator"] or row["holds_sensitive_service"] or row["holds_all_services"]
    if by_kind and not taken:
        assert row["is_administrator"] is True


@law
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("Version", "Statement", "Effect", "Action", "Principal", "Condition", "x")), inner, max_size=3
            )
        ),
        max_leaves=8,
    )
)
def test_what_is_no_policy_is_read_without_a_word(anything: Json) -> None:
    reach(read(anything), SETTING)


def test_of_what_cannot_be_read_nothing_is_certain() -> None:
    for unreadable in (
        "no json",
        7,
        {"Version": "2012-10-17", "Statement": "x"},
        {"Statement": [{"Effect": "allow", "Principal": "*", "Action": "*"}]},
    ):
        found = reach(read(unreadable), SETTING)
        assert found.is_public is Truth.UNKNOWN, unreadable
    assert reach(read(None), SETTING).is_public is Truth.NO
