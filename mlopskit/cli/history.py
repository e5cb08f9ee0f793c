"""`mlopskit runs`, `mlopskit show` and `mlopskit report`: what ran before."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunArgument, RunsOption, runs_folder
from mlopskit.errors import RunError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def runs(project: ProjectOption = None, out: RunsOption = None, as_json: AsJson = False) -> None:
    """List the runs, newest first: status, headline figure, criteria, alerts.

    Example: mlopskit runs
    """
    from dataclasses import asdict

    from mlopskit.runner.catalogue import list_runs

    found = list_runs(runs_folder(project, out))
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in found], indent=2, ensure_ascii=False))
        return
    rows = [
        [
            item.name + ("*" if item.latest else ""),
            words.status(item.status),
            words.seconds(item.seconds),
            words.safe(item.headline),
            f"{item.met}/{item.criteria} criteria" if item.criteria else "",
            f"{item.alerts} alerts" if item.alerts else "",
        ]
        for item in found
    ]
    typer.echo("\n".join(words.columns(rows, indent="")) or "No runs yet; `mlopskit run` makes one.")
    if any(item.latest for item in found):
        typer.echo("* latest: the newest run whose phases all ended well")


def show(
    run: RunArgument = "latest", project: ProjectOption = None, out: RunsOption = None, as_json: AsJson = False
) -> None:
    """Show one run: phases, criteria, alerts, parameters that differ from the notebooks' own.

    Example: mlopskit show latest
    """
    from mlopskit.runner import manifest
    from mlopskit.runner.catalogue import find_run, headline_text

    folder = find_run(runs_folder(project, out), run)
    try:
        said = manifest.load(folder)
    except (OSError, ValueError) as error:
        raise RunError(
            f"run.json of {folder.name} is damaged ({error}). The artefacts beside it can still be read."
        ) from None
    if as_json:
        typer.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    typer.echo(f"{said['run']}  {words.status(said['status'])}  {words.seconds(said['seconds'])}")
    if said.get("headline"):
        typer.echo(f"  {words.safe(headline_text(said['headline']))}")
    for title, lines in _sections(said):
        if lines:
            typer.echo("\n".join([f"\n{title}", *lines]))
    report = folder / "report.html"
    typer.echo(f"\n{report if report.is_file() else 'no report; `mlopskit report` renders one'}")


def _sections(said: dict[str, Any]) -> list[tuple[str, list[str]]]:
    phases = [
        [
            words.safe(item["name"]),
            words.status(item["status"]),
            words.seconds(item["seconds"]),
            words.error_line(item["error"]) or words.safe(item.get("reason") or f"{len(item['writes'])} artefacts"),
        ]
        for item in said["phases"]
    ]
    return [
        ("Phases", words.columns(phases)),
        ("Acceptance criteria", words.criteria_lines(said["criteria"])),
        ("Alerts", words.alert_lines(said.get("alerts", []))),
    ]


def report(run: RunArgument = "latest", project: ProjectOption = None, out: RunsOption = None) -> None:
    """Render the report of a run again and print where it lies.

    Example: mlopskit report latest
    """
    from mlopskit.runner.catalogue import find_run
    from mlopskit.runner.report import render

    typer.echo(str(render(find_run(runs_folder(project, out), run))))
