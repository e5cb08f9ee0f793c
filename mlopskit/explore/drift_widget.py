"""Drift by hand: a column and a window, its reference beside it, and what the monitor made of the difference."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import traitlets

from mlopskit import display
from mlopskit.display import Note, format_value
from mlopskit.errors import listing
from mlopskit.explore.drawing import figure, page_table, sentence, shortened
from mlopskit.explore.drift_table import STATISTICS, DriftEvidence
from mlopskit.explore.explorer import Explorer, column
from mlopskit.explore.points import PairedBars, Points
from mlopskit.runs import Run

_BINS = 22
_HEADINGS = {"chance": "chance alone reaches", "adjusted": "p, adjusted"}


def drift(run: Run, *, feature: str | None = None) -> DriftExplorer | Note:
    """Explore how the inputs and outputs of a run's model moved in production.

    Parameters
    ----------
    run : Run
        As from `mlopskit.load_run` or `mlopskit.open_run`; its monitor phase has ended.
    feature : str, optional
        The column to begin with; the one that moved farthest by default.

    Returns
    -------
    DriftExplorer or Note
        A note where nothing was watched.

    Raises
    ------
    RunError
        When the run lacks what is read, or `feature` was not watched.
    """
    evidence = DriftEvidence.read(run)
    if not evidence.features:
        return display.note("Not applicable: the request log holds no column that could drift.")
    return DriftExplorer(evidence, feature=feature)


class DriftExplorer(Explorer):
    """A column and a window to choose; reference and window bin by bin, and the statistics in every window.

    Parameters
    ----------
    evidence : DriftEvidence
    feature : str, optional
        The column to begin with.

    Attributes
    ----------
    feature, window : str
        What is shown.
    """

    feature = traitlets.Unicode()
    window = traitlets.Unicode()

    def __init__(self, evidence: DriftEvidence, *, feature: str | None = None) -> None:
        self.evidence = evidence
        first = evidence.features[0] if feature is None else feature
        super().__init__(feature=first, window=evidence.farthest(first))
        self._make_widgets()
        self._show()
        self.observe(self._show, names=["feature", "window"])

    @traitlets.validate("feature")
    def _known_feature(self, proposal: Any) -> str:
        return self.evidence.known_feature(str(proposal["value"]))

    @traitlets.validate("window")
    def _known_window(self, proposal: Any) -> str:
        return self.evidence.known_window(str(proposal["value"]))

    @property
    def bins(self) -> pd.DataFrame:
        """Reference and window bin by bin, as from `DriftEvidence.bins`."""
        return self.evidence.bins(self.feature, self.window)

    @property
    def statistics(self) -> pd.DataFrame:
        """The statistics of this column in this window, as the monitor phase computed them."""
        return self.evidence.statistics(self.feature, self.window)

    def _make_widgets(self) -> None:
        wide = {"style": {"description_width": "5em"}}
        names = self.evidence.features
        self._feature = widgets.Dropdown(options=names, value=self.feature, description="Column", **wide)
        self._window = widgets.Dropdown(
            options=list(self.evidence.windows), value=self.window, description="Window", **wide
        )
        widgets.link((self._feature, "value"), (self, "feature"))
        widgets.link((self._window, "value"), (self, "window"))
        self._words, self._course, self._bars, self._figures = (widgets.HTML() for _ in range(4))
        choices = widgets.HBox([self._feature, self._window], layout=widgets.Layout(flex_flow="row wrap"))
        self.widget = column(choices, self._words, self._course, self._bars, self._figures)

    def _show(self, _: Any = None) -> None:
        self._words.value = sentence(self._sentence())
        self._course.value, self._bars.value, self._figures.value = self._drawn(), self._distribution(), self._table()

    def picture(self) -> list[str]:
        """Return this state as HTML; with a privacy floor without the bins, of which some may hold few rows."""
        bars = self._distribution() if self.evidence.floor < 2 else sentence(self._withheld)
        return [sentence(self._sentence()), self._drawn(), bars, self._table()]

    def words(self) -> str:
        """Return the sentence and the statistics of this state as text."""
        return f"{self._sentence()}\n{self.statistics.to_string(index=False)}"

    @property
    def _withheld(self) -> str:
        return f"Bins are shown by a running notebook only: the project's privacy floor is {self.evidence.floor} rows."

    def _sentence(self) -> str:
        course = self.evidence.course(self.feature)
        row = course[course["window"] == self.window].to_dict("records")[0]
        head = f"{self.feature} in {self.window}"
        if pd.isna(row["value"]):
            return f"{head}: {row['status']}, {self._why(str(row['status']))}."
        n, value, chance = int(row["n"]), format_value(row["value"]), format_value(row["chance"])
        beyond = "above" if row["value"] > row["chance"] else "within"
        words = [f"{head}: PSI {value} of {n:,} rows, {beyond} the {chance} that chance alone reaches"]
        if pd.notna(row["threshold"]):
            side = "above" if row["value"] > row["threshold"] else "within"
            words.append(f"{side} the threshold {format_value(row['threshold'])}")
        return " and ".join(words) + f": {row['status']}. {self._alert()}"

    def _why(self, status: str) -> str:
        if self.feature not in self.evidence.counts:
            return "the log does not hold this column"
        return "withheld by the project's privacy floor" if status == "hidden" else "too few rows"

    def _alert(self) -> str:
        told = self.evidence.alerts_of(self.feature)
        raised = told[told["status"] == "alert"]
        if raised.empty:
            return "No alert is raised for this column." if len(told) else "No threshold of the scope watches it."
        whom = listing(sorted({str(name) for name in raised["tell"] if name}))
        since = ", ".join(str(window) for window in raised["first"])
        return f"An alert is raised for this column, first in {since}" + (f"; told: {whom}." if whom else ".")

    def _drawn(self) -> str:
        course = self.evidence.course(self.feature)
        values, chance = (course[name].to_numpy(dtype=float) for name in ("value", "chance"))
        bounds = course["threshold"].dropna()
        empty = np.full(len(course), np.nan)
        sizes = f"{int(course['n'].min()):,} to {int(course['n'].max()):,}" if course["n"].notna().any() else "0"
        points = Points(
            list(course["window"]), values, empty, empty, f"window (n = {sizes} rows each; bar: chance alone reaches)",
            "PSI", bound=float(bounds.iloc[0]) if len(bounds) else None, bound_label="threshold", chance=chance,
        )  # fmt: skip
        told = "; ".join(f"{row.window} {format_value(row.value)}" for row in course.itertuples())
        alt = f"PSI of {self.feature} in each window: {told}"
        return figure(points.svg(chosen=self.evidence.windows.index(self.window), alt=alt))

    def _distribution(self) -> str:
        table = self.bins
        if table.empty:
            return sentence(f"No bins of {self.feature} can be shown in {self.window}.")
        both = (table["reference"] + table["current"]).sort_values(ascending=False, kind="stable")
        shown = table.loc[sorted(both.index[:_BINS])]
        before, now = (int(table[name].sum()) for name in ("n_reference", "n_current"))
        titles = f"reference (n = {before:,} rows)", f"{shortened(self.window)} (n = {now:,} rows)"
        bars = PairedBars(list(shown["bin"]), shown["reference"].to_numpy(), shown["current"].to_numpy(), titles)
        most = table.sort_values("part", ascending=False, kind="stable").to_dict("records")[0]
        alt = f"Share of rows in each bin of {self.feature}, reference against {self.window}; most of the drift comes "
        alt += f"from {most['bin']}: {most['reference']:.1%} before, {most['current']:.1%} now"
        left = sentence(f"The largest {_BINS} of {len(table)} bins are drawn.") if len(table) > _BINS else ""
        return figure(bars.svg(alt=alt)) + left

    def _table(self) -> str:
        shown = self.statistics
        shown["statistic"] = shown["statistic"].map(lambda name: STATISTICS.get(name, name))
        return page_table(shown, caption=f"{self.feature} in {self.window}", headings=_HEADINGS)
