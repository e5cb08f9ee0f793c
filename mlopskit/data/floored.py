"""The privacy floor in the data phase: what of profiles, checks and group tables may be shown, and no rows at all.

Declared columns are broken down again in later phases, on some of the same rows. A count over more rows here, less one
there, would be a count that neither shows; so under a floor their categories and missing values are counted in the
table of training groups alone. Of other columns a count is shown where no part of the split has too few of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import Columns, Target
from mlopskit.data.split import hashable
from mlopskit.display import Note, note

_NO_PART = "no part"


def hide_small_groups(table: pd.DataFrame, groups: Any, values: pd.Series[Any], target: Target, floor: int) -> Any:
    """Withhold groups of the table of one column that have too few rows, or too few of a class.

    Parameters
    ----------
    table : DataFrame
        Rows of `group_profile` about one column.
    groups, values : Series
        The group and the target of each row.
    target : Target
    floor : int
        k.
    """
    from mlopskit.tally.floor.tables import states_of, withhold

    kind = values.to_numpy(dtype=np.int64) if target.is_classification else None
    states = states_of(groups, kind, floor=floor)
    return withhold(table, [states[str(group)] for group in table["group"]], floor)


def hide_counts(
    profile: pd.DataFrame, frame: pd.DataFrame, columns: Columns, *, floor: int, parts: pd.Series[Any] | None = None
) -> pd.DataFrame:
    """Withhold the counts of `column_profile` that speak of few people, and all of declared columns.

    Parameters
    ----------
    profile : DataFrame
        As from `column_profile`.
    frame : DataFrame
        The rows that it describes.
    columns : Columns
    floor : int
        k; below 2 the profile comes back as it is.
    parts : Series of str, optional
        The split of each row, where it has one.

    Returns
    -------
    DataFrame
        missing, missing_share and top_share are empty where they are withheld, and so is the rest of what tells of
        them; ``distinct`` stays.
    """
    if floor < 2:
        return profile
    home = pd.Series(_NO_PART, index=frame.index) if parts is None else parts.reindex(frame.index).fillna(_NO_PART)
    shown = profile.astype({"missing": "Int64"})
    for place, row in enumerate(profile.to_dict("records")):
        column = frame[row["feature"]] if row["feature"] in frame else frame[_original(frame, row["feature"])]
        declared = row["feature"] in map(str, columns.by)
        tests = {"missing": column.isna(), "top_share": _is(column, row["top"])}
        for name, inside in tests.items():
            if declared or not _large_in_every_part(inside, home, floor):
                shown.loc[shown.index[place], [name, *(["missing_share"] if name == "missing" else [])]] = pd.NA
    return shown


def missing_may_be_told(
    column: pd.Series[Any], columns: Columns, *, floor: int, parts: pd.Series[Any] | None = None
) -> bool:
    """Whether the share of missing values of a column may be shown under a floor; that of the target always may."""
    if str(column.name) not in map(str, columns.features):
        return True
    home = pd.Series(_NO_PART, index=column.index) if parts is None else parts.reindex(column.index).fillna(_NO_PART)
    return str(column.name) not in map(str, columns.by) and _large_in_every_part(column.isna(), home, floor)


def _original(frame: pd.DataFrame, name: str) -> Any:
    return next(column for column in frame.columns if str(column) == name)


def _is(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    return hashable(column).map(lambda item: str(item)[:80] == value, na_action="ignore").fillna(False).astype(bool)


def _large_in_every_part(inside: pd.Series[bool], home: pd.Series[Any], floor: int) -> bool:
    """Whether the rows, and the other rows, are none or at least the floor in each part of the split and together."""
    counts = [part for _, rows in inside.groupby(home) for part in (int(rows.sum()), int((~rows).sum()))]
    counts += [int(inside.sum()), int((~inside).sum())]
    return all(n == 0 or n >= floor for n in counts)


def hide_findings(quality: pd.DataFrame, columns: Columns, *, floor: int) -> pd.DataFrame:
    """Withhold the numbers of checks on declared columns, and numbers below the floor; what was found stays.

    Parameters
    ----------
    quality : DataFrame
        As from `findings_table`.
    columns : Columns
    floor : int
        k; below 2 the table comes back as it is.
    """
    if floor < 2:
        return quality
    declared = quality["subject"].isin([str(name) for name in columns.by]).to_numpy(bool)
    few = quality["n"].between(1, floor - 1).to_numpy(bool) & (quality["outcome"] == "issue").to_numpy(bool)
    told = quality["detail"].str.contains(r"\d").to_numpy(bool)
    shown = quality.astype({"n": "Int64"})
    shown.loc[declared | few, "n"] = pd.NA
    shown.loc[(declared | few) & told, "detail"] = f"how many is withheld by the privacy floor of {floor}"
    return shown


def rows_stay(floor: int) -> Note:
    """Say why no row is shown, and where rows stay."""
    from mlopskit.tally.floor.tables import ROWS_STAY

    return note(f"Not shown: the project has a privacy floor of {floor}, and a row is a group of one.", ROWS_STAY)


def far_periods(periods: pd.DataFrame, *, floor: int) -> pd.DataFrame:
    """Leave out periods of too few rows or cases, and a neighbour where one alone would follow from the total."""
    if floor < 2 or periods.empty:
        return periods
    counts = periods["size"].to_numpy(), periods.get("sum", periods["size"]).to_numpy()
    small = np.zeros(len(periods), dtype=bool)
    for part in (counts[0], counts[1], counts[0] - counts[1]):
        small |= (part > 0) & (part < floor)
    if small.sum() and (counts[0][small].sum() < floor or small.sum() < 2):
        rest = np.where(small, np.inf, counts[0])
        small[int(rest.argmin())] = True
    return periods[~small]
