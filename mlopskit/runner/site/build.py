"""A folder of runs becomes a site, and a site that is there takes in only what is new."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlopskit.errors import RunError
from mlopskit.runner.catalogue import latest_name, list_folders, marks_of
from mlopskit.runner.site import pages, state
from mlopskit.runner.site.beside import beside
from mlopskit.runner.site.drawings import Drawings
from mlopskit.runner.site.entries import Entry, fingerprint
from mlopskit.runner.site.making import INDEX, Making
from mlopskit.runner.site.state import Known

MANY = 40
"""So many runs take longer to make than a second process takes to start."""


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
        reason = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
        raise RunError(
            f"The site cannot be written to {into} ({reason}). Mend that, or name another with --into."
        ) from None


def _build(runs: Path, into: Path, *, prune: bool) -> Built:
    before, maker = state.load(into), pages.maker()
    making = Making(runs, into, Drawings.open(into))
    names = [folder.name for folder in list_folders(runs)]
    built: dict[str, str] = {}
    for name in names:
        made_from, known = f"{maker} {fingerprint(runs / name)}", before.get(name)
        if known is None or known.made_from != made_from or not known.stands(making.place(name), making.drawings.there):
            built[name] = made_from
    made = _made(making, built)
    after = {name: known for name in names if (known := made.get(name) or before.get(name))}
    gone = tuple(sorted(set(before) - set(after)))
    if not prune:
        after |= {name: before[name] for name in gone}
    state.save(into, after)
    _write_index(runs, into, [known.entry for known in after.values()], gone=gone)
    if prune:
        for name in gone:
            shutil.rmtree(making.place(name), ignore_errors=True)
    making.drawings.sweep(*({name for known in shelf.values() for name in known.figures} for shelf in (before, after)))
    kept = tuple(name for name in names if name not in built)
    return Built(
        into / INDEX, tuple(name for name in built if name in made), kept, () if prune else gone, gone if prune else ()
    )


def _made(making: Making, wanted: Mapping[str, str]) -> dict[str, Known]:
    """Make pages; of many runs a second process makes half, and what that leaves undone is done here.

    A run that is removed meanwhile is left out.
    """
    half = dict(list(wanted.items())[1::2]) if len(wanted) >= MANY else {}
    with beside(making.runs, making.into, half) as theirs:
        made = making.each({name: wanted[name] for name in wanted if name not in half})
        made |= theirs()
    return made | making.each({name: half[name] for name in half if name not in made})


def _write_index(runs: Path, into: Path, entries: list[Entry], *, gone: tuple[str, ...]) -> None:
    text = pages.index(entries, marked=marks_of(runs), latest=latest_name(runs), gone=frozenset(gone))
    if state.put(into / INDEX, text):
        with (into / INDEX).open("rb") as file:
            os.fsync(file.fileno())
