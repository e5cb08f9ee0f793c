"""The verdict on a phase: how it ended, from what ran, never from the notebook's metadata."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlopskit.notebooks import code_cells, heading_above, original_index
from mlopskit.runs import is_finished

if TYPE_CHECKING:
    from mlopskit.runner.kernels import Setting, Watch
    from mlopskit.runner.leaks import Search


_LONGEST = 2000
"""Characters of a message that manifest, terminal and report repeat."""


def explain(
    error: BaseException | None, *, notebook: Mapping[str, Any], setting: Setting, stopped: bool
) -> tuple[str, dict[str, Any] | None]:
    """Return the status of a phase and what went wrong.

    Parameters
    ----------
    error : BaseException or None
        What papermill raised.
    notebook : mapping
        The notebook as written.
    setting : Setting
        Where it ran, with the watch that saw it.
    stopped : bool
        Whether the run was asked to stop.
    """
    status, described = _judge(error, setting, stopped=stopped)
    cell = getattr(error, "cell_index", None)  # papermill's: with `raises-exception` later cells ran as well
    return status, None if described is None else _locate(notebook, setting, described, cell)


def leaked(found: Search, *, notebook: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
    """Describe a phase whose artefacts hold a secret, or might: it fails, so that nobody shares them as they are."""
    message = found.message("Take it out of what the notebook writes, remove this run, and change the secret.")
    name = "SecretLeaked" if found.leaks else "Unsearchable"
    return _locate(notebook, setting, {"name": name, "message": message})


def _judge(error: BaseException | None, setting: Setting, *, stopped: bool) -> tuple[str, dict[str, Any] | None]:
    name, watch = type(error).__name__, setting.watch
    finished = setting.save_to is not None and is_finished(setting.save_to.parent)
    if stopped and (error is not None or not finished):
        return "killed", {"name": "Interrupted", "message": "The run was stopped while this phase was running."}
    if name == "CellTimeoutError" and setting.limit is not None:
        return "timed-out", {
            "name": name,
            "message": f"The phase was not done after its limit of {setting.limit:g} seconds.",
        }
    if name == "PapermillExecutionError":
        return "failed", {"name": error.ename, "message": _plain(error.evalue)}  # type: ignore[union-attr]
    if name == "DeadKernelError" or (error is not None and watch.executed == 0 and watch.cell is None and _dead(watch)):
        return "killed", _death(setting)
    if error is not None:
        return "failed", {"name": name, "message": _plain(str(error))}
    if not finished:
        message = (
            "The notebook ended without `run.finish()`, so its results may be incomplete. Let its last cell call it."
        )
        return "failed", {"name": "Unfinished", "message": message}
    return "done", None


def _dead(watch: Watch) -> bool:
    return watch.process is not None and watch.process.returncode is not None


def _death(setting: Setting) -> dict[str, Any]:
    """Describe a dead kernel: by which signal, and the last line that it printed."""
    from mlopskit.runner.kernels import said

    process = setting.watch.process
    code = process.poll() if process is not None else None
    by = signal.Signals(-code).name if code is not None and code < 0 else None
    how = f"by {by}" if by else f"with exit code {code}" if code is not None else "for a reason that is not known"
    hint = " Often the memory was used up." if by == "SIGKILL" else ""
    peak = getattr(process, "peak_kb", None)
    hint = f" Its memory peaked at {peak / 1024:,.0f} MB.{hint}" if peak else hint
    lines = said(setting).strip().splitlines()
    last = f" It last printed: {_plain(lines[-1])}" if lines else ""
    return {"name": "KernelDied", "message": f"The kernel ended {how}.{hint}{last}", "signal": by}


def _locate(
    notebook: Mapping[str, Any], setting: Setting, error: dict[str, Any], cell: int | None = None
) -> dict[str, Any]:
    """Add the cell that was running, its id and its heading."""
    place: dict[str, Any] = {"cell": None, "id": None, "heading": None}
    cell = setting.watch.cell if cell is None else cell
    if cell is not None:
        index = original_index(notebook, cell, injected=setting.injected)
        cells = code_cells(notebook)
        place = {
            "cell": cells.index(index) + 1 if index in cells else None,
            "id": notebook["cells"][index].get("id"),
            "heading": heading_above(notebook, index) or None,
        }
    return {"signal": None, **error, **place}


def _plain(text: str) -> str:
    """Take terminal colours out of a message, and the end off one that nobody reads to its end."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    return plain if len(plain) <= _LONGEST else f"{plain[:_LONGEST]} … ({len(plain):,} characters)"
