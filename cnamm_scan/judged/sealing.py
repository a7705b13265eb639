"""From what was collected to a sealed bundle: judged, scored, written down, and told as a judged scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cnamm_scan.engine.collect import Collected, TargetCollected
from cnamm_scan.engine.judge import judge_and_write
from cnamm_scan.engine.load import Facts, open_store
from cnamm_scan.engine.made import Makers
from cnamm_scan.engine.plan import Plan
from cnamm_scan.evidence.bundle import BundleWriter, open_bundle, tool
from cnamm_scan.evidence.canonical import utc
from cnamm_scan.judged.scan import Scan, of_bundle
from cnamm_scan.judged.scoring import scored, unselected, write_scores
from cnamm_scan.model import JUDGING_MODEL, SCORING_MODEL, Target
from cnamm_scan.model.old import DEFAULT_MAX_AGE, seconds
from cnamm_scan.providers.catalog import makers
from cnamm_scan.stopping import Stopping


def judge_and_seal(
    plan: Plan,
    writer: BundleWriter,
    collected: Sequence[Collected],
    started: datetime,
    *,
    stopping: Stopping,
    interrupted: bool = False,
    max_age: timedelta = DEFAULT_MAX_AGE,
) -> Scan:
    """Judge what was collected and seal it. Who wants it to end while it judges gets what is there: other rules are unknown.

    What was cut short before it is judged whole: that costs little, and is what it was collected for.
    """
    before = stopping.wanted
    of_targets = [each for done in collected for each in done.targets]
    targets = [each.target for each in of_targets]
    regions = {each.target.id: each.regions for each in of_targets}
    asked = plan.describe()
    with open_store(
        plan.content,
        plan.read_tables,
        Facts(started, writer.settle(), asked, regions, targets, max_age),
        Makers(makers(), targets, writer.made),
    ) as store:
        tallies, done = judge_and_write(plan.content, store, plan.rules, targets, writer, wanted=lambda: stopping.wanted and not before)
        judged = scored(plan.content, [*tallies, *unselected(plan.content, done, targets)], targets)
        write_scores(writer, judged)
        account = {
            "id": writer.scan_id,
            "started_at": utc(started),
            "finished_at": utc(datetime.now(UTC)),
            "interrupted": interrupted or stopping.wanted,
            "targets": [_target(each) for each in of_targets],
            **_shared(collected),
            "content": {"version": plan.content.version, "sha256": plan.content.sha256},
            "judging": JUDGING_MODEL,
            "method": SCORING_MODEL,
            "max_age": seconds(max_age),
            "tool": tool(),
            **({"owner_tags": list(writer.owner_tags.keys)} if writer.owner_tags.keys else {}),
        }
        for table, told in asked.items():
            writer.entry("asked", table, told)
        path = writer.finish(plan.content, {"scan": account, "plan": {"rules": done}})
    # the store held only what the rules read; a query loads every table of the bundle
    found = of_bundle(judged, account, open_bundle(path, trusted=True))
    found.compiled = plan.rules
    found.interrupted = (
        found.interrupted or stopping.wanted
    )  # a signal while it was sealed: nothing is missing, and whoever sent it is told
    return found


def about(scan: str, started: datetime, plan: Plan, targets: Sequence[Target], said: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest will say, as far as it is known when the scan begins, and what a person `said` about the plan."""
    return {
        "scan": {
            "id": scan,
            "started_at": utc(started),
            "targets": [_named(each) for each in targets],
            "content": {"version": plan.content.version, "sha256": plan.content.sha256},
            "judging": JUDGING_MODEL,
            "method": SCORING_MODEL,
            "tool": tool(),
        },
        "plan": {"rules": list(plan.rule_ids), "tables": plan.describe(), **said},
    }


def _target(done: TargetCollected) -> dict[str, Any]:
    """What a manifest says of a target."""
    return {
        **_named(done.target),
        "regions": [{"name": r.name, "state": r.state, "seen": r.seen, "opt_in": r.opt_in} for r in done.regions],
        "calls": done.calls,
        "retries": done.retries,
    }


def _named(target: Target) -> dict[str, Any]:
    """Which target it is: all that is known of it when a scan begins."""
    return {
        "id": target.id,
        "provider": target.provider,
        "name": target.name,
        "identity": target.identity,
        **({"scope": dict(target.scope)} if target.scope else {}),
        **({"label": target.label} if target.label else {}),
    }


def _shared(collected: Sequence[Collected]) -> dict[str, Any]:
    """The calls that were made once for all targets of a connection, which no target's own count holds; nothing where there were none."""
    shared = [
        {"targets": [each.target.id for each in done.targets], "calls": done.calls, "retries": done.retries}
        for done in collected
        if done.calls
    ]
    return {"shared": shared} if shared else {}
