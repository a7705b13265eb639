"""A container of Azure with what its image's name says."""

from __future__ import annotations

import pytest

from cnamm_scan.providers.azure.containers import container
from cnamm_scan.providers.images import reference


@pytest.mark.parametrize("image", ["nginx", "shop.azurecr.io/web:1.4", "mcr.microsoft.com/k8se/quickstart:latest", "", None, 7])
def test_a_container_is_kept_and_its_image_is_read_as_everywhere(image: object) -> None:
    made = container({"name": "web", "image": image, "env": []})
    assert made == {"name": "web", "image": image, "env": [], "imageReference": reference(image)}


@pytest.mark.parametrize("value", [None, "web", ["web"]])
def test_what_is_no_container_is_none(value: object) -> None:
    assert container(value) is None
