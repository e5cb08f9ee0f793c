"""The target as a model learns it: class indices with the positive class at 1, or numbers.

Rows without a target cannot teach anything and are left out of every split; how many there were is said by check
DAT004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from mlopskit.data.checks import Finding, percent
from mlopskit.data.columns import Target
from mlopskit.data.refusals import label_of, target_problems
from mlopskit.errors import DataError

if TYPE_CHECKING:
    from mlopskit.scope import Data


def make_target(column: pd.Series[Any], data: Data, *, development: pd.Series[bool]) -> tuple[Target, pd.Series[Any]]:
    """Return what is predicted, and its value for every row.

    Parameters
    ----------
    column : Series
        The target's column, every row of the source.
    data : Data
        The project file's ``[data]``.
    development : Series of bool
        The rows that train, validation and test data come from; classes are looked for among them.

    Returns
    -------
    tuple of Target and Series
        The values are Int64 class indices or Float64 numbers, missing where the target is or where a class occurs in
        production only.

    Raises
    ------
    DataError
        When the target has one class, a class fewer rows than splits, no positive label, or words for numbers.
    """
    counts = column[development].dropna().value_counts()
    problems = target_problems(dict(counts.items()), data, rows=int(development.sum()))
    if problems:
        raise DataError("\n".join(problems))
    if data.task == "regression":
        return Target("regression", data.target), pd.to_numeric(column, errors="coerce").astype("Float64")
    if data.positive_above is not None:
        return _above(column, data)
    return _classes(column, data, development)


def _above(column: pd.Series[Any], data: Data) -> tuple[Target, pd.Series[Any]]:
    bound = float(data.positive_above or 0)
    numbers = pd.to_numeric(column, errors="coerce")
    codes = (numbers > bound).astype("Int64").mask(numbers.isna())
    classes = (f"at most {bound:g}", f"above {bound:g}")
    return Target("binary", data.target, classes, classes[1], bound), codes


def _classes(column: pd.Series[Any], data: Data, development: pd.Series[bool]) -> tuple[Target, pd.Series[Any]]:
    labels = labels_of(column)
    known = sorted(labels[development].dropna().unique(), key=_natural)
    if data.task == "multiclass":
        places = {label: index for index, label in enumerate(known)}
        return Target("multiclass", data.target, tuple(known)), labels.map(places).astype("Int64")
    positive = str(label_of(data.positive))
    others = [label for label in known if label != positive]
    negative = " or ".join(others) if len(others) <= 3 else f"not {positive}"
    codes = (labels == positive).astype("Int64").mask(labels.isna())
    return Target("binary", data.target, (negative, positive), positive), codes


def labels_of(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return labels as text, ``1`` for 1 and for 1.0; a missing label stays missing.

    Examples
    --------
    >>> labels_of(pd.Series([1.0, None, 2.0])).tolist()
    ['1', nan, '2']
    """
    if isinstance(column.dtype, pd.StringDtype):
        return column
    places = {value: label_of(value) for value in column.dropna().unique()}
    return column.map(places).astype("str")


def _natural(label: str) -> tuple[int, float, str]:
    """Numbers in their order, then words in theirs."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def target_findings(column: pd.Series[Any], values: pd.Series[Any], target: Target) -> list[Finding]:
    """Say how many rows have no usable target, and which labels were merged into one class."""
    n = int(column.isna().sum())
    found = []
    if n:
        detail = f"{n:,} of {len(column):,} rows have no {target.column} ({percent(n, len(column))}); they are left out"
        found.append(Finding("DAT004", target.column, "issue", detail, n))
    else:
        found.append(Finding("DAT004", target.column, "passed", "every row has a target"))
    new = int((column.notna() & values.isna()).sum())
    if new:
        detail = f"{new:,} production rows have a class that no development row has; they are left out"
        found.append(Finding("DAT004", f"{target.column}, new classes", "issue", detail, new))
    return [*found, *_merged(column, target)]


def _merged(column: pd.Series[Any], target: Target) -> list[Finding]:
    if target.task != "binary" or target.positive_above is not None:
        return []
    negative = labels_of(column).nunique() - 1
    if negative < 2:
        return [Finding("DAT018", target.column, "passed", "each class is one label of the source")]
    detail = f"{negative} labels count as negative: {target.classes[0]}"
    return [Finding("DAT018", target.column, "issue", detail, negative)]
