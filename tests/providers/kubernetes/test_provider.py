"""Kubernetes through the official client over real sockets: coming in, discovery, pages, what is left out, and what is never asked."""

from __future__ import annotations

import datetime
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import incluster_config

from cnamm_scan.demo.certificate import Pair, certificate
from cnamm_scan.demo.cluster.bed.requests import Answer as Wire
from cnamm_scan.demo.cluster.bed.requests import Request as Asked
from cnamm_scan.demo.cluster.bed.server import ANONYMOUS, ClusterBed, Resource, Rights, Seen, Trouble, stale_read
from cnamm_scan.errors import CnammError, CredentialsError, ProviderError, UsageError
from cnamm_scan.model import Reason
from cnamm_scan.providers.interface import CallFailedError, Provider, Request
from cnamm_scan.providers.kubernetes.provider import Options, connect, managed_by
from tests.clusters import (
    asked,
    cluster,
    config_of,
    crd,
    credential,
    guarded_bed,
    items,
    names,
    pages,
    plugin,
    pod,
    reached,
    thing,
)
from tests.servers import BadServer, kubeconfig

TOKEN = "secret-token-of-the-scanner"
READER = Rights((("list", "", "pods", None), ("list", "", "namespaces", None)))
CERT_MANAGER = {"group": "cert-manager.io"}


@pytest.fixture(autouse=True)
def _of_no_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No kubeconfig and no cluster of whoever runs the tests."""
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return certificate(tmp_path_factory.mktemp("tls"), "authority")


@pytest.fixture(scope="module")
def shop_bed() -> Iterator[ClusterBed]:
    """A cluster that nobody changes."""
    with ClusterBed(cluster(pod("web"), pod("db"), thing("Node", "n1"))) as bed:
        yield bed


@pytest.fixture
def bed(shop_bed: ClusterBed) -> Iterator[ClusterBed]:
    shop_bed.requests.clear()
    yield shop_bed
    shop_bed.troubles[:] = []
    assert shop_bed.writes == []


def fails(provider: Provider, client: str, call: str, page: Any = None, **parameters: Any) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        provider.call(Request(client, call, "global", parameters, page))
    return caught.value


def refused(kind: type[CnammError], name: str = "", **options: Any) -> tuple[str, str, str]:
    """What, where and what to do of a connection that fails."""
    with pytest.raises(kind) as caught:
        connect(name, Options(**{"call_timeout": 2.0, **options}))
    assert caught.value.what
    assert caught.value.where
    assert caught.value.do
    return caught.value.what, caught.value.where, caught.value.do


def merged(folder: Path, *files: Path, current: str = "") -> Path:
    """One kubeconfig out of several."""
    told = [json.loads(file.read_text()) for file in files]
    whole = {**told[0], "current-context": current}
    for key in ("clusters", "users", "contexts"):
        whole[key] = [entry for each in told for entry in each[key]]
    (folder / "merged").write_text(json.dumps(whole))
    return folder / "merged"


# ---- contexts ------------------------------------------------------------------------------------------------------------


def test_the_current_context(bed: ClusterBed, tmp_path: Path) -> None:
    with reached(bed, tmp_path, context="home") as provider:
        (target,) = provider.targets
        assert (target.id, target.provider, target.name, target.identity) == ("kubernetes:home", "kubernetes", "home", "kubernetes-admin")
        assert target.scope == {}
        assert provider.variables(provider.targets[0], "global") == {
            "$account": "home",
            "$region": "global",
            "$partition": "",
            "$target": "kubernetes:home",
        }
        assert (list(provider.regions(provider.targets[0])), list(provider.default_regions()), provider.region_table) == ([], [], None)
        assert provider.home_region() == "global"


def test_a_named_context(bed: ClusterBed, tmp_path: Path) -> None:
    """Names of contexts may look like paths: those of EKS are ARNs."""
    arn = "arn:aws:eks:eu-west-1:111122223333:cluster/shop"
    whole = merged(
        tmp_path, bed.kubeconfig(tmp_path, context="home", name="a"), bed.kubeconfig(tmp_path, context=arn, name="b"), current="home"
    )
    for name in ("home", arn):
        provider = connect(name, Options(kubeconfig=str(whole)))
        assert provider.targets[0].id == f"kubernetes:{name}"
        provider.close()


def test_a_context_that_does_not_exist(bed: ClusterBed, tmp_path: Path) -> None:
    what, where, do = refused(UsageError, "prodution", kubeconfig=str(bed.kubeconfig(tmp_path, context="production")))
    assert what == "no context 'prodution', and no file of that name"
    assert where == "kubernetes:prodution"
    assert "did you mean 'production'?" in do
    _, _, do = refused(UsageError, "anything")  # there is no kubeconfig at all
    assert "--kubeconfig" in do


def test_no_current_context(bed: ClusterBed, tmp_path: Path) -> None:
    file = bed.kubeconfig(tmp_path, context="home")
    file.write_text(file.read_text().replace('"current-context": "home"', '"current-context": ""'))
    what, where, do = refused(UsageError, kubeconfig=str(file))
    assert what == "the kubeconfig has no current context"
    assert where == str(file)
    assert "kubernetes:home" in do


@pytest.mark.parametrize(
    "text", ["{", "- a list", "just words", '{"contexts": [{"nameless": 1}]}', '{"contexts": 5}', "\x00\xff"], ids=range(6)
)
def test_a_broken_kubeconfig(tmp_path: Path, text: str) -> None:
    file = tmp_path / "broken"
    file.write_text(text)
    what, where, _ = refused(UsageError, kubeconfig=str(file))
    assert what in ("the kubeconfig cannot be read", "the kubeconfig has no current context")
    assert where == str(file)


def test_an_empty_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    assert refused(UsageError, kubeconfig=str(tmp_path / "empty"))[0] == "the kubeconfig has no current context"


def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    what, where, _ = refused(UsageError, kubeconfig=str(tmp_path / "none"))
    assert (what, where) == ("no such kubeconfig", str(tmp_path / "none"))


@pytest.mark.parametrize("missing", ["cluster", "user"])
def test_a_context_of_what_is_not_there(bed: ClusterBed, tmp_path: Path, missing: str) -> None:
    file = bed.kubeconfig(tmp_path, context="home")
    config = json.loads(file.read_text())
    config["contexts"][0]["context"][missing] = "elsewhere"
    file.write_text(json.dumps(config))
    if missing == "user":  # then nobody asks, which this server takes for an administrator
        connect("", Options(kubeconfig=str(file))).close()
        return
    what, where, _ = refused(UsageError, kubeconfig=str(file))
    assert "context 'home' cannot be used" in what
    assert where == str(file)


def test_several_kubeconfigs(bed: ClusterBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [bed.kubeconfig(tmp_path, context=name, name=name) for name in ("first", "second")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(tmp_path / "none"), *map(str, files)]))
    for name, expected in (("", "first"), ("second", "second")):
        provider = connect(name, Options())
        assert provider.targets[0].name == expected
        provider.close()


def test_the_kubeconfig_at_home(bed: ClusterBed, tmp_path: Path) -> None:
    (tmp_path / "nobody" / ".kube").mkdir(parents=True)
    bed.kubeconfig(tmp_path / "nobody" / ".kube", context="home")
    provider = connect("", Options())
    assert provider.targets[0].name == "home"
    provider.close()


def test_two_kinds_of_scope_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="do not go together"):
        connect(str(tmp_path), Options(namespaces=("a",), excluded_namespaces=("b",)))


# ---- inside a pod --------------------------------------------------------------------------------------------------------


@pytest.fixture
def inside(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ClusterBed]:
    """A bed that this process takes for the cluster that it runs in."""
    with ClusterBed(cluster(pod("web")), tokens={TOKEN: READER}, certificate=(pair.certificate, pair.key)) as bed:
        host, port = bed.api.address.split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        (tmp_path / "token").write_text(TOKEN)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(pair.certificate))
        yield bed


@pytest.mark.parametrize("name", ["", "in-cluster"])
def test_the_cluster_around_us(inside: ClusterBed, name: str) -> None:
    provider = connect(name, Options())
    assert (provider.targets[0].id, provider.targets[0].identity) == ("kubernetes:in-cluster", READER.user)
    assert names(pages(provider, "v1", "pods")) == ["web"]
    provider.close()


def test_a_token_may_end_its_line(inside: ClusterBed, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    provider = connect("", Options())
    assert names(pages(provider, "v1", "pods")) == ["web"]
    provider.close()


@pytest.mark.parametrize("token", ["two\nlines", "tökën", "nul\x00"])
def test_what_is_no_token_is_said_without_showing_it(inside: ClusterBed, tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token)
    what, where, do = refused(CredentialsError)
    assert "MalformedToken" in what
    assert token not in f"{what}{where}{do}"
    assert inside.requests == []


def test_no_cluster_around_us() -> None:
    what, where, do = refused(CredentialsError)
    assert what.startswith("no cluster to ask")
    assert all(word in where for word in ("KUBECONFIG", "~/.kube/config", "service account"))
    assert "kubernetes:CONTEXT" in do


# ---- who we are ----------------------------------------------------------------------------------------------------------


def test_the_identity_is_the_servers_word(tmp_path: Path) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed, reached(bed, tmp_path, token=TOKEN) as provider:
        assert provider.targets[0].identity == "system:serviceaccount:cnamm:scanner"
        assert [seen.path for seen in bed.requests if seen.method == "POST"] == ["/apis/authentication.k8s.io/v1/selfsubjectreviews"]
        assert all(seen.agent.startswith("cnamm-scan/") for seen in bed.requests)
        assert bed.writes == []


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_does_not_say_who_we_are_is_asked_all_the_same(bed: ClusterBed, tmp_path: Path, status: int) -> None:
    bed.troubles[:] = [Trouble(status, method="POST")]
    with reached(bed, tmp_path) as provider:
        assert provider.targets[0].identity == ""
        assert names(pages(provider, "v1", "pods")) == ["db", "web"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"status": null}', b'{"status": {"userInfo": []}}', b"<html>", b""], ids=range(6))
def test_an_odd_word_of_who_we_are_is_none(bed: ClusterBed, tmp_path: Path, body: bytes) -> None:
    bed.troubles[:] = [Trouble(body=body, method="POST")]
    with reached(bed, tmp_path) as provider:
        assert provider.targets[0].identity == ""


@pytest.mark.parametrize("rights", [None, ANONYMOUS])
def test_nobody_is_not_let_in(tmp_path: Path, rights: Rights | None) -> None:
    """With and without anonymous access of the server's."""
    with guarded_bed(cluster(), {TOKEN: READER} | ({"": rights} if rights else {})) as bed:
        what, where, do = refused(CredentialsError, kubeconfig=config_of(bed, tmp_path))
    assert "does not know who asks" in what if rights else "does not accept the credentials" in what
    assert bed.url in where
    assert "kubectl auth whoami" in do


def test_a_wrong_token(tmp_path: Path) -> None:
    with guarded_bed(cluster(), {TOKEN: READER}) as bed:
        what, where, do = refused(CredentialsError, kubeconfig=config_of(bed, tmp_path, token="a-wrong-one"))
    assert what == "the API server does not accept the credentials (Unauthorized)"
    assert "a-wrong-one" not in what + where + do


# ---- plugins -------------------------------------------------------------------------------------------------------------


def printing(folder: Path, text: str) -> list[str]:
    (folder / "said").write_text(text)
    return plugin(folder, f"cat {folder}/said")


@pytest.fixture(scope="module")
def guarded() -> Iterator[ClusterBed]:
    """A cluster that asks for a token."""
    with guarded_bed(cluster(pod("web")), {TOKEN: READER}) as bed:
        yield bed


def test_a_plugin_gives_a_token(guarded: ClusterBed, tmp_path: Path) -> None:
    (tmp_path / "said").write_text(credential({"token": TOKEN}))
    script = f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info; echo a word to people >&2; cat {tmp_path}/said'
    with reached(guarded, tmp_path, exec_command=plugin(tmp_path, script)) as provider:
        assert provider.targets[0].identity == READER.user
    info = json.loads((tmp_path / "info").read_text())
    assert (info["apiVersion"], info["kind"], info["spec"]["interactive"]) == ("client.authentication.k8s.io/v1", "ExecCredential", False)


def test_a_plugin_that_fails(guarded: ClusterBed, tmp_path: Path) -> None:
    """What it complains of may hold what it was given: nobody repeats it."""
    command = plugin(tmp_path, "printf '\\033[31mno session; sign in\\n' >&2; echo the rest is long >&2; exit 3")
    what, where, do = refused(CredentialsError, kubeconfig=config_of(guarded, tmp_path, exec_command=command))
    assert what == "the plugin 'plugin' ended with 3"  # what it says of it may hold what it was given
    assert where == "kubeconfig"
    assert "plugin" in do


def test_an_error_does_not_say_how_to_log_in_at_a_server(tmp_path: Path) -> None:
    with BadServer(lambda _: []) as server:
        file = kubeconfig(server, tmp_path)
        file.write_text(file.read_text().replace("http://", "http://kim:hunter22@"))
        with pytest.raises(ProviderError) as caught:
            connect("", Options(kubeconfig=str(file), call_timeout=1.0))
    assert "hunter22" not in str(caught.value)
    assert caught.value.where == f"kubernetes:lab ({server.url})"


def test_a_plugin_that_is_not_there(guarded: ClusterBed, tmp_path: Path) -> None:
    file = config_of(guarded, tmp_path, exec_command=[str(tmp_path / "none")])
    assert refused(CredentialsError, kubeconfig=str(file))[0] == "the plugin 'none' could not be started: No such file or directory"


RUBBISH = {
    "words": "please sign in at https://example.com",
    "nothing": "",
    "a list": "[]",
    "no status": '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}',
    "no token": credential({}),
    "status null": credential(None),
    "another version": credential({"token": TOKEN}, "client.authentication.k8s.io/v1alpha1"),
    "half a certificate": credential({"clientCertificateData": "x"}),
}


@pytest.mark.parametrize("said", RUBBISH)
def test_a_plugin_that_prints_something_else(guarded: ClusterBed, tmp_path: Path, said: str) -> None:
    file = config_of(guarded, tmp_path, exec_command=printing(tmp_path, RUBBISH[said]))
    what, where, do = refused(CredentialsError, kubeconfig=str(file))
    assert what.startswith("the plugin 'plugin' ")
    assert TOKEN not in what + where + do


def test_a_plugin_that_prints_bytes(guarded: ClusterBed, tmp_path: Path) -> None:
    file = config_of(guarded, tmp_path, exec_command=plugin(tmp_path, "printf '\\377\\376'"))
    assert refused(CredentialsError, kubeconfig=str(file))[0] == "the plugin 'plugin' printed no ExecCredential"


def is_alive(process: int) -> bool:
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.mark.parametrize("parent", ["wait", "exit 0"])
def test_a_plugin_that_hangs_ends_with_its_children(guarded: ClusterBed, tmp_path: Path, parent: str) -> None:
    """Also when it has gone itself, and a child of it keeps what we read from open."""
    command = plugin(tmp_path, f"sleep 60 & echo $! > {tmp_path}/child; {parent}")
    began = time.monotonic()
    file = config_of(guarded, tmp_path, exec_command=command)
    what, _, _ = refused(CredentialsError, kubeconfig=str(file), call_timeout=0.4)
    assert what == "the plugin 'plugin' did not answer in 0.4 seconds"
    assert time.monotonic() - began < 5
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 5
    while is_alive(child) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(child)


def test_a_plugin_gives_a_certificate(pair: Pair, tmp_path: Path) -> None:
    client = certificate(tmp_path, "client")
    said = {"clientCertificateData": client.certificate.read_text(), "clientKeyData": client.key.read_text()}
    with ClusterBed(cluster(pod("web")), certificate=(pair.certificate, pair.key)) as bed:
        assert bed._server is not None
        context: Any = bed._server.socket
        context.context.verify_mode = 2  # ssl.CERT_REQUIRED: who has no certificate does not get in
        context.context.load_verify_locations(client.certificate)
        with reached(bed, tmp_path, ca=pair.certificate, exec_command=printing(tmp_path, credential(said))) as provider:
            assert names(pages(provider, "v1", "pods")) == ["web"]
        refused(ProviderError, kubeconfig=str(bed.kubeconfig(tmp_path, ca=pair.certificate)))


def renewed(folder: Path) -> list[str]:
    """A plugin whose first token runs out at once. It counts how often it was asked."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    for number, (token, until) in enumerate(((TOKEN, "2020-01-01T00:00:00Z"), ("another", later.strftime("%Y-%m-%dT%H:%M:%SZ")))):
        (folder / f"said{number}").write_text(credential({"token": token, "expirationTimestamp": until}))
    return plugin(
        folder,
        f"echo asked >> {folder}/count; [ -e {folder}/again ] && cat {folder}/said1 || {{ touch {folder}/again; cat {folder}/said0; }}",
    )


def test_a_token_that_runs_out_is_renewed_once(tmp_path: Path) -> None:
    with (
        guarded_bed(cluster(pod("web")), {"another": READER}) as bed,
        reached(bed, tmp_path, exec_command=renewed(tmp_path)) as provider,
        ThreadPoolExecutor(8) as threads,
    ):
        assert {tuple(names(found)) for found in threads.map(lambda _: pages(provider, "v1", "pods"), range(8))} == {("web",)}
        assert (tmp_path / "count").read_text().count("asked") == 2


def test_a_plugin_that_gives_no_token_any_more_ends_the_credentials(guarded: ClusterBed, tmp_path: Path) -> None:
    """It is a gap, and no exception through everything."""
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=1)
    (tmp_path / "said").write_text(credential({"token": TOKEN, "expirationTimestamp": soon.strftime("%Y-%m-%dT%H:%M:%SZ")}))
    script = f"[ -e {tmp_path}/over ] && exit 1; cat {tmp_path}/said"
    with reached(guarded, tmp_path, exec_command=plugin(tmp_path, script)) as provider:
        assert names(pages(provider, "v1", "pods")) == ["web"]
        (tmp_path / "over").touch()
        failure = fails(provider, "v1", "pods")
        assert (failure.reason, failure.code, failure.retry) == (Reason.CREDENTIALS, "NotRenewed", False)


# ---- the wire ------------------------------------------------------------------------------------------------------------


def test_an_authority_that_is_known(pair: Pair, tmp_path: Path) -> None:
    with (
        ClusterBed(cluster(pod("web")), certificate=(pair.certificate, pair.key)) as bed,
        reached(bed, tmp_path, ca=pair.certificate) as provider,
    ):
        assert bed.url.startswith("https://")
        assert names(pages(provider, "v1", "pods")) == ["web"]


def test_an_authority_that_is_not_known(pair: Pair, tmp_path: Path) -> None:
    with ClusterBed(cluster(), certificate=(pair.certificate, pair.key)) as bed:
        for authority in (None, certificate(tmp_path, "other").certificate):
            what, where, do = refused(ProviderError, kubeconfig=str(bed.kubeconfig(tmp_path, token=TOKEN, ca=authority)))
            assert "its certificate cannot be trusted" in what
            assert bed.url in where
            assert "certificate-authority-data" in do
        assert bed.requests == []  # nobody was told the token


def test_a_server_that_is_down(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bed = ClusterBed(cluster())
    bed.url = f"http://127.0.0.1:{port}"
    what, where, do = refused(ProviderError, kubeconfig=str(bed.kubeconfig(tmp_path)))
    assert what == "the API server does not answer: no connection"
    assert where == f"kubernetes:demo ({bed.url})"
    assert "kubectl version" in do


@pytest.mark.parametrize(("trouble", "words"), [(Trouble(hang_up=True), "no connection"), (Trouble(delay=2), "no answer in time")])
def test_a_server_that_hangs_up_or_says_nothing(bed: ClusterBed, tmp_path: Path, trouble: Trouble, words: str) -> None:
    bed.troubles[:] = [trouble]
    what, _, _ = refused(ProviderError, kubeconfig=str(bed.kubeconfig(tmp_path)), call_timeout=0.2)
    assert what == f"the API server does not answer: {words}"


class Beneath(ClusterBed):
    """A bed whose API server stands beneath a path, as behind Rancher."""

    prefix = "/k8s/clusters/c-1"

    def respond(self, request: Asked, query: str) -> tuple[Wire | None, Trouble | None]:
        if not request.path.startswith(f"{self.prefix}/"):
            self.requests.append(Seen(request.method, request.path, query, 404, ""))
            return Wire(404, b"not here", "text/plain"), None
        target = request.path.removeprefix(self.prefix) + (f"?{query}" if query else "")
        return super().respond(Asked.of(request.method, target, request.headers, request.body), query)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_server_beneath_a_path(tmp_path: Path, end: str) -> None:
    with Beneath(cluster(pod("web"))) as bed:
        bed.url += bed.prefix + end
        with reached(bed, tmp_path) as provider:
            assert names(pages(provider, "v1", "pods")) == ["web"]
            assert provider.read("cluster", Request("v1", "<cluster>", "global")).data[0]["server"] == bed.url.rstrip("/")
        assert not [seen for seen in bed.requests if seen.status != 200 and seen.method == "GET"]
        assert not [seen for seen in bed.requests if "//" in seen.path]


# ---- what the cluster is -------------------------------------------------------------------------------------------------


def test_the_cluster_itself(tmp_path: Path) -> None:
    version = {"major": "1", "minor": "36+", "gitVersion": "v1.36.1-eks-3025e55", "platform": "linux/arm64"}
    with ClusterBed(cluster(), version=version) as bed, reached(bed, tmp_path) as provider:
        (row,) = provider.read("cluster", Request("v1", "<cluster>", "global")).data
        assert row == {
            "name": "demo", "server": bed.url, "serverHost": "127.0.0.1", "version": version, "minor": 36, "managedBy": "eks",
        }  # fmt: skip
        assert [seen.path for seen in bed.requests].count("/version") == 1


@pytest.mark.parametrize(
    ("version", "host", "whose"),
    [
        ("v1.36.1", "10.0.0.1", ""),
        ("v1.36.1-eks-3025e55", "10.0.0.1", "eks"),
        ("v1.36.1", "ABC.gr7.eu-west-1.eks.amazonaws.com", "eks"),
        ("v1.36.1", "ABC.sk1.cn-north-1.eks.amazonaws.com.cn", "eks"),
        ("v1.36.1-gke.200", "34.1.2.3", "gke"),
        ("v1.36.1", "shop-dns-1234.hcp.westeurope.azmk8s.io", "aks"),
        ("v1.36.1+k3s1", "azmk8s.io.example.com", ""),
    ],
)
def test_whose_cluster_it_is(version: str, host: str, whose: str) -> None:
    assert managed_by(version, host) == whose


def test_a_version_that_cannot_be_read_is_no_version(bed: ClusterBed, tmp_path: Path) -> None:
    bed.troubles[:] = [Trouble(body=b"[]", path="^/version$")]
    with reached(bed, tmp_path) as provider:
        with pytest.raises(CallFailedError) as caught:
            provider.read("cluster", Request("v1", "<cluster>", "global"))
        assert caught.value.reason is Reason.MALFORMED
        bed.troubles[:] = [Trouble(body=b'{"major": "1"}', path="^/version$")]
        assert provider.read("cluster", Request("v1", "<cluster>", "global")).data[0]["minor"] is None


def test_a_reader_that_does_not_exist(bed: ClusterBed, tmp_path: Path) -> None:
    with reached(bed, tmp_path) as provider, pytest.raises(CallFailedError) as caught:
        provider.read("clusters", Request("v1", "<clusters>", "global"))
    assert caught.value.reason is Reason.COLLECTOR_BUG


@pytest.mark.parametrize(("client", "call"), [("apps", "deployments"), ("v1", "Pods"), ("v1", "")])
def test_what_is_no_resource_is_a_bug_of_the_collector(bed: ClusterBed, tmp_path: Path, client: str, call: str) -> None:
    with reached(bed, tmp_path) as provider:
        assert fails(provider, client, call).reason is Reason.COLLECTOR_BUG
    assert asked(bed) == []


# ---- discovery -----------------------------------------------------------------------------------------------------------


def metrics(*, down: bool = False) -> dict[str, Any]:
    """The APIService of an aggregated API."""
    status = {"conditions": [{"type": "Available", "status": "False" if down else "True"}]}
    spec = {"group": "metrics.k8s.io", "version": "v1beta1", "service": {"name": "metrics-server", "namespace": "kube-system"}}
    return thing("APIService", "v1beta1.metrics.k8s.io", api="apiregistration.k8s.io/v1", spec=spec, status=status)


NODE_METRICS = Resource("nodes", "NodeMetrics", namespaced=False, verbs=("get", "list"))


@pytest.mark.parametrize("aggregated", [True, False])
def test_discovery_in_both_forms(tmp_path: Path, aggregated: bool) -> None:
    made = cluster(pod("web"), metrics(), crd("widgets", "Widget", "v1"))
    made.serve("metrics.k8s.io/v1beta1", NODE_METRICS, custom=False)
    with ClusterBed(made, aggregated_discovery=aggregated) as bed, reached(bed, tmp_path) as provider:
        rows = {
            (row["group"], row["version"], row["resource"]): row
            for row in provider.read("api_resources", Request("v1", "<api_resources>", "global")).data
        }
        assert rows["", "v1", "pods"] == {
            "group": "",
            "version": "v1",
            "resource": "pods",
            "kind": "Pod",
            "namespaced": True,
            "fresh": True,
        }
        assert rows["", "v1", "nodes"]["namespaced"] is False
        assert rows["example.com", "v1", "widgets"]["kind"] == "Widget"
        assert rows["metrics.k8s.io", "v1beta1", "nodes"]["fresh"] is True
        assert ("autoscaling", "v1", "horizontalpodautoscalers") in rows
        assert not [name for _, _, name in rows if "/" in name]
        discovery = [seen.path for seen in bed.requests if seen.method == "GET" and seen.path != "/version"]
        assert len(discovery) == len(set(discovery))  # each document once
        assert (discovery == ["/api", "/apis"]) is aggregated


def test_legacy_discovery_looks_only_where_it_must(tmp_path: Path) -> None:
    with ClusterBed(cluster(pod("web")), aggregated_discovery=False) as bed, reached(bed, tmp_path) as provider:
        for _ in range(2):
            assert names(pages(provider, "v1", "pods")) == ["web"]
        looked = [seen.path for seen in bed.requests if seen.path.startswith("/api") and seen.method == "GET"]
        assert looked == ["/api", "/apis", "/api/v1", "/api/v1/pods", "/api/v1/pods"]


@pytest.mark.parametrize("aggregated", [True, False])
def test_what_is_not_served_is_not_installed(tmp_path: Path, aggregated: bool) -> None:
    with ClusterBed(cluster(), aggregated_discovery=aggregated) as bed, reached(bed, tmp_path) as provider:
        for client, call in (("kyverno.io/v1,v2", "policies"), ("apps/v1", "gadgets"), ("v1", "gadgets"), ("kyverno.io/v1", "*")):
            failure = fails(provider, client, call)
            assert (failure.reason, failure.code, failure.retry) == (Reason.UNSUPPORTED, "NotServed", False)
            assert provider.matches(failure, ())  # the listing is whole, and empty
        assert asked(bed) == []


@pytest.mark.parametrize("aggregated", [True, False])
def test_what_is_served_in_other_versions_is_not_read(tmp_path: Path, aggregated: bool) -> None:
    with (
        ClusterBed(cluster(crd("widgets", "Widget", "v3", "v2")), aggregated_discovery=aggregated) as bed,
        reached(bed, tmp_path) as provider,
    ):
        failure = fails(provider, "example.com/v1,v1beta1", "widgets")
        assert (failure.reason, failure.code) == (Reason.UNSUPPORTED, "UnservedVersion")
        assert "v3, v2" in failure.message
        assert not provider.matches(failure, ())
        assert fails(provider, "example.com/v1", "gadgets").code == "NotServed"  # the group is there, and no such thing in it
        assert asked(bed) == []


@pytest.mark.parametrize("aggregated", [True, False])
@pytest.mark.parametrize(
    ("served", "wanted", "read"), [("v1 v1beta1", "v1,v1beta1", "v1"), ("v1beta1", "v1,v1beta1", "v1beta1"), ("v2 v1", "v1,v2", "v1")]
)
def test_the_first_version_that_is_served_is_read(tmp_path: Path, aggregated: bool, served: str, wanted: str, read: str) -> None:
    made = cluster(crd("widgets", "Widget", *served.split()))
    made.add(thing("Widget", "one", "shop", api=f"example.com/{served.partition(' ')[0]}"))
    with ClusterBed(made, aggregated_discovery=aggregated) as bed, reached(bed, tmp_path) as provider:
        assert names(pages(provider, f"example.com/{wanted}", "widgets")) == ["one"]
        assert asked(bed) == [f"/apis/example.com/{read}/widgets?limit=500"]


def constraints() -> list[dict[str, Any]]:
    kinds = [("k8srequiredlabels", "K8sRequiredLabels"), ("k8sallowedrepos", "K8sAllowedRepos")]
    group = "constraints.gatekeeper.sh"
    return [
        *(crd(plural, kind, "v1beta1", group=group, scope="Cluster") for plural, kind in kinds),
        *(thing(kind, f"{plural}-{n}", api=f"{group}/v1beta1") for plural, kind in kinds for n in range(2)),
    ]


@pytest.mark.parametrize("aggregated", [True, False])
def test_whatever_a_group_holds(tmp_path: Path, aggregated: bool) -> None:
    with ClusterBed(cluster(*constraints()), aggregated_discovery=aggregated) as bed, reached(bed, tmp_path) as provider:
        found = pages(provider, "constraints.gatekeeper.sh/v1beta1", "*")
        assert names(found) == ["k8sallowedrepos-0", "k8sallowedrepos-1", "k8srequiredlabels-0", "k8srequiredlabels-1"]
        assert {item["kind"] for answer in found for item in items(answer)} == {"K8sAllowedRepos", "K8sRequiredLabels"}


@pytest.mark.parametrize(("status", "left_out"), [(404, None), (403, Reason.DENIED)])
def test_one_kind_of_a_group_costs_itself(tmp_path: Path, status: int, left_out: Reason | None) -> None:
    """Gone since discovery, or not to be read: the kinds after it are read all the same."""
    with ClusterBed(cluster(*constraints())) as bed, reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(status, resource="k8sallowedrepos")]
        found = pages(provider, "constraints.gatekeeper.sh/v1beta1", "*")
        assert names(found) == ["k8srequiredlabels-0", "k8srequiredlabels-1"]
        assert [answer.left_out for answer in found] == [left_out, None]


def test_a_group_without_anything_to_list(tmp_path: Path) -> None:
    made = cluster()
    made.serve("mutations.gatekeeper.sh/v1", Resource("assigns", "Assign", verbs=("get",)))
    with ClusterBed(made) as bed, reached(bed, tmp_path) as provider:
        assert fails(provider, "mutations.gatekeeper.sh/v1", "*").code == "NotServed"


def test_discovery_that_is_refused(tmp_path: Path) -> None:
    """What exists is listed all the same. What answers 404 may be served in another version: that is not known to be nothing."""
    rights = Rights((("list", "*", "*", None),), paths=("/version",), basic=False)
    made = cluster(pod("web"), crd("widgets", "Widget", "v2"))
    with guarded_bed(made, {TOKEN: rights}) as bed, reached(bed, tmp_path, token=TOKEN) as provider:
        assert names(pages(provider, "v1", "pods")) == ["web"]
        for client, call in (("example.com/v1", "widgets"), ("kyverno.io/v1", "policies")):
            failure = fails(provider, client, call)
            assert (failure.reason, failure.code) == (Reason.UNSUPPORTED, "NotDiscovered")
            assert not provider.matches(failure, ())
        assert fails(provider, "constraints.gatekeeper.sh/v1beta1", "*").reason is Reason.DENIED
        with pytest.raises(CallFailedError) as caught:
            provider.read("api_resources", Request("v1", "<api_resources>", "global"))
        assert caught.value.reason is Reason.DENIED
        assert [seen.path for seen in bed.requests].count("/api") == 1  # a refusal is not asked for again


BROKEN = {
    "a page": Trouble(body=b"<html>sign in</html>"),
    "cut": Trouble(body=b'{"kind": "APIGroupDiscoveryList", "items": ['),
    "no items": Trouble(body=b'{"kind": "APIGroupDiscoveryList"}'),
    "odd items": Trouble(body=b'{"kind": "APIGroupDiscoveryList", "items": [5]}'),
    "odd versions": Trouble(body=b'{"kind": "APIGroupDiscoveryList", "items": [{"metadata": {"name": "apps"}}]}'),
    "odd groups": Trouble(body=b'{"kind": "APIGroupList", "groups": [{}]}'),
    "something else": Trouble(body=b'{"kind": "PodList", "items": []}'),
    "500": Trouble(500),
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_discovery_is_tried_a_few_times_and_then_done_without(bed: ClusterBed, tmp_path: Path, how: str) -> None:
    bed.troubles[:] = [replace(BROKEN[how], path="^/apis$")]
    expected = Reason.SERVER_ERROR if how == "500" else Reason.MALFORMED
    with reached(bed, tmp_path) as provider:
        for _ in range(2):
            failure = fails(provider, "v1", "pods")
            assert (failure.reason, failure.retry) == (expected, True)
        assert names(pages(provider, "v1", "pods")) == ["db", "web"]
        with pytest.raises(CallFailedError) as caught:
            provider.read("api_resources", Request("v1", "<api_resources>", "global"))
        assert caught.value.reason is expected
        assert [seen.path for seen in bed.requests].count("/apis") == 3


def test_broken_discovery_that_mends_is_used(bed: ClusterBed, tmp_path: Path) -> None:
    bed.troubles[:] = [Trouble(503, path="^/apis$", times=2)]
    with reached(bed, tmp_path) as provider:
        for _ in range(2):
            assert fails(provider, "v1", "pods").retry
        assert fails(provider, "kyverno.io/v1", "policies").code == "NotServed"


@pytest.mark.parametrize("aggregated", [True, False])
def test_an_aggregated_api_that_is_down_costs_its_own(tmp_path: Path, aggregated: bool) -> None:
    """The server says that nobody answers there: asking again and again helps nobody, and the group is not taken to be empty."""
    made = cluster(pod("web"), metrics(down=True))
    with ClusterBed(made, aggregated_discovery=aggregated) as bed, reached(bed, tmp_path) as provider:
        for call in ("nodes", "pods"):
            failure = fails(provider, "metrics.k8s.io/v1beta1", call)
            assert (failure.reason, failure.retry) == (Reason.SERVER_ERROR, False)
        assert names(pages(provider, "v1", "pods")) == ["web"]
        stale = [row for row in provider.read("api_resources", Request("v1", "<api_resources>", "global")).data if not row["fresh"]]
        assert [(row["group"], row["version"], row["resource"]) for row in stale] == [("metrics.k8s.io", "v1beta1", "")]
        assert [seen.path for seen in bed.requests].count("/apis/metrics.k8s.io/v1beta1") == 1


def test_a_server_error_of_something_fresh_is_tried_again(tmp_path: Path) -> None:
    made = cluster(metrics())
    made.serve("metrics.k8s.io/v1beta1", NODE_METRICS, custom=False)
    with ClusterBed(made) as bed, reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(503, resource="nodes.metrics.k8s.io")]
        failure = fails(provider, "metrics.k8s.io/v1beta1", "nodes")
        assert (failure.reason, failure.retry) == (Reason.SERVER_ERROR, True)


def test_one_group_whose_discovery_breaks_is_asked_blindly(tmp_path: Path) -> None:
    made = cluster(crd("widgets", "Widget", "v1"), thing("Widget", "one", "shop", api="example.com/v1"), pod("web"))
    with ClusterBed(made, aggregated_discovery=False) as bed, reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(body=b"{", path="^/apis/example.com/v1$")]
        assert names(pages(provider, "example.com/v1", "widgets")) == ["one"]
        assert names(pages(provider, "example.com/v1", "widgets")) == ["one"]
        assert [seen.path for seen in bed.requests].count("/apis/example.com/v1") == 1
        assert fails(provider, "example.com/v1", "*").code == "DiscoveryFailed"


# ---- pages ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many() -> Iterator[ClusterBed]:
    with ClusterBed(cluster(*(pod(f"p{number:04}") for number in range(1203)))) as bed:
        yield bed


ALL = [f"p{number:04}" for number in range(1203)]


def test_pages_of_five_hundred(many: ClusterBed, tmp_path: Path) -> None:
    many.requests.clear()
    with reached(many, tmp_path) as provider:
        found = pages(provider, "v1", "pods")
        assert [len(items(answer)) for answer in found] == [500, 500, 203]
        assert names(found) == ALL
        assert len({answer.request_id for answer in found}) == 3
        assert all(answer.left_out is None and answer.rest is None for answer in found)
        assert [seen.query.split("&")[0] for seen in many.requests if seen.path == "/api/v1/pods"] == ["limit=500"] * 3


def test_a_collector_may_want_smaller_pages(many: ClusterBed, tmp_path: Path) -> None:
    with reached(many, tmp_path) as provider:
        assert [len(items(answer)) for answer in pages(provider, "v1", "pods", limit=50)] == [50] * 24 + [3]


def test_a_snapshot_that_expires_is_gone_on_from(many: ClusterBed, tmp_path: Path) -> None:
    """The server gives a token to go on from in a newer state: nothing is lost or doubled, and the ledger will know."""
    with reached(many, tmp_path) as provider:
        first = provider.call(Request("v1", "pods", "global"))
        many.compact()
        found = [first]
        while found[-1].next_page is not None:
            found.append(provider.call(Request("v1", "pods", "global", {}, found[-1].next_page)))
        assert names(found) == ALL
        assert [answer.note for answer in found] == ["", "ExpiredContinueToken", "", ""]


def test_a_snapshot_that_expires_without_a_token_truncates(many: ClusterBed, tmp_path: Path) -> None:
    with reached(many, tmp_path) as provider:
        first = provider.call(Request("v1", "pods", "global"))
        body = b'{"kind": "Status", "metadata": {}, "status": "Failure", "reason": "Expired", "code": 410}'
        many.troubles[:] = [Trouble(410, page=2, body=body)]
        failure = fails(provider, "v1", "pods", first.next_page)
        many.troubles[:] = []
        assert (failure.reason, failure.code, failure.retry) == (Reason.TRUNCATED, "Expired", False)


def test_a_server_that_expires_every_token_ends_too(many: ClusterBed, tmp_path: Path) -> None:
    with reached(many, tmp_path) as provider:
        many.troubles[:] = [Trouble(410, page=2)]
        first = provider.call(Request("v1", "pods", "global"))
        second = provider.call(Request("v1", "pods", "global", {}, first.next_page))
        assert fails(provider, "v1", "pods", second.next_page).reason is Reason.TRUNCATED
        many.troubles[:] = []


def test_an_empty_page_in_the_middle_is_not_the_end(tmp_path: Path) -> None:
    """With selectors a page may end before its objects do."""
    pods = [pod(f"p{number}", metadata={"labels": {"is": "in" if number in (1, 5) else "out"}}) for number in range(8)]
    with ClusterBed(cluster(*pods)) as bed, reached(bed, tmp_path) as provider:
        assert names(pages(provider, "v1", "pods", labelSelector="is=in", limit=1)) == ["p1", "p5"]
        assert names(pages(provider, "v1", "pods", fieldSelector="metadata.name=p3")) == ["p3"]


# ---- errors --------------------------------------------------------------------------------------------------------------

ERRORS = {
    "401": (Trouble(401), Reason.CREDENTIALS, "Unauthorized", False),
    "403": (Trouble(403), Reason.DENIED, "Forbidden", False),
    "405": (Trouble(405), Reason.UNSUPPORTED, "MethodNotAllowed", False),
    "406": (Trouble(406), Reason.UNSUPPORTED, "NotAcceptable", False),
    "400": (Trouble(400), Reason.COLLECTOR_BUG, "BadRequest", False),
    "429": (Trouble(429, reason="TooManyRequests"), Reason.THROTTLED, "TooManyRequests", True),
    "500": (Trouble(500), Reason.SERVER_ERROR, "InternalError", True),
    "503": (Trouble(503), Reason.SERVER_ERROR, "ServiceUnavailable", True),
    "504": (Trouble(504), Reason.TIMED_OUT, "Timeout", True),
    "500 timeout": (Trouble(500, reason="Timeout"), Reason.TIMED_OUT, "Timeout", True),
    "behind": (stale_read(), Reason.SERVER_ERROR, "ResourceVersionTooLarge", True),
    "redirect": (Trouble(302), Reason.UNSUPPORTED, "302", False),
    "slow": (Trouble(delay=2), Reason.TIMED_OUT, "ReadTimeoutError", True),
    "hang up": (Trouble(hang_up=True), Reason.UNREACHABLE, "ProtocolError", True),
    "cut off": (Trouble(cut=True), Reason.UNREACHABLE, "ProtocolError", True),
    "502 of a proxy": (Trouble(502, body=b"<html>Bad gateway</html>", content_type="text/html"), Reason.SERVER_ERROR, "502", True),
    "404 of a list": (Trouble(404, body=b"404 page not found\n", content_type="text/plain"), Reason.UNSUPPORTED, "NotServed", False),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_has_its_reason(bed: ClusterBed, tmp_path: Path, kind: str) -> None:
    trouble, reason, code, retry = ERRORS[kind]
    with reached(bed, tmp_path, {"call_timeout": 0.25}) as provider:
        assert names(pages(provider, "v1", "pods")) == ["db", "web"]
        bed.troubles[:] = [replace(trouble, resource="pods")]
        failure = fails(provider, "v1", "pods")
        assert (failure.reason, failure.code, failure.retry) == (reason, code, retry)
        assert bed.troubles[0].fired == 1  # the provider never asks again by itself
        assert names(pages(provider, "v1", "nodes")) == ["n1"]


@pytest.mark.parametrize(
    ("trouble", "after"),
    [
        (Trouble(429, retry_after=7), 7.0),
        (Trouble(429), 1.0),  # priority and fairness: a plain text, and the header
        (Trouble(429, reason="TooManyRequests", details={"retryAfterSeconds": 3}), 3.0),
        (Trouble(503, reason="ServiceUnavailable", retry_after=2), 2.0),
        (stale_read(), 1.0),
        (Trouble(500), None),
        (Trouble(429, reason="TooManyRequests", details={"retryAfterSeconds": "soon"}), None),
        (Trouble(429, reason="TooManyRequests", details={"retryAfterSeconds": float("nan")}), None),
        (Trouble(429, reason="TooManyRequests", details={"retryAfterSeconds": -5}), None),
        (Trouble(429, reason="TooManyRequests", details={"retryAfterSeconds": 10**400}), None),
        (Trouble(429, reason="TooManyRequests", details={"causes": 5}), None),
    ],
)
def test_the_wait_that_the_server_asks_for_is_passed_on(bed: ClusterBed, tmp_path: Path, trouble: Trouble, after: float | None) -> None:
    with reached(bed, tmp_path) as provider:
        bed.troubles[:] = [replace(trouble, times=1, resource="pods")]
        assert fails(provider, "v1", "pods").after == after
        assert names(pages(provider, "v1", "pods")) == ["db", "web"]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"kind": "Status", "details": []}', b"\xff\xfe", b"", b"null", b'{"kind": "Status", "reason": 5}'],
    ids=range(6),
)
@pytest.mark.parametrize("status", [403, 500])
def test_an_odd_error_is_still_one(bed: ClusterBed, tmp_path: Path, status: int, body: bytes) -> None:
    with reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(status, body=body, resource="pods")]
        assert fails(provider, "v1", "pods").reason is (Reason.DENIED if status == 403 else Reason.SERVER_ERROR)


def test_a_refusal_keeps_the_servers_words_to_itself(bed: ClusterBed, tmp_path: Path) -> None:
    with reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(403, resource="pods")]
        failure = fails(provider, "v1", "pods")
        assert 'User "kubernetes-admin" cannot list resource "pods"' in failure.message
        assert "kubernetes-admin" not in str(failure)


BODIES = {
    "cut": b'{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"w',
    "a page": b"<!doctype html><html><title>Sign in</title></html>",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a text": b'"PodList"',
    "no items": b'{"kind":"PodList","apiVersion":"v1","metadata":{}}',
    "items are a map": b'{"kind":"PodList","apiVersion":"v1","items":{}}',
    "a success": b'{"kind":"Status","apiVersion":"v1","status":"Success","items":[]}',
    "one pod": b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"},"items":[]}',
    "no kind": b'{"items":[]}',
    "a kind that is no text": b'{"kind":5,"items":[]}',
    "bytes": b"\xff\xfe\x00",
    "very deep": b'{"apiVersion":"v1","kind":"PodList","items":[' + b"[" * 100_000,
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_is_no_list_is_malformed(bed: ClusterBed, tmp_path: Path, kind: str) -> None:
    """Read as silence it would say that there is nothing."""
    with reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(body=BODIES[kind], resource="pods")]
        failure = fails(provider, "v1", "pods")
        assert (failure.reason, failure.retry) == (Reason.MALFORMED, True)


@pytest.mark.parametrize(
    "body", [b'{"apiVersion":"v1","kind":"PodList","items":null}', b'{"apiVersion":"v1","kind":"PodList","items":[],"metadata":null}']
)
def test_an_honest_empty_list_is_one(bed: ClusterBed, tmp_path: Path, body: bytes) -> None:
    with reached(bed, tmp_path) as provider:
        bed.troubles[:] = [Trouble(body=body, resource="pods")]
        answer = provider.call(Request("v1", "pods", "global"))
        assert (answer.data, answer.next_page, answer.left_out) == ({"items": []}, None, None)


@pytest.mark.parametrize(
    "item", ["5", "null", "[]", "{}", '{"metadata":5}', '{"metadata":{"namespace":["a"]}}', '{"metadata":{"annotations":[]}}']
)
def test_an_odd_item_is_handed_on_as_it_is(bed: ClusterBed, tmp_path: Path, item: str) -> None:
    """It costs itself, further in; beside it stands a sound one."""
    with reached(bed, tmp_path, {"namespaces": ("kube-system",)}) as provider:
        for call, kind in (("pods", "Pod"), ("namespaces", "Namespace")):
            sound = '{"metadata":{"name":"web","namespace":"kube-system"}}'
            body = f'{{"apiVersion":"v1","kind":"{kind}List","items":[{item},{sound}]}}'
            bed.troubles[:] = [Trouble(body=body.encode(), resource=call)]
            found = items(provider.call(Request("v1", call, "global")))
            assert found[0] == json.loads(item)
            if call == "pods":
                assert found[1]["inSystemNamespace"] is True


@pytest.mark.parametrize("item", [b'{"metadata":{"name":"\xff"}}', b'{"metadata":' + b"[" * 900 + b"]" * 900 + b"}"], ids=["bytes", "deep"])
def test_an_item_that_cannot_be_read_is_no_object(bed: ClusterBed, tmp_path: Path, item: bytes) -> None:
    """It costs itself, or at worst its listing."""
    with reached(bed, tmp_path) as provider:
        bed.troubles[:] = [
            Trouble(body=b'{"apiVersion":"v1","kind":"PodList","items":[' + item + b',{"metadata":{"name":"web"}}]}', resource="pods")
        ]
        try:
            found = items(provider.call(Request("v1", "pods", "global")))
        except CallFailedError as failure:
            assert failure.reason is Reason.MALFORMED
        else:
            assert found[0] is None or isinstance(found[0], dict)
            assert found[1] == {"metadata": {"name": "web"}}


# ---- namespaces ----------------------------------------------------------------------------------------------------------


def _spread() -> ClusterBed:
    return ClusterBed(
        cluster(
            *(pod(f"{namespace}-{n}", namespace) for namespace in ("bank", "kube-system", "shop") for n in range(2)),
            thing("Node", "n1"),
            crd("widgets", "Widget", "v1"),
            thing("Widget", "w", "shop", api="example.com/v1"),
        )
    )


@pytest.fixture(scope="module")
def spread() -> Iterator[ClusterBed]:
    with _spread() as bed:
        yield bed


def test_all_namespaces_are_one_listing(spread: ClusterBed, tmp_path: Path) -> None:
    spread.requests.clear()
    with reached(spread, tmp_path) as provider:
        (answer,) = pages(provider, "v1", "pods")
        assert answer.left_out is None
        assert [item["inSystemNamespace"] for item in items(answer)] == [False, False, True, True, False, False]
        (answer,) = pages(provider, "v1", "namespaces")
        assert {item["metadata"]["name"]: item["inSystemNamespace"] for item in items(answer)} == {
            "bank": False, "kube-system": True, "shop": False,
        }  # fmt: skip
        assert asked(spread) == ["/api/v1/pods?limit=500", "/api/v1/namespaces?limit=500"]


def test_only_some_namespaces(spread: ClusterBed, tmp_path: Path) -> None:
    spread.requests.clear()
    with reached(spread, tmp_path, {"namespaces": ("shop", "bank")}) as provider:
        assert provider.targets[0].scope == {"namespaces": ["bank", "shop"]}
        found = pages(provider, "v1", "pods")
        assert names(found) == ["shop-0", "shop-1", "bank-0", "bank-1"]
        assert [answer.left_out for answer in found] == [None, Reason.EXCLUDED]
        assert found[-1].left_out_count == 2  # kube-system's
        assert names(pages(provider, "example.com/v1", "widgets")) == ["w"]
        assert [(names([answer]), answer.left_out) for answer in pages(provider, "v1", "namespaces")] == [
            (["bank", "shop"], Reason.EXCLUDED)
        ]
        assert [(names([answer]), answer.left_out) for answer in pages(provider, "v1", "nodes")] == [(["n1"], None)]
        assert asked(spread) == [
            "/api/v1/namespaces/shop/pods?limit=500",
            "/api/v1/namespaces/bank/pods?limit=500",
            "/api/v1/pods?limit=1",  # how many were left out
            "/apis/example.com/v1/namespaces/shop/widgets?limit=500",
            "/apis/example.com/v1/namespaces/bank/widgets?limit=500",
            "/apis/example.com/v1/widgets?limit=1",
            "/api/v1/namespaces?limit=500",
            "/api/v1/nodes?limit=500",
        ]


def test_all_but_some_namespaces(spread: ClusterBed, tmp_path: Path) -> None:
    spread.requests.clear()
    with reached(spread, tmp_path, {"excluded_namespaces": ("shop", "kube-system")}) as provider:
        assert provider.targets[0].scope == {"excluded_namespaces": ["kube-system", "shop"]}
        (answer,) = pages(provider, "v1", "pods")
        assert names([answer]) == ["bank-0", "bank-1"]
        assert answer.left_out is Reason.EXCLUDED
        (answer,) = pages(provider, "v1", "pods", fieldSelector="status.phase=Running")
        assert names([answer]) == ["bank-0", "bank-1"]
        (answer,) = pages(provider, "v1", "namespaces")
        assert (names([answer]), answer.left_out) == (["bank"], Reason.EXCLUDED)
        assert [(each.known["metadata"]["name"], each.count) for each in answer.left_out_where] == [("shop", 1), ("kube-system", 1)]
        (answer,) = pages(provider, "v1", "nodes")
        assert (names([answer]), answer.left_out) == (["n1"], None)
        assert asked(spread) == [
            "/api/v1/pods?limit=500&fieldSelector=metadata.namespace!=shop,metadata.namespace!=kube-system",
            "/api/v1/pods?limit=1",
            "/api/v1/namespaces/shop/pods?limit=1",
            "/api/v1/namespaces/kube-system/pods?limit=1",
            "/api/v1/pods?limit=500&fieldSelector=status.phase=Running,metadata.namespace!=shop,metadata.namespace!=kube-system",
            "/api/v1/namespaces?limit=500",
            "/api/v1/nodes?limit=500",
        ]


def test_one_namespace_that_may_not_be_read_costs_itself(tmp_path: Path) -> None:
    """Whoever has rights in some namespaces only sees these."""
    rights = Rights((("list", "", "pods", "shop"), ("list", "", "pods", "bank")))
    with guarded_bed(_spread().cluster, {TOKEN: rights}) as bed:
        with reached(bed, tmp_path, {"namespaces": ("kube-system", "shop", "bank")}, token=TOKEN) as provider:
            found = pages(provider, "v1", "pods")
            assert names(found) == ["shop-0", "shop-1", "bank-0", "bank-1"]
            assert [(answer.left_out, answer.note) for answer in found] == [(Reason.DENIED, "Forbidden"), (None, ""), (Reason.EXCLUDED, "")]
        with reached(bed, tmp_path, token=TOKEN) as provider:
            assert fails(provider, "v1", "pods").reason is Reason.DENIED


def test_pages_go_on_in_each_namespace(many: ClusterBed, tmp_path: Path) -> None:
    with reached(many, tmp_path, {"namespaces": ("shop", "empty", "also-empty")}) as provider:
        found = pages(provider, "v1", "pods")
        assert [len(items(answer)) for answer in found] == [500, 500, 203, 0, 0]
        assert names(found) == ALL


def test_a_namespace_with_an_odd_name_stays_in_its_place(spread: ClusterBed, tmp_path: Path) -> None:
    with reached(spread, tmp_path, {"namespaces": ("../nodes?x=",)}) as provider:
        spread.requests.clear()
        spread.troubles[:] = [Trouble(403)]
        fails(provider, "v1", "pods")
        spread.troubles[:] = []
        # as the server reads ..%2Fnodes%3Fx%3D
        assert [seen.path for seen in spread.requests if "/v1/n" in seen.path] == ["/api/v1/namespaces/../nodes?x=/pods"]


def test_a_persons_own_system_namespaces(spread: ClusterBed, tmp_path: Path) -> None:
    with reached(spread, tmp_path, {"system_namespaces": ("bank",)}) as provider:
        assert provider.targets[0].scope == {"system_namespaces": ["bank"]}
        (answer,) = pages(provider, "v1", "pods")
        assert {item["metadata"]["namespace"] for item in items(answer) if item["inSystemNamespace"]} == {"bank", "kube-system"}


# ---- what is not read ----------------------------------------------------------------------------------------------------


def secretive() -> ClusterBed:
    secret = thing("Secret", "password", "shop", type="Opaque", data={"password": "aHVudGVyMg=="})
    return ClusterBed(cluster(secret, thing("Node", "n1")))


def test_metadata_only_is_asked_of_the_server(tmp_path: Path) -> None:
    with secretive() as bed, reached(bed, tmp_path) as provider:
        (answer,) = pages(provider, "v1", "secrets", metadata_only=True)
        assert names([answer]) == ["password"]
        assert "data" not in items(answer)[0]
        assert asked(bed) == ["/api/v1/secrets?limit=500"]  # metadata_only is no parameter of the server's


@pytest.mark.parametrize(
    ("call", "more"), [("secrets", {}), ("secrets", {"metadata_only": "yes"}), ("*", {}), ("namespaces/secrets", {"name": "shop"})]
)
def test_nothing_is_asked_whose_answer_holds_what_secrets_say(call: str, more: dict[str, Any], tmp_path: Path) -> None:
    with secretive() as bed, reached(bed, tmp_path) as provider:
        failure = fails(provider, "v1", call, **more)
        assert (failure.reason, failure.code, failure.retry) == (Reason.COLLECTOR_BUG, "HandsOutSecrets", False)
        assert [path for path in asked(bed) if "secrets" in path] == []


def test_whole_objects_in_place_of_metadata_are_refused(tmp_path: Path) -> None:
    with secretive() as bed, reached(bed, tmp_path) as provider:
        whole = json.dumps(
            {"kind": "SecretList", "metadata": {}, "items": [{"metadata": {"name": "password"}, "data": {"p": "aHVudGVyMg=="}}]}
        )
        bed.troubles[:] = [Trouble(body=whole.encode(), resource="secrets")]
        failure = fails(provider, "v1", "secrets", metadata_only=True)
        assert (failure.reason, failure.code) == (Reason.UNSUPPORTED, "NoPartialMetadata")
        assert "aHVudGVyMg" not in f"{failure}{failure.message}"


def test_copies_of_whole_objects_in_annotations_are_emptied(tmp_path: Path) -> None:
    """`kubectl apply` writes everything that it was given into an annotation."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": '{"data": {"password": "hunter2"}}', "owner": "shop"}
    with ClusterBed(cluster(pod("web", metadata={"annotations": annotations}))) as bed, reached(bed, tmp_path) as provider:
        (answer,) = pages(provider, "v1", "pods")
        assert items(answer)[0]["metadata"]["annotations"] == {**dict.fromkeys(annotations, ""), "owner": "shop"}


def test_what_stands_beneath_one_object(tmp_path: Path) -> None:
    made = cluster(thing("Node", "n1"), thing("Node", "n2"))
    made.raw("/api/v1/nodes/n1/proxy/configz", {"kubeletconfig": {"readOnlyPort": 0}})
    with ClusterBed(made) as bed, reached(bed, tmp_path) as provider:
        asking = Request("v1", "nodes/proxy/configz", "global", {"name": "n1"})
        assert provider.call(asking).data == {"kubeletconfig": {"readOnlyPort": 0}}
        # a node without a kubelet's answer is not one that has no configuration
        for name in ("n2", "n3"):
            failure = fails(provider, "v1", "nodes/proxy/configz", name=name)
            assert (failure.reason, failure.code) == (Reason.UNSUPPORTED, "NotFound")
            assert not provider.matches(failure, ())
            assert provider.matches(failure, ("NotFound",))


def test_nothing_is_written(tmp_path: Path) -> None:
    """Whatever is called, the server sees GET, and POST of the one question."""
    made = cluster(pod("web"), *constraints(), thing("Node", "n1"))
    with ClusterBed(made) as bed, reached(bed, tmp_path) as provider:
        for client, call, more in (
            ("v1", "pods", {}),
            ("v1", "secrets", {"metadata_only": True}),
            ("constraints.gatekeeper.sh/v1beta1", "*", {}),
            ("v1", "nodes/proxy/configz", {"name": "n1"}),
        ):
            try:
                pages(provider, client, call, **more)
            except CallFailedError:
                assert call == "nodes/proxy/configz"
        provider.read("cluster", Request("v1", "<cluster>", "global"))
        provider.read("api_resources", Request("v1", "<api_resources>", "global"))
        assert bed.writes == []
        assert {(seen.method, seen.path) for seen in bed.requests if seen.method != "GET"} == {
            ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews")
        }


def test_many_threads_share_discovery_and_connections(bed: ClusterBed, tmp_path: Path) -> None:
    with reached(bed, tmp_path, {"connections": 4}) as provider, ThreadPoolExecutor(8) as threads:
        start = threading.Barrier(8)

        def ask(_: int) -> list[str]:
            start.wait()
            return names(pages(provider, "v1", "pods"))

        assert list(threads.map(ask, range(8))) == [["db", "web"]] * 8
        assert [seen.path for seen in bed.requests].count("/apis") == 1


def test_the_address_and_the_token_are_in_no_error(tmp_path: Path) -> None:
    """What a failure says in its text is its reason and code."""
    with guarded_bed(cluster(), {TOKEN: Rights(())}) as bed, reached(bed, tmp_path, token=TOKEN) as provider:
        failure = fails(provider, "v1", "pods")
        assert re.fullmatch(r"denied: Forbidden", str(failure))
