"""What `mlopskit check` found, written down; and what it says of single files, for a pre-commit hook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import typer

from mlopskit.cli import words
from mlopskit.errors import UsageError

_MARKS = {"issue": "✗", "open": "?", "note": "·"}


def examine_files(files: Sequence[str], *, fix: bool, staged: bool) -> int:
    """Examine files, or what is staged, as they would be committed; nothing is said of data and environment.

    Raises
    ------
    UsageError
        For a file that is not there, or that is neither a notebook nor a project file.
    """
    from mlopskit.runner.hygiene import files_hygiene, relevant

    if fix and staged:
        raise UsageError("--fix changes files and --staged looks at what git holds: run --fix, git add, then --staged.")
    folder = Path.cwd()
    names = [Path(os.path.relpath(name)).as_posix() for name in files]
    other = [name for name in names if not relevant(name)]
    if other and not staged:
        raise UsageError(f"{other[0]} is neither a notebook nor mlops.toml. Name what is to be looked at.")
    if fix:
        strip(folder, names)
    return tell(files_hygiene(folder, names, staged=staged), questions=False)


def strip(folder: Path, names: Sequence[str]) -> None:
    """Strip notebooks and say which changed."""
    from mlopskit.runner.hygiene import strip_notebooks

    changed = strip_notebooks(folder, names)
    if changed:
        typer.echo(f"Stripped: {', '.join(map(words.safe, changed))}. What git has stays until git add.")


def tell(findings: Sequence[tuple[str, str, str]], *, questions: bool = True) -> int:
    """Write findings, one a line, and return the exit code: 1 when there is an issue."""
    issues = sum(kind == "issue" for kind, _, _ in findings)
    for kind, where, text in findings:
        lines = text.splitlines() or [""]
        typer.echo(f"{_MARKS[kind]} {words.safe(where)}: {words.safe(lines[0])}")
        for line in lines[1:]:
            typer.echo(f"  {words.safe(line)}")
    asked = sum(kind == "open" for kind, _, _ in findings)
    counted = [f"{issues} issue{'s' if issues != 1 else ''}"]
    counted += [f"{asked} open question{'s' if asked != 1 else ''}"] if questions else []
    typer.echo(f"{', '.join(counted)}.")
    return 1 if issues else 0
