"""The content of a scan as one solid archive: the same files give the same bytes, and only such bytes are read.

A tar of the plain sort (ustar, with pax paths for long names) inside bzip2, which packs a thousand small YAML files into three quarters of
what gzip or xz need. It is built here block by block: libraries' tars change from version to version, and read more than they should.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator, Mapping

_BLOCK = 512
_END = bytes(2 * _BLOCK)
_REGULAR, _EXTENDED = b"0", b"x"
_STEP = 1 << 20


def packed(files: Mapping[str, bytes]) -> bytes:
    """The archive: names sorted, no owner, no time."""
    return bz2.compress(_tar(files))


def unpacked(raw: bytes, most: int) -> dict[str, bytes]:
    """The files of an archive. Raises ValueError for anything that `packed` would not have written, or more than `most` bytes."""
    tar = _decompressed(raw, most)
    files = dict(_entries(tar))
    if _tar(files) != tar:  # an odd order, a name twice, a link, an owner, something behind the end
        raise ValueError("is no archive of ours")
    return files


def _decompressed(raw: bytes, most: int) -> bytes:
    reader = bz2.BZ2Decompressor()
    made = bytearray()
    try:
        made += reader.decompress(raw, _STEP)
        while not reader.eof and not reader.needs_input and len(made) <= most:
            made += reader.decompress(b"", _STEP)
    except (OSError, EOFError) as error:
        raise ValueError("is cut or damaged") from error
    if len(made) > most:
        raise ValueError(f"unpacks to more than {most} bytes")
    if not reader.eof or reader.unused_data:
        raise ValueError("is cut or damaged")
    return bytes(made)


def _tar(files: Mapping[str, bytes]) -> bytes:
    made = bytearray()
    for name, body in sorted(files.items()):
        raw = name.encode()
        if len(raw) > 100:
            record = _record(raw)
            made += _header(b"long name", len(record), _EXTENDED) + record + _padding(record)
            raw = b"long name"
        made += _header(raw, len(body), _REGULAR) + body + _padding(body)
    return bytes(made + _END)


def _record(name: bytes) -> bytes:
    """`LENGTH path=NAME`, where the length counts itself."""
    size = len(name) + len(b" path=\n")
    digits = len(str(size))
    while len(str(size + digits)) != digits:
        digits += 1
    return str(size + digits).encode() + b" path=" + name + b"\n"


def _header(name: bytes, size: int, kind: bytes) -> bytes:
    fields = name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size + b"00000000000\0"
    rest = kind + bytes(100) + b"ustar\00000" + bytes(32 + 32) + b"0000000\0" * 2 + bytes(155 + 12)
    return fields + b"%06o\0 " % (sum(fields) + sum(rest) + 8 * 32) + rest


def _padding(body: bytes) -> bytes:
    return bytes(-len(body) % _BLOCK)


def _entries(tar: bytes) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file; what is not as `_tar` writes it shows when it is written again."""
    at, long = 0, b""
    while at + _BLOCK <= len(tar) and tar[at] != 0:
        header = tar[at : at + _BLOCK]
        size = int(header[124:135], 8)
        body = tar[at + _BLOCK : at + _BLOCK + size]
        if size < 0 or len(body) != size:
            raise ValueError("is cut or damaged")
        at += _BLOCK + size + (-size % _BLOCK)
        if header[156:157] == _EXTENDED:
            long = body.partition(b" path=")[2].removesuffix(b"\n")
            continue
        yield (long or header[:100].rstrip(b"\0")).decode(), body
        long = b""
