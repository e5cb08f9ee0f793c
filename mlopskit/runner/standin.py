"""What stands in, while modules are imported ahead, for what only a kernel has: its shell and its output.

Libraries look at both while they are imported: some choose by the shell how they will show themselves, handlers of logs
keep the stream of that moment. So in the server there is a shell that answers such questions as a kernel's does, and
streams that become the kernel's once there is one. What cannot stand in for a kernel is noticed: a module that prints
or warns while it is imported, which belongs under the cell that imports it, one that starts a thread, which no fork
has, one that draws random numbers which a cell may have seeded, or one that wants more of the shell than to know what
it is; and what a module leaves behind that all forks would share, such as an open file, or that a kernel sees to
itself, such as what handles a signal. Which variables of the environment they read is noted as well: a kernel that has
others is none of theirs.

What still differs: what a cell sets in a module that others look at while they are imported, they meet only afterwards;
and an identifier that a module drew by itself (a UUID) is the same in all forks.
"""

from __future__ import annotations

import builtins
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlopskit.runner import descendants
from mlopskit.runner.aftermath import Aftermath

_SETTLED = (
    "MATPLOTLIBRC", "MPLBACKEND", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "JPY_PARENT_PID", "JPY_SESSION_NAME", "MLOPSKIT_PROJECT", "MLOPSKIT_RUN", "MLOPSKIT_PHASE", descendants.VARIABLE,
)  # fmt: skip
"""Variables that a fork sees to itself, or that say who a kernel works for."""

INLINE = "module://matplotlib_inline.backend_inline"
"""Where figures are drawn in a kernel whose environment says nothing else."""

_LOADED = re.compile(r"TZ|LANG|LC_.*|.*_NUM_THREADS|NPY_.*|OPENBLAS_.*|LD_.*")
"""Variables that are not looked up by Python but by C code, where that is loaded."""

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


class _Watched(dict[bytes, bytes]):
    """The variables of the environment, what somebody found who looked for one, and which were set or taken out."""

    def __init__(self, variables: dict[bytes, bytes]) -> None:
        super().__init__(variables)
        self.before = variables
        self.found: dict[bytes, bytes | None] = {}
        self.changed: dict[bytes, bytes | None] = {}

    def __getitem__(self, name: bytes) -> bytes:
        if name not in self.changed:
            self.found.setdefault(name, self.get(name))
        return super().__getitem__(name)

    def __setitem__(self, name: bytes, value: bytes) -> None:
        self.changed[name] = value
        super().__setitem__(name, value)

    def __delitem__(self, name: bytes) -> None:
        super().__delitem__(name)
        self.changed[name] = None


class StandIn:
    """Stands in for shell and streams from when it is made, in this process and in those that it forks.

    Attributes
    ----------
    loaded_with : dict
        Variables of the environment that C code may have read when it was loaded.
    backend : str
        What matplotlib was told to draw with.
    settings : tuple or None
        Which file matplotlib read, and when that was written, once it was imported.
    unseeded : Unseeded
    filters : Filters
    """

    def __init__(self) -> None:
        import ipykernel.kernelapp  # noqa: F401  what a kernel imports before it has a shell may say what it likes
        import IPython.core.completer  # noqa: F401
        from ipykernel.iostream import OutStream
        from ipykernel.ipkernel import IPythonKernel
        from ipykernel.zmqshell import ZMQInteractiveShell
        from IPython.core.interactiveshell import InteractiveShell
        from IPython.display import display
        from traitlets.config import Config

        from mlopskit.runner.filters import Filters

        self.filters = Filters()
        from mlopskit.runner.seeding import Unseeded  # NumPy comes with it

        def shell() -> Any:
            there = InteractiveShell._instance
            return None if there is stand_in else there

        self._asked: list[str] = []
        kernel = _later(IPythonKernel, lambda: getattr(shell(), "kernel", None), {}, self._asked)
        known = {"config": Config({"IPKernelApp": {}}), "kernel": kernel}
        stand_in: Any = _later(ZMQInteractiveShell, shell, known, self._asked)
        InteractiveShell._instance = stand_in
        vars(builtins).update(__IPYTHON__=True, get_ipython=lambda: stand_in, display=display)
        before = dict(os.environ)
        ZMQInteractiveShell.init_environment(stand_in)  # type: ignore[no-untyped-call]
        set_by_each = {name for name, value in os.environ.items() if before.get(name) != value}
        self._settled = {*_SETTLED, *set_by_each}
        os.environ["JPY_PARENT_PID"] = str(os.getppid())
        self.backend = os.environ["MPLBACKEND"] = os.environ.get("MPLBACKEND") or INLINE
        self.settings: tuple[str, int] | None = None
        self.loaded_with = {name: value for name, value in os.environ.items() if _LOADED.fullmatch(name)}
        self._variables = os.environ._data = _Watched(os.environ._data)  # type: ignore[attr-defined]
        draw_early()
        self.unseeded = Unseeded()
        self._aftermath = Aftermath()
        for number in (1, 2):
            said = os.memfd_create("said while importing")
            os.dup2(said, number)
            os.close(said)
        self._streams = [sys.stdout, sys.stderr]
        sys.stdout = _later(OutStream, lambda: self._streams[0], {}, self._asked)
        sys.stderr = _later(OutStream, lambda: self._streams[1], {}, self._asked)

    def watch(self) -> None:
        """Look at what there is before a module is imported."""
        self._aftermath.begin()

    def noticed(self) -> str:
        """Say what a module did that none must do before there is a kernel; empty when nothing was noticed."""
        left = self._aftermath.end()
        if self.settings is None and "matplotlib" in sys.modules:
            self.settings = settings_of_figures()
        for stream in self._streams:
            stream.flush()
        if os.fstat(1).st_size or os.fstat(2).st_size:
            return "prints something"
        if threading.active_count() > 1:
            return "starts a thread"
        if self.unseeded.shared_were_used():
            return "seeds or draws the random numbers that all share"
        return f"asks the shell for `{self._asked[0]}`" if self._asked else left

    def hide(self, name: str) -> None:
        """Take a variable out of the sight of what is imported from now on."""
        self._variables.pop(os.fsencode(name), None)  # and nobody has looked for it thereby
        os.unsetenv(name)
        self.loaded_with.pop(name, None)

    def differs(self, environment: Mapping[str, str]) -> str:
        """Say which variable that a module read a kernel in this environment has otherwise; empty where none is."""
        for name, found in self._variables.found.items():
            key, there = os.fsdecode(name), None if found is None else os.fsdecode(found)
            if key not in self._settled and environment.get(key) != there:
                return f"a module that is imported ahead reads the variable {key}, which is another in this kernel"
        loaded_with = {name: value for name, value in environment.items() if _LOADED.fullmatch(name)}
        others = {name for name, _ in loaded_with.items() ^ self.loaded_with.items()} - self._settled
        return f"libraries read {min(others)} when they are loaded, which is another in this kernel" if others else ""

    def step_aside(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Leave the place to the kernel that this process becomes, and return its environment as modules changed it."""
        from IPython.core.interactiveshell import InteractiveShell

        os.environ._data = self._variables.before  # type: ignore[attr-defined]
        InteractiveShell._instance = None
        del builtins.__IPYTHON__, builtins.get_ipython  # type: ignore[attr-defined]
        self.unseeded.make_anew()
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
        changed = {os.fsdecode(name): value for name, value in self._variables.changed.items()}
        others = {name: value for name, value in changed.items() if name not in self._settled}
        kept = {name: value for name, value in environment.items() if name not in others}
        return kept | {name: os.fsdecode(value) for name, value in others.items() if value is not None}

    def become(self) -> None:
        """Be the streams of the kernel that there is now, for whoever kept them."""
        self._streams[:] = sys.stdout, sys.stderr


def settings_of_figures() -> tuple[str, int]:
    """Return which file matplotlib would read its settings from, and when that was written last."""
    path: str = sys.modules["matplotlib"].matplotlib_fname()
    return str(Path(path).resolve()), Path(path).stat().st_mtime_ns


present: StandIn | None = None
"""That of this process, if modules were imported ahead in it."""


def draw_early() -> None:
    """Import what scikit-learn imports and draws a random number meanwhile, which no cell may have seeded before."""
    import rich.style  # noqa: F401


def take_place() -> StandIn:
    """Stand in from now on."""
    global present
    present = StandIn()
    return present
