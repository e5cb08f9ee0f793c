"""What the site says of one run in one line, and by what it tells that the run has changed."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlopskit.runner.catalogue import began
from mlopskit.runner.compare_measures import Measured
from mlopskit.runner.findings import is_met
from mlopskit.runner.manifest import ENDED_WELL, FILE
from mlopskit.runner.report.evidence import criterion_name, read_json
from mlopskit.runner.site.reading import Reading
from mlopskit.runs.presence import is_running

COPIED = ("report.html", "model_card.html", "data_card.html")
"""Self-contained pages of a run that the site takes as they are."""


@dataclass(frozen=True)
class Headline:
    """The first figure of the evaluation; low and high are None where it has no interval."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Entry:
    """One run as the index lists it.

    Attributes
    ----------
    name, project, question : str
        The run, its project, and the question that it answers.
    status : str
        As `mlopskit runs` tells it.
    began : str
        When it began, ISO 8601, UTC.
    headline : Headline or None
        Its first figure.
    met, criteria : int
        Acceptance criteria met, and asked for.
    missed : tuple of (name, status)
        Criteria that stand in the way.
    alerts : int
        Alerts that monitoring raised.
    files : tuple of str
        The pages that were copied.
    """

    name: str
    project: str
    question: str
    status: str
    began: str
    headline: Headline | None
    met: int
    criteria: int
    missed: tuple[tuple[str, str], ...]
    alerts: int
    files: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Entry:
        """Read it back from plain data.

        Raises
        ------
        TypeError, KeyError, ValueError
            When it is in another form.
        """
        headline = said["headline"]
        return cls(
            **{
                **said,
                "headline": None if headline is None else Headline(**headline),
                "missed": tuple((str(name), str(status)) for name, status in said["missed"]),
                "files": tuple(name for name in said["files"] if name in COPIED),
            }
        )


def fingerprint(folder: Path) -> str:
    """Return what changes when a run or one of its pages does: sizes and times of the files, and whether it runs."""
    return " ".join([*(_stamp(folder / name) for name in (FILE, *COPIED)), "running" if is_running(folder) else ""])


def _stamp(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "-"
    return f"{found.st_size}:{found.st_mtime_ns}"


def entry_of(run: Reading) -> Entry:
    """Return what the index says of a run, of a damaged one as much as can be read."""
    judged, project = run.judged(), run.record("scope/project.json")
    judged_badly = [(name, row["status"]) for name, row in judged.items() if not is_met(row)]
    missed = (*judged_badly, *((name, "not-checked") for name in _unchecked(run, judged)))
    return Entry(
        name=run.folder.name,
        project=str(run.said.get("project") or project.get("name") or ""),
        question=str(project.get("question") or ""),
        status="running" if is_running(run.folder) else run.status,
        began=began(run.folder, run.said).isoformat(timespec="seconds").replace("+00:00", "Z"),
        headline=_headline(run.table("headline")),
        met=len(judged) - len(judged_badly),
        criteria=len(judged) - len(judged_badly) + len(missed),
        missed=missed,
        alerts=len(run.entries("alerts")),
        files=tuple(name for name in COPIED if (run.folder / name).is_file()),
    )


def _unchecked(run: Reading, judged: Container[str]) -> list[str]:
    """Name the criteria that a run did not get as far as judging; one whose phases all ended well names them itself."""
    if all(status in ENDED_WELL for status in run.phases.values()):
        return []
    path = run.whole("scope/criterion.json")
    asked = read_json(path) if path else None
    rows = [row for row in asked if isinstance(row, dict)] if isinstance(asked, list) else []
    return [name for row in rows if (name := criterion_name(row)) not in judged]


def _headline(said: Mapping[str, Any]) -> Headline | None:
    measured = Measured.from_row(said)
    if measured.value is None:
        return None
    return Headline(str(said.get("label") or "figure"), measured.value, measured.low, measured.high)
