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
            yield from _below(path)


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


def _below(top: Path) -> Iterator[Path]:
    """Yield the modules of a folder, but not jupytext's twin of a notebook, which changes with its Markdown."""
    for folder, below, names in os.walk(top):
        below[:] = sorted(name for name in below if name != "__pycache__")
        twins = {f"{name.removesuffix('.ipynb')}.py" for name in names if name.endswith(".ipynb")}
        modules = sorted({name for name in names if name.endswith(".py")} - twins)
        yield from filter(Path.is_file, (Path(folder, name) for name in modules))  # editors leave dead links
