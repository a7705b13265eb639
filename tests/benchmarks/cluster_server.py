"""The fake API server of the benchmark, as a process: says its kubeconfig, then answers each line of input with what it was asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cnamm_scan.demo.cluster.bed.server import ClusterBed
from tests.benchmarks.scale_cluster import scale


def main(folder: Path, pods: int, deployments: int) -> None:
    with ClusterBed(scale(pods, deployments), page_snapshot_seconds=3600) as bed:
        print(bed.kubeconfig(folder), flush=True)
        for _ in sys.stdin:
            seen, bed.requests[:] = list(bed.requests), []
            print(json.dumps([each.path + (f"?{each.query}" if each.query else "") for each in seen if each.method == "GET"]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
