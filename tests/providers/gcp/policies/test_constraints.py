"""What organization policies come to: pairs that differ in one detail, each with its known answer."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.gcp.policies.constraints import BOOLEAN, LISTS, TWINS, Policy, effect

KEYS = "iam.disableServiceAccountKeyCreation"
PLACES = "gcp.resourceLocations"
NONE = "none"
TAGGED = {"condition": {"expression": "resource.matchTag('9/env', 'lab')"}}


def on(level: str = "organizations/9", **more: Any) -> Policy:
    return Policy(level, ({"enforce": True},), **more)


def off(level: str = "projects/1") -> Policy:
    return Policy(level, ({"enforce": False},))


def values(level: str, *allowed: str, denied: tuple[str, ...] = (), **more: Any) -> Policy:
    return Policy(level, ({"values": {"allowedValues": list(allowed), "deniedValues": list(denied)}},), **more)


@pytest.mark.parametrize(
    ("line", "answer", "set_on"),
    [
        ([NONE], False, ""),
        ([NONE, NONE, on()], True, "organizations/9"),
        ([off(), NONE, on()], False, "projects/1"),
        ([on("projects/1"), NONE, None], True, "projects/1"),
        ([NONE, None, on()], None, None),
        ([None], None, None),
        ([Policy("projects/1", resets=True), on()], False, "projects/1"),
        # a dry run refuses nothing
        ([Policy("projects/1", is_live=False), on()], True, "organizations/9"),
        ([Policy("projects/1", is_live=False), NONE], False, ""),
        ([Policy("projects/1", is_live=None), on()], None, None),
        ([Policy("projects/1", rules=None)], None, None),
        ([Policy("projects/1", inherits=True), on()], True, "organizations/9"),
        ([Policy("projects/1", inherits=True), None], None, None),
        # tags of what it is about are not read
        ([Policy("projects/1", ({"enforce": True}, {"enforce": False, **TAGGED}))], None, "projects/1"),
        ([Policy("projects/1", ({"enforce": False}, {"enforce": True, **TAGGED}))], None, "projects/1"),
        ([Policy("projects/1", ({"enforce": True}, {"enforce": True, **TAGGED}))], True, "projects/1"),
    ],
)
def test_whether_a_boolean_constraint_is_enforced(line: list[Any], answer: bool | None, set_on: str | None) -> None:
    found = effect(KEYS, line)
    assert (found.is_enforced, found.set_on) == (answer, set_on)


@pytest.mark.parametrize(
    ("line", "answer", "allowed"),
    [
        ([NONE, NONE], False, ()),
        ([NONE, values("organizations/9", "in:eu-locations")], True, ("in:eu-locations",)),
        # what is set below replaces what is above, unless it says that it inherits
        ([values("projects/1", "in:us-locations"), values("organizations/9", "in:eu-locations")], True, ("in:us-locations",)),
        (
            [values("projects/1", "in:us-locations", inherits=True), values("organizations/9", "in:eu-locations")],
            True,
            ("in:eu-locations", "in:us-locations"),
        ),
        ([values("projects/1", "a", inherits=True), None], None, None),
        ([values("projects/1", "a"), None], True, ("a",)),
        ([values("projects/1", "a", inherits=None), NONE], None, None),
        ([Policy("projects/1", ({"allowAll": True},)), values("organizations/9", "a")], False, ()),
        ([Policy("projects/1", ({"denyAll": True},))], True, ()),
        ([values("projects/1", denied=("in:us-locations",))], True, ()),
        ([Policy("projects/1", resets=True), values("organizations/9", "a")], False, ()),
        ([Policy("projects/1", ({"values": {"allowedValues": ["a"]}}, {"allowAll": True, **TAGGED}))], None, None),
    ],
)
def test_what_a_list_constraint_bounds(line: list[Any], answer: bool | None, allowed: tuple[str, ...] | None) -> None:
    found = effect(PLACES, line)
    assert (found.is_enforced, found.allowed) == (answer, allowed)


def test_of_a_constraint_that_is_not_listed_the_default_is_not_known() -> None:
    assert effect("nobody.knows", [NONE]).is_enforced is None
    assert effect("nobody.knows", [Policy("projects/1", resets=True)]).is_enforced is None
    assert effect("nobody.knows", [on()]).is_enforced is True
    assert effect("custom.requireTeamLabel", [NONE]).is_enforced is False
    assert not BOOLEAN & LISTS


def test_a_list_that_denies_all_says_so() -> None:
    assert effect("compute.vmExternalIpAccess", [NONE, Policy("folders/5", ({"denyAll": True},))]).denies_all is True
    assert effect("compute.vmExternalIpAccess", [NONE, NONE]).denies_all is False


def test_what_is_said_by_two_names_is_one() -> None:
    assert set(TWINS) <= BOOLEAN | LISTS
    assert set(TWINS.values()) <= BOOLEAN
