"""What cells read and change past their `Run`: it counts all the same, as far as it can be told.

A cell that calls ``pd.read_csv("data/rates.csv")`` depends on that file whether or not it asked `Run` for it. Python
tells which files it opens and what it does to them (PEP 578), and what a cell names is taken for read: files, patterns,
folders of columnar files, and what is not there. The engines that open files by themselves (Parquet, DuckDB, another
program) are told nothing of. What is neither opened by Python nor named in a cell is not seen; read it through `Run`.
"""

from __future__ import annotations

import ast
import glob
import os
import re
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from mlopskit.runs.audit import LOADED, Seen, absolute
from mlopskit.runs.modules import is_installed, project_modules
from mlopskit.scope import PROJECT_FILE
from mlopskit.share import share

_COLUMNAR = (".parquet", ".pq", ".arrow", ".feather", ".orc")
"""Files that are read by engines of their own, whole folders of them at once."""

_MISSED = re.compile(
    r"""[^*?<>|"':]*\w\.(?:csv|tsv|txt|json|jsonl|ndjson|toml|ya?ml|ini|cfg|conf|xml|parquet|pq|arrow|feather|orc|avro"""
    r"""|h5|hdf5|nc|npy|npz|pkl|pickle|joblib|skops|onnx|xlsx?|ods|db|sqlite3?|duckdb|sql|gz|bz2|xz|zst|zip|flag)"""
)
"""A text that names a file, whether or not there is one."""

_LONGEST = 10_000
"""Characters of a text in a cell that may still name files."""

_MOST = 50_000
"""Files of a pattern or a folder that are looked at."""

_SYSTEM = (
    "/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/bin", "/run", "/var/cache", "/var/lib", "/var/run",
)  # fmt: skip
"""Folders that belong to the machine or to nobody, where they are not the project's."""

_ASIDE = {".git", ".ipynb_checkpoints", ".venv", ".tox", ".nox", ".jupyter", ".ipython", ".config", ".local"}
"""Hidden folders that belong to a tool, where they are in a project; so are those whose name ends in ``cache``."""

_KERNELS = re.compile(
    r"(?:JPY_|MLOPSKIT_|PYDEVD_).*|PYTHONHASHSEED|MPLBACKEND|TERM|CLICOLOR(?:_FORCE)?|FORCE_COLOR|(?:GIT_)?PAGER"
)
"""Variables that a kernel gets or sets by itself."""

_SECRET_NAME = re.compile(r"(?i)token|secret|passw|passphrase|credential|private|(?:^|_)(?:api)?key(?:$|_)")
_SECRET_VALUE = re.compile(rb"://[^/@\s]*:[^/@\s]*@")
"""How variables are called, or look, whose value must not be kept, not even as a hash that could be guessed at."""


_seen: Seen | None = None


def watch() -> None:
    """See to it that from now on what this process opens is noted; there is no way back, and it is done once."""
    global _seen
    if _seen is None:
        _seen = Seen()
        _seen.begin()


def note_cell(source: str) -> None:
    """Note what a cell names: any word in one of its texts may be a file that something opens unseen."""
    if _seen is not None:
        texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
        for text in texts:
            if isinstance(text, str) and len(text) < _LONGEST:
                _seen.named.update({text, *re.split(r"""[\s'"`=;,()\[\]]+""", text)} - {""})


def past(project: Path, run: Path, known: Collection[Path]) -> list[tuple[str, str]]:
    """Return what cells read and changed, sorted: an op of the trace with what it is about.

    Parameters
    ----------
    project, run : Path
        The project, and the folder of the run that is being made.
    known : collection of Path
        Files and folders that were asked for by `Run`.
    """
    if _seen is None:
        return []
    with unheard():
        ours = (run.parent, Path(__file__).parents[1], share("templates"), *known)
        hosts = (("live", host) for host in sorted(_seen.hosts))
        return [*_past(project, ours), *hosts, *_of_runs(run), *_of_variables()]


@contextmanager
def unheard() -> Iterator[None]:
    """Do what is no cell's doing, of which nothing is noted."""
    before = _seen is not None and _seen.listens
    try:
        if _seen is not None:
            _seen.listens = False
        yield
    finally:
        if _seen is not None:
            _seen.listens = before


def value_of(name: str) -> str | None:
    """Return what a variable was when the kernel started."""
    value = None if _seen is None else _seen.variables.get(name)
    return None if value is None else os.fsdecode(value)


def _of_variables() -> Iterator[tuple[str, str]]:
    assert _seen is not None  # noqa: S101  its only caller asked
    for name, value in sorted(_seen.variables.items()):
        if not _KERNELS.fullmatch(name):
            is_secret = _SECRET_NAME.search(name) or _SECRET_VALUE.search(value or b"")
            yield ("live", f"variable {name}") if is_secret else ("env", name)


def _past(project: Path, ours: Collection[Path]) -> Iterator[tuple[str, str]]:
    assert _seen is not None  # noqa: S101  its only caller asked
    named, patterns = _named(project, ours)
    keyed = {str(path) for path in project_modules(project)}
    for file, written in sorted({**dict.fromkeys(named, False), **_seen.files}.items()):
        if file not in keyed and _counts(path := Path(file), project, ours):
            yield from _told(path, _name(path, project), written=written)
    for file, change in sorted(_seen.changed.items()):
        if _counts(path := Path(file), project, ours) and path.exists() == (change == "made"):
            yield "effect", f"{change} {_name(path, project)}"
    for pattern in sorted({*_seen.patterns, *patterns}):
        if _counts(path := Path(pattern), project, ours):
            yield "listing", _name(path, project)


def _of_runs(run: Path) -> Iterator[tuple[str, str]]:
    """Yield what was opened in runs: an artefact of this one is a read, another run may be another next time."""
    assert _seen is not None  # noqa: S101  its only caller asked
    for file in sorted(file for file, written in _seen.files.items() if not written):
        parts = Path(file).relative_to(run.parent).parts if Path(file).is_relative_to(run.parent) else ()
        if len(parts) > 2 and parts[0] == run.name:
            yield "read", f"{parts[1]}/{parts[2]}"
        elif len(parts) > 2 and (run.parent / parts[0] / "run.json").exists():
            yield "live", f"run {parts[0]}"


def _named(project: Path, ours: Collection[Path]) -> tuple[set[str], set[str]]:
    """Return the files that cells name, there or not, and the patterns: in one piece, or as a folder and what is in it.

    The files of a pattern are among them, and the columnar ones of a folder, which engines read as one table.
    """
    assert _seen is not None  # noqa: S101  its only caller asked
    plain = {text for text in _seen.named if not glob.has_magic(text)}
    places = {os.path.normpath(project / text) for text in plain}
    folders = [place for place in places if os.path.isdir(place)]  # noqa: PTH112
    within = [place for place in folders if place.startswith(f"{project}{os.sep}")]
    places |= {os.path.normpath(f"{folder}{os.sep}{text}") for folder in within for text in plain}
    files = {place for place in places if _is_file(place) or _is_missed(place, project)}
    patterns = {f"{glob.escape(folder)}/**/*" for folder in folders if _may_be_table(Path(folder), project, ours)}
    found = {pattern: [file for file in _matching(pattern) if file.endswith(_COLUMNAR)] for pattern in patterns}
    for text in _seen.named - plain:
        start, _, rest = text.partition("/")  # a pattern alone is one below a folder that only the program knows
        if rest and start and not glob.has_magic(start):
            pattern = absolute(f"{glob.escape(str(project))}/{text}")
            found[pattern] = [file for file in _matching(pattern) if _is_file(file)]
    files |= {file for matching in found.values() for file in matching}
    data = {file for file in files if not file.endswith((*LOADED, PROJECT_FILE))}  # that is read table by table
    return data, {pattern for pattern, matching in found.items() if matching}


def _is_missed(place: str, project: Path) -> bool:
    named = place.removeprefix(f"{project}{os.sep}")
    return " " not in named and _MISSED.fullmatch(named) is not None and not os.path.lexists(place)


def _matching(pattern: str) -> Iterable[str]:
    return islice(glob.iglob(pattern, recursive=True), _MOST)  # noqa: PTH207  names, not paths: there may be many


def _may_be_table(folder: Path, project: Path, ours: Collection[Path]) -> bool:
    """Tell whether a folder that a cell names may hold a table in many files: not one that all lies in."""
    return not project.is_relative_to(folder) and len(folder.parts) > 2 and _counts(folder, project, ours)


def _told(path: Path, name: str, *, written: bool) -> Iterator[tuple[str, str]]:
    """Say what became of a file: one that was made and removed again is nothing, one that is not there was missed."""
    assert _seen is not None  # noqa: S101  its only caller asked
    if not name.isprintable():  # the trace is text
        yield "live", ascii(name)
    elif written and path.exists() and not path.is_dir():
        yield "effect", f"wrote {name}"
    elif not written and _is_file(str(path)):
        by_engine = str(path) not in _seen.files and path.stat().st_mtime > _seen.began
        yield ("effect", f"wrote {name}") if by_engine else ("source", name)
    elif not written and not path.exists():
        yield "missing", name


def _is_file(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)  # noqa: PTH113


def _name(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def _counts(path: Path, project: Path, ours: Collection[Path]) -> bool:
    return _is_of_interest(path, project) and not _is_in(path, ours)


def _is_in(path: Path, places: Collection[Path]) -> bool:
    whole = path.resolve()
    return any(path.is_relative_to(place) or whole.is_relative_to(place) for place in places)


def _is_of_interest(path: Path, project: Path) -> bool:
    """Tell whether a path is data: not of what is installed or of the machine, nor in a hidden folder of a tool."""
    if path.is_relative_to(project):
        return not any(
            part in _ASIDE or part.endswith("cache") for part in path.relative_to(project).parts if part[0] == "."
        )
    of_machine = (*_SYSTEM, sys.prefix, sys.base_prefix, tempfile.gettempdir())
    is_hidden = any(part.startswith(".") for part in path.parts)
    return not (is_hidden or is_installed(str(path)) or any(path.is_relative_to(place) for place in of_machine))
