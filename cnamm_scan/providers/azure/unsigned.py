"""What a person is told when nobody could be signed in: which variable, option or machine on the way there is to be looked at.

azure-identity says what went wrong in the words of whoever met it: msal, requests, urllib3, OpenSSL. Here each is one of a few kinds.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cnamm_scan.errors import CnammError, CredentialsError, UsageError
from cnamm_scan.providers.azure.clouds import tenant_problem
from cnamm_scan.text import address, safe

CHAIN = "environment variables, workload identity, managed identity, Azure CLI, Azure PowerShell, Azure Developer CLI"
SIGN_IN = "sign in with az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; check with: az account list"
_NARROWED = "AZURE_TOKEN_CREDENTIALS"
_APPLICATION = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_CERTIFICATE = "AZURE_CLIENT_CERTIFICATE_PATH"
_PASSWORD = "AZURE_CLIENT_CERTIFICATE_PASSWORD"
_AGAIN = "sign in again: az login, with --tenant where you have several"
_OTHERS: Mapping[str, str] = {
    "ManagedIdentityCredential": "check the identity that this machine was given, and AZURE_CLIENT_ID where it has several",
    "AzureCliCredential": _AGAIN,
    "AzurePowerShellCredential": "sign in again: Connect-AzAccount",
    "AzureDeveloperCliCredential": "sign in again: azd auth login",
}
"""Links of the chain that ask somebody else than the authority: neither its options nor an application's variables reach them."""
_AUTHORITY = "check the network, and --authority or AZURE_AUTHORITY_HOST"
_LATER = "try again in a minute"
_TRIED = re.compile(r"^\t?(\w+Credential): (.*)$", re.MULTILINE)
_IDLE = re.compile(
    r"unavailable|not found on path|could not be found|not installed|requires the '[^']*' package|no accounts|not been|not set"
    r"|not fully configured|please run '?(?:az|azd auth) login|please run 'Connect-AzAccount",
    re.IGNORECASE,
)
"""What a link of the chain says that nobody meant to use: it found nothing to sign in with."""
_PEER = re.compile(r"host='([^']*)', port=(\d+)")


@dataclass(frozen=True, slots=True)
class _Met:
    """Where something went wrong: which link of the chain, what it said, and who was asked."""

    link: str
    words: str
    authority: str

    @property
    def peer(self) -> str:
        """Whom a connection was meant for, where that is said; else the authority."""
        found = _PEER.search(self.words)
        return f"{found[1]}:{found[2]}" if found else address(self.authority)


@dataclass(frozen=True, slots=True)
class _Known:
    """One kind of failure: how it is recognised, what is said of it, and what there is to do."""

    pattern: re.Pattern[str]
    do: str
    words: Callable[[_Met], str] | None = None
    """In place of what was said; None: that is fit to be read."""


def _known(pattern: str, do: str, words: Callable[[_Met], str] | None = None) -> _Known:
    return _Known(re.compile(pattern, re.IGNORECASE), do, words)


def _no_connection(met: _Met) -> str:
    why = re.search(r"failed to resolve", met.words, re.IGNORECASE) and "no such name"
    refused = re.search(r"\[Errno -?\d+\] ([^)\"']*)", met.words)
    return f"no connection to {met.peer} ({why or (refused[1].lower().strip() if refused else 'nobody answers')})"


def _untrusted(met: _Met) -> str:
    detail = re.search(r"certificate verify failed: ([^(]+)", met.words)
    return f"the certificate of {met.peer} cannot be trusted ({detail[1].strip() if detail else 'unknown authority'})"


def _proxy(met: _Met) -> str:
    said = re.search(r"Tunnel connection failed: (\d+[^)'\"]*)", met.words)
    return f"the proxy refuses ({said[1].strip()})" if said else "the proxy does not answer"


_KNOWN = (
    _known(
        r"unable to connect to proxy|tunnel connection failed|ProxyError", "check the proxy: HTTPS_PROXY, and NO_PROXY beside it", _proxy
    ),
    _known(r"CERTIFICATE_VERIFY_FAILED", "name the authority that signed it, as PEM, with --ca-bundle FILE", _untrusted),
    _known(r"\[SSL|SSLError|SSLEOF", _AUTHORITY, lambda met: f"{met.peer} does not speak TLS as it should"),
    _known(r"timed out", f"{_AUTHORITY}; --call-timeout waits longer", lambda met: f"{met.peer} does not answer in time"),
    _known(r"connection (?:aborted|broken|reset)|remote end closed", _AUTHORITY, lambda met: f"the connection to {met.peer} broke"),
    _known(
        r"failed to resolve|failed to establish|connection refused|name or service|\[Errno -?\d+\] no route", _AUTHORITY, _no_connection
    ),
    _known(
        r"expecting value|json is invalid|has no attribute|_endpoint'|unable to get authority configuration|failed: None\b|invalid label",
        "check --authority or AZURE_AUTHORITY_HOST, and whether something on the way answers in its place, such as a proxy",
        lambda met: f"what {address(met.authority)} answers is not of Microsoft Entra",
    ),
    _known(
        r"HTTP Error: \d+$",
        "try again later; --authority, where another signs in",
        lambda met: f"{address(met.authority)} answers with {met.words.rpartition(' ')[2]}",
    ),
    _known(r"AADSTS7000215|AADSTS7000222", "set AZURE_CLIENT_SECRET to the value of a secret of this application that has not run out"),
    _known(r"AADSTS700016", "check AZURE_CLIENT_ID, and AZURE_TENANT_ID or --tenant: the application must be in that tenant"),
    _known(r"AADSTS90002\b|AADSTS900023|AADSTS50020", "check --tenant and AZURE_TENANT_ID"),
    _known(r"AADSTS700027", f"set {_CERTIFICATE} to a certificate that is registered with the application"),
    _known(r"AADSTS7002\d\d\b|AADSTS70021\b", "mend the application's federated credential: its issuer, subject and audience"),
    _known(r"AADSTS90033|AADSTS90055", _LATER),
    _known(r"azure_region=", "mend AZURE_REGIONAL_AUTHORITY_NAME, or leave it out"),
)
"""The first that fits is the one. What the network did stands before what Entra said."""


def no_credentials(where: str, message: str, authority: str, status: int = 0) -> CredentialsError:
    """What was tried, what went wrong with what there was, and what to do about the first of it.

    `status` is the number of the last answer while signing in; 0: there was none.
    """
    said = {name: _first(words) for name, words in _TRIED.findall(message)}
    faults = [_Met(name, words, authority) for name, words in said.items() if not _IDLE.search(words)]
    if not said and message.strip():
        faults = [_Met("", _first(message), authority)]
    told = [_told(met, status) for met in faults]
    half = _half_configured() if "EnvironmentCredential" in said else None
    if half is not None:
        told.append(half)
    if not told and len(said) == 1:  # nobody else was asked, so this is the reason
        name, words = next(iter(said.items()))
        told = [("the environment names no application" if name == "EnvironmentCredential" else f"{name}: {words}", SIGN_IN)]
    detail = "; ".join(words for words, _ in told)
    do = told[0][1] if told else SIGN_IN
    if do == SIGN_IN and os.environ.get(_NARROWED):
        do = f"{SIGN_IN}; {_NARROWED} lets nothing else be tried than {os.environ[_NARROWED][:100]}"
    return CredentialsError(
        f"no usable Azure credentials{f' ({detail})' if detail else ''}", where=f"{where}; tried {', '.join(said) or CHAIN}", do=safe(do)
    )


def _told(met: _Met, status: int) -> tuple[str, str]:
    """(what went wrong, what to do)."""
    named = f"{met.link}: " if met.link else ""
    if met.link in _OTHERS:
        return f"{named}{_plain(met.words)}", _OTHERS[met.link]
    if status == 429:
        return f"{named}{address(met.authority)} asks to wait: throttled", _LATER
    found = next((each for each in _KNOWN if each.pattern.search(met.words)), None)
    if found is not None:
        return f"{named}{found.words(met) if found.words else _plain(met.words)}", found.do
    if met.link == "WorkloadIdentityCredential" and "[Errno" in met.words:
        return f"{named}{_plain(met.words)}", "set AZURE_FEDERATED_TOKEN_FILE to the file of the token"
    if met.link == "EnvironmentCredential":
        return f"{named}{_plain(met.words)}", "check AZURE_TENANT_ID, AZURE_CLIENT_ID, and the application's secret or certificate"
    return f"{named}{_plain(met.words)}", _AGAIN


def _half_configured() -> tuple[str, str] | None:
    """What an environment lacks that names an application, but not whole; None where it names none, or all of one."""
    has = [name for name in (*_APPLICATION, _CERTIFICATE) if os.environ.get(name)]
    by_token = os.environ.get("AZURE_FEDERATED_TOKEN_FILE") or os.environ.get("AZURE_USERNAME")
    lacks = [name for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID") if name not in has]
    if not {"AZURE_CLIENT_SECRET", _CERTIFICATE} & {*has} and not by_token:
        lacks.append("AZURE_CLIENT_SECRET")
    if not has or not lacks:
        return None
    missing = " and ".join(lacks)
    return (
        f"{' and '.join(has)} {'is' if len(has) == 1 else 'are'} set, and {missing} {'is' if len(lacks) == 1 else 'are'} not",
        f"set {missing}{f' (or {_CERTIFICATE})' if 'AZURE_CLIENT_SECRET' in lacks else ''}, or sign in with az login",
    )


def malformed(error: Exception, environment: Mapping[str, str]) -> CnammError:
    """An environment of which azure-identity can make no credential: the variable, by what the SDK says of it."""
    said = safe(str(error))
    if _NARROWED in said:
        valid = re.search(r"Valid values are: (.*?)\.?$", said)
        do = f"write one of {valid[1]}, or leave it out" if valid else "leave it out"
        return UsageError(f"{environment.get(_NARROWED, '')[:100]!r} is no kind of credential", where=_NARROWED, do=do)
    empty = next((name for name in (*_APPLICATION, _CERTIFICATE) if environment.get(name) == ""), None)
    if empty is not None:
        return UsageError(f"{empty} is set, and empty", where=empty, do="give it a value, or unset it")
    tenant = environment.get("AZURE_TENANT_ID", "")
    if "tenant" in said.lower() and (problem := tenant_problem(tenant)) is not None:
        return UsageError(problem[0], where="AZURE_TENANT_ID", do=problem[1])
    file = environment.get(_CERTIFICATE)
    if file and "password" in said.lower():
        return CredentialsError(
            "the key of the certificate is not opened by this password", where=_PASSWORD, do=f"set it to that of {file}"
        )
    if file:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else said
        return CredentialsError(
            f"no usable certificate: {reason}",
            where=f"{_CERTIFICATE}={file}",
            do="name a file that holds the certificate and its key, as PEM",
        )
    return CredentialsError(f"no usable Azure credentials: {said}", where="azure", do="mend the variables that begin with AZURE_")


def _first(words: str) -> str:
    """The first sentence, without the numbers by which somebody at Microsoft finds it."""
    line = words.strip().split("\n")[0]
    return safe(re.split(r"(?<=[.:]) (?:Trace ID|Correlation ID|To mitigate|Visit|Timestamp)", line)[0][:300].strip().rstrip("."))


def _plain(words: str) -> str:
    """What was said, without the shape in which Python prints it: `failed: {'code': 'X', 'message': 'y'}` is `failed: X: y`."""
    words = re.sub(r"\[Errno -?\d+\] ", "", words)
    found = re.search(r"(?P<shape>\{.*\}|\('.*)$", words)
    if found is None:
        return words
    try:
        made = ast.literal_eval(found["shape"])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        made = re.findall(r"'([^']+)'", found["shape"])[:1]
    made = [made] if isinstance(made, str) else made
    parts = [str(made[key]) for key in ("code", "message") if made.get(key)] if isinstance(made, dict) else [str(each) for each in made]
    return words[: found.start()] + ": ".join(parts)
