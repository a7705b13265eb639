"""What moto holds in this process: an answer that is made by hand fits what was seeded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from cnamm_scan.demo.aws.bed.holes import Ask
from cnamm_scan.demo.aws.estate.account import ACCOUNT, HOME

UNTAGGED_OWNER = "legacy"  # the instance that nobody looks after


def ago(days: float = 0, hours: float = 0) -> datetime:
    """A time so long ago, to the second; ahead of now when it is negative."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days, hours=hours)


def backend(service: str, region: str) -> Any:
    """Moto's own state of a service in a region."""
    return import_module("moto.backends").get_backend(service)[ACCOUNT][region]


def instances(region: str) -> Iterator[tuple[str, Any]]:
    """The name tag and moto's model of each instance that is not terminated."""
    for instance in backend("ec2", region).all_instances():
        if instance.state != "terminated":
            yield next((tag["value"] for tag in instance.get_tags() if tag["key"] == "Name"), ""), instance


def named(region: str, name: str) -> str:
    """The id of the instance of this name."""
    return next(str(instance.id) for found, instance in instances(region) if found == name)


def is_home(ask: Ask) -> bool:
    """Whether the region is the one where things are kept well."""
    return ask.region == HOME


def arn(ask: Ask, service: str, rest: str) -> str:
    """An ARN of this account, in the region that is asked."""
    return f"arn:aws:{service}:{ask.region}:{ACCOUNT}:{rest}"
