"""Policies as they are written, read: what the tests of each question begin with."""

from __future__ import annotations

from typing import Any

from cnamm_scan.providers.aws.policies.documents import Document, read


def document(*statements: Any) -> Document:
    """A policy of these statements."""
    return read({"Version": "2012-10-17", "Statement": list(statements)})
