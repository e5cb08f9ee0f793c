"""Redaction: secrets are taken out of what a notebook prints before it is saved.

Found are the value itself and the forms in which it usually travels: base64 (at any place in a longer text), hex,
URL-quoted, JSON- and HTML-escaped, and each long line of a secret of several lines. This is the best that can be done
by looking at text, and no proof: a cell that reverses, encrypts or splits a secret defeats it. The safe course is
never to print or write one.
"""

from __future__ import annotations

import base64
import html
import json
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from mlopskit.artefacts import write_text
from mlopskit.secrets import Secret

_SHORTEST_ENCODED = 8  # a shorter piece of base64 turns up in pictures by chance
_CHUNK = 1 << 20


def forms(value: str) -> set[str]:
    """Return the spellings of a secret that are looked for."""
    raw = value.encode()
    lines = {line.strip() for line in value.splitlines() if len(line.strip()) >= 16}
    plain = {value, value.strip(), *lines} - {""}
    spelled = {raw.hex(), raw.hex().upper(), quote(value), quote(value, safe=""), quote_plus(value)}
    spelled |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    spelled |= {html.escape(value), html.escape(value, quote=False)}
    return plain | spelled | {piece for piece in _base64(raw) if len(piece) >= _SHORTEST_ENCODED}


def _base64(raw: bytes) -> Iterator[str]:
    """Yield the characters that stand for `raw` wherever it begins within the groups of three bytes."""
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + raw).decode().rstrip("=")
        first, last = -(-offset * 8 // 6), (offset + len(raw)) * 8 // 6
        yield whole[first:last]
        yield whole[first:last].replace("+", "-").replace("/", "_")


class Redactor:
    """Replaces secrets by ``[secret NAME]``.

    Parameters
    ----------
    secrets : sequence of Secret
        What is looked for; with none, everything is returned as it is.
    """

    def __init__(self, secrets: Sequence[Secret] = ()) -> None:
        self._names = {form: secret.name for secret in secrets for form in forms(secret.value)}
        self._forms = sorted(self._names, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, self._forms))) if self._forms else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def text(self, text: str) -> str:
        """Return the text without the secrets."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[secret {self._names[found[0]]}]", text)

    def value(self, value: Any) -> Any:
        """Return plain data without the secrets, whatever the depth, keys included."""
        if self._pattern is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value

    def split(self, text: str) -> tuple[str, str]:
        """Return the text without the secrets, and the end of it that may be the beginning of one."""
        clean = self.text(text)
        longest = min(len(clean), len(self._forms[0]) - 1) if self._forms else 0
        for size in range(longest, 0, -1):
            tail = clean[-size:]
            if any(form.startswith(tail) for form in self._forms):
                return clean[:-size], tail
        return clean, ""

    def file(self, path: Path) -> None:
        """Rewrite a text file without the secrets; it is left alone when it holds none."""
        if self._pattern is None or not path.is_file():
            return
        before = path.read_text(encoding="utf-8", errors="replace")
        if (after := self.text(before)) != before:
            write_text(path, after)

    def first_in(self, text: str) -> str | None:
        """Return the name of the first secret in a text."""
        found = self._pattern.search(text) if self._pattern is not None else None
        return self._names[found[0]] if found else None

    @property
    def reach(self) -> int:
        """Characters of the longest form."""
        return len(self._forms[0]) if self._forms else 0


def find_in(folder: Path, secrets: Sequence[Secret]) -> list[str]:
    """Look for secrets in the artefacts of a phase, and say for each file that holds one which it is.

    Every file is read as bytes; of Parquet, which is compressed, also the decoded columns, and of zip archives
    (skops models) the decoded members. The order is that of the file names.

    Returns
    -------
    list of str
        One sentence a file, such as ``"rows.parquet holds the secret token"``; empty when all is well.
    """
    redactor = Redactor(secrets)
    if not redactor:
        return []
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = ((path, path.relative_to(folder).as_posix()) for path in files)
    named = ((redactor.text(name), redactor.first_in(name) or _first_in_file(path, redactor)) for path, name in names)
    return [f"{shown} holds the secret {name}" for shown, name in named if name]


def _first_in_file(path: Path, redactor: Redactor) -> str | None:
    texts = _file_texts(path)
    if path.suffix == ".parquet":
        texts = _chain(texts, _parquet_texts(path))
    elif zipfile.is_zipfile(path):  # skops models, and also .xlsx and .npz
        texts = _chain(texts, _archive_texts(path))
    tail = ""
    for text in texts:
        if name := redactor.first_in(tail + text):
            return name
        tail = text[-redactor.reach :]
    return None


def _chain(first: Iterator[str], second: Iterator[str]) -> Iterator[str]:
    yield from first
    yield from second


def _file_texts(path: Path) -> Iterator[str]:
    """Yield a file in pieces; of a piece of text that is cut within a character only that character is lost."""
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            yield piece.decode("utf-8", errors="replace")


def _parquet_texts(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as table:
        yield " ".join(table.schema_arrow.names)
        for batch in table.iter_batches(batch_size=10_000):
            for column in batch.columns:
                yield "\n".join(map(str, column.unique().to_pylist() if _is_flat(column) else column.to_pylist()))


def _is_flat(column: Any) -> bool:
    import pyarrow as pa

    return not pa.types.is_nested(column.type)


def _archive_texts(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield archive.read(name).decode("utf-8", errors="replace")
