"""What a service of Google Cloud runs for itself is asked of nobody else."""

from __future__ import annotations

import re

from cnamm_scan import content as reader
from cnamm_scan.content import columns_of

CONTENT = reader.load([])
RULES = [rule for rule in CONTENT.rules.values() if rule.provider == "gcp"]
OF_AUTOPILOT = {
    "gcp.container.nodes_are_private": "the cluster says so, of Autopilot too",
    "gcp.container.nodes_have_own_account": "the account of an Autopilot cluster is the customer's choice",
}
"""Rules over node pools that are asked of Autopilot too, and why."""


def test_rules_leave_out_machines_that_a_service_runs() -> None:
    over = {rule.id for rule in RULES if rule.for_each.startswith("gcp.compute.") and "is_operated" in columns_of(CONTENT, rule.for_each)}
    assert over
    left_out = {rule.id for rule in RULES if rule.id in over and re.search(r"NOT is_operated\b", rule.where or "")}
    assert over == left_out


def test_rules_leave_out_node_pools_that_google_runs() -> None:
    over = {rule.id for rule in RULES if rule.for_each == "gcp.container.node_pool"}
    left_out = {rule.id for rule in RULES if re.search(r"NOT is_autopilot\b", rule.where or "")}
    assert over - left_out == set(OF_AUTOPILOT)
