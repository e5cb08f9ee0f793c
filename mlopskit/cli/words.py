"""How results are written on a terminal: plain aligned text, free of anything from data that would control it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

MARKS = {
    "passed": "✓", "met": "✓", "done": "✓", "reused": "↺", "failed": "✗", "killed": "✗", "timed-out": "✗",
    "not-met": "✗", "criteria-not-met": "✗", "interrupted": "■", "undecided": "?", "never-ran": "·",
    "alert": "△", "damaged": "✗", "running": "▸",
}  # fmt: skip
_COLOURS = {"✓": 32, "↺": 36, "✗": 31, "■": 33, "?": 33, "△": 33, "·": 2}


def safe(value: object) -> str:
    r"""Return text without control characters, so that a category name cannot steer the terminal.

    Examples
    --------
    >>> safe("a" + chr(27) + "[2Jb")
    'a\\x1b[2Jb'
    """
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(value))


def coloured() -> bool:
    """Tell whether standard output may be steered: a terminal, no ``NO_COLOR``, not a dumb one."""
    return sys.stdout is not None and steerable(sys.stdout)  # it is None where it was closed


def steerable(stream: TextIO) -> bool:
    """Tell whether a stream may be sent colours and lines that are rewritten."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def status(name: str) -> str:
    """Return a status with its mark, coloured on a terminal."""
    mark = MARKS.get(name, " ")
    text = f"{mark} {name}"
    return f"\x1b[{_COLOURS[mark]}m{text}\x1b[0m" if coloured() and mark in _COLOURS else text


def number(value: Any, digits: int = 3) -> str:
    """Write a number, a dash for none."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else safe(value)


def interval(row: Mapping[str, Any]) -> str:
    """Write a value with its interval: ``0.812 [0.790, 0.833]``."""
    value = number(row.get("value"))
    if row.get("low") is None or row.get("high") is None:
        return value
    return f"{value} [{number(row['low'])}, {number(row['high'])}]"


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[str]:
    """Align cells in columns; the last is not padded."""
    if not rows:
        return []
    widths = [max(_width(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        indent + "  ".join(_pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(cell: str) -> int:
    """Return the printed width, colour codes left out."""
    from re import sub

    return len(sub(r"\x1b\[[0-9;]*m", "", cell))


def criteria_lines(criteria: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the acceptance criteria, one line each."""
    rows = []
    for row in criteria:
        where = " ".join(safe(row[key]) for key in ("slice", "group") if row.get(key))
        reason = "" if row["status"] == "met" else safe(row.get("reason") or "")
        rows.append([status(row["status"]), safe(row["name"]), where, interval(row), reason])
    return columns(rows)


def alert_lines(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write the alerts, one line each."""
    rows = []
    for row in alerts:
        what = " ".join(safe(row[key]) for key in ("metric", "feature") if row.get(key))
        tell = f"tell {safe(row['tell'])}" if row.get("tell") else ""
        rows.append(
            [
                status("alert"),
                what,
                safe(row.get("window") or ""),
                interval(row),
                f"bound {number(row.get('bound'))}",
                tell,
            ]
        )
    return columns(rows)


def seconds(value: float | None) -> str:
    """Write a duration.

    Examples
    --------
    >>> seconds(3.21), seconds(59.97), seconds(119.6), seconds(4000.0), seconds(None)
    ('3.2 s', '1 min 0 s', '2 min 0 s', '1 h 6 min', '')
    """
    if value is None:
        return ""
    if value < 59.95:  # what rounds to 60.0 is a minute
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def error_line(error: Mapping[str, Any] | None) -> str:
    """Write what went wrong in a phase: cell, heading, error."""
    if not error:
        return ""
    place = f"cell {error['cell']}" if error.get("cell") else ""
    if error.get("heading"):
        place += f" ({safe(error['heading'])})"
    said = ": ".join(filter(None, map(safe, (error["name"], error["message"]))))
    return f"{place}: {said}" if place else said
