"""What means one thing everywhere is said once: content compares no network and no port number as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cnamm_scan import content as reader

NETWORK = re.compile(r"\d+\.\d+\.\d+\.\d+/\d|::/\d|['\"]/\[0")
_COMMON = "22|3389|3306|5432|6379|27017"
PORTS = re.compile(rf"'(?:{_COMMON}|23|445|1433|5601|9200|9092|11211|2375|10250)'|\b(?:{_COMMON}) BETWEEN\b")
DOOR_ANNOTATIONS = "aws-load-balancer-internal"


def expressions() -> Iterator[tuple[str, str]]:
    """(where it stands, text) of all that decides."""
    content = reader.load()
    for rule in content.rules.values():
        yield rule.id, f"{rule.pass_} {rule.where or ''}"
    for table in content.tables.values():
        yield from ((f"{table.id}.{name}", column.is_ or "") for name, column in table.columns.items())
    for view in content.views.values():
        yield view.id, view.select


def test_no_network_is_compared_as_text() -> None:
    found = [(where, match.group()) for where, text in expressions() if (match := NETWORK.search(text))]
    assert not found, "ask a view that weighs networks: see 'Open to the world' in docs/content.md"


def test_no_port_number_is_compared() -> None:
    found = [(where, match.group()) for where, text in expressions() if (match := PORTS.search(text))]
    assert not found, "ask a view by the name of a list of ports: see 'Open to the world' in docs/content.md"


def test_where_a_load_balancer_stands_is_read_in_one_place() -> None:
    assert not [where for where, text in expressions() if DOOR_ANNOTATIONS in text]


def test_no_low_rule_of_aws_stands_alone_for_an_objective_of_the_first_levels() -> None:
    content = reader.load()
    levels = {name: objective.level for name, objective in content.objectives.items()}
    severities: dict[str, list[str]] = {}
    for rule in content.rules.values():
        if rule.provider == "aws":
            severities.setdefault(rule.objective, []).append(rule.severity)
    assert [name for name, found in severities.items() if levels[name] <= 2 and found == ["low"]] == []
