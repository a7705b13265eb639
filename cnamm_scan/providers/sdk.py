"""Says which extra to install when an SDK is missing."""

from __future__ import annotations

from importlib.util import find_spec

from cnamm_scan.errors import ProviderError


def need(module: str, extra: str) -> None:
    """Raise ProviderError when `module` is not installed."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # nor is what it would be a part of
        found = None
    if found is None:
        raise ProviderError(f"{module} is not installed", where=extra, do=f"pip install '.[{extra}]' in the clone of cnamm-scan")
