"""The privacy floor along the scores: at which thresholds curves, calibration and rates by threshold may be cut.

Two thresholds close together give away, by subtraction, the few rows between them; so do two tables that are cut at
different places. Hence all of them are cut at places of one set, between any two of which lie no rows of a class or at
least as many as the floor. The threshold in use is one of them, since the confusion table is cut there.

Of several classes each has scores of its own, and what is told along one can be subtracted from what is told along the
others: scores add up to 1. There each class is cut only above every row that another class was predicted for. Then a
row lies between cuts of no class but its predicted one, and all curves together tell one partition of the rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mlopskit.tally.floor.bounds import Ints
from mlopskit.tally.floor.tables import folded


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


def top_cuts(positive: Any, score: Any, called: Any, *, floor: int) -> npt.NDArray[np.float64]:
    """Return the scores at which rows of one class of several may be told from the rest, highest first.

    Parameters
    ----------
    positive : array_like of bool, shape (n,)
        Whether the row is of the class.
    score : array_like of float, shape (n,)
    called : array_like of bool, shape (n,)
        Whether the class was predicted. How many rows were, and how many of these are of the class, is known; so the
        rows that were and lie below all cuts must be none or as many as the floor, too.
    floor : int
        k.

    Returns
    -------
    ndarray of float
        The last is the lowest score, which keeps nothing apart.

    Examples
    --------
    >>> top_cuts([1, 1, 1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.1], [1, 1, 1, 1, 0, 0], floor=2).tolist()
    [0.8, 0.6, 0.1]
    """
    positive, score, called = (np.asarray(part) for part in (positive, score, called))
    called = called.astype(bool)
    levels, place = np.unique(-score, return_inverse=True)
    cells = np.zeros((len(levels), 2), dtype=np.int64)
    np.add.at(cells, (place[called], positive[called].astype(np.int64)), 1)
    top = -levels > score[~called].max(initial=-np.inf)
    whole = cells.sum(axis=0)
    if not top.any():
        return -levels[-1:]
    number = folded(cells[top], floor)
    ends = np.flatnonzero(np.append(np.diff(number) > 0, True))
    above = np.cumsum(cells, axis=0)[ends]
    shown = [
        end
        for end, inside in zip(ends, above, strict=True)
        if _enough(inside, whole, floor) and _enough(whole - inside, whole, floor)
    ]
    return np.append(-levels[shown], -levels[[-1]] if not shown or shown[-1] < len(levels) - 1 else [])


def _enough(counts: Ints, whole: Ints, floor: int) -> bool:
    """Whether there is none of each kind, or as many as the floor, or all of them, which are known."""
    return bool(((counts == 0) | (counts >= floor) | (counts == whole)).all())


def class_cells(answers: Any, truth: Any, scores: Any, *, floor: int) -> Ints | None:
    """Number the cells into which the curves of several classes divide the rows: predicted class, and `top_cuts` of it.

    Parameters
    ----------
    answers, truth : array_like of int, shape (n,)
        Predicted and actual class.
    scores : array_like of float, shape (n, classes)
    floor : int
        k.

    Returns
    -------
    ndarray of int, shape (n,), or None
        None where no class is cut anywhere.

    Examples
    --------
    >>> scores = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8]]
    >>> class_cells([0, 0, 0, 0, 1], [0, 0, 0, 0, 1], scores, floor=2).tolist()
    [1, 1, 0, 0, 2]
    """
    called, actual, table = np.asarray(answers, dtype=np.int64), np.asarray(truth), np.asarray(scores, dtype=float)
    own = table[np.arange(len(called)), called]
    inside = np.zeros(len(called), dtype=np.int64)
    for index in range(table.shape[1]):
        cut = top_cuts(actual == index, table[:, index], called == index, floor=floor)
        inside[called == index] = cell_of(own[called == index], cut)
    if all(len(set(inside[called == index])) < 2 for index in range(table.shape[1])):
        return None
    return np.asarray(np.unique(called * (len(called) + 1) + inside, return_inverse=True)[1], dtype=np.int64)


def _ends(levels: npt.NDArray[np.float64], parts: list[Ints], floor: int) -> npt.NDArray[np.float64]:
    """Join the levels of each part from the lowest scores on; return the lowest score of each cell."""
    numbers = [folded(part, floor) for part in parts if len(part)]
    ends = [np.append(np.diff(number) > 0, True) for number in numbers]
    return np.asarray(levels[np.concatenate(ends)])


def cell_of(score: Any, cut: npt.NDArray[np.float64]) -> Ints:
    """Return the number of each row's cell between the cuts, lowest scores first."""
    return np.asarray(np.searchsorted(np.sort(cut), np.asarray(score, dtype=float), side="right"), dtype=np.int64)
