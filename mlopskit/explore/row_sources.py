"""Rows to begin with: a typical one that is nobody's, those of the test table, and those that the request log kept.

Single rows are people's, so three rules hold. With a privacy floor only the typical row is there, since a row is a
group of one. In a batch run, whose report may be passed on, likewise. Of production rows only what ``[deployment]
logging`` allows is known: they come from the request log, and what it does not hold is filled in from the typical row
and said to be.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import ROW, TARGET
from mlopskit.deploy import logged_name
from mlopskit.errors import DataError, listing, nearest
from mlopskit.explore.row_model import RowModel
from mlopskit.explore.row_values import plain
from mlopskit.runs import Run

TYPICAL = "a typical row"
TEST = "test rows"
PRODUCTION = "production rows (request log)"

ORDERS = {
    "table": "as in the table",
    "near": "nearest to another answer first",
    "wrong": "surest and wrong first",
}


@dataclass(frozen=True, eq=False)
class RowSource:
    """Rows that one can begin with.

    Attributes
    ----------
    name : str
        What they are.
    inputs : DataFrame
        The model's inputs as far as they are known; the other columns are filled in.
    filled : tuple of str
        Inputs that are not known.
    answers : DataFrame
        Prediction table of the same rows.
    """

    name: str
    inputs: pd.DataFrame
    answers: pd.DataFrame
    filled: tuple[str, ...] = ()
    _orders: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def orders(self) -> list[str]:
        """The orders of `ORDERS` that these rows have."""
        scored = any(str(name).startswith("score") for name in self.answers.columns)
        known = TARGET in self.answers.columns
        return ["table", *(["near"] if scored else []), *(["wrong"] if scored and known else [])]

    def row(self, place: int, *, order: str = "table", threshold: float | None = None) -> dict[str, Any]:
        """Return one row's known inputs.

        Parameters
        ----------
        place : int
            1 for the first.
        order : str
            One of `orders`.
        threshold : float, optional
            Of a binary model.

        Raises
        ------
        DataError
            When there is no such order or row.
        """
        if order not in self.orders:
            raise DataError(f"The {self.name} cannot be sorted by {order!r}{nearest(order, self.orders)}; "
                            f"{listing(self.orders)} can.")  # fmt: skip
        key = f"{order} {threshold}"
        if key not in self._orders:
            self._orders[key] = self._ordered(order, threshold)
        ranking = self._orders[key]
        if not 1 <= place <= len(ranking):
            raise DataError(f"There is no row {place} among {self.name}; there are {len(ranking):,}, counted from 1.")
        chosen = self.inputs.iloc[int(ranking[place - 1])]
        return {str(name): plain(value) for name, value in chosen.items()}

    def _ordered(self, order: str, threshold: float | None) -> npt.NDArray[np.int64]:
        everything = np.arange(len(self))
        if order == "table":
            return everything
        margin = _margins(self.answers, threshold)
        if order == "near":
            return np.argsort(margin, kind="stable")
        wrong = (self.answers["prediction"] != self.answers[TARGET]).to_numpy(dtype=bool)
        ranked = np.argsort(-margin, kind="stable")
        found: npt.NDArray[np.int64] = ranked[wrong[ranked]]
        return found


def _margins(answers: pd.DataFrame, threshold: float | None) -> npt.NDArray[np.float64]:
    """How far each row's score is from another answer."""
    if "score" in answers.columns:
        score = answers["score"].to_numpy(dtype=float, na_value=np.nan)
        return np.asarray(np.abs(score - (0.5 if threshold is None else threshold)))
    scores = np.sort(answers.filter(regex=r"^score_\d+$").to_numpy(dtype=float, na_value=np.nan), axis=1)
    return np.asarray(scores[:, -1] - scores[:, -2])


def row_sources(run: Run, asked: RowModel) -> dict[str, RowSource]:
    """Return the tables of a run whose rows may be looked at, by name; none with a privacy floor or in a batch run.

    Raises
    ------
    DataError
        When predictions and test rows do not belong together.
    """
    if run.scope.data.privacy_floor > 1 or os.environ.get("MLOPSKIT_RUN"):
        return {}
    found = {}
    if run.has("evaluate/predictions") and run.has("data/test"):
        names = [each.name for each in asked.fields]
        answers = _sortable(run.read("evaluate/predictions"), asked)
        found[TEST] = _beside(TEST, run.read("data/test")[[ROW, *names]], answers)
    if run.has("deploy/requests"):
        logged = _logged(_sortable(run.read("deploy/requests"), asked), asked)
        found |= {PRODUCTION: logged} if len(logged) else {}
    return found


def _sortable(answers: pd.DataFrame, asked: RowModel) -> pd.DataFrame:
    """Leave out the score where a mitigation decides: no distance from one threshold tells how sure it was."""
    decided = asked.target.task == "binary" and asked.bound is None
    return answers.drop(columns="score", errors="ignore") if decided else answers


def _beside(name: str, rows: pd.DataFrame, answers: pd.DataFrame) -> RowSource:
    if rows[ROW].tolist() != answers[ROW].tolist():
        raise DataError(f"Predictions and {name} do not belong together; make the run again.")
    return RowSource(name, rows.drop(columns=ROW).reset_index(drop=True), answers.reset_index(drop=True))


def _logged(requests: pd.DataFrame, asked: RowModel) -> RowSource:
    """Take the inputs that the log kept, under their own names."""
    answered = requests[requests["prediction"].notna()].reset_index(drop=True)
    kept = {each.name: logged_name(each.name) for each in asked.fields if logged_name(each.name) in answered.columns}
    inputs = pd.DataFrame({name: answered[place] for name, place in kept.items()}, index=answered.index)
    filled = tuple(each.name for each in asked.fields if each.name not in kept)
    return RowSource(PRODUCTION, inputs if kept else inputs.head(0), answered, filled)
