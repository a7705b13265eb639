"""Bundles as they are found: one that was sealed, or what a killed scan has left, which is sealed first; and the method that is in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cnamm_scan import content as reader
from cnamm_scan.engine.collect import Collected, TargetCollected
from cnamm_scan.engine.plan import Selection, make_plan
from cnamm_scan.engine.unfinished import darken
from cnamm_scan.errors import BundleError, ContentError
from cnamm_scan.evidence import recover
from cnamm_scan.evidence.bundle import Bundle
from cnamm_scan.judged.scoring import METHODS
from cnamm_scan.judged.sealing import judge_and_seal
from cnamm_scan.model import ESTATE_TABLE, FIRST_SCORING, Content, Region
from cnamm_scan.providers.catalog import KINDS
from cnamm_scan.providers.interface import Unread
from cnamm_scan.stopping import Stopping


def sealed(path: Path) -> Path:
    """The bundle itself; of what a killed scan has left, the one that it becomes: judged by its own method, interrupted."""
    if not recover.is_partial(path):
        return path
    named = recover.finished(path)
    if named is not None:
        return named
    with recover.take_up(path) as left:
        rules, parameters, opted = left.plan
        with own_method(path):
            whole = reader.load_files(left.method())
            plan = make_plan(whole, Selection(tuple(rules), (), parameters, opted), {target.provider for target in left.targets()})
        plan = plan.without({table: Unread("", paths=paths) for table, paths in left.unsupported.items()})
        writer = left.writer()
        try:
            seen = left.pour(writer, {ESTATE_TABLE, *reader.ENGINE_TABLES})
            targets = [target for target in left.targets() if target.id in left.ended or target.id in seen] or left.targets()[:1]
            collected = []
            for target in targets:
                ended = left.ended.get(target.id)
                kind = KINDS.get(target.provider)
                if ended is None:
                    regions = tuple(Region(name, None) for name in sorted(seen.get(target.id, set()) - {"global"}))
                    darken(plan, target, kind.region_table if kind else None, regions, writer)
                    collected.append(TargetCollected(target, regions, 0, 0))
                else:
                    collected.append(TargetCollected(target, ended.regions, ended.calls, ended.retries))
            started = datetime.fromisoformat(left.started_at)
            with Stopping() as stopping:
                made = [Collected(tuple(collected), 0, 0)]
                judge_and_seal(plan, writer, made, started, stopping=stopping, interrupted=True, max_age=left.max_age).close()
        except BaseException:
            writer.abandon(keep=False)  # what it was made from stands beside it
            raise
        left.remove()
    return writer.path


@contextmanager
def own_method(path: Path) -> Iterator[None]:
    """Where a bundle's own content is read or compiled: that it is wrong is the bundle's fault. Raises BundleError."""
    try:
        yield
    except ContentError as error:
        what = f"the bundle's method does not validate: {(error.problems or (error,))[0].what}"
        raise BundleError(what, where=str(path), do="judge by what is installed: cnamm-scan evaluate BUNDLE --installed") from error


def method(files: Mapping[str, bytes], path: Path) -> Content:
    """The content of a bundle. Raises BundleError."""
    with own_method(path):
        return reader.load_files(files)


def refuse_unknown_rules(bundle: Bundle, content: Content, rules: Iterable[str]) -> None:
    """Every rule that a bundle speaks of is one of its method's. Raises BundleError."""
    for rule in rules:
        if rule not in content.rules:
            what = f"the bundle speaks of the rule '{rule}', which its method does not have"
            raise BundleError(what, where=str(bundle.path), do="do not trust it; take another copy")


def scoring(bundle: Bundle) -> str:
    """The method that a bundle was scored by. Raises BundleError for one that is not known here."""
    named = bundle.scan.get("method", FIRST_SCORING)
    if named not in METHODS:
        what = f"the bundle was scored by '{named}', which this version does not know"
        raise BundleError(what, where=str(bundle.path), do="take a newer cnamm-scan, or score it anew: cnamm-scan evaluate BUNDLE")
    return str(named)
