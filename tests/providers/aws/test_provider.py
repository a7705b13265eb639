"""AWS through real boto3 over real sockets: errors become reasons, silence is not taken for an answer, every page is followed."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest

from cnamm_scan.demo.aws.bed.proxy import Call, Fault, FaultProxy
from cnamm_scan.demo.aws.bed.refusals import Kind
from cnamm_scan.demo.aws.estate.shop import CLOSED_REGION, demo_rewrite
from cnamm_scan.errors import CredentialsError, ProviderError, UsageError
from cnamm_scan.model import Reason
from cnamm_scan.providers.aws.provider import AwsProvider
from cnamm_scan.providers.aws.session import Options
from cnamm_scan.providers.interface import CallFailedError, Request
from tests.servers import BadServer, whole

Client = Callable[..., Any]
HOME = "us-east-1"
ANY_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}]}'

BY_PROTOCOL = {
    "json": Request("kms", "ListKeys", HOME),
    "query-compatible": Request("sqs", "ListQueues", HOME),
    "cbor-or-json": Request("cloudwatch", "DescribeAlarms", HOME),
    "rest-json": Request("lambda", "ListFunctions", HOME),
    "query": Request("iam", "ListUsers", HOME),
    "ec2": Request("ec2", "DescribeVpcs", HOME),
    "s3": Request("s3", "GetBucketVersioning", HOME, {"Bucket": "some-bucket"}),
    "rest-xml": Request("route53", "ListHostedZones", HOME),
}
REASONS: dict[Kind, tuple[Reason, bool]] = {
    "denied": (Reason.DENIED, False),
    "denied_scp": (Reason.DENIED, False),
    "throttled": (Reason.THROTTLED, True),
    "server_error": (Reason.SERVER_ERROR, True),
    "timeout": (Reason.TIMED_OUT, True),
    "reset": (Reason.UNREACHABLE, True),
    "malformed": (Reason.MALFORMED, True),
    "empty": (Reason.MALFORMED, True),
    "expired": (Reason.CREDENTIALS, False),
    "unsupported": (Reason.UNSUPPORTED, False),
    "region_disabled": (Reason.REGION_DISABLED, False),
}


class Desk:
    """One provider behind one proxy for all tests of this file; `rewrite` may be set by a test."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.provider = AwsProvider(Options(endpoint_url=proxy.url, call_timeout=1.0))

    def fails(self, request: Request) -> CallFailedError:
        with pytest.raises(CallFailedError) as caught:
            self.provider.call(request)
        return caught.value


@pytest.fixture(scope="module")
def one_desk(moto_url: str, aws_environment: None) -> Iterator[Desk]:
    boto3.client("s3", endpoint_url=moto_url, region_name=HOME).create_bucket(Bucket="some-bucket")
    with FaultProxy(moto_url) as proxy:
        desk = Desk(proxy)
        for request in BY_PROTOCOL.values():  # moto imports a service when it is first asked, which takes a while
            proxy_free = boto3.client(request.client, endpoint_url=moto_url, region_name=HOME)
            getattr(proxy_free, re.sub(r"(?<!^)(?=[A-Z])", "_", request.operation).lower())(**request.parameters)
        yield desk
        desk.provider.close()


@pytest.fixture
def desk(one_desk: Desk) -> Iterator[Desk]:
    one_desk.proxy.calls.clear()
    yield one_desk
    one_desk.proxy.faults[:] = []
    one_desk.proxy.rewrite = None


# ---- errors become reasons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REASONS)
@pytest.mark.parametrize("protocol", BY_PROTOCOL)
def test_a_fault_has_its_reason_in_every_protocol(desk: Desk, protocol: str, kind: Kind) -> None:
    request = BY_PROTOCOL[protocol]
    assert desk.provider.call(request).data is not None  # it answers when nothing is wrong
    desk.proxy.faults[:] = [Fault(kind, hold=2)]
    failure = desk.fails(request)
    assert (failure.reason, failure.retry) == REASONS[kind]
    assert len(desk.proxy.calls) == 2  # the provider never asks again by itself


def test_a_refusal_keeps_the_providers_code_and_words(desk: Desk) -> None:
    desk.proxy.faults[:] = [Fault("denied")]
    failure = desk.fails(BY_PROTOCOL["json"])
    assert failure.code == "AccessDeniedException"
    assert "kms:ListKeys" in failure.message
    assert "kms:ListKeys" not in str(failure)  # what may name resources stays out of texts
    assert desk.provider.matches(failure, ["Other", "AccessDeniedException: not authorized to perform"])
    assert not desk.provider.matches(failure, ["AccessDeniedException: other words", "AccessDenied"])


def test_what_the_sdk_does_not_know_is_unsupported_and_the_sdk_is_named(desk: Desk) -> None:
    for client, operation in (("kms", "ListLocks"), ("no-such-service", "ListLocks")):
        failure = desk.fails(Request(client, operation, HOME))
        assert failure.reason is Reason.UNSUPPORTED
        assert f"botocore {botocore.__version__}" in failure.code
    assert desk.proxy.calls == []


def test_a_wait_that_the_provider_asks_for_is_passed_on() -> None:
    with _Answering(b"HTTP/1.1 503 Busy\r\nRetry-After: 0.5\r\nContent-Length: 0\r\n\r\n") as url:
        with pytest.raises(ProviderError) as caught:
            AwsProvider(Options(endpoint_url=url))
        cause = caught.value.__cause__
    assert isinstance(cause, CallFailedError)
    assert (cause.reason, cause.after, cause.retry) == (Reason.SERVER_ERROR, 0.5, True)


# ---- an answer without content is no answer ----------------------------------------------------------------------------------

ODD_BODIES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"hello"',
    "cut": b'{"oops": [',
    "a page": b"<!doctype html><html><head><title>Sign in</title></head><body>to the network</body></html>",
    "a page in XHTML": b"<html><body><p>Sign in to the network</p></body></html>",
}


@pytest.mark.parametrize("protocol", BY_PROTOCOL)
@pytest.mark.parametrize("body", ODD_BODIES)
def test_a_body_that_is_no_answer_is_malformed(desk: Desk, protocol: str, body: str) -> None:
    """botocore makes `{}` of most of these without a word, and `{}` would read as "not configured"."""
    desk.proxy.rewrite = lambda call, status, told: ODD_BODIES[body]
    assert desk.fails(BY_PROTOCOL[protocol]).reason is Reason.MALFORMED


def test_a_header_does_not_stand_for_a_missing_body(desk: Desk) -> None:
    """GetBucketLifecycleConfiguration answers partly in a header: there, an empty body still leaves something to parse."""
    desk.provider.call(Request("s3", "PutBucketLifecycleConfiguration", HOME, _lifecycle()))
    request = Request("s3", "GetBucketLifecycleConfiguration", HOME, {"Bucket": "some-bucket"})
    assert set(desk.provider.call(request).data) >= {"Rules", "TransitionDefaultMinimumObjectSize"}
    desk.proxy.rewrite = lambda call, status, told: b""
    assert desk.fails(request).reason is Reason.MALFORMED


def _lifecycle() -> dict[str, Any]:
    rule = {"ID": "age", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}
    return {"Bucket": "some-bucket", "LifecycleConfiguration": {"Rules": [rule]}}


def test_an_honest_empty_answer_is_an_answer(desk: Desk) -> None:
    """Versioning that was never set is an element without content; no alarms are an empty list."""
    answer = desk.provider.call(BY_PROTOCOL["s3"])
    assert "Status" not in answer.data
    assert desk.provider.call(BY_PROTOCOL["cbor-or-json"]).data.get("MetricAlarms", []) == []


# ---- pages ---------------------------------------------------------------------------------------------------------------


def pages(provider: AwsProvider, request: Request, items: str) -> list[list[Any]]:
    """The items of every page, followed to the end."""
    found = []
    answer = provider.call(request)
    found.append(answer.data.get(items, []))
    while answer.next_page is not None:
        assert len(found) < 50, "pages without end"
        answer = provider.call(Request(request.client, request.operation, request.region, request.parameters, answer.next_page))
        found.append(answer.data.get(items, []))
    return found


@pytest.fixture(scope="module")
def many_things(moto_url: str, one_desk: Desk) -> list[str]:
    """Five of everything that has pages."""
    names = [f"thing-{number}" for number in range(5)]

    def made(service: str) -> Any:
        return boto3.client(service, endpoint_url=moto_url, region_name="eu-central-1")

    for name in names:
        made("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        made("wafv2").create_ip_set(Name=name, Scope="REGIONAL", IPAddressVersion="IPV4", Addresses=["10.0.0.0/24"])
        made("logs").create_log_group(logGroupName=name)
        made("iam").create_user(UserName=name)
        policy = made("iam").create_policy(PolicyName=name, PolicyDocument=ANY_POLICY)
        made("iam").attach_user_policy(UserName=names[0], PolicyArn=policy["Policy"]["Arn"])
        made("s3").put_object(Bucket="some-bucket", Key=name, Body=b"x")
    return names


PAGED = {
    "a token that is a name": (Request("dynamodb", "ListTables", "eu-central-1", {"Limit": 2}), "TableNames", None),
    "no paginator in botocore": (Request("wafv2", "ListIPSets", "eu-central-1", {"Scope": "REGIONAL", "Limit": 2}), "IPSets", "Name"),
    "lower-case tokens": (Request("logs", "DescribeLogGroups", "eu-central-1", {"limit": 2}), "logGroups", "logGroupName"),
    "truncated or not": (Request("s3", "ListObjectsV2", HOME, {"Bucket": "some-bucket", "MaxKeys": 2}), "Contents", "Key"),
    "a marker": (
        Request("iam", "ListAttachedUserPolicies", HOME, {"UserName": "thing-0", "MaxItems": 2}),
        "AttachedPolicies",
        "PolicyName",
    ),
}


@pytest.mark.parametrize("name", PAGED)
def test_every_page_is_followed(desk: Desk, many_things: list[str], name: str) -> None:
    request, items, field = PAGED[name]
    found = pages(desk.provider, request, items)
    assert sorted(item[field] if field else item for page in found for item in page) == many_things
    assert len(found) >= 3
    assert len(desk.proxy.calls) == len({call.params_sha256 for call in desk.proxy.calls}) == len(found)


def test_pages_are_as_large_as_the_service_allows(desk: Desk, many_things: list[str]) -> None:
    assert [len(page) for page in pages(desk.provider, Request("dynamodb", "ListTables", "eu-central-1"), "TableNames")] == [5]


# ---- who and where -------------------------------------------------------------------------------------------------------


def test_it_knows_whom_it_asks_as(desk: Desk) -> None:
    target = desk.provider.target
    assert (target.id, target.provider, target.name) == ("aws:123456789012", "aws", "123456789012")
    assert target.identity.startswith("arn:aws:")
    said = desk.provider.variables(desk.provider.target, "eu-west-1")
    assert said == {"$account": "123456789012", "$region": "eu-west-1", "$partition": "aws", "$target": "aws:123456789012"}
    assert desk.provider.home_region() == HOME


def test_who_am_i_is_asked_once(desk: Desk) -> None:
    first = desk.provider.call(Request("sts", "GetCallerIdentity", HOME))
    assert first.data["Account"] == "123456789012"
    assert desk.proxy.calls == []


def test_regions_have_their_state(desk: Desk) -> None:
    desk.proxy.rewrite = demo_rewrite
    regions = {region.name: region for region in desk.provider.regions(desk.provider.target)}
    assert {name for name, region in regions.items() if region.state == "enabled"} == {HOME, "eu-west-1", CLOSED_REGION}
    assert {region.seen for region in regions.values() if region.state == "opt_in_off"} == {"off"}
    assert {regions["eu-west-1"].seen, regions["eu-west-1"].opt_in} == {"listed", "opt-in-not-required"}
    assert list(regions) == sorted(regions)


def test_regions_that_may_not_be_listed_are_guessed_from_the_sdk(desk: Desk) -> None:
    desk.proxy.faults[:] = [Fault("denied", operation="DescribeRegions")]
    with pytest.raises(CallFailedError) as caught:
        desk.provider.regions(desk.provider.target)
    assert caught.value.reason is Reason.DENIED
    assert {HOME, "eu-west-1", "ap-southeast-2"} <= set(desk.provider.default_regions())
    assert not any(name.startswith(("cn-", "us-gov-")) for name in desk.provider.default_regions())


def test_an_account_elsewhere_is_asked_elsewhere(moto_url: str) -> None:
    def chinese(call: Call, status: int, body: bytes) -> bytes:
        return body.replace(b"arn:aws:", b"arn:aws-cn:")

    with FaultProxy(moto_url, rewrite=chinese) as proxy:
        provider = AwsProvider(Options(endpoint_url=proxy.url))
        assert provider.home_region() == "cn-north-1"
        assert provider.variables(provider.target, "cn-north-1")["$partition"] == "aws-cn"
        assert "cn-northwest-1" in provider.default_regions()
        provider.close()


# ---- coming in -----------------------------------------------------------------------------------------------------------


def test_without_credentials_it_says_what_was_tried(monkeypatch: pytest.MonkeyPatch, moto_url: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsError) as caught:
        AwsProvider(Options(endpoint_url=moto_url))
    what, where, do = str(caught.value).splitlines()
    assert what.startswith("no usable AWS credentials")
    assert all(word in where for word in ("aws; tried", "environment variables", "SSO", "web identity", "instance roles"))
    assert "aws sso login" in do
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("kind", "code"), [("region_disabled", "InvalidClientTokenId"), ("denied", "AccessDenied"), ("expired", "ExpiredToken")]
)
def test_credentials_that_aws_refuses_are_said_so(moto_url: str, kind: Kind, code: str) -> None:
    with FaultProxy(moto_url, faults=[Fault(kind)]) as proxy, pytest.raises(CredentialsError) as caught:
        AwsProvider(Options(endpoint_url=proxy.url))
    assert len(str(caught.value).splitlines()) == 3
    assert "aws sts get-caller-identity" in caught.value.do
    assert code in str(caught.value) or "expired" in str(caught.value)


def test_an_endpoint_where_nobody_listens_is_said_so() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(ProviderError, match="AWS cannot be reached: unreachable") as caught:
            AwsProvider(Options(endpoint_url=url, call_timeout=2))
    assert caught.value.where == url
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("kind", ["throttled", "server_error", "timeout", "reset", "malformed"])
def test_one_bad_moment_at_the_door_is_no_end(proxy: FaultProxy, kind: Kind) -> None:
    proxy.faults[:] = [Fault(kind, operation="GetCallerIdentity", times=1, hold=2)]
    provider = AwsProvider(Options(endpoint_url=proxy.url, call_timeout=0.7))
    assert provider.target.name == "123456789012"
    assert [call.operation for call in proxy.calls] == ["GetCallerIdentity"] * 2
    provider.close()


def test_an_error_does_not_say_how_to_log_in_at_an_endpoint() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
        with pytest.raises(ProviderError) as caught:
            AwsProvider(Options(endpoint_url=f"http://kim:hunter22@{host}", call_timeout=2))
    assert "hunter22" not in str(caught.value)
    assert caught.value.where == f"http://{host}"


def test_an_error_does_not_repeat_what_a_process_for_credentials_complains_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moto_url: str
) -> None:
    config = tmp_path / "config"
    config.write_text("[profile p]\nregion = eu-west-1\ncredential_process = sh -c 'echo token hunter22 refused >&2; exit 3'\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(CredentialsError) as caught:
        AwsProvider(Options(profile="p", endpoint_url=moto_url))
    assert "hunter22" not in str(caught.value)
    assert "custom-process" in str(caught.value)


@pytest.mark.parametrize("body", [b"<a/>", b"<GetCallerIdentityResponse/>"])
def test_an_answer_that_does_not_say_who_asks_is_said_so(body: bytes) -> None:
    with BadServer(lambda _: whole(body, Content_Type="text/xml")) as server, pytest.raises(ProviderError) as caught:
        AwsProvider(Options(endpoint_url=server.url))
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("said", ["AWS_DEFAULT_REGION", "AWS_DATA_PATH", "AWS_CA_BUNDLE"])
def test_an_unknown_profile_gets_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, moto_url: str, said: str) -> None:
    """Whatever the environment says already: the SDK then does not look into the profile, and would find out at the first call."""
    monkeypatch.setenv(said, {"AWS_DEFAULT_REGION": "eu-west-1"}.get(said, str(tmp_path)))
    config = tmp_path / "config"
    config.write_text("[profile production]\nregion = eu-west-1\n[profile sandbox]\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(UsageError, match="no AWS profile 'prodction'") as caught:
        AwsProvider(Options(profile="prodction", endpoint_url=moto_url))
    assert "'production'" in caught.value.do
    assert caught.value.where == "aws:prodction"


def test_a_profile_brings_its_own_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, proxy: FaultProxy) -> None:
    config = tmp_path / "config"
    config.write_text("[profile production]\nregion = eu-west-1\naws_access_key_id = a\naws_secret_access_key = b\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    AwsProvider(Options(profile="production", endpoint_url=proxy.url)).close()
    assert [(call.operation, call.region) for call in proxy.calls] == [("GetCallerIdentity", "eu-west-1")]


def test_a_role_is_assumed_with_its_external_id(proxy: FaultProxy) -> None:
    options = Options(role_arn="arn:aws:iam::210987654321:role/audit", external_id="forty-two", endpoint_url=proxy.url)
    # a fault that asks for the external id in the request fires only when it is sent
    proxy.faults[:] = [Fault("denied", operation="AssumeRole", param="ExternalId=forty-two", times=1)]
    with pytest.raises(CredentialsError):
        AwsProvider(options)
    provider = AwsProvider(options)
    assert provider.target.name == "210987654321"
    assert provider.target.identity.startswith("arn:aws:sts::210987654321:assumed-role/audit/")
    assert [call.operation for call in proxy.calls] == ["AssumeRole", "AssumeRole", "GetCallerIdentity"]
    provider.close()


# ---- the credential report -----------------------------------------------------------------------------------------------


def test_the_credential_report_leaves_out_what_aws_does_not_know(desk: Desk, many_things: list[str]) -> None:
    listed = desk.provider.read("iam_credential_report", Request("iam", "<iam_credential_report>", HOME)).data
    assert isinstance(listed, list)
    rows = {row["user"]: row for row in listed}
    assert set(rows) >= set(many_things)
    row = rows[many_things[0]]
    assert row["arn"].endswith(f":user/{many_things[0]}")
    assert row["password_enabled"] == "false"
    assert "password_last_used" not in row
    assert not set(row.values()) & {"N/A", "no_information", "not_supported", ""}


@pytest.mark.usefixtures("many_things")
def test_the_credential_report_is_waited_for(desk: Desk) -> None:
    """AWS makes it when it is asked for. An account without users would have an empty one here."""
    turns = iter([b"STARTED", b"INPROGRESS", b"COMPLETE"])

    def by_and_by(call: Call, status: int, body: bytes) -> bytes:
        return re.sub(rb"<State>\w+</State>", b"<State>" + next(turns) + b"</State>", body) if call.operation.startswith("Gen") else body

    desk.proxy.rewrite = by_and_by
    assert desk.provider.read("iam_credential_report", Request("iam", "<iam_credential_report>", HOME)).data
    assert [call.operation for call in desk.proxy.calls] == [*["GenerateCredentialReport"] * 3, "GetCredentialReport"]


@pytest.mark.parametrize("operation", ["GenerateCredentialReport", "GetCredentialReport"])
def test_a_refused_credential_report_is_a_refusal(desk: Desk, operation: str) -> None:
    desk.proxy.faults[:] = [Fault("denied", operation=operation)]
    with pytest.raises(CallFailedError) as caught:
        desk.provider.read("iam_credential_report", Request("iam", "<iam_credential_report>", HOME))
    assert caught.value.reason is Reason.DENIED


def test_an_unknown_reader_is_a_bug_of_the_collector(desk: Desk) -> None:
    with pytest.raises(CallFailedError) as caught:
        desk.provider.read("iam_palm_reader", Request("iam", "<iam_palm_reader>", HOME))
    assert caught.value.reason is Reason.COLLECTOR_BUG


# ---- many threads --------------------------------------------------------------------------------------------------------


def test_threads_share_a_client_and_get_their_own_answers(desk: Desk, many_things: list[str]) -> None:
    """Half the requests get an empty body: each thread must judge its own body, not a neighbour's."""
    desk.proxy.faults[:] = [Fault("empty", service="dynamodb", param="thing-1")]
    seen: list[str] = []
    lock = threading.Lock()
    provider = AwsProvider(Options(endpoint_url=desk.proxy.url, call_timeout=20))  # forty at once may wait for each other

    def ask(name: str) -> None:
        try:
            told = provider.call(Request("dynamodb", "DescribeTable", "eu-central-1", {"TableName": name}))
            what = told.data["Table"]["TableName"] == name and "whole"
        except CallFailedError as failure:
            what = failure.reason.value
        with lock:
            seen.append(f"{name} {what}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("thing-0", "thing-1") * 20]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    provider.close()
    assert sorted(set(seen)) == ["thing-0 whole", "thing-1 malformed"]
    assert len(seen) == 40


# ---- helpers -------------------------------------------------------------------------------------------------------------


class _Answering:
    """A server that gives every request this answer."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def __enter__(self) -> str:
        self.listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(self.answer)

    def __exit__(self, *_: object) -> None:
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()


def test_the_machines_own_settings_are_not_read() -> None:
    """The fixtures keep whoever runs the tests out of them."""
    assert os.environ["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
