"""Explorers: how long an answer over 1,000 slices takes in a report, in Chromium, until it is laid out.

And how long the threshold explorer of JupyterLab takes, which reads a tally, over more and more rows.
"""

from __future__ import annotations

import runpy
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SLICES = 1000
TARGET = 50
CHROMIUM = Path("/usr/bin/chromium")
TESTS = Path(__file__).parents[1]

# What a person does, each in the page; the time ends when the page has drawn its answer.
ACTIONS = {
    "search by words": ("input[type=search]", "input", ["a", "age", "age 18", "age 18 part", ""]),
    "filter by column": ("label:nth-child(2) select", "input", ["age", "town", "code", ""]),
    "another figure": ("label:nth-child(3) select", "change", ["1", "2", "3", "0"]),
    "rows at least": ("input[type=number]", "input", ["100", "1000", "3000", "0"]),
    "another order": ("label:nth-child(5) select", "change", ["value", "n", "p", "name", "status", "score"]),
    "threshold moved": ("#explore-thresholds input[type=range]", "input", ["3", "20", "40", "55"]),
}
TIMED = """async ([selector, event, values]) => {
  const part = document.querySelector("#explore-slices");
  const within = selector.startsWith("#") ? document : part.querySelector(".choices");
  const control = within.querySelector(selector);
  const times = [];
  for (const value of values) {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const start = performance.now();
    control.value = value;
    control.dispatchEvent(new Event(event, { bubbles: true }));
    document.documentElement.getBoundingClientRect();
    const laid = performance.now() - start;
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push([laid, performance.now() - start]);
  }
  return times;
}"""


def page_of(folder: Path) -> Path:
    """Render a report of a run with that many slices and return it."""
    from mlopskit.runner.report import render

    run = runpy.run_path(str(TESTS / "fake_run.py"))["fake_run"](folder / "run")
    runpy.run_path(str(TESTS / "fake_slices.py"))["lay_down"](run, slices=SLICES)
    return render(run)


def measure(folder: Path, *, rounds: int) -> str:
    """Return the table: of each action the median and the slowest answer."""
    if not CHROMIUM.exists():
        return "Chromium is not there"
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    page, times = page_of(folder), {}
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(page.as_uri())
            for name, action in ACTIONS.items():
                times.setdefault(name, []).extend(tab.evaluate(TIMED, list(action)))
            browser.close()
    return _table(times)


def measure_thresholds(*, rounds: int) -> str:
    """Return the table: of each number of rows the median and the slowest answer to a threshold, in the kernel."""
    from mlopskit.explore.threshold_table import ThresholdTable
    from mlopskit.explore.threshold_widget import ThresholdExplorer
    from mlopskit.tally import Tally

    lines = [f"{'explore.thresholds, target 100 ms':34} {'median':>9} {'slowest':>9}"]
    for n in (10_000, 100_000, 1_000_000):
        rng = np.random.default_rng(0)
        score = rng.beta(1, 2, n)
        drawn = {"_target": (rng.random(n) < score).astype(np.int64), "score": score, "group": rng.choice([*"abc"], n)}
        frame = pd.DataFrame(drawn).assign(prediction=(score >= 0.3).astype(np.int64))
        shown = ThresholdExplorer({"group": ThresholdTable.from_tally(Tally.from_table(frame, ["group"]))}, start=0.3)
        taken = [_answered(shown, float(threshold)) for threshold in np.linspace(0.05, 0.95, 5 * rounds)]
        lines.append(f"{f'{n:,} rows':34} {statistics.median(taken):6.1f} ms {max(taken):6.1f} ms")
    return "\n".join(lines)


def _answered(shown: Any, threshold: float) -> float:
    start = time.perf_counter()
    shown.threshold = threshold
    return 1000 * (time.perf_counter() - start)


def _table(times: dict[str, list[Any]]) -> str:
    head = f"{f'{SLICES} slices, target {TARGET} ms':34} {'laid out':>9} {'slowest':>9} {'drawn':>9} {'slowest':>9}"
    rows = [head]
    for name, pairs in times.items():
        laid, drawn = zip(*pairs, strict=True)
        figures = (statistics.median(laid), max(laid), statistics.median(drawn), max(drawn))
        rows.append(f"{name:34} " + " ".join(f"{figure:6.1f} ms" for figure in figures))
    return "\n".join(rows)
