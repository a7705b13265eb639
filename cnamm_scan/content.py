"""YAML -> model: the only reader of content. Refuses what does not validate and says file, line and what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cnamm_scan import __version__, paths
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import (
    ESTATE_TABLE,
    UNSET,
    Call,
    Column,
    ColumnType,
    Content,
    Function,
    Made,
    Model,
    Objective,
    Parameter,
    Placement,
    Practice,
    Rule,
    RuleTests,
    Severity,
    Table,
    View,
)
from cnamm_scan.providers.catalog import KINDS as PROVIDERS
from cnamm_scan.providers.catalog import REGION_COLUMNS
from cnamm_scan.providers.kind import Kind

KINDS = ("collectors", "rules", "mappings")
VARIABLES = frozenset({"$account", "$region", "$partition", "$target", "$now"})
ROW_COLUMNS: Mapping[str, Column] = {
    "target": Column("text", about="The target that the row belongs to, as `provider:name`."),
    "region": Column("text", about="The region that the row was read in or lives in."),
    "key": Column("text", about="The resource's own id, unique in its target and region."),
    "scan_time": Column("timestamp", about="When the scan began: the only clock a rule has."),
}
"""Columns that every table has."""

ENGINE_TABLES: Mapping[str, tuple[str, Mapping[str, Column]]] = {
    ESTATE_TABLE: (
        "One row for each target of the scan. Made by the engine.",
        {"name": Column("text", "name"), "provider": Column("text", "provider")},
    ),
    **{kind.region_table: (kind.region_about, REGION_COLUMNS) for kind in PROVIDERS.values() if kind.region_table},
}


# ---- the shapes of the files -----------------------------------------------------------------------------------------


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_list)]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, strict=False)


class CallFile(_File):
    """`list:` or one part under `then:`."""

    call: str | None = Field(None, pattern=r"^([A-Za-z0-9_.,/-]+:)?([A-Za-z0-9_./]+|\*)$")
    read: str | None = None
    needs: Texts = ()
    with_: dict[str, str] = Field({}, alias="with")
    fixed: dict[str, Any] = {}
    items: str | None = None
    for_: str | None = Field(None, alias="for")
    absent_on: Texts = ()
    gone_on: Texts = ()
    in_region: str | None = None
    target: str | None = None
    at_most: int | None = Field(None, gt=0)
    many: dict[str, str] = {}
    size: int = Field(1, gt=0)
    by: str | None = None

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

    def model(self) -> Column:
        """The frozen form."""
        return Column(self.type, self.from_, self.absent, self.exists, self.is_, self.about)


class TableFile(_File):
    """One fact table."""

    about: str
    once_per: Literal["account", "region", "target", "connection"]
    list: CallFile
    key: str
    columns: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], ColumnFile]
    then: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], CallFile] = {}
    each: str | None = None
    normalise: dict[str, str] = {}
    redact: Texts = ()
    opt_in: str | None = None


class MadeFile(_File):
    """`made:` of a view: a function of the provider's wing, and what it reads."""

    by: str
    reads: dict[str, Texts]
    over: Texts

    def model(self) -> Made:
        """The frozen form."""
        return Made(self.by, self.reads, self.over)


class ViewFile(_File):
    """One view: a SELECT, or a function."""

    about: str
    columns: dict[str, ColumnFile] = {}
    select: str = ""
    made: MadeFile | None = None


class CollectorFile(_File):
    """A file of `collectors/`."""

    service: str
    client: str | None = None
    facts: dict[Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z0-9_]+){2}$")], TableFile] = {}
    views: dict[Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z0-9_]+){2}$")], ViewFile] = {}
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


class RuleFile(_File):
    """A file of `rules/`."""

    id: str = Field(pattern=r"^[a-z]+(\.[a-z0-9_-]+){2,3}$")
    title: str
    objective: str
    severity: Severity
    status: Literal["experimental", "stable", "deprecated"]
    for_each: str
    where: str | None = None
    pass_: str = Field(alias="pass")
    message: str
    why: str
    fix: str
    references: Annotated[Texts, Field(min_length=1)]
    scope: Literal["target", "estate"] = "target"
    parameters: dict[str, ParameterFile] = {}
    tests: TestsFile
    overrides: str | None = None


class ObjectiveFile(_File):
    """One objective, where it is defined."""

    id: str
    level: int = Field(ge=1, le=5)
    stream: Literal["A", "B"]
    basis: Literal["cnamm", "ours"] = "ours"
    title: str


class AlsoFile(_File):
    """One objective, where it is asked for too."""

    id: str
    level: int = Field(ge=1, le=5)
    stream: Literal["A", "B"]
    instead_of: str | None = None


class PracticeFile(_File):
    """One practice area."""

    id: str
    title: str
    objectives: tuple[ObjectiveFile, ...] = ()
    also: tuple[AlsoFile, ...] = ()


class FunctionFile(_File):
    """A file of `mappings/MODEL/`."""

    function: str
    title: str
    practices: tuple[PracticeFile, ...]


class ModelFile(_File):
    """`mappings/MODEL.yaml`: names the model and orders its functions."""

    model: str
    title: str
    version: str
    functions: tuple[str, ...]


# ---- reading ---------------------------------------------------------------------------------------------------------

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc,valid-type]
    """Refuses a key that stands twice in a mapping, which YAML would let win silently; dates stay texts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is no text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def _line_of(text: str, location: Sequence[str | int]) -> int:
    """The line (from 1) at which a pydantic location stands, or of the nearest thing above it."""
    node = yaml.compose(text, Loader=_Loader)
    line = 1
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == step), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
        else:
            return line
    return int(line)


_ADVICE = {
    "missing": "add it",
    "extra_forbidden": "remove it, or check its spelling against docs/content.md",
    "literal_error": "use one of the allowed values",
    "enum": "use one of the allowed values",
    "string_pattern_mismatch": "use the form that docs/content.md shows",
}

FileT = TypeVar("FileT", bound=_File)


@dataclass(frozen=True, slots=True)
class _Source:
    """One content file: its name inside its pack, how it is shown in messages, and its bytes."""

    name: str
    shown: str
    raw: bytes

    def problem(self, what: str, do: str, location: Sequence[str | int] = ()) -> ContentError:
        """A ContentError that names the file and the line of `location`."""
        try:
            line = _line_of(self.raw.decode("utf-8", "replace"), location)
        except yaml.YAMLError:
            line = 1
        return ContentError(what, where=f"{self.shown}:{line}", do=do)

    def parse(self, shape: type[FileT]) -> FileT:
        """The file as its shape. Raises ContentError with one problem for each thing that is wrong."""
        try:
            document = yaml.load(self.raw, Loader=_StrictLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f"{self.shown}:{mark.line + 1}" if mark else self.shown
            what = getattr(error, "problem", None) or "cannot be read"
            raise ContentError(f"not well-formed YAML: {what}", where=where, do="mend the line") from error
        except UnicodeDecodeError as error:
            raise ContentError("not UTF-8 text", where=self.shown, do="save the file as UTF-8") from error
        if not isinstance(document, dict):
            raise ContentError("holds no mapping", where=f"{self.shown}:1", do="see docs/content.md for what goes here")
        try:
            return shape.model_validate(document)
        except ValidationError as error:
            problems = []
            for detail in error.errors(include_url=False, include_context=False):
                location = [step for step in detail["loc"] if step != "[key]"]
                name = ".".join(str(step) for step in location)
                shown = "" if detail["type"] == "missing" or isinstance(detail["input"], dict | list) else f", got {detail['input']!r}"
                what = f"'{name}': {detail['msg'].lower()}{shown}"
                problems.append(self.problem(what, _ADVICE.get(detail["type"], "see docs/content.md"), location))
            if len(problems) == 1:
                raise problems[0] from error
            raise ContentError(f"{len(problems)} things are wrong", where=self.shown, problems=problems) from error


def bundled_pack() -> Path:
    """The folder of the packs that ship: inside the wheel, or the checkout of an editable install."""
    package = Path(__file__).parent
    inside = package / "_content"
    return inside if inside.is_dir() else package.parent


def _installed_packs() -> Iterator[Path]:
    """Packs of other distributions: the entry point names a folder (a str or Path)."""
    for point in entry_points(group="cnamm_scan.content"):
        yield Path(point.load())


def _sources(pack: Path) -> Iterator[_Source]:
    for kind in KINDS:
        for file in sorted((pack / kind).rglob("*")):
            if file.suffix == ".yml":
                raise ContentError("content files end in .yaml", where=str(file), do=f"rename it to {file.stem}.yaml")
            if file.suffix == ".yaml" and file.is_file():
                name = file.relative_to(pack).as_posix()
                try:
                    raw = file.read_bytes()
                except OSError as error:
                    raise ContentError(f"cannot be read: {error.strerror}", where=str(file), do="check its permissions") from error
                yield _Source(name, _shown(file), raw)


def _shown(file: Path) -> str:
    try:
        return file.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(file)


def load(packs: Iterable[Path] = (), *, bundled: bool = True) -> Content:
    """Read the bundled pack, the installed ones and `packs`, in that order.

    Raises ContentError that holds every problem of every file: one run names them all.
    """
    sources: list[list[_Source]] = []
    if bundled:
        sources.append(list(_sources(bundled_pack())))
        sources.extend(list(_sources(pack)) for pack in _installed_packs())
    for pack in packs:
        if not any((pack / kind).is_dir() for kind in KINDS):
            raise ContentError("is no content pack", where=str(pack), do="name a folder that holds collectors/, rules/ or mappings/")
        sources.append(list(_sources(pack)))
    return _build(sources)


def load_files(files: Mapping[str, bytes]) -> Content:
    """Content from files in memory, as `method/` of a bundle holds them: name inside the pack -> bytes."""
    ordered = sorted(files.items(), key=lambda file: (b"\noverrides:" in b"\n" + file[1], file[0]))  # what is overridden comes first
    return _build([[_Source(name, f"method/{name}", raw) for name, raw in ordered]])


@dataclass
class _Builder:
    """Gathers the packs; every problem is kept, none stops the reading."""

    tables: dict[str, Table] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    objectives: dict[str, Objective] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    functions: dict[str, dict[str, Function]] = field(default_factory=dict)
    models: dict[str, ModelFile] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[ContentError] = field(default_factory=list)
    placed: list[tuple[_Source, tuple[str | int, ...], str]] = field(default_factory=list)
    judging: list[tuple[_Source, str]] = field(default_factory=list)

    def read(self, source: _Source) -> None:
        """Take one file in."""
        kind, *rest = source.name.split("/")
        try:
            if kind == "collectors":
                self._collector(source)
            elif kind == "rules":
                self._rule(source)
            elif rest and rest[0] == "frameworks":
                pass  # read by the exports that need them
            elif len(rest) == 1:
                model = source.parse(ModelFile)
                if model.model in self.models:
                    self._fail(source, f"model '{model.model}' is already defined", "give yours another name", ("model",))
                self.models[model.model] = model
            else:
                self._function(source, rest[0])
        except ContentError as error:
            self.problems.extend(error.problems or (error,))

    def _collector(self, source: _Source) -> None:
        file = source.parse(CollectorFile)
        provider = source.name.split("/")[1]
        kind = PROVIDERS.get(provider)
        for table_id, table in file.facts.items():
            where = ("facts", table_id)
            if not table_id.startswith(f"{provider}."):
                self._fail(source, f"table '{table_id}' is not of provider '{provider}'", "rename it, or move the file", where)
            if table_id in ENGINE_TABLES:
                self._fail(source, f"table '{table_id}' is made by the engine", "choose another name", where)
                continue
            if table_id in self.tables and table_id not in file.overrides:
                other = self.tables[table_id].source
                self._fail(source, f"table '{table_id}' is already defined in {other}", f"write overrides: {table_id}", where)
            made = Table(
                id=table_id,
                service=file.service,
                client=file.client or file.service,
                about=table.about,
                once_per=table.once_per,
                list=_with_needs(table.list.model(), file.client or file.service, kind),
                key=table.key,
                columns={name: column.model() for name, column in table.columns.items()},
                then={name: _with_needs(part.model(), file.client or file.service, kind) for name, part in table.then.items()},
                each=table.each,
                normalise=table.normalise,
                redact=table.redact,
                opt_in=table.opt_in,
                source=source.shown,
            )
            for what, do, location in (*_table_problems(made), *_provider_problems(made, kind)):
                self._fail(source, f"{table_id}: {what}", do, (*where, *location))
            parent = table.list.for_
            if parent and parent not in file.facts:
                self._fail(
                    source, f"{table_id}: 'for: {parent}' is no table of this file", did_you_mean(parent, file.facts), (*where, "list")
                )
            self.tables[table_id] = made
        for view_id, view in file.views.items():
            if view_id in self.tables or view_id in ENGINE_TABLES:
                self._fail(source, f"'{view_id}' is a table", "choose another name for the view", ("views", view_id))
            if view_id in self.views and view_id not in file.overrides:
                self._fail(source, f"view '{view_id}' is already defined", f"write overrides: {view_id}", ("views", view_id))
            columns: Mapping[str, Column] = {name: column.model() for name, column in view.columns.items()}
            made_by = view.made.model() if view.made else None
            maker = kind.makers.get(made_by.by) if kind and made_by else None
            self.views[view_id] = View(view_id, view.about, maker.columns if maker else columns, view.select, source.shown, made_by)
            for what, do, location in _view_problems(view, kind):
                self._fail(source, f"{view_id}: {what}", do, ("views", view_id, *location))
        name = source.name
        while name in self.files:  # packs may each have a file of a service: both are kept
            name = name.removesuffix(".yaml") + "_.yaml"
        self.files[name] = source.raw

    def _rule(self, source: _Source) -> None:
        file = source.parse(RuleFile)
        expected = source.name.removeprefix("rules/").removesuffix(".yaml").replace("/", ".")
        if file.id != expected:
            self._fail(source, f"id '{file.id}' does not match its path", f"the path says '{expected}'", ("id",))
        if file.id in self.rules and file.overrides != file.id:
            other = self.rules[file.id].source
            self._fail(source, f"rule '{file.id}' is already defined in {other}", f"write overrides: {file.id}", ("id",))
        if file.where is not None and not file.tests.not_applicable:
            self._fail(source, "a rule with 'where' needs tests for not_applicable", "add a row that it does not concern", ("tests",))
        tests = RuleTests(file.tests.pass_, file.tests.fail, file.tests.unknown, file.tests.not_applicable, file.tests.given)
        self.rules[file.id] = Rule(
            id=file.id,
            title=file.title,
            objective=file.objective,
            severity=file.severity,
            status=file.status,
            for_each=file.for_each,
            where=file.where,
            pass_=file.pass_,
            message=file.message,
            why=file.why,
            fix=file.fix,
            references=file.references,
            scope=file.scope,
            parameters={name: Parameter(spec.default, spec.source) for name, spec in file.parameters.items()},
            tests=tests,
            overrides=file.overrides,
            source=source.shown,
            sha256=hashlib.sha256(source.raw).hexdigest(),
        )
        self.placed.append((source, ("objective",), file.objective))
        self.judging.append((source, file.for_each))
        self.files[source.name] = source.raw

    def _function(self, source: _Source, model: str) -> None:
        file = source.parse(FunctionFile)
        practices = []
        for p, practice in enumerate(file.practices):
            placements = []
            for o, objective in enumerate(practice.objectives):
                at = ("practices", p, "objectives", o)
                if not objective.id.startswith(f"{file.function}."):
                    self._fail(source, f"objective '{objective.id}' is not of function '{file.function}'", "rename it", at)
                if objective.id in self.objectives:
                    self._fail(source, f"objective '{objective.id}' is defined twice", "refer to it with also:", at)
                self.objectives[objective.id] = Objective(objective.id, objective.title, objective.level, objective.stream, objective.basis)
                placements.append(Placement(objective.id, objective.level, objective.stream))
            for o, also in enumerate(practice.also):
                self.placed.append((source, ("practices", p, "also", o), also.id))
                placements.append(Placement(also.id, also.level, also.stream, also.instead_of))
                if also.instead_of:
                    self.merged[also.instead_of] = also.id
            placements.sort(key=lambda placed: (placed.level, placed.stream))
            practices.append(Practice(practice.id, practice.title, tuple(placements)))
        known = self.functions.setdefault(model, {})
        if file.function in known:
            self._fail(
                source, f"function '{file.function}' is already defined in {known[file.function].source}", "make your own", ("function",)
            )
        known[file.function] = Function(file.function, file.title, tuple(practices), source.shown)
        self.files[source.name] = source.raw

    def _fail(self, source: _Source, what: str, do: str, location: Sequence[str | int] = ()) -> None:
        self.problems.append(source.problem(what, do, location))

    def check_references(self) -> None:
        """Objectives and tables that are named must exist."""
        for source, location, objective in self.placed:
            if objective in self.merged:
                self._fail(source, f"objective '{objective}' was merged away", f"name '{self.merged[objective]}'", location)
            elif objective not in self.objectives and self.objectives:
                self._fail(source, f"no objective '{objective}'", did_you_mean(objective, self.objectives), location)
        known = {*self.tables, *self.views, *ENGINE_TABLES}
        for source, table in self.judging:
            if table not in known:
                self._fail(source, f"no table '{table}'", did_you_mean(table, known), ("for_each",))

    def made_models(self) -> tuple[Model, ...]:
        """The models with their functions in the order that the model's file gives."""
        models = []
        for name, functions in sorted(self.functions.items()):
            file = self.models.get(name)
            if file is None:
                self.problems.append(
                    ContentError(f"model '{name}' has no file", where=f"mappings/{name}.yaml", do="write model, title, version, functions")
                )
                continue
            for function in file.functions:
                if function not in functions:
                    self.problems.append(
                        ContentError(f"no function '{function}'", where=f"mappings/{name}.yaml", do=did_you_mean(function, functions))
                    )
            ordered = [functions[function] for function in file.functions if function in functions]
            ordered += [functions[function] for function in functions if function not in file.functions]
            models.append(Model(file.model, file.title, file.version, tuple(ordered)))
        return tuple(models)


def _build(packs: Sequence[Sequence[_Source]]) -> Content:
    builder = _Builder()
    for sources in packs:
        for source in sources:
            builder.read(source)
    for sources in packs:  # model files are content too; they are read by a shape of their own
        for source in sources:
            builder.files.setdefault(source.name, source.raw)
    models = builder.made_models()
    builder.check_references()
    if builder.problems:
        raise ContentError(f"content does not validate: {len(builder.problems)} problem(s)", problems=builder.problems)
    digest = hashlib.sha256()
    for name, raw in sorted(builder.files.items()):
        digest.update(name.encode() + b"\0" + hashlib.sha256(raw).digest())
    return Content(
        tables=builder.tables,
        views=builder.views,
        rules=builder.rules,
        objectives=builder.objectives,
        models=models,
        merged=builder.merged,
        version=__version__,
        sha256=digest.hexdigest(),
        files=builder.files,
    )


# ---- what a shape cannot say -----------------------------------------------------------------------------------------

Problem = tuple[str, str, tuple[str | int, ...]]


def _view_problems(view: ViewFile, kind: Kind | None) -> Iterator[Problem]:
    """What is wrong with how a view is made; which tables and columns there are is seen when all content is read."""
    if bool(view.select) == bool(view.made):
        yield "a view has either select: or made:", "write one of them", ()
    if view.made is None:
        if not view.columns:
            yield "the view has no columns", "declare what it selects besides target, region and key", ()
        return
    known = kind.makers if kind else {}
    if view.made.by not in known:
        yield f"no function '{view.made.by}'", did_you_mean(view.made.by, known), ("made", "by")
    if not view.made.over:
        yield "made: is over no table", "name under over: the tables whose every row gives rows", ("made",)
    for table in view.made.over:
        if table not in view.made.reads:
            yield f"over: {table} is not read", f"name its columns under reads: {table}", ("made", "over")
    if view.columns:
        yield "its columns come from the function", "leave out columns:", ("columns",)


def _path_problem(text: str, location: tuple[str | int, ...]) -> Iterator[Problem]:
    if text.startswith("$"):
        base = text.split("-", 1)[0]
        if base not in VARIABLES:
            yield f"no variable '{text}'", did_you_mean(text, VARIABLES), location
        return
    try:
        paths.parse(text)
    except ContentError as error:
        yield error.what, error.do, location


def _call_problems(call: Call, location: tuple[str | int, ...], *, is_list: bool) -> Iterator[Problem]:
    if (call.call is None) == (call.read is None):
        yield "needs either 'call' or 'read'", "name the operation", location
    if is_list and call.call and call.items is None:
        yield "a list needs 'items'", "name the path to the items, or '@' for the answer itself", location
    if not call.needs:
        yield "'needs' is missing", "name the right that the call needs, such as s3:ListAllMyBuckets", location
    for text in (*call.with_.values(), *call.many.values(), *(t for t in (call.items, call.in_region, call.target, call.by) if t)):
        yield from _path_problem(text, location)
    if call.many and (call.by is None or call.items is None or len(call.many) != 1):
        yield "'many' needs one parameter, 'items' and 'by'", "see docs/content.md", location
    if not is_list and (call.for_ or call.in_region or call.target or call.at_most):
        yield "'for', 'in_region', 'target' and 'at_most' belong to a list", "move them", location
    if call.by and is_list:
        yield "'by' belongs to a part with 'many'", "remove it", location


_ABSENT_TYPES: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "timestamp": (str,),
    "list": (list,),
    "json": (dict, list),
}


def _with_needs(call: Call, client: str, kind: Kind | None) -> Call:
    """The call with the rights that its name tells, where its provider's rights follow from names."""
    return call if call.needs or kind is None or kind.needs is None else replace(call, needs=kind.needs(call, client))


def _provider_problems(table: Table, kind: Kind | None) -> Iterator[Problem]:
    """What a table says that its provider does not know."""
    if kind is None:
        yield f"no provider '{table.provider}'", did_you_mean(table.provider, PROVIDERS), ()
        return
    for path, name in table.normalise.items():
        if name not in kind.normalisers:
            yield f"no form '{name}'", did_you_mean(name, kind.normalisers), ("normalise", path)
    if table.opt_in is not None and table.opt_in not in kind.opt_ins:
        yield f"no opt-in '{table.opt_in}'", did_you_mean(table.opt_in, kind.opt_ins), ("opt_in",)
    for location, call in ((("list",), table.list), *((("then", part), call) for part, call in table.then.items())):
        if call.read is not None and call.read not in kind.readers:
            yield f"no reader '{call.read}'", did_you_mean(call.read, kind.readers), location
        found = kind.call_problem(call, table.client) if kind.call_problem else None
        if found is not None:
            yield (*found, location)


def _column_problems(name: str, column: Column, columns: Mapping[str, Column]) -> Iterator[Problem]:
    location = ("columns", name)
    if name in ROW_COLUMNS:
        yield f"column '{name}' is on every row already", "rename or remove it", location
    if sum(given is not None for given in (column.from_, column.exists, column.is_)) != 1:
        yield f"column '{name}' needs one of 'from', 'exists' and 'is'", "see docs/content.md", location
        return
    if column.path:
        yield from _path_problem(column.path, location)
    if column.absent is not UNSET and column.from_ is None:
        yield f"column '{name}': 'absent' goes with 'from'", "remove it", location
    if column.exists is not None and column.type != "boolean":
        yield f"column '{name}': 'exists' is boolean", "write type: boolean", location
    if column.absent is None:
        if not any(other.exists == column.from_ for other in columns.values()):
            yield (
                f"column '{name}': 'absent: null' would make silence look unseen",
                f"add a boolean column with exists: {column.from_}",
                location,
            )
    elif column.absent is not UNSET:
        allowed = _ABSENT_TYPES[column.type]
        is_bool = isinstance(column.absent, bool)
        if not isinstance(column.absent, allowed) or (is_bool and column.type != "boolean"):
            yield f"column '{name}': absent {column.absent!r} is no {column.type}", "give a value of the column's type", location


def _connection_problems(table: Table) -> Iterator[Problem]:
    """What is asked once for all targets of a connection: each item must say whose it is, and nothing can be asked by one of them."""
    is_wide = table.once_per == "connection"
    if is_wide and table.list.for_:
        yield "a listing for each item is asked for the item's own target", "write once_per: target", ("once_per",)
    elif is_wide and not table.list.target:
        yield "a listing for the whole connection needs 'target'", "name the path to whose an item is", ("list",)
    if table.list.target and not is_wide:
        yield "'target' goes with once_per: connection", "remove it", ("list", "target")
    for text in table.list.with_.values():
        if is_wide and text.startswith("$") and not text.startswith("$now"):
            yield f"a listing for the whole connection has no '{text}'", "leave it out", ("list", "with")


def _table_problems(table: Table) -> Iterator[Problem]:
    yield from _call_problems(table.list, ("list",), is_list=True)
    yield from _connection_problems(table)
    earlier: set[str] = set()
    for part, call in table.then.items():
        yield from _call_problems(call, ("then", part), is_list=False)
        for text in call.with_.values():
            head = text.split(".", 1)[0].split("[", 1)[0]
            if head in table.then and head not in earlier:
                yield f"part '{part}' uses '{head}', which comes after it", f"move '{head}' up", ("then", part)
        earlier.add(part)
    for name, column in table.columns.items():
        yield from _column_problems(name, column, table.columns)
    for text in (*table.normalise, *table.redact, *([table.each] if table.each else [])):
        yield from _path_problem(text, ())
    for text in key_paths(table.key):
        yield from _path_problem(text, ("key",))
    if not table.about.strip():
        yield "'about' is empty", "say what a row is", ("about",)


@cache
def key_paths(template: str) -> tuple[str, ...]:
    """The paths inside the braces of a key template."""
    return tuple(piece.split("}", 1)[0] for piece in template.split("{")[1:] if "}" in piece)


def line_of(content: Content, name: str, key: str = "") -> int | None:
    """The line at which a rule, table or view stands, or one of its keys or columns; None when its file is not at hand."""
    if name in content.rules:
        raw = content.files.get(f"rules/{name.replace('.', '/')}.yaml")
        return None if raw is None else _line_of(raw.decode(), (key,) if key else ())
    for file, raw in content.files.items():
        kind = "facts" if name in content.tables else "views"
        if file.startswith("collectors/") and f"  {name}:".encode() in raw:
            return _line_of(raw.decode(), (kind, name, "columns", key) if key else (kind, name))
    return None


@lru_cache(maxsize=2048)
def columns_of(content: Content, table: str) -> Mapping[str, Column]:
    """The columns of a table, view or engine-made table, with those that every row has. KeyError for an unknown one."""
    if table in content.tables:
        own = content.tables[table].columns
    elif table in content.views:
        own = content.views[table].columns
    else:
        own = ENGINE_TABLES[table][1]
    return {**ROW_COLUMNS, **own}
