"""The file that a new rule starts from: its tests pass before a word of it is changed, and lint names the words that are to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from cnamm_scan.content.tables import RULE_ID
from cnamm_scan.errors import UsageError, did_you_mean
from cnamm_scan.model import UNSET, Column, Content, Rule, Table, View
from cnamm_scan.providers.catalog import KINDS

TITLE = "Say here what is true when the rule passes"
WHY = "Say in a sentence what goes wrong without it."
FIX = "Say in a sentence, or with a command, how to mend {key}."
REFERENCE = "Name the vendor's page about it"
_SAMPLES = {
    "boolean": ("{0}", "true", "false"),
    "text": ("{0} = 'wanted'", "wanted", "other"),
    "integer": ("{0} >= 1", "1", "0"),
    "number": ("{0} >= 1", "1", "0"),
    "list": ("list_contains({0}, 'wanted')", "[wanted]", "[other]"),
    "timestamp": ("{0} <= scan_time", "2025-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
}


def new_rule(content: Content, name: str) -> str:
    """The text of a rule file for a new id that passes its tests, and lints but for its placeholders.

    Raises UsageError for an id that fits no service.
    """
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
title: {TITLE}
objective: {same[0] if same else objective}    # cnamm-scan content list --kind objectives
severity: medium                            # critical · high · medium · low
status: experimental                        # then stable
for_each: {table.id}    # cnamm-scan content show {table.id}
pass: {expression.format(column)}
message: "{{key}}: {column} is {{{column}}}"
why: {WHY}
fix: {FIX}
references: [{REFERENCE}]
tests:
  pass: [{{{column}: {good}}}]
  fail: [{{{column}: {bad}}}]
  unknown: [{{{column}: null}}]
"""


ABOUT = "Say here what one row is."
OBJECTIVE = "Say here what an organisation wants to be true"


def new_table(content: Content, name: str) -> str:
    """The text of a collector file with a new table beside those of its service: the same listing, to be made another.

    Raises UsageError for an id that fits no service.
    """
    parts = name.split(".")
    prefix = ".".join(parts[:2]) + "."
    if len(parts) != 3 or not re.fullmatch(RULE_ID, name):
        raise UsageError(f"{name[:100]!r} is no table id", do="write PROVIDER.SERVICE.KIND in small letters, such as aws.sqs.dead_letter")
    fitting = [table for table in content.tables.values() if table.id.startswith(prefix) and table.list.call and not table.list.for_]
    fitting = [table for table in fitting if _own_columns(table) and not table.each and not table.then.keys() & set(table.key.split("{"))]
    if not fitting:
        services = {".".join(table.split(".")[:2]) for table in content.tables}
        do = "start from another service's, and change it" if prefix[:-1] in services else did_you_mean(prefix[:-1], services)
        raise UsageError(f"no table of '{prefix[:-1]}' to start from", where=name, do=do)
    table = fitting[0]
    call, kind = table.list, KINDS[parts[0]]
    follows = kind.needs is not None and kind.needs(call, table.client) == call.needs
    listing = {"call": call.call, "with": call.with_, "fixed": call.fixed, "items": call.items, "needs": not follows and list(call.needs)}
    listing |= {"target": call.target, "in_region": call.in_region}
    has_regions = kind.region_table is not None
    columns = "\n".join(
        f"      {own}: {{type: {column.type}, from: {json.dumps(column.from_)}}}" for own, column in list(_own_columns(table).items())[:2]
    )
    return f"""\
service: {table.service}
client: {table.client}
facts:
  {name}:
    about: {ABOUT}
    once_per: {table.once_per}    # {"account, region, target or connection" if has_regions else "target or connection"}
    list: {json.dumps({key: dict(value) if isinstance(value, Mapping) else value for key, value in listing.items() if value})}
    key: {json.dumps(table.key)}    # unique in its target{" and region" if has_regions else ""}
    columns:    # a column is NULL for one reason only: it was not seen; absent: says what the API's silence means
{columns}
"""


def _own_columns(table: Table) -> dict[str, Column]:
    """Columns that the listing alone fills, without a word about silence."""
    return {
        name: column
        for name, column in table.columns.items()
        if column.from_
        and column.absent is UNSET
        and not column.from_.startswith("$")
        and column.from_.split(".")[0] not in (*table.then, "parent")
    }


def new_objective(content: Content, name: str) -> tuple[str, str]:
    """(name of the file in a pack, text) of a new objective in a function that is there. Raises UsageError for one that is not."""
    wanted, dot, rest = name.partition(".")
    every = {function.id: (model, function) for model in content.models for function in model.functions}
    if not dot or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,99}", rest):
        raise UsageError(
            f"{name[:100]!r} is no objective id", do="write FUNCTION.NAME in small letters and dashes, such as identity.badges-expire"
        )
    if wanted not in every:
        raise UsageError(f"no function '{wanted}'", where=name, do=did_you_mean(wanted, every))
    model, function = every[wanted]
    practice = function.practices[0]
    others = ", ".join(each.id for each in function.practices[1:])
    text = f"""\
function: {function.id}
adds: true    # to the function that is there
title: {json.dumps(function.title, ensure_ascii=False)}
practices:
  - id: {practice.id}    # or: {others or "one of your own"}
    title: {json.dumps(practice.title, ensure_ascii=False)}
    objectives:
      - {{id: {name}, level: 2, stream: A, title: {OBJECTIVE}}}
"""
    return f"mappings/{model.id}/{function.id}.yaml", text


README = """\
# A content pack of cnamm-scan

    cnamm-scan content new rule aws.s3.bucket_has_owner --into .
    cnamm-scan content lint --content . && cnamm-scan content test aws.s3.bucket_has_owner --content .
    cnamm-scan scan aws --content .

`rules/` says what good is, `collectors/` what is read, `mappings/` what it means.
`.schemas/` tells an editor with a YAML language server what a file may hold;
`cnamm-scan content schema --into .schemas` makes it anew.
"""


def left_over(rule: Rule) -> list[str]:
    """The keys of a rule under which the words of its starting file still stand."""
    said = {
        "title": (rule.title, TITLE),
        "why": (rule.why, WHY),
        "fix": (" ".join(rule.fix.templates), FIX),
        "references": (" ".join(rule.references), REFERENCE),
    }
    return [name for name, (text, placeholder) in said.items() if placeholder in text]


def _likeness(table: str, rule: str) -> tuple[int, int]:
    return (len(table) if rule.startswith(table) else 0, -len(table))
