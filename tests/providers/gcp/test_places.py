"""What is asked place by place: once for each in which a project has such a thing, and what is refused is a gap of that place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cnamm_scan.content import reader
from cnamm_scan.demo.gcp.bed.contents import Cloud, Listed
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.errors import ContentError
from tests.clusters import rule, shipping
from tests.gcps import ONE, ORGANIZATION, TWO, bucket, cloud, scan

ZONES = ("europe-west1-b", "europe-west1-c")
PATH = "recommenders/google.compute.instance.IdleResourceRecommender/recommendations"
COLLECTOR = f"""
service: probe
client: asset
facts:
  gcp.probe.instance:
    about: Machines.
    once_per: connection
    list: {{call: compute.googleapis.com/Instance, items: assets, target: project, in_region: resource.location}}
    key: '{{id}}'
    columns: {{name: {{type: text, from: resource.data.name}}}}
  gcp.probe.idle:
    about: What is recommended in a zone.
    once_per: target
    list:
      {{for: gcp.probe.instance, once_for: parent.place, call: 'recommender/v1:{PATH}', with: {{scope: parent.place}},
       items: recommendations, needs: a.b.list}}
    key: '{{name}}'
    columns: {{name: {{type: text, from: name}}}}
"""


@pytest.fixture(scope="module", autouse=True)
def _own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with shipping(
        tmp_path_factory.mktemp("pack"), {"gcp/probe": COLLECTOR}, [rule("idle", "gcp.probe.idle", "name <> ''", service="gcp.probe")]
    ):
        yield


def machine(name: str, zone: str, project: str = ONE) -> dict[str, Any]:
    made = bucket(name, project)
    made["resource"] = {**made["resource"], "location": zone}
    return {
        **made,
        "assetType": "compute.googleapis.com/Instance",
        "name": f"//compute.googleapis.com/projects/{project}/zones/{zone}/instances/{name}",
    }


def machines() -> Cloud:
    made = cloud(*(machine(f"m{number}-{zone}", zone) for zone in ZONES for number in range(3)), machine("other", ZONES[0], TWO))
    for zone in ZONES:
        where = f"projects/{ONE}/locations/{zone}/{PATH}"
        made.answer(f"recommender/v1/{where}", Listed("recommendations", [{"name": f"{where}/r"}]))
    return made


def _asked(bed: GcpBed) -> list[str]:
    return sorted(each.path.removeprefix("recommender/v1/").removesuffix(f"/{PATH}") for each in bed.requests if each.path.endswith(PATH))


def test_each_place_is_asked_once_however_many_things_stand_there() -> None:
    with GcpBed(machines()) as bed, scan(bed, ORGANIZATION) as done:
        assert _asked(bed) == [f"projects/{TWO}/locations/{ZONES[0]}", *(f"projects/{ONE}/locations/{zone}" for zone in ZONES)]
        found = [(each.target, each.region, each.verdict) for each in done.results()]
        assert sorted(found) == [(f"gcp:{ONE}", zone, "pass") for zone in ZONES]


def test_a_place_that_is_refused_is_a_gap_of_that_place() -> None:
    troubles = [Trouble("PERMISSION_DENIED", where=f"{ONE}/locations/{ZONES[1]}/")]
    with GcpBed(machines(), troubles=troubles) as bed, scan(bed, ORGANIZATION) as done:
        assert {(line.target, line.region) for line in done.coverage if not line.complete} == {(f"gcp:{ONE}", ZONES[1])}
        assert sorted((each.region, each.verdict) for each in done.results()) == [(ZONES[0], "pass"), (ZONES[1], "unknown")]


def test_where_there_is_no_such_thing_nobody_asks() -> None:
    with GcpBed(cloud(bucket("alone"))) as bed, scan(bed) as done:
        assert _asked(bed) == []
        assert [line.table for line in done.coverage if not line.complete] == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("once_for: parent.place", "once_for: place"), "'once_for' names what items"),
        (("for: gcp.probe.instance, ", ""), "'once_for' names what items"),
        (("from: name}}\n", "from: parent.id}}\n"), "'parent.id' is of one of the items"),
        (("key: '{name}'\n", "key: '{parent.name}{name}'\n"), "'parent.name' is of one of the items"),
    ],
)
def test_what_is_asked_about_several_may_read_nothing_of_one(tmp_path: Any, change: tuple[str, str], problem: str) -> None:
    pack = tmp_path / "pack"
    (pack / "collectors" / "gcp").mkdir(parents=True)
    assert change[0] in COLLECTOR
    (pack / "collectors" / "gcp" / "probe.yaml").write_text(change[1].join(COLLECTOR.rsplit(change[0], 1)))
    with pytest.raises(ContentError) as caught:
        reader.load([pack])
    assert any(problem in str(each) for each in caught.value.problems)
