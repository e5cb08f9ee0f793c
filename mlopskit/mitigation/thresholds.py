"""A model whose decisions follow thresholds by group, as fairlearn's ThresholdOptimizer finds them.

The scores stay the model's own: what it takes for the probability of the positive class, so that ranking, calibration
and the choice of cases for a person mean what they did. Only decisions change. Each group has a rule (see
`mlopskit.mitigation.rules`) that gives a score's chance of yes; where that is neither 0 nor 1, the answer is drawn by a
hash of the row (see `mlopskit.mitigation.draws`). So each decision needs the row's sensitive column, and no single
threshold on the score can take the rule's place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from mlopskit.data import TARGET
from mlopskit.errors import ModelError, listing, nearest
from mlopskit.mitigation.draws import row_draws
from mlopskit.mitigation.groups import pooled
from mlopskit.mitigation.rules import Rules, optimised_rules
from mlopskit.tally import Grouping

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class GroupThresholds(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not annotated
    """A pipeline of preparation and estimator, with decisions by group.

    Parameters
    ----------
    model : Pipeline
        Steps ``prepare`` and ``estimate``. A fitted one is kept as it is; one that is not is fitted first.
    column : str
        The sensitive column.
    grouping : mapping, optional
        How the column falls into groups, as from `Grouping.to_dict`; without it, as the rows of `fit` have it. A
        missing value is a group of its own; small groups share a rule.
    constraint : str
        What is to be equal between groups, as fairlearn calls it.
    objective : str
        ``accuracy`` or ``balanced_accuracy``: what is made as large as possible.
    fallback : float
        Rows of a group that `fit` had no row of are positive from this score on, whatever their group.
    seed : int
        Of the draws.

    Attributes
    ----------
    groups_ : list of str
        Every group with a rule.
    edges_, chances_ : ndarray, shape (groups, 2) and (groups, 3)
        Their rules, see `mlopskit.mitigation.rules.Rules`.
    """

    classes_ = np.array([0, 1])
    decides_itself = True
    """No threshold on the score can take the place of `predict`."""

    def __init__(
        self, model: Any, column: str, *, grouping: Mapping[str, Any] | None = None,
        constraint: str = "demographic_parity", objective: str = "balanced_accuracy", fallback: float = 0.5,
        seed: int = 0,
    ) -> None:  # fmt: skip
        self.model = model
        self.column = column
        self.grouping = grouping
        self.constraint = constraint
        self.objective = objective
        self.fallback = fallback
        self.seed = seed

    @property
    def named_steps(self) -> Any:
        """The steps of the model, by which its scores are explained."""
        return self.model.named_steps

    @property
    def asks_for(self) -> tuple[str, ...]:
        """Columns that a decision needs beside the model's inputs."""
        return (self.column,)

    def fit(self, rows: pd.DataFrame, y: Any = None) -> GroupThresholds:
        """Find the rules on rows that the model did not learn from.

        Parameters
        ----------
        rows : DataFrame
            A split table with the sensitive column.
        y : array_like of int, shape (n,), optional
            1 for positive rows; the table's own target when left out.

        Raises
        ------
        ModelError
            When the column is missing, or fewer than two groups are large enough.
        """
        y = np.asarray(rows[TARGET] if y is None else y, dtype=np.int64)
        if not self.model.__sklearn_is_fitted__():
            self.model.fit(rows, y)
        made = Grouping.fit(rows, [self.column]) if self.grouping is None else Grouping.from_dict(self.grouping)
        self.grouping_ = made.to_dict()
        words = self.groups_of(rows)
        shared = pooled(words, y)
        rules = optimised_rules(
            y, self.score(self._prepared(rows)), shared, constraint=self.constraint, objective=self.objective
        )
        home = dict(zip(words.tolist(), rules.places(shared).tolist(), strict=True))
        self.groups_ = sorted(home)
        places = [home[name] for name in self.groups_]
        self.edges_, self.chances_ = rules.edges[places], rules.chances[places]
        return self

    def predict_proba(self, rows: pd.DataFrame) -> Floats:
        """Return the model's own probabilities, shape (n, 2): they are not those of the decision."""
        return np.asarray(self.model.predict_proba(rows), dtype=np.float64)

    def decision_proba(self, rows: pd.DataFrame) -> Floats:
        """Return the probability of deciding yes for each row, shape (n,)."""
        return self.chance(self.score(self._prepared(rows)), self._sensitive(rows))

    def predict(self, rows: pd.DataFrame) -> Ints:
        """Decide on rows, 0 or 1, shape (n,); the same row is always decided alike.

        Raises
        ------
        ModelError
            When the rows do not hold the sensitive column.
        """
        sensitive = self._sensitive(rows)
        return self.decide(self._prepared(rows), sensitive)

    def decide(self, X: Any, sensitive: pd.Series[Any]) -> Ints:
        """Decide on prepared rows and their sensitive values."""
        drawn = row_draws(X, seed=self.seed)
        return (drawn < self.chance(self.score(X), sensitive)).astype(np.int64)

    def score(self, X: Any) -> Floats:
        """Return the model's score of prepared rows, shape (n,)."""
        return np.asarray(self.model.named_steps["estimate"].predict_proba(X), dtype=np.float64)[:, 1]

    def chance(self, score: Floats, sensitive: pd.Series[Any]) -> Floats:
        """Return the probability of yes for scores and sensitive values, shape (n,)."""
        check_is_fitted(self, "chances_")
        rules = Rules(tuple(self.groups_), self.edges_, self.chances_)
        places = rules.places(self._words(sensitive))
        return np.where(places < 0, (score >= self.fallback).astype(float), rules.chance(score, places))

    def groups_of(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return each row's group in words, shape (n,)."""
        return self._words(self._sensitive(rows))

    def _prepared(self, rows: pd.DataFrame) -> Any:
        return self.model.named_steps["prepare"].transform(rows)

    def _words(self, sensitive: pd.Series[Any]) -> npt.NDArray[Any]:
        column = Grouping.from_dict(self.grouping_).columns[0]  # without a table around it: this is asked for each row
        found: npt.NDArray[Any] = np.array(column.levels, dtype=object)[column.codes(sensitive)]
        return found

    def _sensitive(self, rows: pd.DataFrame) -> pd.Series[Any]:
        if self.column not in rows.columns:
            known = [str(name) for name in rows.columns]
            raise ModelError(
                f"There is no column {self.column!r}, by whose groups this model decides{nearest(self.column, known)}; "
                f"there are {listing(known)}. Give it with every row, missing where it is not known."
            )
        found: pd.Series[Any] = rows[self.column]
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "chances_")
