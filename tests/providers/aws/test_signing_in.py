"""Every way of signing in that botocore offers works with descriptions pruned to a plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cnamm_scan.demo.aws.bed.proxy import FaultProxy
from cnamm_scan.errors import ProviderError, UsageError
from cnamm_scan.providers.aws.provider import AwsProvider
from cnamm_scan.providers.aws.session import Options

PLAN = {"s3": frozenset({"ListBuckets"}), "sts": frozenset({"GetCallerIdentity"})}


def test_a_web_identity(fresh_moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tmp_path / "token"
    token.write_text("header.payload.signature")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pipeline")
    monkeypatch.setenv("AWS_ENDPOINT_URL", fresh_moto)
    provider = AwsProvider(Options(operations=PLAN))
    try:
        assert provider.target.identity.startswith("arn:aws:sts::123456789012:assumed-role/pipeline/")
    finally:
        provider.close()


def test_a_role_with_an_external_id(fresh_moto: str) -> None:
    with FaultProxy(fresh_moto) as proxy:
        role = "arn:aws:iam::123456789012:role/audit"
        provider = AwsProvider(Options(role_arn=role, external_id="42", endpoint_url=proxy.url, operations=PLAN))
        provider.close()
        assert [call.operation for call in proxy.calls] == ["AssumeRole", "GetCallerIdentity"]
    assert provider.target.identity.startswith("arn:aws:sts::123456789012:assumed-role/audit/")


def test_a_profile_that_names_a_role(fresh_moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile base]\naws_access_key_id = testing\naws_secret_access_key = testing\n"
        "[profile audit]\nrole_arn = arn:aws:iam::123456789012:role/audit\nsource_profile = base\nregion = eu-west-1\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ENDPOINT_URL", fresh_moto)
    provider = AwsProvider(Options(profile="audit", operations=PLAN))
    provider.close()
    assert provider.target.identity.startswith("arn:aws:sts::123456789012:assumed-role/audit/")


def test_credentials_of_a_process(fresh_moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"Version": 1, "AccessKeyId": "testing", "SecretAccessKey": "testing"})
    (tmp_path / "said.json").write_text(said)
    (tmp_path / "config").write_text(f"[profile tool]\ncredential_process = cat {tmp_path / 'said.json'}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    provider = AwsProvider(Options(profile="tool", endpoint_url=fresh_moto, operations=PLAN))
    provider.close()
    assert provider.target.id == "aws:123456789012"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"])
@pytest.mark.parametrize("url", ["notaurl", "not a url", "http://"])
def test_an_endpoint_of_the_environment_that_is_no_url(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    monkeypatch.setenv(name, url)
    with pytest.raises(ProviderError) as error:
        AwsProvider(Options(operations=PLAN))
    assert "AWS_ENDPOINT_URL" in error.value.do


def test_a_configuration_that_cannot_be_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[profile x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for profile, region in ((None, ""), ("x", ""), (None, "eu-west-1")):  # whether or not it has to be read for the region
        monkeypatch.setenv("AWS_DEFAULT_REGION", region) if region else monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        with pytest.raises(UsageError) as error:
            AwsProvider(Options(profile=profile, operations=PLAN))
        assert "config" in error.value.what
        assert error.value.do


def test_the_password_of_an_endpoint_is_in_no_error() -> None:
    with pytest.raises(ProviderError) as error:
        AwsProvider(Options(endpoint_url="http://user:hunter2@127.0.0.1:1", operations=PLAN))
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1:1" in error.value.where
