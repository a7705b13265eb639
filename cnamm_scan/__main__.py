"""The program: `cnamm-scan`, and `python -m cnamm_scan`. Signals are heard before anything is imported that takes a while."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from types import FrameType

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


def main() -> None:
    """Run the command line and exit with its code; with 128 and the signal's number where one ends it before a command hears of it."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
        if signal.getsignal(number) is usual:  # who is started to ignore them goes on ignoring them
            signal.signal(number, _end)
    from cnamm_scan.cli import main as door
    from cnamm_scan.cli import progress, streams  # noqa: F401 (what the door imports before it hears of Ctrl-C)

    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        door.main()
    except KeyboardInterrupt:
        _end(signal.SIGINT)


def _end(number: int, frame: FrameType | None = None) -> None:
    """Say why and end at once, as the signal itself would: nothing is tidied that may wait."""
    with suppress(OSError):  # nobody may read it
        os.write(2, f"{_WORDS[signal.Signals(number)]}\n".encode())
    os._exit(128 + number)


if __name__ == "__main__":
    main()
