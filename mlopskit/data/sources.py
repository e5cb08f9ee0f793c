"""Where the rows come from, and proof of it.

A source is a bundled example (``example:income``), a file (Parquet, CSV, TSV, JSON lines) or a query to a database.
What was read is recorded: which file or query, how many bytes, SHA-256, origin and licence. A password never is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mlopskit import datasets, display
from mlopskit.artefacts import sha256
from mlopskit.data import files
from mlopskit.data.checks import Finding
from mlopskit.data.refusals import column_problems
from mlopskit.data.tidy import tidy
from mlopskit.errors import DataError

if TYPE_CHECKING:
    from mlopskit.runs import Run
    from mlopskit.scope import Data

EXAMPLE = "example:"


@dataclass(frozen=True)
class Source:
    """A table as it came from its source, with what is known about it.

    Attributes
    ----------
    frame : DataFrame
        Every row, with plain column types, in the order of the source.
    record : dict
        Provenance: source, query, file name, bytes, sha256, rows, columns, origin, licence, how it was read.
    findings : tuple of Finding
        What had to be changed to read it.
    """

    frame: pd.DataFrame
    record: dict[str, Any]
    findings: tuple[Finding, ...]

    @property
    def table(self) -> display.Table:
        """The provenance as a table of two columns."""
        rows = [(key.replace("_", " "), display.format_value(value)) for key, value in self.record.items() if value]
        return display.table(pd.DataFrame(rows, columns=["fact", "value"]))


def read_source(run: Run) -> Source:
    """Read the table that the project file names, and record what was read.

    Parameters
    ----------
    run : Run
        Its frozen scope says where the data are; files are read through it, so that their hashes are kept.

    Raises
    ------
    DataError
        When the source cannot be read, has no rows, lacks a column that the project file names, or has one twice.
    """
    data = run.scope.data
    place = kind_of(data.source)
    if place == "database":
        frame, record = _read_database(run, data)
        findings: list[Finding] = []
    else:
        frame, record, findings = _read_file(run, data)
    problems = column_problems([str(name) for name in frame.columns], data)
    if problems:
        raise DataError("\n".join(problems))
    if frame.empty:
        raise DataError(
            f"{data.source} has no rows, only the columns {list(frame.columns)}. Give a table with data in it."
        )
    frame, changed = tidy(frame, keep=(data.target,), skip=tuple(data.exclude))
    record |= {"rows": len(frame), "columns": len(frame.columns)}
    return Source(frame, record | _terms(data), (*findings, *changed))


def retrieval() -> dict[str, str]:
    """Return when the source was read (volatile: it differs from run to run)."""
    return {"retrieved": dt.datetime.now(dt.UTC).isoformat(timespec="seconds")}


def kind_of(source: str) -> str:
    """Tell what a source is: ``example``, ``database`` or ``file``.

    Examples
    --------
    >>> kind_of("example:income"), kind_of("sqlite:///a.db"), kind_of("env:WAREHOUSE"), kind_of("data/a.csv")
    ('example', 'database', 'database', 'file')
    """
    if source.startswith(EXAMPLE):
        return "example"
    return "database" if "://" in source or source.startswith("env:") else "file"


def _terms(data: Data) -> dict[str, Any]:
    """Origin and licence as the project file states them, else as the bundled table does."""
    known = datasets.describe(data.source.removeprefix(EXAMPLE)) if kind_of(data.source) == "example" else None
    return {
        "origin": data.origin or (known.origin if known else None),
        "licence": data.licence or (known.licence if known else None),
    }


def _read_file(run: Run, data: Data) -> tuple[pd.DataFrame, dict[str, Any], list[Finding]]:
    name = data.source.removeprefix(EXAMPLE)
    path = run.source_file(datasets.path(name) if kind_of(data.source) == "example" else data.source, name=data.source)
    digest = sha256(path)
    if kind_of(data.source) == "example" and digest != datasets.describe(name).sha256:
        raise DataError(f"{path.name} is not the file that shipped: its SHA-256 differs. Install mlopskit again.")
    read = files.read(path)
    record = {
        "source": data.source,
        "query": None,
        "file_name": path.name,
        "bytes": path.stat().st_size,
        "sha256": digest,
        "read_as": read.how,
    }
    return read.frame, record, list(read.findings)


def _read_database(run: Run, data: Data) -> tuple[pd.DataFrame, dict[str, Any]]:
    from mlopskit.data import databases  # SQLAlchemy takes a tenth of a second, and files do without it

    engine = databases.connect(data, run.project)
    shown = databases.safe_url(engine)
    run.live_source(f"{shown}: {data.query}")
    record = {"source": shown, "query": data.query, "file_name": None, "bytes": None, "sha256": None}
    record["read_as"] = "a database query, which may answer differently next time"
    return databases.fetch(engine, data), record
