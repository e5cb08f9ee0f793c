"""The form for a new run: one field a parameter, made from the parameters cells of the phases.

A field begins at the value that a run would take now: the notebook's own, or that of ``mlops.toml``. What differs from
it becomes a ``-p``; whatever is wrong is said in the words of the same checks that guard a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit.errors import MlopskitError, ParameterError, listing, nearest
from mlopskit.explore.project_phases import project_phases
from mlopskit.params import Parameter, check_overrides, notebook_parameters
from mlopskit.scope import PROJECT_FILE, Scope
from mlopskit.values import Text

_EXACT = 2**53
"""Whole numbers beyond it are not held exactly by a browser, so they are typed as text."""


@dataclass(frozen=True)
class Field:
    """One parameter of one phase, with the value that a run would take now.

    Attributes
    ----------
    phase : str
    parameter : Parameter
        As the notebook declares it.
    base : object
        The notebook's value, or that of ``mlops.toml``.
    """

    phase: str
    parameter: Parameter
    base: Any

    @property
    def name(self) -> str:
        """``phase.name``, as `-p` takes it."""
        return f"{self.phase}.{self.parameter.name}"

    @property
    def kind(self) -> str:
        """What it is filled in with: ``checkbox``, ``choice``, ``number`` or ``text``."""
        declared = self.parameter
        if declared.type == "secret" or declared.item:
            return "text"
        if declared.choices:
            return "choice"
        if declared.optional:
            return "text"
        if declared.type == "bool":
            return "checkbox"
        numbers = [value for value in (self.base, declared.low, declared.high) if value is not None]
        simple = declared.type in {"int", "float"} and all(_is_simple(value) for value in numbers)
        return "number" if simple else "text"

    @property
    def is_typed(self) -> bool:
        """Whether its entry is text as on the command line, rather than a number or a truth value."""
        return self.kind in {"text", "choice"}

    def typed(self, value: Any) -> str:
        """Return a value as one would type it on the command line."""
        if value is None:
            return "none"
        if isinstance(value, bool):
            return "true" if value else "false"
        return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)

    def read(self, entry: Any) -> tuple[Any, list[str]]:
        """Return what an entry means, and what is wrong with it; text is read as the command line would."""
        given = Text(entry) if self.is_typed else entry
        values, problems = check_overrides([self.parameter], {self.parameter.name: given}, where=f"{self.phase}.")
        return values[self.parameter.name], problems


def _is_simple(value: Any) -> bool:
    return math.isfinite(value) and abs(value) < _EXACT


@dataclass
class Form:
    """The fields of all phases and what was entered.

    Attributes
    ----------
    fields : list of Field
    standing : list of str
        What is wrong before anything was entered: notebooks that cannot be read, values in ``mlops.toml``.
    """

    fields: list[Field]
    standing: list[str]

    def __post_init__(self) -> None:
        self._entries: dict[str, Any] = {}

    @classmethod
    def of(cls, project: Path) -> Form:
        """Read the parameters cells of a project's notebooks, and what ``mlops.toml`` says of them."""
        try:
            scope = Scope.load(project / PROJECT_FILE)
        except MlopskitError as error:
            return cls([], [str(error)])
        tables = {table.name: table.parameters for table in scope.phase}
        fields: list[Field] = []
        standing: list[str] = []
        for phase, path in project_phases(project, scope.phase).items():
            given = {**scope.parameters.get(phase, {}), **tables.get(phase, {})}  # the nearer one wins, as in a run
            try:
                declared = notebook_parameters(path)
            except MlopskitError as error:
                standing.append(str(error))
                continue
            values, problems = check_overrides(declared, given, where=f"{phase}.")
            standing += problems
            fields += [Field(phase, item, values[item.name]) for item in declared]
        return cls(fields, standing)

    @property
    def phases(self) -> list[str]:
        """Those that have a parameter, in their order."""
        return list(dict.fromkeys(field.phase for field in self.fields))

    def field(self, name: str) -> Field:
        """Return the field of ``phase.name``.

        Raises
        ------
        ParameterError
            When there is none.
        """
        known = {field.name: field for field in self.fields}
        if name not in known:
            raise ParameterError(
                f"There is no parameter {name!r}{nearest(name, known)}; there are {listing(known, limit=30)}."
            )
        return known[name]

    def enter(self, name: str, value: Any) -> list[str]:
        """Enter a value and return what is wrong with it; a secret that is no reference is not kept.

        Raises
        ------
        ParameterError
            When there is no such parameter.
        """
        field = self.field(name)
        _, problems = field.read(value)
        if problems and field.parameter.type == "secret":
            self._entries.pop(name, None)
        else:
            self._entries[name] = value
        return problems

    def clear(self) -> None:
        """Go back to what a run would take now."""
        self._entries.clear()

    def entry(self, name: str) -> Any:
        """Return what stands in a field."""
        field = self.field(name)
        return self._entries.get(name, field.typed(field.base) if field.is_typed else field.base)

    def problems(self) -> list[str]:
        """Say everything that is wrong with what was entered."""
        return [problem for field, entry in self._entered() for problem in field.read(entry)[1]]

    def changed(self) -> dict[str, Any]:
        """Return what was changed and holds: ``phase.name`` → value."""
        read = [(field, *field.read(entry)) for field, entry in self._entered()]
        return {field.name: value for field, value, problems in read if not problems and not _same(value, field.base)}

    def _entered(self) -> Iterator[tuple[Field, Any]]:
        yield from ((field, self._entries[field.name]) for field in self.fields if field.name in self._entries)

    def arguments(self) -> list[str]:
        """Return the changes as ``-p`` takes them."""
        return as_arguments(self.fields, self.changed())


def _same(value: Any, base: Any) -> bool:
    """Tell whether two values are the same one: true is not 1, and nan is nan."""
    return type(value) is type(base) and (value == base or (value != value and base != base))


def as_arguments(fields: Sequence[Field], values: Mapping[str, Any]) -> list[str]:
    """Return values as ``phase.name=value``, in the order of the fields."""
    return [f"{field.name}={field.typed(values[field.name])}" for field in fields if field.name in values]
