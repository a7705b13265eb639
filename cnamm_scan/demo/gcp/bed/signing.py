"""Signing in as google-auth does it: a key file of a service account, a JWT it signs, and the tokens that are given for it."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from cnamm_scan.demo.gcp.bed.directory import CLOUD
from cnamm_scan.demo.gcp.bed.refusals import Refusal, unsigned

CALLER = "scanner@{project}.iam.gserviceaccount.com"
LIFETIME = 3599
"""Seconds of a token."""
_AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whom google-auth's JWT is for, wherever the key file sends it."""
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class NotSignedInError(Exception):
    """What the token endpoint says instead of a token: (error, what is wrong)."""


class Signing:
    """Who may sign in, and the tokens that are out."""

    def __init__(self, project: str) -> None:
        self.project = project
        """Where the service account lives: it pays for what names no other project."""
        self.caller = CALLER.format(project=project)
        self.tokens: dict[str, float] = {}
        """Tokens that were given out, and when each ends."""
        self.revoked: set[str] = set()
        self.callers: dict[str, str] = {}
        """Token -> whose it is."""
        self.granted: dict[str, tuple[frozenset[str], str]] = {}
        """Token -> its scopes, and the administrator as whom it asks; empty: as nobody else."""
        self.administrators: frozenset[str] = frozenset()
        """Of the directory."""
        self.delegated: frozenset[str] = frozenset()
        """Scopes with which the caller may act as one of them."""
        self.borrowed: frozenset[str] = frozenset()
        """Service accounts as which the caller may act."""
        self._lock = threading.Lock()

    def write(self, file: Path, url: str) -> Path:
        """Write the key file of the caller, as `gcloud iam service-accounts keys create` does."""
        said = {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": "0" * 40,
            "private_key": _pair()[0],
            "client_email": self.caller,
            "client_id": "1" * 21,
            "token_uri": f"{url}/token",
            "universe_domain": "googleapis.com",
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(said))
        return file

    def sign_in(self, form: Mapping[str, list[str]]) -> dict[str, Any]:
        """The answer of the token endpoint. Raises NotSignedInError."""
        if form.get("grant_type") != [_GRANT]:
            raise NotSignedInError("unsupported_grant_type", "Invalid grant_type.")
        claims = _claims(form.get("assertion", [""])[0])
        if claims.get("iss") != self.caller or claims.get("aud") != _AUDIENCE or float(claims.get("exp", 0)) < time.time():
            raise NotSignedInError("invalid_grant", "Invalid JWT: iss, aud or exp.")
        scopes, subject = frozenset(str(claims.get("scope", "")).split()), str(claims.get("sub", ""))
        if subject and not (subject in self.administrators and scopes <= self.delegated):
            raise NotSignedInError(
                "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or not for any of these scopes."
            )
        return {"access_token": self.give(self.caller, scopes, subject), "expires_in": LIFETIME, "token_type": "Bearer"}

    def give(self, caller: str, scopes: frozenset[str] = frozenset({CLOUD}), subject: str = "") -> str:
        """A token of somebody."""
        token = f"ya29.c.bed-{uuid.uuid4().hex}"
        with self._lock:
            self.tokens[token] = time.time() + LIFETIME
            self.callers[token] = caller
            self.granted[token] = (scopes, subject)
        return token

    def borrow(self, path: str, scopes: frozenset[str]) -> dict[str, str]:
        """A token of another service account, for `…/serviceAccounts/EMAIL:generateAccessToken`. Raises Refusal."""
        email = path.rpartition("/")[2].partition(":")[0]
        if email not in self.borrowed:
            permission = "iam.serviceAccounts.getAccessToken"
            raise Refusal(
                "PERMISSION_DENIED",
                f"Permission '{permission}' denied on resource (or it may not exist).",
                "IAM_PERMISSION_DENIED",
                {"permission": permission},
                domain="iam.googleapis.com",
            )
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + LIFETIME))
        return {"accessToken": self.give(email, scopes), "expireTime": ends}

    def check(self, token: str) -> str:
        """Whose a token is. Raises Refusal."""
        if token in self.revoked or token not in self.tokens:
            raise unsigned()
        if self.tokens[token] < time.time():
            raise unsigned("ACCESS_TOKEN_EXPIRED")
        return self.callers[token]


@lru_cache(maxsize=1)
def _pair() -> tuple[str, Any]:
    """A private key as PEM and its public key: one for a process, since making it takes a while."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode(), key.public_key()


def _claims(assertion: str) -> dict[str, Any]:
    """What a JWT says, once its signature is proven. Raises NotSignedInError."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    signed, _, signature = assertion.rpartition(".")
    try:
        _pair()[1].verify(_bytes(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return dict(json.loads(_bytes(signed.partition(".")[2])))
    except (InvalidSignature, ValueError) as error:
        raise NotSignedInError("invalid_grant", "Invalid JWT Signature.") from error


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
