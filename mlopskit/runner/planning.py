"""The plan of a run: everything that can be checked without a kernel, checked before anything is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlopskit.runner import reuse
from mlopskit.runner.graph import graph, with_phase_parameters
from mlopskit.runner.overrides import Parameters, combine, declarations, resolve
from mlopskit.runner.phases import Phase, require_notebooks, select
from mlopskit.scope import PROJECT_FILE, Scope
from mlopskit.secrets import Secret, variables


@dataclass(frozen=True)
class Plan:
    """What a run will do; everything in it has been checked.

    Attributes
    ----------
    project : Path
        The project folder, absolute.
    runs : Path
        Where the run folder will be made.
    scope : Scope
        The project file.
    phases : tuple of Phase
        All phases of the project, in order.
    chosen : frozenset of str
        Those that are executed; the others come from `base`, where they still fit.
    parameters : mapping
        Phase → its parameters, resolved.
    base : Path or None
        The run that phases are copied from.
    limit : float or None
        Seconds for each phase.
    reuse : bool
        Whether a chosen phase is reused when nothing that it depends on changed.
    jobs : int
        How many phases may run side by side.
    anew : frozenset of str
        Phases for which no result from before counts: they were asked for, now or by the run that is gone on with,
        whose own results do.
    secrets : mapping
        Phase → what its secret parameters refer to, looked up; never saved.
    """

    project: Path
    runs: Path
    scope: Scope
    phases: tuple[Phase, ...]
    chosen: frozenset[str]
    parameters: Mapping[str, Parameters]
    base: Path | None = None
    limit: float | None = None
    reuse: bool = False
    jobs: int = 1
    anew: frozenset[str] = frozenset()
    secrets: Mapping[str, tuple[Secret, ...]] = field(default_factory=dict, repr=False)

    @property
    def needed(self) -> list[str]:
        """Phases before the last one executed that are not executed themselves."""
        last = max(index for index, phase in enumerate(self.phases) if phase.name in self.chosen)
        return [phase.name for phase in self.phases[:last] if phase.name not in self.chosen]

    def demanded(self, phase: str) -> Parameters | None:
        """Parameters that results from `base` must have been made with; None where any will do, as they are needed."""
        return None if phase in self.needed else self.parameters.get(phase)

    @property
    def hidden(self) -> set[str]:
        """Variables of the environment that nothing must read past a secret parameter."""
        return variables(secret for known in self.secrets.values() for secret in known)


@dataclass(frozen=True)
class Choice:
    """Which phases to execute: by name, or from one to another; nothing given means all.

    With `resume`, all that the run of that name did not finish, with the parameters that it had.
    """

    only: Sequence[str] = ()
    first: str | None = None
    last: str | None = None
    base: str | None = None
    resume: str | None = None


def plan(
    project: Path,
    *,
    arguments: Sequence[str] = (),
    choice: Choice = Choice(),
    runs: Path | None = None,
    limit: float | None = None,
    phases: Sequence[Phase] | None = None,
    reuse_unchanged: bool = False,
    jobs: int = 1,
    recorded: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """Check a project and say what a run of it will do. Nothing is written and no kernel starts.

    Parameters
    ----------
    project : Path
        The folder with ``mlops.toml``.
    arguments : sequence of str
        ``phase.name=value``, as given to ``-p``.
    choice : Choice
        Which phases to execute, and the run to take the others from.
    runs : Path, optional
        Where run folders are made; ``runs`` in the project by default.
    limit : float, optional
        Seconds for each phase.
    phases : sequence of Phase, optional
        All phases, in order; the seven with the changes of ``[[phase]]`` in the project file by default.
    reuse_unchanged : bool
        Reuse what did not change. Phases that `choice` names are executed whatever the cache holds, also where it
        names them all.
    jobs : int
        How many phases may run side by side.
    recorded : mapping, optional
        Phase → the parameters that it had in an earlier run, as its manifest keeps them; they win over the project
        file, of which the tables of other phases are left out.

    Raises
    ------
    ProjectError, ParameterError, NotebookError, RunError
        For the first kind of problem found, all problems of that kind at once.
    """
    project = project.resolve()
    runs = (runs or project / "runs").resolve()
    scope = Scope.load(project / PROJECT_FILE)
    phases = graph(scope.phase) if phases is None else phases
    chosen = select(phases, only=choice.only, first=choice.first, last=choice.last)
    require_notebooks(project, chosen)
    present = [phase for phase in phases if phase in chosen or phase.path(project).is_file()]
    names = frozenset(phase.name for phase in chosen)
    table = with_phase_parameters(scope.phase, scope.parameters)
    if recorded is not None:
        table = {phase: values for phase, values in table.items() if phase in names}
    declared = declarations(project, present, table=table, arguments=arguments, executed=names)
    resumed = None if choice.resume is None else reuse.find_resumable(runs, choice.resume)
    recorded = recorded if resumed is None else reuse.recorded(resumed)
    if recorded is not None:
        today = combine(declared, table=table, arguments=arguments, executed=names)
        table = reuse.with_recorded(recorded, today, table)
    parameters, secrets = resolve(declared, table=table, arguments=arguments, executed=names, project=project)
    asked = bool(choice.only or choice.first or choice.last)  # also for all: who names a phase wants it executed
    whole = reuse_unchanged and not asked
    anew = names if not whole else frozenset() if resumed is None else reuse.anew(resumed)
    made = Plan(project, runs, scope, tuple(phases), names, parameters, resumed, limit, whole, jobs, anew, secrets)
    if not made.needed and choice.base is None:
        return made
    base = reuse.find_base(runs, choice.base)
    reuse.check_base(base, made.needed)
    return replace(made, base=base)
