"""Marks: the tags and pins that people give to runs.

A finished run is never changed, so what is said about it later lies outside its folder: in ``runs/marks.json``, run
name → ``tags`` and ``pinned``. Whoever changes it holds a file lock from reading to writing, so that two at once lose
nothing. A file that cannot be read is never written over: it may be all that says which runs must stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.errors import RunError, UsageError

FILE = "marks.json"
LOCK = ".marks.lock"
_TAG = re.compile(r"[\w.:/=+@-]{1,64}")
_Entries = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Marks:
    """What people said about one run.

    Attributes
    ----------
    tags : tuple of str
        Sorted.
    pinned : bool
        True for a run that is never pruned.
    """

    tags: tuple[str, ...] = ()
    pinned: bool = False


def read(runs: Path) -> dict[str, Marks]:
    """Return the marks of the runs in a folder, by run name; runs without any are left out.

    Raises
    ------
    RunError
        When ``marks.json`` is damaged.
    """
    return {name: Marks(tuple(entry["tags"]), entry["pinned"]) for name, entry in _entries(runs).items()}


def tag(folder: Path, names: Collection[str], *, remove: bool = False) -> Marks:
    """Add tags to a run, or take them off, and return its marks.

    Raises
    ------
    UsageError
        For a tag that is not one plain word.
    RunError
        When ``marks.json`` is damaged, or the run has just been removed.
    """
    wrong = [name for name in names if not _TAG.fullmatch(name)]
    if wrong:
        raise UsageError(
            f"{wrong[0]!r} cannot be a tag: a tag is one word of at most 64 letters, digits and . : / = + @ _ -"
        )

    def change(entry: dict[str, Any]) -> None:
        kept = set(entry["tags"])
        entry["tags"] = sorted(kept - set(names) if remove else kept | set(names))

    return _change(folder, change)


def pin(folder: Path, *, pinned: bool = True) -> Marks:
    """Pin a run, so that it is never pruned, or unpin it, and return its marks.

    Raises
    ------
    RunError
        When ``marks.json`` is damaged, or the run has just been removed.
    """
    return _change(folder, lambda entry: entry.update(pinned=pinned))


def forget(runs: Path, names: Collection[str]) -> None:
    """Drop the marks of runs that are no more; the caller holds the lock."""
    entries = _entries(runs)
    left = {name: entry for name, entry in entries.items() if name not in names}
    if len(left) < len(entries):
        _save(runs, left)


@contextmanager
def locked(runs: Path) -> Iterator[None]:
    """Hold the lock of the marks of a runs folder; where there are no file locks, do nothing."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    # Never removed: somebody may be waiting for this very file.
    with (runs / LOCK).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _change(folder: Path, change: Callable[[dict[str, Any]], None]) -> Marks:
    runs = folder.parent
    with locked(runs):
        if not (folder / "run.json").is_file():
            raise RunError.from_unknown_run(folder.name, sorted(path.parent.name for path in runs.glob("*/run.json")))
        entries = _entries(runs)
        entry = entries.setdefault(folder.name, {"tags": [], "pinned": False})
        change(entry)
        if not entry["tags"] and not entry["pinned"]:
            del entries[folder.name]
        _save(runs, entries)
    return Marks(tuple(entry["tags"]), entry["pinned"])


def _save(runs: Path, entries: _Entries) -> None:
    artefacts.write_text(runs / FILE, artefacts.to_json(dict(sorted(entries.items()))))


def _entries(runs: Path) -> _Entries:
    path = runs / FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from None
    wrong = _wrong(said)
    if wrong:
        raise _damaged(path, wrong)
    return dict(said)


def _wrong(said: Any) -> str:
    """Say what in the file has not the form of marks."""
    if not isinstance(said, Mapping):
        return "it is not an object"
    for name, entry in said.items():
        tags = entry.get("tags") if isinstance(entry, Mapping) else None
        words = isinstance(tags, list) and all(isinstance(item, str) for item in tags)
        if not words or not isinstance(entry.get("pinned"), bool):
            return f"{name!r} has not the form {{'tags': [...], 'pinned': true or false}}"
    return ""


def _damaged(path: Path, why: str) -> RunError:
    return RunError(
        f"{path} is damaged ({why}): tags and pins are not known. Nothing is removed or marked before it is put right: "
        "correct it by hand, or move it away to begin without tags and pins."
    )
