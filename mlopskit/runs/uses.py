"""How often the same rows were used to answer a question.

A test set that is asked again and again ends up confirming chance. So each phase that tests something writes a line to
``runs/uses.jsonl``: the content hash of the rows, and a hash of what was asked. The same question asked of the same
rows again is no new use: repeating or verifying a run does not count, and a phase that is reused does not even ask.
The file outlives the runs that wrote to it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from mlopskit.errors import RunError
from mlopskit.runs.run import Run
from mlopskit.runs.trace import written

FILE = "uses.jsonl"


def count_use(run: Run, name: str, *, question: str) -> int:
    """Record that an artefact was used to answer a question; return how many other questions it answered before.

    Nothing in a run depends on the answer but what is shown: write it with ``volatile=True``.

    Parameters
    ----------
    run : Run
        The phase that asks.
    name : str
        ``phase/artefact``, as for `Run.read`; the phase must have read it.
    question : str
        What identifies the question: a hash of all that was asked.

    Raises
    ------
    RunError
        When the artefact does not exist.
    """
    phase, _, wanted = name.partition("/")
    records = written(run.phase_folder(phase))
    found = next((record for file, record in records.items() if wanted in (file, Path(file).stem)), None)
    if found is None:
        raise RunError.from_missing_artefact(name, [f"{phase}/{file}" for file in sorted(records)])
    path = run.project / "runs" / FILE
    line = {
        "rows": found.digest, "question": question, "of": name, "phase": run.phase, "run": run.folder.name,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    with _opened(path) as handle:
        earlier = dict.fromkeys(_questions(path, found.digest))
        if question in earlier:
            return list(earlier).index(question)
        os.write(handle, (json.dumps(line, ensure_ascii=False) + "\n").encode())
        return len(earlier)


def _questions(path: Path, rows: str) -> list[str]:
    """Return what was asked of these rows so far, oldest first; a torn line is passed over."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            use = json.loads(line)
            if use["rows"] == rows:
                found.append(str(use["question"]))
        except (ValueError, TypeError, KeyError):
            continue
    return found


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open the ledger to append to, locked where that can be: of two who ask at once one is second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
