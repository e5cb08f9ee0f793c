"""The score of a slice, its upper bound, and the K best slices so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-12  # relative: scores that differ by rounding alone are ties, and ties must not be lost


@dataclass(frozen=True)
class Score:
    """The score of a slice and the most that any slice within given parents can reach.

    Attributes
    ----------
    rows : int
        All rows.
    total : float
        Sum of all errors, above 0.
    alpha : float
        Weight of the error against the size.
    support : float
        Least size of a slice.
    better : bool
        Whether slices with unusually little error are sought.
    """

    rows: int
    total: float
    alpha: float
    support: float
    better: bool

    def of(self, sizes: Any, errors: Any) -> Floats:
        """Return the score of slices with these sizes (above 0) and sums of errors."""
        sizes = np.asarray(sizes, dtype=float)
        excess = self.rows / sizes * (np.asarray(errors, dtype=float) / self.total) - 1
        signed = -excess if self.better else excess
        return np.asarray(self.alpha * signed - (1 - self.alpha) * (self.rows / sizes - 1))

    def bound(self, sizes: Floats, errors: Floats, maxima: Floats) -> Floats:
        """Return an upper bound of the score within all of the parents, arrays of shape (parents, candidates).

        Between the places where the bound on the error changes its form it is a constant plus another over the size, so
        its largest value is at an end or at such a place.
        """
        most = sizes.min(axis=0)
        if self.better:
            bounds = [self._better(most, *parent) for parent in zip(sizes, errors, maxima, strict=True)]
            return np.asarray(np.min(bounds, axis=0))
        error, largest = errors.min(axis=0), maxima.min(axis=0)
        turn = error / np.where(largest > 0, largest, 1.0)
        return self._best_of(most, turn, lambda size: np.minimum(error, size * largest))

    def _better(self, most: Floats, size_p: Floats, error_p: Floats, largest: Floats) -> Floats:
        turn = size_p - error_p / np.where(largest > 0, largest, 1.0)
        return self._best_of(most, turn, lambda size: np.maximum(error_p - (size_p - size) * largest, 0.0))

    def _best_of(self, most: Floats, turn: Floats, error_at: Any) -> Floats:
        upper = np.maximum(most, self.support)
        ends = np.full_like(most, self.support), upper, np.clip(turn, self.support, upper)
        best = np.max([self.of(size, error_at(size)) for size in ends], axis=0)
        return np.where(most >= self.support, best, -np.inf)


@dataclass
class Best:
    """The K best slices so far: ties by larger size, lower level, then name."""

    k: int
    score: Floats = field(default_factory=lambda: np.empty(0))
    size: Floats = field(default_factory=lambda: np.empty(0))
    error: Floats = field(default_factory=lambda: np.empty(0))
    items: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def least(self) -> float:
        """What a slice must reach: the K-th score less the tolerance, 0 while there are fewer than K."""
        return float(self.score[self.k - 1]) * (1 - _TOLERANCE) if len(self.score) >= self.k else 0.0

    def offer(self, score: Floats, size: Floats, error: Floats, items: Any) -> None:
        """Take in what belongs to the best; `items` gives the items of the n-th offered slice."""
        chosen = np.flatnonzero((score > _TOLERANCE) & (score >= self.least))  # 0 apart from rounding is not above 0
        if not chosen.size:
            return
        if len(chosen) > self.k:  # far more may be above 0 than can be among the best
            bar = float(np.partition(score[chosen], -self.k)[-self.k])
            chosen = chosen[score[chosen] >= bar - abs(bar) * _TOLERANCE]
        keys = [*self.items, *(items(int(position)) for position in chosen)]
        score = np.concatenate([self.score, score[chosen]])
        size, error = np.concatenate([self.size, size[chosen]]), np.concatenate([self.error, error[chosen]])
        rounded = [float(f"{value:.11e}") for value in score]
        order = sorted(range(len(keys)), key=lambda i: (-rounded[i], -size[i], len(keys[i]), keys[i]))[: self.k]
        self.score, self.size, self.error = score[order], size[order], error[order]
        self.items = [keys[i] for i in order]
