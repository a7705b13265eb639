"""The proxy that stands between: the environment names it, in words of which urllib3 has many of its own."""

from __future__ import annotations

import re
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from cnamm_scan.errors import UsageError

_HOST = re.compile(r"[\w.:-]+", re.ASCII)


def proxy_for(host: str) -> str | None:
    """The proxy that the environment names for https, and for this host. Raises UsageError for what is none."""
    said = None if proxy_bypass(host) else getproxies().get("https")
    if not said:
        return None
    url = said if "://" in said else f"http://{said}"
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "") and parts.port != 0:
            return url
    except ValueError:
        pass
    raise UsageError("the proxy is none that speaks http", where="HTTPS_PROXY", do="write http://HOST:PORT, or leave it out")
