"""Presence: whether somebody is working on a run right now.

A manifest says ``interrupted`` until the run has ended. What tells a run that goes on from one whose runner was
killed is a file lock, which the operating system takes back whatever happens to the process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = ".running"
_LOOKS = 1000
"""How often to try, a millisecond apart: whoever looks whether a file is locked holds it too for a moment."""


@contextmanager
def present(folder: Path) -> Iterator[None]:
    """Hold the lock of a run folder while the block runs; where there are no file locks, do nothing."""
    try:
        import fcntl  # noqa: F401  (whether there are any)
    except ImportError:
        yield
        return
    path = folder / FILE
    with path.open("w", encoding="utf-8") as file:
        lock(file.fileno())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def lock(descriptor: int) -> None:
    """Lock an open file that nobody else locks; where there are no file locks, do nothing: no run depends on it."""
    try:
        import fcntl
    except ImportError:
        return
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            return
        else:
            return


def is_running(folder: Path) -> bool:
    """Tell whether a process holds the lock of a run folder."""
    return is_locked(folder / FILE)


def is_locked(path: Path) -> bool:
    """Tell whether a process holds the lock of a file; no file, or no locks here, count as not."""
    if not path.is_file():
        return False
    try:
        import fcntl

        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except ImportError:
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
