"""The wire to one cloud: a token for its one host and no other, a new one asked for once when it is refused, requests counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cnamm_scan import __version__
from cnamm_scan.model import Reason
from cnamm_scan.providers.azure.answers import failure_of, of_azure_core
from cnamm_scan.providers.azure.clouds import Cloud
from cnamm_scan.providers.azure.signin import Signed
from cnamm_scan.providers.bounds import Bounds
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.reading import read_body
from cnamm_scan.providers.renewing import Renewing
from cnamm_scan.providers.sent import Sent
from cnamm_scan.providers.transport import Translated

AGENT = f"cnamm-scan/{__version__}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of a request that went well."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def request_id(self) -> str:
        """By which Microsoft finds the request."""
        return self.headers.get("x-ms-request-id", "") or self.headers.get("x-ms-correlation-request-id", "")


class Link:
    """Resource Manager of one cloud, asked from many threads. One attempt a request."""

    def __init__(self, cloud: Cloud, credential: Signed, transport: Any, sent: Sent, bounds: Bounds) -> None:
        from azure.core.pipeline import Pipeline

        from cnamm_scan.providers.azure.wire import Bearer

        self.cloud = cloud
        self.credential = credential
        self.bounds = bounds
        self._sent = sent
        self._transport = transport
        parts = urlsplit(cloud.endpoint)
        self._host = (parts.hostname, parts.port or 443)
        self._base = parts.path.rstrip("/")
        self._root = f"https://{parts.netloc}"
        self._pipeline: Any = Pipeline(transport, [Bearer(credential, cloud.scope)])
        self._renewing = Renewing(self._forgotten)

    def get(self, path: str, target: str = "") -> Reply:
        """A GET of a path. Raises CallFailedError."""
        return self._ask("GET", path, None, target)

    def query(self, body: Mapping[str, Any]) -> Reply:
        """A question to Resource Graph: the only POST that is ever sent there. Raises CallFailedError."""
        return self._ask("POST", "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01", json.dumps(body).encode(), "")

    def path_of(self, link: str) -> str:
        """The path of a link to a next page. Raises CallFailedError for one that leads to another host: it would be sent our token."""
        try:
            parts = urlsplit(link)
            host = (parts.hostname, parts.port or 443)
        except ValueError as error:
            raise CallFailedError(Reason.MALFORMED, "MalformedNextLink") from error
        is_here = (parts.scheme.lower() == "https" and host == self._host and parts.username is None) or (
            not parts.scheme and not parts.netloc
        )
        if not is_here or not parts.path.startswith(f"{self._base}/") or not link.isprintable() or " " in link:
            raise CallFailedError(Reason.MALFORMED, "ForeignNextLink")
        path = parts.path.removeprefix(self._base)
        return f"{path}?{parts.query}" if parts.query else path

    def _ask(self, method: str, path: str, body: bytes | None, target: str) -> Reply:
        return self._renewing.ask(lambda: self._asked(method, path, body, target))

    def _asked(self, method: str, path: str, body: bytes | None, target: str) -> Reply:
        from azure.core.rest import HttpRequest

        headers = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": AGENT}
        if body is not None:
            headers["Content-Type"] = "application/json"
        request = HttpRequest(method, f"{self._root}{self._base}{path}", headers=headers, content=body)
        self._sent.whose(target)
        with Translated(of_azure_core):
            came = self._pipeline.run(request, stream=True).http_response
            data = read_body(came.raw, self.bounds)
        if came.status_code != 200:
            raise failure_of(came.status_code, came.headers, data)
        return Reply(data, came.headers)

    def _forgotten(self) -> bool:
        """Newer credentials: the next request asks for a token."""
        self.credential.forget()
        return True

    def close(self) -> None:
        """Give connections back."""
        self._transport.close()
        self.credential.close()
