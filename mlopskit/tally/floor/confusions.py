"""The privacy floor in a confusion table of several classes: which mistakes are withheld.

Of all rows, how many are of each class, how often each is predicted and how often that is right follow from rates that
are published (balanced accuracy and F1 alone often have one solution, since classes differ in size), as the four cells
of two classes do. So these are taken as known, and what is protected is which class is mistaken for which: as far as
what is known leaves it open, each withheld cell could be as large as the floor.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mlopskit.tally.floor.bounds import Ints, Published, in_danger, protectors

_LARGEST = 30
"""Classes at most for which cells are chosen one by one; beyond, mistakes are withheld as a whole."""


def shown_confusions(counts: npt.ArrayLike, *, floor: int) -> npt.NDArray[np.bool_]:
    """Tell which cells of a confusion table may be shown.

    Parameters
    ----------
    counts : array_like of int, shape (classes, classes)
        By actual and predicted class.
    floor : int
        k.

    Examples
    --------
    >>> shown_confusions([[50, 20, 2], [20, 60, 25], [22, 21, 40]], floor=5).tolist()
    [[True, False, False], [False, True, False], [False, False, True]]
    """
    table = np.asarray(counts, dtype=np.int64)
    small = (table > 0) & (table < floor)
    wrong = np.where(np.eye(len(table), dtype=bool), 0, table)
    shown = ~small
    if not (small & (wrong > 0)).any():
        return shown
    # where all mistakes with a class are few, a cell that is shown leaves fewer
    few = [(total > 0) & (total < floor) for total in (wrong.sum(axis=1), wrong.sum(axis=0))]
    hidden = small | few[0][:, None] | few[1][None, :]
    if len(table) > _LARGEST:
        hidden[:] = True
    return np.where(np.eye(len(table), dtype=bool), shown, ~_protected(wrong, hidden, floor))


def _protected(wrong: Ints, hidden: npt.NDArray[np.bool_], floor: int) -> npt.NDArray[np.bool_]:
    """Withhold more mistakes until each withheld one could be as many as the floor, or as what is known allows."""
    size = len(wrong)
    actual, predicted = np.nonzero(~np.eye(size, dtype=bool))
    classes = np.arange(size)[:, None]
    members = np.vstack([classes == actual, classes == predicted, np.eye(len(actual), dtype=bool)])
    rows, most = wrong[actual, predicted], np.minimum(floor, _most(wrong)[actual, predicted])
    states = np.where(np.append(np.zeros(2 * size, bool), hidden[actual, predicted]), 0, 2)
    goals = np.append(np.full(2 * size, floor), most)[:, None]
    costs = np.append(np.full(2 * size, np.inf), rows + 1.0)
    before = np.full_like(states, -1)
    while (before != states).any():
        before = states.copy()
        published = Published(members, rows[:, None], np.ones((1, 1), dtype=np.int64), before)
        for group, _ in in_danger(published, floor, set(), goals=goals):
            for other, state in protectors(published, (group, 0), int(goals[group, 0]), costs).items():
                states[other] = min(states[other], state)
    found = np.zeros((size, size), dtype=bool)
    found[actual, predicted] = states[2 * size :] == 0
    return found


def _most(wrong: Ints) -> Ints:
    """Return the most that each mistake could be, given how many there are with each actual and predicted class.

    The other mistakes with a class, as actual and as predicted one, must fit beside it: no row is in both.
    """
    actual, predicted = wrong.sum(axis=1), wrong.sum(axis=0)
    both = actual + predicted
    beside = np.array([[np.delete(both, [i, j]).max(initial=0) for j in range(len(wrong))] for i in range(len(wrong))])
    return np.asarray(np.minimum(np.minimum(actual[:, None], predicted[None, :]), wrong.sum() - beside))
