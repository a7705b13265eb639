"""A scan of about 1,000 resources in two regions at 40 ms a call, beside a bare script that makes the same calls."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from pathlib import Path

from cnamm_scan.demo.aws.bed.proxy import FaultProxy
from cnamm_scan.demo.aws.bed.server import MotoServer
from tests.benchmarks.measure import PYTHON, run
from tests.benchmarks.scale_aws import seed_scale

LATENCY = 0.04
REGIONS = ("us-east-1", "eu-west-1")
RUNS = 2


def main() -> None:
    os.environ.update(AWS_ACCESS_KEY_ID="testing", AWS_SECRET_ACCESS_KEY="testing")
    with MotoServer() as moto, tempfile.TemporaryDirectory() as folder:
        seeded = seed_scale(moto.url)
        print(f"{seeded.resources} resources in {', '.join(seeded.regions)}, {LATENCY * 1000:.0f} ms a call, best of {RUNS}")
        with FaultProxy(moto.url, latency=LATENCY) as proxy:
            recording = Path(folder) / "calls"
            run([PYTHON, "-m", "tests.benchmarks.record", str(recording), proxy.url, *REGIONS])
            floors, scans = [], []
            for number in range(RUNS):
                proxy.calls.clear()
                floors.append(run([PYTHON, "-m", "tests.benchmarks.floor", str(recording), proxy.url]))
                floor_calls = len(proxy.calls)
                proxy.calls.clear()
                out = Path(folder) / f"bundles{number}"
                command = [PYTHON, "-m", "cnamm_scan", "scan", "aws", "--output", str(out), "--api-budget", "1000"]
                command += ["--endpoint-url", proxy.url]
                for region in REGIONS:
                    command += ["--region", region]
                scans.append(run(command))
                calls = len(proxy.calls)
                made = Counter((c.service, c.region, c.operation, c.params_sha256) for c in proxy.calls)
                twice = [call for call, count in made.items() if count > 1]
                bundle = next(out.glob("*.cnamm"))
                size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
    floor, scan = min(floors, key=lambda cost: cost.wall), min(scans, key=lambda cost: cost.wall)
    print(f"floor  {floor}   {floor_calls} calls")
    print(f"scan   {scan}   {calls} calls, {len(twice)} made twice {twice[:3]}")
    print(f"ratio  wall {scan.wall / floor.wall:.2f}   cpu {scan.cpu / floor.cpu:.2f}   bundle {size / 1e6:.2f} MB")
