"""azure-core's transport with bounds of ours: answers within them, each request counted where it is sent. Imports the SDK."""

from __future__ import annotations

import logging
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from cnamm_scan.providers.reading import bounded

logging.getLogger("azure").addHandler(logging.NullHandler())  # else what it warns of goes to stderr, past whoever reports
logging.getLogger("msal").addHandler(logging.NullHandler())


class _Adapter(HTTPAdapter):  # type: ignore[misc]
    """urllib3's pools, whose connections read within bounds, with a proxy between or without."""

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = bounded(self.poolmanager.pool_classes_by_scheme)

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        """The pools of a proxy."""
        is_new = proxy not in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **named)
        if is_new:
            manager.pool_classes_by_scheme = bounded(manager.pool_classes_by_scheme)
        return manager


class Wire(RequestsTransport):  # type: ignore[misc]
    """One attempt a request, no cookies, no redirects; `count` hears of each that is sent."""

    def __init__(self, *, verify: str | bool, call_timeout: float, connections: int, count: Callable[[], None]) -> None:
        session = requests.Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_connections=8, pool_maxsize=connections, max_retries=Retry(total=False, redirect=False))
        for scheme in ("https://", "http://"):  # managed identities are asked of the machine itself, without TLS
            session.mount(scheme, adapter)
        super().__init__(session=session, connection_verify=verify, connection_timeout=min(5.0, call_timeout), read_timeout=call_timeout)
        self._count = count

    def send(self, request: Any, **named: Any) -> Any:
        """Send it, and count it."""
        self._count()
        return super().send(request, **named)
