"""20,000 rows of Resource Graph over 50 subscriptions and 2,000 GETs, beside azure-core's own client that reads the same and drops it."""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from pathlib import Path

from tests.azures import flags_of
from tests.benchmarks.measure import PYTHON, run, serving

SUBSCRIPTIONS, ROWS, GETS = 50, 20_000, 2_000
RUNS = 2
RULES = ("azure.storage.account_keeps_blobs_private", "azure.storage.deleted_blobs_kept", "azure.keyvault.vault_purge_protected")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving("tests.benchmarks.azure_server", SUBSCRIPTIONS, ROWS, GETS) as bed:
        told = json.loads(bed.told)
        os.environ.update(told["environment"])
        # as a package that was installed: its byte code is there, like that of the SDK which the floor runs
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        options = told["options"]
        flags = [*flags_of(options), "--api-budget=1000", "--format=json", *(f"--rule={rule}" for rule in RULES)]
        print(f"{ROWS} rows over {SUBSCRIPTIONS} subscriptions and {GETS} GETs, best of {RUNS}")
        one = [[PYTHON, "-m", "cnamm_scan", "scan", "azure:subscription 00000000", "--output", f"{folder}/{each}", *flags] for each in "ab"]
        run(one[0])  # compiles, and fills the cache of content
        base = run(one[1])
        scans, floors = [], []
        for number in range(RUNS):
            bed.asked()
            scans.append(run([PYTHON, "-m", "cnamm_scan", "scan", "azure", "--output", f"{folder}/{number}", *flags]))
            requests = bed.asked()
            pages = Path(folder) / "asked"
            pages.write_text(json.dumps(requests))
            floors.append(run([PYTHON, "-m", "tests.benchmarks.azure_floor", json.dumps(options), str(pages)]))
    floor, scan = min(floors, key=lambda cost: cost.cpu), min(scans, key=lambda cost: cost.cpu)
    twice = [each for each, count in Counter(map(json.dumps, requests)).items() if count > 1]
    print(f"floor  {floor}   {len(requests)} requests, {len(twice)} of them twice")
    print(f"scan   {scan}   {scan.cpu / floor.cpu:.2f} x the floor's cpu, {scan.wall / floor.wall:.2f} x its wall")
    print(f"one subscription of them: {base}")


if __name__ == "__main__":
    main()
