"""The form of a bundle, apart from who writes and who reads it: names, version, bounds, the shape of the manifest and of each entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from cnamm_scan import __version__
from cnamm_scan.errors import BundleError
from cnamm_scan.model import FIRST_JUDGING, Severity, Target, Verdict
from cnamm_scan.model.old import LONGEST

FORMAT = 3
"""Raised by whatever an older reader would misread. 1: a file a table, `method/` as loose files. 2: shared files, `method.tar.bz2`. 3: what
was asked of each table stands in entries, as it was four fifths of the manifest."""
SINCE = "0.1.0"
"""The first cnamm-scan that reads FORMAT: an older one that meets such a bundle says so. Raise both together."""
SCHEMA = "cnamm-scan/bundle/"
"""Before the version, in the manifest's `schema`."""

MANIFEST, MANIFEST_HASH, SALTS, METHOD = "manifest.json", "manifest.sha256", "salts.bin", "method.tar.bz2"
LOOSE_METHOD = "method/"
"""Where format 1 has the content, file by file."""
CONTENT = ("collectors/", "rules/", "mappings/")
"""How the name of each content file begins."""
BEGUN, JOURNAL = "begun.jsonl", "journal.jsonl"
"""Only in a folder that is being written: what the scan is about, and the entries that stand in no shard yet."""
PARTIAL, ZIP = ".partial", ".zip"
"""Ends of names: of a bundle that is being written, and of one that is a single file."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a reader takes at most, and so what the writer makes at most: whatever is larger was not written by us."""

    unpacked: int = 16 * 2**30
    """Bytes of all entries together."""
    line: int = 16 * 2**20
    """Bytes of one entry."""
    depth: int = 128
    """Objects and lists within each other in one entry, or in the manifest."""
    files: int = 100_000
    """Files of a bundle, folders not counted. Format 1 had one for each table and each content file."""
    manifest: int = 64 * 2**20
    """Bytes of the manifest."""
    method: int = 128 * 2**20
    """Bytes of all content files together."""
    folders: int = 16
    """Folders within each other."""


BOUNDS = Bounds()

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_ALIKE = bytes.maketrans(b"[]{}", b"()()")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_too_deep(raw: bytes, most: int) -> bool:
    """Whether JSON text nests deeper than `most`. Linear: never more than `most` passes over what is left of the brackets."""
    if raw.count(b"[") + raw.count(b"{") <= most:
        return False
    brackets = _STRINGS.sub(b"", raw).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(most):
        if not brackets:
            return False
        brackets = brackets.replace(b"()", b"")  # what is innermost, everywhere at once
    return bool(brackets)


def tool() -> dict[str, str]:
    """What wrote a bundle."""
    return {"name": "cnamm-scan", "version": __version__}


# ---- the manifest --------------------------------------------------------------------------------------------------------

Count = Annotated[int, Meta(ge=0)]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]
Texts = list[str]
MaxAge = Annotated[int, Meta(gt=0, le=int(LONGEST.total_seconds()))]
"""Seconds."""


class RegionForm(Struct):
    """A region of a target."""

    name: str
    state: Literal["enabled", "opt_in_off"] | None
    seen: Literal["listed", "excluded", "denied", "unreachable", "off"]
    opt_in: str | None = None


class TargetForm(Struct):
    """A target of the scan."""

    id: str
    provider: str
    name: str
    identity: str = ""
    scope: dict[str, Any] = {}
    label: str = ""
    regions: list[RegionForm] = []
    calls: Count = 0
    retries: Count = 0

    @property
    def target(self) -> Target:
        """The target itself."""
        return Target(self.id, self.provider, self.name, self.identity, self.scope, self.label)


class NamedForm(Struct):
    """Content, or the tool, with its version."""

    version: str
    sha256: str = ""
    name: str = ""


class ScanForm(Struct):
    """The account of the scan."""

    id: str
    started_at: Moment
    finished_at: Moment
    interrupted: bool
    targets: list[TargetForm]
    content: NamedForm
    method: str
    tool: NamedForm
    judging: str = FIRST_JUDGING
    owner_tags: Texts = []
    max_age: MaxAge | None = None
    """How many seconds old a fact might be, by its source's own word; None: judged before that was asked."""


class KeptForm(Struct):
    """What the plan asked of one table."""

    parts: Texts
    paths: Texts
    unsupported: Texts = []


class PlanForm(Struct):
    """Which rules ran, and up to format 2 what was asked for them."""

    rules: Texts
    tables: dict[str, KeptForm] = {}
    parameters: dict[str, Any] = {}


class TreeForm(Struct):
    """The Merkle tree over all entries."""

    alg: Literal["rfc6962-sha256-salted"]
    size: Count
    root: Hash


class PartForm(Struct):
    """A piece of a file that can be unpacked by itself: how many bytes it takes, and whose lines it holds, in the order of the names."""

    size: Annotated[int, Meta(gt=0)]
    tables: Annotated[dict[str, Annotated[int, Meta(gt=0)]], Meta(min_length=1)]


class FileForm(Struct):
    """A file of the bundle. Those with entries name their kind and lines; those with facts, whose lines stand where."""

    path: Annotated[str, Meta(min_length=1, max_length=1024)]
    sha256: Hash
    size: Count
    kind: str | None = None
    lines: Count | None = None
    table: str | None = None
    """Format 1: whose facts."""
    parts: list[PartForm] | None = None
    """Format 2, facts only."""


class ManifestForm(Struct):
    """What every manifest has."""

    schema: str
    scan: ScanForm
    plan: PlanForm
    tree: TreeForm
    counts: dict[str, Count]
    files: list[FileForm]
    format: int = 1
    since: str = ""


# ---- entries -------------------------------------------------------------------------------------------------------------


class PlaceForm(Struct):
    """Where a thing was written."""

    file: Annotated[str, Meta(min_length=1)]
    line: Annotated[int, Meta(ge=1)]


class AskedForm(KeptForm):
    """What the plan asked of the table that is its id."""

    id: str = ""


class FactForm(Struct):
    """A resource as it was read."""

    id: str
    table: str
    target: str
    region: str
    key: str
    data: dict[str, Any] | None
    gaps: dict[str, str]
    calls: list[dict[str, Any]]
    place: PlaceForm | None = None
    """Of a source that is text. It is no part of what the fact says."""
    owner: str = ""
    """Who answers for it, where tags were named that say so. No part of what the fact says either."""
    as_of: Moment | None = None
    """When its source found it so, where that is not when it was asked. No part of what the fact says, which may well be the same."""


class CoverageForm(Struct):
    """How one planned call went."""

    id: str
    target: str
    region: str
    table: str
    part: str
    operation: str
    status: str
    complete: bool
    calls: Count
    pages: Count
    items: Count
    retries: Count
    gaps: dict[str, Count]
    code: str
    gone: Count = 0
    oldest_at: Annotated[str, Meta(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$")] = ""
    undated: Count = 0


class ResultForm(Struct):
    """What a rule said alike."""

    id: str
    rule: str
    table: str
    target: str
    region: str
    verdict: Verdict
    reason: str
    severity: Severity
    objective: str
    parameters: dict[str, Any]
    number: int
    count: Count
    resources: Texts
    facts: Texts
    columns: Texts
    values: list[list[Any]]
    rule_sha256: str

    def __post_init__(self) -> None:
        """What belongs together is equally long. Raises ValueError."""
        named = len(self.resources)
        # what was not read has no key, comes first, and may stand for many
        fits = self.count >= named if self.resources[:1] == [""] else self.count == named
        if (named and not fits) or (self.facts and len(self.facts) != named):
            raise ValueError(f"{named} resources and {len(self.facts)} facts, expected {self.count}")
        if len(self.values) != (named if self.columns else 0) or any(len(row) != len(self.columns) for row in self.values):
            raise ValueError("values that do not fit resources and columns")


class TallyForm(Struct, rename={"pass_": "pass"}):
    """How often a rule gave each verdict in a target."""

    id: str
    rule: str
    target: str
    pass_: Count
    fail: Count
    unknown: Count
    not_applicable: Count
    error: Count


class PopulationForm(Struct):
    """Whom a view holds."""

    id: str
    table: str
    target: str
    region: str
    resources: Texts


class MadeForm(Struct):
    """A row that a wing's function made of facts, and which facts those are."""

    id: str
    table: str
    target: str
    region: str
    key: str
    data: dict[str, Any]
    rests_on: Texts


class ObjectiveForm(Struct):
    """An objective in the estate, as it was scored."""

    id: str


class ScoreForm(Struct):
    """A score, as it was computed."""

    id: str
    of: str


ENTRIES: Mapping[str, type[Struct]] = {
    "asked": AskedForm,
    "fact": FactForm,
    "coverage": CoverageForm,
    "result": ResultForm,
    "tally": TallyForm,
    "population": PopulationForm,
    "made": MadeForm,
    "objective": ObjectiveForm,
    "score": ScoreForm,
}
"""Kind -> what each of its entries has besides `kind`."""


def moment(text: str) -> datetime:
    """A time as bundles write it. Raises ValueError for what only looks like one."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")


# ---- what errors say -------------------------------------------------------------------------------------------------------


def broken(where: str, what: str, *, line: int | None = None) -> BundleError:
    """A bundle that is not as it was written. `where` is a path; its last part begins the message."""
    name = where.rsplit("/", 1)[-1]
    told = f"{name} line {line} {what}" if line is not None else f"{name} {what}"
    at = f"{where}:{line}" if line is not None else where
    return BundleError(f"the bundle is not as it was written: {told}", where=at, do="do not trust it; take another copy")


def cannot_read(where: str, error: OSError) -> BundleError:
    """A file that the system does not give us."""
    return BundleError(f"cannot be read: {error.strerror or error}", where=where, do="check its permissions")


def explained(error: Exception) -> str:
    """What msgspec says is wrong, without its capitals."""
    text = str(error)
    return text[:1].lower() + text[1:]


def _no_float(text: str) -> Any:
    raise ValueError(f"holds the float {text}")


decode_line = msgspec.json.Decoder(float_hook=_no_float).decode
"""Bytes -> the value that they hold. Raises msgspec.MsgspecError or RecursionError; a float is none that we write."""
