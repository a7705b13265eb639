"""Runs a command and says what it cost."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
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


# a child's peak starts at its parent's at the fork: so a small process starts it, and tells what it cost on its last line
_STARTER = """
import json, os, resource, subprocess, sys, time
started = time.monotonic()
code = subprocess.call(sys.argv[1:], stderr=subprocess.STDOUT)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, time.monotonic() - started, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


def run(command: Sequence[str]) -> Cost:
    """Run to the end and measure. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run([PYTHON, "-S", "-c", _STARTER, *command], stdout=subprocess.PIPE, text=True, check=True)
    *said, last = done.stdout.splitlines()
    code, wall, cpu, peak = json.loads(last)
    if code:
        raise RuntimeError(f"{' '.join(command[:4])} ended with {code}:\n" + "\n".join(said[-40:]))
    return Cost(wall, cpu, peak)


PYTHON = sys.executable
