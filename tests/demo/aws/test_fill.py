"""Filled holes: the demo's account answers in every protocol what boto3 can read, and what fits its seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cnamm_scan.demo.aws.bed import fill
from cnamm_scan.demo.aws.bed.holes import Ask, Told, from_nothing
from cnamm_scan.demo.aws.bed.identify import Identity, Request, service_model
from cnamm_scan.demo.aws.bed.server import MotoServer
from cnamm_scan.demo.aws.estate.answers import Plain, answers
from cnamm_scan.demo.aws.estate.shop import ANSWERS, seed

Client = Callable[..., Any]
HOME, AWAY, BARE = "us-east-1", "eu-west-1", "ap-southeast-2"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The demo's bed with the demo's estate."""
    with MotoServer(answers=ANSWERS) as server:
        seed(server.url)
        yield server.url


def identity(service: str, operation: str, protocol: str = "") -> Identity:
    metadata = service_model(service)["metadata"]
    return Identity(service, HOME, operation, protocol or metadata["protocol"], service)


def read_back(who: Identity, values: dict[str, Any]) -> dict[str, Any]:
    """What botocore makes of the answer."""
    answer = fill.filled(who, values)
    shape = fill._operation(who.service, who.operation).output_shape
    parser = import_module("botocore.parsers").create_parser(who.protocol)
    parsed: dict[str, Any] = parser.parse({"status_code": 200, "headers": answer.headers, "body": answer.body}, shape)
    parsed.pop("ResponseMetadata")
    return parsed


WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
VALUES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("ssm", "DescribeSessions", "json", {"Sessions": [{"SessionId": "a", "StartDate": WHEN}]}),
    ("ecs", "ListServiceDeployments", "json", {"serviceDeployments": [{"status": "SUCCESSFUL", "createdAt": WHEN}]}),
    ("eks", "DescribeAddon", "rest-json", {"addon": {"addonName": "a", "createdAt": WHEN, "tags": {"k": "v"}}}),
    ("accessanalyzer", "ListAnalyzers", "rest-json", {"analyzers": [{"arn": "a", "createdAt": WHEN}]}),
    ("lambda", "GetFunctionRecursionConfig", "rest-json", {"RecursiveLoop": "Terminate"}),
    ("iam", "GetAccountSummary", "query", {"SummaryMap": {"Users": 3}}),
    ("iam", "GetUser", "query", {"User": {"UserName": "<a&b>", "CreateDate": WHEN}}),
    ("sdb", "ListDomains", "query", {"DomainNames": ["a", "b"]}),  # flattened
    ("ec2", "DescribeVpcs", "ec2", {"Vpcs": [{"VpcId": "v", "IsDefault": False, "Tags": [{"Key": "k", "Value": "v"}]}]}),
    ("ec2", "GetInstanceMetadataDefaults", "ec2", {"AccountLevel": {"HttpPutResponseHopLimit": 2}}),
    ("s3", "GetBucketOwnershipControls", "rest-xml", {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
    ("s3", "GetBucketTagging", "rest-xml", {"TagSet": [{"Key": "k", "Value": "v"}]}),
    ("s3", "HeadBucket", "rest-xml", {"BucketRegion": HOME}),  # in a header
    ("s3", "GetBucketPolicy", "rest-xml", {"Policy": '{"a": 1}'}),  # the body itself
    (
        "cloudwatch",
        "DescribeAlarms",
        "smithy-rpc-v2-cbor",
        {"MetricAlarms": [{"Threshold": 0.5, "Period": 70_000, "ActionsEnabled": True}]},
    ),
    ("cloudwatch", "DescribeAlarms", "smithy-rpc-v2-cbor", {"MetricAlarms": [{"StateUpdatedTimestamp": WHEN, "AlarmName": "n" * 300}]}),
    ("cloudwatch", "DescribeAlarms", "smithy-rpc-v2-cbor", {"MetricAlarms": [{"Period": -7, "EvaluationPeriods": 200}]}),
]


@pytest.mark.parametrize(("service", "operation", "protocol", "values"), VALUES)
def test_boto3_reads_what_was_given(service: str, operation: str, protocol: str, values: dict[str, Any]) -> None:
    assert read_back(identity(service, operation, protocol), values) == values


@pytest.mark.parametrize("service", ["ssm", "eks", "backup", "iam", "sns", "ec2", "s3", "route53", "cloudfront", "organizations"])
def test_every_look_at_a_service_can_be_answered_from_nothing(service: str) -> None:
    looks = [identity(service, name) for name in service_model(service)["operations"]]
    looks = [look for look in looks if fill.is_read(look)]
    assert looks
    for look in looks:
        told = read_back(look, fill.empty(look))
        assert not [name for name in told if name.lower().endswith("token")], look.operation
        assert [one for one in told.values() if isinstance(one, list) and one] == [], look.operation


def test_only_looks_are_filled() -> None:
    names = ("DescribeVpcs", "CreateVpc", "Getaway", "")
    assert [fill.is_read(identity("ec2", name)) for name in names] == [True, False, False, False]
    assert not fill.is_read(Identity())
    assert from_nothing(identity("ec2", "CreateVpc")) is None


def test_what_must_stand_is_zero() -> None:
    assert fill.empty(identity("guardduty", "ListFindings")) == {"FindingIds": []}
    assert fill.empty(identity("guardduty", "GetFilter"))["FindingCriteria"] == {"Criterion": {}}
    assert fill.empty(identity("eks", "DescribeCluster")) == {}
    assert fill.empty(identity("inspector2", "BatchGetAccountStatus")) == {"accounts": [], "failedAccounts": []}


def test_a_name_that_the_answer_does_not_have_is_told() -> None:
    with pytest.raises(ValueError, match=r"has no Analysers; it has .*Sessions"):
        fill.filled(identity("ssm", "DescribeSessions"), {"Analysers": []})


def test_the_tables_name_operations_and_members_that_exist() -> None:
    for service, operation in [*answers().given, *answers().corrections]:
        assert operation in service_model(service)["operations"], (service, operation)
    read = 0
    for (service, operation), given in answers().given.items():
        for region in (HOME, AWAY, BARE) if isinstance(given, Plain) else ():
            assert isinstance(given, Plain)
            said = given(Ask(region, {}))
            if isinstance(said, dict):
                assert read_back(identity(service, operation), said) == said
                read += 1
    assert read > 50


def test_ages_of_plain_answers_are_seen_from_now() -> None:
    engines = answers().given["rds", "DescribeDBMajorEngineVersions"]
    assert isinstance(engines, Plain)
    said = engines(Ask(HOME, {}))
    assert isinstance(said, dict)
    old, new = said["DBMajorEngineVersions"][:2]
    ends = [one["SupportedEngineLifecycles"][0]["LifecycleSupportEndDate"] - datetime.now(UTC) for one in (old, new)]
    assert [round(end.total_seconds() / 86400) for end in ends] == [-260, 800]


def test_an_error_of_the_table_is_said_in_the_protocol(url: str, client: Client) -> None:
    with pytest.raises(ClientError) as caught:
        client("backup", url).get_backup_vault_access_policy(BackupVaultName="shop")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException"
    with pytest.raises(ClientError) as caught:
        client("iam", url).list_organizations_features()
    assert caught.value.response["Error"]["Code"] == "ServiceAccessNotEnabledException"
    given = answers().given["iam", "ListOrganizationsFeatures"]
    assert isinstance(given, Plain)
    assert isinstance(given(Ask(HOME, {})), Told)


def test_holes_and_bugs_are_filled_and_writes_are_not(url: str, client: Client) -> None:
    assert client("ssm", url).describe_automation_executions()["AutomationExecutionMetadataList"] == []
    assert client("autoscaling", url).describe_instance_refreshes(AutoScalingGroupName="shop-web")["InstanceRefreshes"] == []
    assert client("codeartifact", url).list_domains()["domains"] == []  # no such service in moto
    assert client("ec2", url).describe_vpc_encryption_controls()["VpcEncryptionControls"] == []
    assert client("inspector2", url).batch_get_account_status()["accounts"][0]["resourceState"]["ec2"]["status"] == "ENABLED"
    assert client("inspector2", url, AWAY).batch_get_account_status()["accounts"][0]["state"]["status"] == "DISABLED"
    with pytest.raises(ClientError) as caught:
        client("accessanalyzer", url).create_analyzer(analyzerName="a", type="ACCOUNT")
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"
    with pytest.raises(ClientError) as caught:
        client("inspector2", url).enable(resourceTypes=["EC2"])  # moto wants account ids
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_one_snapshot_is_public(url: str, client: Client) -> None:
    public = {
        region: [one["Description"] for one in client("ec2", url, region).describe_snapshots(RestorableByUserIds=["all"])["Snapshots"]]
        for region in (HOME, AWAY, BARE)
    }
    assert public == {HOME: ["shared by mistake"], AWAY: [], BARE: []}
    assert len(client("ec2", url).describe_snapshots(OwnerIds=["self"])["Snapshots"]) == 3


def test_the_answers_fit_the_estate(url: str, client: Client) -> None:
    instances = {
        next(tag["Value"] for tag in one["Tags"] if tag["Key"] == "Name"): one["InstanceId"]
        for group in client("ec2", url).describe_instances()["Reservations"]
        for one in group["Instances"]
    }
    managed = client("ssm", url).describe_instance_information()["InstanceInformationList"]
    assert [one["InstanceId"] for one in managed] == [instances["orders"]]
    images = client("ec2", url).describe_instance_image_metadata()["InstanceImageMetadata"]
    assert {one["InstanceId"] for one in images} == set(instances.values())
    finding = client("guardduty", url).get_findings(DetectorId="d", FindingIds=["f"])["Findings"][0]
    assert instances["legacy"] in finding["Title"]
    covered = client("inspector2", url).list_coverage()["coveredResources"]
    assert {one["resourceType"] for one in covered} == {"AWS_EC2_INSTANCE", "AWS_ECR_CONTAINER_IMAGE"}
    flaws = client("inspector2", url).list_findings(filterCriteria={"findingStatus": [{"comparison": "EQUALS", "value": "CLOSED"}]})
    assert {one["status"] for one in flaws["findings"]} == {"CLOSED"}
    urls = client("lambda", url, AWAY).list_function_url_configs(FunctionName="webhooks")["FunctionUrlConfigs"]
    assert [one["AuthType"] for one in urls] == ["NONE"]
    assert client("lambda", url).list_function_url_configs(FunctionName="mailer")["FunctionUrlConfigs"] == []
    analyzer = client("accessanalyzer", url).list_analyzers()["analyzers"][0]
    public = client("accessanalyzer", url).list_findings_v2(analyzerArn=analyzer["arn"], filter={"isPublic": {"eq": ["true"]}})["findings"]
    assert {one["resource"].rpartition("/")[2] for one in public} == {"arn:aws:s3:::shop-website", "anyone"}
    names = [one["Name"] for one in client("ce", url).list_cost_category_definitions()["CostCategoryReferences"]]
    assert names == ["team"]
    deployed = client("ecs", url).list_service_deployments(service="arn:aws:ecs:us-east-1:1:service/shop/api")["serviceDeployments"]
    assert deployed[0]["serviceDeploymentArn"] == "arn:aws:ecs:us-east-1:1:service-deployment/shop/api/first"


def test_a_region_without_seeds_has_none_of_it(url: str, client: Client) -> None:
    assert client("ssm", url, BARE).list_associations()["Associations"] == []
    assert client("ssm", url, BARE).list_resource_compliance_summaries()["ResourceComplianceSummaryItems"] == []
    assert client("accessanalyzer", url, BARE).list_analyzers()["analyzers"] == []
    assert client("cloudtrail", url, BARE).lookup_events()["Events"] == []
    for service, method in (("securityhub", "get_findings"), ("securityhub", "get_enabled_standards"), ("macie2", "get_macie_session")):
        with pytest.raises(ClientError, match=r"not subscribed|not enabled"):
            getattr(client(service, url, BARE), method)()


def test_moto_is_corrected(url: str, client: Client) -> None:
    budgets = client("budgets", url).describe_budgets(AccountId="123456789012")["Budgets"]
    assert all(float(budget["CalculatedSpend"]["ActualSpend"]["Amount"]) > 0 for budget in budgets)
    assert client("iam", url).get_account_summary()["SummaryMap"]["AccountPasswordPresent"] == 1
    buckets = {bucket["Name"]: bucket["BucketRegion"] for bucket in client("s3", url).list_buckets()["Buckets"]}
    assert (buckets["shop-logs"], buckets["shop-eu-orders"]) == (HOME, AWAY)
    tagged = client("resourcegroupstaggingapi", url, BARE).get_resources()["ResourceTagMappingList"]
    assert [one["ResourceARN"] for one in tagged if ":s3:" in one["ResourceARN"]] == []
    trail = client("cloudtrail", url).describe_trails()["trailList"][0]["TrailARN"]
    away = client("cloudtrail", url, AWAY)
    assert away.get_event_selectors(TrailName=trail)["EventSelectors"][0]["ReadWriteType"] == "All"
    assert away.get_trail_status(Name=trail)["LatestDigestDeliveryTime"]
    assert "LatestDigestDeliveryTime" not in away.get_trail_status(Name="old-eu")


def test_moto_answers_what_the_table_leaves_to_it() -> None:
    asked = Request("POST", "/", {}, b"Action=DescribeSnapshots&Owner.1=self")
    assert answers().by_hand(asked, identity("ec2", "DescribeSnapshots")) is None
    assert answers().by_hand(asked, identity("ec2", "DescribeVpcs")) is None
    assert answers().corrected(identity("iam", "GetAccountSummary"), "403 Forbidden", b"no") == b"no"
