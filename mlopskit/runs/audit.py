"""What a kernel does to files, hosts and variables, noted as it happens, as far as Python tells (PEP 578)."""

from __future__ import annotations

import glob
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import unquote

from mlopskit.runs.modules import is_installed

LOADED = (".pyc", ".so")
"""Files that hold code as it is loaded, which nobody reads."""

_WRITING = os.O_WRONLY | os.O_RDWR
_IMPORTING = ("<frozen importlib", "/importlib/", "/importlib_metadata/", "/pkgutil.py", "/pkg_resources/")
"""Whose listing of a folder is a search for modules, which the key knows."""

_ENVIRON = {os._Environ.get.__code__.co_filename, os.getenv.__code__.co_filename}
_POOL = "/concurrent/futures/thread.py"
_PACKAGE = Path(__file__).parents[1]


class Seen:
    """What was seen so far in this process."""

    def __init__(self) -> None:
        self.began = time.time()
        self.files: dict[str, bool] = {}  # path → whether it was opened to be written
        self.changed: dict[str, str] = {}  # path → what was done to it
        self.patterns: set[str] = set()
        self.hosts: set[str] = set()
        self.named: set[str] = set()
        self.variables: dict[str, bytes | None] = {}  # as they were when the kernel started
        self.listens = True
        self._ports: set[int] = set()
        self._does: dict[str, Callable[..., None]] = {
            "open": self._open,
            "sqlite3.connect": self._database,
            "glob.glob": self._glob,
            "pathlib.Path.glob": self._glob_below,
            "pathlib.Path.rglob": lambda folder, pattern: self._glob_below(folder, f"**/{pattern}"),
            "os.listdir": self._list,
            "os.scandir": self._list,
            "os.rename": self._rename,
            "os.remove": self._remove,
            "os.rmdir": self._remove,
            "os.mkdir": lambda path, _, place: self._make_folder(path, place),
            "socket.connect": self._connect,
        }

    def begin(self) -> None:
        """See to it that all is noted from now on; there is no way back."""
        sys.addaudithook(self.note)
        os.environ._data = _Variables(os.environ._data, self.variables)  # type: ignore[attr-defined]

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an audit event; it must raise nothing, and is called for each of thousands."""
        if self.listens and (does := self._does.get(event)) is not None:
            with suppress(Exception):
                does(*arguments)

    def _open(self, path: Any, mode: Any, flags: Any) -> None:
        self._file(path, writing=bool(flags & _WRITING) if isinstance(flags, int) else mode != "r")

    def _file(self, path: Any, *, writing: bool) -> None:
        path = _text(path)
        if path and not path.endswith(LOADED):
            full = absolute(path)
            self.files[full] = writing or self.files.get(full, False)

    def _database(self, name: Any, *_: Any) -> None:
        """Note the file of an SQLite database, which may be told as an address or lie in memory."""
        name = _text(name)
        path = unquote(name.removeprefix("file:").partition("?")[0]) if name.startswith("file:") else name
        if path != ":memory:" and "mode=memory" not in name:
            self._file(path, writing=False)

    def _glob(self, pattern: Any, *_: Any) -> None:
        if isinstance(pattern, str):
            self.patterns.add(absolute(pattern))

    def _glob_below(self, folder: Any, pattern: Any, *_: Any) -> None:
        self.patterns.add(absolute(f"{glob.escape(str(folder))}/{pattern}"))

    def _list(self, folder: Any = None, *_: Any) -> None:
        if isinstance(folder, str | bytes | os.PathLike | None) and not _is_search(sys._getframe(2)):
            self.patterns.add(f"{glob.escape(absolute(os.fsdecode(folder or '.')))}/*")

    def _rename(self, source: Any, target: Any, from_place: int, to_place: int) -> None:
        if os.path.lexists(_at(source, from_place)):
            self._remove(source, from_place)
            self.files[_at(target, to_place)] = True

    def _remove(self, path: Any, place: int) -> None:
        full = _at(path, place)
        was_made = self.files.pop(full, False) or self.changed.pop(full, "") == "made"
        if os.path.lexists(full) and not was_made:
            self.changed[full] = "removed"

    def _make_folder(self, path: Any, place: int) -> None:
        full = _at(path, place)
        if not os.path.lexists(full):
            self.changed[full] = "made"

    def _connect(self, _: Any, address: Any) -> None:
        if isinstance(address, tuple) and address and isinstance(address[0], str) and _is_of_a_cell(sys._getframe(2)):
            host, port = address[0], address[1]
            if not _is_loopback(host):
                self.hosts.add(host)
            elif port not in self._ports:
                self._ports.add(port)
                if _is_served_by_another(port):
                    self.hosts.add(f"{host}:{port}")


class _Variables(dict[bytes, bytes]):
    """The variables of the environment, and which of them a cell or a module of the project looked for."""

    def __init__(self, variables: dict[bytes, bytes], found: dict[str, bytes | None]) -> None:
        super().__init__(variables)
        self._found, self._given = found, variables
        self._set: set[bytes] = set()
        self._copied: tuple[object, int] | None = None

    def __getitem__(self, name: bytes) -> bytes:
        asks = _who_asks(sys._getframe(1))
        if name not in self._set and _is_own(asks.f_code.co_filename) and (asks.f_code, asks.f_lineno) != self._copied:
            self._found[os.fsdecode(name)] = self._given.get(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[bytes]:
        asks = _who_asks(sys._getframe(1))
        # All that is taken there is passed on, to a process that is started.
        self._copied = (asks.f_code, asks.f_lineno)
        return super().__iter__()

    def __setitem__(self, name: bytes, value: bytes) -> None:
        self._set.add(name)
        super().__setitem__(name, value)


def _who_asks(frame: FrameType) -> FrameType:
    while frame.f_back is not None and frame.f_code.co_filename in _ENVIRON:
        frame = frame.f_back
    return frame


def _text(path: Any) -> str:
    return os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""


def _at(path: Any, place: int) -> str:
    """Return where a path leads that starts from an open folder, or from the working directory if that is none."""
    start = Path(f"/proc/self/fd/{place}").readlink() if place >= 0 else Path()
    return absolute(str(start / _text(path)))


def absolute(path: str) -> str:
    """Return where a path leads from the working directory."""
    try:
        return os.path.normpath(os.path.join(os.getcwd(), path))  # noqa: PTH109, PTH118  called for each file
    except OSError:  # the working directory is gone
        return path


def _is_search(frame: FrameType) -> bool:
    """Tell whether a folder is listed to find modules, or what fits a pattern, which is noted by itself."""
    file, name = frame.f_code.co_filename.replace(os.sep, "/"), frame.f_code.co_name
    fits = file.endswith("/glob.py") or ("/pathlib" in file and name not in {"iterdir", "walk"})
    return fits or any(part in file for part in _IMPORTING)


def _is_of_a_cell(frame: FrameType | None) -> bool:
    """Tell whether a cell asks: what libraries report home from threads of their own is no source."""
    if threading.current_thread() is threading.main_thread():
        return True
    while frame is not None:
        file = frame.f_code.co_filename
        if _is_own(file) or file.replace(os.sep, "/").endswith(_POOL):
            return True
        frame = frame.f_back
    return False


def _is_own(file: str) -> bool:
    """Tell whether code is that of a cell or of a module of the project."""
    return not (file.startswith(("<", str(_PACKAGE))) or is_installed(file))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _is_served_by_another(port: int) -> bool:
    """Tell whether who listens on a port of this machine is neither this process nor one that it started."""
    import psutil  # type: ignore[import-untyped]

    own = {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}
    listening = (item for item in psutil.net_connections("inet") if item.status == psutil.CONN_LISTEN)
    return any(item.laddr.port == port and item.pid not in own for item in listening)
