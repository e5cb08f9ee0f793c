"""What can be done about a gap between groups, side by side: what each mitigation costs and the gap that it leaves.

A *mitigation* makes a model treat the groups of one column more alike, in one of four senses (`MEASURED`). Three are
compared with the model as it is: **reweighting**, ours, which the model phase can apply; and fairlearn's
**ThresholdOptimizer** and **ExponentiatedGradient**, whose decisions are drawn at random. Those two are shown for
comparison only: a drawn decision has no single threshold to serve it by, and the first needs each person's group.

All are compared on validation rows, so that one can be chosen without a look at test rows. What the project file has
chosen, and the model phase applied, is then compared once more, with the same model without it, on test rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET
from mlopskit.errors import ModelError
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.mitigation.table import Answer, table_of
from mlopskit.metrics import get_metric
from mlopskit.model import Objective, choose_threshold, predict_table
from mlopskit.runs import Run
from mlopskit.runs.frozen import FrozenScope

NONE, REWEIGHTING, THRESHOLDS, GRADIENT = "none", "reweighting", "threshold-optimizer", "exponentiated-gradient"
LINEAR = "none, linear model"

MEASURED = {
    "demographic_parity": "selection_rate",
    "equalized_odds": "equalized_odds",
    "true_positive_rate_parity": "recall",
    "false_positive_rate_parity": "false_positive_rate",
}
"""What is to be equal, as fairlearn calls it → the metric whose gap between groups says by how much it is not."""

_ONLY = "for comparison only"
_PLAIN = "the model's settings, rows count alike"


@dataclass(frozen=True)
class Choice:
    """What is compared, and by which figures.

    Attributes
    ----------
    column : str
        The sensitive column.
    constraint : str
        What is to be equal between its groups.
    chosen : str
        What the project file chooses: ``none`` or ``reweighting``.
    metric : str
        The figure that a mitigation costs: the headline where it is about decisions, else balanced accuracy.
    """

    column: str
    constraint: str
    chosen: str
    metric: str

    @classmethod
    def read(cls, scope: FrozenScope, data: GroupedRows) -> Choice:
        """Take column and constraint from ``[model]``, else from the first criterion on a gap, else the usual ones."""
        usable = [name for name in data.columns.sensitive if name in data.grouping.names]
        named = {metric: constraint for constraint, metric in MEASURED.items()}
        gaps = [item for item in data.criteria if item.between in usable and item.metric in named]
        column = scope.model.mitigate or (gaps[0].between if gaps else usable[0])
        asked = [named[item.metric] for item in gaps if item.between == column]
        constraint = scope.model.constraint or (asked[0] if asked else "demographic_parity")
        headline = get_metric(data.headline, "binary")
        metric = headline.name if headline.uses == "prediction" else "balanced_accuracy"
        return cls(str(column), constraint, scope.model.mitigation or NONE, metric)


def why_no_mitigation(data: GroupedRows) -> str:
    """Say why there is nothing to compare, or return an empty string."""
    if data.target.task != "binary":
        return "Not applicable: mitigations are compared by who is called positive, so need two classes."
    if not any(name in data.grouping.names for name in data.columns.sensitive):
        return "Not applicable: the project file declares no sensitive column that these rows have."
    if data.floor > 1 and data.plan.withheld:
        return (
            "Not shown: the gap before and after each mitigation would tell of groups that the privacy floor withholds."
        )
    return ""


def compare_mitigations(
    run: Run, data: GroupedRows, *, iterations: int = 10, replicates: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Compare mitigations on validation rows, and the one that the model phase applied on test rows too.

    Parameters
    ----------
    run : Run
        Its scope says what is to be equal for whom; training rows and the model are read from it.
    data : GroupedRows
        Validation and test rows, predictions and groups.
    iterations : int
        Of ExponentiatedGradient, at most.
    replicates, seed : int
        Of the intervals; the seed is also that of fairlearn's random decisions.

    Returns
    -------
    DataFrame
        mitigation, split, n, metric, value, low, high, cost (what the metric loses against ``none`` on the same rows:
        above 0 is worse) with cost_low and cost_high, column, gap (the metric compared between its groups), groups,
        difference (the largest) with difference_low and difference_high, change (of the difference, against ``none``
        on the same rows: below 0 is less of a gap) with change_low and change_high, pareto (no other has both a
        smaller gap and a better figure), use, method, status. Empty where nothing can be compared.

    Raises
    ------
    ModelError
        When ``[model] mitigate`` names no sensitive column.

    References
    ----------
    Kamiran, F. and Calders, T. (2012). Data preprocessing techniques for classification without discrimination.
    Knowledge and Information Systems 33, 1-33.
    """
    from mlopskit.model.reweighting import chosen_mitigation

    chosen_mitigation(run.scope)
    if why_no_mitigation(data):
        return table_of([], data, {}, None, replicates=replicates, seed=seed)
    choice = Choice.read(run.scope, data)
    fits = _Fits(data, choice, run.read("data/train"), run.read("model/model"), run.read("model/threshold"), seed)
    found = [*fits.answers(iterations), *fits.tested()]
    names = {"column": choice.column, "metric": choice.metric, "gap": MEASURED[choice.constraint]}
    return table_of(found, data, names, data.headline, replicates=replicates, seed=seed)


@dataclass(frozen=True)
class _Fits:
    """The model of this run, the same one with and without weights, and what else they are compared with."""

    data: GroupedRows
    choice: Choice
    train: pd.DataFrame
    model: Any
    threshold: dict[str, Any]
    seed: int

    @cached_property
    def X_train(self) -> Any:  # noqa: N802
        return self.model[:-1].transform(self.train)

    @cached_property
    def weights(self) -> npt.NDArray[np.float64]:
        from mlopskit.model.reweighting import Reweighting

        return Reweighting(self.choice.column).weights(self.train)

    @cached_property
    def applied(self) -> bool:
        """Whether the model of this run learned from weighted rows: the project file may say what was not done."""
        if self.choice.chosen != REWEIGHTING:
            return False
        own, plain = self.data.predictions_validation["score"].to_numpy(), self._scores(self.plain)
        return bool(np.allclose(self.weights, 1) or not np.array_equal(own, plain))

    @cached_property
    def plain(self) -> Any:
        """The model's settings fitted on rows that count alike; the model itself where it is that already."""
        return self.model if self.choice.chosen != REWEIGHTING else self._fit(self.model[-1], None)

    @cached_property
    def weighted(self) -> Any:
        return self.model if self.applied else self._fit(self.model[-1], self.weights)

    def _fit(self, estimator: Any, weights: Any) -> Any:
        from sklearn.base import clone
        from sklearn.pipeline import Pipeline

        from mlopskit.model.fitting import calmly
        from mlopskit.model.reweighting import fit_weighted

        with calmly([]):
            fitted = fit_weighted(clone(estimator), self.X_train, self.train[TARGET].to_numpy(), weights)
        return Pipeline([("prepare", self.model[:-1]), ("estimate", fitted)])

    @cached_property
    def _scored(self) -> dict[int, Any]:
        """Scores of the validation rows by the identity of the model, which lives as long as this does."""
        return {id(self.model): self.data.predictions_validation["score"].to_numpy()}

    def _scores(self, model: Any) -> npt.NDArray[np.float64]:
        """Score validation rows, once a model."""
        if id(model) not in self._scored:
            self._scored[id(model)] = self._predict(model, self.data.validation)
        found: npt.NDArray[np.float64] = self._scored[id(model)]
        return found

    def _predict(self, model: Any, rows: pd.DataFrame) -> Any:
        return predict_table(model, rows, target=self.data.target, threshold=None)["score"].to_numpy()

    def _cut(self, model: Any) -> float | None:
        """The threshold of a model: this run's own, or one chosen on validation rows for the same objective."""
        if model is self.model:
            cut: float | None = self.threshold["threshold"]
            return cut
        name = self.threshold["objective"]
        objective = Objective(name if name in {"balanced_accuracy", "f1", "youden"} else "balanced_accuracy")
        truth = self.data.validation[TARGET]
        return choose_threshold(truth, self._scores(model), objective=objective).threshold

    def answer(self, name: str, model: Any, split: str, use: str, method: str) -> Answer:
        """Decide on the rows of a split by the model's scores and one threshold."""
        score = self._scores(model) if split == "validation" else self._predict(model, self.data.test)
        cut = self._cut(model)
        decided = (score >= (0.5 if cut is None else cut)).astype(np.int64)
        return Answer(name, split, decided, score, use, method)

    def answers(self, iterations: int) -> Iterator[Answer]:
        """Yield each mitigation's decisions on validation rows, the model without any first."""
        yield self.answer(NONE, self.plain, "validation", "as it is", _PLAIN)
        use = "applied" if self.applied else "can be chosen"
        if self.choice.chosen == REWEIGHTING and not self.applied:
            use = "chosen, but not applied by this run's model"
        method = "the same settings, training rows weighted by P(a)P(y)/P(a,y)"
        yield self._or_why(lambda: self.answer(REWEIGHTING, self.weighted, "validation", use, method), REWEIGHTING)
        yield self._or_why(self._thresholds, THRESHOLDS)
        if type(self.model[-1]).__name__ != "LogisticRegression":
            yield self._or_why(self._linear, LINEAR)
        yield self._or_why(lambda: self._gradient(iterations), GRADIENT)

    def tested(self) -> Iterator[Answer]:
        """Yield the decisions on test rows of what was applied and of the same settings without it; else nothing."""
        if self.applied:
            yield self.answer(NONE, self.plain, "test", "as it is", _PLAIN)
            yield self.answer(REWEIGHTING, self.weighted, "test", "applied", "the model of this run")

    def _or_why(self, made: Any, name: str) -> Answer:
        """Make an answer; where an estimator or fairlearn refuses, say why instead, and the others go on."""
        try:
            found: Answer = made()
        except Exception as error:  # estimators of the user's and fairlearn may raise anything
            told = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
            why = (told.splitlines() or [type(error).__name__])[0][:300]
            return Answer(name, "validation", None, None, _ONLY, "", f"could not be fitted: {why}")
        return found

    def _groups(self, rows: pd.DataFrame) -> Any:
        from mlopskit.evaluate.mitigation.fairlearn_fits import pooled

        return pooled(self.data.grouping.transform(rows)[self.choice.column], rows[TARGET])

    @property
    def _objective(self) -> str:
        """What fairlearn makes as large as possible: it knows accuracy and balanced accuracy."""
        return "accuracy" if self.choice.metric == "accuracy" else "balanced_accuracy"

    def _thresholds(self) -> Answer:
        from mlopskit.evaluate.mitigation.fairlearn_fits import optimise_thresholds

        rows = self.data.validation
        y = rows[TARGET].to_numpy()
        decided = optimise_thresholds(
            y, self._scores(self.plain), self._groups(rows), constraint=self.choice.constraint,
            objective=f"{self._objective}_score", seed=self.seed,
        )  # fmt: skip
        method = (
            f"fairlearn, for {self._objective}; thresholds by group from the other half of the validation rows, "
            f"decisions drawn with seed {self.seed}; needs {self.choice.column} with each request"
        )
        return Answer(THRESHOLDS, "validation", decided, None, _ONLY, method)

    def _linear(self) -> Answer:
        from mlopskit.evaluate.mitigation.fairlearn_fits import linear_model

        made = self._fit(linear_model(), None)
        method = "logistic regression on the same inputs: what exponentiated-gradient starts from"
        return self.answer(LINEAR, made, "validation", _ONLY, method)

    def _gradient(self, iterations: int) -> Answer:
        from mlopskit.evaluate.mitigation.fairlearn_fits import dense_rows, exponentiated_gradient

        made, n = exponentiated_gradient(
            self.X_train, self.train[TARGET].to_numpy(), self._groups(self.train), constraint=self.choice.constraint,
            objective=self._objective, iterations=iterations, seed=self.seed,
        )  # fmt: skip
        inputs = dense_rows(self.model[:-1].transform(self.data.validation))
        decided = np.asarray(made.predict(inputs, random_state=self.seed), dtype=np.int64)
        rows = f"{n:,}" if n == len(self.train) else f"a sample of {n:,} of {len(self.train):,}"
        used = made.last_iter_ + 1
        stopped = f"stopped at its limit of {used} iterations" if used >= iterations else f"{used} iterations"
        method = (
            f"fairlearn, for {self._objective}, over logistic regressions on {rows} training rows, {stopped}; "
            f"decisions drawn with seed {self.seed}"
        )
        return Answer(GRADIENT, "validation", decided, None, _ONLY, method)
