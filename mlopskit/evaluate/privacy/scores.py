"""The privacy floor in confusion tables of several classes."""

from __future__ import annotations

import pandas as pd

from mlopskit.tally.floor.confusions import shown_confusions
from mlopskit.tally.floor.scores import cell_of as cell_of
from mlopskit.tally.floor.scores import cuts as cuts
from mlopskit.tally.floor.scores import top_cuts as top_cuts


def hide_confusions(table: pd.DataFrame, *, floor: int) -> pd.DataFrame:
    """Withhold small cells of a confusion table of several classes, and what would give them away.

    Of two classes the four cells follow from the rates that are published of all rows, so they are shown as these are.

    Parameters
    ----------
    table : DataFrame
        As from `confusion_table`: a row a pair of classes, the actual one slowest.
    floor : int
        k.
    """
    size = round(len(table) ** 0.5)
    if floor < 2 or size < 3:
        return table
    shown = shown_confusions(table["n"].to_numpy().reshape(size, size), floor=floor).ravel()
    if shown.all():
        return table
    hidden = table.astype({"n": "Int64"})
    hidden.loc[~shown, ["n", "share_of_actual", "low", "high"]] = pd.NA
    return hidden
