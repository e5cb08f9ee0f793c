"""One fit: rows prepared once, an estimator fitted on them in one thread, its figure on validation rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET, Target, units_of
from mlopskit.metrics import Metric
from mlopskit.mitigation.choice import Drawn
from mlopskit.mitigation.reweighting import Reweighting, fit_weighted
from mlopskit.model.candidates import Candidate
from mlopskit.model.prediction import class_scores
from mlopskit.model.threads import fit_in_one_thread, predict_in_one_thread
from mlopskit.model.threshold import Objective, choose_threshold
from mlopskit.tally import block_of


@dataclass(frozen=True)
class TrainingData:
    """The rows that a model learns from and those that judge it, prepared once for all candidates.

    Attributes
    ----------
    train, validation : DataFrame
        Split tables.
    target : Target
        What is predicted.
    preparation : transformer
        Fitted on the training rows.
    objective : Objective
        What a threshold is chosen for (binary only).
    mitigation : Reweighting or Drawn, optional
        What is done about a gap between groups. With reweighting candidates learn from weighted rows; else every row
        counts alike, and what is to be done is done to the winner (see `mlopskit.model.mitigated`).
    group : str, optional
        The column that says whom a row belongs to.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    target: Target
    preparation: Any
    objective: Objective = field(default_factory=Objective)
    mitigation: Reweighting | Drawn | None = None
    group: str | None = None

    @cached_property
    def weights(self) -> npt.NDArray[np.float64] | None:
        """The weights of the training rows, shape (n_train,); None where every row counts alike."""
        return None if self.mitigation is None else self.mitigation.weights(self.train)

    @cached_property
    def X_train(self) -> Any:  # noqa: N802
        """Prepared training rows, shape (n_train, n_inputs)."""
        return self.preparation.transform(self.train)

    @cached_property
    def X_validation(self) -> Any:  # noqa: N802
        """Prepared validation rows, shape (n_validation, n_inputs)."""
        return self.preparation.transform(self.validation)

    @property
    def y_train(self) -> npt.NDArray[Any]:
        """Class indices or quantities, shape (n_train,)."""
        return self.train[TARGET].to_numpy()

    @property
    def y_validation(self) -> npt.NDArray[Any]:
        """Class indices or quantities, shape (n_validation,)."""
        return self.validation[TARGET].to_numpy()

    @cached_property
    def blocks(self) -> npt.NDArray[np.int64] | None:
        """Blocks of validation rows that belong together, shape (n_validation,); None where each stands for itself."""
        units = units_of(self.validation, self.group)
        return None if units is None else block_of(units)

    def part(self, positions: npt.NDArray[np.int64]) -> TrainingData:
        """Take some of the training rows; what was prepared once is not prepared again."""
        made = replace(self, train=self.train.iloc[positions])
        made.__dict__.update(X_train=self.X_train[positions], X_validation=self.X_validation)
        return made

    def pipeline(self, estimator: Any) -> Any:
        """Join the fitted preparation and a fitted estimator: takes a split table as it is."""
        from sklearn.pipeline import Pipeline

        return Pipeline([("prepare", self.preparation), ("estimate", estimator)])

    def describe(self) -> pd.DataFrame:
        """Return rows, inputs and target of both tables: split, n, inputs, and the target's share or mean."""
        tables = {"train": self.train, "validation": self.validation}
        rows = [
            {"split": name, "n": len(table), "inputs": self.X_train.shape[1], **self._target_summary(table[TARGET])}
            for name, table in tables.items()
        ]
        return pd.DataFrame(rows)

    def _target_summary(self, values: pd.Series[Any]) -> dict[str, float]:
        if not self.target.is_classification:
            return {"mean": float(values.mean()), "sd": float(values.std())}
        shares = values.value_counts(normalize=True)
        shown = self.target.labels[1:] if self.target.task == "binary" else self.target.labels
        return {f"share of {self.target.classes[index]}": float(shares.get(index, 0.0)) for index in shown}


@dataclass(frozen=True)
class Fitted:
    """A candidate after fitting, with its figure on validation rows.

    Attributes
    ----------
    candidate : Candidate
        Kind and settings.
    estimator : estimator
        Fitted on prepared training rows; None when fitting failed.
    value : float
        The headline metric on validation rows.
    seconds : float
        Time to fit and score; not comparable between machines.
    threshold : float, optional
        Chosen on validation rows (binary only).
    note : str
        What went wrong on the way without stopping it, such as an optimiser that did not converge.
    """

    candidate: Candidate
    estimator: Any
    value: float
    seconds: float
    threshold: float | None = None
    note: str = ""


@contextmanager
def calmly(found: list[str]) -> Iterator[None]:
    """Fit in one thread, and collect warnings in `found`: settings of the whole process, so made around the workers."""
    with fit_in_one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        found += sorted({str(item.message).strip().splitlines()[0] for item in caught})


def try_fit(candidate: Candidate, data: TrainingData, metric: Metric) -> Fitted:
    """Fit one configuration; one that fails is ranked last with its reason, and the others go on."""
    start = time.perf_counter()
    try:
        return fit_candidate(candidate, data, metric)
    except Exception as error:  # an estimator of the user's may raise anything
        why = f"failed: {type(error).__name__}: {error}".splitlines()[0][:200]
        return Fitted(candidate, None, float("nan"), time.perf_counter() - start, None, why)


def fit_candidate(candidate: Candidate, data: TrainingData, metric: Metric, *, weighted: bool = True) -> Fitted:
    """Fit one configuration on training rows, choose its threshold and measure it on validation rows.

    A chosen mitigation weighs the training rows unless `weighted` is False; validation rows always count alike.
    """
    start, target = time.perf_counter(), data.target
    with predict_in_one_thread():  # OpenMP keeps its limit per thread, so each worker sets its own
        fit_weighted(candidate.estimator, data.X_train, data.y_train, data.weights if weighted else None)
        prediction, score = predict_prepared(candidate.estimator, data.X_validation, target)
    threshold = choose_threshold(data.y_validation, score, objective=data.objective).threshold
    if threshold is not None and score is not None:
        prediction = (score >= threshold).astype(np.int64)
    value = float(metric.function(data.y_validation, prediction, score))
    return Fitted(candidate, candidate.estimator, value, time.perf_counter() - start, threshold, _stopped(candidate))


def _stopped(candidate: Candidate) -> str:
    """Say so where an optimiser used up its iterations."""
    limit, used = getattr(candidate.estimator, "max_iter", None), getattr(candidate.estimator, "n_iter_", None)
    if limit is None or used is None or np.max(used) < limit:
        return ""
    return f"stopped at its limit of {limit} iterations"


def predict_prepared(estimator: Any, X: Any, target: Target) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]:
    """Return predictions and scores (binary: of the positive class, shape (n,)) for prepared rows."""
    with predict_in_one_thread():
        if not target.is_classification:
            return np.asarray(estimator.predict(X), dtype=np.float64), None
        scores = class_scores(estimator, X, n_classes=len(target.classes))
    return scores.argmax(axis=1), scores[:, 1] if target.task == "binary" else scores


def fit_again(fitted: Fitted, parts: Sequence[TrainingData], metric: Metric, *, n_jobs: int = 1) -> list[Fitted]:
    """Fit the same configuration afresh on other training rows (see `TrainingData.part`), `n_jobs` at a time."""
    from sklearn.base import clone

    alike = [replace(fitted.candidate, estimator=clone(fitted.candidate.estimator)) for _ in parts]
    with calmly([]), ThreadPoolExecutor(max(1, n_jobs)) as pool:
        return list(pool.map(lambda candidate, data: fit_candidate(candidate, data, metric), alike, parts))
