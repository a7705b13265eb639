"""What the command line costs before it does anything."""

from __future__ import annotations

from tests.benchmarks.measure import PYTHON, run


def main() -> None:
    for command in (["--help"], ["content", "list", "--format", "jsonl"], ["content", "lint"], ["plan", "aws", "--permissions"]):
        best = min((run([PYTHON, "-m", "cnamm_scan", *command]) for _ in range(3)), key=lambda cost: cost.cpu)
        print(f"cnamm-scan {' '.join(command):40} {best}")
