"""20,000 rows of Resource Graph over 50 subscriptions and 2,000 GETs, beside azure-core's own client that reads the same and drops it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import PYTHON, run

SUBSCRIPTIONS, ROWS, GETS = 50, 20_000, 2_000
RUNS = 2
RULES = ("azure.storage.account_keeps_blobs_private", "azure.storage.deleted_blobs_kept", "azure.keyvault.vault_purge_protected")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving() as bed:
        os.environ.update(bed["environment"])
        options = bed["options"]
        flags = ["--arm-endpoint", options["arm_endpoint"], "--authority", options["authority"], "--ca-bundle", options["ca_bundle"]]
        flags += [
            "--disable-instance-discovery",
            "--api-budget",
            "1000",
            "--format",
            "json",
            *(part for rule in RULES for part in ("--rule", rule)),
        ]
        print(f"{ROWS} rows over {SUBSCRIPTIONS} subscriptions and {GETS} GETs, best of {RUNS}")
        base = run([PYTHON, "-m", "cnamm_scan", "scan", "azure:subscription 00000000", "--output", f"{folder}/one", *flags])
        scans, floors = [], []
        for number in range(RUNS):
            asked(bed)
            scans.append(run([PYTHON, "-m", "cnamm_scan", "scan", "azure", "--output", f"{folder}/{number}", *flags]))
            requests = asked(bed)
            pages = Path(folder) / "asked"
            pages.write_text(json.dumps(requests))
            floors.append(run([PYTHON, "-m", "tests.benchmarks.azure_floor", json.dumps(options), str(pages)]))
    floor, scan = min(floors, key=lambda cost: cost.cpu), min(scans, key=lambda cost: cost.cpu)
    twice = [each for each, count in Counter(map(json.dumps, requests)).items() if count > 1]
    print(f"floor  {floor}   {len(requests)} requests, {len(twice)} of them twice")
    print(f"scan   {scan}   {scan.cpu / floor.cpu:.2f} x the floor's cpu, {scan.wall / floor.wall:.2f} x its wall")
    print(f"one subscription of them: {base}")


@contextmanager
def serving() -> Iterator[dict[str, Any]]:
    """The fake server in a process of its own, so that only the scanner is measured."""
    command = [PYTHON, "-m", "tests.benchmarks.azure_server", *map(str, (SUBSCRIPTIONS, ROWS, GETS))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield {**json.loads(process.stdout.readline()), "in": process.stdin, "out": process.stdout}
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def asked(bed: dict[str, Any]) -> list[list[str]]:
    """What came in since the last question, signing in left out."""
    bed["in"].write("asked\n")
    bed["in"].flush()
    requests: list[list[str]] = json.loads(bed["out"].readline())
    return requests


if __name__ == "__main__":
    main()
