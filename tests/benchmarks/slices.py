"""Slice search against the `sliceline` package: the same tables, equal answers, time of the search and peak memory.

`sliceline` (with numba) is looked for beside us, or in the interpreter that BENCH_SLICELINE_PYTHON names; without it
only our own figures are shown.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SEED = 0
K = 10

_READ = """
import json, sys, time
from pathlib import Path
import numpy as np

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))

table, asked = np.load(sys.argv[1]), json.loads(sys.argv[2])
codes, errors = table["codes"], table["errors"]
"""

OURS = f"""{_READ}
import pandas as pd
from mlopskit import find_slices
frame = pd.DataFrame(codes, columns=[f"column {{number:02}}" for number in range(codes.shape[1])], copy=False)
before, start = peak(), time.perf_counter()
found = find_slices(frame, errors, k=asked["k"], alpha=asked["alpha"], min_support=asked["support"],
                    max_level=asked["level"])
seconds = time.perf_counter() - start
print(json.dumps({{"seconds": seconds, "peak": peak(), "before": before, "scores": found["score"].tolist(),
                  "visited": found.attrs["visited"]}}))
"""

THEIRS = f"""{_READ}
from sliceline.slicefinder import Slicefinder
codes = codes.astype(np.int64)
options = dict(alpha=asked["alpha"], k=asked["k"], max_l=asked["level"], verbose=False)
Slicefinder(min_sup=1, **options).fit(codes[:200], errors[:200] + 0.5)  # numba compiles now, not later
before, start = peak(), time.perf_counter()
found = Slicefinder(min_sup=asked["support"], **options).fit(codes, errors)
seconds = time.perf_counter() - start
print(json.dumps({{"seconds": seconds, "peak": peak(), "before": before,
                  "scores": [float(row["slice_score"]) for row in found.top_slices_statistics_]}}))
"""


@dataclass(frozen=True)
class Case:
    """A table and what is asked of it; `rival` says whether sliceline can answer at all."""

    name: str
    rows: int
    columns: int
    alpha: float
    level: int
    support: int
    rival: bool = True

    @property
    def asked(self) -> str:
        """The settings, for both programs."""
        return json.dumps({"k": K, "alpha": self.alpha, "level": self.level, "support": self.support})


CASES = (
    Case("pairs, 14 columns of 8 values, 300,000 rows", 300_000, 14, 0.95, 2, 3000),
    Case("triples, 13 columns shaped like Adult, 32,561 rows", 32_561, 13, 0.95, 3, 326),
    Case("triples, 60 columns of 6 values, 1,000,000 rows", 1_000_000, 60, 0.95, 3, 10_000, rival=False),
    Case("the same, alpha 0.99, from 1,000 rows on", 1_000_000, 60, 0.99, 3, 1000, rival=False),
)
ADULT = (10, 9, 10, 16, 7, 15, 6, 5, 2, 10, 10, 10, 42)  # values of Adult's columns, numbers cut into ten


def table(case: Case) -> tuple[Any, Any]:
    """Make the codes (n, columns) and the errors, seeded."""
    rng = np.random.default_rng(SEED)
    if case.columns == len(ADULT):
        return _adult(rng, case.rows)
    values = 8 if case.columns == 14 else 6
    codes = rng.integers(0, values, (case.rows, case.columns), dtype=np.int8)
    planted = (codes[:, 0] == 1) & (codes[:, 3] == 2)
    if case.level == 3:
        planted &= codes[:, 7] == 0
    return codes, (rng.random(case.rows) < np.where(planted, 0.6, 0.1)).astype(float)


def _adult(rng: np.random.Generator, rows: int) -> tuple[Any, Any]:
    """Columns with Adult's numbers of values, skewed and dependent through eight hidden kinds of person."""
    kind = rng.choice(8, rows, p=rng.dirichlet(np.full(8, 2.0)))
    columns = []
    for values in ADULT:
        shares = rng.dirichlet(np.full(values, 0.35), size=8)
        columns.append((shares.cumsum(axis=1)[kind] < rng.random(rows)[:, None]).sum(axis=1).clip(max=values - 1))
    rates = np.linspace(0.02, 0.4, 8)[kind]
    return np.stack(columns, axis=1).astype(np.int8), (rng.random(rows) < rates).astype(float)


def _run(program: str, python: str, path: Path, case: Case) -> dict[str, Any]:
    ended = subprocess.run([python, "-c", program, str(path), case.asked], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise RuntimeError(f"{case.name}: {ended.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def rival_python() -> str | None:
    """The interpreter that has sliceline, if any."""
    python = os.environ.get("BENCH_SLICELINE_PYTHON", sys.executable)
    found = subprocess.run([python, "-c", "import sliceline"], capture_output=True, check=False)
    return python if found.returncode == 0 else None


def measure(folder: Path, *, rounds: int) -> str:
    """Return the table: median seconds of the search alone, peak memory of the process and what the search added."""
    folder.mkdir(parents=True, exist_ok=True)
    theirs = rival_python()
    lines = [f"{'':58} {'median s':>9} {'min':>7} {'max':>7} {'ratio':>7} {'peak MB':>8} {'added':>7}"]
    for number, case in enumerate(CASES):
        path = folder / f"slices-{number}.npz"
        codes, errors = table(case)
        np.savez(path, codes=codes, errors=errors)
        lines.extend(_compare(case, path, theirs, rounds))
    if theirs is None:
        lines.append("sliceline is not installed, so there is nothing to compare with: pip install sliceline numba")
    return "\n".join(lines)


def _compare(case: Case, path: Path, theirs: str | None, rounds: int) -> list[str]:
    """Run both in turn; answers that differ are an error."""
    runs: dict[str, list[dict[str, Any]]] = {"mlopskit": []}
    for _ in range(rounds):
        runs["mlopskit"].append(_run(OURS, sys.executable, path, case))
        if theirs and case.rival:
            runs.setdefault("sliceline", []).append(_run(THEIRS, theirs, path, case))
    own = runs["mlopskit"]
    for answer in runs.get("sliceline", []):
        np.testing.assert_allclose(answer["scores"], own[0]["scores"], rtol=1e-9, err_msg=case.name)
    first = statistics.median(answer["seconds"] for answer in own)
    lines = [case.name]
    for name, answers in runs.items():
        seconds = [answer["seconds"] for answer in answers]
        peak = max(answer["peak"] for answer in answers)
        added = max(answer["peak"] - answer["before"] for answer in answers)
        lines.append(
            f"  {name:56} {statistics.median(seconds):9.3f} {min(seconds):7.3f} {max(seconds):7.3f} "
            f"{statistics.median(seconds) / first:7.1f} {peak:8.0f} {added:7.0f}"
        )
    visited = ", ".join(f"{count:,}" for count in own[0]["visited"])
    said = "equal answers; " if "sliceline" in runs else ""
    return [*lines, f"  {said}{len(own[0]['scores'])} slices found, slices counted by level: {visited}"]
