"""The figures of all runs, each kept once: ``figures/<fingerprint>.svg``, whichever runs have it.

A comparison shows them as images, in which nothing of a drawing can run, and only when asked. As a file of a web host
may be opened for itself as well, where a script in it would run, a drawing that holds anything active is kept without.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from mlopskit.display import PALETTE
from mlopskit.runner.report.safe import safe_svg
from mlopskit.runner.site import state
from mlopskit.runner.site.reading import Reading
from mlopskit.runs import Record

FOLDER = "figures"
_TITLE = re.compile(rb"<title>(.*?)</title>", re.DOTALL)
_NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
_SMALL, _NUMBERS = bytes(range(256)).lower(), b"0123456789."
_ACTIVE = tuple(
    re.compile(pattern)
    for pattern in (
        rb"<(?:[!?]|a[\s/>]|[^\s<>/]*:|script|foreignobject|set|animate|iframe|embed|object|audio|video|handler|listener)",
        rb"on[a-z]+\s*=",
        rb"href\s*=\s*[\"'](?!\#|data:image/png;)",
        rb"url\(\s*[\"']?(?!\#)",
        rb"@import",
    )
)
"""What may be active, or fetch something; what only looks like it is drawn the same by the safe parts alone."""
_SPELT = tuple(re.compile(pattern) for pattern in (rb"\0", rb"\\", rb"&\#(?!x27;)"))
"""Letters written otherwise, in which a word would not be found: wide, or by their number; of these only a quote is."""


@dataclass
class Drawings:
    """The figures of a site.

    Attributes
    ----------
    folder : Path
        Where they lie.
    there : dict
        File → size of what lies there.
    """

    folder: Path
    there: dict[str, int]
    _said: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, site: Path) -> Drawings:
        """See what there is."""
        folder = site / FOLDER
        with suppress(OSError):
            return cls(
                folder, {path.name: path.stat().st_size for path in folder.iterdir() if state.is_figure(path.name)}
            )
        return cls(folder, {})

    def of_run(self, run: Reading) -> dict[str, list[str]]:
        """Keep the figures of a run; return ``phase/file`` → its name here, and what it shows in words.

        One that is lost or damaged is left out, as is what measures time.
        """
        found = {}
        for name, record in run.artefacts().items():
            if name.endswith(".svg") and state.is_figure(kept := f"{record.sha256[: state.LETTERS]}.svg"):
                words = self._keep(run.folder / name, record, kept)
                if words is not None:
                    found[name] = [kept, words]
        return found

    def _keep(self, path: Path, record: Record, name: str) -> str | None:
        try:
            if name in self._said and path.stat().st_size == record.bytes:  # another run of this build has it too
                return self._said[name]
            content = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest() != record.sha256:
            return None
        drawing = passive(content)
        if not drawing:
            return None
        if self.there.get(name) != len(drawing):
            state.write(self.folder / name, drawing)
            self.there[name] = len(drawing)
        title = _TITLE.search(drawing)
        words = html.unescape(title[1].decode("utf-8", "replace")) if title else "figure without a description"
        self._said[name] = words
        return self._said[name]

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """Return file → size of some."""
        return {name: self.there[name] for name in sorted(names)}

    def sweep(self, before: Collection[str], after: Collection[str]) -> None:
        """Remove what the site had and no run of it needs any more."""
        for name in set(before) - set(after):
            (self.folder / name).unlink(missing_ok=True)


def passive(drawing: bytes) -> bytes:
    """Return a drawing in which nothing runs and that fetches nothing, empty when it can't be read as one.

    Examples
    --------
    >>> passive(b'<svg xmlns="http://www.w3.org/2000/svg"><path onload="x()" d="M0 0"/></svg>')
    b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>'
    """
    words = drawing.translate(_SMALL, _NUMBERS)  # most of a drawing is numbers, in which nothing is looked for
    sought = (*((item, words) for item in _ACTIVE), *((item, drawing) for item in _SPELT))
    if b"<svg" in words and not any(item.search(text) for item, text in sought):
        return drawing
    safe = safe_svg(drawing.decode("utf-8", "replace"))
    for place, colour in enumerate(PALETTE, start=1):  # a report's variables; an image has none
        safe = safe.replace(f"var(--series-{place})", colour)
    return safe.replace("<svg", f"<svg {_NAMESPACE}", 1).encode() if safe.startswith("<svg") else b""
