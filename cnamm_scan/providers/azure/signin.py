"""Who asks: DefaultAzureCredential's chain, a token kept until it runs out."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from cnamm_scan.providers.azure.clouds import Cloud
from cnamm_scan.providers.azure.unsigned import malformed

KEPT_FOR = 300.0
"""So many seconds before its end a token is asked for anew."""


class Signed:
    """A credential as azure-core asks for it, whose token is asked for once by however many threads."""

    def __init__(self, make: Callable[[], Any], tenant: str | None, transport: Any) -> None:
        self._make = make
        self._credential = make()
        self._transport = transport
        self._tenant = tenant
        self._lock = threading.Lock()
        self._token: Any = None

    def get_token_info(self, *scopes: str, options: Mapping[str, Any] | None = None) -> Any:
        """The token; a new one for a claims challenge, and where the kept one ends soon. Raises what azure-identity raises."""
        asked: dict[str, Any] = dict(options or {})
        with self._lock:
            if "claims" not in asked and self._token is not None and self._token.expires_on - KEPT_FOR > time.time():
                return self._token
            if self._tenant:
                asked["tenant_id"] = self._tenant
            self._token = self._credential.get_token_info(*scopes, options=asked)
            return self._token

    def forget(self) -> None:
        """Let the next request ask for a new token."""
        with self._lock:
            self._token = None
            self._credential = self._make()  # MSAL keeps a token too, in the one that we had; what it was sent over is the new one's too

    @property
    def identity(self) -> str:
        """Who the last token is for, `TENANT/OBJECT`, as it says itself; empty where it does not."""
        return identity_of(self._token.token) if self._token is not None else ""

    @property
    def status(self) -> int:
        """The number of the last answer while signing in; 0: there was none."""
        return int(self._transport.status)

    def close(self) -> None:
        """Give connections back, and forget the token."""
        with self._lock:
            self._token = None
            self._credential.close()


def identity_of(token: str) -> str:
    """Whose an access token is, where it is one that can be read. Nothing rests on it: the server looks at the signature, we do not."""
    try:
        body = token.split(".")[1]
        said = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return "/".join(str(said[name]) for name in ("tid", "oid"))
    except (IndexError, KeyError, TypeError, ValueError):
        return ""


def credential_of(cloud: Cloud, *, tenant: str | None, asks_nobody: bool, transport: Any) -> Signed:
    """DefaultAzureCredential for a cloud. `asks_nobody`: not whether the authority is one of Microsoft's. Raises CnammError."""
    from azure.identity import DefaultAzureCredential

    how: dict[str, Any] = {"retry_total": 2, "retry_backoff_factor": 0.3, "additionally_allowed_tenants": ["*"] if tenant else []}

    def make() -> Any:
        return DefaultAzureCredential(
            authority=cloud.authority, disable_instance_discovery=asks_nobody, transport=transport, exclude_broker_credential=True, **how
        )

    try:
        return Signed(make, tenant, transport)
    except (ValueError, TypeError, OSError) as error:  # an environment that says who asks, and not as it must be said
        raise malformed(error, os.environ) from error
