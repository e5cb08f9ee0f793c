"""What can be worked out about withheld counts from all that is published, by linear programming."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import linprog

Ints = npt.NDArray[np.int64]
_CLOSE = 1e-6
_PACE = 6


def confusion_kinds(actual: Any, predicted: Any, classes: int) -> tuple[Ints, Ints]:
    """Return each row's kind and the protected counts of classification: size, each actual class, positive calls.

    The kind is actual and predicted class for two classes; for more the actual class and whether the answer is right.

    Examples
    --------
    >>> confusion_kinds([0, 1], [1, 1], 2)[1].tolist()
    [[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 0, 1]]
    """
    truth, answer = np.asarray(actual, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    second = answer if classes == 2 else (truth == answer).astype(np.int64)
    each = np.repeat(np.eye(classes, dtype=np.int64), 2, axis=1)
    called = [np.tile([0, 1], 2)] if classes == 2 else []
    return truth * 2 + second, np.array([np.ones(classes * 2, dtype=np.int64), *each, *called])


@dataclass(frozen=True)
class Published:
    """Tables over combinations of groups, and what of each group is shown.

    Attributes
    ----------
    members : ndarray of bool, shape (groups, combinations)
        Which combinations each group adds up.
    rows : ndarray of int, shape (combinations, kinds)
        True counts, which an attacker does not know.
    watched : ndarray of int, shape (counts, kinds)
        Which kinds each protected count adds up; the first is the size.
    states : ndarray of int, shape (groups,)
        2: every kind is published; 1: only the size; 0: nothing.
    """

    members: npt.NDArray[np.bool_]
    rows: npt.NDArray[np.int64]
    watched: npt.NDArray[np.int64]
    states: npt.NDArray[np.int64]

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """True protected counts, (groups, counts)."""
        return np.asarray((self.members.astype(np.int64) @ self.rows) @ self.watched.T)

    @property
    def withheld(self) -> list[tuple[int, int]]:
        """Group and count of everything that is withheld."""
        return [
            (group, count)
            for group, state in enumerate(self.states)
            if state < 2
            for count in range(state, len(self.watched))
        ]

    @cached_property
    def free(self) -> npt.NDArray[np.int64]:
        """The unknowns: rows of a kind in a combination, but for those that a published 0 rules out."""
        none = np.zeros(self.rows.shape, dtype=bool)
        for group in np.flatnonzero(self.states > 0):
            inside = self.members[group]
            own = self.rows[inside].sum(axis=0)
            none[inside] |= (own == 0) if self.states[group] == 2 else own.sum() == 0
        return np.flatnonzero(~none.ravel())

    @cached_property
    def equations(self) -> tuple[Any, npt.NDArray[np.float64]]:
        """Everything that is published, as equations over the unknown rows."""
        kinds = self.rows.shape[1]
        each, ones = sparse.identity(kinds, format="csr"), sparse.csr_matrix(np.ones((1, kinds)))
        parts = []
        for shown, what in ((2, each), (1, ones)):
            members = sparse.csr_matrix(self.members[self.states == shown].astype(float))
            if members.shape[0]:
                parts.append(sparse.kron(members, what, format="csr"))
        matrix = sparse.vstack(parts, format="csr")
        right = np.asarray(matrix @ self.rows.ravel().astype(float))
        return matrix[:, self.free], right

    def amounts(self, asked: Sequence[tuple[int, int]]) -> Any:
        """Rows of a matrix that adds up the asked counts from the unknown rows."""
        groups, counts = (np.array(part, dtype=np.int64) for part in zip(*asked, strict=True))
        lines = [
            sparse.kron(sparse.csr_matrix(self.members[group].astype(float)), sparse.csr_matrix(self.watched[count]))
            for group, count in zip(groups, counts, strict=True)
        ]
        return sparse.vstack(lines, format="csr")


def short_of(published: Published, floor: int, safe: set[tuple[int, int]] | None = None) -> list[tuple[int, int]]:
    """Return the withheld counts, as (group, count), of which it can be told that they are above 0 and below the floor.

    Where all rows together have fewer than the floor of a kind, as many as there are must be possible instead. A
    count that must be 0 speaks of nobody. What is found safe is added to `safe`, and what is there is not asked again.
    """
    goals = np.minimum(floor, published.watched @ published.rows.sum(axis=0))
    safe = set() if safe is None else safe
    safe |= {place for place in published.withheld if published.counts[place] >= goals[place[1]]}
    possible = np.zeros(published.rows.size, dtype=bool)
    possible[published.free] = True
    left = [place for place in published.withheld if place not in safe and _can_be(published, place, possible)]
    at_once = max(len(left), 1)  # many reach their goals together; those that do not are asked in ever smaller parts
    short: list[tuple[int, int]] = []
    while left:
        found = _largest(published, left[:at_once], left, goals)
        enough = found >= np.array([goals[count] for _, count in left]) - _CLOSE
        safe |= {place for place, done in zip(left, enough, strict=True) if done}
        if at_once == 1 and not enough[0]:
            if found[0] > _CLOSE:
                short.append(left[0])
            enough[0] = True  # it need not be asked again now
        elif not enough.any():
            at_once = max(at_once // _PACE, 1)
        left = [place for place, done in zip(left, enough, strict=True) if not done]
    return short


def _can_be(published: Published, place: tuple[int, int], possible: npt.NDArray[np.bool_]) -> bool:
    """Whether anything that is published leaves room for the count to be above 0."""
    kinds = published.watched[place[1]] > 0
    return bool(possible.reshape(published.rows.shape)[published.members[place[0]]][:, kinds].any())


def _largest(
    published: Published, asked: Sequence[tuple[int, int]], seen: Sequence[tuple[int, int]], goals: Any
) -> npt.NDArray[np.float64]:
    """Push the asked counts up to their goals, as far as all that is published allows; return those of `seen` then."""
    matrix, right = published.equations
    amounts, unknowns, extra = published.amounts(asked)[:, published.free], len(published.free), len(asked)
    columns = [sparse.csr_matrix((matrix.shape[0], extra)), sparse.identity(extra)]
    top = sparse.hstack([matrix, columns[0]], format="csr")
    below = sparse.hstack([-amounts, columns[1]], format="csr")
    bounds = [(0.0, None)] * unknowns + [(0.0, float(goals[count])) for _, count in asked]
    cost = np.concatenate([np.zeros(unknowns), -np.ones(extra)])
    found = linprog(cost, A_ub=below, b_ub=np.zeros(extra), A_eq=top, b_eq=right, bounds=bounds, method="highs")
    if not found.success:  # then nothing is known to be safe
        return np.full(len(seen), _CLOSE * 2)
    return np.asarray(published.amounts(seen)[:, published.free] @ found.x[:unknowns])


def protectors(
    published: Published, asked: tuple[int, int], floor: int, costs: npt.NDArray[np.float64]
) -> dict[int, int]:
    """Return which groups to withhold, and to which state, so that one count could be as large as the floor.

    The rows that are published are let go at a cost until the count gets there; the groups that had to give way in
    the cheapest solution are those that protect it (the linear relaxation of the cell suppression problem).
    """
    open_groups = np.flatnonzero((published.states > 0) & np.isfinite(costs))
    if not len(open_groups):
        return {}
    goal = min(floor, int((published.watched[asked[1]] @ published.rows.T).sum()))
    program = _Relaxed(published, open_groups, costs)
    moved = program.solve(published.amounts([asked]), float(goal))
    return {int(group): state for group, state in zip(open_groups, moved, strict=True) if state < 2}


class _Relaxed:
    """All that is published, in which some groups may give way: in their size, or only in what their rows are."""

    def __init__(self, published: Published, groups: npt.NDArray[np.int64], costs: npt.NDArray[np.float64]) -> None:
        kinds, unknowns = published.rows.shape[1], published.rows.size
        members = sparse.csr_matrix(published.members[groups].astype(float))
        full = sparse.csr_matrix(published.members[groups[published.states[groups] == 2]].astype(float))
        fixed = sparse.csr_matrix(published.members[~np.isfinite(costs)].astype(float))
        each = sparse.identity(kinds, format="csr")
        sizes = sparse.kron(members, sparse.csr_matrix(np.ones((1, kinds))), format="csr")
        parts, kept = sparse.kron(full, each, format="csr"), sparse.kron(fixed, each, format="csr")
        self.full, self.groups, self.unknowns, self.kinds = published.states[groups] == 2, groups, unknowns, kinds
        slack = [sizes.shape[0], parts.shape[0]]
        give = sparse.block_diag([sparse.identity(size, format="csr") for size in slack], format="csr")
        give = sparse.vstack([give, sparse.csr_matrix((kept.shape[0], sum(slack)))], format="csr")
        rows = sparse.vstack([sizes, parts, kept], format="csr")
        self.matrix = sparse.hstack([rows, give, -give], format="csr")
        self.right = np.asarray(rows @ published.rows.ravel().astype(float))
        price = np.concatenate([costs[groups], np.repeat(costs[groups[self.full]], kinds) / 10])
        self.cost = np.concatenate([np.zeros(unknowns), price, price])
        self.slack = slack

    def solve(self, amount: Any, goal: float) -> list[int]:
        """Return the state to which each group has to go: 0 where its size gave way, 1 its kinds, 2 nothing."""
        blank = sparse.csr_matrix((1, 2 * sum(self.slack)))
        below = sparse.hstack([-amount, blank], format="csr")
        found = linprog(self.cost, A_ub=below, b_ub=[-goal], A_eq=self.matrix, b_eq=self.right, method="highs")
        if not found.success:
            return [0] * len(self.groups)
        gave = np.abs(found.x[self.unknowns :]).reshape(2, -1).sum(axis=0)
        states = np.where(gave[: self.slack[0]] > _CLOSE, 0, 2)
        kinds = gave[self.slack[0] :].reshape(-1, self.kinds).sum(axis=1) > _CLOSE
        states[self.full] = np.minimum(states[self.full], np.where(kinds, 1, 2))
        return [int(state) for state in states]
