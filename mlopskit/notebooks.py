"""Notebook files as plain JSON.

What only looks at a notebook (its parameters, its headings, its form) reads it here, with the standard library:
importing nbformat alone takes a second. Executing and converting is the runner's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlopskit.errors import NotebookError

PUT_IN = "injected-parameters"
"""Tag of the cell in which papermill writes parameters; what `mlopskit` executes has it as id as well."""


def load_notebook(path: Path) -> dict[str, Any]:
    """Read a notebook file as plain JSON.

    Raises
    ------
    NotebookError
        When it is missing or is not a notebook of format 4.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotebookError.from_missing([path], sorted(item.name for item in path.parent.glob("*.ipynb"))) from None
    except (OSError, ValueError) as error:
        raise NotebookError.from_unreadable(path, str(error)) from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list) or notebook.get("nbformat") != 4:
        raise NotebookError.from_unreadable(path, "it is not a notebook of format 4")
    return notebook


def language_of(notebook: Mapping[str, Any]) -> str:
    """Return the programming language that a notebook says it is written in."""
    metadata = notebook.get("metadata", {})
    told = (metadata.get("kernelspec", {}).get("language"), metadata.get("language_info", {}).get("name"))
    return next(filter(None, told), "python")


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source, which notebooks keep as a string or as a list of lines."""
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def tagged(notebook: Mapping[str, Any], tag: str) -> Iterator[Mapping[str, Any]]:
    """Yield the code cells that bear a tag."""
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code" and tag in cell.get("metadata", {}).get("tags", []):
            yield cell


def code_cells(notebook: Mapping[str, Any]) -> list[int]:
    """Return the positions of the code cells that have something to run."""
    cells = enumerate(notebook["cells"])
    return [index for index, cell in cells if cell.get("cell_type") == "code" and source_of(cell).strip()]


def heading_above(notebook: Mapping[str, Any], index: int) -> str:
    """Return the text of the last Markdown heading above a cell, or an empty string."""
    for cell in reversed(notebook["cells"][:index]):
        if cell.get("cell_type") == "markdown":
            lines = [line for line in source_of(cell).splitlines() if re.match(r"#{1,6} ", line)]
            if lines:
                return lines[-1].lstrip("#").strip()
    return ""


def original_index(notebook: Mapping[str, Any], index: int, *, injected: bool) -> int:
    """Translate an index in the executed notebook, where papermill put a cell in, to the notebook as written."""
    tags = [cell.get("metadata", {}).get("tags", []) for cell in notebook["cells"]]
    declared = next((place for place, tag in enumerate(tags) if "parameters" in tag), None)
    return index - 1 if injected and declared is not None and index > declared else index
