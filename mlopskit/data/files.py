"""Tables from files: Parquet, CSV, TSV and JSON lines.

Text is UTF-8. A file that is not is read as Windows-1252, the usual culprit, and that is said; where not even that can
be, or where the bytes look like no text at all, it is refused with the place of the first bad byte.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from mlopskit.data.checks import Finding
from mlopskit.errors import DataError, listing

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "<NA>", "-nan", "-NaN")
"""What stands for a missing value in a text file; the word ``None`` does not, since it is often an answer."""


@dataclass(frozen=True)
class FileTable:
    """A table read from a file.

    Attributes
    ----------
    frame : DataFrame
        Every row and column, names as text.
    how : str
        The format, with separator and encoding where they had to be found out.
    findings : tuple of Finding
        What a reader should know about the reading.
    """

    frame: pd.DataFrame
    how: str
    findings: tuple[Finding, ...] = ()


def read(path: Path) -> FileTable:
    """Read a table from a file; its ending tells the format.

    Raises
    ------
    DataError
        When the format is unknown, the bytes are not what the ending says, or the file has no columns.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(
            f"{path.name}: tables are read from {listing(_READERS)} files, and this is none. "
            "Convert it to Parquet or CSV."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes). Give a file with a table in it.")
    table = reader(path)
    table.frame.columns = pd.Index([str(name) for name in table.frame.columns], dtype=object)
    return table


def _read_parquet(path: Path) -> FileTable:
    try:
        with pq.ParquetFile(path) as file:
            _refuse_duplicates(path, list(file.schema_arrow.names))
            table = file.read()
    except (pa.ArrowInvalid, OSError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"{path.name} is not a readable Parquet file: {why}. Write it again.") from None
    return FileTable(table.to_pandas(ignore_metadata=True), "Parquet")


def _read_delimited(path: Path) -> FileTable:
    text, encoding, findings = decode(path)
    if not text.strip():
        raise DataError(f"{path.name} holds nothing but white space. Give a file with a header and rows.")
    header = text.split("\n", 1)[0]
    separator = (
        "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=lambda mark: (header.count(mark), mark == ","))
    )
    names = next(csv.reader(io.StringIO(text), delimiter=separator), [])  # a quoted name may hold a line break
    _refuse_duplicates(path, [name for name in names if name])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                io.StringIO(text), sep=separator, na_values=list(MISSING), keep_default_na=False, low_memory=False,
                index_col=False,
            )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path.name} is not a regular table: {_plain(error)}. Correct that line.") from None
    shown = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}[separator]
    return FileTable(frame, f"text, separator {shown}, encoding {encoding}", findings)


def _plain(error: Exception) -> str:
    """Return the parser's sentence without the names of its parts."""
    return str(error).strip().removeprefix("Error tokenizing data. C error: ")


def _read_json_lines(path: Path) -> FileTable:
    text, encoding, findings = decode(path)
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{path.name}, line {number}: not JSON ({error}). Each line must be one JSON object."
            ) from None
        if not isinstance(row, dict):
            raise DataError(
                f'{path.name}, line {number}: {type(row).__name__} instead of an object such as {{"a": 1}}.'
            )
        rows.append(row)
    return FileTable(pd.DataFrame(rows), f"JSON lines, encoding {encoding}", findings)


def decode(path: Path) -> tuple[str, str, tuple[Finding, ...]]:
    """Return a file's text, the encoding it was read with, and a finding when that was not UTF-8.

    Raises
    ------
    DataError
        When it is neither UTF-8 nor Windows-1252, or holds zero bytes: with the place of the first bad byte.
    """
    raw = path.read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return (
            _newlines(raw.decode("utf-16")),
            "UTF-16",
            (_encoding_finding(path, 0, "UTF-16, as its first bytes say"),),
        )
    if b"\0" in raw:
        place = raw.index(b"\0")
        raise DataError(
            f"{path.name} is not text: byte {place:,} is zero. Give the file its right ending, or export it as CSV."
        )
    try:
        return _newlines(raw.decode("utf-8-sig")), "UTF-8", ()
    except UnicodeDecodeError as error:
        place = error.start
    try:
        text = raw.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} is not UTF-8 (byte {place:,}) and not Windows-1252 either (byte {error.start:,}). "
            "Save it as UTF-8, for example with: iconv -f ENCODING -t UTF-8."
        ) from None
    return (
        _newlines(text),
        "Windows-1252",
        (_encoding_finding(path, place, "Windows-1252; check the accented letters"),),
    )


def _encoding_finding(path: Path, place: int, read_as: str) -> Finding:
    return Finding("DAT014", path.name, "issue", f"not UTF-8 (first other byte at {place:,}); read as {read_as}", 1)


def _newlines(text: str) -> str:
    return text.replace("\r\n", "\n")


def _refuse_duplicates(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(
            f"{path.name}: column names occur more than once: {listing(map(repr, twice))}. "
            "Nobody can tell which one is meant; rename them."
        )


_READERS: Mapping[str, Callable[[Path], FileTable]] = {
    ".parquet": _read_parquet,
    ".csv": _read_delimited,
    ".tsv": _read_delimited,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
