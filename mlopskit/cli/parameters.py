"""`mlopskit params`: what each notebook can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, complete_phase, project_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from mlopskit.params import Parameter
    from mlopskit.runner.overrides import Parameters
    from mlopskit.runner.phases import Phase


def params(
    phase: Annotated[
        str | None, typer.Argument(help="One phase; all by default.", autocompletion=complete_phase)
    ] = None,
    project: ProjectOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print the parameters of the notebooks: name, type, value, allowed values, help.

    With --quiet only the names, as `mlopskit run -p` takes them.

    Example: mlopskit params model
    """
    from mlopskit.runner.graph import graph, with_phase_parameters
    from mlopskit.runner.overrides import combine, declarations
    from mlopskit.runner.phases import select
    from mlopskit.scope import PROJECT_FILE, Scope

    folder = project_folder(project)
    scope = Scope.load(folder / PROJECT_FILE)
    present = [item for item in graph(scope.phase) if item.path(folder).is_file()]
    resolved = combine(declarations(folder, present), table=with_phase_parameters(scope.phase, scope.parameters))
    found = {item: resolved[item.name] for item in select(present, only=[phase] if phase else [])}
    Output(as_json, quiet).give(
        {item.name: _plain(item, known) for item, known in found.items()},
        [line for item, known in found.items() for line in _lines(item, known)],
        brief=[f"{item.name}.{parameter.name}" for item, known in found.items() for parameter in known.declared],
    )


def _lines(phase: Phase, known: Parameters) -> list[str]:
    rows = [[words.safe(cell) for cell in _row(parameter, known)] for parameter in known.declared]
    return [f"{phase.name}  ({words.safe(phase.notebook)})", *(words.columns(rows) or ["  no parameters"])]


def _row(parameter: Parameter, known: Parameters) -> list[str]:
    origin = " (mlops.toml)" if parameter.name in known.given else ""
    kind = parameter.type + (" | None" if parameter.optional else "")
    return [parameter.name, kind, f"{known.values[parameter.name]!r}{origin}", parameter.limits, parameter.help]


def _plain(phase: Phase, known: Parameters) -> dict[str, Any]:
    return {"notebook": phase.notebook, "parameters": [_described(item, known) for item in known.declared]}


def _described(parameter: Parameter, known: Parameters) -> dict[str, Any]:
    from dataclasses import asdict

    from mlopskit.params import portable

    said = {name: value for name, value in asdict(parameter).items() if name != "line"}
    said |= {"choices": list(parameter.choices), "value": known.values[parameter.name]}
    # As in the manifest: NaN is a value here, and null is none.
    return {**portable(said), "from_project_file": parameter.name in known.given}
