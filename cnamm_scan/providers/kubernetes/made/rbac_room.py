"""A cluster's roles and bindings out of the collected tables, read once for all rows that are made of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from cnamm_scan.model import Reason, Target
from cnamm_scan.providers.interface import SeenRow, SeenTables, rows_if_read
from cnamm_scan.providers.kubernetes.aws_auth import ACCOUNT
from cnamm_scan.providers.kubernetes.made.openshift import is_openshift
from cnamm_scan.providers.kubernetes.policies.rbac import builtin, reading
from cnamm_scan.providers.kubernetes.policies.rbac.cluster import Binding, Cluster, Features, Role, Sight
from cnamm_scan.providers.kubernetes.policies.rbac.mapped import Mapped
from cnamm_scan.providers.kubernetes.policies.rbac.rights import RoleName
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import ACCOUNT as SERVICE_ACCOUNT
from cnamm_scan.providers.kubernetes.policies.rbac.subjects import Subject
from cnamm_scan.providers.truths import Truth

ROLE, CLUSTER_ROLE = "kubernetes.rbac.role", "kubernetes.rbac.cluster_role"
ROLE_BINDING, CLUSTER_ROLE_BINDING = "kubernetes.rbac.role_binding", "kubernetes.rbac.cluster_role_binding"
NODE = "kubernetes.core.node"
POD = "kubernetes.core.pod"
NAMESPACE, CLUSTER, KIND = "kubernetes.core.namespace", "kubernetes.cluster.cluster", "kubernetes.cluster.api_resource"
TOKEN = "kubernetes.core.token_secret"
MAPPING, EKS_CLUSTER = "kubernetes.core.aws_mapping", "aws.eks.cluster"
_READS_MAPPING = {"API": False, "API_AND_CONFIG_MAP": True, "CONFIG_MAP": True}
"""Authentication mode of an EKS cluster -> whether it reads the config map aws-auth."""
_VERSIONS = {"-aliyun.": "ack", "-tke.": "tke", "+IKS": "iks", "-CCE": "cce"}
_LABELS = {
    "alibabacloud.com/nodepool-id": "ack",
    "cloud.google.com/gke-nodepool": "gke",
    "doks.digitalocean.com/node-pool": "doks",
    "eks.amazonaws.com/nodegroup": "eks",
    "ibm-cloud.kubernetes.io/worker-id": "iks",
    "k8s.ovh.net/nodepool": "ovh",
    "k8s.scaleway.com/pool": "kapsule",
    "kubernetes.azure.com/cluster": "aks",
    "lke.linode.com/pool-id": "lke",
    "oke.oraclecloud.com/pool.name": "oke",
}
"""Label that a cloud puts on the nodes of a managed cluster -> the name of that service."""
_PACKAGED = re.compile(r"helm-(traefik|traefik-crd|rke2-.+)")
"""Accounts that install the charts which K3s and RKE2 come with: https://docs.k3s.io/add-ons/helm"""
OWN_WRITERS = frozenset({"kube-apiserver", "kube-controller-manager", "clusterrole-aggregation-controller"})
"""Who writes the fields of a role that nobody has changed."""


@dataclass(frozen=True)
class Bound:
    """A binding with the row that it was read from."""

    row: SeenRow
    binding: Binding
    shipped: frozenset[Subject]
    """Those of its subjects that it names as the API server ships it."""

    @property
    def key(self) -> str:
        """Such as `ClusterRoleBinding admins`."""
        return f"{self.kind} {self.row.key}"

    @property
    def kind(self) -> str:
        """RoleBinding or ClusterRoleBinding."""
        return "RoleBinding" if self.binding.namespace else "ClusterRoleBinding"


def moment(value: Any) -> Any:
    """A time as text, as a made column wants it."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if isinstance(value, datetime) else value


class Room:
    """What was seen of one target. Reads the tables that its view names, and takes no other to be there."""

    def __init__(self, seen: SeenTables, target: Target) -> None:
        self._seen, self.target = seen, target

    def rows(self, table: str) -> Iterator[SeenRow]:
        """The rows of a table in this target; none of a table that the view does not read."""
        yield from rows_if_read(self._seen, table, self.target.id)

    def sees(self, table: str) -> bool:
        """Whether a table was read whole."""
        return table in self._seen.reads and not self._seen.dark(table, self.target.id)

    # ---- roles -----------------------------------------------------------------------------------------------------------

    @cached_property
    def roles(self) -> dict[RoleName, tuple[Role, SeenRow]]:
        """Every role that was seen, with its row."""
        found: dict[RoleName, tuple[Role, SeenRow]] = {}
        for table, kind in ((ROLE, "Role"), (CLUSTER_ROLE, "ClusterRole")):
            for row in self.rows(table):
                name, values = RoleName(kind, row.values["name"] or "", row.values.get("namespace") or ""), row.values
                labels = values.get("labels")
                found[name] = (
                    Role(
                        name,
                        reading.rules(values["rules"]),
                        {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {},
                        reading.selectors(values.get("aggregation")),
                        values["created_at"] is not None,
                    ),
                    row,
                )
        return found

    def is_as_shipped(self, name: RoleName) -> bool:
        """Whether a role is there by the API server's own hand: by its label, and by who has written it.

        A listing that does not say who wrote is believed where it comes from a server; a file is not.
        """
        found = self.roles.get(name)
        if found is None or not found[1].values["is_builtin"]:
            return False
        written = found[1].values["managers"]
        if name.name == "cluster-admin" and found[0].rules is not None and set(found[0].rules) <= set(builtin.EVERYTHING):
            return True  # who has annotated it has given it no more
        return found[1].values["created_at"] is not None if not written else OWN_WRITERS.issuperset(written)

    # ---- bindings --------------------------------------------------------------------------------------------------------

    @cached_property
    def bindings(self) -> Sequence[Bound]:
        """Every binding that was seen, in the order of its key."""
        return tuple(self._bindings())

    def _bindings(self) -> Iterator[Bound]:
        for table in (ROLE_BINDING, CLUSTER_ROLE_BINDING):
            for row in self.rows(table):
                values, place = row.values, row.values.get("namespace") or ""
                subjects = reading.subjects(values["subjects"], place)
                binding = Binding(place, values["name"] or "", values["role_kind"] or "", values["role_name"] or "", subjects)
                shipped: Iterable[Subject] = ()
                if values["is_builtin"] and self.is_as_shipped(binding.role):
                    shipped = (each for each in subjects or () if self._ships(binding, each))
                yield Bound(row, binding, frozenset(shipped))

    @staticmethod
    def _ships(binding: Binding, subject: Subject) -> bool:
        return builtin.is_shipped(binding.namespace, binding.name, binding.role_kind, binding.role_name, [subject])

    def ships(self, bound: Bound, subject: Subject) -> bool | None:
        """Whether a binding names a subject as the API server ships it; None where who wrote it, or its role, was not seen."""
        built_in, role = bound.row.values["is_builtin"], self.roles.get(bound.binding.role)
        if built_in is False or not self._ships(bound.binding, subject):
            return False
        if role is None:
            return False if self.sees(CLUSTER_ROLE) else None
        if role[1].values["is_builtin"] is None:
            return None
        return built_in if self.is_as_shipped(bound.binding.role) else False

    @cached_property
    def standing(self) -> Sequence[Bound]:
        """The bindings that are not for emergencies."""
        return tuple(each for each in self.bindings if not each.row.values["is_break_glass"])

    # ---- the cluster -----------------------------------------------------------------------------------------------------

    @cached_property
    def cluster(self) -> Cluster:
        """RBAC as it stands, emergencies left out; binding numbers are those of `standing`."""
        sight = replace(self._sight, bindings=self.sees(ROLE_BINDING), cluster_bindings=self.sees(CLUSTER_ROLE_BINDING))
        return Cluster(self._every_role(), (each.binding for each in self.standing), sight, self._features())

    @cached_property
    def _sight(self) -> Sight:
        """What was seen of roles. Where a scope alone left something out, which namespaces that are."""
        sight = Sight(self.sees(ROLE), self.sees(CLUSTER_ROLE))
        reasons = {
            reason for table in (ROLE, ROLE_BINDING) if table in self._seen.reads for reason in self._seen.why(table, self.target.id)
        }
        if reasons != {Reason.EXCLUDED.value}:
            return sight
        left_out, shown = (frozenset(self.target.scope.get(name) or ()) for name in ("excluded_namespaces", "namespaces"))
        return replace(sight, left_out=left_out, shown=shown)

    @cached_property
    def roles_alone(self) -> Cluster:
        """The same as if every binding had been seen: for what a role means by itself."""
        return Cluster(
            self._every_role(),
            (each.binding for each in self.bindings if each.binding.subjects is not None),
            self._sight,
            self._features(),
        )

    def _every_role(self) -> list[Role]:
        return [role for role, _ in self.roles.values()]

    @cached_property
    def managed_by(self) -> str | None:
        """The cloud that runs the control plane; empty for none that is known, None where that was not seen.

        The version and the address tell of some (`managed_by` of the cluster), the version alone of others, and of the rest the labels that
        a cloud puts on the nodes of its managed clusters. The provider id of a machine does not: own clusters run in clouds too.
        """
        row = next(self.rows(CLUSTER), None)
        if row is None or row.values.get("managed_by") is None:
            return None
        found = row.values["managed_by"] or next(
            (name for mark, name in _VERSIONS.items() if mark in (row.values["git_version"] or "")), ""
        )
        if found:
            return str(found)
        for node in self.rows(NODE):
            for label in node.values["labels"] or ():
                if label in _LABELS:
                    return _LABELS[label]
        return "" if self.sees(NODE) else None

    @property
    def may_be_managed(self) -> bool:
        """Whether a server says nothing of a cloud, and the nodes, which would tell, were not all seen. Files have no server."""
        row = next(self.rows(CLUSTER), None)
        return self.managed_by is None and row is not None and row.values.get("managed_by") is not None

    @cached_property
    def reads_mapping(self) -> Truth:
        """Whether the config map aws-auth lets anybody in: where EKS says that it reads it, and on own clusters maybe where there is one.

        What EKS says is in the account of the cluster, which is found by the address of its API server where both are scanned.
        """
        row = next(self.rows(CLUSTER), None)
        if row is None or self.managed_by is None:
            return None
        if self.managed_by != "eks":
            return None if not self.managed_by and any(self.rows(MAPPING)) else False
        told = rows_if_read(self._seen, EKS_CLUSTER)
        modes = [each.values["sign_in"] for each in told if row.values.get("server") and each.values["endpoint"] == row.values["server"]]
        return _READS_MAPPING.get(modes[0]) if len(modes) == 1 and modes[0] else None

    @cached_property
    def mapped(self) -> Sequence[tuple[Mapped | None, SeenRow]]:
        """The roles and users of AWS that aws-auth may let in, None for what there cannot be read. Accounts hold nothing by it."""
        found: dict[str, tuple[Mapped | None, SeenRow]] = {}
        for row in self.rows(MAPPING) if self.reads_mapping is not False else ():
            if (each := row.values).get("kind") == ACCOUNT:
                continue
            if None in (each["principal"], each["groups"]):
                found[row.key] = None, row
            else:  # the ARN of a role that stands among the users too is two entries
                name = each["principal"] if each["principal"] not in found else f"{each['principal']} ({each['part']})"
                found[name] = Mapped(name, each["username"] or "", tuple(each["groups"])), row
        return tuple(found.values())

    def _features(self) -> Features:
        row = next(self.rows(CLUSTER), None)
        minor = None if row is None else row.values["minor"]
        # alpha and off at first: from 1.36 on it is on unless somebody turns it off
        constrained: Truth = None if minor is None or minor == 35 else minor > 35
        kinds = frozenset((each.values["api_group"] or "", each.values["resource"] or "") for each in self.rows(KIND))
        tokens = frozenset(
            (each.values["namespace"], each.values["name"], each.values["account"])
            for each in self.rows(TOKEN)
            if None not in (each.values["namespace"], each.values["name"], each.values["account"])
        )
        return Features(
            constrained_impersonation=constrained,
            get_enters_pods=None if minor is None or minor >= 35 else True,
            has_aws_auth=self.reads_mapping,
            kinds=kinds if self.sees(KIND) else None,
            token_secrets=tokens if self.sees(TOKEN) else None,
        )

    # ---- the platform ----------------------------------------------------------------------------------------------------

    @cached_property
    def _platform(self) -> dict[str, bool]:
        return {row.values["name"]: row.values["is_system"] for row in self.rows(NAMESPACE) if row.values["is_system"] is not None}

    @cached_property
    def _running(self) -> tuple[frozenset[tuple[str, str]], bool]:
        """The accounts of all pods that were seen, and whether that is every pod."""
        told = [(row.values["namespace"], row.values["service_account"]) for row in self.rows(POD)]
        return frozenset(each for each in told if None not in each), self.sees(POD) and not any(None in each for each in told)

    def runs(self, account: Subject) -> Truth:
        """Whether a pod runs as an account."""
        accounts, is_whole = self._running
        return True if (account.namespace, account.name) in accounts else False if is_whole else None

    def is_platforms(self, namespace: str) -> bool:
        """Whether a namespace holds the platform itself; of one that was not listed its name tells."""
        return self._platform.get(namespace, namespace.startswith("kube-"))

    def is_openshifts(self, account: Subject) -> bool:
        """Whether an account is part of OpenShift itself, whose own operators keep it: nobody who runs the cluster can take its rights."""
        if account.kind != SERVICE_ACCOUNT or not account.namespace.startswith("openshift-") or not self.is_platforms(account.namespace):
            return False
        return self._is_openshift and self.runs(account) is True

    def is_built_in(self, account: Subject) -> bool:
        """Whether an account belongs to the distribution itself, which gives it back the rights that somebody takes away."""
        return self.is_openshifts(account) or self._is_packaged(account)

    def _is_packaged(self, account: Subject) -> bool:
        """Whether by an account K3s or RKE2 installs a chart of its own, and nobody else has bound it."""
        if (account.kind, account.namespace) != (SERVICE_ACCOUNT, "kube-system") or not _PACKAGED.fullmatch(account.name):
            return False
        row = next(self.rows(CLUSTER), None)
        version = "" if row is None else row.values.get("git_version") or ""
        if "+k3s" not in version and "+rke2" not in version:
            return False
        own = [each.binding for each in self.bindings if account in (each.binding.subjects or ())]
        name = f"helm-kube-system-{account.name.removeprefix('helm-')}"
        return bool(own) and all((each.namespace, each.name) == ("", name) for each in own)

    @cached_property
    def _is_openshift(self) -> bool:
        return is_openshift(self._seen, self.target.id)


def rooms(seen: SeenTables) -> Iterator[Room]:
    """One for each target."""
    for target in seen.targets:
        yield Room(seen, target)
