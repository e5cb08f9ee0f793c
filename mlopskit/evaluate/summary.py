"""The sentences and the summary record of the evaluation, computed from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET, Target
from mlopskit.display import Note
from mlopskit.evaluate.criteria import say
from mlopskit.evaluate.plots import verdicts_by_status
from mlopskit.metrics import METRICS, NOT_ESTIMATED, Metric

Row = Mapping[Any, Any]


def scored_note(predictions: pd.DataFrame, target: Target) -> Note:
    """Say how many rows were scored, and what the truth and the answers look like."""
    n, truth, answers = len(predictions), predictions[TARGET], predictions["prediction"]
    if not target.is_classification:
        unit = target.unit or target.column
        return display.note(
            f"{n:,} test rows scored: mean {unit} {say(truth.mean())}, mean prediction {say(answers.mean())}."
        )
    if target.task == "binary":
        shares = f"{truth.mean():.1%} are {target.classes[1]}, {answers.mean():.1%} are called so"
        return display.note(f"{n:,} test rows scored: {shares}.")
    right = float((truth == answers).mean())
    return display.note(f"{n:,} test rows of {len(target.classes)} classes scored: {right:.1%} get the right one.")


def metrics_note(metrics: pd.DataFrame, headline: Metric) -> Note:
    """Say what the headline metric is, how sure, and what guessing scores; name what cannot be estimated."""
    row = _row_of(metrics, headline.name)
    unknown = metrics.loc[metrics["status"] == NOT_ESTIMATED, "metric"].tolist()
    lines = [_headline_sentence(row, headline)] if row else []
    if unknown:
        lines.append(f"Cannot be estimated on these rows: {', '.join(METRICS[name].label for name in unknown)}.")
    beaten = bool(row) and _is_better(row, headline)
    return display.note(*lines, tone="plain" if beaten and not unknown else "warning")


def _row_of(metrics: pd.DataFrame, name: str) -> Row:
    found = metrics.loc[metrics["metric"] == name].to_dict("records")
    return found[0] if found else {}


def _headline_sentence(row: Row, headline: Metric) -> str:
    if row["status"] == NOT_ESTIMATED:
        return f"{headline.label} cannot be estimated: {row['method']}."
    figures = (
        f"{headline.label} is {row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f}) on {row['n']:,} test rows"
    )
    guess = f"; a majority guess scores {row['majority']:.3f}" if np.isfinite(row["majority"]) else ""
    return f"{figures}{guess}. {headline.meaning}"


def _is_better(row: Row, headline: Metric) -> bool:
    """Whether the whole interval lies on the better side of the guess."""
    if row["status"] == NOT_ESTIMATED or not np.isfinite(row["majority"]):
        return False
    if headline.greater_is_better is None:
        return True
    return bool(row["low"] > row["majority"]) if headline.greater_is_better else bool(row["high"] < row["majority"])


def calibration_note(error: pd.DataFrame) -> Note:
    """Say whether scores can be read as probabilities, against what chance alone would show."""
    if error.empty:
        return display.note("Not applicable: calibration needs probabilities, and rows of each class.")
    off = error.loc[error["status"] == "miscalibrated", "class"].astype(str).tolist()
    worst = error.to_dict("records")[0]
    figures = (
        f"The calibration error of {worst['class']} is {worst['error']:.3f}; perfectly calibrated scores would show "
        f"{worst['perfect']:.3f} on average on as many rows, and hardly ever more than {worst['perfect_high']:.3f}."
    )
    if not off:
        fine = "The scores can be read as probabilities, as far as these rows can tell."
        return display.note(figures, fine, tone="good")
    side = "high" if worst["mean_gap"] > 0 else "low"
    gap = f"the mean score of {worst['class']} is {abs(worst['mean_gap']):.3f} too {side}"
    warning = f"Not to be read as probabilities: the scores of {', '.join(off[:5])}; {gap}."
    return display.note(figures, warning, tone="warning")


def gains_note(gains: pd.DataFrame) -> Note:
    """One sentence a baseline and metric, the paired gain with its interval."""
    if gains.empty:
        return display.note(
            "No baseline is declared, so there is nothing to beat. Add one in mlops.toml.", tone="warning"
        )
    lines = [_gain_sentence(row) for row in gains.to_dict("records")]
    beaten = (gains["verdict"] == "better").all()
    return display.note(*lines, tone="good" if beaten else "warning")


def _gain_sentence(row: Row) -> str:
    label = METRICS[row["metric"]].label
    what = f"{label}, model {say(row['model'])} against {row['baseline']} {say(row['value'])}"
    if row["verdict"] == NOT_ESTIMATED:
        return f"{what}: the gain cannot be estimated ({row['method']})."
    return f"{what}: gain {say(row['gain'])} ({say(row['low'])} to {say(row['high'])}), {row['verdict']}."


def criteria_note(criteria: pd.DataFrame) -> Note:
    """Count the criteria judged here and give each one's reason."""
    if criteria.empty:
        return display.note("No criterion speaks of all test rows or of a gain; slices and bias may judge some.")
    counts = verdicts_by_status(criteria)
    head = f"{counts['met']} of {len(criteria)} criteria judged here are met"
    rest = [f"{counts[key]} {key}" for key in ("not-met", "undecided") if counts[key]]
    lines = [f"{row['name']}: {row['status']}. {row['reason']}" for row in criteria.to_dict("records")]
    tone = "bad" if counts["not-met"] else "warning" if counts["undecided"] else "good"
    return display.note(f"{head}{', ' if rest else ''}{', '.join(rest)}.", *lines, tone=tone)


def summarise_evaluation(
    metrics: pd.DataFrame,
    gains: pd.DataFrame,
    criteria: pd.DataFrame,
    *,
    headline: Metric,
    target: Target,
    calibration: pd.DataFrame,
    explanation: Note,
) -> dict[str, Any]:
    """Build the phase's summary: facts, statements, what to do next.

    Parameters
    ----------
    metrics, gains, criteria, calibration : DataFrame
        The tables of this phase; `calibration` is the table of calibration errors.
    headline : Metric
        The figure that the model was chosen by.
    target : Target
        What is predicted.
    explanation : Note
        As from `mlopskit.evaluate.explanation_note`.
    """
    second = {"binary": "balanced_accuracy", "multiclass": "balanced_accuracy", "regression": "r2"}[target.task]
    names = list(dict.fromkeys([headline.name, second]))
    facts = [_metric_fact(_row_of(metrics, name)) for name in names if _row_of(metrics, name)]
    notes = [
        (gains_note(gains.loc[gains["metric"] == headline.name]), "evaluate/gains") if not gains.empty else None,
        (criteria_note(criteria), "evaluate/criteria") if not criteria.empty else None,
        (calibration_note(calibration), "evaluate/calibration_error") if not calibration.empty else None,
        (explanation, "evaluate/shap_global"),
    ]
    statements = [_statement(*note) for note in notes if note is not None]
    gain = _gain_fact(gains, headline)
    return {
        "facts": facts + gain,
        "statements": statements,
        "next": _next(metrics, gains, criteria, headline, calibration),
    }


def _statement(note: Note, artefact: str) -> dict[str, str]:
    return {"text": note.text, "tone": note.tone, "artefact": artefact}


def _metric_fact(row: Row) -> dict[str, Any]:
    metric = METRICS[row["metric"]]
    figures = {key: row[key] for key in ("value", "low", "high", "n")}
    baseline = {"baseline": row["majority"], "baseline_label": "majority guess"}
    if "regression" in metric.tasks:
        baseline["baseline_label"] = "mean guess"
    return {"label": f"{metric.label} on test rows", **figures, **baseline, "explain": metric.meaning,
            "artefact": "evaluate/metrics"}  # fmt: skip


def _gain_fact(gains: pd.DataFrame, headline: Metric) -> list[dict[str, Any]]:
    """The gain over the strongest baseline in the headline metric."""
    known = gains.loc[(gains["metric"] == headline.name) & gains["gain"].notna()]
    if known.empty:
        return []
    row = known.sort_values("gain", kind="stable").to_dict("records")[0]
    return [{
        "label": f"Gain in {headline.label} over {row['baseline']}", "value": row["gain"], "low": row["low"],
        "high": row["high"], "n": row["n"], "baseline": 0.0, "baseline_label": "no gain",
        "explain": "How much better the model is than the strongest baseline on the same rows; above 0 it is better.",
        "artefact": "evaluate/gains",
    }]  # fmt: skip


def _next(
    metrics: pd.DataFrame, gains: pd.DataFrame, criteria: pd.DataFrame, headline: Metric, calibration: pd.DataFrame
) -> list[dict[str, str]]:
    steps = []
    failed = criteria.loc[criteria["status"] == "not-met", "name"].tolist()
    unsure = criteria.loc[criteria["status"] == "undecided", "name"].tolist()
    if failed:
        steps.append({"text": f"Not met: {'; '.join(failed)}. Better features or another model.", "phase": "model"})
    if unsure:
        steps.append({"text": f"Undecided: {'; '.join(unsure)}. Collect more test rows.", "phase": "data"})
    own = gains.loc[(gains["metric"] == headline.name) & (gains["verdict"] != "better"), "baseline"].tolist()
    if own:
        steps.append(
            {"text": f"No clear gain over {', '.join(own)}: use the simpler one or improve.", "phase": "model"}
        )
    if (calibration["status"] == "miscalibrated").any():
        steps.append({"text": "Calibrate the scores before anyone reads them as probabilities.", "phase": "model"})
    unknown = metrics.loc[metrics["status"] == NOT_ESTIMATED, "metric"].tolist()
    if unknown:
        steps.append({"text": f"Too few test rows for {', '.join(unknown)}.", "phase": "data"})
    return steps
