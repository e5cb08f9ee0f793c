"""A grid of parameters: one run for each combination of values."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mlopskit.errors import UsageError


def points(axes: Sequence[str]) -> list[list[str]]:
    """Return the arguments of each point of a grid; without axes, one point without arguments.

    Parameters
    ----------
    axes : sequence of str
        ``phase.name=a,b,c``; a comma within brackets or quotes does not separate.

    Raises
    ------
    UsageError
        When an axis has no name, no value, the same value twice, or is given twice; for an open quote or bracket.

    Examples
    --------
    >>> points(["model.seed=0,1", "data.share=[1,2]"])
    [['model.seed=0', 'data.share=[1,2]'], ['model.seed=1', 'data.share=[1,2]']]
    """
    found: dict[str, list[str]] = {}
    for axis in axes:
        path, _, text = axis.partition("=")
        path, values, is_open = path.strip(), *_split(text)
        if is_open:
            raise UsageError(f"--grid {axis} opens a {is_open} that it does not close; close it, or take it away.")
        if not path or not all(values):
            raise UsageError(f"--grid {axis} is not of the form phase.name=a,b, for example --grid model.seed=0,1,2")
        if len(set(values)) < len(values):
            raise UsageError(f"--grid {axis} names a value twice, which would make the same run twice.")
        if path in found:
            raise UsageError(f"--grid {path} is given twice; list all its values in one.")
        found[path] = [f"{path}={_bare(value)}" for value in values]
    return [list(point) for point in itertools.product(*found.values())]


def _bare(value: str) -> str:
    """Take off the quotes around a whole value: they only keep its commas together."""
    whole = len(value) > 1 and value[0] in "\"'" and value.find(value[0], 1) == len(value) - 1
    return value[1:-1] if whole else value


def _split(text: str) -> tuple[list[str], str]:
    """Return the values, and what was left open: "quote", "bracket" or nothing."""
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        else:
            depth += (char in "[{(") - (char in "]})")
        if char == "," and not depth and not quote:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts], "quote" if quote else "bracket" if depth > 0 else ""
