"""The overview that a person starts from: where a project stands, read from the manifests of its runs.

Nothing is computed here and no run is started: that is `mlopskit.explore.runner`'s affair.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.display import Chart, Table, chart, figure, table
from mlopskit.errors import RunError

PHASES = (
    ("scope", "What is the question, and when is the answer good enough?"),
    ("data", "Which data, from where, how good, and split how?"),
    ("model", "What is the simplest model that beats the baselines?"),
    ("evaluate", "How good is it on rows that nobody has seen?"),
    ("slices_and_bias", "For whom does it work, and for whom does it not?"),
    ("deploy", "Does it serve within its limits, and who decides?"),
    ("monitor", "Is it still right, and where does that lead back to?"),
)

_MARKS = {"met": "✓ ", "not-met": "✗ ", "undecided": "△ "}


def lifecycle() -> Chart:
    """Draw the seven phases, the question that each answers, and the way back from the last to the earlier ones."""
    drawn, axes = figure(height=4.2)
    axes.set_axis_off()
    axes.grid(visible=False)
    for row, (phase, question) in enumerate(PHASES):
        y = len(PHASES) - row
        box = {"boxstyle": "round,pad=0.45", "facecolor": "none", "edgecolor": "#0072b2"}
        axes.text(0.16, y, f"{row + 1}  {phase.replace('_', ' ')}", ha="center", va="center", bbox=box)
        axes.text(0.36, y, question, va="center")
        if row:
            arrow = {"arrowstyle": "->", "color": "#0072b2", "shrinkA": 11, "shrinkB": 11}
            axes.annotate("", (0.16, y), (0.16, y + 1), arrowprops=arrow)
    for target in range(1, len(PHASES)):
        back = {"arrowstyle": "->", "color": "#d55e00", "alpha": 0.7, "connectionstyle": "arc3,rad=-0.28"}
        axes.annotate("", (0.02, len(PHASES) + 1 - target), (0.02, 1), arrowprops=back)
    axes.set(xlim=(-0.08, 1), ylim=(0.4, len(PHASES) + 0.6))
    return chart(drawn, alt=_lifecycle_words())


def criteria(project: Path, run: str = "") -> Table:
    """Show the acceptance criteria of a run, the newest when none is named.

    Raises
    ------
    RunError
        When there is no run of that name.
    """
    if not run and not manifests(project):
        return table(pd.DataFrame({"criteria": ["no run yet"]}))
    manifest = _manifest(project, run)
    columns = ["name", "status", "value", "low", "high", "bound"]
    judged = pd.DataFrame(manifest.get("criteria", []), columns=columns)
    judged["status"] = [_MARKS.get(status, "") + str(status) for status in judged["status"]]
    return table(judged, caption=f"{manifest['run']}: {manifest['status']}")


def compare(project: Path, first: str = "", second: str = "") -> Table:
    """Set the headline figures of two runs side by side; by default those of the newest and the one before.

    Raises
    ------
    RunError
        When a named run does not exist, or there are fewer than two runs to compare.
    """
    names = [folder.name for folder, _ in manifests(project)]
    if not first and not second and len(names) < 2:
        return table(pd.DataFrame({"comparison": ["two finished runs are needed; there are " + str(len(names))]}))
    older, newer = second or names[1], first or names[0]
    sides = {name: _facts(project / "runs" / _manifest(project, name)["run"]) for name in (older, newer)}
    labels = list(dict.fromkeys([*sides[older], *sides[newer]]))
    rows = [
        {"figure": label} | {name: _interval(facts.get(label)) for name, facts in sides.items()} for label in labels
    ]
    return table(pd.DataFrame(rows), caption="value with its 95 % interval")


def ways() -> Table:
    """List the ways to run, look and compare, each with its command."""
    rows = [
        ("run all or part, here", "explore.runner(project)"),
        ("run everything in batch", "mlopskit run"),
        ("change one thing", "mlopskit run -p model.seed=1"),
        ("run from one phase on", "mlopskit run --from evaluate"),
        ("see every parameter", "mlopskit params"),
        ("see what is wrong, without running", "mlopskit check"),
        ("list runs; look into one", "mlopskit runs; mlopskit show RUN"),
        ("render a report again", "mlopskit report RUN"),
        ("explore a phase", "open its notebook here and choose Run All; results go to runs/scratch"),
        (
            "look at an artefact of a finished run",
            'from mlopskit import load_run; run = load_run(); run["evaluate"].metrics',
        ),
        ("turn the threshold and watch each group", "explore.thresholds(run)"),
        ("sort, filter and look into slices", "explore.slices(run)"),
        ("change one row and see what the model says then", "explore.what_if(run)"),
        ("see how a column moved in production", "explore.drift(run)"),
        ("search, chart and compare all runs", "explore.runs()"),
        ("one notebook through papermill", "papermill notebooks/3_model.ipynb out.ipynb -p seed 1"),
    ]
    return table(pd.DataFrame(rows, columns=["to", "do"]))


def _lifecycle_words() -> str:
    steps = "; ".join(f"{number}, {phase}: {question}" for number, (phase, question) in enumerate(PHASES, start=1))
    return f"The lifecycle in seven phases. {steps} From monitoring, arrows lead back to every earlier phase."


def manifests(project: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Return the runs of a project with their manifests, newest first; what cannot be read is left out."""
    folders = sorted((project / "runs").glob("*/run.json"), reverse=True)
    return [(path.parent, manifest) for path in folders if (manifest := _load(path))]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _manifest(project: Path, run: str) -> dict[str, Any]:
    known = {folder.name: manifest for folder, manifest in manifests(project)}
    if not run and known:
        return next(iter(known.values()))
    if run not in known:
        raise RunError.from_unknown_run(run, known)
    return known[run]


def _facts(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures that phases put on the first screen of the report, by label."""
    summaries = [_load(folder / phase / "summary.json") for phase in ("evaluate", "slices_and_bias", "monitor")]
    return {fact["label"]: fact for summary in summaries if summary for fact in summary.get("facts", [])}


def _interval(fact: dict[str, Any] | None) -> str:
    if not fact or fact.get("value") is None:
        return "–"
    if not isinstance(fact["value"], float) or fact.get("low") is None or fact.get("high") is None:
        return str(fact["value"])
    return f"{fact['value']:.3f} ({fact['low']:.3f} to {fact['high']:.3f})"
