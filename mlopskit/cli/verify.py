"""`mlopskit verify`: a run executed again and compared with itself."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunArgument, RunsOption, project_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from mlopskit.runner.causes import Cause
    from mlopskit.runner.verification import Difference, Verification

SHOWN = 30
"""Lines of one section on the terminal; the JSON has them all."""


def verify(
    run: RunArgument = "latest",
    env: Annotated[
        bool, typer.Option("--env", help="Execute it in a fresh environment with the recorded versions.")
    ] = False,
    rtol: Annotated[float, typer.Option(min=0, help="Relative tolerance for numbers.")] = 1e-9,
    atol: Annotated[float, typer.Option(min=0, help="Absolute tolerance for numbers.")] = 1e-12,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Phases side by side.")] = 1,
    cold: Annotated[bool, typer.Option("--cold", help="Start every kernel anew instead of forking it.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the second run, in a hidden folder.")] = False,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> int:
    """Execute a run again from its manifest and compare artefact by artefact and cell by cell.

    The parameters are those of the run; notebooks, project file and data those of the project as it stands. Each
    difference is named with its cause: upstream, data, project, code, parameters, seed, environment, nondeterminism.

    With --env, what the run needs of all that its run.json lists is installed in exactly these versions (by uv, else
    pip) in an environment of its own; a distribution that came from a folder is taken from there as it stands.

    Exit codes: 0 equal within the tolerance; 1 it cannot be verified; 2 wrong usage; 3 not reproduced.

    Example: mlopskit verify latest
    """
    from mlopskit.cli.progress import listener
    from mlopskit.runner import verification
    from mlopskit.runner.catalogue import find_run
    from mlopskit.runner.descendants import gathered
    from mlopskit.runner.likeness import Tolerance
    from mlopskit.runs.durations import earlier_seconds

    home = project_folder(project)
    folder = find_run((out or home / "runs").resolve(), run)
    tell = listener(quiet=quiet, as_json=False)
    output = Output(as_json, quiet)
    doing = f"Executing {folder.name} again"
    usual = earlier_seconds(folder.parent)  # the second run lies elsewhere, where nothing ran before

    def told(event: Mapping[str, Any]) -> None:
        if event["event"] != "finished":
            tell({**event, "usual": usual.get(event.get("phase", ""))})

    step = output.step("verify", doing, runs=folder.parent, usual=sum(usual.values()))
    with gathered(), step if as_json else nullcontext():
        found = verification.verify(
            home,
            folder,
            tolerance=Tolerance(rtol, atol),
            env=env,
            keep=keep,
            listener=_silent if as_json else told,
            jobs=jobs,
            cold=cold,
        )
    output.give(found.as_dict(), lines(found), brief=[*_failed(found), outcome(found)])
    return found.exit_code


def _silent(event: Mapping[str, Any]) -> None:
    """Take an event of the run and say nothing: the result says it all."""


def _failed(found: Verification) -> list[str]:
    return _few([line for item in found.differences for line in _difference(item)], 2 * SHOWN)


def lines(found: Verification) -> list[str]:
    """Write a verification for the terminal."""
    said: list[str] = []
    for title, body in (
        ("Fresh environment", [f"  {words.safe(text)}" for text in found.environment]),
        ("Not compared", [f"  {words.safe(text)}" for text in found.passed_over]),
        ("Not as in the run", _few(words.columns([_change(item) for item in found.changes]))),
        ("Different", _failed(found)),
        ("Equal within the tolerance only", _few([f"  {words.safe(name)}" for name in found.within])),
        ("Left out, since it measures time", _few([f"  {words.safe(name)}" for name in found.left_out])),
    ):
        if body:
            said += [title, *body, ""]
    if found.again is not None:
        said += [f"Kept in {words.safe(found.again)}", ""]
    return [*said, outcome(found)]


def outcome(found: Verification) -> str:
    """Write the result in one sentence."""
    compared = f"{found.artefacts} artefacts and {found.cells} cells of {len(found.phases)} phases"
    if not found.differences:
        exact = "equal" if not found.within else "equal within the tolerance"
        return f"{words.status('passed').split()[0]} {found.run} reproduced: {compared} are {exact}."
    kinds = dict.fromkeys(cause.kind for item in found.differences for cause in item.causes)
    return (
        f"{words.status('failed').split()[0]} {found.run} not reproduced: {len(found.differences)} differences in "
        f"{compared}; causes: {', '.join(kinds)}."
    )


def _few(rows: list[str], limit: int = SHOWN) -> list[str]:
    rest = len(rows) - limit
    return [*rows[:limit], *([f"  … {rest} more lines; --json has all"] if rest > 0 else [])]


def _change(item: Cause) -> list[str]:
    return [words.safe(item.phase or "all phases"), item.kind, words.safe(item.text)]


def _difference(item: Difference) -> list[str]:
    causes = [f"      {cause.kind}: {words.safe(cause.text)}" for cause in item.causes]
    return [f"  {words.safe(item.name)}: {words.safe(item.text)}", *causes]
