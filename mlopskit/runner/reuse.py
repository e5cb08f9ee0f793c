"""Reusing phases: whole phases of a finished run copied into a new one, each artefact held to its hash.

Copied, never linked: a file saved in JupyterLab would change through a link. Where the file system can, a copy
shares its blocks with the original until one of them is written.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.errors import NotebookError, RunError
from mlopskit.notebooks import load_notebook
from mlopskit.params import as_declared, spelled
from mlopskit.runner import lineage, manifest
from mlopskit.runner.catalogue import find_run, latest_name, list_folders
from mlopskit.runner.overrides import Parameters
from mlopskit.runs import is_finished, latest_run, read_trace, written
from mlopskit.runs.presence import is_running

_FICLONE = 0x40049409


def find_base(runs: Path, name: str | None) -> Path:
    """Return the folder of the run to take phases from: the one named, else the one that ``latest`` names.

    Raises
    ------
    RunError
        When there is none.
    """
    if name is None:
        found = latest_run(runs)
        if found is None:
            raise RunError.from_no_base(runs, latest_name(runs), [item.name for item in reversed(list_folders(runs))])
        return found
    for folder in (runs / name, Path(name)):
        if (folder / "run.json").is_file():
            return folder.resolve()
    raise RunError.from_unknown_run(name, sorted(path.parent.name for path in runs.glob("*/run.json")))


def find_resumable(runs: Path, name: str) -> Path:
    """Return the folder of a run that can be gone on with.

    Raises
    ------
    RunError
        When there is none of that name, its parameters are not known any more, or it is still running.
    """
    folder = find_run(runs, name)
    try:
        recorded(folder)
    except (OSError, ValueError) as error:
        raise RunError(
            f"run.json and lineage.jsonl of {folder.name} are damaged ({error}), so its parameters are not known. "
            "Use `mlopskit run`: phases that ended well are reused from it all the same."
        ) from None
    if is_running(folder):
        raise RunError(f"{folder.name} is still running. Stop it first, or wait until it has ended.")
    return folder


def with_recorded(
    earlier: Mapping[str, Mapping[str, Any]],
    parameters: Mapping[str, Parameters],
    table: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    """Return the table of parameters with those values of an earlier run that are others today."""
    merged = {phase: dict(values) for phase, values in table.items()}
    for phase, current in parameters.items():
        now, before = current.recorded(), earlier.get(phase, {})
        known = {item.name: item for item in current.declared}
        other = {
            name: as_declared(known[name], before[name])
            for name in now
            if name in before and spelled(before[name]) != spelled(now[name])
        }
        if other:
            merged[phase] = {**merged.get(phase, {}), **other}
    return merged


def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the parameters that a run had: from its manifest, or where that is damaged from its lineage."""
    try:
        found: dict[str, dict[str, Any]] = manifest.load_whole(folder)["parameters"]
    except (OSError, ValueError):
        return lineage.parameters(folder)
    return found


def anew(folder: Path) -> frozenset[str]:
    """Return the phases for which no result from before a run counts, nor for what goes on with it."""
    try:
        found: list[str] = manifest.load_whole(folder)["anew"]
    except (OSError, ValueError):
        found = lineage.anew(folder)
    return frozenset(found)


def ended_well(folder: Path) -> bool:
    """Tell whether a phase ended well in its run; its trace alone says no more than that `run.finish()` was reached.

    The manifest knows; where that is damaged, the runner's seal on the executed notebook tells the same.
    """
    trace = read_trace(folder)
    if not any(record.op == "finish" for record in trace):
        return False
    try:
        return status(folder) in manifest.ENDED_WELL
    except (OSError, ValueError):
        return any(record.op == "notebook" for record in trace)


def status(folder: Path) -> str | None:
    """Return what the manifest of its run says of a phase, None where it does not name it.

    Raises
    ------
    OSError, ValueError
        When the manifest is damaged.
    """
    entries = manifest.load_whole(folder.parent)["phases"]
    return next((entry.get("status") for entry in entries if entry.get("name") == folder.name), None)


def check_base(base: Path, phases: Sequence[str]) -> None:
    """Refuse a base run in which one of the phases did not end well, or an artefact or a notebook is damaged.

    Raises
    ------
    RunError
        Names the phase, and the artefact.
    """
    for phase in phases:
        if not is_finished(base / phase):
            raise RunError.from_missing_phase(phase, base.name)
        if not ended_well(base / phase):
            raise RunError.from_failed_phase(phase, base.name)
        _require_whole(base / phase, base.name)


def damaged(folder: Path) -> str | None:
    """Name the first artefact or output of a phase, or its notebook, whose bytes are not those recorded, or None."""
    trace = read_trace(folder)
    for record in [*written(folder).values(), *(item for item in trace if item.op == "output")]:
        try:
            whole = artefacts.sha256(folder / record.name.partition("/")[2]) == record.sha256
        except OSError:
            whole = False
        if not whole:
            return f"its {'output' if record.op == 'output' else 'artefact'} {record.name} is damaged or gone"
    notebook, sealed = folder / "notebook.ipynb", [item for item in trace if item.op == "notebook"]
    try:
        load_notebook(notebook)
        is_changed = bool(sealed) and artefacts.sha256(notebook) != sealed[-1].sha256
    except (NotebookError, OSError):
        return "its notebook is damaged or gone"
    return "its notebook was changed after the run" if is_changed else None


def _require_whole(folder: Path, base: str, phase: str = "") -> None:
    phase = phase or folder.name
    damage = damaged(folder)
    if damage is not None:
        raise RunError(
            f"The results of {phase} in {base} cannot be taken: {damage}. "
            "Make a whole run with `mlopskit run`, which makes them again, or name another run with --base."
        )


def copy_phase(base: Path, folder: Path, phase: str) -> None:
    """Copy one phase with its notebook and trace; it appears whole or not at all, and is what the base wrote.

    Raises
    ------
    RunError
        When an artefact of the copy is not what its phase wrote, its notebook is none, or the base run was removed
        meanwhile.
    """
    with artefacts.replacing(folder / phase) as draft:
        try:
            shutil.copytree(base / phase, draft, copy_function=_copy)
        except OSError:
            if (base / phase).is_dir():
                raise
            raise RunError(f"{base.name} was removed while {phase} was copied from it") from None
        _require_whole(draft, base.name, phase)


@dataclass(frozen=True)
class Previous:
    """What a base run's manifest says of one phase."""

    key: str
    parameters: dict[str, Any]
    cells: int | None = None
    executed: int | None = None
    reused_from: str | None = None


def previous(base: Path, phase: str, *, otherwise: dict[str, Any]) -> Previous:
    """Return what a base run's manifest says of a phase; where it is damaged, `otherwise` are the parameters."""
    try:
        said = manifest.load_whole(base)
        entry = next(entry for entry in said["phases"] if entry["name"] == phase)
        parameters = dict(said["parameters"][phase])
        counted = entry.get("cells"), entry.get("executed")
        return Previous(str(entry["key"]), parameters, *counted, entry.get("reused_from"))
    except (OSError, ValueError, KeyError, StopIteration):
        return Previous("", otherwise)


def origin(base: Path, phase: str, before: Previous) -> str:
    """Return the run that executed what a base run has of a phase; the base itself where that run holds it no more.

    What was copied names the run that executed it, so that none of those between has to be kept for it.
    """
    if before.reused_from is None:
        return base.name
    trace = read_trace(base / phase)  # it has the hash of each artefact and of the notebook
    return before.reused_from if read_trace(base.parent / before.reused_from / phase) == trace else base.name


def outdated(base: Path, phase: str, current: Mapping[str, str]) -> str | None:
    """Return the first artefact that the phase read and that is another one now, or None.

    Parameters
    ----------
    base : Path
        Run folder that holds the phase.
    phase : str
        Its name.
    current : mapping
        ``phase/file`` → content digest of what this run has so far; volatile artefacts are not compared.
    """
    for record in read_trace(base / phase):
        compared = record.op == "read" and not record.volatile and not record.name.startswith(f"{phase}/")
        if compared and current.get(record.name) != record.digest:
            return record.name
    return None


def misfit(
    base: Path, phase: str, before: Previous, *, wanted: Parameters | None, current: Mapping[str, str]
) -> str | None:
    """Say why the base run's results of a phase do not belong into this run, or None.

    Parameters
    ----------
    base : Path
        Run folder that holds the phase.
    phase : str
        Its name.
    before : Previous
        What the base run's manifest says of it.
    wanted : Parameters, optional
        Parameters that its results must have been made with; None where any will do.
    current : mapping
        ``phase/file`` → content digest of what this run has so far.
    """
    if not (base / phase).is_dir() or not is_finished(base / phase):
        return f"{base.name} has no finished results of it"
    if not ended_well(base / phase):
        return f"it did not end well in {base.name}"
    stale = outdated(base, phase, current)
    if stale is not None:
        return f"its results in {base.name} were made from another {stale}"
    if wanted is not None and spelled(wanted.recorded()) != spelled(before.parameters):
        return f"its results in {base.name} were made with other parameters"
    return None


def _copy(source: str, target: str) -> str:
    """Copy a file, sharing blocks where the file system offers it."""
    try:
        import fcntl

        with open(source, "rb") as old, open(target, "wb") as new:  # noqa: PTH123  plain strings from copytree
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        shutil.copystat(source, target)
    except (ImportError, OSError):
        shutil.copy2(source, target)
    return target
