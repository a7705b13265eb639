"""Standard output and error as they are: what they cannot spell is escaped, and that one is full or gone is said once."""

from __future__ import annotations

import codecs
import errno
import os
import sys
from contextlib import suppress
from functools import cache
from typing import IO, Any

import click

from cnamm_scan.errors import CnammError, OutputError
from cnamm_scan.text import safe

ESCAPED = "cnamm-escaped"
_SEVEN_BITS = "cnamm_ascii"
_STDERR = 2
_LOST = frozenset({errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.EDQUOT, errno.ECONNRESET, errno.ENXIO})
"""How a write to a stream fails that was open."""
_WRITERS = frozenset({"click", "rich", __name__})
"""Who writes to streams: an error that others met is of something else."""


def settle() -> None:
    """Let stdout and stderr take any text: a letter that they have no bytes for is written as JSON would escape it.

    So JSON stays the same JSON, and a name that holds half a character from a file system does not end a report. One that was closed
    before we began leads nowhere.
    """
    _taken()
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    _known()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        with suppress(OSError, ValueError, LookupError):  # what was written before may be stuck: then the next write says so
            # click takes a stream that says ASCII to be set up by mistake, and writes UTF-8 past it
            if codecs.lookup(stream.encoding).name == "ascii":
                reconfigure(encoding=_SEVEN_BITS, errors=ESCAPED)
            else:
                reconfigure(errors=ESCAPED)


def _taken() -> None:
    """Have the places of the three standard streams taken: the next file to be opened, such as a bundle's, would get that of a closed one,
    and with it what a library or a child writes to stdout or stderr.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(opened, True)
    os.close(opened)


@cache
def _known() -> None:
    """Make the codec and the way of escaping known to Python."""
    codecs.register_error(ESCAPED, _escape)
    codecs.register(_codec)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)), error.end


def _codec(name: str) -> codecs.CodecInfo | None:
    """ASCII under a name of ours."""
    if name != _SEVEN_BITS:
        return None
    info = codecs.lookup("ascii")
    return codecs.CodecInfo(
        info.encode, info.decode, info.streamreader, info.streamwriter, info.incrementalencoder, info.incrementaldecoder, name=_SEVEN_BITS
    )


def flushed() -> None:
    """Write out what stdout still holds. Raises OSError."""
    sys.stdout.flush()


def lost(error: OSError) -> CnammError | None:
    """What to say of an error of the system that nobody foresaw: of a path, or of a stream, which is then let go. None: it is a bug."""
    if error.filename is not None:
        return CnammError(f"cannot be used: {error.strerror}", where=safe(str(error.filename))[:300], do="name another file or folder")
    if error.errno not in _LOST or _raised_in(error) not in _WRITERS:
        return None
    for stream in (sys.stdout, sys.stderr):
        _let_go(stream)
    return OutputError(f"the output cannot be written: {error.strerror}", where="standard output", do="free space, or send it elsewhere")


def _raised_in(error: OSError) -> str:
    """The package that met an error first."""
    trace, name = error.__traceback__, ""
    while trace is not None:
        name, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return name.split(".")[0] if name != __name__ else name


def say(text: str, color: bool | None = None) -> None:
    """Print lines on stderr, if it can be written; nothing in them is obeyed by a terminal but our own colours."""
    with suppress(OSError):
        click.echo(text, err=True, color=color)


def harmless(text: str) -> str:
    """Lines without characters that a terminal would obey."""
    return "\n".join(map(safe, text.split("\n")))


def _let_go(stream: IO[Any]) -> None:
    """Let what a stream still holds go nowhere, when it cannot be written: Python would try again at its end, and complain."""
    try:
        stream.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
