"""Settings inside answers of AWS: judged while they are collected, and gone after that."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.providers.aws.settings import (
    NORMALISERS,
    codebuild_variable,
    ecs_container,
    ecs_task_definition,
    lambda_environment,
    setting_name,
    start_script,
)

PASSWORD = "hunter2hunter2"


def test_variables_of_a_function() -> None:
    found = lambda_environment({"Variables": {"TABLE": "orders", "DB_PASSWORD": PASSWORD, "DB_SECRET": "shop-db"}})
    assert (found["holding"], found["named"], found["unsure"]) == (["DB_PASSWORD"], ["DB_PASSWORD"], ["DB_SECRET"])
    assert lambda_environment({})["holding"] == []
    assert lambda_environment({"Error": {"ErrorCode": "AccessDenied"}})["unsure"] == ["all variables"]
    assert lambda_environment({"Variables": {"TOKEN": None}})["unsure"] == ["TOKEN"]


def test_variables_and_command_of_a_task() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"
    made = ecs_container(
        {
            "name": "web",
            "image": "web:latest",
            "environment": [
                {"name": "API_TOKEN", "value": PASSWORD},
                {"name": "STAGE", "value": "prod"},
                {"name": "DB_PASSWORD", "value": arn},
            ],
            "secrets": [{"name": "X", "valueFrom": arn}],
            "command": ["run", "--password", PASSWORD],
        }
    )
    assert made["found"]["holding"] == ["API_TOKEN", "--password"]
    check = ecs_container({"name": "web", "image": "web:1", "healthCheck": {"command": ["CMD", "probe", "--token", PASSWORD]}})
    assert check["found"]["holding"] == ["--token"]
    assert (
        ecs_container({"name": "web", "image": "web:1", "healthCheck": {"command": ["CMD-SHELL", "curl -f http://localhost/"]}})["found"][
            "holding"
        ]
        == []
    )
    assert made["imageReference"]["moves"] is True


@pytest.mark.parametrize(
    ("variable", "says", "by_name"),
    [
        ({"name": "NPM_TOKEN", "value": PASSWORD, "type": "PLAINTEXT"}, "secret", True),
        ({"name": "NPM_TOKEN", "value": PASSWORD}, "secret", True),
        ({"name": "NPM_TOKEN", "value": "/build/npm", "type": "PARAMETER_STORE"}, "reference", True),
        ({"name": "DB_URL", "value": f"postgres://a:{PASSWORD}@db/x", "type": "PLAINTEXT"}, "secret", False),
        ({"name": "STAGE", "value": "prod", "type": "PLAINTEXT"}, "plain", False),
        ({"name": "TOKEN_URL", "value": "https://x.example.com", "type": "PLAINTEXT"}, "plain", False),
    ],
)
def test_variables_of_a_build(variable: dict[str, str], says: str, by_name: bool) -> None:
    made = codebuild_variable(variable)
    assert (made["says"], made["byName"]) == (says, by_name)
    assert "value" not in made


@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress])
def test_user_data(pack: Any) -> None:
    text = base64.b64encode(pack(f"#!/bin/bash\nexport DB_PASSWORD={PASSWORD}\n".encode())).decode()
    assert start_script(text)["holding"] == ["user data DB_PASSWORD"]
    assert start_script("") == {"holding": [], "named": [], "unsure": [], "shapes": []}
    assert start_script("*")["unsure"] == ["user data"]


def task(path: str, *modes: bool | None, **more: Any) -> dict[str, Any]:
    """A task definition that mounts a path of its host into a container for each mode: True is read-only."""
    mounts = [{"sourceVolume": "v", "containerPath": "/in", **({} if mode is None else {"readOnly": mode})} for mode in modes]
    containers = [{"name": f"c{number}", "mountPoints": [mount]} for number, mount in enumerate(mounts)]
    return {"volumes": [{"name": "v", "host": {"sourcePath": path}}], "containerDefinitions": containers, **more}


def docker(device: str, options: str = "bind", driver: str | None = "local", **more: Any) -> dict[str, Any]:
    """A task definition with a volume that Docker makes."""
    made = {"driver": driver, "driverOpts": {"type": "none", "o": options, "device": device}, **more}
    return {**task("", False), "volumes": [{"name": "v", "dockerVolumeConfiguration": made}]}


def device(path: str) -> dict[str, Any]:
    """A task definition that gives a container a device of its host."""
    return {"containerDefinitions": [{"name": "c", "linuxParameters": {"devices": [{"hostPath": path, "permissions": ["read"]}]}}]}


@pytest.mark.parametrize(
    ("definition", "owned"),
    [
        (docker("/"), True),
        (docker("/var/run/docker.sock", "bind,ro"), True),
        (docker("/etc", "rbind,rw", None), True),
        (docker("/dev/nvme1n1", "ro"), True),
        (docker("/etc", "bind,ro"), False),
        (docker("/data/cache"), False),
        (docker(":/export", "addr=10.0.0.1"), False),
        (docker("/", driver="rexray/ebs"), False),
        (docker("/", driverOpts=None), False),
        (device("/dev/sda"), True),
        (device("/dev/fuse"), False),
        (task("/var/run/docker.sock", True), True),  # whoever speaks to it is root, read-only or not
        (task("/var//run/./docker.sock", True), True),
        (task("/run", True), True),
        (task("/opt/mine/docker.sock", True), True),
        (task("/var/lib/docker/volumes", None), True),
        (task("/usr/bin", False), True),
        (task("/", False), True),
        (task("/dev/nvme1n1", True), True),
        (task("/etc", True), False),
        (task("/proc", True, True), False),
        (task("/etc", True, False), True),
        (task("/etc"), True),  # no mount is told of
        (task("/data/cache", False), False),
        (task("/etcetera", False), False),
        (task("", False), False),
        ({"volumes": [{"name": "v"}], "containerDefinitions": []}, False),
        ({}, False),
    ],
)
def test_paths_by_which_a_task_owns_its_host(definition: dict[str, Any], owned: bool) -> None:
    made = ecs_task_definition(definition)
    assert bool(made.get("coreHostPaths")) is owned
    assert {name: value for name, value in made.items() if name != "coreHostPaths"} == definition


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("/app/db-password", True),
        ("/prod/stripe/api_key", True),
        ("GITHUB_TOKEN", True),
        ("/app/DB_PWD", True),
        ("/shop/signing-key", True),
        ("/shop/password/prod", True),
        ("/app/redis.auth", True),
        ("/app/token-url", False),
        ("/app/TOKEN_TTL", False),
        ("/app/kms-key-id", False),
        ("/secrets/region", False),
        ("/app/password_policy", False),
        ("/app/public-key", False),
    ],
)
def test_names_of_parameters_are_read_as_all_names_of_settings(name: str, secret: bool) -> None:
    assert setting_name(name) == {"name": name, "saysSecret": secret}


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda x: st.lists(x, max_size=3), max_leaves=5)


@given(
    st.sampled_from(sorted(NORMALISERS)),
    JSON | st.dictionaries(st.sampled_from(["Variables", "name", "value", "type", "volumes", "containerDefinitions"]), JSON),
)
def test_anything_at_all_gives_a_document_or_nothing(name: str, value: Any) -> None:
    json.dumps(NORMALISERS[name](value))
