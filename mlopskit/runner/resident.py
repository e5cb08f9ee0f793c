"""Servers that live as long as the calling Python process: one forks kernels for plain papermill, one starts cold ones.

The first starts with the first notebook, whose import statements it executes ahead; the notebooks that follow in the
same process fork their kernels from it too. A notebook that it does not fit gets a kernel that is started anew. The
second imports nothing: it starts cold kernels, and looks after what they start. Both end with the process, however that
ends: by itself, or because a socket closes when the process is killed.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from mlopskit.runner.importing import import_statements, imports_in
from mlopskit.runner.warm import ForkServer, is_supported

COLD = "MLOPSKIT_COLD"
"""Environment variable that stands for ``--cold`` where papermill is the command: any value but ``0`` says so."""


def is_cold(option: object) -> bool:
    """Tell whether kernels are to be started anew: where forking is not safe, or because somebody said so."""
    return bool(option) or os.environ.get(COLD, "0") not in {"", "0"} or not is_supported()


class Resident(ForkServer):
    """A fork server that knows what it has imported, and for whom.

    Parameters
    ----------
    statements : sequence of str
        Import statements that it executes before it forks.
    folder : Path or str
        Where it executes them.
    hidden : collection of str
        Variables of the environment that none of them must see.
    """

    def __init__(self, statements: Sequence[str], folder: Path | str = "/", *, hidden: Collection[str] = ()) -> None:
        self._statements = list(statements)
        self._interpreter = _interpreter_settings()
        self._visible = os.environ.keys() - set(hidden)
        super().__init__(statements, folder, hidden=hidden)

    @property
    def is_alive(self) -> bool:
        """Tell whether its process runs."""
        return self._process.poll() is None

    def fits(self, project: Path, hidden: Collection[str]) -> bool:
        """Tell whether a kernel in this folder would have imported the same modules by itself.

        Not where a module of the folder bears the name of one that was imported ahead, when the variables that
        Python reads at its start have changed since, or when what was imported could see one that is hidden from it.
        """
        same = imports_in(self._statements, project) == self._statements
        return same and self._interpreter == _interpreter_settings() and self._visible.isdisjoint(hidden)

    def forget(self) -> None:
        """Let go of the server in a forked copy of this process: it is the parent's, and must see the parent's end."""
        self._channel.close()
        self._process.returncode = 0  # nothing to wait for here


class Keeper:
    """Holds the servers of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, Resident] = {}
        self._is_registered = False

    def server(self, needs: Sequence[str], project: Path, *, hidden: Collection[str] = ()) -> Resident | None:
        """Return the server that forks, started when there is none; None when it does not fit a kernel in this folder.

        Parameters
        ----------
        needs : sequence of str
            Import statements of the notebook that asks.
        project : Path
            The kernel's working directory.
        hidden : collection of str
            Variables of the environment that the kernel does not have, since its secrets come from there.
        """
        statements = imports_in([*import_statements((), project), *needs], project)
        server = self._living("warm", statements, project, hidden)
        return server if server.fits(project, hidden) else None

    def starter(self) -> Resident:
        """Return the server that starts cold kernels, started when there is none."""
        return self._living("cold", ())

    def close(self) -> None:
        """End the servers, if there are any."""
        with self._lock:
            while self._kept:
                self._kept.popitem()[1].close()

    def _living(
        self, kind: str, statements: Sequence[str], folder: Path | str = "/", hidden: Collection[str] = ()
    ) -> Resident:
        with self._lock:
            self._register()
            if kind in self._kept and not self._kept[kind].is_alive:
                self._kept.pop(kind).close()
            if kind not in self._kept:
                self._kept[kind] = Resident(statements, folder, hidden=hidden)
            return self._kept[kind]

    def _register(self) -> None:
        if not self._is_registered:
            atexit.register(self.close)
            os.register_at_fork(after_in_child=self._forget)
            self._is_registered = True

    def _forget(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it
        while self._kept:
            self._kept.popitem()[1].forget()


keeper = Keeper()
"""The keeper of this process."""


def _interpreter_settings() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("PYTHON") and name != "PYTHONHASHSEED"}
