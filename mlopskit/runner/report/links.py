"""Which artefacts a cell writes, and which what it shows rests on: read from its code, and from the order of writing.

Code names most artefacts (``run.write("metrics", …)``, ``run.read("data/test")``); a variable carries those that it was
computed from into later cells. What is written without a name in the code (in a loop, by a function that is handed the
run) is found by when it was written: cells run one after the other, so it comes from the only such cell between the
two whose artefacts were written before and after it. Where that leaves a choice, nothing is said.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass

PROJECT_FILE = "mlops.toml"
_WRITES = frozenset({"write", "write_folder"})
_FREEZES = "freeze"

Known = MutableMapping[str, tuple[str, ...]]
"""Variable → the artefacts that it holds or was computed from."""


@dataclass(frozen=True)
class Links:
    """What a cell has to do with artefacts, each as ``phase/name``.

    Attributes
    ----------
    writes, reads : tuple of str
        What its code writes by name, and what it reads or has from earlier cells.
    unnamed : bool
        Whether it may write what its code does not name.
    """

    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    unnamed: bool = False


def links(source: str, phase: str, known: Known) -> Links:
    """Read the code of a cell; `known` says what each variable rests on, and learns.

    Examples
    --------
    >>> known = {}
    >>> links('rows = run.read("data/test")', "evaluate", known)
    Links(writes=(), reads=('data/test',), unnamed=False)
    >>> links('figures = count(rows); run.write("metrics", figures)', "evaluate", known)
    Links(writes=('evaluate/metrics',), reads=('data/test',), unnamed=False)
    >>> links("figures.head()", "evaluate", known).reads
    ('evaluate/metrics',)
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return Links()
    writes: dict[str, None] = {}
    reads: dict[str, None] = {}
    statements = list(_unrolled(tree.body))
    for statement in statements:
        reads.update(dict.fromkeys(_rests_on(statement, known)))
        for call in _calls(statement):
            if (name := _written(call, phase)) is not None:
                writes[name] = None
        _learn(statement, phase, known)
    unnamed = any(_writes_unnamed(call) for statement in statements for call in _calls(statement))
    return Links(tuple(writes), tuple(name for name in reads if name not in writes), unnamed)


def settled(found: Sequence[Links], written: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what each cell wrote, with what no code names.

    Parameters
    ----------
    found : sequence of Links
        The cells of a phase, in order.
    written : sequence of str
        What the phase wrote, oldest first.
    """
    named = {name: place for place, item in enumerate(found) for name in item.writes}
    made = [list(item.writes) for item in found]
    first = 0
    for at, name in enumerate(written):
        if name in named:
            first = named[name]
            continue
        last = next((named[later] for later in written[at:] if later in named), len(found) - 1)
        able = [place for place in range(first, last + 1) if found[place].unnamed]
        if len(able) == 1:
            made[able[0]].append(name)
    return [tuple(names) for names in made]


def _unrolled(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements in order, those in a loop over literal rows once for each row, with its values put in."""
    for statement in body:
        rows = _literal_rows(statement)
        if rows is None:
            yield statement
            continue
        for row in rows:
            yield from (_Put(row).visit(copy.deepcopy(inner)) for inner in statement.body)  # type: ignore[attr-defined]


def _literal_rows(statement: ast.stmt) -> list[dict[str, ast.expr]] | None:
    if not (isinstance(statement, ast.For) and isinstance(statement.iter, ast.Tuple | ast.List)):
        return None
    targets = _names(statement.target)
    rows = [item.elts if isinstance(item, ast.Tuple) else [item] for item in statement.iter.elts]
    if not targets or any(len(row) != len(targets) for row in rows):
        return None
    return [dict(zip(targets, row, strict=True)) for row in rows]


class _Put(ast.NodeTransformer):
    """Puts the values of a row where its names stand."""

    def __init__(self, row: Mapping[str, ast.expr]) -> None:
        self.row = row

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.row.get(node.id, node)


def _calls(statement: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(statement) if isinstance(node, ast.Call))


def _verb(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _first(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _written(call: ast.Call, phase: str) -> str | None:
    name = _first(call)
    return f"{phase}/{name}" if _verb(call) in _WRITES and name is not None else None


def _read(call: ast.Call) -> str | None:
    if _verb(call) == "load_project_file":
        return PROJECT_FILE
    name = _first(call)
    return name if _verb(call) == "read" and name is not None and "/" in name else None


def _writes_unnamed(call: ast.Call) -> bool:
    handed = any(isinstance(item, ast.Name) and item.id == "run" for item in call.args)
    return handed or _verb(call) == _FREEZES or (_verb(call) in _WRITES and _first(call) is None)


def _rests_on(node: ast.AST, known: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            yield from known.get(inner.id, ())
        elif isinstance(inner, ast.Call) and (name := _read(inner)) is not None:
            yield name


def _learn(statement: ast.stmt, phase: str, known: Known) -> None:
    """Take down what the variables of a statement rest on from here on."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            written = _written(node.value, phase) if isinstance(node.value, ast.Call) else None
            held = (written,) if written else tuple(dict.fromkeys(_rests_on(node.value, known)))
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            known.update({name: held for target in targets for name in _names(target)})
    for call in _calls(statement):
        name = _written(call, phase)
        if name is not None and len(call.args) > 1 and isinstance(call.args[1], ast.Name):
            known[call.args[1].id] = (name,)


def _names(target: ast.expr) -> list[str]:
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, ast.Tuple | ast.List):
        return [name for item in target.elts for name in _names(item)]
    return []
