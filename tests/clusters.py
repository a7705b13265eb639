"""Small clusters, and how to reach them, for the tests of the Kubernetes provider."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from cnamm_scan import api
from cnamm_scan.demo.certificate import Pair, certificate
from cnamm_scan.demo.cluster.bed.server import Cluster, ClusterBed, Rights
from cnamm_scan.engine import schedule
from cnamm_scan.engine.schedule import Limits
from cnamm_scan.providers.interface import Answer, Provider, Request
from cnamm_scan.providers.kubernetes.provider import Options, connect

Document = dict[str, Any]

QUICK = Limits(attempts=2, deadline=3, rate=1000, burst=1000)
"""Limits of a scan that is to end soon even when everything fails."""


# ---- what is in them -----------------------------------------------------------------------------------------------------


def thing(
    kind: str, name: str, namespace: str = "", *, api: str = "v1", metadata: Mapping[str, Any] | None = None, **more: Any
) -> Document:
    """An object; cluster-scoped without a namespace."""
    said = {"name": name, **({"namespace": namespace} if namespace else {}), **(metadata or {})}
    return {"apiVersion": api, "kind": kind, "metadata": said, **more}


def pod(name: str, namespace: str = "shop", *, metadata: Mapping[str, Any] | None = None, **spec: Any) -> Document:
    """A pod with one container, unless told otherwise."""
    containers = [{"name": "main", "image": "registry.example.com/main:1"}]
    return thing("Pod", name, namespace, metadata=metadata, spec={"containers": containers, **spec}, status={"phase": "Running"})


def crd(plural: str, kind: str, *versions: str, group: str = "example.com", scope: str = "Namespaced") -> Document:
    """A CustomResourceDefinition; versions are served in the order given, the first is stored."""
    spec = {
        "group": group,
        "scope": scope,
        "names": {"plural": plural, "kind": kind, "singular": kind.lower()},
        "versions": [{"name": version, "served": True, "storage": version == versions[0]} for version in versions],
    }
    return thing("CustomResourceDefinition", f"{plural}.{group}", api="apiextensions.k8s.io/v1", spec=spec)


def cluster(*objects: Mapping[str, Any]) -> Cluster:
    """A cluster that holds these, and the namespaces that they are in."""
    made = Cluster()
    named = {each["metadata"]["namespace"] for each in objects if each["metadata"].get("namespace")}
    there = {each["metadata"]["name"] for each in objects if each["kind"] == "Namespace"}
    made.add(*(thing("Namespace", name, status={"phase": "Active"}) for name in sorted(named - there)), *objects)
    return made


# ---- reaching them -------------------------------------------------------------------------------------------------------


@cache
def own_authority() -> tuple[Pair, tempfile.TemporaryDirectory[str]]:
    """A certificate for beds that guard themselves, and the folder that goes with it."""
    folder = tempfile.TemporaryDirectory(prefix="cnamm-tests-")
    return certificate(Path(folder.name), "bed"), folder


def guarded_bed(made: Cluster, tokens: Mapping[str, Rights], **how: Any) -> ClusterBed:
    """A bed that asks for a token, over TLS: over anything else none is sent."""
    pair = own_authority()[0]
    return ClusterBed(made, tokens=tokens, certificate=(pair.certificate, pair.key), **how)


def config_of(bed: ClusterBed, folder: Path, **how: Any) -> str:
    """The kubeconfig of a bed, which trusts the bed's own certificate unless told otherwise."""
    if bed.certificate is not None and not {"ca", "insecure"} & how.keys():
        how["ca"] = bed.certificate[0]
    return str(bed.kubeconfig(folder, **how))


@contextmanager
def reached(bed: ClusterBed, folder: Path, options: Mapping[str, Any] | None = None, **how: Any) -> Iterator[Provider]:
    """A provider connected to a bed; `how` goes into the kubeconfig."""
    said = {"call_timeout": 5.0, **(options or {}), "kubeconfig": config_of(bed, folder, **how)}
    provider = connect("", Options(**said))
    try:
        yield provider
    finally:
        provider.close()


def pages(provider: Provider, client: str, call: str, **parameters: Any) -> list[Answer]:
    """Every page of a listing."""
    found = [provider.call(Request(client, call, "global", parameters))]
    while found[-1].next_page is not None:
        assert len(found) < 100, "pages without end"
        found.append(provider.call(Request(client, call, "global", parameters, found[-1].next_page)))
    return found


def items(answer: Answer) -> list[Any]:
    """The objects of one page."""
    found: list[Any] = answer.data["items"]
    return found if answer.decode is None else [answer.decode(each) for each in found]


def names(answers: Sequence[Answer]) -> list[str]:
    """The names of what was listed."""
    return [item["metadata"]["name"] for answer in answers for item in items(answer)]


def asked(bed: ClusterBed) -> list[str]:
    """The resources that a bed was asked for: `/path` or `/path?query`.

    Not what is asked at the door: discovery, the version, who is asking, and whether namespaces are there.
    """
    found = []
    for seen in bed.requests:
        if seen.path == "/api/v1/namespaces" and "metadata.name%3D" in seen.query:
            continue
        first, *rest = seen.path.removeprefix("/").split("/")
        if seen.method == "GET" and first in ("api", "apis") and len(rest) > (1 if first == "api" else 2):
            found.append(f"{seen.path}?{unquote(seen.query)}" if seen.query else seen.path)
    return found


# ---- scanning them -------------------------------------------------------------------------------------------------------


def scan(
    bed: ClusterBed, folder: Path, *, how: Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None, **more: Any
) -> api.Scan:
    """A scan of a bed, with little patience; `how` goes into the kubeconfig, `options` into the provider's."""
    said = {"call_timeout": 5.0, **(options or {}), "kubeconfig": config_of(bed, folder, **(how or {}))}
    return api.scan(["kubernetes"], options=api.TargetOptions(**said), **{"limits": QUICK, **more})


def verdicts(done: api.Scan) -> dict[tuple[str, str], tuple[str, str]]:
    """(rule's last name, resource) -> (verdict, reason)."""
    return {(result.rule.rpartition(".")[2], result.resource): (result.verdict.value, result.reason) for result in done.results()}


# ---- packs ---------------------------------------------------------------------------------------------------------------

MAPPING: Mapping[str, Document] = {
    "mappings/m.yaml": {"model": "cnamm", "title": "Small", "version": "1", "functions": ["safety"]},
    "mappings/cnamm/safety.yaml": {
        "function": "safety",
        "title": "Safety",
        "practices": [
            {
                "id": "care",
                "title": "Care",
                "objectives": [{"id": "safety.all-is-well", "level": 1, "stream": "A", "title": "All is well"}],
            }
        ],
    },
}


def rule(name: str, table: str, passes: str, *, service: str = "kubernetes.probe", **more: Any) -> Document:
    """A rule that is never tested by itself: it serves scans."""
    return {
        "id": f"{service}.{name}",
        "title": "It is well",
        "objective": "safety.all-is-well",
        "severity": "low",
        "status": "stable",
        "for_each": table,
        "pass": passes,
        "message": "{key}",
        "why": "It is.",
        "fix": "Do it.",
        "references": ["https://example.com"],
        "tests": {"pass": [{}], "fail": [{}], "unknown": [{}]},
        **more,
    }


def write_pack(folder: Path, collectors: Mapping[str, Document | str], rules: Sequence[Document]) -> Path:
    """A whole content pack: `collectors` by `provider/service`."""
    files: dict[str, Document | str] = {**{f"collectors/{name}.yaml": body for name, body in collectors.items()}, **MAPPING}
    files.update({f"rules/{each['id'].replace('.', '/')}.yaml": each for each in rules})
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(body if isinstance(body, str) else json.dumps(body))  # JSON is YAML too
    return folder


@contextmanager
def shipping(folder: Path, collectors: Mapping[str, Document | str], rules: Sequence[Document]) -> Iterator[None]:
    """This little content instead of what ships, and little time between attempts."""
    pack = write_pack(folder, collectors, rules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cnamm_scan.content.reader.bundled_pack", lambda: pack)
        patch.setattr(schedule, "RETRY_BASE", 0.02)
        yield


def probes(calls: Mapping[str, str], more: str = "") -> str:
    """A collector with a table for each name, `kubernetes.probe.NAME`: what its call lists, with `more` columns."""
    columns = f"name: {{type: text, from: metadata.name}}, namespace: {{type: text, from: metadata.namespace}}{more}"
    return "service: probe\nclient: v1\nfacts:\n" + "".join(
        f"""
  kubernetes.probe.{name}:
    about: A {name}.
    once_per: target
    list: {{call: '{call}', items: items}}
    key: '{{metadata.namespace}}/{{metadata.name}}'
    columns: {{{columns}}}
"""
        for name, call in calls.items()
    )


KUBELET = """
  kubernetes.probe.kubelet:
    about: What is read only when it is asked for, beneath each node.
    once_per: target
    opt_in: kubelet_config
    list: {for: kubernetes.probe.node, call: nodes/proxy/configz, with: {name: parent.metadata.name}, items: '@'}
    key: '{parent.metadata.name}'
    columns: {port: {type: integer, from: kubeletconfig.readOnlyPort, absent: 0}}
"""
"""Another table of such a collector, beneath one of nodes."""


# ---- plugins that give credentials ---------------------------------------------------------------------------------------


def plugin(folder: Path, script: str) -> list[str]:
    """A command that a kubeconfig may name under exec."""
    file = folder / "plugin"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o700)
    return [str(file)]


def credential(status: Any, version: str = "client.authentication.k8s.io/v1") -> str:
    """What such a command prints."""
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


def dispenser(folder: Path, *tokens: str) -> list[str]:
    """A plugin that gives one token after the other, the last for ever; without saying when they run out. It counts its calls."""
    for number, token in enumerate(tokens):
        (folder / f"said{number}").write_text(credential({"token": token}))
    last = len(tokens) - 1
    count = f"echo asked >> {folder}/count\nn=$(($(wc -l < {folder}/count) - 1))"
    return plugin(folder, f"{count}\n[ $n -gt {last} ] && n={last}\ncat {folder}/said$n")
