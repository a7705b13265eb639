"""Role trust by tokens: what binds which issuer, and what only looks so."""

from __future__ import annotations

from typing import Any

import pytest

from cnamm_scan.providers.aws.policies.documents import read
from cnamm_scan.providers.aws.policies.evaluate import reach
from cnamm_scan.providers.aws.policies.setting import Place, Setting
from cnamm_scan.providers.aws.policies.tokens import is_pipeline

Json = Any
ME = "111111111111"
GITHUB, GITLAB, TERRAFORM, BUILDKITE = "token.actions.githubusercontent.com", "gitlab.com", "app.terraform.io", "agent.buildkite.com"
EKS = "oidc.eks.eu-central-1.amazonaws.com/id/ABCDEF0123456789"
COGNITO, GOOGLE = "cognito-identity.amazonaws.com", "accounts.google.com"


def _tokens(host: str, condition: Json, *more: Json) -> str:
    provider = host if host in (COGNITO, GOOGLE, "graph.facebook.com", "www.amazon.com") else f"arn:aws:iam::{ME}:oidc-provider/{host}"
    written = {operator: {f"{host}:{claim}": value for claim, value in claims.items()} for operator, claims in condition.items()}
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": written}
    return reach(read({"Version": "2012-10-17", "Statement": [statement, *more]}), Setting(ME, place=Place.TRUST)).tokens


@pytest.mark.parametrize(
    ("host", "condition", "expected"),
    [
        (GITHUB, {}, "open"),
        (GITHUB, {"StringEquals": {"aud": "sts.amazonaws.com"}}, "open"),
        (GITHUB, {"StringEquals": {"sub": "repo:acme/shop:ref:refs/heads/main"}}, "bound"),
        (GITHUB, {"StringLike": {"sub": "repo:acme/*"}}, "bound"),
        (GITHUB, {"StringLike": {"sub": "repo:acme*"}}, "open"),
        (GITHUB, {"StringLike": {"sub": "repo:*/shop:*"}}, "open"),
        (GITHUB, {"StringLike": {"sub": "repo:?cme/shop:*"}}, "open"),
        (GITHUB, {"StringLike": {"sub": "r*"}}, "open"),
        (GITHUB, {"StringLike": {"sub": "*"}}, "open"),
        (GITHUB, {"StringLike": {"sub": "*:ref:refs/heads/main"}}, "open"),
        (GITHUB, {"StringLike": {"sub": ["repo:acme/shop:*", "repo:*"]}}, "open"),
        (GITHUB, {"StringNotEquals": {"sub": "repo:evil/x:*"}}, "open"),
        (GITHUB, {"StringNotLike": {"sub": "repo:evil/*"}}, "open"),
        (GITHUB, {"Null": {"sub": "false"}}, "open"),
        (GITHUB, {"ForAllValues:StringLike": {"sub": "repo:acme/*"}}, "open"),
        (GITHUB, {"StringLikeIfExists": {"sub": "repo:acme/*"}}, "open"),
        (GITHUB, {"ForAnyValue:StringLike": {"sub": "repo:acme/*"}}, "bound"),
        (GITHUB, {"StringEquals": {"sub": "repo:acme/*"}}, "nobody"),
        (GITHUB, {"StringLike": {"sub": "repo:acme@123456/shop@9:*"}}, "bound"),
        (GITHUB, {"StringLike": {"sub": "repo:*@123456/*"}}, "open"),
        (GITHUB, {"StringLike": {"sub": "repository_owner:acme:*"}}, "bound"),
        (GITHUB, {"StringLike": {"sub": "repository_owner:acme*"}}, "open"),
        (GITHUB, {"StringEquals": {"sub": "environment:production:repository_owner_id:1234"}}, "bound"),
        (GITHUB, {"StringEquals": {"sub": "environment:production"}}, "open"),
        (GITHUB, {"StringEquals": {"repository_owner_id": "1234"}}, "bound"),
        (GITHUB, {"StringLike": {"repository_owner_id": "1234*"}}, "open"),
        (GITHUB, {"StringLike": {"repository": "acme/*"}}, "bound"),
        (GITHUB, {"StringEquals": {"ref": "refs/heads/main"}}, "open"),
        (GITHUB, {"StringLike": {"job_workflow_ref": "acme/workflows/.github/workflows/x.yml@*"}}, "open"),
        (f"{GITHUB}/acme", {"StringEquals": {"aud": "sts.amazonaws.com"}}, "bound"),
        (GITLAB, {"StringLike": {"sub": "project_path:acme/*:ref_type:branch:ref:main"}}, "bound"),
        (GITLAB, {"StringLike": {"sub": "project_path:acme*"}}, "open"),
        (TERRAFORM, {"StringLike": {"sub": "organization:acme:*"}}, "bound"),
        (TERRAFORM, {"StringLike": {"sub": "organization:acme*"}}, "open"),
        (BUILDKITE, {"StringLike": {"sub": "organization:acme:pipeline:*"}}, "bound"),
        (BUILDKITE, {"StringLike": {"sub": "organization:*:pipeline:deploy:*"}}, "open"),
        ("oidc.circleci.com/org/0a1b", {}, "bound"),
        ("api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc", {}, "bound"),
        ("oidc.vercel.com", {"StringEquals": {"aud": "https://vercel.com/acme"}}, "bound"),
        ("oidc.vercel.com", {"StringLike": {"aud": "https://vercel.com/*"}}, "open"),
        (EKS, {}, "cluster"),
        (EKS, {"StringLike": {"sub": "system:serviceaccount:shop:*"}}, "bound"),
        (EKS, {"StringLike": {"sub": "system:serviceaccount:*:api"}}, "cluster"),
        (EKS, {"StringNotEquals": {"sub": "system:serviceaccount:kube-system:x"}}, "cluster"),
        (COGNITO, {"StringEquals": {"aud": "pool"}, "ForAnyValue:StringLike": {"amr": "authenticated"}}, "bound"),
        (COGNITO, {"StringEquals": {"aud": "pool"}, "ForAnyValue:StringLike": {"amr": "unauthenticated"}}, "open"),
        (COGNITO, {"StringEquals": {"aud": "pool"}}, "open"),
        (COGNITO, {"ForAnyValue:StringLike": {"amr": "authenticated"}}, "open"),
        (GOOGLE, {"StringEquals": {"aud": "1234"}}, "bound"),
        (GOOGLE, {"StringEquals": {"oaud": "1234"}}, "open"),
        (GOOGLE, {}, "open"),
        ("graph.facebook.com", {"StringEquals": {"app_id": "1"}}, "open"),
        ("id.acme.example", {"StringEquals": {"sub": "deployer"}}, "bound"),
        ("id.acme.example", {}, "unknown"),
        # a cluster that somebody runs himself, whose keys lie at any host
        ("acme-oidc.s3.eu-west-1.amazonaws.com", {"StringEquals": {"sub": "system:serviceaccount:shop:web"}}, "bound"),
        ("acme-oidc.s3.eu-west-1.amazonaws.com", {"StringLike": {"sub": "system:serviceaccount:shop:*"}}, "bound"),
        ("acme-oidc.s3.eu-west-1.amazonaws.com", {"StringLike": {"sub": "system:serviceaccount:*"}}, "cluster"),
        ("d111111abcdef8.cloudfront.net", {"StringLike": {"sub": ["deployer", "system:serviceaccount:*:web"]}}, "cluster"),
        ("id.acme.example", {"StringEquals": {"aud": "sts.amazonaws.com"}}, "unknown"),
        ("gitlab.acme.example", {"StringEquals": {"aud": "sts.amazonaws.com"}}, "unknown"),
        (
            "gitlab.acme.example",
            {"StringEquals": {"aud": "sts.amazonaws.com", "sub": "project_path:web/shop:ref_type:branch:ref:main"}},
            "bound",
        ),
        ("github.acme.example/_services/token", {"StringEquals": {"aud": "sts.amazonaws.com"}}, "unknown"),
        ("id.acme.example", {"StringLike": {"sub": "*"}}, "unknown"),
    ],
)
def test_whose_tokens_are_taken(host: str, condition: Json, expected: str) -> None:
    assert _tokens(host, condition) == expected


def test_a_denial_binds_as_well() -> None:
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringNotLike": {f"{GITHUB}:sub": "repo:acme/*"}},
    }
    assert _tokens(GITHUB, {}, deny) == "bound"


def test_the_name_of_a_host_is_compared_without_case() -> None:
    assert _tokens(EKS.upper().replace("OIDC.EKS.EU-CENTRAL-1.AMAZONAWS.COM/ID", "oidc.eks.eu-central-1.amazonaws.com/id"), {}) == "cluster"


def test_pipelines_are_known_by_their_issuer() -> None:
    assert is_pipeline(f"arn:aws:iam::{ME}:oidc-provider/{GITHUB}")
    assert is_pipeline(f"arn:aws:iam::{ME}:oidc-provider/gitlab.acme.example")
    assert not is_pipeline(f"arn:aws:iam::{ME}:oidc-provider/{EKS}")
    assert not is_pipeline(f"arn:aws:iam::{ME}:saml-provider/github")
