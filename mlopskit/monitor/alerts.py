"""Alerts: which thresholds of ``[monitoring]`` are crossed, beyond what chance explains, and who is told.

A value outside its bound is not yet an alert: its interval has to lie outside too (for drift: the value above its
chance level), or a small window raises an alarm that the next one takes back. There are three outcomes: ``alert``,
``ok`` and ``could not check``; the last is never shown as the second. Each metric and feature gets one line over all
windows: where it first went wrong, where it was worst, how it stands now.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlopskit.metrics.monitored import SOFTWARE_METRICS
from mlopskit.monitor.thresholds import leads_to
from mlopskit.scope import Monitoring, Threshold

ALERT, OK, UNCHECKED = "alert", "ok", "could not check"


OBSERVED = ["metric", "feature", "window", "n", "value", "low", "high", "chance", "measured"]
"""Columns of the observations that alerts are raised from."""

COLUMNS = [
    "name", "metric", "feature", "window", "value", "low", "high", "bound", "side", "status", "tell", "leads_to",
    "first", "latest", "latest_value", "windows", "text",
]  # fmt: skip


@dataclass(frozen=True)
class _Judged:
    """One bound on one metric of one feature or group."""

    metric: str
    feature: str
    side: str
    bound: float
    group: bool

    @property
    def subject(self) -> str:
        return f"{self.metric} of {self.feature}" if self.feature else self.metric

    @property
    def leads_to(self) -> str:
        return leads_to(self.metric, feature=self.feature, group=self.group)

    def record(self) -> dict[str, Any]:
        return {
            "name": f"{self.subject} {self.side.replace('_', ' ')} {self.bound:g}",
            "metric": self.metric,
            "feature": self.feature,
            "bound": self.bound,
            "side": self.side,
            "leads_to": self.leads_to,
        }


def observations(
    *,
    drift: pd.DataFrame | None = None,
    inputs: pd.DataFrame | None = None,
    windows: pd.DataFrame | None = None,
    groups: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Bring the tables of monitoring into one form, one row a metric, feature and window."""
    parts = []
    if drift is not None:
        psi = drift[drift["statistic"] == "psi"]
        parts.append(psi.assign(metric="drift", low=np.nan, high=np.nan, measured=psi["value"].notna()))
    if inputs is not None:
        parts.append(
            inputs.assign(chance=np.nan, measured=inputs["status"] == "measured")[inputs["status"] != "not applicable"]
        )
    if windows is not None:
        parts.append(windows.assign(feature="", chance=np.nan, measured=windows["status"] == "measured"))
    if groups is not None and len(groups):
        label = groups["slice"].astype(str) + " = " + groups["group"].astype(str)
        parts.append(groups.assign(feature=label, chance=np.nan, measured=groups["status"] == "measured"))
    if not parts:
        return pd.DataFrame(columns=OBSERVED)
    return pd.concat(
        [part.reindex(columns=OBSERVED).astype({"feature": "object"}) for part in parts], ignore_index=True
    )


def raise_alerts(
    observed: pd.DataFrame, monitoring: Monitoring, *, volatile: bool = False, groups: Iterable[str] = ()
) -> pd.DataFrame:
    """Judge every threshold, one row for each metric and feature.

    Parameters
    ----------
    observed : DataFrame
        From `observations`; windows in order of time.
    monitoring : Monitoring
        Thresholds and who is told.
    volatile : bool
        True judges only metrics that measure time, False only the others: the two are kept in separate artefacts,
        because the first differ from run to run.
    groups : iterable of str
        Values of `feature` that stand for a group of people, not for a column.

    Returns
    -------
    DataFrame
        name, metric, feature, window (the worst), value, low, high, bound, side, status (alert, ok, could not check),
        tell, leads_to, first (first window that alerted), latest, latest_value, windows (how many alerted), text.
        Alerts first.
    """
    tell, members = ", ".join(monitoring.notify) or "nobody is named", set(groups)
    rows = [
        row
        for threshold in monitoring.threshold
        if (threshold.metric in SOFTWARE_METRICS) == volatile
        for row in _judged(threshold, observed, monitoring.threshold, tell, members)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    rank = table["status"].map({ALERT: 0, UNCHECKED: 1, OK: 2})
    return table.loc[rank.sort_values(kind="stable").index].reset_index(drop=True)


def _judged(
    threshold: Threshold, observed: pd.DataFrame, every: Sequence[Threshold], tell: str, members: set[str]
) -> Iterator[dict[str, Any]]:
    chosen = observed[observed["metric"] == threshold.metric]
    if threshold.feature is not None:
        chosen = chosen[chosen["feature"] == threshold.feature]
    else:
        named = {other.feature for other in every if other.metric == threshold.metric and other.feature is not None}
        chosen = chosen[~chosen["feature"].isin(named)]
    features = list(dict.fromkeys(chosen["feature"])) or [threshold.feature or ""]
    for side, bound in (("at_most", threshold.at_most), ("at_least", threshold.at_least)):
        for feature in features if bound is not None else ():
            rows = chosen[chosen["feature"] == feature]
            judged = _Judged(threshold.metric, str(feature), side, float(bound or 0), str(feature) in members)
            yield _line(judged, rows, tell)


def _line(judged: _Judged, rows: pd.DataFrame, tell: str) -> dict[str, Any]:
    base = {**judged.record(), "tell": tell, "windows": 0}
    measured = rows[rows["measured"].astype(bool)]
    if measured.empty:
        return {
            **base,
            "status": UNCHECKED,
            "text": f"{judged.subject} could not be checked: {_why(rows, judged.group)}.",
        }
    fired = measured[_fires(measured, judged.side, judged.bound)]
    pool = measured if fired.empty else fired
    values = pool["value"].to_numpy(dtype=float)
    worst = pool.iloc[int(values.argmax() if judged.side == "at_most" else values.argmin())]
    latest = measured.iloc[-1]
    shown = {key: worst[key] for key in ("window", "value", "low", "high")}
    row = {**base, **shown, "latest": latest["window"], "latest_value": latest["value"], "windows": len(fired)}
    if fired.empty:
        return {**row, "status": OK, "text": _calm(judged, worst, latest)}
    text = f"{_alarm(judged, worst, fired, latest)}. Tell: {tell}. Leads back to {judged.leads_to}."
    return {**row, "status": ALERT, "first": fired.iloc[0]["window"], "text": text}


def _why(rows: pd.DataFrame, group: bool) -> str:
    if rows.empty:
        return "the log holds nothing to take it from"
    return "no window holds enough labelled rows of this group" if group else "no window has a value for it"


def _fires(rows: pd.DataFrame, side: str, bound: float) -> Any:
    """Outside the bound with the whole interval, or, where there is a chance level instead, above that as well."""
    value, low, high = (rows[name].astype(float) for name in ("value", "low", "high"))
    chance = rows["chance"].astype(float)
    if side == "at_most":
        return (value > bound) & (low.isna() | (low > bound)) & (chance.isna() | (value > chance))
    return (value < bound) & (high.isna() | (high < bound))


def spell(value: float) -> str:
    """Write a figure for a sentence: three significant digits, whole numbers with separators.

    Examples
    --------
    >>> spell(0.12345), spell(25312.4), spell(780.0)
    ('0.123', '25,312', '780')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3g}"


def _value(row: Any) -> str:
    if not pd.isna(row["chance"]):
        return f"{spell(row['value'])} (chance alone reaches {spell(row['chance'])})"
    if pd.isna(row["low"]) or row["low"] == row["high"]:
        return spell(row["value"])
    return f"{spell(row['value'])} (interval {spell(row['low'])} to {spell(row['high'])})"


def _alarm(judged: _Judged, worst: Any, fired: pd.DataFrame, latest: Any) -> str:
    beyond = "above" if judged.side == "at_most" else "below"
    text = f"{judged.subject} is {_value(worst)} in {worst['window']}, {beyond} {spell(judged.bound)}"
    if len(fired) > 1:
        text += f", the worst of {len(fired)} windows since {fired.iloc[0]['window']}"
    if latest["window"] != worst["window"]:
        back = "" if latest["window"] in set(fired["window"]) else ", no longer an alert"
        text += f"; latest {_value(latest)} in {latest['window']}{back}"
    return text


def _calm(judged: _Judged, worst: Any, latest: Any) -> str:
    outside = worst["value"] > judged.bound if judged.side == "at_most" else worst["value"] < judged.bound
    start, bound = f"{judged.subject} is {_value(worst)} in {worst['window']}", spell(judged.bound)
    if outside:
        return f"{start}, beyond {bound}, but not beyond chance."
    kept = f"{judged.subject} stays {judged.side.replace('_', ' ')} {bound}"
    return f"{kept}: worst {_value(worst)} in {worst['window']}, latest {spell(latest['value'])}."
