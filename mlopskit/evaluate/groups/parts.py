"""The columns of the table of metrics by group, one metric at a time, all groups at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Part = dict[str, Any]
"""denominator, value, low, high, method and, where something forbids an interval, withheld; arrays (groups,)."""


def part_of(denominator: Any, value: Any, low: Any, high: Any, method: Any, *, withheld: Any = "") -> Part:
    """Gather the columns that differ between metrics.

    Parameters
    ----------
    denominator, value, low, high : array_like, shape (groups,)
        Of one metric.
    method, withheld : str, or array_like of str, shape (groups,)
        One for all or one a group; `withheld` says why there is no interval, and is empty where nothing forbids it.
    """
    numbers = {"value": value, "low": low, "high": high}
    found = {name: np.array(column, dtype=float) for name, column in numbers.items()}
    size = len(found["value"])
    return {
        "denominator": np.asarray(denominator, dtype=np.int64), **found,
        "method": _words(method, size), "withheld": _words(withheld, size),
    }  # fmt: skip


def _words(words: Any, size: int) -> npt.NDArray[np.object_]:
    return np.full(size, words, dtype=object) if isinstance(words, str) else np.array(words, dtype=object)
