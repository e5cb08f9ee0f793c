"""A comparison as one HTML page: it loads nothing, runs nothing, and shows what comes from data as text only.

Figures stand side by side as images, in which nothing of a drawing can run or reach the page.
"""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path
from typing import Any, NamedTuple

from mlopskit.artefacts import write_text
from mlopskit.runner.compare import Comparison
from mlopskit.runner.pages import templates
from mlopskit.runner.report.style import stylesheet

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)
_DIGITS = 4
_LARGE, _HUGE = 1e4, 1e12


class Drawing(NamedTuple):
    """A figure as a page shows it: a data URL and what it shows in words."""

    url: str
    alt: str


def write_html(comparison: Comparison, path: Path) -> Path:
    """Write a comparison as a self-contained page, whole or not at all, and return its path.

    Raises
    ------
    OSError
        When the folder cannot be written to.
    """
    write_text(path, page(comparison))
    return path


def page(comparison: Comparison) -> str:
    """Return the page as HTML text."""
    from markupsafe import Markup

    environment = templates("report")
    environment.filters.update(number=number, short=short, drawing=drawing)
    style = Markup(stylesheet("report/report.css"))  # noqa: S704 (ours)
    return environment.get_template("compare.html.j2").render(diff=comparison, style=style, policy=POLICY)


def number(value: Any, *, signed: bool = False, digits: int = _DIGITS) -> str:
    """Write a measure, a dash for none; what would be all digits, or all zeros, by its power of ten.

    Examples
    --------
    >>> number(0.81236), number(0.012, signed=True), number(None)
    ('0.8124', '+0.0120', '–')
    >>> number(23456.78), number(2.2e13), number(1.2e-7, signed=True)
    ('23,457', '2.200e+13', '+1.200e-07')
    """
    if value is None:
        return "–"
    size, sign = abs(value), "+" if signed else ""
    if size >= _HUGE or 0 < size < 0.5 * 10**-digits:
        return f"{value:{sign}.3e}"
    return f"{value:{sign},.0f}" if size >= _LARGE else f"{value:{sign}.{digits}f}"


def short(value: Any) -> str:
    """Write a value; of a hash the first twelve characters, of nothing a dash.

    Examples
    --------
    >>> short("0" * 64), short(None), short("x")
    ('000000000000', '–', 'x')
    """
    text = "–" if value is None else str(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text


def drawing(path: Path | None) -> Drawing | None:
    """Return an SVG file as an image, or None when there is none that can be read."""
    try:
        content = path.read_bytes() if path else b""
    except OSError:
        return None
    if not content:
        return None
    title = re.search(r"<title>(.*?)</title>", content.decode("utf-8", errors="replace"), flags=re.DOTALL)
    alt = html.unescape(title[1]) if title else "figure without a description"
    return Drawing(f"data:image/svg+xml;base64,{base64.b64encode(content).decode()}", alt)
