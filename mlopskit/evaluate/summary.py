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
from mlopskit.evaluate.gains import SAME
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
    beaten = gains["verdict"].isin(["better", SAME]).all()
    return display.note(*lines, tone="good" if beaten else "warning")


def _gain_sentence(row: Row) -> str:
    label = METRICS[row["metric"]].label
    what = f"{label}, model {say(row['model'])} against {row['baseline']} {say(row['value'])}"
    if row["verdict"] == NOT_ESTIMATED:
        return f"{what}: the gain cannot be estimated ({row['method']})."
    if row["verdict"] == SAME:
        return f"{what}: the same answers, since the model is this baseline."
    return f"{what}: gain {say(row['gain'])} ({say(row['low'])} to {say(row['high'])}), {row['verdict']}."


def criteria_note(criteria: pd.DataFrame) -> Note:
    """Count the criteria judged here and give each one's reason."""
    if criteria.empty:
        return display.note("No criterion speaks of all test rows or of a gain; slices and bias may judge some.")
    counts = verdicts_by_status(criteria)
    head = f"{counts['met']} of {len(criteria)} criteria judged here are met"
    rest = [f"{counts[key]} {key}" for key in ("not-met", "undecided") if counts[key]]
    lines = [f"{row['name']}: {row['status']}. {row['reason']}{_guess(row)}" for row in criteria.to_dict("records")]
    tone = "bad" if counts["not-met"] else "warning" if counts["undecided"] else "good"
    return display.note(f"{head}{', ' if rest else ''}{', '.join(rest)}.", *lines, tone=tone)


def _guess(row: Row) -> str:
    """Say what guessing would have given where a criterion asks for a figure; nothing where that is undefined."""
    value = row.get("majority", np.nan)
    if not np.isfinite(value):
        return ""
    of_numbers = row["metric"] in METRICS and METRICS[row["metric"]].tasks == ("regression",)
    return f" A {'mean' if of_numbers else 'majority'} guess gives {say(value)}."


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
    own = gains.loc[gains["metric"] == headline.name]
    statements = [
        (_gains_in_short(own), gains_note(own).tone, "gains") if len(own) else None,
        (_criteria_in_short(criteria), criteria_note(criteria).tone, "criteria") if len(criteria) else None,
        (_calibration_in_short(calibration), calibration_note(calibration).tone, "calibration_error")
        if len(calibration)
        else None,
        (_explanation_in_short(explanation), explanation.tone, "shap_global"),
    ]
    return {
        "facts": facts + _gain_fact(gains, headline),
        "statements": [_statement(*item) for item in statements if item is not None],
        "next": _next(metrics, gains, criteria, headline, calibration),
    }


def _statement(text: str, tone: str, artefact: str) -> dict[str, str]:
    return {"text": text, "tone": tone, "artefact": f"evaluate/{artefact}"}


def strongest_baseline(gains: pd.DataFrame) -> Row | None:
    """The baseline over which the gain is smallest; guessing and published figures count only where there is no other.

    The model itself, where a baseline won, is no rival of its own.

    Parameters
    ----------
    gains : DataFrame
        As from `mlopskit.evaluate.baseline_gains`, of one metric.
    """
    known = gains[gains["gain"].notna() & (gains["verdict"] != SAME)]
    simple = known[(known["baseline"] != "majority") & ~known["method"].astype("str").str.startswith("not paired")]
    chosen = simple if len(simple) else known
    if chosen.empty:
        return None
    row: Row = chosen.sort_values("gain", kind="stable").to_dict("records")[0]
    return row


def _gains_in_short(gains: pd.DataFrame) -> str:
    row = strongest_baseline(gains)
    if row is None:
        return "No gain over a baseline can be estimated on these rows."
    behind = gains.loc[~gains["verdict"].isin(["better", NOT_ESTIMATED, SAME]), "baseline"].tolist()
    others = [name for name in behind if name != row["baseline"]]
    also = f"; not clearly better than {', '.join(others)}" if others else ""
    label, name = METRICS[row["metric"]].label, row["baseline"]
    return (
        f"{label} is {say(row['model'])} against {say(row['value'])} of {name}, the strongest baseline: gain "
        f"{say(row['gain'])} ({say(row['low'])} to {say(row['high'])}), {row['verdict']}{also}."
    )


def _criteria_in_short(criteria: pd.DataFrame) -> str:
    counts = verdicts_by_status(criteria)
    open_ones = [
        f"{status}: {', '.join(criteria.loc[criteria['status'] == status, 'name'])}"
        for status in ("not-met", "undecided")
        if counts[status]
    ]
    head = f"{counts['met']} of {len(criteria)} criteria judged here are met"
    return f"{'; '.join([head, *open_ones])}."


def _calibration_in_short(error: pd.DataFrame) -> str:
    worst = error.to_dict("records")[0]
    figures = f"calibration error {worst['error']:.3f}, by chance hardly more than {worst['perfect_high']:.3f}"
    off = error.loc[error["status"] == "miscalibrated", "class"].astype(str).tolist()
    if not off:
        return f"The scores can be read as probabilities ({figures})."
    return f"The scores of {', '.join(off[:5])} are not to be read as probabilities ({figures})."


def _explanation_in_short(explanation: Note) -> str:
    """What gives the note its tone: the question about a sensitive column where there is one, else its first line."""
    lines = explanation.text.splitlines()
    return lines[1] if explanation.tone == "warning" and len(lines) > 1 else lines[0] if lines else ""


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
    row = strongest_baseline(gains[gains["metric"] == headline.name])
    if row is None:
        return []
    alone = f"{row['baseline']} alone scores {say(row['value'])}"
    return [{
        "label": f"Gain in {headline.label} over {row['baseline']}, the strongest baseline",
        **{key: row[other] for key, other in (("value", "gain"), ("low", "low"), ("high", "high"), ("n", "n"))},
        "baseline": 0.0, "baseline_label": "no gain",
        "explain": f"How much better the model is on the same rows; {alone}.",
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
    unbeaten = (gains["metric"] == headline.name) & ~gains["verdict"].isin(["better", SAME])
    own = gains.loc[unbeaten, "baseline"].tolist()
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
