"""What a run folder knows, read so that nothing missing or damaged keeps a report from being made.

The manifest says what happened to each phase; its ``summary``, ``criteria``, ``alerts`` and ``open_questions`` say what
it found; its notebook shows how. Any of them may be absent: the run failed before, or was stopped. Evidence that is
absent is shown as absent, never filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlopskit.runner.manifest import ENDED_WELL
from mlopskit.runner.reuse import damaged

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Artefact:
    """One file that a phase read or wrote, as the manifest records it."""

    name: str
    sha256: str = ""
    digest: str = ""
    bytes: int | None = None
    volatile: bool = False
    op: str = ""

    @property
    def key(self) -> str:
        """Phase and name without extension: what sentences call it."""
        phase, _, file = self.name.partition("/")
        return f"{phase}/{Path(file).stem}" if file else self.name

    @property
    def shown(self) -> str:
        """Its name for a reader: of a file elsewhere, not the folders of the machine."""
        return Path(self.name).name if Path(self.name).is_absolute() else self.name

    @property
    def anchor(self) -> str:
        """The id of its line in the list of artefacts."""
        return anchor("artefact", self.key)


@dataclass(frozen=True)
class Phase:
    """One phase of a run: what the manifest says and what its folder holds."""

    name: str
    number: int
    status: str
    seconds: float | None
    error: Mapping[str, Any]
    reads: tuple[Artefact, ...]
    writes: tuple[Artefact, ...]
    key: str
    note: str
    damage: str
    folder: Path
    summary: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Mapping[str, Any], ...] = ()

    @property
    def anchor(self) -> str:
        """The id of its section."""
        return anchor("phase", self.name)

    @property
    def ended_well(self) -> bool:
        """True when its results can be relied on."""
        return self.status in ENDED_WELL

    @property
    def facts(self) -> list[Row]:
        """Figures with interval and baseline."""
        return _rows(self.summary.get("facts"))

    @property
    def statements(self) -> list[Row]:
        """Sentences computed from results."""
        return _rows(self.summary.get("statements"))

    @property
    def next_steps(self) -> list[Row]:
        """What to do, and the phase that it leads back to."""
        return _rows(self.summary.get("next"))

    @cached_property
    def monitored(self) -> list[Row]:
        """Every threshold that it looked at."""
        return [row for name in ("alerts", "software_alerts") for row in self.table(name)]

    @property
    def unchecked(self) -> list[Row]:
        """Thresholds that it could not look at; never to be counted among those that held."""
        return [row for row in self.monitored if row.get("status") == "could not check"]

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a small table that the phase wrote; none when it is absent or unreadable."""
        path = self.folder / f"{name}.parquet"
        if not path.is_file():
            return []
        import pyarrow
        import pyarrow.parquet as parquet

        try:
            rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
        except (OSError, pyarrow.ArrowException):
            return []
        return rows

    def record(self, name: str) -> Any:
        """Return a JSON artefact of the phase; None when it is absent or unreadable."""
        return read_json(self.folder / f"{name}.json")


@dataclass(frozen=True)
class Evidence:
    """Everything that a report is made of."""

    folder: Path
    manifest: Mapping[str, Any]
    phases: tuple[Phase, ...]

    @property
    def name(self) -> str:
        """The run's name."""
        return str(self.manifest.get("run") or self.folder.name)

    @property
    def status(self) -> str:
        """What the manifest says of the whole run; ``unfinished`` when it says nothing."""
        return str(self.manifest.get("status") or "unfinished")

    @cached_property
    def project(self) -> Mapping[str, Any]:
        """Name, question, decision and roles, as frozen into the run or, before that, as the manifest has them."""
        found = self.record("project")
        named = self.manifest.get("project")
        if not isinstance(found, dict):
            found = named if isinstance(named, dict) else {"name": named}
        return found

    @cached_property
    def criteria(self) -> list[Row]:
        """The acceptance criteria that were looked at, from the manifest, else from the phases."""
        rows = _rows(self.manifest.get("criteria"))
        return rows or [row for phase in self.phases for row in phase.table("criteria")]

    @cached_property
    def outcomes(self) -> dict[str, str]:
        """Criterion → its outcome: of several rows (one a group) the gravest."""
        grave = ("met", "undecided", "not-met")
        found: dict[str, str] = {}
        for row in self.criteria:
            name, status = str(row.get("name", "a criterion")), str(row.get("status"))
            status = status if status in grave else "undecided"
            found[name] = max(found.get(name, "met"), status, key=grave.index)
        return found

    @cached_property
    def declared(self) -> list[Row]:
        """The acceptance criteria that the project file asks for."""
        return _rows(self.record("criterion"))

    @cached_property
    def unjudged(self) -> list[str]:
        """Names of the criteria that the project file asks for and that no phase of this run judged."""
        return [name for row in self.declared if (name := criterion_name(row)) not in self.outcomes]

    @property
    def partial(self) -> bool:
        """Whether the run ended as it was meant to, with phases that it was asked to leave out."""
        meant = self.status in {"passed", "criteria-not-met"}
        return meant and any(phase.status == "never-ran" for phase in self.phases)

    @cached_property
    def alerts(self) -> list[Row]:
        """What crossed a threshold in monitoring."""
        gathered = _rows(self.manifest.get("alerts"))
        return gathered or [row for row in self.monitored if row.get("status") == "alert"]

    @cached_property
    def monitored(self) -> list[Row]:
        """Every threshold that was looked at."""
        return [row for phase in self.phases for row in phase.monitored]

    @cached_property
    def unchecked(self) -> list[Row]:
        """Thresholds that could not be looked at."""
        return [row for phase in self.phases for row in phase.unchecked]

    @cached_property
    def open_questions(self) -> list[Row]:
        """What the project file leaves unanswered."""
        return [row for phase in self.phases for row in phase.table("open_questions")]

    @cached_property
    def failure(self) -> Phase | None:
        """The first phase that did not end well, although it was begun."""
        return next((phase for phase in self.phases if phase.status in {"failed", "killed", "timed-out"}), None)

    def record(self, name: str) -> Any:
        """Return the first JSON artefact of that name in any phase."""
        found = (phase.record(name) for phase in self.phases)
        return next((value for value in found if value is not None), None)


def criterion_name(row: Row) -> str:
    """Return the name that a declared criterion is judged under; of a torn one its metric."""
    from mlopskit.scope import Criterion

    try:
        return Criterion.model_validate(row).name
    except ValueError:
        return str(row.get("metric") or "a criterion")


def anchor(kind: str, name: str) -> str:
    """Return an id that a fragment can point to."""
    return f"{kind}-" + "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in name)


def load(folder: Path) -> Evidence:
    """Read a run folder, whatever state it is in."""
    manifest = read_json(folder / "run.json")
    manifest = manifest if isinstance(manifest, dict) else {}
    found = ({"name": path.parent.name} for path in sorted(folder.glob("*/notebook.ipynb")))
    listed = _rows(manifest.get("phases")) or list(found)
    phases = tuple(_phase(folder, item, number) for number, item in enumerate(listed, start=1))
    return Evidence(folder, manifest, phases)


def _phase(folder: Path, item: Row, number: int) -> Phase:
    name = str(item.get("name", f"phase {number}"))
    home = folder / Path(name).name
    summary = read_json(home / "summary.json")
    error, status = item.get("error"), str(item.get("status") or "never-ran")
    damage = (damaged(home) or "") if status in ENDED_WELL else ""
    return Phase(
        name=name,
        number=number,
        status=status,
        seconds=item.get("seconds"),
        error=error if isinstance(error, dict) else {"message": str(error)} if error else {},
        reads=_artefacts(item.get("reads")),
        writes=_artefacts(item.get("writes")),
        key=str(item.get("key") or ""),
        note="; ".join(filter(None, [damage, str(item.get("reason") or "")])),
        damage=damage,
        folder=home,
        summary=summary if isinstance(summary, dict) else {},
        cells=_cells(home / "notebook.ipynb"),
    )


def _artefacts(value: Any) -> tuple[Artefact, ...]:
    if isinstance(value, dict):
        value = [{"name": name, "sha256": item} for name, item in value.items()]
    known = Artefact.__dataclass_fields__
    rows = ({key: item for key, item in row.items() if key in known} for row in _rows(value))
    return tuple(Artefact(**row) for row in rows if "name" in row)


def _cells(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Read a notebook's cells as plain JSON: the schema check of nbformat would cost more than the rest of a report."""
    notebook = read_json(path)
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    return tuple(_rows(cells))


def _rows(value: Any) -> list[Row]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; None when it is absent, torn or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
