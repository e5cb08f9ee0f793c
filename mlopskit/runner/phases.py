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
    after : tuple of str or None
        The phases that must have ended well before this one starts; None means all that stand before it.
    """

    name: str
    notebook: str
    after: tuple[str, ...] | None = None

    def path(self, project: Path) -> Path:
        """Return the notebook file in a project."""
        return project / self.notebook


_AFTER = {
    "scope": (), "data": ("scope",), "model": ("data",), "evaluate": ("model",), "slices_and_bias": ("model",),
    "deploy": ("evaluate", "slices_and_bias"), "monitor": ("deploy",),
}  # fmt: skip

PHASES = tuple(
    Phase(name, f"notebooks/{number}_{name}.ipynb", after) for number, (name, after) in enumerate(_AFTER.items(), 1)
)
"""The seven phases of the lifecycle."""

OVERVIEW = "notebooks/0_overview.ipynb"
"""Where a person starts in JupyterLab; it is no phase."""


def parents(phases: Sequence[Phase], name: str) -> tuple[str, ...]:
    """Return the phases that must have ended before this one may start.

    Examples
    --------
    >>> parents(PHASES, "deploy")
    ('evaluate', 'slices_and_bias')
    """
    names = [phase.name for phase in phases]
    after = phases[names.index(name)].after
    return tuple(names[: names.index(name)]) if after is None else after


def ancestors(phases: Sequence[Phase], name: str) -> frozenset[str]:
    """Return every phase that this one comes after, near or far."""
    found: set[str] = set()
    ahead = list(parents(phases, name))
    while ahead:
        parent = ahead.pop()
        if parent not in found:
            found.add(parent)
            ahead += parents(phases, parent)
    return frozenset(found)


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
        Names all that are missing and what is there.
    """
    missing = [path for phase in phases if not (path := phase.path(project)).is_file()]
    if missing:
        there = {item.name for path in missing for item in path.parent.glob("*.ipynb")}
        raise NotebookError.from_missing(list(dict.fromkeys(missing)), sorted(there))
