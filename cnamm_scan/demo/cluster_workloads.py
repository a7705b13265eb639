"""What runs in the shop's cluster: the platform's own tools and the teams' applications, some hardened and some not."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from cnamm_scan.demo.aws import ACCOUNT, HOME
from cnamm_scan.demo.cluster_things import (
    HELM,
    SMALL,
    UNPRIVILEGED,
    Site,
    Thing,
    condition,
    container,
    digest,
    env,
    host_path,
    mount,
    ours,
    replica_set,
    suffix,
)

# Each value stands in one place of the cluster only, so that a leak tells where it came from.
PLANTED: Mapping[str, str] = {
    "container-environment": "CANARY-container-environment-3f9c21aa",
    "container-argument": "CANARY-container-argument-90d4e7b2",
    "container-word": "CANARY-container-word-2b7700de",
    "probe-query": "CANARY-probe-query-9ae1f3c4",
    "service-note": "CANARY-service-note-51c8d2b6",
    "cron-environment": "CANARY-cron-environment-5be81c06",
    "config-map": "CANARY-config-map-e2774d13",
    "config-map-file": "CANARY-config-map-file-08a5f3c9",
    "secret": "CANARY-secret-6c1be0d8",
    "secret-text": "CANARY-secret-text-b47d9a35",
    "last-applied": "CANARY-last-applied-1d02f68e",
    "ingress-annotation": "CANARY-ingress-annotation-77ce4b90",
    "alert-receiver": "CANARY-alert-receiver-c4fa1863",
    "chart-value": "CANARY-chart-value-a90b52e7",
    "function-environment": "CANARY-function-environment-4e6d07f1",
}

_PROXY = container(
    "istio-proxy",
    "docker.io/istio/proxyv2:1.28.2",
    port=15021,
    args=["proxy", "sidecar"],
    securityContext={
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsUser": 1337,
        "capabilities": {"drop": ["ALL"]},
    },
    livenessProbe=None,
    readinessProbe={"httpGet": {"path": "/healthz/ready", "port": 15021}},
)
_EKS = f"602401143452.dkr.ecr.{HOME}.amazonaws.com/eks"
"""Where EKS keeps its own images."""
_SPREAD: Thing = {"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}


def add_platform(site: Site) -> None:
    """The cluster's own tools: system namespaces, and those that the platform team keeps."""
    _system(site)
    _watchers(site)
    _tools(site)


def add_teams(site: Site) -> None:
    """The applications of the teams, from the best kept namespace to the worst."""
    _storefront(site)
    _checkout(site)
    _catalog(site)
    _fulfilment(site)
    _recommend(site)
    _practice(site)


# ---- the platform --------------------------------------------------------------------------------------------------------


def _system(site: Site) -> None:
    system = "kube-system"
    eks: Thing = {"by": "eks", "age": 700, "fresh": 20, "service": ""}
    agent = container("aws-eks-nodeagent", f"{_EKS}/aws-network-policy-agent:v1.3.0", "plain", 0, args=["--enable-network-policy=true"])
    privileged = {"securityContext": {"privileged": True}}
    network = {"hostNetwork": True, "volumes": [host_path("cni", "/opt/cni/bin")]}
    cni: Thing = {"kind": "DaemonSet", "care": "plain", "port": 0, "main": privileged, "pod": network, "extra": [agent], **eks}
    site.run(system, "aws-node", f"{_EKS}/amazon-k8s-cni:v1.20.4", **cni)
    site.run(system, "coredns", f"{_EKS}/coredns:v1.11.4", port=53, token=True, **eks)
    site.service(system, "kube-dns", 53, of="coredns", at=(53,), age=700, by="eks")
    metrics = "registry.k8s.io/metrics-server/metrics-server:v0.8.0"
    site.run(system, "metrics-server", metrics, replicas=1, by=HELM, token=True, port=4443)
    site.run(
        system, "karpenter", "public.ecr.aws/karpenter/controller:1.6.2", replicas=1, by=HELM, role="karpenter", service="", token=True
    )
    mapped = f"- rolearn: arn:aws:iam::{ACCOUNT}:role/eks-node\n"
    site.put("v1 ConfigMap", "aws-auth", system, age=700, by="eks kubectl-edit@230", data={"mapRoles": mapped})


def _watchers(site: Site) -> None:
    """Sensors, scanners and what judges at the door."""
    one: Thing = {"replicas": 1, "token": True}
    follow = container("falcoctl-artifact-follow", "docker.io/falcosecurity/falcoctl:0.11.2", "plain", 0)
    root = {"volumes": [host_path("proc", "/proc"), host_path("containerd", "/run/containerd")]}
    privileged = {"securityContext": {"privileged": True}}
    falco: Thing = {"kind": "DaemonSet", "care": "plain", "port": 0, "service": "", "main": privileged, "pod": root, "extra": [follow]}
    site.run("falco", "falco", "docker.io/falcosecurity/falco:0.42.1", age=400, by="argocd-controller@37", fresh=20, **falco)
    sidekick = {"env": env(SLACK_WEBHOOKURL=("falcosidekick", "slack"), SLACK_MINIMUMPRIORITY="warning")}
    site.run("falco", "falcosidekick", "docker.io/falcosecurity/falcosidekick:2.32.0", replicas=1, main=sidekick, port=2801)
    site.run("trivy-system", "trivy-operator", "ghcr.io/aquasecurity/trivy-operator:0.29.0", service="", **one)
    site.run("kyverno", "kyverno", "ghcr.io/kyverno/kyverno:v1.15.2", port=9443, **one)
    site.run("cert-manager", "cert-manager", "quay.io/jetstack/cert-manager-controller:v1.18.2", service="", **one)
    site.run("istio-system", "istiod", "docker.io/istio/pilot:1.28.2", port=15017, **one)
    logs = {"volumes": [host_path("log", "/var/log")]}
    bit: Thing = {"kind": "DaemonSet", "care": "plain", "port": 2020, "service": "", "role": "fluent-bit", "token": True, "fresh": 20}
    site.run("amazon-cloudwatch", "fluent-bit", "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.34.3", pod=logs, **bit)


def _tools(site: Site) -> None:
    """What the platform team keeps outside the system namespaces."""
    one: Thing = {"replicas": 1, "token": True}
    argo = "quay.io/argoproj/argocd:v3.1.8"
    site.run("argocd", "argocd-server", argo, by=HELM, **one)
    site.run("argocd", "argocd-application-controller", argo, kind="StatefulSet", by=HELM, service="", **one)
    disk = [("data", "gp3-encrypted", "100Gi")]
    site.run("monitoring", "prometheus", "quay.io/prometheus/prometheus:v3.7.1", kind="StatefulSet", claims=disk, port=9090, **one)
    site.run("monitoring", "alertmanager", "quay.io/prometheus/alertmanager:v0.28.1", kind="StatefulSet", replicas=1, port=9093)
    admin = {"env": env(GF_SECURITY_ADMIN_PASSWORD=("grafana", "password"))}
    site.run("monitoring", "grafana", "docker.io/grafana/grafana:12.1.1", care="plain", replicas=1, main=admin, port=3000, by=HELM)
    site.run("monitoring", "opencost", "ghcr.io/opencost/opencost:1.117.3", port=9003, service="", **one)
    site.run("velero", "velero", "docker.io/velero/velero:v1.17.0", by=HELM, role="velero", age=440, service="", **one)
    nginx = "registry.k8s.io/ingress-nginx/controller:v1.13.3"
    site.run("edge", "ingress-nginx-controller", nginx, token=True, service="", by=HELM, fresh=41)
    # only the shop's CDN may come in
    ranges = ["120.52.22.96/27", "205.251.249.0/24"]
    door: Thing = {"at": (80, 443), "by": HELM, "loadBalancerSourceRanges": ranges, "externalTrafficPolicy": "Local"}
    site.service(
        "edge", "ingress-nginx-controller", kind="LoadBalancer", annotations={"edge.example.com/note": PLANTED["service-note"]}, **door
    )
    site.put("v1 ConfigMap", "ingress-nginx-controller", "edge", by=HELM, data={"proxy-body-size": "8m", "use-forwarded-headers": "true"})
    site.run("edge", "envoy-gateway", "docker.io/envoyproxy/gateway:v1.5.4", age=95, service="", **one)
    image = "ghcr.io/external-secrets/external-secrets:v0.20.2"
    site.run("external-secrets", "external-secrets", image, role="external-secrets", service="", age=250, **one)


# ---- the teams -----------------------------------------------------------------------------------------------------------


def _storefront(site: Site) -> None:
    """Everything as it should be, or nearly."""
    home = "storefront"
    scratch = {"volumes": [{"name": "tmp", "emptyDir": {}}], "topologySpreadConstraints": [_SPREAD], "priorityClassName": "shop-critical"}
    held = {"volumeMounts": [mount("tmp", "/tmp")]}
    team: Thing = {"age": 300, "pod": scratch, "labels": {"app.kubernetes.io/part-of": "shop"}}
    site.run(home, "web", ours("web:4.12.0", pinned=True), replicas=3, main=held, fresh=6, by="argocd-controller@6", **team)
    settings = held | {"env": env(ORDERS_URL="http://orders.checkout.svc", LOG_LEVEL="info")}
    site.run(home, "api", ours("api:4.12.0", pinned=True), main=settings, role="storefront-api", fresh=6, by="argocd-controller@6", **team)
    _rollout(site, home, "cart", ours("cart:2.9.1", pinned=True))
    site.put("v1 ConfigMap", "web-settings", home, age=300, immutable=True, data={"theme": "autumn", "currency": "EUR"})


def _rollout(site: Site, home: str, name: str, image: str) -> None:
    """An Argo Rollout, which makes its replica sets itself. Its last release went wrong and was taken back."""
    labels = {"app.kubernetes.io/name": name}
    stable, bad = suffix(f"{name}-stable", 9), suffix(f"{name}-bad", 9)
    site.account(home, name, age=300)
    spec = {"containers": [container(name, image)], "serviceAccountName": name, "securityContext": UNPRIVILEGED}
    steps = [
        {"setWeight": 20},
        {"analysis": {"templates": [{"templateName": "success-rate"}]}},
        {"setWeight": 60},
        {"pause": {"duration": "10m"}},
    ]
    whole = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": spec},
        "strategy": {"canary": {"steps": steps}},
    }
    status = {
        "phase": "Degraded",
        "message": "RolloutAborted: Rollout aborted update to revision 31: metric success-rate failed",
        "abort": True,
        "abortedAt": site.ago(11),
        "stableRS": stable,
        "currentPodHash": bad,
    }
    made = site.put(
        "argoproj.io/v1alpha1 Rollout", name, home, age=300, by="argocd-controller@11", labels=labels, spec=whole, status=status
    )
    own = labels | {"rollouts-pod-template-hash": stable}
    above = replica_set(home, f"{name}-{stable}")
    for number in (0, 1):
        site.pod(home, f"{name}-{stable}-{suffix(f'{name}{number}', 5)}", spec, age=25, labels=own, owner=above, node=number)
    site.service(home, name, age=300)
    query = 'sum(rate(http_requests_total{app="cart",code!~"5.."}[5m])) / sum(rate(http_requests_total{app="cart"}[5m]))'
    metric = {"name": "success-rate", "successCondition": "result[0] >= 0.99", "provider": {"prometheus": {"query": query}}}
    site.put("argoproj.io/v1alpha1 AnalysisTemplate", "success-rate", home, age=300, spec={"metrics": [metric]})
    run = {"phase": "Failed", "message": 'metric "success-rate" assessed Failed due to failed (1) > failureLimit (0)'}
    site.put(
        "argoproj.io/v1alpha1 AnalysisRun",
        f"{name}-{bad}-31-1",
        home,
        age=11,
        by="rollouts-controller",
        owner=made,
        spec={"metrics": [metric]},
        status=run,
    )


def _checkout(site: Site) -> None:
    """In the mesh and mostly careful; somebody edits it by hand."""
    home = "checkout"
    mesh: Thing = {"extra": [_PROXY], "age": 600}
    url = {"env": env(DB_USER="orders", DB_PASSWORD=("orders-database", "password"), AUDIT_TOPIC=f"arn:aws:sns:{HOME}:{ACCOUNT}:orders")}
    site.run(
        home,
        "orders",
        ours("orders:7.3.2", pinned=True),
        main=url,
        role="checkout-orders",
        token=True,
        fresh=15,
        by="argocd-controller@15",
        **mesh,
    )
    keys = {"volumeMounts": [mount("keys", "/etc/keys", read_only=True)]}
    volume = {"volumes": [{"name": "keys", "secret": {"secretName": "payment-provider"}}]}
    by = "argocd-controller@29 kubectl-edit@4"
    site.run(home, "payments", ours("payments:3.1.0"), main=keys, pod=volume, fresh=4, nodes=(0, 2), by=by, **mesh)
    tracer = {"env": env(OTLP_ENDPOINT="http://collector.monitoring.svc:4317"), "livenessProbe": None}
    site.run(home, "fraud-check", ours("fraud-check:1.22"), care="plain", replicas=1, main=tracer, fresh=33, by="helm@33", **mesh)
    database = {
        "env": env(POSTGRES_DB="ledger", POSTGRES_PASSWORD=("ledger-database", "password")),
        "livenessProbe": None,
        "readinessProbe": None,
    }
    disk = [("data", "gp3-encrypted", "50Gi")]
    root = {"securityContext": {"fsGroup": 999}}
    ledger: Thing = {
        "kind": "StatefulSet",
        "care": "plain",
        "replicas": 1,
        "port": 5432,
        "age": 600,
        "fresh": 61,
        "account": None,
        "claims": disk,
    }
    site.run(home, "ledger-db", "docker.io/library/postgres:16.4", main=database, pod=root, **ledger)
    site.put("v1 ConfigMap", "orders-settings", home, age=600, data={"batch": "50", "retries": "3"})
    said = {"username": "b3JkZXJz", "password": base64.b64encode(PLANTED["secret"].encode()).decode()}
    site.put("v1 Secret", "orders-database", home, age=90, by="external-secrets", type="Opaque", data=said)
    site.put("v1 Secret", "ledger-database", home, age=600, by="kubectl-create", type="Opaque", data={"password": "bGVkZ2Vy"})


def _catalog(site: Site) -> None:
    """Search wants a tuned kernel, and a function makes thumbnails."""
    home = "catalog"
    tune = container(
        "sysctl",
        "docker.io/library/busybox:1.37",
        "bare",
        0,
        command=["sysctl", "-w", "vm.max_map_count=262144"],
        securityContext={"privileged": True},
    )
    heap = {"env": env(OPENSEARCH_JAVA_OPTS="-Xms1g -Xmx1g"), "livenessProbe": None}
    search: Thing = {"kind": "StatefulSet", "care": "plain", "port": 9200, "age": 600, "fresh": 75, "claims": [("data", "gp2", "200Gi")]}
    site.run(home, "search", "docker.io/opensearchproject/opensearch:2", main=heap, inits=[tune], **search)
    key = {"env": env(SEARCH_URL="http://search:9200", CDN_API_KEY=("cdn", "api-key"))}
    site.run(home, "catalog-api", ours("catalog-api:5.0.4"), care="plain", main=key, fresh=22, age=600, by="helm@22", token=None)
    site.run(home, "price-sync", ours("price-sync:1.8"), care="plain", replicas=1, port=0, service="", age=410, fresh=95, account=None)
    site.claim(home, "thumbnail-cache", "gp2", "20Gi", age=180)
    _function(site, home, "thumbnails", ours("thumbnails:0.14.2"))


def _function(site: Site, home: str, name: str, image: str) -> None:
    """A Knative service with its one revision, which a deployment runs."""
    labels = {"serving.knative.dev/service": name, "serving.knative.dev/revision": f"{name}-00014"}
    said: Thing = {"env": env(BUCKET="shop-uploads", UPLOAD_TOKEN=PLANTED["function-environment"])}
    one = container(name, image, "plain", **said, livenessProbe=None)
    scale = {"annotations": {"autoscaling.knative.dev/max-scale": "10"}}
    template = {"metadata": scale, "spec": {"serviceAccountName": name, "containers": [one]}}
    spread = {"percent": 100, "revisionName": f"{name}-00014", "latestRevision": True}
    status = {"url": f"https://{name}.catalog.shop.example.com", "latestReadyRevisionName": f"{name}-00014", "traffic": [spread]}
    function = site.put(
        "serving.knative.dev/v1 Service", name, home, age=180, by="argocd-controller@18", spec={"template": template}, status=status
    )
    active = {"serving.knative.dev/routingState": "active", **labels}
    seen = {"containerStatuses": [{"name": name, "imageDigest": f"{image.rpartition(':')[0]}@{digest(image)}"}]}
    what = "serving.knative.dev/v1 Revision"
    revision = site.put(
        what, f"{name}-00014", home, age=18, by="controller", owner=function, labels=active, spec=template["spec"], status=seen
    )
    site.run(
        home,
        f"{name}-00014-deployment",
        image,
        care="plain",
        replicas=1,
        service="",
        owner=revision,
        marks=labels,
        account=name,
        by="controller@18",
        fresh=2,
        age=18,
        main=said,
    )
    site.account(home, name, age=180)


def _fulfilment(site: Site) -> None:
    """The oldest team: made by hand, long ago, and never made again."""
    home = "fulfilment"
    hand = "kubectl-client-side-apply"
    settings = {
        "env": env(
            DB_PASSWORD=PLANTED["container-environment"],
            WAREHOUSE_URL="https://warehouse.example.com",
            AWS_ACCESS_KEY_ID=("legacy-aws", "id"),
            AWS_SECRET_ACCESS_KEY=("legacy-aws", "key"),
        ),
        "args": ["--queue=orders", f"--api-key={PLANTED['container-argument']}", "--password", PLANTED["container-word"]],
    }
    copied = json.dumps(
        {
            "kind": "Deployment",
            "spec": {"template": {"spec": {"containers": [{"env": [{"name": "TOKEN", "value": PLANTED["last-applied"]}]}]}}},
        }
    )
    applied = {"kubectl.kubernetes.io/last-applied-configuration": copied}
    old: Thing = {"care": "bare", "account": None, "by": f"{hand}@220", "age": 590, "fresh": 220}
    site.run(home, "worker", "shop/worker:latest", replicas=1, main=settings, annotations=applied, service="", port=0, **old)
    _node_tuner(site, home)
    site.run(home, "dispatcher", ours("dispatcher:2.2.0"), care="plain", age=560, fresh=88, by=HELM)
    printer: Thing = {
        "care": "bare",
        "account": None,
        "by": "kubectl-create kubectl-set@17",
        "age": 480,
        "fresh": 17,
        "service": "NodePort",
    }
    site.run(home, "label-printer", "docker.io/shopexample/label-printer", replicas=1, strategy={"type": "Recreate"}, **printer)
    data = {"config.ini": f"[mail]\nhost=mail.example.com\npassword={PLANTED['config-map-file']}\n", "TOKEN": PLANTED["config-map"]}
    site.put("v1 ConfigMap", "worker-settings", home, age=590, by=hand, data=data)
    site.put("v1 Secret", "legacy-aws", home, age=590, by="kubectl-create", type="Opaque", data={"id": "eA==", "key": "eQ=="})
    token = {"kubernetes.io/service-account.name": "github-deploy"}
    text = {"token": base64.b64encode(PLANTED["secret-text"].encode()).decode()}
    kind = "kubernetes.io/service-account-token"
    site.put("v1 Secret", "github-deploy-token-x7k2p", home, age=590, by="kubectl-create", annotations=token, type=kind, data=text)
    export = container("export", ours("worker:1.4.0"), "plain", 0, env=env(EXPORT_KEY=PLANTED["cron-environment"]))
    nightly = site.cron(home, "nightly-export", "15 2 * * *", {"containers": [export]}, last=0.6, by=hand)
    site.job(home, "nightly-export-29381415", {"containers": [export]}, age=0.6, owner=nightly, ttl=None)


def _node_tuner(site: Site, home: str) -> None:
    """An agent that owns its nodes; it tunes them, and whoever takes it over may do anything else."""
    power = {
        "securityContext": {
            "privileged": True,
            "runAsUser": 0,
            "capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]},
            "seccompProfile": {"type": "Unconfined"},
        },
        "volumeMounts": [mount("host", "/host"), mount("docker", "/var/run/docker.sock")],
        "ports": [{"name": "http", "containerPort": 9100, "hostPort": 9100}],
        "livenessProbe": {"httpGet": {"host": "169.254.169.254", "path": "/latest", "port": 80}},
    }
    host = {
        "hostNetwork": True,
        "hostPID": True,
        "volumes": [host_path("host", "/"), host_path("docker", "/var/run/docker.sock")],
        "tolerations": [{"operator": "Exists"}],
        "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "4096"}]},
    }
    more: Thing = {
        "kind": "DaemonSet",
        "care": "bare",
        "service": "",
        "port": 0,
        "age": 470,
        "fresh": 130,
        "by": "kubectl-create",
        "account": None,
    }
    site.run(home, "node-tuner", ours("node-tuner:latest"), main=power, pod=host, **more)


def _recommend(site: Site) -> None:
    """A young team with models and a notebook that anybody reaches."""
    home = "recommend"
    hand = "kubectl-create"
    notebook: Thing = {"care": "bare", "account": None, "by": f"{hand} kubectl-scale@52", "age": 85, "fresh": 52, "port": 8888}
    jupyter = {"env": env(JUPYTER_TOKEN="", MODEL_BUCKET="shop-models"), "securityContext": {"runAsUser": 0}}
    site.run(home, "jupyter", "quay.io/jupyter/pytorch-notebook", replicas=1, main=jupyter, service="LoadBalancer", **notebook)
    site.claim(home, "notebooks", "gp2", "50Gi", age=85, by=hand)
    for name, storage, age in (
        ("similar-items", "s3://shop-models/similar-items/12", 60),
        ("product-texts", "hf://openai-community/gpt2", 30),
    ):
        labels = {"networking.kserve.io/visibility": "cluster-local"} if name == "similar-items" else {}
        model = {"modelFormat": {"name": "pytorch"}, "storageUri": storage, "resources": SMALL}
        host = f"{name}-predictor.recommend.svc.cluster.local" if labels else f"{name}.recommend.shop.example.com"
        status = {"url": f"http://{host}", "conditions": [condition("Ready")]}
        what = "serving.kserve.io/v1beta1 InferenceService"
        service = site.put(what, name, home, age=age, by=hand, labels=labels, spec={"predictor": {"model": model}}, status=status)
        serve: Thing = {"care": "plain", "replicas": 1, "owner": service, "by": "manager", "age": age, "fresh": age, "account": None}
        site.run(home, f"{name}-predictor", "docker.io/kserve/huggingfaceserver:v0.15.2", **serve)


def _practice(site: Site) -> None:
    """Where things are tried out, and what was left behind."""
    dev: Thing = {"care": "plain", "replicas": 1, "age": 120, "fresh": 1, "by": "argocd-controller@1"}
    site.run("shop-dev", "web", ours("web:main"), **dev)
    site.run("shop-dev", "api", ours("api:main"), **dev)
    zap: Thing = {
        "containers": [container("zap", "ghcr.io/zaproxy/zaproxy:2.16.1", "plain", 0, args=["zap-baseline.py", "-t", "http://web"])]
    }
    zap |= {"serviceAccountName": "scanner"}
    site.account("shop-dev", "scanner", age=120)
    attack = site.cron("shop-dev", "attack-web", "0 4 * * 1-5", zap, last=1.2)
    site.job("shop-dev", "attack-web-29379600", zap, age=1.2, owner=attack)
    lab: Thing = {"care": "bare", "replicas": 1, "by": "kubectl-create", "account": None, "age": 65, "fresh": 64}
    site.run("sandbox-lab", "plugin-runner", "ghcr.io/example/plugin-runner:0.3", pod={"runtimeClassName": "gvisor"}, **lab)
    site.run("sandbox-lab", "plugin-builder", "ghcr.io/example/plugin-builder:0.3", **lab)
    looked = {"name": "debugger-4kzt2", "image": "docker.io/nicolaka/netshoot", "targetContainerName": "toolbox"}
    toolbox = {"containers": [container("toolbox", "busybox", "bare", 0, command=["sleep", "infinity"])], "ephemeralContainers": [looked]}
    site.pod("default", "toolbox", toolbox, age=143, by="kubectl-run", labels={"run": "toolbox"})
