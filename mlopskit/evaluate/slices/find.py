"""Slices: the groups of rows, described by column values, for which a model is worst.

A *slice* is a conjunction such as ``education = Bachelor and age = 18–32``. SliceLine scores it by how much larger
its mean error is than the overall one, less a penalty for being small:

    score = α · (mean error in the slice / overall mean error − 1) − (1 − α) · (n / size − 1)

All rows together score 0, and a slice of a share p of the rows scores above 0 only if its mean error exceeds the
overall one by the factor 1 + (1 − α)/α · (1/p − 1): at α = 0.95 that is 2 for 5 % of the rows and 6.2 for 1 %.
`find_slices` returns the K best of all slices, exactly, not by a heuristic.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError, listing
from mlopskit.evaluate.given import check_search, features_frame
from mlopskit.evaluate.slices.codes import Coded, encode
from mlopskit.evaluate.slices.result import Slices
from mlopskit.evaluate.slices.score import Best, Score
from mlopskit.evaluate.slices.search import Search

_COLUMNS = ["slice", "level", "n", "error", "score"]


def find_slices(
    features: pd.DataFrame,
    errors: npt.ArrayLike,
    *,
    k: int = 10,
    alpha: float = 0.95,
    min_support: float | None = None,
    max_level: int = 3,
    direction: Literal["worse", "better"] = "worse",
) -> Slices:
    """Find the K slices with the highest score, exactly.

    Parameters
    ----------
    features : DataFrame, shape (n, m)
        Categorical or integer-coded columns; a missing value is the value ``missing``. Bin numbers first
        (`mlopskit.tally.Grouping`).
    errors : array_like, shape (n,)
        One non-negative number a row: 0/1 for wrong, a loss, a squared error.
    k : int
        Slices returned at most; fewer when fewer score above 0.
    alpha : float
        In (0, 1]: the weight of the error against the size.
    min_support : float, optional
        Least number of rows of a slice; ``max(32, n / 100)`` by default.
    max_level : int
        Most columns in a conjunction.
    direction : str
        ``worse``, or ``better`` for slices where the model does unusually well: α · (1 − mean error / overall mean
        error) − (1 − α) · (n / size − 1), an extension of ours that the paper does not have.

    Returns
    -------
    Slices
        A DataFrame with ``worst`` and ``rows_of``.
        slice (mapping column → value), level, n, error (mean error in the slice), score; best first, ties by larger
        n, lower level, then name (columns and values in alphabetical order). ``attrs["visited"]`` says how many
        slices of each level were counted; all others cannot be among the best.

    Raises
    ------
    DataError
        When the lengths differ, an error is negative, missing or infinite, two columns have one name, or a column
        holds what is no value (a list).
    MlopskitError
        When a setting is out of range.

    References
    ----------
    Sagadeeva, S. and Boehm, M. (2021). SliceLine: fast, linear-algebra-based slice finding for ML model debugging.
    SIGMOD, 2290-2299. doi:10.1145/3448016.3457323.

    Examples
    --------
    >>> rows = pd.DataFrame({"sex": ["f", "m"] * 50, "town": ["a"] * 50 + ["b"] * 50})
    >>> wrong = (rows["sex"] == "f") & (rows["town"] == "b")
    >>> find_slices(rows, wrong, min_support=10, k=1).round(6).values.tolist()
    [[{'sex': 'f', 'town': 'b'}, 2, 25, 1.0, 2.7]]
    """
    features = features_frame(features)
    values = _addable(checked_errors(errors, len(features)))
    check_search(k=k, alpha=alpha, min_support=min_support, max_level=max_level, direction=direction)
    if not len(features) or not features.shape[1] or not values.sum():
        return _with_visited(_result([], []), [])
    support = max(32.0, len(features) / 100) if min_support is None else max(float(min_support), 1.0)
    _warn_of_unbinned(features, support)
    order = np.argsort(-values, kind="stable")
    coded = encode(features, order)
    score = Score(len(features), float(values.sum()), alpha, support, direction == "better")
    search = Search(coded, values[order], score=score, k=k, max_level=max_level)
    return _as_table(search.run(), coded, features.columns).pipe(_with_visited, search.visited)


def least_factor(share: npt.ArrayLike, *, alpha: float) -> Any:
    """Return how many times the overall mean error a slice of this share of the rows must have to score above 0.

    Examples
    --------
    >>> [round(float(least_factor(share, alpha=0.95)), 1) for share in (0.05, 0.01)]
    [2.0, 6.2]
    """
    return 1 + (1 - alpha) / alpha * (1 / np.asarray(share, dtype=float) - 1)


def in_words(chosen: Mapping[str, Any]) -> str:
    """Return a slice in words.

    Examples
    --------
    >>> in_words({"education": "Bachelor", "age": "18–32"})
    'education = Bachelor and age = 18–32'
    """
    return " and ".join(f"{column} = {value}" for column, value in chosen.items())


def slice_mask(features: pd.DataFrame, chosen: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
    """Return which rows belong to a slice, (n,) bool; ``missing`` also means a missing value."""
    inside = np.ones(len(features), dtype=bool)
    for column, value in chosen.items():
        values = features[column]
        equal = (values == value).fillna(False).to_numpy(dtype=bool)
        inside &= equal | values.isna().to_numpy() if value == "missing" else equal
    return inside


def checked_errors(errors: npt.ArrayLike, rows: int) -> npt.NDArray[np.float64]:
    """Return the errors as numbers, or refuse them."""
    try:
        values = np.asarray(errors, dtype=float)
    except (TypeError, ValueError):
        raise DataError("Errors must be numbers, one a row: 0/1 for wrong, a loss or a squared error.") from None
    if values.shape != (rows,):
        raise DataError(f"There are {rows} rows of features and errors of shape {values.shape}; give one error a row.")
    if not np.all(np.isfinite(values)) or (values < 0).any():
        raise DataError("Errors must be finite and not negative: 0/1 for wrong, a loss or a squared error.")
    return values


def _addable(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Round errors to the last place of their sum, so that every sum is exact: equal rows tie, in whatever order."""
    step = 2 * np.spacing(values.sum())
    return np.asarray(np.rint(values / step) * step)


def _warn_of_unbinned(features: pd.DataFrame, support: float) -> None:
    """Warn of measured numbers, of which no value has rows enough for a slice."""
    numbers = [name for name in features if pd.api.types.is_float_dtype(features[name].dtype)]
    sparse = [str(name) for name in numbers if features[name].value_counts(dropna=False).max() < support]
    if sparse:
        warnings.warn(
            f"No value of {listing(sparse)} has the {support:,.0f} rows that a slice needs, so none is searched; cut "
            "numbers into ranges first (mlopskit.tally.Grouping).",
            stacklevel=3,
        )


def _as_table(best: Best, coded: Coded, names: pd.Index[Any]) -> pd.DataFrame:
    slices = [
        {
            names[position]: value
            for position, value in sorted((coded.items[item] for item in chosen), key=lambda x: x[0])
        }
        for chosen in best.items
    ]
    sizes = best.size.astype(int)
    rows = [
        (len(chosen), int(n), float(error / n), float(score))
        for chosen, n, error, score in zip(slices, sizes, best.error, best.score, strict=True)
    ]
    return _result(slices, rows)


def _with_visited(table: pd.DataFrame, visited: list[int]) -> Slices:
    found = Slices(table)
    found.attrs["visited"] = visited
    return found


def _result(slices: list[dict[str, Any]], rows: list[tuple[int, int, float, float]]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
    types = {"level": "int64", "n": "int64", "error": "float64", "score": "float64"}
    table = pd.DataFrame(dict(zip(types, columns, strict=True))).astype(types)
    table.insert(0, "slice", pd.Series(slices, dtype=object))
    return table[_COLUMNS]
