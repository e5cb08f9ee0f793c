"""Outputs that are too large for a notebook go to files beside it, with a link in their place.

A notebook is written again and again while it runs, is sent around and is opened in browsers. So what a cell shows
past `LIMIT` characters is written to ``outputs/<cell>-<n>.<extension>``, as it comes: neither memory nor the cost of
a save grows with what is printed. Everything passes the redaction on its way, before it is kept anywhere.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlopskit import artefacts
from mlopskit.runner.redaction import Redactor
from mlopskit.runs import Record
from mlopskit.runs.trace import append

LIMIT = 1_000_000
"""Characters that one output, or one stream of a cell, may have in the notebook."""

FOLDER = "outputs"
_HEAD = 2_000  # characters of a spilled stream that the notebook still shows
_EXTENSIONS = {
    "text/plain": "txt", "text/html": "html", "text/markdown": "md", "text/latex": "tex", "image/svg+xml": "svg",
    "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "application/pdf": "pdf",
    "application/javascript": "js",
}  # fmt: skip
_BINARY = {"png", "jpg", "gif", "webp", "pdf"}
_LINK = re.compile(rf'href="{FOLDER}/([\w-]+\.\w+)"')


@dataclass
class _Stream:
    """What one stream of the running cell has said so far."""

    held: str = ""
    kept: list[str] = field(default_factory=list)
    size: int = 0
    file: Path | None = None
    link: Any = None


class Spill:
    """The outputs of one notebook on their way into it: redacted, and cut to size.

    Parameters
    ----------
    folder : Path or None
        Where the notebook lies; None keeps every output in the notebook.
    redactor : Redactor
        Takes secrets out.
    limit : int
        Characters that one output may have.
    """

    def __init__(self, folder: Path | None, redactor: Redactor, *, limit: int = LIMIT) -> None:
        self._folder, self._redactor, self._limit = folder, redactor, limit
        self._cell, self._files = "cell", 0
        self._made: set[Path] = set()
        self._streams: dict[str, _Stream] = {}

    def begin(self, cell: str) -> None:
        """Note which cell the outputs belong to from now on."""
        self._cell, self._files = re.sub(r"[^\w-]", "_", cell) or "cell", 0
        self._streams = {}

    def clear(self) -> None:
        """Forget what the cell has printed: it cleared its output."""
        self._streams = {}

    def redacted(self, value: Any) -> Any:
        """Return plain data without the secrets."""
        return self._redactor.value(value)

    @property
    def is_active(self) -> bool:
        """Tell whether outputs are looked after: when nothing is, nbclient keeps its ways."""
        return self._folder is not None or bool(self._redactor)

    def remainders(self) -> dict[str, str]:
        """Return, for each stream, the end that was held back because a secret might have begun there."""
        return {name: stream.held for name, stream in self._streams.items() if stream.held}

    def stream(self, name: str, text: str, *, last: bool = False) -> tuple[str, _Stream | None]:
        """Take what a stream says next.

        Returns
        -------
        text : str
            What goes into the notebook now; may be empty.
        spilling : _Stream or None
            The stream, when its output is in a file.
        """
        stream = self._streams.setdefault(name, _Stream())
        clean, stream.held = (text, "") if last else self._redactor.split(stream.held + text)
        stream.size += len(clean)
        if self._folder is None:
            return clean, None
        if stream.file is not None:
            _append(stream.file, clean)
            self._retell(stream)
            return "", stream
        stream.kept.append(clean)
        if stream.size <= self._limit:
            return clean, None
        stream.file = self._new_file("txt")
        _append(stream.file, "".join(stream.kept))
        stream.kept = []
        room = _HEAD - (stream.size - len(clean))
        return f"{clean[:room]}\n…\n" if room > 0 else "", stream

    def link(self, stream: _Stream) -> dict[str, str]:
        """Return the bundle that stands in the notebook for a spilled stream."""
        assert stream.file is not None  # noqa: S101
        return _links([(stream.file, stream.size)], "")

    def _retell(self, stream: _Stream) -> None:
        if stream.link is not None:
            stream.link["data"].update(self.link(stream))

    def bundle(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return a mime bundle redacted and, when it is too large, as links to its files."""
        data = self._redactor.value(data)
        sizes = {mime: len(_as_text(content)) for mime, content in data.items()}
        if self._folder is None or sum(sizes.values()) <= self._limit:
            return data
        files = [(self._write(mime, data[mime]), size) for mime, size in sizes.items() if size > _HEAD]
        short = {mime: _as_text(data[mime]) for mime, size in sizes.items() if size <= _HEAD}
        return _links(files, short.get("text/plain", ""), short.get("text/html", ""))

    def error(self, content: dict[str, Any]) -> dict[str, Any]:
        """Return an error redacted and, when it is too large, with its traceback in a file."""
        content = self._redactor.value(content)
        lines = "\n".join(content.get("traceback") or [])
        if self._folder is None or len(lines) + len(content.get("evalue", "")) <= self._limit:
            return content
        file = self._new_file("txt")
        _append(file, lines)
        shown = [lines[:_HEAD], "…", lines[-_HEAD:], _sentence(file, len(lines))]
        return {**content, "evalue": content.get("evalue", "")[:_HEAD] + " …", "traceback": shown}

    def sweep(self, notebook: Any) -> None:
        """Remove the files that the notebook leads to no more: a cell showed something else in their place."""
        told = json.dumps(notebook, ensure_ascii=False) if self._made else ""
        for file in self._made:
            if f"{FOLDER}/{file.name}" not in told:
                file.unlink(missing_ok=True)

    def _write(self, mime: str, content: Any) -> Path:
        extension, text = _EXTENSIONS.get(mime) or ("json" if mime.endswith("json") else "txt"), _as_text(content)
        if extension in _BINARY:
            with suppress(ValueError):  # a notebook may call a picture what is none: it is kept as the text that it is
                data = base64.b64decode(text)
                file = self._new_file(extension)
                file.write_bytes(data)
                return file
            extension = "txt"
        file = self._new_file(extension)
        _append(file, text)
        return file

    def _new_file(self, extension: str) -> Path:
        assert self._folder is not None  # noqa: S101
        self._files += 1
        file = self._folder / FOLDER / f"{self._cell}-{self._files}.{extension}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # of an earlier attempt
        self._made.add(file)
        return file


def seal(home: Path) -> None:
    """Record what the outputs beside the notebook of a phase are, as its artefacts were recorded."""
    for file in sorted((home / FOLDER).glob("*")):
        name = f"{home.name}/{FOLDER}/{file.name}"
        append(home, Record("output", name, artefacts.sha256(file), bytes=file.stat().st_size))


def spilled(data: Mapping[str, Any], home: Path) -> dict[str, str]:
    """Return what lies in the files that the links in an output lead to, by their names; of a picture its hash."""
    names = _LINK.findall(str(data.get("text/html", "")))
    files = [home / FOLDER / name for name in names if (home / FOLDER / name).is_file()]
    return {f"{FOLDER}/{file.name}": _content(file) for file in files}


def _content(file: Path) -> str:
    binary = file.suffix[1:] in _BINARY
    return artefacts.sha256(file) if binary else file.read_text(encoding="utf-8", errors="replace")


def shorten(outputs: list[Any], name: str) -> None:
    """Leave of a stream's outputs in a cell only the beginning; the rest has gone to a file."""
    room = _HEAD
    for output in outputs:
        if output["output_type"] == "stream" and output["name"] == name:
            cut = output["text"][:room]
            output["text"] = cut if len(cut) == len(output["text"]) else f"{cut}\n…\n"
            room = max(0, room - len(cut))


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8", newline="") as opened:
        opened.write(text)


def _as_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(content) if _is_lines(content) else json.dumps(content)


def _is_lines(content: Any) -> bool:
    return isinstance(content, list) and all(isinstance(line, str) for line in content)


def _sentence(file: Path, size: int) -> str:
    return f"The output has {size:,} characters; all of it is in {FOLDER}/{file.name}"


def _links(files: list[tuple[Path, int]], said: str, shown: str = "") -> dict[str, str]:
    """Return the links, below what the output is in short: `said` as text, `shown` as HTML."""
    plain = "\n".join([*([said] if said else []), *(_sentence(file, size) for file, size in files)])
    linked = "".join(
        f'<p>The output has {size:,} characters; all of it is in <a href="{FOLDER}/{file.name}">'
        f"{FOLDER}/{html.escape(file.name)}</a></p>"
        for file, size in files
    )
    above = shown or (f"<pre>{html.escape(said)}</pre>" if said else "")
    return {"text/plain": plain, "text/html": above + linked}
