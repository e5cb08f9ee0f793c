"""What a filled card is made of: sentences and tables, each with the artefact that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from mlopskit.runner.cards.fields import Form, Question, Section


@dataclass(frozen=True)
class Said:
    """A sentence, and the artefact that says so (``phase/name``)."""

    text: str
    artefact: str = ""


@dataclass(frozen=True)
class Bar:
    """A figure with its interval, and the mark that it is held against, as drawn beside a row."""

    value: float | None
    low: float | None
    high: float | None
    mark: float | None = None
    mark_label: str = ""


@dataclass(frozen=True)
class Grid:
    """A table: rows of words, the first cell of each naming the row.

    `bars` has one entry a row or none at all; `together` says that all are of one unit and share one scale.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    artefact: str = ""
    numeric: frozenset[str] = frozenset()
    bars: tuple[Bar, ...] = ()
    note: str = ""
    together: bool = True


Part = Said | Grid


@dataclass(frozen=True)
class Filled:
    """What the run knows of one field: parts, and in words what of the question it leaves open."""

    parts: tuple[Part, ...] = ()
    rest: str = ""


NOTHING = Filled()


@dataclass(frozen=True)
class Answer:
    """One field of a card with all that is known of it."""

    question: Question
    found: Filled
    team: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``answered``, ``partly`` (the run knows a part, nobody said the rest), ``open`` or ``optional``."""
        if self.team or (self.found.parts and not self.found.rest):
            return "answered"
        if self.found.parts:
            return "partly"
        return "optional" if self.question.optional else "open"


@dataclass(frozen=True)
class Chapter:
    """A section of a card with its answers."""

    section: Section
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Card:
    """A filled card.

    Attributes
    ----------
    form : Form
        The paper's fields.
    subject, run, status : str
        Name of the project, name of the run, what became of it.
    lead : tuple of (label, text)
        What a reader should know first.
    warning : str
        What makes the whole card incomplete: the run failed or goes on; empty otherwise.
    chapters : tuple of Chapter
        Every field, in the paper's order.
    asked : tuple of (place, question, why)
        What the project file leaves open.
    sources : tuple of (file, sha256)
        The artefacts that the card was filled from, and the team's answers.
    """

    form: Form
    subject: str
    run: str
    status: str
    lead: Sequence[tuple[str, str]] = ()
    warning: str = ""
    chapters: Sequence[Chapter] = ()
    asked: Sequence[tuple[str, str, str]] = ()
    sources: Sequence[tuple[str, str]] = field(default=())

    @property
    def answers(self) -> Iterator[Answer]:
        """Every field with what is known of it."""
        return (answer for chapter in self.chapters for answer in chapter.answers)

    @property
    def open(self) -> list[Question]:
        """The questions that nobody has answered, those answered in part included."""
        return [answer.question for answer in self.answers if answer.state in {"open", "partly"}]

    @property
    def asked_for(self) -> int:
        """Count the fields that want an answer: all but “any other comments?”."""
        return sum(not answer.question.optional for answer in self.answers)

    def count(self, state: str) -> int:
        """Count the fields in one state."""
        return sum(answer.state == state for answer in self.answers)
