"""What is made of less of a project's policies is what is made of all of them, as far as it says anything: for every function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from cnamm_scan.model import MadeRow, Target, View
from cnamm_scan.providers.gcp.made.columns import MAKERS
from cnamm_scan.providers.gcp.policies.rights import EVERYBODY
from cnamm_scan.providers.interface import SeenRow
from tests.providers.fillings import CONTENT, Tables
from tests.providers.test_made_cells import Case, Seen, denied

VIEWS = sorted((view for view in CONTENT.views.values() if view.made is not None and view.provider == "gcp"), key=lambda view: view.id)
PROJECT = Target("gcp:shop-prod", "gcp", "shop-prod")
ORGANIZATION = Target("gcp:organizations/9", "gcp", "organizations/9")
LINE = ["projects/1", "folders/5", "organizations/9"]
NETWORK = "projects/shop-prod/global/networks/n"
ROLE = "projects/shop-prod/roles/mine"
GITHUB = "https://token.actions.githubusercontent.com"
POOL = "projects/1/locations/global/workloadIdentityPools/ci"
_LEVEL = "cloudresourcemanager.googleapis.com/"
MEMBERS = [
    [],
    ["user:kim@shop.example"],
    ["user:kim@shop.example", "serviceAccount:ci@shop-prod.iam.gserviceaccount.com"],
    ["allUsers"],
    [f"principalSet://iam.googleapis.com/{POOL}/*"],
    [f"principalSet://iam.googleapis.com/{POOL}/attribute.repository/shop/site"],
]
SSH = [{"IPProtocol": "tcp", "ports": ["22"]}]


def _policy(action: str, *sources: str, priority: int = 100, **more: Any) -> dict[str, Any]:
    match = {"srcIpRanges": list(sources), "layer4Configs": [{"ipProtocol": "tcp"}]}
    return {"priority": priority, "action": action, "direction": "INGRESS", "match": match, **more}


_POLICIES = [
    [],
    [_policy("deny", "0.0.0.0/0", "::/0")],
    [_policy("goto_next", "0.0.0.0/0")],
    [_policy("allow", "0.0.0.0/1"), _policy("deny", "::/0", priority=50)],
    [_policy("allow", "0.0.0.0/0", targetSecureTags=[{"name": "tagValues/1"}])],
]


def _denying(*permissions: str, principals: tuple[str, ...] = (EVERYBODY,), **more: Any) -> dict[str, Any]:
    return {"denyRule": {"deniedPrincipals": [*principals], "deniedPermissions": [*permissions], **more}}


_SETS = "cloudresourcemanager.googleapis.com/*.setIamPolicy"
_DENYING = [
    [],
    [_denying(_SETS)],
    [_denying(_SETS, exceptionPrincipals=["principal://goog/subject/kim@shop.example"])],
    [_denying("iam.googleapis.com/serviceAccountKeys.create", _SETS, denialCondition={"expression": "x"})],
    [_denying("iam.googleapis.com/serviceAccounts.actAs", principals=("principalSet://goog/group/a@shop.example",))],
]


def _on_metric(number: int, stands_by: str = "global") -> dict[str, Any]:
    filter_ = f'metric.type="logging.googleapis.com/user/m{number}" AND resource.type="{stands_by}"'
    return {"conditionThreshold": {"filter": filter_, "comparison": "COMPARISON_GT", "duration": "0s"}}


_ATTACHED: dict[str, list[Any]] = {"rules": _POLICIES, "attached_to": [[], [NETWORK]]}
_ADMITTED: list[Any] = [[], ["0.0.0.0/0"], ["0.0.0.0/1", "128.0.0.0/1"], ["198.51.100.7"], ["no network"]]
POOLS: Mapping[str, Mapping[str, list[Any]]] = {
    "gcp.iam.binding": {
        "role": ["roles/owner", "roles/viewer", "roles/iam.serviceAccountUser", "roles/nobody.knows", ROLE],
        "members": MEMBERS,
        "condition": ["", "", "request.time < timestamp('2027-01-01T00:00:00Z')", "request.time < timestamp('2025-01-01T00:00:00Z')", "x"],
    },
    "gcp.iam.role": {
        "name": [ROLE],
        "title": ["Mine"],
        "permissions": [[], ["resourcemanager.projects.setIamPolicy"], ["iam.serviceAccounts.actAs", "run.services.create"]],
        "stage": ["GA", "DISABLED"],
        "is_deleted": [False, True],
    },
    "gcp.iam.service_account": {"is_disabled": [False, True]},
    "gcp.iam.deny_policy": {"rules": _DENYING},
    "gcp.folder.deny_policy": {"rules": _DENYING},
    "gcp.cloudidentity.policy": {
        "type": ["ADMIN", "ADMIN", "SYSTEM"],
        "setting": [
            "security.two_step_verification_enforcement",
            "security.two_step_verification_enforcement_factor",
            "security.two_step_verification_grace_period",
            "security.two_step_verification_device_trust",
            "security.super_admin_account_recovery",
            "security.session_controls",
        ],
        "unit": ["orgUnits/all", "orgUnits/all", "orgUnits/some"],
        "group": ["", "", "groups/g"],
        "query": ["", "entity.org_units.exists(o, o.org_unit_id == orgUnitId('all'))", "entity.licenses.exists(l, l in ['/product/1'])"],
        "sort_order": [1.0, 100.0, 101.0, 200.0],
        "value": [
            {"enforcedFrom": "2020-01-01T00:00:00Z", "allowTrustingDevice": True, "enableAccountRecovery": False},
            {"enforcedFrom": "1970-01-01T00:00:00Z", "allowedSignInFactorSet": "NO_TELEPHONY", "enrollmentGracePeriod": "86400s"},
            {"allowedSignInFactorSet": "ALL", "webSessionDuration": "43200s", "enableAccountRecovery": True},
        ],
    },
    "gcp.iam.boundary_policy": {
        "rules": [
            [],
            [{"effect": "ALLOW", "resources": ["//cloudresourcemanager.googleapis.com/organizations/9"]}],
            [{"effect": "ALLOW", "resources": ["//cloudresourcemanager.googleapis.com/folders/5"]}],
            [{"effect": "ALLOW", "resources": ["//cloudresourcemanager.googleapis.com/organizations/8"]}],
        ],
        "version": ["1", "3", "latest"],
    },
    "gcp.iam.boundary_binding": {
        "principals": [f"//cloudresourcemanager.googleapis.com/{each}" for each in LINE] + [f"//iam.googleapis.com/{POOL}"],
        "condition": ["", "", "principal.type == 'iam.googleapis.com/ServiceAccount'", "principal.subject.endsWith('@shop.example')"],
    },
    "gcp.directory.user": {
        "is_active": [True, True, False],
        "is_super_admin": [True, False],
        "is_enrolled": [True, False],
        "has_signed_in": [True, False],
        "last_login_at": ["2026-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00"],
        "created_at": ["2025-01-01T00:00:00+00:00"],
    },
    "gcp.organization.organization": {"name": ["shop.example"]},
    "gcp.iam.pool_provider": {
        "issuer": ["", GITHUB, "https://sso.shop.example"],
        "condition": [
            "",
            "assertion.repository_owner == 'shop'",
            "assertion.ref == 'main'",
            "attribute.repository == 'shop/site'",
            "odd()",
        ],
        "mapping": [{}, {"attribute.repository": "assertion.repository"}, {"attribute.repository": "assertion.ref"}],
        "is_disabled": [False],
    },
    "gcp.run.service": {
        "ingress": ["all", "internal", "internal-and-cloud-load-balancing"],
        "skips_iam": [False, False, True],
        "has_own_url": [True, True, False],
    },
    "gcp.cloudfunctions.first_generation": {"ingress": ["ALLOW_ALL", "ALLOW_INTERNAL_ONLY", "ALLOW_INTERNAL_AND_GCLB"]},
    "gcp.cloudfunctions.function": {"ingress": ["ALLOW_ALL", "ALLOW_INTERNAL_ONLY"]},
    "gcp.project.project": {"ancestors": [LINE]},
    "gcp.project.tag_binding": {"parent": ["gcp.storage.bucket 0", "//cloudresourcemanager.googleapis.com/projects/1"]},
    "gcp.orgpolicy.policy": {
        "rules": [[], [{"enforce": True}], [{"enforce": False}], [{"values": {"allowedValues": ["a"]}}]],
        "inherits": [False, True],
        "resets": [False, False, True],
        "has_spec": [True, True, False],
        "has_dry_run": [False, True],
    },
    "gcp.sqladmin.instance": {"has_public_ip": [True, False], "networks": _ADMITTED},
    "gcp.alloydb.instance": {"has_public_ip": [True, False], "networks": _ADMITTED},
    "gcp.container.cluster": {
        "is_public": [True, False],
        "is_filtered": [True, False],
        "networks": _ADMITTED,
        "networks_before": _ADMITTED,
    },
    "gcp.storage.bucket": {"prevention": ["inherited", "enforced"], "is_uniform": [True, False]},
    "gcp.logging.sink": {
        "destination": [
            "storage.googleapis.com/kept",
            "pubsub.googleapis.com/projects/siem/topics/logs",
            "logging.googleapis.com/projects/shop-prod/locations/l/buckets/b",
        ],
        "filter": ["", 'logName:"cloudaudit.googleapis.com"', "severity>=ERROR", "resource.type=gce_route"],
        "exclusions": [[], ["resource.type=gce_route"], ["sample(insertId, 0.5)"]],
        "is_disabled": [False, False, True],
        "includes_children": [False, True],
        "intercepts": [False, False, True],
        "writer": ["", "serviceAccount:o9@gcp-sa-logging.iam.gserviceaccount.com"],
    },
    "gcp.logging.metric": {
        "filter": ["resource.type=gce_route", 'protoPayload.methodName:"routes.insert"', "severity>=NOTICE", "odd("],
        "bucket": ["", "", *(f"projects/shop-prod/locations/{each}" for each in ("l/buckets/b", "global/buckets/_Required"))],
        "is_disabled": [False, False, True],
        "extracts_values": [False, False, True],
    },
    "gcp.monitoring.alert_policy": {
        "is_enabled": [True, True, False],
        "is_invalid": [False, False, True],
        "channel_ids": [["1"], ["1", "2"], []],
        "conditions": [
            [{"conditionMatchedLog": {"filter": "resource.type=gce_route"}}],
            [{"conditionMatchedLog": {"filter": "resource.type=gce_network"}}, _on_metric(0)],
            [_on_metric(0)],
            [_on_metric(1)],
            [_on_metric(0, "logging_bucket")],
            [{"conditionSql": {}}],
            [],
        ],
        "combiner": ["OR", "OR", "AND"],
    },
    "gcp.monitoring.channel": {"reaches": [True, True, False]},
    "gcp.vpc.network": {
        "order": ["AFTER_CLASSIC_FIREWALL", "BEFORE_CLASSIC_FIREWALL"],
    },
    "gcp.network.firewall": {
        "direction": ["INGRESS", "INGRESS", "EGRESS"],
        "priority": [100, 1000],
        "is_disabled": [False, False, True],
        "source_ranges": [[], ["0.0.0.0/0"], ["0.0.0.0/1"], ["198.51.100.7"], ["::/0"]],
        "source_tags": [[], ["a"]],
        "source_accounts": [[]],
        "destination_ranges": [[]],
        "target_tags": [[], ["a"], ["b"]],
        "target_accounts": [[]],
    },
    "gcp.network.firewall_policy": {"rules": _POLICIES, "attached_to": [[], ["organizations/9"], ["folders/5"]]},
    "gcp.network.network_policy": _ATTACHED,
    "gcp.network.regional_policy": {**_ATTACHED, "place": ["europe-west1"]},
    "gcp.network.interface": {
        "network": [NETWORK],
        "tags": [[], ["a"]],
        "accounts": [[], ["x@p"]],
        "has_address": [True, False],
        "has_address6": [True, False],
        "is_node": [False],
    },
}
"""Table -> column -> what may stand there. What an asset always says of itself is not among them: its name, its type, where it is."""
ALONE = frozenset(
    {
        "gcp.project.project",
        "gcp.cloudidentity.organization",
        "gcp.directory.organization",
        "gcp.organization.organization",
        "gcp.iam.role",
        "gcp.vpc.network",
    }
)
"""Tables of which there is one row."""
TOGETHER = {"gcp.network.firewall": [{"allowed": SSH, "denied": []}, {"allowed": [], "denied": SSH}]}


def _always(table: str, number: int, random: Random) -> tuple[str, str, dict[str, Any]]:
    """(target, key, what a row says of where it is)"""
    target, key, said = PROJECT.id, f"{table} {number}", dict[str, Any]()
    if table == "gcp.iam.binding":
        kind, id_ = random.choice(
            [("Project", "projects/1"), ("Project", "projects/1"), ("Folder", "folders/5"), ("Organization", "organizations/9"), ("", "")]
        )
        target = ORGANIZATION.id if kind in ("Folder", "Organization") else target
        own = random.choice(
            [
                ("storage.googleapis.com/Bucket", "gcp.storage.bucket 0"),
                ("bigquery.googleapis.com/Dataset", "gcp.bigquery.dataset 0"),
                ("run.googleapis.com/Service", "gcp.run.service 0"),
                ("cloudfunctions.googleapis.com/CloudFunction", "gcp.cloudfunctions.first_generation 0"),
                ("iam.googleapis.com/ServiceAccount", "projects/shop-prod/serviceAccounts/11"),
            ]
        )
        said = {"resource": id_ or own[1], "resource_id": id_ or own[1], "resource_type": f"{_LEVEL}{kind}" if kind else own[0]}
    elif table == "gcp.orgpolicy.policy":
        level = LINE[number % 3]
        target = PROJECT.id if number % 3 == 0 else ORGANIZATION.id
        constraint = random.choice(["storage.publicAccessPrevention", "gcp.resourceLocations", "custom.odd"])
        said = {"resource_id": level, "name": constraint}
    elif table == "gcp.logging.sink":
        level = LINE[number % 3]
        target, said = PROJECT.id if number % 3 == 0 else ORGANIZATION.id, {"place": level}
    elif table == "gcp.logging.metric":
        said = {"name": f"m{number}"}
    elif table == "gcp.monitoring.channel":
        said = {"channel_id": str(number)}
    elif table in ("gcp.iam.deny_policy", "gcp.folder.deny_policy"):
        level = "folders/5" if table == "gcp.folder.deny_policy" else random.choice([LINE[0], LINE[2]])
        target = PROJECT.id if level == LINE[0] else ORGANIZATION.id
        said = {"name": f"policies/cloudresourcemanager.googleapis.com%2F{level.replace('/', '%2F')}/denypolicies/d{number}"}
    elif table == "gcp.folder.folder":
        target, said = ORGANIZATION.id, {"id": "folders/5", "ancestors": LINE[1:]}
    elif table == "gcp.cloudidentity.policy":
        target = ORGANIZATION.id
    elif table == "gcp.iam.boundary_policy":
        target, said = ORGANIZATION.id, {"name": f"b{number}"}
    elif table == "gcp.iam.boundary_binding":
        target, said = ORGANIZATION.id, {"policy": random.choice(["b0", "b1", "b2"])}
    elif table == "gcp.directory.user":
        target, said = ORGANIZATION.id, {"id": key}
    elif table in ("gcp.organization.organization", "gcp.cloudidentity.organization", "gcp.directory.organization"):
        target, said = ORGANIZATION.id, {"id": "organizations/9"}
    elif table == "gcp.network.firewall_policy":
        target = ORGANIZATION.id
    elif table == "gcp.vpc.network":
        # what it tells of policies is not lost here: it says the same as the tables that stand in for it
        told = [None, [], [{"type": "HIERARCHY", "rules": _POLICIES[1]}], [{"type": "HIERARCHY", "rules": _POLICIES[2]}]]
        said = {"id": NETWORK, "name": "n", "project": "shop-prod", "effective": random.choice(told)}
    elif table == "gcp.network.firewall":
        said = {"network": NETWORK}
    elif table == "gcp.network.interface":
        said = {"machine": "m", "project": "shop-prod", "name": "nic0", "machine_id": "projects/shop-prod/zones/europe-west1-b/instances/m"}
    elif table == "gcp.iam.service_account":
        said = {"email": "ci@shop-prod.iam.gserviceaccount.com", "unique_id": "11"}
    elif table == "gcp.iam.pool_provider":
        said = {"name": "p", "pool": POOL}
    elif table in ("gcp.sqladmin.instance", "gcp.alloydb.instance"):
        said = {"id": "projects/shop-prod/instances/orders", "name": "orders"}
    elif table == "gcp.container.cluster":
        said = {"id": "projects/shop-prod/locations/l/clusters/web", "project": "shop-prod", "name": "web", "place": "l"}
    elif table == "gcp.run.service":
        said = {"id": key}
    elif table == "gcp.storage.bucket":
        said = {"name": "x"}
    elif table == "gcp.bigquery.dataset":
        # its list is not lost here: where there is none, the allow policy tells the same
        said = {"name": "x", "project": "shop-prod", "access": random.choice([None, [], [{"iamMember": "allUsers"}], [{"domain": "x"}]])}
    return target, key, said


def invented(random: Random, view: View, targets: tuple[Target, ...]) -> dict[str, list[SeenRow]]:
    """A few rows of each table: names are few, so that rows meet."""
    assert view.made is not None
    found: dict[str, list[SeenRow]] = {}
    for table, columns in view.made.reads.items():
        many = 1 if table in ALONE or table == "gcp.folder.folder" else random.randrange(4)
        if table in ("gcp.iam.service_account", "gcp.iam.pool_provider", "gcp.network.interface"):
            many = 1
        if table == "gcp.storage.prevention":
            many = 0  # it tells what the policies tell, where these are not all seen
        found[table] = []
        for number in range(many):
            target, key, said = _always(table, number, random)
            values = {**{name: random.choice(pool) for name, pool in POOLS.get(table, {}).items()}, **said}
            values |= random.choice(TOGETHER[table]) if table in TOGETHER else {}
            if any(each.id == target for each in targets):
                row = SeenRow(target, "global", key, f"fact {key}", {name: values[name] for name in columns})
                found[table].append(row)
    return found


@dataclass(frozen=True)
class OfGoogle(Case):
    """The same for targets that stand one above the other."""

    targets: tuple[Target, ...] = ()

    @property
    def problem(self) -> str | None:
        """What is said of less and is not so."""
        said = made(self.view, self.less, self.targets, self.unseen)
        found = (
            denied(said, made(self.view, every, self.targets), list(MAKERS[self.view.made.by].columns), others=self.others)  # type: ignore[union-attr]
            for every in self.fillings
        )
        return next((each for each in found if each is not None), None)

    def smaller(self) -> Iterator[Case]:
        """The same with one filling, and then without a row; who has no row has nothing said of him."""
        yield from (each for each in super().smaller())


def made(view: View, tables: Tables, targets: tuple[Target, ...], unseen: frozenset[str] = frozenset()) -> list[MadeRow]:
    """What the view's function makes of these rows."""
    assert view.made is not None
    seen = Seen(tables=tables, unseen=unseen, targets=targets, over=view.made.over, reads=view.made.reads)
    return list(MAKERS[view.made.by].make(seen))


def _changed(tables: dict[str, list[SeenRow]], holes: list[tuple[str, int, str]], random: Random | None) -> dict[str, list[SeenRow]]:
    """The same with nothing in these cells, or with something that may be there."""
    found = {table: [*rows] for table, rows in tables.items()}
    for table, number, name in holes:
        row = found[table][number]
        found[table][number] = replace(row, values={**row.values, name: None if random is None else random.choice(POOLS[table][name])})
    return found


@pytest.mark.parametrize("tries", [150, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.id)
def test_what_is_made_of_a_project_says_nothing_that_the_unseen_could_deny(view: View, tries: int) -> None:
    assert view.made is not None
    random = Random(f"{view.id} {tries}")
    for _ in range(tries):
        targets = random.choice([(PROJECT,), (PROJECT, ORGANIZATION)])
        whole = invented(random, view, targets)
        cells = [
            (table, number, name)
            for table, rows in whole.items()
            for number, row in enumerate(rows)
            for name in POOLS.get(table, {})
            if name in row.values
        ]
        if cells:
            holes = random.sample(cells, min(len(cells), random.choice([1, 2, 4])))
            others = any(name in ("members", "ancestors") for _, _, name in holes)  # who is given something where that was not read
            fillings = [whole, *(_changed(whole, holes, random) for _ in range(2))]
            lost = OfGoogle(view, _changed(whole, holes, None), frozenset(), fillings, others=others, targets=targets)
            assert lost.problem is None, str(lost.smallest())
        table = random.choice(sorted(whole))
        kept = [row for row in whole[table] if random.random() < 0.5]
        dark = OfGoogle(view, {**whole, table: kept}, frozenset({table}), [whole], others=True, targets=targets)
        assert dark.problem is None, str(dark.smallest())


ODD: list[Any] = [7, -1.5, "odd", True, None, [], {}, [None], [[1]], {"odd": 1}, {"a": {"b": [{"c": None}]}}]


def _odd(value: Any, random: Random, chance: float) -> Any:
    """A document in which something is of another type here and there."""
    if random.random() < chance:
        return random.choice(ODD)
    if isinstance(value, Mapping):
        return {name: _odd(each, random, chance) for name, each in value.items()}
    return [_odd(each, random, chance) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("tries", [100, pytest.param(1500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.id)
def test_what_an_api_never_answers_breaks_no_function(view: View, tries: int) -> None:
    """Columns of JSON hold whatever came: what is not as the API writes it is not known, and nothing else is lost for it."""
    assert view.made is not None
    random = Random(f"odd {view.id}")
    kept = {(table, name) for table in view.made.reads for name, column in CONTENT.tables[table].columns.items() if column.type == "json"}
    for _ in range(tries):
        tables = {
            table: [
                replace(
                    row, values={name: _odd(value, random, 0.2) if (table, name) in kept else value for name, value in row.values.items()}
                )
                for row in rows
            ]
            for table, rows in invented(random, view, (PROJECT, ORGANIZATION)).items()
        }
        made(view, tables, (PROJECT, ORGANIZATION))


def test_every_function_has_a_view() -> None:
    assert {view.made.by for view in VIEWS if view.made is not None} == set(MAKERS)
