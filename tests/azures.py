"""Tenants for tests: made in a line, reached through the real clients over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant, fill
from cnamm_scan.demo.azure.bed.server import AzureBed
from cnamm_scan.providers.azure.provider import AzureProvider, Options, connect

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
def environment(bed: AzureBed) -> Iterator[None]:
    """The variables with which the real client signs in at a bed, and looks nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        for key, value in bed.environment().items():
            patch.setenv(key, value)
        yield
