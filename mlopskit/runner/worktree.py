"""What git has of a project: the files that it would take, and their content as staged.

Where there is no git, or no repository, there is nothing to say.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlopskit.errors import UsageError


def tracked(project: Path) -> set[str] | None:
    """Return the files below `project` that are committed or staged, relative to it; None outside a repository."""
    return _names(project, "ls-files", "-z")


def untracked(project: Path) -> set[str]:
    """Return the files below `project` that git does not have, and does not ignore."""
    return _names(project, "ls-files", "-z", "--others", "--exclude-standard") or set()


def staged(folder: Path) -> list[str]:
    """Return the files below `folder` that the next commit changes, relative to it.

    Raises
    ------
    UsageError
        Outside a repository.
    """
    found = _names(folder, "diff", "--cached", "--name-only", "-z", "--relative", "--diff-filter=ACMR")
    if found is None:
        raise UsageError(f"{folder} is in no git repository, so nothing is staged. Leave out --staged.")
    return sorted(found)


def staged_content(folder: Path, name: str) -> bytes | None:
    """Return the content of a file as the next commit would hold it; None when git does not have it."""
    return _git(folder, "cat-file", "blob", f":./{name}")


def _names(folder: Path, *arguments: str) -> set[str] | None:
    said = _git(folder, *arguments)
    return None if said is None else {name for name in said.decode("utf-8", "surrogateescape").split("\0") if name}


def _git(folder: Path, *arguments: str) -> bytes | None:
    command: Sequence[str] = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
