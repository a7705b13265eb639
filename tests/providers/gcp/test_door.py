"""At Google's door: which projects a target means, who is let in, and what a person is told when nobody is."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.gcp.bed.contents import Cloud, Place
from cnamm_scan.demo.gcp.bed.server import GcpBed, Trouble
from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError
from cnamm_scan.providers.catalog import KINDS, refuse_foreign
from cnamm_scan.providers.gcp.hosts import Hosts, endpoint_problem
from cnamm_scan.providers.gcp.provider import Options, connect
from tests.gcps import FOLDER, ONE, ORGANIZATION, TWO, asked, bucket, cloud, environment, reached, read

OTHER = "other@shop-prod.iam.gserviceaccount.com"


def named(made: Cloud, name: str, **how: Any) -> list[str]:
    with GcpBed(made, page=1) as bed, reached(bed, name, **how) as provider:
        return [target.name for target in provider.targets]


def refused(name: str = ONE, made: Cloud | None = None, trouble: Trouble | None = None, **how: Any) -> CnammError:
    """What a person is told at the door."""
    with (
        GcpBed(made or cloud(), troubles=[trouble] if trouble else []) as bed,
        pytest.raises(CnammError) as caught,
        reached(bed, name, **how),
    ):
        pass
    assert caught.value.what
    assert caught.value.where
    assert caught.value.do
    assert "injected" not in str(caught.value), "a server's words are nobody's to repeat"
    return caught.value


# ---- which projects ------------------------------------------------------------------------------------------------------


def test_what_a_target_names() -> None:
    assert named(cloud(), "") == [ONE]
    assert named(cloud(), ONE) == [ONE]
    assert named(cloud(), f"projects/{ONE}") == [ONE]
    assert named(cloud(), "111") == [ONE], "a number is as good as an id"
    assert named(cloud(), FOLDER) == [ONE, FOLDER]
    assert named(cloud(), ORGANIZATION) == [TWO, ONE, ORGANIZATION]


def test_a_target_has_its_title_and_who_asks() -> None:
    with GcpBed(cloud()) as bed, reached(bed) as provider:
        (target,) = provider.targets
        assert (target.id, target.label, target.identity) == ("gcp:shop-prod", "Shop", "scanner@shop-prod.iam.gserviceaccount.com")
        assert provider.variables(target, "global")["$account"] == ONE


def going(project: str = TWO) -> Cloud:
    """A cloud of which one project is about to be deleted."""
    made = cloud(bucket("a"), bucket("b", TWO))
    for asset in made.assets["cloudresourcemanager.googleapis.com/Project"]:
        if asset["resource"]["data"]["projectId"] == project:
            asset["resource"]["data"]["lifecycleState"] = "DELETE_REQUESTED"
    return made


def test_a_project_that_is_about_to_be_gone_is_said_and_not_read() -> None:
    with GcpBed(going()) as bed, reached(bed, ORGANIZATION) as provider:
        assert [target.name for target in provider.targets] == [ONE, ORGANIZATION]
        assert provider.targets[1].scope == {"notes": ["1 project is about to be deleted, and not read: shop-lone"]}
        assert {each["project"] for each in read(provider, asked())} == {ONE, "222"}, "which is nobody's here, and counted"
    told = refused(TWO, going())
    assert isinstance(told, UsageError)
    assert "DELETE_REQUESTED" in told.what


@pytest.mark.parametrize(
    ("scope", "unseen"), [(ONE, "folders/5, organizations/9"), (TWO, "organizations/9"), (FOLDER, "organizations/9"), (ORGANIZATION, "")]
)
def test_what_stands_above_and_is_not_scanned_is_said_once(scope: str, unseen: str) -> None:
    with GcpBed(cloud(bucket("a"), bucket("b", TWO))) as bed, reached(bed, scope) as provider:
        said = [note for target in provider.targets for note in target.scope.get("notes", ())]
    assert said == ([f"what is inherited from {unseen} is not seen, and unknown where only that could tell"] if unseen else [])


def test_an_organization_without_a_project_is_itself() -> None:
    made = Cloud()
    made.put(Place(ORGANIZATION))
    assert named(made, ORGANIZATION, quota_project=None) == [ORGANIZATION]


@pytest.mark.parametrize("name", ["no-such-project", "folders/77", "organizations/8"])
def test_what_is_not_there_or_may_not_be_read_is_said_and_nothing_falls_back(name: str) -> None:
    told = refused(name)
    assert isinstance(told, CredentialsError)
    assert "roles/cloudasset.viewer" in told.do
    assert told.where == f"gcp:{name}"
    assert name in told.what


def test_a_right_in_one_project_is_none_in_the_organization() -> None:
    made = cloud(allowed={f"projects/{ONE}": ("*",)})
    assert named(made, ONE) == [ONE]
    assert "may not list what is in organizations/9" in refused(ORGANIZATION, made).what
    denied = Trouble("PERMISSION_DENIED", where=f"ListAssets {ORGANIZATION}")
    assert isinstance(refused(ORGANIZATION, trouble=denied), CredentialsError)


def test_credentials_that_name_no_project_want_one(tmp_path: Path) -> None:
    with GcpBed(cloud()) as bed:
        said = json.loads(bed.key_file.read_text())
        del said["project_id"]
        file = tmp_path / "key.json"
        file.write_text(json.dumps(said))
        with environment(bed, GOOGLE_APPLICATION_CREDENTIALS=str(file), GOOGLE_CLOUD_PROJECT=""), pytest.raises(UsageError) as caught:
            connect("", Options(**bed.options()))
    assert "gcp:PROJECT" in caught.value.do


# ---- who asks, and who pays ----------------------------------------------------------------------------------------------


def test_the_project_that_pays_is_named_with_every_request() -> None:
    with GcpBed(cloud()) as bed, reached(bed, quota_project=TWO) as provider:
        read(provider, asked())
        assert {each.payer for each in bed.requests if each.path != "token"} == {TWO}


def test_somebody_else_is_acted_as() -> None:
    with GcpBed(cloud()) as bed:
        bed.signing.borrowed = frozenset({OTHER})
        with reached(bed, impersonate_service_account=OTHER) as provider:
            assert provider.targets[0].identity == OTHER
            assert {each.caller for each in bed.requests if each.method == "ListAssets"} == {OTHER}
    told = refused(impersonate_service_account=OTHER)
    assert isinstance(told, CredentialsError)
    assert "roles/iam.serviceAccountTokenCreator" in told.do


def test_an_api_that_is_off_is_said_with_the_project_that_pays() -> None:
    told = refused(made=cloud(disabled={f"projects/{TWO}": frozenset({"cloudasset.googleapis.com"})}), quota_project=TWO)
    assert isinstance(told, ProviderError)
    assert "(222)" in told.what
    assert "gcloud services enable cloudasset.googleapis.com --project 222" in told.do
    of_mine = Trouble("PERMISSION_DENIED", "SERVICE_DISABLED", metadata={"consumer": "projects/333"})
    assert "--project 333" in refused(trouble=of_mine).do


@pytest.mark.parametrize("number", ["764086051850", "32555940559"])
def test_where_no_project_pays_nobody_is_sent_to_that_of_gcloud(number: str) -> None:
    troubles = [
        Trouble("PERMISSION_DENIED", "SERVICE_DISABLED", metadata={"consumer": f"projects/{number}"}),
        Trouble("PERMISSION_DENIED", message=f"injected: the API has not been used in project {number} before or it is disabled."),
        Trouble("PERMISSION_DENIED", message="injected: the API requires a quota project, which is not set by default."),
    ]
    for trouble in troubles:
        told = refused(trouble=trouble)
        assert "no project pays for the calls" in told.what
        assert "--quota-project PROJECT, or gcloud auth application-default set-quota-project PROJECT" in told.do
        assert number not in str(told)
    assert f"({number})" in refused(trouble=troubles[0], quota_project=number).what, "who names it is told of it"


def test_a_project_that_may_not_be_made_to_pay_is_said() -> None:
    told = refused(made=cloud(denied={f"projects/{TWO}": ("serviceusage.services.use",)}), quota_project=TWO)
    assert isinstance(told, CredentialsError)
    assert (told.where, "roles/serviceusage.serviceUsageConsumer" in told.do) == ("--quota-project", True)
    told = refused(trouble=Trouble("PERMISSION_DENIED", "CONSUMER_INVALID", metadata={"consumer": "projects/gone"}))
    assert "(gone)" in told.what


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble("UNAUTHENTICATED", "ACCESS_TOKEN_EXPIRED"), "does not accept the credentials"),
        (Trouble("PERMISSION_DENIED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"), "asked for too little"),
        (Trouble("PERMISSION_DENIED", "BILLING_DISABLED"), "is without billing"),
        (Trouble("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", retry_after=0.1), "asks to wait"),
        (Trouble("UNAVAILABLE"), "fails when asked"),
        (Trouble("INVALID_ARGUMENT"), "no such thing"),
        (Trouble("DEADLINE_EXCEEDED"), "no answer in time"),
        (Trouble(change={"assets": [{"name": "//x/y", "ancestors": ["organizations/9"]}]}), "not of Asset Inventory"),
        (Trouble(change={"assets": [{"assetType": "x"}]}), "not of Asset Inventory"),
        (Trouble(change={"nextPageToken": "again"}), "broke off"),
    ],
)
def test_what_goes_wrong_at_the_door_is_said(trouble: Trouble, words: str) -> None:
    assert words in refused(ORGANIZATION, trouble=trouble, call_timeout=1.0).what


def test_one_bad_moment_ends_no_scan() -> None:
    with GcpBed(cloud(), troubles=[Trouble("UNAVAILABLE", times=2)]) as bed, reached(bed) as provider:
        assert provider.sent() == {"": 4}


# ---- who is not let in ---------------------------------------------------------------------------------------------------


def _without(key: str) -> Callable[[dict[str, Any]], Any]:
    return lambda said: {name: value for name, value in said.items() if name != key}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_without("client_email"), "lacks client_email"),
        (_without("type"), "of no type"),
        (lambda said: {**said, "type": "mystery"}, "of no type"),
        (lambda said: {**said, "private_key": "-----BEGIN PRIVATE KEY-----\nsecret-bytes\n-----END PRIVATE KEY-----\n"}, "the private key"),
        (lambda said: {**said, "client_email": "gone@x.iam.gserviceaccount.com"}, "no usable Google Cloud credentials"),
        (lambda said: {**said, "token_uri": "https://127.0.0.1:1/token"}, "no connection"),
        (lambda said: {**said, "token_uri": "no address"}, "nobody can be signed in"),
        (lambda said: {**said, "universe_domain": "evil.example/x?"}, "universe_domain"),
        (lambda said: "no object", "not accepted"),
    ],
)
def test_a_file_of_credentials_that_is_none_is_said(change: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path) -> None:
    with GcpBed(cloud()) as bed:
        file = tmp_path / "key.json"
        file.write_text(json.dumps(change(json.loads(bed.key_file.read_text()))))
        with environment(bed, GOOGLE_APPLICATION_CREDENTIALS=str(file)), pytest.raises(CnammError) as caught:
            connect(ONE, Options(**bed.options()))
    assert words in caught.value.what
    assert str(file) in caught.value.where
    assert "secret-bytes" not in str(caught.value)


def test_no_file_and_no_json_are_said(tmp_path: Path) -> None:
    with GcpBed(cloud()) as bed:
        for text, words in ((None, "there is no such file"), ("{", "the file is no JSON")):
            file = tmp_path / "key.json"
            if text is not None:
                file.write_text(text)
            with environment(bed, GOOGLE_APPLICATION_CREDENTIALS=str(file)), pytest.raises(CredentialsError) as caught:
                connect(ONE, Options(**bed.options()))
            assert words in caught.value.what


def test_without_credentials_it_is_said_what_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)
    monkeypatch.setattr("google.auth.compute_engine._metadata.detect_gce_residency_linux", lambda: False)
    with GcpBed(cloud()) as bed, environment(bed, CLOUDSDK_CONFIG=str(tmp_path)):
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
        with pytest.raises(CredentialsError) as caught:
            connect(ONE, Options(**bed.options()))
    assert "metadata server" in caught.value.where
    assert "gcloud auth application-default login" in caught.value.do


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (Trouble(status=400, body=b'{"error":"invalid_grant","error_description":"Token has been expired or revoked."}'), "has run out"),
        (Trouble(status=400, body=b'{"error":"invalid_grant","error_description":"Invalid JWT Signature."}'), "the key is not"),
        (Trouble(status=400, body=b'{"error":"invalid_grant","error_description":"reauth","error_subtype":"invalid_rapt"}'), "has ended"),
        (Trouble(status=400, body=b'{"error":"invalid_grant","error_description":"Bad Request"}'), "the file is not accepted"),
        (Trouble(status=502, body=b'<html><p class="error">secret-page: no file</p></html>'), "gives no token out"),
        (Trouble(status=502, body=b""), "gives no token out"),
        (Trouble(status=403, body=b"<html>secret-page</html>"), "gives no token out"),
        (Trouble(body=b"[]"), "no usable Google Cloud credentials"),
        (Trouble(body=b"{}"), "gives no token out"),
        (Trouble(status=302, headers={"Location": "https://127.0.0.1:1/steal"}), "gives no token out"),
        (Trouble(hang_up=True), "no connection"),
    ],
)
def test_whoever_gives_out_no_token_is_said(trouble: Trouble, words: str) -> None:
    trouble.where = "POST token"
    told = refused(trouble=trouble)
    assert words in told.what
    assert "secret" not in str(told)


def test_a_server_that_nobody_vouches_for_gets_no_token() -> None:
    with GcpBed(cloud()) as bed, GcpBed(cloud()) as other:
        for how in ({"ca_bundle": str(other.ca)}, {"ca_bundle": None}):
            with pytest.raises(ProviderError) as caught, reached(bed, **how):
                pass
            assert "certificate" in caught.value.what
            assert "--ca-bundle" in caught.value.do
        # signing in goes to one who is trusted, Asset Inventory to one who is not
        with pytest.raises(ProviderError) as caught, reached(bed, api_endpoint=other.url):
            pass
        assert caught.value.where == other.url
        assert "certificate" in caught.value.what
        assert other.requests == []


def test_the_variable_of_a_bundle_is_heard() -> None:
    with GcpBed(cloud()) as bed, environment(bed, REQUESTS_CA_BUNDLE=str(bed.ca)):
        provider = connect(ONE, Options(api_endpoint=bed.url))
        provider.close()


def test_nobody_who_answers_is_said() -> None:
    with GcpBed(cloud()) as bed, socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
        closed.close()
        with pytest.raises(ProviderError) as caught, reached(bed, api_endpoint=f"https://127.0.0.1:{port}"):
            pass
        assert "no connection" in caught.value.what


# ---- where it is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        "http://127.0.0.1:1",
        "https://",
        "ftp://x",
        "https://user@host",
        "https://host/path",
        "https://host:0",
        "https://host:x",
        "a b",
        "https://h?q",
    ],
)
def test_an_endpoint_that_is_none_is_refused_before_anything_is_asked(said: str) -> None:
    assert endpoint_problem(said) is not None
    with pytest.raises(UsageError):
        refuse_foreign(["gcp"], api.TargetOptions(api_endpoint=said))


def test_hosts() -> None:
    own = Hosts()
    assert own.inventory == "cloudasset.googleapis.com:443"
    assert own.url("logging", "v2/projects/p/sinks") == "https://logging.googleapis.com/v2/projects/p/sinks"
    assert own.url("compute", "v1/projects/p") == "https://compute.googleapis.com/compute/v1/projects/p"
    assert Hosts(universe="example.goog").url("iam", "v1/x") == "https://iam.example.goog/v1/x"
    other = Hosts("localhost:8443")
    assert (other.inventory, other.url("compute", "v1/x")) == ("localhost:8443", "https://localhost:8443/compute/v1/x")
    assert Hosts("https://[::1]:8443").inventory == "[::1]:8443"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("organizations/shop.example", "; its number is in gcloud organizations list"),
        ("folders/prod", "; its number is in gcloud resource-manager folders list --organization NUMBER"),
        ("Shop", "gcp:organizations/NUMBER"),
    ],
)
def test_a_name_that_is_none_is_refused_with_where_numbers_are_found(name: str, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse_foreign([f"gcp:{name}"], api.TargetOptions())
    assert caught.value.where == f"gcp:{name}"
    assert caught.value.do.endswith(found)


@pytest.mark.parametrize("said", ["x", "a@b/../c", "a@b c.d", "a@b.c?x"])
def test_an_account_that_is_none_is_refused(said: str) -> None:
    with pytest.raises(UsageError):
        refuse_foreign(["gcp"], api.TargetOptions(impersonate_service_account=said))
    assert KINDS["gcp"].options


def test_on_the_command_line_a_login_that_fails_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    with GcpBed(cloud()) as bed, environment(bed, GOOGLE_APPLICATION_CREDENTIALS="/nowhere/key.json"):
        assert run(["scan", f"gcp:{ONE}", "--api-endpoint", bed.url, "--ca-bundle", str(bed.ca)]) == 1
    out, err = capsys.readouterr()
    assert "there is no such file" in err
    assert "Traceback" not in out + err
