"""Rows of policies and of their statements."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.aws.made.access import policies
from cnamm_scan.providers.aws.policies.evaluate import admit_one
from tests.providers.aws.made.given import ME, OURS, PARTNER, Seen, allow, deny, made_by, policy

TABLE = "aws.lab.store"
ROLE = f"arn:aws:iam::{ME}:role/app"


def _statements(*written: Any) -> dict[str, dict[str, Any]]:
    return made_by("resource_policy_statements", TABLE, {"arn:aws:lab:::s": {"name": "s", "policy": policy(*written)}})


def test_statements_keep_their_place_in_the_policy() -> None:
    made = _statements(deny({"Bool": {"aws:SecureTransport": "false"}}), allow({"AWS": ROLE}, Sid="own"), deny(), allow(Sid="all"))
    assert {key: (row["sid"], row["reach"]) for key, row in made.items()} == {
        "arn:aws:lab:::s#1": ("own", "nobody"),
        "arn:aws:lab:::s#3": ("all", "nobody"),
    }
    assert {(row["arn"], row["name"]) for row in made.values()} == {("arn:aws:lab:::s", "s")}


def test_no_policy_has_no_rows_and_one_that_was_not_seen_has_an_open_one() -> None:
    rows: dict[str, dict[str, Any]] = {
        "none": {"name": "none", "policy": {}},
        "unseen": {"name": "unseen", "policy": None},
        "odd": {"name": "odd", "policy": {"statement": 3}},
    }
    made = made_by("resource_policy_statements", TABLE, rows)
    assert made == {key: {"arn": key, "name": key} for key in ("unseen", "odd")}
    whole = made_by("resource_policies", TABLE, rows)
    assert (whole["none"]["has_policy"], whole["none"]["is_public"]) == (False, False)
    assert whole["unseen"] == {"arn": "unseen", "name": "unseen"}
    assert (whole["odd"]["has_policy"], whole["odd"]["is_public"]) == (True, None)


def test_small_networks_in_several_statements_may_come_to_the_world() -> None:
    eighths = [allow(condition={"IpAddress": {"aws:SourceIp": f"{first}.0.0.0/8"}}) for first in range(1, 224)]
    assert {row["is_public"] for row in _statements(*eighths).values() if row["reach"] != "nobody"} == {True}  # nobody asks from 10.0.0.0/8
    few = _statements(*(eighths[at] for at in (20, 40, 60, 80)), allow({"AWS": PARTNER}))
    assert [row["is_public"] for row in few.values()] == [False] * 5


def test_what_a_service_may_do_for_anybody_is_told_apart_from_the_open() -> None:
    service = {"Service": "sns.amazonaws.com"}
    made = _statements(
        allow(service),
        allow(service, {"StringEquals": {"aws:SourceAccount": ME}}),
        allow(service, {"StringLike": {"aws:SourceAccount": [ME, "*"]}}),
        allow(service, {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}),
        allow(),
    )
    assert [(row["is_public"], row["service_is_unbounded"]) for row in made.values()] == [
        (False, True),
        (False, False),
        (False, True),
        (False, True),
        (True, False),
    ]


def test_documents_that_differ_in_nothing_that_decides_are_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0

    def counting(*given: Any) -> Any:
        nonlocal counted
        counted += 1
        return admit_one(*given)

    monkeypatch.setattr("cnamm_scan.providers.aws.policies.facts.admit_one", counting)
    own = {"StringEquals": {"AWS:SourceOwner": ME}}
    rows = {
        f"arn:aws:lab:::{n}": {"policy": policy(allow(condition=own, action=f"a:{n}", resource=f"arn:aws:lab:::{n}"))} for n in range(50)
    }
    made = made_by("resource_policy_statements", TABLE, rows)
    assert {row["reach"] for row in made.values()} == {"account"}
    assert [row["actions"] for row in made.values()] == [[f"a:{n}"] for n in range(50)]
    assert counted == 1
    refused = {key: {"policy": policy(allow(), deny(action=f"a:{n}"))} for n, key in enumerate(rows)}
    made = made_by("resource_policy_statements", TABLE, {**refused, "x": {"policy": policy(allow(), deny(action="a:Use"))}})
    assert (made["x#0"]["reach"], made["arn:aws:lab:::7#0"]["reach"], counted) == ("nobody", "anybody", 3)


def test_actions_are_told_as_they_were_written() -> None:
    made = made_by(
        "resource_policy_statements",
        TABLE,
        {
            "k": {
                "policy": policy(
                    allow(action=["lambda:InvokeFunction", "Lambda:invokefunction", "*"]), allow(action="LAMBDA:InvokeFunction")
                )
            }
        },
    )
    assert [row["actions"] for row in made.values()] == [["lambda:InvokeFunction", "*"], ["LAMBDA:InvokeFunction"]]


@pytest.mark.parametrize("organisation", [OURS, "none", None])
def test_the_organisation_is_known_or_not(organisation: str | None) -> None:
    of_ours = policy(allow(condition={"StringEquals": {"aws:PrincipalOrgID": OURS}}))
    seen = Seen({TABLE: {"k": {"policy": of_ours}}, "aws.account.account": {"me": {"organization_id": organisation}}}, over=(TABLE,))
    ((_, judged),) = policies(seen)
    assert judged is not None
    assert judged.document_row()["reach"] == ("organisation" if organisation == OURS else "named")
    assert judged.document_row()["is_public"] is False


def test_partitions_are_read_from_what_the_policy_hangs_on() -> None:
    seen = Seen({TABLE: {"arn:aws-cn:lab:::s": {"policy": {}}, "plain": {"policy": {}}}}, over=(TABLE,))
    assert [judged.setting.partition for _, judged in policies(seen) if judged is not None] == ["aws-cn", "aws"]


def test_a_row_carries_what_its_maker_names() -> None:
    rows = {"arn:s": {"name": "s", "policy": policy(allow()), "policy_state": "Active"}}
    assert made_by("auth_policy_statements", TABLE, rows)["arn:s#0"]["policy_state"] == "Active"
