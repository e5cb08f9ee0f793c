"""What is installed beside the interpreter, read off the names of the folders that hold the metadata.

Reading the metadata itself of two hundred distributions takes half a second, their names a few milliseconds. A name
tells distribution and version; a file beside the metadata tells whether it came from an index or from somewhere else.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

_METADATA = (".dist-info", ".egg-info")
_ORIGIN = "direct_url.json"


@dataclass(frozen=True)
class Installed:
    """What an interpreter finds on its path.

    Attributes
    ----------
    entries : tuple of str
        Names of all metadata folders and ``.pth`` files, sorted.
    distributions : dict
        Distribution → version, sorted; of two with one name the first on the path, as an import takes it.
    local : dict
        Distribution that came from no index → ``editable``, ``folder``, ``file``, or the address of its repository
        or archive, without user and password.
    """

    entries: tuple[str, ...]
    distributions: dict[str, str]
    local: dict[str, str]


def scan(path: Sequence[str] | None = None) -> Installed:
    """Look through the folders of a path, `sys.path` by default."""
    entries: list[str] = []
    found: dict[str, tuple[str, Path]] = {}
    for item in _items(sys.path if path is None else path):
        entries.append(item.name)
        if item.suffix in _METADATA and not item.name.startswith("~"):  # pip's name for what it is about to remove
            name, version = _name_and_version(item)
            if name and version:
                found.setdefault(name, (version, item))
    distributions = {name: version for name, (version, _) in sorted(found.items())}
    origins = {name: _origin(found[name][1]) for name in distributions}
    return Installed(
        tuple(sorted(entries)), distributions, {name: origin for name, origin in origins.items() if origin}
    )


def canonical(name: str) -> str:
    """Return the name of a distribution in the form that all spellings share.

    Examples
    --------
    >>> canonical("Jupyter_Core")
    'jupyter-core'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def direct_origin(name: str) -> dict[str, Any]:
    """Return what is recorded here of where a distribution came from; empty for one from an index."""
    for item in _items(sys.path):
        if item.suffix in _METADATA and _name_and_version(item)[0] == name:
            return _direct(item)
    return {}


def _items(path: Sequence[str]) -> Iterator[Path]:
    for entry in path:
        folder = Path(entry or ".")
        if folder.is_dir():
            yield from sorted(item for item in folder.iterdir() if item.suffix in {*_METADATA, ".pth"})


def _name_and_version(item: Path) -> tuple[str, str]:
    stem = re.sub(r"-py\d+(\.\d+)*$", "", item.stem) if item.suffix == ".egg-info" else item.stem
    name, dash, version = stem.partition("-")
    return canonical(name), version if dash else _version_inside(item)


def _version_inside(item: Path) -> str:
    """Return the version that the metadata of a development install tells; its name has none."""
    try:
        text = (item / "PKG-INFO" if item.is_dir() else item).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return str(HeaderParser().parsestr(text, headersonly=True).get("Version") or "")


def _origin(item: Path) -> str:
    said = _direct(item)
    address = re.sub(r"//[^/@]*@", "//", str(said.get("url", "")))
    if not address:
        return ""
    if address.startswith("file:"):
        folder = said.get("dir_info")
        return "file" if folder is None else "editable" if folder.get("editable") else "folder"
    kept = said.get("vcs_info") or {}
    return f"{kept['vcs']}+{address}@{kept.get('commit_id', '')}" if kept.get("vcs") else address


def _direct(item: Path) -> dict[str, Any]:
    try:
        said = json.loads((item / _ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}
