"""Leaks: the search for secrets in what a phase wrote, before anything of it is shared.

Every file is searched for the spellings that `redaction` knows, by its bytes; tables by their columns too, and what
packed files hold, unpacked. What cannot be searched is named, since nobody knows what it holds.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from mlopskit.runner.redaction import Redactor, forms, plainly
from mlopskit.secrets import Secret

_CHUNK = 1 << 22  # bytes
_ROWS = 1 << 16
_KEPT_IN_MEMORY = 1 << 26
_DEEPEST = 4
"""How many times what a file holds may be packed."""

_LONGEST_REASON = 200
_READABLE = (
    "write it in a form that can be read, such as Parquet, text, or an archive that is whole and has no password."
)

_PARQUET = rb"PAR[1E]"  # PARE: its footer is encrypted
_ZIP = rb"PK\x03\x04"
_DECOMPRESSORS: dict[bytes, Callable[[Any], Any]] = {
    rb"\x1f\x8b\x08": gzip.open,
    rb"BZh[1-9]1AY&SY": bz2.open,
    rb"\xfd7zXZ\x00": lzma.open,
}
_HEAD = 10  # bytes of the longest of these
_NUMBER = frozenset(b"0123456789.+-")


@dataclass(frozen=True)
class Search:
    """What was found in the artefacts of a phase, one sentence a file.

    Attributes
    ----------
    leaks : list of str
        Such as ``"rows.parquet holds the secret token"``.
    unsearched : list of str
        Such as ``"x.zip cannot be searched for secrets (File is not a zip file)"``.
    """

    leaks: list[str] = field(default_factory=list)
    unsearched: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.leaks or self.unsearched)

    def message(self, advice: str) -> str:
        """Return everything in one text, with what to do: `advice` for leaks."""
        leaks = f"{'; '.join(self.leaks)}. {advice}" if self.leaks else ""
        unsearched = f"{'; '.join(self.unsearched)}: {_READABLE}" if self.unsearched else ""
        return " ".join(filter(None, [leaks, unsearched]))


def find_in(folder: Path, secrets: Sequence[Secret]) -> Search:
    """Look for secrets in the artefacts of a phase; never raises for what they hold.

    Every name counts, and every file is searched as bytes; Parquet also by its columns, gzip, bzip2 and xz files also
    decompressed, and zip archives (skops models, .xlsx, .npz) by their members. The order is that of the names.
    """
    found = Search()
    if not secrets:
        return found
    sought, redactor = _Sought(secrets), Redactor(secrets)
    for path in sorted(Path(top, name) for top, folders, files in os.walk(folder) for name in [*folders, *files]):
        raw = os.fsencode(path.relative_to(folder))
        shown = redactor.text(raw.decode(errors="replace"))
        try:
            name = sought.first_in(raw) or _first_in_path(path, sought)
        except FileNotFoundError:  # gone since the folder was listed: there is nothing to share
            continue
        except Exception as error:  # whatever a decoder says of content that it cannot read
            found.unsearched.append(f"{shown} cannot be searched for secrets ({_reason(error, redactor)})")
            continue
        if name:
            found.leaks.append(f"{shown} holds the secret {name}")
    return found


def _reason(error: Exception, redactor: Redactor) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = redactor.text(text).strip().splitlines() or [type(error).__name__]
    return lines[0][:_LONGEST_REASON].rstrip(".")


class _Sought:
    """The bytes that are looked for."""

    def __init__(self, secrets: Sequence[Secret]) -> None:
        names = {form: secret.name for secret in secrets for form in _encoded(secret.value)}
        self._names = dict(sorted(names.items(), key=lambda item: (-len(item[0]), item[0])))
        self._overlap = len(next(iter(self._names))) - 1
        self.numbers = any(_NUMBER.issuperset(form) for form in self._names)

    def first_in(self, content: bytes) -> str | None:
        """Return the name of a secret in the content: that of the longest form."""
        return next((name for form, name in self._names.items() if form in content), None)

    def first_in_stream(self, file: IO[bytes]) -> str | None:
        """Return the same for a file, read in pieces."""
        content = b""
        while piece := file.read(_CHUNK):
            content = content[-self._overlap :] + piece
            if name := self.first_in(content):
                return name
        return None


def _encoded(value: str) -> set[bytes]:
    """Return the forms of a secret as bytes; the plain ones also as Windows and pictures (PNG) hold text."""
    found = {form.encode(errors="surrogateescape") for form in forms(value)}
    for plain in plainly(value):
        found |= {plain.encode("utf-16-le", "surrogatepass"), plain.encode("utf-16-be", "surrogatepass")}
        with contextlib.suppress(UnicodeEncodeError):
            found.add(plain.encode("latin-1"))
    return found


def _first_in_path(path: Path, sought: _Sought) -> str | None:
    if path.is_symlink() and (name := sought.first_in(os.fsencode(path.readlink()))):
        return name
    if path.is_file():
        with path.open("rb") as file:
            return _first_in(file, sought)
    if path.is_dir() and not path.is_symlink():
        next(path.iterdir(), None)  # raises when nobody may look into it
    return None


def _first_in(file: IO[bytes], sought: _Sought, *, depth: int = 0) -> str | None:
    """Search a file as it is, and then what comes out when it is unpacked."""
    if name := sought.first_in_stream(file):
        return name
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    if re.match(_PARQUET, head):
        with _whole(file, depth) as whole:
            return next(filter(None, map(sought.first_in, _columns(whole, numbers=sought.numbers))), None)
    for inner in _unpacked(file, head, depth):
        if depth == _DEEPEST:
            raise ValueError(f"it is packed more than {_DEEPEST} times")
        if name := _first_in(inner, sought, depth=depth + 1):
            return name
    return None


def _unpacked(file: IO[bytes], head: bytes, depth: int) -> Iterator[IO[bytes]]:
    """Yield what a compressed file or the members of an archive hold; nothing for any other file."""
    for magic, decompressor in _DECOMPRESSORS.items():
        if re.match(magic, head):
            with decompressor(file) as stream:
                yield stream
            return
    if re.match(_ZIP, head) or (depth == 0 and zipfile.is_zipfile(file)):  # which may come after other bytes
        with _whole(file, depth) as whole, zipfile.ZipFile(whole) as archive:
            for member in archive.infolist():
                if member.flag_bits & 1:
                    raise ValueError(f"its member {member.filename} is encrypted")
                with archive.open(member) as stream:
                    yield stream


@contextlib.contextmanager
def _whole(file: IO[bytes], depth: int) -> Iterator[IO[bytes]]:
    """Give a file in which going back costs nothing; in a decompressed stream it means to start anew."""
    if depth == 0:
        yield file
        return
    with tempfile.SpooledTemporaryFile(_KEPT_IN_MEMORY) as copy:
        shutil.copyfileobj(file, copy)
        copy.seek(0)
        yield cast("IO[bytes]", copy)


def _columns(file: IO[bytes], *, numbers: bool) -> Iterator[bytes]:
    """Yield the values in each column of Parquet; names and metadata stand in the file as they are."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        names = [column.name for column in table.schema_arrow if _is_searched(column.type, numbers=numbers)]
        for batch in table.iter_batches(_ROWS, columns=list(dict.fromkeys(names))):
            for column in batch.columns:
                yield from (_joined(leaf) for leaf in _leaves(column) if _is_searched(leaf.type, numbers=numbers))


def _is_searched(kind: Any, *, numbers: bool) -> bool:
    """Tell whether values of a type could hold a secret; whole numbers could when one is written in digits alone."""
    from pyarrow import types

    if types.is_integer(kind) or types.is_decimal(kind):
        return numbers
    return not (types.is_floating(kind) or types.is_boolean(kind) or types.is_temporal(kind) or types.is_null(kind))


def _leaves(column: Any) -> Iterator[Any]:
    """Yield the arrays of plain values that a column is made of."""
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        yield from _leaves(column.storage)
    elif pa.types.is_dictionary(column.type):
        yield from _leaves(column.dictionary)
    elif pa.types.is_struct(column.type) or pa.types.is_map(column.type):
        for child in [column.keys, column.items] if pa.types.is_map(column.type) else column.flatten():
            yield from _leaves(child)
    elif pa.types.is_nested(column.type):
        yield from _leaves(column.flatten())
    else:
        yield column


def _joined(column: Any) -> bytes:
    """Return the values as bytes, each once: text that is no UTF-8 is searched like any other."""
    import pyarrow as pa

    if pa.types.is_integer(column.type) or pa.types.is_decimal(column.type):
        column = column.cast(pa.large_string())
    return b"\n".join(column.cast(pa.large_binary()).drop_null().unique().to_pylist())
