"""A run folder read for a site: what a comparison sees of it, each file at most once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopskit.runner.compare_measures import Measured
from mlopskit.runner.compare_runs import Side
from mlopskit.runs import Record

_COLUMNS = ("slice", "group", "metric", "value", "low", "high", "n")
Shape = tuple[int, list[str]]


@dataclass
class Reading(Side):
    """One run, whose records and JSON artefacts are kept once they were read."""

    _written: dict[str, Record] | None = None
    _records: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def artefacts(self) -> dict[str, Record]:
        """Return ``phase/file`` → record of everything written that does not measure time."""
        if self._written is None:
            self._written = super().artefacts()
        return self._written

    def record(self, name: str) -> Mapping[str, Any]:
        """Return a JSON artefact, empty when it cannot be had."""
        if name not in self._records:
            self._records[name] = super().record(name)
        return self._records[name]

    def measures(self, name: str) -> list[list[Any]] | None:
        """Return slice, group, metric, value, low, high and n of each row of a table that is not on everyone.

        None, and a word among the problems, when the table cannot be had.
        """
        path = self.whole(name)
        if path is None:
            self.problems.append(f"{self.folder.name}: no {name} to compare")
            return None
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            # So few rows are read before threads are woken; and a table by its path would be sought as a folder first.
            with pq.ParquetFile(path, pre_buffer=False) as file:
                names = [name for name in file.schema_arrow.names if name in _COLUMNS]
                found = file.read(columns=names, use_threads=False).to_pylist()
        except (OSError, ValueError, pa.ArrowException) as error:
            self.problems.append(f"{self.folder.name}: {name} cannot be read ({error})")
            return None
        kept = (row for row in found if row.get("metric") is not None and row.get("slice") != "overall")
        return [[*(str(row.get(part) or "") for part in _COLUMNS[:3]), *figures(row)] for row in kept]


def figures(row: Mapping[str, Any]) -> list[Any]:
    """Return value, low, high and n; what is no finite number is None."""
    measured = Measured.from_row(row)
    return [measured.value, measured.low, measured.high, measured.n]


def shape(path: Path) -> Shape | None:
    """Return rows and columns as the footer tells them: to hash every table would take longer than all the rest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(path)
    except (OSError, ValueError, pa.ArrowException):
        return None
    return found.num_rows, list(found.schema.to_arrow_schema().names)
