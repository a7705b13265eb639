"""Nobody is signed in: each way in which that happens to the real client is told as what, where, and what to do about just that."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from cnamm_scan import api
from cnamm_scan.cli.main import run
from cnamm_scan.demo.azure.bed.server import AzureBed, Trouble
from cnamm_scan.demo.certificate import certificate
from cnamm_scan.errors import CnammError, CredentialsError, UsageError
from cnamm_scan.providers.azure.clouds import cloud_of, url_problem
from cnamm_scan.providers.azure.unsigned import CHAIN, no_credentials
from tests.azures import environment, reached, tenant
from tests.clusters import QUICK

Environ = Mapping[str, str | None]
TOKEN = r"/token$|/token\?"
OIDC = "openid-configuration"
NOBODY: Environ = dict.fromkeys(("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"))
SHAPES = re.compile(r"\{'|\('|Error\(|HTTPSConnection|line 1 column|has no attribute|\[Errno|_ssl\.c|None\b")
"""How Python prints what it holds: no person is told so."""


def refused(patch: pytest.MonkeyPatch, *troubles: Trouble, environ: Environ | None = None, **how: Any) -> CnammError:
    """What is said at a bed that is in trouble, to who signs in with these variables."""
    with AzureBed(tenant(), troubles=troubles) as bed, environment(bed):
        for name, value in (environ or {}).items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        said = {**bed.options(), "call_timeout": 1.0, **how}
        with pytest.raises(CnammError) as caught:
            api.scan(["azure"], options=api.TargetOptions(**said), limits=QUICK)
        told = str(caught.value).replace(bed.url, "AUTHORITY")
        assert caught.value.where
        assert caught.value.do
        assert not SHAPES.search(told), told
        assert bed.secret not in told
    caught.value.what = caught.value.what.replace(bed.url, "AUTHORITY")
    return caught.value


@pytest.mark.parametrize(
    ("trouble", "what", "do"),
    [
        (Trouble(body=b"", path=TOKEN), "what AUTHORITY answers is not of Microsoft Entra", "--authority"),
        (Trouble(body=b"<html>sign in</html>", path=TOKEN), "what AUTHORITY answers is not of Microsoft Entra", "--authority"),
        (Trouble(body=b"[]", path=TOKEN), "what AUTHORITY answers is not of Microsoft Entra", "proxy"),
        (Trouble(body=b"{}", path=TOKEN), "what AUTHORITY answers is not of Microsoft Entra", "AZURE_AUTHORITY_HOST"),
        (Trouble(body=b"{}", path=OIDC), "what AUTHORITY answers is not of Microsoft Entra", "--authority"),
        (Trouble(404, path=OIDC), "what AUTHORITY answers is not of Microsoft Entra", "--authority"),
        (Trouble(404, body=b"", path=TOKEN), "what AUTHORITY answers is not of Microsoft Entra", "--authority"),
        (Trouble(429, path=TOKEN), "AUTHORITY asks to wait: throttled", "try again in a minute"),
        (Trouble(429, body=b"", path=TOKEN), "AUTHORITY asks to wait: throttled", "try again in a minute"),
        (Trouble(500, path=TOKEN), "AUTHORITY answers with 500", "try again later"),
        (Trouble(hang_up=True, path=TOKEN), "the connection to AUTHORITY broke", "check the network"),
        (Trouble(cut=True, path=TOKEN), "the connection to AUTHORITY broke", "check the network"),
        (Trouble(delay=3.0, path=TOKEN), "does not answer in time", "--call-timeout"),
    ],
)
def test_an_authority_that_does_not_answer_as_one_is_told_so(trouble: Trouble, what: str, do: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, trouble)
    assert what in told.what
    assert do in told.do
    assert "az login" not in told.do, "signing in again would change nothing"


@pytest.mark.parametrize(
    ("how", "environ", "what", "do"),
    [
        ({}, {"AZURE_CLIENT_SECRET": "wrong"}, "AADSTS7000215: Invalid client secret provided", "set AZURE_CLIENT_SECRET"),
        ({"ca_bundle": None}, {}, "the certificate of AUTHORITY cannot be trusted (self-signed certificate)", "--ca-bundle FILE"),
        ({"authority": "https://127.0.0.1:9"}, {}, "no connection to 127.0.0.1:9 (connection refused)", "--authority"),
        ({}, {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}, "the proxy does not answer", "HTTPS_PROXY, and NO_PROXY"),
        ({}, {"HTTPS_PROXY": "127.0.0.1:9", "NO_PROXY": ""}, "the proxy does not answer", "HTTPS_PROXY"),
        ({}, {"AZURE_REGIONAL_AUTHORITY_NAME": "a b"}, "azure_region", "AZURE_REGIONAL_AUTHORITY_NAME"),
    ],
)
def test_what_stands_in_the_way_of_signing_in_is_named_with_its_remedy(
    how: dict[str, Any], environ: Environ, what: str, do: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = refused(monkeypatch, environ=environ, **how)
    assert isinstance(told, CredentialsError)
    assert what in told.what
    assert do in told.do


@pytest.mark.parametrize(
    ("environ", "what", "do"),
    [
        (
            {"AZURE_CLIENT_SECRET": None},
            "AZURE_TENANT_ID and AZURE_CLIENT_ID are set, and AZURE_CLIENT_SECRET is not",
            "set AZURE_CLIENT_SECRET",
        ),
        ({"AZURE_TENANT_ID": None}, "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are set, and AZURE_TENANT_ID is not", "set AZURE_TENANT_ID"),
        (
            {"AZURE_CLIENT_ID": None, "AZURE_CLIENT_SECRET": None},
            "AZURE_TENANT_ID is set, and AZURE_CLIENT_ID and AZURE_CLIENT_SECRET are not",
            "set AZURE_CLIENT_ID and AZURE_CLIENT_SECRET (or AZURE_CLIENT_CERTIFICATE_PATH)",
        ),
        (NOBODY, "the environment names no application", "AZURE_TOKEN_CREDENTIALS lets nothing else be tried than EnvironmentCredential"),
        ({"AZURE_TOKEN_CREDENTIALS": "AzureCliCredential", "PATH": "/nowhere"}, "Azure CLI not found", "sign in with az login"),
        ({"AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential", "AZURE_FEDERATED_TOKEN_FILE": "/gone"}, "No such file", "TOKEN_FILE"),
    ],
)
def test_an_application_that_is_half_named_is_told_what_is_missing(
    environ: Environ, what: str, do: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = refused(monkeypatch, environ=environ)
    assert what in told.what
    assert do in told.do


def test_who_never_signed_in_is_told_how_and_nothing_of_tools_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = {**NOBODY, "AZURE_TOKEN_CREDENTIALS": None, "PATH": str(tmp_path), "HOME": str(tmp_path), "NO_PROXY": "*"}
    told = refused(monkeypatch, environ={**nobody, "AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:9"})
    assert told.what == "no usable Azure credentials"
    assert told.where.startswith("azure; tried EnvironmentCredential, WorkloadIdentityCredential, ManagedIdentityCredential")
    assert all(word in told.do for word in ("az login", "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "az account list"))


def test_words_that_nobody_foresaw_are_told_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NOBODY, "AZURE_TOKEN_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    said = "Attempted credentials:\n\tAzureCliCredential: AADSTS700082: the refresh token has expired. Trace ID: 1\n"
    told = no_credentials("azure:x", said, "https://login.example", 400)
    assert told.what == "no usable Azure credentials (AzureCliCredential: AADSTS700082: the refresh token has expired)"
    assert told.do.startswith("sign in again: az login")
    said = "\tAzureDeveloperCliCredential: AADSTS7000215: Expecting value, timed out. {'a': 1}"
    told = no_credentials("azure", said, "https://login.example", 429)
    assert "login.example" not in told.what, "a tool asks whom it asks"
    assert told.do == "sign in again: azd auth login"
    why = "Failed to resolve 'login.x' ([Errno -2] Name or service not known)"
    said = f"\tEnvironmentCredential: failed: HTTPSConnection(host='login.x', port=443): {why}"
    told = no_credentials("azure", said, "https://login.x")
    assert told.what == "no usable Azure credentials (EnvironmentCredential: no connection to login.x:443 (no such name))"
    assert "AZURE_AUTHORITY_HOST" in told.do
    told = no_credentials("azure", "x failed: {'code': 'Odd', 'message': 'how odd'}", "https://login.example")
    assert told.what == "no usable Azure credentials (x failed: Odd: how odd)"
    assert told.where == f"azure; tried {CHAIN}"
    for shape in ("('abc')", "('abc', OSError('x'))", "('abc'", "{'error': 'abc'}", "{" * 500 + "}"):
        assert no_credentials("azure", f"failed: {shape}", "https://login.example").what.startswith("no usable Azure credentials (failed: ")
    assert "(failed: abc)" in no_credentials("azure", "failed: ('abc')", "https://login.example").what


# ---- variables that cannot be meant --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "where", "what"),
    [
        ({"AZURE_TOKEN_CREDENTIALS": "Nope"}, "AZURE_TOKEN_CREDENTIALS", "'Nope' is no kind of credential"),
        ({"AZURE_TENANT_ID": "a b"}, "AZURE_TENANT_ID", "'a b' is no tenant"),
        ({"AZURE_CLIENT_ID": ""}, "AZURE_CLIENT_ID", "AZURE_CLIENT_ID is set, and empty"),
        ({"AZURE_TENANT_ID": ""}, "AZURE_TENANT_ID", "AZURE_TENANT_ID is set, and empty"),
        ({"HTTPS_PROXY": "nonsense://x", "NO_PROXY": ""}, "HTTPS_PROXY", "none that speaks http"),
        ({"HTTPS_PROXY": "http://[x", "NO_PROXY": ""}, "HTTPS_PROXY", "none that speaks http"),
        ({"HTTPS_PROXY": "http://x:port", "NO_PROXY": ""}, "HTTPS_PROXY", "none that speaks http"),
    ],
)
def test_a_variable_that_cannot_be_meant_is_named(environ: Environ, where: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told = refused(monkeypatch, environ=environ)
    assert isinstance(told, UsageError)
    assert told.where == where
    assert what in told.what


def test_a_certificate_that_signs_nobody_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(file: Path, **more: str) -> CnammError:
        return refused(monkeypatch, environ={"AZURE_CLIENT_SECRET": None, "AZURE_CLIENT_CERTIFICATE_PATH": str(file), **more})

    alone, key = certificate(tmp_path, "someone")
    (tmp_path / "junk.pem").write_text("junk")
    for file in (tmp_path / "gone.pem", tmp_path, tmp_path / "junk.pem", alone):
        said = told(file)
        assert said.where == f"AZURE_CLIENT_CERTIFICATE_PATH={file}", "not the file of --ca-bundle"
        assert said.what.startswith("no usable certificate: ")
    (tmp_path / "locked.pem").write_bytes(_locked(key, b"open") + alone.read_bytes())
    for more in ({}, {"AZURE_CLIENT_CERTIFICATE_PASSWORD": "wrong"}):
        said = told(tmp_path / "locked.pem", **more)
        assert said.where == "AZURE_CLIENT_CERTIFICATE_PASSWORD"
        assert "is not opened by this password" in said.what


def _locked(key: Path, password: bytes) -> bytes:
    from cryptography.hazmat.primitives import serialization as form

    made = form.load_pem_private_key(key.read_bytes(), None)
    return made.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.BestAvailableEncryption(password))


# ---- whose certificates are trusted --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda file: None, "no such file"),
        (lambda file: file.mkdir(), "is a folder"),
        (lambda file: file.write_bytes(b""), "holds no certificate"),
        (lambda file: file.write_text("junk"), "holds no certificate"),
        (lambda file: file.write_bytes(_der(file)), "holds no certificate"),
        (lambda file: file.symlink_to(file), "cannot be read"),
    ],
)
def test_a_file_that_can_be_trusted_for_nothing_is_said_before_anything_is_asked(
    spoil: Callable[[Path], object], what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "trust.pem"
    spoil(file)
    for how, environ, where in (
        ({"ca_bundle": str(file)}, {}, f"--ca-bundle {file}"),
        ({"ca_bundle": None}, {"REQUESTS_CA_BUNDLE": str(file)}, f"REQUESTS_CA_BUNDLE={file}"),
        ({"ca_bundle": None}, {"CURL_CA_BUNDLE": str(file)}, f"CURL_CA_BUNDLE={file}"),
    ):
        if file.is_dir() and environ:
            continue  # which is a way to say it
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        told = refused(monkeypatch, environ=environ, **how)
        assert isinstance(told, UsageError)
        assert what in told.what
        assert told.where == where
        assert told.do == "name a file of certificates in PEM"


def _der(file: Path) -> bytes:
    made, _ = certificate(file.parent, "der")
    return ssl.PEM_cert_to_DER_cert(made.read_text())


def test_a_folder_of_authorities_is_trusted_where_a_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with AzureBed(tenant()) as bed:
        (tmp_path / f"{_hash(bed.ca)}.0").write_bytes(bed.ca.read_bytes())
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
        with reached(bed, ca_bundle=None) as provider:
            assert len(provider.targets) == 2


def _hash(file: Path) -> str:
    """OpenSSL's name for a certificate in a folder: the first word of the SHA-1 of its subject, in one way of writing it."""
    import subprocess

    return subprocess.run(
        ["openssl", "x509", "-noout", "-subject_hash", "-in", str(file)], capture_output=True, text=True, check=True
    ).stdout.strip()


# ---- addresses -----------------------------------------------------------------------------------------------------------

ODD = st.text(alphabet="ab1.:/-_@%[]?#\\ *~\n\x00é☃xn", max_size=24)
URLS = st.one_of(
    ODD,
    ODD.map(lambda rest: f"https://{rest}"),
    st.builds("https://{}:{}{}".format, ODD, st.integers(-1, 70000), ODD),
    st.sampled_from(
        ["https:/x", "HTTPS://X", "https://[::1]:9", "https://[::1%lo]", "https://a..b", "https://" + "a" * 64, "localhost:60751"]
    ),
)


@given(URLS)
@example("localhost:60751")
@example("https://☃.invalid")
@example("https://host\\path")
@example("https://ex%61mple")
@example("https://" + ".".join(["a" * 63] * 4))
def test_every_spelling_of_an_address_is_refused_or_read_alike_by_all_that_go_there(url: str) -> None:
    """No traceback, whatever is written: and no library takes for a host what another takes for a path."""
    from cnamm_scan.providers.azure.wire import Direct

    if url_problem(url) is not None:
        return
    cloud = cloud_of(None, url, url, None)
    made = Direct(cloud.endpoint, verify=True, call_timeout=1.0, connections=1, count=lambda: None)
    with made:
        pool = made._pool
        prepared = requests.Request("GET", f"{cloud.authority}/tenant").prepare().url
        assert prepared is not None
        host = pool.host.strip("[]").lower()
        assert pool.scheme == "https"
        assert requests.utils.urlparse(prepared).hostname == host
        assert cloud.endpoint.lower().split("://")[1].lstrip("[").startswith(host)
        host.rstrip(".").encode("idna")  # as a socket does: raises for a label that is none


@pytest.mark.parametrize("option", ["--arm-endpoint", "--authority"])
@pytest.mark.parametrize(
    "url", ["127.0.0.1:9", "localhost:9", "https://127.0.0.1:9/path/", "HTTPS://127.0.0.1:9", "[::1]:9", "☃", "*", "."]
)
def test_a_command_line_with_an_odd_address_ends_in_three_parts(
    option: str, url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with AzureBed(tenant()) as bed, environment(bed):
        flags = {"--arm-endpoint": bed.url, "--authority": bed.url, "--ca-bundle": str(bed.ca), option: url}
        said = [f"{name}={value}" for name, value in flags.items()]
        assert run(["scan", "azure", "--call-timeout=1", f"--output={tmp_path}", *said]) in (1, 2)
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "at: " in told
    assert "do: " in told
    assert os.listdir(tmp_path) == []
