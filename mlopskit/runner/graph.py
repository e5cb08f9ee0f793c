"""The graph of phases: the seven of the lifecycle, changed by the ``[[phase]]`` tables of a project file.

A table with a new name adds a notebook; one with a known name gives that phase another notebook, place or parameters,
or drops it. What came after a dropped phase comes after what that phase came after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlopskit.errors import ProjectError, listing, nearest
from mlopskit.runner.phases import PHASES, Phase, ancestors
from mlopskit.scope import PROJECT_FILE
from mlopskit.scope.tables import PhaseTable


def graph(tables: Sequence[PhaseTable], *, known: Sequence[Phase] = PHASES) -> tuple[Phase, ...]:
    """Return the phases of a project in an order in which each stands behind those that it comes after.

    Raises
    ------
    ProjectError
        For names given twice, new phases without a notebook, unknown names in ``after``, and circles; all at once.

    Examples
    --------
    >>> review = PhaseTable(name="review", notebook="notebooks/review.ipynb", after=["evaluate"])
    >>> [phase.name for phase in graph([review])][3:6]
    ['evaluate', 'slices_and_bias', 'deploy']
    """
    problems = list(_twice(tables))
    phases = {phase.name: phase for phase in known}
    for table in tables:
        if table.name not in phases and table.notebook is None:
            guess = nearest(table.name, [item.name for item in PHASES])
            problems.append(
                f"[[phase]] {table.name} is new and names no notebook{guess}. "
                'Add notebook = "notebooks/….ipynb", or correct the name.'
            )
        phases[table.name] = _changed(table, phases.get(table.name), last=next(reversed(phases)))
    kept = _without(dict.fromkeys(table.name for table in tables if table.drop), phases)
    problems += [
        f"[[phase]] {phase.name}: after names {name!r}{nearest(name, kept)}; there are {listing(kept, limit=30)}. "
        "Correct it in mlops.toml."
        for phase in kept.values()
        for name in phase.after or ()
        if name not in kept
    ]
    if not kept:
        problems.append("[[phase]] drops every phase; keep at least one.")
    ordered, circle = _sorted(kept)
    if circle:
        problems.append(f"[[phase]]: {listing(circle)} come after each other in a circle. Correct `after`.")
    if len(problems) > 1:
        raise ProjectError.from_problems(Path(PROJECT_FILE), problems)
    if problems:
        raise ProjectError(problems[0])
    return ordered


def with_phase_parameters(
    tables: Sequence[PhaseTable], parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return ``[parameters]`` with those of the ``[[phase]]`` tables, which win: they stand nearer to the phase."""
    merged = {name: dict(values) for name, values in parameters.items()}
    for table in tables:
        if table.parameters:
            merged[table.name] = {**merged.get(table.name, {}), **table.parameters}
    return merged


def _twice(tables: Sequence[PhaseTable]) -> Iterator[str]:
    names = [table.name for table in tables]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield (
                f"[[phase]] {name} stands twice in mlops.toml. To repeat a phase, give it another name and the same "
                "notebook."
            )


def _changed(table: PhaseTable, before: Phase | None, *, last: str) -> Phase:
    after = None if table.after is None else tuple(table.after)
    if before is not None:
        return Phase(table.name, table.notebook or before.notebook, before.after if after is None else after)
    return Phase(table.name, table.notebook or "", (last,) if after is None else after)


def _without(dropped: Iterable[str], phases: Mapping[str, Phase]) -> dict[str, Phase]:
    kept = dict(phases)
    for name in dropped:
        gone = kept.pop(name)
        for phase in kept.values():
            if name in (phase.after or ()):
                after = [
                    part for item in phase.after or () for part in ((gone.after or ()) if item == name else (item,))
                ]
                kept[phase.name] = Phase(phase.name, phase.notebook, tuple(dict.fromkeys(after)))
    return kept


def _sorted(phases: Mapping[str, Phase]) -> tuple[tuple[Phase, ...], list[str]]:
    """Sort by dependence, what is free keeps its place; return the names that go in circles, too."""
    ordered: list[Phase] = []
    waiting = list(phases.values())
    while waiting:
        open_ones = {phase.name for phase in waiting}
        free = next((phase for phase in waiting if open_ones.isdisjoint(phase.after or ())), None)
        if free is None:
            known = [replace(phase, after=tuple(open_ones & {*(phase.after or ())})) for phase in waiting]
            return tuple(ordered), [phase.name for phase in known if phase.name in ancestors(known, phase.name)]
        ordered.append(free)
        waiting.remove(free)
    return tuple(ordered), []
