"""Identity providers: which of them serve one organisation and which serve everybody, and by which claim a shared one is bound.

Web identity: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc.html; the shared issuers and the claims that IAM
asks for:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html; keys:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cnamm_scan.providers.aws.policies.callers import Caller, Kind
from cnamm_scan.providers.aws.policies.conditions import EITHER, FALSE, MISSING, TRUE, Domain, Free, Test
from cnamm_scan.providers.aws.policies.patterns import is_wild, literal_prefix, tidy

END = "\0"
"""Stands behind a value without wildcards, so that a shape can ask for the end of a name."""
_WHOLE = re.compile(END)
OWN, STRANGER, CLUSTER, GUEST = "own", "stranger", "cluster", "guest"
"""Whose token it is: one that the tests are meant for, of another customer of the same issuer, of another pod, of somebody not signed
in."""


def _shape(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _head(word: str) -> re.Pattern[str]:
    """`word:NAME` with the name's end in sight."""
    return _shape(rf"^{word}:[^:{END}]+[:{END}]")


@dataclass(frozen=True)
class Issuer:
    """Who issues tokens, and for whom.

    `binds` says by claim which shape of a value fixes the customer: the shape is looked for in the part before the first wildcard, since a
    star may run over everything that follows. A claim that is not in it is the caller's own choice. An issuer without `shared` serves one
    customer by its URL alone.
    """

    name: str
    host: re.Pattern[str]
    shared: bool = False
    cluster: bool = False
    code: bool = False
    """Whether it speaks for pipelines and repositories."""
    binds: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    listed: bool = True

    def fixes(self, claim: str, value: str) -> bool:
        """Whether the value binds the token to one customer (of a cluster: to one namespace)."""
        shape = self.binds.get(claim)
        return shape is not None and shape.search(literal_prefix(value) + ("" if is_wild(value) else END)) is not None


_GITHUB_SUBJECT = _shape(
    rf"^repo:[^/@:{END}]+[/@]|(^|:)repository:[^/:{END}]+/"
    rf"|(^|:)(repository_id|repository_owner|repository_owner_id|enterprise|enterprise_id):[^:{END}]+[:{END}]"
)
_OWNER_AND_NAME = _shape(rf"^[^/{END}]+/")
_TENANT_IN_URL = (
    r"oidc\.circleci\.com/org/[^/]+|api\.bitbucket\.org/2\.0/workspaces/[^/]+/.*|[^/.]+\.app(\.[a-z]+)?\.spacelift\.io|vstoken\.dev\.azure\.com/[^/]+"
    r"|login\.microsoftonline\.com/(?!common|organizations|consumers)[^/]+(/.*)?|sts\.windows\.net/[^/]+/?|oidc\.vercel\.com/[^/]+"
    r"|token\.actions\.githubusercontent\.com/[^/]+|cognito-idp\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/[^/]+|[^/.]+\.(okta|oktapreview|auth0|eu\.auth0|us\.auth0)\.com(/.*)?"
)
_CLUSTER_IN_URL = (
    r"oidc\.eks(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws)/id/.*|container\.googleapis\.com/v1/projects/.*"
    r"|[^/]*\.oic\.prod-aks\.azure\.com/.*"
)
_CLUSTER = Issuer(
    "Kubernetes cluster",
    _shape(_CLUSTER_IN_URL),
    cluster=True,
    # https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
    binds={"sub": _shape(rf"^system:serviceaccount:[^:{END}]+:")},
)
ISSUERS: tuple[Issuer, ...] = (
    Issuer(
        "GitHub Actions",
        _shape(r"token\.actions\.githubusercontent\.com"),
        shared=True,
        code=True,
        # https://docs.github.com/en/actions/reference/security/oidc
        binds={
            "sub": _GITHUB_SUBJECT,
            "repository": _OWNER_AND_NAME,
            **dict.fromkeys(("repository_id", "repository_owner", "repository_owner_id", "enterprise", "enterprise_id"), _WHOLE),
        },
    ),
    Issuer(
        "GitLab",
        _shape(r"gitlab\.com"),
        shared=True,
        code=True,
        # https://docs.gitlab.com/ci/secrets/id_token_authentication/
        binds={
            "sub": _shape(rf"^project_path:[^/:{END}]+/"),
            "project_path": _OWNER_AND_NAME,
            "namespace_path": _WHOLE,
            "namespace_id": _WHOLE,
            "project_id": _WHOLE,
        },
    ),
    Issuer(
        "HCP Terraform",
        _shape(r"app(\.eu)?\.terraform\.io"),
        shared=True,
        code=True,
        # https://developer.hashicorp.com/terraform/cloud-docs/workspaces/dynamic-provider-credentials/workload-identity-tokens
        binds={
            "sub": _head("organization"),
            **dict.fromkeys(
                ("terraform_organization_id", "terraform_organization_name", "terraform_workspace_id", "terraform_project_id"), _WHOLE
            ),
        },
    ),
    Issuer(
        "Buildkite",
        _shape(r"agent\.buildkite\.com"),
        shared=True,
        code=True,
        # https://buildkite.com/docs/agent/v3/cli-oidc
        binds={"sub": _head("organization"), "organization_id": _WHOLE, "pipeline_id": _WHOLE},
    ),
    Issuer(
        "Vercel",
        _shape(r"oidc\.vercel\.com"),
        shared=True,
        code=True,
        # https://vercel.com/docs/oidc/reference
        binds={"sub": _head("owner"), "aud": _WHOLE, "owner_id": _WHOLE, "project_id": _WHOLE},
    ),
    Issuer(
        "Pulumi Cloud",
        _shape(r"api\.pulumi\.com/oidc"),
        shared=True,
        code=True,
        # https://www.pulumi.com/docs/administration/access-identity/oidc-client/
        binds={"sub": _head("pulumi:(?:deploy|environments|insights):(?:pulumi\\.)?org(?:anization\\.login)?"), "aud": _WHOLE},
    ),
    Issuer("Codefresh", _shape(r"oidc\.codefresh\.io"), shared=True, code=True, binds={"sub": _head("account"), "account_id": _WHOLE}),
    Issuer("Scalr", _shape(r"scalr\.io"), shared=True, code=True, binds={"sub": _head("account"), "aud": _WHOLE}),
    Issuer("Upbound", _shape(r"proidc\.upbound\.io"), shared=True, code=True, binds={"sub": _shape(rf"^mcp:[^/:{END}]+/"), "aud": _WHOLE}),
    Issuer(
        "Microsoft Entra, any tenant",
        _shape(r"login\.microsoftonline\.com/(common|organizations|consumers)(/.*)?"),
        shared=True,
        binds={"tid": _WHOLE, "oid": _WHOLE},
    ),
    Issuer(
        "Google",
        _shape(r"accounts\.google\.com"),
        shared=True,
        # `aud` is what the token calls azp; the audience that the caller chose is `oaud`
        binds=dict.fromkeys(("aud", "sub", "email", "hd"), _WHOLE),
    ),
    Issuer("Login with Amazon", _shape(r"www\.amazon\.com"), shared=True, binds={"user_id": _WHOLE, "sub": _WHOLE}),
    Issuer("Facebook", _shape(r"graph\.facebook\.com"), shared=True, binds={"id": _WHOLE, "sub": _WHOLE}),
    Issuer(
        "Amazon Cognito identity pools",
        _shape(r"cognito-identity(-us-gov)?\.amazonaws\.com(\.cn)?"),
        shared=True,
        # https://docs.aws.amazon.com/cognito/latest/developerguide/role-trust-and-permissions.html
        binds={"aud": _WHOLE, "sub": _WHOLE},
    ),
    _CLUSTER,
    Issuer("an issuer of one customer", _shape(_TENANT_IN_URL), code=False),
)
"""Known issuers; the first whose host fits counts."""
_UNLISTED = Issuer("an issuer that is not listed", _shape(".*"), shared=True, listed=False, binds={"sub": _shape(rf"[^{END}]")})
"""Its audience binds nothing: at code hosts whoever asks for a token chooses it."""
_CODE_HOSTS = re.compile(
    r"(github|gitlab|bitbucket|terraform|spacelift|circleci|buildkite|dev\.azure|vstoken|pulumi|codefresh|scalr|vercel|jenkins|teamcity|harness)"
)


def host_of(provider: str) -> str:
    """The issuer's host and path, in lower case: the end of a provider's ARN, or the name that stands there alone."""
    return provider.partition(":oidc-provider/")[2].lower() or provider.lower()


def is_saml(provider: str) -> bool:
    """Whether it is a SAML provider of the account."""
    return ":saml-provider/" in provider


def issuer_of(provider: str) -> Issuer:
    """Who issues the tokens of this provider; of an unlisted one nothing is taken for granted."""
    host = host_of(provider)
    return next((each for each in ISSUERS if each.host.fullmatch(host)), _UNLISTED)


def _issuer_asked(provider: str, tests: tuple[Test, ...]) -> Issuer:
    """The same, where the subjects that are asked for tell more: a cluster that somebody runs himself has an issuer at any host."""
    issuer, subject = issuer_of(provider), f"{host_of(provider)}:sub"
    asked = (value for test in tests if test.key == subject for value in test.values)
    return _CLUSTER if not issuer.listed and any(literal_prefix(value).startswith("system:") for value in asked) else issuer


def is_pipeline(provider: str) -> bool:
    """Whether it is the issuer of a code host or a pipeline service."""
    return not is_saml(provider) and (issuer_of(provider).code or _CODE_HOSTS.search(host_of(provider)) is not None)


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim in a token of another customer of the issuer (of a cluster: of another namespace)."""

    issuer: Issuer
    name: str

    def judge(self, test: Test, value: str) -> int:
        """What binds the customer shuts him out; all else he may bring himself."""
        if test.how == "like" and tidy(value) == "*":
            return TRUE
        if test.how != "like" and is_wild(value):
            return FALSE  # a star is a sign there, and in no claim
        return FALSE if self.issuer.fixes(self.name, value) else EITHER


@dataclass(frozen=True, slots=True)
class SignedIn:
    """How somebody was known who did sign in."""

    def judge(self, test: Test, value: str) -> int:
        """Anything but unauthenticated."""
        return FALSE if value == "unauthenticated" else Free(signs=False).judge(test, value)


_OWN_CLAIM = Domain(rest=Free(signs=False))
_OWN_MAYBE = Domain(rest=Free(signs=False), may_lack=True)
_ALWAYS_THERE = ("sub", "aud", "iss")


def token_callers(provider: str, tests: tuple[Test, ...]) -> Iterator[Caller]:
    """Kinds of token that a provider may hand in, as far as the tests tell them apart."""
    if is_saml(provider):
        yield Caller(Kind.TOKEN, _not_signed(tests, {}), name=provider, guest=OWN)
        return
    host, issuer = host_of(provider), _issuer_asked(provider, tests)
    claims = {test.key.removeprefix(f"{host}:") for test in tests if test.key.startswith(f"{host}:")}
    own = {f"{host}:{claim}": _OWN_CLAIM if claim in _ALWAYS_THERE else _OWN_MAYBE for claim in claims}
    theirs = {f"{host}:{claim}": Domain(rest=Claim(issuer, claim), may_lack=True) for claim in claims}
    if "cognito-identity" in host:
        guest = {f"{host}:amr": Domain(("unauthenticated",))}
        yield Caller(Kind.TOKEN, _not_signed(tests, {**own, **guest}), name=provider, guest=GUEST)
        own[f"{host}:amr"] = Domain(rest=SignedIn())
    yield Caller(Kind.TOKEN, _not_signed(tests, own), name=provider, guest=OWN)
    if issuer.shared:
        yield Caller(Kind.TOKEN, _not_signed(tests, theirs), name=provider, guest=STRANGER, doubtful=not issuer.listed)
    elif issuer.cluster:
        yield Caller(Kind.TOKEN, _not_signed(tests, theirs), name=provider, guest=CLUSTER)


def _not_signed(tests: tuple[Test, ...], claims: Mapping[str, Domain]) -> dict[str, Domain]:
    """A request that carries a token is not signed: it has none of the keys of a principal."""
    made = {test.key: MISSING for test in tests if test.key.startswith(("aws:principal", "aws:source", "aws:userid", "kms:calleraccount"))}
    for key in ("aws:sourceip", "aws:sourcevpc", "aws:sourcevpce", "aws:sourcevpcarn", "aws:sourceidentity"):
        made.pop(key, None)
    return {**made, **claims}
