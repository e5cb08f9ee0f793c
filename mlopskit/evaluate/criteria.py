"""Acceptance criteria, judged by intervals instead of by point estimates.

A criterion is **met** when the whole 95 % interval lies within its bound, **not met** when it lies wholly outside, and
**undecided** when it contains the bound: then the test rows cannot tell, and the verdict says roughly how many could.
What cannot be estimated is never met. A gain over a baseline is the improvement on the same rows, above 0 when the
model is better, whichever direction the metric has. Beside each figure stands the one that a majority guess would have
had: a bound that guessing meets too says nothing of skill.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
import pandas as pd

from mlopskit.display import format_value
from mlopskit.metrics import ESTIMATED, METRICS
from mlopskit.scope import Criterion

Status = Literal["met", "not-met", "undecided"]
CriterionScope = Literal["overall", "slice", "gap", "gain"]


def say(value: float) -> str:
    """Write a figure for a sentence: three decimals for shares, fewer for what is large.

    Examples
    --------
    >>> say(0.12345), say(123.456), say(12345.678)
    ('0.123', '123.5', '12,346')
    """
    size = abs(value)
    return format_value(float(value), digits=3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0)


@dataclass(frozen=True)
class Verdict:
    """One criterion and what the rows say about it: a row of the ``criteria`` artefact.

    Attributes
    ----------
    name : str
        The criterion in words.
    metric, scope, slice, group : str
        What was judged: ``overall``, ``slice``, ``gap`` or ``gain``; the column and the deciding group, where there
        are any.
    value, low, high : float
        The figure and its interval; NaN when it cannot be estimated.
    bound : float
    side : str
        ``at_least`` or ``at_most``.
    status : str
        ``met``, ``not-met`` or ``undecided``.
    reason : str
        A sentence computed from these figures.
    on_undecided : str
        ``stop`` or ``pass``; what is not answered in the project file stops.
    majority : float
        The figure had everybody been given the commonest class, or the mean, on the same rows; NaN where it is
        undefined or not known.
    method : str
        By which method the interval was made; where there is none, why not.
    """

    name: str
    metric: str
    scope: str
    slice: str
    group: str
    value: float
    low: float
    high: float
    bound: float
    side: str
    status: Status
    reason: str
    on_undecided: str
    majority: float = math.nan
    method: str = ""


def judge(
    criterion: Criterion,
    value: float,
    low: float,
    high: float,
    *,
    scope: CriterionScope,
    n: int,
    slice: str = "",  # noqa: A002  # the name of the column in every table
    group: str = "",
    outer: tuple[float, float] | None = None,
    why: str = "",
    majority: float = math.nan,
) -> Verdict:
    """Judge one figure by one criterion.

    Parameters
    ----------
    criterion : Criterion
        With its bound.
    value, low, high : float
        The figure and its 95 % interval; NaN where it cannot be estimated.
    scope : str
        What the figure speaks of.
    n : int
        Rows behind it, from which the rows that would decide are reckoned.
    slice, group : str
        Column and group, where it speaks of one.
    outer : pair of float, optional
        A wider interval that must lie wholly outside before the criterion counts as not met; for one of G groups that
        at confidence 1 − 0.05 / G, so that looking at many groups condemns no model by chance.
    why : str
        Why it cannot be estimated, where it cannot; else the method of its interval.
    majority : float
        The figure of a majority guess; it decides nothing.

    Examples
    --------
    >>> criterion = Criterion(metric="recall", at_least=0.6)
    >>> judge(criterion, 0.7, 0.65, 0.75, scope="overall", n=400).status
    'met'
    >>> judge(criterion, 0.62, 0.57, 0.67, scope="overall", n=400).reason
    '0.620, interval 0.570 to 0.670, contains the bound 0.600: about 2,500 rows would decide; there are 400.'
    """
    side = "at_least" if criterion.at_least is not None else "at_most"
    outer = outer or (low, high)
    status = _status(criterion, value, low, high, outer)
    reason = _reason(criterion, value, low, high, status, outer, n=n, why=why)
    return Verdict(
        criterion.name, criterion.metric, scope, slice, group, float(value), float(low), float(high), criterion.bound,
        side, status, f"{group}: {reason}" if group else reason, criterion.on_undecided or "stop", float(majority), why,
    )  # fmt: skip


def _status(criterion: Criterion, value: float, low: float, high: float, outer: tuple[float, float]) -> Status:
    if not all(map(math.isfinite, (value, low, high))):
        return "undecided"
    if criterion.at_least is not None:
        return "met" if low >= criterion.bound else "not-met" if outer[1] < criterion.bound else "undecided"
    return "met" if high <= criterion.bound else "not-met" if outer[0] > criterion.bound else "undecided"


def _reason(
    criterion: Criterion, value: float, low: float, high: float, status: Status, outer: tuple[float, float], *, n: int,
    why: str,
) -> str:  # fmt: skip
    if not all(map(math.isfinite, (value, low, high))):
        return f"it cannot be estimated{f' ({why})' if why else ''}, and what cannot be estimated is never met."
    figures = f"{say(value)}, interval {say(low)} to {say(high)},"
    bound = say(criterion.bound)
    if status != "undecided":
        return f"{figures} lies wholly {'within' if status == 'met' else 'outside'} the bound {bound}."
    if low < criterion.bound < high:
        return f"{figures} contains the bound {bound}: {_rows_needed(value, low, high, criterion.bound, n)}"
    doubt = f"{figures} lies outside the bound {bound}, but not by more than looking at many groups can make it"
    return f"{doubt}: {_rows_needed(value, *outer, criterion.bound, n)}"


def _rows_needed(value: float, low: float, high: float, bound: float, n: int) -> str:
    """Intervals narrow with the square root of the rows: so many would part this one from the bound."""
    distance = abs(value - bound)
    half = value - low if value >= bound else high - value
    ratio = half / distance if distance > 0 else math.inf
    needed = n * ratio * ratio  # a product becomes infinite where a power would overflow
    if needed > 1e8:
        return f"the figure is so close to it that no number of rows will decide; there are {n:,}."
    digits = 10 ** max(int(math.log10(max(needed, 1))) - 1, 0)
    return f"about {math.ceil(round(needed / digits, 6)) * digits:,} rows would decide; there are {n:,}."


def judge_groups(criterion: Criterion, table: pd.DataFrame, *, scope: CriterionScope, slice: str) -> Verdict:  # noqa: A002
    """Judge a criterion on every group: not met if one group is not, met only if all are.

    Parameters
    ----------
    criterion : Criterion
        With ``every_slice_of``.
    table : DataFrame
        One row a group: group, n, value, low, high, status, method; optionally outer_low and outer_high, the interval
        at confidence 1 − 0.05 / groups, and majority, what a majority guess scores.
    scope, slice : str
        As in `judge`.

    Returns
    -------
    Verdict
        Of the group that decides: the worst among those with the worst status; its reason counts the others.
    """
    verdicts = [_judge_row(criterion, row, scope=scope, slice=slice) for row in table.to_dict("records")]
    if not verdicts:
        return judge(criterion, np.nan, np.nan, np.nan, scope=scope, n=0, slice=slice, why="there are no groups")
    rank = {"not-met": 0, "undecided": 1, "met": 2}
    sign = 1 if criterion.at_least is not None else -1
    # An undecided figure decides before one that is missing: it tells the reader more.
    worst = min(verdicts, key=lambda v: (rank[v.status], math.isnan(v.value), sign * v.value, v.group))
    tally = {status: sum(v.status == status for v in verdicts) for status in rank}
    others = ", ".join(f"{count} {status}" for status, count in tally.items() if count)
    return _with_reason(worst, f"{worst.reason} Of {len(verdicts)} groups: {others}.")


def _judge_row(criterion: Criterion, row: dict[Any, Any], *, scope: CriterionScope, slice: str) -> Verdict:  # noqa: A002
    outer = (row["outer_low"], row["outer_high"]) if "outer_low" in row else None
    value, low, high = (row[key] if row["status"] == ESTIMATED else np.nan for key in ("value", "low", "high"))
    why = str(row.get("method", ""))
    return judge(
        criterion,
        value,
        low,
        high,
        scope=scope,
        n=int(row["n"]),
        slice=slice,
        group=str(row["group"]),
        outer=outer,
        why=why,
        majority=row.get("majority", math.nan),
    )


def _with_reason(verdict: Verdict, reason: str) -> Verdict:
    return Verdict(**{**asdict(verdict), "reason": reason})


def judge_overall(criteria: Sequence[Criterion], metrics: pd.DataFrame, gains: pd.DataFrame) -> pd.DataFrame:
    """Judge the criteria that speak of all test rows and of gains over baselines; the rest belongs to slices and bias.

    Parameters
    ----------
    criteria : sequence of Criterion
        All of the project file.
    metrics : DataFrame
        As from `mlopskit.metrics.measure`.
    gains : DataFrame
        As from `mlopskit.evaluate.baseline_gains`: baseline, metric, gain, low, high, method, n.

    Returns
    -------
    DataFrame
        One row a criterion with the fields of `Verdict`.
    """
    verdicts = []
    for criterion in criteria:
        if criterion.gain_over is not None:
            verdicts.append(_judge_gain(criterion, gains, _guessed(criterion, metrics)))
        elif criterion.every_slice_of is None and criterion.between is None:
            verdicts.append(_judge_metric(criterion, metrics))
    return verdict_table(verdicts)


def _judge_metric(criterion: Criterion, metrics: pd.DataFrame) -> Verdict:
    row = metrics.loc[metrics["metric"] == criterion.metric].to_dict("records")
    if not row:
        why = f"{criterion.metric} was not measured"
        return judge(criterion, np.nan, np.nan, np.nan, scope="overall", n=0, why=why)
    found, guess = row[0], _guessed(criterion, metrics)
    figures = (found["value"], found["low"], found["high"])
    why = str(found["method"])
    return judge(criterion, *figures, scope="overall", n=int(found["n"]), why=why, majority=guess)


def _guessed(criterion: Criterion, metrics: pd.DataFrame) -> float:
    """What a majority guess scores in the metric of a criterion."""
    own = metrics.loc[metrics["metric"] == criterion.metric]
    return float(own["majority"].iloc[0]) if len(own) and "majority" in own else math.nan


def _judge_gain(criterion: Criterion, gains: pd.DataFrame, guess: float) -> Verdict:
    chosen = gains.loc[(gains["baseline"] == criterion.gain_over) & (gains["metric"] == criterion.metric)]
    if chosen.empty:
        why = f"there is no {criterion.gain_over} baseline with {criterion.metric}"
        return judge(criterion, np.nan, np.nan, np.nan, scope="gain", n=0, why=why)
    row = chosen.to_dict("records")[0]
    figures, why = (row["gain"], row["low"], row["high"]), str(row["method"])
    gained = row["value"] - guess if METRICS[criterion.metric].greater_is_better is False else guess - row["value"]
    return judge(criterion, *figures, scope="gain", n=int(row["n"]), why=why, majority=gained)


def verdict_table(verdicts: Iterable[Verdict]) -> pd.DataFrame:
    """Gather verdicts into the ``criteria`` artefact; with none it is empty and has its columns all the same."""
    return pd.DataFrame([asdict(verdict) for verdict in verdicts], columns=[field.name for field in fields(Verdict)])
