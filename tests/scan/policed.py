"""An account whose resources all carry the same policies, spelled in every way: what it answers, and what a scan says of it."""

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
TOPIC, KEY, FUNCTION, SECRET = (
    arn("sns", "NAME"),
    arn("kms", "key/NAME"),
    arn("lambda", "function:NAME"),
    arn("secretsmanager", "secret:NAME"),
)
BACKUPS, REPOSITORY = arn("backup", "backup-vault:NAME"), arn("ecr", "repository/NAME")

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
    "topic": Kind(
        "sns.topic_policy_not_open",
        TOPIC,
        "ListTopics",
        "Topics",
        {"TopicArn": TOPIC},
        f"GetTopicAttributes {TOPIC}",
        {"Attributes": {"Policy": "TEXT"}},
    ),
    "key": Kind(
        "kms.key_policy_not_open",
        KEY,
        "ListKeys",
        "Keys",
        {"KeyId": "NAME", "KeyArn": KEY},
        "GetKeyPolicy default NAME",
        takes_services=True,
    ),
    "function": Kind(
        "lambda.policy_not_for_anyone",
        FUNCTION,
        "ListFunctions",
        "Functions",
        {"FunctionName": "NAME", "FunctionArn": FUNCTION},
        "GetPolicy NAME",
        none=GONE,
        takes_services=True,
    ),
    "secret": Kind(
        "secretsmanager.secret_policy_not_open",
        SECRET,
        "ListSecrets",
        "SecretList",
        {"ARN": SECRET, "Name": "NAME"},
        f"GetResourcePolicy {SECRET}",
        {"ResourcePolicy": "TEXT"},
    ),
    "backups": Kind(
        "backup.vault_policy_not_open",
        BACKUPS,
        "ListBackupVaults",
        "BackupVaultList",
        {"BackupVaultName": "NAME", "BackupVaultArn": BACKUPS},
        "GetBackupVaultAccessPolicy NAME",
        none=GONE,
    ),
    "images": Kind(
        "ecr.repository_not_public",
        REPOSITORY,
        "DescribeRepositories",
        "repositories",
        {"repositoryName": "NAME", "repositoryArn": REPOSITORY},
        "GetRepositoryPolicy NAME",
        {"policyText": "TEXT"},
        "RepositoryPolicyNotFoundException",
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


def judged(
    told: Mapping[str, Told], rules: Sequence[str], output: Path, *, later: Mapping[str, Told] | None = None
) -> dict[tuple[str, str], tuple[str, str]]:
    """What is said of the account that answers so, `later` to what it is asked again, and said again of its bundle."""
    target = Target(f"aws:{ME}", "aws", ME)
    teller = Account(
        told,
        targets=(target,),
        region_table="aws.account.region",
        normalisers=NORMALISERS,
        places={ME: [Region(PLACE, "enabled")]},
        later=later or {},
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
