"""What may stand in the rows that functions of a wing read: rows of an account as its API could answer, and less than was there, filled.

Ids are few, so that rows meet. What the API gives together is drawn together, as the ports of a rule with its protocol. What it never
gives, such as two network ACLs of one id, is not drawn: whatever is made of it is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import Any

from cnamm_scan import content as reader
from cnamm_scan import paths
from cnamm_scan.content import columns_of, key_paths
from cnamm_scan.model import UNSET, View
from cnamm_scan.providers.aws.policies.buckets import is_called_public
from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.setting import Truth
from cnamm_scan.providers.interface import SeenRow
from tests.providers.aws.made.given import policy

CONTENT = reader.load()
ACCOUNT = "aws.account.account"
ME, PARTNER = "111111111111", "222222222222"
Tables = Mapping[str, Sequence[SeenRow]]
Cell = tuple[str, int, str]
"""(table, number of a row, column)"""
Values = Mapping[str, Any]


# ---- what may stand there -----------------------------------------------------------------------------------------------------


POLICIES = [
    {},
    policy({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}),
    policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{PARTNER}:root"}, "Action": "s3:GetObject", "Resource": "*"}),
    policy({"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}),
    policy({"Effect": "Allow", "Action": ["iam:PassRole", "lambda:*"], "Resource": "*"}),
    policy({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
    policy(
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ME}:root", "Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-ours"}},
        }
    ),
]
CIDRS = ["0.0.0.0/0", "10.0.0.0/8", "198.51.100.0/24", "0.0.0.0/1", "128.0.0.0/1"]


def _arns(*names: str) -> list[str]:
    return [f"arn:aws:iam::{ME}:{name}" for name in names]


POOLS: Mapping[str, Sequence[Any]] = {
    "cidr": CIDRS,
    "public_ranges": [[], ["0.0.0.0/0"], ["10.0.0.0/8"], ["198.51.100.0/24"]],
    "protocol": ["HTTP", "HTTPS", "TCP", "UDP"],
    "port": [22, 443, 5432],
    "target_port": [443, 5432],
    "subnets": [["a"], ["b"], ["a", "b"], []],
    "security_groups": [["a"], ["b"], ["a", "b"], []],
    "state": ["active", "available", "blackhole"],
    "action": ["allow", "deny"],
    "number": [100, 200, 32767],
    "object_ownership": ["BucketOwnerEnforced", "ObjectWriter"],
    "owner_id": [ME, "a"],
    "account_id": [ME, PARTNER],
    "scheme": ["internet-facing", "internal"],
    "status": ["ENABLED", "ACTIVE"],
    "parent_type": ["ROOT", "ORGANIZATIONAL_UNIT"],
    "organization_id": ["o-ours", "none"],
    "boundary_arn": ["none", *_arns("policy/a", "policy/b")],
    "attached": [[], _arns("policy/a"), _arns("policy/b"), [*_arns("policy/a"), "arn:aws:iam::aws:policy/a"]],
    "groups": [[], ["a"], ["b"], ["a", "b"]],
    "policy_arn": _arns("policy/a", "policy/b"),
    "user_arn": _arns("user/a", "user/b"),
    "target_groups": [[], *([f"arn:aws:elbv2:eu-west-1:{ME}:target_group/{name}"] for name in "ab")],
    "weighed_groups": [[], [f"arn:aws:elbv2:eu-west-1:{ME}:target_group/{name}" for name in "ab"]],
    "grants": [[], [{"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}, "Permission": "READ"}]],
    "selectors": [[], [{"IncludeManagementEvents": True, "ReadWriteType": "All"}]],
    "advanced_selectors": [[], [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]],
    "inline": [[], [{"PolicyName": "a", "PolicyDocument": POLICIES[1]}]],
}
"""Column of AWS -> values that mean something to whoever reads it."""
OF_TABLES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "aws.elbv2.listener": {"action": ["forward", "authenticate-oidc", "fixed-response"]},
    "aws.elbv2.listener_rule": {
        "actions": [["forward"], ["authenticate-oidc", "forward"]],
        "conditions": [[], ["host-header"], ["source-ip"]],
    },
    "aws.ec2.internet_block": {"mode": ["off", "block-ingress", "block-bidirectional"]},
    "aws.ec2.internet_block_exclusion": {
        "mode": ["allow-bidirectional", "allow-egress"],
        "state": ["create-complete", "create-in-progress", "delete-complete"],
        "resource": [f"arn:aws:ec2:eu-west-1:{ME}:{kind}/{name}" for kind in ("subnet", "vpc") for name in "ab"],
    },
    **{
        f"aws.iam.{kind}_{way}": {"arn": _arns(f"{kind}/a", f"{kind}/b"), "holder": _arns(f"{kind}/a", f"{kind}/b")}
        for kind in ("user", "group", "role")
        for way in ("detail", "single", "inline_single", "session")
    },
    **{
        f"aws.iam.{name}": {"arn": [*_arns("policy/a", "policy/b"), *([] if own else ["arn:aws:iam::aws:policy/a"])]}
        for name, own in (("policy_detail", False), ("policy_single", False), ("boundary_single", True))
    },
}
"""The same where one table means something else by it."""
TOGETHER: Sequence[Sequence[Values]] = [
    [  # a rule's protocol with its ports: those of a protocol that has ports are always given, those of others never
        {"protocol": protocol, "from_port": first, "to_port": last}
        for protocol, ranges in {
            "tcp": [(22, 22), (443, 443), (22, 443), (0, 65535)],
            "6": [(22, 22), (443, 65535)],
            "udp": [(53, 53), (0, 65535)],
            "icmp": [(-1, -1)],
            "-1": [(-1, -1)],
        }.items()
        for first, last in ranges
    ],
    [  # the other side of a rule is one thing
        *({"cidr_ipv4": each} for each in CIDRS),
        {"cidr_ipv6": "::/0"},
        *({"prefix_list": each} for each in "ab"),
        *({"group": each, "names_group": True} for each in "ab"),
    ],
    [  # so is where a route goes
        *({"destination_ipv4": each} for each in CIDRS),
        {"destination_ipv6": "::/0"},
        *({"destination_list": each} for each in "ab"),
    ],
    [  # and by what
        {"gateway_id": "igw-a"},
        {"gateway_id": "local"},
        {"gateway_id": "none", "goes_through_nat": True},
        {"gateway_id": "none", "goes_through_egress_only": True},
        {"gateway_id": "none", "is_handed_on": True},
    ],
    [{"policy": each, "policy_is_public": is_called_public(read(each)) is Truth.YES} for each in POLICIES],
]
"""Columns that are told together -> what they may say. What one does not name is empty: '' or false."""
NAMED_BY: Mapping[str, str] = {"aws.ec2.subnet": "subnet_id", "aws.ec2.prefix_list": "list_id", "aws.rds.instance": "name"}
"""Column by which a row is the only one of its kind, where the key is written with another."""
INSTEAD = [(table.list.unless, table.id) for table in CONTENT.tables.values() if table.list.unless]
"""(table, the one that is asked where it could not be read whole)"""


@cache
def _drawn_together(table: str) -> Sequence[Sequence[Values]]:
    """What columns of a table say together, of those that it has."""
    kinds = columns_of(CONTENT, table)
    found = []
    for several in TOGETHER:
        names = [name for name in dict.fromkeys(name for each in several for name in each) if name in kinds]
        if len(names) > 1:
            empty = {name: False if kinds[name].type == "boolean" else "" for name in names}
            found.append([{**empty, **each} for each in several if each.keys() <= kinds.keys()])
    return found


def _value(random: Random, table: str, name: str) -> Any:
    kind = columns_of(CONTENT, table)[name].type
    pool = OF_TABLES.get(table, {}).get(name) or POOLS.get(name)
    if name in ("policy", "document", "trust"):
        return random.choice(POLICIES)
    if name == "arn" and pool is None:
        _, service, noun = table.split(".")
        return f"arn:aws:{service}:eu-west-1:{ME}:{noun}/{random.choice('ab')}"
    if pool is not None and (kind != "json" or not isinstance(pool[0], str)):
        return random.choice(pool)
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


# ---- rows of an account -------------------------------------------------------------------------------------------------------


def invented(random: Random, view: View) -> dict[str, list[SeenRow]]:
    """A few rows of each table that a function of AWS reads: ids are few, so that rows meet."""
    assert view.made is not None
    bulk = random.random() < 0.5
    found: dict[str, list[SeenRow]] = {}
    for table, names in view.made.reads.items():
        many = 1 if table == ACCOUNT else random.choice([0, 1, 1, 2])
        if any(table in pair for pair in INSTEAD if bulk != (table == pair[0])):
            many = 0  # asked in place of the other
        found[table] = []
        for number in range(many):
            _add(found[table], table, _invented(random, table, names), number)
    return _settled(random, view, found)


def _invented(random: Random, table: str, names: Sequence[str]) -> dict[str, Any]:
    values = {name: _value(random, table, name) for name in names}
    for several in _drawn_together(table):
        values |= {name: value for name, value in random.choice(several).items() if name in values}
    return values


def _add(rows: list[SeenRow], table: str, values: Values, number: int) -> None:
    """Put a row in, unless there is one that could not be there beside it."""
    naming = _naming(table)
    named = [values[each] for each in naming if each in values]
    if named and len(named) == len(naming) and any([row.values[each] for each in naming] == named for row in rows):
        return
    spec = CONTENT.tables.get(table)
    is_name = named and spec is not None and f"{{{columns_of(CONTENT, table)[naming[0]].path}}}" == spec.key
    key = str(named[0]) if is_name else f"{table.rpartition('.')[2]}{number}"
    rows.append(SeenRow(f"aws:{ME}", "global", key, f"{table}/{number}", values))


@cache
def _naming(table: str) -> Sequence[str]:
    """The columns by which a row is the only one of its kind; none where its key is written with what no column says."""
    if table in NAMED_BY:
        return (NAMED_BY[table],)
    spec = CONTENT.tables.get(table)
    if spec is None or spec.each is not None:
        return ()
    by_path = {column.path: name for name, column in columns_of(CONTENT, table).items() if column.path is not None}
    written = [path for path in key_paths(spec.key) if not path.startswith("$")]
    return tuple(by_path[path] for path in written) if written and by_path.keys() >= set(written) else ()


GUARDS = ("aws.ec2.route_table", "aws.ec2.network_acl")
"""Of each of these a subnet has one."""


def _settled(random: Random, view: View, found: dict[str, list[SeenRow]]) -> dict[str, list[SeenRow]]:
    """With what stands in every account: two subnets, each with a route table and a network ACL that ends in a denial, and one block."""
    assert view.made is not None
    reads = view.made.reads
    if "aws.ec2.internet_block" in reads:
        block = "aws.ec2.internet_block"
        found[block] = []
        _add(found[block], block, _invented(random, block, reads[block]), 0)
    if "aws.ec2.subnet" in reads:
        subnets = found["aws.ec2.subnet"]
        for n, name in enumerate(sorted({"a", "b"} - {row.values["subnet_id"] for row in subnets})):
            more = {"has_ipv6": True} if "has_ipv6" in reads["aws.ec2.subnet"] else {}
            _add(subnets, "aws.ec2.subnet", {"subnet_id": name, "vpc_id": random.choice("ab"), **more}, 2 + n)
        for guard in [each for each in GUARDS if each in reads]:
            found[guard] = list(_sharing(found[guard]))
        _with_main_tables(found["aws.ec2.route_table"])
        if "aws.ec2.network_acl" in reads:
            _with_acls(found, reads)
    if "aws.iam.boundary_single" in reads:
        _with_attached(found, reads)
    return found


def _sharing(rows: Sequence[SeenRow]) -> Iterator[SeenRow]:
    """Rows of which no two name the same subnet."""
    taken: set[str] = set()
    for row in rows:
        own = [each for each in row.values["subnets"] if each not in taken]
        taken |= set(own)
        yield replace(row, values={**row.values, "subnets": own})


def _with_main_tables(tables: list[SeenRow]) -> None:
    """Each VPC has one main route table."""
    mains: set[str] = set()
    for n, row in enumerate(tables):
        tables[n] = replace(row, values={**row.values, "is_main": row.values["vpc_id"] not in mains})
        mains.add(row.values["vpc_id"])
    for n, vpc in enumerate(sorted({"a", "b"} - mains)):
        values = {"route_table_id": f"main-{vpc}", "vpc_id": vpc, "subnets": [], "is_main": True}
        _add(tables, "aws.ec2.route_table", values, 2 + n)


def _with_acls(found: dict[str, list[SeenRow]], reads: Mapping[str, Sequence[str]]) -> None:
    """Each subnet has a network ACL, and each of these its last entries, after which no rule counts."""
    acls, entries = found["aws.ec2.network_acl"], found["aws.ec2.network_acl_entry"]
    bare = {"a", "b"} - {each for row in acls for each in row.values["subnets"]}
    if bare:
        whole = {"acl_id": "default", "vpc_id": "a", "subnets": sorted(bare), "is_default": True}
        _add(acls, "aws.ec2.network_acl", {name: whole[name] for name in reads["aws.ec2.network_acl"]}, 2)
    there = {row.values["acl_id"] for row in acls}
    entries[:] = [row for row in entries if row.values["acl_id"] in there and row.values["number"] != 32767]
    ways = [(acl, way) for acl in sorted(there) for way in (False, True)]
    for n, (acl, way) in enumerate(ways):
        last = {"acl_id": acl, "is_egress": way, "number": 32767, "action": "deny", "protocol": "-1", "from_port": -1, "to_port": -1}
        _add(entries, "aws.ec2.network_acl_entry", {**last, "cidr_ipv4": "0.0.0.0/0", "cidr_ipv6": ""}, 2 + n)


def _with_attached(found: dict[str, list[SeenRow]], reads: Mapping[str, Sequence[str]]) -> None:
    """A policy that is attached to somebody stands in the listing of those, also where it is a boundary besides, and says the same."""
    for table, told, other in (("policy_single", "attachments", "boundary_single"), ("boundary_single", "bounds", "policy_single")):
        rows = found[f"aws.iam.{table}"]
        rows[:] = [row if row.values[told] else replace(row, values={**row.values, told: 1}) for row in rows]
        there = {row.key: row.values for row in found[f"aws.iam.{other}"]}
        rows[:] = [replace(row, values=there.get(row.key, row.values)) for row in rows]
    attached = found["aws.iam.policy_single"]
    for n, row in enumerate(found["aws.iam.boundary_single"]):
        if row.values["attachments"] and row.key not in {each.key for each in attached}:
            _add(attached, "aws.iam.policy_single", row.values, 2 + n)


# ---- less, and everything -----------------------------------------------------------------------------------------------------


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


def without(tables: Tables, cells: Sequence[Cell], random: Random | None = None) -> dict[str, list[SeenRow]]:
    """The rows with these cells not seen, or with something else in them."""
    found = {table: list(rows) for table, rows in tables.items()}
    lost: dict[tuple[str, int], set[str]] = {}
    for table, number, name in cells:
        lost.setdefault((table, number), set()).add(name)
    for (table, number), names in lost.items():
        row = tables[table][number]
        if random is None:
            others: dict[str, Any] = dict.fromkeys(names)
        elif table.endswith(".cluster_role") and row.values.get("is_builtin"):
            others = {}  # what these hold is known without reading them
        elif row.target.startswith("aws"):
            others = _filled(random, table, row, names)
        else:
            others = {name: _other(random, table, name, tables[table], row) for name in names}
        if "subnets" in others and table in GUARDS and others["subnets"] is not None:
            taken = {each for other in found[table] if other is not row for each in other.values["subnets"] or ()}
            others["subnets"] = [each for each in others["subnets"] if each not in taken]
        found[table][number] = replace(row, values={**row.values, **others})
    return found


def _filled(random: Random, table: str, row: SeenRow, names: set[str]) -> dict[str, Any]:
    """Something else for cells of a row of AWS: of columns that are told together, what goes with those that were seen."""
    made = {name: _value(random, table, name) for name in names}
    for several in _drawn_together(table):
        read_too = [name for name in several[0] if name in row.values]
        if any(name in names for name in read_too):
            fits = [each for each in several if all(name in names or each[name] == row.values[name] for name in read_too)]
            made |= {name: value for name, value in random.choice(fits).items() if name in names}
    return made


def _other(random: Random, table: str, name: str, rows: Sequence[SeenRow], row: SeenRow) -> Any:
    """What stands in the column of another row of a cluster; any value where there are few."""
    found = [each.values[name] for each in rows if each.values[name] is not None]
    if columns_of(CONTENT, table)[name].type in ("boolean", "integer", "number"):
        found.append(_value(random, table, name))
    return random.choice(found or [row.values[name]])
