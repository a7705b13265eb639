"""About a thousand plain resources for the benchmark: how many of each, and how one is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnamm_scan.demo.aws.estate.account import ACCOUNT, AWAY, HOME, OWNED, REGIONS, Aws, code_zip, policy, role_arn, service_trust, tags
from cnamm_scan.demo.aws.estate.shop import Seeded

GLOBAL = (HOME,)
BOTH = (HOME, AWAY)


@dataclass(frozen=True)
class _Place:
    """Where one resource is made: what the makers get."""

    aws: Aws
    region: str
    number: int  # counts within the kind, over both regions
    subnet: str
    vpc: str
    image: str

    @property
    def is_kept(self) -> bool:
        """Two in three are well kept: encrypted, tagged, with retention."""
        return self.number % 3 != 0

    def client(self, service: str) -> Any:
        """The client of this place's region."""
        return self.aws(service, self.region)

    def name(self, kind: str) -> str:
        """A name that is unique in the account."""
        return f"scale-{kind}-{self.number:04d}"


def _bucket(at: _Place) -> None:
    s3 = at.client("s3")
    more = {} if at.region == HOME else {"CreateBucketConfiguration": {"LocationConstraint": at.region}}
    s3.create_bucket(Bucket=at.name("bucket"), **more)
    if at.is_kept:
        s3.put_bucket_versioning(Bucket=at.name("bucket"), VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_tagging(Bucket=at.name("bucket"), Tagging={"TagSet": tags(OWNED)})


def _role(at: _Place) -> None:
    iam = at.client("iam")
    iam.create_role(RoleName=at.name("role"), AssumeRolePolicyDocument=service_trust("lambda"))
    if at.is_kept:
        document = policy({"Action": "s3:GetObject", "Resource": "*"})
        iam.put_role_policy(RoleName=at.name("role"), PolicyName="inline", PolicyDocument=document)


def _user(at: _Place) -> None:
    iam = at.client("iam")
    iam.create_user(UserName=at.name("user"))
    if not at.is_kept:
        iam.create_access_key(UserName=at.name("user"))


def _policy(at: _Place) -> None:
    document = policy({"Action": "s3:GetObject", "Resource": "*"})
    at.client("iam").create_policy(PolicyName=at.name("policy"), PolicyDocument=document)


def _group(at: _Place) -> None:
    ec2 = at.client("ec2")
    group = ec2.create_security_group(GroupName=at.name("group"), Description="scale", VpcId=at.vpc)["GroupId"]
    port = 443 if at.is_kept else 22
    source = [{"CidrIp": "0.0.0.0/0"}]
    rule = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": source}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def _instance(at: _Place) -> None:
    at.client("ec2").run_instances(
        ImageId=at.image,
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SubnetId=at.subnet,
        MetadataOptions={"HttpTokens": "required" if at.is_kept else "optional"},
    )


def _volume(at: _Place) -> None:
    at.client("ec2").create_volume(AvailabilityZone=f"{at.region}a", Size=8, Encrypted=at.is_kept)


def _function(at: _Place) -> None:
    at.client("lambda").create_function(
        FunctionName=at.name("function"),
        Runtime="python3.13" if at.is_kept else "python3.8",
        Role=role_arn("scale-role-0000"),
        Handler="main.handler",
        Code={"ZipFile": code_zip()},
    )


def _log_group(at: _Place) -> None:
    logs = at.client("logs")
    logs.create_log_group(logGroupName=at.name("logs"))
    if at.is_kept:
        logs.put_retention_policy(logGroupName=at.name("logs"), retentionInDays=30)


def _alarm(at: _Place) -> None:
    at.client("cloudwatch").put_metric_alarm(
        AlarmName=at.name("alarm"),
        Namespace="Scale",
        MetricName="Errors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
    )


def _queue(at: _Place) -> None:
    encryption = {"SqsManagedSseEnabled": str(at.is_kept).lower()}
    at.client("sqs").create_queue(QueueName=at.name("queue"), Attributes=encryption)


def _topic(at: _Place) -> None:
    at.client("sns").create_topic(Name=at.name("topic"))


def _secret(at: _Place) -> None:
    at.client("secretsmanager").create_secret(Name=at.name("secret"), SecretString="demo-only")


def _key(at: _Place) -> None:
    kms = at.client("kms")
    key = kms.create_key(Description=at.name("key"))["KeyMetadata"]["KeyId"]
    if at.is_kept:
        kms.enable_key_rotation(KeyId=key)


def _table(at: _Place) -> None:
    dynamodb = at.client("dynamodb")
    dynamodb.create_table(
        TableName=at.name("table"),
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    if at.is_kept:
        dynamodb.update_continuous_backups(
            TableName=at.name("table"),
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )


def _database(at: _Place) -> None:
    at.client("rds").create_db_instance(
        DBInstanceIdentifier=at.name("db"),
        Engine="postgres",
        DBInstanceClass="db.t3.micro",
        AllocatedStorage=20,
        MasterUsername="demo",
        MasterUserPassword="Demo-only-1",
        StorageEncrypted=at.is_kept,
        MultiAZ=at.is_kept,
    )


def _repository(at: _Place) -> None:
    at.client("ecr").create_repository(repositoryName=at.name("repo"), imageScanningConfiguration={"scanOnPush": at.is_kept})


def _target_group(at: _Place) -> None:
    at.client("elbv2").create_target_group(Name=at.name("tg"), Protocol="HTTP", Port=80, VpcId=at.vpc, TargetType="ip")


def _rule(at: _Place) -> None:
    at.client("events").put_rule(Name=at.name("rule"), ScheduleExpression="rate(1 day)")


def _parameter(at: _Place) -> None:
    kind = "SecureString" if at.is_kept else "String"
    at.client("ssm").put_parameter(Name=at.name("parameter"), Value="demo-only", Type=kind)


# how many of a thousand, where, and how
MIX: tuple[tuple[int, tuple[str, ...], Callable[[_Place], None]], ...] = (
    (100, BOTH, _bucket),
    (150, GLOBAL, _role),
    (60, GLOBAL, _user),
    (20, GLOBAL, _policy),
    (90, BOTH, _group),
    (90, BOTH, _instance),
    (30, BOTH, _volume),
    (50, BOTH, _function),
    (80, BOTH, _log_group),
    (50, BOTH, _alarm),
    (50, BOTH, _queue),
    (40, BOTH, _topic),
    (40, BOTH, _secret),
    (30, BOTH, _key),
    (40, BOTH, _table),
    (20, BOTH, _database),
    (30, BOTH, _repository),
    (20, BOTH, _target_group),
    (10, BOTH, _rule),
    (10, BOTH, _parameter),
)


def seed_scale(endpoint_url: str, resources: int = 1000) -> Seeded:
    """Make about so many plain resources in two regions, in the proportions of MIX; no planted secrets."""
    aws = Aws(endpoint_url)
    total = sum(share for share, _, _ in MIX)
    grounds = {region: _ground(aws, region) for region in BOTH}
    for share, regions, make in MIX:
        for number in range(round(resources * share / total)):
            region = regions[number % len(regions)]
            make(_Place(aws, region, number, **grounds[region]))
    return Seeded(ACCOUNT, REGIONS, aws.made)


def _ground(aws: Aws, region: str) -> dict[str, str]:
    """A network and an image, which other resources stand on."""
    ec2 = aws("ec2", region)
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.0.0/20")["Subnet"]["SubnetId"]
    image = ec2.register_image(Name="scale", RootDeviceName="/dev/xvda")["ImageId"]
    return {"vpc": vpc, "subnet": subnet, "image": image}
