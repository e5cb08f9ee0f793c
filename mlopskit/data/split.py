"""Train, validation, test and production rows: no row lost, none twice, no copy of a row on two sides.

Train data fit, validation data choose, test data judge once, production data rehearse what comes after. Rows that are
equal in every column are dealt as one: a test row that stands in the training data as well would flatter the model.
So are the rows of one group (a person, a hospital) with ``split = "group"``, those of one moment with
``split = "time"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data.columns import ROW, TARGET, Target
from mlopskit.data.refusals import production_problems
from mlopskit.data.schema import as_numbers
from mlopskit.errors import DataError, listing

if TYPE_CHECKING:
    from mlopskit.scope import Data

SPLITS = ("train", "validation", "test", "production")
"""In the order in which a model meets them."""

_DEVELOPMENT = SPLITS[:3]


def production_mask(frame: pd.DataFrame, data: Data) -> pd.Series[bool]:
    """Return which rows are at or after ``production_from``; none when it is not set.

    A row whose time is missing is development data, since nothing says that it is new.

    Raises
    ------
    DataError
        When the time column and ``production_from`` cannot be compared, or one side is empty.
    """
    if data.production_from is None or data.time is None:
        return pd.Series(data=False, index=frame.index)
    times = time_numbers(frame[data.time])
    after = times >= _moment(data.production_from, frame[data.time])
    low, high = frame[data.time].min(), frame[data.time].max()
    problems = production_problems(data, before=int((~after).sum()), after=int(after.sum()), low=low, high=high)
    if problems:
        raise DataError("\n".join(problems))
    return after


def time_numbers(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a time column as numbers to sort and compare by.

    Raises
    ------
    DataError
        When it holds words that are neither numbers nor dates.
    """
    if column.dtype.kind in "iufM":
        return as_numbers(column)
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="mixed").dt.tz_localize(None)
    bad = column[dates.isna() & column.notna()]
    if len(bad):
        raise DataError(
            f"The time column {column.name!r} holds {len(bad):,} values that are neither numbers nor dates "
            f"({listing(map(repr, sorted(set(bad))), limit=3)}). Write dates as YYYY-MM-DD, or leave `time` out."
        )
    return as_numbers(dates)


def _moment(value: Any, column: pd.Series[Any]) -> float:
    if column.dtype.kind in "iuf":
        try:
            return float(value)
        except ValueError:
            pass
        raise DataError(f"production_from = {value!r} is no number, and {column.name!r} holds numbers. Give a number.")
    try:
        moment = pd.to_datetime(str(value), utc=True).tz_localize(None)
    except ValueError:
        raise DataError(
            f"production_from = {value!r} is no date, and {column.name!r} holds dates. Write YYYY-MM-DD."
        ) from None
    return float((moment - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1))


def split_rows(
    frame: pd.DataFrame,
    values: pd.Series[Any],
    data: Data,
    *,
    target: Target,
    train_share: float = 0.6,
    validation_share: float = 0.2,
    production_share: float = 0.2,
    seed: int = 0,
) -> pd.Series[str]:
    """Deal every row that has a target to one split.

    Parameters
    ----------
    frame : DataFrame
        Every row of the source.
    values : Series
        The target of each row, as `make_target` returns it; rows where it is missing are not dealt.
    data : Data
        ``split`` tells how, ``production_from`` where production begins.
    target : Target
        What is predicted; classes are kept in proportion by a stratified split.
    train_share, validation_share : float
        Of the development rows; the rest is test data.
    production_share : float
        Of all rows, kept back as a rehearsal when there is no ``production_from``.
    seed : int
        Of the shuffle.

    Returns
    -------
    Series of str
        The split of each dealt row, on the index of `frame`.

    Raises
    ------
    DataError
        When the shares leave nothing for test data, or a split ends up with no row or with a class missing.
    """
    if train_share + validation_share >= 1:
        raise DataError(
            f"train_share {train_share:g} and validation_share {validation_share:g} leave nothing for test data; "
            "together they must stay under 1."
        )
    dealt = values.notna()
    later = production_mask(frame, data) & dealt
    kept_back = production_share if data.production_from is None else 0.0
    shares = np.array([train_share, validation_share, 1 - train_share - validation_share]) * (1 - kept_back)
    wanted = dict(zip(SPLITS, [*shares, kept_back], strict=True))
    now = frame[dealt & ~later]
    splits = pd.Series("production", index=frame.index[dealt], dtype="str", name="split")
    splits[now.index] = _deal(now, values[now.index], data, target=target, wanted=wanted, seed=seed)
    _check(splits, values[dealt], target, need_production=kept_back > 0 or bool(later.any()))
    return splits


def _deal(
    rows: pd.DataFrame, values: pd.Series[Any], data: Data, *, target: Target, wanted: dict[str, float], seed: int
) -> npt.NDArray[Any]:
    names = np.array([name for name, share in wanted.items() if share > 0])
    ends = np.cumsum([share for share in wanted.values() if share > 0])
    rng = np.random.default_rng(seed)
    if data.split == "time":
        assert data.time is not None  # noqa: S101 - the project file was checked for it
        units = pd.factorize(time_numbers(rows[data.time]).fillna(-np.inf), sort=True)[0]
        return names[_cut(units, np.arange(units.max() + 1), ends)]
    if data.split == "group":
        units = pd.factorize(rows[data.group], use_na_sentinel=False)[0]
        return names[_cut(units, rng.permutation(units.max() + 1), ends)]
    units = row_units(rows, values)
    strata = values.to_numpy(dtype="int64") if target.is_classification else _quantiles(values)
    return names[_stratified(units, strata, ends, rng)]


def row_units(rows: pd.DataFrame, values: pd.Series[Any]) -> npt.NDArray[np.int64]:
    """Number the distinct rows: equal rows, target included, get equal numbers."""
    keys = pd.DataFrame({str(i): hashable(rows.iloc[:, i]) for i in range(rows.shape[1])}, index=rows.index)
    hashes = pd.util.hash_pandas_object(keys.assign(value=values.to_numpy()), index=False)
    return pd.factorize(hashes)[0].astype("int64")


def hashable(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return a column whose values can be hashed: lists of numbers become their bytes, other objects their text."""
    return column.map(_key) if column.dtype == object else column


def _key(value: Any) -> bytes | str:
    if isinstance(value, list | tuple | np.ndarray):
        try:
            return np.asarray(value, dtype="float64").tobytes()
        except ValueError:
            return str(list(value))
    return str(value)


def _quantiles(values: pd.Series[Any], *, bins: int = 10) -> npt.NDArray[np.int64]:
    ranks = values.rank(method="first").to_numpy(dtype="float64") - 1
    return np.floor(ranks * bins / max(len(values), 1)).astype("int64")


def _stratified(
    units: npt.NDArray[np.int64], strata: npt.NDArray[np.int64], ends: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Deal units stratum by stratum; equal rows share a unit, and the stratum of its first row decides for all."""
    first = np.unique(units, return_index=True)[1]
    stratum_of = strata[first][units]
    placed = np.empty(len(units), dtype="int64")
    for stratum in np.unique(strata):
        rows = np.flatnonzero(stratum_of == stratum)
        local = np.unique(units[rows], return_inverse=True)[1]
        if len(rows):
            placed[rows] = _cut(local, rng.permutation(local.max() + 1), ends)
    return placed


def _cut(
    units: npt.NDArray[np.int64], order: npt.NDArray[np.int64], ends: npt.NDArray[np.float64]
) -> npt.NDArray[np.int64]:
    """Lay the units end to end in the given order and cut where the shares end: a unit goes where its middle falls."""
    sizes = np.bincount(units, minlength=len(order))[order]
    middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    place = np.empty(len(order), dtype="int64")
    place[order] = np.minimum(np.searchsorted(ends, middles, side="right"), len(ends) - 1)
    return place[units]


def _check(splits: pd.Series[str], values: pd.Series[Any], target: Target, *, need_production: bool) -> None:
    for name in SPLITS if need_production else _DEVELOPMENT:
        rows = splits == name
        if not rows.any():
            raise DataError(
                f"No row is left for {name}: {len(splits):,} rows have a target. "
                "Give larger shares, more rows, or more groups."
            )
        missing = set(target.labels) - set(values[rows]) if name != "production" else set()
        if missing:
            labels = listing(target.classes[label] for label in sorted(missing))
            raise DataError(
                f"The {name} rows hold no row of class {labels}. Collect more of them, merge classes, or split "
                'otherwise (split = "stratified" keeps the classes in proportion).'
            )


def split_tables(
    frame: pd.DataFrame,
    values: pd.Series[Any],
    splits: pd.Series[str],
    *,
    target: Target,
    time: str | None,
) -> dict[str, pd.DataFrame]:
    """Return one table a split: `ROW`, `TARGET` and the columns of the frame; by time, then as in the source."""
    dtype = "int64" if target.is_classification else "float64"
    places = pd.Series(np.arange(len(frame)), index=frame.index)
    tables = {}
    for name in SPLITS:
        chosen = splits.index[splits == name]
        table = frame.loc[chosen].copy()
        table.insert(0, ROW, places[chosen].to_numpy(dtype="int64"))
        table.insert(1, TARGET, values[chosen].to_numpy(dtype=dtype))
        if time is not None:
            order = np.lexsort((table[ROW], time_numbers(table[time]).fillna(-np.inf)))
            table = table.iloc[order]
        tables[name] = table.reset_index(drop=True)
    return tables


def split_summary(tables: dict[str, pd.DataFrame], *, target: Target, time: str | None) -> pd.DataFrame:
    """Return one row a split: split, n, share, the share of each class or the target's mean, first and last moment."""
    total = sum(len(table) for table in tables.values())
    rows = []
    for name, table in tables.items():
        row: dict[str, Any] = {"split": name, "n": len(table), "share": len(table) / total if total else 0.0}
        if target.is_classification:
            shares = table[TARGET].value_counts(normalize=True)
            row |= {f"share of {label}": float(shares.get(i, 0.0)) for i, label in enumerate(target.classes)}
        else:
            row["target_mean"] = float(table[TARGET].mean()) if len(table) else np.nan
        known = table[time].dropna() if time else table[TARGET].head(0)
        row |= {"first": str(known.min()) if len(known) else None, "last": str(known.max()) if len(known) else None}
        rows.append(row)
    return pd.DataFrame(rows)
