"""One meaning for each thing, through whole scans: of small clusters over a socket, and of manifests."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed, Resource
from tests.clusters import pod, scan, thing, verdicts

Document = dict[str, Any]
PASSWORD = "hunter2hunter2"
SERVED = (
    ("security.istio.io/v1", Resource("peerauthentications", "PeerAuthentication")),
    ("argoproj.io/v1alpha1", Resource("applications", "Application")),
    ("monitoring.coreos.com/v1", Resource("prometheusrules", "PrometheusRule")),
    ("monitoring.coreos.com/v1", Resource("prometheuses", "Prometheus")),
    ("elbv2.k8s.aws/v1beta1", Resource("ingressclassparams", "IngressClassParams", namespaced=False)),
    ("velero.io/v1", Resource("schedules", "Schedule")),
)


def judged(folder: Path, rules: list[str], *objects: Document, **options: Any) -> dict[tuple[str, str], str]:
    """(rule's last name, resource) -> verdict, of a cluster that holds these objects."""
    made = Cluster()
    for version, resource in SERVED:
        made.serve(version, resource)
    spaces = sorted({each["metadata"]["namespace"] for each in objects if each["metadata"].get("namespace")})
    made.add(*(thing("Namespace", name, status={"phase": "Active"}) for name in spaces), *objects)
    with ClusterBed(made) as bed, scan(bed, folder, rules=rules, options=options) as done:
        return {name: verdict for name, (verdict, _) in verdicts(done).items()}


def one(folder: Path, rule: str, *objects: Document, **options: Any) -> str:
    """The one verdict of a rule."""
    (verdict,) = judged(folder, [rule], *objects, **options).values()
    return verdict


def controller(image: str, ready: int = 1, arguments: tuple[str, ...] = ()) -> Document:
    """A deployment of one container."""
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "main", "image": image, "args": list(arguments)}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    return thing("Deployment", "controller", "platform", api="apps/v1", spec=spec, status={"availableReplicas": ready})


STRICT = thing("PeerAuthentication", "default", "istio-system", api="security.istio.io/v1", spec={"mtls": {"mode": "STRICT"}})


@pytest.mark.parametrize(
    ("more", "verdict"),
    [
        ((), "unknown"),
        ((controller("docker.io/istio/pilot:1.27.0"),), "pass"),
        ((controller("registry.example.com/mirror/istio/pilot:1.27.0"),), "pass"),
        ((controller("docker.io/istio/pilot:1.27.0", ready=0),), "unknown"),
        ((controller("docker.io/istio/proxyv2:1.27.0"),), "unknown"),
    ],
)
def test_a_mesh_is_one_where_its_controller_runs(tmp_path: Path, more: tuple[Document, ...], verdict: str) -> None:
    assert one(tmp_path, "kubernetes.istio.peer_authentication_strict", STRICT, *more) == verdict


@pytest.mark.parametrize(
    ("names", "verdict"),
    [((), "unknown"), (("istio-proxy",), "pass"), (("istio-proxy", ""), "unknown")],
    ids=["nothing in the mesh", "all in the mesh", "one pod beside the mesh"],
)
def test_a_strict_mesh_encrypts_only_what_is_in_it(tmp_path: Path, names: tuple[str, ...], verdict: str) -> None:
    pods = []
    for number, proxy in enumerate(names):
        made = pod(f"web-{number}", "shop")
        made["spec"]["containers"] += [{"name": proxy, "image": "docker.io/istio/proxyv2:1.27.0"}] if proxy else []
        pods.append(made)
    running = (controller("docker.io/istio/pilot:1.27.0"), STRICT, *pods)
    assert one(tmp_path, "kubernetes.networking.pod_traffic_encrypted", *running) == verdict


def agent(name: str, *arguments: str) -> Document:
    """A daemon set of the network, as it stands on every node."""
    template = {"metadata": {"labels": {"a": name}}, "spec": {"containers": [{"name": "main", "image": "x:1", "args": list(arguments)}]}}
    spec = {"selector": {"matchLabels": {"a": name}}, "template": template}
    return thing("DaemonSet", name, "kube-system", api="apps/v1", spec=spec, status={"desiredNumberScheduled": 1, "numberReady": 1})


@pytest.mark.parametrize(
    ("agents", "verdict"),
    [
        ((), "pass"),
        ((agent("kube-flannel-ds"),), "unknown"),
        ((agent("kube-flannel-ds"), agent("kube-network-policies")), "pass"),
        ((agent("aws-node", "--enable-network-policy=true"),), "pass"),
        ((agent("aws-node", "--enable-network-policy=false"),), "unknown"),
        ((agent("somebodys-network"),), "pass"),
    ],
    ids=["none is seen", "flannel", "flannel and one that enforces", "AWS, switched on", "AWS, switched off", "one that is not known"],
)
def test_a_network_policy_is_a_text_where_the_network_heeds_none(tmp_path: Path, agents: tuple[Document, ...], verdict: str) -> None:
    deny = thing("NetworkPolicy", "deny", "shop", api="networking.k8s.io/v1", spec={"podSelector": {}, "policyTypes": ["Ingress"]})
    found = judged(tmp_path, ["kubernetes.networking.namespace_denies_ingress"], deny, pod("web", "shop"), *agents)
    assert found[("namespace_denies_ingress", "shop")] == verdict


@pytest.mark.parametrize(
    ("version", "agents", "verdict"),
    [
        ("v1.34.1-eks-1234567", (), "unknown"),
        ("v1.34.1-eks-1234567", (agent("kube-proxy"),), "unknown"),
        ("v1.34.1-gke.1829001", (), "unknown"),
        ("v1.34.1-gke.1829001", (agent("anetd"),), "pass"),
        ("v1.34.1-eks-1234567", (agent("aws-node", "--enable-network-policy=true"),), "pass"),
        ("v1.34.1-eks-1234567", (agent("calico-node"),), "pass"),
        ("v1.34.1+k3s1", (), "pass"),
    ],
)
def test_a_managed_cluster_heeds_policies_where_what_heeds_them_is_seen(
    tmp_path: Path, version: str, agents: tuple[Document, ...], verdict: str
) -> None:
    deny = thing("NetworkPolicy", "deny", "shop", api="networking.k8s.io/v1", spec={"podSelector": {}, "policyTypes": ["Ingress"]})
    spaces = (thing("Namespace", name, status={"phase": "Active"}) for name in ("shop", "kube-system"))
    made = Cluster()
    made.add(*spaces, deny, pod("web", "shop"), *agents)
    told = {"major": "1", "minor": "34", "gitVersion": version}
    with ClusterBed(made, version=told) as bed, scan(bed, tmp_path, rules=["kubernetes.networking.namespace_denies_ingress"]) as done:
        found = verdicts(done)
    assert found["namespace_denies_ingress", "shop"][0] == verdict


def test_a_policy_of_no_mesh_passes_nothing_and_a_weak_one_fails(tmp_path: Path) -> None:
    weak = {**STRICT, "spec": {"mtls": {"mode": "PERMISSIVE"}}}
    assert one(tmp_path, "kubernetes.istio.peer_authentication_strict", STRICT) == "unknown"
    assert one(tmp_path, "kubernetes.istio.peer_authentication_strict", weak) == "fail"


def test_an_application_that_was_never_compared_heals_nothing_yet(tmp_path: Path) -> None:
    spec = {"syncPolicy": {"automated": {"selfHeal": True, "prune": True}}}
    never = thing("Application", "shop", "argocd", api="argoproj.io/v1alpha1", spec=spec)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    compared = {**never, "status": {"reconciledAt": now, "sync": {"status": "Synced"}}}
    stale = {**never, "status": {"reconciledAt": "2025-01-01T00:00:00Z", "sync": {"status": "Synced"}}}
    assert one(tmp_path, "kubernetes.argocd.applications_self_heal", never) == "unknown"
    assert one(tmp_path, "kubernetes.argocd.applications_self_heal", stale) == "unknown"
    assert one(tmp_path, "kubernetes.argocd.applications_self_heal", compared) == "pass"
    by_hand = {**compared, "spec": {}}
    assert one(tmp_path, "kubernetes.argocd.applications_self_heal", by_hand) == "fail"


def alerting(expression: str) -> Document:
    groups = [{"name": "a", "rules": [{"alert": "Alert", "expr": expression}]}]
    return thing("PrometheusRule", "a", "platform", api="monitoring.coreos.com/v1", spec={"groups": groups})


PROMETHEUS = controller("quay.io/prometheus/prometheus:v3.0.0")
AGENT = controller("quay.io/prometheus/prometheus:v3.0.0", arguments=("--agent", "--storage.agent.path=/prometheus"))
OF_THE_OPERATOR = thing("Prometheus", "k8s", "platform", api="monitoring.coreos.com/v1", spec={})
SELECTING = thing("Prometheus", "k8s", "platform", api="monitoring.coreos.com/v1", spec={"ruleSelector": {}})


@pytest.mark.parametrize(
    ("objects", "verdict"),
    [
        ((), "unknown"),
        ((alerting("kube_resourcequota > 1"),), "unknown"),
        ((alerting("kube_resourcequota > 1"), PROMETHEUS), "unknown"),
        ((alerting("kube_resourcequota > 1"), PROMETHEUS, SELECTING), "pass"),
        ((alerting("kube_resourcequota > 1"), AGENT), "unknown"),
        ((alerting("up == 0"), PROMETHEUS), "unknown"),
        ((alerting("up == 0"), PROMETHEUS, OF_THE_OPERATOR), "fail"),
        ((alerting("up == 0"), AGENT, OF_THE_OPERATOR), "unknown"),
        ((alerting("up == 0"), controller("gcr.io/datadoghq/agent:7.60.0")), "unknown"),
    ],
)
def test_what_no_rule_alerts_on_may_be_alerted_on_elsewhere(tmp_path: Path, objects: tuple[Document, ...], verdict: str) -> None:
    assert one(tmp_path, "kubernetes.monitoring.quota_alerts", thing("Namespace", "x"), *objects) == verdict


def ingress(annotations: Document | None = None, **spec: Any) -> Document:
    rules = [{"host": "shop.example.com", "http": {"paths": []}}]
    made = thing("Ingress", "web", "shop", api="networking.k8s.io/v1", spec={"rules": rules, **spec})
    return {**made, "metadata": {**made["metadata"], "annotations": annotations or {}}}


def balanced(name: str, parameters: str, is_default: str = "false") -> Document:
    """A class of ingresses that the AWS Load Balancer Controller serves."""
    spec = {
        "controller": "ingress.k8s.aws/alb",
        "parameters": {"apiGroup": "elbv2.k8s.aws", "kind": "IngressClassParams", "name": parameters},
    }
    made = thing("IngressClass", name, api="networking.k8s.io/v1", spec=spec)
    return {**made, "metadata": {**made["metadata"], "annotations": {"ingressclass.kubernetes.io/is-default-class": is_default}}}


CERTIFIED = thing(
    "IngressClassParams", "ours", api="elbv2.k8s.aws/v1beta1", spec={"certificateArn": ["arn:aws:acm:eu-west-1:1:certificate/a"]}
)
SECTION = [{"hosts": ["shop.example.com"]}]
HTTP_ONLY = {"alb.ingress.kubernetes.io/listen-ports": '[{"HTTP": 80}]'}


@pytest.mark.parametrize(
    ("objects", "verdict"),
    [
        ((ingress(ingressClassName="public"), balanced("public", "ours"), CERTIFIED), "pass"),
        ((ingress(), balanced("public", "ours", "true"), CERTIFIED), "pass"),
        ((ingress(ingressClassName="nginx"), balanced("public", "ours", "true"), CERTIFIED), "fail"),
        ((ingress(ingressClassName="public"), balanced("public", "other"), CERTIFIED), "fail"),
        ((ingress(HTTP_ONLY, ingressClassName="public"), balanced("public", "ours"), CERTIFIED), "fail"),
        ((ingress(ingressClassName="public", tls=SECTION), balanced("public", "other")), "fail"),
        ((ingress(ingressClassName="nginx", tls=SECTION), balanced("public", "ours")), "pass"),
        ((ingress(HTTP_ONLY, ingressClassName="nginx", tls=SECTION),), "pass"),  # what another controller was told once
        ((ingress({"traefik.ingress.kubernetes.io/router.tls": "true"}, ingressClassName="nginx"),), "fail"),
        ((ingress(ingressClassName="nginx", tls=SECTION, rules=[{"host": "shop.example.com"}, {"http": {"paths": []}}]),), "unknown"),
    ],
)
def test_an_aws_load_balancer_has_tls_where_its_class_or_annotations_say_so(
    tmp_path: Path, objects: tuple[Document, ...], verdict: str
) -> None:
    assert one(tmp_path, "kubernetes.gateway.ingress_has_tls", *objects) == verdict


def test_a_volume_may_be_backed_up_by_what_is_not_read(tmp_path: Path) -> None:
    claim = thing("PersistentVolumeClaim", "data", "shop", spec={}, status={"phase": "Bound"})
    assert one(tmp_path, "kubernetes.velero.claims_are_backed_up", claim) == "unknown"
    paused = thing(
        "Schedule", "all", "velero", api="velero.io/v1", spec={"schedule": "@daily", "paused": True}, status={"phase": "Enabled"}
    )
    assert one(tmp_path, "kubernetes.velero.claims_are_backed_up", claim, paused) == "fail"


@pytest.mark.parametrize(
    ("system", "more", "verdict"),
    [
        ("Ubuntu 24.04.1 LTS", (), "fail"),
        ("Talos (v1.9.1)", (), "unknown"),
        ("Red Hat Enterprise Linux CoreOS 419.97", (), "unknown"),
        ("Ubuntu 24.04.1 LTS", (controller("ghcr.io/kubereboot/kured:1.17.0"),), "unknown"),
    ],
)
def test_the_age_of_a_node_says_nothing_of_patches_that_come_in_place(
    tmp_path: Path, system: str, more: tuple[Document, ...], verdict: str
) -> None:
    made: dict[str, Any] = {"metadata": {"creationTimestamp": "2020-01-01T00:00:00Z"}, "status": {"nodeInfo": {"osImage": system}}}
    assert one(tmp_path, "kubernetes.core.node_is_fresh", thing("Node", "n1", **made), *more) == verdict


def token(name: str) -> Document:
    annotations = {"kubernetes.io/service-account.name": "api"}
    return thing(
        "Secret", name, "shop", metadata={"annotations": annotations}, type="kubernetes.io/service-account-token", data={"token": "eA=="}
    )


def test_a_token_secret_that_was_made_by_hand_is_one(tmp_path: Path) -> None:
    account = thing("ServiceAccount", "api", "shop")
    rule = "kubernetes.core.service_account_no_token_secret"
    assert one(tmp_path, rule, account, token("mine")) == "unknown"
    assert one(tmp_path, rule, account, token("mine"), with_secret_metadata=True) == "fail"
    assert one(tmp_path, rule, account, with_secret_metadata=True) == "pass"
    mounting = pod("web", volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "mine"}}]}}])
    rule = "kubernetes.core.pod_token_not_from_secret"
    assert one(tmp_path, rule, mounting, token("mine")) == "unknown"
    assert one(tmp_path, rule, mounting, token("mine"), with_secret_metadata=True) == "fail"
    assert one(tmp_path, rule, mounting, token("other"), with_secret_metadata=True) == "pass"
    assert one(tmp_path, rule, pod("web"), token("mine")) == "pass"


def test_what_is_not_seen_of_a_containers_variables_holds_the_verdict_open(tmp_path: Path) -> None:
    rule = "kubernetes.core.secret_no_cloud_keys"

    def with_container(**container: Any) -> Document:
        return pod(
            "web", containers=[{"name": "main", "image": "a:1", **container}], volumes=[{"name": "s", "secret": {"secretName": "s"}}]
        )

    assert one(tmp_path, rule, with_container()) == "pass"
    assert one(tmp_path, rule, with_container(envFrom=[{"secretRef": {"name": "cloud"}}])) == "unknown"
    assert one(tmp_path, rule, with_container(volumeMounts=[{"name": "s", "mountPath": "/s"}])) == "unknown"
    named = [{"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]
    assert one(tmp_path, rule, with_container(env=named, envFrom=[{"secretRef": {"name": "cloud"}}])) == "fail"


def test_an_account_under_its_old_name_is_the_pods_own(tmp_path: Path) -> None:
    assert one(tmp_path, "kubernetes.core.pod_token_own_account", pod("web", serviceAccount="own")) == "pass"


# ---- manifests -------------------------------------------------------------------------------------------------------------


def of_files(folder: Path, rules: list[str], *objects: Document) -> dict[tuple[str, str], str]:
    file = folder / "objects.yaml"
    file.write_text("\n---\n".join(json.dumps(each) for each in objects))
    with api.scan([f"kubernetes:{file}"], rules=rules) as done:
        return {name: verdict for name, (verdict, _) in verdicts(done).items()}


PRIVILEGED: Document = {"containers": [{"name": "a", "image": "x:1", "securityContext": {"privileged": True}}]}
MAKERS: dict[tuple[str, str], Document] = {
    ("extensions/v1beta1", "Deployment"): {"spec": {"template": {"spec": PRIVILEGED}}},
    ("serving.knative.dev/v1", "Service"): {"spec": {"template": {"spec": PRIVILEGED}}},
    ("apps.openshift.io/v1", "DeploymentConfig"): {"spec": {"template": {"spec": PRIVILEGED}}},
    ("v1", "PodTemplate"): {"template": {"spec": PRIVILEGED}},
    ("argoproj.io/v1alpha1", "Workflow"): {"spec": {"templates": [{"name": "t", "container": PRIVILEGED["containers"][0]}]}},
    ("argoproj.io/v1alpha1", "CronWorkflow"): {
        "spec": {"workflowSpec": {"templates": [{"name": "t", "script": PRIVILEGED["containers"][0]}]}}
    },
    ("tekton.dev/v1", "Task"): {"spec": {"steps": PRIVILEGED["containers"]}},
    ("tekton.dev/v1", "Pipeline"): {"spec": {"tasks": [{"name": "t", "taskSpec": {"steps": PRIVILEGED["containers"]}}]}},
    ("jobset.x-k8s.io/v1alpha2", "JobSet"): {"spec": {"replicatedJobs": [{"template": {"spec": {"template": {"spec": PRIVILEGED}}}}]}},
    ("ray.io/v1", "RayCluster"): {"spec": {"headGroupSpec": {"template": {"spec": PRIVILEGED}}}},
    ("apps/v1", "ReplicaSet"): {"spec": {"template": {"spec": PRIVILEGED}}},
}


@pytest.mark.parametrize(("version", "kind"), MAKERS, ids=[kind for _, kind in MAKERS])
def test_whatever_makes_pods_is_judged_by_them(tmp_path: Path, version: str, kind: str) -> None:
    owned = {"ownerReferences": [{"kind": "Deployment", "name": "not-in-these-files"}]} if kind == "ReplicaSet" else {}
    made = thing(kind, "maker", "shop", api=version, metadata=owned, **MAKERS[version, kind])
    found = of_files(tmp_path, ["kubernetes.core.container_not_privileged"], made)
    assert set(found.values()) == {"fail"}


@pytest.mark.parametrize(
    ("version", "kind", "spec"),
    [
        ("kyverno.io/v1", "ClusterPolicy", {"rules": [{"validate": {"pattern": {"spec": PRIVILEGED}}}]}),
        ("constraints.gatekeeper.sh/v1beta1", "K8sPods", {"parameters": PRIVILEGED}),
    ],
)
def test_what_talks_about_pods_makes_none(tmp_path: Path, version: str, kind: str, spec: Document) -> None:
    found = of_files(tmp_path, ["kubernetes.core.container_not_privileged"], thing(kind, "x", api=version, spec=spec))
    assert "fail" not in found.values()


def test_settings_of_manifests(tmp_path: Path) -> None:
    containers = [
        {"name": "written", "image": "a:1", "env": [{"name": "DB_PASS", "value": PASSWORD}]},
        {"name": "argument", "image": "a:1", "args": ["--token", PASSWORD]},
        {"name": "filled", "image": "a:1", "env": [{"name": "DB_PASS", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
        {"name": "open", "image": "a:1", "env": [{"name": "DB_SECRET", "value": "shop-db"}]},
        {"name": "weak", "image": "a:1", "env": [{"name": "POSTGRES_PASSWORD", "value": "changeme"}]},
    ]
    maps = [
        thing("ConfigMap", "named", "shop", data={"api-key": PASSWORD}),
        thing("ConfigMap", "binary", "shop", binaryData={"a.env": base64.b64encode(f"DB_PASSWORD={PASSWORD}\n".encode()).decode()}),
        thing("ConfigMap", "plain", "shop", data={"a.env": "LOG_LEVEL=debug\nDB_PASSWORD=${FROM_ELSEWHERE}\n"}),
    ]
    rules = ["container_settings_hold_no_key", "container_names_its_secrets", "config_map_holds_no_secret"]
    found = of_files(tmp_path, [f"kubernetes.core.{each}" for each in rules], pod("web", containers=containers), *maps)
    by_place = {(rule, key.split("#")[0].rpartition("/")[2]): verdict for (rule, key), verdict in found.items()}
    assert by_place == {
        (rules[0], "written"): "fail",
        (rules[0], "argument"): "fail",
        (rules[0], "filled"): "pass",
        (rules[0], "open"): "unknown",
        (rules[0], "weak"): "unknown",
        (rules[1], "written"): "fail",
        (rules[1], "argument"): "fail",
        (rules[1], "filled"): "pass",
        (rules[1], "open"): "unknown",
        (rules[1], "weak"): "fail",
        (rules[2], "named"): "fail",
        (rules[2], "binary"): "fail",
        (rules[2], "plain"): "pass",
    }


def restricted(**spec: Any) -> Document:
    return pod("web", **{"containers": [{"name": "a", "image": "x:1"}], **spec})


@pytest.mark.parametrize(
    ("rule", "spec", "verdict"),
    [
        ("pod_restricted_volume_types", {"volumes": [{"name": "v", "image": {"reference": "x:1"}}]}, "pass"),
        ("pod_sets_safe_sysctls_only", {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]}}, "pass"),
        ("pod_sets_safe_sysctls_only", {"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_wmem", "value": "1"}]}}, "fail"),
        ("pod_sets_safe_sysctls_only", {"securityContext": {"sysctls": [{"name": "kernel/msgmax", "value": "1"}]}}, "fail"),
        ("container_user_is_not_root", {"hostUsers": False, "securityContext": {"runAsUser": 0}}, "pass"),
        ("container_user_is_not_root", {"hostUsers": True, "securityContext": {"runAsUser": 0}}, "fail"),
        ("container_runs_as_non_root", {"hostUsers": False}, "pass"),
        ("container_runs_as_non_root", {"os": {"name": "windows"}}, "fail"),
        # an image without a user of its own runs as ContainerAdministrator there, and the kubelet lets it
        ("container_runs_as_non_root", {"os": {"name": "windows"}, "securityContext": {"runAsNonRoot": True}}, "unknown"),
        ("container_has_seccomp_profile", {"os": {"name": "windows"}}, "not_applicable"),
        ("container_has_resource_limits", {"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}, "pass"),
        ("container_has_resource_limits", {"resources": {"limits": {"memory": "0"}, "requests": {"cpu": 1}}}, "fail"),
    ],
)
def test_pods_as_the_newest_servers_judge_them(tmp_path: Path, rule: str, spec: Document, verdict: str) -> None:
    found = of_files(tmp_path, [f"kubernetes.core.{rule}"], restricted(**spec))
    assert set(found.values()) == {verdict}
