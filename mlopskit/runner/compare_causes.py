"""What two runs were made of: parameters, data, environment, code; only what differs is told."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlopskit.params import spelled
from mlopskit.runner.compare_runs import Side

SOURCE = "data/source.json"
DATA = "data/"
VARIABLES = "variables."
"""What the names of variables of the environment begin with."""


@dataclass(frozen=True)
class Change:
    """Something that has another value in the second run; None where a run lacks it."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class TableChange:
    """An artefact of the data phase whose content differs; rows and columns are those of a table."""

    artefact: str
    digest_before: str | None
    digest_after: str | None
    rows_before: int | None
    rows_after: int | None
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]


@dataclass(frozen=True)
class CellChange:
    """A code cell that was added, removed, changed or moved, with the unified diff of its lines."""

    phase: str
    cell: str
    kind: str
    lines: tuple[str, ...]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what has another value, or is in one of the two only, in the order of the first."""
    for name in dict.fromkeys([*before, *after]):
        if name not in before or name not in after or spelled(before[name]) != spelled(after[name]):
            yield Change(name, before.get(name), after.get(name))


def parameters_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``phase.parameter`` → value."""
    tables = {phase: values for phase, values in parameters.items() if isinstance(values, dict)}
    return {f"{phase}.{name}": value for phase, values in tables.items() for name, value in values.items()}


def surroundings(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the environment without its distributions; parts of a part are named ``part.name``."""
    plain = {name: value for name, value in environment.items() if not isinstance(value, dict) and name != "direct"}
    nested = {name: value for name, value in environment.items() if isinstance(value, dict) and name != "distributions"}
    return plain | parameters_of(nested)


def around(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what differs in two environments but for distributions; what one did not yet record is no change."""
    untold = not all("variables" in environment for environment in (before, after))
    for change in changes(surroundings(before), surroundings(after)):
        if not (untold and change.name.startswith(VARIABLES)):
            yield change


def distributions(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return distribution → version."""
    found = environment.get("distributions")
    return dict(sorted(found.items())) if isinstance(found, dict) else {}


def source(side: Side) -> dict[str, Any]:
    """Return what the data phase says of its source, and the hash of every file read from outside the runs."""
    kept = {f"data {name}": side.record(SOURCE).get(name) for name in ("source", "query", "rows", "columns", "sha256")}
    return {name: value for name, value in kept.items() if value is not None} | side.sources()


def differing(old: Side, new: Side) -> Iterator[str]:
    """Yield ``phase/file`` of everything written whose content differs, or that only one run has."""
    before, after = old.artefacts(), new.artefacts()
    for name in dict.fromkeys([*before, *after]):
        if name not in before or name not in after or before[name].digest != after[name].digest:
            yield name


def data(old: Side, new: Side) -> Iterator[TableChange]:
    """Yield the artefacts of the data phase that differ, tables with their rows and columns; figures are left out."""
    before, after = old.artefacts(), new.artefacts()
    for name in differing(old, new):
        if not name.startswith(DATA) or name.endswith(".svg"):
            continue
        shapes = [side.shape(name) if name.endswith(".parquet") else None for side in (old, new)]
        columns = [shape[1] if shape else () for shape in shapes]
        both = all(shapes)
        yield TableChange(
            name,
            before[name].digest if name in before else None,
            after[name].digest if name in after else None,
            shapes[0][0] if shapes[0] else None,
            shapes[1][0] if shapes[1] else None,
            tuple(item for item in columns[1] if item not in columns[0]) if both else (),
            tuple(item for item in columns[0] if item not in columns[1]) if both else (),
        )


def code(old: Side, new: Side) -> Iterator[CellChange]:
    """Yield the code cells that differ, phase by phase; a notebook that is missing in a run is not compared."""
    for phase in dict.fromkeys([*old.phases, *new.phases]):
        before, after = old.cells(phase), new.cells(phase)
        if before is None or after is None:
            continue
        yield from cells_of(phase, before, after)


def cells_of(phase: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[CellChange]:
    """Compare the code cells of one phase by their ids."""
    for cell in dict.fromkeys([*before, *after]):
        old, new = before.get(cell), after.get(cell)
        if old != new:
            kind = "added" if old is None else "removed" if new is None else "changed"
            texts = (old or "").splitlines(), (new or "").splitlines()
            lines = tuple(difflib.unified_diff(texts[0], texts[1], lineterm="", n=2))[2:]
            yield CellChange(phase, cell, kind, lines)
    order = [cell for cell in before if cell in after], [cell for cell in after if cell in before]
    for cell in (new for old, new in zip(*order, strict=True) if old != new):
        yield CellChange(phase, cell, "moved", ())
