"""What an image's name says, for every provider that runs containers: whose registry, which version, pinned or moving."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

Json = Any

DOCKER_HUB = "docker.io"
_HUBS = frozenset(
    {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com", "registry.docker.io"}
)
"""Hosts by which Docker Hub is called."""
_PUBLIC = re.compile(
    r"docker\.io|quay\.io|ghcr\.io|(?:[a-z]+\.)?gcr\.io|k8s\.gcr\.io|public\.ecr\.aws|registry\.k8s\.io|mcr\.microsoft\.com|registry\.gitlab\.com"
    r"|docker\.elastic\.co|nvcr\.io|registry\.(?:access|connect)?\.?redhat\.(?:com|io)|cgr\.dev|lscr\.io|docker\.n8n\.io|registry\.opensource\.zalan\.do"
    r"|xpkg\.(?:upbound|crossplane)\.io|docker\.litellm\.ai|container-registry\.oracle\.com|icr\.io|gcr\.io"
)
"""Registries from which anybody may pull, that belong to nobody who scans."""
_FOR_ALL = re.compile(
    r"docker\.io/library/.*|(?:registry\.k8s\.io|k8s\.gcr\.io|mcr\.microsoft\.com|public\.ecr\.aws|docker\.elastic\.co|lscr\.io|docker\.n8n\.io"
    r"|docker\.litellm\.ai|registry\.opensource\.zalan\.do)/.*"
    r"|(?:[a-z]+\.)?gcr\.io/(?:google[-_]containers|google-samples|google\.com|distroless|kubebuilder|kaniko-project|cloudsql-docker|gke-release"
    r"|cloud-marketplace|knative-releases|tekton-releases|ml-pipeline|kubernetes-e2e-test-images|projectcontour|cadvisor|k8s-skaffold"
    r"|spark-operator|istio-release|datadoghq|stackdriver-agents)/.*"
)
"""Of these what holds images for everybody and nobody's own: whole registries, and projects of the others."""
_OF_PROJECTS = re.compile(r"(?:[a-z]+\.)?gcr\.io")
"""Registries with a part for each customer of the cloud, at which its nodes sign in by themselves."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
"""The two algorithms that registries know; any other word behind an @ pins nothing."""
_MOVING = frozenset("latest snapshot".split())
"""Words that make a tag move wherever they stand in it."""
_BRANCHES = frozenset(
    "canary edge nightly main master dev devel develop development stable unstable testing test head trunk rolling current next beta alpha"
    " rc lts mainline release prod production staging qa daily weekly experimental preview insiders".split()
)
"""Words that name a branch or a channel where nothing behind them says which state of it."""


@lru_cache(maxsize=8192)
def _reference(image: str) -> dict[str, Json]:
    name, _, digest = image.partition("@")
    if "/" in digest:  # no digest: a password stands before the registry
        name, _, digest = digest.partition("@")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first.lower() == "localhost"):
        registry, path = first.lower().removesuffix(":443"), rest
    else:
        registry, path = DOCKER_HUB, name
    if registry in _HUBS:
        registry, path = DOCKER_HUB, path if "/" in path else f"library/{path}"
    path, colon, tag = path.rpartition(":") if ":" in path.rsplit("/", 1)[-1] else (path, "", "")
    if not colon and not digest:
        tag = "latest"
    pinned = digest if _DIGEST.fullmatch(digest) else ""
    is_for_all = _FOR_ALL.fullmatch(f"{registry}/{path}") is not None
    return {
        "registry": registry,
        "repository": path,
        "tagName": tag,
        "digest": pinned,
        "isPublic": _PUBLIC.fullmatch(registry) is not None,
        "isForAll": is_for_all,
        "isOfProject": _OF_PROJECTS.fullmatch(registry) is not None and not is_for_all,
        "moves": not pinned and moves(tag),
    }


def moves(tag: str) -> bool:
    """Whether a tag is one that is meant to be put on another image: it says latest, names a branch or channel, or no version at all."""
    words = [word for word in re.split(r"[-_.+]", tag.lower()) if word]
    if not words or _MOVING.intersection(words):
        return True
    if not any(map(str.isdigit, tag)):
        return not re.fullmatch(r"[0-9a-f]{7,64}", tag)
    return words[0] in _BRANCHES and not any(any(map(str.isdigit, word)) for word in words[1:])


def reference(image: Json) -> dict[str, Json] | None:
    """What an image's name says as runtimes read it, with docker.io, library/ and latest filled in.

    `{registry, repository, tagName, digest, isPublic, isForAll, isOfProject, moves}`.

    `tagName` is empty beside a digest that stands alone; `digest` where it is none that pins. None for what names no image.
    """
    return _reference(image) if isinstance(image, str) and image else None
