"""The file that a new rule starts from: it lints and its tests pass, before a word of it is changed."""

from __future__ import annotations

import re

from cnamm_scan.content.tables import RULE_ID
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import Content, Table, View

_SAMPLES = {
    "boolean": ("{0}", "true", "false"),
    "text": ("{0} = 'wanted'", "wanted", "other"),
    "integer": ("{0} >= 1", "1", "0"),
    "number": ("{0} >= 1", "1", "0"),
    "list": ("list_contains({0}, 'wanted')", "[wanted]", "[other]"),
    "timestamp": ("{0} <= scan_time", "2025-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
}


def new_rule(content: Content, name: str) -> str:
    """The text of a rule file for a new id that lints and passes its tests. Raises UsageError for an id that fits no service."""
    parts = name.split(".")
    if len(parts) != 3 or not re.fullmatch(RULE_ID, name):
        raise UsageError(
            f"{name[:100]!r} is no rule id",
            do="write PROVIDER.SERVICE.NAME in small letters, digits and underscores, such as aws.s3.bucket_has_owner",
        )
    prefix = ".".join(parts[:2]) + "."
    every: list[Table | View] = [*content.tables.values(), *content.views.values()]
    tables = [table for table in every if table.id.startswith(prefix)]
    if not tables:
        services = {".".join(table.split(".")[:2]) for table in content.tables}
        raise UsageError(f"no fact table of '{prefix[:-1]}'", where=name, do=did_you_mean(prefix[:-1], services))
    table = max(tables, key=lambda table: _likeness(table.id.rsplit(".", 1)[-1], parts[2]))
    column, spec = next(
        (
            (own, column)
            for kind in ("boolean", "text", "integer", "list", "timestamp", "number")
            for own, column in table.columns.items()
            if column.type == kind
        ),
        (None, None),
    )
    if column is None or spec is None:
        raise UsageError(f"'{table.id}' has no column that a rule could judge", where=name, do="add a column to its collector")
    expression, good, bad = _SAMPLES[spec.type]
    objective = next(iter(sorted(content.objectives)), "function.objective")
    same = [rule.objective for rule in content.rules.values() if rule.for_each == table.id]
    return f"""\
id: {name}
title: Say here what is true when the rule passes
objective: {same[0] if same else objective}    # cnamm-scan content list --kind objectives
severity: medium                            # critical · high · medium · low
status: experimental                        # then stable
for_each: {table.id}    # cnamm-scan content show {table.id}
pass: {expression.format(column)}
message: "{{key}}: {column} is {{{column}}}"
why: Say in a sentence what goes wrong without it.
fix: Say in a sentence, or with a command, how to mend {{key}}.
references: [Name the vendor's page about it]
tests:
  pass: [{{{column}: {good}}}]
  fail: [{{{column}: {bad}}}]
  unknown: [{{{column}: null}}]
"""


def _likeness(table: str, rule: str) -> tuple[int, int]:
    return (len(table) if rule.startswith(table) else 0, -len(table))
