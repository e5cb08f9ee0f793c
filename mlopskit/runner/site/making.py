"""The pages of one run, made from its folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlopskit.artefacts import replacing
from mlopskit.runner.manifest import FILE
from mlopskit.runner.site import pages, state
from mlopskit.runner.site.details import Shapes, details_of, script_of
from mlopskit.runner.site.drawings import Drawings
from mlopskit.runner.site.entries import COPIED, entry_of
from mlopskit.runner.site.reading import Reading
from mlopskit.runner.site.state import Known

INDEX = "index.html"
DETAILS = "run.js"
_DRAFT_SECONDS = 3600
"""A younger draft may be that of another build at work."""


@dataclass
class Making:
    """What makes pages of runs, one after the other.

    Attributes
    ----------
    runs, into : Path
        The folder that holds the run folders, and the site.
    drawings : Drawings
        The figures that the site has.
    """

    runs: Path
    into: Path
    drawings: Drawings
    _shapes: Shapes = field(default_factory=dict)

    def place(self, name: str) -> Path:
        """Return the folder of a run's pages."""
        return self.into / "runs" / name

    def each(self, wanted: Mapping[str, str]) -> dict[str, Known]:
        """Make the pages of some runs; `wanted` is run → what they are made from."""
        tried = {name: self._tried(name, made_from) for name, made_from in wanted.items()}
        return {name: known for name, known in tried.items() if known is not None}

    def _tried(self, name: str, made_from: str) -> Known | None:
        try:
            return self.one(name, made_from=made_from)
        except FileNotFoundError:
            if (self.runs / name / FILE).is_file():
                raise
            return None  # it was removed between two looks at it

    def one(self, name: str, *, made_from: str) -> Known | None:
        """Make the pages of one run; of one that is removed meanwhile, what the site has stays as it is."""
        folder, place = self.runs / name, self.place(name)
        run = Reading.open(folder)
        entry, figures = entry_of(run), self.drawings.of_run(run)
        details = script_of({**details_of(run, shapes=self._shapes), "figures": figures})
        if not (folder / FILE).is_file():
            return None
        place.mkdir(parents=True, exist_ok=True)
        for page in entry.files:
            _copy(folder / page, place / page)
        state.put(place / DETAILS, details)
        state.put(place / INDEX, pages.of_run(entry, run))
        kept = (*entry.files, DETAILS, INDEX)
        _sweep(place, kept)
        sizes = {page: (place / page).stat().st_size for page in kept}
        return Known(made_from, entry, sizes, self.drawings.sizes({file for file, _ in figures.values()}))


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
