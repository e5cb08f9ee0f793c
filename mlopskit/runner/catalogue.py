"""The runs of a project, as their manifests tell them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlopskit.errors import RunError
from mlopskit.runner import manifest, marks
from mlopskit.runner.findings import gravest, is_met
from mlopskit.runs.presence import is_running


@dataclass(frozen=True)
class Summary:
    """One run in a list.

    Attributes
    ----------
    name, status, started : str
        As in the manifest; ``running`` while a process works on it, ``damaged`` when its manifest cannot be read.
    seconds : float
        Wall time.
    met, criteria : int
        Acceptance criteria met, and asked for.
    alerts : int
        Alerts that monitoring raised.
    headline : str
        The first figure of the evaluation, with its interval.
    latest : bool
        True for the run that ``latest`` names.
    tags : tuple of str
        Words that people gave it, sorted.
    pinned : bool
        True for a run that is never pruned.
    """

    name: str
    status: str
    started: str = ""
    seconds: float = 0.0
    met: int = 0
    criteria: int = 0
    alerts: int = 0
    headline: str = ""
    latest: bool = False
    tags: tuple[str, ...] = ()
    pinned: bool = False


def list_runs(runs: Path) -> list[Summary]:
    """Return the runs in a folder, newest first; what is not a run is passed over.

    A damaged ``marks.json`` leaves tags and pins out; `marks.read` tells what is wrong with it.
    """
    latest, marked = latest_name(runs), marks_of(runs)
    return [_summary(folder, latest, marked) for folder in reversed(list_folders(runs))]


def summarise(folder: Path) -> Summary:
    """Return one run as `list_runs` lists it."""
    return _summary(folder, latest_name(folder.parent), marks_of(folder.parent))


def latest_name(runs: Path) -> str:
    """Return the run that ``latest`` names, empty when there is none."""
    return _pointed_at(runs / "latest")


def begun_last(runs: Path) -> Path | None:
    """Return the run that began last, however it ended, as ``begun`` names it: a clock set back gives older names."""
    folders = list_folders(runs)
    named = [folder for folder in folders if folder.name == _pointed_at(runs / "begun")]
    return next(iter([*named, *folders[-1:]]), None)


def newest_first(runs: Path) -> list[Path]:
    """Return the run folders, the one begun last first; later names than its are from a clock that was set back."""
    folders = list_folders(runs)[::-1]
    last = begun_last(runs)
    return sorted(folders, key=lambda folder: last is not None and folder.name > last.name)


def _pointed_at(pointer: Path) -> str:
    return pointer.read_text(encoding="utf-8", errors="replace").strip() if pointer.is_file() else ""


def marks_of(runs: Path) -> Mapping[str, marks.Marks]:
    """Return the marks of all runs, none when their file is damaged: `mlopskit tag` tells what is wrong with it."""
    with suppress(RunError):
        return marks.read(runs)
    return {}


def list_folders(runs: Path) -> list[Path]:
    """Return the run folders, oldest first by name."""
    return sorted((path.parent for path in runs.glob("*/run.json")), key=lambda path: path.name)


def choose(
    found: Sequence[Summary],
    *,
    statuses: Collection[str] = (),
    tags: Collection[str] = (),
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    pinned: bool = False,
    limit: int | None = None,
) -> list[Summary]:
    """Return the runs that fit, in the order given.

    Parameters
    ----------
    found : sequence of Summary
        From `list_runs`.
    statuses : collection of str
        Any of these; empty for all.
    tags : collection of str
        All of these.
    since, until : datetime, optional
        When the run began: from `since` on, before `until`.
    pinned : bool
        True for pinned runs only.
    limit : int, optional
        The first so many of those that fit.
    """
    fitting = [
        item
        for item in found
        if (not statuses or item.status in statuses)
        and set(tags) <= set(item.tags)
        and (since is None or _began(item.name, item.started) >= since)
        and (until is None or _began(item.name, item.started) < until)
        and (item.pinned or not pinned)
    ]
    return fitting[:limit]


def began(folder: Path, said: Mapping[str, Any]) -> dt.datetime:
    """Return when a run began, UTC: by its manifest, else by its name, else by when its ``run.json`` was written."""
    found = _began(folder.name, str(said.get("started", "")))
    if found != _UNKNOWN:
        return found
    return dt.datetime.fromtimestamp((folder / manifest.FILE).stat().st_mtime, dt.UTC)


_UNKNOWN = dt.datetime.min.replace(tzinfo=dt.UTC)


def _began(name: str, started: str) -> dt.datetime:
    for text in (started, name.partition("-")[0]):
        with suppress(ValueError, OverflowError):
            found = dt.datetime.fromisoformat(text)
            return found.astimezone(dt.UTC) if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return _UNKNOWN


def _summary(folder: Path, latest: str, marked: Mapping[str, marks.Marks]) -> Summary:
    try:
        found = _told(folder)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # not JSON, or not in the form of a manifest
        found = Summary(folder.name, "damaged")
    own = marked.get(folder.name, marks.Marks())
    is_latest = folder.name == latest and found.status != "damaged"
    return replace(found, latest=is_latest, tags=own.tags, pinned=own.pinned)


def _told(folder: Path) -> Summary:
    said = manifest.load(folder)
    judged = gravest(said.get("criteria", [])).values()
    ended = all(entry.get("status", "done") in manifest.ENDED_WELL for entry in said.get("phases", []))
    return Summary(
        folder.name,
        "running" if is_running(folder) else str(said.get("status", "damaged")),
        str(said.get("started", "")),
        float(said.get("seconds") or 0),
        sum(is_met(item) for item in judged),
        len(judged) if ended else max(len(judged), _asked(folder)),
        len(said.get("alerts", [])),
        headline_text(said.get("headline")),
    )


def _asked(folder: Path) -> int:
    """Count the criteria that the project file asked for: a run that did not get as far has judged fewer."""
    with suppress(OSError, ValueError, TypeError):
        return len(json.loads((folder / "scope" / "criterion.json").read_text(encoding="utf-8")))
    return 0


def headline_text(headline: dict[str, Any] | None) -> str:
    """Write a headline fact with its interval.

    Examples
    --------
    >>> headline_text({"label": "ROC AUC", "value": 0.8312, "low": 0.82, "high": 0.841})
    'ROC AUC 0.831 [0.820, 0.841]'
    """
    if not headline:
        return ""
    text = f"{headline['label']} {headline['value']:.3f}"
    if headline.get("low") is None or headline.get("high") is None:
        return text
    return f"{text} [{headline['low']:.3f}, {headline['high']:.3f}]"


def find_run(runs: Path, name: str) -> Path:
    """Return a run folder by name, unambiguous beginning or end of a name, path, or ``latest``.

    Raises
    ------
    RunError
        When there is none, or more than one.
    """
    existing = list_folders(runs)
    if name == "latest":
        name = latest_name(runs) or name
        if name == "latest" and existing:
            raise RunError.from_no_latest(newest_first(runs)[0].name)
    if (Path(name) / manifest.FILE).is_file():
        return Path(name).resolve()
    exact = [folder for folder in existing if folder.name == name]
    found = exact or [folder for folder in existing if folder.name.startswith(name) or folder.name.endswith(name)]
    if len(found) > 1:
        raise RunError(
            f"{name!r} fits {len(found)} runs: {', '.join(folder.name for folder in found)}. Give more of it."
        )
    if not found:
        raise RunError.from_unknown_run(name, [folder.name for folder in reversed(existing)])
    return found[0]
