"""One content file: its bytes into its shape, and every problem with the file's name and line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cnamm_scan import yamls
from cnamm_scan.errors import ContentError
from cnamm_scan.text import safe

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

KEY, TEXT, LIST, MAPPING, EVERY = "[key]", "[text]", "[list]", "[mapping]", "[every]"
"""Steps on pydantic's way to a fault that stand for no key of the file: that a key is meant itself, and which form something has."""
_ADVICE = {
    "missing": "add it",
    "extra_forbidden": "remove it, or check its spelling against docs/content.md",
    "literal_error": "use one of the allowed values",
    "enum": "use one of the allowed values",
    "string_pattern_mismatch": "use the form that docs/content.md shows",
}
_MOST = 20
"""Problems of one file that are shown: who has more has one mistake many times."""

FileT = TypeVar("FileT", bound="BaseModel")


@dataclass(frozen=True, slots=True)
class Source:
    """One content file: its name inside its pack, how it is shown in messages, and its bytes."""

    name: str
    shown: str
    raw: bytes
    is_shipped: bool = False
    """Whether the product itself comes with it."""

    def problem(self, what: str, do: str, location: Sequence[str | int] = ()) -> ContentError:
        """A ContentError that names the file, which has been parsed, and the line of `location`."""
        return ContentError(safe(what), where=f"{self.shown}:{yamls.line_of(self.raw, location)}", do=do)

    def parse(self, shape: type[FileT]) -> FileT:
        """The file as its shape. Raises ContentError with one problem for each thing that is wrong."""
        from pydantic import ValidationError

        try:
            document = yamls.document(self.raw, yamls.CONTENT)
        except yamls.YamlError as error:
            where = self.shown if error.line is None else f"{self.shown}:{error.line}"
            raise ContentError(safe(error.what), where=where, do=error.do) from error
        if not isinstance(document, dict):
            raise ContentError("holds no mapping", where=f"{self.shown}:1", do="see docs/content.md for what goes here")
        try:
            return shape.model_validate(document)
        except ValidationError as error:
            problems = list(self._problems(error))
            if len(problems) == 1:
                raise problems[0] from error
            raise ContentError(f"{len(problems)} things are wrong", where=self.shown, problems=problems) from error

    def _problems(self, error: ValidationError) -> Iterator[ContentError]:
        details = error.errors(include_url=False, include_context=False)
        beneath = {detail["loc"][:length] for detail in details for length in range(len(detail["loc"]))}
        details = [
            detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in beneath
        ]  # it counts sound ones alone
        for number, detail in enumerate(details):
            if number == _MOST:
                yield self.problem(f"{len(details) - _MOST} more things are wrong", "mend the first ones")
                return
            location = [step for step in detail["loc"] if step not in (KEY, TEXT, LIST, MAPPING, EVERY)]
            name = ".".join(_short(str(step)) for step in location)
            got = (
                "" if detail["type"] == "missing" or isinstance(detail["input"], dict | list) else f", got {_short(repr(detail['input']))}"
            )
            yield self.problem(f"'{name}': {detail['msg'].lower()}{got}", _ADVICE.get(detail["type"], "see docs/content.md"), location)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}…"
