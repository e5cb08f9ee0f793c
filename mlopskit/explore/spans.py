"""A drawing of how far each of several inputs alone would move an answer."""

from __future__ import annotations

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlopskit.display import colour, format_value
from mlopskit.explore.drawing import shortened, svg
from mlopskit.explore.points import GRID, round_numbers

_LEFT, _RIGHT, _TOP, _ROW = 190, 640, 24, 24


@dataclass(frozen=True)
class Spans:
    """What is reached by each input, from the lowest to the highest.

    Attributes
    ----------
    reach : DataFrame
        As from `mlopskit.explore.row_model.RowModel.reach`.
    now : float
        The measure as it is, marked in every line.
    bound : float, optional
        What turns the decision, drawn across.
    label : str
        What is measured, for the axis.
    """

    reach: pd.DataFrame
    now: float
    bound: float | None
    label: str

    def svg(self, *, alt: str) -> str:
        """Return the drawing, the inputs in the order of the table."""
        low, high = self._ends()
        bottom = _TOP + _ROW * len(self.reach)

        def x(value: float) -> float:
            return _LEFT + (value - low) / (high - low) * (_RIGHT - _LEFT)

        pieces = [self._threshold(x(self.bound), bottom)] if self.bound is not None else []
        for value in round_numbers(low, high):
            line = f'<path d="M{x(value):.1f} {_TOP}V{bottom}" {GRID}/>'
            pieces.append(f'{line}<text x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>')
        pieces.append(f'<text x="{(_LEFT + _RIGHT) / 2}" y="{bottom + 34}" text-anchor="middle">')
        pieces.append(f"{html.escape(self.label)}</text>")
        for place, row in enumerate(self.reach.to_dict("records")):
            y, low_end, high_end = _TOP + _ROW * (place + 0.5), row["lowest"], row["highest"]
            name = html.escape(shortened(str(row["feature"]), 26))
            pieces.append(f'<text x="{_LEFT - 10}" y="{y + 4:.1f}" text-anchor="end">{name}</text>')
            pieces.append(f'<path d="M{x(low_end):.1f} {y:.1f}H{x(high_end):.1f}" stroke="{colour(0)}" ')
            pieces.append('stroke-width="3" stroke-linecap="round"/>')
            pieces.append(f'<circle cx="{x(self.now):.1f}" cy="{y:.1f}" r="5.5" fill="{colour(0)}"/>')
        return svg(bottom + 42, alt, "".join(pieces))

    def _threshold(self, x: float, bottom: float) -> str:
        line = (
            f'<path d="M{x:.1f} {_TOP - 4}V{bottom}" stroke="{colour(1)}" stroke-width="1.5" stroke-dasharray="6 3"/>'
        )
        return (
            f'{line}<text x="{x:.1f}" y="{_TOP - 9}" text-anchor="middle">threshold {format_value(self.bound)}</text>'
        )

    def _ends(self) -> tuple[float, float]:
        bound = [] if self.bound is None else [self.bound]
        every = np.array([self.now, *bound, *self.reach["lowest"], *self.reach["highest"]], dtype=float)
        low, high = float(every.min()), float(every.max())
        room = (high - low or abs(high) or 1.0) * 0.04
        return low - room, high + room
