"""Cards become files: a self-contained page and Markdown of each, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from mlopskit.artefacts import write_text
from mlopskit.errors import RunError
from mlopskit.runner.cards.answers import ANSWERS_FILE, Answers
from mlopskit.runner.cards.content import Card, Grid
from mlopskit.runner.cards.drawing import drawn
from mlopskit.runner.cards.filling import cards
from mlopskit.runner.cards.markdown import markdown
from mlopskit.runner.pages import templates
from mlopskit.runner.report.evidence import Evidence, anchor, load
from mlopskit.runner.report.safe import plain_order
from mlopskit.runner.report.style import stylesheet


@dataclass(frozen=True)
class Written:
    """What `render` wrote: the files in order, and the cards that they show."""

    paths: tuple[Path, ...]
    model: Card
    data: Card


def render(run_folder: Path, *, folder: Path | None = None, answers: Answers | None = None) -> Written:
    """Write ``model_card`` and ``data_card``, each as ``.html`` and ``.md``.

    Works for runs that passed, failed, were interrupted or are still going; needs no kernel and no network, and reads
    only what lies in the run folder.

    Parameters
    ----------
    run_folder : Path
        A run folder; any of its files may be missing.
    folder : Path, optional
        Where the cards go; by default beside the report, where they link to it.
    answers : Answers, optional
        What the team wrote, from `read_answers`.

    Raises
    ------
    RunError
        When the files cannot be written.
    """
    home = Path(run_folder)
    beside = folder is None or folder.resolve() == home.resolve()
    target = home if folder is None else folder
    evidence = load(home)
    made = cards(evidence, answers=answers)
    to_report, to_file = _links(evidence) if beside else (_nowhere, _nowhere)
    report = beside and (home / "report.html").is_file()
    paths = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for card, other in zip(made, reversed(made), strict=True):
            written = {
                ".html": page(card, link=to_report, other=other, report=report),
                ".md": markdown(card, link=to_file, answers_file=ANSWERS_FILE),
            }
            for suffix, text in written.items():
                paths.append(target / f"{card.form.name}{suffix}")
                write_text(paths[-1], plain_order(text))
    except OSError as error:
        raise RunError(
            f"The cards cannot be written to {target} ({error.strerror}). Name another with --into."
        ) from None
    return Written(tuple(paths), *made)


def _nowhere(artefact: str) -> str:  # noqa: ARG001 (a card elsewhere links to nothing)
    return ""


def _links(evidence: Evidence) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """Return how artefacts are linked to: their line in the report, and the file itself."""
    files = {item.key: item for phase in evidence.phases for item in phase.writes}
    report = (evidence.folder / "report.html").is_file()

    def to_report(artefact: str) -> str:
        return f"report.html#{files[artefact].anchor}" if report and artefact in files else ""

    def to_file(artefact: str) -> str:
        return quote(files[artefact].name) if artefact in files else ""

    return to_report, to_file


def page(card: Card, *, link: Callable[[str], str], other: Card, report: bool) -> str:
    """Return a card as one HTML page that loads nothing and runs nothing."""
    style = stylesheet("report/report.css", "cards/card.css")
    return _templates().get_template("card.html.j2").render(
        card=card,
        other=other,
        link=link,
        answers_file=ANSWERS_FILE,
        report=report,
        style=Markup(style),  # noqa: S704 (ours)
        policy=content_security_policy(style),
    )  # fmt: skip


def content_security_policy(style: str) -> str:
    """Return the page's policy: nothing from anywhere, no script at all, one style by its hash.

    Examples
    --------
    >>> content_security_policy("")[:43]
    "default-src 'none'; style-src 'sha256-47DEQ"
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; font-src data:; base-uri 'none'; form-action 'none'"


@cache
def _templates() -> Environment:
    environment = templates("cards")
    environment.globals.update(anchor=anchor)
    environment.filters["drawn"] = lambda grid: drawn(grid.bars, together=grid.together)
    environment.tests["grid"] = lambda part: isinstance(part, Grid)
    return environment
