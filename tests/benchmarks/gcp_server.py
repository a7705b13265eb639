"""The fake cloud of the benchmark, as a process: says how it is reached, then answers each line of input with what it was asked."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from cnamm_scan.demo.gcp.bed.contents import Cloud, Place, fill
from cnamm_scan.demo.gcp.bed.server import GcpBed

INSTANCE, BUCKET = "compute.googleapis.com/Instance", "storage.googleapis.com/Bucket"
NOW = datetime(2026, 11, 30, tzinfo=UTC)
API = "https://www.googleapis.com/compute/v1"


def cloud(projects: int, assets: int) -> Cloud:
    """So many projects with so many assets, half of them machines and half buckets, of the size that such have."""
    made = Cloud()
    made.put(Place("organizations/9"), *(Place(f"projects/shop-{n:04}", "organizations/9", str(100 + n)) for n in range(projects)))
    for number in range(assets):
        place = f"projects/shop-{number // 2 % projects:04}"
        kind, data = (INSTANCE, _instance(place, number)) if number % 2 else (BUCKET, _bucket(number))
        name = f"projects/_/buckets/b{number}" if kind == BUCKET else f"{place}/zones/europe-west1-b/instances/i{number}"
        made.add(made.asset(kind, name, place, data=data, at="europe-west1", changed="2026-10-01T00:00:00Z"))
    return fill(made, (), NOW)


def _instance(place: str, number: int) -> dict[str, Any]:
    zone = f"{API}/{place}/zones/europe-west1-b"
    access = [{"name": "External NAT", "natIP": "203.0.113.7", "networkTier": "PREMIUM", "type": "ONE_TO_ONE_NAT"}]
    network = {"name": "nic0", "network": f"{API}/{place}/global/networks/default", "networkIP": "10.0.0.7", "accessConfigs": access}
    disk = {"autoDelete": True, "boot": True, "deviceName": "boot", "diskSizeGb": "10", "index": 0, "source": f"{zone}/disks/i{number}"}
    account = {
        "email": f"{100 + number}-compute@developer.gserviceaccount.com",
        "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }
    return {
        "id": str(10**18 + number),
        "name": f"i{number}",
        "zone": zone,
        "machineType": f"{zone}/machineTypes/e2-small",
        "status": "RUNNING",
        "creationTimestamp": "2026-01-01T00:00:00.000-08:00",
        "networkInterfaces": [network],
        "disks": [disk],
        "serviceAccounts": [account],
        "scheduling": {"automaticRestart": True, "onHostMaintenance": "MIGRATE", "preemptible": False},
        "shieldedInstanceConfig": {"enableIntegrityMonitoring": True, "enableSecureBoot": number % 3 == 0, "enableVtpm": True},
        "labels": {"team": "shop", "env": "prod"},
        "tags": {"fingerprint": "42WmSpB8rSM=", "items": ["web"]},
    }


def _bucket(number: int) -> dict[str, Any]:
    only = {"enabled": number % 3 == 0, "lockedTime": "2026-04-01T00:00:00.000Z"}
    return {
        "id": f"b{number}",
        "name": f"b{number}",
        "projectNumber": 100 + number,
        "location": "EUROPE-WEST1",
        "storageClass": "STANDARD",
        "timeCreated": "2026-01-01T00:00:00.000Z",
        "iamConfiguration": {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": only},
        "versioning": {"enabled": True},
        "lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 365, "isLive": False}}]},
        "retentionPolicy": {"retentionPeriod": "86400", "effectiveTime": "2026-01-01T00:00:00.000Z", "isLocked": False},
    }


def main(projects: int, assets: int) -> None:
    with GcpBed(cloud(projects, assets)) as bed:
        print(json.dumps({"environment": bed.environment(), "options": bed.options()}), flush=True)
        for _ in sys.stdin:
            seen, bed.requests[:] = list(bed.requests), []
            print(json.dumps([[each.path, each.query] for each in seen if each.method == "ListAssets"]), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
