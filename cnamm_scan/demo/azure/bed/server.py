"""Entra, Resource Manager and Resource Graph of one tenant on a free port of 127.0.0.1, over TLS, and what may go wrong with them."""

from __future__ import annotations

import base64
import gzip
import json
import re
import ssl
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

from cnamm_scan.demo.azure.bed.contents import Tenant
from cnamm_scan.demo.azure.bed.manager import Answer, Manager, refusal
from cnamm_scan.demo.certificate import certificate
from cnamm_scan.demo.serving import JsonHandler, Server

__all__ = ["CALLER", "AzureBed", "Seen", "Trouble"]

GZIP_ABOVE = 16 * 1024
LIFETIME = 3599
"""Seconds of a token."""
CALLER = "00000000-ca11-4000-8000-000000000000"
"""The object id of who asks."""


class Seen(NamedTuple):
    """One request that came in; `status` is 0 when it was hung up on."""

    method: str
    path: str
    query: str
    status: int
    body: str
    token: str
    """What it was authorised with; empty: nothing."""


@dataclass
class Trouble:
    """What goes wrong, and for which requests; the first of the list that matches is the one. `status` 0 lets the true answer through."""

    status: int = 0
    code: str = ""
    message: str = "injected"
    path: str = ""
    """A regular expression, searched for in the path and query without regard to case."""
    body_has: str = ""
    """Words that stand in the request's body."""
    times: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    body: bytes | None = None
    change: Mapping[str, Any] = field(default_factory=dict)
    """Members of the true answer's object that are put in its place."""
    cut: bool = False
    """Send half of the answer, then close."""
    hang_up: bool = False
    fired: int = 0

    def matches(self, path: str, body: str) -> bool:
        """Whether it is for this request, and not used up."""
        return (
            (self.times is None or self.fired < self.times)
            and self.body_has in body
            and re.search(self.path, path, re.IGNORECASE) is not None
        )


class AzureBed:
    """A tenant, served. `secret` is the password of the one application that may sign in.

    `quota` is how many queries Resource Graph takes in how many seconds; None: as many as come, and it says nothing of it.
    """

    def __init__(
        self,
        tenant: Tenant,
        *,
        troubles: Sequence[Trouble] = (),
        secret: str = "bed-secret",
        page: int = 100,
        quota: tuple[int, float] | None = None,
    ) -> None:
        self.tenant = tenant
        self.troubles = list(troubles)
        self.secret = secret
        self.requests: list[Seen] = []
        self.tokens: dict[str, float] = {}
        """Tokens that were given out, and when each ends."""
        self.revoked: set[str] = set()
        self.wanted_claims = ""
        """Claims that a token must have been asked for with; empty: none."""
        self.closing = threading.Event()
        self.manager = Manager(tenant, page, quota)
        self._claims: dict[str, str] = {}
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Open the port and serve it from a thread."""
        self._folder = tempfile.TemporaryDirectory(prefix="azure-bed-")
        self.ca, key = certificate(Path(self._folder.name), "azure-bed")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, key)
        self._server = _Server(self, context)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self.manager.url = self.url
        self._server.start("azure-bed")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close the port and all connections."""
        assert self._server is not None
        assert self._folder is not None
        self.closing.set()
        self._server.stop()
        self._folder.cleanup()

    def environment(self) -> dict[str, str]:
        """The variables with which azure-identity signs in here, and tries nothing else."""
        return {
            "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
            "AZURE_TENANT_ID": self.tenant.id,
            "AZURE_CLIENT_ID": CALLER,
            "AZURE_CLIENT_SECRET": self.secret,
            "NO_PROXY": "127.0.0.1",
        }

    def options(self) -> dict[str, Any]:
        """The options with which the wing reaches it."""
        return {"arm_endpoint": self.url, "authority": self.url, "disable_instance_discovery": True, "ca_bundle": str(self.ca)}

    def respond(self, method: str, target: str, headers: Mapping[str, str], body: str) -> tuple[Answer | None, Trouble | None]:
        """The answer, None to hang up, and the trouble it is in; notes the request."""
        parts = urlsplit(target)
        path = unquote(parts.path)
        token = headers.get("authorization", "").removeprefix("Bearer ")
        trouble = self._trouble(f"{path}?{unquote(parts.query)}", body)
        if trouble is not None and trouble.delay:
            self.closing.wait(trouble.delay)
        answer: Answer | None = None
        if trouble is None or not (trouble.hang_up or trouble.status):
            answer = self._answer(method, path, parse_qs(parts.query), token, body)
        elif not trouble.hang_up:
            answer = refusal(trouble.status, trouble.code or "Injected", trouble.message)
        if trouble is not None and answer is not None:
            answer.headers.update(trouble.headers)
            if trouble.change:
                answer.body = json.dumps({**json.loads(answer.body), **trouble.change}).encode()
            answer.body = answer.body if trouble.body is None else trouble.body
        with self._lock:
            self.requests.append(Seen(method, path, parts.query, answer.status if answer else 0, body, token))
        return answer, trouble

    def _answer(self, method: str, path: str, query: Mapping[str, list[str]], token: str, body: str) -> Answer:
        segments = path.strip("/").split("/")
        if segments[-3:] == ["v2.0", ".well-known", "openid-configuration"]:
            return Answer(200, _oidc(self.url, segments[0]))
        if segments[-3:] == ["oauth2", "v2.0", "token"] and method == "POST":
            return self._sign_in(segments[0], parse_qs(body))
        if self.tokens.get(token, 0.0) < time.time() or token in self.revoked:
            return refusal(
                401,
                "InvalidAuthenticationToken" if token not in self.tokens else "ExpiredAuthenticationToken",
                "The access token is invalid.",
            )
        if self.wanted_claims and not _holds(self._claims.get(token, ""), self.wanted_claims):
            made = refusal(401, "InvalidAuthenticationToken", "Continuous access evaluation resulted in a challenge.")
            claims = base64.b64encode(self.wanted_claims.encode()).decode()
            made.headers["WWW-Authenticate"] = f'Bearer authorization_uri="{self.url}", error="insufficient_claims", claims="{claims}"'
            return made
        return self.manager.answer(method, path, query, body)

    def _sign_in(self, tenant: str, form: Mapping[str, list[str]]) -> Answer:
        if form.get("client_secret") != [self.secret]:
            said = {
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret provided. Trace ID: 0",
                "error_codes": [7000215],
            }
            return Answer(401, said)
        now = int(time.time())
        claims = {
            "aud": form["scope"][0].removesuffix("/.default"),
            "oid": CALLER,
            "tid": tenant,
            "exp": now + LIFETIME,
            "jti": uuid.uuid4().hex,
        }
        token = ".".join([_b64({"alg": "none"}), _b64(claims), "bed"])
        with self._lock:
            self.tokens[token] = now + LIFETIME
            self._claims[token] = form.get("claims", [""])[0]
        return Answer(200, {"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": token})

    def _trouble(self, path: str, body: str) -> Trouble | None:
        with self._lock:
            for one in self.troubles:
                if one.matches(path, body):
                    one.fired += 1
                    return one
        return None


def _holds(claims: str, wanted: str) -> bool:
    """Whether a token was asked for with all claims that are wanted; who asks may add some of their own."""
    had = json.loads(claims)["access_token"] if claims else {}
    return all(had.get(name) == value for name, value in json.loads(wanted)["access_token"].items())


def _b64(said: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()


def _oidc(url: str, tenant: str) -> dict[str, Any]:
    own = f"{url}/{tenant}"
    return {
        "token_endpoint": f"{own}/oauth2/v2.0/token",
        "issuer": f"{own}/v2.0",
        "authorization_endpoint": f"{own}/oauth2/v2.0/authorize",
        "jwks_uri": f"{own}/discovery/v2.0/keys",
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
    }


class _Server(Server):
    def __init__(self, bed: AzureBed, context: ssl.SSLContext) -> None:
        self.bed = bed
        super().__init__(_Handler, context)


class _Handler(JsonHandler):
    content_type = "application/json; charset=utf-8"

    def dress(self, answer: Answer, headers: Mapping[str, str]) -> None:
        """Pack what is large, and number the request."""
        if len(answer.body) > GZIP_ABOVE and "gzip" in headers.get("accept-encoding", ""):
            answer.body = gzip.compress(answer.body, 1)
            answer.headers["Content-Encoding"] = "gzip"
        answer.headers["x-ms-request-id"] = uuid.uuid4().hex
