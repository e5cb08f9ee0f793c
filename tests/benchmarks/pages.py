"""What is passed on of one run: the report beside nbconvert's pages of the same notebooks and Evidently's of one table.

Bytes, what each asks of other hosts, and the time to the first paint from disk in Chromium. Evidently is looked for
beside us, or in the interpreter that BENCH_EVIDENTLY_PYTHON names, since it needs an older pandas; without it its
line is left out.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LARGEST, PAINTED = 1_000_000, 300
"""What we ask of our report: bytes, and milliseconds to its first paint."""

EVIDENTLY = """
import sys
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

reference, current, out = sys.argv[1:]
Report([DataDriftPreset()]).run(pd.read_csv(current), pd.read_csv(reference)).save_html(out)
"""

PAINT = """() => new Promise((tell) => {
    const seen = () => performance.getEntriesByName('first-contentful-paint')[0];
    const ask = () => (seen() ? tell(seen().startTime) : requestAnimationFrame(ask));
    ask();
})"""


def by_nbconvert(run: Path, folder: Path) -> list[Path]:
    """Convert the executed notebooks of a run as `jupyter nbconvert --to html` does."""
    from nbconvert import HTMLExporter

    made = []
    for notebook in sorted(run.glob("*/notebook.ipynb")):
        html, _ = HTMLExporter().from_filename(str(notebook))
        made.append(folder / f"{notebook.parent.name}.html")
        made[-1].write_text(html, encoding="utf-8")
    return made


def by_evidently(run: Path, folder: Path) -> list[Path]:
    """Let Evidently draw the drift between the run's test rows and its production rows; nothing where it is not."""
    python = os.environ.get("BENCH_EVIDENTLY_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import evidently"], capture_output=True, check=False).returncode:
        return []
    import pandas as pd

    tables = {name: pd.read_parquet(run / "data" / f"{name}.parquet") for name in ("test", "production")}
    paths = []
    for name, rows in tables.items():
        paths.append(folder / f"{name}.csv")
        rows.drop(columns=["_row", "_target"]).to_csv(paths[-1], index=False)
    out = folder / "evidently.html"
    ended = subprocess.run(
        [python, "-c", EVIDENTLY, *map(str, paths), str(out)], capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"Evidently: {ended.stderr[-2000:]}")
    return [out]


def painted(browser: Any, page: Path) -> tuple[float, int]:
    """Open a page once, as a new visitor without a network; return milliseconds to its first paint and requests."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    asked: list[str] = []
    context.route(re.compile(r"^https?:"), lambda route: (asked.append(route.request.url), route.abort()))
    shown = context.new_page()
    shown.goto(page.as_uri())
    milliseconds = float(shown.evaluate(PAINT))
    context.close()
    return milliseconds, len(asked)


def _lines(rivals: dict[str, Sequence[Path]], browser: Any, rounds: int) -> Iterator[str]:
    """Measure the rivals in turn; of several pages the slowest counts."""
    times: dict[str, list[float]] = {name: [] for name in rivals}
    asked = dict.fromkeys(rivals, 0)
    for _ in range(rounds if browser else 0):
        for name, pages in rivals.items():
            seen = [painted(browser, page) for page in pages]
            times[name].append(max(milliseconds for milliseconds, _ in seen))
            asked[name] = sum(requests for _, requests in seen)
    sizes = {name: sum(page.stat().st_size for page in pages) for name, pages in rivals.items()}
    own = next(iter(sizes.values()))
    for name, size in sizes.items():
        drawn = [f"{statistics.median(times[name]):9.0f}", f"{min(times[name]):7.0f}"] if times[name] else ["", ""]
        yield f"{name:58} {size / 1000:9,.0f} {size / own:7.1f} {asked[name]:9} {' '.join(drawn)}"


def figures(report: Path) -> str:
    """Return what the figures of a report weigh."""
    text = report.read_text(encoding="utf-8")
    drawn = re.findall(r'<svg(?: viewBox="[^"]*")? version="1\.1".*?</svg>', text, re.DOTALL)
    sizes = sorted(len(drawing.encode()) for drawing in drawn)
    if not sizes:
        return "no figures"
    kilobytes = [size / 1000 for size in sizes]
    spread = f"median {statistics.median(kilobytes):.1f}, largest {kilobytes[-1]:.1f}"
    return f"{len(sizes)} figures, {sum(kilobytes):.0f} kB: {spread}"


def measure(folder: Path, *, rounds: int, project: Path) -> str:
    """Return the table for the latest run of a project."""
    folder.mkdir(parents=True, exist_ok=True)
    runs = project / "runs"
    return compared(runs / (runs / "latest").read_text(encoding="utf-8").strip(), folder, rounds=rounds)


def compared(run: Path, folder: Path, *, rounds: int) -> str:
    """Return the table for one run."""
    report = run / "report.html"
    rivals: dict[str, Sequence[Path]] = {"mlopskit's report": [report]}
    rivals["nbconvert, the same seven notebooks"] = by_nbconvert(run, folder)
    if theirs := by_evidently(run, folder):
        rivals["Evidently, drift of one table"] = theirs
    lines = [f"{'':58} {'kB':>9} {'ratio':>7} {'fetches':>9} {'paint ms':>9} {'min':>7}"]
    if CHROMIUM.exists():
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
            painted(browser, report)  # the browser warms up
            lines.extend(_lines(rivals, browser, rounds))
            browser.close()
    else:
        lines.extend(_lines(rivals, None, rounds))
    if not theirs:
        lines.append("Evidently is not installed, so there is nothing to compare with: set BENCH_EVIDENTLY_PYTHON")
    return "\n".join([*lines, f"{figures(report)}; asked for: at most {LARGEST / 1000:,.0f} kB and {PAINTED} ms"])
