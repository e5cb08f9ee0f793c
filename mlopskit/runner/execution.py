"""One phase: its notebook through papermill in a fresh kernel, and the truth about how that ended.

A phase is done only if every cell ran and its trace says ``finish``. Everything else has a name: a cell failed, the
kernel was killed, the time was up, or somebody stopped the run.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit import artefacts
from mlopskit.lean import without
from mlopskit.notebooks import code_cells, heading_above, load_notebook, original_index
from mlopskit.runner.importing import imports_in, prepares_imports, sources_of
from mlopskit.runner.leaks import find_in
from mlopskit.runner.phases import Phase
from mlopskit.runner.redaction import Redactor
from mlopskit.runner.surroundings import HASH_SEED
from mlopskit.runner.verdict import explain, leaked
from mlopskit.runs import TRACE, Record, append

if TYPE_CHECKING:
    from mlopskit.runner.kernels import Setting
    from mlopskit.runner.warm import ForkServer
    from mlopskit.secrets import Secret

NOTEBOOK = "notebook.ipynb"
KERNEL_LOG = "kernel.log"


class Gate:
    """Where a phase that was begun ahead waits for its turn, its kernel ready; without one it never waits."""

    def __init__(self) -> None:
        self._decided = threading.Event()
        self._open = False
        self.since = 0.0

    def open(self) -> None:
        """Let the phase begin."""
        self._open, self.since = True, time.monotonic()
        self._decided.set()

    def close(self) -> None:
        """Send it away: it will not run."""
        self._decided.set()

    def admits(self) -> bool:
        """Wait for the decision and return it."""
        self._decided.wait()
        return self._open


@dataclass
class Order:
    """What is to be executed, and the handle by which it is stopped.

    Attributes
    ----------
    phase : Phase
        Name and notebook.
    project, folder : Path
        The project and the run folder, both absolute.
    given : mapping
        Parameters to put in.
    limit : float or None
        Seconds for the phase.
    emit : callable
        Told what happens, as plain mappings.
    setting : Setting or None
        Where and how the notebook runs, once that was prepared.
    server : ForkServer or None
        Where its kernel is forked from; without one it starts cold.
    secrets : sequence of Secret
        What its secret parameters refer to.
    foreign : sequence of Secret
        What those of other phases refer to.
    gate : Gate or None
        Where it waits when it was begun ahead.
    """

    phase: Phase
    project: Path
    folder: Path
    given: Mapping[str, Any] = field(default_factory=dict)
    limit: float | None = None
    emit: Callable[[dict[str, Any]], None] = lambda _: None
    setting: Setting | None = None
    server: ForkServer | None = None
    secrets: Sequence[Secret] = ()
    foreign: Sequence[Secret] = ()
    gate: Gate | None = None
    _asked: int = 0

    @property
    def home(self) -> Path:
        """The folder of this phase in the run."""
        return self.folder / self.phase.name

    def admitted(self) -> bool:
        """Wait until it may begin; False when it will not run."""
        return self.gate is None or self.gate.admits()

    def stop(self) -> None:
        """Stop: interrupt the kernel; when asked again, kill it. Safe to call from another thread at any time."""
        self._asked += 1
        if self.setting is not None:
            self.setting.watch.stopping = True
            self.setting.watch.signal(signal.SIGINT if self._asked == 1 else signal.SIGKILL)

    @property
    def stopped(self) -> bool:
        """Tell whether `stop` was called."""
        return self._asked > 0


@dataclass(frozen=True)
class Ending:
    """How a phase ended.

    Attributes
    ----------
    status : str
        ``done``, ``failed``, ``killed`` or ``timed-out``.
    seconds : float
        Wall time since its turn came.
    error : dict or None
        ``name``, ``message``, ``cell`` (number of the code cell, from 1), ``id``, ``heading``, ``signal``.
    cells, executed : int
        Code cells in the notebook, and those that ran to their end.
    """

    status: str
    seconds: float
    error: dict[str, Any] | None
    cells: int
    executed: int


_GRAMMARS = "rfc3987_syntax"
"""Builds grammars for a second when jsonschema imports it, for formats that no notebook has: left out there."""


def import_executor() -> None:
    """Import what executing needs, in one thread at a time: some of these packages import themselves in circles."""
    with without(_GRAMMARS):
        import papermill.execute  # noqa: F401

        import mlopskit.runner.client  # noqa: F401


def execute_phase(order: Order, tell: Callable[[Ending], None] = lambda _: None) -> None:
    """Execute one phase; never raises for what a notebook does.

    Parameters
    ----------
    order : Order
        What to execute. With a gate, everything up to the first cell is done ahead; when it is sent away, no trace of
        that is left and nothing is told.
    tell : callable
        Told how it ended, as soon as that is certain: the kernel of a phase that is done may still be leaving.
    """
    began = time.monotonic()
    import_executor()
    from mlopskit.runner.client import leave

    setting = _prepared(order)
    setting.watch.stopping = order.stopped or setting.watch.stopping  # it may be stopped right after the question
    error: Exception | None = None
    try:
        _papermill(order, setting)
    except Exception as caught:
        error = caught
    is_certain = error is None and not setting.known
    if not is_certain:  # how the kernel ended belongs to the truth
        leave(setting)
    if setting.admitted():
        if setting.unfit:
            order.emit({"event": "note", "text": f"Kernels are started anew here: {setting.unfit}."})
        since = began if order.gate is None else max(began, order.gate.since)
        tell(_ending(order, setting, error, since=since))
    if is_certain:
        leave(setting)


def _ending(order: Order, setting: Setting, error: Exception | None, *, since: float) -> Ending:
    notebook = load_notebook(order.phase.path(order.project))
    status, described = explain(error, notebook=notebook, setting=setting, stopped=order.stopped)
    if found := find_in(order.home, setting.known):
        Redactor(setting.known).file(order.home / TRACE)  # manifest, lineage and report are made from it
        told = leaked(found, notebook=notebook, setting=setting)
        if status != "done" and described is not None:
            told = {**described, "message": f"{described['message'].rstrip(' .')}. {told['message']}"}
        status, described = "failed" if status == "done" else status, told
    if status == "done":
        _seal(order)
    executed = max(0, setting.watch.executed - (1 if order.given else 0))
    return Ending(status, round(time.monotonic() - since, 3), described, len(code_cells(notebook)), executed)


def _seal(order: Order) -> None:
    """Record what the executed notebook is, as its artefacts were recorded: whoever changes it later is found out."""
    file = order.home / NOTEBOOK
    append(
        order.home,
        Record("notebook", f"{order.phase.name}/{NOTEBOOK}", artefacts.sha256(file), bytes=file.stat().st_size),
    )


def _admitted(order: Order) -> bool:
    """Wait for the phase's turn; only then is there a folder for it, and the kernel's log goes there."""
    if not order.admitted():
        return False
    setting, log = order.setting, order.home / KERNEL_LOG
    if setting is not None and setting.log is not None and setting.log != log:
        order.home.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # the kernel could not be started, or said nothing and is gone
            setting.log.replace(log)
        setting.log = log
    return True


def _prepared(order: Order) -> Setting:
    """Return the order's setting, made when first asked for."""
    from mlopskit.runner.kernels import Setting, Watch

    if order.setting is None:
        home, sources = order.home, sources_of(order.phase.path(order.project))
        server = None if prepares_imports(sources) else order.server
        order.setting = Setting(
            environment=_environment(order),
            cwd=order.project,
            log=order.folder / f".{order.phase.name}-{KERNEL_LOG}",
            save_to=home / NOTEBOOK,
            labels={"input_path": order.phase.notebook, "output_path": f"{order.phase.name}/{NOTEBOOK}"},
            limit=order.limit,
            injected=bool(order.given),
            watch=Watch(on_cell=_reporter(order)),
            server=server,
            secrets=order.secrets,
            foreign=order.foreign,
            needs=imports_in(sources, order.project) if server else (),
            admitted=lambda: _admitted(order),
            lingers=True,
        )
    return order.setting


def _reporter(order: Order) -> Callable[[int], None]:
    """Return what tells the listener which cell starts, numbered as in the notebook as written."""
    notebook = load_notebook(order.phase.path(order.project))
    numbers = {index: number for number, index in enumerate(code_cells(notebook), start=1)}

    def on_cell(index: int) -> None:
        original = original_index(notebook, index, injected=bool(order.given))
        if original != index and "parameters" in notebook["cells"][original].get("metadata", {}).get("tags", []):
            return  # the cell that papermill put in belongs to the parameters cell
        heading = heading_above(notebook, original)
        place = {"cell": numbers.get(original, 0), "cells": len(numbers), "heading": heading}
        order.emit({"event": "cell", "phase": order.phase.name, **place})

    return on_cell


def _environment(order: Order) -> dict[str, str]:
    """Return the environment of a batch kernel: the caller's, and who it works for."""
    return {
        **{name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"},
        "MLOPSKIT_PROJECT": str(order.project),
        "MLOPSKIT_RUN": str(order.folder),
        "MLOPSKIT_PHASE": order.phase.name,
        "PYTHONHASHSEED": HASH_SEED,
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _papermill(order: Order, setting: Setting) -> None:
    import papermill
    from papermill.engines import papermill_engines

    from mlopskit.runner.engine import Engine

    logging.getLogger("papermill").setLevel(logging.CRITICAL)  # it logs failures that are reported here in words
    logging.getLogger("mlopskit.kernel").setLevel(logging.CRITICAL)
    papermill_engines.register("mlopskit", Engine)
    path = str(order.phase.path(order.project)).replace("{", "{{").replace("}", "}}")  # papermill formats paths
    papermill.execute_notebook(
        path,
        None,
        parameters=dict(order.given),
        engine_name="mlopskit",
        kernel_name="python3",
        language="python",
        progress_bar=False,
        setting=setting,
    )
