"""What a person is told when nobody could be signed in, or who asks is let in nowhere: which file, option or project is to be looked at."""

from __future__ import annotations

import os
import re

from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError
from cnamm_scan.model import Reason
from cnamm_scan.providers.gcp.answers import MOVED, NO_SCOPE, PAYER, RefusedError
from cnamm_scan.providers.gcp.hosts import Hosts
from cnamm_scan.providers.interface import CallFailedError
from cnamm_scan.text import safe

CHAIN = "GOOGLE_APPLICATION_CREDENTIALS, gcloud's application-default credentials, the metadata server"
FILE = "GOOGLE_APPLICATION_CREDENTIALS"
SIGN_IN = f"sign in with gcloud auth application-default login, or set {FILE} to a file of credentials"
_AGAIN = "sign in again: gcloud auth application-default login"
_KNOWN = (
    (r"invalid_rapt|reauth", "the session has ended, and wants its owner", _AGAIN),
    (r"invalid_grant.*(?:expired|revoked)", "the sign-in has run out, or was taken back", _AGAIN),
    (
        r"invalid_grant.*(?:jwt signature|account not found)",
        "the key is not, or no longer, one of the service account",
        "make a new key, or better: sign in without one",
    ),
    (r"invalid_grant.*(?:timeframe|iat and exp)", "the clock of this machine is wrong", "set the clock"),
    (r"invalid_client|unauthorized_client", "the client that signed in is not known any more", _AGAIN),
    (
        r"invalid_target|invalid_request|subject token",
        "the token of the other identity provider is not accepted",
        "check the workload identity pool, its provider and its conditions",
    ),
)
"""(what google-auth says, what is said of it, what to do); the first that fits is the one."""
_REFUSAL = re.compile(r"[a-z_]+: |[^<]*\"error\"|[^<]*\bfile\b")
"""How google-auth's words begin where a token was refused in OAuth's or Google's form, or a file was looked at: no page in HTML does."""
_OF_GCLOUD = frozenset({"764086051850", "32555940559"})
"""Projects of gcloud's own clients, which nobody else can enable an API in: they are told to pay where a person named no project."""
_NO_PAYER = re.compile(r"requires a quota project", re.IGNORECASE)


def no_credentials(where: str, failure: CallFailedError, account: str | None = None) -> CnammError:
    """Why there is no token: what was tried, what went wrong, and what to do about it."""
    words = failure.message
    if failure.code == "DefaultCredentialsError" and not _file() and not re.search(r"file|json", words, re.IGNORECASE):
        return CredentialsError("no Google Cloud credentials", where=f"{where}; tried {CHAIN}", do=SIGN_IN)
    source = f"{where}; {FILE}={_file()}" if _file() else where
    if account is not None and re.search(r"impersonated|getAccessToken|generateAccessToken", words, re.IGNORECASE):
        return CredentialsError(
            f"these credentials may not act as {account}",
            where="--impersonate-service-account",
            do=f"grant roles/iam.serviceAccountTokenCreator on {account} to them, and enable iamcredentials.googleapis.com",
        )
    if failure.reason is Reason.UNREACHABLE or failure.reason is Reason.TIMED_OUT:
        return ProviderError(f"nobody can be signed in: {_met(failure)}", where=source, do=_mend(failure))
    if failure.reason is Reason.SERVER_ERROR:
        return ProviderError("nobody can be signed in: who gives tokens out fails", where=source, do="try again in a minute")
    for pattern, said, do in _KNOWN:
        if re.search(pattern, words, re.IGNORECASE | re.DOTALL):
            return CredentialsError(f"no usable Google Cloud credentials ({said})", where=source, do=do)
    if failure.code == "RefreshError" and not _REFUSAL.match(words):
        return ProviderError(
            "nobody can be signed in: who answers gives no token out, and does not say why",
            where=source,
            do="try again in a minute; check the proxy: HTTPS_PROXY, and NO_PROXY beside it",
        )
    if _file():
        return CredentialsError(
            f"no usable Google Cloud credentials ({_file_problem(words)})",
            where=source,
            do="name a file of a service account's key, of a workload identity federation or of gcloud",
        )
    return CredentialsError(f"no usable Google Cloud credentials ({failure.code})", where=source, do=_AGAIN)


def _file() -> str:
    return safe(os.environ.get(FILE, ""))


def _file_problem(words: str) -> str:
    if re.search(r"was not found|no such file", words, re.IGNORECASE):
        return "there is no such file"
    if re.search(r"not a valid json|could not be loaded|expecting value|decode", words, re.IGNORECASE):
        return "the file is no JSON"
    missing = re.search(r"(?:missing fields|not in the expected format, missing fields) ([a-z_, ]+)", words)
    if missing:
        return f"the file lacks {missing[1].strip()}"
    if re.search(r"does not have a valid type", words):
        return "the file says of no type that is known what it is"
    if re.search(r"could not deserialize key|no key could be detected|unable to load pem|valid pem|private key", words, re.IGNORECASE):
        return "the private key in the file is none"
    return "the file is not accepted"


def _met(failure: CallFailedError) -> str:
    known = {"TLS": failure.message or "TLS failed", "Proxy": "the proxy does not answer"}
    return known.get(failure.code, "no answer in time" if failure.reason is Reason.TIMED_OUT else "no connection")


def _mend(failure: CallFailedError) -> str:
    if failure.code == "TLS":
        return "name the authority that signed it, as PEM, with --ca-bundle FILE"
    if failure.code == "Proxy":
        return "check the proxy: HTTPS_PROXY, and NO_PROXY beside it"
    if failure.reason is Reason.TIMED_OUT:
        return "check the network and proxy; --call-timeout waits longer"
    return "check the network and proxy, and --api-endpoint"


def refused(failure: CallFailedError, scope: str, where: str, hosts: Hosts, account: str | None, quota_project: str) -> CnammError:
    """Why Asset Inventory shows no projects: who asks, who pays, what was named, or whoever answers is not who was meant."""
    reason, code = failure.reason, failure.code
    payer = (failure.payer if isinstance(failure, RefusedError) else "") or quota_project
    paid_by = f" ({safe(payer)})" if payer else ""
    if reason is Reason.CREDENTIALS:
        if code in _GOOGLE_AUTH:
            return no_credentials(where, failure, account)
        return CredentialsError(f"Google Cloud does not accept the credentials ({code})", where=where, do=_AGAIN)
    if reason is Reason.API_DISABLED and not quota_project and (payer in _OF_GCLOUD or _NO_PAYER.search(failure.message)):
        return ProviderError(
            f"no project pays for the calls ({code})",
            where=where,
            do="name one that has the Cloud Asset API enabled: --quota-project PROJECT,"
            " or gcloud auth application-default set-quota-project PROJECT",
        )
    if reason is Reason.API_DISABLED:
        named = f" --project {safe(payer)}" if payer else ""
        what = "is without billing" if code == "BILLING_DISABLED" else "has the Cloud Asset API not enabled"
        return ProviderError(
            f"the project that pays for the calls{paid_by} {what} ({code})",
            where=where,
            do=f"gcloud services enable cloudasset.googleapis.com{named}; or name another project with --quota-project",
        )
    if code in PAYER:
        return CredentialsError(
            f"these credentials may not use the project that is to pay for the calls{paid_by} ({code})",
            where="--quota-project" if quota_project else where,
            do="grant roles/serviceusage.serviceUsageConsumer on it to them, or name another with --quota-project",
        )
    if code in NO_SCOPE:
        return CredentialsError(
            f"the token was asked for too little ({code})",
            where=where,
            do="sign in with gcloud auth application-default login; of a machine, give it the scope cloud-platform",
        )
    if reason in (Reason.DENIED, Reason.NOT_FOUND):
        return CredentialsError(
            f"these credentials may not list what is in {scope}, or there is no such thing ({code})",
            where=where,
            do=f"grant roles/cloudasset.viewer on it to them: gcloud {_command(scope)} add-iam-policy-binding {scope.rpartition('/')[2]}"
            " --member=PRINCIPAL --role=roles/cloudasset.viewer",
        )
    what, do = _not_answered(failure, scope)
    return ProviderError(what, where=hosts.shown, do=do)


_GOOGLE_AUTH = frozenset(
    "DefaultCredentialsError RefreshError MalformedError TransportError ReauthFailError OAuthError InvalidOperation InvalidValue"
    " ValueError TypeError KeyError AttributeError".split()
)


def _command(scope: str) -> str:
    return {"organizations": "organizations", "folders": "resource-manager folders"}.get(scope.partition("/")[0], "projects")


def _not_answered(failure: CallFailedError, scope: str) -> tuple[str, str]:
    reason, code = failure.reason, failure.code
    if reason is Reason.THROTTLED:
        return f"Asset Inventory asks to wait: throttled ({code})", "try again in a minute, or name another project with --quota-project"
    if reason is Reason.SERVER_ERROR:
        return f"Asset Inventory fails when asked for the projects in {scope} ({code})", "try again in a few minutes"
    if code == "PageRefused":
        return f"Asset Inventory broke off the list of projects in {scope} ({code})", "try again"
    if reason in (Reason.MALFORMED, Reason.TRUNCATED):
        return f"the answer is not of Asset Inventory ({code})", "check --api-endpoint, and what answers in its place, such as a proxy"
    if code == MOVED or reason in (Reason.UNSUPPORTED, Reason.COLLECTOR_BUG):
        return f"asked for the projects in {scope}, it answers that there is no such thing ({code})", "check --api-endpoint, and the TARGET"
    return f"Google Cloud cannot be reached: {_met(failure)} ({code})", _mend(failure)


def no_project(where: str) -> UsageError:
    """Credentials that belong to no project, where none was named."""
    return UsageError(
        "these credentials name no project",
        where=where,
        do="name it: gcp:PROJECT, gcp:folders/NUMBER or gcp:organizations/NUMBER; or set GOOGLE_CLOUD_PROJECT",
    )


def broken_universe(where: str) -> CnammError:
    """Credentials of a universe whose name is none."""
    return CredentialsError("the universe_domain of the credentials is no domain", where=f"{where}; {FILE}={_file()}", do=SIGN_IN)
