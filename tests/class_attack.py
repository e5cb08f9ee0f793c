"""What curves, confusion table and rates of several classes tell together about the rows that no single one counts.

The unknowns are the rows of each actual class, predicted class (the one with the highest score) and range of each
class's score between published thresholds; what is impossible for scores that add up to 1 is left out. Everything
that is published is an equation over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog

CLASSES = 3


class Attack:
    """Bounds on counts of rows from `roc`, `precision_recall` and `confusion`, and from the overall rates."""

    def __init__(self, predictions: pd.DataFrame, tables: dict[str, pd.DataFrame], labels: list[str]) -> None:
        curves = pd.concat([tables["roc"], tables["precision_recall"]])
        cuts = [np.unique(curves.loc[curves["class"] == name, "threshold"]) for name in labels]
        self.cuts = [cut[np.isfinite(cut)] for cut in cuts]
        self.edges = [np.concatenate([[0], cut, [1 + 1e-9]]) for cut in self.cuts]
        ranges = [range(len(edge) - 1) for edge in self.edges]
        atoms = [
            (actual, answer, *cells)
            for cells in product(*ranges)
            for answer in range(CLASSES)
            if self._possible(answer, cells)
            for actual in range(CLASSES)
        ]
        self.atoms, places = np.array(atoms), {atom: place for place, atom in enumerate(atoms)}
        scores = predictions[[f"score_{i}" for i in range(CLASSES)]].to_numpy()
        found = [np.searchsorted(cut, scores[:, i], side="right") for i, cut in enumerate(self.cuts)]
        rows = np.stack([predictions["_target"], predictions["prediction"], *found], axis=1)
        self.true = np.bincount([places[tuple(row)] for row in rows.tolist()], minlength=len(atoms)).astype(float)
        rates, told = list(self._rates()), list(self._told(tables["confusion"], labels))
        self.rates, self.known = (sparse.csr_matrix(np.array(part, dtype=float)) for part in (rates, rates + told))

    def _possible(self, answer: int, cells: tuple[int, ...]) -> bool:
        """Whether scores in these ranges can add up to 1 with that of the answer the highest."""
        low = [edge[cell] for edge, cell in zip(self.edges, cells, strict=True)]
        high = [edge[cell + 1] for edge, cell in zip(self.edges, cells, strict=True)]
        best = min(high[answer], 1 - sum(low) + low[answer])
        others = sum(min(high[i], best) for i in range(CLASSES) if i != answer)
        return bool(best >= max(low) - 1e-9 and best + others >= 1 - 1e-9)

    def _rates(self) -> Iterator[Any]:
        """Lines over the unknowns of which the rates of all rows tell the sums: sizes, answers and right answers.

        And those of which there is nobody: that none of some kind lies on a side of a threshold may be shown.
        """
        for i in range(CLASSES):
            actual, answer = self.atoms[:, 0] == i, self.atoms[:, 1] == i
            yield from (actual, answer, actual & answer)
            for cell, own, called in product(range(1, len(self.edges[i]) - 1), (actual, ~actual), (answer, ~answer)):
                above = self.atoms[:, 2 + i] >= cell
                sides = (own & called & above, own & called & ~above)
                yield from (line for line in sides if not self.true[line].any())

    def _told(self, confusion: pd.DataFrame, labels: list[str]) -> Iterator[Any]:
        """Lines over the unknowns whose sums stand in the curves and the confusion table."""
        actual, answer = self.atoms[:, 0], self.atoms[:, 1]
        for i in range(CLASSES):
            for cell in range(1, len(self.edges[i])):
                above = self.atoms[:, 2 + i] >= cell
                yield from ((actual == i) & above, (actual != i) & above)
        for row in confusion.dropna(subset="n").itertuples():
            yield (actual == labels.index(str(row.actual))) & (answer == labels.index(str(row.predicted)))

    def most(self, line: Any, known: Any) -> float:
        """Return the most that a count can be."""
        found = linprog(-line.astype(float), A_eq=known, b_eq=known @ self.true, method="highs")
        assert found.success
        return float(-found.fun)

    def asked(self) -> Iterator[tuple[tuple[Any, ...], Any]]:
        """Counts that somebody might want to know: beside each threshold, and between those of two or all classes."""
        actual, answer = self.atoms[:, 0], self.atoms[:, 1]
        above = {
            (i, cell): self.atoms[:, 2 + i] >= cell for i in range(CLASSES) for cell in range(1, len(self.edges[i]) - 1)
        }
        classes = [("any", np.ones(len(actual), bool)), *((i, actual == i) for i in range(CLASSES))]
        classes += [(f"not {i}", actual != i) for i in range(CLASSES)]
        sides = {name: {True: line, False: ~line} for name, line in above.items()}
        for (i, cell), side in sides.items():
            for (word, own), high, called in product(classes, (True, False), (True, False)):
                yield (i, cell, word, high, called), own & side[high] & ((answer == i) == called)
                yield (i, cell, word, called, "cell"), own & (self.atoms[:, 2 + i] == cell) & ((answer == i) == called)
        for one, other in combinations(above, 2):
            for (word, own), first, second in product(classes, (True, False), (True, False)):
                yield (one, other, word, first, second), own & sides[one][first] & sides[other][second]
        for cells in product(*(range(1, max(len(edge) - 1, 2)) for edge in self.edges)):
            below = [self.atoms[:, 2 + i] < cell for i, cell in enumerate(cells)]
            yield ("below all", *cells), np.logical_and.reduce(below)

    def leaks(self, floor: int) -> Iterator[tuple[Any, ...]]:
        """Counts between 1 and the floor that are told to be below it, where the rates of all rows do not tell that."""
        seen = set()
        for name, line in self.asked():
            count = float(self.true[line].sum())
            if not 0 < count < floor or line.tobytes() in seen:
                continue
            seen.add(line.tobytes())
            most = self.most(line, self.known)
            if most < floor - 1e-5 and most < min(floor, self.most(line, self.rates)) - 1e-5:
                yield (*name, count, most)
