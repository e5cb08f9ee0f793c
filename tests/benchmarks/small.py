"""What the runner itself costs: six notebooks that do next to nothing, and a second run with nothing changed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from timing import Rival, compare

KNOWN = ("scope", "data", "model", "evaluate", "slices_and_bias", "deploy", "monitor")
PROJECT = '[project]\nname = "six"\n[data]\nsource = "rows.csv"\ntask = "binary"\ntarget = "bought"\npositive = "yes"\n'
CELLS = (
    "seed: int = 0  # seed",
    "import pandas\nimport sklearn.ensemble\nimport matplotlib.pyplot\nimport shap\nfrom mlopskit import open_run",
    "run = open_run('NAME')\nrun.write('one', {'one': 1})",
    "run.finish()",
)
PEER = """
from pathlib import Path
import papermill

for notebook in sorted(Path("notebooks").glob("*.ipynb")):
    papermill.execute_notebook(notebook, Path("executed") / notebook.name, progress_bar=False)
"""


def six(folder: Path) -> Path:
    """Lay down a project of six notebooks that import the four libraries."""
    (folder / "notebooks").mkdir(parents=True)
    (folder / "executed").mkdir()
    (folder / "peer.py").write_text(PEER, encoding="utf-8")
    rows = "".join(f"{number},{'yes' if number % 2 else 'no'}\n" for number in range(200))
    (folder / "rows.csv").write_text(f"age,bought\n{rows}", encoding="utf-8")
    toml = [PROJECT, *(f'[[phase]]\nname = "{name}"\ndrop = true\n' for name in KNOWN)]
    for number in range(1, 7):
        path = f"notebooks/{number}.ipynb"
        after = f'"p{number - 1}"' if number > 1 else ""
        toml.append(f'[[phase]]\nname = "p{number}"\nnotebook = "{path}"\nafter = [{after}]\n')
        (folder / path).write_text(json.dumps(_notebook(f"p{number}")), encoding="utf-8")
    (folder / "mlops.toml").write_text("".join(toml), encoding="utf-8")
    return folder


def _notebook(name: str) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code", "id": f"c{number}", "outputs": [], "execution_count": None,
            "metadata": {"tags": ["parameters"]} if number == 0 else {}, "source": source.replace("NAME", name),
        }
        for number, source in enumerate(CELLS)
    ]  # fmt: skip
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


def measure(folder: Path, *, rounds: int) -> str:
    """Return the table for six notebooks."""
    mlopskit = [sys.executable, "-m", "mlopskit", "run", "--quiet", "--fresh"]
    rivals = [
        Rival("mlopskit run --fresh, with report", mlopskit, six(folder / "ours")),
        Rival("papermill in sequence", [sys.executable, "peer.py"], six(folder / "peer")),
    ]
    return compare(rivals, rounds=rounds)


def measure_unchanged(project: Path, *, rounds: int) -> str:
    """Return the table for a second run of a project in which nothing changed since the first."""
    run = Rival("mlopskit run, nothing changed", [sys.executable, "-m", "mlopskit", "run"], project)
    shown = Rival("mlopskit --help", [sys.executable, "-m", "mlopskit", "--help"], project)
    bare = Rival("python -c 'import papermill'", [sys.executable, "-c", "import papermill"], project)
    return compare([run, shown, bare], rounds=rounds, allowed=(0, 3, 4))
