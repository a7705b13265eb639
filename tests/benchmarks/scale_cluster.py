"""A large cluster that looks like one in use: what the benchmark reads and the demo's scale run scans."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cnamm_scan.demo.cluster.bed.contents import Cluster

TEAMS = ("payments", "orders", "catalog", "search", "identity", "ledger", "media", "notify", "pricing", "reports", "risk", "stock")
STAGES = ("prod", "staging", "dev")
APPS = ("api", "worker", "web", "cache", "gateway", "scheduler", "consumer", "exporter", "admin", "sync")
SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")
PER_NAMESPACE = 40
"""Deployments in one namespace."""
PER_NODE = 60
"""Pods on one node."""
TIME = "2026-03-09T11:42:07Z"
_NAMES = uuid.UUID("2f0d3f0a-54c7-4a53-9e0b-4f1d7f3e6b11")
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes name suffixes of

Thing = dict[str, Any]


@dataclass(frozen=True)
class _App:
    """What a deployment, its replica set and its pods have in common."""

    namespace: str
    name: str
    suffix: str  # of the replica set
    replicas: int
    template: Thing

    @property
    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.template["metadata"]["labels"]
        return labels


def scale(pods: int, deployments: int, seed: int = 0) -> Cluster:
    """A cluster of so many pods, shared out over so many deployments; the same for the same arguments.

    Besides those it has namespaces (one for forty deployments), nodes (one for sixty pods), replica sets,
    service accounts, roles and their bindings, services, network policies and disruption budgets. About one
    deployment in ten is careless: privileged, on the host's network, or without limits. Raises ValueError
    for pods without a deployment to own them.
    """
    if pods and not deployments:
        message = f"got {pods} pods and no deployment, expected at least 1"
        raise ValueError(message)
    rng = random.Random(seed)
    cluster = Cluster()
    names = [*SYSTEM, *_namespaces(deployments)]
    nodes = [f"node-{number:04d}" for number in range(max(3, -(-pods // PER_NODE)))]
    for number, node in enumerate(nodes):
        cluster.add(_node(node, number))
    for number, name in enumerate(names):
        cluster.add(*_namespace(name, number))
    cluster.add(*_cluster_roles())
    used: set[str] = set()
    for number in range(deployments):
        replicas = pods // deployments + (number < pods % deployments)
        app = _app(names[len(SYSTEM) + number // PER_NAMESPACE], number, replicas, rng)
        cluster.add(*_workload(app, number))
        for pod in _pods(app, nodes, used, rng):
            cluster.add(pod)
    return cluster


def _namespaces(deployments: int) -> Iterator[str]:
    for number in range(-(-deployments // PER_NAMESPACE)):
        turn, place = divmod(number, len(TEAMS) * len(STAGES))
        stage, team = divmod(place, len(TEAMS))
        yield f"{TEAMS[team]}-{STAGES[stage]}" + (f"-{turn}" if turn else "")


def _uid(*parts: str) -> str:
    return str(uuid.uuid5(_NAMES, "/".join(parts)))


def _meta(name: str, namespace: str = "", labels: dict[str, str] | None = None, **more: Any) -> Thing:
    said: Thing = {"name": name, "uid": _uid(namespace, name, str(more.pop("kind", ""))), "creationTimestamp": TIME}
    return said | ({"namespace": namespace} if namespace else {}) | ({"labels": labels} if labels else {}) | more


def _managed(manager: str, fields: Thing, subresource: str = "") -> Thing:
    said = {"manager": manager, "operation": "Update", "apiVersion": "v1", "time": TIME, "fieldsType": "FieldsV1", "fieldsV1": fields}
    return said | ({"subresource": subresource} if subresource else {})


def _node(name: str, number: int) -> Thing:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": f"eu-west-1{'abc'[number % 3]}",
    }
    info = {
        "architecture": "amd64",
        "bootID": _uid(name, "boot"),
        "containerRuntimeVersion": "containerd://2.2.1",
        "kernelVersion": "6.12.20",
        "kubeProxyVersion": "",
        "kubeletVersion": "v1.36.1",
        "machineID": _uid(name, "machine").replace("-", ""),
        "operatingSystem": "linux",
        "osImage": "Debian GNU/Linux 13 (trixie)",
        "systemUUID": _uid(name, "system"),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": _meta(name, labels=labels),
        "spec": {"podCIDR": f"10.{number // 256}.{number % 256}.0/24"},
        "status": {
            "capacity": {"cpu": "16", "memory": "65536Mi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "lastTransitionTime": TIME}],
            "nodeInfo": info,
        },
    }


def _namespace(name: str, number: int) -> list[Thing]:
    """The namespace with what each has: an account, a quota, roles; a network policy in two of three."""
    labels = {"kubernetes.io/metadata.name": name}
    if name not in SYSTEM and number % 4:
        labels["pod-security.kubernetes.io/enforce"] = ("baseline", "restricted")[number % 2]
    made: list[Thing] = [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": _meta(name, labels=labels),
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta("default", name)},
    ]
    if name in SYSTEM:
        return made
    rules = [{"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ["get", "list"]}]
    made += [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": _meta("config-reader", name), "rules": rules},
        _binding("RoleBinding", "config-reader", "Role", "config-reader", "default", name),
        {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": _meta("compute", name),
            "spec": {"hard": {"requests.cpu": "200", "requests.memory": "400Gi", "pods": "4000"}},
            "status": {},
        },
    ]
    if number % 3:
        spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        made.append({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": _meta("default-deny", name), "spec": spec})
    return made


def _binding(kind: str, name: str, role_kind: str, role: str, account: str, namespace: str) -> Thing:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": _meta(name, namespace if kind == "RoleBinding" else "", kind=kind),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


def _cluster_roles() -> list[Thing]:
    every = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]
    read = [{"apiGroups": ["", "apps"], "resources": ["pods", "deployments"], "verbs": ["get", "list", "watch"]}]
    made: list[Thing] = [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": _meta(name), "rules": rules}
        for name, rules in (("cluster-admin", every), ("view", read))
    ]
    return [*made, _binding("ClusterRoleBinding", "deployer", "ClusterRole", "cluster-admin", "deployer", "kube-system")]


def _app(namespace: str, number: int, replicas: int, rng: random.Random) -> _App:
    base = APPS[number % len(APPS)]
    name = f"{base}-{number:05d}"
    team = namespace.partition("-")[0]
    labels = {
        "app.kubernetes.io/name": base,
        "app.kubernetes.io/instance": name,
        "app.kubernetes.io/version": f"{rng.randint(1, 4)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
        "team": team,
    }
    careless = rng.choice(["privileged", "host", "bare"]) if rng.random() < 0.1 else ""
    image = f"registry.example.com/{team}/{base}:{labels['app.kubernetes.io/version']}"
    containers = [_container(base, image, careless)]
    if number % 5 < 2:
        containers.append(_sidecar())
    spec: Thing = {
        "containers": containers,
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "dnsPolicy": "ClusterFirst",
        "serviceAccountName": name,
        "serviceAccount": name,
        "securityContext": {} if careless else {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "schedulerName": "default-scheduler",
        "volumes": [{"name": "config", "configMap": {"name": f"{name}-config", "defaultMode": 420}}, {"name": "tmp", "emptyDir": {}}],
    }
    if careless == "host":
        spec["hostNetwork"] = True
    template = {"metadata": {"labels": labels, "annotations": {"prometheus.io/scrape": "true"}}, "spec": spec}
    return _App(namespace, name, _suffix(rng, 9), replicas, template)


def _container(name: str, image: str, careless: str) -> Thing:
    security: Thing = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    said: Thing = {
        "name": name,
        "image": image,
        "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "LOG_LEVEL", "value": "info"},
        ],
        "resources": {
            "limits": {"cpu": "1", "memory": "512Mi"},
            "requests": {"cpu": "100m", "memory": "256Mi"},
        },
        "volumeMounts": [{"name": "config", "readOnly": True, "mountPath": "/etc/app"}, {"name": "tmp", "mountPath": "/tmp"}],
        "livenessProbe": _probe("/healthz"),
        "readinessProbe": _probe("/readyz"),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"privileged": True} if careless == "privileged" else security,
    }
    if careless == "bare":
        said["resources"] = {}
        del said["livenessProbe"]
    return said


def _sidecar() -> Thing:
    return {
        "name": "proxy",
        "image": "registry.example.com/mesh/proxy:1.29.2",
        "args": ["proxy", "sidecar", "--log-level=warning"],
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "10m", "memory": "64Mi"}},
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {"allowPrivilegeEscalation": False, "runAsUser": 1337, "capabilities": {"drop": ["ALL"]}},
    }


def _probe(path: str) -> Thing:
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def _workload(app: _App, number: int) -> list[Thing]:
    """Account, deployment, replica set and service; a disruption budget for two of three."""
    selector = {"matchLabels": {"app.kubernetes.io/instance": app.name}}
    counts = {"replicas": app.replicas, "readyReplicas": app.replicas, "availableReplicas": app.replicas, "observedGeneration": 1}
    labels = app.labels | {"pod-template-hash": app.suffix}
    template = app.template | {"metadata": app.template["metadata"] | {"labels": labels}}
    owner = _owner("apps/v1", "Deployment", app.name, app.namespace)
    made: list[Thing] = [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": _meta(app.name, app.namespace, app.labels, kind="ServiceAccount"),
            "automountServiceAccountToken": number % 4 == 0,
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": _meta(app.name, app.namespace, app.labels, kind="Deployment", generation=1),
            "spec": {
                "replicas": app.replicas,
                "selector": selector,
                "template": app.template,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
            },
            "status": counts | {"updatedReplicas": app.replicas},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": _meta(f"{app.name}-{app.suffix}", app.namespace, labels, kind="ReplicaSet", ownerReferences=[owner]),
            "spec": {"replicas": app.replicas, "selector": {"matchLabels": labels}, "template": template},
            "status": counts,
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": _meta(app.name, app.namespace, app.labels, kind="Service"),
            "spec": {
                "type": "LoadBalancer" if number % 50 == 0 else "ClusterIP",
                "clusterIP": f"10.96.{number // 250 % 250}.{number % 250 + 1}",
                "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}],
                "selector": selector["matchLabels"],
            },
            "status": {"loadBalancer": {}},
        },
    ]
    if number % 3:
        made.append(
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": _meta(app.name, app.namespace, kind="PodDisruptionBudget"),
                "spec": {"maxUnavailable": 1, "selector": selector},
                "status": {
                    "expectedPods": app.replicas,
                    "currentHealthy": app.replicas,
                    "desiredHealthy": max(0, app.replicas - 1),
                    "disruptionsAllowed": 1,
                },
            }
        )
    return made


def _owner(version: str, kind: str, name: str, namespace: str) -> Thing:
    uid = _uid(namespace, name, kind)
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": True, "blockOwnerDeletion": True}


def _pods(app: _App, nodes: list[str], used: set[str], rng: random.Random) -> Iterator[Thing]:
    owner = _owner("apps/v1", "ReplicaSet", f"{app.name}-{app.suffix}", app.namespace)
    labels = app.labels | {"pod-template-hash": app.suffix}
    managed = [
        _managed("kube-controller-manager", _claimed(app, labels)),
        _managed("kubelet", {"f:status": {"f:conditions": {'k:{"type":"Ready"}': {".": {}, "f:status": {}}}, "f:podIP": {}}}, "status"),
    ]
    for _ in range(app.replicas):
        name = f"{app.name}-{app.suffix}-{_suffix(rng, 5)}"
        while f"{app.namespace}/{name}" in used:
            name = f"{app.name}-{app.suffix}-{_suffix(rng, 5)}"
        used.add(f"{app.namespace}/{name}")
        bits = rng.getrandbits(128)
        meta = {
            "name": name,
            "generateName": f"{app.name}-{app.suffix}-",
            "namespace": app.namespace,
            "uid": str(uuid.UUID(int=bits, version=4)),
            "creationTimestamp": TIME,
            "labels": labels,
            "annotations": app.template["metadata"]["annotations"],
            "ownerReferences": [owner],
            "managedFields": managed,
        }
        node = nodes[bits % len(nodes)]
        spec = app.template["spec"] | {"nodeName": node, "priority": 0, "preemptionPolicy": "PreemptLowerPriority"}
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": _status(spec, bits)}


def _claimed(app: _App, labels: dict[str, str]) -> Thing:
    """The managedFields of who made the pod: a key for each field that was set."""
    spec = app.template["spec"]
    held: Thing = {
        f'k:{{"name":"{one["name"]}"}}': {".": {}} | {f"f:{key}": {} for key in one} for one in app.template["spec"]["containers"]
    }
    return {
        "f:metadata": {"f:generateName": {}, "f:labels": {".": {}} | {f"f:{key}": {} for key in labels}, "f:ownerReferences": {".": {}}},
        "f:spec": {f"f:{key}": {} for key in spec if key != "containers"} | {"f:containers": held},
    }


def _status(spec: Thing, bits: int) -> Thing:
    host = f"192.168.{bits >> 40 & 255}.{bits >> 48 & 255}"
    address = host if spec.get("hostNetwork") else f"10.{bits >> 8 & 255}.{bits >> 16 & 255}.{bits >> 24 & 255}"
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    return {
        "phase": "Running",
        "conditions": [{"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": TIME} for kind in kinds],
        "hostIP": host,
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": TIME,
        "containerStatuses": [
            {
                "name": one["name"],
                "state": {"running": {"startedAt": TIME}},
                "lastState": {},
                "ready": True,
                "restartCount": bits >> 32 & 3,
                "image": one["image"],
                "imageID": f"{one['image'].partition(':')[0]}@sha256:{bits:064x}",
                "containerID": f"containerd://{bits:064x}",
                "started": True,
            }
            for one in spec["containers"]
        ],
        "qosClass": "Burstable" if any(one["resources"] for one in spec["containers"]) else "BestEffort",
    }


def _suffix(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(_LETTERS, k=length))
