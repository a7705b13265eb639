"""The fault proxy against real boto3 clients: what each fault looks like from where the scanner stands."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from cnamm_scan.demo.aws.bed.proxy import Call, Fault, FaultProxy
from cnamm_scan.demo.aws.bed.refusals import Kind

Client = Callable[..., Any]

# at least one client of each protocol, with the call that is made through it
LISTS: dict[str, Callable[[Any], Any]] = {
    "s3": lambda c: c.list_buckets(),
    "ec2": lambda c: c.describe_vpcs(),
    "iam": lambda c: c.list_users(),
    "kms": lambda c: c.list_keys(),
    "dynamodb": lambda c: c.list_tables(),
    "lambda": lambda c: c.list_functions(),
    "sqs": lambda c: c.list_queues(),
    "cloudwatch": lambda c: c.describe_alarms(),
    "route53": lambda c: c.list_hosted_zones(),
    "sns": lambda c: c.list_topics(),
}

# kind -> service -> the error code and status that boto3 reports
EXPECTED: dict[Kind, dict[str, tuple[str, int]]] = {
    "denied": {
        "s3": ("AccessDenied", 403),
        "ec2": ("UnauthorizedOperation", 403),
        "iam": ("AccessDenied", 403),
        "kms": ("AccessDeniedException", 400),
        "dynamodb": ("AccessDeniedException", 400),
        "lambda": ("AccessDeniedException", 403),
        "sqs": ("AccessDenied", 400),
        "cloudwatch": ("AccessDenied", 400),
        "route53": ("AccessDenied", 403),
        "sns": ("AuthorizationError", 403),
    },
    "throttled": {
        "s3": ("SlowDown", 503),
        "ec2": ("RequestLimitExceeded", 503),
        "iam": ("Throttling", 400),
        "kms": ("ThrottlingException", 400),
        "dynamodb": ("ThrottlingException", 400),
        "lambda": ("TooManyRequestsException", 429),
        "sqs": ("Throttling", 400),
        "cloudwatch": ("Throttling", 400),
        "route53": ("Throttling", 400),
        "sns": ("Throttling", 400),
    },
    "server_error": {
        "s3": ("InternalError", 500),
        "ec2": ("InternalError", 500),
        "iam": ("InternalFailure", 500),
        "kms": ("KMSInternalException", 500),
        "dynamodb": ("InternalServerError", 500),
        "lambda": ("ServiceException", 500),
        "sqs": ("InternalFailure", 500),
        "cloudwatch": ("InternalFailure", 500),
    },
    "expired": {
        "s3": ("ExpiredToken", 400),
        "ec2": ("RequestExpired", 400),
        "iam": ("ExpiredToken", 403),
        "kms": ("ExpiredTokenException", 400),
        "dynamodb": ("ExpiredTokenException", 400),
        "lambda": ("ExpiredTokenException", 403),
        "sqs": ("ExpiredToken", 400),
        "cloudwatch": ("ExpiredToken", 400),
    },
    "unsupported": {
        "s3": ("NotImplemented", 501),
        "ec2": ("InvalidAction", 400),
        "iam": ("InvalidAction", 400),
        "kms": ("UnknownOperationException", 400),
        "lambda": ("UnknownOperationException", 404),
        "sqs": ("InvalidAction", 400),
        "cloudwatch": ("InvalidAction", 400),
    },
    "region_disabled": {
        "s3": ("InvalidAccessKeyId", 403),
        "ec2": ("AuthFailure", 401),
        "iam": ("InvalidClientTokenId", 403),
        "kms": ("UnrecognizedClientException", 400),
        "lambda": ("UnrecognizedClientException", 403),
        "sqs": ("InvalidClientTokenId", 400),
        "cloudwatch": ("InvalidClientTokenId", 400),
    },
    "gone": {
        "s3": ("NoSuchBucket", 404),
        "iam": ("NoSuchEntity", 404),
        "kms": ("NotFoundException", 400),
        "dynamodb": ("ResourceNotFoundException", 400),
        "lambda": ("ResourceNotFoundException", 404),
        "sqs": ("AWS.SimpleQueueService.NonExistentQueue", 400),
        "cloudwatch": ("ResourceNotFound", 400),
    },
}
EXPECTED["denied_scp"] = EXPECTED["denied"]
CASES = [(kind, service) for kind, services in EXPECTED.items() for service in services]

# what botocore makes of a 200 whose body is empty: an error where the answer is wrapped in XML, else {}
SAYS_NOTHING = ("kms", "dynamodb", "lambda", "sqs", "cloudwatch")


@pytest.mark.parametrize(("kind", "service"), CASES)
def test_a_refusal_has_the_code_that_aws_would_send(proxy: FaultProxy, kind: Kind, service: str, client: Client) -> None:
    proxy.faults[:] = [Fault(kind)]
    with pytest.raises(ClientError) as caught:
        LISTS[service](client(service, proxy.url))
    code, status = EXPECTED[kind][service]
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    message = caught.value.response["Error"]["Message"]
    assert ("with an explicit deny in a service control policy" in message) == (kind == "denied_scp")
    assert [call.status for call in proxy.calls] == [status]


def test_a_refused_head_has_no_body(proxy: FaultProxy, client: Client) -> None:
    proxy.faults[:] = [Fault("denied")]
    s3 = client("s3", proxy.url)
    for _ in range(2):  # a body would be read as the head of the next answer
        with pytest.raises(ClientError) as caught:
            s3.head_bucket(Bucket="some-bucket")
        assert caught.value.response["Error"]["Code"] == "403"


@pytest.mark.parametrize("service", ["s3", "iam", "kms", "lambda"])
def test_a_timeout_ends_when_the_client_gives_up(proxy: FaultProxy, service: str, client: Client) -> None:
    proxy.faults[:] = [Fault("timeout")]
    with pytest.raises(ReadTimeoutError):
        LISTS[service](client(service, proxy.url, read_timeout=0.3))
    assert [call.status for call in proxy.calls] == [0]


def test_a_timeout_ends_after_its_hold(proxy: FaultProxy, client: Client) -> None:
    proxy.faults[:] = [Fault("timeout", hold=0.1)]
    started = time.monotonic()
    with pytest.raises(ConnectionClosedError):
        client("kms", proxy.url).list_keys()
    assert 0.1 <= time.monotonic() - started < 5


@pytest.mark.parametrize("service", ["s3", "ec2", "kms", "lambda", "cloudwatch"])
def test_a_reset_closes_the_connection(proxy: FaultProxy, service: str, client: Client) -> None:
    proxy.faults[:] = [Fault("reset")]
    with pytest.raises(ConnectionClosedError):
        LISTS[service](client(service, proxy.url))


@pytest.mark.parametrize("service", ["ec2", "iam", "route53", "sns"])
def test_half_an_xml_answer_is_not_parsed(proxy: FaultProxy, service: str, client: Client) -> None:
    proxy.faults[:] = [Fault("malformed")]
    with pytest.raises(ResponseParserError):
        LISTS[service](client(service, proxy.url))


@pytest.mark.parametrize("service", SAYS_NOTHING)
@pytest.mark.parametrize("kind", ["malformed", "empty"])
def test_botocore_reads_half_an_answer_as_nothing(proxy: FaultProxy, kind: Kind, service: str, client: Client) -> None:
    """The trap that the scanner must not fall into; it fails here when botocore mends it."""
    proxy.faults[:] = [Fault(kind)]
    answer = LISTS[service](client(service, proxy.url))
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert set(answer) == {"ResponseMetadata"}


def test_half_an_answer_has_the_length_it_says(proxy: FaultProxy, client: Client) -> None:
    kms = client("kms", proxy.url)
    whole = int(kms.list_keys()["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    proxy.faults[:] = [Fault("malformed")]
    half = int(kms.list_keys()["ResponseMetadata"]["HTTPHeaders"]["content-length"])
    assert half == whole // 2


# service -> (boto3 method, operation); REST, query, JSON and CBOR, and names that signing does not tell
IDENTIFIED = {
    "accessanalyzer": ("list_analyzers", "ListAnalyzers"),
    "acm": ("list_certificates", "ListCertificates"),
    "apigateway": ("get_rest_apis", "GetRestApis"),
    "apigatewayv2": ("get_apis", "GetApis"),
    "autoscaling": ("describe_auto_scaling_groups", "DescribeAutoScalingGroups"),
    "backup": ("list_backup_vaults", "ListBackupVaults"),
    "cloudformation": ("list_stacks", "ListStacks"),
    "cloudfront": ("list_distributions", "ListDistributions"),
    "cloudtrail": ("describe_trails", "DescribeTrails"),
    "cloudwatch": ("describe_alarms", "DescribeAlarms"),
    "codebuild": ("list_projects", "ListProjects"),
    "config": ("describe_configuration_recorders", "DescribeConfigurationRecorders"),
    "dynamodb": ("list_tables", "ListTables"),
    "ec2": ("describe_instances", "DescribeInstances"),
    "ecr": ("describe_repositories", "DescribeRepositories"),
    "ecs": ("list_clusters", "ListClusters"),
    "efs": ("describe_file_systems", "DescribeFileSystems"),
    "eks": ("list_clusters", "ListClusters"),
    "elasticache": ("describe_cache_clusters", "DescribeCacheClusters"),
    "elb": ("describe_load_balancers", "DescribeLoadBalancers"),
    "elbv2": ("describe_load_balancers", "DescribeLoadBalancers"),
    "events": ("list_rules", "ListRules"),
    "fis": ("list_experiment_templates", "ListExperimentTemplates"),
    "guardduty": ("list_detectors", "ListDetectors"),
    "iam": ("list_users", "ListUsers"),
    "inspector2": ("list_findings", "ListFindings"),
    "kms": ("list_keys", "ListKeys"),
    "lambda": ("list_functions", "ListFunctions"),
    "logs": ("describe_log_groups", "DescribeLogGroups"),
    "macie2": ("get_macie_session", "GetMacieSession"),
    "opensearch": ("list_domain_names", "ListDomainNames"),
    "organizations": ("list_accounts", "ListAccounts"),
    "rds": ("describe_db_instances", "DescribeDBInstances"),
    "route53": ("list_hosted_zones", "ListHostedZones"),
    "s3": ("list_buckets", "ListBuckets"),
    "secretsmanager": ("list_secrets", "ListSecrets"),
    "securityhub": ("describe_hub", "DescribeHub"),
    "sesv2": ("list_email_identities", "ListEmailIdentities"),
    "sns": ("list_topics", "ListTopics"),
    "sqs": ("list_queues", "ListQueues"),
    "ssm": ("describe_parameters", "DescribeParameters"),
    "stepfunctions": ("list_state_machines", "ListStateMachines"),
    "sts": ("get_caller_identity", "GetCallerIdentity"),
}


@pytest.mark.parametrize("service", IDENTIFIED)
def test_a_call_is_identified(proxy: FaultProxy, service: str, client: Client) -> None:
    method, operation = IDENTIFIED[service]
    proxy.faults[:] = [Fault("throttled", service=service, region="eu-west-1", operation=operation)]
    with pytest.raises(ClientError):
        getattr(client(service, proxy.url, "eu-west-1"), method)()
    (call,) = proxy.calls
    assert (call.service, call.region, call.operation) == (service, "eu-west-1", operation)


S3_CALLS = {
    "get_bucket_versioning": "GetBucketVersioning",
    "get_bucket_encryption": "GetBucketEncryption",
    "get_bucket_policy": "GetBucketPolicy",
    "get_bucket_policy_status": "GetBucketPolicyStatus",
    "get_public_access_block": "GetPublicAccessBlock",
    "get_bucket_logging": "GetBucketLogging",
    "get_bucket_lifecycle_configuration": "GetBucketLifecycleConfiguration",
    "get_bucket_notification_configuration": "GetBucketNotificationConfiguration",
    "get_bucket_acl": "GetBucketAcl",
    "get_bucket_location": "GetBucketLocation",
    "get_object_lock_configuration": "GetObjectLockConfiguration",
    "list_objects_v2": "ListObjectsV2",
    "list_objects": "ListObjects",
    "list_object_versions": "ListObjectVersions",
    "head_bucket": "HeadBucket",
    "delete_bucket": "DeleteBucket",
}


@pytest.mark.parametrize("method", S3_CALLS)
def test_the_subresources_of_a_bucket_are_told_apart(proxy: FaultProxy, method: str, client: Client) -> None:
    proxy.faults[:] = [Fault("denied")]
    with pytest.raises(ClientError):
        getattr(client("s3", proxy.url), method)(Bucket="some-bucket")
    assert [call.operation for call in proxy.calls] == [S3_CALLS[method]]


REST_CALLS: list[tuple[str, str, dict[str, str], str]] = [
    ("s3", "get_object", {"Bucket": "b-b-b", "Key": "a/b c/d"}, "GetObject"),
    ("s3", "get_object_tagging", {"Bucket": "b-b-b", "Key": "a/b"}, "GetObjectTagging"),
    ("s3", "copy_object", {"Bucket": "b-b-b", "Key": "a", "CopySource": "b-b-b/c"}, "CopyObject"),
    ("s3", "put_object", {"Bucket": "b-b-b", "Key": "a", "Body": "x"}, "PutObject"),
    ("s3", "get_bucket_inventory_configuration", {"Bucket": "b-b-b", "Id": "1"}, "GetBucketInventoryConfiguration"),
    ("s3", "list_bucket_inventory_configurations", {"Bucket": "b-b-b"}, "ListBucketInventoryConfigurations"),
    ("lambda", "get_policy", {"FunctionName": "f"}, "GetPolicy"),
    ("lambda", "get_function", {"FunctionName": "f"}, "GetFunction"),
    ("lambda", "get_function_url_config", {"FunctionName": "arn:aws:lambda:us-east-1:1:function:f"}, "GetFunctionUrlConfig"),
    ("eks", "describe_nodegroup", {"clusterName": "c", "nodegroupName": "n"}, "DescribeNodegroup"),
    ("guardduty", "get_detector", {"DetectorId": "d"}, "GetDetector"),
    ("backup", "get_backup_plan", {"BackupPlanId": "p"}, "GetBackupPlan"),
    ("apigateway", "get_stages", {"restApiId": "a"}, "GetStages"),
    ("route53", "list_resource_record_sets", {"HostedZoneId": "Z1"}, "ListResourceRecordSets"),
    ("kafka", "list_clusters_v2", {}, "ListClustersV2"),
    ("efs", "describe_file_system_policy", {"FileSystemId": "fs-12345678"}, "DescribeFileSystemPolicy"),
    ("opensearch", "describe_domain", {"DomainName": "abc"}, "DescribeDomain"),
]


@pytest.mark.parametrize("case", REST_CALLS, ids=lambda case: f"{case[0]}-{case[1]}")
def test_a_rest_path_tells_the_operation(proxy: FaultProxy, case: tuple[str, str, dict[str, str], str], client: Client) -> None:
    service, method, parameters, operation = case
    proxy.faults[:] = [Fault("denied")]
    with pytest.raises(ClientError):
        getattr(client(service, proxy.url), method)(**parameters)
    assert [(call.service, call.operation) for call in proxy.calls] == [(service, operation)]


PAGED: list[tuple[str, str, dict[str, Any]]] = [
    ("s3", "list_objects_v2", {"Bucket": "b-b-b", "ContinuationToken": "t"}),
    ("s3", "list_object_versions", {"Bucket": "b-b-b", "KeyMarker": "t"}),
    ("ec2", "describe_vpcs", {"NextToken": "t"}),
    ("iam", "list_users", {"Marker": "t"}),
    ("rds", "describe_db_instances", {"Marker": "t"}),
    ("kms", "list_keys", {"Marker": "t"}),
    ("dynamodb", "list_tables", {"ExclusiveStartTableName": "t-t"}),
    ("logs", "describe_log_groups", {"nextToken": "t"}),
    ("lambda", "list_functions", {"Marker": "t"}),
    ("apigateway", "get_rest_apis", {"position": "t"}),
    ("inspector2", "list_findings", {"nextToken": "t"}),
    ("route53", "list_hosted_zones", {"Marker": "t"}),
    ("route53", "list_resource_record_sets", {"HostedZoneId": "Z1", "StartRecordName": "t"}),
    ("sqs", "list_queues", {"NextToken": "t"}),
    ("cloudwatch", "describe_alarms", {"NextToken": "t"}),
]


@pytest.mark.parametrize(("service", "method", "parameters"), PAGED)
def test_a_request_with_a_token_is_a_later_page(
    proxy: FaultProxy, service: str, method: str, parameters: dict[str, Any], client: Client
) -> None:
    tokens = {name for name in parameters if name not in {"Bucket", "HostedZoneId"}}
    first = {name: value for name, value in parameters.items() if name not in tokens}
    # the first page gets another error than the second, whatever stands behind the proxy
    proxy.faults[:] = [Fault("throttled", page=1), Fault("denied", page=2)]
    codes = []
    for given in (first, parameters):
        with pytest.raises(ClientError) as caught:
            getattr(client(service, proxy.url), method)(**given)
        codes.append(caught.value.response["Error"]["Code"])
    assert "Throttl" in codes[0] or codes[0] in {"SlowDown", "RequestLimitExceeded", "TooManyRequestsException"}
    assert "Denied" in codes[1] or codes[1] == "UnauthorizedOperation"


def test_a_listing_breaks_on_its_second_page(fresh_moto: str, proxy: FaultProxy, client: Client) -> None:
    dynamodb = client("dynamodb", proxy.url)
    for name in ("ann", "ben", "cat"):
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    proxy.faults[:] = [Fault("denied", operation="ListTables", page=2)]
    seen = []
    with pytest.raises(ClientError, match="AccessDenied"):
        for page in dynamodb.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 2}):
            seen += page["TableNames"]
    assert seen == ["ann", "ben"]


def test_a_fault_fires_so_many_times(proxy: FaultProxy, client: Client) -> None:
    proxy.faults[:] = [Fault("throttled", service="kms", times=2), Fault("throttled", service="kms", times=1)]
    kms = client("kms", proxy.url)
    for _ in range(3):
        with pytest.raises(ClientError):
            kms.list_keys()
    kms.list_keys()
    assert [call.status for call in proxy.calls] == [400, 400, 400, 200]


def test_retries_get_past_a_fault_that_stops(proxy: FaultProxy, client: Client) -> None:
    proxy.faults[:] = [Fault("throttled", times=1)]
    client("kms", proxy.url, retries={"total_max_attempts": 3, "mode": "standard"}).list_keys()
    assert [call.status for call in proxy.calls] == [400, 200]


def test_a_fault_keeps_to_its_service_region_and_operation(proxy: FaultProxy, client: Client) -> None:
    proxy.faults[:] = [Fault("denied", service="k*", region="eu-*", operation="List*")]
    client("kms", proxy.url).list_keys()
    client("dynamodb", proxy.url, "eu-west-1").list_tables()
    with pytest.raises(ClientError):
        client("kms", proxy.url, "eu-west-1").list_keys()


def test_a_fault_keeps_to_one_resource(fresh_moto: str, proxy: FaultProxy, client: Client) -> None:
    s3 = client("s3", proxy.url)
    for name in ("first-bucket", "second-bucket"):
        s3.create_bucket(Bucket=name)
    proxy.faults[:] = [Fault("denied", operation="GetBucketVersioning", param="second-bucket")]
    s3.get_bucket_versioning(Bucket="first-bucket")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_bucket_versioning(Bucket="second-bucket")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "sulky"}, "got fault kind 'sulky', expected one of denied, denied_scp"),
        ({"kind": "denied", "page": 3}, "got page 3, expected 1 or 2"),
    ],
)
def test_a_fault_that_could_never_fire_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fault(**arguments)


def test_an_upstream_must_be_plain_http() -> None:
    with pytest.raises(ValueError, match=r"got upstream 'https://example\.com', expected http://host:port"):
        FaultProxy("https://example.com")


def test_calls_tell_a_repetition_from_another_question(proxy: FaultProxy, client: Client) -> None:
    kms = client("kms", proxy.url)
    for limit in (5, 5, 6):
        kms.list_keys(Limit=limit)
    first, again, other = proxy.calls
    assert first.params_sha256 == again.params_sha256 != other.params_sha256
    assert first.params_sha256 == hashlib.sha256(b'POST /\n\n{"Limit": 5}').hexdigest()
    assert 0 < first.at < again.at < other.at
    assert first == Call("kms", "us-east-1", "ListKeys", first.params_sha256, 200, first.at)


def test_objects_come_through_whole(fresh_moto: str, proxy: FaultProxy, client: Client) -> None:
    """PUT waits for `100 Continue`, HEAD has a length but no body, DELETE answers 204."""
    s3 = client("s3", proxy.url)
    s3.create_bucket(Bucket="some-bucket")
    body = bytes(range(256)) * 4_000
    s3.put_object(Bucket="some-bucket", Key="a/b c", Body=body)
    assert s3.head_object(Bucket="some-bucket", Key="a/b c")["ContentLength"] == len(body)
    assert s3.get_object(Bucket="some-bucket", Key="a/b c")["Body"].read() == body
    s3.delete_object(Bucket="some-bucket", Key="a/b c")
    assert s3.list_objects_v2(Bucket="some-bucket")["KeyCount"] == 0
    statuses = [(call.operation, call.status) for call in proxy.calls]
    assert statuses[1:] == [("PutObject", 200), ("HeadObject", 200), ("GetObject", 200), ("DeleteObject", 204), ("ListObjectsV2", 200)]


def test_an_answer_can_be_rewritten(moto_url: str, client: Client) -> None:
    seen = []

    def rewrite(call: Call, status: int, body: bytes) -> bytes:
        seen.append((call.operation, status))
        return body.replace(b"123456789012", b"210987654321")

    with FaultProxy(moto_url, rewrite=rewrite) as proxy:
        assert client("sts", proxy.url).get_caller_identity()["Account"] == "210987654321"
    assert seen == [("GetCallerIdentity", 200)]


def test_latency_is_waited_in_parallel(moto_url: str, client: Client) -> None:
    with FaultProxy(moto_url, latency=0.2, faults=[Fault("denied")]) as proxy:
        kms = client("kms", proxy.url, max_pool_connections=16)

        def call() -> None:
            with pytest.raises(ClientError):
                kms.list_keys()

        started = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            for result in [pool.submit(call) for _ in range(32)]:
                result.result()
        took = time.monotonic() - started
    assert 0.4 <= took < 4
    assert len(proxy.calls) == 32


def test_many_threads_get_their_own_answers(fresh_moto: str, proxy: FaultProxy, client: Client) -> None:
    sqs = client("sqs", proxy.url, max_pool_connections=24)
    names = [f"queue-{number}" for number in range(120)]
    with ThreadPoolExecutor(24) as pool:
        urls = list(pool.map(lambda name: sqs.create_queue(QueueName=name)["QueueUrl"], names))
    assert [url.rsplit("/", 1)[1] for url in urls] == names


class _Odd(BaseHTTPRequestHandler):
    """An upstream with other manners than moto's: chunks, no length, a connection closed behind our back."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith("/chunked"):
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"5\r\nhello\r\n1;ext=1\r\n \r\n5\r\nworld\r\n0\r\n\r\n")
        elif self.path.startswith("/unsaid"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"until the end")
            self.close_connection = True
        elif self.path.startswith("/short"):
            self.send_response(200)
            self.send_header("Content-Length", "50")
            self.end_headers()
            self.wfile.write(b"cut")
            self.close_connection = True
        else:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")
            self.close_connection = True  # though it did not say so

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def odd_upstream() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Odd)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _get(url: str) -> tuple[int, bytes]:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_answers_of_all_framings_are_forwarded(odd_upstream: str) -> None:
    with FaultProxy(odd_upstream) as proxy:
        assert _get(proxy.url + "/chunked") == (200, b"hello world")
        assert _get(proxy.url + "/unsaid") == (200, b"until the end")
        for _ in range(3):
            assert _get(proxy.url + "/closes") == (200, b"ok")
        assert _get(proxy.url + "/short")[0] == 502
    assert [call.service for call in proxy.calls] == [""] * 6


def test_an_upstream_that_is_not_there_is_a_502() -> None:
    with FaultProxy("http://127.0.0.1:9") as proxy:
        assert _get(proxy.url + "/")[0] == 502
