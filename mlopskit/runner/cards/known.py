"""What a run knows, for cards: artefacts of phases that ended well, and words for their figures.

A phase that failed may have left half of its artefacts, so nothing of it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from mlopskit.errors import listing
from mlopskit.runner.cards.content import Bar, Filled, Grid, Part, Said
from mlopskit.runner.report.evidence import Evidence, Phase, Row
from mlopskit.runner.report.marks import is_number, number

ESTIMATED = "estimated"
_NOTHING: Mapping[str, Any] = {}


class Known:
    """The evidence of a run by the names of its artefacts."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._phases = {phase.name: phase for phase in evidence.phases if phase.ended_well}

    def phase(self, name: str) -> Phase | None:
        """Return a phase that ended well."""
        return self._phases.get(name)

    def record(self, name: str) -> Mapping[str, Any]:
        """Return a JSON artefact (``phase/name``); empty when there is none that can be relied on."""
        phase, _, stem = name.partition("/")
        found = self._phases[phase].record(stem) if phase in self._phases else None
        return found if isinstance(found, dict) else _NOTHING

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table artefact; none when there is none that can be relied on."""
        if name not in self._tables:
            phase, _, stem = name.partition("/")
            rows = self._phases[phase].table(stem) if phase in self._phases else []
            self._tables[name] = [{str(key): _plain(value) for key, value in row.items()} for row in rows]
        return self._tables[name]

    def names(self, name: str, key: str) -> list[str]:
        """Return the names that a JSON artefact lists under a key."""
        found = self.record(name).get(key)
        return [str(item) for item in found] if isinstance(found, list) else []

    def file(self, name: str) -> Any:
        """Return the manifest's entry of an artefact (``phase/name``), or None."""
        phase = self._phases.get(name.partition("/")[0])
        return next((item for item in phase.writes if item.key == name), None) if phase else None

    def parameters(self, phase: str) -> Mapping[str, Any]:
        """Return the parameters that a phase ran with."""
        every = self.evidence.manifest.get("parameters")
        found = every.get(phase) if isinstance(every, dict) else None
        return found if isinstance(found, dict) else _NOTHING

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """The [data] table of the project file as frozen into the run."""
        return self.record("scope/data")

    @cached_property
    def criteria(self) -> list[Row]:
        """The acceptance criteria that were looked at, from the manifest, else from the phases that ended well."""
        gathered = self.evidence.manifest.get("criteria")
        rows: list[Row] = [row for row in gathered if isinstance(row, dict)] if isinstance(gathered, list) else []
        return rows or [row for name in self._phases for row in self.table(f"{name}/criteria")]

    @cached_property
    def roles(self) -> Mapping[str, Any]:
        """Who answers for what."""
        found = self.record("scope/project").get("roles")
        return found if isinstance(found, dict) else _NOTHING

    @cached_property
    def target(self) -> str:
        """What is predicted, in words; empty when it is not known."""
        target = self.record("data/target")
        if not target:
            return ""
        classes = words(target.get("classes"))
        unit = f" in {target['unit']}" if target.get("unit") else ""
        return f"{target.get('column')} ({target.get('task')}{f': {classes}' if classes else ''}){unit}"


def _plain(value: Any) -> Any:
    """Return a cell as something that can be compared and hashed, whatever a notebook of one's own put there."""
    if value is None or isinstance(value, str | int | float):
        return value
    return tuple(str(item) for item in value) if isinstance(value, list) else str(value)


def filled(*parts: Part | None, rest: str = "") -> Filled:
    """Put together what is known of a field; what is None is not known."""
    return Filled(tuple(part for part in parts if part is not None), rest)


def said(text: str, artefact: str = "", *, when: object = True) -> Said | None:
    """Return a sentence, or None when there is no ground for it."""
    return Said(text, artefact) if when else None


def words(value: Any, *, limit: int = 30) -> str:
    """Write a value of the project file, or an empty text when nothing is written there.

    Examples
    --------
    >>> words(["a", "b"]), words(None), words([]), words(25000)
    ('a, b', '', '', '25,000')
    """
    if value is None or value == [] or value == "":
        return ""
    if isinstance(value, list | tuple):
        return listing(value, limit=limit)
    return str(value) if isinstance(value, str) else number(value)


def between(row: Row, low: str = "low", high: str = "high") -> str:
    """Write an interval, a dash for none."""
    if not (is_number(row.get(low)) and is_number(row.get(high))):
        return "–"
    return f"{number(row[low])} to {number(row[high])}"


def interval_words(rows: Iterable[Row]) -> str:
    """Return what a column of intervals is called: with their level, where the rows state one.

    Examples
    --------
    >>> interval_words([{"confidence": 0.9}, {"confidence": 0.9}]), interval_words([{}])
    ('90 % interval', 'interval')
    """
    levels = {row["confidence"] for row in rows if is_number(row.get("confidence"))}
    return f"{100 * levels.pop():g} % interval" if len(levels) == 1 else "interval"


def label(metric: Any) -> str:
    """Return what a metric is called in words.

    Examples
    --------
    >>> label("roc_auc"), label("own_metric")
    ('ROC AUC', 'Own metric')
    """
    from mlopskit.metrics import METRICS

    name = str(metric or "")
    text = METRICS[name].label if name in METRICS else name.replace("_", " ")
    return text[:1].upper() + text[1:]


def bar(row: Row, *, mark: Any = None, mark_label: str = "") -> Bar:
    """Return a row's figure with interval as it is drawn."""
    value, low, high = (row.get(key) if is_number(row.get(key)) else None for key in ("value", "low", "high"))
    return Bar(value, low, high, mark if is_number(mark) else None, mark_label)


def figure(row: Row) -> str:
    """Write an estimate, or that there is none."""
    status = str(row.get("status") or ESTIMATED)
    if status != ESTIMATED or not is_number(row.get("value")):
        return status.replace("-", " ") if status != ESTIMATED else "–"
    return number(row["value"])


def grid(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    artefact: str,
    *,
    numeric: Iterable[str] = (),
    bars: Iterable[Bar] = (),
    note: str = "",
    together: bool = True,
) -> Grid | None:
    """Return a table, or None when it has no rows."""
    made = tuple(tuple(row) for row in rows)
    if not made:
        return None
    return Grid(caption, tuple(headings), made, artefact, frozenset(numeric), tuple(bars), note, together)


def sentences(known: Known, phase: str, *, tones: Iterable[str] = (), about: Iterable[str] = ()) -> list[Said]:
    """Return what a phase's summary says, by tone or by the artefact that a sentence is about."""
    found = known.phase(phase)
    tones, about = set(tones), set(about)
    return [
        Said(str(row["text"]), str(row.get("artefact") or ""))
        for row in (found.statements if found else [])
        if row.get("text") and (row.get("tone") in tones or row.get("artefact") in about)
    ]
