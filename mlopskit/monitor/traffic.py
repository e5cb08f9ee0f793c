"""Traffic: the request log joined with what came true, cut into windows.

What may be monitored is what the log holds: the scores, who decided, and the columns that ``[deployment] logging``
allows. Labels come late and from elsewhere; they are joined by row id, and those of the newest windows are held back,
as they would not be known yet.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import ROW, TARGET, Columns, Target
from mlopskit.data.view import feature_view
from mlopskit.errors import DataError
from mlopskit.monitor.windows import NO_TIME, Windows, cut_windows

MONITORED = "challenger"
"""The arm of the deployment that holds this run's model."""

_FINE = frozenset({"ok", "fallback"})
_OWN = frozenset({ROW, "time", "arm", "prediction", "decided_by", "status"})


@dataclass(frozen=True)
class Traffic:
    """Requests in order, with all that is known about each.

    Attributes
    ----------
    log : DataFrame
        One row a request, as logged.
    logged : DataFrame
        The columns that the log was allowed to keep, under their names in the source.
    inputs : DataFrame
        The logged features as columns that can be compared (`feature_view`).
    outputs : DataFrame
        score (binary: P(positive); multiclass: probability of the predicted class) and prediction.
    labels : ndarray of float, shape (n_rows,)
        What came true; NaN where it is not known (yet).
    failed : ndarray of bool, shape (n_rows,)
        Requests that ended in an error.
    windows : Windows
        Which request falls in which window.
    held_back : tuple of str
        Windows whose labels have not arrived.
    not_logged : tuple of str
        Features that the log does not hold.
    """

    log: pd.DataFrame
    logged: pd.DataFrame
    inputs: pd.DataFrame
    outputs: pd.DataFrame
    labels: np.ndarray[Any, np.dtype[np.float64]]
    failed: np.ndarray[Any, np.dtype[np.bool_]]
    windows: Windows
    held_back: tuple[str, ...]
    not_logged: tuple[str, ...]

    @property
    def answered(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Requests that the monitored model answered; those of the model that it is to replace do not count."""
        ours: np.ndarray[Any, np.dtype[np.bool_]] = np.asarray(
            ~self.failed & self.outputs["prediction"].notna().to_numpy(dtype=bool)
        )
        if "status" in self.log.columns:
            ours &= (self.log["status"] != "fallback").to_numpy(dtype=bool)
        if "arm" in self.log.columns:
            ours &= (self.log["arm"] == MONITORED).to_numpy(dtype=bool)
        return ours

    @property
    def known(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Answered requests whose label is known."""
        missing: np.ndarray[Any, np.dtype[np.bool_]] = np.isnan(self.labels)
        return self.answered & ~missing

    @property
    def frame(self) -> pd.DataFrame:
        """Inputs and outputs side by side; a failed request has no output."""
        return pd.concat([self.inputs, self.outputs[self.answered].reindex(self.outputs.index)], axis=1)

    def sentences(self) -> list[str]:
        """What was watched and what could not be, for a reader."""
        lines = [
            f"{len(self.log):,} requests in {len(self.windows.table)} windows of {self.windows.unit}; "
            f"{int(self.answered.sum()):,} answered by this model, labels known for {int(self.known.sum()):,}."
        ]
        if not self.answered.any():
            lines.append("This model answered none of them, so its outputs cannot be checked; the inputs can.")
        if self.held_back:
            lines.append(f"Labels have not arrived yet for {', '.join(self.held_back)}.")
        if self.not_logged:
            lines.append(f"Not logged, so nobody can see them drift: {', '.join(self.not_logged)}.")
        return [*lines, *([self.windows.warning] if self.windows.warning else [])]


def read_traffic(
    requests: pd.DataFrame,
    production: pd.DataFrame,
    *,
    target: Target,
    columns: Columns,
    width: float | str | None = None,
    start: float | str | None = None,
    label_delay_windows: int = 1,
) -> Traffic:
    """Join the request log with late labels and cut it into windows.

    Parameters
    ----------
    requests : DataFrame
        The log of the deployment: `_row`, time, scores, prediction, decided_by, status and the logged columns.
    production : DataFrame
        Rows with what came true (`_row`, `_target`); only the label (and the time) is taken from it.
    width, start : number or str, optional
        Length and origin of a window, see `cut_windows`.
    label_delay_windows : int
        For how many of the newest windows labels have not arrived.

    Raises
    ------
    DataError
        When the log is empty or lacks the columns that identify a request and its prediction.
    """
    _check(requests)
    log = _in_order(requests, production, columns)
    windows = cut_windows(_times(log, columns), n_rows=len(log), width=width, start=start)
    logged = _logged(log, columns)
    seen = restrict(columns, logged.columns)
    truth = log[ROW].map(production.drop_duplicates(ROW).set_index(ROW)[TARGET]).to_numpy(dtype=float, na_value=np.nan)
    held = _held_back(windows, label_delay_windows)
    truth = np.where(np.isin(windows.position, held), np.nan, truth)
    return Traffic(
        log=log,
        logged=logged,
        inputs=_view(logged, seen),
        outputs=outputs_of(log, target=target),
        labels=truth,
        failed=_failed(log),
        windows=windows,
        held_back=tuple(windows.labels[index] for index in held),
        not_logged=tuple(name for name in columns.features if name not in seen.features),
    )


def outputs_of(predictions: pd.DataFrame, *, target: Target) -> pd.DataFrame:
    """Return what monitoring watches of a prediction table: the score, where there is one, and the prediction.

    Returns
    -------
    DataFrame
        score (binary and multiclass), prediction (class label, or the number for regression), index 0…n−1.
    """
    prediction = predictions["prediction"].reset_index(drop=True)
    if not target.is_classification:
        return pd.DataFrame({"prediction": pd.to_numeric(prediction, errors="coerce")})
    names = dict(enumerate(target.classes))
    labels = pd.to_numeric(prediction, errors="coerce").map(names).astype("object")
    scores = score_columns(predictions)
    if not scores:
        return pd.DataFrame({"prediction": labels})
    score = predictions[scores].max(axis=1).reset_index(drop=True)
    return pd.DataFrame({"score": pd.to_numeric(score, errors="coerce"), "prediction": labels})


def score_columns(frame: pd.DataFrame) -> list[str]:
    """Names of the score columns: ``score``, or ``score_0`` … ``score_{K−1}`` in order."""
    if "score" in frame.columns:
        return ["score"]
    numbered = [name for name in frame.columns if _is_score(str(name))]
    return sorted(numbered, key=lambda name: int(name[6:]))


def _is_score(name: str) -> bool:
    return name == "score" or (name.startswith("score_") and name[6:].isdigit())


def scores_of(frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Scores as an array: shape (n,) when binary, (n, K) when multiclass, None without scores."""
    names = score_columns(frame)
    if not names:
        return None
    values = frame[names].to_numpy(dtype=float, na_value=np.nan)
    return values[:, 0] if names == ["score"] else values


def _check(requests: pd.DataFrame) -> None:
    lacking = [name for name in (ROW, "prediction") if name not in requests.columns]
    if lacking:
        raise DataError(f"The request log has no column {', '.join(lacking)}; run the deploy notebook again.")
    if requests.empty:
        raise DataError(
            "The request log is empty: nothing was served, so there is nothing to monitor. Run phase deploy again."
        )


def _in_order(requests: pd.DataFrame, production: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    log = requests.copy()
    if (
        columns.time
        and columns.time not in log.columns
        and "time" not in log.columns
        and columns.time in production.columns
    ):
        log[columns.time] = log[ROW].map(production.drop_duplicates(ROW).set_index(ROW)[columns.time])
    name = _time_name(log, columns)
    if name is None:
        return log.reset_index(drop=True)
    return log.sort_values([name, ROW], kind="stable", key=_sortable).reset_index(drop=True)


def _sortable(values: pd.Series[Any]) -> pd.Series[Any]:
    numbers = pd.to_numeric(values, errors="coerce") if not pd.api.types.is_datetime64_any_dtype(values) else values
    return values.astype(str) if numbers.isna().sum() > values.isna().sum() else numbers


def _time_name(log: pd.DataFrame, columns: Columns) -> str | None:
    if columns.time is None:
        return None
    return next((name for name in ("time", columns.time) if name in log.columns), None)


def _times(log: pd.DataFrame, columns: Columns) -> pd.Series[Any] | None:
    name = _time_name(log, columns)
    return None if name is None else log[name]


def _logged(log: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Kept columns under their own names: the log adds `` (logged)`` to a name that it needs itself."""
    found = {}
    for name in dict.fromkeys([*columns.features, *columns.by]):
        own = name not in _OWN and not _is_score(name) and name in log.columns
        place = name if own else f"{name} (logged)"
        if place in log.columns:
            found[name] = log[place]
    return pd.DataFrame(found, index=log.index)


def restrict(columns: Columns, names: Collection[str]) -> Columns:
    """Cut a column record down to the `names` that there are."""

    def kept(wanted: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in wanted if name in names)

    return replace(
        columns,
        features=kept(columns.features), numeric=kept(columns.numeric), categorical=kept(columns.categorical),
        text=kept(columns.text), sensitive=kept(columns.sensitive), slices=kept(columns.slices),
        image=columns.image if columns.image in names else None,
    )  # fmt: skip


def _view(log: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    if not columns.features:
        return pd.DataFrame(index=log.index)
    view = feature_view(log, columns).reset_index(drop=True)
    return view.rename(columns={name: f"{name} (input)" for name in ("score", "prediction") if name in view.columns})


def reference_inputs(frame: pd.DataFrame, *, columns: Columns) -> pd.DataFrame:
    """Return the reference rows as the columns that monitoring compares, under the same names as `Traffic.inputs`."""
    return _view(frame, columns)


def _failed(log: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A request failed when its status says so: an HTTP code from 400, or a word that is no success."""
    if "status" not in log.columns:
        return np.zeros(len(log), dtype=bool)
    codes = pd.to_numeric(log["status"], errors="coerce")
    words = log["status"].astype(str).str.lower()
    return np.where(codes.notna(), (codes >= 400) | (codes < 200), ~words.isin(_FINE)).astype(bool)


def _held_back(windows: Windows, delay: int) -> list[int]:
    """Positions of the newest windows with rows in them, and of rows without a time: nobody knows how old they are."""
    table = windows.table
    timed = [i for i, (label, n) in enumerate(zip(table["window"], table["n"], strict=True)) if n and label != NO_TIME]
    loose = [i for i, label in enumerate(table["window"]) if label == NO_TIME]
    return ([*timed[len(timed) - min(delay, len(timed)) :], *loose]) if delay > 0 else []
