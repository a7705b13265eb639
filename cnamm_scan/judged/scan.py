"""The judged scan: results, scores and facts of one scan, whether it just ended or comes out of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from cnamm_scan.content import ENGINE_TABLES
from cnamm_scan.errors import BundleError, UsageError, did_you_mean
from cnamm_scan.evidence.bundle import Bundle
from cnamm_scan.judged.places import Beside, Owners, are_written, places
from cnamm_scan.judged.refusals import Refusals
from cnamm_scan.judged.scoring import Judged, scored, standing
from cnamm_scan.model import (
    FIRST_JUDGING,
    GHOST_PART,
    SCORING_MODEL,
    Content,
    Coverage,
    ModelScore,
    Place,
    Reason,
    Result,
    ResultBlock,
    Roadmap,
    Tally,
    Target,
    Verdict,
)
from cnamm_scan.providers.catalog import KINDS

if TYPE_CHECKING:
    from cnamm_scan.engine.evaluate import CompiledRule
    from cnamm_scan.engine.load import Facts
    from cnamm_scan.engine.made import Makers
    from cnamm_scan.engine.store import Store

VerdictName = Literal["pass", "fail", "unknown", "not_applicable", "error"]
"""A verdict as text: Verdict.FAIL is 'fail'."""
Blocks = Callable[[frozenset[Verdict], str | None, bool], Iterator[ResultBlock]]
"""(verdicts, all if empty; a rule or all; whether each resource is named) -> blocks of results."""


@dataclass(repr=False)
class Scan:
    """A scan that has been judged: its results, scores and facts. A context manager: `close` gives its memory back."""

    content: Content
    scan: Mapping[str, Any]
    """The manifest's account: id, times, targets, content, method, tool."""
    targets: Sequence[Target]
    tallies: Sequence[Tally]
    models: Sequence[ModelScore]
    roadmaps: Mapping[str, Roadmap]
    coverage: Sequence[Coverage]
    path: Path | None = None
    """The bundle, when it was kept."""
    bundle: Bundle | None = None
    interrupted: bool = False
    compiled: Sequence[CompiledRule] = field(default=(), repr=False)
    """The rules that were judged, where they are at hand."""
    judged_blocks: Blocks | None = field(default=None, repr=False)
    """Where its results come from; None: from its bundle."""
    reporter: Callable[[Scan], dict[str, Any]] | None = field(default=None, repr=False)
    """Makes its report: handed in, since reports are a floor above."""
    makers: Makers | None = field(default=None, repr=False)
    """What makes the tables that no listing fills, when its facts are loaded."""
    stack: ExitStack = field(default_factory=ExitStack, repr=False)
    """What goes when the scan is closed: memory, spill space, a temporary bundle."""
    method: str = SCORING_MODEL
    """How its scores were made."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Target -> what it weighs in the whole; 1 where it is not named."""
    _by_target: Mapping[str, Sequence[Tally]] | None = field(default=None, repr=False)
    _store: Store | None = field(default=None, repr=False)
    _places: Beside[Place] | None = field(default=None, repr=False)
    _owners: Owners | None = field(default=None, repr=False)
    _refusals: Refusals | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """Its score, what was scanned and how much was found, on one line."""
        low_high = "N/A"
        for model in self.models[:1]:
            if model.interval is not None and model.interval.coverage:
                low_high = f"{float(model.interval.low):.2f} … {float(model.interval.high):.2f} of 5"
        names = [target.id for target in self.targets]
        targets = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        failed = sum(tally.fail for tally in self.tallies)
        rules = len({tally.rule for tally in self.tallies if tally.judged or tally.not_applicable})
        return f"<{type(self).__name__} {self.scan.get('id', '')} of {targets}: {low_high}, {rules} rules, {failed} findings>"

    @property
    def started_at(self) -> datetime:
        """When it began, in UTC: the only clock that its rules had."""
        return datetime.fromisoformat(self.scan["started_at"])

    @property
    def finished_at(self) -> datetime:
        """When it ended, in UTC."""
        return datetime.fromisoformat(self.scan["finished_at"])

    def results(self, *verdicts: Verdict | VerdictName, rule: str | None = None) -> Iterator[Result]:
        """What each rule said about each resource; all, or those of some verdicts or of one rule. Raises UsageError for what is neither."""
        blocks = self.blocks(*verdicts, rule=rule)
        return (result for block in blocks for result in self.expand(block))

    def expand(self, block: ResultBlock) -> Iterator[Result]:
        """The results of a block, one for each resource."""
        from cnamm_scan.engine.evaluate import expand_block

        why = ""
        if block.verdict is Verdict.UNKNOWN and block.reason not in (Reason.NOT_IN_ANSWER, Reason.STALE):
            refusals = self._refusals = self._refusals or Refusals(self)
            why = refusals.of(block)
        found = expand_block(self.content, block, why)
        if self.bundle is None:
            return found
        if are_written(self.targets):
            written = self._places = self._places or places(self.bundle, self.content)
            found = (replace(result, place=written.of(result, block.table)) for result in found)
        if self.scan.get("owner_tags"):
            owners = self._owners = self._owners or Owners(self.bundle, self.content)
            found = (replace(result, owner=owners.of(result, block.table)) for result in found)
        return found

    def blocks(self, *verdicts: Verdict | VerdictName, rule: str | None = None, named: bool = True) -> Iterator[ResultBlock]:
        """As `results`, several resources that a rule said the same of at a time; without `named` some only say how many there are."""
        wanted = frozenset(map(verdict_of, verdicts))
        rule = rule and self.content.now_called(rule)
        if rule is not None and rule not in self.content.rules:
            raise UsageError(f"no rule '{rule}'", do=did_you_mean(rule, self.content.rules))
        if self.judged_blocks is not None:
            return self.judged_blocks(wanted, rule, named)
        return iter(()) if self.bundle is None else self.bundle.results(wanted, rule, named=named)

    def score(self, function: str | None = None, model: str = "cnamm") -> tuple[float, float, float] | None:
        """(low, high, coverage) of a function, or of the whole model; None where it is N/A."""
        scored = next((each for each in self.models if each.id == model), None)
        if scored is None:
            raise UsageError(f"no model '{model}'", do=did_you_mean(model, [each.id for each in self.models]))
        interval = scored.interval
        if function is not None:
            found = next((each for each in scored.functions if each.id == function), None)
            if found is None:
                raise UsageError(f"no function '{function}'", do=did_you_mean(function, [each.id for each in scored.functions]))
            interval = found.interval
        return None if interval is None else (float(interval.low), float(interval.high), float(interval.coverage))

    def report(self) -> dict[str, Any]:
        """The JSON report, schema `cnamm-scan/report/1`."""
        if self.reporter is None:
            raise UsageError("nothing makes reports of this scan", do="take one from scan, evaluate or load_bundle")
        return self.reporter(self)

    def models_of(self, target: Target) -> list[ModelScore]:
        """The scores of one target by itself, by the method of the whole."""
        if len(self.targets) == 1:
            return list(self.models)
        if self._by_target is None:
            found: dict[str, list[Tally]] = {}
            for tally in self.tallies:
                found.setdefault(tally.target, []).append(tally)
            self._by_target = found
        return list(scored(self.content, self._by_target.get(target.id, ()), [target], self.method, ways=False).models)

    def label(self, target: Target) -> str:
        """A target as people call it: what kind it is of, its name, and what it is called besides."""
        kind = KINDS.get(target.provider)
        called = f" ({target.label})" if target.label and target.label != target.name else ""
        return f"{kind.label if kind is not None else target.provider} {target.name}{called}"

    def rights(self, line: Coverage) -> tuple[str, ...]:
        """What a caller must hold for a planned call, or did not where the refusal says that."""
        if (refused := self.refused(line.target, line.code)) and Reason.DENIED in line.gaps:
            return refused
        table = self.content.tables.get(line.table)
        call = None if table is None else table.then.get(line.part) if line.part != GHOST_PART else table.list
        return call.needs if call is not None else ()

    def refused(self, target: str, code: str) -> tuple[str, ...]:
        """The rights that a code of refusal is of, whatever was asked for; none: those of what was asked for."""
        kind = KINDS.get(target.partition(":")[0])
        return kind.rights.by_code.get(code, ()) if kind is not None else ()

    def enabling(self, target: str) -> str:
        """What turns on an API or a service that is off in a target; empty for a provider that nobody knows any more."""
        kind = KINDS.get(target.partition(":")[0])
        return kind.enabling if kind is not None else ""

    def granted_elsewhere(self, target: str) -> Mapping[str, str]:
        """Rights that no document of the provider gives -> how they are granted."""
        kind = KINDS.get(target.partition(":")[0])
        return kind.rights.elsewhere if kind is not None else {}

    def standing(self) -> frozenset[str]:
        """The tables with a row in every target, which count in no target's weight."""
        return standing(self.content)

    def unknown_rules(self) -> dict[str, set[str]]:
        """Table -> the rules that were run, have unknowns and read it, straight or through a view."""
        from cnamm_scan.engine.plan import compile_rules, tables_of

        unknown = {tally.rule for tally in self.tallies if tally.unknown or tally.error}
        rules: Iterable[CompiledRule] = self.compiled
        if not rules and self.bundle is not None:
            run = unknown & set(self.bundle.manifest["plan"]["rules"])
            rules = compile_rules(self.content, [rule for rule in self.content.rules.values() if rule.id in run])
        found: dict[str, set[str]] = {}
        for rule in rules:
            if rule.rule.id in unknown:
                for table in tables_of(self.content, rule):
                    found.setdefault(table, set()).add(rule.rule.id)
        return found

    def query(self, sql: str) -> list[dict[str, Any]]:
        """One SELECT over the fact tables and `results`, `scores` and `coverage`, sandboxed; or SHOW TABLES.

        Raises UsageError for SQL that does not bind, StoreError for what breaks on the way.
        """
        from cnamm_scan.judged.queries import as_dicts

        return as_dicts(*self.query_table(sql))

    def query_table(self, sql: str, seconds: float | None = None) -> tuple[list[str], Iterator[tuple[Any, ...]]]:
        """As `query`: column names, and rows as a stream. Raises BoundError after so many seconds of work (None: 60)."""
        from cnamm_scan.judged.queries import query_table

        return query_table(self, sql, seconds)

    def store(self, tables: Iterable[str] | None = None) -> Store:
        """The loaded fact tables: those that are named and what they are made from, or all."""
        everything = {*self.content.tables, *self.content.views, *ENGINE_TABLES}
        wanted = everything if tables is None else set(tables)
        if self._store is None or not wanted <= self._store.tables:
            if self.bundle is None:
                raise BundleError("the scan has no facts at hand", do="load its bundle")
            from cnamm_scan.engine.load import open_store
            from cnamm_scan.engine.made import Makers

            if self._store is not None:  # whoever asks for a second one will ask for a third; rows of the first may still be read
                wanted = everything
            self._store = self.stack.enter_context(
                open_store(
                    self.content,
                    wanted,
                    facts_of(self.bundle, self.targets, max_age_of(self.scan)),
                    self.makers or Makers({}, self.targets),
                )
            )
        return self._store

    def close(self) -> None:
        """Give memory, spill space and temporary bundles back."""
        self.stack.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()


def verdict_of(name: str) -> Verdict:
    """A verdict by its name. Raises UsageError with the nearest: `failed` is none."""
    known = [verdict.value for verdict in Verdict]
    if name not in known:
        raise UsageError(f"no verdict '{name}'", do=did_you_mean(name, known))
    return Verdict(name)


def of_bundle(judged: Judged, account: Mapping[str, Any], bundle: Bundle) -> Scan:
    """A judged scan with its bundle: `account` is the manifest's."""
    return Scan(
        content=judged.content,
        scan={"judging": FIRST_JUDGING, **account, "method": judged.method},
        targets=judged.targets,
        tallies=judged.tallies,
        models=judged.models,
        roadmaps=judged.roadmaps,
        coverage=[Coverage(**{name: line[name] for name in Coverage.__slots__ if name in line}) for line in bundle.entries("coverage")],
        path=bundle.path,
        bundle=bundle,
        interrupted=bool(account.get("interrupted")),
        method=judged.method,
        weights=judged.weights,
    )


def max_age_of(account: Mapping[str, Any]) -> timedelta | None:
    """How old a fact might be for a scan to judge it, by its account; None: that was not asked then."""
    said = account.get("max_age")
    return None if said is None else timedelta(seconds=said)


def facts_of(bundle: Bundle, targets: Sequence[Target], max_age: timedelta | None = None) -> Facts:
    """A bundle's facts as a store takes them. `targets` are the bundle's, whatever was said of them since."""
    from cnamm_scan.engine.load import Facts

    return Facts(
        started=datetime.fromisoformat(bundle.scan["started_at"]),
        stored=bundle.facts(),
        collected=bundle.asked(),
        regions=bundle.regions(),
        targets=targets,
        max_age=max_age,
    )
