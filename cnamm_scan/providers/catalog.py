"""What each kind of target is, said once and without its SDK: the rest of the house asks here and names no provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnamm_scan.model import Call, Column
from cnamm_scan.providers import kubernetes_needs, kubernetes_pods, policies, rights

if TYPE_CHECKING:
    from cnamm_scan.providers.interface import Provider

Json = Any
Operations = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """How targets are reached: what the command line's options of the same names say. Each provider takes those that it knows."""

    role_arn: str | None = None
    external_id: str | None = None
    endpoint_url: str | None = None
    call_timeout: float = 20.0
    connections: int = 16
    kubeconfig: str | None = None
    namespaces: tuple[str, ...] = ()
    excluded_namespaces: tuple[str, ...] = ()
    system_namespaces: tuple[str, ...] = ()
    """Namespaces that hold the platform itself, besides those that are known."""


Connect = Callable[[str, TargetOptions, Operations | None], "Provider"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of target."""

    name: str
    noun: str
    """What one target is: an account, a cluster."""
    connect: Connect
    """(what follows the colon of a TARGET, options, the operations that will be asked) -> a provider. Raises CnammError."""
    rights: rights.Rights
    normalisers: Mapping[str, Callable[[Json], Json]] = field(default_factory=dict)
    """What `normalise:` of a collector may name."""
    readers: frozenset[str] = frozenset()
    """What `read:` of a collector may name."""
    opt_ins: Mapping[str, str] = field(default_factory=dict)
    """What is read only when it is asked for -> the option that asks for it."""
    region_table: str | None = None
    """The engine-made table with one row a region; None where a target has no regions."""
    region_about: str = ""
    needs: Callable[[Call, str], tuple[str, ...]] | None = None
    """The rights of a call of a client, where they follow from its name; None where a collector must name them."""
    call_problem: Callable[[Call, str], tuple[str, str] | None] | None = None
    """What is wrong with how a call or its client is written: (what, what to do)."""


def _aws(name: str, options: TargetOptions, operations: Operations | None) -> Provider:
    from cnamm_scan.providers.aws import AwsProvider, Options

    return AwsProvider(
        Options(
            profile=name or None,
            role_arn=options.role_arn,
            external_id=options.external_id,
            endpoint_url=options.endpoint_url,
            call_timeout=options.call_timeout,
            connections=options.connections,
            operations=operations,
        )
    )


def _kubernetes(name: str, options: TargetOptions, operations: Operations | None) -> Provider:
    from cnamm_scan.providers.kubernetes import Options, connect

    return connect(
        name,
        Options(
            kubeconfig=options.kubeconfig,
            namespaces=options.namespaces,
            excluded_namespaces=options.excluded_namespaces,
            system_namespaces=options.system_namespaces,
            call_timeout=options.call_timeout,
            connections=options.connections,
        ),
    )


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="aws",
            noun="account",
            connect=_aws,
            rights=rights.AWS,
            normalisers=policies.NORMALISERS,
            readers=frozenset({"iam_credential_report"}),
            region_table="aws.account.region",
            region_about="One row for each region of the account. Made by the engine from ec2:DescribeRegions and what the scan saw.",
        ),
        Kind(
            name="kubernetes",
            noun="cluster",
            connect=_kubernetes,
            rights=rights.KUBERNETES,
            normalisers=kubernetes_pods.NORMALISERS,
            readers=frozenset({"cluster", "api_resources"}),
            opt_ins={"secret_metadata": "--with-secret-metadata", "kubelet_config": "--with-kubelet-config"},
            needs=kubernetes_needs.needs,
            call_problem=kubernetes_needs.problem,
        ),
    )
}


REGION_COLUMNS: Mapping[str, Column] = {
    "name": Column("text", "name"),
    "state": Column("text", "state", about="enabled or opt_in_off; unknown when regions could not be listed."),
    "seen": Column("text", "seen", about="listed, excluded, denied, unreachable or off."),
    "opt_in": Column("text", "opt_in", absent="", about="The region's opt-in status as the API gives it."),
}


def names() -> Sequence[str]:
    """The providers, as a TARGET may begin."""
    return tuple(KINDS)
