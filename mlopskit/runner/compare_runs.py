"""One run as a comparison sees it: whatever can still be read of it, and what could not be.

Nothing is written to it, not even that it was read. An artefact counts only with the bytes that its phase wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mlopskit import artefacts
from mlopskit.errors import NotebookError
from mlopskit.notebooks import PUT_IN, load_notebook, source_of
from mlopskit.runner import manifest
from mlopskit.runner.findings import gravest, rows
from mlopskit.runs import TRACE, Record, read_trace


@dataclass
class Side:
    """One of the two runs.

    Attributes
    ----------
    folder : Path
        Its folder.
    said : dict
        Its manifest, empty when that is damaged.
    problems : list of str
        What could not be read, in sentences.
    """

    folder: Path
    said: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _traces: dict[str, list[Record]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the manifest, or note that it cannot be read; in another form it is no manifest, as for `show`."""
        side = cls(folder)
        try:
            side.said = manifest.load_whole(folder)
        except (OSError, ValueError):
            side.problems.append(f"{folder.name}: run.json is missing or damaged; only artefacts are compared")
        return side

    @property
    def status(self) -> str:
        """Status of the run, ``damaged`` without a manifest."""
        return str(self.said.get("status", "damaged"))

    def table(self, name: str) -> dict[str, Any]:
        """Return a part of the manifest that should be a mapping, empty when it is not."""
        found = self.said.get(name)
        return found if isinstance(found, dict) else {}

    def entries(self, name: str) -> list[dict[str, Any]]:
        """Return a part of the manifest that should be a list of mappings; what is not is left out."""
        found = self.said.get(name)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def judged(self) -> dict[str, dict[str, Any]]:
        """Return criterion → its row, name and status as text; of several rows of one criterion the gravest."""
        return gravest(self.entries("criteria"))

    @property
    def phases(self) -> dict[str, str]:
        """Phase → status, in order: from the manifest, else the folders that hold a trace."""
        if self.said:
            return {str(item.get("name")): str(item.get("status")) for item in self.entries("phases")}
        return dict.fromkeys(sorted(path.parent.name for path in self.folder.glob(f"*/{TRACE}")), "unknown")

    def artefacts(self) -> dict[str, Record]:
        """Return ``phase/file`` → record of everything written that does not measure time."""
        found = {f"{phase}/{file}": item for phase in self.phases for file, item in self.written(phase).items()}
        return {name: record for name, record in found.items() if not record.volatile}

    def trace(self, phase: str) -> list[Record]:
        """Return what a phase read and wrote, in order; its file is read once."""
        if phase not in self._traces:
            self._traces[phase] = read_trace(self.folder / phase)
        return self._traces[phase]

    def written(self, phase: str) -> dict[str, Record]:
        """Return file → last record of what a phase wrote."""
        return {record.name.rpartition("/")[2]: record for record in self.trace(phase) if record.op == "write"}

    def sources(self) -> dict[str, str]:
        """Return file outside the runs → SHA-256 of it as it was read."""
        traced = (record for phase in self.phases for record in self.trace(phase))
        return {record.name: record.sha256 for record in traced if record.op == "source"}

    def whole(self, name: str) -> Path | None:
        """Return the path of an artefact that is there and undamaged; note a damaged one."""
        phase, _, file = name.partition("/")
        record = self.written(phase).get(file)
        path = self.folder / phase / file
        if record is None:
            return None
        try:
            is_whole = artefacts.sha256(path) == record.sha256
        except (FileNotFoundError, NotADirectoryError):  # the run may be removed this moment
            return None
        if not is_whole:
            problem = f"{self.folder.name}: {name} is damaged, it is not what its phase wrote; left out"
            if problem not in self.problems:
                self.problems.append(problem)
            return None
        return path

    def damaged(self) -> list[str]:
        """Return every artefact that is not what its phase wrote, or gone; note them."""
        found = [name for name in self.artefacts() if self.whole(name) is None]
        gone = [name for name in found if not (self.folder / name).exists()]
        self.problems += [f"{self.folder.name}: {name} is gone" for name in gone]
        return found

    def rows(self, name: str) -> list[dict[str, Any]] | None:
        """Return the rows of ``phase/file``, None when it cannot be had."""
        path = self.whole(name)
        if path is None:
            return None
        try:
            return rows(path)
        except (OSError, ValueError) as error:
            self.problems.append(f"{self.folder.name}: {name} cannot be read ({error})")
            return None

    def record(self, name: str) -> Mapping[str, Any]:
        """Return a JSON artefact, empty when it cannot be had."""
        path = self.whole(name)
        try:
            found = artefacts.read(path) if path else {}
        except (OSError, ValueError) as error:
            self.problems.append(f"{self.folder.name}: {name} cannot be read ({error})")
            return {}
        return found if isinstance(found, dict) else {}

    def shape(self, name: str) -> tuple[int, tuple[str, ...]] | None:
        """Return the number of rows and the column names of a Parquet artefact, from its footer."""
        path = self.whole(name)
        if path is None:
            return None
        import pyarrow.parquet as pq

        try:
            found = pq.ParquetFile(path)
        except (OSError, ValueError) as error:
            self.problems.append(f"{self.folder.name}: {name} cannot be read ({error})")
            return None
        return found.metadata.num_rows, tuple(found.schema_arrow.names)

    def cells(self, phase: str) -> dict[str, str] | None:
        """Return id → source of the code cells of a phase's notebook, without what papermill put in."""
        try:
            notebook = load_notebook(self.folder / phase / "notebook.ipynb")
        except NotebookError as error:
            if self.phases.get(phase) in manifest.ENDED_WELL:
                self.problems.append(f"{self.folder.name}: no code of {phase}: {error}")
            return None
        code = [
            (place, cell)
            for place, cell in enumerate(notebook["cells"])
            if isinstance(cell, dict)
            and cell.get("cell_type") == "code"
            and PUT_IN not in cell.get("metadata", {}).get("tags", [])
        ]
        return {str(cell.get("id") or f"cell {place}"): source_of(cell) for place, cell in code}
