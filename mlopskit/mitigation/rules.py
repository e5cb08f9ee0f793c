"""What fairlearn's ThresholdOptimizer finds, as plain numbers: for each group two thresholds and three chances of yes.

A group's rule mixes two thresholds on the score and, for equalized odds, an answer by lot. So the chance of yes is a
step function: one value up to the lower threshold, one between the two, one above the upper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rules:
    """The rule of each group.

    Attributes
    ----------
    groups : tuple of str
        Sorted.
    edges : ndarray, shape (groups, 2)
        Lower and upper threshold on the score; may be infinite.
    chances : ndarray, shape (groups, 3)
        Probability of yes at or below the lower edge, up to the upper edge, and above.
    """

    groups: tuple[str, ...]
    edges: Floats
    chances: Floats

    def places(self, groups: Sequence[Any] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the position of each group; −1 for one without a rule."""
        known = {name: place for place, name in enumerate(self.groups)}
        return np.array([known.get(str(name), -1) for name in groups], dtype=np.int64)

    def chance(self, score: Floats, places: npt.NDArray[np.int64]) -> Floats:
        """Return the probability of yes for each row, shape (n,); rows have a score and the position of a rule."""
        step = (score[:, None] > self.edges[places]).sum(axis=1)
        return np.asarray(self.chances[places, step], dtype=np.float64)


def optimised_rules(
    y: npt.NDArray[np.int64], score: Floats, groups: npt.NDArray[Any], *, constraint: str, objective: str
) -> Rules:
    """Have fairlearn find the rules that make groups alike and are best otherwise.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
        1 for positive rows.
    score : ndarray, shape (n,)
        The model's probability of the positive class.
    groups : ndarray of str, shape (n,)
        As from `mlopskit.mitigation.groups.pooled`.
    constraint : str
        What is to be equal between groups, as fairlearn calls it.
    objective : str
        ``accuracy`` or ``balanced_accuracy``.

    References
    ----------
    Hardt, M., Price, E. and Srebro, N. (2016). Equality of opportunity in supervised learning. NIPS 29.
    """
    from fairlearn.postprocessing import ThresholdOptimizer

    found = ThresholdOptimizer(
        estimator=Scores(), constraints=constraint, objective=f"{objective}_score", prefit=True,
        predict_method="predict_proba",
    )  # fmt: skip
    found.fit(score.reshape(-1, 1), y, sensitive_features=groups)
    made = {str(group): _rule(mix) for group, mix in found.interpolated_thresholder_.interpolation_dict.items()}
    names = tuple(sorted(made))
    return Rules(names, np.array([made[name][0] for name in names]), np.array([made[name][1] for name in names]))


def _rule(mix: Any) -> tuple[list[float], list[float]]:
    """Edges and chances of one of fairlearn's mixtures; without `flip` all its operations are “above a threshold”."""
    ignored = float(mix.get("p_ignore", 0.0))
    base = ignored * float(mix.get("prediction_constant", 0.0))
    steps = sorted(
        (float(operation.threshold), (1 - ignored) * float(share))
        for operation, share in ((mix.operation0, mix.p0), (mix.operation1, mix.p1))
    )
    (lower, first), (upper, second) = steps
    chances = np.clip([base, base + first, base + first + second], 0.0, 1.0)
    return [lower, upper], np.round(chances, 12).tolist()


class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """A fitted classifier whose input is its own score, so that thresholds can be set on scores already made."""

    classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any) -> Scores:  # noqa: ARG002
        """Learn nothing."""
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the one column as the probability of the positive class."""
        score = np.asarray(X, dtype=np.float64)[:, 0]
        return np.column_stack([1 - score, score])

    def __sklearn_is_fitted__(self) -> bool:
        return True
