"""How far exceptions of Kyverno reach, which attestations are asked for flaws, and which bill of materials is an image's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clusters import crd, pod, thing
from tests.scan.test_kubernetes_admission import KYVERNO, KYVERNO_CRDS, SERVER, said, space
from tests.scan.test_kubernetes_images import IMAGE_CRD, PODS, SCAN, SIGSTORE, SIGSTORE_CRD, kyverno, sigstore

Json = Any
OLD = crd("policyexceptions", "PolicyException", "v2", group="kyverno.io")
NEW = crd("policyexceptions", "PolicyException", "v1", group="policies.kyverno.io")
LABEL = "kubernetes.io/metadata.name"


def excepted(match: Json, policy: str = "p", rules: tuple[str, ...] = ("r",), **spec: Json) -> Json:
    """A PolicyException of kyverno.io."""
    made = {"exceptions": [{"policyName": policy, "ruleNames": [*rules]}], "match": match, **spec}
    return thing("PolicyException", "e", "shop", api="kyverno.io/v2", spec=made)


def of(*blocks: Json, how: str = "any") -> Json:
    """Who is meant: a list of blocks of resources."""
    return {how: [{"resources": {"kinds": ["Pod"], **block}} for block in blocks]}


NAMED = of({"namespaces": ["shop"], "names": ["legacy-*"]})
CONDITION = {"any": [{"key": "{{ request.object.spec.hostNetwork }}", "operator": "Equals", "value": True}]}
REACHES = {
    "named": ("pass", excepted(NAMED)),
    "by labels": ("pass", excepted(of({"selector": {"matchLabels": {"app": "legacy"}}}))),
    "by a namespace's label": ("pass", excepted(of({"namespaceSelector": {"matchLabels": {"team": "shop"}}}))),
    "by who asks": ("pass", excepted({"any": [{"subjects": [{"kind": "User", "name": "ci"}]}]})),
    "all of two, one narrow": ("pass", excepted(of({"namespaces": ["*"]}, {"names": ["legacy"]}, how="all"))),
    "any of two, one wide": ("fail", excepted(of({"namespaces": ["*"]}, {"names": ["legacy"]}))),
    "every policy": ("fail", excepted(NAMED, policy="*")),
    "every rule": ("fail", excepted(NAMED, rules=("*",))),
    "every name": ("fail", excepted(of({"kinds": ["*"], "names": ["*"]}))),
    "every namespace": ("fail", excepted(of({"namespaces": ["shop", "*"]}))),
    "empty selector": ("fail", excepted(of({"selector": {}}))),
    "empty labels": ("fail", excepted(of({"selector": {"matchLabels": {}}}))),
    "empty namespace selector": ("fail", excepted(of({"namespaceSelector": {}}))),
    "all but one namespace": (
        "fail",
        excepted(of({"namespaceSelector": {"matchExpressions": [{"key": LABEL, "operator": "NotIn", "values": ["x"]}]}})),
    ),
    "whoever asks": (
        "fail",
        excepted({"any": [{"resources": {"kinds": ["Pod"]}, "subjects": [{"kind": "Group", "name": "system:authenticated"}]}]}),
    ),
    "no match": ("fail", excepted({"any": []})),
    "kinds alone": ("fail", excepted(of({}))),
    "conditions may be narrow": ("unknown", excepted(of({}), conditions=CONDITION)),
    "no condition": ("fail", excepted(of({}), conditions={"any": []})),
}


def cel(**spec: Json) -> Json:
    """A PolicyException of policies.kyverno.io."""
    made = {"policyRefs": [{"name": "p", "kind": "ValidatingPolicy"}], **spec}
    return thing("PolicyException", "e", "shop", api="policies.kyverno.io/v1", spec=made)


def when(*expressions: str) -> Json:
    """Conditions."""
    return [{"name": str(number), "expression": each} for number, each in enumerate(expressions)]


REACHES |= {
    "cel, named": ("pass", cel(matchConditions=when("object.metadata.name == 'legacy'"))),
    "cel, one of two": ("pass", cel(matchConditions=when("true", "object.metadata.namespace in ['shop']"))),
    "cel, images": ("pass", cel(images=["ghcr.io/acme/legacy:*"])),
    "cel, everything": ("fail", cel(matchConditions=when("true"))),
    "cel, nothing said": ("fail", cel()),
    "cel, every image": ("fail", cel(images=["*"])),
    "cel, all but one": ("unknown", cel(matchConditions=when("object.metadata.name != 'x'"))),
    "cel, something else": ("unknown", cel(matchConditions=when("has(object.spec.hostNetwork)"))),
}


def test_an_exception_is_narrow_where_it_names_what_it_lets_through(tmp_path: Path) -> None:
    made = [{**each, "metadata": {**each["metadata"], "name": f"e{number}"}} for number, (_, each) in enumerate(REACHES.values())]
    found = said(tmp_path, OLD, NEW, SERVER, space("shop"), *made, rules=["kubernetes.kyverno.exceptions_are_narrow"])
    told = {resource.rsplit("/", 1)[1]: answer for (_, resource), (answer, _) in found.items()}
    assert {name: told[f"e{number}"] for number, name in enumerate(REACHES)} == {name: verdict for name, (verdict, _) in REACHES.items()}


ENDS = [
    "kubernetes.kyverno.exceptions_have_expiry",
    "kubernetes.kyverno.exceptions_removed_in_time",
    "kubernetes.kyverno.exceptions_expire_automatically",
]


@pytest.mark.parametrize(
    ("ttl", "expiry", "removed", "by_itself"),
    [
        ("360d", "pass", "pass", "unknown"),
        ("50w", "pass", "pass", "unknown"),
        ("3650d", "fail", "pass", "unknown"),
        ("2099-12-31", "fail", "pass", "unknown"),
        ("2024-01-01", "pass", "fail", "unknown"),
        ("never", "fail", "pass", "fail"),
    ],
)
def test_an_exception_s_time_to_live_counts_where_kyverno_heeds_it(
    tmp_path: Path, ttl: str, expiry: str, removed: str, by_itself: str
) -> None:
    made = excepted(NAMED)
    made["metadata"]["labels"] = {"cleanup.kyverno.io/ttl": ttl}
    found = said(tmp_path, OLD, NEW, SERVER, space("shop"), made, rules=ENDS)
    told = {rule: answer for (rule, _), (answer, _) in found.items()}
    assert told == {"exceptions_have_expiry": expiry, "exceptions_removed_in_time": removed, "exceptions_expire_automatically": by_itself}


FLAWS = ["kubernetes.admission.vulnerable_images_refused"]


def looks_at(*keys: str) -> Json:
    """An attestation of a scan, with what is asked of it."""
    return kyverno(
        attestations=[
            {**SCAN, "conditions": [{"all": [{"key": key, "operator": "Equals", "value": 0, "message": "severity"} for key in keys]}]}
        ]
    )


def image_policy(*expressions: str) -> Json:
    """An ImageValidatingPolicy that looks at attestations of scans."""
    spec = {
        "matchConstraints": PODS,
        "attestors": [{"name": "ours", "cosign": {"key": {"data": "k"}}}],
        "attestations": [{"name": "vulnerabilities", "intoto": {"type": "https://cosign.sigstore.dev/attestation/vuln/v1"}}],
        "validations": [
            {"expression": each}
            for each in ("verifyAttestationSignatures(image, attestations.vulnerabilities, [attestors.ours]) > 0", *expressions)
        ],
    }
    return thing("ImageValidatingPolicy", "images", api="policies.kyverno.io/v1", spec=spec)


def authority(data: str) -> Json:
    """A ClusterImagePolicy that looks at attestations of scans."""
    asked = {"name": "scan", "predicateType": "vuln", "policy": {"type": "cue", "data": data}}
    return sigstore("**", authorities=[{"key": {"kms": "k"}, "attestations": [asked]}])


AGE = "{{ time_since('','{{ metadata.scanFinishedOn }}', '') }}"
PAYLOAD = "extractPayload(image, attestations.vulnerabilities)"
ASKED = {
    "severity": ("pass", looks_at(AGE, "{{ scanner.result.Results[].Vulnerabilities[?Severity=='CRITICAL'][] | length(@) }}")),
    "age": ("fail", looks_at(AGE)),
    "scanner": ("fail", looks_at("{{ scanner.uri }}", AGE)),
    "something": ("unknown", looks_at("{{ verdict }}")),
    "cel, severity": ("pass", image_policy(f"{PAYLOAD}.scanner.result.Results.all(r, r.Severity != 'CRITICAL')")),
    "cel, age": ("fail", image_policy(f"timestamp({PAYLOAD}.metadata.scanFinishedOn) > now - duration('24h')")),
    "cel, signature": ("fail", image_policy()),
    "cue, severity": ("pass", authority("predicate: scanner: result: summary: criticalSeverity: 0")),
    "cue, age": ("fail", authority('import "time"\nbefore: time.Parse(time.RFC3339, predicate.metadata.scanFinishedOn)')),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_attestation_of_a_scan_is_judged_by_the_flaws_in_it(tmp_path: Path, name: str) -> None:
    verdict, made = ASKED[name]
    found = said(tmp_path, *KYVERNO_CRDS, IMAGE_CRD, SIGSTORE_CRD, SIGSTORE, KYVERNO, SERVER, space("shop"), made, rules=FLAWS)
    assert {answer for answer, _ in found.values()} == {verdict}


TRIVY = crd("sbomreports", "SbomReport", "v1alpha1", group="aquasecurity.github.io")
SCOPE = crd("sbomsyfts", "SBOMSyft", "v1beta1", group="spdx.softwarecomposition.kubescape.io")
DIGEST = "sha256:" + "a" * 64


def trivy(namespace: str = "shop", registry: str = "registry.example.com", components: int = 3, tag: str = "1") -> Json:
    """A bill of Trivy Operator."""
    artifact = {"repository": "web", "tag": tag, "digest": "sha256:" + "b" * 64}
    report = {"registry": {"server": registry}, "artifact": artifact, "summary": {"componentsCount": components}}
    return {**thing("SbomReport", "r", namespace, api="aquasecurity.github.io/v1alpha1"), "report": report}


def syft(status: str, image: str = f"registry.example.com/web@{DIGEST}") -> Json:
    """A bill of Kubescape."""
    made = thing("SBOMSyft", "s", "kubescape", api="spdx.softwarecomposition.kubescape.io/v1beta1")
    made["metadata"]["annotations"] = {"kubescape.io/image-id": image, "kubescape.io/status": status}
    return made


OTHER = trivy("web", tag="9")
BILLS = {
    "its own": ("pass", [trivy()]),
    "empty": ("fail", [trivy(components=0), {**OTHER, "metadata": {**OTHER["metadata"], "name": "o"}}]),
    "another registry": ("fail", [trivy(registry="ghcr.io")]),
    "another tag": ("fail", [trivy(tag="2")]),
    "another namespace": ("unknown", [trivy("web")]),
    "kubescape": ("pass", [syft("learning")]),
    "kubescape, too large": ("fail", [syft("too-large"), OTHER]),
    "kubescape, incomplete": ("fail", [syft("incomplete"), OTHER]),
    "kubescape, no digest": ("fail", [syft("ready", "registry.example.com/web:1"), OTHER]),
    "kubescape, says nothing": ("unknown", [syft("")]),
    "nothing anywhere": ("unknown", []),
}


@pytest.mark.parametrize("name", BILLS)
def test_a_bill_of_materials_is_that_of_the_image_and_holds_something(tmp_path: Path, name: str) -> None:
    verdict, made = BILLS[name]
    running = pod("web", "shop")
    running["spec"]["containers"][0]["image"] = "registry.example.com/web:1"
    running["status"] = {**running["status"]}
    running["status"]["containerStatuses"] = [
        {"name": running["spec"]["containers"][0]["name"], "imageID": f"registry.example.com/web@{DIGEST}"}
    ]
    found = said(tmp_path, TRIVY, SCOPE, SERVER, space("shop"), running, *made, rules=["kubernetes.admission.images_have_sbom"])
    assert {answer for answer, _ in found.values()} == {verdict}


def checked(policy: Json | None = None, rule: Json | None = None, **check: Json) -> Json:
    """A ClusterPolicy that verifies the images of pods, with more in its spec, its rule and its check."""
    made = kyverno(**check)
    made["spec"] = {"rules": [{**made["spec"]["rules"][0], **(rule or {})}], **(policy or {})}
    return made


def let_off(*expressions: str, policy: str = "images", namespace: str = "shop") -> Json:
    """A PolicyException from a newer policy on images."""
    spec = {"policyRefs": [{"name": policy, "kind": "ImageValidatingPolicy"}], "matchConditions": when(*expressions)}
    return thing("PolicyException", "e", namespace, api="policies.kyverno.io/v1", spec=spec)


def newer(**spec: Json) -> Json:
    """An ImageValidatingPolicy on the signatures of all images."""
    attestors = [{"name": "ours", "cosign": {"key": {"data": "k"}}}]
    signed = {"expression": "images.containers.map(i, verifyImageSignatures(i, [attestors.ours])).all(e, e > 0)"}
    made = {"matchConstraints": PODS, "attestors": attestors, "validations": [signed], **spec}
    return thing("ImageValidatingPolicy", "images", api="policies.kyverno.io/v1", spec=made)


OVER = {"validationFailureActionOverrides": [{"action": "Audit", "namespaces": ["shop"]}]}
ONLY = {"validationFailureAction": "Audit", "validationFailureActionOverrides": [{"action": "Enforce", "namespaces": ["shop"]}]}
ALWAYS = {"all": [{"key": "{{ request.operation }}", "operator": "NotEquals", "value": "DELETE"}]}
LABELLED = {"all": [{"key": "{{ request.object.metadata.labels.verify || '' }}", "operator": "Equals", "value": "yes"}]}
VERIFIED = {
    "whole": ("pass", [checked()]),
    "audited here": ("fail", [checked({**OVER, "validationFailureAction": "Enforce"}, failureAction="")]),
    "enforced here alone": ("pass", [checked(ONLY, failureAction="")]),
    "its own action stands above": ("pass", [checked(OVER)]),
    "not on deletion": ("pass", [checked(rule={"preconditions": ALWAYS})]),
    "for a label alone": ("fail", [checked(rule={"preconditions": LABELLED})]),
    "nobody attests": ("fail", [checked(attestors=[])]),
    "newer": ("pass", [newer()]),
    "newer, for a label alone": ("fail", [newer(matchConditions=[{"name": "l", "expression": "object.metadata.name == 'other'"}])]),
    "newer, excepted": ("fail", [newer(), let_off("true")]),
    "newer, another excepted": ("pass", [newer(), let_off("true", policy="other")]),
    "newer, excepted elsewhere": ("pass", [newer(), let_off("object.metadata.namespace == 'web'")]),
}


@pytest.mark.parametrize("name", VERIFIED)
def test_an_image_is_verified_where_the_check_is_enforced_and_asked(tmp_path: Path, name: str) -> None:
    verdict, made = VERIFIED[name]
    rules = ["kubernetes.admission.running_images_signed"]
    found = said(tmp_path, *KYVERNO_CRDS, IMAGE_CRD, NEW, KYVERNO, SERVER, space("shop"), pod("web", "shop"), *made, rules=rules)
    assert {answer for answer, _ in found.values()} == {verdict}


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("reason", "pass"),
        ("acme.io/owner", "pass"),
        ("team", "pass"),
        ("contact", "pass"),
        ("objectset.rio.cattle.io/owner-name", "fail"),
        ("steam", "fail"),
        ("issuer", "fail"),
        ("app", "fail"),
    ],
)
def test_an_exception_says_why_where_people_wrote_so(tmp_path: Path, key: str, verdict: str) -> None:
    made = excepted(NAMED)
    made["metadata"] = {**made["metadata"], "annotations": {key: "x"}}
    rule = "kubernetes.kyverno.exceptions_say_why"
    found = said(tmp_path, OLD, SERVER, space("shop"), made, rules=[rule])
    assert {answer for answer, _ in found.values()} == {verdict}
