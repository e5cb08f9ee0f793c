"""The winner against each baseline: how much better, how sure, and whether the difference is worth a model.

Both are judged on the same validation rows, so the difference is paired. A gain whose interval holds
0 is inside the noise; then the simpler one is recommended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.metrics import Metric, PairedDifference, get_metric, score_array
from mlopskit.model.benchmarks import SIMPLE, Benchmarks
from mlopskit.model.fitting import TrainingData
from mlopskit.model.headline import Answers, Headline
from mlopskit.model.prediction import predict_table

BETTER, WORSE, NOISE, UNKNOWN = "better", "worse", "inside the noise", "could not compare"

FIGURE_AS_EXACT = ", figure taken as exact"

_COLUMNS = ["baseline", "kind", "metric", "winner", "beaten", "value", "low", "high", "n", "method", "verdict"]


def compare_with_baselines(
    predictions: pd.DataFrame, data: TrainingData, benchmarks: Benchmarks, headline: Headline
) -> pd.DataFrame:
    """Return the paired difference winner − baseline for each baseline, with interval and verdict.

    Parameters
    ----------
    predictions : DataFrame
        The winner's prediction table for the validation rows.
    data : TrainingData
        Holds those rows.
    benchmarks : Benchmarks
        The fitted baselines; a published figure is taken as exact.
    headline : Headline
        What is compared; where it uses scores, balanced accuracy as well, since some baselines only decide.

    Returns
    -------
    DataFrame
        baseline, kind, metric, winner and beaten (their figures), value, low, high, n, method and verdict: ``better``,
        ``worse``, ``inside the noise`` or ``could not compare``.
    """
    rows: list[dict[str, Any]] = []
    for item in records(benchmarks.table):
        who = {"baseline": item["name"], "kind": item["kind"]}
        if item["artefact"]:
            model = benchmarks.estimators[item["artefact"]]
            other = predict_table(model, data.validation, target=data.target, threshold=None)
            names = compared_metrics(headline)
            rows += [who | _paired(predictions, other, name, headline, data.blocks) for name in names]
        elif np.isfinite(item["value"]) and not item["status"].startswith("could not"):
            rows.append(who | _against_figure(predictions, item, headline, data.blocks))
        else:
            rows.append(who | _unknown(item))
    return pd.DataFrame(rows, columns=_COLUMNS)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings from column names."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def compared_metrics(headline: Headline) -> list[str]:
    """Return the headline metric and, beside one that uses scores, balanced accuracy."""
    also = ["balanced_accuracy"] if headline.task != "regression" and headline.metric.uses == "score" else []
    return [headline.metric.name, *also]


def _answers(table: pd.DataFrame) -> Answers:
    return table["prediction"].to_numpy(), score_array(table)


def _paired(mine: pd.DataFrame, other: pd.DataFrame, name: str, headline: Headline, blocks: Any) -> dict[str, Any]:
    metric, y_true = get_metric(name, headline.task), mine[TARGET].to_numpy()
    a, b = _answers(mine), _answers(other)
    found = headline.difference(y_true, a, b, metric=name, blocks=blocks)
    figures = {"winner": metric.function(y_true, *a), "beaten": metric.function(y_true, *b)}
    return {"metric": name, **figures, **_difference(found, metric)}


def _against_figure(mine: pd.DataFrame, item: Mapping[str, Any], headline: Headline, blocks: Any) -> dict[str, Any]:
    metric, figure = get_metric(item["metric"], headline.task), item["value"]
    own = headline.measure(mine[TARGET].to_numpy(), _answers(mine), metric=metric.name, blocks=blocks)
    gap = {key: own[key] - figure for key in ("value", "low", "high")}
    found = PairedDifference(**gap, method=f"{own['method']}{FIGURE_AS_EXACT}", n=int(own["n"]))
    return {"metric": metric.name, "winner": own["value"], "beaten": figure, **_difference(found, metric)}


def _difference(found: PairedDifference, metric: Metric) -> dict[str, Any]:
    return {**dataclasses.asdict(found), "verdict": _verdict(found, metric)}


def _verdict(found: PairedDifference, metric: Metric) -> str:
    if not np.isfinite([found.low, found.high]).all() or metric.greater_is_better is None:
        return UNKNOWN
    if found.low <= 0 <= found.high:
        return NOISE
    return BETTER if (found.low > 0) == metric.greater_is_better else WORSE


def _unknown(item: Mapping[str, Any]) -> dict[str, Any]:
    empty = dict.fromkeys(("winner", "beaten", "value", "low", "high"), np.nan)
    return {**empty, "metric": item["metric"], "n": 0, "method": item["status"], "verdict": UNKNOWN}


def verdict(comparison: pd.DataFrame, metric: Metric, *, winner: str, mitigation: str = "") -> display.Note:
    """Say in sentences what the comparison means and what is recommended.

    Parameters
    ----------
    comparison : DataFrame
        From `compare_with_baselines`.
    metric : Metric
        The headline metric; a published figure speaks in its own.
    winner : str
        The candidate that won.
    mitigation : str
        What was done about a gap between groups, where something was.
    """
    only_figure = ~comparison["baseline"].isin(comparison.loc[comparison["metric"] == metric.name, "baseline"])
    spoken = comparison[(comparison["metric"] == metric.name) | only_figure]
    if spoken.empty:
        said = "No baseline is named in mlops.toml, so nothing says what this figure is worth."
        return display.note(said, tone="warning")
    sentences = [_sentence(row, winner) for row in records(spoken)]
    advice, tone = _advice(spoken, winner)
    if mitigation:
        sentences.append(
            f"What {mitigation} is for, a smaller gap between groups, is not counted here; the slices phase tells it."
        )
    return display.note(*sentences, advice, tone=tone)


def _sentence(row: Mapping[str, Any], winner: str) -> str:
    if row["verdict"] == UNKNOWN:
        return f"Against the {row['baseline']} baseline: could not compare ({row['method']})."
    if row["value"] == row["low"] == row["high"] == 0:
        return (
            f"{winner} and the {row['baseline']} baseline are equal on these rows: {row['metric']} {row['winner']:.3f}."
        )
    gap = f"{row['value']:+.3g} ({row['low']:+.3g} to {row['high']:+.3g})"
    figures = f"{row['metric']} {row['winner']:.3f} against {row['beaten']:.3f}, a difference of {gap}"
    meaning = {
        BETTER: f"{winner} is better than the {row['baseline']} baseline",
        WORSE: f"{winner} is worse than the {row['baseline']} baseline",
        NOISE: f"{winner} and the {row['baseline']} baseline cannot be told apart, the difference is inside the noise",
    }
    return f"{meaning[row['verdict']]}: {figures}."


def unbeaten_kinds(known: pd.DataFrame, winner: str) -> list[str]:
    """Return the simple kinds that the winner does not clearly beat, simplest first."""
    unbeaten = set(known.loc[known["verdict"] != BETTER, "kind"])
    return [kind for kind in SIMPLE if kind in unbeaten and not (kind == "linear" and winner == "linear")]


def _advice(spoken: pd.DataFrame, winner: str) -> tuple[str, str]:
    """Recommend the simplest baseline that is as good; a `linear` candidate is as simple as the linear baseline."""
    known = spoken[spoken["verdict"] != UNKNOWN]
    simple = unbeaten_kinds(known, winner)
    if simple:
        why = "It is simpler and, as far as these rows can tell, at least as good."
        return f"Recommended: the {simple[0]} baseline. {why}", "warning"
    better = known[known["verdict"] == WORSE]
    published = better["method"].str.endswith(FIGURE_AS_EXACT)
    if not better[~published].empty:
        names = ", ".join(better.loc[~published, "baseline"])
        return f"Recommended: not to use this model as it is; {names} does better.", "bad"
    if not better.empty:
        names = ", ".join(better["baseline"])
        return f"Recommended: {winner}, but the figure of {names} is not reached; it is from other rows.", "warning"
    if len(known) < len(spoken):
        return f"Recommended: {winner}, as far as it could be compared.", "warning"
    return f"Recommended: {winner}.", "good"
