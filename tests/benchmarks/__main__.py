"""`make bench` runs this folder: every comparison in one run; BENCH_ROUNDS says how often each rival runs (5)."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path

import explorers
import groups
import ledger
import pages
import pipeline
import saving
import sites
import slices
import small


def main() -> None:
    """Print each comparison as a table of medians."""
    rounds = int(os.environ.get("BENCH_ROUNDS", "5"))
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {rounds} rounds, rivals in turn\n")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        print("Whole lifecycle, income example, cold start to end")  # noqa: T201
        print(pipeline.measure(Path(folder) / "whole", rounds=rounds))  # noqa: T201
        print("\nThe income example again, nothing changed")  # noqa: T201
        print(small.measure_unchanged(Path(folder) / "whole" / "ours", rounds=rounds))  # noqa: T201
        print("\nThe income example with 200 runs in its ledger")  # noqa: T201
        print(ledger.measure(Path(folder) / "whole" / "ours", Path(folder) / "ledger", rounds=rounds))  # noqa: T201
        print("\nA site of 500 runs")  # noqa: T201
        print(sites.measure(Path(folder) / "site", rounds=rounds, project=Path(folder) / "whole" / "ours"))  # noqa: T201
        print("\nExplorers in a report: an answer in Chromium")  # noqa: T201
        print(explorers.measure(Path(folder) / "explorers", rounds=rounds))  # noqa: T201
        print(explorers.measure_thresholds(rounds=rounds))  # noqa: T201
        print("\nThe report of the income example, beside what others make to be passed on")  # noqa: T201
        print(pages.measure(Path(folder) / "pages", rounds=rounds, project=Path(folder) / "whole" / "ours"))  # noqa: T201
        print("\nSix notebooks that import pandas, scikit-learn, matplotlib and shap")  # noqa: T201
        print(small.measure(Path(folder) / "six", rounds=rounds))  # noqa: T201
        print("\n100 cells after one 10 MB output")  # noqa: T201
        print(saving.measure(Path(folder), rounds=rounds))  # noqa: T201
        print("\nMetrics by group with a bootstrap, growing tables, a large file")  # noqa: T201
        print(groups.measure(Path(folder) / "groups", rounds=rounds))  # noqa: T201
        print("\nSlice search")  # noqa: T201
        print(slices.measure(Path(folder) / "slices", rounds=rounds))  # noqa: T201


if __name__ == "__main__":
    main()
