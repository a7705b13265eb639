"""What the functions of the wing make of a small estate: an organization, a folder in it, and a project in that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from cnamm_scan.model import MadeRow, Target
from cnamm_scan.providers.gcp import forms
from cnamm_scan.providers.gcp.made.access import is_googles, key_of
from cnamm_scan.providers.gcp.made.columns import MAKERS
from cnamm_scan.providers.interface import SeenRow
from tests.providers.fillings import CONTENT
from tests.providers.seen import Given

PROJECT = Target("gcp:shop-prod", "gcp", "shop-prod")
ORGANIZATION = Target("gcp:organizations/9", "gcp", "organizations/9")
BOTH = (PROJECT, ORGANIZATION)
LINE = ["projects/1", "folders/5", "organizations/9"]
NETWORK = "projects/shop-prod/global/networks/n"
_LEVEL = "cloudresourcemanager.googleapis.com/"
HIERARCHY: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "gcp.project.project": [{"ancestors": LINE}],
    "gcp.folder.folder": [{"@": ORGANIZATION.id, "id": "folders/5", "ancestors": LINE[1:]}],
    "gcp.organization.organization": [{"@": ORGANIZATION.id, "id": "organizations/9", "name": "shop.example"}],
}
OPEN: dict[str, Any] = {"priority": 1000, "direction": "INGRESS", "is_disabled": False, "denied": [], "source_ranges": ["0.0.0.0/0"]}
SSH: dict[str, Any] = {**OPEN, "allowed": [{"IPProtocol": "tcp", "ports": ["22"]}], "network": NETWORK}
SSH |= {name: [] for name in ("source_tags", "source_accounts", "destination_ranges", "target_tags", "target_accounts")}
KEEPS_OUT = {
    "priority": 1,
    "action": "deny",
    "direction": "INGRESS",
    "match": {"srcIpRanges": ["0.0.0.0/0", "::/0"], "layer4Configs": [{"ipProtocol": "all"}]},
}
VPC: dict[str, Any] = {"id": NETWORK, "name": "n", "order": "AFTER_CLASSIC_FIREWALL", "effective": None}
CARD: dict[str, Any] = {
    "machine": "web",
    "machine_id": "projects/shop-prod/zones/europe-west1-b/instances/web",
    "name": "nic0",
    "network": NETWORK,
}
CARD |= {"tags": [], "accounts": [], "has_address": True, "has_address6": False, "is_node": False}


@dataclass(kw_only=True)
class Estate(Given):
    """Rows as plain mappings: @ says of which target one is, else of the project; # its key."""

    told: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def rows(self, table: str) -> Sequence[SeenRow]:
        """What was seen of a table."""
        made = []
        for number, said in enumerate({**HIERARCHY, **self.told}.get(table, ())):
            target = said.get("@", PROJECT.id)
            if any(each.id == target for each in self.targets):
                values = {name: said.get(name) for name in self.reads[table]}
                made.append(SeenRow(target, "global", said.get("#", f"{table} {number}"), f"{table}/{number}", values))
        return made


def made(view: str, told: Mapping[str, Any], targets: tuple[Target, ...] = BOTH, unseen: frozenset[str] = frozenset()) -> list[MadeRow]:
    spec = CONTENT.views[view].made
    assert spec is not None
    rows = list(MAKERS[spec.by].make(Estate(told=told, targets=targets, over=spec.over, reads=spec.reads, unseen=unseen)))
    for row in rows:
        assert row.values.keys() <= CONTENT.views[view].columns.keys()
    return rows


def of(view: str, told: Mapping[str, Any], key: str, **more: Any) -> Mapping[str, Any]:
    """The values of the row with a key, in the project."""
    return next(row.values for row in made(view, told, **more) if row.key == key and row.target == PROJECT.id)


def binding(role: str, *members: str, on: str = "projects/1", kind: str = "", condition: str = "") -> dict[str, Any]:
    above = on.startswith(("folders/", "organizations/"))
    level = {"projects": "Project", "folders": "Folder", "organizations": "Organization"}[on.partition("/")[0]]
    type_ = kind or f"{_LEVEL}{level}"
    said = {"resource": on if kind else f"//{_LEVEL}{on}", "resource_id": on, "resource_type": type_, "condition": condition}
    return {**said, "role": role, "members": list(members), "@": ORGANIZATION.id if above else PROJECT.id}


# ---- who may do what -----------------------------------------------------------------------------------------------------

CI = "serviceAccount:ci@shop-prod.iam.gserviceaccount.com"
AGENT = "serviceAccount:service-11@compute-system.iam.gserviceaccount.com"
KIM, LEE = "user:kim@shop.example", "user:lee@gmail.com"
GRANTS = [
    binding("roles/owner", KIM, AGENT, "deleted:user:old@shop.example?uid=1", "projectOwner:shop-prod"),
    binding("roles/iam.serviceAccountUser", CI),
    binding("roles/run.developer", CI),
    binding("roles/viewer", LEE),
    binding("roles/resourcemanager.folderIamAdmin", "group:ops@shop.example", on="folders/5"),
    binding("roles/resourcemanager.organizationAdmin", "group:root@shop.example", on="organizations/9"),
]


def test_what_members_hold_on_a_project_counts_what_they_inherit() -> None:
    rows = {row.key: row.values for row in made("gcp.iam.principal_rights", {"gcp.iam.binding": GRANTS}) if row.target == PROJECT.id}
    assert set(rows) == {
        key_of(each) for each in (KIM, AGENT, CI, LEE, "group:ops@shop.example")
    }  # what the organization gives, it tells itself
    assert "kim" not in key_of(KIM)
    assert {each for each, values in rows.items() if values["is_administrator"]} == {
        key_of(each) for each in (KIM, AGENT, "group:ops@shop.example")
    }
    assert (rows[CI]["can_raise"], rows[CI]["ways"]) == (True, ["run.jobs.create", "run.services.create", "run.services.update"])
    assert rows[CI]["impersonates_all"] is True
    assert (rows[key_of(LEE)]["is_outside"], rows[key_of(KIM)]["is_outside"]) == (True, False)
    assert rows[key_of("group:ops@shop.example")]["is_inherited"] is True
    assert rows[AGENT]["is_googles"] is True


def test_people_and_groups_are_called_by_their_domain_and_by_what_stands_for_their_address() -> None:
    told = key_of("group:ops@shop.example")
    assert re.fullmatch(r"group [0-9a-f]{12} of shop[.]example", told)
    assert told == key_of(forms.members(["group:Ops@shop.example"])[0])  # as a binding keeps it
    assert key_of(forms.members(["user:kim@shop.example"])[0]).startswith("user ")
    assert key_of(CI) == CI
    assert "kim" not in key_of("principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/kim@shop.example")


@pytest.mark.parametrize(("level", "scope"), [(PROJECT, "projects/shop-prod"), (ORGANIZATION, "organizations/9")])
def test_a_row_says_where_gcloud_is_to_search(level: Any, scope: str) -> None:
    for table in ("gcp.iam.principal_rights", "gcp.iam.administrators"):
        assert {row.values["scope"] for row in made(table, {"gcp.iam.binding": GRANTS}) if row.target == level.id} == {scope}


def denying(*permissions: str, on: str = "organizations/9", rules: Any = None, **more: Any) -> dict[str, Any]:
    """A deny policy on a level, that refuses everybody these permissions."""
    rule = {"deniedPrincipals": ["principalSet://goog/public:all"], "deniedPermissions": [*permissions], **more}
    name = f"policies/cloudresourcemanager.googleapis.com%2F{on.replace('/', '%2F')}/denypolicies/d"
    said = {"name": name, "rules": [{"denyRule": rule}] if rules is None else rules}
    return {**said, "@": PROJECT.id if on.startswith("projects/") else ORGANIZATION.id}


SETS = "cloudresourcemanager.googleapis.com/projects.setIamPolicy"
DENY, DENY_ON_FOLDER = "gcp.iam.deny_policy", "gcp.folder.deny_policy"


@pytest.mark.parametrize(
    ("table", "on", "answer"),
    [
        (DENY, "projects/1", False),
        (DENY, "organizations/9", False),
        (DENY_ON_FOLDER, "folders/5", False),
        (DENY_ON_FOLDER, "folders/6", True),
    ],
)
def test_whom_a_deny_policy_keeps_from_giving_roles_is_no_administrator(table: str, on: str, answer: bool) -> None:
    told = {"gcp.iam.binding": GRANTS, table: [denying(SETS, on=on)]}
    assert of("gcp.iam.principal_rights", told, key_of(KIM))["is_administrator"] is answer
    spared = denying(SETS, on=on, exceptionPrincipals=["principal://goog/subject/kim@shop.example"])
    assert of("gcp.iam.principal_rights", {**told, table: [spared]}, key_of(KIM))["is_administrator"] is True


@pytest.mark.parametrize("rules", [[{"allowRule": {}}], [7], "x", [{"denyRule": {"deniedPrincipals": "x"}}]])
def test_a_deny_policy_that_was_not_read_or_not_understood_makes_what_it_may_refuse_unknown(rules: Any) -> None:
    told = {"gcp.iam.binding": GRANTS, DENY: [denying(rules=rules)]}
    assert of("gcp.iam.principal_rights", told, key_of(KIM))["is_administrator"] is None
    assert of("gcp.iam.principal_rights", told, key_of(LEE))["is_administrator"] is False
    assert of("gcp.iam.administrators", told, "shop-prod")["at_least"] == 0
    assert of("gcp.iam.administrators", told, "shop-prod")["at_most"] == 3


@pytest.mark.parametrize("name", [None, "", "policies/x", "policies/h%2Fprojects%2F1/denypolicies/a/b/c"])
def test_a_deny_policy_of_which_nobody_knows_where_it_holds_may_hold_here(name: str | None) -> None:
    told = {"gcp.iam.binding": GRANTS, DENY: [{**denying(SETS), "name": name}]}
    assert of("gcp.iam.principal_rights", told, key_of(KIM))["is_administrator"] is None
    assert of("gcp.iam.escalation_denied", told, "shop-prod")["denies_granting"] is None


@pytest.mark.parametrize("unseen", [DENY, DENY_ON_FOLDER, "gcp.folder.folder"])
def test_deny_policies_that_were_asked_for_and_not_seen_make_only_what_they_may_refuse_unknown(unseen: str) -> None:
    told = {"gcp.iam.binding": GRANTS, **({unseen: [], DENY_ON_FOLDER: []} if unseen == "gcp.folder.folder" else {})}
    dark = frozenset({unseen, DENY_ON_FOLDER}) if unseen == "gcp.folder.folder" else frozenset({unseen})
    assert of("gcp.iam.principal_rights", told, key_of(KIM), unseen=dark)["is_administrator"] is None
    if unseen != "gcp.folder.folder":  # else it is not seen what is given there either
        assert of("gcp.iam.principal_rights", told, key_of(LEE), unseen=dark)["is_administrator"] is False
    assert of("gcp.iam.escalation_denied", told, "shop-prod", unseen=dark)["denies_granting"] is None


def test_what_may_be_denied_above_the_scan_is_not_counted_and_no_bound_is_missed_for_it() -> None:
    told = {"gcp.iam.binding": GRANTS}
    assert of("gcp.iam.principal_rights", told, key_of(KIM), targets=(PROJECT,))["is_administrator"] is True
    bounds = {each: of("gcp.iam.escalation_denied", told, "shop-prod", targets=those) for each, those in {1: (PROJECT,), 2: BOTH}.items()}
    assert [each["denies_granting"] for each in bounds.values()] == [None, False]
    own = {DENY: [denying(SETS, "iam.googleapis.com/serviceAccountKeys.create", on="projects/1")]}
    assert of("gcp.iam.escalation_denied", own, "shop-prod", targets=(PROJECT,)) == {
        "place": "shop-prod",
        "denies_granting": True,
        "denies_keys": True,
    }


def test_administrators_are_counted_without_google_and_at_most_where_all_is_seen() -> None:
    assert of("gcp.iam.administrators", {"gcp.iam.binding": GRANTS}, "shop-prod") == {
        "at_least": 3,
        "at_most": 3,
        "standing": 3,
        "scope": "projects/shop-prod",
        "names": sorted(map(key_of, (KIM, "group:ops@shop.example", "group:root@shop.example"))),
    }
    alone = of("gcp.iam.administrators", {"gcp.iam.binding": GRANTS}, "shop-prod", targets=(PROJECT,))
    assert (alone["at_least"], alone["at_most"], alone["standing"]) == (1, None, None)
    outside = {"gcp.iam.binding": GRANTS, "gcp.project.project": [{"ancestors": ["projects/1"]}]}
    assert of("gcp.iam.administrators", outside, "shop-prod", targets=(PROJECT,))["at_most"] == 1  # a project of no organization


def test_who_may_act_as_an_account() -> None:
    account: dict[str, Any] = {
        "email": CI.partition(":")[2],
        "unique_id": "11",
        "is_disabled": False,
        "#": "//iam.googleapis.com/projects/shop-prod/serviceAccounts/11",
    }
    kind = "iam.googleapis.com/ServiceAccount"
    on = "projects/shop-prod/serviceAccounts/11"
    other = "serviceAccount:x@elsewhere.iam.gserviceaccount.com"
    for members, public, foreign in ((["allUsers"], True, False), ([KIM], False, False), ([other], False, True), ([AGENT], False, False)):
        told = {
            "gcp.iam.service_account": [account],
            "gcp.iam.binding": [*GRANTS, binding("roles/iam.serviceAccountTokenCreator", *members, on=on, kind=kind)],
        }
        found = of("gcp.iam.service_account_access", told, account["#"])
        assert (found["is_public"], found["is_used_from_another_project"]) == (public, foreign)
        assert (found["is_administrator"], found["can_raise"], found["holds_editor"]) == (False, True, False)
        assert found["names"] == sorted(map(key_of, members))
        dark = of("gcp.iam.service_account_access", told, account["#"], unseen=frozenset({"gcp.iam.binding"}))
        assert dark["is_public"] is (True if public else None)


def test_who_is_googles() -> None:
    for name, answer in (
        ("11@cloudservices.gserviceaccount.com", True),
        ("service-11@gcp-sa-pubsub.iam.gserviceaccount.com", True),
        ("service-11@shop-prod.iam.gserviceaccount.com", False),  # anybody may call one of his own so
        ("11@cloudbuild.gserviceaccount.com", False),  # builds of whoever may start one run as it
        ("11-compute@developer.gserviceaccount.com", False),
    ):
        assert is_googles(f"serviceAccount:{name}") is answer, name


# ---- what is open ----------------------------------------------------------------------------------------------------------


def exposure(told: Mapping[str, Any], targets: tuple[Target, ...] = BOTH) -> bool | None:
    (row,) = made("gcp.network.interface_exposure", {"gcp.network.interface": [CARD], "gcp.vpc.network": [VPC], **told}, targets)
    found: bool | None = row.values["opens_ssh_or_rdp"]
    return found


def test_hierarchical_policies_stand_above_what_a_project_shows() -> None:
    rules = {"gcp.network.firewall": [SSH]}
    above = {"gcp.network.firewall_policy": [{"@": ORGANIZATION.id, "attached_to": ["organizations/9"], "rules": [KEEPS_OUT]}]}
    assert exposure(rules) is True
    assert exposure({**rules, **above}) is False
    assert exposure(rules, (PROJECT,)) is None  # what the organization keeps out was not seen
    assert exposure({}, (PROJECT,)) is None
    told = {**rules, "gcp.vpc.network": [{**VPC, "effective": []}]}
    assert exposure(told, (PROJECT,)) is True  # the network itself tells
    told = {**rules, "gcp.vpc.network": [{**VPC, "effective": [{"type": "HIERARCHY", "rules": [KEEPS_OUT]}]}]}
    assert exposure(told, (PROJECT,)) is False


def test_network_policies_come_after_the_rules_or_before_them() -> None:
    rules = {
        "gcp.network.firewall": [SSH],
        "gcp.network.network_policy": [{"attached_to": [f"https://x/compute/v1/{NETWORK}"], "rules": [KEEPS_OUT]}],
    }
    assert exposure(rules) is True
    assert exposure({**rules, "gcp.vpc.network": [{**VPC, "order": "BEFORE_CLASSIC_FIREWALL"}]}) is False
    assert exposure({**rules, "gcp.vpc.network": [{**VPC, "order": None}]}) is None
    before = {"gcp.vpc.network": [{**VPC, "order": "BEFORE_CLASSIC_FIREWALL"}], "gcp.network.firewall": [SSH]}
    for place, answer in (("https://x/compute/v1/projects/shop-prod/regions/europe-west1", False), ("regions/us-east1", True)):
        regional = [{"attached_to": [NETWORK], "rules": [KEEPS_OUT], "place": place}]
        assert exposure({**before, "gcp.network.regional_policy": regional}) is answer


def test_an_interface_is_reached_by_what_it_has_an_address_of() -> None:
    six = {"gcp.network.firewall": [{**SSH, "source_ranges": ["::/0"]}]}
    assert exposure(six) is False
    assert exposure({**six, "gcp.network.interface": [{**CARD, "has_address6": True}]}) is True
    assert exposure({**six, "gcp.network.interface": [{**CARD, "has_address6": None}]}) is None
    assert not made("gcp.network.interface_exposure", {"gcp.network.interface": [{**CARD, "has_address": False}], "gcp.vpc.network": [VPC]})
    assert (
        exposure({"gcp.network.interface": [{**CARD, "network": "projects/host/global/networks/n"}]}) is None
    )  # of a host that is not scanned


def test_a_network_is_told_by_the_machine_that_is_most_open() -> None:
    for tags, answer in (([], True), (["bastion"], True)):
        told = {"gcp.vpc.network": [{**VPC, "effective": []}], "gcp.network.firewall": [{**SSH, "target_tags": tags}]}
        (row,) = made("gcp.network.network_exposure", told)
        assert row.values["opens_ssh_or_rdp"] is answer
    told = {"gcp.vpc.network": [{**VPC, "effective": []}], "gcp.network.firewall": []}
    assert made("gcp.network.network_exposure", told)[0].values["opens_remote_administration"] is False


def policy(constraint: str, on: str, *rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    said = {
        "name": constraint,
        "resource_id": on,
        "rules": list(rules),
        "inherits": False,
        "resets": False,
        "has_spec": True,
        "has_dry_run": False,
    }
    return {**said, "@": PROJECT.id if on.startswith("projects/") else ORGANIZATION.id, **more}


PREVENTS = "storage.publicAccessPrevention"


def test_a_bucket_is_open_unless_it_is_prevented_there_or_above() -> None:
    bucket: dict[str, Any] = {"#": "//storage.googleapis.com/a", "name": "a", "prevention": "inherited", "is_uniform": True}
    given = {**binding("roles/storage.objectViewer", "allUsers"), "resource": bucket["#"], "resource_type": "storage.googleapis.com/Bucket"}
    told = {"gcp.storage.bucket": [bucket], "gcp.iam.binding": [given]}
    above = {"gcp.orgpolicy.policy": [policy(PREVENTS, "organizations/9", {"enforce": True})]}
    for view in ("gcp.storage.bucket_access", "gcp.iam.public_access"):

        def public(told: Mapping[str, Any], targets: tuple[Target, ...] = BOTH, view: str = view) -> Any:
            return of(view, told, str(bucket["#"]), targets=targets)["is_public"]

        assert public(told) is True
        assert public({**told, **above}) is False
        assert public(told, (PROJECT,)) is None
        assert public({**told, "gcp.storage.prevention": [{"is_enforced": False}]}, (PROJECT,)) is True
        answered = {**told, "gcp.storage.prevention": [{"is_enforced": True}]}
        assert public(answered, (PROJECT,)) is False
        assert public({**answered, "gcp.project.tag_binding": [{"parent": bucket["#"]}]}, (PROJECT,)) is None
        tags = {"expression": "resource.matchTag('9/public', 'yes')"}
        excepted = policy(PREVENTS, "organizations/9", {"enforce": True}, {"enforce": False, "condition": tags})
        assert public({**answered, "gcp.orgpolicy.policy": [excepted]}) is None
        assert public({**told, "gcp.storage.bucket": [{**bucket, "prevention": "enforced"}]}, (PROJECT,)) is False
    assert of("gcp.storage.bucket_access", {**told, "gcp.iam.binding": []}, str(bucket["#"]))["is_public"] is False


def test_a_service_is_open_where_the_internet_reaches_it() -> None:
    given = {
        **binding("roles/run.invoker", "allUsers"),
        "resource": "//run.googleapis.com/a",
        "resource_type": "run.googleapis.com/Service",
    }
    for ingress, answer in (("all", True), ("internal", False), ("internal-and-cloud-load-balancing", None), (None, None)):
        service = {"#": given["resource"], "id": "a", "ingress": ingress, "skips_iam": False, "has_own_url": True}
        told = {"gcp.iam.binding": [given], "gcp.run.service": [service]}
        assert of("gcp.iam.public_access", told, "//run.googleapis.com/a")["is_public"] is answer
        asks_nobody = {"gcp.iam.binding": [], "gcp.run.service": [{**service, "skips_iam": True}]}
        assert of("gcp.iam.public_access", asks_nobody, "//run.googleapis.com/a")["is_public"] is answer
        behind = {"gcp.iam.binding": [given], "gcp.run.service": [{**service, "has_own_url": False}]}  # what leads to it is not read
        assert of("gcp.iam.public_access", behind, "//run.googleapis.com/a")["is_public"] is (False if ingress == "internal" else None)


def test_a_role_that_was_given_until_last_year_is_none_of_who_had_it() -> None:
    until = 'request.time < timestamp("{}-01-01T00:00:00Z")'
    for year, roles in ((2020, ["roles/viewer"]), (2999, ["roles/iam.serviceAccountUser", "roles/viewer"])):
        held = [binding("roles/viewer", CI), binding("roles/iam.serviceAccountUser", CI, condition=until.format(year))]
        assert of("gcp.iam.principal_rights", {"gcp.iam.binding": held}, CI)["roles"] == roles


def test_a_function_is_open_where_the_internet_reaches_it() -> None:
    given = {
        **binding("roles/cloudfunctions.invoker", "allUsers"),
        "resource": "//cloudfunctions.googleapis.com/a",
        "resource_type": "cloudfunctions.googleapis.com/CloudFunction",
    }
    for ingress, answer in (("ALLOW_ALL", True), ("ALLOW_INTERNAL_ONLY", False), ("ALLOW_INTERNAL_AND_GCLB", None), (None, None)):
        told = {"gcp.iam.binding": [given], "gcp.cloudfunctions.first_generation": [{"#": given["resource"], "ingress": ingress}]}
        assert of("gcp.iam.public_access", told, "//cloudfunctions.googleapis.com/a")["is_public"] is answer


# ---- organization policies ---------------------------------------------------------------------------------------------------


def test_a_constraint_is_what_the_nearest_policy_says() -> None:
    keys = "iam.disableServiceAccountKeyCreation"
    top = policy(keys, "organizations/9", {"enforce": True})
    for policies, targets, answer in (
        ([], BOTH, False),
        ([top], BOTH, True),
        ([top, policy(keys, "projects/1", {"enforce": False})], BOTH, False),
        ([top, policy(keys, "projects/shop-prod", {"enforce": False})], BOTH, False),  # by its id
        ([top, policy(keys, "folders/5", resets=True)], BOTH, False),
        ([], (PROJECT,), None),
        ([policy(keys, "projects/1", {"enforce": True})], (PROJECT,), True),
    ):
        found = of("gcp.orgpolicy.effective_policy", {"gcp.orgpolicy.policy": policies}, keys, targets=targets)
        assert found["is_enforced"] is answer
        assert found["is_seen"] is (True if targets == BOTH else None)
    tried = policy(keys, "organizations/9", has_spec=False, has_dry_run=True)
    found = of("gcp.orgpolicy.effective_policy", {"gcp.orgpolicy.policy": [tried]}, keys)
    assert (found["is_enforced"], found["is_tried"]) == (False, True)


# ---- federation ----------------------------------------------------------------------------------------------------------------


def test_a_pool_is_bound_by_its_condition_or_by_every_grant() -> None:
    pool = "projects/1/locations/global/workloadIdentityPools/ci"
    provider: dict[str, Any] = {
        "name": "github",
        "pool": pool,
        "issuer": "https://token.actions.githubusercontent.com",
        "condition": "",
        "is_disabled": False,
    }
    provider["mapping"] = {"attribute.repository": "assertion.repository"}
    bound = f"principalSet://iam.googleapis.com/{pool}/attribute.repository/shop/site"
    for members, condition, targets, answer in (
        ([bound], "", BOTH, True),
        ([bound], "", (PROJECT,), None),  # it may be named in another project
        ([f"principalSet://iam.googleapis.com/{pool}/*"], "", (PROJECT,), False),
        ([f"principalSet://iam.googleapis.com/{pool}/*"], "assertion.repository_owner == 'shop'", (PROJECT,), True),
    ):
        told = {"gcp.iam.pool_provider": [{**provider, "condition": condition}], "gcp.iam.binding": [binding("roles/viewer", *members)]}
        (row,) = made("gcp.iam.pool_trust", told, targets)
        assert row.values["is_bound"] is answer
    (row,) = made("gcp.iam.pool_trust", {"gcp.iam.pool_provider": [{**provider, "issuer": ""}]})
    assert row.values["is_bound"] is True


def test_what_a_custom_role_comes_to() -> None:
    role = {"#": "r", "name": "projects/shop-prod/roles/mine", "title": "Mine", "stage": "GA", "is_deleted": False}
    held = binding("projects/shop-prod/roles/mine", KIM)
    for permissions, administers, raises in (
        (["resourcemanager.projects.setIamPolicy"], True, True),
        (["iam.serviceAccountKeys.create"], False, True),
        (["cloudbuild.builds.create"], False, None),
        (["storage.objects.get"], False, False),
    ):
        found = of("gcp.iam.custom_role_rights", {"gcp.iam.role": [{**role, "permissions": permissions}], "gcp.iam.binding": [held]}, "r")
        assert (found["is_administrator"], found["can_raise"], found["is_granted"]) == (administers, raises, True)
    off = {**role, "permissions": ["resourcemanager.projects.setIamPolicy"], "stage": "DISABLED"}
    found = of("gcp.iam.custom_role_rights", {"gcp.iam.role": [off], "gcp.iam.binding": []}, "r")
    assert (found["is_administrator"], found["can_raise"], found["is_granted"]) == (False, False, False)


def test_a_dataset_is_told_by_its_list_or_by_its_allow_policy() -> None:
    dataset = {"#": "//bigquery.googleapis.com/d", "name": "d", "project": "shop-prod"}
    type_ = "bigquery.googleapis.com/Dataset"
    own, world = (
        {**binding("roles/bigquery.dataOwner", each), "resource": dataset["#"], "resource_type": type_}
        for each in (KIM, "allAuthenticatedUsers")
    )
    for access, bindings, answer in (
        (None, [own], False),
        (None, [own, world], True),
        (None, [], None),  # no dataset is without a policy: it was not told
        ([], [], False),
        ([{"specialGroup": "allAuthenticatedUsers"}], [], True),
        ("odd", [own], None),
    ):
        told = {"gcp.bigquery.dataset": [{**dataset, "access": access}], "gcp.iam.binding": bindings}
        assert of("gcp.bigquery.dataset_access", told, dataset["#"])["is_public"] is answer


def test_in_which_order_a_network_tells_hierarchical_policies_is_not_known() -> None:
    lets_in = {**KEEPS_OUT, "action": "allow"}

    def told(*rules: Mapping[str, Any], kind: str = "HIERARCHY") -> bool | None:
        effective = [{"type": kind, "rules": [each]} for each in rules]
        return exposure({"gcp.vpc.network": [{**VPC, "effective": effective}], "gcp.network.firewall": []})

    assert told(lets_in) is True
    assert told(lets_in, KEEPS_OUT) is None
    assert told(KEEPS_OUT, KEEPS_OUT) is False
    assert told({**KEEPS_OUT, "action": "goto_next"}, lets_in) is True
    assert told(lets_in, kind="SYSTEM") is True
    assert told(lets_in, kind="SOMETHING_NEW") is None
    assert told(lets_in, KEEPS_OUT, kind="NETWORK") is True


def test_several_policies_of_one_network_are_asked_in_an_order_that_is_not_read() -> None:
    two = [{"attached_to": [NETWORK], "rules": [each]} for each in (KEEPS_OUT, {**KEEPS_OUT, "action": "allow"})]
    assert exposure({"gcp.network.network_policy": two}) is None
    assert exposure({"gcp.network.network_policy": two[:1]}) is False
