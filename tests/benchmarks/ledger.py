"""A project with 200 runs: how long it takes to list them, to show one, and to find out that nothing changed."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from timing import Rival, compare

RUNS = 200


def crowded(project: Path, folder: Path) -> Path:
    """Copy a project whose newest run is whole, and add runs that have that one's manifest and cache entries.

    They are newer than the real one and hold no results, so the look-up has to pass over each of them.
    """
    shutil.copytree(project, folder)
    runs = folder / "runs"
    latest = (runs / "latest").read_text(encoding="utf-8").strip()
    said = json.loads((runs / latest / "run.json").read_text(encoding="utf-8"))
    names = [f"2099{number // 28 % 12 + 1:02d}{number % 28 + 1:02d}T000000Z-{number:06x}" for number in range(1, RUNS)]
    for name in names:
        (runs / name).mkdir()
        text = json.dumps(said | {"run": name}, indent=2, ensure_ascii=False)
        (runs / name / "run.json").write_text(text, encoding="utf-8")
    for entry in (runs / ".cache").glob("*"):
        with entry.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in names)
    return folder


def measure(project: Path, folder: Path, *, rounds: int) -> str:
    """Return the table; `project` has at least one run whose phases all ended well."""
    place = crowded(project, folder)
    command = [sys.executable, "-m", "mlopskit"]
    rivals = [
        Rival(f"mlopskit runs, {RUNS} runs", [*command, "runs"], place),
        Rival(f"mlopskit show, {RUNS} runs", [*command, "show"], place),
        Rival(f"mlopskit run --explain, nothing changed, {RUNS} runs", [*command, "run", "--explain"], place),
        Rival("mlopskit run --explain, nothing changed, runs as they were", [*command, "run", "--explain"], project),
    ]
    return compare(rivals, rounds=rounds, allowed=(0, 3, 4))
