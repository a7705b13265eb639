"""Signals in the first moments: the program ends with a word and the code of the signal, and never with a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

STOPPED = """
import os, signal, sys
from importlib.abc import MetaPathFinder

number, module, before = int(sys.argv[1]), sys.argv[2], sys.argv[3]

class Stop(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == module:
            os.kill(os.getpid(), number)
        return None

sys.meta_path.insert(0, Stop())
signal.signal(signal.SIGINT, signal.SIG_IGN if before == "ignored" else signal.default_int_handler)
from cnamm_scan.__main__ import main
sys.argv[1:] = ["content", "list", "--kind", "functions"]
main()
"""


def ended(number: int, module: str, before: str = "usual") -> subprocess.CompletedProcess[str]:
    """The program, which gets a signal when it is about to import a module."""
    return subprocess.run([sys.executable, "-c", STOPPED, str(int(number)), module, before], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", ["click", "cnamm_scan.cli.main", "cnamm_scan.cli.streams"])
@pytest.mark.parametrize(("number", "said"), [(signal.SIGINT, "interrupted\n"), (signal.SIGTERM, "terminated\n")])
def test_a_signal_before_the_command_is_there(number: int, said: str, module: str) -> None:
    found = ended(number, module)
    assert (found.returncode, found.stdout, found.stderr) == (128 + number, "", said)


def test_a_signal_while_the_command_begins() -> None:
    found = ended(signal.SIGTERM, "cnamm_scan.cli.content")
    assert (found.returncode, found.stdout, found.stderr) == (143, "", "terminated\n")
    found = ended(signal.SIGINT, "cnamm_scan.cli.content")
    assert (found.returncode, found.stdout, found.stderr.strip()) == (1, "", "interrupted")


def test_who_is_started_to_ignore_ctrl_c_goes_on_ignoring_it() -> None:
    found = ended(signal.SIGINT, "click", "ignored")
    assert (found.returncode, found.stderr) == (0, "8 functions\n")


def test_the_console_script_hears_signals_as_early() -> None:
    script = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert 'cnamm-scan = "cnamm_scan.__main__:main"' in script
