"""The pages of the reference: one a service with its tables and rules under anchors, one a function, and the index of both."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cnamm_scan import content as reader
from cnamm_scan.model import LEVEL_NAMES, Content, Function, Rule
from cnamm_scan.report.reference import EVERY_ROW, cell, rule_lines, table_lines, tables_in, text

INDEX, BENCHMARKS = "README.md", "benchmarks.md"


def pages(content: Content, also: Sequence[str] = ()) -> dict[str, str]:
    """Every page of the reference: path inside the folder -> text. The index links to the files of `also`, which others write."""
    book = _Book(content)
    cited = benchmarks(content)
    made = {INDEX: _index(book, cited, also)}
    made.update((service.page, _service_page(book, service)) for service in book.services.values())
    made.update((book.function_page(function.id), _function_page(book, function)) for function in book.functions)
    if cited:
        made[BENCHMARKS] = _benchmarks_page(book, cited)
    return made


# ---- where things stand --------------------------------------------------------------------------------------------------


@dataclass
class _Anchors:
    """The links that the headings of one page get where Markdown is shown: a second one of the same form is numbered."""

    taken: dict[str, int] = field(default_factory=dict)

    def of(self, heading: str) -> str:
        """The anchor of the next heading."""
        base = made = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        while made in self.taken:
            self.taken[base] += 1
            made = f"{base}-{self.taken[base]}"
        self.taken[made] = 0
        return made


@dataclass
class _Service:
    """What stands on the page of one service."""

    name: str
    """As the ids of what it has begin: PROVIDER.SERVICE."""
    tables: list[str] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)

    @property
    def page(self) -> str:
        """Where it is."""
        return self.name.replace(".", "/") + ".md"

    def sections(self) -> list[tuple[str, str, list[str]]]:
        """(heading, kind, ids) of what there is, in the order of the page."""
        every = [("Fact tables", "table", self.tables), ("Views", "table", self.views), ("Rules", "rule", self.rules)]
        return [section for section in every if section[2]]


class _Book:
    """The reference as a whole: what is on which page, and how one page names what is on another."""

    def __init__(self, content: Content) -> None:
        self.content = content
        self.services: dict[str, _Service] = {}
        self.functions: list[Function] = [function for model in content.models for function in model.functions]
        for name in sorted({*content.tables, *reader.ENGINE_TABLES}):
            self._service(name).tables.append(name)
        for name in sorted(content.views):
            self._service(name).views.append(name)
        for name in sorted(content.rules):
            self._service(name).rules.append(name)
        self.services = dict(sorted(self.services.items()))
        self._places: dict[tuple[str, str], tuple[str, str]] = {}
        for service in self.services.values():
            anchors = _Anchors()
            anchors.of(service.name)
            for heading, kind, names in service.sections():
                anchors.of(heading)
                for name in names:
                    self._places[kind, name] = (service.page, anchors.of(name))
        for function in self.functions:
            anchors = _Anchors()
            anchors.of(function.title)
            for practice in function.practices:
                anchor = anchors.of(practice.title)
                for placed in practice.placements:
                    key, page = ("objective", placed.objective), self.function_page(function.id)
                    defined_here = placed.objective.split(".", 1)[0] == function.id
                    if key not in self._places or (defined_here and self._places[key][0] != page):
                        self._places[key] = (page, anchor)

    def _service(self, name: str) -> _Service:
        parts = name.split(".")
        own = ".".join(parts[:2]) if len(parts) > 2 else parts[0]
        return self.services.setdefault(own, _Service(own))

    def function_page(self, function: str) -> str:
        """Where a function's page is."""
        return f"functions/{function}.md"

    def link(self, page: str, kind: str, name: str) -> str:
        """How `page` names a rule, table or objective."""
        if (kind, name) not in self._places:
            return f"`{name}`"
        there, anchor = self._places[kind, name]
        return f"[{name}]({_from(page, there)}#{anchor})"


def _from(page: str, there: str) -> str:
    """The way from one page to another; nothing from a page to itself."""
    return "" if page == there else posixpath.relpath(there, posixpath.dirname(page) or ".")


# ---- the pages -----------------------------------------------------------------------------------------------------------


def _service_page(book: _Book, service: _Service) -> str:
    content = book.content

    def link(kind: str, name: str) -> str:
        return book.link(service.page, kind, name)

    lines = [f"# {service.name}", "", f"{_contents(service)}. [Index]({_from(service.page, INDEX)})", ""]
    if service.rules:
        lines += ["| rule | severity | says |", "|---|---|---|"]
        lines += [
            f"| {link('rule', name)} | {content.rules[name].severity.value} | {cell(content.rules[name].title)} |" for name in service.rules
        ]
        lines.append("")
    if service.tables or service.views:
        lines += ["| table | a row is |", "|---|---|"]
        lines += [f"| {link('table', name)} | {cell(_about(content, name))} |" for name in (*service.tables, *service.views)]
        lines += ["", EVERY_ROW, ""]
    for heading, kind, names in service.sections():
        lines += [f"## {heading}", ""]
        for name in names:
            one = rule_lines(content, content.rules[name], 3, link) if kind == "rule" else table_lines(content, name, 3, link)
            lines += [*one, ""]
    return re.sub(r"\n{3,}", "\n\n", text(lines))


def _about(content: Content, name: str) -> str:
    own = content.tables.get(name) or content.views.get(name)
    return own.about if own else reader.ENGINE_TABLES[name][0]


def _contents(service: _Service) -> str:
    counts = ((service.tables, "fact table"), (service.views, "view"), (service.rules, "rule"))
    return ", ".join(_counted(len(names), noun) for names, noun in counts if names)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _function_page(book: _Book, function: Function) -> str:
    page = book.function_page(function.id)
    by_objective: dict[str, list[str]] = {}
    for name in sorted(book.content.rules):
        by_objective.setdefault(book.content.rules[name].objective, []).append(name)
    lines = [f"# {function.title}", ""]
    for practice in function.practices:
        lines += [f"## {practice.title}", "", "| level | stream | objective | rules |", "|---|---|---|---|"]
        for placed in practice.placements:
            objective = book.content.objectives[placed.objective]
            rules = ", ".join(book.link(page, "rule", name) for name in by_objective.get(placed.objective, []))
            title = f"{cell(objective.title)} (`{objective.id}`)"
            lines.append(f"| {placed.level} {LEVEL_NAMES[placed.level]} | {placed.stream} | {title} | {rules or 'no rule yet'} |")
        lines.append("")
    lines.append("CNAMM (CC BY-SA 4.0) gives functions, practices and levels; the wording of objectives is ours.")
    return text(lines)


def benchmarks(content: Content) -> dict[str, dict[str, list[Rule]]]:
    """Public benchmark -> item -> the rules that cite it. A reference that is no address is `NAME: ITEM`, or `NAME 1.2.3`."""
    found: dict[str, dict[str, list[Rule]]] = {}
    for rule in sorted(content.rules.values(), key=lambda rule: rule.id):
        for reference in rule.references:
            if "://" in reference:
                continue
            name, colon, item = reference.partition(": ")
            if not colon:
                name, _, item = reference.rpartition(" ")
            found.setdefault(name, {}).setdefault(item, []).append(rule)
    return {name: dict(sorted(items.items(), key=lambda each: _numbered(each[0]))) for name, items in sorted(found.items())}


def _numbered(item: str) -> tuple[tuple[int, str], ...]:
    """So that 5.1.10 comes after 5.1.9, and words after numbers."""
    return tuple((int(part), "") if part.isdecimal() and len(part) < 9 else (10**9, part.casefold()) for part in item.split("."))


def _benchmarks_page(book: _Book, cited: Mapping[str, Mapping[str, list[Rule]]]) -> str:
    lines = ["# Benchmarks", "", "Which rules look at which item of a public benchmark, as the rules' `references:` say.", ""]
    lines.append(
        "A rule may ask for more or less than the item that it cites. No score is given for a benchmark; what no rule cites is not judged."
    )
    anchors = _Anchors()
    anchors.of("Benchmarks")
    lines += ["", *(f"- [{name}](#{anchors.of(name)}): {_counted(len(items), 'item')}" for name, items in cited.items())]
    opted = {table.id for table in book.content.tables.values() if table.opt_in}
    for name, items in cited.items():
        lines += ["", f"## {name}", "", "| item | rule | says |", "|---|---|---|"]
        for item, rules in items.items():
            for rule in rules:
                how = rule.severity.value + (", read only when asked for" if opted & tables_in(rule) else "")
                lines.append(f"| {cell(item)} | {book.link(BENCHMARKS, 'rule', rule.id)} | {cell(rule.title)} ({how}) |")
    return text(lines)


def _index(book: _Book, cited: Mapping[str, Mapping[str, list[Rule]]], also: Iterable[str]) -> str:
    content = book.content
    judged = {rule.objective for rule in content.rules.values()}
    lines = ["# Reference", "", "Made from content by `cnamm-scan content docs docs/reference`; do not edit.", ""]
    lines.append(
        f"{len(content.rules)} rules over {len(content.tables)} fact tables and {len(content.views)} views judge"
        f" {len(judged)} of {len(content.objectives)} objectives."
    )
    lines += ["", "## By function", "", "| function | practices | objectives | judged | rules |", "|---|---|---|---|---|"]
    for function in book.functions:
        asked = set(function.asks)
        rules = sum(rule.objective in asked for rule in content.rules.values())
        lines.append(
            f"| [{function.title}]({book.function_page(function.id)}) | {len(function.practices)} | {len(asked)} | {len(asked & judged)}"
            f" | {rules} |"
        )
    if cited:
        lines += ["", f"Items of public benchmarks, with the rules that cite them: [{BENCHMARKS}]({BENCHMARKS})."]
    lines += ["", "## By service"]
    for provider in dict.fromkeys(name.split(".")[0] for name in book.services):
        lines += ["", f"### {provider}", "", "| service | fact tables | views | rules |", "|---|---|---|---|"]
        for service in book.services.values():
            if service.name.split(".")[0] == provider:
                counts = " | ".join(str(len(names) or "–") for names in (service.tables, service.views, service.rules))
                lines.append(f"| [{service.name}]({service.page}) | {counts} |")
    if also:
        lines += ["", "## Rights", "", "The least rights of a scan that reads everything, in parts that fit:", ""]
        lines += [f"- [{posixpath.basename(name)}]({name})" for name in also]
    return text(lines)
