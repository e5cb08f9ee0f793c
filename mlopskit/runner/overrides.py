"""Overrides: values for parameters from ``mlops.toml`` and from the command line, checked for all phases at once.

The command line wins over ``[parameters.<phase>]``, which wins over the notebook's own default. A name without a
phase, as in ``-p seed=7``, reaches every phase that declares it.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlopskit.errors import MlopskitError, NotebookError, ParameterError, UsageError, listing, nearest
from mlopskit.notebooks import language_of, load_notebook
from mlopskit.params import Parameter, check_overrides, notebook_parameters, recorded
from mlopskit.runner.phases import Phase
from mlopskit.runner.redaction import Redactor
from mlopskit.secrets import Secret, look_up
from mlopskit.values import Text


@dataclass(frozen=True)
class Parameters:
    """The parameters of one phase.

    Attributes
    ----------
    declared : list of Parameter
        The schema in the notebook.
    values : dict
        Every parameter's value in this run.
    given : dict
        Those that were overridden: what is put into the notebook.
    """

    declared: list[Parameter]
    values: dict[str, Any]
    given: dict[str, Any]

    def recorded(self) -> dict[str, Any]:
        """Return the values as the manifest keeps them."""
        return recorded(self.declared, self.values)


def declarations(
    project: Path,
    phases: Sequence[Phase],
    *,
    table: Mapping[str, Mapping[str, Any]] | None = None,
    arguments: Iterable[str] = (),
    executed: Container[str] | None = None,
) -> dict[str, list[Parameter]]:
    """Read the parameters cells of all phases.

    Parameters
    ----------
    table, arguments, executed
        As for `combine`; where a cell cannot be read, values for the other phases are checked all the same.

    Raises
    ------
    MlopskitError
        When a notebook is missing, has not the form or is not in Python; all problems at once.
    """
    found: dict[str, list[Parameter]] = {}
    problems: list[MlopskitError] = []
    for phase in phases:
        path = phase.path(project)
        try:
            found[phase.name] = notebook_parameters(path)
            if (language := language_of(load_notebook(path))) != "python":
                problems.append(NotebookError.from_language(path.name, language))
        except MlopskitError as error:
            problems.append(error)
    if not problems:
        return found
    known = {phase: values for phase, values in (table or {}).items() if phase in found}
    meant = [item for item in arguments if item.partition("=")[0].partition(".")[0].strip() in found]
    _, wrong, typed = _combined(found, known, meant, executed)
    if len(problems) == 1 and not wrong and not typed:
        raise problems[0]
    told = [text for error in problems for text in getattr(error, "problems", ()) or [str(error)]]
    raise ParameterError.from_problems([*told, *wrong, *typed])


def combine(
    declared: Mapping[str, list[Parameter]],
    *,
    table: Mapping[str, Mapping[str, Any]],
    arguments: Iterable[str] = (),
    executed: Container[str] | None = None,
) -> dict[str, Parameters]:
    """Resolve the parameters of every phase.

    Parameters
    ----------
    declared : mapping
        Phase → its parameters.
    table : mapping
        ``[parameters]`` of the project file.
    arguments : iterable of str
        ``phase.name=value`` or ``name=value``, as given to ``-p``.
    executed : container of str, optional
        The phases that arguments may reach; all by default.

    Raises
    ------
    ParameterError
        Every problem at once; a `UsageError` when one of them was typed on the command line.
    """
    combined, problems, typed = _combined(declared, table, arguments, executed)
    _refuse(problems, typed)
    return combined


def resolve(
    declared: Mapping[str, list[Parameter]],
    *,
    table: Mapping[str, Mapping[str, Any]],
    arguments: Iterable[str],
    executed: Container[str],
    project: Path,
) -> tuple[dict[str, Parameters], dict[str, tuple[Secret, ...]]]:
    """Resolve the parameters of every phase, and look up their secrets: no phase may show one of another.

    Parameters
    ----------
    declared, table, arguments, executed
        As for `combine`.
    project : Path
        Where secrets in files are looked for.

    Raises
    ------
    ParameterError
        Every problem at once, among them a secret of a phase that will be executed and that is nowhere, and any other
        parameter that holds the value of a secret; a `UsageError` when one was typed on the command line.
    """
    arguments = list(arguments)
    combined, problems, typed = _combined(declared, table, arguments, executed)
    secrets, lost = _looked_up(combined, executed, project)
    known = [replace(secret, name=f"{phase}.{secret.name}") for phase in secrets for secret in secrets[phase]]
    redactor = Redactor(known)
    set_here = {argument.partition("=")[0].strip() for argument in arguments}
    for phase, parameters in combined.items():
        for name, problem in secrets_shown(parameters.declared, parameters.values, redactor):
            told = typed if phase in executed and not set_here.isdisjoint({name, f"{phase}.{name}"}) else problems
            told.append(f"{phase}.{problem}")
    _refuse(redactor.value([*problems, *lost]), redactor.value(typed))  # others repeat what was given
    return combined, secrets


def _combined(
    declared: Mapping[str, list[Parameter]],
    table: Mapping[str, Mapping[str, Any]],
    arguments: Iterable[str],
    executed: Container[str] | None,
) -> tuple[dict[str, Parameters], list[str], list[str]]:
    """Return the parameters, what is wrong with them, and what is wrong on the command line."""
    problems: list[str] = []
    given: dict[str, dict[str, Any]] = {phase: {} for phase in declared}
    for phase, values in table.items():
        if phase in given:
            given[phase].update(values)
        else:
            problems.append(f"[parameters.{phase}]: there is no phase {phase}{nearest(phase, given)}; {_phases(given)}")
    reach = {phase: known for phase, known in declared.items() if executed is None or phase in executed}
    typed: list[str] = []
    setters: dict[tuple[str, str], int] = {}  # the argument whose value each parameter has, by its place
    arguments = list(arguments)
    for place, argument in enumerate(arguments):
        targets = [] if (wrong := _left_out(argument, declared, reach)) else _targets(argument, reach, wrong)
        typed += wrong
        for phase, name in targets:
            given[phase][name] = Text(argument.partition("=")[2])
        lost = {setters.get(target, place) for target in targets} - {place}
        setters |= dict.fromkeys(targets, place)
        typed += [
            f"{arguments[old]} would have no effect: {argument}, which comes after it, sets the same; leave one out of "
            "-p and --grid"
            for old in sorted(lost - set(setters.values()))
        ]
    combined = {}
    for phase, parameters in declared.items():
        values, wrong = check_overrides(parameters, given[phase], where=f"{phase}.")
        wanting = {name for name in given[phase] if any(item.startswith(f"{phase}.{name} = ") for item in wrong)}
        values = {name: value for name, value in values.items() if name not in wanting}
        for problem in wrong:
            (typed if _is_typed(problem, given[phase], phase) else problems).append(problem)
        combined[phase] = Parameters(
            parameters, values, {name: values[name] for name in given[phase] if name in values}
        )
    return combined, problems, typed


def _refuse(problems: Sequence[str], typed: Sequence[str] = ()) -> None:
    if typed:
        raise UsageError.from_problems([*problems, *typed])
    if problems:
        raise ParameterError.from_problems(problems)


def _looked_up(
    parameters: Mapping[str, Parameters], executed: Container[str], project: Path
) -> tuple[dict[str, tuple[Secret, ...]], list[str]]:
    found: dict[str, tuple[Secret, ...]] = {}
    problems: list[str] = []
    for phase in parameters:
        for item in parameters[phase].declared:
            reference = parameters[phase].values.get(item.name)  # none where what was given is no reference
            if item.type != "secret" or reference is None:
                continue
            try:
                value = look_up(reference, home=project)
                found[phase] = (*found.get(phase, ()), Secret(item.name, reference, value))
            except ParameterError as error:
                if phase in executed:  # of the others only what is there could show
                    problems.append(f"{phase}.{item.name}: {error}")
    return found, problems


def secrets_shown(
    declared: Iterable[Parameter], values: Mapping[str, Any], redactor: Redactor
) -> Iterator[tuple[str, str]]:
    """Yield each parameter that is no secret and holds one that is known to `redactor`, and what is to be said of it.

    Parameters
    ----------
    declared : iterable of Parameter
        Of one notebook.
    values : mapping
        Their values, of those that have one.
    redactor : Redactor
        Who knows the secrets.
    """
    for item in declared:
        texts = _texts(values.get(item.name)) if item.type != "secret" else ()
        if secret := next(filter(None, map(redactor.first_in, texts)), None):
            yield (
                item.name,
                f"{item.name} holds the value of the secret {secret}, and parameters are saved as they are; "
                f"declare {item.name} as a `secret` too, and give it as a reference, `env:NAME` or `file:PATH`",
            )


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in plain data, whatever the depth, keys included."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item


def _is_typed(problem: str, given: Mapping[str, Any], phase: str) -> bool:
    """Tell whether a problem is about a value from the command line."""
    names = [name for name, value in given.items() if isinstance(value, Text)]
    return any(re.search(rf"{re.escape(phase)}\.{re.escape(name)}\b", problem) for name in names)


def _phases(names: Iterable[str]) -> str:
    return f"phases are {listing(names, limit=30)}"


def _left_out(argument: str, declared: Mapping[str, Any], reach: Mapping[str, Any]) -> list[str]:
    """Refuse a value for a phase that is not executed: it would be shown and have had no effect."""
    phase = argument.partition("=")[0].strip().rpartition(".")[0]
    if phase in declared and phase not in reach:
        return [
            f"-p {argument}: {phase} is not executed in this run, so the value would have no effect; leave it out, or "
            f"choose phases so that {phase} is executed"
        ]
    return []


def _targets(argument: str, declared: Mapping[str, list[Parameter]], wrong: list[str]) -> list[tuple[str, str]]:
    """Return the phases and the parameter that a ``-p`` argument sets; what is wrong with it is added to `wrong`."""
    path, equals, _ = argument.partition("=")
    phase, dot, name = path.strip().rpartition(".")
    phases = [phase] if dot else [key for key, known in declared.items() if any(item.name == name for item in known)]
    if not equals or not name:
        wrong.append(f"-p {argument} is not of the form phase.name=value, for example -p model.seed=7")
    elif dot and phase not in declared:
        wrong.append(f"-p {argument}: there is no phase {phase}{nearest(phase, declared)}; {_phases(declared)}")
    elif not phases:
        known = sorted({item.name for parameters in declared.values() for item in parameters})
        guess = nearest(name, known)
        wrong.append(f"-p {argument}: no phase has a parameter {name}{guess}; there are {listing(known, limit=40)}")
    return [] if wrong else [(key, name) for key in phases]
