"""What a phase computes with, as one key: its code, its parameters and everything installed that could matter.

Two phases with equal keys that read equal things compute equal results. Markdown is not part of the key, nor are the
command line, the report and other notebooks.
"""

from __future__ import annotations

import hashlib
import json
import os
import site
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlopskit.notebooks import code_cells, source_of
from mlopskit.runner.installed import scan
from mlopskit.runner.surroundings import HASH_SEED, variables
from mlopskit.runs.modules import modules_on_path, project_modules
from mlopskit.share import share

_PACKAGE = Path(__file__).parents[1]
_NOT_COMPUTING = {str(_PACKAGE / "cli"), str(_PACKAGE / "runner" / "report")}
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
        Names and versions of all installed distributions, the files that change the path, which modules there are on
        it besides, and what the user has set for IPython and matplotlib.
    package : str
        Modules and data of mlopskit itself.
    project : str
        The project's own modules, and what it sets for matplotlib; those from elsewhere belong to what a phase reads.
    variables : str
        Language, time zone, threads and what else of the environment counts for every phase.
    """

    python: str
    installed: str
    package: str
    project: str
    variables: str


def fingerprint(project: Path) -> Fingerprint:
    """Take the fingerprint of interpreter, distributions, package and project as they are now."""
    searched = _searched(project)
    return Fingerprint(
        python=f"{sys.implementation.name} {sys.version} {sys.platform} {HASH_SEED}",
        installed=_hash([*scan(searched).entries, *modules_on_path(searched, project), *_of_the_user()]),
        package=_hash_files(_package_files(), _PACKAGE.parent),
        project=_hash_files(map(str, [*project_modules(project), *project.glob("matplotlibrc")]), project),
        variables=_hash(f"{name}={value}" for name, value in variables().items()),
    )


def phase_key(notebook: Mapping[str, Any], parameters: Mapping[str, Any], common: Fingerprint) -> str:
    """Return the key of a phase: SHA-256 of its code cells, resolved parameters and the common fingerprint."""
    code = [code_of(notebook["cells"][index]) for index in code_cells(notebook)]
    return _hash([json.dumps([code, dict(parameters), asdict(common)], sort_keys=True)])


def code_of(cell: Mapping[str, Any]) -> list[str]:
    """Return what counts of a code cell: its source, and the tags by which it is run otherwise."""
    return [source_of(cell), *sorted(_STEERING & set(cell.get("metadata", {}).get("tags", [])))]


def _searched(project: Path) -> list[str]:
    """Return where kernels of a project look for modules; what the caller added to its own path is no part of it."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sites = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    entries = [*("", *named), *sites, *(entry for place in sites for entry in _added_by(Path(place)))]
    return list(dict.fromkeys(os.path.normpath(project / entry) for entry in entries))


def _added_by(place: Path) -> Iterator[str]:
    """Yield the folders that the ``.pth`` files of a folder of distributions put on the path."""
    for file in filter(Path.is_file, sorted(place.glob("*.pth"))):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield str(place / line.rstrip())


def _of_the_user() -> Iterator[str]:
    """Yield what a user has each kernel execute when it starts, and each figure look like."""
    told = os.environ.get
    home = os.path.expanduser
    profile = Path(home(told("IPYTHONDIR") or "~/.ipython")) / "profile_default"
    figures = Path(home(told("MPLCONFIGDIR") or f"{told('XDG_CONFIG_HOME') or '~/.config'}/matplotlib"))
    chosen = Path(told("MATPLOTLIBRC") or figures)  # the file, or where it lies
    for path in sorted([*profile.glob("*config.py"), *profile.glob("startup/*.*py"), chosen, chosen / "matplotlibrc"]):
        if path.is_file():
            yield f"{path.name} {_sha256(str(path))}"


def _package_files() -> Iterator[str]:
    for top in (_PACKAGE, share("templates/serving")):
        for folder, below, names in os.walk(top):  # hundreds of files at each start: as paths they cost twice as much
            below[:] = sorted(name for name in below if name != "__pycache__")
            if folder not in _NOT_COMPUTING:
                yield from (f"{folder}{os.sep}{name}" for name in sorted(names))
            else:
                below.clear()


def _hash_files(paths: Iterable[str], root: Path) -> str:
    start = f"{root}{os.sep}"
    return _hash(
        f"{path.removeprefix(start) if path.startswith(start) else Path(path).name} {_sha256(path)}" for path in paths
    )


def _sha256(path: str) -> str:
    with open(path, "rb") as file:  # noqa: PTH123
        return hashlib.sha256(file.read()).hexdigest()


def _hash(parts: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode(errors="surrogateescape"))
        whole.update(b"\0")
    return whole.hexdigest()
