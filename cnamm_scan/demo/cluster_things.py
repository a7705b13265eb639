"""Builders of Kubernetes objects for the demo's cluster: a few words in, whole objects as an API server holds them out."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from cnamm_scan.demo.aws import ACCOUNT, HOME, role_arn
from cnamm_scan.demo.cluster import Cluster

Thing = dict[str, Any]
"""An object, or a part of one, as JSON."""

ECR = f"{ACCOUNT}.dkr.ecr.{HOME}.amazonaws.com"
ARGO = "argocd-controller"
HELM = "helm"
APPLICATIONS = ("storefront", "checkout", "catalog", "shop-dev", "monitoring")
"""Namespaces that Argo CD keeps as an application each; what else it keeps belongs to `platform`."""
RBAC = "rbac.authorization.k8s.io"
NODES = (("ip-10-0-0-21", "a"), ("ip-10-0-1-34", "b"), ("ip-10-0-0-87", "a"))
"""Name and zone of each."""
_NAMES = uuid.UUID("7c0e4a52-9b1d-4c43-8a5e-2f6d1b3a9c10")
STATUS_WRITERS = {
    "Pod": "kubelet",
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"), "kube-controller-manager"),
}
"""Who keeps the status of what up to date; it writes all the time, and changes nothing that was asked for."""
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes name suffixes of
_SIGN_IN = "sts.amazonaws.com"
_TOKEN_PATH = "/var/run/secrets/eks.amazonaws.com/serviceaccount"  # what EKS mounts there is a path, no token

SMALL: Thing = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "500m", "memory": "256Mi"}}
PROBES: Thing = {
    "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
    "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 5},
}
CONTAINED: Thing = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
UNPRIVILEGED: Thing = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}


def uid(*parts: str) -> str:
    """The same uid for the same words."""
    return str(uuid.uuid5(_NAMES, "/".join(parts)))


def digest(text: str) -> str:
    """What stands in for the digest of an image."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def suffix(text: str, length: int) -> str:
    """The end of a generated name."""
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.sha256(text.encode()).digest()[:length])


def ours(image: str, *, pinned: bool = False) -> str:
    """An image of the shop's own registry, such as `web:4.12.0`."""
    return f"{ECR}/shop/{image}" + (f"@{digest(image)}" if pinned else "")


def container(name: str, image: str, care: str = "hard", port: int = 8080, **more: Any) -> Thing:
    """A container. `care`: hard (contained, limited, probed), plain (limited and probed), bare (as it came).

    `more` are fields of it, and those that are None are left out.
    """
    said: Thing = {"name": name, "image": image, "imagePullPolicy": "IfNotPresent"}
    if port:
        said["ports"] = [{"name": "http", "containerPort": port, "protocol": "TCP"}]
    if care != "bare":
        said |= {"resources": SMALL} | (PROBES if port else {})
    if care == "hard":
        said["securityContext"] = CONTAINED
    return {key: value for key, value in (said | more).items() if value is not None}


def env(**values: Any) -> list[Thing]:
    """A container's environment: text as it is, `("secret", "key")` from a secret."""
    return [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": value[0], "key": value[1]}}}
        if isinstance(value, tuple)
        else {"name": name, "value": value}
        for name, value in values.items()
    ]


def host_path(name: str, path: str) -> Thing:
    """A volume that is a path of the node."""
    return {"name": name, "hostPath": {"path": path, "type": ""}}


def mount(name: str, path: str, *, read_only: bool = False) -> Thing:
    """A mount of a volume."""
    return {"name": name, "mountPath": path} | ({"readOnly": True} if read_only else {})


def condition(kind: str, good: bool = True, **more: Any) -> Thing:
    """One of a list of conditions."""
    return {"type": kind, "status": "True" if good else "False", **more}


def rule(verbs: str, resources: str, groups: str = "core", **more: Any) -> Thing:
    """A rule of a role, of words: `rule("get list", "pods services")`. The core group is `core`."""
    return {
        "apiGroups": ["" if each == "core" else each for each in groups.split()],
        "resources": resources.split(),
        "verbs": verbs.split(),
        **more,
    }


def subject(text: str) -> Thing:
    """`User alice`, `Group shop`, `ServiceAccount namespace/name`."""
    kind, name = text.split(" ", 1)
    if kind == "ServiceAccount":
        namespace, name = name.split("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": RBAC, "kind": kind, "name": name}


class Site:
    """A cluster that is being filled, at one moment. `age` is always in days before that."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.cluster = Cluster()
        self.applied: dict[str, list[Thing]] = {}
        """Application of Argo CD -> the objects that it put there, as it lists them."""
        self._placed = 0

    def ago(self, days: float) -> str:
        """A time so many days before now; ahead of it when they are negative."""
        return (self.now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def put(
        self,
        what: str,
        name: str,
        namespace: str = "",
        *,
        age: float = 200,
        by: str = ARGO,
        owner: Thing | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
        **body: Any,
    ) -> Thing:
        """Add an object. `what` is `apps/v1 Deployment`; `by` says who wrote it when: `argocd-controller@12 kubectl-edit@3`.

        A writer without a day wrote when it was made. Returns the object.
        """
        version, kind = what.split(" ")
        metadata: Thing = {"name": name, "uid": uid(kind, namespace, name), "creationTimestamp": self.ago(age)}
        if namespace:
            metadata["namespace"] = namespace
        first = by.partition("@")[0]
        marks: Thing = dict(annotations or {})
        if first == ARGO:
            application, group = namespace if namespace in APPLICATIONS else "platform", version.rpartition("/")[0]
            marks["argocd.argoproj.io/tracking-id"] = f"{application}:{group}/{kind}:{namespace}/{name}"
            told = {"group": group, "kind": kind, "name": name, "status": "Synced"} | ({"namespace": namespace} if namespace else {})
            self.applied.setdefault(application, []).append(told)
        elif first == HELM:
            marks["meta.helm.sh/release-name"] = namespace or name
        if labels:
            metadata["labels"] = dict(labels)
        if marks:
            metadata["annotations"] = marks
        if owner is not None:
            metadata["ownerReferences"] = [owner_reference(owner)]
        metadata |= meta or {}
        metadata["managedFields"] = [self._writer(each, version, age, body) for each in by.split()]
        if kind in STATUS_WRITERS:
            status = self._writer(f"{STATUS_WRITERS[kind]}@0.01", version, age, {"status": {}})
            metadata["managedFields"].append(status | {"subresource": "status"})
        thing = {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
        self.cluster.add(thing)
        return thing

    def _writer(self, text: str, version: str, age: float, body: Mapping[str, Any]) -> Thing:
        manager, _, days = text.partition("@")
        return {
            "manager": manager,
            "operation": "Apply" if manager == ARGO else "Update",
            "apiVersion": version,
            "time": self.ago(float(days) if days else age),
            "fieldsType": "FieldsV1",
            "fieldsV1": {f"f:{field}": {} for field in body},
        }

    # ---- what runs -------------------------------------------------------------------------------------------------------

    def account(
        self, namespace: str, name: str, *, token: bool | None = False, role: str = "", age: float = 200, by: str = ARGO, **more: Any
    ) -> Thing:
        """A service account. `token` says whether pods get its token, None leaves that out; `role` is one of the AWS account."""
        annotations = {"eks.amazonaws.com/role-arn": role_arn(role)} if role else None
        body: Thing = {} if token is None else {"automountServiceAccountToken": token}
        return self.put("v1 ServiceAccount", name, namespace, age=age, by=by, annotations=annotations, **body, **more)

    def run(
        self,
        namespace: str,
        name: str,
        image: str = "",
        *,
        kind: str = "Deployment",
        replicas: int = 2,
        care: str = "hard",
        account: str | None = "",
        token: bool | None = False,
        role: str = "",
        port: int = 8080,
        service: str = "ClusterIP",
        age: float = 200,
        fresh: float = 9,
        by: str = ARGO,
        nodes: Sequence[int] = (),
        claims: Sequence[tuple[str, str, str]] = (),
        labels: Mapping[str, str] | None = None,
        marks: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        owner: Thing | None = None,
        extra: Sequence[Thing] = (),
        inits: Sequence[Thing] = (),
        main: Mapping[str, Any] | None = None,
        pod: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> Thing:
        """A workload with all that belongs to it: account, pods on nodes, claims, service. Returns the workload.

        `care` is that of `container`; hard ones are told to be nobody too. `account` "" is one of its own name, None the namespace's
        default. `fresh` is the age of its pods. `service` "" makes none. `nodes` are the places of its pods, else they go round.
        `claims` are name, class and size, for a StatefulSet. `marks` are labels of the workload and its pods, `labels` of the workload
        alone. `extra` and `inits` are further containers, `main` fields of its first, `pod` of its pods, `spec` of its own.
        """
        own = {"app.kubernetes.io/name": name, **(marks or {})}
        named = name if account == "" else account
        maker = by.partition("@")[0]
        if account == "":
            self.account(namespace, name, token=token, role=role, age=age, by=maker)
        inside: Thing = {
            "containers": [container(name, image, care, port, **(main or {})), *extra],
            "restartPolicy": "Always",
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            "securityContext": UNPRIVILEGED if care == "hard" else {},
            **({"initContainers": list(inits)} if inits else {}),
            **({"serviceAccountName": named, "serviceAccount": named} if named is not None else {}),
            **(pod or {}),
        }
        if role:
            inside = _signed_in(inside, role)
        replicas = len(NODES) if kind == "DaemonSet" else replicas
        selector = {"matchLabels": {"app.kubernetes.io/name": name}}
        whole: Thing = {"selector": selector, "template": {"metadata": {"labels": own}, "spec": inside}}
        made = self.put(
            f"apps/v1 {kind}",
            name,
            namespace,
            age=age,
            by=by,
            owner=owner,
            labels={**own, **(labels or {})},
            annotations=annotations,
            spec=whole | _settings(kind, name, replicas, claims) | spec,
            status=_counts(kind, replicas),
        )
        above, stem = made, name
        if kind == "Deployment":
            own = own | {"pod-template-hash": suffix(namespace + name, 9)}
            stem = f"{name}-{own['pod-template-hash']}"
            above = replica_set(namespace, stem)
        for number in range(replicas):
            ending = str(number) if kind == "StatefulSet" else suffix(f"{namespace}{stem}{number}", 5)
            place = nodes[number % len(nodes)] if nodes else number if kind == "DaemonSet" else self._next()
            held = [{"name": each[0], "persistentVolumeClaim": {"claimName": f"{each[0]}-{name}-{number}"}} for each in claims]
            own_spec = inside | ({"volumes": [*inside.get("volumes", []), *held]} if held else {})
            self.pod(namespace, f"{stem}-{ending}", own_spec, age=fresh, labels=own, owner=above, node=place)
            for claim, storage, size in claims:
                self.claim(namespace, f"{claim}-{name}-{number}", storage, size, age=age, by="kube-controller-manager", node=place)
        if service:
            self.service(namespace, name, port, kind=service, age=age, by=maker)
        return made

    def _next(self) -> int:
        """The place after the last one."""
        self._placed += 1
        return self._placed % len(NODES)

    def pod(
        self,
        namespace: str,
        name: str,
        spec: Mapping[str, Any],
        *,
        age: float = 9,
        labels: Mapping[str, str] | None = None,
        owner: Thing | None = None,
        node: int | None = None,
        phase: str = "Running",
        by: str = "",
    ) -> Thing:
        """A pod that runs, or has ended, on a node."""
        host, zone = NODES[self._next() if node is None else node]
        started = self.ago(age)
        inside: Thing = {"serviceAccountName": "default", **spec, "nodeName": f"{host}.ec2.internal", "priority": 0}
        done = phase == "Succeeded"
        state = {"terminated": {"exitCode": 0, "reason": "Completed"}} if done else {"running": {"startedAt": started}}
        address = f"10.0.{0 if zone == 'a' else 1}.{int(hashlib.sha256(f'{namespace}/{name}'.encode()).hexdigest()[:4], 16) % 200 + 40}"
        status = {
            "phase": phase,
            "conditions": [
                condition(each, not done, lastTransitionTime=started)
                for each in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "hostIP": host.removeprefix("ip-").replace("-", "."),
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": started,
            "qosClass": "Burstable" if any(each.get("resources") for each in inside["containers"]) else "BestEffort",
            "containerStatuses": [_container_status(each, state, ready=not done) for each in inside["containers"]],
        }
        if inside.get("initContainers"):
            status["initContainerStatuses"] = [_container_status(each, state, ready=True) for each in inside["initContainers"]]
        if inside.get("ephemeralContainers"):
            status["ephemeralContainerStatuses"] = [_container_status(each, state, ready=False) for each in inside["ephemeralContainers"]]
        made_by = by or ("kube-controller-manager" if owner is not None else "kubectl-run")
        return self.put("v1 Pod", name, namespace, age=age, by=made_by, labels=labels, owner=owner, spec=inside, status=status)

    def service(
        self,
        namespace: str,
        name: str,
        port: int = 8080,
        *,
        kind: str = "ClusterIP",
        of: str = "",
        at: Sequence[int] = (80,),
        age: float = 200,
        by: str = ARGO,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Thing:
        """A service over the workload of its name, or that of `of`. `at` are its ports."""
        number = int(hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:4], 16)
        whole: Thing = {
            "type": kind,
            "clusterIP": f"172.20.{number // 256}.{number % 256}",
            "ports": [
                {"name": "http" if each == at[0] else f"port-{each}", "protocol": "TCP", "port": each, "targetPort": port} for each in at
            ],
            "selector": {"app.kubernetes.io/name": of or name},
        }
        balancer: Thing = {}
        if kind == "LoadBalancer":
            balancer = {"ingress": [{"hostname": f"{suffix(namespace + name, 20)}.elb.{HOME}.amazonaws.com"}]}
        marked = {"app.kubernetes.io/name": name, **(labels or {})}
        status = {"loadBalancer": balancer}
        return self.put(
            "v1 Service", name, namespace, age=age, by=by, labels=marked, annotations=annotations, spec=whole | spec, status=status
        )

    def claim(self, namespace: str, name: str, storage: str, size: str, *, age: float = 200, by: str = ARGO, node: int = 0) -> None:
        """A claim of storage, bound to a volume of its own."""
        volume = f"pvc-{uid('claim', namespace, name)}"
        wanted = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage}
        spec = wanted | {"resources": {"requests": {"storage": size}}, "volumeName": volume}
        self.put(
            "v1 PersistentVolumeClaim", name, namespace, age=age, by=by, spec=spec, status={"phase": "Bound", "capacity": {"storage": size}}
        )
        disk = {"driver": "ebs.csi.aws.com", "fsType": "ext4", "volumeHandle": f"vol-0{digest(volume)[7:23]}"}
        held = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": namespace, "name": name}
        zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [f"{HOME}{NODES[node][1]}"]}
        places = {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}}
        whole = wanted | {"capacity": {"storage": size}, "csi": disk, "claimRef": held, "nodeAffinity": places}
        whole["persistentVolumeReclaimPolicy"] = "Delete"
        self.put("v1 PersistentVolume", volume, age=age, by="csi-provisioner", spec=whole, status={"phase": "Bound"})

    def job(
        self, namespace: str, name: str, spec: Mapping[str, Any], *, age: float, owner: Thing | None = None, ttl: int | None = 86400
    ) -> Thing:
        """A job that has ended well, with its pod."""
        inside = {"restartPolicy": "Never", **spec}
        labels = {"batch.kubernetes.io/job-name": name}
        whole: Thing = {"template": {"metadata": {"labels": labels}, "spec": inside}, "backoffLimit": 3}
        if ttl is not None:
            whole["ttlSecondsAfterFinished"] = ttl
        status = {
            "succeeded": 1,
            "startTime": self.ago(age),
            "completionTime": self.ago(age - 0.001),
            "conditions": [condition("Complete")],
        }
        made = self.put(
            "batch/v1 Job", name, namespace, age=age, by="kube-controller-manager", owner=owner, labels=labels, spec=whole, status=status
        )
        self.pod(namespace, f"{name}-{suffix(name, 5)}", inside, age=age, labels=labels, owner=made, phase="Succeeded")
        return made

    def cron(
        self, namespace: str, name: str, schedule: str, spec: Mapping[str, Any], *, last: float | None, by: str = ARGO, **more: Any
    ) -> Thing:
        """A cron job; `last` is how many days ago it ended well, None for never."""
        inside = {"restartPolicy": "Never", **spec}
        status = {} if last is None else {"lastScheduleTime": self.ago(last), "lastSuccessfulTime": self.ago(last)}
        whole = {"schedule": schedule, "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"template": {"spec": inside}}}, **more}
        return self.put("batch/v1 CronJob", name, namespace, by=by, spec=whole, status=status)

    # ---- who may -------------------------------------------------------------------------------------------------------------

    def role(
        self, name: str, *rules: Thing, namespace: str = "", builtin: bool = False, age: float = 300, by: str = ARGO, **more: Any
    ) -> None:
        """A Role, or without a namespace a ClusterRole."""
        labels = {"kubernetes.io/bootstrapping": "rbac-defaults"} if builtin else None
        who = "kube-apiserver" if builtin else by
        self.put(
            f"{RBAC}/v1 {'Role' if namespace else 'ClusterRole'}",
            name,
            namespace,
            age=age,
            by=who,
            labels=labels,
            rules=list(rules),
            **more,
        )

    def bind(
        self,
        name: str,
        role: str,
        *subjects: str,
        namespace: str = "",
        builtin: bool = False,
        age: float = 300,
        by: str = ARGO,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        """A RoleBinding, or without a namespace a ClusterRoleBinding. `role` is `cluster/edit`, or the name of a Role."""
        kind, _, named = role.rpartition("/")
        said = {**(labels or {}), **({"kubernetes.io/bootstrapping": "rbac-defaults"} if builtin else {})}
        self.put(
            f"{RBAC}/v1 {'RoleBinding' if namespace else 'ClusterRoleBinding'}",
            name,
            namespace,
            age=age,
            by="kube-apiserver" if builtin else by,
            labels=said,
            annotations=annotations,
            roleRef={"apiGroup": RBAC, "kind": "ClusterRole" if kind else "Role", "name": named},
            subjects=[subject(each) for each in subjects],
        )


def replica_set(namespace: str, name: str) -> Thing:
    """A replica set as its pods name it. Itself it is not in the cluster: nobody looks at one."""
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "uid": uid("ReplicaSet", namespace, name)}}


def owner_reference(owner: Mapping[str, Any]) -> Thing:
    """How an object names the one that made it."""
    meta = owner["metadata"]
    return {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"], "controller": True}


def _settings(kind: str, name: str, replicas: int, claims: Sequence[tuple[str, str, str]]) -> Thing:
    """What a workload of a kind says of itself besides its template."""
    if kind == "Deployment":
        rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}
        return {"replicas": replicas, "strategy": rolling, "revisionHistoryLimit": 10}
    if kind == "StatefulSet":
        return {"replicas": replicas, "serviceName": name, "volumeClaimTemplates": [_claim(*each) for each in claims]}
    return {"updateStrategy": {"type": "RollingUpdate"}}


def _counts(kind: str, replicas: int) -> Thing:
    """The status of a workload whose pods are all there."""
    names = ["replicas", "readyReplicas", "availableReplicas", "updatedReplicas"]
    if kind == "DaemonSet":
        names = ["desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable"]
    return {"observedGeneration": 1, **dict.fromkeys(names, replicas)} | ({"numberMisscheduled": 0} if kind == "DaemonSet" else {})


def _claim(name: str, storage: str, size: str) -> Thing:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": storage, "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": name}, "spec": spec}


def _signed_in(spec: Thing, role: str) -> Thing:
    """A pod as EKS's webhook leaves it when its account has a role of AWS: a token of its own, and where it is."""
    source = {"serviceAccountToken": {"audience": _SIGN_IN, "expirationSeconds": 86400, "path": "token"}}
    volume = {"name": "aws-iam-token", "projected": {"defaultMode": 420, "sources": [source]}}
    said = env(AWS_ROLE_ARN=role_arn(role), AWS_WEB_IDENTITY_TOKEN_FILE=f"{_TOKEN_PATH}/token", AWS_REGION=HOME)
    held = mount("aws-iam-token", _TOKEN_PATH, read_only=True)
    containers = [
        {**each, "env": [*each.get("env", []), *said], "volumeMounts": [*each.get("volumeMounts", []), held]} for each in spec["containers"]
    ]
    return {**spec, "containers": containers, "volumes": [*spec.get("volumes", []), volume]}


def _container_status(one: Mapping[str, Any], state: Mapping[str, Any], *, ready: bool) -> Thing:
    image, _, pinned = one["image"].partition("@")
    bare = image.rpartition(":")[0] if ":" in image.rsplit("/", 1)[-1] else image
    return {
        "name": one["name"],
        "state": dict(state),
        "lastState": {},
        "ready": ready,
        "restartCount": 0,
        "image": one["image"],
        "imageID": f"{bare}@{pinned or digest(image)}",
        "containerID": f"containerd://{digest(one['name'] + image)[7:]}",
    }
