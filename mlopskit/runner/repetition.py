"""A run executed again: what its manifest says, planned on the project as it stands and executed anew."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from mlopskit.errors import RunError
from mlopskit.params import Parameter, resolve
from mlopskit.runner import manifest, warm
from mlopskit.runner.compare_runs import Side
from mlopskit.runner.overrides import Parameters, look_up_secrets
from mlopskit.runner.phases import Phase
from mlopskit.runner.pipeline import execute
from mlopskit.runner.planning import Plan, plan

Listener = Callable[[Mapping[str, Any]], None]


@contextmanager
def workplace(runs: Path, *, keep: bool) -> Iterator[Path]:
    """Yield a hidden folder among the runs, where no list of runs finds it; it goes when the work is done."""
    place = runs / f".verify-{token_hex(3)}"
    try:
        place.mkdir()
    except OSError as error:
        raise RunError(f"No folder can be made in {runs} ({error.strerror}). Make it writable.") from error
    try:
        yield place
    finally:
        shutil.rmtree(place / "environment", ignore_errors=True)
        if not keep:
            shutil.rmtree(place, ignore_errors=True)


def phases_of(run: Side, known: Sequence[Phase]) -> tuple[Phase, ...]:
    """Return the phases of the run that ended well, in its order, with the notebooks that they had."""
    ended = [item for item in run.entries("phases") if item.get("status") in manifest.ENDED_WELL]
    names = [str(item["name"]) for item in ended]
    after = {phase.name: phase.after for phase in known}
    return tuple(
        Phase(
            name,
            str(item["notebook"]),
            None if after.get(name) is None else tuple(part for part in after[name] or () if part in names),
        )
        for name, item in zip(names, ended, strict=True)
    )


def planned_as(project: Path, place: Path, run: Side, phases: Sequence[Phase]) -> Plan:
    """Plan the second run: the phases as they are, with the parameters that the run had."""
    planned = plan(project, runs=place, phases=phases)
    recorded = run.table("parameters")
    parameters = {name: _as_recorded(name, now, recorded.get(name) or {}) for name, now in planned.parameters.items()}
    secrets = look_up_secrets(parameters, planned.chosen)
    return replace(planned, parameters=parameters, secrets=secrets)


def _as_recorded(phase: str, now: Parameters, recorded: Mapping[str, Any]) -> Parameters:
    """Give the declared parameters the values of the run; those that it didn't have keep today's."""
    known = {item.name: item for item in now.declared}
    before = {name: _value(known[name], value) for name, value in recorded.items() if name in known}
    values = resolve(now.declared, {**now.values, **before}, where=f"{phase}.")
    defaults = {item.name: item.default for item in now.declared}
    given = {name: value for name, value in values.items() if name in now.given or value != defaults[name]}
    return Parameters(now.declared, values, given)


def _value(parameter: Parameter, value: Any) -> Any:
    """Read a recorded value: infinities and NaN were written as text."""
    if isinstance(value, list):
        return [_value(replace(parameter, type=parameter.item or "str", item=""), item) for item in value]
    return float(value) if parameter.type == "float" and isinstance(value, str) else value


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
    statements = warm.import_statements(notebooks, planned.project) if warm.is_supported() and not cold else None
    with nullcontext() if statements is None else warm.ForkServer(statements) as server:
        execute(planned, listener=listener, server=server)
