"""Notebooks as they should lie in git: without outputs, in one form, so that a diff shows what a person changed.

The form is the one in which Jupyter and VS Code save: one space of indent, a line end at the end. A notebook in that
form keeps every byte, order of keys included, except for what is stripped; one in another form is brought into it, with
its keys sorted.
"""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from mlopskit.artefacts import write_text
from mlopskit.errors import NotebookError
from mlopskit.notebooks import load_notebook, source_of

_CELL_NOISE = ("execution", "ExecuteTime", "papermill", "collapsed", "scrolled")
_NOTEBOOK_NOISE = ("widgets", "papermill")
"""Metadata that running writes: when, how long, what the widgets showed."""


def normal_form(notebook: dict[str, Any]) -> str:
    """Return the text of a notebook as Jupyter saves it."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def stripped_text(text: str, notebook: dict[str, Any]) -> str:
    """Return the text of a notebook without what running left; `notebook` is what `text` holds."""
    escaped = _escaped(text, notebook)
    made = stripped(notebook)
    return normal_form(made) if escaped is None else json.dumps(made, indent=1, ensure_ascii=escaped) + "\n"


def _escaped(text: str, notebook: dict[str, Any]) -> bool | None:
    """Tell whether a notebook in the right form escapes what is not ASCII; None for one in another form."""
    forms = {escaped: json.dumps(notebook, indent=1, ensure_ascii=escaped) + "\n" for escaped in (False, True)}
    return next((escaped for escaped, form in forms.items() if form == text), None)


def stripped(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook without outputs, counts and what else running leaves; cells that lack an id get a stable one.

    Examples
    --------
    >>> cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "1", "outputs": [1], "execution_count": 3}
    >>> stripped({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})["cells"][0]["outputs"]
    []
    """
    made = copy.deepcopy(notebook)
    for cell in made["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
        for key in _CELL_NOISE:
            cell.get("metadata", {}).pop(key, None)
    for key in _NOTEBOOK_NOISE:
        made.get("metadata", {}).pop(key, None)
    made.get("metadata", {}).get("language_info", {}).pop("version", None)
    if made.get("nbformat_minor", 0) >= 5:
        _name_cells(made["cells"])
    return made


def has_outputs(cell: dict[str, Any]) -> bool:
    """Tell whether a code cell holds what running it left."""
    return cell.get("cell_type") == "code" and bool(cell.get("outputs") or cell.get("execution_count") is not None)


def unsteady(text: str, notebook: dict[str, Any]) -> str:
    """Return why diffs of this notebook would be hard to read, as half a sentence; empty when they are not."""
    ids = [cell.get("id") for cell in notebook["cells"]]
    if notebook.get("nbformat_minor", 0) >= 5 and (not all(ids) or len(set(ids)) < len(ids)):
        return "cells lack an id or share one, so each save would name them anew"
    if _escaped(text, notebook) is None:
        return "it is not in the form in which Jupyter saves, so the next save would change every line"
    return ""


def strip_file(path: Path) -> bool:
    """Strip a notebook file, whole or not at all, and tell whether it changed.

    Raises
    ------
    NotebookError
        When it is no notebook or cannot be written.
    """
    notebook = load_notebook(path)
    text = path.read_bytes().decode("utf-8")
    wanted = stripped_text(text, notebook)
    if text == wanted:
        return False
    try:
        target = path.resolve()
        mode = target.stat().st_mode
        write_text(target, wanted)
        target.chmod(mode)
    except OSError as error:
        raise NotebookError(f"{path.name} cannot be written: {error.strerror}. It is as it was.") from None
    return True


def _name_cells(cells: list[dict[str, Any]]) -> None:
    """Give ids to cells without one or with one taken: from their content, so that the same cell gets the same."""
    taken: set[str] = set()
    for cell in cells:
        name = cell.get("id")
        if not name or name in taken:
            whole = hashlib.sha256(source_of(cell).encode()).hexdigest()
            name = next(made for number in range(len(cells) + 1) if (made := _id(whole, number)) not in taken)
            cell["id"] = name
        taken.add(name)


def _id(digest: str, number: int) -> str:
    return f"cell-{digest[:8]}" + (f"-{number}" if number else "")
