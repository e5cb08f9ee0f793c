"""`mlopskit tag`, `pin`, `unpin` and `prune`: which runs stay, and which go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunArgument, RunsOption, project_folder, runs_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption
from mlopskit.cli.quantities import age, size, size_text
from mlopskit.errors import ProjectError

if TYPE_CHECKING:
    from mlopskit.runner.marks import Marks
    from mlopskit.runner.shelf import Pruning, Shelved


def tag(
    run: RunArgument,
    names: Annotated[list[str], typer.Argument(help="Tags: one word each.", metavar="TAG...")],
    remove: Annotated[bool, typer.Option("--remove", help="Take these tags off.")] = False,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Give tags to a run, or take them off; `mlopskit runs --tag` finds it by them.

    The run folder stays as it is: tags and pins are kept in runs/marks.json.

    Example: mlopskit tag latest for-review
    """
    from mlopskit.runner import marks
    from mlopskit.runner.catalogue import find_run

    folder = find_run(runs_folder(project, out), run)
    found = marks.tag(folder, names, remove=remove)
    _give_marks(folder, found, words.safe(" ".join(found.tags)) or "no tags", output=Output(as_json, quiet))


def pin(
    run: RunArgument,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Pin a run: it is never pruned.

    Example: mlopskit pin latest
    """
    _pin(run, runs_folder(project, out), pinned=True, output=Output(as_json, quiet))


def unpin(
    run: RunArgument,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Take the pin off a run.

    Example: mlopskit unpin latest
    """
    _pin(run, runs_folder(project, out), pinned=False, output=Output(as_json, quiet))


def _pin(run: str, runs: Path, *, pinned: bool, output: Output) -> None:
    from mlopskit.runner import marks
    from mlopskit.runner.catalogue import find_run

    folder = find_run(runs, run)
    found = marks.pin(folder, pinned=pinned)
    _give_marks(folder, found, "pinned" if pinned else "not pinned", output=output)


def _give_marks(folder: Path, found: Marks, said: str, *, output: Output) -> None:
    document = {"run": folder.name, "tags": list(found.tags), "pinned": found.pinned}
    output.give(document, [f"{words.safe(folder.name)}  {said}"])


def prune(
    keep: Annotated[int | None, typer.Option(help="All but the newest so many runs may go.", min=0)] = None,
    older_than: Annotated[str | None, typer.Option(help="Runs older than this may go: 12h, 30d, 4w.")] = None,
    to_size: Annotated[
        str | None, typer.Option(help="The oldest runs may go until all together take at most this: 5GB.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Remove them; else they are only listed.")] = False,
    project: ProjectOption = None,
    out: RunsOption = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove old runs; without --yes only list what would go.

    Of several rules, a run goes only when each lets it go. A run stays when it is pinned, running, named by latest, by
    scratch or by mlops.toml, or when a run that stays took results from it. What a killed command left half-made (such
    as the folder of a verification) goes as well, never one that somebody works on.

    Example: mlopskit prune --keep 20 --older-than 30d
    """
    from mlopskit.runner import shelf

    rules = shelf.Rules(
        keep, None if older_than is None else age(older_than), None if to_size is None else size(to_size)
    )
    runs = runs_folder(project, out)
    act = shelf.prune if yes else shelf.plan_pruning
    pruning = act(runs, rules, project_file=_project_file(project, out))
    short = _shortfall(pruning, rules.to_size)
    Output(as_json, quiet).give(
        {**_plain(pruning, removed=yes), "problems": short},
        [*_lines(pruning, removed=yes), *short],
        brief=short if yes else [words.safe(item.name) for item in pruning.going],
    )


def _shortfall(pruning: Pruning, to_size: int | None) -> list[str]:
    """Say that the runs that stay take more than was asked for."""
    if to_size is None or _total(pruning.staying) <= to_size:
        return []
    return [f"{size_text(to_size)} cannot be reached: the other rules or the reasons to stay keep the rest."]


def _project_file(project: Path | None, out: Path | None) -> Path | None:
    """Return the project file; with a runs folder given there need not be one."""
    from mlopskit.scope import PROJECT_FILE

    if project is None and out is not None:
        with suppress(ProjectError):
            return project_folder(None) / PROJECT_FILE
        return None
    return project_folder(project) / PROJECT_FILE


def _total(items: Sequence[Shelved]) -> int:
    return sum(item.bytes for item in items)


def _lines(pruning: Pruning, *, removed: bool) -> list[str]:
    going = [[words.safe(item.name), f"{item.began:%Y-%m-%d %H:%M}", size_text(item.bytes)] for item in pruning.going]
    spared = [[words.safe(name), f"stays: {words.safe(reason)}"] for name, reason in pruning.spared.items()]
    said = [*words.columns(going), *words.columns(spared)]
    verb = "Removed" if removed else "Would remove"
    stay = f"{len(pruning.staying)} stay, {size_text(_total(pruning.staying))}"
    if pruning.going:
        end = "." if removed else "; --yes removes them."
        said.append(f"{verb} {_runs(len(pruning.going))}, {size_text(_total(pruning.going))}; {stay}{end}")
    else:
        said.append(f"No run goes; {stay}.")
    if pruning.leftovers:
        verb = "deleted" if removed else "will be deleted"
        said.append(f"Leftovers of {_runs(pruning.leftovers)} from an earlier removal {verb}.")
    if pruning.abandoned:
        verb = "Swept" if removed else "Would sweep"
        names = ", ".join(words.safe(name) for name in pruning.abandoned)
        said.append(f"{verb} what a stopped command left half-made: {names}.")
    if pruning.stuck:
        names = ", ".join(words.safe(name) for name in pruning.stuck)
        said.append(f"Half-made, and could not be removed: {names}. See who may write there, then prune again.")
    return said


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _plain(pruning: Pruning, *, removed: bool) -> Mapping[str, object]:
    return {
        "removed": removed,
        "going": [{"run": item.name, "bytes": item.bytes} for item in pruning.going],
        "staying": [{"run": item.name, "bytes": item.bytes} for item in pruning.staying],
        "spared": dict(pruning.spared),
        "leftovers": pruning.leftovers,
        "abandoned": list(pruning.abandoned),
        "stuck": list(pruning.stuck),
    }
