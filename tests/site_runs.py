"""Finished runs as a site reads them, made through `Run` without a kernel."""

from __future__ import annotations

import html
import json
import os
import runpy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.display import Chart
from mlopskit.runner.manifest import Manifest, PhaseEntry
from mlopskit.runner.report import render
from mlopskit.runs import Run

TINY = runpy.run_path(str(Path(__file__).with_name("tiny.py")))
HOSTILE = "<script>document.title='owned'</script>\"'{{x}} é"
PHASES = ("scope", "data", "evaluate", "slices_and_bias")


def measure(metric: str, value: float, *, half: float = 0.02, **more: Any) -> dict[str, Any]:
    """One row of a table of measures."""
    return {"metric": metric, "value": value, "low": value - half, "high": value + half, "n": 100, **more}


def criterion(status: str, *, name: str = "recall at least 0.7") -> dict[str, Any]:
    return {"name": name, "metric": "recall", "scope": "overall", "side": "at_least", "status": status, "reason": "why",
            "value": 0.7, "low": 0.6, "high": 0.8, "bound": 0.7}  # fmt: skip


def drawing(words: str, *, inside: str = "", colour: str = "#0072b2") -> str:
    """A figure of one square."""
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" style="width:100%">'
        f'<title>{html.escape(words)}</title>{inside}<path fill="{colour}" d="M1 1h8v8h-8z"/></svg>'
    )


def make_run(
    runs: Path, name: str, *, value: float = 0.8, project: str = "shop", question: str = "Who buys?",
    body: str = "a = 1", rows: int = 3, groups: float = 0.7, report: bool = True, label: str = "ROC AUC",
    figures: Mapping[str, str] | None = None,
    **said: Any,
) -> Path:  # fmt: skip
    """Lay down one run; its date is its name's, `figures` are drawings of its evaluation."""
    folder = runs / name
    run = Run(runs, folder, "scope")
    run.write("project", {"name": project, "question": question})
    run.finish()
    run = Run(runs, folder, "data")
    run.write("source", {"source": "rows.csv", "rows": rows, "columns": 1, "sha256": "0" * 64})
    run.write("test", pd.DataFrame({"a": range(rows), **({"b": range(rows)} if rows > 3 else {})}))
    run.finish()
    run = Run(runs, folder, "evaluate")
    run.write("metrics", pd.DataFrame([measure("roc_auc", value), measure("log_loss", 1 - value, half=0.2)]))
    for figure, drawing in (figures or {}).items():
        run.write(figure, Chart.from_svg(drawing))
    run.finish()
    run = Run(runs, folder, "slices_and_bias")
    everyone, part = {"slice": "overall", "group": "overall"}, {"slice": "gender", "group": HOSTILE}
    run.write("groups", pd.DataFrame([measure("recall", 0.8, **everyone), measure("recall", groups, **part)]))
    run.finish()
    for phase in PHASES:
        (folder / phase / "notebook.ipynb").write_text(json.dumps(TINY["phase_notebook"](body, phase=phase)), "utf-8")
    given = {
        "parameters": {"evaluate": {"seed": 0, "method": "auto"}},
        "environment": {"python": "3.11.7", "distributions": {"numpy": "2.4.0"}},
        "headline": {"label": label, "value": value, "low": value - 0.02, "high": value + 0.02, "phase": "evaluate"},
        "criteria": [criterion("met")],
        "status": "passed",
        **said,
    }
    started = f"{name[:4]}-{name[4:6]}-{name[6:8]}T{name[9:11]}:{name[11:13]}:00.000Z" if name[:8].isdigit() else ""
    entries = [PhaseEntry(phase, f"{phase}.ipynb", "done") for phase in PHASES]
    Manifest(run=name, project=project, started=started, seed=0, git=None, phases=entries, **given).save(folder)
    if report:
        render(folder)
    return folder


def copy_run(folder: Path, name: str, **said: Any) -> Path:
    """Make another run of one: its files are shared, its manifest says something else."""
    made = folder.with_name(name)
    shutil.copytree(folder, made, copy_function=os.link)
    told = json.loads((folder / "run.json").read_text(encoding="utf-8")) | {"run": name} | said
    (made / "run.json").unlink()
    (made / "run.json").write_text(json.dumps(told), encoding="utf-8")
    return made
