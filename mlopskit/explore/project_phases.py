"""The phases of a project and their notebooks, for menus: which of them run, and in what order, is the runner's affair.

Nothing here imports the runner: a menu needs names, and the notebook whose parameters cell makes a form.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlopskit.explore.overview import PHASES
from mlopskit.scope.tables import PhaseTable


def project_phases(project: Path, tables: Sequence[PhaseTable]) -> dict[str, Path]:
    """Return the phases with their notebooks: the seven, changed by the ``[[phase]]`` tables; new ones at the end.

    Parameters
    ----------
    project : Path
        The project folder.
    tables : sequence of PhaseTable
        As in `mlopskit.Scope.phase`.

    Examples
    --------
    >>> review = PhaseTable(name="review", notebook="notebooks/review.ipynb")
    >>> list(project_phases(Path("p"), [review, PhaseTable(name="monitor", drop=True)]))[-2:]
    ['deploy', 'review']
    """
    found = {name: project / "notebooks" / f"{number}_{name}.ipynb" for number, (name, _) in enumerate(PHASES, start=1)}
    for table in tables:
        if table.drop:
            found.pop(table.name, None)
        elif table.notebook is not None:
            found[table.name] = project / table.notebook
    return found
