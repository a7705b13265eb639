"""Evidence-collecting maturity scanner for AWS, Azure, GCP and Kubernetes."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # as typing has it, which takes its time to import: the program hears no Ctrl-C before
if TYPE_CHECKING:
    from typing import Any

    from cnamm_scan.api import Result, Scan, Severity, TargetOptions, Verdict, evaluate, load_bundle, scan

__all__ = ["Result", "Scan", "Severity", "TargetOptions", "Verdict", "__version__", "evaluate", "load_bundle", "scan"]


def __getattr__(name: str) -> Any:
    """The public functions, imported when first used: importing the package itself costs nothing."""
    if name in __all__:
        from cnamm_scan import api

        return getattr(api, name)
    raise AttributeError(f"module 'cnamm_scan' has no attribute '{name}'")
