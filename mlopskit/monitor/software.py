"""Software: does the service answer, and fast enough? Requests, errors, latency and throughput by window.

Latency is measured time, so this table differs from run to run; nothing else in monitoring depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import intervals
from mlopskit.data import ROW
from mlopskit.metrics.monitored import LATENCIES
from mlopskit.monitor.traffic import Traffic

COLUMNS = ["window", "metric", "n", "value", "low", "high", "method", "status"]


def software_table(traffic: Traffic, latency: pd.DataFrame | None, *, confidence: float = 0.95) -> pd.DataFrame:
    """Measure errors, latency and throughput of every window and of all windows together.

    Parameters
    ----------
    traffic : Traffic
        Requests and windows.
    latency : DataFrame or None
        `_row` and latency_ms, as the server measured them.
    confidence : float
        Of Wilson's interval for the error rate and of the order-statistic interval for quantiles.

    Returns
    -------
    DataFrame
        window ("all" first), metric (requests, error_rate, latency_p50_ms, latency_p95_ms, latency_p99_ms, throughput
        in answers a second of serving time), n, value, low, high, method, status (measured, empty, could not check)
    """
    times = _latencies(traffic, latency)
    rows: list[dict[str, Any]] = []
    everything = np.arange(len(traffic.log))
    parts = [
        ("all", everything),
        *((label, traffic.windows.rows_of(i)) for i, label in enumerate(traffic.windows.labels)),
    ]
    for label, inside in parts:
        rows.extend({"window": label, **row} for row in _one(traffic.failed[inside], times[inside], confidence))
    return pd.DataFrame(rows, columns=COLUMNS)


def _latencies(traffic: Traffic, latency: pd.DataFrame | None) -> np.ndarray[Any, np.dtype[np.float64]]:
    if latency is None or "latency_ms" not in latency.columns:
        return np.full(len(traffic.log), np.nan)
    known = latency.drop_duplicates(ROW, keep="last").set_index(ROW)["latency_ms"]
    return traffic.log[ROW].map(known).to_numpy(dtype=float, na_value=np.nan)


def _one(failed: Any, times: Any, confidence: float) -> Iterator[dict[str, Any]]:
    n, times = len(failed), np.sort(times[~np.isnan(times)])
    status = "measured" if n else "empty"
    yield {
        "metric": "requests",
        "n": n,
        "value": float(n),
        "low": float(n),
        "high": float(n),
        "method": "count",
        "status": "measured",
    }
    low, high = intervals.wilson(int(failed.sum()), n, confidence=confidence)
    rate = {"value": failed.mean(), "low": float(low), "high": float(high)} if n else {}
    yield {"metric": "error_rate", "n": n, **rate, "method": "Wilson", "status": status}
    timed = "measured" if len(times) else "could not check" if n else "empty"
    for name, level in LATENCIES.items():
        yield {
            "metric": name,
            "n": len(times),
            **_quantile(times, level, confidence),
            "method": "order statistics",
            "status": timed,
        }
    spent = float(times.sum())
    rate = {"value": len(times) / spent * 1000} if spent > 0 else {}
    yield {"metric": "throughput", "n": len(times), **rate, "method": "answers / serving time", "status": timed}


def _quantile(ordered: Any, level: float, confidence: float) -> dict[str, float]:
    """A quantile with its distribution-free interval between two order statistics (binomial).

    Where there are too few rows for the upper end, it is unbounded.
    """
    from scipy.stats import binom

    n = len(ordered)
    if n == 0:
        return {}
    lower = int(binom.ppf((1 - confidence) / 2, n, level))
    upper = int(binom.ppf(0.5 + confidence / 2, n, level))
    return {
        "value": float(np.quantile(ordered, level)),
        "low": float(ordered[max(0, lower - 1)]) if lower >= 1 else 0.0,
        "high": float(ordered[upper]) if upper < n else np.inf,
    }
