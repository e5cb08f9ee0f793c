"""What `mlopskit check` found, written down; and what it says of single files, for a pre-commit hook."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlopskit.cli import words
from mlopskit.cli.output import Output
from mlopskit.errors import UsageError

if TYPE_CHECKING:
    from mlopskit.runner.health import Finding

_MARKS = {"issue": "✗", "open": "?", "note": "·"}


def examine_files(files: Sequence[str], *, fix: bool, staged: bool, output: Output) -> int:
    """Examine files, or what is staged, as they would be committed; nothing is said of data and environment.

    Raises
    ------
    UsageError
        For a file that is not there, or that is neither a notebook nor a project file.
    """
    from mlopskit.runner.hygiene import files_hygiene, relevant, strip_notebooks

    if fix and staged:
        raise UsageError("--fix changes files and --staged looks at what git holds: run --fix, git add, then --staged.")
    folder = Path.cwd()
    names = [Path(os.path.relpath(name)).as_posix() for name in files]
    other = [name for name in names if not relevant(name)]
    if other and not staged:
        raise UsageError(f"{other[0]} is neither a notebook nor mlops.toml. Name what is to be looked at.")
    stripped = strip_notebooks(folder, names) if fix else []
    return tell(files_hygiene(folder, names, staged=staged), stripped=stripped, questions=False, output=output)


def tell(findings: Sequence[Finding], *, stripped: Sequence[str], questions: bool = True, output: Output) -> int:
    """Write findings, one a line, and return the exit code: 1 when there is an issue."""
    issues = [finding for finding in findings if finding[0] == "issue"]
    asked = sum(kind == "open" for kind, _, _ in findings)
    changed = f"Stripped: {', '.join(map(words.safe, stripped))}. What git has stays until git add."
    counted = [f"{len(issues)} issue{'s' if len(issues) != 1 else ''}"]
    counted += [f"{asked} open question{'s' if asked != 1 else ''}"] if questions else []
    said = [{"kind": kind, "where": where, "text": text} for kind, where, text in findings]
    output.give(
        {"issues": len(issues), "open_questions": asked, "findings": said, "stripped": list(stripped)},
        [*([changed] if stripped else []), *_lines(findings), f"{', '.join(counted)}."],
        brief=_lines(issues),
    )
    return 1 if issues else 0


def _lines(findings: Sequence[Finding]) -> list[str]:
    said: list[str] = []
    for kind, where, text in findings:
        first, *rest = text.splitlines() or [""]
        said.append(f"{_MARKS[kind]} {words.safe(where)}: {words.safe(first)}")
        said += [f"  {words.safe(line)}" for line in rest]
    return said
