"""What means one thing everywhere is said once: content compares no network and no port number as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from cnamm_scan import content as reader
from cnamm_scan.content.tables import columns_of
from cnamm_scan.providers.kubernetes.made.network import ENFORCES

NETWORK = re.compile(r"\d+\.\d+\.\d+\.\d+/\d|::/\d|['\"]/\[0|\[(?:0-9|\\d)\\?\.\]\+\(?[/:$]")
_COMMON = "22|3389|3306|5432|6379|27017"
PORTS = re.compile(rf"'(?:{_COMMON}|23|445|1433|5601|9200|9092|11211|2375|10250)'|\b(?:{_COMMON}) BETWEEN\b")
DOOR_ANNOTATIONS = "aws-load-balancer-internal"


def expressions() -> Iterator[tuple[str, str]]:
    """(where it stands, text) of all that decides."""
    content = reader.load()
    for rule in content.rules.values():
        yield rule.id, f"{rule.pass_} {rule.where or ''}"
    for table in content.tables.values():
        yield from ((f"{table.id}.{name}", column.is_ or "") for name, column in table.columns.items())
    for view in content.views.values():
        yield view.id, view.select


def test_no_network_is_compared_as_text() -> None:
    found = [(where, match.group()) for where, text in expressions() if (match := NETWORK.search(text))]
    assert not found, "ask a view that weighs networks: see 'Open to the world' in docs/content.md"


@pytest.mark.parametrize(
    "text",
    ["cidr = '0.0.0.0/0'", "cidr LIKE '%::/0'", "NOT regexp_matches(other_side, '^[0-9.]+(/|$)')", r"regexp_matches(cidr, '^[\d.]+/')"],
)
def test_the_gate_sees_a_network_however_it_is_spelled(text: str) -> None:
    assert NETWORK.search(text)


def test_no_port_number_is_compared() -> None:
    found = [(where, match.group()) for where, text in expressions() if (match := PORTS.search(text))]
    assert not found, "ask a view by the name of a list of ports: see 'Open to the world' in docs/content.md"


def test_used_is_whether_there_ever_was_a_use_and_in_use_that_something_names_it() -> None:
    tables = reader.load().tables.values()
    used = {
        f"{table.id}.{name}" for table in tables for name, column in table.columns.items() if name.endswith("is_used") and not column.exists
    }
    assert not used, "a column is_used has exists: the moment of the last use; what is named by something else is_in_use"
    spelled = {f"{table.id}.{name}" for table in tables for name in table.columns if name in ("in_use", "is_attached", "is_unattached")}
    assert not spelled


def test_a_span_that_may_be_days_may_be_weeks_too() -> None:
    days, weeks = re.compile(r"regexp_extract\([^)]*\)d\b"), re.compile(r"regexp_extract\([^)]*\)w\b")
    found = [where for where, text in expressions() if days.search(text) and not weeks.search(text)]
    assert any(days.search(text) for _, text in expressions())
    assert not found, "controllers that heed 3d heed 1w as well"


HOME_MADE = {
    # names and values of secrets: providers/secrets
    "secret": re.compile(r"pass(?:wo?r?d|wd|phrase|_)[|)(]|api[_?-]*key[|%]|[|(](?:secret|token|credential)s?[|)]", re.IGNORECASE),
    # whose registry, pinned or moving: providers/images
    "registry": re.compile(r"docker\[?[.]\]?io[|)'/]|quay\[?[.]\]?io[|)]|ghcr\[?[.]\]?io[|)]|gcr\[?[.]\]?io[|)]", re.IGNORECASE),
    "pinned": re.compile(r"@?sha(?:256|512):\[|:latest\b", re.IGNORECASE),
    # what of its host a container reaches: providers/host_paths
    "path": re.compile(r"/var/run\b|docker\.sock|containerd\.sock|'/etc'|'/proc'|/var/lib/(?:kubelet|docker)"),
}
EXEMPT = {
    ("secret", "aws.accessanalyzer.archive_rule.names_resource"),  # kinds of resources, as an ARN says them
    ("secret", "aws.apigateway.methods_require_authorization"),  # names of doors that sign in by themselves
    ("secret", "aws.apigatewayv2.routes_require_authorization"),
    ("secret", "kubernetes.core.container.likely_cloud_keys"),  # the clouds' own names of the variables that hold their keys
    ("secret", "kubernetes.core.secret_no_database_passwords"),  # by which names a program is told of its database
    ("secret", "kubernetes.node.sensitive_pods_confidential"),  # a label's word for what is confidential
    ("secret", "kubernetes.storage.class_use"),  # the same
    ("registry", "kubernetes.aquasecurity.vulnerability_report.host"),  # a scanner's own spelling of Docker Hub
    ("registry", "kubernetes.aquasecurity.sbom_report.host"),  # the same
    ("registry", "kubernetes.rbac.third_party_not_administrator"),  # by which names makers of software publish there
    ("registry", "kubernetes.olm.operator_catalog_approved"),  # indexes of operators, which others fill; not whose images anybody may pull
    ("registry", "kubernetes.admission.running_image"),  # Sigstore's own spelling of Docker Hub
    ("registry", "kubernetes.admission.image_rule"),  # the same, in its globs
    ("registry", "kubernetes.argocd.sources_restricted"),  # hosts of repositories and charts, in the globs of Argo CD
    ("pinned", "kubernetes.apps.image_tag"),  # what a runtime says that it pulled
}


def asked() -> Iterator[tuple[str, str]]:
    """The same with the lists that rules have as parameters."""
    yield from expressions()
    for rule in reader.load().rules.values():
        yield from ((rule.id, str(parameter.default)) for parameter in rule.parameters.values())


@pytest.mark.parametrize("thing", sorted(HOME_MADE))
def test_no_rule_and_no_column_says_again_what_is_said_once(thing: str) -> None:
    found = {where for where, text in asked() if HOME_MADE[thing].search(text) and (thing, where) not in EXEMPT}
    assert not found, "read the column: see 'One meaning for each thing' in docs/content.md"


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        ("secret", "regexp_matches(lower(name), '(password|passwd|secret)[^/]*$')"),
        ("secret", "regexp_matches(name, '(PASSWORD|PASSWD|PASSPHRASE|_PASS)($|_)')"),
        ("secret", "name LIKE '%api_key%'"),
        ("registry", "regexp_matches(image, '^(docker[.]io|quay[.]io)/')"),
        ("registry", "starts_with(image, 'docker.io/')"),
        ("pinned", "regexp_matches(package, '@sha256:[0-9a-f]{64}$')"),
        ("pinned", "NOT package LIKE '%:latest'"),
        ("path", "list_has_any(host_paths, ['/', '/etc'])"),
        ("path", "list_contains(host_paths, '/var/run/docker.sock')"),
    ],
)
def test_the_gate_sees_what_was_written_before(thing: str, text: str) -> None:
    assert HOME_MADE[thing].search(text)


def test_where_a_load_balancer_stands_is_read_in_one_place() -> None:
    assert not [where for where, text in expressions() if DOOR_ANNOTATIONS in text]


def test_no_low_rule_of_aws_stands_alone_for_an_objective_of_the_first_levels() -> None:
    content = reader.load()
    levels = {name: objective.level for name, objective in content.objectives.items()}
    severities: dict[str, list[str]] = {}
    for rule in content.rules.values():
        if rule.provider == "aws":
            severities.setdefault(rule.objective, []).append(rule.severity)
    assert [name for name, found in severities.items() if levels[name] <= 2 and found == ["low"]] == []


def test_what_a_gitops_tool_leaves_on_an_object_is_asked_in_the_same_words_everywhere() -> None:
    content = reader.load()
    texts = {
        **{view.id: view.select for view in content.views.values()},
        **{rule.id: rule.pass_ for rule in content.rules.values()},
    }
    told = {name: re.sub(r"\s+", " ", text) for name, text in texts.items() if "argocd.argoproj.io/tracking-id" in text}
    marks = re.compile(r"list_has_any\(annotations, \[[^]]*tracking-id[^]]*\]\) OR regexp_matches\(CAST\(labels AS text\), '[^']*'\)")
    spelled = {name: marks.findall(text) for name, text in told.items()}
    assert {"kubernetes.apps.mark", "kubernetes.apps.origin", "kubernetes.apiextensions.change"} <= spelled.keys()
    assert {name: len(found) for name, found in spelled.items()} == {name: text.count("tracking-id") for name, text in told.items()}
    assert len({each for found in spelled.values() for each in found}) == 1


def test_the_agents_that_enforce_policies_are_the_same_to_the_view_and_to_what_weighs_policies() -> None:
    (names,) = re.findall(r"'\^\(([^)]*)\)\$'", reader.load().views["kubernetes.networking.policy_engine"].select)
    assert set(names.split("|")) - {"aws-node", "azure-cns", "kube-flannel.*"} == set(ENFORCES.pattern.split("|"))


ASKED_ALL_THE_SAME = {
    "aws.ec2.volume_encrypted": "AWS encrypts the disks of what it runs; one in the clear would be worth telling",
    "aws.ec2.no_unattached_volume": "what hangs on nothing is run by nobody",
}


def test_what_an_aws_service_runs_is_asked_of_nobody_else() -> None:
    content = reader.load()
    kept = {
        rule.id: "is_operated" in (rule.where or "")
        for rule in content.rules.values()
        if rule.provider == "aws" and "is_operated" in columns_of(content, rule.for_each)
    }
    assert len(kept) >= 20
    assert {name for name, leaves_out in kept.items() if not leaves_out} == set(ASKED_ALL_THE_SAME)


NOT_IN_A_GROUP = {
    "azure.authorization": "a role is held in the subscription, or by somebody, whichever group it is for",
    "azure.policy": "what is assigned, exempted and repaired is the customer's, wherever it stands",
    "azure.subscription.subscription": "the subscription as a whole",
    "azure.security.plan": "a plan is bought for the subscription",
    "azure.securityinsights.incident": "whoever runs what it is about, somebody must look at it",
    "azure.securityinsights.serious_incident": "the same, and how soon",
    "azure.defendercloud.alert": "whoever runs what it is about, somebody must look at it",
    "azure.management": "where the subscription stands as a whole",
    "azure.managedservices": "what people of another tenant may do, whoever runs it, the customer let them",
    "azure.accessreviews": "a review looks at who holds roles in the subscription, whichever group they are for",
    "azure.defender.account_check": "accounts, and what they may do in the subscription",
    "azure.defender.rights_check": "the same, of each identity",
    "azure.networkwatcher.flow_log": "stands with the watcher of its region; the customer made it, whichever network it is of",
    "azure.resource.group": "a group, which says itself that a service made it",
    "azure.consumption": "a budget is the subscription's",
    "azure.network.interface_exposure": "a machine that the world may sign in to is worth telling, whoever runs it",
}
"""Tables of Azure of which rules ask also what a service runs for itself, and why."""


def test_what_a_service_of_azure_runs_is_asked_of_nobody_else() -> None:
    content = reader.load()
    words = "NOT true = ANY (SELECT g.is_operated FROM azure.resource.group g WHERE g.target = this.target AND g.id = this.group_id)"
    kept = {rule.id: rule for rule in content.rules.values() if rule.provider == "azure" and words not in (rule.where or "")}
    assert len(kept) < sum(rule.provider == "azure" for rule in content.rules.values()) / 2
    asked = {rule.id for rule in kept.values() if not rule.for_each.startswith(tuple(NOT_IN_A_GROUP))}
    assert not asked, "leave out what stands in a group that a service runs, or say why not in NOT_IN_A_GROUP"
    assert all(any(rule.for_each.startswith(name) for rule in kept.values()) for name in NOT_IN_A_GROUP)


def test_the_group_of_a_thing_of_azure_is_told_from_its_id_alike_everywhere() -> None:
    told = {
        f"{table.id}.{name}": column.is_ or ""
        for table in reader.load().tables.values()
        for name, column in table.columns.items()
        if "resourcegroups" in (column.is_ or "")
    }
    form = re.compile(r"regexp_extract\([a-z_]+, '\^/subscriptions/\[\^/\]\+/resourcegroups/\[\^/\]\+'\)")
    assert len(told) >= 40
    assert [where for where, text in told.items() if not (where.endswith(".group_id") and form.fullmatch(text))] == []


def test_rules_on_who_changed_a_workload_take_the_same_names_for_hands() -> None:
    names = {
        rule.id: rule.parameters["by_hand"].default
        for rule in reader.load().rules.values()
        if rule.for_each == "kubernetes.apps.change" and "by_hand" in rule.parameters
    }
    assert len(names) >= 2
    assert len(set(names.values())) == 1


def test_a_backup_counts_for_as_long_as_it_is_young() -> None:
    looked = re.compile(r"SELECT ((?:(?!SELECT).)*?) FROM aws\.backup\.protected_resource", re.DOTALL)
    found = [(where, select) for where, text in expressions() for select in looked.findall(text)]
    assert found
    stale = {where for where, select in found if "last_backup_at" not in select and not select.endswith("resource_arn <> ''")}
    assert not stale, "what was backed up once stays listed for as long as its last recovery point: ask last_backup_at too"


def test_who_hears_an_alarm_through_another_is_asked_of_the_view() -> None:
    asking = {where for where, text in expressions() if "aws.cloudwatch.composite_alarm" in text}
    assert asking == {"aws.cloudwatch.heard_composite"}


WHOLE_ENOUGH = {
    "aws.account.guardrails_move": "what is not among the newest calls has a date of its own, or is unknown",
    "aws.detective.hunts_leave_traces": "the newest come first",
    "aws.inspector2.code_is_scanned": "what is not found is unknown anyway",
    "aws.ssm.bound_run": "its rules ask aws.ssm.executions_read",
    "aws.kms.key_policy": "a tag that is not found makes no key one for enclaves: its policy does",
    "aws.codedeploy.outcome": "a rollback that was begun and is not found is unknown",
}
"""Where a listing that stops after so many is asked for one of them, and why what it left out turns no answer."""


def test_what_a_capped_listing_left_out_makes_no_answer() -> None:
    content = reader.load()
    capped = {table.id for table in content.tables.values() if table.id.startswith("aws.") and table.list.at_most}
    assert len(capped) > 20
    names = re.compile("|".join(rf"{re.escape(each)}(?![a-z_.])" for each in sorted(capped)))
    for where, text in expressions():
        if where in content.tables or not names.search(text) or where in WHOLE_ENOUGH:
            continue
        assert re.search(r"\b(?:are|is)_cut\b|>= 5000\b", text), (
            f"{where} asks a listing that stops early: let it know nothing where it was cut"
        )
    assert WHOLE_ENOUGH.keys() <= {where for where, text in expressions() if names.search(text)} | set(content.views)


def test_where_a_view_says_that_a_listing_was_cut_it_counts_to_what_the_listing_stops_at() -> None:
    content = reader.load()
    counts = re.compile(r">= (\d+) AS (?:are|is)_cut\s+FROM ([a-z0-9_.]+)")
    found = [(where, *pair) for where, text in expressions() for pair in counts.findall(text)]
    assert len(found) > 5
    assert [each for each in found if content.tables[each[2]].list.at_most != int(each[1])] == []


LINUX_ALONE = {"allows_escalation", "apparmor", "capabilities_added", "capabilities_dropped", "proc_mount", "read_only_root", "seccomp"}
LINUX_ALONE |= {"selinux_role", "selinux_type", "selinux_user", "sysctls"}
LINUX_KUBELETS = {"makes_iptables_chains", "pod_pids_limit", "seccomp_default"}
"""Settings that have no effect on Windows, which refuses or ignores them."""


def test_what_windows_does_not_have_is_not_asked_of_it() -> None:
    asked = {
        rule.id: rule.where or ""
        for rule in reader.load().rules.values()
        if rule.for_each in ("kubernetes.core.container", "kubernetes.core.pod", "kubernetes.core.kubelet")
        and (LINUX_ALONE | LINUX_KUBELETS).intersection(re.findall(r"[a-z_]+", rule.pass_))
    }
    assert len(asked) >= 12
    assert [name for name, where in asked.items() if "os <> 'windows'" not in where] == []


def test_an_alert_and_a_probe_count_where_a_prometheus_loads_them() -> None:
    raw = re.compile(r"kubernetes[.]monitoring[.](?:rule|probe)\b")
    assert not {rule.id for rule in reader.load().rules.values() if raw.search(rule.pass_)}, (
        "ask kubernetes.monitoring.live_rule and live_probe"
    )


def test_actions_of_a_policy_are_compared_in_small_letters_and_by_what_they_list() -> None:
    """They are kept as they were written, for people; IAM compares them without case, and after NotAction they are what is left out."""
    content, asked = reader.load(), 0
    for rule in content.rules.values():
        said = [text for _, text in rule.asked if re.search(r"\bactions\b", text)]
        if not said or "actions_are_excepted" not in columns_of(content, rule.for_each):
            continue
        asked += 1
        for text in said:
            assert "lambda a: lower(a)" in text, rule.id
            assert "NOT actions_are_excepted" in text, rule.id
    assert asked


def test_no_tag_of_a_stage_is_taken_for_one_of_a_product() -> None:
    """`production` is the commonest value of a stage, and a key of its own where somebody tags by flags."""
    keys = {
        f"{rule.id}.{name}": parameter.default
        for rule in reader.load().rules.values()
        for name, parameter in rule.parameters.items()
        if name.endswith("keys") and "product" in str(parameter.default) and "regexp_full_match" not in rule.pass_
    }
    assert len(keys) >= 6
    assert [where for where, text in keys.items() if re.search(text, "[production]")] == []  # as a list is written as text
    assert [where for where, text in keys.items() if not re.search(text, "[product]")] == []
