"""Clouds of Google for tests: made in a line, reached through the real clients over TLS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.demo.gcp.bed.contents import Asset, Cloud, Place, fill
from cnamm_scan.demo.gcp.bed.server import GcpBed
from cnamm_scan.providers.gcp.provider import GcpProvider, Options, connect
from cnamm_scan.providers.interface import Request
from tests.clusters import QUICK

ORGANIZATION = "organizations/9"
FOLDER = "folders/5"
ONE, TWO = "shop-prod", "shop-lone"
NUMBERS = {ONE: "111", TWO: "222"}
BUCKET = "storage.googleapis.com/Bucket"
SEEN = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)


def cloud(*assets: Asset, more: tuple[Place, ...] = (), **said: Any) -> Cloud:
    """An organization with a project in a folder and one beside it, that hold these."""
    made = Cloud(**said)
    made.put(
        Place(ORGANIZATION),
        Place(FOLDER, ORGANIZATION, title="prod"),
        Place(f"projects/{ONE}", FOLDER, NUMBERS[ONE], "Shop"),
        Place(f"projects/{TWO}", ORGANIZATION, NUMBERS[TWO]),
        *more,
    )
    return fill(made, assets, SEEN)


def bucket(name: str, project: str = ONE, **data: Any) -> Asset:
    """A bucket."""
    above = [f"projects/{NUMBERS[project]}", *([FOLDER] if project == ONE else []), ORGANIZATION]
    return {
        "name": f"//storage.googleapis.com/projects/_/buckets/{name}",
        "assetType": BUCKET,
        "updateTime": "2026-01-02T03:04:05.006Z",
        "ancestors": above,
        "resource": {"version": "v1", "discoveryName": "Bucket", "location": "EU", "data": {"name": name, **data}},
    }


@contextmanager
def reached(bed: GcpBed, name: str = ONE, **how: Any) -> Iterator[GcpProvider]:
    """A provider connected to a bed."""
    with environment(bed):
        provider = connect(name, Options(**{"call_timeout": 5.0, **bed.options(), **how}))
        try:
            yield provider
        finally:
            provider.close()


@contextmanager
def scan(bed: GcpBed, name: str = ONE, *, options: Mapping[str, Any] | None = None, **more: Any) -> Iterator[api.Scan]:
    """A scan of a bed, with little patience; `options` go into the provider's."""
    said = {"call_timeout": 5.0, **bed.options(), **(options or {})}
    with environment(bed), api.scan([f"gcp:{name}"], options=api.TargetOptions(**said), **{"limits": QUICK, **more}) as done:
        yield done


@contextmanager
def environment(bed: GcpBed, **more: str) -> Iterator[None]:
    """The variables with which the real client signs in at a bed, and looks nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        for key in ("GOOGLE_CLOUD_QUOTA_PROJECT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy"):
            patch.delenv(key, raising=False)
        for key, value in {**bed.environment(), "NO_GCE_CHECK": "true", **more}.items():
            patch.setenv(key, value)
        yield


def asked(type_: str = BUCKET, content: str = "asset", **more: Any) -> Request:
    """A request for assets of a type."""
    return Request(content, type_, "global", **more)


def read(provider: GcpProvider, request: Request) -> list[Any]:
    """Every item of a listing of Asset Inventory, page by page."""
    found: list[Any] = []
    page: Any = request.page
    while True:
        answer = provider.call(Request(request.client, request.operation, request.region, request.parameters, page, request.target))
        found += map(answer.decode, answer.data["assets"]) if answer.decode else answer.data["assets"]
        if answer.next_page is None:
            return found
        page = answer.next_page


def rest(operation: str, target: str = ONE, **parameters: Any) -> Request:
    """A request to a service's own API."""
    client, _, path = operation.partition(":")
    page = parameters.pop("page", None)
    return Request(client, path, "global", parameters, page, target=f"gcp:{target}")
