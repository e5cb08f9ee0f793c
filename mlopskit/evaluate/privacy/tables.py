"""The privacy floor applied to what leaves the phase: tables by group, gaps, slices and verdicts.

What is withheld is taken out of the artefact itself, so that no Parquet file, chart or sentence made from it can show
it. Its row stays, with the status ``hidden`` and the reason as its method: no group is dropped in silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.data import TARGET, Target
from mlopskit.evaluate.criteria import Verdict
from mlopskit.evaluate.slices.find import slice_mask
from mlopskit.tally.floor.bounds import confusion_kinds
from mlopskit.tally.floor.plan import HIDDEN, SHOWN, Plan, plan_floor
from mlopskit.tally.floor.tables import WITHHELD, reason


def plan_for(groups: pd.DataFrame, predictions: pd.DataFrame, target: Target, floor: int) -> Plan:
    """Plan what is shown of the tables by group of some rows; in regression sizes are the only denominators."""
    kind, watched = np.zeros(len(predictions), dtype=np.int64), np.ones((1, 1), dtype=np.int64)
    if floor > 1 and target.is_classification:
        kind, watched = confusion_kinds(predictions[TARGET], predictions["prediction"], len(target.classes))
    return plan_floor(groups, kind, watched=watched, floor=floor)


def hide_groups(table: pd.DataFrame, columns: Sequence[str], plan: Plan) -> pd.DataFrame:
    """Withhold what a plan withholds from the table of one column, or of one pair.

    Parameters
    ----------
    table : DataFrame
        With the columns of `group_metrics`, pairs named "a and b"; ``overall`` is always shown.
    columns : sequence of str
        What it is grouped by.
    plan : Plan

    Returns
    -------
    DataFrame
        n and denominator are nullable integers, unless there is no floor.
    """
    if plan.floor < 2:
        return table
    states = plan.names(columns)
    return _withhold(table, np.array([states.get(name, SHOWN) for name in table["group"]]), plan.floor)


def _withhold(table: pd.DataFrame, state: npt.NDArray[np.int64], floor: int) -> pd.DataFrame:
    shown = table.astype({name: "Int64" for name in ("n", "denominator") if name in table})
    numbers = [name for name in shown.select_dtypes("number") if name != "n"]
    shown.loc[state != SHOWN, numbers] = np.nan
    shown.loc[state == HIDDEN, "n"] = pd.NA
    shown.loc[state != SHOWN, "status"] = WITHHELD
    shown.loc[state != SHOWN, "method"] = reason(floor)
    return shown


def hidden_verdict(verdict: Verdict, floor: int) -> Verdict:
    """Return a verdict without its figures; it was made with the true ones, and says so.

    Of a gap the two groups that make it are not named either: their order is a figure too.
    """
    words = {"met": "met", "not-met": "not met", "undecided": "undecided"}[verdict.status]
    text = f"{words}, judged by the true figures, which are not shown: {reason(floor)}."
    group = verdict.group if verdict.scope == "slice" else ""
    if group:
        text = f"{group}: {text}"
    return replace(verdict, group=group, value=np.nan, low=np.nan, high=np.nan, reason=text, method=reason(floor))


def slices_shown(
    slices: Sequence[Mapping[str, Any]], features: pd.DataFrame, *, floor: int, published: Sequence[bool] | None = None
) -> npt.NDArray[np.bool_]:
    """Tell which of several slices may be shown with their figures.

    A slice is shown if it, the rows outside it, and the rows of each larger slice that it is part of (its conditions
    without some of them) less itself are none or at least the floor; likewise what is left of such a larger slice
    when all shown slices are taken away that differ in one value. Large slices come first.

    Parameters
    ----------
    slices : sequence of mapping
        Column → value.
    features : DataFrame, shape (n, m)
        The rows as words.
    floor : int
    published : sequence of bool, optional
        Slices whose figures stand elsewhere already.

    Examples
    --------
    >>> rows = pd.DataFrame({"town": ["a"] * 50 + ["b"] * 40 + ["c"] * 3})
    >>> slices_shown([{"town": "a"}, {"town": "b"}, {"town": "c"}], rows, floor=5).tolist()
    [True, False, False]
    """
    shown = np.zeros(len(slices), dtype=bool)
    given = np.zeros(len(slices), dtype=bool) if published is None else np.array(published, dtype=bool)
    masks = [slice_mask(features, chosen) for chosen in slices]
    order = sorted(range(len(slices)), key=lambda place: (not given[place], -int(masks[place].sum()), place))
    seen: list[int] = []
    for place in order:
        shown[place] = _safe(slices, masks, place, seen, features, floor)
        if shown[place] or given[place]:
            seen.append(place)
    return shown


def _safe(slices: Any, masks: Any, place: int, seen: Sequence[int], features: pd.DataFrame, floor: int) -> bool:
    chosen, inside = slices[place], masks[place]
    if 0 < inside.sum() < floor:
        return False
    names = list(chosen)
    larger = [part for size in range(len(names)) for part in combinations(names, size)]
    for kept in larger:
        around = slice_mask(features, {name: chosen[name] for name in kept})
        if _small(around & ~inside, floor):
            return False
    for name in names:
        kept_conditions = {other: chosen[other] for other in names if other != name}
        left = slice_mask(features, kept_conditions) & ~inside
        for other in seen:
            if _siblings(slices[other], chosen, name):
                left &= ~masks[other]
        if _small(left, floor):
            return False
    return True


def _siblings(one: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    return set(one) == set(other) and all(one[key] == other[key] for key in one if key != name)


def _small(rows: npt.NDArray[np.bool_], floor: int) -> bool:
    return bool(0 < rows.sum() < floor)


def slices_of_shown_groups(
    slices: Sequence[Mapping[str, Any]], plan: Plan, levels: Mapping[str, Sequence[str]]
) -> npt.NDArray[np.bool_]:
    """Tell of which slices every condition, and every two, on declared columns are shown in the tables by group.

    Parameters
    ----------
    slices : sequence of mapping
    plan : Plan
        Of the tables by group, over the same rows.
    levels : mapping
        The declared columns and the groups of each; a slice whose value is none of them is shown only where nothing
        of that column is withheld.
    """
    partial = {name for (names, _), state in plan.states.items() if state != SHOWN for name in names}
    return np.array([_of_shown(chosen, plan, levels, partial) for chosen in slices], dtype=bool)


def _of_shown(chosen: Mapping[str, Any], plan: Plan, levels: Mapping[str, Sequence[str]], partial: set[str]) -> bool:
    own = {name: str(value) for name, value in chosen.items() if name in levels}
    if any(value not in levels[name] and name in partial for name, value in own.items()):
        return False
    known = [name for name in levels if name in own]
    parts = [(name,) for name in known] + list(combinations(known, 2))
    return all(plan.of(part, [own[name] for name in part]) == SHOWN for part in parts)


def hide_slices(table: pd.DataFrame, shown: npt.NDArray[np.bool_], floor: int) -> pd.DataFrame:
    """Withhold all numbers of some slices; whether one is confirmed stays."""
    hidden = table.astype({name: "Int64" for name in ("n", "n_test", "also") if name in table})
    numbers = [name for name in hidden.select_dtypes("number") if name != "level"]
    hidden.loc[~shown, numbers] = np.nan
    words = [name for name in ("same_rows", "overlapping") if name in hidden]
    hidden.loc[~shown, words] = ""
    status = hidden.get("status", "shown")
    return hidden.assign(status=np.where(shown, status, f"{WITHHELD}: {reason(floor)}"))
