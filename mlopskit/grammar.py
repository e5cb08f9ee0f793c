"""The small grammar of a parameter's declaration: its literal, its type, and the comment that limits it.

A type is a name or ``Literal[...]``, a ``list[...]`` or ``dict[str, ...]`` of one, or any of these with ``| None``,
quoted where a name would need an import; an ``enum`` is text with choices. A comment is ``low..high: help`` (either end
may be left out), ``a | b: help``, or just help. Limits of a list or dict hold for each of its items.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import tokenize
from typing import Any

from mlopskit import values
from mlopskit.errors import listing, nearest
from mlopskit.values import Text

_RANGE = re.compile(r"^(?P<low>\S*?)\.\.(?P<high>\S*?)(?:$|\s*:$|\s*:\s+(?P<help>.*)$|\s+(?P<rest>.*)$)")
_ENUM = 'its choices stand in its comment, as in `method: "enum" = "a"  # a | b: help`'
_KNOWN = f"{listing(values.TYPES, limit=20)} and enum ({_ENUM})"
_RANGED = ("int", "float", "date", "datetime")
_LITERAL = re.compile(r"(?:typing\.)?Literal(\[.*\])")
_CHOICES = re.compile(r"^(?P<names>[^|:]+(?:\|[^|:]+)+)(?::\s*(?P<help>.*))?$")


def comments(source: str) -> dict[int, str]:
    """Line number → the comment on it; `tokenize` knows a comment from a ``#`` inside a string."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT}


class _Floats(ast.NodeTransformer):
    """Puts numbers in the place of ``float("nan")`` and its like."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if ast.unparse(node.func) == "float" and len(node.args) == 1 and not node.keywords:
            return ast.Constant(float(ast.literal_eval(node.args[0])))
        return node


def literal(node: ast.expr) -> Any:
    """Evaluate a literal; ``float("nan")`` and its like count as one, because Python has no other way to write them."""
    spelled = ast.unparse(node)
    try:
        value = ast.literal_eval(_Floats().visit(node))
    except (ValueError, TypeError):
        raise ValueError(f"`{spelled}` is not a literal; write the value itself") from None
    return list(value) if isinstance(value, tuple) else value


def annotation(node: ast.expr) -> str:
    """Return the text of an annotation, quoted or not."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)


def unknown_names(node: ast.expr) -> list[str]:
    """Return the names in an annotation, quoted none, that Python itself does not know: it evaluates what is bare."""
    names = (item.id for item in ast.walk(node) if isinstance(item, ast.Name))
    return [name for name in names if not hasattr(builtins, name)]


def parse_type(spelled: str) -> tuple[str, str, bool, tuple[Any, ...]]:
    """Return type, type of what a list or dict holds, whether None is allowed, and choices of a ``Literal``."""
    text = spelled.strip()
    wrapped = re.fullmatch(r"(?:typing\.)?Optional\[(.*)\]", text)
    parts = [wrapped[1], "None"] if wrapped else [part.strip() for part in re.split(r"\|(?![^\[]*\])", text)]
    optional = "None" in parts
    rest = [part for part in parts if part != "None"]
    if len(rest) != 1:
        raise ValueError(f"`{spelled}` is not one type; known are {_KNOWN}, each with `| None`")
    if literal := _LITERAL.fullmatch(rest[0]):
        kind, choices, empty = _choices(literal[1], spelled)
        return kind, "", optional or empty, choices
    base, _, inner = rest[0].partition("[")
    kind, item = _known_type(base, spelled), inner.removesuffix("]").strip()
    if (kind != "list" and re.search(r"\bsecret\b", item)) or item == "secret":
        raise ValueError(f"`{spelled}` holds secrets; give each a parameter of its own")
    if item and kind not in {"list", "dict"}:
        raise ValueError(_no_brackets(base.strip(), kind, spelled))
    if item and kind == "dict":
        key, _, item = (part.strip() for part in item.partition(","))
        if key != "str":
            raise ValueError(f"`{spelled}` has keys that are not text; write dict[str, {item or 'Any'}]")
    if item in {"", "Any"}:
        return kind, "", optional, ()
    if literal := _LITERAL.fullmatch(item):
        item, choices, _ = _choices(literal[1], spelled)
        return kind, item, optional, choices
    if re.search(r"[\[|]", item):
        plain = "list[str] or list" if kind == "list" else "dict[str, list] or dict"
        raise ValueError(f"`{spelled}` says more of its items than is checked; give a plain type, as in {plain}")
    return kind, _known_type(item, spelled), optional, ()


def _no_brackets(base: str, kind: str, spelled: str) -> str:
    if base == "enum":
        return f"`{spelled}` is not how an enum is written: {_ENUM}"
    return f"`{spelled}`: nothing stands in brackets behind {kind}; take them away"


def _choices(listed: str, spelled: str) -> tuple[str, tuple[Any, ...], bool]:
    """Return the type of a ``Literal``, its choices, and whether None is one of them."""
    try:
        found = tuple(ast.literal_eval(listed))
    except (ValueError, SyntaxError):
        found = ()
    choices = tuple(choice for choice in found if choice is not None)
    kinds = {type(choice).__name__ for choice in choices}
    if len(kinds) != 1 or not kinds <= {"int", "float", "bool", "str"}:
        raise ValueError(f"`{spelled}` does not list values of one type, as in Literal['a', 'b']")
    return kinds.pop(), choices, len(choices) < len(found)


def _known_type(name: str, spelled: str) -> str:
    kind = {"Path": "path", "enum": "str", "date.date": "date"}.get(name.strip(), name.strip())
    if kind not in values.TYPES:
        raise ValueError(f"unknown type `{spelled}`{nearest(kind, (*values.TYPES, 'enum'))}; known are {_KNOWN}")
    return kind


def parse_comment(comment: str, kind: str) -> tuple[str, Any, Any, tuple[Any, ...]]:
    """Return help, low, high and choices; what does not parse as limits is help."""
    if ranged := _RANGE.match(_tight(comment, kind)):
        low, high = (_limit(ranged[side], kind) for side in ("low", "high"))
        return (ranged["help"] or ranged["rest"] or "").strip(), low, high, ()
    several = _CHOICES.match(comment)
    if several and kind == "list":
        raise ValueError(f"`{several['names'].strip()}` needs the type of the items; write list[str], for example")
    if several and kind not in {"dict", "bool", "secret"}:
        names = [part.strip() for part in several["names"].split("|")]
        return (several["help"] or "").strip(), None, None, tuple(_read(name, kind, "choice") for name in names)
    return comment, None, None, ()


def _tight(comment: str, kind: str) -> str:
    """Take the spaces out of ``low .. high`` where `low` is a value of that kind: nobody means that as help."""
    spaced = re.match(r"(\S+)\s+\.\.\s*", comment)
    if spaced is None or kind not in _RANGED:
        return comment
    try:
        values.convert(Text(spaced[1]), kind)
    except ValueError:
        return comment
    return f"{spaced[1]}..{comment[spaced.end() :]}"


def _read(text: str, kind: str, what: str) -> Any:
    try:
        return values.convert(Text(text), kind)
    except ValueError as error:
        raise ValueError(f"the {what} `{text}` in its comment {error}") from None


def _limit(text: str, kind: str) -> Any:
    if not text:
        return None
    if kind not in _RANGED:
        raise ValueError(f"a {kind} has no range; take `{text}..` out of its comment")
    return _read(text, kind, "limit")
