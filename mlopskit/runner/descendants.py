"""Descendants: every process that a kernel started, wherever it went since.

A process that a cell starts in a session of its own (``setsid``, a daemon) is in no process group of the kernel's, and
when its parent ends it is nobody's child. What it keeps is the environment that it was started with, and in there each
kernel has a mark that no other has. A process that was forked and executed no program shows the environment of the
program that it is a fork of; a kernel that is such a fork itself writes its mark over the server's (`take`).

Linux only, where ``/proc`` tells. What cleared its environment is not found by its mark; it comes, as soon as it is
nobody's child, to the fork server or to the command that runs, and ends with either (`gathered`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection, Iterator
from pathlib import Path

VARIABLE = "MLOPSKIT_KERNEL"
"""Environment variable that holds the mark of a kernel."""

BLANK = "0" * 32
"""What stands there in a server, for its forks to write over."""

_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 50  # a process that forks while it is looked for is found in the next
_UNSETTLED_ROUNDS = 10  # how often to look again for the sake of processes that may only hide what they are


def new_mark() -> str:
    """Return a mark that no kernel has had."""
    return os.urandom(16).hex()


def take(mark: str) -> None:
    """Write a mark over the one that this process was started with, in the memory that ``/proc`` shows.

    Does nothing where there is none of the same length.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_void_p
    place, held = libc.getenv(VARIABLE.encode()), os.environ.get(VARIABLE, "")
    if place is not None and len(held.encode()) == len(mark.encode()):
        ctypes.memmove(place, mark.encode(), len(mark.encode()))


def kill(marks: Collection[str], *, spare: Collection[int] = ()) -> None:
    """Kill all processes that bear one of the marks, and what they start meanwhile.

    Parameters
    ----------
    marks : collection of str
        From `new_mark`.
    spare : collection of int
        Processes to leave alone.
    """
    wanted = {f"{VARIABLE}={mark}".encode() for mark in marks if mark}
    for attempt in range(_ROUNDS):
        found = [_strike(pid, wanted) for pid in _pids() if pid not in spare]
        if not any(found) and (None not in found or attempt >= _UNSETTLED_ROUNDS):
            return
        time.sleep(0.002 * min(attempt, 10))  # a killed process is there until it has let go of its memory


def kill_children(*, spare: Collection[int] = ()) -> None:
    """Kill and reap all children of this process, those that it inherits as they lose their parents included."""
    for _ in range(_ROUNDS):
        left = [pid for pid in _children() if pid not in spare]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        for pid in left:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def reap(*, spare: Collection[int] = ()) -> None:
    """Let go of the children of this process that ended."""
    for pid in _children():
        if pid not in spare:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def adopt(*, orphans: bool = True) -> None:
    """Make this process the one that descendants come to when their parent ends, or let them go to another."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)


@contextlib.contextmanager
def gathered() -> Iterator[None]:
    """End with the block whatever was started in it and is still there, those that bear no mark included."""
    if sys.platform != "linux":
        yield
        return
    before = _children()
    adopt()
    try:
        yield
    finally:
        kill_children(spare=before)
        adopt(orphans=False)


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  (names are all it needs)
    except OSError:  # no such thing here
        return []


def _strike(pid: int, wanted: Collection[bytes]) -> bool | None:
    """Kill a process if it bears one of the marks: whether it did, None where it cannot be told yet.

    The descriptor makes sure that the process killed is the one that was read.
    """
    try:
        held = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    try:
        environment = _environment(pid)
        if environment is None:
            return None
        if not any(entry in wanted for entry in environment.split(b"\0")):
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
    except OSError:  # it is another user's, or ended meanwhile
        return False
    finally:
        os.close(held)
    return True


def _environment(pid: int) -> bytes | None:
    """Return the environment of a process, None while it begins a program.

    For a moment it then shows neither arguments nor environment. One whose environment was cleared has arguments,
    a zombie or a thread of the system has no program.
    """
    shown = Path(f"/proc/{pid}")
    environment = (shown / "environ").read_bytes()
    if environment:
        return environment
    os.readlink(shown / "exe")  # noqa: PTH115  (to know that there is one: it raises where there is none)
    return (shown / "environ").read_bytes() if (shown / "cmdline").read_bytes() else None


def _children() -> list[int]:
    lists = [path.read_text(encoding="utf-8") for path in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for listed in lists for pid in listed.split()]
