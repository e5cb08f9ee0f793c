"""Options that several commands share, and what completes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopskit.errors import MlopskitError, ProjectError

if TYPE_CHECKING:
    from mlopskit.runner.phases import Phase


def complete_phase(incomplete: str) -> list[str]:
    """Complete a phase name."""
    return [phase.name for phase in _phases() if phase.name.startswith(incomplete)]


def _phases() -> Sequence[Phase]:
    """Return the phases of the project around here; the seven where there is none or its file is broken."""
    from mlopskit.runner.graph import graph
    from mlopskit.runner.phases import PHASES
    from mlopskit.runs import find_project
    from mlopskit.scope import PROJECT_FILE, Scope

    try:
        return graph(Scope.load(find_project() / PROJECT_FILE).phase)
    except MlopskitError:
        return PHASES


def complete_run(incomplete: str) -> list[str]:
    """Complete the name of a run of the project around here."""
    from mlopskit.runs import find_project

    try:
        runs = find_project() / "runs"
    except MlopskitError:
        return []
    names = sorted((path.parent.name for path in runs.glob("*/run.json")), reverse=True)
    return [name for name in ["latest", *names] if name.startswith(incomplete)]


def complete_parameter(incomplete: str) -> list[str]:
    """Complete ``phase.name=`` from the notebooks of the project around here."""
    from mlopskit.runner.overrides import declarations
    from mlopskit.runs import find_project

    try:
        project = find_project()
        declared = declarations(project, [phase for phase in _phases() if phase.path(project).is_file()])
    except MlopskitError:
        return []
    names = [f"{phase}.{item.name}=" for phase, items in declared.items() for item in items]
    return [name for name in names if name.startswith(incomplete)]


ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project", help="Project folder; found from the working directory upwards by default.", show_default=False
    ),
]
RunsOption = Annotated[
    Path | None, typer.Option("--out", help="Folder that holds the run folders; runs/ in the project by default.")
]
RunArgument = Annotated[
    str,
    typer.Argument(help="Name of a run, a part that fits one only, a path, or latest.", autocompletion=complete_run),
]


def project_folder(given: Path | None) -> Path:
    """Return the project folder that was named, else the one around the working directory.

    Raises
    ------
    ProjectError
        When there is none.
    """
    from mlopskit.runs import find_project
    from mlopskit.scope import PROJECT_FILE

    if given is None:
        return find_project()
    folder = given.parent if given.name == PROJECT_FILE else given
    if not (folder / PROJECT_FILE).is_file():
        raise ProjectError.from_missing([str(folder)])
    return folder.resolve()


def runs_folder(project: Path | None, out: Path | None) -> Path:
    """Return the folder with the runs; a project is needed only when `out` is not given."""
    return out.resolve() if out is not None else project_folder(project) / "runs"
