"""`mlopskit run`: from the command to a plan, and from the plan to a run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopskit.cli.options import (
    ProjectOption,
    RunsOption,
    complete_parameter,
    complete_phase,
    complete_run,
    project_folder,
)
from mlopskit.cli.output import Output, QuietOption
from mlopskit.errors import ParameterError, UsageError

if TYPE_CHECKING:
    from mlopskit.runner import Plan
    from mlopskit.runner.pipeline import Listener
    from mlopskit.runner.warm import ForkServer

Parameter = Annotated[
    list[str] | None,
    typer.Option(
        "-p", "--param", metavar="PHASE.NAME=VALUE", help="Set a parameter.", autocompletion=complete_parameter
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="PHASE", help="Execute this phase only (may be repeated).", autocompletion=complete_phase),
]
First = Annotated[
    str | None, typer.Option("--from", metavar="PHASE", help="First phase to execute.", autocompletion=complete_phase)
]
Last = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="PHASE",
        help="Last phase to execute; those up to it are executed, changed or not.",
        autocompletion=complete_phase,
    ),
]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="RUN", help="Run that the other phases are taken from; latest by default.", autocompletion=complete_run
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0.1, help="Stop a phase that takes longer.", show_default="no limit"),
]


def run(
    param: Parameter = None,
    only: Only = None,
    first: First = None,
    last: Last = None,
    base: Base = None,
    timeout: Timeout = None,
    project: ProjectOption = None,
    out: RunsOption = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="Go on with a run that failed or was stopped; latest: the one begun last.",
            autocompletion=complete_run,
        ),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="PHASE.NAME=A,B", help="One run for each value; several make every combination."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what would run and why; run nothing.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Execute every phase, whether or not something changed.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Phases side by side.", show_default="one a core, 4 at most"),
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Start every kernel anew instead of forking it.")] = False,
    quiet: QuietOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON, one a line.")] = False,
) -> int:
    """Run what changed, side by side where phases do not wait for each other, and render the report.

    Nothing starts until project file, notebooks, parameters and data have been checked; a project in which nothing
    changed is not run again. Exit codes: 0 passed, 1 a phase failed, the input was bad or the run was stopped (Ctrl-C),
    2 wrong usage, 3 a criterion was not met, 4 an alert.

    Example: mlopskit run -p model.seed=7 --from model
    """
    if resume and (only or first or last or fresh or grid):
        raise UsageError("--resume goes on with a whole run; leave out --only, --from, --to, --fresh and --grid.")
    from mlopskit.runner.descendants import gathered

    folder = project_folder(project)
    with ExitStack() as stack:
        stack.enter_context(gathered())
        server = None if cold or explain else stack.enter_context(_server(folder))
        # Imported here, while the server already imports for the kernels.
        from mlopskit.cli.progress import listener
        from mlopskit.runner import Choice, Plan, plan
        from mlopskit.runner.grid import points

        axes = points(grid or [])
        choice = Choice(_names(only), first, last, base, resume and to_resume(resume, out or folder / "runs"))
        plans, problems = list[Plan](), list[ParameterError]()
        for point in axes:
            with _noting(problems):
                plans.append(
                    plan(
                        folder,
                        arguments=[*(param or []), *point],
                        choice=choice,
                        runs=out,
                        limit=timeout,
                        reuse_unchanged=not fresh,
                        jobs=jobs or min(4, os.cpu_count() or 1),
                    )
                )
        if problems:
            told = dict.fromkeys(text for error in problems for text in error.problems or [str(error)])
            raise type(problems[0]).from_problems(told)
        if explain:
            return _explain(plans, axes if grid else (), as_json=as_json)
        return _execute(plans, listener(quiet=quiet, as_json=as_json), server, Output(as_json, quiet))


@contextmanager
def _noting(problems: list[ParameterError]) -> Iterator[None]:
    """Note what is wrong with the parameters of one point of a grid: those of the others are to be told with it."""
    try:
        yield
    except ParameterError as error:
        problems.append(error)


def _server(project: Path) -> AbstractContextManager[ForkServer | None]:
    """Start the server that kernels are forked from, if there can be one; it imports while the project is checked."""
    from mlopskit.runner import importing, warm

    return warm.ForkServer(importing.kernel_statements(), project) if warm.is_supported() else nullcontext()


def _execute(plans: Sequence[Plan], tell: Listener, server: ForkServer | None, output: Output) -> int:
    """Execute the plans that are more than repetitions, one after the other; return the worst exit code."""
    from mlopskit.cli.checks import refuse_bad_input
    from mlopskit.runner import cache, execute, importing

    codes: list[int] = []
    for planned in plans:
        with output.step("prepare", "Checking project file, notebooks, parameters and data", runs=planned.runs):
            folder = cache.standing(planned)
            if folder is None and server is not None:
                notebooks = [phase.path(planned.project) for phase in cache.likely(planned)]
                server.preload(importing.import_statements(notebooks, planned.project), hidden=planned.hidden)
            remarks = refuse_bad_input(planned) if folder is None else ()
        if folder is not None:
            codes.append(_stands(folder, tell))
            continue
        for remark in remarks:
            tell({"event": "note", "text": remark})
        outcome = execute(planned, listener=tell, server=server)
        codes.append(outcome.exit_code)
        if outcome.manifest.status == "interrupted":
            break
    return min(codes, key=[1, 3, 4, 0].index)


def _explain(plans: Sequence[Plan], named: Sequence[Sequence[str]], *, as_json: bool) -> int:
    from mlopskit.cli import words
    from mlopskit.runner.forecast import forecasts

    for number, told in enumerate(forecasts(plans), start=1):
        if named and not as_json:
            typer.echo(f"{number}  {words.safe(' '.join(named[number - 1]))}")
        if as_json:
            typer.echo(json.dumps([asdict(item) for item in told], ensure_ascii=False))
        else:
            typer.echo("\n".join(words.columns([[item.phase, item.verdict, words.safe(item.why)] for item in told])))
    return 0


def _stands(folder: Path, tell: Listener) -> int:
    """Say which run a new one would only repeat, and return its exit code."""
    from mlopskit.runner import manifest

    said = manifest.load(folder)
    report = folder / "report.html"
    there = str(report) if report.is_file() else None
    tell({"event": "stands", "run": said["run"], "status": said["status"], "report": there})
    return 3 if said["status"] == "criteria-not-met" else 4 if said.get("alerts") else 0


def to_resume(name: str, runs: Path) -> str:
    """Return the run to go on with: ``latest`` is the one begun last here, since the one of that name ended well."""
    from mlopskit.runner.catalogue import begun_last

    found = begun_last(runs) if name == "latest" else None
    return found.name if found else name


def _names(only: list[str] | None) -> list[str]:
    """Allow ``--only a,b`` beside ``--only a --only b``."""
    return [name.strip() for part in only or [] for name in part.split(",") if name.strip()]
