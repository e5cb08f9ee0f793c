"""Descendants: every process that a kernel started, wherever it went since.

A process that a cell starts in a session of its own (``setsid``, a daemon) is in no process group of the kernel's, and
when its parent ends it is nobody's child. What it keeps is the environment that it was started with, and in there each
kernel has a mark that no other has. A process that was forked and executed no program shows the environment of the
program that it is a fork of; a kernel that is such a fork itself writes its mark over the server's (`take`).

Linux only, where ``/proc`` tells. What cleared its environment is not found by its mark; it comes, as soon as it is
nobody's child, to the fork server, to the process that guards it (`guarded`) or to the command that runs (`gathered`),
and ends with them. A mark names the process that gave it, too: where command, guard and server were killed in one
moment, what they left is found by the next one (`kill_abandoned`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

VARIABLE = "MLOPSKIT_KERNEL"
"""Environment variable that holds the mark of a kernel."""

BLANK = "0" * 32
"""What stands there in a server, for its forks to write over."""

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_GUARD = "kernel-guard"
_ROUNDS = 50  # a process that forks while it is looked for is found in the next
_UNSETTLED_ROUNDS = 10  # how often to look again for the sake of processes that may only hide what they are


def new_mark() -> str:
    """Return a mark that no kernel has had, in which this process can be told from all others of the machine."""
    pid = os.getpid()
    return f"{pid:08x}{_began(pid) or 0:012x}{os.urandom(6).hex()}"


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
    wanted = {mark for mark in marks if mark}
    _kill_where(lambda _, mark: mark in wanted, spare)


def kill_abandoned() -> None:
    """Kill what kernels left whose runner was killed together with all that looks after them.

    A process of another container is let be, and so is one whose mark does not say who gave it.
    """
    _kill_where(lambda pid, mark: _namespace(pid) == _namespace("self") and _is_abandoned(mark), ())


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


def die_with_parent(parent: int, number: int) -> None:
    """Have the system send this process a signal when its parent ends."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request to be told
        os._exit(1)


def guarded(*, closing: int) -> None:
    """Go on in a child, and leave this process behind to kill whatever the child leaves, however that ends.

    Signalled to end, this process kills the child first. When this one is killed, the child is signalled to end. It
    goes by a name of its own: who kills all that are called Python, or mlopskit (``killall``, ``pkill -f``), wants
    nothing to be left, and this process, which sees to that, ends by itself.

    Parameters
    ----------
    closing : int
        Descriptor that is the child's alone.
    """
    guard = os.getpid()
    adopt()
    child = os.fork()
    if child == 0:
        die_with_parent(guard, signal.SIGTERM)
        adopt()
        return
    os.close(closing)
    _go_by(_GUARD)
    kill_abandoned()
    with contextlib.suppress(SystemExit):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    kill_children()
    os._exit(0)


def _go_by(name: str) -> None:
    """Have the system call this process by another name, and show that for its command line."""
    import ctypes

    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
    start, end = (int(number) for number in _stat("self")[45:47])  # where the arguments lie
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, name.encode(), min(len(name.encode()), end - start))


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


def _kill_where(wanted: Callable[[int, str], bool], spare: Collection[int]) -> None:
    for attempt in range(_ROUNDS):
        found = [_strike(pid, wanted) for pid in _pids() if pid not in spare]
        if not any(found) and (None not in found or attempt >= _UNSETTLED_ROUNDS):
            return
        time.sleep(0.002 * min(attempt, 10))  # a killed process is there until it has let go of its memory


def _strike(pid: int, wanted: Callable[[int, str], bool]) -> bool | None:
    """Kill a process if it bears a wanted mark: whether it did, None where it cannot be told yet.

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
        _, named, rest = (b"\0" + environment).partition(f"\0{VARIABLE}=".encode())
        if not named or not wanted(pid, rest.partition(b"\0")[0].decode(errors="replace")):
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


def _is_abandoned(mark: str) -> bool:
    """Tell whether the process that gave a mark is gone."""
    try:
        pid, began = int(mark[:8], 16), int(mark[8:20], 16)
    except ValueError:
        return False
    return bool(pid and began) and _began(pid) != began


def _began(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None where there is none of that number."""
    try:
        return int(_stat(pid)[19])
    except OSError:
        return None


def _stat(pid: int | str) -> list[str]:
    """Return what the system says of a process, from its state on: fields 3 and following of proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _namespace(pid: int | str) -> str:
    return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115  (no path)


def _children() -> list[int]:
    lists = [path.read_text(encoding="utf-8") for path in Path("/proc/self/task").glob("*/children")]
    return [int(pid) for listed in lists for pid in listed.split()]
