"""What each threshold would do to each group: rates read from counts, not from rows.

A tally keeps, for each group, how many rows of each actual class have a score in each of 4,096 bins. Added up from the
top, these counts say how many would be called positive at every edge between two bins; so a table of all rates at any
threshold, or the course of one rate over all of them, costs the same for a thousand rows as for ten million. Only
thresholds at edges are known exactly, so every threshold snaps to the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from mlopskit.errors import MetricError, listing, nearest
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.explored import RATES
from mlopskit.intervals import wilson
from mlopskit.metrics import ESTIMATED, NOT_ESTIMATED
from mlopskit.metrics.estimates import FEWEST
from mlopskit.tally import Tally

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ThresholdTable:
    """Counts by group at every threshold.

    Attributes
    ----------
    groups : tuple of str
        The overall rows first.
    edges : ndarray of float, shape (edges,)
        Thresholds: 0, then the inner edges of the score bins; a score at or above one is called positive.
    true_positives, false_positives : ndarray of int, shape (groups, edges)
        Rows called positive at each threshold, by what they are.
    positives, negatives : ndarray of int, shape (groups,)
        Rows by what they are.

    Examples
    --------
    >>> rows = pd.DataFrame({"sex": list("ffmm"), "_target": [0, 1, 1, 1], "score": [0.2, 0.4, 0.6, 0.9]})
    >>> table = ThresholdTable.from_tally(Tally.from_table(rows.assign(prediction=0), ["sex"]))
    >>> table.at(0.5).query("metric == 'recall'")[["group", "denominator", "value"]].values.tolist()
    [['overall', 3, 0.6666666666666666], ['f', 1, 0.0], ['m', 2, 1.0]]
    """

    groups: tuple[str, ...]
    edges: Floats
    true_positives: Ints
    false_positives: Ints
    positives: Ints
    negatives: Ints

    @classmethod
    def from_tally(cls, tally: Tally, *, whole: Tally | None = None) -> ThresholdTable:
        """Add up the score bins of a binary tally; its cells are the groups.

        Parameters
        ----------
        tally : Tally
        whole : Tally, optional
            Of all rows, where some are in no cell of `tally`.

        Raises
        ------
        MetricError
            When it counted no scores.
        """
        if tally.task != "binary" or not len(tally.scores):
            raise MetricError("Thresholds need scores of two classes; this tally has none. Count a table with scores.")
        names = [" and ".join(map(str, row)) for row in tally.cells.itertuples(index=False, name=None)]
        bins = tally.histogram()
        if tally.columns:
            every = bins if whole is None else whole.histogram()
            bins = np.concatenate([every.sum(axis=0, keepdims=True), bins])
        at_least = np.cumsum(bins[:, :, ::-1], axis=2)[:, :, ::-1]
        edges = np.concatenate([[0.0], tally.score_bins.edges()])
        groups = (OVERALL, *names) if tally.columns else (OVERALL,)
        return cls(groups, edges, at_least[:, 1], at_least[:, 0], at_least[:, 1, 0], at_least[:, 0, 0])

    @property
    def sizes(self) -> Ints:
        """Rows by group, (groups,)."""
        return self.positives + self.negatives

    def place(self, threshold: float) -> int:
        """Return the number of the edge that is nearest to a threshold, on the logit scale that edges are even on."""
        inner = special.logit(self.edges[1:])
        half = (inner[1] - inner[0]) / 2
        wanted = float(special.logit(np.clip(threshold, 0.0, np.nextafter(1.0, 0.0)))) if threshold > 0 else -np.inf
        return 0 if wanted < inner[0] - half else int(np.abs(inner - wanted).argmin()) + 1

    def snap(self, threshold: float) -> float:
        """Return the edge that is nearest to a threshold."""
        return float(self.edges[self.place(threshold)])

    def at(self, threshold: float, *, confidence: float = 0.95) -> pd.DataFrame:
        """Return every rate of every group at the edge nearest to a threshold.

        Parameters
        ----------
        threshold : float
            A probability.
        confidence : float
            Of Wilson's intervals.

        Returns
        -------
        DataFrame
            group, n, metric, denominator, value, low, high, method, status: one row a group and metric, as from
            `mlopskit.group_metrics`. Fewer than 10 rows in a denominator: no interval, ``cannot-be-estimated``.
        """
        place = self.place(threshold)
        parts = [_rates(*_counted(self, name, place), confidence=confidence) for name in RATES]
        table = pd.concat(
            [
                pd.DataFrame({"group": self.groups, "n": self.sizes, "metric": name, **part})
                for name, part in zip(RATES, parts, strict=True)
            ],
            ignore_index=True,
        )
        order = np.arange(len(table)).reshape(len(RATES), len(self.groups)).T.ravel()
        return table.iloc[order].reset_index(drop=True)

    def course(self, metric: str, places: Any = slice(None)) -> Floats:
        """Return one rate of every group at all edges, or those at `places`, (groups, edges); NaN where undefined.

        Raises
        ------
        MetricError
            When there is no such rate.
        """
        hits, total = _counted(self, metric, places)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(hits / total)

    def steps(self, count: int = 200) -> Ints:
        """Return edges to step through: half spread evenly over the probabilities, half where the scores are.

        Returns
        -------
        ndarray of int, shape (at most count,)
            Places in `edges`, rising.
        """
        half = max(count // 2, 2)
        even = [self.place(value) for value in np.linspace(0, 1, half + 1)[:-1]]
        called = (self.true_positives[0] + self.false_positives[0])[::-1]
        wanted = np.linspace(0, called[-1], half)
        dense = len(self.edges) - 1 - np.searchsorted(called, wanted, side="left")
        return np.unique(np.concatenate([even, dense])).astype(np.int64)


def _counted(table: ThresholdTable, metric: str, places: Any) -> tuple[Any, Any]:
    """What a rate counts and what it is a share of, at one edge (groups,) or several (groups, edges)."""
    if metric not in RATES:
        raise MetricError(
            f"No rate {metric!r} is counted by threshold{nearest(metric, RATES)}; there are {listing(RATES)}."
        )
    hits, alarms = table.true_positives[:, places], table.false_positives[:, places]
    positives, negatives = (
        np.broadcast_to(part if hits.ndim == 1 else part[:, None], hits.shape)
        for part in (table.positives, table.negatives)
    )
    counted = {
        "selection_rate": (hits + alarms, positives + negatives),
        "recall": (hits, positives),
        "false_positive_rate": (alarms, negatives),
        "precision": (hits, hits + alarms),
        "accuracy": (hits + negatives - alarms, positives + negatives),
    }
    return counted[metric]


def _rates(hits: Ints, total: Ints, *, confidence: float) -> dict[str, Any]:
    enough = total >= FEWEST
    with np.errstate(invalid="ignore", divide="ignore"):
        value = hits / total
    low, high = wilson(hits, total, confidence=confidence)
    return {
        "denominator": total,
        "value": value,
        "low": np.where(enough, low, np.nan),
        "high": np.where(enough, high, np.nan),
        "method": np.where(enough, "Wilson", f"fewer than {FEWEST} in the denominator"),
        "status": np.where(enough, ESTIMATED, NOT_ESTIMATED),
    }
