"""What a view and a query may say: one gate, the same at lint as at run, and no table that is read without being told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pytest

from cnamm_scan.engine import ages, functions
from cnamm_scan.engine.lint import lint
from cnamm_scan.engine.parser import MAX_NESTING, MAX_TEXT
from cnamm_scan.engine.select import ViewSource, read_query, read_view
from cnamm_scan.engine.sql import read_column, read_expression
from cnamm_scan.errors import ContentError, UsageError
from cnamm_scan.model import Content
from tests.engine.hostile import COLUMNS, Writer
from tests.packs import BOX, LOCK, NOW, A, B, collector, content, fact, filled, ghost, lab, rule, verdicts

LAB = content()
TESTS = {"pass": [{"n": "x"}], "fail": [{"n": "y"}], "unknown": [{"n": None}]}


def viewing(select: str, columns: Mapping[str, str] | None = None) -> Content:
    """The lab with one view of this SELECT."""
    named = {name: {"type": kind} for name, kind in (columns or {"n": "text"}).items()}
    view = {"about": "One row for each.", "columns": named, "select": select}
    keys: dict[str, Any] = {"pass": "n = 'x'", "message": "{key}", "fix": "mend it", "tests": TESTS}
    made = rule(for_each="aws.lab.pile", **keys)
    return content(made, collector=collector(lab()["facts"], {"aws.lab.pile": view}))


ROWS = f"SELECT target, region, key, name AS n FROM {BOX}"
REFUSED_IN_BOTH = {
    # more than reading
    "WITH g AS (COPY (SELECT 'x' AS x) TO '/tmp/never') SELECT * FROM g": "COPY",
    f"WITH g AS (UPDATE {BOX} SET state = 'On' RETURNING name) SELECT * FROM g": "UPDATE",
    f"WITH g AS (DELETE FROM {BOX} RETURNING name) SELECT * FROM g": "DELETE",
    f"WITH g AS (INSERT INTO {LOCK} (lock_id) VALUES ('x') RETURNING lock_id) SELECT * FROM g": "INSERT",
    f"SELECT * FROM (WITH g AS (DELETE FROM {BOX} RETURNING name) SELECT * FROM g)": "DELETE",
    f"SELECT (WITH g AS (DELETE FROM {BOX} RETURNING name) SELECT max(name) FROM g) FROM {BOX}": "DELETE",
    f"CREATE TABLE x AS FROM {BOX}": "not one SELECT",
    f"EXPLAIN ANALYZE FROM {BOX}": "not one SELECT",
    f"PIVOT {BOX} ON state USING count(*)": "not one SELECT",
    f"FROM {BOX}; FROM {LOCK}": "more than one statement",
    "": "no statement",
    "-- nothing": "no statement",
    # names that stand for something else
    f'WITH "{BOX}" AS (SELECT 1 AS x) SELECT x FROM "{BOX}"': "could be taken for a table or a file",
    f'SELECT b.name FROM {BOX} b, (WITH "{BOX}" AS (SELECT 1 AS x) SELECT x FROM "{BOX}") z': "could be taken for a table",
    'WITH "/etc/hostname" AS (SELECT 1) SELECT * FROM "/etc/hostname"': "could be taken for a table or a file",
    'WITH "https://example.org/x.csv" AS (SELECT 1) SELECT * FROM "https://example.org/x.csv"': "could be taken",
    f"SELECT z.x FROM {BOX}, (WITH x AS (SELECT 1) SELECT 1 AS x) z, x": "no table 'x'",
    f'SELECT * FROM "{BOX}"': "no table",
    f"SELECT * FROM '{BOX}'": "no table",
    "SELECT * FROM box": "no table 'box'",
    "SELECT * FROM lab.box": "no table 'lab.box'",
    "SELECT * FROM main.box": "no table 'main.box'",
    "SELECT * FROM dark_0": "no table 'dark_0'",
    "WITH r AS (SELECT 1 AS n) SELECT * FROM recurring.r": "no table 'recurring.r'",
    f"WITH a AS (SELECT * FROM b), b AS (SELECT * FROM {BOX}) SELECT * FROM a": "no table 'b'",
    # what reaches outside
    "SELECT * FROM '/etc/hostname'": "no table '/etc/hostname'",
    "SELECT * FROM 'https://example.org/x.csv'": "no table",
    "SELECT * FROM read_csv('/etc/hostname')": "a table function",
    "SELECT * FROM read_text('/etc/hostname')": "a table function",
    "SELECT * FROM sniff_csv('/etc/hostname')": "a table function",
    "SELECT * FROM glob('/etc/*')": "a table function",
    f"SELECT * FROM query('FROM {BOX}')": "a table function",
    f"SELECT * FROM query_table('{BOX}')": "a table function",
    f"SELECT * FROM histogram('{BOX}', 'size')": "a table function",
    "SELECT * FROM duckdb_settings()": "a table function",
    "SELECT * FROM pragma_version()": "a table function",
    "SELECT * FROM information_schema.tables": "no table",
    f"SELECT getenv('HOME') FROM {BOX}": "'getenv'",
    f"SELECT current_setting('home_directory') FROM {BOX}": "'current_setting'",
    f"SELECT json_serialize_plan('SELECT 1') FROM {BOX}": "'json_serialize_plan'",
    f"SELECT main.lower(name) FROM {BOX}": "hides what it reads",
    f"SELECT name.lower() FROM {BOX}": "hides what it reads",
    f"SELECT name.getenv() FROM {BOX}": "'getenv'",
    f"SELECT getenv(name) OVER () FROM {BOX}": "'getenv'",
    "SHOW TABLES": "not allowed",
    # what is another answer tomorrow
    f"SELECT now() FROM {BOX}": "'now'",
    f"SELECT today() FROM {BOX}": "'today'",
    f"SELECT current_date FROM {BOX}": "'current_date'",
    f"SELECT localtimestamp FROM {BOX}": "'localtimestamp'",
    f"SELECT age(made_at) FROM {BOX}": "'age'",
    f"SELECT random() FROM {BOX}": "'random'",
    f"SELECT uuid() FROM {BOX}": "'uuid'",
    f"SELECT * FROM {BOX} TABLESAMPLE 10%": "another one each time",
    f"SELECT * FROM {BOX} USING SAMPLE 10%": "another one each time",
    f"SELECT * FROM {BOX} AT (VERSION => 1)": "AT is not allowed",
    # what nothing can stop
    f"SELECT rpad(name, 2000000000, 'x') FROM {BOX}": "'rpad' of a number that may be large",
    f"SELECT lpad(name, size * 1000000, 'x') FROM {BOX}": "'lpad' of a number",
    f"SELECT len(range(1000000000)) FROM {BOX}": "'range' of a number",
    f"SELECT len(range(size)) FROM {BOX}": "'range' of a number",
    f"SELECT len(range(1, len(tags) * 100000)) FROM {BOX}": "'range' of a number",
    f"SELECT name FROM {BOX}, range(1000000000)": "'range' of a number",
    f"SELECT name FROM {BOX} WHERE name = $1": "no parameters",
    f"SELECT list_filter(tags, lambda a: len(list_filter(tags, lambda b: len(list_filter(tags, lambda c: len(list_filter(tags,"
    f" lambda d: true)) > 0)) > 0)) > 0) FROM {BOX}": "lambdas nested",
    f"SELECT {'NOT ' * 900}true FROM {BOX}": "nested more than",
    f"SELECT {'(' * 9_000}1{')' * 9_000} FROM {BOX}": "nested more than",
    f"SELECT name FROM {BOX}{f', {BOX}' * 1000}": "nested more than",
    f"SELECT {' + '.join(['size'] * 300)} FROM {BOX}": "nested more than",
    f"{'WITH a AS (' * 120}SELECT 1{') SELECT 1' * 120} FROM {BOX}": "nested more than",
    f"SELECT name FROM {BOX} WHERE {' OR '.join(['sealed'] * 5000)}": "characters",
    f"SELECT name FROM {'(' * 5000}{BOX}{')' * 5000}": "nested more than",
    f"SELECT 'a\ud800' FROM {BOX}": "half a character",
    f"SELECT 'a\0' FROM {BOX}": "NUL",
}
REFUSED_IN_VIEWS = {
    f"{ROWS} LIMIT 1": "LIMIT keeps other rows",
    f"SELECT DISTINCT ON (target) target, region, key, name AS n FROM {BOX}": "DISTINCT ON keeps other rows",
    f"SELECT target, region, key, any_value(name) AS n FROM {BOX} GROUP BY ALL": "'any_value'",
    f"SELECT target, region, key, list(name) AS n FROM {BOX} GROUP BY ALL": "'list'",
    f"SELECT target, region, key, row_number() OVER () AS n FROM {BOX}": "'row_number'",
    f"SELECT target, region, key, first_value(name) OVER () AS n FROM {BOX}": "'first_value'",
    f"SELECT target, region, key, sum(size) OVER (ORDER BY name ROWS UNBOUNDED PRECEDING) AS n FROM {BOX}": "ROWS depends on",
    f"SELECT * FROM {BOX} POSITIONAL JOIN {LOCK}": "positional join",
    f"SUMMARIZE {BOX}": "SUMMARIZE is not allowed",
    f"SELECT * FROM (DESCRIBE {BOX})": "DESCRIBE, SHOW or SUMMARIZE is not allowed",
    f"SELECT * FROM {BOX} UNPIVOT (n FOR x IN (name, state))": "PIVOT is not allowed",
    f"SELECT target, region, key, name COLLATE NOCASE AS n FROM {BOX}": "collate is not allowed",
    "SELECT 'aws:1' AS target, 'r1' AS region, 'k' AS key, 'x' AS n": "reads no table",
}


@pytest.mark.parametrize("select", [*REFUSED_IN_BOTH, *REFUSED_IN_VIEWS])
def test_a_view_is_refused(select: str) -> None:
    wanted = (REFUSED_IN_BOTH | REFUSED_IN_VIEWS)[select]
    view = content(
        collector=collector(lab()["facts"], {"aws.lab.pile": {"about": "x.", "columns": {"n": {"type": "text"}}, "select": "S"}})
    )
    made = _with_select(view, select)
    with pytest.raises(ContentError) as caught:
        read_view(made, "aws.lab.pile")
    assert wanted.lower() in caught.value.what.lower()
    assert "aws.lab.pile" in caught.value.where
    assert caught.value.do
    assert [problem.what for problem in lint(made)] == [caught.value.what]


def _with_select(made: Content, select: str) -> Content:
    """Past YAML, which has bounds of its own."""
    from dataclasses import replace

    views = {name: replace(view, select=select) for name, view in made.views.items()}
    return replace(made, views=views)


@pytest.mark.parametrize("select", REFUSED_IN_BOTH)
def test_a_query_is_refused(select: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_query(LAB, select)
    assert REFUSED_IN_BOTH[select].lower() in caught.value.what.lower()
    assert caught.value.where == "query"
    assert caught.value.do
    assert "root:" not in str(caught.value)


ALLOWED_IN_BOTH = {
    f"SELECT target, region, key, name AS n FROM {BOX}": {BOX},
    f"FROM {BOX} SELECT target, region, key, name AS n": {BOX},
    f"WITH x AS (SELECT * FROM {LOCK}) SELECT b.target, b.region, b.key, x.lock_id AS n FROM {BOX} b JOIN x USING (target, region)": {
        BOX,
        LOCK,
    },
    f"WITH box AS (SELECT * FROM {LOCK}) SELECT b.target, b.region, b.key, b.lock_id AS n FROM box b": {LOCK},
    f"WITH x AS (SELECT 1 AS y), z AS (SELECT * FROM x) SELECT b.target, b.region, b.key, 'a' AS n FROM {BOX} b, z": {BOX},
    f"SELECT target, region, key, n FROM (WITH x AS (FROM {BOX} SELECT *, name AS n) SELECT * FROM x)": {BOX},
    f"WITH RECURSIVE r AS (SELECT target, region, key, 1 AS i, name AS n FROM {BOX} UNION ALL"
    f" SELECT target, region, key, i + 1, n FROM r WHERE i < 3) SELECT target, region, key, n FROM r": {BOX},
    'SELECT "target", region, key, name AS n FROM "aws"."lab"."box"': {BOX},
    "SELECT target, region, key, name AS n FROM AWS.Lab.BOX": {BOX},
    f"SELECT target, region, key, name AS n FROM {BOX} b WHERE EXISTS (FROM {LOCK} l WHERE l.target = b.target)": {BOX, LOCK},
    f"SELECT b.target, b.region, b.key, z.y AS n FROM {BOX} b, LATERAL (SELECT b.name || 'x' AS y) z": {BOX},
    f"SELECT target, region, key, unnest(tags) AS n FROM {BOX}": {BOX},
    f"SELECT b.target, b.region, b.key, tags[i] AS n FROM {BOX} b, range(1, 9) t(i)": {BOX},
    f"SELECT target, region, key, lpad(name, 9, '0') AS n FROM {BOX} WHERE len(range(1, len(tags) + 1)) > 0": {BOX},
    f"SELECT target, region, key, CAST(count(*) OVER (PARTITION BY target) AS VARCHAR) AS n FROM {BOX}": {BOX},
    f"SELECT target, region, key, name AS n FROM {BOX} UNION SELECT target, region, key, lock_id FROM {LOCK}": {BOX, LOCK},
    f"(SELECT target, region, key, name AS n FROM {BOX}) -- why": {BOX},
}
ALLOWED_IN_QUERIES = {
    f"DESCRIBE {BOX}": {BOX},
    f"SUMMARIZE {BOX}": {BOX},
    f"TABLE {BOX}": {BOX},
    f"SELECT list(name ORDER BY name), row_number() OVER () FROM {BOX} GROUP BY ALL LIMIT 3": {BOX},
    f"SELECT name FROM {BOX} QUALIFY row_number() OVER (PARTITION BY state ORDER BY size) = 1": {BOX},
    f"FROM {BOX} POSITIONAL JOIN {LOCK}": {BOX, LOCK},
    f"FROM (SELECT state, size FROM {BOX}) PIVOT (sum(size) FOR state IN ('On', 'Off'))": {BOX},
    f"SELECT _ghost, _gaps FROM {BOX}": {BOX},
    f"SELECT name COLLATE NOCASE FROM {BOX} ORDER BY 1": {BOX},
    "SELECT 1": set(),
    "VALUES (1, 2)": set(),
    f"SELECT COLUMNS('s.*') FROM {BOX}": {BOX},
    f"SELECT ARRAY(SELECT lock_id FROM {LOCK})": {LOCK},
}


@pytest.mark.parametrize("select", ALLOWED_IN_BOTH)
def test_a_view_reads_these_tables_and_no_other(select: str) -> None:
    made = viewing(select)
    assert read_view(made, "aws.lab.pile").tables == ALLOWED_IN_BOTH[select]
    assert lint(made) == []


@pytest.mark.parametrize("select", [*ALLOWED_IN_BOTH, *ALLOWED_IN_QUERIES])
def test_a_query_reads_these_tables_and_runs(select: str) -> None:
    assert read_query(LAB, select).tables == (ALLOWED_IN_BOTH | ALLOWED_IN_QUERIES)[select]
    from cnamm_scan.engine.store import Store

    with Store(LAB, LAB.tables, scan_time=NOW) as store:
        names, rows = store.table(select)
        assert names
        list(rows)


def test_texts_up_to_the_bounds_are_read() -> None:
    assert read_query(LAB, f"SELECT {'(' * (MAX_NESTING - 5)}1{')' * (MAX_NESTING - 5)} FROM {BOX}").tables == {BOX}
    text = f"SELECT name FROM {BOX} WHERE name = '"
    assert read_query(LAB, text + "x" * (MAX_TEXT - len(text) - 1) + "'").tables == {BOX}


@pytest.mark.parametrize(
    "expression",
    [
        f"{'NOT ' * 900}sealed",
        f"{'(' * 10_000}sealed{')' * 10_000}",
        "- " * 3000 + "size > 1",
        f"{'CASE WHEN sealed THEN ' * 300}true{' END' * 300}",
        " OR ".join(["sealed"] * 5000),
        "state" + "::VARCHAR" * 2000 + " = 'On'",
    ],
)
def test_a_deep_or_long_expression_is_refused_and_no_traceback(expression: str) -> None:
    for read in (read_expression, read_column):
        with pytest.raises(ContentError) as caught:
            read(LAB, BOX, expression, where="rules/x.yaml (aws.lab.x) pass:")
        assert re.search("nested more than|characters", caught.value.what)
        assert caught.value.where
        assert caught.value.do


# ---- columns -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("select", "columns"),
    [
        (f"SELECT b.target, b.region, b.key, b.SEALED AS n FROM {BOX} b", {"target", "region", "key", "sealed"}),
        (f"SELECT b.target, b.region, b.key, 'x' AS n FROM {BOX} b JOIN {LOCK} USING (lock_id)", {"target", "region", "key", "lock_id"}),
        (f"SELECT b.target, b.region, b.key, CAST(b.doc AS STRUCT(name VARCHAR)).name AS n FROM {BOX} b", None),
    ],
)
def test_a_column_counts_however_it_is_named(select: str, columns: set[str] | None) -> None:
    found = read_view(viewing(select), "aws.lab.pile").columns[BOX]
    assert found >= (columns or {"doc"})


@pytest.mark.parametrize(
    "select",
    [
        f"SELECT b.target, b.region, b.key, struct_extract(b, 'state') AS n FROM {BOX} b",
        f"SELECT b.target, b.region, b.key, b['state'] AS n FROM {BOX} b",
        f"SELECT b.target, b.region, b.key, (b).state AS n FROM {BOX} b",
        f"SELECT box.target, box.region, box.key, CAST(box AS VARCHAR) AS n FROM {BOX}",
        f"SELECT target, region, key, CAST(lab.box AS VARCHAR) AS n FROM {BOX}",
        f"SELECT a AS target, b AS region, c AS key, h AS n FROM {BOX} t(a, b, c, d, e, f, g, h)",
        f"SELECT target, region, key, lock_id AS n FROM {BOX} NATURAL JOIN {LOCK}",
        f"SELECT target, region, key, COLUMNS('state') AS n FROM {BOX}",
    ],
)
def test_who_reads_a_row_reads_all_of_it(select: str) -> None:
    found = read_view(viewing(select), "aws.lab.pile")
    assert found.columns[BOX] >= {"name", "state", "sealed", "size", "doc"}


# ---- functions -----------------------------------------------------------------------------------------------------------

REFUSED_FAMILIES = re.compile(
    r"(icu_)?collate_\w+|__\w+|duckdb_\w+|pg_(?!size_pretty)\w+|pragma_\w+|read_\w+|parquet_\w+|st_\w+|has_\w+_privilege|inet_\w+"
    r"|(en|dis)able_\w+|variant_\w+|enum_\w+"
)
REFUSED_FUNCTIONS = frozenset(
    # files, network, the session, other tables, SQL in text
    "add_grammar_extension add_parquet_key arrow_scan arrow_scan_dumb checkpoint col_description collations copy_database"
    " create_external_resource current_catalog current_connection_id current_database current_query current_query_id current_role"
    " current_schema current_schemas current_setting current_transaction_id current_user database_list database_size"
    " deregister_external_resource destroy_external_resource extension_versions force_checkpoint format_pg_type format_type functions"
    " get_block_size getvariable glob icu_calendar_names import_database in_search_path json_copy_strftime_if_date"
    " json_copy_strftime_if_timestamp json_deserialize_sql json_execute_serialized_sql json_serialize_plan json_serialize_sql"
    " metadata_info obj_description pandas_scan parse_duckdb_log_message platform python_arrow_scan python_map_function query query_table"
    " register_external_resource register_external_resource_type remove_grammar_extension seq_scan session_user shobj_description show"
    " show_databases show_tables show_tables_expanded sniff_csv stats storage_info summary table_info truncate_duckdb_logs txid_current"
    " user user_agent vector_type verify_parallelism version which_secret write_log histogram_values index_key hive_partition_component"
    " map_to_pg_oid map_type_id_to_pg_oid path_join repeat_row test_all_types test_vector_types json_each json_tree regexp_split_to_table"
    # clocks and chance
    " age ago current_date current_localtime current_localtimestamp currval gen_random_uuid get_current_time get_current_timestamp"
    " make_timestamptz nextval now random reservoir_quantile setseed setval today transaction_timestamp uuid uuidv4 uuidv7"
    " approx_quantile approx_top_k sleep_ms"
    # what takes or makes too much of little
    " array_resize list_resize bar bitstring bitstring_agg damerau_levenshtein editdist3 equi_width_bins format generate_subscripts hamming"
    " jaccard jaro_similarity jaro_winkler_similarity levenshtein mismatches printf to_base histogram_exact lttb"
    # of no use to anybody who asks for facts
    " != < <-> <= <=> = > >= alias array_cosine_distance array_cosine_similarity array_cross_product array_distance array_dot_product"
    " array_inner_product array_negative_dot_product array_negative_inner_product array_to_string_comma_default assert_true binom"
    " bit_position bitstring_byte_comparable can_cast_implicitly cast_to_type combine combine_aggr constant_or_null create_sort_key"
    " decimal_average decimal_division error finalize from_json from_json_strict get_bit get_type hash icu_sort_key invoke"
    " is_histogram_other_bin json_deep_merge json_insert json_merge_patch_diff json_normalize json_remove json_replace json_set"
    " json_strip_nulls json_transform json_transform_strict list_approx_count_distinct list_cosine_distance list_cosine_similarity"
    " list_distance list_dot_product list_entropy list_inner_product list_kurtosis list_kurtosis_pop list_mad list_negative_dot_product"
    " list_negative_inner_product list_sem list_skewness make_type md5_number_lower md5_number_upper remap_struct replace_type set_bit"
    " switch timetz_byte_comparable to_aggregate_state union_extract union_tag union_value unpivot_list uuid_extract_timestamp"
    " uuid_extract_version vertex_extract".split()
) | {"IS DISTINCT FROM", "IS NOT DISTINCT FROM"}
ALLOWED = functions.QUERY_FUNCTIONS | functions.QUERY_WINDOWS | functions.TABLE_FUNCTIONS


def known_functions() -> dict[str, set[tuple[str, str | None]]]:
    """Every function of this DuckDB, with its kinds and how constant it is."""
    found: dict[str, set[tuple[str, str | None]]] = {}
    for name, kind, stability in (
        duckdb.connect().execute("SELECT function_name, function_type, stability FROM duckdb_functions()").fetchall()
    ):
        found.setdefault(name, set()).add((kind, stability))
    return found


def test_every_function_of_duckdb_is_allowed_or_refused_by_name() -> None:
    """One that a new DuckDB brings is refused until somebody has looked at it; this says which."""
    assert len(known_functions()) > 1000
    unsorted = {name for name in known_functions() if name not in ALLOWED and name not in REFUSED_FUNCTIONS}
    assert {name for name in unsorted if not REFUSED_FAMILIES.fullmatch(name)} == set()
    assert not ALLOWED & REFUSED_FUNCTIONS
    assert [name for name in ALLOWED if REFUSED_FAMILIES.fullmatch(name)] == []


def test_what_is_allowed_is_a_function_that_depends_on_its_arguments_alone() -> None:
    known = known_functions()
    syntax = {"coalesce", "ifnull", "!", "->"}  # the parser makes other nodes of these
    assert {name for name in ALLOWED if name not in known} <= syntax | ages.AGES.keys()
    for name in ALLOWED - syntax - ages.AGES.keys():
        kinds = {kind for kind, _ in known[name]}
        assert "pragma" not in kinds, name
        assert "VOLATILE" not in {stability for _, stability in known[name]}, name
        if "table" in kinds and name not in functions.TABLE_FUNCTIONS:
            assert name == "repeat", name  # behind FROM it is refused
    assert {"unnest", "range", "generate_series"} == functions.TABLE_FUNCTIONS
    assert functions.VIEW_FUNCTIONS <= functions.QUERY_FUNCTIONS
    assert not functions.VIEW_FUNCTIONS & (functions.BY_ORDER | functions.CLOCKS)
    assert not ALLOWED & functions.CLOCKS


@pytest.mark.parametrize("name", sorted({"no_such_function", *REFUSED_FUNCTIONS} - {"IS DISTINCT FROM", "IS NOT DISTINCT FROM"}))
def test_a_refused_function_is_refused_everywhere(name: str) -> None:
    call = f'"{name}"(name)'
    for text in (f"SELECT {call} FROM {BOX}", f"SELECT {call} OVER () FROM {BOX}", f"SELECT 1 FROM {BOX}, {call}"):
        with pytest.raises(UsageError):
            read_query(LAB, text)
    with pytest.raises(ContentError):
        read_expression(LAB, BOX, f"{call} = 'x'", where="x")
    with pytest.raises(ContentError):
        read_column(LAB, BOX, f"{call} = 'x'", where="x")


# ---- nothing is read that is not told ------------------------------------------------------------------------------------


class Oracle:
    """DuckDB by itself: what a SELECT answers over full tables, over an empty one, over one without a column."""

    def __init__(self) -> None:
        self.db = duckdb.connect(":memory:", config={"enable_external_access": "false", "python_enable_replacements": "false"})
        self.db.execute(
            "ATTACH ':memory:' AS aws; CREATE SCHEMA aws.lab; CREATE SCHEMA estate; SET threads = 1; SET memory_limit = '500MB'"
        )
        text = "target VARCHAR, region VARCHAR, key VARCHAR, scan_time TIMESTAMP"
        types = {"size": "BIGINT", "sealed": "BOOLEAN", "strong": "BOOLEAN", "tags": "VARCHAR[]"}
        self.values: dict[str, list[str]] = {}
        for number, (table, columns) in enumerate(COLUMNS.items()):
            made = ", ".join(f"{name} {types.get(name, 'VARCHAR')}" for name in columns)
            self.db.execute(f"CREATE TABLE {table} ({text}, {made})")
            rows = []
            for row in range(2):
                given = {"size": row + number, "sealed": row == 0, "strong": row == 1, "tags": ["a", f"b{number}"]}
                values = [given.get(name, f"{name}{number}{row}") for name in columns]
                rows.append(f"('aws:1', 'r{row}', 'k{number}{row}', TIMESTAMP '2026-01-0{row + 1}', {', '.join(map(repr, values))})")
            self.values[table] = rows
            self._fill(table)

    def _fill(self, table: str) -> None:
        self.db.execute(f"INSERT INTO {table} VALUES {', '.join(self.values[table])}")

    def answer(self, select: str) -> list[str] | None:
        """Its rows in an order; None where it does not bind, breaks or does not end."""
        stop = threading.Timer(3.0, self.db.interrupt)
        stop.start()
        try:
            rows = self.db.execute(f"SELECT * FROM (\n{select}\n) LIMIT 2000").fetchall()
        except (duckdb.Error, RuntimeError):
            return None
        finally:
            stop.cancel()
        return sorted(map(repr, rows)) if len(rows) < 2000 else None  # of more it would be others each time

    def differs_without(self, select: str) -> Iterator[tuple[str, str]]:
        """(table, "") for each table whose rows the answer depends on, (table, column) for each column of these."""
        whole = self.answer(select)
        if whole is None:
            return
        for table, columns in COLUMNS.items():
            self.db.execute(f"DELETE FROM {table}")
            if self.answer(select) not in (whole, None):
                yield table, ""
            self._fill(table)
            for column in ("region", *columns):
                self.db.execute(f"UPDATE {table} SET {column} = NULL")
                if self.answer(select) not in (whole, None):
                    yield table, column
                self.db.execute(f"DELETE FROM {table}")
                self._fill(table)


@pytest.mark.parametrize(("seed", "many"), [(1, 500), pytest.param(2, 3_000, marks=pytest.mark.slow)])
def test_no_select_reads_what_it_does_not_tell(seed: int, many: int) -> None:
    """Whatever a WITH, an alias, a lambda or a join is called: who is accepted names every table and column that its answer rests on."""
    writer, oracle, accepted, refused = Writer(seed), Oracle(), 0, 0
    for _ in range(many):
        text = writer.select(2)
        read: list[ViewSource] = []
        for reader in (_view_of, read_query_of):
            try:
                read.append(reader(text))
            except (ContentError, UsageError):
                refused += 1
        if not read or oracle.answer(text) is None:
            continue
        accepted += 1
        for table, column in oracle.differs_without(text):
            for found in read:
                assert table in found.tables, text
                assert not column or column in found.columns[table], f"{column}: {text}"
    assert accepted > 30
    assert refused > 100


PILE = content(collector=collector(lab()["facts"], {"aws.lab.pile": {"about": "x.", "columns": {"n": {"type": "text"}}, "select": "S"}}))


def _view_of(text: str) -> ViewSource:
    return read_view.__wrapped__(_with_select(PILE, text), "aws.lab.pile")


def read_query_of(text: str) -> ViewSource:
    return read_query(LAB, text)


@pytest.mark.parametrize(
    "hidden",
    [
        f"SELECT 1 FROM {BOX} LIMIT 0",
        f'WITH "{BOX}" AS (SELECT 1 AS x) SELECT x FROM "{BOX}"',
        "WITH aws AS (SELECT 1 AS x) SELECT x FROM aws",
        "WITH box AS (SELECT 1 AS x) SELECT x FROM box",
        "WITH lab AS (SELECT 1 AS x) SELECT x FROM lab AS box",
        f'WITH x AS (SELECT 1 AS x), box AS (FROM x) SELECT x FROM box AS "{BOX}"',
    ],
)
def test_no_name_in_a_view_makes_an_unread_listing_vanish(hidden: str, tmp_path: object) -> None:
    """The base table was refused in one target: whatever the view calls its parts, the rule is unknown there."""
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    select = (
        f"SELECT e.target, 'r1' AS region, e.target AS key, CASE WHEN count(b.key) = 0 THEN 'x' ELSE 'y' END AS n FROM estate.target e"
        f" LEFT JOIN {BOX} b ON b.target = e.target AND b.state = 'Off' LEFT JOIN ({hidden}) z ON true GROUP BY ALL"
    )
    made = viewing(select)
    try:
        read = read_view(made, "aws.lab.pile")
    except ContentError:
        return  # refused is as good
    assert read.tables == {BOX, "estate.target"}
    facts = [fact("estate.target", {"name": each}, target=each, region="global") for each in (A, B)]
    store = filled(made, tmp_path, [*facts, ghost(BOX, target=A)])
    with store:
        found = dict(zip((A, B), verdicts(store, made.rules["aws.lab.r"], targets=(A, B)), strict=True))
    assert found[A] == ("unknown", "denied")
    assert found[B] == ("pass", "")


# ---- what is written about it ----------------------------------------------------------------------------------------------


def test_the_numbers_in_the_manual_are_those_that_hold() -> None:
    from pathlib import Path

    from cnamm_scan.cli.query import command
    from cnamm_scan.engine import bounds, lint
    from cnamm_scan.engine.select import MAX_COUNT, MAX_LAMBDAS

    said = (Path(__file__).parents[2] / "docs/content.md").read_text()
    wide = next(each for each in command.params if each.name == "timeout")
    assert wide.default == bounds.STATEMENT_SECONDS
    for sentence in (
        f"{MAX_TEXT} characters, {MAX_NESTING} levels of brackets or of expressions in one another, {MAX_LAMBDAS} lambdas",
        f"{bounds.STATEMENT_SECONDS:g} seconds; `content lint` and `content test`: {lint.BOUNDS.seconds:g};",
        f"{bounds.MEMORY.removesuffix('MB')} MB, and {bounds.SPILL.removesuffix('GB')} GB on disk",
        f"| {bounds.GROWTH >> 30} GB: single values",
        f"(within {bounds.GRACE_SECONDS:g} seconds)",
        f"a literal up to {MAX_COUNT}",
    ):
        assert sentence in said, sentence


def test_the_queries_in_the_manuals_may_be_asked() -> None:
    from pathlib import Path

    from cnamm_scan import content as reader

    shipped = reader.load()
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    found = [each for page in pages for each in re.findall(r'cnamm-scan query \S+ "(SELECT[^"]+)"', page.read_text())]
    assert len(found) >= 3
    for sql in found:
        source = read_query(shipped, sql)
        assert source.tables or source.told
