"""A container of Azure with what its image's name says, and with the names of settings that are secrets written out."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.demo.azure.bed.server import AzureBed
from cnamm_scan.providers.azure.containers import container
from cnamm_scan.providers.images import reference
from tests.azures import ONE, scan, tenant

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


def test_what_runs_before_the_containers_of_an_app_is_judged_with_them() -> None:
    web = {"name": "web", "image": "shop.azurecr.io/web:1.4", "env": [{"name": "MODE", "value": "fast"}]}
    seed = {"name": "seed", "image": "shop.azurecr.io/seed:1", "env": [{"name": "DB_PASSWORD", "value": "hunter2-Kx91"}]}
    template = {"containers": [web], "initContainers": [seed]}
    id_ = f"/subscriptions/{ONE}/resourceGroups/rg/providers/Microsoft.App/containerApps/shop"
    rule = "azure.containerapps.settings_hold_no_secret"
    app = {"id": id_, "location": "West Europe", "properties": {"template": template}}
    with AzureBed(tenant(app)) as bed, scan(bed, rules=[rule]) as done:
        assert (1, 1) in {(tally.pass_, tally.fail) for tally in done.tallies if tally.rule == rule}
