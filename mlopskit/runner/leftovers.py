"""Leftovers: what a kill left half-made among the runs, and whose maker is gone.

A verification works in a hidden folder that it holds locked; a file is written beside its place under a name of its
own; a run folder is made before its manifest. A kill can leave each of these. None is ever listed as a run, and none
holds anything that was finished.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mlopskit.runs import presence

VERIFY = ".verify-"
"""How the folders begin that verifications work in."""
KEPT = "kept"
"""The file in such a folder that says: somebody asked to keep it."""
OF = "of"
"""The file in such a folder that names the run which is verified."""
_PART = ".*.part"
_PATIENCE = 3600.0
"""Seconds after which what has no lock counts as left: writing a file takes moments."""


def find(runs: Path, *, now: float | None = None) -> list[Path]:
    """Return what was left half-made in a folder of runs, sorted; what somebody works on is never among it."""
    moment = time.time() if now is None else now
    places = [path for path in runs.glob(f"{VERIFY}*") if not (path / KEPT).exists() and not _in_use(path, moment)]
    parts = [path for pattern in (_PART, f".cache/{_PART}") for path in runs.glob(pattern)]
    return sorted([*places, *(path for path in [*parts, *_empty(runs)] if _is_old(path, moment))])


def verified_now(runs: Path) -> set[str]:
    """Return the names of the runs that are being verified."""
    moment = time.time()
    return {_text(path / OF) for path in runs.glob(f"{VERIFY}*") if _in_use(path, moment)}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # it went away while we looked
        return ""


def remove(path: Path) -> None:
    """Delete one of them; what cannot be deleted is found again the next time."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _in_use(place: Path, moment: float) -> bool:
    """Tell whether somebody works in a folder; where there are no file locks, whether it is new."""
    if (place / KEPT).exists():
        return False
    return presence.is_running(place) or (not _has_locks(place) and not _is_old(place, moment, days=1))


def _has_locks(place: Path) -> bool:
    try:
        import fcntl

        with (place / presence.FILE).open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True
    except (ImportError, OSError):
        return False
    return True


def _empty(runs: Path) -> Iterator[Path]:
    """Yield run folders in which nothing was ever written."""
    for folder in runs.glob("*Z-*"):
        if (
            folder.is_dir()
            and {item.name for item in folder.iterdir()} <= {presence.FILE}
            and not presence.is_running(folder)
        ):
            yield folder


def _is_old(path: Path, moment: float, *, days: int = 0) -> bool:
    try:
        return moment - path.stat().st_mtime > max(_PATIENCE, days * 86400)
    except OSError:  # it went away while we looked
        return False
