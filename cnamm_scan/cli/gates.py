"""Gates: what a pipeline stops on. They look at what was selected, and one that nothing was judged under says so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from cnamm_scan.errors import CoverageError, GateError
from cnamm_scan.model import Interval, Severity, Tally

if TYPE_CHECKING:
    from cnamm_scan.api import Scan

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Gates(NamedTuple):
    """What was asked of a scan."""

    fail_under: float | None = None
    fail_on: str | None = None
    min_coverage: float | None = None


class Measured(NamedTuple):
    """Something that a gate is held against."""

    title: str
    interval: Interval | None
    coverage: float | None
    """In percent; None where nothing that it concerns was found."""


def check_gates(scan: Scan, asked: Gates, *, functions: Collection[str] = (), rules: Sequence[str] = ()) -> None:
    """Raise CoverageError or GateError when a gate is missed. Too little seen comes first: a gate on it would mean nothing.

    With `functions` each of them is held against the gates instead of the whole, with `rules` what these rules could see. A gate that
    nothing was judged under is said to be one; where a coverage is asked for as well, it is missed.
    """
    from cnamm_scan.judged.narrowed import named_rules, only

    scan = only(scan, functions)
    tallies = list(scan.tallies)
    if rules:
        selected = named_rules(scan.content, rules)
        tallies = [tally for tally in tallies if tally.rule in selected]
    empty = _nothing_under(scan, tallies, asked)
    if empty and asked.min_coverage is not None:
        raise CoverageError(empty, where="--min-coverage", do="see 'Could not be seen', or take the gate away")
    for each in _covered(scan, functions, rules):
        _check_coverage(each, asked.min_coverage)
    for each in _measured(scan, functions):
        _check_score(each, asked.fail_under, of_rules=bool(rules))
    _check_findings(scan, tallies, asked.fail_on)
    if empty:
        click.echo(f"{empty}: it is met because nothing could be seen", err=True)


def _measured(scan: Scan, functions: Collection[str]) -> Iterator[Measured]:
    """The scores that gates look at: each selected function, or each model."""
    for model in scan.models:
        for each in model.functions if functions else (model,):
            seen = each.interval
            yield Measured(each.title, seen, float(seen.coverage) * 100 if seen else None)


def _covered(scan: Scan, functions: Collection[str], rules: Sequence[str]) -> Iterator[Measured]:
    """The same for coverage: of a few rules it is theirs, since in a model nearly all was left out."""
    if not rules:
        yield from _measured(scan, functions)
        return
    from cnamm_scan.judged.narrowed import named_rules, share_seen

    share = share_seen(scan, named_rules(scan.content, rules))
    yield Measured("the selected rules", None, None if share is None else share * 100)


def _check_coverage(measured: Measured, least: float | None) -> None:
    if least is None or (measured.coverage or 0.0) >= least:
        return
    found = "N/A, nothing that it concerns was found" if measured.coverage is None else f"{int(measured.coverage * 10) / 10:.1f} %"
    raise CoverageError(
        f"coverage is {found}, expected at least {least:g} %",
        where=measured.title,
        do="see 'Could not be seen', or run: cnamm-scan plan TARGET --preflight",
    )


def _check_score(measured: Measured, least: float | None, *, of_rules: bool) -> None:
    interval = measured.interval
    if least is None or (interval is not None and float(interval.low) >= least):
        return
    # rounded down: a gate is not missed by what it asks for
    got = f"{int(interval.low * 100) / 100:.2f}" if interval is not None and interval.coverage else "N/A"
    do = "a few rules make no score: gate on --fail-on, or select with --function" if of_rules else "see 'Do first'"
    raise GateError(f"the score's low bound is {got}, expected at least {least:g}", where=measured.title, do=do)


def _check_findings(scan: Scan, tallies: Sequence[Tally], severity: str | None) -> None:
    if severity is None:
        return
    found: dict[str, int] = {}
    for tally in _as_bad(scan, tallies, severity):
        if tally.fail:
            found[tally.rule] = found.get(tally.rule, 0) + tally.fail
    if found:
        raise GateError(
            f"{sum(found.values())} finding(s) of severity {severity} or worse",
            where=", ".join(sorted(found)[:3]) + (" …" if len(found) > 3 else ""),
            do="see the findings",
        )


def _as_bad(scan: Scan, tallies: Sequence[Tally], severity: str) -> list[Tally]:
    worst, rules = Severity(severity).rank, scan.content.rules
    return [each for each in tallies if each.rule in rules and rules[each.rule].severity.rank <= worst]


def _nothing_under(scan: Scan, tallies: Sequence[Tally], asked: Gates) -> str:
    """What to say of a gate under which no rule has given a verdict; empty where one has, or nothing concerns them."""
    under = [(f"--fail-under {asked.fail_under:g}", list(tallies))] if asked.fail_under is not None else []
    if asked.fail_on is not None:
        under.append((f"--fail-on {asked.fail_on}", _as_bad(scan, tallies, asked.fail_on) or list(tallies)))
    for gate, own in under:
        if any(each.unknown or each.error for each in own) and not any(each.pass_ or each.fail for each in own):
            return f"nothing was judged under the gate {gate}"
    return ""
