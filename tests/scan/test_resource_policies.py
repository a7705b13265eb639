"""Policies that hang on resources, through the shipped content: the open is found however it is spelled, the unseen is unknown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.model import Reason, Region, Target
from cnamm_scan.providers.aws.documents import NORMALISERS
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.providers.interface import Answer
from tests.answers import Teller, Told, refused

ME, PARTNER, PLACE, OURS = "111111111111", "222222222222", "eu-central-1", "o-ours"
Json = dict[str, Any]
Seen = Mapping[tuple[str, str], tuple[str, str]]

ANYBODY: Json = {"Principal": "*"}
OPEN: Mapping[str, Json] = {
    "star": ANYBODY,
    "mapped": {"Principal": {"AWS": [ME, "*"]}},
    "all-but-one": {"NotPrincipal": {"AWS": f"arn:aws:iam::{PARTNER}:root"}},
    "or-anybody": {**ANYBODY, "Condition": {"StringLike": {"aws:PrincipalAccount": [ME, "*"]}}},
    "twelve-signs": {**ANYBODY, "Condition": {"StringLike": {"aws:PrincipalAccount": "????????????"}}},
    "not-them": {**ANYBODY, "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": "o-theirs"}}},
    "if-there": {**ANYBODY, "Condition": {"StringEqualsIfExists": {"aws:PrincipalOrgID": OURS}}},
    "of-all": {**ANYBODY, "Condition": {"ForAllValues:StringEquals": {"aws:PrincipalOrgID": OURS}}},
    "any-role-so-named": {**ANYBODY, "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/deploy"}}},
    "two-halves": {**ANYBODY, "Condition": {"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}}},
    "by-tls": {**ANYBODY, "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
}
SHUT: Mapping[str, Json] = {
    "own": {"Principal": {"AWS": ME}},
    "partner": {"Principal": {"AWS": f"arn:aws:iam::{PARTNER}:role/reader"}},
    "organisation": {**ANYBODY, "Condition": {"StringEquals": {"AWS:PrincipalOrgId": OURS}}},
    "whose-it-is": {**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalOrgID": "${aws:ResourceOrgID}"}}},
    "network": {**ANYBODY, "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-0123456789abcdef0"}}},
    "office": {**ANYBODY, "Condition": {"ForAnyValue:IpAddress": {"aws:SourceIp": "192.0.2.7/32"}}},
    "for-us": {"Principal": {"Service": "redshift.amazonaws.com"}, "Condition": {"StringEquals": {"aws:SourceAccount": ME}}},
}
SERVICE: Mapping[str, Json] = {"for-any-customer": {"Principal": {"Service": "redshift.amazonaws.com"}}}
SPELLED: Mapping[str, Json] = {**OPEN, **SHUT, **SERVICE}


def document(statements: Mapping[str, Json]) -> str:
    """A policy as AWS answers it."""
    made = [{"Sid": sid, "Effect": "Allow", "Action": "a:Use", "Resource": "*", **each} for sid, each in statements.items()]
    return json.dumps({"Version": "2012-10-17", "Statement": made})


TEXTS: Mapping[str, str | None] = {
    "spelled": document(SPELLED),
    "shut": document(SHUT),
    "none": None,
    "denied": document(OPEN),
    "half": document(OPEN)[:-1],
    "taken": document({**OPEN, "nobody": {"Effect": "Deny", "Principal": "*", "Action": "*"}}),
}
"""What each kind's resources carry: their names, and the texts of their policies."""


def arn(service: str, rest: str) -> str:
    """An ARN of the account."""
    return f"arn:aws:{service}:{PLACE}:{ME}:{rest}"


@dataclass(frozen=True)
class Kind:
    """A kind of resource that carries a policy. `NAME` stands for the name of one, TEXT for its policy."""

    rule: str
    key: str
    listing: str
    items: str
    item: Any
    asks: str = ""
    """The call that gives the policy, with its parameters; empty where the listing does."""
    answer: Json = field(default_factory=lambda: {"Policy": "TEXT"})
    none: str = ""
    """The code by which AWS says that there is none; empty where it says nothing."""
    takes_services: bool = False
    """Whether the rule lets services in, whosever behalf they act on."""

    def item_of(self, name: str) -> Any:
        """One item of the listing."""
        return filled(self.item, name, TEXTS[name])

    def told(self) -> Mapping[str, Told]:
        """What is answered when policies are asked for."""
        made: dict[str, Told] = {}
        for name, text in TEXTS.items():
            call = self.asks.replace("NAME", name)
            if name == "denied":
                made[call] = refused()
            elif text is None and self.none:
                made[call] = refused(Reason.UNSUPPORTED, self.none)
            else:
                made[call] = Answer(filled(self.answer, name, text))
        return made if self.asks else {}


def filled(shape: Any, name: str, text: str | None) -> Any:
    """The shape with name and policy put in; what would hold a policy that is not there is left out."""
    match shape:
        case dict():
            return {key: filled(each, name, text) for key, each in shape.items() if each != "TEXT" or text is not None}
        case "TEXT":
            return text
        case str():
            return shape.replace("NAME", name)
        case _:
            return shape


BUS, STREAM = arn("events", "event-bus/NAME"), arn("kinesis", "stream/NAME")
CONSUMER = arn("kinesis", "stream/shut/consumer/NAME:1")
TABLE, CHANGES = arn("dynamodb", "table/NAME"), arn("dynamodb", "table/NAME/stream/2026")
DOMAIN, PACKAGES = arn("codeartifact", "domain/NAME"), arn("codeartifact", "repository/ours/NAME")
CLUSTER, VAULT, AUTHORITY = arn("kafka", "cluster/NAME/1"), arn("glacier", "vaults/NAME"), arn("acm-pca", "certificate-authority/NAME")
LAYER, REGISTRY, SINK = arn("lambda", "layer:NAME:3"), arn("schemas", "registry/NAME"), arn("logs", "destination:NAME")
GONE = "ResourceNotFoundException"

KINDS_WITH_POLICIES: Mapping[str, Kind] = {
    "bus": Kind("events.bus_policy_not_open", BUS, "ListEventBuses", "EventBuses", {"Arn": BUS, "Name": "NAME", "Policy": "TEXT"}),
    "logs": Kind(
        "logs.resource_policy_not_open",
        arn("logs", "resource-policy:NAME"),
        "DescribeResourcePolicies",
        "resourcePolicies",
        {"policyName": "NAME", "policyDocument": "TEXT"},
        takes_services=True,
    ),
    "sink": Kind(
        "logs.destination_policy_not_open",
        SINK,
        "DescribeDestinations",
        "destinations",
        {"arn": SINK, "destinationName": "NAME", "accessPolicy": "TEXT"},
    ),
    "domain": Kind(
        "codeartifact.policy_not_open",
        DOMAIN,
        "ListDomains",
        "domains",
        {"name": "NAME", "owner": ME, "arn": DOMAIN},
        f"GetDomainPermissionsPolicy NAME {ME}",
        {"policy": {"document": "TEXT"}},
        GONE,
    ),
    "packages": Kind(
        "codeartifact.policy_not_open",
        PACKAGES,
        "ListRepositories",
        "repositories",
        {"name": "NAME", "domainName": "ours", "domainOwner": ME, "arn": PACKAGES},
        f"GetRepositoryPermissionsPolicy ours {ME} NAME",
        {"policy": {"document": "TEXT"}},
        GONE,
    ),
    "table": Kind(
        "dynamodb.policy_not_open",
        TABLE,
        "ListTables",
        "TableNames",
        "NAME",
        f"GetResourcePolicy {TABLE}",
        none="PolicyNotFoundException",
        takes_services=True,
    ),
    "changes": Kind(
        "dynamodb.policy_not_open",
        CHANGES,
        "ListStreams",
        "Streams",
        {"StreamArn": CHANGES, "TableName": "NAME"},
        f"GetResourcePolicy {CHANGES}",
        none="PolicyNotFoundException",
        takes_services=True,
    ),
    "stream": Kind(
        "kinesis.policy_not_open",
        STREAM,
        "ListStreams",
        "StreamSummaries",
        {"StreamARN": STREAM, "StreamName": "NAME"},
        f"GetResourcePolicy {STREAM}",
    ),
    "consumer": Kind(
        "kinesis.policy_not_open",
        CONSUMER,
        f"ListStreamConsumers {STREAM.replace('NAME', 'shut')}",
        "Consumers",
        {"ConsumerARN": CONSUMER, "ConsumerName": "NAME"},
        f"GetResourcePolicy {CONSUMER}",
    ),
    "cluster": Kind(
        "kafka.cluster_policy_not_open",
        CLUSTER,
        "ListClustersV2",
        "ClusterInfoList",
        {"ClusterArn": CLUSTER, "ClusterName": "NAME"},
        f"GetClusterPolicy {CLUSTER}",
        none="NotFoundException",
        takes_services=True,
    ),
    "vault": Kind(
        "glacier.vault_policy_not_open",
        VAULT,
        f"ListVaults {ME}",
        "VaultList",
        {"VaultARN": VAULT, "VaultName": "NAME"},
        f"GetVaultAccessPolicy {ME} NAME",
        {"policy": {"Policy": "TEXT"}},
        GONE,
    ),
    "authority": Kind(
        "acm_pca.authority_policy_not_open",
        AUTHORITY,
        "ListCertificateAuthorities",
        "CertificateAuthorities",
        {"Arn": AUTHORITY},
        f"GetPolicy {AUTHORITY}",
        none=GONE,
    ),
    "layer": Kind(
        "lambda_layers.layer_not_public",
        LAYER,
        "ListLayers",
        "Layers",
        {"LayerName": "NAME", "LatestMatchingVersion": {"LayerVersionArn": LAYER, "Version": 3}},
        "GetLayerVersionPolicy NAME 3",
        none=GONE,
    ),
    "registry": Kind(
        "schemas.registry_policy_not_open",
        REGISTRY,
        "ListRegistries LOCAL",
        "Registries",
        {"RegistryArn": REGISTRY, "RegistryName": "NAME"},
        "GetResourcePolicy NAME",
        none="NotFoundException",
    ),
    "mail": Kind(
        "ses.identity_policy_not_open",
        arn("ses", "identity/NAME"),
        "ListEmailIdentities",
        "EmailIdentities",
        {"IdentityName": "NAME"},
        "GetEmailIdentity NAME",
        {"Policies": {"ours": "TEXT", "empty": document({})}},
    ),
}
LISTS_ITSELF = [name for name, kind in KINDS_WITH_POLICIES.items() if not kind.asks]
CATALOG, IMAGES = arn("glue", "catalog"), arn("ecr", "registry")


class Account(Teller):
    """An account in one region."""

    def variables(self, target: Target, region: str) -> Mapping[str, str]:
        return {**super().variables(target, region), "$partition": "aws"}


def inside_a_text(text: str | None) -> str | None:
    """As API Gateway answers a policy."""
    return None if text is None else json.dumps(text)[1:-1]


def answers() -> dict[str, Told]:
    """All kinds at once; operations of one name answer for both of their services."""
    lists: dict[str, Json] = {}
    made: dict[str, Told] = {
        "GetCallerIdentity": Answer({"Account": ME, "Arn": f"arn:aws:iam::{ME}:user/scanner"}),
        "DescribeOrganization": Answer({"Organization": {"Id": OURS, "MasterAccountId": ME}}),
        "ListStreamConsumers": Answer({"Consumers": []}),
        "GetResourcePolicy": Answer({"PolicyInJson": TEXTS["spelled"]}),
        "GetRegistryPolicy": Answer({"policyText": TEXTS["spelled"]}),
    }
    for kind in KINDS_WITH_POLICIES.values():
        lists.setdefault(kind.listing, {})[kind.items] = [kind.item_of(name) for name in TEXTS]
        made |= kind.told()
    apis = [
        {"id": name, "name": name, "endpointConfiguration": {"types": ["PRIVATE"]}, "policy": inside_a_text(TEXTS[name])} for name in TEXTS
    ]
    lists["GetRestApis"] = {"items": [{key: value for key, value in each.items() if value is not None} for each in apis]}
    points = (*TEXTS, "blocked")
    lists[f"ListAccessPoints {ME}"] = {
        "AccessPointList": [
            {"Name": name, "NetworkOrigin": "Internet", "Bucket": "b", "AccessPointArn": arn("s3", f"accesspoint/{name}")}
            for name in points
        ]
    }
    for name in points:
        made[f"GetAccessPoint {ME} {name}"] = Answer({"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": name == "blocked"}})
        text = TEXTS.get(name, document({**OPEN, **SHUT}))  # services come in through a block, see `SERVICE`
        there = refused(Reason.UNSUPPORTED, "NoSuchAccessPointPolicy") if text is None else Answer({"Policy": text})
        made[f"GetAccessPointPolicy {ME} {name}"] = refused() if name == "denied" else there
    for name in TEXTS:
        made[f"DescribeTable {name}"] = Answer({"Table": {"TableArn": TABLE.replace("NAME", name)}})
    return {**{name: Answer(each) for name, each in lists.items()}, **made}


def verdicts(done: api.Scan) -> dict[tuple[str, str], tuple[str, str]]:
    """(rule, resource) -> (verdict, reason)."""
    return {(each.rule, each.resource): (each.verdict.value, each.reason) for each in done.results()}


def judged(told: Mapping[str, Told], rules: Sequence[str], output: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """What is said of the account that answers so, and said again of its bundle."""
    target = Target(f"aws:{ME}", "aws", ME)
    teller = Account(
        told, targets=(target,), region_table="aws.account.region", normalisers=NORMALISERS, places={ME: [Region(PLACE, "enabled")]}
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, "aws", replace(KINDS["aws"], connect=lambda *_: teller))
        with api.scan(["aws"], rules=rules, limits=Limits(attempts=1), output=output) as done:
            found = verdicts(done)
    assert done.path is not None
    assert run(["verify", str(done.path)]) == 0
    with api.evaluate(done.path) as again:
        assert verdicts(again) == found
    return found


ONES = ("glue.catalog_policy_not_open", "ecr_registry.registry_policy_not_open")
OTHERS = ("apigateway.private_api_names_its_callers", "s3control.access_point_policy_not_open")
BOUND = ("logs.service_writers_are_bound", "dynamodb.service_readers_are_bound")


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    rules = {kind.rule for kind in KINDS_WITH_POLICIES.values()}
    return judged(answers(), [f"aws.{rule}" for rule in sorted({*rules, *ONES, *OTHERS, *BOUND})], tmp_path_factory.mktemp("bundles"))


def expected(takes_services: bool) -> list[str]:
    """Verdicts of the statements of `spelled`, in their order."""
    return ["fail"] * len(OPEN) + ["pass"] * len(SHUT) + ["pass" if takes_services else "fail"] * len(SERVICE)


@pytest.mark.parametrize("name", KINDS_WITH_POLICIES)
def test_the_open_fails_however_it_is_spelled_and_the_bound_passes(seen: Seen, name: str) -> None:
    kind = KINDS_WITH_POLICIES[name]
    key = kind.key.replace("NAME", "spelled")
    found = [seen[f"aws.{kind.rule}", f"{key}#{number}"][0] for number in range(len(SPELLED))]
    assert dict(zip(SPELLED, found, strict=True)) == dict(zip(SPELLED, expected(kind.takes_services), strict=True))
    assert {seen[f"aws.{kind.rule}", f"{kind.key.replace('NAME', 'shut')}#{number}"][0] for number in range(len(SHUT))} == {"pass"}


@pytest.mark.parametrize("name", KINDS_WITH_POLICIES)
def test_what_a_deny_takes_from_everybody_passes(seen: Seen, name: str) -> None:
    kind = KINDS_WITH_POLICIES[name]
    key = kind.key.replace("NAME", "taken")
    assert [seen[f"aws.{kind.rule}", f"{key}#{number}"][0] for number in range(len(OPEN))] == ["pass"] * len(OPEN)


@pytest.mark.parametrize("name", KINDS_WITH_POLICIES)
def test_a_resource_without_a_policy_has_nothing_to_judge(seen: Seen, name: str) -> None:
    kind = KINDS_WITH_POLICIES[name]
    key = kind.key.replace("NAME", "none")
    found = [verdict for (rule, resource), verdict in seen.items() if rule == f"aws.{kind.rule}" and resource.startswith(key)]
    # a log policy is nothing but its document: where it says none, none was seen
    assert found == ([("unknown", "not_in_answer")] if name == "logs" else [])


@pytest.mark.parametrize("name", [name for name in KINDS_WITH_POLICIES if name not in LISTS_ITSELF])
def test_a_policy_that_may_not_be_read_is_unknown(seen: Seen, name: str) -> None:
    kind = KINDS_WITH_POLICIES[name]
    assert seen[f"aws.{kind.rule}", kind.key.replace("NAME", "denied")] == ("unknown", "denied")


@pytest.mark.parametrize("name", KINDS_WITH_POLICIES)
def test_half_a_policy_is_unknown(seen: Seen, name: str) -> None:
    kind = KINDS_WITH_POLICIES[name]
    assert seen[f"aws.{kind.rule}", kind.key.replace("NAME", "half")] == ("unknown", "malformed")


@pytest.mark.parametrize(("rule", "key"), [(ONES[0], CATALOG), (ONES[1], IMAGES)])
def test_the_one_policy_of_a_region(seen: Seen, rule: str, key: str) -> None:
    assert [seen[f"aws.{rule}", f"{key}#{number}"][0] for number in range(len(SPELLED))] == expected(False)


def test_a_region_without_its_one_policy_has_nothing_to_judge_and_a_closed_one_is_unknown(tmp_path: Path) -> None:
    none = {"GetResourcePolicy": "EntityNotFoundException", "GetRegistryPolicy": "RegistryPolicyNotFoundException"}
    rules = [f"aws.{rule}" for rule in ONES]
    told = {**answers(), **{call: refused(Reason.UNSUPPORTED, code) for call, code in none.items()}}
    assert judged(told, rules, tmp_path / "none") == {}
    told = {**answers(), **dict.fromkeys(none, refused())}
    assert set(judged(told, rules, tmp_path / "closed").values()) == {("unknown", "denied")}


def test_services_are_bound_apart_from_the_open(seen: Seen) -> None:
    at = {sid: number for number, sid in enumerate(SPELLED)}
    for rule, key in ((BOUND[0], arn("logs", "resource-policy:spelled")), (BOUND[1], TABLE.replace("NAME", "spelled"))):
        found = {sid: seen[f"aws.{rule}", f"{key}#{number}"][0] for sid, number in at.items()}
        assert (found.pop("for-us"), found.pop("for-any-customer")) == ("pass", "fail")
        assert set(found.values()) <= {"not_applicable", "pass"}


def test_private_apis_are_judged_by_the_policy_that_stands_in_a_text(seen: Seen) -> None:
    found = {name: seen[f"aws.{OTHERS[0]}", f"arn:aws:apigateway:{PLACE}::/restapis/{name}"][0] for name in TEXTS}
    assert found == {"spelled": "fail", "shut": "pass", "none": "pass", "denied": "fail", "half": "unknown", "taken": "pass"}


def test_an_access_point_is_open_where_its_policy_is_and_nothing_blocks_it(seen: Seen) -> None:
    found = {name: seen[f"aws.{OTHERS[1]}", arn("s3", f"accesspoint/{name}")][0] for name in (*TEXTS, "blocked")}
    opened = {"spelled": "fail", "shut": "pass", "none": "pass", "denied": "unknown", "half": "unknown", "taken": "pass"}
    assert found == {**opened, "blocked": "pass"}


def test_an_endpoint_service_that_asks_first_or_names_its_consumers_is_not_open(tmp_path: Path) -> None:
    consumers = {"open": ["*"], "asking": ["*"], "named": [f"arn:aws:iam::{PARTNER}:root"], "mixed": [f"arn:aws:iam::{PARTNER}:root", "*"]}
    services = [
        {"ServiceId": name, "ServiceName": name, "AcceptanceRequired": name == "asking"} for name in (*consumers, "alone", "denied")
    ]
    told: dict[str, Told] = {
        "DescribeVpcEndpointServiceConfigurations": Answer({"ServiceConfigurations": services}),
        "DescribeVpcEndpointServicePermissions alone": Answer({"AllowedPrincipals": []}),
        "DescribeVpcEndpointServicePermissions denied": refused(),
    }
    for name, principals in consumers.items():
        allowed = {"AllowedPrincipals": [{"Principal": each} for each in principals]}
        told[f"DescribeVpcEndpointServicePermissions {name}"] = Answer(allowed)
    found = judged(told, ["aws.endpoint_services"], tmp_path)
    said = {key.rpartition("/")[2]: verdict for (_, key), (verdict, _) in found.items()}
    assert said == {"open": "fail", "asking": "pass", "named": "pass", "mixed": "fail", "alone": "pass", "denied": "unknown"}


def test_brokers_with_public_addresses_fail(tmp_path: Path) -> None:
    public = {"Provisioned": {"BrokerNodeGroupInfo": {"ConnectivityInfo": {"PublicAccess": {"Type": "SERVICE_PROVIDED_EIPS"}}}}}
    clusters = [
        {"ClusterArn": f"arn:aws:kafka:::{name}", "ClusterName": name, **more}
        for name, more in {"public": public, "serverless": {}}.items()
    ]
    brokers = [
        {"BrokerArn": f"arn:aws:mq:::{name}", "BrokerId": name, "BrokerName": name, "EngineType": "RABBITMQ"} for name in ("out", "in")
    ]
    told: dict[str, Told] = {
        "ListClustersV2": Answer({"ClusterInfoList": clusters}),
        "ListBrokers": Answer({"BrokerSummaries": brokers}),
        "DescribeBroker out": Answer({"PubliclyAccessible": True}),
        "DescribeBroker in": Answer({"PubliclyAccessible": False}),
    }
    found = judged(told, ["aws.kafka.brokers_not_public", "aws.mq"], tmp_path)
    assert {key.rpartition(":")[2]: verdict for (_, key), (verdict, _) in found.items()} == {
        "public": "fail",
        "serverless": "pass",
        "out": "fail",
        "in": "pass",
    }


def test_an_account_that_never_had_a_vault_has_none(tmp_path: Path) -> None:
    told: dict[str, Told] = {f"ListVaults {ME}": refused(Reason.UNSUPPORTED, "NoLongerSupportedException")}
    assert judged({**answers(), **told}, ["aws.glacier"], tmp_path) == {}
