"""Which phase read what from which, drawn as a staircase from top left to bottom right.

Every source and every phase is a step. What a step wrote leaves it to the right, what it read reaches it from above;
where the two meet stands how many artefacts went that way. The table below the drawing names them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from markupsafe import Markup

from mlopskit.runner.report.evidence import Artefact, Phase
from mlopskit.runs import LOOKS

_WIDE, _HIGH, _RIGHT, _DOWN = 112, 30, 88, 46  # of a box; from one box to the next
_LETTERS = 16  # that fit into a box
_SOURCES = 3  # shown one by one; more become one box


@dataclass(frozen=True)
class Flow:
    """One meeting point: what a step wrote and another read.

    Attributes
    ----------
    writer, reader : str
        Keys of the steps.
    names : tuple of str
        The artefacts, in the order in which they were read.
    """

    writer: str
    reader: str
    names: tuple[str, ...]


def flows(phases: Sequence[Phase]) -> list[Flow]:
    """Return what went from where to where, readers in the order of the run.

    A file outside the run is a step of its own, by the name that readers see; what was looked for and was not there,
    and what a phase wrote itself, went nowhere.
    """
    known = {phase.name for phase in phases}
    found: dict[tuple[str, str], dict[str, None]] = {}
    for phase in phases:
        for item in phase.reads:
            writer = _writer(item, known)
            if item.op not in LOOKS and writer != phase.name:
                found.setdefault((writer, phase.name), {})[item.key if writer in known else item.shown] = None
    return [Flow(writer, reader, tuple(names)) for (writer, reader), names in found.items()]


def _writer(item: Artefact, known: set[str]) -> str:
    phase = item.name.partition("/")[0]
    return phase if phase in known and item.op != "source" else item.shown


def lineage(phases: Sequence[Phase], titles: Mapping[str, str]) -> Markup:
    """Return the drawing, with the same said in words as its title; nothing for a run in which nothing was read."""
    moved = flows(phases)
    outside = list(dict.fromkeys(flow.writer for flow in moved if flow.writer not in titles))
    if len(outside) > _SOURCES:
        many = f"{len(outside)} sources"
        moved = _gathered(moved, set(outside), many)
        outside = [many]
    if not moved:
        return Markup()
    steps = [*outside, *(phase.name for phase in phases)]
    place = {name: number for number, name in enumerate(steps)}
    forward = [flow for flow in moved if place[flow.writer] < place[flow.reader]]
    status = {phase.name: phase.status for phase in phases}
    body = Markup().join(
        chain(
            (_lines(name, forward, place) for name in steps),
            (_meeting(flow, place) for flow in forward),
            (_box(titles.get(name, name), place[name], status.get(name, "source")) for name in steps),
        )
    )
    words = " ".join(_sentence(phase.name, moved, titles) for phase in phases)
    width, height = _RIGHT * (len(steps) - 1) + _WIDE + 4, _DOWN * (len(steps) - 1) + _HIGH + 4
    opening = Markup('<svg class="lineage" viewBox="-2 -2 {} {}" role="img" style="max-width:{}px"><title>{}</title>')
    return opening.format(width, height, width, words) + body + Markup("</svg>")


def _gathered(moved: Sequence[Flow], outside: set[str], name: str) -> list[Flow]:
    together: dict[tuple[str, str], tuple[str, ...]] = {}
    for flow in moved:
        key = (name if flow.writer in outside else flow.writer, flow.reader)
        together[key] = together.get(key, ()) + flow.names
    return [Flow(writer, reader, names) for (writer, reader), names in together.items()]


def _sentence(reader: str, moved: Sequence[Flow], titles: Mapping[str, str]) -> str:
    parts = [
        f"{len(flow.names)} from {titles[flow.writer]}" if flow.writer in titles else ", ".join(flow.names)
        for flow in moved
        if flow.reader == reader
    ]
    return f"{titles.get(reader, reader)} read {'; '.join(parts) if parts else 'nothing'}."


def _lines(name: str, moved: Sequence[Flow], place: Mapping[str, int]) -> Markup:
    """Draw a step's way out to its last reader, and its way in from its first writer."""
    x, y = _RIGHT * place[name], _DOWN * place[name]
    readers = [place[flow.reader] for flow in moved if flow.writer == name]
    writers = [place[flow.writer] for flow in moved if flow.reader == name]
    drawn = Markup()
    if readers:
        drawn += Markup('<path d="M{} {}H{}"/>').format(x + _WIDE, y + _HIGH // 2, _centre(max(readers)))
    if writers:
        top = _DOWN * min(writers) + _HIGH // 2
        drawn += Markup('<path d="M{0} {1}V{2}m-4 -6l4 6 4 -6"/>').format(_centre(place[name]), top, y)
    return drawn


def _centre(step: int) -> int:
    return _RIGHT * step + _WIDE // 2


def _meeting(flow: Flow, place: Mapping[str, int]) -> Markup:
    x, y = _centre(place[flow.reader]), _DOWN * place[flow.writer] + _HIGH // 2
    shape = Markup('<g class="meet"><title>{}</title><circle cx="{}" cy="{}" r="10"/><text x="{}" y="{}">{}</text></g>')
    return shape.format(", ".join(flow.names), x, y, x, y + 4, len(flow.names))


def _box(title: str, step: int, status: str) -> Markup:
    x, y = _RIGHT * step, _DOWN * step
    kind = status if status in {"source", "done", "reused", "never-ran"} else "broken"
    shown = title if len(title) <= _LETTERS else f"{title[: _LETTERS - 1]}…"
    shape = Markup(
        '<g class="step {}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="7"/>'
        '<text x="{}" y="{}">{}</text></g>'
    )
    said = title if status == "source" else f"{title}: {status.replace('-', ' ')}"
    return shape.format(kind, said, x, y, _WIDE, _HIGH, x + _WIDE // 2, y + _HIGH // 2 + 4, shown)
