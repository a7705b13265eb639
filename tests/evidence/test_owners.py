"""Owners: of all tag values only those under keys that a person named are kept, and the item's own go before others'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnamm_scan.errors import UsageError
from cnamm_scan.evidence import recover
from cnamm_scan.evidence.bundle import BundleWriter, open_bundle
from cnamm_scan.evidence.owners import LONGEST, OwnerTags


@pytest.mark.parametrize(
    "item",
    [
        {"Tags": [{"Key": "Owner", "Value": "payments"}, {"Key": "Cost", "Value": "42"}]},
        {"TagSet": [{"Key": "Owner", "Value": "payments"}]},
        {"labels": {"TagSet": [{"Key": "Owner", "Value": "payments"}]}},
        {"detail": {"Role": {"Tags": [{"Key": "Owner", "Value": " payments "}]}}},
        {"tags": [{"key": "owner", "value": "payments"}]},
        {"TagList": [{"TagKey": "Owner", "TagValue": "payments"}]},
        {"tags": {"OWNER": "payments"}},
        {"metadata": {"labels": {"owner": "payments"}}},
        {"metadata": {"annotations": {"owner": "payments"}}},
        {"parent": {"metadata": {"labels": {"owner": "payments"}}}, "name": "main"},
    ],
)
def test_an_owner_is_found_where_tags_stand(item: Any) -> None:
    assert OwnerTags(["Owner"]).of(item) == "payments"
    assert OwnerTags(["Team"]).of(item) == ""
    assert OwnerTags().of(item) == ""


@pytest.mark.parametrize(
    "item",
    [
        {"Owner": "root"},  # a field, and no tag
        {"Tags": [{"Key": "Owner", "Value": ""}, {"Key": "Owner"}, {"Key": "Owner", "Value": 7}, "Owner", None]},
        {"Tags": "Owner=payments"},
        {"imageTags": ["Owner"]},
        {"spec": {"selector": {"matchLabels": {"owner": "payments"}}}},
        [],
        None,
        "Owner",
    ],
)
def test_what_names_nobody_is_no_owner(item: Any) -> None:
    assert OwnerTags(["Owner"]).of(item) == ""


def test_the_first_key_goes_first_and_the_nearest_tags_before_both() -> None:
    both = {"Tags": [{"Key": "Team", "Value": "t"}, {"Key": "Owner", "Value": "o"}]}
    assert OwnerTags(["Owner", "Team"]).of(both) == "o"
    assert OwnerTags(["Team", "Owner"]).of(both) == "t"
    nested = {"tags": {"team": "mine"}, "interfaces": [{"tags": {"owner": "theirs"}}]}
    assert OwnerTags(["Owner", "Team"]).of(nested) == "mine"


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(UsageError, match="an empty key names no tag"):
        OwnerTags(["Owner", " "])


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["Tags", "labels", "metadata", "Key", "Value", "Owner", "x"]), inner, max_size=4)
    ),
    max_leaves=30,
)


@given(json_like)
def test_any_item_has_an_owner_or_none(item: Any) -> None:
    owner = OwnerTags(["Owner"]).of(item)
    assert isinstance(owner, str)
    assert len(owner) <= LONGEST
    assert not owner or json.dumps(owner.strip())[1:-1] in json.dumps(item)


def _lines(path: Path) -> dict[str, dict[str, Any]]:
    return {line["key"]: line for line in open_bundle(path).entries("fact")}


@pytest.mark.parametrize("tags", [(), ("Owner",)])
def test_no_other_value_of_a_tag_reaches_the_disk(tags: tuple[str, ...], tmp_path: Path) -> None:
    from tests.bundles import ONE, account, pocket

    writer = BundleWriter(tmp_path, "20260102T030405Z-0a1b2c3d", redaction_key=b"tests", owner_tags=tags)
    secret = "AKIA" + "Q" * 16
    for key, owner in (("a", "payments"), ("b", secret), ("c", "")):
        data = {"name": key, "Tags": [{"Key": "Owner", "Value": owner}, {"Key": "Diary", "Value": f"dear {key}"}]}
        writer.fact(table="aws.s3.bucket", target=ONE, region="global", key=key, data=data, gaps={}, calls=(), redact=())
    found = _lines(writer.finish(pocket(), {"scan": account("20260102T030405Z-0a1b2c3d"), "plan": {"rules": [], "tables": {}}}))
    stored = json.dumps(found)
    assert "dear" not in stored
    assert secret not in stored
    if tags:
        assert found["a"]["owner"] == "payments"
        assert found["b"]["owner"].startswith("redacted:")
        assert "owner" not in found["c"]
    else:
        assert "payments" not in stored
        assert not any("owner" in line for line in found.values())
    assert "payments" not in json.dumps([line["data"] for line in found.values()])


def test_a_killed_scan_keeps_its_owner_tags(tmp_path: Path) -> None:
    from tests.bundles import ONE, account, pocket

    scan = "20260102T030405Z-0a1b2c3d"
    writer = BundleWriter(tmp_path, scan, owner_tags=["Owner"])
    writer.begin(pocket(), {"scan": account(scan), "plan": {"rules": [], "tables": {}, "owner_tags": list(writer.owner_tags.keys)}})
    data = {"Tags": [{"Key": "Owner", "Value": "payments"}]}
    writer.fact(table="aws.s3.bucket", target=ONE, region="global", key="a", data=data, gaps={}, calls=(), redact=())
    writer.abandon()
    with recover.take_up(writer.partial) as left:
        assert left.writer().owner_tags.keys == ("Owner",)
