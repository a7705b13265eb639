"""100,000 assets of Asset Inventory over 50 projects, beside Google's own client that reads the same pages and drops what it made."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tests.azures import flags_of
from tests.benchmarks.gcp_server import BUCKET, INSTANCE
from tests.benchmarks.measure import PYTHON, run, serving
from tests.clusters import rule, write_pack

PROJECTS, ASSETS = 50, 100_000
RUNS = 2
COLLECTOR = f"""
service: bench
client: asset
facts:
  gcp.bench.instance:
    about: Machines.
    once_per: connection
    list: {{call: {INSTANCE}, items: assets, target: project, in_region: resource.location}}
    key: '{{id}}'
    columns:
      name: {{type: text, from: resource.data.name}}
      status: {{type: text, from: resource.data.status}}
      secure_boot: {{type: boolean, from: resource.data.shieldedInstanceConfig.enableSecureBoot, absent: false}}
      accounts: {{type: list, from: 'resource.data.serviceAccounts[].email', absent: []}}
      addresses: {{type: list, from: 'resource.data.networkInterfaces[].accessConfigs[].natIP', absent: []}}
      label_keys: {{type: list, from: resource.data.labels, absent: []}}
      changed_at: {{type: timestamp, from: updateTime}}
  gcp.bench.bucket:
    about: Buckets.
    once_per: connection
    list: {{call: {BUCKET}, items: assets, target: project, in_region: resource.location}}
    key: '{{id}}'
    columns:
      name: {{type: text, from: resource.data.name}}
      uniform: {{type: boolean, from: resource.data.iamConfiguration.uniformBucketLevelAccess.enabled, absent: false}}
      prevention: {{type: text, from: resource.data.iamConfiguration.publicAccessPrevention}}
      versioned: {{type: boolean, from: resource.data.versioning.enabled, absent: false}}
      retention: {{type: json, from: resource.data.retentionPolicy}}
      changed_at: {{type: timestamp, from: updateTime}}
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving("tests.benchmarks.gcp_server", PROJECTS, ASSETS) as bed:
        told = json.loads(bed.told)
        os.environ.update(told["environment"])
        names = {"instance": "secure_boot", "bucket": "uniform"}
        how = {"service": "gcp.bench", "objective": "data.no-public-data"}
        rules = [rule(name, f"gcp.bench.{name}", passes, **how) for name, passes in names.items()]
        pack = write_pack(Path(folder, "pack"), {"gcp/bench": COLLECTOR}, rules)
        shutil.rmtree(pack / "mappings")  # those that ship have the objective
        chosen = [f"--rule={each['id']}" for each in rules]
        flags = [*flags_of(told["options"]), "--api-budget=1000", "--format=json", f"--content={pack}", *chosen]
        print(f"{ASSETS} assets over {PROJECTS} projects, best of {RUNS}")
        scans, floors = [], []
        for number in range(RUNS):
            bed.asked()
            scans.append(run([PYTHON, "-m", "cnamm_scan", "scan", "gcp:organizations/9", "--output", f"{folder}/{number}", *flags]))
            requests = bed.asked()
            key = told["environment"]["GOOGLE_APPLICATION_CREDENTIALS"]
            floors.append(run([PYTHON, "-m", "tests.benchmarks.gcp_floor", json.dumps(told["options"]), key, BUCKET, INSTANCE]))
        base = run([PYTHON, "-m", "cnamm_scan", "scan", "gcp:projects/shop-0000", "--output", f"{folder}/one", *flags])
    floor, scan = min(floors, key=lambda cost: cost.cpu), min(scans, key=lambda cost: cost.cpu)
    types = Counter(query for _, query in requests)
    print(f"floor  {floor}   {floor.cpu / ASSETS * 1e6:.0f} µs of cpu an asset")
    print(
        f"scan   {scan}   {scan.cpu / floor.cpu:.2f} x the floor's cpu, {scan.cpu / ASSETS * 1e6:.0f} µs of cpu an asset, judged and sealed"
    )
    print(f"one project of them: {base}")
    print(f"{len(requests)} requests: {dict(types)}")


if __name__ == "__main__":
    main()
