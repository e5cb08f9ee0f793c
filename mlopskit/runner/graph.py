"""The graph of phases: the seven of the lifecycle, changed by the ``[[phase]]`` tables of a project file.

A table with a new name adds a notebook; one with a known name gives that phase another notebook, place or parameters,
or drops it. What came after a dropped phase comes after what that phase came after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlopskit.errors import ProjectError, listing, nearest
from mlopskit.runner.phases import PHASES, Phase, ancestors
from mlopskit.scope.tables import PhaseTable


def graph(tables: Sequence[PhaseTable], *, known: Sequence[Phase] = PHASES) -> tuple[Phase, ...]:
    """Return the phases of a project in an order in which each stands behind those that it comes after.

    Raises
    ------
    ProjectError
        For a name given twice, a new phase without a notebook, an unknown name in ``after``, and a circle.

    Examples
    --------
    >>> review = PhaseTable(name="review", notebook="notebooks/review.ipynb", after=["evaluate"])
    >>> [phase.name for phase in graph([review])][3:6]
    ['evaluate', 'slices_and_bias', 'deploy']
    """
    _refuse_twice(tables)
    phases = {phase.name: phase for phase in known}
    for table in tables:
        phases[table.name] = _changed(table, phases.get(table.name), last=next(reversed(phases)))
    kept = _without([table.name for table in tables if table.drop], phases)
    for phase in kept.values():
        for name in phase.after or ():
            if name not in kept:
                raise ProjectError(
                    f"[[phase]] {phase.name}: after names {name!r}{nearest(name, kept)}; "
                    f"there are {listing(kept, limit=30)}. Correct it in mlops.toml."
                )
    return _sorted(kept)


def with_phase_parameters(
    tables: Sequence[PhaseTable], parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return ``[parameters]`` with those of the ``[[phase]]`` tables, which win: they stand nearer to the phase."""
    merged = {name: dict(values) for name, values in parameters.items()}
    for table in tables:
        if table.parameters:
            merged[table.name] = {**merged.get(table.name, {}), **table.parameters}
    return merged


def _refuse_twice(tables: Sequence[PhaseTable]) -> None:
    names = [table.name for table in tables]
    for name in names:
        if names.count(name) > 1:
            raise ProjectError(
                f"[[phase]] {name} stands twice in mlops.toml. To repeat a phase, give it another name "
                "and the same notebook."
            )


def _changed(table: PhaseTable, before: Phase | None, *, last: str) -> Phase:
    after = None if table.after is None else tuple(table.after)
    if before is not None:
        return Phase(table.name, table.notebook or before.notebook, before.after if after is None else after)
    if table.notebook is None:
        guess = nearest(table.name, [item.name for item in PHASES])
        raise ProjectError(
            f"[[phase]] {table.name} is new and names no notebook{guess}. "
            'Add notebook = "notebooks/….ipynb", or correct the name.'
        )
    return Phase(table.name, table.notebook, (last,) if after is None else after)


def _without(dropped: Sequence[str], phases: Mapping[str, Phase]) -> dict[str, Phase]:
    kept = dict(phases)
    for name in dropped:
        gone = kept.pop(name)
        for phase in kept.values():
            if name in (phase.after or ()):
                after = [
                    part for item in phase.after or () for part in ((gone.after or ()) if item == name else (item,))
                ]
                kept[phase.name] = Phase(phase.name, phase.notebook, tuple(dict.fromkeys(after)))
    if not kept:
        raise ProjectError("[[phase]] drops every phase; keep at least one.")
    return kept


def _sorted(phases: Mapping[str, Phase]) -> tuple[Phase, ...]:
    """Sort by dependence; what is free keeps its place."""
    ordered: list[Phase] = []
    waiting = list(phases.values())
    while waiting:
        done = {phase.name for phase in ordered}
        free = next((phase for phase in waiting if set(phase.after or ()) <= done), None)
        if free is None:
            everything = list(phases.values())
            circle = [phase.name for phase in waiting if phase.name in ancestors(everything, phase.name)]
            raise ProjectError(f"[[phase]]: {listing(circle)} come after each other in a circle. Correct `after`.")
        ordered.append(free)
        waiting.remove(free)
    return tuple(ordered)
