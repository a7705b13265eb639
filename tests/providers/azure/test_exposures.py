"""Whom services of Azure let in: by a firewall of their own, and by ranges that are judged with the others of their server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cnamm_scan.model import Target
from cnamm_scan.providers.azure.made.exposures import address_ranges, firewalls
from cnamm_scan.providers.interface import SeenRow
from tests.providers.seen import Given

TARGET = Target("azure:s", "azure", "s")


@dataclass(kw_only=True)
class Seen(Given):
    tables: Mapping[str, Sequence[SeenRow]] = field(default_factory=dict)

    def rows(self, table: str) -> Sequence[SeenRow]:
        return self.tables[table]


def seen(*rows: Mapping[str, Any], dark: bool = False) -> Seen:
    made = [SeenRow(TARGET.id, "global", str(number), f"fact {number}", row) for number, row in enumerate(rows)]
    return Seen(tables={"t": made}, over=("t",), reads={"t": ()}, targets=(TARGET,), unseen=frozenset({"t"} if dark else ()))


@pytest.mark.parametrize(
    ("network", "action", "rules", "level", "world"),
    [
        ("Enabled", "Allow", [], "world", True),
        ("Enabled", "Deny", [], "none", False),
        ("Disabled", "Allow", [], "none", False),
        ("SecuredByPerimeter", "Allow", [], "none", False),
        ("Enabled", "Deny", ["93.184.216.0/24"], "bounded", False),
        ("Enabled", "Deny", ["0.0.0.0/1", "128.0.0.0/1"], "world", True),
        ("Enabled", "Deny", ["4.0.0.0/6"], "wide", False),
        ("Enabled", "Deny", ["nonsense"], None, None),
        ("Enabled", None, [], None, None),
        (None, "Allow", [], None, None),
        (None, "Deny", [], "none", False),
    ],
)
def test_whom_a_firewall_lets_in(network: str | None, action: str | None, rules: list[str], level: str | None, world: bool | None) -> None:
    (row,) = firewalls(seen({"name": "x", "public_network": network, "default_action": action, "ip_rules": rules}))
    assert (row.values["openness"], row.values["is_open_to_world"]) == (level, world)


def test_a_service_without_a_default_action_says_whether_it_admits_all() -> None:
    for everybody, world in ((True, True), (False, False), (None, None)):
        (row,) = firewalls(seen({"name": "x", "public_network": "Enabled", "admits_all": everybody, "ip_rules": []}))
        assert row.values["is_open_to_world"] is world


def ranges(*said: tuple[str | None, str | None, str | None], dark: bool = False) -> list[bool | None]:
    rows = [{"name": "r", "server": server, "start": start, "end": end} for server, start, end in said]
    return [row.values["is_worldwide"] for row in address_ranges(seen(*rows, dark=dark))]


def test_ranges_are_judged_with_the_others_of_their_server() -> None:
    assert ranges(("a", "0.0.0.0", "255.255.255.255")) == [True]
    assert ranges(("a", "0.0.0.0", "127.255.255.255"), ("a", "128.0.0.0", "255.255.255.255")) == [True, True]
    assert ranges(("a", "198.51.100.1", "198.51.100.9"), ("b", "4.4.4.4", "4.4.4.4")) == [False, False]
    assert ranges(("a", "0.0.0.0", "0.0.0.0")) == [False]
    assert ranges(("a", None, "1.2.3.4")) == [None]
    assert ranges(("a", "9.9.9.9", "1.1.1.1")) == [None]
    assert ranges((None, "0.0.0.0", "255.255.255.255")) == [None]


def test_the_range_that_means_all_of_azure_is_told() -> None:
    rows = [{"name": "r", "server": "a", "start": start, "end": start} for start in ("0.0.0.0", "4.4.4.4")]
    assert [row.values["admits_azure"] for row in address_ranges(seen(*rows))] == [True, False]
