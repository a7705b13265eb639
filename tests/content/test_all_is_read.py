"""What ships is read: a table or view that no rule rests on costs calls, a page and belief, and nobody notices when it breaks.

`content lint` does not ask this: a pack begins with a table that has no rule yet, and may hold tables for `query` alone.
"""

from __future__ import annotations

from cnamm_scan import content as reader
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.engine.select import read_view
from cnamm_scan.providers.catalog import KINDS

WAITING = {"aws.backup.framework", "kubernetes.argo_rollouts.analysis_template", "kubernetes.capsule.tenant", "kubernetes.falco.falco"}
"""Tables that no rule reads yet. None comes to them."""


def test_every_table_and_view_is_read_by_a_rule() -> None:
    content = reader.load()
    opted = frozenset(table.opt_in for table in content.tables.values() if table.opt_in is not None)
    plan = make_plan(content, Selection(opted=opted), KINDS)
    read: set[str] = set()
    waiting = set(plan.read_tables)
    while waiting:
        name = waiting.pop()
        read.add(name)
        if name in content.views:
            waiting |= read_view(content, name).tables - read
    assert {*content.tables, *content.views} - plan.tables.keys() - read == WAITING
