"""What makes pods: for each kind, where the pods that an object will make are written down, so that none of them runs unjudged.

Sources: the API references of Kubernetes 1.36, OpenShift 4 (DeploymentConfig), Knative Serving and Eventing v1, Argo Workflows and Rollouts
v1alpha1, Tekton v1, OpenKruise v1alpha1 and v1beta1, JobSet, KEDA, KubeRay and Volcano.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = Any
Made = Iterator["Template"]


@dataclass(frozen=True, slots=True)
class Template:
    """One pod that an object makes."""

    pod: Json
    """`metadata` and `spec`; whatever stands there instead, for one that is odd."""
    part: str = ""
    """Which of the object's pods it is, where it makes several; empty for the only one."""


ANY_GROUP = "*"
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    **{(ANY_GROUP, kind): ("spec", "template") for kind in _WORKLOADS},
    ("", "ReplicationController"): ("spec", "template"),
    ("", "PodTemplate"): ("template",),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("argoproj.io", "Rollout"): ("spec", "template"),
    ("apps.openshift.io", "DeploymentConfig"): ("spec", "template"),
    ("serving.knative.dev", "Service"): ("spec", "template"),
    ("serving.knative.dev", "Configuration"): ("spec", "template"),
    ("sources.knative.dev", "ContainerSource"): ("spec", "template"),
    ("apps.kruise.io", "CloneSet"): ("spec", "template"),
    ("apps.kruise.io", "BroadcastJob"): ("spec", "template"),
    ("keda.sh", "ScaledJob"): ("spec", "jobTargetRef", "template"),
}
"""Kinds that make one sort of pod, and where it stands. `*`: whatever the group, those of retired APIs and of extensions alike."""
SEVERAL: Mapping[tuple[str, str], tuple[tuple[str, ...], ...]] = {
    ("apps.kruise.io", "AdvancedCronJob"): (
        ("spec", "template", "jobTemplate", "spec", "template"),
        ("spec", "template", "broadcastJobTemplate", "spec", "template"),
    ),
    ("apps.kruise.io", "UnitedDeployment"): tuple(
        ("spec", "template", name, "spec", "template")
        for name in ("statefulSetTemplate", "advancedStatefulSetTemplate", "cloneSetTemplate", "deploymentTemplate")
    ),
    ("argoproj.io", "Experiment"): (("spec", "templates", "[]", "template"),),
    **{
        ("argoproj.io", kind): (("spec", "metrics", "[]", "provider", "job", "spec", "template"),)
        for kind in ("AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun")
    },
    ("batch.volcano.sh", "Job"): (("spec", "tasks", "[]", "template"),),
    ("jobset.x-k8s.io", "JobSet"): (("spec", "replicatedJobs", "[]", "template", "spec", "template"),),
    **{
        ("ray.io", kind): (
            (*above, "headGroupSpec", "template"),
            (*above, "workerGroupSpecs", "[]", "template"),
        )
        for kind, above in {
            "RayCluster": ("spec",),
            "RayJob": ("spec", "rayClusterSpec"),
            "RayService": ("spec", "rayClusterConfig"),
        }.items()
    },
}
"""Kinds that make several sorts, any of which may be missing. `[]`: each of a list."""


def makes_pods(group: str, kind: str) -> bool:
    """Whether it is a kind whose pods are known to be found."""
    return _finder(group, kind) is not None


def pods_of(group: str, kind: str, document: Mapping[str, Json]) -> Made:
    """The pods that an object will make; none for a kind that makes none."""
    finder = _finder(group, kind)
    if finder is not None:
        yield from finder(document)


def holds_containers(value: Json) -> bool:
    """Whether containers with an image stand anywhere in an object: what a kind that nobody here knows may make pods of."""
    level = [value]
    while level:
        each = level.pop()
        if isinstance(each, Mapping):
            for name in ("containers", "initContainers"):
                if any("image" in container for container in _mappings(each.get(name))):
                    return True
            level.extend(each.values())
        elif isinstance(each, list):
            level.extend(each)
    return False


# ---- where they stand ----------------------------------------------------------------------------------------------------


def _finder(group: str, kind: str) -> Callable[[Mapping[str, Json]], Made] | None:
    special = _SPECIAL.get((group, kind))
    if special is not None:
        return special
    if (group, kind) in SEVERAL:
        return lambda document: _several(document, SEVERAL[group, kind])
    steps = TEMPLATES.get((group, kind)) or TEMPLATES.get((ANY_GROUP, kind))
    return None if steps is None else lambda document: _one(document, steps)


def _one(document: Mapping[str, Json], steps: tuple[str, ...]) -> Made:
    found: Json = document
    for step in steps:
        found = found.get(step) if isinstance(found, Mapping) else None
    spec = document.get("spec")
    if found is None and isinstance(spec, Mapping) and spec.get("workloadRef"):
        return  # a rollout over a deployment that is there by itself
    yield Template(_with_names(found))


def _several(document: Mapping[str, Json], ways: tuple[tuple[str, ...], ...]) -> Made:
    found = [(part, each) for steps in ways for part, each in _at(document, steps)]
    for number, (part, each) in enumerate(found):
        yield Template(each, (part or str(number)) if len(found) > 1 else "")


def _at(value: Json, steps: tuple[str, ...], part: str = "") -> Iterator[tuple[str, Json]]:
    """(name of the element, what stands there) for each way that leads somewhere."""
    if not steps:
        yield part, value
    elif steps[0] == "[]":
        for number, each in enumerate(_list(value)):
            names = [_mapping(each).get(key) for key in ("name", "groupName")]
            yield from _at(each, steps[1:], next((name for name in names if isinstance(name, str) and name), str(number)))
    elif isinstance(value, Mapping) and value.get(steps[0]) is not None:
        yield from _at(value[steps[0]], steps[1:], part)


def _with_names(template: Json) -> Json:
    """A template whose containers have names: Knative gives them to those that have none."""
    if not isinstance(template, Mapping) or not isinstance(template.get("spec"), Mapping):
        return template
    containers = template["spec"].get("containers")
    if not isinstance(containers, list) or all(not isinstance(each, Mapping) or each.get("name") for each in containers):
        return template
    return {**template, "spec": {**template["spec"], "containers": _named(containers, "user-container-{}")}}


def _named(containers: list[Json], form: str) -> list[Json]:
    return [
        {**each, "name": form.format(number)} if isinstance(each, Mapping) and not each.get("name") else each
        for number, each in enumerate(containers)
    ]


# ---- kinds with forms of their own ---------------------------------------------------------------------------------------


def _revision(document: Mapping[str, Json]) -> Made:
    """A Knative Revision: its spec is the pod's."""
    yield Template(_with_names({"spec": document.get("spec")}))


def _sidecars(document: Mapping[str, Json]) -> Made:
    """An OpenKruise SidecarSet: containers that are put into the pods of others."""
    spec = _mapping(document.get("spec"))
    containers = [*_list(spec.get("containers")), *_list(spec.get("initContainers"))]
    if containers:
        yield Template({"spec": {"containers": containers, "volumes": _list(spec.get("volumes"))}})


_OF_WORKFLOW = ("automountServiceAccountToken", "hostAliases", "hostNetwork", "dnsPolicy", "priorityClassName", "imagePullSecrets")


def _workflow(above: tuple[str, ...]) -> Callable[[Mapping[str, Json]], Made]:
    """An Argo Workflow and what holds one: a pod for each template that runs containers."""

    def pods(document: Mapping[str, Json]) -> Made:
        spec: Json = document
        for step in above:
            spec = _mapping(spec).get(step)
        spec = _mapping(spec)
        defaults = _mapping(spec.get("templateDefaults"))
        templates = [*_mappings(spec.get("templates")), *_inline(spec)]
        for number, each in enumerate(templates):
            template = {**defaults, **each}
            made = _of_argo(spec, template)
            if made is not None:
                name = template.get("name")
                is_patched = bool(template.get("podSpecPatch") or spec.get("podSpecPatch"))  # a text that makes another pod of it
                yield Template(None if is_patched else made, name if isinstance(name, str) and name else str(number))

    return pods


def _inline(spec: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Templates that stand in a step or a task."""
    for template in _mappings(spec.get("templates")):
        tasks = [*_mappings(_mapping(template.get("dag")).get("tasks"))]
        for group in _list(template.get("steps")):
            tasks += _mappings(group)
        for task in tasks:
            if isinstance(task.get("inline"), Mapping):
                yield {"name": task.get("name"), **task["inline"]}


def _of_argo(spec: Mapping[str, Json], template: Mapping[str, Json]) -> Json:
    """The pod of one template; None for one that runs no container."""
    in_set = _mapping(template.get("containerSet"))
    main = [_mapping(template[name]) for name in ("container", "script") if template.get(name)]
    containers = [*({"name": "main", **each} for each in main), *_list(in_set.get("containers"))]
    if not containers:
        return None
    pod = {name: spec[name] for name in _OF_WORKFLOW if name in spec}
    pod.update({name: template[name] for name in (*_OF_WORKFLOW, "tolerations", "nodeSelector") if name in template})
    account = template.get("serviceAccountName") or spec.get("serviceAccountName")
    if account:
        pod["serviceAccountName"] = account
    context = template.get("securityContext") or spec.get("securityContext")
    if context:
        pod["securityContext"] = context
    pod["volumes"] = [*_list(spec.get("volumes")), *_list(template.get("volumes"))]
    pod["initContainers"] = _list(template.get("initContainers"))
    pod["containers"] = [*containers, *_list(template.get("sidecars"))]
    pod["restartPolicy"] = "Never"
    return {"metadata": _mapping(template.get("metadata")), "spec": pod}


_OF_POD_TEMPLATE = ("securityContext", "hostNetwork", "automountServiceAccountToken", "volumes", "runtimeClassName", "nodeSelector", "env")


def _of_tekton(task: Mapping[str, Json], pod_template: Json = None, account: Json = None) -> Json:
    """The pod of a task; None where its steps are all written elsewhere."""
    defaults = _mapping(task.get("stepTemplate"))
    steps = [_over(defaults, each) for each in _named(_list(task.get("steps")), "unnamed-{}") if isinstance(each, Mapping)]
    steps = [each for each in steps if each.get("image")]
    sidecars = [each for each in _named(_list(task.get("sidecars")), "sidecar-{}") if isinstance(each, Mapping)]
    if not steps and not sidecars:
        return None
    given = _mapping(pod_template)
    pod = {name: given[name] for name in _OF_POD_TEMPLATE if name in given}
    pod["volumes"] = [*_list(given.get("volumes")), *_list(task.get("volumes"))]
    if account:
        pod["serviceAccountName"] = account
    return {"spec": {**pod, "containers": [*steps, *sidecars], "restartPolicy": "Never"}}


def _over(defaults: Mapping[str, Json], step: Mapping[str, Json]) -> dict[str, Json]:
    """A step as it runs: what it does not say itself the template says, and of its security context each setting by itself."""
    made = {**{name: value for name, value in defaults.items() if name != "name"}, **step}
    contexts = (_mapping(defaults.get("securityContext")), _mapping(step.get("securityContext")))
    if contexts[0]:
        made["securityContext"] = {**contexts[0], **contexts[1]}
    resources = step.get("computeResources") or defaults.get("computeResources")
    if resources:
        made["resources"] = resources
    return made


def _task(document: Mapping[str, Json]) -> Made:
    pod = _of_tekton(_mapping(document.get("spec")))
    if pod is not None:
        yield Template(pod)


def _task_run(document: Mapping[str, Json]) -> Made:
    spec = _mapping(document.get("spec"))
    pod = _of_tekton(_mapping(spec.get("taskSpec")), spec.get("podTemplate"), spec.get("serviceAccountName"))
    if pod is not None:
        yield Template(pod)


def _step_action(document: Mapping[str, Json]) -> Made:
    spec = document.get("spec")
    pod = _of_tekton({"steps": [spec], "volumes": _mapping(spec).get("volumes")})
    if pod is not None:
        yield Template(pod)


def _pipeline(document: Mapping[str, Json]) -> Made:
    yield from _tasks_of(_mapping(document.get("spec")))


def _pipeline_run(document: Mapping[str, Json]) -> Made:
    spec = _mapping(document.get("spec"))
    run = _mapping(spec.get("taskRunTemplate"))
    given = run.get("podTemplate") or spec.get("podTemplate")
    account = run.get("serviceAccountName") or spec.get("serviceAccountName")
    yield from _tasks_of(_mapping(spec.get("pipelineSpec")), given, account)


def _tasks_of(pipeline: Mapping[str, Json], given: Json = None, account: Json = None) -> Made:
    for number, task in enumerate([*_mappings(pipeline.get("tasks")), *_mappings(pipeline.get("finally"))]):
        pod = _of_tekton(_mapping(task.get("taskSpec")), given, account)
        if pod is not None:
            name = task.get("name")
            yield Template(pod, name if isinstance(name, str) and name else str(number))


_SPECIAL: Mapping[tuple[str, str], Callable[[Mapping[str, Json]], Made]] = {
    ("serving.knative.dev", "Revision"): _revision,
    ("apps.kruise.io", "SidecarSet"): _sidecars,
    ("argoproj.io", "Workflow"): _workflow(("spec",)),
    ("argoproj.io", "WorkflowTemplate"): _workflow(("spec",)),
    ("argoproj.io", "ClusterWorkflowTemplate"): _workflow(("spec",)),
    ("argoproj.io", "CronWorkflow"): _workflow(("spec", "workflowSpec")),
    ("tekton.dev", "Task"): _task,
    ("tekton.dev", "ClusterTask"): _task,
    ("tekton.dev", "TaskRun"): _task_run,
    ("tekton.dev", "StepAction"): _step_action,
    ("tekton.dev", "Pipeline"): _pipeline,
    ("tekton.dev", "PipelineRun"): _pipeline_run,
}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Json) -> list[Mapping[str, Json]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
