"""HTTPS to Google: urllib3's pools, which read within bounds, follow nobody and try once. google-auth signs in over the same."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import certifi
import urllib3
from google.auth import exceptions, transport

from cnamm_scan.providers.bounds import Bounds
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.proxies import proxy_for
from cnamm_scan.providers.reading import bounded, read_body
from cnamm_scan.providers.transport import Translated

POOLS = 32
"""Hosts whose connections are kept: each service has one of its own."""


@dataclass(frozen=True, slots=True)
class Came:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class Wire:
    """Every host that is asked over HTTP, from many threads, through a proxy where the environment names one."""

    def __init__(self, *, trusted: str | None, call_timeout: float, connections: int, bounds: Bounds) -> None:
        authorities = trusted or certifi.where()
        self._how: dict[str, Any] = {
            "num_pools": POOLS,
            "maxsize": connections,
            "cert_reqs": "CERT_REQUIRED",
            "ca_cert_dir" if os.path.isdir(authorities) else "ca_certs": authorities,
        }
        self._call_timeout = call_timeout
        self._bounds = bounds
        self._managers: dict[str | None, Any] = {}
        self._lock = threading.Lock()

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, patience: float | None = None) -> Came:
        """One attempt. Raises CallFailedError where nothing came that could be read; any number that came is an answer."""
        seconds = min(patience or self._call_timeout, self._call_timeout)
        with Translated():
            raw = self._pool(url).urlopen(
                method,
                _path(url),
                body=body,
                headers=dict(headers),
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds),
            )
            raw.enforce_content_length = True  # older urllib3 takes a body that was cut for whole
            return Came(int(raw.status), raw.headers, read_body(raw, self._bounds))

    def _pool(self, url: str) -> Any:
        parts = urlsplit(url)
        # whoever speaks no TLS stands on this machine or beside it: the metadata server, which no proxy knows
        proxy = proxy_for(parts.hostname or "") if parts.scheme == "https" else None
        with self._lock:
            manager = self._managers.get(proxy)
            if manager is None:
                manager = urllib3.ProxyManager(proxy, **self._how) if proxy else urllib3.PoolManager(**self._how)
                manager.pool_classes_by_scheme = bounded(manager.pool_classes_by_scheme)
                self._managers[proxy] = manager
        return manager.connection_from_url(url)

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()


class SigningIn(transport.Request):  # type: ignore[misc]
    """How google-auth asks for tokens; `count` hears of each request."""

    def __init__(self, wire: Wire, count: Callable[[], None]) -> None:
        self._wire = wire
        self._count = count

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Came:
        """Send it. Raises TransportError: google-auth asks again for some, and tells the rest."""
        self._count()
        try:
            return self._wire.send(method, url, headers or {}, body.encode() if isinstance(body, str) else body, timeout)
        except CallFailedError as failure:
            raise exceptions.TransportError(failure) from failure
        except (ValueError, urllib3.exceptions.LocationValueError) as error:  # an address that is none, in a file of credentials
            raise exceptions.TransportError(error) from error


def _path(url: str) -> str:
    parts = urlsplit(url)
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path
