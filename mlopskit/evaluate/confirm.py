"""Confirmation: whether slices found on some rows are worse on others too.

The worst of thousands of slices look bad on the rows they were found on, whatever the truth. So each is tested once
on rows that had no part in the search, against all rows outside it. The claim, after controlling the false discovery
rate: of the confirmed slices at most 5 % are expected to be no worse than the rest. It is not a claim about each
single one, not a cause, and not that a slice is worse than the larger one that it is part of.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlopskit.errors import MlopskitError
from mlopskit.evaluate.slices import slice_mask
from mlopskit.intervals import adjust

_FEWEST = 10


def confirm_slices(
    slices: pd.DataFrame,
    features: pd.DataFrame,
    errors: npt.ArrayLike,
    *,
    level: float = 0.05,
    method: Literal["bh", "by"] = "bh",
) -> pd.DataFrame:
    """Test slices on rows that had no part in finding them.

    Parameters
    ----------
    slices : DataFrame
        As from `find_slices` with ``direction="worse"``.
    features : DataFrame, shape (n, m)
        The same columns, coded alike, of other rows.
    errors : array_like, shape (n,)
        One non-negative number a row; 0/1 errors are tested by Fisher's exact test, others by Welch's t, both
        one-sided.
    level : float
        False discovery rate.
    method : str
        ``bh`` (Benjamini and Hochberg) or ``by`` (Benjamini and Yekutieli, valid under any dependence).

    Returns
    -------
    DataFrame
        The slices with n_test, error_test, error_rest, p_value, adjusted, confirmed, power (the chance that this
        test, before adjusting, would have found an excess as large as the one found first) and status: ``confirmed``,
        ``not confirmed`` or ``could not test`` (fewer than 10 test rows in the slice or outside it).

    Examples
    --------
    >>> found = pd.DataFrame({"slice": [{"town": "b"}], "level": [1], "n": [50], "error": [0.5], "score": [1.0]})
    >>> rows = pd.DataFrame({"town": ["a"] * 50 + ["b"] * 50})
    >>> confirm_slices(found, rows, [0] * 45 + [1] * 5 + [0] * 25 + [1] * 25)["status"].tolist()
    ['confirmed']
    """
    values = np.asarray(errors, dtype=float)
    if values.shape != (len(features),):
        raise MlopskitError(
            f"There are {len(features)} rows of features and errors of shape {values.shape}; give one a row."
        )
    binary = bool(np.all((values == 0) | (values == 1)))
    test = _fisher if binary else _welch
    rows = [
        _tested(slice_mask(features, chosen), values, test, float(found), level)
        for chosen, found in zip(slices["slice"], slices["error"], strict=True)
    ]
    names = ["n_test", "error_test", "error_rest", "p_value", "power"]
    result = pd.concat([slices.reset_index(drop=True), pd.DataFrame(rows, columns=names)], axis=1)
    result["adjusted"] = adjust(result["p_value"].to_numpy(float), method=method)
    result["confirmed"] = (result["adjusted"] <= level).to_numpy(bool)
    untested = result["p_value"].isna()
    result["status"] = np.where(untested, "could not test", np.where(result["confirmed"], "confirmed", "not confirmed"))
    return result[[*slices.columns, *names[:4], "adjusted", "confirmed", "power", "status"]]


def _tested(inside: Any, values: Any, test: Any, found: float, level: float) -> tuple[int, float, float, float, float]:
    own, rest = values[inside], values[~inside]
    if min(len(own), len(rest)) < _FEWEST:
        mean = float(own.mean()) if len(own) else np.nan
        return len(own), mean, float(rest.mean()) if len(rest) else np.nan, np.nan, np.nan
    p_value, power = test(own, rest, found, level)
    return len(own), float(own.mean()), float(rest.mean()), p_value, power


def _fisher(own: Any, rest: Any, found: float, level: float) -> tuple[float, float]:
    """Chance of so many errors in the slice were errors dealt at random over all rows (hypergeometric tail)."""
    wrong, total = int(own.sum()), len(own) + len(rest)
    all_wrong = wrong + int(rest.sum())
    p_value = float(stats.hypergeom.sf(wrong - 1, total, all_wrong, len(own)))
    base = float(rest.mean())
    pooled = (found * len(own) + base * len(rest)) / total
    null = np.sqrt(pooled * (1 - pooled) * (1 / len(own) + 1 / len(rest)))
    spread = np.sqrt(found * (1 - found) / len(own) + base * (1 - base) / len(rest))
    return min(p_value, 1.0), _power(found - base, null, spread, level)


def _welch(own: Any, rest: Any, found: float, level: float) -> tuple[float, float]:
    spread = float(np.sqrt(own.var(ddof=1) / len(own) + rest.var(ddof=1) / len(rest)))
    if spread == 0:
        return (0.0 if own.mean() > rest.mean() else 1.0), float(found > rest.mean())
    p_value = float(stats.ttest_ind(own, rest, equal_var=False, alternative="greater").pvalue)
    return p_value, _power(found - float(rest.mean()), spread, spread, level)


def _power(excess: float, null: float, spread: float, level: float) -> float:
    """Normal approximation of the chance that the test finds this excess."""
    reach = excess - stats.norm.ppf(1 - level) * null
    return float(stats.norm.cdf(reach / spread)) if spread > 0 else float(reach > 0)
