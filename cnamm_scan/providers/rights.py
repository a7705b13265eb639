"""Least-rights documents by provider, made without its SDK: a plan needs no cloud."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

BASE: Mapping[str, tuple[str, ...]] = {"aws": ("ec2:DescribeRegions",)}
"""What a provider asks before any collector does. GetCallerIdentity needs no right."""


def policy(provider: str, needs: Sequence[str]) -> Mapping[str, Any]:
    """The provider's own document that grants exactly these rights."""
    return _POLICIES[provider](sorted({*needs, *BASE[provider]}))


def _iam(actions: Sequence[str]) -> Mapping[str, Any]:
    """An IAM policy that allows these actions on everything: listing has no narrower resource."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "CnammScanReads", "Effect": "Allow", "Action": list(actions), "Resource": "*"}],
    }


_POLICIES = {"aws": _iam}
