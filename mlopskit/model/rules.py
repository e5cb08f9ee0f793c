"""A rule: a boolean expression over the columns, evaluated without ever running code.

The grammar is the part of pandas' `DataFrame.query` that rules of thumb need: comparisons (also chained), ``in`` and
``not in`` with a list, ``and``, ``or``, ``not`` (``&``, ``|``, ``~``), arithmetic, and the methods ``isna()`` and
``notna()``. Column names with spaces stand in backticks. pandas' own evaluator is not used: a rule travels inside a
model file, and ``@`` there reaches any Python object. A comparison with a missing value is false, as in pandas.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlopskit.errors import ModelError, listing, nearest

_COMPARE: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.Mod: operator.mod, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
}  # fmt: skip
_METHODS = ("isna", "notna")


def evaluate_rule(rule: str, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return for each row whether the rule holds.

    Parameters
    ----------
    rule : str
        The expression.
    frame : DataFrame
        n rows with the columns that the rule names.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    ModelError
        When the rule is not such an expression, names an unknown column, compares what cannot be compared, or does not
        give one truth value a row.

    Examples
    --------
    >>> frame = pd.DataFrame({"age": [30, 50], "work status": ["full", "part"]})
    >>> evaluate_rule("age > 40 and `work status` in ['part']", frame).tolist()
    [False, True]
    """
    tree, quoted = _parse(rule)
    try:
        result = _Evaluator(rule, frame, quoted).visit(tree)
    except (TypeError, ValueError, ArithmeticError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError.from_rule(rule, f"its parts do not fit together ({error})") from error
    return _as_booleans(rule, result, frame)


def check_rule(rule: str) -> None:
    """Raise `ModelError` when the rule is not an expression at all; its columns are not looked at."""
    _parse(rule)


def _parse(rule: str) -> tuple[ast.expr, dict[str, str]]:
    """Parse the expression; backticked names become placeholders, returned with what they stand for."""
    quoted: dict[str, str] = {}

    def replace(match: re.Match[str]) -> str:
        placeholder = f"_quoted_{len(quoted)}"
        quoted[placeholder] = match[1]
        return placeholder

    try:
        tree = ast.parse(re.sub(r"`([^`]+)`", replace, rule).strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ModelError.from_rule(rule, f"it is not an expression ({getattr(error, 'msg', error)})") from error
    return tree.body, quoted


def _as_booleans(rule: str, result: Any, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    values = pd.Series(result, index=frame.index) if np.isscalar(result) else result
    if not isinstance(values, pd.Series) or values.dtype.kind != "b":
        raise ModelError.from_rule(rule, "it does not give true or false for each row")
    return np.asarray(values.fillna(False).to_numpy(dtype=bool))


class _Evaluator:
    """Walks the allowed nodes; anything else is refused by name."""

    def __init__(self, rule: str, frame: pd.DataFrame, quoted: dict[str, str]) -> None:
        self.rule, self.frame, self.quoted = rule, frame, quoted

    def visit(self, node: ast.expr) -> Any:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise ModelError.from_rule(self.rule, f"{ast.unparse(node)!r} is not allowed in a rule")
        return method(node)

    def _name(self, node: ast.Name) -> Any:
        name = self.quoted.get(node.id, node.id)
        if name not in self.frame.columns:
            names = [str(column) for column in self.frame.columns if not str(column).startswith("_")]
            why = f"there is no column {name!r}{nearest(name, names)}; the columns are {listing(names, limit=30)}"
            raise ModelError.from_rule(self.rule, why)
        return self.frame[name]

    def _constant(self, node: ast.Constant) -> Any:
        return node.value

    def _list(self, node: ast.List | ast.Tuple) -> list[Any]:
        return [self.visit(item) for item in node.elts]

    _tuple = _list

    def _boolop(self, node: ast.BoolOp) -> Any:
        parts = [self._truth(value) for value in node.values]  # noqa: PD011
        combine = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return pd.Series(combine.reduce(parts), index=self.frame.index)

    def _truth(self, node: ast.expr) -> npt.NDArray[np.bool_]:
        return _as_booleans(self.rule, self.visit(node), self.frame)

    def _unaryop(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.USub):
            return -self.visit(node.operand)
        if isinstance(node.op, ast.UAdd):
            return self.visit(node.operand)
        return pd.Series(~self._truth(node.operand), index=self.frame.index)

    def _binop(self, node: ast.BinOp) -> Any:
        apply = _ARITHMETIC.get(type(node.op))
        sides = self.visit(node.left), self.visit(node.right)
        if apply is None or any(isinstance(side, str | bytes | list) for side in sides):  # 'a' * 10**9 fills the memory
            raise ModelError.from_rule(self.rule, f"{ast.unparse(node)!r} is not allowed in a rule")
        return apply(*sides)

    def _compare(self, node: ast.Compare) -> Any:
        sides = [self.visit(side) for side in (node.left, *node.comparators)]
        parts = [
            _as_booleans(self.rule, self._compared(op, left, right), self.frame)
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        return pd.Series(np.logical_and.reduce(parts), index=self.frame.index)

    def _compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        if not isinstance(op, ast.In | ast.NotIn):
            return _COMPARE[type(op)](left, right) if type(op) in _COMPARE else None
        if not isinstance(left, pd.Series) or not isinstance(right, list):
            raise ModelError.from_rule(self.rule, "`in` needs a column on its left and a list on its right")
        inside = left.isin(right)
        return ~inside if isinstance(op, ast.NotIn) else inside

    def _call(self, node: ast.Call) -> Any:
        function = node.func
        if node.args or node.keywords or not isinstance(function, ast.Attribute) or function.attr not in _METHODS:
            raise ModelError.from_rule(self.rule, f"{ast.unparse(node)!r} is not allowed (only .isna() and .notna())")
        owner = self.visit(function.value)
        if not isinstance(owner, pd.Series):
            raise ModelError.from_rule(self.rule, f"{ast.unparse(function.value)!r} is not a column")
        return owner.isna() if function.attr == "isna" else owner.notna()
