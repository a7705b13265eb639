"""Pods as they will run: which containers there are, which settings hold for each, and that odd shapes are said to be odd."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cnamm_scan.paths import MalformedError
from cnamm_scan.providers.kubernetes import pods
from cnamm_scan.providers.kubernetes.pods import (
    APPARMOR,
    INHERITED,
    KINDS,
    NORMALISERS,
    bare_url,
    changes,
    config_map,
    pod,
    service,
)
from tests.examples import drawn

Document = dict[str, Any]
DIGEST = "sha256:" + "0123456789abcdef" * 4

VALUES: dict[str, tuple[Any, Any]] = {
    "runAsUser": (0, 1000),
    "runAsGroup": (0, 3000),
    "runAsNonRoot": (False, True),
    "seccompProfile": ({"type": "Unconfined"}, {"type": "RuntimeDefault"}),
    "seLinuxOptions": ({"type": "spc_t"}, {"type": "container_t"}),
    "appArmorProfile": ({"type": "Unconfined"}, {"type": "RuntimeDefault"}),
    "windowsOptions": ({"hostProcess": True}, {"hostProcess": False}),
}
"""Two values for each inherited setting."""


def made(spec: Document, **more: Any) -> Document:
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec, **more}


def containers(spec: Document, **more: Any) -> list[Document]:
    found: list[Document] = pod(made(spec, **more))["effectiveContainers"]
    return found


def only(container: Document, spec: Document | None = None, **more: Any) -> Document:
    """The one container of a pod that has this one."""
    (found,) = containers({"containers": [{"name": "main", "image": "nginx", **container}], **(spec or {})}, **more)
    return found


# ---- which there are -----------------------------------------------------------------------------------------------------


def test_all_three_kinds_and_sidecars() -> None:
    spec = {
        "initContainers": [{"name": "setup"}, {"name": "proxy", "restartPolicy": "Always"}, {"name": "odd", "restartPolicy": "Never"}],
        "containers": [{"name": "main", "restartPolicy": "Always"}, {"name": "second"}],
        "ephemeralContainers": [{"name": "debugger", "restartPolicy": "Always"}],
    }
    assert [(each["name"], each["kind"]) for each in containers(spec)] == [
        ("setup", "init"),
        ("proxy", "sidecar"),
        ("odd", "init"),
        ("main", "regular"),
        ("second", "regular"),
        ("debugger", "ephemeral"),
    ]


def test_what_the_api_said_stays() -> None:
    document = made(
        {"containers": [{"name": "main", "image": "nginx", "env": [{"name": "A"}]}], "hostNetwork": True}, status={"phase": "Running"}
    )
    before = json.dumps(document)
    found = pod(document)
    assert json.dumps(document) == before  # others read it too
    assert {name: found[name] for name in document} == document
    assert found["effectiveContainers"][0]["env"] == [{"name": "A"}]
    assert found["isFinished"] is False


@pytest.mark.parametrize(
    ("phase", "finished"), [("Succeeded", True), ("Failed", True), ("Running", False), ("Pending", False), (None, False)]
)
def test_whether_it_has_ended(phase: str | None, finished: bool) -> None:
    assert pod(made({"containers": [{}]}, status={"phase": phase}))["isFinished"] is finished


def test_kinds_of_volumes() -> None:
    spec = {"containers": [{}], "volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "secret": {}}, {"name": "c", "emptyDir": {}}]}
    assert pod(made(spec))["volumeKinds"] == ["emptyDir", "secret"]
    assert pod(made({"containers": [{}]}))["volumeKinds"] == []


def test_what_the_runtime_pulled() -> None:
    spec = {field: [{"name": field}] for field, _ in KINDS}
    status = {
        "initContainerStatuses": [{"name": "initContainers", "imageID": "i@1"}],
        "containerStatuses": [{"name": "containers", "imageID": "c@1"}, {"name": "gone", "imageID": "g@1"}],
        "ephemeralContainerStatuses": [{"name": "ephemeralContainers", "imageID": ""}],
    }
    assert [each.get("imageID") for each in containers(spec, status=status)] == ["i@1", "c@1", None]


# ---- which settings hold -------------------------------------------------------------------------------------------------


def test_the_table_of_values_is_whole() -> None:
    assert set(VALUES) == set(INHERITED)


@pytest.mark.parametrize("field", INHERITED)
@pytest.mark.parametrize("kind", [field for field, _ in KINDS])
def test_a_container_takes_from_its_pod_what_it_does_not_say(field: str, kind: str) -> None:
    above, own = VALUES[field]
    spec: Document = {"containers": [{"name": "x"}], "securityContext": {field: above}}
    spec[kind] = [
        {"name": "says"} | {"securityContext": {field: own}},
        {"name": "silent"},
        {"name": "null", "securityContext": {field: None}},
    ]
    found = {each["name"]: each["securityContext"] for each in containers(spec)}
    assert found["says"] == {field: own}
    assert found["silent"] == {field: above}
    assert found["null"] == {field: above}


@pytest.mark.parametrize("field", INHERITED)
def test_a_container_that_speaks_is_heard_without_its_pod(field: str) -> None:
    own = VALUES[field][1]
    assert only({"securityContext": {field: own}})["securityContext"] == {field: own}
    assert only({"securityContext": {field: own}}, {"securityContext": {field: None}})["securityContext"] == {field: own}
    assert only({})["securityContext"] == {}


@pytest.mark.parametrize("field", ["fsGroup", "supplementalGroups", "fsGroupChangePolicy", "privileged", "capabilities"])
def test_what_is_the_pods_alone_is_not_taken(field: str) -> None:
    assert only({}, {"securityContext": {field: 1}})["securityContext"] == {}


def test_a_whole_setting_is_replaced_and_not_mixed() -> None:
    """An object in a container stands in the place of the pod's, as the kubelet takes it; but options of Windows one by one."""
    above = {"seLinuxOptions": {"type": "container_t", "level": "s0"}, "windowsOptions": {"hostProcess": True, "runAsUserName": "a"}}
    own = {"seLinuxOptions": {"level": "s1"}, "windowsOptions": {"runAsUserName": "b", "hostProcess": None}, "privileged": None}
    assert only({"securityContext": own}, {"securityContext": above})["securityContext"] == {
        "seLinuxOptions": {"level": "s1"},
        "windowsOptions": {"hostProcess": True, "runAsUserName": "b"},
    }


@pytest.mark.parametrize("null", [{"securityContext": None}, {"volumes": None, "initContainers": None, "ephemeralContainers": None}])
def test_nulls_say_nothing(null: Document) -> None:
    found = only(
        {"env": None, "envFrom": None, "volumeMounts": None, "resources": None, "lifecycle": None, **{"securityContext": None}}, null
    )
    assert found["securityContext"] == {}
    assert found["kind"] == "regular"


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("runtime/default", {"type": "RuntimeDefault"}),
        ("localhost/mine", {"type": "Localhost", "localhostProfile": "mine"}),
        ("unconfined", {"type": "Unconfined"}),
        ("whatever", {"type": "Unconfined"}),
    ],
)
def test_the_annotation_of_apparmor(profile: str, expected: Document) -> None:
    metadata = {"annotations": {f"{APPARMOR}main": profile, f"{APPARMOR}other": "runtime/default"}}
    assert only({}, metadata=metadata)["securityContext"] == {"appArmorProfile": expected}
    # the field, where there is one, is what counts
    own = {"securityContext": {"appArmorProfile": {"type": "Localhost"}}}
    assert only(own, metadata=metadata)["securityContext"] == own["securityContext"]
    # what a pod says for all of its containers counts where the annotation is silent
    assert only({}, own, metadata=metadata)["securityContext"] == {"appArmorProfile": expected}
    silent = {"annotations": {f"{APPARMOR}main": ""}}
    assert only({}, own, metadata=silent)["securityContext"] == own["securityContext"]
    assert only({}, metadata=silent)["securityContext"] == {}


# ---- what no path can say ------------------------------------------------------------------------------------------------


def test_variables_with_their_values_beside_them() -> None:
    env = [
        {"name": "PLAIN", "value": "x"},
        {"name": "EMPTY", "value": ""},
        {"name": "NOTHING"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "one", "key": "k"}}},
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "k"}}},
        {"name": "FIELD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    found = only({"env": env, "envFrom": [{"secretRef": {"name": "two"}}, {"configMapRef": {"name": "map"}}, {"prefix": "X_"}]})
    assert found["plainEnv"] == ["PLAIN"]
    assert found["secretEnv"] == ["one", "two"]


@pytest.mark.parametrize(
    ("container", "written", "named", "unsure"),
    [
        ({"env": [{"name": "DB_PASSWORD", "value": "hunter2hunter2"}]}, ["DB_PASSWORD"], ["DB_PASSWORD"], []),
        ({"env": [{"name": "ID", "value": "AKIAQ3EXAMPLEQ3QAZWX"}]}, ["ID"], [], []),
        ({"env": [{"name": "DSN", "value": "postgres://user:hunter2@db/shop"}]}, ["DSN"], [], []),
        ({"args": ["--password=hunter2hunter2"]}, ["--password"], ["--password"], []),
        ({"command": ["run"], "args": ["--password", "hunter2hunter2"]}, ["--password"], ["--password"], []),
        ({"command": ["sh", "-c", "curl https://user:hunter2@example.com"]}, ["argument 3"], [], []),
        ({"env": [{"name": "POSTGRES_PASSWORD", "value": "changeme"}]}, [], ["POSTGRES_PASSWORD"], []),
        ({"env": [{"name": "DB_SECRET", "value": "shop-db"}]}, [], [], ["DB_SECRET"]),
        ({"env": [{"name": "DB_PASSWORD", "value": "$(FROM_ELSEWHERE)"}]}, [], [], []),
        ({"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "password=hunter2hunter2"}}}]}, [], [], []),
        ({"env": [{"name": "GREETING", "value": "hello to you all"}]}, [], [], []),
        ({"args": ["--verbose", "--port=8080"]}, [], [], []),
    ],
)
def test_secrets_in_settings_are_told_by_name(container: Document, written: list[str], named: list[str], unsure: list[str]) -> None:
    found = only(container)
    assert [found.get(name, []) for name in ("holding", "named", "unsure")] == [written, named, unsure]


def test_the_name_of_a_secret_that_the_container_uses_is_none() -> None:
    volumes = [{"name": "v", "projected": {"sources": [{"secret": {"name": "shop-db"}}]}}]
    container = {"env": [{"name": "DB_SECRET", "value": "shop-db"}], "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    found = only(container, {"volumes": volumes})
    assert "unsure" not in found
    assert found["mountedSecrets"] == ["shop-db"]


def test_what_fills_variables_whole_is_told() -> None:
    found = only({"envFrom": [{"secretRef": {"name": "db"}}, {"configMapRef": {"name": "map"}}]})
    assert found["envFromNames"] == ["Secret db", "ConfigMap map"]


def test_variables_named_like_a_password_are_told_wherever_their_value_comes_from() -> None:
    names = ["DB_HOST", "DB_PWD", "PASSWORD_FILE", "API_TOKEN", "mysql.password", "DB_PASSWORD_PROD"]
    env = [{"name": name, "valueFrom": {"secretKeyRef": {"name": "db", "key": "x"}}} for name in names]
    assert only({"env": env})["passwordEnv"] == ["DB_PWD", "mysql.password", "DB_PASSWORD_PROD"]
    assert "passwordEnv" not in only({"env": env[:1]})


def test_packages_and_templates_say_what_their_images_names_say() -> None:
    made = NORMALISERS["package"]({"spec": {"package": "xpkg.example.com/a/b:v1.2.0"}})["packageReference"]
    assert (made["moves"], made["digest"]) == (False, "")
    assert NORMALISERS["package"]({"spec": {"package": "xpkg.example.com:5000/a/b"}})["packageReference"]["moves"] is True
    assert NORMALISERS["package"]({"spec": {}}) == {"spec": {}}
    images = ["nginx", "registry.shop.example/web:1", "QUAY.io/a/b:2", "index.docker.io/x/y:1"]
    template = {"spec": {"containers": [{"image": image} for image in images]}}
    assert NORMALISERS["changes"]({"spec": {"template": template}})["publicImages"] == [images[0], *images[2:]]


def test_an_image_that_runs_before_or_beside_the_others_moves_too() -> None:
    template = {
        "spec": {
            "containers": [{"image": "web:1.4"}],
            "initContainers": [{"image": "sidecar:latest", "restartPolicy": "Always"}, {"image": "job:2"}],
        }
    }
    assert changes({"spec": {"template": template}})["movingImages"] == ["sidecar:latest"]
    assert "movingImages" not in changes({"spec": {"template": {"spec": {**template["spec"], "initContainers": [{"image": "job:2.0"}]}}}})


def test_commands_keep_the_names_of_flags_and_nothing_behind_them() -> None:
    container = {"command": ["run"], "args": ["--token=abc=def", "plain", 5, "--password", "hunter2", "-c", "-pSecret", "echo secret"]}
    assert only(container)["commandNames"] == ["run", "--token", "--password", "-c"]
    assert only({"command": ["sh", "-c", "curl -H 'X-Key: 1'"]})["commandNames"] == ["sh", "-c"]
    assert "commandNames" not in only({})


def test_flags_of_a_template_say_true_and_false_and_no_other_value() -> None:
    args = ["--enable-network-policy=true", "--off=false", "--token=abc", "--password", "hunter2"]
    made = changes({"spec": {"template": {"spec": {"containers": [{"args": args}, {}]}}}})
    assert made["flags"] == ["--enable-network-policy=true", "--off=false", "--token", "--password"]
    assert "flags" not in changes({"spec": {}})


def test_probes_of_a_template_are_counted_by_the_containers_that_say_what_to_ask() -> None:
    asked = [{"httpGet": {"port": 80}}, {"tcpSocket": {"port": "web"}}, {"grpc": {"port": 9}}, {"exec": {"command": ["true"]}}]
    silent: list[Any] = [None, {}, {"periodSeconds": 3}, {"exec": {}}, {"exec": {"command": [""]}}, {"httpGet": {"path": "/"}}]
    containers = [*({"livenessProbe": each} for each in (*asked, *silent)), {"readinessProbe": asked[0], "startupProbe": asked[0]}, {}]
    made = changes({"spec": {"template": {"spec": {"containers": containers}}}})
    assert made["probes"] == {"liveness": 4, "readiness": 1}
    assert "probes" not in changes({"spec": {"template": {"spec": {"containers": [{"startupProbe": asked[0]}]}}}})


def test_annotations_of_a_service_keep_values_that_tell_a_cloud() -> None:
    internal = "service.beta.kubernetes.io/aws-load-balancer-internal"
    made = service({"metadata": {"name": "web", "annotations": {internal: "true", "owner/note": "hunter2"}}})
    assert made["metadata"] == {"name": "web", "annotations": {internal: "true", "owner/note": ""}}
    assert service({"metadata": {"name": "web"}}) == {"metadata": {"name": "web"}}


def test_an_address_loses_its_query() -> None:
    assert bare_url("https://shop.example.com/health?token=abc") == "https://shop.example.com/health"
    assert bare_url(None) is None


def test_paths_of_the_node() -> None:
    volumes = [
        {"name": "logs", "hostPath": {"path": "/var/log"}},
        {"name": "etc", "hostPath": {"path": "/etc"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "unused", "hostPath": {"path": "/"}},
    ]
    mounts = [{"name": "logs", "mountPath": "/l"}, {"name": "etc", "mountPath": "/e", "readOnly": True}, {"name": "tmp"}, {"name": "none"}]
    found = only({"volumeMounts": mounts}, {"volumes": volumes})
    assert found["hostPathMounts"] == ["/var/log", "/etc"]
    assert found["writableHostPaths"] == ["/var/log"]
    assert "socketMounts" not in found


def test_a_part_of_a_folder_is_what_its_mount_shows() -> None:
    volumes = [{"name": "var", "hostPath": {"path": "/var"}}]
    found = only({"volumeMounts": [{"name": "var", "subPath": "log/app"}]}, {"volumes": volumes})
    assert found["writableHostPaths"] == ["/var/log/app"]
    assert "criticalHostPaths" not in found
    assert "socketMounts" not in found


def test_hosts_that_probes_and_hooks_name() -> None:
    container = {
        "livenessProbe": {"httpGet": {"host": "one"}},
        "readinessProbe": {"tcpSocket": {"host": "two"}},
        "startupProbe": {"httpGet": {"path": "/"}},
        "lifecycle": {"postStart": {"httpGet": {"host": "three"}}, "preStop": {"tcpSocket": {"host": "one"}}},
    }
    assert only(container)["probeHosts"] == ["one", "three", "two"]
    assert "probeHosts" not in only({"livenessProbe": {"exec": {"command": ["true"]}}})


def test_devices_that_are_asked_for() -> None:
    resources = {"limits": {"nvidia.com/gpu": 1, "memory": "1Gi"}, "requests": {"example.com/fpga": 1, "cpu": 1}}
    assert only({"resources": resources})["extendedResources"] == ["example.com/fpga", "nvidia.com/gpu"]


# ---- the other normalisers -----------------------------------------------------------------------------------------------


def test_who_changed_an_object_when() -> None:
    fields = [
        {"manager": "kubectl", "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}},
        {"manager": "controller", "operation": "Update", "time": "2026-01-02T00:00:00Z", "subresource": "status"},
        {"manager": "helm", "operation": "Update"},
    ]
    document = {"metadata": {"managedFields": fields}}
    assert changes(document)["changes"] == [
        {"manager": "kubectl", "operation": "Apply", "time": "2026-01-01T00:00:00Z"},
        {"manager": "helm", "operation": "Update"},
    ]
    assert "changes" not in changes({"metadata": {}})  # a server that does not tell is not one that nobody writes to


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"data": {"a": "password=hunter2hunter2"}}, ["a"]),
        ({"data": {"DB_PASSWORD": "hunter2hunter2"}}, ["DB_PASSWORD"]),
        ({"binaryData": {"k": "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQo="}}, ["k"]),
        ({"data": {"a": "colour=blue", "b": 5}}, []),
        ({"data": None}, []),
    ],
)
def test_a_config_map_with_a_key_in_it(document: Document, expected: list[str]) -> None:
    assert config_map(document)["secrets"]["holding"] == expected


# ---- names that have several spellings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "account"),
    [
        ({"serviceAccount": "old"}, "old"),
        ({"serviceAccountName": "new", "serviceAccount": "old"}, "new"),
        ({"serviceAccountName": "new"}, "new"),
        ({"serviceAccountName": "", "serviceAccount": "old"}, "old"),
        ({}, None),
    ],
)
def test_an_account_has_an_old_name_too(spec: Document, account: str | None) -> None:
    assert pod(made({"containers": [{}], **spec}))["spec"].get("serviceAccountName") == account
    workload = changes({"spec": {"template": {"spec": {"containers": [{}], **spec}}}})
    assert workload["spec"]["template"]["spec"].get("serviceAccountName") == account


@pytest.mark.parametrize(
    ("own", "above", "expected"),
    [
        ({"limits": {"cpu": 1, "memory": "1Gi"}}, {}, {"memoryLimit": "1Gi", "memoryRequest": "1Gi", "cpuLimit": "1", "cpuRequest": "1"}),
        ({}, {"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}}, {"memoryLimit": "1Gi", "memoryRequest": "1Gi", "cpuRequest": "1"}),
        ({"limits": {"memory": "0"}, "requests": {"cpu": "0"}}, {}, {}),
        ({"limits": {"memory": "0Mi", "cpu": "0.0"}, "requests": {"cpu": 0}}, {}, {}),
        ({"limits": {"cpu": 2}, "requests": {"cpu": "0"}}, {}, {"cpuLimit": "2"}),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "4Gi"}}, {"memoryLimit": "1Gi", "memoryRequest": "1Gi"}),
        ({}, {}, {}),
    ],
)
def test_bounds_as_they_hold(own: Document, above: Document, expected: Document) -> None:
    assert only({"resources": own}, {"resources": above}).get("amounts", {}) == expected


# ---- odd shapes ----------------------------------------------------------------------------------------------------------

ODD = {
    "no spec": {},
    "spec null": {"spec": None},
    "spec a list": {"spec": []},
    "no containers": {"spec": {}},
    "containers null": {"spec": {"containers": None}},
    "containers empty": {"spec": {"containers": []}},
    "containers a map": {"spec": {"containers": {"a": 1}}},
    "a container null": {"spec": {"containers": [None]}},
    "a container a text": {"spec": {"containers": ["main"]}},
    "a name that is a list": {"spec": {"containers": [{"name": ["main"]}]}},
    "init containers a map": {"spec": {"containers": [{}], "initContainers": {}}},
    "a context that is a text": {"spec": {"containers": [{"securityContext": "privileged"}]}},
    "the pod's context a list": {"spec": {"containers": [{}], "securityContext": []}},
    "a volume that is a text": {"spec": {"containers": [{}], "volumes": ["/"]}},
    "a volume's name": {"spec": {"containers": [{}], "volumes": [{"name": {}, "hostPath": {}}]}},
    "a variable that is a text": {"spec": {"containers": [{"env": ["A=b"]}]}},
    "env a map": {"spec": {"containers": [{"env": {"A": "b"}}]}},
    "envFrom of texts": {"spec": {"containers": [{"envFrom": ["a"]}]}},
    "a mount's name": {"spec": {"containers": [{"volumeMounts": [{"name": []}]}], "volumes": [{"name": "v", "hostPath": {}}]}},
    "resources a text": {"spec": {"containers": [{"resources": "all"}]}},
    "limits a list": {"spec": {"containers": [{"resources": {"limits": ["cpu"]}}]}},
    "command a text": {"spec": {"containers": [{"command": "run"}]}},
    "metadata a text": {"spec": {"containers": [{}]}, "metadata": "web"},
    "annotations a list": {"spec": {"containers": [{}]}, "metadata": {"annotations": ["a"]}},
    "status a text": {"spec": {"containers": [{}]}, "status": "Running"},
    "a status that is a text": {"spec": {"containers": [{}]}, "status": {"containerStatuses": ["main"]}},
    "no object": [],
    "a text": "pod",
}


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_pod_is_said_to_be_odd(kind: str) -> None:
    with pytest.raises(MalformedError):
        pod(ODD[kind])


@pytest.mark.parametrize("normalise", [changes, config_map])
@pytest.mark.parametrize("document", [None, 5, "x", [], {"metadata": 5, "data": 5}, {"metadata": {"managedFields": {}}, "data": []}])
def test_an_odd_object_is_said_to_be_odd(normalise: Any, document: Any) -> None:
    with pytest.raises(MalformedError):
        normalise(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("name", "image", "env", "envFrom", "volumeMounts", "securityContext", "resources", "command", "lifecycle", "livenessProbe")
CONTAINER = JSON | st.dictionaries(
    st.sampled_from(NAMES), JSON | st.lists(st.dictionaries(st.sampled_from(("name", "value", "valueFrom", "secretRef")), JSON))
)
CONTAINERS = JSON | st.lists(CONTAINER, max_size=2)
SPEC = st.fixed_dictionaries(
    {"containers": CONTAINERS},
    optional={
        "initContainers": CONTAINERS,
        "ephemeralContainers": CONTAINERS,
        "securityContext": JSON | st.dictionaries(st.sampled_from(INHERITED), JSON),
        "volumes": JSON | st.lists(st.dictionaries(st.sampled_from(("name", "hostPath")), JSON), max_size=2),
    },
)
PODS = JSON | st.fixed_dictionaries(
    {"spec": JSON | SPEC},
    optional={"metadata": JSON | st.dictionaries(st.sampled_from(("annotations", "managedFields")), JSON), "status": JSON, "data": JSON},
)


@pytest.mark.parametrize("name", sorted(NORMALISERS))
@settings(max_examples=drawn(150), deadline=None)
@given(document=PODS)
@example(document={"spec": {"containers": [{"volumeMounts": [{"name": "v"}]}], "volumes": [{"name": "v", "hostPath": {"path": {}}}]}})
@example(document={"spec": {"containers": [{"livenessProbe": {"httpGet": {"host": []}}}]}})
def test_anything_at_all_gives_a_document_or_is_said_to_be_odd(name: str, document: Any) -> None:
    try:
        found = NORMALISERS[name](document)
    except MalformedError:
        return
    if name == "pod":
        assert len(found["effectiveContainers"]) == sum(len(document["spec"].get(field) or ()) for field, _ in KINDS)
        assert all(isinstance(each["securityContext"], dict) for each in found["effectiveContainers"])
        json.dumps(found)  # it can be stored


# ---- once for a template -------------------------------------------------------------------------------------------------


def _of_one_template(number: int) -> Document:
    """A pod as a ReplicaSet makes many: of its own are its name, its node, its token's volume and what was pulled for it."""
    volume = f"kube-api-access-{number}"
    main = {
        "name": "main",
        "image": "registry.example.com/shop/web:1.2",
        "args": ["--listen=:8080", "--password=hunter2hunter2"],
        "env": [{"name": "DB_PASSWORD", "value": "correct-horse-battery"}],
        "volumeMounts": [{"name": volume, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
    }
    spec = {"containers": [main], "nodeName": f"node-{number}", "volumes": [{"name": volume, "projected": {"sources": []}}]}
    status = {"containerStatuses": [{"name": "main", "imageID": f"sha256:{number:064x}"}]}
    return {**made(spec), "metadata": {"name": f"web-{number}", "namespace": "shop"}, "status": status}


def test_the_pods_of_a_template_cost_the_detectors_no_more_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counted(name: str) -> Callable[..., Any]:
        told = getattr(pods, name)

        def asking(*given: Any) -> Any:
            asked.append(name)
            return told(*given)

        return asking

    for name in ("_made", "of_settings", "of_words"):
        monkeypatch.setattr(pods, name, counted(name))
    pods._of_alike.cache_clear()
    pods._judged.cache_clear()
    found = [pod(_of_one_template(number))["effectiveContainers"][0] for number in range(50)]
    assert sorted(asked) == ["_made", "of_settings", "of_words"]
    assert {tuple(each["holding"]) for each in found} == {("DB_PASSWORD", "--password")}
    assert len({each["imageID"] for each in found}) == len({each["volumeMounts"][0]["name"] for each in found}) == 50


@pytest.mark.parametrize("number", [2**63, 2**64, -(2**64)])
def test_numbers_that_no_server_takes_are_kept_all_the_same(number: int) -> None:
    assert only({"securityContext": {"runAsUser": number}})["securityContext"] == {"runAsUser": number}


@settings(max_examples=drawn(150), deadline=None)
@given(documents=st.lists(PODS, min_size=1, max_size=4))
def test_what_was_seen_before_changes_nothing(documents: list[Any]) -> None:
    def outcome(document: Any) -> str:
        try:
            return json.dumps(pod(document), sort_keys=True)
        except MalformedError as error:
            return repr(error)

    remembered = [outcome(document) for document in (*documents, *documents)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pods, "_told", pods._made)
        assert remembered == [outcome(document) for document in (*documents, *documents)]


class _Asked(dict[str, Any]):
    """A container that notes which of its fields somebody looks at."""

    def __init__(self, given: Document) -> None:
        super().__init__(given)
        self.fields: set[str] = set()

    def get(self, name: str, otherwise: Any = None) -> Any:
        self.fields.add(name)
        return super().get(name, otherwise)

    def __getitem__(self, name: str) -> Any:
        self.fields.add(name)
        return super().__getitem__(name)


def test_containers_are_alike_by_every_field_that_is_looked_at() -> None:
    handler = {"httpGet": {"host": "10.0.0.1"}}
    container = _Asked(
        {
            **dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), handler),
            **{"name": "main", "image": "nginx", "command": ["a"], "args": ["--b"], "restartPolicy": "Always", "securityContext": {}},
            **{"env": [{"name": "A", "value": "b"}], "envFrom": [{"secretRef": {"name": "s"}}], "lifecycle": {"preStop": handler}},
            **{"resources": {"limits": {"cpu": "1"}}, "volumeMounts": [{"name": "v"}]},
        }
    )
    pods._made(container, "init", None, pods._Room({}, {}, {}, {}))
    assert container.fields == pods._TELLING
    pods._made(container, "init", None, pods._Room({}, {}, {"v": "/etc"}, {"v": ["s"]}))
    assert container.fields == pods._TELLING_MOUNTS


def test_a_volume_that_holds_a_token_is_named_whoever_wrote_it() -> None:
    token = {"serviceAccountToken": {"path": "token", "audience": "vault"}}
    volumes = [
        {"name": "by-hand", "projected": {"sources": [{"configMap": {"name": "ca"}}, token]}},
        {"name": "settings", "projected": {"sources": [{"configMap": {"name": "ca"}}]}},
        {"name": "scratch", "emptyDir": {}},
    ]
    spec = {"containers": [{"name": "web", "image": "web:1"}]}
    assert pod({"metadata": {}, "spec": {**spec, "volumes": volumes}})["tokenVolumes"] == ["by-hand"]
    assert "tokenVolumes" not in pod({"metadata": {}, "spec": {**spec, "volumes": volumes[1:]}})


@pytest.mark.parametrize("path", ["/", "/etc", "/var/lib/kubelet/pods"])
def test_a_local_volume_may_lie_where_its_node_lives(path: str) -> None:
    assert NORMALISERS["volume"]({"spec": {"local": {"path": path}}})["localIsCritical"] is True


def terms(*given: list[Document]) -> Document:
    chosen = {"nodeSelectorTerms": [{"matchExpressions": each} for each in given]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": chosen}}


WINDOWS_IMAGES = (
    "mcr.microsoft.com/windows/nanoserver:ltsc2025",
    "mcr.microsoft.com/windows/servercore/iis@sha256:0a",
    "registry.example.com:5000/mirror/windows/servercore/iis:1809",
    "microsoft/nanoserver",
    "registry.example.com:5000/nanoserver:1809",
    "registry.example.com/servercore@sha256:0a",
    "registry.example.com/windowsservercore:1",
    "registry.example.com/openjdk-nanoserver:21",
    "golang:1.25-windowsservercore-1809",
    "golang:windowsservercore@sha256:0a",
    "registry.example.com:5000/shop/web:1.4-nanoserver",
    "registry.example.com:5000/shop/web:ltsc2022",
)
LINUX_IMAGES = (
    "ghcr.io/servercore-tools/api:1",
    "ghcr.io/acme/servercore-tools:1",
    "cr.servercore.example/app:1",
    "servercore:5000/app:1",
    "registry.nanoserver.example:5000/app",
    "acme/observercore:1",
    "acme/app:1-observercore",
    "registry.example.com:5000/ltsc2022-notes/web:1",
    "acme/ltsc2022:1",
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "linux"),
        ({"os": {"name": "windows"}, "nodeSelector": {"kubernetes.io/os": "linux"}}, "windows"),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, "windows"),
        ({"nodeSelector": {"disk": "ssd"}}, "linux"),
        ({"securityContext": {"windowsOptions": {"runAsUserName": "ContainerUser"}}}, "windows"),
        ({"containers": [{"name": "a", "securityContext": {"windowsOptions": {"hostProcess": True}}}]}, "windows"),
        ({"affinity": terms([{"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}])}, "windows"),
        ({"affinity": terms([{"key": "kubernetes.io/os", "operator": "NotIn", "values": ["windows"]}])}, "linux"),
        ({"affinity": terms([{"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}], [])}, "linux"),
        (
            {"affinity": terms([{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]), "runtimeClassName": "windows-2022"},
            "linux",
        ),
        ({"runtimeClassName": "windows-2022"}, "windows"),
        ({"nodeSelector": {"node.kubernetes.io/windows-build": "10.0.20348"}}, "windows"),
        ({"tolerations": [{"key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule"}]}, "windows"),
        ({"tolerations": [{"operator": "Exists"}]}, "linux"),
        ({"containers": [{"name": "a", "image": "mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022"}]}, "windows"),
        ({"containers": [{"name": "a", "image": "registry.example.com/shop/web:1.4-nanoserver-ltsc2022"}]}, "windows"),
        ({"containers": [{"name": "a", "image": "mcr.microsoft.com/dotnet/framework/aspnet:4.8"}]}, "windows"),
        ({"containers": [{"name": "a", "image": "mcr.microsoft.com/dotnet/aspnet:8.0"}]}, "linux"),
        ({"containers": [{"name": "a", "image": "ghcr.io/x/windows-exporter-dashboard:1.0"}]}, "linux"),
        *(({"containers": [{"name": "a", "image": image}]}, "windows") for image in WINDOWS_IMAGES),
        *(({"containers": [{"name": "a", "image": image}]}, "linux") for image in LINUX_IMAGES),
    ],
)
def test_which_system_a_pod_is_for(spec: Document, expected: str) -> None:
    assert pod({"metadata": {}, "spec": {"containers": [{"name": "a"}], **spec}})["osName"] == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"nodeSelector": {"agentpool": "npwin"}}, "n1"),
        ({"runtimeClassName": "gvisor"}, "n1"),
        ({"affinity": terms([{"key": "cloud.google.com/gke-nodepool", "operator": "In", "values": ["w"]}])}, "n1"),
        ({}, None),
        ({"nodeSelector": {"kubernetes.io/os": "linux", "agentpool": "a"}}, None),
        ({"nodeSelector": {"agentpool": "npwin"}, "securityContext": {"windowsOptions": {"runAsUserName": "a"}}}, None),
        ({"nodeSelector": {"kubernetes.io/arch": "arm64", "topology.kubernetes.io/zone": "a"}}, None),
        ({"tolerations": [{"key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule"}]}, "n1"),
        ({"tolerations": [{"key": "os", "value": "windows"}], "containers": [{"name": "a", "image": "golang:1-nanoserver"}]}, None),
        ({"tolerations": [{"operator": "Exists"}]}, None),
        ({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]}}}}, None),
    ],
)  # fmt: skip
def test_the_node_tells_the_system_of_a_pod_that_bears_windows_or_asks_for_a_pool(spec: Document, expected: str | None) -> None:
    given = {"metadata": {}, "spec": {"containers": [{"name": "a"}], **spec}}
    assert "pinnedTo" not in pod(given)  # of a template
    assert pod({**given, "spec": {**given["spec"], "nodeName": "n1"}}).get("pinnedTo") == expected


def test_a_read_only_view_of_the_whole_node_is_told_apart_from_a_socket() -> None:
    volumes = [{"name": name, "hostPath": {"path": path}} for name, path in (("root", "/"), ("sock", "/var/run/docker.sock"))]
    mounts = [{"name": "root", "mountPath": "/host", "readOnly": True}, {"name": "sock", "mountPath": "/s", "readOnly": True}]
    spec = {"containers": [{"name": "a", "volumeMounts": [*mounts, {"name": "root", "mountPath": "/rw"}]}], "volumes": volumes}
    made = pod({"metadata": {}, "spec": spec})["effectiveContainers"][0]
    assert made["socketMounts"] == ["/", "/var/run/docker.sock", "/"]
    assert made["distantSockets"] == ["/"]


def test_ports_of_a_pod_in_its_nodes_network_are_the_nodes() -> None:
    spec = {"containers": [{"name": "a", "ports": [{"containerPort": 80}, {"containerPort": 81, "hostPort": 81}]}]}
    said = pod({"metadata": {}, "spec": {**spec, "hostNetwork": True}})["effectiveContainers"][0]["ports"]
    assert [each["hostPort"] for each in said] == [80, 81]
    assert pod({"metadata": {}, "spec": spec})["effectiveContainers"][0]["ports"] == spec["containers"][0]["ports"]


def test_what_listens_is_told_of_containers_that_keep_running() -> None:
    spec = {
        "initContainers": [{"name": "i", "image": "busybox"}, {"name": "s", "image": "ghcr.io/x/proxy:1", "restartPolicy": "Always"}],
        "containers": [{"name": "a", "image": "grafana/grafana:12", "ports": [{"containerPort": 3000}]}, {"name": "b"}],
    }
    assert pod({"metadata": {}, "spec": spec})["listeners"] == [
        {"image": "grafana/grafana", "ports": [3000]},
        {"image": "x/proxy", "ports": []},
    ]


def test_a_token_for_the_api_server_names_no_audience() -> None:
    def volume(name: str, **token: Any) -> Document:
        return {"name": name, "projected": {"sources": [{"serviceAccountToken": {"path": "token", **token}}]}}

    made = pod(
        {"metadata": {}, "spec": {"containers": [{"name": "a"}], "volumes": [volume("kube-api-access-x"), volume("v", audience="vault")]}}
    )
    assert made["tokenVolumes"] == ["kube-api-access-x", "v"]
    assert made["apiTokenVolumes"] == ["kube-api-access-x"]


@pytest.mark.parametrize(
    ("where", "path", "provisioner", "expected"),
    [
        ("hostPath", "/var/lib/rancher/k3s/storage/pvc-1_shop_data", "rancher.io/local-path", True),
        ("local", "/var/lib/rancher/k3s/storage/pvc-1_shop_data", "rancher.io/local-path", True),
        ("hostPath", "/tmp/hostpath-provisioner/shop/data", "k8s.io/minikube-hostpath", True),
        ("hostPath", "/var/snap/microk8s/common/default-storage/shop-data-pvc-1", "microk8s.io/hostpath", True),
        ("hostPath", "/var/lib/rancher/k3s/storage/pvc-1_shop_data", None, False),
        ("hostPath", "/etc", "rancher.io/local-path", False),
        ("local", "/var/lib/kubelet/pvc-1/..", "x", False),
    ],
)
def test_a_folder_that_a_provisioner_made_is_the_volumes_own(where: str, path: str, provisioner: str | None, expected: bool) -> None:
    annotations = {"pv.kubernetes.io/provisioned-by": provisioner} if provisioner else {}
    spec = {where: {"path": path}, "claimRef": {"namespace": "shop", "name": "data"}}
    made = NORMALISERS["volume"]({"metadata": {"name": "pvc-1", "annotations": annotations}, "spec": spec})
    assert made["isOwnFolder"] is expected


def test_a_local_volume_on_a_disk_of_its_own_does_not() -> None:
    assert NORMALISERS["volume"]({"spec": {"local": {"path": "/mnt/disks/ssd1"}}})["localIsCritical"] is False


def test_a_volume_of_a_driver_says_nothing_of_local_paths() -> None:
    assert NORMALISERS["volume"]({"spec": {"csi": {"driver": "ebs.csi.aws.com"}}}) == {"spec": {"csi": {"driver": "ebs.csi.aws.com"}}}


def test_a_model_that_an_image_holds_says_what_the_images_name_says() -> None:
    served = {"spec": {"predictor": {"model": {"storageUri": "oci://quay.io/someone/model:1"}}}}
    language = {"spec": {"model": {"uri": "oci://registry.example.com/model:1"}}}
    assert NORMALISERS["model"](served)["storageReference"]["isPublic"] is True
    assert NORMALISERS["model"](language)["storageReference"]["isPublic"] is False
    bucket = {"spec": {"model": {"uri": "s3://models/a"}}}
    assert NORMALISERS["model"](bucket) == bucket
