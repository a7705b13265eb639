"""Takes secrets out of an answer before anything else sees it: by path, by the shape of tags, and by what strings look like."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from cnamm_scan import paths
from cnamm_scan.evidence.canonical import BIGGEST, plain
from cnamm_scan.paths import KEYS, THERE
from cnamm_scan.tokens import DETECTORS, may_be_secret

TOKEN_PREFIX = "redacted:"

_IDS = frozenset({"AccessKeyId", "access_key_id"})
"""Fields whose value is an id that looks like a key's id, and is no secret."""
_ONE_TAG = ({"key", "value"}, {"tagkey", "tagvalue"})
"""The keys of an object that is one tag; any other object under such a name is a map of tags."""
_TAG_LISTS = ("tags", "tagset", "taglist", "tag")

_SPELLED_OUT = re.compile(r"[^*?]+")

Json = Any

HOT = 500
"""So many facts of a table are worth a function of their own."""
REMEMBERED = 50_000
"""Strings that a redactor knows to be harmless, and names that it knows, at most."""


def names_tags(name: str) -> bool:
    """Whether what stands under a name is tags."""
    return name.lower() in _TAG_LISTS or name.lower().endswith("tags")


class _NeedsCareError(Exception):
    """Something that the quick way does not decide."""


@dataclass(slots=True)
class _Program:
    """A tree in use, and its function once it is used much."""

    keep: paths.Tree
    runs: int = 0
    compiled: Callable[[dict[str, Json]], dict[str, Json]] | None = None


class Redactor:
    """Cleans values for one scan. Equal secrets give the same token only at the same place of the same resource."""

    def __init__(self, key: bytes, secret_keys: Iterable[str] = ()) -> None:
        """`key` is the tenant's: with the same one a changed secret shows as drift, and no secret can be guessed.

        `secret_keys`: names, in whatever case, of what only two sides may know; wildcards in it stay, for rules look at them.
        """
        self._key = key
        self._secret_keys = frozenset(name.lower() for name in secret_keys)
        self._trees: dict[tuple[str, ...], paths.Tree] = {}
        self._harmless: set[str] = set()
        """Strings that were looked at and hold nothing: the same few stand in thousands of facts."""
        self._programs: dict[int, _Program] = {}
        """Trees in use, by identity."""
        self._tagged: dict[str, bool] = {}
        """Whether what stands under a key wants a closer look: tags, ids that look like keys."""

    def kept(self, data: Json, keep: paths.Tree | None, redact: Sequence[str], resource: str) -> Json:
        """Of the data what the tree names, as `clean` gives it. Raises MalformedError as `paths.project` does.

        Most facts hold nothing that needs care: those are gone through once, quickly; one doubt, and the slow way is taken.
        """
        if not redact and keep is not None and type(data) is dict:
            try:
                return self._quick(data, keep)
            except _NeedsCareError:
                pass
        return self.clean(paths.project(data, keep), redact, resource)

    def _quick(self, value: dict[str, Json], keep: paths.Tree) -> dict[str, Json]:
        program = self._program(keep)
        program.runs += 1
        if program.compiled is None and program.runs >= HOT:
            self._compiled(keep)
        return program.compiled(value) if program.compiled is not None else self._walked(value, keep)

    def _program(self, keep: paths.Tree) -> _Program:
        program = self._programs.get(id(keep))
        if program is None or program.keep is not keep:
            program = self._programs[id(keep)] = _Program(keep)
        return program

    def _walked(self, value: Mapping[str, Json], keep: paths.Tree) -> dict[str, Json]:
        """What `_compiled` does, for trees that are not worth compiling."""
        if paths.EACH in keep:  # other entries stay as names: rare
            raise _NeedsCareError
        made: dict[str, Json] = {}
        for name, subtree in keep.items():
            part = value.get(name)
            if part is None:
                continue
            if subtree is THERE:
                made[name] = True
            elif self._tagged.get(name) is not False and self._names_care(name):
                raise _NeedsCareError
            elif subtree is None:
                made[name] = self._whole(part)
            elif subtree is KEYS:
                made[name] = self._whole(sorted(map(str, part)) if type(part) is dict else part)
            elif type(part) is dict:
                made[name] = self._walked(part, subtree)
            elif type(part) is list:
                made[name] = [self._walked(each, subtree) if type(each) is dict else self._odd(each, subtree) for each in part]
            else:
                made[name] = self._odd(part, subtree)
        return made

    def _compiled(self, keep: paths.Tree) -> Callable[[dict[str, Json]], dict[str, Json]]:
        """A function for one tree: what a large estate spends most of its time on, told as straight code, runs three times as fast.

        It is made once: a tree in a tree is met in the code of each that is above it.
        """
        program = self._program(keep)
        if program.compiled is None:
            program.compiled = self._made(keep)
        return program.compiled

    def _made(self, keep: paths.Tree) -> Callable[[dict[str, Json]], dict[str, Json]]:
        scope: dict[str, Any] = {"harmless": self._harmless, "look_at": self._look_at, "whole": self._whole, "odd": self._odd}
        scope["NeedsCareError"] = _NeedsCareError
        code = ["def kept(v0):", " m0 = {}", *self._code(keep, 0, scope), " return m0"]
        exec("\n".join(code), scope)
        made: Callable[[dict[str, Json]], dict[str, Json]] = scope["kept"]
        return made

    def _code(self, keep: paths.Tree, depth: int, scope: dict[str, Any]) -> Iterator[str]:
        """The lines that bring what the tree names from `v<depth>` to `m<depth>`. Names of fields go in as literals, never as code."""
        pad = " " * (depth * 2 + 1)
        if paths.EACH in keep:
            yield f"{pad}raise NeedsCareError"
            return
        for name, subtree in keep.items():
            here = f"m{depth}[{name!r}]"
            yield f"{pad}x = v{depth}.get({name!r})"
            yield f"{pad}if x is not None:"
            if subtree is THERE:
                yield f"{pad} {here} = True"
            elif self._names_care(name):
                yield f"{pad} raise NeedsCareError"
            elif subtree is None:
                yield f"{pad} if x.__class__ is str:"
                yield f"{pad}  if x not in harmless: look_at(x)"
                yield f"{pad}  {here} = x"
                yield f"{pad} else: {here} = whole(x)"
            elif subtree is KEYS:
                yield f"{pad} {here} = whole(sorted(map(str, x)) if x.__class__ is dict else x)"
            else:
                label = f"t{len(scope)}"
                scope[label] = subtree
                scope[f"f{label}"] = self._compiled(subtree)
                yield f"{pad} if x.__class__ is dict:"
                yield f"{pad}  v{depth + 1} = x"
                yield f"{pad}  m{depth + 1} = {here} = {{}}"
                yield from self._code(subtree, depth + 1, scope)
                yield f"{pad} elif x.__class__ is list:"
                yield f"{pad}  {here} = [f{label}(e) if e.__class__ is dict else odd(e, {label}) for e in x]"
                yield f"{pad} else: {here} = odd(x, {label})"

    def _names_care(self, name: str) -> bool:
        if type(name) is not str:  # YAML knows keys that are none
            raise _NeedsCareError
        if len(self._tagged) >= REMEMBERED:
            self._tagged.clear()
        known = self._tagged[name] = names_tags(name) or name in _IDS or name.lower() in self._secret_keys
        return known

    def _odd(self, value: Json, keep: paths.Tree) -> Json:
        if value is None or isinstance(value, list | Mapping):
            raise _NeedsCareError
        raise paths.MalformedError(", ".join(sorted(keep)))

    def _whole(self, value: Json) -> Json:
        kind = type(value)
        if kind is str:
            if value not in self._harmless:
                self._look_at(value)
            return value
        if value is None or kind is bool or (kind is int and -BIGGEST <= value <= BIGGEST):
            return value
        if kind is dict:
            for name in value:
                if self._tagged.get(name) is not False and self._names_care(name):
                    raise _NeedsCareError
            return {name: self._whole(part) for name, part in value.items()}
        if kind is list:
            return [self._whole(part) for part in value]
        raise _NeedsCareError

    def _look_at(self, text: str) -> None:
        """Remember a string that needs no change; doubt any other."""
        if not text.isascii() or (may_be_secret(text) and DETECTORS.search(text)):
            raise _NeedsCareError
        if len(self._harmless) >= REMEMBERED:
            self._harmless.clear()
        self._harmless.add(text)

    def clean(self, data: Json, redact: Sequence[str], resource: str) -> Json:
        """The data as canonical JSON may hold it, secrets replaced; keys, count and order stay."""
        tree: paths.Tree | None = None
        if redact:
            wanted = tuple(redact)
            if wanted not in self._trees:
                self._trees[wanted] = paths.tree(paths.parse(text) for text in wanted)
            tree = self._trees[wanted]
        return self._walk(data, tree, False, resource, "")

    def token(self, resource: str, pointer: str, value: str) -> str:
        """What stands for a secret: HMAC(tenant key, resource ‖ pointer ‖ value), shortened."""
        return TOKEN_PREFIX + hmac.digest(self._key, f"{resource}\0{pointer}\0{value}".encode("utf-8", "replace"), "sha256").hex()[:24]

    def _walk(self, value: Json, tree: paths.Tree | None, in_tags: bool, resource: str, pointer: str) -> Json:
        if isinstance(value, str):
            return self._text(value, resource, pointer)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Mapping):
            made = {}
            for key, part in value.items():
                name = str(key)
                here = f"{pointer}/{name}"
                subtree = tree.get(name, {}) if tree is not None and name in tree else None
                if (tree is not None and name in tree and subtree is None) or (in_tags and name.lower() in ("value", "tagvalue")):
                    made[name] = self._hide(part, resource, here)
                elif names_tags(name):
                    made[name] = self._tags(part, subtree, resource, here)
                elif name in _IDS and isinstance(part, str):
                    made[name] = part
                elif name.lower() in self._secret_keys:
                    made[name] = self._shared(part, resource, here)
                else:
                    made[name] = self._walk(part, subtree, in_tags, resource, here)
            return made
        if isinstance(value, list | tuple):
            return [self._walk(part, tree, in_tags, resource, f"{pointer}/{n}") for n, part in enumerate(value)]
        if isinstance(value, datetime | date | bytes | int | float):
            return plain(value)
        return self._text(str(plain(value)), resource, pointer)

    def _tags(self, value: Json, tree: paths.Tree | None, resource: str, pointer: str) -> Json:
        """Tag keys say what is tagged; their values may say anything."""
        if isinstance(value, Mapping) and {str(key).lower() for key in value} not in _ONE_TAG:
            return {
                str(key): self._tags(part, None, resource, f"{pointer}/{key}")  # an answer about tags, such as {"TagSet": [...]}
                if names_tags(str(key)) and isinstance(part, list | Mapping)
                else self._hide(part, resource, f"{pointer}/{key}")
                for key, part in value.items()
            }
        return self._walk(value, tree, True, resource, pointer)

    def _hide(self, value: Json, resource: str, pointer: str) -> Json:
        """Every value beneath, replaced; the keys, count and order stay."""
        if value is None:
            return None
        if isinstance(value, Mapping):
            return {str(key): self._hide(part, resource, f"{pointer}/{key}") for key, part in value.items()}
        if isinstance(value, list | tuple):
            return [self._hide(part, resource, f"{pointer}/{n}") for n, part in enumerate(value)]
        return self.token(resource, pointer, str(plain(value)))

    def _shared(self, value: Json, resource: str, pointer: str) -> Json:
        """As `_hide`, but what stands for anything still does: `*abc` allows more than `abc`."""
        if isinstance(value, list | tuple):
            return [self._shared(part, resource, f"{pointer}/{n}") for n, part in enumerate(value)]
        if not isinstance(value, str):
            return self._hide(value, resource, pointer)
        return _SPELLED_OUT.sub(lambda match: self.token(resource, pointer, match.group()), value)

    def _text(self, value: str, resource: str, pointer: str) -> str:
        if not value.isascii():
            value = value.encode("utf-8", "replace").decode()  # a lone surrogate has no place in UTF-8
        if not may_be_secret(value):
            return value
        return DETECTORS.sub(self._replacer(resource, pointer), value)

    def _replacer(self, resource: str, pointer: str) -> Callable[[re.Match[str]], str]:
        return lambda match: self.token(resource, pointer, match.group())
