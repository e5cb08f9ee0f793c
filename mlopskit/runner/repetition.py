"""A run executed again: what its manifest says, planned on the project as it stands and executed anew."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from types import FrameType
from typing import Any

from mlopskit.errors import RunError
from mlopskit.runner import importing, leftovers, manifest, programs, warm
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.interruption import stopped_by
from mlopskit.runner.phases import Phase
from mlopskit.runner.pipeline import execute
from mlopskit.runner.planning import Plan, plan
from mlopskit.runs import presence

Listener = Callable[[Mapping[str, Any]], None]

ENVIRONMENT = "environment"
"""The fresh environment's folder in the workplace; it goes even when the second run is kept."""


@contextmanager
def workplace(run: Path, *, keep: bool) -> Iterator[Path]:
    """Yield a hidden folder beside a run, where no list of runs finds it; it goes when the work is done.

    Its lock tells `prune` that somebody works in it, and that the run is still wanted. What a kill leaves is swept by
    the next `prune`.
    """
    runs = run.parent
    name = token_hex(3)
    draft, place = runs / f".{name}.part", runs / f"{leftovers.VERIFY}{name}"
    with ExitStack() as stack, stopped_by(_stop):
        try:
            draft.mkdir()
            (draft / leftovers.OF).write_text(run.name, encoding="utf-8")
            stack.enter_context(presence.present(draft))
            draft.rename(place)  # under its name it is never seen without its lock
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise RunError(f"No folder can be made in {runs} ({error.strerror}). Mend that first.") from error
        done = False
        try:
            yield place
            done = True
        finally:
            shutil.rmtree(place / ENVIRONMENT, ignore_errors=True)
            if keep and done:
                (place / presence.FILE).unlink(missing_ok=True)
                (place / leftovers.KEPT).touch()
            else:
                shutil.rmtree(place, ignore_errors=True)


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the form that `signal` asks for
    """Let each end the work as Ctrl-C does, so that nothing is left; while a run is made it has its own handler."""
    raise KeyboardInterrupt


def phases_of(run: Side, known: Sequence[Phase]) -> tuple[Phase, ...]:
    """Return the phases of the run that ended well, in its order, with the notebooks that they had.

    Raises
    ------
    RunError
        When the manifest does not say what they are.
    """
    ended = [item for item in run.entries("phases") if item.get("status") in manifest.ENDED_WELL]
    names = [_told(run, item, "name", "it names no phase where one ended well") for item in ended]
    notebooks = [
        _told(run, item, "notebook", f"it names no notebook for {name}")
        for name, item in zip(names, ended, strict=True)
    ]
    after = {phase.name: phase.after for phase in known}
    return tuple(
        Phase(
            name,
            notebook,
            None if after.get(name) is None else tuple(part for part in after[name] or () if part in names),
        )
        for name, notebook in zip(names, notebooks, strict=True)
    )


def _told(run: Side, entry: Mapping[str, Any], key: str, lack: str) -> str:
    found = entry.get(key)
    if not isinstance(found, str) or not found:
        raise RunError(f"run.json of {run.folder.name} is damaged: {lack}, so there is nothing to execute again.")
    return found


def planned_as(project: Path, place: Path, run: Side, phases: Sequence[Phase]) -> Plan:
    """Plan the second run: the phases as they are, with the parameters that the run had; what it lacked is today's."""
    return plan(project, runs=place, phases=phases, recorded=run.table("parameters"))


def arguments_of(planned: Plan) -> list[str]:
    """Return the values that are to be put in, as arguments of the command line."""
    return [
        f"{phase}.{name}={_text(value)}"
        for phase, parameters in planned.parameters.items()
        for name, value in parameters.given.items()
    ]


def _text(value: Any) -> str:
    if value is None:
        return "none"
    plain = isinstance(value, str) or (isinstance(value, float) and not math.isfinite(value))
    return str(value) if plain else json.dumps(value)


def execute_again(planned: Plan, listener: Listener, *, jobs: int, cold: bool) -> None:
    """Execute every phase of the plan anew; nothing comes from the cache."""
    planned = replace(planned, reuse=False, jobs=jobs)
    notebooks = [phase.path(planned.project) for phase in planned.phases]
    with ExitStack() as stack:
        server = None
        if warm.is_supported() and not cold:
            statements = importing.import_statements(notebooks, planned.project)
            server = stack.enter_context(warm.ForkServer(statements, planned.project, hidden=planned.hidden))
        execute(planned, listener=listener, server=server)


def execute_there(python: Path, planned: Plan, listener: Listener, *, all_phases: bool, jobs: int, cold: bool) -> None:
    """Execute every phase of the plan anew with another interpreter.

    Raises
    ------
    RunError
        When it made no run folder.
    """
    where = ["--project", str(planned.project), "--out", str(planned.runs)]
    command = [str(python), "-P", "-m", "mlopskit", "run", "--fresh", "--json", "--jobs", str(jobs), *where]
    command += ["--cold"] if cold else []
    command += [word for argument in arguments_of(planned) for word in ("-p", argument)]
    command += [] if all_phases else [word for phase in planned.phases for word in ("--only", phase.name)]
    done = programs.run(command, on_line=lambda line: _pass_on(line, listener))
    if not any(planned.runs.glob(f"*/{manifest.FILE}")):
        raise RunError(f"The run could not be started in the fresh environment: {programs.tail(done.said)}.")


def _pass_on(line: str, listener: Listener) -> None:
    with suppress(ValueError):  # something else that was printed
        event = json.loads(line)
        if isinstance(event, dict) and "event" in event:
            listener(event)
