"""What controllers make of what is asked for: pods on nodes, volumes, statuses, and the lists of Argo CD. Small ones, one function each."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnamm_scan.demo.cluster.bed.admission import (
    ARGO,
    NODES,
    PODS,
    WRITERS,
    Thing,
    digest,
    number,
    stamp,
    suffix,
    uid,
    uid_of,
    writers,
)
from cnamm_scan.demo.cluster.bed.groups import split
from cnamm_scan.demo.dated import Clock
from cnamm_scan.errors import UsageError

ROLE = "eks.amazonaws.com/role-arn"
_TOKEN_PATH = "/var/run/secrets/eks.amazonaws.com/serviceaccount"  # what EKS mounts there is a path, no token
_ZONE, _REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
_COUNTED = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
_COUNTED_BY_NODE = ("desiredNumberScheduled", "currentNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable")


class Controllers:
    """Makes what belongs to the objects of one estate. Gets them with their defaults, and before they are `kept`."""

    def __init__(self, things: Sequence[Thing], clock: Clock) -> None:
        self.clock = clock
        self._things = things
        self._nodes = [each for each in things if (each["apiVersion"], each["kind"]) == ("v1", "Node")]
        self._named = {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in things}

    def made(self, thing: Thing, where: str = "") -> Iterator[Thing]:
        """Fill in the status of an object, and give what its controllers make. Raises UsageError for a node that is not there."""
        match split(thing["apiVersion"])[0], thing["kind"]:
            case "", "Node":
                _register(thing)
            case "", "Pod":
                [node] = self._places(thing, 1, where)
                self._run(thing, node, thing["metadata"]["creationTimestamp"])
            case "", "PersistentVolumeClaim":
                yield self._volume(thing, self._nodes[0])
            case "batch", "Job":
                yield self._pod_of_job(thing)
            case ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("argoproj.io", "Rollout"):
                yield from self._pods(thing, where)

    # ---- pods ------------------------------------------------------------------------------------------------------------

    def _pods(self, workload: Thing, where: str) -> Iterator[Thing]:
        """All pods of a workload that has what it asked for, with their claims and volumes."""
        kind, meta, spec = workload["kind"], workload["metadata"], workload["spec"]
        namespace, stem, inside = meta["namespace"], meta["name"], spec["template"]["spec"]
        count = len(self._nodes) if kind == "DaemonSet" else spec["replicas"]
        if kind != "Rollout":
            workload.setdefault("status", _counts(kind, count))
        own, owner = dict(spec["template"]["metadata"]["labels"]), _reference(workload)
        seed = ""
        if kind in {"Deployment", "Rollout"}:
            hashed = suffix(namespace + stem, 9) if kind == "Deployment" else workload["status"]["stableRS"]
            own["pod-template-hash" if kind == "Deployment" else "rollouts-pod-template-hash"] = hashed
            seed, stem = stem, f"{stem}-{hashed}"
            # the replica set itself is not in the cluster: nobody looks at one
            owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": stem, "uid": uid("ReplicaSet", namespace, stem)}
            owner["controller"] = True
        since = meta.get("annotations", {}).get(PODS)
        started = stamp(self.clock, since, where) if since else max(time for _, time in writers(workload, self.clock, where))
        claims = spec.get("volumeClaimTemplates", ())
        for place, node in enumerate(self._places(workload, count, where)):
            seed_of_name = f"{seed}{place}" if kind == "Rollout" else f"{namespace}{stem}{place}"
            name = f"{stem}-{place if kind == 'StatefulSet' else suffix(seed_of_name, 5)}"
            held = {each["metadata"]["name"]: f"{each['metadata']['name']}-{meta['name']}-{place}" for each in claims}
            volumes = [{"name": volume, "persistentVolumeClaim": {"claimName": claim}} for volume, claim in held.items()]
            whole = inside | ({"volumes": [*inside.get("volumes", ()), *volumes]} if volumes else {})
            yield self._pod(namespace, name, whole, node, started, labels=own, owner=owner)
            for each in claims:
                claim = _object("v1 PersistentVolumeClaim", held[each["metadata"]["name"]], namespace, meta["creationTimestamp"])
                claim |= {"spec": copy.deepcopy(each["spec"])}
                yield claim
                yield self._volume(claim, node)

    def _pod_of_job(self, job: Thing) -> Thing:
        """The pod of a job that has ended well."""
        meta, inside = job["metadata"], job["spec"]["template"]
        labels = {**inside["metadata"]["labels"]}
        name, [node] = f"{meta['name']}-{suffix(meta['name'], 5)}", self._places(job, 1, "")
        return self._pod(
            meta["namespace"],
            name,
            inside["spec"],
            node,
            meta["creationTimestamp"],
            labels=labels,
            owner=_reference(job),
            ended=True,
        )

    def _pod(
        self,
        namespace: str,
        name: str,
        spec: Mapping[str, Any],
        node: Thing,
        started: str,
        *,
        labels: Mapping[str, str],
        owner: Thing,
        ended: bool = False,
    ) -> Thing:
        pod = _object("v1 Pod", name, namespace, started)
        pod["metadata"] |= {"labels": dict(labels), "ownerReferences": [dict(owner)]}
        pod["spec"] = copy.deepcopy(dict(spec))
        self._run(pod, node, started, ended=ended)
        return pod

    def _places(self, thing: Mapping[str, Any], count: int, where: str) -> list[Thing]:
        """The nodes of so many pods: those that it names, else they go round, beginning with the first."""
        said = thing["metadata"].get("annotations", {}).get(NODES, "")
        names = [each.strip() for each in said.split(",") if each.strip()]
        missing = [name for name in names if ("Node", "", name) not in self._named]
        if missing or not self._nodes:
            there = ", ".join(each["metadata"]["name"] for each in self._nodes)
            raise UsageError(f"got node '{''.join(missing[:1])}', expected one of: {there}", where=where, do=f"mend {NODES}")
        order = [self._named["Node", "", name] for name in names] or self._nodes
        return [order[place % len(order)] for place in range(count)]

    def _run(self, pod: Thing, node: Thing, started: str, *, ended: bool = False) -> None:
        """Let the kubelet of a node run a pod, or have run it."""
        meta = pod["metadata"]
        spec = pod["spec"] = {"serviceAccountName": "default", **pod["spec"], "nodeName": node["metadata"]["name"], "priority": 0}
        account = self._named.get(("ServiceAccount", meta["namespace"], spec["serviceAccountName"]), {"metadata": {}})
        role = account["metadata"].get("annotations", {}).get(ROLE)
        if role:
            _sign_in(spec, role, node["metadata"]["labels"][_REGION])
        state = {"terminated": {"exitCode": 0, "reason": "Completed"}} if ended else {"running": {"startedAt": started}}
        host = {each["type"]: each["address"] for each in node["status"]["addresses"]}["InternalIP"]
        address = f"{host.rpartition('.')[0]}.{number(meta['namespace'] + '/' + meta['name']) % 200 + 40}"
        ready = ("Initialized", "Ready", "ContainersReady", "PodScheduled")
        pod["status"] = {
            "phase": "Succeeded" if ended else "Running",
            "conditions": [{"type": each, "status": "False" if ended else "True", "lastTransitionTime": started} for each in ready],
            "hostIP": host,
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": started,
            "qosClass": "Burstable" if any(each.get("resources") for each in spec["containers"]) else "BestEffort",
            "containerStatuses": [_container_status(each, state, ready=not ended) for each in spec["containers"]],
        }
        for which, is_ready in (("initContainer", True), ("ephemeralContainer", False)):
            if spec.get(f"{which}s"):
                pod["status"][f"{which}Statuses"] = [_container_status(each, state, ready=is_ready) for each in spec[f"{which}s"]]

    # ---- volumes ---------------------------------------------------------------------------------------------------------

    def _volume(self, claim: Thing, node: Thing) -> Thing:
        """Bind a claim to a volume of its own, on a disk in the node's zone: that volume."""
        meta, spec = claim["metadata"], claim["spec"]
        size, name = spec["resources"]["requests"]["storage"], f"pvc-{uid('claim', meta['namespace'], meta['name'])}"
        spec["volumeName"], claim["status"] = name, {"phase": "Bound", "capacity": {"storage": size}}
        driver = self._named["StorageClass", "", spec["storageClassName"]]["provisioner"]
        zone = {"key": _ZONE, "operator": "In", "values": [node["metadata"]["labels"][_ZONE]]}
        volume = _object("v1 PersistentVolume", name, "", meta["creationTimestamp"], "csi-provisioner")
        volume["spec"] = {
            "accessModes": list(spec["accessModes"]),
            "storageClassName": spec["storageClassName"],
            "capacity": {"storage": size},
            "csi": {"driver": driver, "fsType": "ext4", "volumeHandle": f"vol-0{digest(name)[7:23]}"},
            "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": meta["namespace"], "name": meta["name"]},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
        }
        volume["status"] = {"phase": "Bound"}
        return volume

    # ---- delivery --------------------------------------------------------------------------------------------------------

    def track(self) -> None:
        """Let Argo CD mark what it wrote, and list it in the status of its application.

        That is the one that deploys to the object's namespace, or else the one that names none. What an application lists in its
        manifest already, such as an object that has drifted, stays as it is there.
        """
        applications = [each for each in self._things if (split(each["apiVersion"])[0], each["kind"]) == ("argoproj.io", "Application")]
        of = {each["spec"].get("destination", {}).get("namespace", ""): each for each in applications}
        listed: dict[str, list[Thing]] = {}
        for thing in self._things:
            meta, kind = thing["metadata"], thing["kind"]
            application = of.get(meta.get("namespace", "") or "", of.get(""))
            if application is None or next(writers(thing, self.clock))[0] != ARGO:
                continue
            group, namespace, owner = split(thing["apiVersion"])[0], meta.get("namespace", ""), application["metadata"]["name"]
            track = f"{owner}:{group}/{kind}:{namespace}/{meta['name']}"
            meta["annotations"] = meta.get("annotations", {}) | {"argocd.argoproj.io/tracking-id": track}
            told = {"group": group, "kind": kind, "name": meta["name"], "status": "Synced"}
            listed.setdefault(owner, []).append(told | ({"namespace": namespace} if namespace else {}))
        for each in applications:
            found = {_key(one): one for one in listed.get(each["metadata"]["name"], ())}
            status = each.setdefault("status", {})
            found |= {_key(one): one for one in status.get("resources", ())}
            status["resources"] = list(found.values())


def _key(told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(told.get(name, "")) for name in ("group", "kind", "namespace", "name"))


def _object(what: str, name: str, namespace: str, made: str, by: str = "kube-controller-manager") -> Thing:
    version, kind = what.split(" ")
    meta: Thing = {"name": name, "creationTimestamp": made} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": meta | {"annotations": {WRITERS: by}}}


def _reference(owner: Mapping[str, Any]) -> Thing:
    """How an object names the one that made it."""
    said = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    return said | {"uid": uid_of(owner), "controller": True}


def _counts(kind: str, count: int) -> Thing:
    """The status of a workload whose pods are all there."""
    names = _COUNTED_BY_NODE if kind == "DaemonSet" else _COUNTED
    return {"observedGeneration": 1, **dict.fromkeys(names, count)} | ({"numberMisscheduled": 0} if kind == "DaemonSet" else {})


def _register(node: Thing) -> None:
    """What a kubelet says of its node besides what the manifest does."""
    meta, name = node["metadata"], node["metadata"]["name"]
    own = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    meta["labels"] = own | meta.get("labels", {})
    ids = {"bootID": uid(name, "boot"), "machineID": uid(name, "machine").replace("-", ""), "systemUUID": uid(name, "system")}
    info = {"architecture": "amd64", "operatingSystem": "linux", "kubeProxyVersion": "", **ids}
    node["status"]["nodeInfo"] = info | node["status"]["nodeInfo"]


def _sign_in(spec: Thing, role: str, region: str) -> None:
    """Leave a pod as EKS's webhook does when its account has a role of AWS: with a token of its own, and where it is."""
    source = {"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}}
    volume = {"name": "aws-iam-token", "projected": {"defaultMode": 420, "sources": [source]}}
    said = {"AWS_ROLE_ARN": role, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{_TOKEN_PATH}/token", "AWS_REGION": region}
    held = {"name": "aws-iam-token", "mountPath": _TOKEN_PATH, "readOnly": True}
    for each in spec["containers"]:
        each["env"] = [*each.get("env", ()), *({"name": name, "value": value} for name, value in said.items())]
        each["volumeMounts"] = [*each.get("volumeMounts", ()), held]
    spec["volumes"] = [*spec.get("volumes", ()), volume]


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
