"""Scores of a tally: in bins always, and exactly in the cells where bins are too coarse.

Bins move the area under the ROC curve by at most Σ P_b·N_b / 2PN, and average precision by at most what the best and
the worst order within each bin would make of it. In a cell where either exceeds 0.001 each distinct score is kept with
its counts instead. So it is in small cells, where scores cost no more than bins, and in cells of one class, where the
bound is not known until rows of the other are added.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.intervals import Entries, areas, average_precisions

if TYPE_CHECKING:
    from mlopskit.tally.counts import Tally
    from mlopskit.tally.reader import Coded

LARGEST_BOUND = 0.001
"""More than this, and bins are too coarse for a cell."""
KEYS = ["cell", "block", "actual"]
SCORE_COLUMNS = [*KEYS, "bin", "n", "score_sum"]
EXACT_COLUMNS = [*KEYS, "score", "n"]
WEIGHTS = ["weight", "squares"]
_SMALL = 4096
_DENSE = 1 << 25


def empty(columns: list[str]) -> pd.DataFrame:
    """Return a table of scores without rows."""
    return pd.DataFrame({name: pd.Series(dtype=float if "score" in name else np.int64) for name in columns})


def bin_rows(tally: Tally, rows: Coded) -> Tally:
    """Add the scores of one portion in bins."""
    bins, blocks = tally.score_bins, tally.counts.shape[1]
    block = rows.block if rows.block is not None else 0
    code = ((rows.cell * blocks + block) * 2 + rows.actual) * bins.bins + bins.codes(rows.score)
    code, inverse = _dense_or_sorted(code, len(tally.cells) * blocks * 2 * bins.bins)
    weight, size = rows.weight, len(code)
    mass = rows.score if weight is None else rows.score * weight
    columns: dict[str, Any] = {
        "cell": code // (2 * bins.bins * blocks),
        "block": code // (2 * bins.bins) % blocks,
        "actual": code // bins.bins % 2,
        "bin": code % bins.bins,
        "n": np.bincount(inverse, minlength=size),
        "score_sum": np.bincount(inverse, weights=mass, minlength=size),
    }
    if weight is not None:
        columns["weight"] = np.bincount(inverse, weights=weight, minlength=size)
        columns["squares"] = np.bincount(inverse, weights=weight**2, minlength=size)
    return replace(tally, scores=pd.DataFrame(columns))


def _dense_or_sorted(code: Any, size: int) -> tuple[Any, Any]:
    """The distinct codes, and each row's place among them."""
    if size > _DENSE or size > 64 * len(code) + 4096:
        return np.unique(code, return_inverse=True)
    seen = np.zeros(size, dtype=bool)
    seen[code] = True
    present = np.flatnonzero(seen)
    place = np.empty(size, dtype=np.int64)
    place[present] = np.arange(len(present))
    return present, place[code]


def binned_entries(tally: Tally) -> Entries:
    """Return the bins of a tally as entries; blocks where rows are weighted or a unit was named."""
    return _entries(tally, tally.scores, "bin")


def entries_of(tally: Tally) -> tuple[Entries, npt.NDArray[np.bool_]]:
    """Return the scores of a tally, exact where they are kept and in bins elsewhere, and which cells are exact."""
    exact = np.zeros(len(tally.cells), dtype=bool)
    exact[tally.exact["cell"].to_numpy(np.int64)] = True
    kept = tally.scores[~exact[tally.scores["cell"].to_numpy(np.int64)]]
    rows = [kept.rename(columns={"bin": "order"}), tally.exact.rename(columns={"score": "order"})]
    rows = [part for part in rows if len(part)] or rows[:1]
    return _entries(tally, pd.concat(rows, ignore_index=True), "order"), exact


def _entries(tally: Tally, table: pd.DataFrame, order: str) -> Entries:
    n = table["n"].to_numpy(float)
    weight = table["weight"].to_numpy(float) if "weight" in table.columns else n
    block = table["block"].to_numpy(np.int64) if tally.counts.shape[1] > 1 else None
    cell, actual = table["cell"].to_numpy(np.int64), table["actual"].to_numpy() == 1
    return Entries(cell, actual, table[order].to_numpy(float), n, weight, block, len(tally.cells))


def bounds(tally: Tally) -> npt.NDArray[np.float64]:
    """Return the larger of the two bounds on the binning error by cell, (cells,); NaN without both classes."""
    found = binned_entries(tally)
    both = np.stack([areas(found).bound, average_precisions(found, bins=True).bound])
    return np.asarray(both.max(axis=0))


def needs_exact(tally: Tally) -> npt.NDArray[np.bool_]:
    """Return the cells whose scores are worth keeping exactly: small ones, and those whose bins may be too coarse."""
    if not len(tally.scores):
        return np.zeros(len(tally.cells), dtype=bool)
    small = tally.sizes <= _SMALL
    return np.asarray(~(bounds(tally) <= LARGEST_BOUND) | small)


def exact_rows(tally: Tally, parts: Iterable[Coded], wanted: npt.NDArray[np.bool_]) -> Tally:
    """Add the exact scores of the wanted cells from portions of rows."""
    names = list(tally.cells.itertuples(index=False, name=None))
    place = {name: cell for cell, name in enumerate(names)}
    taken = []
    for rows in parts:
        home = np.array([place[name] for name in rows.cells.itertuples(index=False, name=None)], dtype=np.int32)
        cell = home[rows.cell]
        keep = wanted[cell]
        columns = {"cell": cell, "block": rows.block, "actual": rows.actual, "score": rows.score, "weight": rows.weight}
        taken.append({name: _short(name, values[keep]) for name, values in columns.items() if values is not None})
    joined = {name: np.concatenate([part.pop(name) for part in taken]) for name in list(taken[0])}
    return replace(tally, exact=_by_cell(joined))


def _short(name: str, values: Any) -> Any:
    """Few bytes a row: there may be ten million."""
    return values.astype(np.int8) if name in ("block", "actual") else values


def _by_cell(rows: dict[str, Any]) -> pd.DataFrame:
    """Add the rows of equal cell, block, class and score, one cell after the other: little is sorted at once."""
    order = np.argsort(rows["cell"], kind="stable").astype(np.int32 if len(rows["cell"]) < 2**31 else np.int64)
    edges = np.flatnonzero(np.diff(rows["cell"][order], prepend=-1, append=-1))
    tables = []
    for start, end in pairwise(edges):
        inside = order[start:end]
        part = pd.DataFrame({name: values[inside] for name, values in rows.items()})
        part["n"] = np.ones(len(part), dtype=np.int32)
        if "block" not in part:
            part["block"] = np.zeros(len(part), dtype=np.int8)
        if "weight" in part:
            part["squares"] = part["weight"] ** 2
        tables.append(add_up(part, "score"))
    return pd.concat(tables, ignore_index=True) if tables else empty(EXACT_COLUMNS)


def add_up(table: pd.DataFrame, by: str) -> pd.DataFrame:
    """Add the rows of equal cell, block, class and score (or bin), in that order."""
    keys = [*KEYS, by]
    order = _in_order([table[key].to_numpy() for key in keys])
    new = np.zeros(len(order), dtype=bool)
    new[:1] = True
    columns = {key: table[key].to_numpy()[order] for key in keys}
    for values in columns.values():
        new[1:] |= values[1:] != values[:-1]
    starts = np.flatnonzero(new)
    found = {key: values[starts] for key, values in columns.items()}
    amounts = [name for name in ("n", "score_sum", *WEIGHTS) if name in table.columns]
    for name in amounts:
        values = table[name].to_numpy()[order]
        found[name] = np.add.reduceat(values, starts) if len(starts) else values
    return pd.DataFrame(found)


def _in_order(keys: list[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Sort by several columns, the first above all; whole numbers as one, as what is added is mostly sorted already."""
    if not len(keys[0]) or any(key.dtype.kind == "f" for key in keys):
        return np.lexsort(keys[::-1])
    joined = keys[0].astype(np.int64)
    for key in keys[1:]:
        joined = joined * (int(key.max()) + 1) + key
    return np.argsort(joined, kind="stable")


def merged_exact(tally: Tally, place: Any, cells: int) -> pd.DataFrame:
    """Return exact scores after cells were added: kept where every part with scores has them."""
    inexact = np.ones(len(place), dtype=bool)
    inexact[tally.exact["cell"].to_numpy(np.int64)] = False
    scored = np.zeros(len(place), dtype=bool)
    scored[tally.scores["cell"].to_numpy(np.int64)] = True
    lost = np.zeros(cells, dtype=bool)
    lost[place[inexact & scored]] = True
    exact = tally.exact.assign(cell=place[tally.exact["cell"].to_numpy(np.int64)])
    return add_up(exact[~lost[exact["cell"].to_numpy(np.int64)]], "score")


def thinned(tally: Tally) -> Tally:
    """Drop exact scores that are no longer worth their room, after tallies were added."""
    if not len(tally.exact):
        return tally
    kept = needs_exact(tally)[tally.exact["cell"].to_numpy(np.int64)]
    return tally if kept.all() else replace(tally, exact=tally.exact[kept].reset_index(drop=True))
