"""The privacy floor: which counts of a set of tables by group are withheld so that none below k can be had.

A table by group publishes, for each group, its size and the denominators of its metrics, and with the metrics' values
every count behind them. A count above 0 and below the floor k could point at persons. Leaving it out is not enough:
the groups of a column add up to all rows, and the cells of two columns to the groups of each. So more is withheld
until, given everything that is still published, each withheld count *could* be k or more. What an attacker can work
out is found by linear programming: the unknowns are the rows of each kind (actual class and predicted class) in every
combination of groups, all that is published is an equation, and the largest value that a withheld count can take is
its bound. For one column that comes to: at least two groups are withheld, k rows in all.

Each group is *shown*; or only its *size* is (a denominator is too small); or it is *hidden*. Which one is withheld for
its own sake and which to protect another is not told: it would give the count away.

Hundepool, A. et al. (2012). Statistical Disclosure Control. Wiley, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.tally.floor.bounds import Ints, Published, in_danger, protectors

HIDDEN, SIZE, SHOWN = 0, 1, 2
_LARGEST = 12_000
"""Unknowns of the joint program at most; beyond, a pair of columns with anything withheld is withheld as a whole."""


@dataclass(frozen=True)
class Plan:
    """What of each table is shown.

    Attributes
    ----------
    floor : int
        k; 0 and 1 withhold nothing.
    states : dict
        (columns, group) → ``HIDDEN``, ``SIZE`` or ``SHOWN``; columns and group are tuples of equal length.
    """

    floor: int
    states: dict[tuple[tuple[str, ...], tuple[str, ...]], int]

    def of(self, columns: Sequence[str], group: Sequence[str]) -> int:
        """Return the state of a group; one that has no rows has nothing to withhold."""
        return self.states.get((tuple(columns), tuple(group)), SHOWN)

    def names(self, columns: Sequence[str]) -> dict[str, int]:
        """Return the states of one table's groups by their names there; of two with one name the lesser."""
        found: dict[str, int] = {}
        for (own, group), state in self.states.items():
            if own == tuple(columns):
                name = " and ".join(group)
                found[name] = min(state, found.get(name, SHOWN))
        return found

    @property
    def withheld(self) -> int:
        """Groups of which anything is withheld."""
        return sum(state != SHOWN for state in self.states.values())


def plan_floor(
    groups: pd.DataFrame, kind: npt.ArrayLike, *, watched: npt.ArrayLike, floor: int, pairs: bool = True
) -> Plan:
    """Decide what of the tables by group is shown.

    Parameters
    ----------
    groups : DataFrame, shape (n, columns)
        The group of each row in each column.
    kind : array_like of int, shape (n,)
        What the rows are counted by, such as actual class × classes + predicted class; zeros if only sizes count.
    watched : array_like of bool, shape (counts, kinds)
        Which kinds each protected count adds up; the first is the size, all kinds.
    floor : int
        k.
    pairs : bool
        Whether the tables of all pairs of columns are published too.

    Examples
    --------
    >>> rows = pd.DataFrame({"town": ["a"] * 50 + ["b"] * 40 + ["c"] * 3})
    >>> plan = plan_floor(rows, [0] * 93, watched=[[1]], floor=5)
    >>> [plan.of(["town"], [name]) for name in "abc"]
    [2, 0, 0]
    """
    if floor < 2 or groups.empty:
        return Plan(max(floor, 0), {})
    problem = _Problem.of(groups, np.asarray(kind, dtype=np.int64), np.asarray(watched, dtype=np.int64), pairs)
    _secure(problem, floor)
    found = zip(problem.queries, problem.states.tolist(), strict=True)
    return Plan(floor, {(query.columns, query.group): state for query, state in found})


@dataclass(frozen=True)
class _Query:
    """One published group: which table it belongs to, its values, and the combinations that it adds up."""

    columns: tuple[str, ...]
    group: tuple[str, ...]
    profiles: Ints

    @property
    def parts(self) -> set[tuple[str, str]]:
        return set(zip(self.columns, self.group, strict=True))

    @property
    def near(self) -> set[tuple[Any, ...]]:
        """What it shares with its neighbours: the column, or in the table of two columns its row and column."""
        return {self.columns} if len(self.columns) == 1 else {(self.columns, part) for part in self.parts}


@dataclass
class _Problem:
    """All tables over the combinations of groups that occur: (combinations, kinds) rows, and each group's state."""

    codes: Ints
    rows: Ints
    watched: Ints
    queries: list[_Query]
    counts: Ints
    states: Ints
    names: list[str]
    labels: list[list[str]]
    safe: set[tuple[int, int]] = field(default_factory=set)
    """Counts that are safe in all tables at once; withholding more cannot change that."""

    @classmethod
    def of(cls, groups: pd.DataFrame, kind: Ints, watched: Ints, pairs: bool) -> _Problem:
        names = [str(name) for name in groups.columns]
        encoded = [pd.factorize(groups.iloc[:, place].astype("str"), sort=True) for place in range(len(names))]
        table = np.stack([codes for codes, _ in encoded], axis=1).astype(np.int64)
        codes, home = np.unique(table, axis=0, return_inverse=True)
        kinds = watched.shape[1]
        rows = np.bincount(home.ravel() * kinds + kind, minlength=len(codes) * kinds).reshape(len(codes), kinds)
        labels = [[str(label) for label in uniques] for _, uniques in encoded]
        places = [(i,) for i in range(len(names))] + (list(combinations(range(len(names)), 2)) if pairs else [])
        queries = [query for chosen in places for query in _queries(chosen, codes, names, labels)]
        counts = np.stack([watched @ rows[query.profiles].sum(axis=0) for query in queries])
        states = np.full(len(queries), SHOWN, dtype=np.int64)
        return cls(codes, rows, watched, queries, counts, states, names, labels)

    def published(self, chosen: Sequence[int], codes: Ints, rows: Ints) -> Published:
        """Return what is published of some groups over these combinations; all rows together always are."""
        position = {name: place for place, name in enumerate(self.names)}
        index = [{label: code for code, label in enumerate(labels)} for labels in self.labels]
        masks = [np.ones(len(codes), dtype=bool)]
        for place in chosen:
            mask = np.ones(len(codes), dtype=bool)
            for name, label in self.queries[place].parts:
                mask &= codes[:, position[name]] == index[position[name]][label]
            masks.append(mask)
        states = np.concatenate([[SHOWN], self.states[list(chosen)]])
        return Published(np.stack(masks), rows, self.watched, states)


def _queries(chosen: tuple[int, ...], codes: Ints, names: list[str], labels: list[list[str]]) -> list[_Query]:
    cells, home = np.unique(codes[:, list(chosen)], axis=0, return_inverse=True)
    columns = tuple(names[place] for place in chosen)
    return [
        _Query(
            columns,
            tuple(labels[place][code] for place, code in zip(chosen, cell, strict=True)),
            np.flatnonzero(home.ravel() == number),
        )
        for number, cell in enumerate(cells)
    ]


def _secure(problem: _Problem, floor: int) -> None:
    """Withhold what is too small, then whatever would give it away: table by table, then all of them together."""
    small = (problem.counts > 0) & (problem.counts < floor)
    problem.states[small.any(axis=1)] = SIZE
    problem.states[small[:, 0]] = HIDDEN
    tables: dict[tuple[str, ...], list[int]] = {}
    for place, query in enumerate(problem.queries):
        tables.setdefault(query.columns, []).append(place)
    own = {columns: places for columns, places in tables.items() if len(columns) == 1}
    before = np.full_like(problem.states, -1)
    while (before != problem.states).any():  # a pair may take away from a column, which is then looked at again
        before = problem.states.copy()
        for places in own.values():
            _repair(problem, places, floor)
        _inherit(problem)
        for columns, places in tables.items():
            if len(columns) == 2:
                _repair(problem, [*own[columns[:1]], *own[columns[1:]], *places], floor)
        if len(tables) > 1:
            _repair_jointly(problem, tables, floor)


def _inherit(problem: _Problem) -> None:
    """A pair of groups shows no more than each of them: else its cells would add up to what is withheld."""
    single = {
        (query.columns[0], query.group[0]): state
        for query, state in zip(problem.queries, problem.states, strict=True)
        if len(query.columns) == 1
    }
    for place, query in enumerate(problem.queries):
        if len(query.columns) == 2:
            problem.states[place] = min(problem.states[place], *(single[part] for part in query.parts))


def _repair(problem: _Problem, chosen: Sequence[int], floor: int) -> None:
    """Withhold more of these tables until no count can be had from them."""
    used = sorted({problem.names.index(name) for place in chosen for name in problem.queries[place].columns})
    cells, home = np.unique(problem.codes[:, used], axis=0, return_inverse=True)
    rows = np.zeros((len(cells), problem.rows.shape[1]), dtype=np.int64)
    np.add.at(rows, home.ravel(), problem.rows)
    codes = np.zeros((len(cells), problem.codes.shape[1]), dtype=np.int64)
    codes[:, used] = cells
    _until_safe(problem, chosen, codes, rows, floor, set())


def _repair_jointly(problem: _Problem, tables: dict[tuple[str, ...], list[int]], floor: int) -> None:
    """The same over all tables at once, which are linked by the rows that they share."""
    if (problem.states == SHOWN).all():
        return
    codes, rows = _alternatives(problem)
    if rows.size > _LARGEST:  # what is not checked is not published
        for columns, places in tables.items():
            if len(columns) == 2 and (problem.states[places] != SHOWN).any():
                problem.states[places] = HIDDEN
        return
    _until_safe(problem, range(len(problem.queries)), codes, rows, floor, problem.safe)


def _until_safe(
    problem: _Problem, chosen: Sequence[int], codes: Ints, rows: Ints, floor: int, safe: set[tuple[int, int]]
) -> None:
    """Find what is in danger, withhold what protects it at the least cost, and look again."""
    costs = np.array([_cost(problem, place, chosen) for place in chosen])
    near = [
        set(),
        *(problem.queries[place].near for place in chosen),
    ]  # all rows together, the first, have no neighbour
    touched: set[Any] = set()
    while (problem.states[list(chosen)] != SHOWN).any():
        touched.clear()
        published = problem.published(chosen, codes, rows)
        # a group waits whose neighbour was withheld just now: that may do
        for place, counts in in_danger(published, floor, safe, skip=lambda place: bool(touched & near[place])):
            asked = (place, counts[0])  # the size comes first: with it the other counts may be safe too
            lowered = protectors(published, asked, floor, np.concatenate([[np.inf], costs]))
            for other, state in lowered.items():
                problem.states[chosen[other - 1]] = min(problem.states[chosen[other - 1]], state)
            touched.update(*(near[other] for other in ([place, *lowered] if lowered else [])))
        if not touched:
            return


def _cost(problem: _Problem, place: int, chosen: Sequence[int]) -> float:
    """What it costs to withhold a group: its rows; a group of one column many times more than a cell of two."""
    cells = any(len(problem.queries[other].columns) == 2 for other in chosen)
    margin = cells and len(problem.queries[place].columns) == 1
    return float(problem.counts[place, 0] + 1) * (1000.0 if margin else 1.0)


def _alternatives(problem: _Problem) -> tuple[Ints, Ints]:
    """Combinations that an attacker must reckon with: those that occur, and those one value away in a withheld group.

    More combinations are possible, so an attacker knows even less than the program that uses these alone.
    """
    present: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for query in problem.queries:
        if len(query.columns) == 2:
            present.setdefault(query.columns, set()).add(query.group)
    original = [tuple(code) for code in problem.codes.tolist()]
    found = set(original)
    limit = _LARGEST // problem.rows.shape[1]
    for query, state in zip(problem.queries, problem.states, strict=True):
        if state == SHOWN or len(found) > limit:
            continue
        places = [problem.names.index(name) for name in query.columns]
        goal = {place: problem.labels[place].index(label) for place, label in zip(places, query.group, strict=True)}
        for code in original:
            changed = [place for place, value in goal.items() if code[place] != value]
            moved = tuple(goal.get(place, value) for place, value in enumerate(code))
            if len(changed) == 1 and moved not in found and _possible(problem, moved, changed[0], present):
                found.add(moved)
    extra = sorted(found - set(original))[: max(limit - len(original), 0)]
    codes = np.concatenate([problem.codes, np.array(extra, dtype=np.int64).reshape(-1, problem.codes.shape[1])])
    rows = np.concatenate([problem.rows, np.zeros((len(extra), problem.rows.shape[1]), dtype=np.int64)])
    return codes, rows


def _possible(problem: _Problem, code: Sequence[int], changed: int, present: dict[Any, set[Any]]) -> bool:
    """Whether every pair with the changed value occurs; one that is listed nowhere has no rows."""
    for places in (sorted((other, changed)) for other in range(len(code)) if other != changed):
        pair = tuple(problem.labels[place][code[place]] for place in places)
        if pair not in present.get(tuple(problem.names[place] for place in places), {pair}):
            return False
    return True
