"""The small grammar of a parameter's declaration: its literal, its type, and the comment that limits it.

A type is a name, ``list[name]``, ``Literal[...]`` or one of these with ``| None``, quoted where a name would need
an import. A comment is ``low..high: help`` (either end may be left out), ``a | b: help``, or just help.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import Any

from mlopskit import values
from mlopskit.errors import listing, nearest
from mlopskit.values import Text

_RANGE = re.compile(r"^(?P<low>\S*?)\.\.(?P<high>\S*?)(?:$|:$|:\s+(?P<help>.*)$|\s+(?P<rest>.*)$)")
_CHOICES = re.compile(r"^(?P<names>[^|:]+(?:\|[^|:]+)+)(?::\s*(?P<help>.*))?$")


def comments(source: str) -> dict[int, str]:
    """Line number → the comment on it; `tokenize` knows a comment from a ``#`` inside a string."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT}


def literal(node: ast.expr) -> Any:
    """Evaluate a literal; ``float("nan")`` and its like count as one, because Python has no other way to write them."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "float" and len(node.args) == 1 and not node.keywords:
        return float(ast.literal_eval(node.args[0]))
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"`{ast.unparse(node)}` is not a literal; write the value itself") from None
    return list(value) if isinstance(value, tuple) else value


def annotation(node: ast.expr) -> str:
    """Return the text of an annotation, quoted or not."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def parse_type(spelled: str) -> tuple[str, str, bool, tuple[Any, ...]]:
    """Return type, type of list elements, whether None is allowed, and choices of a ``Literal``."""
    text = spelled.strip()
    wrapped = re.fullmatch(r"(?:typing\.)?Optional\[(.*)\]", text)
    parts = [wrapped[1], "None"] if wrapped else [part.strip() for part in re.split(r"\|(?![^\[]*\])", text)]
    optional = "None" in parts
    rest = [part for part in parts if part != "None"]
    if len(rest) != 1:
        raise ValueError(
            f"`{spelled}` is not one type; known are {listing(values.TYPES, limit=20)}, each with `| None`"
        )
    if literal := re.fullmatch(r"(?:typing\.)?Literal(\[.*\])", rest[0]):
        choices = tuple(ast.literal_eval(literal[1]))
        return type(choices[0]).__name__, "", optional, choices
    base, _, inner = rest[0].partition("[")
    kind, item = _known_type(base, spelled), inner.rstrip("]").strip()
    return kind, _known_type(item, spelled) if item and kind == "list" and item != "Any" else "", optional, ()


def _known_type(name: str, spelled: str) -> str:
    kind = {"Path": "path", "enum": "str", "date.date": "date"}.get(name.strip(), name.strip())
    if kind not in values.TYPES:
        raise ValueError(
            f"unknown type `{spelled}`{nearest(kind, values.TYPES)}; known are {listing(values.TYPES, limit=20)}"
        )
    return kind


def parse_comment(comment: str, kind: str) -> tuple[str, Any, Any, tuple[Any, ...]]:
    """Return help, low, high and choices; what does not parse as limits is help."""
    if ranged := _RANGE.match(comment):
        low, high = (_limit(ranged[side], kind) for side in ("low", "high"))
        return (ranged["help"] or ranged["rest"] or "").strip(), low, high, ()
    if kind not in {"list", "dict", "bool", "secret"} and (several := _CHOICES.match(comment)):
        names = [part.strip() for part in several["names"].split("|")]
        return (several["help"] or "").strip(), None, None, tuple(values.convert(Text(name), kind) for name in names)
    return comment, None, None, ()


def _limit(text: str, kind: str) -> Any:
    if not text:
        return None
    if kind not in {"int", "float", "date", "datetime"}:
        raise ValueError(f"a {kind} has no range; take `{text}..` out of its comment")
    return values.convert(Text(text), kind)
