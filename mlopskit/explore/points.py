"""Drawings of figures side by side: points over named places with their intervals, and pairs of bars.

As in `mlopskit.explore.drawing` they are written as SVG text, in the ink of the page they stand in, with every name
escaped and a description in words.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit.display import colour, format_value
from mlopskit.explore.drawing import shortened, svg

Floats = npt.NDArray[np.float64]

_LEFT, _RIGHT, _TOP, _HEIGHT = 62, 700, 16, 210
_NAMED = 9
"""Places that are named along the axis; of more, the first, the last and the chosen one."""
GRID = 'stroke="#808080" stroke-opacity=".3"'


@dataclass(frozen=True)
class Points:
    """One figure at several named places (windows, runs), in order.

    Attributes
    ----------
    names : sequence of str
        Along the x axis.
    values, low, high : ndarray of float, shape (places,)
        NaN where there is no value or no interval.
    x_label, y_label : str
    bound : float, optional
        A level that matters, drawn across and named by `bound_label`.
    chance : ndarray of float, shape (places,), optional
        What chance alone reaches at each place, drawn as a short line and named once.
    """

    names: Sequence[str]
    values: Floats
    low: Floats
    high: Floats
    x_label: str
    y_label: str
    bound: float | None = None
    bound_label: str = ""
    chance: Floats | None = None

    def svg(self, *, chosen: int | None, alt: str) -> str:
        """Return the drawing, the chosen place filled and written out."""
        span = self._span()
        pieces = [*self._axes(span), *self._levels(span)]
        pieces += [self._point(place, span, place == chosen) for place in range(len(self.names))]
        if chosen is not None:
            pieces.append(self._written(chosen, span))
        body = "".join(pieces)
        return svg(_TOP + _HEIGHT + 46, alt, body)

    def _span(self) -> tuple[float, float]:
        extra = [] if self.bound is None else [self.bound]
        known = [self.values, self.low, self.high, *([] if self.chance is None else [self.chance]), np.array(extra)]
        every = np.concatenate([np.asarray(part, dtype=float) for part in known])
        every = every[np.isfinite(every)]
        if len(every) == 0:
            return 0.0, 1.0
        low, high = float(every.min()), float(every.max())
        room = (high - low or abs(high) or 1.0) * 0.12
        return (max(low - room, 0.0) if low >= 0 else low - room), high + room

    def _x(self, place: int) -> float:
        step = (_RIGHT - _LEFT) / max(len(self.names), 1)
        return _LEFT + step * (place + 0.5)

    def _y(self, value: float, span: tuple[float, float]) -> float:
        return _TOP + _HEIGHT * (1 - (value - span[0]) / (span[1] - span[0]))

    def _axes(self, span: tuple[float, float]) -> list[str]:
        pieces = []
        for value in round_numbers(*span):
            y = self._y(value, span)
            line = f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" {GRID}/>'
            pieces.append(f'{line}<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(value, span)}</text>')
        bottom = _TOP + _HEIGHT
        last = len(self.names) - 1
        shown = range(len(self.names)) if last < _NAMED else (0, last)
        width = (_RIGHT - _LEFT) / max(len(shown), 1) / 6.4
        for place in shown:
            anchor = "middle" if last < _NAMED else "start" if place == 0 else "end"
            name = html.escape(shortened(self.names[place], max(int(width), 6)))
            pieces.append(f'<text x="{self._x(place):.1f}" y="{bottom + 17}" text-anchor="{anchor}">{name}</text>')
        middle = (_LEFT + _RIGHT) / 2
        title = f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle">{html.escape(self.x_label)}</text>'
        turned = f'<text transform="translate(12 {_TOP + _HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
        return [*pieces, title, f"{turned}{html.escape(self.y_label)}</text>"]

    def _levels(self, span: tuple[float, float]) -> list[str]:
        pieces = []
        if self.bound is not None:
            y, words = self._y(self.bound, span), html.escape(f"{self.bound_label} {format_value(self.bound)}")
            pieces.append(
                f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="{colour(1)}" stroke-width="1.5" stroke-dasharray="6 3"/>'
                f'<text x="{_RIGHT}" y="{y - 5:.1f}" text-anchor="end">{words}</text>'
            )
        for place, value in enumerate([] if self.chance is None else self.chance.tolist()):
            if np.isfinite(value):
                x, y = self._x(place), self._y(value, span)
                pieces.append(f'<path d="M{x - 14:.1f} {y:.1f}h28" stroke="currentColor" stroke-width="2"/>')
        return pieces

    def _point(self, place: int, span: tuple[float, float], chosen: bool) -> str:
        value, x = float(self.values[place]), self._x(place)
        if not np.isfinite(value):
            return f'<text x="{x:.1f}" y="{_TOP + _HEIGHT - 6}" text-anchor="middle">–</text>'
        line = ""
        if np.isfinite(self.low[place]) and np.isfinite(self.high[place]):
            top, bottom = (self._y(float(edge), span) for edge in (self.high[place], self.low[place]))
            line = f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}" stroke="{colour(0)}" stroke-width="1.6"/>'
        fill = colour(0) if chosen else "var(--jp-layout-color0,#fff)"
        dot = f'<circle cx="{x:.1f}" cy="{self._y(value, span):.1f}" r="{6 if chosen else 4}" fill="{fill}"'
        return f'{line}{dot} stroke="{colour(0)}" stroke-width="2"/>'

    def _written(self, place: int, span: tuple[float, float]) -> str:
        value = float(self.values[place])
        if not np.isfinite(value):
            return ""
        x, y = self._x(place), self._y(value, span)
        end = place > len(self.names) / 2
        beside = x - 11 if end else x + 11
        return f'<text x="{beside:.1f}" y="{y + 4:.1f}" text-anchor="{"end" if end else "start"}">{value:.3f}</text>'


@dataclass(frozen=True)
class PairedBars:
    """Two shares for each of several named bins.

    Attributes
    ----------
    names : sequence of str
    first, second : ndarray of float, shape (bins,)
        Shares of all, between 0 and 1.
    titles : pair of str
        What the first and the second are.
    """

    names: Sequence[str]
    first: Floats
    second: Floats
    titles: tuple[str, str]

    def svg(self, *, alt: str) -> str:
        """Return the drawing: the first as an outline, the second filled, each with its share."""
        left, room, row = 200, 400, 36
        top = max(float(np.nanmax(np.concatenate([self.first, self.second, [0.0]]))), 1e-9)
        pieces = [self._key(left)]
        for place, name in enumerate(self.names):
            y = 34 + place * row
            pieces.append(
                f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{html.escape(shortened(name, 28))}</text>'
            )
            for share, below, look in ((self.first, 0, _OUTLINE), (self.second, 14, f'fill="{colour(0)}"')):
                width = float(share[place]) / top * room if np.isfinite(share[place]) else 0.0
                pieces.append(f'<rect x="{left}" y="{y + below}" width="{width:.1f}" height="11" {look}/>')
                pieces.append(f'<text x="{left + width + 6:.1f}" y="{y + below + 10}">{_percent(share[place])}</text>')
        return svg(40 + row * len(self.names), alt, "".join(pieces))

    def _key(self, left: int) -> str:
        first, second = (html.escape(title) for title in self.titles)
        return (
            f'<rect x="{left}" y="5" width="22" height="11" {_OUTLINE}/><text x="{left + 28}" y="15">{first}</text>'
            f'<rect x="{left + 250}" y="5" width="22" height="11" fill="{colour(0)}"/>'
            f'<text x="{left + 278}" y="15">{second}</text>'
        )


_OUTLINE = 'fill="none" stroke="currentColor" stroke-width="1.3"'


def _percent(share: Any) -> str:
    return f"{float(share):.1%}".replace("%", "\N{NARROW NO-BREAK SPACE}%") if np.isfinite(share) else "–"


def round_numbers(low: float, high: float) -> list[float]:
    """Round numbers within a span, four to eight of them."""
    raw = (high - low) / 5
    unit = 10.0 ** np.floor(np.log10(raw))
    step = unit * next(each for each in (1, 2, 5, 10) if each * unit >= raw * 0.999)
    return [round(float(value), 12) + 0.0 for value in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step]


def _tick(value: float, span: tuple[float, float]) -> str:
    size = span[1] - span[0]
    return format_value(value, digits=0 if size > 50 else 1 if size > 5 else 2 if size > 0.2 else 3)
