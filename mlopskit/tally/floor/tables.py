"""The privacy floor in tables of one column, of windows and of score bins: withheld, or taken together.

Rows of persons (the split tables, predictions, requests, doubtful labels) are not counts: under a floor no report shows
them, and they stay in the run folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.tally.floor.plan import HIDDEN, SHOWN, plan_floor

WITHHELD = "hidden"
ROWS_STAY = (
    "Rows of persons stay inside: the split tables, doubtful labels, predictions and requests in the run folder hold "
    "one person a row. No report, card or site holds them; do not pass them on."
)
"""What a reader is told where there is a floor."""


def reason(floor: int) -> str:
    """Say why figures are not shown.

    Examples
    --------
    >>> reason(10)
    'a count behind it is below the privacy floor of 10, or would give such a count away'
    """
    return f"a count behind it is below the privacy floor of {floor}, or would give such a count away"


def watch(kinds: int) -> npt.NDArray[np.int64]:
    """Return the protected counts of rows of some kinds: all of them, and each kind.

    Examples
    --------
    >>> watch(2).tolist()
    [[1, 1], [1, 0], [0, 1]]
    """
    each = np.eye(kinds, dtype=np.int64)
    return np.vstack([np.ones((1, kinds), dtype=np.int64), each]) if kinds > 1 else each


def states_of(
    groups: Any, kind: npt.ArrayLike | None = None, *, floor: int, watched: npt.ArrayLike | None = None
) -> dict[str, int]:
    """Plan the table of one column: whether each group is shown, only its size, or nothing.

    Parameters
    ----------
    groups : array_like, shape (n,)
        The group of each row.
    kind : array_like of int, shape (n,), optional
        What rows are counted by besides, such as their class.
    floor : int
        k; below 2 everything is shown.
    watched : array_like, optional
        As for `plan_floor`; by default the size and each kind.

    Examples
    --------
    >>> states_of(["a"] * 50 + ["b"] * 40 + ["c"] * 3, floor=5)
    {'a': 2, 'b': 0, 'c': 0}
    """
    frame = pd.DataFrame({"group": np.asarray(groups, dtype=object)}).astype("str")
    codes = np.zeros(len(frame), dtype=np.int64) if kind is None else np.asarray(kind, dtype=np.int64)
    kinds = int(codes.max(initial=0)) + 1
    plan = plan_floor(frame, codes, watched=watch(kinds) if watched is None else watched, floor=floor, pairs=False)
    return {group: plan.of(["group"], [group]) for group in sorted(set(frame["group"]))}


def withhold(
    table: pd.DataFrame, states: Sequence[int] | npt.NDArray[np.int64], floor: int, *, sizes: Sequence[str] = ("n",)
) -> pd.DataFrame:
    """Take figures out of a table; a row stays, and where there is a status it says ``hidden``.

    Parameters
    ----------
    table : DataFrame
    states : sequence of int
        Of each row, as from `states_of`.
    floor : int
        For the reason, where there is a method.
    sizes : sequence of str
        Columns that may stay where only the size is shown.
    """
    state = np.asarray(states, dtype=np.int64)
    if floor < 2 or (state == SHOWN).all():
        return table
    counts = list(table.select_dtypes("integer"))
    shown = table.astype(dict.fromkeys(counts, "Int64"))
    numbers = list(shown.select_dtypes("number"))
    shown.loc[state != SHOWN, [name for name in numbers if name not in sizes]] = pd.NA
    shown.loc[state == HIDDEN, [name for name in numbers if name in sizes]] = pd.NA
    for name, words in (("status", WITHHELD), ("method", reason(floor))):
        if name in shown:
            shown.loc[state != SHOWN, name] = words
    return shown


def all_or_none(states: Mapping[str, int]) -> bool:
    """Whether every group of a column may be shown in full.

    Where the same rows are broken down once more elsewhere, two choices of what protects a small group could be
    subtracted; so there a column is shown as a whole, or not at all.
    """
    return all(state == SHOWN for state in states.values())


def folded(cells: npt.ArrayLike, floor: int) -> npt.NDArray[np.int64]:
    """Join neighbouring cells until each kind in each cell has no row or as many as the floor.

    Parameters
    ----------
    cells : array_like of int, shape (cells, kinds)
    floor : int

    Returns
    -------
    ndarray of int, shape (cells,)
        The new number of each cell, from 0; what is left over at the end joins the last.

    Examples
    --------
    >>> folded([[9, 9], [9, 1], [9, 8], [2, 0]], floor=5).tolist()
    [0, 1, 1, 1]
    """
    ends: list[int] = []
    sums: list[Any] = []
    for place, row in enumerate(np.asarray(cells, dtype=np.int64)):
        if sums and _few(sums[-1], floor):
            sums[-1], ends[-1] = sums[-1] + row, place
        else:
            sums, ends = [*sums, row], [*ends, place]
    while len(sums) > 1 and _few(sums[-1], floor):  # what is left over joins those before it
        last = sums.pop()
        sums[-1] = sums[-1] + last
        ends[len(sums) - 1 :] = [ends[-1]]
    return np.repeat(np.arange(len(ends)), np.diff([-1, *ends]))


def _few(counts: Any, floor: int) -> bool:
    return bool(((counts > 0) & (counts < floor)).any() or not counts.any())
