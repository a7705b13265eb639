"""Whose a right or a certificate is: the platform's, a vendor's, our own; a gateway's or a workload's. On whole scans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clusters import crd, pod, thing
from tests.providers.kubernetes.policies.rbac.given import account, binding, role, rule, user
from tests.scan.test_kubernetes_admission import SERVER, said, space

Json = Any
RBAC = "rbac.authorization.k8s.io/v1"
PROXY = {"name": "istio-proxy", "image": "docker.io/istio/proxyv2:1.28.2"}
MAIN = {"name": "main", "image": "registry.example.com/main:1"}
CERTIFIED = ["kubernetes.spire.workload_certificates"]
SPIFFE = crd("clusterspiffeids", "ClusterSPIFFEID", "v1alpha1", group="spire.spiffe.io", scope="Cluster")


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ({"containers": [MAIN, PROXY]}, "pass"),
        ({"containers": [MAIN], "initContainers": [{**PROXY, "restartPolicy": "Always"}]}, "pass"),
        ({"containers": [PROXY]}, "unknown"),
        ({"containers": [MAIN]}, "unknown"),
    ],
)
def test_a_gateway_is_no_workload_with_a_certificate(tmp_path: Path, spec: Json, verdict: str) -> None:
    found = said(tmp_path, SERVER, space("shop"), pod("web", "shop", **spec), rules=CERTIFIED)
    assert {answer for answer, _ in found.values()} == {verdict}


@pytest.mark.parametrize(("failures", "agents", "verdict"), [(0, 3, "pass"), (4, 3, "fail"), (0, 0, "unknown")])
def test_spire_gives_certificates_where_it_takes_entries_and_its_agents_run(
    tmp_path: Path, failures: int, agents: int, verdict: str
) -> None:
    registered = {"stats": {"entriesToSet": 4, "entryFailures": failures}}
    made = thing("ClusterSPIFFEID", "all", api="spire.spiffe.io/v1alpha1", spec={}, status=registered)
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "agent", "image": "ghcr.io/spiffe/spire-agent:1.14.0"}]},
    }
    counted = {"desiredNumberScheduled": 3, "numberReady": agents}
    agent = thing("DaemonSet", "spire-agent", "spire", api="apps/v1", spec={"template": template}, status=counted)
    found = said(tmp_path, SPIFFE, SERVER, space("shop"), made, agent, rules=CERTIFIED)
    assert {answer for answer, _ in found.values()} == {verdict}


def test_only_what_is_known_to_be_of_others_is_called_so(tmp_path: Path) -> None:
    images = {
        "vendor": "quay.io/argoproj/argocd:v3.1.8",
        "hub": "nginx:1.29",
        "perhaps": "ghcr.io/acme/deployer:7",
        "ours": "registry.example.com/main:1",
    }
    objects = []
    for name, image in images.items():
        spec = {"serviceAccountName": name, "containers": [{"name": "main", "image": image}]}
        objects.append(thing("Deployment", name, "shop", api="apps/v1", spec={"replicas": 1, "template": {"spec": spec}}))
        objects.append({"apiVersion": RBAC, **binding("cluster-admin", account("shop", name), name=name)})
    everything = {"apiVersion": RBAC, **role("cluster-admin", rule("*", "*", "*"))}
    found = said(tmp_path, SERVER, space("shop"), everything, *objects, rules=["kubernetes.rbac.third_party_not_administrator"])
    told = {resource.split("/")[1].split()[0]: answer for (_, resource), (answer, _) in found.items()}
    assert told == {"vendor": "fail", "hub": "fail", "perhaps": "unknown"}


def test_rights_of_few_leave_out_what_the_platform_runs_and_its_maker_binds(tmp_path: Path) -> None:
    names = ("kube-system/controller", "kube-system/idle", "shop/controller")
    accounts = [account(*name.split("/")) for name in names]
    objects = [
        {"apiVersion": RBAC, **role("r", rule("create", "pods"))},
        *({"apiVersion": RBAC, **binding("r", each, name=str(number))} for number, each in enumerate(accounts)),
        {"apiVersion": RBAC, **binding("r", user("eks:addon-manager"), name="eks:addon-manager")},
        {"apiVersion": RBAC, **binding("r", user("anna"), name="eks:anna")},
        pod("controller", "kube-system", serviceAccountName="controller"),
        pod("controller", "shop", serviceAccountName="controller"),
    ]
    found = said(tmp_path, SERVER, space("shop"), *objects, rules=["kubernetes.rbac.few_create_pods"])
    assert {resource: answer for (_, resource), (answer, _) in found.items()} == {
        "ServiceAccount kube-system/controller": "not_applicable",
        "ServiceAccount kube-system/idle": "fail",
        "ServiceAccount shop/controller": "fail",
        "User eks:addon-manager": "not_applicable",
        "User anna": "fail",
    }


@pytest.mark.parametrize(
    ("name", "bindings", "expected"),
    [("builder", [], None), ("deployer", [], None), ("builder", ["edit"], "unknown"), ("api", [], "unknown")],
)
def test_what_openshift_binds_in_each_project_is_not_asked_for_use(
    tmp_path: Path, name: str, bindings: list[str], expected: str | None
) -> None:
    role_of = {"builder": "system:image-builders", "deployer": "system:deployers"}
    objects = [
        {"apiVersion": RBAC, **binding(made, account("shop", name), namespace="shop", name=made)}
        for made in [role_of.get(name, "edit"), *bindings]
    ]
    found = said(tmp_path, SERVER, space("shop"), *objects, rules=["kubernetes.rbac.bound_account_is_used"])
    assert {resource: answer for (_, resource), (answer, _) in found.items()}.get(f"shop/{name}") == expected
