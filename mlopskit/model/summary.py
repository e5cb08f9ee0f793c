"""What the report's first screen says of the model phase."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlopskit import display
from mlopskit.data import TARGET
from mlopskit.metrics import score_array
from mlopskit.model.comparison import UNKNOWN, unbeaten_kinds
from mlopskit.model.headline import Headline
from mlopskit.model.mitigated import Mitigated
from mlopskit.model.threshold import Threshold
from mlopskit.model.training import Search


def winner_note(
    search: Search, predictions: pd.DataFrame, headline: Headline, *, applied: Mitigated | None = None
) -> display.Note:
    """Name the winner with its figure, its interval and its settings, and what was made of it by a mitigation."""
    found, best = _measured(predictions, headline), search.winner
    settings = ", ".join(f"{key} {value}" for key, value in best.candidate.settings.items()) or "default settings"
    value, low, high = (display.format_value(found[key]) for key in ("value", "low", "high"))
    figure = f"{headline.metric.label} {value} ({low} to {high})"
    rows = f"{found['n']:,} validation rows, on which it was chosen, so a little too good"
    lines = [f"{best.candidate.name} wins with {settings}: {figure} on {rows}."]
    if applied is not None and applied.drawn:
        own = f"{headline.metric.label} {display.format_value(best.value)} on {found['n']:,} validation rows"
        lines = [f"{best.candidate.name} wins with {settings}: {own}.", f"Kept is {applied.name}: {figure} on {rows}."]
    lines += [f"It {best.note}; a higher `max_iter` may gain a little."] if best.note else []
    failed = dict.fromkeys(f"{item.candidate.name} {item.note}" for item in search.fitted if item.estimator is None)
    warned = [
        *(f"Candidate {reason}." for reason in failed),
        *(f"Candidates warned: {text}" for text in search.warnings),
    ]
    return display.note(*lines, *warned, tone="warning" if warned else "plain")


def first_note(value: float, headline: Headline, n: int) -> display.Note:
    """Say what the fast first model reaches."""
    return display.note(
        f"A linear model with default settings: {headline.metric.label} {value:.3f} on {n:,} validation rows."
    )


def summarise_model(
    search: Search,
    predictions: pd.DataFrame,
    comparison: pd.DataFrame,
    headline: Headline,
    *,
    threshold: Threshold,
    verdict: display.Note,
    applied: Mitigated | None = None,
) -> dict[str, Any]:
    """Return the phase's summary: facts, statements and what to do next.

    Parameters
    ----------
    search : Search
        What was tried.
    predictions : DataFrame
        The winner's, on validation rows.
    comparison : DataFrame
        From `compare_with_baselines`.
    headline : Headline
        What decided.
    threshold : Threshold
        The chosen one.
    verdict : Note
        From `verdict`.
    applied : Mitigated, optional
        From `apply_mitigation`; without it the winner is what is kept.
    """
    name = search.winner.candidate.name if applied is None else applied.name
    facts = [_figure(predictions, comparison, headline), _model_fact(search, name)]
    if threshold.threshold is not None:
        explain = f"At or above this score the answer is yes; chosen for {threshold.objective}."
        facts.append(
            {"label": "threshold", "value": threshold.threshold, "explain": explain, "artefact": "model/threshold"}
        )
    lines = verdict.text.splitlines()
    statements = [{"text": lines[-1], "tone": verdict.tone, "artefact": "model/comparison"}] if lines else []
    if headline.question:
        statements.append({"text": headline.question, "tone": "warning", "artefact": "model/candidates"})
    return {
        "facts": [_blank_fact() | fact for fact in facts],
        "statements": statements,
        "next": _next(comparison, headline, name),
    }


def _figure(predictions: pd.DataFrame, comparison: pd.DataFrame, headline: Headline) -> dict[str, Any]:
    found = _measured(predictions, headline)
    return {
        "label": f"{headline.metric.label}, validation",
        **{key: found[key] for key in ("value", "low", "high", "n")},
        **_best_baseline(comparison, headline),
        "explain": f"{headline.metric.meaning} Chosen on these rows, so a little too good; the test figure counts.",
        "artefact": "model/candidates",
    }


def _model_fact(search: Search, name: str) -> dict[str, Any]:
    tried, winner = len(search.fitted), search.winner.candidate.name
    best = f"The best of {tried} configurations on validation rows"
    explain = f"{best}." if name == winner else f"{best} is {winner}; the mitigation chosen in mlops.toml was applied."
    return {
        "label": "model",
        "value": name,
        "n": tried,
        "explain": explain,
        "artefact": "model/candidates",
    }


def _blank_fact() -> dict[str, Any]:
    keys = ("label", "value", "low", "high", "n", "baseline", "baseline_label", "explain", "artefact")
    return dict.fromkeys(keys)


def _measured(predictions: pd.DataFrame, headline: Headline) -> dict[str, Any]:
    return headline.measure(
        predictions[TARGET].to_numpy(), (predictions["prediction"].to_numpy(), score_array(predictions))
    )


def show_progress(line: str) -> None:
    """Show one line as soon as it is known, as an output of its own: printed lines would be joined by chance."""
    from IPython.display import display as show

    show(display.note(line))


def _best_baseline(comparison: pd.DataFrame, headline: Headline) -> dict[str, Any]:
    """The hardest baseline to beat, which is the one that a figure must be read against."""
    known = comparison[(comparison["metric"] == headline.metric.name) & comparison["beaten"].notna()]
    if known.empty:
        return {}
    ordered = known.sort_values("beaten", ascending=not headline.metric.greater_is_better, kind="stable")
    return {"baseline": ordered["beaten"].iloc[0], "baseline_label": str(ordered["baseline"].iloc[0])}


def _next(comparison: pd.DataFrame, headline: Headline, winner: str) -> list[dict[str, str]]:
    steps = []
    if headline.question:
        steps.append({"text": "Name the metric that the decision needs in [model] metric.", "phase": "scope"})
    known = comparison[(comparison["metric"] == headline.metric.name) & (comparison["verdict"] != UNKNOWN)]
    unbeaten = unbeaten_kinds(known, winner)
    if comparison.empty:
        steps.append({"text": "Name at least one [[baseline]] that the model has to beat.", "phase": "scope"})
    elif unbeaten:
        text = f"Look for better features, or use what is simpler: {unbeaten[0]} is not clearly beaten."
        steps.append({"text": text, "phase": "data"})
    return steps
