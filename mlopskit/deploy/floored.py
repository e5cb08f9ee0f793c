"""The privacy floor in the deploy phase: groups as a whole or not at all, warnings without small counts, no rows.

The test rows that are deferred here are broken down by group in phase 5 too. Two choices of which group protects a
small one could be subtracted, so a column is shown here only if none of its groups needs protection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Note, Table
from mlopskit.tally.floor.tables import ROWS_STAY, all_or_none, states_of

EVERY_GROUP = "every group: hidden (privacy floor)"


def hide_columns(
    table: pd.DataFrame,
    rows: pd.DataFrame,
    groups: pd.DataFrame,
    kind: Any,
    *,
    floor: int,
    never: Sequence[str] = (),
) -> pd.DataFrame:
    """Withhold the columns of which any group has too few rows, or too few of a kind, and columns of numbers.

    Parameters
    ----------
    table : DataFrame
        slice, group, n and figures.
    rows : DataFrame
        The rows behind it; numbers are cut at other places than in other phases, so their ranges are withheld.
    groups : DataFrame
        The group of each row in each column.
    kind : array_like of int, shape (n,)
        What the share counts, such as whether a row is deferred.
    floor : int
        k; below 2 the table comes back as it is.
    never : sequence of str
        Columns to withhold in any case.

    Returns
    -------
    DataFrame
        A column that is withheld keeps one row, without figures.
    """
    if floor < 2:
        return table
    hidden = [name for name in groups if name in never or not _safe(rows[name], groups[name], kind, floor)]
    kept = table[~table["slice"].isin(hidden)]
    blank = pd.DataFrame({"slice": hidden, "group": EVERY_GROUP}).reindex(columns=table.columns)
    types = {name: "Int64" if name == "n" else kind for name, kind in table.dtypes.items()}
    return pd.concat([part.astype(types) for part in (kept, blank) if len(part)] or [kept], ignore_index=True)


def _safe(values: pd.Series[Any], groups: pd.Series[Any], kind: Any, floor: int) -> bool:
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > 2:
        return False
    return all_or_none(states_of(groups, np.asarray(kind, dtype=np.int64), floor=floor))


def show_requests(requests: pd.DataFrame, *, rows: int = 8, floor: int = 0) -> Table | Note:
    """Show the first logged requests; under a privacy floor say where rows stay."""
    if floor < 2:
        return display.table(requests, rows=rows)
    said = f"{len(requests):,} requests are logged. Not shown: the project has a privacy floor of {floor}."
    return display.note(said, ROWS_STAY)


def hide_warnings(warnings: pd.DataFrame, *, floor: int = 0) -> pd.DataFrame:
    """Withhold how many requests were warned about where they are fewer than the floor."""
    if floor < 2 or warnings.empty:
        return warnings
    return warnings.assign(n=warnings["n"].astype("Int64").mask(warnings["n"].lt(floor).to_numpy(bool)))


def shown_groups(table: pd.DataFrame) -> tuple[pd.DataFrame, Sequence[str]]:
    """Return the rows of a table by group that have figures, and the columns that are withheld."""
    hidden = (table["group"] == EVERY_GROUP).to_numpy(bool)
    return table[~hidden], [str(name) for name in table.loc[hidden, "slice"]]
