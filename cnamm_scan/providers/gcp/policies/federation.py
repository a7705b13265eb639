"""Workload identity pools: whether a provider's condition, or a grant, binds whoever comes to one tenant of a shared issuer.

A shared issuer signs for all of its customers, so that a token proves a tenant only where a claim that names it is compared. The audience
is chosen by whoever asks for the token, and binds nothing. https://docs.cloud.google.com/iam/docs/workload-identity-federation-with-deployment-pipelines
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cnamm_scan.providers.gcp.policies.conditions import is_bracketed, split
from cnamm_scan.providers.truths import Truth, any_of, both, either

_ANY = re.compile(r".+", re.DOTALL)
_OWNER_AND_NAME = re.compile(r"[^/]+/.*")
_LITERAL = r"(?P<quote>['\"])(?P<value>[^'\"\\]*)(?P=quote)"
_NAME = r"(?P<name>assertion\.\w+|assertion\[['\"]\w+['\"]\]|attribute\.\w+|google\.subject)"
_EQUAL = re.compile(rf"{_NAME}\s*==\s*{_LITERAL}")
_EQUAL_TURNED = re.compile(rf"{_LITERAL}\s*==\s*{_NAME}")
_IN = re.compile(rf"{_NAME}\s+in\s+\[(?P<list>[^\]]*)\]")
_STARTS = re.compile(rf"{_NAME}\.startsWith\(\s*{_LITERAL}\s*\)")
_DIFFERS = re.compile(rf"{_NAME}\s*!=\s*{_LITERAL}")
_ITEM = re.compile(r"\s*(?:'([^'\\]*)'|\"([^\"\\]*)\")\s*")
_CLAIM = re.compile(r"assertion\.(\w+)|assertion\[['\"](\w+)['\"]\]")
_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs tokens, and which claims name a customer: claim -> what a value, or the beginning of one, must look like to do so."""

    host: re.Pattern[str]
    binds: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    loose: frozenset[str] = frozenset({"aud"})
    """Claims that other customers' tokens carry with the same value."""


_GITHUB_LOOSE = "aud actor actor_id base_ref environment event_name head_ref job_workflow_ref ref ref_type runner_environment workflow"
SHARED: Sequence[Issuer] = (
    Issuer(
        re.compile(r"token\.actions\.githubusercontent\.com"),
        {
            "sub": re.compile(r"repo:[^/@:]+[/@].*"),
            "repository": _OWNER_AND_NAME,
            **dict.fromkeys(("repository_id", "repository_owner", "repository_owner_id", "enterprise", "enterprise_id"), _ANY),
        },
        frozenset(_GITHUB_LOOSE.split()),
    ),
    Issuer(
        re.compile(r"gitlab\.com"),
        {
            "sub": re.compile(r"project_path:[^/:]+/.*"),
            "project_path": _OWNER_AND_NAME,
            **dict.fromkeys(("namespace_path", "namespace_id", "project_id"), _ANY),
        },
        frozenset("aud environment pipeline_source ref ref_path ref_protected ref_type user_access_level".split()),
    ),
    Issuer(
        re.compile(r"app(\.eu)?\.terraform\.io"),
        {
            "sub": re.compile(r"organization:[^:]+:.*"),
            **dict.fromkeys(
                ("terraform_organization_id", "terraform_organization_name", "terraform_workspace_id", "terraform_project_id"), _ANY
            ),
        },
        frozenset("aud terraform_run_phase terraform_workspace_name terraform_project_name".split()),
    ),
    Issuer(
        re.compile(r"agent\.buildkite\.com"),
        {"sub": re.compile(r"organization:[^:]+:.*"), "organization_id": _ANY, "pipeline_id": _ANY, "organization_slug": _ANY},
        frozenset("aud build_branch step_key".split()),
    ),
    Issuer(re.compile(r"accounts\.google\.com"), dict.fromkeys(("sub", "email", "hd"), _ANY)),
    Issuer(re.compile(r"login\.microsoftonline\.com/(common|organizations|consumers)(/.*)?"), dict.fromkeys(("tid", "oid"), _ANY)),
)
"""Issuers that sign for every customer."""
_OWN = re.compile(
    r"oidc\.circleci\.com/org/[^/]+|api\.bitbucket\.org/2\.0/workspaces/[^/]+/.*|[^/.]+\.app(\.[a-z]+)?\.spacelift\.io"
    r"|vstoken\.dev\.azure\.com/[^/]+|login\.microsoftonline\.com/(?!common|organizations|consumers)[^/]+(/.*)?|sts\.windows\.net/[^/]+"
    r"|[^/.]+\.(okta|oktapreview|auth0|eu\.auth0|us\.auth0)\.com(/.*)?|oidc\.eks\.[a-z0-9-]+\.amazonaws\.com/id/.*"
    r"|container\.googleapis\.com/v1/projects/.*|[^/]*\.oic\.prod-aks\.azure\.com/.*|token\.actions\.githubusercontent\.com/[^/]+"
)
"""Issuers whose address names one customer already."""


def _host(issuer: str) -> str:
    return issuer.removeprefix("https://").rstrip("/").lower()


def issuer_of(address: str) -> Issuer | None:
    """The shared issuer at an address; None for any other."""
    return next((each for each in SHARED if each.host.fullmatch(_host(address))), None)


def is_shared(address: str) -> Truth:
    """Whether an issuer signs for strangers too; of one that nobody has listed it is not known."""
    if issuer_of(address) is not None:
        return True
    return False if _OWN.fullmatch(_host(address)) else None


@dataclass(frozen=True)
class Provider:
    """A provider of a shared issuer: how its claims become attributes, and its condition."""

    issuer: Issuer
    mapping: Mapping[str, str]
    condition: str = ""

    @property
    def condition_binds(self) -> Truth:
        """Whether its condition lets in one tenant's tokens alone."""
        if not self.condition.strip():
            return False
        try:
            return self._either(self.condition, 0)
        except ValueError:
            return None

    def _either(self, text: str, depth: int) -> Truth:
        """Every alternative must bind, by one of its parts."""
        found: Truth = True
        for each in split(text, "||"):
            found = both(found, any_of(self._one(one.strip(), depth) for one in split(each, "&&")))
        return found

    def _one(self, text: str, depth: int) -> Truth:
        if depth > _DEPTH or not text:
            raise ValueError("nothing, or nested too deep")
        if is_bracketed(text):
            return self._either(text[1:-1], depth + 1)
        if found := _EQUAL.fullmatch(text) or _EQUAL_TURNED.fullmatch(text):
            return self.binds(found["name"], [found["value"]])
        if found := _STARTS.fullmatch(text):
            return self.binds(found["name"], [found["value"]], whole=False)
        if found := _IN.fullmatch(text):
            values = [_ITEM.fullmatch(each) for each in found["list"].split(",")]
            return None if None in values else self.binds(found["name"], [each[1] or each[2] or "" for each in values if each])
        return False if text == "true" or _DIFFERS.fullmatch(text) else None

    def binds(self, name: str, values: Sequence[str], *, whole: bool = True) -> Truth:
        """Whether an attribute that has one of these values names a tenant, or one that begins so where it is not `whole`."""
        claim = self._claim(name)
        if claim is None:
            return None
        if claim in self.issuer.binds:
            if not whole and self.issuer.binds[claim] is _ANY:
                return False  # acme-evil begins as acme does
            return bool(values) and all(self.issuer.binds[claim].fullmatch(each) for each in values)
        return False if claim in self.issuer.loose else None

    def _claim(self, name: str) -> str | None:
        """The claim that an attribute stands for; None where it is made of more than one claim as it is."""
        said = name if name.startswith("assertion") else str(self.mapping.get(name, ""))
        found = _CLAIM.fullmatch(said.strip())
        return None if found is None else found[1] or found[2]

    def admits_strangers(self, member: str) -> Truth:
        """Whether a member of an allow policy, that names the pool, stands for other tenants too."""
        binds = self.condition_binds
        own = member.partition("/workloadIdentityPools/")[2].partition("/")[2]
        kind, _, value = own.partition("/")
        if own == "*":
            named: Truth = False
        elif kind == "subject":
            named = self.binds("google.subject", [value])
        elif kind.startswith("attribute."):
            named = self.binds(kind, [value])
        else:
            named = None
        return None if (bound := either(binds, named)) is None else not bound
