"""The floor: a bare 16-thread boto3 script that makes the calls of a recording and keeps nothing. Run as a process of its own."""

from __future__ import annotations

import contextlib
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError


def main(recording: Path, endpoint: str) -> None:
    calls = pickle.loads(recording.read_bytes())
    session = boto3.Session()
    lock = threading.Lock()
    clients: dict[tuple[str, str], Any] = {}
    config = Config(retries={"total_max_attempts": 1}, max_pool_connections=16, s3={"addressing_style": "path"})

    def ask(call: tuple[str, str, str, dict[str, Any]]) -> None:
        service, method, region, parameters = call
        with lock:
            if (service, region) not in clients:
                made = session.client(service, region_name=region, endpoint_url=endpoint, config=config)
                if service == "s3control":
                    made.meta.events.register("before-call.s3-control", keep_host(endpoint))
                clients[service, region] = made
        with contextlib.suppress(ClientError, BotoCoreError):
            getattr(clients[service, region], method)(**parameters)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, calls))


def keep_host(endpoint: str) -> Any:
    def handler(params: dict[str, Any], **_: Any) -> None:
        params["url"] = endpoint + "/" + params["url"].partition("://")[2].partition("/")[2]

    return handler


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
