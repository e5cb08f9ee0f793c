"""A notebook through papermill, with a record that says what really happened.

papermill's own metadata call every cell of a killed kernel "completed"; here a cell counts as done only when its
reply has come. Heavy: importing this module imports papermill, so only the engine does, when a notebook is about to
run.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zmq
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.iorw import LocalHandler, papermill_io
from traitlets import Any as AnyTrait
from traitlets import Dict

from mlopskit.errors import NotebookError
from mlopskit.notebooks import PUT_IN, load_notebook
from mlopskit.params import portable
from mlopskit.runner.kernels import Setting, start, tidy
from mlopskit.runner.record import Record
from mlopskit.runner.redaction import Redactor
from mlopskit.runner.spill import Spill, shorten

_RECORDED = ("output_path", "progress_bar", "log_output", "autosave_cell_every")
_FIRST_WITH_IDS = 5
"""The minor version of format 4 in which cells got ids."""


class Stopped(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """The run was asked to stop, so no further cell is started."""


class Client(PapermillNotebookClient):  # type: ignore[misc]  # the base class is untyped
    """papermill's client with a watch on it: a cell counts as done only when its reply has come."""

    admitted = AnyTrait()
    watch = AnyTrait()
    spill = AnyTrait()
    redactor = AnyTrait()
    held = Dict()
    listening = AnyTrait()

    def papermill_execute_cells(self) -> None:
        """Execute cell by cell; whatever ends a cell early is marked on that cell before it travels on."""
        if not self.admitted():
            raise Stopped
        self.nb_man.notebook_start()
        for index, cell in enumerate(self.nb.cells):
            if self.watch.stopping:
                raise Stopped
            self.nb_man.cell_start(cell, index)
            self.spill.begin(str(cell.get("id") or f"cell-{index + 1}"))
            try:
                self.execute_cell(cell, index)
            except BaseException as error:
                if isinstance(error, CellExecutionError):
                    self._show_error(self.nb.cells[index], error)
                self.nb_man.cell_exception(self.nb.cells[index], cell_index=index, exception=error)
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
                if isinstance(error, CellExecutionError):
                    return
                raise
            self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)

    def _show_error(self, cell: Any, error: CellExecutionError) -> None:
        """Show the error of a cell that shows none: IPython only prints groups of exceptions."""
        if not any(output.output_type == "error" for output in cell.outputs):
            content = self.spill.error({"ename": error.ename, "evalue": error.evalue, "traceback": []})
            cell.outputs.append(NotebookNode(output_type="error", **content))

    async def _async_poll_output_msg(self, *arguments: Any) -> None:
        """Take what a cell shows, as a task that is known: nbclient forgets it when the time of a cell is up."""
        self.listening = asyncio.current_task()
        await super()._async_poll_output_msg(*arguments)

    async def leave(self) -> None:
        """End the kernel as nbclient ends one of its own; what it shows on its way is still taken."""
        try:
            await self._async_cleanup_kernel()
        finally:
            if self.listening is not None and not self.listening.done():
                self.listening.cancel()
                await asyncio.wait([self.listening])

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Redact what a cell shows and cut it to size, then let nbclient do what it does with it."""
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream":
            return self._stream(msg, cell, cell_index)
        if kind in {"execute_result", "display_data", "update_display_data"}:
            content["data"] = self.spill.bundle(content["data"])
            content["metadata"] = self.spill.redacted(content.get("metadata") or {})
        elif kind == "error":
            msg["content"] = self.spill.error(content)
        elif kind.startswith("comm"):
            msg["content"] = self.spill.redacted(content)
        elif kind == "clear_output":
            self.spill.clear()
            self.held.clear()
        elif kind == "status" and content["execution_state"] == "idle":
            self._release(msg, cell, cell_index)
        shown = super().process_message(msg, cell, cell_index)
        self._notice_reply()
        return shown

    def _notice_reply(self) -> None:
        """Look whether the reply of the cell has come: answering an `Output` widget hides its coming from asyncio."""
        if self.comm_objects:
            self.kc.shell_channel.socket.get(zmq.EVENTS)

    def _stream(self, msg: dict[str, Any], cell: Any, cell_index: int, *, last: bool = False) -> Any:
        """Put a piece of a stream where it belongs: behind the piece before, or into the file of this stream."""
        name = msg["content"]["name"]
        self._log(name, msg["content"]["text"], last=last)
        text, spilling = self.spill.stream(name, msg["content"]["text"], last=last)
        begins = spilling is not None and spilling.link is None
        if begins:
            shorten(self._outputs(msg, cell), name)
        shown = self._show(name, text, msg, cell, cell_index) if text else None
        if begins:
            content = {"data": self.spill.link(spilling), "metadata": {}, "transient": {}}
            link = {**msg, "msg_type": "display_data", "header": {**msg["header"], "msg_type": "display_data"}}
            super().process_message({**link, "content": content}, cell, cell_index)
            spilling.link = self._outputs(msg, cell)[-1]
        return shown

    def _outputs(self, msg: dict[str, Any], cell: Any) -> list[Any]:
        """Return where what a cell shows goes: into the cell, or into the `Output` widget that captures it."""
        captured = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        outputs: list[Any] = captured[-1].outputs if captured else cell.outputs
        return outputs

    def _show(self, name: str, text: str, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        """Put text into the notebook, behind the output before where that is of the same stream."""
        if self._outputs(msg, cell) is cell.outputs and self._follows(cell, name):
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
    spill = spill or Spill(setting.save_to.parent if setting.save_to else None, Redactor(setting.known))
    try:
        _run(record, setting, spill, options)
    except Exception as error:
        said = retell(error)
        if said is error:
            raise
        raise said from error
    finally:
        record.cleanup_pbar()
        spill.sweep(record.nb)
        if setting.admitted():
            record.notebook_complete()
    return record.nb


def leave(setting: Setting) -> None:
    """End the kernel as nbclient ends one of its own, and tidy up behind it; a second time does nothing."""
    client, setting.client = setting.client, None
    try:
        if client is not None and client.km is not None:
            run_sync(client.leave)()
    finally:
        setting.watch.sweep()
        tidy(setting)
        if setting.log is not None:
            Redactor(setting.known).file(setting.log)


def _prepare(nb: Any, setting: Setting) -> None:
    """Tidy what papermill put in: valid JSON, cell ids that are the same in each run, no paths of this machine."""
    metadata = nb.metadata.papermill
    metadata["parameters"] = portable(dict(metadata.get("parameters", {})))
    own = [cell for cell in nb.cells if not _is_put_in(cell)]
    written = _ids_in_file(metadata.get("input_path"))
    if len(written) != len(own):
        had_ids = nb.metadata.get("orig_nbformat_minor", _FIRST_WITH_IDS) >= _FIRST_WITH_IDS
        written = [cell["id"] if had_ids else None for cell in own]
    metadata.update(setting.labels)
    number: Counter[str] = Counter()
    for cell, name in zip(own, written, strict=True):
        number[cell.cell_type] += 1
        if written.count(name) > 1 or not name:  # what it has now was drawn by lot
            cell["id"] = f"{cell.cell_type}-{number[cell.cell_type]}"
    for cell in filter(_is_put_in, nb.cells):
        cell["id"] = PUT_IN


def _is_put_in(cell: Mapping[str, Any]) -> bool:
    return PUT_IN in cell.get("metadata", {}).get("tags", [])


def _ids_in_file(path: Any) -> list[Any]:
    """Return the ids of a notebook's cells as they are written, None for one without; empty where there is no file."""
    try:
        return [cell.get("id") for cell in load_notebook(Path(path))["cells"] if not _is_put_in(cell)]
    except (NotebookError, TypeError, OSError):
        return []


def _run(record: Record, setting: Setting, spill: Spill, options: Mapping[str, Any]) -> None:
    if setting.manager is None:
        run_sync(start)(setting)
    setting.client = _client(record, setting, spill, options)
    try:
        setting.client.execute(cleanup_kc=False)
    finally:
        if not setting.lingers:
            leave(setting)


def _client(record: Record, setting: Setting, spill: Spill, options: Mapping[str, Any]) -> Client:
    watch = setting.watch

    def begin(cell_index: int, **_: Any) -> None:
        watch.begin(cell_index)
        record.save_soon()

    def left(_: Any) -> float:
        return max((record.began or 0.0) + (setting.limit or 0.0) - time.monotonic(), 0.05)

    return Client(
        record,
        admitted=setting.admitted,
        km=setting.manager,
        watch=watch,
        spill=spill,
        redactor=Redactor(setting.known),
        kernel_name="python3",
        log=logging.getLogger("mlopskit.kernel"),
        log_output=options.get("log_output", False),
        stdout_file=options.get("stdout_file"),
        stderr_file=options.get("stderr_file"),
        startup_timeout=options.get("start_timeout", 60),
        iopub_timeout=600,  # a kernel may print faster than is read; that it died is noticed otherwise
        timeout=options.get("execution_timeout"),
        timeout_func=left if setting.limit else None,
        on_cell_execute=begin,
        on_cell_executed=lambda **_: watch.end(),
    )
