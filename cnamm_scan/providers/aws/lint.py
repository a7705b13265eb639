"""Holds AWS collectors against botocore's own description: operations, parameters, and every path into an answer.

Content is checked so before it is shipped, and again by the botocore that a scan runs with: an older one drops what it does not know.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cnamm_scan import paths
from cnamm_scan.errors import did_you_mean
from cnamm_scan.model import Call, Content, Table
from cnamm_scan.providers.aws import absences, errors, silences
from cnamm_scan.providers.interface import Unread

Problem = tuple[str, str, str]
"""(table, what is wrong, what to do)"""

_OTHER_PREFIXES = frozenset({"tag"})
"""Services that IAM calls otherwise than any SDK does."""
MISSPELT = 0.93
"""How alike a right and an operation are at the least for one to be the other, misspelt."""
_ANY: Any = object()
"""A place about which the description says nothing: documents in strings, maps, readers."""


def _member(shape: Any, parameter: str) -> Any:
    """The shape of a parameter, with dots that of a member of one that is a structure; None where there is no such thing."""
    for step in parameter.split("."):
        shape = getattr(shape, "members", {}).get(step)
    return shape


def check(content: Content, known: Collection[str] = ()) -> Iterator[Problem]:
    """Every call, parameter and path of the AWS tables, but for `known` ones, that botocore does not know."""
    linter = _Linter(content)
    for table in content.tables.values():
        if table.provider == "aws" and table.id not in known:
            yield from linter.table(table)


def unread(content: Content, tables: Iterable[str], session: Any) -> Mapping[str, Unread]:
    """What the botocore of a session does not have of these tables; only those of which there is something."""
    linter = _Linter(content, session)
    found = {name: linter.unread(content.tables[name]) for name in tables}
    return {name: each for name, each in found.items() if each is not None}


class _Linter:
    def __init__(self, content: Content, session: Any = None) -> None:
        from botocore.session import get_session

        self.content = content
        self.session = session or get_session()
        self.services = set(self.session.get_available_services())
        self.models: dict[str, Any] = {}

    def table(self, table: Table) -> Iterator[Problem]:
        for _, call in (("list", table.list), *table.then.items()):
            yield from self._call(table, call)
            yield from self._rights(table, call)
        item = self._item(table)
        if item is None:
            return
        for name, column in table.columns.items():
            if column.path and not column.path.startswith("$"):
                yield from self._path(table, item, column.path, f"column '{name}'")
        for text in re.findall(r"\{([^}]*)\}", table.key):
            if not text.startswith("$"):
                yield from self._path(table, item, text, "key")
        if table.as_of:
            yield from self._path(table, item, table.as_of, "as_of")
        for name, asked, why in silences.taken_for_an_answer(self.content, table):
            yield table.id, f"column '{name}': the silence of {asked} says nothing ({why})", "remove its absent: or ask where it is shown"
        for call in table.then.values():
            for parameter, text in (*call.with_.items(), *call.many.items()):
                if not text.startswith("$"):
                    yield from self._path(table, self._item(table, each=False), text, f"parameter '{parameter}'")

    def unread(self, table: Table) -> Unread | None:
        """What of a table the description does not have; None for nothing. What cannot be asked at all says so when it is asked."""
        from botocore import __version__ as version

        listing, item, whole = table.list, self._item(table), self._item(table, each=False)
        if item is None:
            return None
        columns = [column.path for column in table.columns.values() if column.path and not column.path.startswith("$")]
        hidden = frozenset(path for path in columns if self._is_unknown(table, item, path))
        given = self._operation(table, listing).output_shape
        no_items = listing.items not in (None, paths.SELF) and self._is_unknown(table, given, listing.items or "")
        parts = frozenset(name for name, call in table.then.items() if self._is_part_unknown(table, whole, call))
        made = Unread(
            f"botocore {version} does not have it",
            listing=no_items or self._cannot_ask(table, whole, listing),
            each=table.each is not None and self._is_unknown(table, whole, table.each),
            parts=parts,
            paths=hidden,
        )
        return made if made.listing or made.each or made.parts or made.paths else None

    def _cannot_ask(self, table: Table, item: Any, call: Call) -> bool:
        """Whether a parameter would be dropped, or would come from what is dropped: something else would be asked."""
        operation = self._operation(table, call)
        if operation is None or isinstance(operation, tuple):
            return False
        if any(_member(operation.input_shape, parameter) is None for parameter in (*call.with_, *call.fixed, *call.many)):
            return True
        texts = [text for text in (*call.with_.values(), *call.many.values()) if not text.startswith("$")]
        return any(self._is_unknown(table, item, text) for text in texts)

    def _is_part_unknown(self, table: Table, item: Any, call: Call) -> bool:
        if self._cannot_ask(table, item, call):
            return True
        operation = self._operation(table, call)
        if not call.many or operation is None or isinstance(operation, tuple):
            return False
        if self._is_unknown(table, operation.output_shape, call.items or ""):
            return True
        return self._is_unknown(table, self._part(table, call), call.by or "")

    def _is_unknown(self, table: Table, shape: Any, text: str) -> bool:
        return isinstance(self._follow(shape, paths.parse(text).steps, table), tuple)

    def _operation(self, table: Table, call: Call) -> Any:
        """The operation's model, a Problem, or None for a reader."""
        if call.call is None:
            return None
        client, operation = call.of(table.client)
        if client not in self.services:
            return (table.id, f"no service '{client}'", did_you_mean(client, self.services))
        if client not in self.models:
            self.models[client] = self.session.get_service_model(client)
        model = self.models[client]
        if operation not in model.operation_names:
            return (table.id, f"no operation '{client}:{operation}'", did_you_mean(operation, model.operation_names))
        return model.operation_model(operation)

    def _call(self, table: Table, call: Call) -> Iterator[Problem]:
        operation = self._operation(table, call)
        if isinstance(operation, tuple):
            yield operation
            return
        if operation is None:
            return
        known = operation.input_shape.members if operation.input_shape else {}
        given = {*call.with_, *call.fixed, *call.many}
        for parameter in sorted(given):
            if _member(operation.input_shape, parameter) is None:
                yield table.id, f"{operation.name} has no parameter '{parameter}'", did_you_mean(parameter, known)
        heads = {parameter.split(".", 1)[0] for parameter in given}
        for parameter in operation.input_shape.required_members if operation.input_shape else ():
            if parameter not in heads:
                yield table.id, f"{operation.name} needs parameter '{parameter}'", "give it under with: or fixed:"
        yield from self._silences(table, call, operation)

    def _rights(self, table: Table, call: Call) -> Iterator[Problem]:
        """Rights that IAM cannot have: they would stand in the policy that people are told to create.

        Which actions there are no SDK says. What is nearly an operation of its service, and is none, is misspelt.
        """
        client, _ = call.of(table.client)
        for right in call.needs:
            prefix, colon, action = right.partition(":")
            if not colon or not action.isalnum():
                yield table.id, f"'{right}' is no right", "write SERVICE:Action as IAM does"
                continue
            own = {*_OTHER_PREFIXES, *self._prefixes_of(client)}
            if prefix not in self.services and prefix not in own:
                yield table.id, f"no service has the right '{right}'", did_you_mean(prefix, {*self.services, *own})
                continue
            model = self._model(prefix if prefix in self.services else client)
            operations = model.operation_names if model is not None else ()
            near = difflib.get_close_matches(action, operations, n=1, cutoff=MISSPELT)
            if near and action not in operations:
                yield table.id, f"no right '{right}'", f"did you mean '{prefix}:{near[0]}'?"

    def _model(self, client: str) -> Any:
        if client not in self.models and client in self.services:
            self.models[client] = self.session.get_service_model(client)
        return self.models.get(client)

    def _prefixes_of(self, client: str) -> set[str]:
        """What a service is called in places other than the SDK."""
        model = self._model(client)
        return {model.endpoint_prefix, model.signing_name} if model is not None else set()

    @staticmethod
    def _silences(table: Table, call: Call, operation: Any) -> Iterator[Problem]:
        """Errors that are taken for something else than unread, without anybody knowing that they are."""
        asked = f"{operation.service_model.service_name}:{operation.name}"
        for entry in absences.unknown(asked, call):
            yield (
                table.id,
                f"nobody has said that '{entry}' of {asked} means that there is none",
                "leave it unread, or add it to absences.py",
            )
        declared = frozenset(str(shape.metadata.get("error", {}).get("code") or shape.name) for shape in operation.error_shapes)
        for code in absences.undeclared(call, declared):
            yield table.id, f"{asked} does not answer '{code}'", did_you_mean(code, declared)
        for code in call.gone_on:
            if errors.is_refusal(code):
                yield table.id, f"'{code}' is a refusal, not a proof that something has gone", "remove it from gone_on"

    def _item(self, table: Table, *, each: bool = True) -> Any:
        """The shape of a row's document: a dict of names -> shapes for what we add, over the item's own shape."""
        operation = self._operation(table, table.list)
        if operation is None or isinstance(operation, tuple):
            return None
        shape = operation.output_shape
        if table.list.items not in (None, paths.SELF):
            shape = self._follow(shape, paths.parse(table.list.items or "").steps, table)
            shape = shape.member if getattr(shape, "type_name", "") == "list" else shape
        document = {"": shape, **{name: self._part(table, call) for name, call in table.then.items()}}
        if table.list.for_:
            document["parent"] = self._item(self.content.tables[table.list.for_], each=False)
        for text in table.normalise:
            document[text] = _ANY
        if each and table.each:
            steps = paths.parse(table.each).steps
            while steps:
                at = steps.index(paths.EACH) + 1
                element = self._follow(document, steps[:at], table)
                if steps == steps[:at] and table.each in table.normalise:  # elements that are brought into a form: nothing is said of them
                    element = _ANY
                document = {"": element, "parent": document}
                steps = steps[at:]
        return document

    def _part(self, table: Table, call: Call) -> Any:
        operation = self._operation(table, call)
        if operation is None or isinstance(operation, tuple):
            return _ANY
        if call.many:
            shape = self._follow(operation.output_shape, paths.parse(call.items or "").steps, table)
            return shape.member if getattr(shape, "type_name", "") == "list" else shape
        return operation.output_shape

    def _path(self, table: Table, document: Any, text: str, who: str) -> Iterator[Problem]:
        steps = paths.parse(text).steps
        found = self._follow(document, steps, table)
        if isinstance(found, tuple):
            name, known = found
            yield table.id, f"{who}: the answer has no '{name}' at '{text}'", did_you_mean(name, known)

    def _follow(self, shape: Any, steps: Any, table: Table) -> Any:
        """The shape at the end of a path; (name, known names) where it leads nowhere; _ANY where nothing is said."""
        for number, step in enumerate(steps):
            if shape is _ANY or shape is None:
                return _ANY
            if isinstance(shape, Mapping):
                rest = steps[number:]
                for length in range(1, len(rest) + 1):  # a normalised document: nothing is said beneath it
                    if shape.get(paths.Path("", tuple(rest[:length])).keys and ".".join(map(str, rest[:length]))) is _ANY:
                        return _ANY
                if step in shape:
                    inner = shape[step]
                    prefix = f"{step}."
                    beneath = {name.removeprefix(prefix): what for name, what in shape.items() if name.startswith(prefix)}
                    shape = {"": inner, **beneath} if beneath and not isinstance(inner, Mapping) else inner
                    continue
                own = shape[""]
                prefix = f"{step}."
                beneath = {name.removeprefix(prefix): what for name, what in shape.items() if name.startswith(prefix)}
                followed = self._follow(own, [step], table)
                if isinstance(followed, tuple):
                    return followed[0], {*followed[1], *(name for name in shape if name)}
                shape = {"": followed, **beneath} if beneath else followed
                continue
            kind = getattr(shape, "type_name", "")
            if step == paths.EACH or isinstance(step, int):
                shape = shape.member if kind == "list" else _ANY
            elif step == paths.SELF:
                continue
            elif kind == "structure":
                if step not in shape.members:
                    return str(step), set(shape.members)
                shape = shape.members[step]
            elif kind == "map":
                shape = shape.value
            elif kind == "string":
                return _ANY
            else:
                return str(step), set()
        return shape
