"""How the shop's cluster is cared for: what deploys to it, what would bring it back, and who looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnamm_scan.demo.cluster_things import ARGO, ECR, HELM, Site, Thing, condition, digest
from cnamm_scan.demo.cluster_workloads import PLANTED

_HERE = "https://kubernetes.default.svc"


# ---- delivery ------------------------------------------------------------------------------------------------------------


def add_delivery(site: Site) -> None:
    """Argo CD's projects and applications."""
    repository = "https://github.com/example/shop-deploy.git"
    for name, sources in (("shop", [repository]), ("default", ["*"])):
        where = [{"namespace": "*", "server": _HERE}]
        site.put("argoproj.io/v1alpha1 AppProject", name, "argocd", age=640, by=HELM, spec={"sourceRepos": sources, "destinations": where})

    def application(
        name: str,
        policy: Mapping[str, bool] | None,
        *,
        project: str = "shop",
        drifted: Sequence[str] = (),
        synced: float = 6,
        by_hand: bool = False,
        ignored: Sequence[str] = (),
        age: float = 300,
        owner: Thing | None = None,
    ) -> None:
        source: Thing = {"repoURL": repository, "path": f"apps/{name}", "targetRevision": "main"}
        if name == "checkout":
            source["helm"] = {"parameters": [{"name": "orders.token", "value": PLANTED["chart-value"]}]}
        spec: Thing = {"project": project, "source": source, "destination": {"server": _HERE, "namespace": name}}
        if policy is not None:
            spec["syncPolicy"] = {"automated": dict(policy)}
        if ignored:
            spec["ignoreDifferences"] = [{"group": "apps", "kind": "Deployment", "jsonPointers": list(ignored)}]
        owned = [each | ({"status": "OutOfSync"} if each["name"] in drifted else {}) for each in site.applied.get(name, ())]
        initiated = {"username": "alice"} if by_hand else {"automated": True}
        revision = digest(name)[7:47]
        status = {
            "sync": {"status": "OutOfSync" if drifted else "Synced", "revision": revision},
            "health": {"status": "Healthy"},
            "reconciledAt": site.ago(0.002),
            "operationState": {"phase": "Succeeded", "finishedAt": site.ago(synced), "operation": {"initiatedBy": initiated}},
            "history": [{"id": 11, "deployedAt": site.ago(synced + 7)}, {"id": 12, "deployedAt": site.ago(synced), "revision": revision}],
            "resources": owned,
        }
        what = "argoproj.io/v1alpha1 Application"
        site.put(what, name, "argocd", age=age, by="argocd-server", owner=owner, spec=spec, status=status)

    heal = {"prune": True, "selfHeal": True}
    application("storefront", heal)
    application("catalog", {"prune": True, "selfHeal": False}, synced=22)
    application("checkout", {"prune": False}, drifted=["payments"], synced=29, by_hand=True, ignored=["/spec/template/spec/containers"])
    application("monitoring", heal, ignored=["/spec/replicas"])
    application("platform", None, project="default", synced=40, by_hand=True)
    application("shop-dev", heal, synced=1, age=120)
    generator = {"pullRequest": {"github": {"owner": "example", "repo": "shop"}, "requeueAfterSeconds": 300}}
    template = {"metadata": {"name": "preview-{{number}}"}, "spec": {"project": "shop", "destination": {"server": _HERE}}}
    spec = {"generators": [generator], "template": template}
    previews = site.put("argoproj.io/v1alpha1 ApplicationSet", "previews", "argocd", spec=spec)
    application("preview-412", heal, synced=0.3, age=2, owner=previews)


# ---- capacity, backups ---------------------------------------------------------------------------------------------------


def add_rescue(site: Site) -> None:
    """What keeps it up when a node goes, and what would bring its data back."""
    _budgets(site)
    _nodes_come_and_go(site)
    _backups(site)


def _budgets(site: Site) -> None:
    status: Thing
    for namespace, name, allowed, pods in (
        ("storefront", "web", {"maxUnavailable": 1}, 3),
        ("storefront", "api", {"maxUnavailable": 1}, 2),
        ("checkout", "payments", {"minAvailable": 2}, 2),
        ("catalog", "search", {"minAvailable": 1}, 2),
    ):
        needed = allowed.get("minAvailable", pods - 1)
        status = {"expectedPods": pods, "currentHealthy": pods, "desiredHealthy": needed, "disruptionsAllowed": pods - needed}
        whole: Thing = {**allowed, "selector": {"matchLabels": {"app.kubernetes.io/name": name}}}
        site.put("policy/v1 PodDisruptionBudget", name, namespace, spec=whole, status=status)
    for namespace, name, active, scaled in (
        ("storefront", "web", True, 2),
        ("checkout", "orders", True, 260),
        ("catalog", "catalog-api", False, None),
    ):
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
        cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
        status = {"conditions": [condition("AbleToScale"), condition("ScalingActive", active)], "currentReplicas": 2, "desiredReplicas": 2}
        if scaled is not None:
            status["lastScaleTime"] = site.ago(scaled)
        spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 8, "metrics": [cpu]}
        site.put("autoscaling/v2 HorizontalPodAutoscaler", name, namespace, age=290, spec=spec, status=status)
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "search"}
    advice = {"recommendation": {"containerRecommendations": [{"containerName": "search", "target": {"cpu": "900m", "memory": "2Gi"}}]}}
    spec = {"targetRef": target, "updatePolicy": {"updateMode": "Off"}}
    site.put("autoscaling.k8s.io/v1 VerticalPodAutoscaler", "search", "catalog", age=260, spec=spec, status=advice)
    night = {"weekdays": "1-5", "sleepAt": "20:00", "wakeUpAt": "07:00"}
    site.put("kube-green.com/v1alpha1 SleepInfo", "night", "shop-dev", age=110, spec=night, status={"lastScheduleTime": site.ago(0.5)})


def _nodes_come_and_go(site: Site) -> None:
    budgets = [{"nodes": "10%"}, {"nodes": "0", "schedule": "0 8 * * 1-5", "duration": "8h", "reasons": ["Underutilized"]}]
    node_class = {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"}
    for name, expires in (("spot", "336h"), ("batch", "Never")):
        template = {"spec": {"nodeClassRef": node_class, "expireAfter": expires, "requirements": []}}
        disruption = {"consolidationPolicy": "WhenEmptyOrUnderutilized", "budgets": budgets if name == "spot" else [{"nodes": "0"}]}
        spec = {"template": template, "disruption": disruption, "limits": {"cpu": "64"}}
        site.put("karpenter.sh/v1 NodePool", name, age=210, by=HELM, spec=spec)
    conditions = [
        condition("Ready", lastTransitionTime=site.ago(6)),
        condition("Drifted", lastTransitionTime=site.ago(1), reason="NodeClassDrift"),
    ]
    status = {"nodeName": "ip-10-0-0-87.ec2.internal", "conditions": conditions}
    pool = {"karpenter.sh/nodepool": "spot"}
    site.put(
        "karpenter.sh/v1 NodeClaim", "spot-7wq4x", age=6, by="karpenter", labels=pool, spec={"nodeClassRef": node_class}, status=status
    )


def _backups(site: Site) -> None:
    home = "velero"
    place = {"provider": "aws", "objectStorage": {"bucket": "shop-velero"}, "config": {"region": "eu-west-1"}}
    site.put("velero.io/v1 BackupStorageLocation", "default", home, age=440, by=HELM, spec=place, status={"phase": "Available"})
    inside = place | {"objectStorage": {"bucket": "velero"}, "config": {"region": "minio", "s3Url": "http://minio.fulfilment.svc:9000"}}
    site.put("velero.io/v1 BackupStorageLocation", "in-house", home, age=430, by="velero-cli", spec=inside, status={"phase": "Unavailable"})
    for name, cron, kept, namespaces, by in (
        ("nightly", "30 1 * * *", "1080h0m0s", ["storefront", "checkout"], HELM),
        ("fulfilment-weekly", "0 3 * * 0", "336h0m0s", ["fulfilment"], "kubectl-create"),
    ):
        template = {"includedNamespaces": namespaces, "snapshotVolumes": True, "ttl": kept}
        spec = {"schedule": cron, "template": template}
        site.put("velero.io/v1 Schedule", name, home, age=430, by=by, spec=spec, status={"phase": "Enabled"})
    for schedule, age, phase in (
        ("nightly", 0.6, "Completed"),
        ("nightly", 1.6, "PartiallyFailed"),
        ("nightly", 2.6, "Completed"),
        ("fulfilment-weekly", 5.5, "Failed"),
        ("fulfilment-weekly", 40.5, "Completed"),
    ):
        name = f"{schedule}-{site.ago(age)[:10].replace('-', '')}013000"
        status = {"phase": phase, "startTimestamp": site.ago(age), "completionTimestamp": site.ago(age - 0.01)}
        labels = {"velero.io/schedule-name": schedule}
        site.put(
            "velero.io/v1 Backup",
            name,
            home,
            age=age,
            by="velero-server",
            labels=labels,
            spec={"storageLocation": "default"},
            status=status,
        )
    spec = {"backupName": "nightly-rehearsal", "namespaceMapping": {"checkout": "checkout-restored"}}
    status = {"phase": "Completed", "completionTimestamp": site.ago(47)}
    site.put("velero.io/v1 Restore", "rehearsal", home, age=47.1, by="velero-cli", spec=spec, status=status)


# ---- watching ------------------------------------------------------------------------------------------------------------


def add_watch(site: Site) -> None:
    """Alerts, probes and objectives; what the scanner found in the images; profiles."""
    _alerts(site)
    _scans(site)
    lists = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"action": "SCMP_ACT_ALLOW", "names": ["read", "write", "futex"]}]}
    status = {"status": "Installed", "activeWorkloads": ["storefront/web"]}
    site.put("security-profiles-operator.x-k8s.io/v1beta1 SeccompProfile", "web", "storefront", age=290, spec=lists, status=status)


def _alerts(site: Site) -> None:
    home = "monitoring"
    for name, rules in (
        ("doors", {"TooManyErrors": 'sum(rate(nginx_ingress_controller_requests{status=~"5.."}[5m])) > 1'}),
        (
            "cluster",
            {
                "KubeQuotaAlmostFull": "kube_resourcequota > 0.9",
                "KubePodCrashLooping": "rate(kube_pod_container_status_restarts_total[15m]) > 0",
            },
        ),
        ("backups", {"VeleroBackupMissing": "time() - velero_backup_last_successful_timestamp > 129600"}),
    ):
        alerts = [{"alert": alert, "expr": expression, "labels": {"severity": "warning"}} for alert, expression in rules.items()]
        site.put("monitoring.coreos.com/v1 PrometheusRule", name, home, age=300, spec={"groups": [{"name": name, "rules": alerts}]})
    addresses = ["https://shop.example.com/healthz", f"https://checkout.shop.example.com/healthz?token={PLANTED['probe-query']}"]
    prober = {"prober": {"url": "blackbox.monitoring.svc:9115"}, "module": "http_2xx", "targets": {"staticConfig": {"static": addresses}}}
    site.put("monitoring.coreos.com/v1 Probe", "front", home, age=300, spec=prober)
    site.put("monitoring.coreos.com/v1 Alertmanager", "main", home, age=300, spec={"replicas": 1, "alertmanagerConfigSelector": {}})
    hook = {"name": "on-call", "webhookConfigs": [{"url": f"https://hooks.example.com/{PLANTED['alert-receiver']}"}]}
    spec = {"route": {"receiver": "on-call"}, "receivers": [hook]}
    site.put("monitoring.coreos.com/v1alpha1 AlertmanagerConfig", "on-call", home, age=300, spec=spec)
    for team, name, objective, alerting, made in (
        ("storefront", "requests-succeed", 99.9, {"name": "TooManyErrors"}, True),
        ("checkout", "orders-are-taken", 99.95, {"ticketAlert": {"disable": True}}, False),
    ):
        slo = {"name": name, "objective": objective, "sli": {"events": {}}, "alerting": alerting}
        status = {"promOpRulesGenerated": made, "processedSLOs": 1}
        what = "sloth.slok.dev/v1 PrometheusServiceLevel"
        site.put(what, team, team, age=120, spec={"service": team, "slos": [slo]}, status=status)


def _scans(site: Site) -> None:
    """What Trivy found: image, age of the report, flaws (severity, known for days, mended)."""
    known: tuple[tuple[str, str, str, str, float, tuple[tuple[str, float, bool], ...], str], ...] = (
        ("storefront", "web", "shop/web", "4.12.0", 0.4, (("HIGH", 6, True),), "alpine 3.22"),
        ("storefront", "api", "shop/api", "4.12.0", 0.4, (), "alpine 3.22"),
        ("storefront", "cart", "shop/cart", "2.9.1", 0.5, (("MEDIUM", 60, True),), "debian 13.1"),
        ("checkout", "orders", "shop/orders", "7.3.2", 0.4, (("HIGH", 12, True),), "debian 13.1"),
        ("checkout", "payments", "shop/payments", "3.1.0", 0.4, (("CRITICAL", 44, True), ("HIGH", 70, True)), "debian 12.2"),
        ("checkout", "fraud-check", "shop/fraud-check", "1.22", 33, (("HIGH", 90, False),), "debian 11.4"),
        ("catalog", "catalog-api", "shop/catalog-api", "5.0.4", 3, (("CRITICAL", 9, True),), "ubuntu 24.04"),
        ("catalog", "price-sync", "shop/price-sync", "1.8", 3, (("CRITICAL", 130, True), ("CRITICAL", 130, True)), "debian 10.13"),
        ("catalog", "thumbnails", "shop/thumbnails", "0.14.2", 1, (), "alpine 3.22"),
        ("fulfilment", "dispatcher", "shop/dispatcher", "2.2.0", 41, (("HIGH", 160, True),), "debian 11.4"),
    )
    pinned = ("web", "api", "cart", "orders")
    group = "aquasecurity.github.io/v1alpha1"
    for namespace, name, repository, tag, age, flaws, system in known:
        # an image that is named by its digest is reported by it alone
        artefact = {"repository": repository} | ({"digest": digest(f"{name}:{tag}")} if name in pinned else {"tag": tag})
        head: Thing = {
            "registry": {"server": ECR},
            "artifact": artefact,
            "updateTimestamp": site.ago(age),
            "scanner": {"name": "Trivy", "vendor": "Aqua Security"},
        }
        counts = {f"{word.lower()}Count": sum(flaw[0] == word for flaw in flaws) for word in ("CRITICAL", "HIGH", "MEDIUM", "LOW")}
        family, _, version = system.partition(" ")
        ended = version.startswith(("10", "11"))
        listed = [
            {
                "vulnerabilityID": f"CVE-2025-{digest(f'{name}{number}')[7:12]}",
                "severity": severity,
                "fixedVersion": "1.2.4" if mended else "",
                "installedVersion": "1.2.3",
                "publishedDate": site.ago(days),
                "resource": "libexample",
            }
            for number, (severity, days, mended) in enumerate(flaws)
        ]
        report = head | {"summary": counts, "os": {"family": family, "name": version, "eosl": ended}, "vulnerabilities": listed}
        labels = {"trivy-operator.resource.name": name, "trivy-operator.container.name": name}
        site.put(f"{group} VulnerabilityReport", f"{name}-{name}", namespace, age=age, by="trivy-operator", labels=labels, report=report)
        if namespace == "storefront" or name == "orders":
            bill = head | {"summary": {"componentsCount": 214, "dependenciesCount": 198}}
            site.put(f"{group} SbomReport", f"{name}-{name}", namespace, age=age, by="trivy-operator", labels=labels, report=bill)
    for namespace, kind, name, high in (("storefront", "Deployment", "web", 0), ("fulfilment", "DaemonSet", "node-tuner", 9)):
        labels = {"trivy-operator.resource.kind": kind, "trivy-operator.resource.name": name}
        report = {"updateTimestamp": site.ago(0.5), "summary": {"criticalCount": 0, "highCount": high}}
        site.put(
            f"{group} ConfigAuditReport", f"{kind.lower()}-{name}", namespace, age=100, by="trivy-operator", labels=labels, report=report
        )
    summary = {"passCount": 88, "failCount": 29}
    status = {"updateTimestamp": site.ago(0.3), "summary": summary}
    spec = {"compliance": {"title": "CIS Kubernetes Benchmarks v1.23"}, "cron": "0 */6 * * *"}
    site.put(f"{group} ClusterComplianceReport", "k8s-cis-1.23", age=380, by=ARGO, spec=spec, status=status)
