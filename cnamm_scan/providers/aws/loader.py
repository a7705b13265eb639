"""botocore with only the operations that a plan asks for: a tenth of the memory, and clients in less time.

A service's description holds every operation (EC2's alone some seven hundred). Whatever is not asked is dropped when it is read,
with the shapes that nothing else names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.loaders import Loader

Json = dict[str, Any]


class LeanLoader(Loader):  # type: ignore[misc]
    """Loads descriptions as botocore does, then keeps what `operations` names. Services not named are kept whole."""

    def __init__(self, like: Loader, operations: Mapping[str, frozenset[str]]) -> None:
        super().__init__(include_default_search_paths=False)
        self._search_paths = like.search_paths
        self._operations = operations
        self._pruned: dict[str, Json] = {}

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Json:
        """As botocore's; `service-2` and `paginators-1` without what is never asked."""
        keep = self._operations.get(service_name)
        if keep is None or type_name not in ("service-2", "paginators-1"):
            whole: Json = super().load_service_model(service_name, type_name, api_version)
            return whole
        name = f"{service_name} {type_name} {api_version}"
        if name not in self._pruned:
            whole = super().load_service_model(service_name, type_name, api_version)
            self._pruned[name] = pruned(whole, keep) if type_name == "service-2" else _pages(whole, keep)
            self._forget(service_name)
        return self._pruned[name]

    def _forget(self, service: str) -> None:
        """Drop the whole description from the cache of the class above."""
        for key in list(self._cache):  # a copy: other threads load paginators meanwhile
            names = [part for part in key if isinstance(part, str)]
            if any(name.split("/")[0] == service for name in names) and any("service-2" in n or "paginators-1" in n for n in names):
                self._cache.pop(key, None)


def pruned(model: Json, keep: frozenset[str]) -> Json:
    """A service description with these operations and the shapes that they reach."""
    operations = {
        name: {k: v for k, v in model["operations"][name].items() if k != "documentation"} for name in keep if name in model["operations"]
    }
    shapes: Json = {}
    todo = [ref["shape"] for operation in operations.values() for ref in _references(operation)]
    while todo:
        name = todo.pop()
        if name in shapes:
            continue
        shape = _without_words(model["shapes"][name])
        shapes[name] = shape
        todo += [ref["shape"] for ref in _references(shape)]
    return {**{key: value for key, value in model.items() if key != "documentation"}, "operations": operations, "shapes": shapes}


def _references(value: Any) -> list[Json]:
    """Every `{"shape": NAME}` beneath, wherever it stands."""
    found: list[Json] = []
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            if isinstance(each.get("shape"), str):
                found.append(each)
            stack += each.values()
        elif isinstance(each, list):
            stack += each
    return found


def _without_words(value: Any) -> Any:
    if isinstance(value, dict):
        # a member may itself be called "documentation": then it is a reference, not words
        return {key: _without_words(part) for key, part in value.items() if not (key == "documentation" and isinstance(part, str))}
    return [_without_words(part) for part in value] if isinstance(value, list) else value


def _pages(model: Json, keep: frozenset[str]) -> Json:
    return {**model, "pagination": {name: spec for name, spec in model.get("pagination", {}).items() if name in keep}}
