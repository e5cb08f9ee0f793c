"""Which kind of change was it? Data drift, concept drift or both, each with its evidence in words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlopskit.monitor.performance import PENDING


def explain(concept: pd.DataFrame, drift: pd.DataFrame, windows: pd.DataFrame, *, metric: str) -> pd.DataFrame:
    """Say for every window which kind of change the evidence supports.

    Parameters
    ----------
    concept, drift, windows : DataFrame
        From `concept_table`, `drift_table` and `window_table`.
    metric : str
        The headline metric.

    Returns
    -------
    DataFrame
        window, verdict (no drift, data drift, concept drift, data and concept drift, or what is unknown), evidence
    """
    rows = []
    for entry in concept.to_dict("records"):
        moved = drift[(drift["window"] == entry["window"]) & (drift["statistic"] == "psi") & (drift["role"] == "input")]
        signs = (
            ["drift"] if moved["threshold"].notna().any() else ["beyond chance"]
        )  # without a threshold chance alone judges
        drifted = moved[moved["status"].isin(signs)].sort_values(["value", "feature"], ascending=[False, True])
        chosen = windows[(windows["window"] == entry["window"]) & (windows["metric"] == metric)]
        checked = bool((moved["status"] != "could not check").any())
        verdict = _verdict(str(entry["status"]), bool(len(drifted)), checked)
        parts = [_input_evidence(drifted, checked), _concept_evidence(entry), _metric_evidence(chosen, metric)]
        rows.append(
            {"window": entry["window"], "verdict": verdict, "evidence": "; ".join(part for part in parts if part)}
        )
    return pd.DataFrame(rows, columns=["window", "verdict", "evidence"])


def _verdict(status: str, drifted: bool, checked: bool) -> str:
    if status == "concept drift":
        return "data and concept drift" if drifted else "concept drift"
    if status == "no sign":
        return "data drift" if drifted else "no drift" if checked else "no concept drift; inputs could not be checked"
    return f"data drift; {status}" if drifted else status


def _input_evidence(drifted: pd.DataFrame, checked: bool) -> str:
    if not checked:
        return "whether the inputs moved cannot be said: none of them is in the log, or there are too few rows"
    names = [f"{row.feature} (PSI {row.value:.2f})" for row in drifted.head(3).itertuples()]
    more = f" and {len(drifted) - 3} more" if len(drifted) > 3 else ""
    return f"inputs moved: {', '.join(names)}{more}" if names else "no input moved beyond its threshold"


def _concept_evidence(entry: dict[Any, Any]) -> str:
    if entry["status"] not in {"concept drift", "no sign"}:
        return "whether P(y|x) changed cannot be said without labels" if entry["status"] == PENDING else ""
    said = (
        "outcomes at equal scores changed"
        if entry["status"] == "concept drift"
        else "outcomes at equal scores did not change"
    )
    return f"{said} (by {entry['shift']:.3f} on average, adjusted p {entry['adjusted']:.2g})"


def _metric_evidence(chosen: pd.DataFrame, metric: str) -> str:
    if chosen.empty or pd.isna(chosen["difference"].iloc[0]):
        return ""
    row = chosen.iloc[0]
    return f"{metric} {row['value']:.3f} against {row['reference']:.3f}: {row['change']}"
