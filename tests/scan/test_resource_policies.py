"""Policies that hang on resources, through the shipped content: the open is found however it is spelled, the unseen is unknown."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer
from tests.answers import Told, refused
from tests.scan.policed import (
    CATALOG,
    IMAGES,
    KINDS_WITH_POLICIES,
    LISTS_ITSELF,
    ME,
    OPEN,
    PARTNER,
    PLACE,
    SERVICE,
    SHUT,
    SPELLED,
    TABLE,
    TEXTS,
    Seen,
    answers,
    arn,
    judged,
)

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
    # a log policy is nothing but its document, and every key has one: where it says none, none was seen
    assert found == ([("unknown", "not_in_answer")] if name in ("logs", "key") else [])


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
