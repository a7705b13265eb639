"""What a scan finds: targets, coverage, results and their counts, as frozen types."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cnamm_scan.model.words import Severity, Verdict


@dataclass(frozen=True, slots=True)
class Target:
    """One account, subscription, project or cluster. `id` is `provider:name`."""

    id: str
    provider: str
    name: str
    identity: str = ""
    """Who asked: the caller's own id in the provider."""
    scope: Mapping[str, Any] = field(default_factory=dict)
    """What a person narrowed the scan of the target to; empty: all of it."""
    label: str = ""
    """What people call it, where `name` is an id that nobody remembers; empty: nothing else. It identifies nothing: two may share one."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a target that is asked on its own, and how it was seen."""

    name: str
    state: Literal["enabled", "opt_in_off"] | None
    seen: Literal["listed", "excluded", "denied", "unreachable", "off"] = "listed"
    opt_in: str | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How one planned call went in one target and region."""

    target: str
    region: str
    table: str
    part: str
    operation: str
    status: str
    """`ok`, or the reason of the first gap."""
    complete: bool
    calls: int = 0
    pages: int = 0
    items: int = 0
    retries: int = 0
    gaps: Mapping[str, int] = field(default_factory=dict)
    code: str = ""
    """The provider's own error code of the first gap."""
    gone: int = 0
    """Items that were listed and had gone when they were asked about, as their listing, asked again, proved."""
    oldest_at: str = ""
    """Of a line about ages: when the oldest of its items was true by its source's own word, as 2026-01-31T09:30:00Z."""
    undated: int = 0
    """Of such a line: rows whose source does not say when."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thing was written, of a source that is text: a file as it was named, and a line from 1."""

    file: str
    line: int


def own_name(target: str) -> str:
    """What a provider calls a target, as sentences do: `123456789012` of `aws:123456789012`."""
    return target.partition(":")[2] or target


@dataclass(frozen=True, slots=True)
class Result:
    """One rule's verdict on one resource."""

    rule: str
    target: str
    region: str
    resource: str
    verdict: Verdict
    severity: Severity
    objective: str
    message: str
    fact: str
    reason: str
    values: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    place: Place | None = None
    """Where the resource was written; None where no text says it."""
    owner: str = ""
    """Who answers for the resource, where tags were named that say so and it has one."""

    @property
    def known(self) -> dict[str, Any]:
        """What a message or fix of its rule is filled with: thresholds, what was seen, and where it is."""
        return {**self.parameters, **self.values, "key": self.resource, "region": self.region, "target": own_name(self.target)}

    def row(self) -> dict[str, Any]:
        """The result as plain data, one value a field."""
        return {
            "rule": self.rule,
            "target": self.target,
            "region": self.region,
            "resource": self.resource,
            "verdict": self.verdict.value,
            "severity": self.severity.value,
            "objective": self.objective,
            "message": self.message,
            "reason": self.reason,
            "fact": self.fact,
            "values": dict(self.values),
            "parameters": dict(self.parameters),
            "file": self.place.file if self.place is not None else "",
            "line": self.place.line if self.place is not None else None,
            "owner": self.owner,
        }


@dataclass(frozen=True, slots=True)
class ResultBlock:
    """What one rule said alike about several resources: the form in which results are stored."""

    rule: str
    table: str
    """The rule's `for_each`: with target, region and key it names each resource's fact."""
    target: str
    region: str
    verdict: Verdict
    reason: str
    severity: Severity
    objective: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
    """Which block of its kind it is, from 0; -1 for the rest."""
    count: int = 0
    """How many resources."""
    resources: tuple[str, ...] = ()
    """Their keys; an empty one is something that could not be told apart. None at all: every row of the table that no other block names."""
    facts: tuple[str, ...] = ()
    """Fact ids where they do not follow from the keys; empty where they do."""
    columns: tuple[str, ...] = ()
    values: tuple[Sequence[Any], ...] = ()
    """For each resource the values of `columns`; both empty where the facts say it all."""


def fact_id(table: str, target: str, region: str, key: str) -> str:
    """A fact's id: the same resource has the same id in every scan."""
    return hashlib.sha256("\0".join((table, target, region, key)).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a rule gave each verdict in one target."""

    rule: str
    target: str
    pass_: int = 0
    fail: int = 0
    unknown: int = 0
    not_applicable: int = 0
    error: int = 0

    @property
    def judged(self) -> int:
        """The resources that the rule applies to: the `n` of SCORING.md."""
        return self.pass_ + self.fail + self.unknown + self.error
