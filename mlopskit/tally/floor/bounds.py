"""What can be worked out about withheld counts from all that is published, by linear programming."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import linprog

Ints = npt.NDArray[np.int64]
_CLOSE = 1e-6


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
    def merged(self) -> Published:
        """The same as far as bounds go, with combinations taken together that everything published treats alike.

        Rows may move freely between such combinations, so the most that a withheld count can be is had by giving all
        of them to one that it adds up: a withheld group holds what is merged if it holds any part of it.
        """
        told = np.packbits(self.members[self.states > 0], axis=0).T
        kinds, home = np.unique(np.ascontiguousarray(told), axis=0, return_inverse=True)
        rows = np.zeros((len(kinds), self.rows.shape[1]), dtype=np.int64)
        np.add.at(rows, home.ravel(), self.rows)
        members = np.zeros((len(kinds), len(self.members)), dtype=bool)
        np.logical_or.at(members, home.ravel(), self.members.T)
        return Published(members.T, rows, self.watched, self.states)

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
        held = self.members[groups][:, :, None] & (self.watched[counts] > 0)[:, None, :]
        return sparse.csr_matrix(held.reshape(len(groups), -1).astype(float))


def short_of(published: Published, floor: int, safe: set[tuple[int, int]] | None = None) -> list[tuple[int, int]]:
    """Return the withheld counts, as (group, count), of which it can be told that they are above 0 and below the floor.

    Where all rows together have fewer than the floor of a kind, as many as there are must be possible instead. A
    count that must be 0 speaks of nobody. What is found safe is added to `safe`, and what is there is not asked again.
    """
    found = in_danger(published, floor, set() if safe is None else safe)
    return [(group, count) for group, counts in found for count in counts]


def in_danger(
    published: Published,
    floor: int,
    safe: set[tuple[int, int]],
    *,
    skip: Callable[[int], bool] | None = None,
    goals: Ints | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """Yield what `short_of` returns, in order, a group and its counts at a time.

    Nothing is asked about a group that is to be skipped when its turn comes: one beside a group that was just protected
    may be safe then. What each count must be able to be, (groups, counts), is the floor unless `goals` says otherwise;
    then also those that must be 0 are returned.
    """
    nobody = _CLOSE if goals is None else -1.0
    if goals is None:
        goals = np.minimum(floor, published.watched @ published.rows.sum(axis=0))[None, :]
    asked = _Asked(published, np.broadcast_to(goals, published.counts.shape), safe)
    for group in sorted({group for group, _ in asked.left}):
        short = asked.short(group, nobody) if skip is None or not skip(group) else []
        if short:
            yield group, short


class _Asked:
    """The withheld counts that are not known to be safe, and what may be told of each."""

    def __init__(self, published: Published, goals: Ints, safe: set[tuple[int, int]]) -> None:
        safe |= {place for place in published.withheld if published.counts[place] >= goals[place]}
        left = [place for place in published.withheld if place not in safe]
        self.merged, self.safe, self.left = published.merged, safe, []
        if left:
            possible = np.zeros(self.merged.rows.size, dtype=bool)
            possible[self.merged.free] = True
            most = self.merged.amounts(left)
            maybe = most @ possible > 0
            # what is known to be possible: the truth
            enough = most @ self.merged.rows.ravel() >= [goals[place] for place in left]
            safe |= {place for place, done in zip(left, enough, strict=True) if done}
            self.left = [place for place, may, done in zip(left, maybe, enough, strict=True) if may and not done]
        self.goals = np.array([goals[place] for place in self.left], dtype=np.int64)
        self.asks = self.merged.amounts(self.left)[:, self.merged.free] if self.left else None

    def short(self, group: int, nobody: float) -> list[int]:
        """Return the counts of one group that can be told to be small; each program may show others to be safe.

        What cannot be above `nobody` speaks of nobody.
        """
        short = []
        own = [index for index, place in enumerate(self.left) if place[0] == group]
        for index in reversed(own):  # where a kind can be many, so can the size
            place, goal = self.left[index], float(self.goals[index])
            if place in self.safe:
                continue
            found = self._largest(index, goal, nearby=True)
            if found < goal - _CLOSE:
                found = max(found, self._largest(index, goal, nearby=False))
            if nobody < found < goal - _CLOSE:
                short.append(place[1])
        return sorted(short)

    def _largest(self, index: int, goal: float, *, nearby: bool) -> float:
        found = _largest(self.merged, self.asks, index, goal, nearby=nearby)
        reached = np.flatnonzero(found >= self.goals - _CLOSE)
        self.safe |= {self.left[place] for place in reached}
        return float(found[index])


def _largest(
    published: Published, asks: Any, index: int, goal: float, *, nearby: bool = False
) -> npt.NDArray[np.float64]:
    """Push one of some counts up to its goal, as far as all that is published allows; return all counts then.

    With `nearby`, rows may only lie where some do, or where the count is asked: a much smaller program, whose answer is
    possible and so proves counts safe, and which most often finds enough.
    """
    matrix, right = published.equations
    there = np.arange(len(published.free))
    asked = np.zeros(len(published.free))
    asked[asks.indices[asks.indptr[index] : asks.indptr[index + 1]]] = 1.0
    if nearby:
        there = np.flatnonzero((published.rows.ravel()[published.free] > 0) | (asked > 0))
        matrix = matrix[:, there]
        told = np.flatnonzero(np.diff(matrix.indptr))
        matrix, right = matrix[told], right[told]
    cost = -asked[there]
    found = linprog(cost, A_ub=-cost[None, :], b_ub=[goal], A_eq=matrix, b_eq=right, method="highs")
    if not found.success and not nearby:  # the truth is above the goal, and what is published keeps it there
        found = linprog(cost, A_eq=matrix, b_eq=right, method="highs")
    if not found.success:  # then nothing is known to be safe
        return np.full(asks.shape[0], _CLOSE * 2)
    spread = np.zeros(len(asked))
    spread[there] = found.x
    return np.asarray(asks @ spread)


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
