"""Threshold against group rates, to turn by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import traitlets

from mlopskit import display
from mlopskit.display import Note
from mlopskit.errors import MetricError, listing, nearest
from mlopskit.explore.controls import Slider
from mlopskit.explore.drawing import Lines, figure, page_table, sentence
from mlopskit.explore.evidence import grouped_rows
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.threshold_table import ThresholdTable
from mlopskit.explored import AT, BETWEEN, CALLED, GUESS, OWN, RATES, TOO_FEW
from mlopskit.metrics import ESTIMATED
from mlopskit.runs import Run
from mlopskit.tally import Tally

_STEPS = 200
"""Of the slider, from 0 to the highest score."""
_POINTS = 80
_ALL = "all rows"


def thresholds(run: Run, *, column: str | None = None) -> ThresholdExplorer | Note:
    """Explore what each threshold would do to each group of the test rows.

    Parameters
    ----------
    run : Run
        As from `mlopskit.load_run` or `mlopskit.open_run`; its evaluate phase has ended.
    column : str, optional
        The declared column to begin with; the first by default.

    Returns
    -------
    ThresholdExplorer or Note
        A note where there is no threshold: several classes, quantities, or a model without scores.

    Raises
    ------
    RunError
        When the run lacks what is read.
    MetricError
        When `column` is not declared.
    """
    data = grouped_rows(run)
    if data.target.task != "binary" or "score" not in data.predictions.columns:
        return display.note(
            "Not applicable: a threshold divides the scores of two classes, and this model gives none.", tone="plain"
        )
    whole = Tally.from_table(data.predictions)
    tables = {name: ThresholdTable.from_tally(data.tally(name), whole=whole) for name in data.grouping.names}
    return ThresholdExplorer(
        tables or {_ALL: ThresholdTable.from_tally(whole)},
        start=run.read("model/threshold")["threshold"],
        column=column,
        positive=str(data.target.positive or ""),
        floor=data.floor,
    )


class ThresholdExplorer(Explorer):
    """Threshold, column and rate to choose; every group's rates at that threshold, and the rate at all others.

    Parameters
    ----------
    tables : mapping of str to ThresholdTable
        One a column.
    start : float, optional
        The model's own threshold, marked as such; 0.5 without one.
    column : str, optional
        The column to begin with.
    positive : str
        What the positive class is called.
    floor : int
        The privacy floor; above 1, figures are in the live view only, since those at two thresholds may differ by few
        rows.

    Attributes
    ----------
    threshold : float
        Snaps to the nearest edge of the score bins.
    column, metric : str
        What is shown.
    """

    threshold = traitlets.Float(0.5)
    column = traitlets.Unicode()
    metric = traitlets.Unicode("recall")

    def __init__(
        self,
        tables: Mapping[str, ThresholdTable],
        *,
        start: float | None = None,
        column: str | None = None,
        positive: str = "",
        floor: int = 0,
    ) -> None:
        self._tables = dict(tables)
        self._positive, self._own, self._floor = positive, start, floor
        self._fixed: dict[tuple[str, str], str] = {}
        self._showing = False
        super().__init__(
            column=next(iter(self._tables)) if column is None else column, threshold=0.5 if start is None else start
        )
        self._make_widgets()
        self._show()
        self.observe(self._show, names=["threshold", "column", "metric"])

    @traitlets.validate("threshold")
    def _snapped(self, proposal: Any) -> float:
        return self._first.snap(float(proposal["value"]))

    @traitlets.validate("column")
    def _known_column(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name not in self._tables:
            raise MetricError(
                f"Column {name!r} is not declared{nearest(name, self._tables)}; {listing(self._tables)} are."
            )
        return name

    @traitlets.validate("metric")
    def _known_metric(self, proposal: Any) -> str:
        name = str(proposal["value"])
        if name not in RATES:
            raise MetricError(f"No rate {name!r} by threshold{nearest(name, RATES)}; there are {listing(RATES)}.")
        return name

    @property
    def rates(self) -> pd.DataFrame:
        """Every rate of every group at the threshold, tidy, as from `ThresholdTable.at`."""
        return self._tables[self.column].at(self.threshold)

    def _make_widgets(self) -> None:
        wide = {"description_width": "8em"}
        names = [(name, name) for name in self._tables]
        self._column = widgets.Dropdown(options=names, value=self.column, description="Column", style=wide)
        rates = [(label, name) for name, label in RATES.items()]
        self._metric = widgets.Dropdown(options=rates, value=self.metric, description="Rate drawn", style=wide)
        top = _top(self._first)
        limits = {"min": 0.0, "step": top / _STEPS}
        self._number = widgets.BoundedFloatText(
            description="Threshold", max=1.0, layout=widgets.Layout(width="16em"), style=wide, **limits
        )
        self._slider = Slider(
            description="Slide threshold", max=top, layout=widgets.Layout(width="30em", max_width="100%"), **limits
        )
        self._words, self._figures, self._drawing = widgets.HTML(), widgets.HTML(), widgets.HTML()
        amounts = ((self._number, "threshold"), (self._slider, "threshold"))
        for source, change in ((self._column, "column"), (self._metric, "metric"), *amounts):
            source.observe(lambda found, name=change: self._change(name, found["new"]), names="value")
        row = widgets.Layout(flex_flow="row wrap")
        choices = widgets.HBox([self._column, self._metric], layout=row)
        amount = widgets.HBox([self._number, self._slider], layout=row)
        self.widget = column(choices, amount, self._words, self._drawing, self._figures)

    @property
    def _first(self) -> ThresholdTable:
        """Any of the tables: all have the same rows and edges."""
        return next(iter(self._tables.values()))

    def _change(self, name: str, value: Any) -> None:
        if not self._showing:  # else it was the state that changed the widget
            setattr(self, name, value)

    def _show(self, _: Any = None) -> None:
        """Bring every widget up to the state; what was typed stays as typed while it means the same edge."""
        self._showing = True
        try:
            self._column.value, self._metric.value = self.column, self.metric
            for control in (self._number, self._slider):
                if self._first.snap(control.value) != self.threshold:
                    control.value = min(round(self.threshold, 4), control.max)
        finally:
            self._showing = False
        words, drawing, figures = self._pieces()
        self._words.value, self._drawing.value, self._figures.value = words, drawing, figures

    def picture(self) -> list[str]:
        """Return the sentence, the drawing and the table of this state as HTML; with a privacy floor what it keeps."""
        return [sentence(self._withheld)] if self._floor > 1 else self._pieces()

    def words(self) -> str:
        """Return the sentence and the table of this state as text; with a privacy floor what it keeps."""
        rates = self.rates
        return (
            self._withheld if self._floor > 1 else f"{self._sentence(rates)}\n{by_group(rates).to_string(index=False)}"
        )

    @property
    def _withheld(self) -> str:
        return (
            f"Threshold {self.threshold:.4f}, {self.column}, {RATES[self.metric]}: shown by a running notebook only, "
            f"since the project's privacy floor is {self._floor} rows and figures at near thresholds differ by fewer."
        )

    def _pieces(self) -> list[str]:
        rates = self.rates
        return [sentence(self._sentence(rates)), self._chart(), page_table(by_group(rates), caption=self._caption())]

    def _caption(self) -> str:
        return f"{self.column} at threshold {self.threshold:.4f}: share with its 95 % interval (Wilson)"

    def _sentence(self, rates: pd.DataFrame) -> str:
        """Say what the chosen rate is overall, and between which groups it differs most."""
        rows = rates[rates["metric"] == self.metric].to_dict("records")
        known = [row for row in rows[1:] if row["status"] == ESTIMATED]
        own = self._own is not None and self.threshold == self._first.snap(self._own)
        head = AT.format(
            threshold=f"{self.threshold:.4f}", own=OWN if own else "", rate=RATES[self.metric],
            overall=display.format_value(rows[0]["value"]),
        )  # fmt: skip
        if len(known) < 2:
            return f"{head}.{self._guess()}"
        low, high = min(known, key=lambda row: row["value"]), max(known, key=lambda row: row["value"])
        figures = {"low": f"{low['value']:.3f}", "high": f"{high['value']:.3f}"}
        groups = {"column": self.column, "lowest": low["group"], "highest": high["group"]}
        return f"{head}{BETWEEN.format(**figures, **groups)}.{self._guess()}"

    def _guess(self) -> str:
        """Say what one answer for everybody has as the rate drawn, where that is the same in every group."""
        everybody = int(self._first.positives[0] > self._first.negatives[0])
        return f" {GUESS.format(rate=RATES[self.metric], guess=everybody)}" if self.metric in CALLED else ""

    def _chart(self) -> str:
        table, key = self._tables[self.column], (self.column, self.metric)
        if key not in self._fixed:
            self._fixed[key] = self._lines(table).fixed()
        at = table.course(self.metric, np.array([table.place(self.threshold)]))[:, 0]
        empty = np.empty((0, 0))
        lines = Lines(table.groups, empty, empty, "", "")
        alt = f"{RATES[self.metric]} of each group of {self.column} by threshold, marked at {self.threshold:.4f}: "
        alt += "; ".join(f"{g} {display.format_value(v)}" for g, v in zip(table.groups, at.tolist(), strict=True))
        return figure(lines.svg(self._fixed[key], mark=self.threshold, at=at, alt=alt))

    def _lines(self, table: ThresholdTable) -> Lines:
        places = table.steps(_POINTS)
        positive = f" for “{self._positive}”" if self._positive else ""
        x_label = f"threshold on the score{positive} (n = {table.sizes[0]:,} test rows)"
        return Lines(table.groups, table.edges[places], table.course(self.metric, places), x_label, RATES[self.metric])


def _top(table: ThresholdTable) -> float:
    """Where the slider ends: 1, or where all scores are low a round number above the highest."""
    called = table.true_positives[0] + table.false_positives[0]
    highest = float(table.edges[np.flatnonzero(called)[-1]]) * 1.02
    if highest > 0.5:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(max(highest, 1e-5)))
    return float(np.ceil(highest / unit) * unit)


def by_group(rates: pd.DataFrame) -> pd.DataFrame:
    """Return rates with one row a group: each as its value and interval, or how many rows there were of too few."""
    width = len(RATES)
    shown: dict[str, Any] = {"group": rates["group"].tolist()[::width], "n": rates["n"].tolist()[::width]}
    cells = [_cell(*row) for row in rates[["value", "low", "high", "denominator", "status"]].itertuples(index=False)]
    for place, label in enumerate(RATES.values()):
        shown[label] = cells[place::width]
    return pd.DataFrame(shown)


def _cell(value: float, low: float, high: float, denominator: int, status: str) -> str:
    if status != ESTIMATED:
        return TOO_FEW.format(rows=f"{denominator} rows" if denominator != 1 else "1 row")
    return f"{value:.3f} ({low:.3f}–\N{WORD JOINER}{high:.3f})"  # no line ends within an interval
