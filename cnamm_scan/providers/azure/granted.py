"""What a caller was granted: operations against the patterns of roles, for the plan and for what Resource Graph leaves out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
"""The id of the built-in role Reader: `*/read` and nothing else."""

PERMISSIONS = "Microsoft.Authorization/permissions/read"
"""The right to know what one may do in a subscription."""
PERMISSIONS_DENIED = "PermissionsNotReadable"
"""The code where that is refused: of what may not be read nothing is known, whatever else is granted."""


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.IGNORECASE | re.DOTALL)


def covers(pattern: str, operation: str) -> bool:
    """Whether a pattern of a role (`*/read`, `Microsoft.Sql/*`) holds an operation: `*` stands for anything, in any case."""
    return _pattern(pattern).fullmatch(operation) is not None


@dataclass(frozen=True, slots=True)
class Permission:
    """One entry of a role's permissions, or of a caller's."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    not_data: tuple[str, ...] = ()
    condition: str = ""
    """Some built-in roles bound what they give."""

    @staticmethod
    def read(said: Mapping[str, Any]) -> Permission:
        """As Resource Manager writes it."""
        actions, left_out, data, data_left_out = (
            _texts(said.get(name)) for name in ("actions", "notActions", "dataActions", "notDataActions")
        )
        return Permission(actions, left_out, data, data_left_out, str(said.get("condition") or ""))

    def gives(self, operation: str, *, data: bool = False) -> bool:
        """Whether it holds an operation: what it leaves out is left out of this one alone."""
        held, left_out = (self.data, self.not_data) if data else (self.actions, self.not_actions)
        return any(covers(each, operation) for each in held) and not any(covers(each, operation) for each in left_out)


def allows(permissions: Iterable[Permission], operation: str) -> bool:
    """Whether some of a caller's permissions hold an operation: what one of them leaves out another may still give."""
    return any(each.gives(operation) for each in permissions)


def missing_from_reader(rights: Sequence[str]) -> list[str]:
    """The rights that Reader does not hold."""
    return [right for right in rights if not covers("*/read", right)]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
