"""What botocore raises and AWS refuses, as our reasons: the one place that knows their codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.providers.reading import refused

_DENIED = frozenset(
    "AccessDenied AccessDeniedException UnauthorizedOperation UnauthorizedException NotAuthorized AuthorizationError"
    " AuthorizationErrorException Forbidden ForbiddenException InsufficientPrivilegesException AccessDeniedFault"
    " UnauthorizedAccess AllAccessDisabled Client.UnauthorizedOperation 403".split()
)
_THROTTLED = frozenset(
    "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException RequestLimitExceeded"
    " TooManyRequestsException SlowDown BandwidthLimitExceeded ProvisionedThroughputExceededException PriorRequestNotComplete"
    " LimitExceededException.Rate RateExceeded EC2ThrottledException TransactionInProgressException 429".split()
)
_EXPIRED = frozenset("ExpiredToken ExpiredTokenException RequestExpired TokenRefreshRequired".split())
_REGION_OFF = frozenset(
    "UnrecognizedClientException InvalidClientTokenId AuthFailure OptInRequired InvalidAccessKeyId RegionDisabledException".split()
)
_UNSUPPORTED = frozenset(
    "UnknownOperationException InvalidAction UnsupportedOperation UnsupportedOperationException NotImplemented"
    " UnknownOperation InvalidEndpointException 404 405 501".split()
)
_DISABLED = frozenset("SubscriptionRequiredException OptInRequiredException AWSOrganizationsNotInUseException".split())


_NOT_FOUND = ("NotFound", "NotFoundException", "NotFoundFault", "DoesNotExist", "DoesNotExistException", "NonExistentQueue")
"""How the codes end that say that what was named is not there, for whoever asks."""


def is_refusal(code: str) -> bool:
    """Whether a code says something of who asks or of where, and nothing of what was asked for."""
    return code in _DENIED | _THROTTLED | _EXPIRED | _REGION_OFF | _UNSUPPORTED | _DISABLED or "AccessDenied" in code


@contextmanager
def translated() -> Iterator[None]:
    """Every error of botocore as one of our reasons."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError

    try:
        yield
    except boto.ClientError as error:
        raise _from_client_error(error) from error
    except (boto.ConnectTimeoutError, boto.ReadTimeoutError) as error:
        raise CallFailedError(Reason.TIMED_OUT, type(error).__name__, retry=True) from error
    except boto.CredentialRetrievalError as error:
        # what a process complains of may hold what it was given
        raise CallFailedError(Reason.CREDENTIALS, type(error).__name__, f"from {error.kwargs.get('provider')}") from error
    except (
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.SSOError,
        boto.TokenRetrievalError,
    ) as error:
        raise CallFailedError(Reason.CREDENTIALS, type(error).__name__, str(error)) from error
    except boto.UnknownServiceError as error:
        raise CallFailedError(Reason.UNSUPPORTED, f"{sdk()} has no such service", str(error)) from error
    except (boto.UnknownRegionError, boto.ParamValidationError) as error:
        raise CallFailedError(Reason.COLLECTOR_BUG, type(error).__name__, str(error)) from error
    except ResponseParserError as error:
        raise CallFailedError(Reason.MALFORMED, type(error).__name__, retry=True) from error
    except (boto.ConnectionError, boto.HTTPClientError) as error:
        raise refused(error) or CallFailedError(Reason.UNREACHABLE, type(error).__name__, retry=True) from error
    except boto.BotoCoreError as error:
        raise CallFailedError(Reason.COLLECTOR_BUG, type(error).__name__, str(error)) from error


def sdk() -> str:
    """The SDK and its version, as the ledger names it."""
    from botocore import __version__ as version

    return f"botocore {version}"


def _from_client_error(error: Any) -> CallFailedError:
    said = error.response.get("Error", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    metadata = error.response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode") or 0)
    after = _seconds(metadata.get("HTTPHeaders", {}).get("retry-after"))
    code = code.rsplit("#", 1)[-1] or str(status)
    if code in _THROTTLED or status == 429:
        return CallFailedError(Reason.THROTTLED, code, message, retry=True, after=after)
    if code in _EXPIRED:
        return CallFailedError(Reason.CREDENTIALS, code, message)
    if code in _REGION_OFF:
        return CallFailedError(Reason.REGION_DISABLED, code, message)
    if code in _DISABLED:
        return CallFailedError(Reason.API_DISABLED, code, message)
    if code in _DENIED or "AccessDenied" in code or "not authorized to perform" in message:
        return CallFailedError(Reason.DENIED, code, message)
    if code in _UNSUPPORTED or status == 501:
        return CallFailedError(Reason.UNSUPPORTED, code, message)
    if status >= 500:
        return CallFailedError(Reason.SERVER_ERROR, code, message, retry=True, after=after)
    if status == 401:
        return CallFailedError(Reason.API_DISABLED, code, message)
    if status == 403:
        return CallFailedError(Reason.DENIED, code, message)
    if code.endswith(_NOT_FOUND) or code.startswith("NoSuch"):
        return CallFailedError(Reason.NOT_FOUND, code, message)
    if 300 <= status < 400:  # nobody is followed to another host: what was signed is for this one
        return CallFailedError(Reason.UNSUPPORTED, code, message)
    return CallFailedError(Reason.UNSUPPORTED if status == 404 else Reason.COLLECTOR_BUG, code, message)


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
