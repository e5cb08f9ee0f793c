"""The criteria on slices and gaps, for whom the model works worst in one sentence, and the summary of the phase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Note, format_value
from mlopskit.evaluate.criteria import Verdict, judge, judge_groups, verdict_table
from mlopskit.evaluate.groups.bias import disparity_sentences
from mlopskit.evaluate.groups.by_group import GroupedRows, disparities_by_column, metrics_by_slice
from mlopskit.evaluate.groups.grouped import OVERALL
from mlopskit.evaluate.groups.majority import majority_gaps
from mlopskit.evaluate.groups.shown import worst_first
from mlopskit.evaluate.mitigation.plots import mitigation_note
from mlopskit.evaluate.privacy.tables import hidden_verdict
from mlopskit.evaluate.slices.whom_worst import Finding, metric_words, no_gap, whom_worst
from mlopskit.evaluate.summary import criteria_note
from mlopskit.metrics import ESTIMATED, METRICS, NOT_ESTIMATED
from mlopskit.scope import Criterion
from mlopskit.tally.floor.plan import SHOWN
from mlopskit.tally.floor.tables import WITHHELD

_MOST_DRAWS = 100_000
"""For an interval at confidence 1 − 0.05 / groups; up to here as many lie beyond its ends as beyond those of one."""


def judge_by_group(data: GroupedRows, *, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Judge the criteria that speak of every slice of a column or of the gap between its groups.

    Returns
    -------
    DataFrame
        One row a criterion with the fields of `mlopskit.evaluate.Verdict`; majority is what a majority guess scores in
        the deciding group, or the gap that it makes. A group, or a gap, that cannot be estimated is never met. A group
        that the privacy floor withholds is judged by its true figures, as is a gap of a column with such a group; the
        verdict stays, the figures are not shown, and the reason says so.
    """
    everything = replace(data, floor=0)
    found = [_verdict(item, everything, replicates=replicates, seed=seed) for item in data.criteria]
    return verdict_table([_as_shown(verdict, data) for verdict in found])


def _as_shown(verdict: Verdict, data: GroupedRows) -> Verdict:
    states = {group[0]: state for (columns, group), state in data.plan.states.items() if columns == (verdict.slice,)}
    withheld = [group for group, state in states.items() if state != SHOWN]
    if not withheld or (verdict.scope == "slice" and verdict.group not in withheld):
        return verdict
    return replace(hidden_verdict(verdict, data.floor), majority=np.nan)


def _verdict(criterion: Criterion, data: GroupedRows, *, replicates: int, seed: int) -> Verdict:
    column = criterion.every_slice_of or criterion.between or ""
    scope: Any = "slice" if criterion.every_slice_of else "gap"
    if column not in data.grouping.names:
        why = f"the rows have no column {column}"
        return judge(criterion, np.nan, np.nan, np.nan, scope=scope, n=0, slice=column, why=why)
    options: dict[str, Any] = {"columns": [column], "metrics": [criterion.metric], "seed": seed}
    groups = metrics_by_slice(data, replicates=replicates, **options)
    groups = groups[groups["slice"] == column].reset_index(drop=True)
    if criterion.every_slice_of:
        level, draws = 1 - 0.05 / max(len(groups), 1), max(replicates, min(replicates * len(groups), _MOST_DRAWS))
        wide = metrics_by_slice(data, replicates=draws, confidence=level, **options)
        outer = wide[wide["slice"] == column].reset_index(drop=True)
        groups = groups.assign(outer_low=outer["low"], outer_high=outer["high"])
        return judge_groups(criterion, groups, scope=scope, slice=column)
    table = disparities_by_column(data, groups, replicates=replicates, **options)
    table["majority"] = majority_gaps(table["metric"], groups, kind=criterion.gap)
    row = table.to_dict("records")[0]
    row["groups"] = f"{row['groups'].partition(' of ')[0]} of {groups['group'].nunique()}"  # those without rows too
    return _judge_gap(criterion, row, data, column)


def _judge_gap(criterion: Criterion, row: Mapping[Any, Any], data: GroupedRows, column: str) -> Verdict:
    kind, n, guess = criterion.gap, len(data.test), row["majority"]
    figures = (row[kind], row[f"{kind}_low"], row[f"{kind}_high"])
    known, _, total = str(row["groups"]).partition(" of ")
    between = f"{row['smallest']} to {row['largest']}" if row["status"] == ESTIMATED else ""
    options: dict[str, Any] = {"scope": "gap", "n": n, "slice": column, "majority": guess}
    made = judge(criterion, *figures, group=between, why=str(row["method"]), **options)
    if known != total and made.status == "met":
        why = f"{known} of {total} groups have enough rows"
        return judge(criterion, np.nan, np.nan, np.nan, why=why, **options)
    return made


def worst_group(groups: pd.DataFrame, *, metric: str) -> Mapping[Any, Any] | None:
    """Return the row of the group that is worse than the whole beyond doubt by the most, else of the poorest figure.

    The better end of the interval decides, so that a small group with a poor figure and a wide interval does not hide
    a large one that is surely worse. None when no group can be estimated.
    """
    rows = groups[groups["metric"] == metric]
    known = rows[(rows["group"] != OVERALL) & (rows["status"] == ESTIMATED)]
    if known.empty:
        return None
    apart = known[_apart(known, _overall(groups, metric), metric)]
    if apart.empty:
        return worst_first(known, metric).to_dict("records")[0]
    greater = METRICS[metric].greater_is_better is not False
    end = apart["high"].to_numpy() if greater else -apart["low"].to_numpy()
    worst: Mapping[Any, Any] = apart.iloc[[int(np.argmin(end))]].to_dict("records")[0]
    return worst


def _overall(groups: pd.DataFrame, metric: str) -> float:
    return float(groups.loc[(groups["metric"] == metric) & (groups["group"] == OVERALL), "value"].iloc[0])


def _apart(rows: Any, whole: float, metric: str) -> Any:
    """Whether the whole interval lies on the worse side of the overall value."""
    return rows["high"] < whole if METRICS[metric].greater_is_better is not False else rows["low"] > whole


def group_criteria_note(criteria: pd.DataFrame) -> Note:
    """Count the criteria on groups and give each one's reason."""
    if criteria.empty:
        return display.note("Not applicable: no criterion of the project file speaks of groups.")
    return criteria_note(criteria)


def worst_note(
    data: GroupedRows,
    groups: pd.DataFrame,
    gaps: pd.DataFrame,
    tested: pd.DataFrame,
    criteria: pd.DataFrame,
    mitigations: pd.DataFrame | None = None,
) -> Note:
    """Say for whom the model works worst: by failed criteria or the largest gap, by the headline metric, by slices.

    With `mitigations`, as from `compare_mitigations`, also what can be done about it and what that costs.
    """
    own = groups[groups["metric"] == data.headline]
    few, withheld = (int((own["status"] == status).sum()) for status in (NOT_ESTIMATED, WITHHELD))
    first = _group_statements(data, groups, gaps, criteria, most=len(criteria) + 1)
    seen = " ".join(item["text"] for item in first)
    gap_lines = [
        text
        for column in data.columns.sensitive
        for text in islice(disparity_sentences(gaps[gaps["slice"] == column], column=column), 3)
        if f"{column}: " not in seen
    ]
    lines = [
        *(item["text"] for item in first),
        *_by_headline(groups, data.headline),
        *gap_lines,
        _slice_statement(data, tested)["text"],
        f"Groups with too few rows for an estimate: {few}. That is not the same as fair." if few else "",
        f"Groups whose figures the privacy floor of {data.floor} withholds: {withheld}." if withheld else "",
        "" if mitigations is None else mitigation_note(mitigations, data).text,
    ]
    return display.note(*lines, tone=first[0]["tone"])


def _by_headline(groups: pd.DataFrame, metric: str) -> list[str]:
    """The group that is worst by the metric that the model was chosen by, and whether that may be chance."""
    row = worst_group(groups, metric=metric)
    if row is None:
        return ["No declared group has enough rows for an estimate of the headline metric."]
    whole = _overall(groups, metric)
    apart = bool(_apart(row, whole, metric))
    figures = f"{format_value(row['value'])} ({format_value(row['low'])} to {format_value(row['high'])})"
    return [
        f"By the headline metric, {row['slice']} = {row['group']} is worst: {metric_words(metric)} {figures}, "
        f"n = {row['n']:,}, against {format_value(whole)} overall"
        f"{'.' if apart else '; its interval holds the overall value, so this may be chance.'}"
    ]


def summarise_slices(
    data: GroupedRows, groups: pd.DataFrame, gaps: pd.DataFrame, tested: pd.DataFrame, criteria: pd.DataFrame
) -> dict[str, Any]:
    """Build the phase's summary: the group or gap that matters most, the worst confirmed slice, what to do next.

    Returns
    -------
    dict
        At most one fact and three statements; whatever else there is to say stands in the notebook.
    """
    found = whom_worst(data, groups, gaps, criteria)
    statements = _group_statements(data, groups, gaps, criteria, most=2)
    statements.append(_slice_statement(data, tested))
    facts = [item.fact for item in found[:1]]
    return {"facts": facts, "statements": statements, "next": _next(tested, criteria, found)}


def _group_statements(
    data: GroupedRows, groups: pd.DataFrame, gaps: pd.DataFrame, criteria: pd.DataFrame, *, most: int
) -> list[dict[str, str]]:
    found = whom_worst(data, groups, gaps, criteria)
    if not found:
        return [{"text": no_gap(data, gaps), "tone": "plain", "artefact": "slices_and_bias/disparities"}]
    return [{"text": item.text, "tone": item.tone, "artefact": item.artefact} for item in found[:most]]


def _slice_statement(data: GroupedRows, tested: pd.DataFrame) -> dict[str, str]:
    artefact = "slices_and_bias/confirmed"
    if tested.empty:
        text = "No slice was found on validation rows, and no group is declared, that could be tested on test rows."
        return {"text": text, "tone": "plain", "artefact": "slices_and_bias/slices"}
    confirmed = tested[tested["confirmed"]]
    if confirmed.empty:
        text = f"None of {len(tested)} slices and declared groups is confirmed on test rows."
        return {"text": text, "tone": "plain", "artefact": artefact}
    first = confirmed.sort_values("error_test", ascending=False, kind="stable").iloc[0]
    if pd.isna(first["error_test"]):
        text = f"{len(confirmed)} of {len(tested)} slices and declared groups are confirmed; the privacy floor"
        return {"text": f"{text} withholds their figures.", "tone": "warning", "artefact": artefact}
    inside, outside, n = first["error_test"], first["error_rest"], f"{first['n_test']:,} test rows"
    measure = str(first.get("measure", "error rate"))
    if data.target.is_classification and measure != "error rate":
        figures = f"{format_value(float(inside))} on its {first['n_test']:,} test rows at risk"
        what = f"the {measure} is {figures}, {format_value(float(outside))} elsewhere"
    elif data.target.is_classification:
        what = f"{inside:.0%} of its {n} get a wrong answer, {outside:.0%} elsewhere"
    else:
        figures = f"{format_value(float(inside))} on its {n}, {format_value(float(outside))} elsewhere"
        what = f"the mean squared error is {figures}"
    count = f"{len(confirmed)} of {len(tested)} slices and declared groups are confirmed"
    return {"text": f"Worst confirmed slice: {first['slice']}: {what} ({count}).", "tone": "warning",
            "artefact": artefact}  # fmt: skip


def _next(tested: pd.DataFrame, criteria: pd.DataFrame, found: list[Finding]) -> list[dict[str, str]]:
    steps = []
    for status, head, phase, advice in (
        ("not-met", "Not met", "model", "Look for better features, more rows or another model."),
        ("undecided", "Undecided", "data", "Collect rows of the groups that decide."),
    ):
        names = ", ".join(criteria.loc[criteria["status"] == status, "name"])
        if names:
            steps.append({"text": f"{head}: {names}. {advice}", "phase": phase})
    if any(item.tone == "warning" for item in found):
        advice = f"{found[0].fact['label']}: decide whether such a gap is acceptable, and say so in a criterion."
        steps.append({"text": advice, "phase": "scope"})
    if len(tested) and tested["confirmed"].any():
        advice = "Look at the rows of the confirmed slices: wrong labels, missing features or too few of them."
        steps.append({"text": advice, "phase": "data"})
    return steps or [{"text": "No group stands out; watch the same groups in production.", "phase": "deploy"}]
