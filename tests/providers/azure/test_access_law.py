"""What is made of less of a subscription's roles and networks is what is made of all of them, as far as it says anything."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from cnamm_scan.providers.azure.made.doors import PERIMETER
from cnamm_scan.providers.azure.policies.roles import USER_ACCESS_ADMINISTRATOR
from cnamm_scan.providers.interface import SeenRow
from tests.providers.test_made_cells import MADE, SUBSCRIPTION, Case

OWN = f"/subscriptions/{SUBSCRIPTION}"
ASSIGN = "Microsoft.Authorization/roleAssignments/write"
CUSTOM = "c0000000-0000-4000-8000-000000000001"
_ROLES = "azure.authorization.role_"
PERMISSIONS = [
    [{"actions": ["*"]}],
    [{"actions": ["*/read"]}],
    [{"actions": [ASSIGN]}],
    [{"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}],
    [{"actions": ["Microsoft.Storage/storageAccounts/listKeys/action"], "dataActions": ["*"]}],
]
CONDITIONS = ["", "", f"@Request[x:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{CUSTOM}}}", "no condition at all"]
SCOPES = [OWN, OWN, f"{OWN}/resourcegroups/g", "/", "/providers/microsoft.management/managementgroups/m"]
PRINCIPALS = ["kim", "lee", "ana"]
EVERYBODY = [{"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}]


def _rule(access: str, priority: int, source: str, port: str) -> dict[str, Any]:
    said = {"direction": "Inbound", "access": access, "priority": priority, "protocol": "Tcp", "sourceAddressPrefix": source}
    return {"name": "r", "properties": {**said, "destinationPortRange": port, "destinationAddressPrefix": "*"}}


_BALANCER = "azure.network.load_balancer 0"


def _sends(id_: str, port: int, pool: str = "none") -> dict[str, Any]:
    said = {"protocol": "Tcp" if port else "All", "backendPort": port, "backendAddressPool": {"id": pool}}
    return {"id": id_, "properties": {**said, "frontendIPConfiguration": {"id": "f"}}}


POOLS: dict[str, dict[str, list[Any]]] = {
    f"{_ROLES}assignment": {
        "scope": SCOPES,
        "role_id": [f"{OWN}/x/{CUSTOM}", f"{OWN}/x/{USER_ACCESS_ADMINISTRATOR}"],
        "role_name": ["one", "two"],
        "permissions": PERMISSIONS,
        "principal_id": PRINCIPALS,
        "principal_type": ["ServicePrincipal"],
        "condition": CONDITIONS,
    },
    f"{_ROLES}definition": {"role": [CUSTOM], "name": ["mine"], "permissions": PERMISSIONS},
    "azure.authorization.deny_assignment": {
        "scope": SCOPES,
        "permissions": PERMISSIONS,
        "principals": [EVERYBODY, [{"id": "kim", "type": "User"}], [{"id": "g", "type": "Group"}]],
        "excluded": [[], [{"id": "lee", "type": "User"}]],
        "spares_children": [True, False],
    },
    f"{_ROLES}eligibility": {
        "scope": SCOPES,
        "role_name": ["one", "two"],
        "permissions": PERMISSIONS,
        "principal_id": PRINCIPALS,
        "principal_type": ["ServicePrincipal"],
        "condition": CONDITIONS,
    },
    f"{_ROLES}schedule": {"assignment_id": [f"{_ROLES}assignment 0", "none"], "kind": ["Activated", "Assigned"]},
    "azure.subscription.subscription": {"name": ["one"]},
    "azure.network.security_group": {
        "name": ["g"],
        "group": ["rg"],
        "subnets": [[], ["s"]],
        "interfaces": [[], ["i"]],
        "rules": [[], [_rule("Allow", 300, "*", "22")], [_rule("Deny", 200, "*", "*"), _rule("Allow", 300, "Internet", "20-30")]],
    },
    "azure.virtualnetwork.subnet": {"nsg_id": ["", "azure.network.security_group 0"]},
    "azure.network.interface": {
        "name": ["i"],
        "group": ["rg"],
        "machine": [""],
        "nsg_id": ["", "azure.network.security_group 0", "azure.network.security_group 1"],
        "subnets": [["azure.virtualnetwork.subnet 0"], ["azure.virtualnetwork.subnet 0", "azure.virtualnetwork.subnet 1"]],
        "public_ips": [[], ["azure.virtualnetwork.public_ip 0"]],
        "nat_rules": [[], [], [f"{_BALANCER}/inboundnatrules/ssh"], ["elsewhere/inboundnatrules/ssh"]],
        "pools": [[], [], [f"{_BALANCER}/backendaddresspools/web"]],
    },
    "azure.network.load_balancer": {
        "sku": ["Basic", "Standard"],
        "frontends": [
            [{"id": "f", "properties": {"publicIPAddress": {"id": "azure.virtualnetwork.public_ip 1"}}}],
            [{"id": "f", "properties": {"privateIPAddress": "10.0.0.4"}}],
        ],
        "nat_rules": [[], [_sends(f"{_BALANCER}/inboundnatrules/ssh", 22)]],
        "rules": [[], [_sends("r", 443, f"{_BALANCER}/backendaddresspools/web")], [_sends("r", 0, f"{_BALANCER}/backendaddresspools/web")]],
    },
    "azure.virtualnetwork.public_ip": {"sku": ["Basic", "Standard"]},
}
_DOOR: dict[str, list[Any]] = {
    "name": ["x"],
    "group": ["rg"],
    "group_id": ["/rg"],
    "is_public": [True, False],
    "is_filtered": [True, False],
    "addresses": [[], ["198.51.100.7"], ["0.0.0.0/1", "128.0.0.0/1"], ["4.0.0.0/6"], ["0.0.0.0"], ["AzureCloud"]],
    "first": ["0.0.0.0", "128.0.0.0", "198.51.100.7"],
    "last": ["0.0.0.0", "127.255.255.255", "255.255.255.255", "198.51.100.7"],
}
"""Of a service and of the ranges of its firewall, whatever they are called. Their ids are the keys of rows: these are always read."""
OWNERS: dict[str, str] = {}
"""A table of ranges -> that of whose they are."""
for _made in [view.made for view in MADE if view.provider == "azure" and view.made and view.made.by.startswith("doors")]:
    for _table, _columns in _made.reads.items():
        POOLS[_table] = {name: _DOOR[name] for name in _columns if name in _DOOR}
        OWNERS |= {} if _table in (*_made.over, PERIMETER) else {_table: _made.over[0]}
POOLS[PERIMETER] = {
    "resource_id": [f"{view.made.over[0]} {n}" for view in MADE if view.made and PERIMETER in view.made.reads for n in (0, 1)],
    "mode": ["Enforced", "Learning", "Audit"],
}


def invented(random: Random, tables: Any) -> dict[str, list[SeenRow]]:
    made = {}
    for table in tables:
        count = 1 if table.endswith((".subscription", "_definition")) else random.randrange(4)
        made[table] = [_row(table, number, {name: random.choice(pool) for name, pool in POOLS[table].items()}) for number in range(count)]
    return made


def _row(table: str, number: int, values: dict[str, Any]) -> SeenRow:
    key = f"{table} {number}"
    if table in OWNERS:
        values = {**values, "owner_id": f"{OWNERS[table]} {number % 2}"}
    elif table in (f"{_ROLES}assignment", "azure.virtualnetwork.subnet") or "is_public" in values:
        values = {**values, "id": key}
    return SeenRow(f"azure:{SUBSCRIPTION}", "global", key, f"fact {key}", values)


def _changed(tables: dict[str, list[SeenRow]], holes: list[tuple[str, int, str]], random: Random | None) -> dict[str, list[SeenRow]]:
    """The same with nothing in these cells, or with something that may be there."""
    made = {table: [*rows] for table, rows in tables.items()}
    for table, number, name in holes:
        row = made[table][number]
        said = None if random is None else random.choice(POOLS[table][name])
        made[table][number] = _row(table, number, {**row.values, name: said})
    return made


@pytest.mark.parametrize("tries", [150, pytest.param(4000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", [view for view in MADE if view.provider == "azure"], ids=lambda view: view.id)
def test_what_is_made_of_a_subscription_says_nothing_that_the_unseen_could_deny(view: Any, tries: int) -> None:
    random = Random(f"{view.id} {tries}")
    for _ in range(tries):
        whole = invented(random, view.made.reads)
        cells = [(table, number, name) for table, rows in whole.items() for number, _ in enumerate(rows) for name in POOLS[table]]
        holes = random.sample(cells, min(len(cells), random.choice([1, 2, 4])))
        fillings = [whole, *(_changed(whole, holes, random) for _ in range(2))]
        lost = Case(view, _changed(whole, holes, None), frozenset(), fillings, others=False)
        assert lost.problem is None, str(lost.smallest())
        table = random.choice(sorted(whole))
        kept = [row for row in whole[table] if random.random() < 0.5]
        dark = Case(view, {**whole, table: kept}, frozenset({table}), [whole], table in view.made.over)
        assert dark.problem is None, str(dark.smallest())
