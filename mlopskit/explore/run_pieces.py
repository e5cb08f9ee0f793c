"""Pieces that a run is shown with: its phases, its criteria, a sentence with its tone; all escaped."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlopskit.display import format_value, note
from mlopskit.explore.progress import MARKS, PhaseProgress, Progress

_TONES = {
    "done": "good", "reused": "good", "met": "good", "running": "plain", "failed": "bad", "killed": "bad",
    "timed-out": "bad", "not-met": "bad", "undecided": "warning",
}  # fmt: skip
_INKS = {
    "good": "var(--jp-success-color1,#388e3c)", "bad": "var(--jp-error-color1,#d32f2f)",
    "warning": "var(--jp-warn-color1,#f57c00)", "plain": "var(--jp-brand-color1,#1976d2)",
}  # fmt: skip
_JUDGED = {"met": "✓", "not-met": "✗", "undecided": "△"}
WAITING = "waiting"
LEFT = "not judged"


def declared_criteria(
    names: Sequence[str], judged: Sequence[Mapping[str, Any]], *, ended: bool = False
) -> list[dict[str, Any]]:
    """Return the criteria of a project in their order: as judged so far; the others wait, or were left by a run."""
    known = {str(row["name"]): dict(row) for row in judged}
    rest = [row for name, row in known.items() if name not in names]
    return [known.get(name, {"name": name, "status": LEFT if ended else WAITING}) for name in names] + rest


def judged_so_far(folder: Path, progress: Progress) -> list[dict[str, Any]]:
    """Return what the phases that have ended judged, from what they left in the run's folder."""
    if progress.criteria or not progress.active:
        return list(progress.criteria)
    found: list[dict[str, Any]] = []
    for phase in progress.phases.values():
        path = folder / phase.name / "criteria.parquet"
        if phase.status in {"done", "reused"} and path.is_file():
            import pyarrow.parquet as pq

            found += pq.read_table(path).to_pylist()
    return found


def phases_table(progress: Progress, usual: Mapping[str, float]) -> str:
    """Return the phases with what each does, how far it is, and how long it takes.

    Parameters
    ----------
    progress : Progress
    usual : mapping
        Phase → seconds that it took when it was last executed.
    """
    if not progress.phases:
        return ""
    rows = "".join(_phase_row(phase, usual.get(phase.name)) for phase in progress.phases.values())
    return _table(("Phase", "State", "Progress", "What", "Time"), rows, caption="Phases")


def _phase_row(phase: PhaseProgress, usual: float | None) -> str:
    took = "" if phase.seconds is None else f"{phase.seconds:.1f} s"
    if not took and usual is not None and phase.status in {"waiting", "running"}:
        took = f"last time {usual:.1f} s"
    elif phase.status == "running":
        took = "first time here"
    state = _state(phase.status, MARKS.get(phase.status, "·"))
    cells = [html.escape(phase.name), state, _bar(phase), html.escape(phase.doing()), html.escape(took)]
    return _row(cells)


def _bar(phase: PhaseProgress) -> str:
    done = phase.status in {"done", "reused"}
    most = phase.cells or 1
    at = most if done else max(phase.cell - 1, 0)
    label = html.escape(f"{phase.name}: {phase.status}" + (f", cell {phase.cell} of {most}" if phase.cell else ""))
    return f'<progress max="{most}" value="{at}" aria-label="{label}" style="width:7em"></progress>'


def criteria_table(criteria: Sequence[Mapping[str, Any]], *, caption: str = "Criteria") -> str:
    """Return the criteria, each with a mark, a word and a colour for whether it is met."""
    if not criteria:
        return ""
    return _table(("Criterion", "State", "Value", "Why"), "".join(map(_criterion_row, criteria)), caption=caption)


def _criterion_row(row: Mapping[str, Any]) -> str:
    status = str(row["status"])
    value = format_value(row.get("value"))
    if row.get("low") is not None and row.get("high") is not None:
        value += f" ({format_value(row['low'])} to {format_value(row['high'])})"
    state = _state(status, _JUDGED.get(status, "·"))
    reason = html.escape(str(row.get("reason") or ""))
    why = reason and f'<div style="min-width:16em">{reason}</div>'  # on a narrow page scrolled, not stretched
    return _row([html.escape(str(row["name"])), state, html.escape(value), why])


def _state(status: str, mark: str) -> str:
    """A word and a mark in a frame of the tone's colour; the ink stays that of the text, for contrast."""
    ink = _INKS.get(_TONES.get(status, ""), "transparent")
    style = f"border-left:.45em solid {ink};padding-left:.4em;white-space:nowrap"
    word = html.escape(status)
    return f'<span class="mlopskit-state" data-state="{word}" style="{style}">{mark} {word}</span>'


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"


def _table(headings: Sequence[str], rows: str, *, caption: str) -> str:
    head = "".join(f'<th scope="col" style="text-align:left">{html.escape(text)}</th>' for text in headings)
    title = f'<caption style="text-align:left;padding:.4em .5em">{html.escape(caption)}</caption>'
    body = f'<table class="mlopskit-table">{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    style = "padding:0;overflow-x:auto;width:fit-content;max-width:100%"
    reach = f'tabindex="0" role="region" aria-label="{html.escape(caption)}"'
    return f'<div class="jp-RenderedHTMLCommon" style="{style}" {reach}>{body}</div>'


def report_link(folder: Path) -> str:
    """Return a link to the report of a run, as seen from the notebook; empty where there is none."""
    report = folder / "report.html"
    if not report.is_file():
        return ""
    place = html.escape(Path(os.path.relpath(report)).as_posix(), quote=True)
    return f'<a href="{place}">Open the report of {html.escape(folder.name)}</a>'


def box(lines: Sequence[str], *, tone: str = "plain", live: bool = False) -> str:
    """Return sentences in a box of their tone; a live one is told by screen readers when it changes."""
    if not any(lines):
        return ""
    shown = note(*lines, tone=tone)._repr_html_()
    told = ' role="status" aria-live="polite"' if live else ""
    return f'<div{told} style="line-height:1.4">{shown}</div>'
