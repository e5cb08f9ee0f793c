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
        When an axis has no name, no value, or the same value twice.

    Examples
    --------
    >>> points(["model.seed=0,1", "data.share=[1,2]"])
    [['model.seed=0', 'data.share=[1,2]'], ['model.seed=1', 'data.share=[1,2]']]
    """
    found = []
    for axis in axes:
        path, _, text = axis.partition("=")
        values = _split(text)
        if not path.strip() or not all(values):
            raise UsageError(f"--grid {axis} is not of the form phase.name=a,b, for example --grid model.seed=0,1,2")
        if len(set(values)) < len(values):
            raise UsageError(f"--grid {axis} names a value twice, which would make the same run twice.")
        found.append([f"{path.strip()}={value}" for value in values])
    return [list(point) for point in itertools.product(*found)]


def _split(text: str) -> list[str]:
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
    return [part.strip() for part in parts]
