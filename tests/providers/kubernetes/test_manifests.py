"""Manifests in place of a cluster: what is read, what is refused with advice, and that nothing is concluded from what is not there."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cnamm_scan import api
from cnamm_scan.errors import UsageError
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Answer, CallFailedError, Request
from cnamm_scan.providers.kubernetes.manifests import ManifestProvider
from cnamm_scan.providers.kubernetes.names import plural
from cnamm_scan.providers.kubernetes.provider import Options, connect
from cnamm_scan.providers.kubernetes.templates import TEMPLATES
from tests.clusters import crd, pod, rule, thing, verdicts, write_pack

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: main, image: nginx}]}\n"


def written(folder: Path, **files: str) -> Path:
    """Files by their names, with _ for the last dot."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_text(textwrap.dedent(text))
    return folder


def of(*objects: Any, folder: Path, **more: Any) -> ManifestProvider:
    """A provider of these objects."""
    file = folder / "objects.yaml"
    file.write_text("\n---\n".join(json.dumps(each) for each in objects))
    return ManifestProvider(str(file), **more)


def listed(provider: ManifestProvider, client: str = "v1", call: str = "pods") -> Answer:
    return provider.call(Request(client, call, "global"))


def where(answer: Answer) -> list[tuple[str, str]]:
    return [(item["metadata"].get("namespace", ""), item["metadata"]["name"]) for item in answer.data["items"]]


def fails(provider: ManifestProvider, client: str = "v1", call: str = "pods") -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        listed(provider, client, call)
    return caught.value


def refused(source: str) -> tuple[str, str, str]:
    with pytest.raises(UsageError) as caught:
        connect(source, Options())
    assert caught.value.what
    assert caught.value.do
    return caught.value.what, caught.value.where, caught.value.do


# ---- files ---------------------------------------------------------------------------------------------------------------


def test_one_file(tmp_path: Path) -> None:
    written(tmp_path, web_yaml=POD)
    provider = connect(str(tmp_path / "web.yaml"), Options())
    assert provider.targets[0].id == f"kubernetes:{tmp_path}/web.yaml"
    assert (provider.targets[0].provider, provider.targets[0].identity) == ("kubernetes", "")
    assert provider.targets[0].scope == {"manifests": f"{tmp_path}/web.yaml", "objects": 1}
    assert isinstance(provider, ManifestProvider)
    assert where(listed(provider)) == [("shop", "web")]
    assert (list(provider.regions(provider.targets[0])), list(provider.default_regions()), provider.home_region()) == ([], [], "global")
    assert provider.variables(provider.targets[0], "global")["$target"] == provider.targets[0].id
    provider.close()


def test_a_folder_with_what_is_beneath_it(tmp_path: Path) -> None:
    written(tmp_path, a_yaml=POD.replace("web", "a"), c_json=json.dumps(pod("c")), README_md=POD.replace("web", "not"))
    written(tmp_path / "deep", b_yml=POD.replace("web", "b"))
    written(tmp_path / ".git", hidden_yaml=POD.replace("web", "hidden"))
    written(tmp_path, Chart_yaml="apiVersion: v2\nname: chart\n", values_yaml="image: nginx\n", empty_yaml="")
    assert where(listed(ManifestProvider(str(tmp_path)))) == [("shop", "a"), ("shop", "c"), ("shop", "b")]


def test_a_relative_name_is_a_file_where_no_context_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "chart", web_yaml=POD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for name in ("chart", "./chart", "chart/web.yaml", "."):
        assert connect(name, Options()).targets[0].id == f"kubernetes:{name}"


@pytest.mark.parametrize("name", ["none.yaml", "./none", "/none/at/all", "~/none/at/all"])
def test_what_is_not_there(name: str) -> None:
    what, place, _ = refused(name)
    assert (what, place) == ("no such file or folder", f"kubernetes:{name}")


def test_several_documents_in_one_file(tmp_path: Path) -> None:
    text = f"# a comment\n---\n{POD}---\n---\nnull\n---\n{POD.replace('web', 'db')}...\n"
    assert where(listed(ManifestProvider(str(written(tmp_path, all_yaml=text))))) == [("shop", "web"), ("shop", "db")]


def test_json_and_several_of_it(tmp_path: Path) -> None:
    written(tmp_path, one_json=json.dumps(pod("one")), two_json=f"{json.dumps(pod('two'))}\n---\n{json.dumps(pod('three'))}")
    written(tmp_path, four_json=json.dumps([pod("four"), pod("five")]))
    assert sorted(where(listed(ManifestProvider(str(tmp_path))))) == [("shop", name) for name in ("five", "four", "one", "three", "two")]


def test_lists(tmp_path: Path) -> None:
    """What kubectl gives, and what the API server does: its own lists say once what each item is."""
    bare = {key: value for key, value in pod("bare").items() if key not in ("apiVersion", "kind")}
    provider = of(
        {"apiVersion": "v1", "kind": "List", "items": [pod("one"), thing("Namespace", "shop"), 5, {"kind": "Half"}]},
        {"apiVersion": "v1", "kind": "PodList", "items": [bare]},
        {"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "PodList", "items": [pod("two")]}]},
        thing("AllowList", "mine", api="example.com/v1", spec={"items": []}),
        folder=tmp_path,
    )
    assert where(listed(provider)) == [("shop", "one"), ("shop", "bare"), ("shop", "two")]
    assert provider.targets[0].scope["objects"] == 5
    assert where(listed(provider, "example.com/v1", "allowlists")) == [("default", "mine")]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(POD.encode())))
    provider = connect("-", Options())
    assert isinstance(provider, ManifestProvider)
    assert provider.targets[0].id == "kubernetes:-"
    assert where(listed(provider)) == [("shop", "web")]


def test_standard_input_that_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), encoding="utf-8"))
    assert refused("-")[:2] == ("not UTF-8 text", "standard input")


TEMPLATE = """
    apiVersion: v1
    kind: Pod
    metadata:
      name: {{ include "chart.name" . }}
    spec:
      {{- if .Values.enabled }}
      containers: []
      {{- end }}
"""


def test_a_template_is_not_yet_a_manifest(tmp_path: Path) -> None:
    what, place, do = refused(str(written(tmp_path, deployment_yaml=TEMPLATE)))
    assert what == "a template, not yet a manifest"
    assert place.startswith(f"{tmp_path}/deployment.yaml:")
    assert "helm template" in do
    # templates in values are none of Helm's
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {alert: "{{ $labels.pod }} is down"}\n'
    assert ManifestProvider(str(written(tmp_path, deployment_yaml=text))).target.scope["objects"] == 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("kind: Pod\nmetadata:\n\tname: tab\n", 3),
        ("a: [1, 2\nb: 3\n", 2),
        ("kind: Pod\nspec: {a: b\n---\nkind: Pod\n", 3),
        ("a: b: c\n", 1),
        ("kind: Pod\na: !!python/object:os.system {}\n", 2),
        ("*nowhere\n", 1),
        ("{broken json,\n]", 2),
    ],
)
def test_broken_yaml_names_its_line(tmp_path: Path, text: str, line: int) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    what, place, do = refused(str(tmp_path))
    assert what.startswith("not well-formed YAML: ")
    assert place == f"{tmp_path}/broken.yaml:{line}"
    assert do == "mend the line, or go on without the file: --skip-unreadable"


@pytest.mark.parametrize(
    "text", ["a: !!int many", "a: !!float much", "a: !!bool perhaps", "a: !!binary x", f"a: {'9' * 5000}", "a: .nan", "a: \x07"]
)
def test_values_that_are_not_what_their_tags_say(tmp_path: Path, text: str) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    what, place, _ = refused(str(tmp_path / "broken.yaml"))
    assert what.startswith("not well-formed YAML: ")
    assert place == f"{tmp_path}/broken.yaml:1"


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 100_000 + "x", "{a: " * 50_000, "[\n" * 5000], ids=["json", "block", "flow", "lines"]
)
def test_nesting_without_end_is_refused(tmp_path: Path, text: str) -> None:
    """libyaml's composer would end the process, and json's reader the scan."""
    (tmp_path / "deep.yaml").write_text(text)
    what, place, _ = refused(str(tmp_path / "deep.yaml"))
    assert what == "nested more than 200 levels deep"
    assert place.partition("deep.yaml")[2].rstrip("0123456789") in ("", ":")


def test_much_that_is_not_deep_is_read(tmp_path: Path) -> None:
    panels = json.dumps([{"targets": [{"expr": "up"}]} for _ in range(500)])
    provider = of(thing("ConfigMap", "dashboard", "shop", data={"json": panels}, more=json.loads(panels)), folder=tmp_path)
    (tmp_path / "objects.yaml").write_text("---\n" + (tmp_path / "objects.yaml").read_text())  # as YAML
    assert ManifestProvider(str(tmp_path)).target.scope == {**provider.targets[0].scope, "manifests": str(tmp_path)}


def test_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes("kind: Pod # für alle\n".encode("latin-1"))
    assert refused(str(tmp_path))[:2] == ("not UTF-8 text", f"{tmp_path}/latin.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_not_to_be_read(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(POD)
    (tmp_path / "mine.yaml").chmod(0)
    assert refused(str(tmp_path))[0].startswith("cannot be read")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "---\n---\n",
        "just words\n",
        "- 5\n",
        "image: nginx\n",
        "kind: Pod\n",
        '{"apiVersion":"v1","kind":"List","items":[]}',
    ],
)
def test_no_object_is_a_mistake(tmp_path: Path, text: str) -> None:
    """A folder that was named wrongly must not read as one without flaws."""
    written(tmp_path, nothing_yaml=text)
    what, place, do = refused(str(tmp_path))
    assert (what, place) == ("holds no Kubernetes object", f"kubernetes:{tmp_path}")
    assert "apiVersion and kind" in do


SCALARS = """
    apiVersion: example.com/v1
    kind: Thing
    metadata: {name: a}
    day: 2026-01-01
    moment: 2026-01-01T00:00:00Z
    yes: yes
    on: off
    80: 8080
    time: 12:30
    sum: =
    mode: 0644
    share: 1.5
    nothing: ~
    word: "yes"
"""


def test_scalars_are_as_kubectl_reads_them(tmp_path: Path) -> None:
    (item,) = listed(ManifestProvider(str(written(tmp_path, a_yaml=SCALARS))), "example.com/v1", "things").data["items"]
    assert {key: value for key, value in item.items() if key not in ("apiVersion", "kind", "metadata", "inSystemNamespace")} == {
        "day": "2026-01-01",
        "moment": "2026-01-01T00:00:00Z",
        "true": False,  # `yes` and `on` are the same key: the last counts
        "80": 8080,
        "time": "12:30",
        "sum": "=",
        "mode": 420,
        "share": 1.5,
        "nothing": None,
        "word": "yes",
    }


# ---- objects -------------------------------------------------------------------------------------------------------------


def owner(kind: str, name: str = "web", namespace: str = "shop", **metadata: Any) -> dict[str, Any]:
    """An object that makes pods."""
    (group, steps) = next((group.replace("*", "apps"), steps) for (group, known), steps in TEMPLATES.items() if known == kind)
    template: Any = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": f"{name}:1"}]}}
    for step in reversed(steps[1:]):
        template = {step: template}
    versions = {"argoproj.io": "v1alpha1"}
    api_version = f"{group}/{versions.get(group, 'v1')}" if group else "v1"
    return thing(kind, name, namespace, api=api_version, metadata=metadata, **{steps[0]: template})


@pytest.mark.parametrize("kind", [kind for _, kind in TEMPLATES])
def test_a_pod_for_each_template(tmp_path: Path, kind: str) -> None:
    provider = of(owner(kind), folder=tmp_path)
    (item,) = listed(provider).data["items"]
    assert item["metadata"] == {
        "labels": {"app": "web"},
        "name": "web",
        "namespace": "shop",
        "ownerReferences": [{"kind": kind, "name": "web", "controller": True}],
    }
    assert item["spec"]["containers"][0]["image"] == "web:1"
    assert item["inSystemNamespace"] is False


def test_pods_of_one_name_are_told_apart(tmp_path: Path) -> None:
    provider = of(
        owner("Deployment"), owner("StatefulSet"), owner("Job"), owner("Deployment", namespace="bank"), pod("other"), folder=tmp_path
    )
    answer = listed(provider)
    assert where(answer) == [("shop", "other"), ("shop", "web"), ("bank", "web"), ("shop", "web"), ("shop", "web")]
    assert [origin.mark for origin in answer.origins] == ["", "", "", "~statefulset", "~job"]
    answer = listed(of(pod("web"), owner("Deployment"), owner("Deployment"), folder=tmp_path))
    assert [origin.mark for origin in answer.origins] == ["", "~deployment", "~deployment@objects.yaml"]


def test_what_another_object_makes_is_not_counted_twice(tmp_path: Path) -> None:
    """As in a dump of a cluster: the deployment, its replica set."""
    owned = owner("ReplicaSet", "web-abc", ownerReferences=[{"kind": "Deployment", "name": "web"}])
    assert where(listed(of(owner("Deployment"), owned, folder=tmp_path))) == [("shop", "web")]


@pytest.mark.parametrize("spec", [None, {}, {"template": None}, {"template": 5}, [], "x"])
def test_a_template_that_is_odd_is_an_odd_pod(tmp_path: Path, spec: Any) -> None:
    """It shows as one that could not be read; it does not vanish."""
    provider = of(thing("Deployment", "web", "shop", api="apps/v1", spec=spec), folder=tmp_path)
    assert where(listed(provider)) == [("shop", "web")]


def test_what_names_no_namespace_goes_to_default(tmp_path: Path) -> None:
    provider = of(
        thing("ConfigMap", "a"),
        thing("ConfigMap", "b", "shop"),
        thing("ClusterRole", "c", api="rbac.authorization.k8s.io/v1"),
        thing("Namespace", "kube-system"),
        owner("Deployment", "d", ""),
        folder=tmp_path,
    )
    assert where(listed(provider, "v1", "configmaps")) == [("default", "a"), ("shop", "b")]
    assert where(listed(provider, "rbac.authorization.k8s.io/v1", "clusterroles")) == [("", "c")]
    (namespace,) = listed(provider, "v1", "namespaces").data["items"]
    assert namespace["metadata"] == {"name": "kube-system"}
    assert namespace["inSystemNamespace"] is True
    assert where(listed(provider)) == [("default", "d")]
    assert where(listed(provider, "apps/v1", "deployments")) == [("default", "d")]


def test_names_that_the_server_makes_up(tmp_path: Path) -> None:
    nameless = {**owner("Job"), "metadata": {"generateName": "run-", "namespace": "shop"}}
    provider = of(nameless, folder=tmp_path)
    assert where(listed(provider, "batch/v1", "jobs")) == [("shop", "run-")]
    assert where(listed(provider)) == [("shop", "run-")]


@pytest.mark.parametrize("metadata", [None, 5, [], {}, {"name": 5}, {"name": "a", "namespace": ["b"]}, {"name": "a", "annotations": []}])
@pytest.mark.parametrize("kind", ["Pod", "Namespace", "Deployment"])
def test_odd_metadata_is_handed_on(tmp_path: Path, kind: str, metadata: Any) -> None:
    api_version = "apps/v1" if kind == "Deployment" else "v1"
    odd = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {}}
    for more in ({}, {"namespaces": ["b", "default"]}, {"excluded_namespaces": ["b"]}):
        provider = of(odd, thing("Namespace", "b"), folder=tmp_path, **more)
        call = {"Pod": "pods", "Namespace": "namespaces", "Deployment": "deployments"}[kind]
        assert listed(provider, api_version, call).data["items"]


def test_copies_of_whole_objects_in_annotations_are_emptied(tmp_path: Path) -> None:
    """`kubectl get -o yaml` gives them too."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "owner": "shop"}
    (item,) = listed(of(pod("web", metadata={"annotations": annotations}), folder=tmp_path)).data["items"]
    assert item["metadata"]["annotations"] == {**dict.fromkeys(annotations, ""), "owner": "shop"}


def test_other_versions_are_not_read(tmp_path: Path) -> None:
    old, new = thing("Widget", "old", "shop", api="example.com/v1beta1"), thing("Widget", "new", "shop", api="example.com/v1")
    failure = fails(of(old, folder=tmp_path), "example.com/v1", "widgets")
    assert (failure.reason, failure.code) == (Reason.UNSUPPORTED, "UnreadVersion")
    answer = listed(of(old, new, folder=tmp_path), "example.com/v1,v2", "widgets")
    assert where(answer) == [("shop", "new")]
    assert answer.left_out is Reason.UNSUPPORTED
    assert listed(of(old, new, folder=tmp_path), "example.com/v1,v1beta1", "widgets").left_out is None


def test_what_is_not_there_may_be_in_the_cluster(tmp_path: Path) -> None:
    provider = of(pod("web"), folder=tmp_path)
    for client, call in (
        ("networking.k8s.io/v1", "networkpolicies"),
        ("kyverno.io/v1", "policies"),
        ("constraints.gatekeeper.sh/v1beta1", "*"),
    ):
        failure = fails(provider, client, call)
        assert (failure.reason, failure.retry) == (Reason.NOT_IN_MANIFESTS, False)
        assert not provider.matches(failure, ())
    answer = listed(provider)
    assert answer.rest is Reason.NOT_IN_MANIFESTS  # what is there is judged; nothing is taken to be absent
    assert answer.blind == {"status": Reason.ONLY_IN_CLUSTER, "silence": Reason.ONLY_IN_CLUSTER}


def test_secrets_are_left_alone(tmp_path: Path) -> None:
    provider = of(thing("Secret", "password", "shop", stringData={"p": "hunter2"}), folder=tmp_path)
    assert fails(provider, "v1", "secrets").reason is Reason.EXCLUDED
    assert fails(provider, "v1", "*").reason is Reason.EXCLUDED
    assert fails(provider, "v1", "nodes/proxy/configz").reason is Reason.ONLY_IN_CLUSTER
    assert fails(provider, "apps", "Nonsense").reason is Reason.COLLECTOR_BUG


def test_whatever_a_group_holds(tmp_path: Path) -> None:
    group = "constraints.gatekeeper.sh/v1beta1"
    provider = of(thing("K8sRequiredLabels", "a", api=group), thing("K8sAllowedRepos", "b", api=group), folder=tmp_path)
    assert sorted(item["metadata"]["name"] for item in listed(provider, group, "*").data["items"]) == ["a", "b"]


def test_the_cluster_that_they_are_for(tmp_path: Path) -> None:
    provider = of(pod("web"), folder=tmp_path)
    answer = provider.read("cluster", Request("v1", "<cluster>", "global"))
    assert answer.data == [{"name": provider.targets[0].name}]
    assert {answer.blind[name] for name in ("version", "managedBy", "silence", "status")} == {Reason.ONLY_IN_CLUSTER}
    with pytest.raises(CallFailedError) as caught:
        provider.read("nonsense", Request("v1", "<nonsense>", "global"))
    assert caught.value.reason is Reason.ONLY_IN_CLUSTER


def test_what_is_served_is_what_is_given_and_what_its_definitions_say(tmp_path: Path) -> None:
    defined = crd("widgets", "Widget", "v1", "v2", scope="Cluster")
    defined["spec"]["versions"][1]["served"] = False
    broken = thing("CustomResourceDefinition", "broken", api="apiextensions.k8s.io/v1", spec={"group": "x", "names": [], "versions": {}})
    provider = of(pod("web"), pod("till"), defined, broken, thing("Sync", "s", api="example.org/v1"), folder=tmp_path)
    answer = provider.read("api_resources", Request("v1", "<api_resources>", "global"))
    found = {(each["group"], each["version"], each["resource"], each["kind"], each.get("namespaced")) for each in answer.data}
    assert found == {
        ("", "v1", "pods", "Pod", None),
        ("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", False),
        ("example.com", "v1", "widgets", "Widget", False),
        ("example.org", "v1", "syncs", "Sync", None),
    }
    assert (answer.rest, len(answer.origins)) == (Reason.NOT_IN_MANIFESTS, len(answer.data))


@pytest.mark.parametrize("order", [1, -1])
def test_a_definition_says_more_of_its_kind_than_an_object_of_it_that_is_read_before(tmp_path: Path, order: int) -> None:
    objects = [crd("widgets", "Widget", "v1", scope="Cluster"), thing("Widget", "w", api="example.com/v1")][::order]
    answer = of(*objects, folder=tmp_path).read("api_resources", Request("v1", "<api_resources>", "global"))
    assert {each["resource"]: each["namespaced"] for each in answer.data}["widgets"] is False


def test_namespaces(tmp_path: Path) -> None:
    objects = [pod("web"), pod("db", "bank"), pod("sys", "kube-system"), owner("Deployment", "app", "bank"), thing("Namespace", "bank")]
    everything = of(*objects, folder=tmp_path)
    assert {item["metadata"]["name"] for item in listed(everything).data["items"] if item["inSystemNamespace"]} == {"sys"}
    only = of(*objects, folder=tmp_path, namespaces=["bank"])
    assert where(listed(only)) == [("bank", "db"), ("bank", "app")]
    assert (listed(only).left_out, listed(only, "v1", "namespaces").left_out) == (Reason.EXCLUDED, None)
    without = of(*objects, folder=tmp_path, excluded_namespaces=["bank"], system_namespaces=["shop"])
    assert where(listed(without)) == [("shop", "web"), ("kube-system", "sys")]
    assert {item["inSystemNamespace"] for item in listed(without).data["items"]} == {True}
    assert fails(without, "apps/v1", "deployments").reason is Reason.EXCLUDED  # there is one, and somebody left it out
    assert without.target.scope == {
        "manifests": f"{tmp_path}/objects.yaml", "objects": 5, "excluded_namespaces": ["bank"], "system_namespaces": ["shop"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Pod", "pods"),
        ("NetworkPolicy", "networkpolicies"),
        ("Ingress", "ingresses"),
        ("StorageClass", "storageclasses"),
        ("Endpoints", "endpoints"),
        ("Gateway", "gateways"),
        ("Prometheus", "prometheuses"),
        ("Proxy", "proxies"),
        ("ImageRepository", "imagerepositories"),
        ("Switch", "switches"),
        ("Mesh", "meshes"),
        ("HTTPRoute", "httproutes"),
    ],
)
def test_plurals(kind: str, name: str) -> None:
    assert plural(kind) == name


# ---- a scan --------------------------------------------------------------------------------------------------------------

COLLECTOR = """
service: probe
client: v1
facts:
  kubernetes.probe.cluster:
    about: The cluster.
    once_per: target
    list: {read: cluster, needs: get /version}
    key: '{name}'
    columns: {name: {type: text, from: name}, version: {type: text, from: version.gitVersion}}
  kubernetes.probe.pod:
    about: A pod.
    once_per: target
    list: {call: pods, items: items}
    key: '{metadata.namespace}/{metadata.name}'
    normalise: {'@': pod}
    columns:
      name: {type: text, from: metadata.name}
      namespace: {type: text, from: metadata.namespace}
      phase: {type: text, from: status.phase, absent: None}
      uid: {type: text, from: metadata.uid}
      host: {type: boolean, from: spec.hostNetwork, absent: false}
  kubernetes.probe.policy:
    about: A network policy.
    once_per: target
    list: {call: 'networking.k8s.io/v1:networkpolicies', items: items}
    key: '{metadata.namespace}/{metadata.name}'
    columns: {namespace: {type: text, from: metadata.namespace}, denies: {type: boolean, exists: spec.policyTypes}}
  kubernetes.probe.class:
    about: Something that no manifest here holds.
    once_per: target
    list: {call: 'storage.k8s.io/v1:storageclasses', items: items}
    key: '{metadata.name}'
    columns: {name: {type: text, from: metadata.name}}
"""
RULES = [
    rule("host", "kubernetes.probe.pod", "NOT host"),
    rule("runs", "kubernetes.probe.pod", "phase = 'Running'"),
    rule("known", "kubernetes.probe.pod", "uid <> ''"),
    rule(
        "policed",
        "kubernetes.probe.pod",
        "true = ANY (SELECT p.denies FROM kubernetes.probe.policy p WHERE p.target = this.target AND p.namespace = this.namespace)",
    ),
    rule(
        "some_policy",
        "kubernetes.probe.cluster",
        "true = ANY (SELECT p.denies FROM kubernetes.probe.policy p WHERE p.target = this.target)",
    ),
    rule(
        "some_class", "kubernetes.probe.cluster", "'fast' = ANY (SELECT c.name FROM kubernetes.probe.class c WHERE c.target = this.target)"
    ),
    rule("fresh", "kubernetes.probe.cluster", "version LIKE 'v1.36%'"),
    rule("named", "kubernetes.probe.class", "name <> ''"),
]


@pytest.fixture
def pack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = write_pack(tmp_path / "pack", {"kubernetes/probe": COLLECTOR}, RULES)
    monkeypatch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "manifests"
    policy = thing("NetworkPolicy", "deny", "shop", api="networking.k8s.io/v1", spec={"policyTypes": ["Ingress"]})
    objects = [pod("good"), pod("bad", hostNetwork=True), pod("elsewhere", "bank"), pod("odd", containers=None), policy]
    written(made, all_yaml="\n---\n".join(json.dumps({key: value for key, value in each.items() if key != "status"}) for each in objects))
    return made


@pytest.mark.usefixtures("pack")
def test_a_scan_judges_what_is_there_and_concludes_nothing_from_what_is_not(folder: Path) -> None:
    with api.scan([f"kubernetes:{folder}"]) as done:
        unseen, unsaid, odd = ("unknown", "not_in_manifests"), ("unknown", "only_in_cluster"), ("unknown", "malformed")
        said = verdicts(done)
        # a lookup joined by an id may be cautious where it finds something; where it finds nothing it must be
        policed = {resource: said.pop(("policed", resource)) for resource in ("shop/good", "shop/bad", "bank/elsewhere", "")}
        assert policed.pop("bank/elsewhere") == unseen  # the cluster may have one there
        assert policed.pop("") == odd
        assert set(policed.values()) <= {("pass", ""), unseen}
        assert said == {
            ("host", "shop/good"): ("pass", ""),
            ("host", "shop/bad"): ("fail", ""),
            ("host", "bank/elsewhere"): ("pass", ""),
            ("host", ""): odd,
            ("runs", "shop/good"): unsaid,  # the collector says what silence means; here nobody could have spoken
            ("runs", "shop/bad"): unsaid,
            ("runs", "bank/elsewhere"): unsaid,
            ("runs", ""): odd,
            ("known", "shop/good"): unsaid,
            ("known", "shop/bad"): unsaid,
            ("known", "bank/elsewhere"): unsaid,
            ("known", ""): odd,
            ("some_policy", str(folder)): ("pass", ""),
            ("some_class", str(folder)): unseen,
            ("fresh", str(folder)): unsaid,
            ("named", ""): unseen,
        }
        (target,) = done.report()["scan"]["targets"]
        assert target["scope"] == {"manifests": str(folder), "objects": 5}
        gaps = {(line.table.rpartition(".")[2], line.part): line.gaps for line in done.coverage if not line.complete}
        assert gaps["class", "list"] == {"not_in_manifests": 1}
        assert gaps["pod", "rest"] == {"not_in_manifests": 1}
        assert gaps["pod", "list"] == {"malformed": 1}


@pytest.mark.usefixtures("pack")
def test_the_same_object_twice_is_two(tmp_path: Path) -> None:
    """As in overlays: neither hides the other."""
    folder = written(tmp_path / "twice", a_json=json.dumps(pod("web")), b_json=json.dumps(pod("web", hostNetwork=True)))
    with api.scan([f"kubernetes:{folder}"], rules=["kubernetes.probe.host"]) as done:
        assert Counter(result.verdict.value for result in done.results()) == {"pass": 1, "fail": 1}


@pytest.mark.usefixtures("pack")
def test_what_would_show_what_was_not_rendered_or_read(tmp_path: Path) -> None:
    """To scan again in the same way shows no more."""
    folder = written(tmp_path / "over", web_json=json.dumps(pod("web")))
    (folder / "kustomization.yaml").write_text("resources: [web.json]\nnamespace: prod\n")

    def ways(skip: bool = False) -> set[str]:
        with api.scan([f"kubernetes:{folder}"], options=api.TargetOptions(skip_unreadable=skip)) as done:
            report = done.report()
            Draft202012Validator(json.loads((resources.files("cnamm_scan.report") / "report-1.schema.json").read_text())).validate(report)
            return {row["would_show"] for row in report["unseen"] if row["reason"] == "not_collected"}

    render = f"render it first: kubectl kustomize {folder} | cnamm-scan scan kubernetes:-"
    assert ways() == {render}
    (folder / "odd.yaml").write_text("a: [")
    assert ways(skip=True) == {f"{render}; mend the files that were passed over, and scan without --skip-unreadable"}


@pytest.mark.usefixtures("pack")
def test_a_scope_leaves_unknowns(folder: Path) -> None:
    with api.scan([f"kubernetes:{folder}"], rules=["kubernetes.probe.host"], options=api.TargetOptions(namespaces=("bank",))) as done:
        assert verdicts(done) == {("host", "bank/elsewhere"): ("pass", ""), ("host", ""): ("unknown", "excluded")}
        assert done.report()["scan"]["targets"][0]["scope"]["namespaces"] == ["bank"]


# ---- a scan with what is shipped -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[api.Scan]:
    folder = tmp_path_factory.mktemp("chart")
    careful = {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    good, bad = owner("Deployment", "good"), owner("Deployment", "bad")
    good["spec"]["template"]["spec"]["containers"][0]["securityContext"] = careful
    bad["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    bad["spec"]["template"]["spec"]["hostPID"] = True
    written(folder, all_yaml="\n---\n".join(map(json.dumps, [good, bad])))
    with api.scan(
        [f"kubernetes:{folder}"], rules=[f"kubernetes.{name}" for name in ("core", "apps", "cluster", "networking", "rbac")]
    ) as done:
        yield done


def test_shipped_rules_judge_containers_of_templates(shipped: api.Scan) -> None:
    judged: dict[str, dict[str, set[str]]] = {"good": {}, "bad": {}}
    for result in shipped.results():
        for name, rules in judged.items():
            if result.resource.startswith(f"shop/{name}/"):
                rules.setdefault(result.verdict.value, set()).add(result.rule)
    assert len(judged["bad"]["fail"]) >= 4
    assert len(judged["good"]["pass"] & judged["bad"]["fail"]) >= 4


def test_shipped_rules_conclude_nothing_from_what_is_not_there(shipped: api.Scan) -> None:
    """Two deployments say nothing of policies, scanners or nodes."""
    about_the_cluster = [result for result in shipped.results() if result.values.get("name") == shipped.targets[0].name]
    wrong = [(result.rule, result.verdict.value) for result in about_the_cluster if result.verdict.value in ("pass", "fail")]
    assert wrong == []
    assert {result.reason for result in shipped.results("unknown")} <= {"not_in_manifests", "only_in_cluster", "excluded"}
    assert len(list(shipped.results("unknown"))) > 30
    assert "error" not in {result.verdict.value for result in shipped.results()}
