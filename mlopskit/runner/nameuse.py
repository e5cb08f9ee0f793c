"""Which names a piece of Python defines, and which it uses before they are there, from its syntax tree alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Walk:
    """Follows one cell in the order of execution.

    Attributes
    ----------
    known : set of str
        The names that are there, from the cells above and, as it goes on, from this one.
    annotations : bool
        False to pass over annotations of variables.
    defined : list of str
        The names that the cell defines.
    missing : list of str
        Those that it uses before they are known.
    deferred : list of str
        Those that its functions use, looked up when they are called.
    local : tuple of frozenset
        The names of the scopes around the current place.
    late : bool
        True within a function.
    guarded : bool
        True where a missing name is caught.
    """

    known: set[str]
    annotations: bool = True
    defined: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    deferred: list[str] = field(default_factory=list)
    local: tuple[frozenset[str], ...] = ()
    late: bool = False
    guarded: bool = False

    def __post_init__(self) -> None:
        self.known = set(self.known)

    def block(self, body: list[ast.stmt]) -> None:
        """Visit statements one after the other."""
        for statement in body:
            self.visit(statement)

    def visit(self, node: ast.AST | None) -> None:
        """Visit a node in the order in which Python evaluates it."""
        if node is None:
            return
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if isinstance(node, _SCOPES):
            self._function(node)
        elif isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
        elif method is not None:
            method(node)
        else:
            for child in ast.iter_child_nodes(node):
                self.visit(child)

    def define(self, name: str) -> None:
        """Take note that a name is there from here on; what a function defines is its own."""
        if not self.late:
            self.known.add(name)
            self.defined.append(name)

    def _name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.define(node.id)
        elif not any(node.id in names for names in self.local):
            if self.late:
                self.deferred.append(node.id)
            elif node.id not in self.known and not self.guarded:
                self.missing.append(node.id)

    def _assign(self, node: ast.Assign) -> None:
        for part in (node.value, *node.targets):
            self.visit(part)

    def _augassign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._name(ast.Name(node.target.id, ast.Load()))
        for part in (node.value, node.target):
            self.visit(part)

    def _annassign(self, node: ast.AnnAssign) -> None:
        if self.annotations and node.simple and not self.late:
            self.visit(node.annotation)
        self.visit(node.value)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def _namedexpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        for part in (node.iter, node.target):
            self.visit(part)
        self.block([*node.body, *node.orelse])

    _asyncfor = _for

    def _try(self, node: ast.Try) -> None:
        before = self.guarded
        self.guarded = before or any(map(_catches_missing_names, node.handlers))
        self.block(node.body)
        self.guarded = before
        for handler in node.handlers:
            self.visit(handler)
        self.block([*node.orelse, *node.finalbody])

    def _excepthandler(self, node: ast.ExceptHandler) -> None:
        self.visit(node.type)
        if node.name:
            self.define(node.name)
        self.block(node.body)

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        for item in node.names:
            self.define(item.asname or item.name.partition(".")[0])

    _importfrom = _import

    def _classdef(self, node: ast.ClassDef) -> None:
        for part in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(part)
        self._inside(frozenset(_bound(node.body)), node.body, late=self.late)
        self.define(node.name)

    def _matchas(self, node: ast.MatchAs) -> None:
        self.visit(node.pattern)
        if node.name:
            self.define(node.name)

    def _matchmapping(self, node: ast.MatchMapping) -> None:
        for part in (*node.keys, *node.patterns):
            self.visit(part)
        if node.rest:
            self.define(node.rest)

    def _matchstar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.define(node.name)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        outside = [*node.args.defaults, *(item for item in node.args.kw_defaults if item is not None)]
        body: list[Any] = [node.body] if isinstance(node, ast.Lambda) else list(node.body)
        if not isinstance(node, ast.Lambda):
            outside += node.decorator_list
            for name in (name for item in ast.walk(node) if isinstance(item, ast.Global) for name in item.names):
                self.define(name)
            self.define(node.name)
        for part in outside:
            self.visit(part)
        names = {item.arg for item in ast.walk(node.args) if isinstance(item, ast.arg)}
        self._inside(frozenset(names | _bound(body)), body, late=True)

    def _comprehension(self, node: Any) -> None:
        self.visit(node.generators[0].iter)
        names = frozenset(_bound([part.target for part in node.generators]))
        rest = [part for item in node.generators for part in (item.iter, *item.ifs)][1:]
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._inside(names, [*rest, *results], late=self.late)

    def _inside(self, names: frozenset[str], body: list[Any], *, late: bool) -> None:
        """Visit what has a scope of its own: what it binds does not become known outside, except by ``:=``."""
        outer_local, outer_late = self.local, self.late
        known, defined = set(self.known), list(self.defined)
        self.local, self.late = (*outer_local, names), late
        for part in body:
            self.visit(part)
        self.local, self.late = outer_local, outer_late
        walrus = {item.target.id for part in body for item in ast.walk(part) if isinstance(item, ast.NamedExpr)}
        self.known, self.defined = known, defined
        for name in sorted(walrus) if not late else ():
            self.define(name)


def _bound(body: list[Any]) -> set[str]:
    """Return every name that a piece of code binds, wherever in it."""
    return set(_bindings(body))


def _bindings(body: list[Any]) -> Iterator[str]:
    for node in (item for part in body for item in ast.walk(part)):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (item.asname or item.name.partition(".")[0] for item in node.names)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest


def _catches_missing_names(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = {item.id for item in ast.walk(handler.type) if isinstance(item, ast.Name)}
    return bool(caught & {"NameError", "Exception", "BaseException"})
