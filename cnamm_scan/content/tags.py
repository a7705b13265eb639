"""The closed list of words by which rules are found: topics of the field, and benchmarks that ask for the same. Services are in the ids."""

from __future__ import annotations

TOPICS = frozenset(
    """
    access-analysis access-keys admission-control ai alerting anonymous-access api-security approval architecture audit-logging
    authentication authorization auto-remediation autoscaling backup break-glass capacity certificates chaos-engineering
    cis-hardening compliance container-security continuous-delivery cost credentials data-classification data-loss data-retention
    ddos deletion-protection deployment disaster-recovery dns drift egress encryption-at-rest encryption-in-transit end-of-life
    endpoint-security event-driven external-access federation file-integrity finops firewall gitops governance health-check
    high-availability host-access human-access iam identity image-signing image-scanning images immutability incident-response
    infrastructure-as-code ingress instance-metadata inventory key-management key-rotation kms kubernetes-api least-privilege
    lifecycle-management load-balancing logging machine-learning malware managed-services mfa monitoring multi-account
    multi-region mutual-tls network-policy network-segmentation node-security observability organization-policy ownership
    password-policy patching permission-boundary platform-engineering pod-security policy-as-code private-network
    privilege-escalation privileged-access privileged-containers progressive-delivery public-access quotas rate-limiting rbac
    recovery-testing replication resilience resource-limits root-account runtime-security sbom secrets segregation-of-duties
    self-service serverless service-mesh session-management single-sign-on slo sustainability tagging tenant-isolation testing
    threat-detection time-limited-access tls tracing unused-resources vault versioning vulnerability-management waf
    workload-identity zero-trust
    """.split()
)
BENCHMARKS = frozenset(
    """
    aws-fsbp aws-well-architected cis-aws cis-azure cis-eks cis-gcp cis-kubernetes mcsb nsa-cisa owasp-kubernetes
    pod-security-standards slsa
    """.split()
)
"""Which of them asks for what a rule asks for; under which number, say its references."""
TAGS = TOPICS | BENCHMARKS
