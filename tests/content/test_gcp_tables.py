"""A kind of thing is one table, and a question one rule, whoever asks it: many hands wrote the wing of Google Cloud."""

from __future__ import annotations

from collections import defaultdict

from cnamm_scan import content as reader

CONTENT = reader.load([])
BESIDE = {
    "gcp.accesscontextmanager.organization": "access policies are listed for it, and a listing is for a table of its own file",
    "gcp.cloudidentity.organization": "policies of its directory are listed for it",
    "gcp.directory.organization": "users of its directory are listed for it, by another API and where that is asked for",
    "gcp.storage.prevention": "what the project's policy says of its buckets, asked project by project",
}
"""Second tables of a kind, and why."""


def test_a_kind_of_thing_is_read_in_one_table() -> None:
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for table in CONTENT.tables.values():
        if table.provider == "gcp" and table.list.call and table.once_per == "connection" and table.each is None:
            client, colon, type_ = table.list.call.rpartition(":")
            found[client if colon else table.client, type_].append(table.id)
    kinds = {kind: sorted({*tables} - BESIDE.keys()) for kind, tables in found.items()}
    assert len(kinds) > 60
    assert {kind: tables for kind, tables in kinds.items() if len(tables) > 1} == {}
    assert BESIDE.keys() <= {table for tables in found.values() for table in tables}


def test_a_question_is_one_rule() -> None:
    """Two rules of one objective that judge the same rows by the same expression are one."""
    found: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for rule in CONTENT.rules.values():
        if rule.provider == "gcp":
            found[rule.objective, rule.for_each, " ".join(rule.pass_.split())].append(rule.id)
    for rules in found.values():
        assert len({CONTENT.rules[each].where for each in rules}) == len(rules), rules
    titles = defaultdict(list)
    for rule in CONTENT.rules.values():
        titles[rule.provider, rule.title].append(rule.id)
    assert {title: rules for title, rules in titles.items() if len(rules) > 1} == {}
