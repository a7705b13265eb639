"""Tenants for tests: made in a line, reached through the real clients over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant, fill
from cnamm_scan.demo.azure.bed.server import AzureBed
from cnamm_scan.providers.azure.provider import AzureProvider, Options, connect
from tests.clusters import QUICK

ONE = "11111111-0000-4000-8000-000000000001"
TWO = "22222222-0000-4000-8000-000000000002"


def tenant(
    *things: Mapping[str, Any], subscriptions: tuple[Subscription, ...] = (Subscription(ONE, "one"), Subscription(TWO, "two"))
) -> Tenant:
    """A tenant of two subscriptions that holds these."""
    return fill(Tenant({each.id: each for each in subscriptions}), things)


def account(name: str, subscription: str = ONE, **properties: Any) -> dict[str, Any]:
    """A storage account."""
    id_ = f"/subscriptions/{subscription}/resourceGroups/RG/providers/Microsoft.Storage/storageAccounts/{name}"
    return {"id": id_, "location": "West Europe", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}, "properties": properties}


def beneath(thing: Mapping[str, Any], path: str, **said: Any) -> dict[str, Any]:
    """What stands beneath an object: `blobServices/default`."""
    return {"id": f"{thing['id']}/{path}", **said}


@contextmanager
def reached(bed: AzureBed, name: str = "", **how: Any) -> Iterator[AzureProvider]:
    """A provider connected to a bed."""
    with environment(bed):
        provider = connect(name, Options(**{"call_timeout": 5.0, **bed.options(), **how}))
        try:
            yield provider
        finally:
            provider.close()


@contextmanager
def scan(bed: AzureBed, *, options: Mapping[str, Any] | None = None, **more: Any) -> Iterator[api.Scan]:
    """A scan of a bed, with little patience; `options` go into the provider's."""
    said = {"call_timeout": 5.0, **bed.options(), **(options or {})}
    with environment(bed), api.scan(["azure"], options=api.TargetOptions(**said), **{"limits": QUICK, **more}) as done:
        yield done


def flags(bed: AzureBed) -> list[str]:
    """The options of a command line that reaches a bed."""
    return flags_of(bed.options())


def flags_of(options: Mapping[str, Any]) -> list[str]:
    """The same of a bed in another process, by its options."""
    named = (f"--{name.replace('_', '-')}" for name in options)
    return [flag if value is True else f"{flag}={value}" for flag, value in zip(named, options.values(), strict=True)]


@contextmanager
def environment(bed: AzureBed) -> Iterator[None]:
    """The variables with which the real client signs in at a bed, and looks nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in bed.environment().items():
            patch.setenv(key, value)
        yield
