"""Kustomizations, recognised and not carried out: which files beside one are patches and settings, and so no objects of their own.

Fields: the reference of kustomization.yaml, kustomize.config.k8s.io/v1beta1 and v1alpha1 (components), and what both still take of
older ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = Any
NAMES = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})
"""What the file of a kustomization is called: kustomize takes no other."""
GROUP = "kustomize.config.k8s.io"
"""The API group of a kustomization that says what it is. It is no API of a cluster."""
_LISTS_OF_PATHS = ("patchesStrategicMerge", "transformers", "generators", "validators", "configurations", "crds")
_LISTS_WITH_PATHS = ("patches", "patchesJson6902", "replacements")
_OF_RESOURCES = ("resources", "bases", "components")
_LISTING = frozenset({"apiVersion", "kind", "metadata", *_OF_RESOURCES})
"""Fields that change nothing of what they name."""
_GENERATORS = ("configMapGenerator", "secretGenerator")


def is_kustomization(path: Path, document: Json) -> bool:
    """Whether a document is one: by its kind, or by the name of its file."""
    if not isinstance(document, Mapping):
        return False
    api = document.get("apiVersion")
    if isinstance(api, str):
        return api.partition("/")[0] == GROUP
    return path.name in NAMES


def only_lists(document: Mapping[str, Json]) -> bool:
    """Whether it does no more than name resources: what it would render is what these say."""
    named = [document[field] for field in _OF_RESOURCES if document.get(field) is not None]
    return document.keys() <= _LISTING and all(isinstance(each, list) and len(_texts(each)) == len(each) for each in named)


def settings_of(folder: Path, document: Mapping[str, Json]) -> set[Path]:
    """The files that a kustomization in a folder lays over objects or makes them from: each of them says a part, and none is an object."""
    return {_at(folder, name) for name in _named(document)}


def resources_of(folder: Path, document: Mapping[str, Json]) -> set[Path]:
    """The files that it takes as whole objects, whatever else they are used for, and the folders of other kustomizations."""
    return {_at(folder, name) for field in _OF_RESOURCES for name in _texts(document.get(field))}


def _named(document: Mapping[str, Json]) -> Iterator[str]:
    for field in _LISTS_OF_PATHS:
        yield from _texts(document.get(field))
    for field in _LISTS_WITH_PATHS:
        for each in _mappings(document.get(field)):
            yield from _texts([each.get("path")])
    for field in _GENERATORS:
        for each in _mappings(document.get(field)):
            for name in (*_texts(each.get("files")), *_texts(each.get("envs")), *_texts([each.get("env")])):
                yield name.partition("=")[2] or name  # `key=file`
    for each in _mappings(document.get("helmCharts")):
        yield from (*_texts([each.get("valuesFile")]), *_texts(each.get("additionalValuesFiles")))
    openapi = document.get("openapi")
    if isinstance(openapi, Mapping):
        yield from _texts([openapi.get("path")])


def _at(folder: Path, name: str) -> Path:
    return (folder / name).resolve()


def _texts(value: Json) -> list[str]:
    """The texts of a list that may name files: patches may stand there themselves, on lines of their own."""
    if not isinstance(value, list):
        return []
    return [each for each in value if isinstance(each, str) and each and "\n" not in each and "\0" not in each]


def _mappings(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
