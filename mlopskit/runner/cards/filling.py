"""Forms, evidence and the team's answers become cards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mlopskit.runner.cards.answers import Answers
from mlopskit.runner.cards.content import NOTHING, Answer, Card, Chapter, Filled, Part
from mlopskit.runner.cards.data_basis import data_basis
from mlopskit.runner.cards.fields import DATA_CARD, MODEL_CARD, Form
from mlopskit.runner.cards.known import Known, words
from mlopskit.runner.cards.model_basis import basis
from mlopskit.runner.cards.model_results import results
from mlopskit.runner.report.evidence import Evidence, load
from mlopskit.runner.report.marks import STATUS
from mlopskit.runner.report.page import moment
from mlopskit.runner.report.verdict import judge

_DATA_TABLES = {"data"}


def cards(run: Path | Evidence, *, answers: Answers | None = None) -> tuple[Card, Card]:
    """Return the model card and the data card of a run.

    Parameters
    ----------
    run : Path or Evidence
        A run folder in any state, or what was read of it; what is missing leaves fields open.
    answers : Answers, optional
        What the team wrote, from `read_answers`.
    """
    known, given = Known(run if isinstance(run, Evidence) else load(run)), answers or Answers()
    model = fill(MODEL_CARD, {**basis(known), **results(known)}, known, given)
    return model, fill(DATA_CARD, data_basis(known), known, given)


def fill(form: Form, found: Mapping[str, Filled], known: Known, answers: Answers) -> Card:
    """Fill one form; each field in the paper's order, whether anything is known of it or not."""
    chapters = tuple(
        Chapter(
            section,
            tuple(Answer(q, found.get(q.id, NOTHING), answers.given.get(q.id, ())) for q in section.questions),
        )
        for section in form.sections
    )
    evidence = known.evidence
    parts = [part for chapter in chapters for answer in chapter.answers for part in answer.found.parts]
    used = any(answer.team for chapter in chapters for answer in chapter.answers)
    return Card(
        form=form,
        subject=words(evidence.project.get("name")) or "unnamed project",
        run=evidence.name,
        status=STATUS.get(evidence.status, ("", "", evidence.status))[2],
        lead=tuple(_lead(form, evidence)),
        warning=_warning(evidence),
        chapters=chapters,
        asked=tuple(_asked(form, evidence)),
        sources=(*_sources(parts, known), *([(answers.name, answers.sha256)] if used else [])),
    )


def _lead(form: Form, evidence: Evidence) -> Iterable[tuple[str, str]]:
    question = words(evidence.project.get("question"))
    if question:
        yield "Question", question
    if form is MODEL_CARD:
        answer = judge(evidence)
        yield "May it be used?", f"{answer.headline}. {answer.reasons[0]}"
    began = evidence.manifest.get("started")
    status = STATUS.get(evidence.status, ("", "", evidence.status))[2]
    yield "Run", f"{evidence.name}, {f'begun {moment(began)}, ' if began else ''}{status}"


def _warning(evidence: Evidence) -> str:
    left = [phase.name for phase in evidence.phases if not phase.ended_well]
    if not evidence.phases:
        return "Nothing is known of this run: no phase left a record."
    if not left:
        return ""
    return f"Incomplete: this run has no results of {words(left)}. What depends on them stays open."


def _asked(form: Form, evidence: Evidence) -> Iterable[tuple[str, str, str]]:
    """The open questions of the project file: about the data in the data card, all others in the model card."""
    for row in evidence.open_questions:
        table, key = words(row.get("table")), words(row.get("key"))
        if (table in _DATA_TABLES) == (form is DATA_CARD):
            yield f"[{table}] {key}".strip(), words(row.get("question")), words(row.get("why"))


def _sources(parts: Iterable[Part], known: Known) -> Iterable[tuple[str, str]]:
    """The artefacts that are cited, each once, with the hash by which it is recognised."""
    for name in dict.fromkeys(part.artefact for part in parts if part.artefact):
        file = known.file(name)
        if file is not None:
            yield file.name, file.sha256
