"""Programs that work for a command and end with it: whatever stops the command, none of them goes on alone."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from mlopskit.runner.interruption import PATIENCE

_KEPT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON")
"""What would make another environment's interpreter look into this one."""
_LEADER = """
import os, signal, subprocess, sys
os.setsid()
signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""
"""Runs a program in a process group of its own, which ends as one: the request to end reaches a child alone."""
_LAST, _LONG = 3, 200
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Done:
    """How a program ended, and what it said: standard error, else standard output."""

    returncode: int
    said: str


def run(command: Sequence[str], *, on_line: Callable[[str], None] | None = None, whole: bool = False) -> Done:
    """Run a program to its end; it ends early when this process does.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    on_line : callable, optional
        Told each line of standard output as it comes.
    whole : bool
        Whether what the program starts ends with it, at once and unasked. Meant for installers: pip hands its work to
        a second process and would leave that behind. A program that tidies up by itself must not be cut off so.
    """
    surroundings = {name: value for name, value in os.environ.items() if name not in _KEPT_OUT}
    lines: list[str] = []
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LEADER, *command] if whole and sys.platform == "linux" else command,
            stdout=subprocess.PIPE,
            stderr=errors,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env=surroundings,
            preexec_fn=partial(_end_with, os.getpid()) if sys.platform == "linux" else None,
        )
        try:
            for line in child.stdout or ():
                (on_line or lines.append)(line.rstrip("\n"))
            child.wait()
        finally:
            _end(child)
        errors.seek(0)
        return Done(child.returncode, errors.read().strip() or "\n".join(lines))


def tail(said: str) -> str:
    """Return the last lines of what a program said, on one line; pip lists hundreds of versions in one."""
    lines = [line if len(line) <= _LONG else f"{line[:_LONG]}…" for line in map(str.strip, said.splitlines()) if line]
    return " / ".join(lines[-_LAST:]).rstrip(".") or "it said nothing"


def _end(child: subprocess.Popen[str]) -> None:
    """End a program that still runs: asked first, so that it can stop what it started itself."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(2 * PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdout is not None:
        child.stdout.close()


def _end_with(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the request to end with it
        os._exit(1)
