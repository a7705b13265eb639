"""Runs a command and says what it cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system."""
    peak: int
    """Bytes of resident memory."""

    def __str__(self) -> str:
        return f"wall {self.wall:6.2f} s   cpu {self.cpu:6.2f} s   peak {self.peak / 1e6:6.0f} MB"


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Run to the end and measure. Raises RuntimeError with what it said when it fails."""
    started = time.monotonic()
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}:\n{said.decode(errors='replace')[-3000:]}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


PYTHON = sys.executable
