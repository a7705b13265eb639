"""Coming to a cluster: what is no API server, over what no credentials go, as whom it is asked, and which namespaces are there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cnamm_scan.demo.certificate import certificate
from cnamm_scan.demo.cluster.bed.server import ClusterBed, Rights, Trouble
from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import Absent, CallFailedError, Provider, Request
from cnamm_scan.providers.kubernetes.provider import Options, connect
from tests.clusters import cluster, config_of, credential, dispenser, guarded_bed, names, pages, plugin, pod, reached, thing
from tests.servers import Asked, BadServer, Wire, kubeconfig, said, whole

TOKEN = "secret-token-of-the-scanner"
READER = Rights((("list", "", "pods", None), ("list", "", "namespaces", None)))
ADMIN = Rights(None, user="admin")
KIM = Rights((("list", "", "pods", None),), user="kim", groups=("team-a",))


@pytest.fixture(autouse=True)
def _of_no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig and no cluster of whoever runs the tests."""
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))


def changed(file: str | Path, *, user: Mapping[str, Any] | None = None, cluster: Mapping[str, Any] | None = None) -> str:
    """The kubeconfig with more said of its user or its cluster."""
    config = json.loads(Path(file).read_text())
    config["users"][0]["user"] |= user or {}
    config["clusters"][0]["cluster"] |= cluster or {}
    Path(file).write_text(json.dumps(config))
    return str(file)


def refused(kind: type[CnammError], file: str | Path, **options: Any) -> CnammError:
    with pytest.raises(kind) as caught:
        connect("", Options(kubeconfig=str(file), call_timeout=2.0, **options))
    assert caught.value.what
    assert caught.value.where
    assert caught.value.do
    return caught.value


# ---- what is no API server -----------------------------------------------------------------------------------------------


def page(status: str = "200 OK") -> Wire:
    return whole(b"<html><body>Welcome to nginx!</body></html>", status, Content_Type="text/html")


OTHERS: dict[str, Callable[[Asked], Wire]] = {
    "a page for everything": lambda _: page(),
    "no such page": lambda _: page("404 Not Found"),
    "a bad request": lambda _: page("400 Bad Request"),
    "forbidden by a gate": lambda _: page("403 Forbidden"),
    "a gateway in trouble": lambda _: page("502 Bad Gateway"),
    "elsewhere": lambda _: whole(b"", "302 Found", Location="https://127.0.0.1:9/"),
    "other JSON": lambda _: said({"status": "UP", "version": "1.2.3"}),
    "a list": lambda _: said([]),
    "null": lambda _: said(None),
    "nothing": lambda _: whole(b""),
    "JSON errors": lambda _: said({"error": "not found"}, "404 Not Found"),
    "no JSON": lambda _: whole(b"\x00\x01\x02"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_api_server_is_an_error(tmp_path: Path, name: str) -> None:
    with BadServer(OTHERS[name]) as server:
        error = refused(ProviderError, kubeconfig(server, tmp_path))
    assert "no Kubernetes API server" in error.what
    assert server.url in error.where
    assert len(server.requests) <= 2


def test_a_server_that_does_not_tell_its_version_is_known_by_how_it_refuses(tmp_path: Path) -> None:
    """Whoever may not ask for the version gets a Status, which nothing else sends; a server under load says that it is."""
    for trouble in (Trouble(403, path="^/version$"), Trouble(429, path="^/version$"), Trouble(500, path="^/version$")):
        with ClusterBed(cluster(pod("web")), troubles=[trouble]) as bed, reached(bed, tmp_path) as provider:
            assert names(pages(provider, "v1", "pods")) == ["web"]


# ---- over what nothing secret goes ---------------------------------------------------------------------------------------

SECRETS: dict[str, dict[str, Any]] = {
    "token": {"token": TOKEN},
    "password": {"username": "kim", "password": TOKEN},
    "exec": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false", "interactiveMode": "Never"}},
    "certificate": {"client-certificate": "/nowhere.crt", "client-key": "/nowhere.key"},
    "auth-provider": {"auth-provider": {"name": "oidc", "config": {"id-token": TOKEN}}},
}


@pytest.mark.parametrize("name", SECRETS)
def test_over_plain_http_no_credentials_go(tmp_path: Path, name: str) -> None:
    """As with kubectl: whoever answers in clear is asked as nobody. No plugin is run for it either: this one would fail."""
    with ClusterBed(cluster(pod("web"))) as bed:
        provider = connect("", Options(kubeconfig=changed(bed.kubeconfig(tmp_path), user=SECRETS[name])))
        assert names(pages(provider, "v1", "pods")) == ["web"]
        provider.close()
        assert [seen.who for seen in bed.requests] == [{}] * len(bed.requests)
        assert provider.targets[0].scope["notes"] == ["the server does not speak TLS: the credentials of the kubeconfig were not sent"]


def test_a_token_file_is_not_sent_over_plain_http(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with ClusterBed(cluster()) as bed:
        connect("", Options(kubeconfig=changed(bed.kubeconfig(tmp_path), user={"tokenFile": str(tmp_path / "token")}))).close()
        assert not [seen for seen in bed.requests if seen.who]


@pytest.mark.parametrize("server", ["HTTP://{}", "http://{}", "http://{}/"])
def test_however_plain_http_is_written(tmp_path: Path, server: str) -> None:
    with ClusterBed(cluster()) as bed:
        said = {"server": server.format(bed.api.address)}
        connect("", Options(kubeconfig=changed(bed.kubeconfig(tmp_path, token=TOKEN), cluster=said))).close()
        assert bed.requests
        assert not [seen for seen in bed.requests if seen.who]


def test_a_server_that_wants_credentials_in_clear_says_what_to_do(tmp_path: Path) -> None:
    with ClusterBed(cluster(), tokens={TOKEN: READER}) as bed:
        error = refused(CredentialsError, bed.kubeconfig(tmp_path, token=TOKEN))
    assert "https://" in error.do
    assert TOKEN not in str(error)


@pytest.mark.parametrize(
    "user",
    [
        {"token": None, "client-key-data": TOKEN},
        {"username": "kim", "password": None, "client-key-data": TOKEN},
        {"exec": {"command": None, "args": [TOKEN]}},
        {"client-key-data": TOKEN, "client-certificate-data": None},
        {"auth-provider": {"name": "oidc", "config": None, "id-token": TOKEN}},
    ],
)
def test_what_is_wrong_with_credentials_is_said_without_them(tmp_path: Path, user: Mapping[str, Any]) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        error = refused(UsageError, changed(config_of(bed, tmp_path), user=user))
    assert TOKEN not in str(error)
    assert "'demo' cannot be used" in error.what


@pytest.mark.parametrize("said", ["false", "true", 0, "", "no"])
def test_only_true_turns_the_checking_of_certificates_off(tmp_path: Path, said: object) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        error = refused(UsageError, changed(config_of(bed, tmp_path, token=TOKEN), cluster={"insecure-skip-tls-verify": said}))
        assert "insecure-skip-tls-verify is neither true nor false" in error.what
        assert not bed.requests


@pytest.mark.parametrize("name", ["proxy-url", "tls-server-name", "certificate-authority", "certificate-authority-data"])
@pytest.mark.parametrize("said", [5, True, ["x"], {"a": "x"}])
def test_what_a_cluster_is_said_to_have_is_text(tmp_path: Path, name: str, said: object) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        error = refused(UsageError, changed(config_of(bed, tmp_path, token=TOKEN), cluster={name: said}))
        assert f"{name} is no text" in error.what
        assert not bed.requests


@pytest.mark.parametrize("said", [5, True, ["x"], {"a": "x"}])
def test_the_name_of_a_context_is_text(tmp_path: Path, said: object) -> None:
    with ClusterBed(cluster()) as bed:
        config = json.loads(Path(config_of(bed, tmp_path)).read_text())
    for change in ({"current-context": said}, {"contexts": [{**config["contexts"][0], "name": said}]}):
        (tmp_path / "odd").write_text(json.dumps(config | change))
        assert refused(UsageError, tmp_path / "odd").what == "the name of a context is no text"


def test_https_is_https_however_it_is_written(tmp_path: Path) -> None:
    """Its authority is loaded, which the client does for small letters alone."""
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        connect(
            "", Options(kubeconfig=changed(config_of(bed, tmp_path, token=TOKEN), cluster={"server": f"HttpS://{bed.api.address}"}))
        ).close()
        assert bed.requests


@pytest.mark.parametrize("server", ["{}", "ftp://{}", " https://{}", "ht\ttps://{}", "https:{}", 5, None])
def test_a_server_of_another_kind_is_no_server(tmp_path: Path, server: object) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        address = server.format(bed.api.address) if isinstance(server, str) else server
        error = refused(UsageError, changed(config_of(bed, tmp_path, token=TOKEN), cluster={"server": address}))
    assert "neither https:// nor http://" in error.what


@pytest.mark.parametrize("proxy", ["gopher://kim:hunter2@127.0.0.1:1", "http://kim:hunter2@127.0.0.1:1", "kim:hunter2@127.0.0.1:1"])
@pytest.mark.parametrize("where", ["environment", "kubeconfig"])
def test_a_proxy_that_cannot_be_used_is_told_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, proxy: str
) -> None:
    if where == "environment":
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        file = changed(config_of(bed, tmp_path, token=TOKEN), cluster={"proxy-url": proxy} if where == "kubeconfig" else {})
        error = refused(CnammError, file)
    assert "proxy" in error.what
    assert "hunter2" not in str(error)


def test_a_name_that_the_certificate_has_not_is_told_as_such(tmp_path: Path) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        error = refused(ProviderError, changed(config_of(bed, tmp_path, token=TOKEN), cluster={"tls-server-name": "other.example"}))
        assert "tls-server-name" in error.do
        assert not bed.requests


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_takes_the_token_along(tmp_path: Path, status: int, scheme: str) -> None:
    """Neither to another host nor to plain HTTP, at the door or in a listing."""
    with BadServer(lambda _: said({"items": []})) as elsewhere, guarded_bed(cluster(pod("web")), {TOKEN: READER}) as bed:
        with reached(bed, tmp_path, token=TOKEN) as provider:
            bed.troubles[:] = [Trouble(status, location=f"{scheme}://{elsewhere.host}/api/v1/pods", resource="pods")]
            with pytest.raises(CallFailedError) as caught:
                provider.call(Request("v1", "pods", "global"))
            assert caught.value.reason is Reason.UNSUPPORTED
        bed.troubles[:] = [Trouble(status, location=f"{scheme}://{elsewhere.host}/version", path="^/version$")]
        connect("", Options(kubeconfig=config_of(bed, tmp_path, token=TOKEN))).close()  # who asks was still told, by the server itself
        assert elsewhere.requests == []


def test_a_certificate_that_is_not_checked_is_told(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """Once, by the scan: urllib3 would warn of each connection."""
    with guarded_bed(cluster(), {TOKEN: READER}) as bed, reached(bed, tmp_path, token=TOKEN, insecure=True) as provider:
        (note,) = provider.targets[0].scope["notes"]
        assert "insecure-skip-tls-verify" in note
    assert not recwarn.list
    with guarded_bed(cluster(), {TOKEN: READER}) as bed, reached(bed, tmp_path, token=TOKEN) as provider:
        assert provider.targets[0].scope == {}


# ---- as whom -------------------------------------------------------------------------------------------------------------


def impersonating(folder: Path, bed: ClusterBed, **said: Any) -> str:
    return changed(config_of(bed, folder, token=TOKEN), user={name.replace("_", "-"): value for name, value in said.items()})


@pytest.fixture
def home() -> Iterator[ClusterBed]:
    with guarded_bed(cluster(pod("web"), thing("Node", "n1")), {TOKEN: ADMIN}, users={"kim": KIM}) as bed:
        yield bed


def test_the_scan_asks_as_whom_the_kubeconfig_says(home: ClusterBed, tmp_path: Path) -> None:
    extra = {"scopes": ["view", "edit"], "acme.example.com/team x": ["ä"]}
    file = impersonating(tmp_path, home, **{"as": "kim", "as_uid": "u-1", "as_groups": ["team-a", "team-b"], "as_user_extra": extra})
    provider = connect("", Options(kubeconfig=file))
    assert names(pages(provider, "v1", "pods")) == ["web"]
    with pytest.raises(CallFailedError) as caught:
        provider.call(Request("v1", "nodes", "global"))
    assert caught.value.reason is Reason.DENIED, "an administrator could, kim cannot"
    provider.close()
    asked = {
        "authorization": f"Bearer {TOKEN}",
        "impersonate-user": "kim",
        "impersonate-uid": "u-1",
        "impersonate-group": "team-a\nteam-b",
        "impersonate-extra-scopes": "view\nedit",
        "impersonate-extra-acme.example.com%2fteam%20x": "ä".encode().decode("latin-1"),
    }
    assert [seen.who for seen in home.requests] == [asked] * len(home.requests)
    target = provider.targets[0]
    assert target.identity == "kim"
    assert target.scope["impersonated"] == {
        "user": "kim",
        "uid": "u-1",
        "groups": ["team-a", "team-b"],
        "extra": ["acme.example.com/team x", "scopes"],
    }
    assert "asked as kim" in target.scope["notes"][0]


def test_who_may_not_impersonate_is_told(home: ClusterBed, tmp_path: Path) -> None:
    home.tokens = {TOKEN: READER}
    error = refused(CredentialsError, impersonating(tmp_path, home, **{"as": "kim"}))
    assert error.what == "these credentials may not ask as kim"
    assert "impersonate" in error.do


def test_a_server_that_does_not_say_who_asks_is_believed_to_ask_as_told(home: ClusterBed, tmp_path: Path) -> None:
    home.troubles[:] = [Trouble(404, method="POST")]
    provider = connect("", Options(kubeconfig=impersonating(tmp_path, home, **{"as": "kim"})))
    assert provider.targets[0].identity == "kim"
    provider.close()


WRONG: dict[str, dict[str, Any]] = {
    "groups of nobody": {"as_groups": ["a"]},
    "a uid of nobody": {"as_uid": "u"},
    "more of nobody": {"as_user_extra": {"a": ["b"]}},
    "a text for groups": {"as": "kim", "as_groups": "a"},
    "texts for lists": {"as": "kim", "as_user_extra": {"a": "b"}},
    "numbers": {"as": "kim", "as_groups": [1]},
    "no text": {"as": ["kim"]},
    "a line break": {"as": "kim\r\nX-Other: 1"},
    "a line break in a group": {"as": "kim", "as_groups": ["a\nb"]},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_meant_is_no_identity(home: ClusterBed, tmp_path: Path, name: str) -> None:
    """Asking as somebody else than the one who was named would be the worst answer."""
    error = refused(UsageError, impersonating(tmp_path, home, **WRONG[name]))
    assert "context 'demo' cannot be used" in error.what
    assert home.requests == []


# ---- credentials that run out --------------------------------------------------------------------------------------------


def times(folder: Path) -> int:
    return (folder / "count").read_text().count("asked")


def ended(provider: Provider) -> tuple[Reason, str]:
    with pytest.raises(CallFailedError) as caught:
        provider.call(Request("v1", "pods", "global"))
    return caught.value.reason, caught.value.code


def test_a_token_that_is_no_longer_taken_is_renewed_once_by_its_plugin(tmp_path: Path) -> None:
    """However many threads met the refusal: all go on with the new one."""
    with (
        guarded_bed(cluster(pod("web")), {"first": READER}) as bed,
        reached(bed, tmp_path, exec_command=dispenser(tmp_path, "first", "second")) as provider,
        ThreadPoolExecutor(8) as threads,
    ):
        bed.tokens = {"second": READER}
        assert {tuple(names(found)) for found in threads.map(lambda _: pages(provider, "v1", "pods"), range(8))} == {("web",)}
        assert times(tmp_path) == 2


def test_a_token_is_renewed_each_time_that_it_was_good_before(tmp_path: Path) -> None:
    with (
        guarded_bed(cluster(pod("web")), {"a": READER}) as bed,
        reached(bed, tmp_path, exec_command=dispenser(tmp_path, "a", "b", "c")) as provider,
    ):
        for token in ("b", "c"):
            bed.tokens = {token: READER}
            assert names(pages(provider, "v1", "pods")) == ["web"]
        assert times(tmp_path) == 3


def test_a_renewed_token_that_is_refused_too_ends_the_credentials(tmp_path: Path) -> None:
    """Nobody asks a plugin again and again for what the server does not take."""
    with (
        guarded_bed(cluster(pod("web")), {"first": READER}) as bed,
        reached(bed, tmp_path, exec_command=dispenser(tmp_path, "first", "second")) as provider,
    ):
        bed.tokens = {"another": READER}
        before = len(bed.requests)
        assert ended(provider) == (Reason.CREDENTIALS, "Unauthorized")
        assert ended(provider) == (Reason.CREDENTIALS, "Unauthorized")
        assert times(tmp_path) == 2
        assert len(bed.requests) - before == 3  # refused, refused with the new one, and once more


def test_a_plugin_that_gives_the_same_token_is_no_help(tmp_path: Path) -> None:
    with (
        guarded_bed(cluster(pod("web")), {"first": READER}) as bed,
        reached(bed, tmp_path, exec_command=dispenser(tmp_path, "first")) as provider,
    ):
        bed.tokens = {"another": READER}
        assert ended(provider) == (Reason.CREDENTIALS, "Unauthorized")
        assert times(tmp_path) == 2


def test_a_plain_token_is_not_renewed(tmp_path: Path) -> None:
    with guarded_bed(cluster(pod("web")), {TOKEN: READER}) as bed, reached(bed, tmp_path, token=TOKEN) as provider:
        bed.tokens = {"another": READER}
        before = len(bed.requests)
        assert ended(provider) == (Reason.CREDENTIALS, "Unauthorized")
        assert len(bed.requests) == before + 1


def test_a_token_in_a_file_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first")
    with guarded_bed(cluster(pod("web")), {"first": READER}) as bed:
        provider = connect("", Options(kubeconfig=changed(config_of(bed, tmp_path), user={"tokenFile": str(tmp_path / "token")})))
        (tmp_path / "token").write_text("second")
        bed.tokens = {"second": READER}
        assert names(pages(provider, "v1", "pods")) == ["web"]
        provider.close()


def test_a_certificate_from_a_plugin_is_renewed(tmp_path: Path) -> None:
    """The connections that showed the old one are given up."""
    first, second = (certificate(tmp_path, name) for name in ("first", "second"))

    def status(pair: Any) -> str:
        given = {"clientCertificateData": pair.certificate.read_text(), "clientKeyData": pair.key.read_text()}
        return credential(given)

    (tmp_path / "said").write_text(status(first))
    with (
        guarded_bed(cluster(pod("web")), {"": READER}) as bed,
        reached(bed, tmp_path, exec_command=plugin(tmp_path, f"cat {tmp_path}/said")) as provider,
    ):
        (tmp_path / "said").write_text(status(second))
        bed.troubles[:] = [Trouble(401, resource="pods", times=1)]
        assert names(pages(provider, "v1", "pods")) == ["web"]
        link: Any = provider
        assert Path(link._link._pool.connection_pool_kw["cert_file"]).read_text() == second.certificate.read_text()


# ---- namespaces that were named ------------------------------------------------------------------------------------------

PLACES = cluster(pod("web", "shop"), pod("db", "bank"))
LISTS = Rights((("list", "", "pods", None), ("list", "", "namespaces", None)))
ONE_ROLE = Rights((("list", "", "pods", "shop"), ("get", "", "namespaces", "shop")))
PODS_ALONE = Rights((("list", "", "pods", "shop"),))


def absent(rights: Rights, folder: Path, **options: Any) -> tuple[list[Absent], list[str]]:
    with guarded_bed(PLACES, {TOKEN: rights}) as bed, reached(bed, folder, options, token=TOKEN) as provider:
        return list(provider.absentees()), provider.targets[0].scope.get("notes", [])


@pytest.mark.parametrize("flag", ["--namespace", "--exclude-namespace"])
def test_a_namespace_that_is_not_there_is_known_by_a_listing(tmp_path: Path, flag: str) -> None:
    option = {"--namespace": "namespaces", "--exclude-namespace": "excluded_namespaces"}[flag]
    found, notes = absent(LISTS, tmp_path, **{option: ("shop", "shpo")})
    assert found == [Absent("shpo", flag, "namespace", ("bank", "shop"))]
    assert notes == [f"there is no namespace shpo ({flag})"]


def test_a_namespace_is_known_by_the_right_to_get_it(tmp_path: Path) -> None:
    """A role in the namespace alone may give that right; of another one nothing is known, which is said."""
    assert absent(ONE_ROLE, tmp_path, namespaces=("shop",)) == ([], [])
    found, notes = absent(ONE_ROLE, tmp_path, namespaces=("nosuch",))
    assert found == []
    assert len(notes) == 1
    assert "nosuch" in notes[0]
    assert "not known" in notes[0]


def test_a_namespace_that_may_not_be_looked_up_is_scanned_all_the_same(tmp_path: Path) -> None:
    found, notes = absent(PODS_ALONE, tmp_path, namespaces=("shop",))
    assert found == []
    assert ["not known" in note for note in notes] == [True]


def test_a_server_in_trouble_says_of_no_namespace_that_it_is_not_there(tmp_path: Path) -> None:
    for trouble in (Trouble(500, resource="namespaces"), Trouble(429, resource="namespaces"), Trouble(body=b"[]", resource="namespaces")):
        with ClusterBed(PLACES, troubles=[trouble]) as bed, reached(bed, tmp_path, {"namespaces": ("nosuch",)}) as provider:
            assert provider.absentees() == []
            assert "not known" in provider.targets[0].scope["notes"][0]
