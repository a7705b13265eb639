"""Networks, instances and their disks."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from cnamm_scan.demo.aws.estate.account import ACCOUNT, AWAY, DEV, HOME, OWNED, PLANTED, Aws, policy, role_arn, tags
from cnamm_scan.demo.aws.estate.identity import instance_profile_arn

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True)
class Network:
    """The ids that other seeds need of one region's VPC."""

    vpc: str
    subnets: tuple[str, str]
    web: str  # security groups
    inner: str
    ssh_open: str


def seed_network(aws: Aws) -> dict[str, Network]:
    """One VPC a region: the first with flow logs, the second without."""
    networks = {HOME: _vpc(aws, HOME, "10.0"), AWAY: _vpc(aws, AWAY, "10.1")}
    ec2 = aws("ec2")
    home = networks[HOME]
    ec2.create_flow_logs(
        ResourceIds=[home.vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogGroupName="/vpc/shop",
        DeliverLogsPermissionArn=role_arn("flow-logs"),
    )
    ec2.create_vpc_endpoint(VpcId=home.vpc, ServiceName=f"com.amazonaws.{HOME}.s3", VpcEndpointType="Gateway")
    ec2.create_vpc_endpoint(
        VpcId=home.vpc,
        ServiceName=f"com.amazonaws.{HOME}.secretsmanager",
        VpcEndpointType="Interface",
        SubnetIds=list(home.subnets),
        SecurityGroupIds=[home.inner],
        PolicyDocument=policy({"Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}),
    )
    address = ec2.allocate_address(Domain="vpc")
    ec2.create_nat_gateway(SubnetId=home.subnets[0], AllocationId=address["AllocationId"])
    ec2.allocate_address(Domain="vpc")  # paid for and attached to nothing
    return networks


def _vpc(aws: Aws, region: str, prefix: str) -> Network:
    ec2 = aws("ec2", region)
    vpc = ec2.create_vpc(CidrBlock=f"{prefix}.0.0/16", TagSpecifications=_named("vpc", "shop", OWNED))
    vpc_id = vpc["Vpc"]["VpcId"]
    subnets = []
    for index, zone in enumerate("ab"):
        made = ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"{prefix}.{index}.0/24", AvailabilityZone=f"{region}{zone}")
        subnets.append(made["Subnet"]["SubnetId"])
    ec2.modify_subnet_attribute(SubnetId=subnets[0], MapPublicIpOnLaunch={"Value": True})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc_id)
    table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=ANYWHERE, GatewayId=gateway)
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])
    web = _group(ec2, vpc_id, "web", [(80, ANYWHERE), (443, ANYWHERE)])
    inner = _group(ec2, vpc_id, "inner", [(5432, f"{prefix}.0.0/16")])
    ssh = _group(ec2, vpc_id, "ssh-open", [(22, ANYWHERE)])
    rdp = _group(ec2, vpc_id, "rdp-open", [])
    ec2.authorize_security_group_ingress(
        GroupId=rdp,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 3389, "ToPort": 3389, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
    )
    if region == AWAY:  # here the default group is closed, at home it is left as AWS made it
        _close_default_group(ec2, vpc_id)
    return Network(vpc_id, (subnets[0], subnets[1]), web, inner, ssh)


def _group(ec2: Any, vpc: str, name: str, open_to: list[tuple[int, str]]) -> str:
    made = ec2.create_security_group(GroupName=name, Description=f"demo {name}", VpcId=vpc)
    group: str = made["GroupId"]
    if open_to:
        ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]} for port, cidr in open_to
            ],
        )
    return group


def _close_default_group(ec2: Any, vpc: str) -> None:
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    group = ec2.describe_security_groups(Filters=filters)["SecurityGroups"][0]
    for permissions, revoke in (
        (group["IpPermissions"], ec2.revoke_security_group_ingress),
        (group["IpPermissionsEgress"], ec2.revoke_security_group_egress),
    ):
        if permissions:
            revoke(GroupId=group["GroupId"], IpPermissions=permissions)


def seed_compute(aws: Aws, networks: dict[str, Network]) -> None:
    """Instances with and without IMDSv2, disks with and without encryption, an auto scaling group."""
    for region in (HOME, AWAY):
        _instances(aws("ec2", region), networks[region], region)
    aws("ec2", AWAY).enable_ebs_encryption_by_default()
    _scaling(aws, networks[HOME])


def _instances(ec2: Any, network: Network, region: str) -> None:
    image = ec2.register_image(Name="shop-base", RootDeviceName="/dev/xvda", Architecture="x86_64", VirtualizationType="hvm")["ImageId"]
    ec2.create_key_pair(KeyName="shop")
    common = {"ImageId": image, "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1}
    ec2.run_instances(
        **common,
        SubnetId=network.subnets[1],
        SecurityGroupIds=[network.inner],
        MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled"},
        IamInstanceProfile={"Arn": instance_profile_arn()},
        Monitoring={"Enabled": True},
        TagSpecifications=_named("instance", "orders", OWNED),
    )
    secret = PLANTED["ec2-user-data"] if region == HOME else "nothing-to-see"
    legacy = ec2.run_instances(
        **common,
        SubnetId=network.subnets[0],
        SecurityGroupIds=[network.ssh_open, network.web],
        MetadataOptions={"HttpTokens": "optional", "HttpEndpoint": "enabled"},
        KeyName="shop",
        UserData=f"#!/bin/sh\nexport DB_PASSWORD={secret}\n",
        TagSpecifications=_named("instance", "legacy", {}),
    )["Instances"][0]["InstanceId"]
    if region == HOME:
        ec2.create_tags(Resources=[legacy], Tags=tags({"Note": PLANTED["instance-tag"]}))
        stopped = ec2.run_instances(**common, SubnetId=network.subnets[1], TagSpecifications=_named("instance", "old-build", DEV))
        ec2.stop_instances(InstanceIds=[stopped["Instances"][0]["InstanceId"]])
    zone = f"{region}a"
    kept = ec2.create_volume(AvailabilityZone=zone, Size=20, Encrypted=True, VolumeType="gp3")
    bare = ec2.create_volume(AvailabilityZone=zone, Size=100, VolumeType="gp2", TagSpecifications=_named("volume", "scratch", DEV))
    ec2.attach_volume(VolumeId=kept["VolumeId"], InstanceId=legacy, Device="/dev/sdf")
    ec2.create_snapshot(VolumeId=kept["VolumeId"], Description="nightly")
    shared = ec2.create_snapshot(VolumeId=bare["VolumeId"], Description="shared by mistake")
    if region == HOME:
        ec2.modify_snapshot_attribute(
            SnapshotId=shared["SnapshotId"],
            Attribute="createVolumePermission",
            OperationType="add",
            GroupNames=["all"],
        )


def _scaling(aws: Aws, network: Network) -> None:
    ec2 = aws("ec2")
    image = ec2.describe_images(Owners=["self"])["Images"][0]["ImageId"]
    user_data = f"#!/bin/sh\nexport API_TOKEN={PLANTED['launch-template']}\n"
    template = ec2.create_launch_template(
        LaunchTemplateName="shop-web",
        LaunchTemplateData={
            "ImageId": image,
            "InstanceType": "t3.small",
            "MetadataOptions": {"HttpTokens": "optional"},
            "UserData": base64.b64encode(user_data.encode()).decode(),
        },
    )["LaunchTemplate"]["LaunchTemplateId"]
    aws("autoscaling").create_auto_scaling_group(
        AutoScalingGroupName="shop-web",
        LaunchTemplate={"LaunchTemplateId": template, "Version": "$Latest"},
        MinSize=0,
        MaxSize=4,
        DesiredCapacity=0,
        VPCZoneIdentifier=",".join(network.subnets),
        HealthCheckType="EC2",
    )


def seed_edge(aws: Aws, networks: dict[str, Network], certificate: str) -> None:
    """Load balancers, web ACL, DNS: what faces the internet."""
    home = networks[HOME]
    elb = aws("elbv2")
    groups = [
        elb.create_target_group(
            Name=name,
            Protocol="HTTP",
            Port=8080,
            VpcId=home.vpc,
            TargetType="ip",
            HealthCheckPath=path,
            HealthCheckIntervalSeconds=interval,
        )["TargetGroups"][0]["TargetGroupArn"]
        for name, path, interval in (("shop-api", "/healthz", 10), ("shop-web", "/", 30))
    ]
    public = _balancer(elb, "shop-public", "internet-facing", home)
    forward = [{"Type": "forward", "TargetGroupArn": groups[0]}]
    elb.create_listener(LoadBalancerArn=public, Protocol="HTTP", Port=80, DefaultActions=forward)
    elb.create_listener(
        LoadBalancerArn=public,
        Protocol="HTTPS",
        Port=443,
        SslPolicy="ELBSecurityPolicy-2016-08",
        Certificates=[{"CertificateArn": certificate}],
        DefaultActions=forward,
    )
    inner = _balancer(elb, "shop-inner", "internal", home)
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    elb.create_listener(
        LoadBalancerArn=inner,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "redirect", "RedirectConfig": redirect}],
    )
    elb.modify_load_balancer_attributes(LoadBalancerArn=inner, Attributes=tags({"deletion_protection.enabled": "true"}))
    aws("elb", AWAY).create_load_balancer(
        LoadBalancerName="classic",
        Listeners=[{"Protocol": "HTTP", "LoadBalancerPort": 80, "InstancePort": 80}],
        Subnets=[networks[AWAY].subnets[0]],
    )
    _firewall(aws, public)
    _dns(aws, home)


def _balancer(elb: Any, name: str, scheme: str, network: Network) -> str:
    made = elb.create_load_balancer(
        Name=name,
        Scheme=scheme,
        Type="application",
        Subnets=list(network.subnets),
        SecurityGroups=[network.web],
        Tags=tags(OWNED),
    )
    arn: str = made["LoadBalancers"][0]["LoadBalancerArn"]
    return arn


def _firewall(aws: Aws, balancer: str) -> None:
    waf = aws("wafv2")
    seen = {"SampledRequestsEnabled": True, "CloudWatchMetricsEnabled": True, "MetricName": "shop"}
    acl = waf.create_web_acl(
        Name="shop",
        Scope="REGIONAL",
        DefaultAction={"Allow": {}},
        VisibilityConfig=seen,
        Rules=[
            {
                "Name": "common",
                "Priority": 0,
                "OverrideAction": {"Count": {}},  # watches, does not block
                "VisibilityConfig": seen,
                "Statement": {"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}},
            }
        ],
    )["Summary"]["ARN"]
    waf.associate_web_acl(WebACLArn=acl, ResourceArn=balancer)


def _dns(aws: Aws, network: Network) -> None:
    dns = aws("route53")
    zone = dns.create_hosted_zone(Name="shop.example.com", CallerReference="demo-1")["HostedZone"]["Id"]
    dns.create_hosted_zone(
        Name="shop.internal",
        CallerReference="demo-2",
        VPC={"VPCRegion": HOME, "VPCId": network.vpc},
        HostedZoneConfig={"PrivateZone": True},
    )
    record = {"Name": "www.shop.example.com", "Type": "CNAME", "TTL": 60}
    dns.change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": {**record, "ResourceRecords": [{"Value": "lb."}]}}]},
    )
    dns.create_health_check(
        CallerReference="demo-3",
        HealthCheckConfig={
            "Type": "HTTPS",
            "FullyQualifiedDomainName": "www.shop.example.com",
            "Port": 443,
            "ResourcePath": "/healthz",
            "RequestInterval": 30,
            "FailureThreshold": 3,
        },
    )


def _named(kind: str, name: str, more: dict[str, str]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags({"Name": name, "Account": ACCOUNT, **more})}]
