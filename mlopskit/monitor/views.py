"""What a reader sees of monitoring: the lines of a table that matter, and sentences computed from the rest."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlopskit import display
from mlopskit.data import Target
from mlopskit.errors import listing
from mlopskit.monitor.estimate import ASSUMPTION
from mlopskit.monitor.feedback import Step
from mlopskit.monitor.traffic import Traffic


def worst_drift(drift: pd.DataFrame) -> pd.DataFrame:
    """One row a column: the window where it had moved farthest, with chance level and adjusted p-value.

    Returns
    -------
    DataFrame
        feature, window, n, value (PSI), chance, threshold, test, adjusted, status; largest PSI first.
    """
    psi = drift[drift["statistic"] == "psi"]
    order = psi.sort_values("value", ascending=False, kind="stable", na_position="last")
    worst = order.drop_duplicates("feature")
    tests = drift.loc[drift["statistic"].isin(["ks", "chi_squared"]), ["feature", "window", "statistic", "adjusted"]]
    worst = worst.drop(columns=["statistic", "adjusted"]).merge(
        tests.rename(columns={"statistic": "test"}), on=["feature", "window"], how="left"
    )
    return worst[["feature", "window", "n", "value", "chance", "threshold", "test", "adjusted", "status"]]


def latest_groups(groups: pd.DataFrame) -> pd.DataFrame:
    """One row a group: the newest window with a value, or the newest of all where there is none."""
    ranked = groups.assign(measured=groups["value"].notna(), place=np.arange(len(groups)))
    ranked = ranked.sort_values(["measured", "place"], ascending=[False, False], kind="stable")
    chosen = ranked.drop_duplicates(["slice", "group"]).sort_values(["slice", "value"], kind="stable")
    return chosen.drop(columns=["measured", "place"]).reset_index(drop=True)


def group_labels(groups: pd.DataFrame) -> list[str]:
    """Return the labels that groups bear among the observations, ``column = group``."""
    return sorted({f"{row.slice} = {row.group}" for row in groups.itertuples()})


def estimate_note(estimates: pd.DataFrame, *, target: Target) -> display.Note:
    """Say what was estimated, how often it came true, and on what it rests."""
    if estimates.empty:
        why = "a predicted number holds no probability" if not target.is_classification else "the log holds no scores"
        return display.note(f"Not applicable: {why}, so performance cannot be estimated without labels.")
    known = estimates[estimates["status"].isin(["came true", "did not come true"])]
    pending = estimates[(estimates["status"] == "labels not yet known") & (estimates["metric"] == "accuracy")]
    hits = int((known["status"] == "came true").sum())
    lines = [
        f"Without labels, accuracy in {row.window} is estimated at {row.value:.3f} ({row.low:.3f} to {row.high:.3f})."
        for row in pending.itertuples()
    ]
    if len(known):
        lines.append(f"Where labels have arrived, {hits} of {len(known)} estimates came true within their interval.")
    short = len(known) > 0 and hits < 0.8 * len(known)
    if short:
        lines.append(
            "That is too few for the assumption to hold here: do not rely on the estimates for the newest windows."
        )
    return display.note(*lines, ASSUMPTION, tone="warning" if short else "plain")


def stream_sentence(stream: pd.DataFrame, traffic: Traffic) -> str:
    """Say what DDM found on the stream of errors."""
    total = int(traffic.known.sum())
    alarms = stream[stream["kind"] == "alarm"]
    if total == 0:
        return "No labels are known, so the stream of errors could not be watched."
    if alarms.empty:
        return f"DDM on the stream of {total:,} errors and hits called no alarm."
    places = [
        str(window) if pd.isna(place) else f"row {place:,} ({window})"
        for window, place in zip(alarms["window"], alarms["position"], strict=True)
    ]
    return f"DDM on the stream of {total:,} errors and hits called {len(alarms)} alarms, at {listing(places, limit=5)}."


def steps_note(steps: list[Step]) -> display.Note:
    """Show what to do next, each with the phase that it leads back to."""
    calm = all(step.phase == "monitor" for step in steps)
    return display.note(*[f"→ {step.phase}: {step.text}" for step in steps], tone="good" if calm else "warning")
