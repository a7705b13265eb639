"""What a secret looks like wherever it stands: one table of shapes, for whoever judges a value and for whoever takes it out of an answer.

Linear, since whoever names a resource writes these texts: no shape tries a long run again from each place in it. The forms are those that
the vendors give for their tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

SHORTEST = 12
"""What is shorter is no secret that a shape could tell."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One form of secrets. `marks`: one of these stands in every match, so a plain search leaves most texts out."""

    name: str
    marks: tuple[str, ...]
    pattern: str
    """Behind it stands no `|` that is not in brackets."""
    near: tuple[str, ...] = ()
    """Hashes and ids have this form too: it counts only where one of these words stands in the name."""

    @property
    def whole(self) -> bool:
        """Whether the form alone says it."""
        return not self.near


_KEYS = r"(?<![A-Za-z0-9_-])"
"""Where a token may begin."""

SHAPES = (
    Shape("AWS key id", ("AKIA", "ASIA", "ABIA", "ACCA"), r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}"),
    Shape(
        "private key",
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    ),
    Shape(
        "JWT",
        ("eyJ",),
        r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*+\.eyJ[A-Za-z0-9_-]{8,}+\.)(?:|[A-Za-z0-9_-]*?-)eyJ[A-Za-z0-9_-]{8,}+"
        r"\.[A-Za-z0-9_-]++\.[A-Za-z0-9_-]*+",
    ),
    Shape("login in an address", ("://", "@"), r"(?:(?<=://)[^/\s:@]*:[^/\s]+(?=@)|\A[^/\s:@]+:[^/\s@]+(?=@[A-Za-z0-9.-]+(?::[0-9]+)?/))"),
    Shape(
        "named value",
        ("key", "passw", "secret"),
        r"(?i:AccountKey|SharedAccessKey|aws_secret_access_key|secret_?key|password|passwd|api_?key|client_secret)[\"']?\s*[=:]\s*[\"']?"
        r"[^\s;,&\"']{6,}",
    ),
    Shape("GitHub token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    Shape("GitHub token", ("github_pat_",), _KEYS + r"github_pat_[A-Za-z0-9_]{50,255}"),
    Shape("Slack token", ("xox",), r"\bxox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}"),
    Shape("Slack token", ("xapp-",), _KEYS + r"xapp-[0-9]-[A-Z0-9]{1,40}-[0-9]{1,40}-[a-f0-9]{32,}"),
    Shape(
        "Slack webhook", ("hooks.slack",), r"hooks\.slack\.com/(?:services|workflows)/T[A-Z0-9]{6,40}/[AB][A-Z0-9]{6,40}/[A-Za-z0-9/]{16,}"
    ),
    Shape("Stripe key", ("k_live_", "k_test_"), r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}"),
    Shape("webhook secret", ("whsec_",), _KEYS + r"whsec_[A-Za-z0-9+/=]{24,}"),
    Shape("AWS Bedrock key", ("ABSK",), _KEYS + r"ABSK[A-Za-z0-9+/]{100,}={0,2}"),
    Shape("GitLab token", ("gl",), _KEYS + r"gl(?:pat|dt|rt|rtr|cbt|ptt|ft|soat|imt|agent|oas|ffct)-[A-Za-z0-9_.-]{20,}"),
    Shape("Google API key", ("AIza",), _KEYS + r"AIza[A-Za-z0-9_-]{35}"),
    Shape("Google OAuth secret", ("GOCSPX-",), _KEYS + r"GOCSPX-[A-Za-z0-9_-]{28}"),
    Shape("Google access token", ("ya29.",), _KEYS + r"ya29\.[A-Za-z0-9_-]{20,}"),
    Shape("OpenAI key", ("sk-",), _KEYS + r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}"),
    Shape("OpenAI key", ("T3BlbkFJ",), _KEYS + r"sk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}"),
    Shape("Anthropic key", ("sk-ant-",), _KEYS + r"sk-ant-(?:api|admin)[0-9]{2}-[A-Za-z0-9_-]{80,}"),
    Shape("Hugging Face token", ("hf_",), _KEYS + r"hf_[A-Za-z]{34}"),
    Shape("npm token", ("npm_",), _KEYS + r"npm_[A-Za-z0-9]{36}"),
    Shape("PyPI token", ("pypi-AgE",), _KEYS + r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    Shape("RubyGems key", ("rubygems_",), _KEYS + r"rubygems_[a-f0-9]{48}"),
    Shape("Docker Hub token", ("dckr_",), _KEYS + r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}"),
    Shape("DigitalOcean token", ("_v1_",), _KEYS + r"do[opr]_v1_[a-f0-9]{64}"),
    Shape("Shopify token", ("shp",), _KEYS + r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    Shape("SendGrid key", ("SG.",), _KEYS + r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Shape("Vault token", ("hvs.", "hvb.", "hvr."), _KEYS + r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    Shape("HCP Terraform token", (".atlasv1.",), _KEYS + r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}"),
    Shape("Databricks token", ("dapi",), _KEYS + r"dapi[a-f0-9]{32}"),
    Shape("Doppler token", ("dp.",), _KEYS + r"dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}"),
    Shape("Grafana token", ("glc_", "glsa_"), _KEYS + r"gl(?:c|sa)_[A-Za-z0-9+/=_]{32,}"),
    Shape("New Relic key", ("NRAK-", "NRII-"), _KEYS + r"NR(?:AK|II)-[A-Za-z0-9_-]{27,32}"),
    Shape("Sentry token", ("sntr",), _KEYS + r"sntr(?:ys|yu)_[A-Za-z0-9+/=_]{40,}"),
    Shape("Dynatrace token", ("dt0",), _KEYS + r"dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}"),
    Shape("PlanetScale secret", ("pscale_",), _KEYS + r"pscale_(?:pw|tkn|oauth)_[A-Za-z0-9._-]{32,}"),
    Shape("Supabase key", ("sbp_", "sb_secret_"), _KEYS + r"sb(?:p_[a-f0-9]{40}|_secret_[A-Za-z0-9_-]{20,})"),
    Shape("Linear key", ("lin_api_",), _KEYS + r"lin_api_[A-Za-z0-9]{40}"),
    Shape("Notion token", ("ntn_",), _KEYS + r"ntn_[A-Za-z0-9]{40,}"),
    Shape("Postman key", ("PMAK-",), _KEYS + r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    Shape("Pulumi token", ("pul-",), _KEYS + r"pul-[a-f0-9]{40}"),
    Shape("Figma token", ("figd_", "figo_"), _KEYS + r"fig[do]_[A-Za-z0-9_-]{40,}"),
    Shape("CircleCI token", ("CCIPAT_", "CCIPRJ_"), _KEYS + r"CCI(?:PAT|PRJ)_[A-Za-z0-9]{22}_[a-f0-9]{40}"),
    Shape("Buildkite token", ("bkua_", "bkct_", "bkca_"), _KEYS + r"bk(?:ua|ct|ca)_[A-Za-z0-9_]{20,}"),
    Shape("Atlassian token", ("ATATT3", "ATCTT3", "ATBB"), _KEYS + r"AT(?:ATT3|CTT3|BB)[A-Za-z0-9_=.-]{20,}"),
    Shape("Artifactory key", ("AKCp", "cmVmdGtuOj"), _KEYS + r"(?:AKCp[A-Za-z0-9]{69}|cmVmdGtuOj[A-Za-z0-9]{54})"),
    Shape("Entra client secret", ("8Q~",), r"(?<![A-Za-z0-9_~.-])[A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34}"),
    Shape("Azure DevOps token", ("AZDO",), _KEYS + r"[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}"),
    Shape("Azure signature", ("sig=",), r"[?&]sig=[A-Za-z0-9%+/=]{40,}"),
    Shape("Tailscale key", ("tskey-",), _KEYS + r"tskey-(?:auth|api|client|scim|webhook)-[A-Za-z0-9-]{20,}"),
    Shape("1Password token", ("ops_eyJ",), _KEYS + r"ops_eyJ[A-Za-z0-9_-]{100,}"),
    Shape("Telegram token", (":AA",), _KEYS + r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    Shape("Contentful token", ("CFPAT-",), _KEYS + r"CFPAT-[A-Za-z0-9_-]{43}"),
    Shape("Square token", ("sq0",), _KEYS + r"sq0(?:csp|atp)-[A-Za-z0-9_-]{22,43}"),
    Shape("age key", ("AGE-SECRET",), _KEYS + r"AGE-SECRET-KEY-1[A-Z0-9]{58}"),
    Shape(
        "authorization header",
        ("uthorization", "UTHORIZATION"),
        r"(?i:authorization)[\"']?\s?[:=]\s?[\"']?(?i:basic|bearer)\s[A-Za-z0-9+/_.=-]{12,}",
    ),
    Shape("registry login", ('"auth"',), r'"auth"\s{0,4}:\s{0,4}"[A-Za-z0-9+/]{8,}={0,2}"'),
    Shape("Mailgun key", ("key-",), _KEYS + r"key-[a-f0-9]{32}", near=("mailgun", "mg")),
    Shape("Mailchimp key", ("-us",), _KEYS + r"[a-f0-9]{32}-us[0-9]{1,2}", near=("mailchimp", "mandrill")),
    Shape("Twilio key", ("SK",), _KEYS + r"SK[a-f0-9]{32}", near=("twilio",)),
)
"""In the order in which they are looked for: the first that fits names the secret."""

_ANYWHERE = "|".join(shape.pattern for shape in SHAPES if shape.whole and not shape.pattern.startswith(_KEYS))
_AT_A_START = "|".join(shape.pattern.removeprefix(_KEYS) for shape in SHAPES if shape.whole and shape.pattern.startswith(_KEYS))
DETECTORS = re.compile(f"{_ANYWHERE}|{_KEYS}(?:{_AT_A_START})")
"""Any of the shapes that need no name. Most are looked for only where a word begins: one look tells that of all of them."""

_NAMED = ("key", "passw", "secret", "uthorization")
"""One of these stands before a `:` or `=` in a named value; the other shapes have marks of their own."""
_BELOW = tuple(
    "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ k_live_ k_test_ whsec_ hf_ npm_ rubygems_ dckr_ _v1_ shp glc_ glsa_ sntr pscale_ sbp_ sb_secret_"
    " lin_api_ ntn_ figd_ figo_ bkua_ bkct_ bkca_".split()
)
_DASHED = tuple("xox xapp- gl sk- pul- tskey- sq0".split())
_DOTTED = tuple("hooks.slack ya29. hvs. hvb. hvr. .atlasv1. dp. dt0".split())
_CAPITALS = (
    *"AKIA ASIA ABIA ACCA ABSK AIza ATATT3 ATCTT3 ATBB AKCp cmVmdGtuOj 8Q~ AZDO eyJ SG. CCIP GOCSPX- pypi-AgE NRAK- NRII- PMAK-".split(),
    *"CFPAT- AGE-SECRET".split(),
    "PRIVATE KEY",
)
"""Marks with capital letters in them: most names have none."""


def may_be_secret(value: str) -> bool:
    """A quick look: false only where `looks_secret` is false too. Most texts lack the sign that a group of shapes needs."""
    if len(value) < SHORTEST:
        return False
    if ("=" in value or ":" in value) and (
        "@" in value or "sig=" in value or ":AA" in value or '"auth"' in value or any(name in value.lower() for name in _NAMED)
    ):
        return True
    return (
        "://" in value
        or "dapi" in value
        or (not value.islower() and _has(value, _CAPITALS))
        or ("_" in value and _has(value, _BELOW))
        or ("-" in value and _has(value, _DASHED))
        or ("." in value and _has(value, _DOTTED))
    )


def _has(value: str, marks: tuple[str, ...]) -> bool:
    for mark in marks:  # noqa: SIM110 (half the time of any())
        if mark in value:
            return True
    return False


@lru_cache(maxsize=16384)
def looks_secret(value: str) -> bool:
    """Whether a value holds something shaped like a key, a password or a token."""
    return may_be_secret(value) and DETECTORS.search(value) is not None
