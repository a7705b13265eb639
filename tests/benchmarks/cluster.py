"""50,000 pods and 5,000 deployments, from the socket to judged results, beside the bare client that reads the same pages and drops them."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import PYTHON, run

PODS, DEPLOYMENTS = 50_000, 5_000
RUNS = 2


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as bed:
        base = _small(bed, Path(folder))
        print(f"{PODS} pods and {DEPLOYMENTS} deployments in pages of 500, best of {RUNS}")
        scans, floors = [], []
        for number in range(RUNS):
            out = Path(folder) / f"bundles{number}"
            asked(bed)
            command = [PYTHON, "-m", "cnamm_scan", "scan", "kubernetes", "--kubeconfig", bed["kubeconfig"], "--output", str(out)]
            scans.append(run([*command, "--api-budget", "1000", "--format", "json"]))
            paths = asked(bed)
            pages = Path(folder) / "pages"
            pages.write_text(json.dumps(paths))
            floors.append(run([PYTHON, "-m", "tests.benchmarks.cluster_floor", bed["kubeconfig"], str(pages)]))
        bundle = next(out.glob("*.cnamm"))
        size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file())
    floor, scan = min(floors, key=lambda cost: cost.cpu), min(scans, key=lambda cost: cost.cpu)
    lists = Counter(path.partition("?")[0] for path in paths if "continue=" not in path)
    print(f"floor  {floor}   {len(paths)} requests")
    print(f"scan   {scan}   {floor.cpu and scan.cpu / floor.cpu:.2f} x floor, bundle {size / 1e6:.1f} MB")
    whole, without = scan.cpu / PODS * 1e6, (scan.cpu - base.cpu) / PODS * 1e6
    print(f"       {whole:.0f} µs a pod with start-up, {without:.0f} µs without ({base.cpu:.2f} s)")
    print(f"       {len(lists)} listings, begun twice: {[path for path, count in lists.items() if count > 1]}")


def _small(bed: dict[str, Any], folder: Path) -> Any:
    """What a scan costs before the first pod: the same command over a namespace that holds none."""
    command = [PYTHON, "-m", "cnamm_scan", "scan", "kubernetes", "--kubeconfig", bed["kubeconfig"], "--output", str(folder / "small")]
    return run([*command, "--namespace", "kube-node-lease", "--format", "json"])


@contextmanager
def serving(folder: Path) -> Iterator[dict[str, Any]]:
    """The fake server in a process of its own, so that only the scanner is measured."""
    command = [PYTHON, "-m", "tests.benchmarks.cluster_server", str(folder), str(PODS), str(DEPLOYMENTS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield {"kubeconfig": process.stdout.readline().strip(), "in": process.stdin, "out": process.stdout}
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def asked(bed: dict[str, Any]) -> list[str]:
    """The GETs that came in since the last question."""
    bed["in"].write("asked\n")
    bed["in"].flush()
    paths: list[str] = json.loads(bed["out"].readline())
    return paths


if __name__ == "__main__":
    main()
