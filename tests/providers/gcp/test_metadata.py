"""The metadata of machines: what its switches mean, which keys hold a secret, and that nothing of a value stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.gcp.metadata import metadata

SECRET = "hunter2-sentinel"


def _of(**pairs: str | None) -> dict[str, Any]:
    said = metadata({"items": [{"key": key.replace("_", "-"), "value": value} for key, value in pairs.items()]})
    assert isinstance(said, dict)
    return said


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *((text, "on") for text in ("TRUE", "true", "Y", "1", " Yes ")),
        *((text, "off") for text in ("FALSE", "No", "0")),
        *((text, "odd") for text in ("", "enabled", None)),
    ],
)
def test_a_switch_is_on_in_all_its_spellings(written: str | None, meant: str) -> None:
    assert _of(enable_oslogin=written)["osLogin"] == meant


def test_a_switch_that_is_not_set_is_left_out() -> None:
    assert "osLogin" not in _of(env="prod")
    assert metadata({}) == metadata({"items": []}) == _of()


def test_a_zone_writes_a_map() -> None:
    assert metadata({"items": {"enable-oslogin": "TRUE"}}) == _of(enable_oslogin="TRUE")


def test_secrets_are_named_and_nothing_of_them_stays() -> None:
    said = _of(
        startup_script=f"#!/bin/sh\nexport DB_PASSWORD={SECRET}\n", api_password=SECRET, env="prod", db_url=f"postgres://shop:{SECRET}@db/x"
    )
    assert said["holding"] == ["startup-script DB_PASSWORD", "api-password", "db-url"]
    assert said["hasStartupScript"]
    assert SECRET not in json.dumps(said)


def test_what_nobody_sees_is_not_plain() -> None:
    assert _of(startup_script=None, db_password=None)["unsure"] == ["db-password", "startup-script"]
    assert _of(user_data="bm90IGd6aXA=", user_data_encoding="base64")["unsure"] == []
    assert _of(user_data="not base64 at all", user_data_encoding="base64")["unsure"] == ["user-data"]


def test_keys_of_people_are_counted() -> None:
    said = _of(ssh_keys="a:ssh-ed25519 AAAA a@b\n# old\n\nb:ssh-rsa BBBB b@c", created_by="projects/1/zones/z-a/instanceGroupManagers/web")
    assert (said["keysOfPeople"], said["manager"], said["holding"]) == (2, "projects/1/zones/z-a/instanceGroupManagers/web", [])
    assert "a@b" not in json.dumps(said)
    assert _of(env="prod")["keysOfPeople"] == 0
    assert _of(ssh_keys=None)["keysOfPeople"] == "hidden"


def test_what_gke_writes_is_left_to_gke() -> None:
    node = {"kube-env": f"KUBELET_KEY: {SECRET}", "kubelet-config": "x", "kubeconfig": f"token: {SECRET}", "db-password": SECRET}
    assert metadata({"items": node})["holding"] == ["db-password"]
    assert metadata({"items": {"kubeconfig": f"token: {SECRET}"}})["holding"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=5),
        lambda e: st.lists(e, max_size=3) | st.dictionaries(st.sampled_from(["items", "key", "value"]), e),
    )
)
def test_of_another_shape_it_is_none(value: Any) -> None:
    said = metadata(value)
    assert said is None or isinstance(said, dict)
