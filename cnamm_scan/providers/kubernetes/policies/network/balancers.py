"""What annotations tell a cloud about the load balancer of a Service: whether it stands inside the network, and whom it lets in.

https://kubernetes.io/docs/concepts/services-networking/service/#internal-load-balancer, and each cloud's own page about its annotations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from cnamm_scan.providers.openness import EVERYWHERE, Openness, addresses, judge
from cnamm_scan.providers.truths import Truth

_YES = ("true", "1", "yes", "0.0.0.0/0")
INTERNAL: Mapping[str, tuple[str, ...]] = {
    "service.beta.kubernetes.io/aws-load-balancer-internal": _YES,
    "service.beta.kubernetes.io/aws-load-balancer-scheme": ("internal",),
    "service.beta.kubernetes.io/azure-load-balancer-internal": _YES,
    "networking.gke.io/load-balancer-type": ("internal",),
    "cloud.google.com/load-balancer-type": ("internal",),
    "service.beta.kubernetes.io/openstack-internal-load-balancer": _YES,
    "service.beta.kubernetes.io/oci-load-balancer-internal": _YES,
    "oci-network-load-balancer.oraclecloud.com/internal": _YES,
    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type": ("intranet",),
    "service.beta.kubernetes.io/alicloud-loadbalancer-address-type": ("intranet",),
    "service.beta.kubernetes.io/do-loadbalancer-network": ("internal",),
    "service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type": ("private",),
    "service.beta.kubernetes.io/cce-load-balancer-internal-vpc": _YES,
    "service.beta.kubernetes.io/scw-loadbalancer-private": _YES,
    "load-balancer.hetzner.cloud/disable-public-network": _YES,
    "yandex.cloud/load-balancer-type": ("internal",),
}
"""Annotation -> values that put the balancer inside, in small letters."""
INTERNAL_BY_NAME = ("service.kubernetes.io/qcloud-loadbalancer-internal-subnetid",)
"""Annotations that do so with any value."""
AWS_SCHEME = "service.beta.kubernetes.io/aws-load-balancer-scheme"
AWS_TYPE = "service.beta.kubernetes.io/aws-load-balancer-type"
AWS_CLASSES = ("service.k8s.aws/nlb", "eks.amazonaws.com/nlb")
RANGES = (
    "service.beta.kubernetes.io/load-balancer-source-ranges",
    "service.beta.kubernetes.io/azure-allowed-ip-ranges",
    "service.beta.kubernetes.io/oci-load-balancer-source-ranges",
)
"""Annotations that name whom the balancer lets in, beside the field of the Service."""
TAGS = "service.beta.kubernetes.io/azure-allowed-service-tags"
OWN_GROUPS = "service.beta.kubernetes.io/aws-load-balancer-security-groups"
"""Security groups of one's own decide then, and ranges beside them may not be heeded."""
OWN_RULES = "service.beta.kubernetes.io/do-loadbalancer-allow-rules"
"""Rules that are not written as ranges alone."""


def is_internal(annotations: Mapping[str, str] | None, balancer_class: str | None, given: Sequence[Mapping[str, Any]] | None) -> Truth:
    """Whether a load balancer stands inside the network: an annotation, its class's default, or the addresses that it got say so."""
    places = [_is_private(str(each["ip"])) for each in given or () if each.get("ip")]
    if True in places:
        return False not in places  # one of two families may stand outside
    if annotations is None:
        return None
    if any(str(annotations.get(name, "")).strip().lower() in values for name, values in INTERNAL.items()):
        return True
    if any(name in annotations for name in INTERNAL_BY_NAME):
        return True
    by_controller = balancer_class in AWS_CLASSES or annotations.get(AWS_TYPE) in ("external", "nlb-ip")
    if by_controller and AWS_SCHEME not in annotations:
        return True  # the AWS Load Balancer Controller keeps a balancer inside unless it is told otherwise
    return None if balancer_class is None and AWS_SCHEME not in annotations else False


def _is_private(address: str) -> Truth:
    try:
        return judge(addresses([str(ip_address(address))])) is Openness.PRIVATE
    except ValueError:
        return None


def admitted(ranges: Sequence[str] | None, annotations: Mapping[str, str] | None) -> Openness | None:
    """Whom the balancer lets in. Without ranges everybody; what is no range, or stands in rules of the cloud's own, was not read."""
    if ranges is None or annotations is None or OWN_GROUPS in annotations:
        return None
    written = [*ranges, *(part.strip() for name in RANGES for part in str(annotations.get(name, "")).split(","))]
    named = [each for each in written if each]
    tags = {part.strip().lower() for part in str(annotations.get(TAGS, "")).split(",") if part.strip()}
    if OWN_RULES in annotations and not named:
        return None
    if "internet" in tags or (not named and not tags):
        return judge(EVERYWHERE)
    try:
        found = judge(addresses(named))
    except ValueError:
        return None
    return found if not tags or found is Openness.WORLD else None  # what a cloud's own tags stand for is not to be seen here
