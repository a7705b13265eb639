"""What the functions of this folder are called in content, and what the columns of their rows mean. Imports none of them."""

from __future__ import annotations

from collections.abc import Mapping

from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.kubernetes.made import admission_columns as admission
from cnamm_scan.providers.kubernetes.made import network_columns as network
from cnamm_scan.providers.kubernetes.made import rbac_columns as rbac

MAKERS: Mapping[str, Maker] = {
    **admission.MAKERS,
    **network.MAKERS,
    **rbac.MAKERS,
}
