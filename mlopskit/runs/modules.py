"""Modules that a phase computes with: those of the project are part of every phase's key, others of who imported them.

What is installed counts by its version, which is part of the key as well, as is which modules there are on the path.
All else that a phase imported, be it from a folder that a cell put on the path, behind a link or through an import
hook, it has read like any other file.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_LEFT_OUT = {"runs", "node_modules", "__pycache__", "tests", "docs"}
_PLACES = (Path(os.__file__).parent, sysconfig.get_path("platstdlib"), Path(sys.base_prefix, "DLLs"))
_STANDARD = tuple(f"{place}{os.sep}" for place in _PLACES)
_SITES = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def is_installed(path: str) -> bool:
    """Tell whether a file or folder belongs to the standard library or to an installed distribution."""
    return path.startswith(_STANDARD) or any(site in f"{path}{os.sep}" for site in _SITES)


def project_modules(project: Path) -> Iterator[Path]:
    """Yield the Python files that notebooks of a project can import, hidden folders and environments left out.

    So are folders that notebooks seldom import from.
    """
    for path in sorted(project.iterdir()):
        if path.name.startswith(".") or path.name in _LEFT_OUT or path == _PACKAGE:
            continue
        if path.is_file() and path.suffix == ".py":
            yield path
        elif path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from (found for found in sorted(path.rglob("*.py")) if _can_be_imported(found))


def foreign_modules(project: Path) -> list[str]:
    """Return the files of the modules of this process that no key knows, as paths relative to the project."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    found = {os.path.normpath(file) for file in files if isinstance(file, str) and not is_installed(file)}
    found = {file for file in found if not file.startswith(f"{_PACKAGE}{os.sep}") and Path(file).is_file()}
    known = {str(path) for path in project_modules(project)} if found else set()
    return sorted(_seen_from(project, file) for file in found - known)


def modules_on_path(path: Iterable[str], project: Path) -> Iterator[str]:
    """Say of each folder of a path that is not installed which modules an import would find there, not what they are.

    So it counts where a phase would now find another module of a name, or one that it looked for in vain.
    """
    for entry in path:
        if Path(entry).exists() and not is_installed(f"{entry}{os.sep}"):
            yield ascii([_seen_from(project, entry), *(module.name for module in pkgutil.iter_modules([entry]))])


def _seen_from(project: Path, path: str) -> str:
    """Return a path relative to the project, or as it is where that is on another drive."""
    try:
        return os.path.relpath(path, project)
    except ValueError:
        return path


def _can_be_imported(path: Path) -> bool:
    """Leave out compiled files, and the twin that jupytext keeps of a notebook: it changes with its Markdown."""
    return "__pycache__" not in path.parts and not path.with_suffix(".ipynb").exists()
