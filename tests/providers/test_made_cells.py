"""What a wing's function makes of less is what it makes of everything, as far as it says anything: for every function that ships.

Rows of a known estate, and of small pools, lose cells and neighbours. Whatever the function then still says it says of every filling too,
and no row vanishes: what might be there is there, and unknown. Views written in SQL are held to the same in tests/engine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from random import Random
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan import paths
from cnamm_scan.content import columns_of, key_paths
from cnamm_scan.demo.cluster.bed.server import ClusterBed
from cnamm_scan.demo.cluster.shop import VERSION, shop
from cnamm_scan.engine.made import Makers
from cnamm_scan.model import UNSET, Content, MadeRow, Target, View
from cnamm_scan.providers.aws.documents import iam_policy
from cnamm_scan.providers.aws.policies.buckets import is_called_public
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.interface import Maker, SeenRow
from tests.clusters import scan
from tests.providers.seen import Given

CONTENT = reader.load()
MADE = sorted((view for view in CONTENT.views.values() if view.made is not None), key=lambda view: view.id)
ACCOUNT = "aws.account.account"
ME, PARTNER = "111111111111", "222222222222"
AT_LEAST = {
    "admits",
    "at_least",
    "lists",
    "missed",
    "names",
    "namespaces",
    "pods",
    "policies",
    "open_lists",
    "sources",
    "target_ports",
    "ways",
    "whole_services",
    "wide_lists",
}
"""Columns of which everything may hold more than less does, as their words say."""
CERTAIN = {"none", "account", "namespace"}
"""The widest that a subject of a cluster certainly reaches."""
AT_MOST = {"at_most", "possible_ways", "unclear"}
Tables = Mapping[str, Sequence[SeenRow]]
Cell = tuple[str, int, str]
"""(table, number of a row, column)"""


@dataclass(kw_only=True)
class Seen(Given):
    """These rows, of one target."""

    tables: Tables = field(default_factory=dict)

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""
        return self.tables[table]


def makers(provider: str) -> Mapping[str, Maker]:
    """The functions of a wing."""
    found: Mapping[str, Maker] = import_module(f"cnamm_scan.providers.{provider}.made.columns").MAKERS
    return found


def made(view: View, tables: Tables, unseen: frozenset[str] = frozenset()) -> list[MadeRow]:
    """What the view's function makes of these rows."""
    assert view.made is not None
    target = Target("aws:" + ME, "aws", ME) if view.provider == "aws" else Target("kubernetes:demo", "kubernetes", "demo")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    seen = Seen(tables=tables, unseen=unseen, targets=(target,), over=view.made.over, reads=view.made.reads, now=now)
    return list(makers(view.provider)[view.made.by].make(seen))


# ---- rows ----------------------------------------------------------------------------------------------------------------


def _policy(*statements: Mapping[str, Any]) -> Any:
    return iam_policy({"Version": "2012-10-17", "Statement": list(statements)})


POLICIES = [
    {},
    _policy({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}),
    _policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{PARTNER}:root"}, "Action": "s3:GetObject", "Resource": "*"}),
    _policy({"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}),
    _policy({"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*"}),
    _policy({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
    _policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ME}:root", "Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-ours"}},
        }
    ),
]
CIDRS = ["", "", "0.0.0.0/0", "10.0.0.0/8", "198.51.100.0/24", "0.0.0.0/1", "128.0.0.0/1"]
POOLS: Mapping[str, Sequence[Any]] = {
    "cidr": CIDRS[2:],
    "cidr_ipv4": CIDRS,
    "destination_ipv4": CIDRS,
    "cidr_ipv6": ["", "", "::/0"],
    "destination_ipv6": ["", "", "::/0"],
    "public_ranges": [[], ["0.0.0.0/0"], ["10.0.0.0/8"], ["198.51.100.0/24"]],
    "protocol": ["tcp", "-1", "HTTPS", "6"],
    "from_port": [-1, 0, 22, 443],
    "to_port": [-1, 22, 443, 65535],
    "port": [22, 443, 5432],
    "target_port": [443, 5432],
    "gateway_id": ["igw-a", "local", "none"],
    "state": ["active", "available", "blackhole"],
    "action": ["allow", "deny"],
    "number": [100, 200, 32767],
    "object_ownership": ["BucketOwnerEnforced", "ObjectWriter"],
    "owner_id": [ME, "a"],
    "account_id": [ME, PARTNER],
    "scheme": ["internet-facing", "internal"],
    "status": ["ENABLED", "ACTIVE"],
    "parent_type": ["ROOT", "ORGANIZATIONAL_UNIT"],
    "mode": ["off", "block-bidirectional"],
    "organization_id": ["o-ours", "none"],
    "boundary_arn": ["none", "arn:aws:iam::111111111111:policy/a"],
    "arn": [f"arn:aws:iam::{ME}:{kind}/{name}" for kind in ("policy", "role", "user") for name in "ab"],
    "grants": [[], [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]],
    "selectors": [[], [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]],
    "advanced_selectors": [[], [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]],
    "inline": [[], [{"PolicyName": "a", "PolicyDocument": POLICIES[1]}]],
}
"""Column of AWS -> values that mean something to whoever reads it."""
ONE_OF = (("cidr_ipv4", "cidr_ipv6", "prefix_list"), ("destination_ipv4", "destination_ipv6", "destination_list"))
"""Columns of which a row has one: the others are empty."""
FOLLOWS = {"policy_is_public", "names_group", *ONE_OF[0], *ONE_OF[1]}
"""Columns that follow from others of the row: no other value fits there."""


_INSTEAD = [(table.list.unless, table.id) for table in CONTENT.tables.values() if table.list.unless]
"""(table, the one that is asked where it could not be read whole)"""


def _value(random: Random, name: str, kind: str) -> Any:
    if name in ("policy", "document", "trust"):
        return random.choice(POLICIES)
    if name in POOLS and (kind != "json" or not isinstance(POOLS[name][0], str)):
        return random.choice(POOLS[name])
    match kind:
        case "boolean":
            return random.random() < 0.5
        case "integer" | "number":
            return random.choice([0, 1, 30])
        case "timestamp":
            return random.choice([datetime(2026, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)])
        case "list":
            return random.sample(["a", "b", f"arn:aws:iam::{ME}:policy/a"], random.randrange(3))
        case "json":
            return random.choice([{}, []])
        case _:
            return random.choice(["a", "b"])


def invented(random: Random, view: View) -> dict[str, list[SeenRow]]:
    """A few rows of each table that a function of AWS reads: ids are few, so that rows meet."""
    assert view.made is not None
    found: dict[str, list[SeenRow]] = {}
    bulk = random.random() < 0.5
    for table, names in view.made.reads.items():
        kinds = columns_of(CONTENT, table)
        rows: list[SeenRow] = []
        many = 1 if table == ACCOUNT else random.choice([0, 1, 1, 2])
        if any(table in pair for pair in _INSTEAD if bulk != (table == pair[0])):
            many = 0  # asked in place of the other
        for number in range(many):
            values = {name: _value(random, name, kinds[name].type) for name in names}
            if "policy_is_public" in values:
                values["policy_is_public"] = is_called_public(read(values["policy"])) is Truth.YES
            for group in ONE_OF:
                chosen = random.choice(group)
                values |= {name: "" for name in group if name != chosen and name in values}
                if group[-1] in values and "names_group" in values:
                    values["names_group"] = not any(values[name] for name in group)
            rows.append(SeenRow(f"aws:{ME}", "global", f"{table.split('.')[-1]}{number}", f"{table}/{number}", values))
        found[table] = rows
    return found


def may_be_none(table: str) -> frozenset[str]:
    """The columns of a table that a row may lack though it was listed: those of its parts, and those that its listing may say nothing of.

    Of another view they are all but the names.
    """
    columns = columns_of(CONTENT, table)
    spec = CONTENT.tables.get(table)
    if spec is None:
        return frozenset(name for name, column in columns.items() if column.type != "text")
    by_part = spec.each is not None and paths.parse(spec.each).head in spec.then
    found = set()
    for name, column in columns.items():
        if column.path is None or column.path.startswith("$") or column.path in key_paths(spec.key) or column.path == "managedBy":
            continue  # every server says by whom it is managed; manifests do not, and nobody is let into them
        if column.path.removeprefix("parent.").startswith("metadata."):
            continue  # an object has it whenever it is listed
        head = next((key for key in paths.parse(column.path).keys if key != "parent"), "")
        if by_part or head in spec.then or column.absent is not UNSET or column.exists or column.type == "json":
            found.add(name)
    return frozenset(found)


# ---- less, and everything ------------------------------------------------------------------------------------------------


def without(tables: Tables, cells: Sequence[Cell], random: Random | None = None) -> dict[str, list[SeenRow]]:
    """The rows with these cells not seen, or with something else in them."""
    found = {table: list(rows) for table, rows in tables.items()}
    for table, number, name in cells:
        row = tables[table][number]
        kind = columns_of(CONTENT, table)[name].type
        of_server = table.endswith(".cluster_role") and row.values.get("is_builtin")  # what these hold is known without reading them
        if random is not None and (of_server or name in FOLLOWS or (name == "policy" and "policy_is_public" in row.values)):
            found[table][number] = replace(found[table][number], values={**found[table][number].values, name: row.values[name]})
            continue
        others = [None] if random is None else [each.values[name] for each in tables[table]] + _others(random, name, kind, row.target)
        value = others[0] if random is None else random.choice([each for each in others if each is not None] or [row.values[name]])
        found[table][number] = replace(row, values={**found[table][number].values, name: value})
    return found


def _others(random: Random, name: str, kind: str, target: str) -> list[Any]:
    return [_value(random, name, kind)] if target.startswith("aws") or kind in ("boolean", "integer", "number") else []


def _holds(name: str, said: Any, of_all: Any) -> bool:
    """Whether what is said of less is so of everything: the same, or the bound or the part of it that the column says it is."""
    words = name == "privileged_way_in" or (name == "ways" and isinstance(said, str)) or (name == "reach" and said in CERTAIN)
    if said == "unknown" or name in ("reach_at_least", "reach_at_most") or words:
        return True  # a word for what is not known, bounds that hold for either, and words for a person that are cut to a length
    if name in AT_LEAST or name in AT_MOST:
        if of_all is None:
            return True
        small, large = (said, of_all) if name in AT_LEAST else (of_all, said)
        return small <= large if isinstance(small, int) else set(small or ()) <= set(large or ())
    return bool(said == of_all)


def denied(less: Sequence[MadeRow], whole: Sequence[MadeRow], columns: Sequence[str], *, others: bool) -> str | None:
    """What of the one is not so in the other; None for nothing. `others` whether rows may be added that nothing here stands for."""
    there = {(row.target, row.region, row.key): row for row in whole}
    unsure: set[str] = set()
    for row in less:
        known = {name: row.values[name] for name in columns if row.values.get(name) is not None}
        if len(known) < len(columns):
            unsure |= set(row.rests_on)
        other = there.get((row.target, row.region, row.key))
        if other is None:
            alike = any(all(each.values.get(name) == value for name, value in known.items()) for each in whole)
            if len(known) == len(columns) and not alike:  # of what is alike one row may stand for all, under the key of any
                return f"is not there: {row}"
            continue
        for name, value in known.items():
            if not _holds(name, value, other.values.get(name)):
                return f"{name} is another: {row}, {other}"
    named = {(row.target, row.region, row.key) for row in less}
    gone = [row for place, row in there.items() if place not in named and not others and not unsure & set(row.rests_on)]
    return f"vanished: {gone}" if gone else None


def check(view: View, random: Random, whole: Tables, counts: Counter[str]) -> None:
    """Lose cells, or rows with their tables dark, and hold what is made to what is made of everything."""
    assert view.made is not None
    columns = list(view.columns)
    holes = [
        (table, number, name)
        for table, rows in whole.items()
        for number, row in enumerate(rows)
        for name in row.values
        if name in may_be_none(table) and row.values[name] is not None
    ]
    full = made(view, whole)
    if holes:
        cells = random.sample(holes, min(len(holes), random.choice([1, 1, 2, 4])))
        found = made(view, without(whole, cells))
        for every in (full, *(made(view, without(whole, cells, random)) for _ in range(2))):
            problem = denied(found, every, columns, others=False)
            assert problem is None, (problem, view.id, cells, whole)
        counts["cells"] += 1
    table = random.choice(sorted(whole.keys() - {"kubernetes.cluster.cluster"}))
    kept = [row for row in whole[table] if random.random() < 0.5 or (table.endswith(".cluster_role") and row.values.get("is_builtin"))]
    unseen = {table, *(each for pair in _INSTEAD if table in pair for each in pair)}  # what is asked instead would have shown them
    found = made(view, {**whole, table: kept}, frozenset(unseen))
    # one row, "Cloud", stands for whomever a cloud lets in by ways that were not seen
    problem = denied(found, full, columns, others=table in view.made.over or table == "kubernetes.core.aws_mapping")
    assert problem is None, (problem, view.id, table, kept, whole)
    counts["tables"] += 1


@pytest.mark.parametrize("tries", [15, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", [view for view in MADE if view.provider == "aws"], ids=lambda view: view.id)
def test_what_is_made_of_an_account_says_nothing_that_the_unseen_could_deny(view: View, tries: int) -> None:
    random, counts = Random(f"{view.id} {tries}"), Counter[str]()
    for _ in range(tries):
        check(view, random, invented(random, view), counts)
    assert counts["tables"] == tries


# ---- a cluster -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Tables]:
    """View -> the rows that its function is given of the demo's cluster."""
    found: dict[str, Tables] = {}
    given = Makers._made

    def spy(self: Makers, content: Content, view: View, seen: Any, columns: Mapping[str, str]) -> Iterator[tuple[MadeRow, str]]:
        assert view.made is not None
        found[view.id] = {table: [*seen.rows(table)] for table in view.made.reads}
        return given(self, content, view, seen, columns)

    with pytest.MonkeyPatch.context() as patch, ClusterBed(shop(), version=VERSION) as bed:
        patch.setattr(Makers, "_made", spy)
        with scan(bed, tmp_path_factory.mktemp("estate")):
            return found


def some_of(random: Random, tables: Tables) -> dict[str, list[SeenRow]]:
    """A few rows of each table, of few namespaces: so they meet."""
    spaces = {str(row.values["namespace"]) for rows in tables.values() for row in rows if row.values.get("namespace")}
    few = {None, "", *random.sample(sorted(spaces), min(len(spaces), 3))}
    found = {}
    for table, rows in tables.items():
        near = [row for row in rows if row.values.get("namespace") in few]
        found[table] = random.sample(near, min(len(near), random.choice([1, 2, 3])))
        if table in ("kubernetes.cluster.cluster", "kubernetes.rbac.cluster_role"):
            found[table] = list(rows)  # no cluster is without those that every server makes
    return found


@pytest.mark.parametrize("tries", [6, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", [view for view in MADE if view.provider == "kubernetes"], ids=lambda view: view.id)
def test_what_is_made_of_a_cluster_says_nothing_that_the_unseen_could_deny(view: View, tries: int, estate: Mapping[str, Tables]) -> None:
    random, counts = Random(f"{view.id} {tries}"), Counter[str]()
    for _ in range(tries):
        check(view, random, some_of(random, estate[view.id]), counts)
    assert counts["tables"] == tries
