"""What the project file leaves unanswered, as questions with the reason to ask them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mlopskit.scope.project_file import Scope


@dataclass(frozen=True)
class OpenQuestion:
    """Something the project file has not answered.

    Attributes
    ----------
    table, key : str
        Where the answer belongs in ``mlops.toml``.
    question : str
        What to ask, in words.
    why : str
        What goes wrong in production when nobody asks.
    """

    table: str
    key: str
    question: str
    why: str


_QUESTIONS: tuple[tuple[str, str, str, str], ...] = (
    (
        "project",
        "question",
        "Which question shall the model answer, in the words of who asks?",
        "A model that answers another question is useless however accurate.",
    ),
    (
        "project",
        "decision",
        "Which decision does the answer support, and who takes it?",
        "Without it nobody can say which mistakes are costly.",
    ),
    ("project", "roles.data", "Who answers for the data?", "Label and source problems find no owner."),
    ("project", "roles.model", "Who answers for the model?", "Alerts reach nobody who can act."),
    ("project", "roles.deployment", "Who answers for the deployment?", "Nobody can roll back at night."),
    ("data", "origin", "Where do the data come from?", "Provenance cannot be checked or repeated."),
    ("data", "licence", "Under which licence may the data be used?", "The model may not be allowed to ship."),
    (
        "data",
        "sensitive",
        "Which columns describe people that must not be treated worse?",
        "Harm to a group stays invisible in an average.",
    ),
    ("data", "time", "Which column tells when a row arose?", "Drift and leakage from the future cannot be seen."),
    ("model", "metric", "By which figure is the model chosen?", "A figure chosen afterwards flatters the model."),
    ("deployment", "mode", "Is the answer needed in real time or in batch?", "Serving is built for the wrong load."),
    (
        "deployment",
        "where",
        "Does it run in the cloud, at the edge or on premise?",
        "Size and updates are limited late.",
    ),
    ("deployment", "max_memory_mb", "How much memory may it take?", "It is killed on the machine it is meant for."),
    ("deployment", "max_latency_ms", "How long may one answer take?", "An accurate answer that comes late is wrong."),
    ("deployment", "logging", "What may be logged with each request?", "Without logs nothing can be monitored."),
    ("deployment", "security", "Who may call it, and how do they show who they are?", "Anyone can query or flood it."),
    ("deployment", "privacy", "Which personal data may be kept, and for how long?", "Logs become a liability."),
    ("deployment", "strategy", "Shadow, canary or blue-green?", "The first error meets every user at once."),
    ("deployment", "automation", "How much does the machine decide alone?", "People trust it too much or too little."),
    ("monitoring", "window", "Over which period are production metrics taken?", "Noise raises alarms, or drift none."),
    ("monitoring", "notify", "Who is told when a threshold is crossed?", "The alarm rings in an empty room."),
    ("monitoring", "threshold", "Which values of which metrics need someone to act?", "A worse model goes unnoticed."),
    (
        "baseline",
        "",
        "Which simple, human, published or earlier result must be beaten?",
        "A figure alone means nothing.",
    ),
    ("criterion", "", "Which results make the model acceptable?", "Acceptance is decided after seeing the result."),
)


def open_questions(scope: Scope) -> list[OpenQuestion]:
    """List what the project file leaves unanswered, in the order in which the file is written.

    Every entry is something that a careful team settles before training; none is filled in by a default.
    """
    asked = [OpenQuestion(*entry) for entry in _QUESTIONS if not _answer(scope, entry[0], entry[1])]
    undecided = [criterion.name for criterion in scope.criterion if criterion.on_undecided is None]
    why = "A result inside the noise is read as whatever was hoped for; until answered it stops."
    return asked + [
        OpenQuestion("criterion", "on_undecided", f"If the data cannot decide “{name}”, stop or pass?", why)
        for name in undecided
    ]


def _answer(scope: Scope, table: str, key: str) -> Any:
    value: Any = getattr(scope, table)
    for part in key.split(".") if key else ():
        value = getattr(value, part)
    return value
