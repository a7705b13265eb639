"""Speed and size on the same work: `make bench`, or `python -m tests.benchmarks [scan] [judge] [million] [cluster] [azure] [gcp] [cli]`.

Nothing here asserts a time; it prints what was measured and on what.
"""

from __future__ import annotations

import sys

from tests.benchmarks import azure, cli, cluster, gcp, judge, scan

PARTS = {
    "scan": scan.main,
    "judge": judge.main,
    "million": judge.million,
    "cluster": cluster.main,
    "azure": azure.main,
    "gcp": gcp.main,
    "cli": cli.main,
}


def main(names: list[str]) -> None:
    for name in names or list(PARTS):
        print(f"== {name}", flush=True)
        PARTS[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
