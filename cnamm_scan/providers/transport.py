"""What goes wrong on the way to a server, as our reasons: every wing that speaks HTTP through urllib3 says it alike."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.reading import refused

Result = TypeVar("Result")


def asked_again(ask: Callable[[], Result], attempts: int = 3) -> Result:
    """What is asked at the door, where one bad moment must not end a scan before it begins. Raises CallFailedError, the last one."""
    for attempt in range(1, attempts):
        try:
            return ask()
        except CallFailedError as failure:
            if not failure.retry:
                raise
            time.sleep(min(failure.after if failure.after is not None else 0.3 * attempt, 5.0))
    return ask()


class Translated:
    """A context in which every error of the transport is one of our reasons; `own` knows those of what a wing puts around urllib3."""

    def __init__(self, own: Callable[[BaseException], CallFailedError | None] = lambda _: None) -> None:
        self._own = own

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, CallFailedError):
            return
        said = refused(error) or self._own(error) or _of_urllib3(error)
        if said is not None:
            raise said from error


def _of_urllib3(error: BaseException) -> CallFailedError | None:
    from urllib3 import exceptions as http

    cause = error.reason if isinstance(error, http.MaxRetryError) else error
    if isinstance(cause, http.SSLError):
        return tls_failed(cause)
    if isinstance(cause, http.ProxyError):
        return CallFailedError(Reason.UNREACHABLE, "Proxy", "the proxy does not answer", retry=True)
    if isinstance(cause, http.NewConnectionError):  # a kind of timeout to older urllib3, which it is not
        return not_connected(cause)
    if isinstance(cause, http.ConnectTimeoutError | http.ReadTimeoutError):
        return timed_out(cause)
    return not_connected(cause) if isinstance(cause, http.HTTPError | OSError) else None


def tls_failed(error: BaseException) -> CallFailedError:
    """Who answered could not show who it is."""
    text, words = str(error), "TLS failed"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        detail = re.search(r"certificate verify failed: ([^(]+)", text)
        words = f"its certificate cannot be trusted ({detail.group(1).strip() if detail else 'unknown authority'})"
    return CallFailedError(Reason.UNREACHABLE, "TLS", words)


def timed_out(error: BaseException) -> CallFailedError:
    """No answer came in time."""
    return CallFailedError(Reason.TIMED_OUT, type(error).__name__, "no answer in time", retry=True)


def not_connected(error: BaseException) -> CallFailedError:
    """Nobody was reached, or the connection broke."""
    return CallFailedError(Reason.UNREACHABLE, type(error).__name__, "no connection", retry=True)


def seconds_of(text: Any) -> float | None:
    """The seconds that a header such as Retry-After asks for; None where it asks for none."""
    try:
        seconds = float(text) if text else 0.0
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None
