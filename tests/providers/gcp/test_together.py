"""Types of which there is little are asked for in one call, and nobody can tell from what is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cnamm_scan.demo.gcp.bed.contents import Cloud
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.providers.gcp import inventory
from cnamm_scan.providers.gcp.inventory import Together
from cnamm_scan.providers.gcp.provider import GcpProvider
from cnamm_scan.providers.interface import CallFailedError, NotYetError
from tests.gcps import BUCKET, asked, bucket, cloud, reached, read

DISK, TOPIC, EMPTY = "compute.googleapis.com/Disk", "pubsub.googleapis.com/Topic", "run.googleapis.com/Service"
TYPES = (BUCKET, DISK, TOPIC, EMPTY)


def of(kind: str, name: str) -> dict[str, Any]:
    return {**bucket(name), "assetType": kind, "name": f"//x.googleapis.com/{kind.rpartition('/')[2]}/{name}"}


def contents(disks: int = 2, **said: Any) -> Cloud:
    policies = [{"name": f"//x/{kind}", "assetType": kind, "ancestors": ["projects/111"], "iamPolicy": {}} for kind in (BUCKET, DISK)]
    return cloud(bucket("a"), of(TOPIC, "t"), *(of(DISK, f"d{number}") for number in range(disks)), *policies, **said)


@contextmanager
def opened(bed: GcpBed) -> Iterator[GcpProvider]:
    operations = {"asset": frozenset(TYPES), "iam_policy": frozenset({"*", BUCKET, DISK}), "logging/v2": frozenset({"sinks"})}
    with reached(bed, operations=operations) as provider:
        bed.requests.clear()
        yield provider


def found(provider: GcpProvider) -> dict[str, list[str]]:
    return {kind: [each["name"].rpartition("/")[2] for each in read(provider, asked(kind))] for kind in TYPES}


WHOLE = {BUCKET: ["a"], DISK: ["d0", "d1"], TOPIC: ["t"], EMPTY: []}


def test_one_call_answers_for_all_and_once() -> None:
    with GcpBed(contents()) as bed, opened(bed) as provider:
        assert found(provider) == WHOLE
        assert [each.query for each in bed.requests] == [f"RESOURCE {' '.join(sorted(TYPES))}"]
        assert [each["id"] for each in read(provider, asked(DISK))] == ["Disk/d0", "Disk/d1"]
        assert bed.requests[-1].query == f"RESOURCE {DISK}", "who asks again wants the answer of now"
        assert len(read(provider, asked(BUCKET, "iam_policy"))) == 1
        assert bed.requests[-1].query == f"IAM_POLICY {DISK} {BUCKET}"
        assert len(read(provider, asked("*", "iam_policy"))) == 2
        assert bed.requests[-1].query == "IAM_POLICY"


def test_where_there_is_more_than_a_page_each_is_asked_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "PAGE", 3)
    with GcpBed(contents(5)) as bed, opened(bed) as provider:
        assert found(provider) == {**WHOLE, DISK: [f"d{number}" for number in range(5)]}
        assert len([each for each in bed.requests if " " not in each.query.removeprefix("RESOURCE ").removesuffix(" page")]) == 5


def test_a_type_that_is_refused_costs_itself() -> None:
    with GcpBed(contents(unsupported=frozenset({EMPTY}))) as bed, opened(bed) as provider:
        assert {kind: len(read(provider, asked(kind))) for kind in TYPES if kind != EMPTY} == {BUCKET: 1, DISK: 2, TOPIC: 1}
        with pytest.raises(CallFailedError) as caught:
            read(provider, asked(EMPTY))
        assert caught.value.reason.value == "unsupported"


@pytest.mark.parametrize("code", ["PERMISSION_DENIED", "UNAVAILABLE", "DEADLINE_EXCEEDED"])
def test_what_goes_wrong_for_all_is_asked_by_each(code: str) -> None:
    with GcpBed(contents(), troubles=[Trouble(code, where=f"{DISK} {TOPIC}")]) as bed, opened(bed) as provider:
        assert found(provider) == WHOLE


def test_a_token_that_is_refused_is_renewed_and_all_are_asked_again() -> None:
    trouble = Trouble("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED", where=f"{DISK} {TOPIC}", times=1)
    with GcpBed(contents(), troubles=[trouble]) as bed, opened(bed) as provider:
        assert found(provider) == WHOLE
        assert len([each for each in bed.requests if each.method == "ListAssets"]) == 2


class _Asset:
    def __init__(self, kind: str) -> None:
        self.asset_type = kind


class _Response:
    next_page_token = ""

    def __init__(self, *kinds: str) -> None:
        self.assets = list(map(_Asset, kinds))

    def HasField(self, name: str) -> bool:
        return False


def test_a_type_that_is_spelled_in_another_way_is_nobodys_answer() -> None:
    one = Together(["a/B", "a/C"])
    assert one.of("a/B", lambda types: _Response("a/b")) is None
    assert one.of("a/C", lambda types: _Response("a/C")) is None, "it is not asked for again"


def test_a_quota_that_is_spent_decides_nothing() -> None:
    one = Together(["a/B", "a/C"])

    def spent(types: Any) -> Any:
        raise NotYetError("QuotaSpent", 1.0)

    with pytest.raises(NotYetError):
        one.of("a/B", spent)
    answer = one.of("a/B", lambda types: _Response("a/B"))
    assert answer is not None
    assert len(answer[0]) == 1
    assert one.of("a/C", spent) == ([], "")
