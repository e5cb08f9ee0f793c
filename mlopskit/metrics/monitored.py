"""What monitoring can watch, by name, and what is wrong with the thresholds that a project file sets on it.

Kept apart from what measures it, so that a project can be checked before anything heavy is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlopskit.errors import listing, nearest
from mlopskit.metrics.registry import METRICS

if TYPE_CHECKING:
    from mlopskit.runs.frozen import FrozenScope
    from mlopskit.scope import Scope

LATENCIES = {"latency_p50_ms": 0.50, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}
"""Name → quantile of the time that requests took."""

SOFTWARE_METRICS = (*LATENCIES, "throughput")
"""What measures time: it differs from run to run."""

INPUT_METRICS = ("missing_share", "unseen_share", "out_of_range_share", "schema_violations")
"""What is measured of each feature's values."""

_TRAFFIC_METRICS = ("drift", "requests", "error_rate", "deferred_share", *INPUT_METRICS)
_TASK_METRICS = {"binary": ("selection_rate", "target_rate"), "regression": ("prediction_mean", "target_mean")}


def monitored_metrics(task: str) -> list[str]:
    """Return every metric name that a monitoring threshold may use for a task, sorted.

    Examples
    --------
    >>> "drift" in monitored_metrics("binary"), "drif" in monitored_metrics("binary")
    (True, False)
    """
    own = [name for name, metric in METRICS.items() if task in metric.tasks]
    return sorted({*SOFTWARE_METRICS, *_TRAFFIC_METRICS, *_TASK_METRICS.get(task, ()), *own})


def threshold_problems(scope: Scope | FrozenScope) -> list[str]:
    """Check the metric names of ``[[monitoring.threshold]]`` before anything runs.

    Returns
    -------
    list of str
        A sentence for each unknown metric (with the nearest known one), bound that can never be met, and feature
        given to a metric that has none; empty when all is well.
    """
    problems = []
    known = monitored_metrics(scope.data.task)
    for threshold in scope.monitoring.threshold:
        name = threshold.metric
        if name not in known:
            problems.append(
                f"[monitoring] unknown metric {name!r}{nearest(name, known)}; for a {scope.data.task} task there are "
                f"{listing(known, limit=40)}."
            )
        elif threshold.feature is not None and name not in ("drift", *INPUT_METRICS):
            problems.append(f"[monitoring] {name!r} is not measured feature by feature; take out `feature`.")
        if threshold.at_least is not None and threshold.at_most is not None and threshold.at_least > threshold.at_most:
            problems.append(
                f"[monitoring] {name!r}: at_least {threshold.at_least:g} is above at_most {threshold.at_most:g}."
            )
    return problems
