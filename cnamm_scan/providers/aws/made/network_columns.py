"""What the functions about networks are called in content, and what the columns of their rows mean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from cnamm_scan.model import Column
from cnamm_scan.providers.first_match import OPENED, OPENS
from cnamm_scan.providers.interface import Maker
from cnamm_scan.providers.makers import later

OPENNESS = "none, private, bounded, wide (a block broader than /8 or /32) or world"
GROUP_RULE: Mapping[str, Column] = {
    "rule_id": Column("text"),
    "group_id": Column("text"),
    "is_egress": Column("boolean"),
    "protocol": Column("text"),
    "from_port": Column("integer"),
    "to_port": Column("integer"),
    "cidr_ipv4": Column("text"),
    "cidr_ipv6": Column("text"),
    "prefix_list": Column("text"),
    "traffic": Column("text", about="Its protocol and ports in words, such as TCP port 22 or all traffic."),
    "is_named": Column("boolean", about="The other side is a group or a prefix list."),
    "other_side": Column("text", about="The range, or the id of the group or prefix list."),
    "openness": Column("text", about=f"Of the rule alone: {OPENNESS}."),
    **OPENED,
}
PUBLIC_INTERFACE: Mapping[str, Column] = {
    "interface_id": Column("text"),
    "group_id": Column("text"),
    "has_public_ipv4": Column("boolean", about="At any of its private addresses."),
    "has_public_ipv6": Column("boolean", about="It has an IPv6 address, and its subnet answers the world by an internet gateway."),
}
PUBLIC_SUBNET: Mapping[str, Column] = {
    "subnet_id": Column("text"),
    "gives_public_ipv6": Column("boolean", about="It has IPv6, and answers the world by an internet gateway."),
}
NETWORK_ACL: Mapping[str, Column] = {
    "acl_id": Column("text"),
    "vpc_id": Column("text"),
    "subnets": Column("list", about="The subnets that it guards."),
    "is_default": Column("boolean"),
    "meets_internet": Column("boolean", about="One of its subnets has a route to an internet gateway."),
    **OPENED,
    "opens_ssh_or_rdp": Column("boolean", about="The world gets to port 22, or to 3389 by TCP or UDP."),
    "admin_ports": Column("list", about="Which of these it surely gets to, in words."),
}
ROUTE: Mapping[str, Column] = {
    "route_table_id": Column("text"),
    "vpc_id": Column("text"),
    "destination": Column("text"),
    "via": Column("text"),
    "leaves_unfiltered": Column(
        "boolean", about="By it, alone or with others of its table, the world is reached by an internet, NAT or egress-only gateway."
    ),
    "is_handed_on": Column(
        "boolean",
        about="By it, alone or with others of its table, what is for the world goes to another network or a machine.",
    ),
}
EXPOSURE: Mapping[str, Column] = {
    "name": Column("text"),
    "port": Column("integer"),
    "security_groups": Column("list"),
    "is_public": Column("boolean", about="It has an address of the internet, or may get one."),
    "has_route": Column("boolean", about="One of its subnets has a route to an internet gateway."),
    "admitted": Column("text", about=f"Whom its groups and network ACLs let in on its port: {OPENNESS}."),
    "is_exposed": Column("boolean", about="The world reaches its port: an address, a route, and leave."),
}
LISTENER: Mapping[str, Column] = {
    "load_balancer": Column("text"),
    "scheme": Column("text"),
    "protocol": Column("text"),
    "port": Column("integer"),
    "target_ports": Column("list", about="Ports behind it, of its target groups or instances."),
    "is_public": Column("boolean", about="The world reaches it: internet-facing, and its groups let the world in on its port."),
    **OPENS,
    "open_lists": Column("list", about="Lists of which its port, or one behind it, is one that the world reaches."),
}
ENDPOINT: Mapping[str, Column] = {
    "name": Column("text"),
    "has_public_endpoint": Column("boolean"),
    "public_ranges": Column("list"),
    "openness": Column("text", about=f"{OPENNESS[0].upper()}{OPENNESS[1:]}; private without a public endpoint."),
    "is_open_to_world": Column("boolean"),
}

_later = partial(later, "aws")

MAKERS: Mapping[str, Maker] = {
    "group_rules": Maker(_later("networks", "group_rules"), GROUP_RULE),
    "public_interfaces": Maker(_later("networks", "public_interfaces"), PUBLIC_INTERFACE),
    "public_subnets": Maker(_later("networks", "public_subnets"), PUBLIC_SUBNET),
    "network_acls": Maker(_later("networks", "network_acls"), NETWORK_ACL),
    "routes": Maker(_later("networks", "routes"), ROUTE),
    "exposures": Maker(_later("exposures", "exposures"), EXPOSURE),
    "listeners": Maker(_later("exposures", "listeners"), LISTENER),
    "cluster_endpoints": Maker(_later("exposures", "cluster_endpoints"), ENDPOINT),
}
