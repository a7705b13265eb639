"""The floor: Google's own client of Asset Inventory reading the same pages, each asset made a dict by hand, and dropped."""

from __future__ import annotations

import json
import sys
from typing import Any

import grpc
import requests
from google.auth.transport.requests import Request
from google.cloud.asset_v1 import AssetServiceClient, ContentType
from google.cloud.asset_v1.services.asset_service.transports import AssetServiceGrpcTransport
from google.oauth2 import service_account


def main(options: dict[str, str], file: str, kinds: list[str]) -> None:
    credentials = service_account.Credentials.from_service_account_file(file, scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = requests.Session()
    session.verify, session.trust_env = options["ca_bundle"], False
    credentials.refresh(Request(session))
    with open(options["ca_bundle"], "rb") as authority:
        trusting = grpc.ssl_channel_credentials(authority.read())
    size = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
    channel = grpc.secure_channel(options["api_endpoint"].removeprefix("https://"), trusting, size)
    client = AssetServiceClient(transport=AssetServiceGrpcTransport(channel=channel))
    metadata = (("authorization", f"Bearer {credentials.token}"),)
    count = 0
    for kind in kinds:
        asked = {"parent": "organizations/9", "asset_types": [kind], "content_type": ContentType.RESOURCE, "page_size": 1000}
        for page in client.list_assets(request=asked, metadata=metadata).pages:
            for asset in type(page).pb(page).assets:
                made = {name: value(each) for name, each in asset.resource.data.fields.items()}
                count += len({**made, "name": asset.name, "assetType": asset.asset_type, "ancestors": list(asset.ancestors)}) > 0
    print(count)


def value(said: Any) -> Any:
    kind = said.WhichOneof("kind")
    if kind == "struct_value":
        return {name: value(each) for name, each in said.struct_value.fields.items()}
    if kind == "list_value":
        return [value(each) for each in said.list_value.values]
    return None if kind == "null_value" else getattr(said, kind)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), sys.argv[2], sys.argv[3:])
