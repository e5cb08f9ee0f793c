"""fairlearn's two mitigations, fitted for a comparison: their decisions are drawn at random, here with a given seed.

**ThresholdOptimizer** (Hardt et al. 2016) keeps a model's scores and gives each group thresholds of its own, between
which it draws; it needs the group of every row that it decides on. **ExponentiatedGradient** (Agarwal et al. 2018)
refits an estimator again and again on reweighted rows and draws, row by row, which of the fits decides.

A group with few rows of a class gives no threshold that would hold for others, so such groups share one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

from mlopskit.errors import ModelError, listing
from mlopskit.model.fitting import calmly

Ints = npt.NDArray[np.int64]

FEWEST_FITTED = 20
"""A group with fewer rows of either class shares its thresholds with other such groups."""
MOST_ROWS = 20_000
"""ExponentiatedGradient is fitted on a seeded sample of the training rows where there are more."""
FEW = "few rows"


class Scores(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """A fitted classifier whose input is its own score, so that thresholds can be set on scores already made."""

    classes_ = np.array([0, 1])

    def fit(self, X: Any, y: Any) -> Scores:  # noqa: ARG002
        """Learn nothing."""
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the one column as the probability of the positive class."""
        score = np.asarray(X, dtype=np.float64)[:, 0]
        return np.column_stack([1 - score, score])

    def __sklearn_is_fitted__(self) -> bool:
        return True


def pooled(groups: npt.ArrayLike, labels: npt.ArrayLike, *, fewest: int = FEWEST_FITTED) -> npt.NDArray[Any]:
    """Let groups with fewer than `fewest` rows of either class share one; if that is too small, join the largest.

    Parameters
    ----------
    groups : array_like of str, shape (n,)
    labels : array_like of int, shape (n,)
        0 and 1.

    Raises
    ------
    ModelError
        When fewer than two groups remain.

    Examples
    --------
    >>> list(pooled(["a", "a", "b", "b", "c", "d"], [0, 1, 0, 1, 0, 1], fewest=1))
    ['a', 'a', 'b', 'b', 'few rows', 'few rows']
    """
    names, y = np.asarray(groups, dtype=object), np.asarray(labels)
    counts = pd.crosstab(names, y).reindex(columns=[0, 1], fill_value=0)
    small = counts.index[counts.min(axis=1) < fewest]
    large = counts.drop(index=small)
    if len(large) + bool(len(small)) < 2 or large.empty:
        raise ModelError(
            f"Fewer than two groups have {fewest} rows of each class; the groups are {listing(counts.index)}."
        )
    rest = FEW
    if len(small) and counts.loc[small].sum().min() < fewest:
        rest = str(large.sum(axis=1).idxmax())
    found = np.where(np.isin(names, small.to_numpy()), rest, names)
    if len(set(found)) < 2:
        raise ModelError(f"Fewer than two groups have {fewest} rows of each class: only {rest!r} does.")
    return found


def halves(strata: npt.NDArray[Any], *, seed: int) -> Ints:
    """Deal rows to halves 0 and 1 at random, evenly within each stratum."""
    codes, order = pd.factorize(strata)[0], np.random.default_rng(seed).permutation(len(strata))
    order = order[np.argsort(codes[order], kind="stable")]
    half = np.empty(len(strata), dtype=np.int64)
    half[order] = np.arange(len(strata)) % 2
    return half


def optimise_thresholds(
    y: Ints, score: npt.NDArray[np.float64], groups: npt.NDArray[Any], *, constraint: str, objective: str, seed: int
) -> Ints:
    """Decide on each row by thresholds that fairlearn found on the other half of the rows.

    Parameters
    ----------
    y : ndarray of int, shape (n,)
        1 for positive rows.
    score : ndarray, shape (n,)
        The model's probability of the positive class.
    groups : ndarray of str, shape (n,)
        As from `pooled`.
    constraint, objective : str
        fairlearn's names of what is to be equal between groups and of what is to be as large as possible.
    seed : int
        Of the halves and of the draws.

    References
    ----------
    Hardt, M., Price, E. and Srebro, N. (2016). Equality of opportunity in supervised learning. NIPS 29.
    """
    from fairlearn.postprocessing import ThresholdOptimizer

    half = halves(np.char.add(groups.astype(str), y.astype(str)), seed=seed)
    decided, X = np.empty(len(y), dtype=np.int64), score.reshape(-1, 1)
    for place in (0, 1):
        learn, judge = half != place, half == place
        found = ThresholdOptimizer(
            estimator=Scores(), constraints=constraint, objective=objective, prefit=True, predict_method="predict_proba"
        )
        with calmly([]):
            found.fit(X[learn], y[learn], sensitive_features=groups[learn])
        decided[judge] = found.predict(X[judge], sensitive_features=groups[judge], random_state=seed + place)
    return decided


def linear_model() -> Any:
    """Return the estimator that ExponentiatedGradient refits: a logistic regression that takes milliseconds."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="newton-cholesky", max_iter=100)


def exponentiated_gradient(
    X: Any,
    y: Ints,
    groups: npt.NDArray[Any],
    *,
    constraint: str,
    objective: str,
    iterations: int,
    seed: int,
) -> tuple[Any, int]:
    """Fit fairlearn's ExponentiatedGradient over a linear model.

    Parameters
    ----------
    X, y, groups : array_like of n rows
        Prepared training rows, 1 for positive rows, the group as from `pooled`.
    constraint : str
        What is to be equal between groups.
    objective : str
        ``balanced_accuracy`` makes the mistakes of the rarer class cost more, so that both classes weigh alike;
        ``accuracy`` counts every mistake once.
    iterations : int
        At most; a solution is taken earlier where it is good enough.
    seed : int
        Of the sample, where there are more than `MOST_ROWS` rows.

    Returns
    -------
    tuple
        The fitted mitigation, whose ``predict(X, random_state=…)`` draws, and the number of rows that it was fitted on.

    References
    ----------
    Agarwal, A. et al. (2018). A reductions approach to fair classification. ICML 35, 60-69.
    """
    from fairlearn import reductions

    taken = np.arange(len(y))
    if len(y) > MOST_ROWS:
        taken = np.sort(np.random.default_rng(seed).choice(len(y), MOST_ROWS, replace=False))
    dense, share = dense_rows(X[taken]), float(y[taken].mean())
    even = {"fp": 0.5 / (1 - share), "fn": 0.5 / share} if objective == "balanced_accuracy" else None
    constraints = {
        "demographic_parity": reductions.DemographicParity,
        "equalized_odds": reductions.EqualizedOdds,
        "true_positive_rate_parity": reductions.TruePositiveRateParity,
        "false_positive_rate_parity": reductions.FalsePositiveRateParity,
    }
    made = reductions.ExponentiatedGradient(
        linear_model(), constraints[constraint](), objective=reductions.ErrorRate(costs=even), max_iter=iterations
    )
    with calmly([]):  # fairlearn 0.15 uses what pandas 3 warns of
        made.fit(dense, y[taken], sensitive_features=groups[taken])
    return made, len(taken)


def dense_rows(X: Any) -> Any:
    """Return rows as a plain array, which is what fairlearn takes; text makes sparse ones."""
    return X.toarray() if hasattr(X, "toarray") else np.asarray(X)
