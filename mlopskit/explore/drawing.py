"""Pieces that explorers are made of: small drawings and tables, escaped, in the ink of the page they stand in.

A drawing is written as SVG text, since a figure of matplotlib takes longer than a person waits for an answer.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.display import colour, table

Floats = npt.NDArray[np.float64]

WIDTH, LEFT, RIGHT, TOP = 720, 46, 470, 12
FONT = "font-family=\"system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\" font-size=\"12\""
_DASHES = ("", "6 3", "2 3", "9 3 2 3")
_LINE = 15
_NARROWEST = 600
_LONGEST = 24


@dataclass(frozen=True)
class Lines:
    """Several courses over one axis from 0 to 1.

    Attributes
    ----------
    names : sequence of str
        One a line; the first stands for all rows and is drawn in the ink of the text.
    x : ndarray of float, shape (points,)
    y : ndarray of float, shape (lines, points)
        Between 0 and 1; NaN breaks a line.
    x_label, y_label : str
    """

    names: Sequence[str]
    x: Floats
    y: Floats
    x_label: str
    y_label: str

    def fixed(self) -> str:
        """Return what does not change with the mark: axes and lines."""
        bottom = self._bottom
        axes = [_tick_y(value, bottom) + _tick_x(value, bottom) for value in np.linspace(0, 1, 6)]
        drawn = [
            f'<path d="{_path(self.x, row, bottom)}" fill="none" {_stroke(place)}/>'
            for place, row in reversed(list(enumerate(self.y)))  # all rows last, on top
        ]
        middle = (LEFT + RIGHT) / 2
        titles = (
            f'<text x="{middle}" y="{bottom + 34}" text-anchor="middle">{html.escape(self.x_label)}</text>'
            f'<text transform="translate(12 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
            f"{html.escape(self.y_label)}</text>"
        )
        return "".join([*axes, *drawn, titles])

    def svg(self, fixed: str, *, mark: float, at: Floats, alt: str) -> str:
        """Return the drawing with a mark on the x axis and each line named by its value there.

        Parameters
        ----------
        fixed : str
            As from `fixed`.
        mark : float
            Where, on the x axis.
        at : ndarray of float, shape (lines,)
            The value of each line there.
        alt : str
            What it shows, in words.
        """
        bottom, x = self._bottom, _x(mark)
        labels = "".join(self._label(place, y, at[place], x) for place, y in _apart(at, bottom))
        line = f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="currentColor" stroke-dasharray="3 3"/>'
        return svg(bottom + 42, alt, f"{fixed}{line}{labels}")

    @property
    def _bottom(self) -> float:
        return TOP + max(230.0, _LINE * (len(self.names) + 1))

    def _label(self, place: int, y: float, value: float, x: float) -> str:
        known = bool(np.isfinite(value))
        dot = f'<circle cx="{x:.1f}" cy="{_y(value, self._bottom):.1f}" r="3.5" fill="{_ink(place)}"/>' if known else ""
        words = f"{shortened(self.names[place])}  {value:.3f}" if known else f"{shortened(self.names[place])}  –"
        sample = f'<path d="M{RIGHT + 12} {y:.1f}h22" fill="none" {_stroke(place)}/>'
        return f'{dot}{sample}<text x="{RIGHT + 40}" y="{y + 4:.1f}" xml:space="preserve">{html.escape(words)}</text>'


def page_table(frame: pd.DataFrame, *, caption: str, rows: int = 30, headings: dict[str, str] | None = None) -> str:
    """Return a table as the house shows them, in JupyterLab's own colours also where a widget holds it."""
    shown = table(frame, rows=rows, caption=caption, headings=headings)._repr_html_()
    style = "padding:0;overflow-x:auto;width:fit-content;max-width:100%"
    reach = f'tabindex="0" role="region" aria-label="{html.escape(caption)}"'  # a wide one is scrolled by keyboard
    return f'<div class="jp-RenderedHTMLCommon" style="{style}" {reach}>{shown}</div>'


def sentence(text: str) -> str:
    """Return a sentence that screen readers tell when it changes."""
    return f'<p role="status" aria-live="polite" style="margin:.3em 0;line-height:1.4">{html.escape(text)}</p>'


def svg(height: float, alt: str, body: str) -> str:
    """Return a drawing as wide as its place, and on a narrow page no narrower than can be read."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" fill="currentColor" {FONT} '
        f'style="width:100%;min-width:{_NARROWEST}px;max-width:{WIDTH}px;height:auto">'
        f"<title>{html.escape(alt)}</title>{body}</svg>"
    )


def figure(drawn: str) -> str:
    """Return a drawing in the ink of JupyterLab's theme, or of whatever page it stands in; a wide one is scrolled."""
    style = f"margin:.4em 0;max-width:{WIDTH}px;overflow-x:auto;color:var(--jp-content-font-color1,inherit)"
    return f'<figure class="mlopskit-chart" style="{style}" tabindex="0" aria-label="drawing">{drawn}</figure>'


_ALIVE = """<style>
.jp-OutputArea:has(.mlopskit-explorer) .jp-OutputArea-child:has(.mlopskit-static),
body:not(:has(.jp-OutputArea)):has(.mlopskit-explorer) .mlopskit-static,
.jp-OutputArea:has(.mlopskit-static):not(:has(.mlopskit-explorer)) .jupyter-widgets { display: none; }
</style>"""
"""Of the widgets and their picture the one is shown: the widgets where they live, else the picture."""


def static(*parts: str) -> str:
    """Return the picture of a state for where no kernel answers."""
    return f'{_ALIVE}<div class="mlopskit-static">{"".join(parts)}</div>'


def _x(value: float) -> float:
    return LEFT + value * (RIGHT - LEFT)


def _y(value: float, bottom: float) -> float:
    return bottom - value * (bottom - TOP)


def _ink(place: int) -> str:
    """The first line, which stands for all rows, in the ink of the text."""
    return colour(place - 1) if place else "currentColor"


def _stroke(place: int) -> str:
    dash = _DASHES[(place - 1) // 6 % len(_DASHES)] if place else ""
    return f'stroke="{_ink(place)}" stroke-width="{2 if place else 3}"' + (
        f' stroke-dasharray="{dash}"' if dash else ""
    )


def _tick_y(value: float, bottom: float) -> str:
    y = _y(value, bottom)
    grid = f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="#808080" stroke-opacity=".3"/>'
    return f'{grid}<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.1f}</text>'


def _tick_x(value: float, bottom: float) -> str:
    return f'<text x="{_x(value):.1f}" y="{bottom + 17}" text-anchor="middle">{value:.1f}</text>'


def _path(x: Floats, y: Floats, bottom: float) -> str:
    """A path through the finite points, broken where there are none."""
    points = zip(np.isfinite(y).tolist(), x.tolist(), y.tolist(), strict=True)
    runs = [list(run) for known, run in groupby(points, key=lambda point: point[0]) if known]
    return "".join("M" + "L".join(f"{_x(a):.1f} {_y(b, bottom):.1f}" for _, a, b in run) for run in runs)


def _apart(values: Floats, bottom: float) -> list[tuple[int, float]]:
    """Heights of labels beside their values, in their order and never over each other; the unknown at the end."""
    order = sorted(range(len(values)), key=lambda place: _rank(values[place]))
    wanted = [_y(values[place], bottom) if np.isfinite(values[place]) else bottom for place in order]
    heights: list[float] = []
    for y in wanted:
        heights.append(max(y, heights[-1] + _LINE if heights else TOP + 4))
    limit = bottom
    for i in range(len(heights) - 1, -1, -1):
        heights[i] = min(heights[i], limit)
        limit = heights[i] - _LINE
    return list(zip(order, heights, strict=True))


def _rank(value: Any) -> tuple[bool, float]:
    known = bool(np.isfinite(value))
    return (not known, -float(value) if known else 0.0)


def shortened(name: str, longest: int = _LONGEST) -> str:
    """Return a name at a length that fits, its end cut."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
