"""`mlopskit new`, `mlopskit lab` and `mlopskit check`: the project itself."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopskit.cli import words
from mlopskit.cli.hygiene import examine_files, tell
from mlopskit.cli.newphase import new_phase
from mlopskit.cli.options import ProjectOption, complete_phase, project_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption
from mlopskit.errors import MlopskitError, ProjectError, UsageError
from mlopskit.share import share

if TYPE_CHECKING:
    from mlopskit.runner.health import Finding


def new(
    name: Annotated[
        str | None, typer.Argument(help="Folder to make; its last part is the project's name. Or the word phase.")
    ] = None,
    phase: Annotated[
        str | None, typer.Argument(metavar="PHASE", help="After the word phase: the name of the phase to add.")
    ] = None,
    example: Annotated[str | None, typer.Option(help="Start from bundled data: income, mortgage or digits.")] = None,
    data: Annotated[Path | None, typer.Option(help="Start from a file: Parquet, CSV, TSV or JSON lines.")] = None,
    target: Annotated[str | None, typer.Option(metavar="COLUMN", help="With --data: the column to predict.")] = None,
    here: Annotated[bool, typer.Option("--here", help="Use the working directory instead of making a folder.")] = False,
    notebooks_only: Annotated[
        bool, typer.Option(help="With --here: put missing notebooks back, nothing else.")
    ] = False,
    after: Annotated[
        list[str] | None,
        typer.Option(metavar="PHASE", help="With phase: what it comes after and reads.", autocompletion=complete_phase),
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make a project (mlops.toml, the notebooks, what git should ignore), or add a phase of your own to one.

    Example: mlopskit new my-project --data incomes.csv --target income

    Example: mlopskit new phase fairness_review --after evaluate

    A project that is to be called phase: mlopskit new ./phase
    """
    from mlopskit.runner.scaffold import EXAMPLES, make_from_data, make_from_example

    output = Output(as_json, quiet)
    if name == "phase" or phase is not None or after or project is not None:
        others = example is not None or data is not None or target is not None or here or notebooks_only
        new_phase(name, phase, after=after or [], project=project, others=others, output=output)
        return
    _refuse_mixture(name, example, data, target, here=here, notebooks_only=notebooks_only)
    if notebooks_only:
        _restore(output)
        return
    folder = Path(name) if name is not None else Path()
    if data is None or target is None:
        make_from_example(folder, example or EXAMPLES[0], here=here)
    else:
        with output.step("new", f"Reading {data.name}", runs=folder / "runs"):
            make_from_data(folder, data, describe=lambda draft, name: _inferred(draft, name, data, target), here=here)
    _say_made(folder, data, output=output)


def _say_made(folder: Path, data: Path | None, *, output: Output) -> None:
    """Say where the project lies, what it reads, and what to do next."""
    copy = None if data is None else folder / "data" / data.name
    copied = [] if copy is None else [f"{data} was copied to {copy}; the project reads that copy."]
    is_here = folder.resolve() == Path.cwd()
    go, made = ("", "a project in this folder") if is_here else (f"cd {shlex.quote(str(folder))} && ", str(folder))
    made = f"Made {made}. Next: {go}mlopskit run   (or: mlopskit lab)"
    document = {"project": str(folder.resolve()), "data": None if copy is None else str(copy.resolve())}
    output.give(document, map(words.safe, [*copied, made]))


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


def _restore(output: Output) -> None:
    from mlopskit.runner.scaffold import restore_notebooks

    folder = project_folder(None)
    restored = restore_notebooks(folder)
    said = f"Put back: {', '.join(restored)}." if restored else "No notebook was missing; nothing was changed."
    output.give({"project": str(folder), "restored": restored}, [said])


def _inferred(draft: Path, name: str, data: Path, target: str) -> str:
    """Return a project file with everything that the data suggest; the path in it is the project's own."""
    from mlopskit.data import infer_scope

    with contextlib.chdir(draft):
        return infer_scope(Path("data") / data.name, target, project=name)


def lab(
    project: ProjectOption = None,
    example: Annotated[
        str | None,
        typer.Option(help="Make a project of bundled data first: income, mortgage or digits; opened when it is there."),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    quiet: QuietOption = False,
    options: Annotated[
        list[str] | None, typer.Argument(help="After --: JupyterLab's own, in a container -- --allow-root.")
    ] = None,
) -> None:
    """Open JupyterLab on the overview notebook, of a new project if you like: no other step is needed.

    Example: mlopskit lab --example income

    Example: mlopskit lab --no-browser --port 8890
    """
    from mlopskit.runner.phases import OVERVIEW

    folder = project_folder(project) if example is None else _example_folder(project, example, quiet=quiet)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}"]
    command += [f"--port={port}"] if port else []
    command += [] if browser else ["--no-browser"]
    command += ["--log-level=ERROR"] if quiet else []  # the address to open is told at every level
    command += options or []
    if (folder / OVERVIEW).is_file():  # for the browser that is opened, and for the address that is told without one
        command += [f"--LabApp.default_url=/lab/tree/{OVERVIEW}", str(folder / OVERVIEW)]
    os.environ["MLOPSKIT_PROJECT"] = str(folder)
    _put_first("PYTHONPATH", folder)  # the project's own modules, as in a run
    _put_first("JUPYTER_CONFIG_PATH", share("templates/jupyter"))  # asks the network for nothing, nor whether it may
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606  JupyterLab takes this process over


def _put_first(variable: str, path: Path) -> None:
    """Put a folder before those that an environment variable names."""
    os.environ[variable] = os.pathsep.join(filter(None, [str(path), os.environ.get(variable)]))


def _example_folder(given: Path | None, example: str, *, quiet: bool) -> Path:
    """Return the folder of an example's project, made unless it is there."""
    from mlopskit.runner.scaffold import EXAMPLES, make_from_example
    from mlopskit.scope import PROJECT_FILE

    folder = (given or Path(example)).resolve()
    if example in EXAMPLES and (folder / PROJECT_FILE).is_file():
        return folder
    try:
        make_from_example(folder, example)
    except ProjectError:
        raise ProjectError(
            f"{folder} is there and no project; nothing in it was changed. "
            f"Name another folder: mlopskit lab --example {example} --project my-project"
        ) from None
    Output(False, quiet).give({"project": str(folder)}, [words.safe(f"Made {folder}.")])
    return folder


def check(
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Look at these notebooks and project files only, as if they were to be committed."),
    ] = None,
    project: ProjectOption = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="First strip outputs and counts from notebooks; all else stays as it is.")
    ] = False,
    staged: Annotated[
        bool, typer.Option("--staged", help="Look at what is staged in git only: for a pre-commit hook.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Tell what is wrong with project file, notebooks, data and environment, without running anything.

    Also what should not get into git: outputs, secrets, absolute paths, cells that only work out of order.

    Example: mlopskit check --fix
    """
    output = Output(as_json, quiet)
    if files or staged:
        return examine_files(files or [], fix=fix, staged=staged, output=output)
    folder = project_folder(project)
    with output.step("check", "Looking at project file, notebooks and data", runs=folder / "runs"):
        findings, stripped = _findings(folder, fix=fix)
    return tell(findings, stripped=stripped, output=output)


def _findings(folder: Path, *, fix: bool) -> tuple[list[Finding], list[str]]:
    """Return what is wrong or worth knowing, and the notebooks that were stripped before."""
    from mlopskit.cli.checks import data_problems, scope_problems
    from mlopskit.runner.graph import graph, with_phase_parameters
    from mlopskit.runner.health import environment_findings, notebook_findings
    from mlopskit.runner.hygiene import notebook_names, project_hygiene, strip_notebooks
    from mlopskit.scope import PROJECT_FILE, Scope, open_questions

    findings: list[Finding] = []
    stripped: list[str] = []
    try:
        scope = Scope.load(folder / PROJECT_FILE)
        phases = graph(scope.phase)
        if fix:
            stripped = strip_notebooks(folder, notebook_names(folder, phases))
        findings += [("issue", PROJECT_FILE, problem) for problem in scope_problems(scope, folder)]
        findings += [
            ("open", PROJECT_FILE, f"[{item.table}] {item.key}: {item.question}") for item in open_questions(scope)
        ]
        findings += notebook_findings(folder, with_phase_parameters(scope.phase, scope.parameters), phases=phases)
        findings += project_hygiene(folder, phases)
        fatal, remarks = data_problems(folder, scope)
        findings += [("issue", "data", text) for text in fatal] + [("note", "data", text) for text in remarks]
    except MlopskitError as error:
        findings.append(("issue", PROJECT_FILE, str(error)))
    return findings + environment_findings(), stripped
