"""The shapes of content files, as pydantic reads them: every key that there is, and the form of every id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from cnamm_scan.content.source import EVERY, LIST, MAPPING, TEXT
from cnamm_scan.content.tables import RULE_ID
from cnamm_scan.model import UNSET, Call, Cause, Column, ColumnType, Fix, Made, Message, Named, Said, Severity
from cnamm_scan.text import placeholders

if TYPE_CHECKING:
    from cnamm_scan.providers.kind import Kind

# An id becomes part of a file's name, a link, a query and a line of a report: its form lets it mean nothing else in any of them.
NAME = r"^[a-z][a-z0-9_]{0,99}$"
"""A column, a part, a parameter."""
SLUG = r"^[a-z][a-z0-9-]{0,63}$"
"""A function, a practice, a model."""
SERVICE = r"^[a-z][a-z0-9_-]{0,63}$"
CLIENT = r"^[A-Za-z0-9][A-Za-z0-9_.,/-]{0,199}$"
"""As an SDK names it, or an API's group and versions."""
TABLE_ID = r"^[a-z]{1,32}(\.[a-z0-9_]{1,64}){2}$"
"""A table or view: PROVIDER.SERVICE.KIND."""
ASKED_TABLE = r"^[a-z]{1,32}(\.[a-z0-9_]{1,64}){1,2}$"
"""The same, or a table that the engine makes."""
OBJECTIVE_ID = r"^[a-z][a-z0-9-]{0,63}\.[a-z0-9][a-z0-9-]{0,99}$"
FRAMEWORK = r"^[a-z][a-z0-9.-]{0,63}$"
CONTROL = r"^[A-Za-z0-9][A-Za-z0-9 ._():-]{0,63}$"
"""As the framework numbers it: PR.DS-11, 5.1.10, A.8.3 (b)."""
VERSION = r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,31}$"

Name = Annotated[str, Field(pattern=NAME)]
Slug = Annotated[str, Field(pattern=SLUG)]
TableId = Annotated[str, Field(pattern=TABLE_ID)]
ObjectiveId = Annotated[str, Field(pattern=OBJECTIVE_ID)]
Version = Annotated[str, Field(pattern=VERSION)]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]
"""A text of one line: it stands in lists, tables and headings."""

# What may be written in one of two forms is read as the one that it has, so that a fault is told once, and of what was meant.
_TEXT_OR_MAPPING = Discriminator(lambda value: MAPPING if isinstance(value, dict) else TEXT)
_SAID = Discriminator(lambda value: LIST if isinstance(value, list) else EVERY if isinstance(value, dict) and "every" in value else MAPPING)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, strict=False)


class CallFile(_File):
    """`list:` or one part under `then:`."""

    call: str | None = Field(None, pattern=r"^([A-Za-z0-9_.,/-]+:)?([A-Za-z0-9_./-]+(:[A-Za-z]+)?|\*)$")
    read: str | None = None
    needs: Texts = ()
    with_: dict[str, str] = Field({}, alias="with")
    fixed: dict[str, Any] = {}
    items: str | None = None
    for_: str | None = Field(None, alias="for")
    once_for: str | None = None
    absent_on: Texts = ()
    gone_on: Texts = ()
    in_region: str | None = None
    target: str | None = None
    at_most: int | None = Field(None, gt=0)
    many: dict[str, str] = {}
    size: int = Field(1, gt=0)
    by: str | None = None
    left_out: Literal["no_row"] | None = None
    unless: str | None = None

    def model(self) -> Call:
        """The frozen form."""
        return Call(**{name: getattr(self, name) for name in CallFile.model_fields})


class ColumnFile(_File):
    """One column."""

    type: ColumnType
    from_: str | None = Field(None, alias="from")
    absent: Any = UNSET
    exists: str | None = None
    is_: str | None = Field(None, alias="is")
    about: str = ""
    renewed_by: str | None = None

    def model(self) -> Column:
        """The frozen form."""
        return Column(self.type, self.from_, self.absent, self.exists, self.is_, self.about, self.renewed_by)


class TableFile(_File):
    """One fact table."""

    about: str
    once_per: Literal["account", "region", "target", "connection"]
    list: CallFile
    key: str
    columns: dict[Name, ColumnFile]
    then: dict[Name, CallFile] = {}
    each: str | None = None
    normalise: dict[str, str] = {}
    redact: Texts = ()
    opt_in: str | None = None
    as_of: str | None = None


class MadeFile(_File):
    """`made:` of a view: a function of the provider's wing, and what it reads."""

    by: Name
    reads: dict[TableId, Texts]
    over: Texts

    def model(self) -> Made:
        """The frozen form."""
        return Made(self.by, self.reads, self.over)


class ViewFile(_File):
    """One view: a SELECT, or a function."""

    about: str
    columns: dict[Name, ColumnFile] = {}
    select: str = ""
    made: MadeFile | None = None
    across_regions: dict[TableId, Line] = {}


class CollectorFile(_File):
    """A file of `collectors/`."""

    service: Annotated[str, Field(pattern=SERVICE)]
    client: str | None = Field(None, pattern=CLIENT)
    facts: dict[TableId, TableFile] = {}
    views: dict[TableId, ViewFile] = {}
    overrides: Texts = ()


class ParameterFile(_File):
    """One threshold."""

    default: Any
    source: str


class TestsFile(_File):
    """The cases of a rule."""

    given: dict[str, Any] = {}
    pass_: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, alias="pass")]
    fail: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    unknown: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    not_applicable: tuple[dict[str, Any], ...] = ()


class MessageFile(_File):
    """`message:`, by verdict."""

    fail: Line
    pass_: Line = Field(alias="pass")
    unknown: Line

    def model(self) -> Message:
        """The frozen form."""
        return Message(self.fail, self.pass_, self.unknown)


class NamedFile(_File):
    """Rows of another table that a message names."""

    of: TableId
    say: Line
    if_: str = Field(alias="if")
    else_: Line | None = Field(None, alias="else")

    def model(self) -> Named:
        """The frozen form."""
        return Named(self.of, self.say, tuple(dict.fromkeys(placeholders(self.say))), self.if_, self.else_)


class CauseFile(_File):
    """One cause that a message may name."""

    say: Line
    if_: str | None = Field(None, alias="if")


CauseFiles = Annotated[tuple[CauseFile, ...], Field(min_length=1)]


class EveryFile(_File):
    """Causes of which a message names every one that was found."""

    every: CauseFiles


SayingFile = Annotated[Annotated[NamedFile, Tag(MAPPING)] | Annotated[EveryFile, Tag(EVERY)] | Annotated[CauseFiles, Tag(LIST)], _SAID]


def _said(said: NamedFile | EveryFile | tuple[CauseFile, ...]) -> Said:
    """The frozen form."""
    if isinstance(said, NamedFile):
        return Said(named=said.model())
    causes = said.every if isinstance(said, EveryFile) else said
    return Said(tuple(Cause(each.say, each.if_) for each in causes), isinstance(said, EveryFile))


class FixFile(_File):
    """`fix:`, by where it is done."""

    cli: Texts = ()
    kubernetes: Texts = ()
    terraform: Texts = ()
    console: str = ""
    advice: str = ""

    def model(self, region_flag: str) -> Fix:
        """The frozen form; its commands are told their region by a flag."""
        return Fix(self.cli, self.kubernetes, self.terraform, self.console, self.advice, region_flag)


class RuleFile(_File):
    """A file of `rules/`."""

    id: str = Field(pattern=RULE_ID)
    title: Line
    objective: ObjectiveId
    severity: Severity
    status: Literal["experimental", "stable", "deprecated"]
    for_each: str = Field(pattern=ASKED_TABLE)
    where: str | None = None
    pass_: str = Field(alias="pass")
    message: Annotated[Annotated[str, Tag(TEXT)] | Annotated[MessageFile, Tag(MAPPING)], _TEXT_OR_MAPPING]
    says: dict[Name, SayingFile] = {}
    why: str
    note: str = Field("", max_length=1000)
    fix: Annotated[Annotated[str, Tag(TEXT)] | Annotated[FixFile, Tag(MAPPING)], _TEXT_OR_MAPPING]
    references: Annotated[Texts, Field(min_length=1)]
    scope: Literal["target", "estate"] = "target"
    parameters: dict[Name, ParameterFile] = {}
    tests: TestsFile
    across_regions: dict[TableId, Line] = {}
    overrides: str | None = None
    tags: tuple[Slug, ...] = ()
    aliases: tuple[Annotated[str, Field(pattern=RULE_ID)], ...] = ()

    def said(self) -> Message:
        """The frozen form of its message; one text is what it says of a fail."""
        return Message(self.message) if isinstance(self.message, str) else self.message.model()

    def sayings(self) -> dict[str, Said]:
        """The frozen form of what it says besides."""
        return {name: _said(said) for name, said in self.says.items()}

    def mended(self, kind: Kind | None) -> Fix:
        """The frozen form of its fix; one text is advice."""
        return Fix(advice=self.fix) if isinstance(self.fix, str) else self.fix.model(kind.region_flag if kind else "")


class ObjectiveFile(_File):
    """One objective, where it is defined."""

    id: ObjectiveId
    level: int = Field(ge=1, le=5)
    stream: Literal["A", "B"]
    basis: Literal["cnamm", "ours"] = "ours"
    title: Line
    short: Annotated[str, Field(max_length=30)] = ""
    aliases: tuple[ObjectiveId, ...] = ()


class AlsoFile(_File):
    """One objective, where it is asked for too."""

    id: ObjectiveId
    level: int = Field(ge=1, le=5)
    stream: Literal["A", "B"]
    instead_of: ObjectiveId | None = None


class PracticeFile(_File):
    """One practice area."""

    id: Slug
    title: Line
    objectives: tuple[ObjectiveFile, ...] = ()
    also: tuple[AlsoFile, ...] = ()


class FunctionFile(_File):
    """A file of `mappings/MODEL/`. One that `adds` puts practices and objectives into a function that is there."""

    function: Slug
    adds: bool = False
    title: Line
    practices: tuple[PracticeFile, ...]


class ModelFile(_File):
    """`mappings/MODEL.yaml`: names the model and orders its functions."""

    model: Slug
    title: Line
    version: Version
    functions: tuple[Slug, ...]


class MappedFile(_File):
    """An objective that a control asks for, and how far it answers the control."""

    id: ObjectiveId
    relation: Slug


class ControlFile(_File):
    """One control of an outside framework: its id and title, never its prose."""

    title: Line
    objectives: tuple[MappedFile, ...] = ()


class FrameworkFile(_File):
    """A file of `mappings/frameworks/`: controls pointing at objectives."""

    framework: Annotated[str, Field(pattern=FRAMEWORK)]
    version: Version
    title: Line = ""
    controls: dict[Annotated[str, Field(pattern=CONTROL)], ControlFile] = {}
