"""What a person may say of Azure, and how it must be written: its three clouds, addresses of others, tenants, management groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Cloud:
    """One place: who answers, who signs in, and for whom a token is."""

    endpoint: str
    """Resource Manager's URL, without a slash at its end."""
    authority: str
    """Microsoft Entra's URL."""
    audience: str
    """What a token is asked for; `/.default` follows it."""

    @property
    def scope(self) -> str:
        """The scope of a token."""
        return f"{self.audience.rstrip('/')}/.default"


CLOUDS: Mapping[str, Cloud] = {
    "public": Cloud("https://management.azure.com", "https://login.microsoftonline.com", "https://management.azure.com"),
    "usgov": Cloud("https://management.usgovcloudapi.net", "https://login.microsoftonline.us", "https://management.core.usgovcloudapi.net"),
    "china": Cloud("https://management.chinacloudapi.cn", "https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn"),
}


def cloud_of(name: str | None, endpoint: str | None, authority: str | None, audience: str | None) -> Cloud:
    """A cloud by its name, with what was said of it besides. A token for an endpoint of one's own is asked for that endpoint."""
    cloud = CLOUDS[name or "public"]
    if endpoint:
        cloud = replace(cloud, endpoint=_with_scheme(endpoint).rstrip("/"), audience=_with_scheme(endpoint))
    if authority:
        cloud = replace(cloud, authority=_with_scheme(authority).rstrip("/"))
    return replace(cloud, audience=_with_scheme(audience)) if audience else cloud


def _with_scheme(url: str) -> str:
    """A URL where a bare host may be written: it is spoken to over TLS, as every other."""
    return url if "://" in url else f"https://{url}"


def cloud_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with the name of a cloud."""
    return None if name in CLOUDS else (f"no cloud {name[:100]!r}", f"write {', '.join(CLOUDS)}")


def url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with an address that is sent tokens: it must speak TLS. The URL is not repeated: it may hold a password."""
    try:
        parts = urlsplit(_with_scheme(url))
        whole = _is_host(parts.hostname or "") and parts.port != 0 and parts.username is None
    except ValueError:
        return "the address is no URL", "write https://HOST"
    if parts.scheme == "http":
        return "the address is not https, and a token sent there could be read by anybody on the way", "write https://HOST"
    if not whole or parts.scheme != "https" or not url.isprintable() or not _PATH.fullmatch(parts.path) or "?" in url or "#" in url:
        return "the address is no URL", "write https://HOST"
    return None


_NAME = re.compile(r"(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-)[a-z0-9_-]{1,63}(?<!-)\.?", re.ASCII | re.IGNORECASE)
_PATH = re.compile(r"[\w/.~-]*", re.ASCII)


def _is_host(host: str) -> bool:
    """Whether every library that is on the way to a host reads its name alike: what one of them takes for a part of the path is none."""
    if ":" not in host:
        return len(host) <= 253 and _NAME.fullmatch(host) is not None
    try:
        return IPv6Address(host).scope_id is None
    except AddressValueError:
        return False


GROUP = "mg/"
"""How what follows the colon of a TARGET begins where it names a management group."""
_GROUP = re.compile(r"[\w().-]{1,90}", re.ASCII)


def group_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with how the management group of a TARGET is written; None where it names a subscription, or nothing."""
    group = name.removeprefix(GROUP)
    if group == name or _GROUP.fullmatch(group):
        return None
    what = f"{group[:100]!r} is no id of a management group" if group else "mg/ names no management group"
    return what, "write azure:mg/NAME, by the group's id: az account management-group list"


_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def tenant_problem(name: str) -> tuple[str, str] | None:
    """What is wrong with how a tenant is written."""
    if _TENANT.fullmatch(name):
        return None
    return f"{name[:100]!r} is no tenant", "write its id or one of its domains, such as contoso.onmicrosoft.com"
