"""Who can reach what in an account, by shipped content: the open fails however it is spelled, the bounded passes, the unseen is unknown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer
from tests.answers import Told, listed, refused
from tests.scan.policed import ME, arn, judged

Json = dict[str, Any]
PORTS = ("admin", "database", "control", "broker", "file", "directory", "dashboard", "industrial", "development", "mail", "amplifier")
RULES = [
    *(f"aws.ec2.{name}_ports_closed_to_world" for name in PORTS),
    "aws.ec2.sensitive_ports_not_widely_open",
    "aws.ec2.ingress_is_not_wide_open",
    "aws.ec2.network_acl_keeps_admin_ports",
    "aws.rds.instance_not_exposed",
    "aws.eks.endpoint_not_open_to_world",
    "aws.elbv2.public_listener_is_no_data_port",
]


def rule(name: str, group: str, first: int, last: int | None = None, protocol: str = "tcp", egress: bool = False, **side: Any) -> Json:
    made = {"SecurityGroupRuleId": name, "GroupId": group, "IsEgress": egress, "IpProtocol": protocol}
    return {**made, "FromPort": first, "ToPort": first if last is None else last, **side}


SPELLED = [
    rule("all", "sg-1", 22, CidrIpv4="0.0.0.0/0"),
    rule("low-half", "sg-2", 20, 25, CidrIpv4="0.0.0.0/1"),
    rule("high-half", "sg-2", 22, 30, CidrIpv4="128.0.0.0/1"),
    rule("by-list", "sg-3", 23, PrefixListId="pl-own"),
    rule("datagrams", "sg-4", 3389, protocol="udp", CidrIpv4="0.0.0.0/0"),
    rule("number", "sg-5", 1, 65535, protocol="6", CidrIpv6="2000::/3"),
    rule("office-beside", "sg-2", 22, CidrIpv4="93.184.216.0/24"),
    rule("own-group", "sg-5", -1, -1, protocol="-1", ReferencedGroupInfo={"GroupId": "sg-1"}),
    rule("front", "sg-5", 443, PrefixListId="pl-front"),
    rule("ping", "sg-5", 8, -1, protocol="icmp", CidrIpv4="0.0.0.0/0"),
    rule("broad", "sg-6", 22, CidrIpv4="16.0.0.0/4"),
    *(
        rule(name, "sg-7", port, CidrIpv4="0.0.0.0/0")
        for name, port in (
            ("redis", 6379),
            ("docker", 2375),
            ("kafka", 9092),
            ("smb", 445),
            ("ldap", 389),
            ("kibana", 5601),
            ("modbus", 502),
        )
    ),
]
OPEN = ("all", "low-half", "high-half", "by-list", "datagrams", "number")
BOUNDED = ("office-beside", "own-group", "front", "ping", "broad")


def account(**more: Told) -> dict[str, Told]:
    groups = sorted({each["GroupId"] for each in SPELLED})
    interface = {
        "NetworkInterfaceId": "eni-1",
        "VpcId": "vpc-1",
        "InterfaceType": "interface",
        "Association": {"PublicIp": "93.184.216.9"},
        "SubnetId": "subnet-1",
        "Ipv6Addresses": [{"Ipv6Address": "2a00:1450::1"}],
    }
    acl = {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": True, "Associations": [{"SubnetId": "subnet-1"}]}
    allow = {"RuleNumber": 100, "RuleAction": "allow", "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
    last = {**allow, "RuleNumber": 32767, "RuleAction": "deny"}
    routes = [{"DestinationCidrBlock": f"{first}.0.0.0/1", "GatewayId": "igw-1", "State": "active"} for first in (0, 128)]
    routes.append({"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1", "State": "active"})
    table = {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": True}], "Routes": routes}
    balancer = {"LoadBalancerArn": "lb", "LoadBalancerName": "lb", "Scheme": "internet-facing", "Type": "network"}
    return {
        "GetCallerIdentity": Answer({"Account": ME, "Arn": f"arn:aws:iam::{ME}:user/scanner"}),
        "DescribeSecurityGroupRules": listed("SecurityGroupRules", *SPELLED),
        "DescribeNetworkInterfaces": listed("NetworkInterfaces", {**interface, "Groups": [{"GroupId": g, "GroupName": g} for g in groups]}),
        "DescribeManagedPrefixLists": listed(
            "PrefixLists",
            {"PrefixListArn": "pl-own", "PrefixListId": "pl-own", "PrefixListName": "own", "OwnerId": ME},
            {"PrefixListArn": "pl-front", "PrefixListId": "pl-front", "PrefixListName": "com.amazonaws.x", "OwnerId": "AWS"},
        ),
        "GetManagedPrefixListEntries pl-own": listed("Entries", {"Cidr": "0.0.0.0/2"}, {"Cidr": "64.0.0.0/2"}, {"Cidr": "128.0.0.0/1"}),
        "GetManagedPrefixListEntries pl-front": refused(),
        "DescribeNetworkAcls": listed(
            "NetworkAcls", {**acl, "Entries": [{**each, "Egress": out} for each in (allow, last) for out in (True, False)]}
        ),
        "DescribeVpcBlockPublicAccessOptions": block("off"),
        "DescribeVpcBlockPublicAccessExclusions": listed("VpcBlockPublicAccessExclusions"),
        "DescribeRouteTables": listed("RouteTables", table),
        "DescribeSubnets": listed("Subnets", {"SubnetArn": "s", "SubnetId": "subnet-1", "VpcId": "vpc-1", "OwnerId": ME}),
        "DescribeDBInstances": listed("DBInstances", *(database(name, group) for name, group in (("open", "sg-db"), ("shut", "sg-6")))),
        "DescribeLoadBalancers": listed("LoadBalancers", balancer),
        "DescribeListeners lb": listed(
            "Listeners", *(listener(name, port, f"tg-{name}") for name, port in (("sql", 80), ("own", 80), ("web", 443)))
        ),
        "DescribeTargetGroups": listed(
            "TargetGroups",
            # machines see who calls, and their own groups may turn the world away; what is told by address sees the balancer
            *(
                {"TargetGroupArn": name, "TargetGroupName": name, "Port": port, "TargetType": kind}
                for name, port, kind in (("tg-sql", 5432, "ip"), ("tg-own", 5432, "instance"), ("tg-web", 3000, "instance"))
            ),
        ),
        "ListClusters": listed("clusters", "halves", "office"),
        "DescribeCluster halves": cluster("0.0.0.0/1", "128.0.0.0/1"),
        "DescribeCluster office": cluster("93.184.216.0/24"),
        **more,
    }


def block(mode: str, state: str = "default-state") -> Answer:
    return Answer({"VpcBlockPublicAccessOptions": {"InternetGatewayBlockMode": mode, "State": state}})


def database(name: str, group: str) -> Json:
    groups = [{"VpcSecurityGroupId": group}]
    made = {
        "DBInstanceIdentifier": name,
        "DBInstanceArn": arn("rds", f"db:{name}"),
        "PubliclyAccessible": True,
        "Endpoint": {"Port": 22},
        "Engine": "postgres",
    }
    return {**made, "VpcSecurityGroups": groups, "DBSubnetGroup": {"Subnets": [{"SubnetIdentifier": "subnet-1"}]}}


def listener(name: str, port: int, target: str) -> Json:
    return {"ListenerArn": name, "Port": port, "Protocol": "TCP", "DefaultActions": [{"Type": "forward", "TargetGroupArn": target}]}


def cluster(*ranges: str) -> Answer:
    return Answer({"cluster": {"resourcesVpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": list(ranges)}}})


def named(found: dict[tuple[str, str], tuple[str, str]], rule: str) -> dict[str, str]:
    """Last part of a resource -> verdict."""
    return {key.rpartition("/")[2].rpartition(":")[2]: verdict for (each, key), (verdict, _) in found.items() if each == f"aws.{rule}"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[str, str]]:
    told = account()
    told["DescribeDBInstances"] = listed("DBInstances", database("open", "sg-1"), database("shut", "sg-6"))
    return judged(told, RULES, tmp_path_factory.mktemp("open"))


def test_ports_that_the_world_reaches_fail_however_they_are_opened(seen: dict[tuple[str, str], tuple[str, str]]) -> None:
    found = named(seen, "ec2.admin_ports_closed_to_world")
    assert {name: found[name] for name in OPEN} == dict.fromkeys(OPEN, "fail")
    assert {name: found[name] for name in BOUNDED} == dict.fromkeys(BOUNDED, "pass")
    assert named(seen, "ec2.sensitive_ports_not_widely_open")["broad"] == "fail"
    assert [name for name, verdict in named(seen, "ec2.ingress_is_not_wide_open").items() if verdict == "fail"] == ["number"]


def test_each_list_of_ports_fails_by_its_own_name(seen: dict[tuple[str, str], tuple[str, str]]) -> None:
    mine = {"redis": "database", "docker": "control", "kafka": "broker", "smb": "file", "ldap": "directory", "modbus": "industrial"}
    for name, each in {**mine, "kibana": "dashboard"}.items():
        assert named(seen, f"ec2.{each}_ports_closed_to_world")[name] == "fail"
    assert named(seen, "ec2.admin_ports_closed_to_world")["redis"] == "pass"


def test_databases_listeners_clusters_and_network_acls(seen: dict[tuple[str, str], tuple[str, str]]) -> None:
    assert named(seen, "rds.instance_not_exposed") == {"open": "fail", "shut": "pass"}
    assert named(seen, "eks.endpoint_not_open_to_world") == {"halves": "fail", "office": "pass"}
    assert named(seen, "elbv2.public_listener_is_no_data_port") == {"sql": "fail", "own": "unknown", "web": "pass"}
    assert named(seen, "ec2.network_acl_keeps_admin_ports") == {"acl-1": "fail"}


def test_what_may_not_be_read_is_unknown(tmp_path: Path) -> None:
    told = account(DescribeSecurityGroupRules=refused(), DescribeNetworkAcls=refused())
    found = judged(told, RULES, tmp_path / "rules")
    assert {*named(found, "ec2.admin_ports_closed_to_world").values()} == {"unknown"}
    assert named(found, "rds.instance_not_exposed") == {"open": "unknown", "shut": "unknown"}
    assert {*named(found, "ec2.network_acl_keeps_admin_ports").values()} == {"unknown"}
    found = judged(account(**{"GetManagedPrefixListEntries pl-own": refused()}), RULES, tmp_path / "lists")
    lists = named(found, "ec2.admin_ports_closed_to_world")
    assert (lists["by-list"], lists["all"], lists["front"], lists["office-beside"]) == ("unknown", "fail", "pass", "pass")
    told = account(DescribeRouteTables=refused(Reason.DENIED))
    told["DescribeDBInstances"] = listed("DBInstances", database("open", "sg-1"), database("shut", "sg-6"))
    assert named(judged(told, RULES, tmp_path / "routes"), "rds.instance_not_exposed") == {"open": "unknown", "shut": "pass"}


def exclusion(resource: str, mode: str = "allow-bidirectional", state: str = "create-complete") -> Json:
    return {"ExclusionId": "x-1", "ResourceArn": arn("ec2", resource), "InternetGatewayExclusionMode": mode, "State": state}


def entries(*rules: tuple[int, str, bool, str, str, int, int]) -> Answer:
    """A network ACL of subnet-1: number, action, outwards, protocol, range, first and last port; and the last rules, which refuse."""
    made = []
    for number, action, outwards, protocol, cidr, first, last in (
        *rules,
        *((32767, "deny", out, "-1", "0.0.0.0/0", -1, -1) for out in (True, False)),
    ):
        one = {"RuleNumber": number, "RuleAction": action, "Egress": outwards, "Protocol": protocol}
        one["Ipv6CidrBlock" if ":" in cidr else "CidrBlock"] = cidr
        made.append({**one, **({} if first < 0 else {"PortRange": {"From": first, "To": last}})})
    acl = {"NetworkAclId": "acl-1", "VpcId": "vpc-1", "IsDefault": False, "Associations": [{"SubnetId": "subnet-1"}], "Entries": made}
    return listed("NetworkAcls", acl)


IN = (100, "allow", False, "6", "0.0.0.0/0", 22, 22)
OPTIONS, EXCLUSIONS = "DescribeVpcBlockPublicAccessOptions", "DescribeVpcBlockPublicAccessExclusions"
LEFT_OUT = "VpcBlockPublicAccessExclusions"
WAYS: dict[str, tuple[dict[str, Told], str]] = {
    "nothing is blocked": ({}, "fail"),
    "callers are blocked": ({OPTIONS: block("block-ingress", "update-complete")}, "pass"),
    "both ways are": ({OPTIONS: block("block-bidirectional")}, "pass"),
    "it is being set": ({OPTIONS: block("block-ingress", "update-in-progress")}, "unknown"),
    "a mode of tomorrow": ({OPTIONS: block("block-some")}, "unknown"),
    "nobody may look": ({OPTIONS: refused()}, "unknown"),
    "the subnet is left out": ({OPTIONS: block("block-ingress"), EXCLUSIONS: listed(LEFT_OUT, exclusion("subnet/subnet-1"))}, "fail"),
    "its VPC is": ({OPTIONS: block("block-ingress"), EXCLUSIONS: listed(LEFT_OUT, exclusion("vpc/vpc-1"))}, "fail"),
    "another one is": ({OPTIONS: block("block-ingress"), EXCLUSIONS: listed(LEFT_OUT, exclusion("vpc/vpc-10"))}, "pass"),
    "for what leaves": ({OPTIONS: block("block-ingress"), EXCLUSIONS: listed(LEFT_OUT, exclusion("vpc/vpc-1", "allow-egress"))}, "pass"),
    "no longer": (
        {OPTIONS: block("block-ingress"), EXCLUSIONS: listed(LEFT_OUT, exclusion("vpc/vpc-1", state="delete-complete"))},
        "pass",
    ),
    "soon": (
        {OPTIONS: block("block-ingress"), EXCLUSIONS: listed(LEFT_OUT, exclusion("vpc/vpc-1", state="create-in-progress"))},
        "unknown",
    ),
    "nobody may see what is left out": ({OPTIONS: block("block-ingress"), EXCLUSIONS: refused()}, "unknown"),
    "answers leave": ({"DescribeNetworkAcls": entries(IN, (100, "allow", True, "6", "0.0.0.0/0", 1024, 65535))}, "fail"),
    "answers leave on all ports": ({"DescribeNetworkAcls": entries(IN, (100, "allow", True, "-1", "0.0.0.0/0", -1, -1))}, "fail"),
    "no answer leaves": ({"DescribeNetworkAcls": entries(IN)}, "pass"),
    "answers to the office alone": ({"DescribeNetworkAcls": entries(IN, (100, "allow", True, "6", "93.184.216.0/24", 0, 65535))}, "pass"),
    "answers by datagrams alone": ({"DescribeNetworkAcls": entries(IN, (100, "allow", True, "17", "0.0.0.0/0", 0, 65535))}, "pass"),
    "answers by IPv6 alone": ({"DescribeNetworkAcls": entries(IN, (100, "allow", True, "6", "::/0", 0, 65535))}, "pass"),
    "refused first": (
        {
            "DescribeNetworkAcls": entries(
                IN, (90, "deny", True, "6", "0.0.0.0/0", 0, 65535), (100, "allow", True, "-1", "0.0.0.0/0", -1, -1)
            )
        },
        "pass",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_database_is_reached_where_callers_get_in_and_are_answered(tmp_path: Path, way: str) -> None:
    more, verdict = WAYS[way]
    told = account(DescribeDBInstances=listed("DBInstances", database("open", "sg-1"), database("shut", "sg-6")), **more)
    found = named(judged(told, ["aws.rds.instance_not_exposed"], tmp_path), "rds.instance_not_exposed")
    assert found == {"open": verdict, "shut": "pass"}


def test_who_comes_by_a_version_that_no_route_answers_gets_nowhere(tmp_path: Path) -> None:
    table = {"RouteTableId": "rtb-1", "VpcId": "vpc-1", "Associations": [{"Main": True}]}
    table["Routes"] = [{"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1", "State": "active"}]
    told = account(DescribeDBInstances=listed("DBInstances", database("open", "sg-1")), DescribeRouteTables=listed("RouteTables", table))
    assert named(judged(told, ["aws.rds.instance_not_exposed"], tmp_path), "rds.instance_not_exposed") == {"open": "pass"}
