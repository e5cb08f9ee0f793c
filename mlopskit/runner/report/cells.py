"""A phase's notebook as blocks for the page: words, outputs, folded code, and which artefact each cell wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from markupsafe import Markup

from mlopskit.notebooks import PUT_IN
from mlopskit.runner.report.evidence import Phase, anchor
from mlopskit.runner.report.links import Links, links, settled
from mlopskit.runner.report.prose import markdown, python, terminal
from mlopskit.runner.report.safe import safe_html, safe_svg

LARGEST = 1_500_000
"""Characters of one output that a report still shows; what is larger stays in the notebook."""

_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True)
class Block:
    """One cell as the page shows it.

    Attributes
    ----------
    kind : str
        ``words`` or ``code``.
    anchor : str
        Its id.
    body : Markup
        HTML of the words, or of the outputs.
    code : Markup
        Coloured source, for code.
    label : str
        What the fold of the code is called.
    heading : str
        The heading that it stands under, in plain text.
    writes, reads : tuple of str
        Artefacts that its code writes, and those that it reads or has from earlier cells, as ``phase/name``.
    ran, failed, volatile : bool
        Whether it was executed, raised, or measures time.
    """

    kind: str
    anchor: str
    body: Markup
    code: Markup = field(default_factory=Markup)
    label: str = "Code"
    heading: str = ""
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    ran: bool = True
    failed: bool = False
    volatile: bool = False


def title_of(phase: Phase) -> str:
    """Return the notebook's own title, else the phase's name in words."""
    for cell in phase.cells:
        found = re.search(r"^# +(.+?)\s*#*$", text_of(cell.get("source")), re.MULTILINE)
        if cell.get("cell_type") == "markdown" and found:
            return re.sub(r"^\d+[.:]?\s*", "", re.sub(r"[*_`]", "", found[1])).strip() or phase.name
    return phase.name.replace("_", " ").capitalize()


def blocks(phase: Phase) -> list[Block]:
    """Return the cells of a phase in order; empty cells and papermill's own error markers are left out."""
    made: list[Block] = []
    heading = ""
    linked = _links(phase)
    for number, cell in enumerate(phase.cells, start=1):
        source = text_of(cell.get("source"))
        tags = _tags(cell)
        if not source.strip() or any(tag.startswith("papermill-error") for tag in tags):
            continue
        name = anchor(phase.anchor, str(cell.get("id") or f"cell-{number}"))
        if cell.get("cell_type") == "code":
            made.append(
                _code(cell, source, linked[number], name=name, heading=heading, prefix=f"d{phase.number}-{number}")
            )
        else:
            heading = _last_heading(source) or heading
            made.append(Block("words", name, Markup(markdown(_untitled(source))), heading=heading))  # noqa: S704 (escaped there)
    return made


def _links(phase: Phase) -> dict[int, Links]:
    """Return what each code cell, by its number, has to do with artefacts."""
    known: dict[str, tuple[str, ...]] = {}
    code = {
        number: links(text_of(cell.get("source")), phase.name, known)
        for number, cell in enumerate(phase.cells, start=1)
        if cell.get("cell_type") == "code"
    }
    written = settled(list(code.values()), [item.key for item in phase.writes])
    return {number: replace(found, writes=names) for (number, found), names in zip(code.items(), written, strict=True)}


def _code(cell: Mapping[str, Any], source: str, linked: Links, *, name: str, heading: str, prefix: str) -> Block:
    tags = _tags(cell)
    outputs = [item for item in cell.get("outputs") or [] if isinstance(item, dict)]
    label = "Parameters" if {"parameters", PUT_IN} & set(tags) else "Code"
    if PUT_IN in tags:
        label = "Parameters given to this run"
    return Block(
        "code",
        name,
        Markup("\n").join(_output(item, f"{prefix}-{place}") for place, item in enumerate(_joined(outputs))),
        code=Markup(python(source)),  # noqa: S704 (Pygments escapes)
        label=label,
        heading=heading,
        writes=linked.writes,
        reads=linked.reads,
        ran=_began(cell) or cell.get("execution_count") is not None or bool(outputs),
        failed=any(item.get("output_type") == "error" for item in outputs),
        volatile="volatile" in tags,
    )


def _began(cell: Mapping[str, Any]) -> bool:
    """Tell whether the runner had begun the cell: a kernel that was killed may not have said its number."""
    metadata = cell.get("metadata")
    record = metadata.get("papermill") if isinstance(metadata, dict) else None
    return isinstance(record, dict) and record.get("status") in {"running", "completed", "failed"}


def failed_block(made: Sequence[Block]) -> Block | None:
    """Return the cell that raised, if one did."""
    return next((block for block in made if block.failed), None)


def text_of(value: Any) -> str:
    """Return notebook text, which is kept as one string or as a list of lines."""
    return "".join(str(line) for line in value) if isinstance(value, list) else str(value or "")


def error_of(phase: Phase) -> dict[str, str]:
    """Return name, message and traceback of the first error output in a phase's notebook; empty when there is none."""
    for cell in phase.cells:
        for item in cell.get("outputs") or []:
            if isinstance(item, dict) and item.get("output_type") == "error":
                lines = item.get("traceback") or []
                return {
                    "name": str(item.get("ename", "")),
                    "value": str(item.get("evalue", "")),
                    "traceback": "\n".join(map(str, lines)),
                }
    return {}


def _tags(cell: Mapping[str, Any]) -> list[str]:
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _untitled(source: str) -> str:
    """Drop the title: it heads the section already."""
    return re.sub(r"\A\s*# +.+\n?", "", source)


def _last_heading(source: str) -> str:
    found = re.findall(r"^#{1,6} +(.+?)\s*#*$", source, re.MULTILINE)
    return re.sub(r"[*_`]", "", found[-1]) if found else ""


def _joined(outputs: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Join neighbouring pieces of one stream: a kernel cuts them anywhere."""
    waiting: dict[str, Any] | None = None
    for item in outputs:
        if item.get("output_type") == "stream" and waiting and waiting.get("name") == item.get("name"):
            waiting["text"] += text_of(item.get("text"))
            continue
        if waiting:
            yield waiting
            waiting = None
        if item.get("output_type") == "stream":
            waiting = {**item, "text": text_of(item.get("text"))}
        else:
            yield item
    if waiting:
        yield waiting


def _output(item: Mapping[str, Any], prefix: str) -> Markup:
    kind = item.get("output_type")
    if kind == "stream":
        return _pre(item["text"], "stderr" if item.get("name") == "stderr" else "stdout")
    if kind == "error":
        lines = "\n".join(map(str, item.get("traceback") or [f"{item.get('ename')}: {item.get('evalue')}"]))
        return _pre(lines, "traceback")
    data = item.get("data")
    return _shown(data, prefix) if isinstance(data, dict) else Markup()


_WIDGET = "application/vnd.jupyter.widget-view+json"
_STATIC = 'class="mlopskit-static"'
"""What a widget of ours says about itself where there is no kernel; others put a dead placeholder there."""


def _shown(data: Mapping[str, Any], prefix: str) -> Markup:
    """Show the richest form that a page can hold without a kernel and without a script."""
    text = {mime: text_of(value) if mime.startswith(("text/", "image/")) else value for mime, value in data.items()}
    largest = max((len(value) for value in text.values() if isinstance(value, str)), default=0)
    if largest > LARGEST:
        said = '<p class="mlopskit-more">This output holds {} characters; it is in the notebook.</p>'
        return Markup(said).format(f"{largest:,}")  # noqa: S704 (ours)
    if "text/html" in text and (_WIDGET not in text or _STATIC in text["text/html"]):
        return Markup(f'<div class="output">{safe_html(text["text/html"], prefix=prefix)}</div>')  # noqa: S704 (by allow-list)
    if "image/svg+xml" in text:
        return Markup(f'<figure class="mlopskit-chart">{safe_svg(text["image/svg+xml"], prefix=prefix)}</figure>')  # noqa: S704 (by allow-list)
    for mime in _PICTURES:
        if mime in text:
            return _picture(mime, text[mime], text.get("text/plain", ""))
    if "text/markdown" in text:
        return Markup(f'<div class="output">{markdown(text["text/markdown"], deeper=3)}</div>')  # noqa: S704 (escaped there)
    if "application/json" in text:
        return _pre(json.dumps(text["application/json"], indent=2, ensure_ascii=False), "stdout")
    return _pre(text["text/plain"], "stdout") if "text/plain" in text else Markup()


def _picture(mime: str, data: str, words: str) -> Markup:
    data = re.sub(r"[^A-Za-z0-9+/=]", "", data)
    if not words or words.startswith("<"):
        words = "Picture made by the cell above; it carries no description"
    shown = Markup('<figure class="mlopskit-chart"><img src="data:{};base64,{}" alt="{}"></figure>')
    return shown.format(mime, data, words)


def _pre(text: str, kind: str) -> Markup:
    if not text.strip():
        return Markup()
    body = Markup(terminal(text.rstrip()))  # noqa: S704 (escaped there)
    return Markup('<pre class="{}" tabindex="0">{}</pre>').format(kind, body)
