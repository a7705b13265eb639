"""What looks like a secret: no shape misses its own form, none goes over a text again and again, and the quick look leaves none out."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from cnamm_scan.tokens import DETECTORS, SHAPES, looks_secret, may_be_secret
from tests.examples import drawn
from tests.steps import Counted

# ---- what looks like a secret --------------------------------------------------------------------------------------------


@given(st.from_regex(DETECTORS))
@example("AKIAIOSFODNN7EXAMPLE")
@example("postgres://u:hunter22@db")
@example("ApiKey = hunter22")
@example("Client_Secret: hunter22")
@example('"password" : "hunter22"')
@example("-----BEGIN PRIVATE KEY-----")
def test_the_quick_look_misses_no_secret(text: str) -> None:
    assume(len(text) >= 12)
    assert may_be_secret(text)
    assert looks_secret(text)


@given(st.text())
def test_what_the_quick_look_lets_pass_is_none(text: str) -> None:
    assert looks_secret(text) == (len(text) >= 12 and DETECTORS.search(text) is not None)


@pytest.mark.parametrize("text", ["", "AKIA", "a" * 100, "arn:aws:s3:::bucket", "2026-01-02T03:04:05Z", "image:v1", "a=b,c=d,e=f,g=h"])
def test_most_values_need_no_closer_look(text: str) -> None:
    assert not may_be_secret(text)


# ---- detectors are linear --------------------------------------------------------------------------------------------------

PIECES = (
    "-eyJ",
    "eyJ",
    ".eyJ",
    "eyJabcdefgh.",
    "-eyJabcdefgh",
    "eyJabcdefgh.eyJabcdefgh",
    "AKIA",
    "AKIAAAAAAAAAAAAAAAA",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END ",
    "PRIVATE KEY",
    "://",
    "://a:b",
    ":",
    "@",
    "a:b@",
    "a@b",
    "/",
    "password",
    "password ",
    "password=",
    "password='",
    "secret_key \t",
    "ghp_",
    "ghp_a",
    "xoxb-",
    "-xoxb-",
    "sk_live_",
    "glpat-",
    "github_pat_",
    "xapp-1-A",
    "sk-ant-api03-",
    "SG.aaaaaaaaaaaaaaaaaaaaaa.",
    "aaaaaaaaaaaaaa.atlasv1.",
    "dp.pt.",
    "dt0c01.",
    "8Q~",
    "AZDO",
    "?sig=",
    "authorization: basic ",
    '"auth": "',
    "AGE-SECRET-KEY-1",
    "a",
    "-",
    "_",
    ".",
    " ",
    "A ",
    "é",
)
"""What the detectors look for, whole and in halves."""


COUNTED = Counted(DETECTORS)


def _steps(text: str) -> int:
    COUNTED.steps = 0
    COUNTED.spans(text)
    return COUNTED.steps


AROUND = (("", ""), ("user:", ""), ("-----BEGIN PRIVATE KEY-----", ""), ("", "@"))


def _is_linear(count: Callable[[str], int], first: str, second: str, prefix: str, suffix: str, longer: int = 256) -> bool:
    """Eight times the text takes eight times the steps; what was faulty took ten times as many for so few of "-eyJ" as these.

    A place where no shape begins costs a few dozen steps, and one within a match none: that much of the text may differ. A shape of so many
    characters is longer than the short text: what looks steep is asked again of a longer one.
    """

    def grows_as_text(n: int) -> bool:
        texts = [prefix + (first + second) * many + suffix for many in (n, 8 * n)]
        short, long = map(count, texts)
        return long <= 8.8 * short + 400 + 40 * len(texts[0]) and long <= 100 * (len(texts[1]) + 10)

    return grows_as_text(6) or grows_as_text(longer)


@pytest.mark.parametrize("first", PIECES)
def test_no_text_makes_a_detector_go_over_it_again_and_again(first: str) -> None:
    for prefix, suffix in AROUND:
        assert _is_linear(_steps, first, "", prefix, suffix), (first, prefix, suffix)


@pytest.mark.slow
@pytest.mark.parametrize("first", PIECES)
def test_no_text_of_two_pieces_does_either(first: str) -> None:
    """Each pair in one of the surroundings, each piece in all of them."""
    for number, second in enumerate(PIECES, PIECES.index(first)):
        prefix, suffix = AROUND[number % len(AROUND)]
        assert _is_linear(_steps, first, second, prefix, suffix), (first, second, prefix, suffix)


def test_the_counter_sees_what_is_quadratic() -> None:
    faulty = Counted(re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ"))

    def steps(text: str) -> int:
        """Of the faulty one among the others."""
        faulty.steps = 0
        assert faulty.spans(text) == []
        return _steps(text) + faulty.steps

    assert not _is_linear(steps, "-eyJ", "", "", "", longer=64)  # the steps of the long one are 16 times as many
    assert _is_linear(_steps, "-eyJ", "", "", "")


@given(st.lists(st.sampled_from(PIECES) | st.text("aA1-_.:@/= \"'", max_size=4), max_size=12).map("".join))
@settings(max_examples=drawn(100), deadline=None)
def test_the_counter_finds_what_the_expression_finds(text: str) -> None:
    assert COUNTED.spans(text) == [match.span() for match in DETECTORS.finditer(text)]


JWT = "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl"


@pytest.mark.parametrize("before", ["", " ", "token=", "Bearer ", "a.b.", "x-", "-", "eyJ-", "-eyJ-eyJ-", "(", "é"])
@pytest.mark.parametrize("behind", ["", " ", ".more", ",", "é"])
def test_a_token_is_found_wherever_it_begins(before: str, behind: str) -> None:
    hidden = DETECTORS.sub("#", before + JWT + behind)
    assert "eyJzdWIi" not in hidden
    assert "c2lnbmF0" not in hidden


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("user:hunter2@registry.example.com/team/app:1.0", "#@registry.example.com/team/app:1.0"),
        ("user:hunter2@registry:5000/app", "#@registry:5000/app"),
        ("registry.example.com/team/app:1.0@sha256:" + "0" * 64, None),
        ("nginx:1.27@sha256:" + "0" * 64, None),
        ("nginx:1.27", None),
        ("arn:aws:iam::111122223333:user/bob@example.com/x", None),
        ("bob@example.com", None),
    ],
)
def test_a_password_in_an_images_name_is_one(text: str, hidden: str | None) -> None:
    assert DETECTORS.sub("#", text) == (hidden or text)
    assert looks_secret(text) is (hidden is not None)


# ---- each shape, its sample and its near miss ------------------------------------------------------------------------------

HEX = "0123456789abcdef"
AN = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ" * 8
SAMPLES: tuple[tuple[str, str, str], ...] = (
    ("AWS key id", "AKIA" + "Q3EXAMPLEQ3QAZWX", "AROA" + "Q3EXAMPLEQ3QAZWX"),
    ("GitHub token", "ghp_" + AN[:36], "ghx_" + AN[:36]),
    ("GitHub token", "github_pat_" + AN[:82], "github_pat_" + AN[:20]),
    ("Slack token", "xoxb-" + "1234567890-abc", "xoxz-1234567890-abc"),
    ("Slack token", "xapp-1-A0AAA-123-" + HEX * 2, "xapp-1-A0AAA-123-" + HEX),
    ("Slack webhook", "https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/" + AN[:24], "https://hooks.slack.com/services/"),
    ("Stripe key", "sk_live_" + AN[:24], "pk_live_" + AN[:24]),
    ("webhook secret", "whsec_" + AN[:32], "whsec_" + AN[:8]),
    ("AWS Bedrock key", "ABSK" + AN[:110], "ABSK" + AN[:40]),
    ("GitLab token", "glpat-" + AN[:20], "glxxx-" + AN[:20]),
    ("Google API key", "AIza" + AN[:35], "AIza" + AN[:20]),
    ("Google OAuth secret", "GOCSPX-" + AN[:28], "GOCSPX-" + AN[:10]),
    ("Google access token", "ya29." + AN[:40], "ya30." + AN[:40]),
    ("OpenAI key", "sk-proj-" + AN[:40], "sk-abc-" + AN[:40]),
    ("OpenAI key", "sk-" + AN[:20] + "T3BlbkFJ" + AN[:20], "sk-" + AN[:48]),
    ("Anthropic key", "sk-ant-api03-" + AN[:90], "sk-ant-api03-" + AN[:10]),
    ("Hugging Face token", "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH", "hf_" + HEX * 2),
    ("npm token", "npm_" + AN[:36], "npm_config_registry_of_the_team_here"),
    ("PyPI token", "pypi-AgE" + AN[:60], "pypi-" + AN[:60]),
    ("RubyGems key", "rubygems_" + HEX * 3, "rubygems_" + HEX),
    ("Docker Hub token", "dckr_pat_" + AN[:27], "dckr_usr_" + AN[:27]),
    ("DigitalOcean token", "dop_v1_" + HEX * 4, "dop_v1_" + HEX),
    ("Shopify token", "shpat_" + HEX * 2, "shpxx_" + HEX * 2),
    ("SendGrid key", "SG." + AN[:22] + "." + AN[:43], "SG." + AN[:22]),
    ("Vault token", "hvs." + AN[:40], "hvx." + AN[:40]),
    ("HCP Terraform token", AN[:14] + ".atlasv1." + AN[:67], AN[:14] + ".atlasv2." + AN[:67]),
    ("Databricks token", "dapi" + HEX * 2, "dapi" + HEX),
    ("Doppler token", "dp.st.prod." + AN[:43], "dp.xx.prod." + AN[:43]),
    ("Grafana token", "glsa_" + AN[:40], "glsb_" + AN[:40]),
    ("New Relic key", "NRAK-" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ1", "NRJS-" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ1"),
    ("Sentry token", "sntrys_" + AN[:60], "sntrxx_" + AN[:60]),
    ("Dynatrace token", "dt0c01." + "A1" * 12 + "." + "B2" * 32, "dt0c01." + "A1" * 12),
    ("PlanetScale secret", "pscale_pw_" + AN[:40], "pscale_db_" + AN[:40]),
    ("Supabase key", "sb_secret_" + AN[:30], "sb_publishable_" + AN[:30]),
    ("Linear key", "lin_api_" + AN[:40], "lin_api_" + AN[:10]),
    ("Notion token", "ntn_" + AN[:46], "ntn_" + AN[:20]),
    ("Postman key", "PMAK-" + HEX + HEX[:8] + "-" + HEX * 2 + "ab", "PMAK-" + HEX),
    ("Pulumi token", "pul-" + (HEX * 3)[:40], "pul-" + HEX),
    ("Figma token", "figd_" + AN[:44], "figx_" + AN[:44]),
    ("CircleCI token", "CCIPAT_" + AN[:22] + "_" + (HEX * 3)[:40], "CCIPAT_" + AN[:22]),
    ("Buildkite token", "bkua_" + AN[:40], "bkxx_" + AN[:40]),
    ("Atlassian token", "ATATT3" + AN[:60], "ATATX3" + AN[:60]),
    ("Artifactory key", "AKCp" + AN[:69], "AKCp" + AN[:30]),
    ("Entra client secret", "abc8Q~" + AN[:34], "abc8Q~" + AN[:10]),
    ("Azure DevOps token", AN[:76] + "AZDO" + AN[:4], AN[:60] + "AZDO" + AN[:4]),
    ("Azure signature", "https://x.blob.core.windows.net/c?sv=1&sig=" + AN[:44], "https://x.blob.core.windows.net/c?sig=abc"),
    ("Tailscale key", "tskey-auth-" + AN[:30], "tskey-none-" + AN[:30]),
    ("Telegram token", "123456789:AA" + AN[:33], "12345:AA" + AN[:33]),
    ("Contentful token", "CFPAT-" + AN[:43], "CFPAT-" + AN[:20]),
    ("Square token", "sq0csp-" + AN[:43], "sq0abc-" + AN[:43]),
    ("age key", "AGE-SECRET-KEY-1" + "Q3" * 29, "age1" + "q3" * 29),
    ("private key", "-----BEGIN OPENSSH PRIVATE KEY-----", "-----BEGIN PUBLIC KEY-----"),
    ("private key", "-----BEGIN PGP PRIVATE KEY BLOCK-----", "-----BEGIN CERTIFICATE-----"),
    ("authorization header", "Authorization: Bearer " + AN[:30], "Authorization: Bearer x"),
    ("registry login", '{"auth": "' + AN[:20] + '"}', '{"auth": ""}'),
)


@pytest.mark.parametrize(("name", "sample", "miss"), SAMPLES)
def test_each_shape_finds_its_own_and_no_neighbour(name: str, sample: str, miss: str) -> None:
    assert name in {shape.name for shape in SHAPES}
    for before, behind in (("", ""), ("a=", ";b"), ('{"x": "', '"}'), ("see ", " there")):
        assert looks_secret(before + sample + behind)
        assert sample not in DETECTORS.sub("#", before + sample + behind)
    assert not looks_secret(miss)


def test_every_shape_has_a_mark_in_its_sample() -> None:
    for name, sample, _ in SAMPLES:
        assert any(mark in sample for shape in SHAPES if shape.name == name for mark in shape.marks), name


def test_a_form_that_hashes_have_too_needs_a_name() -> None:
    for text in ("key-" + HEX * 2, HEX * 2 + "-us12", "SK" + HEX * 2):
        assert not looks_secret(text)
