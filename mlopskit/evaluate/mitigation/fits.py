"""Each mitigation's decisions on the same rows: the model of the run where it was applied, else fitted for this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET
from mlopskit.errors import ModelError
from mlopskit.evaluate.groups.by_group import GroupedRows
from mlopskit.evaluate.mitigation.table import Answer
from mlopskit.mitigation.choice import GRADIENT, NONE, THRESHOLDS
from mlopskit.mitigation.reweighting import REWEIGHTING, Reweighting, fit_weighted
from mlopskit.model import Objective, choose_threshold
from mlopskit.model.fitting import calmly, predict_prepared

if TYPE_CHECKING:
    from mlopskit.evaluate.mitigation.compare import Choice

Floats = npt.NDArray[np.float64]

LINEAR = "none, linear model"
APPLIED, CAN_BE, NOT_APPLIED = "applied", "can be chosen", "chosen, but not applied by this run's model"
ONLY = "for comparison only"

_PLAIN = "the model's settings, rows count alike, one threshold"


@dataclass(frozen=True)
class Fits:
    """The model of a run, the same one without its mitigation, and what else they are compared with.

    Attributes
    ----------
    data : GroupedRows
        Validation and test rows.
    choice : Choice
        What is compared, and by which figures.
    train : DataFrame
        Training rows.
    model, unmitigated : Pipeline or GroupThresholds, Pipeline or None
        The model of the run; the winner of its search, where a mixture took its place.
    threshold : mapping
        As the model phase wrote it.
    iterations : int
        Of ExponentiatedGradient, at most.
    seed : int
        Of what is fitted here.
    """

    data: GroupedRows
    choice: Choice
    train: pd.DataFrame
    model: Any
    unmitigated: Any
    threshold: dict[str, Any]
    iterations: int
    seed: int

    def answers(self) -> Iterator[Answer]:
        """Yield each mitigation's decisions on validation rows, the model without any first."""
        yield self._plain_answer("validation")
        yield self._or_why(self._reweighted, REWEIGHTING)
        yield self._or_why(self._thresholds, THRESHOLDS)
        if type(self.plain).__name__ != "LogisticRegression":
            yield self._or_why(self._linear, LINEAR, ONLY)
        yield self._or_why(self._gradient, GRADIENT)

    def tested(self) -> Iterator[Answer]:
        """Yield the decisions on test rows of what was applied and of the same settings without it; else nothing."""
        if self.applied:
            yield self._plain_answer("test")
            found = self.data.predictions
            decided, score = found["prediction"].to_numpy(), found["score"].to_numpy()
            yield Answer(self.choice.chosen, "test", decided, score, APPLIED, "the model of this run")

    @cached_property
    def applied(self) -> bool:
        """Whether the model of this run has the mitigation that was chosen: the project file may say what was not."""
        chosen, last = self.choice.chosen, self.model.named_steps["estimate"]
        if chosen == REWEIGHTING:
            own = self.data.predictions_validation["score"].to_numpy()
            return bool(np.allclose(self.weights, 1) or not np.array_equal(own, self._scores(self.plain)))
        kept = {THRESHOLDS: (self.model, "GroupThresholds"), GRADIENT: (last, "LinearMixture")}
        return chosen in kept and type(kept[chosen][0]).__name__ == kept[chosen][1]

    @property
    def _prepare(self) -> Any:
        return self.model.named_steps["prepare"]

    @cached_property
    def _prepared(self) -> dict[str, Any]:
        """Rows as every estimator here takes them, prepared once."""
        return {"train": self._prepare.transform(self.train), "validation": self._prepare.transform(self._rows)}

    @property
    def _rows(self) -> pd.DataFrame:
        return self.data.validation

    @property
    def _truth(self) -> npt.NDArray[np.int64]:
        return self._rows[TARGET].to_numpy()

    @cached_property
    def weights(self) -> Floats:
        """What reweighting makes of the training rows."""
        return Reweighting(self.choice.column).weights(self.train)

    @cached_property
    def plain(self) -> Any:
        """The winner's settings fitted on rows that count alike; the model's own estimator where it is that already."""
        if self.choice.chosen == REWEIGHTING:
            return self._fit(self.model[-1], None)
        kept = self.model if self.unmitigated is None else self.unmitigated
        return kept.named_steps["estimate"]

    def _fit(self, estimator: Any, weights: Any) -> Any:
        from sklearn.base import clone

        with calmly([]):
            return fit_weighted(clone(estimator), self._prepared["train"], self.train[TARGET].to_numpy(), weights)

    @cached_property
    def _kept(self) -> dict[int, Floats]:
        """Scores of the validation rows by the identity of the estimator, which lives as long as this does."""
        own = self.model.named_steps["estimate"]
        return {id(own): self.data.predictions_validation["score"].to_numpy()}

    def _scores(self, estimator: Any) -> Floats:
        """Score validation rows, once an estimator."""
        if id(estimator) not in self._kept:
            self._kept[id(estimator)] = self._asked(estimator, self._prepared["validation"])
        return self._kept[id(estimator)]

    def _asked(self, estimator: Any, X: Any) -> Floats:
        with calmly([]):
            return np.asarray(predict_prepared(estimator, X, self.data.target)[1], dtype=np.float64)

    def _cut(self, estimator: Any) -> float:
        """The threshold of an estimator: this run's own, or one chosen on validation rows for the same objective."""
        own = self.threshold["threshold"]
        if own is not None and estimator is self.model.named_steps["estimate"]:
            return float(own)
        name = self.threshold["objective"]
        objective = Objective(name if name in {"balanced_accuracy", "f1", "youden"} else "balanced_accuracy")
        chosen = choose_threshold(self._truth, self._scores(estimator), objective=objective).threshold
        return 0.5 if chosen is None else chosen

    def _plain_answer(self, split: str) -> Answer:
        return self._by_score(NONE, self.plain, split, "as it is", _PLAIN)

    def _by_score(self, name: str, estimator: Any, split: str, use: str, method: str) -> Answer:
        """Decide on the rows of a split by an estimator's scores and one threshold."""
        if split == "validation":
            score = self._scores(estimator)
        else:
            score = self._asked(estimator, self._prepare.transform(self.data.test))
        return Answer(name, split, (score >= self._cut(estimator)).astype(np.int64), score, use, method)

    def _use(self, name: str) -> str:
        if name != self.choice.chosen:
            return CAN_BE
        return APPLIED if self.applied else NOT_APPLIED

    def _or_why(self, made: Callable[[], Answer], name: str, use: str = "") -> Answer:
        """Make an answer; where an estimator or fairlearn refuses, say why instead, and the others go on."""
        try:
            return replace(made(), use=use or self._use(name))
        except Exception as error:  # estimators of the user's and fairlearn may raise anything
            told = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
            why = (told.splitlines() or [type(error).__name__])[0][:300]
            return Answer(name, "validation", None, None, ONLY, "", f"could not be fitted: {why}")

    def _reweighted(self) -> Answer:
        applied = self.choice.chosen == REWEIGHTING and self.applied
        made = self.model[-1] if applied else self._fit(self.plain, self.weights)
        method = "the same settings, training rows weighted by P(a)P(y)/P(a,y)"
        return self._by_score(REWEIGHTING, made, "validation", "", method)

    def _linear(self) -> Answer:
        from mlopskit.mitigation.mixture import linear_model

        method = "logistic regression on the same inputs: what exponentiated-gradient starts from"
        return self._by_score(LINEAR, self._fit(linear_model(), None), "validation", "", method)

    def _thresholds(self) -> Answer:
        """Rules for each half of the validation rows from the other half, so that none is judged where it was made."""
        from mlopskit.mitigation.draws import row_draws
        from mlopskit.mitigation.groups import halves, pooled
        from mlopskit.mitigation.rules import optimised_rules
        from mlopskit.tally import Grouping

        y, score, column = self._truth, self._scores(self.plain), self.choice.column
        groups = pooled(Grouping.fit(self.train, [column]).transform(self._rows)[column], y)
        half, chance = halves(np.char.add(groups.astype(str), y.astype(str)), seed=self.seed), np.empty(len(y))
        for place in (0, 1):
            learn, judge = half != place, half == place
            with calmly([]):
                found = optimised_rules(
                    y[learn], score[learn], groups[learn], constraint=self.choice.constraint, objective=self._objective
                )
            chance[judge] = found.chance(score[judge], found.places(groups[judge]))
        decided = (row_draws(self._prepared["validation"], seed=self.seed) < chance).astype(np.int64)
        method = (
            f"fairlearn, for {self._objective}; thresholds by group from the other half of the validation rows, "
            f"decisions drawn by row with seed {self.seed}; needs {column} with each request"
        )
        return Answer(THRESHOLDS, "validation", decided, score, "", method)

    @property
    def _objective(self) -> str:
        """What fairlearn makes as large as possible: it knows accuracy and balanced accuracy."""
        return "accuracy" if self.choice.metric == "accuracy" else "balanced_accuracy"

    def _gradient(self) -> Answer:
        applied = self.choice.chosen == GRADIENT and self.applied
        made = self.model[-1] if applied else self._mixture()
        X, n, used = self._prepared["validation"], made.n_rows_, made.n_iter_
        rows = f"{n:,}" if n == len(self.train) else f"a sample of {n:,} of {len(self.train):,}"
        limit = used >= made.iterations
        stopped = f"stopped at its limit of {used} iterations" if limit else f"{used} iterations"
        method = (
            f"fairlearn, for {made.objective}, over logistic regressions on {rows} training rows, {stopped}; "
            f"decisions drawn by row with seed {made.seed}"
        )
        return Answer(GRADIENT, "validation", made.predict(X), made.predict_proba(X)[:, 1], "", method)

    def _mixture(self) -> Any:
        from mlopskit.mitigation.groups import pooled
        from mlopskit.mitigation.mixture import LinearMixture

        y = self.train[TARGET].to_numpy()
        groups = pooled(Reweighting(self.choice.column).groups(self.train), y)
        made = LinearMixture(
            constraint=self.choice.constraint, objective=self._objective, iterations=self.iterations, seed=self.seed
        )
        with calmly([]):
            return made.fit(self._prepared["train"], y, groups=groups)
