"""What guards the shop's cluster: rules at the door of the API, walls between pods, and the doors to the outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnamm_scan.demo.cluster_things import ARGO, ECR, HELM, Site, Thing, condition
from cnamm_scan.demo.cluster_workloads import PLANTED

_ADMISSION = "admissionregistration.k8s.io/v1"
_NAME = "kubernetes.io/metadata.name"


# ---- admission -----------------------------------------------------------------------------------------------------------


def add_admission(site: Site) -> None:
    """Webhooks, policies of Kyverno and of the API server itself, an exception, and what the policies found."""
    _webhooks(site)
    _kyverno(site)
    _built_in_policies(site)
    _reports(site)


def _webhooks(site: Site) -> None:
    system = {"key": _NAME, "operator": "NotIn", "values": ["kube-system", "kyverno"]}
    lab = system | {"values": ["kube-system", "kyverno", "sandbox-lab"]}
    pods = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}]
    every = [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"]}]

    def hook(name: str, service: str, rules: Sequence[Thing], policy: str, selector: Thing | None = None) -> Thing:
        client = {"service": {"namespace": service.partition("/")[0], "name": service.partition("/")[2]}}
        said: Thing = {"name": name, "clientConfig": client, "rules": list(rules), "failurePolicy": policy, "sideEffects": "None"}
        return said | {
            "timeoutSeconds": 10,
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": {"matchExpressions": [selector]} if selector else {},
        }

    judging = (
        ("kyverno-resource-validating-webhook-cfg", "kyverno@40", "kyverno/kyverno-svc", "validate.kyverno.svc-fail", every, "Fail", lab),
        (
            "kyverno-resource-validating-webhook-ignore",
            "kyverno@40",
            "kyverno/kyverno-svc",
            "validate.kyverno.svc-ignore",
            pods,
            "Ignore",
            system,
        ),
        ("cert-manager-webhook", ARGO, "cert-manager/cert-manager-webhook", "webhook.cert-manager.io", every[:0], "Fail", None),
        ("istio-validator-istio-system", ARGO, "istio-system/istiod", "rev.validation.istio.io", every[:0], "Ignore", None),
    )
    for configuration, by, service, name, rules, policy, selector in judging:
        webhooks = [hook(name, service, rules, policy, selector)]
        site.put(f"{_ADMISSION} ValidatingWebhookConfiguration", configuration, by=by, webhooks=webhooks)
    changing = (
        ("istio-sidecar-injector", ARGO, "istio-system/istiod", "rev.namespace.sidecar-injector.istio.io", pods),
        ("pod-identity-webhook", "eks", "kube-system/pod-identity-webhook", "pod-identity-webhook.amazonaws.com", pods),
        ("kyverno-resource-mutating-webhook-cfg", "kyverno@40", "kyverno/kyverno-svc", "mutate.kyverno.svc-fail", every),
    )
    for configuration, by, service, name, rules in changing:
        webhooks = [hook(name, service, rules, "Ignore")]
        site.put(f"{_ADMISSION} MutatingWebhookConfiguration", configuration, by=by, webhooks=webhooks)


def _kyverno(site: Site) -> None:
    pods: Thing = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    ready = {"conditions": [condition("Ready", reason="Succeeded")]}

    def policy(name: str, action: str, rule: Thing, *, age: float = 400, by: str = "argocd-controller@40", **annotations: str) -> None:
        about = {f"policies.kyverno.io/{key}": value for key, value in annotations.items()}
        spec = {"background": True, "validationFailureAction": action, "rules": [{"name": name, "match": pods, **rule}]}
        site.put("kyverno.io/v1 ClusterPolicy", name, age=age, by=by, annotations=about, spec=spec, status=ready)

    def pattern(message: str, one: Thing) -> Thing:
        return {"validate": {"message": message, "pattern": {"spec": {"containers": [one]}}}}

    system = {"any": [{"resources": {"namespaces": ["kube-system", "falco", "amazon-cloudwatch", "fulfilment", "sandbox-lab"]}}]}
    privileged = pattern("Privileged containers may not run.", {"=(securityContext)": {"=(privileged)": "false"}})
    policy(
        "disallow-privileged-containers",
        "Enforce",
        privileged | {"exclude": system},
        category="Pod Security Standards (Baseline)",
        severity="high",
    )
    policy("disallow-latest-tag", "Audit", pattern("An image names its version.", {"image": "!*:latest"}), severity="medium")
    limits = pattern("CPU and memory are asked for.", {"resources": {"requests": {"cpu": "?*"}, "limits": {"memory": "?*"}}})
    policy("require-requests-limits", "Audit", limits, age=500, by="argocd-controller@430", severity="medium")
    registry = pattern("Images come from the shop's own registry.", {"image": f"{ECR}/*"})
    policy("restrict-image-registries", "Audit", registry, age=60, by="kubectl-client-side-apply@25", severity="medium")
    keyless = {
        "issuer": "https://token.actions.githubusercontent.com",
        "subject": "https://github.com/example/shop/.github/workflows/build.yaml@refs/heads/main",
    }
    signed = {"imageReferences": [f"{ECR}/shop/*"], "failureAction": "Enforce", "attestors": [{"entries": [{"keyless": keyless}]}]}
    own = {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["storefront", "checkout"]}}]}
    policy(
        "verify-image-signatures",
        "Enforce",
        {"match": own, "verifyImages": [signed]},
        age=150,
        by="argocd-controller@35",
        category="Supply chain",
        severity="high",
    )
    any_signer = signed | {
        "failureAction": "Audit",
        "attestors": [{"entries": [{"keyless": keyless | {"subject": "https://github.com/*"}}]}],
    }
    policy("verify-catalog-signatures", "Audit", {"verifyImages": [any_signer]}, age=150, by="argocd-controller@90", severity="high")
    wall = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "name": "default-deny",
        "synchronize": False,
        "data": {"spec": {"podSelector": {}}},
    }
    policy("add-network-policy", "Audit", {"match": {"any": [{"resources": {"kinds": ["Namespace"]}}]}, "generate": wall}, age=130)
    for name, namespace, age, about, match in (
        (
            "search-sysctl",
            "catalog",
            140,
            {"shop.example.com/ticket": "PLAT-812", "shop.example.com/review-by": site.ago(-60)[:10]},
            {"names": ["search-*"]},
        ),
        ("node-tuner", "fulfilment", 460, {}, {}),
    ):
        what = {"any": [{"resources": {"kinds": ["Pod"], **({"namespaces": [namespace]} | match if match else {})}}]}
        named = [{"policyName": "disallow-privileged-containers", "ruleNames": ["disallow-privileged-containers"]}]
        site.put(
            "kyverno.io/v2 PolicyException",
            name,
            namespace,
            age=age,
            by="kubectl-create",
            annotations=about,
            spec={"exceptions": named, "match": what},
        )


def _built_in_policies(site: Site) -> None:
    """Policies of the API server itself, each with the binding that makes it count."""
    for name, resource, group, expression, actions, by in (
        (
            "no-open-load-balancers",
            "services",
            "",
            "object.spec.type != 'LoadBalancer' || has(object.spec.loadBalancerSourceRanges)",
            ["Deny"],
            "argocd-controller@33",
        ),
        (
            "no-wildcard-roles",
            "clusterroles",
            "rbac.authorization.k8s.io",
            "object.rules.all(r, !('*' in r.verbs))",
            ["Warn", "Audit"],
            "argocd-controller@500",
        ),
    ):
        rules = [{"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}]
        spec = {"failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules}, "validations": [{"expression": expression}]}
        age = float(by.partition("@")[2])
        site.put(f"{_ADMISSION} ValidatingAdmissionPolicy", name, age=age, by=by, spec=spec)
        bound = {"policyName": name, "validationActions": actions}
        site.put(f"{_ADMISSION} ValidatingAdmissionPolicyBinding", f"{name}-everywhere", age=age, by=by, spec=bound)


def _reports(site: Site) -> None:
    """What Kyverno found when it looked over what runs: who fails, and for how many days."""
    privileged, latest = "disallow-privileged-containers", "disallow-latest-tag"
    signed = "verify-image-signatures"
    for namespace, kind, name, results in (
        (
            "storefront",
            "Deployment",
            "web",
            ((privileged, "high", "pass", 40), (latest, "medium", "pass", 40), (signed, "high", "pass", 6)),
        ),
        (
            "checkout",
            "Deployment",
            "payments",
            ((privileged, "high", "pass", 40), (latest, "medium", "pass", 40), (signed, "high", "fail", 4)),
        ),
        ("catalog", "StatefulSet", "search", ((privileged, "high", "fail", 75), (latest, "medium", "pass", 75))),
        ("fulfilment", "Deployment", "worker", ((privileged, "high", "pass", 130), (latest, "medium", "fail", 130))),
        ("fulfilment", "DaemonSet", "node-tuner", ((privileged, "high", "fail", 130), (latest, "medium", "fail", 130))),
        ("recommend", "Deployment", "jupyter", ((privileged, "high", "pass", 52), (latest, "medium", "fail", 52))),
    ):
        made = [_result(site, *each) for each in results]
        counts = {word: sum(each[2] == word for each in results) for word in ("pass", "fail")} | {"error": 0, "skip": 0, "warn": 0}
        about = {"apiVersion": "apps/v1", "kind": kind, "name": name, "namespace": namespace}
        labels = {"app.kubernetes.io/managed-by": "kyverno"}
        what = "wgpolicyk8s.io/v1alpha2 PolicyReport"
        by = "reports-controller@0.8"
        site.put(what, f"{name}-report", namespace, age=130, by=by, labels=labels, scope=about, results=made, summary=counts)


def _result(site: Site, policy: str, severity: str, result: str, days: float) -> Thing:
    when = {"nanos": 0, "seconds": int(site.now.timestamp() - days * 86400)}
    category = "Pod Security Standards (Baseline)" if "privileged" in policy else "Best Practices"
    said: Thing = {"policy": policy, "rule": policy, "source": "kyverno", "scored": True, "category": category}
    return said | {"severity": severity, "result": result, "timestamp": when}


# ---- walls between pods --------------------------------------------------------------------------------------------------


def add_network(site: Site) -> None:
    """Network policies in some namespaces; a mesh around one."""
    dns: Thing = {"to": [{"namespaceSelector": {"matchLabels": {_NAME: "kube-system"}}}], "ports": [{"protocol": "UDP", "port": 53}]}

    def wall(namespace: str, name: str, *, to: Thing | None = None, age: float = 200, by: str = ARGO, **spec: Any) -> None:
        whole = {"podSelector": {"matchLabels": to} if to else {}, "policyTypes": ["Ingress", "Egress"], **spec}
        site.put("networking.k8s.io/v1 NetworkPolicy", name, namespace, age=age, by=by, spec=whole)

    def of(namespace: str) -> list[Thing]:
        return [{"namespaceSelector": {"matchLabels": {_NAME: namespace}}}]

    wall("storefront", "default-deny", age=300)
    wall("storefront", "allow-dns", age=300, policyTypes=["Egress"], egress=[dns])
    wall("storefront", "allow-edge", age=300, policyTypes=["Ingress"], ingress=[{"from": of("edge")}])
    wall("storefront", "allow-checkout", age=300, policyTypes=["Egress"], egress=[{"to": of("checkout")}])
    wall("storefront", "quarantine", age=100, to={"shop.example.com/quarantine": "true"})
    wall("checkout", "default-deny-ingress", age=600, policyTypes=["Ingress"])
    wall("checkout", "allow-storefront", age=600, policyTypes=["Ingress"], ingress=[{"from": [*of("storefront"), *of("edge")]}])
    world = [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}]
    wall(
        "catalog",
        "search",
        age=410,
        by="kubectl-client-side-apply",
        to={"app.kubernetes.io/name": "search"},
        ingress=[{"from": [{"podSelector": {}}]}],
        egress=world,
    )
    wall("shop-dev", "default-deny", age=120, ingress=[{"from": of("edge")}], egress=[dns])
    wall("argocd", "default-deny-ingress", age=640, by=HELM, policyTypes=["Ingress"], ingress=[{"from": of("edge")}])
    _mesh(site)


def _mesh(site: Site) -> None:
    home = "checkout"
    site.put("security.istio.io/v1 PeerAuthentication", "default", home, age=350, spec={"mtls": {"mode": "STRICT"}})
    ports = {"15021": {"mode": "PERMISSIVE"}}
    weak = {"selector": {"matchLabels": {"app.kubernetes.io/name": "fraud-check"}}, "mtls": {"mode": "STRICT"}, "portLevelMtls": ports}
    site.put("security.istio.io/v1 PeerAuthentication", "fraud-check", "monitoring", age=90, spec=weak)
    caller = {"source": {"principals": ["cluster.local/ns/storefront/sa/api"]}}
    allow = {"selector": {"matchLabels": {"app.kubernetes.io/name": "orders"}}, "action": "ALLOW", "rules": [{"from": [caller]}]}
    site.put("security.istio.io/v1 AuthorizationPolicy", "orders", home, age=350, spec=allow)
    anybody = {"selector": {"matchLabels": {"app.kubernetes.io/name": "fraud-check"}}, "action": "ALLOW", "rules": [{}]}
    site.put("security.istio.io/v1 AuthorizationPolicy", "fraud-check", "monitoring", age=90, spec=anybody)
    for name, mode in (("orders", "ISTIO_MUTUAL"), ("ledger-db", "DISABLE")):
        spec = {"host": f"{name}.checkout.svc.cluster.local", "trafficPolicy": {"tls": {"mode": mode}}}
        site.put("networking.istio.io/v1 DestinationRule", name, home, age=350, spec=spec)
    server = {"port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "hosts": ["pay.shop.example.com"]}
    tls = {"tls": {"mode": "SIMPLE", "credentialName": "pay-tls", "minProtocolVersion": "TLSV1_2"}}
    site.put("networking.istio.io/v1 Gateway", "pay", home, age=350, spec={"selector": {"istio": "ingress"}, "servers": [server | tls]})


# ---- doors ---------------------------------------------------------------------------------------------------------------


def add_doors(site: Site) -> None:
    """Ingresses and a gateway, with and without TLS; the certificates and secrets behind them."""
    _ingresses(site)
    _gateway(site)
    _secrets_and_certificates(site)


def _ingresses(site: Site) -> None:
    for name, controller in (("nginx", "k8s.io/ingress-nginx"), ("alb", "ingress.k8s.aws/alb")):
        site.put("networking.k8s.io/v1 IngressClass", name, by=HELM, spec={"controller": controller})

    def ingress(
        namespace: str,
        name: str,
        host: str,
        backend: str = "",
        *,
        tls: bool = True,
        path: str = "/",
        kind: str = "nginx",
        by: str = ARGO,
        **switches: str,
    ) -> None:
        owner = "nginx.ingress.kubernetes.io" if kind == "nginx" else "alb.ingress.kubernetes.io"
        said = {f"{owner}/{key.replace('_', '-')}": value for key, value in switches.items()}
        service = {"name": backend or name, "port": {"name": "http"}}
        rules = [{"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": {"service": service}}]}}]
        spec: Thing = {"ingressClassName": kind, "rules": rules} | (
            {"tls": [{"hosts": [host], "secretName": f"{name}-tls"}]} if tls else {}
        )
        site.put("networking.k8s.io/v1 Ingress", name, namespace, by=by, annotations=said, spec=spec, status={"loadBalancer": {}})

    good: Thing = {"enable_modsecurity": "true", "enable_owasp_core_rules": "true", "limit_rps": "40", "force_ssl_redirect": "true"}
    ingress("storefront", "web", "shop.example.com", **good)
    ask: Thing = {"auth_url": "https://login.shop.example.com/oauth2/auth", "limit_rps": "20"}
    snippet = f"proxy_set_header X-Internal-Key {PLANTED['ingress-annotation']};"
    ingress("checkout", "orders", "checkout.shop.example.com", **ask, configuration_snippet=snippet)
    ingress("catalog", "catalog-api", "api.shop.example.com", path="/v2/products", ssl_redirect="false", by=HELM)
    ingress("fulfilment", "label-printer", "labels.shop.example.com", "label-printer-v1", tls=False, by="kubectl-create")
    ingress("monitoring", "grafana", "grafana.shop.example.com", enable_access_log="false", by=HELM)
    ingress("catalog", "search", "search.internal.example.com", kind="alb", tls=False, scheme="internal", listen_ports='[{"HTTP": 80}]')


def _gateway(site: Site) -> None:
    group = "gateway.networking.k8s.io/v1"
    site.put(f"{group} GatewayClass", "eg", age=95, spec={"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"})
    secure = {"name": "https", "port": 443, "protocol": "HTTPS", "tls": {"mode": "Terminate", "certificateRefs": [{"name": "edge-tls"}]}}
    spec = {"gatewayClassName": "eg", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}, secure]}
    site.put(f"{group} Gateway", "public", "edge", age=95, spec=spec, status={"conditions": [condition("Programmed")]})

    def route(namespace: str, name: str, host: str, path: str, backend: str, section: str, found: bool, by: str = ARGO) -> None:
        parent = {"namespace": "edge", "name": "public", "sectionName": section}
        match = {"path": {"type": "PathPrefix", "value": path}}
        rules = [{"matches": [match], "backendRefs": [{"name": backend, "port": 80}]}]
        conditions = [condition("Accepted"), condition("ResolvedRefs", found, reason="ResolvedRefs" if found else "BackendNotFound")]
        status = {"parents": [{"parentRef": parent, "conditions": conditions}]}
        spec = {"parentRefs": [parent], "hostnames": [host], "rules": rules}
        site.put(f"{group} HTTPRoute", name, namespace, age=90, by=by, spec=spec, status=status)

    route("storefront", "api", "api.shop.example.com", "/v1", "api", "https", True)
    route("fulfilment", "tracking", "tracking.shop.example.com", "/", "tracking", "http", False, by="kubectl-create")
    target = [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "api"}]
    issuer = {"name": "login", "issuer": "https://login.shop.example.com", "remoteJWKS": {"uri": "https://login.shop.example.com/keys"}}
    envoy = "gateway.envoyproxy.io/v1alpha1"
    site.put(f"{envoy} SecurityPolicy", "api", "storefront", age=90, spec={"targetRefs": target, "jwt": {"providers": [issuer]}})
    limit = {"type": "Local", "local": {"rules": [{"limit": {"requests": 100, "unit": "Second"}}]}}
    site.put(f"{envoy} BackendTrafficPolicy", "api", "storefront", age=90, spec={"targetRefs": target, "rateLimit": limit})
    door = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"}]
    site.put(f"{envoy} ClientTrafficPolicy", "old-scanners", "edge", age=80, spec={"targetRefs": door, "tls": {"minVersion": "1.1"}})


def _secrets_and_certificates(site: Site) -> None:
    site.put(
        "cert-manager.io/v1 ClusterIssuer",
        "letsencrypt",
        age=610,
        spec={"acme": {"server": "https://acme-v02.api.letsencrypt.org/directory"}},
    )
    for namespace, name, begun, ends, usages in (
        ("storefront", "web-tls", 20, 70, ["server auth"]),
        ("checkout", "orders-tls", 31, 59, ["server auth"]),
        ("catalog", "catalog-api-tls", 91, -1, ["server auth"]),
        ("checkout", "payments-client", 40, 325, ["client auth"]),
        ("storefront", "api-client", 3, 4, ["client auth"]),
    ):
        spec = {
            "secretName": name,
            "dnsNames": [f"{name}.shop.example.com"],
            "usages": usages,
            "issuerRef": {"kind": "ClusterIssuer", "name": "letsencrypt"},
        }
        good = ends > 0
        status = {
            "conditions": [condition("Ready", good)],
            "notBefore": site.ago(begun),
            "notAfter": site.ago(-ends),
            "renewalTime": site.ago(-ends + 2),
        }
        site.put("cert-manager.io/v1 Certificate", name, namespace, age=250, spec=spec, status=status)
    provider = {"aws": {"service": "SecretsManager", "region": "us-east-1"}}
    site.put(
        "external-secrets.io/v1 ClusterSecretStore",
        "aws",
        age=250,
        spec={"provider": provider},
        status={"conditions": [condition("Ready")]},
    )
    for namespace, name, fetched, good in (
        ("checkout", "orders-database", 0.02, True),
        ("checkout", "payment-provider", 0.03, True),
        ("catalog", "cdn", 9, False),
    ):
        spec = {"refreshInterval": "1h0m0s", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "aws"}, "target": {"name": name}}
        status = {"conditions": [condition("Ready", good)], "refreshTime": site.ago(fetched)}
        site.put("external-secrets.io/v1 ExternalSecret", name, namespace, age=90, spec=spec, status=status)
