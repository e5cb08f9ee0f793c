"""What the import of a module leaves behind: what all forks of this process would share, or each sees to itself.

A file, a process or something temporary would belong to the server and to all kernels at once; a handler of signals, a
stream, the working directory and the log of all a kernel sets up by itself, and what the module made of them is lost.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import tempfile
from typing import Any

from mlopskit.runner import descendants

_HOOKS = ("stdout", "stderr", "excepthook", "displayhook")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Aftermath:
    """Looks at this process before and after a module is imported."""

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}
        self._temporary: list[Any] = []

    def begin(self) -> None:
        """Look at what there is before a module is imported, and listen to what makes temporary files."""
        self._before = self._now()
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        tempfile._sys = self  # type: ignore[attr-defined]  # a hook of audits could never be taken away again

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def audit(self, event: str, *arguments: Any) -> None:
        """Note where something temporary is made, in the place of what is called to tell of it."""
        self._temporary.append(arguments[0])
        sys.audit(event, *arguments)

    def end(self) -> str:
        """Say what was left since; empty where that is nothing."""
        tempfile._sys = sys  # type: ignore[attr-defined]
        now = self._now()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # the server must end as it would have
        left = (words for words, was in self._before.items() if _is_more(now[words], was))
        return next(left, "")

    def _now(self) -> dict[str, Any]:
        return {
            **{f"replaces sys.{name}": getattr(sys, name, None) for name in _HOOKS},
            **{f"handles {number.name}": signal.getsignal(number) for number in _SIGNALS},
            "configures the log of all": (logging.root.level, *logging.root.handlers, logging.root.manager.disable),
            "changes the working directory": os.getcwd(),  # noqa: PTH109  (compared only)
            "leaves a temporary file or folder": any(map(os.path.lexists, self._temporary)),
            "leaves a process running": _children(),
            "leaves a file open": _files(),
        }


def _is_more(now: Any, was: Any) -> bool:
    return bool(now - was) if isinstance(was, set) else now != was


def _files() -> set[tuple[str, str]]:
    """Return the open descriptors of this process and what they are of."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  (names are all it needs)
        with contextlib.suppress(OSError):  # that of this list
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))  # noqa: PTH115  (no path)
    return found


def _children() -> set[int]:
    """Return the children that this process started: others come to it when a kernel lets go of them."""
    return {pid for pid in descendants._children() if _is_own(pid)}


def _is_own(pid: int) -> bool:
    with contextlib.suppress(OSError):  # it has ended
        shown = descendants._environment(pid)
        return shown is None or f"{descendants.VARIABLE}={descendants.BLANK}".encode() in shown
    return False
