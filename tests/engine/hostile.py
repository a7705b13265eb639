"""SQL as somebody writes it who wants a table to go unnoticed: seeded, so that what was found is found again."""

from __future__ import annotations

from random import Random

from tests.packs import ACCOUNT, BOX, LOCK

COLUMNS = {
    BOX: ("name", "size", "lock_id", "state", "sealed", "tags"),
    LOCK: ("lock_id", "strong"),
    ACCOUNT: ("alias",),
    "estate.target": ("name", "provider"),
}
"""Fact tables of the lab and what of them the grammar names."""
WORDS = ("x", "b", "t", "this", "box", "lock", "lab", "aws", "main", "target", "name", "strong", "sealed", "r", "given", "q")
FALSE_FRIENDS = (BOX, LOCK, BOX.upper(), "/etc/hostname", "https://example.org/x.csv", "aws.lab", "estate.target", "a b", "")
"""Names in quotes that look like a table, a file or an address."""
FILES = ("'/etc/hostname'", "'https://example.org/x.csv'", '"/etc/hostname"', "'s3://b/x.parquet'", "'data.csv'", "'*.json'")
SOURCES = (
    "read_csv('/etc/hostname')",
    "read_text('/etc/hostname')",
    "read_json('https://example.org/x')",
    "glob('/etc/*')",
    "sniff_csv('/etc/hostname')",
    f"query('FROM {BOX}')",
    f"query_table('{LOCK}')",
    "duckdb_tables()",
    "duckdb_settings()",
    "pragma_table_info('x')",
    "json_execute_serialized_sql('{}')",
    "repeat_row(1, num_rows = 3)",
    "information_schema.tables",
    "sqlite_master",
    "pg_catalog.pg_class",
    "test_all_types()",
)
CALLS = (
    "getenv('HOME')",
    "now()",
    "random()",
    "current_setting('home_directory')",
    "getvariable('x')",
    "nextval('s')",
    "current_query()",
    "error('x')",
    "json_serialize_plan('SELECT 1')",
    "current_date",
    "version()",
    "sleep_ms(1)",
    "write_log('x')",
    "x.lower()",
)
WRITES = (
    "COPY (SELECT 1) TO '/tmp/never'",
    f"COPY {BOX} TO '/tmp/never'",
    f"UPDATE {BOX} SET state = 'On' RETURNING name",
    f"DELETE FROM {LOCK} RETURNING lock_id",
    f"INSERT INTO {LOCK} (lock_id) VALUES ('x') RETURNING lock_id",
)
"""What a WITH may hold in DuckDB besides a SELECT."""


class Writer:
    """Writes one text after the other from a seed. Most bind, some are refused, none is honest."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.known: list[str] = []
        """Names of WITHs, of any scope."""

    def pick(self, *these: str) -> str:
        return self.random.choice(these)

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def table(self, name: str) -> str:
        """One table, spelt in one of the ways that there are; most of them right."""
        parts = name.split(".")
        return self.pick(
            *[name] * 40,
            name.upper(),
            ".".join(f'"{part}"' for part in parts),
            ".".join(f'"{part.title()}"' for part in parts),
            f'"{name}"',
            f"'{name}'",
            f"main.{parts[-1]}",
            f"memory.main.{parts[-1]}",
            ".".join(parts[1:]),
            parts[-1],
        )

    def with_(self, depth: int) -> str:
        """A WITH, its name often one that somebody else has."""
        entries = []
        for _ in range(self.random.choice((1, 1, 2))):
            name = self.pick(*WORDS) if self.maybe(0.97) else '"' + self.pick(*FALSE_FRIENDS) + '"'
            body = self.pick(*WRITES) if self.maybe(0.02) else self.select(depth - 1)
            self.known.append(name)
            if self.maybe(0.1):
                body = f"{body} UNION ALL SELECT * FROM {name}"
            entries.append(
                f"{name}{self.pick('', '', ' AS MATERIALIZED') or ' AS'} ({body})".replace("AS MATERIALIZED (", "AS MATERIALIZED (")
            )
        return f"WITH {self.pick('', '', 'RECURSIVE ')}{', '.join(entries)} "

    def source(self, depth: int, alias: str) -> str:
        """Something behind FROM, by this alias."""
        what = self.random.random()
        if depth > 0 and what < 0.2:
            return f"({self.select(depth - 1)}) {alias}"
        if what < 0.32 and self.known:
            return f"{self.pick(*self.known)} {alias}"
        if what < 0.34:
            return f"{self.pick(*WORDS, *FILES)} {alias}"
        if what < 0.36:
            return f"{self.pick(*SOURCES)} {alias}"
        if what < 0.39:
            return f"(VALUES ('a', 'r1', 'k', 1)) {alias}(target, region, key, n)"
        if what < 0.42:
            return f"{self.pick('range(3)', 'unnest([1, 2])', 'range(2000000000)', 'generate_series(1, 3)')} {alias}(n)"
        name = self.pick(*COLUMNS)
        more = self.pick(*[""] * 40, " TABLESAMPLE 50%", " AT (VERSION => 1)", "(a, b, c, d)")
        return f"{self.table(name)} {alias}{more}" if self.maybe(0.8) else self.table(name)

    def expression(self, depth: int, aliases: tuple[str, ...]) -> str:
        """A value of a row, honest or not."""
        alias = self.pick(*aliases)
        column = self.pick(*(name for names in COLUMNS.values() for name in names))
        what = self.random.random()
        if what < 0.3:
            return f"{alias}.{self.pick(column, column.upper())}"
        if what < 0.4:
            return column
        if what < 0.41:
            return self.pick(*CALLS)
        if what < 0.5:
            return self.pick(alias, f"struct_extract({alias}, '{column}')", f"{alias}['{column}']", f"CAST({alias} AS VARCHAR)")
        if what < 0.57:
            return f"len(list_filter({alias}.tags, lambda {self.pick(*WORDS)}: {self.expression(0, aliases)} IS NOT NULL))"
        if what < 0.65 and depth > 0:
            kind = self.pick("EXISTS ({})", "({} LIMIT 1)", "1 = ANY ({})", "len(ARRAY({}))", "(WITH z AS ({}) SELECT count(*) FROM z)")
            return kind.format(f"SELECT {self.expression(0, ('u',))} FROM {self.source(depth - 1, 'u')}")
        if what < 0.75:
            return f"{self.pick('count', 'max', 'min', 'bool_or', 'any_value', 'list', 'first')}({alias}.{column})"
        if what < 0.8:
            return f"{self.pick('count(*)', f'max({alias}.{column})', 'row_number()')} OVER (PARTITION BY {alias}.target)"
        if what < 0.9:
            return f"coalesce(CAST({alias}.{column} AS VARCHAR), 'none')"
        return self.pick("1", "true", "'x'", "NULL", "length('abc')", f"len({alias}.tags)", "scan_time")

    def select(self, depth: int) -> str:
        """A SELECT, with or without what a view must have."""
        if depth == 2:
            self.known = []
        what = self.random.random()
        head = self.with_(depth) if depth > 0 and self.maybe(0.4) else ""
        if what < 0.04:
            return f"{head}FROM {self.source(depth, '')}"
        if what < 0.07:
            return f"{self.pick('TABLE', 'DESCRIBE', 'SUMMARIZE', 'SHOW', 'SELECT * FROM')} {self.table(self.pick(*COLUMNS))}"
        first, second = self.pick(*WORDS), self.pick("t", "u", "this", "lab")
        source = self.source(depth, first)
        aliases: tuple[str, ...] = (first,)
        if self.maybe(0.35):
            join = self.pick(
                ", {}",
                " CROSS JOIN {}",
                " JOIN {} ON true",
                " LEFT JOIN {} ON true",
                " LEFT JOIN {} USING (target)",
                " JOIN {} USING (target, lock_id)",
                " NATURAL JOIN {}",
                " POSITIONAL JOIN {}",
                " ANTI JOIN {} ON true",
                ", LATERAL {}",
            )
            source, aliases = source + join.format(self.source(depth - 1, second)), (first, second)
        value = self.expression(depth, aliases)
        where = f" WHERE {self.expression(depth - 1, aliases)} IS NOT NULL" if self.maybe(0.2) else ""
        tail = self.pick(*[""] * 8, " GROUP BY ALL", " LIMIT 1", " QUALIFY true", " ORDER BY ALL", f" UNION ALL {self.bare(depth - 1)}")
        distinct = self.pick("", "", "DISTINCT ")
        return f"{head}SELECT {distinct}{first}.target, {first}.region, {first}.key, {value} AS n FROM {source}{where}{tail}"

    def bare(self, depth: int) -> str:
        alias = self.pick(*WORDS)
        return f"SELECT {alias}.target, {alias}.region, {alias}.key, {self.expression(0, (alias,))} FROM {self.source(depth, alias)}"

    # ---- a rule's expression -----------------------------------------------------------------------------------------

    def condition(self, depth: int) -> str:
        """True, false or NULL of a box: what `pass:` may hold, and much that it may not."""
        what = self.random.random()
        if depth > 0 and what < 0.25:
            return f"({self.condition(depth - 1)}) {self.pick('AND', 'OR')} ({self.condition(depth - 1)})"
        if depth > 0 and what < 0.32:
            return f"NOT ({self.condition(depth - 1)})"
        if what < 0.6:
            return self.looking()
        if what < 0.7:
            name = self.pick("x", "this", "t", "sealed", "state", "tags", "box", "given", "aws")
            body = self.pick(f"{name} = 'a'", f"{name}.sealed", f"{name}.state = 'On'", "sealed", f"{name} = state", "this.sealed", "true")
            given = self.pick("tags", "['a']", "[this]")
            return f"len(list_filter({given}, lambda {name}: {body})) {self.pick('> 0', '= 0')}"
        if what < 0.74:
            return self.pick(*CALLS) + " = 'x'"
        if what < 0.78:
            return self.pick("state IS NULL", "coalesce(sealed, true)", "CASE WHEN sealed THEN true ELSE false END", "[state] = ['On']")
        return self.pick(
            "sealed",
            "this.sealed",
            "state = 'On'",
            "this.state <> 'On'",
            "size > 3",
            "is_on",
            "name LIKE 'a%'",
            "list_contains(tags, 'a')",
            "len(tags) = 0",
            "lock_id IN ('x', 'y')",
            "starts_with(name, state)",
        )

    def looking(self) -> str:
        """A subquery, by any alias and with any join."""
        alias = self.pick("t", "t", "t", "this", '"THIS"', "strong", "target", "lock", "")
        name = alias.strip('"') or "lock"
        column = self.pick(
            f"{name}.strong", f"{name}.strong", "strong", f"{name}.strong AND this.sealed", "sealed", f"NOT {name}.strong", "true"
        )
        places = [
            f"{name}.target = this.target",
            "target = this.target",
            f"this.target = {name}.target",
            "this.target = this.target",
            "true",
        ]
        joins = [f"{name}.lock_id = this.lock_id", "lock_id = this.lock_id", f"{name}.region = this.region", f"{name}.lock_id = this.name"]
        where = self.random.choice([places[0]] * 4 + places)
        if self.maybe(0.5):
            where += f" AND {self.random.choice([*joins, f'{name}.strong'])}"
        how = self.pick("true = ANY", "true = ANY", "true = ALL", "true IN", "EXISTS", "NOT EXISTS")
        with_ = 'WITH "aws.lab.lock" AS (SELECT true AS strong) ' if self.maybe(0.05) else ""
        return f"{how} ({with_}SELECT {column} FROM {self.table(LOCK) if self.maybe(0.3) else LOCK} {alias} WHERE {where})"
