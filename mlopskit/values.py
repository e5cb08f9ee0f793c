"""Values of parameters: one converter a type.

A value comes as text from the command line (`Text`), typed from ``mlops.toml``, or as the literal in a notebook. Text
is read as the declared type says; a typed value must already have it, with two exceptions that lose nothing: a whole
number where a float is wanted, and a TOML date where a date is. What comes out is plain JSON, dates as ISO strings.
"""

from __future__ import annotations

import ast
import contextlib
import datetime as dt
import json
import math
import re
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

_DEEPEST = 100
"""Levels of a value; what reads it later, here and elsewhere, takes some of Python's stack for each."""

_SHOWN = 200  # characters of a value that a message repeats
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


class Text(str):
    """Text that still has to be read as the declared type: an argument of the command line."""

    __slots__ = ()


def convert(value: Any, kind: str) -> Any:
    """Return `value` as `kind`, one of `TYPES`.

    Raises
    ------
    ValueError
        When it is something else; the message completes the sentence "name = value …".

    Examples
    --------
    >>> convert(Text("3e2"), "float"), convert(Text("yes"), "bool")
    (300.0, True)
    """
    return _CONVERTERS[kind](value)


def shown(value: Any, kind: str) -> str:
    """Write a value for an error message, not endlessly long; a secret is never repeated."""
    text = "…" if kind == "secret" else str(value) if isinstance(value, Text) else _spelled(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _spelled(value: Any) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()  # as it stands in the project file
    try:
        return repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, a value of thousands of levels
        return "…"


def _wrong(value: Any, wanted: str) -> ValueError:
    named = {"str": "text", "NoneType": "none"}.get(type(value).__name__, type(value).__name__)
    return ValueError(f"is not {wanted}" + ("" if isinstance(value, Text) else f" but {named}"))


def _wrong_text(value: Any, wanted: str) -> ValueError:
    """Say what is wrong where text is right, and this text is not."""
    return ValueError(f"is not {wanted}") if isinstance(value, str) else _wrong(value, wanted)


def _int(value: Any) -> int:
    if isinstance(value, Text):
        with contextlib.suppress(ValueError):
            return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong(value, "a whole number")


def _float(value: Any) -> float:
    if isinstance(value, Text):
        try:
            number = float(value)
        except ValueError:
            raise _wrong(value, "a number") from None
        if math.isinf(number) and any(map(str.isdigit, value)):  # 1e400 is not what anybody means by infinity
            raise ValueError("is too large for a float")
        return number
    if isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):
            return float(value)
        raise ValueError("is too large for a float")
    raise _wrong(value, "a number")


def _bool(value: Any) -> bool:
    if isinstance(value, Text) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    if isinstance(value, bool):
        return value
    raise _wrong(value, "true or false")


def _str(value: Any) -> str:
    if isinstance(value, str):
        return _utf8(str(value))
    raise _wrong(value, "text")


def _utf8(text: str) -> str:
    """Refuse what neither a manifest nor a notebook could hold: both are UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds bytes that are no UTF-8 text") from None
    return text


def _path(value: Any) -> str:
    if isinstance(value, str | PurePath) and str(value).strip():
        return _utf8(str(value))
    raise _wrong_text(value, "a path")


def _date(value: Any) -> str:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    try:
        return dt.date.fromisoformat(_str(value)).isoformat()
    except ValueError:
        raise _wrong_text(value, "a date like 1974-01-31") from None


def _datetime(value: Any) -> str:
    if isinstance(value, dt.date):
        moment = value if isinstance(value, dt.datetime) else dt.datetime.combine(value, dt.time())
        return moment.isoformat()
    try:
        return dt.datetime.fromisoformat(_str(value)).isoformat()
    except ValueError:
        raise _wrong_text(value, "a date and time like 1974-01-31T12:00:00") from None


def _parsed(text: str) -> Any:
    """Read text as JSON or as a Python literal; None when it is neither."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _list(value: Any) -> Any:
    if isinstance(value, Text):
        parsed = _parsed(value) if value.lstrip().startswith(("[", "(")) else None
        if isinstance(parsed, list | tuple):
            return _jsonable(list(parsed), "a list like [1, 2] or 1,2")
        if not value.lstrip().startswith(("[", "(")):
            return [Text(part.strip()) for part in _utf8(value).split(",") if part.strip()]
    if isinstance(value, list | tuple) and not isinstance(value, str):
        return _jsonable(list(value), "a list of plain values")
    raise _wrong(value, "a list like [1, 2] or 1,2")


def _dict(value: Any) -> Any:
    found = _parsed(value) if isinstance(value, Text) else value
    if isinstance(found, dict) and all(isinstance(key, str) for key in found):
        return _jsonable(found, "a mapping of plain values")
    raise _wrong(value, 'a mapping like {"a": 1}')


def _jsonable(value: Any, wanted: str) -> Any:
    """Dates inside become ISO strings; what JSON cannot hold is refused, and what it would hold as something else."""
    if not _has_text_keys(value):
        raise ValueError("has a key that is not text; put it in quotes")
    try:
        text = json.dumps(value, default=lambda item: _iso(item), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        raise _wrong(value, wanted) from None
    return json.loads(_utf8(text))


def _has_text_keys(value: Any, levels: int = 0) -> bool:
    if levels > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} levels deep")
    if isinstance(value, dict):
        return all(isinstance(key, str) and _has_text_keys(item, levels + 1) for key, item in value.items())
    return not isinstance(value, list | tuple) or all(_has_text_keys(item, levels + 1) for item in value)


def _iso(value: Any) -> str:
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def _secret(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"env:\w+|file:.+", value):
        return _utf8(str(value))
    raise ValueError(
        "must be a reference, `env:NAME` or `file:PATH`; a secret itself would end up in notebooks and reports"
    )


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "str": _str,
    "date": _date,
    "datetime": _datetime,
    "path": _path,
    "list": _list,
    "dict": _dict,
    "secret": _secret,
}

TYPES = tuple(_CONVERTERS)
"""The types that a parameter may have."""
