"""What a phase computes with, as one key: its code, its parameters and everything installed that could matter.

Two phases with equal keys that read equal things compute equal results. Markdown is not part of the key, nor are the
command line, the report and other notebooks.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlopskit.notebooks import code_cells, source_of
from mlopskit.runner.installed import scan
from mlopskit.runner.surroundings import HASH_SEED
from mlopskit.runs.modules import modules_on_path, project_modules
from mlopskit.share import share

_PACKAGE = Path(__file__).parents[1]
_NOT_COMPUTING = (_PACKAGE / "cli", _PACKAGE / "runner" / "report")
_STEERING = {"skip-execution", "raises-exception"}
"""Tags by which nbclient runs a cell otherwise."""


@dataclass(frozen=True)
class Fingerprint:
    """What all phases of a run have in common; every field is a hash except `python`.

    Attributes
    ----------
    python : str
        Implementation, version and platform of the interpreter.
    installed : str
        Names and versions of all installed distributions, the files that change the path, and which modules there
        are on it besides.
    package : str
        Modules and data of mlopskit itself.
    project : str
        The project's own modules; those from elsewhere belong to what a phase reads.
    """

    python: str
    installed: str
    package: str
    project: str


def fingerprint(project: Path) -> Fingerprint:
    """Take the fingerprint of interpreter, distributions, package and project as they are now."""
    return Fingerprint(
        python=f"{sys.implementation.name} {sys.version} {sys.platform} {HASH_SEED}",
        installed=_hash([*scan(_path(project)).entries, *modules_on_path(_searched_first(project), project)]),
        package=_hash_files(_package_files(), _PACKAGE.parent),
        project=_hash_files(project_modules(project), project),
    )


def phase_key(notebook: Mapping[str, Any], parameters: Mapping[str, Any], common: Fingerprint) -> str:
    """Return the key of a phase: SHA-256 of its code cells, resolved parameters and the common fingerprint."""
    code = [code_of(notebook["cells"][index]) for index in code_cells(notebook)]
    return _hash([json.dumps([code, dict(parameters), asdict(common)], sort_keys=True)])


def code_of(cell: Mapping[str, Any]) -> list[str]:
    """Return what counts of a code cell: its source, and the tags by which it is run otherwise."""
    return [source_of(cell), *sorted(_STEERING & set(cell.get("metadata", {}).get("tags", [])))]


def _path(project: Path) -> list[str]:
    """Return where kernels of a project look for modules: first in it, where the caller's own folder stands here."""
    first, *others = sys.path
    callers = {"", str(Path.cwd()), os.path.dirname(os.path.realpath(sys.argv[0]))}  # noqa: PTH120
    return list(dict.fromkeys([str(project), *([] if first in callers else [first]), *filter(None, others)]))


def _searched_first(project: Path) -> list[str]:
    """Return the folders that kernels search before what is installed; what the caller added to its own path is not."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return list(dict.fromkeys(os.path.normpath(project / entry) for entry in ("", *named)))


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
