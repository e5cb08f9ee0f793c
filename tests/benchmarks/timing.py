"""Whole processes timed in turn, so that a machine whose speed drifts treats all rivals alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Self


@dataclass
class Rival:
    """One way to do the work: a command, where it runs, and what was measured of it."""

    name: str
    command: Sequence[str]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def run(self, *, allowed: Sequence[int] = (0,)) -> None:
        """Run the command once as a process of its own; its largest process gives the peak memory."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MLOPSKIT")}
        with tempfile.TemporaryFile() as errors:
            start = time.perf_counter()
            process = subprocess.Popen(
                list(self.command),
                cwd=self.folder,
                env=inherited | dict(self.environment),
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            with _Peak(process.pid) as peak:
                process.wait()
                self.seconds.append(time.perf_counter() - start)
            self.megabytes.append(peak.megabytes)
            if process.returncode not in allowed:
                errors.seek(0)
                raise RuntimeError(f"{self.name} ended with {process.returncode}: {errors.read().decode()[-2000:]}")


class _Peak:
    """The peak resident megabytes of the largest process in a tree, looked at from beside: it delays no end."""

    def __init__(self, pid: int) -> None:
        self.megabytes, self._over = 0.0, Event()
        self._thread = Thread(target=self._watch, args=(pid,))

    def _watch(self, pid: int) -> None:
        while not self._over.wait(0.05):
            self.megabytes = max([self.megabytes, *map(_peak_megabytes, _tree(pid))])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        below = [int(child) for child in children.read_text().split()]
    except OSError:
        return []
    return [pid, *(found for child in below for found in _tree(child))]


def _peak_megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def compare(rivals: Sequence[Rival], *, rounds: int, allowed: Sequence[int] = (0,)) -> str:
    """Run all rivals in turn, `rounds` times, and return a table of medians with ratios to the first."""
    for _ in range(rounds):
        for rival in rivals:
            rival.run(allowed=allowed)
    first = statistics.median(rivals[0].seconds)
    head = f"{'':58} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7} {'peak MB':>8}"
    rows = [
        f"{rival.name:58} {statistics.median(rival.seconds):9.2f} {min(rival.seconds):7.2f} {max(rival.seconds):7.2f} "
        f"{statistics.median(rival.seconds) / first:7.2f} {max(rival.megabytes):8.0f}"
        for rival in rivals
    ]
    return "\n".join([head, *rows])
