"""What the Kubernetes content promises as a whole: levels, traces, benchmarks, and that its documents say what is so."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from cnamm_scan import api
from cnamm_scan import content as reader
from cnamm_scan.content import columns_of
from cnamm_scan.model import LEVEL_NAMES, Content, Rule, Verdict
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.report.pages import benchmarks, pages

DOCS = Path(__file__).parent.parent / "docs"
CIS = "CIS Kubernetes Benchmark 1.11.1"
GUIDE = "NSA/CISA Kubernetes Hardening Guide 1.2"
PSS = "Pod Security Standards"

UNJUDGED_LEVELS: dict[tuple[str, int], str] = {}
"""(function, level) where no rule of a cluster can be -> why. There is none: every function has rules at every level."""

# https://kubernetes.io/docs/concepts/security/pod-security-standards/
CONTROLS = {
    "baseline": (
        "HostProcess",
        "Host Namespaces",
        "Privileged Containers",
        "Capabilities",
        "HostPath Volumes",
        "Host Ports",
        "Host Probes / Lifecycle Hooks",
        "AppArmor",
        "SELinux",
        "/proc Mount Type",
        "Seccomp",
        "Sysctls",
    ),
    "restricted": (
        "Volume Types",
        "Privilege Escalation",
        "Running as Non-root",
        "Running as Non-root user",
        "Seccomp",
        "Capabilities",
    ),
}

CIS_ITEMS = {
    "1.1": 21,
    "1.2": 30,
    "1.3": 7,
    "1.4": 2,
    "2": 7,
    "3.1": 3,
    "3.2": 2,
    "4.1": 10,
    "4.2": 15,
    "4.3": 1,
    "5.1": 13,
    "5.2": 13,
    "5.3": 2,
    "5.4": 2,
    "5.5": 1,
    "5.6": 4,
}
"""Section -> how many items it has, numbered from 1."""

# objectives at levels 3 to 5 that the catalogue of objectives flags with `trace: true`: what happened tells, not what is configured
TRACES = """
data.ai-guardrails data.api-lifecycle data.application-security-testing data.api-rate-limits
data.no-database-passwords data.customer-managed-keys data.confidential-computing data.secrets-rotate detection.automated-containment
detection.attack-simulation detection.exploited-first detection.time-to-remediate
detection.custom-detections detection.incident-playbooks detection.vulnerabilities-fixed-in-time
detection.tamper-proof identity.access-reviews identity.self-correcting
identity.lifecycle identity.short-lived-credentials identity.keyless-workloads identity.no-standing-privilege
identity.just-in-time-access platform.changes-by-pipeline platform.drift-corrected platform.ephemeral-environments
platform.findings-remediated platform.uniform-fleet platform.automatic-patching platform.auto-remediation
platform.no-regression platform.policy-as-code platform.insecure-templates-refused resilience.automatic-rollback
resilience.autoscaling resilience.cost-anomalies resilience.error-budgets resilience.failover-tests
resilience.chaos-engineering resilience.quotas-monitored resilience.no-idle-resources resilience.recovery-continuously-verified
resilience.progressive-delivery resilience.restore-tests resilience.cost-optimization
runtime.container-runtime-security runtime.container-threats-answered runtime.functions-auto-updated
runtime.functions-scanned runtime.learned-profiles runtime.adversary-emulation
runtime.immutable-infrastructure runtime.admission-control strategy.account-vending strategy.delegated-administration
strategy.exceptions-expire strategy.sandboxes strategy.guardrails-adapt strategy.guardrails-as-code
strategy.noncompliance-short-lived strategy.compliance-evidence strategy.progress-measured supply-chain.compute-replaced
supply-chain.base-images-rebuilt supply-chain.no-standing-third-party-access supply-chain.signed-releases
supply-chain.provenance
""".split()

TRACE_COLUMNS = re.compile(
    r"managers?|last_manager|managed_fields"  # who wrote
    r"|\w+_at|\w+_on|days_\w+|median_\w+_days"  # when something happened, and how long ago
    r"|sync_\w+|was_\w+|heals|self_heals|is_healed|prunes|drift_detection|changes_existing"  # what a controller did and undoes
    r"|is_enforcing|fails_closed|is_guarded|enforces?"  # what is refused, not reported
    r"|has_run|has_succeeded|has_expiry|ttl\w*|months"  # what ran, was rehearsed, or ends by itself
)
"""Columns that tell of what happened. A rule that reads one rests on a trace."""


@cache
def content() -> Content:
    return reader.load()


@cache
def rules() -> tuple[Rule, ...]:
    return tuple(rule for rule in content().rules.values() if rule.provider == "kubernetes")


def placed() -> Iterator[tuple[str, int, str]]:
    """(function, level, objective), each once."""
    for function in content().models[0].functions:
        every = ((p.level, p.objective) for practice in function.practices for p in practice.placements)
        yield from ((function.id, level, objective) for level, objective in dict.fromkeys(every))


# ---- how much, and where -------------------------------------------------------------------------------------------------


def test_there_is_as_much_as_was_promised() -> None:
    assert len([table for table in content().tables.values() if table.provider == "kubernetes"]) >= 25
    assert len(rules()) >= 90


def test_every_function_has_a_rule_at_every_level() -> None:
    judged = {rule.objective for rule in rules()}
    there = {(function, level) for function, level, objective in placed() if objective in judged}
    every = {(function.id, level) for function in content().models[0].functions for level in LEVEL_NAMES}
    assert len(every) == 8 * 5
    assert every - there == set(UNJUDGED_LEVELS)


def test_the_document_of_levels_is_exact() -> None:
    text = (DOCS / "kubernetes-levels.md").read_text()
    judged = {rule.objective for rule in rules()}
    said: dict[tuple[str, int], tuple[set[str], set[str]]] = {}
    for function in content().models[0].functions:
        section = text.split(f"## {function.title}\n", 1)[1].split("\n## ", 1)[0]
        for row in re.findall(r"^\| (\d) .*$", section, re.MULTILINE):
            cells = next(line for line in section.splitlines() if line.startswith(f"| {row} ")).split("|")
            said[function.id, int(row)] = (set(re.findall(r"`(.+?)`", cells[2])), set(re.findall(r"`(.+?)`", cells[3])))
    so: dict[tuple[str, int], tuple[set[str], set[str]]] = {}
    for name, level, objective in placed():
        so.setdefault((name, level), (set(), set()))[objective not in judged].add(objective)
    assert said == so
    reasons = re.findall(r"^\| `(.+?)` \| .+ \|$", text.split("## Why not", 1)[1], re.MULTILINE)
    assert Counter(reasons) == Counter({objective for _, _, objective in placed()} - judged)


def _columns_read(rule: Rule) -> set[str]:
    """The columns, of its own table and of those that it looks into, that the rule's text names."""
    text = f"{rule.where or ''} {rule.pass_}"
    named = {rule.for_each, *re.findall(r"kubernetes\.\w+\.\w+", text)}
    columns = {column for table in named & (content().tables.keys() | content().views.keys()) for column in columns_of(content(), table)}
    return columns & set(re.findall(r"(?<!\$)\b[a-z]\w*", text))


def test_at_least_a_third_of_what_is_advanced_rests_on_traces() -> None:
    levels = content().objectives
    advanced = {rule.objective for rule in rules() if levels[rule.objective].level >= 3}
    assert {name for name in TRACES if levels[name].level < 3} == set()
    traced = {
        rule.objective
        for rule in rules()
        if rule.objective in TRACES and any(TRACE_COLUMNS.fullmatch(column) for column in _columns_read(rule))
    }
    assert traced <= advanced
    assert 3 * len(traced) >= len(advanced), sorted(advanced - traced)


def test_a_setting_is_no_trace() -> None:
    for name in ("image", "name", "is_system", "replicas", "max_days", "host_paths", "labels", "privileged", "is_ready"):
        assert not TRACE_COLUMNS.fullmatch(name), name


# ---- no twins --------------------------------------------------------------------------------------------------------------


def test_no_objective_belongs_to_a_provider() -> None:
    """What is wanted is the same everywhere: an objective that names a provider would have a twin."""
    names = re.compile(rf"\b({'|'.join(KINDS)}|azure|gcp|eks|gke|aks|k8s)\b", re.IGNORECASE)
    for objective in content().objectives.values():
        assert not names.search(f"{objective.id} {objective.title}".replace("-", " ")), objective.id


def test_no_two_rules_say_the_same() -> None:
    said: dict[str, str] = {}
    for rule in content().rules.values():
        limits = {name: parameter.default for name, parameter in rule.parameters.items()}
        what = json.dumps([rule.for_each, rule.where, rule.pass_, limits], default=str)
        assert what not in said, f"{rule.id} and {said[what]}"
        said[what] = rule.id
    for provider in KINDS:
        names = [rule.id for rule in content().rules.values() if rule.provider == provider]
        assert not [name for name in names if any(other in name.split(".", 1)[1].split("_") for other in KINDS)], provider
    assert len({rule.title for rule in rules()}) == len(rules())


# ---- benchmarks ------------------------------------------------------------------------------------------------------------


def cited(name: str) -> set[str]:
    return set(benchmarks(content()).get(name, {}))


def test_references_have_a_known_form() -> None:
    forms = (
        r"https://[^\s]+",
        rf"{re.escape(CIS)} [1-5](\.\d+){{1,2}}",
        rf"{PSS} (baseline|restricted): .+",
        rf"{re.escape(GUIDE)}: .+",
    )
    for rule in rules():
        assert any("://" in reference for reference in rule.references), rule.id
        for reference in rule.references:
            assert any(re.fullmatch(form, reference) for form in forms), f"{rule.id}: {reference}"


def test_every_control_of_the_pod_security_standards_has_a_rule() -> None:
    for profile, controls in CONTROLS.items():
        assert cited(f"{PSS} {profile}") == set(controls)


def _every_item() -> list[str]:
    return [f"{section}.{number}" for section, count in CIS_ITEMS.items() for number in range(1, count + 1)]


def _expanded(words: str) -> Iterator[str]:
    """`1.1.1-1.1.21` -> each of them; `1.2.16` -> itself."""
    first, _, last = words.partition("-")
    section, start = first.rsplit(".", 1)
    for number in range(int(start), int((last or first).rsplit(".", 1)[1]) + 1):
        yield f"{section}.{number}"


def test_the_document_says_of_every_cis_item_what_is_seen() -> None:
    part = (DOCS / "kubernetes-benchmarks.md").read_text().split(f"## {CIS}", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([\d.-]+) \| .+? \| (.+) \|$", part, re.MULTILINE)
    seen = {item: answer for words, answer in rows for item in _expanded(words)}
    assert [item for words, _ in rows for item in _expanded(words)] == _every_item()
    by_rules = {item for item, answer in seen.items() if answer.startswith(("yes", "in part", "only with"))}
    assert {item for item in cited(CIS) if item not in seen} == set()
    assert by_rules - cited(CIS) == {"1.2.16"}  # the rule about 3.2.1 asks for more than a path
    assert cited(CIS) - by_rules == set()
    opted = {rule.id for rule in rules() if (table := content().tables.get(rule.for_each)) and table.opt_in == "kubelet_config"}
    for item, citing in benchmarks(content())[CIS].items():
        assert {rule.id in opted for rule in citing} == {seen[item].startswith("only with")}, item


def test_the_document_knows_the_sections_of_the_guide() -> None:
    part = (DOCS / "kubernetes-benchmarks.md").read_text().split(f"## {GUIDE}", 1)[1]
    rows = re.findall(r"^\| (.*?) ?\| (.*?) ?\| (.+) \|$", part, re.MULTILINE)[1:]
    sections = {section or chapter: answer for chapter, section, answer in rows}
    assert cited(GUIDE) == {name for name, answer in sections.items() if answer.startswith("yes")}


def test_the_page_of_benchmarks_names_every_rule_that_cites_one() -> None:
    page = pages(content())["benchmarks.md"]
    for name, items in benchmarks(content()).items():
        part = page.split(f"## {name}\n", 1)[1].split("\n## ", 1)[0]
        for item, citing in items.items():
            for rule in citing:
                service, _, last = rule.id.rpartition(".")
                link = f"{service.replace('.', '/')}.md#{service.replace('.', '')}{last}"
                assert f"| {item} | [{rule.id}]({link}) | {rule.title} (" in part
    order = re.findall(r"^\| (5\.1\.\d+) ", page.split("## CIS Kubernetes", 1)[1].split("\n## ", 1)[0], re.MULTILINE)
    assert order
    assert order == sorted(order, key=lambda item: int(item.split(".")[2]))
    named = "kubelet_anonymous_auth_disabled"
    assert f"| 4.2.1 | [kubernetes.core.{named}](kubernetes/core.md#kubernetescore{named}) |" in page
    assert "(critical, read only when asked for) |" in page


# ---- the guide -------------------------------------------------------------------------------------------------------------


def _example(folder: Path) -> Path:
    (text,) = re.findall(r"```yaml\n(.*?)```", (DOCS / "kubernetes.md").read_text(), re.DOTALL)
    file = folder / "scanner.yaml"
    file.write_text(text)
    return file


def test_the_nightly_scan_is_whole(tmp_path: Path) -> None:
    documents = list(yaml.safe_load_all(_example(tmp_path).read_text()))
    kinds = [document["kind"] for document in documents]
    assert kinds == ["Namespace", "ServiceAccount", "ClusterRoleBinding", "PersistentVolumeClaim", "CronJob"]
    named = {document["kind"]: document["metadata"] for document in documents}
    binding = documents[2]
    role = KINDS["kubernetes"].rights.policy(())
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]}
    account = named["ServiceAccount"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}]
    pod = documents[4]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == account["name"]
    assert {each["name"] for each in pod["containers"][0]["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    assert all(each["namespace"] == named["Namespace"]["name"] for kind, each in named.items() if kind in ("ServiceAccount", "CronJob"))


def test_the_nightly_scan_does_as_we_say(tmp_path: Path) -> None:
    """Our own example, judged by our own rules about pods: nothing but the digest of an image that is the reader's."""
    with api.scan([f"kubernetes:{_example(tmp_path)}"], rules=["kubernetes.core"], output=tmp_path / "bundles") as done:
        judged = {result.rule: result for result in done.results("fail", "pass")}
    failed = {rule for rule, result in judged.items() if result.verdict is Verdict.FAIL}
    assert failed == {"kubernetes.core.image_is_pinned_by_digest"}
    profiles = [f"{PSS} {profile}" for profile in CONTROLS]
    controls = {rule.id for name in profiles for citing in benchmarks(content())[name].values() for rule in citing}
    windows, enforced = "kubernetes.core.container_not_host_process", "kubernetes.admission.privileged_pods_refused"
    assert controls - {windows, enforced} <= judged.keys()


@pytest.mark.parametrize(("name", "least"), [("machines", 6), ("controllers", 2)])
def test_what_a_machine_is_called_is_said_in_one_way(name: str, least: int) -> None:
    """Rules about objects that come from code ask the same list of tools; those about pipelines the ones that nobody runs by hand."""
    asked = {
        rule.id: rule.parameters[name].default
        for rule in content().rules.values()
        if rule.provider == "kubernetes" and name in rule.parameters
    }
    assert len(asked) >= least
    assert len(set(asked.values())) == 1, asked


def test_rules_for_linux_ask_the_node_of_a_pod_that_says_nothing() -> None:
    """A pod that is pinned to a pool of Windows without saying so has settings of Linux that mean nothing."""
    asked = {
        rule.id: said
        for rule in content().rules.values()
        if rule.for_each in ("kubernetes.core.container", "kubernetes.core.pod")
        and "os <> 'windows'" in (said := f"{rule.where} {rule.pass_}")
    }
    assert len(asked) >= 12
    assert [name for name, said in asked.items() if "pinned_to" not in said] == []
