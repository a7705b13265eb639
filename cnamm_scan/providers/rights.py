"""Least-rights documents by provider, made without its SDK: a plan needs no cloud."""

from __future__ import annotations

import json
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
LIMITS: Mapping[str, int] = {"aws": 6144}
"""Characters that one policy may hold, white space not counted. AWS: a customer managed policy; ten of them go on a role."""


def parts(provider: str, needs: Sequence[str]) -> list[Mapping[str, Any]]:
    """The same rights as as many policies as the provider's limit asks for, in order."""
    rights = sorted({*needs, *BASE[provider]})
    made: list[Mapping[str, Any]] = []
    while rights:
        count = len(rights)
        while count > 1 and len(json.dumps(_POLICIES[provider](rights[:count]), separators=(",", ":"))) > LIMITS[provider]:
            count -= 1
        made.append(_POLICIES[provider](rights[:count]))
        rights = rights[count:]
    return made
