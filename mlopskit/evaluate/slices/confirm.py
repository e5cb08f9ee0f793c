"""Confirmation: whether slices found on some rows are worse on others too.

The worst of thousands of slices look bad on the rows they were found on, whatever the truth. So each is tested once
on rows that had no part in the search, against all rows outside it. The claim, after controlling the false discovery
rate: of the confirmed slices at most 5 % are expected to be no worse than the rest; not each single one, not a cause,
not worse than its parent. Those that are not confirmed stay listed, with the power that the test had.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlopskit.errors import DataError, MlopskitError
from mlopskit.evaluate.given import check_direction, check_slices, features_frame
from mlopskit.evaluate.slices.find import checked_errors, slice_mask
from mlopskit.evaluate.slices.units import JACKKNIFE, unit_codes, unit_jackknife
from mlopskit.intervals import adjust
from mlopskit.metrics.estimates import ROUNDING
from mlopskit.results import Results

_FEWEST = 10
FISHER, WELCH = "Fisher, one-sided", "Welch, one-sided"


def confirm_slices(
    slices: pd.DataFrame,
    features: pd.DataFrame,
    errors: npt.ArrayLike,
    *,
    level: float = 0.05,
    method: Literal["bh", "by"] = "bh",
    direction: Literal["worse", "better"] = "worse",
    unit: pd.Series[Any] | None = None,
) -> pd.DataFrame:
    """Test slices on rows that had no part in finding them.

    Parameters
    ----------
    slices : DataFrame
        As from `find_slices`: each mapping, and the mean error found.
    features : DataFrame, shape (n, m)
        The same columns, coded alike, of other rows.
    errors : array_like, shape (n,)
        One non-negative number a row; 0/1 errors are tested by Fisher's exact test, others by Welch's t, both
        one-sided.
    level : float
        False discovery rate.
    method : str
        ``bh`` (Benjamini and Hochberg) or ``by`` (Benjamini and Yekutieli, valid under any dependence).
    direction : str
        What is tested: that a slice is ``worse`` than the rest, or ``better``.
    unit : Series, shape (n,), optional
        Who each row belongs to. Where someone has several rows, these do not count as independent: the difference of
        the two mean errors is then tested by the delete-a-unit jackknife (Student's t, one degree of freedom less than
        the fewer of the units in the slice and outside it).

    Returns
    -------
    DataFrame
        The slices with n_test, error_test, error_rest, p_value, adjusted, confirmed, power (the chance that this
        test, before adjusting, would have found an excess as large as the one found first) and status: ``confirmed``,
        ``not confirmed`` or ``could not test`` (fewer than 10 test rows, or units, in the slice or outside it), and
        method, the name of the test. p-values are adjusted over all slices that could be tested.

    Raises
    ------
    DataError
        When the lengths differ, an error is negative, missing or infinite, or a column of a slice is not there.
    MlopskitError
        When the direction or the method is unknown.

    Examples
    --------
    >>> found = pd.DataFrame({"slice": [{"town": "b"}], "level": [1], "n": [50], "error": [0.5], "score": [1.0]})
    >>> rows = pd.DataFrame({"town": ["a"] * 50 + ["b"] * 50})
    >>> confirm_slices(found, rows, [0] * 45 + [1] * 5 + [0] * 25 + [1] * 25)["status"].tolist()
    ['confirmed']
    """
    check_slices(slices)
    features = features_frame(features)
    check_direction(direction)
    _check_test(level, method)
    values = checked_errors(errors, len(features))
    _refuse_strangers(slices, features)
    binary = bool(np.all((values == 0) | (values == 1)))
    sign = 1 if direction == "worse" else -1
    home = unit_codes(unit, len(values))
    rows = [
        _tested(slice_mask(features, chosen), values, float(found), level, binary=binary, sign=sign, home=home)
        for chosen, found in zip(slices["slice"], slices["error"], strict=True)
    ]
    names = ["n_test", "error_test", "error_rest", "p_value", "power"]
    result = pd.concat([slices.reset_index(drop=True), pd.DataFrame(rows, columns=names)], axis=1)
    result["adjusted"] = adjust(result["p_value"].to_numpy(float), method=method)
    result["confirmed"] = (result["adjusted"] <= level).to_numpy(bool)
    untested = result["p_value"].isna()
    result["status"] = np.where(untested, "could not test", np.where(result["confirmed"], "confirmed", "not confirmed"))
    result["method"] = JACKKNIFE if home is not None else FISHER if binary else WELCH
    shown = [*slices.columns, *names[:4], "adjusted", "confirmed", "power", "status", "method"]
    return Results(result[shown])


def _check_test(level: float, method: str) -> None:
    if method not in ("bh", "by"):
        raise MlopskitError(
            f"method = {method!r} is unknown; choose bh (Benjamini-Hochberg) or by (Benjamini-Yekutieli)."
        )
    if not 0 < level < 1:
        raise MlopskitError(f"level = {level!r} must lie between 0 and 1; 0.05 is usual.")


def _refuse_strangers(slices: pd.DataFrame, features: pd.DataFrame) -> None:
    missing = sorted({str(name) for chosen in slices["slice"] for name in chosen if name not in features.columns})
    if missing:
        raise DataError(
            f"Slices speak of {', '.join(missing)}, which these rows do not have; they have "
            f"{', '.join(map(str, features.columns))}. Give the columns that the slices were found on."
        )


def _tested(
    inside: Any, values: Any, found: float, level: float, *, binary: bool, sign: int, home: Any = None
) -> tuple[int, float, float, float, float]:
    own, rest = values[inside], values[~inside]
    mean, mean_rest = (float(part.mean()) if len(part) else np.nan for part in (own, rest))
    if min(len(own), len(rest)) < _FEWEST:
        return len(own), mean, mean_rest, np.nan, np.nan
    if home is not None:
        difference, spread, units = unit_jackknife(values, inside, home)
        if units < _FEWEST:
            return len(own), mean, mean_rest, np.nan, np.nan
        tiny = ROUNDING * float(values.max())
        difference, spread = (0.0 if abs(part) <= tiny else part for part in (difference, spread))
        return len(own), mean, mean_rest, *_student(difference, found - mean_rest, spread, units - 1, level, sign)
    p_value, power = (_fisher if binary else _welch)(own, rest, found, level, sign)
    return len(own), mean, mean_rest, p_value, power


def _fisher(own: Any, rest: Any, found: float, level: float, sign: int) -> tuple[float, float]:
    """Chance of so many errors in the slice, or so few, were errors dealt at random over all rows (hypergeometric)."""
    wrong, total = int(own.sum()), len(own) + len(rest)
    dealt = total, wrong + int(rest.sum()), len(own)
    p_value = float(stats.hypergeom.sf(wrong - 1, *dealt) if sign > 0 else stats.hypergeom.cdf(wrong, *dealt))
    base = float(rest.mean())
    if not 0 <= found <= 1:  # it was searched by a loss: no error rate to find again
        return min(p_value, 1.0), float("nan")
    pooled = (found * len(own) + base * len(rest)) / total
    null = np.sqrt(pooled * (1 - pooled) * (1 / len(own) + 1 / len(rest)))
    spread = np.sqrt(found * (1 - found) / len(own) + base * (1 - base) / len(rest))
    return min(p_value, 1.0), _power(sign * (found - base), null, spread, level)


def _welch(own: Any, rest: Any, found: float, level: float, sign: int) -> tuple[float, float]:
    spread = float(np.sqrt(own.var(ddof=1) / len(own) + rest.var(ddof=1) / len(rest)))
    excess, hoped = sign * float(own.mean() - rest.mean()), sign * (found - float(rest.mean()))
    tiny = ROUNDING * float(max(own.max(), rest.max()))
    if spread <= tiny:
        return (0.0 if excess > tiny else 1.0), float(hoped > tiny)
    side: Literal["greater", "less"] = "greater" if sign > 0 else "less"
    p_value = float(stats.ttest_ind(own, rest, equal_var=False, alternative=side).pvalue)
    return p_value, _power(hoped, spread, spread, level)


def _student(excess: float, hoped: float, spread: float, df: int, level: float, sign: int) -> tuple[float, float]:
    if spread == 0:
        return (0.0 if sign * excess > 0 else 1.0), float(sign * hoped > 0)
    return float(stats.t.sf(sign * excess / spread, df)), _power(sign * hoped, spread, spread, level)


def _power(excess: float, null: float, spread: float, level: float) -> float:
    """Normal approximation of the chance that the test finds this excess; not known where none was found."""
    if not np.isfinite(excess):
        return np.nan
    reach = excess - stats.norm.ppf(1 - level) * null
    return float(stats.norm.cdf(reach / spread)) if spread > 0 else float(reach > 0)
