"""The overview that a person starts from: where a project stands, read from the manifests of its runs.

Nothing is computed here and no run is started: that is `mlopskit.explore.runner`'s affair.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.display import Chart, Table, chart, figure, format_value, table
from mlopskit.errors import RunError
from mlopskit.runs.presence import is_running

PHASES = (
    ("scope", "What is the question, and when is the answer good enough?"),
    ("data", "Which data, from where, how good, and split how?"),
    ("model", "What is the simplest model that beats the baselines?"),
    ("evaluate", "How good is it on rows that nobody has seen?"),
    ("slices_and_bias", "For whom does it work, and for whom does it not?"),
    ("deploy", "Does it serve within its limits, and who decides?"),
    ("monitor", "Is it still right, and where does that lead back to?"),
)

RUNNING = "running"
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
    """Show the acceptance criteria of a run; when none is named, of the newest that has ended.

    Raises
    ------
    RunError
        When there is no run of that name.
    """
    known = dict(manifests(project))
    ended = [folder for folder, manifest in known.items() if manifest.get("status") != RUNNING]
    if not run and not ended:
        return table(pd.DataFrame({"criteria": ["no run has ended yet"]}))
    folder = _folder(project, run) if run else ended[0]
    columns = ["name", "status", "value", "low", "high", "bound"]
    judged = pd.DataFrame(known[folder].get("criteria") or [], columns=columns)
    judged["status"] = [_MARKS.get(status, "") + str(status) for status in judged["status"]]
    return table(judged, caption=f"{folder.name}: {known[folder].get('status', 'unknown')}")


def compare(project: Path, first: str = "", second: str = "") -> Table:
    """Set the headline figures of two runs side by side, the older one first.

    Parameters
    ----------
    project : Path
        The folder that holds ``mlops.toml``.
    first : str
        The newer run; by default the newest that has ended and left figures.
    second : str
        The older run; by default the one that `run_before` names.

    Raises
    ------
    RunError
        When a named run does not exist.
    """
    ended = (folder for folder, manifest in manifests(project) if manifest.get("status") != RUNNING)
    newer = _folder(project, first) if first else next((folder for folder in ended if _facts(folder)), None)
    earlier = second or (run_before(project, newer.name) if newer else "")
    if newer is None or not earlier:
        said = f"two runs with figures are needed; there is {'one' if newer else 'none'}"
        return table(pd.DataFrame({"comparison": [said]}))
    sides = {folder.name: _facts(folder) for folder in (_folder(project, earlier), newer)}
    labels = dict.fromkeys(label for facts in sides.values() for label in facts)
    rows = [
        {"figure": label} | {name: with_interval(facts.get(label)) for name, facts in sides.items()} for label in labels
    ]
    return table(pd.DataFrame(rows), caption="value with its 95 % interval")


def run_before(project: Path, run: str) -> str:
    """Return the name of the newest run before one that left figures to compare with; empty where there is none."""
    earlier = (folder for folder, _ in manifests(project) if folder.name < run)
    return next((folder.name for folder in earlier if _facts(folder)), "")


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
    """Return the runs of a project with their manifests, newest first; what cannot be read is left out.

    A run that is at work calls itself interrupted, in case it is; here its status is ``running``.
    """
    folders = sorted((path.parent for path in (project / "runs").glob("*/run.json")), reverse=True)
    known = ((folder, _load(folder / "run.json")) for folder in folders)
    return [
        (folder, manifest | {"status": RUNNING} if is_running(folder) else manifest)
        for folder, manifest in known
        if isinstance(manifest, dict)
    ]


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _folder(project: Path, run: str) -> Path:
    known = {folder.name: folder for folder, _ in manifests(project)}
    if run not in known:
        raise RunError.from_unknown_run(run, known)
    return known[run]


def _facts(folder: Path) -> dict[str, dict[str, Any]]:
    """The figures that phases put on the first screen of the report, by label."""
    summaries = [_load(folder / phase / "summary.json") for phase in ("evaluate", "slices_and_bias", "monitor")]
    facts = [fact for summary in summaries if isinstance(summary, dict) for fact in summary.get("facts") or []]
    return {str(fact["label"]): fact for fact in facts if isinstance(fact, dict) and "label" in fact}


def with_interval(figure: Mapping[Any, Any] | None) -> str:
    """Write a figure for a reader: its ``value``, and where it has them ``low`` and ``high``.

    Examples
    --------
    >>> with_interval({"value": 0.8, "low": 0.7, "high": None}), with_interval({"value": 0.8, "low": 0.7, "high": 0.9})
    ('0.800', '0.800 (0.700 to 0.900)')
    """
    if figure is None:
        return "–"
    value, low, high = (figure.get(name) for name in ("value", "low", "high"))
    known = value is not None and low is not None and high is not None and not pd.isna(low) and not pd.isna(high)
    return f"{format_value(value)} ({format_value(low)} to {format_value(high)})" if known else format_value(value)
