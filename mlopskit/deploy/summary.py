"""What the first screen of the report says of the deployment; nothing in it depends on timing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlopskit.data.columns import ROW, TARGET
from mlopskit.deploy.bundle import Bundle
from mlopskit.deploy.replay import failed_share
from mlopskit.deploy.rollout import Rollout
from mlopskit.display import Note, note
from mlopskit.intervals import wilson


def deploy_summary(
    bundle: Bundle, requests: pd.DataFrame, rollout: Rollout, *, production: pd.DataFrame, floor: int = 0
) -> dict[str, Any]:
    """Return facts, statements and next steps.

    Parameters
    ----------
    bundle : Bundle
        What was served.
    requests : DataFrame
        The replay's requests.
    rollout : Rollout
        The rehearsal.
    production : DataFrame
        Rows with their targets, for the accuracy of what the model decided.
    floor : int
        Privacy floor: it is not told where right or wrong rows that the model or people decide are fewer, nor how many
        people decide where either are.
    """
    decided = [] if _few(bundle, requests, production, floor) else _decided(bundle, requests, production)
    crowded = _crowded(bundle, requests)
    statements = [*_criteria(bundle), *_rollout(rollout), *decided, *crowded]
    return {
        "facts": _facts(bundle, requests, floor),
        "statements": statements,
        "next": _next(bundle, rollout, bool(crowded)),
    }


def summary_note(summary: dict[str, Any]) -> Note:
    """Show the statements and next steps of a summary as sentences."""
    statements, steps = summary["statements"], summary["next"]
    tones = {item["tone"] for item in statements}
    tone = next((name for name in ("bad", "warning", "good") if name in tones), "plain")
    return note(*(item["text"] for item in statements), *(f"Next: {item['text']}" for item in steps), tone=tone)


def _statement(text: str, tone: str, artefact: str) -> dict[str, str]:
    return {"text": text, "tone": tone, "artefact": f"deploy/{artefact}"}


def _few(bundle: Bundle, requests: pd.DataFrame, production: pd.DataFrame, floor: int) -> bool:
    """Whether right or wrong rows that the model or people decide are some, but fewer than the floor."""
    if floor < 2 or not bundle.target.is_classification:
        return False
    joined = requests[[ROW, "prediction", "decided_by"]].merge(production[[ROW, TARGET]], on=ROW)
    counts = pd.crosstab(joined["decided_by"], joined["prediction"] == joined[TARGET]).to_numpy()
    return bool(((counts > 0) & (counts < floor)).any())


def _facts(bundle: Bundle, requests: pd.DataFrame, floor: int) -> list[dict[str, Any]]:
    n = len(requests)
    people = int((requests["decided_by"] == "person").sum())
    failed = round(failed_share(requests) * n) if n else 0
    explained = "Share of replayed rows that the model did not answer."
    facts: list[tuple[str, int, float | None, str]] = [("rows that the server failed on", failed, None, explained)]
    if bundle.facts["automation"] == "partial" and not any(0 < part < floor for part in (people, n - people)):
        limit = bundle.deferral.max_deferred if bundle.deferral else None
        facts.append(
            ("cases left to people", people, limit, "Share of replayed rows that the model was not sure enough of.")
        )
    return [_fact(label, count, n, limit, explain) for label, count, limit, explain in facts]


def _fact(label: str, count: int, n: int, limit: float | None, explain: str) -> dict[str, Any]:
    low, high = wilson(count, n) if n else (np.nan, np.nan)
    return {
        "label": label,
        "value": count / n if n else None,
        "low": float(low),
        "high": float(high),
        "n": n,
        "baseline": limit,
        "baseline_label": "people can take over at most" if limit is not None else None,
        "explain": explain,
        "artefact": "deploy/requests",
    }


def _criteria(bundle: Bundle) -> list[dict[str, str]]:
    statuses = [item["status"] for item in bundle.facts["criteria"]]
    missed = len(statuses) - statuses.count("met")
    if not statuses or not missed:
        return []
    text = (
        f"The bundle holds a model of which {missed} of {len(statuses)} acceptance criteria are not met or undecided."
    )
    return [_statement(text, "warning", "bundle")]


def _rollout(rollout: Rollout) -> list[dict[str, str]]:
    last = rollout.steps.iloc[-1]
    tone = {True: "good", False: "bad", None: "plain"}[rollout.promoted]
    return [_statement(f"Rehearsed {rollout.strategy}: {last['decision']}", tone, "rollout")]


def _decided(bundle: Bundle, requests: pd.DataFrame, production: pd.DataFrame) -> list[dict[str, str]]:
    alone = requests.loc[requests["decided_by"] == "model", [ROW, "prediction"]].merge(
        production[[ROW, TARGET]], on=ROW
    )
    if alone.empty or not bundle.target.is_classification:
        return []
    right = int((alone["prediction"] == alone[TARGET]).sum())
    low, high = wilson(right, len(alone))
    text = (
        f"Of {len(requests):,} replayed rows the model decided {len(alone):,} alone, {right / len(alone):.1%} of them "
        f"rightly (95 % interval {low:.1%} to {high:.1%})."
    )
    return [_statement(text, "plain", "requests")]


def _crowded(bundle: Bundle, requests: pd.DataFrame) -> list[dict[str, str]]:
    """Say so when more cases go to people than they can take over."""
    limit = bundle.deferral.max_deferred if bundle.deferral else None
    share = float((requests["decided_by"] == "person").mean())
    if bundle.facts["automation"] != "partial" or limit is None or not share > limit:
        return []
    text = f"{share:.1%} of the replayed rows went to people, more than the {limit:.0%} that they can take over."
    return [_statement(text, "bad", "requests")]


def _next(bundle: Bundle, rollout: Rollout, crowded: bool) -> list[dict[str, str]]:
    steps = []
    if crowded:
        text = "More cases are left to people than they can take: find out what the model is unsure of in newer rows."
        steps.append({"text": text, "phase": "evaluate"})
    if rollout.promoted is False:
        steps.append(
            {
                "text": "The rollout was stopped: find out why the challenger falls behind the champion.",
                "phase": "model",
            }
        )
    if bundle.facts["champion"] is None:
        steps.append({"text": "Add a baseline that can predict, so that a rollout can be rehearsed.", "phase": "scope"})
    if bundle.facts["automation"] == "partial" and bundle.deferral is None:
        steps.append({"text": "Nothing can be deferred here: choose another degree of automation.", "phase": "scope"})
    return steps
