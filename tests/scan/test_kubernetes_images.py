"""What verifies images in a cluster: each engine's own words, on a whole scan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clusters import crd, pod, thing
from tests.scan.test_kubernetes_admission import ADMISSION, EVERYTHING, KYVERNO, KYVERNO_CRDS, SERVER, said, space, webhook

Json = Any
SIGNED = ["kubernetes.admission.running_images_signed"]
PROVEN = [
    "kubernetes.admission.provenance_required",
    "kubernetes.admission.vulnerable_images_refused",
    "kubernetes.admission.signers_are_named",
]
KEY = {"entries": [{"keys": {"kms": "k"}}]}
SIGSTORE_CRD = crd("clusterimagepolicies", "ClusterImagePolicy", "v1beta1", group="policy.sigstore.dev", scope="Cluster")
SIGSTORE = webhook("policy.sigstore.dev", "policy.sigstore.dev")
IMAGE_CRD = crd("imagevalidatingpolicies", "ImageValidatingPolicy", "v1", group="policies.kyverno.io", scope="Cluster")
PODS = {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}]}


def kyverno(**check: Json) -> Json:
    """A ClusterPolicy on the images of all pods."""
    match = {"any": [{"resources": {"kinds": ["Pod"]}}]}
    rule = {
        "name": "r",
        "match": match,
        "verifyImages": [{"imageReferences": ["*"], "failureAction": "Enforce", "attestors": [KEY], **check}],
    }
    return thing("ClusterPolicy", "images", api="kyverno.io/v1", spec={"rules": [rule]})


def sigstore(glob: str, **spec: Json) -> Json:
    """A ClusterImagePolicy."""
    said = {"images": [{"glob": glob}], "authorities": [{"key": {"kms": "k"}}], **spec}
    return thing("ClusterImagePolicy", "images", api="policy.sigstore.dev/v1beta1", spec=said)


def cel(expression: str) -> Json:
    """An ImageValidatingPolicy with one attestor."""
    spec = {
        "matchConstraints": PODS,
        "attestors": [{"name": "ours", "cosign": {"key": {"data": "k"}}}],
        "validations": [{"expression": expression}],
    }
    return thing("ImageValidatingPolicy", "images", api="policies.kyverno.io/v1", spec=spec)


CASES = {
    "kyverno": ("pass", [*KYVERNO_CRDS, KYVERNO, kyverno()]),
    "kyverno skips it": ("fail", [*KYVERNO_CRDS, KYVERNO, kyverno(skipImageReferences=["registry.example.com/*"])]),
    "sigstore, one level": ("pass", [SIGSTORE_CRD, SIGSTORE, sigstore("registry.example.com/*")]),
    "sigstore, all": ("pass", [SIGSTORE_CRD, SIGSTORE, sigstore("**")]),
    "sigstore, a star is Docker's own": ("fail", [SIGSTORE_CRD, SIGSTORE, sigstore("*")]),
    "sigstore, a star stops at a slash": ("fail", [SIGSTORE_CRD, SIGSTORE, sigstore("*/other/*")]),
    "sigstore, for some labels": ("unknown", [SIGSTORE_CRD, SIGSTORE, sigstore("**", match=[{"resource": "pods", "version": "v1"}])]),
    "connaisseur": (
        "unknown",
        [
            thing(
                "MutatingWebhookConfiguration",
                "connaisseur-webhook",
                api=ADMISSION,
                webhooks=[{"name": "connaisseur-svc.connaisseur.svc", "failurePolicy": "Fail", "rules": EVERYTHING}],
            )
        ],
    ),
    "cel": (
        "pass",
        [*KYVERNO_CRDS, IMAGE_CRD, KYVERNO, cel("images.containers.map(i, verifyImageSignatures(i, [attestors.ours])).all(e, e > 0)")],
    ),
    "cel, an attestor that nothing asks": ("fail", [*KYVERNO_CRDS, IMAGE_CRD, KYVERNO, cel("true")]),
}


@pytest.mark.parametrize("name", CASES)
def test_an_image_is_verified_where_its_engine_refuses_it_unsigned(tmp_path: Path, name: str) -> None:
    verdict, objects = CASES[name]
    found = said(tmp_path, SERVER, space("shop"), pod("web", "shop"), *objects, rules=SIGNED)
    assert {answer for answer, _ in found.values()} == {verdict}


PROVENANCE = {"type": "https://slsa.dev/provenance/v1", "attestors": [KEY]}
SCAN = {"type": "https://cosign.sigstore.dev/attestation/vuln/v1", "attestors": [KEY]}
JUDGED = {**SCAN, "conditions": [{"all": [{"key": "{{ critical }}", "operator": "Equals", "value": 0}]}]}


@pytest.mark.parametrize(
    ("check", "provenance", "flaws"),
    [
        ({"attestations": [PROVENANCE]}, "pass", "fail"),
        ({"attestations": [SCAN]}, "fail", "fail"),
        ({"attestations": [JUDGED]}, "fail", "pass"),
        ({"attestations": [PROVENANCE], "imageReferences": ["registry.example.com/*"]}, "unknown", "fail"),
        ({"attestations": [PROVENANCE], "skipImageReferences": ["old/*"]}, "unknown", "fail"),
    ],
)
def test_what_is_asked_of_all_images_is_asked_of_all(tmp_path: Path, check: Json, provenance: str, flaws: str) -> None:
    found = said(tmp_path, *KYVERNO_CRDS, KYVERNO, SERVER, space("shop"), kyverno(**check), rules=PROVEN)
    told = {rule: answer for (rule, _), (answer, _) in found.items()}
    assert (told["provenance_required"], told["vulnerable_images_refused"]) == (provenance, flaws)


@pytest.mark.parametrize(
    ("keyless", "verdict"),
    [
        ({"issuer": "https://accounts.google.com"}, "fail"),
        ({"subject": "https://github.com/acme/*"}, "pass"),
        ({"subjectRegExp": "https://github.com/acme/*"}, "fail"),
        ({"subjectRegExp": "https://github.com/acme"}, "fail"),
        ({"subjectRegExp": r"^https:\/\/github\.com\/.*$"}, "fail"),
        ({"subjectRegExp": "^(https://github.com/.*)$"}, "fail"),
        ({"subjectRegExp": "(?i)https://buildkite.com/.*"}, "fail"),
        ({"subjectRegExp": "https://github.com/acme/"}, "pass"),
        ({"subjectRegExp": r"^https://github\.com/acme/shop/.*$"}, "pass"),
        ({"subjectRegExp": r".*@acme\.io"}, "fail"),  # a stranger's acme.io.example goes on behind it
        ({"subjectRegExp": r".*@acme\.io$"}, "pass"),
    ],
)
def test_a_keyless_signer_without_a_subject_is_anybody(tmp_path: Path, keyless: Json, verdict: str) -> None:
    policy = kyverno(attestors=[{"entries": [{"keyless": keyless}]}])
    found = said(tmp_path, *KYVERNO_CRDS, KYVERNO, SERVER, space("shop"), policy, rules=PROVEN)
    assert {answer for (rule, _), (answer, _) in found.items() if rule == "signers_are_named"} == {verdict}


OURS = {"subject": "https://github.com/acme/*", "issuer": "https://token.actions.githubusercontent.com"}
ANYBODY = {"issuer": "https://token.actions.githubusercontent.com"}


def by_sigstore(*identities: Json) -> list[Json]:
    """What the Sigstore policy controller needs to accept these signers, each by an authority of its own."""
    return [SIGSTORE_CRD, SIGSTORE, sigstore("**", authorities=[{"keyless": {"identities": [each]}} for each in identities])]


def by_cel(*identities: Json) -> list[Json]:
    """The same of an ImageValidatingPolicy, of one attestor."""
    policy = cel("images.containers.map(i, verifyImageSignatures(i, [attestors.ours])).all(e, e > 0)")
    policy["spec"]["attestors"] = [{"name": "ours", "cosign": {"keyless": {"identities": [*identities]}}}]
    return [*KYVERNO_CRDS, IMAGE_CRD, KYVERNO, policy]


def by_rule(*identities: Json) -> list[Json]:
    """The same of a rule of Kyverno, one of whose entries is enough."""
    entries = [{"keyless": each} for each in identities]
    return [*KYVERNO_CRDS, KYVERNO, kyverno(attestors=[{"count": 1, "entries": entries}])]


@pytest.mark.parametrize("made", [by_rule, by_cel, by_sigstore])
@pytest.mark.parametrize(
    ("identities", "verdict"), [([OURS, OURS], "pass"), ([OURS, ANYBODY], "fail"), ([ANYBODY], "fail"), ([OURS, {"subject": ""}], "fail")]
)
def test_one_signer_without_a_subject_is_anybody_beside_one_with(
    tmp_path: Path, made: Callable[..., list[Json]], identities: list[Json], verdict: str
) -> None:
    found = said(tmp_path, *made(*identities), SERVER, space("shop"), rules=PROVEN)
    assert {answer for (rule, _), (answer, _) in found.items() if rule == "signers_are_named"} == {verdict}


def test_who_signs_by_nested_attestors_is_not_known(tmp_path: Path) -> None:
    nested = {"attestor": {"entries": [{"keyless": ANYBODY}]}}
    policy = kyverno(attestors=[{"entries": [{"keys": {"kms": "k"}}, nested]}])
    found = said(tmp_path, *KYVERNO_CRDS, KYVERNO, SERVER, space("shop"), policy, rules=PROVEN)
    assert {answer for (rule, _), (answer, _) in found.items() if rule == "signers_are_named"} == {"unknown"}


def test_what_follows_a_pattern_without_an_end_is_anything_for_flux_too(tmp_path: Path) -> None:
    subjects = {
        "owner": ("pass", r"^https://github\.com/acme/shop.*$"),
        "owner-slash": ("pass", "https://github.com/acme/"),
        "owner-goes-on": ("fail", "https://github.com/acme"),
        "mail": ("pass", r".*@acme\.io$"),
        "mail-goes-on": ("fail", r".*@acme\.io"),
        "all": ("fail", ".*"),
    }
    ready = {"conditions": [{"type": "SourceVerified", "status": "True"}]}
    sources = [
        thing(
            "OCIRepository",
            name,
            "shop",
            api="source.toolkit.fluxcd.io/v1",
            spec={
                "url": "oci://x/y",
                "verify": {"provider": "cosign", "matchOIDCIdentity": [{"issuer": "^https://x$", "subject": subject}]},
            },
            status=ready,
        )
        for name, (_, subject) in subjects.items()
    ]
    kind = crd("ocirepositories", "OCIRepository", "v1", group="source.toolkit.fluxcd.io")
    found = said(tmp_path, SERVER, space("shop"), kind, *sources, rules=["kubernetes.flux.sources_are_verified"])
    assert {resource.rsplit("/", 1)[-1]: answer for (_, resource), (answer, _) in found.items()} == {
        name: verdict for name, (verdict, _) in subjects.items()
    }
