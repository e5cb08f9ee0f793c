"""`mlopskit card`: the model card and the data card of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunArgument, RunsOption, project_folder, runs_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from mlopskit.runner.cards import Written
    from mlopskit.runner.cards.content import Card


def card(
    run: RunArgument = "latest",
    into: Annotated[
        Path | None, typer.Option("--into", help="Folder for the cards; beside the report by default.", file_okay=False)
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", help="File with the team's answers; cards.toml beside mlops.toml by default."),
    ] = None,
    questions: Annotated[
        bool, typer.Option("--questions", help="Only print what is open, in the form of cards.toml.")
    ] = False,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make the model card and the data card of a run, as HTML and Markdown, and print where they lie.

    They have the fields of Mitchell et al. (2019) and Gebru et al. (2021), filled from the run's artefacts and its
    project file. What neither answers stands there as an open question, with the id by which cards.toml answers it.

    Beside the report the cards and the report link to each other; with --into the cards stand alone.

    Example: mlopskit card latest
    """
    from mlopskit.runner.cards import cards, read_answers, render
    from mlopskit.runner.cards.answers import skeleton
    from mlopskit.runner.catalogue import find_run

    folder = find_run(runs_folder(project, out), run)
    given = read_answers(_answers_file(answers, folder, project))
    output = Output(as_json, quiet)
    if questions:
        asked = [question for made in cards(folder, answers=given) for question in made.open]
        said = [{"id": item.id, "question": item.text} for item in asked]
        output.give(said, skeleton(asked).splitlines(), brief=[item.id for item in asked])
        return
    with output.step("card", f"Making the cards of {folder.name}", runs=folder.parent):
        written = render(folder, folder=into.resolve() if into else None, answers=given)
        if into is None:
            _link_from_report(folder)
    output.give(_plain(written), _lines(written))


def _answers_file(given: Path | None, folder: Path, project: Path | None) -> Path:
    """Return the file of answers: the one named, which must be there, else that of the run's own project."""
    from mlopskit.errors import UsageError
    from mlopskit.runner.cards import ANSWERS_FILE

    if given is None:
        return (project_folder(project) if project else folder.resolve().parent.parent) / ANSWERS_FILE
    if not given.is_file():
        raise UsageError(f"There is no file {given}; `mlopskit card --questions` prints what it can hold.")
    return given


def _link_from_report(folder: Path) -> None:
    """Render a report that is there again, so that it links to the cards beside it."""
    from mlopskit.runner.report import render

    if (folder / "report.html").is_file():
        render(folder)


def _lines(written: Written) -> list[str]:
    counted = words.columns([_counts(made) for made in (written.model, written.data)], indent="")
    rest = [*written.model.open, *written.data.open]
    how = ["`mlopskit card --questions` prints what is open, in the form of cards.toml."] if rest else []
    return [*map(words.safe, written.paths), "", *counted, *how]


def _counts(made: Card) -> list[str]:
    return [
        made.form.title,
        f"{made.count('answered')} of {made.asked_for} fields answered",
        f"{made.count('partly')} in part",
        f"{made.count('open')} open",
    ]


def _plain(written: Written) -> dict[str, Any]:
    said: dict[str, Any] = {"run": written.model.run}
    for made in (written.model, written.data):
        paths = {path.suffix[1:]: str(path) for path in written.paths if path.stem == made.form.name}
        counts = {state: made.count(state) for state in ("answered", "partly", "open")}
        said[made.form.name] = {**paths, **counts, "questions": [item.id for item in made.open]}
    return said
