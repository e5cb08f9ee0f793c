"""Entries and templates become the pages of a site: each whole in itself, its policy in its head."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment
from markupsafe import Markup

from mlopskit import __version__
from mlopskit.runner.marks import Marks
from mlopskit.runner.pages import templates
from mlopskit.runner.report import marks as drawn
from mlopskit.runner.report.page import moment, plainly
from mlopskit.runner.report.style import stylesheet
from mlopskit.runner.site.chart import charts, figure
from mlopskit.runner.site.entries import Entry
from mlopskit.runner.site.reading import Reading
from mlopskit.share import share

_FORMAT = 3
_CARDS = {"report.html": "Report", "model_card.html": "Model card", "data_card.html": "Data card"}


@dataclass(frozen=True)
class Line:
    """One line of the index."""

    entry: Entry
    place: str
    tags: tuple[str, ...]
    pinned: bool
    latest: bool
    gone: bool


def maker() -> str:
    """Return a fingerprint of what makes the pages: after an update of mlopskit all are made again."""
    parts = [__version__, str(_FORMAT), _style(), *(_read(name) for name in _files())]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _files() -> Iterator[str]:
    yield "templates/report/theme.js"
    for path in sorted(share("templates/site").iterdir()):
        yield f"templates/site/{path.name}"


@cache
def _read(name: str) -> str:
    return share(name).read_text(encoding="utf-8")


def index(entries: Sequence[Entry], *, marked: Mapping[str, Marks], latest: str, gone: frozenset[str]) -> str:
    """Return the page that lists all runs, newest first."""
    ordered = sorted(entries, key=lambda item: (item.began, item.name), reverse=True)
    nothing = Marks()
    lines = [
        Line(
            item, address(item.name), (own := marked.get(item.name, nothing)).tags, own.pinned, item.name == latest,
            item.name in gone,
        )
        for item in ordered
    ]  # fmt: skip
    drawings, left_out = charts(ordered)
    script = "".join(map(_read, ("templates/report/theme.js", "templates/site/compare.js", "templates/site/site.js")))
    return _page(
        "index.html.j2",
        script=script,
        lines=lines,
        charts=drawings,
        left_out=left_out,
        labels=sorted({item.headline.label for item in ordered if item.headline}),
        questions={item.project: item.question for item in reversed(ordered) if item.question},
        projects=sorted({item.project for item in ordered}),
        statuses=sorted({item.status for item in ordered}),
        tags=sorted({tag for line in lines for tag in line.tags}),
    )


def of_run(entry: Entry, run: Reading) -> str:
    """Return the page of one run: what it is, and where its report and cards lie."""
    return _page(
        "run.html.j2",
        script="",
        run=entry,
        criteria=run.entries("criteria"),
        phases=run.phases,
        parameters={phase: values for phase, values in run.table("parameters").items() if isinstance(values, dict)},
        problems=run.problems,
    )


def _page(template: str, *, script: str, **values: Any) -> str:
    style = _style()
    return _templates().get_template(template).render(
        style=Markup(style),  # noqa: S704 (ours)
        script=Markup(script),  # noqa: S704 (ours)
        policy=content_security_policy(style, script),
        **values,
    )  # fmt: skip


def content_security_policy(style: str, script: str) -> str:
    """Return the policy of a page: scripts and styles only ours, by hash; what runs are compared by, from the site.

    ``file:`` stands beside ``'self'`` because not every browser counts a file on the same disk as such; ``data:`` is
    for the icon, which is empty, so that a browser asks the host for none.

    Examples
    --------
    >>> content_security_policy("", "")[:43]
    "default-src 'none'; style-src 'sha256-47DEQ"
    """
    allowed = f"default-src 'none'; style-src '{_hashed(style)}'; font-src data:; base-uri 'none'; form-action 'none'"
    if not script:
        return allowed
    return f"{allowed}; script-src 'self' file: '{_hashed(script)}'; img-src 'self' file: data:"


def _hashed(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def address(name: str) -> str:
    """Return the folder of a run as the index links to it; a name may be no text, and hold anything.

    Examples
    --------
    >>> address('a b"<#')
    'runs/a%20b%22%3C%23/'
    """
    return f"runs/{quote(os.fsencode(name), safe='')}/"


def _style() -> str:
    return stylesheet("report/report.css", "site/site.css")


@cache
def _templates() -> Environment:
    environment = templates("site")
    environment.filters.update(
        status=drawn.status,
        number=drawn.number,
        plainly=plainly,
        moment=moment,
        figure=figure,
        words=_word,
    )
    environment.globals.update(cards=_CARDS)
    return environment


def _word(name: str) -> str:
    """Return a status in words, as the list of statuses shows it.

    Examples
    --------
    >>> _word("criteria-not-met"), _word("damaged")
    ('ended, criteria not met', 'damaged')
    """
    return drawn.STATUS.get(name, ("", "", name))[2]
