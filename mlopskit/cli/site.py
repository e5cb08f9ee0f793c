"""`mlopskit site`: a static folder of all runs for any web host or shared drive."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunsOption, runs_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from mlopskit.runner.site import Built


def site(
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder of the site; site/ beside runs/ by default.", file_okay=False)
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove the pages of runs that are no more; else they stay, and say so.")
    ] = False,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write all runs as a static site: to search, filter and compare in a browser, from disk or any web host.

    Each run keeps its address, runs/<name>/, with its report and cards. Only what is new or changed is built again. The
    site has everything that the reports have: put it where those may be read.

    Example: mlopskit site --into public
    """
    from mlopskit.runner.site import build

    runs = runs_folder(project, out)
    output = Output(as_json, quiet)
    with output.step("site", "Writing the pages of the runs that are new or changed", runs=runs):
        built = build(runs, (into or runs.parent / "site").resolve(), prune=prune)
    output.give(asdict(built), _lines(built))


def _lines(built: Built) -> list[str]:
    said = [words.safe(built.index), f"{len(built.built)} built, {len(built.kept)} unchanged"]
    if built.gone:
        said.append(f"{_pages(built.gone)} stay although the run folders are no more; --prune removes them")
    if built.pruned:
        said.append(f"{_pages(built.pruned)} removed, because the run folders are no more")
    return said


def _pages(names: tuple[str, ...]) -> str:
    return "pages of 1 run" if len(names) == 1 else f"pages of {len(names)} runs"
