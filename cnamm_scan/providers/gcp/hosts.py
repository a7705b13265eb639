"""Where Google's APIs answer: each service has a host of its own, or one address stands for all of them. The token goes nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

_BEGINS: Mapping[str, str] = {**{each: f"{each}/" for each in ("bigquery", "compute", "dns", "storage")}, "admin": "admin/directory/"}
"""Services whose paths begin with their own name, as they did when one host held several."""


def endpoint_problem(said: str) -> tuple[str, str] | None:
    """What is wrong with an address that stands for all services: (what, what to do)."""
    do = "write https://HOST or https://HOST:PORT"
    try:
        parts = urlsplit(_whole(said))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "the address is no URL", do
    if parts.scheme != "https":
        return "a token would go over the wire as it is", do
    if not host or port == 0 or not said.isprintable() or " " in said:
        return "the address names no host", do
    if parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/"):
        return "the address is more than a host and its port", do
    return None


def _whole(said: str) -> str:
    return said if "://" in said else f"https://{said}"


@dataclass(frozen=True, slots=True)
class Hosts:
    """The addresses of one universe of services."""

    endpoint: str | None = None
    """What answers in place of every host: gRPC and REST on one port, as Google's own do, the service first in a path."""
    universe: str = "googleapis.com"

    @property
    def inventory(self) -> str:
        """`HOST:PORT` of Asset Inventory."""
        if self.endpoint is None:
            return f"cloudasset.{self.universe}:443"
        parts = urlsplit(_whole(self.endpoint))
        host = parts.hostname or ""
        return f"{f'[{host}]' if ':' in host else host}:{parts.port or 443}"

    def url(self, service: str, path: str) -> str:
        """The address of a path of a service: `logging`, `v2/projects/p/sinks`."""
        if self.endpoint is not None:
            return f"https://{self.inventory}/{service}/{path}"
        return f"https://{service}.{self.universe}/{_BEGINS.get(service, '')}{path}"

    @property
    def shown(self) -> str:
        """Who is meant, for an error."""
        return f"https://{self.inventory}"
