"""Where a notebook works: the project it belongs to and the run folder it writes to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mlopskit import artefacts
from mlopskit.errors import ProjectError
from mlopskit.runs.run import SCRATCH, Run
from mlopskit.scope import PROJECT_FILE


def find_project(start: Path | None = None) -> Path:
    """Return the folder that holds ``mlops.toml``.

    Looked for at ``MLOPSKIT_PROJECT``, then from the notebook of the Jupyter session upwards, then from the working
    directory (or `start`) upwards.

    Raises
    ------
    ProjectError
        When none holds one; names the places.
    """
    named = os.environ.get("MLOPSKIT_PROJECT")
    tried: list[str] = []
    if named and start is None:
        folder = Path(named)
        folder = folder.parent if folder.name == PROJECT_FILE else folder
        if (folder / PROJECT_FILE).is_file():
            return folder.resolve()
        tried.append(f"MLOPSKIT_PROJECT ({named})")
    session = os.environ.get("JPY_SESSION_NAME")
    places = [Path(session).parent] if session and start is None and Path(session).is_absolute() else []
    for place in [*places, start or Path.cwd()]:
        for folder in (place.resolve(), *place.resolve().parents):
            if (folder / PROJECT_FILE).is_file():
                return folder
        tried.append(f"{place} and the folders above it")
    raise ProjectError.from_missing(tried)


def latest_run(runs: Path) -> Path | None:
    """Return the newest run whose phases all ended well, as ``runs/latest`` names it."""
    pointer = runs / "latest"
    if not pointer.is_file():
        return None
    folder = runs / pointer.read_text(encoding="utf-8", errors="replace").strip()
    return folder if (folder / "run.json").is_file() else None


def open_run(phase: str) -> Run:
    """Open the run that a notebook works in; the first line of every phase.

    In a batch run the runner names the folder (``MLOPSKIT_RUN``) and the phase (``MLOPSKIT_PHASE``). By hand, or under
    plain papermill, it is ``runs/scratch`` of the project; the phase starts afresh there, and earlier phases are read
    from scratch or else from the one finished run that scratch is pinned to.

    Raises
    ------
    ProjectError
        When no project is found.
    """
    phase = os.environ.get("MLOPSKIT_PHASE", phase)
    project = find_project()
    named = os.environ.get("MLOPSKIT_RUN")
    if named:
        return Run(project, Path(named), phase)
    return _open_scratch(project, phase)


def _open_scratch(project: Path, phase: str) -> Run:
    runs = project / "runs"
    folder = runs / SCRATCH
    pin = folder / "base"
    if not pin.exists():
        base = latest_run(runs)
        artefacts.write_text(pin, f"{base.name if base else ''}\n")
    name = pin.read_text(encoding="utf-8").strip()
    base_folder = runs / name if name and (runs / name / "run.json").exists() else None
    if (folder / phase).exists():
        shutil.rmtree(folder / phase)
    return Run(project, folder, phase, base=base_folder)
