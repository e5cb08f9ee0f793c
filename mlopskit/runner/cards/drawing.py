"""Intervals drawn beside the rows of a table, all on one line from end to end, so that rows can be compared."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from mlopskit.runner.cards.content import Bar
from mlopskit.runner.report import marks
from mlopskit.runner.report.marks import number

WIDTH = 160
_EDGE = 8


def drawn(bars: Sequence[Bar], *, together: bool) -> list[Markup]:
    """Draw one interval a row; `together` on one scale, else each on its own, as rows of different units need.

    Shares are drawn from 0 to 1. What has no interval and no mark is left empty.
    """
    if not together:
        return [
            marks.interval(bar.value, bar.low, bar.high, mark=bar.mark, mark_label=bar.mark_label, width=WIDTH)
            for bar in bars
        ]
    points = [item for bar in bars for item in (bar.value, bar.low, bar.high, bar.mark) if item is not None]
    if not points:
        return [Markup() for _ in bars]
    first, last = min(points), max(points)
    if first >= 0 and last <= 1:
        first, last = 0.0, 1.0
    return [_one(bar, first, last) for bar in bars]


def _one(bar: Bar, first: float, last: float) -> Markup:
    if bar.value is None:
        return Markup()
    span = (last - first) or 1.0

    def place(item: float) -> str:
        return f"{_EDGE + (WIDTH - 2 * _EDGE) * (item - first) / span:.1f}"

    line = Markup('<line class="axis" x1="{}" x2="{}" y1="14" y2="14"/>').format(_EDGE, WIDTH - _EDGE)
    said = number(bar.value)
    if bar.mark is not None:
        line += Markup('<line class="mark" x1="{0}" x2="{0}" y1="3" y2="25"/>').format(place(bar.mark))
    if bar.low is not None and bar.high is not None:
        line += Markup('<line class="range" x1="{}" x2="{}" y1="14" y2="14"/>').format(place(bar.low), place(bar.high))
        said += f", interval {number(bar.low)} to {number(bar.high)}"
    if bar.mark is not None:
        said += f"; {bar.mark_label} {number(bar.mark)}"
    said += f"; line from {number(first)} to {number(last)}"
    dot = Markup('<circle class="dot" cx="{}" cy="14" r="5"/>').format(place(bar.value))
    box = Markup('<svg class="interval" viewBox="0 0 {} 28" role="img" aria-label="{}"><title>{}</title>{}{}</svg>')
    return box.format(WIDTH, said, said, line, dot)
