"""What cells read and change past their `Run`: it counts all the same, as far as it can be told.

A cell that calls ``pd.read_csv("data/rates.csv")`` depends on that file whether or not it asked `Run` for it. Python
tells which files it opens (PEP 578), and a file that a cell names is taken for read: the engines that open files by
themselves (Parquet, DuckDB, another program) are told nothing of. What is neither opened by Python nor named in a cell
is not seen; read it through `Run`.
"""

from __future__ import annotations

import ast
import glob
import os
import re
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlopskit.runs.modules import is_installed
from mlopskit.scope import PROJECT_FILE
from mlopskit.share import share

_CODE = (".py", ".pyc", ".so", ".ipynb")
"""What counts as code, in a key or among the modules that were imported."""

_LONGEST = 10_000
"""Characters of a text in a cell that may still name files."""

_WRITING = os.O_WRONLY | os.O_RDWR
_SYSTEM = (
    "/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/lib64", "/bin", "/run", "/var/cache", "/var/lib", "/var/run",
)  # fmt: skip
"""Folders that belong to the machine or to nobody, where they are not the project's."""


class _Seen:
    """What was seen so far in this process."""

    def __init__(self) -> None:
        self.files: dict[str, bool] = {}  # path → whether it was opened to be written
        self.patterns: set[str] = set()
        self.folders: set[str] = set()
        self.hosts: set[str] = set()
        self.named: set[str] = set()

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event; it must raise nothing, and is called for each of thousands."""
        if event == "open":
            path, mode, flags = arguments
            self._file(path, writing=bool(flags & _WRITING) if isinstance(flags, int) else mode != "r")
        elif event == "sqlite3.connect":
            self._database(arguments[0])
        elif event == "glob.glob" and isinstance(arguments[0], str):
            self.patterns.add(_full(arguments[0]))
        elif event == "pathlib.Path.glob":
            self.patterns.add(_full(f"{arguments[0]}/{arguments[1]}"))
        elif event in {"os.listdir", "os.scandir"} and isinstance(arguments[0], str | os.PathLike | None):
            self.folders.add(_full(os.fsdecode(arguments[0] or ".")))
        elif event == "socket.connect" and threading.current_thread() is threading.main_thread():
            self._host(arguments[1])  # what libraries report home from threads of their own is no source

    def _file(self, path: Any, *, writing: bool) -> None:
        path = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        if path and not path.endswith(_CODE):
            full = _full(path)
            self.files[full] = writing or self.files.get(full, False)

    def _database(self, name: Any) -> None:
        """Note the file of an SQLite database, which may be told as an address or lie in memory."""
        name = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else ""
        path = unquote(name.removeprefix("file:").partition("?")[0]) if name.startswith("file:") else name
        if path != ":memory:" and "mode=memory" not in name:
            self._file(path, writing=False)

    def _host(self, address: Any) -> None:
        if isinstance(address, tuple) and address and isinstance(address[0], str):
            try:
                is_here = ip_address(address[0].partition("%")[0]).is_loopback
            except ValueError:
                is_here = address[0] == "localhost"
            if not is_here:
                self.hosts.add(address[0])


_seen: _Seen | None = None


def watch() -> None:
    """See to it that from now on what this process opens is noted; there is no way back, and it is done once."""
    global _seen
    if _seen is None:
        _seen = _Seen()
        sys.addaudithook(_seen.note)


def note_cell(source: str) -> None:
    """Note what a cell names: any word in one of its texts may be a file that something opens unseen."""
    if _seen is not None:
        texts = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
        for text in texts:
            if isinstance(text, str) and len(text) < _LONGEST:
                _seen.named.update({text, *re.split(r"""[\s'"`=;,()\[\]]+""", text)} - {""})


def past(project: Path, runs: Path, known: Collection[Path]) -> Iterator[tuple[str, str]]:
    """Yield what cells read and changed, sorted: an op of the trace with what it is about.

    Parameters
    ----------
    project, runs : Path
        The project, and the folder of its runs, what lies in which is `Run`'s to look after.
    known : collection of Path
        Files and folders that were asked for by `Run`.
    """
    if _seen is None:
        return
    ours = (runs, Path(__file__).parents[1], share("templates"), *known)
    files = {**dict.fromkeys(_named_files(project), False), **_seen.files}
    for file, written in sorted(files.items()):
        path = Path(file)
        if _is_of_interest(path, project) and not _is_in(path, ours):
            yield from _told(path, _name(path, project), written=written, lacking=path.is_relative_to(project))
    searched = {_full(entry) for entry in (*sys.path, *sys.path_importer_cache)}  # whoever imports lists these
    listed = {f"{glob.escape(folder)}/*" for folder in _seen.folders - searched}
    for pattern in sorted(_seen.patterns | listed):
        if _is_of_interest(Path(pattern), project) and not _is_in(Path(pattern), ours):
            yield "listing", _name(Path(pattern), project)
    yield from (("live", host) for host in sorted(_seen.hosts))


def _named_files(project: Path) -> Iterator[str]:
    """Yield the files that cells name: in one piece, or as a folder and what is in it."""
    assert _seen is not None  # noqa: S101  its only caller asked
    places = {os.path.normpath(project / text) for text in _seen.named}
    folders = [str(project), *filter(os.path.isdir, places)]
    places |= {os.path.normpath(f"{folder}{os.sep}{text}") for folder in folders for text in _seen.named}
    data = (place for place in places if not place.endswith((*_CODE, PROJECT_FILE)))  # that is read table by table
    yield from filter(_is_file, data)


def _told(path: Path, name: str, *, written: bool, lacking: bool) -> Iterator[tuple[str, str]]:
    """Say what became of a file: one that was made and removed again is nothing, one that is not there was missed."""
    if not name.isprintable():  # the trace is text
        yield "live", ascii(name)
    elif written and path.exists() and not path.is_dir():
        yield "effect", f"wrote {name}"
    elif not written and _is_file(str(path)):
        yield "source", name
    elif not written and lacking and not path.exists():
        yield "missing", name


def _full(path: str) -> str:
    try:
        return os.path.normpath(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118  called for each file
    except OSError:  # the working directory is gone
        return path


def _is_file(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.R_OK)  # noqa: PTH113


def _name(path: Path, project: Path) -> str:
    return path.relative_to(project).as_posix() if path.is_relative_to(project) else str(path)


def _is_in(path: Path, places: Collection[Path]) -> bool:
    whole = path.resolve()
    return any(path.is_relative_to(place) or whole.is_relative_to(place) for place in places)


def _is_of_interest(path: Path, project: Path) -> bool:
    """Tell whether a path is data: not of what is installed or of the machine, nor hidden."""
    if path.is_relative_to(project):
        return not any(part.startswith(".") for part in path.relative_to(project).parts)
    of_machine = (*_SYSTEM, sys.prefix, sys.base_prefix, tempfile.gettempdir())
    is_hidden = any(part.startswith(".") for part in path.parts)
    return not (is_hidden or is_installed(str(path)) or any(path.is_relative_to(place) for place in of_machine))
