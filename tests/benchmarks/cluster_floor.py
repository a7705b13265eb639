"""The floor: the official client on 16 threads, reading the same lists page by page as JSON and dropping them. A process of its own."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from kubernetes import config


def main(kubeconfig: str, pages: Path) -> None:
    client = config.new_client_from_config(kubeconfig)
    pool, host = client.rest_client.pool_manager, client.configuration.host

    def read(path: str) -> None:
        base, token = path, ""
        while True:
            answer = pool.request(
                "GET", host + base + (f"&continue={quote(token)}" if token else ""), headers={"Accept": "application/json"}
            )
            if answer.status != 200:
                return
            token = json.loads(answer.data).get("metadata", {}).get("continue") or ""
            if not token:
                return

    first = [path for path in json.loads(pages.read_text()) if "continue=" not in path]
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(read, first))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
