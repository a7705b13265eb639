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


def test_used_is_whether_there_ever_was_a_use_and_in_use_that_something_names_it() -> None:
    tables = reader.load().tables.values()
    used = {f"{table.id}.{name}" for table in tables for name, column in table.columns.items() if name.endswith("is_used") and not column.exists}
    assert not used, "a column is_used has exists: the moment of the last use; what is named by something else is_in_use"
    spelled = {f"{table.id}.{name}" for table in tables for name in table.columns if name in ("in_use", "used", "is_attached", "is_unattached")}
    assert not spelled


def test_where_a_load_balancer_stands_is_read_in_one_place() -> None:
    assert not [where for where, text in expressions() if DOOR_ANNOTATIONS in text]
