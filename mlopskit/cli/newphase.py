"""`mlopskit new phase`: a phase of one's own, added to a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from mlopskit.cli.options import project_folder
from mlopskit.errors import UsageError


def new_phase(word: str | None, name: str | None, *, after: Sequence[str], project: Path | None, others: bool) -> None:
    """Lay down a phase and say what was made and how to go on.

    Raises
    ------
    UsageError
        When what was typed fits neither a phase nor a project.
    """
    from mlopskit.runner.newphase import lay_down_phase

    if word != "phase":
        extra = f"unexpected {name!r}" if name is not None else "--after and --project add a phase to a project"
        raise UsageError(f"{extra}. To add a phase: mlopskit new phase fairness_review --after evaluate.")
    if name is None:
        raise UsageError(
            "Name the phase, as in `mlopskit new phase fairness_review --after evaluate`. "
            "A project that is to be called phase: mlopskit new ./phase."
        )
    if others:
        raise UsageError("A phase is added to a project as it stands: of the options, only --after and --project fit.")
    made = lay_down_phase(project_folder(project), name, after=after)
    typer.echo(f"Made {made.notebook.as_posix()}, which reads {made.reads}, and {made.test.as_posix()};")
    typer.echo(f"added {name} to mlops.toml, after {', '.join(made.after)}.")
    typer.echo(
        f"Next: mlopskit run   (then it alone: mlopskit run --only {name}; its test: pytest {made.test.as_posix()})"
    )
