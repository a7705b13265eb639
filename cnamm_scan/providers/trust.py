"""Whose certificates are trusted: the file of `--ca-bundle`, or what the variables of requests name; looked at before anything is asked."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from cnamm_scan.errors import UsageError

_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those by which requests is told, first one first. Either may name a folder as OpenSSL hashes it."""
_PEM = "name a file of certificates in PEM"


def trusted(ca_bundle: str | None) -> str | None:
    """The file, or folder, of the authorities; None: those that come with certifi. Raises UsageError for one that holds none."""
    if ca_bundle is not None:
        _refuse_unreadable(ca_bundle, f"--ca-bundle {ca_bundle}")
        return ca_bundle
    variable = next((name for name in _VARIABLES if os.environ.get(name)), None)
    if variable is None:
        return None
    said = os.environ[variable]
    if not Path(said).is_dir():
        _refuse_unreadable(said, f"{variable}={said}")
    return said


def _refuse_unreadable(file: str, where: str) -> None:
    if not file or "\0" in file:
        raise UsageError("the name of a file is empty, or none", where=where, do=_PEM)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if Path(file).is_dir():
            raise UsageError("is a folder", where=where, do=_PEM)
        context.load_verify_locations(cafile=file)
        found = context.cert_store_stats()["x509"]
    except ssl.SSLError:  # a kind of OSError
        found = 0
    except FileNotFoundError as error:
        raise UsageError("no such file", where=where, do=_PEM) from error
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror or error}", where=where, do=_PEM) from error
    if not found:
        raise UsageError("holds no certificate", where=where, do=_PEM)
