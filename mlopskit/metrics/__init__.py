"""Metrics with their meaning, their intervals and their paired differences.

A **metric** sums up how well predictions agree with what happened. None means anything alone: beside each stands how
sure it is (`measure` picks the method that keeps its promise for that metric and that number of rows) and, in the
evaluation, what guessing would score. Where a denominator is too small for any statement the status is ``cannot be
estimated``, which is neither good nor bad news.
"""

from mlopskit.metrics.checks import criterion_problems
from mlopskit.metrics.estimates import ESTIMATED, NOT_ESTIMATED, measure
from mlopskit.metrics.paired import PairedDifference, paired_difference
from mlopskit.metrics.registry import METRICS, Metric, default_metrics, get_metric
from mlopskit.metrics.scores import score_array

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
