"""Of an object no more is unpacked than collectors read, and never less."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnamm_scan import content as reader
from cnamm_scan import paths
from cnamm_scan.engine.collect.rows import Shape
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.model import Content
from cnamm_scan.providers.gcp.assets import Documents, Whose, members_by
from cnamm_scan.providers.gcp.forms import NORMALISERS
from tests.clusters import rule, shipping
from tests.gcps import ONE, ORGANIZATION, bucket
from tests.providers.gcp.test_inventory import message

COLLECTOR = """
service: probe
client: asset
facts:
  gcp.probe.plain:
    about: Columns of members.
    once_per: connection
    list: {call: a.googleapis.com/Plain, items: assets, target: project, in_region: resource.data.zone}
    key: '{resource.data.self}'
    as_of: resource.data.dated
    columns:
      name: {type: text, from: resource.data.name.deep}
      there: {type: boolean, from: resource.data.set}
      at: {type: text, from: updateTime}
  gcp.probe.element:
    about: Elements of one of them.
    once_per: connection
    list: {call: a.googleapis.com/Element, items: assets, target: project}
    key: '{parent.resource.data.own}'
    each: resource.data.rules[]
    columns: {name: {type: text, from: name}, above: {type: text, from: parent.resource.data.above}}
  gcp.probe.asked:
    about: A part, and what is listed beneath.
    once_per: connection
    list: {call: a.googleapis.com/Asked, items: assets, target: project}
    key: '{id}'
    then: {more: {call: 'storage/v1:more', with: {scope: resource.data.path}, needs: storage.buckets.get}}
    columns: {state: {type: text, from: more.state}}
  gcp.probe.child:
    about: What is listed for each.
    once_per: target
    list: {for: gcp.probe.asked, call: 'storage/v1:b', with: {scope: parent.resource.data.list}, items: b, needs: storage.buckets.get}
    key: '{name}/{parent.resource.data.key}'
    columns: {name: {type: text, from: name}, above: {type: text, from: parent.resource.data.up}}
  gcp.probe.grandchild:
    about: What is listed for each of those.
    once_per: target
    list: {for: gcp.probe.child, call: 'storage/v1:c', with: {scope: parent.parent.resource.data.far}, items: c, needs: storage.buckets.get}
    key: '{name}'
    columns: {name: {type: text, from: name}, above: {type: text, from: parent.parent.resource.data.farther}}
  gcp.probe.whole:
    about: All of it.
    once_per: connection
    list: {call: a.googleapis.com/Whole, items: assets, target: project}
    key: '{id}'
    columns: {all: {type: json, from: resource.data}, one: {type: text, from: resource.data.one}}
"""
READ = {
    "a.googleapis.com/Plain": ("dated", "name", "self", "set", "zone"),
    "a.googleapis.com/Element": ("above", "own", "rules"),
    "a.googleapis.com/Asked": ("far", "farther", "key", "list", "path", "up"),
    "a.googleapis.com/Whole": None,
}


@pytest.fixture
def probed(tmp_path: Path) -> Content:
    rules = [rule("plain", "gcp.probe.plain", "there", service="gcp.probe")]
    with shipping(tmp_path, {"gcp/probe": COLLECTOR}, rules):
        return reader.load(())


def test_what_is_read_of_each_type(probed: Content) -> None:
    assert members_by(probed) == READ


def test_what_ships_keeps_the_same_of_an_object_of_which_less_is_unpacked() -> None:
    """Every table of Asset Inventory, planned whole: what it keeps is the same where all is unpacked and where its members are."""
    content = reader.load(())
    members = members_by(content)
    plan = make_plan(content, Selection(), ["gcp"])
    whose = Whose(ORGANIZATION, {"111": ONE})
    seen = 0
    for root in plan.sources.get("gcp", ()):
        kind = (root.call.call or "").rpartition(":")[2]
        if kind not in members:
            continue
        for each in root.tables:
            data: dict[str, object] = {"unread": {"a": 1}}
            for text in each.kept:
                steps = paths.parse(text.lstrip("$")).steps if not text.startswith("$") else ()
                if steps[:2] == ("resource", "data") and len(steps) > 2:
                    data[str(steps[2])] = {"x": [1, {"y": None}], "z": "w"}
            asset = message({**bucket("a"), "resource": {"data": data}})
            keep = Shape.of(each, NORMALISERS).keep
            full, part = (Documents(whose, "RESOURCE", "", only).of(asset) for only in (None, members[kind]))
            assert _kept(full, keep) == _kept(part, keep), each.table.id
            seen += 1
    assert seen or not plan.sources.get("gcp")


def _kept(document: object, keep: paths.Tree) -> object:
    try:
        return paths.project(document, keep)
    except paths.MalformedError as error:
        return str(error)
