"""The whole lifecycle on the income example, three ways: by mlopskit, by plain papermill, by one plain script."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from timing import Rival, compare

from mlopskit.runner.phases import PHASES, parents

REPO = Path(__file__).resolve().parents[2]

PEER = """
import sys
from pathlib import Path
import papermill
from nbconvert import HTMLExporter

for notebook in sorted(Path("notebooks").glob("[1-7]_*.ipynb")):
    out = Path("executed") / notebook.name
    out.parent.mkdir(exist_ok=True)
    papermill.execute_notebook(notebook, out, progress_bar=False)
    html, _ = HTMLExporter().from_filename(str(out))
    out.with_suffix(".html").write_text(html, encoding="utf-8")
"""


def project(folder: Path) -> Path:
    """Lay down the income project by hand, so that making it is no part of the measurement."""
    folder.mkdir(parents=True)
    shutil.copy(REPO / "mlops.toml", folder)
    shutil.copytree(REPO / "notebooks", folder / "notebooks")
    return folder


def script(folder: Path) -> str:
    """Join the code cells of the seven phases into one program."""
    cells = [
        "".join(cell["source"])
        for path in sorted((folder / "notebooks").glob("[1-7]_*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    return "\n\n".join(cells)


def measure(folder: Path, *, rounds: int) -> str:
    """Return the table of wall times: cold start to report."""
    ours, peer, plain = (project(folder / name) for name in ("ours", "peer", "plain"))
    (peer / "peer.py").write_text(PEER, encoding="utf-8")
    (plain / "cells.py").write_text(script(plain), encoding="utf-8")
    hash_seed = {"PYTHONHASHSEED": "0"}
    rivals = [
        Rival("mlopskit run, with report", [sys.executable, "-m", "mlopskit", "run", "--quiet", "--fresh"], ours),
        Rival("the same notebooks, papermill then nbconvert", [sys.executable, "peer.py"], peer, hash_seed),
        Rival("the same code cells, one plain script, no report", [sys.executable, "cells.py"], plain, hash_seed),
    ]
    return compare(rivals, rounds=rounds, allowed=(0, 3, 4)) + "\n" + spent(ours)


def spent(folder: Path) -> str:
    """Say what our time went into: no runner can be faster than the cells of the longest chain of phases."""
    said = {path.parent: json.loads(path.read_text(encoding="utf-8")) for path in (folder / "runs").glob("*/run.json")}
    run, newest = max(said.items(), key=lambda item: item[1]["started"])
    took = {entry["name"]: work(run / entry["name"] / "notebook.ipynb") for entry in newest["phases"]}
    ends: dict[str, float] = {}
    for name, seconds in took.items():
        ends[name] = seconds + max((ends[parent] for parent in parents(PHASES, name)), default=0.0)
    cells = ", ".join(f"{name} {seconds:.1f}" for name, seconds in took.items())
    whole, chain = newest["seconds"], max(ends.values())
    return (
        f"  our last run: {chain:.1f} of {whole:.1f} s are the cells of its longest chain of phases, "
        f"{whole - chain:.1f} s imports, kernels and the report;\n  cells, which the others work off one by one: "
        f"{cells}; {sum(took.values()):.1f} s in all"
    )


def work(notebook: Path) -> float:
    """Return the seconds that the cells of an executed notebook took."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return sum(cell["metadata"].get("papermill", {}).get("duration") or 0.0 for cell in cells)
