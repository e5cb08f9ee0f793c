"""Hidden state: cells that work only because of what was run before, in another order than they stand in.

A notebook that is read and run from top to bottom must define each name above its first use. That is seen in the
syntax tree, without running anything: the statements are followed in the order in which Python would execute them. What
stands in functions is looked up when they are called, so there it is enough that any cell defines the name. Where names
can come from anywhere (``from x import *``, ``%run``), nothing is claimed.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mlopskit.notebooks import code_cells, source_of
from mlopskit.params import TAG
from mlopskit.runner.nameuse import Walk

_GIVEN = {*dir(builtins), "__name__", "__doc__", "__builtins__", "__annotations__", "get_ipython", "display"}
_IPYTHON = re.compile(r"In|Out|exit|quit|_+|_[ioh]h|_i+|_i?\d+|_dh")
"""What IPython itself puts into a notebook."""
_ANYTHING = re.compile(r"^\s*%(run|pylab|store|load|macro|rerun|recall)\b", re.MULTILINE)
_PYTHON_MAGICS = {"time", "timeit", "capture", "prun", "memit", "mprun", "lprun"}


@dataclass(frozen=True)
class EarlyUse:
    """A name that is used before it is there.

    Attributes
    ----------
    cell : int
        Position of the cell in the notebook.
    name : str
        What is used.
    defined_in : int or None
        The first cell that defines it; None when none does.
    """

    cell: int
    name: str
    defined_in: int | None


def early_uses(notebook: Mapping[str, Any]) -> list[EarlyUse]:
    """Return the names that a run from top to bottom would not find, each with the cell that uses it first.

    Examples
    --------
    >>> cells = [{"cell_type": "code", "source": "y = x + 1"}, {"cell_type": "code", "source": "x = 1"}]
    >>> early_uses({"cells": cells})
    [EarlyUse(cell=0, name='x', defined_in=1)]
    """
    walks: dict[int, Walk] = {}
    known: set[str] = set()
    for index in code_cells(notebook):
        source = source_of(notebook["cells"][index])
        tree = _parsed(source)
        if tree is None:
            continue
        if _ANYTHING.search(source) or _imports_everything(tree):
            break
        tags = notebook["cells"][index].get("metadata", {}).get("tags", [])
        walks[index] = Walk(known=known, annotations=TAG not in tags)
        walks[index].block(tree.body)
        known = walks[index].known
    else:
        return _judged(walks, known, complete=True)
    return _judged(walks, known, complete=False)


def ran_out_of_order(notebook: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Return pairs of cells, upper and lower, of which the lower was executed first, by the counts that are saved."""
    counted = [
        (index, count)
        for index in code_cells(notebook)
        if isinstance(count := notebook["cells"][index].get("execution_count"), int)
    ]
    return [(upper, lower) for (upper, first), (lower, second) in pairwise(counted) if second < first]


def _judged(walks: Mapping[int, Walk], known: set[str], *, complete: bool) -> list[EarlyUse]:
    first: dict[str, int] = {}
    for index, walk in walks.items():
        for name in walk.defined:
            first.setdefault(name, index)
    found, seen = [], set()
    for index, walk in walks.items():
        late = [name for name in walk.deferred if name not in known and complete]
        for name in dict.fromkeys([*walk.missing, *late]):
            if name not in seen and (complete or name in first) and not _given(name):
                seen.add(name)
                found.append(EarlyUse(index, name, first.get(name)))
    return found


def _given(name: str) -> bool:
    return name in _GIVEN or _IPYTHON.fullmatch(name) is not None


def _parsed(source: str) -> ast.Module | None:
    """Return a cell's syntax tree with IPython's own lines blanked; None for what is not Python."""
    magic = re.match(r"\s*%%(\w+)[^\n]*", source)
    if magic is not None:
        if magic[1] not in _PYTHON_MAGICS:
            return None
        captured = re.match(r"\s*%%capture\s+(\w+)", source)
        source = (f"{captured[1]} = None" if captured else "pass") + source[magic.end() :]
    source = re.sub(r"^(\s*[\w, ]+=)\s*[%!][^\n]*$", r"\1 None", source, flags=re.MULTILINE)
    source = re.sub(r"^(\s*)(?:[%!?][^\n]*|[\w.]+\?\??)\s*$", r"\1pass", source, flags=re.MULTILINE)
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _imports_everything(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any(item.name == "*" for item in node.names) for node in ast.walk(tree)
    )
