"""The criteria on slices and gaps, for whom the model works worst in one sentence, and the summary of the phase."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.display import Note, format_value
from mlopskit.evaluate.bias import disparity_sentences
from mlopskit.evaluate.by_group import GroupedRows, disparities_by_column, metrics_by_slice
from mlopskit.evaluate.criteria import Verdict, judge, judge_groups, verdict_table
from mlopskit.evaluate.found_slices import nothing_found
from mlopskit.evaluate.group_display import worst_first
from mlopskit.evaluate.grouped import OVERALL
from mlopskit.evaluate.summary import criteria_note
from mlopskit.metrics import ESTIMATED, METRICS
from mlopskit.scope import Criterion


def judge_by_group(data: GroupedRows, *, replicates: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Judge the criteria that speak of every slice of a column or of the gap between its groups.

    Returns
    -------
    DataFrame
        One row a criterion with the fields of `mlopskit.evaluate.Verdict`. A group, or a gap, that cannot be
        estimated is never met.
    """
    return verdict_table([_verdict(item, data, replicates=replicates, seed=seed) for item in data.criteria])


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
        wide = metrics_by_slice(data, replicates=replicates, confidence=1 - 0.05 / max(len(groups), 1), **options)
        outer = wide[wide["slice"] == column].reset_index(drop=True)
        groups = groups.assign(outer_low=outer["low"], outer_high=outer["high"])
        return judge_groups(criterion, groups, scope=scope, slice=column)
    table = disparities_by_column(data, groups, replicates=replicates, **options)
    return _judge_gap(criterion, table.to_dict("records")[0], data, column)


def _judge_gap(criterion: Criterion, row: Mapping[Any, Any], data: GroupedRows, column: str) -> Verdict:
    kind, n = criterion.gap, len(data.test)
    figures = (row[kind], row[f"{kind}_low"], row[f"{kind}_high"])
    known, _, total = str(row["groups"]).partition(" of ")
    between = f"{row['smallest']} to {row['largest']}" if row["status"] == ESTIMATED else ""
    made = judge(criterion, *figures, scope="gap", n=n, slice=column, group=between, why=str(row["method"]))
    if known != total and made.status == "met":
        why = f"{known} of {total} groups have enough rows"
        return judge(criterion, np.nan, np.nan, np.nan, scope="gap", n=n, slice=column, why=why)
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


def worst_note(groups: pd.DataFrame, *, metric: str) -> Note:
    """Say for whom the model works worst, and whether the interval leaves room for chance."""
    row = worst_group(groups, metric=metric)
    if row is None:
        return display.note("Not applicable: no declared group has enough rows for an estimate.")
    whole = _overall(groups, metric)
    apart = bool(_apart(row, whole, metric))
    few = int(((groups["metric"] == metric) & (groups["status"] != ESTIMATED)).sum())
    return display.note(
        f"The model works worst for {row['slice']} = {row['group']}: {METRICS[metric].label} "
        f"{format_value(row['value'])} ({format_value(row['low'])} to {format_value(row['high'])}, n = {row['n']:,}) "
        f"against {format_value(whole)} overall.",
        "" if apart else "Its interval holds the overall value, so this may be chance.",
        f"Groups with too few rows for an estimate: {few}. That is not the same as fair." if few else "",
        tone="warning" if apart else "plain",
    )


def summarise_slices(
    data: GroupedRows,
    groups: pd.DataFrame,
    gaps: pd.DataFrame,
    tested: pd.DataFrame,
    criteria: pd.DataFrame,
    *,
    alpha: float,
) -> dict[str, Any]:
    """Build the phase's summary: the worst group, the largest gaps, the confirmed slices, what to do next."""
    row = worst_group(groups, metric=data.headline)
    facts = [_worst_fact(row, groups, data.headline)] if row is not None else []
    note = worst_note(groups, metric=data.headline)
    statements = [{"text": note.text.replace("\n", " "), "tone": note.tone, "artefact": "slices_and_bias/groups"}]
    statements += [
        {"text": text, "tone": "warning", "artefact": "slices_and_bias/disparities"}
        for column in data.columns.sensitive
        for text in islice(disparity_sentences(gaps[gaps["slice"] == column], column=column), 1)
    ]
    statements.append(_slice_statement(data, tested, alpha))
    return {"facts": facts, "statements": statements, "next": _next(tested, criteria)}


def _worst_fact(row: Mapping[Any, Any], groups: pd.DataFrame, metric: str) -> dict[str, Any]:
    return {
        "label": f"{METRICS[metric].label} for {row['slice']} = {row['group']}, the worst group",
        **{key: row[key] for key in ("value", "low", "high", "n")},
        "baseline": _overall(groups, metric), "baseline_label": "overall",
        "explain": "The declared group for which the model works worst; it is worst of many, so partly by chance.",
        "artefact": "slices_and_bias/groups",
    }  # fmt: skip


def _slice_statement(data: GroupedRows, tested: pd.DataFrame, alpha: float) -> dict[str, str]:
    artefact = "slices_and_bias/confirmed"
    if tested.empty:
        return {"text": nothing_found(data, alpha=alpha), "tone": "good", "artefact": "slices_and_bias/slices"}
    confirmed = tested[tested["confirmed"]]
    if confirmed.empty:
        text = f"None of {len(tested)} slices found on validation rows is confirmed on test rows."
        return {"text": text, "tone": "plain", "artefact": artefact}
    first = confirmed.sort_values("error_test", ascending=False, kind="stable").iloc[0]
    text = (
        f"{len(confirmed)} of {len(tested)} slices found are confirmed on test rows; the worst is {first['slice']}: "
        "error "
        f"{format_value(first['error_test'])} against {format_value(first['error_rest'])} elsewhere "
        f"({first['n_test']:,} test rows)."
    )
    return {"text": text, "tone": "warning", "artefact": artefact}


def _next(tested: pd.DataFrame, criteria: pd.DataFrame) -> list[dict[str, str]]:
    steps = []
    for status, head, phase, advice in (
        ("not-met", "Not met", "model", "Look for better features, more rows or another model."),
        ("undecided", "Undecided", "data", "Collect rows of the groups that decide."),
    ):
        names = ", ".join(criteria.loc[criteria["status"] == status, "name"])
        if names:
            steps.append({"text": f"{head}: {names}. {advice}", "phase": phase})
    if len(tested) and tested["confirmed"].any():
        advice = "Look at the rows of the confirmed slices: wrong labels, missing features or too few of them."
        steps.append({"text": advice, "phase": "data"})
    return steps or [{"text": "No group stands out; watch the same groups in production.", "phase": "deploy"}]
