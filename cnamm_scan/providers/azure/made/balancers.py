"""What public load balancers send on to a network interface: on which ports, for certain or perhaps.

https://learn.microsoft.com/azure/load-balancer/components
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnamm_scan.providers.interface import SeenRow
from cnamm_scan.providers.ports import ALL_PORTS, LAST, Ports, joined, ports

Json = Any

_PROTOCOLS: Mapping[str, Sequence[str]] = {"tcp": ("tcp",), "udp": ("udp",), "all": ("tcp", "udp", "sctp")}
_WHOLE = ("/inboundnatrules/", "/backendaddresspools/")


@dataclass(frozen=True, slots=True)
class Sent:
    """What arrives at an interface through one rule of a load balancer."""

    ports: Ports
    is_sure: bool
    is_basic: bool | None
    """Whether the load balancer is open by itself, as the Basic SKU is; None: not read."""


_PERHAPS = Sent(ALL_PORTS, is_sure=False, is_basic=None)


def sent_to(row: SeenRow, balancers: Mapping[tuple[str, str], SeenRow]) -> list[Sent]:
    """What arrives at an interface through the load balancers that it names; of those that were not read, perhaps everything."""
    rules, pools = row.values.get("nat_rules"), row.values.get("pools")
    made = [_PERHAPS] if rules is None or pools is None else []
    own = frozenset(str(each).lower() for each in (*(rules or ()), *(pools or ())))
    for balancer in sorted({_balancer_of(each) for each in own}):
        found = balancers.get((row.target, balancer))
        made += [_PERHAPS] if found is None else _sent(found, own)
    return made


def _balancer_of(id_: str) -> str:
    for part in _WHOLE:
        id_ = id_.partition(part)[0]
    return id_


def _sent(balancer: SeenRow, own: frozenset[str]) -> Iterator[Sent]:
    sku = balancer.values.get("sku")
    is_basic = None if sku is None else str(sku).lower() == "basic"
    try:
        frontends = {str(each["id"]).lower(): _is_public(each["properties"]) for each in _list(balancer, "frontends")}
        for rule in (*_list(balancer, "nat_rules"), *_list(balancer, "rules")):
            about = rule["properties"]
            named = [rule, about.get("backendAddressPool") or {}, *(about.get("backendAddressPools") or ())]
            if own.isdisjoint(str(each.get("id")).lower() for each in named):
                continue
            is_public = frontends.get(str(about["frontendIPConfiguration"]["id"]).lower())
            if is_public is not False:
                yield Sent(_ports(str(about["protocol"]), int(about["backendPort"])), is_public is True, is_basic)
    except (AttributeError, KeyError, TypeError, ValueError):
        yield Sent(ALL_PORTS, is_sure=False, is_basic=is_basic)


def _list(balancer: SeenRow, name: str) -> Sequence[Json]:
    said: Sequence[Json] = balancer.values[name]
    len(said)  # of what was not read nothing is known
    return said


def _is_public(frontend: Mapping[str, Json]) -> bool:
    return any(frontend.get(name) for name in ("publicIPAddress", "publicIPPrefix"))


def _ports(protocol: str, number: int) -> Ports:
    """One port, or all of them: a rule for high availability names protocol All and port 0."""
    named = _PROTOCOLS[protocol.lower()]
    first, last = (0, LAST) if number == 0 else (number, number)
    return joined([ports(each, first, last) for each in named])
