"""What is recorded of management events: region by region from all trails that cover it, and in each event data store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cnamm_scan.model import MadeRow
from cnamm_scan.providers.aws.patterns import trails
from cnamm_scan.providers.interface import SeenRow, SeenTables

REGION, TRAIL, STORE = "aws.account.region", "aws.cloudtrail.trail", "aws.cloudtrail.event_data_store"
ACCOUNT = "aws.account.account"
_EVERYTHING: trails.Selector = ((trails.CATEGORY, "equals", ("Management",)),)


@dataclass(frozen=True, slots=True)
class _Source:
    """A trail or a store: whether it is at work, and what it chooses. None: not seen."""

    fact: str
    name: str
    is_on: bool | None
    selectors: tuple[trails.Selector, ...] | None


def _selectors(values: Mapping[str, Any]) -> tuple[trails.Selector, ...] | None:
    plain, fine = values.get("selectors"), values.get("advanced_selectors")
    return None if plain is None and fine is None else (*trails.basic(plain or ()), *trails.advanced(fine or ()))


def _kept(sources: Sequence[_Source], is_dark: bool) -> dict[str, Any]:
    """What is certain, None where a source that was not seen whole may keep more."""
    sure = trails.kept(one for each in sources if each.is_on and each.selectors is not None for one in each.selectors)
    most = trails.kept(
        one for each in sources if each.is_on is not False for one in ((_EVERYTHING,) if each.selectors is None else each.selectors)
    )
    made: dict[str, Any] = {"sources": sorted({each.name for each in sources if each.is_on})}
    for column in ("changes", "reads", "writes"):
        may = is_dark or getattr(most, column)
        made[f"keeps_{column}"] = True if getattr(sure, column) else None if may else False
    doubt = any(made[name] is None for name in ("keeps_reads", "keeps_writes"))
    return {**made, "left_out": None if doubt else list(sure.left_out)}


def _trail(row: SeenRow) -> _Source:
    logs, error = row.values.get("is_logging"), row.values.get("delivery_error")
    is_on = False if logs is False or error not in (None, "") else None if logs is None or error is None else True
    return _Source(row.fact, str(row.values.get("name")), is_on, _selectors(row.values))


def _once(found: Iterable[SeenRow]) -> list[_Source]:
    """Each trail once: it shows in every region that it covers, and may be read in one of them alone."""
    made: dict[str, _Source] = {}
    for row in found:
        arn, new = str(row.values.get("arn")), _trail(row)
        old = made.get(arn, new)
        made[arn] = replace(
            old,
            is_on=new.is_on if old.is_on is None else old.is_on,
            selectors=new.selectors if old.selectors is None else old.selectors,
        )
    return list(made.values())


def regions(seen: SeenTables) -> Iterable[MadeRow]:
    """A row for each region that is on, with what trails keep of what is done there. A trail of all regions counts in each.

    Of a region that may be off nothing is missing for certain.
    """
    for row in seen.rows(REGION):
        state = row.values.get("state")
        if state not in ("enabled", None):
            continue
        found = [
            each
            for each in seen.rows(TRAIL)
            if each.target == row.target and (each.region == row.region or each.values.get("is_multi_region") is True)
        ]
        sources = _once(found)
        made = _kept(sources, state is None or seen.dark(TRAIL, row.target, row.region))
        yield MadeRow(row.target, row.region, row.key, {"name": row.values.get("name"), **made}, tuple(each.fact for each in sources))


def stores(seen: SeenTables) -> Iterator[MadeRow]:
    """A row for each event data store, with what it keeps and the organisation of the account that owns it."""
    above = {row.target: row.values.get("organization_id") for row in seen.rows(ACCOUNT)}
    for row in seen.rows(STORE):
        status = row.values.get("status")
        source = _Source(row.fact, str(row.values.get("name")), None if status is None else status == "ENABLED", _selectors(row.values))
        carried = {name: row.values.get(name) for name in ("name", "is_multi_region", "is_organization", "retention_days")}
        made = {**carried, "organization_id": above.get(row.target), **_kept([source], is_dark=False)}
        yield MadeRow(row.target, row.region, row.key, made, (row.fact,))
