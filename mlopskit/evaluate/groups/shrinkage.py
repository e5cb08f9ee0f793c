"""Shrunken rates: what a group's rate looks like in the light of all the others.

The raw rate of a small group is mostly noise: of many groups the smallest ones stand at both ends of a ranking. Each
group's rate is therefore seen as drawn from one Beta distribution that all groups share, which few groups tell little
about: the shrunken rate is the mean over all Beta distributions, each weighed by how well it explains the groups (a
beta-binomial model, *hierarchical Bayes*). It lies between a group's own rate and the common one, nearer to its own the
more rows it has. It stands beside the raw rate and never in its place: it is better on average over groups, not for
each, and a group that truly differs is drawn towards the rest as well.

References
----------
Efron, B. and Morris, C. (1975). Data analysis using Stein's estimator and its generalizations. JASA 70, 311-319;
Christiansen, C. L. and Morris, C. N. (1997). Hierarchical Poisson regression modeling. JASA 92, 618-632 (the prior that
is uniform in the shrinkage, and intervals by matched moments).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from mlopskit.errors import MetricError, listing
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.groups.table import COLUMNS
from mlopskit.metrics import METRICS

Floats = npt.NDArray[np.float64]
NEW = ["shrunken", "shrunken_low", "shrunken_high", "prior_rows"]


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
        The table with shrunken, shrunken_low, shrunken_high (a central interval of the posterior, in which how little
        few groups tell of the common distribution is counted) and prior_rows (for how many rows the common rate counts
        in a group of median size). NaN for ``overall``, for metrics that are no share of rows, where fewer than three
        groups have rows, and where rows are weighted or belong together, whose counts say too much.

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
    [[0.51, nan], [0.4, 0.44], [0.5, 0.51], [0.6, 0.57], [1.0, 0.59]]
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
    """Mean, interval and prior rows: Beta posteriors averaged over the common distributions, by their moments."""
    mean, strength, weight = common_distributions(events, totals)
    a, b = mean * strength + events[:, None], (1 - mean) * strength + (totals - events)[:, None]
    first = a / (a + b)
    centre = first @ weight
    variance = (first * (1 - first) / (a + b + 1) + (first - centre[:, None]) ** 2) @ weight
    rows = centre * (1 - centre) / variance - 1
    tail = (1 - confidence) / 2
    ends = [special.betaincinv(centre * rows, (1 - centre) * rows, share) for share in (tail, 1 - tail)]
    typical = float(np.median(totals))
    share = float((strength / (strength + typical)) @ weight)
    return centre, *ends, np.full(len(events), typical * share / (1 - share))


def common_distributions(events: npt.ArrayLike, totals: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return mean, strength (in rows) and posterior weight of Beta distributions that the rates may come from.

    The mean is uniform beforehand, and so is the share by which a group of median size is drawn to it.

    Examples
    --------
    >>> mean, strength, weight = common_distributions([10, 20, 30], [20, 40, 60])
    >>> round(float(mean @ weight), 2), round(float(weight.sum()), 9)
    (0.5, 1.0)
    """
    k, n = np.asarray(events, dtype=float)[:, None], np.asarray(totals, dtype=float)[:, None]
    steps = np.linspace(-7.0, 7.0, 29)
    strength = np.exp(steps) * np.median(n)
    precision = 1 / (1 / n + 1 / strength)
    centre = (precision * (k + 0.5) / (n + 1)).sum(axis=0) / precision.sum(axis=0)
    spread = 1 / np.sqrt(centre * (1 - centre) * precision.sum(axis=0))
    places = np.linspace(-5.0, 5.0, 31)
    scaled = special.logit(centre)[:, None] + spread[:, None] * places
    mean = special.expit(np.clip(scaled, -25.0, 25.0)).ravel()  # beyond, one of the two shapes would be 0
    width, steps, strength = (np.repeat(part, len(places)) for part in (spread, steps, strength))
    a, b = mean * strength, (1 - mean) * strength
    surprise = -(special.betaln(k + a, n - k + b) - special.betaln(a, b)).sum(axis=0)
    prior = mean * (1 - mean) * width * special.expit(steps) * special.expit(-steps)
    weight = prior * np.exp(surprise.min() - surprise)
    return mean, strength, weight / weight.sum()
