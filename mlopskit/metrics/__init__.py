"""Metrics with their meaning, their intervals and their paired differences.

A **metric** sums up how well predictions agree with what happened. None means anything alone: beside each stands how
sure it is (`measure` picks the method that keeps its promise for that metric and that number of rows) and, in the
evaluation, what guessing would score. Where a denominator is too small for any statement the status is ``cannot be
estimated``, which is neither good nor bad news.

Names are imported when they are first used, so that asking which metrics there are does not pay for pandas and SciPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlopskit.metrics.checks import criterion_problems
    from mlopskit.metrics.estimates import ESTIMATED, NOT_ESTIMATED, measure
    from mlopskit.metrics.paired import PairedDifference, paired_difference
    from mlopskit.metrics.registry import METRICS, Metric, default_metrics, get_metric
    from mlopskit.metrics.scores import score_array

_HOMES = {
    "ESTIMATED": "estimates",
    "METRICS": "registry",
    "Metric": "registry",
    "NOT_ESTIMATED": "estimates",
    "PairedDifference": "paired",
    "criterion_problems": "checks",
    "default_metrics": "registry",
    "get_metric": "registry",
    "measure": "estimates",
    "paired_difference": "paired",
    "score_array": "scores",
}

__all__ = [
    "ESTIMATED",
    "METRICS",
    "NOT_ESTIMATED",
    "Metric",
    "PairedDifference",
    "criterion_problems",
    "default_metrics",
    "get_metric",
    "measure",
    "paired_difference",
    "score_array",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlopskit.metrics' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"mlopskit.metrics.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
