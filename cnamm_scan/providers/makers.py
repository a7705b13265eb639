"""Functions of a wing named before they are imported: content names them whenever anything runs, few runs call them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.interface import SeenTables


def later(wing: str, module: str, function: str, *more: Any) -> Callable[[SeenTables], Iterable[MadeRow]]:
    """The function of a module in a wing's `made/`, which is imported when it is called; `more` follows the tables."""

    def make(seen: SeenTables) -> Iterable[MadeRow]:
        made: Iterable[MadeRow] = getattr(import_module(f"cnamm_scan.providers.{wing}.made.{module}"), function)(seen, *more)
        return made

    return make
