"""A card as Markdown, for repositories and model hubs: GitHub's tables, and nothing from data but text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator

from mlopskit.runner.cards.content import Answer, Card, Grid, Part

Link = Callable[[str], str]
"""Name of an artefact → the address that it is linked to; empty for none."""

_MARKUP = re.compile(r"([\\`*_{}\[\]|#~$!^=+])")
_LIST = re.compile(r"\A(\d+)([.)])(?=\s|\Z)")
# GitHub makes links of bare addresses and mentions of names; entities show the same characters and do neither.
_LINKS = {"://": "&#58;//", "www.": "www&#46;", "@": "&#64;", "mailto:": "mailto&#58;", "xmpp:": "xmpp&#58;"}


def escape(text: str) -> str:
    r"""Return text as Markdown that shows it and cannot become markup, HTML, a link or a mention.

    Examples
    --------
    >>> escape("<b> a|b *c* @team"), escape("1. x"), escape("- x")
    ('&lt;b&gt; a\\|b \\*c\\* &#64;team', '1\\. x', '\\- x')
    """
    text = "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
    text = _MARKUP.sub(r"\\\1", html.escape(text, quote=False))
    for plain, entity in _LINKS.items():
        text = re.sub(re.escape(plain), entity, text, flags=re.IGNORECASE)
    text = _LIST.sub(r"\1\\\2", text)
    return rf"\{text}" if text.startswith("-") else text


def code(text: str) -> str:
    """Return a name of ours as inline code, a file name from elsewhere as plain text."""
    return f"`{text}`" if re.fullmatch(r"[\w./\[\], -]+", text) else escape(text)


def markdown(card: Card, *, link: Link, answers_file: str) -> str:
    """Return a card as Markdown text that ends in a newline."""
    blocks = [f"# {card.form.title}: {escape(card.subject)}", *_top(card)]
    for chapter in card.chapters:
        blocks.append(f"## {chapter.section.title}")
        for answer in chapter.answers:
            blocks += _field(answer, link, answers_file)
    return "\n\n".join([*blocks, *_end(card, answers_file)]) + "\n"


def _top(card: Card) -> Iterator[str]:
    yield "\n".join(f"- **{name}** {escape(text)}" for name, text in card.lead)
    if card.warning:
        yield f"> **{escape(card.warning)}**"
    yield (
        f"Of {card.asked_for} fields {card.count('answered')} are answered, {card.count('partly')} in part and "
        f"{card.count('open')} not at all. Answers come from the run’s artefacts and its project file; what the team "
        f"wrote is marked; nothing else is filled in. The fields are those of {card.form.paper}."
    )


def _field(answer: Answer, link: Link, answers_file: str) -> Iterator[str]:
    question = answer.question
    yield f"### {question.text}"
    yield from _parts(answer.found.parts, link)
    if answer.team:
        yield "\n>\n".join(f"> {escape(text)}" for text in ("The team answers:", *answer.team))
    elif answer.state in {"open", "partly"}:
        what = f"Still open: {answer.found.rest}" if answer.state == "partly" else "Open question: nobody answered it."
        yield f"**{escape(what)}** Answer it as {_where(answer, answers_file)}."
    elif answer.state == "optional":
        yield f"None were made. They can be made as {_where(answer, answers_file)}."


def _where(answer: Answer, answers_file: str) -> str:
    question = answer.question
    place = f", or {code(question.place)} in `mlops.toml`" if question.place and answer.state == "open" else ""
    return f"`{question.id}` in `{answers_file}`{place}"


def _parts(parts: tuple[Part, ...], link: Link) -> Iterator[str]:
    listed: list[str] = []
    for part in parts:
        if isinstance(part, Grid):
            if listed:
                yield "\n".join(listed)
                listed = []
            yield from _grid(part, link)
        else:
            listed.append(f"- {escape(part.text)}{_cited(part.artefact, link)}")
    if listed:
        yield "\n".join(listed)


def _grid(grid: Grid, link: Link) -> Iterator[str]:
    yield f"*{escape(grid.caption)}*{_cited(grid.artefact, link)}"
    rule = ["---:" if heading in grid.numeric else "---" for heading in grid.headings]
    rows = [[escape(cell) or " " for cell in row] for row in grid.rows]
    yield "\n".join(f"| {' | '.join(row)} |" for row in [list(grid.headings), rule, *rows])
    if grid.note:
        yield escape(grid.note)


def _cited(artefact: str, link: Link) -> str:
    if not artefact:
        return ""
    address = link(artefact)
    return f" ([{artefact}]({address}))" if address else f" ({code(artefact)})"


def _end(card: Card, answers_file: str) -> Iterator[str]:
    if card.asked:
        yield "## What the project file leaves open"
        yield "\n".join(f"- {code(place)}: {escape(question)} {escape(why)}" for place, question, why in card.asked)
    if card.open:
        yield "## Open questions"
        yield "\n".join(f"- {question.text} (`{question.id}`)" for question in card.open)
        yield f"Write the answers into `{answers_file}` beside `mlops.toml`, then make the card again."
    if card.sources:
        yield "## Filled from"
        rows = [f"| {code(name)} | `{sha256}` |" for name, sha256 in card.sources]
        yield "\n".join(["| file | SHA-256 |", "| --- | --- |", *rows])
