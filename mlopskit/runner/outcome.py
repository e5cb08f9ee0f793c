"""What became of a run, and how its status follows from its phases and criteria."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlopskit.runner import findings, manifest
from mlopskit.runner.manifest import Manifest


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes
    ----------
    folder : Path
        The run folder.
    manifest : Manifest
        What ``run.json`` says.
    report : Path or None
        The report, unless it could not be rendered.
    """

    folder: Path
    manifest: Manifest
    report: Path | None

    @property
    def exit_code(self) -> int:
        """0 passed; 1 failed or interrupted; 3 a criterion was not met; 4 monitoring raised an alert."""
        codes = {"failed": 1, "interrupted": 1, "criteria-not-met": 3}
        return codes.get(self.manifest.status, 4 if self.manifest.alerts else 0)


def judge(made: Manifest, *, interrupted: bool) -> str:
    """Return the status of a run from what its phases did and which criteria were met."""
    if any(entry.status in manifest.ENDED_BADLY for entry in made.phases):
        return "interrupted" if interrupted else "failed"
    if interrupted and not made.complete:
        return "interrupted"
    return "passed" if all(findings.is_met(item) for item in made.criteria) else "criteria-not-met"
