"""`mlopskit new`, `mlopskit lab` and `mlopskit check`: the project itself."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, project_folder
from mlopskit.errors import MlopskitError, UsageError


def new(
    name: Annotated[str | None, typer.Argument(help="Folder to make; its last part is the project's name.")] = None,
    example: Annotated[str | None, typer.Option(help="Start from bundled data: income, mortgage or digits.")] = None,
    data: Annotated[Path | None, typer.Option(help="Start from a file: Parquet, CSV, TSV or JSON lines.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="With --data: the column to predict.")] = None,
    here: Annotated[bool, typer.Option("--here", help="Use the working directory instead of making a folder.")] = False,
    notebooks_only: Annotated[
        bool, typer.Option(help="With --here: put missing notebooks back, nothing else.")
    ] = False,
) -> None:
    """Make a project: mlops.toml, the notebooks, and what git should ignore.

    Example: mlopskit new my-project --data incomes.csv --target income
    """
    from mlopskit.runner.scaffold import EXAMPLES, make_from_data, make_from_example

    _refuse_mixture(name, example, data, target, here=here, notebooks_only=notebooks_only)
    if notebooks_only:
        _restore()
        return
    folder = Path(name) if name is not None else Path()
    if data is None or target is None:
        make_from_example(folder, example or EXAMPLES[0], here=here)
    else:
        make_from_data(folder, data, describe=lambda draft, name: _inferred(draft, name, data, target), here=here)
        typer.echo(f"{data} was copied to {folder / 'data' / data.name}; the project reads that copy.")
    typer.echo(f"Made {folder}. Next: {'' if here else f'cd {folder} && '}mlopskit run   (or: mlopskit lab)")


def _refuse_mixture(
    name: str | None, example: str | None, data: Path | None, target: str | None, *, here: bool, notebooks_only: bool
) -> None:
    """Refuse options that contradict each other."""
    if (name is None) != here:
        raise UsageError(
            "Give the folder to make, as in `mlopskit new my-project`, or --here for the working directory."
        )
    if notebooks_only and not here:
        raise UsageError("--notebooks-only puts notebooks back into a project: use it together with --here, inside it.")
    if (data is None) != (target is None):
        raise UsageError("--data and --target belong together: give the file and the column to predict.")
    if data is not None and example is not None:
        raise UsageError("Give --example or --data, not both.")


def _restore() -> None:
    from mlopskit.runner.scaffold import restore_notebooks

    restored = restore_notebooks(project_folder(None))
    typer.echo(f"Put back: {', '.join(restored)}." if restored else "No notebook was missing; nothing was changed.")


def _inferred(draft: Path, name: str, data: Path, target: str) -> str:
    """Return a project file with everything that the data suggest; the path in it is the project's own."""
    from mlopskit.data import infer_scope

    with contextlib.chdir(draft):
        return infer_scope(Path("data") / data.name, target, project=name)


def lab(
    project: ProjectOption = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    options: Annotated[
        list[str] | None, typer.Argument(help="After --: JupyterLab's own, in a container -- --allow-root.")
    ] = None,
) -> None:
    """Open JupyterLab on the overview notebook.

    Example: mlopskit lab --no-browser --port 8890
    """
    from mlopskit.runner.phases import OVERVIEW

    folder = project_folder(project)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += [f"--port={port}"] if port else []
    command += [] if browser else ["--no-browser"]
    command += options or []
    command += [str(folder / OVERVIEW)] if (folder / OVERVIEW).is_file() else []
    os.environ["MLOPSKIT_PROJECT"] = str(folder)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)  # the project's own modules, as in a run
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606  JupyterLab takes this process over


def check(project: ProjectOption = None) -> int:
    """Tell what is wrong with project file, notebooks, data and environment, without running anything.

    Example: mlopskit check
    """
    from mlopskit.cli.checks import data_problems, scope_problems
    from mlopskit.runner.graph import graph, with_phase_parameters
    from mlopskit.runner.health import environment_findings, notebook_findings
    from mlopskit.scope import PROJECT_FILE, Scope, open_questions

    folder = project_folder(project)
    findings: list[tuple[str, str, str]] = []
    try:
        scope = Scope.load(folder / PROJECT_FILE)
        findings += [("issue", PROJECT_FILE, problem) for problem in scope_problems(scope, folder)]
        findings += [
            ("open", PROJECT_FILE, f"[{item.table}] {item.key}: {item.question}") for item in open_questions(scope)
        ]
        findings += notebook_findings(
            folder, with_phase_parameters(scope.phase, scope.parameters), phases=graph(scope.phase)
        )
        fatal, remarks = data_problems(folder, scope)
        findings += [("issue", "data", text) for text in fatal] + [("note", "data", text) for text in remarks]
    except MlopskitError as error:
        findings.append(("issue", PROJECT_FILE, str(error)))
    findings += environment_findings()
    return _tell(findings)


def _tell(findings: list[tuple[str, str, str]]) -> int:
    issues = sum(kind == "issue" for kind, _, _ in findings)
    marks = {"issue": "✗", "open": "?", "note": "·"}
    for kind, where, text in findings:
        lines = text.splitlines() or [""]
        typer.echo(f"{marks[kind]} {where}: {words.safe(lines[0])}")
        for line in lines[1:]:
            typer.echo(f"  {words.safe(line)}")
    questions = sum(kind == "open" for kind, _, _ in findings)
    typer.echo(f"{issues} issue{'s' if issues != 1 else ''}, {questions} open question{'s' if questions != 1 else ''}.")
    return 1 if issues else 0
