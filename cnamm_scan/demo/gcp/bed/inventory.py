"""Asset Inventory: one page of assets for one question, made of Google's own messages."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from cnamm_scan.demo.gcp.bed.contents import CONTENTS, Asset, Cloud
from cnamm_scan.demo.gcp.bed.refusals import Refusal, denied

MOST = 1000
"""Assets of a page."""
USUAL = 100
OLDEST = timedelta(days=35)
PERMISSIONS = {
    "CONTENT_TYPE_UNSPECIFIED": "cloudasset.assets.listResource",
    "RESOURCE": "cloudasset.assets.listResource",
    "IAM_POLICY": "cloudasset.assets.listIamPolicy",
    "ORG_POLICY": "cloudasset.assets.listOrgPolicy",
    "ACCESS_POLICY": "cloudasset.assets.listAccessPolicy",
    "OS_INVENTORY": "cloudasset.assets.listOSInventories",
}
_PARENT = re.compile(r"(?:projects/[^/]+|folders/\d+|organizations/\d+)")


class Inventory:
    """The assets of one cloud."""

    def __init__(self, cloud: Cloud, page: int = MOST) -> None:
        from google.cloud.asset_v1 import types

        self.request: Any = types.ListAssetsRequest.pb()
        self.response: Any = types.ListAssetsResponse.pb()
        self._message: Any = types.Asset.pb()
        self.cloud = cloud
        self.page = page
        """How many assets a page has at most, whatever is asked."""
        self._snapshots: dict[str, list[Asset]] = {}
        """What a question found at its first page."""

    def answer(self, asked: Any) -> Any:
        """A ListAssetsResponse for a ListAssetsRequest. Raises Refusal."""
        content = content_of(asked)
        if not _PARENT.fullmatch(asked.parent) or content not in PERMISSIONS or not 0 <= asked.page_size <= MOST:
            raise Refusal("INVALID_ARGUMENT", "Request contains an invalid argument.")
        place = self.cloud.place(asked.parent)
        if place is None or not self.cloud.may(PERMISSIONS[content], place.name):
            raise denied(PERMISSIONS[content], asked.parent)
        now = datetime.now(UTC)
        read = asked.read_time.ToDatetime(UTC) if asked.HasField("read_time") else now
        if not now - OLDEST <= read <= now + timedelta(seconds=1):
            raise Refusal("INVALID_ARGUMENT", "Request contains an invalid argument: read_time.")
        start = self._start(asked)
        snapshot = json.dumps(_question(asked))
        found = self._snapshots.get(snapshot) if start else None
        if found is None:
            found = self._snapshots[snapshot] = self._found(list(asked.asset_types), content, place.numbered)
        size = min(asked.page_size or USUAL, self.page)
        response = self.response()
        response.read_time.FromDatetime(read.replace(tzinfo=None))
        response.assets.extend(self.told(asset, content) for asset in found[start : start + size])
        if start + size < len(found):
            response.next_page_token = _token(asked, start + size)
        return response

    def _start(self, asked: Any) -> int:
        if not asked.page_token:
            return 0
        try:
            said = json.loads(base64.urlsafe_b64decode(asked.page_token))
            start = int(said["start"])
        except (ValueError, KeyError) as error:
            raise Refusal("INVALID_ARGUMENT", "Request contains an invalid argument: page_token.") from error
        if said["of"] != _question(asked):
            raise Refusal("INVALID_ARGUMENT", "Page token does not belong to this request.")
        return start

    def _found(self, types: list[str], content: str, above: str) -> list[Asset]:
        members = CONTENTS.get(content, ("name",))
        kinds = sorted(self.cloud.assets)
        for each in types:
            if each in self.cloud.unsupported:
                raise Refusal("INVALID_ARGUMENT", f"Unsupported asset type: {each}.")
        wanted = [kind for kind in kinds if any(re.fullmatch(each, kind) for each in types)] if types else kinds
        return [
            asset
            for kind in wanted
            for asset in self.cloud.assets[kind]
            if above in asset["ancestors"] and any(member in asset for member in members)
        ]

    def told(self, asset: Asset, content: str) -> Any:
        """The message of an asset with one content."""
        from google.protobuf.json_format import ParseDict

        members = ("name", "assetType", "updateTime", "ancestors", *CONTENTS.get(content, ()))
        return ParseDict({name: asset[name] for name in members if name in asset}, self._message())


def content_of(asked: Any) -> str:
    """The content that a request asks for, by its name."""
    return str(asked.DESCRIPTOR.fields_by_name["content_type"].enum_type.values_by_number[asked.content_type].name)


def _question(asked: Any) -> list[Any]:
    return [asked.parent, sorted(asked.asset_types), int(asked.content_type)]


def _token(asked: Any, start: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"start": start, "of": _question(asked)}).encode()).decode()
