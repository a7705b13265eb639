"""Where a policy does not decide alone: buckets, file systems, domains, endpoints and Lattice, through the shipped content."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer
from tests.answers import Told, refused
from tests.scan.policed import ANYBODY, ME, OURS, PARTNER, SERVICE, arn, document, judged

Json = dict[str, Any]
GROUPS = "http://acs.amazonaws.com/groups/global/"
OUT, SHUT = {"RestrictPublicBuckets": True, "IgnorePublicAcls": True}, {"RestrictPublicBuckets": False, "IgnorePublicAcls": False}
ORGANISATION = {"GetCallerIdentity": Answer({"Account": ME}), "DescribeOrganization": Answer({"Organization": {"Id": OURS}})}


def _bucket(
    text: str | None = None,
    *,
    public: bool | None = None,
    block: Json | None = None,
    grant: Json | None = None,
    owner: str = "ObjectWriter",
) -> dict[str, Told]:
    """The answers about one bucket, by operation."""
    none = {code: refused(Reason.UNSUPPORTED, code) for code in ("NoSuchBucketPolicy", "NoSuchPublicAccessBlockConfiguration")}
    status = none["NoSuchBucketPolicy"] if public is None and text is None else refused() if public is None else None
    return {
        "GetBucketPolicy": none["NoSuchBucketPolicy"] if text is None else Answer({"Policy": text}),
        "GetBucketPolicyStatus": status or Answer({"PolicyStatus": {"IsPublic": public}}),
        "GetPublicAccessBlock": none["NoSuchPublicAccessBlockConfiguration"]
        if block is None
        else Answer({"PublicAccessBlockConfiguration": block}),
        "GetBucketAcl": Answer({"Owner": {"ID": "aa"}, "Grants": [] if grant is None else [grant]}),
        "GetBucketOwnershipControls": Answer({"OwnershipControls": {"Rules": [{"ObjectOwnership": owner}]}}),
    }


def _all(buckets: Mapping[str, Mapping[str, Told]], account: Json) -> dict[str, Told]:
    made: dict[str, Told] = {
        **ORGANISATION,
        "ListBuckets": Answer({"Buckets": [{"Name": name} for name in buckets]}),
        f"GetPublicAccessBlock {ME}": Answer({"PublicAccessBlockConfiguration": account}),
    }
    for name, told in buckets.items():
        made |= {f"{operation} {name}": answer for operation, answer in told.items()}
    return made


def _buckets(
    buckets: Mapping[str, Mapping[str, Told]], output: Path, account: Json = SHUT, rule: str = "bucket_not_public"
) -> dict[str, str]:
    found = judged(_all(buckets, account), [f"aws.s3.{rule}"], output)
    return {key.rpartition(":")[2]: verdict for (_, key), (verdict, _) in found.items()}


def test_a_bucket_is_as_open_as_all_its_settings_let_it_be(tmp_path: Path) -> None:
    anybody = document({"a": ANYBODY})
    read = {"Grantee": {"Type": "Group", "URI": f"{GROUPS}AllUsers"}, "Permission": "READ"}
    buckets: Mapping[str, tuple[Mapping[str, Told], str]] = {
        "plain": (_bucket(), "pass"),
        "open": (_bucket(anybody, public=True), "fail"),
        "unasked": (_bucket(anybody), "fail"),
        "blocked": (_bucket(anybody, public=True, block=OUT), "pass"),
        "refuses-new-ones": (_bucket(anybody, public=True, block={"BlockPublicPolicy": True, "BlockPublicAcls": True}), "fail"),
        "denied-outside": (
            _bucket(
                document(
                    {"a": ANYBODY, "d": {"Effect": "Deny", **ANYBODY, "Condition": {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}}}
                ).replace('"a:Use"', '"*"')
            ),
            "pass",
        ),
        "any-vpc": (_bucket(document({"a": {**ANYBODY, "Condition": {"StringLike": {"aws:SourceVpc": "vpc-*"}}}})), "fail"),
        "one-vpc": (_bucket(document({"a": {**ANYBODY, "Condition": {"StringEquals": {"aws:sourcevpc": "vpc-1"}}}}), public=False), "pass"),
        "by-grant": (_bucket(grant=read), "fail"),
        "grant-ignored": (_bucket(grant=read, block={"IgnorePublicAcls": True}), "pass"),
        "grant-void": (_bucket(grant=read, owner="BucketOwnerEnforced"), "pass"),
        "s3-says-so": ({**_bucket(public=True), "GetBucketPolicy": refused()}, "fail"),
        "s3-says-not": ({**_bucket(public=False), "GetBucketPolicy": refused()}, "pass"),
        "unseen": ({**_bucket(anybody), "GetBucketPolicy": refused()}, "unknown"),
        "acl-unseen": ({**_bucket(), "GetBucketAcl": refused()}, "unknown"),
    }
    given = {name: told for name, (told, _) in buckets.items()}
    assert _buckets(given, tmp_path / "a") == {name: verdict for name, (_, verdict) in buckets.items()}
    whole = _buckets(given, tmp_path / "b", account=OUT)
    assert {name for name, verdict in whole.items() if verdict != "pass"} == set()


def test_services_at_a_bucket_are_bound(tmp_path: Path) -> None:
    bound = {**SERVICE["for-any-customer"], "Condition": {"StringEquals": {"aws:SourceAccount": ME}}}
    buckets = {
        "any": _bucket(document(SERVICE)),
        "ours": _bucket(document({"a": bound})),
        "none": _bucket(document({"a": {"Principal": {"AWS": PARTNER}}})),
        "blocked": _bucket(document(SERVICE), block=OUT),
    }
    found = _buckets(buckets, tmp_path, rule="service_callers_are_named")
    assert found == {"any": "fail", "ours": "pass", "none": "not_applicable", "blocked": "fail"}


def test_file_systems_are_asked_who_mounts_them(tmp_path: Path) -> None:
    mount = {"Action": "elasticfilesystem:Client*", "Condition": {"Bool": {"elasticfilesystem:AccessedViaMountTarget": "true"}}}
    plain = {"Effect": "Deny", **ANYBODY, "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    here = {**plain, "Condition": {**plain["Condition"], "IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}
    texts: Mapping[str, tuple[str | None, str, str]] = {
        "none": (None, "fail", "fail"),
        "asked": (document({"a": {"Principal": {"AWS": ME}, **mount}, "d": plain}), "pass", "pass"),
        "anybody": (document({"a": {**ANYBODY, **mount}, "d": plain}), "fail", "pass"),
        "from-there": (document({"a": {**ANYBODY, **mount}, "d": here}), "fail", "fail"),
        "by-console": (document({"a": {**ANYBODY, **mount, "Action": "elasticfilesystem:ClientWrite"}, "d": plain}), "pass", "pass"),
        "denied": (None, "unknown", "unknown"),
    }
    told: dict[str, Told] = {**ORGANISATION}
    systems = [{"FileSystemId": name, "FileSystemArn": arn("elasticfilesystem", f"file-system/{name}")} for name in texts]
    told["DescribeFileSystems"] = Answer({"FileSystems": systems})
    for name, (text, *_) in texts.items():
        there = refused(Reason.UNSUPPORTED, "PolicyNotFound") if text is None else Answer({"Policy": text})
        told[f"DescribeFileSystemPolicy {name}"] = refused() if name == "denied" else there
    rules = ["aws.efs.file_system_requires_iam", "aws.efs.file_system_refuses_plaintext"]
    found = judged(told, rules, tmp_path)
    key = arn("elasticfilesystem", "file-system/")
    assert {name: tuple(found[rule, key + name][0] for rule in rules) for name in texts} == {
        name: (a, b) for name, (_, a, b) in texts.items()
    }


def test_a_domain_in_a_vpc_is_reached_from_there(tmp_path: Path) -> None:
    anybody, few = document({"a": ANYBODY}), document({"a": {**ANYBODY, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}})
    domains: Mapping[str, tuple[Json, str]] = {
        "out": ({"AccessPolicies": anybody}, "fail"),
        "inside": ({"AccessPolicies": anybody, "VPCOptions": {"VPCId": "vpc-1"}}, "pass"),
        "few": ({"AccessPolicies": few}, "pass"),
        "users": ({"AccessPolicies": anybody, "AdvancedSecurityOptions": {"Enabled": True}}, "pass"),
        "silent": ({"AccessPolicies": ""}, "pass"),
        "half": ({"AccessPolicies": anybody[:-1]}, "unknown"),
    }
    told = {
        **ORGANISATION,
        "ListDomainNames": Answer({"DomainNames": [{"DomainName": name} for name in domains]}),
        "DescribeDomains": Answer({"DomainStatusList": [{"DomainName": name, **detail} for name, (detail, _) in domains.items()]}),
    }
    found = judged(told, ["aws.opensearch.domain_not_open"], tmp_path)
    assert {key.rpartition("/")[2]: verdict for (_, key), (verdict, _) in found.items()} == {
        name: verdict for name, (_, verdict) in domains.items()
    }


def _endpoints(services: Told, output: Path) -> dict[str, str]:
    everything = json.dumps({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
    ours = everything[:-3] + f', "Condition": {{"StringEquals": {{"aws:ResourceOrgID": "{OURS}"}}}}}}]}}'
    endpoints = {"s3": everything, "s3-ours": ours, "mail": everything, "old": everything, "partner": everything}
    names = {"s3-ours": "com.amazonaws.r.s3", "mail": "com.amazonaws.r.email-smtp", "partner": "com.amazonaws.vpce.r.vpce-svc-1"}
    found = [
        {
            "VpcEndpointId": name,
            "OwnerId": ME,
            "State": "available",
            "VpcEndpointType": "Interface",
            "ServiceName": names.get(name, f"com.amazonaws.r.{name}"),
            "PolicyDocument": text,
        }
        for name, text in endpoints.items()
    ]
    told = {**ORGANISATION, "DescribeVpcEndpoints": Answer({"VpcEndpoints": found}), "DescribeVpcEndpointServices": services}
    made = judged(told, ["aws.ec2.endpoint_policy_is_narrow"], output)
    return {key.rpartition("/")[2]: verdict for (_, key), (verdict, _) in made.items()}


def test_endpoints_are_asked_where_their_service_knows_policies(tmp_path: Path) -> None:
    services = [
        {"ServiceId": f"vpce-svc-{name}", "ServiceName": f"com.amazonaws.r.{name}", "VpcEndpointPolicySupported": name == "s3"}
        for name in ("s3", "old")
    ]
    told = {"s3": "fail", "s3-ours": "pass", "mail": "not_applicable", "old": "not_applicable", "partner": "not_applicable"}
    assert _endpoints(Answer({"ServiceDetails": services}), tmp_path / "a") == told
    assert _endpoints(refused(), tmp_path / "b") == {**told, "s3": "unknown", "old": "unknown"}


def test_lattice_policies_in_force_name_their_callers_for_services_and_networks(tmp_path: Path) -> None:
    ours = {**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalOrgID": OURS}}}
    tagged = {**ANYBODY, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "shop"}}}
    place = {**ANYBODY, "Condition": {"StringEquals": {"vpc-lattice-svcs:SourceVpc": "vpc-1"}}}
    text = document({"ours": ours, "named": {"Principal": {"AWS": ME}}, "all": ANYBODY, "tagged": tagged, "place": place})
    told: dict[str, Told] = {**ORGANISATION, "GetAuthPolicy": refused(Reason.UNSUPPORTED, "ResourceNotFoundException")}
    for kind, listing in (("service", "ListServices"), ("servicenetwork", "ListServiceNetworks")):
        things = [{"arn": arn("vpc-lattice", f"{kind}/{name}"), "name": name} for name in ("on", "off", "none")]
        told[listing] = Answer({"items": things})
        for name, state in (("on", "Active"), ("off", "Inactive")):
            told[f"GetAuthPolicy {arn('vpc-lattice', f'{kind}/{name}')}"] = Answer({"policy": text, "state": state})
    found = judged(told, ["aws.vpc_lattice.policy_names_callers"], tmp_path)
    said = {key.rpartition("lattice")[2].split(":", 3)[3]: verdict for (_, key), (verdict, _) in found.items()}
    for kind in ("service", "servicenetwork"):
        assert [said[f"{kind}/on#{number}"] for number in range(5)] == ["pass", "pass", "fail", "fail", "fail"]
        assert {said[f"{kind}/off#{number}"] for number in range(5)} == {"not_applicable"}
    assert len(said) == 20


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_key_is_gone_only_where_it_is_not_listed_any_more(tmp_path: Path, is_listed: bool) -> None:
    """A policy that is not found under a name proves nothing of the key, nor does what describing it says alone."""
    missing = refused(Reason.UNSUPPORTED, "NotFoundException")
    keys = [{"KeyId": name, "KeyArn": arn("kms", f"key/{name}")} for name in ("there", "gone")]
    told: dict[str, Told] = {
        **ORGANISATION,
        "ListKeys": Answer({"Keys": keys}),
        "GetKeyPolicy": missing,
        "DescribeKey gone": missing,
        "DescribeKey there": Answer({"KeyMetadata": {"KeyManager": "CUSTOMER", "KeyState": "Enabled"}}),
        "GetResources": Answer({"ResourceTagMappingList": []}),
    }
    rules = ["aws.kms.key_rights_are_split", "aws.kms.key_policy_not_open"]
    found = judged(told, rules, tmp_path, later={} if is_listed else {"ListKeys": Answer({"Keys": keys[:1]})})
    there = [arn("kms", f"key/{name}") for name in (("there", "gone") if is_listed else ("there",))]
    assert {key: verdict for key, (verdict, _) in found.items()} == {(rule, key): "unknown" for rule in rules for key in there}
