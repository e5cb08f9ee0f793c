"""What a site knows of itself: which runs it has, what they looked like, and what was said of them.

It is what makes a second build quick, and what keeps a run's line when its folder is no more. A folder that is not
empty and has no such file is not a site, and is left alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopskit.artefacts import replacing
from mlopskit.errors import RunError
from mlopskit.runner.site.entries import Entry

FILE = "mlopskit-site.json"
LETTERS = 32
_VERSION = 1
_FIGURE = re.compile(rf"[0-9a-f]{{{LETTERS}}}\.svg")


@dataclass(frozen=True)
class Known:
    """A run as the site has it: by what it was made, what the index says, and the sizes of its files and figures."""

    made_from: str
    entry: Entry
    sizes: Mapping[str, int]
    figures: Mapping[str, int] = field(default_factory=dict)

    def stands(self, folder: Path, figures: Mapping[str, int]) -> bool:
        """Tell whether every file is there, of the size that was written; `figures` are those that the site has."""
        with suppress(OSError):
            whole = all((folder / name).stat().st_size == size for name, size in self.sizes.items())
            return whole and all(figures.get(name) == size for name, size in self.figures.items())
        return False

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data that JSON can hold."""
        return {
            "made_from": self.made_from,
            "entry": self.entry.as_dict(),
            "sizes": dict(self.sizes),
            "figures": dict(self.figures),
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Known:
        """Read it back from plain data; of names only those are taken that lead nowhere else.

        Raises
        ------
        TypeError, KeyError, ValueError, AttributeError
            When it is in another form.
        """
        sizes = {str(name): int(size) for name, size in said["sizes"].items() if is_name(name)}
        figures = {name: int(size) for name, size in said.get("figures", {}).items() if is_figure(name)}
        return cls(str(said["made_from"]), Entry.from_dict(said["entry"]), sizes, figures)


def claim(folder: Path, runs: Path) -> None:
    """Make the folder a site, unless it is one.

    Raises
    ------
    RunError
        When it holds something else, or lies among the runs.
    """
    if runs.resolve() in (folder.resolve(), *folder.resolve().parents):
        raise RunError(f"{folder} lies among the runs. Name another folder with --into.")
    if (folder / FILE).is_file():
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} holds other files and is no site. Name a new or an empty folder with --into.")
    save(folder, {})


def load(folder: Path) -> dict[str, Known]:
    """Return the runs that a site has, by name; none when its file is damaged, so that all is built again."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if said["version"] != _VERSION:
            return {}
        return {name: Known.from_dict(item) for name, item in said["runs"].items() if is_name(name)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def is_name(name: str) -> bool:
    """Tell whether a name is that of a folder, and leads nowhere else."""
    return name not in ("", ".", "..") and Path(name).name == name and "\\" not in name


def is_figure(name: str) -> bool:
    """Tell whether a name is that of a figure, and leads nowhere else.

    Examples
    --------
    >>> is_figure("0" * 32 + ".svg"), is_figure("../index.html")
    (True, False)
    """
    return _FIGURE.fullmatch(name) is not None


def save(folder: Path, known: Mapping[str, Known]) -> None:
    """Write what the site has, whole or not at all."""
    runs = {name: item.as_dict() for name, item in sorted(known.items())}
    put(folder / FILE, json.dumps({"version": _VERSION, "runs": runs}))  # ASCII: a name may be no text


def put(path: Path, text: str) -> bool:
    """Write a file whole or not at all, unless it says just that already; tell whether it was written."""
    content = text.encode("utf-8", "replace")  # half a character is none
    with suppress(OSError):
        if path.read_bytes() == content:
            return False
    write(path, content)
    return True


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as draft:
        draft.write_bytes(content)
