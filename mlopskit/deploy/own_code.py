"""The project's own estimators in a bundle: their modules travel with it, and only the types it names are trusted.

A candidate ``mine:Tree`` is a class in the project's ``mine.py``. A model that holds it can be loaded only where that
module can be imported, so the module, and what it imports from the project, is copied to ``code/`` and hashed like the
rest. The imports are read from the source, so that finding them runs nothing.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.errors import DeployError

CODE = "code"


def own_modules(project: Path, types: Iterable[str]) -> dict[str, Path]:
    """Return the files of the project that define `types`, with all that they import from the project.

    Parameters
    ----------
    project : Path
        The folder with ``mlops.toml``.
    types : iterable of str
        Full names of classes, as ``mine.models.Tree``.

    Returns
    -------
    dict of str to Path
        Path relative to the project, with slashes → file; sorted. A type that the project does not define, but an
        installed package does, adds none.
    """
    found: dict[str, Path] = {}
    waiting = sorted(name.rpartition(".")[0] for name in types)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for file in _files_of(project, name):
            found[file.relative_to(project).as_posix()] = file
            waiting += _imports(file, project)
    return dict(sorted(found.items()))


def _files_of(project: Path, module: str) -> Iterator[Path]:
    """Yield the module's file and the ``__init__.py`` of every package that it lies in; nothing outside the project."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        place = project.joinpath(*parts[:depth])
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                yield file
                break


def _imports(file: Path, project: Path) -> list[str]:
    """List the modules that a file may import, relative ones resolved; names taken from a module may be modules too."""
    package = list(file.parent.relative_to(project).parts)
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), filename=str(file))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*home, *([node.module] if node.module else [])])
            found += [start, *(f"{start}.{alias.name}" if start else alias.name for alias in node.names)]
    return [name for name in found if name and name.partition(".")[0] != "mlopskit"]  # the server has it anyway


def own_packages(files: Mapping[str, Path], project: Path) -> list[str]:
    """List the installed distributions that the project's own modules import, sorted."""
    tops = {name.partition(".")[0] for file in files.values() for name in _imports(file, project)}
    homes = metadata.packages_distributions() if tops else {}  # it reads every distribution: a quarter of a second
    return sorted({home for top in tops for home in homes.get(top, ())})


def unlisted(folder: Path, files: Iterable[str]) -> list[str]:
    """List the files under ``code/`` that the manifest does not name: nothing there runs unless it was hashed."""
    present = {item.relative_to(folder).as_posix() for item in (folder / CODE).rglob("*") if item.is_file()}
    return sorted(present - set(files))


def load_own(folder: Path, path: Path, facts: Mapping[str, Any]) -> Any:
    """Load a model of the bundle, trusting exactly the own types that its manifest names.

    Raises
    ------
    DeployError
        When another module of that name has been imported in this process, so that other code would run.
    UntrustedModelError
        When the file holds any type beyond those.
    """
    types = [str(name) for name in facts.get("own_types", [])]
    if types:
        _import_from(folder / CODE, [name.rpartition(".")[0] for name in types], facts["files"])
    return artefacts.load_model(path, also_trust=types)


def _import_from(code: Path, modules: Iterable[str], files: Mapping[str, str]) -> None:
    """Import modules from the bundle, leaving no bytecode in it: the folder stays as it was hashed."""
    if str(code) not in sys.path:
        sys.path.insert(0, str(code))
    writes, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        for name in dict.fromkeys(modules):
            importlib.import_module(name)
    finally:
        sys.dont_write_bytecode = writes
    for file, digest in files.items():
        name = file.removeprefix(f"{CODE}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        loaded = getattr(sys.modules.get(name), "__file__", None) if file.startswith(f"{CODE}/") else None
        if loaded and (not Path(loaded).is_file() or artefacts.digest(Path(loaded)) != digest):
            raise DeployError.from_other_module(name, loaded)
