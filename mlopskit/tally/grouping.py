"""Grouping: which group of each column a row belongs to.

A *group* is one value of a column, in words: a category as it is, a range of a numeric column ("18–32"), ``missing``
where the value is missing, ``other`` for rare categories folded together and for categories never seen before. A
`Grouping` is fitted once, on reference rows, and gives every later table the same groups, so that counts made apart can
be added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.errors import DataError, listing, nearest
from mlopskit.tally.arrow import in_reach
from mlopskit.tally.sources import column_names, frames
from mlopskit.tally.summaries import Numbers, Words, summarise

MISSING = "missing"
OTHER = "other"


@dataclass(frozen=True)
class ColumnGrouping:
    """The groups of one column.

    Attributes
    ----------
    name : str
        The column.
    kind : str
        ``numeric``, ``datetime`` (nanoseconds since 1970) or ``categorical``.
    cuts : tuple of float
        Numeric and datetime: group i holds the values in (cuts[i − 1], cuts[i]], the first and the last are open-ended.
    labels : tuple of str
        The groups in words and in order, without ``missing`` and ``other``.
    """

    name: str
    kind: str
    cuts: tuple[float, ...]
    labels: tuple[str, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """Every group that `codes` can point to, ``other`` and ``missing`` last."""
        return (*self.labels, *(label for label in (OTHER, MISSING) if label not in self.labels))

    def codes(self, values: pd.Series[Any]) -> np.ndarray:
        """Return the position in `levels` of each value's group, (n,) int64."""
        missing = values.isna().to_numpy(dtype=bool)
        if self.kind == "categorical":
            codes = self._category_codes(values)
        else:
            codes = np.searchsorted(np.asarray(self.cuts, dtype=float), _numbers(values), side="left")
        return np.where(missing, self.levels.index(MISSING), codes).astype(np.int64)

    def _category_codes(self, values: pd.Series[Any]) -> np.ndarray:
        if isinstance(values.dtype, pd.CategoricalDtype):
            codes, uniques = values.cat.codes.to_numpy(np.int64), values.cat.categories
        else:
            codes, uniques = pd.factorize(values)
        place = {label: position for position, label in enumerate(self.labels)}
        other = self.levels.index(OTHER)
        lookup = np.array([*(place.get(str(value), other) for value in uniques), other])
        return lookup[codes]


@dataclass(frozen=True)
class Grouping:
    """The groups of several columns, fitted once and used everywhere.

    Attributes
    ----------
    columns : tuple of ColumnGrouping
        In the order asked for.

    Examples
    --------
    >>> people = pd.DataFrame({"age": [18, 25, 32, 33, 40, 58, 60, 71], "sex": list("ffffmmm") + [None]})
    >>> grouping = Grouping.fit(people, ["age", "sex"], bins=2)
    >>> grouping.transform(people.tail(2)).values.tolist()
    [['34–71', 'm'], ['34–71', 'missing']]
    """

    columns: tuple[ColumnGrouping, ...]

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame | Any,
        columns: Sequence[str],
        *,
        bins: int = 4,
        max_groups: int = 20,
        edges: Mapping[str, Sequence[float]] | None = None,
    ) -> Grouping:
        """Learn the groups of each column.

        Parameters
        ----------
        frame : DataFrame, or any other source of `mlopskit.tally.sources`
            Reference rows; a Parquet file may be larger than memory.
        columns : sequence of str
            Columns to group by.
        bins : int
            Groups of about equal size that a numeric or datetime column with more distinct values is cut into.
        max_groups : int
            Groups of a categorical column; the rarest categories beyond share ``other``.
        edges : mapping of str to sequence of float, optional
            Given edges of numeric columns, instead of quantiles: each group holds what is over one edge, up to and
            including the next.

        Raises
        ------
        DataError
            When a column is absent, occurs twice, holds lists or other things that cannot be grouped, or has edges
            that do not rise or no numbers to cut.
        """
        names = list(dict.fromkeys(columns))
        portions = known_columns(frames(frame, names), names, frame)
        found = summarise(portions, names, _column, _kind, _numbers)
        given = dict(edges or {})
        return cls(tuple(_fitted(name, *found[name], bins, max_groups, given.get(name)) for name in names))

    @property
    def names(self) -> list[str]:
        """The columns grouped."""
        return [column.name for column in self.columns]

    def levels(self, name: str) -> tuple[str, ...]:
        """Return every group of a column, in order."""
        return next(column.levels for column in self.columns if column.name == name)

    def codes(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the position of each row's group in `levels`, one int64 column each."""
        return pd.DataFrame(
            {column.name: column.codes(_column(frame, column.name)) for column in self.columns}, index=frame.index
        )

    def transform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return each row's groups in words, with the frame's index.

        Raises
        ------
        DataError
            When a column is absent.
        """
        codes = self.codes(frame)
        words = {
            column.name: np.array(column.levels, dtype=object)[codes[column.name].to_numpy()] for column in self.columns
        }
        return pd.DataFrame(words, index=frame.index, dtype="str")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a JSON artefact."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Grouping:
        """Restore from `to_dict`."""
        return cls(
            tuple(
                ColumnGrouping(item["name"], item["kind"], tuple(map(float, item["cuts"])), tuple(item["labels"]))
                for item in record["columns"]
            )
        )


def known_columns(portions: Iterator[pd.DataFrame], names: Sequence[str], table: Any) -> Iterator[pd.DataFrame]:
    """Hand portions on, and refuse the first one that lacks a column, saying which ones the whole table has."""
    for place, frame in enumerate(portions):
        absent = [name for name in names if name not in frame.columns] if not place else []
        if absent:
            raise _no_column(absent[0], column_names(table) or [str(column) for column in frame.columns])
        yield frame


def _no_column(name: str, known: Sequence[str]) -> DataError:
    return DataError(f"There is no column {name!r} to group by{nearest(str(name), known)}; there are {listing(known)}.")


def _column(frame: pd.DataFrame, name: str) -> pd.Series[Any]:
    if name not in frame.columns:
        raise _no_column(name, [str(column) for column in frame.columns])
    found = frame[name]
    if isinstance(found, pd.DataFrame):
        raise DataError(f"Column {name!r} occurs {found.shape[1]} times, so grouping by it is ambiguous; rename one.")
    return found


def _fitted(
    name: str, kind: str, found: Numbers | Words, bins: int, max_groups: int, edges: Sequence[float] | None
) -> ColumnGrouping:
    if edges is not None:
        return ColumnGrouping(name, kind, *_given(name, kind, edges))
    if isinstance(found, Words):
        return ColumnGrouping(name, kind, (), found.largest(max_groups))
    if not found.distinct.size:
        return ColumnGrouping(name, kind, (), ("any value",))
    cuts = _cuts(found, bins)
    return ColumnGrouping(name, kind, tuple(cuts.tolist()), _range_labels(found.distinct, cuts, kind))


def _given(name: str, kind: str, edges: Sequence[float]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    cuts = np.asarray(edges, dtype=float)
    if kind != "numeric" or not cuts.size or not np.isfinite(cuts).all() or (np.diff(cuts) <= 0).any():
        raise DataError(f"Edges of {name!r} must be rising numbers of a numeric column; got {listing(edges)}.")
    return tuple(cuts.tolist()), _float_labels(cuts, " to " if cuts[0] < 0 else "–")


def _kind(values: pd.Series[Any]) -> str:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "datetime"
    plain = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    return "numeric" if plain else "categorical"


def _numbers(values: pd.Series[Any]) -> np.ndarray:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        naive = values.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(values.dt, "tz", None) else values
        return in_reach(naive.to_numpy()).astype(np.int64).astype(float)
    return np.asarray(pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan))


def _cuts(found: Numbers, bins: int) -> np.ndarray:
    """Upper ends of all groups but the last: quantiles that occur in the data, or every value when there are few."""
    values = found.distinct
    if values.size <= bins:
        return np.asarray(values[:-1])
    reached = np.cumsum(found.counts)
    wanted = np.arange(1, bins) / bins * reached[-1]
    cuts = np.unique(values[np.searchsorted(reached, wanted * (1 - 1e-12), side="left")])
    return np.asarray(cuts[cuts < values[-1]])


def _range_labels(numbers: np.ndarray, cuts: np.ndarray, kind: str) -> tuple[str, ...]:
    """Ranges in words: whole numbers and dates by their first and last value, others by their cuts."""
    groups = np.split(numbers, np.searchsorted(numbers, cuts, side="right"))
    if kind == "datetime":
        return _unique([_span(_day(group[0]), _day(group[-1]), " to ") for group in groups])
    dash = " to " if numbers[0] < 0 else "–"
    if np.all(numbers == np.round(numbers)) and abs(numbers).max() < 1e15:
        firsts = [numbers[0], *(cuts + 1)]
        lasts = [*cuts, numbers[-1]]
        if np.unique(numbers).size <= cuts.size + 1:
            return _unique([_whole(group[0]) for group in groups])
        return _unique([_span(_whole(a), _whole(b), dash) for a, b in zip(firsts, lasts, strict=True)])
    return _float_labels(cuts, dash)


def _float_labels(cuts: np.ndarray, dash: str) -> tuple[str, ...]:
    for digits in range(3, 18):
        ends = [f"{cut:.{digits}g}".replace("-", "−") for cut in cuts]
        if len(set(ends)) == len(ends):
            break
    if not ends:
        return ("any value",)
    between = [
        f"over {ends[i]} to {ends[i + 1]}" if dash != "–" else f"{ends[i]}–{ends[i + 1]}" for i in range(len(ends) - 1)
    ]
    return (f"up to {ends[0]}", *between, f"over {ends[-1]}")


def _whole(number: float) -> str:
    return f"{int(number)}".replace("-", "−")


def _day(nanoseconds: float) -> str:
    return str(np.datetime64(int(nanoseconds), "ns").astype("datetime64[D]"))


def _span(first: str, last: str, dash: str) -> str:
    return first if first == last else f"{first}{dash}{last}"


def _unique(labels: list[str]) -> tuple[str, ...]:
    """Number labels that would be equal otherwise (several ranges within one day)."""
    seen: dict[str, int] = {}
    out = []
    for label in labels:
        seen[label] = seen.get(label, 0) + 1
        out.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return tuple(out)
