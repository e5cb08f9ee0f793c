"""The manifest: ``run.json``, the contract that other programs read.

It is written whole when the run starts, after each phase and at the end. Until the end it says ``interrupted``:
whatever stops the runner, even a kill that nothing can catch, leaves a manifest that is true.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.params import portable
from mlopskit.runs import Record, read_trace

FILE = "run.json"
ENDED_WELL = ("done", "reused")
ENDED_BADLY = ("failed", "killed", "timed-out")
RUNNER_DIED = {
    "name": "RunnerDied",
    "message": "The runner ended while this phase was running, so it was not finished.",
    "cell": None,
    "id": None,
    "heading": None,
    "signal": None,
}
"""What the manifest says of a phase while it runs: true, should nobody be left to correct it."""
_NO_READS = {"write", "finish", "notebook", "output"}


@dataclass
class PhaseEntry:
    """One phase in the manifest.

    Attributes
    ----------
    name, notebook : str
        The phase and its notebook, relative to the project.
    status : str
        ``done``, ``reused``, ``failed``, ``killed``, ``timed-out`` or ``never-ran``.
    seconds : float or None
        Wall time; None when it did not run here.
    key : str
        Fingerprint of code cells, parameters and environment.
    reads, writes : list of dict
        What passed, with SHA-256 and content digest.
    error : dict or None
        What went wrong, and in which cell.
    reason : str or None
        Why it was reused or never ran.
    cells, executed : int or None
        Code cells in the notebook, and those that ran to their end.
    notebook_sha256 : str or None
        Of the executed notebook of a phase that ended well.
    reused_from : str or None
        The run that executed the phase, whose results these are a copy of.
    """

    name: str
    notebook: str
    status: str = "never-ran"
    seconds: float | None = None
    key: str = ""
    reads: list[dict[str, Any]] = field(default_factory=list)
    writes: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    reason: str | None = None
    cells: int | None = None
    executed: int | None = None
    reused_from: str | None = None
    notebook_sha256: str | None = None

    def explain(self, reason: str) -> None:
        """Give the reason of a phase that ended well, and say how many of its cells were left out."""
        skipped = self.cells is not None and self.executed is not None and self.cells - self.executed
        why = "tagged skip-execution, or behind sys.exit()"
        left = f"{skipped} of {self.cells} cells did not run: {why}" if skipped else ""
        self.reason = "; ".join(filter(None, [reason, left])) or None

    def take_trace(self, folder: Path) -> None:
        """Fill in reads, writes and the notebook's hash from the trace in the phase's folder."""
        records = read_trace(folder)
        self.reads = [asdict(record) for record in records if record.op not in _NO_READS]
        self.notebook_sha256 = next((record.sha256 for record in reversed(records) if record.op == "notebook"), None)
        last = {record.name: record for record in records if record.op == "write"}
        self.writes = [_without_op(record) for record in last.values()]


def _without_op(record: Record) -> dict[str, Any]:
    return {name: value for name, value in asdict(record).items() if name != "op"}


@dataclass
class Manifest:
    """One run, as ``run.json`` tells it; the fields are the contract.

    `anew` are the phases for which no result from before the run counts: it was asked to execute them.
    """

    run: str
    project: str
    started: str
    parameters: dict[str, dict[str, Any]]
    seed: int | None
    environment: dict[str, Any]
    git: dict[str, Any] | None
    phases: list[PhaseEntry]
    status: str = "interrupted"
    seconds: float = 0.0
    base: str | None = None
    anew: list[str] = field(default_factory=list)
    criteria: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    headline: dict[str, Any] | None = None
    schema_version: int = 1

    @property
    def complete(self) -> bool:
        """Tell whether every phase ended well."""
        return all(phase.status in ENDED_WELL for phase in self.phases)

    def save(self, folder: Path) -> None:
        """Write ``run.json``, the old one or the whole new one."""
        artefacts.write_text(folder / FILE, artefacts.to_json(portable(asdict(self))))


def load(folder: Path) -> dict[str, Any]:
    """Read the manifest of a run folder as plain data.

    Raises
    ------
    OSError, ValueError
        When there is none or it is damaged.
    """
    found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or "run" not in found:
        raise ValueError(f"{folder / FILE} is not a manifest")
    return found


def load_whole(folder: Path) -> dict[str, Any]:
    """Do what `load` does for a reader that does not look twice: refuse also what is JSON in another form.

    Raises
    ------
    OSError, ValueError
        When there is none or it is damaged.
    """
    found = {"parameters": {}, "phases": [], "anew": [], "criteria": [], "alerts": [], **load(folder)}
    if wrong := [name for name, fits in _FORMS.items() if name in found and not fits(found[name])]:
        raise ValueError(f"{', '.join(wrong)} in it {'is' if len(wrong) == 1 else 'are'} not in the form of a manifest")
    return found


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_table, value))


def _is_phase(entry: Mapping[str, Any]) -> bool:
    return all(isinstance(entry.get(name, ""), str) for name in ("name", "status"))


_FORMS: dict[str, Callable[[Any], bool]] = {
    "parameters": lambda value: _is_table(value) and all(map(_is_table, value.values())),
    "environment": _is_table,
    "phases": lambda value: _is_tables(value) and all(_is_phase(item) for item in value),
    "anew": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
    "criteria": _is_tables,
    "alerts": _is_tables,
    "headline": lambda value: value is None or _is_table(value),
}
"""The form of what a manifest holds; what is missing counts as empty."""


def common_seed(parameters: Mapping[str, Mapping[str, Any]]) -> int | None:
    """Return the value of ``seed`` when all phases that have one agree, else None."""
    seeds = {values["seed"] for values in parameters.values() if isinstance(values.get("seed"), int)}
    return seeds.pop() if len(seeds) == 1 else None
