"""How often the same rows were used to answer a question.

A test set that is asked again and again ends up confirming chance. So each phase that tests something writes a line to
``runs/uses.jsonl``: the content hash of the rows, and a hash of what was asked. The same question asked of the same
rows again is no new use: repeating or verifying a run does not count, and a phase that is reused does not even ask.
The file outlives the runs that wrote to it.
"""

from __future__ import annotations

import json
import os
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
    earlier = dict.fromkeys(_questions(path, found.digest))
    if question in earlier:
        return list(earlier).index(question)
    line = {
        "rows": found.digest, "question": question, "of": name, "phase": run.phase, "run": run.folder.name,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    _append(path, json.dumps(line, ensure_ascii=False) + "\n")
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


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, line.encode())  # one call, so that two runs at once cannot mix their lines
    finally:
        os.close(handle)
