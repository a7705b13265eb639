"""Seeds a moto account as a real shop would look: partly well kept, partly not, and partly closed to us."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from http import HTTPStatus

from cnamm_scan.demo.aws.bed.proxy import Call, Fault
from cnamm_scan.demo.aws.estate.account import ACCOUNT, AWAY, HOME, PLANTED, REGIONS, Aws
from cnamm_scan.demo.aws.estate.data import (
    seed_backups,
    seed_buckets,
    seed_certificates,
    seed_databases,
    seed_keys,
    seed_messages,
    seed_secrets,
)
from cnamm_scan.demo.aws.estate.identity import seed_identity, seed_organization
from cnamm_scan.demo.aws.estate.network import seed_compute, seed_edge, seed_network
from cnamm_scan.demo.aws.estate.platform import seed_containers, seed_delivery, seed_functions
from cnamm_scan.demo.aws.estate.watch import (
    seed_alarms,
    seed_detection,
    seed_money,
    seed_operations,
    seed_trails,
)

CANARIES: tuple[str, ...] = tuple(PLANTED.values())
"""Every secret planted in the estate; none may show up in what a scan writes or prints."""

ANSWERS = "cnamm_scan.demo.aws.estate.answers"
"""The module with what the account answers in place of moto, for `MotoServer`."""

CLOSED_REGION = "ap-southeast-2"
OLD_KEY_USERS = ("ci-deploy", "dave")
OLD_KEY_DATE = "2023-02-11T09:30:00+00:00"
ROOT_ROW = (
    f"<root_account>,arn:aws:iam::{ACCOUNT}:root,2019-05-02T08:00:00+00:00,not_supported,2023-08-14T10:12:00+00:00,"
    "not_supported,not_supported,false,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A"
)

_ITEM = re.compile(rb"<item>.*?</item>", re.S)
_STATUS = re.compile(rb"<optInStatus>[^<]*</optInStatus>")
_NAME = re.compile(rb"<regionName>([^<]*)</regionName>")
_KEY = re.compile(rb"<member>.*?</member>", re.S)
_OF_OLD_USER = re.compile(rb"<UserName>(?:%b)</UserName>" % "|".join(OLD_KEY_USERS).encode())
_CREATE_DATE = re.compile(rb"<CreateDate>[^<]*</CreateDate>")
_REPORT = re.compile(rb"<Content>([^<]*)</Content>")


@dataclass(frozen=True)
class Seeded:
    """What a seed left behind. `resources` counts creating calls that succeeded, a stack as one."""

    account: str
    regions: tuple[str, ...]
    resources: int


def seed(endpoint_url: str) -> Seeded:
    """Make about 200 resources in two regions of an empty moto; a failed call is a bug and is raised."""
    aws = Aws(endpoint_url)
    seed_identity(aws)
    seed_organization(aws)
    keys = seed_keys(aws)
    seed_buckets(aws, keys)
    networks = seed_network(aws)
    seed_trails(aws, keys)
    seed_compute(aws, networks)
    seed_edge(aws, networks, seed_certificates(aws))
    seed_databases(aws, keys, networks)
    seed_secrets(aws, keys)
    alerts = seed_messages(aws, keys)
    seed_functions(aws, networks, keys)
    seed_containers(aws, networks, keys)
    seed_delivery(aws)
    seed_backups(aws, keys)
    seed_detection(aws)
    seed_alarms(aws, alerts)
    seed_money(aws)
    seed_operations(aws)
    return Seeded(ACCOUNT, REGIONS, aws.made)


def demo_faults() -> list[Fault]:
    """What the demo's scanner may not see: secrets anywhere, and one region that refuses everything."""
    return [
        Fault("denied_scp", region=CLOSED_REGION),
        Fault("denied", service="secretsmanager"),
    ]


def demo_rewrite(call: Call, status: int, body: bytes) -> bytes:
    """Tell what moto cannot: which regions are enabled, that some access keys are old, what root has.

    Moto lists every region, dates each key on the day of its making and knows no root user.
    """
    if status != HTTPStatus.OK:
        return body
    match (call.service, call.operation):
        case ("ec2", "DescribeRegions"):
            return _ITEM.sub(_region, body)
        case ("iam", "ListAccessKeys"):
            return _KEY.sub(_aged_key, body)
        case ("iam", "GetCredentialReport"):
            return _REPORT.sub(_aged_report, body)
        case _:
            return body


def _region(item: re.Match[bytes]) -> bytes:
    name = _NAME.search(item[0])
    is_open = name is not None and name[1].decode() in (HOME, AWAY, CLOSED_REGION)
    status = b"opt-in-not-required" if is_open else b"not-opted-in"
    return _STATUS.sub(b"<optInStatus>%b</optInStatus>" % status, item[0])


def _aged_key(member: re.Match[bytes]) -> bytes:
    if _OF_OLD_USER.search(member[0]) is None:
        return member[0]
    return _CREATE_DATE.sub(b"<CreateDate>%b</CreateDate>" % OLD_KEY_DATE.encode(), member[0])


def _aged_report(content: re.Match[bytes]) -> bytes:
    head, *rows = base64.b64decode(content[1]).decode().strip().splitlines()
    names = head.split(",")
    report = [head, ROOT_ROW]
    for row in rows:
        cells = dict(zip(names, row.split(","), strict=True))
        for name in ("access_key_1_last_rotated", "access_key_2_last_rotated"):
            if cells["user"] in OLD_KEY_USERS and cells[name] != "N/A":
                cells[name] = OLD_KEY_DATE
        report.append(",".join(cells.values()))
    return b"<Content>%b</Content>" % base64.b64encode("\n".join(report).encode())
