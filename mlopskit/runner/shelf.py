"""The shelf: which runs may go, and removing them.

Rules say what may go; a run that is pinned, that ``latest`` or scratch names, that the project file names, that is
being made right now, or that a run which stays took results from, stays whatever the rules say. A run leaves by one
rename into a folder where nobody looks for runs, and is deleted there: whatever stops a removal, a run is whole or
gone, and what was left over is deleted the next time. Runs go before those that they took results from, so that at no
moment one is missing that executed what a run which is there copied.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlopskit.errors import RunError, UsageError
from mlopskit.runner import leftovers, marks
from mlopskit.runner.catalogue import began, list_folders
from mlopskit.runner.manifest import load
from mlopskit.runs.presence import is_running
from mlopskit.scope import PROJECT_FILE

REMOVED = ".removed"
"""Where runs lie while they are being deleted; one level deeper than runs, so that no search for runs finds them."""


@dataclass(frozen=True)
class Rules:
    """What may go: the runs that every rule given lets go.

    Attributes
    ----------
    keep : int or None
        All but the newest `keep` runs.
    older_than : timedelta or None
        Runs that began longer ago.
    to_size : int or None
        The oldest runs, until all runs together take at most so many bytes.
    """

    keep: int | None = None
    older_than: dt.timedelta | None = None
    to_size: int | None = None

    def __post_init__(self) -> None:
        if self.keep is None and self.older_than is None and self.to_size is None:
            raise UsageError("Say which runs may go: --keep 20, --older-than 30d or --to-size 5GB, or several of them.")
        if (self.keep or 0) < 0 or (self.to_size or 0) < 0:
            raise UsageError("A number of runs or a size to keep is zero or more.")


@dataclass(frozen=True)
class Shelved:
    """One run on the shelf.

    Attributes
    ----------
    folder : Path
        The run folder.
    began : datetime
        When it began, UTC.
    bytes : int
        Size of its files; blocks that it shares with other runs count here too.
    uses : frozenset of str
        The runs that executed what it took; not one, such as its base, that it was copied by way of.
    """

    folder: Path
    began: dt.datetime
    bytes: int
    uses: frozenset[str]

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.folder.name


@dataclass(frozen=True)
class Pruning:
    """What goes and what stays.

    Attributes
    ----------
    going : tuple of Shelved
        In the order in which they go.
    staying : tuple of Shelved
        All others, newest first.
    spared : mapping
        Run name → why it stays although the rules would let it go.
    leftovers : int
        Runs that an earlier removal did not get to delete.
    abandoned : tuple of str
        What a kill left half-made, and whose maker is gone (`mlopskit.runner.leftovers`).
    stuck : tuple of str
        Those of them that could not be removed.
    """

    going: tuple[Shelved, ...]
    staying: tuple[Shelved, ...]
    spared: Mapping[str, str]
    leftovers: int
    abandoned: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()


def plan_pruning(
    runs: Path, rules: Rules, *, project_file: Path | None = None, now: dt.datetime | None = None
) -> Pruning:
    """Tell what `prune` would remove; nothing is changed.

    Parameters
    ----------
    runs : Path
        The folder with the run folders.
    rules : Rules
        What may go.
    project_file : Path, optional
        ``mlops.toml``; a run whose name occurs in it stays.
    now : datetime, optional
        From when ages are counted.

    Raises
    ------
    RunError
        When ``marks.json`` is damaged, so that pins are not known.
    """
    shelved = sorted(map(_shelved, list_folders(runs)), key=lambda item: (item.began, item.name), reverse=True)
    protected = _protected(runs, shelved, project_file)
    may_go = _may_go(shelved, rules, now or dt.datetime.now(dt.UTC))
    going = _pick(shelved, may_go, protected, rules.to_size)
    names = {item.name for item in going}
    staying = tuple(item for item in shelved if item.name not in names)
    used = {name: item.name for item in reversed(staying) for name in item.uses}
    # A size asks for no run in particular: with enough room gained, the others stay of their own accord.
    enough = rules.to_size is not None and sum(item.bytes for item in staying) <= rules.to_size
    spared = {
        item.name: protected.get(item.name) or f"{used[item.name]} took results from it"
        for item in staying
        if item.name in may_go and not enough
    }
    abandoned = tuple(str(path.relative_to(runs)) for path in leftovers.find(runs))
    return Pruning(tuple(going), staying, spared, len(_leftovers(runs)), abandoned)


def prune(runs: Path, rules: Rules, *, project_file: Path | None = None, now: dt.datetime | None = None) -> Pruning:
    """Remove the runs that the rules let go, and what a removal or a kill left over; return what went and what stayed.

    Parameters
    ----------
    runs, rules, project_file, now
        As for `plan_pruning`.

    Raises
    ------
    RunError
        When ``marks.json`` is damaged (nothing is removed), or a run cannot be removed (no run is left half).
    """
    if not runs.is_dir():
        return Pruning((), (), {}, 0)
    with marks.locked(runs):
        pruning = plan_pruning(runs, rules, project_file=project_file, now=now)
        for item in pruning.going:  # all before the first is deleted, which takes time: no run may use one then
            _take_off(item.folder)
        marks.forget(runs, {item.name for item in pruning.going})
        _delete_leftovers(runs)
        for name in pruning.abandoned:
            leftovers.remove(runs / name)
    stuck = tuple(name for name in pruning.abandoned if (runs / name).exists())
    return replace(pruning, abandoned=tuple(name for name in pruning.abandoned if name not in stuck), stuck=stuck)


def _shelved(folder: Path) -> Shelved:
    try:
        said = load(folder)
    except (OSError, ValueError):
        said = {}
    return Shelved(folder, began(folder, said), _size(folder), _uses(said) - {folder.name})


def _uses(said: Mapping[str, Any]) -> frozenset[str]:
    """Return the runs that executed what a run copied; one that it was only copied by way of is not needed for it."""
    phases = said.get("phases")
    entries = [entry for entry in phases if isinstance(entry, Mapping)] if isinstance(phases, list) else []
    names = [entry.get("reused_from") for entry in entries]
    return frozenset(name for name in names if isinstance(name, str) and name)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # it went away while we looked
            total += path.lstat().st_size if path.is_symlink() or path.is_file() else 0
    return total


def _protected(runs: Path, shelved: Sequence[Shelved], project_file: Path | None) -> dict[str, str]:
    """Return why runs stay whatever the rules say, by name."""
    running = {item.name for item in shelved if is_running(item.folder)}  # first: latest names one that ends meanwhile
    marked = marks.read(runs)
    latest, base = (_text(runs / name).strip() for name in ("latest", "scratch/base"))
    project = _text(project_file) if project_file else ""
    verified = leftovers.verified_now(runs)
    found = {}
    for item in shelved:
        reasons = {
            "it is being made now": item.name in running,
            "it is being verified now": item.name in verified,
            "it is pinned": item.name in marked and marked[item.name].pinned,
            "latest names it": item.name == latest,
            "scratch reads from it": item.name == base,
            f"{PROJECT_FILE} names it": item.name in project,
        }
        first = next((reason for reason, holds in reasons.items() if holds), None)
        if first is not None:
            found[item.name] = first
    return found


def _text(path: Path) -> str:
    """Return what a file says, nothing when there is none; one that is there and cannot be read is an error."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _may_go(shelved: Sequence[Shelved], rules: Rules, now: dt.datetime) -> set[str]:
    """Return the runs that count and age let go; `shelved` is newest first."""
    old = shelved[rules.keep or 0 :]
    return {item.name for item in old if rules.older_than is None or now - item.began > rules.older_than}


def _pick(
    shelved: Sequence[Shelved], may_go: set[str], protected: Mapping[str, str], to_size: int | None
) -> list[Shelved]:
    """Take runs off, oldest first, each only when no run that is left took results from it."""
    left = {item.name: item for item in reversed(shelved)}
    users = {name: {item.name for item in shelved if name in item.uses} for name in left}
    total, going = sum(item.bytes for item in shelved), []
    while to_size is None or total > to_size:
        free = (item for name, item in left.items() if name in may_go and name not in protected and not users[name])
        item = next(free, None)
        if item is None:
            break
        del left[item.name]
        for using in users.values():
            using.discard(item.name)
        total -= item.bytes
        going.append(item)
    return going


def _leftovers(runs: Path) -> list[Path]:
    return sorted((runs / REMOVED).glob("*"))


def _delete_leftovers(runs: Path) -> None:
    for path in _leftovers(runs):
        _delete(path)


def _take_off(folder: Path) -> None:
    """Take a run off by one rename; what was taken off is deleted behind it."""
    hidden = folder.parent / REMOVED / folder.name
    try:
        hidden.parent.mkdir(exist_ok=True)
        folder.rename(hidden)
    except OSError as error:
        raise RunError(
            f"{folder.name} cannot be removed ({error.strerror}); it is still there, whole. "
            f"Make {folder.parent} writable, or remove the folder by hand."
        ) from None


def _delete(hidden: Path) -> None:
    try:
        shutil.rmtree(hidden)
    except OSError as error:
        raise RunError(
            f"{hidden.name} is off the list, but not all of it could be deleted ({error.strerror}: {error.filename}). "
            "Make that writable; the next `mlopskit prune --yes` deletes the rest."
        ) from None
    with suppress(OSError):  # others still lie there
        hidden.parent.rmdir()
