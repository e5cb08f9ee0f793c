"""Tables of results: DataFrames in every respect, which show themselves as the house shows tables and know their worst.

A `Results` is made by the function that computes it and stays one through filters and sorts. In JupyterLab it is shown
with at most 20 rows, sensible digits and everything escaped; in a terminal as plain text. What it is worst by follows
from its columns alone, so nothing is lost on the way through a file: a table read back needs only to be wrapped again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from mlopskit.display import table
from mlopskit.errors import DataError, listing, nearest
from mlopskit.explored import LOWER_IS_BETTER

ROWS = 20
_FALLING = ("score", "error_test", "error", "difference", "ece")
"""Columns that are worst where they are largest, the first that a table has counts."""
_OUTCOMES = ("issue", "could not check", "not applicable", "passed")
_LEFT_OUT = {"status": "cannot-be-estimated", "group": "overall"}


class Results(pd.DataFrame):
    """A DataFrame that shows itself well and gives its worst rows.

    Examples
    --------
    >>> found = Results({"slice": ["a", "b", "c"], "score": [0.1, 0.7, 0.3]})
    >>> found.worst(2)["slice"].tolist()
    ['b', 'c']
    >>> type(found[found["score"] > 0.2]).__name__
    'Results'
    """

    @property
    def _constructor(self) -> Callable[..., Results]:
        return Results

    def worst(self, count: int = 5, *, metric: str | None = None) -> Results:
        """Return the worst rows, the worst first.

        What that means follows from the columns: the metric's bad end in a table of metrics, the largest score, error
        or difference in others, the largest population stability index of drift, issues before checks that passed.

        Parameters
        ----------
        count : int
            At most so many; rows without a value, those whose value cannot be estimated, and the row of all
            groups together are left out.
        metric : str, optional
            Of a table with several; its first by default.

        Raises
        ------
        DataError
            When the table has no such metric, or nothing that it could be sorted by.
        """
        chosen = self._of_one(metric)
        by, falling = self._order(chosen)
        key = _by_outcome if by == "outcome" else None
        known = chosen[chosen[by].notna()]
        for column, left_out in _LEFT_OUT.items():
            known = known[known[column] != left_out] if column in known.columns else known
        return known.sort_values(by, ascending=not falling, kind="stable", key=key).head(max(count, 0))

    def _of_one(self, metric: str | None) -> Results:
        """The rows of one metric, or of drift those of the index."""
        if "statistic" in self.columns and metric is None:
            return self[self["statistic"] == "psi"] if (self["statistic"] == "psi").any() else self
        if "metric" not in self.columns:
            if metric is not None:
                raise DataError(f"This table has no metrics to choose {metric!r} from.")
            return self
        names = [str(name) for name in dict.fromkeys(self["metric"])]
        if metric is None and len({*self.columns} & {"group", "window", "candidate"}) == 0:
            return self  # one row a metric: all of it is one comparison
        name = metric or next(iter(names), "")
        if name not in names:
            raise DataError(f"There is no metric {name!r} here{nearest(name, names)}; there are {listing(names)}.")
        return self[self["metric"] == name]

    @staticmethod
    def _order(chosen: pd.DataFrame) -> tuple[str, bool]:
        """The column that says what is worst, and whether its large values are."""
        if "outcome" in chosen.columns:
            return "outcome", False
        if "value" in chosen.columns and "statistic" in chosen.columns:
            return "value", True
        if "value" in chosen.columns and "metric" in chosen.columns and len(set(chosen["metric"])) == 1:
            return "value", str(chosen["metric"].iloc[0]) in LOWER_IS_BETTER
        if "gain" in chosen.columns:
            return "gain", False
        by = next((name for name in _FALLING if name in chosen.columns), None)
        if by is None:
            raise DataError(
                "Nothing in this table says what is worse; sort it by a column of yours, as in "
                f"`sort_values(...)`: {listing(map(str, chosen.columns))}."
            )
        return by, True

    def __repr__(self) -> str:
        shown = _plain(self)
        if shown is None:
            return repr(pd.DataFrame(self))
        text = shown.head(ROWS).to_string(index=False, float_format=lambda value: f"{value:.3f}")
        rest = len(self) - ROWS
        return f"{text}\n… and {rest:,} more rows" if rest > 0 else text

    def _repr_html_(self) -> str:
        shown = _plain(self)
        if shown is None:
            return str(pd.DataFrame(self).to_html(max_rows=ROWS))
        return table(_written(shown), rows=ROWS, where="not shown")._repr_html_()


def _by_outcome(outcomes: pd.Series[Any]) -> pd.Series[Any]:
    return outcomes.map({name: place for place, name in enumerate(_OUTCOMES)}).fillna(len(_OUTCOMES))


def _plain(frame: pd.DataFrame) -> pd.DataFrame | None:
    """The table as it is shown: an index that says something becomes columns; None where columns have levels."""
    if frame.columns.nlevels > 1:
        return None
    plain = pd.DataFrame(frame)
    meaningless = plain.index.nlevels == 1 and plain.index.name is None and plain.index.dtype.kind in "iu"
    return plain if meaningless else plain.reset_index(allow_duplicates=True)


def _written(frame: pd.DataFrame) -> pd.DataFrame:
    """Write mappings in words."""
    if frame.empty:
        return frame
    shown: pd.DataFrame = frame.apply(lambda column: column.map(_words) if column.dtype == object else column)
    return shown


def _words(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return " and ".join(f"{column} = {each}" for column, each in value.items())
