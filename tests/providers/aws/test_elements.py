"""Elements of elements, as they are collected: each is told of the item that it is in, not of the list between them."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.engine.schedule import Limits
from tests.servers import Asked, BadServer, Wire, account, said

GATE = "aws.codepipeline.image_pipelines_have_a_gate"
SCAN = {"InspectorRunMode": "ECRImageScan", "CriticalThreshold": "0"}


def action(category: str, provider: str, **configuration: str) -> dict[str, Any]:
    kind = {"category": category, "owner": "AWS", "provider": provider, "version": "1"}
    return {"name": provider, "actionTypeId": kind, "configuration": configuration}


def verdict(*stages: list[dict[str, Any]]) -> str:
    pipeline = {
        "name": "shop",
        "roleArn": "arn:aws:iam::111111111111:role/pipeline",
        "stages": [{"name": f"stage-{number}", "actions": actions} for number, actions in enumerate(stages)],
    }

    def told(asked: Asked) -> Wire:
        operation = asked.headers["x-amz-target"].rpartition(".")[2]
        return said({"ListPipelines": {"pipelines": [{"name": "shop"}]}, "GetPipeline": {"pipeline": pipeline}}[operation])

    with (
        BadServer(account(told)) as server,
        api.scan(["aws"], rules=[GATE], options=api.TargetOptions(endpoint_url=server.url), limits=Limits(attempts=1)) as done,
    ):
        (result,) = done.results()
        return result.verdict.value


BUILD, LOOK, DEPLOY = action("Build", "ECRBuildAndPublish"), action("Invoke", "InspectorScan", **SCAN), action("Deploy", "ECS")


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        ([[BUILD], [LOOK], [DEPLOY]], "pass"),
        ([[BUILD], [DEPLOY]], "fail"),
        ([[BUILD], [LOOK, DEPLOY]], "unknown"),
        ([[BUILD], [action("Invoke", "Lambda")], [DEPLOY]], "unknown"),
    ],
)
def test_actions_are_told_of_their_pipeline_and_stage(stages: list[list[dict[str, Any]]], expected: str) -> None:
    assert verdict(*stages) == expected
