"""MAE, RMSE, R² and bias by group from sums, each block of rows left out in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit.errors import MetricError
from mlopskit.metrics import METRICS, Metric
from mlopskit.metrics.scales import SCALES, way_back

Floats = npt.NDArray[np.float64]


def jackknife_sums(
    sums: Floats, metric: Metric
) -> tuple[Floats, Floats, Floats, Callable[[Any], Any], npt.NDArray[np.int64]]:
    """Return value, standard error, centre (on the metric's scale), the way back from that scale, and blocks by group.

    Parameters
    ----------
    sums : ndarray, shape (groups, blocks, 6 or 8)
        As in `mlopskit.tally.counts.SUMS`, or `WEIGHTED_SUMS`.
    metric : Metric
        mae, rmse, r2 or bias.
    """
    sums = sums[:, :, :6]
    there, _ = SCALES[metric.scale]
    occupied = sums[:, :, 0] > 0
    blocks = occupied.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _value(_combined(sums), metric.name)
        left_out = np.where(occupied, there(_value(_without_each(sums), metric.name)), np.nan)
        mean = np.nansum(left_out, axis=1) / blocks
        squares = np.nansum((left_out - mean[:, None]) ** 2, axis=1)
        error = np.where(blocks > 1, np.sqrt((blocks - 1) / blocks * squares), np.nan)
        broken = (~np.isfinite(left_out) & occupied).any(axis=1)
        centre = there(value)
    error = np.where(broken, np.nan, error)
    return value, error, centre, way_back(metric, centre, error), blocks


def left_out(sums: Floats, metric: Metric) -> tuple[Floats, Floats]:
    """Return the value of each group and what each block moves it by, (groups, blocks), scaled to its variance."""
    sums = sums[:, :, :6]
    occupied = sums[:, :, 0] > 0
    blocks = np.maximum(occupied.sum(axis=1), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = _value(_combined(sums), metric.name)
        found = np.where(occupied, _value(_without_each(sums), metric.name), np.nan)
    mean = np.nansum(found, axis=1) / blocks
    return value, np.nan_to_num((found - mean[:, None]) * np.sqrt((blocks - 1) / blocks)[:, None])


def effective_rows(sums: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """How many independent rows would give the mean absolute error the same standard error; at most all rows."""
    total = _combined(sums[:, :, :6])
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = total[:, 3] / total[:, 0] - (total[:, 1] / total[:, 0]) ** 2
        error = (left_out(sums, METRICS["mae"])[1] ** 2).sum(axis=1)
        size = np.where(error > 0, spread / error, rows)
    return np.asarray(np.clip(np.nan_to_num(size), 0, rows))


def _combined(sums: Floats) -> Floats:
    n, mean = sums[:, :, 0], sums[:, :, 4]
    total = sums.sum(axis=1)
    total[:, 4] = (n * mean).sum(axis=1) / np.where(total[:, 0] > 0, total[:, 0], 1.0)
    total[:, 5] += (n * (mean - total[:, 4, None]) ** 2).sum(axis=1)
    return np.asarray(total)


def _without_each(sums: Floats) -> Floats:
    """Return the sums of all blocks but one, (groups, blocks, 6)."""
    total = _combined(sums)
    rest = total[:, None, :] - sums
    n = np.where(rest[:, :, 0] > 0, rest[:, :, 0], 1.0)
    shift = sums[:, :, 4] - total[:, 4, None]
    lost = sums[:, :, 0] * shift
    rest[:, :, 5] = np.maximum(total[:, 5, None] - sums[:, :, 5] - lost * shift - lost**2 / n, 0.0)
    return np.asarray(rest)


def _value(sums: Floats, name: str) -> Floats:
    n, absolute, error, squared, _, spread = np.moveaxis(sums, -1, 0)
    if name == "mae":
        return np.asarray(absolute / n)
    if name == "rmse":
        return np.asarray(np.sqrt(squared / n))
    if name == "bias":
        return np.asarray(error / n)
    if name == "r2":
        return np.asarray(np.where(spread > 0, 1 - squared / spread, np.nan))
    raise MetricError(f"{name} by group cannot be had from sums; for regression there are mae, rmse, r2 and bias.")
