"""Runs a command and says what it cost, beside a server that runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any


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


@dataclass(frozen=True, slots=True)
class Served:
    """A fake server in a process of its own."""

    told: str
    """How it is reached: its first line."""
    questions: IO[str]
    answers: IO[str]

    def asked(self) -> list[Any]:
        """The requests that came in since the last question."""
        self.questions.write("asked\n")
        self.questions.flush()
        requests: list[Any] = json.loads(self.answers.readline())
        return requests


@contextmanager
def serving(module: str, *arguments: object) -> Iterator[Served]:
    """Run a module that serves, so that only the scanner is measured."""
    command = [PYTHON, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Served(process.stdout.readline().strip(), process.stdin, process.stdout)
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def run(command: Sequence[str]) -> Cost:
    """Run to the end and measure. Raises RuntimeError with what it said when it fails."""
    done = subprocess.run([PYTHON, "-S", "-c", _STARTER, *command], stdout=subprocess.PIPE, text=True, check=True)
    *said, last = done.stdout.splitlines()
    code, wall, cpu, peak = json.loads(last)
    if code:
        raise RuntimeError(f"{' '.join(command[:4])} ended with {code}:\n" + "\n".join(said[-40:]))
    return Cost(wall, cpu, peak)


PYTHON = sys.executable
