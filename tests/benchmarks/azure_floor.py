"""The floor: azure-core's own client on 16 threads, reading the same answers as JSON and dropping them. A process of its own."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.core import PipelineClient
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy
from azure.core.rest import HttpRequest
from azure.identity import DefaultAzureCredential


def main(options: dict[str, str], asked: Path) -> None:
    url, ca = options["arm_endpoint"], options["ca_bundle"]
    how = {"authority": options["authority"], "disable_instance_discovery": True, "connection_verify": ca}
    policies = [RetryPolicy(), BearerTokenCredentialPolicy(DefaultAzureCredential(**how), f"{url}/.default")]
    client = PipelineClient(url, policies=policies, connection_verify=ca)

    def read(one: list[str]) -> None:
        method, path, query, body = one
        content = {"content": body.encode(), "headers": {"Content-Type": "application/json"}} if body else {}
        answer = client.send_request(HttpRequest(method, f"{url}{path}?{query}", **content))
        answer.raise_for_status()
        answer.json()

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(read, json.loads(asked.read_text())))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), Path(sys.argv[2]))
