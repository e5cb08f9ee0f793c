"""`mlopskit new phase`: a phase of one's own, added to a project."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlopskit.cli.options import project_folder
from mlopskit.cli.output import Output
from mlopskit.errors import UsageError


def new_phase(
    word: str | None, name: str | None, *, after: Sequence[str], project: Path | None, others: bool, output: Output
) -> None:
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
    folder = project_folder(project)
    made = lay_down_phase(folder, name, after=after)
    notebook, test = made.notebook.as_posix(), made.test.as_posix()
    document = {"project": str(folder), "phase": name, "after": list(made.after), "reads": made.reads}
    output.give(
        {**document, "notebook": notebook, "test": test},
        [
            f"Made {notebook}, which reads {made.reads}, and {test};",
            f"added {name} to mlops.toml, after {', '.join(made.after)}.",
            f"Next: mlopskit run   (then it alone: mlopskit run --only {name}; its test: pytest {test})",
        ],
    )
