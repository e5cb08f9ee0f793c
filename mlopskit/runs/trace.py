"""What a phase read and wrote, recorded as it happens: one JSON line each in ``<phase>/trace.jsonl``."""

from __future__ import annotations

import hashlib
import html
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

TRACE = "trace.jsonl"
LOOKS = frozenset({"absent", "missing", "present", "names"})
"""Ops of what was asked for without taking any content: such an answer may steer a phase, but nothing flowed."""
_SHOWN = 20


@dataclass(frozen=True)
class Record:
    """One line of a phase's trace.

    Attributes
    ----------
    op : str
        ``write`` and ``read`` of an artefact; ``source`` for a file outside the runs, ``absent`` for what was looked
        for and not found, ``listing`` for names of files and folders, ``env`` for an environment variable; ``live`` for
        a database or URL, ``effect`` for a change to the outside world, ``changed`` for a file that was written to
        while the phase read it: none of these three can be reused; ``finish`` at the end of the notebook; ``notebook``
        for the notebook as executed and ``output`` for an output that lies beside it, which the runner adds when
        they were saved for the last time.
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


def append(folder: Path, record: Record) -> None:
    """Add one line to the trace of a phase folder."""
    with (folder / TRACE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read_trace(folder: Path) -> list[Record]:
    """Return the records of a phase folder, oldest first; a torn last line (a killed kernel) is left out."""
    try:
        lines = (folder / TRACE).read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):  # it may be removed this moment
        return []
    records = []
    for line in lines:
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


def listed(project: Path, name: str) -> list[Path]:
    """Return what a listing names, sorted: a pattern below the project, or an absolute one; ``/**`` any depth."""
    pattern = Path(name)
    base = Path(pattern.anchor) if pattern.anchor else project
    found = base.glob(str(pattern.relative_to(pattern.anchor) if pattern.anchor else pattern))
    return sorted(found)


def listing_hash(project: Path, found: Iterable[Path]) -> str:
    """Return the hash by which a listing is compared: of the files' places, not of what is in them."""
    return names_hash(str(path.relative_to(project) if path.is_relative_to(project) else path) for path in found)


def names_hash(names: Iterable[str]) -> str:
    """Return one hash of several names."""
    return hashlib.sha256("\0".join(names).encode(errors="surrogateescape")).hexdigest()


def env_hash(value: str | None) -> str:
    """Return the hash by which an environment variable is compared; one that is not set differs from an empty one."""
    return hashlib.sha256(b"unset" if value is None else b"=" + os.fsencode(value)).hexdigest()


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
            f"{'<tr>' if place < _SHOWN else '<tr hidden>'}"  # the report shows all on demand, `display.table` alike
            f"{cell}{html.escape(record.name)}</code></td>{cell}{self._digest(record)}</code></td></tr>"
            for place, record in enumerate(self.records)
        )
        rest = len(self.records) - _SHOWN
        more = f'<p class="mlopskit-more mlopskit-folded">and {rest} more in run.json</p>' if rest > 0 else ""
        head = f"<tr><th scope='col'{left}>artefact</th><th scope='col'{left}>content digest</th></tr>"
        return f"<table class='mlopskit-table'><thead>{head}</thead><tbody>{rows}</tbody></table>{more}"

    @staticmethod
    def _digest(record: Record) -> str:
        return "differs from run to run" if record.volatile else record.digest[:12]
