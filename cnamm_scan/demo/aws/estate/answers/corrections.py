"""What moto answers wrongly or leaves out, put right from what the seeds mean."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.demo.aws.bed.holes import Correct
from cnamm_scan.demo.aws.estate.answers.held import ago, backend

SPENT = {"monthly": "3920.18", "quarterly": "9310.40"}


def _spending(said: dict[str, Any], region: str) -> None:
    """In moto nothing costs anything."""
    for budget in said["Budgets"]:
        amount = SPENT.get(budget["BudgetName"], "0")
        budget["CalculatedSpend"] = {"ActualSpend": {"Amount": amount, "Unit": "USD"}}


def _signing_in(said: dict[str, Any], region: str) -> None:
    """Moto does not say how people sign in, and makes an address up: the demo's cluster answers on this machine."""
    said["cluster"].setdefault("accessConfig", {"authenticationMode": "CONFIG_MAP"})
    said["cluster"]["endpoint"] = "https://127.0.0.1"


def _nodes(said: dict[str, Any], region: str) -> None:
    """Moto's machines are of 2021 and have an SSH key that nobody asked for."""
    said["nodegroup"]["releaseVersion"] = "1.30.14-20260214"
    said["nodegroup"].pop("remoteAccess", None)


def _dated(said: dict[str, Any], region: str) -> None:
    """Moto does not say when a stage was made."""
    for stage in said["item"]:
        stage.setdefault("createdDate", ago(120).timestamp())


def _delivered(said: dict[str, Any], region: str) -> None:
    """Moto's trails deliver no digests."""
    if said["IsLogging"]:
        said["LatestDeliveryTime"] = ago(hours=0.2).timestamp()
        said["LatestDigestDeliveryTime"] = ago(hours=0.7).timestamp()


def _issued(said: dict[str, Any], region: str) -> None:
    """Moto's certificates stay pending for a minute, whoever validates them."""
    if "DNS" in [each.get("ValidationMethod") for each in said["Certificate"].get("DomainValidationOptions", ())]:
        said["Certificate"]["Status"] = "ISSUED"


def _of_the_region(said: dict[str, Any], region: str) -> None:
    """Moto lists all buckets in each region."""
    rows = said["ResourceTagMappingList"]
    regions = _bucket_regions()
    said["ResourceTagMappingList"] = [
        row for row in rows if regions.get(row["ResourceARN"].removeprefix("arn:aws:s3:::"), region) == region
    ]


def _as_json(correct: Callable[[dict[str, Any], str], None]) -> Callable[[bytes, str], bytes]:
    def change(body: bytes, region: str) -> bytes:
        said = json.loads(body)
        correct(said, region)
        return json.dumps(said).encode()

    return change


def _bucket_regions() -> dict[str, str]:
    return {name: bucket.region_name for name, bucket in backend("s3", "aws").buckets.items()}


def _with_regions(body: bytes, region: str) -> bytes:
    """Moto does not say where a bucket is."""
    for name, where in _bucket_regions().items():
        named = f"<Name>{name}</Name>"
        body = body.replace(named.encode(), f"{named}<BucketRegion>{where}</BucketRegion>".encode())
    return body


def _long_running(body: bytes, region: str) -> bytes:
    """Moto's machines were all launched when the demo began."""
    at = ago(120).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return re.sub(rb"<launchTime>[^<]*</launchTime>", f"<launchTime>{at}</launchTime>".encode(), body)


def _root_password(body: bytes, region: str) -> bytes:
    """Root has a password, as the credential report says."""
    return body.replace(b"</SummaryMap>", b"<entry><key>AccountPasswordPresent</key><value>1</value></entry></SummaryMap>")


def _old_issuer(body: bytes, region: str) -> bytes:
    """Moto's issuers are as young as the demo."""
    return re.sub(b"<CreateDate>[^<]*</CreateDate>", f"<CreateDate>{ago(200).isoformat()}</CreateDate>".encode(), body)


CORRECTIONS: Mapping[tuple[str, str], Correct] = {
    ("acm", "DescribeCertificate"): _as_json(_issued),
    ("apigateway", "GetStages"): _as_json(_dated),
    ("budgets", "DescribeBudgets"): _as_json(_spending),
    ("cloudtrail", "GetTrailStatus"): _as_json(_delivered),
    ("ec2", "DescribeInstances"): _long_running,
    ("eks", "DescribeCluster"): _as_json(_signing_in),
    ("eks", "DescribeNodegroup"): _as_json(_nodes),
    ("iam", "GetAccountSummary"): _root_password,
    ("iam", "GetOpenIDConnectProvider"): _old_issuer,
    ("resourcegroupstaggingapi", "GetResources"): _as_json(_of_the_region),
    ("s3", "ListBuckets"): _with_regions,
}
"""What to put into moto's answers, by body and region."""
