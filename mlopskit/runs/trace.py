"""What a phase read and wrote, recorded as it happens: one JSON line each in ``<phase>/trace.jsonl``."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TRACE = "trace.jsonl"


@dataclass(frozen=True)
class Record:
    """One line of a phase's trace.

    Attributes
    ----------
    op : str
        ``write`` and ``read`` of an artefact; ``source`` for a file outside the runs, ``absent`` for what was looked
        for and not found, ``listing`` for the names in a folder, ``env`` for an environment variable; ``live`` for a
        database or URL, ``effect`` for a change to the outside world, ``changed`` for a file that was written to while
        the phase read it: none of these three can be reused; ``finish`` at the end of the notebook.
    name : str
        ``phase/file`` for artefacts, the path or a description for the rest.
    sha256, digest : str
        Of the bytes, and of the content (they differ for models only).
    bytes : int
        Size on disk.
    volatile : bool
        True for what measures time and is left out of equality.
    """

    op: str
    name: str
    sha256: str = ""
    digest: str = ""
    bytes: int = 0
    volatile: bool = False


def read_trace(folder: Path) -> list[Record]:
    """Return the records of a phase folder, oldest first; a torn last line (a killed kernel) is left out."""
    path = folder / TRACE
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(Record(**json.loads(line)))
        except (ValueError, TypeError):
            break
    return records


def is_finished(folder: Path) -> bool:
    """Tell whether the phase in `folder` ran to its end."""
    return any(record.op == "finish" for record in read_trace(folder))


def written(folder: Path) -> dict[str, Record]:
    """Return what a phase wrote: file name → its last record."""
    return {Path(record.name).name: record for record in read_trace(folder) if record.op == "write"}


def listing_hash(paths: Iterable[Path]) -> str:
    """Return the hash by which a listing is compared: of the names, not of what is in the files."""
    return hashlib.sha256("\0".join(path.name for path in paths).encode()).hexdigest()


def env_hash(value: str | None) -> str:
    """Return the hash by which an environment variable is compared; one that is not set differs from an empty one."""
    return hashlib.sha256(b"unset" if value is None else b"=" + value.encode()).hexdigest()


@dataclass(frozen=True)
class Artefacts:
    """What a phase wrote, as its notebook shows it at the end."""

    phase: str
    records: tuple[Record, ...]

    def __repr__(self) -> str:
        return "\n".join(f"{record.name}  {self._digest(record)}" for record in self.records)

    def _repr_html_(self) -> str:
        left = ' style="text-align:left"'  # JupyterLab sets cells right
        cell = f"<td{left}><code>"
        rows = "".join(
            f"<tr>{cell}{html.escape(record.name)}</code></td>{cell}{self._digest(record)}</code></td></tr>"
            for record in self.records
        )
        head = f"<tr><th scope='col'{left}>artefact</th><th scope='col'{left}>content digest</th></tr>"
        return f"<table class='mlopskit-table'><thead>{head}</thead><tbody>{rows}</tbody></table>"

    @staticmethod
    def _digest(record: Record) -> str:
        return "differs from run to run" if record.volatile else record.digest[:12]
