"""What a phase computes with, as one key: its code, its parameters and everything installed that could matter.

Two phases with equal keys that read equal things compute equal results. Markdown is not part of the key, nor are the
command line, the report and other notebooks.
"""

from __future__ import annotations

import hashlib
import json
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mlopskit.notebooks import code_cells, source_of
from mlopskit.runner.installed import scan
from mlopskit.runner.surroundings import HASH_SEED
from mlopskit.runs.trace import SELDOM_IMPORTED
from mlopskit.share import share

_PACKAGE = Path(__file__).parents[1]
_NOT_COMPUTING = (_PACKAGE / "cli", _PACKAGE / "runner" / "report")
_STEERING = {"skip-execution", "raises-exception"}
"""Tags by which nbclient runs a cell otherwise."""
_NOT_THE_PROJECTS = {"runs", "node_modules", "__pycache__", *SELDOM_IMPORTED}


@dataclass(frozen=True)
class Fingerprint:
    """What all phases of a run have in common; every field is a hash except `python`.

    Attributes
    ----------
    python : str
        Implementation, version and platform of the interpreter.
    installed : str
        Names and versions of all installed distributions, and the files that change the path.
    package : str
        Modules and data of mlopskit itself.
    project : str
        The project's own modules, and those of further folders on the path.
    """

    python: str
    installed: str
    package: str
    project: str


def fingerprint(project: Path) -> Fingerprint:
    """Take the fingerprint of interpreter, distributions, package and project as they are now."""
    return Fingerprint(
        python=f"{sys.implementation.name} {sys.version} {sys.platform} {HASH_SEED}",
        installed=_hash(scan().entries),
        package=_hash_files(_package_files(), _PACKAGE.parent),
        project=_hash_files(chain(project_modules(project), path_modules(project)), project),
    )


def phase_key(notebook: Mapping[str, Any], parameters: Mapping[str, Any], common: Fingerprint) -> str:
    """Return the key of a phase: SHA-256 of its code cells, resolved parameters and the common fingerprint."""
    cells = [notebook["cells"][index] for index in code_cells(notebook)]
    code = [[source_of(cell), *sorted(_STEERING & set(cell.get("metadata", {}).get("tags", [])))] for cell in cells]
    return _hash([json.dumps([code, dict(parameters), asdict(common)], sort_keys=True)])


def project_modules(project: Path) -> Iterator[Path]:
    """Yield the Python files that notebooks of a project can import, hidden folders and environments left out."""
    for path in sorted(project.iterdir()):
        if path.name.startswith(".") or path.name in _NOT_THE_PROJECTS or path == _PACKAGE:
            continue
        if path.is_file() and path.suffix == ".py":
            yield path
        elif path.is_dir() and not (path / "pyvenv.cfg").exists():
            yield from (found for found in sorted(path.rglob("*.py")) if _can_be_imported(found))


def path_modules(project: Path) -> Iterator[Path]:
    """Yield the Python files of folders that ``PYTHONPATH``, or what was installed from a folder, puts on the path."""
    known = [Path(sys.prefix), Path(sys.base_prefix), Path(site.getusersitepackages()), project.resolve()]
    for folder in dict.fromkeys(Path(entry).resolve() for entry in sys.path if entry):
        mine = folder in {Path.cwd(), _PACKAGE.parent} or any(folder.is_relative_to(place) for place in known)
        if folder.is_dir() and not mine:
            yield from project_modules(folder)


def _can_be_imported(path: Path) -> bool:
    """Leave out compiled files, and the twin that jupytext keeps of a notebook: it changes with its Markdown."""
    return "__pycache__" not in path.parts and not path.with_suffix(".ipynb").exists()


def _package_files() -> Iterator[Path]:
    for folder in (_PACKAGE, share("templates/serving")):
        for path in sorted(folder.rglob("*")):
            used = path.is_file() and "__pycache__" not in path.parts
            if used and not any(path.is_relative_to(part) for part in _NOT_COMPUTING):
                yield path


def _hash_files(paths: Iterable[Path], root: Path) -> str:
    return _hash(
        f"{path.relative_to(root) if path.is_relative_to(root) else path.name} "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in paths
    )


def _hash(parts: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode())
        whole.update(b"\0")
    return whole.hexdigest()
