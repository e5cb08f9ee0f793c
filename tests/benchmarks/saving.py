"""A notebook of 100 cells after one output of 10 MB: what it costs to save it while it runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from timing import Rival, compare

CELLS = 100

PEER = """
import papermill
papermill.execute_notebook("notebooks/1_many.ipynb", "executed.ipynb", progress_bar=False)
"""

OURS = """
import tempfile
from pathlib import Path
from mlopskit.leaving import leave
from mlopskit.runner.importing import kernel_statements
from mlopskit.runner.warm import ForkServer
with ForkServer(kernel_statements()) as server:  # as `mlopskit run` does
    from mlopskit.runner import Phase
    from mlopskit.runner.execution import Order, execute_phase
    run = Path(tempfile.mkdtemp(dir=Path.cwd()))  # each round has its own
    endings = []
    execute_phase(Order(Phase("many", "notebooks/1_many.ipynb"), Path.cwd(), run, server=server), endings.append)
assert endings[0].executed == endings[0].cells, endings
leave()  # as the command does
"""


def project(folder: Path, program: str) -> Path:
    """Lay down the notebook and the program that executes it."""
    (folder / "notebooks").mkdir(parents=True)
    sources = ["n: int = 1", "print('x' * 10_000_000)", *["n"] * CELLS]
    cells = [
        {
            "cell_type": "code", "id": f"cell-{number}", "metadata": {"tags": ["parameters"]} if not number else {},
            "source": source, "outputs": [], "execution_count": None,
        }
        for number, source in enumerate(sources)
    ]  # fmt: skip
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
    (folder / "notebooks" / "1_many.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "program.py").write_text(program, encoding="utf-8")
    return folder


def measure(folder: Path, *, rounds: int) -> str:
    """Return the table of wall times: a whole process each, cold kernel and shutdown included.

    The third row is what both pay before they begin, so that the work itself can be told from it.
    """
    rows = [
        ("mlopskit", "saving-ours", OURS),
        ("papermill", "saving-peer", PEER),
        ("importing papermill alone", "saving-import", "import papermill"),
    ]
    rivals = [
        Rival(name, [sys.executable, "program.py"], project(folder / key, program), {"PYTHONHASHSEED": "0"})
        for name, key, program in rows
    ]
    return compare(rivals, rounds=rounds)
