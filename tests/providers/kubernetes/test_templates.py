"""Every kind that makes pods: what it makes is found, what cannot be known is said to be unread, and nothing runs unjudged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import content as reader
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer, Request
from cnamm_scan.providers.kubernetes.manifests import ManifestProvider
from cnamm_scan.providers.kubernetes.templates import _SPECIAL, ANY_GROUP, SEVERAL, TEMPLATES, makes_pods

C = {"name": "main", "image": "registry.example.com/main:1", "securityContext": {"privileged": True}}
POD = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [C], "hostNetwork": True}}


def thing(api: str, kind: str, *, name: str = "web", metadata: Any = None, **body: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "shop", **(metadata or {})}, **body}


def pods(folder: Path, *objects: Any, **more: Any) -> Answer:
    (folder / "objects.json").write_text("\n".join(map(json.dumps, objects)))
    return ManifestProvider(str(folder / "objects.json"), **more).call(Request("v1", "pods", "global"))


def images(answer: Answer) -> list[str]:
    specs = [item["spec"] for item in answer.data["items"] if isinstance(item.get("spec"), dict)]
    return [each["image"] for spec in specs for each in (*spec.get("containers", ()), *spec.get("initContainers", ()))]


def put(steps: tuple[str, ...], value: Any) -> Any:
    for step in reversed(steps):
        value = [value] if step == "[]" else {step: value}
    return value


MAKERS = [
    *((group, kind, put(steps, POD)) for (group, kind), steps in TEMPLATES.items()),
    *((group, kind, put(ways[-1], POD)) for (group, kind), ways in SEVERAL.items()),
    ("serving.knative.dev", "Revision", {"spec": POD["spec"]}),
    ("apps.kruise.io", "SidecarSet", {"spec": {"containers": [C]}}),
    *(
        (
            "argoproj.io",
            kind,
            {"spec": {"hostNetwork": True, "templates": [{"name": "t", "container": C}, {"name": "d", "dag": {"tasks": []}}]}},
        )
        for kind in ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate")
    ),
    ("argoproj.io", "CronWorkflow", {"spec": {"workflowSpec": {"templates": [{"name": "t", "script": {**C, "source": "x"}}]}}}),
    *(("tekton.dev", kind, {"spec": {"steps": [C]}}) for kind in ("Task", "ClusterTask")),
    ("tekton.dev", "TaskRun", {"spec": {"taskSpec": {"steps": [C]}, "podTemplate": {"hostNetwork": True}}}),
    ("tekton.dev", "StepAction", {"spec": C}),
    ("tekton.dev", "Pipeline", {"spec": {"tasks": [{"name": "t", "taskSpec": {"steps": [C]}}, {"name": "u", "taskRef": {"name": "x"}}]}}),
    ("tekton.dev", "PipelineRun", {"spec": {"pipelineSpec": {"finally": [{"name": "t", "taskSpec": {"steps": [C]}}]}}}),
]


def test_every_maker_is_tried_here() -> None:
    assert {(group, kind) for group, kind, _ in MAKERS} == {*TEMPLATES, *SEVERAL, *_SPECIAL}


@pytest.mark.parametrize(("group", "kind", "body"), MAKERS, ids=[f"{kind}.{group}" for group, kind, _ in MAKERS])
def test_the_pods_of_each_kind_are_found(tmp_path: Path, group: str, kind: str, body: Any) -> None:
    for api in ("apps/v1", "extensions/v1beta1", "apps.kruise.io/v1alpha1") if group == ANY_GROUP else (f"{group}/v1" if group else "v1",):
        answer = pods(tmp_path, thing(api, kind, **body))
        assert images(answer) == [C["image"]]
        (item,) = answer.data["items"]
        assert item["spec"]["containers"][0]["securityContext"] == {"privileged": True}
        assert item["metadata"]["ownerReferences"] == [{"kind": kind, "name": "web", "controller": True}]
        assert item["metadata"]["name"].partition("~")[0] == "web"
        assert (answer.left_out, len(answer.origins)) == (None, 1)


@pytest.mark.parametrize("kind", ["Prometheus", "SparkApplication"])
def test_containers_in_a_kind_that_nobody_knows_are_unread_and_named(tmp_path: Path, kind: str) -> None:
    unknown = thing("example.com/v1", kind, spec={"deep": [{"containers": [C]}]})
    answer = pods(tmp_path, thing("v1", "Pod", spec=POD["spec"]), unknown, {**unknown, "metadata": {"name": "other"}})
    assert (images(answer), answer.left_out, answer.left_out_count) == ([C["image"]], Reason.UNSUPPORTED, 2)
    answer = pods(tmp_path, unknown)
    assert (images(answer), answer.left_out, answer.left_out_count) == ([], Reason.UNSUPPORTED, 1)
    (note,) = ManifestProvider(str(tmp_path / "objects.json")).target.scope["notes"]
    assert note.endswith(f"so these are unknown: 1 {kind}.v1.example.com")


@pytest.mark.parametrize(
    "document",
    [
        thing("kyverno.io/v1", "ClusterPolicy", spec={"rules": [{"validate": {"pattern": {"spec": {"containers": [{"image": "*:*"}]}}}}]}),
        thing("v1", "ConfigMap", data={"containers": "image: x"}),
        thing("example.com/v1", "Widget", spec={"containers": 5}),
        thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", spec={"properties": {"containers": {"items": {"image": {}}}}}),
    ],
    ids=lambda each: each["kind"],
)
def test_what_holds_no_containers_makes_no_unread_pod(tmp_path: Path, document: Any) -> None:
    assert pods(tmp_path, document, thing("v1", "Pod", name="a", spec=POD["spec"])).left_out is None


def test_kinds_that_no_table_reads_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        "\n".join(
            json.dumps(each)
            for each in (
                thing("example.com/v1", "Widget"),
                thing("example.com/v1", "Widget", name="b"),
                thing("v1", "ConfigMap"),
                thing("tekton.dev/v1", "Task", spec={"steps": [C]}),
                thing("networking.k8s.io/v9", "Ingress"),
            )
        )
    )
    provider = ManifestProvider(str(tmp_path))
    provider.hear(reader.load([]))
    assert provider.targets[0].scope["unread_kinds"] == [
        {"kind": "Ingress.v9.networking.k8s.io", "objects": 1},
        {"kind": "Widget.v1.example.com", "objects": 2},
    ]
    assert provider.targets[0].scope["notes"] == [
        "3 of 5 objects are of kinds that no table reads: 1 Ingress.v9.networking.k8s.io, 2 Widget.v1.example.com"
    ]


# ---- owners ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, {"kind": "Deployment", "name": "web"}])
def test_an_owner_that_is_here_makes_the_pods_one_that_is_not_makes_none(tmp_path: Path, owner: dict[str, str]) -> None:
    owned = thing("apps/v1", "ReplicaSet", name="web-abc", metadata={"ownerReferences": [owner]}, spec={"template": POD})
    assert len(images(pods(tmp_path, thing("apps/v1", "Deployment", spec={"template": POD}), owned))) == 1
    elsewhere = thing("apps/v1", "Deployment", metadata={"namespace": "bank"}, spec={"template": POD})
    assert len(images(pods(tmp_path, elsewhere, owned))) == 2
    assert [item["metadata"]["name"] for item in pods(tmp_path, owned).data["items"]] == ["web-abc"]


def test_what_owns_itself_is_judged(tmp_path: Path) -> None:
    """At once or in a circle: nothing hides behind its own name."""

    def owned(name: str, by: str) -> dict[str, Any]:
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": by}
        return thing("apps/v1", "Deployment", name=name, metadata={"ownerReferences": [owner]}, spec={"template": POD})

    assert len(images(pods(tmp_path, owned("a", "a")))) == 1
    assert len(images(pods(tmp_path, owned("a", "b"), owned("b", "a")))) == 2
    assert len(images(pods(tmp_path, owned("a", "b"), owned("b", "c"), owned("c", "none")))) == 1


def test_an_owner_whose_pods_nobody_finds_hides_none(tmp_path: Path) -> None:
    """A custom resource makes a stateful set: the set's template is what will run."""
    owner = thing("monitoring.coreos.com/v1", "Prometheus", name="k8s", spec={})
    reference = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "name": "k8s"}
    owned = thing("apps/v1", "StatefulSet", metadata={"ownerReferences": [reference]}, spec={"template": POD})
    assert images(pods(tmp_path, owner, owned)) == [C["image"]]


# ---- forms of their own ------------------------------------------------------------------------------------------------------


def test_a_workflow_lays_what_holds_for_all_under_each_template(tmp_path: Path) -> None:
    spec = {
        "serviceAccountName": "build",
        "securityContext": {"runAsNonRoot": True},
        "volumes": [{"name": "host", "hostPath": {"path": "/"}}],
        "templateDefaults": {"initContainers": [{"name": "init", "image": "i"}]},
        "templates": [
            {"name": "a", "container": {"image": "a"}, "sidecars": [{"name": "s", "image": "s"}]},
            {"name": "b", "containerSet": {"containers": [{"name": "x", "image": "x"}]}, "securityContext": {"runAsUser": 0}},
            {"name": "steps", "steps": [[{"name": "c", "inline": {"container": {"image": "c"}}}]]},
            {"name": "r", "resource": {"action": "create"}},
        ],
    }
    answer = pods(tmp_path, thing("argoproj.io/v1alpha1", "Workflow", spec=spec))
    found = {item["metadata"]["name"]: item["spec"] for item in answer.data["items"]}
    assert list(found) == ["web~a", "web~b", "web~c"]
    assert [each["name"] for each in found["web~a"]["containers"]] == ["main", "s"]
    assert found["web~a"]["securityContext"] == {"runAsNonRoot": True}
    assert found["web~b"]["securityContext"] == {"runAsUser": 0}
    assert all(spec["serviceAccountName"] == "build" and spec["volumes"][0]["name"] == "host" for spec in found.values())
    assert all(spec["initContainers"][0]["name"] == "init" for spec in found.values())


def test_a_pod_that_a_text_will_patch_is_odd(tmp_path: Path) -> None:
    """It shows as one that could not be read."""
    spec = {"podSpecPatch": "hostNetwork: true", "templates": [{"name": "t", "container": C}]}
    (item,) = pods(tmp_path, thing("argoproj.io/v1alpha1", "Workflow", spec=spec)).data["items"]
    assert "spec" not in item


def test_a_rollout_over_a_deployment_makes_no_pods_of_its_own(tmp_path: Path) -> None:
    rollout = thing("argoproj.io/v1alpha1", "Rollout", name="r", spec={"workloadRef": {"kind": "Deployment", "name": "web"}})
    assert len(pods(tmp_path, rollout, thing("apps/v1", "Deployment", spec={"template": POD})).data["items"]) == 1


def test_a_step_takes_what_it_does_not_say_from_the_template(tmp_path: Path) -> None:
    task = {
        "stepTemplate": {"image": "base", "securityContext": {"runAsNonRoot": True, "privileged": True}},
        "steps": [{"name": "a", "securityContext": {"privileged": False}}, {"image": "own", "computeResources": {"limits": {"cpu": "1"}}}],
        "sidecars": [{"image": "side"}],
    }
    (item,) = pods(tmp_path, thing("tekton.dev/v1", "Task", spec=task)).data["items"]
    first, second, third = item["spec"]["containers"]
    assert (first["image"], first["securityContext"]) == ("base", {"runAsNonRoot": True, "privileged": False})
    assert (second["name"], second["image"], second["resources"]["requests"]) == ("unnamed-1", "own", {"cpu": "1"})
    assert (third["name"], third["image"]) == ("sidecar-0", "side")
    assert pods_or_none(tmp_path, thing("tekton.dev/v1", "Task", spec={"steps": [{"ref": {"name": "elsewhere"}}]})) == []


def pods_or_none(folder: Path, *objects: Any) -> list[str]:
    return images(pods(folder, *objects, thing("v1", "Pod", name="z", spec={"containers": []})))


def test_containers_without_names_get_theirs(tmp_path: Path) -> None:
    service = thing("serving.knative.dev/v1", "Service", spec={"template": {"spec": {"containers": [{"image": "a"}, {"image": "b"}]}}})
    (item,) = pods(tmp_path, service).data["items"]
    assert [each["name"] for each in item["spec"]["containers"]] == ["user-container-0", "user-container-1"]


@pytest.mark.parametrize(
    "odd", [None, 5, "x", [], {}, {"templates": 5}, {"steps": [5, None]}, {"tasks": {"a": 1}}, {"template": {"spec": 5}}]
)
@pytest.mark.parametrize(("group", "kind"), [(group, kind) for group, kind, _ in MAKERS])
def test_an_odd_object_ends_nothing(tmp_path: Path, group: str, kind: str, odd: Any) -> None:
    api = "apps/v1" if group == ANY_GROUP else f"{group}/v1" if group else "v1"
    assert images(pods(tmp_path, thing(api, kind, name="odd", spec=odd), thing("v1", "Pod", spec=POD["spec"]))) == [C["image"]]


def test_a_kind_is_known_in_its_own_group() -> None:
    assert makes_pods("batch", "Job")
    assert not makes_pods("example.com", "Job")
    assert makes_pods("example.com", "Deployment")
    assert not makes_pods("", "Service")


# ---- what the API server adds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
def test_what_a_container_may_use_it_asks_for(tmp_path: Path, kind: str) -> None:
    def resources(**said: Any) -> dict[str, Any]:
        return {"name": "c", "image": "x", **({"resources": said} if said else {})}

    containers = [
        resources(),
        resources(limits={"cpu": "1", "memory": "1Gi"}, requests={"cpu": "10m"}),
        resources(limits={"memory": "1Gi"}),
    ]
    spec = {"containers": containers, "initContainers": containers[2:], "resources": {"limits": {"memory": "4Gi"}}}
    body = thing("v1", "Pod", spec=spec) if kind == "Pod" else thing("apps/v1", "Deployment", spec={"template": {"spec": spec}})
    (item,) = pods(tmp_path, body).data["items"]
    made = item["spec"]
    assert [each.get("resources", {}).get("requests") for each in made["containers"]] == [
        None,
        {"cpu": "10m", "memory": "1Gi"},
        {"memory": "1Gi"},
    ]
    assert made["initContainers"][0]["resources"]["requests"] == {"memory": "1Gi"}
    assert made["resources"]["requests"] == {"memory": "4Gi"}
