"""A mixture of linear models, as fairlearn's ExponentiatedGradient finds it.

ExponentiatedGradient fits a logistic regression again and again on rows weighted, and classes exchanged, in favour of
whoever came off worst, and gives each fit a weight. Which of them decides on a row is drawn by that weight. The members
are kept as coefficients, so nothing of fairlearn is needed to decide, and a row's sensitive value is not asked for.
The members were fitted to exchanged classes, so their probabilities say nothing of a row; the mixture's score is the
weight of the members that say yes: the probability of deciding yes.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from mlopskit.mitigation.draws import dense_rows, row_draws

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ITERATIONS = 10
"""Of ExponentiatedGradient, at most."""
MOST_ROWS = 20_000
"""It is fitted on a seeded sample of the rows where there are more."""


def linear_model() -> Any:
    """Return the estimator that is fitted again and again: a logistic regression that takes milliseconds."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(solver="newton-cholesky", max_iter=100)


class LinearMixture(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """Weighted linear members, one of which decides each row.

    Parameters
    ----------
    constraint : str
        What is to be equal between groups, as fairlearn calls it.
    objective : str
        ``balanced_accuracy`` makes the mistakes of the rarer class cost more, so that both classes weigh alike;
        ``accuracy`` counts every mistake once.
    iterations : int
        At most; a solution is taken earlier where it is good enough.
    seed : int
        Of the draws, and of the sample where there are more than `MOST_ROWS` rows.

    Attributes
    ----------
    coef_, intercept_ : ndarray, shape (members, columns) and (members,)
        A member says yes where ``X @ coef + intercept`` is above 0.
    weights_ : ndarray, shape (members,)
        Above 0; their sum is 1.
    n_rows_, n_iter_ : int
        Rows and iterations used.
    """

    classes_ = np.array([0, 1])
    decides_itself = True
    """No threshold on the score can take the place of `predict`."""

    def __init__(
        self, *, constraint: str = "demographic_parity", objective: str = "balanced_accuracy",
        iterations: int = ITERATIONS, seed: int = 0,
    ) -> None:  # fmt: skip
        self.constraint = constraint
        self.objective = objective
        self.iterations = iterations
        self.seed = seed

    def fit(self, X: Any, y: Any, *, groups: npt.NDArray[Any]) -> LinearMixture:
        """Have fairlearn find members and weights.

        Parameters
        ----------
        X : array_like, shape (n, columns)
            Prepared rows.
        y : array_like of int, shape (n,)
            1 for positive rows.
        groups : ndarray of str, shape (n,)
            As from `mlopskit.mitigation.groups.pooled`.

        References
        ----------
        Agarwal, A. et al. (2018). A reductions approach to fair classification. ICML 35, 60-69.
        """
        y, taken = np.asarray(y), np.arange(len(groups))
        if len(y) > MOST_ROWS:
            taken = np.sort(np.random.default_rng(self.seed).choice(len(y), MOST_ROWS, replace=False))
        found = exponentiated_gradient(
            dense_rows(X[taken]), y[taken], groups[taken], constraint=self.constraint, objective=self.objective,
            iterations=self.iterations,
        )  # fmt: skip
        kept = [place for place in found.weights_.index if found.weights_[place] > 0]
        members = [_line(found.predictors_[place], X.shape[1]) for place in kept]
        self.coef_, self.intercept_ = np.array([line for line, _ in members]), np.array([at for _, at in members])
        self.weights_ = found.weights_[kept].to_numpy(dtype=np.float64)
        self.n_rows_, self.n_iter_ = len(taken), int(found.last_iter_) + 1
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of deciding no and yes, shape (n, 2)."""
        chance = np.clip(self.votes(X) @ self.weights_, 0.0, 1.0).round(12)
        return np.column_stack([1 - chance, chance])

    def predict(self, X: Any) -> Ints:
        """Decide on prepared rows, 0 or 1, shape (n,); the same row is always decided alike."""
        return (row_draws(X, seed=self.seed) < self.predict_proba(X)[:, 1]).astype(np.int64)

    def votes(self, X: Any) -> Floats:
        """Return what each member says of each row, 0 or 1, shape (n, members)."""
        check_is_fitted(self, "coef_")
        found: Floats = (dense_rows(X) @ self.coef_.T + self.intercept_ > 0).astype(np.float64)
        return found


def exponentiated_gradient(
    X: Floats, y: Ints, groups: npt.NDArray[Any], *, constraint: str, objective: str, iterations: int
) -> Any:
    """Fit fairlearn's ExponentiatedGradient over a linear model, see `LinearMixture`."""
    from fairlearn import reductions

    share = float(y.mean())
    even = {"fp": 0.5 / (1 - share), "fn": 0.5 / share} if objective == "balanced_accuracy" else None
    constraints = {
        "demographic_parity": reductions.DemographicParity,
        "equalized_odds": reductions.EqualizedOdds,
        "true_positive_rate_parity": reductions.TruePositiveRateParity,
        "false_positive_rate_parity": reductions.FalsePositiveRateParity,
    }
    made = reductions.ExponentiatedGradient(
        linear_model(), _remembering(constraints[constraint]), objective=reductions.ErrorRate(costs=even),
        max_iter=iterations,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fairlearn 0.15 uses what pandas 3 warns of
        made.fit(X.astype(np.float32), y, sensitive_features=groups)  # half the work, and digits enough for a slope
    return made


def _remembering(kind: Any) -> Any:
    """Make a constraint that projects the same multipliers once: fairlearn asks for each up to five times."""

    class Remembering(kind):  # type: ignore[misc]  # fairlearn is not annotated
        kept: dict[bytes, Any]

        def project_lambda(self, lambda_vec: Any) -> Any:
            kept, key = self.__dict__.setdefault("kept", {}), lambda_vec.to_numpy().tobytes()
            if key not in kept:
                kept[key] = super().project_lambda(lambda_vec)
            return kept[key]

    return Remembering()


def _line(member: Any, columns: int) -> tuple[Floats, float]:
    """Coefficients and intercept of a member; one that always says the same has no slope."""
    if hasattr(member, "coef_"):
        return np.asarray(member.coef_[0], dtype=np.float64), float(member.intercept_[0])
    return np.zeros(columns), 1.0 if int(np.ravel(member.constant)[0]) == 1 else -1.0
