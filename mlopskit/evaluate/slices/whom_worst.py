"""For whom the model works worst, in the metric that matters there: one figure and one sentence from the same numbers.

A criterion of the project file that a group fails says what matters. Where none fails, it is the gap between groups
that is surely the largest, in recall, false positive rate or selection rate: accuracy would mislead, since it depends
on how common the positive class is in a group. Several classes are compared by accuracy, numbers by their error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlopskit.display import format_value
from mlopskit.evaluate.groups.by_group import NOT_DECLARED, GroupedRows
from mlopskit.metrics import ESTIMATED, METRICS
from mlopskit.tally.floor.tables import WITHHELD

Row = Mapping[Any, Any]

_MATTERS = {
    "binary": ["recall", "false_positive_rate", "selection_rate"],
    "multiclass": ["accuracy"],
    "regression": ["mae"],
}


@dataclass(frozen=True)
class Finding:
    """What is said of one group or gap.

    Attributes
    ----------
    text : str
        One sentence.
    tone : str
        ``bad`` for a failed criterion, ``warning`` for a gap beyond chance.
    artefact : str
        Where its numbers stand.
    fact : dict
        The same numbers for the first screen.
    """

    text: str
    tone: str
    artefact: str
    fact: dict[str, Any]


def whom_worst(data: GroupedRows, groups: pd.DataFrame, gaps: pd.DataFrame, criteria: pd.DataFrame) -> list[Finding]:
    """Return what to say of groups, gravest first: failed criteria, else the largest gap beyond chance; or nothing.

    Parameters
    ----------
    data : GroupedRows
        Says the task, and which columns are sensitive: a gap between their groups comes before any other.
    groups, gaps, criteria : DataFrame
        As from `metrics_by_slice`, `disparities_by_column` and `judge_by_group`.
    """
    failed = criteria[criteria["status"] == "not-met"].to_dict("records")
    failed.sort(key=lambda row: row["scope"] != "slice")  # a group that is served badly comes before a gap
    if failed:
        return [(_failed_group if row["scope"] == "slice" else _failed_gap)(row, groups) for row in failed]
    row = largest_gap(data, gaps)
    return [_gap(row, groups)] if row is not None else []


def largest_gap(data: GroupedRows, gaps: pd.DataFrame) -> Row | None:
    """Return the gap whose interval begins highest, of sensitive columns if one of theirs is beyond chance."""
    known = gaps[gaps["metric"].isin(_MATTERS[data.target.task]) & (gaps["status"] == ESTIMATED)]
    known = known[(known["difference_low"] > 0) & (known["p_value"] <= 0.05)]
    sensitive = known[known["slice"].isin(data.columns.sensitive)]
    chosen = sensitive if len(sensitive) else known
    if chosen.empty:
        return None
    best: Row = chosen.sort_values("difference_low", ascending=False, kind="stable").to_dict("records")[0]
    return best


def no_gap(data: GroupedRows, gaps: pd.DataFrame) -> str:
    """Say that no gap is beyond chance, and in what; not where no two groups could be compared."""
    if not data.grouping.names:
        return NOT_DECLARED
    what = " or ".join(metric_words(name) for name in _MATTERS[data.target.task])
    known = gaps["metric"].isin(_MATTERS[data.target.task]) & (gaps["status"] == ESTIMATED)
    if not known.any():
        return f"No declared group fails a criterion, but no two groups could be compared in {what}."
    return f"No declared group fails a criterion, and none differs in {what} by more than chance makes."


def metric_words(metric: str) -> str:
    """Write a metric's name as it stands inside a sentence."""
    label = METRICS[metric].label
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _figure(row: Row) -> str:
    return f"{format_value(row['value'])} ({format_value(row['low'])} to {format_value(row['high'])})"


def _row(groups: pd.DataFrame, column: str, metric: str, group: str) -> dict[Any, Any]:
    found = groups[(groups["slice"] == column) & (groups["metric"] == metric) & (groups["group"] == group)]
    return dict(found.to_dict("records")[0])


def _asked(verdict: Row) -> str:
    return f"{verdict['side'].replace('_', ' ')} {format_value(verdict['bound'])}"


def _failed_group(verdict: Row, groups: pd.DataFrame) -> Finding:
    """A group outside its bound, and the group that is served best."""
    column, metric = verdict["slice"], verdict["metric"]
    row = _row(groups, column, metric, verdict["group"])
    same = groups[(groups["slice"] == column) & (groups["metric"] == metric) & (groups["status"] == ESTIMATED)]
    others = same[same["group"] != verdict["group"]].sort_values("value", kind="stable").to_dict("records")
    best = others[-1 if verdict["side"] == "at_least" else 0] if others else None
    beside = f" and {format_value(best['value'])} for {best['group']}" if best else ""
    asked = _asked(verdict)
    if row["status"] == WITHHELD:
        return _withheld(verdict, f"{metric_words(metric)} for {verdict['group']}", row["method"])
    text = f"{column}: {metric_words(metric)} is {_figure(row)} for {row['group']}{beside}; {asked} is asked."
    return Finding(text, "bad", "slices_and_bias/criteria", _group_fact(row, best, f" Asked: {asked}."))


def _failed_gap(verdict: Row, groups: pd.DataFrame) -> Finding:
    """A gap outside its bound, with the figures of the two groups where it is a difference."""
    column, metric = verdict["slice"], verdict["metric"]
    ratio = verdict["name"].startswith("ratio of ")
    kind = "ratio" if ratio else "difference"
    if pd.isna(verdict["value"]):
        return _withheld(verdict, f"the {kind} of {metric_words(metric)} between groups", "the privacy floor")
    text = (
        f"{column}: the {kind} of {metric_words(metric)} between groups, {verdict['group']}, is {_figure(verdict)}; "
        f"{_asked(verdict)} is asked."
    )
    fact = {
        "label": f"{kind.capitalize()} of {metric_words(metric)} by {column}, {verdict['group']}",
        **{key: verdict[key] for key in ("value", "low", "high")},
        "n": int(groups.loc[(groups["slice"] == column) & (groups["metric"] == metric), "n"].sum()),
        "baseline": 1.0 if ratio else 0.0, "baseline_label": "equal groups",
        "explain": f"{METRICS[metric].meaning} Asked: {_asked(verdict)}.", "artefact": "slices_and_bias/criteria",
    }  # fmt: skip
    return Finding(text, "bad", "slices_and_bias/criteria", fact)


def _withheld(verdict: Row, what: str, why: str) -> Finding:
    """A failed criterion whose figures the privacy floor withholds."""
    text = f"{verdict['slice']}: {what} fails; {_asked(verdict)} is asked. Its figures are not shown: {why}."
    fact = {
        "label": f"{what[:1].upper()}{what[1:]}, by {verdict['slice']}", "value": None, "low": None, "high": None,
        "n": None, "baseline": None, "baseline_label": None, "explain": f"Not met. Asked: {_asked(verdict)}.",
        "artefact": "slices_and_bias/criteria",
    }  # fmt: skip
    return Finding(text, "bad", "slices_and_bias/criteria", fact)


def _gap(gap: Row, groups: pd.DataFrame) -> Finding:
    """The two ends of a gap: the worse one first, the lower one where neither is worse."""
    ends = [_row(groups, gap["slice"], gap["metric"], gap[end]) for end in ("smallest", "largest")]
    worse, other = reversed(ends) if METRICS[gap["metric"]].greater_is_better is False else ends
    low, high = (format_value(gap[f"difference_{end}"]) for end in ("low", "high"))
    text = (
        f"{gap['slice']}: {metric_words(gap['metric'])} is {format_value(worse['value'])} for {worse['group']} and "
        f"{format_value(other['value'])} for {other['group']}, a gap of {format_value(gap['difference'])} "
        f"({low} to {high}), more than chance makes."
    )
    return Finding(text, "warning", "slices_and_bias/disparities", _group_fact(worse, other, ""))


def _group_fact(row: Row, other: Row | None, asked: str) -> dict[str, Any]:
    metric = METRICS[row["metric"]]
    return {
        "label": f"{metric.label} for {row['slice']} = {row['group']}",
        **{key: row[key] for key in ("value", "low", "high", "n")},
        "baseline": other["value"] if other else None,
        "baseline_label": str(other["group"]) if other else None,
        "explain": f"{metric.meaning}{asked}", "artefact": "slices_and_bias/groups",
    }  # fmt: skip
