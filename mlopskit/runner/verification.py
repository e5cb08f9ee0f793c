"""Verification: a run executed again from its manifest, and compared with itself.

Parameters and the choice of phases come from the manifest; notebooks, project file and data are those of the project
as it stands, so what is tested is whether the project still gives what the run says. Every phase that ended well is
executed anew, nothing is taken from the cache. Artefacts are compared one by one, notebooks cell by cell; each
difference comes with its causes (`mlopskit.runner.causes`). What measures time is left out, and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mlopskit.errors import NotebookError, RunError
from mlopskit.notebooks import load_notebook
from mlopskit.runner import fresh, manifest, reuse
from mlopskit.runner.causes import Cause, causes_of, own_causes
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.execution import NOTEBOOK
from mlopskit.runner.graph import graph
from mlopskit.runner.likeness import STANDARD, Likeness, Tolerance, compare
from mlopskit.runner.likeness_cells import compare_cells
from mlopskit.runner.phases import Phase
from mlopskit.runner.repetition import (
    ENVIRONMENT,
    Listener,
    execute_again,
    execute_there,
    phases_of,
    planned_as,
    workplace,
)
from mlopskit.runs import written
from mlopskit.runs.presence import is_running
from mlopskit.scope import PROJECT_FILE, Scope


@dataclass(frozen=True)
class Difference:
    """Something that did not come out as in the run.

    Attributes
    ----------
    phase : str
        Where.
    name : str
        ``phase/file`` of an artefact, ``phase: cell …`` of a notebook, or the phase when it did not end well.
    text : str
        What is different, in words.
    causes : tuple of Cause
        Why, as far as it was recorded.
    """

    phase: str
    name: str
    text: str
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Verification:
    """What came out of executing a run again.

    Attributes
    ----------
    run : str
        The run that was verified.
    phases : tuple of str
        The phases that were compared; `passed_over` says why others were not.
    artefacts, cells : int
        How many were compared.
    within : tuple of str
        What is equal within the tolerance only, not to the last bit.
    left_out : tuple of str
        What measures time.
    differences : tuple of Difference
        What came out differently.
    changes : tuple of Cause
        What is not as it was in the run, whether or not it made a difference.
    tolerance : Tolerance
        For numbers.
    again : Path or None
        The folder of the second run, when it was kept.
    environment : tuple of str
        What the fresh environment held and what it could not hold, in sentences; empty without one.
    """

    run: str
    phases: tuple[str, ...]
    passed_over: tuple[str, ...]
    artefacts: int
    cells: int
    within: tuple[str, ...]
    left_out: tuple[str, ...]
    differences: tuple[Difference, ...]
    changes: tuple[Cause, ...]
    tolerance: Tolerance
    again: Path | None = None
    environment: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 when all is equal within the tolerance, 3 when something is not."""
        return 3 if self.differences else 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, ready for JSON."""
        again = None if self.again is None else str(self.again)
        return {**asdict(self), "again": again, "status": "not-reproduced" if self.differences else "reproduced"}


def verify(
    project: Path,
    folder: Path,
    *,
    tolerance: Tolerance = STANDARD,
    env: bool = False,
    keep: bool = False,
    phases: Sequence[Phase] | None = None,
    listener: Listener = lambda _: None,
    jobs: int = 1,
    cold: bool = False,
) -> Verification:
    """Execute a run again and compare.

    Parameters
    ----------
    project : Path
        The folder with ``mlops.toml``.
    folder : Path
        The run.
    tolerance : Tolerance
        For numbers in tables, JSON and outputs.
    env : bool
        Whether to execute it in a fresh environment with the recorded distributions.
    keep : bool
        Whether to keep the second run, in a hidden folder beside the run.
    phases : sequence of Phase, optional
        All phases of the project; those of its project file by default.
    listener : callable
        Told what happens while the run is executed again, as by `execute`.
    jobs : int
        How many phases may run side by side.
    cold : bool
        Whether kernels are started anew instead of forked.

    Raises
    ------
    RunError
        When the run cannot be verified: it is running, damaged, has no phase that ended well, or the second run was
        stopped or could not be started.
    MlopskitError
        When the project cannot be run as the manifest says.
    """
    before, made = _readable(folder), None
    known = graph(Scope.load(project / PROJECT_FILE).phase) if phases is None else phases
    chosen = phases_of(before, known)
    with workplace(folder, keep=keep) as place:
        planned = planned_as(project.resolve(), place, before, chosen)
        if env:
            made = fresh.recipe_of(planned, before)
            text = f"Installing {len(made.needed)} recorded distributions in a fresh environment …"
            listener({"event": "note", "text": text})
            python = fresh.make_environment(place / ENVIRONMENT, made)
            everything = [item.name for item in chosen] == [item.name for item in known]
            execute_there(python, planned, listener, all_phases=everything, jobs=jobs, cold=cold)
        else:
            execute_again(planned, listener, jobs=jobs, cold=cold)
        after = Side.open(next(place.glob(f"*/{manifest.FILE}")).parent)
        if after.status == "interrupted":
            raise RunError(f"Executing {folder.name} again was stopped, so nothing was compared. Give it again.")
        if made is not None:
            before, after = fresh.restricted(before, made), fresh.restricted(after, made)
        found = _Comparing(planned.project, before, after, tolerance).result([item.name for item in chosen])
    notes = (
        () if made is None else (f"{len(made.versions)} distributions in exactly the recorded versions", *made.notes)
    )
    return replace(found, again=after.folder if keep else None, environment=notes)


def _readable(folder: Path) -> Side:
    """Open the run, or say why it cannot be verified."""
    side = Side.open(folder)
    if not side.said:
        raise RunError(f"run.json of {folder.name} is missing or damaged, so there is nothing to execute again from.")
    if is_running(folder):
        raise RunError(f"{folder.name} is still running. Verify it when it has ended.")
    ended = [name for name, status in side.phases.items() if status in manifest.ENDED_WELL]
    if not ended:
        raise RunError(f"{folder.name} {side.status}: no phase ended well, so there is nothing to compare.")
    for name in ended:
        damage = reuse.damaged(folder / name)
        if damage is not None:
            raise RunError(f"{folder.name} cannot be verified: in {name}, {damage}.")
    return side


@dataclass
class _Comparing:
    """The comparison of a run with its repetition while it is being made."""

    project: Path
    before: Side
    after: Side
    tolerance: Tolerance
    within: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    artefacts: int = 0
    cells: int = 0

    def result(self, phases: Sequence[str]) -> Verification:
        """Compare phase by phase."""
        for phase in phases:
            status = self.after.phases.get(phase, "never-ran")
            if status == "never-ran":
                self._different(phase, phase, "could not be executed again: a phase before it did not end well")
            elif status not in manifest.ENDED_WELL:
                self._different(phase, phase, f"{status.replace('-', ' ')} this time: {self._error(phase)}")
            else:
                self._compare_artefacts(phase)
                self._compare_cells(phase)
        found = [own_causes(phase, self.before, self.after, project=self.project) for phase in phases]
        others = [(name, status) for name, status in self.before.phases.items() if name not in phases]
        return Verification(
            run=self.before.folder.name,
            phases=tuple(phases),
            passed_over=tuple(f"{name} was {status} in the run" for name, status in others),
            artefacts=self.artefacts,
            cells=self.cells,
            within=tuple(self.within),
            left_out=tuple(self.left_out),
            differences=tuple(self.differences),
            changes=tuple(dict.fromkeys(cause for causes in found for cause in causes)),
            tolerance=self.tolerance,
        )

    def _error(self, phase: str) -> str:
        entry = next(item for item in self.after.entries("phases") if item.get("name") == phase)
        error = entry.get("error") or {}
        return f"{error.get('name')}: {error.get('message')}"

    def _different(self, phase: str, name: str, text: str) -> None:
        causes = causes_of(phase, self.before, self.after, project=self.project)
        self.differences.append(Difference(phase, name, text, causes))

    def _compare_artefacts(self, phase: str) -> None:
        old, new = (written(side.folder / phase) for side in (self.before, self.after))
        for file in dict.fromkeys([*old, *new]):
            name = f"{phase}/{file}"
            if any(side[file].volatile for side in (old, new) if file in side):
                self.left_out.append(name)
                continue
            self.artefacts += 1
            if file not in old or file not in new:
                self._different(phase, name, "is new" if file in new else "was not written this time")
                continue
            likeness = self._likeness(phase, file)
            if not likeness.alike:
                self._different(phase, name, likeness.text)
            elif likeness.outcome != "identical":
                self.within.append(name)

    def _likeness(self, phase: str, file: str) -> Likeness:
        paths = [side.folder / phase / file for side in (self.before, self.after)]
        try:
            return compare(*paths, tolerance=self.tolerance)
        except (OSError, ValueError) as error:
            return Likeness("different", f"the content differs and cannot be read to say where ({error})")

    def _compare_cells(self, phase: str) -> None:
        try:
            old, new = (load_notebook(side.folder / phase / NOTEBOOK) for side in (self.before, self.after))
        except NotebookError as error:
            self._different(phase, f"{phase}/{NOTEBOOK}", str(error))
            return
        folders = [side.folder / phase for side in (self.before, self.after)]
        for cell in compare_cells(old, new, tolerance=self.tolerance, ignore=self._ignored(phase), folders=folders):
            name = f"{phase}: cell {cell.cell}"
            if cell.outcome == "left out":
                self.left_out.append(name)
                continue
            self.cells += 1
            if cell.outcome == "different":
                self._different(phase, name, cell.text)
            elif cell.outcome != "identical":
                self.within.append(name)

    def _ignored(self, phase: str) -> list[str]:
        """Return what names the run and not the result; long texts first, since one may hold another."""
        sides = (self.before.folder, self.after.folder)
        digests = {record.digest[:12] for side in sides for record in written(side / phase).values()}
        names = {text for side in sides for text in (str(side), side.name)}
        return sorted((digests | names) - {""}, key=lambda text: (-len(text), text))
