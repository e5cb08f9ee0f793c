"""Metrics by group: a bootstrap against fairlearn's and against a plain NumPy one, growing tables, a large file.

Each row is a process of its own, so that its peak memory is its own; it times the work alone, from encoding to
quantiles, after its imports. A replicate of ours costs the whole divided by 1,000. A rival's replicate costs what
its replicates add to the same call without them, so that what it does once is not charged to it.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = """
import json, sys, time
import numpy as np, pandas as pd

kind, rows, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
METRICS = ["accuracy", "recall", "precision", "selection_rate"]
NAMES = np.array([f"group {place:02d}" for place in range(20)])


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p = np.where(rng.random(n) < 0.8, y, 1 - y)
    return y, p, pd.DataFrame({"group": pd.array(NAMES[rng.integers(0, 20, n)], dtype="str")})


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours():
    from mlopskit.evaluate import group_metrics

    group_metrics(*table(1000), metrics=METRICS, method="bootstrap", replicates=2)
    y, p, g = table(rows)
    return timed(lambda: group_metrics(y, p, g, metrics=METRICS, method="bootstrap", replicates=1000)), 1000


def fairlearn():
    from fairlearn.metrics import MetricFrame, selection_rate
    from sklearn.metrics import accuracy_score, precision_score, recall_score

    functions = {"accuracy": accuracy_score, "recall": recall_score, "precision": precision_score, "sr": selection_rate}
    y, p, g = table(rows)
    given = {"metrics": functions, "y_true": y, "y_pred": p, "sensitive_features": g}
    once = timed(lambda: MetricFrame(**given).by_group)
    more = timed(lambda: MetricFrame(**given, n_boot=4, ci_quantiles=[0.025, 0.975], random_state=0))
    return more - once, 4


def plain():
    y, p, g = table(rows)

    def work():
        code = pd.factorize(g["group"])[0] * 4 + y * 2 + p
        rng, draws = np.random.default_rng(0), []
        for _ in range(100):
            picked = rng.integers(0, rows, rows)
            tn, fp, fn, tp = np.bincount(code[picked], minlength=80).reshape(20, 4).T
            n = tn + fp + fn + tp
            draws.append([(tp + tn) / n, tp / (tp + fn), tp / (tp + fp), (tp + fp) / n])
        np.quantile(np.array(draws), [0.025, 0.975], axis=0)

    return timed(work), 100


def make():
    import pyarrow as pa, pyarrow.parquet as pq

    writer, portion = None, 1 << 18
    for start in range(0, rows, portion):
        y, p, g = table(min(portion, rows - start), seed=start)
        score = 1 / (1 + np.exp(-(np.random.default_rng(start).normal(size=len(y)) + y)))
        frame = g.assign(_row=np.arange(start, start + len(y)), _target=y, prediction=p, score=score)
        part = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, part.schema)
        writer.write_table(part)
    writer.close()
    return 0.0, 1


def tally():
    import duckdb

    from mlopskit.tally import Tally

    return timed(lambda: Tally.from_table(path, ["group"])), 1


def arrow():
    import pyarrow as pa
    import pyarrow.parquet as pq

    from mlopskit.tally import Tally

    def read():
        with pq.ParquetFile(path, read_dictionary=["group"], pre_buffer=False) as file:
            names = ["group", "_row", "_target", "prediction", "score"]
            batches = file.iter_batches(1 << 18, columns=names, use_threads=False)
            stream = pa.RecordBatchReader.from_batches(file.schema_arrow, batches)
            Tally.from_table(stream, ["group"])

    return timed(read), 1


seconds, replicates = globals()[kind]()
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
print(json.dumps({"seconds": seconds, "replicates": replicates, "peak": peak}))
"""

ROWS = 100_000
LARGE = 10_000_000


def _run(program: Path, kind: str, rows: int, path: Path) -> dict[str, Any]:
    command = [sys.executable, str(program), kind, str(rows), str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{kind} ended with {done.returncode}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(folder: Path, *, rounds: int) -> str:
    """Return the table of medians: seconds, milliseconds a replicate, how often as slow as ours, peak memory."""
    folder.mkdir(parents=True, exist_ok=True)
    program, file = folder / "groups.py", folder / "rows.parquet"
    program.write_text(PROGRAM, encoding="utf-8")
    _run(program, "make", LARGE, file)
    jobs = [
        ("bootstrap of 4 metrics, 20 groups, 100,000 rows: mlopskit", "ours", ROWS),
        ("  the same, plain NumPy row bootstrap", "plain", ROWS),
        ("  the same, fairlearn MetricFrame(n_boot)", "fairlearn", ROWS),
        *((f"mlopskit, {n:,} rows", "ours", n) for n in (10_000, 1_000_000, LARGE)),
        (f"tally of a Parquet file of {LARGE:,} rows, with scores", "tally", LARGE),
        ("  the same, read by pyarrow instead of DuckDB", "arrow", LARGE),
    ]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name, _, _ in jobs}
    for _ in range(rounds):
        for name, kind, rows in jobs:
            runs[name].append(_run(program, kind, rows, file))
    return "\n".join([f"{'':62} {'s':>8} {'ms/replicate':>13} {'times ours':>11} {'peak MB':>8}", *_lines(runs)])


def _lines(runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    each = {
        name: statistics.median(run["seconds"] / run["replicates"] for run in found) for name, found in runs.items()
    }
    first, lines = next(iter(each.values())), []
    for name, found in runs.items():
        seconds, peak = statistics.median(run["seconds"] for run in found), max(run["peak"] for run in found)
        replicated = found[0]["replicates"] > 1
        cost = f"{each[name] * 1000:13.3f} {each[name] / first:11,.0f}" if replicated else f"{'':13} {'':11}"
        lines.append(f"{name:62} {seconds:8.3f} {cost} {peak:8.0f}")
    return lines
