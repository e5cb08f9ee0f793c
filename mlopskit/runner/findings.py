"""What phases found, gathered from the artefacts that every phase may leave: criteria, alerts and a headline.

The runner reads nothing else of a phase: ``criteria``, ``alerts``, ``software_alerts`` (Parquet) and ``summary``
(JSON).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlopskit.artefacts import plain

if TYPE_CHECKING:
    from mlopskit.runner.manifest import Manifest
    from mlopskit.scope import Criterion

ALERTS = ("alerts", "software_alerts")
HEADLINE_PHASE = "evaluate"
_RANK = {"met": 2, "undecided": 1}


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a Parquet table as plain data; none when there is no such file."""
    if not path.is_file():
        return []
    import pyarrow.parquet as pq

    return [plain(row) for row in pq.read_table(path).to_pylist()]


def gather(made: Manifest, folder: Path, phases: Sequence[str], declared: Iterable[Criterion]) -> None:
    """Put what the phases of a run found into its manifest; each criterion that no phase judged is undecided.

    Parameters
    ----------
    made : Manifest
        Filled in.
    folder : Path
        The run folder.
    phases : sequence of str
        Those that ended well.
    declared : iterable of Criterion
        What the project file asks for.
    """
    made.criteria = gather_criteria(folder, phases)
    if made.complete:
        made.criteria += unjudged(asked_for(declared), made.criteria)
    made.alerts = gather_alerts(folder, phases)
    made.headline = headline(folder, phases)


def asked_for(declared: Iterable[Criterion]) -> list[tuple[str, float, str | None]]:
    """Return the criteria of a project file as `unjudged` takes them."""
    return [(item.name, item.bound, item.on_undecided) for item in declared]


def gather_criteria(folder: Path, phases: Iterable[str]) -> list[dict[str, Any]]:
    """Return every criterion that a phase judged, with the phase that did."""
    return [{**row, "phase": phase} for phase in phases for row in rows(folder / phase / "criteria.parquet")]


def gather_alerts(folder: Path, phases: Iterable[str]) -> list[dict[str, Any]]:
    """Return what monitoring raised: rows with status ``alert``."""
    return [
        {**row, "phase": phase}
        for phase in phases
        for name in ALERTS
        for row in rows(folder / phase / f"{name}.parquet")
        if row.get("status") == "alert"
    ]


def unjudged(
    names: Iterable[tuple[str, float, str | None]], criteria: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return an undecided entry for each declared criterion that no phase judged: silence is not success.

    Parameters
    ----------
    names : iterable of (name, bound, on_undecided)
        What the project file declares.
    criteria : iterable of dict
        What was judged.
    """
    judged = {row["name"] for row in criteria}
    return [
        {
            "name": name,
            "status": "undecided",
            "value": None,
            "low": None,
            "high": None,
            "bound": bound,
            "reason": "no phase judged it",
            "on_undecided": on_undecided,
            "phase": None,
        }
        for name, bound, on_undecided in names
        if name not in judged
    ]


def is_met(criterion: dict[str, Any]) -> bool:
    """Tell whether a criterion lets the run pass: met, or undecided where the project file says to pass then."""
    status = criterion["status"]
    return bool(status == "met" or (status == "undecided" and criterion.get("on_undecided") == "pass"))


def rank(status: str) -> int:
    """Return the rank of a criterion's status, the gravest lowest; one that was not judged is as grave as not met."""
    return _RANK.get(status, 0)


def gravest(criteria: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return criterion → its row, name and status as text; of several rows of one criterion the gravest."""
    found: dict[str, dict[str, Any]] = {}
    for row in criteria:
        one = {**row, "name": str(row.get("name")), "status": str(row.get("status"))}
        other = found.get(one["name"], one)
        found[one["name"]] = min(other, one, key=lambda item: (is_met(item), rank(item["status"])))
    return found


def headline(folder: Path, phases: Iterable[str]) -> dict[str, Any] | None:
    """Return the first fact of the evaluation's summary, else the first one that any phase states with an interval."""
    ordered = sorted(phases, key=lambda name: name != HEADLINE_PHASE)
    for phase in ordered:
        for fact in _facts(folder / phase / "summary.json"):
            if isinstance(fact.get("value"), int | float) and (phase == HEADLINE_PHASE or fact.get("low") is not None):
                return {name: fact.get(name) for name in ("label", "value", "low", "high")} | {"phase": phase}
    return None


def _facts(path: Path) -> list[dict[str, Any]]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8")).get("facts", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [fact for fact in facts if isinstance(fact, dict)]
