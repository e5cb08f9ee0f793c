"""The scope as its notebook and the report show it: each table of the project file in words.

Nothing is filled in: what the project file leaves out is shown as “not answered”, and counted.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlopskit.display import Note, Table, format_value, note, table
from mlopskit.scope.project_file import Scope
from mlopskit.scope.questions import OpenQuestion, open_questions
from mlopskit.scope.tables import Baseline

UNANSWERED = "not answered"


def question(scope: Scope) -> Table:
    """Show the question, the decision and who answers for what."""
    project = scope.project
    rows = {
        "question": project.question,
        "decision it supports": project.decision,
        "answers for the data": project.roles.data,
        "answers for the model": project.roles.model,
        "answers for the deployment": project.roles.deployment,
    }
    return _facts(rows)


def data(scope: Scope) -> Table:
    """Show where the data come from and what their columns are for."""
    described = scope.data
    positive = described.positive if described.positive_above is None else f"above {described.positive_above:g}"
    rows = {
        "source": described.source,
        "origin": described.origin,
        "licence": described.licence,
        "modality and task": f"{described.modality}, {described.task}",
        "target": described.target,
        "positive class": positive if described.task == "binary" else "not applicable",
        "time": described.time,
        "group (rows of one unit)": described.group or "none: every row stands alone",
        "split": described.split,
        "production begins": described.production_from,
        "sensitive columns": described.sensitive,
        "key slices": described.slices,
        "privacy floor (rows of a group)": described.privacy_floor if described.privacy_floor > 1 else "none",
        "never used as features": described.exclude or "none",
    }
    return _facts(rows)


def baselines(scope: Scope) -> Table:
    """Show what the model has to beat."""
    rows = [
        {"baseline": entry.kind, "what it is": _baseline_words(entry), "source": entry.source or "–"}
        for entry in scope.baseline
    ]
    return table(pd.DataFrame(rows or [{"baseline": UNANSWERED, "what it is": "", "source": ""}]))


def criteria(scope: Scope) -> Table:
    """Show what makes the model acceptable, and what happens when the data cannot tell."""
    rows = [
        {"criterion": entry.name, "if the data cannot decide": entry.on_undecided or UNANSWERED}
        for entry in scope.criterion
    ]
    return table(pd.DataFrame(rows or [{"criterion": UNANSWERED, "if the data cannot decide": ""}]))


def deployment(scope: Scope) -> Table:
    """Show the six questions to settle before anything is served, then strategy and automation."""
    asked = scope.deployment
    rows = {
        "1 real time or batch": asked.mode,
        "2 cloud, edge or on premise": asked.where,
        "3 compute: memory (MB)": asked.max_memory_mb,
        "3 compute: cores": asked.cores,
        "4 latency (ms, 95th percentile)": asked.max_latency_ms,
        "4 throughput (requests per second)": asked.min_requests_per_second,
        "5 logging: columns": asked.logging,
        "6 security": asked.security,
        "6 privacy": asked.privacy,
        "strategy": asked.strategy,
        "degree of automation": asked.automation,
        "share that people can take over": asked.max_deferred,
    }
    return _facts(rows)


def monitoring(scope: Scope) -> Table:
    """Show the thresholds at which someone is told."""
    told = ", ".join(scope.monitoring.notify) or UNANSWERED
    rows = [
        {
            "metric": entry.metric,
            "feature": entry.feature or "all",
            "at least": _bound(entry.at_least),
            "at most": _bound(entry.at_most),
            "who is told": told,
        }
        for entry in scope.monitoring.threshold
    ]
    return table(pd.DataFrame(rows or [{"metric": UNANSWERED, "who is told": told}]))


def question_table(scope: Scope) -> pd.DataFrame:
    """Return the open questions as a tidy table: table, key, question, why."""
    asked = open_questions(scope)
    columns = ["table", "key", "question", "why"]
    return pd.DataFrame([[getattr(entry, column) for column in columns] for entry in asked], columns=columns, dtype=str)


def verdict(scope: Scope) -> Note:
    """Say in a sentence how complete the scope is."""
    asked = open_questions(scope)
    if not asked:
        return note("Every question of the project file is answered.", tone="good")
    return note(_count(asked), "Settle them before you train: each is cheaper now than after.", tone="warning")


def summary(scope: Scope) -> dict[str, Any]:
    """Return what the first screen of the report says of this phase."""
    asked = open_questions(scope)
    statements = [{"text": _count(asked), "tone": "warning", "artefact": "scope/open_questions"}] if asked else []
    return {
        "facts": [],
        "statements": statements,
        "next": [{"text": f"Answer: {entry.question}", "phase": "scope"} for entry in asked],
    }


def _count(asked: list[OpenQuestion]) -> str:
    plural = "questions are" if len(asked) != 1 else "question is"
    tables = sorted({entry.table for entry in asked})
    return f"{len(asked)} {plural} open in {', '.join(f'[{name}]' for name in tables)}."


def _facts(rows: dict[str, Any]) -> Table:
    answers = [_answer(value) for value in rows.values()]
    return table(pd.DataFrame({"": list(rows), "answer": answers}))


def _answer(value: Any) -> str:
    if value is None or value == []:
        return UNANSWERED
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return str(value) if isinstance(value, int) else format_value(value)


def _bound(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _baseline_words(entry: Baseline) -> str:
    words = {
        "majority": "always the most frequent class (regression: the mean)",
        "linear": "a linear model on the same preparation",
        "rule": entry.rule,
        "human": f"people's decisions in column {entry.column}" if entry.column else f"{entry.metric} {entry.value}",
        "previous": f"the present system's output in column {entry.column}",
        "literature": f"{entry.metric} {entry.value}",
    }
    return str(words[entry.kind])
