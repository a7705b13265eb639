"""The bed as Google's own clients see it: google-auth signs in, the client of Asset Inventory lists, errors come as they know them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud.asset_v1 import AssetServiceClient, ContentType
from google.cloud.asset_v1.services.asset_service.transports import AssetServiceGrpcTransport
from google.oauth2 import service_account
from google.protobuf.json_format import MessageToDict

from cnamm_scan.demo.gcp.bed.contents import Cloud, Listed, Place, fill
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble

NOW = datetime(2026, 3, 9, 11, 42, 7, tzinfo=UTC)
BUCKET = "storage.googleapis.com/Bucket"


def cloud(buckets: int = 3, **said: Any) -> Cloud:
    made = Cloud(**said)
    made.put(
        Place("organizations/9"),
        Place("folders/5", "organizations/9", title="prod"),
        Place("projects/shop-prod", "folders/5", "111"),
        Place("projects/shop-lone", "organizations/9", "222"),
    )
    for place in ("projects/shop-prod", "projects/shop-lone"):
        made.add(*(made.asset(BUCKET, f"{place[9:]}-{n}", place, data={"name": f"b{n}", "size": 2.5}, at="EU") for n in range(buckets)))
    made.add(made.asset(BUCKET, "shop-prod-0", "projects/shop-prod", iam={"roles/storage.objectViewer": ["allUsers"]}))
    made.answer("logging/v2/projects/shop-prod/sinks", Listed("sinks", [{"name": f"s{n}"} for n in range(5)]))
    made.answer(
        "logging/v2/entries:list", Listed("entries", [{"logName": "projects/shop-prod/logs/x"}, {"logName": "projects/other/logs/x"}])
    )
    return fill(made, (), NOW)


class Client:
    """Both real clients, signed in with the bed's key."""

    def __init__(self, bed: GcpBed, payer: str = "") -> None:
        credentials = service_account.Credentials.from_service_account_file(
            str(bed.key_file), scopes=["https://www.googleapis.com/auth/cloud-platform"], quota_project_id=payer or None
        )
        self.bed = bed
        self.session = self._trusting(AuthorizedSession(credentials, auth_request=Request(self._trusting(requests.Session()))))
        credentials.refresh(Request(self._trusting(requests.Session())))
        metadata = [("authorization", f"Bearer {credentials.token}"), *([("x-goog-user-project", payer)] if payer else [])]
        self.metadata = tuple(metadata)
        self.channel = grpc.secure_channel(bed.url.removeprefix("https://"), grpc.ssl_channel_credentials(bed.ca.read_bytes()))
        self.inventory = AssetServiceClient(transport=AssetServiceGrpcTransport(channel=self.channel))

    patience = 5.0

    def _trusting(self, session: Any) -> Any:
        session.verify = str(self.bed.ca)
        session.trust_env = False  # or REQUESTS_CA_BUNDLE would win
        return session

    def assets(self, parent: str, *types: str, content: Any = ContentType.RESOURCE, size: int = 1000) -> list[dict[str, Any]]:
        asked = {"parent": parent, "asset_types": types, "content_type": content, "page_size": size}
        found = self.inventory.list_assets(request=asked, metadata=self.metadata, timeout=self.patience, retry=None)
        return [MessageToDict(type(each).pb(each)) for each in found]

    def get(self, path: str, **query: Any) -> Any:
        return self.session.get(f"{self.bed.url}/{path}", params=query, timeout=5)


@contextmanager
def client(made: Cloud | None = None, payer: str = "", **how: Any) -> Iterator[Client]:
    with GcpBed(made or cloud(), **how) as bed:
        one = Client(bed, payer)
        try:
            yield one
        finally:
            one.channel.close()
            one.session.close()


def test_assets_come_in_pages_with_where_they_stand() -> None:
    with client() as one:
        found = one.assets("organizations/9", BUCKET, size=2)
        assert [each["name"].rpartition("/")[2] for each in found] == [f"shop-{p}-{n}" for p in ("prod", "lone") for n in range(3)]
        assert found[0]["ancestors"] == ["projects/111", "folders/5", "organizations/9"]
        assert found[0]["resource"]["data"] == {"name": "b0", "size": 2.5}
        assert found[0]["resource"]["location"] == "EU"
        assert [seen.query for seen in one.bed.requests if seen.method == "ListAssets"] == [
            f"RESOURCE {BUCKET}",
            f"RESOURCE {BUCKET} page",
            f"RESOURCE {BUCKET} page",
        ]


@pytest.mark.parametrize(("parent", "count"), [("projects/shop-prod", 3), ("projects/111", 3), ("folders/5", 3), ("organizations/9", 6)])
def test_a_parent_has_what_is_beneath_it(parent: str, count: int) -> None:
    with client() as one:
        assert len(one.assets(parent, BUCKET)) == count


def test_content_is_what_was_asked_for_and_nothing_else() -> None:
    with client() as one:
        assert [each["iamPolicy"]["bindings"] for each in one.assets("organizations/9", content=ContentType.IAM_POLICY)] == [
            [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]
        ]
        assert one.assets("organizations/9", content=ContentType.ORG_POLICY) == []
        kinds = {each["assetType"].rpartition("/")[2] for each in one.assets("organizations/9")}
        assert kinds == {"Bucket", "Project", "Folder", "Organization"}


def test_a_type_that_it_does_not_know_is_refused() -> None:
    with client(cloud(unsupported=frozenset({"x.googleapis.com/Y"}))) as one, pytest.raises(exceptions.InvalidArgument):
        one.assets("projects/111", "x.googleapis.com/Y")


def test_what_the_caller_may_not_read_is_denied_with_a_reason() -> None:
    with client(cloud(denied={"projects/shop-prod": ("cloudasset.*", "logging.*")})) as one:
        for parent in ("projects/shop-prod", "projects/nobody"):
            with pytest.raises(exceptions.PermissionDenied) as caught:
                one.assets(parent, BUCKET)
            assert caught.value.reason == "IAM_PERMISSION_DENIED"
        assert len(one.assets("organizations/9", BUCKET)) == 6, "a right on an organization is one on all beneath it"
        answer = one.get("logging/v2/projects/111/sinks")
        assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
        assert answer.json()["error"]["details"][0]["metadata"]["permission"] == "logging.sinks.list"


def test_an_api_that_is_off_where_who_pays_lives_is_told_apart() -> None:
    off = {"projects/shop-lone": frozenset({"cloudasset.googleapis.com", "logging.googleapis.com"})}
    with client(cloud(disabled=off), payer="shop-lone") as one:
        with pytest.raises(exceptions.PermissionDenied) as caught:
            one.assets("projects/shop-prod", BUCKET)
        assert (caught.value.reason, caught.value.metadata["consumer"]) == ("SERVICE_DISABLED", "projects/222")
        assert one.get("logging/v2/projects/shop-prod/sinks").json()["error"]["details"][0]["reason"] == "SERVICE_DISABLED"
    with client(payer="elsewhere") as one, pytest.raises(exceptions.PermissionDenied) as caught:
        one.assets("projects/shop-prod", BUCKET)
    assert caught.value.reason == "USER_PROJECT_DENIED"


def test_nobody_is_answered_without_a_token() -> None:
    with client() as one:
        one.bed.signing.revoked.update(one.bed.signing.tokens)
        with pytest.raises(exceptions.Unauthenticated):
            one.assets("projects/shop-prod", BUCKET)
        assert one.get("logging/v2/projects/shop-prod/sinks").status_code == 200, "google-auth signs in again on 401"


def test_a_key_of_somebody_else_gets_no_token() -> None:
    from google.auth.exceptions import RefreshError

    with GcpBed(cloud()) as bed:
        said = json.loads(bed.key_file.read_text())
        bed.key_file.write_text(json.dumps({**said, "client_email": "who@else"}))
        with pytest.raises(RefreshError, match="invalid_grant"):
            Client(bed)


def test_a_service_account_that_may_be_borrowed_gets_a_token() -> None:
    with client() as one:
        url = f"{one.bed.url}/iamcredentials/v1/projects/-/serviceAccounts/reader@shop:generateAccessToken"
        assert one.session.post(url, json={}).status_code == 403
        one.bed.signing.borrowed = frozenset({"reader@shop"})
        assert one.bed.signing.callers[one.session.post(url, json={}).json()["accessToken"]] == "reader@shop"


def test_a_quota_is_refused_as_google_refuses_it() -> None:
    with client(quota=(2, 60.0)) as one:
        for _ in range(2):
            one.assets("projects/shop-prod", BUCKET)
        with pytest.raises(exceptions.ResourceExhausted) as caught:
            one.assets("projects/shop-prod", BUCKET)
        assert caught.value.reason == "RATE_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("trouble", "raised"),
    [
        (Trouble("UNAVAILABLE", where="ListAssets"), exceptions.ServiceUnavailable),
        (Trouble("INVALID_ARGUMENT", where="page$"), exceptions.InvalidArgument),
        (Trouble(hang_up=True, where="ListAssets"), exceptions.ServiceUnavailable),
        (Trouble(cut=True, where="ListAssets"), exceptions.ServiceUnavailable),
        (Trouble(delay=30, where="ListAssets"), exceptions.DeadlineExceeded),
    ],
)
def test_troubles_of_asset_inventory(trouble: Trouble, raised: type[Exception]) -> None:
    with client(troubles=[trouble]) as one, pytest.raises(raised):
        one.patience = 0.5 if trouble.delay else 5.0
        one.assets("organizations/9", BUCKET, size=2)


def test_a_page_may_be_empty_and_another_come() -> None:
    with client(troubles=[Trouble(change={"assets": []}, times=1)]) as one:
        assert len(one.assets("organizations/9", BUCKET, size=2)) == 4
    with client(troubles=[Trouble(repeats=True, where="page", times=1)]) as one:
        assert len(one.assets("organizations/9", BUCKET, size=2)) == 8, "the second page came twice"


def test_lists_of_services_come_in_pages_and_nothing_is_an_empty_object() -> None:
    with client() as one:
        first = one.get("logging/v2/projects/111/sinks", pageSize=3).json()
        assert [each["name"] for each in first["sinks"]] == ["s0", "s1", "s2"]
        assert one.get("logging/v2/projects/111/sinks", pageSize=3, pageToken=first["nextPageToken"]).json() == {
            "sinks": [{"name": "s3"}, {"name": "s4"}]
        }
        assert one.get("logging/v2/projects/111/sinks", pageToken="?").status_code == 400
        assert one.get("compute/v1/projects/shop-prod/global/firewalls").json() == {}
        gone = one.get("compute/v1/projects/shop-prod/global/firewalls/x")
        assert (gone.status_code, gone.json()["error"]["errors"][0]["reason"]) == (404, "notFound")
        said = {"resourceNames": ["projects/shop-prod"], "filter": "severity>=ERROR"}
        found = one.session.post(f"{one.bed.url}/logging/v2/entries:list", json=said)
        assert found.json() == {"entries": [{"logName": "projects/shop-prod/logs/x"}]}
        assert one.session.post(f"{one.bed.url}/logging/v2/projects/shop-prod/sinks", json={}).status_code == 403


@pytest.mark.parametrize(
    ("trouble", "status", "headers"),
    [
        (Trouble("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", retry_after=7, where="sinks"), 429, {"Retry-After": "7"}),
        (Trouble(status=502, body=b"<html>", where="sinks"), 502, {}),
        (Trouble(status=302, headers={"Location": "https://127.0.0.1:1/"}, where="sinks"), 302, {"Location": "https://127.0.0.1:1/"}),
        (Trouble(body=b"", where="sinks"), 200, {"Content-Length": "0"}),
    ],
)
def test_troubles_of_services(trouble: Trouble, status: int, headers: Mapping[str, str]) -> None:
    with client(troubles=[trouble]) as one:
        answer = one.session.get(f"{one.bed.url}/logging/v2/projects/shop-prod/sinks", allow_redirects=False)
        assert answer.status_code == status
        assert headers.items() <= answer.headers.items()


def test_a_service_may_hang_up_and_cut() -> None:
    with client(troubles=[Trouble(hang_up=True, times=1, where="sinks"), Trouble(cut=True, where="sinks")]) as one:
        for raised in (
            requests.exceptions.ConnectionError,
            (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError),
        ):
            with pytest.raises(raised):
                one.get("logging/v2/projects/shop-prod/sinks")
