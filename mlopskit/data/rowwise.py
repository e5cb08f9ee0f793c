"""The preparation for one row: the same numbers, without a table in between.

A request carries one row as a mapping. Bringing it into a table, selecting columns from that, checking each part of it
again and one-hot encoding it costs scikit-learn and pandas some ten milliseconds, of which the arithmetic is
hundredths. `RowPreparation` asks a fitted preparation once what it makes of each category, and does the arithmetic on
the values themselves. Tests and every server at its start hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlopskit.data.features import MISSING, Floats, ImagePixels, Labels, Numbers, Texts
from mlopskit.data.refusals import label_of

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

_UNSEEN = "\0 a label that no table holds"

Row = Mapping[str, Any]


class RowPreparation:
    """What a fitted preparation (see `make_preparation`) makes of rows that are mappings.

    Values are as JSON has them: None where missing, numbers in numeric columns, lists in a column of images.

    Parameters
    ----------
    preparation : ColumnTransformer
        Fitted.

    Raises
    ------
    ValueError
        When it holds a part of another kind, or reads dates: then the table is the only way.

    Examples
    --------
    >>> import pandas as pd
    >>> from mlopskit.data import Columns, make_preparation
    >>> columns = Columns(("age", "job"), numeric=("age",), categorical=("job",))
    >>> table = pd.DataFrame({"age": [20.0, 30.0, 40.0], "job": ["a", "b", "b"]})
    >>> rowwise = RowPreparation(make_preparation(columns, min_share=0).fit(table))
    >>> rowwise.transform([{"age": 30, "job": "b"}, {"age": None, "job": "z"}]).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    def __init__(self, preparation: ColumnTransformer) -> None:
        parts = [(part, columns) for name, part, columns in preparation.transformers_ if name != "remainder"]
        if not parts:
            raise ValueError("a preparation without columns")
        self._parts = [_prepared(part, columns) for part, columns in parts]
        self.numeric = _columns_of(self._parts, _Numeric)
        self.labelled = _columns_of(self._parts, _Labelled)

    def transform(self, rows: Sequence[Row]) -> Floats:
        """Return an array (n rows, n outputs), equal to what the preparation returns for the rows' table."""
        return np.hstack([part.transform(rows) for part in self._parts])


def _prepared(part: Any, columns: Any) -> _Numeric | _Labelled | _Other:
    steps = [step for _, step in part.steps] if hasattr(part, "steps") else [part]
    first = type(steps[0])
    if first is Numbers:
        return _Numeric(list(columns), *steps)
    if first is Labels:
        return _Labelled(list(columns), steps[1])
    if first in {Texts, ImagePixels}:
        return _Other(str(columns), part)
    raise ValueError(f"no way to prepare rows one by one with {first.__name__}")


def _columns_of(parts: Sequence[Any], kind: type[_Numeric | _Labelled]) -> tuple[str, ...]:
    return tuple(name for part in parts if isinstance(part, kind) for name in part.columns)


class _Numeric:
    """Median for missing, indicators of that, standardised: in the order of operations of the three steps."""

    def __init__(self, columns: list[str], numbers: Numbers, impute: Any, scale: Any) -> None:
        if any(numbers.dates_):
            raise ValueError("dates are read by the table alone")
        self.columns = columns
        self._medians, self._flagged = impute.statistics_, impute.indicator_.features_
        self._mean, self._scale = scale.mean_, scale.scale_

    def transform(self, rows: Sequence[Row]) -> Floats:
        values = np.array([[row.get(name) for name in self.columns] for row in rows], dtype=np.float64)
        missing = ~np.isfinite(values)
        whole = np.hstack([np.where(missing, self._medians, values), missing[:, self._flagged]])
        return np.asarray((whole - self._mean) / self._scale)


class _Labelled:
    """One-hot encoding by look-up: the encoder was asked for every label that it knows, and for an unknown one."""

    def __init__(self, columns: list[str], encoder: Any) -> None:
        self.columns = columns
        known = [[*map(str, labels), _UNSEEN] for labels in encoder.categories_]
        longest = max(len(labels) for labels in known)
        grid = np.array([labels + [_UNSEEN] * (longest - len(labels)) for labels in known], dtype=object).T
        encoded = np.asarray(encoder.transform(grid), dtype=np.float64)
        blocks = np.split(encoded, np.cumsum(_widths(encoder, len(columns)))[:-1], axis=1)
        self._codes = [dict(zip(labels, block, strict=False)) for labels, block in zip(known, blocks, strict=True)]

    def transform(self, rows: Sequence[Row]) -> Floats:
        columns = list(zip(self.columns, self._codes, strict=True))
        found = [[codes.get(_label(row.get(name)), codes[_UNSEEN]) for name, codes in columns] for row in rows]
        return np.array([np.concatenate(row) for row in found])


def _label(value: Any) -> str:
    return label_of(value) or MISSING


def _widths(encoder: Any, count: int) -> list[int]:
    """Outputs of each column; names of a fixed width stand in for the columns, so that each output tells its own."""
    names = encoder.get_feature_names_out([f"{i:06d}" for i in range(count)])
    return [int(width) for width in np.bincount([int(name[:6]) for name in names], minlength=count)]


class _Other:
    """A text or an image: the fitted part reads a list as it reads a column."""

    def __init__(self, column: str, part: Any) -> None:
        self._column, self._part = column, part

    def transform(self, rows: Sequence[Row]) -> Floats:
        found = self._part.transform([row.get(self._column) for row in rows])
        return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)
