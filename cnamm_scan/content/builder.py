"""The files of packs gathered into tables, rules, objectives and models; every problem of every file is kept, none stops the reading."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cnamm_scan.content.checks import provider_problems, table_problems, view_problems, with_needs
from cnamm_scan.content.packs import refuse_odd_name
from cnamm_scan.content.source import Source
from cnamm_scan.content.tables import ENGINE_TABLES
from cnamm_scan.errors import ContentError, did_you_mean
from cnamm_scan.model import Column, Content, Function, Model, Objective, Parameter, Placement, Practice, Rule, RuleTests, Table, View
from cnamm_scan.providers.catalog import KINDS as PROVIDERS

if TYPE_CHECKING:  # the shapes take a tenth of a second to be made, and content that the cache knows needs none
    from cnamm_scan.content.shapes import ModelFile

FRAMEWORKS = "frameworks"
"""The folder of `mappings/` that is no model's."""


@dataclass
class Builder:
    """What was read so far, and what is wrong with it."""

    tables: dict[str, Table] = field(default_factory=dict)
    views: dict[str, View] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)
    objectives: dict[str, Objective] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    functions: dict[str, dict[str, Function]] = field(default_factory=dict)
    models: dict[str, ModelFile] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    problems: list[ContentError] = field(default_factory=list)
    placed: list[tuple[Source, tuple[str | int, ...], str]] = field(default_factory=list)
    judging: list[tuple[Source, str]] = field(default_factory=list)
    shipped: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    """Ids that rules and objectives had before -> what they are called now."""
    named: list[tuple[Source, tuple[str | int, ...], str]] = field(default_factory=list)
    """Where each of these is written."""

    def read(self, source: Source) -> None:
        """Take one file in."""
        from cnamm_scan.content.shapes import ModelFile

        kind, *rest = source.name.split("/")
        try:
            refuse_odd_name(source)
            if kind == "collectors":
                self._collector(source)
            elif kind == "rules":
                self._rule(source)
            elif rest[0] == FRAMEWORKS:
                self._framework(source)
            elif len(rest) == 1:
                model = source.parse(ModelFile)
                if model.model in self.models or model.model == FRAMEWORKS:
                    self._fail(source, f"model '{model.model}' is already defined", "give yours another name", ("model",))
                self.models[model.model] = model
            else:
                self._function(source, rest[0])
        except ContentError as error:
            self.problems.extend(error.problems or (error,))

    def _collector(self, source: Source) -> None:
        from cnamm_scan.content.shapes import CollectorFile

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
                list=with_needs(table.list.model(), file.client or file.service, kind),
                key=table.key,
                columns={name: column.model() for name, column in table.columns.items()},
                then={name: with_needs(part.model(), file.client or file.service, kind) for name, part in table.then.items()},
                each=table.each,
                normalise=table.normalise,
                redact=table.redact,
                opt_in=table.opt_in,
                as_of=table.as_of,
                source=source.shown,
            )
            for what, do, location in (*table_problems(made), *provider_problems(made, kind)):
                self._fail(source, f"{table_id}: {what}", do, (*where, *location))
            better = table.list.unless
            if better and (better not in file.facts or better == table_id or file.facts[better].once_per != table.once_per):
                self._fail(
                    source,
                    f"{table_id}: 'unless: {better}' is no other table of this file that is listed as often",
                    did_you_mean(better, set(file.facts) - {table_id}),
                    (*where, "list"),
                )
            parent = table.list.for_
            if parent and parent not in file.facts:
                self._fail(
                    source, f"{table_id}: 'for: {parent}' is no table of this file", did_you_mean(parent, file.facts), (*where, "list")
                )
            self.tables[table_id] = made
            self._mark(source, table_id)
        for view_id, view in file.views.items():
            if view_id in self.tables or view_id in ENGINE_TABLES:
                self._fail(source, f"'{view_id}' is a table", "choose another name for the view", ("views", view_id))
            if view_id in self.views and view_id not in file.overrides:
                self._fail(source, f"view '{view_id}' is already defined", f"write overrides: {view_id}", ("views", view_id))
            columns: Mapping[str, Column] = {name: column.model() for name, column in view.columns.items()}
            made_by = view.made.model() if view.made else None
            maker = kind.makers.get(made_by.by) if kind and made_by else None
            self.views[view_id] = View(
                view_id, view.about, maker.columns if maker else columns, view.select, source.shown, made_by, view.across_regions
            )
            self._mark(source, view_id)
            for what, do, location in view_problems(view, kind):
                self._fail(source, f"{view_id}: {what}", do, ("views", view_id, *location))
        self.files[self._free(source.name)] = source.raw

    def _rule(self, source: Source) -> None:
        from cnamm_scan.content.shapes import RuleFile

        file = source.parse(RuleFile)
        expected = source.name.removeprefix("rules/").removesuffix(".yaml").replace("/", ".")
        if file.id != expected:
            self._fail(source, f"id '{file.id}' does not match its path", f"the path says '{expected}'", ("id",))
        name = file.id
        if name in self.renamed and name not in self.rules:  # a pack that was written for the rule as it was called then
            name = self.renamed[file.id]
            if file.overrides != file.id:
                self._fail(source, f"rule '{name}' was called '{file.id}'", f"choose another id, or write overrides: {name}", ("id",))
        elif name in self.rules and file.overrides != name:
            other = self.rules[name].source
            self._fail(source, f"rule '{name}' is already defined in {other}", f"write overrides: {name}", ("id",))
        if file.where is not None and not file.tests.not_applicable:
            self._fail(source, "a rule with 'where' needs tests for not_applicable", "add a row that it does not concern", ("tests",))
        tests = RuleTests(file.tests.pass_, file.tests.fail, file.tests.unknown, file.tests.not_applicable, file.tests.given)
        self.rules[name] = Rule(
            id=name,
            title=file.title,
            objective=file.objective,
            severity=file.severity,
            status=file.status,
            for_each=file.for_each,
            where=file.where,
            pass_=file.pass_,
            message=file.said(),
            says=file.sayings(),
            why=file.why,
            note=file.note,
            fix=file.mended(PROVIDERS.get(source.name.split("/")[1])),
            references=file.references,
            scope=file.scope,
            parameters={name: Parameter(spec.default, spec.source) for name, spec in file.parameters.items()},
            tests=tests,
            overrides=file.overrides,
            across_regions=file.across_regions,
            tags=file.tags,
            aliases=tuple(dict.fromkeys((*file.aliases, *(self.rules[name].aliases if name in self.rules else ())))),
            source=source.shown,
            sha256=hashlib.sha256(source.raw).hexdigest(),
        )
        self._mark(source, name)
        self._rename(source, name, file.aliases)
        self.placed.append((source, ("objective",), file.objective))
        self.judging.append((source, file.for_each))
        self.files[source.name] = source.raw

    def _rename(self, source: Source, name: str, aliases: Sequence[str]) -> None:
        """Take the ids that a rule had before: none of them ever means another."""
        for at, alias in enumerate(aliases):
            other = self.renamed.setdefault(alias, name)
            if other != name:
                self._fail(source, f"'{alias}' is an alias of '{other}' already", "an old id means one rule; remove it", ("aliases", at))
            self.named.append((source, ("aliases", at), alias))

    def _function(self, source: Source, model: str) -> None:
        from cnamm_scan.content.shapes import FunctionFile

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
                self.objectives[objective.id] = Objective(
                    objective.id, objective.title, objective.level, objective.stream, objective.basis, objective.short, objective.aliases
                )
                self._rename(source, objective.id, objective.aliases)
                placements.append(Placement(objective.id, objective.level, objective.stream))
            for o, also in enumerate(practice.also):
                self.placed.append((source, ("practices", p, "also", o), also.id))
                placements.append(Placement(also.id, also.level, also.stream, also.instead_of))
                if also.instead_of:
                    self.merged[also.instead_of] = also.id
            placements.sort(key=lambda placed: (placed.level, placed.stream))
            practices.append(Practice(practice.id, practice.title, tuple(placements)))
        known = self.functions.setdefault(model, {})
        there = known.get(file.function)
        if file.adds and there is None:
            self._fail(source, f"there is no function '{file.function}' to add to", did_you_mean(file.function, known), ("function",))
        elif there is not None and not file.adds:
            do = "write adds: true to put objectives into it, or make your own"
            self._fail(source, f"function '{file.function}' is already defined in {there.source}", do, ("function",))
        if there is not None and file.adds:
            known[file.function] = replace(there, practices=with_more(there.practices, practices))
        else:
            known[file.function] = Function(file.function, file.title, tuple(practices), source.shown)
        self.files[self._free(source.name)] = source.raw

    def _framework(self, source: Source) -> None:
        """Checked here, and read by the exports that need it."""
        from cnamm_scan.content.shapes import FrameworkFile

        for name, control in source.parse(FrameworkFile).controls.items():
            for number, mapped in enumerate(control.objectives):
                self.placed.append((source, ("controls", name, "objectives", number), mapped.id))

    def _free(self, name: str) -> str:
        """The name of a file, or one that no other has: packs may each have a file of a service or of a function, and all are kept."""
        while name in self.files:
            name = name.removesuffix(".yaml") + "_.yaml"
        return name

    def _mark(self, source: Source, name: str) -> None:
        (self.shipped.add if source.is_shipped else self.shipped.discard)(name)

    def _fail(self, source: Source, what: str, do: str, location: Sequence[str | int] = ()) -> None:
        self.problems.append(source.problem(what, do, location))

    def check_references(self) -> None:
        """Objectives and tables that are named must exist, and what has an old id is called otherwise."""
        for source, location, name in self.named:
            if name in self.rules or name in self.objectives:
                self._fail(source, f"'{name}' is no old id: it is in use", "remove the alias, or rename the other", location)
        for rule in [rule for rule in self.rules.values() if rule.objective in self.renamed]:
            self.rules[rule.id] = replace(rule, objective=self.renamed[rule.objective])
        for source, location, objective in self.placed:
            if objective in self.renamed:
                continue
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
            models.append(Model(file.model, file.title, file.version, tuple(map(self._by_new_names, ordered))))
        return tuple(models)

    def _by_new_names(self, function: Function) -> Function:
        """The function with what it asks for called as it is called now."""
        practices = [
            replace(
                practice,
                placements=tuple(
                    replace(placed, objective=self.renamed.get(placed.objective, placed.objective)) for placed in practice.placements
                ),
            )
            for practice in function.practices
        ]
        return replace(function, practices=tuple(practices))


def with_more(practices: Sequence[Practice], more: Sequence[Practice]) -> tuple[Practice, ...]:
    """Practices with those of a pack: what it says of one that is there is added to it, others follow."""
    added = {practice.id: practice for practice in more}
    made = []
    for practice in practices:
        own = added.pop(practice.id, None)
        placements = sorted((*practice.placements, *(own.placements if own else ())), key=lambda placed: (placed.level, placed.stream))
        made.append(replace(practice, placements=tuple(placements)))
    return (*made, *added.values())


def begun(base: Content) -> Builder:
    """A builder that has read all of a content."""
    return Builder(
        tables=dict(base.tables),
        views=dict(base.views),
        rules=dict(base.rules),
        objectives=dict(base.objectives),
        merged=dict(base.merged),
        files=dict(base.files),
        shipped=set(base.shipped),
        renamed={
            **{alias: rule.id for rule in base.rules.values() for alias in rule.aliases},
            **{alias: objective.id for objective in base.objectives.values() for alias in objective.aliases},
        },
    )
