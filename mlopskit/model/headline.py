"""The one figure that decides: by it candidates are ranked, and it is named before any of them is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlopskit import display
from mlopskit.data import Target
from mlopskit.errors import MetricError, listing
from mlopskit.metrics import Metric, PairedDifference, default_metrics, get_metric, measure, paired_difference

Answers = tuple[Any, Any]
"""Predictions of shape (n,) and scores of shape (n,) or (n, K), or None instead of scores."""

_DEFAULTS = {"binary": "roc_auc", "multiclass": "balanced_accuracy", "regression": "mae"}


@dataclass(frozen=True)
class Headline:
    """The headline metric, who chose it, and how it is measured.

    Attributes
    ----------
    metric : Metric
        What ranks the candidates.
    task : str
        ``binary``, ``multiclass`` or ``regression``.
    chosen : bool
        True when the project file names it; False leaves an open question.
    replicates, seed : int
        For intervals that are drawn.
    """

    metric: Metric
    task: str
    chosen: bool = True
    replicates: int = 1000
    seed: int = 0

    @property
    def note(self) -> display.Note:
        """What the figure means and whether someone chose it."""
        direction = "more is better" if self.metric.greater_is_better else "less is better"
        meaning = f"{self.metric.label} decides ({direction}). {self.metric.meaning}"
        if self.chosen:
            return display.note(meaning)
        return display.note(meaning, self.question, tone="warning")

    @property
    def question(self) -> str:
        """The open question, or an empty string."""
        if self.chosen:
            return ""
        name = self.metric.name
        return f"Open question: mlops.toml names no [model] metric; {name} was used. Is it what the decision needs?"

    def measure(
        self, y_true: Any, answers: Answers, *, metric: str | None = None, blocks: Any = None
    ) -> dict[str, Any]:
        """Return metric, value, low, high, method, n and status of some answers, by this metric or another.

        The interval counts rows; where these belong together in `blocks`, its method says that it does.
        """
        names = [metric or self.metric.name]
        table = measure(y_true, *answers, task=self.task, metrics=names, replicates=self.replicates, seed=self.seed)
        found = {str(key): value for key, value in table.iloc[0].items()}
        if blocks is not None:
            found["method"] += ", as if rows were independent"
        return found

    def difference(
        self, y_true: Any, a: Answers, b: Answers, *, metric: str | None = None, blocks: Any = None
    ) -> PairedDifference:
        """Return the paired difference `a` minus `b`, by this metric or another, of rows that may belong together."""
        options: dict[str, Any] = {"replicates": self.replicates, "seed": self.seed, "blocks": blocks}
        return paired_difference(y_true, a, b, metric=metric or self.metric.name, task=self.task, **options)


def headline_metric(name: str | None, target: Target, *, replicates: int = 1000, seed: int = 0) -> Headline:
    """Return the metric that ranks candidates: the project file's, else the task's usual one as an open question.

    Parameters
    ----------
    name : str, optional
        ``[model] metric``.
    target : Target
        Its task decides which metrics fit.
    replicates, seed : int
        For intervals that are drawn.

    Raises
    ------
    MetricError
        When the metric is unknown, does not fit the task, or has no better direction.

    Examples
    --------
    >>> headline_metric(None, Target("regression", "price")).metric.name
    'mae'
    """
    metric = get_metric(name or _DEFAULTS[target.task], target.task)
    if metric.greater_is_better is None:
        fitting = [get_metric(key, target.task) for key in default_metrics(target.task)]
        usable = [item.name for item in fitting if item.greater_is_better is not None]
        raise MetricError(f"{metric.name} cannot rank models: neither more nor less is better. Use {listing(usable)}.")
    return Headline(metric, target.task, chosen=name is not None, replicates=replicates, seed=seed)
