"""The parameters cell, read as a schema.

A notebook's cell tagged ``parameters`` says *how to analyse*: one typed literal a line, with its limits and its
help in the comment behind it. Nowhere else is a parameter declared. The cell is read with `ast` and `tokenize`,
never run::

    replicates: int = 1000            # 100..100000: bootstrap replicates
    method: str = "auto"              # auto | bootstrap | wilson: interval method
    since: "date | None" = None       # first day of the data that count
    password: "secret" = "env:DB"     # a reference, never the value itself

Types are int, float, bool, str, date, datetime, path, list, dict, secret and enum (text with its choices in the
comment), each optional with ``| None``. A comment may stand on any line of its declaration, and is the only one there.
Dates and paths travel as strings. Values from ``mlops.toml`` and from the command line are checked and converted here,
all problems at once. A secret is taken out of what cells show before anything is saved; of its encoded forms those that
are usual (base64, hex, quoted for a URL), which is best effort.
"""

from __future__ import annotations

import ast
import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit import grammar, values
from mlopskit.errors import NotebookError, ParameterError, listing, nearest
from mlopskit.notebooks import code_cells, load_notebook, source_of, tagged
from mlopskit.values import Text

TAG = "parameters"

_NOT_FINITE = {str(value): value for value in (math.nan, math.inf, -math.inf)}

_MARK = "$float"
"""The key under which a record keeps NaN and infinities where text could be meant."""


@dataclass(frozen=True)
class Parameter:
    """One declared parameter.

    Attributes
    ----------
    name : str
        As the notebook spells it.
    type : str
        One of `mlopskit.values.TYPES`.
    default : object
        The literal in the cell (dates as ISO strings).
    optional : bool
        True when None is allowed.
    low, high : object
        Closed limits, None where open.
    choices : tuple
        The only values allowed, when not empty.
    help : str
        What it does, in words.
    item : str
        For a list or dict, the type of what it holds; empty when any.
    line : int
        Line within the cell, counted from 1.
    """

    name: str
    type: str
    default: Any
    optional: bool = False
    low: Any = None
    high: Any = None
    choices: tuple[Any, ...] = ()
    help: str = ""
    item: str = ""
    line: int = 0

    @property
    def limits(self) -> str:
        """The allowed values in words; empty when all of the type are.

        Examples
        --------
        >>> Parameter("n", "int", 5, low=1).limits, Parameter("m", "str", "a", choices=("a", "b")).limits
        ('1..', 'a | b')
        """
        if self.choices:
            return " | ".join(str(choice) for choice in self.choices)
        if self.low is None and self.high is None:
            return ""
        return f"{'' if self.low is None else self.low}..{'' if self.high is None else self.high}"

    def check(self, value: Any) -> Any:
        """Return `value` converted to the declared type.

        Raises
        ------
        ValueError
            When it has another type or is outside the limits; the message completes "name = value".
        """
        if self.optional and (value is None or (isinstance(value, Text) and value.lower() in {"none", "null", ""})):
            return None
        converted = values.convert(value, self.type)
        if isinstance(converted, list):
            return [self._checked_item(element) for element in converted]
        if isinstance(converted, dict):
            return {key: self._checked_item(element) for key, element in converted.items()}
        self._check_limits(converted)
        return converted

    def _checked_item(self, element: Any) -> Any:
        """Return an item of a list or dict as declared; what is wrong with one says which."""
        try:
            converted = values.convert(element, self.item) if self.item else element
            self._check_limits(converted)
        except ValueError as error:
            raise ValueError(f"holds {values.shown(element, self.item)}, which {error}") from None
        return converted

    def _check_limits(self, value: Any) -> None:
        if self.choices and value not in self.choices:
            raise ValueError(
                f"is not one of {listing(self.choices, limit=30)}{nearest(str(value), map(str, self.choices))}"
            )
        above = self.low is None or self.in_order(self.low, value)
        below = self.high is None or self.in_order(value, self.high)
        if not (above and below):
            raise ValueError(f"is out of range; allowed is {self.limits}")

    def in_order(self, first: Any, second: Any) -> bool:
        """Tell whether `first` is no greater than `second`; moments count by when they are, not as they are written.

        Raises
        ------
        ValueError
            When only one of two moments names its time zone.
        """
        if (self.item or self.type) == "datetime":
            first, second = dt.datetime.fromisoformat(first), dt.datetime.fromisoformat(second)
        try:
            return bool(first <= second)
        except TypeError:
            raise ValueError(f"must name a time zone if and only if its limits {self.limits} do") from None


def read_parameters(source: str) -> list[Parameter]:
    """Read the declarations in the source of a parameters cell.

    Raises
    ------
    ParameterError
        When the cell is not Python, or a line is anything but a literal with a name; all such lines at once.

    Examples
    --------
    >>> read_parameters("n: int = 5  # 1..9: how many")[0].limits
    '1..9'
    """
    found, problems = _declarations(source)
    if problems:
        raise ParameterError.from_problems(problems)
    return found


def _declarations(source: str) -> tuple[list[Parameter], list[str]]:
    """Do what `read_parameters` does, and return the problems instead of raising them."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return [], [f"The parameters cell, line {error.lineno}, is not Python: {error.msg}. Correct it."]
    comments = grammar.comments(source)
    found: list[Parameter] = []
    problems: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            continue
        try:
            found.append(_declaration(node, _comment(node, tree.body, comments)))
        except ValueError as error:
            problems.append(f"parameters cell, line {node.lineno}: {error}")
    problems += [f"parameters cell: `{name}` is declared twice; keep one" for name in _repeated(found)]
    return found, problems


def _comment(node: ast.stmt, body: Sequence[ast.stmt], comments: Mapping[int, str]) -> str:
    """Return the comment of a statement, which may stand on any of its lines, but is the only one on them."""
    lines = [line for line in _lines(node) if comments.get(line)]
    if not lines or not isinstance(node, ast.Assign | ast.AnnAssign):
        return ""
    named = [other for other in body if lines[0] in _lines(other) and isinstance(other, ast.Assign | ast.AnnAssign)]
    if len(named) > 1:
        names = " and ".join(f"`{_name(other)}`" for other in named)
        raise ValueError(f"{names} share a line, and with it a comment; give each a line of its own")
    if len(lines) > 1:
        raise ValueError(
            f"`{_name(node)}` has {len(lines)} comments, and only one can say its limits and its help; "
            "keep one, and put the others above it"
        )
    return comments[lines[0]]


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _name(node: ast.Assign | ast.AnnAssign) -> str:
    return ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])


def _repeated(found: Iterable[Parameter]) -> list[str]:
    names = [parameter.name for parameter in found]
    return sorted({name for name in names if names.count(name) > 1})


def _declaration(node: ast.stmt, comment: str) -> Parameter:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        default = grammar.literal(node.value)
        spelled = grammar.annotation(node.annotation)
        return _complete(node.target.id, spelled, default, comment, node.lineno)
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        default = grammar.literal(node.value)
        spelled = "str | None" if default is None else type(default).__name__
        return _complete(node.targets[0].id, spelled, default, comment, node.lineno)
    raise ValueError("only `name: type = literal` may stand here; move everything else to a later cell")


def _complete(name: str, spelled: str, default: Any, comment: str, line: int) -> Parameter:
    """Put type, limits and help together, and hold the default to them."""
    kind, item, optional, choices = grammar.parse_type(spelled)
    text, low, high, named = grammar.parse_comment(comment, item or kind)
    if spelled.strip("'\"").startswith("enum") and not named:
        raise ValueError(f"`{name}` is an enum without choices; name them in its comment, as in `# a | b: help`")
    parameter = Parameter(
        name, kind, default, optional or default is None, low, high, choices or named, text, item, line
    )  # fmt: skip
    if low is not None and high is not None and not parameter.in_order(low, high):
        raise ValueError(f"the range {parameter.limits} of `{name}` holds nothing; swap its ends")
    try:
        checked = parameter.check(default)
    except ValueError as error:
        raise ValueError(f"the default `{name} = {values.shown(default, kind)}` {error}") from None
    return Parameter(**{**parameter.__dict__, "default": checked})


def resolve(parameters: Sequence[Parameter], overrides: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """Return every parameter's value: the default, or the override checked and converted.

    Parameters
    ----------
    parameters : sequence of Parameter
        What the notebook declares.
    overrides : mapping
        Name → value; a typed value from TOML, or `Text` from the command line.
    where : str
        Put before names in messages, such as ``"model."``.

    Returns
    -------
    dict
        JSON-ready, in the order of declaration; only infinities and NaN stay Python floats.

    Raises
    ------
    ParameterError
        For unknown names (with the nearest), wrong types and values out of range, all at once.

    Examples
    --------
    >>> resolve(read_parameters("n: int = 5"), {"n": Text("7")})
    {'n': 7}
    """
    resolved, problems = check_overrides(parameters, overrides, where=where)
    if problems:
        raise ParameterError.from_problems(problems)
    return resolved


def check_overrides(
    parameters: Sequence[Parameter], overrides: Mapping[str, Any], *, where: str = ""
) -> tuple[dict[str, Any], list[str]]:
    """Do what `resolve` does, and return the problems instead of raising them."""
    known = {parameter.name: parameter for parameter in parameters}
    resolved = {name: parameter.default for name, parameter in known.items()}
    problems = []
    for name, value in overrides.items():
        if name not in known:
            problems.append(
                f"unknown parameter {where}{name}{nearest(name, known)}; there are {listing(known, limit=30)}"
            )
            continue
        try:
            resolved[name] = known[name].check(value)
        except ValueError as error:
            problems.append(f"{where}{name} = {values.shown(value, known[name].type)} {error}")
    return resolved, problems


def portable(value: Any) -> Any:
    """Return the value with NaN and infinities as the strings ``nan``, ``inf``, ``-inf``, so that it is valid JSON."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    return [portable(item) for item in value] if isinstance(value, list) else value


def recorded(parameters: Iterable[Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of parameters as valid JSON from which `as_declared` reads the same values again.

    NaN and infinities are the strings ``nan``, ``inf``, ``-inf`` where a float is declared. Where anything may stand,
    within a dict or an untyped list, they are ``{"$float": "nan"}``, and a dict that looks so has one ``$`` more.
    """
    floats = {item.name for item in parameters if "float" in (item.type, item.item)}
    return {name: portable(value) if name in floats else _marked(value) for name, value in values.items()}


def as_declared(parameter: Parameter, value: Any) -> Any:
    """Read a value that `recorded` wrote; still to be checked, since it may have been declared otherwise then."""
    return _imported(value) if "float" in (parameter.type, parameter.item) else _unmarked(value)


def _imported(value: Any) -> Any:
    """Undo `portable`."""
    if isinstance(value, str):
        return _NOT_FINITE.get(value, value)
    if isinstance(value, dict):
        return {key: _imported(item) for key, item in value.items()}
    return [_imported(item) for item in value] if isinstance(value, list) else value


def _marked(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {_MARK: str(value)}
    if isinstance(value, dict):
        return {f"${key}" if _looks_marked(value) else key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


def _unmarked(value: Any) -> Any:
    if isinstance(value, dict):
        if list(value) == [_MARK]:
            return float(value[_MARK])
        return {key[1:] if _looks_marked(value) else key: _unmarked(item) for key, item in value.items()}
    return [_unmarked(item) for item in value] if isinstance(value, list) else value


def _looks_marked(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and all(key.startswith("$") and f"${key.lstrip('$')}" == _MARK for key in value)


def spelled(value: Any) -> str:
    """Write a value so that only equal ones of equal type read the same: Python takes 1, 1.0 and True for equal."""
    return json.dumps(value, sort_keys=True)


def notebook_parameters(path: Path) -> list[Parameter]:
    """Read the parameters that a notebook file declares.

    Raises
    ------
    NotebookError
        When the file is no notebook or has not exactly one cell tagged ``parameters``.
    ParameterError
        When that cell declares something that is not a typed literal.
    """
    notebook = load_notebook(path)
    cells = list(tagged(notebook, TAG))
    if not cells:
        raise NotebookError.from_no_parameters_cell(path)
    if len(cells) > 1:
        raise NotebookError(
            f"{path.name} has {len(cells)} cells tagged `parameters`; keep the tag on the first code cell only."
        )
    source = source_of(cells[0])
    found, problems = _declarations(source)
    if not problems and all(notebook["cells"][index] is cells[0] for index in code_cells(notebook)[:1]):
        problems = _unquoted(source)
    if problems:
        raise ParameterError.from_problems(f"{path.name}: {problem}" for problem in problems)
    return found


def _unquoted(source: str) -> list[str]:
    """Name what reads well here and stops the kernel: a bare name that no cell before this one can have imported."""
    bare = [node for node in ast.parse(source).body if isinstance(node, ast.AnnAssign)]
    return [
        f"parameters cell, line {node.lineno}: Python knows no `{name}` there; quote the type: "
        f'`{ast.unparse(node.target)}: "{ast.unparse(node.annotation)}"`'
        for node in bare
        for name in grammar.unknown_names(node.annotation)[:1]
    ]
