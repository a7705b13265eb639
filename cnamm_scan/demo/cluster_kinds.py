"""The kinds that the shop's cluster has besides the built-in ones."""

from __future__ import annotations

from cnamm_scan.demo.cluster_groups import Resource
from cnamm_scan.demo.cluster_things import HELM, Site, Thing

_DEFINED = """
applications.argoproj.io/v1alpha1          Application   N  helm@640 argocd-controller@12
rollouts.argoproj.io/v1alpha1              Rollout       N  argocd-controller@300
clusterpolicies.kyverno.io/v1              ClusterPolicy C  argocd-controller@28
certificates.cert-manager.io/v1            Certificate   N  argocd-controller@610
backups.velero.io/v1                       Backup        N  helm@440
nodepools.karpenter.sh/v1                  NodePool      C  helm@210
gatewayclasses.gateway.networking.k8s.io/v1  GatewayClass  C  kubectl-client-side-apply@95 kubectl-edit@21
httproutes.gateway.networking.k8s.io/v1    HTTPRoute     N  kubectl-client-side-apply@95
"""
"""Kinds with their definitions, and who wrote those how many days ago."""
_SERVED = """
argoproj.io/v1alpha1 applicationsets:ApplicationSet appprojects:AppProject analysisruns:AnalysisRun analysistemplates:AnalysisTemplate
kyverno.io/v2 policyexceptions:PolicyException
wgpolicyk8s.io/v1alpha2 policyreports:PolicyReport clusterpolicyreports:ClusterPolicyReport!
aquasecurity.github.io/v1alpha1 vulnerabilityreports:VulnerabilityReport sbomreports:SbomReport configauditreports:ConfigAuditReport
aquasecurity.github.io/v1alpha1 clustercompliancereports:ClusterComplianceReport!
cert-manager.io/v1 clusterissuers:ClusterIssuer!
external-secrets.io/v1 externalsecrets:ExternalSecret clustersecretstores:ClusterSecretStore!
velero.io/v1 schedules:Schedule restores:Restore backupstoragelocations:BackupStorageLocation
monitoring.coreos.com/v1 prometheusrules:PrometheusRule probes:Probe alertmanagers:Alertmanager
monitoring.coreos.com/v1alpha1 alertmanagerconfigs:AlertmanagerConfig
sloth.slok.dev/v1 prometheusservicelevels:PrometheusServiceLevel
karpenter.sh/v1 nodeclaims:NodeClaim!
gateway.networking.k8s.io/v1 gateways:Gateway
gateway.envoyproxy.io/v1alpha1 securitypolicies:SecurityPolicy backendtrafficpolicies:BackendTrafficPolicy
gateway.envoyproxy.io/v1alpha1 clienttrafficpolicies:ClientTrafficPolicy
security.istio.io/v1 peerauthentications:PeerAuthentication authorizationpolicies:AuthorizationPolicy
networking.istio.io/v1 destinationrules:DestinationRule gateways:Gateway
serving.knative.dev/v1 services:Service revisions:Revision
serving.kserve.io/v1beta1 inferenceservices:InferenceService
autoscaling.k8s.io/v1 verticalpodautoscalers:VerticalPodAutoscaler
kube-green.com/v1alpha1 sleepinfos:SleepInfo
security-profiles-operator.x-k8s.io/v1beta1 seccompprofiles:SeccompProfile
"""
"""Kinds that are served without an object that defines them; those with a ! belong to no namespace."""


def add_kinds(site: Site) -> None:
    """Put the definitions in, and serve all kinds."""
    for line in _DEFINED.strip().splitlines():
        named, kind, scope, *writers = line.split()
        plural, _, group_version = named.partition(".")
        group, _, version = group_version.partition("/")
        schema: Thing = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        spec = {
            "group": group,
            "names": {"plural": plural, "kind": kind, "singular": kind.lower(), "listKind": f"{kind}List"},
            "scope": "Namespaced" if scope == "N" else "Cluster",
            "versions": [{"name": version, "served": True, "storage": True, "schema": schema}],
        }
        age = float(writers[0].partition("@")[2])
        site.put("apiextensions.k8s.io/v1 CustomResourceDefinition", f"{plural}.{group}", age=age, by=" ".join(writers), spec=spec)
    for line in _SERVED.strip().splitlines():
        group_version, *kinds = line.split()
        for each in kinds:
            plural, _, kind = each.rstrip("!").partition(":")
            site.cluster.serve(group_version, Resource(plural, kind, namespaced=not each.endswith("!")))
    priority = {"groupPriorityMinimum": 17800, "versionPriority": 15}
    there = {"conditions": [{"type": "Available", "status": "True", "reason": "Passed"}]}
    service = {"namespace": "kube-system", "name": "metrics-server", "port": 443}
    aggregated = {"group": "metrics.k8s.io", "version": "v1beta1", "service": service, "insecureSkipTLSVerify": True}
    what = "apiregistration.k8s.io/v1 APIService"
    site.put(what, "v1beta1.metrics.k8s.io", by=HELM, spec=aggregated | priority, status=there)
    site.put(what, "v1.apps", age=700, by="kube-apiserver", spec={"group": "apps", "version": "v1"} | priority, status=there)
