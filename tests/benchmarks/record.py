"""Scans once and writes down every call: what the floor makes again. Run as a process of its own."""

from __future__ import annotations

import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

from cnamm_scan import api
from cnamm_scan.providers.aws import provider as aws
from cnamm_scan.providers.interface import Answer, Request


def main(recording: Path, endpoint: str, regions: list[str]) -> None:
    calls: list[tuple[str, str, str, dict[str, Any]]] = []
    ask = aws.AwsProvider.call

    def noted(self: aws.AwsProvider, request: Request) -> Answer:
        if (request.client, request.operation) not in self._known or request.parameters:
            pager = self.pager(self._client(request.client, request.region), request.operation)
            parameters = pager.first(request.parameters) if request.page is None else pager.following(request.parameters, request.page)
            calls.append((request.client, pager.method, request.region, parameters))
        return ask(self, request)

    aws.AwsProvider.call = noted  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        options = api.TargetOptions(endpoint_url=endpoint)
        api.scan(["aws"], regions=regions, output=folder, options=options, limits=api.Limits(rate=1000, burst=1000)).close()
    recording.write_bytes(pickle.dumps(calls))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:])
