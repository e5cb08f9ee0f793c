"""The runs of a project in one table, and what two of them differ in.

Read from manifests and from the marks that people gave; the comparison is that of ``mlopskit diff``, which is a process
of its own, as everything is that the runner knows.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from mlopskit.errors import RunError
from mlopskit.explore.overview import manifests, with_interval

COLUMNS = ["run", "began", "status", "headline", "value", "low", "high", "met", "criteria", "seconds", "tags"]
_DIGEST = re.compile(r"[0-9a-f]{40,}")
_PATIENCE = 120  # seconds; a comparison takes less than one
_WORSE = 3
_VERDICTS = {"noise": "inside the noise", "unknown": "cannot be told"}


def run_table(project: Path) -> pd.DataFrame:
    """List the runs of a project, newest first.

    Returns
    -------
    DataFrame
        run, began, status, headline (what the figure is), value, low, high, met (criteria met), criteria (how many
        there are), seconds, tags (comma-separated).
    """
    marks = _marks(project / "runs")
    rows = [_row(folder.name, manifest, marks.get(folder.name, ())) for folder, manifest in manifests(project)]
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype(dict.fromkeys(("value", "low", "high", "seconds"), "float64"))


def _row(name: str, manifest: Mapping[str, Any], tags: Any) -> dict[str, Any]:
    headline = manifest.get("headline") or {}
    judged = [str(entry.get("status")) for entry in manifest.get("criteria") or []]
    figures = {key: _number(headline.get(key)) for key in ("value", "low", "high")}
    began = str(manifest.get("started") or "")[:16].replace("T", " ")
    return {
        "run": name, "began": began, "status": str(manifest.get("status", "unknown")),
        "headline": str(headline.get("label") or ""), **figures, "met": judged.count("met"), "criteria": len(judged),
        "seconds": _number(manifest.get("seconds")), "tags": ", ".join(map(str, tags)),
    }  # fmt: skip


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _marks(runs: Path) -> dict[str, Any]:
    """Tags by run; what cannot be read is told by ``mlopskit runs``, not here."""
    try:
        entries = json.loads((runs / "marks.json").read_text(encoding="utf-8"))
        return {str(name): tuple(entry.get("tags", ())) for name, entry in entries.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def fitting(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the runs whose name, status, headline or tags hold all words of a text, in any case."""
    held = (table["run"] + " " + table["status"] + " " + table["headline"] + " " + table["tags"]).str.casefold()
    keep = pd.Series(data=True, index=table.index)
    for word in text.casefold().split():
        keep &= held.str.contains(word, regex=False)
    return table[keep]


def course(table: pd.DataFrame, headline: str) -> pd.DataFrame:
    """Return the runs that have a headline figure, oldest first."""
    return table[(table["headline"] == headline) & table["value"].notna()].iloc[::-1].reset_index(drop=True)


def compared(project: Path, before: str, after: str) -> dict[str, Any]:
    """Return what ``mlopskit diff --json`` says of two runs.

    Raises
    ------
    RunError
        When a run is not there, or they cannot be compared.
    """
    command = [sys.executable, "-m", "mlopskit", "diff", before, after, "--json", "--project", str(project)]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=_PATIENCE)
        found = json.loads(done.stdout) if done.returncode in {0, 1, _WORSE} else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        found = {}
    if not found:
        raise RunError(f"{before} and {after} could not be compared; `mlopskit diff {before} {after}` says why.")
    return dict(found)


def differences(found: Mapping[str, Any]) -> pd.DataFrame:
    """Lay a comparison out as rows: kind, what, before, after, verdict; what got worse first, then what explains it.

    Parameters
    ----------
    found : mapping
        As from `compared`. Measures that are equal are left out.
    """
    rows = [*_measures(found), *_changes(found)]
    return pd.DataFrame(rows, columns=["kind", "what", "before", "after", "verdict"])


def _measures(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    worsened = set(found.get("worsened", ()))
    for item in found.get("criteria", ()):
        name, before, after = item["name"], item["before"], item["after"]
        worse = f"criterion {name}: {before} → {after}" in worsened
        yield "criterion", name, before, after, "worse" if worse else "changed"
    headline = [found["headline"]] if found.get("headline") else []
    for kind, rows in (("metric", [*headline, *found.get("metrics", ())]), ("slice", found.get("slices", ()))):
        for row in rows:
            verdict = str(row["verdict"])
            if verdict == "equal" or (kind == "slice" and verdict != "worse"):
                continue
            where = " ".join(part for part in (row["metric"], row["slice"], row["group"]) if part)
            yield (
                kind,
                where,
                with_interval(row["before"]),
                with_interval(row["after"]),
                _VERDICTS.get(verdict, verdict),
            )


def _changes(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    kinds = ("phases", "parameters", "source", "environment", "distributions")
    for kind, name in zip(kinds, ("phase", "parameter", "source", "environment", "library"), strict=True):
        for item in found.get(kind, ()):
            yield name, str(item["name"]), _short(item["before"]), _short(item["after"]), "changed"
    for item in found.get("data", ()):
        columns = [f"+{name}" for name in item["columns_added"]] + [f"−{name}" for name in item["columns_removed"]]
        sides = [f"{item[key]:,} rows" if item[key] is not None else "–" for key in ("rows_before", "rows_after")]
        yield "data", " ".join([item["artefact"], *columns]), *sides, "changed"
    for item in found.get("code", ()):
        yield "code", f"{item['phase']}, cell {item['cell']}", "–", "–", str(item["kind"])


def _short(value: Any, longest: int = 40) -> str:
    text = "–" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if _DIGEST.fullmatch(text):
        return text[:12]
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
