"""The settings in a text: lines of .env, properties, INI, TOML and YAML, members of JSON and XML, files that hold nothing but a login."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from cnamm_scan.providers.secrets.words import Setting, script

Json = Any

LARGEST = 1 << 20
"""Bytes that something packed may become: beyond, nothing is said about it."""
DEEPEST = 40

_PAIR = re.compile(
    r"(?<![\w.\-/\[\]])[\"']?(?P<name>[\w.\-/\[\]]{1,200}+)[\"']?\s{0,8}(?P<sign>=>|:=|=|:(?=[\s\"'\[{]|[^/\s]))[ \t]{0,8}"
    r"(?P<value>\"(?:[^\"\\\n]|\\.){0,4096}+\"|'[^'\n]{0,4096}+'|[^\r\n]{0,512}+)"
)
_INLINE = re.compile(r"(?:\$\{[^{}\n]{0,256}\}|\$?\([^()\n]{0,256}\)|\{\{[^{}\n]{0,256}\}\}|\[[^\[\]\n]{0,128}\]|[^\s,;&<>})\]])++")
"""A value up to where a list or the next setting begins; what stands in brackets belongs to it."""
MOST = 20_000
"""Settings of one text: beyond, nobody can tell what else is there."""
_XML = re.compile(r"<(?P<name>[A-Za-z][\w.:-]{0,120}+)(?:\s[^<>]{0,500})?>(?P<value>[^<>\n]{1,4096})</")
_NETRC = re.compile(r"(?<!\S)(?:password|passwd)[ \t]{1,8}(?P<value>\S{1,256})")
_SENTENCE = re.compile(r"\S+(?: \S+){2,}")
_COMMENT = re.compile(r"\s#.*$")


def text_of(data: bytes | str) -> str | None:
    """The text that something is, unpacked where it is gzip; None where it becomes too large, or is broken."""
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if raw[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
        try:
            raw = unpacker.decompress(raw, LARGEST)
        except zlib.error:
            return None
        if unpacker.unconsumed_tail:
            return None
    return raw.decode("utf-8") if _is_utf8(raw) else raw.decode("latin-1")


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def decoded(value: str) -> str | None:
    """The text behind base64, and behind gzip within; None where there is none to see."""
    try:
        return text_of(base64.b64decode("".join(value.split()), validate=True))
    except (binascii.Error, ValueError):
        return None


def in_text(name: str, text: str) -> Iterator[Setting]:
    """Every (name, value) that stands in a text called `name`. Linear in its length."""
    head = text.lstrip()[:1]
    if head in ("{", "["):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if document is not None:
            yield from _members(document, 0)
            return
    if text.startswith("#!") or "\nexport " in text or text.startswith("export "):
        yield from script(text)
    if "netrc" in name:
        yield from (("password", match["value"]) for match in _NETRC.finditer(text))
    if name.endswith(".pgpass"):
        yield from (("password", line.rpartition(":")[2]) for line in text.splitlines() if line.count(":") >= 4)
    if name.endswith(".git-credentials"):
        yield from (("login", line) for line in text.splitlines())
    if "</" in text:
        yield from ((match["name"], match["value"]) for match in _XML.finditer(text))
    yield from _pairs(text)


def _pairs(text: str) -> Iterator[Setting]:
    called = ""
    for line in text.splitlines():
        if line.lstrip()[:2] in ("//", "--") or line.lstrip()[:1] in ("#", ";", "!"):
            continue
        at = 0
        while match := _PAIR.search(line, at):
            name, value = match["name"].rpartition("/")[2], match["value"].strip()
            at = match.end()
            if value[:1] not in ('"', "'"):
                at = match.start("value")
                value = _unquoted(value, match["sign"])
            elif len(value) >= 2:
                value = value[1:-1]
            if name in ("value", "Value") and called:
                yield called, value
                called = ""
            elif name in ("name", "key", "Name", "Key"):
                called = value
            else:
                called = called if name in ("type", "sensitive") else ""
                yield name, value
            at = max(at, match.end("name") + 1)


def _unquoted(value: str, sign: str) -> str:
    """A value without quotes ends where the line, a list or the next setting does; several words of a text are a sentence."""
    value = _COMMENT.sub("", value).strip()
    if value[:1] in ("|", ">", "&", "*") and len(value) <= 3:
        return ""
    if sign == ":" and " " in value:
        if value[:1] in ("{", "["):
            return value if value[:2] == "{{" else ""
        if _SENTENCE.fullmatch(value) and "=" not in value:
            return ""
    if sign == "=" or "=" in value or value[-1:] in (",", "}"):
        found = _INLINE.match(value)
        return found.group() if found else ""
    return value


def _members(value: Json, depth: int) -> Iterator[Setting]:
    """Each text in JSON with the key that it stands under; a `name` beside a `value` is such a key too."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        low = {str(key).lower(): part for key, part in value.items()}
        if isinstance(name := low.get("name", low.get("key")), str) and isinstance(told := low.get("value"), str):
            yield name, told
        for key, part in value.items():
            if isinstance(part, str):
                yield str(key), part
            else:
                yield from _members(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _members(part, depth + 1)
