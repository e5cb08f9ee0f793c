"""A folder of runs becomes a site, and a site that is there takes in only what is new."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlopskit.artefacts import replacing
from mlopskit.errors import RunError
from mlopskit.runner import marks
from mlopskit.runner.catalogue import list_folders
from mlopskit.runner.site import pages, state
from mlopskit.runner.site.details import Shapes, details_of, script_of
from mlopskit.runner.site.drawings import Drawings
from mlopskit.runner.site.entries import COPIED, Entry, entry_of, fingerprint
from mlopskit.runner.site.reading import Reading
from mlopskit.runner.site.state import Known

INDEX = "index.html"
DETAILS = "run.js"
_DRAFT_SECONDS = 3600
"""A younger draft may be that of another build at work."""


@dataclass(frozen=True)
class Built:
    """What `build` did.

    Attributes
    ----------
    index : Path
        The page to open.
    built, kept : tuple of str
        Runs that were new or changed, and those that stand as they were.
    gone : tuple of str
        Runs whose folder is no more; their pages stay.
    pruned : tuple of str
        Runs whose folder is no more; their pages were removed.
    """

    index: Path
    built: tuple[str, ...]
    kept: tuple[str, ...]
    gone: tuple[str, ...]
    pruned: tuple[str, ...]


def build(runs: Path, into: Path, *, prune: bool = False) -> Built:
    """Write a static site of all runs, or bring one up to date.

    The index is written last: until then a reader sees the old site, whose pages are all there. A page is replaced in
    one step. What a run folder said is read again only when its ``run.json``, report or cards have changed.

    Parameters
    ----------
    runs : Path
        The folder that holds the run folders.
    into : Path
        The site: a new folder, an empty one, or a site.
    prune : bool
        True to remove the pages of runs that are no more; else they stay, with a word that says so.

    Raises
    ------
    RunError
        When the folder holds something else, or cannot be written to.
    """
    try:
        state.claim(into, runs)
        return _build(runs, into, prune=prune)
    except OSError as error:
        raise RunError(f"The site cannot be written to {into} ({error.strerror}). Name another with --into.") from None


def _build(runs: Path, into: Path, *, prune: bool) -> Built:
    before, maker = state.load(into), pages.maker()
    shapes: Shapes = {}
    drawings = Drawings.open(into)
    after: dict[str, Known] = {}
    built: list[str] = []
    for folder in list_folders(runs):
        name, place = folder.name, into / "runs" / folder.name
        made_from, known = f"{maker} {fingerprint(folder)}", before.get(folder.name)
        if known is None or known.made_from != made_from or not known.stands(place, drawings.there):
            known = _one(folder, place, made_from=made_from, shapes=shapes, drawings=drawings)
            built.append(name)
        after[name] = known
    gone = tuple(sorted(set(before) - set(after)))
    if not prune:
        after |= {name: before[name] for name in gone}
    state.save(into, after)
    _write_index(runs, into, [known.entry for known in after.values()], gone=gone)
    if prune:
        for name in gone:
            shutil.rmtree(into / "runs" / name, ignore_errors=True)
    drawings.sweep(*({name for known in shelf.values() for name in known.figures} for shelf in (before, after)))
    kept = tuple(name for name in after if name not in built and name not in gone)
    return Built(into / INDEX, tuple(built), kept, () if prune else gone, gone if prune else ())


def _one(folder: Path, place: Path, *, made_from: str, shapes: Shapes, drawings: Drawings) -> Known:
    """Make the pages of one run."""
    run = Reading.open(folder)
    entry, figures = entry_of(run), drawings.of_run(run)
    details = script_of({**details_of(run, shapes=shapes), "figures": figures})
    place.mkdir(parents=True, exist_ok=True)
    for name in entry.files:
        _copy(folder / name, place / name)
    state.put(place / DETAILS, details)
    state.put(place / INDEX, pages.of_run(entry, run))
    kept = (*entry.files, DETAILS, INDEX)
    _sweep(place, kept)
    sizes = {name: (place / name).stat().st_size for name in kept}
    return Known(made_from, entry, sizes, drawings.sizes({name for name, _ in figures.values()}))


def _sweep(place: Path, kept: tuple[str, ...]) -> None:
    """Remove a report that was taken back, and drafts of a build that was killed; what others put there stays."""
    for name in set(COPIED) - set(kept):
        (place / name).unlink(missing_ok=True)
    for draft in place.glob(".*.part"):
        with suppress(OSError):  # another build ends its own draft
            if time.time() - draft.stat().st_ctime > _DRAFT_SECONDS:
                draft.unlink()


def _copy(source: Path, target: Path) -> None:
    """Copy a page whole or not at all, unless it is there with the same size and time."""
    with suppress(OSError):
        there, here = target.stat(), source.stat()
        if (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns):
            return
    with replacing(target) as draft:
        shutil.copyfile(source, draft)
        with suppress(OSError):  # a shared drive that sets its own times
            shutil.copystat(source, draft)


def _write_index(runs: Path, into: Path, entries: list[Entry], *, gone: tuple[str, ...]) -> None:
    latest, marked = runs / "latest", {}
    with suppress(RunError):  # damaged marks: `mlopskit runs` tells what is wrong with them
        marked = marks.read(runs)
    newest = latest.read_text(encoding="utf-8").strip() if latest.is_file() else ""
    text = pages.index(entries, marked=marked, latest=newest, gone=frozenset(gone))
    if state.put(into / INDEX, text):
        with (into / INDEX).open("rb") as file:
            os.fsync(file.fileno())
