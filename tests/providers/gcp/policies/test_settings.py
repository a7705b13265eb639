"""Which of several policies of Cloud Identity counts for everybody."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.gcp.policies.settings import Setting, for_everybody, top

ALL, SOME = "orgUnits/all", "orgUnits/some"


def of(unit: str = ALL, order: float | None = 100.0, value: Any = "admin's", **more: Any) -> Setting:
    said = {"group": "", "query": f"entity.org_units.exists(o, o.org_unit_id == orgUnitId('{unit[9:]}'))", "is_system": False, **more}
    return Setting(unit, order=order, value=value, **said)


def google(value: Any = "google's", **more: Any) -> Setting:
    return of(**{"order": 1.0, "value": value, "is_system": True, **more})


LICENSED = "entity.org_units.exists(o, o.org_unit_id == orgUnitId('all')) && entity.licenses.exists(l, l in ['/product/1/sku/2'])"


def test_everybody_is_in_the_unit_for_which_google_sets_something() -> None:
    assert top([google(), of(SOME)]) == ALL
    assert top([of()]) is None
    assert top([google(), google(unit=SOME)]) is None, "told in two ways"
    assert top([google(), google(unit=SOME, group="groups/g")]) == ALL


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ([google(), of()], "admin's"),
        ([google(), of(query="")], "admin's"),
        ([google(), of(SOME)], "google's"),
        ([google(), of(group="groups/g", order=200.0)], "google's"),
        ([google(), of(query=LICENSED)], "google's"),
        ([google(), of(query=f"!({LICENSED})")], "google's"),
        ([google(order=500.0), of()], None),
        ([google(), of(order=None)], None),
        ([google(), google("another", query=LICENSED)], None),
        ([google(query=LICENSED)], None),
        ([of(SOME)], None),
        ([], None),
    ],
)
def test_for_everybody_counts_what_is_of_the_whole_unit_and_of_no_group_or_license(settings: list[Setting], value: str | None) -> None:
    found = for_everybody(settings, ALL)
    assert (found.value if found is not None else None) == value
    assert for_everybody(settings, None) is None, "who does not know where everybody is"


def test_of_whom_it_is_is_told() -> None:
    assert (of().whom, of(group="groups/01ab").whom, of("").whom) == ("organizational unit all", "group 01ab", "people whom a query names")
