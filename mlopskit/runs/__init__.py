"""One run: a folder that anyone can read, compare, repeat and share.

Each phase reads what earlier phases wrote and writes only its own. What it read and wrote is recorded with SHA-256 as
it happens, in ``<phase>/trace.jsonl``; manifest, lineage, caching and comparison all come from that record. Batch runs
live in ``runs/<UTC time>-<6 hex>``; a notebook run by hand writes to ``runs/scratch``, which falls through, by whole
phases, to one finished run.
"""

from mlopskit.runs.opening import find_project, latest_run, open_run
from mlopskit.runs.reading import FinishedRun, PhaseArtefacts, load_run
from mlopskit.runs.run import SCRATCH, Run
from mlopskit.runs.trace import (
    LOOKS,
    TRACE,
    Artefacts,
    Record,
    append,
    env_hash,
    is_finished,
    listed,
    listing_hash,
    names_hash,
    read_trace,
    written,
)

__all__ = [
    "LOOKS",
    "SCRATCH",
    "TRACE",
    "Artefacts",
    "FinishedRun",
    "PhaseArtefacts",
    "Record",
    "Run",
    "append",
    "env_hash",
    "find_project",
    "is_finished",
    "latest_run",
    "listed",
    "listing_hash",
    "load_run",
    "names_hash",
    "open_run",
    "read_trace",
    "written",
]
