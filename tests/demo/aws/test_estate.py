"""The seeded estate, read back with boto3: it holds good and bad of each kind, and every planted secret."""

from __future__ import annotations

import base64
import csv
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cnamm_scan.demo.aws.bed.proxy import FaultProxy
from cnamm_scan.demo.aws.bed.server import MotoServer
from cnamm_scan.demo.aws.estate.account import PLANTED
from cnamm_scan.demo.aws.estate.shop import (
    CANARIES,
    CLOSED_REGION,
    OLD_KEY_USERS,
    Seeded,
    demo_faults,
    demo_rewrite,
)
from tests.benchmarks.scale_aws import seed_scale

Client = Callable[..., Any]
HOME, AWAY = "us-east-1", "eu-west-1"


@pytest.fixture
def shown(estate_url: str) -> Iterator[FaultProxy]:
    """The estate as the demo shows it: with its faults and rewrites."""
    with FaultProxy(estate_url, faults=demo_faults(), rewrite=demo_rewrite) as running:
        yield running


def _read_planted(client: Client, url: str) -> dict[str, str]:
    """Each planted secret's place, read through the API."""
    ec2 = client("ec2", url)
    legacy = [{"Name": "tag:Name", "Values": ["legacy"]}]
    instance = ec2.describe_instances(Filters=legacy)["Reservations"][0]["Instances"][0]
    user_data = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")["UserData"]["Value"]
    template = ec2.describe_launch_template_versions(LaunchTemplateName="shop-web")["LaunchTemplateVersions"][0]
    stack = client("cloudformation", url).describe_stacks(StackName="shop-mail")["Stacks"][0]
    project = client("codebuild", url).batch_get_projects(names=["legacy-build"])["projects"][0]
    task = client("ecs", url).describe_task_definition(taskDefinition="agent")["taskDefinition"]
    function = client("lambda", url).get_function_configuration(FunctionName="thumbnails")
    return {
        "ec2-user-data": base64.b64decode(user_data).decode(),
        "launch-template": base64.b64decode(template["LaunchTemplateData"]["UserData"]).decode(),
        "lambda-environment": function["Environment"]["Variables"]["API_TOKEN"],
        "ecs-environment": task["containerDefinitions"][0]["environment"][0]["value"],
        "codebuild-environment": project["environment"]["environmentVariables"][0]["value"],
        "stack-parameter": stack["Parameters"][-1]["ParameterValue"],
        "stack-output": next(o["OutputValue"] for o in stack["Outputs"] if o["OutputKey"] == "Password"),
        "ssm-parameter": client("ssm", url).get_parameter(Name="/shop/smtp-password")["Parameter"]["Value"],
        "bucket-tag": client("s3", url).get_bucket_tagging(Bucket="shop-uploads")["TagSet"][0]["Value"],
        "instance-tag": next(tag["Value"] for tag in instance["Tags"] if tag["Key"] == "Note"),
    }


def test_every_planted_secret_is_there(estate_url: str, client: Client) -> None:
    found = _read_planted(client, estate_url)
    assert found.keys() == PLANTED.keys()
    assert [name for name, value in PLANTED.items() if value not in found[name]] == []
    assert len(set(CANARIES)) == len(CANARIES) == 10


def test_buckets_are_good_and_bad(estate_url: str, client: Client) -> None:
    s3 = client("s3", estate_url)
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    versioning = {name: s3.get_bucket_versioning(Bucket=name).get("Status", "Never") for name in names}
    assert set(versioning.values()) == {"Enabled", "Suspended", "Never"}
    assert s3.get_bucket_location(Bucket="shop-eu-orders")["LocationConstraint"] == AWAY
    assert s3.list_objects_v2(Bucket="shop-terraform-state")["Contents"][0]["Key"].endswith(".tfstate")
    with pytest.raises(ClientError, match="NoSuchPublicAccessBlockConfiguration"):
        s3.get_public_access_block(Bucket="shop-website")


def test_people_and_roles_are_good_and_bad(estate_url: str, client: Client) -> None:
    iam = client("iam", estate_url)
    users = [user["UserName"] for user in iam.list_users()["Users"]]
    has_mfa = {user: bool(iam.list_mfa_devices(UserName=user)["MFADevices"]) for user in users}
    assert has_mfa["alice"] is True
    assert has_mfa["bob"] is False
    assert iam.get_account_password_policy()["PasswordPolicy"]["MinimumPasswordLength"] == 8
    assert iam.get_role(RoleName="github-deploy")["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Condition"]
    attached = iam.list_attached_role_policies(RoleName="admin")["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AdministratorAccess"]
    org = client("organizations", estate_url)
    root = org.list_roots()["Roots"][0]["Id"]
    units = org.list_organizational_units_for_parent(ParentId=root)["OrganizationalUnits"]
    assert {unit["Name"] for unit in units} == {"Security", "Workloads", "Sandbox"}


def test_detection_is_on_at_home_only(estate_url: str, client: Client) -> None:
    seen = {
        region: (
            len(client("config", estate_url, region).describe_configuration_recorders()["ConfigurationRecorders"]),
            len(client("guardduty", estate_url, region).list_detectors()["DetectorIds"]),
        )
        for region in (HOME, AWAY)
    }
    assert seen == {HOME: (1, 1), AWAY: (0, 0)}
    trails = client("cloudtrail", estate_url).describe_trails(includeShadowTrails=False)["trailList"]
    assert [(trail["Name"], trail["IsMultiRegionTrail"]) for trail in trails] == [("organisation", True)]


def test_databases_and_disks_are_good_and_bad(estate_url: str, client: Client) -> None:
    instances = client("rds", estate_url).describe_db_instances()["DBInstances"]
    multi_az = {i["DBInstanceIdentifier"]: (i["MultiAZ"], i["StorageEncrypted"], i["PubliclyAccessible"]) for i in instances}
    assert multi_az["orders"] == (True, True, False)
    assert multi_az["legacy"] == (False, False, True)
    ec2 = client("ec2", estate_url)
    assert {volume["Encrypted"] for volume in ec2.describe_volumes()["Volumes"]} == {True, False}
    backups = client("dynamodb", estate_url).describe_continuous_backups(TableName="orders")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    groups = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["ssh-open"]}])["SecurityGroups"]
    assert groups[0]["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]


def test_some_resources_come_from_a_stack(estate_url: str, client: Client) -> None:
    resources = client("cloudformation", estate_url).describe_stack_resources(StackName="shop-mail")["StackResources"]
    assert {resource["PhysicalResourceId"] for resource in resources} >= {"stack-mail-attachments", "stack-mail"}
    buckets = client("s3", estate_url).list_buckets()["Buckets"]
    assert "stack-mail-attachments" in {bucket["Name"] for bucket in buckets}


def test_the_demo_opens_three_regions_and_closes_one(shown: FaultProxy, client: Client) -> None:
    regions = client("ec2", shown.url).describe_regions(AllRegions=True)["Regions"]
    enabled = {region["RegionName"] for region in regions if region["OptInStatus"] != "not-opted-in"}
    assert enabled == {HOME, AWAY, CLOSED_REGION}
    assert len(regions) > 20
    with pytest.raises(ClientError, match="explicit deny in a service control policy"):
        client("ec2", shown.url, CLOSED_REGION).describe_vpcs()
    with pytest.raises(ClientError, match="service control policy"):
        client("guardduty", shown.url, CLOSED_REGION).list_detectors()
    for region in (HOME, AWAY):
        with pytest.raises(ClientError, match=r"AccessDeniedException.*no identity-based policy"):
            client("secretsmanager", shown.url, region).list_secrets()


def test_the_demo_ages_some_keys(shown: FaultProxy, client: Client) -> None:
    iam = client("iam", shown.url)
    years = {}
    for user in (*OLD_KEY_USERS, "bob"):
        keys = iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
        years[user] = {key["CreateDate"].year == 2023 for key in keys}
    assert years == {"ci-deploy": {True}, "dave": {True}, "bob": {False}}
    while iam.generate_credential_report()["State"] != "COMPLETE":
        pass
    report = iam.get_credential_report()["Content"].decode()
    rows = {row["user"]: row for row in csv.DictReader(report.splitlines())}
    assert rows["ci-deploy"]["access_key_1_last_rotated"].startswith("2023-")
    assert not rows["bob"]["access_key_1_last_rotated"].startswith("2023-")
    assert rows["<root_account>"]["mfa_active"] == "false"
    assert None not in rows["<root_account>"].values()


def test_the_scale_can_be_chosen(client: Client) -> None:
    started = time.monotonic()
    with MotoServer() as server:
        made = seed_scale(server.url, resources=100)
        assert made == Seeded("123456789012", (HOME, AWAY), made.resources)
        assert 90 <= made.resources <= 120
        assert len(client("s3", server.url).list_buckets()["Buckets"]) == 10
    assert time.monotonic() - started < 60
