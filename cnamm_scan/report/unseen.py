"""What could not be seen, told once for each cause and place, with what would show it: two hundred refused calls have one cause."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cnamm_scan.model import WOULD_SHOW, Reason, Verdict
from cnamm_scan.model.old import enough, read_moment, told
from cnamm_scan.report.words import NOT_SELECTED, counted, listed

if TYPE_CHECKING:
    from cnamm_scan.judged.scan import Scan

FEW = 4
"""Calls and rights up to which each is named."""
NAMED = 3
"""Rules and resources that a row names."""
_AGAIN = "scan again"
_HOW: Mapping[str, str] = {
    Reason.THROTTLED: "scan again with a lower --api-budget",
    Reason.TIMED_OUT: "scan again with a longer --call-timeout",
    Reason.UNREACHABLE: "open the way there from where the scan runs, and scan again",
    Reason.SERVER_ERROR: _AGAIN,
    Reason.MALFORMED: "look at what is named: something on the way changed the answer, or it is written as the API would not take it",
    Reason.UNSUPPORTED: "nothing: the service is not offered there",
    Reason.API_DISABLED: "enable the service, if it is in use",
    Reason.REGION_DISABLED: "enable the region for these credentials, or leave it out with --region",
    Reason.CREDENTIALS: "sign in again for longer, and scan again",
    Reason.TRUNCATED: _AGAIN,
    Reason.INTERRUPTED: "let a scan run to its end",
    Reason.NOT_COLLECTED: "scan again with this version",
    Reason.NOT_IN_ANSWER: "look at what is named: the provider's answers leave it open",
    Reason.NOT_FOUND: _AGAIN,
    Reason.NOT_IN_MANIFESTS: "scan the cluster, or say with --assume-whole that the manifests are all there is",
    Reason.ONLY_IN_CLUSTER: "scan the cluster",
    Reason.STALE: "have its source evaluate it again, and scan again",
    Reason.COLLECTOR_BUG: "report it, with this line",
    NOT_SELECTED: "scan without --function and --rule",
}

_OWN_QUOTA = frozenset({"QuotaSpent", "RateLimiting"})
"""Codes of throttling by a quota that a provider keeps for one way of asking: it is full or not, however slowly we ask."""
_LAST: Mapping[str, int] = {NOT_SELECTED: 1, Reason.NOT_IN_ANSWER: 2}
"""What stands after all else: what was asked for, and what nobody can do anything about."""


@dataclass(slots=True)
class _Row:
    """One cause in some places while it is gathered."""

    reason: str
    whole: bool = False
    """Whether every call there had it."""
    places: list[tuple[str, str]] = field(default_factory=list)
    """(target, region)."""
    codes: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    rights: set[str] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
    resources: set[str] = field(default_factory=set)
    how: str = ""
    """What the target itself says would show it."""
    oldest: str = ""
    """When the oldest of it was true, of what was too old to be judged."""

    def alike(self) -> tuple[Any, ...]:
        """What two places must share to stand in one row."""
        provider = self.places[0][0].partition(":")[0] if self.reason != NOT_SELECTED else ""
        return (self.reason, provider, self.how, self.whole or tuple(sorted(self.calls)))

    def take(self, other: _Row) -> None:
        """Join the same cause in another place."""
        self.places += other.places
        self.oldest = min(filter(None, (self.oldest, other.oldest)), default="")
        for name in ("codes", "calls", "rights", "rules", "resources"):
            getattr(self, name).update(getattr(other, name))


def unseen(scan: Scan, gaps: Sequence[Mapping[str, Any]], selected: Collection[str]) -> list[dict[str, Any]]:
    """The gaps of a report (data.gaps), a row for each cause and place; places that were refused alike share one.

    Those with most rules come first, those that were asked for or that nobody can do anything about last.
    """
    whole = _whole(scan)
    resources = _malformed(scan)
    ways = {target.id: str(target.scope.get(WOULD_SHOW, "")) for target in scan.targets}
    rows: dict[tuple[str, ...], _Row] = {}
    for gap in gaps:
        reason, target, region = gap["reason"], gap["target"], gap["region"]
        asked_for = gap["operation"] if gap["operation"].startswith("--") else ""
        row = rows.setdefault((reason, target, region, asked_for), _Row(reason, (reason, target, region) in whole, [(target, region)]))
        row.how = ways.get(target, "") if reason == Reason.NOT_COLLECTED else ""
        row.codes |= {gap["code"]} - {""}
        row.oldest = min(filter(None, (row.oldest, gap["oldest_at"])), default="")
        row.calls |= {asked_for} if asked_for else set(_calls(gap))
        row.rights.update(gap["rights"] if reason == Reason.DENIED else ())
        row.rules.update(gap["rules"])
        if reason == Reason.MALFORMED:
            row.resources |= resources.get(target, set())
    for row in _not_selected(scan, selected):
        rows[NOT_SELECTED, row.places[0][0], "", ""] = row
    joined: dict[tuple[Any, ...], _Row] = {}
    for _, row in sorted(rows.items()):
        if row.alike() in joined:
            joined[row.alike()].take(row)
        else:
            joined[row.alike()] = row
    made = sorted(joined.values(), key=lambda row: (_LAST.get(row.reason, 0), -len(row.rules), row.reason, row.places))
    return [_told(scan, row) for row in made]


def _told(scan: Scan, row: _Row) -> dict[str, Any]:
    rules = sorted(row.rules)
    titles = [scan.content.rules[name].title for name in rules if name in scan.content.rules]
    named = sorted(row.resources) or (titles if row.reason == Reason.NOT_IN_ANSWER else [])
    age = scan.started_at - read_moment(row.oldest) if row.oldest else None
    first = row.places[0][0]
    return {
        "reason": row.reason,
        "codes": sorted(row.codes),
        "places": [{"target": target, "region": region} for target, region in row.places],
        "every_call": row.whole,
        "calls": sorted(row.calls),
        "rights": sorted(row.rights),
        "rules": rules,
        "about": named[:NAMED],
        "about_more": max(0, len(named) - NAMED),
        "age": told(age) if age is not None else "",
        "would_show": row.how
        or would_show(
            row.reason,
            row.places,
            sorted(row.calls),
            sorted(row.rights),
            whole=row.whole,
            codes=row.codes,
            age=age,
            enabling=scan.enabling(first),
            elsewhere=scan.granted_elsewhere(first),
        ),
    }


def would_show(
    reason: str,
    places: Sequence[tuple[str, str]],
    calls: Sequence[str],
    rights: Sequence[str],
    *,
    whole: bool,
    codes: Collection[str] = (),
    age: timedelta | None = None,
    enabling: str = "",
    elsewhere: Mapping[str, str] | None = None,
) -> str:
    """What a person would have to do to see it.

    `age` is that of the oldest, of what was too old; `enabling` is what turns on what is off there, `elsewhere` how rights are granted
    that the provider's own document does not give.
    """
    provider = places[0][0].partition(":")[0]
    regions = sorted({region for _, region in places if region not in ("", "global")})
    if reason == Reason.EXCLUDED:
        if calls and calls[0].startswith("--"):
            return f"scan with {calls[0]}"
        return "".join(["scan without --region", *(f", or with --region {region}" for region in regions[:1])])
    if reason == Reason.STALE and age is not None:
        return f"{_HOW[reason]}; or take it as it is: cnamm-scan evaluate BUNDLE --max-age {enough(age)}"
    if reason == Reason.THROTTLED and codes and set(codes) <= _OWN_QUOTA:
        return "scan again later: what is asked there has a quota of its own"
    if reason == Reason.API_DISABLED and enabling:
        return enabling
    if reason != Reason.DENIED:
        return _HOW.get(reason, _AGAIN)
    if whole and regions:
        where = listed(regions, FEW, "region")
        return f"allow reading in {where}, which a policy of the organisation may forbid, or leave it out with --region"
    if rights and elsewhere is not None and elsewhere.keys() >= set(rights):
        return "; ".join(elsewhere[right] for right in rights)
    if rights and len(rights) <= FEW:
        return f"grant {', '.join(rights)}"
    what = f"grant {counted(len(rights), 'right')}" if rights else "grant the rights"
    return f"{what}: cnamm-scan plan {provider} --permissions prints them"


def _calls(gap: Mapping[str, Any]) -> Iterator[str]:
    """The calls of a gap by service: `secretsmanager:ListSecrets`."""
    services = {table.split(".")[1] for table in gap["tables"] if table.count(".") == 2}
    for service in services or ({""} if gap["operation"] else ()):
        yield f"{service}:{gap['operation']}".lstrip(":")


def _whole(scan: Scan) -> set[tuple[str, str, str]]:
    """(reason, target, region) where that is what every planned call met. One call alone is named instead."""
    lines: dict[tuple[str, str], int] = {}
    met: dict[tuple[str, str, str], int] = {}
    for line in scan.coverage:
        lines[line.target, line.region] = lines.get((line.target, line.region), 0) + 1
        for reason in line.gaps:
            met[reason, line.target, line.region] = met.get((reason, line.target, line.region), 0) + 1
    return {key for key, count in met.items() if count == lines[key[1:]] > FEW}


def _malformed(scan: Scan) -> dict[str, set[str]]:
    """Target -> what is unknown since what was said of it makes no sense: its name is what a person can look at."""
    found: dict[str, set[str]] = {}
    if not any(Reason.MALFORMED in line.gaps for line in scan.coverage):
        return found
    for block in scan.blocks(Verdict.UNKNOWN, named=False):
        if block.reason == Reason.MALFORMED:
            found.setdefault(block.target, set()).update(filter(None, block.resources))
    return found


def _not_selected(scan: Scan, selected: Collection[str]) -> Iterator[_Row]:
    """The rules that nobody asked for, by provider: all its targets share them."""
    rules: dict[str, set[str]] = {}
    for tally in scan.tallies:
        if tally.rule not in selected:
            rules.setdefault(tally.target, set()).add(tally.rule)
    for target, names in sorted(rules.items()):
        yield _Row(Reason.INTERRUPTED if scan.interrupted else NOT_SELECTED, places=[(target, "")], rules=names)
