"""`mlopskit run` and `mlopskit params`."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
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

if TYPE_CHECKING:
    from mlopskit.runner import Plan
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
    str | None, typer.Option("--to", metavar="PHASE", help="Last phase to execute.", autocompletion=complete_phase)
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
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Execute every phase, whether or not something changed.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Phases side by side.", show_default="one a core, 4 at most"),
    ] = None,
    cold: Annotated[bool, typer.Option("--cold", help="Start every kernel anew instead of forking it.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print failures and the outcome only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print events as JSON, one a line.")] = False,
) -> int:
    """Run the phases in sequence and render the report.

    Nothing starts until project file, notebooks, parameters and data have been checked. Exit codes: 0 passed, 1 a
    phase failed, the input was bad or the run was stopped (Ctrl-C), 2 wrong usage, 3 a criterion was not met, 4 an
    alert.

    Example: mlopskit run -p model.seed=7 --from model
    """
    from mlopskit.cli.checks import refuse_bad_input
    from mlopskit.cli.progress import listener
    from mlopskit.runner import Choice, execute, plan, warm

    folder = project_folder(project)
    choice = Choice(_names(only), first, last, base)
    lanes = jobs or min(4, os.cpu_count() or 1)
    planned = plan(
        folder, arguments=param or [], choice=choice, runs=out, limit=timeout, reuse_unchanged=not fresh, jobs=lanes
    )
    if (code := _stands(planned, quiet=quiet, as_json=as_json)) is not None:
        return code
    tell = listener(quiet=quiet, as_json=as_json)
    with nullcontext() if cold or not warm.is_supported() else _server(planned) as server:
        for remark in refuse_bad_input(planned):
            tell({"event": "note", "text": remark})
        return execute(planned, listener=tell, server=server).exit_code


def _stands(planned: Plan, *, quiet: bool, as_json: bool) -> int | None:
    """Say which run a new one would only repeat, and return its exit code; None when there is something to do."""
    from mlopskit.runner import cache, manifest

    folder = cache.standing(planned)
    if folder is None:
        return None
    said = manifest.load(folder)
    if as_json:
        typer.echo(json.dumps({"event": "stands", "run": said["run"], "status": said["status"]}))
    elif not quiet:
        typer.echo(f"Nothing changed since {said['run']}, which stands: {said['status']}. --fresh runs it again.")
        typer.echo(str(folder / "report.html"))
    return 3 if said["status"] == "criteria-not-met" else 4 if said.get("alerts") else 0


def _server(planned: Plan) -> ForkServer:
    """Start the server that kernels are forked from; it imports while the checks read data."""
    from mlopskit.runner import warm

    notebooks = [phase.path(planned.project) for phase in planned.phases if phase.name in planned.chosen]
    return warm.ForkServer(warm.import_statements(notebooks, planned.project))


def _names(only: list[str] | None) -> list[str]:
    """Allow ``--only a,b`` beside ``--only a --only b``."""
    return [name.strip() for part in only or [] for name in part.split(",") if name.strip()]


def params(
    phase: Annotated[
        str | None, typer.Argument(help="One phase; all by default.", autocompletion=complete_phase)
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Print the parameters of the notebooks: name, type, value, allowed values, help.

    Example: mlopskit params model
    """
    from mlopskit.cli import words
    from mlopskit.runner.overrides import combine, declarations
    from mlopskit.runner.phases import PHASES, select
    from mlopskit.scope import PROJECT_FILE, Scope

    folder = project_folder(project)
    present = [item for item in PHASES if item.path(folder).is_file()]
    table = Scope.load(folder / PROJECT_FILE).parameters
    resolved = combine(declarations(folder, present), table=table)
    for item in select(present, only=[phase] if phase else []):
        typer.echo(f"{item.name}  ({item.notebook})")
        rows = [
            [
                parameter.name,
                parameter.type + (" | None" if parameter.optional else ""),
                repr(resolved[item.name].values[parameter.name])
                + (" (mlops.toml)" if parameter.name in resolved[item.name].given else ""),
                parameter.limits,
                parameter.help,
            ]
            for parameter in resolved[item.name].declared
        ]
        typer.echo(
            "\n".join(words.columns([[words.safe(cell) for cell in row] for row in rows]) or ["  no parameters"])
        )
