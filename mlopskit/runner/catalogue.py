"""The runs of a project, as their manifests tell them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit.errors import RunError
from mlopskit.runner import manifest
from mlopskit.runner.findings import is_met
from mlopskit.runner.presence import is_running


@dataclass(frozen=True)
class Summary:
    """One run in a list.

    Attributes
    ----------
    name, status, started : str
        As in the manifest; ``running`` while a process works on it, ``damaged`` when its manifest cannot be read.
    seconds : float
        Wall time.
    met, criteria : int
        Acceptance criteria met, and judged.
    alerts : int
        Alerts that monitoring raised.
    headline : str
        The first figure of the evaluation, with its interval.
    latest : bool
        True for the run that ``latest`` names.
    """

    name: str
    status: str
    started: str = ""
    seconds: float = 0.0
    met: int = 0
    criteria: int = 0
    alerts: int = 0
    headline: str = ""
    latest: bool = False


def list_runs(runs: Path) -> list[Summary]:
    """Return the runs in a folder, newest first; what is not a run is passed over."""
    pointer = runs / "latest"
    latest = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
    folders = sorted((path.parent for path in runs.glob("*/run.json")), key=lambda path: path.name, reverse=True)
    return [_summary(folder, latest=folder.name == latest) for folder in folders]


def _summary(folder: Path, *, latest: bool) -> Summary:
    try:
        said = manifest.load(folder)
    except (OSError, ValueError):
        return Summary(folder.name, "damaged")
    criteria = said.get("criteria", [])
    return Summary(
        folder.name,
        "running" if is_running(folder) else str(said.get("status", "damaged")),
        str(said.get("started", "")),
        float(said.get("seconds") or 0),
        sum(is_met(item) for item in criteria),
        len(criteria),
        len(said.get("alerts", [])),
        headline_text(said.get("headline")),
        latest,
    )


def headline_text(headline: dict[str, Any] | None) -> str:
    """Write a headline fact with its interval.

    Examples
    --------
    >>> headline_text({"label": "ROC AUC", "value": 0.8312, "low": 0.82, "high": 0.841})
    'ROC AUC 0.831 [0.820, 0.841]'
    """
    if not headline:
        return ""
    text = f"{headline['label']} {headline['value']:.3f}"
    if headline.get("low") is None or headline.get("high") is None:
        return text
    return f"{text} [{headline['low']:.3f}, {headline['high']:.3f}]"


def find_run(runs: Path, name: str) -> Path:
    """Return a run folder by name, unambiguous beginning or end of a name, path, or ``latest``.

    Raises
    ------
    RunError
        When there is none, or more than one.
    """
    existing = [folder.parent for folder in sorted(runs.glob("*/run.json"))]
    if name == "latest":
        pointer = runs / "latest"
        name = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else name
    if (Path(name) / manifest.FILE).is_file():
        return Path(name).resolve()
    exact = [folder for folder in existing if folder.name == name]
    found = exact or [folder for folder in existing if folder.name.startswith(name) or folder.name.endswith(name)]
    if len(found) > 1:
        raise RunError(
            f"{name!r} fits {len(found)} runs: {', '.join(folder.name for folder in found)}. Give more of it."
        )
    if not found:
        raise RunError.from_unknown_run(name, [folder.name for folder in reversed(existing)])
    return found[0]
