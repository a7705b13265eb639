"""What the settings of one thing come to: the names of those that hold a secret, that are named like one, and that cannot be judged."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cnamm_scan.providers.secrets.lines import MOST, decoded, in_text
from cnamm_scan.providers.secrets.names import Says, says
from cnamm_scan.providers.secrets.values import Kind, value_says
from cnamm_scan.providers.secrets.verdict import Is, Verdict, judge
from cnamm_scan.providers.secrets.words import settings

Json = Any

SHOWN = 20
"""Names of one thing that are told at most."""
_ODD = re.compile(r"[^\w.\-/ \[\]]+")


@dataclass(slots=True)
class Found:
    """Names in the order in which they were met, each once. Nothing of a value is in here."""

    holding: list[str] = field(default_factory=list)
    """Settings whose value is a secret, by its shape or by its name."""
    named: list[str] = field(default_factory=list)
    """Settings that are named like a secret and have a value written out: also a placeholder or a hash."""
    unsure: list[str] = field(default_factory=list)
    """Settings that may hold one, where nobody can tell."""
    shapes: list[str] = field(default_factory=list)
    """What the values are shaped like."""

    def add(self, name: str, verdict: Verdict, shown: str = "") -> None:
        """Note one verdict under a name that is safe to tell."""
        told = _told(shown or name)
        if verdict.is_ is Is.SECRET:
            _once(self.holding, told)
            if verdict.shape:
                _once(self.shapes, verdict.shape)
        if verdict.is_ is Is.UNKNOWN:
            _once(self.unsure, told)
        elif (verdict.by_name and verdict.is_ in (Is.SECRET, Is.PLACEHOLDER, Is.HASH)) or verdict.is_ is Is.PLACEHOLDER:
            _once(self.named, told)

    def document(self) -> dict[str, Json]:
        """As collectors read it: `{holding, named, unsure, shapes}`."""
        return {"holding": self.holding, "named": self.named, "unsure": self.unsure, "shapes": self.shapes}


def _told(name: str) -> str:
    return _ODD.sub("?", name.strip())[:100]


def _once(names: list[str], name: str) -> None:
    if name not in names and len(names) < SHOWN:
        names.append(name)


def of_settings(pairs: Iterable[tuple[str, str | None]], known: Collection[str] = ()) -> Found:
    """Of variables, each with its value; None: it cannot be seen."""
    found = Found()
    for name, value in pairs:
        _one(found, name, value, known)
    return found


def _one(found: Found, name: str, value: str | None, known: Collection[str] = ()) -> None:
    verdict = judge(name, value, known)
    found.add(name, verdict)
    if value is not None and verdict.is_ is Is.PLAIN and len(value) > 16 and value.lstrip()[:1] in ("{", "["):
        _within(found, name, value)  # a whole document in a variable


def of_words(words: Sequence[str], found: Found | None = None) -> Found:
    """Of a command and its arguments."""
    found = found or Found()
    held, named, unsure, shapes = _of_words(tuple(words))
    for into, names in ((found.holding, held), (found.named, named), (found.unsure, unsure), (found.shapes, shapes)):
        for name in names:
            _once(into, name)
    return found


@lru_cache(maxsize=8192)
def _of_words(words: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    found = Found()
    taken: set[str] = set()
    for name, value in settings(words):
        verdict = judge(name, value)
        found.add(name, verdict)
        if verdict.is_ is not Is.PLAIN:
            taken.add(value)
    for number, word in enumerate(words):
        said = value_says(word)
        if said.kind is not Kind.TOKEN or any(value and value in word for value in taken):
            continue
        if said.shape != "named value" or not any(map(str.isspace, word)):  # a script was gone through word by word
            found.add(f"argument {number + 1}", Verdict(Is.SECRET, False, said.shape))
    return tuple(map(tuple, (found.holding, found.named, found.unsure, found.shapes)))


def of_files(data: Mapping[str, Json] | None, binary: Mapping[str, Json] | None = None) -> Found:
    """Of texts by their names, as a config map holds them: what a name says of one line, and what stands in longer texts."""
    found = Found()
    for name, text in (data or {}).items():
        if isinstance(text, str):
            _file(found, str(name), text)
    for name, packed in (binary or {}).items():
        if not isinstance(packed, str) or not packed:
            continue
        text = decoded(packed)
        if text is None:
            found.add(str(name), Verdict(Is.UNKNOWN))
        else:
            _file(found, str(name), text, binary=True)
    return found


_TRUST = re.compile(r"trust|(?:^|[._/-])(?:root-?)?cas?(?:[._/-]|$)", re.IGNORECASE)
_STORES = (".jks", ".p12", ".pfx", ".keystore", ".kdbx")


def _file(found: Found, name: str, text: str, *, binary: bool = False) -> None:
    stripped = text.strip()
    if binary and name.lower().endswith(_STORES):
        found.add(name, Verdict(Is.PLAIN if _TRUST.search(name) else Is.UNKNOWN, True))
        return
    if not stripped:
        return
    if "\n" not in stripped and stripped[:1] not in ("{", "["):
        verdict = judge(name, stripped)
        found.add(name, verdict)
        if verdict.is_ is not Is.PLAIN or says(name) is Says.SECRET:
            return
    _within(found, name, text)


def _within(found: Found, name: str, text: str) -> None:
    """The settings in a text, and whatever else in it is shaped like a secret."""
    for number, (inner, value) in enumerate(in_text(name, text)):
        if number >= MOST:
            found.add(name, Verdict(Is.UNKNOWN))
            break
        verdict = judge(inner, value)
        if verdict.is_ not in (Is.PLAIN, Is.EMPTY, Is.REFERENCE):
            found.add(inner, verdict, f"{name} {inner}" if inner != name else name)
    said = value_says(text)
    if said.kind is Kind.TOKEN and said.shape not in ("named value", *found.shapes):
        found.add(name, Verdict(Is.SECRET, False, said.shape))


def of_script(text: str | None, name: str = "user data") -> Found:
    """Of what a machine runs when it starts: base64, maybe gzip, as the API gives it."""
    found = Found()
    if not text:
        return found
    plain = decoded(text)
    if plain is None:
        found.add(name, Verdict(Is.UNKNOWN))
        return found
    _within(found, name, plain)
    return found
