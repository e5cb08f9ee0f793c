"""Shrunken rates: what a group's rate looks like in the light of all the others.

The raw rate of a small group is mostly noise: of many groups the smallest ones stand at both ends of a ranking. Each
group's rate is therefore seen as drawn from one Beta distribution, which is fitted to all groups (*empirical Bayes*);
a group's shrunken rate lies between its own and the common one, nearer to its own the more rows it has. It stands
beside the raw rate and never in its place: it is better on average over groups, not for each, and a group that truly
differs is drawn towards the rest as well.

References
----------
Efron, B. and Morris, C. (1975). Data analysis using Stein's estimator and its generalizations. JASA 70, 311-319;
Casella, G. (1985). An introduction to empirical Bayes data analysis. The American Statistician 39, 83-87.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special

from mlopskit.errors import MetricError, listing
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.groups.table import COLUMNS
from mlopskit.metrics import METRICS

Floats = npt.NDArray[np.float64]
NEW = ["shrunken", "shrunken_low", "shrunken_high", "prior_rows"]
_STRONGEST = 1e6
"""Rows that the common rate counts for where groups differ no more than chance makes them."""


def shrunken_rates(table: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Put shrunken rates beside the raw ones.

    Parameters
    ----------
    table : DataFrame
        As `group_metrics` returns it.
    confidence : float
        Of the shrunken rate's interval.

    Returns
    -------
    DataFrame
        The table with shrunken, shrunken_low, shrunken_high (a central interval of the posterior, given the fitted
        distribution; that this was fitted is not in it) and prior_rows (for how many rows the common rate counts; at
        most a million). NaN for ``overall``, for metrics that are no share of rows, where fewer than three groups have
        rows, and where rows are weighted or belong together, whose counts say too much.

    Raises
    ------
    MetricError
        When the table lacks a column of `group_metrics`.

    Examples
    --------
    Three groups of 100 and one of 5, whose rate of 1 says little:

    >>> from mlopskit.evaluate import group_metrics
    >>> people = pd.DataFrame({"town": ["a"] * 100 + ["b"] * 100 + ["c"] * 100 + ["d"] * 5})
    >>> found = [1] * 40 + [0] * 60 + [1] * 50 + [0] * 50 + [1] * 60 + [0] * 40 + [1] * 5
    >>> table = group_metrics([1] * 305, found, people, metrics=["recall"], task="binary")
    >>> shrunken_rates(table)[["value", "shrunken"]].round(2).values.tolist()
    [[0.51, nan], [0.4, 0.44], [0.5, 0.51], [0.6, 0.58], [1.0, 0.58]]
    """
    absent = [column for column in COLUMNS if column not in table.columns]
    if absent:
        raise MetricError(f"This is no table of group_metrics: it lacks {listing(absent)}.")
    found = table.assign(**dict.fromkeys(NEW, np.nan))
    for metric, rows in found.groupby("metric", sort=False):
        if not _is_share(str(metric)) or rows["method"].str.contains("jackknife").any():
            continue
        used = rows[(rows["group"] != OVERALL) & (rows["denominator"] > 0) & rows["value"].notna()]
        if len(used) < 3:
            continue
        totals = used["denominator"].to_numpy(float)
        columns = _posterior(np.rint(used["value"].to_numpy(float) * totals), totals, confidence)
        for name, values in zip(NEW, columns, strict=True):
            found.loc[used.index, name] = values
    return found


def _is_share(metric: str) -> bool:
    return metric in METRICS and (METRICS[metric].rate or metric == "precision")


def _posterior(events: Floats, totals: Floats, confidence: float) -> tuple[Any, ...]:
    mean, strength = fit_beta(events, totals)
    a, b = mean * strength + events, (1 - mean) * strength + totals - events
    tail = (1 - confidence) / 2
    return a / (a + b), special.betaincinv(a, b, tail), special.betaincinv(a, b, 1 - tail), strength


def fit_beta(events: npt.ArrayLike, totals: npt.ArrayLike) -> tuple[float, float]:
    """Fit the mean of a Beta distribution and its strength in rows by the marginal (beta-binomial) likelihood.

    Examples
    --------
    >>> mean, strength = fit_beta([10, 20, 30], [20, 40, 60])
    >>> round(mean, 3), strength > 1e5
    (0.5, True)
    """
    k, n = np.asarray(events, dtype=float), np.asarray(totals, dtype=float)
    start = np.clip((k.sum() + 0.5) / (n.sum() + 1), 1e-6, 1 - 1e-6)

    def surprise(at: Floats) -> tuple[float, Floats]:
        mean, strength = special.expit(at[0]), np.exp(at[1])
        a, b = mean * strength, (1 - mean) * strength
        common = special.psi(n + strength) - special.psi(strength)
        by_a = (common - special.psi(k + a) + special.psi(a)).sum()
        by_b = (common - special.psi(n - k + b) + special.psi(b)).sum()
        slope = np.array([(by_a - by_b) * strength * mean * (1 - mean), by_a * a + by_b * b])
        return float(-(special.betaln(k + a, n - k + b) - special.betaln(a, b)).sum()), slope

    bounds = [(-14.0, 14.0), (np.log(0.1), np.log(_STRONGEST))]
    tries = [
        optimize.minimize(surprise, [special.logit(start), first], bounds=bounds, method="TNC", jac=True)
        for first in (np.log(5.0), np.log(500.0))
    ]
    best = min(tries, key=lambda found: float(found.fun))
    flat = np.array([special.logit(start), np.log(_STRONGEST)])
    at = flat if surprise(flat)[0] <= best.fun + 1e-6 else best.x
    return float(special.expit(at[0])), float(np.exp(at[1]))
