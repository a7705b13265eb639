"""A container of Azure with what its image's name says, and with the names of settings that are secrets written out."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.azure.containers import container
from cnamm_scan.providers.images import reference

WRITTEN = "s3nt1nel-Qx81-ZuRo"


@pytest.mark.parametrize("image", ["nginx", "shop.azurecr.io/web:1.4", "mcr.microsoft.com/k8se/quickstart:latest", "", None, 7])
def test_a_container_is_kept_and_its_image_is_read_as_everywhere(image: object) -> None:
    made = container({"name": "web", "image": image})
    assert made["imageReference"] == reference(image)
    assert {key: made[key] for key in ("name", "image")} == {"name": "web", "image": image}


@pytest.mark.parametrize(
    ("said", "holding"),
    [
        ({"env": [{"name": "SMTP_PASSWORD", "value": WRITTEN}]}, ["SMTP_PASSWORD"]),
        ({"env": [{"name": "SMTP_PASSWORD", "secretRef": "smtp"}]}, []),
        ({"env": [{"name": "LOG_LEVEL", "value": "debug"}]}, []),
        ({"args": [f"--password={WRITTEN}"]}, ["--password"]),
        ({"env": None, "command": None, "args": None}, []),
        ({"env": ["odd", None], "args": "odd"}, []),
    ],
)
def test_a_secret_is_found_where_its_value_is_written_out_and_nowhere_else(said: dict[str, Any], holding: list[str]) -> None:
    made = container({"name": "web", **said})
    assert made["found"]["holding"] == holding
    assert WRITTEN not in str(made["found"])


@pytest.mark.parametrize("value", [None, "web", ["web"]])
def test_what_is_no_container_is_none(value: object) -> None:
    assert container(value) is None
