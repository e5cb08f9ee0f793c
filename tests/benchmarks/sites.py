"""A site of 500 runs: how long it takes to build it, to bring it up to date, and to see it."""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from timing import Rival, compare

RUNS = 500
CHROMIUM = Path("/usr/bin/chromium")

ANEW = """
import shutil, subprocess, sys
shutil.rmtree("site", ignore_errors=True)
subprocess.run([sys.executable, "-m", "mlopskit", "site", "--out", "runs"], check=True)
"""

ONE_NEW = """
import os, subprocess, sys
from pathlib import Path
manifest = max(Path("runs").glob("*/run.json"))
os.utime(manifest)
subprocess.run([sys.executable, "-m", "mlopskit", "site", "--out", "runs"], check=True)
"""


def shelf(run: Path, runs: Path) -> Path:
    """Lay down `RUNS` runs that have the files of one, each with a manifest, a date and figures of its own."""
    said = json.loads((run / "run.json").read_text(encoding="utf-8"))
    chance = random.Random(0)
    for number in range(RUNS):
        day, minute = f"{number // 28 % 12 + 1:02d}{number % 28 + 1:02d}", f"{number % 60:02d}"
        folder = runs / f"2099{day}T00{minute}00Z-{number:06x}"
        shutil.copytree(run, folder, copy_function=os.link, ignore=shutil.ignore_patterns("run.json"))
        told = said | {"run": folder.name, "started": f"2099-{day[:2]}-{day[2:]}T00:{minute}:00.000Z"}
        told["status"] = chance.choice(["passed", "criteria-not-met"])
        if isinstance(said.get("headline"), dict):
            shift = chance.gauss(0, 0.01)
            moved = {name: said["headline"][name] for name in ("value", "low", "high")}
            told["headline"] = said["headline"] | {
                name: None if item is None else item + shift for name, item in moved.items()
            }
        (folder / "run.json").write_text(json.dumps(told, indent=2), encoding="utf-8")
    return runs


def finished(folder: Path) -> Path:
    """Run the income example once and return its run folder."""
    command = [sys.executable, "-m", "mlopskit"]
    subprocess.run([*command, "new", str(folder), "--example", "income"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*command, "run", "--project", str(folder)], check=False, stdout=subprocess.DEVNULL)
    return folder / "runs" / (folder / "runs" / "latest").read_text(encoding="utf-8").strip()


def measure(folder: Path, *, rounds: int, project: Path | None = None) -> str:
    """Return the table; `project` has a finished run, else the income example is run once."""
    if project is None:
        run = finished(folder / "site-project")
    else:
        run = project / "runs" / (project / "runs" / "latest").read_text(encoding="utf-8").strip()
    place = folder / "site-shelf"
    shelf(run, place / "runs")
    command = [sys.executable, "-m", "mlopskit", "site", "--out", "runs"]
    rivals = [
        Rival(f"mlopskit site, {RUNS} runs, all new", [sys.executable, "-c", ANEW], place),
        Rival(f"mlopskit site, {RUNS} runs, one new", [sys.executable, "-c", ONE_NEW], place),
        Rival(f"mlopskit site, {RUNS} runs, nothing new", command, place),
    ]
    table = compare(rivals, rounds=rounds)
    return f"{table}\n{_size(place / 'site')}\n{_first_view(place / 'site' / 'index.html', rounds=rounds)}"


def _size(site: Path) -> str:
    index = (site / "index.html").stat().st_size / 1e3
    details = statistics.median(path.stat().st_size for path in site.glob("runs/*/run.js")) / 1e3
    return f"index.html {index:.0f} kB; what is loaded of a run that is compared {details:.0f} kB"


def _first_view(page: Path, *, rounds: int) -> str:
    """Return the first paint and the end of loading from disk, in a browser started for each."""
    if not CHROMIUM.exists():
        return "first view: Chromium is not there"
    from playwright.sync_api import sync_playwright

    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    seen = []
    with sync_playwright() as playwright:
        for _ in range(rounds):
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=flags)
            tab = browser.new_page()
            tab.goto(page.as_uri())
            seen.append(
                tab.evaluate(
                    "[performance.getEntriesByName('first-contentful-paint')[0].startTime,"
                    " performance.timing.loadEventEnd - performance.timing.navigationStart]"
                )
            )
            browser.close()
    paint, loaded = (statistics.median(column) for column in zip(*seen, strict=True))
    return f"first view in Chromium: painted after {paint:.0f} ms, usable after {loaded:.0f} ms (medians)"
