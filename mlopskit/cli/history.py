"""`mlopskit runs`, `mlopskit show` and `mlopskit report`: what ran before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunArgument, RunsOption, runs_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption
from mlopskit.cli.quantities import moment
from mlopskit.errors import RunError, UsageError, listing, nearest

if TYPE_CHECKING:
    from mlopskit.runner.catalogue import Summary

STATUSES = ("passed", "criteria-not-met", "failed", "interrupted", "running", "damaged")


def _statuses(incomplete: str) -> list[str]:
    return [name for name in STATUSES if name.startswith(incomplete)]


def runs(
    status: Annotated[
        list[str] | None, typer.Option(help="Only runs of this status; may be given again.", autocompletion=_statuses)
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only runs with this tag; given again, with all.")] = None,
    since: Annotated[str | None, typer.Option(help="Begun on this date (UTC) or later, or at most 7d ago.")] = None,
    until: Annotated[str | None, typer.Option(help="Begun on this date (UTC) or before, or at least 7d ago.")] = None,
    pinned: Annotated[bool, typer.Option("--pinned", help="Only pinned runs.")] = False,
    limit: Annotated[int | None, typer.Option(help="The newest so many.", min=1)] = None,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    context: typer.Context = None,  # type: ignore[assignment]  # typer gives it, and knows it by this type
) -> None:
    """List the runs, newest first: status, headline figure, criteria, alerts, tags. Or tag, pin and prune them.

    Example: mlopskit runs --status passed --since 2026-01-01 --limit 20
    """
    if context is not None and context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    from dataclasses import asdict

    from mlopskit.runner.catalogue import choose, list_runs

    wrong = [name for name in status or [] if name not in STATUSES]
    if wrong:
        raise UsageError(
            f"There is no status {wrong[0]!r}{nearest(wrong[0], STATUSES)}; there are {listing(STATUSES)}."
        )
    begun = moment(since) if since else None
    ended = moment(until, end=True) if until else None
    folder = runs_folder(project, out)
    every = list_runs(folder)
    found = choose(every, statuses=status or (), tags=tag or (), since=begun, until=ended, pinned=pinned, limit=limit)
    _warn_of_marks(folder, needed=pinned or bool(tag))
    nothing = "No run fits; `mlopskit runs` lists all." if every else "No runs yet; `mlopskit run` makes one."
    star = ["* latest: the newest run whose phases all ended well"] if any(item.latest for item in found) else []
    rows = words.columns([_row(item) for item in found], indent="")
    Output(as_json, quiet).give(
        [asdict(item) for item in found], [*(rows or [nothing]), *star], brief=[words.safe(item.name) for item in found]
    )


def _refuse_options_before(context: typer.Context) -> None:
    """Options that stand before tag, pin and prune would be without effect."""
    sources = map(context.get_parameter_source, context.params)
    if any(source is not None and source.name == "COMMANDLINE" for source in sources):
        raise UsageError(
            f"Options before {context.invoked_subcommand} are those of the list of runs. Put them behind it: "
            f"`mlopskit runs {context.invoked_subcommand} …`."
        )


def _row(item: Summary) -> list[str]:
    return [
        words.safe(item.name) + ("*" if item.latest else ""),
        words.status(item.status),
        words.seconds(item.seconds),
        words.safe(item.headline),
        f"{item.met}/{item.criteria} criteria" if item.criteria else "",
        f"{item.alerts} alert{'s' if item.alerts > 1 else ''}" if item.alerts else "",
        _marks(item),
    ]


def _marks(item: Summary) -> str:
    return " ".join([*(["pinned"] if item.pinned else []), *(words.safe(f"#{name}") for name in item.tags)])


def _warn_of_marks(folder: Path, *, needed: bool) -> None:
    """Say that the marks are damaged; an error when the list depends on them."""
    from mlopskit.runner import marks

    try:
        marks.read(folder)
    except RunError as error:
        if needed:
            raise
        typer.echo(f"mlopskit: {error}", err=True)


def show(
    run: RunArgument = "latest",
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show one run: phases, criteria, alerts, parameters that differ from the notebooks' own.

    Example: mlopskit show latest
    """
    from mlopskit.runner import manifest
    from mlopskit.runner.catalogue import find_run, summarise

    folder = find_run(runs_folder(project, out), run)
    try:
        said = manifest.load_whole(folder)
    except (OSError, ValueError) as error:
        raise RunError(
            f"run.json of {folder.name} is damaged ({error}). The artefacts beside it can still be read."
        ) from None
    output = Output(as_json, quiet)
    if as_json:
        output.give(said, [])
        return
    _warn_of_marks(folder.parent, needed=False)
    item = summarise(folder)
    name = [words.safe(said["run"]), words.status(item.status)]
    output.give(said, _lines(folder, said, item, name), brief=["  ".join(name)])


def _lines(folder: Path, said: dict[str, Any], item: Summary, name: Sequence[str]) -> Iterator[str]:
    from mlopskit.runner.catalogue import headline_text

    yield "  ".join([*name, words.seconds(item.seconds), _marks(item)]).rstrip()
    if said.get("headline"):
        yield f"  {words.safe(headline_text(said['headline']))}"
    for title, lines in _sections(_as_it_goes(said) if item.status == "running" else said):
        if lines:
            yield from ["", title, *lines]
    report = folder / "report.html"
    yield from ["", words.safe(report) if report.is_file() else "no report; `mlopskit report` renders one"]


def _as_it_goes(said: dict[str, Any]) -> dict[str, Any]:
    """Return what a manifest says while its runner lives: the phase that would count as killed is at work."""
    from mlopskit.runner.manifest import RUNNER_DIED

    entries = [
        {**item, "status": "running", "error": None, "reason": "at work"} if item["error"] == RUNNER_DIED else item
        for item in said["phases"]
    ]
    return {**said, "phases": entries}


def _artefacts(n: int) -> str:
    return f"{n} artefact{'' if n == 1 else 's'}"


def _sections(said: dict[str, Any]) -> list[tuple[str, list[str]]]:
    phases = [
        [
            words.safe(item["name"]),
            words.status(item["status"]),
            words.seconds(item["seconds"]),
            words.error_line(item["error"]) or words.safe(item.get("reason") or _artefacts(len(item["writes"]))),
        ]
        for item in said["phases"]
    ]
    return [
        ("Phases", words.columns(phases)),
        ("Acceptance criteria", words.criteria_lines(said["criteria"])),
        ("Alerts", words.alert_lines(said.get("alerts", []))),
    ]


def report(
    run: RunArgument = "latest",
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Render the report of a run again and print where it lies.

    Example: mlopskit report latest
    """
    from mlopskit.runner.catalogue import find_run
    from mlopskit.runner.report import render

    folder = find_run(runs_folder(project, out), run)
    output = Output(as_json, quiet)
    with output.step("report", f"Rendering the report of {folder.name}", runs=folder.parent):
        made = render(folder)
    output.give({"run": folder.name, "report": str(made)}, [words.safe(made)])
