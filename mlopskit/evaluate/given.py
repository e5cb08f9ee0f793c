"""What a caller gives to the public functions, checked before anything is computed.

Each check says what was wrong, what there is and what to do, where NumPy or pandas would fail in the middle, or would
answer something that means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import DataError, MetricError, MlopskitError, listing, nearest

TASKS = ("binary", "multiclass", "regression")


def check_draws(*, replicates: int, confidence: float, seed: int) -> None:
    """Refuse what intervals and draws cannot be made with.

    Raises
    ------
    MetricError
    """
    if not isinstance(replicates, Integral) or replicates < 1:
        raise MetricError(f"replicates = {replicates!r} must be a whole number from 1; 1000 is usual.")
    if not isinstance(confidence, Real) or not 0 < confidence < 1:
        raise MetricError(f"confidence = {confidence!r} must lie between 0 and 1; 0.95 is usual.")
    if not isinstance(seed, Integral) or seed < 0:
        raise MetricError(f"seed = {seed!r} must be a whole number from 0.")


def check_least(**least: int) -> None:
    """Refuse a smallest number (of rows, of clusters) that is none.

    Raises
    ------
    MetricError
    """
    for name, value in least.items():
        if not isinstance(value, Integral) or value < 1:
            raise MetricError(f"{name} = {value!r} must be a whole number from 1; 10 is usual.")


def metric_names(metrics: Sequence[str] | None) -> list[str] | None:
    """Return names as a list without repeats; one name alone is a list of one.

    Raises
    ------
    MetricError
        When these are no names.
    """
    if metrics is None:
        return None
    names = [metrics] if isinstance(metrics, str) else list(metrics) if isinstance(metrics, Iterable) else [metrics]
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        raise MetricError(f"metrics holds {wrong[0]!r}; give names, such as ['accuracy', 'recall'].")
    return list(dict.fromkeys(names))


def check_task(task: str | None) -> None:
    """Refuse a task that does not exist.

    Raises
    ------
    MetricError
    """
    if task is not None and task not in TASKS:
        raise MetricError(f"Unknown task {task!r}{nearest(str(task), TASKS)}; there are {listing(TASKS)}.")


def plain_array(values: Any) -> npt.NDArray[Any]:
    """Return values as an array in which those of a list stay what they are: NumPy would make words of NaN and 1."""
    found = np.asarray(values)
    return np.array(values, dtype=object) if found.dtype.kind == "U" and isinstance(values, list | tuple) else found


def check_rows(given: Mapping[str, Any]) -> None:
    """Refuse parts that are not one value a row, or not of the same rows.

    Raises
    ------
    MetricError
    """
    for name in ("y_true", "y_pred"):
        if np.ndim(given[name]) != 1:
            raise MetricError(f"{name} has shape {np.shape(given[name])}; give one label or number a row, (n,).")
    for name, part in given.items():
        if part is not None and not np.ndim(part):
            raise MetricError(f"{name} is {_described(part)}; give one value a row.")
    sizes = {name: len(part) for name, part in given.items() if part is not None}
    if len(set(sizes.values())) > 1:
        words = listing(f"{name} {size:,}" for name, size in sizes.items())
        raise MetricError(f"Rows come in different lengths: {words}; give the same rows in the same order.")
    if not len(given["y_true"]):
        raise MetricError("There are no rows: y_true is empty.")
    _check_kinds(given["y_true"], given["y_pred"])


def _check_kinds(*labels: Any) -> None:
    """Refuse labels that are neither words nor numbers, and words compared with numbers, which are never equal."""
    kinds = set()
    for name, values in zip(("y_true", "y_pred"), labels, strict=True):
        found = {_kind(value) for value in values[:1000]} if values.dtype.kind == "O" else {_kind(values.dtype.type())}
        odd = found - {"words", "numbers", "nothing"}
        if odd:
            raise MetricError(f"{name} holds {odd.pop()}; give labels (words or whole numbers) or numbers.")
        kinds |= found - {"nothing"}
    if len(kinds) > 1:
        raise MetricError(
            "y_true and y_pred hold words and numbers, which are never equal; map both to the same labels."
        )


def _kind(value: Any) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "nothing"
    if isinstance(value, str):
        return "words"
    if isinstance(value, bool | np.bool_ | Integral | Real):
        return "numbers"
    return f"values of type {type(value).__name__}"


def checked_numbers(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Return one number a row, or refuse what is none.

    Raises
    ------
    MetricError
    """
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise MetricError(f"{name} holds values that are no numbers; give one number a row.") from None


def checked_scores(y_score: Any, task: str) -> npt.NDArray[np.float64]:
    """Return scores as numbers in the shape that the task needs, or refuse them.

    Raises
    ------
    MetricError
    """
    try:
        scores = np.asarray(y_score, dtype=float)
    except (TypeError, ValueError):
        raise MetricError("y_score holds values that are no numbers; give probabilities.") from None
    if scores.ndim != (2 if task == "multiclass" else 1):
        needed = "a column a class, (n, classes)" if task == "multiclass" else "one number a row, (n,)"
        hint = "; y_score[:, 1] is the positive class's" if task == "binary" and scores.shape[1:] == (2,) else ""
        raise MetricError(f"y_score has shape {scores.shape}; a {task} task needs {needed}{hint}.")
    if not np.isfinite(scores).all():
        raise MetricError("y_score holds values that are missing or infinite; leave those rows out.")
    return scores


def groups_frame(groups: Any) -> pd.DataFrame:
    """Return groups as a DataFrame of pandas; that of another library, a Series, a mapping or a sequence will do.

    Raises
    ------
    MetricError
        When it is nothing of these, has no columns, or two of one name.
    """
    frame = _as_frame(groups)
    if not frame.shape[1]:
        raise MetricError("groups has no columns; give one or more, one row a row of y_true.")
    if not frame.columns.is_unique:
        raise MetricError(f"groups has two columns of one name: {_twice(frame)}. Give each a name of its own.")
    return frame


def _as_frame(groups: Any) -> pd.DataFrame:
    if isinstance(groups, pd.DataFrame):
        return groups
    if _is_table(groups):
        return _of_other_library(groups)
    try:
        if isinstance(groups, Mapping):
            return pd.DataFrame({name: plain_array(values) for name, values in groups.items()})
        if isinstance(groups, str) or np.ndim(groups) != 1:
            raise ValueError
    except ValueError:
        raise MetricError(
            f"groups is {_described(groups)}; give a DataFrame of one or more columns, one row a row of y_true."
        ) from None
    return pd.DataFrame({"group": plain_array(groups) if not isinstance(groups, pd.Series) else groups.array})


def _is_table(given: Any) -> bool:
    """Whether it is a DataFrame of polars or Arrow, or of another library that hands out its columns."""
    return hasattr(given, "__arrow_c_stream__") and hasattr(given, "shape") and len(given.shape) == 2


def _of_other_library(given: Any) -> pd.DataFrame:
    from mlopskit.tally.sources import frames

    return pd.concat(list(frames(given)), ignore_index=True)


def _twice(frame: pd.DataFrame) -> str:
    return ", ".join(sorted({str(name) for name in frame.columns[frame.columns.duplicated()]}))


def features_frame(features: Any) -> pd.DataFrame:
    """Return features as a DataFrame of pandas, or refuse what names no columns to describe slices by.

    Raises
    ------
    DataError
    """
    if not isinstance(features, pd.DataFrame):
        if not _is_table(features):
            raise DataError(f"features is {_described(features)}; give a DataFrame of categorical or integer columns.")
        features = _of_other_library(features)
    frame: pd.DataFrame = features
    if not frame.columns.is_unique:
        raise DataError(
            f"Columns occur twice: {_twice(frame)}. A slice names its columns; give each a name of its own."
        )
    return frame


def check_slices(slices: Any) -> None:
    """Refuse what is no table of slices with the error that was found.

    Raises
    ------
    DataError
    """
    if not isinstance(slices, pd.DataFrame):
        raise DataError(f"slices is {_described(slices)}; give the table that find_slices returned.")
    absent = [name for name in ("slice", "error") if name not in slices.columns]
    if absent:
        raise DataError(f"This is no table of find_slices: it lacks {listing(absent)}; it has {listing(slices)}.")
    if not all(isinstance(chosen, Mapping) for chosen in slices["slice"]):
        raise DataError("slice must map columns to values, {'town': 'b'}; take the table that find_slices returned.")


def check_search(*, k: int, alpha: float, min_support: float | None, max_level: int, direction: str) -> None:
    """Refuse settings of the slice search that are out of range.

    Raises
    ------
    MlopskitError
    """
    for name, value in (("k", k), ("max_level", max_level)):
        if not isinstance(value, Integral) or value < 1:
            raise MlopskitError(f"{name} = {value!r} must be a whole number from 1.")
    if not isinstance(alpha, Real) or not 0 < alpha <= 1:
        raise MlopskitError(f"alpha = {alpha!r} must lie in (0, 1]; 0.95 is usual, 0.99 finds smaller slices.")
    if min_support is not None and (not isinstance(min_support, Real) or not min_support >= 0):
        raise MlopskitError(f"min_support = {min_support!r} must be a number of rows, or None for max(32, n / 100).")
    check_direction(direction)


def check_direction(direction: str) -> None:
    """Refuse a direction that does not exist.

    Raises
    ------
    MlopskitError
    """
    if direction not in ("worse", "better"):
        raise MlopskitError(f"direction = {direction!r} is unknown; choose worse or better.")


def _described(given: Any) -> str:
    return "None" if given is None else f"of type {type(given).__name__}"
