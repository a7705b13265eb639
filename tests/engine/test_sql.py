from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import pytest

from cnamm_scan.engine import parser
from cnamm_scan.engine.functions import ALLOWED_FUNCTIONS
from cnamm_scan.engine.lint import lint
from cnamm_scan.engine.lookups import Subquery
from cnamm_scan.engine.select import read_query, read_view
from cnamm_scan.engine.sql import quoted, read_column, read_expression
from cnamm_scan.errors import ContentError, UsageError
from cnamm_scan.model import Content
from tests.packs import ACCOUNT, BOX, LOCK, asked, collector, content, lab, rule, table

LOCKS = f"FROM {LOCK} t WHERE t.target = this.target"
LAB = content()


def _any(condition: str, source: str = LOCKS) -> str:
    return f"true = ANY (SELECT {condition} {source})"


REFUSED = {
    # what turns "not seen" into an answer
    f"EXISTS (SELECT 1 {LOCKS})": "EXISTS",
    f"NOT EXISTS (SELECT t.lock_id {LOCKS})": "EXISTS",
    f"(SELECT t.strong {LOCKS})": "scalar subquery",
    f"(SELECT count(*) {LOCKS}) > 1": "scalar subquery",
    f"(SELECT bool_or(t.strong) {LOCKS})": "scalar subquery",
    f"len(ARRAY(SELECT t.strong {LOCKS})) > 0": "scalar subquery",
    "count(name) > 0": "aggregate 'count'",
    "count(*) > 0": "aggregate 'count_star'",
    "max(size) > 3": "aggregate 'max'",
    "bool_or(sealed)": "aggregate 'bool_or'",
    "any_value(name) = 'x'": "aggregate 'any_value'",
    _any("bool_and(t.strong)"): "aggregate 'bool_and'",
    "coalesce(sealed, false)": "COALESCE",
    "COALESCE(state, name) = 'x'": "COALESCE",
    "ifnull(sealed, false)": "COALESCE",
    "nullif(state, 'On') = 'x'": "NULLIF",
    "state IS NULL": "IS NULL",
    "state IS NOT NULL": "IS NOT NULL",
    "sealed ISNULL": "IS NULL",
    "sealed IS UNKNOWN": "IS NULL",
    "sealed IS TRUE": "DISTINCT FROM",
    "sealed IS NOT FALSE": "DISTINCT FROM",
    "state IS DISTINCT FROM 'On'": "IS DISTINCT FROM",
    "state IS NOT DISTINCT FROM 'On'": "IS NOT DISTINCT FROM",
    "CASE WHEN sealed THEN true ELSE false END": "CASE",
    "CASE state WHEN 'On' THEN true END": "CASE",
    "if(sealed, true, false)": "if turns",
    "TRY_CAST(name AS INTEGER) = 1": "TRY_CAST",
    "TRY(size / 0) = 1": "TRY",
    "greatest(size, 3) > 2": "greatest",
    "least(size, 3) > 2": "least",
    "concat(name, 'x') = 'x'": "concat",
    "concat_ws('-', name) = 'x'": "concat",
    "[state] = ['On']": "hides NULL",
    "(state, name) = ('On', 'x')": "hides NULL",
    "state = 'On', sealed": "not one expression",
    "{'a': state} = {'a': 'On'}": "hides NULL",
    "list_contains([state], 'On')": "hides NULL",
    "len(string_split('a', state)) = 1": "answers where this was not seen",
    "len(split(name, lower(state))) = 1": "answers where this was not seen",
    "regexp_extract('a', 'a', size) = ''": "answers where this was not seen",
    "len(map_extract(CAST(doc AS MAP(VARCHAR, VARCHAR)), state)) = 0": "answers where this was not seen",
    "len(list_filter(['On'], lambda x: x = state)) > 0": "inside a lambda",
    "len(list_filter(tags, lambda x: x = coalesce(x, 'a'))) > 0": "COALESCE",
    # the same, hidden where a walker may not look
    "coalesce(doc, '{}') -> 'a' = '1'": "COALESCE",
    f"(SELECT t.lock_id {LOCKS}) -> 'a' = '1'": "scalar subquery",
    "lower(coalesce(state, '')) = 'on'": "COALESCE",
    "NOT (size BETWEEN 1 AND coalesce(size, 3))": "COALESCE",
    "state IN ('On', ifnull(name, 'x'))": "COALESCE",
    "CAST(coalesce(size, 1) AS BOOLEAN)": "COALESCE",
    "tags[coalesce(size, 1)] = 'x'": "COALESCE",
    f"coalesce(state, 'x') IN (SELECT t.lock_id {LOCKS})": "COALESCE",
    _any("coalesce(t.strong, false)"): "COALESCE",
    "name.coalesce('x') = 'x'": "COALESCE",
    "made_at.year() = 2025": "hides what it reads",
    "main.lower(name) = 'x'": "hides what it reads",
    # what a replay would answer differently
    "made_at < now()": "'now'",
    "made_at < main.now()": "'now'",
    "made_at < today()": "'today'",
    "made_at < current_date": "'current_date'",
    "made_at < CURRENT_TIMESTAMP": "'current_timestamp'",
    "made_at < localtimestamp": "'localtimestamp'",
    "made_at < get_current_timestamp()": "'get_current_timestamp'",
    "age(made_at) < INTERVAL 5 DAY": "'age'",
    "random() < 0.5": "'random'",
    "uuid() = 'x'": "'uuid'",
    _any("t.strong", f"FROM {LOCK} t TABLESAMPLE 10% WHERE t.target = this.target"): "TABLESAMPLE",
    _any("t.strong", f"{LOCKS} USING SAMPLE 10%"): "a sample",
    # what reaches outside
    "read_csv('/etc/passwd') = 'x'": "'read_csv'",
    "read_text('/etc/passwd') = 'x'": "'read_text'",
    "glob('/etc/*') = 'x'": "'glob'",
    "getenv('HOME') = 'x'": "'getenv'",
    "current_setting('home_directory') = 'x'": "'current_setting'",
    "getvariable('x') = 'x'": "'getvariable'",
    "nextval('x') = 1": "'nextval'",
    _any("t.strong", "FROM read_csv('/etc/passwd') t WHERE t.target = this.target"): "one fact table",
    _any("t.strong", "FROM '/etc/passwd' t WHERE t.target = this.target"): "no table '/etc/passwd'",
    _any("t.strong", "FROM duckdb_settings() t WHERE t.target = this.target"): "one fact table",
    _any("t.strong", "FROM information_schema.tables t WHERE t.target = this.target"): "no table",
    _any("t.strong", "FROM sqlite_master t WHERE t.target = this.target"): "no table",
    # what is not one expression
    "COPY aws.lab.box TO '/tmp/x'": "not valid SQL",
    "ATTACH '/tmp/x' AS x": "not valid SQL",
    "INSTALL httpfs": "not valid SQL",
    "PRAGMA version": "not valid SQL",
    "true; DROP TABLE aws.lab.box": "not valid SQL",
    "1) FROM aws.lab.box; DROP TABLE aws.lab.box; SELECT (1": "not one SELECT",
    "1); DROP TABLE aws.lab.box --": "not valid SQL",
    "1); SELECT (1": "not one expression",
    "true) FROM aws.lab.lock WHERE (true": "not one expression",
    "true) AS x, (false": "not one expression",
    "true), (false": "not one expression",
    "true) WHERE (false": "not one expression",
    "true) ORDER BY (1": "not one expression",
    "true) LIMIT (1": "not one expression",
    "true) UNION SELECT (false": "not one expression",
    "true /*": "not valid SQL",
    "true) -- ": "not valid SQL",
    "true) /*": "not valid SQL",
    "": "not one expression",
    "   ": "not one expression",
    "-- nothing": "not one expression",
    "state = ": "not valid SQL",
    "SELECT true": "scalar subquery",
    # what a rule has no use for
    "row_number() OVER () = 1": "window",
    "sum(size) OVER (PARTITION BY name) > 1": "window",
    "unnest(tags) = 'x'": "'unnest'",
    "*": "star",
    "COLUMNS(*) = 'x'": "star",
    "#1 = 'x'": "positional reference",
    "name COLLATE NOCASE = 'x'": "collate",
    "error('x')": "function 'error'",
    "state = ANY (['On'])": "one fact table",
    "state = ANY (VALUES ('On'))": "one fact table",
    f"state = ANY (SELECT t.lock_id {LOCKS} UNION SELECT t.lock_id {LOCKS})": "a set operation",
    f"state = ANY (SELECT t.lock_id {LOCKS} EXCEPT SELECT t.lock_id {LOCKS})": "a set operation",
    f"true = ANY (WITH q AS (SELECT * FROM {LOCK}) SELECT t.strong FROM q t WHERE t.target = this.target)": "WITH",
    _any("row_number() OVER () = 1"): "window",
    _any("t.strong", f"{LOCKS} GROUP BY ALL"): "GROUP BY",
    _any("t.strong", f"{LOCKS} GROUP BY t.strong"): "GROUP BY",
    _any("t.strong", f"{LOCKS} ORDER BY t.strong LIMIT 1"): "ORDER BY, LIMIT or DISTINCT",
    _any("DISTINCT t.strong"): "ORDER BY, LIMIT or DISTINCT",
    _any("t.strong", f"{LOCKS} QUALIFY true"): "QUALIFY",
    _any("t.strong", f"{LOCKS} HAVING true"): "HAVING",
    _any("*"): "star",
    f"true = ANY (FROM {LOCK} t WHERE t.target = this.target)": "star",
    _any("t.strong, t.lock_id"): "selects one value",
    f"(true, state) IN (SELECT t.strong, t.lock_id {LOCKS})": "selects one value",
    f"true = ANY (SELECT t.strong AND true = ANY (SELECT u.sealed FROM {BOX} u WHERE u.target = this.target) {LOCKS})": "inside a subquery",
    _any("t.strong", f"FROM {LOCK} t, {BOX} b WHERE t.target = this.target"): "one fact table",
    _any("t.strong", f"FROM {LOCK} t JOIN {BOX} b ON true WHERE t.target = this.target"): "one fact table",
    _any("t.strong", f"FROM (SELECT * FROM {LOCK}) t WHERE t.target = this.target"): "one fact table",
    _any("t.strong", f"FROM {LOCK} t(region, target) WHERE t.target = this.target"): "as it is",
    # a WHERE that would let an unread row vanish, or see other targets
    _any("true", f"{LOCKS} AND t.strong"): "only joins by equality",
    _any("true", f"{LOCKS} AND t.strong = true"): "only joins columns",
    _any("true", f"{LOCKS} AND t.lock_id <> this.lock_id"): "only joins by equality",
    _any("true", f"{LOCKS} AND lower(t.lock_id) = this.lock_id"): "only joins columns",
    _any("true", f"{LOCKS} AND t.lock_id = t.region"): "joins the inner table with this",
    _any("true", f"{LOCKS} AND this.lock_id = this.name"): "joins the inner table with this",
    _any("true", f"{LOCKS} OR true"): "only joins by equality",
    _any("true", f"FROM {LOCK} t"): "other targets",
    _any("true", f"FROM {LOCK} t WHERE t.region = this.region"): "other targets",
    _any("true", f"FROM {LOCK} t WHERE t.target = this.region"): "other targets",
    f"state IN (SELECT t.lock_id FROM {LOCK} t)": "other targets",
    # names
    "stat = 'On'": "no column 'stat'",
    "_ghost = 'x'": "no column '_ghost'",
    "this._gaps = 'x'": "no column '_gaps'",
    "rowid = 1": "no column 'rowid'",
    _any("t._shadow"): "no column '_shadow'",
    _any("t.weak"): "no column 'weak'",
    _any("t.strong", "FROM aws.lab.lok t WHERE t.target = this.target"): "no table 'aws.lab.lok'",
}


@pytest.mark.parametrize("expression", REFUSED)
def test_refused(expression: str) -> None:
    with pytest.raises(ContentError) as caught:
        read_expression(LAB, BOX, expression, where="rules/x.yaml (aws.lab.x) pass:")
    assert REFUSED[expression].lower() in f"{caught.value.what}; {caught.value.do}".lower()
    assert caught.value.where == "rules/x.yaml (aws.lab.x) pass:"
    assert caught.value.do


@pytest.mark.parametrize("key", ["pass", "where"])
def test_lint_names_rule_file_and_advice(key: str) -> None:
    made = asked("state = 'On'", where="true")
    made["tests"]["not_applicable"] = [{"state": "On"}]
    made[key] = f"EXISTS (SELECT 1 {LOCKS})"
    [problem] = lint(content(made))
    assert problem.what == "EXISTS turns 'not seen' into an answer"
    assert "rules/aws/lab/r.yaml" in problem.where
    assert "(aws.lab.r)" in problem.where
    assert f"{key}:" in problem.where
    assert problem.do == "write true = ANY (SELECT condition FROM …), which keeps NULL"


def test_lint_refuses_every_one_of_them() -> None:
    """The gate stands in the linter too, and one bad rule does not hide the next."""
    rules = [asked(expression, id=f"aws.lab.r{number}") for number, expression in enumerate(REFUSED)]
    seen = {problem.where.split("(")[1].split(")")[0] for problem in lint(content(*rules))}
    assert seen == {made["id"] for made in rules}


ACCEPTED = [
    "state = 'On'",
    "this.state = 'On'",
    "NOT sealed OR days_since(made_at, scan_time) > 90",
    "made_at < scan_time",
    "name NOT LIKE '%-scratch'",
    "state IN ('On', 'Off')",
    "size BETWEEN 1 AND 3",
    "list_contains(tags, 'owner')",
    "list_has_any(tags, ['a', 'b'])",
    "len(list_filter(tags, lambda tag: starts_with(tag, 'aws:'))) = 0",
    "doc ->> '$.a' = '1'",
    "CAST(doc -> 'n' AS INTEGER) = 1",
    "list_extract([sealed], CAST(is_on AS INTEGER))",
    "(state = 'On' -- why\n)",
    "state = 'On' -- a comment must not swallow what follows",
    "state = 'On' /* nor this */",
    "state = ') FROM x; DROP TABLE y --'",
    _any("t.strong"),
    _any("t.strong AND this.sealed"),
    _any("t.strong", f"{LOCKS} AND t.region = this.region"),
    _any("t.strong", f"{LOCKS} AND t.lock_id = this.lock_id"),
    f"true = ALL (SELECT t.strong {LOCKS})",
    f"lock_id = ANY (SELECT t.lock_id {LOCKS})",
    f"lock_id IN (SELECT t.lock_id {LOCKS})",
    f"lock_id NOT IN (SELECT t.lock_id {LOCKS})",
    f"NOT sealed OR {_any('t.strong')}",
]


@pytest.mark.parametrize("expression", ACCEPTED)
def test_accepted(expression: str) -> None:
    read_expression(LAB, BOX, expression, where="x")
    problems = lint(content(asked(expression)))
    assert all("across_regions" in problem.do for problem in problems)  # that it has to be said is held elsewhere
    assert not problems or lint(content(asked(expression, across_regions={LOCK: "A box is locked from anywhere."}))) == []


def test_reads_tell_the_columns_of_every_table() -> None:
    read = read_expression(LAB, BOX, f"size > 1 AND doc -> 'a' = '1' AND {_any('t.strong AND this.sealed')}", where="x")
    assert read.reads == {BOX: {"size", "doc", "sealed", "target"}, LOCK: {"strong", "target"}}


def test_unqualified_names_in_a_subquery_are_the_inner_table_first() -> None:
    read = read_expression(LAB, BOX, f"true = ANY (SELECT strong AND size > 1 FROM {LOCK} WHERE target = this.target)", where="x")
    assert read.reads == {BOX: {"size", "target"}, LOCK: {"strong", "target"}}


def test_subqueries_tell_their_joins() -> None:
    text = f"{_any('t.strong')} OR {_any('t.strong', f'{LOCKS} AND this.region = t.region AND t.lock_id = this.name')}"
    first, second = read_expression(LAB, BOX, text, where="x").subqueries
    assert first == Subquery(LOCK, by_region=False, joins=())
    assert (second.by_region, second.joins) == (True, (("lock_id", "name"),))


def test_estate_may_see_other_targets() -> None:
    text = _any("t.strong", f"FROM {LOCK} t")
    assert read_expression(LAB, "estate.target", text, where="x", estate=True).subqueries[0].table == LOCK


def test_parameters_are_found() -> None:
    assert read_expression(LAB, BOX, "size > $low AND size < $high", where="x").parameters == {"low", "high"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (_any("t.strong"), "its own row only"),
        ("size > $least", "no parameters"),
        ("coalesce(state, '') = 'On'", "COALESCE"),
        ("made_at < now()", "'now'"),
        ("colour = 'red'", "no column 'colour'"),
        ("true) AS x, (false", "not one expression"),
    ],
)
def test_a_derived_column_has_the_restrictions_of_a_rule(text: str, what: str) -> None:
    with pytest.raises(ContentError) as caught:
        read_column(LAB, BOX, text, where="x")
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("name", "call"),
    [
        (name, call)
        for name, calls in {
            "~~": ("s ~~ 'a'", "'a' ~~ s"),
            "lower": ("lower(s)",),
            "trim": ("trim(s)", "trim('a', s)"),
            "length": ("length(s)",),
            "substring": ("substring(s, 1)", "substring('a', i)"),
            "replace": ("replace(s, 'a', 'b')", "replace('a', s, 'b')", "replace('a', 'b', s)"),
            "split_part": ("split_part(s, 'a', 1)", "split_part('a', s, 1)", "split_part('a', 'a', i)"),
            "split": ("split(s, 'a')",),
            "starts_with": ("starts_with(s, 'a')", "starts_with('a', s)"),
            "contains": ("contains(s, 'a')", "contains('a', s)"),
            "instr": ("instr(s, 'a')", "instr('a', s)"),
            "regexp_matches": ("regexp_matches(s, 'a')", "regexp_matches('a', s)"),
            "regexp_extract": ("regexp_extract(s, 'a')", "regexp_extract('a', s)"),
            "regexp_replace": ("regexp_replace(s, 'a', 'b')", "regexp_replace('a', s, 'b')"),
            "||": ("s || 'a'", "l || ['a']", "['a'] || l"),
            "+": ("i + 1", "1 - i", "i * 2", "i // 2", "i % 2", "i ** 2"),
            "round": ("round(d)", "abs(i)", "floor(d)", "sign(d)", "mod(i, 2)"),
            "date_diff": ("date_diff('day', ts, TIMESTAMP '2020-01-01')", "date_diff('day', TIMESTAMP '2020-01-01', ts)"),
            "date_trunc": ("date_trunc('day', ts)", "date_part('day', ts)", "epoch(ts)", "year(ts)", "strftime(ts, '%Y')"),
            "to_days": ("to_days(i)", "make_timestamp(i)", "strptime(s, '%Y')"),
            "len": ("len(l)", "cardinality(m)", "array_length(l)"),
            "list_contains": ("list_contains(l, 'a')", "list_contains(['a'], s)"),
            "list_has_any": ("list_has_any(l, ['a'])", "list_has_any(['a'], l)", "l && ['a']"),
            "list_has_all": ("list_has_all(l, ['a'])", "list_has_all(['a'], l)", "l @> ['a']", "['a'] <@ l"),
            "list_filter": ("list_filter(l, lambda x: true)", "list_transform(l, lambda x: 1)", "list_apply(l, lambda x: 1)"),
            "list_extract": ("list_extract(l, 1)", "list_extract(['a'], i)", "list_extract([s], 1)", "l[1]"),
            "list_distinct": ("list_distinct(l)", "list_sort(l)", "list_unique(l)", "list_slice(l, 1, 2)", "list_position(l, 'a')"),
            "flatten": ("flatten(CAST(NULL AS VARCHAR[][]))", "range(i)"),
            "map_keys": ("map_keys(m)", "map_values(m)", "map_extract(m, 'a')"),
            "->": ("j -> 'a'", "j ->> 'a'", "'{}' -> s"),
            "json_extract": ("json_extract(j, '$.a')", "json_extract_string(j, '$.a')", "json_array_length(j)", "json_keys(j)"),
            "json_type": ("json_type(j)", "json_contains(j, '1')", "json_exists(j, '$.a')", "json_valid(j)"),
        }.items()
        for call in calls
    ],
)
def test_allowed_functions_give_null_for_null(name: str, call: str) -> None:
    assert name in ALLOWED_FUNCTIONS
    raw = duckdb.connect()
    raw.execute("CREATE TABLE t (s VARCHAR, i BIGINT, d DOUBLE, ts TIMESTAMP, l VARCHAR[], j JSON, m MAP(VARCHAR, VARCHAR))")
    raw.execute("INSERT INTO t (s) VALUES (NULL)")
    assert raw.execute(f"SELECT ({call}) FROM t").fetchall() == [(None,)]


# ---- views -------------------------------------------------------------------------------------------------------------


def _with_view(select: str) -> Content:
    view = {"about": "One row for each.", "columns": {"n": {"type": "integer"}}, "select": select}
    return content(collector=collector(lab()["facts"], {"aws.lab.pile": view}))


@pytest.mark.parametrize(
    ("select", "what"),
    [
        (f"SELECT target, region, key, 1 AS n FROM {BOX} WHERE made_at < now()", "'now' is not allowed"),
        (f"SELECT target, region, key, 1 AS n FROM {BOX} WHERE made_at < current_date", "'current_date' gives another answer"),
        (f"SELECT target, region, key, random() AS n FROM {BOX}", "'random' is not allowed"),
        ("SELECT * FROM read_csv('/etc/passwd')", "a table function"),
        ("SELECT * FROM '/etc/passwd'", "no table '/etc/passwd'"),
        ("SELECT * FROM read_text('/etc/passwd')", "a table function"),
        (f"SELECT target, region, key, getenv('HOME') AS n FROM {BOX}", "'getenv' is not allowed"),
        (f"SELECT 1 FROM {BOX}; SELECT 2", "more than one statement"),
        (f"DROP TABLE {BOX}", "not one SELECT"),
        ("COPY aws.lab.box TO '/tmp/x'", "not one SELECT"),
        (f"SELECT target, region, key, name.getenv() AS n FROM {BOX}", "'getenv' is not allowed"),
        ("SELECT target, region, key, 1 AS n FROM aws.lab.bix", "no table 'aws.lab.bix'"),
    ],
)
def test_a_view_is_one_select_over_fact_tables(select: str, what: str) -> None:
    made = _with_view(select)
    with pytest.raises(ContentError) as caught:
        read_view(made, "aws.lab.pile")
    assert what in caught.value.what
    assert "aws.lab.pile" in caught.value.where
    assert caught.value.do
    assert [problem.what for problem in lint(made)] == [caught.value.what]


def test_a_view_may_count_and_answer_for_null() -> None:
    made = _with_view(
        f"WITH q AS (SELECT * FROM {LOCK}) SELECT b.target, b.region, b.key,"
        " CASE WHEN bool_or(l.strong IS NULL) THEN NULL ELSE count(l.key) END AS n"
        f" FROM {BOX} b LEFT JOIN q l ON l.lock_id = b.lock_id AND l.region = b.region GROUP BY ALL"
    )
    assert read_view(made, "aws.lab.pile").tables == {BOX, LOCK}
    assert lint(made) == []


def test_a_view_must_select_its_columns() -> None:
    [problem] = lint(_with_view(f"SELECT target, region, key FROM {BOX}"))
    assert problem.what == "the view does not select 'n'"


def test_a_view_tells_the_columns_it_may_read() -> None:
    made = _with_view(f"SELECT target, region, key, size AS n FROM {BOX}")
    assert read_view(made, "aws.lab.pile").columns == {BOX: {"target", "region", "key", "size"}}
    everything = _with_view(f"SELECT *, size AS n FROM {BOX}")
    assert read_view(everything, "aws.lab.pile").columns[BOX] >= {"name", "sealed"}


# ---- what was learned about DuckDB 2.0 -----------------------------------------------------------------------------------


@pytest.fixture
def raw() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (v BOOLEAN)")
        yield connection


def _ask(raw: duckdb.DuckDBPyConnection, sql: str) -> object:
    return raw.execute(sql).fetchall()[0][0]


def test_exists_and_aggregates_swallow_null(raw: duckdb.DuckDBPyConnection) -> None:
    raw.execute("INSERT INTO t VALUES (NULL)")
    assert _ask(raw, "SELECT EXISTS (SELECT 1 FROM t WHERE v)") is False
    raw.execute("INSERT INTO t VALUES (false)")
    assert _ask(raw, "SELECT bool_or(v) FROM t") is False
    assert _ask(raw, "SELECT count(v) FROM t") == 1
    assert _ask(raw, "SELECT true = ANY (SELECT v FROM t)") is None
    for faked in (f"EXISTS (SELECT 1 {LOCKS})", f"(SELECT bool_or(t.strong) {LOCKS})", f"(SELECT count(t.strong) {LOCKS}) > 0"):
        with pytest.raises(ContentError, match="turns 'not seen' into an answer"):
            read_expression(LAB, BOX, faked, where="x")


def test_over_an_empty_table_any_is_false_and_all_is_true(raw: duckdb.DuckDBPyConnection) -> None:
    assert _ask(raw, "SELECT true = ANY (SELECT v FROM t)") is False
    assert _ask(raw, "SELECT true = ALL (SELECT v FROM t)") is True


def test_a_ghost_keeps_any_and_all_exact(raw: duckdb.DuckDBPyConnection) -> None:
    raw.execute("INSERT INTO t VALUES (NULL)")
    assert _ask(raw, "SELECT true = ANY (SELECT v FROM t)") is None
    assert _ask(raw, "SELECT true = ALL (SELECT v FROM t)") is None
    raw.execute("INSERT INTO t VALUES (true)")
    assert _ask(raw, "SELECT true = ANY (SELECT v FROM t)") is True
    assert _ask(raw, "SELECT true = ALL (SELECT v FROM t)") is None
    raw.execute("INSERT INTO t VALUES (false)")
    assert _ask(raw, "SELECT true = ALL (SELECT v FROM t)") is False


def test_serialising_parses_without_running(raw: duckdb.DuckDBPyConnection) -> None:
    parsed = json.loads(str(_ask(raw, "SELECT json_serialize_sql('SELECT error(''ran'') FROM no_such_table, read_csv(''/etc/passwd'')')")))
    assert parsed["error"] is False
    assert len(parsed["statements"]) == 1


@pytest.mark.parametrize("statement", ["DROP TABLE t", "COPY t TO '/tmp/x'", "ATTACH ':memory:' AS x", "PRAGMA version", "SET threads = 1"])
def test_serialising_shows_what_is_no_select(raw: duckdb.DuckDBPyConnection, statement: str) -> None:
    parsed = json.loads(str(raw.execute("SELECT json_serialize_sql(?)", [statement]).fetchall()[0][0]))
    assert parsed["error"] is True
    with pytest.raises(UsageError):
        read_query(LAB, statement)


def test_three_part_names_work(raw: duckdb.DuckDBPyConnection) -> None:
    raw.execute(
        "ATTACH ':memory:' AS aws; CREATE SCHEMA aws.s3; CREATE TABLE aws.s3.bucket (n INTEGER); INSERT INTO aws.s3.bucket VALUES (1)"
    )
    assert _ask(raw, "SELECT aws.s3.bucket.n FROM aws.s3.bucket") == 1


def test_quoted() -> None:
    assert quoted("aws.s3.bucket") == '"aws"."s3"."bucket"'
    assert quoted('a"b') == '"a""b"'


def test_a_rule_without_a_table_of_its_own_still_reads() -> None:
    made = content(rule("region_on", for_each="aws.account.region", **{"pass": "state = 'enabled'", "message": "{name}", "fix": "x"}))
    assert lint(made) == []
    assert columns(made, ACCOUNT) >= {"alias", "target", "region", "key", "scan_time"}


def columns(made: Content, name: str) -> set[str]:
    from cnamm_scan.content import columns_of

    return set(columns_of(made, name))


def test_a_json_path_through_a_list_is_a_list_or_json() -> None:
    bad = collector({BOX: table({"tag": {"type": "text", "from": "Tags[].Key"}})})
    [problem] = lint(content(collector=bad))
    assert "gives many values" in problem.what


@pytest.mark.parametrize(
    "sql", ["SELECT group FROM x", "SELECT 'ü', a, group FROM x", "SELECT a FROM x WHERE table = 1", "SELECT order, a FROM x"]
)
def test_a_column_named_as_a_word_of_sql_is_told_to_be_quoted(sql: str) -> None:
    with pytest.raises(ContentError, match="is a word of SQL itself") as raised:
        parser.statements(sql, where="query", do="?")
    assert (raised.value.do or "").startswith("write it in double quotes: ")


@pytest.mark.parametrize("sql", ["SELECT FROM x", "SELECT a FRM x y z", "SELECT (a FROM x", "SELECT ü FRM x y z"])
def test_other_slips_are_told_as_the_parser_says_them(sql: str) -> None:
    with pytest.raises(ContentError) as raised:
        parser.statements(sql, where="query", do="?")
    assert "word of SQL" not in str(raised.value)
