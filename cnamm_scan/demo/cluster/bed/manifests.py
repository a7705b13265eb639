"""Reads a folder of manifests into a cluster: the one way in which an estate that is data gets into the bed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cnamm_scan.demo.cluster.bed.admission import NODES, PODS, WRITERS, Thing, defaulted, kept, stamp, writers
from cnamm_scan.demo.cluster.bed.contents import Cluster
from cnamm_scan.demo.cluster.bed.controllers import Controllers
from cnamm_scan.demo.cluster.bed.groups import Resource
from cnamm_scan.demo.dated import Clock, clock, documents
from cnamm_scan.errors import UsageError, did_you_mean

SERVED, KUBELET = ("v1", "APIResourceList"), ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")
"""Documents that are no object: kinds to serve without a definition, and what the kubelet of a node answers to configz."""
DEFINITIONS = ("CustomResourceDefinition", "APIService")
"""Kinds of objects that make the server serve more."""
_NAME_AGE = re.compile(r"(?P<stem>.+)-(?P<age>\d+(?:\.\d+)?[smhd])-ago")


@dataclass(frozen=True)
class Manifest:
    """One object as a file has it, with its dates as times."""

    where: str
    thing: Thing

    @property
    def what(self) -> tuple[str, str]:
        """Its apiVersion and kind."""
        return self.thing["apiVersion"], self.thing["kind"]


def load(folder: Path, now: datetime | None = None) -> Cluster:
    """A cluster with all that the `*.yaml` of a folder holds, and what a server and its controllers add, as of a moment.

    Raises UsageError, which says where, for what is no manifest, for a kind that is not served, a namespace or an owner that is
    not there, an object that stands there twice, and for a date that is no age.
    """
    seen = clock(now)
    found = list(manifests(folder, seen))
    cluster = Cluster()
    for each in found:
        if each.what == SERVED:
            rows = (Resource(row["name"], row["kind"], row["namespaced"]) for row in each.thing["resources"])
            cluster.serve(each.thing["groupVersion"], *rows)
        elif each.what == KUBELET:
            settings = {key: value for key, value in each.thing.items() if key not in {"apiVersion", "kind", "metadata"}}
            cluster.raw(f"/api/v1/nodes/{each.thing['metadata']['name']}/proxy/configz", {"kubeletconfig": settings})
    objects = [each for each in found if each.what not in (SERVED, KUBELET)]
    _check(objects)
    objects.sort(key=lambda each: each.what[1] not in DEFINITIONS)
    for each in objects:
        with _whole(each):
            defaulted(each.thing)
    controllers = Controllers([each.thing for each in objects], seen)
    made = []
    for each in objects:
        with _whole(each):
            made.append((each, list(controllers.made(each.thing, each.where))))
    controllers.track()
    for each, more in made:
        for thing in (each.thing, *more):
            try:
                cluster.add(kept(thing, seen, each.where))
            except ValueError as error:
                raise UsageError(str(error), where=each.where, do="define the kind, or list it in an APIResourceList") from error
    return cluster


@contextmanager
def _whole(manifest: Manifest) -> Iterator[None]:
    """Say which object it was that lacks what the bed has to know of it."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        named = f"{manifest.what[1]} {manifest.thing['metadata']['name']}"
        raise UsageError(
            f"got a {named} that lacks or mistakes a field: {error}", where=manifest.where, do="look at its neighbours"
        ) from error


def manifests(folder: Path, seen: Clock) -> Iterator[Manifest]:
    """The manifests of all files, in the order of their names."""
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise UsageError("holds no manifest", where=str(folder), do="name a folder with *.yaml files")
    for file in files:
        for document in documents(file):
            yield Manifest(document.where, _read(document.data, seen, document.where))


def _read(data: Any, seen: Clock, where: str) -> Thing:
    if not isinstance(data, dict) or not all(isinstance(data.get(key), str) for key in ("apiVersion", "kind")):
        raise UsageError("is no manifest", where=where, do="write apiVersion and kind")
    if (data["apiVersion"], data["kind"]) == SERVED:
        return data
    meta = data.get("metadata")
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        raise UsageError(f"got a {data['kind']} without a name", where=where, do="write metadata.name")
    where = f"{where}, {data['kind']} {meta['name']}"
    strange = [key for key in meta.get("annotations") or {} if key.startswith("demo/") and key not in {WRITERS, PODS, NODES}]
    if strange:
        raise UsageError(f"got the annotation '{strange[0]}'", where=where, do=did_you_mean(strange[0], (WRITERS, PODS, NODES)))
    thing: Thing = seen.aged(data, where, lambda time: time.strftime("%Y-%m-%dT%H:%M:%SZ"))
    if (data["apiVersion"], data["kind"]) == KUBELET:
        return thing
    seen.at(str(meta.get("creationTimestamp", "")), f"{where}, creationTimestamp")
    match = _NAME_AGE.fullmatch(meta["name"])
    if match is not None:  # as Velero names its backups
        thing["metadata"]["name"] = f"{match['stem']}-{re.sub('[^0-9]', '', stamp(seen, match['age'] + ' ago'))}"
    list(writers(thing, seen, where))  # an age that is none is told here
    return thing


def _check(objects: list[Manifest]) -> None:
    """Hold the objects against each other."""
    known: dict[tuple[str, str, str], Manifest] = {}
    for each in objects:
        meta = each.thing["metadata"]
        key = (each.thing["apiVersion"].rpartition("/")[0] + " " + each.thing["kind"], meta.get("namespace", ""), meta["name"])
        if key in known:
            named = " ".join(filter(None, (key[0].strip(), *key[1:])))
            raise UsageError(f"stands there twice: {named}", where=each.where, do=f"it is in {known[key].where} too")
        known[key] = each
    there = {name for what, _, name in known if what == " Namespace"}
    for (what, namespace, name), each in known.items():
        if namespace and namespace not in there:
            raise UsageError(f"{name} is in no namespace that is there", where=each.where, do=did_you_mean(namespace, there))
        for owner in each.thing["metadata"].get("ownerReferences", ()):
            above = owner["apiVersion"].rpartition("/")[0] + " " + owner["kind"]
            if (above, namespace, owner["name"]) not in known and (above, "", owner["name"]) not in known:
                raise UsageError(f"{what} {name} has no owner {owner['name']}", where=each.where, do="name one that is there")
