"""What a public load balancer sends on to a network interface that has no public address of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cnamm_scan.demo.azure.bed.server import AzureBed
from tests.azures import ONE, scan, tenant

RULE = "azure.network.admin_ports_closed_to_world"
HERE = f"/subscriptions/{ONE}/resourceGroups/RG/providers/Microsoft.Network"
BALANCER = f"{HERE}/loadBalancers/edge"
PUBLIC = {"id": f"{BALANCER}/frontendIPConfigurations/f", "properties": {"publicIPAddress": {"id": f"{HERE}/publicIPAddresses/edge"}}}
PRIVATE = {"id": PUBLIC["id"], "properties": {"privateIPAddress": "10.0.0.4"}}
GROUP = f"{HERE}/networkSecurityGroups/web"
NAT, POOL = f"{BALANCER}/inboundNatRules/ssh", f"{BALANCER}/backendAddressPools/web"


def _sends(id_: str, port: int, **said: Any) -> dict[str, Any]:
    properties = {"protocol": "Tcp", "frontendPort": 50001, "backendPort": port, "frontendIPConfiguration": {"id": PUBLIC["id"]}, **said}
    return {"id": id_, "properties": properties}


def _balancer(frontend: Mapping[str, Any] = PUBLIC, sku: str = "Standard", **said: Any) -> dict[str, Any]:
    return {"id": BALANCER, "location": "westeurope", "sku": {"name": sku}, "properties": {"frontendIPConfigurations": [frontend], **said}}


def _verdicts(*balancers: Mapping[str, Any], guarded: bool = True) -> dict[str, int]:
    held = {"loadBalancerInboundNatRules": [{"id": NAT}], "loadBalancerBackendAddressPools": [{"id": POOL}]}
    subnet = {"id": f"{HERE}/virtualNetworks/shop/subnets/web", "name": "web", "properties": {}}
    network = {"id": f"{HERE}/virtualNetworks/shop", "location": "westeurope", "properties": {"subnets": [subnet]}}
    interface = {"ipConfigurations": [{"name": "a", "properties": {"subnet": {"id": subnet["id"]}, **held}}]}
    admits = {"direction": "Inbound", "access": "Allow", "priority": 100, "protocol": "Tcp", "sourceAddressPrefix": "Internet"}
    rule = {"name": "in", "properties": {**admits, "destinationPortRange": "20-500", "destinationAddressPrefix": "*"}}
    if guarded:
        interface["networkSecurityGroup"] = {"id": GROUP}  # type: ignore[assignment]
    things = (
        network,
        {"id": f"{HERE}/networkInterfaces/web-1", "location": "westeurope", "properties": interface},
        {"id": GROUP, "location": "westeurope", "properties": {"securityRules": [rule]}},
        *balancers,
    )
    with AzureBed(tenant(*things)) as bed, scan(bed, rules=[RULE]) as done:
        return {each: sum(getattr(tally, each) for tally in done.tallies if tally.rule == RULE) for each in ("pass_", "fail", "unknown")}


NOTHING = {"pass_": 0, "fail": 0, "unknown": 0}


@pytest.mark.parametrize(
    ("balancers", "expected"),
    [
        ([_balancer(inboundNatRules=[_sends(NAT, 22)])], "fail"),
        ([_balancer(inboundNatRules=[_sends(f"{NAT}s", 22, backendAddressPool={"id": POOL})])], "fail"),
        ([_balancer(loadBalancingRules=[_sends("r", 22, backendAddressPools=[{"id": POOL}])])], "fail"),
        ([_balancer(loadBalancingRules=[_sends("r", 0, protocol="All", backendAddressPool={"id": POOL})])], "fail"),
        ([_balancer(loadBalancingRules=[_sends("r", 443, backendAddressPool={"id": POOL})])], "pass_"),
        ([_balancer(loadBalancingRules=[_sends("r", 3389, backendAddressPool={"id": POOL})])], "pass_"),  # the group keeps that out
        ([_balancer(PRIVATE, inboundNatRules=[_sends(NAT, 22)])], None),
        ([_balancer(inboundNatRules=[_sends(f"{NAT}2", 22)])], None),
        ([], "unknown"),  # in another subscription
    ],
)
def test_a_public_load_balancer_is_a_way_in(balancers: list[Mapping[str, Any]], expected: str | None) -> None:
    assert _verdicts(*balancers) == {**NOTHING, **({expected: 1} if expected else {})}


@pytest.mark.parametrize(("sku", "expected"), [("Basic", "fail"), ("Standard", "pass_")])
def test_without_a_group_one_of_the_basic_sku_alone_lets_in(sku: str, expected: str) -> None:
    assert _verdicts(_balancer(sku=sku, inboundNatRules=[_sends(NAT, 22)]), guarded=False) == {**NOTHING, expected: 1}


@pytest.mark.parametrize(("ports", "expected"), [("22", "fail"), ("443", "pass_")])
def test_a_public_address_is_judged_by_the_group_of_its_subnet(ports: str, expected: str) -> None:
    subnet = {"id": f"{HERE}/virtualNetworks/shop/subnets/web", "name": "web", "properties": {"networkSecurityGroup": {"id": GROUP}}}
    other = {"id": f"{HERE}/virtualNetworks/shop/subnets/data", "name": "data", "properties": {}}
    configuration = {"subnet": {"id": subnet["id"]}, "publicIPAddress": {"id": f"{HERE}/publicIPAddresses/web-1"}}
    admits = {"direction": "Inbound", "access": "Allow", "priority": 100, "protocol": "Tcp", "sourceAddressPrefix": "*"}
    rule = {"name": "in", "properties": {**admits, "destinationPortRange": ports, "destinationAddressPrefix": "*"}}
    things = (
        {"id": f"{HERE}/virtualNetworks/shop", "location": "westeurope", "properties": {"subnets": [other, subnet]}},
        {
            "id": f"{HERE}/networkInterfaces/web-1",
            "location": "westeurope",
            "properties": {"ipConfigurations": [{"properties": configuration}]},
        },
        {"id": GROUP, "location": "westeurope", "properties": {"securityRules": [rule]}},
    )
    with AzureBed(tenant(*things)) as bed, scan(bed, rules=[RULE]) as done:
        found = {each: sum(getattr(tally, each) for tally in done.tallies if tally.rule == RULE) for each in NOTHING}
    assert found == {**NOTHING, expected: 1}
