"""`mlopskit diff`: what differs between two runs, and whether anything got worse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlopskit.cli import words
from mlopskit.cli.options import ProjectOption, RunsOption, complete_run, runs_folder
from mlopskit.cli.output import JsonOption, Output, QuietOption

if TYPE_CHECKING:
    from mlopskit.runner.compare import Comparison
    from mlopskit.runner.compare_causes import CellChange, Change, TableChange
    from mlopskit.runner.compare_measures import Difference

SHOWN = 12
"""Lines of one section on the terminal; the page and the JSON have them all."""

_CODE_LINES, _DIGITS = 60, 3
_VERDICTS = {"noise": "inside the noise", "unknown": "cannot be told", "equal": "="}
_COLOURS = {"worse": 31, "better": 32, "-": 31, "+": 32}
_HELP = "Name of a run, a part that fits one only, a path, or latest."


def diff(
    before: Annotated[str, typer.Argument(help=_HELP, autocompletion=complete_run)],
    after: Annotated[str, typer.Argument(help=_HELP, autocompletion=complete_run)] = "latest",
    project: ProjectOption = None,
    out: RunsOption = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write a self-contained page to this file, figures side by side.", dir_okay=False),
    ] = None,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Compare two runs: parameters, data, environment, code, metrics, slices, criteria, figures.

    A metric is worse only when the interval of its difference leaves zero out; that interval comes from the two runs'
    own (MOVER), which is conservative when both used the same test rows. Slices are shown but don't decide.

    Exit codes: 0 equal, or nothing got worse; 1 a run is not there, or damaged; 2 wrong usage; 3 a
    criterion got worse, a metric got worse beyond noise, or a phase that ended well no longer does.

    Example: mlopskit diff 2a71c2 latest
    """
    from mlopskit.runner.catalogue import find_run
    from mlopskit.runner.compare import compare

    runs = runs_folder(project, out)
    found = compare(find_run(runs, before), find_run(runs, after))
    if html is not None:
        from mlopskit.runner.compare_html import write_html

        write_html(found, html)
    page = [] if html is None else ["", words.safe(html)]
    Output(as_json, quiet).give(found.as_dict(), [*lines(found), *page], brief=[_outcome(found)])
    raise typer.Exit(found.exit_code)


def lines(found: Comparison) -> list[str]:
    """Write a comparison for the terminal, one section for each thing that differs."""
    said = [f"{name}  {words.status(status)}" for name, status in _runs(found)]
    for title, body in _sections(found):
        if body:
            said += ["", title, *body]
    return [*said, "", _outcome(found)]


def _runs(found: Comparison) -> list[tuple[str, str]]:
    names = f"before  {words.safe(found.before)}", f"after   {words.safe(found.after)}"
    return list(zip(names, map(words.safe, found.status), strict=True))


def _sections(found: Comparison) -> list[tuple[str, list[str]]]:
    moved = [item for item in found.metrics if item.verdict != "equal"]
    headline = [found.headline] if found.headline and found.headline.verdict != "equal" else []
    slices = f"Slices worse beyond noise ({len(found.worse_slices)} of {len(found.slices)} measures; some by chance)"
    return [
        ("Not compared", [f"  {words.safe(text)}" for text in found.problems]),
        ("Phases", _changes(found.phases)),
        ("Parameters", _changes(found.parameters)),
        ("Source of the data", _changes(found.source)),
        ("Data", _few(words.columns([_table(item) for item in found.data]))),
        ("Environment", _changes(found.environment)),
        ("Distributions", _changes(found.distributions)),
        ("Code", _code(found.code)),
        (f"Metrics ({found.method})", _measures([*headline, *moved], limit=30)),
        (slices, _measures(found.worse_slices)),
        ("Criteria", _criteria(found)),
        ("Other artefacts that differ", _few([f"  {words.safe(name)}" for name in _others(found)])),
        ("Figures that differ (side by side with --html)", _few([f"  {words.safe(x.name)}" for x in found.figures])),
    ]


def _others(found: Comparison) -> list[str]:
    """Return the artefacts that differ and stand in no other section."""
    shown = {*(item.artefact for item in found.data), *(item.name for item in found.figures)}
    return [name for name in found.artefacts if name not in shown]


def _outcome(found: Comparison) -> str:
    if found.worsened:
        return "\n".join(
            [f"{words.status('not-met').split()[0]} worse", *(f"  {words.safe(x)}" for x in found.worsened)]
        )
    if not found.readable:
        return "What is damaged could not be compared, so whether anything got worse cannot be told."
    if not found.artefacts:
        return "Every artefact is equal; what measures time is left out."
    count = len(found.artefacts)
    return f"{count} artefact{' differs' if count == 1 else 's differ'}; {found.unworsened}."


def _few(rows: Sequence[str], limit: int = SHOWN) -> list[str]:
    rest = len(rows) - limit
    return [*rows[:limit], *([f"  … {rest} more; --html and --json have all"] if rest > 0 else [])]


def _changes(changes: Sequence[Change]) -> list[str]:
    rows = [[words.safe(item.name), _short(item.before), "→", _short(item.after)] for item in changes]
    return _few(words.columns(rows))


def _short(value: object) -> str:
    from mlopskit.runner.compare_html import short

    return words.safe(short(value))


def _table(item: TableChange) -> list[str]:
    rows = "" if item.rows_before is None and item.rows_after is None else "rows "
    if rows:
        rows += f"{_short(item.rows_before)} → {_short(item.rows_after)}"
    columns = [*(f"+{name}" for name in item.columns_added), *(f"−{name}" for name in item.columns_removed)]
    content = f"{_short(item.digest_before)} → {_short(item.digest_after)}"
    return [words.safe(item.artefact), content, rows, words.safe(" ".join(columns))]


def _code(cells: Sequence[CellChange]) -> list[str]:
    said: list[str] = []
    for cell in cells:
        said.append(f"  {words.safe(cell.phase)}, cell {words.safe(cell.cell)}: {cell.kind}")
        said += [_tinted(f"    {words.safe(line)}", line[:1]) for line in cell.lines]
    return _few(said, _CODE_LINES)


def _measures(rows: Sequence[Difference], limit: int = SHOWN) -> list[str]:
    return _few(words.columns([_measure(row) for row in rows]), limit)


def _measure(row: Difference) -> list[str]:
    where = " ".join(words.safe(part) for part in (row.slice, row.group) if part)
    values = [_interval(side.value, side.low, side.high) if side else "–" for side in (row.before, row.after)]
    difference = "" if row.difference is None else _interval(row.difference, row.low, row.high, signed=True)
    verdict = _tinted(_VERDICTS.get(row.verdict, row.verdict), row.verdict)
    return [f"{words.safe(row.metric)} {where}".strip(), values[0], "→", values[1], difference, verdict]


def _interval(value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    from mlopskit.runner.compare_html import number

    text, *ends = (number(item, signed=signed, digits=_DIGITS) for item in (value, low, high))
    return text if low is None or high is None else f"{text} [{', '.join(ends)}]"


def _criteria(found: Comparison) -> list[str]:
    rows = [
        [words.safe(item.name), words.status(words.safe(item.before)), "→", words.status(words.safe(item.after))]
        for item in found.criteria
    ]
    return words.columns(rows)


def _tinted(text: str, kind: str) -> str:
    return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if kind in _COLOURS and words.coloured() else text
