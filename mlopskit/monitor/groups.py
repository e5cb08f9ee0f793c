"""For whom does it still work: one metric for each group of people by window, where enough labels are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data import Target
from mlopskit.metrics import NOT_ESTIMATED
from mlopskit.monitor.performance import EMPTY, PENDING, majority_of, measure_rows
from mlopskit.monitor.profile import Profile
from mlopskit.monitor.traffic import Traffic
from mlopskit.tally import Grouping

FEWEST_IN_GROUP = 50
"""Labelled rows below which a group in a window is not measured on its own."""


def group_table(
    traffic: Traffic,
    columns: Sequence[str],
    *,
    target: Target,
    metric: str,
    profile: Profile | None = None,
    replicates: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure one metric for each group of each logged column by window, where enough labels are known.

    The confidence is raised to ``1 − (1 − confidence) / G`` over the G groups of a column, so that many groups do not
    raise alarms by their number.

    Parameters
    ----------
    traffic : Traffic
        Production.
    columns : sequence of str
        Columns of groups.
    target : Target
        Task and classes.
    metric : str
        Of `mlopskit.metrics` for the task.
    profile : Profile, optional
        The reference, whose commonest class is guessed for `majority`.
    replicates, confidence, seed : int, float, int
        Of the intervals.

    Returns
    -------
    DataFrame
        slice, group, window, metric, n, value, low, high, method, status (measured, labels not yet known, cannot be
        estimated, not logged), majority (what guessing the commonest class of the reference, or its mean, scores; NaN
        where it is undefined, where the group is not measured, and without `profile`)
    """
    rows: list[dict[str, Any]] = []
    guess = np.nan if profile is None else majority_of(profile, target)
    for column in columns:
        if column not in traffic.logged.columns:
            rows.append(
                {"slice": column, "group": "–", "window": "all", "metric": metric, "n": 0, "status": "not logged"}
            )
            continue
        groups = group_labels_of(traffic, column)
        level = 1 - (1 - confidence) / max(1, groups.nunique())
        options = {"replicates": replicates, "confidence": level, "seed": seed, "guess": guess}
        for group in sorted(groups.unique()):
            rows.extend(_group_rows(traffic, np.flatnonzero(groups == group), column, group, target, metric, options))
    names = ["slice", "group", "window", "metric", "n", "value", "low", "high", "method", "status", "majority"]
    return pd.DataFrame(rows, columns=names)


def group_labels_of(traffic: Traffic, column: str) -> pd.Series[Any]:
    """Return the group of each request in a logged column."""
    frame = traffic.logged[[column]]
    return Grouping.fit(frame, [column]).transform(frame)[column].reset_index(drop=True)


def _group_rows(
    traffic: Traffic, members: Any, column: str, group: str, target: Target, metric: str, options: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    for index, label in enumerate(traffic.windows.labels):
        inside = members[traffic.windows.position[members] == index]
        known = inside[traffic.known[inside]]
        base = {"slice": column, "group": group, "window": label, "metric": metric, "n": len(known)}
        if len(known) == 0 and len(inside):
            yield {**base, "n": len(inside), "status": PENDING}
        elif len(known) < FEWEST_IN_GROUP:
            yield {**base, "status": NOT_ESTIMATED if len(inside) else EMPTY}
        else:
            yield {**base, **measure_rows(traffic, known, target, [metric], options)[0]}
