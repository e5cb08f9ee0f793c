"""The privacy floor along the scores: at which thresholds curves, calibration and rates by threshold may be cut.

Two thresholds close together give away, by subtraction, the few rows between them; so do two tables that are cut at
different places. Hence all of them are cut at places of one set, between any two of which lie no rows of a class or at
least as many as the floor. The threshold in use is one of them, since the confusion table is cut there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.tally.floor.plan import SHOWN, plan_floor
from mlopskit.tally.floor.tables import folded

Ints = npt.NDArray[np.int64]


def cuts(positive: Any, score: Any, called: Any, *, floor: int) -> npt.NDArray[np.float64]:
    """Return the scores at which rows may be told apart, highest first; the last is the lowest score.

    Parameters
    ----------
    positive : array_like of bool, shape (n,)
    score : array_like of float, shape (n,)
    called : array_like of bool, shape (n,), or None
        The answers published elsewhere, where they follow from the score. Where they should and do not, two sets of
        answers to the same rows could be subtracted, and there is no cut but the lowest score.
    floor : int
        k.

    Examples
    --------
    >>> cuts(np.arange(8) % 2 == 0, np.arange(8) / 8, None, floor=2).tolist()
    [0.5, 0.0]
    """
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score, dtype=float)
    levels, place = np.unique(-score, return_inverse=True)
    cells = np.stack([np.bincount(place, part, minlength=len(levels)) for part in (positive, ~positive)], axis=1)
    cells = cells.astype(np.int64)
    if called is None:
        return _ends(-levels, [cells], floor)
    yes = np.bincount(place, np.asarray(called, dtype=bool), minlength=len(levels)).astype(np.int64)
    at = int((yes > 0).sum())
    if not (yes[:at] == cells[:at].sum(axis=1)).all():
        return -levels[-1:]
    return _ends(-levels, [cells[:at], cells[at:]], floor)


def _ends(levels: npt.NDArray[np.float64], parts: list[Ints], floor: int) -> npt.NDArray[np.float64]:
    """Join the levels of each part from the lowest scores on; return the lowest score of each cell."""
    numbers = [folded(part, floor) for part in parts if len(part)]
    ends = [np.append(np.diff(number) > 0, True) for number in numbers]
    return np.asarray(levels[np.concatenate(ends)])


def cell_of(score: Any, cut: npt.NDArray[np.float64]) -> Ints:
    """Return the number of each row's cell between the cuts, lowest scores first."""
    return np.asarray(np.searchsorted(np.sort(cut), np.asarray(score, dtype=float), side="right"), dtype=np.int64)


def hide_confusions(table: pd.DataFrame, actual: Any, answers: Any, *, floor: int) -> pd.DataFrame:
    """Withhold small cells of a confusion table of several classes, and what would give them away.

    Of two classes the four cells follow from the rates that are published of all rows, so they are shown as these are.

    Parameters
    ----------
    table : DataFrame
        As from `confusion_table`: a row a pair of classes, the actual one slowest.
    actual, answers : array_like of int, shape (n,)
        Class indices.
    floor : int
        k.
    """
    size = round(len(table) ** 0.5)
    if floor < 2 or size < 3:
        return table
    truth, called = np.asarray(actual, dtype=np.int64), np.asarray(answers, dtype=np.int64)
    pairs = pd.DataFrame({"actual": truth.astype(str), "predicted": called.astype(str)})
    plan = plan_floor(pairs, (truth == called).astype(np.int64), watched=[[1, 1]], floor=floor)
    shown = np.array(
        [plan.of(["actual", "predicted"], [str(i), str(j)]) == SHOWN for i in range(size) for j in range(size)]
    )
    if shown.all():
        return table
    hidden = table.astype({"n": "Int64"})
    hidden.loc[~shown, ["n", "share_of_actual", "low", "high"]] = pd.NA
    return hidden
