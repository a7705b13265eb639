"""The wire to one API server: who asks, each request counted where it is sent, credentials that ran out renewed once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from cnamm_scan import __version__
from cnamm_scan.model import Reason
from cnamm_scan.providers.bounds import Bounds
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.kubernetes.answers import decode, failure_of
from cnamm_scan.providers.reading import bounded, read_body
from cnamm_scan.providers.renewing import NOT_RENEWED, Renewing
from cnamm_scan.providers.transport import Translated

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

Json = Any

_TOKEN = frozenset("!#$&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""What may stand in a header's name as it is; `%` itself is written too."""


@dataclass(frozen=True, slots=True)
class Impersonation:
    """As whom the scan asks, where a kubeconfig says so (`as`, `as-uid`, `as-groups`, `as-user-extra`)."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """How the API server is told, bytes of UTF-8 as http.client takes them."""
        said = [("Impersonate-User", self.user), *([("Impersonate-Uid", self.uid)] if self.uid else [])]
        said += [("Impersonate-Group", group) for group in self.groups]
        said += [(f"Impersonate-Extra-{''.join(map(_escaped, key))}", value) for key, value in self.extra]
        return [(name, value.encode().decode("latin-1")) for name, value in said]


def _escaped(letter: str) -> str:
    return letter if letter in _TOKEN else quote(letter, safe="")


@dataclass(frozen=True, slots=True)
class Access:
    """How a server is reached: a client with its credentials, as whom it asks, and how newer credentials are had."""

    client: ApiClient
    impersonation: Impersonation | None = None
    renew: Callable[[], None] | None = None
    """Puts newer credentials into the client's configuration; None where there can be none. Raises CredentialsError."""
    withheld: bool = False
    """Whether there are credentials that the server is not told: it does not speak TLS."""


class Link:
    """One API server, asked from many threads."""

    def __init__(self, access: Access, call_timeout: float, bounds: Bounds) -> None:
        self.access = access
        self.call_timeout = call_timeout
        self.bounds = bounds
        self.host = str(access.client.configuration.host).rstrip("/")
        self.is_private = urlsplit(self.host).scheme.lower() == "https"
        """Whether nobody on the way can read what is sent."""
        self.sent = 0
        """Requests that were sent, each attempt and each page."""
        self._counting = threading.Lock()
        self._renewing = Renewing(self._renewed)
        self._pool = access.client.rest_client.pool_manager
        self._pool.pool_classes_by_scheme = bounded(self._pool.pool_classes_by_scheme)

    def get(self, path: str, *, accept: str = "application/json", body: Json = None) -> tuple[Json, str]:
        """(parsed body, audit id) of a GET, or of a POST of one of the API's own questions. Raises CallFailedError."""
        raw, request_id = self.ask(path, accept=accept, body=body)
        try:
            return decode(raw), request_id
        except ValueError as error:
            raise CallFailedError(Reason.MALFORMED, "MalformedBody", retry=True) from error

    def ask(self, path: str, *, accept: str, body: Json = None) -> tuple[bytes, str]:
        """As `get`, the body as it came. Credentials that are no longer taken are renewed, and it is asked once more."""
        return self._renewing.ask(lambda: self._asked(path, accept, body))

    def _asked(self, path: str, accept: str, body: Json) -> tuple[bytes, str]:
        import urllib3

        headers = {"Accept": accept, "User-Agent": f"cnamm-scan/{__version__}"}
        self._sign(headers, path)
        raw = None
        if body is not None:
            raw = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        told: Any = headers
        if self.access.impersonation is not None:
            told = urllib3.HTTPHeaderDict(headers)
            for name, value in self.access.impersonation.headers:
                told.add(name, value)
        with self._counting:
            self.sent += 1
        with Translated():
            response = self._pool.request(
                "GET" if raw is None else "POST",
                self.host + path,
                headers=told,
                body=raw,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=min(5.0, self.call_timeout), read=self.call_timeout),
            )
            data = read_body(response, self.bounds)
        if response.status >= 300:
            raise failure_of(response.status, response.headers, data)
        return data, response.headers.get("Audit-Id", "")

    def _sign(self, headers: dict[str, str], path: str) -> None:
        """Put in who asks, where nobody else can read it.

        Raises CallFailedError: a token that runs out while we scan is asked for again, which may fail.
        """
        if not self.is_private:
            return
        try:
            with self._renewing.lock:  # a token that has run out is renewed once, not by every thread
                self.access.client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        except Exception as error:  # a plugin's, or of a file that holds the token
            raise CallFailedError(Reason.CREDENTIALS, NOT_RENEWED, str(error)) from error
        if "authorization" in headers:
            headers["authorization"] = token = headers["authorization"].strip()  # a token's file often ends its line
            if not (token.isascii() and token.isprintable()):
                raise CallFailedError(Reason.CREDENTIALS, "MalformedToken")

    def _renewed(self) -> bool:
        """Whether there are newer credentials than those that the server has just refused. Raises CallFailedError."""
        if self.access.renew is None:
            return False
        configuration = self.access.client.configuration
        before = _credentials(configuration)
        try:
            self.access.renew()
        except Exception as error:  # as in _sign
            raise CallFailedError(Reason.CREDENTIALS, NOT_RENEWED, str(error)) from error
        after = _credentials(configuration)
        if after["cert_file"] != before["cert_file"]:
            self._pool.connection_pool_kw.update(cert_file=after["cert_file"], key_file=after["key_file"])
            self._pool.clear()
        return after != before

    def close(self) -> None:
        """Give connections back."""
        self._pool.clear()


def _credentials(configuration: Any) -> Mapping[str, Any]:
    return {"token": configuration.api_key.get("BearerToken"), "cert_file": configuration.cert_file, "key_file": configuration.key_file}
