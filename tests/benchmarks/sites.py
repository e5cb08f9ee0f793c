"""A site of 500 runs: how long it takes to build it, to bring it up to date, and to see it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from timing import Rival, compare

RUNS = 500
CHROMIUM = Path("/usr/bin/chromium")
MEASURED = ["value", "low", "high"]
READ = ("scope/project.json", "evaluate/metrics.parquet", "slices_and_bias/groups.parquet")
"""What a site reads of a run beside its manifest, traces, notebooks and figures."""

ANEW = """
import subprocess, sys, time
from pathlib import Path
if Path("site").exists():
    Path("site").rename(f"site-{time.time_ns()}")
for late in Path("runs").glob("2100*"):
    late.rename(Path("late", late.name))
subprocess.run([sys.executable, "-m", "mlopskit", "site", "--out", "runs"], check=True)
"""

ONE_NEW = """
import subprocess, sys
from pathlib import Path
for late in Path("late").iterdir():
    late.rename(Path("runs", late.name))
subprocess.run([sys.executable, "-m", "mlopskit", "site", "--out", "runs"], check=True)
"""


def shelf(run: Path, place: Path) -> None:
    """Lay down `RUNS` runs of the form of one in `place`/runs, and one more in `place`/late, no two alike.

    Each has a date, a status, a headline, criteria, tables of metrics and figures of its own, of the size of the one's,
    and its trace and manifest say so. Every other artefact has a content of its own too, as far as those two tell:
    nothing reads it. The report is copied, because a build copies it; notebooks are shared.
    """
    chance = random.Random(0)
    said = json.loads((run / "run.json").read_text(encoding="utf-8"))
    told = {path.parent.name: path.read_text(encoding="utf-8") for path in sorted(run.glob("*/trace.jsonl"))}
    for number in range(RUNS + 1):
        day, minute = f"{number // 28 % 12 + 1:02d}{number % 28 + 1:02d}", f"{number % 60:02d}"
        year, shelf = ("2099", "runs") if number < RUNS else ("2100", "late")
        folder = place / shelf / f"{year}{day}T00{minute}00Z-{number:06x}"
        shutil.copytree(run, folder, copy_function=os.link)
        renamed = _varied(folder, shift := chance.gauss(0, 0.01))
        for phase, text in told.items():
            _own(folder / phase / "trace.jsonl", _traced(text, renamed, folder=folder))
        moved = _moved(said, shift) | {
            "run": folder.name,
            "started": f"{year}-{day[:2]}-{day[2:]}T00:{minute}:00.000Z",
            "status": chance.choice(["passed", "criteria-not-met"]),
        }
        text = json.dumps(moved, indent=2)
        for old, new in renamed.items():
            text = text.replace(old, new)
        _own(folder / "run.json", text)
        shutil.copyfile(run / "report.html", _freed(folder / "report.html"))


def _varied(folder: Path, shift: float) -> dict[str, str]:
    """Give a run figures and tables of metrics of its own; return old hash → new hash of everything in its traces."""
    renamed = {}
    for trace in folder.glob("*/trace.jsonl"):
        for record in map(json.loads, trace.read_text(encoding="utf-8").splitlines()):
            for old in {record["sha256"], record["digest"]} - {""}:
                renamed[old] = hashlib.sha256(f"{old} {folder.name}".encode()).hexdigest()
    for path in [*folder.glob("*/*.svg"), *(folder / name for name in READ)]:
        if not path.exists():
            continue
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        if path.suffix == ".svg":
            _own(path, path.read_text(encoding="utf-8").replace("</title>", f" ({folder.name})</title>", 1))
        elif path.suffix == ".json":
            _own(path, path.read_text(encoding="utf-8") + "\n")
        else:
            table = pd.read_parquet(path)
            table[MEASURED] += shift
            table.to_parquet(_freed(path), index=False)
        renamed[before] = hashlib.sha256(path.read_bytes()).hexdigest()
    return renamed


def _traced(text: str, renamed: dict[str, str], *, folder: Path) -> str:
    records = [json.loads(line) for line in text.splitlines()]
    for record in records:
        record |= {name: renamed.get(record[name], record[name]) for name in ("sha256", "digest")}
        if record["op"] in ("read", "write") and (folder / record["name"]).is_file():
            record["bytes"] = (folder / record["name"]).stat().st_size
    return "".join(json.dumps(record) + "\n" for record in records)


def _moved(said: dict[str, Any], shift: float) -> dict[str, Any]:
    """Shift the headline and the criteria, whose reasons say their figures in words."""

    def one(row: dict[str, Any]) -> dict[str, Any]:
        figures = {name: row[name] + shift for name in MEASURED if row.get(name) is not None}
        words = {"reason": f"{figures['value']:.3f}: {row['reason']}"} if row.get("reason") and figures else {}
        return row | figures | words

    return said | {"headline": one(said["headline"]), "criteria": [one(row) for row in said["criteria"]]}


def _freed(path: Path) -> Path:
    """Take a shared file away, so that what is written there is this run's alone."""
    path.unlink()
    return path


def _own(path: Path, text: str) -> None:
    _freed(path).write_text(text, encoding="utf-8")


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
    shelf(run, place)
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
