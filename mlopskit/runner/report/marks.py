"""Small drawings and words that the page is made of: intervals on a line, durations, sizes, statuses."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from mlopskit.display import format_value

STATUS = {
    "met": ("good", "✓", "met"),
    "not-met": ("bad", "✗", "not met"),
    "undecided": ("warning", "?", "undecided"),
    "not-checked": ("plain", "–", "not checked"),
    "done": ("good", "✓", "done"),
    "reused": ("good", "↺", "reused, nothing changed"),
    "failed": ("bad", "✗", "failed"),
    "killed": ("bad", "✗", "killed"),
    "timed-out": ("bad", "✗", "timed out"),
    "never-ran": ("plain", "–", "never ran"),
    "alert": ("bad", "!", "alert"),
    "ok": ("good", "✓", "ok"),
    "could not check": ("warning", "?", "could not check"),
    "passed": ("good", "✓", "passed"),
    "criteria-not-met": ("bad", "✗", "ended, criteria not met"),
    "interrupted": ("warning", "!", "interrupted"),
    "unfinished": ("warning", "?", "unfinished"),
    "running": ("warning", "…", "running"),
    "damaged": ("bad", "✗", "damaged"),
}
"""Status → tone, mark and words: never the colour alone."""


def status(name: Any) -> Markup:
    """Return a status as mark and word.

    Examples
    --------
    >>> status("met")
    Markup('<span class="status good"><span aria-hidden="true">✓</span> met</span>')
    """
    tone, mark, words = STATUS.get(str(name), ("plain", "·", str(name)))
    return Markup('<span class="status {}"><span aria-hidden="true">{}</span> {}</span>').format(tone, mark, words)


def number(value: Any, *, digits: int = 3) -> str:
    """Return one figure for a reader; whole numbers carry no decimals.

    Examples
    --------
    >>> number(0.84213), number(17421.0), number(12.0), number(None), number("canary")
    ('0.842', '17,421', '12', '–', 'canary')
    """
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) >= 2:
        value = int(value)
    return format_value(value, digits=digits) or "–"


def seconds(value: Any) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> seconds(0.04), seconds(7.25), seconds(59.97), seconds(75), seconds(4000), seconds(None)
    ('under 0.1 s', '7.2 s', '1 min 0 s', '1 min 15 s', '1 h 6 min', '–')
    """
    if not is_number(value):
        return "–"
    if value < 0.1:
        return "under 0.1 s"
    if value < 59.95:  # what rounds to 60.0 is a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size(value: Any) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> size(512), size(20_480), size(3_500_000)
    ('512 B', '20 kB', '3.5 MB')
    """
    if not is_number(value):
        return "–"
    if value < 1000:
        return f"{value:.0f} B"
    return f"{value / 1000:.0f} kB" if value < 1_000_000 else f"{value / 1_000_000:.1f} MB"


def is_number(value: Any) -> bool:
    """Tell whether a value is a finite number, and one that a float can hold."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def interval(
    value: Any, low: Any, high: Any, *, mark: Any = None, mark_label: str = "", tone: str = "plain", width: int = 220
) -> Markup:
    """Draw a figure with its interval on a line, and beside it the mark that it is held against.

    Returns nothing when the figure is no number, or when there is neither an interval nor a mark to see.
    """
    if not is_number(value) or not ((is_number(low) and is_number(high)) or is_number(mark)):
        return Markup()
    points = [item for item in (value, low, high, mark) if is_number(item)]
    first, last = _scale(points)

    def place(item: float) -> str:
        return f"{8 + (width - 16) * (item - first) / (last - first):.1f}"

    line = Markup('<line class="axis" x1="8" x2="{}" y1="14" y2="14"/>').format(width - 8)
    if is_number(mark):
        x = place(mark)
        line += Markup('<line class="mark" x1="{0}" x2="{0}" y1="3" y2="25"/>').format(x)
    if is_number(low) and is_number(high):
        line += Markup('<line class="range" x1="{}" x2="{}" y1="14" y2="14"/>').format(place(low), place(high))
    dot = Markup('<circle class="dot" cx="{}" cy="14" r="5"/>').format(place(value))
    words = f"{number(value)}"
    if is_number(low) and is_number(high):
        words += f", interval {number(low)} to {number(high)}"
    if is_number(mark):
        words += f"; {mark_label or 'mark'} {number(mark)}"
    return Markup(
        '<svg class="interval {}" viewBox="0 0 {} 28" role="img" aria-label="{}"><title>{}</title>{}{}</svg>'
    ).format(tone, width, words, words, line, dot)


def _scale(points: list[float]) -> tuple[float, float]:
    """Choose the ends of the line: the points with some air, within 0 and 1 when they are shares."""
    first, last = min(points), max(points)
    air = max((last - first) * 0.25, abs(last) * 0.02, 1e-9)
    low, high = first - air, last + air
    if first >= 0 and last <= 1:
        low, high = max(low, 0.0), min(high, 1.0)
    return (low, high) if high > low else (low, low + 1)
