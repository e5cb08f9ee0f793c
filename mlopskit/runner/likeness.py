"""Likeness of two artefacts: identical, equal within a tolerance, or different, and then where.

Equal content digests settle it. Otherwise tables are compared cell by cell, JSON leaf by leaf, prose by its words and
the numbers in it; models count by their canonical digest and figures by their bytes, for which no tolerance is
defined. Two numbers a and b are alike when |a − b| ≤ atol + rtol · max(|a|, |b|), which does not depend on the order
of the two; whole numbers, truth values and text have to be equal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit import artefacts

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d+\.\d+|\d+)(?:[eE][-+]?\d+)?(?![\w.]*[A-Za-z_])")
_SHOWN = 3


@dataclass(frozen=True)
class Tolerance:
    """How far apart two numbers may be.

    Attributes
    ----------
    rtol : float
        Relative to the larger of the two.
    atol : float
        Absolute.

    Examples
    --------
    >>> Tolerance(rtol=0.01).alike(100.0, 100.9), Tolerance(rtol=0.01).alike(100.0, 102.0)
    (True, False)
    """

    rtol: float = 1e-9
    atol: float = 1e-12

    def alike(self, a: float, b: float) -> bool:
        """Tell whether two numbers are equal within the tolerance; NaN is like NaN, an infinity only like itself."""
        if a == b or (math.isnan(a) and math.isnan(b)):
            return True
        if not (math.isfinite(a) and math.isfinite(b)):
            return False
        return abs(a - b) <= self.atol + self.rtol * max(abs(a), abs(b))


STANDARD = Tolerance()


@dataclass(frozen=True)
class Likeness:
    """What came out of comparing two artefacts.

    Attributes
    ----------
    outcome : str
        ``identical``, ``within tolerance`` or ``different``.
    text : str
        Where they differ, in words; empty when they don't.
    """

    outcome: str
    text: str = ""

    @property
    def alike(self) -> bool:
        """Tell whether the two count as equal."""
        return self.outcome != "different"


IDENTICAL = Likeness("identical")


def compare(before: Path, after: Path, *, tolerance: Tolerance = STANDARD) -> Likeness:
    """Compare two artefacts, files or folders of the same kind.

    Parameters
    ----------
    before, after : Path
        The artefact in the one and the other run.
    tolerance : Tolerance
        For numbers.

    Raises
    ------
    OSError, ValueError
        When one of them cannot be read.
    """
    if artefacts.digest(before) == artefacts.digest(after):
        return IDENTICAL
    if before.is_dir():
        return _folders(before, after, tolerance)
    if before.suffix == ".parquet":
        return _likeness(table_differences(artefacts.read(before), artefacts.read(after), tolerance))
    if before.suffix == ".json":
        return _likeness(list(leaf_differences(artefacts.read(before), artefacts.read(after), tolerance)))
    if before.suffix == ".md":
        old, new = artefacts.read(before), artefacts.read(after)
        return _likeness([] if texts_alike(old, new, tolerance) else [first_difference(old, new)])
    words = {".skops": "the fitted model is another one", ".svg": "the figure is another one"}
    return Likeness("different", words.get(before.suffix, "the bytes differ"))


def _likeness(differences: Sequence[str]) -> Likeness:
    if not differences:
        return Likeness("within tolerance")
    more = len(differences) - _SHOWN
    return Likeness("different", "; ".join([*differences[:_SHOWN], *([f"{more} more"] if more > 0 else [])]))


def _folders(before: Path, after: Path, tolerance: Tolerance) -> Likeness:
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (before, after)
    ]
    found = [f"{name} is in one of the two only" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        likeness = compare(before / name, after / name, tolerance=tolerance)
        if not likeness.alike:
            found.append(f"{name}: {likeness.text}")
    return _likeness(found)


def leaf_differences(before: Any, after: Any, tolerance: Tolerance, *, where: str = "") -> Iterator[str]:
    """Yield where two pieces of plain data differ, in words, leaf by leaf.

    Examples
    --------
    >>> list(leaf_differences({"a": [1, 2.0]}, {"a": [1, 2.5]}, Tolerance()))
    ['a.1: 2.0 → 2.5']
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            place = f"{where}.{key}" if where else str(key)
            if key not in before or key not in after:
                yield f"{place} is {'new' if key in after else 'gone'}"
            else:
                yield from leaf_differences(before[key], after[key], tolerance, where=place)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from leaf_differences(old, new, tolerance, where=f"{where}.{index}" if where else str(index))
    elif isinstance(before, list) and isinstance(after, list):
        yield f"{where or 'the list'}: {len(before)} → {len(after)} elements"
    elif not _leaves_alike(before, after, tolerance):
        yield f"{where or 'the value'}: {_short(before)} → {_short(after)}"


def _leaves_alike(before: Any, after: Any, tolerance: Tolerance) -> bool:
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in (before, after))
    if numbers and (isinstance(before, float) or isinstance(after, float)):
        return tolerance.alike(before, after)
    return type(before) is type(after) and bool(before == after)


def _short(value: object, limit: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def table_differences(before: pd.DataFrame, after: pd.DataFrame, tolerance: Tolerance) -> list[str]:
    """Return where two tables differ, in words: columns, rows, types, then cell by cell, one entry a column."""
    columns = list(before.columns), list(after.columns)
    if columns[0] != columns[1]:
        gone, new = ([str(x) for x in a if x not in b] for a, b in (columns, columns[::-1]))
        said = [*(f"column {name} is gone" for name in gone), *(f"column {name} is new" for name in new)]
        return said or ["the columns stand in another order"]
    if len(before) != len(after):
        return [f"{len(before)} → {len(after)} rows"]
    found = (_column_difference(before[name], after[name], tolerance) for name in columns[0])
    return [text for text in found if text]


def _column_difference(before: pd.Series[Any], after: pd.Series[Any], tolerance: Tolerance) -> str:
    if before.dtype != after.dtype:
        return f"column {before.name}: {before.dtype} → {after.dtype}"
    wrong = _unlike(before, after, tolerance)
    if not wrong.any():
        return ""
    row = int(wrong.argmax())
    values = f"{_plain(before.iloc[row])} → {_plain(after.iloc[row])}"
    return f"column {before.name}: {int(wrong.sum())} of {len(before)} cells differ, first row {row}: {values}"


def _unlike(before: pd.Series[Any], after: pd.Series[Any], tolerance: Tolerance) -> np.ndarray:
    """Return a mask of the cells that are not alike."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_float_dtype(before.dtype):
        old, new = (column.to_numpy(dtype=np.float64, na_value=np.nan) for column in (before, after))
        finite = np.isfinite(old) & np.isfinite(new)
        gap = np.zeros(len(old))
        np.subtract(old, new, out=gap, where=finite)
        close = np.abs(gap) <= tolerance.atol + tolerance.rtol * np.maximum(np.abs(old), np.abs(new))
        return np.asarray(~((finite & close) | (old == new) | (np.isnan(old) & np.isnan(new))))
    if before.dtype == object:
        pairs = zip(map(_plain_data, before), map(_plain_data, after), strict=True)
        return np.array([any(True for _ in leaf_differences(old, new, tolerance)) for old, new in pairs], dtype=bool)
    missing = before.isna().to_numpy(), after.isna().to_numpy()
    same = (before.astype(object) == after.astype(object)).to_numpy(dtype=bool, na_value=False)
    return np.asarray(~(same | (missing[0] & missing[1])))


def _plain_data(value: Any) -> Any:
    """Return the cell of a column of objects as plain data; an array becomes a list."""
    if hasattr(value, "tolist"):
        return _plain_data(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain_data(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain_data(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> str:
    return _short(value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value)


def texts_alike(before: str, after: str, tolerance: Tolerance) -> bool:
    """Tell whether two texts have the same words and, within the tolerance, the same numbers.

    Examples
    --------
    >>> texts_alike("AUC 0.8121", "AUC 0.8122", Tolerance(rtol=1e-3)), texts_alike("v2", "v3", Tolerance(rtol=1))
    (True, False)
    """
    if before == after:
        return True
    if _NUMBER.split(before) != _NUMBER.split(after):
        return False
    pairs = zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True)
    return all(_numbers_alike(old, new, tolerance) for old, new in pairs)


def _numbers_alike(before: str, after: str, tolerance: Tolerance) -> bool:
    if before == after:
        return True
    fractions = any(mark in text for text in (before, after) for mark in ".eE")
    return fractions and tolerance.alike(*(float(text.replace("−", "-")) for text in (before, after)))


def first_difference(before: str, after: str) -> str:
    """Return the first line in which two texts differ, in words."""
    lines = before.splitlines(), after.splitlines()
    for number, (old, new) in enumerate(zip(*lines, strict=False), start=1):
        if old != new:
            at = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
            start = max(0, at - 10)
            return f"line {number}: {_short(old[start : start + 40], 50)} → {_short(new[start : start + 40], 50)}"
    return f"{len(lines[0])} → {len(lines[1])} lines"
