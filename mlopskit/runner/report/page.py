"""Evidence and templates become ``report.html``, whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from mlopskit.artefacts import write_text
from mlopskit.runner.report import marks
from mlopskit.runner.report.cells import Block, blocks, title_of
from mlopskit.runner.report.evidence import Artefact, Evidence, Phase, anchor, load
from mlopskit.runner.report.explorers import Explorer, explorers
from mlopskit.runner.report.firstpage import Outlook, look
from mlopskit.runner.report.lineage_drawing import lineage
from mlopskit.runner.report.provenance import Origin, trace
from mlopskit.runner.report.safe import plain_order
from mlopskit.runner.report.scripts import script
from mlopskit.runner.report.style import stylesheet
from mlopskit.runner.report.terms import Terms
from mlopskit.share import share


@dataclass(frozen=True)
class Section:
    """One phase as the page shows it."""

    phase: Phase
    title: str
    blocks: Sequence[Block]
    explorers: Sequence[Explorer] = ()

    @property
    def short(self) -> str:
        """What links to it say: the title as far as its first colon."""
        return self.title.partition(":")[0].strip() or self.title


@dataclass(frozen=True)
class Listed:
    """One line of the list of artefacts: what it is and which cell made it."""

    artefact: Artefact
    section: Section
    cell: str


def render(run_folder: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    Works for runs that passed, failed, were interrupted or are still going; needs no kernel and no network, and reads
    only what lies in the folder.

    Parameters
    ----------
    run_folder : Path
        A run folder; any of its files may be missing.

    Returns
    -------
    Path
        The page, written by write-then-rename.
    """
    evidence = load(Path(run_folder))
    path = evidence.folder / "report.html"
    write_text(path, compose(evidence))
    return path


def compose(evidence: Evidence) -> str:
    """Return the page of what is known of a run."""
    sections = [section(evidence, phase) for phase in evidence.phases]
    return plain_order(page(evidence, sections, outlook=look(evidence, sections), origin=trace(evidence)))


def page(evidence: Evidence, sections: Sequence[Section], *, outlook: Outlook, origin: Origin) -> str:
    """Return the page as text."""
    folder = share("templates/report")
    code = script(*sorted({found.kind for section in sections for found in section.explorers}))
    listed = list(_listed(sections))
    return _templates(folder).get_template("report.html.j2").render(
        run=evidence,
        sections=sections,
        outlook=outlook,
        origin=origin,
        listed=listed,
        anchors={item.artefact.key: item.artefact.anchor for item in listed},
        stems={item.artefact.key.partition("/")[2]: item.artefact.key for item in reversed(listed)},
        terms=Terms.of(evidence),
        titles={section.phase.name: section.short for section in sections},
        style=Markup(stylesheet("report/report.css")),  # noqa: S704 (ours)
        script=Markup(code),  # noqa: S704 (ours)
        policy=content_security_policy(code),
    )  # fmt: skip


def content_security_policy(script: str) -> str:
    """Return the page's policy: nothing from anywhere, and of scripts only ours, by its hash.

    Examples
    --------
    >>> content_security_policy("")[:44]
    "default-src 'none'; script-src 'sha256-47DEQ"
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    return f"{allowed}; font-src data:; base-uri 'none'; form-action 'none'"


def section(evidence: Evidence, phase: Phase) -> Section:
    """Return one phase as the page shows it."""
    made = blocks(phase)
    return Section(phase, title_of(phase), made, explorers(evidence, phase, made))


def _listed(sections: Sequence[Section]) -> Iterator[Listed]:
    for section in sections:
        made_by = {name: block.anchor for block in section.blocks for name in block.writes}
        for artefact in section.phase.writes:
            yield Listed(artefact, section, made_by.get(artefact.key, ""))


@cache
def _templates(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        status=marks.status,
        number=marks.number,
        seconds=marks.seconds,
        size=marks.size,
        plainly=plainly,
        moment=moment,
        ticks=ticks,
    )
    environment.globals.update(interval=marks.interval, lineage=lineage, anchor=anchor, is_number=marks.is_number)
    return environment


def plainly(value: Any) -> str:
    """Write a parameter or setting the way a reader would.

    Examples
    --------
    >>> plainly(None), plainly(["a", 1]), plainly({"x": True})
    ('–', 'a, 1', 'x: yes')
    """
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {plainly(item)}" for key, item in value.items()) or "–"
    if isinstance(value, list | tuple):
        return ", ".join(plainly(item) for item in value) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else str(value) or "–"


def ticks(text: Any) -> Markup:
    """Escape a sentence and set what stands between backticks as code.

    Examples
    --------
    >>> ticks("run `a <b>`")
    Markup('run <code>a &lt;b&gt;</code>')
    """
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


def moment(value: Any) -> str:
    """Write an ISO time for a reader; what is no such time stays as it is.

    Examples
    --------
    >>> moment("2026-03-04T05:06:07.123Z"), moment(None)
    ('2026-03-04 05:06 UTC', '–')
    """
    found = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)", str(value or ""))
    return f"{found[1]} {found[2]} UTC" if found else plainly(value)
