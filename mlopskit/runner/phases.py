"""Phases: the notebooks of a project in the order in which they run, and which of them a run takes.

The runner knows a phase by its name and its notebook, nothing more; what passes between phases are the artefacts in
the run folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlopskit.errors import NotebookError, UsageError, listing, nearest


@dataclass(frozen=True)
class Phase:
    """One step of a run.

    Attributes
    ----------
    name : str
        Its folder in the run folder, and its table under ``[parameters]``.
    notebook : str
        Path relative to the project folder.
    """

    name: str
    notebook: str

    def path(self, project: Path) -> Path:
        """Return the notebook file in a project."""
        return project / self.notebook


PHASES = tuple(
    Phase(name, f"notebooks/{number}_{name}.ipynb")
    for number, name in enumerate(
        ("scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor"), start=1
    )
)  # fmt: skip
"""The seven phases of the lifecycle."""

OVERVIEW = "notebooks/0_overview.ipynb"
"""Where a person starts in JupyterLab; it is no phase."""


def select(
    phases: Sequence[Phase], *, only: Sequence[str] = (), first: str | None = None, last: str | None = None
) -> list[Phase]:
    """Return the phases to execute, in order.

    Parameters
    ----------
    phases : sequence of Phase
        All of them.
    only : sequence of str
        Names; everything else is left out.
    first, last : str, optional
        The range to keep, both ends included.

    Raises
    ------
    UsageError
        For an unknown name, for `only` together with a range, and for a range that holds nothing.

    Examples
    --------
    >>> [phase.name for phase in select(PHASES, first="deploy")]
    ['deploy', 'monitor']
    """
    names = [phase.name for phase in phases]
    for name in [*only, *filter(None, (first, last))]:
        if name not in names:
            raise UsageError(f"There is no phase {name!r}{nearest(name, names)}; there are {listing(names, limit=30)}.")
    if only and (first or last):
        raise UsageError("--only cannot be combined with --from or --to; give the phases by name or as a range.")
    start = names.index(first) if first else 0
    stop = names.index(last) + 1 if last else len(names)
    chosen = [phase for phase in phases[start:stop] if not only or phase.name in only]
    if not chosen:
        raise UsageError(f"No phase lies from {first} to {last}; their order is {listing(names, limit=30)}.")
    return chosen


def require_notebooks(project: Path, phases: Sequence[Phase]) -> None:
    """Refuse a project that lacks a notebook.

    Raises
    ------
    NotebookError
        Names the first one missing and what is there.
    """
    for phase in phases:
        path = phase.path(project)
        if not path.is_file():
            raise NotebookError.from_missing(path, sorted(item.name for item in path.parent.glob("*.ipynb")))
