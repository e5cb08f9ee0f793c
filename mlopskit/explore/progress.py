"""Progress: where a run stands, phase by phase, from the events that its process prints or from its manifest.

The events are those of ``mlopskit run --json``. What a process that went away did not tell is concluded: a run whose
process is gone without its last event was killed, and so was the phase that ran, so progress is never stuck.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MARKS = {
    "waiting": "·", "running": "▸", "done": "✓", "reused": "↺", "failed": "✗", "killed": "✗", "timed-out": "✗",
    "never-ran": "·",
}  # fmt: skip
_KILLED = {"name": "RunnerDied", "message": "the run ended while this phase was running", "cell": None, "heading": None}
_LINES = 12
"""Of a complaint: a defect's traceback ends with what counts."""
_ENDS = {
    "passed": ("passed: every criterion is met", "good"),
    "criteria-not-met": ("ended, and not every criterion is met: the model is not yet good enough", "warning"),
    "failed": ("failed", "bad"),
    "interrupted": ("was stopped before its end", "warning"),
    "killed": ("was killed before its end", "bad"),
}


@dataclass
class PhaseProgress:
    """One phase of a run while it is made.

    Attributes
    ----------
    name : str
    status : str
        ``waiting``, ``running``, or how it ended, as in ``run.json``.
    cell, cells : int
        The code cell that runs, and how many there are; 0 when not known.
    heading : str
        What stands above that cell.
    seconds : float or None
        Once it has ended.
    reason : str
        Why it was reused or never ran.
    error : mapping or None
        What went wrong, and in which cell.
    """

    name: str
    status: str = "waiting"
    cell: int = 0
    cells: int = 0
    heading: str = ""
    seconds: float | None = None
    reason: str = ""
    error: Mapping[str, Any] | None = None

    def doing(self) -> str:
        """Say in a few words what it does or how it ended."""
        if self.status == "running":
            return (
                f"cell {self.cell} of {self.cells}" + (f", {self.heading}" if self.heading else "")
                if self.cells
                else ""
            )
        if self.error:
            return _error_words(self.error)
        return self.reason or (f"{self.cells} cells" if self.cells else "")


@dataclass
class Progress:
    """A run as far as it is known.

    Attributes
    ----------
    status : str
        ``none``, ``starting``, ``running``, ``refused`` (nothing was started), ``killed``, or as in ``run.json``.
    run : str
        Its name, once it has one.
    phases : dict
        Name → `PhaseProgress`, in their order.
    criteria : list of dict
        As in ``run.json``, once the run has ended.
    notes : list of str
        Remarks on the data, and what a refused run was refused for.
    """

    status: str = "none"
    run: str = ""
    phases: dict[str, PhaseProgress] = field(default_factory=dict)
    criteria: list[dict[str, Any]] = field(default_factory=list)
    alerts: int = 0
    seconds: float | None = None
    notes: list[str] = field(default_factory=list)
    stands: bool = False

    @property
    def active(self) -> bool:
        """Tell whether something is under way."""
        return self.status in {"starting", "running"}

    def take(self, event: Mapping[str, Any]) -> None:
        """Take one event; kinds that are not known are passed over."""
        handle = getattr(self, f"_on_{event.get('event')}", None)
        if handle is not None:
            handle(event)

    def _on_run(self, event: Mapping[str, Any]) -> None:
        self.status, self.run = "running", str(event["run"])
        self.phases = {name: PhaseProgress(name) for name in event["phases"]}

    def _on_phase(self, event: Mapping[str, Any]) -> None:
        self._phase(event).status = "running"

    def _on_cell(self, event: Mapping[str, Any]) -> None:
        phase = self._phase(event)
        phase.cell, phase.cells, phase.heading = event["cell"], event["cells"], str(event["heading"])

    def _on_ended(self, event: Mapping[str, Any]) -> None:
        phase = self._phase(event)
        phase.status, phase.seconds, phase.error = str(event["status"]), event["seconds"], event["error"]
        phase.cells, phase.reason = event["cells"] or phase.cells, str(event["reason"] or "")

    def _on_note(self, event: Mapping[str, Any]) -> None:
        self.notes.append(str(event["text"]))

    def _on_stands(self, event: Mapping[str, Any]) -> None:
        self.status, self.run, self.stands = str(event["status"]), str(event["run"]), True

    def _on_finished(self, event: Mapping[str, Any]) -> None:
        self.status, self.seconds = str(event["status"]), event["seconds"]
        self.criteria, self.alerts = list(event["criteria"]), len(event["alerts"])

    def _phase(self, event: Mapping[str, Any]) -> PhaseProgress:
        name = str(event["phase"])
        return self.phases.setdefault(name, PhaseProgress(name))

    def close(self, complaint: str = "", *, code: int | None = None) -> None:
        """Conclude what became of a run whose process is gone; after its last event there is nothing to conclude.

        Parameters
        ----------
        complaint : str
            What the process wrote to standard error.
        code : int, optional
            Its exit code, below 0 for a signal; None when nobody was there to take it.
        """
        if not self.active:
            return
        said = [line.removeprefix("mlopskit: ") for line in complaint.strip().splitlines()]
        if not self.run and said and (code is None or code > 0):
            self.status = "refused"
            self.notes += said[-_LINES:]
            return
        self.status = "killed"
        self.notes += (
            [f"Its process was ended by {signal.Signals(-code).name}."] if code is not None and code < 0 else []
        )
        for phase in self.phases.values():
            if phase.status == "running":
                phase.status = "killed"
                phase.error = {**_KILLED, "cell": phase.cell or None, "heading": phase.heading}
            elif phase.status == "waiting":
                phase.status, phase.reason = "never-ran", "the run was killed before this phase"

    def failures(self) -> list[str]:
        """Say for each phase that ended badly which cell, under which heading, and what went wrong."""
        bad = [phase for phase in self.phases.values() if phase.error]
        return [f"{phase.name} {phase.status}: {_error_words(phase.error or {})}" for phase in bad]

    def sentence(self) -> str:
        """Say where the run stands."""
        if self.status == "none":
            return "No run yet."
        if self.status == "starting":
            return "Checking project file, notebooks, parameters and data; nothing has started yet."
        if self.status == "refused":
            return "Nothing was started."
        if self.stands:
            return f"Nothing changed since {self.run}, which stands; Fresh runs it again. It {self._end}."
        if self.status == "running":
            ended = sum(phase.status not in {"waiting", "running"} for phase in self.phases.values())
            busy = [phase.name for phase in self.phases.values() if phase.status == "running"]
            now = f"; now {' and '.join(busy)}" if busy else ""
            return f"Run {self.run}: {ended} of {len(self.phases)} phases ended{now}."
        left = sum(phase.status == "never-ran" for phase in self.phases.values())
        rest = f" {left} of {len(self.phases)} phases did not run." if left else ""
        where = f"Run {self.run}" if self.run else "The run"
        took = f" It took {self.seconds:.0f} s." if self.seconds is not None else ""
        alerts = f" Monitoring raised {self.alerts} alert{'s' * (self.alerts != 1)}." if self.alerts else ""
        return f"{where} {self._end}.{took}{alerts}{rest}"

    @property
    def _end(self) -> str:
        if self.status == "passed" and not self.criteria:
            return "ended well; no criterion was judged"
        return _ENDS.get(self.status, (self.status, "plain"))[0]

    @property
    def tone(self) -> str:
        """``plain``, ``good``, ``warning`` or ``bad``."""
        return "bad" if self.status == "refused" else _ENDS.get(self.status, ("", "plain"))[1]


def from_events(events: Iterable[Mapping[str, Any]]) -> Progress:
    """Return where a run stands after these events.

    Examples
    --------
    >>> from_events([{"event": "run", "run": "r1", "phases": ["data"]}, {"event": "phase", "phase": "data"}]).sentence()
    'Run r1: 0 of 1 phases ended; now data.'
    """
    progress = Progress("starting")
    for event in events:
        progress.take(event)
    return progress


def from_manifest(manifest: Mapping[str, Any], *, running: bool) -> Progress:
    """Return where a run stands from its ``run.json``, which names the phase that runs ``killed`` until it ends.

    Parameters
    ----------
    manifest : mapping
    running : bool
        Whether somebody still works on it.
    """
    phases = [_from_entry(entry, running=running) for entry in manifest.get("phases", [])]
    said = str(manifest.get("status", "interrupted"))
    if running:
        said = "running"
    elif said == "interrupted" and any(_runner_died(phase.error) for phase in phases):
        said = "killed"
    return Progress(
        status=said,
        run=str(manifest.get("run", "")),
        phases={phase.name: phase for phase in phases},
        criteria=[] if running else list(manifest.get("criteria", [])),
        alerts=len(manifest.get("alerts", [])),
        seconds=None if running or said == "killed" else manifest.get("seconds"),
    )


def _from_entry(entry: Mapping[str, Any], *, running: bool) -> PhaseProgress:
    phase = PhaseProgress(str(entry["name"]), str(entry["status"]), cells=entry.get("cells") or 0)
    phase.seconds, phase.reason, phase.error = entry.get("seconds"), str(entry.get("reason") or ""), entry.get("error")
    if running and _runner_died(phase.error):
        phase.status, phase.error = "running", None
    elif running and phase.status == "never-ran" and not phase.reason:
        phase.status = "waiting"
    return phase


def _runner_died(error: Mapping[str, Any] | None) -> bool:
    return bool(error) and (error or {}).get("name") == _KILLED["name"]


def _error_words(error: Mapping[str, Any]) -> str:
    place = f"cell {error['cell']}" if error.get("cell") else ""
    if error.get("heading"):
        place += f", under “{error['heading']}”" if place else f"under “{error['heading']}”"
    name = "" if error.get("name") == _KILLED["name"] else f"{error.get('name')}: "
    said = f"{name}{error.get('message')}"
    return f"{place}: {said}" if place else said
