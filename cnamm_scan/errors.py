"""One tree of errors. Each says what went wrong, where, and what to do, and knows its exit code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence


class CnammError(Exception):
    """The root: `what` happened, `where`, and what to `do` about it. Addresses in it name nobody: see `nameless`."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", do: str = "") -> None:
        what = nameless(what)
        super().__init__(what)
        self.what = what
        self.where = nameless(where)
        self.do = nameless(do)

    def __str__(self) -> str:
        """All three parts, one a line."""
        return "\n".join(part for part in (self.what, self.where and f"  at: {self.where}", self.do and f"  do: {self.do}") if part)


class UsageError(CnammError):
    """A command line or an argument that cannot be meant."""

    exit_code = 2


class ContentError(CnammError):
    """A collector, rule or mapping that does not validate. May carry several problems."""

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", do: str = "", problems: Iterable[ContentError] = ()) -> None:
        super().__init__(what, where=where, do=do)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """The message, then every problem beneath it."""
        return "\n".join([super().__str__(), *(str(problem) for problem in self.problems)])


class CredentialsError(CnammError):
    """Nobody to ask as: no credentials, or ones that the provider does not accept."""


class ProviderError(CnammError):
    """A provider that could not be reached or asked at all (one refused call is a gap, not this)."""


class BundleError(CnammError):
    """An evidence bundle that cannot be written, read, or trusted."""


class OutputError(CnammError):
    """What was asked for could not be printed: standard output is full or broken."""


class CoverageError(CnammError):
    """Less could be read than `--min-coverage` asks for."""

    exit_code = 3


class GateError(CnammError):
    """A gate (`--fail-under`, `--fail-on`) was missed."""

    exit_code = 10


class InterruptedScanError(CnammError):
    """The scan was stopped by hand; what had been collected is kept."""


_WORD = re.compile(r"[^\s\"'<>]+")


def nameless(text: str) -> str:
    """A text whose addresses say neither user nor password: `https://user:password@host` becomes `https://…@host`.

    Endpoints and servers are written with both, and what an SDK says of a call that failed repeats them.
    """
    return _WORD.sub(_without_user, text) if "@" in text and "://" in text else text


def _without_user(match: re.Match[str]) -> str:
    scheme, found, rest = match.group().partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://…@{host}" if found and at and user else match.group()


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Advice naming the nearest known names, or how many there are; never empty."""
    names = sorted(known)
    near = _named_so(name, names) or difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if not near:
        near = [candidate for candidate in names if name and name in candidate][:3]
    if near:
        return "did you mean " + " or ".join(f"'{candidate}'" for candidate in near) + "?"
    if not names:
        return "there is none that could be named"
    return f"known: {', '.join(names)}" if len(names) <= 12 else f"none of the {len(names)} known names is near"


def _named_so(name: str, names: Sequence[str]) -> list[str]:
    """Names whose last part is what somebody wrote, or nearly: `pod` is meant for `kubernetes.core.pod`."""
    if not name or "." in name or not any("." in each for each in names):
        return []
    by_last: dict[str, list[str]] = {}
    for each in names:
        by_last.setdefault(each.rsplit(".", 1)[-1], []).append(each)
    last = difflib.get_close_matches(name, by_last, n=3, cutoff=0.75)
    return [each for found in last for each in by_last[found]][:3]
