"""From a score to a decision: the threshold at which yes and no part, chosen on validation rows.

A model gives probabilities; a decision needs a cut. 0.5 is right only if both mistakes cost the same and the
probabilities are true, so the cut is chosen for what is wanted of the decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import ModelError, listing, nearest

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Objective:
    """What a threshold is chosen for.

    Attributes
    ----------
    name : str
        ``balanced_accuracy``, ``f1``, ``youden`` (recall + specificity − 1, so the same cut as balanced accuracy) or
        ``cost``.
    false_negative_cost : float
        For ``cost``: what a missed positive costs when a false alarm costs 1.
    """

    name: str = "balanced_accuracy"
    false_negative_cost: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in _OBJECTIVES:
            known = f"{nearest(self.name, _OBJECTIVES)}; there are {listing(_OBJECTIVES)}"
            raise ModelError(f"Unknown threshold objective {self.name!r}{known}.")

    @property
    def greater_is_better(self) -> bool:
        """False for costs."""
        return self.name != "cost"

    @property
    def label(self) -> str:
        """For axes and sentences."""
        if self.name == "cost":
            return f"mean cost (a miss costs {self.false_negative_cost:g}, a false alarm 1)"
        return {"balanced_accuracy": "balanced accuracy", "f1": "F1", "youden": "Youden's J"}[self.name]

    def values(self, tp: Floats, fp: Floats, positives: int, negatives: int) -> Floats:
        """Return the objective for counts of true and false positives at each cut, same shape."""
        sizes = float(max(positives, 1)), float(max(negatives, 1))
        return _OBJECTIVES[self.name](tp, fp, *sizes, self.false_negative_cost)


_Function = Callable[[Floats, Floats, float, float, float], Floats]

_OBJECTIVES: Mapping[str, _Function] = {
    "balanced_accuracy": lambda tp, fp, p, n, _: (tp / p + 1 - fp / n) / 2,
    "f1": lambda tp, fp, p, _n, _c: 2 * tp / (tp + fp + p),
    "youden": lambda tp, fp, p, n, _: tp / p - fp / n,
    "cost": lambda tp, fp, p, n, cost: (fp + cost * (p - tp)) / (p + n),
}


@dataclass(frozen=True)
class Threshold:
    """The chosen threshold.

    Attributes
    ----------
    threshold : float or None
        At or above this score the positive class is predicted; None where there is nothing to cut, or where a
        mitigation decides (see `mlopskit.model.mitigated`).
    objective : str
        What it was chosen for.
    value : float or None
        The objective at that threshold on the rows it was chosen on, so a little too good.
    """

    threshold: float | None
    objective: str
    value: float | None


def choose_threshold(
    y_true: npt.ArrayLike, scores: npt.ArrayLike | None, *, objective: Objective | None = None
) -> Threshold:
    """Choose the threshold that is best for an objective.

    Every place between two neighbouring scores is tried; ties go to the higher threshold.

    Parameters
    ----------
    y_true : array_like of int, shape (n,)
        1 for positive rows.
    scores : array_like of float, shape (n,), or None
        Probability of the positive class; anything else (several classes, no scores) has no threshold.
    objective : Objective, optional
        Balanced accuracy when left out.

    Examples
    --------
    >>> choose_threshold([0, 0, 1, 1], [0.1, 0.4, 0.6, 0.9]).threshold
    0.5
    """
    objective = objective or Objective()
    if scores is None or np.ndim(scores) != 1:
        return Threshold(None, "not applicable", None)
    cuts, values = _all_cuts(np.asarray(y_true), np.asarray(scores, dtype=float), objective)
    best = int(np.argmax(values if objective.greater_is_better else -values))
    return Threshold(float(cuts[best]), objective.name, float(values[best]))


def _all_cuts(y: npt.NDArray[Any], scores: Floats, objective: Objective) -> tuple[Floats, Floats]:
    """Return thresholds from high to low and the objective at each; scores at or above count as positive."""
    order = np.argsort(-scores, kind="stable")
    y, scores = y[order], scores[order]
    last = np.flatnonzero(np.append(np.diff(scores) != 0, True))  # the last row of each run of equal scores
    tp, called = np.cumsum(y)[last].astype(float), (last + 1).astype(float)
    lower = np.append(scores[last[1:]], scores[-1])
    cuts = (scores[last] + lower) / 2
    cuts = np.where(cuts > lower, cuts, scores[last])  # two scores so close that their middle is the lower one
    positives = int(y.sum())
    return cuts, objective.values(tp, called - tp, positives, len(y) - positives)


def threshold_curve(
    y_true: npt.ArrayLike,
    scores: npt.ArrayLike | None,
    *,
    objective: Objective,
    points: int = 200,
    chosen: Threshold | None = None,
    floor: int = 0,
) -> pd.DataFrame:
    """Return the objective, recall, precision and share selected against the threshold.

    Parameters
    ----------
    y_true, scores : array_like, shape (n,)
        As for `choose_threshold`.
    objective : Objective
        What is drawn.
    points : int
        At most so many thresholds, evenly spread over the rows.
    chosen : Threshold, optional
        The one in use, which is drawn too.
    floor : int
        Privacy floor: only thresholds between any two of which, and the one in use, lie no rows of a class or as many.

    Returns
    -------
    DataFrame
        threshold, objective, recall, precision, selected; empty where there is no threshold.
    """
    if scores is None or np.ndim(scores) != 1:
        return pd.DataFrame(columns=["threshold", "objective", "recall", "precision", "selected"], dtype=float)
    y, s = np.asarray(y_true), np.sort(np.asarray(scores, dtype=float))
    cuts = np.unique(s[np.unique(np.linspace(0, len(s) - 1, points).astype(int))])
    if floor > 1:
        from mlopskit.tally.floor.scores import cuts as safe_cuts

        called = None if chosen is None or chosen.threshold is None else np.asarray(scores) >= chosen.threshold
        safe = np.sort(safe_cuts(y == 1, scores, called, floor=floor))
        cuts = safe[np.unique(np.linspace(0, len(safe) - 1, points).astype(int))]
    sorted_positive = np.sort(np.asarray(scores, dtype=float)[y == 1])
    selected = (len(s) - np.searchsorted(s, cuts)).astype(float)
    tp = (len(sorted_positive) - np.searchsorted(sorted_positive, cuts)).astype(float)
    positives = len(sorted_positive)
    return pd.DataFrame(
        {
            "threshold": cuts,
            "objective": objective.values(tp, selected - tp, positives, len(y) - positives),
            "recall": tp / max(positives, 1),
            "precision": tp / np.maximum(selected, 1),
            "selected": selected / len(y),
        }
    )
