"""A notebook through papermill, with a record that says what really happened.

papermill's own metadata call every cell of a killed kernel "completed"; here a cell counts as done only when its
reply has come. Heavy: importing this module imports papermill, so only the engine does, when a notebook is about to
run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from nbformat.v4 import nbjson
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.iorw import LocalHandler, papermill_io
from traitlets import Any as AnyTrait
from traitlets import Dict

from mlopskit import artefacts
from mlopskit.params import portable
from mlopskit.runner.kernels import Setting, start, tidy
from mlopskit.runner.redaction import Redactor
from mlopskit.runner.spill import Spill, shorten

_RECORDED = ("output_path", "progress_bar", "log_output", "autosave_cell_every")
_A_WHILE = 0.5  # seconds
_SAVING_SHARE = 0.05  # at most this share of the time goes into saving the notebook while it runs


class Stopped(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """The run was asked to stop, so no further cell is started."""


class Client(PapermillNotebookClient):  # type: ignore[misc]  # the base class is untyped
    """papermill's client with a watch on it: a cell counts as done only when its reply has come."""

    watch = AnyTrait()
    spill = AnyTrait()
    redactor = AnyTrait()
    held = Dict()

    def papermill_execute_cells(self) -> None:
        """Execute cell by cell; whatever ends a cell early is marked on that cell before it travels on."""
        for index, cell in enumerate(self.nb.cells):
            if self.watch.stopping:
                raise Stopped
            self.nb_man.cell_start(cell, index)
            self.spill.begin(str(cell.get("id") or f"cell-{index + 1}"))
            try:
                self.execute_cell(cell, index)
            except BaseException as error:
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
                if isinstance(error, CellExecutionError):
                    return
                raise
            self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Redact what a cell shows and cut it to size, then let nbclient do what it does with it."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            return self._stream(msg, cell, cell_index)
        if kind in {"execute_result", "display_data", "update_display_data"}:
            content["data"] = self.spill.bundle(content["data"])
        elif kind == "error":
            msg["content"] = self.spill.error(content)
        elif kind.startswith("comm"):
            msg["content"] = self.spill.redacted(content)
        elif kind == "clear_output":
            self.spill.clear()
            self.held.clear()
        elif kind == "status" and content["execution_state"] == "idle":
            self._release(msg, cell, cell_index)
        return super().process_message(msg, cell, cell_index)

    def _stream(self, msg: dict[str, Any], cell: Any, cell_index: int, *, last: bool = False) -> Any:
        """Put a piece of a stream where it belongs: behind the piece before, or into the file of this stream."""
        name = msg["content"]["name"]
        self._log(name, msg["content"]["text"], last=last)
        text, spilling = self.spill.stream(name, msg["content"]["text"], last=last)
        begins = spilling is not None and spilling.link is None
        if begins:
            shorten(cell.outputs, name)
        shown = self._show(name, text, msg, cell, cell_index) if text else None
        if begins:
            content = {"data": self.spill.link(spilling), "metadata": {}, "transient": {}}
            link = {**msg, "msg_type": "display_data", "header": {**msg["header"], "msg_type": "display_data"}}
            spilling.link = super().process_message({**link, "content": content}, cell, cell_index)
        return shown

    def _show(self, name: str, text: str, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Put text into the notebook, behind the output before where that is of the same stream."""
        if self._follows(cell, name) and not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            cell.outputs[-1]["text"] += text
            self.nb_man.autosave_cell()
            return None
        return super().process_message({**msg, "content": {"name": name, "text": text}}, cell, cell_index)

    def _log(self, name: str, text: str, *, last: bool) -> None:
        """Log a piece of a stream, redacted, wherever it goes in the notebook: papermill would log the first only."""
        if self.log_output or self.stdout_file or self.stderr_file:
            before = self.held.get(name, "")
            clean, self.held[name] = (text, "") if last else self.redactor.split(before + text)
            super().log_output_message(NotebookNode(output_type="stream", name=name, text=clean))

    def log_output_message(self, output: Any) -> None:
        """Log an output as papermill does; streams were logged as they came."""
        if output.output_type != "stream":
            super().log_output_message(output)

    def _follows(self, cell: Any, name: str) -> bool:
        last = cell.outputs[-1] if cell.outputs and not self.clear_before_next_output else {}
        return bool(self.spill.is_active and last.get("output_type") == "stream" and last["name"] == name)

    def _release(self, msg: dict[str, Any], cell: Any, cell_index: int) -> None:
        """Show what was held back in case a secret began there, now that the cell says no more."""
        for name, text in self.spill.remainders().items():
            said = {"msg_type": "stream", "header": {**msg["header"], "msg_type": "stream"}}
            self._stream({**msg, **said, "content": {"name": name, "text": text}}, cell, cell_index, last=True)


class Record(NotebookExecutionManager):  # type: ignore[misc]  # the base class is untyped
    """papermill's record of an execution, saved atomically, and never calling "completed" what did not run."""

    def __init__(self, nb: Any, setting: Setting, **options: Any) -> None:
        super().__init__(nb, **options)
        self._save_to = setting.save_to
        self._saved_at, self._cost = 0.0, 0.0

    def save(self, **_: Any) -> None:
        """Save, unless the last time was so recent that saving would slow the run."""
        if self._save_to is None:
            super().save()
        elif time.monotonic() - self._saved_at > max(_A_WHILE, self._cost / _SAVING_SHARE):
            self._save_now()

    def save_soon(self) -> None:
        """Save when a cell that starts has taken a while: until it ends, nothing else would."""
        asyncio.get_running_loop().call_later(_A_WHILE, self._save_unless_over)

    def _save_unless_over(self) -> None:
        if self.end_time is None and self._save_to is not None:
            self.save()

    def _save_now(self) -> None:
        started = time.monotonic()
        assert self._save_to is not None  # noqa: S101
        artefacts.write_text(self._save_to, nbjson.writes(self.nb) + "\n")
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - started

    def notebook_complete(self, **_: Any) -> None:
        """Note the end; cells that never started stay "pending"."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.cleanup_pbar()
        if self._save_to is None:
            super().save()
        else:
            self._save_now()


def local_file(path: Any) -> Path | None:
    """Return where papermill saves the notebook, when that is a file of this machine that can be replaced."""
    handler = papermill_io.get_handler(path)
    if not isinstance(handler, LocalHandler):
        return None
    file = Path(getattr(handler, "_cwd", None) or Path.cwd()) / path
    regular = file.is_file() and not file.is_symlink() if file.exists() else not file.is_symlink()
    return file if regular and file.parent.is_dir() else None


def execute(
    nb: Any,
    *,
    setting: Setting,
    spill: Spill | None = None,
    retell: Callable[[Exception], Exception] = lambda error: error,
    **options: Any,
) -> Any:
    """Execute a notebook in place, its parameters checked.

    Parameters
    ----------
    nb : NotebookNode
        With papermill's metadata and the cell that it put in.
    setting : Setting
        Where and how it runs.
    spill : Spill, optional
        Where large outputs go; by default beside the notebook.
    retell : callable
        Gets the error that ended the notebook and returns what is raised; it may still change the notebook.
    **options
        What papermill gives to an engine.

    Raises
    ------
    DeadKernelError, CellTimeoutError, Stopped
        When the kernel died, the time was up, or the run was asked to stop. A cell that failed does not raise:
        papermill finds the error in the notebook.
    """
    _prepare(nb, setting)
    record = Record(nb, setting, **{name: options[name] for name in _RECORDED if name in options})
    spill = spill or Spill(setting.save_to.parent if setting.save_to else None, Redactor(setting.secrets))
    record.notebook_start()
    try:
        _run(record, setting, spill, options)
    except Exception as error:
        said = retell(error)
        if said is error:
            raise
        raise said from error
    finally:
        record.cleanup_pbar()
        record.notebook_complete()
    return record.nb


def _prepare(nb: Any, setting: Setting) -> None:
    """Tidy what papermill put in: valid JSON, a fixed cell id, no paths of this machine."""
    metadata = nb.metadata.papermill
    metadata["parameters"] = portable(dict(metadata.get("parameters", {})))
    metadata.update(setting.labels)
    for cell in nb.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"


def _run(record: Record, setting: Setting, spill: Spill, options: Mapping[str, Any]) -> None:
    if setting.manager is None:
        run_sync(start)(setting)
    client = _client(record, setting, spill, options)
    client.owns_km = True  # so that nbclient shuts the kernel down as if it had started it
    try:
        client.execute()
    finally:
        setting.watch.sweep()
        tidy(setting)
        if setting.log is not None:
            Redactor(setting.secrets).file(setting.log)


def _client(record: Record, setting: Setting, spill: Spill, options: Mapping[str, Any]) -> Client:
    watch = setting.watch

    def begin(cell_index: int, **_: Any) -> None:
        watch.begin(cell_index)
        record.save_soon()

    deadline = time.monotonic() + setting.limit if setting.limit else None
    return Client(
        record,
        km=setting.manager,
        watch=watch,
        spill=spill,
        redactor=Redactor(setting.secrets),
        kernel_name="python3",
        log=logging.getLogger("mlopskit.kernel"),
        log_output=options.get("log_output", False),
        stdout_file=options.get("stdout_file"),
        stderr_file=options.get("stderr_file"),
        startup_timeout=options.get("start_timeout", 60),
        iopub_timeout=600,  # a kernel may print faster than is read; that it died is noticed otherwise
        timeout=options.get("execution_timeout"),
        timeout_func=(lambda _: max(deadline - time.monotonic(), 0.05)) if deadline else None,
        on_notebook_start=setting.on_ready,
        on_cell_execute=begin,
        on_cell_executed=lambda **_: watch.end(),
    )
