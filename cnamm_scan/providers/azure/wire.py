"""Transports for azure-core with bounds of ours: answers within them, each request counted where it is sent. Imports the SDK.

Signing in goes over azure-core's own, on requests, since azure-identity asks for all that it has. Resource Manager is one host that is
asked thousands of times: it has a pool of urllib3's, and nothing between that and us.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import certifi
import requests
import urllib3
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.pipeline.transport import HttpTransport, RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from cnamm_scan.errors import UsageError
from cnamm_scan.providers.azure.clouds import url_problem
from cnamm_scan.providers.azure.signin import Signed
from cnamm_scan.providers.proxies import proxy_for
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
        self.status = 0
        """The number of the last answer; 0: there was none."""

    def send(self, request: Any, **named: Any) -> Any:
        """Send it, and count it."""
        self._count()
        self.status = 0
        came = super().send(request, **named)
        self.status = int(came.status_code)
        return came


@dataclass(slots=True)
class Came:
    """An answer as azure-core's policies look at it, its body still on the wire."""

    raw: Any
    request: Any

    @property
    def status_code(self) -> int:
        """The number."""
        return int(self.raw.status)

    @property
    def headers(self) -> Any:
        """As they came; case does not count."""
        return self.raw.headers

    @property
    def reason(self) -> str:
        """The words behind the number."""
        return str(self.raw.reason)

    def text(self, encoding: str | None = None) -> str:
        """Nothing: whoever wants to say more of a refusal than its number does not get it here."""
        return ""


class Bearer(BearerTokenCredentialPolicy):  # type: ignore[misc]
    """A token for each request, from the one who keeps it: a second one kept here would outlive being forgotten there."""

    def __init__(self, credential: Signed, scope: str) -> None:
        super().__init__(credential, scope)
        self._signed = credential
        self._scope = scope

    def on_request(self, request: Any) -> None:
        """Authorise a request before it is sent."""
        self.authorize_request(request, self._scope)

    def authorize_request(self, request: Any, *scopes: str, **asked: Any) -> None:
        """The same with what a server wants of the token besides."""
        token = self._signed.get_token_info(*scopes, options={"enable_cae": True, **asked})
        request.http_request.headers["Authorization"] = f"Bearer {token.token}"


class Direct(HttpTransport):  # type: ignore[misc]
    """One host over TLS, through a proxy where the environment names one. Raises UsageError for an endpoint that is not https."""

    def __init__(self, endpoint: str, *, verify: str | bool, call_timeout: float, connections: int, count: Callable[[], None]) -> None:
        how: dict[str, Any] = {"maxsize": connections, "cert_reqs": "CERT_REQUIRED"}
        trusted = verify if isinstance(verify, str) else certifi.where()
        how["ca_cert_dir" if os.path.isdir(trusted) else "ca_certs"] = trusted
        problem = url_problem(endpoint) if "://" in endpoint else ("the address is no URL", "write https://HOST")
        if problem is not None:  # a pool without TLS would send each token as it is
            raise UsageError(problem[0], where="--arm-endpoint", do=problem[1])
        host = urlsplit(endpoint).hostname or ""
        proxy = proxy_for(host)
        self._manager: Any = urllib3.ProxyManager(proxy, **how) if proxy else urllib3.PoolManager(**how)
        self._manager.pool_classes_by_scheme = bounded(self._manager.pool_classes_by_scheme)
        self._pool = self._manager.connection_from_url(endpoint)
        self._timeout = urllib3.Timeout(connect=min(5.0, call_timeout), read=call_timeout)
        self._root = f"https://{urlsplit(endpoint).netloc}"
        self._count = count

    def send(self, request: Any, **_: Any) -> Came:
        """Send it, and count it."""
        self._count()
        raw: Any = self._pool.urlopen(
            request.method,
            request.url.removeprefix(self._root),
            body=request.content,
            headers=dict(request.headers),
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=self._timeout,
        )
        raw.enforce_content_length = True  # older urllib3 takes a body that was cut for whole
        return Came(raw, request)

    def open(self) -> None:
        """Connections are opened as they are needed."""

    def close(self) -> None:
        """Close them."""
        self._manager.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
