"""What the shape of a file cannot say: paths that are none, columns that could lie about silence, words that a provider does not know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from cnamm_scan import paths
from cnamm_scan.content.tables import ROW_COLUMNS, key_paths
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import UNSET, Call, Column, Table
from cnamm_scan.providers.catalog import KINDS as PROVIDERS
from cnamm_scan.providers.kind import Kind

if TYPE_CHECKING:
    from cnamm_scan.content.shapes import ViewFile

VARIABLES = frozenset({"$account", "$region", "$partition", "$target", "$now"})
"""What a path may name besides what the answer holds."""

Problem = tuple[str, str, tuple[str | int, ...]]
"""(what is wrong, what to do, where in the table)."""


def _path_problem(text: str, location: tuple[str | int, ...]) -> Iterator[Problem]:
    if text.startswith("$"):
        base = text.split("-", 1)[0]
        if base not in VARIABLES:
            yield f"no variable '{text}'", did_you_mean(text, VARIABLES), location
        return
    try:
        paths.parse(text)
    except ContentError as error:
        yield error.what, error.do, location


def _call_problems(call: Call, location: tuple[str | int, ...], *, is_list: bool) -> Iterator[Problem]:
    if (call.call is None) == (call.read is None):
        yield "needs either 'call' or 'read'", "name the operation", location
    if is_list and call.call and call.items is None:
        yield "a list needs 'items'", "name the path to the items, or '@' for the answer itself", location
    if not call.needs:
        yield "'needs' is missing", "name the right that the call needs, such as s3:ListAllMyBuckets", location
    for text in (*call.with_.values(), *call.many.values(), *(t for t in (call.items, call.in_region, call.target, call.by) if t)):
        yield from _path_problem(text, location)
    if call.many and (call.by is None or call.items is None or len(call.many) != 1):
        yield "'many' needs one parameter, 'items' and 'by'", "see docs/content.md", location
    if not is_list and (call.for_ or call.once_for or call.in_region or call.target or call.at_most or call.unless):
        yield "'for', 'once_for', 'in_region', 'target', 'at_most' and 'unless' belong to a list", "move them", location
    if call.left_out and not call.many:
        yield "'left_out' belongs to a part with 'many'", "remove it", location
    if call.gone_on and is_list and not call.for_:
        yield "'gone_on' says that what was listed has gone, and nothing was listed before", "use absent_on, or remove it", location
    if call.gone_on and call.many and call.size > 1:
        yield "'gone_on' of a call for many says of none of them that it has gone", "write size: 1, or remove it", location
    codes = ({each.partition(":")[0].strip() for each in said} for said in (call.absent_on, call.gone_on))
    for code in sorted(set.intersection(*codes)):
        yield f"'{code}' cannot mean both that it has none and that it has gone", "keep one of absent_on and gone_on", location
    if call.by and is_list:
        yield "'by' belongs to a part with 'many'", "remove it", location


_ABSENT_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "timestamp": (str,),
    "list": (list,),
    "json": (dict, list),
}


def with_needs(call: Call, client: str, kind: Kind | None) -> Call:
    """The call with the rights that its name tells, where its provider's rights follow from names."""
    return call if call.needs or kind is None or kind.needs is None else replace(call, needs=kind.needs(call, client))


def provider_problems(table: Table, kind: Kind | None) -> Iterator[Problem]:
    """What a table says that its provider does not know."""
    if kind is None:
        yield f"no provider '{table.provider}'", did_you_mean(table.provider, PROVIDERS), ()
        return
    for path, name in table.normalise.items():
        if name not in kind.normalisers:
            yield f"no form '{name}'", did_you_mean(name, kind.normalisers), ("normalise", path)
    if table.opt_in is not None and table.opt_in not in kind.opt_ins:
        yield f"no opt-in '{table.opt_in}'", did_you_mean(table.opt_in, kind.opt_ins), ("opt_in",)
    yield from _key_problems(table, kind)
    for location, call in ((("list",), table.list), *((("then", part), call) for part, call in table.then.items())):
        if call.read is not None and call.read not in kind.readers:
            yield f"no reader '{call.read}'", did_you_mean(call.read, kind.readers), location
        found = kind.call_problem(call, table.client) if kind.call_problem else None
        if found is not None:
            yield (*found, location)


def _key_problems(table: Table, kind: Kind) -> Iterator[Problem]:
    """Paths of a key that lead nowhere: every row would be told apart by nothing."""
    if not kind.fields or table.each or table.list.read:  # elements and what a reader makes have fields of their own
        return
    heads = {_head(column.path) for column in table.columns.values() if column.path}
    known = {*kind.fields, *heads, *table.then, "parent", paths.SELF} - {""}
    for text in key_paths(table.key):
        if _head(text) not in ("", *known):
            yield f"key: nothing says that there is a '{text}'", did_you_mean(_head(text), known), ("key",)


def _head(text: str) -> str:
    """The first step of a path; empty for a variable, and for what is no path."""
    try:
        return "" if text.startswith("$") else paths.parse(text).head
    except ContentError:
        return ""


def _column_problems(name: str, column: Column, columns: Mapping[str, Column]) -> Iterator[Problem]:
    location = ("columns", name)
    if name in ROW_COLUMNS:
        yield f"column '{name}' is on every row already", "rename or remove it", location
    if sum(given is not None for given in (column.from_, column.exists, column.is_)) != 1:
        yield f"column '{name}' needs one of 'from', 'exists' and 'is'", "see docs/content.md", location
        return
    if column.path:
        yield from _path_problem(column.path, location)
    if column.absent is not UNSET and column.from_ is None:
        yield f"column '{name}': 'absent' goes with 'from'", "remove it", location
    if column.renewed_by is not None and column.type != "timestamp":
        yield f"column '{name}': 'renewed_by' is for dates", "remove it", location
    elif column.renewed_by is not None and column.renewed_by not in columns:
        yield f"no column '{column.renewed_by}'", did_you_mean(column.renewed_by, columns), location
    if column.exists is not None and column.type != "boolean":
        yield f"column '{name}': 'exists' is boolean", "write type: boolean", location
    if column.absent is None:
        if not any(other.exists == column.from_ for other in columns.values()):
            yield (
                f"column '{name}': 'absent: null' would make silence look unseen",
                f"add a boolean column with exists: {column.from_}",
                location,
            )
    elif column.absent is not UNSET:
        allowed = _ABSENT_TYPES[column.type]
        is_bool = isinstance(column.absent, bool)
        if not isinstance(column.absent, allowed) or (is_bool and column.type != "boolean"):
            yield f"column '{name}': absent {column.absent!r} is no {column.type}", "give a value of the column's type", location


def _connection_problems(table: Table) -> Iterator[Problem]:
    """What is asked once for all targets of a connection: each item must say whose it is, and nothing can be asked by one of them."""
    is_wide = table.once_per == "connection"
    if is_wide and table.list.for_:
        yield "a listing for each item is asked for the item's own target", "write once_per: target", ("once_per",)
    elif is_wide and not table.list.target:
        yield "a listing for the whole connection needs 'target'", "name the path to whose an item is", ("list",)
    if table.list.target and not is_wide:
        yield "'target' goes with once_per: connection", "remove it", ("list", "target")
    for text in table.list.with_.values():
        if is_wide and text.startswith("$") and not text.startswith("$now"):
            yield f"a listing for the whole connection has no '{text}'", "leave it out", ("list", "with")


def _once_problems(table: Table) -> Iterator[Problem]:
    """What is asked once for several items may read of them what they have in common, and nothing else."""
    common = table.list.once_for
    if common is None:
        return
    if table.list.for_ is None or not common.startswith("parent."):
        yield "'once_for' names what items of another table have in common", "write for: TABLE and once_for: parent.PATH", ("list",)
    read = [*table.list.with_.values(), *key_paths(table.key), *(column.path or "" for column in table.columns.values())]
    read += [text for part in table.then.values() for text in part.with_.values()]
    for text in read:
        if text.split(".")[0] == "parent" and text != common:
            yield f"'{text}' is of one of the items that are asked about together", f"read {common}, or leave once_for out", ("list",)


def _as_of_problems(text: str) -> Iterator[Problem]:
    """What is wrong with the path to when a row was true: it leads to one moment of the row itself."""
    problems = list(_path_problem(text, ("as_of",)))
    yield from problems
    if not problems and (text.startswith("$") or paths.parse(text).is_many or text == paths.SELF):
        yield f"'{text}' is no moment of a row", "name the path to the one field that says when its source evaluated it", ("as_of",)


def table_problems(table: Table) -> Iterator[Problem]:
    """What is wrong with a table whatever its provider: calls, paths, columns."""
    yield from _call_problems(table.list, ("list",), is_list=True)
    yield from _connection_problems(table)
    yield from _once_problems(table)
    earlier: set[str] = set()
    for part, call in table.then.items():
        yield from _call_problems(call, ("then", part), is_list=False)
        for text in call.with_.values():
            head = text.split(".", 1)[0].split("[", 1)[0]
            if head in table.then and head not in earlier:
                yield f"part '{part}' uses '{head}', which comes after it", f"move '{head}' up", ("then", part)
        earlier.add(part)
    for name, column in table.columns.items():
        yield from _column_problems(name, column, table.columns)
    for text in (*table.normalise, *table.redact, *([table.each] if table.each else [])):
        yield from _path_problem(text, ())
    for text in key_paths(table.key):
        yield from _path_problem(text, ("key",))
    if table.as_of is not None:
        yield from _as_of_problems(table.as_of)
    if not table.about.strip():
        yield "'about' is empty", "say what a row is", ("about",)


def view_problems(view: ViewFile, kind: Kind | None) -> Iterator[Problem]:
    """What is wrong with how a view is made; which tables and columns there are is seen when all content is read."""
    if bool(view.select) == bool(view.made):
        yield "a view has either select: or made:", "write one of them", ()
    if view.made is None:
        if not view.columns:
            yield "the view has no columns", "declare what it selects besides target, region and key", ()
        return
    known = kind.makers if kind else {}
    if view.made.by not in known:
        yield f"no function '{view.made.by}'", did_you_mean(view.made.by, known), ("made", "by")
    if not view.made.over:
        yield "made: is over no table", "name under over: the tables whose every row gives rows", ("made",)
    for table in view.made.over:
        if table not in view.made.reads:
            yield f"over: {table} is not read", f"name its columns under reads: {table}", ("made", "over")
    if view.columns:
        yield "its columns come from the function", "leave out columns:", ("columns",)
