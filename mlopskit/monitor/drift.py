"""Drift: how far the distribution of an input or of the scores has moved from the reference, and how sure that is.

For every column and window there are two distances and a test. The population stability index and the Jensen–Shannon
distance say *how far*, in bins at the reference's quantiles, each beside the value that chance alone produces at these
numbers of rows. The test (Kolmogorov–Smirnov for numbers, chi-squared for categories) says *how sure*; its p-values are
adjusted over the columns of a window. Drift is called only when the distance is above its threshold **and** above
chance. Drift of the inputs is about P(x): it says nothing yet about whether the model is still right (see `concept`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import intervals
from mlopskit.monitor import divergence
from mlopskit.monitor.profile import FeatureProfile, Profile, as_numbers
from mlopskit.monitor.windows import Windows
from mlopskit.results import Results

FEWEST_ROWS = 30
"""Below this many rows in a window neither the bins nor their chance level mean much."""

COLUMNS = [
    "feature",
    "role",
    "window",
    "n",
    "statistic",
    "value",
    "chance_mean",
    "chance",
    "threshold",
    "p_value",
    "adjusted",
    "status",
]


def drift_table(
    profile: Profile,
    frame: pd.DataFrame,
    windows: Windows,
    *,
    reference: Mapping[str, pd.Series[Any]] | None = None,
    thresholds: Mapping[str, float] | None = None,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Compare every window with the reference, column by column.

    Parameters
    ----------
    profile : Profile
        The reference.
    frame : DataFrame, shape (n_rows, …)
        Production rows, in the order of `windows`. A profiled column that is absent could not be checked.
    windows : Windows
        Which row falls in which window.
    reference : mapping of str to Series, optional
        Reference values of the columns (a DataFrame will do); with them numeric columns are tested by
        Kolmogorov–Smirnov, else by chi-squared on the bins.
    thresholds : mapping, optional
        Column → largest PSI that is tolerated; ``"*"`` for all others.
    alpha : float
        Level of the chance percentile and of the adjusted test.

    Returns
    -------
    DataFrame
        feature, role, window, n, statistic (psi, jensen_shannon, and ks or chi_squared), value, chance_mean, chance
        (percentile 1 − alpha without drift), threshold, p_value, adjusted (Benjamini–Hochberg over the columns of a
        window), status:

        - ``drift``: above chance and above the threshold (PSI), or significant after adjustment (tests)
        - ``beyond chance``: above chance, within the threshold
        - ``within chance``
        - ``empty``, ``could not check`` (column not logged, or under 30 rows)
    """
    bounds = thresholds or {}
    rows = [
        row
        for item in profile.features
        for row in _feature_rows(
            item, frame, windows, reference, bounds.get(item.feature, bounds.get("*", np.nan)), alpha
        )
    ]
    return Results(_adjusted(pd.DataFrame(rows, columns=COLUMNS), alpha))


def _feature_rows(
    item: FeatureProfile,
    frame: pd.DataFrame,
    windows: Windows,
    reference: Mapping[str, pd.Series[Any]] | None,
    bound: float,
    alpha: float,
) -> Iterator[dict[str, Any]]:
    for index, label in enumerate(windows.labels):
        base = {"feature": item.feature, "role": item.role, "window": label, "n": 0, "threshold": np.nan}
        chosen = windows.rows_of(index)
        if item.feature not in frame.columns:
            yield {**base, "n": len(chosen), "statistic": "psi", "status": "could not check"}
            continue
        values = frame[item.feature].iloc[chosen]
        values = values.dropna() if item.role == "output" else values  # unanswered requests have no output to compare
        base["n"] = len(values)
        if len(values) < FEWEST_ROWS or item.n < FEWEST_ROWS:
            yield {**base, "statistic": "psi", "status": "empty" if len(values) == 0 else "could not check"}
            continue
        counts = item.count(values)
        yield from _distances(base, np.asarray(item.counts), counts, bound, alpha)
        yield _tested(base, item, counts, values, reference)


def _distances(base: dict[str, Any], p: Any, q: Any, bound: float, alpha: float) -> Iterator[dict[str, Any]]:
    n, m, bins = int(q.sum()), int(p.sum()), int(((p > 0) | (q > 0)).sum())
    value, chance = divergence.psi(p, q, floors=(0.5 / m, 0.5 / n)), divergence.psi_chance(n, m, bins, level=1 - alpha)
    beyond = value > chance.high
    status = "drift" if beyond and value > bound else "beyond chance" if beyond else "within chance"
    common = {"chance_mean": chance.mean, "chance": chance.high}
    yield {**base, "statistic": "psi", "value": value, **common, "threshold": bound, "status": status}
    value, chance = divergence.jensen_shannon(p, q), divergence.jensen_shannon_chance(n, m, bins, level=1 - alpha)
    status = "beyond chance" if value > chance.high else "within chance"
    common = {"chance_mean": chance.mean, "chance": chance.high}
    yield {**base, "statistic": "jensen_shannon", "value": value, **common, "status": status}


def _tested(
    base: dict[str, Any],
    item: FeatureProfile,
    counts: Any,
    values: pd.Series[Any],
    reference: Mapping[str, pd.Series[Any]] | None,
) -> dict[str, Any]:
    name, value, p_value = "chi_squared", np.nan, np.nan
    if item.kind == "numeric" and reference is not None and item.feature in reference:
        name = "ks"
        value, p_value = kolmogorov_smirnov(as_numbers(reference[item.feature]), as_numbers(values))
    else:
        value, p_value = chi_squared(np.asarray(item.counts), counts)
    return {**base, "statistic": name, "value": value, "p_value": p_value, "status": "could not check"}


def kolmogorov_smirnov(reference: Any, current: Any) -> tuple[float, float]:
    """Largest gap between two empirical distributions and its asymptotic p-value; ties make the test conservative."""
    from scipy.stats import ks_2samp

    first, second = reference[~np.isnan(reference)], current[~np.isnan(current)]
    if len(first) == 0 or len(second) == 0:
        return float("nan"), float("nan")
    result = ks_2samp(first, second, method="asymp")
    return float(result.statistic), float(result.pvalue)


def chi_squared(reference: Any, current: Any) -> tuple[float, float]:
    """Pearson's test that two sets of counts come from one distribution; bins empty in both are left out."""
    from scipy.stats import chi2_contingency

    table = np.vstack([reference, current])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return float("nan"), float("nan")
    result = chi2_contingency(table, correction=False)
    return float(result.statistic), float(result.pvalue)


def _adjusted(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    tests = table["statistic"].isin(["ks", "chi_squared"])
    table["adjusted"] = np.nan
    for _, rows in table[tests].groupby("window", sort=False):
        table.loc[rows.index, "adjusted"] = intervals.adjust(rows["p_value"].to_numpy(dtype=float))
    known = tests & table["adjusted"].notna()
    table.loc[known, "status"] = np.where(table.loc[known, "adjusted"] < alpha, "drift", "within chance")
    return table


def drifting(table: pd.DataFrame, *, role: str | None = None) -> pd.DataFrame:
    """Return the PSI rows with status ``drift``, largest first."""
    chosen = table[(table["statistic"] == "psi") & (table["status"] == "drift")]
    chosen = chosen if role is None else chosen[chosen["role"] == role]
    return chosen.sort_values(["value", "feature", "window"], ascending=[False, True, True], kind="stable")
