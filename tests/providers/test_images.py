"""Names of images: whose registry, which version, pinned or moving."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.images import moves, reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("nginx", ("docker.io", "library/nginx", "latest", "")),
        ("nginx:1.27", ("docker.io", "library/nginx", "1.27", "")),
        ("bitnami/nginx", ("docker.io", "bitnami/nginx", "latest", "")),
        ("docker.io/library/nginx:1", ("docker.io", "library/nginx", "1", "")),
        ("registry.example.com/shop/web:v2", ("registry.example.com", "shop/web", "v2", "")),
        ("registry.example.com/web", ("registry.example.com", "web", "latest", "")),
        ("registry:5000/web", ("registry:5000", "web", "latest", "")),
        ("registry:5000/web:1", ("registry:5000", "web", "1", "")),
        ("10.0.0.1:5000/a/b/c:1", ("10.0.0.1:5000", "a/b/c", "1", "")),
        ("[fd00::1]:5000/web:1", ("[fd00::1]:5000", "web", "1", "")),
        ("localhost/web", ("localhost", "web", "latest", "")),
        ("localhost:5000/web", ("localhost:5000", "web", "latest", "")),
        ("localhosts/web", ("docker.io", "localhosts/web", "latest", "")),
        (f"nginx@{DIGEST}", ("docker.io", "library/nginx", "", DIGEST)),
        (f"nginx:1.27@{DIGEST}", ("docker.io", "library/nginx", "1.27", DIGEST)),
        (f"registry:5000/web@{DIGEST}", ("registry:5000", "web", "", DIGEST)),
        (f"registry:5000/web:1@{DIGEST}", ("registry:5000", "web", "1", DIGEST)),
        ("index.docker.io:443/library/nginx:1", ("docker.io", "library/nginx", "1", "")),
        ("registry-1.docker.io/nginx:1", ("docker.io", "library/nginx", "1", "")),
        ("Docker.IO/bitnami/nginx:1", ("docker.io", "bitnami/nginx", "1", "")),
        ("x@sha512:" + "0a" * 64, ("docker.io", "library/x", "", "sha512:" + "0a" * 64)),
        ("x:v1@sha256:" + "a" * 32, ("docker.io", "library/x", "v1", "")),
        ("x@SHA256:" + "a" * 64, ("docker.io", "library/x", "", "")),
        ("x@sha256:" + "A" * 64, ("docker.io", "library/x", "", "")),
        ("x@md5:" + "a" * 32, ("docker.io", "library/x", "", "")),
        ("nginx@sha256:short", ("docker.io", "library/nginx", "", "")),
        ("NGINX:Latest", ("docker.io", "library/NGINX", "Latest", "")),
        ("Registry.Example.COM/Web", ("registry.example.com", "Web", "latest", "")),
        ("nginx:", ("docker.io", "library/nginx", "", "")),
    ],
)
def test_the_name_of_an_image(image: str, expected: tuple[str, str, str, str]) -> None:
    found = reference(image)
    assert found is not None
    assert (found["registry"], found["repository"], found["tagName"], found["digest"]) == expected


@pytest.mark.parametrize("image", ["", None, 5, ["nginx"], {}])
def test_what_names_no_image(image: Any) -> None:
    assert reference(image) is None


def test_a_password_before_a_registry_is_no_part_of_the_images_name() -> None:
    plain = reference("registry.example.com:5000/team/app:1.0")
    assert reference("user:canary@registry.example.com:5000/team/app:1.0") == plain
    assert reference(f"user:canary@registry.example.com/app:1.0@{DIGEST}") == reference(f"registry.example.com/app:1.0@{DIGEST}")


@pytest.mark.parametrize(
    "tag",
    [
        "",
        *"latest LATEST Latest latest-alpine latest-alpine3.20 1.2-latest canary edge nightly main master dev stable stable-alpine".split(),
        *"next rc 1.0-SNAPSHOT alpine bookworm nonroot prod v".split(),
    ],
)
def test_tags_that_are_meant_to_move(tag: str) -> None:
    assert moves(tag)


@pytest.mark.parametrize(
    "tag",
    "1 1.4 v2 1.27-alpine main-3f2a1c9 nightly-20240101 dev-1.2 3f2a1c9 deadbeef 2024.1 stable-2024-01-01 release-17 alpine3.20".split(),
)
def test_tags_that_name_a_version(tag: str) -> None:
    assert not moves(tag)


@given(st.text("abcLATESTlatest-._0123", max_size=12))
def test_case_never_matters_to_a_tag(tag: str) -> None:
    assert moves(tag) == moves(tag.lower()) == moves(tag.upper())


@pytest.mark.parametrize(
    ("image", "public"),
    [
        ("nginx", True),
        ("index.docker.io:443/library/nginx:1", True),
        ("QUAY.io/x/y", True),
        ("eu.gcr.io/p/x", True),
        ("registry.k8s.io/pause:3.9", True),
        ("public.ecr.aws/x/y", True),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com/x", False),
        ("harbor.example.com/x", False),
        ("docker.io.example.com/x", False),
        ("localhost:5000/x", False),
    ],
)
def test_registries_for_everybody(image: str, public: bool) -> None:
    found = reference(image)
    assert found is not None
    assert found["isPublic"] is public


def test_a_moving_tag_beside_a_digest_moves_nothing() -> None:
    found = reference(f"app:latest@{DIGEST}")
    assert found is not None
    assert found["moves"] is False
    broken = reference("app:latest@sha256:abc")
    assert broken is not None
    assert broken["moves"] is True


@pytest.mark.parametrize(
    ("image", "for_all", "of_project"),
    [
        ("nginx:1.29", True, False),
        ("acme/web:1", False, False),
        ("ghcr.io/acme/web:1", False, False),
        ("registry.k8s.io/pause:3.10", True, False),
        ("gcr.io/distroless/static", True, False),
        ("eu.gcr.io/acme-prod/web:1", False, True),
        ("europe-docker.pkg.dev/acme/web/app:1", False, False),
    ],
)
def test_what_is_for_everybody_and_what_may_be_somebodys_own(image: str, for_all: bool, of_project: bool) -> None:
    said = reference(image)
    assert said is not None
    assert (said["isForAll"], said["isOfProject"]) == (for_all, of_project)
