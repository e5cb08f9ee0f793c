"""From data to a model: a fast first one, then a small search; validation rows judge, test rows stay unseen."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import Target
from mlopskit.errors import ModelError
from mlopskit.metrics import Metric
from mlopskit.model.candidates import Candidate, draw_candidates
from mlopskit.model.fitting import Fitted, TrainingData, calmly, fit_candidate, predict_prepared, try_fit
from mlopskit.model.headline import Headline


@dataclass(frozen=True)
class Search:
    """Everything that was tried, best first.

    Attributes
    ----------
    data : TrainingData
        What it was fitted on and judged by.
    metric : Metric
        The headline metric.
    fitted : tuple of Fitted
        Best first; ties go to the one tried earlier, so to the simpler kind when it is named first.
    warnings : tuple of str
        What the estimators warned of, each once.
    """

    data: TrainingData
    metric: Metric
    fitted: tuple[Fitted, ...]
    warnings: tuple[str, ...] = ()

    @property
    def winner(self) -> Fitted:
        """The best on validation rows."""
        return self.fitted[0]

    @cached_property
    def model(self) -> Any:
        """The winner as a pipeline that takes a split table."""
        return self.data.pipeline(self.winner.estimator)

    @cached_property
    def validation_scores(self) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]:
        """The actual values of the validation rows and the winner's scores for them; None for regression."""
        data = self.data
        return data.y_validation, predict_prepared(self.winner.estimator, data.X_validation, data.target)[1]

    def table(self) -> pd.DataFrame:
        """Return candidate, parameters (JSON), metric, value, rank and note, best first."""
        return pd.DataFrame(
            {
                "candidate": item.candidate.name,
                "parameters": json.dumps(item.candidate.settings),
                "metric": self.metric.name,
                "value": item.value,
                "rank": rank,
                "note": item.note,
            }
            for rank, item in enumerate(self.fitted, start=1)
        )

    def times(self) -> pd.DataFrame:
        """Return candidate, configurations tried and seconds in all; volatile, as it measures time."""
        frame = pd.DataFrame({"candidate": f.candidate.name, "seconds": f.seconds} for f in self.fitted)
        counted = {"configurations": ("seconds", "size"), "seconds": ("seconds", "sum")}
        return frame.groupby("candidate", as_index=False).agg(**counted)


@dataclass(frozen=True)
class _Options:
    """What all candidates of one search have in common."""

    target: Target
    project: Path
    seed: int
    max_iter: int

    def draw(self, name: str, *, budget: int) -> list[Candidate]:
        return draw_candidates(name, budget=budget, **vars(self))


def fit_first(data: TrainingData, headline: Headline, *, max_iter: int = 100) -> Fitted:
    """Fit a linear model with default settings: the shortest way from data to a number.

    Parameters
    ----------
    data : TrainingData
        What to learn from.
    headline : Headline
        What it is judged by.
    max_iter : int
        Iterations at most.
    """
    options = _Options(data.target, Path(), headline.seed, max_iter)
    candidate = options.draw("linear", budget=1)[0]
    with calmly([]):
        return fit_candidate(candidate, data, headline.metric, weighted=False)  # it is the linear baseline too


def search_candidates(
    data: TrainingData,
    headline: Headline,
    *,
    candidates: Sequence[str],
    budget: int,
    project: Path,
    max_iter: int = 100,
    n_jobs: int = 2,
    report: Callable[[str], object] | None = None,
) -> Search:
    """Fit every configuration on training rows and rank them by the metric on validation rows.

    Parameters
    ----------
    data : TrainingData
        What to learn from.
    headline : Headline
        Its metric ranks; its seed seeds the draws and the estimators.
    candidates : sequence of str
        Kinds of model, see `draw_candidates`.
    budget : int
        Configurations per kind.
    project : Path
        Where the project's own modules are.
    max_iter : int
        Iterations at most of linear models and boosting.
    n_jobs : int
        Configurations fitted side by side; it changes the time, never a result.
    report : callable, optional
        Gets one line when a kind is done.

    Raises
    ------
    ModelError
        When a candidate cannot be built, before anything is fitted; or when none could be fitted.
    """
    metric, options = headline.metric, _Options(data.target, project, headline.seed, max_iter)
    drawn = {name: options.draw(name, budget=budget) for name in dict.fromkeys(candidates)}
    data.X_train, data.X_validation, data.weights  # noqa: B018  # made here once, before the threads ask for it
    fitted: list[Fitted] = []
    warned: list[str] = []
    with calmly(warned), ThreadPoolExecutor(max(1, n_jobs)) as pool:
        waiting = {name: [pool.submit(try_fit, item, data, metric) for item in items] for name, items in drawn.items()}
        for name, futures in waiting.items():
            done = [future.result() for future in futures]
            fitted += done
            if report:
                report(_progress(name, done, metric))
    ranked = sorted(fitted, key=lambda item: (item.estimator is None, _badness(item.value, metric)))
    if not ranked or ranked[0].estimator is None:
        raise ModelError.from_nothing_fitted([f"{item.candidate.name} {item.note}" for item in ranked])
    return Search(data, metric, tuple(ranked), tuple(warned))


def _progress(name: str, done: list[Fitted], metric: Metric) -> str:
    best = min(done, key=lambda item: _badness(item.value, metric))
    several = f"best of {len(done)} configurations" if len(done) > 1 else "one configuration"
    return f"{name}: {metric.name} {best.value:.4f} on validation rows, {several}"


def _badness(value: float, metric: Metric) -> float:
    if not np.isfinite(value):
        return float("inf")
    return -value if metric.greater_is_better else value
