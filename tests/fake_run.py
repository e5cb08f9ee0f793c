"""A run folder as the runner leaves it, made by hand: what the report is tested on without running a pipeline."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
from nbformat import v4

from mlopskit import display

HOSTILE = "<script>document.title='owned'</script>"
ONERROR = "<img src=x onerror=\"document.title='owned'\">"

TITLES = {
    "scope": "Scope",
    "data": "Data",
    "model": "Model",
    "evaluate": "Evaluation",
    "slices_and_bias": "Slices and bias",
    "deploy": "Deployment",
    "monitor": "Monitoring",
}

CRITERIA = [
    {"name": "roc_auc at least 0.8", "metric": "roc_auc", "scope": "overall", "status": "met", "value": 0.861,
     "low": 0.848, "high": 0.874, "bound": 0.8, "side": "at_least"},
    {"name": "gain in balanced_accuracy over rule at least 0.05", "metric": "balanced_accuracy", "scope": "gain",
     "status": "met", "value": 0.113, "low": 0.094, "high": 0.132, "bound": 0.05, "side": "at_least"},
    {"name": "recall in every gender at least 0.6", "metric": "recall", "scope": "slice", "slice": "gender",
     "group": "Female", "status": "not-met", "value": 0.512, "low": 0.471, "high": 0.553, "bound": 0.6,
     "side": "at_least", "reason": "Female has 0.512 (0.471 to 0.553), n = 1,204"},
    {"name": "difference of selection_rate between gender at most 0.2", "metric": "selection_rate", "scope": "gap",
     "slice": "gender", "status": "undecided", "value": 0.196, "low": 0.171, "high": 0.221, "bound": 0.2,
     "side": "at_most", "reason": "the interval holds the bound", "on_undecided": "stop"},
]  # fmt: skip


def fake_run(
    folder: Path, *, failed: str = "", criteria: list[dict[str, Any]] | None = None, hostile: bool = True
) -> Path:
    """Lay down a finished run, or one whose phase `failed` raised, with hostile names and outputs in it."""
    folder.mkdir(parents=True, exist_ok=True)
    phases = []
    for name in TITLES:
        reached = not failed or list(TITLES).index(name) <= list(TITLES).index(failed)
        status = "failed" if name == failed else "done" if reached else "never-ran"
        phases.append(_phase(folder, name, status=status, hostile=hostile))
    ended = "failed" if failed else "criteria-not-met"
    manifest = {
        "run": folder.name, "status": ended, "started": "2026-03-04T05:06:07Z", "seconds": 41.3, "seed": 7,
        "project": "income",
        "parameters": {"model": {"max_iter": 200, "method": "auto"}, "evaluate": {"replicates": 1000}},
        "environment": {"python": "3.11.9", "distributions": {"numpy": "2.4.0", "pandas": "3.1.0"}},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": False},
        "phases": phases, "criteria": [] if failed else (CRITERIA if criteria is None else criteria),
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _phase(folder: Path, name: str, *, status: str, hostile: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": name,
        "status": status,
        "seconds": None,
        "key": "",
        "reads": [],
        "writes": [],
        "error": None,
    }
    if status == "never-ran":
        return entry
    home = folder / name
    home.mkdir(exist_ok=True)
    nbformat.write(_notebook(name, failed=status == "failed", hostile=hostile), home / "notebook.ipynb")
    if status == "failed":
        error = {
            "cell": "fit",
            "heading": "Fit the candidates",
            "ename": "ModelError",
            "evalue": "No candidate could be fitted <b>.",
        }
        return {**entry, "seconds": 1.5, "error": error}
    _artefacts(home, name, hostile=hostile)
    writes = [_written(path, name) for path in sorted(home.iterdir()) if path.name != "notebook.ipynb"]
    return {**entry, "seconds": 2.5 + len(name), "key": hashlib.sha256(name.encode()).hexdigest(), "writes": writes}


def _written(path: Path, phase: str) -> dict[str, Any]:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {
        "name": f"{phase}/{path.name}",
        "sha256": digest,
        "digest": digest,
        "bytes": len(content),
        "volatile": False,
    }


def _artefacts(home: Path, name: str, *, hostile: bool) -> None:
    if name == "scope":
        question = "Who earns more than 25,000 constant dollars a year?"
        decision = "Which people an agency invites to its follow-up study; an interviewer confirms each one."
        project = {"name": "income", "question": question, "decision": decision, "roles": {"data": None}}
        (home / "project.json").write_text(json.dumps(project), encoding="utf-8")
        asked = [
            ("deployment", "max_latency_ms", "How long may one answer take?", "An answer that comes late is wrong.")
        ]
        pd.DataFrame(asked, columns=["table", "key", "question", "why"]).to_parquet(home / "open_questions.parquet")
    if name == "monitor":
        row = {"name": "drift", "metric": "drift", "feature": HOSTILE if hostile else "age", "window": "1999–2002",
               "value": 0.31, "low": 0.28, "high": 0.34, "bound": 0.2, "status": "alert"}  # fmt: skip
        ok = {**row, "feature": "prestige", "value": 0.05, "status": "ok"}
        pd.DataFrame([row, ok]).to_parquet(home / "alerts.parquet")
    if name == "evaluate":
        pd.DataFrame(CRITERIA[:2]).to_parquet(home / "criteria.parquet")
        pd.DataFrame({"metric": ["roc_auc"], "value": [0.861]}).to_parquet(home / "metrics.parquet")
    (home / "summary.json").write_text(json.dumps(_summary(name)), encoding="utf-8")


def _summary(name: str) -> dict[str, Any]:
    ranks = "How often a positive ranks above a negative."
    load = {"label": "Latency, 95th percentile (ms)", "value": 7.2, "low": 6.9, "high": 7.6, "artefact": "deploy/load"}
    facts = {
        "evaluate": [
            _fact("ROC AUC", (0.861, 0.848, 0.874), 0.724, ranks),
            _fact("Balanced accuracy", (0.781, 0.765, 0.797), 0.668, "The mean of recall and specificity."),
            _fact("Recall", (0.612, 0.583, 0.641), 0.41, "Of all positives, the share that is found."),
        ],
        "deploy": [load],
    }
    statements = {
        "slices_and_bias": [
            {"text": "Recall is lowest for women with less than high school: 0.31 (0.24 to 0.39).", "tone": "bad",
             "artefact": "slices_and_bias/groups"}],
        "monitor": [{"text": "Age drifts in 2 of 6 windows.", "tone": "warning", "artefact": "monitor/drift"}],
    }  # fmt: skip
    steps = {"monitor": [{"text": "Retrain with rows from 1995 on.", "phase": "data"}]}
    return {"facts": facts.get(name, []), "statements": statements.get(name, []), "next": steps.get(name, [])}


def _fact(label: str, figures: tuple[float, float, float], baseline: float, explain: str) -> dict[str, Any]:
    value, low, high = figures
    return {"label": label, "value": value, "low": low, "high": high, "n": 3428, "baseline": baseline,
            "baseline_label": "rule", "explain": explain, "artefact": "evaluate/metrics"}  # fmt: skip


def _notebook(name: str, *, failed: bool, hostile: bool) -> nbformat.NotebookNode:
    cells = [
        v4.new_markdown_cell(
            f"# {TITLES[name]}\n\nWhat this phase asks, reads and writes. A <b>raw</b> tag stays text."
        ),
        _ran("replicates: int = 1000  # 100..100000: bootstrap replicates", [], tags=["parameters"]),
        _ran(f"import pandas as pd\n\nrun = open_run({name!r})", []),
        v4.new_markdown_cell(
            "## Fit the candidates\n\nEach is tried on validation data; see [the data](2_data.ipynb)."
        ),
    ]
    if failed:
        error = v4.new_output("error", ename="ModelError", evalue="No candidate could be fitted <b>.",
                              traceback=["\x1b[0;31mModelError\x1b[0m: No candidate could be fitted <b>."])  # fmt: skip
        last = v4.new_code_cell("table(1)", execution_count=None)
        return v4.new_notebook(cells=[*cells, _ran("fit()", [error]), v4.new_markdown_cell("## After"), last])
    shown = [_ran('run.write("metrics", table(scores))', [_html(_table(hostile=hostile))])]
    shown += [_ran("roc_chart(scores)", [_html(_chart(hostile=hostile))], tags=["volatile"])]
    shown += [_ran("note()", [_html(display.note("3 of 4 <criteria> are met.", tone="warning"))])]
    if hostile:
        shown += [
            _ran(
                "user()",
                [_raw(f"<div onclick='x()'>{HOSTILE}{ONERROR}<iframe src='https://example.com'></iframe>ok</div>")],
            )
        ]
        shown += [_ran("print(1)", [v4.new_output("stream", name="stdout", text=HOSTILE)])]
    return v4.new_notebook(
        cells=[*cells, *shown, v4.new_markdown_cell("## Next\n\nGo on to [slices](5_slices_and_bias.ipynb).")]
    )


def _ran(source: str, outputs: list[Any], *, tags: list[str] | None = None) -> nbformat.NotebookNode:
    return v4.new_code_cell(source, outputs=outputs, execution_count=1, metadata={"tags": tags or []})


def _html(shown: Any) -> nbformat.NotebookNode:
    return v4.new_output(
        "execute_result", data={"text/html": shown._repr_html_(), "text/plain": repr(shown)}, execution_count=1
    )


def _raw(text: str) -> nbformat.NotebookNode:
    return v4.new_output("display_data", data={"text/html": text})


@cache
def _table(*, hostile: bool) -> display.Table:
    frame = pd.DataFrame({f"measure {i}": np.linspace(0, i, 12) for i in range(1, 9)})
    frame.insert(0, HOSTILE if hostile else "group", [ONERROR if hostile else "women"] * 12)
    return display.table(frame, caption="By group")


@cache
def _chart(*, hostile: bool) -> display.Chart:
    made, axes = display.figure()
    axes.plot([0, 0.2, 1], [0, 0.7, 1], color=display.colour(0))
    axes.text(0.3, 0.6, HOSTILE if hostile else "model")
    display.label_axes(axes, x="false positive rate (n = 3,000)", y="true positive rate", title="ROC")
    return display.chart(made, alt=f"ROC curve of {HOSTILE if hostile else 'the model'}")
