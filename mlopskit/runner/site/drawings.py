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
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
_WORDS = (
    "script", "foreignobject", "<!", "<?", "@import", "<set", "<animate", "<iframe", "<embed", "<object", "<audio",
    "<video", "<handler", "<listener",
)  # fmt: skip
_ACTIVE = tuple(
    re.compile(pattern)
    for pattern in (
        r"on[a-z]+\s*=",
        r"href\s*=\s*[\"'](?!\#|data:image/png;)",
        r"url\(\s*[\"']?(?!\#)",
        r"<a[\s/>]",
        r"<[\w.-]+:",
    )
)
"""What may be active, or fetch something; what only looks like it is drawn the same by the safe parts alone."""


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
        drawing = passive(content.decode("utf-8", "replace"))
        if not drawing:
            return None
        size = len(drawing.encode())
        if self.there.get(name) != size:
            state.put(self.folder / name, drawing)
            self.there[name] = size
        title = _TITLE.search(drawing)
        self._said[name] = html.unescape(title[1]) if title else "figure without a description"
        return self._said[name]

    def sizes(self, names: Collection[str]) -> dict[str, int]:
        """Return file → size of some."""
        return {name: self.there[name] for name in sorted(names)}

    def sweep(self, before: Collection[str], after: Collection[str]) -> None:
        """Remove what the site had and no run of it needs any more."""
        for name in set(before) - set(after):
            (self.folder / name).unlink(missing_ok=True)


def passive(drawing: str) -> str:
    """Return a drawing in which nothing runs and that fetches nothing, empty when it can't be read as one.

    Examples
    --------
    >>> passive('<svg xmlns="http://www.w3.org/2000/svg"><path onload="x()" d="M0 0"/></svg>')
    '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>'
    """
    small = drawing.lower()
    if not any(word in small for word in _WORDS) and not any(pattern.search(small) for pattern in _ACTIVE):
        return drawing
    safe = safe_svg(drawing)
    for place, colour in enumerate(PALETTE, start=1):  # a report's variables; an image has none
        safe = safe.replace(f"var(--series-{place})", colour)
    return safe.replace("<svg", f"<svg {_NAMESPACE}", 1) if safe.startswith("<svg") else ""
