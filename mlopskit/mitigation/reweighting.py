"""Reweighting: rows weighted so that a sensitive column and the target are independent in what a model learns from.

Where a group holds fewer positive rows than its size would give it, a model learns that being of the group speaks
against the positive class. Each row gets the weight P(a)·P(y) / P(a, y) for its group a and class y: rows of a
combination that is rarer than chance count more, the others less. A column is then independent of the target under
the weights, and no row is changed, added or left out. Nothing is asked of a request that was not asked before: the
column is needed to fit and not to predict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.errors import ModelError
from mlopskit.tally import Grouping

REWEIGHTING = "reweighting"


def reweigh(groups: npt.ArrayLike, labels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the weight P(a)·P(y) / P(a, y) of each row.

    Parameters
    ----------
    groups, labels : array_like, shape (n,)
        Group and class of each row; a missing group is a group of its own.

    Returns
    -------
    ndarray, shape (n,)
        Weights above 0; their mean is 1 where every group holds every class.

    Raises
    ------
    ModelError
        When the lengths differ or there are no rows.

    References
    ----------
    Kamiran, F. and Calders, T. (2012). Data preprocessing techniques for classification without discrimination.
    Knowledge and Information Systems 33, 1-33.

    Examples
    --------
    >>> reweigh(["f", "f", "m", "m", "m", "m"], [0, 1, 1, 1, 1, 0]).round(3).tolist()
    [0.667, 1.333, 0.889, 0.889, 0.889, 1.333]
    """
    a, y = (pd.factorize(np.asarray(values, dtype=object), use_na_sentinel=False)[0] for values in (groups, labels))
    if len(a) != len(y) or len(a) == 0:
        raise ModelError(
            f"Rows can be weighted when each has a group and a class: there are {len(a)} groups and {len(y)} classes."
        )
    joint = np.zeros((a.max() + 1, y.max() + 1))
    np.add.at(joint, (a, y), 1)
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0)) / len(a)
    return np.asarray(expected[a, y] / joint[a, y], dtype=np.float64)


@dataclass(frozen=True)
class Reweighting:
    """Training rows that count more or less, by a sensitive column and the target.

    Attributes
    ----------
    column : str
        The sensitive column; numbers are cut into four groups of about equal size, rare categories share one.
    """

    column: str

    @property
    def name(self) -> str:
        """Its name in the project file."""
        return REWEIGHTING

    def groups(self, rows: pd.DataFrame) -> pd.Series[Any]:
        """Return the group of each row, in words."""
        return Grouping.fit(rows, [self.column]).transform(rows)[self.column]

    def weights(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the weights of rows that hold the column and the target, shape (n,)."""
        return reweigh(self.groups(rows), rows[TARGET])

    def table(self, rows: pd.DataFrame, *, target: Target) -> pd.DataFrame:
        """Return group, class, n and weight, one row a combination that occurs."""
        found = pd.DataFrame(
            {
                "group": self.groups(rows).to_numpy(),
                "class": [target.classes[int(index)] for index in rows[TARGET]],
                "weight": self.weights(rows),
            }
        )
        counted = found.groupby(["group", "class"], as_index=False).agg(
            n=("weight", "size"), weight=("weight", "first")
        )
        return counted[["group", "class", "n", "weight"]]


def fit_weighted(estimator: Any, X: Any, y: Any, weights: npt.NDArray[np.float64] | None) -> Any:
    """Fit an estimator on weighted rows, or on rows as they are when `weights` is None; returns the estimator.

    Raises
    ------
    ModelError
        When the estimator's ``fit`` takes no ``sample_weight``.
    """
    if weights is None:
        return estimator.fit(X, y)
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(estimator, "sample_weight"):
        raise ModelError(
            f"{type(estimator).__name__} cannot learn from weighted rows: its fit takes no sample_weight. Take it out "
            'of [model] candidates, let its fit take sample_weight, or set mitigation = "none".'
        )
    return estimator.fit(X, y, sample_weight=weights)
