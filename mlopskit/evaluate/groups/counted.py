"""Metrics of counts by group: Wilson for rates, joint draws for what several counts make, blocks where rows repeat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit import intervals
from mlopskit.evaluate.groups.blocked import blocked_part
from mlopskit.evaluate.groups.grouped import Grouped
from mlopskit.evaluate.groups.parts import Part, part_of
from mlopskit.metrics import Metric
from mlopskit.metrics.estimates import MANY, MANY_EVENTS
from mlopskit.metrics.scales import cell_prior, draws_confidence

_CELLS = 8_000_000


def counted(grouped: Grouped, metrics: Sequence[Metric], options: dict[str, Any]) -> dict[str, Part]:
    """Estimate metrics of the confusion table; those that need draws share them."""
    confidence = options["confidence"]
    if grouped.blocked is not None:
        how: dict[str, Any] = {"confidence": confidence, "clusters": options["clusters"]}
        return {metric.name: blocked_part(grouped.confusion, grouped.blocked, metric, **how) for metric in metrics}
    forced = options["method"] == "bootstrap"
    found = {metric.name: _exact(grouped.confusion, metric, confidence) for metric in metrics}
    wanted = [metric for metric in metrics if forced or not metric.rate]
    large = {metric.name: _large(metric, grouped.confusion) | forced for metric in wanted}
    for bootstrap in (True, False):
        asked = [metric for metric in wanted if (large[metric.name] == bootstrap).any()]
        for metric, draws in zip(asked, _draws(grouped.confusion, asked, bootstrap, options), strict=True):
            rows, part = large[metric.name] == bootstrap, found[metric.name]
            level = confidence
            if not bootstrap:
                level = draws_confidence(grouped.confusion.shape[1], part["denominator"][rows], confidence)
            _fill(part, draws, rows, bootstrap, level)
    return found


def _exact(confusion: Any, metric: Metric, confidence: float) -> Part:
    assert metric.parts is not None  # noqa: S101
    events, totals = metric.parts(confusion)
    low, high = intervals.wilson(events[:, 0], totals[:, 0], confidence=confidence)
    return part_of(totals.min(axis=1), metric.from_counts(confusion), low, high, "Wilson")


def _large(metric: Metric, confusion: Any) -> npt.NDArray[np.bool_]:
    assert metric.parts is not None  # noqa: S101
    events, totals = metric.parts(confusion)
    enough = (totals >= MANY) & (events >= MANY_EVENTS) & (totals - events >= MANY_EVENTS)
    return np.asarray(enough.all(axis=1))


def _draws(confusion: Any, metrics: Sequence[Metric], bootstrap: bool, options: dict[str, Any]) -> list[Any]:
    """Return replicates of each metric, (groups, replicates); groups are drawn jointly, some replicates at a time."""
    if not metrics:
        return []
    step = max(1, min(options["replicates"], _CELLS // max(confusion.size, 1)))
    found: list[list[Any]] = [[] for _ in metrics]
    for index, start in enumerate(range(0, options["replicates"], step)):
        size, seed = min(step, options["replicates"] - start), options["seed"] + index
        if bootstrap:
            tables: Any = intervals.multinomial_draws(confusion, replicates=size, seed=seed)
        else:
            prior = cell_prior(confusion.shape[1], confusion[0].size)
            tables = intervals.dirichlet_draws(confusion, replicates=size, seed=seed, prior=prior)
        for values, metric in zip(found, metrics, strict=True):
            values.append(metric.from_counts(tables))
    return [np.concatenate(values) for values in found]


def _fill(part: Part, draws: Any, rows: Any, bootstrap: bool, confidence: Any) -> None:
    low, high = intervals.percentile(draws[:, rows], confidence=confidence)
    part["low"][rows] = np.fmin(low, part["value"][rows])
    part["high"][rows] = np.fmax(high, part["value"][rows])
    part["method"][rows] = "multinomial bootstrap" if bootstrap else "Dirichlet draws"
