"""Likeness of two executed notebooks, code cell by code cell, outputs included.

What differs from run to run without meaning anything is normalised first: execution counts, metadata, how a stream
was cut in pieces, memory addresses, the ids of widgets, the name of the run, and the content digests that the last
cell prints, since the artefacts themselves are compared. The cell that papermill puts in is left out (parameters are
compared as values), and so are the outputs of cells tagged ``volatile``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit.notebooks import PUT_IN, heading_above, source_of
from mlopskit.runner.likeness import STANDARD, Tolerance, first_difference, leaf_differences, texts_alike
from mlopskit.runner.spill import spilled

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}|ipykernel_\d+")
_WIDGET = "application/vnd.jupyter.widget-view+json"
_EXACT = ("image/", "application/pdf")


@dataclass(frozen=True)
class CellLikeness:
    """One code cell in two notebooks.

    Attributes
    ----------
    cell : str
        Its id, with the heading above it.
    outcome : str
        ``identical``, ``within tolerance``, ``different`` or ``left out``.
    text : str
        Where the outputs differ, in words.
    """

    cell: str
    outcome: str
    text: str = ""


def compare_cells(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    *,
    tolerance: Tolerance = STANDARD,
    ignore: Sequence[str] = (),
    folders: Sequence[Path | None] = (None, None),
) -> Iterator[CellLikeness]:
    """Yield each code cell that both notebooks have, with the likeness of its outputs.

    Parameters
    ----------
    before, after : mapping
        Executed notebooks as plain JSON.
    tolerance : Tolerance
        For numbers in the outputs.
    ignore : sequence of str
        Texts that name the run, not the result, such as the run's name and the digests of its artefacts.
    folders : sequence of Path
        Where the two notebooks lie, so that outputs beside them are compared as well.
    """
    old, new = _code(before), _code(after)
    for name in old:
        if name not in new:
            continue
        place, cell = old[name]
        heading = heading_above(before, place)
        label = f"{name} ({heading})" if heading else name
        if "volatile" in _tags(cell) or "volatile" in _tags(new[name][1]):
            yield CellLikeness(label, "left out")
        else:
            sides = zip((cell, new[name][1]), folders, strict=True)
            yield _compare(label, *(_outputs(side, ignore, folder) for side, folder in sides), tolerance=tolerance)


def _compare(label: str, before: list[Any], after: list[Any], *, tolerance: Tolerance) -> CellLikeness:
    if before == after:
        return CellLikeness(label, "identical")
    if len(before) != len(after):
        return CellLikeness(label, "different", f"{len(before)} → {len(after)} outputs")
    for old, new in zip(before, after, strict=True):
        kinds = [sorted(kind for kind, _ in output) for output in (old, new)]
        if kinds[0] != kinds[1]:
            return CellLikeness(label, "different", f"output is {', '.join(kinds[0])} → {', '.join(kinds[1])}")
        for (kind, was), (_, now) in zip(old, new, strict=True):
            text = _difference(kind, was, now, tolerance)
            if text:
                return CellLikeness(label, "different", f"{kind}, {text}")
    return CellLikeness(label, "within tolerance")


def _difference(kind: str, before: Any, after: Any, tolerance: Tolerance) -> str:
    if before == after:
        return ""
    if not (isinstance(before, str) and isinstance(after, str)):
        return next(leaf_differences(before, after, tolerance), "")
    if kind.startswith(_EXACT):
        return "another picture"
    return "" if texts_alike(before, after, tolerance) else first_difference(before, after)


def _tags(cell: Mapping[str, Any]) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def _code(notebook: Mapping[str, Any]) -> dict[str, tuple[int, Mapping[str, Any]]]:
    cells = [
        (place, cell)
        for place, cell in enumerate(notebook["cells"])
        if cell.get("cell_type") == "code" and PUT_IN not in _tags(cell) and source_of(cell).strip()
    ]
    return {str(cell.get("id") or f"cell {number}"): (place, cell) for number, (place, cell) in enumerate(cells)}


def _outputs(cell: Mapping[str, Any], ignore: Sequence[str], folder: Path | None) -> list[list[tuple[str, Any]]]:
    """Return the outputs, normalised: each a list of kind and content; pieces of one stream are joined."""
    streams: dict[str, str] = {}
    others: list[list[tuple[str, Any]]] = []
    for output in cell.get("outputs", []):
        if output.get("output_type") == "stream":
            name = str(output.get("name"))
            streams[name] = streams.get(name, "") + _joined(output.get("text", ""))
        elif output.get("output_type") == "error":
            others.append([("error", _clean(f"{output.get('ename')}: {output.get('evalue')}", ignore))])
        else:
            data = {kind: _joined(value) for kind, value in output.get("data", {}).items() if kind != _WIDGET}
            data |= spilled(data, folder) if folder else {}
            others.append([(kind, _clean(value, ignore)) for kind, value in sorted(data.items())])
    return [[(name, _clean(text, ignore))] for name, text in sorted(streams.items())] + others


def _joined(value: Any) -> Any:
    """Return the text of an output, which notebooks keep as a string or as a list of lines."""
    return "".join(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value


def _clean(value: Any, ignore: Sequence[str]) -> Any:
    if not isinstance(value, str):
        return value
    for text in ignore:
        value = value.replace(text, "…")
    return _ADDRESS.sub("…", value)
