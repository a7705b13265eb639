"""Who asks: Application Default Credentials, as another service account where one is named. A token is kept until it runs out."""

from __future__ import annotations

import logging
import re
import threading
import time
import warnings
from dataclasses import dataclass
from typing import Any

from cnamm_scan.model import Reason
from cnamm_scan.providers.gcp.hosts import Hosts
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.transport import Translated

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""The one that Asset Inventory takes. What may be read is a matter of roles."""
PAUSE = 3.0
"""Seconds between two tries at a new token, where none was had: else hundreds of calls would each try, one after the other."""
NO_DELEGATION = "NoDelegation"
"""The code of credentials that cannot act as an administrator: neither a service account's key, nor borrowed ones."""
_UNIVERSE = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """Credentials as they were found, and the project that they, or the environment, name."""

    credentials: Any
    project: str = ""

    @property
    def universe(self) -> str:
        """The domain of Google's hosts that these are for: another in a cloud of its own. Raises ValueError for what is none."""
        said = str(getattr(self.credentials, "universe_domain", None) or "googleapis.com")
        if not _UNIVERSE.fullmatch(said):
            raise ValueError("universe_domain is no domain")
        return said


def find(request: Any) -> Found:
    """Application Default Credentials. Raises what google-auth raises, and ValueError."""
    import google.auth

    logging.getLogger("google").addHandler(logging.NullHandler())  # else what it warns of goes to stderr, past whoever reports
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of user credentials without a quota project: the API's own refusal says it better
        credentials, project = google.auth.default(scopes=SCOPES, request=request)
    return Found(credentials, str(project or ""))


class Kept:
    """Credentials whose token is asked for once by however many threads."""

    def __init__(self, credentials: Any, request: Any) -> None:
        self.credentials = credentials
        self._request = request
        self._lock = threading.Lock()
        self._failed: tuple[float, CallFailedError] | None = None
        """Until when a failure stands for those that would follow: google-auth itself has asked three times by then."""

    def token(self) -> str:
        """The token, a new one where the kept one ends soon. Raises CallFailedError."""
        with self._lock:
            if not self.credentials.valid:
                self._refresh()
            return str(self.credentials.token)

    def _refresh(self) -> None:
        if self._failed is not None and time.monotonic() < self._failed[0]:
            failure = self._failed[1]
            raise CallFailedError(failure.reason, failure.code, failure.message, retry=failure.retry)
        try:
            with Translated(of_google_auth):
                self.credentials.refresh(self._request)
        except CallFailedError as failure:
            self._failed = (time.monotonic() + PAUSE, failure)
            raise

    def forget(self) -> None:
        """Let the next request ask for a new token."""
        with self._lock:
            self.credentials.token = None


class Signed:
    """Who asks Google Cloud, and the same for what wants a token of its own: the directory's APIs take no other.

    `directory_admin` is the administrator as whom the directory is asked, where the service account was delegated that.
    """

    def __init__(
        self,
        found: Found,
        request: Any,
        hosts: Hosts,
        *,
        as_account: str | None,
        quota_project: str | None,
        directory_admin: str | None = None,
    ) -> None:
        self._own = found.credentials
        self._request = request
        self._hosts = hosts
        self._as_account = as_account
        self._directory_admin = directory_admin
        self._main = Kept(_as(self._own, as_account, hosts) if as_account else self._own, request)
        self._others: dict[str, Kept] = {}
        self._lock = threading.Lock()
        self.quota_project = quota_project or str(getattr(found.credentials, "quota_project_id", None) or "")
        """Whose quota and enabled APIs are used; empty: as the credentials have it."""

    def token(self, scope: str = "") -> str:
        """The token, of another scope where one is named. Raises CallFailedError."""
        return self._kept(scope).token()

    def forget(self, scope: str = "") -> None:
        """Let the next request ask for a new token."""
        self._kept(scope).forget()
        if not scope:
            self._own.token = None

    def _kept(self, scope: str) -> Kept:
        if not scope:
            return self._main
        with self._lock:
            if scope not in self._others:
                with Translated(of_google_auth):
                    own = self._of(scope)
                self._others[scope] = self._main if own is self._main.credentials else Kept(own, self._request)
            return self._others[scope]

    def _of(self, scope: str) -> Any:
        """Credentials of a scope of its own. What a person may do was said when he signed in, and stands in every token of his."""
        from google.auth.credentials import Scoped

        admin = self._directory_admin
        if self._as_account:
            return _as(self._own, self._as_account, self._hosts, scope, admin)
        made = self._own.with_scopes([scope]) if isinstance(self._own, Scoped) else self._own
        if admin is None:
            return made
        if not hasattr(made, "with_subject"):
            raise CallFailedError(Reason.DENIED, NO_DELEGATION)
        return made.with_subject(admin)

    @property
    def identity(self) -> str:
        """The service account that asks; empty for a person, whose address nobody needs."""
        said = str(getattr(self._main.credentials, "service_account_email", None) or "")
        return said if "@" in said else ""


def _as(credentials: Any, account: str, hosts: Hosts, scope: str = SCOPES[0], subject: str | None = None) -> Any:
    from google.auth import impersonated_credentials

    return impersonated_credentials.Credentials(
        source_credentials=credentials,
        target_principal=account,
        target_scopes=[scope],
        **({"subject": subject} if subject else {}),
        iam_endpoint_override=hosts.url("iamcredentials", f"v1/projects/-/serviceAccounts/{account}:generateAccessToken"),
    )


def of_google_auth(error: BaseException) -> CallFailedError | None:
    """An error of google-auth as one of our reasons; None for another's. Its words are matched, and never stored."""
    from google.auth import exceptions

    # the last four: it takes what answers for what was meant to
    if not isinstance(error, exceptions.GoogleAuthError | OSError | ValueError | TypeError | LookupError | AttributeError):
        return None
    code, message = type(error).__name__, " ".join(map(str, error.args))
    if getattr(error, "retryable", False):
        return CallFailedError(Reason.SERVER_ERROR, code, message, retry=True)
    if isinstance(error, exceptions.TransportError):
        return CallFailedError(Reason.UNREACHABLE, code, message, retry=True)
    return CallFailedError(Reason.CREDENTIALS, code, message)
