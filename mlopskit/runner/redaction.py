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
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from mlopskit.artefacts import write_text
from mlopskit.secrets import Secret

_SHORTEST_ENCODED = 8  # a shorter piece of base64 turns up in pictures by chance


def forms(value: str) -> set[str]:
    """Return the spellings of a secret that are looked for."""
    raw = value.encode(errors="surrogateescape")  # as the environment hands over what is no UTF-8
    spelled = {raw.hex(), raw.hex().upper(), quote(raw), quote(raw, safe=""), quote_plus(raw)}
    spelled |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    spelled |= {html.escape(value), html.escape(value, quote=False)}
    return plainly(value) | spelled | {piece for piece in _base64(raw) if len(piece) >= _SHORTEST_ENCODED}


def plainly(value: str) -> set[str]:
    """Return a secret as it is, and each of its long lines."""
    lines = {line.strip() for line in value.splitlines() if len(line.strip()) >= 16}
    return {value, value.strip(), *lines} - {""}


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
