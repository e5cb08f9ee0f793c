"""Feedback: what to do next, and to which phase of the lifecycle it leads back.

Monitoring closes the circle. Each kind of finding has its place to go back to: moved inputs and broken values to the
data, a changed relation between inputs and target to the model, slow or failing answers to the deployment, a group
that is served worse to slices and bias, a changed base rate to the scope and its thresholds. Every sentence is
computed from the alerts and the findings; where nothing is wrong, it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mlopskit.errors import listing
from mlopskit.monitor.alerts import ALERT, UNCHECKED, spell


@dataclass(frozen=True)
class Step:
    """One thing to do.

    Attributes
    ----------
    text : str
        What and why, in a sentence.
    phase : str
        The phase that it leads back to.
    """

    text: str
    phase: str


_ADVICE = {
    "data": "Ask the data's owner whether the source or its meaning changed, then add recent rows to the training data",
    "model": "Train on recent rows and compare the new model with the present one",
    "deploy": "Look at the service's load and errors, and roll back if they do not recover",
    "slices_and_bias": "Look at these groups' errors and at how much training data they had",
    "scope": "Ask whether the question, the costs and the thresholds still fit",
    "evaluate": "Look at the decision threshold again: the share of positive decisions has left what was agreed",
}


def next_steps(alerts: pd.DataFrame, verdicts: pd.DataFrame, windows: pd.DataFrame) -> list[Step]:
    """Work out what to do from alerts, verdicts on drift and the base rate.

    Parameters
    ----------
    alerts, verdicts, windows : DataFrame
        From `raise_alerts`, `explain` and `window_table`.

    Returns
    -------
    list of Step
        Most urgent first: a changed relation, then by alerts, then the base rate, then what could not be checked.
    """
    found = [*_concept_steps(verdicts), *_alert_steps(alerts), *_base_rate_steps(windows), *_unchecked_steps(alerts)]
    calm = [] if found else [Step("Nothing crossed a threshold: go on watching.", "monitor")]
    return [*found, *calm, *_unlogged_steps(verdicts)]


def _concept_steps(verdicts: pd.DataFrame) -> Iterator[Step]:
    hit = verdicts.loc[verdicts["verdict"].isin(["concept drift", "data and concept drift"]), "window"]
    if len(hit):
        yield Step(
            f"What comes true at equal scores has changed ({listing(hit)}): concept drift. New inputs alone would not "
            "do that, and re-weighting old rows will not mend it: train on recent labelled rows.",
            "model",
        )


def _alert_steps(alerts: pd.DataFrame) -> Iterator[Step]:
    fired = alerts[alerts["status"] == ALERT]
    for phase in dict.fromkeys(fired["leads_to"]):
        mine = fired[fired["leads_to"] == phase]
        names = [f"{row.metric} of {row.feature}" if row.feature else str(row.metric) for row in mine.itertuples()]
        yield Step(f"{_ADVICE[str(phase)]}: {listing(dict.fromkeys(names), limit=6)} raised an alert.", str(phase))


def _base_rate_steps(windows: pd.DataFrame) -> Iterator[Step]:
    rates = windows[
        windows["metric"].isin(["target_rate", "target_mean"]) & windows["change"].isin(["higher", "lower"])
    ]
    if len(rates):
        last = rates.iloc[-1]
        figures = f"{spell(last['value'])} against {spell(last['reference'])} when the model was accepted"
        yield Step(
            f"{_ADVICE['scope']}: in {last['window']} the {last['metric']} was {figures}, beyond the noise, "
            "which moves precision and the share selected even where the model holds.",
            "scope",
        )


def _unlogged_steps(verdicts: pd.DataFrame) -> Iterator[Step]:
    if len(verdicts) and verdicts["evidence"].str.startswith("whether the inputs moved cannot be said").all():
        yield Step(
            "No input could be checked in any window, so data drift would go unseen: ask whether [deployment] "
            "logging may hold some of them, or summaries of them.",
            "scope",
        )


def _unchecked_steps(alerts: pd.DataFrame) -> Iterator[Step]:
    unchecked = alerts[alerts["status"] == UNCHECKED]
    groups = unchecked["leads_to"] == "slices_and_bias"
    if groups.any():
        yield Step(
            f"Too few labelled rows to judge {listing(unchecked.loc[groups, 'feature'], limit=6)}, which does not mean "
            "that all is well: use longer windows, or collect labels for these groups.",
            "slices_and_bias",
        )
    if not groups.all():
        yield Step(
            "Could not be checked, which is not good news: "
            f"{listing(unchecked.loc[~groups, 'name'], limit=6)}. May [deployment] logging hold what lacks?",
            "scope",
        )


def next_markdown(steps: list[Step]) -> str:
    """Return the steps as a Markdown list."""
    lines = [f"{number}. **{step.phase}**: {_plain(step.text)}" for number, step in enumerate(steps, start=1)]
    return "\n".join(["# What to do next", "", *lines, ""])


def _plain(text: str) -> str:
    """Names from data must not become markup."""
    for mark in "\\`*_[]<>#|":
        text = text.replace(mark, "\\" + mark)
    return text


def summarise(
    *,
    windows: pd.DataFrame,
    drift: pd.DataFrame,
    verdicts: pd.DataFrame,
    alerts: pd.DataFrame,
    steps: list[Step],
    metric: str,
) -> dict[str, Any]:
    """Return what the report's first screen is made of: facts, statements, next steps; nothing that measures time."""
    fired = alerts[alerts["status"] == ALERT]
    facts = [*_headline_fact(windows, metric), _alert_fact(alerts)]
    statements = [{"text": str(row.text), "tone": "bad", "artefact": "monitor/alerts"} for row in fired.itertuples()]
    if fired.empty:
        statements.append({"text": f"No alert: {_checked(alerts)}.", "tone": "good", "artefact": "monitor/alerts"})
    statements.extend(_verdict_statements(verdicts, drift))
    unchecked = alerts.loc[alerts["status"] == UNCHECKED, "name"]
    if len(unchecked):
        text = f"Could not be checked: {listing(unchecked)}."
        statements.append({"text": text, "tone": "warning", "artefact": "monitor/alerts"})
    return {
        "facts": facts,
        "statements": statements,
        "next": [{"text": step.text, "phase": step.phase} for step in steps],
    }


def _headline_fact(windows: pd.DataFrame, metric: str) -> Iterator[dict[str, Any]]:
    rows = windows[(windows["metric"] == metric) & (windows["status"] == "measured")]
    if rows.empty:
        return
    last = rows.iloc[-1]
    yield {
        "label": f"{metric} in {last['window']}",
        "value": last["value"], "low": last["low"], "high": last["high"], "n": int(last["n"]),
        "baseline": last["reference"], "baseline_label": "when accepted",
        "explain": f"The latest window whose labels have arrived; {last['change']} compared with the reference.",
        "artefact": "monitor/windows",
    }  # fmt: skip


def _alert_fact(alerts: pd.DataFrame) -> dict[str, Any]:
    return {
        "label": "alerts", "value": int((alerts["status"] == ALERT).sum()), "low": None, "high": None, "n": len(alerts),
        "baseline": None, "baseline_label": None, "explain": f"Of what is watched by thresholds: {_checked(alerts)}.",
        "artefact": "monitor/alerts",
    }  # fmt: skip


def _checked(alerts: pd.DataFrame) -> str:
    counts = alerts["status"].value_counts()
    parts = [
        f"{int(counts[name])} {word}"
        for name, word in ((ALERT, "raised an alert"), ("ok", "ok"), (UNCHECKED, "could not be checked"))
        if name in counts
    ]
    return ", ".join(parts) or "no threshold is set"


def _verdict_statements(verdicts: pd.DataFrame, drift: pd.DataFrame) -> Iterator[dict[str, Any]]:
    said = verdicts[verdicts["verdict"].str.contains("drift") & (verdicts["verdict"] != "no drift")]
    if len(said):
        last = said.iloc[-1]
        yield {
            "text": f"{last['window']}: {last['verdict']}; {last['evidence']}.",
            "tone": "warning",
            "artefact": "monitor/verdicts",
        }
    elif len(drift):
        yield {"text": "No window shows data drift or concept drift.", "tone": "good", "artefact": "monitor/verdicts"}
