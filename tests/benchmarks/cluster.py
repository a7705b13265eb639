"""50,000 pods and 5,000 deployments, from the socket to judged results, beside the bare client that reads the same pages and drops them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

from tests.benchmarks.measure import PYTHON, Cost, run, serving

PODS, DEPLOYMENTS = 50_000, 5_000
RUNS = 2


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving("tests.benchmarks.cluster_server", folder, PODS, DEPLOYMENTS) as bed:
        base = _small(bed.told, Path(folder))
        print(f"{PODS} pods and {DEPLOYMENTS} deployments in pages of 500, best of {RUNS}")
        scans, floors = [], []
        for number in range(RUNS):
            out = Path(folder) / f"bundles{number}"
            bed.asked()
            command = [PYTHON, "-m", "cnamm_scan", "scan", "kubernetes", "--kubeconfig", bed.told, "--output", str(out)]
            scans.append(run([*command, "--api-budget", "1000", "--format", "json"]))
            paths = bed.asked()
            pages = Path(folder) / "pages"
            pages.write_text(json.dumps(paths))
            floors.append(run([PYTHON, "-m", "tests.benchmarks.cluster_floor", bed.told, str(pages)]))
        bundle = next(out.glob("*.cnamm"))
        size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
    floor, scan = min(floors, key=lambda cost: cost.cpu), min(scans, key=lambda cost: cost.cpu)
    lists = Counter(path.partition("?")[0] for path in paths if "continue=" not in path)
    print(f"floor  {floor}   {len(paths)} requests")
    print(f"scan   {scan}   {floor.cpu and scan.cpu / floor.cpu:.2f} x floor, bundle {size / 1e6:.1f} MB")
    whole, without = scan.cpu / PODS * 1e6, (scan.cpu - base.cpu) / PODS * 1e6
    print(f"       {whole:.0f} µs a pod with start-up, {without:.0f} µs without ({base.cpu:.2f} s)")
    print(f"       {len(lists)} listings, begun twice: {[path for path, count in lists.items() if count > 1]}")


def _small(kubeconfig: str, folder: Path) -> Cost:
    """What a scan costs before the first pod: the same command over a namespace that holds none."""
    command = [PYTHON, "-m", "cnamm_scan", "scan", "kubernetes", "--kubeconfig", kubeconfig, "--output", str(folder / "small")]
    return run([*command, "--namespace", "kube-node-lease", "--format", "json"])


if __name__ == "__main__":
    main()
