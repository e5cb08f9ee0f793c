"""A headline figure over time as a drawing: a dot a run, its interval a line, real text, no script needed."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mlopskit.runner.report.marks import number
from mlopskit.runner.site.entries import Entry, Headline

WIDTH, HEIGHT = 760, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 18, 14, 36
_LETTER = 12
"""Width of a letter of the axis where it is largest: on a phone."""
_AXIS_TICKS = 5
_STEPS = 3
"""From one time below the axis to the next, where there are seconds enough."""
_LONG = 9
"""A longer figure of the axis is written shorter, if it can be."""
_LARGEST = 1e100
"""A figure beyond it stands in the table only: between two of them there may be more than a number can say."""


@dataclass(frozen=True)
class Point:
    """One run in the drawing; `place` is its line in the table."""

    place: int
    entry: Entry
    headline: Headline
    time: float


@dataclass(frozen=True)
class Chart:
    """A drawing with its title and what it shows in words."""

    title: str
    drawing: Markup
    words: str


def charts(entries: Sequence[Entry], *, most: int = 6) -> tuple[list[Chart], int]:
    """Draw one chart for each project and headline figure, the most frequent first.

    Parameters
    ----------
    entries : sequence of Entry
        As the table lists them.
    most : int
        At most so many.

    Returns
    -------
    (charts, left out)
        What one run alone has is not drawn, nor counted.
    """
    series: dict[tuple[str, str], list[Point]] = {}
    for place, entry in enumerate(entries):
        if entry.headline is not None and max(map(abs, _known(entry.headline))) < _LARGEST:
            key = entry.project, entry.headline.label
            series.setdefault(key, []).append(Point(place, entry, entry.headline, _seconds(entry.began)))
    found = sorted(((key, points) for key, points in series.items() if len(points) > 1), key=lambda item: -len(item[1]))
    several = len({project for project, _ in series}) > 1
    drawn = [
        draw(sorted(points, key=lambda point: point.time), title=f"{label} ({project})" if several else label)
        for (project, label), points in found[:most]
    ]
    return drawn, len(found) - len(drawn)


def _seconds(began: str) -> float:
    return dt.datetime.fromisoformat(began).timestamp()


def draw(points: Sequence[Point], *, title: str) -> Chart:
    """Draw runs over time, oldest first."""
    heights = [item for point in points for item in _known(point.headline)]
    rows = ticks(min(heights), max(heights))
    bottom, top = min(rows[0], *heights), max(rows[-1], *heights)
    first, last = points[0].time, points[-1].time
    texts = _labels(rows)
    left = max(_LEFT, 12 + _LETTER * max(map(len, texts)))

    def x(time: float) -> float:
        return left + (WIDTH - left - _RIGHT) * ((time - first) / (last - first) if last > first else 0.5)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - (HEIGHT - _BOTTOM - _TOP) * ((value - bottom) / (top - bottom))

    axis = [
        Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}">{}</text>').format(
            left, WIDTH - _RIGHT, y(row), y(row), left - 8, y(row) + 4, text
        )
        for row, text in zip(rows, texts, strict=True)
    ]
    axis += [
        Markup('<text class="when {}" x="{:.1f}" y="{}">{}</text>').format(anchor, x(time), HEIGHT - 10, text)
        for time, text, anchor in _dates(first, last)
    ]
    marks = [_mark(point, x(point.time), y) for point in points]
    words = _words(points, title)
    drawing = Markup('<svg class="over-time" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        WIDTH, HEIGHT, words, Markup("").join(axis), Markup("").join(marks)
    )
    return Chart(title, drawing, words)


def _known(headline: Headline) -> list[float]:
    return [item for item in (headline.value, headline.low, headline.high) if item is not None]


def _mark(point: Point, x: float, y: Callable[[float], float]) -> Markup:
    head, line = point.headline, Markup("")
    if head.low is not None and head.high is not None:
        line = Markup('<path d="M{:.1f} {:.1f}V{:.1f}"/>').format(x, y(head.low), y(head.high))
    kind = "dot" if point.entry.status == "passed" else "open"
    return Markup('<g data-i="{}">{}<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"/><title>{}</title></g>').format(
        point.place, line, kind, x, y(head.value), f"{point.entry.name}: {figure(head)}"
    )


def figure(headline: Headline) -> str:
    """Write a figure with its interval.

    Examples
    --------
    >>> figure(Headline("ROC AUC", 0.8312, 0.82, 0.841))
    '0.831 (0.820 to 0.841)'
    """
    between = f" ({number(headline.low)} to {number(headline.high)})" if headline.low is not None else ""
    return f"{number(headline.value)}{between}"


def _words(points: Sequence[Point], title: str) -> str:
    values = [point.headline.value for point in points]
    last = points[-1]
    return (
        f"{title} of {len(points)} runs from {points[0].entry.began[:10]} to {last.entry.began[:10]}: "
        f"{number(min(values))} to {number(max(values))}; the newest, {last.entry.name}, {figure(last.headline)}."
    )


def ticks(low: float, high: float, *, most: int = _AXIS_TICKS) -> list[float]:
    """Return round numbers that span two figures.

    Examples
    --------
    >>> [round(tick, 2) for tick in ticks(0.812, 0.874)]
    [0.8, 0.82, 0.84, 0.86, 0.88]
    """
    if high - low <= max(1e-9 * max(abs(low), abs(high)), 1e-100):  # all but equal
        low, high = low - (abs(low) * 0.05 or 1.0), high + (abs(high) * 0.05 or 1.0)
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [place * step for place in range(first, last + 1)]


def _labels(rows: Sequence[float]) -> list[str]:
    """Write the figures of an axis; very large and very small ones by their power of ten, where that is shorter.

    Examples
    --------
    >>> _labels([0.8, 0.85]), _labels([0.0, 1e12, 2e12])
    (['0.80', '0.85'], ['0', '1e+12', '2e+12'])
    """
    step = math.floor(math.log10(rows[1] - rows[0]) + 1e-9)
    plain = [f"{row:,.{max(0, -step)}f}" for row in rows]
    size = math.floor(math.log10(max(map(abs, rows))) + 1e-9)
    short = ["0" if abs(row) < 10.0**step / 2 else f"{row:.{max(0, size - step)}e}" for row in rows]
    widest, other = (max(map(len, texts)) for texts in (plain, short))
    return short if widest > _LONG and other < widest else plain


def _dates(first: float, last: float) -> list[tuple[float, str, str]]:
    """Return times to be written below the axis, fine enough that no two read alike: runs may follow within seconds."""
    span = last - first
    form = "%Y-%m-%d" if span > 2 * 86_400 else "%m-%d %H:%M" if span >= _STEPS * 60 else "%m-%d %H:%M:%S"
    steps = _STEPS if span >= _STEPS else 1
    times = [first + span * part / steps for part in range(steps + 1)] if span else [first]
    sides = ["start", *[""] * (steps - 1), "end"] if span else [""]
    texts = [f"{dt.datetime.fromtimestamp(time, dt.UTC):{form}}" for time in times]
    return list(zip(times, texts, sides, strict=True))
