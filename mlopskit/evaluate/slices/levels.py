"""What a slice search keeps of a level, and of the joins that lead to the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DENSE = 1 << 23  # entries of a look-up table at most; beyond, places are found by bisection


@dataclass(frozen=True)
class Level:
    """The surviving slices of one level, sorted by prefix and last item.

    Attributes
    ----------
    prefix : ndarray of int, shape (slices,)
        Position in the level before of the slice without its last item.
    item : ndarray of int, shape (slices,)
        The last item.
    sizes, errors, maxima : ndarray of float, shape (slices,)
        Rows, sum of errors, and a number that no error in the slice exceeds.
    """

    prefix: Ints
    item: Ints
    sizes: Floats
    errors: Floats
    maxima: Floats

    def take(self, chosen: Any) -> Level:
        """Return some of the slices."""
        parts = (self.prefix, self.item, self.sizes, self.errors, self.maxima)
        return Level(*(part[chosen] for part in parts))


class Places:
    """Where in a level the slice with a given prefix and last item stands, −1 if nowhere."""

    def __init__(self, level: Level, prefixes: int, width: int) -> None:
        self.width = width
        self.keys = level.prefix * width + level.item
        self.table: Any = None
        if prefixes * width <= _DENSE:
            self.table = np.full(prefixes * width + 1, -1, dtype=np.int32)
            self.table[self.keys] = np.arange(len(self.keys), dtype=np.int32)

    def find(self, prefix: Any, item: Any) -> Any:
        """Look up many; a prefix of −1 is nowhere."""
        wanted = np.where(prefix >= 0, prefix * self.width + item, -1)
        if self.table is not None:
            return self.table[wanted]
        place = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, place, -1)


@dataclass(frozen=True)
class Joins:
    """Joins of two siblings: their positions in the last level, and what is known before anything is counted.

    Attributes
    ----------
    left, right : ndarray of int, shape (joins,)
    most, error, largest : ndarray of float, shape (joins,)
        The least size, sum of errors and largest error among the parents.
    bound : ndarray of float, shape (joins,)
        No slice within the join scores more.
    """

    left: Ints
    right: Ints
    most: Floats
    error: Floats
    largest: Floats
    bound: Floats

    def take(self, chosen: Any) -> Joins:
        """Return some of the joins."""
        parts = (self.left, self.right, self.most, self.error, self.largest, self.bound)
        return Joins(*(part[chosen] for part in parts))
