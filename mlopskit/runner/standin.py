"""What stands in, while modules are imported ahead, for what only a kernel has: its shell and its output.

Libraries look at both while they are imported: some choose by the shell how they will show themselves, handlers of
logs keep the stream of that moment. So in the server there is a shell that answers such questions as a kernel's does,
and streams that become the kernel's once there is one. What cannot stand in for a kernel is noticed: a module that
prints or warns while it is imported, which belongs under the cell that imports it, one that starts a thread, which no
fork has, or one that wants more of the shell than to know what it is.
"""

from __future__ import annotations

import builtins
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

_FIELDS = ("_real", "_kind", "_known", "_asked")


class _Later:
    """Stands in for an object until there is one, and is it from then on."""

    def __init__(self, *fields: Any) -> None:
        for name, value in zip(_FIELDS, fields, strict=True):
            object.__setattr__(self, name, value)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return self._kind

    def __getattr__(self, name: str) -> Any:
        if (there := self._real()) is not None:
            return getattr(there, name)
        if name in self._known:
            return self._known[name]
        self._asked.append(name)
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if (there := self._real()) is not None:
            setattr(there, name, value)
        else:
            self._asked.append(name)


def _later(kind: type, real: Callable[[], Any], known: Mapping[str, Any], asked: list[str]) -> Any:
    """Return what stands in for an object of a kind, by its name and for `isinstance`.

    Parameters
    ----------
    kind : type
        Of the object.
    real : callable
        Returns the object, or None while there is none.
    known : mapping
        Attributes that it has already.
    asked : list of str
        Takes down every other attribute that somebody wants too early.
    """
    return type(kind.__name__, (_Later,), {"__module__": kind.__module__})(real, kind, known, asked)


class StandIn:
    """Stands in for shell and streams from when it is made, in this process and in those that it forks."""

    def __init__(self) -> None:
        import ipykernel.kernelapp  # noqa: F401  what a kernel imports before it has a shell may say what it likes
        import IPython.core.completer  # noqa: F401
        from ipykernel.iostream import OutStream
        from ipykernel.ipkernel import IPythonKernel
        from ipykernel.zmqshell import ZMQInteractiveShell
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.display import display
        from traitlets.config import Config

        def shell() -> Any:
            there = InteractiveShell._instance
            return None if there is stand_in else there

        self._asked: list[str] = []
        kernel = _later(IPythonKernel, lambda: getattr(shell(), "kernel", None), {}, self._asked)
        known = {"config": Config({"IPKernelApp": {}}), "kernel": kernel}
        stand_in: Any = _later(ZMQInteractiveShell, shell, known, self._asked)
        InteractiveShell._instance = stand_in
        vars(builtins).update(__IPYTHON__=True, get_ipython=lambda: stand_in, display=display)
        ZMQInteractiveShell.init_environment(stand_in)  # type: ignore[no-untyped-call]  # each kernel sets these
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
        for number in (1, 2):
            said = os.memfd_create("said while importing")
            os.dup2(said, number)
            os.close(said)
        self._streams = [sys.stdout, sys.stderr]
        sys.stdout = _later(OutStream, lambda: self._streams[0], {}, self._asked)
        sys.stderr = _later(OutStream, lambda: self._streams[1], {}, self._asked)

    def noticed(self) -> str:
        """Say what a module did that none must do before there is a kernel; empty when nothing was noticed."""
        for stream in self._streams:
            stream.flush()
        if os.fstat(1).st_size or os.fstat(2).st_size:
            return "prints something"
        if threading.active_count() > 1:
            return "starts a thread"
        return f"asks the shell for `{self._asked[0]}`" if self._asked else ""

    def step_aside(self) -> None:
        """Leave the place to the kernel that this process becomes."""
        from IPython.core.interactiveshell import InteractiveShell

        InteractiveShell._instance = None
        del builtins.__IPYTHON__, builtins.get_ipython  # type: ignore[attr-defined]
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__

    def become(self) -> None:
        """Be the streams of the kernel that there is now, for whoever kept them."""
        self._streams[:] = sys.stdout, sys.stderr


present: StandIn | None = None
"""That of this process, if modules were imported ahead in it."""


def take_place() -> StandIn:
    """Stand in from now on."""
    global present
    present = StandIn()
    return present
