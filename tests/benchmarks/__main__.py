"""`make bench` runs this folder: every comparison in one run; BENCH_ROUNDS says how often each rival runs (3)."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import pipeline


def main() -> None:
    """Print each comparison as a table of medians."""
    rounds = int(os.environ.get("BENCH_ROUNDS", "3"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds, rivals in turn\n")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        print("Whole lifecycle, income example, cold start to end")  # noqa: T201
        print(pipeline.measure(Path(folder), rounds=rounds))  # noqa: T201


if __name__ == "__main__":
    main()
